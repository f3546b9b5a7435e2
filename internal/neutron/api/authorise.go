package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/policy"
	"github.com/tricircle/tricircle/internal/store"
)

// nobody is the project of callers whose tokens are for none: they see only what is shared with all. No project has this id.
const nobody = "-"

// identify settles who the caller is in the words of policy.
func (c *Call) identify() error {
	who := c.Caller
	c.credentials = &policy.Credentials{
		UserID: who.UserID, UserDomainID: who.UserDomainID, ProjectID: who.ProjectID, ProjectDomainID: who.ProjectDomainID,
		DomainID: who.DomainID, SystemScope: who.SystemScope, Roles: who.Roles, IsAdminProject: who.IsAdminProject,
	}
	var err error
	if c.Admin, err = c.allows("context_is_admin", nil); err != nil {
		return err
	}
	c.credentials.IsAdmin = c.Admin
	for _, rule := range []string{"service_api", "context_is_advsvc"} {
		ok, err := c.allows(rule, nil)
		if err != nil {
			return err
		}
		c.Service = c.Service || ok
	}
	return nil
}

// visibleTo is the project to which queries of the store are confined; "" for those who see everything
// (neutron_lib/db/model_query.py, query_with_hooks).
func (c *Call) visibleTo() string {
	switch {
	case c.Admin || c.Service:
		return ""
	case c.ProjectID() == "":
		return nobody
	}
	return c.ProjectID()
}

// target is an object that policy is asked about, or one that will be.
type target struct {
	c      *Call
	table  *table
	reader store.Reader
	object *store.Object
	// strict hides what the object belongs to from those who may not see it: they could else learn that it exists by trying
	// to create something in it.
	strict bool
	ask    policy.Target // value, made once: pages have one target, whose object changes
}

// allows tells whether a rule lets the caller do something with the target, or, if that is nil, with nothing in particular.
func (c *Call) allows(rule string, on *target) (bool, error) {
	if on == nil {
		return c.engine.Policy.Allows(rule, c.credentials, policy.NoTarget)
	}
	if on.ask == nil {
		on.ask = on.value
	}
	return c.engine.Policy.Allows(rule, c.credentials, on.ask)
}

// value implements policy.Target.
func (t *target) value(name string) (any, bool, error) {
	if parent, field, ok := strings.Cut(name, ":"); ok {
		if p := t.table.parent(parent); p != nil {
			return t.parentValue(p, field)
		}
	}
	if v, ok := t.object.Attrs[name]; ok {
		return v, true, nil
	}
	if _, ok := t.table.index[name]; !ok {
		return nil, false, nil
	}
	if name == "shared" && t.object.ID != "" {
		v, err := t.c.isShared(t.reader, t.table.Kind, t.object.ID)
		return v, true, err
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
	c.remember(p, []string{id}, found)
	return c.parents.objects[key], nil
}

func (c *Call) remember(p *table, ids []string, found []*store.Object) {
	if c.parents.objects == nil {
		c.parents.objects, c.parents.shared = map[string]*store.Object{}, map[string]bool{}
	}
	for _, id := range ids {
		c.parents.objects[p.Singular+"/"+id] = nil
	}
	for _, o := range found {
		c.parents.objects[p.Singular+"/"+o.ID] = o
	}
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
	if c.parents.shared == nil {
		c.remember(nil, nil, nil)
	}
	c.parents.shared[key] = n > 0
	return n > 0, nil
}

// prefetch gets what the objects of a page belong to, two statements for each kind, if policy may ask for it: that is where
// other projects' objects are shown to somebody who is no administrator.
func (c *Call) prefetch(r store.Reader, t *table, page []*store.Object) error {
	if c.Admin || c.Service {
		return nil
	}
	for _, p := range t.parents {
		var ids []string
		for _, o := range page {
			if id, _ := o.Attrs[p.Singular+"_id"].(string); id != "" && o.ProjectID != c.ProjectID() && !slices.Contains(ids, id) {
				ids = append(ids, id)
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

func (c *Call) prefetchParents(r store.Reader, p *table, ids []string) error {
	values := make([]any, len(ids))
	for i, id := range ids {
		values[i] = id
	}
	q := store.ObjectQuery{Kind: p.Kind, Filters: []store.Filter{{Attr: "id", Values: values}}}
	found, err := r.List(c.Context(), q)
	if err != nil {
		return err
	}
	c.remember(p, ids, found)
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
		c.parents.shared[string(p.Kind)+"/"+id] = slices.ContainsFunc(shared, func(o *store.Object) bool { return o.ID == id })
	}
	return nil
}

// byID is the query for one object.
func byID(t *table, id string) store.ObjectQuery {
	return store.ObjectQuery{Kind: t.Kind, Filters: []store.Filter{{Attr: "id", Values: []any{id}}}, Limit: 1}
}

// find gets the object of that id, if the caller may see it.
func (c *Call) find(r store.Reader, t *table, id string) (*store.Object, error) {
	q := byID(t, id)
	q.VisibleTo = c.visibleTo()
	list := r.List
	if t.Rules.List != nil {
		list = func(_ context.Context, q store.ObjectQuery) ([]*store.Object, error) { return t.Rules.List(c, r, q) }
	}
	found, err := list(c.Context(), q)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(found, func(o *store.Object) bool { return o.ID == id }); i >= 0 {
		return found[i], nil
	}
	return nil, t.NotFound(id)
}

// expression is what must hold for an action: rules, joined as oslo.policy prints them, for that is what refusals quote.
type expression struct {
	rules []string
	text  string
}

// and joins a further rule, or an expression of several.
func (e *expression) and(more expression) {
	e.rules = append(e.rules, more.rules...)
	e.text = "(" + e.text + " and " + more.text + ")"
}

func ruleOf(name string) expression { return expression{[]string{name}, "rule:" + name} }

// writeRules are what must hold to create or update an object with such attributes: the rule of the action, those of attributes
// that are set, and those of the members of lists of maps (neutron/policy.py, _build_match_rule).
func (t *table) writeRules(action string, attrs, given map[string]any) expression {
	e := ruleOf(action)
	for i := range t.attrs {
		a := &t.attrs[i]
		v, set := given[a.Name]
		if !a.Enforce || !set || given == nil {
			continue
		}
		if strings.HasPrefix(action, "create_") && sameValue(v, a.Default) {
			continue
		}
		rule := ruleOf(action + ":" + a.Name)
		if members := memberRules(action+":"+a.Name, attrs[a.Name]); members.rules != nil {
			rule.and(members)
		}
		e.and(rule)
	}
	return e
}

func memberRules(prefix string, v any) expression {
	list, _ := v.([]any)
	var names []string
	for _, item := range list {
		dict, _ := item.(map[string]any)
		for name := range dict {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	if names == nil {
		return expression{}
	}
	slices.Sort(names)
	e := expression{}
	texts := make([]string, len(names))
	for i, name := range names {
		e.rules = append(e.rules, prefix+":"+name)
		texts[i] = "rule:" + prefix + ":" + name
	}
	e.text = "(" + strings.Join(texts, " and ") + ")"
	return e
}

// sameValue tells whether a value is just the default.
func sameValue(v, standard any) bool {
	if f, ok := standard.(func() any); ok {
		standard = f()
	}
	if _, ok := standard.(special); ok {
		return false
	}
	a, errA := appendValue(nil, v)
	b, errB := appendValue(nil, plain(standard))
	return errA == nil && errB == nil && string(a) == string(b)
}

// enforce refuses what the rules do not allow.
func (c *Call) enforce(e expression, on *target) error {
	for _, rule := range e.rules {
		ok, err := c.allows(rule, on)
		if err != nil {
			return err
		}
		if !ok {
			return disallowed(e.text)
		}
	}
	return nil
}

func disallowed(expression string) error {
	return &fault.Error{Status: http.StatusForbidden, Type: "PolicyNotAuthorized", Message: expression + " is disallowed by policy"}
}

// enforceOn is enforce for an object that exists: a caller who may not even get it is told that there is none
// (neutron/pecan_wsgi/hooks/policy_enforcement.py).
func (c *Call) enforceOn(e expression, on *target) error {
	refused := c.enforce(e, on)
	if f, ok := errors.AsType[*fault.Error](refused); !ok || f.Type != "PolicyNotAuthorized" {
		return refused
	}
	if ok, err := c.allows("get_"+on.table.Singular, on); err != nil {
		return err
	} else if !ok {
		return errNoRoute
	}
	return refused
}
