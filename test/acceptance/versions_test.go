//go:build acceptance

package acceptance

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"
)

const (
	versionHeader = "OpenStack-API-Version"
	olderHeader   = "X-OpenStack-Nova-API-Version"
)

// spellings are ways to ask for a version: name, value, and so on.
var spellings = map[string][][]string{
	"compute": {
		{}, {versionHeader, "compute 2.93"}, {versionHeader, "compute latest"}, {versionHeader, "compute LATEST"}, {versionHeader, "Compute 2.50"},
		{versionHeader, "compute 2.999"}, {versionHeader, "compute 2.10000"}, {versionHeader, "compute 2.0"}, {versionHeader, "compute 1.5"},
		{versionHeader, "compute 3.0"}, {versionHeader, "compute 0.0"}, {versionHeader, "compute abc"}, {versionHeader, "compute"},
		{versionHeader, "compute 2.050"}, {versionHeader, "compute 2.5 x"}, {versionHeader, "compute 2"}, {versionHeader, "compute=2.5"},
		{versionHeader, "volume 3.5"}, {versionHeader, "compute 2.5, volume 3.5"}, {versionHeader, "volume 3.5,compute 2.5"},
		{versionHeader, "compute 2.5,compute 2.7"}, {versionHeader, "compute  2.5"}, {versionHeader, "compute\t2.5"}, {versionHeader, "nova 2.5"},
		{versionHeader, "2.5"}, {versionHeader, "latest"}, {versionHeader, ""}, {versionHeader, "compute latest, volume latest"},
		{olderHeader, "2.5"}, {olderHeader, "latest"}, {olderHeader, "2.999"}, {olderHeader, "x"}, {olderHeader, ""}, {olderHeader, "2.5,2.7"},
		{olderHeader, "compute 2.5"}, {versionHeader, "compute 2.8", olderHeader, "2.5"}, {versionHeader, "volume 3.8", olderHeader, "2.5"},
	},
	"volume": {
		{}, {versionHeader, "volume 3.70"}, {versionHeader, "volume latest"}, {versionHeader, "volume Latest"}, {versionHeader, "Volume 3.5"},
		{versionHeader, "volume 3.999"}, {versionHeader, "volume 3.10000"}, {versionHeader, "volume 2.0"}, {versionHeader, "volume 1.0"},
		{versionHeader, "volume 4.0"}, {versionHeader, "volume 0.0"}, {versionHeader, "volume x"}, {versionHeader, "volume 3"},
		{versionHeader, "volume 3.05"}, {versionHeader, "volume  3.5"}, {versionHeader, "volume\t3.5"}, {versionHeader, "volumev3 3.5"},
		{versionHeader, "block-storage 3.5"}, {versionHeader, "compute 2.5"}, {versionHeader, "compute 2.1,volume 3.5"},
		{versionHeader, "volume 3.5, compute 2.1"}, {versionHeader, "volume 3.5,volume 3.7"}, {versionHeader, "3.5"}, {versionHeader, "latest"},
		{versionHeader, ""}, {olderHeader, "3.5"}, {"X-OpenStack-Volume-API-Version", "3.5"},
	},
}

// The top announces and refuses versions as its pods do: status, headers and the body of an error are the same to the byte, on
// success, on an error of the service, and where there is no such call.
func TestVersions_EverySpelling_AsThePod(t *testing.T) {
	paths := map[string][]string{
		"compute": {"/flavors", "/flavors/nosuch", "/servers/" + noID, "/nosuch"},
		"volume":  {"/types", "/volumes/" + noID, "/nosuch"},
	}
	for service, ways := range spellings {
		ask := demo.nova
		if service == "volume" {
			ask = demo.cinder
		}
		for _, path := range paths[service] {
			for _, headers := range ways {
				pod, top := ask(t, site1, "GET", path, nil, headers...), ask(t, regionOne, "GET", path, nil, headers...)
				if pod.status != top.status || pod.status != http.StatusOK && !bytes.Equal(pod.body, top.body) {
					t.Errorf("%q: the pod %s; the top %s", headers, pod, top)
				}
				for _, name := range []string{versionHeader, olderHeader, "Vary", "Content-Type"} {
					if p, u := pod.header.Values(name), top.header.Values(name); !slices.Equal(p, u) {
						t.Errorf("%q, %s: %s is %q of the pod, %q of the top", headers, path, name, p, u)
					}
				}
			}
		}
	}
}

const noID = "8f3e1c0a-1111-4222-8333-444455556666"

// What Cinder fails at, the top refuses.
func TestVersions_MalformedEntry_IsTheClientsFault(t *testing.T) {
	for _, value := range []string{"volume", "volume 3.5 x", "volume 3.5;compute 2.1"} {
		demo.cinder(t, regionOne, "GET", "/types", nil, versionHeader, value).want(t, http.StatusBadRequest)
	}
}

func TestVersions_LegacyPrefix_KnowsNone(t *testing.T) {
	legacy := func(c cloud) cloud {
		c.compute = strings.TrimSuffix(c.compute, ".1")
		return c
	}
	for _, path := range []string{"/servers", "/servers/detail", "/flavors", "/flavors/nosuch", "/servers/" + noID, "/nosuch"} {
		for _, value := range []string{"", "compute 2.93", "compute 2.999", "compute x"} {
			pod, top := demo.nova(t, legacy(site1), "GET", path, nil, versionHeader, value), demo.nova(t, legacy(regionOne), "GET", path, nil, versionHeader, value)
			if pod.status != top.status {
				t.Errorf("%q: the pod %s; the top %s", value, pod, top)
			}
			for _, name := range []string{versionHeader, olderHeader, "Vary"} {
				if u := top.header.Values(name); len(u) > 0 {
					t.Errorf("%q, %s: the top sends %s: %q", value, path, name, u)
				}
			}
		}
	}
}
