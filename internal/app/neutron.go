package app

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/tricircle/tricircle/internal/neutron/api"
	"github.com/tricircle/tricircle/internal/neutron/ipam"
	"github.com/tricircle/tricircle/internal/neutron/plugin"
	"github.com/tricircle/tricircle/internal/neutron/typedriver"
	"github.com/tricircle/tricircle/internal/obs"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/policy"
)

func (c *core) neutron(public publicURL) (http.Handler, error) {
	rules, err := c.policy()
	if err != nil {
		return nil, err
	}
	types, err := c.networkTypes()
	if err != nil {
		return nil, err
	}
	p := plugin.New(plugin.Options{Store: c.store, Zones: zones{c.pods}, Types: types, MTU: int64(c.config.Networks.PhysicalMTU),
		DNSDomain: c.config.Networks.DNSDomain, Limits: c.limits(), Live: c.livePorts(), Addresses: ipam.New(rand.Uint64N), NewID: c.newID,
		Now: c.now, Random: rand.Uint64})
	return api.New(api.Options{
		Resources: p.Resources(), Routes: p.Routes(), Extensions: plugin.Extensions(), Store: c.store, Policy: rules,
		CheckQuota: p.CheckQuota, Validator: c.keystone, KeystoneURI: c.keystoneURI(), Public: public, NewID: c.newID, Now: c.now, Log: c.log,
	})
}

// policy is Neutron's, with what the operator's file overrides.
func (c *core) policy() (*policy.Enforcer, error) {
	name := c.config.Policy.File
	if name == "" {
		return policy.New(policy.Neutron(), nil)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("[oslo_policy] policy_file: %w", err)
	}
	defer func() { _ = f.Close() }()
	overrides, err := policy.ReadOverrides(f)
	if err != nil {
		return nil, fmt.Errorf("[oslo_policy] policy_file %s: %w", name, err)
	}
	return policy.New(policy.Neutron(), overrides)
}

// livePorts asks pods for what only they know of ports. That one of them does not answer hides nothing else.
func (c *core) livePorts() plugin.Live {
	return func(ctx context.Context, ids []string) map[string]plugin.PortState {
		ports, err := c.realizer.LivePorts(ctx, ids)
		if err != nil {
			c.log.WarnContext(ctx, "ports are shown without what their pods know of them", obs.KeyError, err)
		}
		live := make(map[string]plugin.PortState, len(ports))
		for id, p := range ports {
			owner := p.Owner
			if zone, ok := strings.CutPrefix(owner, "compute:"); ok {
				owner = "compute:" + p.Pod.TopZone(zone)
			}
			live[id] = plugin.PortState{Status: p.Status, DeviceID: p.DeviceID, DeviceOwner: owner, HostID: p.Pod.TopHost(p.HostID),
				VIFType: p.VIFType, VIFDetails: p.Details, Profile: p.Profile, DNSName: p.DNSName, Named: p.Named}
		}
		return live
	}
}

// networkTypes are what networks can be made of.
func (c *core) networkTypes() (*typedriver.Drivers, error) {
	n := c.config.Networks
	vlans, err := typedriver.ParseVLANs(n.VLANRanges)
	if err != nil {
		return nil, fmt.Errorf("[networks] network_vlan_ranges: %w", err)
	}
	vnis, err := typedriver.ParseVNIs(n.VNIRanges)
	if err != nil {
		return nil, fmt.Errorf("[networks] vni_ranges: %w", err)
	}
	types, err := typedriver.New(typedriver.Config{ProjectTypes: n.ProjectTypes, Flat: n.FlatNetworks, VLAN: vlans, VXLAN: vnis}, rand.Int64N)
	if err != nil {
		return nil, fmt.Errorf("[networks] project_network_types: %w", err)
	}
	return types, nil
}

// limits are the quotas of projects without limits of their own.
func (c *core) limits() plugin.Limits {
	q := c.config.Quotas
	return plugin.Limits{"network": int64(q.Network), "subnet": int64(q.Subnet), "subnetpool": int64(q.SubnetPool), "port": int64(q.Port),
		"router": int64(q.Router), "floatingip": int64(q.FloatingIP), "security_group": int64(q.SecurityGroup),
		"security_group_rule": int64(q.SecurityGroupRule), "rbac_policy": int64(q.RBACPolicy), "trunk": int64(q.Trunk)}
}

// zones are the availability zones of the registered pods.
type zones struct{ pods *pod.Registry }

// Names implements plugin.Zones.
func (z zones) Names() []plugin.Zone {
	available := map[string]bool{}
	for _, p := range z.pods.Snapshot().All() {
		for _, zone := range p.Zones {
			available[zone.Name] = available[zone.Name] || p.Serves() && p.Up()
		}
	}
	var all []plugin.Zone
	for name, up := range available {
		all = append(all, plugin.Zone{Name: name, Available: up})
	}
	slices.SortFunc(all, func(a, b plugin.Zone) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Of implements plugin.Zones.
func (z zones) Of(podNum int32) []string {
	p := z.pods.Snapshot().ByNum(podNum)
	if p == nil {
		return nil
	}
	var names []string
	for _, zone := range p.Zones {
		names = append(names, zone.Name)
	}
	return names
}

// Pods implements plugin.Zones.
func (z zones) Pods(zone string) []int32 {
	var nums []int32
	for _, p := range z.pods.Snapshot().Zone(zone) {
		nums = append(nums, p.Num)
	}
	return nums
}
