package pod

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tricircle/tricircle/internal/store"
)

// stranger answers as what stands before a service does: without a request id.
func stranger(status int) roundTrip {
	return func(*http.Request) (*http.Response, error) {
		a := answer(status, strings.NewReader("<html>"))
		a.Header = http.Header{"Content-Type": {"text/html"}}
		return a, nil
	}
}

// roundTrip is a transport that is a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func answer(status int, body io.Reader) *http.Response {
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: http.Header{"X-Openstack-Request-Id": {"req-1"}},
		Body: io.NopCloser(body)}
}

func always(status int) roundTrip {
	return func(*http.Request) (*http.Response, error) { return answer(status, strings.NewReader("a body")), nil }
}

func hang(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
}

func refuse(*http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

func reset(*http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
}

// brokenBody is an answer that breaks off after its header.
func brokenBody(*http.Request) (*http.Response, error) {
	return answer(http.StatusOK, io.MultiReader(strings.NewReader(`{"serv`), readError{errors.New("reset")})), nil
}

type readError struct{ err error }

func (r readError) Read([]byte) (int, error) { return 0, r.err }

// subject is a pod whose Nova is behind a guard with a transport that can be exchanged.
type subject struct {
	*Pod
	transport roundTrip
	woken     int
	classes   []string
}

const (
	limit    = 2 // of concurrent calls
	failures = 3 // that open the circuit
	delay    = 10 * time.Second
	timeout  = 8 * time.Second // of one call; a slot is waited for a quarter of it
)

func newSubject() *subject {
	s := &subject{}
	registry := NewRegistry(Options{
		Transport: func() http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) { return s.transport(r) })
		},
		Now:           time.Now,
		Timeout:       timeout,
		MaxConcurrent: limit, BreakerFailures: failures, BreakerDelay: delay,
		Observe: func(_ string, _ Service, class string, _ time.Duration) { s.classes = append(s.classes, class) },
	})
	s.Pod = &Pod{Pod: store.Pod{RegionName: "east"}, runtime: registry.newRuntime("east")}
	for _, g := range s.guards {
		g.wake = func() { s.woken++ }
	}
	return s
}

// call makes a call, reads and closes the answer, and returns what went wrong on the way.
func (s *subject) call(ctx context.Context) error {
	res, err := s.open(ctx)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return err
}

// open makes a call and leaves its answer open.
func (s *subject) open(ctx context.Context) (*http.Response, error) {
	req := &http.Request{Method: http.MethodGet, URL: &url.URL{Scheme: "http", Host: "east.compute"}, Header: http.Header{}}
	return s.Do(Compute, req.WithContext(ctx))
}

func TestDo_Outcomes(t *testing.T) {
	for name, c := range map[string]struct {
		transport roundTrip
		reason    string // "" for an answer that passes
		sent      bool
		counts    bool // against the pod
		class     string
	}{
		"200":               {always(200), "", false, false, "2xx"},
		"404":               {always(404), "", false, false, "4xx"},
		"429":               {always(429), "", false, false, "4xx"},
		"500":               {always(500), "", false, false, "5xx"},
		"501":               {always(501), "", false, false, "5xx"},
		"502":               {always(502), "answered Bad Gateway", true, true, "5xx"},
		"503":               {always(503), "answered Service Unavailable", true, true, "5xx"},
		"504":               {always(504), "answered Gateway Timeout", true, true, "5xx"},
		"a redirect":        {always(302), "answered with a redirect, which no OpenStack service does", true, true, "3xx"},
		"304":               {always(304), "", false, false, "3xx"},
		"a stranger's 200":  {stranger(200), "something else answered in its place, for the answer has no request id", true, true, "2xx"},
		"a stranger's 404":  {stranger(404), "something else answered in its place, for the answer has no request id", true, true, "4xx"},
		"a stranger's 429":  {stranger(429), "", false, false, "4xx"},
		"refused":           {refuse, "cannot be reached", false, true, "error"},
		"reset after send":  {reset, "the connection broke before the answer was complete", true, true, "error"},
		"no answer in time": {hang, "no answer in time", true, true, "error"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSubject()
				s.transport = c.transport
				err := s.call(t.Context())
				if c.reason == "" {
					if err != nil || s.woken != 0 {
						t.Errorf("got %v and %d probes, want an answer and none", err, s.woken)
					}
				} else if e, ok := errors.AsType[*UnavailableError](err); !ok || e.Reason != c.reason || e.Sent != c.sent || e.Pod != "east" || e.Service != Compute {
					t.Errorf("got %#v, want %q, sent %t", err, c.reason, c.sent)
				}
				if got := s.guards[Compute].breaker.Metrics().Failures() == 1; got != c.counts || got != (s.woken == 1) {
					t.Errorf("counts as a failure: %t, probes asked for: %d; want %t", got, s.woken, c.counts)
				}
				if len(s.classes) != 1 || s.classes[0] != c.class {
					t.Errorf("observed %q, want %s", s.classes, c.class)
				}
			})
		})
	}
}

func TestDo_RetryAfter_IsKept(t *testing.T) {
	for header, want := range map[string]int{"": 0, "17": 17, "Wed, 21 Oct 2026 07:28:00 GMT": 0} {
		s := newSubject()
		s.transport = func(*http.Request) (*http.Response, error) {
			res := answer(503, strings.NewReader(""))
			res.Header.Set("Retry-After", header)
			return res, nil
		}
		if e, ok := errors.AsType[*UnavailableError](s.call(t.Context())); !ok || e.RetryAfter != want {
			t.Errorf("Retry-After %q: got %+v, want %d", header, e, want)
		}
	}
}

func TestDo_Timeout_EndsACallAndItsBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSubject()
		start := time.Now()
		s.transport = hang
		if err := s.call(t.Context()); err == nil {
			t.Error("no error")
		}
		s.transport = func(req *http.Request) (*http.Response, error) {
			client, server := net.Pipe()
			context.AfterFunc(req.Context(), func() { _ = client.Close(); _ = server.Close() })
			return answer(200, client), nil // of which nothing comes
		}
		if err := s.call(t.Context()); err == nil {
			t.Error("a body that never came was read")
		}
		if took := time.Since(start); took != 2*timeout {
			t.Errorf("took %s, want %s for each", took, timeout)
		}
		if n := s.guards[Compute].breaker.Metrics().Failures(); n != 2 {
			t.Errorf("%d failures, want 2", n)
		}
	})
}

func TestDo_BulkheadFull_RefusesAfterAWhileAndBlamesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSubject()
		s.transport = always(200)
		var open []*http.Response
		for range limit {
			res, err := s.open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, res)
		}
		start := time.Now()
		for range failures {
			e, ok := errors.AsType[*UnavailableError](s.call(t.Context()))
			if !ok || e.Sent || e.Reason != "2 calls are under way already" {
				t.Fatalf("got %+v, want a refusal that was not sent", e)
			}
		}
		if took := time.Since(start); took != failures*timeout/4 {
			t.Errorf("waited %s for a slot", took)
		}
		if s.woken != 0 || s.CircuitOpen(Compute) {
			t.Error("a full bulkhead counts against the pod")
		}
		_ = open[0].Body.Close()
		if err := s.call(t.Context()); err != nil {
			t.Errorf("after a body was closed: %v", err)
		}
		_ = open[0].Body.Close() // twice is as once
		_ = open[1].Body.Close()
		if n := len(s.guards[Compute].slots); n != 0 {
			t.Errorf("%d slots are still taken", n)
		}
	})
}

func TestDo_BulkheadFull_WaitsForASlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSubject()
		s.transport = always(200)
		for range limit {
			res, err := s.open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(time.Second, func() { _ = res.Body.Close() })
		}
		if err := s.call(t.Context()); err != nil {
			t.Error(err)
		}
		<-time.After(time.Second)
	})
}

func TestDo_Failures_OpenTheCircuitUntilOneCallSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSubject()
		sent := 0
		bad := true
		s.transport = func(req *http.Request) (*http.Response, error) {
			if sent++; bad {
				return reset(req)
			}
			return always(200)(req)
		}
		for range failures + 2 {
			_ = s.call(t.Context())
		}
		if e, ok := errors.AsType[*UnavailableError](s.call(t.Context())); !ok || e.Sent || e.Reason != "circuit open after repeated failures" {
			t.Errorf("got %+v", e)
		}
		if sent != failures || !s.CircuitOpen(Compute) || s.CircuitOpen(Volume) {
			t.Errorf("%d calls were sent, want %d, and the circuit of Nova alone open", sent, failures)
		}

		<-time.After(delay)
		_, _ = s.call(t.Context()), s.call(t.Context())
		if sent != failures+1 {
			t.Errorf("half open let through %d calls, want 1", sent-failures)
		}

		<-time.After(delay)
		bad = false
		for range 3 {
			if err := s.call(t.Context()); err != nil {
				t.Errorf("after the pod got well: %v", err)
			}
		}
		if s.CircuitOpen(Compute) {
			t.Error("the circuit is still open")
		}
	})
}

// punctualTransport keeps time by itself.
type punctualTransport struct{ roundTrip }

func (punctualTransport) RoundTripWithin(limit time.Duration, req *http.Request) (*http.Response, error) {
	if _, timed := req.Context().Deadline(); timed || limit != timeout {
		return nil, errors.New("the time is told otherwise")
	}
	return nil, context.DeadlineExceeded
}

func TestDo_TransportThatKeepsTime_IsToldIt(t *testing.T) {
	s := newSubject()
	s.guards[Compute].transport = punctualTransport{}
	e, ok := errors.AsType[*UnavailableError](s.call(t.Context()))
	if !ok || !e.Sent || e.Reason != "no answer in time" || len(s.guards[Compute].slots) != 0 {
		t.Errorf("got %+v", e)
	}
}

func TestDo_SuccessBetweenFailures_KeepsTheCircuitClosed(t *testing.T) {
	s := newSubject()
	for range 3 * failures {
		s.transport = reset
		_ = s.call(t.Context())
		s.transport = always(500)
		if err := s.call(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDo_BodiesThatBreakOff_OpenTheCircuit(t *testing.T) {
	s := newSubject()
	s.transport = brokenBody
	for range failures {
		if err := s.call(t.Context()); err == nil {
			t.Error("half a body was read without an error")
		}
	}
	if !s.CircuitOpen(Compute) {
		t.Error("the circuit is closed though no answer was complete")
	}
}

func TestDo_ClientGivesUp_IsNoVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSubject()
		s.transport = hang
		for range failures {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			e, ok := errors.AsType[*UnavailableError](s.call(ctx))
			if !ok || !e.Sent || !errors.Is(e, context.Canceled) {
				t.Errorf("got %+v, want one that was sent and cancelled", e)
			}
		}
		s.transport = func(req *http.Request) (*http.Response, error) {
			return answer(200, readError{context.Canceled}), nil
		}
		for range failures {
			ctx, cancel := context.WithCancel(t.Context())
			res, err := s.open(ctx)
			if err != nil {
				t.Fatal(err)
			}
			cancel()
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
		if s.woken != 0 || s.CircuitOpen(Compute) {
			t.Error("clients who gave up count against the pod")
		}
	})
}

func TestDo_ClientGivesUpWhileHalfOpen_OpensAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSubject()
		s.transport = reset
		for range failures {
			_ = s.call(t.Context())
		}
		<-time.After(delay)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		s.transport = hang
		_ = s.call(ctx)
		if !s.CircuitOpen(Compute) {
			t.Error("nobody has seen the pod well")
		}
		<-time.After(delay)
		s.transport = always(200)
		if err := s.call(t.Context()); err != nil {
			t.Errorf("the one permit was not given back: %v", err)
		}
	})
}
