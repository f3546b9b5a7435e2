package pod

import (
	"slices"
	"testing"

	"github.com/tricircle/tricircle/internal/identity"
	"github.com/tricircle/tricircle/internal/microversion"
	"github.com/tricircle/tricircle/internal/store"
)

func TestZones_BothWays(t *testing.T) {
	mapped := []store.Zone{{Name: "east-1", PodName: "nova"}, {Name: "east-2", PodName: "gpu"}}
	wildcard := []store.Zone{{Name: "west", PodName: ""}}
	for _, c := range []struct {
		name     string
		zones    []store.Zone
		pod, top string // what the pod says, what users see
	}{
		{"mapped", mapped, "gpu", "east-2"},
		{"not in the map", mapped, "internal", "internal.region"},
		{"not placed yet", mapped, "", ""},
		{"any zone of the pod", wildcard, "nova", "west"},
		{"wildcard, not placed yet", wildcard, "", ""},
		{"no map", nil, "nova", "nova.region"},
	} {
		p := &Pod{Pod: store.Pod{RegionName: "region", Zones: c.zones}}
		if got := p.TopZone(c.pod); got != c.top {
			t.Errorf("%s: TopZone(%q) = %q, want %q", c.name, c.pod, got, c.top)
		}
	}
	for _, c := range []struct {
		zones []store.Zone
		top   string
		pod   string
		ok    bool
		own   string // what OwnZone finds
	}{
		{mapped, "east-1", "nova", true, "nova"},
		{mapped, "nova", "", false, ""},
		{mapped, "", "", false, ""},
		{mapped, "internal.region", "", false, "internal"},
		{mapped, "nova.region", "", false, ""}, // which is east-1
		{mapped, ".region", "", false, ""},
		{mapped, "internal.elsewhere", "", false, ""},
		{wildcard, "west", "", true, ""},
		{wildcard, "nova", "", false, ""},
		{wildcard, "nova.region", "", false, ""},
	} {
		p := &Pod{Pod: store.Pod{RegionName: "region", Zones: c.zones}}
		if got, ok := p.PodZone(c.top); got != c.pod || ok != c.ok {
			t.Errorf("%v: PodZone(%q) = %q, %t, want %q, %t", c.zones, c.top, got, ok, c.pod, c.ok)
		}
		if got, ok := p.OwnZone(c.top); got != c.own || ok != (c.ok || c.own != "") {
			t.Errorf("%v: OwnZone(%q) = %q, %t, want %q", c.zones, c.top, got, ok, c.own)
		}
	}
}

func TestDefinedZone_OnlyTheMapRenames(t *testing.T) {
	for name, want := range map[string]string{"nova": "east-1", "internal": "internal", "": ""} {
		p := &Pod{Pod: store.Pod{RegionName: "region", Zones: []store.Zone{{Name: "east-1", PodName: "nova"}, {Name: "any"}}}}
		if got := p.DefinedZone(name); got != want {
			t.Errorf("DefinedZone(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestBaseURL(t *testing.T) {
	for raw, want := range map[string]string{
		"http://pod:8774/v2.1":                        "http://pod:8774/v2.1",
		"http://pod:8774/v2.1/":                       "http://pod:8774/v2.1",
		"http://pod:8774/v2.1/0123456789abcdef":       "http://pod:8774/v2.1",
		"http://pod:8776/v3/AUTH_0123":                "http://pod:8776/v3",
		"https://pod/compute/v2.1/$(tenant_id)s":      "https://pod/compute/v2.1",
		"https://pod/volume/v3/%28project_id%29s":     "https://pod/volume/v3",
		"http://pod:9696":                             "http://pod:9696",
		"http://pod:9696/":                            "http://pod:9696",
		"http://pod/networking?a=b#c":                 "http://pod/networking",
		"http://pod/v2.1suffix/v3/x":                  "http://pod/v2.1suffix/v3",
		"http://[2001:db8::1]:8774/v2.1/0123/servers": "http://[2001:db8::1]:8774/v2.1",
	} {
		u, err := baseURL(raw)
		if err != nil || u.String() != want {
			t.Errorf("%s: got %v, %v, want %s", raw, u, err, want)
		}
	}
	if _, err := baseURL("http://bad host/"); err == nil {
		t.Error("no error for an address that is none")
	}
}

func TestEndpointsOf_PrefersTheTypeOfTheAuthority(t *testing.T) {
	row := func(typ, iface, region, url string) identity.Endpoint {
		return identity.Endpoint{ServiceType: typ, Interface: iface, RegionID: region, URL: url}
	}
	eps := endpointsOf([]identity.Endpoint{
		row("volumev3", "public", "east", "http://old/v3"),
		row("block-storage", "public", "east", "http://new/v3"),
		row("compute", "internal", "east", "http://internal/v2.1"),
		row("compute", "public", "west", "http://west/v2.1"),
		row("network", "public", "east", "/no/host"),
	}, "east", "public")
	if eps[Volume] == nil || eps[Volume].String() != "http://new/v3" {
		t.Errorf("volume: %v", eps[Volume])
	}
	for _, s := range []Service{Compute, Network, Image} {
		if eps[s] != nil {
			t.Errorf("%s: %v, want none", s, eps[s])
		}
	}
}

func TestSnapshot_Finds(t *testing.T) {
	pods := []*Pod{
		{Pod: store.Pod{Num: 1, ID: "id-1", RegionName: "a", State: store.PodEnabled, Zones: []store.Zone{{Name: "x"}}}},
		{Pod: store.Pod{Num: 2, ID: "id-2", RegionName: "b", State: store.PodDraining, Zones: []store.Zone{{Name: "x"}}}},
		{Pod: store.Pod{Num: 5, ID: "id-5", RegionName: "c", State: store.PodDisabled, Zones: []store.Zone{{Name: "y"}}}},
	}
	top := &store.Pod{ID: "top"}
	ceiling := microversion.MustParse("2.60")
	s := newSnapshot(pods, top, [numServices]microversion.Version{Compute: ceiling})
	if !slices.Equal(s.All(), pods) || !slices.Equal(s.Serving(), pods[:2]) || s.Top() != top {
		t.Errorf("all %v, serving %v, top %v", s.All(), s.Serving(), s.Top())
	}
	if s.ByNum(5) != pods[2] || s.ByID("id-2") != pods[1] || s.ByName("a") != pods[0] {
		t.Error("a pod is not found by number, id or name")
	}
	if s.ByNum(3) != nil || s.ByID("x") != nil || s.ByName("x") != nil {
		t.Error("a pod is found that is not there")
	}
	if !slices.Equal(s.Zone("x"), pods[:2]) || s.Zone("z") != nil {
		t.Errorf("zone x: %v, zone z: %v", s.Zone("x"), s.Zone("z"))
	}
	if s.Ceiling(Compute) != ceiling || !s.Ceiling(Volume).IsZero() {
		t.Error("ceilings")
	}
	if !pods[0].Accepts() || pods[1].Accepts() || !pods[1].Serves() || pods[2].Serves() {
		t.Error("states: draining serves and does not accept, disabled does neither")
	}
}
