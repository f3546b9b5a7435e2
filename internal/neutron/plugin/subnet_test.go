package plugin

import (
	"strings"
	"testing"
)

// Each request is wrong in two ways. Neutron looks at the request first, then at its pools, then at the network's other subnets, and last at
// where these have their CIDRs from (neutron/db/db_base_plugin_v2.py, _create_subnet_precommit, and ipam_backend_mixin.py, _save_subnet, Zed).
func TestSubnets_WrongInTwoWays_AreRefusedInNeutronsOrder(t *testing.T) {
	f := newFixture(t, "sqlite://:memory:")
	pool := f.make("/subnetpools", `{"subnetpool": {"name": "p", "prefixes": ["10.8.0.0/16"], "default_prefixlen": 24}}`)
	network := f.make("/networks", `{"network": {}}`)
	f.make("/subnets", `{"subnet": {"network_id": "`+network+`", "ip_version": 4, "cidr": "10.8.0.0/24", "subnetpool_id": "`+pool+`"}}`)
	const overlapping, unpooled = `"cidr": "10.8.0.0/25"`, `"cidr": "10.9.0.0/24"`
	for _, c := range []struct{ body, typ, says string }{
		{overlapping + `, "prefixlen": 25`, "BadRequest", "cidr and prefixlen"},
		{overlapping + `, "gateway_ip": "10.8.0.0"`, "InvalidInput", "Gateway is not valid on subnet"},
		{overlapping + `, "allocation_pools": [{"start": "10.8.0.2", "end": "10.8.0.200"}]`, "OutOfBoundsAllocationPool", ""},
		{overlapping, "InvalidInput", "overlaps with another subnet"},
		{unpooled + `, "dns_nameservers": ["fd00::1"]`, "InvalidInput", "does not match the ip_version"},
		{unpooled + `, "allocation_pools": [{"start": "10.9.0.1", "end": "10.9.0.9"}]`, "GatewayConflictWithAllocationPools", ""},
		{unpooled, "NetworkSubnetPoolAffinityError", ""},
	} {
		status, refusal := f.call("p", "POST", "/subnets", `{"subnet": {"network_id": "`+network+`", "ip_version": 4, `+c.body+`}}`)
		message, _ := refusal["message"].(string)
		if status/100 != 4 || refusal["type"] != c.typ || !strings.Contains(message, c.says) {
			t.Errorf("%s: got %d %v, want %s", c.body, status, refusal, c.typ)
		}
	}
}
