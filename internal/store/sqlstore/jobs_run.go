package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tricircle/tricircle/internal/store"
)

// DueJobs implements store.Jobs.
func (s *Store) DueJobs(ctx context.Context, d store.DueJobs) ([]store.Job, error) {
	kinds, err := json.Marshal(d.Kinds)
	if err != nil {
		return nil, fmt.Errorf("look for due jobs: %w", err)
	}
	pods, err := json.Marshal(append([]int32{}, d.ExceptPods...)) // never null
	if err != nil {
		return nil, fmt.Errorf("look for due jobs: %w", err)
	}
	rows, err := query(ctx, s.read, scanJob, s.jobs.due, s.now().Add(d.Within).UnixMicro(), string(kinds), string(pods), d.Limit)
	if err != nil {
		return nil, fmt.Errorf("look for due jobs: %w", err)
	}
	return unwrapJobs(rows), nil
}

// ClaimJob implements store.Jobs.
func (s *Store) ClaimJob(ctx context.Context, c store.JobClaim) (store.Job, error) {
	now := s.now()
	us := now.UnixMicro()
	rows, err := query(ctx, s.write, scanJob, s.jobs.claim, c.Owner, now.Add(c.For).UnixMicro(), us, us, c.ID, c.Fence, us)
	if err == nil && len(rows) == 0 {
		err = store.ErrLeaseLost
	}
	if err != nil {
		return store.Job{}, fmt.Errorf("claim job %d: %w", c.ID, err)
	}
	return rows[0].Job, nil
}

// RenewJob implements store.Jobs.
func (s *Store) RenewJob(ctx context.Context, l store.JobLease, d time.Duration) (cancelled bool, err error) {
	rows, err := query(ctx, s.write, scalar[int], s.jobs.renew, s.now().Add(d).UnixMicro(), l.ID, l.Fence)
	if err == nil && len(rows) == 0 {
		err = store.ErrLeaseLost
	}
	if err != nil {
		return false, fmt.Errorf("renew lease of job %d: %w", l.ID, err)
	}
	return rows[0] == 1, nil
}

// changeJob reads a row, lets f change it, and writes it, in one transaction: who else changes it meanwhile fails, or makes this one
// run again. It returns the row as it was written.
func (s *Store) changeJob(ctx context.Context, id int64, f func(tx querier, j *jobRow, now time.Time) error) (store.Job, error) {
	var row jobRow
	err := s.inTx(ctx, func(tx querier) (err error) {
		if row, err = s.job(ctx, tx, id); err != nil {
			return err
		}
		now := s.now()
		if err := f(tx, &row, now); err != nil {
			return err
		}
		row.UpdatedAt = timeOf(now.UnixMicro())
		row.Cancelled = row.cancelled >= row.Gen
		_, err = exec(ctx, tx, s.jobs.put, row.State, row.Done, row.Tried, row.cancelled, row.Owner, micros(row.RunAt), row.Attempts,
			row.Failures, row.Cause, row.WaitsKind, row.WaitsFor, row.UpdatedAt.UnixMicro(), micros(row.EndedAt), row.ID)
		return err
	})
	return row.Job, err
}

// become takes a job to a state in which nobody runs it.
func (j *jobRow) become(state store.JobState, now, runAt time.Time) {
	j.State, j.Owner, j.RunAt, j.WaitsKind, j.WaitsFor = state, "", timeOf(runAt.UnixMicro()), "", ""
	if state == store.JobParked || state.Ended() {
		j.RunAt = time.Time{}
	}
	if state.Ended() {
		j.EndedAt = timeOf(now.UnixMicro())
	}
}

// FinishJob implements store.Jobs.
func (s *Store) FinishJob(ctx context.Context, l store.JobLease, o store.JobOutcome) (store.Job, error) {
	job, err := s.changeJob(ctx, l.ID, func(tx querier, j *jobRow, now time.Time) error {
		if j.Fence != l.Fence || j.Owner == "" || j.State.Ended() {
			return store.ErrLeaseLost
		}
		if o.State != store.JobQueued {
			j.Tried, j.Cause = o.Gen, o.Cause
		}
		if o.State == store.JobDone {
			j.Done = o.Gen
		}
		switch again := j.Gen > o.Gen; {
		case o.State == store.JobDone && !again:
			j.Attempts = o.Attempts
			j.become(store.JobDone, now, now)
			_, err := exec(ctx, tx, s.jobs.wake, now.UnixMicro(), now.UnixMicro(), j.Kind, j.Resource)
			return err
		case j.cancelled >= j.Gen:
			j.become(store.JobCancelled, now, now)
			return nil
		case again:
			j.become(store.JobQueued, now, now)
			return nil
		}
		j.Attempts, j.Failures = o.Attempts, o.Failures
		j.become(o.State, now, now.Add(o.After))
		return s.waits(ctx, tx, j, o)
	})
	if err != nil {
		return store.Job{}, fmt.Errorf("finish job %d: %w", l.ID, err)
	}
	return job, nil
}

// waits writes down what a job waits for, if anything, and tells what waits for it.
func (s *Store) waits(ctx context.Context, tx querier, j *jobRow, o store.JobOutcome) error {
	if o.State == store.JobQueued {
		return nil
	}
	if _, err := exec(ctx, tx, s.jobs.tell, "waits for "+j.Kind+" "+j.Resource+": "+j.Cause, j.Kind, j.Resource); err != nil {
		return err
	}
	if o.WaitsFor == nil {
		return nil
	}
	j.WaitsKind, j.WaitsFor = o.WaitsFor.Kind, o.WaitsFor.Resource
	// To write the row is what makes the end of that job, if it comes now, see that this one waits for it.
	live, err := exec(ctx, tx, s.jobs.touch, j.WaitsKind, j.WaitsFor)
	if err != nil || live > 0 {
		return err
	}
	j.Attempts++
	_, err = s.enqueue(ctx, tx, []store.NewJob{*o.WaitsFor})
	return err
}

// RedoJob implements store.Jobs.
func (s *Store) RedoJob(ctx context.Context, id int64) (store.Job, error) {
	job, err := s.changeJob(ctx, id, func(_ querier, j *jobRow, now time.Time) error {
		switch {
		case j.State.Ended():
			return store.ErrNotFound
		case j.Owner != "":
			return store.ErrJobBusy
		}
		j.Attempts, j.Failures, j.cancelled = 0, 0, 0
		j.become(store.JobQueued, now, now)
		return nil
	})
	if err != nil {
		return store.Job{}, fmt.Errorf("redo job %d: %w", id, err)
	}
	return job, nil
}

// CancelJob implements store.Jobs.
func (s *Store) CancelJob(ctx context.Context, id int64) (store.Job, error) {
	job, err := s.changeJob(ctx, id, func(_ querier, j *jobRow, now time.Time) error {
		if j.State.Ended() {
			return store.ErrNotFound
		}
		j.cancelled = j.Gen
		if j.Owner == "" || !j.RunAt.After(now) {
			j.become(store.JobCancelled, now, now)
		}
		return nil
	})
	if err != nil {
		return store.Job{}, fmt.Errorf("cancel job %d: %w", id, err)
	}
	return job, nil
}
