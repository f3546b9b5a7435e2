package gateway

import (
	"bytes"
	"encoding/json"
	"net/http"

	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/routing"
	"github.com/tricircle/tricircle/internal/store"
)

// learnFate takes from the answer to a call by id whether the resource is there, so that lists can tell what a pod has while it is
// down. An id in a spelling of its own proves nothing: to some databases of pods it is another.
func (c *Call) learnFate(p *pod.Pod, a *Answer) {
	if !c.Route.itself {
		return
	}
	id := c.Params.Get(c.Route.IDParam)
	if canonical, ok := routing.ParseID(id); !ok || canonical != id {
		return
	}
	r := store.Routing{Type: c.Route.Type, TopID: id, PodNum: p.Num}
	switch {
	case a.Status == http.StatusNotFound && isJSON(a.Header): // the service's own, not that of a proxy before it
		r.DeletedAt = c.Now()
		c.Routing.Missed(c.Context(), c.Caller, r)
	case c.R.Method == http.MethodDelete && a.OK():
		r.DeletedAt = c.Now()
		c.Routing.Learn(r)
	case c.R.Method == http.MethodGet && a.OK():
		c.Routing.Learn(r)
	}
}

// withMinimal returns the page with the minimal rows in front, as Nova has it (nova/compute/api.py, get_all).
func (m *merger) withMinimal() []byte {
	rows, err := m.minimal()
	if err != nil {
		m.Log.WarnContext(m.Context(), "what pods have that are down is not listed", "error", err)
	}
	if len(rows) == 0 {
		return m.page
	}
	start, live, _ := bytes.Cut(m.page, []byte("["))
	page := append(append(start[:len(start):len(start)], '['), bytes.Join(rows, []byte(", "))...)
	if m.rows > 0 {
		page = append(page, ", "...)
	}
	return append(page, live...)
}

// minimal returns what stands on the page for the rows of pods that are missing from it, if the service shows such. They fill what
// the others have left of the page, so there is never a next page that would begin behind one of them.
func (m *merger) minimal() (rows [][]byte, err error) {
	if m.col.Minimal == nil || !m.q.Minimal {
		return nil, nil
	}
	project := m.Caller.ProjectID
	if m.q.AllProjects && m.Caller.IsAdmin() {
		project = ""
	}
	for _, s := range m.streams {
		if s.err == nil || m.rows+len(rows) >= m.q.Limit {
			continue
		}
		left, err := m.Routing.Left(m.Context(), m.col.Type, s.pod, project, m.q.Limit)
		if err != nil {
			return nil, err
		}
		for _, r := range left {
			if m.seen[r.TopID] || m.rows+len(rows) >= m.q.Limit {
				continue
			}
			m.seen[r.TopID] = true
			row, err := json.Marshal(m.col.Minimal(m.Call, r))
			if err != nil {
				return nil, err
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}
