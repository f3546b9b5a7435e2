package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// thing is what a client has made, as it knows it.
type thing struct {
	collection string // as in URLs of its API
	id         string
	said       map[string][]string // the values that attributes may have
	network    string              // of a port or a subnet
	subports   map[string]bool     // that a trunk may have, by the ids of ports; true if it certainly has
	gone       bool                // deleted, as the client was told
	doubtful   bool                // perhaps deleted
	used       bool                // a port that a server was to get
	unsure     bool                // a port that a server may still get
	renamed    bool                // a port that was given a name after the last server
	detached   []string            // ports of a server of which the client was not told whether they are detached
}

// client does things at random in one project. It changes and deletes only what it has made, but uses what all have made.
type client struct {
	*round
	number int
	rand   *rand.Rand
	token  string
	made   int // things, for names

	mu  sync.Mutex // guards own against other clients, who look for something to use
	own []*thing
}

// work lets all clients work, and returns when they have done their steps.
func (r *round) work() {
	var working sync.WaitGroup
	for i := range killClients {
		r.clients = append(r.clients, &client{round: r, number: i, rand: rand.New(rand.NewPCG(r.seed, uint64(10+i))),
			token: r.sim.Token("demo", "demo", time.Hour)})
	}
	for _, c := range r.clients {
		working.Go(func() {
			for range killSteps {
				c.step()
				<-time.After(time.Duration(c.rand.IntN(150)) * time.Millisecond) // so that the killer keeps pace
			}
		})
	}
	working.Wait()
}

// do makes a call and sorts its answer: done, refused, or unknown. Whoever cannot reach the top tries again.
func (c *client) do(method, url, body string) (doc map[string]any, verdict string) {
	for {
		status, doc, err := send(context.Background(), method, url, body, c.token)
		switch {
		case err != nil && neverSent(err):
			<-time.After(50 * time.Millisecond)
			continue
		case err != nil:
			return nil, "unknown"
		case status < 300:
			return doc, "done"
		case status == http.StatusNotFound:
			return doc, "missing"
		case status >= 500:
			if status == http.StatusInternalServerError {
				c.t.Errorf("seed %d: %s %s %s: %d %v\n%s", c.seed, method, url, body, status, doc, c.errorsLogged())
			}
			return doc, "unknown"
		}
		return doc, "refused"
	}
}

// url is the address of a collection.
func (c *client) url(collection string) string {
	if collection == "servers" {
		return c.nova + "/servers"
	}
	return c.neutron + "/" + collection
}

func singular(collection string) string {
	return strings.ReplaceAll(strings.TrimSuffix(collection, "s"), "-", "_")
}

// make creates a thing with some attributes, and a new name.
func (c *client) make(collection, attrs string) *thing {
	o, _ := c.makeNamed(c.newName(), collection, attrs)
	return o
}

func (c *client) makeNamed(name, collection, attrs string) (o *thing, verdict string) {
	body := fmt.Sprintf(`{%q: {"name": %q, %s}}`, singular(collection), name, attrs)
	doc, verdict := c.do("POST", c.url(collection), strings.Replace(body, ", }}", "}}", 1))
	if verdict != "done" {
		return nil, verdict
	}
	object, _ := doc[singular(collection)].(map[string]any)
	o = &thing{collection: collection, said: map[string][]string{"name": {name}, "dns_name": {""}, "dns_domain": {""}}}
	o.id, _ = object["id"].(string)
	o.network, _ = object["network_id"].(string)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.own = append(c.own, o)
	return o, verdict
}

func (c *client) newName() string {
	c.made++
	return fmt.Sprintf("c%d-%d", c.number, c.made)
}

// mine is a random thing of its own that is there, or nil.
func (c *client) mine(collection string) *thing {
	return oneOf(c.rand, c.those(collection))
}

// anybodys is one of somebody's.
func (c *client) anybodys(collection string) *thing {
	var all []*thing
	for _, other := range c.clients {
		all = append(all, other.those(collection)...)
	}
	return oneOf(c.rand, all)
}

func (c *client) those(collection string) (all []*thing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range c.own {
		if o.collection == collection && !o.gone && !o.doubtful {
			all = append(all, o)
		}
	}
	return all
}

func oneOf(r *rand.Rand, all []*thing) *thing {
	if len(all) == 0 {
		return nil
	}
	return all[r.IntN(len(all))]
}

// step does one thing.
func (c *client) step() {
	switch c.rand.IntN(24) {
	case 0, 1:
		c.makeNetwork()
	case 2:
		c.make("security-groups", "")
	case 3, 4:
		c.makeRule()
	case 5, 16:
		c.makePort()
	case 6, 7, 8:
		c.boot()
	case 9, 10:
		c.set(c.mine([]string{"networks", "ports", "security-groups", "subnets", "trunks"}[c.rand.IntN(5)]), "name", c.newName())
	case 11, 23:
		c.delete(c.mine("servers"))
	case 12:
		c.delete(c.mine([]string{"networks", "ports", "security-groups", "security-group-rules", "subnets", "trunks"}[c.rand.IntN(6)]))
	case 13:
		c.plug()
	case 14:
		c.regroup()
	case 17, 22:
		c.makeTrunk()
	case 18, 19:
		c.load()
	case 20, 21:
		c.name()
	default:
		c.action()
	}
}

func (c *client) makeNetwork() {
	n := c.make("networks", "")
	if n == nil {
		return
	}
	c.make("subnets", fmt.Sprintf(`"network_id": %q, "ip_version": 4, "cidr": "10.%d.%d.0/24"`, n.id, c.number, c.made))
	if c.rand.IntN(4) == 0 {
		c.make("subnets", fmt.Sprintf(`"network_id": %q, "ip_version": 6, "cidr": "fd00:%x:%x::/64", "ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"`,
			n.id, c.number+1, c.made))
	}
}

// makeRule makes a rule, for a group or for addresses. Rules have no names.
func (c *client) makeRule() {
	group := c.mine("security-groups")
	if group == nil {
		return
	}
	whom := fmt.Sprintf(`"remote_ip_prefix": "10.%d.0.0/16"`, c.rand.IntN(8))
	if remote := c.anybodys("security-groups"); remote != nil && c.rand.IntN(3) > 0 {
		whom = fmt.Sprintf(`"remote_group_id": %q`, remote.id)
	}
	doc, verdict := c.do("POST", c.url("security-group-rules"), fmt.Sprintf(`{"security_group_rule": {"security_group_id": %q, "direction": "ingress",
		"ethertype": "IPv4", "protocol": "tcp", "port_range_min": %d, "port_range_max": 99, %s}}`, group.id, 1+c.rand.IntN(50), whom))
	if verdict == "done" {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.own = append(c.own, &thing{collection: "security-group-rules", id: doc["security_group_rule"].(map[string]any)["id"].(string)})
	}
}

func (c *client) makePort() *thing {
	n := c.anybodys("networks")
	if n == nil {
		return nil
	}
	return c.make("ports", fmt.Sprintf(`"network_id": %q%s`, n.id, c.groups(`, "security_groups": [%q]`)))
}

// groups is an attribute that names a group, or nothing.
func (c *client) groups(format string) string {
	if g := c.anybodys("security-groups"); g != nil && c.rand.IntN(2) == 0 {
		return fmt.Sprintf(format, g.id)
	}
	return ""
}

// boot makes a server on a port of its own, or on a network.
func (c *client) boot() {
	if p := c.mine("ports"); p != nil && c.rand.IntN(2) == 0 {
		c.bootWith(p)
	} else if n := c.anybodys("networks"); n != nil {
		c.bootOn(c.newName(), fmt.Sprintf(`{"uuid": %q}`, n.id))
	}
}

func (c *client) bootWith(port *thing) {
	name := c.newName()
	if !port.unnamed() && c.rand.IntN(4) > 0 { // else Nova does not give the server the port
		c.set(port, "dns_name", name)
	}
	port.used, port.renamed = true, false
	port.unsure = c.bootOn(name, fmt.Sprintf(`{"port": %q}`, port.id)) == "unknown" || port.unsure
}

func (c *client) bootOn(name, nic string) (verdict string) {
	_, verdict = c.makeNamed(name, "servers", fmt.Sprintf(`"flavorRef": "1", "imageRef": %q, "availability_zone": "az%d", "networks": [%s]%s`,
		c.image, 1+c.rand.IntN(killPods), nic, c.groups(`, "security_groups": [{"name": %q}]`)))
	return verdict
}

// unnamed tells whether a port certainly has no dns_name of a user's.
func (o *thing) unnamed() bool { return slices.Equal(o.said["dns_name"], []string{""}) }

// set changes an attribute of a thing, if there is one.
func (c *client) set(o *thing, attr, value string) {
	if o == nil {
		return
	}
	_, verdict := c.do("PUT", c.url(o.collection)+"/"+o.id, fmt.Sprintf(`{%q: {%q: %q}}`, singular(o.collection), attr, value))
	switch verdict {
	case "done":
		o.said[attr] = []string{value}
		o.renamed = o.renamed || attr == "dns_name"
	case "unknown":
		o.said[attr] = append(o.said[attr], value)
	}
}

func (c *client) delete(o *thing) {
	if o == nil || o.used { // a server that loses its port is no fault of the top
		return
	}
	_, verdict := c.do("DELETE", c.url(o.collection)+"/"+o.id, "")
	c.mu.Lock()
	defer c.mu.Unlock()
	o.gone, o.doubtful = verdict == "done", verdict == "unknown"
}

// regroup gives a port another group.
func (c *client) regroup() {
	if p, g := c.mine("ports"), c.anybodys("security-groups"); p != nil && g != nil {
		c.do("PUT", c.url("ports")+"/"+p.id, fmt.Sprintf(`{"port": {"security_groups": [%q]}}`, g.id))
	}
}

// plug gives a server one more interface, or takes one from it.
func (c *client) plug() {
	s, n := c.mine("servers"), c.anybodys("networks")
	if s == nil || n == nil {
		return
	}
	url := c.url("servers") + "/" + s.id + "/os-interface"
	if c.rand.IntN(2) == 0 {
		attach := func(what, id string) string {
			_, verdict := c.do("POST", url, fmt.Sprintf(`{"interfaceAttachment": {%q: %q}}`, what, id))
			return verdict
		}
		if p := c.mine("ports"); p != nil && p.unnamed() && c.rand.IntN(2) == 0 {
			p.used, p.renamed = true, false
			p.unsure = attach("port_id", p.id) == "unknown" || p.unsure
		} else {
			attach("net_id", n.id)
		}
		return
	}
	doc, _ := c.do("GET", url, "")
	list, _ := doc["interfaceAttachments"].([]any)
	if len(list) == 0 {
		return
	}
	id, _ := list[0].(map[string]any)["port_id"].(string)
	if _, verdict := c.do("DELETE", url+"/"+id, ""); verdict == "unknown" {
		s.detached = append(s.detached, id)
	}
}

// action adds a server to a group, or takes it out.
func (c *client) action() {
	s, g := c.mine("servers"), c.anybodys("security-groups")
	if s == nil || g == nil {
		return
	}
	what := []string{"addSecurityGroup", "removeSecurityGroup"}[c.rand.IntN(2)]
	c.do("POST", c.url("servers")+"/"+s.id+"/action", fmt.Sprintf(`{%q: {"name": %q}}`, what, g.id))
}

// look does what somebody does who was left without an answer: asks for what may be gone, and detaches again.
func (c *client) look() {
	for _, o := range c.own {
		if o.collection != "servers" {
			continue
		}
		for _, port := range o.detached {
			c.insist("DELETE", c.url("servers")+"/"+o.id+"/os-interface/"+port)
		}
		if o.gone || o.doubtful {
			c.insist("GET", c.url("servers")+"/"+o.id)
		}
	}
}

// insist repeats a call until it is answered.
func (c *client) insist(method, url string) (doc map[string]any, verdict string) {
	c.eventually(method+" "+url, func() string {
		if doc, verdict = c.do(method, url, ""); verdict == "unknown" {
			return fmt.Sprint(doc)
		}
		return ""
	})
	return doc, verdict
}

// believe compares what a client was told with what the top shows.
func (c *client) believe() {
	c.t.Helper()
	for _, o := range c.own {
		doc, verdict := c.insist("GET", c.url(o.collection)+"/"+o.id)
		object, _ := doc[singular(o.collection)].(map[string]any)
		switch there := verdict == "done"; {
		case there && o.gone && o.collection != "servers": // those may take a while
			c.t.Errorf("seed %d: %s %s is there, though its deletion was confirmed", c.seed, o.collection, o.id)
		case !there && !o.gone && !o.doubtful && !c.cascaded(o):
			c.t.Errorf("seed %d: LOST: %s %s is not there: %v", c.seed, o.collection, o.id, doc)
		case there:
			if wrong := o.belied(object); wrong != "" {
				c.t.Errorf("seed %d: %s %s: %s", c.seed, o.collection, o.id, wrong)
			}
		}
	}
}

// belied says what the top shows of a thing that its client was told otherwise. What a port of a server is called is its pod's to say.
func (o *thing) belied(shown map[string]any) string {
	for attr, may := range o.said {
		if got, _ := shown[attr].(string); !slices.Contains(may, got) && !(attr == "dns_name" && o.used) {
			return fmt.Sprintf("%s is %q, want one of %q", attr, got, may)
		}
	}
	return o.miscarried(shown["sub_ports"])
}

// cascaded tells whether something may have gone with something else: subnets with their network, rules with their group.
func (c *client) cascaded(o *thing) bool {
	return o.collection == "subnets" && slices.ContainsFunc(c.own, func(n *thing) bool { return n.id == o.network && (n.gone || n.doubtful) }) ||
		o.collection == "security-group-rules"
}
