package pod_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/pod/podtest"
	"github.com/tricircle/tricircle/internal/store"
)

// noPods is a store without any.
type noPods struct{ store.Store }

func (noPods) ListPods(context.Context) ([]store.Pod, error)      { return nil, nil }
func (noPods) GetSetting(context.Context, string) (string, error) { return "", nil }

func limited(t *testing.T, n int) *pod.Registry {
	t.Helper()
	r := podtest.New(t, noPods{}, func(o *pod.Options) { o.MaxFanOut = n }).Registry
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestFanOut_Full_WaitsUntilEnoughCallsAreOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := limited(t, 10)
		first, err := r.Snapshot().FanOut(t.Context(), 100) // more than ever may be: it goes alone
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Reload(t.Context()); err != nil { // the limit outlives a snapshot
			t.Fatal(err)
		}
		entered := false
		go func() {
			leave, err := r.Snapshot().FanOut(t.Context(), 2)
			if err != nil {
				t.Error(err)
				return
			}
			entered = true
			leave()
			leave()
		}()
		for over := range 92 { // of which 9 are left, or more
			if synctest.Wait(); entered {
				t.Fatalf("it did not wait, but entered when %d calls were over", over)
			}
			first()
		}
		if synctest.Wait(); !entered {
			t.Error("it waits although there is room")
		}
	})
}

func TestFanOut_Deadline_EndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := limited(t, 10)
		leave, err := r.Snapshot().FanOut(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := r.Snapshot().FanOut(ctx, 2); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if leave, err := r.Snapshot().FanOut(ctx, 1); err != nil {
			t.Errorf("a call to one pod is no fan-out: %v", err)
		} else {
			leave()
		}
		start := time.Now()
		if _, err := r.Snapshot().FanOut(t.Context(), 2); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) >= time.Minute {
			t.Errorf("got %v after %s; clients wait a minute for all", err, time.Since(start))
		}
		for range 10 {
			leave()
		}
		if _, err := r.Snapshot().FanOut(t.Context(), 10); err != nil {
			t.Error(err)
		}
	})
}
