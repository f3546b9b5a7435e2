package app

import (
	"testing"
)

func TestCinder_WhatItsControllersDoNotAnswer_IsAsCinderHasIt(t *testing.T) {
	c := newCloud(t, 1)
	for _, call := range []struct {
		path    string
		headers []string
		status  int
		named   bool // the request id, by the header of controllers
	}{
		{"", nil, 302, false},
		{"/", nil, 200, true},
		{"/nosuch", nil, 404, false},
		{"/volumes", []string{"X-Auth-Token", "bad"}, 401, false},
		{"/volumes", nil, 200, true},
		{"/volumes/00000000-0000-4000-8000-000000000000", nil, 404, true},
		{"/volumes", []string{"OpenStack-API-Version", "volume 3.999"}, 406, true},
	} {
		a := c.call(volume, "GET", call.path, "", call.headers...).want(t, call.status)
		if a.Header.Get("X-Openstack-Request-Id") == "" {
			t.Errorf("%q has no request id: %v", call.path, a.Header)
		}
		if got := a.Header.Get("X-Compute-Request-Id"); call.named != (got != "") || call.named && got != a.Header.Get("X-Openstack-Request-Id") {
			t.Errorf("%q names the request %q: %v", call.path, got, a.Header)
		}
		if want := a.Request.URL.String() + "/"; call.status == 302 && a.Header.Get("Location") != want {
			t.Errorf("redirected to %q, want %q", a.Header.Get("Location"), want)
		}
	}
}
