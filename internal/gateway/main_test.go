package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/gateway/cinder"
	"github.com/tricircle/tricircle/internal/gateway/nova"
	"github.com/tricircle/tricircle/internal/identity"
	"github.com/tricircle/tricircle/internal/microversion"
	"github.com/tricircle/tricircle/internal/obs"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/pod/podtest"
	"github.com/tricircle/tricircle/internal/routing"
	"github.com/tricircle/tricircle/internal/store/sqlstore/sqltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	project   = "0123456789abcdef0123456789abcdef"
	user      = "u1"
	requestID = "req-11111111-2222-3333-4444-555555555555"
	public    = "https://top"
)

// validator knows the tokens "token" and "admin".
type validator struct {
	mu      sync.Mutex
	failure error // of Revalidate
}

func (v *validator) Validate(_ context.Context, token string) (*identity.Caller, error) {
	c := &identity.Caller{UserID: user, ProjectID: project, Roles: []string{"member"}, Token: obs.Secret(token)}
	switch token {
	case "token":
	case "admin":
		c.Roles = append(c.Roles, "admin")
	default:
		return nil, identity.ErrInvalidToken
	}
	return c, nil
}

func (v *validator) Revalidate(ctx context.Context, token string) (*identity.Caller, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.failure != nil {
		return nil, v.failure
	}
	return v.Validate(ctx, token)
}

// top is both gateways over pods.
type top struct {
	*podtest.Cloud
	routing      *routing.Table
	validator    *validator
	nova, cinder http.Handler
}

func newTop(t testing.TB, adjust ...func(*gateway.Options)) *top {
	t.Helper()
	s := sqltest.Open(t, sqltest.InMemory, time.Now)
	u := &top{Cloud: podtest.New(t, s, nil), validator: &validator{}}
	u.routing = routing.NewTable(s, u.Registry, 10000, slog.New(slog.DiscardHandler))
	address := func(*http.Request) string { return public }
	ceiling := func(s pod.Service) func() microversion.Version {
		return func() microversion.Version { return u.Registry.Snapshot().Ceiling(s) }
	}
	compute, err := nova.Service(address, ceiling(pod.Compute), nil)
	if err != nil {
		t.Fatal(err)
	}
	volume, err := cinder.Service(address, ceiling(pod.Volume))
	if err != nil {
		t.Fatal(err)
	}
	serve := func(service *gateway.Service) http.Handler {
		o := gateway.Options{Service: service, Pods: u.Registry, Routing: u.routing, Validator: u.validator, KeystoneURI: "http://keystone",
			Public: address, ListTimeout: 4 * time.Second, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
		for _, a := range adjust {
			a(&o)
		}
		g, err := gateway.New(o)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	u.nova, u.cinder = serve(compute), serve(volume)
	return u
}

// ask sends a request as a user. Headers are "Name: value"; they replace those that every request has.
func ask(t testing.TB, h http.Handler, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	return askWith(obs.WithRequestID(t.Context(), requestID, ""), h, method, target, body, headers...)
}

func askWith(ctx context.Context, h http.Handler, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	r.Header.Set("X-Auth-Token", "token")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// page is a decoded list of servers or volumes.
type page struct {
	Servers      []map[string]any `json:"servers"`
	ServersLinks []link           `json:"servers_links"`
	Volumes      []map[string]any `json:"volumes"`
	VolumesLinks []link           `json:"volumes_links"`
	Count        *int             `json:"count"`
}

type link struct{ Rel, Href string }

func (p page) ids() (ids []string) {
	for _, row := range append(p.Servers, p.Volumes...) {
		ids = append(ids, row["id"].(string))
	}
	return ids
}

// next is the target of the next link, below the public address; "" if there is none.
func (p page) next(t testing.TB) string {
	t.Helper()
	links := append(p.ServersLinks, p.VolumesLinks...)
	if len(links) == 0 {
		return ""
	}
	target, ours := strings.CutPrefix(links[0].Href, public)
	if !ours || len(links) != 1 || links[0].Rel != "next" {
		t.Fatalf("links %+v", links)
	}
	return target
}

// list asks for a list that must be answered with 200.
func list(t testing.TB, h http.Handler, target string, headers ...string) (page, http.Header) {
	t.Helper()
	w := ask(t, h, http.MethodGet, target, "", headers...)
	var p page
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != http.StatusOK {
		t.Fatalf("GET %s: %d %s", target, w.Code, w.Body)
	}
	return p, w.Header()
}

// refusal is what an error answers: status and the message of Nova's and Cinder's bodies.
func refusal(w *httptest.ResponseRecorder) string {
	var body map[string]struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(w.Body.Bytes(), &body) == nil {
		for _, f := range body {
			return fmt.Sprintf("%d %s", w.Code, f.Message)
		}
	}
	return fmt.Sprintf("%d %s", w.Code, w.Body)
}
