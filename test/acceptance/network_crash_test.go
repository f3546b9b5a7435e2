//go:build acceptance

package acceptance

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"
)

// crashes is how often the top is killed.
const crashes = 5

// The top is killed again and again while networking is made, used, changed and deleted in both pods. Each time it is back, it and the
// pods agree; when all is deleted, nothing is left. SEED repeats what was done, not when.
func TestNetwork_TopKilled_AgreesWithThePodsAfterwards(t *testing.T) {
	keepUp(t)
	u := networking(t)
	// What the top learns of a server only from the pod, as it was killed between the end of the server and its note, the audit repairs.
	top.set = []string{"networks.boot_timeout=40s", "xjob.audit_interval=20s"}
	t.Cleanup(func() {
		top.set = nil
		if err := errors.Join(top.stop(os.Interrupt), top.start()); err != nil {
			t.Error(err)
		}
	})
	seed := rand.Uint64()
	if given, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64); err == nil {
		seed = given
	}
	t.Logf("SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	clients := make([]*churn, 2*len(pods))
	for i := range clients {
		clients[i] = &churn{user: u, zone: pods[i%len(pods)].zone, image: image(t), random: rand.New(rand.NewPCG(seed, uint64(i+1)))}
	}
	for round := range crashes {
		delay := 500*time.Millisecond + time.Duration(random.Int64N(int64(5*time.Second)))
		killed := time.AfterFunc(delay, func() {
			if err := top.stop(os.Kill); err != nil {
				t.Error(err)
			}
		})
		defer killed.Stop()
		done := make([]int, len(clients))
		var work sync.WaitGroup
		for i, c := range clients {
			work.Go(func() { done[i] = c.run() })
		}
		work.Wait()
		<-top.exited
		if err := top.start(); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		eventually(t, 2*time.Minute, u.agree)
		settled(t)
		eventually(t, 2*time.Minute, u.agree)
		t.Logf("round %d: killed after %s and %v calls; agrees %s later", round, delay.Round(time.Millisecond), done, time.Since(begin).Round(time.Millisecond))
	}
	for _, pod := range pods {
		for _, s := range u.servers(t, pod, "") {
			u.nova(t, regionOne, "DELETE", "/servers/"+s.ID, nil).want(t, http.StatusNoContent)
		}
	}
	// Ports of boots that were cut off are freed when their boots are old enough. Here the user does not wait for that.
	u.serversGone(t)
	u.emptied(t)
}

// churn is a client that uses the networking of a project in one zone, and does not give up when there is no answer.
type churn struct {
	*user
	zone, image string
	random      *rand.Rand
}

// run makes calls until the top is gone, and returns how many were answered.
func (c *churn) run() (calls int) {
	for {
		if err := c.step(); err != nil {
			return calls
		}
		calls++
	}
}

// step does something with what is there, whoever made it. Refusals are of no interest: the other client may have been quicker.
func (c *churn) step() error {
	networks, err1 := c.objects(regionOne, "networks")
	ports, err2 := c.objects(regionOne, "ports")
	groups, err3 := c.objects(regionOne, "security-groups")
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			return err
		}
	}
	if len(networks) == 0 {
		return c.makeNetwork()
	}
	network := networks[c.random.IntN(len(networks))].ID
	switch n := c.random.IntN(10); {
	case n < 4 && len(ports) < 10:
		return c.send("POST", regionOne.compute+"/servers", object{"server": merged(onNetwork(network, c.zone, "default"),
			object{"name": uniqueName(), "imageRef": c.image, "flavorRef": "1"})})
	case n < 5 && len(networks) < 3:
		return c.makeNetwork()
	case n < 6:
		return c.send("PUT", regionOne.network+"/v2.0/networks/"+network, object{"network": object{"name": uniqueName()}})
	case n < 7:
		return c.send("POST", regionOne.network+"/v2.0/security-group-rules", object{"security_group_rule": object{"direction": "ingress",
			"security_group_id": groups[0].ID, "ethertype": "IPv4", "protocol": "tcp", "port_range_min": 1000 + c.random.IntN(1000),
			"port_range_max": 2000}})
	case n < 8:
		return c.send("DELETE", regionOne.network+"/v2.0/networks/"+network, nil) // it is refused while there are servers
	case len(ports) > 0:
		return c.send("DELETE", regionOne.compute+"/servers/"+ports[c.random.IntN(len(ports))].Device, nil)
	}
	return nil
}

func (c *churn) makeNetwork() error {
	name := uniqueName()
	if err := c.send("POST", regionOne.network+"/v2.0/networks", object{"network": object{"name": name}}); err != nil {
		return err
	}
	networks, err := c.objects(regionOne, "networks")
	if err != nil {
		return err
	}
	for _, n := range networks {
		if n.Name == name {
			return c.send("POST", regionOne.network+"/v2.0/subnets", object{"subnet": object{"network_id": n.ID, "ip_version": 4,
				"cidr": fmt.Sprintf("10.%d.0.0/24", 81+c.random.IntN(100))}})
		}
	}
	return nil
}

// send makes a call to the top; an error is that there was no answer.
func (c *churn) send(method, url string, body any) error {
	_, err := send(method, url, c.token, body)
	return err
}
