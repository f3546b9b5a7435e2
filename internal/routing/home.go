package routing

import (
	"context"
	"errors"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/store"
)

// Which pod a project is bound to is remembered for a while. A change that another process makes is seen after that.
const (
	homesRemembered = 10_000
	homeIsTrueFor   = 10 * time.Second
)

// home is what is remembered of a project. The cache's own expiry would need a goroutine.
type home struct {
	podNum int32 // 0, which no pod has: the project is not bound
	until  time.Time
}

func newHomes() *otter.Cache[string, home] {
	return otter.Must(&otter.Options[string, home]{MaximumSize: homesRemembered})
}

func (t *Table) rememberHome(projectID string, podNum int32) {
	t.homes.Set(projectID, home{podNum, time.Now().Add(homeIsTrueFor)})
}

// Home returns the pod that a project is bound to: where its resources go when a request does not say. It is nil when there
// is no binding, or the table cannot be read, which is logged: work goes on in the pod that is first in order.
func (t *Table) Home(ctx context.Context, projectID string) *pod.Pod {
	h, ok := t.homes.GetIfPresent(projectID)
	if !ok || time.Now().After(h.until) {
		b, err := t.bindings.GetBinding(ctx, projectID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			t.log.WarnContext(ctx, "the binding of a project cannot be read", "project", projectID, "error", err)
			return nil
		}
		h.podNum = b.PodNum
		t.rememberHome(projectID, b.PodNum)
	}
	return t.pods.Snapshot().ByNum(h.podNum)
}

// Settle binds a project to the pod in which it has created something without saying where, unless it is bound already.
func (t *Table) Settle(ctx context.Context, projectID string, p *pod.Pod) {
	if t.Home(ctx, projectID) != nil {
		return
	}
	b, err := t.bindings.BindProject(ctx, projectID, p.Num)
	if err != nil {
		t.log.WarnContext(ctx, "a project is not bound to its pod", "project", projectID, "pod", p.Name(), "error", err)
		return
	}
	t.rememberHome(projectID, b.PodNum)
}
