package xjob

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/store"
	"github.com/tricircle/tricircle/internal/store/sqlstore"
	"github.com/tricircle/tricircle/internal/store/sqlstore/pgtest"
	"github.com/tricircle/tricircle/internal/store/sqlstore/sqltest"
)

// chaos is what rapid chooses. The rest follows from the seed, and from the order in which goroutines happen to run.
type chaos struct {
	seed        uint64
	processes   int
	keys        int
	changes     int           // of what is wanted
	conditional bool          // pods refuse what is based on an old observation, as Neutron does with If-Match
	crashes     bool          // processes die, and what they had sent may arrive later
	stalls      bool          // processes stand still, for longer than a lease too, and go on where they were
	outages     bool          // the database does not answer, or its answer is lost
	podsDown    bool          // pods do not answer
	deafBus     bool          // messages are lost, doubled and late
	skew        time.Duration // clocks differ by up to twice as much
}

var genChaos = rapid.Custom(func(t *rapid.T) chaos {
	c := chaos{
		seed: rapid.Uint64().Draw(t, "seed"), processes: rapid.IntRange(1, 4).Draw(t, "processes"), keys: rapid.IntRange(1, 6).Draw(t, "keys"),
		changes: rapid.IntRange(1, 60).Draw(t, "changes"), conditional: rapid.Bool().Draw(t, "conditional"),
		crashes: rapid.Bool().Draw(t, "crashes"), stalls: rapid.Bool().Draw(t, "stalls"), outages: rapid.Bool().Draw(t, "outages"),
		podsDown: rapid.Bool().Draw(t, "pods down"), deafBus: rapid.Bool().Draw(t, "deaf bus"),
		skew: time.Duration(rapid.IntRange(0, 2).Draw(t, "skew")) * time.Second,
	}
	// Without conditions a stalled process can undo what another has done, and mends that when it finds its lease lost. One that dies in
	// between cannot; then only an audit helps, which is not the engine's.
	c.crashes = c.crashes && c.conditional
	return c
})

var postgres pgtest.Server

// TestEngine_Chaos_EndsAsWanted lets everything go wrong for a while: no two runners of a job have a valid lease, and when peace
// returns, every pod is as was wanted last.
func TestEngine_Chaos_EndsAsWanted(t *testing.T) {
	sqltest.OnEach(t, &postgres, func(t *testing.T, url string) {
		sqltest.Open(t, url, time.Now)
		worlds := 0
		rapid.Check(t, func(rt *rapid.T) {
			c := genChaos.Draw(rt, "chaos")
			var wrong []error
			worlds++ // each has a kind of its own in the one database
			synctest.Test(t, func(t *testing.T) { wrong = endure(t, url, fmt.Sprint("kind", worlds), c) })
			if len(wrong) > 0 {
				t.Logf("%+v:\n%v", c, errors.Join(wrong...)) // rapid does not say it if it cannot repeat it
				rt.Fatal(errors.Join(wrong...))
			}
		})
	})
}

const (
	chaosTime = 5 * time.Minute
	peaceTime = 10 * time.Minute
)

// endure runs one world to its end, and returns what was wrong.
func endure(t *testing.T, url, kind string, c chaos) []error {
	w := &world{chaos: c, t: t, url: url, kind: kind, random: rand.New(rand.NewPCG(c.seed, 0)), wanted: map[string]int{}, pods: map[string]*thing{},
		held: map[lease]time.Time{}, active: map[string][]lease{}}
	w.bus = &deafBus{w: w, to: map[string]map[int]func(string){}}
	admin := w.open(0)
	defer admin.Close()
	for i := range c.processes {
		w.processes = append(w.processes, w.spawn(i))
	}
	var users sync.WaitGroup
	for i := range c.changes {
		users.Go(func() { w.user(admin, i) })
	}
	for end := time.Now().Add(chaosTime); time.Now().Before(end); {
		<-time.After(w.between(0, 20*time.Second))
		w.mischief()
	}
	w.makePeace()
	users.Wait()
	<-time.After(peaceTime)
	w.verify(admin)
	for _, p := range w.processes {
		p.stop()
	}
	return w.wrong
}

// world is what the processes are in.
type world struct {
	chaos
	t         *testing.T
	url, kind string
	bus       *deafBus
	processes []*process

	mu      sync.Mutex
	random  *rand.Rand
	peace   bool
	outage  bool // of the database
	down    bool // all pods
	wanted  map[string]int
	pods    map[string]*thing
	held    map[lease]time.Time // until when a lease is valid, as its holder knows
	active  map[string][]lease  // whose handlers run, by resource
	wrong   []error
	spawned int
}

// thing is what is in a pod.
type thing struct{ value, revision int }

type lease struct {
	process *process
	store.JobLease
}

func (w *world) chance(percent int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.peace && w.random.IntN(100) < percent
}

func (w *world) between(least, most time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return least + time.Duration(w.random.Int64N(int64(most-least)))
}

func (w *world) failed(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong = append(w.wrong, fmt.Errorf(format, args...))
}

func (w *world) open(skew time.Duration) *sqlstore.Store {
	s, err := sqlstore.Open(context.Background(), w.url, func() time.Time { return time.Now().Add(skew) })
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// user changes what is wanted, and asks for it as an API does: in the background, or at once.
func (w *world) user(s *sqlstore.Store, i int) {
	<-time.After(w.between(0, chaosTime))
	w.mu.Lock()
	key := fmt.Sprint(w.random.IntN(w.keys))
	w.wanted[key]++
	want := w.wanted[key]
	p := w.processes[w.random.IntN(len(w.processes))]
	w.mu.Unlock()
	job := store.NewJob{Kind: w.kind, Resource: key, PodNum: 1}
	for { // the change and its job are one transaction: here both take until the database can be reached
		if _, err := s.EnqueueJobs(context.Background(), job); err == nil {
			break
		}
	}
	p.Wake()
	if i%3 != 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), w.between(time.Second, time.Minute))
	defer cancel()
	if err := p.RunNow(ctx, job); err != nil || !w.conditional {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if got := w.pods[key]; got == nil || got.value < want {
		w.wrong = append(w.wrong, fmt.Errorf("RunNow of %s returned without an error; the pod has %+v, wanted was %d or later", key, got, want))
	}
}

// mischief changes the state of the world.
func (w *world) mischief() {
	w.mu.Lock()
	i := w.random.IntN(len(w.processes))
	p := w.processes[i]
	w.mu.Unlock()
	if w.crashes && w.chance(10) {
		p.crash()
		fresh := w.spawn(i)
		w.mu.Lock()
		w.processes[i] = fresh
		w.mu.Unlock()
		return
	}
	if w.stalls && w.chance(25) {
		p.stall(w.between(time.Second, 3*testLease))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.outage = w.outages && w.random.IntN(5) == 0
	w.down = w.podsDown && w.random.IntN(3) == 0
}

func (w *world) makePeace() {
	w.mu.Lock()
	w.peace, w.outage, w.down = true, false, false
	w.mu.Unlock()
	for _, p := range w.processes {
		p.resume()
	}
}

// verify compares pods with what is wanted.
func (w *world) verify(s *sqlstore.Store) {
	jobs, err := s.ListJobs(context.Background(), store.JobFilter{Kind: w.kind})
	if err != nil {
		w.failed("list jobs: %v", err)
	}
	for _, j := range jobs {
		if !j.State.Ended() {
			w.failed("when all should be done there is %+v", j)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, want := range w.wanted {
		if got := w.pods[key]; got == nil || got.value != want {
			w.wrong = append(w.wrong, fmt.Errorf("%s: the pod has %+v, wanted is %d", key, got, want))
		}
	}
}

// observe and put are the pod's API.
func (w *world) observe(key string) (thing, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		return thing{}, &pod.UnavailableError{Pod: "site1", Reason: "refused"}
	}
	if t := w.pods[key]; t != nil {
		return *t, nil
	}
	return thing{}, nil
}

func (w *world) put(key string, value int, seen thing) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		return &pod.UnavailableError{Pod: "site1", Reason: "refused"}
	}
	t := w.pods[key]
	if t == nil {
		t = &thing{}
		w.pods[key] = t
	}
	if w.conditional && t.revision != seen.revision {
		return errors.New("412")
	}
	t.value, t.revision = value, t.revision+1
	return nil
}

// begin notes that a handler runs, and sees that no other has a valid lease.
func (w *world) begin(key string, l lease) (end func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, other := range w.active[key] {
		// The database keeps microseconds.
		if until := w.held[other].Add(-4*w.skew - time.Microsecond); until.After(time.Now()) {
			w.wrong = append(w.wrong, fmt.Errorf("%s: %s runs it, and %s has a valid lease for %v", key, l.process.Owner, other.process.Owner,
				time.Until(until)))
		}
	}
	w.active[key] = append(w.active[key], l)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for i, other := range w.active[key] {
			if other == l {
				w.active[key] = append(w.active[key][:i:i], w.active[key][i+1:]...)
				return
			}
		}
	}
}
