package simcloud

import "slices"

// What ML2/OVN does of itself, as a client sees it.

// distributed is the owner of the port that OVN has on each network for the metadata service. It is on all hosts.
const distributed = "network:distributed"

// checkSegment refuses segments that another network has (neutron/plugins/ml2/drivers/helpers.py, Zed).
func (n *network) checkSegment(o *netObject) error {
	for _, wanted := range segmentsOf(o) {
		if wanted["provider:segmentation_id"] == nil {
			continue
		}
		for _, other := range n.objects["networks"] {
			if slices.ContainsFunc(segmentsOf(other), func(segment map[string]any) bool { return sameSegment(segment, wanted) }) {
				return netConflict("VlanIdInUse", "Unable to create the network. The VLAN %s on physical network %s is in use.",
					filterText(wanted["provider:segmentation_id"]), filterText(wanted["provider:physical_network"]))
			}
		}
	}
	return nil
}

// segmentsOf are the segments of a network by their provider attributes, which are its own if there is one.
func segmentsOf(o *netObject) (all []map[string]any) {
	list, several := o.attrs["segments"].([]any)
	if !several {
		return []map[string]any{o.attrs}
	}
	for _, item := range list {
		segment, _ := item.(map[string]any)
		all = append(all, segment)
	}
	return all
}

func sameSegment(a, b map[string]any) bool {
	for _, name := range []string{"provider:network_type", "provider:physical_network", "provider:segmentation_id"} {
		if filterText(a[name]) != filterText(b[name]) {
			return false
		}
	}
	return true
}

func (n *network) addMetadataPort(net *netObject) {
	p := n.newObject(n.kinds["ports"], net.project)
	p.attrs["network_id"], p.attrs["device_id"], p.attrs["device_owner"] = net.id, "ovnmeta-"+net.id, distributed
	p.attrs["mac_address"], p.attrs["fixed_ips"], p.attrs["security_groups"] = macOf(p.id), []any{}, []string{}
	p.attrs["binding:host_id"], p.attrs["binding:vif_type"], p.attrs["binding:vif_details"] = "", "unbound", map[string]any{}
	p.attrs["binding:profile"], p.attrs["port_security_enabled"] = map[string]any{}, false
	n.objects["ports"][p.id] = p
}

func (n *network) metadataPort(network string) *netObject {
	for _, p := range n.objects["ports"] {
		if p.text("network_id") == network && p.text("device_owner") == distributed {
			return p
		}
	}
	return nil
}

// plugMetadata gives the metadata port an address of a new subnet that has DHCP, if the pools have one.
func (n *network) plugMetadata(subnet *netObject) {
	p := n.metadataPort(subnet.text("network_id"))
	if p == nil || !subnet.flag("enable_dhcp") {
		return
	}
	if ip, ok := n.next(subnet); ok {
		n.used[address{subnet.id, ip}] = true
		ips, _ := p.attrs["fixed_ips"].([]any)
		p.attrs["fixed_ips"] = append(slices.Clone(ips), map[string]any{"subnet_id": subnet.id, "ip_address": ip})
	}
}

func (n *network) unplugMetadata(subnet *netObject) {
	p := n.metadataPort(subnet.text("network_id"))
	if p == nil {
		return
	}
	left := []any{}
	for _, a := range fixedIPs(p) {
		if a.subnet == subnet.id {
			delete(n.used, a)
		} else {
			left = append(left, map[string]any{"subnet_id": a.subnet, "ip_address": a.ip})
		}
	}
	p.attrs["fixed_ips"] = left
}
