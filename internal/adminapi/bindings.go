package adminapi

import (
	"errors"
	"net/http"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/store"
)

// bindingView is a binding as clients see it.
type bindingView struct {
	ProjectID  string  `json:"project_id"`
	PodID      string  `json:"pod_id"`
	RegionName string  `json:"region_name"`
	CreatedAt  *string `json:"created_at"`
	UpdatedAt  *string `json:"updated_at"`
}

type oneBinding struct {
	Binding bindingView `json:"binding"`
}

func viewBinding(b *store.Binding, p *pod.Pod) bindingView {
	return bindingView{ProjectID: b.ProjectID, PodID: p.ID, RegionName: p.RegionName,
		CreatedAt: timestamp(b.CreatedAt), UpdatedAt: timestamp(b.UpdatedAt)}
}

func noBinding(project string) error {
	return fault.NotFound("Project %s is not bound to a pod.", project)
}

func (a *api) listBindings(r *http.Request) (any, error) {
	given, err := filters(r.URL.Query(), "pod_id", "limit", "marker")
	if err != nil {
		return nil, err
	}
	limit, err := number(given, "limit", 1)
	if err != nil {
		return nil, err
	}
	if limit == 0 || limit > maxPage {
		limit = maxPage
	}
	pods, err := a.current(r)
	if err != nil {
		return nil, err
	}
	page := struct {
		Bindings []bindingView `json:"bindings"`
		Links    []link        `json:"bindings_links,omitempty"`
	}{Bindings: []bindingView{}}
	var podNum int32
	if id, has := given["pod_id"]; has {
		p := pods.ByID(id)
		if p == nil {
			return page, nil
		}
		podNum = p.Num
	}
	rows, err := a.Store.ListBindings(r.Context(), podNum, given["marker"], int(limit))
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if p := pods.ByNum(row.PodNum); p != nil {
			page.Bindings = append(page.Bindings, viewBinding(&row, p))
		}
	}
	if len(rows) == int(limit) {
		query := r.URL.Query()
		query.Set("marker", rows[len(rows)-1].ProjectID)
		page.Links = []link{{"next", a.Public(r) + "/v1.0/bindings?" + query.Encode()}}
	}
	return page, nil
}

func (a *api) showBinding(r *http.Request) (any, error) {
	project := r.PathValue("project_id")
	b, err := a.Store.GetBinding(r.Context(), project)
	if errors.Is(err, store.ErrNotFound) {
		return nil, noBinding(project)
	}
	if err != nil {
		return nil, err
	}
	pods, err := a.current(r)
	if err != nil {
		return nil, err
	}
	p := pods.ByNum(b.PodNum)
	if p == nil { // it was deleted just now, and the binding with it
		return nil, noBinding(project)
	}
	return oneBinding{viewBinding(&b, p)}, nil
}

// setBinding moves where a project's next resources go. What it has stays where it is.
func (a *api) setBinding(r *http.Request) (any, error) {
	var body struct {
		Binding *struct {
			PodID string `json:"pod_id"`
		} `json:"binding"`
	}
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	if body.Binding == nil || body.Binding.PodID == "" {
		return nil, fault.BadRequest("The body of the request has no member pod_id in a member binding.")
	}
	pods, err := a.current(r)
	if err != nil {
		return nil, err
	}
	p := pods.ByID(body.Binding.PodID)
	if p == nil {
		return nil, noPod(body.Binding.PodID)
	}
	b, err := a.Store.RebindProject(r.Context(), r.PathValue("project_id"), p.Num)
	if errors.Is(err, store.ErrNotFound) {
		return nil, noPod(p.ID)
	}
	if err != nil {
		return nil, err
	}
	a.Log.InfoContext(r.Context(), "project bound", "project", b.ProjectID, "pod", p.Name())
	return oneBinding{viewBinding(&b, p)}, nil
}

// deleteBinding lets the next create without a zone choose anew.
func (a *api) deleteBinding(r *http.Request) (any, error) {
	project := r.PathValue("project_id")
	err := a.Store.UnbindProject(r.Context(), project)
	if errors.Is(err, store.ErrNotFound) {
		return nil, noBinding(project)
	}
	if err != nil {
		return nil, err
	}
	a.Log.InfoContext(r.Context(), "project unbound", "project", project)
	return struct{}{}, nil
}
