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
