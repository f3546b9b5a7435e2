package xjob

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/tricircle/tricircle/internal/obs"
	"github.com/tricircle/tricircle/internal/store"
)

// Why a run was stopped, as context.Cause tells its handler.
var (
	errLost      = errors.New("the lease of the job is lost")
	errCancelled = errors.New("the job was cancelled")
	errTimeout   = errors.New("the run took too long")
	errEnded     = errors.New("the run has ended")
)

// execute runs a claimed job, writes down how it ended, and returns what the handler did.
func (e *Engine) execute(ctx context.Context, job store.Job) error {
	start := e.Now()
	running, stop := context.WithCancelCause(ctx)
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		e.keep(running, stop, job)
	}()
	var err error
	if job.Cancelled {
		stop(errCancelled) // while nobody ran it that could be asked to stop
		err = errCancelled
	} else {
		err = e.call(running, job)
	}
	stop(errEnded)
	<-renewed
	o, verdict := e.judge(job, err, context.Cause(running))
	if finishErr := e.finish(ctx, job, o); finishErr != nil {
		verdict = "lost"
		if err == nil {
			err = finishErr // what was done may not be what is wanted
		}
	}
	e.report(ctx, job, verdict, err, e.Now().Sub(start))
	e.Bus.Publish(topicEnded, strconv.FormatInt(job.ID, 10))
	return err
}

// call runs the handler. That one has a bug is no reason for the process to end.
func (e *Engine) call(ctx context.Context, job store.Job) (err error) {
	defer func() {
		if r := recover(); r != nil {
			e.Log.ErrorContext(ctx, "the handler of a job panicked", "kind", job.Kind, "job", job.ID, "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("a bug in the handler of %s: %v", job.Kind, r)
		}
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, e.Timeout, errTimeout)
	defer cancel()
	err = e.handlers[job.Kind].Run(ctx, job)
	if err != nil && errors.Is(context.Cause(ctx), errTimeout) {
		return fmt.Errorf("%w, more than %v: %w", errTimeout, e.Timeout, err)
	}
	return err
}

// keep renews the lease until ctx ends, or stops the run: when the lease is lost, when it has not been renewed in time, so that it may
// be lost, or when the job was cancelled.
func (e *Engine) keep(ctx context.Context, stop context.CancelCauseFunc, job store.Job) {
	interval, margin := e.Lease/3, e.Lease/10 // what is on the wire at the end still arrives
	over := time.AfterFunc(job.RunAt.Sub(e.Now())-margin, func() { stop(errLost) })
	defer over.Stop()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		asked := e.Now()
		once, cancel := context.WithTimeout(context.WithoutCancel(ctx), interval) // to break it off costs a connection
		cancelled, err := e.Jobs.RenewJob(once, job.Lease(), e.Lease)
		cancel()
		switch {
		case errors.Is(err, store.ErrLeaseLost):
			stop(errLost)
		case err != nil:
			e.failed(ctx, "the lease of a job is not renewed", err)
		case cancelled:
			stop(errCancelled)
		default: // counted from before it was asked for: the store did so later
			over.Reset(e.Lease - e.Now().Sub(asked) - margin)
		}
	}
}

// finish writes down how a run ended, and tries until it can; a process that ends tries no longer than a lease. Who has lost the lease
// asks for the job again, and returns store.ErrLeaseLost: it may have acted on the pod after another runner.
func (e *Engine) finish(ctx context.Context, job store.Job, o store.JobOutcome) (err error) {
	within, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(e.Lease, cancel) })()
	lost := false
	for try := 0; ; try++ {
		var finished store.Job
		if lost {
			_, err = e.Jobs.EnqueueJobs(within, job.NewJob)
		} else {
			finished, err = e.Jobs.FinishJob(within, job.Lease(), o)
		}
		switch {
		case err == nil && lost:
			e.Wake()
			return store.ErrLeaseLost
		case err == nil:
			if finished.State == store.JobQueued || o.WaitsFor != nil {
				e.Wake()
			}
			return nil
		case errors.Is(err, store.ErrLeaseLost) && !lost:
			lost = true
			continue
		}
		e.failed(within, "the end of a run cannot be written down", err)
		select {
		case <-within.Done():
			return err
		case <-time.After(e.pause(e.RetryFirst, try)):
		}
	}
}

// report logs what people want to know, and counts all.
func (e *Engine) report(ctx context.Context, job store.Job, verdict string, err error, took time.Duration) {
	if e.Observe != nil {
		e.Observe(job.Kind, verdict, took)
	}
	log := e.Log.With("kind", job.Kind, "resource", job.Resource, "job", job.ID, "outcome", verdict, "attempt", job.Attempts+1, "took", took)
	switch verdict {
	case verdictDone, verdictWaiting, verdictReturned:
		log.DebugContext(ctx, "job")
	case verdictParked:
		log.ErrorContext(ctx, "job", obs.KeyError, err)
	default:
		log.WarnContext(ctx, "job", obs.KeyError, err)
	}
}
