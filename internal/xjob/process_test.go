package xjob

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tricircle/tricircle/internal/store"
	"github.com/tricircle/tricircle/internal/store/sqlstore"
)

var (
	errDead   = errors.New("the process is dead")
	errOutage = errors.New("the database does not answer")
)

// process is one copy of the program, with a clock and a connection to the database of its own.
type process struct {
	*Engine
	w     *world
	store *sqlstore.Store
	end   context.CancelFunc
	ended chan struct{}

	mu     sync.Mutex
	dead   bool
	frozen chan struct{} // closed when it goes on; nil while it runs
}

// spawn starts the process in a slot.
func (w *world) spawn(slot int) *process {
	w.mu.Lock()
	w.spawned++
	name := fmt.Sprintf("process %d.%d", slot, w.spawned)
	w.mu.Unlock()
	skew := time.Duration(slot%3-1) * w.skew
	p := &process{w: w, store: w.open(skew), ended: make(chan struct{})}
	o := testOptions(remote{p.store, p}, w.bus)
	o.Owner, o.Now = name, func() time.Time { return time.Now().Add(skew) }
	o.Jitter = func() float64 { return float64(w.between(0, time.Hour)) / float64(time.Hour) }
	o.MaxAttempts = 1 << 20 // nobody is there to redo
	p.Engine = New(o)
	p.Register(w.kind, Handler{Run: p.handle})
	ctx, cancel := context.WithCancel(context.Background())
	p.end = cancel
	go func() {
		defer close(p.ended)
		_ = p.Run(ctx)
	}()
	return p
}

// handle makes a key in the pod what is wanted. It is slow, and often deaf.
func (p *process) handle(ctx context.Context, job store.Job) error {
	defer p.w.begin(job.Resource, lease{p, job.Lease()})()
	if err := p.think(ctx); err != nil {
		return err
	}
	seen, err := p.w.observe(job.Resource)
	if err != nil {
		return err
	}
	if err := p.think(ctx); err != nil {
		return err
	}
	p.w.mu.Lock()
	want := p.w.wanted[job.Resource]
	p.w.mu.Unlock()
	if err := p.think(ctx); err != nil {
		return err
	}
	if p.w.chance(5) {
		return errPod
	}
	if p.isDead() && !p.w.chance(50) { // else the request was on its way already
		return errDead
	}
	return p.w.put(job.Resource, want, seen)
}

// think takes time.
func (p *process) think(ctx context.Context) error {
	most := 2 * time.Second
	if p.w.chance(5) {
		most = testLease
	}
	pause := time.After(p.w.between(0, most))
	if p.w.chance(50) { // deaf
		<-pause
	} else {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-pause:
		}
	}
	p.gate()
	return nil
}

// gate waits while the process stands still.
func (p *process) gate() {
	p.mu.Lock()
	frozen := p.frozen
	p.mu.Unlock()
	if frozen != nil {
		<-frozen
	}
}

func (p *process) isDead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

func (p *process) stall(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.frozen != nil || p.dead {
		return
	}
	p.frozen = make(chan struct{})
	time.AfterFunc(d, p.resume)
}

func (p *process) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.frozen != nil {
		close(p.frozen)
		p.frozen = nil
	}
}

// crash ends a process without a word to anybody. Its goroutines end by and by.
func (p *process) crash() {
	p.mu.Lock()
	p.dead = true
	p.mu.Unlock()
	p.resume()
	go p.stop()
}

func (p *process) stop() {
	p.end()
	<-p.ended
	_ = p.store.Close()
}

// remote is the database as a process reaches it.
type remote struct {
	*sqlstore.Store
	p *process
}

// reach calls the database: perhaps in vain, perhaps without learning the outcome.
func reach[T any](p *process, call func() (T, error)) (T, error) {
	var none T
	p.gate()
	if p.isDead() {
		return none, errDead
	}
	p.w.mu.Lock()
	outage := p.w.outage
	p.w.mu.Unlock()
	if outage {
		return none, errOutage
	}
	v, err := call()
	if p.w.outages && p.w.chance(2) {
		return none, errOutage
	}
	p.gate()
	return v, err
}

func (r remote) EnqueueJobs(ctx context.Context, jobs ...store.NewJob) ([]store.Job, error) {
	return reach(r.p, func() ([]store.Job, error) { return r.Store.EnqueueJobs(ctx, jobs...) })
}

func (r remote) GetJob(ctx context.Context, id int64) (store.Job, error) {
	return reach(r.p, func() (store.Job, error) { return r.Store.GetJob(ctx, id) })
}

func (r remote) DueJobs(ctx context.Context, d store.DueJobs) ([]store.Job, error) {
	return reach(r.p, func() ([]store.Job, error) { return r.Store.DueJobs(ctx, d) })
}

func (r remote) ClaimJob(ctx context.Context, c store.JobClaim) (store.Job, error) {
	asked := time.Now()
	j, err := reach(r.p, func() (store.Job, error) { return r.Store.ClaimJob(ctx, c) })
	if err == nil {
		r.p.hold(j.Lease(), asked.Add(c.For))
	}
	return j, err
}

func (r remote) RenewJob(ctx context.Context, l store.JobLease, d time.Duration) (bool, error) {
	asked := time.Now()
	cancelled, err := reach(r.p, func() (bool, error) { return r.Store.RenewJob(ctx, l, d) })
	if err == nil {
		r.p.hold(l, asked.Add(d))
	}
	return cancelled, err
}

func (r remote) FinishJob(ctx context.Context, l store.JobLease, o store.JobOutcome) (store.Job, error) {
	return reach(r.p, func() (store.Job, error) { return r.Store.FinishJob(ctx, l, o) })
}

// hold notes until when a lease is valid.
func (p *process) hold(l store.JobLease, until time.Time) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	p.w.held[lease{p, l}] = until
}

// deafBus loses, doubles and delays messages.
type deafBus struct {
	w    *world
	mu   sync.Mutex
	next int
	to   map[string]map[int]func(string)
}

func (b *deafBus) Publish(topic, message string) {
	b.mu.Lock()
	var all []func(string)
	for _, receive := range b.to[topic] {
		all = append(all, receive)
	}
	b.mu.Unlock()
	for _, receive := range all {
		if !b.w.deafBus || !b.w.chance(60) {
			receive(message)
		}
		if b.w.deafBus && b.w.chance(30) {
			time.AfterFunc(b.w.between(0, time.Minute), func() { receive(message) })
		}
	}
}

func (b *deafBus) Subscribe(topic string, receive func(string)) (cancel func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.to[topic] == nil {
		b.to[topic] = map[int]func(string){}
	}
	b.next++
	n := b.next
	b.to[topic][n] = receive
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.to[topic], n)
	}
}
