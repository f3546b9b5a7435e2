package ipam

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/tricircle/tricircle/internal/store"
)

const mac = "fa:16:3e:00:00:01" // its address ends in f816:3eff:fe00:1

func lowest() *Allocator { return New(func(uint64) uint64 { return 0 }) }

func fixed(texts ...string) []FixedIP {
	ips := []FixedIP{}
	for _, t := range texts {
		id, text, _ := strings.Cut(t, "=")
		f := FixedIP{SubnetID: id}
		if text != "" {
			f.IP = addr(text)
		}
		ips = append(ips, f)
	}
	return ips
}

func TestPortAddresses_Requests_AreMetAsNeutronDoes(t *testing.T) {
	both := []Subnet{subnet("v4", "10.0.0.0/24"), subnet("v4b", "10.0.1.0/24"), subnet("v6", "fd00::/64"), slaac("auto", "fd01::/64")}
	special := subnet("special", "10.9.0.0/24")
	special.ServiceTypes = []string{"compute:nova"}
	dhcp := special
	dhcp.ID, dhcp.CIDR, dhcp.DHCP = "dhcp", prefix("10.8.0.0/24"), true
	dhcp.Pools = ranges("10.8.0.2-10.8.0.9")
	const eui = "auto=fd01::f816:3eff:fe00:1"
	for _, test := range []struct {
		name        string
		subnets     []Subnet
		owner       string
		wanted      []FixedIP
		want        []FixedIP
		class, text string // if it is refused
	}{
		{name: "nothing said", subnets: both, want: fixed(eui, "v4=10.0.0.2", "v6=fd00::1")},
		{name: "no subnets", want: fixed()},
		{name: "none", subnets: both[:3], wanted: fixed(), want: fixed()},
		{name: "none, but guests make their own", subnets: both, wanted: fixed(), want: fixed(eui)},
		{name: "router, nothing said", subnets: both, owner: "network:router_interface", want: fixed("v4=10.0.0.2", "v6=fd00::1")},
		{name: "an address", subnets: both[:3], wanted: fixed("=10.0.1.7"), want: fixed("v4b=10.0.1.7")},
		{name: "an address of a subnet", subnets: both[:3], wanted: fixed("v4=10.0.0.7"), want: fixed("v4=10.0.0.7")},
		{name: "the gateway", subnets: both[:3], wanted: fixed("v4=10.0.0.1"), want: fixed("v4=10.0.0.1")},
		{name: "any of a subnet", subnets: both[:3], wanted: fixed("v4b="), want: fixed("v4b=10.0.1.2")},
		{name: "any, and the next one", subnets: both[:3], wanted: fixed("v4=", "v4=10.0.0.2"), want: fixed("v4=10.0.0.2", "v4=10.0.0.3")},
		{name: "any of one where guests make their own", subnets: both, wanted: fixed("auto="), want: fixed(eui)},
		{name: "router in one where guests make their own", subnets: both, owner: "network:router_interface",
			wanted: fixed("auto=fd01::", "auto="), want: fixed("auto=fd01::", "auto=fd01::1")},
		{name: "subnets for others", subnets: []Subnet{special}, owner: "x", class: "IpAddressGenerationFailureNoMatchingSubnet",
			text: "network n, service type x."},
		{name: "subnet for it comes first", subnets: []Subnet{both[0], special}, owner: "compute:nova", want: fixed("special=10.9.0.2")},
		{name: "DHCP everywhere", subnets: []Subnet{dhcp}, owner: "network:dhcp", want: fixed("dhcp=10.8.0.2")},
		{name: "wanted without subnets", wanted: fixed("=10.0.0.1"), class: "InvalidInput", text: "IP allocation requires subnets for network"},
		{name: "neither", subnets: both, wanted: fixed("="), class: "InvalidInput", text: "IP allocation requires subnet_id or ip_address"},
		{name: "unknown subnet", subnets: both, wanted: fixed("x="), class: "InvalidInput",
			text: "Failed to create port on network n, because fixed_ips included invalid subnet x"},
		{name: "address of no subnet", subnets: both, wanted: fixed("=10.7.0.1"), class: "InvalidIpForNetwork", text: "10.7.0.1"},
		{name: "address of another subnet", subnets: both, wanted: fixed("v4=10.0.1.1"), class: "InvalidIpForSubnet", text: "10.0.1.1"},
		{name: "network address", subnets: both, wanted: fixed("v4=10.0.0.0"), class: "InvalidIpForSubnet", text: "10.0.0.0"},
		{name: "broadcast address", subnets: both, wanted: fixed("v4=10.0.0.255"), class: "InvalidIpForSubnet", text: "10.0.0.255"},
		{name: "anycast address", subnets: both, owner: "compute:nova", wanted: fixed("v6=fd00::"), class: "InvalidIpForSubnet", text: "fd00::"},
		{name: "where guests make their own", subnets: both, wanted: fixed("auto=fd01::5"), class: "AllocationOnAutoAddressSubnet", text: "fd01::5"},
		{name: "taken", subnets: both, wanted: fixed("v4=10.0.0.99"), class: "IpAddressAlreadyAllocated",
			text: "IP address 10.0.0.99 already allocated in subnet v4"},
		{name: "all taken", subnets: []Subnet{{ID: "v4", CIDR: prefix("10.0.0.0/24"), Pools: ranges("10.0.0.99-10.0.0.99")}},
			class: "IpAddressGenerationFailure", text: "No more IP addresses available on network n."},
		{name: "first subnet full", subnets: []Subnet{{ID: "v4", CIDR: prefix("10.0.0.0/24"), Pools: ranges("10.0.0.99-10.0.0.99")}, both[1]},
			want: fixed("v4b=10.0.1.2")},
	} {
		t.Run(test.name, func(t *testing.T) {
			tx := &memory{taken: []store.Address{{SubnetID: "v4", IP: addr("10.0.0.99"), PortID: "other"}}}
			got, err := lowest().PortAddresses(t.Context(), tx, &Network{"n", test.subnets},
				Port{ID: "p", NetworkID: "n", MAC: mac, DeviceOwner: test.owner}, test.wanted)
			if test.class != "" {
				expectFault(t, "PortAddresses", err, test.class, test.text)
				return
			}
			if diff := gocmp.Diff(test.want, got, compareNet); diff != "" || err != nil {
				t.Errorf("PortAddresses: %v (-want +got):\n%s", err, diff)
			}
			sameAddresses(t, tx.of("p"), got)
		})
	}
}

type reporter interface {
	Helper()
	Errorf(format string, args ...any)
}

func sameAddresses(t reporter, taken, shown []FixedIP) {
	t.Helper()
	sorted := cmpopts.SortSlices(func(a, b FixedIP) bool { return cmp.Or(cmp.Compare(a.SubnetID, b.SubnetID), a.IP.Compare(b.IP)) < 0 })
	if diff := gocmp.Diff(taken, shown, compareNet, sorted, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("addresses that are taken (-) and shown (+):\n%s", diff)
	}
}

func TestChangeAddresses_Wishes_KeepWhatCanStay(t *testing.T) {
	n := &Network{"n", []Subnet{subnet("v4", "10.0.0.0/24"), subnet("v6", "fd00::/64"), slaac("auto", "fd01::/64")}}
	const eui, otherEUI = "auto=fd01::f816:3eff:fe00:1", "auto=fd01::f816:3eff:fe00:9"
	for _, test := range []struct {
		name        string
		has, wanted []FixedIP
		newMAC      bool
		want        []FixedIP
		class       string
	}{
		{name: "the same", has: fixed("v4=10.0.0.7", eui), wanted: fixed("v4=10.0.0.7"), want: fixed("v4=10.0.0.7", eui)},
		{name: "any of the subnet", has: fixed("v4=10.0.0.7"), wanted: fixed("v4="), want: fixed("v4=10.0.0.7", eui)},
		{name: "one more", has: fixed("v4=10.0.0.7", eui), wanted: fixed("v4=", "v4="), want: fixed("v4=10.0.0.7", eui, "v4=10.0.0.2")},
		{name: "another", has: fixed("v4=10.0.0.7", eui), wanted: fixed("v4=10.0.0.8"), want: fixed(eui, "v4=10.0.0.8")},
		{name: "another family", has: fixed("v4=10.0.0.7", eui), wanted: fixed("v6="), want: fixed(eui, "v6=fd00::1")},
		{name: "none", has: fixed("v4=10.0.0.7", eui), wanted: fixed(), want: fixed(eui)},
		{name: "taken by another", has: fixed("v4=10.0.0.7", eui), wanted: fixed("v4=10.0.0.99"), class: "IpAddressAlreadyAllocated"},
		{name: "new MAC", has: fixed("v4=10.0.0.7", otherEUI), newMAC: true, want: fixed("v4=10.0.0.7", eui)},
		{name: "new MAC, and what it had", has: fixed("v4=10.0.0.7", otherEUI), wanted: fixed(otherEUI, "v4=10.0.0.7"), newMAC: true,
			want: fixed("v4=10.0.0.7", eui)},
	} {
		t.Run(test.name, func(t *testing.T) {
			tx := &memory{taken: []store.Address{{SubnetID: "v4", IP: addr("10.0.0.99"), PortID: "other"}}}
			for _, f := range test.has {
				_, _ = tx.ClaimAddress(t.Context(), store.Address{SubnetID: f.SubnetID, IP: f.IP, PortID: "p"}) // never fails
			}
			got, err := lowest().ChangeAddresses(t.Context(), tx, n, Port{ID: "p", NetworkID: "n", MAC: mac}, test.has, test.wanted, test.newMAC)
			if test.class != "" {
				expectFault(t, "ChangeAddresses", err, test.class, "")
				return
			}
			if diff := gocmp.Diff(test.want, got, compareNet); diff != "" || err != nil {
				t.Errorf("ChangeAddresses: %v (-want +got):\n%s", err, diff)
			}
			sameAddresses(t, tx.of("p"), got)
		})
	}
}

// Random creations, changes and deletions of ports: what a port shows is what it has, and nobody has what another has.
func TestPorts_RandomChanges_ShowWhatTheyHave(t *testing.T) {
	subnets := []Subnet{subnet("v4", "10.0.0.0/29"), subnet("v4b", "10.0.1.0/29"), subnet("v6", "fd00::/125"), slaac("auto", "fd01::/64")}
	genFixed := rapid.Custom(func(t *rapid.T) FixedIP {
		s := rapid.SampledFrom(subnets).Draw(t, "subnet")
		f := FixedIP{SubnetID: s.ID}
		if rapid.Bool().Draw(t, "explicit") {
			f.IP = Range{s.CIDR.Addr(), last(s.CIDR)}.at(rapid.Uint64Range(0, 7).Draw(t, "host"))
		}
		return f
	})
	rapid.Check(t, func(t *rapid.T) {
		tx := &memory{}
		a := New(func(n uint64) uint64 { return rapid.Uint64Range(0, n-1).Draw(t, "chance") })
		shown := map[string][]FixedIP{}
		port := func(t *rapid.T) Port {
			i := rapid.IntRange(1, 5).Draw(t, "port")
			return Port{ID: fmt.Sprint("p", i), NetworkID: "n", MAC: fmt.Sprintf("fa:16:3e:00:00:%02x", i)}
		}
		wanted := func(t *rapid.T) []FixedIP {
			if rapid.Bool().Draw(t, "nothing said") {
				return nil
			}
			return rapid.SliceOfN(genFixed, 0, 3).Draw(t, "wanted")
		}
		t.Repeat(map[string]func(*rapid.T){
			"change": func(t *rapid.T) {
				p, w := port(t), wanted(t)
				before := slices.Clone(tx.taken)
				has, exists := shown[p.ID]
				var now []FixedIP
				var err error
				if exists {
					now, err = a.ChangeAddresses(t.Context(), tx, &Network{"n", subnets}, p, has, w, false)
				} else {
					now, err = a.PortAddresses(t.Context(), tx, &Network{"n", subnets}, p, w)
				}
				if err != nil { // the transaction is undone
					tx.taken = before
					return
				}
				shown[p.ID] = now
				for _, f := range w {
					if f.IP.IsValid() && !slices.Contains(now, f) {
						t.Fatalf("wanted %v, got %v", w, now)
					}
				}
			},
			"delete": func(t *rapid.T) {
				p := port(t)
				tx.taken = slices.DeleteFunc(tx.taken, func(a store.Address) bool { return a.PortID == p.ID })
				delete(shown, p.ID)
			},
			"": func(t *rapid.T) {
				total := 0
				for id, ips := range shown {
					sameAddresses(t, tx.of(id), ips)
					total += len(ips)
				}
				if total != len(tx.taken) {
					t.Fatalf("%d addresses are taken, %d shown", len(tx.taken), total)
				}
			},
		})
	})
}

func TestFixedIPs_Attribute_IsReadAndWritten(t *testing.T) {
	attr := []any{map[string]any{"subnet_id": "s", "ip_address": "10.0.0.1"}}
	got := FixedIPsOf(attr)
	if diff := gocmp.Diff([]FixedIP{{"s", addr("10.0.0.1")}}, got, compareNet); diff != "" {
		t.Errorf("FixedIPsOf (-want +got):\n%s", diff)
	}
	if diff := gocmp.Diff(attr, FixedIPsAttr(got)); diff != "" {
		t.Errorf("FixedIPsAttr (-want +got):\n%s", diff)
	}
	if got := FixedIPsOf([]any{map[string]any{"subnet_id": "s"}}); len(got) != 1 || got[0] != (FixedIP{SubnetID: "s"}) {
		t.Errorf("FixedIPsOf without an address = %v", got)
	}
	var none netip.Addr
	if got := FixedIPsOf([]any{map[string]any{"ip_address": "10.0.0.1"}}); got[0].SubnetID != "" || got[0].IP == none {
		t.Errorf("FixedIPsOf without a subnet = %v", got)
	}
}
