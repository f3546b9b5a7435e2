package app

import (
	"sync"
	"testing"
	"time"

	"github.com/tricircle/tricircle/internal/config"
)

// What is behind an external network is behind one pod.
func TestSpan_ExternalNetwork_IsInOnePod(t *testing.T) {
	s := newSpan(t)
	boot := func(zone, network string) answer {
		body := `{"server": {"name": "vm", "flavorRef": "1", "imageRef": "` + s.image() + `", "availability_zone": "` + zone + `", ` + on(network) + `}}`
		return s.send("POST", s.url(config.RoleNovaGW)+"/servers", body, "X-Auth-Token", s.sim.Token("admin", "admin", time.Hour),
			"OpenStack-API-Version", "compute 2.60")
	}
	make := func(more string) answer {
		return s.asAdmin("POST", "/networks", `{"network": {"name": "out", "router:external": true`+more+`}}`)
	}
	subnet := func(network, cidr string) {
		s.asAdmin("POST", "/subnets", `{"subnet": {"network_id": "`+network+`", "ip_version": 4, "cidr": "`+cidr+`"}}`).want(t, 201)
	}
	make(`, "availability_zone_hints": ["az1", "az2"]`).refused(t, 400, "InvalidInput", "name several")
	hinted := make(`, "availability_zone_hints": ["az2"]`).want(t, 201).id(t, "network")
	subnet(hinted, "10.5.0.0/24")
	boot("az1", hinted).want(t, 400)
	free := make("").want(t, 201).id(t, "network")
	subnet(free, "10.6.0.0/24")
	boot("az1", free).want(t, 202)
	boot("az2", free).want(t, 400) // it is in pod 1 now
	if n := s.in(0, "networks"); len(n) != 1 || n[0]["router:external"] != true {
		t.Errorf("the pod has networks %v", n)
	}
	wide := s.asAdmin("POST", "/networks", `{"network": {"name": "wide"}}`).want(t, 201).id(t, "network")
	subnet(wide, "10.7.0.0/24")
	boot("az1", wide).want(t, 202)
	boot("az2", wide).want(t, 202)
	s.asAdmin("PUT", "/networks/"+wide, `{"network": {"router:external": true}}`).refused(t, 409, "NetworkInUse", "in several pods")
	s.asAdmin("POST", "/rbac-policies", `{"rbac_policy": {"object_type": "network", "object_id": "`+wide+`", "action": "access_as_external", `+
		`"target_tenant": "*"}}`).refused(t, 409, "NetworkInUse", "in several pods")
}

func TestSpan_ExternalNetworkFirstUsedInTwoPodsAtOnce_IsInOne(t *testing.T) {
	s := newSpan(t)
	network := s.asAdmin("POST", "/networks", `{"network": {"router:external": true}}`).want(t, 201).id(t, "network")
	s.asAdmin("POST", "/subnets", `{"subnet": {"network_id": "`+network+`", "ip_version": 4, "cidr": "10.5.0.0/24"}}`).want(t, 201)
	s.asAdmin("PUT", "/networks/"+network, `{"network": {"shared": true}}`).want(t, 200)
	answers := make([]answer, 2)
	var both sync.WaitGroup
	for i, body := range []string{s.bootBodyOn("az1", network), s.bootBodyOn("az2", network)} {
		both.Go(func() {
			var err error
			answers[i], err = s.try("POST", s.url(config.RoleNovaGW)+"/servers", body, "X-Auth-Token", s.sim.Token("demo", "demo", time.Hour),
				"OpenStack-API-Version", "compute 2.60")
			if err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	first, second := answers[0].StatusCode, answers[1].StatusCode
	if (first == 202) == (second == 202) || max(first, second) != 503 && max(first, second) != 400 {
		t.Errorf("got %d %s and %d %s", first, answers[0].body, second, answers[1].body)
	}
	if n := len(s.in(0, "networks")) + len(s.in(1, "networks")); n != 1 {
		t.Errorf("the network is in %d pods", n)
	}
}
