package plugin

import (
	"fmt"
	"maps"
	"slices"

	"github.com/tricircle/tricircle/internal/neutron/api"
	"github.com/tricircle/tricircle/internal/neutron/schema"
	"github.com/tricircle/tricircle/internal/store"
)

// inherit is the type of segmentation that is that of the subport's network (neutron_lib/services/trunk/constants.py).
const inherit = "inherit"

// maxVLAN is the highest tag of a VLAN (neutron_lib/constants.py, MAX_VLAN_TAG).
const maxVLAN = 4094

const lacksSegment = "Invalid subport details '%s': missing segmentation information. Must specify both segmentation_id and segmentation_type"

// validSubports checks a list of subports for itself (neutron_lib/api/validators/__init__.py, validate_subports). As there, nothing is
// looked at behind the first one that inherits its segment.
func validSubports(v any) error {
	list, ok := v.([]any)
	if !ok {
		return schema.Reason("Invalid data format for subports: '" + schema.Text(v) + "' is not a list")
	}
	ids, segments := map[any]bool{}, map[[2]any]bool{}
	for _, e := range list {
		subport, ok := e.(map[string]any)
		if !ok {
			return schema.Reason("Invalid data format for subport: '" + schema.Text(e) + "' is not a dict")
		}
		id, given := subport["port_id"]
		switch {
		case !given:
			return schema.Reason("A valid port UUID must be specified")
		case schema.UUID(id) != nil:
			return schema.Reason("Invalid UUID for subport: '" + schema.Text(id) + "'")
		case ids[id]:
			return schema.Reason("Non unique UUID for subport: '" + schema.Text(id) + "'")
		}
		ids[id] = true
		typ, segment := subport["segmentation_type"], subport["segmentation_id"]
		if typ == inherit {
			return nil
		}
		if (typ == nil || typ == "" || segment == nil) && len(subport) > 1 {
			return schema.Reason(fmt.Sprintf(lacksSegment, schema.Text(subport)))
		}
		key := [2]any{schema.Text(typ), schema.Text(segment)}
		if segment != nil && segments[key] {
			return schema.Reason("Segmentation ID '" + schema.Text(segment) + "' for '" + schema.Text(id) + "' is not unique")
		}
		segments[key] = true
	}
	return nil
}

// checkUntrunked refuses a port that is in a trunk already (neutron/services/trunk/rules.py, TrunkPortValidator).
func checkUntrunked(port *store.Object) error {
	if textOf(port.Attrs[store.AttrSubportOf]) != "" {
		return conflict("TrunkPortInUse", "Port %s is in use by another trunk.", port.ID)
	}
	if textOf(port.Attrs[store.AttrTrunk]) != "" {
		return parentPortInUse(port.ID)
	}
	return nil
}

// checkSubports checks whether ports can be subports of one on the parent, and returns them as they are stored and shown. Of those that
// inherit their segment it is that of their network (neutron/services/trunk/rules.py, SubPortsValidator).
func (p *Plugin) checkSubports(c *api.Call, tx store.Tx, parent *store.Object, given []map[string]any) ([]any, error) {
	subports := []any{}
	if len(given) == 0 {
		return subports, nil
	}
	ports, networks, err := p.subportsAndNetworks(c, tx, parent, given)
	if err != nil {
		return nil, err
	}
	for _, subport := range given {
		id := textOf(subport["port_id"])
		port := ports[id]
		var network *store.Object
		if port != nil {
			network = networks[textOf(port.Attrs["network_id"])]
		}
		if id == parent.ID {
			return nil, parentPortInUse(id)
		}
		if err := checkSubportMTU(parent, port, networks); err != nil {
			return nil, err
		}
		checked, err := segmentOf(subport, network)
		if err != nil {
			return nil, err
		}
		if port == nil {
			return nil, portNotFound(id)
		}
		if err := checkUntrunked(port); err != nil {
			return nil, err
		}
		if device := textOf(port.Attrs["device_id"]); device != "" {
			return nil, conflict("PortInUse", "Unable to complete operation on port %s for network %s. Port already has an attached device %s.",
				port.ID, textOf(port.Attrs["network_id"]), device)
		}
		checked["port_id"] = port.ID
		subports = append(subports, checked)
	}
	return subports, p.checkReach(c, tx, parent, networks)
}

// checkReach refuses subports whose networks cannot be in one pod with that of the parent, or not in the pod where the parent is.
func (p *Plugin) checkReach(c *api.Call, tx store.Tx, parent *store.Object, networks map[string]*store.Object) error {
	shadow, deleted := false, false
	rows, err := tx.Realizations(c.Context(), store.RealizationQuery{Kind: store.KindPort, TopIDs: []string{parent.ID}, Shadow: &shadow, Deleted: &deleted})
	if err != nil {
		return err
	}
	var common []int32 // none means all
	for _, row := range rows {
		common = append(common, row.PodNum)
	}
	ids := slices.DeleteFunc(slices.Sorted(maps.Keys(networks)), func(id string) bool { return id == parent.Attrs["network_id"] })
	for _, id := range append([]string{textOf(parent.Attrs["network_id"])}, ids...) {
		if networks[id] == nil {
			continue
		}
		pods, err := p.reach(c, tx, networks[id])
		if err != nil {
			return err
		}
		switch {
		case len(pods) == 0:
			continue
		case len(common) == 0:
			common = pods
		default:
			common = slices.DeleteFunc(common, func(num int32) bool { return !slices.Contains(pods, num) })
		}
		if len(common) == 0 {
			return invalidInput("network %s of a subport cannot be in a pod where the trunk's parent port %s can be", id, parent.ID)
		}
	}
	return nil
}

// reach are the pods that a network can be in; none means all.
func (p *Plugin) reach(c *api.Call, tx store.Tx, network *store.Object) ([]int32, error) {
	pods := p.homes(network)
	if !network.InOnePod() {
		return pods, nil
	}
	rows, err := tx.Realizations(c.Context(), store.RealizationQuery{Kind: store.KindNetwork, TopIDs: []string{network.ID}})
	if err != nil || len(rows) == 0 {
		return pods, err
	}
	pods = nil
	for _, row := range rows {
		pods = append(pods, row.PodNum)
	}
	return pods, nil
}

// subportsAndNetworks returns those ports of subports that the caller sees, by the ids given, and the networks of them and of the parent.
func (p *Plugin) subportsAndNetworks(c *api.Call, tx store.Tx, parent *store.Object, given []map[string]any) (ports, networks map[string]*store.Object, err error) {
	q := store.ObjectQuery{Kind: store.KindPort}
	if !c.Admin && !c.Service {
		q.VisibleTo = c.ProjectID()
	}
	ids := make([]any, len(given))
	for i, subport := range given {
		ids[i] = subport["port_id"]
	}
	q.Filters = []store.Filter{{Attr: "id", Values: ids}}
	found, err := tx.List(c.Context(), q)
	if err != nil {
		return nil, nil, err
	}
	ports, networks = map[string]*store.Object{}, map[string]*store.Object{}
	on := []any{parent.Attrs["network_id"]}
	for _, port := range found {
		ports[port.ID] = port
		on = append(on, port.Attrs["network_id"])
	}
	found, err = tx.List(c.Context(), store.ObjectQuery{Kind: store.KindNetwork, Filters: []store.Filter{{Attr: "id", Values: on}}})
	for _, network := range found {
		networks[network.ID] = network
	}
	return ports, networks, err
}

// checkSubportMTU refuses a subport, if it is there, whose frames would not fit through the parent.
func checkSubportMTU(parent, port *store.Object, networks map[string]*store.Object) error {
	if port == nil {
		return nil
	}
	mtuOf := func(o *store.Object) *int64 {
		if network := networks[textOf(o.Attrs["network_id"])]; network != nil {
			return intOf(network.Attrs["mtu"])
		}
		return nil
	}
	through, own := mtuOf(parent), mtuOf(port)
	if through == nil || own == nil || *through == 0 || *own <= *through {
		return nil
	}
	return conflict("SubPortMtuGreaterThanTrunkPortMtu", "MTU %d of subport %s cannot be greater than MTU %d of trunk %s.",
		*own, port.ID, *through, parent.ID)
}

// segmentOf returns the type and id of a subport's segment. network is nil if its port is not there.
func segmentOf(subport map[string]any, network *store.Object) (map[string]any, error) {
	typ, typed := subport["segmentation_type"]
	segment, numbered := subport["segmentation_id"]
	if typ == inherit && network != nil {
		typ, segment, numbered = network.Attrs["provider:network_type"], network.Attrs["provider:segmentation_id"], true
	}
	if !typed || !numbered {
		return nil, invalidInput(lacksSegment, schema.Text(subport))
	}
	number, err := schema.ToInt(segment)
	switch {
	case err != nil:
		return nil, invalidInput("Invalid subport details: segmentation_id '%s' is not an integer", schema.Text(segment))
	case typ != "vlan":
		return nil, invalidInput("Unknown segmentation_type '%s'", schema.Text(typ))
	case *intOf(number) < 1 || *intOf(number) > maxVLAN:
		return nil, invalidInput("Segmentation ID '%s' is not in range", schema.Text(number))
	}
	return map[string]any{"segmentation_type": typ, "segmentation_id": number}, nil
}

// joinSubports adds subports to those that a trunk has, none of which may have the same segment.
func joinSubports(trunk string, have []map[string]any, added []any) ([]any, error) {
	all, taken := []any{}, map[int64]bool{}
	for _, subport := range have {
		all, taken[*intOf(subport["segmentation_id"])] = append(all, subport), true
	}
	for _, subport := range mapsOf(added) {
		segment := *intOf(subport["segmentation_id"])
		if taken[segment] {
			return nil, conflict("DuplicateSubPort", "segmentation_type %s and segmentation_id %d already in use on trunk %s.",
				textOf(subport["segmentation_type"]), segment, trunk)
		}
		all, taken[segment] = append(all, subport), true
	}
	return all, nil
}

// subportIDs are the ids of the ports of subports.
func subportIDs(subports any) []any {
	var ids []any
	for _, s := range mapsOf(subports) {
		ids = append(ids, s["port_id"])
	}
	return ids
}
