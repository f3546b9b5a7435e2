package xjob

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/tricircle/tricircle/internal/obs"
	"github.com/tricircle/tricircle/internal/store"
)

const (
	countInterval = 30 * time.Second
	purgeInterval = 10 * time.Minute
	purgeBatch    = 1000
)

// Run runs jobs until ctx ends. Runs under way are then asked to stop, given back, and waited for.
func (e *Engine) Run(ctx context.Context) error {
	defer e.Bus.Subscribe(topicDue, func(string) { e.look() })()
	var runs sync.WaitGroup
	defer runs.Wait()
	runs.Go(func() { e.every(ctx, countInterval, e.count) })
	runs.Go(func() { e.every(ctx, purgeInterval, e.purge) })
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-e.wake:
		}
		timer.Reset(e.dispatch(ctx, &runs))
	}
}

// dispatch claims what is due and starts it, as far as there is room. It returns when to look again at the latest.
func (e *Engine) dispatch(ctx context.Context, runs *sync.WaitGroup) time.Duration {
	for {
		pause := e.Poll - time.Duration(e.Jitter()*float64(e.Poll)/5) // not all processes at once
		room, busy := e.room()
		if room == 0 {
			return pause // the end of a run will say so
		}
		jobs, err := e.Jobs.DueJobs(ctx, store.DueJobs{Kinds: e.kindNames(), Within: pause, ExceptPods: busy, Limit: room})
		if err != nil {
			e.failed(ctx, "jobs cannot be looked for", err)
			return pause
		}
		for _, job := range jobs {
			if in := job.RunAt.Sub(e.Now()); in > 0 {
				return min(in, pause)
			}
			if err := e.begin(ctx, job, runs); err != nil {
				e.failed(ctx, "a job cannot be claimed", err)
				return pause
			}
		}
		if len(jobs) < room {
			return pause
		}
	}
}

// room is how many runs more this process takes on, and pods that it takes on no more of.
func (e *Engine) room() (free int, busy []int32) {
	if e.Away != nil {
		busy = slices.Clone(e.Away())
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for num, n := range e.perPod {
		if n >= e.PodLimit {
			busy = append(busy, num)
		}
	}
	return e.Workers - e.running, busy
}

// begin claims a job and starts it. That somebody else has it, or that its pod has enough meanwhile, is no error.
func (e *Engine) begin(ctx context.Context, job store.Job, runs *sync.WaitGroup) error {
	if !e.enter(job.PodNum) {
		return nil
	}
	claimed, err := e.claim(ctx, job)
	if err != nil {
		e.leave(job.PodNum)
		if errors.Is(err, store.ErrLeaseLost) {
			return nil
		}
		return err
	}
	runs.Go(func() {
		_ = e.execute(ctx, claimed) // it is in the row of the job
		e.leave(job.PodNum)
		e.look()
	})
	return nil
}

func (e *Engine) claim(ctx context.Context, job store.Job) (store.Job, error) {
	return e.Jobs.ClaimJob(ctx, store.JobClaim{JobLease: job.Lease(), Owner: e.Owner, For: e.Lease})
}

// enter takes one of the places of a pod, if there is one. Jobs about no pod have no limit of their own.
func (e *Engine) enter(podNum int32) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if podNum != 0 {
		if e.perPod[podNum] >= e.PodLimit {
			return false
		}
		e.perPod[podNum]++
	}
	e.running++
	return true
}

func (e *Engine) leave(podNum int32) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running--
	if podNum == 0 {
		return
	}
	if e.perPod[podNum]--; e.perPod[podNum] == 0 {
		delete(e.perPod, podNum)
	}
}

func (e *Engine) kindNames() []string {
	names := make([]string, 0, len(e.handlers))
	for name := range e.handlers {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// every calls f at once and then after each interval, until ctx ends.
func (e *Engine) every(ctx context.Context, interval time.Duration, f func(context.Context) error) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if err := f(ctx); err != nil {
			e.failed(ctx, "jobs are not tidied up", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (e *Engine) count(ctx context.Context) error {
	if e.Count == nil {
		return nil
	}
	counts, err := e.Jobs.CountJobs(ctx)
	if err == nil {
		e.Count(counts)
	}
	return err
}

// purge forgets old history, in small bites.
func (e *Engine) purge(ctx context.Context) error {
	for {
		n, err := e.Jobs.PurgeJobs(ctx, e.History, purgeBatch)
		if err != nil || n < purgeBatch {
			return err
		}
	}
}

// failed logs what the next look may mend.
func (e *Engine) failed(ctx context.Context, what string, err error) {
	if ctx.Err() == nil {
		e.Log.WarnContext(ctx, what, obs.KeyError, err)
	}
}
