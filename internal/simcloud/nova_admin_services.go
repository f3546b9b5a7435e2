package simcloud

import (
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/tricircle/tricircle/internal/fault"
)

func notMapped(host string) error { return fault.NotFound("Host '%s' is not mapped to any cell", host) }

func (n *compute) listServices(c *call) error {
	if err := c.policy("os_compute_api:os-services:list"); err != nil {
		return err
	}
	d, host, binary := c.body, c.query.Get("host"), c.query.Get("binary")
	d.obj()
	d.arr("services")
	for _, s := range n.processes {
		if (host == "" || s.host == host) && (binary == "" || s.binary == binary) {
			n.renderService(c, s)
		}
	}
	d.endArr()
	d.endObj()
	return nil
}

func (n *compute) renderService(c *call, s *process) {
	d := c.body
	d.obj()
	d.str("binary", s.binary)
	d.str("host", s.host)
	s.renderID(c)
	d.str("zone", n.zoneOf(s))
	d.str("status", state(s.disabled))
	d.str("state", s.state())
	d.time("updated_at", c.cloud.opts.Now(), micro)
	d.orNull("disabled_reason", s.reason)
	if c.at(11) {
		d.yes("forced_down", s.forcedDown)
	}
	d.endObj()
}

func (s *process) renderID(c *call) {
	if c.at(53) {
		c.body.str("id", s.uuid)
		return
	}
	c.body.num("id", s.id)
}

// service finds what the path names. Below 2.53 that is a number.
func (n *compute) service(c *call, missing string) (*process, error) {
	id := c.arg[0]
	if c.at(53) {
		if uuid.Validate(id) != nil {
			return nil, fault.BadRequest("Invalid uuid %s", id)
		}
	} else if _, err := strconv.Atoi(id); err != nil {
		return nil, fault.BadRequest("Service id must be an integer.")
	}
	s := first(n.processes, func(s *process) bool {
		if c.at(53) {
			return s.uuid == id
		}
		return strconv.Itoa(s.id) == id
	})
	if s == nil {
		return nil, fault.NotFound(missing, id)
	}
	return s, nil
}

// serviceChange is the body of a PUT: all of it below 2.53, and without host and binary from then on.
type serviceChange struct {
	Host, Binary, Status string
	Reason               string `json:"disabled_reason"`
	ForcedDown           *bool  `json:"forced_down"`
}

// updateService is PUT /os-services/{what}: below 2.53 an action, otherwise a service.
func (n *compute) updateService(c *call) error {
	if err := c.policy("os_compute_api:os-services:update"); err != nil {
		return err
	}
	var b serviceChange
	if err := c.decode(&b); err != nil {
		return err
	}
	if !c.at(53) {
		return n.orderService(c, &b)
	}
	s, err := n.service(c, "Service %s could not be found.")
	if err != nil {
		return err
	}
	switch {
	case b.Status == "" && b.ForcedDown == nil:
		return fault.BadRequest("No updates were requested. Fields 'status' or 'forced_down' should be specified.")
	case b.Status == "enabled" && b.Reason != "":
		return fault.BadRequest("Specifying 'disabled_reason' with status 'enabled' is invalid.")
	case s.node == 0:
		return fault.BadRequest("Updating a %s service is not supported. Only nova-compute services can be updated.", s.binary)
	}
	if b.Status != "" {
		s.disabled, s.reason = b.Status == "disabled", b.Reason
	}
	set(&s.forcedDown, b.ForcedDown)
	c.body.obj()
	c.body.key("service")
	n.renderService(c, s)
	c.body.endObj()
	return nil
}

// orderService carries out an action of the older form, whose answer repeats what was asked.
func (n *compute) orderService(c *call, b *serviceChange) error {
	what := c.arg[0]
	switch {
	case !slices.Contains([]string{"enable", "disable", "disable-log-reason"}, what) && (what != "force-down" || !c.at(11)):
		return fault.NotFound("Unknown action")
	case b.Binary == "":
		return fault.BadRequest("'binary' is a required property")
	case what == "disable-log-reason" && b.Reason == "":
		return fault.BadRequest("Missing disabled reason field")
	case what == "force-down" && b.ForcedDown == nil:
		return fault.BadRequest("Missing forced_down field")
	case !slices.ContainsFunc(n.processes, func(s *process) bool { return s.host == b.Host }):
		return notMapped(b.Host)
	}
	s := first(n.processes, func(s *process) bool { return s.host == b.Host && s.binary == b.Binary })
	if s == nil {
		return fault.NotFound("Could not find binary %s on host %s.", b.Binary, b.Host)
	}
	d := c.body
	d.obj()
	d.obj("service")
	d.str("host", s.host)
	d.str("binary", s.binary)
	if what == "force-down" {
		s.forcedDown = *b.ForcedDown
		d.yes("forced_down", s.forcedDown)
	} else {
		s.disabled, s.reason = strings.HasPrefix(what, "disable"), b.Reason
		d.str("status", state(s.disabled))
		if s.reason != "" {
			d.str("disabled_reason", s.reason)
		}
	}
	d.endObj()
	d.endObj()
	return nil
}

// deleteService takes a nova-compute out of its aggregates too.
func (n *compute) deleteService(c *call) error {
	if err := c.policy("os_compute_api:os-services:delete"); err != nil {
		return err
	}
	s, err := n.service(c, "Service %s not found.")
	if err != nil {
		return err
	}
	if s.node != 0 {
		if len(n.loads(c.cloud.opts.Now())[s.host].servers) > 0 {
			return fault.Conflict("Unable to delete compute service that is hosting instances. Migrate or delete the instances first.")
		}
		for _, a := range n.aggregates {
			a.hosts = slices.DeleteFunc(a.hosts, func(host string) bool { return host == s.host })
		}
	}
	n.processes = slices.DeleteFunc(n.processes, func(x *process) bool { return x == s })
	c.noContent()
	return nil
}
