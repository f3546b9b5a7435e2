package httpx

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/obs"
)

const headerComputeRequestID = "X-Compute-Request-Id"

// ChainOptions is what surrounds the handlers of a role. All but MaxBody are needed.
type ChainOptions struct {
	Role    string // for logs and metrics
	Style   fault.Style
	MaxBody int64 // bytes; no limit if 0
	Logger  *slog.Logger
	Metrics *obs.Metrics
	NewID   func() string // of requests: obs.NewRequestID
	Now     func() time.Time
}

// Chain puts around next what every role needs, from the outside in:
//
//   - a request id of our own in the context, and on the answer unless the handler put a pod's there; the id that the
//     client sent is the global one;
//   - one line in the access log, and the metrics;
//   - a panic becomes a 500 in the style of the service, and is logged with its stack;
//   - headers that claim an identity are removed: only tokens tell who somebody is;
//   - bodies are limited.
func Chain(next http.Handler, o ChainOptions) http.Handler {
	return &chain{ChainOptions: o, next: next}
}

type chain struct {
	ChainOptions
	next http.Handler
}

func (c *chain) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start, id, global := c.Now(), c.NewID(), r.Header.Get(obs.HeaderRequestID)
	if !obs.ValidRequestID(global) {
		global = ""
	}
	r = r.WithContext(obs.WithRequestID(r.Context(), id, global))
	rec := &recorder{ResponseWriter: w, chain: c, id: id}
	defer func() { c.observe(rec, r, c.Now().Sub(start)) }()
	c.serve(rec, r)
	if rec.status == 0 {
		rec.WriteHeader(http.StatusOK)
	}
}

// serve answers a panic, unless the answer has begun already: then breaking the connection is all that can tell the client.
func (c *chain) serve(w *recorder, r *http.Request) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if p == http.ErrAbortHandler {
			panic(p)
		}
		c.Logger.ErrorContext(r.Context(), "panic in a handler", obs.KeyRole, c.Role, obs.KeyMethod, r.Method,
			obs.KeyPath, redactPath(r.URL.Path), obs.KeyError, fmt.Sprint(p), obs.KeyStack, string(debug.Stack()))
		if w.status != 0 {
			panic(http.ErrAbortHandler)
		}
		fault.Write(w, c.Style, fmt.Errorf("panic: %v", p))
	}()
	stripIdentity(r.Header)
	if c.MaxBody > 0 && !limitBody(w, r, c.MaxBody, c.Style) {
		return
	}
	c.next.ServeHTTP(w, r)
}

// setRequestID names our id where the answer names none. A user asks Nova for the instance action of a request id, so the
// id on an answer that a pod gave must be the pod's. Nova names it twice on every answer; where Cinder does is the gateway's matter.
func (c *chain) setRequestID(h http.Header, id string) {
	id = cmp.Or(h.Get(obs.HeaderRequestID), h.Get(headerComputeRequestID), id)
	h.Set(obs.HeaderRequestID, id)
	if c.Style == fault.Nova && h.Get(headerComputeRequestID) == "" {
		h.Set(headerComputeRequestID, id)
	}
}

func (c *chain) observe(w *recorder, r *http.Request, took time.Duration) {
	c.Metrics.ObserveHTTP(c.Role, obs.Route(r.Context()), r.Method, w.status, took)
	obs.LogAccess(r.Context(), c.Logger, &obs.Access{Role: c.Role, Method: r.Method, Path: redactPath(r.URL.Path),
		Query: redactQuery(r.URL.RawQuery), Remote: r.RemoteAddr, Status: w.status, Bytes: w.bytes, Took: took})
}

// recorder notes what is answered, and has the last word on the headers.
type recorder struct {
	http.ResponseWriter
	chain  *chain
	id     string // ours of the request
	status int    // of the final answer; 0 before its headers leave
	bytes  int64
}

func (w *recorder) WriteHeader(status int) {
	// Other answers below 200 only announce the final one.
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = status
		w.chain.setRequestID(w.Header(), w.id)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// FlushError is found by http.ResponseController; a flush sends the headers.
func (w *recorder) FlushError() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Unwrap is for http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
