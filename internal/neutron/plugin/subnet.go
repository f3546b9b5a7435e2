package plugin

import (
	"context"
	"net/netip"
	"slices"

	"github.com/tricircle/tricircle/internal/neutron/api"
	"github.com/tricircle/tricircle/internal/neutron/ipam"
	"github.com/tricircle/tricircle/internal/neutron/schema"
	"github.com/tricircle/tricircle/internal/store"
)

func (p *Plugin) subnets() api.Resource {
	modes := schema.Values("dhcpv6-stateful", "dhcpv6-stateless", "slaac")
	return api.Resource{
		Kind: store.KindSubnet, Singular: "subnet", Plural: "subnets", Collection: "subnets",
		Standard: true, Tagged: true, NotFound: subnetNotFound,
		Attributes: []api.Attribute{
			{Name: "name", Post: true, Put: true, Default: "", Validate: schema.String(255)},
			{Name: "network_id", Post: true, Default: api.Required, Validate: schema.UUID},
			{Name: "ip_version", Post: true, Default: api.Required, Convert: schema.ToInt, Validate: schema.Values(int64(4), int64(6))},
			{Name: "subnetpool_id", Post: true, Default: nil, Validate: schema.OrNil(schema.UUID)},
			{Name: "use_default_subnetpool", Post: true, Default: false, Convert: schema.ToBool, Hidden: true, NoFilter: true, NoSort: true},
			{Name: "prefixlen", Post: true, Default: api.Unset, Convert: schema.ToInt, Validate: schema.NonNegative, Hidden: true, NoFilter: true,
				NoSort: true},
			{Name: "enable_dhcp", Post: true, Put: true, Default: true, Convert: schema.ToBool},
			{Name: "ipv6_ra_mode", Post: true, Default: nil, Validate: modes},
			{Name: "ipv6_address_mode", Post: true, Default: nil, Validate: modes},
			{Name: "gateway_ip", Post: true, Put: true, Default: api.Unset, Convert: schema.IfNotNil(schema.ToIP), Validate: schema.OrNil(schema.IPAddress)},
			{Name: "cidr", Post: true, Default: api.Unset, Convert: schema.IfNotNil(schema.ToCIDR), Validate: schema.OrNil(schema.Subnet)},
			{Name: "allocation_pools", Post: true, Put: true, Default: api.Unset, Validate: schema.IPPools, NoFilter: true,
				NoSort: true},
			{Name: "host_routes", Post: true, Put: true, Default: emptyList, Convert: schema.NilToList, Validate: schema.HostRoutes,
				NoFilter: true, NoSort: true},
			{Name: "dns_nameservers", Post: true, Put: true, Default: emptyList, Convert: schema.NilToList,
				Validate: schema.Nameservers, NoFilter: true, NoSort: true},
			{Name: "service_types", Post: true, Put: true, Default: emptyList, Validate: schema.ServiceTypes, Enforce: true, NoFilter: true,
				NoSort: true},
		},
		Rules: api.Rules{Create: p.createSubnet, Created: p.createdSubnet, Update: p.updateSubnet, Updated: p.updatedSubnet,
			Delete: p.deleteSubnet, Deleted: p.deletedSubnet},
	}
}

func emptyList() any { return []any{} }

// createSubnet checks and completes a subnet in Neutron's order, which decides what is said of a request that is wrong in several ways: the
// request itself, its pools, and only then what else is on the network (neutron/db/db_base_plugin_v2.py, _create_subnet_precommit, and
// neutron/db/ipam_backend_mixin.py, _save_subnet, Zed).
func (p *Plugin) createSubnet(c *api.Call, tx store.Tx, o *store.Object) error {
	ctx := c.Context()
	networkID := textOf(o.Attrs["network_id"])
	if err := tx.Serialize(ctx, networkKey(networkID)); err != nil {
		return err
	}
	network, err := p.visible(c, tx, store.KindNetwork, networkID)
	if err != nil {
		return err
	}
	pool, err := p.chooseCIDR(c, tx, o)
	if err != nil {
		return err
	}
	cidr, err := completeAddressing(o.Attrs)
	if err != nil {
		return err
	}
	siblings, err := tx.List(ctx, store.ObjectQuery{Kind: store.KindSubnet, Filters: []store.Filter{equal("network_id", networkID)}})
	if err != nil {
		return err
	}
	if err := checkOverlap(networkID, cidr, siblings); err != nil {
		return err
	}
	if err := checkAffinity(network, pool, o, siblings); err != nil {
		return err
	}
	delete(o.Attrs, "prefixlen")
	delete(o.Attrs, "use_default_subnetpool")
	return p.joinNetwork(ctx, tx, network, o)
}

// completeAddressing fills in the gateway and the pools of a new subnet, refuses impossible ones, and returns the CIDR.
func completeAddressing(s map[string]any) (netip.Prefix, error) {
	cidr, err := cidrOf(s)
	if err != nil {
		return cidr, err
	}
	if _, given := s["gateway_ip"]; !given {
		s["gateway_ip"] = ipam.DefaultGateway(cidr).String()
	}
	if err := checkSubnet(s, nil, "new subnet"); err != nil {
		return cidr, err
	}
	gateway := gatewayOf(s)
	if _, given := s["allocation_pools"]; !given {
		s["allocation_pools"] = ipam.PoolsAttr(ipam.DefaultPools(cidr, gateway))
		return cidr, nil
	}
	return cidr, checkPools(s, cidr, gateway)
}

// checkOverlap refuses a CIDR that another subnet of its network has a part of.
func checkOverlap(networkID string, cidr netip.Prefix, siblings []*store.Object) error {
	others := make([]netip.Prefix, len(siblings))
	for i, o := range siblings {
		sibling, err := ipam.SubnetOf(o)
		if err != nil {
			return err
		}
		others[i] = sibling.CIDR
	}
	return ipam.CheckCIDR(networkID, cidr, others)
}

// checkPools refuses impossible allocation pools, and makes the others canonical.
func checkPools(s map[string]any, cidr netip.Prefix, gateway netip.Addr) error {
	pools, err := ipam.PoolsOf(s["allocation_pools"])
	if err != nil {
		return err
	}
	s["allocation_pools"] = ipam.PoolsAttr(pools)
	return ipam.CheckPools(pools, cidr, gateway)
}

// gatewayOf is the gateway of a subnet, invalid for none.
func gatewayOf(s map[string]any) netip.Addr {
	gateway, err := netip.ParseAddr(textOf(s["gateway_ip"]))
	if err != nil {
		return netip.Addr{}
	}
	return gateway
}

// joinNetwork enters a new subnet into its network.
func (p *Plugin) joinNetwork(ctx context.Context, tx store.Tx, network, subnet *store.Object) error {
	network.Attrs["subnets"] = append(slices.Clone(listOf(textsOf(network.Attrs["subnets"]))), subnet.ID)
	if pool := textOf(subnet.Attrs["subnetpool_id"]); pool != "" {
		o, err := tx.Get(ctx, store.KindSubnetPool, pool)
		if err != nil {
			return err
		}
		network.Attrs[scopeAttribute(subnet)] = o.Attrs["address_scope_id"]
	}
	return tx.Update(ctx, network)
}

// scopeAttribute is where a network shows the address scope of a subnet, or of a pool.
func scopeAttribute(o *store.Object) string {
	if *intOf(o.Attrs["ip_version"]) == 4 {
		return "ipv4_address_scope"
	}
	return "ipv6_address_scope"
}

// leaveNetwork takes a subnet out of its network.
func (p *Plugin) leaveNetwork(ctx context.Context, tx store.Tx, network, subnet *store.Object) error {
	left := slices.DeleteFunc(textsOf(network.Attrs["subnets"]), func(id string) bool { return id == subnet.ID })
	network.Attrs["subnets"] = listOf(left)
	siblings, err := tx.Count(ctx, store.ObjectQuery{Kind: store.KindSubnet, Filters: []store.Filter{
		equal("network_id", network.ID), equal("ip_version", subnet.Attrs["ip_version"]),
		{Attr: "id", Op: store.NotEqual, Values: []any{subnet.ID}}}})
	if err != nil {
		return err
	}
	if siblings == 0 {
		network.Attrs[scopeAttribute(subnet)] = nil
	}
	return tx.Update(ctx, network)
}

// createdSubnet gives ports that are there already their addresses in a subnet whose addresses come from MACs.
func (p *Plugin) createdSubnet(c *api.Call, tx store.Tx, o *store.Object) error {
	if isAuto(o.Attrs) {
		if err := p.extendPorts(c.Context(), tx, o); err != nil {
			return err
		}
	}
	return p.enqueueNetwork(c.Context(), tx, textOf(o.Attrs["network_id"]))
}

func (p *Plugin) updateSubnet(c *api.Call, tx store.Tx, old, updated *store.Object) error {
	if err := checkSubnet(updated.Attrs, old, updated.ID); err != nil {
		return err
	}
	if old.Attrs["gateway_ip"] != updated.Attrs["gateway_ip"] && textOf(old.Attrs["gateway_ip"]) != "" {
		if err := refuseGatewayInUse(c.Context(), tx, old); err != nil {
			return err
		}
	}
	if !c.Gave("gateway_ip", "allocation_pools") {
		return nil
	}
	cidr, err := cidrOf(updated.Attrs)
	if err != nil {
		return err
	}
	return checkPools(updated.Attrs, cidr, gatewayOf(updated.Attrs))
}

// refuseGatewayInUse refuses to move a gateway away from the router that has its address.
func refuseGatewayInUse(ctx context.Context, tx store.Tx, o *store.Object) error {
	gateway := textOf(o.Attrs["gateway_ip"])
	ports, err := tx.List(ctx, store.ObjectQuery{Kind: store.KindPort, Limit: 1, Filters: []store.Filter{
		equal("fixed_ips.subnet_id", o.ID), equal("fixed_ips.ip_address", gateway),
		{Attr: "device_owner", Values: routerInterfaces}}})
	if err == nil && len(ports) > 0 {
		err = conflict("GatewayIpInUse", "Current gateway ip %s already in use by port %s. Unable to update.", gateway, ports[0].ID)
	}
	return err
}

func (p *Plugin) updatedSubnet(c *api.Call, tx store.Tx, _, updated *store.Object) error {
	return p.enqueueNetwork(c.Context(), tx, textOf(updated.Attrs["network_id"]))
}

// deleteSubnet refuses while ports have addresses of the subnet, except for those that come from MACs, which just end
// (neutron/db/db_base_plugin_v2.py, _remove_subnet_ip_allocations_from_ports).
func (p *Plugin) deleteSubnet(c *api.Call, tx store.Tx, o *store.Object) error {
	ctx := c.Context()
	network, err := tx.Get(ctx, store.KindNetwork, textOf(o.Attrs["network_id"]))
	if err != nil {
		return err
	}
	if err := tx.Serialize(ctx, networkKey(network.ID)); err != nil {
		return err
	}
	ports, err := tx.List(ctx, store.ObjectQuery{Kind: store.KindPort, Filters: []store.Filter{equal("fixed_ips.subnet_id", o.ID)}})
	if err != nil {
		return err
	}
	for _, port := range ports {
		owner := port.Attrs["device_owner"]
		if slices.Contains(routerInterfaces, owner) || !isAuto(o.Attrs) && !slices.Contains(autoDeleted, owner) {
			return conflict("SubnetInUse", "Unable to complete operation on subnet %s: One or more ports have an IP allocation from this subnet.",
				o.ID)
		}
		if err := p.removeAddresses(ctx, tx, port, o.ID); err != nil {
			return err
		}
	}
	return p.leaveNetwork(ctx, tx, network, o)
}

func (p *Plugin) deletedSubnet(c *api.Call, tx store.Tx, o *store.Object) error {
	if err := p.bury(c.Context(), tx, o); err != nil {
		return err
	}
	return p.enqueueNetwork(c.Context(), tx, textOf(o.Attrs["network_id"]))
}

// visible reads an object that a request refers to, as far as the caller may see it.
func (p *Plugin) visible(c *api.Call, r store.Reader, kind store.ObjectKind, id string) (*store.Object, error) {
	q := store.ObjectQuery{Kind: kind, Filters: []store.Filter{equal("id", id)}, Limit: 1}
	if !c.Admin && !c.Service {
		q.VisibleTo = c.ProjectID()
	}
	found, err := r.List(c.Context(), q)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, kindNotFound(kind, id)
	}
	return found[0], nil
}

// chooseCIDR takes the CIDR that was asked for, out of a subnet pool if one was named, or a free one of the pool, which it returns; nil if
// there is none.
func (p *Plugin) chooseCIDR(c *api.Call, tx store.Tx, o *store.Object) (pool *store.Object, err error) {
	cidr := textOf(o.Attrs["cidr"])
	if _, sized := o.Attrs["prefixlen"]; sized && cidr != "" {
		return nil, badBody("subnets", "cidr and prefixlen must not be supplied together")
	}
	poolID, err := p.choosePool(c, tx, o.Attrs)
	if err != nil {
		return nil, err
	}
	if poolID == "" {
		if cidr == "" {
			return nil, badBody("subnets", "a subnetpool must be specified in the absence of a cidr")
		}
		return nil, nil
	}
	if _, given := o.Attrs["allocation_pools"]; given && cidr == "" {
		return nil, badBody("subnets", "allocation_pools allowed only for specific subnet requests.")
	}
	if err := tx.Serialize(c.Context(), poolKey(poolID)); err != nil {
		return nil, err
	}
	if pool, err = p.visible(c, tx, store.KindSubnetPool, poolID); err != nil {
		return nil, err
	}
	if have, want := *intOf(pool.Attrs["ip_version"]), *intOf(o.Attrs["ip_version"]); have != want {
		return nil, badBody("subnets", "Cannot allocate IPv%d subnet from IPv%d subnet pool", want, have)
	}
	o.Attrs["subnetpool_id"] = poolID
	return pool, takePrefix(c.Context(), tx, pool, o)
}

// takePrefix takes a CIDR out of a subnet pool: the one that was asked for, the one of the gateway that was, or any.
func takePrefix(ctx context.Context, tx store.Tx, o, s *store.Object) error {
	pool, err := ipam.PoolOf(o)
	if err != nil {
		return err
	}
	bits := pool.Default
	if n := intOf(s.Attrs["prefixlen"]); n != nil {
		bits = int(*n)
	}
	var want netip.Prefix
	gateway := gatewayOf(s.Attrs)
	if textOf(s.Attrs["cidr"]) != "" {
		if want, err = cidrOf(s.Attrs); err != nil {
			return err
		}
	} else if gateway.IsValid() {
		want = netip.PrefixFrom(gateway, bits).Masked()
	}
	cidr, err := ipam.AllocatePrefix(ctx, tx, &pool, s.ProjectID, want, bits)
	if err != nil {
		return err
	}
	if _, given := s.Attrs["gateway_ip"]; !given && !want.IsValid() { // of any prefix it is the first address, also in IPv6
		s.Attrs["gateway_ip"] = cidr.Addr().Next().String()
	}
	s.Attrs["cidr"] = cidr.String()
	return nil
}

// cidrOf is the CIDR of a subnet, without the bits of a host.
func cidrOf(s map[string]any) (netip.Prefix, error) {
	cidr, err := netip.ParsePrefix(textOf(s["cidr"]))
	if err != nil {
		return cidr, badRequest("InvalidCIDR", "Invalid CIDR %s given as IP prefix.", textOf(s["cidr"]))
	}
	s["cidr"] = cidr.Masked().String()
	return cidr.Masked(), nil
}

// choosePool returns the id of the subnet pool that a request means, or "".
func (p *Plugin) choosePool(c *api.Call, tx store.Tx, s map[string]any) (string, error) {
	id := textOf(s["subnetpool_id"])
	if !boolOf(s["use_default_subnetpool"]) {
		return id, nil
	}
	if id != "" {
		return "", badBody("subnets", "subnetpool_id and use_default_subnetpool cannot both be specified")
	}
	pool, err := defaultPool(c.Context(), tx, s["ip_version"])
	if err != nil {
		return "", err
	}
	if pool == nil {
		return "", badBody("subnets", "No default subnetpool found for IPv%v", s["ip_version"])
	}
	return pool.ID, nil
}

// checkAffinity keeps subnets of one IP version on a network in one pool, or in pools of one address scope
// (neutron/db/ipam_backend_mixin.py, _validate_network_subnetpools, Zed). pool is nil for a subnet out of none.
func checkAffinity(network, pool, subnet *store.Object, siblings []*store.Object) error {
	scope := network.Attrs[scopeAttribute(subnet)]
	if scope != nil && pool != nil {
		if pool.Attrs["address_scope_id"] != scope {
			return affinityError()
		}
		return nil
	}
	var poolID any
	if pool != nil {
		poolID = pool.ID
	}
	for _, s := range siblings {
		if s.Attrs["subnetpool_id"] != poolID && *intOf(s.Attrs["ip_version"]) == *intOf(subnet.Attrs["ip_version"]) {
			return badRequest("NetworkSubnetPoolAffinityError",
				"Subnets hosted on the same network must be allocated from the same subnet pool.")
		}
	}
	return nil
}
