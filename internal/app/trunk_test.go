package app

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tricircle/tricircle/internal/config"
	"github.com/tricircle/tricircle/internal/simcloud"
)

// newPort makes a port at the top and returns its id.
func (s *span) newPort(network string) string {
	s.t.Helper()
	return s.network("POST", "/ports", `{"port": {"network_id": "`+network+`"}}`).want(s.t, 201).id(s.t, "port")
}

func withPort(port string) string { return `"networks": [{"port": "` + port + `"}]` }

func subports(tag int, ports ...string) string {
	var all []string
	for i, port := range ports {
		all = append(all, fmt.Sprintf(`{"port_id": %q, "segmentation_type": "vlan", "segmentation_id": %d}`, port, tag+i))
	}
	return `"sub_ports": [` + strings.Join(all, ",") + `]`
}

// newTrunk makes a trunk whose subports have the tags 1, 2...
func (s *span) newTrunk(parent string, ports ...string) string {
	s.t.Helper()
	return s.network("POST", "/trunks", `{"trunk": {"name": "t", "port_id": "`+parent+`", `+subports(1, ports...)+`}}`).want(s.t, 201).id(s.t, "trunk")
}

// carried are the MACs and tags of what the trunks of a pod carry.
func (s *span) carried(i int) map[string]float64 {
	s.t.Helper()
	macs, tags := map[any]string{}, map[string]float64{}
	for _, p := range s.in(i, "ports") {
		macs[p["id"]] = p["mac_address"].(string)
	}
	for _, trunk := range s.in(i, "trunks") {
		for _, subport := range trunk["sub_ports"].([]any) {
			tags[macs[subport.(map[string]any)["port_id"]]] = subport.(map[string]any)["segmentation_id"].(float64)
		}
	}
	return tags
}

// tags are those that a trunk made by newTrunk has, by the MACs of its ports.
func (s *span) tags(ports ...string) map[string]float64 {
	s.t.Helper()
	all := map[string]float64{}
	for i, port := range ports {
		all[s.ports("id=" + port)[0]["mac_address"].(string)] = float64(i + 1)
	}
	return all
}

func (s *span) deleteServer(id string) {
	s.t.Helper()
	s.call(config.RoleNovaGW, "DELETE", "/servers/"+id, "").want(s.t, 204)
	s.eventually("the server's ports are free", func() bool { return len(s.ports("device_id="+id)) == 0 })
}

func (s *span) deleteAll(paths ...string) {
	s.t.Helper()
	for _, path := range paths {
		s.network("DELETE", path, "").want(s.t, 204)
	}
}

func TestTrunks_ParentsBootedInTwoPods_AreThereBeforeTheServerAndFollowTheTop(t *testing.T) {
	onEach(t, func(t *testing.T, s *span) {
		outer, _ := s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/24"`)
		inner, _ := s.networkWithSubnet(`"ip_version": 4, "cidr": "10.1.0.0/24"`)
		var paths []string
		for i, zone := range []string{"az1", "az2"} {
			parent, first, second := s.newPort(outer), s.newPort(inner), s.newPort(inner)
			trunk := s.newTrunk(parent, first)
			if got := s.network("GET", "/trunks/"+trunk, "").one(t, "trunk", "status"); got != "DOWN" {
				t.Errorf("in no pod the trunk is %v", got)
			}
			s.sim.Pod(i).ResetRequests()
			server := s.boot(zone, withPort(parent)).want(t, 202).id(t, "server")
			var order []string
			for _, r := range s.sim.Pod(i).Requests() {
				if r.Method == "POST" && (strings.HasSuffix(r.Path, "/trunks") || strings.HasSuffix(r.Path, "/servers")) {
					order = append(order, r.Path[strings.LastIndex(r.Path, "/"):])
				}
			}
			if diff := cmp.Diff([]string{"/trunks", "/servers"}, order); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(s.tags(first), s.carried(i)); diff != "" {
				t.Errorf("pod %d: %s", i+1, diff)
			}
			if got := s.network("GET", "/trunks/"+trunk, "").one(t, "trunk", "status"); got != "ACTIVE" {
				t.Errorf("in its pod the trunk is %v", got)
			}
			shown := s.asAdmin("GET", "/ports/"+first, "").want(t, 200).get(t, "port").(map[string]any)
			if shown["status"] != "ACTIVE" || shown["device_owner"] != "trunk:subport" ||
				!strings.HasSuffix(shown["binding:host_id"].(string), "."+s.sim.Pod(i).Region) || shown["binding:profile"].(map[string]any)["parent_name"] != parent {
				t.Errorf("the subport is %v", shown)
			}

			s.network("PUT", "/trunks/"+trunk+"/add_subports", `{`+subports(2, second)+`}`).want(t, 200)
			s.eventually("the pod's trunk carries both", func() bool { return cmp.Equal(s.tags(first, second), s.carried(i)) })
			s.network("PUT", "/trunks/"+trunk+"/remove_subports", `{"sub_ports": [{"port_id": "`+second+`"}]}`).want(t, 200)
			s.eventually("the pod's trunk carries one", func() bool { return cmp.Equal(s.tags(first), s.carried(i)) })
			s.deleteServer(server)
			paths = append(paths, "/trunks/"+trunk, "/ports/"+parent, "/ports/"+first, "/ports/"+second)
		}
		s.deleteAll(append(paths, "/networks/"+outer, "/networks/"+inner)...)
		s.empty(0, 1)
	})
}

func TestTrunks_ParentBootedElsewhere_MovesWithItsSubports(t *testing.T) {
	s := newSpan(t)
	network, _ := s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/24"`)
	parent, child := s.newPort(network), s.newPort(network)
	trunk := s.newTrunk(parent, child)
	s.network("PUT", "/trunks/"+trunk, `{"trunk": {"admin_state_up": false}}`).want(t, 200) // locked for users, not for what follows from boots
	for i, zone := range []string{"az1", "az2"} {
		server := s.boot(zone, withPort(parent)).want(t, 202).id(t, "server")
		if diff := cmp.Diff(s.tags(child), s.carried(i)); diff != "" {
			t.Errorf("pod %d: %s", i+1, diff)
		}
		s.eventually("the other pod has nothing of it", func() bool { return len(s.in(1-i, "trunks"))+len(s.in(1-i, "ports")) == 0 })
		s.deleteServer(server)
	}
}

func TestTrunks_MadeOfAServersPort_AreInItsPod(t *testing.T) {
	s := newSpan(t)
	network, _ := s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/24"`)
	server := s.boot("az1", on(network)).want(t, 202).id(t, "server")
	parent, child, attached := s.ports("device_id=" + server)[0]["id"].(string), s.newPort(network), s.newPort(network)
	trunk := s.newTrunk(parent, child)
	s.eventually("the trunk is in the pod", func() bool { return cmp.Equal(s.tags(child), s.carried(0)) })
	s.boot("az1", withPort(child)).says(t, 409, "conflictingRequest", "Port "+child+" is still in use.")

	second := s.newPort(network)
	other := s.newTrunk(attached, second)
	s.compute("POST", "/servers/"+server+"/os-interface", `{"interfaceAttachment": {"port_id": "`+attached+`"}}`).want(t, 200)
	if got := s.in(0, "trunks"); len(got) != 2 {
		t.Errorf("after the attachment the pod has %v", got)
	}
	s.deleteServer(server)
	if left := s.ports("id=" + parent); len(left) != 1 { // it was made for the server, and its user has made more of it
		t.Errorf("the parent went with its server: %v", left)
	}
	s.deleteAll("/trunks/"+trunk, "/trunks/"+other)
	for _, port := range []string{parent, child, attached, second} {
		s.deleteAll("/ports/" + port)
	}
	s.deleteAll("/networks/" + network)
	s.empty(0)
}

func TestTrunks_SubportOnANetworkOfOnePod_BindsTheServer(t *testing.T) {
	s := newSpan(t)
	outer, _ := s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/24"`)
	inner := s.network("POST", "/networks", `{"network": {"availability_zone_hints": ["az2"]}}`).want(t, 201).id(t, "network")
	s.network("POST", "/subnets", `{"subnet": {"network_id": "`+inner+`", "ip_version": 4, "cidr": "10.1.0.0/24"}}`).want(t, 201)
	parent, child := s.newPort(outer), s.newPort(inner)
	s.newTrunk(parent, child)
	s.boot("az1", withPort(parent)).want(t, 400)
	if p := s.in(0, "ports"); len(p) != 0 {
		t.Errorf("the first pod has %v", p)
	}
	s.boot("az2", withPort(parent)).want(t, 202)
	if diff := cmp.Diff(s.tags(child), s.carried(1)); diff != "" {
		t.Error(diff)
	}
}

func TestTrunks_ChangedAndDeletedWhileThePodIsDown_FollowWhenItReturns(t *testing.T) {
	onEach(t, func(t *testing.T, s *span) {
		network, _ := s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/24"`)
		parent, first, second := s.newPort(network), s.newPort(network), s.newPort(network)
		trunk := s.newTrunk(parent, first)
		server := s.boot("az1", withPort(parent)).want(t, 202).id(t, "server")
		down, up := simcloud.Fault{Reset: true, Service: "network"}, simcloud.Fault{}

		s.sim.Pod(0).SetFault(down)
		s.network("PUT", "/trunks/"+trunk+"/remove_subports", `{"sub_ports": [{"port_id": "`+first+`"}]}`).want(t, 200)
		s.network("PUT", "/trunks/"+trunk+"/add_subports", `{`+subports(1, second)+`}`).want(t, 200)
		if got := s.network("GET", "/trunks/"+trunk, "").one(t, "trunk", "status"); got != "DOWN" {
			t.Errorf("with a change to come the trunk is %v", got)
		}
		s.sim.Pod(0).SetFault(up)
		s.eventually("the pod's trunk carries the other port", func() bool { return cmp.Equal(s.tags(second), s.carried(0)) })

		s.deleteServer(server)
		s.sim.Pod(0).SetFault(down)
		s.deleteAll("/trunks/"+trunk, "/ports/"+second, "/ports/"+first, "/ports/"+parent, "/networks/"+network)
		s.sim.Pod(0).SetFault(up)
		s.empty(0)
	})
}

func TestTrunks_QuotaAndExtensions_AreNeutrons(t *testing.T) {
	s := newSpan(t, "quotas.quota_trunk=1")
	network, _ := s.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/24"`)
	s.newTrunk(s.newPort(network))
	s.network("POST", "/trunks", `{"trunk": {"port_id": "`+s.newPort(network)+`"}}`).
		refused(t, 409, "OverQuota", "Quota exceeded for resources: ['trunk'].")
	var names []string
	for _, alias := range []string{"trunk", "trunk-details"} {
		names = append(names, s.network("GET", "/extensions/"+alias, "").want(t, 200).one(t, "extension", "name").(string))
	}
	if !slices.Equal(names, []string{"Trunk Extension", "Trunk port details"}) {
		t.Errorf("extensions %v", names)
	}
}
