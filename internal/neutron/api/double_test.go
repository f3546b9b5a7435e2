package api

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tricircle/tricircle/internal/neutron/schema"
	"github.com/tricircle/tricircle/internal/store"
)

// memory is a store.Objects of maps: what the engine uses of one, and no more. It counts statements.
type memory struct {
	store.Tx   // what the engine must not use is nil
	objects    map[string]*store.Object
	sharedWith map[string]string // object id -> project, or "*"
	now        func() time.Time
	statements int
}

func (m *memory) Reader() store.Reader { return m }

// InTx runs f twice, as after a collision: what f does outside of tx must not show.
func (m *memory) InTx(_ context.Context, f func(store.Tx) error) error {
	before := m.copies()
	if err := f(m); err != nil {
		m.objects = before
		return err
	}
	m.objects = before
	before = m.copies()
	if err := f(m); err != nil {
		m.objects = before
		return err
	}
	return nil
}

func (m *memory) copies() map[string]*store.Object {
	out := map[string]*store.Object{}
	for id, o := range m.objects {
		out[id] = clone(o)
	}
	return out
}

func clone(o *store.Object) *store.Object {
	c := *o
	c.Attrs = copyMap(o.Attrs)
	return &c
}

func (m *memory) Insert(_ context.Context, o *store.Object) error {
	o.CreatedAt, o.UpdatedAt = m.now(), m.now()
	m.objects[o.ID] = clone(o)
	return nil
}

func (m *memory) Update(_ context.Context, o *store.Object) error {
	if m.objects[o.ID].Revision != o.Revision {
		return store.ErrStale
	}
	o.Revision++
	o.UpdatedAt = m.now()
	m.objects[o.ID] = clone(o)
	return nil
}

func (m *memory) Delete(_ context.Context, kind store.ObjectKind, id string) error {
	for _, o := range m.objects {
		if o.Attrs["network_id"] == id {
			return &store.InUseError{Kind: kind, ID: id}
		}
	}
	delete(m.objects, id)
	return nil
}

func (m *memory) Count(ctx context.Context, q store.ObjectQuery) (int, error) {
	q.Limit, q.Marker = 0, ""
	all, err := m.List(ctx, q)
	return len(all), err
}

func (m *memory) List(_ context.Context, q store.ObjectQuery) ([]*store.Object, error) {
	m.statements++
	var out []*store.Object
	for _, o := range m.objects {
		if o.Kind == q.Kind && m.visible(o, q.VisibleTo) && m.filtered(o, q) && tagged(o, q) {
			out = append(out, clone(o))
		}
	}
	slices.SortFunc(out, func(a, b *store.Object) int {
		for _, key := range q.Sort {
			if c := strings.Compare(schema.Text(attr(a, key.Attr)), schema.Text(attr(b, key.Attr))); c != 0 {
				if key.Desc {
					return -c
				}
				return c
			}
		}
		return cmp.Compare(a.ID, b.ID)
	})
	if q.Marker != "" {
		i := slices.IndexFunc(out, func(o *store.Object) bool { return o.ID == q.Marker })
		if i < 0 {
			return nil, store.ErrNotFound
		}
		if q.Reverse {
			out = out[:i]
		} else {
			out = out[i+1:]
		}
	}
	if q.Limit > 0 && q.Reverse {
		out = out[max(0, len(out)-q.Limit):]
	} else if q.Limit > 0 {
		out = out[:min(q.Limit, len(out))]
	}
	return out, nil
}

func attr(o *store.Object, name string) any {
	switch name {
	case "id":
		return o.ID
	case "project_id":
		return o.ProjectID
	case "revision_number":
		return o.Revision
	}
	return o.Attrs[name]
}

func (m *memory) visible(o *store.Object, project string) bool {
	return project == "" || o.ProjectID == project || m.shared(o, project) || m.owned(o, project)
}

// owned tells whether the object is on the project's network, or on one that is shared with it.
func (m *memory) owned(o *store.Object, project string) bool {
	network := m.objects[schema.Text(o.Attrs["network_id"])]
	return network != nil && network.ProjectID == project
}

func (m *memory) shared(o *store.Object, project string) bool {
	with := m.sharedWith[o.ID]
	return with == "*" || with != "" && with == project
}

func (m *memory) filtered(o *store.Object, q store.ObjectQuery) bool {
	for _, f := range q.Filters {
		have := attr(o, f.Attr)
		if f.Attr == "shared" {
			have = m.shared(o, q.VisibleTo)
		}
		if !slices.Contains(f.Values, have) {
			return false
		}
	}
	return true
}

func tagged(o *store.Object, q store.ObjectQuery) bool {
	has := func(tag string) bool { return slices.Contains(tagsOf(o), tag) }
	all := func(tags []string) bool { return !slices.ContainsFunc(tags, func(t string) bool { return !has(t) }) }
	return all(q.TagsAll) && (q.TagsAny == nil || slices.ContainsFunc(q.TagsAny, has)) &&
		(q.NotTagsAll == nil || !all(q.NotTagsAll)) && !slices.ContainsFunc(q.NotTagsAny, has)
}

// ids are those of all objects of a kind, sorted.
func (m *memory) ids(kind store.ObjectKind) []string {
	out := []string{}
	for _, id := range slices.Sorted(maps.Keys(m.objects)) {
		if m.objects[id].Kind == kind {
			out = append(out, id)
		}
	}
	return out
}
