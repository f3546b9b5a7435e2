package app

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tricircle/tricircle/internal/config"
	"github.com/tricircle/tricircle/internal/store"
)

const withDomain = "networks.dns_domain=top.example."

// called is what a port is called: its dns_name, and the first of its names with the domain.
func (s *span) called(port string) []any {
	s.t.Helper()
	p := s.ports("id=" + port)[0]
	return []any{p["dns_name"], p["dns_assignment"].([]any)[0].(map[string]any)["fqdn"]}
}

// namedPort makes a port with an address and a name.
func (s *span) namedPort(network, ip, name string) string {
	s.t.Helper()
	return s.network("POST", "/ports", fmt.Sprintf(`{"port": {"network_id": %q, "fixed_ips": [{"ip_address": %q}], "dns_name": %q}}`,
		network, ip, name)).want(s.t, 201).id(s.t, "port")
}

func TestDNS_BootedServers_NameTheirPorts(t *testing.T) {
	onEach(t, func(t *testing.T, s *span) {
		network, _ := s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/24"`)
		s.network("PUT", "/networks/"+network, `{"network": {"dns_domain": "net.example."}}`).want(t, 200)
		for i, name := range []string{"", "vm"} {
			ip := fmt.Sprintf("10.0.0.%d", 50+i)
			port := s.namedPort(network, ip, name)
			server := s.boot("az1", withPort(port)).want(t, 202).id(t, "server")
			vm := []any{"vm", "vm.top.example."}
			if diff := cmp.Diff(vm, s.called(port)); diff != "" {
				t.Errorf("port named %q, with a server: %s", name, diff)
			}
			s.network("PUT", "/ports/"+port, `{"port": {"name": "renamed"}}`).want(t, 200)
			s.quiet()
			if diff := cmp.Diff(vm, s.called(port)); diff != "" || s.in(0, "ports")[0]["dns_name"] != "vm" {
				t.Errorf("port named %q, when its job has run: %s; in the pod %v", name, diff, s.in(0, "ports"))
			}
			s.deleteServer(server)
			s.quiet()
			nobody := "host-" + strings.ReplaceAll(ip, ".", "-") + ".top.example."
			if diff := cmp.Diff([]any{"", nobody}, s.called(port)); diff != "" {
				t.Errorf("port named %q, without its server: %s", name, diff)
			}
			stored, err := s.top.store.Reader().Get(t.Context(), store.KindPort, port)
			if err != nil || stored.Attrs["dns_name"] != "" {
				t.Errorf("port named %q: what goes into the next pod is %v, %v", name, stored.Attrs["dns_name"], err)
			}
			s.boot("az2", withPort(port)).want(t, 202)
			if diff := cmp.Diff(vm, s.called(port)); diff != "" {
				t.Errorf("port named %q, with a server in the other pod: %s", name, diff)
			}
		}
		server := s.boot("az1", on(network)).want(t, 202).id(t, "server")
		if p := s.ports("device_id=" + server); p[0]["dns_name"] != "vm" {
			t.Errorf("the port that was made for a server is %v", p[0])
		}
		if got := s.in(0, "networks")[0]["dns_domain"]; got != "net.example." {
			t.Errorf("in the pod the network is in %v", got)
		}
	}, withDomain)
}

// Nova finds out on the server's host, when it has accepted the boot (nova/network/neutron.py, _validate_requested_port_ids, Zed).
func TestDNS_ServerOfAnotherName_IsRefusedThePort(t *testing.T) {
	s := newSpan(t, withDomain)
	network, _ := s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/24"`)
	port := s.namedPort(network, "10.0.0.50", "other")
	server := s.boot("az1", withPort(port)).want(t, 202).id(t, "server")
	if got := s.call(config.RoleNovaGW, "GET", "/servers/"+server, "").want(t, 200).get(t, "server", "status"); got != "ERROR" {
		t.Errorf("the server is %v", got)
	}
	s.call(config.RoleNovaGW, "DELETE", "/servers/"+server, "").want(t, 204)
	s.eventually("the port is free", func() bool { return s.ports("id=" + port)[0]["device_id"] == "" })

	bare := s.boot("az1", `"networks": "none"`).want(t, 202).id(t, "server")
	attach := func() answer {
		return s.compute("POST", "/servers/"+bare+"/os-interface", `{"interfaceAttachment": {"port_id": "`+port+`"}}`)
	}
	attach().says(t, 500, "computeFault", "Unexpected API Error. Please report this at http://bugs.launchpad.net/nova/ and attach the Nova API "+
		"log if possible.\n<class 'nova.exception.PortNotUsableDNS'>")
	if diff := cmp.Diff([]any{"other", "other.top.example."}, s.called(port)); diff != "" {
		t.Errorf("refused: %s", diff)
	}
	s.network("PUT", "/ports/"+port, `{"port": {"dns_name": "vm"}}`).want(t, 200)
	if diff := cmp.Diff([]any{"vm", "vm.top.example."}, s.called(port)); diff != "" {
		t.Errorf("named anew: %s", diff)
	}
	attach().want(t, 200)
}

func TestDNS_NoDomainOfTheCloud_NobodyHasAName(t *testing.T) {
	s := newSpan(t)
	network, _ := s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/24"`)
	port := s.namedPort(network, "10.0.0.50", "other")
	server := s.boot("az1", withPort(port)).want(t, 202).id(t, "server")
	if got := s.call(config.RoleNovaGW, "GET", "/servers/"+server, "").want(t, 200).get(t, "server", "status"); got != "ACTIVE" {
		t.Errorf("the server is %v", got)
	}
	if diff := cmp.Diff([]any{"", "host-10-0-0-50.openstacklocal."}, s.called(port)); diff != "" {
		t.Error(diff)
	}
}

func TestDNS_Extensions_AreListed(t *testing.T) {
	c := newNetworking(t)
	for _, alias := range []string{"dns-integration", "dns-domain-ports"} {
		c.network("GET", "/extensions/"+alias, "").want(t, 200)
	}
}

func TestDNS_AdoptedNetwork_KeepsItsDomainAndNames(t *testing.T) {
	b := newBrown(t, withDomain)
	network, _ := b.vlan(3001, `, "dns_domain": "old.example."`)
	given := b.make("ports", "port", `"network_id": "`+network+`", "dns_name": "mine", "dns_domain": "port.example."`)
	server := b.bootInPod(`{"uuid": "` + network + `"}`)
	b.steps(b.adopt(network, ""))
	b.quiet()
	mine := b.ports("id=" + given)[0]
	got := []any{b.network("GET", "/networks/"+network, "").one(t, "network", "dns_domain"), mine["dns_name"], mine["dns_domain"],
		b.ports("device_id=" + server)[0]["dns_name"], b.in(0, "networks")[0]["dns_domain"]}
	if diff := cmp.Diff([]any{"old.example.", "mine", "port.example.", "old", "old.example."}, got); diff != "" {
		t.Error(diff)
	}
}
