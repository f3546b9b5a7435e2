package storetest

import (
	"testing"
	"time"

	"github.com/tricircle/tricircle/internal/store"
)

// testVisibility asks for each kind what projects see: theirs is p, others have q, and r has nothing.
func testVisibility(t *testing.T, s store.Store) {
	share := func(n int, kind store.ObjectKind, of int, action, target string) *store.Object {
		return object(store.KindRBACPolicy, n, "p", map[string]any{
			"object_type": string(kind), "object_id": id(of), "action": action, "target_project": target})
	}
	in := func(kind store.ObjectKind, n int, project, attr string, of int) *store.Object {
		return object(kind, n, project, map[string]any{attr: id(of)})
	}
	insert(t, s,
		network(1, "p"), network(2, "q"), network(3, "p"), network(4, "p"), network(5, "p"),
		share(1, store.KindNetwork, 3, "access_as_shared", "q"), share(2, store.KindNetwork, 4, "access_as_external", "*"),
		share(3, store.KindSubnetPool, 5, "access_as_shared", "*"), // of another kind: not the network
		subnet(1, "p", 1), subnet(3, "p", 3), subnet(4, "p", 4), subnet(5, "q", 1),
		port(1, "p", 1), port(2, "q", 1), port(3, "q", 3), port(4, "p", 2), port(5, "r", 2),
		object(store.KindSubnetPool, 5, "p", nil), object(store.KindSubnetPool, 6, "p", nil),
		object(store.KindAddressScope, 1, "p", nil), share(4, store.KindAddressScope, 1, "access_as_readonly", "q"),
		object(store.KindSecurityGroup, 1, "p", nil), object(store.KindSecurityGroup, 2, "q", nil),
		share(5, store.KindSecurityGroup, 2, "access_as_shared", "r"),
		in(store.KindSecurityGroupRule, 1, "p", "security_group_id", 1), in(store.KindSecurityGroupRule, 2, "q", "security_group_id", 1),
		in(store.KindSecurityGroupRule, 3, "q", "security_group_id", 2),
	)
	for _, test := range []struct {
		kind    store.ObjectKind
		project string
		want    []int
	}{
		{store.KindNetwork, "", []int{1, 2, 3, 4, 5}},
		{store.KindNetwork, "p", []int{1, 3, 4, 5}},
		{store.KindNetwork, "q", []int{2, 3, 4}},
		{store.KindNetwork, "r", []int{4}},
		{store.KindSubnet, "p", []int{1, 3, 4}},
		{store.KindSubnet, "q", []int{3, 5}}, // not that of the external network
		{store.KindSubnet, "r", nil},
		{store.KindPort, "p", []int{1, 2, 3, 4}},
		{store.KindPort, "q", []int{2, 3, 4, 5}},
		{store.KindPort, "r", []int{5}},
		{store.KindSubnetPool, "r", []int{5}},
		{store.KindAddressScope, "q", []int{1}},
		{store.KindAddressScope, "r", nil},
		{store.KindSecurityGroup, "p", []int{1}},
		{store.KindSecurityGroup, "r", []int{2}},
		{store.KindSecurityGroupRule, "p", []int{1, 2}},
		{store.KindSecurityGroupRule, "q", []int{2, 3}},
		{store.KindSecurityGroupRule, "r", nil},
		{store.KindRBACPolicy, "p", []int{1, 2, 3, 4, 5}},
		{store.KindRBACPolicy, "q", nil},
		{store.KindQuota, "p", nil},
	} {
		expectIDs(t, s, string(test.kind)+"s of "+test.project, store.ObjectQuery{Kind: test.kind, VisibleTo: test.project}, test.want...)
	}
	insert(t, s, object(store.KindDefaultRule, 1, "", nil))
	expectIDs(t, s, "default rules of p", store.ObjectQuery{Kind: store.KindDefaultRule, VisibleTo: "p"},
		ids(t, s, store.ObjectQuery{Kind: store.KindDefaultRule})...)
	shared := func(project string, values ...any) store.ObjectQuery {
		return store.ObjectQuery{Kind: store.KindNetwork, VisibleTo: project, Filters: []store.Filter{{Attr: "shared", Values: values}}}
	}
	expectIDs(t, s, "networks shared with q", shared("q", true), 3)
	expectIDs(t, s, "networks not shared with q", shared("q", false), 2, 4)
	expectIDs(t, s, "networks shared with all", shared("", true))
	expectIDs(t, s, "shared or not", shared("q", true, false), 2, 3, 4)
	expectIDs(t, s, "neither", shared("q", "yes"))
	expectIDs(t, s, "not shared, said otherwise",
		store.ObjectQuery{Kind: store.KindNetwork, VisibleTo: "q", Filters: []store.Filter{{Attr: "shared", Op: store.NotEqual, Values: []any{true}}}}, 2, 4)
}

// testSpecialFilters asks for what is not an attribute of the object itself, or is compared in its own way.
func testSpecialFilters(t *testing.T, s store.Store) {
	ctx := t.Context()
	first, second, third := port(1, "p", 1), port(2, "p", 1), port(3, "p", 1)
	first.Attrs["fixed_ips"] = []any{map[string]any{"subnet_id": id(1), "ip_address": "10.0.0.1"}, map[string]any{"subnet_id": id(2), "ip_address": "fd00::1"}}
	second.Attrs["fixed_ips"] = []any{map[string]any{"subnet_id": id(2), "ip_address": "fd00::2"}}
	external := network(2, "p")
	external.Attrs["router:external"] = true
	insert(t, s, network(1, "p"), external, subnet(1, "p", 1), subnet(2, "p", 1), first, second, third)
	write(t, s, func(tx store.Tx) error {
		for _, a := range []store.Address{{SubnetID: id(1), IP: addr("10.0.0.1"), PortID: id(1)}, {SubnetID: id(2), IP: addr("fd00::1"), PortID: id(1)},
			{SubnetID: id(2), IP: addr("fd00::2"), PortID: id(2)}, {SubnetID: id(1), IP: addr("10.0.0.7"), PodNum: 1, Use: store.UseInfra}} {
			if _, err := tx.ClaimAddress(ctx, a); err != nil {
				return err
			}
		}
		return nil
	})
	list := func(kind store.ObjectKind, filters ...store.Filter) store.ObjectQuery {
		return store.ObjectQuery{Kind: kind, Filters: filters}
	}
	ip := func(values ...any) store.Filter { return store.Filter{Attr: "fixed_ips.ip_address", Values: values} }
	of := func(values ...any) store.Filter { return store.Filter{Attr: "fixed_ips.subnet_id", Values: values} }
	expectIDs(t, s, "by address", list(store.KindPort, ip("10.0.0.1")), 1)
	expectIDs(t, s, "by address in another form", list(store.KindPort, ip("fd00:0::0002")), 2)
	expectIDs(t, s, "by addresses", list(store.KindPort, ip("10.0.0.1", "fd00::2", "x", 7)), 1, 2)
	expectIDs(t, s, "by the address of a pod", list(store.KindPort, ip("10.0.0.7")))
	expectIDs(t, s, "by no address", list(store.KindPort, ip("x")))
	expectIDs(t, s, "by subnet", list(store.KindPort, of(id(2))), 1, 2)
	expectIDs(t, s, "by both", list(store.KindPort, of(id(2)), ip("fd00::1")), 1)
	expectIDs(t, s, "by both, of different addresses", list(store.KindPort, of(id(2)), ip("10.0.0.1")))
	expectIDs(t, s, "by a part of an address",
		list(store.KindPort, store.Filter{Attr: "fixed_ips.ip_address", Op: store.Contains, Values: []any{"::2", "0.0.1"}}), 1, 2)
	expectIDs(t, s, "external", list(store.KindNetwork, store.Filter{Attr: "router:external", Values: []any{true}}), 2)
	expectIDs(t, s, "internal", list(store.KindNetwork, store.Filter{Attr: "router:external", Values: []any{false}}), 1)
	expectIDs(t, s, "by a name that no attribute can have", list(store.KindPort, store.Filter{Attr: `a"b`, Values: []any{nil}}))
	expectIDs(t, s, "by an id that is none", list(store.KindPort, store.Filter{Attr: "id", Values: []any{"x", id(3)}}), 3)
	expectIDs(t, s, "by a value of another type", list(store.KindPort, store.Filter{Attr: "name", Values: []any{7}}))

	at := func(op store.Op, v any) store.ObjectQuery {
		return list(store.KindPort, store.Filter{Attr: "id", Values: []any{id(1)}}, store.Filter{Attr: "created_at", Op: op, Values: []any{v}})
	}
	created := first.CreatedAt
	expectIDs(t, s, "by time, to the second", at(store.Equal, created.Truncate(time.Second).Format(time.RFC3339)), 1)
	expectIDs(t, s, "by another time", at(store.Equal, created.Add(-time.Hour)))
	expectIDs(t, s, "since a time", at(store.AtLeast, created), 1)
	expectIDs(t, s, "since a later time", at(store.AtLeast, created.Add(time.Hour)))
	expectIDs(t, s, "by no time", at(store.Equal, "yesterday"))

	for _, marker := range []string{id(9), "x"} {
		_, err := s.Reader().List(ctx, store.ObjectQuery{Kind: store.KindPort, Marker: marker})
		expectNotFound(t, "List behind "+marker, err)
	}
	if _, err := s.Reader().List(ctx, store.ObjectQuery{Kind: "router"}); err == nil {
		t.Error("List of no kind succeeded")
	}
}
