package routing

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/store"
)

// rebuilt are the types that a pod can list for all projects; the others are found again when they are asked for.
var rebuilt = []store.ResourceType{store.Server, store.Volume, store.Snapshot, store.Backup}

// Rebuild reads everything that the pod lists, with an administrator's token, and records its routings; servers that it does
// not list any more are marked deleted. It returns how many there are of each type, also when it fails half-way: running it again does no harm.
func (t *Table) Rebuild(ctx context.Context, p *pod.Pod, token func(context.Context) (string, error)) (map[string]int, error) {
	counts := map[string]int{}
	for _, typ := range rebuilt {
		if _, ok := p.Endpoint(places[typ].service); !ok {
			continue
		}
		n, err := t.rebuildType(ctx, p, typ, token)
		counts[typ.String()] = n
		if err != nil {
			return counts, fmt.Errorf("reading the %ss of pod %s: %w", typ, p.Name(), err)
		}
	}
	return counts, nil
}

func (t *Table) rebuildType(ctx context.Context, p *pod.Pod, typ store.ResourceType,
	token func(context.Context) (string, error)) (total int, err error) {
	newest, err := t.newest(ctx, p)
	if err != nil {
		return 0, err
	}
	marker, listed := "", map[string]bool{}
	for {
		tok, err := token(ctx) // anew for each page: a rebuild may outlive a token
		if err != nil {
			return total, err
		}
		page, err := listPage(ctx, p, places[typ], tok, marker)
		if err != nil {
			return total, err
		}
		if len(page) == 0 && typ == store.Server {
			return total, t.bury(ctx, p, newest, listed)
		}
		if len(page) == 0 {
			return total, nil
		}
		rows := make([]store.Routing, len(page))
		for i, s := range page {
			rows[i] = s.routing(typ, p.Num)
			listed[s.ID] = true
		}
		if err := t.Record(ctx, slices.DeleteFunc(rows, func(r store.Routing) bool { _, ok := ParseID(r.TopID); return !ok })...); err != nil {
			return total, err
		}
		total += len(page)
		if last := page[len(page)-1].ID; last != marker {
			marker = last
			continue
		}
		return total, fmt.Errorf("the list does not advance past %s", marker)
	}
}

// bury marks the servers that a pod has not listed as deleted, of the rows up to newest: others may be of what was made since the list
// was read. It is for servers only, since Cinder takes all_tenants from those who are no administrators without a word.
func (t *Table) bury(ctx context.Context, p *pod.Pod, newest int64, listed map[string]bool) error {
	f := store.RoutingFilter{Type: store.Server, PodNum: p.Num, Marker: newest + 1, Limit: 1000}
	for {
		rows, err := t.store.ListRoutings(ctx, f)
		if err != nil {
			return err
		}
		var gone []store.Routing
		for _, r := range rows {
			if f.Marker = r.ID; !listed[r.TopID] && r.DeletedAt.IsZero() {
				r.DeletedAt = time.Now()
				gone = append(gone, r)
			}
		}
		if err := t.Record(ctx, gone...); err != nil || len(rows) < f.Limit {
			return err
		}
	}
}

// newest returns the highest number of a pod's rows, 0 if it has none.
func (t *Table) newest(ctx context.Context, p *pod.Pod) (int64, error) {
	rows, err := t.store.ListRoutings(ctx, store.RoutingFilter{PodNum: p.Num, Limit: 1})
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	return rows[0].ID, nil
}

func listPage(ctx context.Context, p *pod.Pod, pl place, token, marker string) ([]shown, error) {
	base, _ := p.Endpoint(pl.service)
	query := url.Values{"all_tenants": {"1"}, "limit": {"1000"}}
	if marker != "" {
		query.Set("marker", marker)
	}
	body, err := get(ctx, p, pl, base.String()+"/"+pl.collection+"/detail?"+query.Encode(), token)
	if err != nil {
		return nil, err
	}
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, err
	}
	var rows []shown
	if err := json.Unmarshal(doc[pl.collection], &rows); err != nil {
		return nil, fmt.Errorf("member %q: %w", pl.collection, err)
	}
	return rows, nil
}
