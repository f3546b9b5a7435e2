// Package api is the networking API v2.0 as an engine driven by data. A Resource is a table of attributes and a few rules;
// the engine routes, parses, validates, authorises, filters, sorts, pages and renders, each write in one transaction.
//
// It knows what Neutron's framework does (neutron/pecan_wsgi, neutron/api/v2/base.py, neutron_lib/api) and nothing of what a
// network or a port is: that is the plugin's. It must not depend on the plugin, on pods, or on an implementation of the store.
package api

import "github.com/tricircle/tricircle/internal/store"

// special are the values of Attribute.Default that are no values.
type special int

const (
	// Required is the default of an attribute that every POST must have.
	Required special = iota
	// Unset is the default of an attribute that stays out of Object.Attrs when a POST lacks it, so that a rule can tell
	// "not given" from null. The rule must put in what is rendered. (neutron_lib's ATTR_NOT_SPECIFIED)
	Unset
)

// Attribute is a member of a resource, as neutron_lib's attribute maps describe one.
type Attribute struct {
	Name string
	Post bool // clients may give it in a POST
	Put  bool // clients may give it in a PUT
	// Default is the value where a POST lacks the attribute: Required, Unset, a func() any, or the value itself; lists and
	// maps are copied. It also decides whether a POST "sets" an attribute that Enforce speaks of: the default does not.
	Default any
	// Convert makes the value canonical before it is validated, in bodies and in filters. Its errors are *fault.Error as
	// clients get them; InvalidInput makes Neutron's. Numbers come as int64, or float64 if they have a fraction.
	Convert func(any) (any, error)
	// Validate refuses a value with Reason ("'x' is not a valid UUID"), which the engine puts into Neutron's "Invalid input
	// for name. Reason: ...", or with a *fault.Error of its own.
	Validate func(any) error
	// Enforce asks the policy rule "create_network:shared" or "update_network:shared" when a body sets the attribute, and for
	// lists of maps also "...:shared:<key>" for the keys given.
	Enforce bool
	// Hidden attributes are taken from bodies and put into Attrs, and never shown.
	Hidden   bool
	Sparse   bool // only shown of objects that have it
	NoFilter bool // lists cannot be filtered by it: 400 that says so
	NoSort   bool // lists cannot be sorted by it: 400 that says so
	// Filter turns the values of a query into conditions where equality of the attribute is not what is meant, as in
	// fixed_ips=subnet_id=x. Nil: equal to one of the values, converted by Convert.
	Filter func(values []string) ([]store.Filter, error)
	// Live attributes are not as they are stored: a filter by one is compared with what Rules.Show makes of objects.
	Live bool
}

// Resource is a collection of the API: its names, its attributes, and its rules.
type Resource struct {
	Kind       store.ObjectKind
	Singular   string // "security_group": one in a body, and in names of policy rules
	Plural     string // "security_groups": many in a body
	Collection string // "security-groups": in paths
	// Attributes besides those that the engine adds: id, project_id and tenant_id; with Standard also description,
	// revision_number, created_at and updated_at; with Tagged also tags. They are rendered in this order.
	Attributes []Attribute
	Standard   bool
	Tagged     bool
	// NotFound is Neutron's error for an id that is nobody's, or that the caller may not see.
	NotFound func(id string) error
	NoBulk   bool // POST takes one object only
	NoCreate bool // no POST: 405
	NoUpdate bool // no PUT: 405
	NoDelete bool // no DELETE: 405
	Actions  []Action
	Rules    Rules
}

// Rules are what is special about a resource. Each may be nil. Those that have a transaction may run again when it collides
// with another, with the same arguments as the first time: what they do besides goes into Call.OnCommit. Their errors are
// *fault.Error with Neutron's type and text, or count as 500.
type Rules struct {
	// Prepare runs before objects are read for a list or by id, outside of any transaction.
	Prepare func(c *Call) error
	// Create completes and checks a new object before it is inserted: Attrs has what the client gave and the defaults, and
	// must then have all that is rendered. ID, ProjectID, Revision and times are set.
	Create func(c *Call, tx store.Tx, o *store.Object) error
	// Created runs after the insert, in its transaction.
	Created func(c *Call, tx store.Tx, o *store.Object) error
	// Update checks and completes the object as it will be; Call.Given has what the client gave.
	Update  func(c *Call, tx store.Tx, old, updated *store.Object) error
	Updated func(c *Call, tx store.Tx, old, updated *store.Object) error
	// Delete runs before the object is deleted, in the same transaction; Deleted after it.
	Delete  func(c *Call, tx store.Tx, o *store.Object) error
	Deleted func(c *Call, tx store.Tx, o *store.Object) error
	// Show puts computed and live attributes into all objects of a page, or of an answer, at once. It works on copies.
	Show func(c *Call, r store.Reader, page []*store.Object) error
	// List replaces the reading of objects, both of lists and by id (Attr "id"), where they are not the store's. It need
	// not filter, sort or page: the engine does, in memory.
	List func(c *Call, r store.Reader, q store.ObjectQuery) ([]*store.Object, error)
}

// Action is a call on one object besides the usual: PUT /v2.0/subnetpools/{id}/add_prefixes.
type Action struct {
	Name   string
	Method string // PUT or GET
	Policy string // the rule that must allow it: "add_prefixes"
	// Serve does it in one transaction, and returns what is rendered. body is nil for GET.
	Serve func(c *Call, tx store.Tx, o *store.Object, body map[string]any) (answer any, err error)
}

// Route is a call that fits no Resource, such as /v2.0/quotas/{project_id}/details.
type Route struct {
	Pattern string // of http.ServeMux: "GET /v2.0/quotas/{project_id}"; the call's values are in Call.Param
	// Serve authorises and answers; the answer is rendered as JSON with the status, or without a body if it is nil.
	Serve func(c *Call) (status int, answer any, err error)
}
