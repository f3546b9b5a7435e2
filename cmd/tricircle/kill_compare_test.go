package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tricircle/tricircle/internal/store"
)

// picture is all that there is, at the top and in the pods.
type picture struct {
	top   map[store.ObjectKind]map[string]*store.Object // by id
	rows  []store.Realization
	told  map[string]*thing // what the clients have made, by its id
	pods  [killPods]podPicture
	wrong []string
}

// podPicture is what a pod has.
type podPicture struct {
	all     map[store.ObjectKind]map[string]map[string]any // by id, of those kinds that are realized
	servers map[string]map[string]any
}

var realizedKinds = map[store.ObjectKind]string{store.KindNetwork: "networks", store.KindSubnet: "subnets", store.KindPort: "ports",
	store.KindSecurityGroup: "security-groups", store.KindTrunk: "trunks"}

func (r *round) take() *picture {
	r.t.Helper()
	p := &picture{top: map[store.ObjectKind]map[string]*store.Object{}, told: map[string]*thing{}}
	for _, c := range r.clients {
		for _, o := range c.own {
			p.told[o.id] = o
		}
	}
	reader := r.store.Reader()
	for _, kind := range []store.ObjectKind{store.KindNetwork, store.KindSubnet, store.KindPort, store.KindSecurityGroup, store.KindSecurityGroupRule,
		store.KindTrunk} {
		objects, err := reader.List(r.t.Context(), store.ObjectQuery{Kind: kind})
		if err != nil {
			r.t.Fatal(err)
		}
		p.top[kind] = map[string]*store.Object{}
		for _, o := range objects {
			p.top[kind][o.ID] = o
		}
	}
	var err error
	if p.rows, err = reader.Realizations(r.t.Context(), store.RealizationQuery{}); err != nil {
		r.t.Fatal(err)
	}
	for i := range p.pods {
		p.pods[i] = podPicture{all: map[store.ObjectKind]map[string]map[string]any{}, servers: map[string]map[string]any{}}
		for kind, collection := range realizedKinds {
			p.pods[i].all[kind] = byID(r.ask("GET", r.sim.Pod(i).NetworkURL+"/v2.0/"+collection, "", 200)[strings.ReplaceAll(collection, "-", "_")])
		}
		p.pods[i].servers = byID(r.ask("GET", r.sim.Pod(i).ComputeURL+"/v2.1/servers/detail?all_tenants=1", "", 200)["servers"])
	}
	return p
}

func byID(list any) map[string]map[string]any {
	all := map[string]map[string]any{}
	rows, _ := list.([]any)
	for _, row := range rows {
		m, _ := row.(map[string]any)
		all[m["id"].(string)] = m
	}
	return all
}

// compare fails the test unless top and pods agree, and all is as the clients were told.
func (r *round) compare() {
	r.t.Helper()
	var p *picture
	look := func() string {
		p = r.take()
		for i := range p.pods {
			p.strangers(i)
		}
		for _, row := range p.rows {
			p.realized(row)
		}
		for _, port := range p.top[store.KindPort] {
			p.placed(port)
		}
		p.shadows()
		p.trunks()
		return strings.Join(p.wrong, "\n")
	}
	if r.audited {
		r.eventually("top and pods agree", look)
	} else if wrong := look(); wrong != "" {
		r.t.Errorf("seed %d: top and pods disagree:\n%s", r.seed, wrong)
	}
	for _, c := range r.clients {
		c.believe()
	}
	names := map[string]int{}
	for i := range p.pods {
		for _, s := range p.pods[i].servers {
			names[s["name"].(string)]++
		}
	}
	for name, n := range names {
		if n > 1 {
			r.t.Errorf("seed %d: DOUBLED: %d servers %s", r.seed, n, name)
		}
	}
	realized := map[store.ObjectKind]int{}
	for _, row := range p.rows {
		realized[row.Kind]++
	}
	r.t.Logf("seed %d: %d networks, %d ports, %d groups, %d trunks, %d servers, %d realizations, of trunks %d", r.seed,
		len(p.top[store.KindNetwork]), len(p.top[store.KindPort]), len(p.top[store.KindSecurityGroup]), len(p.top[store.KindTrunk]), len(names),
		len(p.rows), realized[store.KindTrunk])
}

func (p *picture) err(format string, args ...any) {
	p.wrong = append(p.wrong, fmt.Sprintf(format, args...))
}

// strangers looks for what a pod has under our keys that the top does not want there, or twice.
func (p *picture) strangers(i int) {
	for kind, objects := range p.pods[i].all {
		for id, o := range objects {
			key, _ := o["description"].(string)
			rest, ours := strings.CutPrefix(key, "tricircle:"+string(kind)+":")
			if !ours {
				continue
			}
			if row := p.row(kind, rest, int32(i+1)); row == nil || row.BottomID != id {
				p.err("STRAY: pod %d has %s %s as %s, which the top wants as %v", i+1, kind, id, key, row)
			}
		}
	}
	for id, port := range p.pods[i].all[store.KindPort] {
		device, _ := port["device_id"].(string)
		if p.pods[i].servers[device] != nil && !strings.HasPrefix(port["description"].(string), "tricircle:") {
			p.err("pod %d: server %s has port %s, which is not ours", i+1, device, id)
		}
	}
	for id, s := range p.pods[i].servers {
		for _, addresses := range s["addresses"].(map[string]any) {
			for _, a := range addresses.([]any) {
				mac := a.(map[string]any)["OS-EXT-IPS-MAC:mac_addr"]
				if !p.has(i, func(port map[string]any) bool { return port["device_id"] == id && port["mac_address"] == mac }) {
					p.err("MISSING: pod %d: server %s lacks its port with MAC %v", i+1, id, mac)
				}
			}
		}
	}
}

func (p *picture) has(pod int, is func(port map[string]any) bool) bool {
	for _, port := range p.pods[pod].all[store.KindPort] {
		if is(port) {
			return true
		}
	}
	return false
}

func (p *picture) row(kind store.ObjectKind, id string, pod int32) *store.Realization {
	i := slices.IndexFunc(p.rows, func(row store.Realization) bool { return row.Kind == kind && row.TopID == id && row.PodNum == pod })
	if i < 0 {
		return nil
	}
	return &p.rows[i]
}

// realized compares an object with what it is in a pod.
func (p *picture) realized(row store.Realization) {
	what := fmt.Sprintf("pod %d: %s %s", row.PodNum, row.Kind, row.TopID)
	top, bottom := p.top[row.Kind][row.TopID], p.pods[row.PodNum-1].all[row.Kind][row.BottomID]
	switch {
	case !row.DeletedAt.IsZero():
		p.err("STRAY: %s has a tombstone", what)
		return
	case top == nil:
		p.err("STRAY: %s is not at the top", what)
		return
	case bottom == nil:
		p.err("MISSING: %s is not in the pod, as %q", what, row.BottomID)
		return
	}
	same := func(names ...string) {
		for _, name := range names {
			if a, b := text(top.Attrs[name]), text(bottom[name]); a != b {
				p.err("%s: %s is %s in the pod, %s at the top", what, name, b, a)
			}
		}
	}
	if !row.Shadow { // nobody looks at those
		same("name")
	}
	switch row.Kind {
	case store.KindNetwork:
		same("admin_state_up", "provider:network_type", "provider:physical_network", "provider:segmentation_id", "mtu", "port_security_enabled",
			"dns_domain")
		for id, s := range p.top[store.KindSubnet] {
			if s.Attrs["network_id"] == row.TopID && p.row(store.KindSubnet, id, row.PodNum) == nil {
				p.err("MISSING: %s lacks subnet %s", what, id)
			}
		}
	case store.KindSubnet:
		same("cidr", "gateway_ip", "ip_version", "enable_dhcp", "ipv6_address_mode")
		p.refers(row, what, "network_id", store.KindNetwork, top.Attrs["network_id"], bottom["network_id"])
	case store.KindPort:
		same("mac_address")
		p.refers(row, what, "network_id", store.KindNetwork, top.Attrs["network_id"], bottom["network_id"])
		p.port(row, what, top, bottom)
		if !row.Shadow {
			p.named(row, what, top, bottom)
		}
	case store.KindTrunk:
		p.trunk(row, what, top, bottom)
	case store.KindSecurityGroup:
		if a, b := p.rules(row, top), p.rulesIn(row, bottom); a != b {
			p.err("%s: has rules %s, at the top %s", what, b, a)
		}
	}
}

// text makes values that are equal in JSON equal texts.
func text(v any) string {
	raw, _ := json.Marshal(v) // it came from JSON
	return string(raw)
}

// refers compares references of top and pod to something.
func (p *picture) refers(row store.Realization, what, attr string, kind store.ObjectKind, top, bottom any) {
	id, _ := top.(string)
	if to := p.row(kind, id, row.PodNum); to == nil || to.BottomID != bottom {
		p.err("%s: %s is %v in the pod, %v at the top, which is %v", what, attr, bottom, top, to)
	}
}

// port compares addresses and groups. A shadow has only groups that are in the pod.
func (p *picture) port(row store.Realization, what string, top *store.Object, bottom map[string]any) {
	var wanted, got []string
	for _, ip := range top.Attrs["fixed_ips"].([]any) {
		m := ip.(map[string]any)
		s := p.row(store.KindSubnet, m["subnet_id"].(string), row.PodNum)
		if s == nil {
			p.err("MISSING: %s: subnet %v", what, m["subnet_id"])
			return
		}
		wanted = append(wanted, s.BottomID)
		if p.top[store.KindSubnet][s.TopID].Attrs["ipv6_address_mode"] == nil { // else the simulator chooses another
			wanted[len(wanted)-1] += " " + m["ip_address"].(string)
		}
	}
	for _, ip := range bottom["fixed_ips"].([]any) {
		m := ip.(map[string]any)
		got = append(got, m["subnet_id"].(string))
		if slices.Contains(wanted, m["subnet_id"].(string)+" "+m["ip_address"].(string)) {
			got[len(got)-1] += " " + m["ip_address"].(string)
		}
	}
	slices.Sort(wanted)
	slices.Sort(got)
	if !slices.Equal(wanted, got) {
		p.err("%s: addresses are %q in the pod, %q at the top", what, got, wanted)
	}
	wanted, got = nil, nil
	for _, id := range top.Attrs["security_groups"].([]any) {
		if g := p.row(store.KindSecurityGroup, id.(string), row.PodNum); g != nil {
			wanted = append(wanted, g.BottomID)
		} else if !row.Shadow {
			p.err("MISSING: %s: group %v", what, id)
		}
	}
	for _, id := range bottom["security_groups"].([]any) {
		got = append(got, id.(string))
	}
	slices.Sort(wanted)
	slices.Sort(got)
	if !row.Shadow && !slices.Equal(wanted, got) {
		p.err("%s: groups are %q in the pod, %q at the top", what, got, wanted)
	}
}

var ruleAttributes = []string{"direction", "ethertype", "protocol", "port_range_min", "port_range_max", "remote_ip_prefix"}

// rules are what the rules of a group should be in a pod, as a text.
func (p *picture) rules(row store.Realization, group *store.Object) string {
	var all []string
	for _, rule := range p.top[store.KindSecurityGroupRule] {
		if rule.Attrs["security_group_id"] != group.ID {
			continue
		}
		sense := ""
		for _, name := range ruleAttributes {
			sense += text(rule.Attrs[name]) + " "
		}
		if remote, _ := rule.Attrs["remote_group_id"].(string); remote != "" {
			if to := p.row(store.KindSecurityGroup, remote, row.PodNum); to != nil {
				sense += to.BottomID
			} else {
				p.err("MISSING: pod %d: group %s, which %s admits", row.PodNum, remote, group.ID)
			}
		}
		all = append(all, sense)
	}
	slices.Sort(all)
	return strings.Join(all, "; ")
}

func (p *picture) rulesIn(row store.Realization, group map[string]any) string {
	var all []string
	for _, entry := range group["security_group_rules"].([]any) {
		rule, sense := entry.(map[string]any), ""
		for _, name := range ruleAttributes {
			sense += text(rule[name]) + " "
		}
		remote, _ := rule["remote_group_id"].(string)
		all = append(all, sense+remote)
	}
	slices.Sort(all)
	return strings.Join(all, "; ")
}

// placed looks at where a port is: with its server, or nowhere.
func (p *picture) placed(port *store.Object) {
	device, _ := port.Attrs["device_id"].(string)
	var in []int32
	for _, row := range p.rows {
		if row.Kind == store.KindPort && row.TopID == port.ID && !row.Shadow {
			in = append(in, row.PodNum)
		}
	}
	switch {
	case len(in) > 1:
		p.err("DOUBLED: port %s is in pods %v", port.ID, in)
	case device == "":
	case len(in) == 0:
		p.err("MISSING: port %s of %s is in no pod", port.ID, device)
	case p.pods[in[0]-1].servers[device] == nil:
		p.err("STRAY: port %s is of %s, which is no server in pod %d", port.ID, device, in[0])
	default:
		row := p.row(store.KindPort, port.ID, in[0])
		refused := p.pods[in[0]-1].servers[device]["status"] == "ERROR" // for its name is another than the port's
		if bottom := p.pods[in[0]-1].all[store.KindPort][row.BottomID]; bottom == nil || bottom["device_id"] != device && !refused {
			p.err("port %s is of %s, in the pod it is %v", port.ID, device, bottom)
		}
	}
}

// memberIn tells whether a group has a port in a pod.
func (p *picture) memberIn(group any, pod int32) bool {
	return slices.ContainsFunc(p.rows, func(row store.Realization) bool {
		port := p.top[row.Kind][row.TopID]
		return row.Kind == store.KindPort && !row.Shadow && row.PodNum == pod && port != nil && slices.Contains(port.Attrs["security_groups"].([]any), group)
	})
}

// shadows looks for members of groups that are admitted by groups that have members in a pod, and that are elsewhere, on networks that the
// pod has; and for shadows of others.
func (p *picture) shadows() {
	needed := map[string]bool{}
	for _, rule := range p.top[store.KindSecurityGroupRule] {
		remote, _ := rule.Attrs["remote_group_id"].(string)
		for i := range p.pods {
			pod := int32(i + 1)
			if remote == "" || !p.memberIn(rule.Attrs["security_group_id"], pod) {
				continue
			}
			for _, port := range p.top[store.KindPort] {
				away := slices.ContainsFunc(p.rows, func(row store.Realization) bool {
					return row.Kind == store.KindPort && row.TopID == port.ID && !row.Shadow && row.PodNum != pod
				})
				if away && slices.Contains(port.Attrs["security_groups"].([]any), any(remote)) &&
					p.row(store.KindNetwork, port.Attrs["network_id"].(string), pod) != nil {
					needed[fmt.Sprint(port.ID, " in pod ", pod)] = true
				}
			}
		}
	}
	for _, row := range p.rows {
		name := fmt.Sprint(row.TopID, " in pod ", row.PodNum)
		if row.Kind == store.KindPort && row.Shadow && !needed[name] {
			p.err("STRAY: there is a shadow of %s", name)
		}
		if row.Kind == store.KindPort {
			delete(needed, name)
		}
	}
	for name := range needed {
		p.err("MISSING: there is no shadow of %s", name)
	}
}

// deleteAll is what a client does who wants to be rid of everything.
func (r *round) deleteAll() {
	r.t.Helper()
	c := &client{round: r, token: r.sim.Token("demo", "demo", time.Hour)}
	for _, collection := range []string{"servers", "trunks", "ports", "networks", "security-groups"} {
		r.eventually("the "+collection+" are gone", func() string {
			doc, _ := c.insist("GET", c.url(collection))
			left := []string{}
			for id, o := range byID(doc[strings.ReplaceAll(collection, "-", "_")]) {
				if collection == "security-groups" && o["name"] == "default" {
					continue
				}
				if owner, _ := o["device_owner"].(string); strings.HasPrefix(owner, "compute:") {
					left = append(left, fmt.Sprint(o)) // it goes with its server
					continue
				}
				left = append(left, id)
				c.insist("DELETE", c.url(collection)+"/"+id)
				if collection == "servers" {
					c.insist("GET", c.url(collection)+"/"+id)
				}
			}
			return strings.Join(left, "\n")
		})
	}
}

// nothingLeft fails the test unless all is gone that there was, but for default groups.
func (r *round) nothingLeft() {
	r.t.Helper()
	r.eventually("nothing is left to do", func() string { return r.undone(r.t.Context()) })
	look := func() string {
		p := r.take()
		for kind, objects := range p.top {
			for id, o := range objects {
				if group, _ := o.Attrs["security_group_id"].(string); kind == store.KindSecurityGroupRule && p.top[store.KindSecurityGroup][group] != nil ||
					kind == store.KindSecurityGroup && o.Attrs["name"] == "default" {
					continue
				}
				p.err("the top has %s %s", kind, id)
			}
		}
		for _, row := range p.rows {
			if o := p.top[row.Kind][row.TopID]; o == nil || o.Attrs["name"] != "default" {
				p.err("the top has the realization %v", row)
			}
		}
		for i := range p.pods {
			p.strangers(i)
		}
		p.claims(r)
		return strings.Join(p.wrong, "\n")
	}
	if r.audited {
		r.eventually("nothing is left", look)
	} else if wrong := look(); wrong != "" {
		r.t.Errorf("seed %d: left after everything was deleted:\n%s", r.seed, wrong)
	}
}

// claims looks for addresses and segments that somebody has.
func (p *picture) claims(r *round) {
	r.t.Helper()
	addresses, err := r.store.Reader().Addresses(r.t.Context(), store.AddressQuery{})
	if err != nil {
		r.t.Fatal(err)
	}
	segments, err := r.store.Reader().Segments(r.t.Context(), store.SegmentQuery{})
	if err != nil {
		r.t.Fatal(err)
	}
	if len(addresses)+len(segments) > 0 {
		p.err("the top has addresses %v and segments %v", addresses, segments)
	}
}
