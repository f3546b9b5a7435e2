package app

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestProxies_VolumesAndSnapshotsOfBothPods_ByTheComputeAPI(t *testing.T) {
	c := newCloud(t, 2)
	volumes, snapshots := map[string]string{}, map[string]string{}
	for _, zone := range []string{"az1", "az2"} {
		made := c.call(compute, "POST", "/os-volumes", `{"volume": {"size": 1, "display_name": "disk", "availability_zone": "`+zone+`"}}`).want(t, 200)
		id := made.id(t, "volume")
		volumes[zone] = id
		if made.get(t, "volume", "availabilityZone") != zone || !strings.HasPrefix(made.Header.Get("Location"), "http://"+c.top.addresses[compute].String()) {
			t.Errorf("%s: %s at %s", zone, made.body, made.Header.Get("Location"))
		}
		c.call(volume, "GET", "/volumes/"+id, "").want(t, 200)
		snapshots[zone] = c.call(compute, "POST", "/os-snapshots", `{"snapshot": {"volume_id": "`+id+`"}}`).want(t, 200).id(t, "snapshot")
		copied := c.call(compute, "POST", "/os-volumes", `{"volume": {"size": 1, "snapshot_id": "`+snapshots[zone]+`"}}`).want(t, 200)
		if copied.get(t, "volume", "availabilityZone") != zone {
			t.Errorf("the copy of a snapshot in %s: %s", zone, copied.body)
		}
	}
	for path, want := range map[string]int{"/os-volumes": 4, "/os-volumes/detail": 4, "/os-volumes?limit=3": 3, "/os-volumes?offset=3": 1, "/os-volumes?limit=2&offset=1": 2,
		"/os-snapshots": 2, "/os-snapshots/detail?limit=1": 1} {
		list := c.call(compute, "GET", path, "").want(t, 200)
		member := "volumes"
		if strings.HasPrefix(path, "/os-snap") {
			member = "snapshots"
		}
		if rows := list.get(t, member).([]any); len(rows) != want || strings.Contains(list.body, "_links") {
			t.Errorf("%s: %d rows, want %d: %s", path, len(rows), want, list.body)
		}
	}
	c.call(compute, "POST", "/os-volumes", `{"volume": {"size": 1, "availability_zone": "nowhere"}}`).want(t, 400)
	c.call(compute, "GET", "/os-volumes", "", "OpenStack-API-Version", "compute 2.36").want(t, 404)
	for zone, id := range snapshots {
		c.call(compute, "GET", "/os-snapshots/"+id, "").want(t, 200)
		c.call(compute, "DELETE", "/os-snapshots/"+id, "").want(t, 202)
		c.call(compute, "DELETE", "/os-volumes/"+volumes[zone], "").want(t, 202)
		if gone := c.call(compute, "GET", "/os-volumes/"+volumes[zone], "").want(t, 404); !strings.Contains(gone.body, "Volume "+volumes[zone]+" could not be found.") {
			t.Errorf("got %s", gone.body)
		}
	}
}

func TestExternalEvents_OfServersInTwoPods_AreAnsweredInOrder(t *testing.T) {
	c := newCloud(t, 2)
	one, two := c.boot("one", "az1"), c.boot("two", "az2")
	const nobody = "00000000-0000-4000-8000-000000000009"
	event := func(servers ...string) answer {
		var events []string
		for i, s := range servers {
			events = append(events, fmt.Sprintf(`{"server_uuid": %q, "name": "network-changed", "tag": "%d"}`, s, i))
		}
		return c.send("POST", "http://"+c.top.addresses[compute].String()+"/v2.1/os-server-external-events", `{"events": [`+strings.Join(events, ", ")+`]}`,
			"X-Auth-Token", c.sim.Token("admin", "admin", time.Hour))
	}
	for _, test := range []struct {
		servers []string
		status  int
		codes   []int
	}{
		{[]string{one, two, one}, http.StatusOK, []int{200, 200, 200}},
		{[]string{nobody, two, one, nobody}, http.StatusMultiStatus, []int{404, 200, 200, 404}},
		{[]string{nobody}, http.StatusMultiStatus, []int{404}},
	} {
		a := event(test.servers...).want(t, test.status)
		rows := a.get(t, "events").([]any)
		for i, row := range rows {
			e := row.(map[string]any)
			if len(rows) != len(test.servers) || e["server_uuid"] != test.servers[i] || e["tag"] != fmt.Sprint(i) || e["code"] != float64(test.codes[i]) {
				t.Errorf("event %d of %v: %v", i, test.servers, a.body)
			}
		}
	}
	c.call(compute, "POST", "/os-server-external-events", `{"events": [{"server_uuid": "`+two+`", "name": "network-changed"}]}`).want(t, 403)
	c.call(compute, "GET", "/os-console-auth-tokens/"+nobody, "").want(t, 403)
	if a := c.send("GET", "http://"+c.top.addresses[compute].String()+"/v2.1/os-console-auth-tokens/"+nobody, "", "X-Auth-Token",
		c.sim.Token("admin", "admin", time.Hour)).want(t, 404); !strings.Contains(a.body, "Token not found") {
		t.Errorf("got %s", a.body)
	}
	c.sim.Pod(1).Stop()
	if a := event(one, two).want(t, 503); !strings.Contains(a.body, "pod2") {
		t.Errorf("a pod is down: %s", a.body)
	}
	c.send("GET", "http://"+c.top.addresses[compute].String()+"/v2.1/os-console-auth-tokens/"+nobody, "", "X-Auth-Token",
		c.sim.Token("admin", "admin", time.Hour)).want(t, 503)
}
