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
	Pods map[int32]spot `json:"p"` // by pod number
	// Places are what spots refer to. The first is the last row of the page.
	Places []place `json:"k"`
}

// spot is where a pod's list goes on. A pod that was missing from the page goes on where it was, so that nothing of it is lost.
type spot struct {
	ID    []byte `json:"i,omitempty"` // of the last row before, as 16 bytes; none for the beginning of the list
	Place int    `json:"k,omitempty"` // up to which rows are dropped if the pod does not know ID any more
	// Search: the pod has shown no row behind the place, because it failed or has none, so rows behind ID up to it are dropped.
	Search bool `json:"s,omitempty"`
}

// place is a place in the list: the sort values of a row, and the number of its pod.
type place struct {
	Keys []keyValue `json:"k"`
	Pod  int        `json:"o"`
}

type keyValue struct {
	Text   string  `json:"t,omitempty"`
	Number float64 `json:"n,omitempty"`
	Null   nulls   `json:"z,omitempty"`
}

func placeOf(r *row) place {
	p := place{Pod: r.order}
	for _, v := range r.keys {
		p.Keys = append(p.Keys, keyValue{Text: v.text, Number: v.number, Null: v.null})
	}
	return p
}

func (p place) row() *row {
	r := &row{order: p.Pod}
	for _, k := range p.Keys {
		r.keys = append(r.keys, value{text: k.Text, number: k.Number, null: k.Null})
	}
	return r
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
	if json.Unmarshal(raw, &c) != nil || len(c.Places) == 0 {
		return nil
	}
	for _, s := range c.Pods {
		if s.Place < 0 || s.Place >= len(c.Places) {
			return nil
		}
	}
	return &c
}

// fits reports whether the cursor is one of a list with so many sort keys.
func (c *cursor) fits(keys int) bool {
	return c != nil && !slices.ContainsFunc(c.Places, func(p place) bool { return len(p.Keys) != keys })
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
	c := &cursor{Pods: map[int32]spot{}, Places: []place{placeOf(m.last)}}
	for _, s := range m.streams {
		at := spot{Search: s.after != nil}
		id := s.origin
		if s.passed != nil {
			id = s.passed.id
		}
		if u, err := uuid.Parse(id); err == nil {
			at.ID = u[:]
		}
		if own := m.place(s); own != nil {
			at.Place = len(c.Places)
			c.Places = append(c.Places, placeOf(own))
		}
		c.Pods[s.pod.Num] = at
	}
	return c
}

// place returns where a pod is, if that is not where the page ended: before, because it failed, or behind, because rows on the page
// came late, from another pod that had failed before; or else nil.
func (m *merger) place(s *stream) *row {
	own := cmp.Or(s.after, s.passed, s.place)
	if own == nil || s.err == nil && m.compare(own, m.last) <= 0 {
		return nil
	}
	return own
}

// seek gives every stream its place: where the page before ended.
func (m *merger) seek(cur *cursor) error {
	switch {
	case m.q.Marker == "":
		return nil
	case cur.fits(len(m.q.Keys)):
		m.seekCursor(cur)
		return nil
	}
	return m.seekMarker()
}

func (m *merger) seekCursor(cur *cursor) {
	for _, s := range m.streams {
		at, known := cur.Pods[s.pod.Num]
		to := cur.Places[at.Place].row()
		if u, err := uuid.FromBytes(at.ID); err == nil {
			s.begin(u.String(), to)
		}
		if at.Search || !known { // or it has joined since
			s.after, s.over = to, m.isOver(s, to)
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
			s.begin(m.q.Marker, mark)
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
	return m.q.Keys[0].Path == nil && int(s.pod.Num) < place.order && !m.q.WithCount
}

// begin makes a pod's list start after one of its own ids. Should the pod not know it any more, place is searched instead. In an order
// by a key that rows do not show, that is behind all rows of the pod that are equal by the keys before: some may be lost then.
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
	if m.col.Unshown {
		at = at.Add(time.Second) // among those of one second the order is the pod's secret
	}
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
	if !m.col.DeletedMarker && !m.col.Unshown || !m.q.ByCreation || created.IsZero() {
		return nil, nil, m.col.UnknownMarker(m.q.Marker)
	}
	mark := &row{id: m.q.Marker, created: created, order: int(owner.Num),
		keys: []value{timeValue(created), {text: strings.ToLower(m.q.Marker)}}}
	if !m.col.Unshown {
		mark.project = m.Caller.ProjectID
	}
	return owner, mark, nil
}

// resolveMarker returns the pod of the marker and its row, freshly read.
func (m *merger) resolveMarker() (*pod.Pod, *row, error) {
	if m.col.Unshown {
		owner, err := m.Routing.Known(m.ctx, m.col.Type, m.q.Marker)
		if err == nil && owner == nil {
			err = m.col.UnknownMarker(m.q.Marker)
		}
		if err != nil {
			return nil, nil, err
		}
		return m.deletedMarker(owner)
	}
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
	mark, err := m.parse(raw, owner)
	if err != nil {
		return nil, nil, fault.Unavailable(err, "Pod %s does not show the marker %s.", owner.Name(), m.q.Marker)
	}
	return owner, mark, nil
}
