package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/tricircle/tricircle/internal/store"
)

func testBindings(t *testing.T, s store.Store) {
	ctx := t.Context()
	one, two := create(t, s, newPod(1, "one")), create(t, s, newPod(2, "two"))

	_, err := s.GetBinding(ctx, "p")
	expectNotFound(t, "GetBinding of a project that was never bound", err)
	expectNotFound(t, "UnbindProject of one", s.UnbindProject(ctx, "p"))
	_, err = s.BindProject(ctx, "p", 99)
	expectNotFound(t, "BindProject to no pod", err)

	expectBound(t, s.BindProject, "p", one.Num, one.Num)
	expectBound(t, s.BindProject, "p", two.Num, one.Num) // the first wins
	first, err := s.GetBinding(ctx, "p")
	check(t, err)
	if first.CreatedAt.IsZero() || !first.CreatedAt.Equal(first.UpdatedAt) {
		t.Errorf("a new binding of %v, changed %v", first.CreatedAt, first.UpdatedAt)
	}
	expectBound(t, s.RebindProject, "p", two.Num, two.Num)
	expectBound(t, s.RebindProject, "q", two.Num, two.Num)
	expectBound(t, s.RebindProject, "A", one.Num, one.Num)
	_, err = s.RebindProject(ctx, "p", 99)
	expectNotFound(t, "RebindProject to no pod", err)
	expectBound(t, s.BindProject, "p", one.Num, two.Num) // still

	expectBindings(t, s, 0, "", 10, "A", "p", "q")
	expectBindings(t, s, 0, "A", 1, "p")
	expectBindings(t, s, two.Num, "", 10, "p", "q")
	check(t, s.UnbindProject(ctx, "q"))
	check(t, s.DeletePod(ctx, two.ID))
	expectBindings(t, s, 0, "", 10, "A") // p went with its pod
}

// testBindAtOnce lets several gateways bind a project: all must learn the same pod.
func testBindAtOnce(t *testing.T, s store.Store) {
	const gateways = 8
	pods := []store.Pod{create(t, s, newPod(1, "one")), create(t, s, newPod(2, "two"))}
	told := make([]int32, gateways)
	var all sync.WaitGroup
	for i := range gateways {
		all.Go(func() {
			b, err := s.BindProject(t.Context(), "p", pods[i%2].Num)
			if err != nil {
				t.Error(err)
			}
			told[i] = b.PodNum
		})
	}
	all.Wait()
	for _, num := range told {
		if num != told[0] {
			t.Fatalf("bound to %v at once", told)
		}
	}
}

type bind func(ctx context.Context, projectID string, podNum int32) (store.Binding, error)

func expectBound(t *testing.T, bind bind, project string, podNum, want int32) {
	t.Helper()
	b, err := bind(t.Context(), project, podNum)
	if err != nil || b.ProjectID != project || b.PodNum != want {
		t.Errorf("binding %s to pod %d: %+v, %v; want pod %d", project, podNum, b, err, want)
	}
}

func expectNotFound(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%s: %v, want ErrNotFound", what, err)
	}
}

func expectBindings(t *testing.T, s store.Store, podNum int32, after string, limit int, want ...string) {
	t.Helper()
	rows, err := s.ListBindings(t.Context(), podNum, after, limit)
	check(t, err)
	var got []string
	for _, b := range rows {
		got = append(got, b.ProjectID)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("bindings of pod %d after %q: %q, want %q", podNum, after, got, want)
	}
}
