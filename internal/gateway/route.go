package gateway

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/tricircle/tricircle/internal/microversion"
	"github.com/tricircle/tricircle/internal/store"
)

// Class says what becomes of a call. The words are those of docs/api.
type Class string

// The classes.
const (
	TopStatic       Class = "top-static"       // the top answers by itself, from nothing but its configuration
	ByAZ            Class = "by-az"            // a new resource: the zone, or what else binds it, names the pod
	ByID            Class = "by-id"            // the pod that holds the resource in the path
	ByRef           Class = "by-ref"           // the pod that holds what the body refers to
	FanOutMerge     Class = "fan-out-merge"    // all pods; their lists are merged
	FanOutSum       Class = "fan-out-sum"      // all pods; their numbers are added
	TopOwned        Class = "top-owned"        // the top's own resource, of which pods have copies
	AnyPod          Class = "any-pod"          // one healthy pod; all answer alike
	AdminScopedPod  Class = "admin-scoped-pod" // an administrator's: a host or encoded id names the pod; lists ask all
	DeprecatedProxy Class = "deprecated-proxy" // a call that the service only passes on to another service, for old clients
	Unsupported     Class = "unsupported"      // the service itself refuses it
)

var classes = []Class{TopStatic, ByAZ, ByID, ByRef, FanOutMerge, FanOutSum, TopOwned, AnyPod, AdminScopedPod,
	DeprecatedProxy, Unsupported}

// meanings say who answers the calls of each class today.
var meanings = map[Class]string{
	ByID:            "the pod that has the resource in the path",
	ByRef:           "the pod that has what the body refers to",
	ByAZ:            "a new resource, in the pod that the request is bound to, or that serves the zone",
	FanOutMerge:     "all pods; their lists are merged",
	TopOwned:        "one pod for all, until the top owns it",
	FanOutSum:       "all pods, added up",
	TopStatic:       "the top itself, or any pod where all are the same",
	AdminScopedPod:  "an administrator's view of hosts and services; 403 for others",
	DeprecatedProxy: "other services, by the compute API, for clients of old: the pod of the volume or snapshot, else any",
	Unsupported:     "refused, as the service itself does",
	AnyPod:          "any healthy pod: all answer alike",
}

// Meaning says who answers the calls of the class, for operators: "all pods; their lists are merged".
func (c Class) Meaning() string { return meanings[c] }

// Ref is a place in a request body that holds the id of a resource.
type Ref struct {
	Type store.ResourceType
	Path []string // member names: {"snapshot", "volume_id"}
	// IfKnown: it may be the id of something that no pod has. It counts if the routing table knows it, and pods are not asked.
	IfKnown bool
}

// Route is one call of an API, and what becomes of it.
type Route struct {
	Method  string
	Path    string               // below the version prefix and project, with {names}: "/servers/{server_id}/tags/{id}"
	Action  string               // the first member of the body; "" where the path alone says what is wanted
	Min     microversion.Version // the microversions that have the call, both included; zero is open
	Max     microversion.Version
	Removed string // the release of the service, such as "18.0.0", from which on it is refused
	Class   Class
	Type    store.ResourceType // what IDParam names, where that decides the pod
	IDParam string             // the parameter that decides the pod; NewTable puts the first one of the path if empty
	Refs    []Ref              // what decides the pod, and with Type must be in its pod; by-ref has none where Note says how
	Hosts   []Place            // where it names a host: "<host>.<pod>" for clients
	Zones   []Place            // where it names a zone, if that is no placement's matter
	Handler string             // the special handler that executes it; "" means the class does
	Note    string             // what has to be rewritten, or why it is special

	IntegerID string // the parameter that may hold an integer id, which names the pod

	itself bool // the path ends with IDParam: it is that of the resource, not of something that belongs to it
	// HostMembers are members of the answer that hold names of hosts or clusters, besides those of the Service: "name" of clusters.
	HostMembers []string
}

// String is the call as the tables spell it: "POST /servers/{id}/action os-start".
func (r *Route) String() string { return strings.TrimSpace(r.Method + " " + r.Path + " " + r.Action) }

// Rows makes rows of calls by method, path and action, separated by any white space: "POST /servers/{id}/action reboot".
// What is spelled otherwise becomes a row that NewTable refuses.
func Rows(tables ...map[string]Route) []Route {
	var rows []Route
	for _, table := range tables {
		for _, call := range slices.Sorted(maps.Keys(table)) {
			r, words := table[call], append(strings.Fields(call), "", "", "")
			if r.Method, r.Path, r.Action = words[0], words[1], words[2]; words[3] != "" {
				r.Path = call
			}
			rows = append(rows, r)
		}
	}
	return rows
}

// Table finds the rows for a request. It does not change, and any number of goroutines may use it.
type Table struct {
	rows  []Route
	roots map[string]*node // by method
}

// node is what can follow a part of a path.
type node struct {
	literals map[string]*node
	param    *node
	routes   []*Route // that end here; all have the same parameters
	names    []string // of the parameters
}

// maxParams bounds the parameters of a path, so that they need no allocation.
const maxParams = 4

// Params are the parameters of a matched path.
type Params struct {
	names  []string
	values [maxParams]string
}

// Get returns the value of a parameter as it stands in the path, that is percent-encoded; "" if there is none.
func (p *Params) Get(name string) string {
	if i := slices.Index(p.names, name); i >= 0 {
		return p.values[i]
	}
	return ""
}

// with returns the parameters with another value, unescaped, for one of them.
func (p Params) with(name, value string) Params {
	if i := slices.Index(p.names, name); i >= 0 {
		p.values[i] = url.PathEscape(value)
	}
	return p
}

// fill returns the path of r with these parameters.
func (r *Route) fill(p Params) string {
	path := r.Path
	for i, name := range p.names {
		path = strings.Replace(path, "{"+name+"}", p.values[i], 1)
	}
	return path
}

// NewTable checks rows, and makes a table of a copy of them. The error names every row that is wrong.
func NewTable(rows []Route) (*Table, error) {
	t := &Table{rows: slices.Clone(rows), roots: map[string]*node{}}
	var errs []error
	for i := range t.rows {
		r := &t.rows[i]
		if err := t.add(r); err != nil {
			errs = append(errs, fmt.Errorf("route %q: %w", r, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return t, nil
}

// All returns the rows in the order in which they were given.
func (t *Table) All() iter.Seq[*Route] {
	return func(yield func(*Route) bool) {
		for i := range t.rows {
			if !yield(&t.rows[i]) {
				return
			}
		}
	}
}

// Match returns the rows for a method and a path, which differ in action or microversions; none if there is no such
// call. The path is as escaped in the URL, below the version prefix and project. Words of a path go before parameters,
// and a slash at the end, or two in a row, match nothing, as in the services.
func (t *Table) Match(method, path string) ([]*Route, Params) {
	var p Params
	at := t.roots[method]
	rest, ok := strings.CutPrefix(path, "/")
	if at == nil || !ok {
		return nil, p
	}
	if rest != "" {
		at = at.find(rest, &p.values, 0)
	}
	if at == nil {
		return nil, Params{}
	}
	p.names = at.names
	return at.routes, p
}

// find follows path, which has no slash in front, and returns the node where rows end, or nil. n is the number of
// values found so far.
func (at *node) find(path string, values *[maxParams]string, n int) *node {
	segment, rest, more := strings.Cut(path, "/")
	if next := at.literals[segment]; next != nil {
		if found := next.follow(rest, more, values, n); found != nil {
			return found
		}
	}
	if at.param == nil || segment == "" {
		return nil
	}
	values[n] = segment
	return at.param.follow(rest, more, values, n+1)
}

func (at *node) follow(rest string, more bool, values *[maxParams]string, n int) *node {
	switch {
	case more:
		return at.find(rest, values, n)
	case len(at.routes) > 0:
		return at
	}
	return nil
}

// add checks r and hangs it into the tree.
func (t *Table) add(r *Route) error {
	segments, names, err := split(r.Path)
	if err != nil {
		return err
	}
	if r.IDParam == "" && len(names) > 0 {
		r.IDParam = names[0]
	}
	if err := r.check(names); err != nil {
		return err
	}
	r.itself = strings.HasSuffix(r.Path, "/{"+r.IDParam+"}")
	at := t.roots[r.Method]
	if at == nil {
		at = &node{}
		t.roots[r.Method] = at
	}
	for _, segment := range segments {
		at = at.child(segment)
	}
	for _, other := range at.routes {
		if other.Path != r.Path {
			return fmt.Errorf("names its parameters otherwise than %q", other)
		}
		if other.Action == r.Action && overlap(other, r) {
			return errors.New("is there twice for the same microversions")
		}
	}
	at.routes, at.names = append(at.routes, r), names
	return nil
}

// child returns the node below at for a segment, new if need be.
func (at *node) child(segment string) *node {
	if segment[0] == '{' {
		if at.param == nil {
			at.param = &node{}
		}
		return at.param
	}
	if at.literals == nil {
		at.literals = map[string]*node{}
	}
	if at.literals[segment] == nil {
		at.literals[segment] = &node{}
	}
	return at.literals[segment]
}

// split takes a path apart, and says how its parameters are called.
func split(path string) (segments, names []string, err error) {
	rest, ok := strings.CutPrefix(path, "/")
	if !ok || strings.ContainsAny(path, " \t") {
		return nil, nil, fmt.Errorf("bad path %q", path)
	}
	if rest == "" {
		return nil, nil, nil
	}
	for segment := range strings.SplitSeq(rest, "/") {
		name := strings.TrimSuffix(strings.TrimPrefix(segment, "{"), "}")
		switch {
		case segment == "{"+name+"}" && name != "" && !slices.Contains(names, name):
			names = append(names, name)
		case segment != name || name == "" || strings.ContainsAny(name, "{}"):
			return nil, nil, fmt.Errorf("bad segment %q", segment)
		}
		segments = append(segments, segment)
	}
	if len(names) > maxParams {
		return nil, nil, fmt.Errorf("more than %d parameters", maxParams)
	}
	return segments, names, nil
}

// check finds what contradicts itself in a row.
func (r *Route) check(names []string) error {
	switch {
	case !slices.Contains([]string{"GET", "POST", "PUT", "PATCH", "DELETE"}, r.Method):
		return fmt.Errorf("bad method %q", r.Method)
	case !slices.Contains(classes, r.Class):
		return fmt.Errorf("bad class %q", r.Class)
	case r.IDParam != "" && !slices.Contains(names, r.IDParam):
		return fmt.Errorf("no parameter %q", r.IDParam)
	case r.Class == ByID && (r.Type == 0 || r.IDParam == ""):
		return errors.New("by-id without the type of the resource, or a parameter")
	case r.Class != ByRef && r.Class != DeprecatedProxy && r.Class != AdminScopedPod && len(r.Refs) > 0:
		return errors.New("a reference, but not by-ref")
	case r.Type != 0 && r.IDParam == "":
		return errors.New("a type but no parameter")
	case r.Action != "" && (r.Method != "POST" || !strings.HasSuffix(r.Path, "/action")):
		return errors.New("an action, but not on a path of actions")
	case !r.Min.IsZero() && !r.Max.IsZero() && r.Max.Less(r.Min):
		return fmt.Errorf("empty range %s-%s", r.Min, r.Max)
	case r.Removed != "" && r.Class != Unsupported:
		return errors.New("removed but not unsupported")
	case r.IntegerID != "" && !slices.Contains(names, r.IntegerID):
		return fmt.Errorf("no parameter %q", r.IntegerID)
	}
	for _, at := range slices.Concat(r.Hosts, r.Zones) {
		if at.param != "" && !slices.Contains(names, at.param) {
			return fmt.Errorf("no parameter %q", at.param)
		}
	}
	return nil
}

// overlap reports whether some microversion has both.
func overlap(a, b *Route) bool {
	apart := func(a, b *Route) bool { return !a.Max.IsZero() && !b.Min.IsZero() && a.Max.Less(b.Min) }
	return !apart(a, b) && !apart(b, a)
}
