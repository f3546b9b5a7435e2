package adminapi

import (
	"errors"
	"net/http"
	"sync"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/obs"
	"github.com/tricircle/tricircle/internal/pod"
)

// rebuilt is the outcome for one pod.
type rebuilt struct {
	RegionName string         `json:"region_name"`
	Counts     map[string]int `json:"counts"` // resources found, by type
	Error      string         `json:"error"`  // what ended it early
}

// rebuildRoutings reads the resources of one pod or of all into the table. One pod's failure is told in its place, since
// what the others have is recorded nevertheless.
func (a *api) rebuildRoutings(r *http.Request) (any, error) {
	var body struct {
		PodID string `json:"pod_id"`
	}
	if err := decode(r, &body); err != nil && !errors.Is(err, errNoBody) {
		return nil, err
	}
	pods, err := a.current(r)
	if err != nil {
		return nil, err
	}
	chosen := pods.Serving()
	if body.PodID != "" {
		p := pods.ByID(body.PodID)
		if p == nil {
			return nil, noPod(body.PodID)
		}
		if !p.Serves() {
			return nil, fault.Conflict("Pod %s is disabled, so it is not asked.", p.Name())
		}
		chosen = []*pod.Pod{p}
	}
	results := make([]rebuilt, len(chosen))
	var wg sync.WaitGroup
	for i, p := range chosen {
		wg.Go(func() { results[i] = a.rebuild(r, p) })
	}
	wg.Wait()
	return struct {
		Rebuild []rebuilt `json:"rebuild"`
	}{results}, nil
}

func (a *api) rebuild(r *http.Request, p *pod.Pod) rebuilt {
	ctx := obs.WithPod(r.Context(), p.Name())
	counts, err := a.Routing.Rebuild(ctx, p, a.ServiceToken)
	result := rebuilt{RegionName: p.Name(), Counts: counts}
	if err != nil {
		a.Log.WarnContext(ctx, "routings were not rebuilt whole", obs.KeyError, err)
		result.Error = err.Error()
	}
	return result
}
