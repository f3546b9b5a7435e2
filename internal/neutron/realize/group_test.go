package realize_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tricircle/tricircle/internal/neutron/realize"
	"github.com/tricircle/tricircle/internal/store"
)

// shadowsIn are the addresses of the shadows in a pod, each with the names of its groups there.
func (w *world) shadowsIn(i int) map[string][]string {
	w.t.Helper()
	names := map[any]string{}
	for _, g := range w.in(i, "security-groups", "") {
		names[g["id"]] = g["name"].(string)
	}
	all := map[string][]string{}
	for _, p := range w.in(i, "ports", by("device_owner", "tricircle:shadow")) {
		ip := p["fixed_ips"].([]any)[0].(map[string]any)["ip_address"].(string)
		all[ip] = []string{}
		for _, id := range p["security_groups"].([]any) {
			all[ip] = append(all[ip], names[id])
		}
	}
	return all
}

func (w *world) wantShadows(what string, pods ...map[string][]string) {
	w.t.Helper()
	for i, want := range pods {
		if diff := cmp.Diff(want, w.shadowsIn(i)); diff != "" {
			w.t.Errorf("%s: shadows in pod %d: %s", what, i+1, diff)
		}
	}
}

type shadows = map[string][]string

func TestSecurityGroup_AdmitsItsMembers_KnowsThoseInOtherPods(t *testing.T) {
	w := newWorld(t, 2)
	_, subnet := w.network(2101)
	web, stranger := w.group("web"), w.group("stranger")
	rule := w.rule(web, web, nil)
	a, b, c := w.port(subnet, "10.101.0.10", web), w.port(subnet, "10.101.0.11", web), w.port(subnet, "10.101.0.12", stranger)
	w.want(1, a, c)
	w.wantShadows("one pod", shadows{}, shadows{})
	w.want(2, b)
	w.wantShadows("two pods", shadows{"10.101.0.11": {"web"}}, shadows{"10.101.0.10": {"web"}})
	shadow := w.in(0, "ports", by("device_owner", "tricircle:shadow"))[0]
	if shadow["mac_address"] != b.Attrs["mac_address"] || shadow["binding:host_id"] != "" {
		t.Errorf("the shadow is %v, want the MAC of the port and no host", shadow)
	}
	w.remove(a)
	w.drain()
	w.wantShadows("one member is gone, which was the last in its pod", shadows{}, shadows{})
	again := w.port(subnet, "10.101.0.13", web)
	w.want(1, again)
	w.wantShadows("there is one again", shadows{"10.101.0.11": {"web"}}, shadows{"10.101.0.13": {"web"}})
	w.tx(func(tx store.Tx) error { return tx.Delete(t.Context(), rule.Kind, rule.ID) })
	w.ask(web.Kind, web.ID)
	w.drain()
	w.wantShadows("the rule is gone", shadows{}, shadows{})
}

func TestSecurityGroup_AdmitsAnother_WaitsUntilItIsThere(t *testing.T) {
	w := newWorld(t, 2)
	_, subnet := w.network(2101)
	front, back := w.group("front"), w.group("back")
	w.rule(back, front, map[string]any{"protocol": "tcp", "port_range_min": 5432, "port_range_max": 5432})
	w.rule(front, back, nil) // and round again
	w.want(1, w.port(subnet, "10.101.0.10", back))
	w.want(2, w.port(subnet, "10.101.0.11", front), w.port(subnet, "10.101.0.12"))
	w.wantShadows("front admits back and back front", shadows{"10.101.0.11": {"front"}}, shadows{"10.101.0.10": {"back"}})
	for i := range 2 {
		ids := map[string]any{}
		for _, g := range w.made(i, "security-groups") {
			ids[g["name"].(string)] = g["id"]
		}
		rules := w.in(i, "security-group-rules", by("security_group_id", ids["back"].(string)))
		if len(rules) != 1 || rules[0]["remote_group_id"] != ids["front"] || rules[0]["port_range_min"] != 5432.0 {
			t.Errorf("pod %d: back has rules %v", i+1, rules)
		}
	}
}

func TestSecurityGroup_Default_IsThePodsOwnAndKept(t *testing.T) {
	w := newWorld(t, 1)
	_, subnet := w.network(2101)
	group := w.group("default")
	w.rule(group, nil, map[string]any{"direction": "egress"})
	port := w.port(subnet, "10.101.0.10", group)
	w.want(1, port)
	theirs := w.in(0, "security-groups", by("project_id", w.project)+"&name=default")
	if len(theirs) != 1 || len(theirs[0]["security_group_rules"].([]any)) != 1 {
		t.Fatalf("the default groups are %v, want one with the one rule of the top", theirs)
	}
	if diff := cmp.Diff([]any{theirs[0]["id"]}, w.one(0, "ports")["security_groups"]); diff != "" {
		t.Error(diff)
	}
	w.remove(port)
	w.remove(group)
	w.drain()
	if len(w.in(0, "security-groups", by("project_id", w.project)+"&name=default")) != 1 {
		t.Error("the pod's own default group was deleted")
	}
}

func TestSecurityGroup_AddressGroups_AreRulesForTheirAddresses(t *testing.T) {
	w := newWorld(t, 1)
	_, subnet := w.network(2101)
	group := w.group("web")
	offices := w.add(store.KindAddressGroup, map[string]any{"name": "offices", "addresses": []any{}})
	w.rule(group, nil, map[string]any{"remote_address_group_id": offices.ID, "protocol": "icmp"})
	plain := w.rule(group, nil, map[string]any{"protocol": "tcp"})
	w.want(1, w.port(subnet, "10.101.0.10", group))
	for _, c := range []struct{ addresses, want []any }{
		{[]any{}, nil}, // whom a group without addresses admits: nobody
		{[]any{"10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32"}, []any{"10.0.0.0/8", "192.0.2.1/32"}},
		{[]any{"2001:db8::/32"}, nil},
		{[]any{"0.0.0.0/0"}, []any{"0.0.0.0/0"}},
	} {
		w.change(offices, map[string]any{"addresses": c.addresses})
		w.ask(group.Kind, group.ID)
		w.drain()
		var got []any
		for _, r := range w.in(0, "security-group-rules", by("security_group_id", w.one(0, "security-groups")["id"].(string))) {
			if r["remote_address_group_id"] != nil {
				t.Errorf("a rule names the pod's own address group: %v", r)
			}
			if r["protocol"] == "icmp" {
				got = append(got, r["remote_ip_prefix"])
			}
		}
		slices.SortFunc(got, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("addresses %v: %s", c.addresses, diff)
		}
	}
	if plain.Attrs["protocol"] != "tcp" || len(w.in(0, "security-group-rules", by("protocol", "tcp"))) != 1 {
		t.Error("the rule beside it is gone")
	}
}

func TestPort_MovedToAnotherPod_LeavesAShadowWhereItIsAdmitted(t *testing.T) {
	w := newWorld(t, 2)
	_, subnet := w.network(2101)
	web := w.group("web")
	w.rule(web, web, nil)
	a, b := w.port(subnet, "10.101.0.10", web), w.port(subnet, "10.101.0.11", web)
	w.want(1, a, b)
	w.want(2, b)
	w.wantShadows("moved", shadows{"10.101.0.11": {"web"}}, shadows{"10.101.0.10": {"web"}})
	w.want(1, b)
	w.wantShadows("and back", shadows{}, shadows{})
	if got := w.made(0, "ports"); len(got) != 2 || got[0]["device_owner"] != "" || got[1]["device_owner"] != "" {
		t.Errorf("the ports are %v", got)
	}
}

func TestPort_ChangedGroups_ReachThePod(t *testing.T) {
	w := newWorld(t, 1)
	_, subnet := w.network(2101)
	web, db := w.group("web"), w.group("db")
	port := w.port(subnet, "10.101.0.10", web)
	w.want(1, port)
	w.change(port, map[string]any{"security_groups": []any{db.ID}, "name": "other"})
	w.drain()
	row, err := w.store.Reader().Realizations(t.Context(), store.RealizationQuery{Kind: store.KindSecurityGroup, TopIDs: []string{db.ID}})
	if err != nil || len(row) != 1 {
		t.Fatal(row, err)
	}
	if p := w.one(0, "ports"); p["name"] != "other" || !cmp.Equal(p["security_groups"], []any{row[0].BottomID}) {
		t.Errorf("the port is %v, want it in group %s", p, row[0].BottomID)
	}
}

func TestLivePorts_SeveralPods_AreAskedOnceEach(t *testing.T) {
	w := newWorld(t, 2)
	_, subnet := w.network(2101)
	a, b, c := w.port(subnet, "10.101.0.10"), w.port(subnet, "10.101.0.11"), w.port(subnet, "10.101.0.12")
	w.want(1, a, b)
	w.want(2, c)
	host := `{"port": {"binding:host_id": "pod1-c1", "device_id": "` + subnet.ID + `"}}`
	w.call(0, "PUT", "/ports/"+w.in(0, "ports", by("description", realize.Key(store.KindPort, a.ID)))[0]["id"].(string), host)
	for i := range 2 {
		w.sim.Pod(i).ResetRequests()
	}
	got, err := w.r.LivePorts(t.Context(), []string{a.ID, b.ID, c.ID, subnet.ID})
	if err != nil || len(got) != 3 || got[a.ID].HostID != "pod1-c1" || got[a.ID].DeviceID != subnet.ID || got[c.ID].Pod.Name() != "pod2" || got[b.ID].Status != "DOWN" {
		t.Errorf("got %v, %v", got, err)
	}
	if n, m := w.sim.Pod(0).RequestCount(), w.sim.Pod(1).RequestCount(); n != 1 || m != 1 {
		t.Errorf("the pods were asked %d and %d times, want once each", n, m)
	}
	w.sim.Pod(1).Stop()
	got, err = w.r.LivePorts(t.Context(), []string{a.ID, b.ID, c.ID})
	if err == nil || len(got) != 2 {
		t.Errorf("one pod is down: got %v, %v", got, err)
	}
}
