package gateway

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/jsonx"
	"github.com/tricircle/tricircle/internal/microversion"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/store"
)

// Collection describes a list that is merged from all pods.
type Collection struct {
	From    string             // path that pods are asked, which must show the sort keys: "/servers/detail"
	Member  string             // "servers"; one alone is "server"
	Links   string             // member of the next link; Member + "_links" if empty
	NoLinks bool               // pages have no next link, for the service gives none
	Path    string             // where one is shown, below the version, without its id; "/" + Type + "s" if empty
	Type    store.ResourceType // of the rows
	ID      string             // member of a row with its id; "id" if empty
	Summary []string           // members of a row that the client gets; nil for all
	Project []string           // member of a row that names its project
	Created []string           // member of a row with its creation time
	// Parse reads the client's parameters as the service does, and refuses what it refuses.
	Parse func(*Call) (*ListQuery, error)
	// DeletedMarker: an id that was deleted still marks its place, as long as the pod remembers it (Nova).
	DeletedMarker bool
	// Sparse: pods take rows out of a page that they have read, so a short page says nothing of what follows. They are asked for
	// whole pages, and what a page lacks then it would lack in a pod as well.
	Sparse bool
	// ByOffset: pods know no markers, and are asked for what follows by its number.
	ByOffset bool
	// Unshown: there is no call that shows one, so the place of a marker is what the routing table knows of it.
	Unshown bool
	// Min is the microversion from which an administrators' list has pages that go by UUIDs; below, it is gathered.
	Min microversion.Version
	// Whole is the last microversion without pages, if between it and Min there are some that go by integers.
	Whole microversion.Version
	// Minimal is what the service shows of one in a pod that is down, to be encoded as JSON; nil where it shows nothing.
	Minimal func(*Call, store.Routing) any
	// UnknownMarker renders the service's refusal of a marker that nobody has.
	UnknownMarker func(marker string) *fault.Error
}

// links returns the member of an answer that holds the next link.
func (col *Collection) links() string { return cmp.Or(col.Links, col.Member+"_links") }

// pathOf returns where one of the collection is shown.
func (col *Collection) pathOf(id string) string {
	return cmp.Or(col.Path, "/"+col.Type.String()+"s") + "/" + id
}

// ListQuery is what a client asks of a collection.
type ListQuery struct {
	Params url.Values                                    // for every pod: filters and sorting, without paging
	ForPod func(p *pod.Pod, params url.Values) (ok bool) // adapts Params to one pod, or leaves the pod out; may be nil
	Keys   []SortKey                                     // the whole order, tie-breakers included
	// ByCreation: the keys are the creation time and the id and nothing else, so that the routing table knows places in the list.
	ByCreation bool
	// Beside are what rows must be next to, such as the volume whose snapshots are asked for. If the routing table knows where one
	// is, no other pod is asked.
	Beside    []Resource
	Limit     int
	Marker    string
	Offset    int
	WithCount bool
	// Whole: pods show all they have in one answer, and know no paging; Params goes to them as it is.
	Whole bool
	// Minimal: the client wants what Collection.Minimal says, of the client's own project or, if AllProjects and the client is an
	// administrator, of all.
	Minimal, AllProjects bool
	// Gone reports whether a row is of what was deleted, in a list that may have such; nil in others.
	Gone func(row []byte) bool
	// Exists: clients may use the list to learn whether something exists, so a missing pod must not look like a no.
	Exists bool
}

// Resource names something in a pod.
type Resource struct {
	Type store.ResourceType
	ID   string
}

// missingHeader names the pods whose rows are not in a merged list.
const missingHeader = "X-Tricircle-Missing-Pods"

// maxRow bounds one row of a list.
const maxRow = 4 << 20

// Merge executes fan-out-merge for a collection.
func (c *Call) Merge(col *Collection) error {
	cur := takeCursor(c.Query)
	q, err := col.Parse(c)
	if err != nil {
		return err
	}
	m := &merger{Call: c, col: col, q: q, paths: readPaths(col, q.Keys), seen: map[string]bool{q.Marker: true}, page: fmt.Appendf(nil, `{%q: [`, col.Member)}
	m.ctx, m.cancel = context.WithTimeout(c.Context(), c.ListTimeout)
	defer func() { m.cancel() }()
	if err := m.start(cur); err != nil {
		return err
	}
	defer m.close()
	m.run()
	if err := m.verdict(); err != nil {
		return err
	}
	return m.reply()
}

// merger is one merged list in the making.
type merger struct {
	*Call
	ctx     context.Context // ends in ListTimeout
	cancel  context.CancelFunc
	col     *Collection
	q       *ListQuery
	streams []*stream
	paths   [][]string // what is read of a row: its id, project, creation and sort keys; see readPaths
	page    []byte     // the answer so far
	kept    []byte     // the row that is put on it, in its summary form
	rows    int
	last    *row
	shown   []store.Routing // rows to record before the client can give one back as a marker
	seen    map[string]bool // ids on the page, and the marker: a server that moves may be in two pods
}

// start sends the first wave: every pod is asked in parallel for about its share of the page. At limit 0 that is no row, but the
// pods refuse what is wrong with the filters, and count.
func (m *merger) start(cur *cursor) error {
	pods, err := m.pods()
	if err != nil {
		return err
	}
	for _, p := range pods {
		params := cloneValues(m.q.Params)
		if !m.filtersFor(p, params) || m.q.ForPod != nil && !m.q.ForPod(p, params) {
			continue
		}
		s := &stream{merger: m, pod: p, rewrite: m.view(p), params: params}
		s.version, s.lacks, s.err = m.fit(p)
		m.streams = append(m.streams, s)
	}
	want := m.q.Limit + m.q.Offset
	share := want
	if n := len(m.streams); n > 1 && !m.col.Sparse {
		share = min(want, max(20, (want*11+10*n-1)/(10*n)))
	}
	for _, s := range m.streams {
		s.batch = share
	}
	if err := m.seek(cur); err != nil {
		return err
	}
	leave, err := m.fanOut(len(m.streams))
	if err != nil {
		return err
	}
	m.cancel()
	m.ctx, m.cancel = context.WithTimeout(m.Context(), m.ListTimeout) // anew: others were waited for, not pods
	var begun sync.WaitGroup
	for _, s := range m.streams {
		s.ctx, s.leave = context.WithCancelCause(m.ctx)
		s.done = sync.OnceFunc(leave)
		begun.Go(func() { s.first(m.ListTimeout*3/4, readAhead/len(m.streams)) })
	}
	begun.Wait()
	return nil
}

// pods returns those that can have rows: all, or the one that has what the rows must be next to. If that one must not be called
// there is no list, as when it does not answer: an empty one would say that there are no such rows.
func (m *merger) pods() (pods []*pod.Pod, err error) {
	var homes []*pod.Pod
	for _, r := range m.q.Beside {
		home, err := m.Routing.Known(m.ctx, r.Type, r.ID)
		if err != nil {
			return nil, err
		}
		if home == nil {
			continue
		}
		if err := m.mayCall(home); err != nil {
			return nil, err
		}
		homes = append(homes, home)
	}
	for _, p := range m.Pods.Serving() {
		_, has := p.Endpoint(m.Service.Pod)
		elsewhere := slices.ContainsFunc(homes, func(home *pod.Pod) bool { return home.Num != p.Num })
		if has && !elsewhere {
			pods = append(pods, p)
		}
	}
	return pods, nil
}

// run takes the smallest head until the page is full. Within a pod the pod's own order is never changed.
func (m *merger) run() {
	heads := &heap{less: func(a, b *stream) bool { return m.compare(a.head, b.head) < 0 }}
	for _, s := range m.streams {
		if s.head != nil {
			heads.push(s)
		}
	}
	skip := m.q.Offset
	for heads.len() > 0 {
		s := heads.top()
		s.passed = s.head
		if !m.seen[s.head.id] {
			m.seen[s.head.id] = true
			if skip > 0 {
				skip--
			} else {
				m.emit(s)
			}
		}
		if m.rows == m.q.Limit {
			break // before a pod is asked for rows that nobody wants
		}
		s.next()
		heads.fixTop(s.head == nil)
	}
}

// emit puts the head of s on the page, and lets the routing table learn it.
func (m *merger) emit(s *stream) {
	if m.rows > 0 {
		m.page = append(m.page, ',')
	}
	raw := s.head.raw
	if m.col.Summary != nil {
		m.kept = jsonx.Keep(m.kept[:0], raw, m.col.Summary...)
		raw = m.kept
	}
	m.makeRoom(len(raw))
	m.page = m.answers.RewriteRow(s.rewrite, m.page, raw)
	m.rows++
	m.last = s.head
	project := s.head.project
	if project == "" && !m.q.Params.Has("all_tenants") && !m.col.Unshown {
		project = m.Caller.ProjectID // rows that do not say whose they are, are the client's
	}
	shown := store.Routing{Type: m.col.Type, TopID: s.head.id, BottomID: s.head.id, PodNum: s.pod.Num,
		ProjectID: project, CreatedAt: s.head.created.Truncate(time.Second)}
	if m.q.Gone != nil && m.q.Gone(s.head.raw) {
		shown.DeletedAt = m.Now()
	}
	switch {
	case m.col.Unshown:
		m.shown = append(m.shown, shown)
	case !m.creates.expects(s.pod, cmp.Or(project, m.Caller.ProjectID)):
		// While a create is under way there its row must stay unclaimed, or its creator could not adopt it after a lost reply.
		m.Routing.Learn(shown)
	}
}

// makeRoom lets the page grow for a row of that size. The first makes room for all, as far as they are known to come: pages are
// long, and each copy costs.
func (m *merger) makeRoom(row int) {
	more := row + row/4 // a server has some links
	if cap(m.page)-len(m.page) >= more {
		return
	}
	if m.rows == 0 {
		coming := 0
		for _, s := range m.streams {
			coming += s.size
		}
		more = max(more, min(more*m.q.Limit, coming+coming/4))
	}
	m.page = slices.Grow(m.page, max(more, len(m.page)))
}

// verdict decides what pods that did not answer, or refused, mean for the list.
func (m *merger) verdict() error {
	parts := make([]*Part, len(m.streams))
	for i, s := range m.streams {
		parts[i] = &Part{Pod: s.pod, Err: s.err}
		if s.err == nil && s.refusal != nil {
			parts[i].Err = &Refusal{Pod: s.pod, Answer: s.refusal}
		}
	}
	return m.judge(parts, m.q.Exists)
}

// reply renders the page as the service does.
func (m *merger) reply() error {
	out := append(m.withMinimal(), ']')
	matching := m.rows
	if count, ok := m.count(); ok {
		out = fmt.Appendf(out, `, "count": %d`, count)
		matching = count // cinder/api/common.py, _get_collection_links
	}
	if m.rows > 0 && matching >= m.q.Limit && !m.col.NoLinks && !m.q.Whole {
		out = fmt.Appendf(out, `, %q: [{"rel": "next", "href": %s}]`, m.col.links(), jsonx.Quote(nil, m.nextLink()))
	}
	if len(m.shown) > 0 {
		if err := m.Routing.Record(m.ctx, m.shown...); err != nil {
			m.Log.WarnContext(m.ctx, "rows that were listed are not recorded; as markers they will be refused", "error", err)
		}
	}
	m.ReplyJSON(append(out, '}'))
	return nil
}

// count is the sum over the pods; there is none when a pod is missing, for then no number would be true.
func (m *merger) count() (sum int, ok bool) {
	if !m.q.WithCount {
		return 0, false
	}
	for _, s := range m.streams {
		s.drain()
		if s.err != nil {
			return 0, false
		}
		sum += s.count
	}
	return sum, true
}

// nextLink repeats the client's parameters, sorted, with the marker moved on and our cursor added. Clients that follow the
// link spare the top the search for the marker's place in the other pods. The offset goes: Cinder repeats it in its links
// (cinder/api/common.py, _get_next_link) and applies it behind the marker, so that who follows them misses so many rows on every page.
func (m *merger) nextLink() string {
	query := cloneValues(m.Query)
	query.Del("offset")
	query.Set("marker", m.last.id)
	query.Set(cursorParam, m.cursor().String())
	return m.Link(query)
}

// close ends the streams. What is left of their batches is read, for that keeps the connections usable, but not waited for.
func (m *merger) close() {
	hurry := time.AfterFunc(leftoverTime, func() {
		for _, s := range m.streams {
			s.leave(nil)
		}
	})
	defer hurry.Stop()
	for _, s := range m.streams {
		s.close()
		s.leave(nil)
	}
}

func cloneValues(v url.Values) url.Values {
	out := make(url.Values, len(v)+2)
	for k, vs := range v {
		out[k] = slices.Clone(vs)
	}
	return out
}
