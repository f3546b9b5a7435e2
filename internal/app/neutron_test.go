package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tricircle/tricircle/internal/config"
	"github.com/tricircle/tricircle/internal/store"
)

// newNetworking starts a top with its own networking API over two pods.
func newNetworking(t *testing.T, set ...string) *cloud {
	t.Helper()
	return newCloud(t, 2, append([]string{"DEFAULT.roles=all,neutron", "networks.network_vlan_ranges=bridge:2001:2010",
		"networks.flat_networks=*"}, set...)...)
}

// network makes a call to the networking API as user demo.
func (c *cloud) network(method, path, body string, headers ...string) answer {
	c.t.Helper()
	return c.call(config.RoleNeutron, method, "/v2.0"+path, body, headers...)
}

// asAdmin makes it as an administrator in project admin.
func (c *cloud) asAdmin(method, path, body string) answer {
	c.t.Helper()
	return c.send(method, c.url(config.RoleNeutron)+"/v2.0"+path, body, "X-Auth-Token", c.sim.Token("admin", "admin", time.Hour))
}

// networkWithSubnet makes a network with one subnet, whose attributes are JSON.
func (c *cloud) networkWithSubnet(subnet string) (networkID, subnetID string) {
	c.t.Helper()
	networkID = c.network("POST", "/networks", `{"network": {"name": "n"}}`).want(c.t, 201).id(c.t, "network")
	return networkID, c.network("POST", "/subnets", fmt.Sprintf(`{"subnet": {"network_id": %q, %s}}`, networkID, subnet)).
		want(c.t, 201).id(c.t, "subnet")
}

const ipv4 = `"ip_version": 4, "cidr": "10.0.0.0/29"`

// refused fails the test unless the answer is Neutron's error of that status, type and text.
func (a answer) refused(t *testing.T, status int, typ, text string) {
	t.Helper()
	a.want(t, status)
	if got := a.get(t, "NeutronError", "type"); got != typ {
		t.Errorf("%s %s: got type %v, want %s", a.Request.Method, a.Request.URL.Path, got, typ)
	}
	if got := a.get(t, "NeutronError", "message").(string); !strings.Contains(got, text) {
		t.Errorf("%s %s: got %q, want %q in it", a.Request.Method, a.Request.URL.Path, got, text)
	}
}

// one is an attribute of the answer's object.
func (a answer) one(t *testing.T, object, attribute string) any {
	t.Helper()
	return a.get(t, object).(map[string]any)[attribute]
}

// addresses are those of a subnet that somebody has.
func (c *cloud) addresses(subnetID string) (ips []string) {
	c.t.Helper()
	rows, err := c.top.store.Reader().Addresses(c.t.Context(), store.AddressQuery{SubnetID: subnetID})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, row := range rows {
		ips = append(ips, row.IP.String())
	}
	return ips
}

func TestNetworking_NetworkWithSubnetAndPort_LivesAndDies(t *testing.T) {
	c := newNetworking(t)
	network, subnet := c.networkWithSubnet(ipv4)
	shown := c.network("GET", "/networks/"+network, "").want(t, 200)
	if diff := cmp.Diff([]any{subnet}, shown.one(t, "network", "subnets")); diff != "" {
		t.Errorf("subnets of the network: -want +got:\n%s", diff)
	}
	if strings.Contains(shown.body, "provider:") {
		t.Errorf("a user sees what the network is on: %s", shown.body)
	}
	admin := c.asAdmin("GET", "/networks/"+network, "").want(t, 200)
	if got := admin.one(t, "network", "provider:physical_network"); got != "bridge" {
		t.Errorf("physical network: got %v", got)
	}
	s := c.network("GET", "/subnets/"+subnet, "").want(t, 200)
	if gateway := s.one(t, "subnet", "gateway_ip"); gateway != "10.0.0.1" {
		t.Errorf("gateway: got %v", gateway)
	}
	port := c.network("POST", "/ports", `{"port": {"network_id": "`+network+`"}}`).want(t, 201)
	if have := c.addresses(subnet); len(have) != 1 || !strings.Contains(port.body, `"`+have[0]+`"`) {
		t.Errorf("the port's address is not in the database: %v, %s", have, port.body)
	}
	c.network("DELETE", "/networks/"+network, "").refused(t, 409, "NetworkInUse", port.id(t, "port"))
	c.network("DELETE", "/subnets/"+subnet, "").refused(t, 409, "SubnetInUse", "One or more ports have an IP allocation from this subnet.")
	c.network("DELETE", "/ports/"+port.id(t, "port"), "").want(t, 204)
	if have := c.addresses(subnet); len(have) != 0 {
		t.Errorf("addresses without a port: %v", have)
	}
	c.network("DELETE", "/networks/"+network, "").want(t, 204)
	c.network("GET", "/subnets/"+subnet, "").refused(t, 404, "SubnetNotFound", subnet)
	segments, err := c.top.store.Reader().Segments(t.Context(), store.SegmentQuery{})
	if err != nil || len(segments) != 0 {
		t.Errorf("segments without a network: %v, %v", segments, err)
	}
}

func TestNetworking_Segments_AreGivenOutOnce(t *testing.T) {
	c := newNetworking(t)
	for range 10 {
		c.network("POST", "/networks", `{"network": {}}`).want(t, 201)
	}
	c.network("POST", "/networks", `{"network": {}}`).refused(t, 503, "NoNetworkAvailable", "No tenant network is available")
	vlan := `{"network": {"provider:network_type": "vlan", "provider:physical_network": "bridge", "provider:segmentation_id": %d}}`
	c.asAdmin("POST", "/networks", fmt.Sprintf(vlan, 2001)).refused(t, 409, "VlanIdInUse", "2001")
	id := c.asAdmin("POST", "/networks", fmt.Sprintf(vlan, 3)).want(t, 201).id(t, "network")
	if got := c.asAdmin("PUT", "/networks/"+id, `{"network": {"provider:segmentation_id": 4}}`).want(t, 200); got.one(t, "network",
		"provider:segmentation_id") != 4.0 {
		t.Errorf("the VLAN did not change: %s", got.body)
	}
	c.asAdmin("POST", "/networks", fmt.Sprintf(vlan, 3)).want(t, 201)
	c.network("POST", "/networks", fmt.Sprintf(vlan, 5)).refused(t, 403, "PolicyNotAuthorized", "create_network:provider:network_type")
}

func TestNetworking_ZoneHints_ChooseWhatTheNetworkIsOn(t *testing.T) {
	c := newNetworking(t)
	for hints, want := range map[string]string{`["az1"]`: "local", `["az1", "az2"]`: "vlan", `[]`: "vlan"} {
		id := c.network("POST", "/networks", `{"network": {"availability_zone_hints": `+hints+`}}`).want(t, 201).id(t, "network")
		if got := c.asAdmin("GET", "/networks/"+id, "").one(t, "network", "provider:network_type"); got != want {
			t.Errorf("hints %s: got type %v, want %s", hints, got, want)
		}
	}
	c.network("POST", "/networks", `{"network": {"availability_zone_hints": ["mars"]}}`).
		refused(t, 404, "AvailabilityZoneNotFound", "AvailabilityZone mars could not be found.")
}

func TestNetworking_Addresses_FollowWhatPortsAsk(t *testing.T) {
	c := newNetworking(t)
	network, subnet := c.networkWithSubnet(ipv4)
	ask := func(fixedIPs string) answer {
		return c.network("POST", "/ports", `{"port": {"network_id": "`+network+`", "fixed_ips": `+fixedIPs+`}}`)
	}
	ask(`[{"ip_address": "10.0.0.4"}]`).want(t, 201)
	ask(`[{"ip_address": "10.0.0.4"}]`).refused(t, 409, "IpAddressAlreadyAllocated", "10.0.0.4 already allocated in subnet "+subnet)
	ask(`[{"ip_address": "10.0.1.4"}]`).refused(t, 400, "InvalidIpForNetwork", "10.0.1.4")
	ask(`[{"subnet_id": "`+network+`"}]`).refused(t, 404, "SubnetNotFound", network)
	if none := ask(`[]`).want(t, 201); none.one(t, "port", "ip_allocation") != "none" {
		t.Errorf("a port without addresses: %s", none.body)
	}
	last := ""
	for range 4 {
		last = c.network("POST", "/ports", `{"port": {"network_id": "`+network+`"}}`).want(t, 201).id(t, "port")
	}
	c.network("POST", "/ports", `{"port": {"network_id": "`+network+`"}}`).refused(t, 409, "IpAddressGenerationFailure", network)
	c.network("PUT", "/ports/"+last, `{"port": {"fixed_ips": [{"subnet_id": "`+subnet+`", "ip_address": "10.0.0.1"}]}}`).want(t, 200)
	if have := c.addresses(subnet); len(have) != 5 || have[0] != "10.0.0.1" {
		t.Errorf("addresses in use: %v", have)
	}
}

func TestNetworking_MACs_AreUniqueInANetworkAndCanBeMadeAnew(t *testing.T) {
	c := newNetworking(t)
	network, _ := c.networkWithSubnet(ipv4)
	port := `{"port": {"network_id": "` + network + `", "mac_address": "FA-16-3E-00-00-01"}}`
	id := c.network("POST", "/ports", port).want(t, 201).id(t, "port")
	c.network("POST", "/ports", port).refused(t, 409, "MacAddressInUse", "The mac address fa:16:3e:00:00:01 is in use.")
	c.network("PUT", "/ports/"+id, `{"port": {"mac_address": null}}`).refused(t, 403, "PolicyNotAuthorized", "update_port:mac_address")
	made := c.asAdmin("PUT", "/ports/"+id, `{"port": {"mac_address": null}}`).want(t, 200).one(t, "port", "mac_address").(string)
	if !strings.HasPrefix(made, "fa:16:3e:") || made == "fa:16:3e:00:00:01" {
		t.Errorf("got %s", made)
	}
	c.network("POST", "/ports", port).want(t, 201)
}

func TestNetworking_SLAACSubnet_GivesPortsTheirAddressesAndTakesThem(t *testing.T) {
	c := newNetworking(t)
	network, _ := c.networkWithSubnet(ipv4)
	port := c.network("POST", "/ports", `{"port": {"network_id": "`+network+`", "mac_address": "fa:16:3e:00:00:01"}}`).want(t, 201).id(t, "port")
	slaac := c.network("POST", "/subnets", `{"subnet": {"network_id": "`+network+`", "ip_version": 6, "cidr": "fd00::/64",
		"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}}`).want(t, 201).id(t, "subnet")
	if have := c.addresses(slaac); !slices.Equal(have, []string{"fd00::f816:3eff:fe00:1"}) {
		t.Errorf("addresses of ports that were there: %v", have)
	}
	if shown := c.network("GET", "/ports/"+port, "").want(t, 200); !strings.Contains(shown.body, "fd00::f816:3eff:fe00:1") {
		t.Errorf("the port does not show it: %s", shown.body)
	}
	c.network("DELETE", "/subnets/"+slaac, "").want(t, 204)
	if shown := c.network("GET", "/ports/"+port, "").want(t, 200); strings.Contains(shown.body, "fd00::") {
		t.Errorf("the port still shows it: %s", shown.body)
	}
}

func TestNetworking_SubnetPools_AllocatePrefixesOnce(t *testing.T) {
	c := newNetworking(t)
	pool := c.asAdmin("POST", "/subnetpools", `{"subnetpool": {"name": "p", "prefixes": ["10.8.0.0/25", "10.8.0.128/25"],
		"default_prefixlen": 26, "is_default": true, "shared": true}}`).want(t, 201)
	if diff := cmp.Diff([]any{"10.8.0.0/24"}, pool.one(t, "subnetpool", "prefixes")); diff != "" {
		t.Errorf("prefixes: -want +got:\n%s", diff)
	}
	var cidrs []string
	for range 4 {
		network := c.network("POST", "/networks", `{"network": {}}`).want(t, 201).id(t, "network")
		s := c.network("POST", "/subnets", `{"subnet": {"network_id": "`+network+`", "ip_version": 4, "use_default_subnetpool": true}}`).want(t, 201)
		cidrs = append(cidrs, s.one(t, "subnet", "cidr").(string))
	}
	slices.Sort(cidrs)
	if diff := cmp.Diff([]string{"10.8.0.0/26", "10.8.0.128/26", "10.8.0.192/26", "10.8.0.64/26"}, cidrs); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	network := c.network("POST", "/networks", `{"network": {}}`).want(t, 201).id(t, "network")
	c.network("POST", "/subnets", `{"subnet": {"network_id": "`+network+`", "ip_version": 4, "use_default_subnetpool": true}}`).
		refused(t, 409, "SubnetAllocationError", "Insufficient prefix space")
	id := pool.id(t, "subnetpool")
	c.asAdmin("PUT", "/subnetpools/"+id+"/remove_prefixes", `{"prefixes": ["10.8.0.0/26"]}`).
		refused(t, 400, "IllegalSubnetPoolPrefixUpdate", "is in use by a subnet")
	c.asAdmin("PUT", "/subnetpools/"+id+"/add_prefixes", `{"prefixes": ["10.9.0.0/24"]}`).want(t, 200)
	if diff := cmp.Diff([]any{"10.8.0.0/24", "10.9.0.0/24"}, c.network("GET", "/subnetpools/"+id, "").one(t, "subnetpool", "prefixes")); diff != "" {
		t.Errorf("after add_prefixes: -want +got:\n%s", diff)
	}
	c.asAdmin("DELETE", "/subnetpools/"+id, "").refused(t, 400, "SubnetPoolDeleteError", "has existing allocations")
}

func TestNetworking_AddressScopes_AreThoseOfTheNetworks(t *testing.T) {
	c := newNetworking(t)
	scope := func(name string) string {
		return c.network("POST", "/address-scopes", `{"address_scope": {"name": "`+name+`", "ip_version": 4}}`).want(t, 201).id(t, "address_scope")
	}
	first, second := scope("a"), scope("b")
	pool := func(prefix, scope string) answer {
		return c.network("POST", "/subnetpools", `{"subnetpool": {"name": "p", "prefixes": ["`+prefix+`"], "address_scope_id": "`+scope+`"}}`)
	}
	id := pool("10.8.0.0/16", first).want(t, 201).id(t, "subnetpool")
	pool("10.8.1.0/24", first).refused(t, 409, "AddressScopePrefixConflict", "must have unique prefixes")
	network := c.network("POST", "/networks", `{"network": {}}`).want(t, 201).id(t, "network")
	subnet := `{"subnet": {"network_id": "` + network + `", "ip_version": 4, "cidr": "10.8.0.0/24", "subnetpool_id": "` + id + `"}}`
	c.network("POST", "/subnets", subnet).want(t, 201)
	c.network("POST", "/subnets", `{"subnet": {"network_id": "`+network+`", "ip_version": 4, "cidr": "10.9.0.0/24"}}`).
		refused(t, 400, "NetworkSubnetPoolAffinityError", "")
	for _, want := range []string{first, second} {
		c.network("PUT", "/subnetpools/"+id, `{"subnetpool": {"address_scope_id": "`+want+`"}}`).want(t, 200)
		if got := c.network("GET", "/networks/"+network, "").one(t, "network", "ipv4_address_scope"); got != want {
			t.Errorf("scope of the network: got %v, want %s", got, want)
		}
	}
	c.network("DELETE", "/address-scopes/"+second, "").refused(t, 409, "AddressScopeInUse", second)
	c.network("DELETE", "/address-scopes/"+first, "").want(t, 204)
}

func TestNetworking_SecurityGroups_AreNeutrons(t *testing.T) {
	c := newNetworking(t)
	groups := c.network("GET", "/security-groups", "").want(t, 200).get(t, "security_groups").([]any)
	if len(groups) != 1 || len(groups[0].(map[string]any)["security_group_rules"].([]any)) != 4 {
		t.Fatalf("a new project has not just its default group with four rules: %v", groups)
	}
	own := groups[0].(map[string]any)["id"].(string)
	c.network("DELETE", "/security-groups/"+own, "").refused(t, 409, "SecurityGroupCannotRemoveDefault", "Insufficient rights")
	c.network("PUT", "/security-groups/"+own, `{"security_group": {"name": "x"}}`).refused(t, 409, "SecurityGroupCannotUpdateDefault", "not allowed")
	c.network("POST", "/security-groups", `{"security_group": {"name": "Default"}}`).
		refused(t, 409, "SecurityGroupDefaultAlreadyExists", "Default security group already exists.")

	group := c.network("POST", "/security-groups", `{"security_group": {"name": "g"}}`).want(t, 201).id(t, "security_group")
	rule := func(attrs string) answer {
		return c.network("POST", "/security-group-rules",
			`{"security_group_rule": {"security_group_id": "`+group+`", "direction": "ingress", `+attrs+`}}`)
	}
	first := rule(`"protocol": "tcp", "port_range_min": 80, "port_range_max": 80`).want(t, 201).id(t, "security_group_rule")
	rule(`"protocol": 6, "port_range_min": "80", "port_range_max": 80, "remote_ip_prefix": "0.0.0.0/0"`).
		refused(t, 409, "SecurityGroupRuleExists", "Rule id is "+first)
	rule(`"remote_group_id": "`+own+`"`).want(t, 201)
	shown := c.network("GET", "/security-groups/"+group, "").want(t, 200)
	if n := len(shown.one(t, "security_group", "security_group_rules").([]any)); n != 4 || shown.one(t, "security_group", "revision_number") != 3.0 {
		t.Errorf("after two more rules: %s", shown.body)
	}
	network, _ := c.networkWithSubnet(ipv4)
	port := c.network("POST", "/ports", `{"port": {"network_id": "`+network+`", "security_groups": ["`+group+`"]}}`).want(t, 201).id(t, "port")
	c.network("DELETE", "/security-groups/"+group, "").refused(t, 409, "SecurityGroupInUse", "in use")
	c.network("PUT", "/ports/"+port, `{"port": {"port_security_enabled": false}}`).refused(t, 409, "PortSecurityPortHasSecurityGroup", "")
	c.network("PUT", "/ports/"+port, `{"port": {"port_security_enabled": false, "security_groups": []}}`).want(t, 200)
	c.network("DELETE", "/security-groups/"+group, "").want(t, 204)
	c.network("GET", "/security-group-rules/"+first, "").refused(t, 404, "SecurityGroupRuleNotFound", first)
}

func TestNetworking_RBAC_SharesAndKeepsWhatIsUsed(t *testing.T) {
	c := newNetworking(t)
	id := c.asAdmin("POST", "/networks", `{"network": {"name": "n"}}`).want(t, 201).id(t, "network")
	c.network("GET", "/networks/"+id, "").refused(t, 404, "NetworkNotFound", id)
	demo := c.network("GET", "/quotas/project", "").get(t, "project", "project_id").(string)
	policy := `{"rbac_policy": {"object_type": "network", "object_id": "` + id + `", "action": "access_as_shared", "target_tenant": "` + demo + `"}}`
	shared := c.asAdmin("POST", "/rbac-policies", policy).want(t, 201).id(t, "rbac_policy")
	c.asAdmin("POST", "/rbac-policies", policy).refused(t, 409, "DuplicateRbacPolicy", "already exists")
	if seen := c.network("GET", "/networks/"+id, "").want(t, 200); seen.one(t, "network", "shared") != true {
		t.Errorf("the network is not shared with its user: %s", seen.body)
	}
	if seen := c.asAdmin("GET", "/networks/"+id, "").want(t, 200); seen.one(t, "network", "shared") != false {
		t.Errorf("the network is shared with its owner: %s", seen.body)
	}
	port := c.network("POST", "/ports", `{"port": {"network_id": "`+id+`"}}`).want(t, 201).id(t, "port")
	c.asAdmin("DELETE", "/rbac-policies/"+shared, "").refused(t, 409, "RbacPolicyInUse", "Multiple tenants are using it")
	c.network("DELETE", "/ports/"+port, "").want(t, 204)
	c.asAdmin("DELETE", "/rbac-policies/"+shared, "").want(t, 204)
	c.network("GET", "/networks/"+id, "").refused(t, 404, "NetworkNotFound", id)
	external := c.asAdmin("POST", "/rbac-policies", strings.Replace(policy, "access_as_shared", "access_as_external", 1)).want(t, 201).id(t, "rbac_policy")
	if seen := c.network("GET", "/networks/"+id, "").want(t, 200); seen.one(t, "network", "router:external") != true {
		t.Errorf("shared as external: %s", seen.body)
	}
	c.asAdmin("DELETE", "/rbac-policies/"+external, "").want(t, 204)
	if seen := c.asAdmin("GET", "/networks/"+id, "").want(t, 200); seen.one(t, "network", "router:external") != false {
		t.Errorf("external for nobody: %s", seen.body)
	}
	c.asAdmin("PUT", "/networks/"+id, `{"network": {"shared": true}}`).want(t, 200)
	if all := c.network("GET", "/networks?shared=true", "").want(t, 200); len(all.get(t, "networks").([]any)) != 1 {
		t.Errorf("shared with all: %s", all.body)
	}
}

func TestNetworking_Quotas_AreKept(t *testing.T) {
	c := newNetworking(t)
	demo := c.network("GET", "/quotas/project", "").get(t, "project", "project_id").(string)
	c.network("PUT", "/quotas/"+demo, `{"quota": {"network": 1}}`).refused(t, 403, "PolicyNotAuthorized", "update_quota")
	c.asAdmin("PUT", "/quotas/"+demo, `{"quota": {"network": 1}}`).want(t, 200)
	c.network("POST", "/networks", `{"networks": [{}, {}]}`).refused(t, 409, "OverQuota", "Quota exceeded for resources: ['network'].")
	c.network("POST", "/networks", `{"network": {}}`).want(t, 201)
	c.network("POST", "/networks", `{"network": {}}`).refused(t, 409, "OverQuota", "Quota exceeded for resources: ['network'].")
	details := c.network("GET", "/quotas/"+demo+"/details.json", "").want(t, 200).get(t, "quota", "network")
	if diff := cmp.Diff(map[string]any{"limit": 1.0, "used": 1.0, "reserved": 0.0}, details); diff != "" {
		t.Errorf("details: -want +got:\n%s", diff)
	}
	c.asAdmin("PUT", "/quotas/"+demo, `{"quota": {"network": 0, "check_limit": true}}`).want(t, 400)
	c.asAdmin("DELETE", "/quotas/"+demo, "").want(t, 204)
	c.network("POST", "/networks", `{"network": {}}`).want(t, 201)
}

func TestNetworking_AutoAllocatedTopology_IsMadeOnce(t *testing.T) {
	c := newNetworking(t)
	c.network("GET", "/auto-allocated-topology/null", "").refused(t, 409, "AutoAllocationFailure", "No default subnetpools defined")
	c.asAdmin("POST", "/subnetpools", `{"subnetpool": {"name": "p", "prefixes": ["10.8.0.0/16"], "default_prefixlen": 24, "is_default": true,
		"shared": true}}`).want(t, 201)
	id := c.network("GET", "/auto-allocated-topology/null", "").want(t, 200).id(t, "auto_allocated_topology")
	if again := c.network("GET", "/auto-allocated-topology/null", "").want(t, 200).id(t, "auto_allocated_topology"); again != id {
		t.Errorf("asked twice: %s and %s", id, again)
	}
	subnets := c.network("GET", "/subnets?network_id="+id, "").want(t, 200).get(t, "subnets").([]any)
	if len(subnets) != 1 || subnets[0].(map[string]any)["cidr"] != "10.8.0.0/24" {
		t.Errorf("its subnets: %v", subnets)
	}
	c.network("DELETE", "/auto-allocated-topology/null", "").want(t, 204)
	c.network("GET", "/networks/"+id, "").want(t, 404)
}

// realized puts objects into a pod, as far as the database knows.
func (c *cloud) realized(kind store.ObjectKind, ids ...string) {
	c.t.Helper()
	err := c.top.store.InTx(c.t.Context(), func(tx store.Tx) error {
		for _, id := range ids {
			if err := tx.PutRealization(c.t.Context(), store.Realization{Kind: kind, TopID: id, PodNum: 1, BottomID: c.top.newID()}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

func TestNetworking_PortInAPod_ShowsWhatThePodKnows(t *testing.T) {
	c := newNetworking(t)
	network, _ := c.networkWithSubnet(ipv4)
	id := c.network("POST", "/ports", `{"port": {"network_id": "`+network+`"}}`).want(t, 201).id(t, "port")
	p := c.sim.Pod(0)
	admin := []string{"X-Auth-Token", c.sim.Token("admin", "admin", time.Hour)}
	there := c.send("POST", p.NetworkURL+"/v2.0/networks", `{"network": {}}`, admin...).want(t, 201).id(t, "network")
	bottom := c.send("POST", p.NetworkURL+"/v2.0/ports", `{"port": {"network_id": "`+there+`", "binding:host_id": "h1", "device_id": "d"}}`,
		admin...).want(t, 201).id(t, "port")
	if err := c.top.store.InTx(t.Context(), func(tx store.Tx) error {
		return tx.PutRealization(t.Context(), store.Realization{Kind: store.KindPort, TopID: id, PodNum: 1, BottomID: bottom})
	}); err != nil {
		t.Fatal(err)
	}
	shown := c.asAdmin("GET", "/ports/"+id, "").want(t, 200)
	for attribute, want := range map[string]string{"status": "ACTIVE", "device_id": "d", "binding:host_id": "h1." + p.Region} {
		if got := shown.one(t, "port", attribute); got != want {
			t.Errorf("%s: got %v, want %s", attribute, got, want)
		}
	}
	p.ResetRequests()
	c.network("GET", "/ports?fields=id&fields=name", "").want(t, 200)
	for _, r := range p.Requests() {
		if strings.Contains(r.Path, "/v2.0/ports") {
			t.Errorf("the pod was asked for what the top knows: %v", r)
		}
	}
	p.Stop()
	if down := c.network("GET", "/ports", "").want(t, 200); !strings.Contains(down.body, `"DOWN"`) {
		t.Errorf("with the pod down: %s", down.body)
	}
}

// jobs lists what is to be done, as "kind resource", and forgets it.
func (c *cloud) jobs() (all []string) {
	c.t.Helper()
	jobs, err := c.top.store.ListJobs(context.Background(), store.JobFilter{States: []store.JobState{store.JobQueued}})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, j := range jobs {
		all = append(all, j.Kind+" "+j.Resource)
		if _, err := c.top.store.CancelJob(context.Background(), j.ID); err != nil {
			c.t.Fatal(err)
		}
	}
	slices.Sort(all)
	return all
}

func TestNetworking_ChangesOfWhatIsInPods_EnqueueJobs(t *testing.T) {
	c := newNetworking(t, "DEFAULT.roles=admin-api,nova-gw,cinder-gw,neutron") // nobody runs them
	network, subnet := c.networkWithSubnet(ipv4)
	port := c.network("POST", "/ports", `{"port": {"network_id": "`+network+`", "fixed_ips": [{"ip_address": "10.0.0.5"}]}}`).want(t, 201)
	portID, group := port.id(t, "port"), port.one(t, "port", "security_groups").([]any)[0].(string)
	if jobs := c.jobs(); len(jobs) != 0 {
		t.Errorf("jobs for what is in no pod: %v", jobs)
	}
	c.realized(store.KindNetwork, network)
	c.realized(store.KindPort, portID)
	c.realized(store.KindSecurityGroup, group)
	for _, step := range []struct {
		method, path, body string
		want               []string
	}{
		{"PUT", "/networks/" + network, `{"network": {"name": "m"}}`, []string{"network " + network + "/1"}},
		{"PUT", "/subnets/" + subnet, `{"subnet": {"dns_nameservers": ["10.0.0.2"]}}`, []string{"network " + network + "/1"}},
		{"PUT", "/ports/" + portID, `{"port": {"name": "m"}}`, []string{"port " + portID + "/1"}},
		{"PUT", "/ports/" + portID, `{"port": {"fixed_ips": [{"ip_address": "10.0.0.6"}]}}`,
			[]string{"members " + network, "port " + portID + "/1"}},
		{"POST", "/security-group-rules", `{"security_group_rule": {"security_group_id": "` + group + `", "direction": "ingress", "protocol": "tcp"}}`,
			[]string{"security_group " + group + "/1"}},
		{"POST", "/rbac-policies", `{"rbac_policy": {"object_type": "network", "object_id": "` + network + `", "action": "access_as_shared", "target_tenant": "p2"}}`,
			[]string{"network " + network + "/1"}},
		{"DELETE", "/ports/" + portID, "", []string{"port " + portID + "/1"}},
		{"DELETE", "/networks/" + network, "", []string{"network " + network + "/1"}},
	} {
		if a := c.network(step.method, step.path, step.body); a.StatusCode >= 300 {
			t.Fatalf("%s %s: %d %s", step.method, step.path, a.StatusCode, a.body)
		}
		if diff := cmp.Diff(step.want, c.jobs()); diff != "" {
			t.Errorf("%s %s: jobs: -want +got:\n%s", step.method, step.path, diff)
		}
	}
	gone := true
	rows, err := c.top.store.Reader().Realizations(t.Context(), store.RealizationQuery{Deleted: &gone})
	if err != nil || len(rows) != 2 {
		t.Errorf("tombstones of network and port: %v, %v", rows, err)
	}
}

func TestServe_RolesAll_LackTheNetworkingAPI(t *testing.T) {
	c := newCloud(t, 1)
	if address, ok := c.top.addresses[config.RoleNeutron]; ok {
		t.Errorf("it listens on %s", address)
	}
}

// As a Neutron of Zed says and shows it.
func TestNetworking_SmallThings_AreAsInNeutron(t *testing.T) {
	c := newNetworking(t)
	demo := c.network("GET", "/quotas/project", "").get(t, "project", "project_id").(string)
	c.asAdmin("PUT", "/quotas/"+demo, `{"quota": {"port": -2}}`).
		refused(t, 400, "HTTPBadRequest", "Invalid input for port. Reason: '-2' is too small - must be at least '-1'.")
	c.asAdmin("PUT", "/quotas/"+demo, `{"quota": {"port": 99999999999}}`).
		refused(t, 400, "HTTPBadRequest", "Invalid input for port. Reason: '99999999999' is too large - must be no larger than '2147483647'.")

	policy := `{"rbac_policy": {"object_type": "%s", "object_id": "11111111-1111-4111-8111-111111111111", "action": "%s", "target_tenant": "x"}}`
	c.asAdmin("POST", "/rbac-policies", fmt.Sprintf(policy, "network", "foo")).refused(t, 400, "InvalidActionForType",
		"Invalid action 'foo' for object type 'network'. Valid actions: ('access_as_shared', 'access_as_external')")
	c.asAdmin("POST", "/rbac-policies", fmt.Sprintf(policy, "security_group", "access_as_external")).refused(t, 400, "InvalidActionForType",
		"Invalid action 'access_as_external' for object type 'security_group'. Valid actions: ('access_as_shared',)")

	shared := c.asAdmin("POST", "/networks", `{"network": {"name": "ours", "shared": true, "router:external": true}}`).want(t, 201)
	if got := shared.one(t, "network", "is_default"); got != false {
		t.Errorf("is_default of an external network: got %v", got)
	}
	id := shared.id(t, "network")
	c.network("POST", "/ports", `{"port": {"network_id": "`+id+`"}}`).want(t, 201)
	c.asAdmin("PUT", "/networks/"+id, `{"network": {"shared": false}}`).
		refused(t, 409, "InvalidSharedSetting", "Unable to reconfigure sharing settings for network ours. Multiple tenants are using it.")
	policies := c.asAdmin("GET", "/rbac-policies?action=access_as_shared&object_id="+id, "").want(t, 200).get(t, "rbac_policies").([]any)
	c.asAdmin("DELETE", "/rbac-policies/"+policies[0].(map[string]any)["id"].(string), "").
		refused(t, 409, "RbacPolicyInUse", "Unable to reconfigure sharing settings for network "+id+".")

	network, _ := c.networkWithSubnet(`"ip_version": 6, "cidr": "fd00::/64"`)
	if shown := c.network("GET", "/networks/"+network, ""); strings.Contains(shown.body, "is_default") {
		t.Errorf("is_default of a network that is not external: %s", shown.body)
	}
	c.network("POST", "/subnets", `{"subnet": {"network_id": "`+network+`", "ip_version": 4, "cidr": "10.0.0.0/24"}}`).want(t, 201)
	ips := c.network("POST", "/ports", `{"port": {"network_id": "`+network+`", "fixed_ips": [{"ip_address": "fd00::9"}, {"ip_address": "10.0.0.9"},
		{"ip_address": "10.0.0.10"}]}}`).want(t, 201).one(t, "port", "fixed_ips").([]any)
	for i, want := range []string{"10.0.0.10", "10.0.0.9", "fd00::9"} {
		if got := ips[i].(map[string]any)["ip_address"]; got != want {
			t.Errorf("address %d: got %v, want %s", i, got, want)
		}
	}
	c.network("GET", "/ports?fixed_ips=x", "").refused(t, 400, "InvalidInput", "Invalid input for operation: 'x' is not of the form <key>=[value].")

	pool := c.network("POST", "/subnetpools", `{"subnetpool": {"name": "p", "prefixes": ["10.9.0.0/16"], "default_prefixlen": 24}}`).want(t, 201)
	if got := pool.one(t, "subnetpool", "default_prefixlen"); got != "24" {
		t.Errorf("a new pool shows its default prefix length as %#v", got)
	}
	changed := c.network("PUT", "/subnetpools/"+pool.id(t, "subnetpool"), `{"subnetpool": {"default_prefixlen": 25}}`).want(t, 200)
	if got := changed.one(t, "subnetpool", "default_prefixlen"); got != 25.0 {
		t.Errorf("the answer to its PUT shows it as %#v", got)
	}
	if got := c.network("GET", "/subnetpools/"+pool.id(t, "subnetpool"), "").one(t, "subnetpool", "default_prefixlen"); got != "25" {
		t.Errorf("then it is %#v", got)
	}

	rule := c.network("GET", "/security-group-rules", "").want(t, 200).get(t, "security_group_rules").([]any)[0].(map[string]any)
	if _, tagged := rule["tags"]; tagged {
		t.Errorf("a rule has tags: %v", rule)
	}
	c.network("PUT", "/security-group-rules/"+rule["id"].(string)+"/tags/x", "").want(t, 404)
}

// As a Neutron of Zed says and shows it.
func TestNetworking_AddressGroups_AreAsInNeutron(t *testing.T) {
	c := newNetworking(t)
	const nobody = "11111111-1111-4111-8111-111111111111"
	made := c.network("POST", "/address-groups", `{"address_group": {"name": "a", "addresses": ["10.0.0.1/24", "10.0.0.0/24", "2001:DB8::1/64", "10.1.1.1/32"]}}`).
		want(t, 201)
	id := made.id(t, "address_group")
	if diff := cmp.Diff([]any{"10.0.0.0/24", "10.1.1.1/32", "2001:db8::/64"}, made.one(t, "address_group", "addresses")); diff != "" {
		t.Error(diff)
	}
	var members []string
	for name := range made.get(t, "address_group").(map[string]any) {
		members = append(members, name)
	}
	slices.Sort(members)
	if diff := cmp.Diff([]string{"addresses", "description", "id", "name", "project_id", "tenant_id"}, members); diff != "" {
		t.Error(diff)
	}
	url := "/address-groups/" + id
	for _, r := range []struct {
		a          answer
		status     int
		typ, wants string
	}{
		{c.network("POST", "/address-groups", `{"address_group": {"addresses": ["10.0.0.1"]}}`), 400, "HTTPBadRequest",
			"Invalid input for addresses. Reason: '10.0.0.1' isn't a recognized IP subnet cidr, '10.0.0.1/32' is recommended."},
		{c.network("PUT", url, `{"address_group": {"addresses": []}}`), 400, "HTTPBadRequest", "Cannot update read-only attribute addresses"},
		{c.network("PUT", url+"/add_addresses", `{"addresses": ["10.9.0.0/16", "10.0.0.7/24"]}`), 400, "AddressesAlreadyExist",
			"Addresses ['10.0.0.0/24'] already exist in the address group " + id + "."},
		{c.network("PUT", url+"/add_addresses", `{"addresses": ["x"]}`), 400, "AddrFormatError", "invalid IPNetwork x"},
		{c.network("PUT", url+"/remove_addresses", `{"addresses": ["10.9.0.0/16"]}`), 404, "AddressesNotFound",
			"Addresses ['10.9.0.0/16'] not found in the address group " + id + "."},
		{c.network("GET", "/address-groups/"+nobody, ""), 404, "AddressGroupNotFound", "Address group " + nobody + " could not be found."},
		{c.network("GET", "/address-groups?addresses=10.1.1.1/32", ""), 400, "HTTPBadRequest", "['addresses'] is invalid attribute for filtering"},
		{c.asAdmin("POST", "/address-groups", `{"address_group": {"description": 5}}`), 400, "HTTPBadRequest", "description"},
	} {
		r.a.refused(t, r.status, r.typ, r.wants)
	}
	c.network("PUT", url+"/add_addresses", `{"addresses": ["10.9.0.0/16"]}`).want(t, 200)
	left := c.network("PUT", url+"/remove_addresses", `{"addresses": ["10.0.0.99/24", "2001:db8::/64"]}`).want(t, 200)
	if diff := cmp.Diff([]any{"10.1.1.1/32", "10.9.0.0/16"}, left.one(t, "address_group", "addresses")); diff != "" {
		t.Error(diff)
	}

	group := c.network("POST", "/security-groups", `{"security_group": {"name": "g"}}`).want(t, 201).id(t, "security_group")
	rule := func(more string) answer {
		return c.network("POST", "/security-group-rules", `{"security_group_rule": {"security_group_id": "`+group+`", "direction": "ingress", `+more+`}}`)
	}
	named := rule(`"remote_address_group_id": "`+id+`"`).want(t, 201)
	if got := named.one(t, "security_group_rule", "remote_address_group_id"); got != id {
		t.Errorf("the rule names %v", got)
	}
	rule(`"remote_address_group_id": "`+id+`"`).refused(t, 409, "SecurityGroupRuleExists", "Security group rule already exists. Rule id is ")
	rule(`"remote_address_group_id": "`+nobody+`"`).refused(t, 404, "AddressGroupNotFound", nobody)
	rule(`"remote_address_group_id": "`+id+`", "remote_ip_prefix": "10.0.0.0/8"`).refused(t, 400, "SecurityGroupMultipleRemoteEntites", "Only one of")
	c.network("DELETE", url, "").refused(t, 409, "AddressGroupInUse", "Address group "+id+" is in use on one or more security group rules.")
	c.network("DELETE", "/security-groups/"+group, "").want(t, 204)
	c.network("DELETE", url, "").want(t, 204)
}
