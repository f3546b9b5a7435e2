package xjob

import (
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/store"
)

// What came of a run, as Observe is told.
const (
	verdictDone        = "done"
	verdictFailed      = "failed"
	verdictParked      = "parked"
	verdictWaiting     = "waiting"
	verdictUnavailable = "unavailable"
	verdictReturned    = "returned"
	verdictCancelled   = "cancelled"
)

// maxCause bounds what is kept of an error, in bytes: some have a whole page of HTML in them.
const maxCause = 2000

// judge says what becomes of a job whose run ended with err, stopped for a reason that may have nothing to do with it.
func (e *Engine) judge(job store.Job, err, stopped error) (o store.JobOutcome, verdict string) {
	o = store.JobOutcome{Gen: job.Gen, Attempts: job.Attempts, Failures: job.Failures + 1}
	if err == nil {
		o.State = store.JobDone
		return o, verdictDone
	}
	o.Cause = cause(err)
	switch {
	case errors.Is(stopped, errCancelled):
		o.State = store.JobQueued // unless it was asked for since, it is cancelled
		return o, verdictCancelled
	case !errors.Is(stopped, errEnded): // the process ends, who called RunNow has left, or the lease is lost
		o.State, o.Failures = store.JobQueued, job.Failures
		return o, verdictReturned
	}
	if dependency, ok := errors.AsType[*DependencyError](err); ok {
		o.WaitsFor, o.Failures = &dependency.On, job.Failures
		return e.wait(o, e.RetryMax, verdictWaiting)
	}
	pause := e.pause(e.RetryFirst, job.Failures)
	if unavailable(err) {
		return e.wait(o, pause, verdictUnavailable)
	}
	o.Attempts++
	return e.wait(o, pause, verdictFailed)
}

// unavailable tells whether a run failed for something that says nothing about the job.
func unavailable(err error) bool {
	_, ok := errors.AsType[*pod.UnavailableError](err)
	return (ok || errors.Is(err, pod.ErrKeystone)) && !errors.Is(err, errTimeout)
}

// wait lets a job run again after a pause, or never by itself when it has failed too often.
func (e *Engine) wait(o store.JobOutcome, pause time.Duration, verdict string) (store.JobOutcome, string) {
	if o.Attempts >= e.MaxAttempts {
		o.State, o.WaitsFor = store.JobParked, nil
		return o, verdictParked
	}
	o.State, o.After = store.JobWaiting, pause
	return o, verdict
}

// pause is how long to wait after so many failures in a row and one more: twice as long each time, and by chance up to a half less,
// lest those that failed together try together.
func (e *Engine) pause(first time.Duration, failures int) time.Duration {
	pause := e.RetryMax
	if failures < 32 && first<<failures < e.RetryMax { // 32 doublings of a nanosecond are four seconds, of a second for ever
		pause = first << failures
	}
	return pause - time.Duration(e.Jitter()*float64(pause)/2)
}

// address is what people of a project must not read in a cause.
var address = regexp.MustCompile(`https?://[^\s"'\])]+`)

// cause is what people read of an error: without addresses of pods, and without the end of a long text.
func cause(err error) string {
	text := address.ReplaceAllString(err.Error(), "(address)")
	if len(text) <= maxCause {
		return text
	}
	return strings.ToValidUTF8(text[:maxCause], "") + " ..."
}
