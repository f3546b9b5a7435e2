// Package storetest is the conformance suite of package store: what every implementation must do, and do alike. It knows
// the interfaces only, and must not import an implementation.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tricircle/tricircle/internal/store"
)

// Run tests the stores that open makes. Each must be as its migrations leave it; open sees to it that it is closed.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	tests := map[string]func(t *testing.T, s store.Store){
		"Pods":         testPods,
		"Claim":        testClaim,
		"Lookup":       testLookup,
		"Put":          testPut,
		"List":         testList,
		"Live":         testLive,
		"Seek":         testSeek,
		"Purge":        testPurge,
		"Model":        testModel,
		"Bindings":     testBindings,
		"BindAtOnce":   testBindAtOnce,
		"Settings":     testSettings,
		"ObjectLife":   testObjectLife,
		"ObjectKinds":  testObjectKinds,
		"ObjectModel":  testObjectModel,
		"Visibility":   testVisibility,
		"Filters":      testSpecialFilters,
		"Conflicts":    testObjectConflicts,
		"Transactions": testTransactions,
		"Collisions":   testCollisions,
		"DeleteRace":   testDeleteRace,
		"Touch":        testTouch,
		"ReplaceRace":  testReplaceRace,
		"Addresses":    testAddresses,
		"ClaimAtOnce":  testClaimAtOnce,
		"Segments":     testSegments,
		"Realizations": testRealizations,
		"JobLife":      testJobLife,
		"JobBursts":    testJobBursts,
		"JobFences":    testJobFences,
		"JobFailures":  testJobFailures,
		"JobParents":   testJobParents,
		"JobCancel":    testJobCancel,
		"JobSelection": testJobSelection,
		"JobPurge":     testJobPurge,
		"JobsAtOnce":   testJobsAtOnce,
		"Contexts":     testContexts,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func testSettings(t *testing.T, s store.Store) {
	ctx := t.Context()
	expect := func(name, want string) {
		t.Helper()
		if got, err := s.GetSetting(ctx, name); err != nil || got != want {
			t.Errorf("GetSetting(%q) = %q, %v; want %q", name, got, err, want)
		}
	}
	expect("nova_max_microversion", "")
	check(t, s.PutSetting(ctx, "nova_max_microversion", "2.90"))
	check(t, s.PutSetting(ctx, "other", "?'\"$1"))
	expect("nova_max_microversion", "2.90")
	expect("other", "?'\"$1")
	check(t, s.PutSetting(ctx, "nova_max_microversion", "2.95"))
	expect("nova_max_microversion", "2.95")
	expect("other", "?'\"$1")
}

// testContexts sees that a cancelled call does nothing, says so, and leaves the store usable.
func testContexts(t *testing.T, s store.Store) {
	check(t, s.Ping(t.Context()))
	row := store.Routing{Type: store.Server, TopID: id(1), PodNum: 1, ProjectID: "p"}

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Ping(cancelled); !errors.Is(err, context.Canceled) {
		t.Errorf("Ping of a cancelled context: %v, want context.Canceled", err)
	}
	if err := s.PutRoutings(cancelled, []store.Routing{row}); !errors.Is(err, context.Canceled) {
		t.Errorf("PutRoutings with a cancelled context: %v, want context.Canceled", err)
	}
	if ok, err := s.ClaimRouting(cancelled, row); ok || !errors.Is(err, context.Canceled) {
		t.Errorf("ClaimRouting with a cancelled context: %v, %v, want context.Canceled", ok, err)
	}
	if got := list(t, s, store.RoutingFilter{}); len(got) != 0 {
		t.Errorf("cancelled calls left rows: %v", got)
	}
	check(t, s.Ping(t.Context()))
}

// check fails the test on an error.
func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// equal fails the test unless got is want.
func equal(t testing.TB, what string, got, want any, options ...cmp.Option) {
	t.Helper()
	if diff := cmp.Diff(want, got, options...); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// id is a UUID. A greater n makes a greater id.
func id(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-00000000abcd", n) }

// at is a point in time, n seconds after some other.
func at(n int) time.Time { return time.Date(2026, 11, 22, 10, 0, n, 123456000, time.UTC) }

// concurrently runs f(0) to f(n-1) at once and returns what each returned.
func concurrently[T any](n int, f func(i int) T) []T {
	results := make([]T, n)
	var start, end sync.WaitGroup
	start.Add(1)
	for i := range n {
		end.Go(func() {
			start.Wait()
			results[i] = f(i)
		})
	}
	start.Done()
	end.Wait()
	return results
}
