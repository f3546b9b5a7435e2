package httpx

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/obs"
)

const (
	ourID    = "req-00000000-0000-4000-8000-000000000001"
	globalID = "req-00000000-0000-4000-8000-000000000002"
	podsID   = "req-00000000-0000-4000-8000-000000000003"
)

// rig is a chain whose id and clock are fixed and whose log is kept.
type rig struct {
	ChainOptions
	log bytes.Buffer
}

func newRig(style fault.Style) *rig {
	g := &rig{}
	now := time.Unix(0, 0)
	g.ChainOptions = ChainOptions{Role: "nova-gw", Style: style, MaxBody: 10, Metrics: obs.NewMetrics(),
		Logger: obs.NewLogger(&g.log, slog.LevelInfo, obs.FormatJSON),
		NewID:  func() string { return ourID },
		Now:    func() time.Time { now = now.Add(1500 * time.Microsecond); return now }}
	return g
}

func (g *rig) serve(r *http.Request, h http.HandlerFunc) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	Chain(h, g.ChainOptions).ServeHTTP(w, r)
	return w
}

// lastLine is the last line of the log without what differs from run to run.
func (g *rig) lastLine(t *testing.T) map[string]any {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(g.log.String()), "\n")
	var line map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &line); err != nil {
		t.Fatal(err)
	}
	delete(line, "time")
	return line
}

func TestChain_RequestID_OursUnlessThePodsIsThere(t *testing.T) {
	for _, c := range []struct {
		name               string
		style              fault.Style
		set                map[string]string
		openstack, compute string
	}{
		{"nova", fault.Nova, nil, ourID, ourID},
		{"cinder", fault.Cinder, nil, ourID, ""},
		{"neutron", fault.Neutron, nil, ourID, ""},
		{"pod sets one", fault.Nova, map[string]string{"X-Openstack-Request-Id": podsID}, podsID, podsID},
		{"old pod", fault.Nova, map[string]string{"X-Compute-Request-Id": podsID}, podsID, podsID},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newRig(c.style).serve(httptest.NewRequest("GET", "/", nil), func(w http.ResponseWriter, r *http.Request) {
				for name, value := range c.set {
					w.Header().Add(name, value) // as httputil.ReverseProxy does
				}
			})
			h := w.Result().Header
			if diff := cmp.Diff([]string{c.openstack}, h.Values("X-Openstack-Request-Id")); diff != "" {
				t.Error(diff)
			}
			if got := h.Get("X-Compute-Request-Id"); got != c.compute {
				t.Errorf("compute: got %q, want %q", got, c.compute)
			}
		})
	}
}

func TestChain_InboundID_IsTheGlobalOneIfWellFormed(t *testing.T) {
	for sent, want := range map[string]string{globalID: globalID, "req-1": "", "": ""} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("X-OpenStack-Request-ID", sent)
		newRig(fault.Nova).serve(r, func(_ http.ResponseWriter, r *http.Request) {
			if local, global := obs.RequestID(r.Context()), obs.GlobalRequestID(r.Context()); local != ourID || global != want {
				t.Errorf("sent %q: local %q, global %q", sent, local, global)
			}
		})
	}
}

func TestChain_AccessLog_TellsWhatHandlersLearnedAndNoSecret(t *testing.T) {
	g := newRig(fault.Nova)
	r := httptest.NewRequest("GET", "/v2.1/servers?name=a%20b&token=hunter2&limit=3", nil)
	r.Header.Set("X-Auth-Token", "hunter2")
	r.Header.Set("X-Openstack-Request-Id", globalID)
	g.serve(r, func(w http.ResponseWriter, r *http.Request) {
		obs.SetCaller(r.Context(), "proj", "user")
		obs.SetRoute(r.Context(), "server.list")
		obs.WithPod(r.Context(), "pod1")
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "short")
		_, _ = io.WriteString(w, " and stout")
	})
	want := map[string]any{"level": "INFO", "msg": "request", "role": "nova-gw", "route": "server.list", "method": "GET",
		"path": "/v2.1/servers", "query": "name=a%20b&token=***&limit=3", "status": 418.0, "bytes": 15.0, "duration_ms": 1.5,
		"remote": "192.0.2.1:1234", "request_id": ourID, "global_request_id": globalID,
		"project_id": "proj", "user_id": "user", "pod": "pod1"}
	if diff := cmp.Diff(want, g.lastLine(t)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if strings.Contains(g.log.String(), "hunter2") {
		t.Errorf("leaked: %s", &g.log)
	}
	w := httptest.NewRecorder()
	g.Metrics.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if want := `tricircle_http_requests_total{code="4xx",method="GET",role="nova-gw",route="server.list"} 1`; !strings.Contains(w.Body.String(), want) {
		t.Errorf("no %s", want)
	}
}

func TestRedact_Secrets_HiddenOthersKept(t *testing.T) {
	for query, want := range map[string]string{
		"":                         "",
		"sort_key=x&key_name=y":    "sort_key=x&key_name=y",
		"flag&adminPass=p":         "flag&adminPass=***",
		"Auth%5FKey=p&a=%zz":       "Auth%5FKey=***&a=%zz",
		"X-Amz-Signature=p%26q&b=": "X-Amz-Signature=***&b=",
	} {
		if got := redactQuery(query); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
	if got := redactPath("/v2.1/os-console-auth-tokens/hunter2"); got != "/v2.1/os-console-auth-tokens/***" {
		t.Errorf("path: got %s", got)
	}
}

func TestChain_Panic_IsThe500OfTheServiceAndLogsTheStack(t *testing.T) {
	g := newRig(fault.Cinder)
	w := g.serve(httptest.NewRequest("GET", "/", nil), func(http.ResponseWriter, *http.Request) { panic("boom") })
	if w.Code != 500 || !strings.HasPrefix(w.Body.String(), `{"computeFault": {"code": 500`) || strings.Contains(w.Body.String(), "boom") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if w.Header().Get("X-Openstack-Request-Id") != ourID {
		t.Errorf("no request id in %v", w.Header())
	}
	if log := g.log.String(); !strings.Contains(log, `"error":"boom"`) || !strings.Contains(log, "chain_test.go") {
		t.Errorf("log: %s", log)
	}
	if got := g.lastLine(t)["status"]; got != 500.0 {
		t.Errorf("access log: status %v", got)
	}
}

func TestChain_PanicAfterHeaders_BreaksTheConnection(t *testing.T) {
	for _, p := range []any{http.ErrAbortHandler, "boom"} {
		t.Run(fmt.Sprint(p), func(t *testing.T) {
			g := newRig(fault.Nova)
			defer func() {
				if got := recover(); got != http.ErrAbortHandler {
					t.Errorf("panic: got %v", got)
				}
				if got := g.lastLine(t)["status"]; got != 202.0 {
					t.Errorf("access log: status %v", got)
				}
			}()
			g.serve(httptest.NewRequest("GET", "/", nil), func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(202)
				panic(p)
			})
		})
	}
}

func TestChain_IdentityHeaders_OnlyTokensStay(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	forged := slices.AppendSeq([]string{"x-roles", "X-Service-Roles", "X-Tenant", "X-User-Domain-Name"}, maps.Keys(identityHeaders))
	kept := []string{"X-Auth-Token", "X-Service-Token", "Openstack-System-Scope", "X-Openstack-Nova-Api-Version"}
	for _, name := range append(forged, kept...) {
		r.Header.Set(name, "x")
	}
	newRig(fault.Nova).serve(r, func(_ http.ResponseWriter, r *http.Request) {
		for _, name := range kept {
			if r.Header.Get(name) == "" {
				t.Errorf("%s is gone", name)
			}
		}
		if len(r.Header) != len(kept) {
			t.Errorf("left: %v", r.Header)
		}
	})
}

// TestChain_BodyTooLarge_IsThatOfOsloMiddleware has the bodies that Nova 26 and Cinder 21 answer.
func TestChain_BodyTooLarge_IsThatOfOsloMiddleware(t *testing.T) {
	for _, c := range []struct{ accept, contentType, body string }{
		{"application/json", "application/json",
			`{"message": "Request is too large. Larger than max_request_body_size (10).<br /><br />\n\n\n", "code": "413 Request Entity Too Large", "title": "Request Entity Too Large"}`},
		{"", "text/plain; charset=UTF-8", "413 Request Entity Too Large\n\nRequest is too large. Larger than max_request_body_size (10).\n\n   "},
		{"*/*", "text/html; charset=UTF-8", "<html>\n <head>\n  <title>413 Request Entity Too Large</title>\n </head>\n <body>\n  <h1>413 Request Entity Too Large</h1>\n  Request is too large. Larger than max_request_body_size (10).<br /><br />\n\n\n\n </body>\n</html>"},
	} {
		for _, chunked := range []bool{false, true} {
			r := httptest.NewRequest("POST", "/", strings.NewReader("12345678901"))
			r.Header.Set("Accept", c.accept)
			if chunked {
				r.ContentLength = -1
			}
			w := newRig(fault.Nova).serve(r, func(http.ResponseWriter, *http.Request) { t.Error("handler called") })
			if w.Code != 413 || w.Header().Get("Content-Type") != c.contentType || w.Body.String() != c.body {
				t.Errorf("accept %q, chunked %v: got %d %v\n%s", c.accept, chunked, w.Code, w.Header(), w.Body)
			}
		}
	}
}

func TestChain_BodyWithinLimit_ArrivesWithItsLength(t *testing.T) {
	for _, length := range []int64{10, -1} {
		r := httptest.NewRequest("POST", "/", strings.NewReader("1234567890"))
		r.ContentLength = length
		newRig(fault.Nova).serve(r, func(_ http.ResponseWriter, r *http.Request) {
			if body, err := io.ReadAll(r.Body); err != nil || string(body) != "1234567890" || r.ContentLength != 10 {
				t.Errorf("announced %d: got %q, length %d, %v", length, body, r.ContentLength, err)
			}
		})
	}
}

func TestChain_NoLimit_LeavesTheBodyAlone(t *testing.T) {
	g := newRig(fault.Nova)
	g.MaxBody = 0
	r := httptest.NewRequest("PUT", "/", strings.NewReader("12345678901"))
	r.ContentLength = -1
	w := g.serve(r, func(_ http.ResponseWriter, r *http.Request) {
		if r.ContentLength != -1 {
			t.Errorf("length %d: the body was read ahead", r.ContentLength)
		}
	})
	if w.Code != 200 {
		t.Errorf("got %d", w.Code)
	}
}

func TestChain_UnreadableBody_Is400(t *testing.T) {
	r := httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader("1"), brokenReader{}))
	w := newRig(fault.Nova).serve(r, func(http.ResponseWriter, *http.Request) { t.Error("handler called") })
	if w.Code != 400 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("broken") }

func TestChain_EarlyHintsAndFlush_SendHeadersWithTheRequestID(t *testing.T) {
	release := make(chan struct{})
	g := newRig(fault.Neutron)
	s := httptest.NewServer(Chain(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		<-release
		_, _ = io.WriteString(w, "late\n")
	}), g.ChainOptions))
	defer s.Close()
	answer, err := s.Client().Get(s.URL)
	close(release)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != 200 || answer.Header.Get("X-Openstack-Request-Id") != ourID {
		t.Errorf("headers: %v", answer.Header)
	}
	if line, err := bufio.NewReader(answer.Body).ReadString('\n'); line != "late\n" || err != nil {
		t.Errorf("body: %q, %v", line, err)
	}
}

func TestPublic_WhereTheClientSeesUs(t *testing.T) {
	for _, c := range []struct {
		configured string
		trust      bool
		header     map[string]string
		want       string
	}{
		{"https://cloud/compute/", true, map[string]string{"Host": "evil"}, "https://cloud/compute"},
		{"", false, map[string]string{"Host": "evil", "Proto": "https"}, "http://example.com"},
		{"", true, map[string]string{"Host": "cloud:1, inner", "Proto": "https", "Prefix": "/compute/"}, "https://cloud:1/compute"},
		{"", true, map[string]string{"Proto": "javascript"}, "http://example.com"},
	} {
		r := httptest.NewRequest("GET", "http://example.com/v2.1", nil)
		for name, value := range c.header {
			r.Header.Set("X-Forwarded-"+name, value)
		}
		if got := Public(r, c.configured, c.trust); got != c.want {
			t.Errorf("%+v: got %s", c, got)
		}
	}
	if got := Public(httptest.NewRequest("GET", "https://example.com/", nil), "", false); got != "https://example.com" {
		t.Errorf("TLS: got %s", got)
	}
}
