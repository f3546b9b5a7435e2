package adminapi

import (
	"strings"
	"testing"
)

func TestAPI_Access_TokenAndRoleAreNeeded(t *testing.T) {
	g := newRig(t)
	const unauthorized = `{"error": {"code": 401, "title": "Unauthorized", "message": "The request you have made requires authentication."}}`
	for _, c := range []struct {
		name, token, path string
		status            int
		body              string
	}{
		{"versions are public", "", "/", 200, `{"versions":[{"id":"v1.0","status":"CURRENT","links":[{"rel":"self","href":"http://top:19999/v1.0/"}]}]}`},
		{"links are public", "", "/v1.0/", 200, `{"version":"1.0","links":[{"rel":"self","href":"http://top:19999/v1.0"},` +
			`{"rel":"bindings","href":"http://top:19999/v1.0/bindings"},{"rel":"ceilings","href":"http://top:19999/v1.0/ceilings"},` +
			`{"rel":"jobs","href":"http://top:19999/v1.0/jobs"},{"rel":"pods","href":"http://top:19999/v1.0/pods"},` +
			`{"rel":"routings","href":"http://top:19999/v1.0/routings"}]}`},
		{"no token", "", "/v1.0/pods", 401, unauthorized},
		{"bad token", "stolen", "/v1.0/pods", 401, unauthorized},
		{"no token, no such path", "", "/v1.0/pots", 401, unauthorized},
		{"member", "member", "/v1.0/pods", 403, `{"forbidden": {"code": 403, "message": "Only administrators may use this API: the role admin is needed."}}`},
		{"member, no such path", "member", "/v1.0/pots", 403, `{"forbidden": {"code": 403, "message": "Only administrators may use this API: the role admin is needed."}}`},
		{"admin", "admin", "/v1.0/pods", 200, `{"pods":[]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := g.callAs(c.token, "GET", c.path, "")
			if body := strings.TrimSpace(w.Body.String()); w.Code != c.status || body != c.body {
				t.Errorf("got %d %s\nwant %d %s", w.Code, body, c.status, c.body)
			}
			if c.status == 401 && w.Header().Get("WWW-Authenticate") != `Keystone uri="http://keystone/v3"` {
				t.Errorf("headers: %v", w.Header())
			}
		})
	}
}

func TestAPI_UnservedRequests_HaveTheOneErrorForm(t *testing.T) {
	g := newRig(t)
	for _, c := range []struct {
		method, path string
		status       int
		key, allow   string
	}{
		{"GET", "/v1.0/servers", 404, "itemNotFound", ""},
		{"GET", "/v2", 404, "itemNotFound", ""},
		{"GET", "/v1.0/pods/a/b", 404, "itemNotFound", ""},
		{"PATCH", "/v1.0/pods", 405, "badMethod", "GET, POST"},
		{"POST", "/v1.0/pods/x", 405, "badMethod", "DELETE, GET, PUT"},
		{"PUT", "/v1.0/routings/lookup", 405, "badMethod", "GET"},
		{"POST", "/", 405, "badMethod", "GET"},
		{"DELETE", "/v1.0", 405, "badMethod", "GET"},
	} {
		w := g.callAs("admin", c.method, c.path, "")
		if w.Code != c.status || !strings.HasPrefix(w.Body.String(), `{"`+c.key+`": {"code": `) || w.Header().Get("Allow") != c.allow {
			t.Errorf("%s %s: got %d %s %v", c.method, c.path, w.Code, w.Body, w.Header())
		}
	}
}
