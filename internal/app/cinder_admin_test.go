package app

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tricircle/tricircle/internal/store"
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

func TestBackupRecord_IsImportedWhereItsBackupOrVolumeIsKnown(t *testing.T) {
	c := newCloud(t, 2)
	admin := c.sim.Token("admin", "demo", time.Hour)
	disk := c.call(volume, "POST", "/volumes", `{"volume": {"size": 1, "availability_zone": "az2"}}`).want(t, 202).id(t, "volume")
	backup := c.call(volume, "POST", "/backups", `{"backup": {"volume_id": "`+disk+`"}}`).want(t, 202).id(t, "backup")
	c.call(volume, "GET", "/backups/"+backup+"/export_record", "").want(t, 403)
	record := c.call(volume, "GET", "/backups/"+backup+"/export_record", "", "X-Auth-Token", admin).want(t, 200).body
	imports := func(body, token string) answer {
		return c.call(volume, "POST", "/backups/import_record", body, "X-Auth-Token", token)
	}
	zone := func(id string) any {
		return c.call(volume, "GET", "/backups/"+id, "").want(t, 200).get(t, "backup", "availability_zone")
	}

	imports(record, admin).want(t, 400) // it is still there
	c.call(volume, "DELETE", "/backups/"+backup, "").want(t, 202)
	imports(record, c.sim.Token("demo", "demo", time.Hour)).want(t, 403)
	if got := imports(record, admin).want(t, 201).id(t, "backup"); got != backup || zone(got) != "az2" {
		t.Errorf("%s was imported as %s in %v", backup, got, zone(got))
	}
	const unknown = "eyJpZCI6ICIwMDAwMDAwMC0wMDAwLTQwMDAtODAwMC0wMDAwMDAwMDAwMDEiLCAic2l6ZSI6IDF9" // id and size alone
	fresh := imports(`{"backup-record": {"backup_service": "x", "backup_url": "`+unknown+`"}}`, admin).want(t, 201).id(t, "backup")
	if zone(fresh) != "az1" {
		t.Errorf("what nobody knows was imported in %v", zone(fresh))
	}
	imports(`{"backup-record": {"backup_service": "x", "backup_url": "%"}}`, admin).want(t, 400)
}

// admin is call as an administrator of project demo, at Cinder's newest microversion.
func (c *cloud) admin(method, path, body string) answer {
	c.t.Helper()
	return c.call(volume, method, path, body, "X-Auth-Token", c.sim.Token("admin", "demo", time.Hour), "OpenStack-API-Version", "volume 3.70")
}

// all returns one member of every row of a list.
func all(t *testing.T, a answer, collection, member string) (values []any) {
	t.Helper()
	for _, row := range a.get(t, collection).([]any) {
		values = append(values, row.(map[string]any)[member])
	}
	return values
}

func TestCinderAdmin_Lists_AreThoseOfAllPodsUnderQualifiedNames(t *testing.T) {
	c := newCloud(t, 2)
	for _, list := range []struct {
		path, collection, member string
		want                     []any
	}{
		{"/os-services", "services", "host", []any{"pod1.pod1", "pod1.pod1@file", "pod1.pod1", "pod2.pod2", "pod2.pod2@file", "pod2.pod2"}},
		{"/os-services?binary=cinder-volume", "services", "cluster", []any{"pod1-cluster.pod1@file", "pod2-cluster.pod2@file"}},
		{"/os-services?host=pod2.pod2@file", "services", "host", []any{"pod2.pod2@file"}},
		{"/os-services?host=pod2.pod1", "services", "host", nil},
		{"/os-hosts?zone=az2", "hosts", "host_name", []any{"pod2.pod2", "pod2.pod2@file", "pod2.pod2"}},
		{"/clusters", "clusters", "name", []any{"pod1-cluster.pod1@file", "pod2-cluster.pod2@file"}},
		{"/clusters/detail?name=pod1-cluster.pod1@file", "clusters", "name", []any{"pod1-cluster.pod1@file"}},
		{"/scheduler-stats/get_pools", "pools", "name", []any{"pod1.pod1@file#file", "pod2.pod2@file#file"}},
		{"/scheduler-stats/get_pools?name=pod2.pod2@file%23file", "pools", "name", []any{"pod2.pod2@file#file"}},
	} {
		a := c.admin("GET", list.path, "").want(t, 200)
		if diff := cmp.Diff(list.want, all(t, a, list.collection, list.member)); diff != "" {
			t.Errorf("%s: %s", list.path, diff)
		}
		c.call(volume, "GET", list.path, "", "OpenStack-API-Version", "volume 3.70").want(t, 403)
	}
	pools := c.admin("GET", "/scheduler-stats/get_pools?detail=true", "").want(t, 200)
	for i, capabilities := range all(t, pools, "pools", "capabilities") {
		if got := capabilities.(map[string]any)["host"]; got != c.sim.Pod(i).Region+"@file" {
			t.Errorf("what a driver says is changed: %v", got)
		}
	}
}

func TestCinderAdmin_WhatNamesAHost_IsDoneInItsPod(t *testing.T) {
	c := newCloud(t, 2)
	const backend, cluster = `"host": "pod2.pod2@file"`, "pod2-cluster.pod2@file"
	done := c.admin("PUT", "/os-services/disable-log-reason", `{`+backend+`, "binary": "cinder-volume", "disabled_reason": "why"}`).want(t, 200)
	if done.get(t, "host") != "pod2.pod2@file" {
		t.Errorf("disabled: %s", done.body)
	}
	c.admin("PUT", "/os-services/freeze", `{"cluster": "`+cluster+`"}`).want(t, 202)
	c.admin("PUT", "/os-services/failover", `{`+backend+`, "backend_id": "b"}`).want(t, 202)
	services := c.admin("GET", "/os-services?binary=cinder-volume", "")
	for member, want := range map[string][]any{"disabled_reason": {nil, "why"}, "frozen": {false, true}, "active_backend_id": {nil, "b"}} {
		if diff := cmp.Diff(want, all(t, services, "services", member)); diff != "" {
			t.Errorf("%s: %s", member, diff)
		}
	}
	for path, want := range map[string][]string{
		"/capabilities/pod2.pod2@file": {`"OS::Storage::Capabilities::pod2.pod2@file"`},
		"/os-hosts/pod2.pod2@file":     {`"host": "pod2.pod2@file"`},
		"/clusters/" + cluster:         {`"name": "` + cluster + `"`, `"disabled"`},
	} {
		a := c.admin("GET", path, "").want(t, 200)
		for _, text := range want {
			if !strings.Contains(a.body, text) {
				t.Errorf("%s: no %s in %s", path, text, a.body)
			}
		}
		c.call(volume, "GET", path, "", "OpenStack-API-Version", "volume 3.70").want(t, 403)
	}
	if a := c.admin("PUT", "/clusters/enable", `{"name": "`+cluster+`"}`).want(t, 200); a.get(t, "cluster", "status") != "enabled" {
		t.Errorf("cluster: %s", a.body)
	}
}

func TestCinderAdmin_NoPodsHost_IsRefused(t *testing.T) {
	c := newCloud(t, 2)
	for call, want := range map[string]int{
		`PUT /os-services/freeze {"host": "pod2@file"}`:                                  400,
		`PUT /os-services/freeze {"host": "nosuch.pod2@file"}`:                           400,
		`PUT /os-services/freeze {}`:                                                     400,
		`PUT /os-services/disable {"host": "pod2.pod1@file", "binary": "cinder-volume"}`: 404,
		`PUT /os-services/set-log {"server": "pod2@file", "level": "debug"}`:             404,
		`GET /capabilities/pod2@file `:                                                   404,
		`GET /capabilities/pod2.pod1@file `:                                              404,
		`GET /clusters/nosuch.pod2 `:                                                     404,
		`GET /manageable_volumes `:                                                       400,
		`GET /manageable_volumes?host=nosuch.pod1 `:                                      404,
		`POST /manageable_volumes {"volume": {"ref": {}}}`:                               400,
		`POST /manageable_snapshots {"snapshot": {"volume_id": "00000000-0000-4000-8000-000000000000", "ref": {}}}`: 404,
		`POST /workers/cleanup {"service_id": 2}`:                                       404,
		`POST /workers/cleanup {"resource_id": "00000000-0000-4000-8000-000000000000"}`: 400,
	} {
		words := strings.SplitN(call, " ", 3)
		c.admin(words[0], words[1], words[2]).want(t, want)
	}
	for _, frozen := range all(t, c.admin("GET", "/os-services?binary=cinder-volume", ""), "services", "frozen") {
		if frozen != false {
			t.Error("a refused call has done something")
		}
	}
}

func TestCinderAdmin_LogsAndCleaning_OfAllPods(t *testing.T) {
	c := newCloud(t, 2)
	c.admin("PUT", "/os-services/set-log", `{"level": "debug"}`).want(t, 202)
	c.admin("PUT", "/os-services/set-log", `{"level": "error", "server": "pod2.pod2@file"}`).want(t, 202)
	c.admin("PUT", "/os-services/set-log", `{"level": "bogus"}`).want(t, 400)
	c.call(volume, "PUT", "/os-services/set-log", `{"level": "info"}`, "OpenStack-API-Version", "volume 3.70").want(t, 403)
	var levels []any
	for _, l := range all(t, c.admin("PUT", "/os-services/get-log", `{"binary": "cinder-volume"}`).want(t, 200), "log_levels", "levels") {
		levels = append(levels, l.(map[string]any)["cinder.service"])
	}
	if diff := cmp.Diff([]any{"DEBUG", "ERROR"}, levels); diff != "" {
		t.Error(diff)
	}

	cleaning := c.admin("POST", "/workers/cleanup", `{"binary": "cinder-volume"}`).want(t, 202)
	if diff := cmp.Diff([]any{"pod1.pod1@file", "pod2.pod2@file"}, all(t, cleaning, "cleaning", "host")); diff != "" {
		t.Error(diff)
	}
	ids := all(t, cleaning, "cleaning", "id")
	second := c.admin("POST", "/workers/cleanup", fmt.Sprintf(`{"service_id": %.0f}`, ids[1])).want(t, 202)
	if diff := cmp.Diff(ids[1:], all(t, second, "cleaning", "id")); diff != "" {
		t.Error(diff)
	}
	c.admin("POST", "/workers/cleanup", `{"cluster_name": "pod1-cluster.pod1@file"}`).want(t, 202)

	c.sim.Pod(1).Stop()
	if a := c.admin("PUT", "/os-services/set-log", `{"level": "info"}`).want(t, 503); !strings.Contains(a.body, "pod2") {
		t.Errorf("the culprit is not named: %s", a.body)
	}
	if a := c.admin("GET", "/os-services", "").want(t, 200); a.Header.Get("X-Tricircle-Missing-Pods") != "pod2" {
		t.Errorf("nobody is missing: %v", a.Header)
	}
	c.admin("PUT", "/os-services/thaw", `{"host": "pod2.pod2@file"}`).want(t, 503)
}

func TestVolume_Hosts_AreQualifiedForAdministratorsAndUnderstood(t *testing.T) {
	c := newCloud(t, 2)
	server := c.boot("vm", "az2")
	id := c.call(volume, "POST", "/volumes", `{"volume": {"size": 1, "availability_zone": "az2", "metadata": {"host": "mine"}}}`).want(t, 202).id(t, "volume")
	eventually(t, "the server can have a volume", func() bool {
		body := `{"volumeAttachment": {"volumeId": "` + id + `"}}`
		return c.call(compute, "POST", "/servers/"+server+"/os-volume_attachments", body).StatusCode == 200
	})
	shown := c.admin("GET", "/volumes/"+id, "").want(t, 200)
	attached := shown.get(t, "volume", "attachments").([]any)[0].(map[string]any)["host_name"].(string)
	if !strings.HasSuffix(attached, ".pod2") || shown.get(t, "volume", "metadata", "host") != "mine" ||
		shown.get(t, "volume", "os-vol-host-attr:host") != "pod2.pod2@file#file" || shown.get(t, "volume", "cluster_name") != "pod2-cluster.pod2@file" {
		t.Errorf("shown: %s", shown.body)
	}
	for query, want := range map[string]int{
		"host=pod2.pod2@file%23file": 1, "host=pod1.pod1@file%23file": 0, "host=pod2.pod1@file%23file": 0,
		"cluster_name=pod2-cluster.pod2@file": 1, "host=nosuch": 0,
	} {
		for _, path := range []string{"/volumes?", "/volumes/detail?"} {
			if got := len(all(t, c.admin("GET", path+query, "").want(t, 200), "volumes", "id")); got != want {
				t.Errorf("%s%s shows %d volumes, want %d", path, query, got, want)
			}
		}
	}
	for host, want := range map[string]string{
		"pod2.pod2@file#file": "must be different than the current one",
		"pod1.pod1@file#file": "No available service named 'pod1.pod1@file#file'",
		"nosuch.pod2@x#y":     "No available service named 'nosuch@x#y'",
	} {
		a := c.admin("POST", "/volumes/"+id+"/action", `{"os-migrate_volume": {"host": "`+host+`"}}`).want(t, 400)
		if !strings.Contains(a.body, want) {
			t.Errorf("to %s: %s", host, a.body)
		}
	}
}

func TestManage_WhatAPodUnmanaged_ComesBackThere(t *testing.T) {
	c := newCloud(t, 2)
	id := c.call(volume, "POST", "/volumes", `{"volume": {"size": 1, "availability_zone": "az2"}}`).want(t, 202).id(t, "volume")
	snapshot := c.call(volume, "POST", "/snapshots", `{"snapshot": {"volume_id": "`+id+`"}}`).want(t, 202).id(t, "snapshot")
	c.admin("POST", "/snapshots/"+snapshot+"/action", `{"os-unmanage": {}}`).want(t, 202)
	back := c.admin("POST", "/manageable_snapshots", `{"snapshot": {"volume_id": "`+id+`", "ref": {"source-name": "_snapshot-`+snapshot+`"}}}`).want(t, 202)
	if p, err := c.top.routing.Known(t.Context(), store.Snapshot, back.id(t, "snapshot")); err != nil || p == nil || p.Name() != "pod2" {
		t.Errorf("the snapshot is in %v, %v", p, err)
	}

	lone := c.call(volume, "POST", "/volumes", `{"volume": {"size": 1, "availability_zone": "az2"}}`).want(t, 202).id(t, "volume")
	c.admin("POST", "/volumes/"+lone+"/action", `{"os-unmanage": {}}`).want(t, 202)
	c.admin("GET", "/volumes/"+lone, "").want(t, 404)
	found := c.admin("GET", "/manageable_volumes/detail?host=pod2.pod2@file%23file", "").want(t, 200)
	if extra := all(t, found, "manageable-volumes", "extra_info"); len(extra) != 1 || extra[0].(map[string]any)["host"] != "pod2@file" {
		t.Errorf("manageable: %s", found.body)
	}
	for _, more := range []string{`"availability_zone": "az1"`, `"cluster": "pod2-cluster.pod2@file"`} {
		c.admin("POST", "/manageable_volumes", `{"volume": {"host": "pod2.pod2@file#file", "ref": {}, `+more+`}}`).want(t, 400)
	}
	born := c.admin("POST", "/manageable_volumes", `{"volume": {"host": "pod2.pod2@file#file", "availability_zone": "az2",
		"ref": {"source-name": "volume-`+lone+`"}}}`).want(t, 202)
	if p, err := c.top.routing.Known(t.Context(), store.Volume, born.id(t, "volume")); err != nil || p == nil || p.Name() != "pod2" {
		t.Errorf("the volume is in %v, %v", p, err)
	}
}
