package routing

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"

	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/store"
)

// rebuilt are the types that a pod can list for all projects; the others are found again when they are asked for.
var rebuilt = []store.ResourceType{store.Server, store.Volume, store.Snapshot, store.Backup}

// Rebuild reads everything that the pod lists, with an administrator's token, and records its routings. It returns how
// many there are of each type, also when it fails half-way: running it again does no harm.
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
	marker := ""
	for {
		tok, err := token(ctx) // anew for each page: a rebuild may outlive a token
		if err != nil {
			return total, err
		}
		page, err := listPage(ctx, p, places[typ], tok, marker)
		if err != nil || len(page) == 0 {
			return total, err
		}
		rows := make([]store.Routing, len(page))
		for i, s := range page {
			rows[i] = s.routing(typ, p.Num)
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
