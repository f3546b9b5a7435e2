package adminapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tricircle/tricircle/internal/store"
)

// createJob asks for the job of a network in pod1.
func (g *rig) createJob(network, project string) jobView {
	g.Helper()
	var answer struct{ Job jobView }
	g.ok("POST", "/v1.0/jobs", fmt.Sprintf(`{"job": {"type": "network", "project_id": %q, "resource": {"network_id": %q, "pod_id": %q}}}`,
		project, network, podID(1)), &answer)
	return answer.Job
}

// begin claims a job as a worker does.
func (g *rig) begin(id string) store.Job {
	g.Helper()
	jobs, err := g.store.ListJobs(g.Context(), store.JobFilter{})
	if err != nil {
		g.Fatal(err)
	}
	i := slices.IndexFunc(jobs, func(j store.Job) bool { return fmt.Sprint(j.ID) == id })
	j, err := g.store.ClaimJob(g.Context(), store.JobClaim{JobLease: jobs[i].Lease(), Owner: "host:1", For: 1 << 40})
	if err != nil {
		g.Fatal(err)
	}
	return j
}

// end finishes a claimed job.
func (g *rig) end(j store.Job, o store.JobOutcome) {
	g.Helper()
	o.Gen = j.Gen
	if _, err := g.store.FinishJob(g.Context(), j.Lease(), o); err != nil {
		g.Fatal(err)
	}
}

func (g *rig) showJob(token, id string) (v jobView, status int) {
	g.Helper()
	w := g.callAs(token, "GET", "/v1.0/jobs/"+id, "")
	var answer struct{ Job jobView }
	if w.Code == http.StatusOK {
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			g.Fatal(err)
		}
	}
	return answer.Job, w.Code
}

func TestJobs_LifeOfOne_IsShown(t *testing.T) {
	g := newRig(t)
	g.register()
	created := g.createJob("a", "p")
	at := "2026-11-22T12:00:00Z"
	want := jobView{ID: "1", Type: "network", ProjectID: "p", Resource: map[string]string{"network_id": "a", "pod_id": podID(1)}, Status: "NEW",
		State: store.JobQueued, Region: "pod1", Timestamp: &at, CreatedAt: &at, RunAt: &at}
	if diff := cmp.Diff(want, created); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	running := g.begin("1")
	if v, _ := g.showJob("admin", "1"); v.Status != "RUNNING" || v.Owner != "host:1" || v.StartedAt == nil {
		t.Errorf("running: %+v", v)
	}
	if v, _ := g.showJob("member", "1"); v.Status != "RUNNING" || v.Owner != "" {
		t.Errorf("running, for a member: %+v", v)
	}
	parent := store.NewJob{Kind: "network", Resource: "b/1", ProjectID: "p", PodNum: 1}
	g.end(running, store.JobOutcome{State: store.JobWaiting, After: 1 << 40, Attempts: 1, Failures: 2, Cause: "not yet", WaitsFor: &parent})
	waits := &jobRef{"network", map[string]string{"network_id": "b", "pod_id": podID(1)}}
	if v, _ := g.showJob("member", "1"); v.Status != "FAIL" || v.State != store.JobWaiting || v.Cause != "not yet" || v.Failures != 2 ||
		!cmp.Equal(v.WaitsFor, waits) {
		t.Errorf("waiting: %+v", v)
	}
	var redone struct{ Job jobView }
	g.ok("PUT", "/v1.0/jobs/1", "", &redone)
	if redone.Job.Status != "NEW" || redone.Job.Attempts != 0 {
		t.Errorf("redone: %+v", redone)
	}
	g.end(g.begin("1"), store.JobOutcome{State: store.JobDone})
	if v, _ := g.showJob("member", "1"); v.Status != "SUCCESS" || v.EndedAt == nil || v.RunAt != nil {
		t.Errorf("done: %+v", v)
	}
	var schemas struct{ Schemas []jobSchema }
	g.ok("GET", "/v1.0/jobs/schemas", "", &schemas)
	if diff := cmp.Diff([]jobSchema{{"network", []string{"network_id", "pod_id"}}}, schemas.Schemas); diff != "" {
		t.Errorf("schemas (-want +got):\n%s", diff)
	}
}

func TestJobs_List_FiltersAndPages(t *testing.T) {
	g := newRig(t)
	g.register()
	for _, n := range []string{"a", "b", "c"} { // 1 to 3
		g.createJob(n, "p")
	}
	g.createJob("d", "q") // 4
	g.end(g.begin("1"), store.JobOutcome{State: store.JobDone})
	g.end(g.begin("2"), store.JobOutcome{State: store.JobParked})
	g.begin("4")
	for _, test := range []struct {
		token, query string
		want         []string
		more         bool
	}{
		{"admin", "", []string{"4", "3", "2", "1"}, false},
		{"admin", "/detail", []string{"4", "3", "2", "1"}, false},
		{"admin", "?project_id=q", []string{"4"}, false},
		{"admin", "?type=network&limit=2", []string{"4", "3"}, true},
		{"admin", "?limit=2&marker=3", []string{"2", "1"}, true},
		{"admin", "?type=port", []string{}, false},
		{"admin", "?status=fail", []string{"2"}, false},
		{"admin", "?status=New", []string{"3"}, false},
		{"admin", "?state=done", []string{"1"}, false},
		{"admin", "?status=fail&state=parked", []string{"2"}, false},
		{"admin", "?pod_id=" + podID(2), []string{}, false},
		{"admin", "?pod_id=none", []string{}, false},
		{"member", "", []string{"3", "2", "1"}, false},
		{"member", "?project_id=p&status=running", []string{}, false},
	} {
		w := g.callAs(test.token, "GET", "/v1.0/jobs"+test.query, "")
		var page struct {
			Jobs  []jobView
			Links []link `json:"jobs_links"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil || w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", test.query, w.Code, w.Body)
			continue
		}
		got := []string{}
		for _, j := range page.Jobs {
			got = append(got, j.ID)
		}
		if !slices.Equal(got, test.want) || (len(page.Links) > 0) != test.more {
			t.Errorf("%s of %s: %q, links %v; want %q", test.query, test.token, got, page.Links, test.want)
		}
	}
}

func TestJobs_WhatCannotBe_IsRefused(t *testing.T) {
	g := newRig(t)
	g.register()
	for range 2 {
		g.createJob("running", "q") // 1, once
	}
	g.begin("1")
	done := g.createJob("done", "p").ID
	g.end(g.begin(done), store.JobOutcome{State: store.JobDone})
	queued := g.createJob("queued", "p").ID
	resource := func(text string) string {
		return `{"job": {"type": "network", "project_id": "p", "resource": ` + text + `}}`
	}
	for _, test := range []struct {
		token, method, path, body string
		want                      int
	}{
		{"admin", "GET", "/99", "", 404},
		{"admin", "GET", "/x", "", 404},
		{"member", "GET", "/1", "", 404}, // of another project
		{"member", "GET", "?project_id=q", "", 403},
		{"member", "GET", "/schemas", "", 403},
		{"member", "POST", "", resource(`{"network_id": "a", "pod_id": "` + podID(1) + `"}`), 403},
		{"member", "DELETE", "/" + queued, "", 403},
		{"admin", "GET", "?status=odd", "", 400},
		{"admin", "GET", "?state=odd", "", 400},
		{"admin", "GET", "?state=done&status=new", "", 400},
		{"admin", "GET", "?marker=x", "", 400},
		{"admin", "GET", "?color=red", "", 400},
		{"admin", "POST", "", resource(`{"network_id": "a"}`), 400},
		{"admin", "POST", "", resource(`{"network_id": "a", "pod_id": "` + podID(1) + `", "port_id": "b"}`), 400},
		{"admin", "POST", "", resource(`{"network_id": "a/1", "pod_id": "` + podID(1) + `"}`), 400},
		{"admin", "POST", "", resource(`{"network_id": "a", "pod_id": "none"}`), 404},
		{"admin", "POST", "", `{"job": {"type": "odd", "project_id": "p"}}`, 400},
		{"admin", "POST", "", `{"job": {"type": "network"}}`, 400},
		{"admin", "PUT", "/1", "", 400},
		{"admin", "DELETE", "/1", "", 400},
		{"admin", "PUT", "/" + done, "", 400},
		{"admin", "DELETE", "/" + done, "", 400},
		{"admin", "POST", "/" + done + "/cancel", "", 400},
		{"admin", "PUT", "/99", "", 404},
		{"admin", "DELETE", "/99", "", 404},
		{"admin", "POST", "/1/cancel", "", 200}, // asks the runner
		{"admin", "DELETE", "/" + queued, "", 200},
	} {
		if w := g.callAs(test.token, test.method, "/v1.0/jobs"+test.path, test.body); w.Code != test.want {
			t.Errorf("%s %s %s: %d %s, want %d", test.token, test.method, test.path, w.Code, w.Body, test.want)
		}
	}
	if v, _ := g.showJob("admin", queued); v.State != store.JobCancelled || v.Status != "FAIL" {
		t.Errorf("deleted: %+v", v)
	}
	if v, _ := g.showJob("admin", "1"); v.State != store.JobRunning {
		t.Errorf("asked to stop: %+v", v)
	}
}
