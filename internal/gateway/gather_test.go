package gateway_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/pod/podtest"
)

func TestGather_PutsPodsTogetherInTheirOrder(t *testing.T) {
	a := newAdminPods(t, map[string]string{
		"east /os-services": `{"services": [{"id": 1, "host": "h", "zone": "nova"}, {"id": 2, "host": "i", "zone": "internal"}]}`,
		"west /os-services": `{"services": [{"id": 1, "host": "h", "zone": "nova"}]}`,
	})
	const want = `{"services": [{"id": 4294967297, "host": "h.east", "zone": "az1"}, {"id": 4294967298, "host": "i.east", "zone": "internal.east"}, ` +
		`{"id": 8589934593, "host": "h.west", "zone": "az2"}]}`
	if got, asked := a.call(t, "GET", "/os-services?binary=b", ""); got != want || len(asked) != 2 || !strings.HasSuffix(asked[1], "?binary=b") {
		t.Errorf("got %s, asked %q", got, asked)
	}
}

func TestGather_ByZone_AsksItsPods(t *testing.T) {
	a := newAdminPods(t, map[string]string{"east /os-hosts": `{"hosts": []}`, "west /os-hosts": `{"hosts": []}`})
	for query, want := range map[string][]string{
		"zone=nowhere":       nil,
		"zone=internal.east": {"east: GET /os-hosts?zone=internal"},
		"zone=gpu":           {"east: GET /os-hosts?zone=gpus"},
		"":                   {"east: GET /os-hosts", "west: GET /os-hosts"},
	} {
		got, asked := a.call(t, "GET", "/os-hosts?"+query, "")
		if got != `{"hosts": []}` || !slices.Equal(asked, want) {
			t.Errorf("%s: got %s, asked %q", query, got, asked)
		}
	}
}

func TestGather_PodsThatFailOrRefuse(t *testing.T) {
	const rows = `{"hypervisors": [{"hypervisor_hostname": "h"}]}`
	const path = "/os-hypervisors/h/search"
	none := podtest.JSON(404, `{"itemNotFound": {"code": 404, "message": "none"}}`)
	no := podtest.JSON(403, `{"forbidden": {"code": 403, "message": "no"}}`)
	bad := podtest.JSON(400, `{"badRequest": {"code": 400, "message": "bad"}}`)
	for _, c := range []struct {
		name       string
		east, west podtest.Handler
		want       string
		missing    string
	}{
		{"one has none", none, nil, `{"hypervisors": [{"hypervisor_hostname": "h.west"}]}`, ""},
		{"nobody has any", none, none, "404 none", ""},
		{"nobody says so and one is silent", none, podtest.Reset, "503 ", ""},
		{"one is down", podtest.Reset, nil, `{"hypervisors": [{"hypervisor_hostname": "h.west"}]}`, "east"},
		{"one fails", nil, podtest.Status(500), `{"hypervisors": [{"hypervisor_hostname": "h.east"}]}`, "west"},
		{"one is too busy", nil, podtest.Status(429), `{"hypervisors": [{"hypervisor_hostname": "h.east"}]}`, "west"},
		{"one talks nonsense", nil, podtest.JSON(200, `{"hypervisors": 5}`), `{"hypervisors": [{"hypervisor_hostname": "h.east"}]}`, "west"},
		{"all are down", podtest.Reset, podtest.Reset, "503 Pod ", ""},
		{"one forbids", no, nil, `{"hypervisors": [{"hypervisor_hostname": "h.west"}]}`, ""},
		{"all forbid", no, no, "403 no", ""},
		{"one finds the request bad", nil, bad, "400 bad", ""},
		{"403 goes before 404", none, no, "403 no", ""},
	} {
		a := newAdminPods(t, map[string]string{"east " + path: rows, "west " + path: rows})
		a.east.SetFault(c.east)
		a.west.SetFault(c.west)
		w := ask(t, a.nova, "GET", "/v2.1"+path, "", "X-Auth-Token: admin")
		got := w.Body.String()
		if w.Code != 200 {
			got = refusal(w)
		}
		if !strings.HasPrefix(got, c.want) || w.Header().Get("X-Tricircle-Missing-Pods") != c.missing {
			t.Errorf("%s: got %s, missing %q", c.name, got, w.Header().Get("X-Tricircle-Missing-Pods"))
		}
	}
}

func TestGather_FailPartial_Is503(t *testing.T) {
	u := newTop(t, func(o *gateway.Options) { o.FailPartial = true })
	u.Register(&podtest.Pod{Region: "east", Compute: podtest.JSON(200, `{"services": []}`)})
	west := &podtest.Pod{Region: "west"}
	u.Register(west)
	west.SetFault(podtest.Reset)
	if got := refusal(ask(t, u.nova, "GET", "/v2.1/os-services", "", "X-Auth-Token: admin")); !strings.HasPrefix(got, "503 Pod west ") {
		t.Errorf("got %s", got)
	}
}
