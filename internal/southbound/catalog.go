// Package southbound makes typed calls to OpenStack for what the top itself owns there. Today that is the top's place in
// Keystone's catalog; what the top realizes in pods will follow. What is only forwarded for users does not pass here: see
// gateway.
//
// Every call is find-or-create: done twice it changes nothing. It must not depend on the gateways or a store.
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

// RegisterCatalog makes the region's endpoints in Keystone be those of entries: services and the region are made where they
// are missing, endpoints made or moved. It calls report for each change.
func RegisterCatalog(ctx context.Context, keystone *gophercloud.ServiceClient, region string, entries []CatalogEntry,
	report func(format string, args ...any)) error {
	if err := ensureRegion(ctx, keystone, region, report); err != nil {
		return err
	}
	for _, e := range entries {
		id, err := ensureService(ctx, keystone, e, report)
		if err != nil {
			return err
		}
		for _, i := range []gophercloud.Availability{gophercloud.AvailabilityPublic, gophercloud.AvailabilityInternal, gophercloud.AvailabilityAdmin} {
			if err := ensureEndpoint(ctx, keystone, region, id, i, e, report); err != nil {
				return err
			}
		}
	}
	return nil
}

func ensureRegion(ctx context.Context, keystone *gophercloud.ServiceClient, region string, report func(string, ...any)) error {
	_, err := regions.Get(ctx, keystone, region).Extract()
	if err == nil {
		return nil
	}
	if !gophercloud.ResponseCodeIs(err, 404) {
		return fmt.Errorf("looking for region %s: %w", region, err)
	}
	if _, err := regions.Create(ctx, keystone, regions.CreateOpts{ID: region}).Extract(); err != nil {
		return fmt.Errorf("making region %s: %w", region, err)
	}
	report("region %s made", region)
	return nil
}

// ensureService returns the id of the service of that type. Of several the one with the wanted name counts.
func ensureService(ctx context.Context, keystone *gophercloud.ServiceClient, e CatalogEntry, report func(string, ...any)) (string, error) {
	pages, err := services.List(keystone, services.ListOpts{ServiceType: e.Type}).AllPages(ctx)
	if err != nil {
		return "", fmt.Errorf("listing services of type %s: %w", e.Type, err)
	}
	found, err := services.ExtractServices(pages)
	if err != nil {
		return "", fmt.Errorf("listing services of type %s: %w", e.Type, err)
	}
	for _, s := range found {
		if name, _ := s.Extra["name"].(string); name == e.Name {
			return s.ID, nil
		}
	}
	if len(found) > 0 {
		return found[0].ID, nil
	}
	s, err := services.Create(ctx, keystone, services.CreateOpts{Type: e.Type, Name: e.Name}).Extract()
	if err != nil {
		return "", fmt.Errorf("making service %s: %w", e.Name, err)
	}
	report("service %s (%s) made", e.Name, e.Type)
	return s.ID, nil
}

func ensureEndpoint(ctx context.Context, keystone *gophercloud.ServiceClient, region, serviceID string, i gophercloud.Availability,
	e CatalogEntry, report func(string, ...any)) error {
	what := fmt.Sprintf("%s endpoint of %s in region %s", i, e.Type, region)
	pages, err := endpoints.List(keystone, endpoints.ListOpts{Availability: i, ServiceID: serviceID, RegionID: region}).AllPages(ctx)
	if err != nil {
		return fmt.Errorf("looking for the %s: %w", what, err)
	}
	found, err := endpoints.ExtractEndpoints(pages)
	if err != nil {
		return fmt.Errorf("looking for the %s: %w", what, err)
	}
	if len(found) == 0 {
		_, err = endpoints.Create(ctx, keystone, endpoints.CreateOpts{Availability: i, Region: region, ServiceID: serviceID, URL: e.URL}).Extract()
		report("%s is now %s", what, e.URL)
	} else if found[0].URL != e.URL {
		_, err = endpoints.Update(ctx, keystone, found[0].ID, endpoints.UpdateOpts{URL: e.URL}).Extract()
		report("%s is now %s; it was %s", what, e.URL, found[0].URL)
	}
	if err != nil {
		return fmt.Errorf("setting the %s: %w", what, err)
	}
	return nil
}
