package gateway_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tricircle/tricircle/internal/pod/podtest"
	"github.com/tricircle/tricircle/internal/store"
)

// downgraded is single, and then the pod becomes one that ends at these microversions.
func downgraded(t *testing.T, compute, volume string, h podtest.Handler) *top {
	t.Helper()
	u := newTop(t)
	p := &podtest.Pod{Region: "east", Compute: h, Volume: h}
	known := u.Register(p, store.Zone{Name: "top-zone", PodName: "nova"})
	for id, typ := range map[string]store.ResourceType{sid(1): store.Server, sid(2): store.Volume} {
		if err := u.routing.Record(t.Context(), store.Routing{Type: typ, TopID: id, BottomID: id, PodNum: known.Num}); err != nil {
			t.Fatal(err)
		}
	}
	p.ComputeMax, p.VolumeMax = compute, volume
	u.Registry.Probe(t.Context(), known)
	return u
}

func TestBelowCeiling_Read_GetsNeutralMembers(t *testing.T) {
	var got seen
	const server, volume = `{"server": {"id": "7", "name": "Web_1", "image": "", "tags": ["a"]}}`, `{"volume": {"id": "7"}}`
	for _, c := range []struct {
		path, max, asked string
		want, sent       string
	}{
		{"/v2.1/servers/" + sid(1), "2.72", "2.72", server, "2.72"},
		{"/v2.1/servers/" + sid(1), "2.72", "2.20", server, "2.20"},
		{"/v2.1/servers/" + sid(1), "2.72", "2.73", `{"server": {"id": "7", "name": "Web_1", "image": "", "tags": ["a"],"locked_reason":null}}`, "2.72"},
		{"/v2.1/servers/" + sid(1), "2.72", "2.93", `{"server": {"id": "7", "name": "Web_1", "image": "", "tags": ["a"],"locked_reason":null,"OS-EXT-SRV-ATTR:hostname":"web-1"}}`, "2.72"},
		{"/v2.1/servers/" + sid(1), "2.25", "2.26", server, "2.25"},
		{"/v3/volumes/" + sid(2), "3.12", "3.50", `{"volume": {"id": "7","group_id":null,"shared_targets":true,"service_uuid":null}}`, "3.12"},
		{"/v3/volumes/" + sid(2), "3.64", "3.70", `{"volume": {"id": "7","consumes_quota":true}}`, "3.64"},
	} {
		document, h, service := server, http.Handler(nil), "compute"
		u := downgraded(t, c.max, c.max, got.then(func(req *http.Request) (*http.Response, error) { return podtest.JSON(200, document)(req) }))
		if h = u.nova; strings.HasPrefix(c.path, "/v3") {
			h, document, service = u.cinder, volume, "volume"
		}
		w := ask(t, h, "GET", c.path, "", "OpenStack-API-Version: "+service+" "+c.asked)
		if w.Code != 200 || w.Body.String() != c.want {
			t.Errorf("%s of %s at %s: got %d %s, want %s", c.path, c.max, c.asked, w.Code, w.Body, c.want)
		}
		if sent, told := got.header.Get("OpenStack-API-Version"), w.Header().Get("OpenStack-API-Version"); sent != service+" "+c.sent || told != service+" "+c.asked {
			t.Errorf("%s at %s: the pod was asked in %s, and the client told %s", c.path, c.asked, sent, told)
		}
	}
}

func TestBelowCeiling_WhatCannotBeMadeUpFor_Is503(t *testing.T) {
	var got seen
	u := downgraded(t, "2.46", "3.40", got.then(podtest.JSON(200, `{"server": {}}`)))
	server, volume := "/v2.1/servers/"+sid(1), "/v3/volumes/"+sid(2)
	for _, c := range []struct {
		method, target, body, version string
		sent                          string // "" if it is refused
	}{
		{"GET", server, "", "compute 2.47", ""},
		{"GET", server + "/diagnostics", "", "compute 2.47", "compute 2.46"},
		{"GET", server + "/diagnostics", "", "compute 2.48", ""},
		{"GET", server + "/topology", "", "compute 2.78", ""}, // the pod does not have it at all
		{"GET", server + "/tags", "", "compute 2.93", "compute 2.46"},
		{"DELETE", server, "", "compute 2.93", "compute 2.46"},
		{"POST", server + "/action", `{"os-start": null}`, "compute 2.93", "compute 2.46"},
		{"POST", server + "/action", `{"lock": {"locked_reason": "x"}}`, "compute 2.93", ""},
		{"PUT", server, `{"server": {"hostname": "x"}}`, "compute 2.93", ""},
		{"PUT", server, `{"server": {"name": "x"}}`, "compute 2.46", "compute 2.46"},
		{"POST", server + "/os-volume_attachments", `{"volumeAttachment": {"volumeId": "` + sid(2) + `"}}`, "compute 2.93", ""},
		{"DELETE", volume, "", "volume 3.70", "volume 3.40"},
		{"DELETE", volume + "?force=true", "", "volume 3.70", "volume 3.40"}, // 3.23 is older than the pod
		{"GET", volume, "", "volume 3.63", ""},
		{"POST", volume + "/action", `{"os-set_bootable": {"bootable": true}}`, "volume 3.70", "volume 3.40"},
		{"POST", volume + "/action", `{"os-extend": {"new_size": 2}}`, "volume 3.70", ""},
	} {
		h, service, newest := u.nova, "compute", "2.46"
		if strings.HasPrefix(c.target, "/v3") {
			h, service, newest = u.cinder, "volume", "3.40"
		}
		got = seen{}
		w := ask(t, h, c.method, c.target, c.body, "OpenStack-API-Version: "+c.version)
		if sent := got.header.Get("OpenStack-API-Version"); sent != c.sent {
			t.Errorf("%s %s %s at %s: the pod was asked in %q, want %q", c.method, c.target, c.body, c.version, sent, c.sent)
		}
		_, asked, _ := strings.Cut(c.version, " ")
		want := "503 Pod east cannot serve this request: its " + service + " service: it ends at microversion " + newest + ", below the " + asked +
			" of this request; ask in " + newest + " or lower, or when the pod has been upgraded."
		if c.sent == "" && (refusal(w) != want || w.Header().Get("Retry-After") == "") {
			t.Errorf("%s %s %s at %s: got %s, want %s", c.method, c.target, c.body, c.version, refusal(w), want)
		}
	}
}

func TestBelowCeiling_List_RowsAreCompletedOrMissing(t *testing.T) {
	f := fleetOf(t, nil, numbered(1, 3), numbered(2, 4))
	f.pods[1].ComputeMax = "2.72"
	f.Registry.Probe(t.Context(), f.Registry.Snapshot().All()[1])
	missing := f.Registry.Snapshot().All()[1].Name()
	all, others := []string{sid(1), sid(2), sid(3), sid(4)}, []string{sid(1), sid(3)}
	for _, c := range []struct {
		target, version string
		want            []string
	}{
		{"/v2.1/servers/detail", "2.72", all},
		{"/v2.1/servers/detail", "2.93", all},
		{"/v2.1/servers", "2.93", all},
		{"/v2.1/servers/detail?tenant_id=x", "2.93", all},
		{"/v2.1/servers/detail?power_state=1", "2.82", all},
		{"/v2.1/servers/detail?power_state=1", "2.93", others},
		{"/v2.1/servers/detail?sort_key=uuid&sort_key=locked&sort_dir=asc", "2.72", all},
		{"/v2.1/servers/detail?sort_key=uuid&sort_key=locked&sort_dir=asc", "2.93", others}, // an older pod would refuse it
		{"/v2.1/servers/detail?sort_key=uuid&sort_dir=asc", "2.93", all},
	} {
		f.calls()
		p, header := list(t, f.nova, c.target, "OpenStack-API-Version: compute "+c.version)
		if diff := gocmp.Diff(c.want, p.ids()); diff != "" {
			t.Errorf("%s at %s: %s", c.target, c.version, diff)
		}
		if got := header.Get("X-Tricircle-Missing-Pods"); (got == missing) != (len(c.want) == 2) {
			t.Errorf("%s at %s: missing %q", c.target, c.version, got)
		}
		for _, row := range p.Servers {
			_, has := row["locked_reason"]
			if id := row["id"].(string); strings.Contains(c.target, "detail") && has != (c.version != "2.72" && slices.Contains([]string{sid(2), sid(4)}, id)) {
				t.Errorf("%s at %s: row %v", c.target, c.version, row)
			}
		}
	}
}

func TestBelowCeiling_Create_GoesElsewhere(t *testing.T) {
	u := newTop(t)
	made := podtest.JSON(202, `{"server": {"id": "`+sid(9)+`"}}`)
	old, young := &podtest.Pod{Region: "old", Compute: made}, &podtest.Pod{Region: "young", Compute: made}
	known := u.Register(old)
	u.Register(young)
	old.ComputeMax = "2.60"
	u.Registry.Probe(t.Context(), known)
	old.Calls()
	for _, c := range []struct{ zone, version, want string }{
		{"", "2.93", "202 "},
		{`, "availability_zone": "az-young"`, "2.93", "202 "},
		{`, "availability_zone": "az-old"`, "2.60", "202 "},
		{`, "availability_zone": "az-old"`, "2.93", "503 Pod old cannot serve this request: its compute service: it ends at microversion 2.60, below the 2.93"},
	} {
		w := ask(t, u.nova, "POST", "/v2.1/servers", `{"server": {"name": "x"`+c.zone+`}}`, "OpenStack-API-Version: compute "+c.version)
		if got := refusal(w); !strings.HasPrefix(got, c.want) {
			t.Errorf("zone %q at %s: got %s, want %s", c.zone, c.version, got, c.want)
		}
		if calls := old.Calls(); (len(calls) > 0) != (c.version == "2.60") {
			t.Errorf("zone %q at %s: the old pod was asked %v", c.zone, c.version, calls)
		}
	}
}
