// Package xjob runs jobs: work that crosses pods, is asked for in a transaction (store.Tx.Enqueue), and is done afterwards, as often as
// it takes.
//
// A job has a key, its kind and resource, and no content: its handler reads what is wanted now, looks at the pod, and makes the smallest
// change. So a run may be repeated, be late, or be broken off at any point, and the requests of a burst are one run.
//
// Of one key at most one run has a valid lease. A runner renews it while it works, and is stopped when it cannot. One that stalls, with
// its whole process, may still send a request when it wakes up, and no lease can prevent that. Therefore
//
//   - a handler observes the pod first, then reads what is wanted, then changes the pod, and where the pod's API allows it on the
//     condition that nothing has changed since it was observed (Neutron: If-Match with revision_number). Then a late request of a
//     stalled runner is refused whenever another one has been there in between;
//   - who finds its lease lost asks for the job once more.
//
// The database is the queue. The bus only says when to look; without it, jobs begin after [xjob] poll_interval at the latest.
//
// The package knows no kind of job, and must not: handlers are registered by the composition root. It must not depend on a handler or
// on an implementation of the store or the bus.
package xjob

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/tricircle/tricircle/internal/bus"
	"github.com/tricircle/tricircle/internal/store"
)

// Topics of the bus.
const (
	topicDue   = "jobs.due"   // somebody may run something
	topicEnded = "jobs.ended" // a run has ended; the message is the id of the job
)

// Options are what an engine works with. All are required but those that say otherwise.
type Options struct {
	Jobs   store.Jobs
	Bus    bus.Bus
	Owner  string // of leases: who this process is, for people
	Log    *slog.Logger
	Now    func() time.Time // the clock of Jobs
	Jitter func() float64   // random, in [0,1)

	Workers     int           // runs at a time in this process
	PodLimit    int           // and of those, about one pod
	Lease       time.Duration // after which a job whose runner is gone is run by another
	Poll        time.Duration // between two looks into the database
	RetryFirst  time.Duration // about the pause after a failed run; doubles with each failure
	RetryMax    time.Duration // longest pause
	MaxAttempts int           // failed runs after which a job is parked
	Timeout     time.Duration // of one run
	History     time.Duration // that ended jobs are kept

	// Away returns the pods that are known not to answer. Their jobs wait without being tried. It may be nil.
	Away func() []int32
	// Observe is told of each run: "done", "failed", "parked", "waiting", "unavailable", "returned", "cancelled" or "lost". It may be nil.
	Observe func(kind, outcome string, took time.Duration)
	// Count is told now and then how many live jobs there are. It may be nil.
	Count func([]store.JobCount)
}

// Handler is what runs the jobs of a kind.
type Handler struct {
	// Run makes what the resource of the job names as it is wanted now. See the package for how, and for what else it must bear.
	// It returns nil when all is as it should be; a *DependencyError when another job must be done first; an error that wraps a
	// *pod.UnavailableError, or pod.ErrKeystone, when they cannot be reached, which is not held against the job; any other for a failed attempt, which
	// people read as the cause. When ctx ends it should return soon; context.Cause(ctx) says why.
	Run func(ctx context.Context, job store.Job) error
	// Members names the parts of the resource, which slashes separate, for the Admin API: "network_id", "pod_id". The last may be
	// "pod_id", and is the number of the pod.
	Members []string
}

// Kind is a kind of job with a handler.
type Kind struct {
	Name    string
	Members []string
}

// DependencyError is returned by a handler whose work cannot begin before another job is done.
type DependencyError struct {
	On     store.NewJob
	Reason string // what is missing
}

func (e *DependencyError) Error() string {
	return fmt.Sprintf("waits for %s %s: %s", e.On.Kind, e.On.Resource, e.Reason)
}

// Engine runs jobs. Every process has one: those with the role xjob let it Run, the others only RunNow.
type Engine struct {
	Options
	handlers map[string]Handler
	wake     chan struct{} // holds one: there may be something to do

	mu      sync.Mutex
	running int           // runs of Run
	perPod  map[int32]int // of those, by pod
}

// New makes an engine. Register all handlers before it runs anything.
func New(o Options) *Engine {
	return &Engine{Options: o, handlers: map[string]Handler{}, wake: make(chan struct{}, 1), perPod: map[int32]int{}}
}

// Register tells who runs the jobs of a kind. Jobs of other kinds are left to processes that know them.
func (e *Engine) Register(kind string, h Handler) { e.handlers[kind] = h }

// Kinds returns what is registered, by name.
func (e *Engine) Kinds() []Kind {
	kinds := make([]Kind, 0, len(e.handlers))
	for name, h := range e.handlers {
		kinds = append(kinds, Kind{name, h.Members})
	}
	slices.SortFunc(kinds, func(a, b Kind) int { return cmp.Compare(a.Name, b.Name) })
	return kinds
}

// Wake says that there may be jobs to run, here or in other processes: after a transaction that has enqueued some.
func (e *Engine) Wake() { e.Bus.Publish(topicDue, "") }

// look makes this process's Run look into the database.
func (e *Engine) look() {
	select {
	case e.wake <- struct{}{}:
	default: // it will
	}
}
