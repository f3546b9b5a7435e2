package simcloud

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestHypervisors_Microversion_DecidesWhatIsShown(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1, Servers: 4})
	admin := c.as("admin", "admin")
	for version, want := range map[string][]string{
		"1":  {`"id": 1,`, `"cpu_info": "{`, `"service": {"id": 3`},
		"28": {`"id": 1,`, `"cpu_info": {"arch"`, `"running_vms"`},
		"53": {`{"id": "`, `"service": {"id": "`, `"running_vms"`},
		"88": {`{"id": "`, `"uptime": "`, `!running_vms`, `!cpu_info`},
	} {
		r := admin.do("GET", nova(cloud, "/os-hypervisors/detail"), "", mv(version)...).want(t, 200)
		for _, part := range want {
			part, absent := strings.CutPrefix(part, "!")
			if strings.Contains(r.text, part) == absent {
				t.Errorf("2.%s: %q in %s", version, part, r.text)
			}
		}
	}
	total := 0.0
	for i := range 2 {
		used, _ := admin.do("GET", nova(cloud, "/os-hypervisors/detail"), "").at("hypervisors", i, "running_vms").(float64)
		total += used
	}
	if sum := admin.do("GET", nova(cloud, "/os-hypervisors/statistics"), "").at("hypervisor_statistics", "running_vms"); sum != total || total != 4 {
		t.Errorf("%v servers on hypervisors, %v in their sum", total, sum)
	}
}

func TestNovaAdmin_Refusals_AreThoseOfNova(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1, Servers: 4})
	admin := c.as("admin", "admin")
	none := "00000000-0000-4000-8000-000000000000"
	for _, call := range []struct {
		method, path, body, version string
		status                      int
		message                     string
	}{
		{"GET", "/os-hypervisors/5", "", "53", 400, "Invalid uuid 5"},
		{"GET", "/os-hypervisors/abc", "", "1", 404, "Hypervisor with ID 'abc' could not be found."},
		{"GET", "/os-hypervisors/zz/search", "", "1", 404, "No hypervisor matching 'zz' could be found."},
		{"GET", "/os-hypervisors/zz/search", "", "53", 404, "The resource could not be found."},
		{"GET", "/os-hypervisors?marker=999", "", "33", 400, "marker [999] not found"},
		{"GET", "/os-hypervisors?hypervisor_hostname_pattern=zz", "", "53", 404, "No hypervisor matching 'zz' could be found."},
		{"PUT", "/os-services/enable", `{"host": "zz", "binary": "nova-compute"}`, "1", 404, "Host 'zz' is not mapped to any cell"},
		{"PUT", "/os-services/foo", `{"host": "zz", "binary": "nova-compute"}`, "1", 404, "Unknown action"},
		{"PUT", "/os-services/force-down", `{"host": "zz", "binary": "nova-compute"}`, "10", 404, "Unknown action"},
		{"PUT", "/os-services/enable", `{"status": "enabled"}`, "53", 400, "Invalid uuid enable"},
		{"PUT", "/os-services/" + none, `{"status": "enabled"}`, "53", 404, "Service " + none + " could not be found."},
		{"DELETE", "/os-services/999", "", "1", 404, "Service 999 not found."},
		{"DELETE", "/os-services/3", "", "1", 409, "Unable to delete compute service that is hosting instances. Migrate or delete the instances first."},
		{"GET", "/os-aggregates/abc", "", "1", 400, "Invalid input received: id must be an integer"},
		{"GET", "/os-aggregates/9", "", "1", 404, "Aggregate 9 could not be found."},
		{"POST", "/os-aggregates", `{"aggregate": {"name": "az1"}}`, "1", 409, "Aggregate az1 already exists."},
		{"DELETE", "/os-aggregates/1", "", "1", 400, "Cannot remove host from aggregate 1. Reason: Host aggregate is not empty."},
		{"PUT", "/os-aggregates/1", `{"aggregate": {"availability_zone": "az9"}}`, "1", 400, "Cannot update aggregate 1. Reason: One or more hosts contain instances in this zone."},
		{"POST", "/os-aggregates/1/action", `{"add_host": {"host": "pod1-c1"}}`, "1", 409, "Aggregate 1 already has host pod1-c1."},
		{"POST", "/os-aggregates/1/action", `{"add_host": {"host": "zz"}}`, "1", 404, "Compute host zz could not be found."},
		{"POST", "/os-aggregates/1/action", `{"remove_host": {"host": "zz"}}`, "1", 404, "Cannot remove host zz in aggregate 1"},
		{"GET", "/os-hosts/zz", "", "1", 404, "Host 'zz' is not mapped to any cell"},
		{"GET", "/os-hosts", "", "43", 404, "The resource could not be found."},
		{"GET", "/os-migrations?bogus=1", "", "59", 400, "Additional properties are not allowed ('bogus' was unexpected)"},
		{"GET", "/os-migrations?marker=" + none, "", "59", 400, "Marker " + none + " could not be found."},
	} {
		r := admin.do(call.method, nova(cloud, call.path), call.body, mv(call.version)...)
		if r.status != call.status || r.message() != call.message {
			t.Errorf("%s %s at 2.%s: %d %s", call.method, call.path, call.version, r.status, r.text)
		}
	}
}

func TestAggregates_OfAnotherZone_TakeNoHosts(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	admin := c.as("admin", "admin")
	admin.do("POST", nova(cloud, "/os-aggregates"), `{"aggregate": {"name": "other", "availability_zone": "az9"}}`).want(t, 200)
	r := admin.do("POST", nova(cloud, "/os-aggregates/2/action"), `{"add_host": {"host": "pod1-c1"}}`).want(t, 409)
	if want := "Cannot add host to aggregate 2. Reason: One or more hosts already in availability zone(s) ['az1']."; r.message() != want {
		t.Errorf("got %q", r.message())
	}
	admin.do("POST", nova(cloud, "/os-aggregates/1/action"), `{"remove_host": {"host": "pod1-c1"}}`).want(t, 200)
	zone := func() any {
		return admin.do("GET", nova(cloud, "/os-services?host=pod1-c1"), "").at("services", 0, "zone")
	}
	if got := zone(); got != "nova" {
		t.Errorf("without an aggregate the zone is %v", got)
	}
	admin.do("POST", nova(cloud, "/os-aggregates/2/action"), `{"add_host": {"host": "pod1-c1"}}`).want(t, 200)
	if got := zone(); got != "az9" {
		t.Errorf("the zone is %v", got)
	}
	r = admin.do("POST", nova(cloud, "/os-aggregates/2/action"), `{"set_metadata": {"metadata": {"availability_zone": null, "k": "v"}}}`).want(t, 200)
	if r.at("aggregate", "availability_zone") != nil || r.str("aggregate", "metadata", "k") != "v" || zone() != "nova" {
		t.Errorf("got %s", r.text)
	}
}

func TestMigrations_TakeTime_AndCanBeEnded(t *testing.T) {
	now := &clock{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	cloud, c := start(t, Options{Pods: 1, Servers: 1, Now: now.Now, BootDelay: time.Minute})
	admin := c.as("admin", "admin")
	server := "/servers/" + c.do("GET", nova(cloud, "/servers"), "").ids("servers")[0]
	admin.do("POST", nova(cloud, server+"/action"), `{"os-resetState": {"state": "active"}}`).want(t, 202)
	host := func() string { return admin.do("GET", nova(cloud, server), "").str("server", "OS-EXT-SRV-ATTR:host") }
	live := func(id string) {
		t.Helper()
		admin.do("POST", nova(cloud, server+"/action"), `{"os-migrateLive": {"host": null, "block_migration": "auto"}}`, mv("34")...).want(t, 202)
		r := admin.do("GET", nova(cloud, server+"/migrations/"+id), "", mv("80")...).want(t, 200)
		if r.str("migration", "status") != "running" || r.str("migration", "uuid") == "" {
			t.Errorf("under way: %s", r.text)
		}
	}
	first := host()
	live("1")
	if got := host(); got != first {
		t.Errorf("on %s before it has moved from %s", got, first)
	}
	admin.do("DELETE", nova(cloud, server+"/migrations/2"), "", mv("24")...).want(t, 404)
	admin.do("DELETE", nova(cloud, server+"/migrations/1"), "", mv("24")...).want(t, 202)
	live("2")
	admin.do("POST", nova(cloud, server+"/migrations/2/action"), `{"force_complete": null}`, mv("22")...).want(t, 202)
	second := host()
	live("3")
	now.now = now.now.Add(10 * time.Minute)
	if third := host(); second == first || third != first {
		t.Errorf("went from %s to %s to %s", first, second, third)
	}
	admin.do("POST", nova(cloud, server+"/action"), `{"migrate": null}`).want(t, 202)
	admin.do("POST", nova(cloud, server+"/action"), `{"revertResize": null}`).want(t, 202)
	if got := host(); got != first {
		t.Errorf("reverted to %s", got)
	}
	var ended []string
	all, _ := admin.do("GET", nova(cloud, "/os-migrations"), "", mv("59")...).at("migrations").([]any)
	for _, m := range all {
		ended = append(ended, m.(map[string]any)["status"].(string))
	}
	if want := []string{"reverted", "completed", "completed", "cancelled"}; !slices.Equal(ended, want) {
		t.Errorf("ended %q", ended)
	}
}

func TestEvacuate_NeedsAHostThatIsDown(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	id := c.boot("s")
	admin := c.as("admin", "admin")
	host := func() string {
		return admin.do("GET", nova(cloud, "/servers/"+id), "").str("server", "OS-EXT-SRV-ATTR:host")
	}
	from := host()
	evacuate := func(status int) string {
		t.Helper()
		return admin.do("POST", nova(cloud, "/servers/"+id+"/action"), `{"evacuate": {}}`, mv("14")...).want(t, status).message()
	}
	if got := evacuate(400); got != "Compute service of "+from+" is still in use." {
		t.Errorf("got %q", got)
	}
	admin.do("PUT", nova(cloud, "/os-services/force-down"), `{"host": "`+from+`", "binary": "nova-compute", "forced_down": true}`, mv("11")...).want(t, 200)
	evacuate(202)
	if got := host(); got == from {
		t.Errorf("still on %s", got)
	}
}
