package simcloud

import (
	"maps"
	"slices"
)

// trunkKind is a port, the parent, that carries others, its subports. Like ML2/OVN it takes parents that servers have, and its subports
// are where the parent is.
func trunkKind() *netKind {
	return &netKind{
		collection: "trunks", singular: "trunk", class: "Trunk", missing: "Trunk %s could not be found.",
		fixed: names("port_id", "sub_ports", "status"),
		defaults: func() map[string]any {
			return map[string]any{"name": "", "port_id": "", "admin_state_up": true, "status": "DOWN", "sub_ports": []any{}}
		},
		created: func(n *network, t *token, o *netObject) error {
			if err := n.checkUntrunked(t, o.text("port_id")); err != nil {
				return err
			}
			given, _ := o.attrs["sub_ports"].([]any)
			o.attrs["sub_ports"] = []any{}
			o.attrs["status"] = "ACTIVE"
			return n.addSubports(t, o, given)
		},
		deleting: func(n *network, o *netObject) error {
			if err := checkTrunkUp(o); err != nil {
				return err
			}
			for _, id := range subports(o) {
				n.dropSubport(id)
			}
			return nil
		},
		actions: map[string]func(*network, *call, *netObject) error{
			"add_subports": func(n *network, c *call, o *netObject) error {
				return n.changeSubports(c, o, func(given []any) error { return n.addSubports(c.tok, o, given) })
			},
			"remove_subports": func(n *network, c *call, o *netObject) error {
				return n.changeSubports(c, o, func(given []any) error { return n.removeSubports(o, given) })
			},
		},
	}
}

func checkTrunkUp(trunk *netObject) error {
	if trunk.flag("admin_state_up") {
		return nil
	}
	return netConflict("TrunkDisabled", "Trunk %s is currently disabled.", trunk.id)
}

// subports are the ids of the ports that a trunk carries.
func subports(trunk *netObject) (ids []string) {
	list, _ := trunk.attrs["sub_ports"].([]any)
	for _, entry := range list {
		subport, _ := entry.(map[string]any)
		ids = append(ids, asString(subport["port_id"]))
	}
	return ids
}

// trunkOf returns the trunk that a port is in, or nil, and whether it is the parent.
func (n *network) trunkOf(port string) (trunk *netObject, parent bool) {
	for _, o := range n.objects["trunks"] {
		if o.text("port_id") == port {
			return o, true
		}
		if slices.Contains(subports(o), port) {
			return o, false
		}
	}
	return nil, false
}

// checkTrunkPort refuses to delete a port that is in a trunk.
func (n *network) checkTrunkPort(o *netObject) error {
	trunk, parent := n.trunkOf(o.id)
	switch {
	case trunk == nil:
		return nil
	case parent:
		return netConflict("PortInUseAsTrunkParent", "Port %s is currently a parent port for trunk %s.", o.id, trunk.id)
	}
	return netConflict("PortInUseAsSubPort", "Port %s is currently a subport for trunk %s.", o.id, trunk.id)
}

// checkUntrunked refuses a port that is not there, or in a trunk already.
func (n *network) checkUntrunked(t *token, id string) error {
	port := n.objects["ports"][id]
	if port == nil || !n.visible(t, n.kinds["ports"], port) {
		return n.kinds["ports"].notFound(id)
	}
	trunk, parent := n.trunkOf(id)
	switch {
	case trunk == nil:
		return nil
	case parent:
		return netConflict("ParentPortInUse", "Port %s is currently in use and is not eligible for use as a parent port.", id)
	}
	return netConflict("TrunkPortInUse", "Port %s is in use by another trunk.", id)
}

// changeSubports serves add_subports and remove_subports.
func (n *network) changeSubports(c *call, trunk *netObject, change func(given []any) error) error {
	var given []any
	if err := c.decodeIn("sub_ports", &given); err != nil {
		return netInvalid("HTTPBadRequest", "Unable to find 'sub_ports' in request body")
	}
	if err := checkTrunkUp(trunk); err != nil {
		return err
	}
	if err := change(given); err != nil {
		return err
	}
	n.changed(trunk)
	*c.body = append(*c.body, encode(n.view(c, n.kinds["trunks"], trunk, nil))...)
	return nil
}

// addSubports makes ports subports of a trunk, all or none.
func (n *network) addSubports(t *token, trunk *netObject, given []any) error {
	parent := n.objects["ports"][trunk.text("port_id")]
	have, _ := trunk.attrs["sub_ports"].([]any)
	tags := map[any]bool{}
	for _, entry := range have {
		tags[entry.(map[string]any)["segmentation_id"]] = true
	}
	for _, entry := range given {
		subport, _ := entry.(map[string]any)
		id, tag := asString(subport["port_id"]), subport["segmentation_id"]
		if err := n.checkUntrunked(t, id); err != nil {
			return err
		}
		if port := n.objects["ports"][id]; port.text("device_id") != "" {
			return netConflict("PortInUse", "Unable to complete operation on port %s for network %s. Port already has an attached device %s.",
				id, port.text("network_id"), port.text("device_id"))
		}
		if tags[tag] {
			return netConflict("DuplicateSubPort", "segmentation_type %s and segmentation_id %v already in use on trunk %s.",
				asString(subport["segmentation_type"]), tag, trunk.id)
		}
		tags[tag] = true
	}
	for _, entry := range given {
		subport := entry.(map[string]any)
		port := n.objects["ports"][asString(subport["port_id"])]
		port.attrs["device_owner"] = "trunk:subport"
		port.attrs["binding:profile"] = map[string]any{"parent_name": parent.id, "tag": subport["segmentation_id"]}
		follow(port, parent)
		n.changed(port)
		have = append(have, entry)
	}
	trunk.attrs["sub_ports"] = have
	return nil
}

func (n *network) removeSubports(trunk *netObject, given []any) error {
	have, _ := trunk.attrs["sub_ports"].([]any)
	left := slices.Clone(have)
	var gone []string
	for _, entry := range given {
		subport, _ := entry.(map[string]any)
		id := asString(subport["port_id"])
		i := slices.IndexFunc(left, func(e any) bool { return e.(map[string]any)["port_id"] == id })
		if i < 0 {
			return netMissing("SubPortNotFound", "SubPort %s on trunk %s could not be found.", id, trunk.id)
		}
		left, gone = slices.Delete(left, i, i+1), append(gone, id)
	}
	trunk.attrs["sub_ports"] = left
	for _, id := range gone {
		n.dropSubport(id)
	}
	return nil
}

// dropSubport makes a subport a port like others.
func (n *network) dropSubport(id string) {
	if port := n.objects["ports"][id]; port != nil {
		maps.Copy(port.attrs, map[string]any{"device_owner": "", "binding:profile": map[string]any{}, "binding:host_id": "", "status": "DOWN"})
		n.changed(port)
	}
}

// follow makes a subport be where its parent is.
func follow(subport, parent *netObject) {
	subport.attrs["binding:host_id"], subport.attrs["status"] = parent.attrs["binding:host_id"], parent.attrs["status"]
}

// carry makes the subports of a port, if it is a parent, be where it is.
func (n *network) carry(parent *netObject) {
	trunk, isParent := n.trunkOf(parent.id)
	if !isParent {
		return
	}
	for _, id := range subports(trunk) {
		if port := n.objects["ports"][id]; port != nil {
			follow(port, parent)
		}
	}
}
