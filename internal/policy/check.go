package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// inquiry is one question put to an Enforcer.
type inquiry struct {
	enforcer *Enforcer
	who      *Credentials
	on       Target
}

// check is an expression of the rule language (oslo_policy/_checks.py).
type check interface {
	allows(q *inquiry) (bool, error)
}

type (
	always bool            // "@" and "!"
	not    struct{ check } // "not x"
	and    []check         // "x and y"
	or     []check         // "x or y"
	ref    string          // "rule:name"
	role   struct{ template }
	match  struct { // "project_id:%(project_id)s", "is_admin:True"
		credential string
		template
	}
	constant struct { // "'member':%(role)s", "True:%(shared)s": what is left of the colon is a literal
		value string
		template
	}
	field struct { // "field:networks:shared=True", "field:port:device_owner=~^network:"
		name, fallback string
		value          string
		pattern        *regexp.Regexp
	}
)

func (c always) allows(*inquiry) (bool, error) { return bool(c), nil }

func (c not) allows(q *inquiry) (bool, error) {
	ok, err := c.check.allows(q)
	return !ok && err == nil, err
}

func (c and) allows(q *inquiry) (bool, error) {
	for _, each := range c {
		if ok, err := each.allows(q); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (c or) allows(q *inquiry) (bool, error) {
	for _, each := range c {
		if ok, err := each.allows(q); ok || err != nil {
			return ok && err == nil, err
		}
	}
	return false, nil
}

func (c ref) allows(q *inquiry) (bool, error) {
	return q.enforcer.rules[string(c)].allows(q)
}

func (c role) allows(q *inquiry) (bool, error) {
	want, ok, err := c.render(q.on)
	if !ok || err != nil {
		return false, err
	}
	return slices.ContainsFunc(q.who.Roles, func(r string) bool { return strings.EqualFold(r, want) }), nil
}

func (c match) allows(q *inquiry) (bool, error) {
	want, ok, err := c.render(q.on)
	if !ok || err != nil {
		return false, err
	}
	have := credentials[c.credential](q.who)
	return have != "" && have == want, nil // an empty one would own what belongs to nobody
}

func (c constant) allows(q *inquiry) (bool, error) {
	want, ok, err := c.render(q.on)
	return ok && err == nil && c.value == want, err
}

func (c field) allows(q *inquiry) (bool, error) {
	value, ok, err := q.on(c.name)
	if !ok && err == nil && c.fallback != "" {
		value, ok, err = q.on(c.fallback)
	}
	if !ok || err != nil || value == nil {
		return false, err
	}
	if c.pattern != nil {
		return c.pattern.MatchString(text(value)), nil
	}
	return text(value) == c.value, nil
}

// credentials are the members of Credentials by the names that rules use (neutron_lib/context.py, to_policy_values).
var credentials = map[string]func(*Credentials) string{
	"user_id":           func(c *Credentials) string { return c.UserID },
	"user":              func(c *Credentials) string { return c.UserID },
	"user_domain_id":    func(c *Credentials) string { return c.UserDomainID },
	"project_id":        func(c *Credentials) string { return c.ProjectID },
	"tenant_id":         func(c *Credentials) string { return c.ProjectID },
	"project":           func(c *Credentials) string { return c.ProjectID },
	"tenant":            func(c *Credentials) string { return c.ProjectID },
	"project_domain_id": func(c *Credentials) string { return c.ProjectDomainID },
	"domain_id":         func(c *Credentials) string { return c.DomainID },
	"system_scope":      func(c *Credentials) string { return c.SystemScope },
	"is_admin":          func(c *Credentials) string { return text(c.IsAdmin) },
	"is_admin_project":  func(c *Credentials) string { return text(c.IsAdminProject) },
}

// text writes a value as Python's str does, which is how rules compare.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case string:
		return v
	}
	return fmt.Sprint(v)
}

// template is the right side of a check: text with at most one %(name)s in it.
type template struct {
	before, name, after string // name is "" in a text without
}

// render fills in the value of the target; ok is false if it has none of that name.
func (t template) render(on Target) (string, bool, error) {
	if t.name == "" {
		return t.before, true, nil
	}
	v, ok, err := on(t.name)
	if !ok || err != nil {
		return "", false, err
	}
	if t.before == "" && t.after == "" { // nearly always
		return text(v), true, nil
	}
	return t.before + text(v) + t.after, true, nil
}

// references are the rules that an expression refers to.
func references(c check) []string {
	switch c := c.(type) {
	case ref:
		return []string{string(c)}
	case not:
		return references(c.check)
	case and:
		return referencesOf(c)
	case or:
		return referencesOf(c)
	}
	return nil
}

func referencesOf(cs []check) []string {
	var out []string
	for _, c := range cs {
		out = append(out, references(c)...)
	}
	return out
}

// asksTarget tells whether the expression itself, apart from its references, looks at the target.
func asksTarget(c check) bool {
	switch c := c.(type) {
	case field:
		return true
	case role:
		return c.name != ""
	case match:
		return c.name != ""
	case constant:
		return c.name != ""
	case not:
		return asksTarget(c.check)
	case and:
		return slices.ContainsFunc(c, asksTarget)
	case or:
		return slices.ContainsFunc(c, asksTarget)
	}
	return false
}
