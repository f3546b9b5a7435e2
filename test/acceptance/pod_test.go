//go:build acceptance

package acceptance

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestPod_ThatCannotServe_IsRefusedWithTheReason(t *testing.T) {
	for name, c := range map[string]struct {
		region, zone, podZone string
		status                int
		reason                string
	}{
		"unknown region":          {"site9", "az9", "az1", 400, "site9"},
		"zone the pod has not":    {"site2", "az9", "az9", 409, "az9"},
		"registered already":      {"site1", "az1", "az1", 409, "site1"},
		"the top's own region":    {"RegionOne", "az9", "az1", 409, "RegionOne"},
		"zone name with a colon":  {"site2", "az:9", "az2", 400, "az:9"},
		"region without a region": {"", "az9", "az1", 422, "region_name"},
	} {
		t.Run(name, func(t *testing.T) {
			a := admin.call(t, "POST", adminURL+"/pods", object{"pod": object{
				"region_name": c.region, "az_name": c.zone, "pod_az_name": c.podZone}})
			if a.status != c.status || !strings.Contains(string(a.body), c.reason) {
				t.Errorf("%s; want %d and %q", a, c.status, c.reason)
			}
		})
	}
}

func TestAdminAPI_OfAMember_IsForbidden(t *testing.T) {
	for _, path := range []string{"/pods", "/routings"} {
		demo.call(t, "GET", adminURL+path, nil).want(t, http.StatusForbidden)
	}
}

func TestPod_DrainedAndDisabled_TakesNothingNew(t *testing.T) {
	s := demo.boot(t, regionOne, object{"availability_zone": "az2"})
	t.Cleanup(func() { tricircle(t, "pod", "enable", "site2") })

	tricircle(t, "pod", "drain", "site2")
	boot := tiny(t, uniqueName(), object{"availability_zone": "az2"})
	if a := demo.nova(t, regionOne, "POST", "/servers", boot); a.status < 400 {
		t.Errorf("a draining pod takes a server: %s", a)
	}
	demo.nova(t, regionOne, "GET", "/servers/"+s.ID, nil).want(t, http.StatusOK)
	if !hasAll(demo.servers(t, regionOne, ""), s.ID) {
		t.Error("a draining pod's server is not listed")
	}

	tricircle(t, "pod", "disable", "site2")
	if a := demo.nova(t, regionOne, "POST", "/servers", boot); a.status < 400 {
		t.Errorf("a disabled pod takes a server: %s", a)
	}
	demo.nova(t, regionOne, "GET", "/servers/"+s.ID, nil).want(t, http.StatusServiceUnavailable)

	tricircle(t, "pod", "enable", "site2")
	eventually(t, 10*time.Second, func() error {
		if a := demo.nova(t, regionOne, "GET", "/servers/"+s.ID, nil); a.status != http.StatusOK {
			return errors.New(a.String())
		}
		return nil
	})
	demo.boot(t, regionOne, object{"availability_zone": "az2"})
}
