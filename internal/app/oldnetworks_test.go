package app

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Below 2.36 Nova has calls of its own about networks and security groups. They are about the top's, as boots are.
func TestOldNetworks_ByTheComputeAPI_AreTheTops(t *testing.T) {
	c := newNetworking(t)
	network, _ := c.networkWithSubnet(ipv4)
	short := map[string]any{"id": network, "cidr": "None", "label": "n"}
	whole := map[string]any{"id": network, "label": "n"}
	for _, name := range []string{"cidr", "netmask", "gateway", "broadcast", "dns1", "dns2", "cidr_v6", "gateway_v6", "netmask_v6"} {
		whole[name] = nil
	}
	for path, want := range map[string]map[string]any{"/os-networks": whole, "/os-tenant-networks": short} {
		list := c.call(compute, "GET", path, "").want(t, 200).get(t, "networks")
		if diff := cmp.Diff([]any{want}, list); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
		if diff := cmp.Diff(any(want), c.call(compute, "GET", path+"/"+network, "").want(t, 200).get(t, "network")); diff != "" {
			t.Errorf("%s of one: %s", path, diff)
		}
		if a := c.call(compute, "GET", path+"/"+noID, "").want(t, 404); a.get(t, "itemNotFound", "message") != "Network not found" {
			t.Errorf("%s of none: %s", path, a.body)
		}
	}
}

const noID = "11111111-1111-4111-8111-111111111111"

func TestOldGroups_ByTheComputeAPI_AreTheTops(t *testing.T) {
	c := newNetworking(t)
	const path = "/os-security-groups"
	made := c.call(compute, "POST", path, `{"security_group": {"name": "web", "description": "d"}}`).want(t, 200)
	id := made.id(t, "security_group")
	if rules := made.get(t, "security_group", "rules").([]any); len(rules) != 0 || made.get(t, "security_group", "tenant_id") == "" {
		t.Errorf("made %s", made.body)
	}
	if got := c.network("GET", "/security-groups/"+id, "").want(t, 200).get(t, "security_group", "description"); got != "d" {
		t.Errorf("the top's group has description %v", got)
	}
	c.call(compute, "PUT", path+"/"+id, `{"security_group": {"name": "net", "description": ""}}`).want(t, 200)
	if got := c.call(compute, "GET", path+"/"+id, "").want(t, 200).get(t, "security_group", "name"); got != "net" {
		t.Errorf("its name is %v", got)
	}
	var names []string
	for _, g := range c.call(compute, "GET", path, "").want(t, 200).get(t, "security_groups").([]any) {
		names = append(names, g.(map[string]any)["name"].(string))
	}
	if diff := cmp.Diff([]string{"default", "net"}, names); diff != "" {
		t.Error(diff)
	}
	if page := c.call(compute, "GET", path+"?limit=1&offset=1", "").want(t, 200).get(t, "security_groups").([]any); len(page) != 1 {
		t.Errorf("a page of one: %v", page)
	}
	port := c.network("POST", "/ports", `{"port": {"network_id": "`+firstOf(c.networkWithSubnet(ipv4))+`", "security_groups": ["`+id+`"]}}`).want(t, 201).id(t, "port")
	c.call(compute, "DELETE", path+"/"+id, "").want(t, 400) // in use
	c.network("DELETE", "/ports/"+port, "").want(t, 204)
	c.call(compute, "DELETE", path+"/"+id, "").want(t, 202)
	c.call(compute, "GET", path+"/"+id, "").want(t, 404)
	c.call(compute, "GET", path, "", "OpenStack-API-Version", "compute 2.36").want(t, 404)
	long := strings.Repeat("é", 256)
	for _, refused := range []struct {
		method, target, body, text string
		status                     int
	}{
		{"GET", "/x", "", "Security group id should be uuid", 400},
		{"PUT", "/" + noID, `{"security_group": {"name": "a", "description": "b"}}`, "does not exist", 404},
		{"DELETE", "/" + noID, "", "does not exist", 404},
		{"POST", "", `{}`, "Missing parameter security_group", 400},
		{"POST", "", `{"security_group": {"name": "a"}}`, "description is not a string or unicode", 400},
		{"POST", "", `{"security_group": {"name": "` + long + `", "description": ""}}`, "name has 256 characters, more than 255.", 400},
		{"POST", "", `{"security_group": {"name": "default", "description": ""}}`, "Default security group already exists.", 403},
	} {
		if a := c.call(compute, refused.method, path+refused.target, refused.body).want(t, refused.status); !strings.Contains(a.body, refused.text) {
			t.Errorf("%s %s: %s; want %q", refused.method, refused.target, a.body, refused.text)
		}
	}
}

func firstOf(a, _ string) string { return a }

func TestOldRules_ByTheComputeAPI_AreTheTops(t *testing.T) {
	c := newNetworking(t)
	group := func(name string) string {
		return c.call(compute, "POST", "/os-security-groups", `{"security_group": {"name": "`+name+`", "description": ""}}`).want(t, 200).id(t, "security_group")
	}
	one, two := group("one"), group("two")
	project := c.network("GET", "/security-groups/"+one, "").want(t, 200).get(t, "security_group", "project_id")
	make := func(more string) answer {
		return c.call(compute, "POST", "/os-security-group-rules", `{"security_group_rule": {"parent_group_id": "`+one+`"`+more+`}}`)
	}
	const web = `, "ip_protocol": "tcp", "from_port": 22, "to_port": "23"`
	for more, want := range map[string]map[string]any{
		`, "ip_protocol": "TCP", "from_port": 80, "to_port": 80`: {"ip_protocol": "tcp", "from_port": 80.0, "to_port": 80.0,
			"group": map[string]any{}, "ip_range": map[string]any{"cidr": "0.0.0.0/0"}},
		`, "ip_protocol": "icmp", "from_port": -1, "to_port": -1, "cidr": "2001:db8::/64"`: {"ip_protocol": "ipv6-icmp", "from_port": -1.0, "to_port": -1.0,
			"group": map[string]any{}, "ip_range": map[string]any{"cidr": "2001:db8::/64"}},
		`, "ip_protocol": "udp", "group_id": "` + two + `"`: {"ip_protocol": "udp", "from_port": 1.0, "to_port": 65535.0,
			"group": map[string]any{"name": "two", "tenant_id": project}, "ip_range": map[string]any{}},
		`, "group_id": "` + one + `"`: {"ip_protocol": nil, "from_port": nil, "to_port": nil,
			"group": map[string]any{"name": "one", "tenant_id": project}, "ip_range": map[string]any{}},
	} {
		got := make(more).want(t, 200).get(t, "security_group_rule").(map[string]any)
		want["id"], want["parent_group_id"] = got["id"], one
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", more, diff)
		}
		make(more).want(t, 403) // by Neutron, as over quota: neither is a rule that Nova finds again
	}
	make(web).want(t, 200)
	if a := make(web).want(t, 400); !strings.Contains(a.body, "This rule already exists in group "+one) {
		t.Errorf("a rule that Nova finds again: %s", a.body)
	}
	shown := func() []any {
		return c.call(compute, "GET", "/os-security-groups/"+one, "").want(t, 200).get(t, "security_group", "rules").([]any)
	}
	if rules := shown(); len(rules) != 5 {
		t.Errorf("the group has %v", rules)
	}
	c.call(compute, "DELETE", "/os-security-groups/"+two, "").want(t, 202)
	rules := shown()
	if len(rules) != 4 { // as the group goes, so does the rule that admits it
		t.Errorf("without the other group it has %v", rules)
	}
	c.call(compute, "DELETE", "/os-security-group-rules/"+rules[0].(map[string]any)["id"].(string), "").want(t, 202)
	if len(shown()) != 3 {
		t.Errorf("without one rule it has %v", shown())
	}
	c.call(compute, "DELETE", "/os-security-group-rules/"+noID, "").want(t, 404)
	c.call(compute, "DELETE", "/os-security-group-rules/x", "").want(t, 400)
	for more, text := range map[string]string{
		``: "Not enough parameters to build a valid rule.",
		`, "ip_protocol": "tcp", "from_port": "x", "to_port": 2`:                         "To and From ports must be integers",
		`, "ip_protocol": "icmp", "from_port": "x", "to_port": 2`:                        "Type and Code must be integers for ICMP protocol type",
		`, "ip_protocol": "wig", "from_port": 1, "to_port": 2`:                           "Invalid IP protocol wig.",
		`, "ip_protocol": "tcp", "from_port": 3, "to_port": 2`:                           "Invalid port range 3:2. Former value cannot be greater than the later",
		`, "ip_protocol": "tcp", "from_port": 0, "to_port": 2`:                           "Valid TCP ports should be between 1-65535",
		`, "ip_protocol": "icmp", "from_port": 0, "to_port": 256`:                        "For ICMP, the type:code must be valid",
		`, "ip_protocol": "tcp", "from_port": 1, "to_port": 2, "cidr": "nonsense"`:       "nonsense is not a valid IP network.",
		`, "ip_protocol": "tcp", "from_port": 1, "to_port": 2, "cidr": "10.0.0.0/0"`:     "Bad prefix for network in cidr 10.0.0.0/0",
		`, "ip_protocol": "tcp", "from_port": 1, "to_port": 2, "group_id": "nonsense"`:   "Security group id should be uuid",
		`, "ip_protocol": "tcp", "from_port": 1, "to_port": 65536, "cidr": "10.0.0.0/8"`: "Valid TCP ports should be between 1-65535",
		`, "ip_protocol": "tcp", "from_port": 1, "cidr": "10.0.0.0/8"`:                   "Not enough parameters to build a valid rule.",
		`, "ip_protocol": "tcp", "from_port": null, "to_port": 2, "cidr": "10.0.0.0/8"`:  "Not enough parameters to build a valid rule.",
		`, "ip_protocol": "", "from_port": 1, "to_port": 2, "cidr": "10.0.0.0/8"`:        "Not enough parameters to build a valid rule.",
	} {
		if a := make(more).want(t, 400); !strings.Contains(a.body, text) {
			t.Errorf("%s: %s; want %q", more, a.body, text)
		}
	}
	c.call(compute, "POST", "/os-security-group-rules", `{"security_group_rule": {"parent_group_id": "`+noID+`"}}`).want(t, 404)
}
