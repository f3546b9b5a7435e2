package gateway

import (
	"net/http"
	"strconv"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/routing"
)

// adminScoped executes the class of that name: the pod that the call names, or that has what it is about; all pods for lists. The
// policy of a pod speaks first: users who are not administrators hear of it before anything else that may be wrong.
func (c *Call) adminScoped() error {
	if len(c.Route.Refs) > 0 {
		return c.byRef()
	}
	get := c.R.Method == http.MethodGet
	if col, ok := c.Service.Lists[c.Route.Path]; ok && get {
		switch {
		case !c.Version.Less(col.Min):
			return c.Merge(col) // its filters name pods
		case !col.Whole.IsZero() && col.Whole.Less(c.Version):
			return c.gatherPage(col)
		}
	}
	p, err := c.NamedPod()
	if p == nil && c.Route.Type != 0 {
		p, err = c.podOfType()
	}
	members, gathered := c.Service.Gathers[c.Route.Path]
	switch {
	case p != nil && err == nil:
		return c.administer(p)
	case err == nil && gathered && get:
		return c.Gather(members...)
	case !c.Caller.IsAdmin():
		return c.AnyPod()
	case err != nil:
		return err
	case c.Route.Handler != "" && c.namedHost() == "":
		return c.Service.Special[c.Route.Handler](c)
	}
	return c.undecided()
}

// administer forwards a call. A POST may make something in the pod.
func (c *Call) administer(p *pod.Pod) error {
	if c.R.Method == http.MethodPost {
		return c.forwardBirth(p)
	}
	return c.Forward(p, c.Body)
}

// podOfType finds the pod of what the path names. An integer that names no pod is nobody's; of anything else that is no id every
// pod says best what is wrong with it, unless the call names a host besides, by which one would act.
func (c *Call) podOfType() (*pod.Pod, error) {
	id := c.Params.Get(c.Route.IDParam)
	_, isUUID := routing.ParseID(id)
	_, notInteger := strconv.ParseInt(id, 10, 64)
	if isUUID || notInteger == nil {
		return c.PodOf(c.Route.Type, id)
	}
	if eligible := c.Eligible(); len(eligible) > 0 && c.namedHost() == "" {
		return eligible[0], nil
	}
	return nil, nil
}

// namedHost returns the first host that the call names, "" if there is none.
func (c *Call) namedHost() string {
	for _, place := range c.Route.Hosts {
		for _, name := range c.at(place, c.Body) {
			if name != "" {
				return name
			}
		}
	}
	return ""
}

// sharedZone returns a zone that the call names and several pods serve, "" if there is none.
func (c *Call) sharedZone() string {
	for _, place := range c.Route.Zones {
		for _, name := range c.at(place, c.Body) {
			if len(c.Pods.Zone(name)) > 1 {
				return name
			}
		}
	}
	return ""
}

// undecided is for a call that could be about any pod: served if there is but one, otherwise refused with what is missing.
func (c *Call) undecided() error {
	r, host, shared, pods := c.Route, c.namedHost(), c.sharedZone(), c.Pods.Serving()
	switch {
	case r.Hosts == nil && r.Zones == nil && r.Type == 0:
		return c.notServed()
	case len(pods) == 1:
		return c.administer(pods[0])
	case host != "":
		return c.Service.UnknownHost(r, host)
	case shared != "":
		return fault.BadRequest("This is about one pod, and availability zone %s is in several: name one that is not.", shared)
	case len(r.Hosts) > 0:
		return c.AnyPod() // without a host the request is invalid, and any pod says so best
	case len(r.Zones) > 0:
		return c.AnyPod() // what is made without saying where is made where the project is at home
	}
	return fault.BadRequest("This is about one pod, which nothing in the request names.")
}
