package app

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tricircle/tricircle/internal/simcloud"
)

// adminCloud is the top over two pods whose hosts have the same names, and one administrator.
type adminCloud struct {
	*cloud
	token string
}

func newAdminCloud(t *testing.T) *adminCloud {
	t.Helper()
	c := newCloudOf(t, simcloud.Options{Pods: 2, Hosts: []string{"c1", "c2"}})
	return &adminCloud{c, c.sim.Token("admin", "admin", time.Hour)}
}

// ask makes a call at a microversion.
func (c *adminCloud) ask(method, path, body, version string) answer {
	c.t.Helper()
	return c.call(compute, method, path, body, "X-Auth-Token", c.token, "OpenStack-API-Version", "compute "+version)
}

// column lists a member of all rows, in order.
func column[T any](t *testing.T, a answer, collection, member string) (values []T) {
	t.Helper()
	for _, row := range a.get(t, collection).([]any) {
		values = append(values, row.(map[string]any)[member].(T))
	}
	return values
}

// pages reads a list one by one, by the links or by markers, and returns a member of the rows.
func (c *adminCloud) pages(path, collection, member, version string, byLinks bool) (seen []string) {
	c.t.Helper()
	for target := path + "?limit=1"; target != "" && len(seen) < 20; {
		a := c.ask("GET", target, "", version).want(c.t, 200)
		target = ""
		for _, row := range a.get(c.t, collection).([]any) {
			row := row.(map[string]any)
			seen = append(seen, row[member].(string))
			if id := row["uuid"]; !byLinks && id != nil {
				target = fmt.Sprintf("%s?limit=1&marker=%v", path, id)
			} else if !byLinks {
				target = path + "?limit=1&marker=" + number(row["id"])
			}
		}
		if !byLinks {
			continue
		}
		var links map[string][]struct{ Href string }
		if err := json.Unmarshal([]byte(a.body), &links); err != nil {
			c.t.Fatal(err)
		}
		for _, link := range links[collection+"_links"] {
			target = strings.TrimPrefix(link.Href, c.url(compute))
		}
	}
	return seen
}

// number spells an id that may be an integer too large for %v.
func number(id any) string {
	if n, ok := id.(float64); ok {
		return fmt.Sprintf("%.0f", n)
	}
	return fmt.Sprint(id)
}

var allHosts = []string{"c1.pod1", "c2.pod1", "c1.pod2", "c2.pod2"}

func TestHypervisors_HostsWithEqualNames_AreToldApart(t *testing.T) {
	c := newAdminCloud(t)
	c.boot("one", "az1")
	for _, version := range []string{"2.1", "2.33", "2.53", "2.88"} {
		list := c.ask("GET", "/os-hypervisors/detail", "", version).want(t, 200)
		if got := column[string](t, list, "hypervisors", "hypervisor_hostname"); !slices.Equal(got, allHosts) {
			t.Errorf("%s: listed %q", version, got)
		}
		for i, id := range column[any](t, list, "hypervisors", "id") {
			one := c.ask("GET", "/os-hypervisors/"+number(id), "", version).want(t, 200)
			if got := one.get(t, "hypervisor", "hypervisor_hostname"); got != allHosts[i] {
				t.Errorf("%s: %s is %v", version, number(id), got)
			}
			if got := one.get(t, "hypervisor", "service", "host"); got != allHosts[i] {
				t.Errorf("%s: the service of %s is on %v", version, number(id), got)
			}
		}
	}
	for path, want := range map[string][]string{"c1": {"c1.pod1", "c1.pod2"}, "c1.pod2": {"c1.pod2"}, "c": allHosts} {
		for _, target := range []string{"/os-hypervisors/" + path + "/search 2.1", "/os-hypervisors/" + path + "/servers 2.52",
			"/os-hypervisors?hypervisor_hostname_pattern=" + path + " 2.53"} {
			target, version, _ := strings.Cut(target, " ")
			a := c.ask("GET", target, "", version).want(t, 200)
			if got := column[string](t, a, "hypervisors", "hypervisor_hostname"); !slices.Equal(got, want) {
				t.Errorf("%s: got %q", target, got)
			}
		}
	}
	c.ask("GET", "/os-hypervisors/nosuch/search", "", "2.1").want(t, 404)
}

func TestHypervisors_PageByPage_VisitsEachOnce(t *testing.T) {
	c := newAdminCloud(t)
	for _, version := range []string{"2.33", "2.52", "2.53", "2.93"} {
		for _, byLinks := range []bool{true, false} {
			if got := c.pages("/os-hypervisors", "hypervisors", "hypervisor_hostname", version, byLinks); !slices.Equal(got, allHosts) {
				t.Errorf("%s, by links %t: %q", version, byLinks, got)
			}
		}
	}
	for version, marker := range map[string]string{"2.33": "999", "2.53": "00000000-0000-4000-8000-000000000000"} {
		if a := c.ask("GET", "/os-hypervisors?marker="+marker, "", version).want(t, 400); !strings.Contains(a.body, "marker ["+marker+"] not found") {
			t.Errorf("%s: %s", version, a.body)
		}
	}
	last := column[any](t, c.ask("GET", "/os-hypervisors", "", "2.33").want(t, 200), "hypervisors", "id")[3]
	c.sim.Pod(1).Stop()
	if a := c.ask("GET", "/os-hypervisors?marker="+number(last), "", "2.33").want(t, 503); !strings.Contains(a.body, "pod2") {
		t.Errorf("a marker of a pod that is down: %s", a.body)
	}
}

func TestServices_OfAQualifiedHost_AreChangedInItsPod(t *testing.T) {
	c := newAdminCloud(t)
	disabled := func() (hosts []string) {
		for _, row := range c.ask("GET", "/os-services?binary=nova-compute", "", "2.53").want(t, 200).get(t, "services").([]any) {
			if row := row.(map[string]any); row["status"] == "disabled" {
				hosts = append(hosts, row["host"].(string)+" in "+row["zone"].(string))
			}
		}
		return hosts
	}
	c.ask("PUT", "/os-services/disable-log-reason", `{"host": "c2.pod2", "binary": "nova-compute", "disabled_reason": "fire"}`, "2.1").want(t, 200)
	if got := disabled(); !slices.Equal(got, []string{"c2.pod2 in az2"}) {
		t.Errorf("disabled %q", got)
	}
	list := c.ask("GET", "/os-services?host=c2.pod2", "", "2.53").want(t, 200)
	ids := column[string](t, list, "services", "id")
	if len(ids) != 1 {
		t.Fatalf("on one host: %s", list.body)
	}
	a := c.ask("PUT", "/os-services/"+ids[0], `{"status": "enabled"}`, "2.53").want(t, 200)
	if got := a.get(t, "service", "host"); got != "c2.pod2" || len(disabled()) > 0 {
		t.Errorf("enabled %v, still disabled %q", got, disabled())
	}
	c.ask("PUT", "/os-services/disable", `{"host": "c2", "binary": "nova-compute"}`, "2.1").want(t, 404)
	for version, want := range map[string]string{"2.1": "c1.pod1", "2.53": "c2.pod2"} {
		rows := c.ask("GET", "/os-services?host="+want, "", version).want(t, 200)
		c.ask("DELETE", "/os-services/"+number(column[any](t, rows, "services", "id")[0]), "", version).want(t, 204)
	}
	left := c.ask("GET", "/os-services?binary=nova-compute", "", "2.1").want(t, 200)
	if got := column[string](t, left, "services", "host"); !slices.Equal(got, []string{"c2.pod1", "c1.pod2"}) {
		t.Errorf("left %q", got)
	}
}

func TestAggregates_LiveInTheirPods(t *testing.T) {
	c := newAdminCloud(t)
	list := c.ask("GET", "/os-aggregates", "", "2.93").want(t, 200)
	if got := column[string](t, list, "aggregates", "name"); !slices.Equal(got, []string{"az1", "az2"}) {
		t.Errorf("listed %q", got)
	}
	made := c.ask("POST", "/os-aggregates", `{"aggregate": {"name": "fast", "availability_zone": "az2"}}`, "2.41").want(t, 200)
	path := "/os-aggregates/" + number(made.get(t, "aggregate", "id"))
	act := func(body string, status int) answer {
		t.Helper()
		return c.ask("POST", path+"/action", body, "2.41").want(t, status)
	}
	if got := act(`{"add_host": {"host": "c1.pod2"}}`, 200).get(t, "aggregate", "hosts"); fmt.Sprint(got) != "[c1.pod2]" {
		t.Errorf("added %v", got)
	}
	if a := act(`{"add_host": {"host": "c2.pod1"}}`, 404); !strings.Contains(a.body, "Compute host c2.pod1 could not be found.") {
		t.Errorf("a host of another pod: %s", a.body)
	}
	a := act(`{"set_metadata": {"metadata": {"ssd": "true", "host": "c1"}}}`, 200)
	if a.get(t, "aggregate", "metadata", "ssd") != "true" || a.get(t, "aggregate", "metadata", "host") != "c1" {
		t.Errorf("metadata: %s", a.body)
	}
	renamed := c.ask("PUT", path, `{"aggregate": {"name": "faster"}}`, "2.41").want(t, 200)
	if shown := c.ask("GET", path, "", "2.93").want(t, 200); shown.get(t, "aggregate", "name") != renamed.get(t, "aggregate", "name") {
		t.Errorf("shown %s", shown.body)
	}
	c.ask("PUT", path, `{"aggregate": {"availability_zone": "az1"}}`, "2.41").want(t, 400)
	c.ask("DELETE", path, "", "2.1").want(t, 400)
	act(`{"remove_host": {"host": "c1.pod2"}}`, 200)
	c.ask("DELETE", path, "", "2.1").want(t, 200)
	c.ask("GET", path, "", "2.1").want(t, 404)
}

func TestHosts_AreShownAndChangedByQualifiedNames(t *testing.T) {
	c := newAdminCloud(t)
	list := c.ask("GET", "/os-hosts?zone=az2", "", "2.1").want(t, 200)
	if got := column[string](t, list, "hosts", "host_name"); !slices.Equal(got, allHosts[2:]) {
		t.Errorf("listed %q", got)
	}
	if a := c.ask("GET", "/os-hosts/c1.pod2", "", "2.42").want(t, 200); !strings.Contains(a.body, `"host": "c1.pod2"`) {
		t.Errorf("shown %s", a.body)
	}
	if a := c.ask("PUT", "/os-hosts/c1.pod2", `{"status": "disable"}`, "2.1").want(t, 200); a.get(t, "host") != "c1.pod2" {
		t.Errorf("disabled %s", a.body)
	}
	if a := c.ask("GET", "/os-hosts/c2.pod1/reboot", "", "2.1").want(t, 200); a.get(t, "host") != "c2.pod1" {
		t.Errorf("rebooted %s", a.body)
	}
	c.ask("GET", "/os-hosts", "", "2.43").want(t, 404)
}

func TestMigrations_BetweenHostsOfAPod(t *testing.T) {
	c := newAdminCloud(t)
	moved := map[string]string{}
	for _, zone := range []string{"az1", "az2"} {
		id := c.boot("in "+zone, zone)
		from := c.ask("GET", "/servers/"+id, "", "2.1").want(t, 200).get(t, "server", "OS-EXT-SRV-ATTR:host").(string)
		name, pod, _ := strings.Cut(from, ".")
		to := map[string]string{"c1": "c2", "c2": "c1"}[name] + "." + pod
		elsewhere := name + "." + map[string]string{"pod1": "pod2", "pod2": "pod1"}[pod]
		live := func(host string, status int) answer {
			t.Helper()
			return c.ask("POST", "/servers/"+id+"/action", `{"os-migrateLive": {"host": "`+host+`", "block_migration": "auto"}}`, "2.30").want(t, status)
		}
		if a := live(elsewhere, 400); !strings.Contains(a.body, "Compute host "+elsewhere+" could not be found.") {
			t.Errorf("to another pod: %s", a.body)
		}
		live(to, 202)
		shown := c.ask("GET", "/servers/"+id, "", "2.1").want(t, 200)
		if got := shown.get(t, "server", "OS-EXT-SRV-ATTR:hypervisor_hostname"); got != to {
			t.Errorf("moved to %v, want %s", got, to)
		}
		moved[id] = from + " to " + to
	}
	list := c.ask("GET", "/os-migrations", "", "2.93").want(t, 200)
	for _, row := range list.get(t, "migrations").([]any) {
		row := row.(map[string]any)
		if got := fmt.Sprint(row["source_compute"], " to ", row["dest_node"]); got != moved[row["instance_uuid"].(string)] {
			t.Errorf("a migration from %s", got)
		}
		source := row["source_compute"].(string)
		filtered := c.ask("GET", "/os-migrations?host="+source, "", "2.59").want(t, 200)
		if got := column[string](t, filtered, "migrations", "instance_uuid"); !slices.Equal(got, []string{row["instance_uuid"].(string)}) {
			t.Errorf("of host %s: %q", source, got)
		}
		path := fmt.Sprintf("/servers/%v/migrations/%s", row["instance_uuid"], number(row["id"]))
		if a := c.ask("GET", path, "", "2.93").want(t, 404); !strings.Contains(a.body, "is not in progress") {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	for _, byLinks := range []bool{true, false} {
		if got := c.pages("/os-migrations", "migrations", "instance_uuid", "2.59", byLinks); len(got) != 2 || got[0] == got[1] {
			t.Errorf("by links %t: %q", byLinks, got)
		}
	}
	if ids := column[float64](t, c.ask("GET", "/os-migrations", "", "2.1").want(t, 200), "migrations", "id"); len(ids) != 2 || ids[0] == ids[1] {
		t.Errorf("the ids are %v", ids)
	}
}

func TestServers_OnHostsWithEqualNames_HaveDifferentHostIDs(t *testing.T) {
	c := newAdminCloud(t)
	boot := func(host string) string {
		t.Helper()
		body := `{"server": {"name": "s", "imageRef": "` + c.image() + `", "flavorRef": "1", "networks": "none", "availability_zone": "` + host + `"}}`
		return c.ask("POST", "/servers", body, "2.37").want(t, 202).id(t, "server")
	}
	ids := map[string]string{"c1.pod1": boot("az1:c1.pod1"), "c1.pod2": boot("az2:c1.pod2")}
	seen := map[any]bool{}
	for host, id := range ids {
		shown := c.ask("GET", "/servers/"+id, "", "2.1").want(t, 200)
		if got := shown.get(t, "server", "OS-EXT-SRV-ATTR:host"); got != host {
			t.Errorf("on %v, want %s", got, host)
		}
		seen[shown.get(t, "server", "hostId")] = true
		for _, filter := range []string{"host", "node"} {
			list := c.ask("GET", "/servers?"+filter+"="+host, "", "2.1").want(t, 200)
			if got := column[string](t, list, "servers", "id"); !slices.Equal(got, []string{id}) {
				t.Errorf("%s=%s: %q", filter, host, got)
			}
		}
	}
	if len(seen) != 2 {
		t.Errorf("host ids: %v", seen)
	}
	if n := len(column[string](t, c.ask("GET", "/servers?host=c1", "", "2.1").want(t, 200), "servers", "id")); n != 2 {
		t.Errorf("an unqualified host filters %d", n)
	}
}

func TestKeyPairs_AreAlikeInAllPods_AndKeepTheirNumbers(t *testing.T) {
	c := newAdminCloud(t)
	c.call(compute, "POST", "/os-keypairs", `{"keypair": {"name": "k"}}`).want(t, 200)
	if id := c.call(compute, "GET", "/os-keypairs/k", "").want(t, 200).get(t, "keypair", "id"); id != 1.0 {
		t.Errorf("the id is %v", id)
	}
}

func TestAdministratorsCalls_OfAUser_AreForbiddenByThePod(t *testing.T) {
	c := newAdminCloud(t)
	id := c.boot("mine", "az1")
	for _, call := range []struct{ method, path, body string }{
		{"GET", "/os-hypervisors", ""}, {"GET", "/os-hypervisors/detail", ""}, {"GET", "/os-hypervisors/1", ""},
		{"GET", "/os-hypervisors/1/uptime", ""}, {"GET", "/os-hypervisors/c1.pod2/search", ""}, {"GET", "/os-hypervisors/c1/servers", ""},
		{"GET", "/os-hypervisors/statistics", ""}, {"GET", "/os-services", ""},
		{"PUT", "/os-services/disable", `{"host": "c1.pod2", "binary": "nova-compute"}`}, {"DELETE", "/os-services/4294967297", ""},
		{"GET", "/os-aggregates", ""}, {"POST", "/os-aggregates", `{"aggregate": {"name": "a"}}`},
		{"PUT", "/os-aggregates/1", `{"aggregate": {"name": "a"}}`}, {"DELETE", "/os-aggregates/8589934593", ""},
		{"POST", "/os-aggregates/1/action", `{"add_host": {"host": "c1.pod1"}}`}, {"GET", "/os-hosts", ""}, {"GET", "/os-hosts/c1.pod1", ""},
		{"PUT", "/os-hosts/c1", `{"status": "enable"}`}, {"GET", "/os-hosts/c1.pod2/reboot", ""}, {"GET", "/os-migrations", ""},
		{"GET", "/os-availability-zone/detail", ""},
		{"POST", "/servers/" + id + "/action", `{"os-migrateLive": {"host": "c2.pod2", "block_migration": false, "disk_over_commit": false}}`},
		{"POST", "/servers/" + id + "/action", `{"migrate": null}`}, {"POST", "/servers/" + id + "/action", `{"evacuate": {"host": "c1.pod1"}}`},
	} {
		if a := c.call(compute, call.method, call.path, call.body); a.StatusCode != 403 || !strings.Contains(a.body, "Policy doesn't allow") {
			t.Errorf("%s %s: %d %s", call.method, call.path, a.StatusCode, a.body)
		}
	}
}
