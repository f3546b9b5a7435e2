package app

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tricircle/tricircle/internal/config"
	"github.com/tricircle/tricircle/internal/simcloud"
)

// An address is free at the top as soon as its server is deleted, and who gets it next must not land in another pod because the first is slow.
func TestSpan_AddressOfAServerThatIsBeingDeleted_IsWaitedForInTheProjectsPod(t *testing.T) {
	s := newSpan(t)
	network, _ := s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/24"`)
	body := fmt.Sprintf(`{"server": {"name": "vm", "flavorRef": "1", "imageRef": %q, "networks": [{"uuid": %q, "fixed_ip": "10.0.0.9"}]}}`, s.image(), network)
	boot := func() (answer, error) {
		return s.try("POST", s.url(config.RoleNovaGW)+"/servers", body, "X-Auth-Token", s.sim.Token("demo", "demo", time.Hour),
			"OpenStack-API-Version", "compute 2.60")
	}
	first, err := boot()
	if err != nil {
		t.Fatal(err)
	}
	goOn := make(chan struct{})
	s.sim.Pod(0).SetFault(simcloud.Fault{Service: "network", Methods: []string{http.MethodDelete}, PathContains: "/ports/", Count: 1,
		Before: func() { <-goOn }})
	s.deleteServer(first.want(t, 202).id(t, "server"))
	s.sim.Pod(0).ResetRequests()
	booted := make(chan answer, 1)
	go func() {
		second, err := boot()
		if err != nil {
			t.Error(err)
		}
		booted <- second
	}()
	s.eventually("the pod is asked for a second port", func() bool {
		for _, r := range s.sim.Pod(0).Requests() {
			if r.Method == http.MethodPost && strings.HasPrefix(r.Path, "/v2.0/ports") {
				return true
			}
		}
		return false
	})
	close(goOn)
	(<-booted).want(t, 202)
	if here, there := s.in(0, "ports"), s.in(1, "ports"); len(here) != 1 || address(here[0]) != "10.0.0.9" || len(there) != 0 {
		t.Errorf("ports in the project's pod: %v, in the other one: %v", here, there)
	}
}
