package realize_test

import (
	"errors"
	"testing"

	"github.com/tricircle/tricircle/internal/neutron/realize"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/store"
)

// trunk makes a trunk, with ports as subports with the tags 1, 2..., as the API does.
func (w *world) trunk(parent *store.Object, ports ...*store.Object) *store.Object {
	w.t.Helper()
	trunk := w.add(store.KindTrunk, map[string]any{"name": "trunk", "port_id": parent.ID, "admin_state_up": true, "sub_ports": subports(1, ports...)})
	parent.Attrs[store.AttrTrunk] = trunk.ID
	w.tx(func(tx store.Tx) error { return tx.Update(w.t.Context(), parent) })
	return trunk
}

func subports(tag int, ports ...*store.Object) []any {
	all := []any{}
	for i, p := range ports {
		all = append(all, map[string]any{"port_id": p.ID, "segmentation_type": "vlan", "segmentation_id": int64(tag + i)})
	}
	return all
}

// carried are the find-keys and tags of what the only trunk of a pod carries.
func (w *world) carried(i int) map[string]any {
	w.t.Helper()
	keys := map[any]string{}
	for _, p := range w.made(i, "ports") {
		keys[p["id"]] = p["description"].(string)
	}
	tags := map[string]any{}
	for _, s := range w.one(i, "trunks")["sub_ports"].([]any) {
		subport := s.(map[string]any)
		tags[keys[subport["port_id"]]] = subport["segmentation_id"]
	}
	return tags
}

func portKey(p *store.Object) string { return realize.Key(store.KindPort, p.ID) }

// removeTrunk deletes a trunk, as the API does.
func (w *world) removeTrunk(trunk, parent *store.Object) {
	w.t.Helper()
	w.remove(trunk)
	delete(parent.Attrs, store.AttrTrunk)
	w.tx(func(tx store.Tx) error { return tx.Update(w.t.Context(), parent) })
}

func TestTrunk_Wanted_IsThereWithItsSubports(t *testing.T) {
	onEach(t, 1, func(t *testing.T, w *world) {
		_, outer := w.network(5)
		_, inner := w.network(6)
		parent, a, b := w.port(outer, "10.5.0.10"), w.port(inner, "10.6.0.10", w.group("web")), w.port(inner, "10.6.0.11")
		trunk := w.trunk(parent, a, b)
		w.want(1, parent)
		if got := w.carried(0); len(got) != 2 || got[portKey(a)] != 1.0 || got[portKey(b)] != 2.0 {
			t.Errorf("the trunk carries %v", got)
		}
		there := w.in(0, "ports", by("description", portKey(a)))[0]
		if there["mac_address"] != a.Attrs["mac_address"] || there["fixed_ips"].([]any)[0].(map[string]any)["ip_address"] != "10.6.0.10" {
			t.Errorf("the subport in the pod is %v", there)
		}
		c := w.port(inner, "10.6.0.12")
		w.change(trunk, map[string]any{"name": "other", "sub_ports": subports(1, c, b)}) // c has the tag that a had
		w.drain()
		if got := w.carried(0); len(got) != 2 || got[portKey(c)] != 1.0 || got[portKey(b)] != 2.0 || w.one(0, "trunks")["name"] != "other" {
			t.Errorf("after the change the trunk carries %v", got)
		}
		w.removeTrunk(trunk, parent)
		for _, p := range []*store.Object{parent, a, b, c} { // whose jobs wait for the trunk's
			w.remove(p)
		}
		w.drain()
		for _, collection := range []string{"trunks", "ports"} {
			if left := w.made(0, collection); len(left) != 0 {
				t.Errorf("%s are left: %v", collection, left)
			}
		}
		if rows := append(w.realizations(store.KindTrunk), w.realizations(store.KindPort)...); len(rows) != 0 {
			t.Errorf("realizations are left: %v", rows)
		}
	})
}

func TestTrunk_PortsRemovedFirst_WaitForItsJob(t *testing.T) {
	w := newWorld(t, 1)
	_, subnet := w.network(5)
	parent, child := w.port(subnet, "10.5.0.10"), w.port(subnet, "10.5.0.11")
	trunk := w.trunk(parent, child)
	w.want(1, parent)
	w.removeTrunk(trunk, parent)
	w.remove(child)
	err := w.r.Port(t.Context(), child.ID, 1)
	unmade, waits := errors.AsType[*realize.UnmadeError](err)
	if !waits || unmade.Job.Kind != "trunk" || unmade.Job.Resource != trunk.ID+"/1" {
		t.Errorf("got %v, want to wait for the trunk", err)
	}
}

func TestTrunk_ParentMovedToAnotherPod_FollowsWithItsSubports(t *testing.T) {
	onEach(t, 2, func(t *testing.T, w *world) {
		_, subnet := w.network(5)
		parent, child := w.port(subnet, "10.5.0.10"), w.port(subnet, "10.5.0.11")
		w.trunk(parent, child)
		w.want(1, parent)
		w.want(2, parent)
		if got := w.carried(1); got[portKey(child)] != 1.0 {
			t.Errorf("in the second pod the trunk carries %v", got)
		}
		if left := append(w.made(0, "trunks"), w.made(0, "ports")...); len(left) != 0 {
			t.Errorf("the first pod still has %v", left)
		}
	})
}

// meanwhile does something between two looks of a run.
type meanwhile struct {
	realize.Pods
	do func()
}

func (m meanwhile) Snapshot() *pod.Snapshot {
	m.do()
	return m.Pods.Snapshot()
}

func TestTrunk_ParentMovesDuringARun_IsNotMovedBack(t *testing.T) {
	w := newWorld(t, 2)
	_, subnet := w.network(5)
	parent, child := w.port(subnet, "10.5.0.10"), w.port(subnet, "10.5.0.11")
	trunk := w.trunk(parent, child)
	w.want(1, parent)
	options := w.r.Options
	options.Pods = meanwhile{options.Pods, func() {
		w.tx(func(tx store.Tx) error { _, err := realize.Want(t.Context(), tx, 2, parent); return err })
	}}
	if err := realize.New(options).Trunk(t.Context(), trunk.ID, 1); err == nil {
		t.Error("the run has not noticed")
	}
	for _, row := range w.realizations(store.KindPort) {
		if gone := !row.DeletedAt.IsZero(); gone != (row.PodNum == 1) {
			t.Errorf("port in pod %d: deleted %v", row.PodNum, gone)
		}
	}
}

func TestTrunk_DeletedWhileThePodIsDown_GoesWhenItReturns(t *testing.T) {
	w := newWorld(t, 1)
	_, subnet := w.network(5)
	parent, child := w.port(subnet, "10.5.0.10"), w.port(subnet, "10.5.0.11")
	trunk := w.trunk(parent, child)
	w.want(1, parent)
	w.sim.Pod(0).Stop()
	w.removeTrunk(trunk, parent)
	w.remove(child)
	if err := w.r.Trunk(t.Context(), trunk.ID, 1); err == nil {
		t.Error("the pod that is down has let the trunk go")
	}
	if err := w.sim.Pod(0).Restart(); err != nil {
		t.Fatal(err)
	}
	w.drain()
	if ports := w.made(0, "ports"); len(w.made(0, "trunks")) != 0 || len(ports) != 1 || ports[0]["description"] != portKey(parent) {
		t.Errorf("the pod has %v", ports)
	}
}

func TestTrunk_ReplyToCreateLost_IsMadeOnce(t *testing.T) {
	w := newWorld(t, 1)
	_, subnet := w.network(5)
	parent, child := w.port(subnet, "10.5.0.10"), w.port(subnet, "10.5.0.11")
	trunk := w.trunk(parent, child)
	w.want(1, parent)
	w.tx(func(tx store.Tx) error { // as if nobody had heard of it
		return tx.PutRealization(t.Context(), store.Realization{Kind: store.KindTrunk, TopID: trunk.ID, PodNum: 1})
	})
	w.ask(store.KindTrunk, trunk.ID)
	w.drain()
	w.one(0, "trunks")
	if got := w.carried(0); got[portKey(child)] != 1.0 {
		t.Errorf("the trunk carries %v", got)
	}
}

func TestTrunk_ChangedInThePod_IsRepairedByTheAudit(t *testing.T) {
	w := newWorld(t, 1)
	_, subnet := w.network(5)
	parent, child := w.port(subnet, "10.5.0.10"), w.port(subnet, "10.5.0.11")
	w.trunk(parent, child)
	w.want(1, parent)
	audit := func() {
		t.Helper()
		if err := w.r.Audit(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.drain()
		there := w.one(0, "trunks")
		if got := w.carried(0); len(got) != 1 || got[portKey(child)] != 1.0 || there["admin_state_up"] != true || there["name"] != "trunk" {
			t.Errorf("after the audit there is %v", there)
		}
	}
	url := "/trunks/" + w.one(0, "trunks")["id"].(string)
	bottom := w.in(0, "ports", by("description", portKey(child)))[0]["id"].(string)
	w.call(0, "PUT", url+"/remove_subports", `{"sub_ports": [{"port_id": "`+bottom+`"}]}`)
	w.call(0, "PUT", url, `{"trunk": {"name": "mine", "admin_state_up": false}}`)
	audit()
	w.call(0, "DELETE", url, "")
	audit()
	if rows := w.realizations(store.KindTrunk); len(rows) != 1 || rows[0].BottomID != w.one(0, "trunks")["id"] {
		t.Errorf("realizations %v", rows)
	}
}
