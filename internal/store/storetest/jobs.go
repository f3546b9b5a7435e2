package storetest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tricircle/tricircle/internal/store"
)

const lease = time.Hour // no lease of these tests ends by itself

func newJob(resource string) store.NewJob {
	return store.NewJob{Kind: "network", Resource: resource, ProjectID: "p", PodNum: 1}
}

func enqueue(t testing.TB, s store.Store, jobs ...store.NewJob) []store.Job {
	t.Helper()
	rows, err := s.EnqueueJobs(t.Context(), jobs...)
	check(t, err)
	return rows
}

func claim(t testing.TB, s store.Store, j store.Job) store.Job {
	t.Helper()
	claimed, err := s.ClaimJob(t.Context(), store.JobClaim{JobLease: j.Lease(), Owner: "me", For: lease})
	check(t, err)
	return claimed
}

func finish(t testing.TB, s store.Store, j store.Job, o store.JobOutcome) store.Job {
	t.Helper()
	o.Gen = j.Gen
	finished, err := s.FinishJob(t.Context(), j.Lease(), o)
	check(t, err)
	return finished
}

func getJob(t testing.TB, s store.Store, id int64) store.Job {
	t.Helper()
	j, err := s.GetJob(t.Context(), id)
	check(t, err)
	return j
}

func expectLeaseLost(t testing.TB, what string, err error) {
	t.Helper()
	if !errors.Is(err, store.ErrLeaseLost) {
		t.Errorf("%s: %v, want ErrLeaseLost", what, err)
	}
}

// due are the resources of what may be claimed now.
func due(t testing.TB, s store.Store, d store.DueJobs) []string {
	t.Helper()
	if d.Kinds == nil {
		d.Kinds = []string{"network", "port"}
	}
	if d.Limit == 0 {
		d.Limit = 100
	}
	jobs, err := s.DueJobs(t.Context(), d)
	check(t, err)
	return resources(jobs)
}

func resources(jobs []store.Job) []string {
	names := []string{}
	for _, j := range jobs {
		names = append(names, j.Resource)
	}
	return names
}

// testJobLife takes a job from the queue into the history.
func testJobLife(t *testing.T, s store.Store) {
	queued := enqueue(t, s, newJob("a"))[0]
	equal(t, "what was enqueued", queued, store.Job{NewJob: newJob("a"), State: store.JobQueued, Gen: 1},
		cmpopts.IgnoreFields(store.Job{}, "ID", "RunAt", "CreatedAt", "UpdatedAt"))
	equal(t, "GetJob", getJob(t, s, queued.ID), queued)
	if queued.RunAt.IsZero() || !queued.RunAt.Equal(queued.CreatedAt) {
		t.Errorf("created at %v, due at %v", queued.CreatedAt, queued.RunAt)
	}
	running := claim(t, s, queued)
	if running.State != store.JobRunning || running.Owner != "me" || running.Fence != queued.Fence+1 || running.StartedAt.IsZero() ||
		running.RunAt.Before(queued.RunAt.Add(lease)) {
		t.Errorf("claimed: %+v", running)
	}
	equal(t, "due while it runs", due(t, s, store.DueJobs{}), []string{})
	done := finish(t, s, running, store.JobOutcome{State: store.JobDone})
	if done.State != store.JobDone || done.Done != 1 || done.Tried != 1 || done.Owner != "" || !done.RunAt.IsZero() || done.EndedAt.IsZero() {
		t.Errorf("finished: %+v", done)
	}
	equal(t, "GetJob of history", getJob(t, s, done.ID), done)
	again := enqueue(t, s, newJob("a"))[0]
	if again.ID == done.ID || again.Gen != 1 {
		t.Errorf("asked for again after its end: %+v", again)
	}
	_, err := s.GetJob(t.Context(), 1<<40)
	expectNotFound(t, "GetJob of no job", err)
}

// testJobBursts sees that requests become one job, and that one during a run is not lost.
func testJobBursts(t *testing.T, s store.Store) {
	rows := enqueue(t, s, newJob("a"), newJob("b"), newJob("a"))
	equal(t, "each once", resources(rows), []string{"a", "b"})
	equal(t, "none", enqueue(t, s), []store.Job(nil))
	first := enqueue(t, s, newJob("a"))[0]
	if first.ID != rows[0].ID || first.Gen != 2 {
		t.Errorf("asked for twice: %+v", first)
	}
	if all := enqueue(t, s, store.NewJob{Kind: "network", Resource: "c"}, store.NewJob{Kind: "network", Resource: "c", ProjectID: "p"}); len(all) != 1 {
		t.Errorf("one job asked for by two: %+v", all)
	}
	if c := enqueue(t, s, newJob("c"))[0]; c.ProjectID != "p" {
		t.Errorf("the project becomes known: %+v", c)
	}
	running := claim(t, s, first)
	meanwhile := enqueue(t, s, newJob("a"))[0]
	if meanwhile.State != store.JobRunning || meanwhile.Gen != 3 || !meanwhile.RunAt.Equal(running.RunAt) {
		t.Errorf("asked for while it runs: %+v", meanwhile)
	}
	after := finish(t, s, running, store.JobOutcome{State: store.JobDone})
	if after.State != store.JobQueued || after.Done != 2 || after.Gen != 3 || !after.EndedAt.IsZero() {
		t.Errorf("done with what was asked for before: %+v", after)
	}
	after = finish(t, s, claim(t, s, after), store.JobOutcome{State: store.JobDone})
	if after.State != store.JobDone || after.Done != 3 {
		t.Errorf("done with all: %+v", after)
	}
}

// testJobFences sees that of several runners only one can say how it ended.
func testJobFences(t *testing.T, s store.Store) {
	ctx := t.Context()
	queued := enqueue(t, s, newJob("a"))[0]
	errs := concurrently(8, func(int) error {
		_, err := s.ClaimJob(ctx, store.JobClaim{JobLease: queued.Lease(), Owner: "me", For: -time.Second})
		return err
	})
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			expectLeaseLost(t, "ClaimJob of several at once", err)
		}
	}
	if won != 1 {
		t.Fatalf("%d claims succeeded, want 1", won)
	}
	stalled := getJob(t, s, queued.ID) // its lease has ended already
	equal(t, "due after the lease", due(t, s, store.DueJobs{}), []string{"a"})
	if cancelled, err := s.RenewJob(ctx, stalled.Lease(), -time.Second); cancelled || err != nil {
		t.Errorf("RenewJob of an old lease that nobody has taken: %v, %v", cancelled, err)
	}
	_, err := s.ClaimJob(ctx, store.JobClaim{JobLease: queued.Lease(), Owner: "other", For: lease})
	expectLeaseLost(t, "ClaimJob of what was seen before the last claim", err)
	running := claim(t, s, stalled)
	_, err = s.RenewJob(ctx, stalled.Lease(), lease)
	expectLeaseLost(t, "RenewJob by the stalled one", err)
	_, err = s.FinishJob(ctx, stalled.Lease(), store.JobOutcome{State: store.JobDone, Gen: stalled.Gen})
	expectLeaseLost(t, "FinishJob by the stalled one", err)
	_, err = s.ClaimJob(ctx, store.JobClaim{JobLease: running.Lease(), Owner: "other", For: lease})
	expectLeaseLost(t, "ClaimJob of what runs", err)
	equal(t, "the job after all that", getJob(t, s, queued.ID), running)
	finish(t, s, running, store.JobOutcome{State: store.JobDone})
	_, err = s.FinishJob(ctx, running.Lease(), store.JobOutcome{State: store.JobDone, Gen: running.Gen})
	expectLeaseLost(t, "FinishJob twice", err)
}

// testJobFailures sees what becomes of runs that failed.
func testJobFailures(t *testing.T, s store.Store) {
	a := claim(t, s, enqueue(t, s, newJob("a"))[0])
	waiting := finish(t, s, a, store.JobOutcome{State: store.JobWaiting, After: lease, Attempts: 1, Failures: 2, Cause: "500"})
	if waiting.State != store.JobWaiting || waiting.Cause != "500" || waiting.Attempts != 1 || waiting.Failures != 2 || waiting.Tried != 1 ||
		waiting.Done != 0 || !waiting.RunAt.After(waiting.UpdatedAt) || waiting.Owner != "" {
		t.Errorf("failed: %+v", waiting)
	}
	equal(t, "GetJob", getJob(t, s, a.ID), waiting)
	equal(t, "due", due(t, s, store.DueJobs{}), []string{})
	equal(t, "due soon", due(t, s, store.DueJobs{Within: 2 * lease}), []string{"a"})

	early := claim(t, s, waiting) // RunNow does not wait
	parked := finish(t, s, early, store.JobOutcome{State: store.JobParked, Attempts: 2, Failures: 3, Cause: "400"})
	if parked.State != store.JobParked || !parked.RunAt.IsZero() || parked.Cause != "400" {
		t.Errorf("parked: %+v", parked)
	}
	equal(t, "due", due(t, s, store.DueJobs{Within: 2 * lease}), []string{})
	redone, err := s.RedoJob(t.Context(), a.ID)
	check(t, err)
	if redone.State != store.JobQueued || redone.Attempts != 0 || redone.Failures != 0 || redone.Cause != "400" {
		t.Errorf("redone: %+v", redone)
	}
	finish(t, s, claim(t, s, redone), store.JobOutcome{State: store.JobParked, Cause: "400"})
	asked := enqueue(t, s, newJob("a"))[0]
	if asked.State != store.JobQueued || asked.RunAt.IsZero() || asked.Attempts != 0 {
		t.Errorf("parked, and asked for again: %+v", asked)
	}
	running := claim(t, s, asked)
	enqueue(t, s, newJob("a"))
	again := finish(t, s, running, store.JobOutcome{State: store.JobParked, Attempts: 9, Failures: 9, Cause: "400"})
	if again.State != store.JobQueued || again.Attempts != 0 || again.Cause != "400" {
		t.Errorf("failed, but asked for during the run: %+v", again)
	}
	back := finish(t, s, claim(t, s, again), store.JobOutcome{State: store.JobQueued})
	if back.State != store.JobQueued || back.Tried != running.Gen {
		t.Errorf("given back untried: %+v", back)
	}
}

// testJobParents sees that a job that waits for another is told of its end.
func testJobParents(t *testing.T, s store.Store) {
	parent := newJob("parent")
	waits := store.JobOutcome{State: store.JobWaiting, After: lease, Cause: "no network yet", WaitsFor: &parent}
	child := finish(t, s, claim(t, s, enqueue(t, s, newJob("child"))[0]), waits)
	if child.State != store.JobWaiting || child.WaitsKind != "network" || child.WaitsFor != "parent" || child.Attempts != 1 {
		t.Errorf("waits for what nobody had asked for: %+v", child)
	}
	second := finish(t, s, claim(t, s, enqueue(t, s, newJob("second"))[0]), waits)
	if second.Attempts != 0 {
		t.Errorf("waits for what is on its way: %+v", second)
	}
	equal(t, "due", due(t, s, store.DueJobs{}), []string{"parent"})
	p, err := s.ListJobs(t.Context(), store.JobFilter{Resource: "parent"})
	check(t, err)
	failed := finish(t, s, claim(t, s, p[0]), store.JobOutcome{State: store.JobParked, Cause: "the pod says 400"})
	if child = getJob(t, s, child.ID); child.Cause != "waits for network parent: the pod says 400" || child.State != store.JobWaiting {
		t.Errorf("the parent is parked: %+v", child)
	}
	finish(t, s, claim(t, s, failed), store.JobOutcome{State: store.JobDone})
	equal(t, "due after the parent", due(t, s, store.DueJobs{}), []string{"child", "second"}, sorted)
	if child = getJob(t, s, child.ID); child.Cause != "" || child.WaitsKind != "" || child.State != store.JobQueued {
		t.Errorf("the parent is done: %+v", child)
	}
}

var sorted = cmpopts.SortSlices(func(a, b string) bool { return a < b })

// testJobCancel sees that what nobody wants ends, but not under its runner.
func testJobCancel(t *testing.T, s store.Store) {
	ctx := t.Context()
	queued := enqueue(t, s, newJob("a"))[0]
	gone, err := s.CancelJob(ctx, queued.ID)
	check(t, err)
	if gone.State != store.JobCancelled || gone.EndedAt.IsZero() || !gone.RunAt.IsZero() {
		t.Errorf("cancelled in the queue: %+v", gone)
	}
	_, err = s.CancelJob(ctx, queued.ID)
	expectNotFound(t, "CancelJob of history", err)
	_, err = s.RedoJob(ctx, queued.ID)
	expectNotFound(t, "RedoJob of history", err)

	running := claim(t, s, enqueue(t, s, newJob("a"))[0])
	_, err = s.RedoJob(ctx, running.ID)
	if !errors.Is(err, store.ErrJobBusy) {
		t.Errorf("RedoJob of what runs: %v, want ErrJobBusy", err)
	}
	asked, err := s.CancelJob(ctx, running.ID)
	check(t, err)
	if asked.State != store.JobRunning || !asked.Cancelled || asked.Owner != "me" {
		t.Errorf("cancelled while it runs: %+v", asked)
	}
	if cancelled, err := s.RenewJob(ctx, running.Lease(), lease); !cancelled || err != nil {
		t.Errorf("RenewJob = %v, %v; want the runner asked to stop", cancelled, err)
	}
	if ended := finish(t, s, running, store.JobOutcome{State: store.JobQueued}); ended.State != store.JobCancelled {
		t.Errorf("stopped: %+v", ended)
	}

	running = claim(t, s, enqueue(t, s, newJob("a"))[0])
	_, err = s.CancelJob(ctx, running.ID)
	check(t, err)
	if wanted := enqueue(t, s, newJob("a"))[0]; wanted.Cancelled {
		t.Errorf("wanted again: %+v", wanted)
	}
	if ended := finish(t, s, running, store.JobOutcome{State: store.JobWaiting, After: lease}); ended.State != store.JobQueued {
		t.Errorf("wanted again: %+v", ended)
	}
}

// testJobSelection tries every filter.
func testJobSelection(t *testing.T, s store.Store) {
	var jobs []store.NewJob
	for i := range 6 {
		jobs = append(jobs, store.NewJob{Kind: []string{"network", "port"}[i%2], Resource: strconv.Itoa(i), ProjectID: []string{"p", "q"}[i/3],
			PodNum: int32(i % 3)})
	}
	rows := enqueue(t, s, jobs...)
	claim(t, s, rows[0])
	list := func(f store.JobFilter) []string {
		t.Helper()
		got, err := s.ListJobs(t.Context(), f)
		check(t, err)
		if !slices.IsSortedFunc(got, func(a, b store.Job) int { return int(b.ID - a.ID) }) {
			t.Errorf("%+v is not listed by falling id", f)
		}
		return resources(got)
	}
	equal(t, "all", list(store.JobFilter{}), []string{"0", "1", "2", "3", "4", "5"}, sorted)
	equal(t, "project", list(store.JobFilter{ProjectID: "q"}), []string{"3", "4", "5"}, sorted)
	equal(t, "kind", list(store.JobFilter{Kind: "port"}), []string{"1", "3", "5"}, sorted)
	equal(t, "pod", list(store.JobFilter{PodNum: 2}), []string{"2", "5"}, sorted)
	equal(t, "resource", list(store.JobFilter{Resource: "4"}), []string{"4"})
	equal(t, "state", list(store.JobFilter{States: []store.JobState{store.JobRunning, store.JobParked}}), []string{"0"})
	all, err := s.ListJobs(t.Context(), store.JobFilter{})
	check(t, err)
	equal(t, "page", list(store.JobFilter{Limit: 2, Marker: all[2].ID}), resources(all[3:5]))

	equal(t, "due", due(t, s, store.DueJobs{}), []string{"1", "2", "3", "4", "5"}, sorted)
	equal(t, "due of a kind", due(t, s, store.DueJobs{Kinds: []string{"network"}}), []string{"2", "4"}, sorted)
	equal(t, "due elsewhere", due(t, s, store.DueJobs{ExceptPods: []int32{1, 2}}), []string{"3"})
	if n := len(due(t, s, store.DueJobs{Limit: 2})); n != 2 {
		t.Errorf("%d due, want no more than 2", n)
	}
	counts, err := s.CountJobs(t.Context())
	check(t, err)
	equal(t, "counts", counts, []store.JobCount{{Kind: "network", State: store.JobQueued, N: 2}, {Kind: "network", State: store.JobRunning, N: 1},
		{Kind: "port", State: store.JobQueued, N: 3}},
		cmpopts.SortSlices(func(a, b store.JobCount) bool { return a.Kind+string(a.State) < b.Kind+string(b.State) }))
}

// testJobPurge sees that only history goes.
func testJobPurge(t *testing.T, s store.Store) {
	enqueue(t, s, newJob("live"))
	for _, r := range []string{"a", "b", "c"} {
		finish(t, s, claim(t, s, enqueue(t, s, newJob(r))[0]), store.JobOutcome{State: store.JobDone})
	}
	purge := func(age time.Duration, limit, want int) {
		t.Helper()
		if n, err := s.PurgeJobs(t.Context(), age, limit); n != want || err != nil {
			t.Errorf("PurgeJobs(%v, %d) = %d, %v; want %d", age, limit, n, err, want)
		}
	}
	purge(time.Hour, 10, 0)
	purge(0, 2, 2)
	purge(0, 2, 1)
	purge(0, 2, 0)
	left, err := s.ListJobs(t.Context(), store.JobFilter{})
	check(t, err)
	equal(t, "left", resources(left), []string{"live"})
}

// testJobsAtOnce lets many ask for the same jobs in different orders: no request is lost, and none fails.
func testJobsAtOnce(t *testing.T, s store.Store) {
	const askers, times = 32, 4
	errs := concurrently(askers, func(i int) error {
		jobs := []store.NewJob{newJob("a"), newJob("b"), newJob("c")}
		if i%2 == 1 {
			slices.Reverse(jobs)
		}
		for range times {
			if _, err := s.EnqueueJobs(context.Background(), jobs...); err != nil {
				return err
			}
		}
		return nil
	})
	check(t, errors.Join(errs...))
	rows := enqueue(t, s, newJob("a"), newJob("b"), newJob("c"))
	for _, r := range rows {
		if r.Gen != askers*times+1 {
			t.Errorf("%s was asked for %d times, want %d", r.Resource, r.Gen, askers*times+1)
		}
	}
}
