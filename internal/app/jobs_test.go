package app

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/tricircle/tricircle/internal/config"
	"github.com/tricircle/tricircle/internal/store"
	"github.com/tricircle/tricircle/internal/xjob"
)

// startJobs runs a top of its own, which knows one kind of job, with some roles.
func (c *cloud) startJobs(ran chan<- store.Job, roles ...string) *server {
	c.t.Helper()
	core, err := newCore(c.t.Context(), c.config, c.t.Output())
	if err != nil {
		c.t.Fatal(err)
	}
	core.jobs.Register("test", xjob.Handler{Members: []string{"test_id"}, Run: func(_ context.Context, j store.Job) error {
		ran <- j
		return nil
	}})
	s, err := core.start(c.t.Context(), roles)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		if err := s.shutdown(); err != nil {
			c.t.Error(err)
		}
	})
	return s
}

func expectRun(t *testing.T, ran <-chan store.Job) store.Job {
	t.Helper()
	select {
	case j := <-ran:
		return j
	case <-time.After(20 * time.Second):
		t.Fatal("the job was not run")
		return store.Job{}
	}
}

// TestJobs_TwoProcessesOnEmbeddedBus_EnqueuedInOneRunInTheOther has an API in one process and workers in another. The poll interval
// is an hour, so only a message can have told.
func TestJobs_TwoProcessesOnEmbeddedBus_EnqueuedInOneRunInTheOther(t *testing.T) {
	c := newCloud(t, 1, "bus.driver=embedded", "bus.cluster_listen=127.0.0.1:0", "bus.cluster_password=p", "xjob.poll_interval=1h")
	ran := make(chan store.Job, 100)
	c.config.Bus.ClusterPeers = c.top.bus.(interface{ ClusterAddr() string }).ClusterAddr()
	worker := c.startJobs(ran, config.RoleXJob)
	if len(worker.addresses) != 0 {
		t.Errorf("a worker listens at %v", worker.addresses)
	}
	enqueue := func() {
		err := c.top.store.InTx(t.Context(), func(tx store.Tx) error {
			return tx.Enqueue(t.Context(), store.NewJob{Kind: "test", Resource: "a", ProjectID: "p"})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	again := time.NewTicker(50 * time.Millisecond) // until the two servers have found each other
	defer again.Stop()
	for range 400 {
		enqueue()
		select {
		case j := <-ran:
			if j.Resource != "a" || j.Owner != worker.name {
				t.Errorf("ran %+v", j)
			}
			return
		case <-again.C:
		}
	}
	t.Error("the job was not run")
}

func TestJobs_CreatedByAdminAPI_AreRunShownAndCounted(t *testing.T) {
	c := newCloud(t, 1)
	ran := make(chan store.Job, 100)
	c.top = func(old *server) *server {
		if err := old.shutdown(); err != nil {
			t.Error(err)
		}
		return c.startJobs(ran)
	}(c.top)
	token := c.sim.Token("admin", "admin", time.Hour)
	a := c.send("POST", c.url(config.RoleAdminAPI)+"/v1.0/jobs", `{"job": {"type": "test", "project_id": "p", "resource": {"test_id": "a"}}}`,
		"X-Auth-Token", token)
	var created struct{ Job struct{ ID string } }
	if err := json.Unmarshal([]byte(a.body), &created); err != nil || a.StatusCode != 200 {
		t.Fatalf("POST: %d %s", a.StatusCode, a.body)
	}
	expectRun(t, ran)
	for range 400 { // the row is written after the handler has returned
		a = c.send("GET", c.url(config.RoleAdminAPI)+"/v1.0/jobs/"+created.Job.ID, "", "X-Auth-Token", token)
		if strings.Contains(a.body, `"SUCCESS"`) {
			break
		}
	}
	if !strings.Contains(a.body, `"SUCCESS"`) {
		t.Errorf("GET: %d %s", a.StatusCode, a.body)
	}
	metrics := c.send("GET", "http://"+c.top.opsAddress.String()+"/metrics", "").body
	if !strings.Contains(metrics, `tricircle_job_runs_total{kind="test",outcome="done"} 1`) {
		t.Error("the run is not counted")
	}
}
