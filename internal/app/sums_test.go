package app

import (
	"strings"
	"testing"
	"time"

	"github.com/tricircle/tricircle/internal/simcloud"
)

func TestSums_OverTwoPods_CountBoth(t *testing.T) {
	c := newCloudOf(t, simcloud.Options{Pods: 2, Servers: 3, Volumes: 2})
	c.boot("one", "az1")
	c.boot("two", "az2")
	admin := []string{"X-Auth-Token", c.sim.Token("admin", "admin", time.Hour), "OpenStack-API-Version", "compute 2.40"}
	detailed := "/os-simple-tenant-usage?start=2000-01-01T00:00:00&detailed=1"
	if got := c.call(compute, "GET", "/limits", "").want(t, 200).get(t, "limits", "absolute", "totalInstancesUsed"); got != 8.0 {
		t.Errorf("limits count %v servers", got)
	}
	statistics := c.call(compute, "GET", "/os-hypervisors/statistics", "", admin...).want(t, 200)
	if got := statistics.get(t, "hypervisor_statistics", "running_vms"); got != 8.0 {
		t.Errorf("statistics count %v servers", got)
	}
	usages := c.call(compute, "GET", detailed, "", admin...).want(t, 200).get(t, "tenant_usages").([]any)
	if len(usages) != 1 || len(usages[0].(map[string]any)["server_usages"].([]any)) != 8 {
		t.Errorf("usage is %v", usages)
	}
	if page := c.call(compute, "GET", detailed+"&limit=3", "", admin...).want(t, 200); !strings.Contains(page.body, `"tenant_usages_links"`) {
		t.Errorf("no next page: %s", page.body)
	}
	audit := c.call(compute, "GET", "/os-instance_usage_audit_log", "", admin...).want(t, 200)
	if got := audit.get(t, "instance_usage_audit_logs", "overall_status"); got != "2 of 4 hosts done. 0 errors." {
		t.Errorf("the audit says %v", got)
	}
	summary := c.call(volume, "GET", "/volumes/summary", "", "OpenStack-API-Version", "volume 3.36").want(t, 200)
	if got := summary.get(t, "volume-summary", "total_count"); got != 4.0 {
		t.Errorf("the summary counts %v volumes", got)
	}
}

func TestSums_PodStops_LimitsCountOnAndBillsDoNot(t *testing.T) {
	c := newCloudOf(t, simcloud.Options{Pods: 2, Servers: 3})
	used := func() (any, string) {
		a := c.call(compute, "GET", "/limits", "").want(t, 200)
		return a.get(t, "limits", "absolute", "totalInstancesUsed"), a.Header.Get("X-Tricircle-Missing-Pods")
	}
	if n, missing := used(); n != 6.0 || missing != "" {
		t.Errorf("%v used, %q missing", n, missing)
	}
	c.sim.Pod(1).Stop()
	if n, missing := used(); n != 6.0 || missing != c.sim.Pod(1).Region {
		t.Errorf("%v used, %q missing", n, missing)
	}
	admin := c.sim.Token("admin", "admin", time.Hour)
	for _, path := range []string{"/os-simple-tenant-usage", "/os-hypervisors/statistics", "/os-instance_usage_audit_log"} {
		if a := c.call(compute, "GET", path, "", "X-Auth-Token", admin).want(t, 503); !strings.Contains(a.body, c.sim.Pod(1).Region) {
			t.Errorf("%s does not name the pod: %s", path, a.body)
		}
	}
}
