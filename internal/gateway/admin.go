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
	get := c.R.Method == http.MethodGet
	if col, ok := c.Service.Lists[c.Route.Path]; ok && get && !c.Version.Less(col.Min) {
		return c.Merge(col) // its filters name pods
	}
	p, err := c.NamedPod()
	if p == nil && c.Route.Type != 0 {
		p, err = c.podOfType()
	}
	members, gathered := c.Service.Gathers[c.Route.Path]
	switch {
	case p != nil && err == nil:
		return c.Forward(p, c.Body)
	case err == nil && gathered && get:
		return c.Gather(members...)
	case !c.Caller.IsAdmin():
		return c.AnyPod()
	case err != nil:
		return err
	case c.Route.Handler != "":
		return c.Service.Special[c.Route.Handler](c)
	}
	return c.undecided()
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
			return name
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
	r := c.Route
	if r.Hosts == nil && r.Zones == nil && r.Type == 0 {
		return c.notServed()
	}
	if pods := c.Pods.Serving(); len(pods) == 1 {
		return c.Forward(pods[0], c.Body)
	}
	if host := c.namedHost(); host != "" {
		return fault.NotFound("Host %s could not be found. Hosts are named <host>.<pod>.", host)
	}
	if shared := c.sharedZone(); shared != "" {
		return fault.BadRequest("This is about one pod, and availability zone %s is in several: name one that is not.", shared)
	}
	if len(r.Zones) > 0 {
		return c.AnyPod() // what is made without saying where is made where the project is at home
	}
	return fault.BadRequest("This is about one pod: name a host, as <host>.<pod>.")
}
