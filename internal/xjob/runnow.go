package xjob

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/tricircle/tricircle/internal/store"
)

const (
	// waitPoll is how often who waits for another runner looks whether it has ended, hints or not.
	waitPoll = 500 * time.Millisecond
	// maxChain bounds jobs that wait for jobs that wait for jobs, and leases that are lost again.
	maxChain = 8
)

// FailedError says that a run by somebody else has failed, or was cancelled.
type FailedError struct {
	Kind, Resource string
	Cause          string
}

func (e *FailedError) Error() string { return fmt.Sprintf("%s %s: %s", e.Kind, e.Resource, e.Cause) }

// RunNow asks for a job and returns when a run has ended that began after it was asked for: nil, or why it failed. It runs the job
// itself, under the same lease as others, whatever the pause after failures and the limits for pods, for somebody is waiting; or waits
// for who runs it already. What must be done first is run before it, too. A job that failed stays in the queue, and is repeated there.
//
// The run ends with ctx, and so does the waiting. If another runner has failed, the error is a *FailedError, else the handler's own.
func (e *Engine) RunNow(ctx context.Context, j store.NewJob) error {
	return e.runChain(ctx, j, maxChain)
}

func (e *Engine) runChain(ctx context.Context, j store.NewJob, left int) error {
	for ; ; left-- {
		err := e.runOnce(ctx, j)
		if errors.Is(err, store.ErrLeaseLost) && left > 0 {
			continue // it was asked for again: what another runner does counts
		}
		first, waits := errors.AsType[*DependencyError](err)
		if !waits || left == 0 {
			return err
		}
		if err := e.runChain(ctx, first.On, left-1); err != nil {
			return fmt.Errorf("%s %s waits for %s %s: %w", j.Kind, j.Resource, first.On.Kind, first.On.Resource, err)
		}
	}
}

// runOnce runs a job, or waits for a run.
func (e *Engine) runOnce(ctx context.Context, j store.NewJob) error {
	if _, known := e.handlers[j.Kind]; !known {
		return fmt.Errorf("no handler runs jobs of kind %q", j.Kind)
	}
	rows, err := e.Jobs.EnqueueJobs(ctx, j)
	if err != nil {
		return err
	}
	job, wanted := rows[0], rows[0].Gen
	for {
		claimed, err := e.claim(ctx, job)
		if err == nil {
			err = e.execute(ctx, claimed)
			e.Wake() // whoever waited for it
			return err
		}
		if !errors.Is(err, store.ErrLeaseLost) {
			return err
		}
		if job, err = e.await(ctx, job); err != nil {
			return err
		}
		switch {
		case job.Done >= wanted:
			return nil
		case job.State == store.JobCancelled:
			return &FailedError{j.Kind, j.Resource, "cancelled"}
		case job.Tried >= wanted && job.WaitsKind == "": // what it waits for, if anything, is found out by running it here
			return &FailedError{j.Kind, j.Resource, job.Cause}
		}
	}
}

// await returns a job as soon as nobody runs it, or nobody whose lease is valid.
func (e *Engine) await(ctx context.Context, job store.Job) (store.Job, error) {
	ended := make(chan struct{}, 1)
	id := strconv.FormatInt(job.ID, 10)
	defer e.Bus.Subscribe(topicEnded, func(message string) {
		if message != id {
			return
		}
		select {
		case ended <- struct{}{}:
		default:
		}
	})()
	ticker := time.NewTicker(waitPoll)
	defer ticker.Stop()
	for {
		now, err := e.Jobs.GetJob(ctx, job.ID)
		if err != nil {
			return job, err
		}
		if now.Owner == "" || !now.RunAt.After(e.Now()) {
			return now, nil
		}
		select {
		case <-ctx.Done():
			return job, ctx.Err()
		case <-ticker.C:
		case <-ended:
		}
	}
}
