package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tricircle/tricircle/internal/simcloud"
	"github.com/tricircle/tricircle/internal/store"
	"github.com/tricircle/tricircle/internal/store/sqlstore"
	"github.com/tricircle/tricircle/internal/store/sqlstore/sqltest"
)

var (
	killRounds = flag.Uint64("kill", 5, "how many rounds TestKill plays, some 20 seconds each, as many at a time as -parallel says")
	killSeed   = flag.Uint64("kill.seed", 0, "seed of the first round; those of the others follow")
)

const (
	killPods    = 3
	killClients = 3
	killSteps   = 80 // of each client
	// patience is how long a top that nobody harms any more may take to come to rest, on a busy machine.
	patience = 2 * time.Minute
)

// round is a top of several processes over simulated pods, some of which are always being killed, and clients who keep account of what
// they were told.
type round struct {
	t         *testing.T
	seed      uint64
	rand      *rand.Rand // of the test; the killer and the clients have their own
	sim       *simcloud.Cloud
	store     *sqlstore.Store // the test's own look into the database
	processes []*process
	addresses []string // at which processes listen
	nova, neutron, admin,
	image string
	// audited tells that the top looks at everything again and again, and clients forget what they did not see the end of. Otherwise
	// they look themselves, and nothing but what was asked for is done.
	audited bool
	clients []*client
}

// TestKill_NetworksOverPods_NothingIsMissingOrDoubled kills processes of the top with SIGKILL at random moments while clients work on
// networks, ports with names, trunks, groups and servers, and pods fall ill. When all are well again and all jobs done, top and pods agree, and when
// all is deleted, nothing is left.
func TestKill_NetworksOverPods_NothingIsMissingOrDoubled(t *testing.T) {
	for i := range *killRounds {
		seed := *killSeed + i
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := newRound(t, seed)
			r.live()
			r.rest()
			r.compare()
			r.deleteAll()
			r.nothingLeft()
		})
	}
}

func newRound(t *testing.T, seed uint64) *round {
	t.Helper()
	r := &round{t: t, seed: seed, rand: rand.New(rand.NewPCG(seed, 0))}
	sim, err := simcloud.Start(simcloud.Options{Pods: killPods})
	if err != nil {
		t.Fatal(err)
	}
	r.sim = sim
	t.Cleanup(func() { _ = sim.Close() })
	r.audited = r.rand.IntN(3) == 0
	url := r.database()
	r.install(url)
	for i := range killPods {
		p := sim.Pod(i)
		r.ask("POST", r.admin+"/v1.0/pods", fmt.Sprintf(`{"pod": {"region_name": %q, "az_name": %q, "pod_az_name": %q}}`, p.Region, p.Zone, p.Zone), 200)
	}
	images := r.ask("GET", sim.ImageURL()+"/v2/images", "", 200)
	r.image = images["images"].([]any)[0].(map[string]any)["id"].(string)
	return r
}

// database makes one and returns its URL.
func (r *round) database() string {
	r.t.Helper()
	url := "sqlite://" + filepath.Join(r.t.TempDir(), "top.db")
	if r.rand.IntN(3) == 0 && postgres.Installed() {
		url = postgres.NewDatabase(r.t)
	}
	r.store = sqltest.Open(r.t, url, time.Now)
	return url
}

// install starts the processes of the top: one for all, or some for the APIs and two for the jobs.
func (r *round) install(database string) {
	r.t.Helper()
	nova, neutron, admin := r.address(), r.address(), r.address()
	r.nova, r.neutron, r.admin = "http://"+nova+"/v2.1", "http://"+neutron+"/v2.0", "http://"+admin
	layouts := [][]string{{"admin-api,nova-gw,neutron,xjob"}, {"admin-api,nova-gw,neutron", "xjob", "xjob"},
		{"admin-api,nova-gw", "neutron", "xjob", "xjob"}, {"admin-api,nova-gw,neutron,xjob", "xjob"}}
	audit := "1h"
	if r.audited {
		audit = "1s"
	}
	layout := layouts[r.rand.IntN(len(layouts))]
	for i, roles := range layout {
		ops := r.address()
		p := &process{name: fmt.Sprint(i, " ", roles), ready: "http://" + ops + "/readyz", log: filepath.Join(r.t.TempDir(), "log")}
		for _, set := range []string{"DEFAULT.roles=" + roles, "DEFAULT.log_format=text", "database.connection=" + database,
			"keystone.auth_url=" + r.sim.AuthURL(), "keystone.username=nova", "keystone.password=secret",
			"admin-api.listen=" + admin, "nova-gw.listen=" + nova, "neutron.listen=" + neutron, "ops.listen=" + ops,
			"networks.network_vlan_ranges=bridge:2001:2100", "networks.dns_domain=top.example.", "networks.boot_timeout=10s", "quotas.quota_security_group=100",
			"pod.timeout=1s", "pod.list_timeout=1s", "pod.probe_interval=100ms", "pod.breaker_delay=200ms", "pod.reload_interval=100ms",
			"xjob.lease=2s", "xjob.poll_interval=100ms", "xjob.retry_first=100ms", "xjob.retry_max=2s", "xjob.audit_interval=" + audit} {
			p.args = append(p.args, "--set", set)
		}
		r.processes = append(r.processes, p)
		if err := p.start(); err != nil {
			r.t.Fatal(err)
		}
		r.t.Cleanup(p.kill)
	}
	r.ready()
	r.t.Logf("seed %d: processes %q on %s, audited: %t", r.seed, layout, strings.SplitN(database, ":", 2)[0], r.audited)
}

// ready waits until all processes are.
func (r *round) ready() {
	r.t.Helper()
	for _, p := range r.processes {
		r.eventually(p.name+" is ready", func() string {
			status, _, err := send(r.t.Context(), "GET", p.ready, "", "")
			if err != nil || status != http.StatusOK {
				return fmt.Sprintf("%d %v: %s", status, err, p.lastWords())
			}
			return ""
		})
	}
}

// eventually fails the test unless what is wrong comes to be nothing.
func (r *round) eventually(what string, wrong func() string) {
	r.t.Helper()
	deadline, tick := time.After(patience), time.NewTicker(50*time.Millisecond)
	defer tick.Stop()
	for {
		still := wrong()
		if still == "" {
			return
		}
		select {
		case <-deadline:
			r.t.Fatalf("seed %d: not so after %v: %s: %s", r.seed, patience, what, still)
		case <-tick.C:
		}
	}
}

// ask makes a call as an administrator that must succeed, and decodes the answer.
func (r *round) ask(method, url, body string, want int) map[string]any {
	r.t.Helper()
	status, doc, err := send(r.t.Context(), method, url, body, r.sim.Token("admin", "admin", time.Hour))
	if err != nil || status != want {
		r.t.Fatalf("seed %d: %s %s: %d %v %v, want %d", r.seed, method, url, status, doc, err, want)
	}
	return doc
}

// live lets the clients work while processes are killed and pods fall ill. Afterwards all are well.
func (r *round) live() {
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		(&killer{round: r, rand: rand.New(rand.NewPCG(r.seed, 1))}).work(over)
	}()
	r.work()
	close(over)
	<-ended
	r.ready()
}

// rest waits until nothing is to be done any more: no job is left, and no boot that was cut off.
func (r *round) rest() {
	r.t.Helper()
	if !r.audited {
		for _, c := range r.clients {
			c.look()
		}
	}
	r.eventually("nothing is left to do", func() string { return r.undone(r.t.Context()) })
}

// undone describes what is left to do.
func (r *round) undone(ctx context.Context) string {
	var left []string
	cut, err := r.store.Reader().List(ctx, store.ObjectQuery{Kind: store.KindPort,
		Filters: []store.Filter{{Attr: "device_id", Op: store.HasPrefix, Values: []any{"tricircle-boot:"}}}})
	for _, p := range cut {
		left = append(left, "a boot has port "+p.ID)
	}
	jobs, err2 := r.store.ListJobs(ctx, store.JobFilter{States: []store.JobState{store.JobQueued, store.JobRunning, store.JobWaiting, store.JobParked}})
	for _, j := range jobs {
		left = append(left, fmt.Sprintf("%s %s is %s: %s", j.Kind, j.Resource, j.State, j.Cause))
		if j.State == store.JobParked {
			r.t.Fatalf("seed %d: %s", r.seed, left[len(left)-1])
		}
	}
	if err != nil || err2 != nil {
		return fmt.Sprint(err, err2)
	}
	if r.audited { // jobs are always being asked for
		left = slices.DeleteFunc(left, func(s string) bool {
			return !strings.HasPrefix(s, "a boot") && !strings.Contains(s, string(store.JobParked))
		})
	}
	return strings.Join(left, "\n")
}
