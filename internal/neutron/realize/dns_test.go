package realize_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tricircle/tricircle/internal/neutron/realize"
	"github.com/tricircle/tricircle/internal/store"
)

// puts changes an object of a pod as somebody else does, the pod's Nova say.
func (w *world) puts(i int, collection, member string, there map[string]any, attribute, value string) {
	w.t.Helper()
	w.call(i, http.MethodPut, "/"+collection+"/"+there["id"].(string), `{"`+member+`": {"`+attribute+`": "`+value+`"}}`)
}

func TestNetwork_DNSDomain_IsMadeAndKept(t *testing.T) {
	w := newWorld(t, 2)
	network, subnet := w.network(2101)
	w.change(network, map[string]any{"dns_domain": "first.example."})
	w.want(1, w.port(subnet, "10.101.0.10"))
	w.want(2, w.port(subnet, "10.101.0.11"))
	for _, domain := range []string{"first.example.", "second.example.", ""} {
		w.change(network, map[string]any{"dns_domain": domain})
		w.drain()
		w.puts(1, "networks", "network", w.one(1, "networks"), "dns_domain", "strange.example.")
		w.ask(store.KindNetwork, network.ID)
		w.drain()
		if diff := cmp.Diff([]any{domain, domain}, []any{w.one(0, "networks")["dns_domain"], w.one(1, "networks")["dns_domain"]}); diff != "" {
			t.Errorf("%q: %s", domain, diff)
		}
	}
}

func TestPort_DNSDomain_IsMadeAndKept(t *testing.T) {
	w := newWorld(t, 1)
	_, subnet := w.network(2101)
	port := w.port(subnet, "10.101.0.10")
	w.want(1, port)
	for _, domain := range []string{"port.example.", ""} {
		w.change(port, map[string]any{"dns_domain": domain})
		w.drain()
		if got := w.one(0, "ports")["dns_domain"]; got != domain {
			t.Errorf("got %v, want %q", got, domain)
		}
	}
}

func TestPort_DNSName_IsToldThePodOnceAndThenNovas(t *testing.T) {
	w := newWorld(t, 2)
	_, subnet := w.network(2101)
	port := w.port(subnet, "10.101.0.10")
	w.change(port, map[string]any{"dns_name": "first", store.AttrNamed: "1"})
	name := func(when, want string) {
		t.Helper()
		if failures := w.drain(); failures != nil {
			t.Errorf("%s: %v", when, failures)
		}
		if got := w.one(0, "ports")["dns_name"]; got != want {
			t.Errorf("%s: got %v, want %q", when, got, want)
		}
	}
	live := func() realize.LivePort {
		t.Helper()
		all, err := w.r.LivePorts(t.Context(), []string{port.ID})
		if err != nil {
			t.Fatal(err)
		}
		return all[port.ID]
	}
	w.want(1, port)
	name("made", "first")

	w.puts(0, "ports", "port", w.one(0, "ports"), "dns_name", "host")
	w.change(port, map[string]any{"name": "renamed"})
	name("Nova has given it a server's name, and something else has changed", "host")
	if got := live(); got.DNSName != "host" || got.Named != "1" {
		t.Errorf("it is seen as %v by %q", got.DNSName, got.Named)
	}

	w.change(port, map[string]any{store.AttrNamed: "2"})
	if got := live(); got.Named == "2" {
		t.Error("the pod is said to know a name that is still under way")
	}
	name("the user has said the name again", "first")

	w.puts(0, "ports", "port", w.one(0, "ports"), "dns_name", "host")
	w.change(port, map[string]any{"dns_name": "", store.AttrNamed: "3"})
	name("the user has taken it away", "")
}

func TestPort_WithoutADNSName_KeepsNovas(t *testing.T) {
	w := newWorld(t, 1)
	_, subnet := w.network(2101)
	port := w.port(subnet, "10.101.0.10")
	w.change(port, map[string]any{"dns_name": ""})
	w.want(1, port)
	w.puts(0, "ports", "port", w.one(0, "ports"), "dns_name", "host")
	w.ask(store.KindPort, port.ID)
	w.drain()
	if got := w.one(0, "ports")["dns_name"]; got != "host" {
		t.Errorf("got %v, want what Nova has said", got)
	}
}

// A port whose shadow was there before it, without a name, has its name when it comes itself.
func TestPort_ThatWasAShadow_GetsItsDNSName(t *testing.T) {
	w := newWorld(t, 2)
	group, _, ports := w.members(2)
	w.want(1, ports[0])
	w.want(2, ports[1])
	w.change(ports[0], map[string]any{"dns_name": "first", store.AttrNamed: "1"})
	w.drain()
	shadow := w.in(1, "ports", by("description", realize.Key(store.KindPort, ports[0].ID)))
	if len(shadow) != 1 || shadow[0]["dns_name"] != "" {
		t.Fatalf("its shadow, of a member of %s, is %v", group.ID, shadow)
	}
	w.want(2, ports[0])
	itself := w.in(1, "ports", by("description", realize.Key(store.KindPort, ports[0].ID)))
	if len(itself) != 1 || itself[0]["dns_name"] != "first" {
		t.Errorf("the port itself is %v", itself)
	}
}

// A server that is to have the port must wait until the pod's Nova can see the name.
func TestWant_NameUnderWay_IsAJobToWaitFor(t *testing.T) {
	w := newWorld(t, 1)
	_, subnet := w.network(2101)
	port := w.port(subnet, "10.101.0.10")
	w.want(1, port)
	jobs := func() (jobs []store.NewJob) {
		t.Helper()
		w.tx(func(tx store.Tx) (err error) {
			jobs, err = realize.Want(t.Context(), tx, 1, port)
			return err
		})
		return jobs
	}
	if all := jobs(); len(all) != 0 {
		t.Errorf("of what is there: %v", all)
	}
	w.change(port, map[string]any{"dns_name": "vm", store.AttrNamed: "1"})
	if all := jobs(); len(all) != 1 || all[0].Kind != string(store.KindPort) {
		t.Errorf("got %v, want the port's", all)
	}
	w.drain()
	if all := jobs(); len(all) != 0 || w.one(0, "ports")["dns_name"] != "vm" {
		t.Errorf("when the name is there: %v", all)
	}
}
