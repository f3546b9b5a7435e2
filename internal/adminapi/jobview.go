package adminapi

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/identity"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/store"
)

// jobView is a job as clients see it. Tricircle's had id, type, project_id, resource, status and timestamp.
type jobView struct {
	ID        string            `json:"id"`
	Type      string            `json:"type"`
	ProjectID string            `json:"project_id"`
	Resource  map[string]string `json:"resource"`
	Status    string            `json:"status"`
	State     store.JobState    `json:"state"`
	Cause     string            `json:"cause"`     // why the last run failed, or what it waits for
	WaitsFor  *jobRef           `json:"waits_for"` // the job that must be done first
	Attempts  int               `json:"attempts"`  // that failed, pods that were down not counted
	Failures  int               `json:"failures"`  // in a row, those counted too
	Region    string            `json:"region_name"`
	Owner     string            `json:"owner,omitempty"` // process that runs it; for administrators
	Timestamp *string           `json:"timestamp"`       // of the last change
	CreatedAt *string           `json:"created_at"`
	StartedAt *string           `json:"started_at"`
	EndedAt   *string           `json:"ended_at"`
	RunAt     *string           `json:"run_at"` // when it is tried next; while it runs, the end of the lease
}

// jobRef names another job.
type jobRef struct {
	Type     string            `json:"type"`
	Resource map[string]string `json:"resource"`
}

// statuses are Tricircle's words for our states (tricircle/common/constants.py, JS_*).
var statuses = map[string][]store.JobState{
	"NEW":     {store.JobQueued},
	"RUNNING": {store.JobRunning},
	"FAIL":    {store.JobWaiting, store.JobParked, store.JobCancelled},
	"SUCCESS": {store.JobDone},
}

func statusOf(s store.JobState) string {
	for status, states := range statuses {
		if slices.Contains(states, s) {
			return status
		}
	}
	return ""
}

func (a *api) viewJob(j *store.Job, pods *pod.Snapshot, caller *identity.Caller) jobView {
	v := jobView{
		ID: strconv.FormatInt(j.ID, 10), Type: j.Kind, ProjectID: j.ProjectID, Resource: a.viewResource(j.Kind, j.Resource, pods),
		Status: statusOf(j.State), State: j.State, Cause: j.Cause, Attempts: j.Attempts, Failures: j.Failures,
		Timestamp: timestamp(j.UpdatedAt), CreatedAt: timestamp(j.CreatedAt), StartedAt: timestamp(j.StartedAt),
		EndedAt: timestamp(j.EndedAt), RunAt: timestamp(j.RunAt),
	}
	if p := pods.ByNum(j.PodNum); p != nil {
		v.Region = p.RegionName
	}
	if caller.IsAdmin() {
		v.Owner = j.Owner
	}
	if j.WaitsKind != "" {
		v.WaitsFor = &jobRef{j.WaitsKind, a.viewResource(j.WaitsKind, j.WaitsFor, pods)}
	}
	return v
}

const (
	podMember      = "pod_id"   // a member of resources: the id of a pod here, its number in the store
	resourceMember = "resource" // the only member of a resource of a kind that is not known here
)

// members of the resources of a kind; false if the kind is not known.
func (a *api) members(kind string) ([]string, bool) {
	for _, k := range a.Jobs.Kinds() {
		if k.Name == kind {
			return k.Members, true
		}
	}
	return nil, false
}

// viewResource names the parts of a resource.
func (a *api) viewResource(kind, resource string, pods *pod.Snapshot) map[string]string {
	names, _ := a.members(kind)
	parts := strings.Split(resource, "/")
	if len(names) != len(parts) {
		return map[string]string{resourceMember: resource}
	}
	view := map[string]string{}
	for i, name := range names {
		view[name] = parts[i]
		if num, err := strconv.ParseInt(parts[i], 10, 32); name == podMember && err == nil {
			if p := pods.ByNum(int32(num)); p != nil {
				view[name] = p.ID
			}
		}
	}
	return view
}

// parseResource is the opposite. Like Tricircle's it takes exactly the members of the schema.
func (a *api) parseResource(kind string, given map[string]string, pods *pod.Snapshot) (resource string, podNum int32, err error) {
	names, known := a.members(kind)
	if !known {
		return "", 0, fault.BadRequest("There are no jobs of type %q: see /v1.0/jobs/schemas.", kind)
	}
	if has := slices.Sorted(maps.Keys(given)); !slices.Equal(has, slices.Sorted(slices.Values(names))) {
		return "", 0, fault.BadRequest("The resource of a job of type %s has the members %s, not %s.", kind, strings.Join(names, ", "),
			strings.Join(has, ", "))
	}
	parts := make([]string, len(names))
	for i, name := range names {
		parts[i] = given[name]
		if parts[i] == "" || strings.Contains(parts[i], "/") {
			return "", 0, fault.BadRequest("The member %s of the resource is no id.", name)
		}
		if name == podMember {
			p := pods.ByID(given[name])
			if p == nil {
				return "", 0, noPod(given[name])
			}
			podNum, parts[i] = p.Num, strconv.Itoa(int(p.Num))
		}
	}
	return strings.Join(parts, "/"), podNum, nil
}

// parseJobQuery reads filters and the page. Nothing says that no job can match.
func (a *api) parseJobQuery(query url.Values, pods *pod.Snapshot, caller *identity.Caller) (f store.JobFilter, nothing bool, err error) {
	given, err := filters(query, "project_id", "type", "status", "state", "pod_id", "limit", "marker")
	if err != nil {
		return f, false, err
	}
	f.ProjectID, f.Kind = given["project_id"], given["type"]
	if !caller.IsAdmin() {
		if f.ProjectID != "" && f.ProjectID != caller.ProjectID {
			return f, false, fault.Forbidden("Only administrators see the jobs of other projects.")
		}
		f.ProjectID = caller.ProjectID
	}
	if id, has := given["pod_id"]; has {
		p := pods.ByID(id)
		if p == nil {
			return f, true, nil
		}
		f.PodNum = p.Num
	}
	if f.States, err = parseStates(given); err != nil {
		return f, false, err
	}
	limit, err := number(given, "limit", 0)
	if err != nil {
		return f, false, err
	}
	f.Limit = maxPage // also for 0, as in Tricircle
	if 0 < limit && limit < maxPage {
		f.Limit = int(limit)
	}
	f.Marker, err = number(given, "marker", 1)
	return f, false, err
}

// parseStates reads a state, or a status of Tricircle's in any case.
func parseStates(given map[string]string) ([]store.JobState, error) {
	var states []store.JobState
	if status, has := given["status"]; has {
		if states = statuses[strings.ToUpper(status)]; states == nil {
			return nil, fault.BadRequest("The status %q is unknown: it is one of new, running, fail, success.", status)
		}
	}
	state, has := given["state"]
	if !has {
		return states, nil
	}
	if statusOf(store.JobState(state)) == "" {
		return nil, fault.BadRequest("The state %q is unknown: it is one of queued, running, waiting, parked, done, cancelled.", state)
	}
	if states != nil && !slices.Contains(states, store.JobState(state)) {
		return nil, fault.BadRequest("No job of state %s has the status %s.", state, given["status"])
	}
	return []store.JobState{store.JobState(state)}, nil
}
