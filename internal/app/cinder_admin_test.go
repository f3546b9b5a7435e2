package app

import (
	"testing"
	"time"
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
