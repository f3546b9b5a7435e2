// Package policy decides who may do what with what the top owns: oslo.policy's rule language, and Neutron's default rules
// in it as data, which an operator's policy.yaml overrides.
//
// It knows nothing of HTTP, of the store or of callers: credentials and the object of an action are handed in as values. It
// imports nothing of ours.
package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// defaultRule speaks where a rule is asked that nobody defined (oslo_policy/policy.py, Rules.__missing__).
const defaultRule = "default"

// Rule is a named expression: "create_network", "rule:admin_only or role:member and project_id:%(project_id)s".
type Rule struct{ Name, Check string }

// Credentials are what a caller's token says. Empty fields are what the token lacks, and match nothing.
type Credentials struct {
	UserID, UserDomainID       string
	ProjectID, ProjectDomainID string
	DomainID, SystemScope      string
	Roles                      []string
	IsAdmin, IsAdminProject    bool
}

// Target tells a value of the object that an action is about, by the name of an attribute, or, as "network:project_id", of an
// attribute of what the object belongs to. ok is false if there is no such attribute. An error is a failure to look it up.
type Target func(name string) (value any, ok bool, err error)

// NoTarget is the target of an action that is about no object.
func NoTarget(string) (any, bool, error) { return nil, false, nil }

// Enforcer holds compiled rules. It does not change.
type Enforcer struct {
	rules map[string]check
}

// New compiles the defaults and, in place of those of the same name, the overrides. It refuses what oslo.policy would
// silently read as "never": an expression that is none, a reference to a rule that does not exist, and rules in a circle.
func New(defaults []Rule, overrides map[string]string) (*Enforcer, error) {
	e := &Enforcer{rules: make(map[string]check, len(defaults)+len(overrides))}
	texts := make(map[string]string, len(defaults)+len(overrides))
	for _, r := range defaults {
		texts[r.Name] = r.Check
	}
	maps.Copy(texts, overrides)
	for name, text := range texts {
		c, err := parse(text)
		if err != nil {
			return nil, fmt.Errorf("policy rule %q: %w", name, err)
		}
		e.rules[name] = c
	}
	for _, name := range slices.Sorted(maps.Keys(e.rules)) {
		if err := e.verify(name, nil); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// verify follows the references of a rule. path are the rules on the way to it.
func (e *Enforcer) verify(name string, path []string) error {
	if slices.Contains(path, name) {
		return fmt.Errorf("policy rule %q refers to itself: %s", name, strings.Join(append(path, name), " -> "))
	}
	for _, ref := range references(e.rules[name]) {
		if _, ok := e.rules[ref]; !ok {
			return fmt.Errorf("policy rule %q refers to rule %q, which does not exist", name, ref)
		}
		if err := e.verify(ref, append(slices.Clip(path), name)); err != nil {
			return err
		}
	}
	return nil
}

// Has tells whether a rule is defined. One that is not is decided by the rule "default".
func (e *Enforcer) Has(rule string) bool {
	_, ok := e.rules[rule]
	return ok
}

// Allows tells whether a rule lets the owner of the credentials act on the target. Errors are the target's own.
func (e *Enforcer) Allows(rule string, who *Credentials, on Target) (bool, error) {
	c, ok := e.rules[rule]
	if !ok {
		c, ok = e.rules[defaultRule]
	}
	if !ok {
		return false, nil
	}
	return c.allows(&inquiry{enforcer: e, who: who, on: on})
}

// AsksTarget tells whether the answer may depend on the target: if not, it is the same for all objects of a list.
func (e *Enforcer) AsksTarget(rule string) bool {
	c, ok := e.rules[rule]
	if !ok {
		c = e.rules[defaultRule]
	}
	if c == nil {
		return false
	}
	return asksTarget(c) || slices.ContainsFunc(references(c), e.AsksTarget)
}
