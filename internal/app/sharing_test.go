package app

import (
	"testing"
	"time"

	"github.com/tricircle/tricircle/internal/config"
)

// A network of another project, shared with one project only: its users boot on it, and their ports are theirs in the pods.
func TestSpan_NetworkSharedWithOneProject_IsSeenByItInThePods(t *testing.T) {
	s := newSpan(t)
	network := s.asAdmin("POST", "/networks", `{"network": {"name": "lent"}}`).want(t, 201).id(t, "network")
	s.asAdmin("POST", "/subnets", `{"subnet": {"network_id": "`+network+`", "ip_version": 4, "cidr": "10.4.0.0/24"}}`).want(t, 201)
	// It is in pod 1 before it is shared, and in pod 2 not at all.
	admins := s.send("POST", s.url(config.RoleNovaGW)+"/servers", s.bootBodyOn("az1", network), "X-Auth-Token", s.sim.Token("admin", "admin", time.Hour),
		"OpenStack-API-Version", "compute 2.60").want(t, 202).id(t, "server")
	s.boot("az1", on(network)).want(t, 400)
	project := s.network("GET", "/security-groups", "").want(t, 200).get(t, "security_groups").([]any)[0].(map[string]any)["project_id"].(string)
	policy := s.asAdmin("POST", "/rbac-policies", `{"rbac_policy": {"object_type": "network", "object_id": "`+network+`", "action": "access_as_shared", `+
		`"target_tenant": "`+project+`"}}`).want(t, 201).id(t, "rbac_policy")
	var servers []string
	for i, zone := range []string{"az1", "az2"} {
		id := s.boot(zone, on(network)).want(t, 202).id(t, "server")
		servers = append(servers, id)
		mine := 0
		for _, p := range s.in(i, "ports") {
			if p["device_id"] == id && p["project_id"] == project {
				mine++
			}
		}
		if n := s.in(i, "networks"); mine != 1 || len(n) != 1 || n[0]["project_id"] == project || n[0]["shared"] != false {
			t.Errorf("%s: the project has %d ports on its server; the network is %v", zone, mine, n)
		}
	}
	s.asAdmin("DELETE", "/rbac-policies/"+policy, "").refused(t, 409, "RbacPolicyInUse", "Multiple tenants are using it")
	for _, id := range servers {
		s.call(config.RoleNovaGW, "DELETE", "/servers/"+id, "").want(t, 204)
	}
	s.eventually("the project's ports are gone", func() bool { return len(s.ports("project_id="+project)) == 0 })
	s.asAdmin("DELETE", "/rbac-policies/"+policy, "").want(t, 204)
	s.quiet()
	for i := range 2 {
		if left := s.policiesIn(i, network); len(left) != 0 {
			t.Errorf("pod %d goes on sharing the network: %v", i+1, left)
		}
	}
	s.send("DELETE", s.url(config.RoleNovaGW)+"/servers/"+admins, "", "X-Auth-Token", s.sim.Token("admin", "admin", time.Hour)).want(t, 204)
}

// Anybody can make a port that names somebody else's server. It is none of that server's.
func TestSpan_PortOfAnotherProject_IsNoneOfTheServers(t *testing.T) {
	s := newSpan(t)
	network := s.asAdmin("POST", "/networks", `{"network": {"name": "all", "shared": true}}`).want(t, 201).id(t, "network")
	s.asAdmin("POST", "/subnets", `{"subnet": {"network_id": "`+network+`", "ip_version": 4, "cidr": "10.4.0.0/24"}}`).want(t, 201)
	id := s.boot("az1", on(network)).want(t, 202).id(t, "server")
	s.asAdmin("POST", "/ports", `{"port": {"network_id": "`+network+`", "device_id": "`+id+`"}}`).want(t, 201)
	s.network("POST", "/security-groups", `{"security_group": {"name": "web"}}`).want(t, 201)
	s.compute("POST", "/servers/"+id+"/action", `{"addSecurityGroup": {"name": "web"}}`).want(t, 202)
	s.compute("POST", "/servers/"+id+"/action", `{"removeSecurityGroup": {"name": "web"}}`).want(t, 202)
}

// bootBodyOn is the body of a boot on a network.
func (s *span) bootBodyOn(zone, network string) string {
	s.t.Helper()
	return `{"server": {"name": "vm", "flavorRef": "1", "imageRef": "` + s.image() + `", "availability_zone": "` + zone + `", ` + on(network) + `}}`
}

// policiesIn lists who may use a network of the top in a pod.
func (s *span) policiesIn(i int, network string) []any {
	s.t.Helper()
	admin := s.sim.Token("admin", "admin", time.Hour)
	url := s.sim.Pod(i).NetworkURL + "/v2.0"
	doc := s.send("GET", url+"/networks?description=tricircle:network:"+network, "", "X-Auth-Token", admin).want(s.t, 200).get(s.t, "networks").([]any)
	id := doc[0].(map[string]any)["id"].(string)
	return s.send("GET", url+"/rbac-policies?object_id="+id, "", "X-Auth-Token", admin).want(s.t, 200).get(s.t, "rbac_policies").([]any)
}
