package identity

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/obs"
)

// validatorFunc makes a Validator of a function.
type validatorFunc func(token string) (*Caller, error)

func (f validatorFunc) Validate(_ context.Context, token string) (*Caller, error) { return f(token) }

func TestMiddleware_Answers(t *testing.T) {
	v := validatorFunc(func(token string) (*Caller, error) {
		switch token {
		case "good":
			return &Caller{UserID: "u1", ProjectID: "p1", Token: "good"}, nil
		case "down":
			return nil, errors.New("no route to keystone")
		}
		return nil, fmt.Errorf("wrapped: %w", ErrInvalidToken)
	})
	const unauthorized = `{"error": {"code": 401, "title": "Unauthorized", "message": "The request you have made requires authentication."}}`
	const down = `{"serviceUnavailable": {"code": 503, "message": "The Keystone service is temporarily unavailable."}}`
	for _, c := range []struct {
		name   string
		header map[string]string
		code   int
		body   string
	}{
		{"missing", nil, 401, unauthorized},
		{"invalid", map[string]string{"X-Auth-Token": "hunter2"}, 401, unauthorized},
		{"valid", map[string]string{"X-Auth-Token": "good"}, 200, "u1"},
		{"storage token", map[string]string{"X-Storage-Token": "good"}, 200, "u1"},
		{"empty before storage token", map[string]string{"X-Auth-Token": "", "X-Storage-Token": "good"}, 401, unauthorized},
		{"valid service token", map[string]string{"X-Auth-Token": "good", "X-Service-Token": "good"}, 200, "u1"},
		{"invalid service token", map[string]string{"X-Auth-Token": "good", "X-Service-Token": "hunter2"}, 401, unauthorized},
		{"keystone down", map[string]string{"X-Auth-Token": "down"}, 503, down},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			h := Middleware(v, fault.Nova, "http://keystone/v3", obs.NewLogger(&log, slog.LevelDebug, obs.FormatJSON))(
				http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					fmt.Fprint(w, FromContext(r.Context()).UserID)
				}))
			r := httptest.NewRequest("GET", "/", nil)
			for name, value := range c.header {
				r.Header.Set(name, value)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != c.code || w.Body.String() != c.body {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
			if got := w.Header().Get("WWW-Authenticate"); (got == `Keystone uri="http://keystone/v3"`) != (c.code == 401) {
				t.Errorf("WWW-Authenticate: %s", got)
			}
			if (w.Code == 503) != strings.Contains(log.String(), "no route to keystone") {
				t.Errorf("log: %s", &log)
			}
			if strings.Contains(log.String(), "hunter2") {
				t.Errorf("leaked: %s", &log)
			}
		})
	}
}

func TestMiddleware_Caller_IsKnownToTheLog(t *testing.T) {
	var log bytes.Buffer
	logger := obs.NewLogger(&log, slog.LevelInfo, obs.FormatText)
	v := validatorFunc(func(string) (*Caller, error) { return &Caller{UserID: "u1", ProjectID: "p1", Token: "hunter2"}, nil })
	h := Middleware(v, fault.Nova, "", logger)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		logger.InfoContext(r.Context(), "inside", "caller", FromContext(r.Context()))
	}))
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-Auth-Token", "hunter2")
	r = r.WithContext(obs.WithRequestID(r.Context(), "req-1", ""))
	h.ServeHTTP(httptest.NewRecorder(), r)
	if got := log.String(); !strings.Contains(got, "project_id=p1") || !strings.Contains(got, "user_id=u1") || strings.Contains(got, "hunter2") {
		t.Errorf("log: %s", got)
	}
	if FromContext(t.Context()) != nil {
		t.Error("a caller out of nothing")
	}
}

func TestCaller_HasRole_WithoutCase(t *testing.T) {
	c := &Caller{Roles: []string{"Member", "ADMIN"}}
	if !c.HasRole("member") || !c.IsAdmin() || c.HasRole("mem") || (&Caller{}).IsAdmin() {
		t.Error("roles are not compared as a whole and without case")
	}
}
