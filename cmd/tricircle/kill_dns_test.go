package main

import (
	"slices"

	"github.com/tricircle/tricircle/internal/store"
)

// name gives a port a name, or a network a domain, or takes it away.
func (c *client) name() {
	if c.rand.IntN(3) == 0 {
		c.set(c.mine("networks"), "dns_domain", []string{"", c.newName() + ".example."}[c.rand.IntN(2)])
		return
	}
	c.set(c.mine("ports"), "dns_name", []string{"", c.newName(), c.newName()}[c.rand.IntN(3)])
}

// named compares the name of a port. The pod is told each of a user's once. Its Nova puts that of a server in its place, and takes it out
// again when the server has the port no more.
func (p *picture) named(row store.Realization, what string, top *store.Object, bottom map[string]any) {
	wanted, _ := top.Attrs["dns_name"].(string)
	by, _ := top.Attrs[store.AttrNamed].(string)
	if told, _ := row.Detail["named_by"].(string); by != "" && told != by {
		p.err("%s: the pod was told name %q, %q is the last", what, told, by)
	}
	device, _ := bottom["device_id"].(string)
	may, port := []string{wanted}, p.told[top.ID] // nil if it was made for a server
	server := p.pods[row.PodNum-1].servers[device]
	switch {
	case server == nil && port != nil && port.used:
		may = append(may, "")
	case server == nil, port != nil && port.renamed && !port.unsure:
	case by == "":
		may = []string{server["OS-EXT-SRV-ATTR:hostname"].(string)}
	default:
		may = append(may, server["OS-EXT-SRV-ATTR:hostname"].(string))
	}
	if got, _ := bottom["dns_name"].(string); !slices.Contains(may, got) {
		p.err("%s: the name is %q in the pod, want one of %q", what, got, may)
	}
}
