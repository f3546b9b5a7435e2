package gateway

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/jsonx"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/routing"
	"github.com/tricircle/tricircle/internal/store"
)

// cursorParam carries a cursor in our own next links. It is ours to take off again: no service and no pod sees it.
const cursorParam = "tricircle_cursor"

// cursor says where in every pod a page ended. It is self-contained, so any process can go on with it, and harmless to
// forge: its ids go to pods as markers, under the client's own token.
type cursor struct {
	// Pods has, by pod number, the id of the last row before the place, 16 bytes, or nothing for the beginning of the list. A
	// pod that was missing goes on where it was, so that nothing of it is lost.
	Pods map[int32][]byte `json:"p"`
	Keys []keyValue       `json:"k"` // sort values of the page's last row
	Pod  int              `json:"o"` // position of that row's pod
}

type keyValue struct {
	Text   string  `json:"t,omitempty"`
	Number float64 `json:"n,omitempty"`
	Null   bool    `json:"z,omitempty"`
}

// takeCursor removes the cursor from a query and returns it; nil when there is none, or none of ours.
func takeCursor(query url.Values) *cursor {
	text := query.Get(cursorParam)
	query.Del(cursorParam)
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || text == "" {
		return nil
	}
	var c cursor
	if json.Unmarshal(raw, &c) != nil {
		return nil
	}
	return &c
}

func (c *cursor) String() string {
	raw, err := json.Marshal(c)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// cursor describes where the page that was just made ends.
func (m *merger) cursor() *cursor {
	c := &cursor{Pods: map[int32][]byte{}, Pod: m.last.order}
	for _, v := range m.last.keys {
		c.Keys = append(c.Keys, keyValue{Text: v.text, Number: v.number, Null: !v.present})
	}
	for _, s := range m.streams {
		if s.over || s.after != nil && s.err != nil {
			continue // failed while its place was searched, or was not even asked: that begins anew
		}
		c.Pods[s.pod.Num] = nil
		if u, err := uuid.Parse(cmp.Or(s.passed, s.origin)); err == nil {
			c.Pods[s.pod.Num] = u[:]
		}
	}
	return c
}

// seek gives every stream its place: where the page before ended.
func (m *merger) seek(cur *cursor) error {
	switch {
	case m.q.Marker == "":
		return nil
	case cur != nil && len(cur.Keys) == len(m.q.Keys):
		m.seekCursor(cur)
		return nil
	}
	return m.seekMarker()
}

func (m *merger) seekCursor(cur *cursor) {
	last := &row{order: cur.Pod, keys: make([]value, len(cur.Keys))}
	for i, k := range cur.Keys {
		last.keys[i] = value{present: !k.Null, text: k.Text, number: k.Number}
	}
	for _, s := range m.streams {
		id, known := cur.Pods[s.pod.Num]
		u, err := uuid.FromBytes(id)
		switch {
		case err == nil:
			s.begin(u.String(), last)
		case !known:
			s.after = last // it has joined since, or failed while its place was searched
		}
	}
}

// seekMarker finds the place of a bare marker. The pod that has the marker understands it; the others need a marker of
// their own, which the routing table knows for the default order, or must be read from the start up to the place.
func (m *merger) seekMarker() error {
	owner, mark, err := m.resolveMarker()
	if err != nil || m.q.Limit == 0 { // no row needs a place
		return err
	}
	for _, s := range m.streams {
		if s.pod == owner {
			s.begin(m.q.Marker, nil)
			mark.order = s.order
		}
	}
	for _, s := range m.streams {
		if s.pod == owner {
			continue
		}
		s.after, s.over = mark, m.isOver(s, mark)
		if !m.q.ByCreation || mark.created.IsZero() {
			continue
		}
		id, ok, err := m.Routing.Before(m.ctx, m.seekPoint(s.pod, mark))
		if err != nil {
			m.Log.WarnContext(m.ctx, "the routing table cannot be read; the marker's place is searched", "error", err)
		}
		if ok {
			s.begin(id, mark)
		}
	}
	return nil
}

// isOver reports whether a place is behind all that a pod has: by a key that rows do not show, pods come one after another.
func (m *merger) isOver(s *stream, place *row) bool {
	return m.q.Keys[0].Path == nil && s.order < place.order && !m.q.WithCount
}

// begin makes a pod's list start after one of its own ids. Should the pod not know it any more, place is searched instead.
func (s *stream) begin(id string, place *row) {
	s.marker, s.origin, s.place = id, id, place
}

// seekPoint is the place of a marker in a pod, by creation and then by id. The table may say up to a second less than the pod:
// services show a fraction in the answer to a create, and lists truncate or round it. Oldest first, that much is kept away from
// the place, lest the marker stand behind it and rows be lost.
func (m *merger) seekPoint(p *pod.Pod, mark *row) store.SeekPoint {
	project := mark.project
	if m.q.Params.Has("all_tenants") {
		project = ""
	}
	at, descending := mark.created, m.q.Keys[0].Desc
	if !descending {
		at = at.Truncate(time.Second).Add(-time.Second - time.Microsecond)
	}
	return store.SeekPoint{Type: m.col.Type, PodNum: p.Num, ProjectID: project, CreatedAt: at, TopID: mark.id,
		Descending: descending, IDsAscend: !m.q.Keys[len(m.q.Keys)-1].Desc}
}

// deletedMarker is the place of something that is gone, if the routing table remembers when it was made: that is enough in the
// default order.
func (m *merger) deletedMarker(owner *pod.Pod) (*pod.Pod, *row, error) {
	created, err := m.Routing.Created(m.ctx, m.col.Type, m.q.Marker)
	if err != nil {
		return nil, nil, err
	}
	if !m.col.DeletedMarker || !m.q.ByCreation || created.IsZero() {
		return nil, nil, m.col.UnknownMarker(m.q.Marker)
	}
	mark := &row{id: m.q.Marker, project: m.Caller.ProjectID, created: created}
	for _, k := range m.q.Keys {
		if k.Kind == Time {
			mark.keys = append(mark.keys, value{present: true, number: float64(created.UnixMicro())})
		} else {
			mark.keys = append(mark.keys, value{present: true, text: strings.ToLower(m.q.Marker)})
		}
	}
	return owner, mark, nil
}

// resolveMarker returns the pod of the marker and its row, freshly read.
func (m *merger) resolveMarker() (*pod.Pod, *row, error) {
	owner, err := m.locate(m.ctx, m.col.Type, m.q.Marker)
	if errors.Is(err, routing.ErrNotFound) {
		return nil, nil, m.col.UnknownMarker(m.q.Marker)
	}
	if err != nil {
		return nil, nil, err
	}
	a, err := m.Do(m.ctx, owner, Request{Method: http.MethodGet, Path: m.col.pathOf(m.q.Marker)})
	if err != nil {
		return nil, nil, err
	}
	raw, ok, err := jsonx.Get(a.Body, m.col.Member[:len(m.col.Member)-1])
	if a.Status == http.StatusNotFound {
		return m.deletedMarker(owner)
	}
	if err != nil || !ok || !a.OK() {
		return nil, nil, fault.Unavailable(err, "Pod %s does not show the marker %s.", owner.Name(), m.q.Marker)
	}
	mark, err := m.parse(slices.Clone(raw))
	if err != nil {
		return nil, nil, fault.Unavailable(err, "Pod %s does not show the marker %s.", owner.Name(), m.q.Marker)
	}
	return owner, mark, nil
}
