package pod

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"

	"github.com/tricircle/tricircle/internal/obs"
)

// UnavailableError says that a pod could not serve a call, and why. Sent tells whether the request may have reached it:
// after that a create must be looked up before anything is sent again.
type UnavailableError struct {
	Pod        string
	Service    Service
	Reason     string
	Sent       bool
	RetryAfter int // seconds, as the pod asked; 0 when it did not say
	Err        error
}

// Error is for logs; users are told Pod, Service and Reason, for Err may name addresses.
func (e *UnavailableError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("pod %s: %s: %s: %v", e.Pod, e.Service, e.Reason, e.Err)
	}
	return fmt.Sprintf("pod %s: %s: %s", e.Pod, e.Service, e.Reason)
}

func (e *UnavailableError) Unwrap() error { return e.Err }

// guard stands before one service of one pod.
type guard struct {
	service   Service
	transport http.RoundTripper
	slots     chan struct{} // bulkhead: as many calls at once as it holds
	breaker   circuitbreaker.CircuitBreaker[any]
	queueTime time.Duration // how long a call may wait for a slot
	timeout   time.Duration // deadline of one call, body included
	wake      func()        // asks the prober to look now
	observe   func(pod string, s Service, class string, took time.Duration)
	now       func() time.Time
}

// do runs one call. The slot is held until the body of the answer is closed, so that slow readers count too.
func (g *guard) do(p *Pod, req *http.Request) (*http.Response, error) {
	if !g.breaker.TryAcquirePermit() {
		return nil, g.unavailable(p, "circuit open after repeated failures", false, nil)
	}
	if err := g.enter(req.Context()); err != nil {
		g.inconclusive()
		return nil, g.unavailable(p, err.Error(), false, err)
	}
	start := g.now()
	res, cancel, err := g.call(req)
	if err != nil {
		g.leave(cancel)
		g.observe(p.Name(), g.service, "error", g.now().Sub(start))
		if gaveUp(req.Context()) {
			g.inconclusive()
			return nil, g.unavailable(p, "the client gave up", true, err)
		}
		g.failed()
		return nil, g.unavailable(p, reason(err), mayHaveArrived(err), err)
	}
	g.observe(p.Name(), g.service, obs.StatusClass(res.StatusCode), g.now().Sub(start))
	if why := unfit(res); why != "" {
		defer g.leave(cancel)
		g.failed()
		_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
		_ = res.Body.Close()
		retry, _ := strconv.Atoi(res.Header.Get("Retry-After"))
		return nil, &UnavailableError{Pod: p.Name(), Service: g.service, Sent: true, RetryAfter: retry, Reason: why}
	}
	res.Body = &guardedBody{ReadCloser: res.Body, guard: g, pod: p, ctx: req.Context(), cancel: cancel}
	return res, nil
}

// punctual is a transport that needs no context to end a call in time, such as httpx.Lean.
type punctual interface {
	RoundTripWithin(limit time.Duration, req *http.Request) (*http.Response, error)
}

// call sends a request, with a deadline. The call is over when cancel is called.
func (g *guard) call(req *http.Request) (res *http.Response, cancel context.CancelFunc, err error) {
	if t, ok := g.transport.(punctual); ok {
		res, err = t.RoundTripWithin(g.timeout, req)
		return res, func() {}, err
	}
	ctx, cancel := context.WithTimeout(req.Context(), g.timeout)
	res, err = g.transport.RoundTrip(req.WithContext(ctx))
	return res, cancel, err
}

// leave ends a call that has entered, once.
func (g *guard) leave(cancel context.CancelFunc) {
	cancel()
	<-g.slots
}

func (g *guard) unavailable(p *Pod, reason string, sent bool, err error) error {
	return &UnavailableError{Pod: p.Name(), Service: g.service, Reason: reason, Sent: sent, Err: err}
}

// unfit says why an answer is none of the service's, "" if it is. What stands before a service, such as a load balancer, answers
// in its place when it is down, moved or not yet configured; nothing may be concluded from that, least of all by a 404 that
// something is gone. A service numbers its requests in every answer (oslo.middleware request_id; nova/api/openstack/wsgi.py).
func unfit(res *http.Response) string {
	switch res.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return "answered " + res.Status
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return "answered with a redirect, which no OpenStack service does"
	case http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusNoContent, http.StatusNotFound, http.StatusGone:
		if res.Header.Get("X-Openstack-Request-Id") == "" && res.Header.Get("X-Compute-Request-Id") == "" {
			return "something else answered in its place, for the answer has no request id"
		}
	}
	return ""
}

func (g *guard) enter(ctx context.Context) error {
	select {
	case g.slots <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(g.queueTime)
	defer timer.Stop()
	select {
	case g.slots <- struct{}{}:
		return nil
	case <-timer.C:
		return fmt.Errorf("%d calls are under way already", cap(g.slots))
	case <-ctx.Done():
		return ctx.Err()
	}
}

// inconclusive is for calls that say nothing about the pod. A half-open breaker still waits for a verdict on its permit.
func (g *guard) inconclusive() {
	if g.breaker.IsHalfOpen() {
		g.breaker.RecordFailure()
	}
}

func (g *guard) failed() {
	g.breaker.RecordFailure()
	g.wake()
}

// gaveUp tells whether the caller ended the call for reasons of its own. A deadline that has passed is the pod's fault, also
// when it is the cause of a cancellation.
func gaveUp(ctx context.Context) bool { return errors.Is(context.Cause(ctx), context.Canceled) }

// reason puts a transport error into words for users: no addresses of the pod, which are none of their business.
func reason(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	if !mayHaveArrived(err) {
		return "cannot be reached"
	}
	return "the connection broke before the answer was complete"
}

// mayHaveArrived is false only when it is certain that no byte of the request was sent.
func mayHaveArrived(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return !ok || op.Op != "dial"
}

// guardedBody gives the slot back when the answer has been read, and tells the breaker how the call went: only now is it
// known whether the answer was complete. That it is not is an *UnavailableError, as if there had been none.
type guardedBody struct {
	io.ReadCloser
	guard  *guard
	pod    *Pod
	ctx    context.Context // the caller's: that it gave up is not the pod's fault
	cancel context.CancelFunc
	broken bool
	closed bool
}

func (b *guardedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF && !gaveUp(b.ctx) {
		b.broken = true
		err = b.guard.unavailable(b.pod, reason(err), true, err)
	}
	return n, err
}

func (b *guardedBody) Close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	defer b.guard.leave(b.cancel)
	if b.broken {
		b.guard.failed()
	} else {
		b.guard.breaker.RecordSuccess()
	}
	return b.ReadCloser.Close()
}
