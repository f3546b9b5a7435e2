// Package southbound makes calls to OpenStack for what the top itself owns there: its place in Keystone's catalog, and what it
// makes in the Neutron of each pod. What is only forwarded for users does not pass here: see gateway.
//
// What it makes it finds again, so that done twice it changes nothing. It must not depend on the gateways, nor know what the
// top wants: that is decided above, see neutron/realize.
package southbound

import (
	"context"
	"fmt"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/endpoints"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/regions"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/services"
)

// CatalogEntry is a service of the top.
type CatalogEntry struct {
	Type string // as clients look it up: "compute"
	Name string // of the service, if it must be made: "nova"
	URL  string // for all three interfaces
}

// Catalog registers services of a region in Keystone.
type Catalog struct {
	Keystone *gophercloud.ServiceClient
	Region   string
	Replace  bool                             // move endpoints that are there with another address
	Report   func(format string, args ...any) // called for each change
}

// Register makes the region's endpoints be those of entries: services and the region are made where they are missing,
// endpoints made. An endpoint with another address might be a pod's, so it is moved only with Replace.
func (c *Catalog) Register(ctx context.Context, entries []CatalogEntry) error {
	if err := c.ensureRegion(ctx); err != nil {
		return err
	}
	for _, e := range entries {
		id, err := c.ensureService(ctx, e)
		if err != nil {
			return err
		}
		for _, i := range []gophercloud.Availability{gophercloud.AvailabilityPublic, gophercloud.AvailabilityInternal, gophercloud.AvailabilityAdmin} {
			if err := c.ensureEndpoint(ctx, id, i, e); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Catalog) ensureRegion(ctx context.Context) error {
	_, err := regions.Get(ctx, c.Keystone, c.Region).Extract()
	if err == nil {
		return nil
	}
	if !gophercloud.ResponseCodeIs(err, 404) {
		return fmt.Errorf("looking for region %s: %w", c.Region, err)
	}
	if _, err := regions.Create(ctx, c.Keystone, regions.CreateOpts{ID: c.Region}).Extract(); err != nil {
		return fmt.Errorf("making region %s: %w", c.Region, err)
	}
	c.Report("region %s made", c.Region)
	return nil
}

// ensureService returns the id of the service of that type. Of several the one with the wanted name counts.
func (c *Catalog) ensureService(ctx context.Context, e CatalogEntry) (string, error) {
	pages, err := services.List(c.Keystone, services.ListOpts{ServiceType: e.Type}).AllPages(ctx)
	if err != nil {
		return "", fmt.Errorf("listing services of type %s: %w", e.Type, err)
	}
	found, err := services.ExtractServices(pages)
	if err != nil {
		return "", fmt.Errorf("listing services of type %s: %w", e.Type, err)
	}
	for _, s := range found {
		if s.Name == e.Name {
			return s.ID, nil
		}
	}
	if len(found) > 0 {
		return found[0].ID, nil
	}
	s, err := services.Create(ctx, c.Keystone, services.CreateOpts{Type: e.Type, Name: e.Name}).Extract()
	if err != nil {
		return "", fmt.Errorf("making service %s: %w", e.Name, err)
	}
	c.Report("service %s (%s) made", e.Name, e.Type)
	return s.ID, nil
}

func (c *Catalog) ensureEndpoint(ctx context.Context, serviceID string, i gophercloud.Availability, e CatalogEntry) error {
	what := fmt.Sprintf("%s endpoint of %s in region %s", i, e.Type, c.Region)
	pages, err := endpoints.List(c.Keystone, endpoints.ListOpts{Availability: i, ServiceID: serviceID, RegionID: c.Region}).AllPages(ctx)
	if err != nil {
		return fmt.Errorf("looking for the %s: %w", what, err)
	}
	found, err := endpoints.ExtractEndpoints(pages)
	if err != nil {
		return fmt.Errorf("looking for the %s: %w", what, err)
	}
	switch {
	case len(found) == 0:
		_, err = endpoints.Create(ctx, c.Keystone, endpoints.CreateOpts{Availability: i, Region: c.Region, ServiceID: serviceID, URL: e.URL}).Extract()
	case found[0].URL != e.URL && !c.Replace:
		return fmt.Errorf("the %s is %s already: if the top was there before, say that it may be replaced; if a pod is, take another region",
			what, found[0].URL)
	case found[0].URL != e.URL:
		_, err = endpoints.Update(ctx, c.Keystone, found[0].ID, endpoints.UpdateOpts{URL: e.URL}).Extract()
	default:
		return nil
	}
	if err != nil {
		return fmt.Errorf("setting the %s: %w", what, err)
	}
	c.Report("%s is now %s", what, e.URL)
	return nil
}
