//go:build acceptance

package acceptance

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"path"
	"testing"
)

// sum is a call whose numbers at some places are those of all pods added.
type sum struct {
	ask   func(cloud) *answer
	added string  // pattern of the places
	least float64 // that the largest of them is, so that not only nothing is added
}

// TestSums_OverBothPods_AreThoseOfThePodsAdded is in a project where nobody else makes anything meanwhile.
func TestSums_OverBothPods_AreThoseOfThePodsAdded(t *testing.T) {
	for _, pod := range pods {
		other.boot(t, regionOne, object{"availability_zone": pod.zone})
		other.create(t, regionOne, object{"availability_zone": pod.zone, "metadata": object{"zone": pod.zone}})
	}
	nova := func(u *user, path string) func(cloud) *answer {
		return func(c cloud) *answer { return u.nova(t, c, "GET", path, nil) }
	}
	cinder := func(path string) func(cloud) *answer {
		return func(c cloud) *answer {
			return other.cinder(t, c, "GET", path, nil, "OpenStack-API-Version", "volume 3.36")
		}
	}
	project := other.projectID
	for _, s := range []sum{
		{nova(other, "/limits"), "limits/absolute/total*Used", 2},
		{nova(other, "/os-quota-sets/"+project+"/detail"), "quota_set/*/in_use", 2},
		{nova(other, "/os-simple-tenant-usage/"+project+"?start=2026-01-01T00:00:00&end=2026-01-02T00:00:00"), "tenant_usage/total_*", 0},
		{nova(admin, "/os-hypervisors/statistics"), "hypervisor_statistics/count", 4},
		{nova(admin, "/os-instance_usage_audit_log"), "instance_usage_audit_logs/num_hosts*", 4},
		{cinder("/limits"), "limits/absolute/total*Used", 2},
		{cinder("/volumes/summary"), "volume-summary/total_*", 2},
		{cinder("/os-quota-sets/" + project + "?usage=True"), "quota_set/*/in_use", 2},
	} {
		s.check(t)
	}
}

// check compares the top with the pods.
func (s sum) check(t *testing.T) {
	t.Helper()
	want := map[string]float64{}
	for _, pod := range pods {
		for place, n := range numbers(t, s.ask(pod)) {
			if added, err := path.Match(s.added, place); added && err == nil {
				want[place] += n
			}
		}
	}
	top, most := s.ask(regionOne), 0.0
	got := numbers(t, top)
	for place, n := range want {
		if math.Abs(got[place]-n) > 1e-9 {
			t.Errorf("%s: %s is %v, want %v", top, place, got[place], n)
		}
		most = max(most, got[place])
	}
	if most < s.least {
		t.Errorf("%s: nothing is as much as %v", top, s.least)
	}
}

// numbers returns those of an answer by place, such as "limits/absolute/totalCoresUsed".
func numbers(t *testing.T, a *answer) map[string]float64 {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(a.want(t, http.StatusOK).body, &doc); err != nil {
		t.Fatalf("%s: %v", a, err)
	}
	all := map[string]float64{}
	var walk func(place string, v any)
	walk = func(place string, v any) {
		switch v := v.(type) {
		case float64:
			all[place] = v
		case map[string]any:
			for name, value := range v {
				walk(path.Join(place, name), value)
			}
		}
	}
	walk("", doc)
	return all
}

// TestSums_StockClient_CountsBothPods is what users and administrators see.
func TestSums_StockClient_CountsBothPods(t *testing.T) {
	for _, pod := range pods {
		demo.boot(t, regionOne, object{"availability_zone": pod.zone})
		demo.create(t, regionOne, object{"availability_zone": pod.zone})
	}
	used := map[string]float64{}
	for _, limit := range topDemo.list(t, "limits", "show", "--absolute") {
		used[fmt.Sprint(limit["Name"])], _ = limit["Value"].(float64)
	}
	if used["totalInstancesUsed"] < 2 || used["totalVolumesUsed"] < 2 {
		t.Errorf("limits: %v", used)
	}
	if stats := topAdmin.show(t, "hypervisor", "stats", "show"); stats["count"] != 4.0 {
		t.Errorf("hypervisors: %v", stats)
	}
	if shown := topDemo.show(t, "usage", "show"); len(shown) == 0 || shown["Servers"] == 0.0 {
		t.Errorf("usage: %v", shown)
	}
	if listed := topAdmin.list(t, "usage", "list"); len(listed) == 0 {
		t.Error("nobody has used anything")
	}
	if detail := topAdmin.list(t, "quota", "list", "--compute", "--detail", "--project", demo.projectID); len(detail) == 0 {
		t.Error("no quota")
	}
}
