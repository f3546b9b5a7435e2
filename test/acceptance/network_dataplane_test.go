//go:build acceptance

package acceptance

import (
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Packets between servers of the top on all hosts of both pods: who is admitted gets in, from the other pod too, and nobody else.
func TestNetwork_DataPlane_CarriesWhatSecurityGroupsAdmit(t *testing.T) {
	l := makeLAN(t)
	l.check(t, "all in the default group")

	club := l.makeGroup(t)
	l.join(t, club, 0, 2)
	l.check(t, "two members, one in each pod")
	l.join(t, club, 3)
	l.check(t, "a third member")
	l.join(t, l.home, 0)
	l.check(t, "one has left")
	l.servers[3].remove(t, l)
	l.check(t, "one is deleted")
}

// lan is a network of both pods with a server on each host.
type lan struct {
	*user
	home    string // the default group
	servers []*guest
}

// guest is a server with its one port.
type guest struct {
	host, id, port, group string
	addresses             []string // of both IP versions
}

func makeLAN(t *testing.T) *lan {
	t.Helper()
	l := &lan{user: networking(t)}
	dataplane(t, "up")
	t.Cleanup(func() { dataplane(t, "down") })
	network := l.network(t, object{"ip_version": 4, "cidr": "10.90.0.0/24"})
	l.subnet(t, network, object{"ip_version": 6, "cidr": "fd00:90::/64", "ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"})
	for _, g := range l.listed(t, regionOne, "security-groups") {
		if g.Name == "default" {
			l.home = g.ID
		}
	}
	boss := l.administrator(t) // who may name hosts
	for _, pod := range pods {
		for _, host := range []string{"c1", "c2"} {
			name := pod.region + "-" + host
			body := onNetwork(network, pod.zone+":"+name+"."+pod.region, "default")
			a := boss.nova(t, regionOne, "POST", "/servers", tiny(t, uniqueName(), body)).want(t, http.StatusAccepted)
			id := member[server](t, a, "server").ID
			l.removeServer(t, id)
			l.servers = append(l.servers, &guest{host: name, id: id, group: l.home})
		}
	}
	for _, g := range l.servers {
		l.await(t, regionOne, g.id, "ACTIVE")
		port := l.portOf(t, g.id)
		g.port, g.addresses = port.ID, port.ips()
		if shown := member[map[string]any](t, boss.nova(t, regionOne, "GET", "/servers/"+g.id, nil), "server"); !strings.HasPrefix(
			fmt.Sprint(shown["OS-EXT-SRV-ATTR:host"]), g.host) || len(g.addresses) != 2 {
			t.Errorf("server %s is on host %v with %v; want %s and two addresses", g.id, shown["OS-EXT-SRV-ATTR:host"], g.addresses, g.host)
		}
	}
	return l
}

// administrator is the administrator in the user's project.
func (u *user) administrator(t *testing.T) *user {
	t.Helper()
	role, err := makeOne("roles", "role", object{"name": "admin"})
	if err != nil {
		t.Fatal(err)
	}
	url := fmt.Sprintf("%s/projects/%s/users/%s/roles/%s", keystone, u.projectID, admin.id, role)
	admin.call(t, "PUT", url, nil).want(t, http.StatusNoContent)
	boss, err := login("admin", u.project)
	if err != nil {
		t.Fatal(err)
	}
	return boss
}

func dataplane(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.Command(inRepository("testbed/dataplane"), args...).CombinedOutput(); err != nil {
		t.Fatalf("dataplane %v: %v: %s", args, err, out)
	}
}

// join puts servers into a group, and into no other.
func (l *lan) join(t *testing.T, group string, servers ...int) {
	t.Helper()
	for _, i := range servers {
		g := l.servers[i]
		body := object{"port": object{"security_groups": []string{group}}}
		l.neutron(t, regionOne, "PUT", "/ports/"+g.port, body).want(t, http.StatusOK)
		g.group = group
	}
}

// remove deletes a server.
func (g *guest) remove(t *testing.T, l *lan) {
	t.Helper()
	if err := l.delete(regionOne.compute + "/servers/" + g.id); err != nil {
		t.Fatal(err)
	}
	l.servers = slices.DeleteFunc(l.servers, func(other *guest) bool { return other == g })
}

// pinged is the outcome of a ping between two servers.
type pinged struct {
	from, to *guest
	address  string
	answered bool
}

func (p pinged) wanted() bool { return p.from.group == p.to.group }

func (p pinged) String() string {
	how := "answered"
	if !p.answered {
		how = "not answered"
	}
	return fmt.Sprintf("%s to %s at %s %s", p.from.host, p.to.host, p.address, how)
}

// check waits until all servers are answered by exactly those that admit them, once all is quiet.
func (l *lan) check(t *testing.T, what string) {
	t.Helper()
	settled(t)
	begin := time.Now()
	var results []pinged
	eventually(t, 40*time.Second, func() error {
		results = l.pings()
		var wrong []error
		for _, p := range results {
			if p.answered != p.wanted() {
				wrong = append(wrong, errors.New(p.String()))
			}
		}
		return errors.Join(wrong...)
	})
	t.Logf("%s: %s after the last job all %d pings are as they should be: %v", what, time.Since(begin).Round(time.Millisecond), len(results), results)
}

// pings pings each server from each other one, at all its addresses.
func (l *lan) pings() []pinged {
	var all []pinged
	for _, from := range l.servers {
		for _, to := range l.servers {
			if from != to {
				for _, address := range to.addresses {
					all = append(all, pinged{from: from, to: to, address: address})
				}
			}
		}
	}
	var work sync.WaitGroup
	for i := range all {
		work.Go(func() {
			ping := exec.Command(inRepository("testbed/dataplane"), "ping", "-c", "2", all[i].from.id, all[i].address)
			all[i].answered = ping.Run() == nil
		})
	}
	work.Wait()
	return all
}
