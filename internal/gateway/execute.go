package gateway

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/jsonx"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/routing"
	"github.com/tricircle/tricircle/internal/store"
)

// execute does what the row of the table says.
func (c *Call) execute() error {
	if c.Route.Class == AdminScopedPod {
		return c.adminScoped()
	}
	if c.Route.Handler != "" {
		return c.Service.Special[c.Route.Handler](c)
	}
	switch c.Route.Class {
	case ByID:
		return c.byID()
	case ByRef:
		return c.byRef()
	case AnyPod, TopOwned:
		return c.AnyPod()
	case TopStatic:
		return c.static()
	case FanOutMerge:
		if col, ok := c.Service.Lists[c.Route.Path]; ok {
			return c.Merge(col)
		}
	case FanOutSum:
		if sum, ok := c.Service.Sums[c.Route.Path]; ok {
			return c.Sum(sum)
		}
	case DeprecatedProxy:
		return c.proxied()
	case Unsupported:
		return c.Service.Removed(c.Route)
	}
	return c.notServed()
}

// notServed is for rows of the table that the engine does not execute.
func (c *Call) notServed() error {
	return fault.NotImplemented("%s %s is not served through the top (%s). Ask the pod itself.",
		c.R.Method, c.Route.Path, c.Route.Class)
}

// static answers what does not depend on any pod's contents: the version document, and lists of extensions, which have been
// frozen for so long that any pod's is right.
func (c *Call) static() error {
	if c.Route.Path == "/" || c.Route.Path == "/versions/{id}" {
		c.Service.Roots.ServeHTTP(c.W, c.R)
		return nil
	}
	return c.AnyPod()
}

// PodOf returns the pod that holds a resource. A resource that no pod has is the service's own 404.
func (c *Call) PodOf(typ store.ResourceType, id string) (*pod.Pod, error) {
	p, err := c.locate(c.Context(), typ, id)
	if errors.Is(err, routing.ErrNotFound) {
		return nil, c.Service.Missing(typ, id)
	}
	return p, err
}

// locate returns the pod that holds a resource, if that pod may be called, or routing.ErrNotFound.
func (c *Call) locate(ctx context.Context, typ store.ResourceType, id string) (*pod.Pod, error) {
	p, err := c.Routing.Find(ctx, c.Caller, typ, id)
	switch {
	case errors.Is(err, routing.ErrUnauthorized):
		if err := c.revalidate(); err != nil {
			return nil, err
		}
		return nil, fault.Unavailable(err, "A pod that may have %s %s refuses a token that Keystone accepts.", typ, id)
	case errors.Is(err, context.DeadlineExceeded):
		return nil, fault.Unavailable(err, "The pods did not say in time which of them has %s %s.", typ, id)
	case err != nil:
		return nil, err
	}
	return p, c.mayCall(p)
}

// mayCall is nil unless the operator has disabled a pod.
func (c *Call) mayCall(p *pod.Pod) error {
	if p.Serves() {
		return nil
	}
	return &pod.UnavailableError{Pod: p.Name(), Service: c.Service.Pod, Reason: "the pod is disabled by its operator"}
}

func (c *Call) byID() error {
	p, a, err := c.AskByID()
	if err != nil {
		return err
	}
	return c.Reply(p, a)
}

// AskByID sends the request to the pod that has the resource in its path, and returns the pod and its answer.
func (c *Call) AskByID() (*pod.Pod, *Answer, error) {
	p, err := c.PodOf(c.Route.Type, c.Params.Get(c.Route.IDParam))
	if err != nil {
		return nil, nil, err
	}
	a, err := c.ask(p, c.Body)
	if err != nil {
		return nil, nil, err
	}
	c.learnFate(p, a)
	return p, a, nil
}

// byRef sends a call to the pod of what its path and body refer to, which must agree, and records what is born there.
func (c *Call) byRef() error {
	if c.Route.Type == 0 && len(c.Route.Refs) == 0 {
		return c.notServed()
	}
	pl := c.NewPlacement()
	if c.Route.Type != 0 {
		if err := pl.BindTo(c.Route.Type, c.Params.Get(c.Route.IDParam)); err != nil {
			return err
		}
	}
	for _, ref := range c.Route.Refs {
		id, ok := jsonx.String(c.Body, ref.Path...)
		if !ok {
			continue
		}
		bind := pl.BindTo
		if ref.IfKnown {
			bind = pl.BindToKnown
		}
		if err := bind(ref.Type, id); err != nil {
			return err
		}
	}
	p := pl.Bound()
	if p == nil {
		return c.AnyPod() // without the reference the request is invalid, and any pod says so best
	}
	if n := c.Service.Newborns[c.Route.String()]; n != nil {
		return c.bear(p, n)
	}
	return c.forwardBirth(p)
}

// forwardBirth is Forward for a call that may make something, of which the routing is recorded.
func (c *Call) forwardBirth(p *pod.Pod) error {
	a, err := c.ask(p, c.Body)
	if err != nil {
		return err
	}
	c.recordBirth(c.Context(), p, a)
	return c.Reply(p, a)
}

// proxied executes a call that a pod's service passes on to another one, whose resources are in that pod.
func (c *Call) proxied() error {
	switch col, isList := c.Service.Lists[c.Route.Path]; {
	case isList && c.R.Method == http.MethodGet:
		return c.Merge(col)
	case c.Route.Type != 0:
		return c.byID()
	case len(c.Route.Refs) > 0:
		return c.byRef()
	}
	return c.AnyPod()
}

// recordBirth keeps the routing of a resource that an answer shows to have been created.
func (c *Call) recordBirth(ctx context.Context, p *pod.Pod, a *Answer) {
	if !a.OK() {
		return
	}
	if r, ok := routing.Shown(a.Body, p.Num, c.Caller.ProjectID); ok {
		if err := c.Routing.Record(ctx, r); err != nil {
			c.Log.WarnContext(ctx, "routing not recorded; it will be discovered when it is asked for", "error", err)
		}
	}
}

// AnyPod asks one healthy pod for what is the same in all of them: the first that was registered, so that everybody gets
// the same answers. Reads move on to the next pod when one fails.
func (c *Call) AnyPod() error {
	failure := c.noneOf(c.Pods.All())
	for _, p := range c.Eligible() {
		a, err := c.ask(p, c.Body)
		if err == nil {
			return c.Reply(p, a)
		}
		if _, ok := errors.AsType[*pod.UnavailableError](err); !ok || c.R.Method != http.MethodGet {
			return err
		}
		failure = err
	}
	return failure
}

func errNoPods() error {
	return fault.Unavailable(nil, "No pod is registered and enabled. An administrator registers one with: tricircle pod create.")
}

// Eligible returns the pods that take new work and speak the request's microversion: the one that the project is bound to
// first, then in order of registration, and those whose service is known to be down last. One probe that failed is not enough for
// that: the probe may have been late on a busy machine, and what a project makes elsewhere cannot be used with what it has at home.
func (c *Call) Eligible() []*pod.Pod {
	var up, down []*pod.Pod
	for _, p := range c.homeFirst() {
		_, has := p.Endpoint(c.Service.Pod)
		newest := p.Versions(c.Service.Pod).Max
		switch {
		case !has, !p.Accepts(), !newest.IsZero() && newest.Less(c.Version):
		case p.Ailing(c.Service.Pod):
			down = append(down, p)
		default:
			up = append(up, p)
		}
	}
	return append(up, down...)
}

// homeFirst returns the pods that may be called, the one that the project is bound to before the others.
func (c *Call) homeFirst() []*pod.Pod {
	pods := c.Pods.Serving()
	home := c.Routing.Home(c.Context(), c.Caller.ProjectID)
	at := slices.IndexFunc(pods, func(p *pod.Pod) bool { return home != nil && p.Num == home.Num })
	if at > 0 {
		home = pods[at] // of this request's snapshot
		pods = slices.Insert(slices.Delete(pods, at, at+1), 0, home)
	}
	return pods
}

// noneOf says why none of pods is eligible.
func (c *Call) noneOf(pods []*pod.Pod) error {
	for _, p := range pods {
		if _, has := p.Endpoint(c.Service.Pod); has && p.Accepts() {
			return c.tooOld(p)
		}
	}
	return errNoPods()
}

// actionOf returns the name of the action in a body such as {"os-start": null}.
func actionOf(body []byte) (string, error) {
	name, err := jsonx.FirstKey(body)
	if err != nil && jsonx.Valid(body) {
		return "", fault.BadRequest("There is no such action: %s", strings.TrimSpace(string(body)))
	}
	if err != nil {
		return "", fault.BadRequest("Malformed request body")
	}
	return name, nil
}
