// Package ipam gives out addresses, once for all pods: any address of a subnet's pools, the one that a client wants, or the one that
// follows from a MAC. It also gives prefixes out of subnet pools, and knows what is a valid pool, gateway or CIDR.
//
// Addresses are taken within the caller's transaction, and the primary key of addresses decides who has one. What pods reserve for
// themselves are addresses like others, so they are never given to a port.
//
// It must not depend on HTTP, on pods, or on an implementation of the store: what it refuses is a fault.Error with the type and the
// text of Neutron (neutron/ipam, neutron/db/ipam_*.py, Zed).
package ipam

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/store"
)

// Tx is what a transaction must offer.
type Tx interface {
	Addresses(ctx context.Context, q store.AddressQuery) ([]store.Address, error)
	ClaimAddress(ctx context.Context, a store.Address) (bool, error)
	ReleaseAddress(ctx context.Context, subnetID string, ip netip.Addr) error
}

// Allocator gives out addresses. New makes one.
type Allocator struct {
	random func(n uint64) uint64
}

// New makes an allocator that chooses with random, which returns a number from 0 to n-1. An address that was given back is so
// rarely given out again soon, and few of those who ask at once ask for the same one.
func New(random func(n uint64) uint64) *Allocator { return &Allocator{random} }

// Allocate takes any free address of a subnet's pools for the holder, whose SubnetID and IP are ignored.
func (a *Allocator) Allocate(ctx context.Context, tx Tx, s *Subnet, holder store.Address) (netip.Addr, error) {
	holder.SubnetID = s.ID
	var total uint64
	for _, p := range s.Pools {
		total = min(total+p.size(), maxSize)
	}
	if total == 0 {
		return netip.Addr{}, noMoreAddresses(s.ID)
	}
	// A random address is free as often as not; the next free one behind it is searched for otherwise.
	at := a.random(total)
	i := 0
	for ; at >= s.Pools[i].size(); i++ {
		at -= s.Pools[i].size()
	}
	pool := s.Pools[i]
	start := pool.at(at)
	if ok, err := claim(ctx, tx, holder, start); ok || err != nil {
		return start, err
	}
	rest := slices.Concat([]Range{{start, pool.Last}}, s.Pools[i+1:], s.Pools[:i], []Range{{pool.First, start}})
	for _, r := range rest {
		if ip, ok, err := next(ctx, tx, holder, r); ok || err != nil {
			return ip, err
		}
	}
	return netip.Addr{}, noMoreAddresses(s.ID)
}

func claim(ctx context.Context, tx Tx, holder store.Address, ip netip.Addr) (bool, error) {
	holder.IP = ip
	return tx.ClaimAddress(ctx, holder)
}

// How many taken addresses are read at once: more and more, where all are taken.
const firstWindow, lastWindow = 64, 1 << 14

// next takes the first free address of a range.
func next(ctx context.Context, tx Tx, holder store.Address, r Range) (ip netip.Addr, ok bool, err error) {
	window := firstWindow
	for ip = r.First; ; {
		taken, err := tx.Addresses(ctx, store.AddressQuery{SubnetID: holder.SubnetID, From: ip, To: r.Last, Limit: window})
		if err != nil {
			return ip, false, err
		}
		run := 0
		for run < len(taken) && taken[run].IP == ip {
			if ip == r.Last {
				return ip, false, nil
			}
			ip = ip.Next()
			run++
		}
		if run == window {
			window = min(4*window, lastWindow)
			continue
		}
		if ok, err := claim(ctx, tx, holder, ip); ok || err != nil {
			return ip, ok, err
		}
		if ip == r.Last {
			return ip, false, nil
		}
		ip = ip.Next()
	}
}

// Reserve sees to it that a pod has n addresses of the subnet's pools for a use of its own, and returns them in ascending order. Those
// that it has already count.
func (a *Allocator) Reserve(
	ctx context.Context, tx Tx, s *Subnet, podNum int32, use store.AddressUse, n int,
) ([]netip.Addr, error) {
	has, err := tx.Addresses(ctx, store.AddressQuery{SubnetID: s.ID, PodNum: podNum, Use: use})
	if err != nil {
		return nil, err
	}
	ips := make([]netip.Addr, 0, max(n, len(has)))
	for _, h := range has {
		ips = append(ips, h.IP)
	}
	for len(ips) < n {
		ip, err := a.Allocate(ctx, tx, s, store.Address{PodNum: podNum, Use: use})
		if err != nil {
			return nil, err
		}
		ips = append(ips, ip)
	}
	slices.SortFunc(ips, netip.Addr.Compare)
	return ips, nil
}

// exhausted tells whether an error says that a subnet has no free address.
func exhausted(err error) bool {
	f, ok := errors.AsType[*fault.Error](err)
	return ok && f.Type == classExhausted
}
