// Package routing answers "in which pod does this resource live?": from memory, from the table, and when neither knows,
// by asking all pods once, in parallel. What it learns on the way it keeps. Beside it stands which pod a project is bound to.
//
// The table is a cache of the truth (DESIGN: invariant 2); Rebuild makes it anew from the pods. The package knows where in
// each API a resource is shown and listed, and nothing else of those APIs. It must not depend on the gateways.
package routing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"

	"github.com/tricircle/tricircle/internal/identity"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/store"
)

// ErrNotFound means that every pod was asked and none has the resource, or that the id cannot be one of a pod's.
var ErrNotFound = errors.New("no pod has it")

// ErrUnauthorized means that a pod refused the caller's token.
var ErrUnauthorized = errors.New("a pod refused the token")

// Pods is where the table finds the current pods.
type Pods interface{ Snapshot() *pod.Snapshot }

// Table is the routing table with its cache. Safe for concurrent use; Run must be running for Learn to have an effect.
type Table struct {
	store    store.Routings
	bindings store.Bindings
	pods     Pods
	log      *slog.Logger
	cache    *otter.Cache[key, entry]
	homes    *otter.Cache[string, home] // by project
	asking   singleflight.Group
	learned  chan store.Routing
}

// Store is what the table is kept in.
type Store interface {
	store.Routings
	store.Bindings
}

type key struct {
	typ store.ResourceType
	id  uuid.UUID
}

type entry struct {
	podNum  int32
	created bool  // the row has the resource's creation time, so lists need not learn it again
	deleted int64 // since when it is gone, in seconds since 1970; 0 when it is there
}

func entryOf(r store.Routing) entry {
	e := entry{podNum: r.PodNum, created: !r.CreatedAt.IsZero()}
	if !r.DeletedAt.IsZero() {
		e.deleted = r.DeletedAt.Unix()
	}
	return e
}

// deletionTakes is how long after a deletion a pod may go on showing what it is about to delete.
const deletionTakes = 5 * time.Minute

// tells reports whether the entry says of the resource what r says. Of one that was deleted lately, being seen says nothing new.
func (e entry) tells(r store.Routing) bool {
	switch {
	case e.podNum != r.PodNum:
		return false
	case !r.DeletedAt.IsZero():
		return e.deleted != 0
	case e.deleted != 0:
		return time.Since(time.Unix(e.deleted, 0)) < deletionTakes
	}
	return e.created || r.CreatedAt.IsZero()
}

// learnBacklog bounds what waits to be written behind. More is dropped: it will be seen again.
const learnBacklog = 20000

// NewTable makes a table that remembers cacheSize resources in memory.
func NewTable(s Store, pods Pods, cacheSize int, log *slog.Logger) *Table {
	return &Table{
		store: s, bindings: s, pods: pods, log: log, learned: make(chan store.Routing, learnBacklog),
		cache: otter.Must(&otter.Options[key, entry]{MaximumSize: cacheSize}), homes: newHomes(),
	}
}

// ParseID returns the canonical form of an id as pods choose them; ok is false for anything but a UUID with dashes, which
// no pod can have.
func ParseID(s string) (id string, ok bool) {
	if len(s) != 36 {
		return "", false
	}
	u, err := uuid.Parse(s)
	return u.String(), err == nil
}

// Known returns the pod of a resource from memory or the table; nil when neither knows.
func (t *Table) Known(ctx context.Context, typ store.ResourceType, id string) (*pod.Pod, error) {
	u, err := uuid.Parse(id)
	if err != nil {
		return nil, nil
	}
	snapshot := t.pods.Snapshot()
	if e, ok := t.cache.GetIfPresent(key{typ, u}); ok {
		if p := snapshot.ByNum(e.podNum); p != nil {
			return p, nil
		}
	}
	rows, err := t.store.LookupRouting(ctx, typ, u.String())
	if err != nil {
		return nil, fmt.Errorf("looking up %s %s: %w", typ, id, err)
	}
	for _, r := range rows {
		if p := snapshot.ByNum(r.PodNum); p != nil {
			t.cache.Set(key{typ, u}, entryOf(r))
			return p, nil
		}
	}
	return nil, nil
}

// Created returns when a resource was created in its pod, to the second; zero when the table does not know.
func (t *Table) Created(ctx context.Context, typ store.ResourceType, id string) (created time.Time, err error) {
	rows, err := t.store.LookupRouting(ctx, typ, id)
	if err != nil {
		return created, fmt.Errorf("looking up %s %s: %w", typ, id, err)
	}
	for _, r := range rows {
		if !r.CreatedAt.IsZero() {
			created = r.CreatedAt
		}
	}
	return created, nil
}

// Record writes rows down before it returns: for what was just created.
func (t *Table) Record(ctx context.Context, rows ...store.Routing) error {
	if err := t.store.PutRoutings(ctx, rows); err != nil {
		return fmt.Errorf("recording %d routings: %w", len(rows), err)
	}
	t.remember(rows)
	return nil
}

// Claim records r unless the resource is known already, and reports whether it did. Of several callers who found the same
// resource exactly one gets true.
func (t *Table) Claim(ctx context.Context, r store.Routing) (bool, error) {
	ok, err := t.store.ClaimRouting(ctx, r)
	if err == nil && ok {
		t.remember([]store.Routing{r})
	}
	return ok, err
}

// Learn takes down what an answer of a pod has shown, some time soon: that a resource is there, or, with DeletedAt, that it is
// gone. It never blocks.
func (t *Table) Learn(r store.Routing) {
	u, err := uuid.Parse(r.TopID)
	if err != nil {
		return
	}
	if e, ok := t.cache.GetIfPresent(key{r.Type, u}); ok && e.tells(r) {
		return
	}
	select {
	case t.learned <- r:
		if !r.DeletedAt.IsZero() { // at once, for the pod may show it for a while
			t.cache.Set(key{r.Type, u}, entryOf(r))
		}
	default:
	}
}

// Missed learns from a pod's "not found" that a resource is gone, if the caller would see it were it there: it is of the caller's
// project, or the caller is an administrator.
func (t *Table) Missed(ctx context.Context, c *identity.Caller, gone store.Routing) {
	u, err := uuid.Parse(gone.TopID)
	if err != nil {
		return
	}
	if e, ok := t.cache.GetIfPresent(key{gone.Type, u}); ok && e.tells(gone) {
		return
	}
	if !c.IsAdmin() {
		rows, err := t.store.LookupRouting(ctx, gone.Type, gone.TopID)
		visible := func(r store.Routing) bool { return r.PodNum == gone.PodNum && r.ProjectID == c.ProjectID }
		if err != nil || !slices.ContainsFunc(rows, visible) {
			return
		}
	}
	t.Learn(gone)
}

// Left returns up to limit resources of a pod that are not known to be deleted, newest first; of all projects if projectID is "".
func (t *Table) Left(ctx context.Context, typ store.ResourceType, p *pod.Pod, projectID string, limit int) ([]store.Routing, error) {
	return t.store.LiveRoutings(ctx, typ, p.Num, projectID, limit)
}

// Before returns an id of the pod, of that type and project, that stands at or before a place in a list ordered by
// creation: a marker that the pod will understand. ok is false when none is known.
func (t *Table) Before(ctx context.Context, p store.SeekPoint) (id string, ok bool, err error) {
	return t.store.SeekRouting(ctx, p)
}

func (t *Table) remember(rows []store.Routing) {
	for _, r := range rows {
		if u, err := uuid.Parse(r.TopID); err == nil {
			t.cache.Set(key{r.Type, u}, entryOf(r))
		}
	}
}

// Run writes down what was learned, in batches, until ctx ends; then it writes the rest.
func (t *Table) Run(ctx context.Context) error {
	const batch, wait = 1000, 100 * time.Millisecond
	timer := time.NewTimer(wait)
	defer timer.Stop()
	var rows []store.Routing
	for {
		select {
		case r := <-t.learned:
			if rows = append(rows, r); len(rows) < batch {
				continue
			}
		case <-timer.C:
			timer.Reset(wait)
		case <-ctx.Done():
			t.flush(context.WithoutCancel(ctx), t.drain(rows))
			return nil
		}
		t.flush(ctx, rows)
		rows = rows[:0]
	}
}

func (t *Table) drain(rows []store.Routing) []store.Routing {
	for {
		select {
		case r := <-t.learned:
			rows = append(rows, r)
		default:
			return rows
		}
	}
}

func (t *Table) flush(ctx context.Context, rows []store.Routing) {
	if len(rows) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := t.Record(ctx, rows...); err != nil {
		t.log.Warn("routings that lists showed are not kept; they will be learned again", "error", err)
	}
}

// ParseTime reads the creation times of Nova ("2026-11-22T06:40:01Z"), Cinder ("2026-11-22T06:40:01.123456", UTC) and
// Neutron; zero for anything else.
func ParseTime(s string) time.Time {
	if s != "" && !strings.HasSuffix(s, "Z") {
		s += "Z"
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}
	}
	return t
}
