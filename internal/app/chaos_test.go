package app

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tricircle/tricircle/internal/simcloud"
)

var chaosSeeds = flag.Uint64("chaos", 2, "how many random histories TestChaos plays, a few seconds each")

const (
	chaosPods    = 3
	chaosClients = 8 // every other one works on volumes
	chaosSteps   = 25
)

// chaos is a top over pods that fall ill at random, and clients who keep track of what they were told.
type chaos struct {
	*cloud
	seed uint64

	mu      sync.Mutex
	known   map[string]bool // ids that a client was told of
	unknown map[string]int  // creations by kind and name of which a client was told to look
}

// possession is a resource as its owner knows it.
type possession struct {
	id         string
	gone       bool // deleted, as it was told
	doubtful   bool // perhaps deleted
	acts       int  // actions that were carried out, as it was told
	perhaps    int  // actions of which it was told to look
	size       int  // of a volume, at least
	maybeSizes []int
}

// chaosClient does things at random to what it has made.
type chaosClient struct {
	*chaos
	kind
	number int
	rand   *rand.Rand
	token  string
	own    []*possession
}

func TestChaos_RandomFaults_NothingIsLostOrDoubled(t *testing.T) {
	for seed := range *chaosSeeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			x := &chaos{seed: seed, known: map[string]bool{}, unknown: map[string]int{},
				cloud: newCloud(t, chaosPods, "pod.timeout=400ms", "pod.list_timeout=600ms")}
			clients := x.live()
			x.heal()
			for _, k := range kinds {
				x.settle(k, clients)
			}
		})
	}
}

// live lets all clients work while pods fall ill and get well.
func (x *chaos) live() []*chaosClient {
	over := make(chan struct{})
	var sabotage, work sync.WaitGroup
	sabotage.Go(func() { x.sabotage(over) })
	clients := make([]*chaosClient, chaosClients)
	for i := range clients {
		clients[i] = &chaosClient{chaos: x, kind: kinds[i%len(kinds)], number: i, rand: rand.New(rand.NewPCG(x.seed, uint64(i))),
			token: x.sim.Token("demo", "demo", time.Hour)}
		work.Go(func() {
			for range chaosSteps {
				clients[i].step()
			}
		})
	}
	work.Wait()
	close(over)
	sabotage.Wait()
	return clients
}

// sabotage gives random pods random faults until over is closed.
func (x *chaos) sabotage(over <-chan struct{}) {
	r := rand.New(rand.NewPCG(x.seed, chaosClients))
	for {
		f := sicknesses[r.IntN(len(sicknesses))].fault
		if f.InItsName {
			continue // who says in the service's own words that all is well is believed, also when it is not
		}
		f.HugeBody = min(f.HugeBody, 20<<20)
		if r.IntN(3) == 0 {
			f.Methods = []string{http.MethodPost, http.MethodDelete}
		}
		f.Count = r.IntN(4)
		x.sim.Pod(r.IntN(chaosPods)).SetFault(f)
		select {
		case <-over:
			return
		case <-time.After(time.Duration(20+r.IntN(150)) * time.Millisecond):
		}
	}
}

// heal makes all pods well.
func (x *chaos) heal() {
	for i := range chaosPods {
		x.sim.Pod(i).SetFault(simcloud.Fault{})
	}
}

// complete waits for a list that misses no pod, and returns the ids on it.
func (x *chaos) complete(k kind) (ids []string) {
	x.t.Helper()
	eventually(x.t, "a list of all pods", func() bool {
		a := x.call(k.role, "GET", "/"+k.collection, "")
		if a.StatusCode != 200 || a.Header.Get("X-Tricircle-Missing-Pods") != "" {
			return false
		}
		for _, row := range a.get(x.t, k.collection).([]any) {
			ids = append(ids, row.(map[string]any)["id"].(string))
		}
		return true
	})
	return ids
}

// ask makes a request and sorts its answer: done, unknown (the client must look), or refused.
func (c *chaosClient) ask(method, path, body string) (a answer, verdict string) {
	start := time.Now()
	a, err := c.try(method, c.url(c.role)+path, body, "X-Auth-Token", c.token)
	if err != nil {
		c.t.Errorf("%s %s: the top failed: %v", method, path, err)
		return answer{Response: &http.Response{StatusCode: http.StatusInternalServerError}}, "unknown"
	}
	text := message(a.body)
	switch simulated := text == "Simulated fault."; {
	case time.Since(start) > hung:
		c.t.Errorf("%s %s: hung", method, path)
	case a.StatusCode == 500 && !simulated, a.StatusCode == 401:
		c.t.Errorf("%s %s: %d %s", method, path, a.StatusCode, a.body)
	}
	switch {
	case a.StatusCode < 300:
		return a, "done"
	case a.StatusCode == 500, strings.Contains(text, "look before trying again"):
		return a, "unknown"
	}
	return a, "refused"
}

// step does one thing.
func (c *chaosClient) step() {
	what := c.rand.IntN(10)
	if what < 3 || len(c.own) == 0 {
		c.make()
		return
	}
	p := c.own[c.rand.IntN(len(c.own))]
	switch {
	case what < 5:
		c.actOn(p)
	case what < 6:
		c.delete(p)
	case what < 8:
		c.read(p)
	default:
		c.list()
	}
}

// make creates something, now and then under a name that others use too.
func (c *chaosClient) make() {
	name := fmt.Sprintf("shared-%d", c.rand.IntN(2))
	if c.rand.IntN(2) == 0 {
		name = fmt.Sprintf("own-%d-%d", c.number, c.rand.IntN(1000))
	}
	body := c.create(c.cloud, name, fmt.Sprintf("az%d", 1+c.rand.IntN(chaosPods)))
	a, verdict := c.ask("POST", "/"+c.collection, body)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch verdict {
	case "unknown":
		c.unknown[c.collection+name]++
	case "done":
		id := c.idIn(a)
		if c.known[id] {
			c.t.Errorf("two clients were told that they made %s", id)
		}
		c.known[id] = true
		c.own = append(c.own, &possession{id: id, size: 1})
	}
}

// idIn is the id in the answer to a creation.
func (c *chaosClient) idIn(a answer) string {
	_, rest, _ := strings.Cut(a.body, `"id": "`)
	if rest == "" {
		_, rest, _ = strings.Cut(a.body, `"id":"`)
	}
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

// actOn reboots a server, or extends a volume.
func (c *chaosClient) actOn(p *possession) {
	body, size := `{"reboot": {"type": "SOFT"}}`, p.size+len(p.maybeSizes)+1
	if c.role == volume {
		body = fmt.Sprintf(`{"os-extend": {"new_size": %d}}`, size)
	}
	a, verdict := c.ask("POST", "/"+c.collection+"/"+p.id+"/action", body)
	switch {
	case verdict == "unknown":
		p.perhaps++
		p.maybeSizes = append(p.maybeSizes, size)
	case verdict == "done":
		p.acts++
		p.size, p.maybeSizes = size, nil
	}
	c.believe(p, a)
}

func (c *chaosClient) delete(p *possession) {
	a, verdict := c.ask("DELETE", "/"+c.collection+"/"+p.id, "")
	c.believe(p, a)
	switch verdict {
	case "unknown":
		p.doubtful = true
	case "done":
		p.gone = true
	}
}

func (c *chaosClient) read(p *possession) {
	a, _ := c.ask("GET", "/"+c.collection+"/"+p.id, "")
	c.believe(p, a)
}

// believe checks what an answer says of whether something is there.
func (c *chaosClient) believe(p *possession, a answer) {
	switch {
	case a.StatusCode == 404 && !p.gone && !p.doubtful:
		c.t.Errorf("LOST: %s is said to be gone, which nobody deleted: %s", p.id, a.body)
	case a.StatusCode == 404:
		p.gone = true
	case a.StatusCode < 300 && p.gone:
		c.t.Errorf("%s is there, though its deletion was confirmed: %d %s", p.id, a.StatusCode, a.body)
	}
}

// list compares a list with what the client has: a complete one shows it all.
func (c *chaosClient) list() {
	a, verdict := c.ask("GET", "/"+c.collection, "")
	if verdict != "done" {
		return
	}
	complete := a.Header.Get("X-Tricircle-Missing-Pods") == ""
	for _, p := range c.own {
		switch n := strings.Count(a.body, `"id": "`+p.id+`"`) + strings.Count(a.body, `"id":"`+p.id+`"`); {
		case n > 1:
			c.t.Errorf("DOUBLED: %s is in a list %d times", p.id, n)
		case n == 1 && p.gone:
			c.t.Errorf("%s is listed, though its deletion was confirmed", p.id)
		case n == 0 && complete && !p.gone && !p.doubtful:
			c.t.Errorf("LOST: %s is not in a complete list", p.id)
		}
	}
}

// settle compares what all clients were told with what the pods have, and with what the top shows.
func (x *chaos) settle(k kind, clients []*chaosClient) {
	x.t.Helper()
	s := &scene{cloud: x.cloud, kind: k}
	there := map[string]map[string]any{}
	podOf := map[string]int{}
	strangers := map[string]int{}
	for i := range chaosPods {
		for id, row := range s.inPod(i) {
			if there[id] != nil {
				x.t.Errorf("DOUBLED: %s is in two pods", id)
			}
			there[id], podOf[id] = row, i
			if !x.known[id] {
				strangers[row["name"].(string)]++
			}
		}
	}
	for name, n := range strangers {
		if n > x.unknown[k.collection+name] {
			x.t.Errorf("DOUBLED: %d of %s %q that nobody was told of, of at most %d", n, k.collection, name, x.unknown[k.collection+name])
		}
	}
	for _, c := range clients {
		for _, p := range c.own {
			if c.service != k.service {
				continue
			}
			c.audit(p, there[p.id], podOf[p.id])
		}
	}
	listed := x.complete(k)
	slices.Sort(listed)
	if want := slices.Sorted(maps.Keys(there)); !slices.Equal(listed, want) {
		x.t.Errorf("the top lists %v, the pods have %v", listed, want)
	}
	x.t.Logf("%d %s, of which %d clients were told to look for", len(there), k.collection, len(strangers))
}

// shows waits for the top to say whether something is there, and compares. On a busy machine a healthy pod may miss the deadline.
func (c *chaosClient) shows(p *possession, status int) {
	c.t.Helper()
	eventually(c.t, "the top knows of "+p.id, func() bool {
		a := c.call(c.role, "GET", "/"+c.collection+"/"+p.id, "")
		if a.StatusCode != 503 && a.StatusCode != status {
			c.t.Fatalf("%s: the top says %d %s, want %d", p.id, a.StatusCode, a.body, status)
		}
		return a.StatusCode == status
	})
}

// audit compares one possession with what its pod has.
func (c *chaosClient) audit(p *possession, row map[string]any, pod int) {
	c.t.Helper()
	switch {
	case row != nil && p.gone:
		c.t.Errorf("%s is there, though its deletion was confirmed", p.id)
	case row == nil && !p.gone && !p.doubtful:
		c.t.Errorf("LOST: %s is nowhere", p.id)
	case row == nil:
		c.shows(p, 404)
		return
	}
	c.shows(p, 200)
	if c.role == volume {
		if size := int(row["size"].(float64)); size != p.size && !slices.Contains(p.maybeSizes, size) {
			c.t.Errorf("volume %s has %d GiB, want %d or one of %v", p.id, size, p.size, p.maybeSizes)
		}
		return
	}
	actions := c.send("GET", c.sim.Pod(pod).ComputeURL+"/v2.1/servers/"+p.id+"/os-instance-actions", "",
		"X-Auth-Token", c.sim.Token("demo", "demo", time.Hour)).want(c.t, 200)
	if n := strings.Count(actions.body, `"reboot"`); n < p.acts || n > p.acts+p.perhaps {
		c.t.Errorf("server %s was rebooted %d times, want %d, and at most %d more", p.id, n, p.acts, p.perhaps)
	}
}
