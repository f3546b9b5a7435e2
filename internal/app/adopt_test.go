package app

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tricircle/tricircle/internal/config"
	"github.com/tricircle/tricircle/internal/simcloud"
)

// brown is a top over pods that are in use already.
type brown struct {
	*span
	project string // the id of demo
}

func newBrown(t *testing.T, set ...string) *brown {
	t.Helper()
	b := &brown{span: newSpan(t, set...)}
	groups := b.pod(0, "GET", "/security-groups?name=default", "", "demo").want(t, 200).get(t, "security_groups").([]any)
	b.project = groups[0].(map[string]any)["project_id"].(string)
	return b
}

// pod makes a call to the Neutron of a pod, past the top.
func (b *brown) pod(i int, method, path, body, user string) answer {
	b.t.Helper()
	return b.send(method, b.sim.Pod(i).NetworkURL+"/v2.0"+path, body, "X-Auth-Token", b.sim.Token(user, user, time.Hour))
}

// make makes a resource in pod 1 as an administrator, for demo, and returns its id.
func (b *brown) make(collection, kind, attrs string) string {
	b.t.Helper()
	body := fmt.Sprintf(`{%q: {"project_id": %q, %s}}`, kind, b.project, attrs)
	return b.pod(0, "POST", "/"+collection, body, "admin").want(b.t, 201).id(b.t, kind)
}

// vlan makes a network in pod 1 on a VLAN of the wire that joins the pods, with a subnet.
func (b *brown) vlan(segment int, more string) (network, subnet string) {
	b.t.Helper()
	network = b.make("networks", "network", fmt.Sprintf(`"name": "old%d", "provider:network_type": "vlan", "provider:physical_network": "bridge",
		"provider:segmentation_id": %d, "mtu": 1500, "description": "words of a user" %s`, segment, segment, more))
	return network, b.make("subnets", "subnet", fmt.Sprintf(`"network_id": %q, "ip_version": 4, "cidr": "10.0.%d.0/24"`, network, segment%100))
}

// bootInPod boots a server in pod 1 past the top.
func (b *brown) bootInPod(networks string) string {
	b.t.Helper()
	body := fmt.Sprintf(`{"server": {"name": "old", "flavorRef": "1", "imageRef": %q, "networks": [%s]}}`, b.image(), networks)
	return b.send("POST", b.sim.Pod(0).ComputeURL+"/v2.1/servers", body, "X-Auth-Token", b.sim.Token("demo", "demo", time.Hour)).want(b.t, 202).id(b.t, "server")
}

// adopt asks the top to adopt a network of pod 1.
func (b *brown) adopt(network string, more string) answer {
	b.t.Helper()
	return b.send("POST", b.podURL()+"/networks", `{"network": {"id": "`+network+`"`+more+`}}`, "X-Auth-Token", b.sim.Token("admin", "admin", time.Hour))
}

// podURL is pod 1 in the Admin API.
func (b *brown) podURL() string {
	b.t.Helper()
	return b.url(config.RoleAdminAPI) + "/v1.0/pods/" + b.top.pods.Snapshot().Zone(b.sim.Pod(0).Zone)[0].ID
}

func (b *brown) steps(a answer) []any {
	b.t.Helper()
	return a.want(b.t, 200).get(b.t, "network", "steps").([]any)
}

func TestAdopt_NetworkWithServers_IsTheTopsAndSpansPods(t *testing.T) {
	b := newBrown(t)
	network, subnet := b.vlan(3001, "") // outside of the top's ranges
	group := b.make("security-groups", "security_group", `"name": "web", "description": "for \"it\""`)
	b.make("security-group-rules", "security_group_rule", `"direction": "ingress", "protocol": "tcp", "port_range_min": 80, "port_range_max": 80, "security_group_id": "`+group+`"`)
	given := b.make("ports", "port", `"name": "mine", "network_id": "`+network+`", "security_groups": ["`+group+`"]`)
	withPort := b.bootInPod(`{"port": "` + given + `"}`)
	withNetwork := b.bootInPod(`{"uuid": "` + network + `"}`)
	before := b.pod(0, "GET", "/ports?network_id="+network, "", "admin").get(t, "ports").([]any)

	if steps := b.steps(b.adopt(network, `, "dry_run": true`)); len(steps) < 6 {
		t.Errorf("a dry run has steps %v", steps)
	}
	b.network("GET", "/networks/"+network, "").want(t, 404)
	b.steps(b.adopt(network, ""))
	b.quiet()
	if steps := b.steps(b.adopt(network, "")); len(steps) != 0 {
		t.Errorf("a second run has steps %v", steps)
	}
	shown := b.asAdmin("GET", "/networks/"+network, "").want(t, 200)
	got := map[string]any{"description": shown.one(t, "network", "description"), "type": shown.one(t, "network", "provider:network_type"),
		"segment": shown.one(t, "network", "provider:segmentation_id"), "subnets": shown.one(t, "network", "subnets"), "mtu": shown.one(t, "network", "mtu")}
	want := map[string]any{"description": "words of a user", "type": "vlan", "segment": 3001.0, "subnets": []any{subnet}, "mtu": 1500.0}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the network at the top: %s", diff)
	}
	b.unchanged(network, before)
	for server, port := range map[string]string{withPort: given, withNetwork: ""} {
		ports := b.ports("device_id=" + server)
		list := b.call(config.RoleNovaGW, "GET", "/servers/"+server+"/os-interface", "").want(t, 200).get(t, "interfaceAttachments").([]any)[0].(map[string]any)
		if len(ports) != 1 || port != "" && ports[0]["id"] != port || list["port_id"] != ports[0]["id"] || list["net_id"] != network || ports[0]["status"] != "ACTIVE" {
			t.Errorf("server %s has ports %v and interface %v", server, ports, list)
		}
	}
	b.share(network, given)
	for i := range 2 {
		b.eventually("the rule that was added at the top is in both pods", func() bool {
			groups := b.in(i, "security-groups")
			return len(groups) == 1 && len(groups[0]["security_group_rules"].([]any)) == 4 && groups[0]["name"] == "web"
		})
	}
	b.end(network, withPort, withNetwork, given, group)
}

// unchanged tells that ports are in the pod what they were, but for the find-key.
func (b *brown) unchanged(network string, before []any) {
	b.t.Helper()
	after := b.pod(0, "GET", "/ports?network_id="+network, "", "admin").get(b.t, "ports").([]any)
	for _, list := range [][]any{before, after} {
		for _, entry := range list {
			for _, name := range []string{"description", "revision_number", "updated_at"} {
				delete(entry.(map[string]any), name)
			}
		}
		slices.SortFunc(list, func(x, y any) int {
			return strings.Compare(x.(map[string]any)["id"].(string), y.(map[string]any)["id"].(string))
		})
	}
	if diff := cmp.Diff(before, after); diff != "" {
		b.t.Errorf("ports in the pod have changed: %s", diff)
	}
}

// share boots more servers on an adopted network, in both pods, and adds a rule to the group of its port.
func (b *brown) share(network, port string) {
	b.t.Helper()
	group := b.ports("id=" + port)[0]["security_groups"].([]any)[0].(string)
	var more []string
	for _, zone := range []string{"az1", "az2"} {
		more = append(more, b.boot(zone, on(network)+`, "security_groups": [{"name": "web"}]`).want(b.t, 202).id(b.t, "server"))
	}
	seen := map[any]bool{}
	for _, p := range b.ports("network_id=" + network) {
		if ip := address(p); seen[ip] {
			b.t.Errorf("two ports have %v", ip)
		} else {
			seen[ip] = true
		}
	}
	second := b.in(1, "networks")
	if len(seen) != 4 || len(second) != 1 || second[0]["provider:segmentation_id"] != 3001.0 {
		b.t.Errorf("addresses %v, the second pod has networks %v", seen, second)
	}
	b.network("POST", "/security-group-rules", `{"security_group_rule": {"security_group_id": "`+group+`", "direction": "ingress", "protocol": "icmp"}}`).want(b.t, 201)
	for _, id := range more {
		b.call(config.RoleNovaGW, "DELETE", "/servers/"+id, "").want(b.t, 204)
	}
	b.eventually("the servers' ports are gone", func() bool { return len(b.ports("network_id="+network)) == 2 })
}

// end deletes all of it through the top.
func (b *brown) end(network, withPort, withNetwork, given, group string) {
	b.t.Helper()
	for _, id := range []string{withPort, withNetwork} {
		b.call(config.RoleNovaGW, "DELETE", "/servers/"+id, "").want(b.t, 204)
	}
	b.eventually("the port that Nova had made is gone, the user's is free", func() bool {
		left := b.ports("network_id=" + network)
		return len(left) == 1 && left[0]["id"] == given && left[0]["device_id"] == ""
	})
	b.network("DELETE", "/ports/"+given, "").want(b.t, 204)
	b.network("DELETE", "/networks/"+network, "").want(b.t, 204)
	b.network("DELETE", "/security-groups/"+group, "").want(b.t, 204)
	b.empty(0, 1)
	b.eventually("nothing is left in the pod", func() bool {
		return b.pod(0, "GET", "/networks/"+network, "", "admin").StatusCode == 404 && b.pod(0, "GET", "/security-groups/"+group, "", "admin").StatusCode == 404
	})
}

func TestAdopt_OverlayOfThePod_StaysThereAndKeepsItsPools(t *testing.T) {
	b := newBrown(t)
	network := b.make("networks", "network", `"name": "inner"`)
	subnet := b.make("subnets", "subnet", `"network_id": "`+network+`", "ip_version": 4, "cidr": "10.9.0.0/24"`)
	pools := b.pod(0, "GET", "/subnets/"+subnet, "", "admin").get(t, "subnet", "allocation_pools")
	router := b.make("routers", "router", `"name": "r"`)
	b.pod(0, "PUT", "/routers/"+router+"/add_router_interface", `{"subnet_id": "`+subnet+`"}`, "admin").want(t, 200)
	b.steps(b.adopt(network, ""))
	b.quiet()
	if diff := cmp.Diff(pools, b.pod(0, "GET", "/subnets/"+subnet, "", "admin").get(t, "subnet", "allocation_pools")); diff != "" {
		t.Errorf("the pools in the pod have changed: %s", diff)
	}
	shown := b.asAdmin("GET", "/networks/"+network, "").want(t, 200)
	if hints := shown.one(t, "network", "availability_zone_hints"); !cmp.Equal(hints, []any{"az1"}) || shown.one(t, "network", "provider:network_type") != "local" {
		t.Errorf("the network is %s", shown.body)
	}
	b.boot("az2", on(network)).want(t, 400)
	id := b.boot("az1", on(network)).want(t, 202).id(t, "server")
	if p := b.ports("device_id=" + id); len(p) != 1 || address(p[0]) == "10.9.0.1" || address(p[0]) == "10.9.0.2" {
		t.Errorf("the server has ports %v", p)
	}
	b.call(config.RoleNovaGW, "DELETE", "/servers/"+id, "").want(t, 204)
	owner := "device_owner=network:router_interface"
	port := b.ports(owner)[0]["id"].(string)
	if d := b.pod(0, "GET", "/ports/"+port, "", "admin").get(t, "port", "description"); d != "" {
		t.Errorf("the router's port in the pod is marked %v, as if the top managed it", d)
	}
	b.network("DELETE", "/ports/"+port, "").refused(t, 409, "ServicePortInUse", "network:router_interface")
	b.pod(0, "PUT", "/routers/"+router+"/remove_router_interface", `{"subnet_id": "`+subnet+`"}`, "admin").want(t, 200)
	server := b.bootInPod(`{"uuid": "` + network + `"}`)
	if steps := b.steps(b.adopt(network, "")); len(steps) != 2 || len(b.ports("device_id="+server)) != 1 {
		t.Errorf("adopted again, after a router went and a server came in the pod: %v", steps)
	}
	b.eventually("the port of the router is gone at the top too", func() bool { return len(b.ports(owner)) == 0 })
}

func TestAdopt_DefaultGroups_AreJoined(t *testing.T) {
	b := newBrown(t)
	theirs := b.pod(0, "GET", "/security-groups?name=default", "", "demo").get(t, "security_groups").([]any)[0].(map[string]any)["id"].(string)
	b.make("security-group-rules", "security_group_rule", `"direction": "ingress", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22, "security_group_id": "`+theirs+`"`)
	rules := func() int {
		groups := b.network("GET", "/security-groups?name=default", "").want(t, 200).get(t, "security_groups").([]any)
		return len(groups[0].(map[string]any)["security_group_rules"].([]any))
	}
	if rules() != 4 {
		t.Fatal("the top's default group has not four rules")
	}
	network, _ := b.vlan(2005, "")
	server := b.bootInPod(`{"uuid": "` + network + `"}`)
	b.steps(b.adopt(network, ""))
	b.quiet()
	if n := rules(); n != 5 {
		t.Errorf("the top's default group has %d rules, want its four and the pod's fifth", n)
	}
	in := b.pod(0, "GET", "/security-groups/"+theirs, "", "admin").get(t, "security_group").(map[string]any)
	if len(in["security_group_rules"].([]any)) != 5 || in["description"] != "Default security group" {
		t.Errorf("the pod's default group is %v", in)
	}
	if got := b.ports("device_id=" + server)[0]["security_groups"].([]any); len(got) != 1 || got[0] == theirs {
		t.Errorf("the port has groups %v, want the top's default", got)
	}
}

func TestAdopt_Refusals_NameTheCulprit(t *testing.T) {
	b := newBrown(t)
	theTops, _ := b.networkWithSubnet(`"ip_version": 4, "cidr": "10.7.0.0/24"`)
	segment := int(b.asAdmin("GET", "/networks/"+theTops, "").one(t, "network", "provider:segmentation_id").(float64))
	taken, _ := b.vlan(segment, "")
	b.boot("az2", on(theTops)).want(t, 202)
	marked := b.make("networks", "network", `"name": "m", "description": "tricircle:network:11111111-1111-4111-8111-111111111111"`)
	byGroup, _ := b.vlan(3010, "")
	group := b.make("security-groups", "security_group", `"name": "g"`)
	b.make("security-group-rules", "security_group_rule", `"direction": "ingress", "security_group_id": "`+group+`", "remote_address_group_id": "11111111-1111-4111-8111-111111111111"`)
	b.make("ports", "port", `"network_id": "`+byGroup+`", "security_groups": ["`+group+`"]`)
	for _, c := range []struct {
		network string
		status  int
		says    string
	}{
		{"11111111-1111-4111-8111-111111111111", 404, "Pod pod1 has no network 11111111"},
		{taken, 409, "belongs to network " + theTops + " of the top"},
		{marked, 409, "clear the description"},
		{byGroup, 409, "admits an address group"},
	} {
		if a := b.adopt(c.network, "").want(t, c.status); !strings.Contains(a.body, c.says) {
			t.Errorf("network %s: %s, want %q", c.network, a.body, c.says)
		}
		b.network("GET", "/networks/"+c.network, "").want(t, 404)
	}
	list := b.send("GET", b.podURL()+"/networks?project_id="+b.project, "", "X-Auth-Token", b.sim.Token("admin", "admin", time.Hour)).want(t, 200).get(t, "networks").([]any)
	if len(list) != 3 {
		t.Errorf("the candidates are %v", list)
	}
}

// Whichever call to the pod fails, and however: a second run finds nothing done, or goes on from where the first was.
func TestAdopt_PodFailsAtAnyCall_IsAdoptedOnceInTheEnd(t *testing.T) {
	b := newBrown(t, "pod.timeout=300ms", "pod.breaker_failures=1000")
	segment := 3100
	for name, fault := range map[string]simcloud.Fault{"reset": {Reset: true}, "503": {Status: 503}, "lost reply": {LostReply: true}} {
		for after := range 12 {
			segment++
			network, subnet := b.vlan(segment, "")
			server := b.bootInPod(`{"uuid": "` + network + `"}`)
			fault.Service, fault.After, fault.Count = "network", after, 1
			b.sim.Pod(0).SetFault(fault)
			if a := b.adopt(network, ""); a.StatusCode != http.StatusOK && a.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("%s at call %d: %d %s", name, after, a.StatusCode, a.body)
			}
			b.steps(b.adopt(network, ""))
			b.sim.Pod(0).SetFault(simcloud.Fault{})
			b.quiet()
			if steps := b.steps(b.adopt(network, "")); len(steps) != 0 {
				t.Errorf("%s at call %d: left to do %v", name, after, steps)
			}
			b.whole(fmt.Sprintf("%s at call %d", name, after), network, subnet, server)
		}
	}
}

// whole tells that an adopted network with a subnet and a server is the top's, and marked as such in the pod.
func (b *brown) whole(what, network, subnet, server string) {
	b.t.Helper()
	ports := b.ports("network_id=" + network)
	if len(ports) != 1 || ports[0]["device_id"] != server {
		b.t.Fatalf("%s: the top has ports %v", what, ports)
	}
	for path, key := range map[string]string{"/networks/" + network: "network", "/subnets/" + subnet: "subnet", "/ports/" + ports[0]["id"].(string): "port"} {
		_, id, _ := strings.Cut(path[1:], "/")
		o := b.pod(0, "GET", path, "", "admin").want(b.t, 200).get(b.t, key).(map[string]any)
		if o["description"] != "tricircle:"+key+":"+id {
			b.t.Errorf("%s: in the pod the %s is %v", what, key, o)
		}
		if pools, ok := o["allocation_pools"].([]any); ok {
			if p := pools[0].(map[string]any); len(pools) != 1 || p["start"] != p["end"] {
				b.t.Errorf("%s: in the pod the subnet has pools %v", what, pools)
			}
		}
	}
}
