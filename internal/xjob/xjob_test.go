package xjob

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/store"
)

func TestRun_JobEnqueued_IsRunAtOnce(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		var ran store.Job
		r.handle(func(_ context.Context, job store.Job) error { ran = job; return nil })
		r.start()
		id := r.ask(network("a/1"))
		r.expect(id, store.JobDone, 0, "")
		if ran.NewJob != network("a/1") || ran.Owner != "test" {
			t.Errorf("the handler was given %+v", ran)
		}
		if !slices.Equal(r.verdicts, []string{"done"}) {
			t.Errorf("observed %q", r.verdicts)
		}
	})
}

func TestRun_HintLost_IsFoundByLooking(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.handle(func(context.Context, store.Job) error { return nil })
		r.start()
		rows, err := r.store.EnqueueJobs(r.ctx, network("a/1"))
		if err != nil {
			t.Fatal(err)
		}
		r.expect(rows[0].ID, store.JobQueued, 0, "")
		r.pass(testPoll)
		r.expect(rows[0].ID, store.JobDone, 0, "")
	})
}

func TestRun_HandlerFails_PausesDoubleThenParked(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		var at []time.Duration
		start := time.Now()
		broken := true
		r.handle(func(context.Context, store.Job) error {
			at = append(at, time.Since(start))
			if broken {
				return errPod
			}
			return nil
		})
		r.start()
		id := r.ask(network("a/1"))
		r.expect(id, store.JobWaiting, 1, errPod.Error())
		r.pass(time.Hour)
		r.expect(id, store.JobParked, 4, errPod.Error())
		if want := []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second}; !slices.Equal(at, want) {
			t.Errorf("tried at %v, want %v", at, want)
		}
		if want := []string{"failed", "failed", "failed", "parked"}; !slices.Equal(r.verdicts, want) {
			t.Errorf("observed %q, want %q", r.verdicts, want)
		}
		broken = false
		if _, err := r.store.RedoJob(r.ctx, id); err != nil {
			t.Fatal(err)
		}
		r.Wake()
		r.expect(id, store.JobDone, 0, "")
	})
}

func TestRun_PodUnavailable_IsNoAttempt(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		down, runs := true, 0
		r.handle(func(context.Context, store.Job) error {
			runs++
			if down {
				return fmt.Errorf("network a: %w", &pod.UnavailableError{Pod: "site1", Reason: "refused"})
			}
			return nil
		})
		r.start()
		id := r.ask(network("a/1"))
		r.pass(time.Hour)
		j := r.job(id)
		if j.State != store.JobWaiting || j.Attempts != 0 || j.Failures != runs || runs < 60 || runs > 70 {
			t.Errorf("after an hour: %+v, %d runs", j, runs)
		}
		down = false
		r.pass(time.Minute)
		r.expect(id, store.JobDone, 0, "")
	})
}

func TestRun_PodAway_IsNotTried(t *testing.T) {
	var back atomic.Bool
	away := func() []int32 {
		if back.Load() {
			return nil
		}
		return []int32{1}
	}
	inBubble(t, func(o *Options) { o.Away = away }, func(r *rig) {
		var ran []string
		r.handle(func(_ context.Context, j store.Job) error { ran = append(ran, j.Resource); return nil })
		r.start()
		other := network("b/2")
		other.PodNum = 2
		r.ask(network("a/1"), other)
		r.pass(time.Hour)
		if !slices.Equal(ran, []string{"b/2"}) {
			t.Errorf("ran %q while pod 1 was away", ran)
		}
		back.Store(true)
		r.pass(testPoll)
		if !slices.Equal(ran, []string{"b/2", "a/1"}) {
			t.Errorf("ran %q when it was back", ran)
		}
	})
}

func TestRun_AskedForDuringRun_RunsOnceMore(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		var runs, at, most atomic.Int32
		r.handle(func(context.Context, store.Job) error {
			most.Store(max(most.Load(), at.Add(1)))
			defer at.Add(-1)
			runs.Add(1)
			<-time.After(time.Minute) // longer than a lease
			return nil
		})
		r.start()
		id := r.ask(network("a/1"))
		r.expect(id, store.JobRunning, 0, "")
		for range 10 {
			r.ask(network("a/1"))
		}
		r.pass(3 * time.Minute)
		r.expect(id, store.JobDone, 0, "")
		if runs.Load() != 2 || most.Load() != 1 {
			t.Errorf("%d runs, %d at a time; want 2, one by one", runs.Load(), most.Load())
		}
	})
}

func TestRun_ManyJobs_LimitsHold(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		var all, most, done atomic.Int32
		var perPod [5]atomic.Int32
		r.handle(func(_ context.Context, j store.Job) error {
			most.Store(max(most.Load(), all.Add(1)))
			defer all.Add(-1)
			if n := perPod[j.PodNum].Add(1); n > int32(r.PodLimit) && j.PodNum != 0 {
				t.Errorf("%d runs about pod %d at a time", n, j.PodNum)
			}
			defer perPod[j.PodNum].Add(-1)
			<-time.After(time.Second)
			done.Add(1)
			return nil
		})
		r.start()
		var jobs []store.NewJob
		for i := range 200 { // 160 of pod 1, which all ask for first
			j := network(fmt.Sprint(i))
			if i >= 160 {
				j.PodNum = int32(i % 5)
			}
			jobs = append(jobs, j)
		}
		r.ask(jobs...)
		r.pass(3 * time.Second)
		if n := done.Load(); n < 20 {
			t.Errorf("%d jobs done in three seconds: those of one pod are in the way of the others", n)
		}
		r.pass(2 * time.Minute)
		if done.Load() != 200 || most.Load() != int32(r.Workers) {
			t.Errorf("%d jobs done, %d at a time; want 200, %d", done.Load(), most.Load(), r.Workers)
		}
	})
}

func TestRun_Dependency_WaitsForParent(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		made, broken := false, true
		r.handle(func(context.Context, store.Job) error {
			if broken {
				return errPod
			}
			made = true
			return nil
		})
		r.handleKind("port", func(context.Context, store.Job) error {
			if !made {
				return &DependencyError{On: network("a/1"), Reason: "the pod has no such network yet"}
			}
			return nil
		})
		r.start()
		port := r.ask(store.NewJob{Kind: "port", Resource: "x/1", PodNum: 1})
		r.pass(time.Second)
		r.expect(port, store.JobWaiting, 1, "waits for network a/1: the pod says 500") // nobody had asked for the network
		r.pass(20 * time.Minute)
		parents, err := r.store.ListJobs(r.ctx, store.JobFilter{Kind: "network"})
		if err != nil || len(parents) != 1 || parents[0].State != store.JobParked {
			t.Fatalf("the network: %+v, %v", parents, err)
		}
		r.expect(port, store.JobWaiting, 1, "waits for network a/1: the pod has no such network yet")
		broken = false
		r.ask(network("a/1"))
		r.expect(port, store.JobDone, 1, "")
	})
}

func TestRun_DependencyOnWhatIsAlwaysDone_IsParked(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.handle(func(context.Context, store.Job) error { return nil })
		r.handleKind("port", func(context.Context, store.Job) error {
			return &DependencyError{On: network("a/1"), Reason: "a bug"}
		})
		r.start()
		port := r.ask(store.NewJob{Kind: "port", Resource: "x/1", PodNum: 1})
		r.pass(time.Hour)
		r.expect(port, store.JobParked, 4, "waits for network a/1: a bug")
	})
}

func TestRun_Cancelled_StopsTheRunner(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		var why error
		r.handle(func(ctx context.Context, _ store.Job) error {
			<-ctx.Done()
			why = context.Cause(ctx)
			return ctx.Err()
		})
		r.start()
		id := r.ask(network("a/1"))
		r.pass(time.Minute)
		if _, err := r.store.CancelJob(r.ctx, id); err != nil {
			t.Fatal(err)
		}
		r.pass(testLease / 3)
		r.expect(id, store.JobCancelled, 0, "")
		if !errors.Is(why, errCancelled) {
			t.Errorf("the handler was told %v", why)
		}
	})
}

func TestRun_CancelledWhileItsRunnerWasDead_IsNotRun(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.handle(func(context.Context, store.Job) error { t.Error("it was run"); return nil })
		id := r.ask(network("a/1"))
		if _, err := r.claim(r.ctx, r.job(id)); err != nil { // and is not heard of again
			t.Fatal(err)
		}
		if _, err := r.store.CancelJob(r.ctx, id); err != nil {
			t.Fatal(err)
		}
		r.expect(id, store.JobRunning, 0, "")
		r.start()
		r.pass(testLease)
		r.expect(id, store.JobCancelled, 0, "")
	})
}

func TestRun_CauseWithAddress_IsKeptWithoutIt(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.handle(func(context.Context, store.Job) error {
			return errors.New(`Expected 201 when accessing [POST http://10.0.0.5:9696/v2.0/ports], but got 500: "` + strings.Repeat("é", 3000))
		})
		r.start()
		id := r.ask(network("a/1"))
		synctest.Wait()
		if cause := r.job(id).Cause; !strings.HasPrefix(cause, "Expected 201 when accessing [POST (address)], but got 500") ||
			len(cause) > 2010 || !strings.HasSuffix(cause, "é ...") {
			t.Errorf("the cause is %q", cause)
		}
	})
}

func TestRun_TakesTooLong_IsAFailedAttempt(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.handle(func(ctx context.Context, _ store.Job) error {
			<-ctx.Done()
			return &pod.UnavailableError{Reason: "the client gave up", Err: ctx.Err()}
		})
		r.start()
		id := r.ask(network("a/1"))
		r.pass(r.Timeout)
		if j := r.job(id); j.State != store.JobWaiting || j.Attempts != 1 || !strings.HasPrefix(j.Cause, "the run took too long, more than 10m") {
			t.Errorf("after the timeout: %+v", j)
		}
	})
}

func TestRun_HandlerPanics_IsAFailedAttempt(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.handle(func(context.Context, store.Job) error { panic("index out of range") })
		r.start()
		r.expect(r.ask(network("a/1")), store.JobWaiting, 1, "a bug in the handler of network: index out of range")
	})
}

func TestRun_ProcessEnds_GivesJobsBack(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.handle(func(ctx context.Context, _ store.Job) error {
			<-ctx.Done()
			return ctx.Err()
		})
		stop := r.start()
		id := r.ask(network("a/1"))
		r.expect(id, store.JobRunning, 0, "")
		stop()
		j := r.job(id)
		if j.State != store.JobQueued || j.Owner != "" || j.RunAt.After(time.Now()) || j.Attempts != 0 || j.Failures != 0 {
			t.Errorf("given back: %+v", j)
		}
	})
}

func TestRun_UnknownKind_IsLeftToOthers(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.handle(func(context.Context, store.Job) error { return nil })
		r.start()
		id := r.ask(store.NewJob{Kind: "router", Resource: "a/1"})
		r.pass(time.Hour)
		r.expect(id, store.JobQueued, 0, "")
		if err := r.RunNow(r.ctx, store.NewJob{Kind: "router", Resource: "a/1"}); err == nil {
			t.Error("RunNow of a kind without a handler succeeded")
		}
	})
}

// counting counts the calls of a store.
type counting struct {
	store.Jobs
	calls atomic.Int32
}

func (c *counting) DueJobs(ctx context.Context, d store.DueJobs) ([]store.Job, error) {
	c.calls.Add(1)
	return c.Jobs.DueJobs(ctx, d)
}

func TestRun_Idle_LooksRarely(t *testing.T) {
	var c *counting
	inBubble(t, func(o *Options) {
		c = &counting{Jobs: o.Jobs}
		o.Jobs, o.Jitter = c, func() float64 { return 0.5 }
	}, func(r *rig) {
		r.handle(func(context.Context, store.Job) error { return nil })
		r.start()
		r.pass(time.Minute)
		if n := c.calls.Load(); n < 12 || n > 15 {
			t.Errorf("an idle engine looked %d times in a minute", n)
		}
	})
}

func TestRun_History_IsPurged(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.handle(func(context.Context, store.Job) error { return nil })
		r.start()
		id := r.ask(network("a/1"))
		r.pass(23 * time.Hour)
		r.expect(id, store.JobDone, 0, "")
		r.pass(2 * time.Hour)
		if _, err := r.store.GetJob(r.ctx, id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("history of yesterday: %v, want it gone", err)
		}
	})
}

func TestRun_Count_TellsLiveJobs(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.handle(func(context.Context, store.Job) error { return errPod })
		r.start()
		r.ask(network("a/1"), network("b/1"))
		r.pass(time.Minute)
		synctest.Wait()
		if len(r.counts) != 1 || r.counts[0] != (store.JobCount{Kind: "network", State: store.JobParked, N: 2}) {
			t.Errorf("counted %+v", r.counts)
		}
	})
}
