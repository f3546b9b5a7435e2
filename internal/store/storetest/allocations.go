package storetest

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tricircle/tricircle/internal/store"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

var compareAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func testAddresses(t *testing.T, s store.Store) {
	ctx := t.Context()
	insert(t, s, network(1, "p"), subnet(1, "p", 1), subnet(2, "p", 1), port(1, "p", 1), port(2, "p", 1))
	of := func(subnet int, ip string, port int) store.Address {
		return store.Address{SubnetID: id(subnet), IP: addr(ip), PortID: id(port)}
	}
	gateway := store.Address{SubnetID: id(1), IP: addr("10.0.0.1"), PodNum: 7, Use: store.UseGateway}
	infra := store.Address{SubnetID: id(1), IP: addr("10.0.0.3"), PodNum: 7, Use: store.UseInfra}
	claim := func(tx store.Tx, a store.Address, want bool) {
		t.Helper()
		if got, err := tx.ClaimAddress(ctx, a); err != nil || got != want {
			t.Errorf("ClaimAddress(%v) = %v, %v; want %v", a, got, err, want)
		}
	}
	write(t, s, func(tx store.Tx) error {
		claim(tx, of(1, "10.0.0.2", 1), true)
		claim(tx, of(1, "10.0.0.2", 2), false)
		claim(tx, of(2, "10.0.0.2", 2), true) // another subnet
		claim(tx, of(2, "fd00::ffff:ffff", 2), true)
		claim(tx, of(2, "fd00::1:0:0", 1), true)
		claim(tx, gateway, true)
		claim(tx, infra, true)
		return nil
	})
	expect := func(what string, q store.AddressQuery, want ...store.Address) {
		t.Helper()
		got, err := s.Reader().Addresses(ctx, q)
		check(t, err)
		equal(t, what, got, want, compareAddr, cmpopts.EquateEmpty())
	}
	expect("of a subnet", store.AddressQuery{SubnetID: id(1)}, gateway, of(1, "10.0.0.2", 1), infra)
	expect("in a range", store.AddressQuery{SubnetID: id(1), From: addr("10.0.0.2"), To: addr("10.0.0.2")}, of(1, "10.0.0.2", 1))
	expect("from one on", store.AddressQuery{SubnetID: id(2), From: addr("fd00::ffff:0")},
		of(2, "fd00::ffff:ffff", 2), of(2, "fd00::1:0:0", 1))
	expect("the first ones", store.AddressQuery{SubnetID: id(1), Limit: 2}, gateway, of(1, "10.0.0.2", 1))
	expect("of a port", store.AddressQuery{PortID: id(1)}, of(1, "10.0.0.2", 1), of(2, "fd00::1:0:0", 1))
	expect("of a pod", store.AddressQuery{SubnetID: id(1), PodNum: 7, Use: store.UseInfra}, infra)
	expect("of another pod", store.AddressQuery{SubnetID: id(1), PodNum: 8})
	counts, err := s.Reader().CountAddresses(ctx, []string{id(1), id(2), id(3)})
	check(t, err)
	equal(t, "CountAddresses", counts, map[string]int{id(1): 3, id(2): 3})

	write(t, s, func(tx store.Tx) error {
		check(t, tx.ReleaseAddress(ctx, id(1), addr("10.0.0.2")))
		check(t, tx.ReleaseAddress(ctx, id(1), addr("10.0.0.2")))
		claim(tx, of(1, "10.0.0.2", 2), true)
		return tx.Delete(ctx, store.KindPort, id(2))
	})
	expect("after the deletion of a port", store.AddressQuery{SubnetID: id(1)}, gateway, infra)
	expect("after the deletion of a port", store.AddressQuery{SubnetID: id(2)}, of(2, "fd00::1:0:0", 1))
	write(t, s, func(tx store.Tx) error { return tx.Delete(ctx, store.KindSubnet, id(1)) })
	expect("after the deletion of a subnet", store.AddressQuery{SubnetID: id(1)})

	// An address can be claimed for a port that is inserted later in the transaction, and only so.
	write(t, s, func(tx store.Tx) error {
		claim(tx, of(2, "fd00::5", 5), true)
		return tx.Insert(ctx, port(5, "p", 1))
	})
	err = s.InTx(ctx, func(tx store.Tx) error {
		claim(tx, of(2, "fd00::6", 6), true)
		return nil
	})
	if err == nil {
		t.Error("an address was claimed for a port that is not there")
	}
	write(t, s, func(tx store.Tx) error { // and the store goes on
		claim(tx, of(2, "fd00::6", 5), true)
		return nil
	})
}

// testClaimAtOnce lets many claim the same address and the same segment.
func testClaimAtOnce(t *testing.T, s store.Store) {
	const n = 8
	ctx := t.Context()
	insert(t, s, network(1, "p"), subnet(1, "p", 1))
	for i := range n {
		insert(t, s, port(i, "p", 1), network(100+i, "p"))
	}
	won := concurrently(n, func(i int) (both bool) {
		check(t, s.InTx(ctx, func(tx store.Tx) error {
			address, err := tx.ClaimAddress(ctx, store.Address{SubnetID: id(1), IP: addr("10.0.0.1"), PortID: id(i)})
			if err != nil {
				return err
			}
			segment, err := tx.ClaimSegment(ctx, store.Segment{NetworkType: "vxlan", SegmentationID: 5, NetworkID: id(100 + i)})
			both = address && segment
			return err
		}))
		return both
	})
	winners := 0
	for _, w := range won {
		if w {
			winners++
		}
	}
	if winners != 1 {
		t.Errorf("%d have what only one can have", winners)
	}
}

func testSegments(t *testing.T, s store.Store) {
	ctx := t.Context()
	insert(t, s, network(1, "p"), network(2, "p"))
	vlan := func(physical string, n int64, network int) store.Segment {
		return store.Segment{NetworkType: "vlan", PhysicalNetwork: physical, SegmentationID: n, NetworkID: id(network)}
	}
	flat := store.Segment{NetworkType: "flat", PhysicalNetwork: "extern", NetworkID: id(2)}
	vxlan := store.Segment{NetworkType: "vxlan", SegmentationID: 1 << 24, NetworkID: id(2)}
	claim := func(tx store.Tx, sg store.Segment, want bool) {
		t.Helper()
		if got, err := tx.ClaimSegment(ctx, sg); err != nil || got != want {
			t.Errorf("ClaimSegment(%v) = %v, %v; want %v", sg, got, err, want)
		}
	}
	write(t, s, func(tx store.Tx) error {
		claim(tx, vlan("bridge", 10, 1), true)
		claim(tx, vlan("bridge", 10, 2), false)
		claim(tx, vlan("other", 10, 2), true)
		claim(tx, vlan("bridge", 12, 2), true)
		claim(tx, flat, true)
		claim(tx, flat, false)
		claim(tx, vxlan, true)
		claim(tx, store.Segment{NetworkType: "vlan", PhysicalNetwork: "late", SegmentationID: 1, NetworkID: id(3)}, true)
		return tx.Insert(ctx, network(3, "p"))
	})
	expect := func(what string, q store.SegmentQuery, want ...store.Segment) {
		t.Helper()
		got, err := s.Reader().Segments(ctx, q)
		check(t, err)
		equal(t, what, got, want, cmpopts.EquateEmpty())
	}
	bridge := store.SegmentQuery{NetworkType: "vlan", PhysicalNetwork: "bridge"}
	expect("of a physical network", bridge, vlan("bridge", 10, 1), vlan("bridge", 12, 2))
	bridge.From, bridge.To = 11, 12
	expect("in a range", bridge, vlan("bridge", 12, 2))
	bridge.From, bridge.To, bridge.Limit = 0, 0, 1
	expect("the first", bridge, vlan("bridge", 10, 1))
	expect("of a network", store.SegmentQuery{NetworkID: id(2)}, flat, vlan("bridge", 12, 2), vlan("other", 10, 2), vxlan)
	expect("without a physical network", store.SegmentQuery{NetworkType: "vxlan"}, vxlan)
	write(t, s, func(tx store.Tx) error {
		if err := tx.ReleaseSegments(ctx, id(2)); err != nil {
			return err
		}
		return tx.Delete(ctx, store.KindNetwork, id(1))
	})
	expect("after all were released", store.SegmentQuery{NetworkType: "vlan", PhysicalNetwork: "bridge"})
}

func testRealizations(t *testing.T, s store.Store) {
	ctx := t.Context()
	of := func(kind store.ObjectKind, n int, pod int32, bottom int) store.Realization {
		r := store.Realization{Kind: kind, TopID: id(n), PodNum: pod}
		if bottom != 0 {
			r.BottomID = id(bottom)
		}
		return r
	}
	wanted, made := of(store.KindNetwork, 1, 1, 0), of(store.KindNetwork, 1, 2, 50)
	gone := of(store.KindPort, 2, 1, 51)
	gone.DeletedAt = at(5)
	gone.Detail = map[string]any{"ephemeral": true, "n": int64(1<<60 + 1)}
	gone.NetworkID = id(1)
	shadow := of(store.KindPort, 2, 3, 0)
	shadow.NetworkID, shadow.Shadow, shadow.Due = id(1), true, true
	put := func(rows ...store.Realization) {
		t.Helper()
		write(t, s, func(tx store.Tx) error { return tx.PutRealization(ctx, rows...) })
	}
	expect := func(what string, q store.RealizationQuery, want ...store.Realization) {
		t.Helper()
		got, err := s.Reader().Realizations(ctx, q)
		check(t, err)
		equal(t, what, got, want, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(store.Realization{}, "CreatedAt", "UpdatedAt"))
	}
	put(wanted)
	put(made, gone, shadow)
	put()
	yes, no := true, false
	expect("all", store.RealizationQuery{}, wanted, made, gone, shadow)
	expect("of a kind", store.RealizationQuery{Kind: store.KindPort}, gone, shadow)
	expect("of a network", store.RealizationQuery{NetworkID: id(1), Shadow: &no}, gone)
	expect("shadows", store.RealizationQuery{Kind: store.KindPort, NetworkID: id(1), PodNum: 3, Shadow: &yes}, shadow)
	expect("what is due", store.RealizationQuery{NetworkID: id(1), Due: true}, shadow)
	expect("shadows of another network", store.RealizationQuery{NetworkID: id(2), Shadow: &yes})
	expect("of objects", store.RealizationQuery{Kind: store.KindNetwork, TopIDs: []string{id(1), id(9), "x"}}, wanted, made)
	expect("of no objects", store.RealizationQuery{TopIDs: []string{}})
	expect("in a pod", store.RealizationQuery{PodNum: 1}, wanted, gone)
	expect("by what pods call them", store.RealizationQuery{BottomIDs: []string{id(50), id(51)}}, made, gone)
	expect("tombstones", store.RealizationQuery{Deleted: &yes}, gone)
	expect("no tombstones", store.RealizationQuery{Deleted: &no}, wanted, made, shadow)
	expect("a page", store.RealizationQuery{Limit: 1}, wanted)
	expect("the rest", store.RealizationQuery{After: &store.RealizationKey{Kind: store.KindNetwork, TopID: id(1), PodNum: 1}}, made, gone, shadow)

	before, err := s.Reader().Realizations(ctx, store.RealizationQuery{PodNum: 2})
	check(t, err)
	made.BottomID, made.Revision = id(52), 7
	shadow.Due, shadow.BottomID = false, id(53)
	put(made, shadow)
	expect("nothing is due", store.RealizationQuery{Due: true})
	expect("replaced", store.RealizationQuery{PodNum: 2}, made)
	after, err := s.Reader().Realizations(ctx, store.RealizationQuery{PodNum: 2})
	check(t, err)
	if !after[0].CreatedAt.Equal(before[0].CreatedAt) || after[0].UpdatedAt.Before(before[0].UpdatedAt) || before[0].CreatedAt.Before(time.Unix(1, 0)) {
		t.Errorf("created and updated %v, %v, and then %v, %v",
			before[0].CreatedAt, before[0].UpdatedAt, after[0].CreatedAt, after[0].UpdatedAt)
	}
	write(t, s, func(tx store.Tx) error {
		check(t, tx.DeleteRealization(ctx, store.KindPort, "x", 1))
		check(t, tx.DeleteRealization(ctx, store.KindPort, id(2), 9))
		return tx.DeleteRealization(ctx, store.KindPort, id(2), 1)
	})
	expect("after a deletion", store.RealizationQuery{Kind: store.KindPort}, shadow)
	if err := s.InTx(ctx, func(tx store.Tx) error { return tx.PutRealization(ctx, store.Realization{TopID: "x"}) }); err == nil {
		t.Error("PutRealization of an id that is none succeeded")
	}
}
