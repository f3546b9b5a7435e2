package realize_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tricircle/tricircle/internal/neutron/realize"
	"github.com/tricircle/tricircle/internal/simcloud"
	"github.com/tricircle/tricircle/internal/store"
)

func TestWant_PortsInTwoPods_AreOneNetworkAndOnePool(t *testing.T) {
	onEach(t, 2, func(t *testing.T, w *world) {
		network, subnet := w.network(2101)
		group := w.group("web")
		w.rule(group, nil, map[string]any{"protocol": "tcp", "port_range_min": 80, "port_range_max": 80})
		a, b := w.port(subnet, "10.101.0.10", group), w.port(subnet, "10.101.0.11", group)
		w.want(1, a)
		w.want(2, b)
		for i, port := range []*store.Object{a, b} {
			n, s, p, g := w.one(i, "networks"), w.one(i, "subnets"), w.one(i, "ports"), w.one(i, "security-groups")
			rule := w.in(i, "security-group-rules", by("security_group_id", g["id"].(string)))
			got := []any{n["description"], n["name"], n["project_id"], n["provider:network_type"], n["provider:physical_network"],
				n["provider:segmentation_id"], n["mtu"], s["cidr"], s["gateway_ip"], s["enable_dhcp"], s["allocation_pools"], s["network_id"],
				p["mac_address"], p["fixed_ips"], p["security_groups"], p["project_id"], p["name"], g["name"], g["project_id"], len(rule), rule[0]["port_range_max"]}
			own := fmt.Sprintf("10.101.0.%d", i+2)
			want := []any{"tricircle:network:" + network.ID, "net2101", w.project, "vlan", "bridge", 2101.0, 1500.0, "10.101.0.0/24", "10.101.0.1", true,
				[]any{map[string]any{"start": own, "end": own}}, n["id"], port.Attrs["mac_address"],
				[]any{map[string]any{"subnet_id": s["id"], "ip_address": fmt.Sprintf("10.101.0.%d", i+10)}}, []any{g["id"]}, w.project, port.Attrs["name"],
				"web", w.project, 1, 80.0}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("pod %d: %s", i+1, diff)
			}
		}
	})
}

// What is behind an external network, or an overlay of a pod's own, is behind one pod, also if the first boots come at the same time.
func TestWant_NetworkOfOnePodInTwoAtOnce_IsInOne(t *testing.T) {
	onEach(t, 2, func(t *testing.T, w *world) {
		for segment, attrs := range map[int]map[string]any{2101: {"router:external": true}, 2102: {"provider:network_type": "local"}} {
			network, subnet := w.network(segment)
			w.change(network, attrs)
			ports := []*store.Object{w.port(subnet, "10.101.0.10"), w.port(subnet, "10.101.0.11")}
			errs := make([]error, 2)
			var both sync.WaitGroup
			for i, port := range ports {
				both.Go(func() {
					errs[i] = w.store.InTx(t.Context(), func(tx store.Tx) error {
						_, err := realize.Want(t.Context(), tx, int32(i+1), port)
						return err
					})
				})
			}
			both.Wait()
			refused := errors.Join(errs...)
			elsewhere, ok := errors.AsType[*realize.ElsewhereError](refused)
			if rows := w.realizations(store.KindNetwork); !ok || elsewhere.NetworkID != network.ID || (errs[0] == nil) == (errs[1] == nil) ||
				len(slices.DeleteFunc(rows, func(r store.Realization) bool { return r.TopID != network.ID })) != 1 {
				t.Errorf("%v: got %v and realizations %v", attrs, errs, rows)
			}
		}
	})
}

func TestNetwork_Changes_ReachEveryPod(t *testing.T) {
	onEach(t, 2, func(t *testing.T, w *world) {
		network, subnet := w.network(2101)
		w.want(1, w.port(subnet, "10.101.0.10"))
		w.want(2, w.port(subnet, "10.101.0.11"))
		w.change(network, map[string]any{"name": "renamed", "admin_state_up": false, "mtu": 1400})
		w.change(subnet, map[string]any{"dns_nameservers": []any{"10.0.0.9", "10.0.0.8"}, "gateway_ip": nil})
		second := w.subnet(network, "10.50.0.0/24")
		w.ask(store.KindNetwork, network.ID)
		w.drain()
		for i := range 2 {
			n := w.one(i, "networks")
			first := w.in(i, "subnets", by("description", realize.Key(store.KindSubnet, subnet.ID)))[0]
			got := []any{n["name"], n["admin_state_up"], n["mtu"], first["dns_nameservers"], first["gateway_ip"], len(w.made(i, "subnets"))}
			if diff := cmp.Diff([]any{"renamed", false, 1400.0, []any{"10.0.0.9", "10.0.0.8"}, nil, 2}, got); diff != "" {
				t.Errorf("pod %d: %s", i+1, diff)
			}
		}
		w.tx(func(tx store.Tx) error { return tx.Delete(t.Context(), store.KindSubnet, second.ID) })
		w.ask(store.KindNetwork, network.ID)
		w.drain()
		if left := len(w.made(0, "subnets")) + len(w.made(1, "subnets")); left != 2 {
			t.Errorf("after one of two subnets was deleted the pods have %d, want 1 each", left)
		}
	})
}

func TestRun_DoneTwice_ChangesNothing(t *testing.T) {
	w := newWorld(t, 1)
	network, subnet := w.network(2101)
	group := w.group("web")
	w.rule(group, group, nil)
	w.rule(group, nil, map[string]any{"remote_ip_prefix": "10.0.0.0/8"})
	port := w.port(subnet, "10.101.0.10", group)
	w.want(1, port)
	before := fmt.Sprint(w.one(0, "networks"), w.one(0, "subnets"), w.one(0, "ports"), w.one(0, "security-groups"))
	for _, o := range []*store.Object{network, port, group} {
		w.ask(o.Kind, o.ID)
	}
	if failures := w.drain(); failures != nil {
		t.Error(failures)
	}
	if diff := cmp.Diff(before, fmt.Sprint(w.one(0, "networks"), w.one(0, "subnets"), w.one(0, "ports"), w.one(0, "security-groups"))); diff != "" {
		t.Errorf("nothing has changed at the top, but in the pod: %s", diff)
	}
}

func TestRemove_Everything_LeavesPodsEmpty(t *testing.T) {
	onEach(t, 2, func(t *testing.T, w *world) {
		network, subnet := w.network(2101)
		group := w.group("web")
		w.rule(group, group, nil)
		ports := []*store.Object{w.port(subnet, "10.101.0.10", group), w.port(subnet, "10.101.0.11", group)}
		w.want(1, ports[0])
		w.want(2, ports[1])
		for _, o := range ports {
			w.remove(o)
		}
		w.tx(func(tx store.Tx) error { return tx.Delete(t.Context(), store.KindSubnet, subnet.ID) })
		w.remove(network)
		w.remove(group)
		w.drain()
		for i := range 2 {
			for _, collection := range []string{"networks", "subnets", "ports", "security-groups"} {
				if left := w.made(i, collection); len(left) != 0 {
					t.Errorf("pod %d: %s are left: %v", i+1, collection, left)
				}
			}
		}
		if rows := w.realizations(""); len(rows) != 0 {
			t.Errorf("realizations are left: %v", rows)
		}
	})
}

// A run that is killed after its last call to the pod has written nothing down.
func TestRemove_GoneFromThePodAlready_IsForgotten(t *testing.T) {
	onEach(t, 1, func(t *testing.T, w *world) {
		network, subnet := w.network(2101)
		second := w.subnet(network, "10.50.0.0/24")
		port := w.port(subnet, "10.101.0.10")
		w.want(1, port)
		w.call(0, "DELETE", "/subnets/"+w.in(0, "subnets", by("name", "10.50.0.0/24"))[0]["id"].(string), "")
		w.tx(func(tx store.Tx) error { return tx.Delete(t.Context(), store.KindSubnet, second.ID) })
		w.ask(store.KindNetwork, network.ID)
		w.drain()
		if rows := w.realizations(store.KindSubnet); len(rows) != 1 {
			t.Errorf("one of two subnets was deleted, in the pod by somebody else; realizations: %v", rows)
		}
		w.call(0, "DELETE", "/ports/"+w.one(0, "ports")["id"].(string), "")
		w.call(0, "DELETE", "/networks/"+w.one(0, "networks")["id"].(string), "")
		w.remove(port)
		w.tx(func(tx store.Tx) error { return tx.Delete(t.Context(), store.KindSubnet, subnet.ID) })
		w.remove(network)
		w.drain()
		if rows := w.realizations(""); len(rows) != 0 {
			t.Errorf("realizations are left: %v", rows)
		}
	})
}

// A pod that hangs carries out what it was sent when it goes on, long after the port was deleted at the top.
func TestRemove_CreateArrivesLater_IsGoneAllTheSame(t *testing.T) {
	w := newWorld(t, 1)
	_, subnet := w.network(2101)
	w.want(1, w.port(subnet, "10.101.0.10")) // the network is there
	late := w.port(subnet, "10.101.0.11")
	goOn := make(chan struct{})
	w.sim.Pod(0).SetFault(simcloud.Fault{Service: "network", Methods: []string{http.MethodPost}, Count: 1, Before: func() { <-goOn }})
	w.tx(func(tx store.Tx) error { _, err := realize.Want(t.Context(), tx, 1, late); return err })
	run := func() error { return w.r.Run(t.Context(), realize.Job(late.Kind, late.ID, w.project, 1)) }
	if err := run(); err == nil {
		t.Fatal("the pod hangs, but the port is said to be there")
	}
	w.remove(late)
	if err := run(); err == nil {
		t.Error("the port is said to be gone, though it may still come")
	}
	close(goOn)
	for len(w.made(0, "ports")) < 2 { // the test's deadline ends this
	}
	if err := run(); err == nil {
		t.Error("the port is said to be gone, though another may still come")
	}
	w.later = time.Hour
	if err := run(); err != nil {
		t.Error(err)
	}
	rows, err := w.store.Reader().Realizations(t.Context(), store.RealizationQuery{TopIDs: []string{late.ID}})
	if left := w.made(0, "ports"); len(left) != 1 || err != nil || len(rows) != 0 {
		t.Errorf("ports in the pod: %v; realizations of the one deleted: %v %v", left, rows, err)
	}
}

// The pod carries out a create that was given up for lost, and repeated. Neutron does not mind a second group, or overlay, of that name.
func TestRun_CreateArrivesAfterItsRepetition_OneIsLeft(t *testing.T) {
	for kind, collection := range map[store.ObjectKind]string{store.KindNetwork: "networks", store.KindSecurityGroup: "security-groups"} {
		t.Run(collection, func(t *testing.T) {
			w := newWorld(t, 1)
			network, subnet := w.network(2101)
			w.change(network, map[string]any{"provider:network_type": "local"})
			group := w.group("web")
			port := w.port(subnet, "10.101.0.10", group)
			w.tx(func(tx store.Tx) error { _, err := realize.Want(t.Context(), tx, 1, port); return err })
			id := map[store.ObjectKind]string{store.KindNetwork: network.ID, store.KindSecurityGroup: group.ID}[kind]
			run := func() error { return w.r.Run(t.Context(), realize.Job(kind, id, w.project, 1)) }
			goOn := make(chan struct{})
			w.sim.Pod(0).SetFault(simcloud.Fault{Service: "network", Methods: []string{http.MethodPost}, Count: 1, Before: func() { <-goOn }})
			if err := run(); err == nil {
				t.Fatal("the pod hangs, but the object is said to be there")
			}
			w.sim.Pod(0).SetFault(simcloud.Fault{})
			w.drain()
			used := w.one(0, collection)["id"]
			close(goOn)
			for len(w.made(0, collection)) < 2 { // the test's deadline ends this
			}
			w.later = time.Hour
			if err := w.r.Audit(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.drain()
			if left := w.one(0, collection); left["id"] != used {
				t.Error("the one that is in use is gone, and the other is left")
			}
			w.sim.Pod(0).ResetRequests()
			if err := run(); err != nil {
				t.Error(err)
			}
			for _, r := range w.sim.Pod(0).Requests() {
				if strings.HasPrefix(r.Path, "/v2.0/"+collection+"?") {
					t.Errorf("it is looked for again: %v", r)
				}
			}
		})
	}
}

func TestNetwork_SubnetMadeTwice_OneIsLeft(t *testing.T) {
	w := newWorld(t, 1)
	network, subnet := w.network(2101)
	w.want(1, w.port(subnet, "10.101.0.10"))
	used := w.one(0, "subnets")
	w.call(0, http.MethodPost, "/subnets", fmt.Sprintf(`{"subnet": {"network_id": %q, "ip_version": 4, "cidr": "10.77.0.0/24", "description": %q}}`,
		used["network_id"], realize.Key(store.KindSubnet, subnet.ID)))
	w.ask(store.KindNetwork, network.ID)
	w.drain()
	if left := w.one(0, "subnets"); left["id"] != used["id"] {
		t.Errorf("the subnet in use, %v, is gone; left is %v", used["id"], left)
	}
}

// A run is cut off after it has shared the network in the pod, and then nobody is to see it any more.
func TestNetwork_UnsharedAfterABrokenRun_IsSharedNoMore(t *testing.T) {
	onEach(t, 1, func(t *testing.T, w *world) {
		network, subnet := w.network(2101)
		w.want(1, w.port(subnet, "10.101.0.10"))
		run := func() error { return w.r.Run(t.Context(), realize.Job(network.Kind, network.ID, w.project, 1)) }
		policy := w.add(store.KindRBACPolicy, map[string]any{"object_type": "network", "object_id": network.ID, "action": "access_as_shared",
			"target_tenant": "guests", "target_project": "guests"})
		w.sim.Pod(0).SetFault(simcloud.Fault{Methods: []string{"GET"}, PathContains: "/subnets", Count: 1, Status: 500})
		if err := run(); err == nil {
			t.Fatal("the subnets of the network cannot be listed, but the run is said to be done")
		}
		policies := func() int { return len(w.in(0, "rbac-policies", by("object_id", w.one(0, "networks")["id"].(string)))) }
		if policies() != 1 {
			t.Fatal("the run has not come to share the network")
		}
		w.tx(func(tx store.Tx) error { return tx.Delete(t.Context(), policy.Kind, policy.ID) })
		if err := run(); err != nil {
			t.Fatal(err)
		}
		if n := policies(); n != 0 {
			t.Errorf("the pod has %d policies, want that nobody else sees the network", n)
		}
	})
}

func TestRemove_NotMadeByUs_IsLeftAlone(t *testing.T) {
	w := newWorld(t, 1)
	theirs := w.in(0, "networks", "name=private1")[0]["id"].(string)
	adopted := w.add(store.KindNetwork, map[string]any{"name": "private1"})
	w.tx(func(tx store.Tx) error { // the operator said that it is this one
		return tx.PutRealization(t.Context(), store.Realization{Kind: store.KindNetwork, TopID: adopted.ID, PodNum: 1, BottomID: theirs})
	})
	w.remove(adopted)
	w.drain()
	if left := w.in(0, "networks", by("id", theirs)); len(left) != 1 {
		t.Error("a network that the top did not make was deleted")
	}
}

func TestAudit_RemovedOrChangedInThePod_IsRepaired(t *testing.T) {
	onEach(t, 1, func(t *testing.T, w *world) {
		_, subnet := w.network(2101)
		group := w.group("web")
		w.rule(group, nil, map[string]any{"protocol": "icmp"})
		port := w.port(subnet, "10.101.0.10", group)
		w.want(1, port)
		admin := func(method, path, body string) {
			t.Helper()
			w.call(0, method, path, body)
		}
		admin(http.MethodPut, "/networks/"+w.one(0, "networks")["id"].(string), `{"network": {"name": "theirs"}}`)
		admin(http.MethodDelete, "/ports/"+w.one(0, "ports")["id"].(string), "")
		id := w.one(0, "security-groups")["id"].(string)
		admin(http.MethodDelete, "/security-group-rules/"+w.in(0, "security-group-rules", by("security_group_id", id))[0]["id"].(string), "")
		admin(http.MethodPost, "/security-group-rules", `{"security_group_rule": {"security_group_id": "`+id+`", "direction": "ingress"}}`)
		if err := w.r.Audit(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.drain()
		rules := w.in(0, "security-group-rules", by("security_group_id", id))
		if n, p := w.one(0, "networks"), w.one(0, "ports"); n["name"] != "net2101" || p["mac_address"] != port.Attrs["mac_address"] {
			t.Errorf("got %v and %v", n, p)
		}
		if len(rules) != 1 || rules[0]["protocol"] != "icmp" {
			t.Errorf("the group has rules %v, want the one of the top", rules)
		}
	})
}

// A runner stalls, at its first look at the pod or before its change of it, while another makes what was wanted since then.
func TestRun_AnotherRunnerInBetween_IsNotUndone(t *testing.T) {
	for _, method := range []string{"GET", "PUT"} {
		t.Run(method, func(t *testing.T) {
			w := newWorld(t, 1)
			network, subnet := w.network(2101)
			w.want(1, w.port(subnet, "10.101.0.10"))
			w.change(network, map[string]any{"name": "first"})
			job := realize.Job(network.Kind, network.ID, w.project, 1)
			w.sim.Pod(0).SetFault(simcloud.Fault{Methods: []string{method}, PathContains: "/networks/", Count: 1, Before: func() {
				w.change(network, map[string]any{"name": "second"})
				if err := w.r.Run(t.Context(), job); err != nil {
					t.Error(err)
				}
			}})
			if err := w.r.Run(t.Context(), job); err != nil {
				t.Error(err)
			}
			if name := w.one(0, "networks")["name"]; name != "second" {
				t.Errorf("the network is called %v in the pod, want second", name)
			}
		})
	}
}

// Each call to Neutron in turn fails in each way, and the job is run again: nothing is missing, and nothing is twice.
func TestRun_AnyCallFails_EndsTheSame(t *testing.T) {
	for name, fault := range map[string]simcloud.Fault{
		"lost reply": {LostReply: true}, "reset": {Reset: true}, "half a body": {HalfBody: true}, "503": {Status: 503}, "500": {Status: 500},
		"half JSON": {HalfJSON: true}, "error page": {HTML: true, Status: 502}, "redirect": {Redirect: true},
	} {
		t.Run(name, func(t *testing.T) {
			for at := range 20 {
				w := newWorld(t, 1)
				_, subnet := w.network(2101)
				group := w.group("web")
				w.rule(group, group, nil)
				port := w.port(subnet, "10.101.0.10", group)
				var hit atomic.Bool
				f := fault
				f.Service, f.After, f.Count, f.Before = "network", at, 1, func() { hit.Store(true) }
				w.sim.Pod(0).SetFault(f)
				w.want(1, port)
				w.sim.Pod(0).SetFault(simcloud.Fault{})
				for _, c := range []string{"networks", "subnets", "ports", "security-groups"} {
					w.one(0, c)
				}
				if rules := w.in(0, "security-group-rules", by("security_group_id", w.one(0, "security-groups")["id"].(string))); len(rules) != 1 {
					t.Errorf("failure of call %d: rules %v", at, rules)
				}
				if !hit.Load() {
					return
				}
			}
			t.Error("there seem to be more than 20 calls")
		})
	}
}

func TestWant_NetworkSharedMeanwhile_IsSharedBeforeItIsUsed(t *testing.T) {
	w := newWorld(t, 1)
	network, subnet := w.network(2101)
	w.want(1, w.port(subnet, "10.101.0.10"))
	const borrower = "0123456789abcdef0123456789abcdef"
	w.add(store.KindRBACPolicy, map[string]any{"object_type": "network", "object_id": network.ID, "action": "access_as_shared",
		"target_tenant": borrower, "target_project": borrower})
	theirs := w.port(subnet, "10.101.0.11")
	theirs.ProjectID = borrower
	for _, want := range []int{2, 0} { // the network's job and the port's, and then none
		var jobs []store.NewJob
		w.tx(func(tx store.Tx) (err error) { jobs, err = realize.Want(t.Context(), tx, 1, theirs); return err })
		if len(jobs) != want || want > 0 && jobs[0].Kind != string(store.KindNetwork) {
			t.Errorf("jobs to be done first are %v, want %d", jobs, want)
		}
		w.drain()
	}
	policies := w.in(0, "rbac-policies", by("action", "access_as_shared"))
	if !slices.ContainsFunc(policies, func(p map[string]any) bool { return p["target_tenant"] == borrower }) {
		t.Errorf("the pod has policies %v", policies)
	}
}
