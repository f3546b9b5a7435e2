package api

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/identity"
	"github.com/tricircle/tricircle/internal/policy"
	"github.com/tricircle/tricircle/internal/store"
)

// Call is one request, as rules see it.
type Call struct {
	Caller   *identity.Caller
	Admin    bool // what Neutron calls is_admin: the policy rule context_is_admin
	Service  bool // another service of OpenStack: the policy rules service_api and context_is_advsvc
	Resource *Resource
	Query    url.Values
	Now      time.Time // the same during the whole request, UTC
	// Given has, of the object under way, the attributes that the client itself named, converted: what a rule asks when a
	// default and the same value given differ in meaning.
	Given map[string]any

	engine      *engine
	r           *http.Request
	credentials *policy.Credentials
	parents     parents
	commit      []func(context.Context)
}

// Context is the request's.
func (c *Call) Context() context.Context { return c.r.Context() }

// ProjectID is the project that the caller's token is for; "" for tokens of other scopes.
func (c *Call) ProjectID() string { return c.Caller.ProjectID }

// Param is a value of a Route's pattern.
func (c *Call) Param(name string) string { return c.r.PathValue(name) }

// Gave tells whether the client itself named one of the attributes.
func (c *Call) Gave(attributes ...string) bool {
	return slices.ContainsFunc(attributes, func(name string) bool { _, ok := c.Given[name]; return ok })
}

// Reader reads outside of any transaction.
func (c *Call) Reader() store.Reader { return c.engine.Store.Reader() }

// NewID makes the id of a further object.
func (c *Call) NewID() string { return c.engine.NewID() }

// OnCommit runs f once the transaction is done, before the answer leaves; not at all if it fails.
func (c *Call) OnCommit(f func(context.Context)) { c.commit = append(c.commit, f) }

// Allows tells whether a policy rule lets the caller do something with an object of the call's resource; o may be nil where no
// object is concerned.
func (c *Call) Allows(rule string, o *store.Object) (bool, error) {
	if o == nil {
		return c.allows(rule, nil)
	}
	return c.allows(rule, &target{c: c, table: c.engine.tables[c.Resource.Collection], reader: c.Reader(), object: o})
}

// Authorize refuses, as PolicyNotAuthorized, what a policy rule does not allow the caller on no object in particular.
func (c *Call) Authorize(rule string) error { return c.AuthorizeOn(rule, nil) }

// AuthorizeOn is Authorize for something with such attributes: for Routes, whose objects the engine does not know.
func (c *Call) AuthorizeOn(rule string, attrs map[string]any) error {
	ok, err := c.engine.Policy.Allows(rule, c.credentials, func(name string) (any, bool, error) {
		v, ok := attrs[name]
		return v, ok, nil
	})
	if err == nil && !ok {
		err = disallowed("rule:" + rule)
	}
	return err
}

// Body is what the body of a Route's request has below a name: {"quota": {...}}.
func (c *Call) Body(name string) (map[string]any, error) {
	body, err := c.readBody()
	if err != nil {
		return nil, err
	}
	switch v := body[name].(type) {
	case map[string]any:
		return v, nil
	case nil:
		return nil, fault.BadRequest("Unable to find '%s' in request body", name)
	}
	return nil, fault.BadRequest("Object '%s' contains invalid data", name)
}
