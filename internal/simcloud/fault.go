package simcloud

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tricircle/tricircle/internal/fault"
)

// Fault is what is wrong with a pod. At most one of the fields from Hang to HugeBody is meant to be set; Latency, Before and
// Executed combine with each.
type Fault struct {
	Latency   time.Duration // passes before anything else
	Before    func()        // is called before anything else
	Executed  bool          // the request is executed, and only then what is wrong shows
	Hang      bool          // no answer until the client goes away or the fault is cleared; then the request is served
	Status    int           // this status with the service's error body; the request is not executed
	Reset     bool          // the connection is reset; the request is not executed
	LostReply bool          // the request is executed, then the connection is reset
	HalfBody  bool          // executed; half of the body under a Content-Length of the whole, then the connection ends
	ResetBody bool          // executed; the same, and the connection is reset
	HalfJSON  bool          // executed; half of the body as if it were the whole
	SlowBody  time.Duration // executed; so long passes after each byte of the body
	HTML      bool          // an error page, as load balancers give, under Status, or 200; not executed
	WrongJSON bool          // 200 with JSON that no service sends; not executed
	Redirect  bool          // 302 to /redirected at the same service; not executed
	HugeBody  int64         // 200 with a JSON body of that many bytes, without Content-Length; not executed

	RetryAfter int  // seconds: a header that goes with Status
	InItsName  bool // WrongJSON has a request id, as the service's own answers

	// What it applies to. Empty means all.
	Methods      []string
	PathContains string
	Service      string // "compute", "volume" or "network"
	After        int    // so many such requests go well before it begins
	Count        int    // so many times, then the pod is well; 0: until cleared
}

func (f *Fault) matches(service string, r *http.Request) bool {
	if f.Service != "" && f.Service != service || !strings.Contains(r.URL.Path, f.PathContains) {
		return false
	}
	for _, m := range f.Methods {
		if m == r.Method {
			return true
		}
	}
	return len(f.Methods) == 0
}

func (f *Fault) empty() bool {
	return f.Latency == 0 && f.Before == nil && !f.Executed && !f.Hang && f.Status == 0 && !f.Reset && !f.LostReply && !f.HalfBody &&
		!f.ResetBody && !f.HalfJSON && f.SlowBody == 0 && !f.HTML && !f.WrongJSON && !f.Redirect && f.HugeBody == 0
}

// faults holds the current fault of a pod.
type faults struct {
	mu      sync.Mutex
	current *Fault
	cleared chan struct{} // closed when current is replaced
	before  int           // requests that go well yet
	left    int
}

// SetFault makes the pod sick until it is called again; the zero Fault heals it.
func (p *Pod) SetFault(f Fault) {
	p.faults.clear()
	if f.empty() {
		return
	}
	p.faults.mu.Lock()
	defer p.faults.mu.Unlock()
	p.faults.current, p.faults.before, p.faults.left, p.faults.cleared = &f, f.After, f.Count, make(chan struct{})
}

func (fs *faults) clear() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.current != nil {
		fs.current = nil
		close(fs.cleared)
	}
}

// take returns the fault that hits this request, if any.
func (fs *faults) take(service string, r *http.Request) (*Fault, <-chan struct{}) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f := fs.current
	if f == nil || !f.matches(service, r) {
		return nil, nil
	}
	if fs.before > 0 {
		fs.before--
		return nil, nil
	}
	if f.Count > 0 {
		if fs.left == 0 {
			return nil, nil
		}
		fs.left--
	}
	return f, fs.cleared
}

// HugeBytes is how much of all huge bodies went out, what the network had still in its buffers included.
func (p *Pod) HugeBytes() int64 { return p.answered.Load() }

// guard writes the journal of a service and lets its faults happen.
func (p *Pod) guard(service string, next handler) handler {
	return func(w http.ResponseWriter, r *http.Request) {
		p.journal.add(service, r)
		f, cleared := p.faults.take(service, r)
		if f == nil {
			next(w, r)
			return
		}
		// The body is read first: only then does the server notice that the client went away.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if f.Latency > 0 {
			wait(r.Context(), time.After(f.Latency))
		}
		if f.Before != nil {
			f.Before()
		}
		answer := next
		if f.Executed {
			rec := newRecorder()
			next(rec, r)
			answer = rec.replay
		}
		if f.Hang {
			wait(r.Context(), cleared)
		}
		p.answered.Add(f.answer(w, r, service, answer))
	}
}

func wait[T any](ctx context.Context, until <-chan T) {
	select {
	case <-ctx.Done():
		panic(http.ErrAbortHandler)
	case <-until:
	}
}

// answer answers as the fault says. It returns the length of a huge body, as far as the client took it.
func (f *Fault) answer(w http.ResponseWriter, r *http.Request, service string, next handler) (taken int64) {
	h := w.Header()
	switch {
	case f.HTML:
		h.Set("Content-Type", "text/html")
		w.WriteHeader(cmp.Or(f.Status, http.StatusOK))
		_, _ = io.WriteString(w, "<html><body><h1>502 Bad Gateway</h1></body></html>")
	case f.Status != 0:
		e := fault.New(f.Status, "Simulated fault.")
		e.RetryAfter = f.RetryAfter
		h.Set("X-Openstack-Request-Id", "req-"+r.URL.Path)
		fault.Write(w, styleOf(service), e)
	case f.Reset:
		reset(w)
	case f.LostReply:
		next(newRecorder(), r)
		reset(w)
	case f.HalfBody, f.ResetBody:
		halve(w, r, next, f.ResetBody)
	case f.HalfJSON:
		rec := newRecorder()
		next(rec, r)
		rec.body.Truncate(rec.body.Len() / 2)
		rec.header.Set("Content-Length", strconv.Itoa(rec.body.Len()))
		rec.replay(w, r)
	case f.SlowBody > 0:
		f.trickle(w, r, next)
	case f.WrongJSON:
		h.Set("Content-Type", "application/json")
		if f.InItsName {
			h.Set("X-Openstack-Request-Id", "req-"+r.URL.Path)
		}
		_, _ = io.WriteString(w, `{"unexpected": [1, 2, 3]}`)
	case f.Redirect:
		h.Set("Location", "http://"+r.Host+"/redirected")
		w.WriteHeader(http.StatusFound)
	case f.HugeBody > 0:
		h.Set("Content-Type", "application/json")
		h.Set("X-Openstack-Request-Id", "req-"+r.URL.Path)
		return writeHuge(w, f.HugeBody)
	default:
		next(w, r)
	}
	return 0
}

// trickle sends the header and then the body byte by byte.
func (f *Fault) trickle(w http.ResponseWriter, r *http.Request, next handler) {
	rec := newRecorder()
	next(rec, r)
	body := rec.body.Bytes()
	rec.header.Set("Content-Length", strconv.Itoa(len(body)))
	rec.body = bytes.Buffer{}
	rec.replay(w, r)
	for _, b := range body {
		_, _ = w.Write([]byte{b})
		_ = http.NewResponseController(w).Flush()
		wait(r.Context(), time.After(f.SlowBody))
	}
}

func styleOf(service string) fault.Style {
	switch service {
	case "compute":
		return fault.Nova
	case "volume":
		return fault.Cinder
	}
	return fault.Neutron
}

// writeHuge streams a JSON object of n bytes, and returns how many went out. It ends early when the client has had enough.
func writeHuge(w io.Writer, n int64) (sent int64) {
	const head, tail = `{"huge": "`, `"}`
	chunk := bytes.Repeat([]byte("x"), 64<<10)
	write := func(b []byte) error {
		n, err := w.Write(b)
		sent += int64(n)
		return err
	}
	err := write([]byte(head))
	for left := n - int64(len(head)+len(tail)); left > 0 && err == nil; left -= int64(len(chunk)) {
		err = write(chunk[:min(left, int64(len(chunk)))])
	}
	if err == nil {
		_ = write([]byte(tail))
	}
	return sent
}

// reset ends the connection by RST.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	resetConn(conn)
}

func resetConn(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		// Without lingering, Close discards and resets. If that fails, the connection still ends.
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// halve sends the header and half of the body, then ends the connection.
func halve(w http.ResponseWriter, r *http.Request, next handler, byReset bool) {
	rec := newRecorder()
	next(rec, r)
	if rec.body.Len() == 0 { // nothing to break: the client would not notice, and reuse a connection that is gone
		rec.replay(w, r)
		return
	}
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer conn.Close()
	rec.header.Set("Content-Length", strconv.Itoa(rec.body.Len()))
	fmt.Fprintf(buf, "HTTP/1.1 %d %s\r\n", rec.status, http.StatusText(rec.status))
	_ = rec.header.Write(buf)
	_, _ = buf.WriteString("\r\n")
	_, _ = buf.Write(rec.body.Bytes()[:rec.body.Len()/2])
	_ = buf.Flush()
	if byReset {
		resetConn(conn)
	}
}

// recorder keeps an answer instead of sending it.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func newRecorder() *recorder { return &recorder{header: http.Header{}, status: http.StatusOK} }

func (rec *recorder) Header() http.Header { return rec.header }

// replay sends what was kept.
func (rec *recorder) replay(w http.ResponseWriter, _ *http.Request) {
	maps.Copy(w.Header(), rec.header)
	w.WriteHeader(rec.status)
	_, _ = w.Write(rec.body.Bytes())
}

func (rec *recorder) WriteHeader(status int)      { rec.status = status }
func (rec *recorder) Write(b []byte) (int, error) { return rec.body.Write(b) }
