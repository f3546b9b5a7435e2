package xjob

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/tricircle/tricircle/internal/bus"
	"github.com/tricircle/tricircle/internal/store"
	"github.com/tricircle/tricircle/internal/store/sqlstore"
	"github.com/tricircle/tricircle/internal/store/sqlstore/sqltest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// A world takes longer than most properties do. For a long run: go test ./internal/xjob -run Chaos -rapid.checks 1000
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		_ = checks.Value.Set("20") // it is a number
	}
	goleak.VerifyTestMain(postgres.Around(m))
}

const (
	testLease = 30 * time.Second
	testPoll  = 5 * time.Second
)

var errPod = errors.New("the pod says 500")

// rig is one process with an engine, in a bubble of fake time.
type rig struct {
	*Engine
	t     *testing.T
	ctx   context.Context // of the bubble
	store *sqlstore.Store
	stops []func()

	// between orders what tests and their handlers do with the same variables, for time that passes does not.
	between sync.Mutex

	mu       sync.Mutex
	verdicts []string
	counts   []store.JobCount
}

// inBubble runs f with an engine that does not run yet. A change of the options may be nil.
func inBubble(t *testing.T, change func(*Options), f func(r *rig)) {
	synctest.Test(t, func(t *testing.T) {
		s := sqltest.Open(t, sqltest.InMemory, time.Now)
		r := &rig{t: t, ctx: t.Context(), store: s}
		defer func() {
			for _, stop := range r.stops {
				stop()
			}
		}()
		o := testOptions(s, bus.NewLocal())
		o.Observe = func(_, outcome string, _ time.Duration) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.verdicts = append(r.verdicts, outcome)
		}
		o.Count = func(counts []store.JobCount) { r.counts = counts }
		if change != nil {
			change(&o)
		}
		r.Engine = New(o)
		f(r)
	})
}

func testOptions(jobs store.Jobs, b bus.Bus) Options {
	return Options{
		Jobs: jobs, Bus: b, Owner: "test", Log: slog.New(slog.DiscardHandler), Now: time.Now, Jitter: func() float64 { return 0 },
		Workers: 8, PodLimit: 2, Lease: testLease, Poll: testPoll, RetryFirst: time.Second, RetryMax: time.Minute, MaxAttempts: 4,
		Timeout: 10 * time.Minute, History: 24 * time.Hour,
	}
}

// start lets the engine run until the end of the test, or until stop is called.
func (r *rig) start() (stop func()) {
	ctx, cancel := context.WithCancel(r.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.Run(ctx); err != nil {
			r.t.Error(err)
		}
	}()
	stop = func() { cancel(); <-done }
	r.stops = append(r.stops, stop)
	synctest.Wait()
	return stop
}

// handle registers a handler of kind "network".
func (r *rig) handle(run func(ctx context.Context, job store.Job) error) {
	r.handleKind("network", run)
}

func (r *rig) handleKind(kind string, run func(ctx context.Context, job store.Job) error) {
	r.Register(kind, Handler{Members: []string{"id", "pod_id"}, Run: func(ctx context.Context, job store.Job) error {
		r.order()
		defer r.order()
		return run(ctx, job)
	}})
}

// order makes what was done before visible to whoever calls it later.
func (r *rig) order() {
	r.between.Lock()
	defer r.between.Unlock()
}

func network(resource string) store.NewJob {
	return store.NewJob{Kind: "network", Resource: resource, ProjectID: "p", PodNum: 1}
}

// ask enqueues as an API does, and returns the id of the first job.
func (r *rig) ask(jobs ...store.NewJob) int64 {
	r.t.Helper()
	r.order()
	rows, err := r.store.EnqueueJobs(r.ctx, jobs...)
	if err != nil {
		r.t.Fatal(err)
	}
	r.Wake()
	return rows[0].ID
}

func (r *rig) job(id int64) store.Job {
	r.t.Helper()
	j, err := r.store.GetJob(r.ctx, id)
	if err != nil {
		r.t.Fatal(err)
	}
	return j
}

// expect waits until nothing happens before time passes, and compares the job with what it should be then.
func (r *rig) expect(id int64, state store.JobState, attempts int, cause string) {
	r.t.Helper()
	synctest.Wait()
	r.order()
	if j := r.job(id); j.State != state || j.Attempts != attempts || j.Cause != cause {
		r.t.Errorf("%s after %d attempts because of %q; want %s after %d because of %q", j.State, j.Attempts, j.Cause, state, attempts, cause)
	}
}

// pass lets time pass.
func (r *rig) pass(d time.Duration) {
	r.order()
	<-time.After(d)
	synctest.Wait()
	r.order()
}
