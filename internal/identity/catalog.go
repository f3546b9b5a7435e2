package identity

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// Endpoint is one row of Keystone's catalog.
type Endpoint struct {
	ServiceType string // compute, volumev3, network, image...
	Interface   string // public, internal or admin
	Region      string // name; of late the same as RegionID
	RegionID    string
	URL         string // without the project at its end that the catalog puts into it, and without a final slash
}

// Catalog is the catalog as the service user sees it, read once; Refresh reads it anew. It is read only.
func (k *Keystone) Catalog(ctx context.Context) ([]Endpoint, error) {
	if c := k.catalog.Load(); c != nil {
		return *c, nil
	}
	return k.readCatalog(ctx)
}

// Refresh reads the catalog anew. If that fails, the one before stays.
func (k *Keystone) Refresh(ctx context.Context) error {
	_, err := k.readCatalog(ctx)
	return err
}

func (k *Keystone) readCatalog(ctx context.Context) ([]Endpoint, error) {
	endpoints, err := share(ctx, k, "catalog", func(ctx context.Context) ([]Endpoint, error) {
		endpoints, err := k.fetchCatalog(ctx)
		if err == nil {
			k.catalog.Store(&endpoints)
		}
		return endpoints, err
	})
	if err != nil {
		return nil, fmt.Errorf("keystone: catalog: %w", err)
	}
	return endpoints, nil
}

func (k *Keystone) fetchCatalog(ctx context.Context) ([]Endpoint, error) {
	var answer struct {
		Catalog []struct {
			Type      string `json:"type"`
			Endpoints []struct {
				Interface string `json:"interface"`
				Region    string `json:"region"`
				RegionID  string `json:"region_id"`
				URL       string `json:"url"`
			} `json:"endpoints"`
		} `json:"catalog"`
	}
	if err := k.get(ctx, "/auth/catalog", http.Header{}, &answer); err != nil {
		return nil, err
	}
	s, err := k.login(ctx)
	if err != nil {
		return nil, err
	}
	var all []Endpoint
	for _, service := range answer.Catalog {
		for _, e := range service.Endpoints {
			all = append(all, Endpoint{ServiceType: service.Type, Interface: e.Interface, Region: e.Region, RegionID: e.RegionID,
				URL: withoutProject(e.URL, s.projectID)})
		}
	}
	return all, nil
}

// withoutProject cuts the service user's project off a URL: callers need the address for every project, and put in theirs.
func withoutProject(url, projectID string) string {
	url = strings.TrimRight(url, "/")
	if projectID == "" {
		return url
	}
	return strings.TrimSuffix(url, "/"+projectID)
}
