package simcloud

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const bootBody = `{"server": {"name": "vm", "flavorRef": "1", "imageRef": "%s", "networks": "none"}}`

// boot creates a server and returns its id.
func (c *client) boot(name string) string {
	c.t.Helper()
	body := strings.Replace(fmt.Sprintf(bootBody, stableCirros), `"vm"`, `"`+name+`"`, 1)
	return c.do("POST", nova(c.cloud, "/servers"), body, mv("93")...).want(c.t, 202).str("server", "id")
}

// clock is a settable time.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func TestServers_Paging_VisitsAllOnce(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1, Servers: 25})
	made := []string{c.boot("a"), c.boot("b")}
	c.do("DELETE", nova(cloud, "/servers/"+cloud.pods[0].compute.servers.gen.id(4)), "").want(t, 204)
	var seen []string
	url := nova(cloud, "/servers?limit=10")
	for pages := 0; url != ""; pages++ {
		if pages > 5 {
			t.Fatal("the list has no end")
		}
		r := c.do("GET", url, "").want(t, 200)
		seen = append(seen, r.ids("servers")...)
		url = r.str("servers_links", 0, "href")
	}
	if len(seen) != 26 || len(slices.Compact(slices.Sorted(slices.Values(seen)))) != 26 {
		t.Errorf("%d servers are listed, want 26 different ones", len(seen))
	}
	for _, id := range made {
		if !slices.Contains(seen[:2], id) {
			t.Errorf("the new server %s is not among the first two", id)
		}
	}
}

func TestServers_Order_IsCreatedDescThenIdAsc(t *testing.T) {
	at := &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	cloud, c := start(t, Options{Pods: 1, Now: at.Now})
	c.token = cloud.Token("demo", "demo", 24*time.Hour)
	old := c.boot("old")
	at.now = at.now.Add(time.Minute)
	twins := []string{c.boot("x"), c.boot("y"), c.boot("z")}
	slices.Sort(twins)
	got := c.do("GET", nova(cloud, "/servers"), "").ids("servers")
	if diff := cmp.Diff(append(twins, old), got); diff != "" {
		t.Error(diff)
	}
	asc := c.do("GET", nova(cloud, "/servers?sort_key=created_at&sort_dir=asc"), "").ids("servers")
	if diff := cmp.Diff(append([]string{old}, twins...), asc); diff != "" {
		t.Error(diff)
	}
}

func TestServers_Boot_TakesTimeWithoutAnybodyWaiting(t *testing.T) {
	at := &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	cloud, c := start(t, Options{Pods: 1, Now: at.Now, BootDelay: time.Minute})
	id := c.boot("vm")
	url := nova(cloud, "/servers/"+id)
	if got := c.do("GET", url, "").str("server", "status"); got != "BUILD" {
		t.Errorf("status is %s at once, want BUILD", got)
	}
	c.do("POST", url+"/action", `{"os-stop": null}`).want(t, 409)
	at.now = at.now.Add(time.Minute)
	r := c.do("GET", url, "")
	if r.str("server", "status") != "ACTIVE" || r.str("server", "OS-EXT-AZ:availability_zone") != "az1" {
		t.Errorf("after the boot delay: %s", r.text)
	}
}

func TestServers_BadRequests_AreRefusedAsByNova(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1, Servers: 1})
	foreign := stableUUID("foreign")
	boot := func(old, new string) string { return strings.Replace(fmt.Sprintf(bootBody, stableCirros), old, new, 1) }
	for _, x := range []struct {
		name, method, path, body, version string
		status                            int
		message                           string
	}{
		{"zone", "POST", "/servers", boot(`"vm"`, `"vm", "availability_zone": "az2"`), "93", 400,
			"The requested availability zone is not available"},
		{"forced host", "POST", "/servers", boot(`"vm"`, `"vm", "availability_zone": "az1:pod1-c1"`), "93", 403,
			"Policy doesn't allow os_compute_api:servers:create:forced_host to be performed."},
		{"flavor", "POST", "/servers", boot(`"1"`, `"9"`), "93", 400, "Flavor 9 could not be found."},
		{"image", "POST", "/servers", boot(stableCirros, foreign), "93", 400, "Can not find requested image"},
		{"no image", "POST", "/servers", boot(stableCirros, ""), "93", 400, "Missing imageRef attribute"},
		{"empty name", "POST", "/servers", boot(`"vm"`, `""`), "93", 400,
			"Invalid input for field/attribute name. Value: . '' is too short"},
		{"network", "POST", "/servers", boot(`"none"`, `[{"uuid": "`+foreign+`"}]`), "93", 400,
			"Network " + foreign + " could not be found."},
		{"key", "POST", "/servers", boot(`"vm"`, `"vm", "key_name": "k"`), "93", 400, "Invalid key_name provided."},
		{"group", "POST", "/servers", boot(`"vm"`, `"vm", "security_groups": [{"name": "g"}]`), "93", 400,
			"Unable to find security_group with name or id 'g'"},
		{"counts", "POST", "/servers", boot(`"vm"`, `"vm", "min_count": 3, "max_count": 2`), "93", 400,
			"min_count must be <= max_count"},
		{"no JSON", "POST", "/servers", "{", "93", 400, "Malformed request body"},
		{"other object", "POST", "/servers", `{"x": {}}`, "93", 400, "'server' is a required property"},
		{"limit", "GET", "/servers?limit=-1", "", "1", 400,
			"Invalid input for query parameters limit. Value: -1. '-1' does not match '^[0-9]*$'"},
		{"marker", "GET", "/servers?marker=x", "", "1", 400, "marker [x] not found"},
		{"all tenants", "GET", "/servers/detail?all_tenants=1", "", "1", 403,
			"Policy doesn't allow os_compute_api:servers:detail:get_all_tenants to be performed."},
		{"filter", "GET", "/servers?foo=1", "", "93", 400, "'foo' does not match any of the regexes: '^_'"},
		{"status", "GET", "/servers?status=foo", "", "38", 400, "Invalid status value"},
		{"version", "GET", "/servers", "", "999", 406,
			"Version 2.999 is not supported by the API. Minimum is 2.1 and maximum is 2.93."},
		{"unknown", "GET", "/servers/nosuch", "", "93", 404, "Instance nosuch could not be found."},
		{"route of later versions", "GET", "/servers/nosuch/tags", "", "1", 404, "The resource could not be found."},
		{"no such action", "POST", "/servers/" + cloud.pods[0].compute.servers.gen.id(0) + "/action", `{"foo": null}`, "93", 400,
			"There is no such action: foo"},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := c.do(x.method, nova(cloud, x.path), x.body, mv(x.version)...)
			if r.status != x.status || r.message() != x.message {
				t.Errorf("got %d %s\nwant %d %s", r.status, r.text, x.status, x.message)
			}
		})
	}
}

func TestServers_States_AllowWhatNovaAllows(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	id := c.boot("vm")
	url := nova(cloud, "/servers/"+id)
	for _, step := range []struct {
		action string
		status int
		after  string
	}{
		{`{"os-start": null}`, 409, "ACTIVE"},
		{`{"os-stop": null}`, 202, "SHUTOFF"},
		{`{"os-stop": null}`, 409, "SHUTOFF"},
		{`{"os-start": null}`, 202, "ACTIVE"},
		{`{"pause": null}`, 202, "PAUSED"},
		{`{"suspend": null}`, 409, "PAUSED"},
		{`{"unpause": null}`, 202, "ACTIVE"},
		{`{"rescue": null}`, 200, "RESCUE"},
		{`{"unrescue": null}`, 202, "ACTIVE"},
		{`{"resize": {"flavorRef": "1"}}`, 400, "ACTIVE"},
		{`{"resize": {"flavorRef": "2"}}`, 202, "VERIFY_RESIZE"},
		{`{"revertResize": null}`, 202, "ACTIVE"},
		{`{"shelve": null}`, 202, "SHELVED_OFFLOADED"},
		{`{"unshelve": null}`, 202, "ACTIVE"},
		{`{"reboot": {"type": "X"}}`, 400, "ACTIVE"},
		{`{"os-resetState": {"state": "error"}}`, 403, "ACTIVE"},
	} {
		c.do("POST", url+"/action", step.action).want(t, step.status)
		if got := c.do("GET", url, "").str("server", "status"); got != step.after {
			t.Fatalf("after %s the status is %s, want %s", step.action, got, step.after)
		}
	}
	want := "Cannot 'start' instance " + id + " while it is in vm_state active"
	if got := c.do("POST", url+"/action", `{"os-start": null}`).message(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestServers_Microversion_DecidesWhatIsShown(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1, Servers: 1})
	url := nova(cloud, "/servers/"+cloud.pods[0].compute.servers.gen.id(0))
	admin := c.as("admin", "admin")
	for _, x := range []struct {
		key   string
		minor int // the first that has it
		admin bool
	}{
		{"locked", 9, false}, {"description", 19, false}, {"tags", 26, false}, {"trusted_image_certificates", 63, false},
		{"server_groups", 71, false}, {"locked_reason", 73, false}, {"OS-EXT-SRV-ATTR:hostname", 90, false},
		{"OS-EXT-SRV-ATTR:reservation_id", 3, true}, {"host_status", 16, true},
	} {
		who := c
		if x.admin {
			who = admin
		}
		for minor, want := range map[int]bool{x.minor - 1: false, x.minor: true} {
			server, _ := who.do("GET", url, "", mv(fmt.Sprint(minor))...).want(t, 200).at("server").(map[string]any)
			if _, got := server[x.key]; got != want {
				t.Errorf("at 2.%d, %s is shown: %v, want %v", minor, x.key, got, want)
			}
		}
	}
	if got := c.do("GET", url, "", mv("46")...).str("server", "flavor", "id"); got != "1" {
		t.Errorf("at 2.46 the flavor is %q, want a link to 1", got)
	}
	if got := c.do("GET", url, "", mv("47")...).str("server", "flavor", "original_name"); got != "m1.tiny" {
		t.Errorf("at 2.47 the flavor is %q, want m1.tiny embedded", got)
	}
	r := c.do("GET", url, "", "OpenStack-API-Version", "compute latest")
	if got := r.header.Get("OpenStack-API-Version"); got != "compute 2.93" {
		t.Errorf("latest is answered as %q", got)
	}
	if vary := r.header.Values("Vary"); len(vary) != 2 {
		t.Errorf("Vary is %v, want two", vary)
	}
}

func TestServers_Filters_Select(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1, Servers: 30})
	c.boot("web-1")
	stopped := c.boot("web-2")
	c.do("POST", nova(cloud, "/servers/"+stopped+"/action"), `{"os-stop": null}`).want(t, 202)
	for query, want := range map[string]int{
		"name=web":               2,
		"name=%5EWEB-1$":         1,
		"name=vm-pod1":           30,
		"name=vm-pod1-000001":    10,
		"status=SHUTOFF":         4,
		"status=shutoff&name=vm": 3,
		"status=paused":          0,
		"flavor=2":               0,
		"image=" + stableCirros:  32,
		"ip=10.128.0.2":          11, // .2 and .20 to .29
		"name=vm&limit=7":        7,
		"limit=0":                0,
	} {
		if got := len(c.do("GET", nova(cloud, "/servers?"+query), "").want(t, 200).ids("servers")); got != want {
			t.Errorf("%s selects %d, want %d", query, got, want)
		}
	}
	if got := c.as("admin", "admin").do("GET", nova(cloud, "/servers"), "").ids("servers"); len(got) != 0 {
		t.Errorf("project admin sees %d servers of project demo", len(got))
	}
	if got := c.as("admin", "admin").do("GET", nova(cloud, "/servers?all_tenants=1"), "").ids("servers"); len(got) != 32 {
		t.Errorf("all tenants have %d servers, want 32", len(got))
	}
}

func TestServers_Deleted_AreGoneButRemembered(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1, Servers: 3})
	id := cloud.pods[0].compute.servers.gen.id(1)
	url := nova(cloud, "/servers/"+id)
	c.do("DELETE", url, "").want(t, 204)
	c.do("GET", url, "").want(t, 404)
	c.do("DELETE", url, "").want(t, 404)
	r := c.do("GET", nova(cloud, "/servers/detail?changes-since=2000-01-01T00:00:00Z&name=0000001"), "").want(t, 200)
	if r.str("servers", 0, "status") != "DELETED" {
		t.Errorf("changes-since does not show the deleted server: %s", r.text)
	}
	// A deleted server is a valid marker.
	if got := c.do("GET", nova(cloud, "/servers?marker="+id), "").want(t, 200).ids("servers"); len(got) != 1 {
		t.Errorf("after the deleted server come %v, want one", got)
	}
	if got := c.do("GET", url+"/os-instance-actions", "", mv("21")...).want(t, 200).str("instanceActions", 0, "action"); got != "delete" {
		t.Errorf("the last action is %q, want delete", got)
	}
	ports := c.do("GET", neutron(cloud, "/ports?device_id="+id), "").ids("ports")
	if len(ports) != 0 {
		t.Errorf("the server's port is still there: %v", ports)
	}
}

func TestServers_Actions_AreFoundByTheirRequestID(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	url := nova(cloud, "/servers/"+c.boot("vm"))
	r := c.do("POST", url+"/action", `{"os-stop": null}`).want(t, 202)
	id := r.header.Get("X-Openstack-Request-Id")
	if id == "" || id != r.header.Get("X-Compute-Request-Id") {
		t.Errorf("request ids are %q and %q", id, r.header.Get("X-Compute-Request-Id"))
	}
	if got := c.do("GET", url+"/os-instance-actions/"+id, "").want(t, 200).str("instanceAction", "action"); got != "stop" {
		t.Errorf("request %s was %q, want stop", id, got)
	}
}

func TestServers_Several_ShareAReservation(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	body := strings.Replace(fmt.Sprintf(bootBody, stableCirros), `"vm"`, `"vm", "min_count": 3, "return_reservation_id": true`, 1)
	id := c.do("POST", nova(cloud, "/servers"), body, mv("93")...).want(t, 202).str("reservation_id")
	r := c.do("GET", nova(cloud, "/servers/detail?reservation_id="+id+"&sort_key=display_name&sort_dir=asc"), "").want(t, 200)
	var names []string
	for i := range r.ids("servers") {
		names = append(names, r.str("servers", i, "name"))
	}
	if diff := cmp.Diff([]string{"vm-1", "vm-2", "vm-3"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestNova_Paths_AnswerAsNova(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	project := stableDemoProject
	anonymous := *c
	anonymous.token = ""
	for _, x := range []struct {
		who    *client
		path   string
		status int
	}{
		{&anonymous, "/", 200}, {&anonymous, "/v2.1", 200}, {&anonymous, "/v2.1/", 200}, {&anonymous, "/v2/", 200},
		{&anonymous, "/v2.1/servers", 401}, {c, "/v2.1/servers", 200}, {c, "/v2.1/" + project + "/servers", 200},
		{c, "/v2.1/" + stableHex("x") + "/servers", 400}, {c, "/v2.1/nosuch", 404}, {c, "/v3/servers", 404},
	} {
		if r := x.who.do("GET", cloud.Pod(0).ComputeURL+x.path, ""); r.status != x.status {
			t.Errorf("GET %s with token %v: got %d %s, want %d", x.path, x.who != &anonymous, r.status, r.text, x.status)
		}
	}
	id := c.boot("vm")
	r := c.do("GET", cloud.Pod(0).ComputeURL+"/v2.1/"+project+"/servers/"+id, "")
	want := cloud.Pod(0).ComputeURL + "/v2.1/" + project + "/servers/" + id
	if got := r.str("server", "links", 0, "href"); got != want {
		t.Errorf("the self link is %s, want %s", got, want)
	}
	if got := anonymous.do("GET", nova(cloud, "/servers"), "").header.Get("WWW-Authenticate"); got != `Keystone uri="`+cloud.AuthURL()+`"` {
		t.Errorf("WWW-Authenticate: %s", got)
	}
}

func TestServers_MetadataAndTags_Change(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1, Servers: 1})
	url := nova(cloud, "/servers/"+cloud.pods[0].compute.servers.gen.id(0))
	for _, x := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/metadata", `{"metadata": {"a": "1", "b": "2"}}`, 200},
		{"PUT", "/metadata/a", `{"meta": {"a": "3"}}`, 200},
		{"PUT", "/metadata/a", `{"meta": {"c": "3"}}`, 400},
		{"DELETE", "/metadata/b", "", 204},
		{"DELETE", "/metadata/b", "", 404},
		{"PUT", "/tags", `{"tags": ["y", "x"]}`, 200},
		{"PUT", "/tags/z", "", 201},
		{"PUT", "/tags/z", "", 204},
		{"GET", "/tags/z", "", 204},
		{"DELETE", "/tags/x", "", 204},
		{"DELETE", "/tags/x", "", 404},
	} {
		if r := c.do(x.method, url+x.path, x.body, mv("93")...); r.status != x.status {
			t.Errorf("%s %s %s: got %d %s, want %d", x.method, x.path, x.body, r.status, r.text, x.status)
		}
	}
	r := c.do("GET", url, "", mv("93")...)
	if diff := cmp.Diff(map[string]any{"a": "3"}, r.at("server", "metadata")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]any{"y", "z"}, r.at("server", "tags")); diff != "" {
		t.Error(diff)
	}
}

func TestNova_ProjectResources_LiveInThePod(t *testing.T) {
	cloud, c := start(t, Options{Pods: 2})
	c.do("POST", nova(cloud, "/os-keypairs"), `{"keypair": {"name": "k"}}`).want(t, http.StatusOK)
	c.do("POST", nova(cloud, "/os-keypairs"), `{"keypair": {"name": "k"}}`).want(t, http.StatusConflict)
	c.do("GET", cloud.Pod(1).ComputeURL+"/v2.1/os-keypairs/k", "").want(t, http.StatusNotFound)
	c.do("GET", c.cloud.Pod(0).ComputeURL+"/v2.1/os-keypairs/k", "").want(t, http.StatusOK)
	c.as("admin", "demo").do("GET", nova(cloud, "/os-keypairs/k"), "").want(t, http.StatusNotFound)
	c.do("POST", nova(cloud, "/flavors"), `{"flavor": {"name": "f", "ram": 1, "vcpus": 1, "disk": 1}}`).want(t, http.StatusForbidden)
	admin := c.as("admin", "admin")
	admin.do("POST", nova(cloud, "/flavors"), `{"flavor": {"name": "f", "ram": 1, "vcpus": 1, "disk": 1, "id": "f1"}}`).want(t, http.StatusOK)
	c.do("GET", nova(cloud, "/flavors/f1"), "").want(t, http.StatusOK)
	zones := c.do("GET", cloud.Pod(1).ComputeURL+"/v2.1/os-availability-zone", "")
	if got := zones.str("availabilityZoneInfo", 0, "zoneName"); got != "az2" {
		t.Errorf("the second pod is in %q, want az2", got)
	}
}

func TestNova_Limits_CountGeneratedServers(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1, Servers: 10})
	c.boot("vm")
	c.do("DELETE", nova(cloud, "/servers/"+cloud.pods[0].compute.servers.gen.id(0)), "").want(t, 204)
	r := c.do("GET", nova(cloud, "/limits"), "")
	if got := r.at("limits", "absolute", "totalInstancesUsed"); got != float64(10) {
		t.Errorf("%v servers are counted, want 10", got)
	}
}

// TestNameFilter_Literals_MatchAsRegularExpressions compares the short cut with the long way.
func TestNameFilter_Literals_MatchAsRegularExpressions(t *testing.T) {
	for _, pattern := range []string{"", "^", "$", "^$", "a", "^a", "a$", "^a$", "aB", "^ab", "ab$", "^ab$", "^abab$", "b-1"} {
		f, err := newNameFilter(pattern)
		if err != nil || f.re != nil {
			t.Fatalf("%q is not taken for a literal: %v", pattern, err)
		}
		re := regexp.MustCompile("(?i)" + pattern)
		for _, name := range []string{"", "a", "A", "ab", "ba", "abab", "xABx", "b-1", "ab-10"} {
			if got, want := f.match([]byte(name)), re.MatchString(name); got != want {
				t.Errorf("%q matches %q: %v, want %v", pattern, name, got, want)
			}
		}
	}
	if _, err := newNameFilter("("); err == nil {
		t.Error("a broken expression is accepted")
	}
}
