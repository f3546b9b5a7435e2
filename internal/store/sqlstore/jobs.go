package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tricircle/tricircle/internal/store"
)

// jobColumns are in the order of scanJob.
const jobColumns = `id, kind, resource, project_id, pod_num, state, gen, done, tried, cancelled, fence, owner, run_at, attempts, failures,
	cause, waits_kind, waits_for, created_at, updated_at, started_at, ended_at`

type jobStatements struct{ enqueue, get, due, claim, renew, touch, put, wake, tell, purge, count string }

func newJobStatements(d *dialect) jobStatements {
	return jobStatements{
		// Whoever runs it keeps it: only its end sees that it was asked for again.
		enqueue: d.bind(`
			INSERT INTO job (kind, resource, project_id, pod_num, state, gen, run_at, created_at, updated_at)
			SELECT i.kind, i.resource, i.project_id, i.pod_num, 'queued', 1,
			       CAST(? AS bigint), CAST(? AS bigint), CAST(? AS bigint)
			FROM (` + d.jobRows + `) AS i
			WHERE true
			ON CONFLICT (kind, resource) WHERE ended_at IS NULL DO UPDATE SET
				gen = job.gen + 1, project_id = CASE WHEN job.project_id = '' THEN excluded.project_id ELSE job.project_id END, attempts = 0, failures = 0, waits_kind = '', waits_for = '', updated_at = excluded.updated_at,
				state = CASE WHEN job.owner = '' THEN 'queued' ELSE job.state END,
				run_at = CASE WHEN job.owner = '' THEN excluded.run_at ELSE job.run_at END
			RETURNING ` + jobColumns),
		get: d.bind(`SELECT ` + jobColumns + ` FROM job WHERE id = ?`),
		due: d.bind(`
			SELECT ` + jobColumns + ` FROM job
			WHERE run_at <= ? AND kind IN (SELECT value FROM (` + d.textRows + `) AS known)
			  AND pod_num NOT IN (SELECT CAST(value AS integer) FROM (` + d.textRows + `) AS busy)
			ORDER BY run_at LIMIT ?`),
		claim: d.bind(`
			UPDATE job SET fence = fence + 1, owner = ?, state = 'running', run_at = ?, started_at = ?, updated_at = ?,
				waits_kind = '', waits_for = ''
			WHERE id = ? AND fence = ? AND ended_at IS NULL AND (owner = '' OR run_at <= ?)
			RETURNING ` + jobColumns),
		renew: d.bind(`
			UPDATE job SET run_at = ? WHERE id = ? AND fence = ? AND owner <> '' AND ended_at IS NULL
			RETURNING CASE WHEN cancelled >= gen THEN 1 ELSE 0 END`),
		touch: d.bind(`UPDATE job SET updated_at = updated_at WHERE kind = ? AND resource = ? AND ended_at IS NULL`),
		put: d.bind(`
			UPDATE job SET state = ?, done = ?, tried = ?, cancelled = ?, owner = ?, run_at = ?, attempts = ?, failures = ?, cause = ?,
				waits_kind = ?, waits_for = ?, updated_at = ?, ended_at = ?
			WHERE id = ?`),
		wake: d.bind(`
			UPDATE job SET state = 'queued', run_at = ?, waits_kind = '', waits_for = '', cause = '', updated_at = ?
			WHERE waits_kind = ? AND waits_for = ? AND waits_kind <> '' AND owner = '' AND ended_at IS NULL`),
		tell: d.bind(`
			UPDATE job SET cause = ?
			WHERE waits_kind = ? AND waits_for = ? AND waits_kind <> '' AND owner = '' AND ended_at IS NULL`),
		purge: d.bind(`DELETE FROM job WHERE id IN (SELECT id FROM job WHERE ended_at <= ? ORDER BY ended_at LIMIT ?)`),
		count: d.bind(`SELECT kind, state, count(*) FROM job WHERE ended_at IS NULL GROUP BY kind, state`),
	}
}

// jobRow is a job with the one column that store.Job has only a verdict on.
type jobRow struct {
	store.Job
	cancelled int64
}

func scanJob(rows *sql.Rows) (j jobRow, err error) {
	var runAt, started, ended sql.NullInt64
	var created, updated int64
	err = rows.Scan(&j.ID, &j.Kind, &j.Resource, &j.ProjectID, &j.PodNum, &j.State, &j.Gen, &j.Done, &j.Tried, &j.cancelled, &j.Fence,
		&j.Owner, &runAt, &j.Attempts, &j.Failures, &j.Cause, &j.WaitsKind, &j.WaitsFor, &created, &updated, &started, &ended)
	j.RunAt, j.StartedAt, j.EndedAt = timeOrZero(runAt), timeOrZero(started), timeOrZero(ended)
	j.CreatedAt, j.UpdatedAt = timeOf(created), timeOf(updated)
	j.Cancelled = j.cancelled >= j.Gen
	return j, err
}

func timeOrZero(us sql.NullInt64) time.Time {
	if !us.Valid {
		return time.Time{}
	}
	return timeOf(us.Int64)
}

func unwrapJobs(rows []jobRow) []store.Job {
	jobs := make([]store.Job, len(rows))
	for i, r := range rows {
		jobs[i] = r.Job
	}
	return jobs
}

// newJobRow is a request for a job on its way into the database, a row of dialect.jobRows.
type newJobRow struct {
	Kind      string `json:"kind"`
	Resource  string `json:"resource"`
	ProjectID string `json:"project_id"`
	PodNum    int32  `json:"pod_num"`
}

// EnqueueJobs implements store.Jobs.
func (s *Store) EnqueueJobs(ctx context.Context, jobs ...store.NewJob) (rows []store.Job, err error) {
	err = s.inTurns(ctx, func(t *txn) error {
		rows, err = t.enqueueInTurn(ctx, jobs)
		return err
	})
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// enqueue asks for jobs in a transaction, and returns their rows, each once, in the order given.
func (s *Store) enqueue(ctx context.Context, tx querier, jobs []store.NewJob) ([]store.Job, error) {
	type key struct{ kind, resource string }
	place := map[key]int{} // a statement cannot touch a row twice
	var each []store.NewJob
	for _, j := range jobs {
		if _, seen := place[key{j.Kind, j.Resource}]; !seen {
			place[key{j.Kind, j.Resource}] = len(each)
			each = append(each, j)
		}
	}
	if len(each) == 0 {
		return nil, nil
	}
	// Rows are locked in the order of their keys, lest two transactions wait for each other.
	slices.SortFunc(each, func(a, b store.NewJob) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Resource, b.Resource))
	})
	fresh := make([]newJobRow, len(each))
	for i, j := range each {
		fresh[i] = newJobRow(j)
	}
	batch, err := json.Marshal(fresh)
	if err != nil {
		return nil, fmt.Errorf("enqueue jobs: %w", err)
	}
	now := s.now().UnixMicro()
	rows, err := query(ctx, tx, scanJob, s.jobs.enqueue, now, now, now, string(batch))
	if err != nil {
		return nil, fmt.Errorf("enqueue %d jobs: %w", len(each), err)
	}
	out := make([]store.Job, len(each))
	for _, r := range rows {
		out[place[key{r.Kind, r.Resource}]] = r.Job
	}
	return out, nil
}

// GetJob implements store.Jobs.
func (s *Store) GetJob(ctx context.Context, id int64) (store.Job, error) {
	row, err := s.job(ctx, s.read, id)
	return row.Job, err
}

func (s *Store) job(ctx context.Context, q querier, id int64) (jobRow, error) {
	rows, err := query(ctx, q, scanJob, s.jobs.get, id)
	if err == nil && len(rows) == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return jobRow{}, fmt.Errorf("get job %d: %w", id, err)
	}
	return rows[0], nil
}

// ListJobs implements store.Jobs.
func (s *Store) ListJobs(ctx context.Context, f store.JobFilter) ([]store.Job, error) {
	text, args := s.listJobsQuery(f)
	rows, err := query(ctx, s.read, scanJob, text, args...)
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	return unwrapJobs(rows), nil
}

func (s *Store) listJobsQuery(f store.JobFilter) (string, []any) {
	var w where
	if f.ProjectID != "" {
		w.and(`project_id = ?`, f.ProjectID)
	}
	if f.Kind != "" {
		w.and(`kind = ?`, f.Kind)
	}
	if f.Resource != "" {
		w.and(`resource = ?`, f.Resource)
	}
	if f.PodNum != 0 {
		w.and(`pod_num = ?`, f.PodNum)
	}
	if len(f.States) > 0 {
		var states []any
		for _, state := range f.States {
			states = append(states, state)
		}
		w.and(`state IN (?`+strings.Repeat(`, ?`, len(states)-1)+`)`, states...)
	}
	if f.Marker != 0 {
		w.and(`id < ?`, f.Marker)
	}
	text := `SELECT ` + jobColumns + ` FROM job` + w.String() + ` ORDER BY id DESC`
	if f.Limit > 0 {
		text, w.args = text+` LIMIT ?`, append(w.args, f.Limit)
	}
	return s.dialect.bind(text), w.args
}

// PurgeJobs implements store.Jobs.
func (s *Store) PurgeJobs(ctx context.Context, age time.Duration, limit int) (int, error) {
	n, err := exec(ctx, s.write, s.jobs.purge, s.now().Add(-age).UnixMicro(), limit)
	if err != nil {
		return 0, fmt.Errorf("purge history of jobs: %w", err)
	}
	return int(n), nil
}

// CountJobs implements store.Jobs.
func (s *Store) CountJobs(ctx context.Context) ([]store.JobCount, error) {
	counts, err := query(ctx, s.read, func(rows *sql.Rows) (c store.JobCount, err error) {
		err = rows.Scan(&c.Kind, &c.State, &c.N)
		return c, err
	}, s.jobs.count)
	if err != nil {
		return nil, fmt.Errorf("count jobs: %w", err)
	}
	return counts, nil
}
