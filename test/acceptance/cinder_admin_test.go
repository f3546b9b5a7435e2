//go:build acceptance

package acceptance

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// newCinder asks for a microversion that has all administrators' calls.
var newCinder = []string{"OpenStack-API-Version", "volume 3.50"}

// named picks what a stock list of volume services shows of one.
func named(rows []map[string]any, host, binary string) map[string]any {
	for _, r := range rows {
		if r["Host"] == host && r["Binary"] == binary {
			return r
		}
	}
	return nil
}

func TestCinderServices_StockClient_ListsAndSetsThoseOfAllPods(t *testing.T) {
	for _, pod := range pods {
		rows := topAdmin.list(t, "volume", "service", "list")
		host := pod.region + "." + pod.region
		for binary, name := range map[string]string{"cinder-volume": host + "@file", "cinder-backup": host, "cinder-scheduler": host} {
			if r := named(rows, name, binary); r == nil || r["Zone"] != pod.zone || r["State"] != "up" {
				t.Errorf("%s on %s: %v", binary, name, r)
			}
		}
		// The one scheduler goes on working: it is only said to be disabled.
		topAdmin.do(t, "volume", "service", "set", "--disable", "--disable-reason", "acceptance", host, "cinder-scheduler")
		t.Cleanup(func() {
			admin.cinder(t, pod, "PUT", "/os-services/enable", object{"host": pod.region, "binary": "cinder-scheduler"}).want(t, http.StatusOK)
		})
		own := member[[]struct{ Status string }](t, admin.cinder(t, pod, "GET", "/os-services?binary=cinder-scheduler", nil), "services")
		if len(own) != 1 || own[0].Status != "disabled" {
			t.Errorf("in %s itself: %v", pod.region, own)
		}
		rows = topAdmin.list(t, "volume", "service", "list", "--host", host)
		if r := named(rows, host, "cinder-scheduler"); r == nil || r["Status"] != "disabled" || len(rows) != 3 {
			t.Errorf("disabled: %v", rows)
		}
		topAdmin.do(t, "volume", "service", "set", "--enable", host, "cinder-scheduler")
		if r := named(topAdmin.list(t, "volume", "service", "list"), host, "cinder-scheduler"); r == nil || r["Status"] != "enabled" {
			t.Errorf("enabled: %v", r)
		}
	}
	topDemo.refused(t, []string{"403", "Policy doesn't allow"}, "volume", "service", "list")
}

func TestCinderBackends_AreShownAndFoundByQualifiedNames(t *testing.T) {
	a := admin.cinder(t, regionOne, "GET", "/scheduler-stats/get_pools?detail=true", nil, newCinder...).want(t, http.StatusOK)
	var pools []string
	for _, p := range member[[]struct{ Name string }](t, a, "pools") {
		pools = append(pools, p.Name)
	}
	for _, pod := range pods {
		backend := pod.region + "." + pod.region + "@file"
		if !slices.Contains(pools, backend+"#file") {
			t.Errorf("no pool of %s in %v", pod.region, pools)
		}
		a := admin.cinder(t, regionOne, "GET", "/capabilities/"+backend, nil, newCinder...).want(t, http.StatusOK)
		if got := member[string](t, a, "namespace"); got != "OS::Storage::Capabilities::"+backend {
			t.Errorf("capabilities of %s are those of %s", backend, got)
		}
		admin.cinder(t, regionOne, "GET", "/os-hosts/"+backend, nil, newCinder...).want(t, http.StatusOK)
	}
	demo.cinder(t, regionOne, "GET", "/scheduler-stats/get_pools", nil, newCinder...).want(t, http.StatusForbidden)
}

func TestCinderAdmin_NoPodsHost_IsRefused(t *testing.T) {
	for _, call := range []struct {
		method, path string
		body         any
		status       int
	}{
		{"GET", "/capabilities/site1.nosuch@file", nil, http.StatusNotFound},
		{"GET", "/capabilities/site1.site2@file", nil, http.StatusNotFound},
		{"GET", "/os-hosts/nosuch.site2", nil, http.StatusNotFound},
		{"GET", "/manageable_volumes?host=nosuch.site1", nil, http.StatusNotFound},
		{"GET", "/manageable_volumes", nil, http.StatusBadRequest},
		{"PUT", "/os-services/enable", object{"host": "site1.site2@file", "binary": "cinder-volume"}, http.StatusNotFound},
		{"PUT", "/os-services/freeze", object{"host": "nosuch.site1"}, http.StatusBadRequest},
		{"POST", "/manageable_volumes", object{"volume": object{"host": "nosuch.site1@x#y", "ref": object{}}}, http.StatusBadRequest},
	} {
		admin.cinder(t, regionOne, call.method, call.path, call.body, newCinder...).want(t, call.status)
	}
}

func TestVolume_AdministratorSeesItsHost_FiltersByItAndMovesItOutAndIn(t *testing.T) {
	for _, pod := range pods {
		v := admin.create(t, regionOne, object{"availability_zone": pod.zone})
		a := admin.cinder(t, regionOne, "GET", "/volumes/"+v.ID, nil).want(t, http.StatusOK)
		host := member[struct {
			Host string `json:"os-vol-host-attr:host"`
		}](t, a, "volume").Host
		if host != pod.region+"."+pod.region+"@file#file" {
			t.Fatalf("%s: host is %q", a, host)
		}
		filtered := admin.cinder(t, regionOne, "GET", "/volumes?host="+url.QueryEscape(host), nil).want(t, http.StatusOK)
		if got := member[[]volume](t, filtered, "volumes"); !slices.ContainsFunc(got, func(x volume) bool { return x.ID == v.ID }) {
			t.Errorf("on %s: %s", host, filtered)
		}
		migrate := object{"os-migrate_volume": object{"host": host}}
		refusal := admin.cinder(t, regionOne, "POST", "/volumes/"+v.ID+"/action", migrate).want(t, http.StatusBadRequest)
		if !strings.Contains(refusal.String(), "must be different than the current one") {
			t.Errorf("the pod did not know its own host: %s", refusal)
		}

		admin.cinder(t, regionOne, "POST", "/volumes/"+v.ID+"/action", object{"os-unmanage": object{}}).want(t, http.StatusAccepted)
		eventually(t, 30*time.Second, func() error {
			if a := admin.cinder(t, regionOne, "GET", "/volumes/"+v.ID, nil); a.status != http.StatusNotFound {
				return errors.New(a.String())
			}
			return nil
		})
		again := object{"volume": object{"host": host, "name": uniqueName(), "ref": object{"source-name": "volume-" + v.ID}}}
		made := member[volume](t, admin.cinder(t, regionOne, "POST", "/manageable_volumes", again, newCinder...).want(t, http.StatusAccepted), "volume")
		admin.removeVolume(t, made.ID)
		if back := admin.awaitVolume(t, regionOne, made.ID, "available"); back.Zone != pod.zone || back.Size != 1 {
			t.Errorf("it came back as %+v", back)
		}
	}
}

func TestBackupRecord_IsExportedAndImportedInItsPod(t *testing.T) {
	v := admin.create(t, regionOne, object{"availability_zone": "az2"})
	made := admin.cinder(t, regionOne, "POST", "/backups", object{"backup": object{"volume_id": v.ID}}).want(t, http.StatusAccepted)
	id := member[struct{ ID string }](t, made, "backup").ID
	admin.remove(t, func(c cloud) string { return c.volume + "/" + admin.projectID + "/backups/" + id })
	available := func() error {
		a := admin.cinder(t, site2, "GET", "/backups/"+id, nil)
		if a.status != http.StatusOK || member[struct{ Status string }](t, a, "backup").Status != "available" {
			return errors.New(a.String())
		}
		return nil
	}
	eventually(t, time.Minute, available)
	record := admin.cinder(t, regionOne, "GET", "/backups/"+id+"/export_record", nil).want(t, http.StatusOK)
	refusal := admin.cinder(t, regionOne, "POST", "/backups/import_record", string(record.body)).want(t, http.StatusBadRequest)
	if !strings.Contains(refusal.String(), "Backup already exists in database.") {
		t.Errorf("the record did not lead to its backup: %s", refusal)
	}
}

func TestCinder_OutsideItsControllers_AnswersAsAPodDoes(t *testing.T) {
	for _, c := range []cloud{site1, regionOne} {
		missing := admin.cinder(t, c, "GET", "/nosuch", nil).want(t, http.StatusNotFound)
		if got := missing.header.Get("X-Compute-Request-Id"); got != "" {
			t.Errorf("%s has the request id %s of a controller", missing.request, got)
		}
		a := admin.call(t, "GET", c.volume, nil).want(t, http.StatusFound)
		if got := a.header.Get("Location"); got != c.volume+"/" || a.header.Get("X-Compute-Request-Id") != "" {
			t.Errorf("%s leads to %q: %v", a.request, got, a.header)
		}
	}
}
