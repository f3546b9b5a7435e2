package gateway_test

import (
	"net/http"
	"testing"

	"github.com/tricircle/tricircle/internal/pod/podtest"
)

func TestLegacyPrefix_IgnoresMicroversions(t *testing.T) {
	var got seen
	const answer = `{"server": {"links": [{"rel": "self", "href": "http://east.compute/v2/servers/7"}, {"rel": "bookmark", "href": "http://east.compute/servers/7"}]}}`
	u := single(t, podtest.JSON(200, "{}"))
	u.Handle("east.compute", got.then(podtest.JSON(200, answer)))
	for _, version := range []string{"", "compute 2.93", "compute 2.999", "compute x"} {
		w := ask(t, u.nova, "GET", "/v2/servers/"+sid(1), "", "OpenStack-API-Version: "+version, "X-OpenStack-Nova-API-Version: "+version)
		if want := `{"server": {"links": [{"rel": "self", "href": "https://top/v2/servers/7"}, {"rel": "bookmark", "href": "https://top/servers/7"}]}}`; w.Code != 200 || w.Body.String() != want {
			t.Errorf("%q: got %d %s", version, w.Code, w.Body)
		}
		if got.url != "GET /v2/servers/"+sid(1) || got.header.Get("OpenStack-API-Version") != "compute 2.1" {
			t.Errorf("%q: the pod was asked for %s at %s", version, got.url, got.header.Get("OpenStack-API-Version"))
		}
		for _, name := range []string{"OpenStack-API-Version", "X-OpenStack-Nova-API-Version", "Vary"} {
			if w.Header().Get(name) != "" {
				t.Errorf("%q: the answer has %s: %s", version, name, w.Header().Get(name))
			}
		}
	}
}

func TestLegacyPrefix_WhatIsThere(t *testing.T) {
	u := single(t, podtest.JSON(200, "{}"))
	for target, want := range map[string]int{"/v2/": http.StatusOK, "/v2": http.StatusOK, "/v2/nope": http.StatusNotFound, "/v2/os-volumes_boot/" + sid(1): http.StatusOK,
		"/v2/servers/" + sid(1) + "/tags": http.StatusNotFound /* since 2.26 */, "/v20": http.StatusMultipleChoices} {
		if w := ask(t, u.nova, "GET", target, ""); w.Code != want {
			t.Errorf("GET %s: %d %s, want %d", target, w.Code, w.Body, want)
		}
	}
}
