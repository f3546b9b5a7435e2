package api

import (
	"strings"

	"github.com/tricircle/tricircle/internal/policy"
	"github.com/tricircle/tricircle/internal/store"
)

// target is an object that policy is asked about, or one that will be.
type target struct {
	c      *Call
	table  *table
	reader store.Reader
	object *store.Object
	// strict hides what the object belongs to from those who may not see it: they could else learn that it exists by trying
	// to create something in it.
	strict bool
	shown  bool          // the object has been through Rules.Show
	ask    policy.Target // value, made once: pages have one target, whose object changes
}

// value implements policy.Target.
func (t *target) value(name string) (any, bool, error) {
	if parent, field, ok := strings.Cut(name, ":"); ok {
		if p := t.table.parent(parent); p != nil {
			return t.parentValue(p, field)
		}
	}
	_, known := t.table.index[name]
	if _, given := t.c.Given[name]; name == "shared" && known && !given && !t.shown && t.object.ID != "" {
		v, err := t.c.isShared(t.reader, t.table.Kind, t.object.ID) // what is stored may be of another time, and for another project
		return v, true, err
	}
	if v, ok := t.object.Attrs[name]; ok {
		return v, true, nil
	}
	if !known {
		return nil, false, nil
	}
	return t.table.value(t.object, name), true, nil
}

// parentValue is an attribute of what the object belongs to.
func (t *target) parentValue(p *table, field string) (any, bool, error) {
	id, _ := t.object.Attrs[p.Singular+"_id"].(string)
	if id == "" {
		return nil, false, nil
	}
	parent, err := t.c.parent(t.reader, p, id, t.strict)
	switch {
	case err != nil:
		return nil, false, err
	case parent == nil && t.strict:
		return nil, false, p.NotFound(id)
	case parent == nil: // it goes at this moment
		return nil, false, nil
	case field == "shared":
		v, err := t.c.isShared(t.reader, p.Kind, id)
		return v, true, err
	}
	return p.value(parent, field), true, nil
}

// parents are what the objects of a call belong to, and what of it is shared with the caller, as far as it was asked.
type parents struct {
	objects map[string]*store.Object // nil: not there
	shared  map[string]bool
}

// keep notes what was found of the objects with these ids.
func (p *parents) keep(t *table, ids []any, found []*store.Object) {
	if p.objects == nil {
		p.objects = map[string]*store.Object{}
	}
	for _, id := range ids {
		p.objects[t.Singular+"/"+id.(string)] = nil
	}
	for _, o := range found {
		p.objects[t.Singular+"/"+o.ID] = o
	}
}

func (p *parents) keepShared(kind store.ObjectKind, id string, shared bool) {
	if p.shared == nil {
		p.shared = map[string]bool{}
	}
	p.shared[string(kind)+"/"+id] = shared
}

func (c *Call) parent(r store.Reader, p *table, id string, visible bool) (*store.Object, error) {
	key := p.Singular + "/" + id
	if o, ok := c.parents.objects[key]; ok {
		return o, nil
	}
	q := byID(p, id)
	if visible {
		q.VisibleTo = c.visibleTo()
	}
	found, err := r.List(c.Context(), q)
	if err != nil {
		return nil, err
	}
	c.parents.keep(p, []any{id}, found)
	return c.parents.objects[key], nil
}

// isShared tells whether an RBAC policy shares an object with the caller.
func (c *Call) isShared(r store.Reader, kind store.ObjectKind, id string) (bool, error) {
	key := string(kind) + "/" + id
	if shared, ok := c.parents.shared[key]; ok {
		return shared, nil
	}
	n, err := r.Count(c.Context(), store.ObjectQuery{Kind: kind, VisibleTo: c.visibleTo(), Filters: []store.Filter{
		{Attr: "id", Values: []any{id}}, {Attr: "shared", Values: []any{true}}}})
	if err != nil {
		return false, err
	}
	c.parents.keepShared(kind, id, n > 0)
	return n > 0, nil
}

// prefetch gets what the objects of a page belong to, two statements for each kind, if policy may ask for it: that is where
// other projects' objects are shown to somebody who is no administrator.
func (c *Call) prefetch(r store.Reader, t *table, page []*store.Object) error {
	if c.Admin || c.Service {
		return nil
	}
	for _, p := range t.parents {
		var ids []any
		seen := map[string]bool{}
		for _, o := range page {
			if id, _ := o.Attrs[p.Singular+"_id"].(string); id != "" && o.ProjectID != c.ProjectID() && !seen[id] {
				ids, seen[id] = append(ids, id), true
			}
		}
		if ids == nil {
			continue
		}
		if err := c.prefetchParents(r, p, ids); err != nil {
			return err
		}
	}
	return nil
}

func (c *Call) prefetchParents(r store.Reader, p *table, ids []any) error {
	q := store.ObjectQuery{Kind: p.Kind, Filters: []store.Filter{{Attr: "id", Values: ids}}}
	found, err := r.List(c.Context(), q)
	if err != nil {
		return err
	}
	c.parents.keep(p, ids, found)
	if _, ok := p.index["shared"]; !ok {
		return nil
	}
	q.VisibleTo = c.visibleTo()
	q.Filters = append(q.Filters, store.Filter{Attr: "shared", Values: []any{true}})
	shared, err := r.List(c.Context(), q)
	if err != nil {
		return err
	}
	for _, id := range ids {
		c.parents.keepShared(p.Kind, id.(string), false)
	}
	for _, o := range shared {
		c.parents.keepShared(p.Kind, o.ID, true)
	}
	return nil
}
