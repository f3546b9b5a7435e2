package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tricircle/tricircle/internal/store"
)

// makeTrunk makes a trunk of one of its ports, which a server may have, with some subports, or none.
func (c *client) makeTrunk() {
	parent := c.mine("ports")
	if parent == nil || c.rand.IntN(3) == 0 {
		parent = c.makePort()
	}
	if parent == nil {
		return
	}
	subports := map[string]bool{}
	for range c.rand.IntN(3) {
		if p := c.anybodys("ports"); p != nil {
			subports[p.id] = true
		}
	}
	if trunk := c.make("trunks", fmt.Sprintf(`"port_id": %q, %s`, parent.id, c.subports(subports))); trunk != nil {
		trunk.subports = subports
		if c.rand.IntN(2) == 0 {
			c.bootWith(parent)
		}
	}
}

// subports are ports as those of a trunk, each with a tag that another may have.
func (c *client) subports(ports map[string]bool) string {
	var list []string
	for _, id := range slices.Sorted(maps.Keys(ports)) {
		list = append(list, fmt.Sprintf(`{"port_id": %q, "segmentation_type": "vlan", "segmentation_id": %d}`, id, 1+c.rand.IntN(20)))
	}
	return `"sub_ports": [` + strings.Join(list, ", ") + `]`
}

// load adds a subport to a trunk, or takes one from it.
func (c *client) load() {
	trunk, port := c.mine("trunks"), c.anybodys("ports")
	if trunk == nil || port == nil {
		return
	}
	id, action, body := port.id, "/add_subports", c.subports(map[string]bool{port.id: true})
	if carried := slices.Sorted(maps.Keys(trunk.subports)); len(carried) > 0 && c.rand.IntN(2) == 0 {
		id, action = carried[c.rand.IntN(len(carried))], "/remove_subports"
		body = fmt.Sprintf(`"sub_ports": [{"port_id": %q}]`, id)
	}
	_, verdict := c.do("PUT", c.url("trunks")+"/"+trunk.id+action, "{"+body+"}")
	switch {
	case verdict == "unknown":
		trunk.subports[id] = false
	case verdict == "done" && action == "/add_subports":
		trunk.subports[id] = true
	case verdict == "done":
		delete(trunk.subports, id)
	}
}

// miscarried says what is wrong with the subports that the top shows of a trunk.
func (o *thing) miscarried(shown any) string {
	carried := map[string]bool{}
	list, _ := shown.([]any)
	for _, s := range list {
		id, _ := s.(map[string]any)["port_id"].(string)
		if _, may := o.subports[id]; !may {
			return "it has subport " + id
		}
		carried[id] = true
	}
	for id, sure := range o.subports {
		if sure && !carried[id] {
			return "LOST: its subport " + id
		}
	}
	return ""
}

// trunks looks at where trunks are: with their parents, and nowhere else. Ports must know of them.
func (p *picture) trunks() {
	roles := map[string]string{} // of ports, by their ids
	for _, trunk := range p.top[store.KindTrunk] {
		parent, _ := trunk.Attrs["port_id"].(string)
		roles[parent] += "parent of " + trunk.ID
		for _, s := range trunk.Attrs["sub_ports"].([]any) {
			roles[s.(map[string]any)["port_id"].(string)] += "subport of " + trunk.ID
		}
		for i := range p.pods {
			row, there := p.row(store.KindPort, parent, int32(i+1)), p.row(store.KindTrunk, trunk.ID, int32(i+1)) != nil
			if wanted := row != nil && !row.Shadow; there != wanted {
				p.err("pod %d: that trunk %s is there is %t, its parent %s: %t", i+1, trunk.ID, there, parent, wanted)
			}
		}
	}
	for id, port := range p.top[store.KindPort] {
		known := ""
		if trunk, _ := port.Attrs[store.AttrTrunk].(string); trunk != "" {
			known += "parent of " + trunk
		}
		if trunk, _ := port.Attrs[store.AttrSubportOf].(string); trunk != "" {
			known += "subport of " + trunk
		}
		if known != roles[id] {
			p.err("port %s is %q, and says %q", id, roles[id], known)
		}
	}
}

// trunk compares the ports of a trunk.
func (p *picture) trunk(row store.Realization, what string, top *store.Object, bottom map[string]any) {
	p.refers(row, what, "port_id", store.KindPort, top.Attrs["port_id"], bottom["port_id"])
	if bottom["admin_state_up"] != true {
		p.err("%s is locked in the pod", what)
	}
	var wanted, got []string
	for _, s := range top.Attrs["sub_ports"].([]any) {
		subport := s.(map[string]any)
		port := p.row(store.KindPort, subport["port_id"].(string), row.PodNum)
		if port == nil || port.Shadow {
			p.err("MISSING: %s: subport %v", what, subport["port_id"])
			return
		}
		wanted = append(wanted, fmt.Sprint(port.BottomID, " ", subport["segmentation_type"], " ", text(subport["segmentation_id"])))
	}
	for _, s := range bottom["sub_ports"].([]any) {
		subport := s.(map[string]any)
		got = append(got, fmt.Sprint(subport["port_id"], " ", subport["segmentation_type"], " ", text(subport["segmentation_id"])))
	}
	slices.Sort(wanted)
	slices.Sort(got)
	if !slices.Equal(wanted, got) {
		p.err("%s: subports are %q in the pod, %q at the top", what, got, wanted)
	}
}
