package ipam

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"

	"github.com/tricircle/tricircle/internal/store"
)

// Pool is what allocation must know of a subnet pool.
type Pool struct {
	ID       string
	Prefixes []netip.Prefix // all of one family
	// Lengths of prefixes that subnets may have, and that of those that name none.
	Min, Max, Default int
	Quota             int64 // what a project may have: addresses of IPv4, or /64 networks of IPv6; 0 means no bound
}

// PoolOf reads a subnet pool as the API shows it.
func PoolOf(o *store.Object) (Pool, error) {
	p := Pool{ID: o.ID, Min: number0(o.Attrs["min_prefixlen"]), Max: number0(o.Attrs["max_prefixlen"]),
		Default: number0(o.Attrs["default_prefixlen"]), Quota: int64(number0(o.Attrs["default_quota"]))}
	list, _ := o.Attrs["prefixes"].([]any)
	for _, item := range list {
		text, _ := item.(string)
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return p, fmt.Errorf("prefixes of subnet pool %s: %w", o.ID, err)
		}
		p.Prefixes = append(p.Prefixes, prefix.Masked())
	}
	return p, nil
}

// number0 reads a number, which some answers of Neutron have as text; 0 if it is none.
func number0(attr any) int {
	switch v := attr.(type) {
	case int64:
		return int(v)
	case string:
		n, _ := strconv.Atoi(v) // 0 if it is none
		return n
	}
	return 0
}

// CheckPool says what is wrong with a subnet pool that a client wants, or nil (neutron/ipam/subnet_alloc.py, SubnetPoolReader).
func CheckPool(p Pool) error {
	if len(p.Prefixes) == 0 {
		return refuse(http.StatusBadRequest, "EmptySubnetPoolPrefixList", "Empty subnet pool prefix list.")
	}
	bits := p.Prefixes[0].Addr().BitLen()
	for _, prefix := range p.Prefixes {
		if prefix.Addr().BitLen() != bits {
			return refuse(http.StatusBadRequest, "PrefixVersionMismatch", "Cannot mix IPv4 and IPv6 prefixes in a subnet pool.")
		}
	}
	bad := func(what string, length int, than string, bound int) error {
		return refuse(http.StatusBadRequest, "IllegalSubnetPoolPrefixBounds",
			"Illegal prefix bounds: %s=%d, %s=%d.", what, length, than, bound)
	}
	switch {
	case p.Min < 0:
		return refuse(http.StatusBadRequest, "UnsupportedMinSubnetPoolPrefix",
			"Prefix '%d' not supported in IPv4 pool.", p.Min)
	case p.Min > p.Max:
		return bad("min_prefixlen", p.Min, "max_prefixlen", p.Max)
	case p.Max > bits:
		return bad("max_prefixlen", p.Max, "ip_version_max", bits)
	case p.Default < p.Min:
		return bad("default_prefixlen", p.Default, "min_prefixlen", p.Min)
	case p.Default > p.Max:
		return bad("default_prefixlen", p.Default, "max_prefixlen", p.Max)
	}
	return nil
}

// Lease is a prefix that a subnet has of a pool.
type Lease struct {
	CIDR      netip.Prefix
	ProjectID string
}

// Prefix chooses a prefix of the pool for a project: this one, if want is valid, or one of so many bits, or, for 0, of the pool's default.
// It is the first of the smallest free block that is large enough, as Neutron does it.
//
// What cannot be had is refused as a conflict, where Neutron (neutron/ipam/subnet_alloc.py, Zed) fails with a 500.
func (p *Pool) Prefix(leases []Lease, projectID string, want netip.Prefix, bits int) (netip.Prefix, error) {
	if want.IsValid() {
		bits = want.Bits()
	}
	bits = cmp.Or(bits, p.Default)
	switch {
	case bits > p.Max:
		return want, refuse(http.StatusBadRequest, "MaxPrefixSubnetAllocationError",
			"Unable to allocate subnet with prefix length %d, maximum allowed prefix is %d.", bits, p.Max)
	case bits < p.Min:
		return want, refuse(http.StatusBadRequest, "MinPrefixSubnetAllocationError",
			"Unable to allocate subnet with prefix length %d, minimum allowed prefix is %d.", bits, p.Min)
	case p.overQuota(leases, projectID, bits):
		return want, refuse(http.StatusConflict, "SubnetPoolQuotaExceeded", "Per-tenant subnet pool prefix quota exceeded.")
	}
	taken := make([]netip.Prefix, len(leases))
	for i, l := range leases {
		taken[i] = l.CIDR
	}
	blocks := Without(p.Prefixes, taken)
	if want.IsValid() {
		for _, b := range blocks {
			if b.Overlaps(want) && b.Bits() <= bits {
				return want.Masked(), nil
			}
		}
		return want, subnetAllocation("Cannot allocate requested subnet from the available set of prefixes")
	}
	slices.SortStableFunc(blocks, func(a, b netip.Prefix) int { return cmp.Compare(b.Bits(), a.Bits()) })
	for _, b := range blocks {
		if b.Bits() <= bits {
			return netip.PrefixFrom(b.Addr(), bits), nil
		}
	}
	return want, subnetAllocation(fmt.Sprintf("Insufficient prefix space to allocate subnet size /%d", bits))
}

func subnetAllocation(reason string) error {
	return refuse(http.StatusConflict, "SubnetAllocationError", "Failed to allocate subnet: %s.", reason)
}

// overQuota counts in units of a /32 or a /64; a smaller prefix of IPv6 is a part of one.
func (p *Pool) overQuota(leases []Lease, projectID string, bits int) bool {
	if p.Quota == 0 {
		return false
	}
	unit := 32
	if len(p.Prefixes) > 0 && p.Prefixes[0].Addr().Is6() {
		unit = 64
	}
	units := func(bits int) float64 {
		n := 1.0
		for ; bits < unit; bits++ {
			n *= 2
		}
		for ; bits > unit; bits-- {
			n /= 2
		}
		return n
	}
	used := units(bits)
	for _, l := range leases {
		if l.ProjectID == projectID {
			used += units(l.CIDR.Bits())
		}
	}
	return used > float64(p.Quota)
}

// Without returns what is left of prefixes when others are taken out, as the largest prefixes possible, in order.
func Without(prefixes, taken []netip.Prefix) (left []netip.Prefix) {
	for _, p := range Compact(prefixes) {
		left = append(left, split(p, taken)...)
	}
	return left
}

// split returns what is left of one prefix.
func split(p netip.Prefix, taken []netip.Prefix) []netip.Prefix {
	var inside []netip.Prefix
	for _, t := range taken {
		if !t.Overlaps(p) {
			continue
		}
		if t.Bits() <= p.Bits() {
			return nil
		}
		inside = append(inside, t)
	}
	if len(inside) == 0 {
		return []netip.Prefix{p}
	}
	low, high := halves(p)
	return append(split(low, inside), split(high, inside)...)
}

func halves(p netip.Prefix) (low, high netip.Prefix) {
	low = netip.PrefixFrom(p.Addr(), p.Bits()+1)
	return low, netip.PrefixFrom(last(low).Next(), p.Bits()+1)
}

// Compact returns the same addresses as the fewest prefixes, in order.
func Compact(prefixes []netip.Prefix) []netip.Prefix {
	sorted := make([]netip.Prefix, len(prefixes))
	for i, p := range prefixes {
		sorted[i] = p.Masked()
	}
	slices.SortFunc(sorted, func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	var compact []netip.Prefix
	for _, p := range sorted {
		if n := len(compact); n > 0 && compact[n-1].Overlaps(p) { // it is inside: the larger one comes first
			continue
		}
		compact = append(compact, p)
		for n := len(compact); n > 1; n = len(compact) {
			parent := netip.PrefixFrom(compact[n-1].Addr(), max(compact[n-1].Bits()-1, 0)).Masked()
			if low, high := halves(parent); compact[n-2] != low || compact[n-1] != high {
				break
			}
			compact = append(compact[:n-2], parent)
		}
	}
	return compact
}

// PoolTx is what a transaction must offer for the allocation of prefixes.
type PoolTx interface {
	Serialize(ctx context.Context, key string) error
	List(ctx context.Context, q store.ObjectQuery) ([]*store.Object, error)
}

// AllocatePrefix chooses a prefix as Pool.Prefix does, besides those that subnets have. No other transaction allocates in the pool until
// this one, which must insert the subnet, has ended.
func AllocatePrefix(
	ctx context.Context, tx PoolTx, p *Pool, projectID string, want netip.Prefix, bits int,
) (netip.Prefix, error) {
	if err := tx.Serialize(ctx, "subnetpool "+p.ID); err != nil {
		return netip.Prefix{}, err
	}
	subnets, err := tx.List(ctx, store.ObjectQuery{Kind: store.KindSubnet,
		Filters: []store.Filter{{Attr: "subnetpool_id", Values: []any{p.ID}}}})
	if err != nil {
		return netip.Prefix{}, err
	}
	leases := make([]Lease, len(subnets))
	for i, o := range subnets {
		s, err := SubnetOf(o)
		if err != nil {
			return netip.Prefix{}, err
		}
		leases[i] = Lease{s.CIDR, o.ProjectID}
	}
	return p.Prefix(leases, projectID, want, bits)
}
