//go:build acceptance

package acceptance

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// propagation is how long a change of a security group may take into both pods before the test fails. What it takes is in the log.
const propagation = 15 * time.Second

// A user with the stock client has one network in both pods, from its beginning to its end.
func TestNetwork_StockClient_SpansBothPods(t *testing.T) {
	name := uniqueName()
	network := topDemo.show(t, "network", "create", name)["id"].(string)
	removeAtTop(t, "networks", network)
	topDemo.do(t, "subnet", "create", "--network", name, "--subnet-range", "10.77.0.0/24", name)
	group := topDemo.show(t, "security", "group", "create", name)["id"].(string)
	removeAtTop(t, "security-groups", group)

	servers := map[string]string{} // by region
	for _, pod := range pods {
		made := topDemo.show(t, "server", "create", "--image", "cirros", "--flavor", "1", "--network", name, "--security-group", name,
			"--security-group", "default", "--availability-zone", pod.zone, "--wait", name+"-"+pod.zone)
		servers[pod.region] = made["id"].(string)
		demo.removeServer(t, servers[pod.region])
		if made["status"] != "ACTIVE" {
			t.Errorf("created: %v", made)
		}
	}
	settled(t)
	top := clientsAgree(t, name, servers)
	podsHave(t, network, name, servers, top)
	measurePropagation(t, group)

	for _, id := range servers {
		topDemo.do(t, "server", "delete", "--wait", id)
	}
	if left := topDemo.list(t, "port", "list", "--network", name); len(left) != 0 {
		t.Errorf("ports are left: %v", left)
	}
	topDemo.do(t, "network", "delete", name)
	topDemo.do(t, "security", "group", "delete", name)
	settled(t)
	for _, c := range append([]cloud{regionOne}, pods...) {
		for _, k := range kinds {
			for _, o := range demo.listed(t, c, k.collection) {
				if strings.HasPrefix(o.Name, name) || slices.ContainsFunc(top, func(p netObject) bool { return p.ID == o.topID() }) {
					t.Errorf("%s still has one of %s: %+v", c.region, k.collection, o)
				}
			}
		}
	}
}

// removeAtTop deletes an object of demo at the end of the test, when the servers are gone that were made later.
func removeAtTop(t testing.TB, collection, id string) {
	t.Cleanup(func() {
		err := poll(30*time.Second, func() error {
			a, err := send("DELETE", regionOne.network+"/v2.0/"+collection+"/"+id, demo.token, nil)
			if err == nil && a.status != http.StatusNotFound {
				err = errors.New(a.String())
			}
			return err
		})
		if err != nil {
			t.Errorf("cleaning up: %v", err)
		}
	})
}

// clientsAgree compares what the client's commands say of the servers' ports, and returns these.
func clientsAgree(t *testing.T, network string, servers map[string]string) []netObject {
	t.Helper()
	var ports []netObject
	seen := map[string]bool{}
	listedServers := topDemo.list(t, "server", "list")
	listedPorts := topDemo.list(t, "port", "list", "--network", network)
	if len(listedPorts) != len(servers) {
		t.Errorf("port list: %v; want one for each of %v", listedPorts, servers)
	}
	for region, id := range servers {
		p := demo.portOf(t, id)
		ports = append(ports, p)
		ip := p.ips()[0]
		if !strings.HasPrefix(ip, "10.77.0.") || seen[ip] || p.Status != "ACTIVE" {
			t.Errorf("%s: the server's port is %+v", region, p)
		}
		seen[ip] = true
		if r := row(listedPorts, p.ID); r == nil || !strings.Contains(fmt.Sprint(r["Fixed IP Addresses"]), ip) {
			t.Errorf("%s: port list has %v of port %+v", region, r, p)
		}
		if r := row(listedServers, id); r == nil || r["Status"] != "ACTIVE" || !strings.Contains(fmt.Sprint(r["Networks"]), ip) {
			t.Errorf("%s: server list has %v; want %s", region, r, ip)
		}
		shown := topDemo.show(t, "server", "show", id)
		if !strings.Contains(fmt.Sprint(shown["addresses"]), ip) || !strings.Contains(fmt.Sprint(shown["addresses"]), network) {
			t.Errorf("%s: server show has %v; want %s", region, shown["addresses"], ip)
		}
	}
	return ports
}

// podsHave looks into each pod's own Neutron: one network, one segment, the port of its own server, the shadow of the other's.
func podsHave(t *testing.T, network, name string, servers map[string]string, ports []netObject) {
	t.Helper()
	segments := map[int]bool{}
	for _, pod := range pods {
		networks := slices.DeleteFunc(demo.listed(t, pod, "networks"), func(n netObject) bool { return n.topID() != network })
		if len(networks) != 1 || networks[0].Name != name || networks[0].Segment == 0 {
			t.Fatalf("%s has networks %+v", pod.region, networks)
		}
		segments[networks[0].Segment] = true
		bottom := demo.listed(t, pod, "ports")
		for _, p := range ports {
			i := slices.IndexFunc(bottom, func(b netObject) bool { return b.topID() == p.ID })
			if i < 0 {
				t.Errorf("%s has not port %+v", pod.region, p)
				continue
			}
			b, own := bottom[i], p.Device == servers[pod.region]
			if b.MAC != p.MAC || !slices.Equal(b.ips(), p.ips()) || own != (b.Device == p.Device) || own == (b.Owner == shadow) {
				t.Errorf("%s has port %+v, the top %+v", pod.region, b, p)
			}
		}
	}
	if len(segments) != 1 {
		t.Errorf("the network is on segments %v", segments)
	}
}

// measurePropagation adds and deletes rules of a group, and waits for each change in both pods.
func measurePropagation(t *testing.T, group string) {
	t.Helper()
	var bottom []string // the group in each pod
	for _, pod := range pods {
		for _, g := range demo.listed(t, pod, "security-groups") {
			if g.topID() == group {
				bottom = append(bottom, pod.network+"/v2.0/security-groups/"+g.ID)
			}
		}
	}
	rules := len(groupOf(t, group).Rules)
	for port := 8080; port < 8083; port++ {
		begin := time.Now()
		rule := demo.make(t, "security-group-rules", "security_group_rule", object{"security_group_id": group, "direction": "ingress",
			"ethertype": "IPv4", "protocol": "tcp", "port_range_min": port, "port_range_max": port})
		haveRules(t, bottom, rules+1)
		added := time.Since(begin)
		begin = time.Now()
		demo.drop(t, "security-group-rules", rule.ID)
		haveRules(t, bottom, rules)
		t.Logf("a rule is in both pods after %s, and out of them after %s", added.Round(time.Millisecond), time.Since(begin).Round(time.Millisecond))
	}
}

func groupOf(t *testing.T, id string) netObject {
	t.Helper()
	return memberOf(t, demo.neutron(t, regionOne, "GET", "/security-groups/"+id, nil).want(t, http.StatusOK), "security_group")
}

// haveRules waits until groups, by their addresses in both pods, have so many rules.
func haveRules(t *testing.T, urls []string, rules int) {
	t.Helper()
	if len(urls) != len(pods) {
		t.Fatalf("the group is at %v; want it in each pod", urls)
	}
	for _, url := range urls {
		eventually(t, propagation, func() error {
			got := len(memberOf(t, admin.call(t, "GET", url, nil).want(t, http.StatusOK), "security_group").Rules)
			if got != rules {
				return fmt.Errorf("%s has %d rules; want %d", url, got, rules)
			}
			return nil
		})
	}
}
