package app

import (
	"flag"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/tricircle/tricircle/internal/store"
)

var largeSpan = flag.Bool("span.large", false, "count what a boot costs also on a network of 100 servers in each of 50 pods")

// crowd is a top whose jobs are run by the test, so that whatever is counted is counted alike each time.
type crowd struct {
	*span
	pods           int
	network, group string
}

func newCrowd(t *testing.T, pods int) *crowd {
	t.Helper()
	c := &crowd{span: &span{newCloud(t, pods, "DEFAULT.roles=admin-api,nova-gw,cinder-gw,neutron", "networks.network_vlan_ranges=bridge:2001:2010",
		"pod.probe_interval=1h", "pod.reload_interval=1h", "quotas.quota_port=-1")}, pods: pods}
	c.network, _ = c.networkWithSubnet(`"ip_version": 4, "cidr": "10.0.0.0/16"`)
	for i := range pods {
		c.bootIn(i)
		c.drain()
	}
	groups, err := c.top.store.Reader().DefaultGroup(t.Context(), c.somePort().ProjectID)
	if err != nil {
		t.Fatal(err)
	}
	c.group = groups
	return c
}

func (c *crowd) bootIn(pod int) {
	c.t.Helper()
	c.boot(fmt.Sprint("az", pod+1), on(c.network)).want(c.t, http.StatusAccepted)
}

// drain runs jobs until none is left.
func (c *crowd) drain() {
	c.t.Helper()
	var kinds []string
	for _, k := range c.top.jobs.Kinds() {
		kinds = append(kinds, k.Name)
	}
	for {
		due, err := c.top.store.DueJobs(c.t.Context(), store.DueJobs{Kinds: kinds, Limit: 1})
		if err != nil {
			c.t.Fatal(err)
		}
		if len(due) == 0 {
			return
		}
		if err := c.top.jobs.RunNow(c.t.Context(), due[0].NewJob); err != nil {
			c.t.Fatal(err)
		}
	}
}

// somePort is one of a server.
func (c *crowd) somePort() *store.Object {
	c.t.Helper()
	ports, err := c.top.store.Reader().List(c.t.Context(), store.ObjectQuery{Kind: store.KindPort, Limit: 1})
	if err != nil || len(ports) == 0 {
		c.t.Fatal(ports, err)
	}
	return ports[0]
}

// fill makes the network one of so many servers in each pod, as far as the top knows: their ports, and shadows of them in all other pods.
func (c *crowd) fill(servers int) {
	c.t.Helper()
	like := c.somePort()
	subnet := like.Attrs["fixed_ips"].([]any)[0].(map[string]any)["subnet_id"]
	for n := range servers - 1 {
		err := c.top.store.InTx(c.t.Context(), func(tx store.Tx) error {
			var rows []store.Realization
			for pod := range c.pods {
				i := n*c.pods + pod
				o := &store.Object{Kind: store.KindPort, ID: uuid.NewString(), ProjectID: like.ProjectID, Revision: 1, Attrs: maps.Clone(like.Attrs)}
				o.Attrs["mac_address"] = fmt.Sprintf("fa:16:3f:00:%02x:%02x", i>>8, i&255)
				o.Attrs["device_id"] = uuid.NewString()
				o.Attrs["fixed_ips"] = []any{map[string]any{"subnet_id": subnet, "ip_address": fmt.Sprintf("10.0.%d.%d", 128+i>>8, i&255)}}
				if err := tx.Insert(c.t.Context(), o); err != nil {
					return err
				}
				for in := range c.pods {
					rows = append(rows, store.Realization{Kind: o.Kind, TopID: o.ID, PodNum: int32(in + 1), BottomID: uuid.NewString(), Revision: 1,
						NetworkID: c.network, Shadow: in != pod, Detail: map[string]any{"groups": []any{c.group}}})
				}
			}
			return tx.PutRealization(c.t.Context(), rows...)
		})
		if err != nil {
			c.t.Fatal(err)
		}
	}
}

// cost is what something needs: calls to services of all pods, and statements to the database.
type cost struct{ calls, statements int }

// like tells whether two are the same, but for a statement or two: an address or a turn may be taken, a lease be renewed.
func (c cost) like(o cost) bool {
	return c.calls == o.calls && max(c.statements, o.statements)-min(c.statements, o.statements) <= 2
}

func (c *crowd) cost(f func()) (of cost) {
	c.t.Helper()
	for i := range c.pods {
		c.sim.Pod(i).ResetRequests()
	}
	before := c.top.store.Statements()
	f()
	for i := range c.pods {
		for _, r := range c.sim.Pod(i).Requests() {
			if probe := strings.HasSuffix(r.Path, "/") || strings.HasSuffix(r.Path, "/os-availability-zone"); !probe {
				of.calls++
			}
		}
	}
	of.statements = int(c.top.store.Statements() - before)
	return of
}

// A boot costs the same whatever the size of the network. What follows from it is for each pod that admits the server's group, however many
// servers there are; and a burst of boots is followed by little more than one.
func TestSpan_BootInACrowd_CostsTheSame(t *testing.T) {
	sizes := []struct{ pods, servers int }{{1, 1}, {1, 30}, {10, 1}, {10, 10}}
	if *largeSpan {
		sizes = append(sizes, struct{ pods, servers int }{50, 1}, struct{ pods, servers int }{50, 100})
	}
	const burst = 5
	var first cost
	after := map[int]cost{} // by number of pods
	for _, size := range sizes {
		c := newCrowd(t, size.pods)
		c.fill(size.servers)
		c.bootIn(0)
		c.drain()
		boot, follows := c.cost(func() { c.bootIn(0) }), c.cost(c.drain)
		c.cost(func() {
			for range burst {
				c.bootIn(0)
			}
		})
		burstFollows := c.cost(c.drain)
		t.Logf("%d pods with %d servers each: a boot %+v, then until rest %+v; after %d boots %+v",
			size.pods, size.servers, boot, follows, burst, burstFollows)
		if first == (cost{}) {
			first = boot
		}
		if !boot.like(first) {
			t.Errorf("a boot on a network of %d pods with %d servers each costs %+v, and of one server %+v", size.pods, size.servers, boot, first)
		}
		if known, ok := after[size.pods]; ok && !known.like(follows) {
			t.Errorf("in %d pods with %d servers each %+v follow, and with fewer %+v", size.pods, size.servers, follows, known)
		}
		after[size.pods] = follows
		if others := size.pods - 1; follows.calls != 2*others || follows.statements > 30+25*others {
			t.Errorf("in %d pods with %d servers each %+v follow, want 2 calls and at most 25 statements for each of the others", size.pods, size.servers, follows)
		}
		if burstFollows.calls != follows.calls {
			t.Errorf("%d boots are followed by %+v, one by %+v", burst, burstFollows, follows)
		}
	}
}
