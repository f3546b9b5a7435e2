package ipam

import (
	"context"
	"net/netip"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/tricircle/tricircle/internal/store"
)

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, t := range texts {
		all = append(all, prefix(t))
	}
	return all
}

var genPrefix = rapid.Custom(func(t *rapid.T) netip.Prefix {
	bits := rapid.IntRange(24, 32).Draw(t, "bits")
	host := rapid.Uint64Range(0, 255).Draw(t, "host")
	return netip.PrefixFrom(Range{addr("10.0.0.0"), addr("10.0.0.255")}.at(host), bits).Masked()
})

// set is the addresses of prefixes, all of them in 10.0.0.0/24.
func set(all []netip.Prefix) map[netip.Addr]bool {
	s := map[netip.Addr]bool{}
	for a := addr("10.0.0.0"); a.Less(addr("10.0.1.0")); a = a.Next() {
		if slices.ContainsFunc(all, func(p netip.Prefix) bool { return p.Contains(a) }) {
			s[a] = true
		}
	}
	return s
}

func TestWithout_AnyPrefixes_LeavesWhatSetsLeave(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all, taken := rapid.SliceOf(genPrefix).Draw(t, "all"), rapid.SliceOf(genPrefix).Draw(t, "taken")
		left := Without(all, taken)
		want := set(all)
		for a := range set(taken) {
			delete(want, a)
		}
		if diff := gocmp.Diff(want, set(left), compareNet); diff != "" {
			t.Fatalf("%v without %v leaves %v (-want +got):\n%s", all, taken, left, diff)
		}
		if diff := gocmp.Diff(left, Compact(left), compareNet, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%v without %v is not compact: %v", all, taken, left)
		}
	})
}

func TestCompact_AnyPrefixes_AreTheFewestWithTheSameAddresses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOf(genPrefix).Draw(t, "all")
		compact := Compact(all)
		if diff := gocmp.Diff(set(all), set(compact), compareNet); diff != "" {
			t.Fatalf("Compact(%v) = %v (-want +got):\n%s", all, compact, diff)
		}
		for i := 1; i < len(compact); i++ {
			parent := netip.PrefixFrom(compact[i].Addr(), compact[i].Bits()-1).Masked()
			if compact[i-1].Overlaps(compact[i]) || compact[i-1].Bits() == compact[i].Bits() && parent.Contains(compact[i-1].Addr()) {
				t.Fatalf("Compact(%v) = %v", all, compact)
			}
		}
	})
	mixed := Compact(prefixes("fd00::1/65", "10.0.0.0/25", "fd00::8000:0:0:0/65", "10.0.0.128/25", "0.0.0.0/1", "128.0.0.0/1"))
	if diff := gocmp.Diff(prefixes("0.0.0.0/0", "fd00::/64"), mixed, compareNet); diff != "" {
		t.Errorf("Compact (-want +got):\n%s", diff)
	}
}

func TestPoolPrefix_Requests_AreMetOrRefusedInNeutronsWords(t *testing.T) {
	pool := &Pool{ID: "sp", Prefixes: prefixes("10.0.0.0/16"), Min: 16, Max: 30, Default: 26}
	v6 := &Pool{ID: "sp6", Prefixes: prefixes("fd00::/48"), Min: 48, Max: 64, Default: 64, Quota: 2}
	leases := func(texts ...string) (all []Lease) {
		for _, p := range prefixes(texts...) {
			all = append(all, Lease{p, "p"})
		}
		return all
	}
	for _, test := range []struct {
		name        string
		pool        *Pool
		leases      []Lease
		project     string
		want        string
		bits        int
		got         string
		class, text string
	}{
		{name: "default", pool: pool, got: "10.0.0.0/26"},
		{name: "a length", pool: pool, bits: 24, got: "10.0.0.0/24"},
		{name: "smallest block first", pool: pool, bits: 28, leases: leases("10.0.0.0/24", "10.0.2.0/28", "10.0.2.32/27"), got: "10.0.2.16/28"},
		{name: "this one", pool: pool, want: "10.0.7.0/24", got: "10.0.7.0/24"},
		{name: "taken", pool: pool, want: "10.0.7.0/24", leases: leases("10.0.7.128/25"), class: "SubnetAllocationError",
			text: "Failed to allocate subnet: Cannot allocate requested subnet from the available set of prefixes."},
		{name: "outside", pool: pool, want: "10.9.0.0/24", class: "SubnetAllocationError", text: "Cannot allocate"},
		{name: "full", pool: pool, bits: 24, leases: leases("10.0.0.0/17", "10.0.128.0/17"), class: "SubnetAllocationError",
			text: "Insufficient prefix space to allocate subnet size /24"},
		{name: "too long", pool: pool, bits: 31, class: "MaxPrefixSubnetAllocationError", text: "prefix length 31, maximum allowed prefix is 30."},
		{name: "too short", pool: pool, want: "10.0.0.0/8", class: "MinPrefixSubnetAllocationError", text: "prefix length 8, minimum allowed prefix is 16."},
		{name: "within quota", pool: v6, leases: leases("fd00::/64"), project: "p", got: "fd00:0:0:1::/64"},
		{name: "quota of others", pool: v6, leases: leases("fd00::/64", "fd00:0:0:1::/64"), project: "q", got: "fd00:0:0:2::/64"},
		{name: "over quota", pool: v6, leases: leases("fd00::/64", "fd00:0:0:1::/64"), project: "p", class: "SubnetPoolQuotaExceeded",
			text: "Per-tenant subnet pool prefix quota exceeded."},
		{name: "over quota at once", pool: v6, bits: 62, class: "SubnetPoolQuotaExceeded"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var want netip.Prefix
			if test.want != "" {
				want = prefix(test.want)
			}
			got, err := test.pool.Prefix(test.leases, test.project, want, test.bits)
			if test.class != "" {
				expectFault(t, "Prefix", err, test.class, test.text)
				return
			}
			if err != nil || got.String() != test.got {
				t.Errorf("Prefix = %v, %v; want %s", got, err, test.got)
			}
		})
	}
}

// However a pool is used up: what is given out lies in it, overlaps with nothing, and nothing large enough was left when it ends.
func TestPoolPrefix_UntilFull_NeverOverlaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pool := &Pool{Prefixes: rapid.SliceOfN(genPrefix, 1, 5).Draw(t, "prefixes"), Min: 24, Max: 32, Default: 28}
		var leases []Lease
		for range 40 {
			bits := rapid.IntRange(26, 32).Draw(t, "bits")
			got, err := pool.Prefix(leases, "p", netip.Prefix{}, bits)
			var used []netip.Prefix
			for _, l := range leases {
				used = append(used, l.CIDR)
			}
			if err != nil {
				expectFault(t, "Prefix", err, "SubnetAllocationError", "")
				if slices.ContainsFunc(Without(pool.Prefixes, used), func(p netip.Prefix) bool { return p.Bits() <= bits }) {
					t.Fatalf("refused /%d though %v is left", bits, Without(pool.Prefixes, used))
				}
				continue
			}
			if got.Bits() != bits || got != got.Masked() || slices.ContainsFunc(used, got.Overlaps) ||
				!slices.ContainsFunc(Compact(pool.Prefixes), func(p netip.Prefix) bool { return p.Contains(got.Addr()) && p.Bits() <= bits }) {
				t.Fatalf("got %v of %v, used are %v", got, pool.Prefixes, used)
			}
			leases = append(leases, Lease{got, "p"})
		}
	})
}

func TestCheckPool_Bounds_AreRefusedInNeutronsWords(t *testing.T) {
	good := Pool{Prefixes: prefixes("10.0.0.0/8"), Min: 8, Max: 32, Default: 24}
	if err := CheckPool(good); err != nil {
		t.Error(err)
	}
	for _, test := range []struct {
		change      func(p *Pool)
		class, text string
	}{
		{func(p *Pool) { p.Prefixes = nil }, "EmptySubnetPoolPrefixList", "Empty subnet pool prefix list."},
		{func(p *Pool) { p.Prefixes = prefixes("10.0.0.0/8", "fd00::/8") }, "PrefixVersionMismatch", "Cannot mix"},
		{func(p *Pool) { p.Min = -1 }, "UnsupportedMinSubnetPoolPrefix", "'-1'"},
		{func(p *Pool) { p.Min = 33 }, "IllegalSubnetPoolPrefixBounds", "min_prefixlen=33, max_prefixlen=32."},
		{func(p *Pool) { p.Max = 33 }, "IllegalSubnetPoolPrefixBounds", "max_prefixlen=33, ip_version_max=32."},
		{func(p *Pool) { p.Default = 7 }, "IllegalSubnetPoolPrefixBounds", "default_prefixlen=7, min_prefixlen=8."},
		{func(p *Pool) { p.Default, p.Max = 31, 30 }, "IllegalSubnetPoolPrefixBounds", "default_prefixlen=31, max_prefixlen=30."},
	} {
		p := good
		test.change(&p)
		expectFault(t, test.text, CheckPool(p), test.class, test.text)
	}
}

// subnets is a PoolTx with what it lists.
type subnets struct {
	list []*store.Object
	key  string
}

func (s *subnets) Serialize(_ context.Context, key string) error { s.key = key; return nil }

func (s *subnets) List(context.Context, store.ObjectQuery) ([]*store.Object, error) {
	return s.list, nil
}

func TestAllocatePrefix_Subnets_ArePassed(t *testing.T) {
	pool, err := PoolOf(&store.Object{ID: "sp", Attrs: map[string]any{
		"prefixes": []any{"10.0.0.0/24"}, "min_prefixlen": "24", "max_prefixlen": int64(32), "default_prefixlen": int64(25), "default_quota": nil}})
	if err != nil {
		t.Fatal(err)
	}
	tx := &subnets{list: []*store.Object{{ID: "s", Attrs: map[string]any{"cidr": "10.0.0.0/25"}}}}
	got, err := AllocatePrefix(t.Context(), tx, &pool, "p", netip.Prefix{}, 0)
	if err != nil || got != prefix("10.0.0.128/25") {
		t.Errorf("AllocatePrefix = %v, %v", got, err)
	}
	if tx.key != "subnetpool sp" {
		t.Errorf("serialized by %q", tx.key)
	}
	if _, err := PoolOf(&store.Object{Attrs: map[string]any{"prefixes": []any{"x"}}}); err == nil {
		t.Error("PoolOf read a prefix that is none")
	}
}
