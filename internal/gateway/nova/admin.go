package nova

import (
	"net/url"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/microversion"
	"github.com/tricircle/tricircle/internal/store"
)

// The microversions from which pages of administrators' lists go by UUIDs, and the last in which hypervisors have no pages.
var (
	hypervisorsPagedFrom = microversion.MustParse("2.53")
	hypervisorsWhole     = microversion.MustParse("2.32")
	migrationsPagedFrom  = microversion.MustParse("2.59")
)

// hypervisors is the list at a path, in which the pods come one after another: Nova orders by a number that no row shows.
func hypervisors(from string) *gateway.Collection {
	return &gateway.Collection{
		From: from, Member: "hypervisors", Path: "/os-hypervisors", Type: store.Hypervisor, Min: hypervisorsPagedFrom,
		Whole: hypervisorsWhole, Parse: parseHypervisors, UnknownMarker: unknownMarker,
	}
}

// parseHypervisors knows that a search by name has no pages (nova/api/openstack/compute/hypervisors.py, _get_hypervisors).
func parseHypervisors(c *gateway.Call) (*gateway.ListQuery, error) {
	q, err := parsePage(c)
	if err != nil || !c.Query.Has("hypervisor_hostname_pattern") || c.Version.Less(hypervisorsPagedFrom) {
		return q, err
	}
	if c.Query.Has("limit") || q.Marker != "" {
		return nil, fault.BadRequest("Paging over hypervisors with the hypervisor_hostname_pattern query parameter is not supported.")
	}
	q.Whole = true
	return q, nil
}

// migrations are newest first, and then by a number of the pod. Their markers are UUIDs, by which Nova shows nothing.
func migrations() *gateway.Collection {
	return &gateway.Collection{
		From: "/os-migrations", Member: "migrations", ID: "uuid", Type: store.Migration, Created: []string{"created_at"},
		Min: migrationsPagedFrom, Unshown: true, UnknownMarker: unknownMarker,
		Parse: func(c *gateway.Call) (*gateway.ListQuery, error) {
			q, err := parsePage(c)
			if err != nil {
				return nil, err
			}
			q.Keys = []gateway.SortKey{{Path: []string{"created_at"}, Kind: gateway.Time, Desc: true}, {Desc: true}}
			q.ByCreation = true
			if id := c.Query.Get("instance_uuid"); id != "" {
				q.Beside = []gateway.Resource{{Type: store.Server, ID: id}}
			}
			return q, nil
		},
	}
}

// parsePage reads the parameters of a list that has pages and no order to choose.
func parsePage(c *gateway.Call) (*gateway.ListQuery, error) {
	limit, err := pageNumber(c.Query, "limit", maxLimit)
	q := &gateway.ListQuery{Params: url.Values{}, Limit: min(limit, maxLimit), Marker: c.Query.Get("marker"), Keys: []gateway.SortKey{{}}}
	for k, vs := range c.Query {
		if k != "limit" && k != "marker" {
			q.Params[k] = vs
		}
	}
	return q, err
}

func unknownMarker(marker string) *fault.Error {
	return fault.BadRequest("marker [%s] not found", marker)
}
