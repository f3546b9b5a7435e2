package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tricircle/tricircle/internal/store"
)

// write runs f in a transaction that must succeed.
func write(t testing.TB, s store.Store, f func(tx store.Tx) error) {
	t.Helper()
	check(t, s.InTx(t.Context(), f))
}

// insert stores objects in one transaction.
func insert(t testing.TB, s store.Store, objects ...*store.Object) {
	t.Helper()
	write(t, s, func(tx store.Tx) error {
		for _, o := range objects {
			if err := tx.Insert(t.Context(), o); err != nil {
				return err
			}
		}
		return nil
	})
}

func object(kind store.ObjectKind, n int, project string, attrs map[string]any) *store.Object {
	if attrs == nil {
		attrs = map[string]any{}
	}
	return &store.Object{Kind: kind, ID: id(n), ProjectID: project, Revision: 1, Attrs: attrs}
}

func network(n int, project string) *store.Object {
	return object(store.KindNetwork, n, project, map[string]any{"name": fmt.Sprint("net", n)})
}

func subnet(n int, project string, network int) *store.Object {
	return object(store.KindSubnet, n, project, map[string]any{"network_id": id(network)})
}

func port(n int, project string, network int) *store.Object {
	return object(store.KindPort, n, project, map[string]any{
		"network_id": id(network), "mac_address": fmt.Sprintf("fa:16:3e:00:00:%02x", n)})
}

// ids lists objects, and returns the numbers of their ids in the order of the list.
func ids(t testing.TB, s store.Store, q store.ObjectQuery) []int {
	t.Helper()
	page, err := s.Reader().List(t.Context(), q)
	check(t, err)
	numbers := []int{}
	for _, o := range page {
		var n int
		if _, err := fmt.Sscanf(o.ID, "%08x", &n); err != nil {
			t.Fatalf("id %q: %v", o.ID, err)
		}
		numbers = append(numbers, n)
	}
	return numbers
}

func expectIDs(t testing.TB, s store.Store, what string, q store.ObjectQuery, want ...int) {
	t.Helper()
	equal(t, what, ids(t, s, q), want, cmpopts.EquateEmpty())
	q.Limit, q.Marker = 0, ""
	n, err := s.Reader().Count(t.Context(), q)
	check(t, err)
	if all := ids(t, s, q); n != len(all) {
		t.Errorf("%s: Count = %d, want %d", what, n, len(all))
	}
}

// allValues has all that JSON can say, and what is easily lost.
func allValues() map[string]any {
	return map[string]any{
		"name": `<&> "quoted" 'single' \back é 😀 ` + "\u2028\n\t", "admin_state_up": true, "shared": false, "nothing": nil,
		"big": int64(math.MaxInt64), "small": int64(math.MinInt64), "odd": int64(1<<53 + 1), "half": 0.5, "tiny": 1e-300,
		"provider:network_type": "vlan", "empty": "", "list": []any{}, "map": map[string]any{},
		"nested": []any{map[string]any{"n": int64(9007199254740993), "x": []any{nil, true, "y"}}},
	}
}

func testObjectLife(t *testing.T, s store.Store) {
	ctx, r := t.Context(), s.Reader()
	o := object(store.KindNetwork, 1, "p", allValues())
	insert(t, s, o)
	if o.CreatedAt.IsZero() || o.CreatedAt != o.UpdatedAt || o.Revision != 1 {
		t.Errorf("inserted with revision %d at %v, updated %v", o.Revision, o.CreatedAt, o.UpdatedAt)
	}
	got, err := r.Get(ctx, store.KindNetwork, o.ID)
	check(t, err)
	equal(t, "Get", got, o)
	page, err := r.List(ctx, store.ObjectQuery{Kind: store.KindNetwork})
	check(t, err)
	equal(t, "List", page, []*store.Object{o})

	for _, missing := range []string{id(2), "", "no UUID", "00000001-0000-4000-8000-00000000ABCD"} {
		_, err = r.Get(ctx, store.KindNetwork, missing)
		expectNotFound(t, "Get of "+missing, err)
	}
	_, err = r.Get(ctx, store.KindPort, o.ID)
	expectNotFound(t, "Get of another kind", err)
	if _, err := r.Get(ctx, "router", o.ID); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get of no kind: %v, want an error that is not ErrNotFound", err)
	}

	stale := *o
	o.Attrs = map[string]any{"name": "other"}
	o.ProjectID = "q"
	write(t, s, func(tx store.Tx) error { return tx.Update(ctx, o) })
	if o.Revision != 2 || o.UpdatedAt.Before(o.CreatedAt) {
		t.Errorf("updated to revision %d at %v, created %v", o.Revision, o.UpdatedAt, o.CreatedAt)
	}
	o.ProjectID = "p" // which no update changes
	got, err = r.Get(ctx, store.KindNetwork, o.ID)
	check(t, err)
	equal(t, "Get after Update", got, o)
	if err := s.InTx(ctx, func(tx store.Tx) error { return tx.Update(ctx, &stale) }); !errors.Is(err, store.ErrStale) {
		t.Errorf("Update of what has changed: %v, want ErrStale", err)
	}
	expectNotFound(t, "Update of nothing", s.InTx(ctx, func(tx store.Tx) error { return tx.Update(ctx, network(9, "p")) }))

	write(t, s, func(tx store.Tx) error { return tx.Delete(ctx, store.KindNetwork, o.ID) })
	expectNotFound(t, "Delete of nothing",
		s.InTx(ctx, func(tx store.Tx) error { return tx.Delete(ctx, store.KindNetwork, o.ID) }))
	expectIDs(t, s, "list after Delete", store.ObjectQuery{Kind: store.KindNetwork})
}

// testObjectKinds stores one object of each kind, with all that refers to others.
func testObjectKinds(t *testing.T, s store.Store) {
	ctx := t.Context()
	objects := []*store.Object{
		network(1, "p"),
		object(store.KindAddressScope, 2, "p", nil),
		object(store.KindSubnetPool, 3, "p", map[string]any{"address_scope_id": id(2)}),
		object(store.KindSubnet, 4, "p", map[string]any{"network_id": id(1), "subnetpool_id": id(3)}),
		object(store.KindSecurityGroup, 5, "p", nil),
		object(store.KindSecurityGroup, 6, "p", nil),
		object(store.KindSecurityGroupRule, 7, "p", map[string]any{"security_group_id": id(5), "remote_group_id": id(6),
			"remote_address_group_id": id(11)}),
		object(store.KindRBACPolicy, 8, "p", map[string]any{
			"object_type": "network", "object_id": id(1), "action": "access_as_shared", "target_project": "*"}),
		object(store.KindQuota, 9, "p", map[string]any{"network": 10}),
		port(10, "p", 1),
		object(store.KindAddressGroup, 11, "p", nil),
		object(store.KindTrunk, 12, "p", map[string]any{"port_id": id(10)}),
		object(store.KindDefaultRule, 13, "", map[string]any{"remote_group_id": id(5), "remote_address_group_id": id(11)}), // which keeps neither
	}
	objects[9].Attrs["security_groups"] = []any{id(5)}
	objects[9].Attrs["tags"] = []any{"a"}
	insert(t, s, objects...)
	write(t, s, func(tx store.Tx) error {
		if ok, err := tx.ClaimAddress(ctx, store.Address{SubnetID: id(4), IP: addr("10.0.0.9"), PortID: id(10)}); err != nil || !ok {
			return fmt.Errorf("ClaimAddress = %v, %v", ok, err)
		}
		return tx.SetDefaultGroup(ctx, "p", id(5))
	})
	inUse := func(kind store.ObjectKind, n int) {
		t.Helper()
		err := s.InTx(ctx, func(tx store.Tx) error { return tx.Delete(ctx, kind, id(n)) })
		var used *store.InUseError
		if !errors.As(err, &used) || used.Kind != kind || used.ID != id(n) {
			t.Errorf("Delete of %s %d: %v, want an *InUseError", kind, n, err)
		}
	}
	remove := func(kind store.ObjectKind, n int) {
		t.Helper()
		write(t, s, func(tx store.Tx) error { return tx.Delete(ctx, kind, id(n)) })
	}
	inUse(store.KindNetwork, 1)
	inUse(store.KindAddressScope, 2)
	inUse(store.KindSubnetPool, 3)
	inUse(store.KindSubnet, 4)
	inUse(store.KindSecurityGroup, 5)
	inUse(store.KindSecurityGroup, 6)
	inUse(store.KindAddressGroup, 11)
	inUse(store.KindPort, 10)
	remove(store.KindTrunk, 12)
	remove(store.KindPort, 10)
	remove(store.KindSecurityGroup, 5) // with its rule, and as the default
	remove(store.KindSecurityGroup, 6)
	remove(store.KindAddressGroup, 11)
	_, err := s.Reader().DefaultGroup(ctx, "p")
	expectNotFound(t, "DefaultGroup after it was deleted", err)
	remove(store.KindSubnet, 4)
	remove(store.KindSubnetPool, 3)
	remove(store.KindAddressScope, 2)
	remove(store.KindNetwork, 1) // with what shares it
	remove(store.KindQuota, 9)
	remove(store.KindDefaultRule, 13)
	for kind := range map[store.ObjectKind]bool{store.KindSecurityGroupRule: true, store.KindRBACPolicy: true} {
		expectIDs(t, s, "what was not deleted by itself", store.ObjectQuery{Kind: kind})
	}
}

func testObjectConflicts(t *testing.T, s store.Store) {
	ctx := t.Context()
	policy := func(n int, action string) *store.Object {
		return object(store.KindRBACPolicy, n, "p", map[string]any{
			"object_type": "network", "object_id": id(1), "action": action, "target_project": "*"})
	}
	insert(t, s, network(1, "p"), network(2, "p"), port(1, "p", 1), port(2, "p", 1), port(3, "p", 2),
		object(store.KindQuota, 1, "p", nil), policy(1, "access_as_shared"), object(store.KindSecurityGroup, 1, "p", nil))
	sameMAC := port(4, "p", 1)
	sameMAC.Attrs["mac_address"] = "fa:16:3e:00:00:01"
	write(t, s, func(tx store.Tx) error {
		expectConflict(t, tx.Insert(ctx, network(1, "q")), "id", id(1))
		expectConflict(t, tx.Insert(ctx, sameMAC), "mac_address", "fa:16:3e:00:00:01")
		expectConflict(t, tx.Insert(ctx, object(store.KindQuota, 2, "p", nil)), "project_id", "p")
		expectConflict(t, tx.Insert(ctx, policy(2, "access_as_shared")), "rbac_policy", id(1))
		if err := tx.SetDefaultGroup(ctx, "p", id(1)); err != nil {
			return err
		}
		expectConflict(t, tx.SetDefaultGroup(ctx, "p", id(1)), "default_group", "p")
		second := port(2, "p", 1)
		second.Attrs["mac_address"] = "fa:16:3e:00:00:01"
		expectConflict(t, tx.Update(ctx, second), "mac_address", "fa:16:3e:00:00:01")
		sameMAC.Attrs["network_id"] = id(2) // where it is free
		return tx.Insert(ctx, sameMAC)      // the transaction goes on
	})
	expectIDs(t, s, "ports", store.ObjectQuery{Kind: store.KindPort}, 1, 2, 3, 4)
	group, err := s.Reader().DefaultGroup(ctx, "p")
	if err != nil || group != id(1) {
		t.Errorf("DefaultGroup = %q, %v; want %q", group, err, id(1))
	}
}

// testTransactions sees that all of a transaction is written or nothing, and that the store goes on after each kind of failure.
func testTransactions(t *testing.T, s store.Store) {
	ctx := t.Context()
	broken := errors.New("broken")
	err := s.InTx(ctx, func(tx store.Tx) error {
		if err := tx.Insert(ctx, network(1, "p")); err != nil {
			return err
		}
		if _, err := tx.Get(ctx, store.KindNetwork, id(1)); err != nil {
			t.Errorf("a transaction does not see what it has written: %v", err)
		}
		if err := tx.Enqueue(ctx, store.NewJob{Kind: "network", Resource: "x"}); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("InTx = %v, want the error of its function", err)
	}
	for what, o := range map[string]*store.Object{
		"a port of no network": port(1, "p", 1),
		"a name that is none":  object(store.KindNetwork, 1, "p", map[string]any{"name": 1}),
		"an id that is none":   {Kind: store.KindNetwork, ID: "x"},
		"a port nowhere":       object(store.KindPort, 1, "p", nil),
		"tags that are none":   object(store.KindNetwork, 1, "p", map[string]any{"tags": "a"}),
		"no kind":              object("router", 1, "p", nil),
	} {
		if err := s.InTx(ctx, func(tx store.Tx) error { return tx.Insert(ctx, o) }); err == nil {
			t.Errorf("Insert of %s succeeded", what)
		}
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	err = s.InTx(cancelled, func(tx store.Tx) error { return tx.Insert(cancelled, network(1, "p")) })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("InTx of a cancelled context: %v, want context.Canceled", err)
	}
	expectIDs(t, s, "networks after failures", store.ObjectQuery{Kind: store.KindNetwork})
	o := network(2, "p")
	insert(t, s, o)
	before := *o
	err = s.InTx(ctx, func(tx store.Tx) error { return errors.Join(tx.Update(ctx, o), tx.Update(ctx, o), broken) })
	if !errors.Is(err, broken) || o.Revision != before.Revision || !o.UpdatedAt.Equal(before.UpdatedAt) {
		t.Errorf("%v; an update that was undone left revision %d, want %d", err, o.Revision, before.Revision)
	}
	write(t, s, func(tx store.Tx) error { return tx.Delete(ctx, store.KindNetwork, o.ID) })
	jobs, err := s.ListJobs(ctx, store.JobFilter{})
	if err != nil || len(jobs) != 0 {
		t.Errorf("jobs after failures: %v, %v", jobs, err)
	}
	write(t, s, func(tx store.Tx) error {
		if err := tx.Enqueue(ctx, store.NewJob{Kind: "network", Resource: "x"}); err != nil {
			return err
		}
		return tx.Insert(ctx, network(1, "p"))
	})
	if jobs, err = s.ListJobs(ctx, store.JobFilter{}); err != nil || len(jobs) != 1 {
		t.Errorf("jobs of a transaction: %v, %v; want one", jobs, err)
	}
}

// testCollisions lets many change one object, and count under a limit: no change is lost, and none too many is made.
func testCollisions(t *testing.T, s store.Store) {
	const writers, limit = 24, 3
	ctx := t.Context()
	counter := object(store.KindQuota, 1, "counter", map[string]any{"n": 0})
	insert(t, s, counter)
	errs := concurrently(writers, func(i int) error {
		return s.InTx(ctx, func(tx store.Tx) error {
			if err := tx.Serialize(ctx, "networks of p"); err != nil {
				return err
			}
			o, err := tx.Get(ctx, store.KindQuota, counter.ID)
			if err != nil {
				return err
			}
			o.Attrs["n"] = o.Attrs["n"].(int64) + 1
			if err := tx.Update(ctx, o); err != nil {
				return err
			}
			n, err := tx.Count(ctx, store.ObjectQuery{Kind: store.KindNetwork})
			if err != nil || n >= limit {
				return err
			}
			return tx.Insert(ctx, network(i, "p"))
		})
	})
	for _, err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	o, err := s.Reader().Get(ctx, store.KindQuota, counter.ID)
	check(t, err)
	if o.Attrs["n"] != int64(writers) || o.Revision != 1+writers {
		t.Errorf("%d writers counted to %v, revision %d", writers, o.Attrs["n"], o.Revision)
	}
	if n := len(ids(t, s, store.ObjectQuery{Kind: store.KindNetwork})); n != limit {
		t.Errorf("%d networks, want as many as the limit: %d", n, limit)
	}
}

// testTouch deletes a network while another transaction notes something about it, which the former cannot see: it must run again. A store
// that lets only one of them write at a time has no such case.
func testTouch(t *testing.T, s store.Store) {
	ctx := t.Context()
	o := network(1, "p")
	insert(t, s, o)
	looked, noted, noting := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		<-looked
		noting <- s.InTx(ctx, func(tx store.Tx) error {
			if _, err := tx.Get(ctx, o.Kind, o.ID); err != nil {
				return err
			}
			return errors.Join(tx.Touch(ctx, o.Kind, o.ID), tx.PutRealization(ctx, store.Realization{Kind: o.Kind, TopID: o.ID, PodNum: 1}))
		})
		close(noted)
	}()
	var look sync.Once
	write(t, s, func(tx store.Tx) error {
		rows, err := tx.Realizations(ctx, store.RealizationQuery{Kind: o.Kind, TopIDs: []string{o.ID}})
		look.Do(func() {
			close(looked)
			select {
			case <-noted:
			case <-time.After(200 * time.Millisecond): // it waits for this transaction
			}
		})
		for _, row := range rows {
			err = errors.Join(err, tx.DeleteRealization(ctx, row.Kind, row.TopID, row.PodNum))
		}
		return errors.Join(err, tx.Delete(ctx, o.Kind, o.ID))
	})
	if err := <-noting; err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	rows, err := s.Reader().Realizations(ctx, store.RealizationQuery{})
	check(t, err)
	if len(rows) > 0 {
		t.Errorf("noted about what is gone, unseen: %v", rows)
	}
}

// testReplaceRace deletes a realization while another transaction, which has read it, replaces it: it does not come back.
func testReplaceRace(t *testing.T, s store.Store) {
	ctx := t.Context()
	row := store.Realization{Kind: store.KindNetwork, TopID: id(1), PodNum: 1}
	write(t, s, func(tx store.Tx) error { return tx.PutRealization(ctx, row) })
	looked, deleted, deleting := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		<-looked
		deleting <- s.InTx(ctx, func(tx store.Tx) error { return tx.DeleteRealization(ctx, row.Kind, row.TopID, row.PodNum) })
		close(deleted)
	}()
	var look sync.Once
	write(t, s, func(tx store.Tx) error {
		rows, err := tx.Realizations(ctx, store.RealizationQuery{Kind: row.Kind, TopIDs: []string{row.TopID}})
		look.Do(func() {
			close(looked)
			select {
			case <-deleted:
			case <-time.After(200 * time.Millisecond): // it waits for this transaction
			}
		})
		return errors.Join(err, tx.PutRealization(ctx, rows...))
	})
	check(t, <-deleting)
	rows, err := s.Reader().Realizations(ctx, store.RealizationQuery{})
	check(t, err)
	if len(rows) > 0 {
		t.Errorf("deleted, and back: %v", rows)
	}
}

// testDeleteRace deletes networks while ports are made on them: there is never a port of no network.
func testDeleteRace(t *testing.T, s store.Store) {
	ctx := t.Context()
	const networks, ports = 4, 4
	for n := range networks {
		insert(t, s, network(n, "p"))
	}
	concurrently(networks*(ports+1), func(i int) error {
		n := i % networks
		err := s.InTx(ctx, func(tx store.Tx) error {
			if i >= networks*ports {
				return tx.Delete(ctx, store.KindNetwork, id(n))
			}
			if _, err := tx.Get(ctx, store.KindNetwork, id(n)); err != nil {
				return err
			}
			return tx.Insert(ctx, port(100+i, "p", n))
		})
		var used *store.InUseError
		if err != nil && !errors.As(err, &used) && !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%v, want success, ErrNotFound or an *InUseError", err)
		}
		return err
	})
	left, err := s.Reader().List(ctx, store.ObjectQuery{Kind: store.KindPort})
	check(t, err)
	for _, o := range left {
		if _, err := s.Reader().Get(ctx, store.KindNetwork, o.Attrs["network_id"].(string)); err != nil {
			t.Errorf("port %s of network %s: %v", o.ID, o.Attrs["network_id"], err)
		}
	}
}
