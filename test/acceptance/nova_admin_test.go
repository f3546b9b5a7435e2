//go:build acceptance

package acceptance

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// v290 is the header that asks for that microversion.
var v290 = []string{"OpenStack-API-Version", "compute 2.90"}

// hosted is what an administrator sees of where a server is.
type hosted struct {
	ID, HostID string
	Host       string `json:"OS-EXT-SRV-ATTR:host"`
	Node       string `json:"OS-EXT-SRV-ATTR:hypervisor_hostname"`
}

func TestAdmin_Hypervisors_AreThoseOfAllPods(t *testing.T) {
	var names []string
	for _, h := range topAdmin.list(t, "hypervisor", "list") {
		names = append(names, h["Hypervisor Hostname"].(string))
	}
	for _, want := range []string{"site1-c1.site1", "site2-c1.site2"} {
		if !slices.Contains(names, want) {
			t.Errorf("no %s in %q", want, names)
		}
	}
	type hypervisor struct {
		ID       string
		Hostname string `json:"hypervisor_hostname"`
	}
	var seen []string
	for next := regionOne.compute + "/os-hypervisors?limit=1"; next != ""; {
		a := admin.call(t, "GET", next, nil, v290...).want(t, http.StatusOK)
		page := member[[]hypervisor](t, a, "hypervisors")
		for _, h := range page {
			seen = append(seen, h.Hostname)
			// Not by call, which minds addresses of pods: that of a hypervisor is for administrators to see.
			shown, err := send("GET", regionOne.compute+"/os-hypervisors/"+h.ID, admin.token, nil, v290...)
			if err != nil {
				t.Fatal(err)
			}
			if got := member[hypervisor](t, shown.want(t, http.StatusOK), "hypervisor"); got.Hostname != h.Hostname {
				t.Errorf("%s is %s by id and %s in the list", h.ID, got.Hostname, h.Hostname)
			}
		}
		if next = ""; len(page) > 0 {
			next = member[[]link](t, a, "hypervisors_links")[0].Href
		}
		if len(seen) > len(names) {
			break
		}
	}
	if slices.Sort(seen); !slices.Equal(seen, slices.Sorted(slices.Values(names))) {
		t.Errorf("page by page %q, at once %q", seen, names)
	}
	demo.nova(t, regionOne, "GET", "/os-hypervisors", nil).want(t, http.StatusForbidden)
}

func TestAdmin_Service_DisabledAndEnabledByItsQualifiedHost(t *testing.T) {
	enable := func() { topAdmin.do(t, "compute", "service", "set", "--enable", "site2-c2.site2", "nova-compute") }
	t.Cleanup(enable)
	status := func() string {
		rows := topAdmin.list(t, "compute", "service", "list", "--host", "site2-c2.site2", "--service", "nova-compute")
		if len(rows) != 1 || rows[0]["Zone"] != "az2" {
			t.Fatalf("got %v", rows)
		}
		return rows[0]["Status"].(string)
	}
	topAdmin.do(t, "compute", "service", "set", "--disable", "--disable-reason", "acceptance", "site2-c2.site2", "nova-compute")
	if got := status(); got != "disabled" {
		t.Errorf("disabled, it is %s", got)
	}
	enable()
	if got := status(); got != "enabled" {
		t.Errorf("enabled, it is %s", got)
	}
	admin.nova(t, regionOne, "PUT", "/os-services/disable", object{"host": "site2-c2", "binary": "nova-compute"}).want(t, http.StatusNotFound)
}

func TestAdmin_Aggregate_LivesInThePodOfItsZone(t *testing.T) {
	name := uniqueName()
	created := topAdmin.show(t, "aggregate", "create", "--zone", "az2", name)
	id := fmt.Sprint(int64(created["id"].(float64)))
	t.Cleanup(func() { topAdmin.do(t, "aggregate", "delete", id) })
	hosts := func(shown map[string]any) string { return fmt.Sprint(shown["hosts"]) }
	if got := hosts(topAdmin.show(t, "aggregate", "add", "host", id, "site2-c2.site2")); got != "[site2-c2.site2]" {
		t.Errorf("with a host: %s", got)
	}
	topAdmin.refused(t, []string{"404", "site1-c1.site1"}, "aggregate", "add", "host", id, "site1-c1.site1")
	if got := hosts(topAdmin.show(t, "aggregate", "show", name)); got != "[site2-c2.site2]" {
		t.Errorf("by name: %s", got)
	}
	if got := hosts(topAdmin.show(t, "aggregate", "remove", "host", id, "site2-c2.site2")); got != "[]" {
		t.Errorf("without: %s", got)
	}
}

func TestAdmin_AggregateWithoutZone_IsMadeInThePodOfTheProject(t *testing.T) {
	made := admin.nova(t, regionOne, "POST", "/os-aggregates", object{"aggregate": object{"name": uniqueName()}}).want(t, http.StatusOK)
	id := member[struct{ ID int64 }](t, made, "aggregate").ID
	path := fmt.Sprint("/os-aggregates/", id)
	if id>>32 == 0 {
		t.Errorf("id %d does not name its pod", id)
	}
	admin.nova(t, regionOne, "GET", path, nil).want(t, http.StatusOK)
	admin.nova(t, regionOne, "DELETE", path, nil).want(t, http.StatusOK)
	admin.nova(t, regionOne, "GET", path, nil).want(t, http.StatusNotFound)
}

func TestAdmin_Server_IsShownOnItsQualifiedHostAndMovesToAnother(t *testing.T) {
	id := demo.boot(t, regionOne, object{"availability_zone": "az1"}).ID
	show := func(c cloud) hosted {
		return member[hosted](t, admin.nova(t, c, "GET", "/servers/"+id, nil).want(t, http.StatusOK), "server")
	}
	above, below := show(regionOne), show(pods[0])
	if above.Host != below.Host+".site1" || above.Node != below.Node+".site1" || above.HostID == below.HostID || above.HostID == "" {
		t.Errorf("the top shows %+v, the pod %+v", above, below)
	}
	listed := func(host string) bool {
		a := admin.nova(t, regionOne, "GET", "/servers?all_tenants=1&host="+host, nil).want(t, http.StatusOK)
		return slices.ContainsFunc(member[[]server](t, a, "servers"), func(s server) bool { return s.ID == id })
	}
	if !listed(above.Host) || listed(strings.Replace(above.Host, "site1", "site2", 2)) {
		t.Errorf("listed by its host: %t; it should be there only", listed(above.Host))
	}
	target := map[string]string{"site1-c1": "site1-c2.site1", "site1-c2": "site1-c1.site1"}[below.Host]
	migrate := func(host string) *answer {
		return admin.nova(t, regionOne, "POST", "/servers/"+id+"/action",
			object{"os-migrateLive": object{"host": host, "block_migration": "auto"}}, v290...)
	}
	migrate("site2-c1.site2").want(t, http.StatusBadRequest)
	migrate(target).want(t, http.StatusAccepted)
	eventually(t, time.Minute, func() error {
		if got := show(regionOne); got.Host != target {
			return fmt.Errorf("server %s is on %s; want %s", id, got.Host, target)
		}
		return nil
	})
	type migration struct {
		ID   int64
		Dest string `json:"dest_compute"`
	}
	a := admin.nova(t, regionOne, "GET", "/os-migrations?instance_uuid="+id, nil, v290...).want(t, http.StatusOK)
	if m := member[[]migration](t, a, "migrations"); len(m) == 0 || m[0].Dest != target || m[0].ID>>32 == 0 {
		t.Errorf("migrations %+v", m)
	}
}
