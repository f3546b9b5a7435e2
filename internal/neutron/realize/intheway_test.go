package realize_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/tricircle/tricircle/internal/neutron/realize"
	"github.com/tricircle/tricircle/internal/simcloud"
	"github.com/tricircle/tricircle/internal/southbound"
	"github.com/tricircle/tricircle/internal/store"
)

// waits runs the job of an object in pod 1 before that of a tombstone that is in its way there, and expects the one to wait for the other.
func (w *world) waits(o, gone *store.Object) {
	w.t.Helper()
	err := w.r.Run(w.t.Context(), realize.Job(o.Kind, o.ID, w.project, 1))
	if unmade, ok := errors.AsType[*realize.UnmadeError](err); !ok || unmade.Job.Resource != gone.ID+"/1" {
		w.t.Fatalf("the job of %s says %v, want that it waits for that of %s", o.ID, err, gone.ID)
	}
	w.drain()
	if got := w.one(0, string(o.Kind)+"s")["description"]; got != realize.Key(o.Kind, o.ID) {
		w.t.Errorf("the pod has %v, want the new one", got)
	}
	if o.Kind != store.KindPort {
		return
	}
	w.remove(o) // the refusal was an answer: nothing of it is still to come
	if failures := w.drain(); len(failures) != 0 || len(w.made(0, "ports")) != 0 {
		w.t.Errorf("when it is deleted: %v; ports in the pod: %v", failures, w.made(0, "ports"))
	}
}

// wantLater wants ports in pod 1, and runs no jobs.
func (w *world) wantLater(ports ...*store.Object) {
	w.t.Helper()
	w.tx(func(tx store.Tx) error { _, err := realize.Want(w.t.Context(), tx, 1, ports...); return err })
}

// successor wants a port in pod 1 that still has another one there, deleted at the top, with the same address and MAC, but for what change
// does.
func (w *world) successor(change func(port *store.Object)) (first, second *store.Object) {
	w.t.Helper()
	_, subnet := w.network(5)
	first = w.port(subnet, "10.5.0.10")
	w.want(1, first)
	w.remove(first)
	second = w.port(subnet, "10.5.0.10")
	change(second)
	w.tx(func(tx store.Tx) error { return tx.Update(w.t.Context(), second) })
	w.wantLater(second)
	return first, second
}

func otherMAC(port *store.Object) { port.Attrs["mac_address"] = "fa:16:3e:aa:aa:aa" }

func TestPort_AddressOfOneThatIsBeingDeleted_WaitsForIt(t *testing.T) {
	for name, change := range map[string]func(port *store.Object){
		"address": otherMAC,
		"MAC": func(port *store.Object) {
			port.Attrs["fixed_ips"].([]any)[0].(map[string]any)["ip_address"] = "10.5.0.99"
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			first, second := w.successor(change)
			w.waits(second, first)
		})
	}
}

func TestPort_AddressChangesToThatOfOneThatIsBeingDeleted_WaitsForIt(t *testing.T) {
	w := newWorld(t, 1)
	_, subnet := w.network(5)
	first, second := w.port(subnet, "10.5.0.10"), w.port(subnet, "10.5.0.11")
	w.want(1, first, second)
	w.remove(first)
	w.change(second, map[string]any{"fixed_ips": []any{map[string]any{"subnet_id": subnet.ID, "ip_address": "10.5.0.10"}}})
	w.waits(second, first)
}

func TestPort_AddressOfAShadowThatIsBeingDeleted_WaitsForTheShadows(t *testing.T) {
	w := newWorld(t, 2)
	network, subnet := w.network(5)
	group := w.group("web")
	w.rule(group, group, nil)
	here, there := w.port(subnet, "10.5.0.10", group), w.port(subnet, "10.5.0.11", group)
	w.want(1, here)
	w.want(2, there)
	if n := len(w.made(0, "ports")); n != 2 {
		t.Fatalf("pod 1 has %d ports, want one and a shadow", n)
	}
	w.remove(there)
	next := w.port(subnet, "10.5.0.11")
	w.wantLater(next)
	err := w.r.Run(t.Context(), realize.Job(store.KindPort, next.ID, w.project, 1))
	if unmade, ok := errors.AsType[*realize.UnmadeError](err); !ok || unmade.Job.Kind != store.JobShadows || unmade.Job.Resource != network.ID+"/1" {
		t.Errorf("got %v, want that it waits for the shadows", err)
	}
	w.drain()
	if n := len(w.in(0, "ports", by("description", portKey(next)))); n != 1 {
		t.Errorf("pod 1 has the port %d times", n)
	}
}

func TestNetwork_SegmentOfOneThatIsBeingDeleted_WaitsForIt(t *testing.T) {
	w := newWorld(t, 1)
	first, subnet := w.network(5)
	port := w.port(subnet, "10.5.0.10")
	w.want(1, port)
	w.remove(port)
	w.drain()
	w.remove(subnet)
	w.remove(first)
	second, subnet := w.network(5)
	w.wantLater(w.port(subnet, "10.5.0.10"))
	w.waits(second, first)
}

// A pod that is done with the one before it is asked again for the other.
func TestPort_AddressFreedMeanwhile_IsMadeByTheSameRun(t *testing.T) {
	w := newWorld(t, 1)
	first, second := w.successor(otherMAC)
	run := func(port *store.Object) error {
		return w.r.Run(t.Context(), realize.Job(store.KindPort, port.ID, w.project, 1))
	}
	w.sim.Pod(0).SetFault(simcloud.Fault{Methods: []string{http.MethodGet}, PathContains: "/ports", After: 2, Count: 1, Before: func() {
		if err := run(first); err != nil {
			t.Error(err)
		}
	}})
	if err := run(second); err != nil {
		t.Errorf("the pod was not asked again: %v", err)
	}
	if got := w.one(0, "ports")["description"]; got != portKey(second) {
		t.Errorf("the pod has %v", got)
	}
}

// That one create was refused says nothing of another one before it, to which there was no answer.
func TestPort_RefusedAfterALostCreate_MayStillArrive(t *testing.T) {
	w := newWorld(t, 1)
	_, second := w.successor(otherMAC)
	run := func() error { return w.r.Run(t.Context(), realize.Job(store.KindPort, second.ID, w.project, 1)) }
	w.sim.Pod(0).SetFault(simcloud.Fault{Service: "network", Methods: []string{http.MethodPost}, Reset: true, Count: 1})
	if err := run(); err == nil {
		t.Fatal("the create is lost, but the port is said to be there")
	}
	if _, ok := errors.AsType[*realize.UnmadeError](run()); !ok {
		t.Fatal("the next one is not refused")
	}
	w.remove(second)
	if err := run(); err == nil {
		t.Error("the port is said to be gone, though the first create may still arrive")
	}
}

func TestPort_AddressOfOneThatIsNotOurs_IsRefused(t *testing.T) {
	w := newWorld(t, 1)
	network, subnet := w.network(5)
	w.want(1, w.port(subnet, "10.5.0.10"))
	bottom := w.one(0, "networks")["id"].(string)
	w.call(0, "POST", "/ports", `{"port": {"network_id": "`+bottom+`", "fixed_ips": [{"ip_address": "10.5.0.12"}]}}`)
	port := w.port(subnet, "10.5.0.12")
	w.wantLater(port)
	err := w.r.Run(t.Context(), realize.Job(store.KindPort, port.ID, w.project, 1))
	if !southbound.RefusedAs(err, "IpAddressAlreadyAllocated") {
		t.Errorf("on network %s: %v, want the pod's refusal", network.ID, err)
	}
}
