package routing_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tricircle/tricircle/internal/pod/podtest"
)

func TestSettle_FirstPodWins_AndHomeFollowsTheOperator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		first, second := c.Register(&podtest.Pod{Region: "east"}), c.Register(&podtest.Pod{Region: "west"})
		if p := c.Home(t.Context(), "p"); p != nil {
			t.Fatalf("a project that was never bound is at home in %s", p.Name())
		}
		c.Settle(t.Context(), "p", second)
		c.Settle(t.Context(), "p", first)
		if p := c.Home(t.Context(), "p"); p == nil || p.Num != second.Num {
			t.Errorf("Home = %v, want the pod of the first Settle", p)
		}
		if _, err := c.rows.RebindProject(t.Context(), "p", first.Num); err != nil {
			t.Fatal(err)
		}
		if p := c.Home(t.Context(), "p"); p == nil || p.Num != second.Num {
			t.Error("the store is asked each time")
		}
		<-time.After(time.Minute)
		if p := c.Home(t.Context(), "p"); p == nil || p.Num != first.Num {
			t.Errorf("a minute after the operator has bound it elsewhere: %v", p)
		}
	})
}
