package ipam

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/store"
)

// memory is a Tx: the addresses that are taken, in order.
type memory struct {
	taken []store.Address
	calls int
}

func order(a, b store.Address) int {
	return cmp.Or(cmp.Compare(a.SubnetID, b.SubnetID), a.IP.Compare(b.IP))
}

func (m *memory) ClaimAddress(_ context.Context, a store.Address) (bool, error) {
	m.calls++
	i, found := slices.BinarySearchFunc(m.taken, a, order)
	if !found {
		m.taken = slices.Insert(m.taken, i, a)
	}
	return !found, nil
}

func (m *memory) ReleaseAddress(_ context.Context, subnetID string, ip netip.Addr) error {
	m.taken = slices.DeleteFunc(m.taken, func(a store.Address) bool { return a.SubnetID == subnetID && a.IP == ip })
	return nil
}

func (m *memory) Addresses(_ context.Context, q store.AddressQuery) ([]store.Address, error) {
	m.calls++
	var found []store.Address
	for _, a := range m.taken {
		if q.Limit > 0 && len(found) == q.Limit {
			break
		}
		if a.SubnetID == q.SubnetID && (q.PodNum == 0 || a.PodNum == q.PodNum) && (q.Use == "" || a.Use == q.Use) &&
			(!q.From.IsValid() || !a.IP.Less(q.From)) && (!q.To.IsValid() || !q.To.Less(a.IP)) {
			found = append(found, a)
		}
	}
	return found, nil
}

func (m *memory) of(portID string) (ips []FixedIP) {
	for _, a := range m.taken {
		if a.PortID == portID {
			ips = append(ips, FixedIP{a.SubnetID, a.IP})
		}
	}
	return ips
}

var compareNet = gocmp.Options{gocmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	gocmp.Comparer(func(a, b netip.Prefix) bool { return a == b })}

func addr(s string) netip.Addr     { return netip.MustParseAddr(s) }
func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// subnet has the default gateway and pools.
func subnet(id, cidr string) Subnet {
	p := prefix(cidr)
	gateway := DefaultGateway(p)
	return Subnet{ID: id, NetworkID: "n", CIDR: p, Gateway: gateway, Pools: DefaultPools(p, gateway)}
}

func slaac(id, cidr string) Subnet {
	s := subnet(id, cidr)
	s.Automatic = true
	return s
}

func ranges(texts ...string) (all []Range) {
	for _, t := range texts {
		first, final, _ := strings.Cut(t, "-")
		all = append(all, Range{addr(first), addr(final)})
	}
	return all
}

func expectFault(t reporter, what string, err error, class, text string) {
	t.Helper()
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Type != class || !strings.Contains(f.Message, text) {
		t.Errorf("%s: error %v, want %s with %q", what, err, class, text)
	}
}

// Whatever the pools, what is taken and chance: all addresses of the pools are given out, each once, none else.
func TestAllocate_AnyPools_GivesOutEachAddressOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cidr := prefix(rapid.SampledFrom([]string{"10.0.0.0/26", "fd00::/122", "255.255.255.192/26"}).Draw(t, "cidr"))
		s := Subnet{ID: "s", CIDR: cidr}
		free := map[netip.Addr]bool{}
		at := cidr.Addr()
		for range rapid.IntRange(1, 4).Draw(t, "pools") {
			for range rapid.IntRange(0, 3).Draw(t, "gap") {
				at = at.Next()
			}
			r := Range{First: at}
			for range rapid.IntRange(0, 12).Draw(t, "size") {
				free[at] = true
				at = at.Next()
			}
			free[at] = true
			r.Last, at = at, at.Next()
			s.Pools = append(s.Pools, r)
		}
		tx := &memory{}
		for _, n := range rapid.SliceOfN(rapid.Uint64Range(0, 63), 0, 64).Draw(t, "taken") {
			ip := Range{cidr.Addr(), last(cidr)}.at(n)
			_, _ = tx.ClaimAddress(t.Context(), store.Address{SubnetID: "s", IP: ip, PodNum: 1}) // never fails
			delete(free, ip)
		}
		a := New(func(n uint64) uint64 { return rapid.Uint64Range(0, n-1).Draw(t, "chance") })
		for len(free) > 0 {
			tx.calls = 0
			ip, err := a.Allocate(t.Context(), tx, &s, store.Address{PortID: "p"})
			if err != nil || !free[ip] {
				t.Fatalf("Allocate = %v, %v; free are %v", ip, err, free)
			}
			if tx.calls > 3+len(s.Pools) {
				t.Fatalf("%d calls", tx.calls)
			}
			delete(free, ip)
		}
		_, err := a.Allocate(t.Context(), tx, &s, store.Address{PortID: "p"})
		if !exhausted(err) {
			t.Fatalf("Allocate of an empty pool: %v", err)
		}
	})
}

// Pools of millions: two statements where little is taken, and not many more behind a hundred thousand that are.
func TestAllocate_LargePools_TakesFewStatements(t *testing.T) {
	for _, cidr := range []string{"10.0.0.0/8", "fd00::/64", "::/1"} {
		s := subnet("s", cidr)
		tx := &memory{}
		ip := s.Pools[len(s.Pools)-1].First
		for range 100_000 {
			tx.taken = append(tx.taken, store.Address{SubnetID: "s", IP: ip, PortID: "x"})
			ip = ip.Next()
		}
		first := uint64(0)
		for _, p := range s.Pools[:len(s.Pools)-1] {
			first += p.size()
		}
		got, err := New(func(uint64) uint64 { return first }).Allocate(t.Context(), tx, &s, store.Address{PortID: "p"})
		if err != nil || got != ip {
			t.Errorf("%s: Allocate = %v, %v; want the first that is free: %v", cidr, got, err, ip)
		}
		if tx.calls > 15 {
			t.Errorf("%s: %d statements to pass those that are taken", cidr, tx.calls)
		}
		tx.calls = 0
		if _, err := New(func(n uint64) uint64 { return n - 1 }).Allocate(t.Context(), tx, &s, store.Address{PortID: "p"}); err != nil || tx.calls > 1 {
			t.Errorf("%s: %d statements, %v, where nothing is taken", cidr, tx.calls, err)
		}
	}
}

func TestReserve_Twice_KeepsWhatThePodHas(t *testing.T) {
	s := subnet("s", "10.0.0.0/29") // .1 is the gateway: five are left
	tx := &memory{}
	a := New(func(uint64) uint64 { return 0 })
	first, err := a.Reserve(t.Context(), tx, &s, 1, store.UseInfra, 2)
	if diff := gocmp.Diff([]netip.Addr{addr("10.0.0.2"), addr("10.0.0.3")}, first, compareNet); diff != "" || err != nil {
		t.Errorf("Reserve: %v (-want +got):\n%s", err, diff)
	}
	for _, test := range []struct {
		pod  int32
		use  store.AddressUse
		n    int
		want string
	}{
		{1, store.UseInfra, 2, "[10.0.0.2 10.0.0.3]"}, {1, store.UseInfra, 1, "[10.0.0.2 10.0.0.3]"},
		{2, store.UseInfra, 1, "[10.0.0.4]"}, {1, store.UseGateway, 1, "[10.0.0.5]"}, {1, store.UseInfra, 3, "[10.0.0.2 10.0.0.3 10.0.0.6]"},
	} {
		if got, err := a.Reserve(t.Context(), tx, &s, test.pod, test.use, test.n); err != nil || fmt.Sprint(got) != test.want {
			t.Errorf("Reserve(%+v) = %v, %v", test, got, err)
		}
	}
	_, err = a.Reserve(t.Context(), tx, &s, 3, store.UseInfra, 1)
	expectFault(t, "Reserve in a full subnet", err, "IpAddressGenerationFailure", "No more IP addresses available for subnet s.")
}

func TestDefaultPools_OfPrefixes_AreNeutrons(t *testing.T) {
	for _, test := range []struct{ cidr, gateway, want string }{
		{"10.0.0.0/24", "10.0.0.1", "[10.0.0.2-10.0.0.254]"},
		{"10.0.0.0/24", "10.0.0.254", "[10.0.0.1-10.0.0.253]"},
		{"10.0.0.0/24", "10.0.0.9", "[10.0.0.1-10.0.0.8 10.0.0.10-10.0.0.254]"},
		{"10.0.0.0/24", "", "[10.0.0.1-10.0.0.254]"},
		{"10.0.0.0/24", "192.168.0.1", "[10.0.0.1-10.0.0.254]"},
		{"10.0.0.0/30", "10.0.0.1", "[10.0.0.2-10.0.0.2]"},
		{"10.0.0.0/31", "10.0.0.1", "[10.0.0.0-10.0.0.0]"},
		{"10.0.0.7/32", "10.0.0.7", "[10.0.0.7-10.0.0.7]"},
		{"0.0.0.0/1", "0.0.0.1", "[0.0.0.2-127.255.255.254]"},
		{"fd00::/64", "fd00::", "[fd00::1-fd00::ffff:ffff:ffff:ffff]"},
		{"fd00::/64", "fd00::1", "[fd00::2-fd00::ffff:ffff:ffff:ffff]"},
		{"fd00::/127", "fd00::", "[fd00::1-fd00::1]"},
		{"fd00::/16", "", "[fd00::1-fd00:ffff:ffff:ffff:ffff:ffff:ffff:ffff]"},
	} {
		var gateway netip.Addr
		if test.gateway != "" {
			gateway = addr(test.gateway)
		}
		if got := fmt.Sprint(DefaultPools(prefix(test.cidr), gateway)); got != test.want {
			t.Errorf("DefaultPools(%s, %s) = %s, want %s", test.cidr, test.gateway, got, test.want)
		}
	}
	if v4, v6 := DefaultGateway(prefix("10.0.0.0/24")), DefaultGateway(prefix("fd00::/64")); v4 != addr("10.0.0.1") || v6 != addr("fd00::") {
		t.Errorf("DefaultGateway = %v, %v", v4, v6)
	}
}

func TestCheck_PoolsGatewaysAndCIDRs_AreRefusedInNeutronsWords(t *testing.T) {
	cidr, gateway := prefix("10.0.0.0/24"), addr("10.0.0.1")
	for _, test := range []struct {
		err         error
		class, text string
	}{
		{CheckPools(ranges("fd00::1-fd00::2"), cidr, gateway), "InvalidAllocationPool", "fd00::1-fd00::2 is not valid."},
		{CheckPools(ranges("10.0.0.5-10.0.1.1"), cidr, gateway), "OutOfBoundsAllocationPool", "10.0.0.5-10.0.1.1 spans beyond the subnet cidr 10.0.0.0/24."},
		{CheckPools(ranges("10.0.0.0-10.0.0.9"), cidr, gateway), "OutOfBoundsAllocationPool", "10.0.0.0-10.0.0.9"},
		{CheckPools(ranges("10.0.0.9-10.0.0.255"), cidr, gateway), "OutOfBoundsAllocationPool", "10.0.0.255"},
		{CheckPools(ranges("10.0.0.5-10.0.0.9", "10.0.0.20-10.0.0.30", "10.0.0.9-10.0.0.10"), cidr, gateway), "OverlappingAllocationPools",
			"Found overlapping allocation pools: 10.0.0.5-10.0.0.9 10.0.0.9-10.0.0.10 for subnet 10.0.0.0/24."},
		{CheckPools(ranges("10.0.0.1-10.0.0.9"), cidr, gateway), "GatewayConflictWithAllocationPools",
			"Gateway ip 10.0.0.1 conflicts with allocation pool 10.0.0.1-10.0.0.9."},
		{CheckGateway(cidr, addr("10.0.0.0")), "InvalidInput", "Gateway is not valid on subnet"},
		{CheckGateway(cidr, addr("10.0.0.255")), "InvalidInput", "Gateway is not valid on subnet"},
		{CheckCIDR("n", prefix("0.0.0.0/0"), nil), "InvalidInput", "0 is not allowed as CIDR prefix length"},
		{CheckCIDR("n", cidr, []netip.Prefix{prefix("10.0.0.128/25")}), "InvalidInput",
			"Requested subnet with cidr: 10.0.0.0/24 for network: n overlaps with another subnet"},
	} {
		expectFault(t, test.text, test.err, test.class, test.text)
	}
	for _, err := range []error{
		CheckPools(ranges("10.0.0.2-10.0.0.9", "10.0.0.10-10.0.0.254"), cidr, gateway), CheckPools(nil, cidr, gateway),
		CheckPools(ranges("10.0.0.1-10.0.0.9"), cidr, netip.Addr{}),
		CheckGateway(cidr, addr("10.0.0.77")), CheckGateway(cidr, addr("192.168.0.0")), CheckGateway(prefix("fd00::/64"), addr("fd00::")),
		CheckCIDR("n", cidr, []netip.Prefix{prefix("10.0.1.0/24"), prefix("fd00::/64")}),
	} {
		if err != nil {
			t.Error(err)
		}
	}
}

func TestSubnetOf_WhatTheAPIShows_IsRead(t *testing.T) {
	o := &store.Object{ID: "s", Attrs: map[string]any{
		"network_id": "n", "cidr": "fd00::/64", "gateway_ip": "fd00::1", "enable_dhcp": true, "ipv6_ra_mode": "slaac",
		"ipv6_address_mode": nil, "service_types": []any{"compute:nova"},
		"allocation_pools": []any{map[string]any{"start": "fd00::2", "end": "fd00::9"}},
	}}
	want := Subnet{ID: "s", NetworkID: "n", CIDR: prefix("fd00::/64"), Gateway: addr("fd00::1"), Pools: ranges("fd00::2-fd00::9"),
		Automatic: true, DHCP: true, ServiceTypes: []string{"compute:nova"}}
	got, err := SubnetOf(o)
	if diff := gocmp.Diff(want, got, compareNet); diff != "" || err != nil {
		t.Errorf("SubnetOf: %v (-want +got):\n%s", err, diff)
	}
	if diff := gocmp.Diff(o.Attrs["allocation_pools"], any(PoolsAttr(got.Pools))); diff != "" {
		t.Errorf("PoolsAttr (-want +got):\n%s", diff)
	}
	for attr, value := range map[string]any{"cidr": "x", "gateway_ip": "x", "allocation_pools": []any{"x"}} {
		bad := &store.Object{ID: "s", Attrs: map[string]any{"cidr": "fd00::/64"}}
		bad.Attrs[attr] = value
		if _, err := SubnetOf(bad); err == nil {
			t.Errorf("SubnetOf with %s %v succeeded", attr, value)
		}
	}
	_, err = PoolsOf([]any{map[string]any{"start": "10.0.0.9", "end": "10.0.0.1"}})
	expectFault(t, "a pool that ends before it begins", err, "InvalidAllocationPool", "10.0.0.9-10.0.0.1")
}

func TestEUI64_MAC_GivesTheAddressThatGuestsMake(t *testing.T) {
	got, err := EUI64(prefix("2001:db8::/64"), "fa:16:3e:00:2b:01")
	if err != nil || got != addr("2001:db8::f816:3eff:fe00:2b01") || !isEUI64(got) {
		t.Errorf("EUI64 = %v, %v", got, err)
	}
	for _, bad := range []struct{ cidr, mac string }{{"10.0.0.0/24", "fa:16:3e:00:00:01"}, {"fd00::/64", "x"}} {
		if got, err := EUI64(prefix(bad.cidr), bad.mac); err == nil {
			t.Errorf("EUI64(%v) = %v", bad, got)
		}
	}
	if isEUI64(addr("10.0.0.1")) || isEUI64(addr("fd00::1")) {
		t.Error("other addresses are taken for those of guests")
	}
}
