package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/identity"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/pod/podtest"
	"github.com/tricircle/tricircle/internal/store"
)

func sid(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012x", n) }

// numbered are servers whose names and ages are their numbers: the first is the youngest.
func numbered(ns ...int) (rows []server) {
	for _, n := range ns {
		rows = append(rows, server{id: sid(n), name: strconv.Itoa(n), created: 1000 - n})
	}
	return rows
}

func ids(ns ...int) (out []string) {
	for _, n := range ns {
		out = append(out, sid(n))
	}
	return out
}

// fleetOf registers pods with the given contents.
func fleetOf(t testing.TB, adjust func(*gateway.Options), contents ...[]server) *fleet {
	f := &fleet{top: newTop(t)}
	if adjust != nil {
		f.top = newTop(t, adjust)
	}
	for i, rows := range contents {
		p := newNovaPod("pod"+strconv.Itoa(i+1), rows...)
		f.pods = append(f.pods, p)
		f.known = append(f.known, f.Register(&p.Pod))
	}
	return f
}

// calls are what the pods were asked since the last time, without what all lists have.
func (f *fleet) calls() (all []string) {
	for _, p := range f.pods {
		for _, c := range p.Calls() {
			all = append(all, p.Region+" "+strings.TrimPrefix(c, "GET /v2.1"))
		}
	}
	slices.Sort(all)
	return all
}

func TestList_FirstWave_AsksForAShareAndNoMoreThanNeeded(t *testing.T) {
	f := fleetOf(t, nil, numbered(1, 3, 5, 7), numbered(2, 4, 6))
	for _, c := range []struct {
		limit string
		want  []string
	}{
		{"3", []string{"pod1 /servers/detail?limit=3", "pod2 /servers/detail?limit=3"}},
		{"4", []string{"pod1 /servers/detail?limit=4", "pod2 /servers/detail?limit=4"}}, // pod1 fills its batch, and nobody asks for more
		{"100", []string{"pod1 /servers/detail?limit=55", "pod2 /servers/detail?limit=55"}},
		{"0", []string{"pod1 /servers/detail?limit=0", "pod2 /servers/detail?limit=0"}}, // they refuse what is wrong, and count
	} {
		if p, _ := list(t, f.nova, "/v2.1/servers?limit="+c.limit); c.limit == "0" && len(p.Servers)+len(p.ServersLinks) != 0 {
			t.Errorf("limit 0: %+v", p)
		}
		if diff := gocmp.Diff(c.want, f.calls()); diff != "" {
			t.Errorf("limit %s: %s", c.limit, diff)
		}
	}
}

func TestList_Summary_HasItsMembersAndOurLinks(t *testing.T) {
	f := fleetOf(t, nil, numbered(1))
	w := ask(t, f.nova, "GET", "/v2.1/servers", "")
	want := `{"servers": [{"id":"` + sid(1) + `","links":[{"href":"https://top/v2.1/servers/` + sid(1) + `","rel":"self"}],"name":"1"}]}`
	if w.Body.String() != want {
		t.Errorf("got  %s\nwant %s", w.Body, want)
	}
}

func TestList_NextLink_KeepsTheParameters(t *testing.T) {
	f := fleetOf(t, nil, numbered(1, 2))
	p, _ := list(t, f.nova, "/v2.1/"+project+"/servers/detail?sort_key=uuid&limit=1&name=&sort_dir=asc")
	before, cursor, _ := strings.Cut(p.next(t), "tricircle_cursor=")
	want := "/v2.1/" + project + "/servers/detail?limit=1&marker=" + sid(1) + "&name=&sort_dir=asc&sort_key=uuid&"
	if before != want || cursor == "" {
		t.Errorf("got  %s\nwant %s and a cursor", p.next(t), want)
	}
	if calls := f.calls(); len(calls) != 1 || strings.Contains(calls[0], "cursor") || !strings.Contains(calls[0], "/"+project+"/servers/detail") {
		t.Errorf("the pod was asked %q", calls)
	}
	list(t, f.nova, p.next(t))
	if calls := f.calls(); len(calls) != 1 || strings.Contains(calls[0], "cursor") {
		t.Errorf("the pod was asked %q", calls)
	}
}

func TestList_AMissingPod_AnswersBy(t *testing.T) {
	for _, c := range []struct {
		name, query string
		fail        bool // [gateway] configured to fail
		status      int
	}{
		{"plain", "", false, 200},
		{"status", "?status=ACTIVE", false, 200},
		{"sorted", "?sort_key=uuid&limit=5", false, 200},
		{"by name", "?name=^x$", false, 503},
		{"by uuid", "?uuid=" + sid(1), false, 503},
		{"by address", "?ip=10.0.0.1", false, 503},
		{"by tag", "?tags=x", false, 503},
		{"by reservation", "?reservation_id=r-1", false, 503},
		{"plain, where lists must be complete", "", true, 503},
	} {
		f := fleetOf(t, func(o *gateway.Options) { o.FailPartial = c.fail }, numbered(1), numbered(2))
		f.pods[1].SetFault(podtest.Status(503))
		w := ask(t, f.nova, "GET", "/v2.1/servers"+c.query, "")
		missing := ""
		if c.status == 200 {
			missing = "pod2"
		}
		if w.Code != c.status || w.Header().Get("X-Tricircle-Missing-Pods") != missing {
			t.Errorf("%s: got %d, missing %q, want %d", c.name, w.Code, w.Header().Get("X-Tricircle-Missing-Pods"), c.status)
		}
		if c.status == 503 && w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: 503 without Retry-After", c.name)
		}
	}
}

func TestList_NoPodAnswers_Is503(t *testing.T) {
	f := fleetOf(t, nil, numbered(1), numbered(2))
	for _, p := range f.pods {
		p.SetFault(podtest.Reset)
	}
	w := ask(t, f.nova, "GET", "/v2.1/servers", "")
	if got := refusal(w); w.Code != 503 || !strings.Contains(got, "cannot serve this request: its compute service: the connection broke") {
		t.Errorf("got %s", got)
	}
}

func TestList_HungPods_DoNotTakeTheOthersAlong(t *testing.T) {
	for name, fault := range map[string]podtest.Handler{"no answer": podtest.Hang, "no rows": podtest.HangInBody(`{"servers": [`)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := fleetOf(t, nil, numbered(1, 3), numbered(2))
				f.pods[1].SetFault(fault)
				start := time.Now()
				p, header := list(t, f.nova, "/v2.1/servers/detail")
				if took := time.Since(start); took > 4*time.Second {
					t.Errorf("took %s, longer than a list may", took)
				}
				if diff := gocmp.Diff(ids(1, 3), p.ids()); diff != "" || header.Get("X-Tricircle-Missing-Pods") != "pod2" {
					t.Errorf("missing %q, rows %s", header.Get("X-Tricircle-Missing-Pods"), diff)
				}
			})
		})
	}
}

func TestList_Refusals(t *testing.T) {
	forbid := podtest.JSON(403, `{"forbidden": {"code": 403, "message": "no"}}`)
	bad := podtest.JSON(400, `{"badRequest": {"code": 400, "message": "bad filter"}}`)
	for _, c := range []struct {
		name       string
		east, west podtest.Handler
		want       string
	}{
		{"all", forbid, forbid, "403 no"},
		{"400 before 403", forbid, bad, "400 bad filter"},
		{"400 though another answers", bad, nil, "400 bad filter"},
		{"403 and an answer", forbid, nil, "200 "},
	} {
		f := fleetOf(t, nil, nil, nil)
		f.pods[0].SetFault(c.east)
		f.pods[1].SetFault(c.west)
		w := ask(t, f.nova, "GET", "/v2.1/servers", "")
		if got := refusal(w); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestList_401OfAPod_IsHeldAgainstKeystone(t *testing.T) {
	f := fleetOf(t, nil, numbered(1), numbered(2))
	f.pods[1].SetFault(podtest.Status(401))
	if _, header := list(t, f.nova, "/v2.1/servers"); header.Get("X-Tricircle-Missing-Pods") != "pod2" {
		t.Error("a pod that refuses a valid token is not missing")
	}
	f.validator.failure = identity.ErrInvalidToken
	if w := ask(t, f.nova, "GET", "/v2.1/servers", ""); w.Code != 401 {
		t.Errorf("an expired token: %d", w.Code)
	}
}

func TestList_UnknownMarker_IsTheServicesRefusal(t *testing.T) {
	f := fleetOf(t, nil, numbered(1, 2), numbered(3))
	for _, marker := range []string{sid(99), "x"} {
		if got, want := refusal(ask(t, f.nova, "GET", "/v2.1/servers?marker="+marker, "")), "400 marker ["+marker+"] not found"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got, want := refusal(ask(t, f.cinder, "GET", "/v3/"+project+"/volumes?marker="+marker, "")), "404 Volume "+marker+" could not be found."; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f.pods[1].SetFault(podtest.Reset)
	if w := ask(t, f.nova, "GET", "/v2.1/servers?marker="+sid(98), ""); w.Code != 503 {
		t.Errorf("a pod that might have the marker is out: %d", w.Code)
	}
}

func TestList_MarkerInADisabledPod_AsksItNothing(t *testing.T) {
	f := fleetOf(t, nil, numbered(1), numbered(2))
	if err := f.routing.Record(t.Context(), store.Routing{Type: store.Server, TopID: sid(2), BottomID: sid(2), PodNum: f.known[1].Num}); err != nil {
		t.Fatal(err)
	}
	row := f.known[1].Pod
	row.State = store.PodDisabled
	if err := f.Registry.Update(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	if w := ask(t, f.nova, "GET", "/v2.1/servers?marker="+sid(2), ""); w.Code != 503 || len(f.pods[1].Calls()) != 0 {
		t.Errorf("got %d", w.Code)
	}
}

func TestList_MarkerOfALinkGone_GoesOn(t *testing.T) {
	for name, remove := range map[string]func(rows []server) []server{
		"deleted": func(rows []server) []server {
			gone := slices.Clone(rows)
			for i := range gone {
				gone[i].deleted = gone[i].id <= sid(3)
			}
			return gone
		},
		"purged": func(rows []server) []server {
			return slices.DeleteFunc(slices.Clone(rows), func(s server) bool { return s.id == sid(3) })
		},
	} {
		f := fleetOf(t, nil, numbered(1, 3, 5, 7), numbered(2, 4, 6))
		p, _ := list(t, f.nova, "/v2.1/servers?limit=3")
		for _, q := range f.pods {
			q.set(remove(q.servers))
		}
		p, _ = list(t, f.nova, p.next(t))
		if diff := gocmp.Diff(ids(4, 5, 6), p.ids()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestList_PlaceKnownToTheTable_IsNotSearched(t *testing.T) {
	f := fleetOf(t, nil, numbered(1, 3, 5, 7), numbered(2, 4, 6, 8))
	for i, p := range f.pods {
		for _, s := range p.servers {
			r := store.Routing{Type: store.Server, TopID: s.id, BottomID: s.id, PodNum: f.known[i].Num, ProjectID: project,
				CreatedAt: epoch.Add(time.Duration(s.created) * time.Second)}
			if err := f.routing.Record(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
	}
	p, _ := list(t, f.nova, "/v2.1/servers?limit=2&marker="+sid(5))
	if diff := gocmp.Diff(ids(6, 7), p.ids()); diff != "" {
		t.Error(diff)
	}
	want := []string{"pod1 /servers/" + sid(5), "pod1 /servers/detail?limit=2&marker=" + sid(5), "pod2 /servers/detail?limit=2&marker=" + sid(4)}
	if diff := gocmp.Diff(want, f.calls()); diff != "" {
		t.Error(diff)
	}
}

func TestList_ServerInTwoPods_IsShownOnce(t *testing.T) {
	for _, limit := range []string{"1", "2", "3", "100"} {
		f := fleetOf(t, nil, numbered(1, 2, 4), numbered(2, 3))
		var got []string
		for target := "/v2.1/servers?limit=" + limit; target != ""; {
			p, _ := list(t, f.nova, target)
			got = append(got, p.ids()...)
			target = p.next(t)
		}
		if diff := gocmp.Diff(ids(1, 2, 3, 4), got); diff != "" {
			t.Errorf("limit %s: %s", limit, diff)
		}
	}
}

func TestList_ByZone_AsksItsPodsInTheirWords(t *testing.T) {
	top := newTop(t)
	east, west, south := newNovaPod("east"), newNovaPod("west"), newNovaPod("south")
	east.ComputeZones, east.VolumeZones = []string{"nova", "gpu"}, []string{"nova", "gpu"}
	top.Register(&east.Pod, store.Zone{Name: "z1", PodName: "nova"}, store.Zone{Name: "z2", PodName: "gpu"})
	top.Register(&west.Pod, store.Zone{Name: "z2"})
	top.Register(&south.Pod)
	f := &fleet{top: top, pods: []*novaPod{east, west, south}}
	for _, c := range []struct {
		zone, token, version string
		want                 []string
	}{
		{"z2", "admin", "2.1", []string{"east /servers/detail?availability_zone=gpu&limit=550", "west /servers/detail?limit=550"}},
		{"z1", "token", "2.83", []string{"east /servers/detail?availability_zone=nova&limit=1000"}},
		{"nova", "admin", "2.1", nil},
	} {
		list(t, f.nova, "/v2.1/servers?availability_zone="+c.zone, "X-Auth-Token: "+c.token, "OpenStack-API-Version: compute "+c.version)
		if diff := gocmp.Diff(c.want, f.calls()); diff != "" {
			t.Errorf("%s: %s", c.zone, diff)
		}
	}
}

// volumes lists volumes by age and id as Cinder does, with their count.
func volumes(ns ...int) podtest.Handler {
	return func(req *http.Request) (*http.Response, error) {
		q := req.URL.Query()
		limit, _ := strconv.Atoi(q.Get("limit"))
		var rows []string
		behind := q.Get("marker") == ""
		for _, n := range ns {
			if behind && len(rows) < limit {
				rows = append(rows, fmt.Sprintf(`{"id": %q, "created_at": "2026-11-22T06:%02d:00.000000"}`, sid(n), 59-n))
			}
			behind = behind || q.Get("marker") == sid(n)
		}
		count := ""
		if q.Get("with_count") != "" {
			count = fmt.Sprintf(`, "count": %d`, len(ns))
		}
		return podtest.JSON(200, `{"volumes": [`+strings.Join(rows, ",")+`]`+count+`}`)(req)
	}
}

func TestList_OffsetAndCount_AreThoseOfAllPods(t *testing.T) {
	top := newTop(t)
	east := &podtest.Pod{Region: "east", Volume: volumes(1, 3, 5, 7, 9, 11)}
	west := &podtest.Pod{Region: "west", Volume: volumes(2, 4, 6)}
	top.Register(east)
	top.Register(west)
	for _, c := range []struct {
		query string
		want  []string
		count int // -1 for none
		next  bool
	}{
		{"", ids(1, 2, 3, 4, 5, 6, 7, 9, 11), -1, false},
		{"limit=3", ids(1, 2, 3), -1, true},
		{"limit=3&offset=2", ids(3, 4, 5), -1, true},
		{"offset=7", ids(9, 11), -1, false},
		{"offset=20", nil, -1, false},
		{"limit=2&with_count=true", ids(1, 2), 9, true},
		{"limit=9&with_count=True", ids(1, 2, 3, 4, 5, 6, 7, 9, 11), 9, true},
		{"limit=10&with_count=true", ids(1, 2, 3, 4, 5, 6, 7, 9, 11), 9, false},
		{"limit=2&with_count=false", ids(1, 2), -1, true},
	} {
		p, _ := list(t, top.cinder, "/v3/"+project+"/volumes?"+c.query, "OpenStack-API-Version: volume 3.45")
		count := -1
		if p.Count != nil {
			count = *p.Count
		}
		if diff := gocmp.Diff(c.want, p.ids()); diff != "" || count != c.count || (p.next(t) != "") != c.next {
			t.Errorf("%s: count %d, next %q, rows %s", c.query, count, p.next(t), diff)
		}
	}
	west.SetFault(podtest.Reset)
	p, header := list(t, top.cinder, "/v3/"+project+"/volumes?with_count=true", "OpenStack-API-Version: volume 3.45")
	if p.Count != nil || header.Get("X-Tricircle-Missing-Pods") != "west" {
		t.Errorf("count %v of pods that are not all there", p.Count)
	}
}

func TestList_WhatItShows_IsLearned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fleetOf(t, nil, numbered(1), numbered(2))
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- f.routing.Run(ctx) }()
		list(t, f.nova, "/v2.1/servers")
		stop()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		for i, id := range ids(1, 2) {
			rows, err := f.Store.LookupRouting(t.Context(), store.Server, id)
			if err != nil || len(rows) != 1 || rows[0].PodNum != f.known[i].Num || rows[0].ProjectID != project || rows[0].CreatedAt.IsZero() {
				t.Errorf("%s: %+v, %v", id, rows, err)
			}
		}
	})
}

func TestList_DisabledPod_IsNotAsked(t *testing.T) {
	f := fleetOf(t, nil, numbered(1), numbered(2))
	row := f.known[1].Pod
	row.State = store.PodDisabled
	if err := f.Registry.Update(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	p, header := list(t, f.nova, "/v2.1/servers")
	if len(p.Servers) != 1 || header.Get("X-Tricircle-Missing-Pods") != "" || len(f.pods[1].Calls()) != 0 {
		t.Errorf("%v, missing %q", p.ids(), header.Get("X-Tricircle-Missing-Pods"))
	}
}

func TestList_OpenCircuit_IsAMissingPod(t *testing.T) {
	f := fleetOf(t, nil, numbered(1), numbered(2))
	f.pods[1].SetFault(podtest.Reset)
	for range 5 {
		list(t, f.nova, "/v2.1/servers")
	}
	f.calls()
	if _, header := list(t, f.nova, "/v2.1/servers"); header.Get("X-Tricircle-Missing-Pods") != "pod2" || !f.known[1].CircuitOpen(pod.Compute) {
		t.Error("the pod is not missing")
	}
	if n := len(f.pods[1].Calls()); n != 0 {
		t.Errorf("%d calls through an open circuit", n)
	}
}

// TestList_OneOfManyPodsHangs_ListsDoNotWaitForEachOther asks for more lists at once than calls may be under way: those that come
// late find the calls to healthy pods over, though no list is.
func TestList_OneOfManyPodsHangs_ListsDoNotWaitForEachOther(t *testing.T) {
	const pods, lists = 100, 100
	synctest.Test(t, func(t *testing.T) {
		contents := make([][]server, pods)
		for i := range contents {
			contents[i] = numbered(i)
		}
		f := fleetOf(t, nil, contents...)
		f.pods[7].SetFault(podtest.Hang)
		start := time.Now()
		var asked sync.WaitGroup
		for range lists {
			asked.Go(func() {
				w := ask(t, f.nova, "GET", "/v2.1/servers/detail?limit=20", "")
				var p page
				if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || len(p.Servers) != 20 || w.Header().Get("X-Tricircle-Missing-Pods") != "pod8" {
					t.Errorf("%d with %d rows, missing %q", w.Code, len(p.Servers), w.Header().Get("X-Tricircle-Missing-Pods"))
				}
			})
		}
		asked.Wait()
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("took %s, longer than a list waits for one pod", took)
		}
	})
}

func TestList_FanOutIsFull_WaitsLongerThanAListMayTake(t *testing.T) {
	for _, path := range []string{"/v2.1/servers", "/v2.1/limits"} {
		synctest.Test(t, func(t *testing.T) {
			f := fleetOf(t, nil, numbered(1), numbered(2))
			leave, err := f.Registry.Snapshot().FanOut(t.Context(), 200)
			if err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(20*time.Second, func() {
				if n := len(f.calls()); n != 0 {
					t.Errorf("%s: %d calls were made meanwhile", path, n)
				}
				for range 200 {
					leave()
				}
			})
			if ask(t, f.nova, "GET", path, ""); len(f.calls()) != 2 {
				t.Errorf("%s: not all pods were asked when they might be", path)
			}
		})
	}
}
