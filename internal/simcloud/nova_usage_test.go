package simcloud

import (
	"net/http"
	"slices"
	"testing"
)

func TestUsage_Pages_CountServersOfProjects(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1, Servers: 5})
	admin := c.as("admin", "admin")
	all := "/os-simple-tenant-usage?start=2000-01-01T00:00:00&detailed=1"
	var seen []string
	marker := ""
	for range 4 {
		r := admin.do("GET", nova(cloud, all+"&limit=2"+marker), "", mv("40")...).want(t, http.StatusOK)
		if r.at("tenant_usages", 0) == nil {
			break
		}
		for i := range 2 {
			if id := r.at("tenant_usages", 0, "server_usages", i, "instance_id"); id != nil {
				seen = append(seen, id.(string))
			}
		}
		marker = "&marker=" + seen[len(seen)-1]
	}
	if len(seen) != 5 || !slices.IsSorted(seen) || len(slices.Compact(seen)) != 5 {
		t.Errorf("seen %v", seen)
	}
	one := c.do("GET", nova(cloud, "/os-simple-tenant-usage/"+stableDemoProject+"?start=2000-01-01T00:00:00"), "").want(t, http.StatusOK)
	whole := admin.do("GET", nova(cloud, all), "").want(t, http.StatusOK)
	if hours, ok := one.at("tenant_usage", "total_hours").(float64); !ok || hours <= 0 {
		t.Errorf("used %v", one.at("tenant_usage"))
	}
	if got := whole.at("tenant_usages", 0, "tenant_id"); got != stableDemoProject {
		t.Errorf("the project is %v", got)
	}
	none := admin.do("GET", nova(cloud, "/os-simple-tenant-usage/"+stableHex("nobody")), "").want(t, http.StatusOK)
	if usage, ok := none.at("tenant_usage").(map[string]any); !ok || len(usage) != 0 {
		t.Errorf("of nobody: %v", none.at("tenant_usage"))
	}
}

func TestUsage_Refusals(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	c.do("GET", nova(cloud, "/os-simple-tenant-usage"), "").want(t, http.StatusForbidden)
	c.do("GET", nova(cloud, "/os-simple-tenant-usage/other"), "").want(t, http.StatusForbidden)
	c.do("GET", nova(cloud, "/os-hypervisors/statistics"), "").want(t, http.StatusForbidden)
	c.do("GET", nova(cloud, "/os-instance_usage_audit_log"), "").want(t, http.StatusForbidden)
	mine := "/os-simple-tenant-usage/" + stableDemoProject
	for _, query := range []string{"?start=x", "?start=2026-01-02T00:00:00&end=2026-01-01T00:00:00", "?marker=x", "?limit=x"} {
		c.do("GET", nova(cloud, mine+query), "", mv("40")...).want(t, http.StatusBadRequest)
	}
	admin := c.as("admin", "admin")
	admin.do("GET", nova(cloud, "/os-instance_usage_audit_log/yesterday"), "").want(t, http.StatusBadRequest)
	admin.do("GET", nova(cloud, "/os-hypervisors/statistics"), "", mv("88")...).want(t, http.StatusNotFound)
}

func TestStatistics_CountServers(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1, Servers: 3})
	r := c.as("admin", "admin").do("GET", nova(cloud, "/os-hypervisors/statistics"), "").want(t, http.StatusOK)
	if got := r.at("hypervisor_statistics", "running_vms"); got != float64(3) {
		t.Errorf("%v servers run, want 3", got)
	}
	log := c.as("admin", "admin").do("GET", nova(cloud, "/os-instance_usage_audit_log/2026-01-01%2000:00:00"), "").want(t, http.StatusOK)
	if got := log.at("instance_usage_audit_log", "period_ending"); got != "2026-01-01 00:00:00" {
		t.Errorf("the period ends %v", got)
	}
}
