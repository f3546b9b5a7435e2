package plugin

import (
	"context"
	"maps"
	"slices"

	"github.com/tricircle/tricircle/internal/neutron/api"
	"github.com/tricircle/tricircle/internal/neutron/schema"
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

// severalSegments is the attribute of networks on several segments, which have none of the provider attributes.
const severalSegments = "segments"

// takeSegments gives a new network what it asks for, or a segment of the first type that has one. Hints that allow only one pod make
// it that pod's own: it needs nothing that joins pods.
func (p *Plugin) takeSegments(ctx context.Context, tx store.Tx, o *store.Object) error {
	wanted, err := p.wantedSegments(o)
	if err != nil {
		return err
	}
	segments := make([]any, len(wanted))
	for i, want := range wanted {
		segment, err := p.o.Types.Claim(ctx, tx, o.ID, want)
		if err != nil {
			return err
		}
		segments[i] = viewOfSegment(segment)
	}
	if len(segments) > 1 {
		o.Attrs[severalSegments] = segments
		return nil
	}
	delete(o.Attrs, severalSegments)
	maps.Copy(o.Attrs, segments[0].(map[string]any))
	return nil
}

// wantedSegments is what a new network is to be on, at least one segment (neutron/plugins/ml2/managers.py, _process_provider_create, Zed).
// A network of the top on several segments is on the same in all pods, so none of them can be a pod's own.
func (p *Plugin) wantedSegments(o *store.Object) (all []typedriver.Wanted, err error) {
	one := wantedOf(o.Attrs)
	list, given := o.Attrs[severalSegments].([]any)
	switch {
	case given && one != (typedriver.Wanted{}):
		return nil, invalidInput("Segments and provider values cannot both be set.")
	case len(list) == 0 && one == (typedriver.Wanted{}) && len(p.homes(o)) == 1:
		return []typedriver.Wanted{{NetworkType: typedriver.Local}}, nil
	case len(list) == 0:
		return []typedriver.Wanted{one}, nil
	}
	whole := map[string]bool{}
	for _, segment := range mapsOf(list) {
		want := wantedOf(segment)
		if err := p.o.Types.Check(want); err != nil {
			return nil, err
		}
		if want.NetworkType == typedriver.Local && len(list) > 1 {
			return nil, invalidInput("network_type value 'local' prohibited for a network with several segments")
		}
		key := schema.Text(segment)
		if whole[key] {
			return nil, invalidInput("Duplicate segment entry in request.")
		}
		whole[key] = want.SegmentationID != nil || want.NetworkType == typedriver.Flat // else any of a range: it may come twice
		all = append(all, want)
	}
	return all, nil
}

// toSegments converts a list of segments, each of which has all of the provider attributes then
// (neutron_lib/api/validators/multiprovidernet.py, Zed, which fails with a 500 for what is no list of maps).
func toSegments(v any) (any, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, badRequest("HTTPBadRequest", "Invalid input for segments. Reason: '%s' is not a list.", schema.Text(v))
	}
	segments := make([]any, len(list))
	for i, item := range list {
		given, ok := item.(map[string]any)
		if !ok {
			return nil, badRequest("HTTPBadRequest", "Invalid input for segments. Reason: '%s' is not a dictionary.", schema.Text(item))
		}
		segment := map[string]any{}
		for _, name := range providerAttributes {
			segment[name] = given[name]
		}
		for name := range given {
			if !slices.Contains(providerAttributes, name) {
				return nil, badRequest("HTTPBadRequest", "Unrecognized attribute(s) '%s'", name)
			}
		}
		if id := given["provider:segmentation_id"]; id != nil {
			number, err := schema.ToInt(id)
			if err != nil {
				return nil, err
			}
			segment["provider:segmentation_id"] = number
		}
		segments[i] = segment
	}
	return segments, nil
}

// wantedOf is what provider attributes ask for.
func wantedOf(attrs map[string]any) typedriver.Wanted {
	return typedriver.Wanted{NetworkType: textOf(attrs["provider:network_type"]),
		PhysicalNetwork: textOf(attrs["provider:physical_network"]), SegmentationID: intOf(attrs["provider:segmentation_id"])}
}

// viewOfSegment is a segment in provider attributes: what its type does not have is null.
func viewOfSegment(s store.Segment) map[string]any {
	view := map[string]any{"provider:network_type": s.NetworkType, "provider:physical_network": nil, "provider:segmentation_id": nil}
	if s.PhysicalNetwork != "" {
		view["provider:physical_network"] = s.PhysicalNetwork
	}
	if s.SegmentationID != 0 {
		view["provider:segmentation_id"] = s.SegmentationID
	}
	return view
}

// moveSegment lets administrators give a VLAN network another VLAN, as long as it is in no pod, and refuses all other changes
// (neutron/plugins/ml2/plugin.py, _update_provider_network_attributes).
func (p *Plugin) moveSegment(c *api.Call, tx store.Tx, old, updated *store.Object) error {
	several := old.Attrs[severalSegments]
	if delete(updated.Attrs, severalSegments); several != nil { // ML2 accepts others, and ignores them
		updated.Attrs[severalSegments] = several
	}
	for _, name := range providerAttributes[:2] {
		if c.Gave(name) && old.Attrs[name] != updated.Attrs[name] {
			return invalidInput("Plugin does not support updating the following provider network attributes: " +
				"provider:network_type, provider:physical_network")
		}
	}
	if several != nil {
		if c.Gave("provider:segmentation_id") && updated.Attrs["provider:segmentation_id"] != nil {
			return invalidInput("Provider network attributes can be updated only in provider networks with a single segment.")
		}
		for _, name := range providerAttributes {
			delete(updated.Attrs, name)
		}
		return nil
	}
	want := wantedOf(updated.Attrs)
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
		maps.Copy(updated.Attrs, viewOfSegment(segment))
	}
	return err
}

// maxMTU is the largest MTU that all segments of a network carry.
func (p *Plugin) maxMTU(o *store.Object) int64 {
	least := p.maxMTUOf(textOf(o.Attrs["provider:network_type"]))
	for _, segment := range mapsOf(o.Attrs[severalSegments]) {
		least = min(least, p.maxMTUOf(textOf(segment["provider:network_type"])))
	}
	return least
}

// maxMTUOf is the largest MTU that a type of network carries. What is local to a pod is an overlay of its own there.
func (p *Plugin) maxMTUOf(networkType string) int64 {
	switch networkType {
	case typedriver.VXLAN:
		return p.o.MTU - vxlanOverhead
	case typedriver.Local:
		return p.o.MTU - geneveOverhead
	}
	return p.o.MTU
}
