package store

import (
	"context"
	"errors"
	"time"
)

// ErrLeaseLost is returned (possibly wrapped) to a runner whose job is no longer its own: its lease has run out and somebody else has
// claimed the job, or the job has ended.
var ErrLeaseLost = errors.New("the job is no longer this runner's")

// ErrJobBusy is returned (possibly wrapped) for what cannot be done to a job that runs.
var ErrJobBusy = errors.New("the job is running")

// NewJob asks for a job. Kind and Resource are its key and say what is to be done: asking twice is asking once.
type NewJob struct {
	Kind      string // "network", "port", "security_group"
	Resource  string // what it is about, in the words of its kind: "<top id>/<pod number>"
	ProjectID string // who may see the job; "" for nobody but administrators
	PodNum    int32  // the pod that it works on, for limits per pod; 0 for none
}

// JobState says what becomes of a job next. The values are stored.
type JobState string

// The states of a job. The last two are the end of it: such jobs are history.
const (
	JobQueued    JobState = "queued"    // runs as soon as somebody has time
	JobRunning   JobState = "running"   // somebody has claimed it
	JobWaiting   JobState = "waiting"   // it failed, or another job must be done first; runs again at RunAt
	JobParked    JobState = "parked"    // it failed too often; runs again only when asked for
	JobDone      JobState = "done"      // what was asked for is so
	JobCancelled JobState = "cancelled" // an operator did not want it
)

// Ended tells whether a job of this state is history.
func (s JobState) Ended() bool { return s == JobDone || s == JobCancelled }

// Job is one row: a live job, or one of the history.
type Job struct {
	NewJob
	ID    int64 // row number, chosen by the store and never used again
	State JobState
	// Gen counts how often the job was asked for. Done is the Gen that the last successful run began with, Tried that of the last run
	// that ended, however it did. A job is done when a run has succeeded that began with its Gen.
	Gen, Done, Tried int64
	// Fence counts the claims. Only the last one may renew or finish.
	Fence     int64
	Owner     string    // who runs it; "" when nobody does
	RunAt     time.Time // when it may be claimed: while it runs the end of the lease, zero if parked or ended
	Attempts  int       // failed runs since it was last asked for that say something about the job
	Failures  int       // failed runs in a row, also those that only say that a pod is down
	Cause     string    // why the last run failed, or what the job waits for; "" if neither
	WaitsKind string    // key of the job that must be done first; "" if there is none
	WaitsFor  string    // its Resource
	Cancelled bool      // the runner is asked to stop
	CreatedAt time.Time
	UpdatedAt time.Time
	StartedAt time.Time // of the last run; zero before the first
	EndedAt   time.Time // zero while it is live
}

// JobLease names one claim of a job.
type JobLease struct{ ID, Fence int64 }

// Lease is the lease of the claim that returned j.
func (j *Job) Lease() JobLease { return JobLease{j.ID, j.Fence} }

// JobClaim asks for a job to run.
type JobClaim struct {
	JobLease               // of the job as it was seen
	Owner    string        // who asks, for people
	For      time.Duration // length of the lease
}

// JobOutcome is how a run ended.
type JobOutcome struct {
	// State is JobDone, JobQueued (it was not tried), JobWaiting or JobParked. It is overruled when the job was asked for during the run:
	// then it is queued again, at once.
	State    JobState
	Gen      int64         // of the job as it was claimed
	After    time.Duration // from now to when it is due, for JobQueued and JobWaiting
	Attempts int           // as in Job
	Failures int           // as in Job
	Cause    string
	// WaitsFor is what must be done first, for JobWaiting. It is enqueued unless it is live, which counts as an attempt: what waits again
	// and again for what is always done would go round for ever. When it is done, this job is due.
	WaitsFor *NewJob
}

// DueJobs selects what may be claimed.
type DueJobs struct {
	Kinds      []string      // only these
	Within     time.Duration // due by now, or so soon
	ExceptPods []int32       // not those of these pods
	Limit      int
}

// JobFilter selects jobs, live ones and history. Zero fields do not restrict.
type JobFilter struct {
	ProjectID string
	Kind      string
	Resource  string // for the rare case: there is no index
	PodNum    int32
	States    []JobState // any of them
	Limit     int        // at most this many; 0 means no bound
	Marker    int64      // only rows with a smaller ID
}

// JobCount is how many live jobs of a kind are in a state.
type JobCount struct {
	Kind  string
	State JobState
	N     int64
}

// Jobs keeps the queue of jobs and its history.
//
// A job is one row from the moment it is asked for until a run has succeeded that began after it was last asked for. So bursts become
// one run, a change during a run causes one more, and a runner that dies delays its job until its lease ends.
//
// Points in time are by the clock of the store. Clocks that differ by more than a lease cost runs for nothing, and no more.
type Jobs interface {
	// EnqueueJobs asks for jobs in a transaction of its own, and returns the rows, in the order given but each once. It queues what
	// waits or is parked; what runs will run once more. Those who change something that the job depends on use Tx.Enqueue instead.
	EnqueueJobs(ctx context.Context, jobs ...NewJob) ([]Job, error)
	// GetJob returns the row with that ID, or ErrNotFound.
	GetJob(ctx context.Context, id int64) (Job, error)
	// ListJobs returns matching rows, highest ID first.
	ListJobs(ctx context.Context, f JobFilter) ([]Job, error)
	// DueJobs returns jobs to claim, the longest due first, and behind them those that are due so soon.
	DueJobs(ctx context.Context, d DueJobs) ([]Job, error)
	// ClaimJob makes a job the caller's and returns it, or ErrLeaseLost if it has another fence by now, is live no more, or is leased
	// to somebody still. A job that is not due, or parked, can be claimed. Of several at once exactly one succeeds.
	ClaimJob(ctx context.Context, c JobClaim) (Job, error)
	// RenewJob makes a lease last so long from now, whether or not it has ended already, or fails with ErrLeaseLost. It reports whether the
	// runner is asked to stop.
	RenewJob(ctx context.Context, l JobLease, d time.Duration) (cancelled bool, err error)
	// FinishJob ends a run and returns the job as it is then, or fails with ErrLeaseLost, and changes nothing. What waits for a job
	// that is done is queued; what waits for one that failed is told the cause.
	FinishJob(ctx context.Context, l JobLease, o JobOutcome) (Job, error)
	// RedoJob queues a live job, its attempts forgotten. It fails with ErrNotFound, also for history, and with ErrJobBusy.
	RedoJob(ctx context.Context, id int64) (Job, error)
	// CancelJob ends a live job, or asks its runner to stop. It fails with ErrNotFound, also for history.
	CancelJob(ctx context.Context, id int64) (Job, error)
	// PurgeJobs deletes up to limit rows of history that ended so long ago, and returns how many there were.
	PurgeJobs(ctx context.Context, age time.Duration, limit int) (int, error)
	// CountJobs counts the live jobs.
	CountJobs(ctx context.Context) ([]JobCount, error)
}
