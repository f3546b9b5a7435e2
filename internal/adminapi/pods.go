package adminapi

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/obs"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/store"
)

type onePod struct {
	Pod podView `json:"pod"`
}

// current is the picture of the pods with what other processes have changed a moment ago.
func (a *api) current(r *http.Request) (*pod.Snapshot, error) {
	if err := a.Pods.Reload(r.Context()); err != nil {
		return nil, err
	}
	return a.Pods.Snapshot(), nil
}

// find returns the row that the path of r names, and its pod, which is nil if the row is the top.
func (a *api) find(r *http.Request) (store.Pod, *pod.Pod, error) {
	pods, err := a.current(r)
	if err != nil {
		return store.Pod{}, nil, err
	}
	id := r.PathValue("id")
	if top := pods.Top(); top != nil && top.ID == id {
		return *top, nil, nil
	}
	if p := pods.ByID(id); p != nil {
		return p.Pod, p, nil
	}
	return store.Pod{}, nil, noPod(id)
}

func noPod(id string) error { return fault.NotFound("Pod %s could not be found.", id) }

// shown renders the row with that id as it is now.
func (a *api) shown(id string) (any, error) {
	pods := a.Pods.Snapshot()
	if top := pods.Top(); top != nil && top.ID == id {
		return onePod{viewRow(top)}, nil
	}
	if p := pods.ByID(id); p != nil {
		return onePod{viewPod(pods, p)}, nil
	}
	return nil, noPod(id) // another administrator was quicker
}

func (a *api) createPod(r *http.Request) (any, error) {
	body, err := decodePod(r)
	if err != nil {
		return nil, err
	}
	row := store.Pod{ID: a.NewID(), State: store.PodEnabled}
	if err := body.apply(&row); err != nil {
		return nil, err
	}
	created, err := a.Pods.Create(r.Context(), row)
	if err != nil {
		return nil, err
	}
	a.Log.InfoContext(r.Context(), "pod registered", obs.KeyPod, created.RegionName, "state", created.State)
	return a.shown(created.ID)
}

func (a *api) listPods(r *http.Request) (any, error) {
	filter, err := filters(r.URL.Query(), "region_name", "az_name", "dc_name", "state")
	if err != nil {
		return nil, err
	}
	pods, err := a.current(r)
	if err != nil {
		return nil, err
	}
	views := []podView{}
	if top := pods.Top(); top != nil && matches(top, filter) {
		views = append(views, viewRow(top))
	}
	for _, p := range pods.All() {
		if matches(&p.Pod, filter) {
			views = append(views, viewPod(pods, p))
		}
	}
	return struct {
		Pods []podView `json:"pods"`
	}{views}, nil
}

// filters refuses parameters that are not known: a list that ignored one would show too much.
func filters(query url.Values, known ...string) (map[string]string, error) {
	given := map[string]string{}
	for _, name := range known {
		if query.Has(name) {
			given[name] = query.Get(name)
			delete(query, name)
		}
	}
	for name := range query {
		return nil, fault.BadRequest("The filter %s is not supported.", name)
	}
	return given, nil
}

func matches(row *store.Pod, filter map[string]string) bool {
	for name, value := range filter {
		switch name {
		case "region_name":
			if row.RegionName != value {
				return false
			}
		case "dc_name":
			if row.DCName != value {
				return false
			}
		case "state":
			if string(row.State) != value {
				return false
			}
		case "az_name":
			if !hasZone(row, value) {
				return false
			}
		}
	}
	return true
}

func (a *api) showPod(r *http.Request) (any, error) {
	row, _, err := a.find(r)
	if err != nil {
		return nil, err
	}
	return a.shown(row.ID)
}

func (a *api) updatePod(r *http.Request) (any, error) {
	body, err := decodePod(r)
	if err != nil {
		return nil, err
	}
	row, _, err := a.find(r)
	if err != nil {
		return nil, err
	}
	wasTop := row.IsTop()
	if err := body.apply(&row); err != nil {
		return nil, err
	}
	if row.IsTop() != wasTop {
		return nil, fault.BadRequest("A pod cannot become the top by losing its availability zones, nor the top a pod: " +
			"delete it and create it anew.")
	}
	if err := a.Pods.Update(r.Context(), row); err != nil {
		return nil, err
	}
	a.Log.InfoContext(r.Context(), "pod changed", obs.KeyPod, row.RegionName, "state", row.State)
	return a.shown(row.ID)
}

func (a *api) deletePod(r *http.Request) (any, error) {
	row, _, err := a.find(r)
	if err != nil {
		return nil, err
	}
	if err := a.Pods.Delete(r.Context(), row); err != nil {
		return nil, err
	}
	a.Log.InfoContext(r.Context(), "pod deleted", obs.KeyPod, row.RegionName)
	return struct{}{}, nil
}

// check is the outcome of trying a pod now.
type check struct {
	OK       bool         `json:"ok"`
	Reason   string       `json:"reason"` // why not
	Versions versionsView `json:"versions"`
	Duration int64        `json:"duration_ms"` // of the whole check: catalog, version documents and zones
}

// checkPod tries whether the pod could be registered as it is. If it serves, its health is probed too, so that what shows
// the pod next agrees with the outcome.
func (a *api) checkPod(r *http.Request) (any, error) {
	row, p, err := a.find(r)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, fault.BadRequest("The top is not checked: it is no pod.")
	}
	if p.Serves() {
		a.Pods.Probe(r.Context(), p)
	}
	start := a.Pods.Now()
	versions, err := a.Pods.Check(r.Context(), row)
	result := check{OK: err == nil, Versions: viewVersions(versions[pod.Compute], versions[pod.Volume]),
		Duration: a.Pods.Now().Sub(start).Milliseconds()}
	if refused, ok := errors.AsType[*pod.RefusedError](err); ok {
		result.Reason = refused.Reason
	} else if err != nil {
		return nil, fault.Unavailable(err, "Keystone does not answer as it must, so the pod cannot be checked.")
	}
	return struct {
		Check check `json:"check"`
	}{result}, nil
}
