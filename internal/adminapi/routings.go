package adminapi

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/identity"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/routing"
	"github.com/tricircle/tricircle/internal/store"
)

// routingView is a routing as clients see it.
type routingView struct {
	ID           *int64  `json:"id"` // of the row; null if the table has none
	TopID        string  `json:"top_id"`
	BottomID     string  `json:"bottom_id"`
	PodID        string  `json:"pod_id"`
	RegionName   string  `json:"region_name"`
	ProjectID    string  `json:"project_id"` // empty when not known
	ResourceType string  `json:"resource_type"`
	CreatedAt    *string `json:"created_at"` // of the resource
	UpdatedAt    *string `json:"updated_at"` // of the row
}

func viewRouting(row *store.Routing, p *pod.Pod) routingView {
	v := routingView{
		TopID: row.TopID, BottomID: row.BottomID, PodID: p.ID, RegionName: p.RegionName, ProjectID: row.ProjectID,
		ResourceType: row.Type.String(), CreatedAt: timestamp(row.CreatedAt), UpdatedAt: timestamp(row.UpdatedAt),
	}
	if row.ID != 0 {
		v.ID = &row.ID
	}
	return v
}

type oneRouting struct {
	Routing routingView `json:"routing"`
}

func (a *api) listRoutings(r *http.Request) (any, error) {
	pods, err := a.current(r)
	if err != nil {
		return nil, err
	}
	query, err := parseRoutingQuery(r.URL.Query(), pods)
	if err != nil {
		return nil, err
	}
	var rows []store.Routing
	if !query.nothing {
		if rows, err = a.Store.ListRoutings(r.Context(), query.RoutingFilter); err != nil {
			return nil, err
		}
	}
	page := struct {
		Routings []routingView `json:"routings"`
		Links    []link        `json:"routings_links,omitempty"`
	}{Routings: []routingView{}}
	for _, row := range rows {
		// Rows of a pod that was deleted may be left for a while.
		if p := pods.ByNum(row.PodNum); p != nil && (query.id == 0 || query.id == row.ID) {
			page.Routings = append(page.Routings, viewRouting(&row, p))
		}
	}
	if len(rows) == query.Limit && query.id == 0 {
		page.Links = []link{{"next", a.Public(r) + "/v1.0/routings?" + after(r.URL.Query(), rows[len(rows)-1].ID)}}
	}
	return page, nil
}

func after(query url.Values, id int64) string {
	query.Set("marker", strconv.FormatInt(id, 10))
	return query.Encode()
}

func (a *api) showRouting(r *http.Request) (any, error) {
	missing := fault.NotFound("Routing %s could not be found.", r.PathValue("id"))
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return nil, missing
	}
	row, err := a.Store.GetRouting(r.Context(), id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, missing
	}
	if err != nil {
		return nil, err
	}
	pods, err := a.current(r)
	if err != nil {
		return nil, err
	}
	p := pods.ByNum(row.PodNum)
	if p == nil {
		return nil, missing
	}
	return oneRouting{viewRouting(&row, p)}, nil
}

// looked up are the types that a lookup without a type goes through, the likeliest first.
var lookedUp = []store.ResourceType{store.Server, store.Volume, store.Snapshot, store.Backup}

// lookupRouting tells where a resource lives. As users' requests do, it asks the pods for what the table does not know.
func (a *api) lookupRouting(r *http.Request) (any, error) {
	given, err := filters(r.URL.Query(), "id", "resource_type")
	if err != nil {
		return nil, err
	}
	types := lookedUp
	if name, has := given["resource_type"]; has {
		typ, err := parseType(name)
		if err != nil {
			return nil, err
		}
		types = []store.ResourceType{typ}
	}
	id, ok := routing.ParseID(given["id"])
	if !ok {
		return nil, fault.NotFound("No pod can have a resource %q: it is no UUID.", given["id"])
	}
	if _, err := a.current(r); err != nil {
		return nil, err
	}
	typ, p, err := a.locate(r, types, id)
	if errors.Is(err, routing.ErrNotFound) {
		return nil, fault.NotFound("Resource %s could not be found in any pod.", id)
	}
	if err != nil {
		return nil, err
	}
	return a.located(r, typ, id, p)
}

// locate goes through the table for all types before it asks pods for any. A pod that does not answer matters only if the
// resource is found nowhere else.
func (a *api) locate(r *http.Request, types []store.ResourceType, id string) (store.ResourceType, *pod.Pod, error) {
	for _, typ := range types {
		if p, err := a.Routing.Known(r.Context(), typ, id); p != nil || err != nil {
			return typ, p, err
		}
	}
	verdict := routing.ErrNotFound
	for _, typ := range types {
		p, err := a.Routing.Find(r.Context(), identity.FromContext(r.Context()), typ, id)
		if err == nil {
			return typ, p, nil
		}
		if _, unavailable := errors.AsType[*pod.UnavailableError](err); !unavailable && !errors.Is(err, routing.ErrNotFound) {
			return typ, nil, err
		}
		if errors.Is(verdict, routing.ErrNotFound) {
			verdict = err
		}
	}
	return 0, nil, verdict
}

// located renders the row of a resource. The table may have lost it since it was remembered; where it lives is true still.
func (a *api) located(r *http.Request, typ store.ResourceType, id string, p *pod.Pod) (any, error) {
	rows, err := a.Store.LookupRouting(r.Context(), typ, id)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if row.PodNum == p.Num {
			return oneRouting{viewRouting(&row, p)}, nil
		}
	}
	return oneRouting{viewRouting(&store.Routing{Type: typ, TopID: id, BottomID: id}, p)}, nil
}
