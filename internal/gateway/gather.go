package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/jsonx"
	"github.com/tricircle/tricircle/internal/pod"
)

// Gather asks all pods in parallel, and answers with the arrays under members, each that of all pods put together in their order.
// It is for lists without paging. Filters by host or zone leave pods out.
func (c *Call) Gather(members ...string) error {
	rows, status, err := c.gather(members, c.RequestFor)
	if err != nil {
		return err
	}
	arrays := make([]string, len(members))
	for i, member := range members {
		arrays[i] = fmt.Sprintf("%q: [%s]", member, bytes.Join(rows[i], []byte(", ")))
	}
	c.W.Header().Set("Content-Type", "application/json")
	c.W.WriteHeader(status)
	_, _ = fmt.Fprintf(c.W, "{%s}", strings.Join(arrays, ", "))
	return nil
}

// share is what one pod contributes to a gathered answer.
type share struct {
	status int
	rows   [][][]byte // by member
}

// gatherPage answers with a page of rows whose ids are integers, encoded. Pods are asked in a microversion in which they have no
// pages, and show all rows at once.
func (c *Call) gatherPage(col *Collection) error {
	q, err := col.Parse(c)
	if err != nil {
		return err
	}
	all, _, err := c.gather([]string{col.Member}, func(*pod.Pod) (Request, error) {
		return Request{Method: http.MethodGet, Path: c.Path, Query: q.Params.Encode(), Version: col.Whole}, nil
	})
	if err != nil {
		return err
	}
	rows := all[0]
	if q.Marker != "" {
		i := slices.IndexFunc(rows, func(row []byte) bool { return numbered(row) == q.Marker })
		if missing := c.W.Header().Get(missingHeader); i < 0 && missing != "" {
			return fault.Unavailable(nil, "Marker %s is not found, and not all pods answer (%s). Try again later.", q.Marker, missing)
		}
		if i < 0 {
			return col.UnknownMarker(q.Marker)
		}
		rows = rows[i+1:]
	}
	rows = rows[:min(q.Limit, len(rows))]
	page := fmt.Appendf(nil, "{%q: [%s]", col.Member, bytes.Join(rows, []byte(", ")))
	if len(rows) > 0 && len(rows) == q.Limit {
		query := cloneValues(c.Query)
		query.Set("marker", numbered(rows[len(rows)-1]))
		page = fmt.Appendf(page, `, %q: [{"rel": "next", "href": %s}]`, col.links(), jsonx.Quote(nil, c.Link(query)))
	}
	c.ReplyJSON(append(page, '}'))
	return nil
}

// numbered returns the id of a row as it is spelled.
func numbered(row []byte) string {
	id, _, _ := jsonx.Get(row, "id") // a row without would be the pod's own doing, and is no marker
	return string(id)
}

// gather returns, for each of members, the rows of all pods, and the status of those that answered. asked makes the request for
// a pod. The error is that of judge.
func (c *Call) gather(members []string, asked func(*pod.Pod) (Request, error)) (rows [][][]byte, status int, err error) {
	var parts []*Part
	shares := map[*Part]*share{}
	for _, p := range c.Parties() {
		if c.filtersFor(p, cloneValues(c.Query)) {
			part := &Part{Pod: p}
			parts, shares[part] = append(parts, part), &share{}
		}
	}
	c.each(parts, func(ctx context.Context, part *Part) { part.Err = c.fill(ctx, part.Pod, shares[part], members, asked) })
	if err := c.judge(parts, false); err != nil {
		return nil, 0, err
	}
	rows, status = make([][][]byte, len(members)), http.StatusOK
	for _, part := range parts {
		if part.Err != nil {
			continue
		}
		s := shares[part]
		status = s.status
		for i := range members {
			rows[i] = append(rows[i], s.rows[i]...)
		}
	}
	return rows, status, nil
}

// fill asks a pod for its share.
func (c *Call) fill(ctx context.Context, p *pod.Pod, s *share, members []string, asked func(*pod.Pod) (Request, error)) error {
	r, err := asked(p)
	if err != nil {
		return errors.Join(errStop, err)
	}
	a, err := c.partOf(ctx, p, r)
	if err != nil {
		return err
	}
	s.status = a.Status
	for _, member := range members {
		array, _, err := jsonx.Get(a.Body, member)
		elements, ok := jsonx.Elements(array)
		if err != nil || !ok {
			return c.Absent(p, fmt.Errorf("%q is no array", member))
		}
		s.rows = append(s.rows, elements)
	}
	return nil
}

// judge decides what pods that did not answer, or refused, mean for a list (docs/api/merge.md sections 5 and 6): nil, and a header
// that names those that are missing; a *Refusal; or the error of a pod without which there is no list. Of a list that tells whether
// something exists no pod may be missing.
func (c *Call) judge(parts []*Part, exists bool) error {
	var answered, refused int
	var refusal *Refusal
	var failure error
	var missing []string
	for _, part := range parts {
		r, isRefusal := errors.AsType[*Refusal](part.Err)
		switch {
		case part.Err == nil:
			answered++
		case errors.Is(part.Err, errStop):
			return part.Err
		case !isRefusal:
			failure = part.Err
			missing = append(missing, part.Pod.Name())
		default:
			if refused++; refusal == nil || r.Answer.Status < refusal.Answer.Status {
				refusal = r
			}
		}
	}
	switch {
	case refusal != nil && refusal.Answer.Status == http.StatusNotFound && failure != nil && answered == 0:
		return failure // what nobody else has may be there
	case refusal != nil && (answered == 0 || refusal.Answer.Status == http.StatusBadRequest):
		return refusal
	case refused > 0:
		c.Log.WarnContext(c.Context(), "some pods refuse a list that others answer; their policies differ", "path", c.Path)
	}
	if len(missing) == 0 {
		return nil
	}
	if answered == 0 || exists || c.FailPartial {
		return failure
	}
	c.W.Header().Set(missingHeader, strings.Join(missing, ", "))
	return nil
}
