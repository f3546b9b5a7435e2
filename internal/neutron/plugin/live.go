package plugin

import (
	"context"
	"maps"
	"slices"

	"github.com/tricircle/tricircle/internal/neutron/api"
	"github.com/tricircle/tricircle/internal/store"
)

// PortState is what only its pod knows of a port.
type PortState struct {
	Status      string // "ACTIVE", "DOWN", "BUILD"
	DeviceID    string // the server that uses it; "" if none does
	DeviceOwner string
	HostID      string // as the top names hosts; "" as long as the port is bound to none
	VIFType     string
	VIFDetails  any
	Profile     any
	// DNSName is what its dns_name is, of which Nova makes its server's hostname; nil if the pod's Neutron has no such attribute. It counts
	// only if Named, the store.AttrNamed that the pod has been told, is the port's: the user's name may still be under way.
	DNSName any
	Named   string
}

// Live returns what pods know of ports, by their ids at the top. Ports that are in no pod, or in one that does not answer, are left
// out: they are shown as they are stored.
type Live func(ctx context.Context, ids []string) map[string]PortState

// liveAttributes are those of ports that pods may know better.
var liveAttributes = []string{"status", "device_id", "device_owner", "binding:host_id", "binding:vif_type", "binding:vif_details",
	"binding:profile", "dns_name", "dns_assignment"}

// showPorts reads through to the pods, for the ports of a page at once, unless the client named only what the top knows.
func (p *Plugin) showPorts(c *api.Call, r store.Reader, page []*store.Object) error {
	p.showLive(c, page)
	p.showDNS(page)
	return showTrunkDetails(c, r, page)
}

func (p *Plugin) showLive(c *api.Call, page []*store.Object) {
	fields := c.Query["fields"]
	isLive := func(name string) bool { return slices.Contains(liveAttributes, name) }
	if len(fields) > 0 && !slices.ContainsFunc(fields, isLive) && !slices.ContainsFunc(slices.Collect(maps.Keys(c.Query)), isLive) {
		return
	}
	live := p.o.Live(c.Context(), textsOf(idsOf(page)))
	for _, o := range page {
		state, there := live[o.ID]
		if !there {
			continue
		}
		for name, value := range map[string]any{"status": state.Status, "device_id": state.DeviceID, "device_owner": state.DeviceOwner,
			"binding:host_id": state.HostID, "binding:vif_type": state.VIFType, "binding:vif_details": state.VIFDetails,
			"binding:profile": state.Profile} {
			if value != nil && value != "" {
				o.Attrs[name] = value
			}
		}
		if state.DNSName != nil && state.Named == textOf(o.Attrs[store.AttrNamed]) {
			o.Attrs["dns_name"] = state.DNSName
		}
	}
}
