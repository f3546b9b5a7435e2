package app

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tricircle/tricircle/internal/config"
	"github.com/tricircle/tricircle/internal/simcloud"
	"github.com/tricircle/tricircle/internal/store/sqlstore/sqltest"
)

// span is a top whose networks are in its pods, and whose jobs are run.
type span struct{ *cloud }

func newSpan(t *testing.T, set ...string) *span {
	t.Helper()
	return &span{newNetworking(t, append([]string{"DEFAULT.roles=all,neutron,xjob", "xjob.poll_interval=50ms", "xjob.retry_first=10ms",
		"xjob.retry_max=100ms", "pod.breaker_delay=100ms"}, set...)...)}
}

// onEach runs a test on both databases.
func onEach(t *testing.T, test func(t *testing.T, s *span), set ...string) {
	t.Helper()
	sqltest.OnEach(t, &postgres, func(t *testing.T, url string) {
		test(t, newSpan(t, append([]string{"database.connection=" + url}, set...)...))
	})
}

// boot asks for a server; more are members of the body besides name, image, flavor and zone.
func (s *span) boot(zone, more string) answer {
	s.t.Helper()
	body := fmt.Sprintf(`{"server": {"name": "vm", "flavorRef": "1", "imageRef": %q, "availability_zone": %q, %s}}`, s.image(), zone, more)
	return s.call(config.RoleNovaGW, "POST", "/servers", body, "OpenStack-API-Version", "compute 2.60")
}

// on is the member of a boot that names a network.
func on(network string) string { return fmt.Sprintf(`"networks": [{"uuid": %q}]`, network) }

// in lists what the top made in a pod of a collection.
func (s *span) in(i int, collection string) (rows []map[string]any) {
	s.t.Helper()
	doc := s.send("GET", s.sim.Pod(i).NetworkURL+"/v2.0/"+collection, "", "X-Auth-Token", s.sim.Token("admin", "admin", time.Hour)).want(s.t, 200)
	for _, r := range doc.get(s.t, strings.ReplaceAll(collection, "-", "_")).([]any) {
		row := r.(map[string]any)
		if d, _ := row["description"].(string); strings.HasPrefix(d, "tricircle:") && row["device_owner"] != "tricircle:shadow" {
			rows = append(rows, row)
		}
	}
	return rows
}

// ports lists ports of the top.
func (s *span) ports(query string) (rows []map[string]any) {
	s.t.Helper()
	for _, r := range s.network("GET", "/ports?"+query, "").want(s.t, 200).get(s.t, "ports").([]any) {
		rows = append(rows, r.(map[string]any))
	}
	return rows
}

// eventually fails the test unless something comes to hold while jobs are run.
func (s *span) eventually(what string, holds func() bool) {
	s.t.Helper()
	deadline := time.After(30 * time.Second)
	for !holds() {
		select {
		case <-deadline:
			s.t.Fatalf("not so after half a minute: %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// empty waits until pods have nothing of ours but default groups, which are their own.
func (s *span) empty(pods ...int) {
	s.t.Helper()
	for _, i := range pods {
		for _, collection := range []string{"trunks", "ports", "subnets", "networks", "security-groups"} {
			s.eventually(fmt.Sprintf("pod %d has no %s of ours", i+1, collection), func() bool { return len(s.in(i, collection)) == 0 })
		}
	}
}

// quiet waits until no job is left to do.
func (s *span) quiet() {
	s.t.Helper()
	s.eventually("all jobs have ended", func() bool {
		doc := s.send("GET", s.url(config.RoleAdminAPI)+"/v1.0/jobs?limit=1000", "", "X-Auth-Token", s.sim.Token("admin", "admin", time.Hour)).want(s.t, 200)
		return !slices.ContainsFunc(doc.get(s.t, "jobs").([]any), func(job any) bool {
			return job.(map[string]any)["state"] != "done"
		})
	})
}

func address(port map[string]any) any {
	return port["fixed_ips"].([]any)[0].(map[string]any)["ip_address"]
}

func TestSpan_ServersInTwoPods_ShareANetworkFromBeginningToEnd(t *testing.T) {
	onEach(t, func(t *testing.T, s *span) {
		network, _ := s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/24"`)
		var servers []string
		for i, zone := range []string{"az1", "az2"} {
			id := s.boot(zone, on(network)).want(t, 202).id(t, "server")
			servers = append(servers, id)
			top := s.ports("device_id=" + id)
			bottom := s.in(i, "ports")
			if len(top) != 1 || len(bottom) != 1 || address(top[0]) != address(bottom[0]) || top[0]["mac_address"] != bottom[0]["mac_address"] ||
				bottom[0]["device_id"] != id || top[0]["device_owner"] != "compute:"+zone {
				t.Errorf("%s: the top has %v, the pod %v", zone, top, bottom)
			}
			addresses := s.call(config.RoleNovaGW, "GET", "/servers/"+id, "").want(t, 200).get(t, "server", "addresses", "n").([]any)
			if got := addresses[0].(map[string]any)["addr"]; got != address(top[0]) {
				t.Errorf("%s: the server shows %v, its port %v", zone, got, address(top[0]))
			}
		}
		a, b := s.in(0, "networks"), s.in(1, "networks")
		if len(a) != 1 || len(b) != 1 || a[0]["provider:segmentation_id"] != b[0]["provider:segmentation_id"] || a[0]["name"] != "n" {
			t.Errorf("the pods have networks %v and %v", a, b)
		}
		s.network("DELETE", "/networks/"+network, "").want(t, 409)
		for _, id := range servers {
			s.call(config.RoleNovaGW, "DELETE", "/servers/"+id, "").want(t, 204)
			s.eventually("the server is gone", func() bool { return s.call(config.RoleNovaGW, "GET", "/servers/"+id, "").StatusCode == 404 })
			if left := s.ports("device_id=" + id); len(left) != 0 { // who is told that the server is gone finds its ports gone
				t.Errorf("ports are left: %v", left)
			}
		}
		s.network("DELETE", "/networks/"+network, "").want(t, 204)
		s.empty(0, 1)
	})
}

func TestSpan_Interfaces_AreTheTops(t *testing.T) {
	s := newSpan(t)
	network, subnet := s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/24"`)
	id := s.boot("az2", on(network)).want(t, 202).id(t, "server")
	first := s.ports("device_id=" + id)[0]["id"].(string)
	url := "/servers/" + id + "/os-interface"
	list := s.call(config.RoleNovaGW, "GET", url, "").want(t, 200).get(t, "interfaceAttachments").([]any)[0].(map[string]any)
	got := []any{list["net_id"], list["port_id"], list["fixed_ips"].([]any)[0].(map[string]any)["subnet_id"]}
	if diff := cmp.Diff([]any{network, first, subnet}, got); diff != "" {
		t.Error(diff)
	}
	made := s.call(config.RoleNovaGW, "POST", url, `{"interfaceAttachment": {"net_id": "`+network+`", "fixed_ips": [{"ip_address": "10.0.0.77"}]}}`).want(t, 200)
	second := made.get(t, "interfaceAttachment", "port_id").(string)
	if p := s.ports("id=" + second); len(p) != 1 || address(p[0]) != "10.0.0.77" || p[0]["device_id"] != id {
		t.Errorf("the new port is %v", p)
	}
	s.call(config.RoleNovaGW, "DELETE", url+"/"+second, "").want(t, 202)
	s.eventually("the port made for the server is gone", func() bool { return len(s.ports("id="+second)) == 0 && len(s.in(1, "ports")) == 1 })
	if len(s.ports("id="+first)) != 1 {
		t.Error("the port that the server still has is gone")
	}
	// Nobody was told that it is detached; who tries again is told so, and finds it gone as well.
	s.send("DELETE", s.sim.Pod(1).ComputeURL+"/v2.1/servers/"+id+"/os-interface/"+s.in(1, "ports")[0]["id"].(string), "",
		"X-Auth-Token", s.sim.Token("demo", "demo", time.Hour)).want(t, 202)
	s.call(config.RoleNovaGW, "DELETE", url+"/"+first, "").want(t, 404)
	s.eventually("the port of which nobody was told is gone", func() bool { return len(s.ports("id="+first)) == 0 && len(s.in(1, "ports")) == 0 })
}

func TestSpan_GivenPort_OutlivesTheServerAndMoves(t *testing.T) {
	onEach(t, func(t *testing.T, s *span) {
		network, _ := s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/24"`)
		port := s.network("POST", "/ports", `{"port": {"network_id": "`+network+`", "name": "mine"}}`).want(t, 201).id(t, "port")
		with := `"networks": [{"port": "` + port + `"}]`
		for i, zone := range []string{"az1", "az2"} {
			id := s.boot(zone, with).want(t, 202).id(t, "server")
			if a := s.boot(zone, with).want(t, 409); !strings.Contains(a.body, "still in use") {
				t.Errorf("a second server with the port: %s", a.body)
			}
			s.call(config.RoleNovaGW, "DELETE", "/servers/"+id, "").want(t, 204)
			s.eventually("the port is free", func() bool { return s.ports("id=" + port)[0]["device_id"] == "" })
			s.eventually("it is in the pod where it was last", func() bool { return len(s.in(i, "ports")) == 1 && len(s.in(1-i, "ports")) == 0 })
		}
		s.network("DELETE", "/ports/"+port, "").want(t, 204)
		s.network("DELETE", "/networks/"+network, "").want(t, 204)
		s.empty(0, 1)
	})
}

func TestSpan_Modes_MeanTheOneNetworkOfTheProject(t *testing.T) {
	s := newSpan(t)
	network, _ := s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/24"`)
	absent := func() answer {
		body := `{"server": {"name": "vm", "flavorRef": "1", "imageRef": "` + s.image() + `", "availability_zone": "az1"}}`
		return s.call(config.RoleNovaGW, "POST", "/servers", body)
	}
	for name, a := range map[string]answer{"absent": absent(), "auto": s.boot("az2", `"networks": "auto"`)} {
		id := a.want(t, 202).id(t, "server")
		if p := s.ports("device_id=" + id); len(p) != 1 || p[0]["network_id"] != network {
			t.Errorf("%s: the server has ports %v, want one on the network", name, p)
		}
	}
	none := s.boot("az1", `"networks": "none"`).want(t, 202).id(t, "server")
	if p := s.ports("device_id=" + none); len(p) != 0 {
		t.Errorf("none: the server has ports %v", p)
	}
	s.networkWithSubnet(`"ip_version": 4, "cidr": "10.1.0.0/24"`)
	for name, a := range map[string]answer{"absent": absent(), "auto": s.boot("az2", `"networks": "auto"`)} {
		if !strings.Contains(a.want(t, 409).body, "Multiple possible networks found, use a Network ID to be more specific.") {
			t.Errorf("%s with two networks: %s", name, a.body)
		}
	}
}

func TestSpan_Boot_RefusalsAreNovasAndLeaveNothing(t *testing.T) {
	s := newSpan(t)
	network, _ := s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/24"`)
	bare := s.network("POST", "/networks", `{"network": {"name": "bare"}}`).want(t, 201).id(t, "network")
	const nobody = "11111111-1111-4111-8111-111111111111"
	for _, c := range []struct{ more, want string }{
		{on(bare), "Network " + bare + " requires a subnet in order to boot instances on."},
		{`"networks": [{"uuid": "` + network + `"}, {"uuid": "` + nobody + `"}]`, "Network " + nobody + " could not be found."},
		{on(network) + `, "security_groups": [{"name": "nope"}]`, "Unable to find security_group with name or id 'nope'"},
		{`"networks": [{"uuid": "` + network + `", "fixed_ip": "10.9.9.9"}]`, "10.9.9.9"},
		{on(network) + `, "imageRef": "` + nobody + `"`, "image"},
	} {
		if a := s.boot("az1", c.more).want(t, 400); !strings.Contains(a.body, c.want) {
			t.Errorf("%s: got %s, want %q", c.more, a.body, c.want)
		}
	}
	if left := s.ports(""); len(left) != 0 {
		t.Errorf("ports are left at the top: %v", left)
	}
	s.eventually("no port is left in the pod", func() bool { return len(s.in(0, "ports")) == 0 })
}

func TestSpan_SeveralServers_HaveAPortEach(t *testing.T) {
	s := newSpan(t)
	network, _ := s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/24"`)
	s.boot("az1", on(network)+`, "min_count": 2, "max_count": 3`).want(t, 202)
	names := s.names(s.call(config.RoleNovaGW, "GET", "/servers", ""), "servers")
	slices.Sort(names)
	if diff := cmp.Diff([]string{"vm-1", "vm-2", "vm-3"}, names); diff != "" || len(s.ports("device_owner=compute:az1")) != 3 {
		t.Errorf("%s; ports %v", diff, s.ports(""))
	}
}

// Who asks for a reservation lists the servers by it, whatever they are plugged into.
func TestSpan_SeveralServersReserved_AreListedByTheReservation(t *testing.T) {
	s := newSpan(t)
	network, _ := s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/24"`)
	for _, more := range []string{on(network), `"networks": "none"`} {
		s.boot("az2", more).want(t, 202) // another one
		id := s.boot("az1", more+`, "min_count": 2, "return_reservation_id": true`).want(t, 202).get(t, "reservation_id").(string)
		found := s.names(s.call(config.RoleNovaGW, "GET", "/servers?reservation_id="+url.QueryEscape(id), ""), "servers")
		slices.Sort(found)
		if diff := cmp.Diff([]string{"vm-1", "vm-2"}, found); diff != "" {
			t.Errorf("%s by %q: %s", more, id, diff)
		}
	}
}

func TestSpan_SecurityGroups_ChangeAtTheTopAndInThePod(t *testing.T) {
	s := newSpan(t)
	network, _ := s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/24"`)
	group := s.network("POST", "/security-groups", `{"security_group": {"name": "web", "description": "for \"it\""}}`).want(t, 201).id(t, "security_group")
	id := s.boot("az1", on(network)+`, "security_groups": [{"name": "`+group+`"}]`).want(t, 202)
	if got := id.get(t, "server", "security_groups").([]any)[0].(map[string]any)["name"]; got != group {
		t.Errorf("the answer has group %v, want what was asked for", got)
	}
	shown := s.call(config.RoleNovaGW, "GET", "/servers/"+id.id(t, "server")+"/os-security-groups", "").want(t, 200).get(t, "security_groups").([]any)[0].(map[string]any)
	if shown["id"] != group || shown["description"] != `for "it"` {
		t.Errorf("the server's group is shown as %v", shown)
	}
	action := func(name string) answer {
		return s.call(config.RoleNovaGW, "POST", "/servers/"+id.id(t, "server")+"/action", `{"`+name+`": {"name": "default"}}`)
	}
	groups := func() (n int) { return len(s.in(0, "ports")[0]["security_groups"].([]any)) }
	action("addSecurityGroup").want(t, 202)
	if len(s.ports("")[0]["security_groups"].([]any)) != 2 || groups() != 2 {
		t.Errorf("the port is %v, in the pod %v", s.ports(""), s.in(0, "ports"))
	}
	action("removeSecurityGroup").want(t, 202)
	if groups() != 1 {
		t.Errorf("in the pod the port is %v", s.in(0, "ports"))
	}
	action("removeSecurityGroup").want(t, 404)
	s.network("POST", "/security-group-rules", `{"security_group_rule": {"security_group_id": "`+group+`", "direction": "ingress", "protocol": "icmp"}}`).want(t, 201)
	s.eventually("the rule is in the pod", func() bool { return len(s.in(0, "security-groups")[0]["security_group_rules"].([]any)) == 3 })
}

func TestSpan_DefaultRulesOfGroups_ArriveInThePod(t *testing.T) {
	s := newSpan(t)
	network, _ := s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/24"`)
	template := s.asAdmin("POST", "/default-security-group-rules", `{"default_security_group_rule": {"direction": "ingress", "protocol": "tcp",
		"port_range_min": 4242, "port_range_max": 4242, "remote_group_id": "PARENT"}}`).want(t, 201).id(t, "default_security_group_rule")
	group := s.network("POST", "/security-groups", `{"security_group": {"name": "web"}}`).want(t, 201).id(t, "security_group")
	s.asAdmin("DELETE", "/default-security-group-rules/"+template, "").want(t, 204)
	s.boot("az1", on(network)+`, "security_groups": [{"name": "`+group+`"}]`).want(t, 202)
	bottom := s.in(0, "security-groups")[0]
	rules := bottom["security_group_rules"].([]any)
	if len(rules) != 3 || !slices.ContainsFunc(rules, func(r any) bool {
		rule := r.(map[string]any)
		return rule["port_range_min"] == 4242.0 && rule["remote_group_id"] == bottom["id"]
	}) {
		t.Errorf("in the pod the group has rules %v", rules)
	}
}

func TestSpan_PodsOwnNetworks_AreForwardedAsEver(t *testing.T) {
	s := newSpan(t)
	private := s.send("GET", s.sim.Pod(1).NetworkURL+"/v2.0/networks?name=private2", "", "X-Auth-Token", s.sim.Token("demo", "demo", time.Hour)).
		want(t, 200).get(t, "networks").([]any)[0].(map[string]any)["id"].(string)
	id := s.boot("az2", on(private)).want(t, 202).id(t, "server")
	if p := s.ports("device_id=" + id); len(p) != 0 {
		t.Errorf("the top has ports %v", p)
	}
	list := s.call(config.RoleNovaGW, "GET", "/servers/"+id+"/os-interface", "").want(t, 200).get(t, "interfaceAttachments").([]any)[0].(map[string]any)
	if list["net_id"] != private {
		t.Errorf("the interface is %v", list)
	}
}

// Whatever fails in the pod while a server is booted: either there is a server with its port, or there is nothing.
func TestSpan_PodFailsDuringBoot_LeavesAServerOrNothing(t *testing.T) {
	for name, fault := range map[string]simcloud.Fault{
		"down": {Reset: true}, "hangs": {Hang: true}, "503": {Status: 503}, "lost reply": {LostReply: true, Count: 1}, "half a body": {HalfBody: true, Count: 1},
	} {
		for _, service := range []string{"network", "compute"} {
			t.Run(name+" "+service, func(t *testing.T) {
				t.Parallel()
				s := newSpan(t, "pod.timeout=300ms")
				network, _ := s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/24"`)
				fault.Service, fault.Methods = service, []string{"POST"}
				s.sim.Pod(0).SetFault(fault)
				a := s.boot("az1", on(network))
				s.sim.Pod(0).SetFault(simcloud.Fault{})
				if a.StatusCode == 202 {
					id := a.id(t, "server")
					s.eventually("the port names the server", func() bool { return len(s.ports("device_id="+id)) == 1 })
					s.call(config.RoleNovaGW, "DELETE", "/servers/"+id, "").want(t, 204)
				} else if a.StatusCode != 503 {
					t.Errorf("got %d %s", a.StatusCode, a.body)
				}
				s.eventually("no port is left", func() bool { return len(s.ports("")) == 0 && len(s.in(0, "ports")) == 0 })
				s.network("DELETE", "/networks/"+network, "").want(t, 204)
				s.empty(0)
			})
		}
	}
}

// A pod may hang for longer than a client waits.
func TestSpan_PodHangsDuringBoot_TheClientIsToldInTime(t *testing.T) {
	s := newSpan(t, "pod.timeout=1h", "networks.boot_timeout=12s") // of which a boot takes half
	network, _ := s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/24"`)
	s.sim.Pod(0).SetFault(simcloud.Fault{Hang: true, Service: "network"})
	s.boot("az1", on(network)).want(t, 503)
	anywhere := fmt.Sprintf(`{"server": {"name": "vm", "flavorRef": "1", "imageRef": %q, %s}}`, s.image(), on(network))
	id := s.call(config.RoleNovaGW, "POST", "/servers", anywhere, "OpenStack-API-Version", "compute 2.60").want(t, 202).id(t, "server")
	if ports := s.ports(""); len(ports) != 1 || ports[0]["device_id"] != id || len(s.in(1, "ports")) != 1 {
		t.Errorf("besides that of the server in the other pod there are ports: %v", ports)
	}
	s.sim.Pod(1).SetFault(simcloud.Fault{Hang: true, Service: "compute", Methods: []string{"POST"}})
	if a := s.boot("az2", on(network)).want(t, 503); !strings.Contains(a.body, "did not confirm the creation") {
		t.Errorf("got %s", a.body)
	}
	for i := range 2 {
		s.sim.Pod(i).SetFault(simcloud.Fault{})
	}
}

// Nobody tells the top of what ends without it: servers that users of a pod delete, and those that a process saw the end of that was killed.
func TestSpan_ServerThatEndsUnseen_LeavesNoPort(t *testing.T) {
	onEach(t, func(t *testing.T, s *span) {
		network, _ := s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/24"`)
		given := s.network("POST", "/ports", `{"port": {"network_id": "`+network+`"}}`).want(t, 201).id(t, "port")
		id := s.boot("az1", `"networks": [{"uuid": "`+network+`"}, {"port": "`+given+`"}]`).want(t, 202).id(t, "server")
		stays := s.boot("az1", on(network)).want(t, 202).id(t, "server")
		s.send("DELETE", s.sim.Pod(0).ComputeURL+"/v2.1/servers/"+id, "", "X-Auth-Token", s.sim.Token("demo", "demo", time.Hour)).want(t, 204)
		s.eventually("the port that was made for the server is gone", func() bool { return len(s.ports("")) == 2 && len(s.in(0, "ports")) == 2 })
		s.eventually("the user's own port is free", func() bool { // by a job of its own
			p := s.ports("id=" + given)
			return len(p) == 1 && p[0]["device_id"] == ""
		})
		if p := s.ports("device_id=" + stays); len(p) != 1 {
			t.Errorf("the other server has ports %v", p)
		}
	}, "xjob.audit_interval=200ms", "networks.boot_timeout=20s") // its ports have a quarter of that, with the race detector and others at work
}

func TestSpan_PodDownWhileThingsAreDeleted_IsEmptiedWhenItReturns(t *testing.T) {
	onEach(t, func(t *testing.T, s *span) {
		network, _ := s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/24"`)
		port := s.network("POST", "/ports", `{"port": {"network_id": "`+network+`"}}`).want(t, 201).id(t, "port")
		id := s.boot("az1", `"networks": [{"port": "`+port+`"}]`).want(t, 202).id(t, "server")
		s.call(config.RoleNovaGW, "DELETE", "/servers/"+id, "").want(t, 204)
		s.eventually("the port is free", func() bool { return s.ports("id=" + port)[0]["device_id"] == "" })
		s.sim.Pod(0).SetFault(simcloud.Fault{Reset: true, Service: "network"})
		s.network("DELETE", "/ports/"+port, "").want(t, 204)
		s.network("DELETE", "/networks/"+network, "").want(t, 204)
		s.sim.Pod(0).SetFault(simcloud.Fault{})
		s.empty(0)
	})
}

func TestSpan_BootOnARealizedNetwork_CostsAConstantNumberOfCalls(t *testing.T) {
	s := newSpan(t, "DEFAULT.roles=admin-api,nova-gw,cinder-gw,neutron") // what xjob does meanwhile is no cost of a boot
	network, _ := s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/16"`)
	var calls []int
	for range 6 {
		s.sim.Pod(0).ResetRequests()
		s.boot("az1", on(network)).want(t, http.StatusAccepted)
		n := 0
		for _, r := range s.sim.Pod(0).Requests() {
			if r.Service == "network" && !strings.Contains(r.Path, "/security-group") { // those are made equal later, as ever
				n++
			}
		}
		calls = append(calls, n)
	}
	if last := calls[len(calls)-1]; last != calls[1] || last > 2 {
		t.Errorf("boots one after the other cost %v calls to the pod's Neutron, want the same few from the second on", calls)
	}
}
