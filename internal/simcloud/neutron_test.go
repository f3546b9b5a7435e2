package simcloud

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// net makes a network with a subnet and returns their ids.
func (c *client) net(name, cidr string) (network, subnet string) {
	c.t.Helper()
	network = c.do("POST", neutron(c.cloud, "/networks"), `{"network": {"name": "`+name+`"}}`).want(c.t, 201).str("network", "id")
	subnet = c.do("POST", neutron(c.cloud, "/subnets"),
		`{"subnet": {"network_id": "`+network+`", "cidr": "`+cidr+`", "ip_version": 4}}`).want(c.t, 201).str("subnet", "id")
	return network, subnet
}

func TestNeutron_ServerPort_LivesWithTheServer(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	network, _ := c.net("n", "10.5.0.0/24")
	given := c.do("POST", neutron(cloud, "/ports"), `{"port": {"network_id": "`+network+`"}}`).want(t, 201).str("port", "id")
	body := `{"server": {"name": "vm", "flavorRef": "1", "imageRef": "` + stableCirros + `", "networks": [{"uuid": "` + network +
		`"}, {"port": "` + given + `"}]}}`
	id := c.do("POST", nova(cloud, "/servers"), body).want(t, 202).str("server", "id")
	r := c.do("GET", nova(cloud, "/servers/"+id), "")
	if got := []string{r.str("server", "addresses", "n", 0, "addr"), r.str("server", "addresses", "n", 1, "addr")}; got[0] != "10.5.0.4" || got[1] != "10.5.0.3" {
		t.Errorf("the addresses are %v, want 10.5.0.4 and 10.5.0.3", got)
	}
	if got := c.do("GET", neutron(cloud, "/ports?device_id="+id), "").ids("ports"); len(got) != 2 {
		t.Fatalf("the server has ports %v, want 2", got)
	}
	c.do("POST", nova(cloud, "/servers"), strings.Replace(body, `{"uuid": "`+network+`"}, `, "", 1)).want(t, 409) // in use
	c.do("DELETE", neutron(cloud, "/networks/"+network), "").want(t, 409)
	c.do("DELETE", nova(cloud, "/servers/"+id), "").want(t, 204)
	left := c.do("GET", neutron(cloud, "/ports?device_owner="), "")
	if diff := cmp.Diff([]string{given}, left.ids("ports")); diff != "" || left.str("ports", 0, "device_id") != "" {
		t.Errorf("after the server is gone: %s\n%s", left.text, diff)
	}
	c.do("DELETE", neutron(cloud, "/ports/"+given), "").want(t, 204)
	c.do("DELETE", neutron(cloud, "/networks/"+network), "").want(t, 204)
}

func TestNeutron_GeneratedPort_IsFoundByServerAndByID(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1, Servers: 2})
	server := cloud.pods[0].compute.servers.gen.id(1)
	ports := c.do("GET", neutron(cloud, "/ports?device_id="+server), "")
	if got := ports.str("ports", 0, "fixed_ips", 0, "ip_address"); got != "10.128.0.1" {
		t.Fatalf("the port of the generated server is %s", ports.text)
	}
	url := neutron(cloud, "/ports/"+ports.ids("ports")[0])
	c.do("GET", url, "").want(t, 200)
	c.do("PUT", url, `{"port": {"name": "named"}}`).want(t, 200)
	if got := c.do("GET", neutron(cloud, "/ports?name=named"), "").ids("ports"); len(got) != 1 {
		t.Errorf("the port has not kept its name: %v", got)
	}
	c.do("DELETE", nova(cloud, "/servers/"+server), "").want(t, 204)
	c.do("GET", url, "").want(t, 404)
}

func TestNeutron_Auto_MeansTheOneNetwork(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	body := `{"server": {"name": "vm", "flavorRef": "1", "imageRef": "` + stableCirros + `"}}`
	networkOf := func() map[string]any {
		id := c.do("POST", nova(cloud, "/servers"), body).want(t, 202).str("server", "id")
		addresses, _ := c.do("GET", nova(cloud, "/servers/"+id), "").at("server", "addresses").(map[string]any)
		return addresses
	}
	if got := networkOf(); got["private1"] == nil {
		t.Errorf("without own networks, the server is in %v, want private1", got)
	}
	c.net("mine", "10.5.0.0/24")
	if got := networkOf(); got["mine"] == nil {
		t.Errorf("with one own network, the server is in %v, want mine", got)
	}
	c.net("other", "10.6.0.0/24")
	c.do("POST", nova(cloud, "/servers"), body).want(t, 409)
}

func TestNeutron_BadRequests_AreRefusedAsByNeutron(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	network, subnet := c.net("n", "10.5.0.0/29") // four addresses beside the gateway's and the metadata port's
	port := `{"network_id": "` + network + `"}`
	c.do("POST", neutron(cloud, "/ports"), `{"ports": [`+strings.Join([]string{port, port, port, port}, ",")+`]}`).want(t, 201)
	for _, x := range []struct {
		method, path, body string
		status             int
		class              string
	}{
		{"GET", "/networks/x", "", 404, "NetworkNotFound"},
		{"GET", "/ports/x", "", 404, "PortNotFound"},
		{"GET", "/security-groups/x", "", 404, "SecurityGroupNotFound"},
		{"GET", "/nosuch", "", 404, "HTTPNotFound"},
		{"POST", "/networks", `{"network": {"nope": 1}}`, 400, "HTTPBadRequest"},
		{"POST", "/networks", `{"network": {"provider:network_type": "vlan"}}`, 403, "PolicyNotAuthorized"},
		{"POST", "/networks", `{"network": {"shared": true}}`, 403, "PolicyNotAuthorized"},
		{"POST", "/networks", `{"network": {"availability_zone_hints": ["az9"]}}`, 404, "AvailabilityZoneNotFound"},
		{"POST", "/subnets", `{"subnet": {"network_id": "` + network + `", "cidr": "10.0.0.0/8", "ip_version": 4}}`, 400, "InvalidInput"},
		{"POST", "/ports", `{"port": {"network_id": "` + network + `"}}`, 409, "IpAddressGenerationFailure"},
		{"POST", "/ports", `{"port": {"network_id": "` + network + `", "fixed_ips": [{"ip_address": "10.5.0.2"}]}}`, 409,
			"IpAddressAlreadyAllocated"},
		{"POST", "/ports", `{"port": {"network_id": "` + network + `", "fixed_ips": [{"ip_address": "10.9.0.2"}]}}`, 400,
			"InvalidIpForNetwork"},
		{"DELETE", "/subnets/" + subnet, "", 409, "SubnetInUse"},
		{"GET", "/networks?limit=1&marker=x", "", 404, "NetworkNotFound"},
		{"GET", "/networks?sort_key=x&sort_dir=asc", "", 400, "HTTPBadRequest"},
	} {
		r := c.do(x.method, neutron(cloud, x.path), x.body)
		if got := r.str("NeutronError", "type"); r.status != x.status || got != x.class {
			t.Errorf("%s %s %s:\n got %d %s\nwant %d %s", x.method, x.path, x.body, r.status, r.text, x.status, x.class)
		}
	}
}

func TestNeutron_Lists_FilterSortAndPage(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	admin := c.as("admin", "demo")
	for _, name := range []string{"b", "a", "c"} {
		c.do("POST", neutron(cloud, "/networks"), `{"network": {"name": "`+name+`"}}`).want(t, 201)
	}
	r := c.do("GET", neutron(cloud, "/networks?name=a&name=c&sort_key=name&sort_dir=desc&fields=name"), "").want(t, 200)
	want := []any{map[string]any{"name": "c"}, map[string]any{"name": "a"}}
	if diff := cmp.Diff(want, r.at("networks")); diff != "" {
		t.Error(diff)
	}
	var seen []string
	url := neutron(cloud, "/networks?limit=2")
	for url != "" && len(seen) < 10 {
		page := c.do("GET", url, "").want(t, 200)
		seen = append(seen, page.ids("networks")...)
		url = ""
		links, _ := page.at("networks_links").([]any)
		for i := range links {
			if page.str("networks_links", i, "rel") == "next" {
				url = page.str("networks_links", i, "href")
			}
		}
	}
	if diff := cmp.Diff(c.do("GET", neutron(cloud, "/networks"), "").ids("networks"), seen); diff != "" || len(seen) != 4 {
		t.Errorf("the pages have %d networks: %s", len(seen), diff)
	}
	if r := c.do("GET", neutron(cloud, "/networks?name=a"), ""); strings.Contains(r.text, "provider:") {
		t.Errorf("a user sees provider attributes: %s", r.text)
	}
	if r := admin.do("GET", neutron(cloud, "/networks?name=a"), ""); r.str("networks", 0, "provider:network_type") != "geneve" {
		t.Errorf("an administrator does not see provider attributes: %s", r.text)
	}
}

func TestNeutron_RouterInterface_TakesTheGateway(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	_, subnet := c.net("n", "10.5.0.0/24")
	router := c.do("POST", neutron(cloud, "/routers"), `{"router": {"name": "r"}}`).want(t, 201).str("router", "id")
	url := neutron(cloud, "/routers/"+router)
	body := `{"subnet_id": "` + subnet + `"}`
	port := c.do("PUT", url+"/add_router_interface", body).want(t, 200).str("port_id")
	if got := c.do("GET", neutron(cloud, "/ports/"+port), "").str("port", "fixed_ips", 0, "ip_address"); got != "10.5.0.1" {
		t.Errorf("the router has %s, want 10.5.0.1", got)
	}
	c.do("DELETE", neutron(cloud, "/ports/"+port), "").want(t, 409)
	c.do("DELETE", url, "").want(t, 409)
	c.do("PUT", url+"/remove_router_interface", body).want(t, 200)
	c.do("PUT", url+"/remove_router_interface", body).want(t, 404)
	c.do("DELETE", url, "").want(t, 204)
}

func TestNeutron_SecurityGroups_HaveRules(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	groups := c.do("GET", neutron(cloud, "/security-groups"), "").want(t, 200)
	if rules, _ := groups.at("security_groups", 0, "security_group_rules").([]any); len(rules) != 4 {
		t.Errorf("the default group has %d rules, want 4", len(rules))
	}
	c.do("DELETE", neutron(cloud, "/security-groups/"+groups.ids("security_groups")[0]), "").want(t, 409)
	id := c.do("POST", neutron(cloud, "/security-groups"), `{"security_group": {"name": "g"}}`).want(t, 201).str("security_group", "id")
	rule := `{"security_group_rule": {"security_group_id": "` + id + `", "direction": "ingress", "protocol": "tcp", "port_range_min": 22}}`
	made := c.do("POST", neutron(cloud, "/security-group-rules"), rule).want(t, 201).str("security_group_rule", "id")
	c.do("POST", neutron(cloud, "/security-group-rules"), rule).want(t, 409)
	c.do("DELETE", neutron(cloud, "/security-group-rules/"+made), "").want(t, 204)
	c.do("DELETE", neutron(cloud, "/security-groups/"+id), "").want(t, 204)
}

func TestNeutron_BulkCreate_IsAllOrNothing(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	c.do("POST", neutron(cloud, "/networks"), `{"networks": [{"name": "a"}, {"nope": 1}]}`).want(t, 400)
	if got := c.do("GET", neutron(cloud, "/networks?name=a"), "").ids("networks"); len(got) != 0 {
		t.Errorf("the first network of the failed request is left: %v", got)
	}
	r := c.do("POST", neutron(cloud, "/networks"), `{"networks": [{"name": "a"}, {"name": "b"}]}`).want(t, 201)
	if len(r.ids("networks")) != 2 {
		t.Errorf("got %s", r.text)
	}
}

func TestNeutron_TagsAndDescription_FindObjects(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	id := c.do("POST", neutron(cloud, "/networks"), `{"network": {"description": "find me"}}`).want(t, 201).str("network", "id")
	c.do("PUT", neutron(cloud, "/networks/"+id+"/tags"), `{"tags": ["x", "y"]}`).want(t, 200)
	for _, query := range []string{"description=find%20me", "tags=x,y", "tags=x"} {
		if diff := cmp.Diff([]string{id}, c.do("GET", neutron(cloud, "/networks?"+query), "").ids("networks")); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	if got := c.do("GET", neutron(cloud, "/networks?tags=z"), "").ids("networks"); len(got) != 0 {
		t.Errorf("tag z is found at %v", got)
	}
	c.do("GET", neutron(cloud, "/extensions/standard-attr-tag"), "").want(t, 200)
	c.do("GET", neutron(cloud, "/extensions/nosuch"), "").want(t, 404)
}

func TestNeutron_MetadataPort_TakesTheFirstAddressAndIsNoUse(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	admin := c.as("admin", "demo")
	vlan := `{"network": {"name": "v", "provider:network_type": "vlan", "provider:physical_network": "bridge", "provider:segmentation_id": 2101}}`
	network := admin.do("POST", neutron(cloud, "/networks"), vlan).want(t, 201).str("network", "id")
	if r := admin.do("POST", neutron(cloud, "/networks"), vlan).want(t, 409); r.str("NeutronError", "type") != "VlanIdInUse" {
		t.Errorf("a second network on the segment: %s", r.text)
	}
	subnet := c.do("POST", neutron(cloud, "/subnets"), `{"subnet": {"network_id": "`+network+`", "cidr": "10.5.0.0/24", "ip_version": 4,
		"allocation_pools": [{"start": "10.5.0.9", "end": "10.5.0.9"}]}}`).want(t, 201).str("subnet", "id")
	ports := c.do("GET", neutron(cloud, "/ports?device_owner=network:distributed&network_id="+network), "")
	if got := ports.str("ports", 0, "fixed_ips", 0, "ip_address"); got != "10.5.0.9" {
		t.Errorf("the metadata port has %q, want the one address of the pool", got)
	}
	c.do("POST", neutron(cloud, "/ports"), `{"port": {"network_id": "`+network+`"}}`).want(t, 409)
	c.do("DELETE", neutron(cloud, "/subnets/"+subnet), "").want(t, 204)
	c.do("DELETE", neutron(cloud, "/networks/"+network), "").want(t, 204)
	if r := c.do("GET", neutron(cloud, "/ports"), ""); len(r.ids("ports")) != 0 {
		t.Errorf("ports are left: %s", r.text)
	}
}

func TestNeutron_EmptyRequests_AreRefused(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	for _, body := range []string{"", "{}", `{"network": null}`, `{"networks": []}`, `{"networks": [null]}`, `{"network": []}`, "[]"} {
		if r := c.do("POST", neutron(cloud, "/networks"), body); r.status != 400 {
			t.Errorf("%q: got %d %s, want 400", body, r.status, r.text)
		}
	}
}

func TestServers_Interfaces_ComeAndGo(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	network, _ := c.net("n", "10.5.0.0/24")
	url := nova(cloud, "/servers/"+c.boot("vm"))
	port := c.do("POST", url+"/os-interface", `{"interfaceAttachment": {"net_id": "`+network+`"}}`).want(t, 200).str("interfaceAttachment", "port_id")
	if got := c.do("GET", url, "").str("server", "addresses", "n", 0, "addr"); got != "10.5.0.3" {
		t.Errorf("the server has address %q, want 10.5.0.3", got)
	}
	c.do("DELETE", url+"/os-interface/"+port, "").want(t, 202)
	c.do("DELETE", url+"/os-interface/"+port, "").want(t, 404)
	c.do("GET", neutron(cloud, "/ports/"+port), "").want(t, 404)
}
