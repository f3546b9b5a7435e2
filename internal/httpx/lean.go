package httpx

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	maxIdle    = 512 // connections to one host
	idleTime   = 30 * time.Second
	maxHeader  = 1 << 20 // bytes of an answer before its body
	maxInterim = 5       // answers of 1xx before the one that counts
)

// Lean is an http.RoundTripper for HTTP/1.1 that does all its work on the goroutine of its caller. http.Transport has two
// goroutines for each connection, and waking them costs more than all else that it does for a short answer (ADR 11). All but
// connections and the usual heads is the standard library's matter here too:
//
//   - the caller's context ends a call by closing its connection, the time of RoundTripWithin by the deadline of the connection;
//   - a connection is used again once the body of an answer was read to its end;
//   - a request that meets an idle connection which the far end has closed meanwhile is sent once more, on a new one, if it is
//     a read or if certainly nothing of it was sent. Nothing else is ever sent twice.
//
// An error before the first byte of a request was sent has a *net.OpError of Op "dial" in it. Bodies are sent at once, also with
// "Expect: 100-continue"; there are no proxies, upgrades, and no compression.
type Lean struct {
	dialer net.Dialer
	tls    *tls.Config

	mu       sync.Mutex
	idle     map[leanKey][]*leanConn // used last, last
	sweeping bool                    // a timer runs
}

// leanKey is what a connection leads to.
type leanKey struct{ scheme, host string }

// NewLean makes a transport to a pod, with the options of NewTransport but for a proxy.
func NewLean(o TransportOptions) (*Lean, error) {
	t, err := NewTransport(o)
	if err != nil {
		return nil, err
	}
	if o.Proxy != nil {
		return nil, errors.New("a lean transport uses no proxy")
	}
	return &Lean{dialer: net.Dialer{Timeout: t.TLSHandshakeTimeout}, tls: t.TLSClientConfig, idle: map[leanKey][]*leanConn{}}, nil
}

// RoundTrip implements http.RoundTripper.
func (t *Lean) RoundTrip(req *http.Request) (*http.Response, error) {
	return t.before(time.Time{}, req)
}

// RoundTripWithin is RoundTrip for a call that ends with context.DeadlineExceeded if it is not over in time, reading its body
// included. A context with a deadline does the same, and costs much more.
func (t *Lean) RoundTripWithin(limit time.Duration, req *http.Request) (*http.Response, error) {
	return t.before(time.Now().Add(limit), req)
}

// before is RoundTrip until a time, if that is not zero.
func (t *Lean) before(until time.Time, req *http.Request) (*http.Response, error) {
	if req.Body == nil {
		return t.roundTrip(until, req)
	}
	defer func() { _ = req.Body.Close() }() // as whoever implements RoundTrip must
	return t.roundTrip(until, req)
}

func (t *Lean) roundTrip(until time.Time, req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if ctx.Err() != nil {
		return nil, notSent(context.Cause(ctx))
	}
	if c := t.take(req); c != nil {
		res, err := c.do(ctx, until, req)
		if err == nil || ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) || !c.mayRepeat(req) {
			return res, err
		}
		if req.GetBody != nil {
			req = req.WithContext(ctx)
			if req.Body, err = req.GetBody(); err != nil {
				return nil, notSent(err)
			}
		}
	}
	c, err := t.dialBefore(ctx, until, req)
	if err != nil {
		return nil, notSent(err)
	}
	return c.do(ctx, until, req)
}

// notSent marks an error as one before anything was sent.
func notSent(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return err
	}
	return &net.OpError{Op: "dial", Net: "tcp", Err: err}
}

func (t *Lean) dialBefore(ctx context.Context, until time.Time, req *http.Request) (*leanConn, error) {
	if until.IsZero() {
		return t.dial(ctx, req)
	}
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	return t.dial(ctx, req)
}

func (t *Lean) dial(ctx context.Context, req *http.Request) (*leanConn, error) {
	secure := req.URL.Scheme == "https"
	if !secure && req.URL.Scheme != "http" || req.URL.Hostname() == "" {
		return nil, fmt.Errorf("no address that can be called: %q", req.URL.Redacted())
	}
	port := req.URL.Port()
	if port == "" {
		port = map[bool]string{false: "80", true: "443"}[secure]
	}
	raw, err := t.dialer.DialContext(ctx, "tcp", net.JoinHostPort(req.URL.Hostname(), port))
	if err != nil {
		return nil, err
	}
	conn := raw
	if secure {
		if conn, err = t.handshake(ctx, raw, req.URL.Hostname()); err != nil {
			_ = raw.Close()
			return nil, err
		}
	}
	return newLeanConn(t, leanKey{req.URL.Scheme, req.URL.Host}, raw, conn), nil
}

func (t *Lean) handshake(ctx context.Context, raw net.Conn, name string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, t.dialer.Timeout)
	defer cancel()
	config := t.tls.Clone()
	config.ServerName = name
	conn := tls.Client(raw, config)
	return conn, conn.HandshakeContext(ctx)
}

// take returns the connection to the host of req that was used last, or nil. What cannot be repeated is not sent on one that the
// far end has closed.
func (t *Lean) take(req *http.Request) *leanConn {
	key := leanKey{req.URL.Scheme, req.URL.Host}
	for {
		c := t.pop(key)
		if c == nil || isRead(req) || c.alive() {
			return c
		}
		_ = c.raw.Close()
	}
}

func (t *Lean) pop(key leanKey) *leanConn {
	t.mu.Lock()
	defer t.mu.Unlock()
	conns := t.idle[key]
	if len(conns) == 0 {
		return nil
	}
	c := conns[len(conns)-1]
	conns[len(conns)-1] = nil
	t.idle[key] = conns[:len(conns)-1]
	return c
}

// put keeps a connection for another call.
func (t *Lean) put(c *leanConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.idle[c.key]) >= maxIdle {
		_ = c.raw.Close()
		return
	}
	c.reused, c.since = true, time.Now()
	t.idle[c.key] = append(t.idle[c.key], c)
	if !t.sweeping {
		t.sweeping = true
		time.AfterFunc(idleTime, t.sweep)
	}
}

// sweep closes what was idle for too long, until nothing is idle.
func (t *Lean) sweep() {
	t.closeIdle(time.Now().Add(-idleTime))
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sweeping = len(t.idle) > 0; t.sweeping {
		time.AfterFunc(idleTime/2, t.sweep)
	}
}

// CloseIdleConnections closes what is idle now, as http.Client wants it.
func (t *Lean) CloseIdleConnections() { t.closeIdle(time.Now()) }

// closeIdle closes what has been idle since a time or longer.
func (t *Lean) closeIdle(since time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, conns := range t.idle {
		n := 0
		for ; n < len(conns) && !conns[n].since.After(since); n++ {
			_ = conns[n].raw.Close()
		}
		if t.idle[key] = slices.Delete(conns, 0, n); n == len(conns) {
			delete(t.idle, key)
		}
	}
}
