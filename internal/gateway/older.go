package gateway

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tricircle/tricircle/internal/jsonx"
	"github.com/tricircle/tricircle/internal/microversion"
	"github.com/tricircle/tricircle/internal/pod"
)

// Change is what one microversion does to a call. One that adds members to answers, or parameters to the query, can be made up
// for when a pod is older than the ceiling; one with neither cannot: the same request means something else, or the answer lacks
// what nobody can know.
type Change struct {
	Since microversion.Version
	// Member is what the answer's resource gains, as a path, and Neutral the JSON that stands for "nothing": what a pod that does
	// not know it would have to say. Derive takes it from the resource instead.
	Member  []string
	Neutral string
	Derive  func(resource []byte) (neutral string)
	// Params are parameters of the query that an older pod would overlook or refuse: "hostname", or with one value, "sort_key=locked".
	Params []string
}

// lacks are the changes that an answer of an older pod does not have.
type lacks []Change

// fit returns the version in which p is asked for this call: the client's, or, while p is below the ceiling, the newest that p
// knows, with what its answers then lack. A call that cannot be served so is an *pod.UnavailableError, not a 406: the client was
// told that the version exists (docs/api/microversions.md, rule 5).
func (c *Call) fit(p *pod.Pod) (microversion.Version, lacks, error) {
	newest := p.Versions(c.Service.Pod).Max
	if newest.IsZero() || !newest.Less(c.Version) {
		return c.Version, nil, nil
	}
	changes, known := c.Service.Changes[c.Route.String()]
	if !known || newest.Less(c.Route.Min) {
		return newest, nil, c.tooOld(p)
	}
	var missing lacks
	for _, change := range changes {
		if !newest.Less(change.Since) || c.Version.Less(change.Since) {
			continue
		}
		if change.Member == nil && change.Params == nil || slices.ContainsFunc(change.Params, c.asksFor) {
			return newest, nil, c.tooOld(p)
		}
		if change.Member != nil {
			missing = append(missing, change)
		}
	}
	return newest, missing, nil
}

// asksFor reports whether the query has a parameter of a Change.
func (c *Call) asksFor(param string) bool {
	name, value, one := strings.Cut(param, "=")
	return !one && c.Query.Has(name) || one && slices.Contains(c.Query[name], value)
}

// tooOld says that a pod cannot do what the request's version asks for.
func (c *Call) tooOld(p *pod.Pod) error {
	newest := p.Versions(c.Service.Pod).Max
	return &pod.UnavailableError{Pod: p.Name(), Service: c.Service.Pod, Reason: fmt.Sprintf(
		"it ends at microversion %s, below the %s of this request; ask in %s or lower, or when the pod has been upgraded",
		newest, c.Version, newest)}
}

// complete adds to a resource what it lacks, where it has the object to put it in.
func (l lacks) complete(resource []byte) ([]byte, error) {
	for _, change := range l {
		last := len(change.Member) - 1
		raw, ok, err := jsonx.Get(resource, change.Member[:last]...)
		if err != nil {
			return nil, err
		}
		if !ok || raw[0] != '{' {
			continue // an image that is "", for one, has no properties
		}
		if _, ok, _ := jsonx.Get(raw, change.Member[last]); ok {
			continue
		}
		neutral := change.Neutral
		if change.Derive != nil {
			neutral = change.Derive(resource)
		}
		if resource, err = jsonx.Set(resource, []byte(neutral), change.Member...); err != nil {
			return nil, err
		}
	}
	return resource, nil
}

// complete is the answer's body with what the pod's release lacks in the resource that it shows, {"server": {...}}.
func (a *Answer) complete() ([]byte, error) {
	if len(a.lacks) == 0 || !a.OK() {
		return a.Body, nil
	}
	one, err := jsonx.FirstKey(a.Body)
	if err != nil {
		return nil, err
	}
	resource, _, err := jsonx.Get(a.Body, one)
	if err != nil {
		return nil, err
	}
	if resource, err = a.lacks.complete(resource); err != nil {
		return nil, err
	}
	return jsonx.Set(a.Body, resource, one)
}
