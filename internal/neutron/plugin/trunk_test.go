package plugin

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tricircle/tricircle/internal/neutron/schema"
	"github.com/tricircle/tricircle/internal/store"
)

// trunked is a network with ports for trunks.
type trunked struct {
	*fixture
	network string
}

func newTrunked(f *fixture) *trunked {
	w := &trunked{fixture: f, network: f.make("/networks", `{"network": {}}`)}
	f.make("/subnets", `{"subnet": {"network_id": "`+w.network+`", "ip_version": 4, "cidr": "10.0.0.0/24"}}`)
	return w
}

func (w *trunked) port(more string) string {
	w.t.Helper()
	return w.make("/ports", `{"port": {"network_id": "`+w.network+`"`+more+`}}`)
}

func subport(id string, vlan int) string {
	return fmt.Sprintf(`{"port_id": %q, "segmentation_type": "vlan", "segmentation_id": %d}`, id, vlan)
}

func trunkOn(parent, subports string) string {
	return `{"trunk": {"port_id": "` + parent + `", "sub_ports": [` + subports + `]}}`
}

// refuses fails the test unless the answer to project p is Neutron's error of that status, type and text.
func (f *fixture) refuses(method, path, body string, status int, typ, text string) {
	f.t.Helper()
	f.refusesTo("p", method, path, body, status, typ, text)
}

// refusesTo is refuses for another project.
func (f *fixture) refusesTo(project, method, path, body string, status int, typ, text string) {
	f.t.Helper()
	got, object := f.call(project, method, path, body)
	if got != status || object["type"] != typ || object["message"] != text {
		f.t.Errorf("%s %s %s:\ngot  %d %v %v\nwant %d %s %s", method, path, body, got, object["type"], object["message"], status, typ, text)
	}
}

// The types and texts are those of Neutron, Zed.
func TestTrunks_WhatNeutronRefuses_IsRefusedInItsWords(t *testing.T) {
	w := newTrunked(newFixture(t, "sqlite://:memory:"))
	parent, child, used, other := w.port(""), w.port(""), w.port(`, "device_id": "d"`), w.port("")
	wide := w.make("/networks", `{"network": {}}`)
	if status, _ := w.call("p", "PUT", "/networks/"+w.network, `{"network": {"mtu": 1400}}`); status != http.StatusOK {
		t.Fatal(status)
	}
	big := w.make("/ports", `{"port": {"network_id": "`+wide+`"}}`)
	const nobody = "11111111-1111-4111-8111-111111111111"
	trunk := w.make("/trunks", trunkOn(other, ""))
	for _, c := range []struct {
		body        string
		status      int
		typ, reason string
	}{
		{trunkOn(nobody, ""), 404, "PortNotFound", "Port " + nobody + " could not be found."},
		{trunkOn("x", ""), 400, "HTTPBadRequest", "Invalid input for port_id. Reason: 'x' is not a valid UUID."},
		{`{"trunk": {}}`, 400, "HTTPBadRequest", "Failed to parse request. Required attribute 'port_id' not specified"},
		{`{"trunk": {"port_id": "` + parent + `", "status": "ACTIVE"}}`, 400, "HTTPBadRequest", "Attribute 'status' not allowed in POST"},
		{trunkOn(other, ""), 409, "ParentPortInUse", "Port " + other + " is currently in use and is not eligible for use as a parent port."},
		{trunkOn(parent, subport(parent, 5)), 409, "ParentPortInUse",
			"Port " + parent + " is currently in use and is not eligible for use as a parent port."},
		{trunkOn(parent, subport(other, 5)), 409, "ParentPortInUse",
			"Port " + other + " is currently in use and is not eligible for use as a parent port."},
		{trunkOn(parent, subport(nobody, 5)), 404, "PortNotFound", "Port " + nobody + " could not be found."},
		{trunkOn(parent, subport(used, 5)), 409, "PortInUse", "Unable to complete operation on port " + used + " for network " + w.network +
			". Port already has an attached device d."},
		{trunkOn(parent, subport(child, 4095)), 400, "InvalidInput", "Invalid input for operation: Segmentation ID '4095' is not in range."},
		{trunkOn(parent, `{"port_id": "`+child+`", "segmentation_type": "vxlan", "segmentation_id": 5}`), 400, "InvalidInput",
			"Invalid input for operation: Unknown segmentation_type 'vxlan'."},
		{trunkOn(parent, `{"port_id": "`+child+`", "segmentation_type": "vlan", "segmentation_id": "x"}`), 400, "InvalidInput",
			"Invalid input for operation: Invalid subport details: segmentation_id 'x' is not an integer."},
		{trunkOn(parent, `{"port_id": "`+child+`"}`), 400, "InvalidInput", "Invalid input for operation: Invalid subport details '{'port_id': '" +
			child + "'}': missing segmentation information. Must specify both segmentation_id and segmentation_type."},
		{trunkOn(parent, subport(child, 5)+","+subport(child, 6)), 400, "HTTPBadRequest",
			"Invalid input for sub_ports. Reason: Non unique UUID for subport: '" + child + "'."},
		{trunkOn(parent, subport(big, 5)), 409, "SubPortMtuGreaterThanTrunkPortMtu",
			"MTU 1500 of subport " + big + " cannot be greater than MTU 1400 of trunk " + parent + "."},
	} {
		w.refuses("POST", "/trunks", c.body, c.status, c.typ, c.reason)
	}
	url := "/trunks/" + trunk
	w.refuses("GET", "/trunks/"+nobody, "", 404, "TrunkNotFound", "Trunk "+nobody+" could not be found.")
	w.refuses("GET", "/trunks?status=DOWN", "", 400, "HTTPBadRequest", "['status'] is invalid attribute for filtering")
	w.refuses("PUT", url, `{"trunk": {"sub_ports": []}}`, 400, "HTTPBadRequest", "Cannot update read-only attribute sub_ports")
	w.refuses("PUT", url+"/add_subports", `{"sub_ports": 5}`, 400, "InvalidInput",
		"Invalid input for operation: Invalid data format for subports: '5' is not a list.")
	w.refuses("PUT", url+"/remove_subports", `{"sub_ports": [{"port_id": "`+child+`"}]}`, 404, "SubPortNotFound",
		"SubPort "+child+" on trunk "+trunk+" could not be found.")
	w.call("p", "PUT", url, `{"trunk": {"admin_state_up": false}}`)
	for method, path := range map[string]string{"PUT": url + "/add_subports", "DELETE": url} {
		body := map[string]string{"PUT": `{"sub_ports": [` + subport(child, 5) + `]}`}[method]
		w.refuses(method, path, body, 409, "TrunkDisabled", "Trunk "+trunk+" is currently disabled.")
	}
	if n := w.count(store.ObjectQuery{Kind: store.KindTrunk}); n != 1 {
		t.Errorf("%d trunks are there", n)
	}
	if status, port := w.call("p", "GET", "/ports/"+child, ""); status != 200 || port["device_owner"] != "" {
		t.Errorf("what was refused has left its mark: %d %v", status, port)
	}
}

func TestTrunk_FromBeginningToEnd_HoldsItsPorts(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		w := newTrunked(f)
		parent, first, second := w.port(""), w.port(""), w.port("")
		trunk := w.make("/trunks", trunkOn(parent, subport(first, 5)))
		url := "/trunks/" + trunk
		w.refuses("PUT", url+"/add_subports", `{"sub_ports": [`+subport(second, 5)+`]}`, 409, "DuplicateSubPort",
			"segmentation_type vlan and segmentation_id 5 already in use on trunk "+trunk+".")
		if status, _ := w.call("p", "PUT", url+"/add_subports", `{"sub_ports": [`+subport(second, 6)+`]}`); status != http.StatusOK {
			t.Fatal(status)
		}
		w.refuses("POST", "/trunks", trunkOn(second, ""), 409, "TrunkPortInUse", "Port "+second+" is in use by another trunk.")
		w.refuses("DELETE", "/ports/"+second, "", 409, "PortInUseAsSubPort", "Port "+second+" is currently a subport for trunk "+trunk+".")
		w.refuses("DELETE", "/ports/"+parent, "", 409, "PortInUseAsTrunkParent", "Port "+parent+" is currently a parent port for trunk "+trunk+".")
		_, shown := w.call("p", "GET", "/ports/"+parent, "")
		details, _ := shown["trunk_details"].(map[string]any)
		subports := mapsOf(details["sub_ports"])
		if details["trunk_id"] != trunk || len(subports) != 2 || subports[1]["port_id"] != second || subports[1]["segmentation_id"] != 6.0 ||
			subports[1]["mac_address"] == nil {
			t.Errorf("trunk_details: %v", details)
		}
		if _, part := w.call("p", "GET", "/ports/"+parent+"?fields=trunk_details", ""); len(part) != 1 || part["trunk_details"] == nil {
			t.Errorf("asked for trunk_details alone: %v", part)
		}
		if _, port := w.call("p", "GET", "/ports/"+second, ""); port["device_owner"] != "trunk:subport" || port["trunk_details"] != nil {
			t.Errorf("a subport: %v", port)
		}
		if status, _ := w.call("p", "PUT", url+"/remove_subports", `{"sub_ports": [{"port_id": "`+first+`"}]}`); status != http.StatusOK {
			t.Fatal(status)
		}
		for _, path := range []string{"/ports/" + first, url, "/ports/" + second, "/ports/" + parent} {
			if status, object := w.call("p", "DELETE", path, ""); status != http.StatusNoContent {
				t.Errorf("DELETE %s: %d %v", path, status, object)
			}
		}
	})
}

func TestTrunk_Shown_HasWhatNeutronShows(t *testing.T) {
	w := newTrunked(newFixture(t, "sqlite://:memory:"))
	parent, child := w.port(""), w.port("")
	trunk := w.make("/trunks", trunkOn(parent, ""))
	if status, _ := w.call("p", "PUT", "/trunks/"+trunk+"/tags/blue", ""); status != http.StatusCreated {
		t.Fatal(status)
	}
	if status, _ := w.call("p", "PUT", "/trunks/"+trunk, `{"trunk": {"name": "n", "description": "d"}}`); status != http.StatusOK {
		t.Fatal(status)
	}
	_, shown := w.call("p", "GET", "/trunks/"+trunk, "")
	for name, want := range map[string]any{"id": trunk, "project_id": "p", "tenant_id": "p", "name": "n", "description": "d", "admin_state_up": true,
		"port_id": parent, "status": "DOWN", "sub_ports": []any{}, "tags": []any{"blue"}, "revision_number": 3.0} {
		if diff := cmp.Diff(want, shown[name]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	var names []string
	for name := range shown {
		names = append(names, name)
	}
	r := raw(w.fixture, "PUT", "/trunks/"+trunk+"/add_subports", `{"sub_ports": [`+subport(child, 5)+`]}`)
	var answered []string
	for name := range r {
		answered = append(answered, name)
	}
	slices.Sort(names)
	slices.Sort(answered)
	if diff := cmp.Diff(names, answered); diff != "" {
		t.Errorf("the answer to add_subports has other members than the trunk: %s", diff)
	}
	r = raw(w.fixture, "GET", "/trunks/"+trunk+"/get_subports", "")
	want := map[string]any{"sub_ports": []any{map[string]any{"port_id": child, "segmentation_type": "vlan", "segmentation_id": 5.0}}}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Error(diff)
	}
	if status, _ := w.call("q", "GET", "/trunks/"+trunk, ""); status != http.StatusNotFound {
		t.Errorf("another project sees it: %d", status)
	}
}

func TestTrunk_NetworksThatNoPodHasBoth_AreRefused(t *testing.T) {
	w := newTrunked(newFixture(t, "sqlite://:memory:"))
	on := func(zone string) string {
		network := w.make("/networks", `{"network": {"availability_zone_hints": ["`+zone+`"]}}`)
		return w.make("/ports", `{"port": {"network_id": "`+network+`"}}`)
	}
	first, second, third := on("az1"), on("az2"), on("az1")
	_, port := w.call("p", "GET", "/ports/"+second, "")
	text := fmt.Sprintf("Invalid input for operation: network %s of a subport cannot be in a pod where the trunk's parent port %%s can be.", port["network_id"])
	w.refuses("POST", "/trunks", trunkOn(first, subport(second, 5)), 400, "InvalidInput", fmt.Sprintf(text, first))
	w.make("/trunks", trunkOn(first, subport(third, 5)))

	everywhere := w.port("")
	if err := w.store.InTx(t.Context(), func(tx store.Tx) error { // it is in the first pod
		return tx.PutRealization(t.Context(), store.Realization{Kind: store.KindPort, TopID: everywhere, PodNum: 1})
	}); err != nil {
		t.Fatal(err)
	}
	w.refuses("POST", "/trunks", trunkOn(everywhere, subport(second, 5)), 400, "InvalidInput", fmt.Sprintf(text, everywhere))
	w.make("/trunks", trunkOn(w.port(""), subport(second, 5)))
}

func TestSegmentOf_Inherited_IsTheNetworks(t *testing.T) {
	subport := map[string]any{"port_id": "p", "segmentation_type": "inherit"}
	got, err := segmentOf(subport, &store.Object{Attrs: map[string]any{"provider:network_type": "vlan", "provider:segmentation_id": int64(7)}})
	if diff := cmp.Diff(map[string]any{"segmentation_type": "vlan", "segmentation_id": int64(7)}, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	_, err = segmentOf(subport, &store.Object{Attrs: map[string]any{"provider:network_type": "local"}})
	if typeOf(t, err) != "InvalidInput" {
		t.Errorf("of a local network: %v", err)
	}
}

func TestValidSubports_Lists_AreRefusedAsByNeutron(t *testing.T) {
	const a, b = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
	one := func(id string, typ, segment any) any {
		return map[string]any{"port_id": id, "segmentation_type": typ, "segmentation_id": segment}
	}
	for _, c := range []struct {
		in   any
		want string
	}{
		{[]any{one(a, "vlan", int64(1)), one(b, "vlan", int64(2))}, ""},
		{[]any{map[string]any{"port_id": a}}, ""},
		{[]any{one(a, "inherit", nil), "not looked at"}, ""},
		{"x", "Invalid data format for subports: 'x' is not a list"},
		{[]any{"x"}, "Invalid data format for subport: 'x' is not a dict"},
		{[]any{map[string]any{}}, "A valid port UUID must be specified"},
		{[]any{map[string]any{"port_id": "x"}}, "Invalid UUID for subport: 'x'"},
		{[]any{one(a, "vlan", int64(1)), one(b, "vlan", int64(1))}, "Segmentation ID '1' for '" + b + "' is not unique"},
		{[]any{map[string]any{"port_id": a, "segmentation_id": int64(1)}}, "Invalid subport details '{'port_id': '" + a +
			"', 'segmentation_id': 1}': missing segmentation information. Must specify both segmentation_id and segmentation_type"},
	} {
		got := ""
		if err := validSubports(c.in); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", schema.Text(c.in), got, c.want)
		}
	}
}

func TestTrunks_AtOnceWithTheSamePorts_OneIsMade(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		w := newTrunked(f)
		parent, child := w.port(""), w.port("")
		parents := []string{parent, w.port(""), w.port(""), parent}
		got := f.atOnce(len(parents), func(i int) (int, map[string]any) {
			return f.call("p", "POST", "/trunks", trunkOn(parents[i], subport(child, 5)))
		})
		f.want(got, "201", 1)
		if n := f.count(store.ObjectQuery{Kind: store.KindTrunk}); n != 1 {
			t.Errorf("%d trunks are there: %v", n, got)
		}
	})
}
