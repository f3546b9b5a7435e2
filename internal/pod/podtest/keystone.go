package podtest

import (
	"context"
	"slices"
	"sync"

	"github.com/tricircle/tricircle/internal/identity"
	"github.com/tricircle/tricircle/internal/pod"
)

// Keystone is a pod.Keystone. Like the real one it keeps the catalog that it has read once, until Refresh.
type Keystone struct {
	mu      sync.Mutex
	failure error
	current []identity.Endpoint // as an administrator of Keystone has it
	read    []identity.Endpoint // as the top has read it
	isRead  bool
}

var _ pod.Keystone = (*Keystone)(nil)

// Add adds an endpoint, in place of the one that the region has of that service.
func (k *Keystone) Add(region, service, url string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.current = append(without(k.current, region, service),
		identity.Endpoint{ServiceType: service, Interface: "public", Region: region, RegionID: region, URL: url})
}

// Remove removes all endpoints of a region.
func (k *Keystone) Remove(region string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.current = without(k.current, region, "")
}

// Fail makes every call fail with err, nil none.
func (k *Keystone) Fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.failure = err
}

// Catalog implements pod.Keystone.
func (k *Keystone) Catalog(ctx context.Context) ([]identity.Endpoint, error) {
	k.mu.Lock()
	read := k.isRead
	k.mu.Unlock()
	if !read {
		if err := k.Refresh(ctx); err != nil {
			return nil, err
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.read, nil
}

// Refresh implements pod.Keystone.
func (k *Keystone) Refresh(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failure != nil {
		return k.failure
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	k.read, k.isRead = k.current, true
	return nil
}

// ServiceToken implements pod.Keystone.
func (k *Keystone) ServiceToken(context.Context) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return "service-token", k.failure
}

// without returns the rows that are not of a region, or, with a service, not of that service of it.
func without(rows []identity.Endpoint, region, service string) []identity.Endpoint {
	return slices.DeleteFunc(slices.Clone(rows), func(e identity.Endpoint) bool {
		return e.RegionID == region && (service == "" || e.ServiceType == service)
	})
}
