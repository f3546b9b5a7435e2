package simcloud

import (
	"net/http"
	"slices"
)

// Services and endpoints: what `openstack endpoint create` and a top that registers itself use.

type serviceBody struct {
	Type, Name, Description *string
	Enabled                 *bool
}

func (b *serviceBody) apply(s *service) {
	set(&s.kind, b.Type)
	set(&s.name, b.Name)
	set(&s.description, b.Description)
	set(&s.enabled, b.Enabled)
}

func (k *keystone) service(id string) *service {
	return first(k.services, func(s *service) bool { return s.id == id })
}

func (k *keystone) listServices(c *call) error {
	if err := requireAdmin(c, "list_services"); err != nil {
		return err
	}
	return collection(k, c, "services", k.services, func(s *service) bool {
		return c.same("type", s.kind) && c.same("name", s.name)
	}, k.renderService)
}

func (k *keystone) showService(c *call) error {
	if err := requireAdmin(c, "get_service"); err != nil {
		return err
	}
	s := k.service(c.arg[0])
	if s == nil {
		return missing("service", c.arg[0])
	}
	return member(c, "service", s, k.renderService)
}

func (k *keystone) createService(c *call) error {
	var b serviceBody
	if err := k.change(c, "service", "create_service", &b); err != nil {
		return err
	}
	if b.Type == nil {
		return &keystoneError{http.StatusBadRequest, "'type' is a required property"}
	}
	s := &service{id: compactID(k.cloud.opts.NewID()), enabled: true}
	b.apply(s)
	k.services = append(k.services, s)
	c.status = http.StatusCreated
	return member(c, "service", s, k.renderService)
}

func (k *keystone) updateService(c *call) error {
	var b serviceBody
	if err := k.change(c, "service", "update_service", &b); err != nil {
		return err
	}
	s := k.service(c.arg[0])
	if s == nil {
		return missing("service", c.arg[0])
	}
	b.apply(s)
	return member(c, "service", s, k.renderService)
}

func (k *keystone) deleteService(c *call) error {
	if err := requireAdmin(c, "delete_service"); err != nil {
		return err
	}
	s := k.service(c.arg[0])
	if s == nil {
		return missing("service", c.arg[0])
	}
	k.services = slices.DeleteFunc(k.services, func(x *service) bool { return x == s })
	k.endpoints = slices.DeleteFunc(k.endpoints, func(e *endpoint) bool { return e.service == s })
	c.status = http.StatusNoContent
	return nil
}

func (k *keystone) renderService(c *call, s *service) {
	d := c.body
	d.obj()
	d.str("name", s.name)
	if s.description != "" {
		d.str("description", s.description)
	}
	d.str("id", s.id)
	d.str("type", s.kind)
	d.yes("enabled", s.enabled)
	k.self(c, "services", s.id)
	d.endObj()
}

type endpointBody struct {
	Interface, URL *string
	Region         *string
	RegionID       *string `json:"region_id"`
	ServiceID      *string `json:"service_id"`
	Enabled        *bool
}

// apply changes e, unless the body names what does not exist.
func (b *endpointBody) apply(k *keystone, e *endpoint) error {
	if b.RegionID == nil {
		b.RegionID = b.Region
	}
	if b.ServiceID != nil {
		s := k.service(*b.ServiceID)
		if s == nil {
			return missing("service", *b.ServiceID)
		}
		e.service = s
	}
	if b.RegionID != nil && k.region(*b.RegionID) == nil {
		// The old attribute "region" makes the region; "region_id" must exist.
		if b.Region == nil {
			return missing("region", *b.RegionID)
		}
		k.regions = append(k.regions, &region{id: *b.RegionID})
	}
	if b.Interface != nil && !slices.Contains([]string{"admin", "internal", "public"}, *b.Interface) {
		return &keystoneError{http.StatusBadRequest, "Invalid input for field 'interface': '" + *b.Interface +
			"' is not one of ['admin', 'internal', 'public']"}
	}
	set(&e.region, b.RegionID)
	set(&e.face, b.Interface)
	set(&e.url, b.URL)
	set(&e.enabled, b.Enabled)
	return nil
}

func (k *keystone) endpoint(id string) *endpoint {
	return first(k.endpoints, func(e *endpoint) bool { return e.id == id })
}

func (k *keystone) listEndpoints(c *call) error {
	if err := requireAdmin(c, "list_endpoints"); err != nil {
		return err
	}
	return collection(k, c, "endpoints", k.endpoints, func(e *endpoint) bool {
		return c.same("service_id", e.service.id) && c.same("interface", e.face) && c.same("region_id", e.region)
	}, k.renderEndpoint)
}

func (k *keystone) showEndpoint(c *call) error {
	if err := requireAdmin(c, "get_endpoint"); err != nil {
		return err
	}
	e := k.endpoint(c.arg[0])
	if e == nil {
		return missing("endpoint", c.arg[0])
	}
	return member(c, "endpoint", e, k.renderEndpoint)
}

func (k *keystone) createEndpoint(c *call) error {
	var b endpointBody
	if err := k.change(c, "endpoint", "create_endpoint", &b); err != nil {
		return err
	}
	if b.ServiceID == nil || b.Interface == nil || b.URL == nil {
		return &keystoneError{http.StatusBadRequest, "'service_id', 'interface' and 'url' are required properties"}
	}
	e := &endpoint{id: compactID(k.cloud.opts.NewID()), enabled: true}
	if err := b.apply(k, e); err != nil {
		return err
	}
	k.endpoints = append(k.endpoints, e)
	c.status = http.StatusCreated
	return member(c, "endpoint", e, k.renderEndpoint)
}

func (k *keystone) updateEndpoint(c *call) error {
	var b endpointBody
	if err := k.change(c, "endpoint", "update_endpoint", &b); err != nil {
		return err
	}
	e := k.endpoint(c.arg[0])
	if e == nil {
		return missing("endpoint", c.arg[0])
	}
	if err := b.apply(k, e); err != nil {
		return err
	}
	return member(c, "endpoint", e, k.renderEndpoint)
}

func (k *keystone) deleteEndpoint(c *call) error {
	if err := requireAdmin(c, "delete_endpoint"); err != nil {
		return err
	}
	e := k.endpoint(c.arg[0])
	if e == nil {
		return missing("endpoint", c.arg[0])
	}
	k.endpoints = slices.DeleteFunc(k.endpoints, func(x *endpoint) bool { return x == e })
	c.status = http.StatusNoContent
	return nil
}

func (k *keystone) renderEndpoint(c *call, e *endpoint) {
	d := c.body
	d.obj()
	d.str("id", e.id)
	d.str("interface", e.face)
	d.orNull("region_id", e.region)
	d.str("service_id", e.service.id)
	d.str("url", e.url)
	d.yes("enabled", e.enabled)
	d.orNull("region", e.region)
	k.self(c, "endpoints", e.id)
	d.endObj()
}
