package plugin

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tricircle/tricircle/internal/store"
)

const templatesPath = "/default-security-group-rules"

func template(attrs string) string { return `{"default_security_group_rule": {` + attrs + `}}` }

// template makes a default rule, and returns its id.
func (f *fixture) template(attrs string) string {
	f.t.Helper()
	status, object := f.call("root", "POST", templatesPath, template(attrs))
	if status != http.StatusCreated {
		f.t.Fatalf("POST %s %s: %d %v", templatesPath, attrs, status, object)
	}
	return object["id"].(string)
}

// list are the objects of a list of project p.
func (f *fixture) list(path string) (rows []map[string]any) {
	f.t.Helper()
	for name, v := range raw(f, "GET", path, "") {
		if !strings.HasSuffix(name, "_links") {
			rows = mapsOf(v)
		}
	}
	return rows
}

// rulesOf are the rules of a group in a few words each, sorted; SELF stands for the group.
func (f *fixture) rulesOf(project, group string) []string {
	f.t.Helper()
	status, object := f.call(project, "GET", "/security-groups/"+group, "")
	if status != http.StatusOK {
		f.t.Fatalf("GET of group %s: %d %v", group, status, object)
	}
	var said []string
	for _, rule := range mapsOf(object["security_group_rules"]) {
		if rule["remote_group_id"] == group {
			rule["remote_group_id"] = "SELF"
		}
		if rule["security_group_id"] != group || rule["project_id"] != project || rule["description"] != nil {
			f.t.Errorf("group %s of %s has rule %v", group, project, rule)
		}
		var words []string
		for _, name := range []string{"direction", "ethertype", "protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "normalized_cidr",
			"remote_group_id", "remote_address_group_id"} {
			if rule[name] != nil {
				words = append(words, fmt.Sprint(rule[name]))
			}
		}
		said = append(said, strings.Join(words, " "))
	}
	slices.Sort(said)
	return said
}

// defaultGroupOf is the id of the default group of a project.
func (f *fixture) defaultGroupOf(project string) string {
	f.t.Helper()
	f.call(project, "GET", "/security-groups", "")
	id, err := f.store.Reader().DefaultGroup(f.t.Context(), project)
	if err != nil {
		f.t.Fatal(err)
	}
	return id
}

func (f *fixture) expectRules(project, group string, want ...string) {
	f.t.Helper()
	slices.Sort(want)
	if diff := cmp.Diff(want, f.rulesOf(project, group)); diff != "" {
		f.t.Errorf("rules of a group of %s (-want +got):\n%s", project, diff)
	}
}

// What Neutron, Zed, gives new groups.
var (
	zedsOfOthers  = []string{"egress IPv4", "egress IPv6"}
	zedsOfDefault = append([]string{"ingress IPv4 SELF", "ingress IPv6 SELF"}, zedsOfOthers...)
)

func TestDefaultRules_AtTheBeginning_AreZeds(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		f.expectRules("p", f.defaultGroupOf("p"), zedsOfDefault...)
		f.expectRules("p", f.make("/security-groups", `{"security_group": {"name": "web"}}`), zedsOfOthers...)
		rows := f.list(templatesPath + "?sort_key=direction&sort_dir=asc&sort_key=ethertype&sort_dir=asc")
		var got []map[string]any
		for _, row := range rows {
			if row["id"] == nil {
				t.Errorf("a default rule without an id: %v", row)
			}
			delete(row, "id")
			got = append(got, row)
		}
		var want []map[string]any
		for _, direction := range []string{"egress", "ingress"} {
			for _, ethertype := range []string{"IPv4", "IPv6"} {
				row := map[string]any{"direction": direction, "ethertype": ethertype, "protocol": nil, "port_range_min": nil, "port_range_max": nil,
					"remote_ip_prefix": nil, "remote_group_id": nil, "remote_address_group_id": nil, "used_in_default_sg": true,
					"used_in_non_default_sg": direction == "egress", "description": "Legacy default SG rule for " + direction + " traffic"}
				if direction == "ingress" {
					row["remote_group_id"] = "PARENT"
				}
				want = append(want, row)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

func TestDefaultRules_Made_AreThoseOfNewGroups(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		before := f.defaultGroupOf("p")
		partners := f.make("/security-groups", `{"security_group": {"name": "partners"}}`)
		offices := f.make("/address-groups", `{"address_group": {"name": "offices"}}`)
		f.template(`"direction": "ingress", "protocol": "TCP", "port_range_min": "22", "port_range_max": 22, "description": "SSH"`)
		f.template(`"direction": "ingress", "ethertype": "ipv6", "protocol": "icmp", "used_in_default_sg": true, "used_in_non_default_sg": false`)
		f.template(`"direction": "ingress", "protocol": 6, "remote_group_id": "` + partners + `"`)
		f.template(`"direction": "ingress", "protocol": "udp", "remote_address_group_id": "` + offices + `"`)
		f.template(`"direction": "ingress", "remote_ip_prefix": "10.1.2.3/8", "used_in_default_sg": true`)
		f.template(`"direction": "ingress", "protocol": "udp", "remote_group_id": "PARENT"`)
		f.template(`"direction": "ingress", "protocol": "vrrp", "used_in_non_default_sg": false`) // of no group

		f.expectRules("p", before, zedsOfDefault...)
		f.expectRules("p", partners, zedsOfOthers...)
		f.expectRules("p", f.make("/security-groups", `{"security_group": {"name": "web"}}`), append([]string{"ingress IPv4 tcp 22 22",
			"ingress IPv4 6 " + partners, "ingress IPv4 udp " + offices, "ingress IPv4 10.1.2.3/8 10.0.0.0/8", "ingress IPv4 udp SELF"}, zedsOfOthers...)...)
		f.expectRules("q", f.defaultGroupOf("q"), append([]string{"ingress IPv6 ipv6-icmp", "ingress IPv4 10.1.2.3/8 10.0.0.0/8"}, zedsOfDefault...)...)
	})
}

func TestDefaultRules_AllDeleted_NewGroupsHaveNone(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		for _, row := range f.list(templatesPath) {
			if status, object := f.call("root", "DELETE", templatesPath+"/"+row["id"].(string), ""); status != http.StatusNoContent {
				t.Fatalf("DELETE: %d %v", status, object)
			}
		}
		if _, err := f.store.Migrate(t.Context()); err != nil { // as every start does
			t.Fatal(err)
		}
		if left := f.list(templatesPath); len(left) != 0 {
			t.Errorf("left are %v", left)
		}
		f.expectRules("p", f.defaultGroupOf("p"))
		f.expectRules("p", f.make("/security-groups", `{"security_group": {"name": "web"}}`))
	})
}

// The types and texts are those of Neutron, 2023.2.
func TestDefaultRules_WhatNeutronRefuses_IsRefusedInItsWords(t *testing.T) {
	f := newFixture(t, "sqlite://:memory:")
	const nobody = "11111111-1111-4111-8111-111111111111"
	ssh := `"direction": "ingress", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22`
	id := f.template(ssh)
	url := templatesPath + "/" + id
	exists := "Default Security group rule already exists. Rule id is " + id + "."
	for _, c := range []struct {
		body, typ, text string
		status          int
	}{
		{template(ssh), "DefaultSecurityGroupRuleExists", exists, 409},
		{template(ssh + `, "description": "other", "used_in_default_sg": true`), "DefaultSecurityGroupRuleExists", exists, 409},
		{template(strings.Replace(ssh, `"tcp"`, "6", 1)), "DefaultSecurityGroupRuleExists", exists, 409},
		{template(`"protocol": "tcp"`), "HTTPBadRequest", "Failed to parse request. Required attribute 'direction' not specified", 400},
		{template(`"direction": "up"`), "HTTPBadRequest", "Invalid input for direction. Reason: up is not in valid_values.", 400},
		{template(`"direction": "ingress", "remote_group_id": "PARENT", "remote_ip_prefix": "10.0.0.0/8"`), "SecurityGroupMultipleRemoteEntites",
			"Only one of remote_ip_prefix or remote_group_id or remote_address_group_id may be provided.", 400},
		{template(`"direction": "ingress", "port_range_min": 1, "port_range_max": 2`), "SecurityGroupProtocolRequiredWithPorts",
			"Must also specify protocol if port range is given.", 400},
		{template(`"direction": "ingress", "used_in_default_sg": "x"`), "InvalidInput",
			"Invalid input for operation: 'x' cannot be converted to boolean.", 400},
		{template(`"direction": "ingress", "id": "` + nobody + `"`), "HTTPBadRequest", "Attribute 'id' not allowed in POST", 400},
		{template(`"direction": "ingress", "security_group_id": "` + nobody + `"`), "HTTPBadRequest",
			"Unrecognized attribute(s) 'security_group_id'", 400},
	} {
		f.refusesTo("root", "POST", templatesPath, c.body, c.status, c.typ, c.text)
	}
	f.refuses("POST", templatesPath, template(ssh), 403, "PolicyNotAuthorized",
		"rule:create_default_security_group_rule is disallowed by policy")
	f.refuses("DELETE", url, "", 403, "PolicyNotAuthorized", "rule:delete_default_security_group_rule is disallowed by policy")
	for _, method := range []string{"GET", "DELETE"} {
		f.refusesTo("root", method, templatesPath+"/"+nobody, "", 404, "DefaultSecurityGroupRuleNotFound",
			"Default Security Group rule "+nobody+" does not exist")
	}
	for _, filter := range []string{"project_id", "tenant_id", "normalized_cidr", "created_at"} {
		f.refuses("GET", templatesPath+"?"+filter+"=p", "", 400, "HTTPBadRequest", "['"+filter+"'] is invalid attribute for filtering")
	}
	f.refuses("GET", templatesPath+"?sort_key=used_in_default_sg&sort_dir=asc", "", 400, "HTTPBadRequest",
		"['used_in_default_sg'] is invalid attribute for sort_keys")
	for _, path := range []string{url, "/security-group-rules/" + nobody} { // of rules that Neutron cannot update, either
		if status, _ := f.call("root", "PUT", path, template(`"description": "x"`)); status != http.StatusMethodNotAllowed {
			t.Errorf("PUT %s: %d", path, status)
		}
	}
	if n := f.count(store.ObjectQuery{Kind: store.KindDefaultRule}); n != 5 {
		t.Errorf("%d default rules are there", n)
	}
}

func TestDefaultRules_OfOtherGroups_MayBeEqual(t *testing.T) {
	f := newFixture(t, "sqlite://:memory:")
	f.template(`"direction": "ingress", "protocol": "tcp"`)
	f.template(`"direction": "ingress", "protocol": "tcp", "used_in_default_sg": true, "used_in_non_default_sg": false`)
	for _, used := range []string{"true", "false"} {
		status, object := f.call("root", "POST", templatesPath,
			template(`"direction": "ingress", "protocol": "tcp", "used_in_default_sg": true, "used_in_non_default_sg": `+used))
		if status != http.StatusConflict {
			t.Errorf("a second one of the default group: %d %v", status, object)
		}
	}
}

func TestDefaultRules_Bulk_IsAllOrNothing(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		many := func(rules ...string) string {
			return `{"default_security_group_rules": [` + strings.Join(rules, ", ") + `]}`
		}
		tcp, udp := `{"direction": "ingress", "protocol": "tcp"}`, `{"direction": "ingress", "protocol": "udp"}`
		status, object := f.call("root", "POST", templatesPath, many(tcp, udp, tcp))
		if status != http.StatusConflict || object["type"] != "DefaultSecurityGroupRuleExists" {
			t.Errorf("two equal ones: %d %v", status, object)
		}
		if n := f.count(store.ObjectQuery{Kind: store.KindDefaultRule}); n != 4 {
			t.Errorf("what was refused has left %d default rules", n)
		}
		if status, _ = f.call("root", "POST", templatesPath, many(tcp, udp)); status != http.StatusCreated {
			t.Errorf("two: %d", status)
		}
		nobodys := store.ObjectQuery{Kind: store.KindDefaultRule, Filters: []store.Filter{equal("project_id", "")}}
		if n := f.count(nobodys); n != 6 {
			t.Errorf("%d default rules belong to nobody", n)
		}
	})
}

func TestDefaultRules_AtOnce_OneOfEqualsIsMade(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		got := f.atOnce(8, func(int) (int, map[string]any) {
			return f.call("root", "POST", templatesPath, template(`"direction": "ingress", "protocol": "tcp"`))
		})
		f.want(got, "201", 1)
		f.want(got, "409 DefaultSecurityGroupRuleExists", 7)
	})
}

func TestDefaultRules_Lists_FilterSortAndPage(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		var made []string
		for port := 22; port < 26; port++ {
			made = append(made, f.template(fmt.Sprintf(`"direction": "egress", "protocol": "tcp", "port_range_min": %[1]d, "port_range_max": %[1]d`, port)))
		}
		for query, want := range map[string]int{"": 8, "?direction=egress": 6, "?used_in_default_sg=True": 4, "?used_in_default_sg=false": 4,
			"?used_in_non_default_sg=1": 6, "?remote_group_id=PARENT": 2, "?protocol=TCP": 4, "?port_range_min=23": 1, "?ethertype=IPv6": 2,
			"?description=Legacy%20default%20SG%20rule%20for%20egress%20traffic": 2, "?id=" + made[0]: 1} {
			if rows := f.list(templatesPath + query); len(rows) != want {
				t.Errorf("%q: %d rows, want %d: %v", query, len(rows), want, rows)
			}
		}
		sorted := "?protocol=tcp&fields=id&sort_key=port_range_max&sort_dir=desc&limit=3"
		var got []string
		for _, query := range []string{sorted, sorted + "&marker=" + made[1]} {
			for _, row := range f.list(templatesPath + query) {
				if len(row) != 1 {
					t.Errorf("asked for ids alone: %v", row)
				}
				got = append(got, row["id"].(string))
			}
		}
		slices.Reverse(made)
		if diff := cmp.Diff(made, got); diff != "" {
			t.Errorf("two pages (-want +got):\n%s", diff)
		}
	})
}

// The quota of rules has room for those of a new group, or there is no group.
func TestDefaultRules_BeyondTheQuota_NoGroupIsMade(t *testing.T) {
	f := newFixtureOf(t, "sqlite://:memory:", func(o *Options) { o.Limits["security_group_rule"] = 4 + 5 })
	f.make("/security-groups", `{"security_group": {"name": "two"}}`) // with the default group: 6 rules
	for _, protocol := range []string{"tcp", "udp"} {
		f.template(`"direction": "ingress", "protocol": "` + protocol + `"`)
	}
	f.refuses("POST", "/security-groups", `{"security_group": {"name": "four"}}`, 409, "OverQuota",
		"Quota exceeded for resources: ['security_group_rule'].")
	if n := f.count(store.ObjectQuery{Kind: store.KindSecurityGroup}); n != 2 {
		t.Errorf("%d groups are there", n)
	}
	id := f.list(templatesPath + "?protocol=udp")[0]["id"].(string)
	if status, _ := f.call("root", "DELETE", templatesPath+"/"+id, ""); status != http.StatusNoContent {
		t.Fatal(status)
	}
	f.make("/security-groups", `{"security_group": {"name": "three"}}`)
}

func TestDefaultRules_ThatNameWhatIsGone_SayWhich(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		gone := f.make("/security-groups", `{"security_group": {"name": "gone"}}`)
		for name, c := range map[string]struct{ attribute, id, text string }{
			"group":                  {"remote_group_id", gone, "security group " + gone},
			"what is no id":          {"remote_group_id", "parent", "security group parent"},
			"address group":          {"remote_address_group_id", gone, "address group " + gone},
			"parent of another kind": {"remote_address_group_id", "PARENT", "address group PARENT"},
		} {
			id := f.template(fmt.Sprintf(`"direction": "ingress", %q: %q, "used_in_default_sg": true`, c.attribute, c.id))
			f.call("p", "DELETE", "/security-groups/"+gone, "")
			text := "Default security group rule " + id + " names " + c.text + ", which does not exist. " +
				"An administrator must delete the rule before security groups can be made."
			f.refuses("POST", "/security-groups", `{"security_group": {"name": "new"}}`, 409, "SecurityGroupConflict", text)
			f.refusesTo("q", "GET", "/security-groups", "", 409, "SecurityGroupConflict", text)
			if status, _ := f.call("root", "DELETE", templatesPath+"/"+id, ""); status != http.StatusNoContent {
				t.Fatalf("%s: %d", name, status)
			}
		}
		f.expectRules("q", f.defaultGroupOf("q"), zedsOfDefault...)
	})
}

// Whatever the default rules, a new group has one rule for each that is used in its kind of group, and says what that says.
func TestDefaultRules_Whichever_NewGroupsHaveARuleForEach(t *testing.T) {
	f := newFixtureOf(t, "sqlite://:memory:", func(o *Options) {
		o.Limits = maps.Clone(o.Limits)
		o.Limits["security_group"], o.Limits["security_group_rule"] = unlimited, unlimited
	})
	projects := 0
	rapid.Check(t, func(t *rapid.T) {
		want := map[string][]string{"default": slices.Clone(zedsOfDefault), "other": slices.Clone(zedsOfOthers)}
		seen := map[string]bool{}
		for range rapid.IntRange(0, 6).Draw(t, "rules") {
			direction := rapid.SampledFrom([]string{"ingress", "egress"}).Draw(t, "direction")
			protocol := rapid.SampledFrom([]string{"tcp", "udp", "sctp"}).Draw(t, "protocol")
			port := rapid.IntRange(1, 3).Draw(t, "port")
			remote := rapid.SampledFrom([]string{"", "PARENT"}).Draw(t, "remote")
			inDefault, inOthers := rapid.Bool().Draw(t, "in default"), rapid.Bool().Draw(t, "in others")
			said := strings.TrimSpace(fmt.Sprint(direction, " IPv4 ", protocol, " ", port, " ", port, " ", strings.Replace(remote, "PARENT", "SELF", 1)))
			if seen[said] {
				continue
			}
			seen[said] = true
			attrs := fmt.Sprintf(`"direction": %q, "protocol": %q, "port_range_min": %d, "port_range_max": %d, "used_in_default_sg": %t, `+
				`"used_in_non_default_sg": %t`, direction, protocol, port, port, inDefault, inOthers)
			if remote != "" {
				attrs += fmt.Sprintf(`, "remote_group_id": %q`, remote)
			}
			id := f.template(attrs)
			defer f.call("root", "DELETE", templatesPath+"/"+id, "")
			if inDefault {
				want["default"] = append(want["default"], said)
			}
			if inOthers {
				want["other"] = append(want["other"], said)
			}
		}
		projects++
		project := fmt.Sprint("project", projects)
		_, other := f.call(project, "POST", "/security-groups", `{"security_group": {"name": "web"}}`)
		for kind, group := range map[string]string{"default": f.defaultGroupOf(project), "other": other["id"].(string)} {
			slices.Sort(want[kind])
			if diff := cmp.Diff(want[kind], f.rulesOf(project, group)); diff != "" {
				t.Fatalf("%s group (-want +got):\n%s", kind, diff)
			}
		}
	})
}
