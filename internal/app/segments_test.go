package app

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tricircle/tricircle/internal/store"
)

// vlanOf is a segment as JSON. An id of 0 leaves the choice to the top.
func vlanOf(id int) string {
	if id == 0 {
		return `{"provider:network_type": "vlan", "provider:physical_network": "bridge"}`
	}
	return fmt.Sprintf(`{"provider:network_type": "vlan", "provider:physical_network": "bridge", "provider:segmentation_id": %d}`, id)
}

func networkOn(segments ...string) string {
	return `{"network": {"name": "several", "segments": [` + strings.Join(segments, ", ") + `]}}`
}

func TestNetworking_SeveralSegments_AreAllTaken(t *testing.T) {
	c := newNetworking(t)
	created := c.asAdmin("POST", "/networks", networkOn(vlanOf(7), vlanOf(0), vlanOf(0))).want(t, 201)
	id := created.id(t, "network")
	for name, a := range map[string]answer{"created": created, "shown": c.asAdmin("GET", "/networks/"+id, "").want(t, 200)} {
		segments := a.one(t, "network", "segments").([]any)
		if first := segments[0].(map[string]any); len(segments) != 3 || first["provider:segmentation_id"] != 7.0 || strings.Contains(a.body, `"provider:network_type": null`) {
			t.Errorf("%s: %s", name, a.body)
		}
		if network := a.get(t, "network").(map[string]any); network["provider:network_type"] != nil || network["mtu"] != 1500.0 {
			t.Errorf("%s: %v", name, network)
		}
	}
	if a := c.network("GET", "/networks/"+id, ""); a.StatusCode == 200 && strings.Contains(a.body, "segments") {
		t.Errorf("a user sees what the network is on: %s", a.body)
	}
	c.asAdmin("POST", "/networks", networkOn(vlanOf(9), vlanOf(7))).refused(t, 409, "VlanIdInUse", "The VLAN 7 on physical network bridge is in use.")
	taken, err := c.top.store.Reader().Segments(t.Context(), store.SegmentQuery{})
	if err != nil || len(taken) != 3 {
		t.Errorf("taken are %v (%v); want those of the first network", taken, err)
	}
	again := c.asAdmin("PUT", "/networks/"+id, `{"network": {"name": "x", "segments": [`+vlanOf(8)+`]}}`).want(t, 200)
	if diff := cmp.Diff(created.one(t, "network", "segments"), again.one(t, "network", "segments")); diff != "" {
		t.Errorf("an update changed the segments: -want +got\n%s", diff)
	}
	c.asAdmin("PUT", "/networks/"+id, `{"network": {"provider:segmentation_id": 8}}`).
		refused(t, 400, "InvalidInput", "can be updated only in provider networks with a single segment")
	c.asAdmin("DELETE", "/networks/"+id, "").want(t, 204)
	if taken, err = c.top.store.Reader().Segments(t.Context(), store.SegmentQuery{}); err != nil || len(taken) != 0 {
		t.Errorf("segments without a network: %v, %v", taken, err)
	}
}

func TestNetworking_OneSegmentInAList_IsWhatProviderAttributesSay(t *testing.T) {
	c := newNetworking(t)
	one := c.asAdmin("POST", "/networks", networkOn(vlanOf(7))).want(t, 201)
	if got := one.one(t, "network", "provider:segmentation_id"); got != 7.0 || strings.Contains(one.body, "segments") {
		t.Errorf("got %s", one.body)
	}
	none := c.asAdmin("POST", "/networks", networkOn()).want(t, 201)
	if got := none.one(t, "network", "provider:network_type"); got != "vlan" {
		t.Errorf("with an empty list the network is of type %v", got)
	}
}

func TestNetworking_SegmentsThatCannotBe_AreRefusedInNeutronsWords(t *testing.T) {
	c := newNetworking(t)
	for _, r := range []struct{ body, typ, text string }{
		{networkOn(vlanOf(7), vlanOf(7)), "InvalidInput", "Duplicate segment entry in request."},
		{`{"network": {"provider:network_type": "vlan", "segments": [` + vlanOf(7) + `]}}`, "InvalidInput", "Segments and provider values cannot both be set."},
		{networkOn(vlanOf(7), `{"provider:physical_network": "bridge"}`), "InvalidInput", "network_type required"},
		{networkOn(`{"provider:network_type": "wire"}`), "InvalidInput", "network_type value 'wire' not supported"},
		{networkOn(vlanOf(7), `{"provider:network_type": "local"}`), "InvalidInput", "'local' prohibited"},
		{networkOn(vlanOf(4095)), "InvalidInput", "segmentation_id out of range (1 through 4094)"},
		{networkOn(`{"provider:network_type": "vlan", "provider:segmentation_id": "x"}`), "InvalidInput", "'x' is not an integer"},
		{networkOn(`{"provider:network_type": "vlan", "vlan": 7}`), "HTTPBadRequest", "Unrecognized attribute(s) 'vlan'"},
		{networkOn(`"vlan"`), "HTTPBadRequest", "'vlan' is not a dictionary"},
		{`{"network": {"segments": "vlan"}}`, "HTTPBadRequest", "'vlan' is not a list"},
	} {
		c.asAdmin("POST", "/networks", r.body).refused(t, 400, r.typ, r.text)
	}
	c.network("POST", "/networks", networkOn(vlanOf(7))).refused(t, 403, "PolicyNotAuthorized", "create_network:segments")
}

func TestSpan_NetworkOnSeveralSegments_IsOnTheSameInEveryPod(t *testing.T) {
	s := newSpan(t)
	project := s.network("POST", "/networks", `{"network": {}}`).want(t, 201).one(t, "network", "project_id").(string)
	body := `{"network": {"project_id": "` + project + `", "segments": [` + vlanOf(7) + ", " + vlanOf(8) + `]}}`
	created := s.asAdmin("POST", "/networks", body).want(t, 201)
	network := created.id(t, "network")
	s.asAdmin("POST", "/subnets", `{"subnet": {"network_id": "`+network+`", "project_id": "`+project+`", `+ipv4+`}}`).want(t, 201)
	for i, zone := range []string{"az1", "az2"} {
		s.boot(zone, on(network)).want(t, 202)
		there := s.in(i, "networks")
		if len(there) != 1 || !cmp.Equal(there[0]["segments"], created.one(t, "network", "segments")) {
			t.Errorf("pod %d has %v", i+1, there)
		}
	}
}
