package plugin

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tricircle/tricircle/internal/store"
)

// newNamed is a fixture whose ports have names in a domain.
func newNamed(t *testing.T, domain string) *trunked {
	t.Helper()
	return newTrunked(newFixtureOf(t, "sqlite://:memory:", func(o *Options) { o.DNSDomain = domain }))
}

func assignment(ip, hostname, fqdn string) any {
	return map[string]any{"ip_address": ip, "hostname": hostname, "fqdn": fqdn}
}

// shown is a port, or what is wanted of its names.
func (w *trunked) shown(id string) []any {
	w.t.Helper()
	_, port := w.call("p", "GET", "/ports/"+id, "")
	return []any{port["dns_name"], port["dns_domain"], port["dns_assignment"]}
}

func TestDNS_NamesOfPorts_AreThoseGivenOrOfAddresses(t *testing.T) {
	for _, c := range []struct{ option, given, name, domain, hostname, fqdn string }{
		{"top.example", `"dns_name": "VM", "dns_domain": "Other.Example."`, "vm", "other.example.", "vm", "vm.top.example."},
		{"top.example.", `"dns_name": "vm.top.example."`, "vm.top.example.", "", "vm.top.example.", "vm.top.example."},
		{"top.example.", `"dns_name": ""`, "", "", "host-10-0-0-9", "host-10-0-0-9.top.example."},
		{"openstacklocal", `"dns_name": "vm", "dns_domain": "other.example."`, "", "", "host-10-0-0-9", "host-10-0-0-9.openstacklocal."},
		{"", `"dns_name": "vm"`, "", "", "host-10-0-0-9", "host-10-0-0-9"},
	} {
		w := newNamed(t, c.option)
		given := w.port(`, "fixed_ips": [{"ip_address": "10.0.0.9"}], ` + c.given)
		want := []any{c.name, c.domain, []any{assignment("10.0.0.9", c.hostname, c.fqdn)}}
		if diff := cmp.Diff(want, w.shown(given)); diff != "" {
			t.Errorf("dns_domain %q, created with %s: %s", c.option, c.given, diff)
		}
		w.call("p", "PUT", "/ports/"+given, `{"port": {"dns_name": "", "dns_domain": ""}}`)
		if got := w.shown(given); got[0] != "" || got[1] != "" {
			t.Errorf("dns_domain %q, cleared: %v", c.option, got)
		}
		w.call("p", "PUT", "/ports/"+given, `{"port": {`+c.given+`}}`)
		if diff := cmp.Diff(want, w.shown(given)); diff != "" {
			t.Errorf("dns_domain %q, updated with %s: %s", c.option, c.given, diff)
		}
	}
}

func TestDNS_PortsWithSeveralAddressesOrNone_HaveANameForEach(t *testing.T) {
	w := newNamed(t, "top.example.")
	w.make("/subnets", `{"subnet": {"network_id": "`+w.network+`", "ip_version": 6, "cidr": "fd00::/64"}}`)
	port := w.port(`, "fixed_ips": [{"ip_address": "10.0.0.9"}, {"ip_address": "fd00::9"}]`)
	want := []any{assignment("10.0.0.9", "host-10-0-0-9", "host-10-0-0-9.top.example."),
		assignment("fd00::9", "host-fd00--9", "host-fd00--9.top.example.")}
	if diff := cmp.Diff(want, w.shown(port)[2]); diff != "" {
		t.Error(diff)
	}
	bare := w.port(`, "fixed_ips": [], "dns_name": "vm"`)
	if diff := cmp.Diff([]any{"vm", "", []any{}}, w.shown(bare)); diff != "" {
		t.Errorf("without an address: %s", diff)
	}
}

func TestDNS_DomainsOfNetworks_AreKept(t *testing.T) {
	w := newTrunked(newFixture(t, "sqlite://:memory:"))
	_, fresh := w.call("p", "GET", "/networks/"+w.network, "")
	_, set := w.call("p", "PUT", "/networks/"+w.network, `{"network": {"dns_domain": "Net.Example."}}`)
	_, cleared := w.call("p", "PUT", "/networks/"+w.network, `{"network": {"dns_domain": ""}}`)
	if diff := cmp.Diff([]any{"", "net.example.", ""}, []any{fresh["dns_domain"], set["dns_domain"], cleared["dns_domain"]}); diff != "" {
		t.Error(diff)
	}
}

// What forms names have is tested with the validators. The texts are Neutron's, Zed.
func TestDNS_BadNames_AreRefusedInNeutronsWords(t *testing.T) {
	w := newNamed(t, "top.example.")
	port := w.port("")
	for _, c := range []struct{ path, member, value, typ, text string }{
		{"/networks/" + w.network, "dns_domain", `"net.example"`, "HTTPBadRequest", "Invalid input for dns_domain. Reason: 'net.example' is not a FQDN."},
		{"/ports/" + port, "dns_domain", `"a..b."`, "HTTPBadRequest",
			"Invalid input for dns_domain. Reason: 'a..b.' not a valid PQDN or FQDN. Reason: Encountered an empty component."},
		{"/ports/" + port, "dns_name", `5`, "InvalidInput", "Invalid input for operation: Input value 5 must be string type."},
		{"/ports/" + port, "dns_name", `"vm.other.example."`, "HTTPBadRequest",
			"Invalid input for dns_name. Reason: The dns_name passed is a FQDN. Its higher level labels must be equal to the dns_domain option in " +
				"neutron.conf, that has been set to 'top.example.'. It must also include one or more valid DNS labels to the left of 'top.example.'."},
		{"/ports/" + port, "dns_assignment", `[]`, "HTTPBadRequest", "Cannot update read-only attribute dns_assignment"},
	} {
		kind := strings.TrimSuffix(strings.Split(c.path, "/")[1], "s")
		w.refuses("PUT", c.path, `{"`+kind+`": {"`+c.member+`": `+c.value+`}}`, 400, c.typ, c.text)
	}
}

// A user who says a name again wants it again, whatever Nova has made of it meanwhile.
func TestDNS_EachNameThatIsSet_IsAnotherForThePod(t *testing.T) {
	w := newNamed(t, "top.example.")
	id := w.port(`, "dns_name": "vm"`)
	named := func() any {
		t.Helper()
		port, err := w.store.Reader().Get(t.Context(), store.KindPort, id)
		if err != nil {
			t.Fatal(err)
		}
		return port.Attrs[store.AttrNamed]
	}
	first := named()
	w.call("p", "PUT", "/ports/"+id, `{"port": {"name": "other"}}`)
	if named() != first || first == nil {
		t.Errorf("a change of something else: %v became %v", first, named())
	}
	w.call("p", "PUT", "/ports/"+id, `{"port": {"dns_name": "vm"}}`)
	if named() == first {
		t.Error("the name was set again, but nothing says so")
	}
}

// What the pod has is not the user's word as long as the pod has not heard that.
func TestDNS_NameUnderWay_IsShownInsteadOfThePods(t *testing.T) {
	var state PortState
	w := newTrunked(newFixtureOf(t, "sqlite://:memory:", func(o *Options) {
		o.DNSDomain = "top.example."
		o.Live = func(_ context.Context, ids []string) map[string]PortState { return map[string]PortState{ids[0]: state} }
	}))
	id := w.port(`, "fixed_ips": [{"ip_address": "10.0.0.9"}], "dns_name": "mine"`)
	port, err := w.store.Reader().Get(t.Context(), store.KindPort, id)
	if err != nil {
		t.Fatal(err)
	}
	named := port.Attrs[store.AttrNamed].(string)
	for _, c := range []struct {
		what  string
		state PortState
		want  string
	}{
		{"not heard", PortState{DNSName: "host", Named: "before"}, "mine"},
		{"heard, and Nova's now", PortState{DNSName: "host", Named: named}, "host"},
		{"cleared by Nova", PortState{DNSName: "", Named: named}, "host-10-0-0-9"},
		{"a pod without DNS", PortState{Named: named}, "mine"},
	} {
		state = c.state
		if got := w.shown(id)[2].([]any)[0].(map[string]any)["hostname"]; got != c.want {
			t.Errorf("%s: got %v, want %s", c.what, got, c.want)
		}
	}
}
