package simcloud

import (
	"strings"
	"testing"
)

var newest = []string{"OpenStack-API-Version", "volume 3.70"}

func TestCinderAdmin_Users_AreRefusedWithTheRule(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	for call, rule := range map[string]string{
		"GET /os-services":                  "volume_extension:services:index",
		"PUT /os-services/freeze":           "volume_extension:services:update",
		"GET /os-hosts":                     "volume_extension:hosts",
		"GET /os-hosts/x":                   "volume_extension:hosts",
		"GET /clusters":                     "clusters:get_all",
		"GET /clusters/x":                   "clusters:get",
		"PUT /clusters/enable":              "clusters:update",
		"GET /scheduler-stats/get_pools":    "scheduler_extension:scheduler_stats:get_pools",
		"GET /capabilities/x":               "volume_extension:capabilities",
		"GET /manageable_volumes?host=x":    "volume_extension:list_manageable",
		"GET /os-snapshot-manage?host=x":    "snapshot_extension:list_manageable",
		"POST /manageable_volumes":          "volume_extension:volume_manage",
		"POST /workers/cleanup":             "workers:cleanup",
		"POST /backups/import_record":       "backup:backup-import",
		"PUT /os-hosts/pod1@file no status": "",
	} {
		words := strings.Fields(call)
		want := "Policy doesn't allow " + rule + " to be performed."
		if rule == "" {
			want = "User does not have admin privileges"
		}
		if r := c.do(words[0], cinder(cloud, words[1]), "{}", newest...).want(t, 403); r.message() != want {
			t.Errorf("%s: %q, want %q", call, r.message(), want)
		}
	}
}

func TestCinderServices_FiltersAndChanges(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	admin := c.as("admin", "admin")
	binaries := func(query string) (found []string) {
		r := admin.do("GET", cinder(cloud, "/os-services"+query), "", newest...).want(t, 200)
		for i := range r.at("services").([]any) {
			found = append(found, r.str("services", i, "binary"))
		}
		return found
	}
	for query, want := range map[string]string{
		"": "cinder-backup cinder-volume cinder-scheduler", "?host=pod1": "cinder-backup cinder-volume cinder-scheduler",
		"?host=pod1@file": "cinder-volume", "?binary=cinder-backup": "cinder-backup", "?host=nosuch": "",
	} {
		if got := strings.Join(binaries(query), " "); got != want {
			t.Errorf("%q shows %q, want %q", query, got, want)
		}
	}
	r := admin.do("PUT", cinder(cloud, "/os-services/disable-log-reason"), `{"host": "pod1@file", "binary": "cinder-volume", "disabled_reason": "new disks"}`, newest...)
	if r.want(t, 200).str("status") != "disabled" || r.str("host") != "pod1@file" {
		t.Errorf("disabled: %s", r.text)
	}
	admin.do("PUT", cinder(cloud, "/os-services/freeze"), `{"cluster": "pod1-cluster@file"}`, newest...).want(t, 202)
	shown := admin.do("GET", cinder(cloud, "/os-services?binary=cinder-volume"), "", newest...)
	if shown.str("services", 0, "disabled_reason") != "new disks" || shown.at("services", 0, "frozen") != true {
		t.Errorf("afterwards: %s", shown.text)
	}
	for call, want := range map[string]int{
		`disable {"host": "nosuch", "binary": "cinder-volume"}`: 404,
		`disable {"host": "pod1@file"}`:                         400,
		`disable {"binary": "cinder-volume"}`:                   400,
		`freeze {"host": "nosuch"}`:                             400,
		`thaw {}`:                                               400,
		`bogus {}`:                                              400,
		`set-log {"level": "bogus"}`:                            400,
	} {
		action, body, _ := strings.Cut(call, " ")
		admin.do("PUT", cinder(cloud, "/os-services/"+action), body, newest...).want(t, want)
	}
	admin.do("PUT", cinder(cloud, "/os-services/get-log"), `{}`, "OpenStack-API-Version", "volume 3.31").want(t, 400)
}

func TestCinderLogs_LevelsAreSetAndShown(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	admin := c.as("admin", "admin")
	admin.do("PUT", cinder(cloud, "/os-services/set-log"), `{"server": "pod1@file", "level": "debug"}`, newest...).want(t, 202)
	r := admin.do("PUT", cinder(cloud, "/os-services/get-log"), `{}`, newest...).want(t, 200)
	for i, want := range []string{"INFO", "DEBUG", "INFO"} {
		if got := r.str("log_levels", i, "levels", "cinder.service"); got != want {
			t.Errorf("service %d logs %s, want %s", i, got, want)
		}
	}
}

func TestCinderBackends_AreKnownByTheirNames(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	admin := c.as("admin", "admin")
	for path, want := range map[string]int{
		"/capabilities/pod1@file": 200, "/capabilities/nosuch": 404, "/os-hosts/pod1": 200, "/os-hosts/nosuch": 404,
		"/clusters/pod1-cluster@file": 200, "/clusters/nosuch": 404, "/manageable_volumes?host=pod1@file%23file": 200,
		"/manageable_volumes?host=nosuch": 404, "/manageable_volumes?cluster=nosuch": 404, "/manageable_volumes": 400,
		"/manageable_volumes?host=a&cluster=b": 400,
	} {
		admin.do("GET", cinder(cloud, path), "", newest...).want(t, want)
	}
	pools := admin.do("GET", cinder(cloud, "/scheduler-stats/get_pools?detail=true"), "", newest...).want(t, 200)
	if pools.str("pools", 0, "name") != "pod1@file#file" || pools.at("pools", 0, "capabilities", "pool_name") != "file" {
		t.Errorf("pools: %s", pools.text)
	}
	cleaned := admin.do("POST", cinder(cloud, "/workers/cleanup"), `{"host": "pod1@file"}`, newest...).want(t, 202)
	if list := cleaned.at("cleaning").([]any); len(list) != 1 || cleaned.at("cleaning", 0, "id") != float64(2) {
		t.Errorf("cleaned: %s", cleaned.text)
	}
}

func TestCinderManage_WhatWasUnmanaged_ComesBackUnderANewID(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	admin := c.as("admin", "admin")
	id := admin.volume("v")
	snapshot := admin.do("POST", cinder(cloud, "/snapshots"), `{"snapshot": {"volume_id": "`+id+`"}}`).want(t, 202).str("snapshot", "id")
	admin.do("POST", cinder(cloud, "/snapshots/"+snapshot+"/action"), `{"os-unmanage": {}}`).want(t, 202)
	admin.do("GET", cinder(cloud, "/snapshots/"+snapshot), "").want(t, 404)
	admin.do("POST", cinder(cloud, "/manageable_snapshots"), `{"snapshot": {"volume_id": "`+id+`", "ref": {"source-name": "_snapshot-`+snapshot+`"}}}`, newest...).want(t, 202)

	id = admin.volume("w")
	admin.do("POST", cinder(cloud, "/volumes/"+id+"/action"), `{"os-unmanage": {}}`).want(t, 202)
	admin.do("GET", cinder(cloud, "/volumes/"+id), "").want(t, 404)
	listed := admin.do("GET", cinder(cloud, "/manageable_volumes/detail?host=pod1@file%23file"), "", newest...).want(t, 200)
	if listed.str("manageable-volumes", 0, "reference", "source-name") != "volume-"+id {
		t.Errorf("manageable: %s", listed.text)
	}
	body := `{"volume": {"host": "pod1@file#file", "ref": {"source-name": "volume-` + id + `"}}}`
	born := admin.do("POST", cinder(cloud, "/manageable_volumes"), body, newest...).want(t, 202).str("volume", "id")
	if got := admin.do("GET", cinder(cloud, "/volumes/"+born), "").want(t, 200); born == id || got.str("volume", "status") != "available" {
		t.Errorf("managed: %s", got.text)
	}
	again := admin.do("POST", cinder(cloud, "/manageable_volumes"), body, newest...).want(t, 202).str("volume", "id")
	if got := admin.do("GET", cinder(cloud, "/volumes/"+again), ""); got.str("volume", "status") != "error" {
		t.Errorf("managed twice: %s", got.text)
	}
}

func TestCinderBackups_RecordIsExportedAndImported(t *testing.T) {
	cloud, c := start(t, Options{Pods: 2})
	admin := c.as("admin", "admin")
	id := admin.volume("v")
	backup := admin.do("POST", cinder(cloud, "/backups"), `{"backup": {"volume_id": "`+id+`"}}`).want(t, 202).str("backup", "id")
	record := admin.do("GET", cinder(cloud, "/backups/"+backup+"/export_record"), "").want(t, 200).text
	imports := cinder(cloud, "/backups/import_record")
	admin.do("POST", imports, record).want(t, 400)
	admin.do("DELETE", cinder(cloud, "/backups/"+backup), "").want(t, 202)
	if got := admin.do("POST", imports, record).want(t, 201).str("backup", "id"); got != backup {
		t.Errorf("imported as %s, want %s", got, backup)
	}
	r := admin.do("POST", imports, `{"backup-record": {"backup_service": "x", "backup_url": "eyJ4IjoxfQ=="}}`).want(t, 400)
	if r.message() != "Invalid input received: Provided backup record is missing an id" {
		t.Errorf("refused: %s", r.text)
	}
}

func TestCinderRoot_WithoutSlash_Redirects(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	r := c.do("GET", cloud.Pod(0).VolumeURL+"/v3", "").want(t, 302)
	if got := r.header.Get("Location"); got != cloud.Pod(0).VolumeURL+"/v3/" || r.header.Get("X-Compute-Request-Id") != "" {
		t.Errorf("redirected to %q with %v", got, r.header)
	}
}
