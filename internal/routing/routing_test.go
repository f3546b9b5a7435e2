package routing_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/tricircle/tricircle/internal/identity"
	"github.com/tricircle/tricircle/internal/pod/podtest"
	"github.com/tricircle/tricircle/internal/routing"
	"github.com/tricircle/tricircle/internal/store"
	"github.com/tricircle/tricircle/internal/store/sqlstore/sqltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const id = "9f3c2a10-5f1a-4b44-9d28-6f1e29eecd4a"

// counted is a store that counts look-ups, and fails when told to.
type counted struct {
	store.Store
	lookups atomic.Int32
	failure error
}

func (s *counted) LookupRouting(ctx context.Context, t store.ResourceType, topID string) ([]store.Routing, error) {
	s.lookups.Add(1)
	if s.failure != nil {
		return nil, s.failure
	}
	return s.Store.LookupRouting(ctx, t, topID)
}

// cloud is a routing table over pods.
type cloud struct {
	*podtest.Cloud
	*routing.Table
	rows *counted
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	s := sqltest.Open(t, sqltest.InMemory, time.Now)
	pods, rows := podtest.New(t, s, nil), &counted{Store: s}
	return &cloud{pods, routing.NewTable(rows, pods.Registry, 1000, slog.New(slog.DiscardHandler)), rows}
}

// stored returns the row of a resource, which must be the only one.
func (c *cloud) stored(t *testing.T, typ store.ResourceType, id string) store.Routing {
	t.Helper()
	rows, err := c.Store.LookupRouting(t.Context(), typ, id)
	if err != nil || len(rows) != 1 {
		t.Fatalf("%s %s has the rows %v, %v", typ, id, rows, err)
	}
	return rows[0]
}

func server(id string, podNum int32) store.Routing {
	return store.Routing{Type: store.Server, TopID: id, BottomID: id, PodNum: podNum, ProjectID: "p1", CreatedAt: moment("2026-11-22T06:40:01Z")}
}

func moment(s string) time.Time { return routing.ParseTime(s) }

func TestParseID(t *testing.T) {
	for text, want := range map[string]string{
		id:                                       id,
		"9F3C2A10-5F1A-4B44-9D28-6F1E29EECD4A":   id,
		"9f3c2a105f1a4b449d286f1e29eecd4a":       "",
		"{9f3c2a10-5f1a-4b44-9d28-6f1e29eecd4a}": "",
		"urn:uuid:9f3c2a10-5f1a-4b44-9d28-6f1e29eecd4a": "",
		"9f3c2a10-5f1a-4b44-9d28-6f1e29eecd4g":          "",
		"name of a server that has 36 letters":          "",
		"":                                              "", "1": "",
	} {
		got, ok := routing.ParseID(text)
		if ok != (want != "") || ok && got != want {
			t.Errorf("ParseID(%q) = %q, %t, want %q", text, got, ok, want)
		}
	}
}

func TestParseTime(t *testing.T) {
	for text, want := range map[string]time.Time{
		"2026-11-22T06:40:01Z":        time.Date(2026, 11, 22, 6, 40, 1, 0, time.UTC),
		"2026-11-22T06:40:01.123456":  time.Date(2026, 11, 22, 6, 40, 1, 123456000, time.UTC),
		"2026-11-22T06:40:01.000000":  time.Date(2026, 11, 22, 6, 40, 1, 0, time.UTC),
		"2026-11-22T06:40:01":         time.Date(2026, 11, 22, 6, 40, 1, 0, time.UTC),
		"2026-11-22T06:40:01.123456Z": time.Date(2026, 11, 22, 6, 40, 1, 123456000, time.UTC),
		"":                            {},
		"null":                        {},
		"yesterday":                   {},
		"2026-11-22":                  {},
	} {
		if got := routing.ParseTime(text); !got.Equal(want) {
			t.Errorf("ParseTime(%q) = %s, want %s", text, got, want)
		}
	}
}

func TestKnown_FromTheTableOnceAndThenFromMemory(t *testing.T) {
	c := newCloud(t)
	east := c.Register(&podtest.Pod{Region: "east"})
	if err := c.Store.PutRoutings(t.Context(), []store.Routing{server(id, east.Num)}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if p, err := c.Known(t.Context(), store.Server, id); err != nil || p != east {
			t.Errorf("got %v, %v", p, err)
		}
	}
	if c.rows.lookups.Load() != 1 {
		t.Errorf("%d look-ups, want 1", c.rows.lookups.Load())
	}
	for _, other := range []struct {
		typ store.ResourceType
		id  string
	}{{store.Volume, id}, {store.Server, uuid.NewString()}, {store.Server, "no id"}} {
		if p, err := c.Known(t.Context(), other.typ, other.id); err != nil || p != nil {
			t.Errorf("%s %s: got %v, %v, want neither", other.typ, other.id, p, err)
		}
	}
}

func TestKnown_RowOfAPodThatIsGone_IsIgnored(t *testing.T) {
	c := newCloud(t)
	east, west := c.Register(&podtest.Pod{Region: "east"}), c.Register(&podtest.Pod{Region: "west"})
	if err := c.Record(t.Context(), server(id, east.Num)); err != nil {
		t.Fatal(err)
	}
	if err := c.Store.DeletePod(t.Context(), east.ID); err != nil {
		t.Fatal(err)
	}
	if err := c.Registry.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p, err := c.Known(t.Context(), store.Server, id); err != nil || p != nil {
		t.Errorf("got %v, %v, want neither", p, err)
	}
	if err := c.Store.PutRoutings(t.Context(), []store.Routing{server(id, west.Num)}); err != nil {
		t.Fatal(err)
	}
	if p, err := c.Known(t.Context(), store.Server, id); err != nil || p == nil || p.Num != west.Num {
		t.Errorf("got %v, %v, want the pod that is there", p, err)
	}
}

func TestRecord_IsWrittenAndRemembered(t *testing.T) {
	c := newCloud(t)
	east := c.Register(&podtest.Pod{Region: "east"})
	want := server(id, east.Num)
	if err := c.Record(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, c.stored(t, store.Server, id), cmpopts.IgnoreFields(store.Routing{}, "ID", "UpdatedAt")); diff != "" {
		t.Error(diff)
	}
	if p, err := c.Known(t.Context(), store.Server, id); p != east || err != nil || c.rows.lookups.Load() != 0 {
		t.Errorf("got %v, %v after %d look-ups, want none", p, err, c.rows.lookups.Load())
	}
}

func TestClaim_OnlyTheFirstGetsIt(t *testing.T) {
	c := newCloud(t)
	east := c.Register(&podtest.Pod{Region: "east"})
	for _, want := range []bool{true, false} {
		if got, err := c.Claim(t.Context(), server(id, east.Num)); err != nil || got != want {
			t.Errorf("got %t, %v, want %t", got, err, want)
		}
	}
	if p, _ := c.Known(t.Context(), store.Server, id); p != east || c.rows.lookups.Load() != 0 {
		t.Error("what was claimed is not remembered")
	}
}

func TestLearn_IsWrittenSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		east := c.Register(&podtest.Pod{Region: "east"})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- c.Table.Run(ctx) }()
		c.Learn(server(id, east.Num))
		c.Learn(store.Routing{Type: store.Server, TopID: "no id", PodNum: east.Num})
		<-time.After(150 * time.Millisecond)
		if got := c.stored(t, store.Server, id); got.ProjectID != "p1" || got.PodNum != east.Num {
			t.Errorf("stored %+v", got)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestLearn_AtShutdown_IsWritten(t *testing.T) {
	c := newCloud(t)
	east := c.Register(&podtest.Pod{Region: "east"})
	const many = 2500
	for range many {
		c.Learn(server(uuid.NewString(), east.Num))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Table.Run(ctx); err != nil {
		t.Fatal(err)
	}
	rows, err := c.Store.ListRoutings(t.Context(), store.RoutingFilter{Type: store.Server})
	if err != nil || len(rows) != many {
		t.Errorf("%d rows, %v, want %d", len(rows), err, many)
	}
}

func TestLearn_WhatIsKnown_IsNotWrittenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		east := c.Register(&podtest.Pod{Region: "east"})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = c.Table.Run(ctx) }()
		discovered := server(id, east.Num)
		discovered.CreatedAt = time.Time{}
		if err := c.Record(t.Context(), discovered); err != nil {
			t.Fatal(err)
		}
		c.Learn(server(id, east.Num)) // tells the time that was missing
		<-time.After(time.Second)
		first := c.stored(t, store.Server, id)
		if !first.CreatedAt.Equal(moment("2026-11-22T06:40:01Z")) {
			t.Errorf("created at %s: the list knew better", first.CreatedAt)
		}
		later := server(id, east.Num)
		later.ProjectID = "p2"
		c.Learn(later)
		<-time.After(time.Second)
		if again := c.stored(t, store.Server, id); again.ProjectID != "p1" {
			t.Error("what was known in full was written again")
		}
	})
}

func TestLearn_SeenAfterItsDeletion_IsThereAgainAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		east := c.Register(&podtest.Pod{Region: "east"})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = c.Table.Run(ctx) }()
		seen, gone := server(id, east.Num), server(id, east.Num)
		for _, step := range []struct {
			what    string
			after   time.Duration
			row     store.Routing
			deleted bool
		}{
			{"seen", time.Second, seen, false},
			{"deleted", time.Second, gone, true},
			{"seen while the pod deletes it", time.Second, seen, true},
			{"seen though the pod has had its time", 10 * time.Minute, seen, false},
		} {
			<-time.After(step.after)
			if gone.DeletedAt = time.Now(); step.what == "deleted" {
				step.row = gone
			}
			c.Learn(step.row)
			<-time.After(time.Second)
			if got := c.stored(t, store.Server, id); got.DeletedAt.IsZero() == step.deleted {
				t.Errorf("%s: stored %+v", step.what, got)
			}
		}
	})
}

func TestMissed_OnlyByThoseWhoWouldSeeIt(t *testing.T) {
	c := newCloud(t)
	east := c.Register(&podtest.Pod{Region: "east"})
	for _, test := range []struct {
		name   string
		caller identity.Caller
		want   bool
	}{
		{"of its project", identity.Caller{ProjectID: "p1"}, true},
		{"administrator", identity.Caller{ProjectID: "p2", Roles: []string{"admin"}}, true},
		{"of another project", identity.Caller{ProjectID: "p2"}, false},
	} {
		r := server(uuid.NewString(), east.Num)
		if err := c.Record(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		gone := store.Routing{Type: r.Type, TopID: r.TopID, PodNum: east.Num, DeletedAt: time.Now()}
		c.Missed(t.Context(), &test.caller, gone)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := c.Table.Run(ended); err != nil {
			t.Fatal(err)
		}
		if got := c.stored(t, store.Server, r.TopID); got.DeletedAt.IsZero() == test.want || got.ProjectID != "p1" {
			t.Errorf("%s: stored %+v", test.name, got)
		}
	}
}

func TestLearn_BacklogFull_DoesNotBlock(t *testing.T) {
	c := newCloud(t)
	for range 30000 {
		c.Learn(server(id, 1))
	}
}

func TestFind_TableCannotBeRead_AsksThePods(t *testing.T) {
	c := newCloud(t)
	east := c.Register(&podtest.Pod{Region: "east", Compute: shows("server", id)})
	c.rows.failure = errors.New("database is out")
	if p, err := c.Find(t.Context(), caller, store.Server, id); err != nil || p != east {
		t.Errorf("got %v, %v", p, err)
	}
}
