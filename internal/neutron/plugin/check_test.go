package plugin

import (
	"errors"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/store"
)

// typeOf is Neutron's type of an error, or "" for none.
func typeOf(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		t.Fatalf("no error of Neutron's: %v", err)
	}
	return f.Type
}

func TestCompleteRule_Attributes_AreMadeCanonicalOrRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		rule map[string]any
		typ  string
		want map[string]any // attributes that must come out so
	}{
		{"ports", map[string]any{"protocol": "tcp", "port_range_min": int64(1), "port_range_max": int64(2)}, "", nil},
		{"all ports", map[string]any{"protocol": "tcp", "port_range_min": int64(1), "port_range_max": int64(65535)}, "",
			map[string]any{"port_range_min": nil, "port_range_max": nil}},
		{"ports upside down", map[string]any{"protocol": "udp", "port_range_min": int64(2), "port_range_max": int64(1)},
			"SecurityGroupInvalidPortRange", nil},
		{"half a range", map[string]any{"protocol": "6", "port_range_min": int64(2)}, "SecurityGroupInvalidPortRange", nil},
		{"port 0", map[string]any{"protocol": "tcp", "port_range_min": int64(0), "port_range_max": int64(2)}, "SecurityGroupInvalidPortValue", nil},
		{"ports of any protocol", map[string]any{"port_range_min": int64(1), "port_range_max": int64(2)}, "SecurityGroupProtocolRequiredWithPorts", nil},
		{"ports of a protocol without", map[string]any{"protocol": "vrrp", "port_range_min": int64(1), "port_range_max": int64(2)},
			"SecurityGroupInvalidProtocolForPort", nil},
		{"ICMP type and code", map[string]any{"protocol": "icmp", "port_range_min": int64(8), "port_range_max": int64(0)}, "", nil},
		{"ICMP code only", map[string]any{"protocol": "icmp", "port_range_max": int64(0)}, "SecurityGroupMissingIcmpType", nil},
		{"ICMP type too large", map[string]any{"protocol": "1", "port_range_min": int64(256)}, "SecurityGroupInvalidIcmpValue", nil},
		{"ICMP of IPv6", map[string]any{"protocol": "icmp", "ethertype": "IPv6"}, "", map[string]any{"protocol": "ipv6-icmp"}},
		{"ICMP of IPv6 by number", map[string]any{"protocol": "1", "ethertype": "IPv6"}, "", map[string]any{"protocol": "58"}},
		{"IPv6's protocol in IPv4", map[string]any{"protocol": "ipv6-frag"}, "SecurityGroupEthertypeConflictWithProtocol", nil},
		{"prefix with host bits", map[string]any{"remote_ip_prefix": "10.0.0.1/24"}, "",
			map[string]any{"remote_ip_prefix": "10.0.0.1/24", "normalized_cidr": "10.0.0.0/24"}},
		{"prefix of IPv6 in IPv4", map[string]any{"remote_ip_prefix": "fd00::/64"}, "SecurityGroupRuleParameterConflict", nil},
		{"two remotes", map[string]any{"remote_ip_prefix": "10.0.0.0/24", "remote_group_id": "g"}, "SecurityGroupMultipleRemoteEntites", nil},
	} {
		rule := map[string]any{"ethertype": "IPv4", "direction": "ingress"}
		maps.Copy(rule, c.rule)
		if got := typeOf(t, completeRule(rule)); got != c.typ {
			t.Errorf("%s: got error %q, want %q", c.name, got, c.typ)
		}
		for name, want := range c.want {
			if diff := cmp.Diff(want, rule[name]); diff != "" {
				t.Errorf("%s: %s: -want +got:\n%s", c.name, name, diff)
			}
		}
	}
}

// However a client writes a rule, its key is that of the same rule as it is stored.
func TestRuleKey_WaysToWriteARule_AreOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"tcp", "udp", "icmp", "vrrp", "sctp"}).Draw(t, "protocol")
		rule := map[string]any{"direction": "ingress", "ethertype": "IPv4", "security_group_id": "g", "protocol": name, "remote_ip_prefix": nil}
		twin := maps.Clone(rule)
		number, err := toProtocol(int64(protocols[name]))
		if err != nil {
			t.Fatal(err)
		}
		twin["protocol"], twin["remote_ip_prefix"] = number, "0.0.0.0/0"
		if rapid.Bool().Draw(t, "ports") {
			low := rapid.Int64Range(1, 9).Draw(t, "low")
			rule["port_range_min"], twin["port_range_min"] = low, float64(low)
		}
		if ruleKey(rule) != ruleKey(twin) {
			t.Fatalf("%q and %q", ruleKey(rule), ruleKey(twin))
		}
		attribute := rapid.SampledFrom([]string{"direction", "ethertype", "security_group_id", "protocol", "remote_group_id"}).Draw(t, "attribute")
		twin[attribute] = "other"
		if ruleKey(rule) == ruleKey(twin) {
			t.Fatalf("the same with another %s: %q", attribute, ruleKey(rule))
		}
	})
}

func TestToProtocol_Values_AreAsNeutronTakesThem(t *testing.T) {
	for _, c := range []struct{ in, want any }{
		{nil, nil}, {"TCP", "tcp"}, {"6", "6"}, {int64(6), "6"}, {"icmpv6", "icmpv6"}, {"255", "255"},
	} {
		if got, err := toProtocol(c.in); err != nil || got != c.want {
			t.Errorf("%v: got %v, %v, want %v", c.in, got, err, c.want)
		}
	}
	for _, bad := range []any{"x", "256", int64(-1), true, ""} {
		if got, err := toProtocol(bad); typeOf(t, err) != "SecurityGroupRuleInvalidProtocol" {
			t.Errorf("%v is taken for %v, %v", bad, got, err)
		}
	}
}

func TestCheckSubnet_Attributes_AreRefusedAsByNeutron(t *testing.T) {
	with := func(more map[string]any) map[string]any {
		s := map[string]any{"ip_version": int64(4), "cidr": "10.0.0.0/24", "enable_dhcp": true, "gateway_ip": "10.0.0.1"}
		maps.Copy(s, more)
		return s
	}
	v6 := map[string]any{"ip_version": int64(6), "cidr": "fd00::/64", "gateway_ip": nil}
	with6 := func(more map[string]any) map[string]any {
		s := with(v6)
		maps.Copy(s, more)
		return s
	}
	for _, c := range []struct {
		name   string
		subnet map[string]any
		typ    string
	}{
		{"usual", with(nil), ""},
		{"usual IPv6", with6(nil), ""},
		{"other version", with(map[string]any{"ip_version": int64(6)}), "InvalidInput"},
		{"too small for DHCP", with(map[string]any{"cidr": "10.0.0.0/31"}), "InvalidInput"},
		{"small without DHCP", with(map[string]any{"cidr": "10.0.0.0/31", "enable_dhcp": false, "gateway_ip": nil}), ""},
		{"multicast", with(map[string]any{"cidr": "224.0.0.0/24", "gateway_ip": nil}), "InvalidInput"},
		{"loopback", with(map[string]any{"cidr": "127.0.0.0/24", "gateway_ip": nil}), "InvalidInput"},
		{"gateway is the network", with(map[string]any{"gateway_ip": "10.0.0.0"}), "InvalidInput"},
		{"gateway elsewhere", with(map[string]any{"gateway_ip": "10.9.0.1"}), ""},
		{"gateway of the other version", with(map[string]any{"gateway_ip": "fd00::1"}), "InvalidInput"},
		{"six name servers", with(map[string]any{"dns_nameservers": []any{"1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4", "1.1.1.5", "1.1.1.6"}}),
			"DNSNameServersExhausted"},
		{"name server of the other version", with(map[string]any{"dns_nameservers": []any{"fd00::1"}}), "InvalidInput"},
		{"route by the other version", with(map[string]any{"host_routes": []any{map[string]any{"destination": "10.1.0.0/16", "nexthop": "fd00::1"}}}),
			"InvalidInput"},
		{"modes of IPv6 in IPv4", with(map[string]any{"ipv6_ra_mode": "slaac"}), "InvalidInput"},
		{"modes that differ", with6(map[string]any{"ipv6_ra_mode": "slaac", "ipv6_address_mode": "dhcpv6-stateful"}), "InvalidInput"},
		{"modes without DHCP", with6(map[string]any{"ipv6_ra_mode": "slaac", "enable_dhcp": false}), "InvalidInput"},
		{"SLAAC in a /65", with6(map[string]any{"ipv6_ra_mode": "slaac", "cidr": "fd00::/65"}), "InvalidInput"},
	} {
		if got := typeOf(t, checkSubnet(c.subnet, nil, "new subnet")); got != c.typ {
			t.Errorf("%s: got error %q, want %q", c.name, got, c.typ)
		}
	}
}

func TestMergeDHCPOptions_Given_ChangeAddAndRemove(t *testing.T) {
	option := func(name string, value any, version int64) any {
		return map[string]any{"opt_name": name, "opt_value": value, "ip_version": version}
	}
	got := mergeDHCPOptions([]any{option("a", "1", 4), option("b", "1", 4), option("a", "6", 6)},
		[]any{option("a", "2", 4), option("b", nil, 4), option("c", "1", 4)})
	if diff := cmp.Diff([]any{option("a", "6", 6), option("a", "2", 4), option("c", "1", 4)}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestFixedIPsFilter_Values_BecomeConditions(t *testing.T) {
	got, err := fixedIPsFilter([]string{"ip_address=10.0.0.3", "subnet_id=s", "ip_address=10.0.0.4", "ip_address_substr=0.3"})
	if err != nil {
		t.Fatal(err)
	}
	want := []store.Filter{{Attr: "fixed_ips.ip_address", Values: []any{"10.0.0.3", "10.0.0.4"}},
		{Attr: "fixed_ips.ip_address", Op: store.Contains, Values: []any{"0.3"}}, {Attr: "fixed_ips.subnet_id", Values: []any{"s"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if _, err := fixedIPsFilter([]string{"10.0.0.3"}); typeOf(t, err) != "InvalidInput" {
		t.Errorf("a value without a key: %v", err)
	}
	if all, err := fixedIPsFilter([]string{"mac=x"}); len(all) != 0 || err != nil {
		t.Errorf("another key: %v, %v, want no condition", all, err)
	}
}

func TestPoolSize_OfIPv6_IsExact(t *testing.T) {
	s := &store.Object{Attrs: map[string]any{"cidr": "fd00::/64", "allocation_pools": []any{
		map[string]any{"start": "fd00::1", "end": "fd00::ffff:ffff:ffff:ffff"}}}}
	if got := poolSize(s).String(); got != "18446744073709551615" {
		t.Errorf("got %s", got)
	}
}
