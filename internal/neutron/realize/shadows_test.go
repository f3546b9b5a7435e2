package realize_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tricircle/tricircle/internal/neutron/realize"
	"github.com/tricircle/tricircle/internal/simcloud"
	"github.com/tricircle/tricircle/internal/store"
)

// members are a network with ports in a group that admits itself: n of them in pod 1, and one in pod 2.
func (w *world) members(n int) (group, subnet *store.Object, ports []*store.Object) {
	_, subnet = w.network(2101)
	group = w.group("web")
	w.rule(group, group, nil)
	for i := range n {
		ports = append(ports, w.port(subnet, fmt.Sprintf("10.101.0.%d", 10+i), group))
	}
	w.want(1, ports...)
	last := w.port(subnet, "10.101.0.9", group)
	w.want(2, last)
	return group, subnet, append(ports, last)
}

// calls counts what reached a pod since they were reset, by method and collection.
func (w *world) calls(i int) map[string]int {
	n := map[string]int{}
	for _, r := range w.sim.Pod(i).Requests() {
		path, _, _ := strings.Cut(r.Path, "?")
		n[r.Method+" "+strings.Split(path, "/")[2]]++
	}
	return n
}

func TestShadows_ManyMembers_AreMadeByFewCalls(t *testing.T) {
	const n = 205
	w := newWorld(t, 2)
	group, subnet, _ := w.members(n)
	if got := len(w.shadowsIn(1)); got != n {
		t.Fatalf("pod 2 has %d shadows, want %d", got, n)
	}
	if got := w.calls(1)["POST ports"]; got > 12 {
		t.Errorf("%d shadows and a port took %d calls", n, got)
	}
	w.sim.Pod(1).ResetRequests()
	w.want(1, w.port(subnet, "10.101.0.240", group), w.port(subnet, "10.101.0.241", group))
	if got := w.calls(1); got["GET ports"] != 1 || got["POST ports"] != 1 || w.sim.Pod(1).RequestCount() != 2 {
		t.Errorf("two more members took the pod %v, want one call to look and one to make", got)
	}
}

func TestShadows_OneIsRefused_OthersAreMade(t *testing.T) {
	w := newWorld(t, 2)
	group, subnet, _ := w.members(1)
	network := w.one(1, "networks")["id"].(string)
	w.call(1, http.MethodPost, "/ports", `{"port": {"network_id": "`+network+`", "name": "theirs", "fixed_ips": [{"ip_address": "10.101.0.51"}]}}`)
	var ports []*store.Object
	for _, ip := range []string{"10.101.0.50", "10.101.0.51", "10.101.0.52"} {
		ports = append(ports, w.port(subnet, ip, group))
	}
	w.tx(func(tx store.Tx) error { _, err := realize.Want(t.Context(), tx, 1, ports...); return err })
	failures := w.drainUntil(func() bool { return len(w.shadowsIn(1)) == 3 })
	if len(failures) == 0 || !strings.Contains(failures[0].Error(), "10.101.0.51") {
		t.Errorf("the failures are %v, want one about the address", failures)
	}
	w.call(1, http.MethodDelete, "/ports/"+w.in(1, "ports", "name=theirs")[0]["id"].(string), "")
	w.drain()
	if got := w.shadowsIn(1); len(got) != 4 {
		t.Errorf("the address is free again, and the shadows are %v", got)
	}
}

func TestShadows_ReplyIsLost_AreNotMadeTwice(t *testing.T) {
	w := newWorld(t, 2)
	group, subnet, _ := w.members(1)
	w.sim.Pod(1).SetFault(simcloud.Fault{Service: "network", Methods: []string{http.MethodPost}, LostReply: true, Count: 1})
	w.want(1, w.port(subnet, "10.101.0.50", group), w.port(subnet, "10.101.0.51", group))
	if got := w.in(1, "ports", by("device_owner", "tricircle:shadow")); len(got) != 3 {
		t.Errorf("the pod has %d shadows, want 3: %v", len(got), got)
	}
}

func TestShadows_PortChanges_TheyFollow(t *testing.T) {
	w := newWorld(t, 2)
	group, _, ports := w.members(2)
	port := ports[0]
	ask := func(groups ...any) {
		t.Helper()
		port.Attrs["security_groups"] = groups
		w.tx(func(tx store.Tx) error {
			rows, err := tx.Realizations(t.Context(), store.RealizationQuery{Kind: port.Kind, TopIDs: []string{port.ID}, PodNum: 1})
			if err != nil {
				return err
			}
			rows[0].Due = true
			if err := tx.Update(t.Context(), port); err != nil {
				return err
			}
			if err := tx.PutRealization(t.Context(), rows...); err != nil {
				return err
			}
			return tx.Enqueue(t.Context(), rows[0].Job(""), store.MembersJob(rows[0].NetworkID))
		})
		w.drain()
	}
	both := shadows{"10.101.0.10": {"web"}, "10.101.0.11": {"web"}}
	w.wantShadows("at first", shadows{"10.101.0.9": {"web"}}, both)
	ask()
	w.wantShadows("one has left the group", shadows{"10.101.0.9": {"web"}}, shadows{"10.101.0.11": {"web"}})
	ask(group.ID)
	w.wantShadows("it is back", shadows{"10.101.0.9": {"web"}}, both)
	other := w.group("other")
	w.rule(group, other, nil)
	w.ask(group.Kind, group.ID)
	w.drain()
	ask(group.ID, other.ID)
	both["10.101.0.10"] = []string{"other", "web"}
	got := w.shadowsIn(1)["10.101.0.10"]
	if len(got) != 2 {
		t.Errorf("the shadow of a port in two groups that are admitted is in %v", got)
	}
}

func TestAudit_Shadows_AreRepaired(t *testing.T) {
	w := newWorld(t, 2)
	_, _, ports := w.members(3)
	of := func(port *store.Object) map[string]any {
		return w.in(1, "ports", by("description", realize.Key(store.KindPort, port.ID)))[0]
	}
	network := w.one(1, "networks")["id"].(string)
	w.call(1, http.MethodDelete, "/ports/"+of(ports[0])["id"].(string), "")
	w.call(1, http.MethodPut, "/ports/"+of(ports[1])["id"].(string), `{"port": {"security_groups": []}}`)
	for i, owner := range []string{"tricircle:shadow", "compute:az"} { // of the first nobody knows, the other is no shadow
		w.call(1, http.MethodPost, "/ports", fmt.Sprintf(`{"port": {"network_id": %q, "device_owner": %q, "name": "odd",
			"description": "tricircle:port:11111111-1111-4111-8111-11111111111%d", "fixed_ips": []}}`, network, owner, i))
	}
	if err := w.r.Audit(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.drain()
	web := []string{"web"}
	w.wantShadows("after the audit", shadows{"10.101.0.9": web}, shadows{"10.101.0.10": web, "10.101.0.11": web, "10.101.0.12": web})
	if odd := w.in(1, "ports", "name=odd"); len(odd) != 1 || odd[0]["device_owner"] != "compute:az" {
		t.Errorf("of what the top does not know is left: %v", odd)
	}
	w.sim.Pod(1).ResetRequests()
	if err := w.r.Audit(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.drain()
	if got := w.calls(1); got["PUT ports"]+got["POST ports"]+got["DELETE ports"] != 0 {
		t.Errorf("all is as it should be, but the pod got %v", got)
	}
}

func TestShadows_NetworkIsNewInAPodWithTheGroup_AreMade(t *testing.T) {
	w := newWorld(t, 2)
	_, one := w.network(2101)
	_, other := w.network(2102)
	web := w.group("web")
	w.rule(web, web, nil)
	w.want(1, w.port(one, "10.101.0.10", web))
	w.want(2, w.port(other, "10.102.0.10", web))
	w.wantShadows("no network in common", shadows{}, shadows{})
	w.want(2, w.port(one, "10.101.0.11", web))
	w.wantShadows("one network in common", shadows{"10.101.0.11": {"web"}}, shadows{"10.101.0.10": {"web"}})
}

// The last member of a group leaves the pod while another comes. Each transaction is of a moment at which the other had not happened.
func TestPort_GroupLosesItsLastMemberMeanwhile_StillGetsShadows(t *testing.T) {
	w := newWorldOn(t, postgres.NewDatabase(t), 2) // in SQLite there are no two at a time
	_, subnet := w.network(2101)
	group := w.group("web")
	w.rule(group, group, nil)
	w.want(1, w.port(subnet, "10.101.0.10", group))
	w.want(2, w.port(subnet, "10.101.0.11", group))
	late := w.port(subnet, "10.101.0.12", group)
	w.r.Idle = func(ctx context.Context, _ store.Tx, port *store.Object, podNum int32) error {
		if port.ID != late.ID {
			return nil
		}
		w.tx(func(tx store.Tx) error { // as its job does that has not seen the late one
			rows, err := tx.Realizations(ctx, store.RealizationQuery{Kind: store.KindSecurityGroup, TopIDs: []string{group.ID}, PodNum: podNum})
			if err != nil {
				return err
			}
			rows[0].Detail["has_members"], rows[0].Detail["admits"] = false, []any{}
			return tx.PutRealization(ctx, rows...)
		})
		return nil
	}
	w.want(2, late)
	w.drain()
	rows, err := w.store.Reader().Realizations(t.Context(), store.RealizationQuery{Kind: store.KindSecurityGroup, TopIDs: []string{group.ID}, PodNum: 2})
	if err != nil || len(rows) != 1 || rows[0].Detail["has_members"] != true || !slices.Equal(rows[0].Detail["admits"].([]any), []any{group.ID}) {
		t.Errorf("the group in the pod is noted as %v, %v", rows, err)
	}
}

// A boot fails when the group is in the pod already, and the port is not.
func TestPort_NeverCame_ItsGroupForgetsIt(t *testing.T) {
	w := newWorld(t, 2)
	_, subnet := w.network(2101)
	web := w.group("web")
	w.rule(web, web, nil)
	w.want(1, w.port(subnet, "10.101.0.10", web))
	w.want(2, w.port(subnet, "10.101.0.11"))
	never := w.port(subnet, "10.101.0.12", web)
	w.tx(func(tx store.Tx) error { _, err := realize.Want(t.Context(), tx, 2, never); return err })
	for _, job := range w.due(100) {
		if job.Kind != string(store.KindPort) {
			if err := w.execute(job); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.remove(never)
	w.drain()
	w.wantShadows("nobody in the pod is in the group", shadows{}, shadows{})
}
