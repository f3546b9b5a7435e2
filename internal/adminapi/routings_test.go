package adminapi

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tricircle/tricircle/internal/store"
)

// page is an answer to GET /v1.0/routings.
type page struct {
	Routings []struct {
		ID    int64
		TopID string `json:"top_id"`
	}
	Links []struct{ Rel, Href string } `json:"routings_links"`
}

func (p page) topIDs() (ids []string) {
	for _, r := range p.Routings {
		ids = append(ids, r.TopID)
	}
	return ids
}

func TestListRoutings_Pages_HighestFirstWithoutGapsOrRepeats(t *testing.T) {
	g := newRig(t)
	g.register()
	ids := g.put(g.rows()["pod1"].Num, 5)
	var got []string
	next := "http://top:19999/v1.0/routings?limit=2&resource_type=server"
	for n := 0; next != ""; n++ {
		if n == 4 {
			t.Fatal("the pages do not end")
		}
		u, err := url.Parse(next)
		if err != nil {
			t.Fatal(err)
		}
		var p page
		g.ok("GET", u.RequestURI(), "", &p)
		got = append(got, p.topIDs()...)
		next = ""
		if len(p.Links) > 0 {
			next = p.Links[0].Href
		}
	}
	if diff := cmp.Diff([]string{ids[4], ids[3], ids[2], ids[1], ids[0]}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestListRoutings_Filters_SelectRows(t *testing.T) {
	g := newRig(t)
	g.register()
	one, two := g.put(g.rows()["pod1"].Num, 2), g.put(g.rows()["pod2"].Num, 1)
	var all page
	g.ok("GET", "/v1.0/routings", "", &all)
	last := all.Routings[0].ID
	for query, want := range map[string][]string{
		"":                                   {two[0], one[1], one[0]},
		"pod_id=" + podID(1):                 {one[1], one[0]},
		"pod_id=unknown":                     nil,
		"top_id=" + strings.ToUpper(one[0]):  {one[0]},
		"bottom_id=" + two[0]:                {two[0]},
		"top_id=nonsense":                    nil,
		"project_id=p1&resource_type=server": {two[0], one[1], one[0]},
		"project_id=p2":                      nil,
		"resource_type=volume":               nil,
		fmt.Sprintf("id=%d", last):           {two[0]},
		fmt.Sprintf("id=%d&pod_id=%s", last, podID(1)): nil,
		fmt.Sprintf("id=%d&marker=%d", last, last):     nil,
		fmt.Sprintf("marker=%d", last):                 {one[1], one[0]},
		"limit=0":                                      {two[0], one[1], one[0]},
	} {
		var p page
		g.ok("GET", "/v1.0/routings?"+query, "", &p)
		if diff := cmp.Diff(want, p.topIDs()); diff != "" {
			t.Errorf("%s: -want +got:\n%s", query, diff)
		}
		if len(p.Links) != 0 {
			t.Errorf("%s: links %v", query, p.Links)
		}
	}
}

func TestListRoutings_BadParameters_AreRefused(t *testing.T) {
	g := newRig(t)
	for _, query := range []string{"limit=x", "limit=-1", "marker=x", "marker=0", "id=x", "resource_type=robot", "sort_key=id",
		"marker=99999999999999999999"} {
		if status, body := g.call("GET", "/v1.0/routings?"+query, ""); status != 400 {
			t.Errorf("%s: got %d %s", query, status, body)
		}
	}
}

func TestShowRouting_RowOrNotFound(t *testing.T) {
	g := newRig(t)
	g.register()
	id := g.put(g.rows()["pod2"].Num, 1)[0]
	var all page
	g.ok("GET", "/v1.0/routings", "", &all)
	row := all.Routings[0].ID
	status, body := g.call("GET", fmt.Sprintf("/v1.0/routings/%d", row), "")
	want := fmt.Sprintf(`{"routing":{"id":%d,"top_id":%q,"bottom_id":%q,"pod_id":%q,"region_name":"pod2","project_id":"p1",`+
		`"resource_type":"server","created_at":"2026-11-22T12:00:00Z","updated_at":"2026-11-22T12:00:00Z"}}`, row, id, id, podID(2))
	if status != 200 || body != want {
		t.Errorf("got %d %s\nwant %s", status, body, want)
	}
	for _, unknown := range []string{"9999", "x", id} {
		if status, body := g.call("GET", "/v1.0/routings/"+unknown, ""); status != 404 {
			t.Errorf("%s: got %d %s", unknown, status, body)
		}
	}
}

func TestRoutings_OfADeletedPod_AreNotShown(t *testing.T) {
	g := newRig(t)
	g.register()
	g.put(99, 1)
	var all page
	g.ok("GET", "/v1.0/routings?limit=1", "", &all)
	if len(all.Routings) != 0 || len(all.Links) != 1 {
		t.Errorf("got %+v", all)
	}
}

func TestLookup_Miss_AsksThePodsOnceAndRemembers(t *testing.T) {
	g := newRig(t)
	g.register()
	server, volume := uuid.NewString(), uuid.NewString()
	g.pod2.servers[server], g.pod1.volumes[volume] = true, true
	for _, c := range []struct{ id, query, region, typ string }{
		{server, "", "pod2", "server"},
		{volume, "", "pod1", "volume"},
		{volume, "&resource_type=volume", "pod1", "volume"},
	} {
		var answer struct{ Routing routingView }
		g.ok("GET", "/v1.0/routings/lookup?id="+c.id+c.query, "", &answer)
		if r := answer.Routing; r.TopID != c.id || r.RegionName != c.region || r.ResourceType != c.typ || r.ID == nil || r.ProjectID != "p1" {
			t.Errorf("%+v: got %+v", c, r)
		}
	}
	g.pod1.down.Store(true)
	g.pod2.down.Store(true)
	g.ok("GET", "/v1.0/routings/lookup?id="+server, "", nil)
	rows, err := g.store.LookupRouting(t.Context(), store.Server, server)
	if err != nil || len(rows) != 1 || rows[0].PodNum != g.rows()["pod2"].Num {
		t.Errorf("stored: %v, %v", rows, err)
	}
}

func TestLookup_NotFound_OnlyWhenEveryPodHasAnswered(t *testing.T) {
	g := newRig(t)
	g.register()
	volume := uuid.NewString()
	g.pod1.volumes[volume] = true
	unknown := "/v1.0/routings/lookup?id=" + uuid.NewString()
	if status, body := g.call("GET", unknown, ""); status != 404 {
		t.Errorf("all answer: got %d %s", status, body)
	}
	g.pod2.deaf.Store(true)
	if status, body := g.call("GET", unknown, ""); status != 503 || !strings.Contains(body, "pod2") {
		t.Errorf("pod2 does not answer: got %d %s", status, body)
	}
	if status, body := g.call("GET", "/v1.0/routings/lookup?id="+volume, ""); status != 200 {
		t.Errorf("pod2 does not answer, pod1 has it: got %d %s", status, body)
	}
	for query, want := range map[string]int{"": 404, "id=x": 404, "id=x&resource_type=robot": 400, "uuid=x": 400} {
		if status, body := g.call("GET", "/v1.0/routings/lookup?"+query, ""); status != want {
			t.Errorf("%q: got %d %s", query, status, body)
		}
	}
}

func TestRebuild_RecordsWhatThePodsHaveAndTellsWhichFailed(t *testing.T) {
	g := newRig(t)
	g.register()
	one, two := uuid.NewString(), uuid.NewString()
	g.pod1.servers[one], g.pod1.volumes[two] = true, true
	g.pod2.deaf.Store(true)
	var answer struct{ Rebuild []rebuilt }
	g.ok("POST", "/v1.0/routings/rebuild", "", &answer)
	if len(answer.Rebuild) != 2 {
		t.Fatalf("got %+v", answer)
	}
	first, second := answer.Rebuild[0], answer.Rebuild[1]
	if first.RegionName != "pod1" || first.Error != "" || first.Counts["server"] != 1 || first.Counts["volume"] != 1 {
		t.Errorf("pod1: %+v", first)
	}
	if second.RegionName != "pod2" || !strings.Contains(second.Error, "503") {
		t.Errorf("pod2: %+v", second)
	}
	rows, err := g.store.ListRoutings(t.Context(), store.RoutingFilter{})
	if err != nil || len(rows) != 2 {
		t.Errorf("stored: %v, %v", rows, err)
	}
}

func TestRebuild_OnePod_LeavesTheOthersAlone(t *testing.T) {
	g := newRig(t)
	g.register()
	g.pod1.servers[uuid.NewString()], g.pod2.servers[uuid.NewString()] = true, true
	g.ok("POST", "/v1.0/routings/rebuild", `{"pod_id": "`+podID(2)+`"}`, nil)
	rows, err := g.store.ListRoutings(t.Context(), store.RoutingFilter{})
	if err != nil || len(rows) != 1 || rows[0].PodNum != g.rows()["pod2"].Num {
		t.Errorf("stored: %v, %v", rows, err)
	}
	g.ok("PUT", "/v1.0/pods/"+podID(1), `{"pod": {"state": "disabled"}}`, nil)
	for body, want := range map[string]int{`{"pod_id": "x"}`: 404, `{"pod_id": "` + podID(1) + `"}`: 409, `{"pod": "x"}`: 400, `x`: 400} {
		if status, answer := g.call("POST", "/v1.0/routings/rebuild", body); status != want {
			t.Errorf("%s: got %d %s", body, status, answer)
		}
	}
}

func TestCeilings_AreThoseOfTheFirstPodUntilSet(t *testing.T) {
	g := newRig(t)
	get := func(want string) {
		t.Helper()
		if status, body := g.call("GET", "/v1.0/ceilings", ""); status != 200 || body != `{"ceilings":`+want+`}` {
			t.Errorf("got %d %s", status, body)
		}
	}
	get(`{"compute":"","volume":""}`)
	g.register()
	get(`{"compute":"2.93","volume":"3.70"}`)
	g.ok("PUT", "/v1.0/ceilings", `{"ceilings": {"compute": "2.90"}}`, nil)
	get(`{"compute":"2.90","volume":"3.70"}`)
	g.ok("POST", "/v1.0/pods/"+podID(1)+"/check", "", nil) // so that its versions are known
	for body, want := range map[string]int{
		`{"ceilings": {"compute": "2.94"}}`:   409,
		`{"ceilings": {"compute": "2.999"}}`:  400,
		`{"ceilings": {"compute": "latest"}}`: 400,
		`{"ceilings": {"image": "2.1"}}`:      400,
		`{}`:                                  400,
		``:                                    400,
		`{"ceilings": {"volume": "3.60", "compute": "2.9.9"}}`: 400,
	} {
		if status, answer := g.call("PUT", "/v1.0/ceilings", body); status != want {
			t.Errorf("%s: got %d %s", body, status, answer)
		}
	}
	get(`{"compute":"2.90","volume":"3.70"}`)
}
