package plugin

import (
	"context"

	"github.com/tricircle/tricircle/internal/neutron/api"
	"github.com/tricircle/tricircle/internal/neutron/typedriver"
	"github.com/tricircle/tricircle/internal/store"
)

// providerAttributes say what a network occupies on a wire. Only administrators see and set them.
var providerAttributes = []string{"provider:network_type", "provider:physical_network", "provider:segmentation_id"}

// What tunnels take of the MTU of what carries them, over IPv4 (neutron/plugins/ml2/drivers/type_vxlan.py and type_geneve.py).
const (
	vxlanOverhead  = 50
	geneveOverhead = 58
)

// takeSegment gives a new network what it asks for, or a segment of the first type that has one. Hints that allow only one pod make
// it that pod's own: it needs nothing that joins pods.
func (p *Plugin) takeSegment(ctx context.Context, tx store.Tx, o *store.Object) error {
	want := wantedOf(o)
	if want == (typedriver.Wanted{}) && len(p.homes(o)) == 1 {
		want.NetworkType = typedriver.Local
	}
	segment, err := p.o.Types.Claim(ctx, tx, o.ID, want)
	if err != nil {
		return err
	}
	putSegment(o, segment)
	return nil
}

// wantedOf is what the provider attributes of a request ask for.
func wantedOf(o *store.Object) typedriver.Wanted {
	return typedriver.Wanted{NetworkType: textOf(o.Attrs["provider:network_type"]),
		PhysicalNetwork: textOf(o.Attrs["provider:physical_network"]), SegmentationID: intOf(o.Attrs["provider:segmentation_id"])}
}

// putSegment shows a segment: what its type does not have is null.
func putSegment(o *store.Object, s store.Segment) {
	o.Attrs["provider:network_type"], o.Attrs["provider:physical_network"], o.Attrs["provider:segmentation_id"] = s.NetworkType, nil, nil
	if s.PhysicalNetwork != "" {
		o.Attrs["provider:physical_network"] = s.PhysicalNetwork
	}
	if s.SegmentationID != 0 {
		o.Attrs["provider:segmentation_id"] = s.SegmentationID
	}
}

// moveSegment lets administrators give a VLAN network another VLAN, as long as it is in no pod, and refuses all other changes
// (neutron/plugins/ml2/plugin.py, _update_provider_network_attributes).
func (p *Plugin) moveSegment(c *api.Call, tx store.Tx, old, updated *store.Object) error {
	for _, name := range providerAttributes[:2] {
		if c.Gave(name) && old.Attrs[name] != updated.Attrs[name] {
			return invalidInput("Plugin does not support updating the following provider network attributes: " +
				"provider:network_type, provider:physical_network")
		}
	}
	want := wantedOf(updated)
	if before := intOf(old.Attrs["provider:segmentation_id"]); want.SegmentationID == nil || before != nil && *before == *want.SegmentationID {
		updated.Attrs["provider:segmentation_id"] = old.Attrs["provider:segmentation_id"]
		return nil
	}
	if want.NetworkType != typedriver.VLAN {
		return invalidInput("Only VLAN type networks can be updated.")
	}
	realized, err := tx.Realizations(c.Context(), store.RealizationQuery{Kind: store.KindNetwork, TopIDs: []string{old.ID}, Limit: 1})
	if err != nil {
		return err
	}
	if len(realized) > 0 {
		return conflict("NetworkInUse", "Unable to complete operation on network %s. It is in use in a pod with its present VLAN.", old.ID)
	}
	if err := tx.ReleaseSegments(c.Context(), old.ID); err != nil {
		return err
	}
	segment, err := p.o.Types.Claim(c.Context(), tx, old.ID, want)
	if err == nil {
		putSegment(updated, segment)
	}
	return err
}

// maxMTU is the largest MTU that a type of network carries. What is local to a pod is an overlay of its own there.
func (p *Plugin) maxMTU(networkType string) int64 {
	switch networkType {
	case typedriver.VXLAN:
		return p.o.MTU - vxlanOverhead
	case typedriver.Local:
		return p.o.MTU - geneveOverhead
	}
	return p.o.MTU
}
