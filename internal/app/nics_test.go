package app

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tricircle/tricircle/internal/config"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/store"
)

// compute makes a call to the compute API as user demo, at 2.1.
func (s *span) compute(method, path, body string) answer {
	s.t.Helper()
	return s.call(config.RoleNovaGW, method, path, body)
}

// bootOld asks for a server at 2.1, where networks may be absent.
func (s *span) bootOld(more string) answer {
	s.t.Helper()
	return s.compute("POST", "/servers", fmt.Sprintf(`{"server": {"name": "vm", "flavorRef": "1", "imageRef": %q, "availability_zone": "az1" %s}}`,
		s.image(), more))
}

// says fails the test unless the answer is Nova's refusal in exactly these words.
func (a answer) says(t *testing.T, status int, fault, text string) {
	t.Helper()
	if got := a.want(t, status).get(t, fault, "message"); got != text {
		t.Errorf("%s %s: got %q, want %q", a.Request.Method, a.Request.URL.Path, got, text)
	}
}

func TestNICs_NoNetworkOfTheTop_IsNoNetwork(t *testing.T) {
	s := newSpan(t) // the pods have networks of their own
	for name, a := range map[string]answer{"absent": s.bootOld(""), "none": s.boot("az1", `"networks": "none"`),
		"empty": s.boot("az2", `"networks": []`), "none with a group": s.boot("az1", `"networks": "none", "security_groups": [{"name": "default"}]`)} {
		id := a.want(t, 202).id(t, "server")
		if got := s.compute("GET", "/servers/"+id, "").want(t, 200).get(t, "server", "addresses"); !cmp.Equal(got, map[string]any{}) {
			t.Errorf("%s: the server has addresses %v", name, got)
		}
	}
	s.boot("az1", `"networks": "none", "security_groups": [{"name": "nope"}]`).
		says(t, 400, "badRequest", "Unable to find security_group with name or id 'nope'")
}

func TestNICs_BodyThatNovaRefuses_ComesToItAsItIs(t *testing.T) {
	s := newSpan(t)
	s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/24"`)
	for _, body := range []string{`{"server": {"name": "x", "availability_zone": "az1"}}`, `{"server": {"flavorRef": "1", "imageRef": ""}}`} {
		a := s.compute("POST", "/servers", body)
		direct := s.send("POST", s.sim.Pod(0).ComputeURL+"/v2.1/servers", body, "X-Auth-Token", s.sim.Token("demo", "demo", time.Hour)).want(t, 400)
		if diff := cmp.Diff(direct.get(t, "badRequest", "message"), a.want(t, 400).get(t, "badRequest", "message")); diff != "" {
			t.Error(diff)
		}
	}
	if ports := s.ports(""); len(ports) != 0 {
		t.Errorf("ports were made: %v", ports)
	}
}

func TestNICs_Auto_AllocatesOnlyFromDefaultPools(t *testing.T) {
	s := newSpan(t)
	project := s.network("GET", "/auto-allocated-topology/null?fields=dry-run", "")
	if project.StatusCode != 409 {
		t.Fatalf("got %d %s", project.StatusCode, project.body)
	}
	if a := s.boot("az1", `"networks": "auto"`).want(t, 400); !strings.Contains(a.body, "Unable to automatically allocate a network for project ") {
		t.Errorf("without a pool: %s", a.body)
	}
	s.asAdmin("POST", "/subnetpools", `{"subnetpool": {"name": "p", "shared": true, "is_default": true, "prefixes": ["10.64.0.0/16"], "default_prefixlen": 24}}`).
		want(t, 201)
	for range 2 { // the second finds what the first made
		id := s.boot("az1", `"networks": "auto"`).want(t, 202).id(t, "server")
		if p := s.ports("device_id=" + id); len(p) != 1 || !strings.HasPrefix(address(p[0]).(string), "10.64.") {
			t.Errorf("the server has ports %v", p)
		}
	}
	if n := s.network("GET", "/networks", "").want(t, 200).get(t, "networks").([]any); len(n) != 1 {
		t.Errorf("networks: %v", n)
	}
}

func TestNICs_SharedNetworks_CountAsOnesOwn(t *testing.T) {
	s := newSpan(t)
	shared := s.asAdmin("POST", "/networks", `{"network": {"name": "shared", "shared": true}}`).want(t, 201).id(t, "network")
	s.asAdmin("POST", "/subnets", `{"subnet": {"network_id": "`+shared+`", "ip_version": 4, "cidr": "10.9.0.0/24"}}`).want(t, 201)
	s.asAdmin("POST", "/networks", `{"network": {"name": "outside", "router:external": true}}`).want(t, 201) // seen by all, used by none
	id := s.bootOld("").want(t, 202).id(t, "server")
	if p := s.ports("device_id=" + id); len(p) != 1 || p[0]["network_id"] != shared {
		t.Errorf("the server has ports %v, want one on the shared network", p)
	}
	s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/24"`)
	const several = "Multiple possible networks found, use a Network ID to be more specific."
	s.bootOld("").says(t, 409, "conflictingRequest", several)
	s.compute("POST", "/servers/"+id+"/os-interface", `{"interfaceAttachment": {}}`).says(t, 400, "badRequest", several)
}

// The texts are those of Nova 26.
func TestNICs_Boot_RefusesInNovasWordsAndOrder(t *testing.T) {
	s := newSpan(t)
	network, _ := s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/24"`)
	bare := s.network("POST", "/networks", `{"network": {"name": "bare"}}`).want(t, 201).id(t, "network")
	free := s.network("POST", "/ports", `{"port": {"network_id": "`+network+`", "fixed_ips": [{"ip_address": "10.0.0.50"}]}}`).want(t, 201).id(t, "port")
	used := s.network("POST", "/ports", `{"port": {"network_id": "`+network+`", "device_id": "x"}}`).want(t, 201).id(t, "port")
	const nobody, nobodyElse = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
	net, port := `{"uuid": "`+network+`"}`, func(id string) string { return `{"port": "` + id + `"}` }
	for _, c := range []struct {
		networks, more string
		status         int
		want           string
	}{
		{port(free) + "," + port(free), "", 400, "Port ID '" + free + "' was specified twice: you cannot attach a port multiple times."},
		{`{"port": "` + free + `", "fixed_ip": "10.0.0.9"}`, "", 400,
			"Specified Fixed IP '10.0.0.9' cannot be used with port '" + free + "': the two cannot be specified together."},
		{port(used), "", 409, "Port " + used + " is still in use."},
		{`{"uuid": "` + bare + `"},` + port(used), "", 409, "Port " + used + " is still in use."},
		{port(used), `, "security_groups": [{"name": "nope"}]`, 400, "Unable to find security_group with name or id 'nope'"},
		{`{"uuid": "` + nobody + `"},` + net + `, {"uuid": "` + nobodyElse + `"}`, "", 400,
			"Network " + nobody + ", " + nobodyElse + " could not be found."},
		{`{"uuid": "` + nobody + `"}, {"uuid": "` + bare + `"}`, "", 400, "Network " + bare + " requires a subnet in order to boot instances on."},
		{port(nobody) + "," + net, "", 400, "Port id " + nobody + " could not be found."},
		{`{"uuid": "` + network + `", "fixed_ip": "10.0.0.50"}`, "", 400, "Fixed IP address 10.0.0.50 is already in use on instance ."},
		{`{"uuid": "` + network + `", "fixed_ip": "10.0.0.51"}`, `, "min_count": 2`, 400,
			"Failed to launch instances: max_count cannot be greater than 1 if an fixed_ip is specified."},
		{port(free), `, "max_count": "2"`, 400, "Failed to launch instances: Unable to launch multiple instances with a single configured " +
			"port ID. Please launch your instance one by one with different ports."},
		{net, `, "min_count": 3, "max_count": 2`, 400, "min_count must be <= max_count"},
	} {
		fault := map[int]string{400: "badRequest", 409: "conflictingRequest"}[c.status]
		s.boot("az1", `"networks": [`+c.networks+"]"+c.more).says(t, c.status, fault, c.want)
	}
	s.call(config.RoleNovaGW, "POST", "/servers", fmt.Sprintf(`{"server": {"name": "vm", "hostname": "host", "flavorRef": "1", "imageRef": %q,
		"max_count": 2, "networks": [%s]}}`, s.image(), net), "OpenStack-API-Version", "compute 2.90").
		says(t, 400, "badRequest", "Unable to allocate a single hostname to multiple instances")
	if p := s.ports("id=" + free); p[0]["device_id"] != "" {
		t.Errorf("the port is left in use: %v", p)
	}
}

func TestNICs_Attach_RefusesInNovasWords(t *testing.T) {
	s := newSpan(t)
	id := s.boot("az1", `"networks": "none"`).want(t, 202).id(t, "server")
	url := "/servers/" + id + "/os-interface"
	if a := s.compute("POST", url, `{"interfaceAttachment": {}}`).want(t, 400); !strings.Contains(a.body,
		"No specific network was requested and none are available for project '") {
		t.Errorf("without a network: %s", a.body)
	}
	network, _ := s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/24"`)
	used := s.network("POST", "/ports", `{"port": {"network_id": "`+network+`", "device_id": "x", "fixed_ips": [{"ip_address": "10.0.0.50"}]}}`).
		want(t, 201).id(t, "port")
	s.compute("POST", url, `{"interfaceAttachment": {"port_id": "`+used+`"}}`).says(t, 409, "conflictingRequest", "Port "+used+" is still in use.")
	s.compute("POST", url, `{"interfaceAttachment": {"net_id": "`+network+`", "fixed_ips": [{"ip_address": "10.0.0.50"}]}}`).
		says(t, 409, "conflictingRequest", "Fixed IP address 10.0.0.50 is already in use on instance x.")
	s.compute("POST", url, `{"interfaceAttachment": {}}`).want(t, 200)
}

func TestNICs_FixedIPActions_ChangeThePortAtTheTopAndInThePod(t *testing.T) {
	s := newSpan(t)
	network, _ := s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/24"`)
	id := s.boot("az1", on(network)).want(t, 202).id(t, "server")
	action := func(body string) answer { return s.compute("POST", "/servers/"+id+"/action", body) }
	addresses := func(port map[string]any) (all []string) {
		for _, ip := range port["fixed_ips"].([]any) {
			all = append(all, ip.(map[string]any)["ip_address"].(string))
		}
		slices.Sort(all)
		return all
	}
	before := addresses(s.ports("device_id=" + id)[0])
	action(`{"addFixedIp": {"networkId": "`+network+`"}}`).want(t, 202)
	top := addresses(s.ports("device_id=" + id)[0])
	if bottom := addresses(s.in(0, "ports")[0]); len(top) != 2 || !cmp.Equal(top, bottom) {
		t.Fatalf("the port has %v, in the pod %v, want the same two", top, bottom)
	}
	added := top[slices.IndexFunc(top, func(ip string) bool { return ip != before[0] })]
	action(`{"removeFixedIp": {"address": "`+added+`"}}`).want(t, 202)
	if top, bottom := addresses(s.ports("device_id=" + id)[0]), addresses(s.in(0, "ports")[0]); !cmp.Equal(top, before) || !cmp.Equal(bottom, before) {
		t.Errorf("after the removal the port has %v, in the pod %v, want %v", top, bottom, before)
	}
	s.call(config.RoleNovaGW, "POST", "/servers/"+id+"/action", `{"addFixedIp": {"networkId": "`+network+`"}}`, "OpenStack-API-Version", "compute 2.44").
		want(t, 404)
}

func TestNICs_GroupsOfAServer_AreTheTopsWithTheirRules(t *testing.T) {
	s := newSpan(t)
	network, _ := s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/24"`)
	web := s.network("POST", "/security-groups", `{"security_group": {"name": "web", "description": "for all"}}`).want(t, 201).id(t, "security_group")
	db := s.network("POST", "/security-groups", `{"security_group": {"name": "db"}}`).want(t, 201).id(t, "security_group")
	var rules []string
	for _, more := range []string{`"protocol": "tcp", "port_range_min": 22, "port_range_max": 22, "remote_ip_prefix": "10.0.0.0/8"`,
		`"protocol": "udp", "remote_group_id": "` + web + `"`} {
		rules = append(rules, s.network("POST", "/security-group-rules", `{"security_group_rule": {"security_group_id": "`+db+
			`", "direction": "ingress", `+more+`}}`).want(t, 201).id(t, "security_group_rule"))
	}
	id := s.boot("az1", on(network)+`, "security_groups": [{"name": "web"}, {"name": "db"}]`).want(t, 202).id(t, "server")
	groups := s.compute("GET", "/servers/"+id+"/os-security-groups", "").want(t, 200).get(t, "security_groups").([]any)
	if len(groups) != 2 || groups[0].(map[string]any)["id"] != db || groups[1].(map[string]any)["description"] != "for all" {
		t.Fatalf("groups %v, want db and web, by name", groups)
	}
	project := groups[0].(map[string]any)["tenant_id"]
	got := groups[0].(map[string]any)["rules"].([]any)
	slices.SortFunc(got, func(a, b any) int {
		return strings.Compare(a.(map[string]any)["ip_protocol"].(string), b.(map[string]any)["ip_protocol"].(string))
	})
	if diff := cmp.Diff([]any{
		map[string]any{"id": rules[0], "parent_group_id": db, "ip_protocol": "tcp", "from_port": 22.0, "to_port": 22.0,
			"group": map[string]any{}, "ip_range": map[string]any{"cidr": "10.0.0.0/8"}},
		map[string]any{"id": rules[1], "parent_group_id": db, "ip_protocol": "udp", "from_port": 1.0, "to_port": 65535.0,
			"group": map[string]any{"name": "web", "tenant_id": project}, "ip_range": map[string]any{}},
	}, got); diff != "" {
		t.Error(diff)
	}
}

func TestNICs_GroupWithoutAName_IsShownByItsID(t *testing.T) {
	s := newSpan(t)
	network, _ := s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/24"`)
	group := s.network("POST", "/security-groups", `{"security_group": {"name": ""}}`).want(t, 201).id(t, "security_group")
	id := s.boot("az1", on(network)+`, "security_groups": [{"name": "`+group+`"}]`).want(t, 202).id(t, "server")
	shown := s.compute("GET", "/servers/"+id, "").want(t, 200).get(t, "server", "security_groups").([]any)
	if diff := cmp.Diff([]any{map[string]any{"name": group}}, shown); diff != "" {
		t.Error(diff)
	}
}

func TestNICs_ClearedDHCPOptions_AreClearedInThePod(t *testing.T) {
	s := newSpan(t)
	network, _ := s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/24"`)
	port := s.network("POST", "/ports", `{"port": {"network_id": "`+network+`", "extra_dhcp_opts": [{"opt_name": "mtu", "opt_value": "1400"},
		{"opt_name": "tftp-server", "opt_value": "10.0.0.9"}]}}`).want(t, 201).id(t, "port")
	s.boot("az1", `"networks": [{"port": "`+port+`"}]`).want(t, 202)
	options := func() (names []string) {
		for _, o := range s.in(0, "ports")[0]["extra_dhcp_opts"].([]any) {
			names = append(names, o.(map[string]any)["opt_name"].(string))
		}
		return names
	}
	for _, c := range []struct {
		name string
		left []string
	}{{"mtu", []string{"tftp-server"}}, {"tftp-server", nil}} {
		s.network("PUT", "/ports/"+port, `{"port": {"extra_dhcp_opts": [{"opt_name": "`+c.name+`", "opt_value": null}]}}`).want(t, 200)
		s.eventually(fmt.Sprint("the pod has only the options ", c.left), func() bool { return slices.Equal(options(), c.left) })
	}
}

func TestNICs_FiltersByWhatPodsKnow_FindWhatIsShown(t *testing.T) {
	s := newSpan(t)
	network, _ := s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/24"`)
	idle := s.network("POST", "/ports", `{"port": {"network_id": "`+network+`"}}`).want(t, 201).id(t, "port")
	server := s.boot("az2", on(network)).want(t, 202).id(t, "server")
	used := s.ports("device_id=" + server)[0]["id"].(string)
	host := s.asAdmin("GET", "/ports/"+used, "").want(t, 200).one(t, "port", "binding:host_id").(string)
	if !strings.HasSuffix(host, ".pod2") {
		t.Errorf("the port is on host %q, want one of pod2", host)
	}
	for query, want := range map[string][]string{"status=ACTIVE": {used}, "status=ACTIVE&fields=id": {used}, "status=DOWN": {idle}, "status=BUILD": nil,
		"binding:host_id=" + host: {used}, "binding:host_id=elsewhere": nil, "binding:host_id=" + host + "&status=DOWN": nil,
		"device_owner=compute:az2": {used}} {
		var got []string
		for _, p := range s.asAdmin("GET", "/ports?network_id="+network+"&"+query, "").want(t, 200).get(t, "ports").([]any) {
			got = append(got, p.(map[string]any)["id"].(string))
		}
		if !cmp.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", query, got, want)
		}
	}
}

func TestNICs_AddressGroups_AreRulesInThePod(t *testing.T) {
	s := newSpan(t)
	network, _ := s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/24"`)
	offices := s.network("POST", "/address-groups", `{"address_group": {"addresses": ["192.0.2.0/24"]}}`).want(t, 201).id(t, "address_group")
	group := s.network("POST", "/security-groups", `{"security_group": {"name": "web"}}`).want(t, 201).id(t, "security_group")
	s.network("POST", "/security-group-rules", `{"security_group_rule": {"security_group_id": "`+group+`", "direction": "ingress",
		"remote_address_group_id": "`+offices+`"}}`).want(t, 201)
	s.boot("az1", on(network)+`, "security_groups": [{"name": "web"}]`).want(t, 202)
	admitted := func() (all []string) {
		for _, r := range s.in(0, "security-groups")[0]["security_group_rules"].([]any) {
			if prefix, ok := r.(map[string]any)["remote_ip_prefix"].(string); ok {
				all = append(all, prefix)
			}
		}
		slices.Sort(all)
		return all
	}
	if diff := cmp.Diff([]string{"192.0.2.0/24"}, admitted()); diff != "" {
		t.Error(diff)
	}
	s.network("PUT", "/address-groups/"+offices+"/add_addresses", `{"addresses": ["198.51.100.1/32"]}`).want(t, 200)
	s.eventually("the pod admits the new address", func() bool { return slices.Equal(admitted(), []string{"192.0.2.0/24", "198.51.100.1/32"}) })
	s.network("PUT", "/address-groups/"+offices+"/remove_addresses", `{"addresses": ["192.0.2.0/24", "198.51.100.1/32"]}`).want(t, 200)
	s.eventually("the pod admits nobody by it", func() bool { return len(admitted()) == 0 })
}

// What a disabled pod has nobody asks for, and nothing may be concluded from that.
func TestNICs_PodIsDisabled_ServersKeepTheirPorts(t *testing.T) {
	s := newSpan(t)
	network, _ := s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/24"`)
	id := s.boot("az1", on(network)).want(t, 202).id(t, "server")
	row := s.top.pods.Snapshot().Zone("az1")[0].Pod
	row.State = store.PodDisabled
	if err := s.top.pods.Update(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	err := s.top.nics.Gone(t.Context(), id, row.Num, true)
	if _, unavailable := errors.AsType[*pod.UnavailableError](err); !unavailable {
		t.Errorf("got %v, want that the pod is unavailable", err)
	}
	if p := s.ports("device_id=" + id); len(p) != 1 {
		t.Errorf("the server has ports %v", p)
	}
}
