package adminapi

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/identity"
	"github.com/tricircle/tricircle/internal/store"
)

func noJob(id string) error { return fault.NotFound("Job %s could not be found.", id) }

// listJobs shows live jobs and history, the newest first. Who is no administrator sees those of the own project.
func (a *api) listJobs(r *http.Request) (any, error) {
	pods, err := a.current(r)
	if err != nil {
		return nil, err
	}
	query, nothing, err := a.parseJobQuery(r.URL.Query(), pods, identity.FromContext(r.Context()))
	if err != nil {
		return nil, err
	}
	page := struct {
		Jobs  []jobView `json:"jobs"`
		Links []link    `json:"jobs_links,omitempty"`
	}{Jobs: []jobView{}}
	if nothing {
		return page, nil
	}
	rows, err := a.Store.ListJobs(r.Context(), query)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		page.Jobs = append(page.Jobs, a.viewJob(&row, pods, identity.FromContext(r.Context())))
	}
	if len(rows) == query.Limit {
		page.Links = []link{{"next", a.Public(r) + "/v1.0/jobs?" + after(r.URL.Query(), rows[len(rows)-1].ID)}}
	}
	return page, nil
}

// jobSchema has the form of Tricircle's (tricircle/api/controllers/job.py, Ussuri).
type jobSchema struct {
	Type     string   `json:"type"`
	Resource []string `json:"resource"`
}

// listJobSchemas tells which types of jobs there are, and what members their resources have.
func (a *api) listJobSchemas(*http.Request) (any, error) {
	schemas := []jobSchema{}
	for _, k := range a.Jobs.Kinds() {
		schemas = append(schemas, jobSchema{k.Name, append([]string{}, k.Members...)})
	}
	return map[string][]jobSchema{"schemas": schemas}, nil
}

func (a *api) showJob(r *http.Request) (any, error) {
	j, err := a.findJob(r)
	if err != nil {
		return nil, err
	}
	return a.oneJob(r, j)
}

// findJob is the job of the path, if the caller may see it.
func (a *api) findJob(r *http.Request) (store.Job, error) {
	missing := noJob(r.PathValue("id"))
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return store.Job{}, missing
	}
	j, err := a.Store.GetJob(r.Context(), id)
	caller := identity.FromContext(r.Context())
	if errors.Is(err, store.ErrNotFound) || err == nil && !caller.IsAdmin() && j.ProjectID != caller.ProjectID {
		return store.Job{}, missing
	}
	return j, err
}

func (a *api) oneJob(r *http.Request, j store.Job) (any, error) {
	pods, err := a.current(r)
	if err != nil {
		return nil, err
	}
	return map[string]jobView{"job": a.viewJob(&j, pods, identity.FromContext(r.Context()))}, nil
}

// createJob asks for a job, or joins it if it is live already.
func (a *api) createJob(r *http.Request) (any, error) {
	var body struct {
		Job *struct {
			Type      string            `json:"type"`
			ProjectID string            `json:"project_id"`
			Resource  map[string]string `json:"resource"`
		} `json:"job"`
	}
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	if body.Job == nil || body.Job.Type == "" || body.Job.ProjectID == "" {
		return nil, fault.BadRequest("The body of the request needs the members type and project_id in a member job.")
	}
	pods, err := a.current(r)
	if err != nil {
		return nil, err
	}
	resource, podNum, err := a.parseResource(body.Job.Type, body.Job.Resource, pods)
	if err != nil {
		return nil, err
	}
	rows, err := a.Store.EnqueueJobs(r.Context(), store.NewJob{Kind: body.Job.Type, Resource: resource, ProjectID: body.Job.ProjectID,
		PodNum: podNum})
	if err != nil {
		return nil, err
	}
	a.Jobs.Wake()
	return a.oneJob(r, rows[0])
}

// redoJob makes a job run as soon as possible. Like Tricircle's it refuses what runs, and what has succeeded.
func (a *api) redoJob(r *http.Request) (any, error) {
	j, err := a.findJob(r)
	if err != nil {
		return nil, err
	}
	j, err = a.Store.RedoJob(r.Context(), j.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, fault.BadRequest("Job %s has ended and cannot be redone: create it again.", r.PathValue("id"))
	case errors.Is(err, store.ErrJobBusy):
		return nil, fault.BadRequest("Job %s is running.", r.PathValue("id"))
	case err != nil:
		return nil, err
	}
	a.Jobs.Wake()
	return a.oneJob(r, j)
}

// cancelJob ends a job, or asks its runner to stop, which it does within a third of a lease.
func (a *api) cancelJob(r *http.Request) (any, error) {
	j, err := a.findJob(r)
	if err != nil {
		return nil, err
	}
	if j, err = a.Store.CancelJob(r.Context(), j.ID); errors.Is(err, store.ErrNotFound) {
		return nil, fault.BadRequest("Job %s has ended.", r.PathValue("id"))
	}
	if err != nil {
		return nil, err
	}
	return a.oneJob(r, j)
}

// deleteJob is Tricircle's: it does not touch what runs, nor history.
func (a *api) deleteJob(r *http.Request) (any, error) {
	j, err := a.findJob(r)
	if err != nil {
		return nil, err
	}
	if j.State == store.JobRunning {
		return nil, fault.BadRequest("Job %s is running: cancel it.", r.PathValue("id"))
	}
	if _, err := a.cancelJob(r); err != nil {
		return nil, err
	}
	return struct{}{}, nil
}
