package adminapi

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tricircle/tricircle/internal/store"
)

func TestCreatePod_Valid_IsStoredAndShownWhole(t *testing.T) {
	g := newRig(t)
	status, body := g.call("POST", "/v1.0/pods",
		`{"pod": {"region_name": "pod1", "az_name": "az1", "pod_az_name": "nova", "dc_name": "bj"}}`)
	want := `{"pod":{"pod_id":"00000000-0000-4000-8000-000000000001","region_name":"pod1","az_name":"az1","pod_az_name":"nova",` +
		`"dc_name":"bj","availability_zones":[{"az_name":"az1","pod_az_name":"nova"}],"state":"enabled",` +
		`"created_at":"2026-11-22T12:00:00Z","updated_at":"2026-11-22T12:00:00Z",` +
		`"health":{"status":"up","reason":"","checked_at":"2026-11-22T12:00:00Z","since":"2026-11-22T12:00:00Z",` +
		`"versions":{"compute":"2.1-2.93","volume":"3.0-3.70"},"circuits_open":[],"below_ceiling":[]},` +
		`"endpoints":{"compute":"` + g.pod1.URL + `/v2.1","volume":"` + g.pod1.URL + `/v3","network":"","image":""}}}`
	if status != 200 || body != want {
		t.Errorf("got %d %s\nwant %s", status, body, want)
	}
	row := g.rows()["pod1"]
	if diff := cmp.Diff([]store.Zone{{Name: "az1", PodName: "nova"}}, row.Zones); diff != "" || row.ID != podID(1) {
		t.Errorf("stored: %+v %s", row, diff)
	}
}

func TestCreatePod_WithoutZone_IsTheOneTop(t *testing.T) {
	g := newRig(t)
	status, body := g.call("POST", "/v1.0/pods", `{"pod": {"region_name": "RegionOne", "az_name": "", "pod_az_name": "ignored"}}`)
	if status != 200 || !strings.Contains(body, `"az_name":"","pod_az_name":"","dc_name":"","availability_zones":[]`) ||
		!strings.Contains(body, `"health":null,"endpoints":null`) {
		t.Errorf("got %d %s", status, body)
	}
	if status, body := g.call("POST", "/v1.0/pods", `{"pod": {"region_name": "RegionTwo"}}`); status != 409 {
		t.Errorf("a second top: got %d %s", status, body)
	}
	if rows := g.rows(); len(rows) != 1 {
		t.Errorf("stored: %v", rows)
	}
}

func TestCreatePod_Refused_StoresNothing(t *testing.T) {
	const pod1 = `{"pod": {"region_name": "pod1", "az_name": "az1"`
	for _, c := range []struct {
		name, body string
		status     int
		says       string
	}{
		{"no body", "", 400, "no body"},
		{"not JSON", "pod", 400, "malformed"},
		{"a list", "[]", 400, "malformed"},
		{"more than an object", pod1 + "}} x", 400, "malformed"},
		{"no pod", "{}", 400, "no member pod"},
		{"unknown member", pod1 + `, "pod_name": "x"}}`, 400, "pod_name"},
		{"unknown envelope", `{"site": {}}`, 400, "site"},
		{"wrong type", `{"pod": {"region_name": 5}}`, 400, "pod.region_name"},
		{"no region", `{"pod": {"az_name": "az1"}}`, 422, "region_name"},
		{"unknown state", pod1 + `, "state": "up"}}`, 400, "state"},
		{"zones contradict", pod1 + `, "availability_zones": [{"az_name": "az2"}]}}`, 400, "first element"},
		{"zone with a colon", `{"pod": {"region_name": "pod1", "az_name": "a:b"}}`, 400, "colon"},
		{"zone twice", `{"pod": {"region_name": "pod1", "availability_zones": [{"az_name": "a", "pod_az_name": "nova"}, ` +
			`{"az_name": "a", "pod_az_name": "x"}]}}`, 409, "twice"},
		{"region without Nova", `{"pod": {"region_name": "nowhere", "az_name": "az1"}}`, 400, "no compute endpoint"},
		{"region of the top", `{"pod": {"region_name": "RegionOne", "az_name": "az1"}}`, 409, "top"},
		{"zone that the pod lacks", pod1 + `, "pod_az_name": "az9"}}`, 409, "az9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newRig(t)
			status, body := g.call("POST", "/v1.0/pods", c.body)
			if status != c.status || !strings.Contains(body, c.says) {
				t.Errorf("got %d %s", status, body)
			}
			if rows := g.rows(); len(rows) != 0 {
				t.Errorf("stored: %v", rows)
			}
		})
	}
}

func TestCreatePod_RegionTwice_Conflicts(t *testing.T) {
	g := newRig(t)
	g.register()
	status, body := g.call("POST", "/v1.0/pods", `{"pod": {"region_name": "pod1", "az_name": "az9"}}`)
	if want := `{"conflictingRequest": {"code": 409, "message": "region_name \"pod1\" is already in use"}}`; status != 409 || body != want {
		t.Errorf("got %d %s", status, body)
	}
}

func TestCreatePod_Disabled_IsNotCalled(t *testing.T) {
	g := newRig(t)
	g.pod1.down.Store(true)
	const body = `{"pod": {"region_name": "pod1", "az_name": "az1", "state": "disabled"}}`
	g.ok("POST", "/v1.0/pods", body, nil)
	if status, answer := g.call("PUT", "/v1.0/pods/"+podID(1), `{"pod": {"state": "enabled"}}`); status != 409 || !strings.Contains(answer, "does not answer") {
		t.Errorf("enabled a pod that is down: %d %s", status, answer)
	}
	if state := g.rows()["pod1"].State; state != store.PodDisabled {
		t.Errorf("stored: %s", state)
	}
}

func TestListPods_Filters_AllMustMatch(t *testing.T) {
	g := newRig(t)
	g.ok("POST", "/v1.0/pods", `{"pod": {"region_name": "RegionOne"}}`, nil)
	g.register()
	g.ok("PUT", "/v1.0/pods/"+podID(3), `{"pod": {"state": "draining"}}`, nil)
	for query, want := range map[string][]string{
		"":                             {"RegionOne", "pod1", "pod2"},
		"?region_name=pod2":            {"pod2"},
		"?az_name=az1":                 {"pod1"},
		"?az_name=":                    {"RegionOne"},
		"?dc_name=dc":                  {"pod1", "pod2"},
		"?dc_name=dc&state=draining":   {"pod2"},
		"?state=enabled&dc_name=other": nil,
	} {
		var answer struct {
			Pods []struct {
				Region string `json:"region_name"`
			}
		}
		g.ok("GET", "/v1.0/pods"+query, "", &answer)
		var got []string
		for _, p := range answer.Pods {
			got = append(got, p.Region)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", query, diff)
		}
	}
	if status, body := g.call("GET", "/v1.0/pods?region=pod1", ""); status != 400 || !strings.Contains(body, "region") {
		t.Errorf("unknown filter: %d %s", status, body)
	}
}

func TestUpdatePod_Partial_ReplacesOnlyWhatIsGiven(t *testing.T) {
	both := []store.Zone{{Name: "az1", PodName: "nova"}, {Name: "az3", PodName: "other"}}
	for _, c := range []struct {
		name, body string
		status     int
		want       store.Pod // state, data center, zones
	}{
		{"state", `{"state": "draining"}`, 200, store.Pod{State: "draining", DCName: "dc", Zones: []store.Zone{{Name: "az1"}}}},
		{"null changes nothing", `{"dc_name": null, "state": null}`, 200, store.Pod{State: "enabled", DCName: "dc", Zones: []store.Zone{{Name: "az1"}}}},
		{"emptied", `{"dc_name": ""}`, 200, store.Pod{State: "enabled", Zones: []store.Zone{{Name: "az1"}}}},
		{"half of the pair", `{"pod_az_name": "nova"}`, 200, store.Pod{State: "enabled", DCName: "dc", Zones: []store.Zone{{Name: "az1", PodName: "nova"}}}},
		{"zones", `{"state": "disabled", "availability_zones": [{"az_name": "az1", "pod_az_name": "nova"}, {"az_name": "az3", "pod_az_name": "other"}]}`,
			200, store.Pod{State: "disabled", DCName: "dc", Zones: both}},
		{"no longer a pod", `{"availability_zones": []}`, 400, store.Pod{State: "enabled", DCName: "dc", Zones: []store.Zone{{Name: "az1"}}}},
		{"unknown zone of the pod", `{"pod_az_name": "az9"}`, 409, store.Pod{State: "enabled", DCName: "dc", Zones: []store.Zone{{Name: "az1"}}}},
		{"no region", `{"region_name": ""}`, 422, store.Pod{State: "enabled", DCName: "dc", Zones: []store.Zone{{Name: "az1"}}}},
		{"id", `{"pod_id": "x"}`, 400, store.Pod{State: "enabled", DCName: "dc", Zones: []store.Zone{{Name: "az1"}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newRig(t)
			g.register()
			if status, body := g.call("PUT", "/v1.0/pods/"+podID(1), `{"pod": `+c.body+`}`); status != c.status {
				t.Errorf("got %d %s", status, body)
			}
			row := g.rows()["pod1"]
			if diff := cmp.Diff(c.want, store.Pod{State: row.State, DCName: row.DCName, Zones: row.Zones}); diff != "" {
				t.Errorf("-want +stored:\n%s", diff)
			}
		})
	}
}

func TestUpdatePod_FlatPairOfSeveralZones_IsRefused(t *testing.T) {
	g := newRig(t)
	g.ok("POST", "/v1.0/pods", `{"pod": {"region_name": "pod1", "state": "disabled", "availability_zones": [`+
		`{"az_name": "a", "pod_az_name": "x"}, {"az_name": "b", "pod_az_name": "y"}]}}`, nil)
	if status, body := g.call("PUT", "/v1.0/pods/"+podID(1), `{"pod": {"az_name": "c"}}`); status != 400 {
		t.Errorf("got %d %s", status, body)
	}
}

func TestDeletePod_TakesItsRoutingsAlong(t *testing.T) {
	g := newRig(t)
	g.register()
	g.put(g.rows()["pod1"].Num, 3)
	kept := g.put(g.rows()["pod2"].Num, 1)
	if status, body := g.call("DELETE", "/v1.0/pods/"+podID(1), ""); status != 200 || body != "{}" {
		t.Errorf("got %d %s", status, body)
	}
	rows, err := g.store.ListRoutings(g.Context(), store.RoutingFilter{})
	if err != nil || len(rows) != 1 || rows[0].TopID != kept[0] {
		t.Errorf("routings left: %v, %v", rows, err)
	}
	if _, ok := g.rows()["pod1"]; ok {
		t.Error("the pod is still there")
	}
	for _, method := range []string{"GET", "DELETE", "PUT"} {
		if status, body := g.call(method, "/v1.0/pods/"+podID(1), `{"pod": {}}`); status != 404 {
			t.Errorf("%s of a deleted pod: %d %s", method, status, body)
		}
	}
}

func TestCheckPod_TellsWhatStandsInTheWay(t *testing.T) {
	g := newRig(t)
	g.register()
	var good, bad struct{ Check check }
	g.ok("POST", "/v1.0/pods/"+podID(1)+"/check", "", &good)
	if want := (check{OK: true, Versions: versionsView{"2.1-2.93", "3.0-3.70"}}); good.Check != want {
		t.Errorf("got %+v", good.Check)
	}
	g.pod1.down.Store(true)
	g.ok("POST", "/v1.0/pods/"+podID(1)+"/check", "", &bad)
	if bad.Check.OK || !strings.Contains(bad.Check.Reason, "503") {
		t.Errorf("got %+v", bad.Check)
	}
	var shown struct {
		Pod struct {
			Health struct{ Status, Reason string }
		}
	}
	g.ok("GET", "/v1.0/pods/"+podID(1), "", &shown)
	if shown.Pod.Health.Status != "down" || shown.Pod.Health.Reason == "" {
		t.Errorf("the health does not agree: %+v", shown)
	}
}

func TestCheckPod_KeystoneDown_IsNotHeldAgainstThePod(t *testing.T) {
	g := newRig(t)
	g.register()
	g.keystone.down = errors.New("connection refused")
	status, body := g.call("POST", "/v1.0/pods/"+podID(1)+"/check", "")
	if status != http.StatusServiceUnavailable || !strings.Contains(body, "Keystone") {
		t.Errorf("got %d %s", status, body)
	}
}

func TestPods_ChangedByAnotherProcess_AreSeenAtOnce(t *testing.T) {
	g := newRig(t)
	_, err := g.store.CreatePod(t.Context(), store.Pod{ID: podID(7), RegionName: "pod2", State: "enabled", Zones: []store.Zone{{Name: "az2"}}})
	if err != nil {
		t.Fatal(err)
	}
	g.ok("GET", "/v1.0/pods/"+podID(7), "", nil)
}
