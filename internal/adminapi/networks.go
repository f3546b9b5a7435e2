package adminapi

import (
	"errors"
	"net/http"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/neutron/adopt"
	"github.com/tricircle/tricircle/internal/pod"
)

// candidateView is a network of a pod as clients see it.
type candidateView struct {
	ID        string  `json:"id"`
	Name      string  `json:"name"`
	ProjectID string  `json:"project_id"`
	Type      string  `json:"network_type"`
	Physical  string  `json:"physical_network"`
	Segment   int64   `json:"segmentation_id"`
	External  bool    `json:"router_external"`
	Shared    bool    `json:"shared"`
	State     string  `json:"state"`
	TopID     *string `json:"top_id"`
}

// adoptionView is what an adoption has done, or would do.
type adoptionView struct {
	ID        string     `json:"id"` // at the top
	Name      string     `json:"name"`
	ProjectID string     `json:"project_id"`
	PodID     string     `json:"pod_id"`
	Region    string     `json:"region_name"`
	Type      string     `json:"network_type"`
	Spans     bool       `json:"spans_pods"`
	DryRun    bool       `json:"dry_run"`
	Pending   string     `json:"pending"`
	Steps     []stepView `json:"steps"`
}

type stepView struct {
	Kind string `json:"resource_type"`
	ID   string `json:"id"` // in the pod
	Name string `json:"name"`
	What string `json:"what"`
}

// networksOf finds the pod of a request about networks that it has.
func (a *api) networksOf(r *http.Request) (*pod.Pod, error) {
	if a.Networks == nil {
		return nil, fault.Conflict("This top has no networking service: see [networks] in its configuration.")
	}
	pods, err := a.current(r)
	if err != nil {
		return nil, err
	}
	p := pods.ByID(r.PathValue("id"))
	if p == nil {
		return nil, noPod(r.PathValue("id"))
	}
	if !p.Serves() {
		return nil, fault.Conflict("Pod %s is disabled, so it is not asked.", p.Name())
	}
	return p, nil
}

// listNetworks shows what networks a pod has, and which of them are the top's.
func (a *api) listNetworks(r *http.Request) (any, error) {
	given, err := filters(r.URL.Query(), "project_id")
	if err != nil {
		return nil, err
	}
	p, err := a.networksOf(r)
	if err != nil {
		return nil, err
	}
	found, err := a.Networks.Candidates(r.Context(), p, given["project_id"])
	if err != nil {
		return nil, err
	}
	views := make([]candidateView, len(found))
	for i, n := range found {
		views[i] = candidateView{ID: n.ID, Name: n.Name, ProjectID: n.ProjectID, Type: n.Type, Physical: n.Physical, Segment: n.Segment,
			External: n.External, Shared: n.Shared, State: n.State}
		if n.TopID != "" {
			views[i].TopID = &n.TopID
		}
	}
	return struct {
		Networks []candidateView `json:"networks"`
	}{views}, nil
}

// adoptNetwork makes the top the owner of a network that a pod has.
func (a *api) adoptNetwork(r *http.Request) (any, error) {
	var body struct {
		Network *struct {
			ID     string `json:"id"`
			DryRun bool   `json:"dry_run"`
		} `json:"network"`
	}
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	if body.Network == nil || body.Network.ID == "" {
		return nil, fault.BadRequest("The body of the request has no member id in a member network.")
	}
	p, err := a.networksOf(r)
	if err != nil {
		return nil, err
	}
	report, err := a.Networks.Adopt(r.Context(), p, body.Network.ID, body.Network.DryRun)
	if errors.Is(err, adopt.ErrNoNetwork) {
		return nil, fault.NotFound("Pod %s has no network %s.", p.Name(), body.Network.ID)
	}
	if err != nil {
		return nil, err
	}
	a.Log.InfoContext(r.Context(), "network adopted", "network", report.TopID, "pod", p.Name(), "steps", len(report.Steps),
		"dry_run", body.Network.DryRun, "pending", report.Pending)
	view := adoptionView{ID: report.TopID, Name: report.Name, ProjectID: report.ProjectID, PodID: p.ID, Region: p.Name(), Type: report.Type,
		Spans: report.Spans, DryRun: body.Network.DryRun, Pending: report.Pending, Steps: []stepView{}}
	for _, s := range report.Steps {
		view.Steps = append(view.Steps, stepView{string(s.Kind), s.ID, s.Name, s.What})
	}
	return struct {
		Network adoptionView `json:"network"`
	}{view}, nil
}
