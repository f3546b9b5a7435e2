package gateway

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tricircle/tricircle/internal/jsonx"
	"github.com/tricircle/tricircle/internal/microversion"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/routing"
)

// stream reads one pod's part of a merged list, row by row, and asks for more only when it has run dry.
type stream struct {
	*merger
	ctx     context.Context // ends with the list, or by leave
	leave   context.CancelCauseFunc
	pod     *pod.Pod
	rewrite view // what the rows are rewritten by
	params  url.Values
	version microversion.Version // to ask in
	lacks   lacks                // of the rows, at that version
	batch   int                  // rows to ask for at once

	over    bool   // all the pod has is on earlier pages: it need not be asked
	marker  string // of the next request
	after   *row   // rows up to here belong to earlier pages and are dropped; nil when there are none
	scanned int    // batches read in search of after
	head    *row   // next row; nil at the end
	ahead   []*row // rows behind it that were read already
	size    int    // of head and those, in bytes
	origin  string // marker that the stream began with
	place   *row   // what to search for when the pod does not know origin any more
	passed  *row   // the last row that is on the page, or before it
	before  *row   // the row before head in the current batch

	res     *http.Response
	rows    *jsonx.Rows
	got     int // rows of the current batch
	read    int // rows of all batches before it
	full    bool
	count   int
	done    func()  // ends the stream's part of the fan-out; nil before it
	err     error   // the pod is missing from the list
	refusal *Answer // the pod answered with an error of its own
}

// A stream that must search for the place after a foreign marker reads so many rows at once, and at most so many times: a
// place further down is refused like a marker that nobody has (docs/api/merge.md section 3). Next links need no search.
const (
	scanBatch = 500
	maxScan   = 40
)

// readAhead is how many bytes of rows a list reads ahead of its merge, all pods together: about two pages of a thousand servers.
const readAhead = 4 << 20

// How much of a batch that nobody needs any more is read, and for how long at most.
const (
	leftover     = 256 << 10
	leftoverTime = 50 * time.Millisecond
)

// next moves on to the next row: it sets head, or leaves it nil at the end or when the pod fails.
func (s *stream) next() {
	if len(s.ahead) > 0 {
		s.head, s.ahead = s.ahead[0], s.ahead[1:]
		return
	}
	s.head = nil
	for s.head == nil && s.err == nil && s.refusal == nil && !s.over {
		if s.rows == nil && !s.fetch() {
			return
		}
		if s.head = s.take(); s.head == nil && !s.full {
			return
		}
	}
}

// take returns the next row of the batch; nil at its end, or when the pod fails.
func (s *stream) take() *row {
	for s.rows != nil {
		raw, err := s.rows.Next()
		if err == io.EOF {
			s.finish()
			return nil
		}
		if err == nil {
			raw, err = s.lacks.complete(raw)
		}
		var r *row
		if err == nil {
			r, err = s.parse(raw, s.pod)
		}
		if err != nil {
			s.fail(err)
			return nil
		}
		s.got++
		if s.before != nil {
			s.nulls.observe(s.pod, s.q.Keys, s.before, r)
		}
		s.marker, s.before = r.id, r
		if s.after == nil || s.compare(r, s.after) > 0 {
			s.after = nil
			return r
		}
		s.passed = r
	}
	return nil
}

// fetch asks the pod for the next batch; false at the end of the list or when the pod fails.
func (s *stream) fetch() bool {
	if s.got > 0 && !s.full {
		return false
	}
	if s.scanned++; s.after != nil && s.scanned > maxScan {
		s.err = errors.Join(errStop, s.col.UnknownMarker(s.q.Marker))
		return false
	}
	if s.after != nil && s.marker == "" {
		s.batch = max(s.batch, scanBatch)
	}
	if !s.q.Whole {
		s.page()
	}
	res, err := s.Send(s.ctx, s.pod, Request{Method: http.MethodGet, Path: s.col.From, Query: s.params.Encode(), Version: s.version})
	if err != nil {
		s.fail(err)
		return false
	}
	s.res, s.got, s.before = res, 0, nil
	switch {
	case res.StatusCode == http.StatusOK:
		s.rows = jsonx.NewRows(res.Body, s.col.Member, maxRow)
		return true
	case busy(res.StatusCode):
		s.fail(s.tooBusy(s.pod, res.StatusCode, res.Header))
	case s.origin != "" && s.marker == s.origin && s.place != nil:
		// The pod knows the id no more (the row was purged), so its place is found by reading up to it.
		s.close()
		s.marker, s.origin, s.after = "", "", s.place
		return s.fetch()
	default:
		body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
		s.refusal = &Answer{Status: res.StatusCode, Header: res.Header, Body: body}
		s.close()
	}
	return false
}

// page puts the next batch into the parameters.
func (s *stream) page() {
	s.params.Set("limit", strconv.Itoa(s.batch))
	s.params.Del("marker")
	switch {
	case s.col.ByOffset:
		s.params.Set("offset", strconv.Itoa(s.read))
	case s.marker != "":
		s.params.Set("marker", s.marker)
	}
}

// first reads the first row, and then those that have come with it, up to a size: the more is done while slower pods are waited
// for, the less is left to do after them, and the sooner others may ask this pod. A pod that does not show a row in the given time
// is left out, so that the rest of the list's time is for the rows of the others.
func (s *stream) first(limit time.Duration, size int) {
	defer func() {
		if s.res == nil {
			s.done()
		}
	}()
	late := time.AfterFunc(limit, func() { s.leave(context.DeadlineExceeded) })
	defer late.Stop()
	s.next()
	for r := s.head; r != nil; r = s.take() {
		if r != s.head {
			s.ahead = append(s.ahead, r)
		}
		r.raw = bytes.Clone(r.raw)
		if s.size += len(r.raw); s.size >= size {
			break
		}
	}
}

// drain reads the current batch to its end, where the count is.
func (s *stream) drain() {
	for s.rows != nil {
		switch _, err := s.rows.Next(); {
		case err == io.EOF:
			s.finish()
		case err != nil:
			s.fail(err)
		}
	}
}

// finish ends a batch. There is another one when this was as long as asked for, or the pod says so: its own maximum may be
// lower than what we ask.
func (s *stream) finish() {
	rest, err := s.rows.Rest()
	s.read += s.got
	s.close()
	if err != nil {
		s.fail(err)
		return
	}
	_, more := rest[s.col.links()]
	s.full = s.got > 0 && (s.got >= s.batch || more) && !s.q.Whole
	if n, err := strconv.Atoi(string(rest["count"])); err == nil {
		s.count = n
	}
}

func (s *stream) fail(err error) {
	s.close()
	s.err = s.Absent(s.pod, err)
}

func (s *stream) close() {
	if s.res != nil {
		_, _ = io.CopyN(io.Discard, s.res.Body, leftover)
		_ = s.res.Body.Close()
		s.done()
	}
	s.res, s.rows = nil, nil
}

// row is one row of a list: its text, and what merging needs to know of it.
type row struct {
	raw     []byte // valid until the stream moves on
	id      string
	project string
	created time.Time
	keys    []value
	order   int // of its pod
}

// few is how many sort keys rows have room for; most lists have two.
const few = 4

// readPaths says what parse reads of a row: its id, project, time of creation and sort keys.
func readPaths(col *Collection, keys []SortKey) [][]string {
	paths := [][]string{{cmp.Or(col.ID, "id")}, col.Project, col.Created}
	for _, k := range keys {
		paths = append(paths, k.Path)
	}
	return paths
}

// parse reads a row, which must be well-formed.
func (m *merger) parse(raw []byte, p *pod.Pod) (*row, error) {
	var scratch [3 + few][]byte
	fields := jsonx.Fields(scratch[:0], raw, m.paths)
	r := &struct { // in one piece
		row
		keys [few]value
	}{row: row{raw: raw, order: int(p.Num)}}
	r.row.keys = r.keys[:0]
	var ok bool
	if r.id, ok = jsonx.Text(fields[0]); !ok {
		return nil, errors.New("a row without an id")
	}
	r.project, _ = jsonx.Text(fields[1])
	created, _ := jsonx.Text(fields[2])
	r.created = routing.ParseTime(created)
	null := m.nulls.of(p)
	for i, k := range m.q.Keys {
		r.row.keys = append(r.row.keys, k.parse(fields[3+i], null))
	}
	return &r.row, nil
}
