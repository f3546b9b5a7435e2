package adminapi

import (
	"math"
	"net/url"
	"strconv"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/routing"
	"github.com/tricircle/tricircle/internal/store"
)

// maxPage is Tricircle's pagination_max_limit (tricircle/api/app.py).
const maxPage = 2000

// routingQuery is what a client wants to see of the routings.
type routingQuery struct {
	store.RoutingFilter
	id      int64 // only this row, which is the first of what RoutingFilter matches, or not there; 0: all
	nothing bool  // nothing can match
}

func parseRoutingQuery(query url.Values, pods *pod.Snapshot) (q routingQuery, err error) {
	given, err := filters(query, "id", "top_id", "bottom_id", "pod_id", "project_id", "resource_type", "limit", "marker")
	if err != nil {
		return q, err
	}
	q.TopID, q.BottomID, q.ProjectID = canonical(given["top_id"]), canonical(given["bottom_id"]), given["project_id"]
	if name, has := given["resource_type"]; has {
		if q.Type, err = parseType(name); err != nil {
			return q, err
		}
	}
	if id, has := given["pod_id"]; has {
		if p := pods.ByID(id); p != nil {
			q.PodNum = p.Num
		} else {
			q.nothing = true
		}
	}
	return q, q.parsePage(given)
}

func (q *routingQuery) parsePage(given map[string]string) error {
	limit, err := number(given, "limit", 0)
	if err != nil {
		return err
	}
	q.Limit = maxPage // also for 0, as in Tricircle
	if 0 < limit && limit < maxPage {
		q.Limit = int(limit)
	}
	if q.Marker, err = number(given, "marker", 1); err != nil {
		return err
	}
	if q.id, err = number(given, "id", 1); err != nil || q.id == 0 {
		return err
	}
	q.nothing = q.nothing || q.Marker != 0 && q.Marker <= q.id
	q.Marker, q.Limit = q.id+1, 1
	return nil
}

// number reads a parameter that is an integer of at least least; 0 if it is not given.
func number(given map[string]string, name string, least int64) (int64, error) {
	text, ok := given[name]
	if !ok {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n == math.MaxInt64 {
		return 0, fault.BadRequest("%s must be an integer of at least %d, not %q.", name, least, text)
	}
	return n, nil
}

func parseType(name string) (store.ResourceType, error) {
	typ, ok := store.ParseResourceType(name)
	if !ok {
		return 0, fault.BadRequest("The resource_type %q is unknown.", name)
	}
	return typ, nil
}

// canonical is the id as the table has it. What is no UUID stays, and matches nothing.
func canonical(id string) string {
	if c, ok := routing.ParseID(id); ok {
		return c
	}
	return id
}
