package xjob

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/store"
)

func TestRunNow_NobodyRunsIt_RunsHere(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		runs := 0
		r.handle(func(context.Context, store.Job) error { runs++; return nil })
		if err := r.RunNow(r.ctx, network("a/1")); err != nil || runs != 1 {
			t.Errorf("RunNow without workers: %v, %d runs", err, runs)
		}
		jobs, err := r.store.ListJobs(r.ctx, store.JobFilter{})
		if err != nil || len(jobs) != 1 || jobs[0].State != store.JobDone {
			t.Errorf("afterwards: %+v, %v", jobs, err)
		}
	})
}

func TestRunNow_Fails_ReturnsTheHandlersErrorAndIsRepeated(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		down := &pod.UnavailableError{Pod: "site1"}
		err := error(down)
		r.handle(func(context.Context, store.Job) error { return err })
		got := r.RunNow(r.ctx, network("a/1"))
		if unavailable, ok := errors.AsType[*pod.UnavailableError](got); !ok || unavailable != down {
			t.Errorf("RunNow = %v", got)
		}
		err = nil
		r.start()
		r.pass(time.Minute)
		r.expect(1, store.JobDone, 0, "")
	})
}

// TestRunNow_Parked_IsTried: whoever waits does not wait for an operator.
func TestRunNow_ParkedAndPaused_IsTried(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		broken := true
		r.handle(func(context.Context, store.Job) error {
			if broken {
				return errPod
			}
			return nil
		})
		stop := r.start()
		id := r.ask(network("a/1"))
		r.pass(time.Hour)
		r.expect(id, store.JobParked, 4, errPod.Error())
		stop()
		if err := r.RunNow(r.ctx, network("a/1")); !errors.Is(err, errPod) {
			t.Errorf("RunNow = %v, want what the handler says", err)
		}
		broken = false
		if err := r.RunNow(r.ctx, network("a/1")); err != nil {
			t.Errorf("RunNow during the pause = %v", err)
		}
		r.expect(id, store.JobDone, 0, "")
	})
}

// TestRunNow_RunsElsewhere_WaitsForARunThatBeganLater: the run under way may have read what was wanted before.
func TestRunNow_RunsElsewhere_WaitsForARunThatBeganLater(t *testing.T) {
	for name, outcome := range map[string]error{"done": nil, "failed": errPod} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(r *rig) {
				begun := 0
				r.handle(func(context.Context, store.Job) error {
					begun++
					<-time.After(10 * time.Second)
					return outcome
				})
				r.start()
				r.ask(network("a/1"))
				r.pass(time.Second)
				start := time.Now()
				err := r.RunNow(r.ctx, network("a/1"))
				failed, isFailed := errors.AsType[*FailedError](err)
				switch {
				case outcome == nil && err != nil:
					t.Errorf("RunNow = %v", err)
				case outcome != nil && !errors.Is(err, errPod) && (!isFailed || failed.Cause != errPod.Error()):
					t.Errorf("RunNow = %v, want that a run has failed, and why", err)
				}
				if took := time.Since(start); took != 19*time.Second || begun != 2 {
					t.Errorf("it took %v and %d runs; want the rest of one run and a whole one", took, begun)
				}
			})
		})
	}
}

func TestRunNow_ManyAtOnce_ShareRuns(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		runs := 0
		r.handle(func(context.Context, store.Job) error {
			runs++
			<-time.After(time.Second)
			return nil
		})
		errs := make(chan error)
		for range 50 {
			go func() { errs <- r.RunNow(r.ctx, network("a/1")) }()
		}
		for range 50 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		if runs > 3 {
			t.Errorf("%d runs for 50 who asked within a run", runs)
		}
	})
}

func TestRunNow_Dependency_IsRunFirst(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		var order []string
		made := false
		r.handle(func(context.Context, store.Job) error {
			order = append(order, "network")
			made = true
			return nil
		})
		r.handleKind("port", func(context.Context, store.Job) error {
			order = append(order, "port")
			if !made {
				return &DependencyError{On: network("a/1"), Reason: "not there yet"}
			}
			return nil
		})
		if err := r.RunNow(r.ctx, store.NewJob{Kind: "port", Resource: "x/1"}); err != nil {
			t.Fatal(err)
		}
		if len(order) != 3 || order[1] != "network" || order[2] != "port" {
			t.Errorf("ran %q", order)
		}
	})
}

func TestRunNow_DependenciesInACircle_GivesUp(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		for _, pair := range [][2]string{{"a", "b"}, {"b", "a"}} {
			r.handleKind(pair[0], func(context.Context, store.Job) error {
				return &DependencyError{On: store.NewJob{Kind: pair[1], Resource: "x"}, Reason: "a bug"}
			})
		}
		err := r.RunNow(r.ctx, store.NewJob{Kind: "a", Resource: "x"})
		if _, ok := errors.AsType[*DependencyError](err); !ok {
			t.Errorf("RunNow = %v", err)
		}
	})
}

func TestRunNow_CallerLeaves_GivesTheJobBack(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		impatient := true
		r.handle(func(ctx context.Context, _ store.Job) error {
			if impatient {
				<-ctx.Done()
			}
			return ctx.Err()
		})
		ctx, cancel := context.WithTimeout(r.ctx, time.Second)
		defer cancel()
		if err := r.RunNow(ctx, network("a/1")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("RunNow = %v", err)
		}
		r.expect(1, store.JobQueued, 0, "")
		impatient = false
		r.start()
		r.expect(1, store.JobDone, 0, "")
	})
}

// TestRunNow_RunnerDies_TakesOverAfterItsLease has a runner that nobody hears of again.
func TestRunNow_RunnerDies_TakesOverAfterItsLease(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.handle(func(context.Context, store.Job) error { return nil })
		rows, err := r.store.EnqueueJobs(r.ctx, network("a/1"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.claim(r.ctx, rows[0]); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := r.RunNow(r.ctx, network("a/1")); err != nil {
			t.Errorf("RunNow = %v", err)
		}
		if took := time.Since(start); took < testLease || took > testLease+waitPoll {
			t.Errorf("it took %v, want the lease of %v", took, testLease)
		}
	})
}

// TestRunNow_LeaseTakenByAnother_ReturnsWhenARunHasLasted has a caller whose process stalls for longer than a lease.
func TestRunNow_LeaseTakenByAnother_ReturnsWhenARunHasLasted(t *testing.T) {
	inBubble(t, func(o *Options) { o.Jobs = deafRenewals{o.Jobs} }, func(r *rig) {
		var runs atomic.Int32
		r.handle(func(context.Context, store.Job) error {
			if runs.Add(1) == 1 {
				<-time.After(2 * testLease) // deaf
			}
			return nil
		})
		ended := make(chan error, 1)
		go func() { ended <- r.RunNow(r.ctx, network("a/1")) }()
		synctest.Wait()
		r.start()
		if err := <-ended; err != nil {
			t.Errorf("RunNow = %v", err)
		}
		if runs.Load() < 3 {
			t.Errorf("%d runs, want one after the lost one has ended", runs.Load())
		}
	})
}

// deafRenewals is a store that does not answer renewals.
type deafRenewals struct{ store.Jobs }

func (deafRenewals) RenewJob(context.Context, store.JobLease, time.Duration) (bool, error) {
	return false, errors.New("no answer")
}

// TestRun_LeaseTakenByAnother_IsAskedForAgain has a runner that cannot renew its lease, is deaf, and acts after another one.
func TestRun_LeaseTakenByAnother_IsAskedForAgain(t *testing.T) {
	inBubble(t, func(o *Options) { o.Jobs = deafRenewals{o.Jobs} }, func(r *rig) {
		release := make(chan struct{})
		var told error
		var runs atomic.Int32
		r.handle(func(ctx context.Context, _ store.Job) error {
			if runs.Add(1) == 1 {
				<-release
				told = context.Cause(ctx)
			}
			return nil
		})
		r.start()
		id := r.ask(network("a/1"))
		r.pass(2 * testLease)
		r.expect(id, store.JobDone, 0, "")
		close(release)
		r.pass(testPoll)
		if runs.Load() != 3 || !errors.Is(told, errLost) {
			t.Errorf("%d runs, the first was told %v; want the stalled one, the one that took over, and one more", runs.Load(), told)
		}
		if want := []string{"done", "lost", "done"}; !slices.Equal(r.verdicts, want) {
			t.Errorf("observed %q, want %q", r.verdicts, want)
		}
	})
}
