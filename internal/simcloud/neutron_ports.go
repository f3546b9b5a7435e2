package simcloud

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/tricircle/tricircle/internal/fault"
)

// address is one fixed IP.
type address struct{ subnet, ip string }

func portKind() *netKind {
	return &netKind{
		collection: "ports", singular: "port", revision: 1, class: "Port", missing: "Port %s could not be found.",
		admin: names("binding:host_id", "binding:profile", "binding:vif_type", "binding:vif_details"),
		fixed: names("network_id"),
		defaults: func() map[string]any {
			return map[string]any{
				"name": "", "network_id": "", "mac_address": "", "admin_state_up": true, "status": "DOWN", "device_id": "",
				"device_owner": "", "fixed_ips": nil, "port_security_enabled": true, "qos_policy_id": nil,
				"security_groups": nil, "binding:vnic_type": "normal", "allowed_address_pairs": []any{}, "extra_dhcp_opts": []any{},
				"dns_name": "", "dns_domain": "", "dns_assignment": []any{}, "qos_network_policy_id": nil, "ip_allocation": "immediate",
			}
		},
		created: func(n *network, t *token, o *netObject) error { return n.completePort(t, o) },
		updating: func(n *network, t *token, o *netObject, given map[string]any) error {
			if options, ok := given["extra_dhcp_opts"].([]any); ok {
				given["extra_dhcp_opts"] = changedOptions(o.attrs["extra_dhcp_opts"], options)
			}
			wanted, ok := given["fixed_ips"]
			if !ok {
				return nil
			}
			// On failure the port keeps what it had.
			old := o.attrs["fixed_ips"]
			n.free(o)
			o.attrs["fixed_ips"] = wanted
			if err := n.allocate(o); err != nil {
				o.attrs["fixed_ips"] = old
				for _, a := range fixedIPs(o) {
					n.used[a] = true
				}
				return err
			}
			given["fixed_ips"] = o.attrs["fixed_ips"]
			return nil
		},
		deleting: func(n *network, o *netObject) error {
			if owner := o.text("device_owner"); strings.HasPrefix(owner, "network:router") {
				return netConflict("ServicePortInUse", "Port %s cannot be deleted directly via the port API: has device "+
					"owner %s.", o.id, owner)
			}
			return n.checkTrunkPort(o)
		},
	}
}

// changedOptions are the DHCP options of a port after a PUT: those that it names are changed, or gone if their value is null.
func changedOptions(old any, given []any) []any {
	key := func(v any) string {
		option, _ := v.(map[string]any)
		return fmt.Sprint(option["opt_name"], "/", option["ip_version"])
	}
	all, _ := old.([]any)
	all = slices.Clone(all)
	for _, v := range given {
		all = slices.DeleteFunc(all, func(other any) bool { return key(other) == key(v) })
		if option, _ := v.(map[string]any); option["opt_value"] != nil {
			all = append(all, v)
		}
	}
	return all
}

func (n *network) completePort(t *token, o *netObject) error {
	net := n.objects["networks"][o.text("network_id")]
	if net == nil || !n.visible(t, n.kinds["networks"], net) {
		return n.kinds["networks"].notFound(o.text("network_id"))
	}
	if o.text("mac_address") == "" {
		o.attrs["mac_address"] = macOf(o.id)
	} else if n.macInUse(net.id, o.text("mac_address")) {
		return netConflict("MacAddressInUse", "Unable to complete operation for network %s. The mac address %s is in "+
			"use.", net.id, o.text("mac_address"))
	}
	if o.attrs["security_groups"] == nil {
		o.attrs["security_groups"] = []string{}
		if id, _ := n.groupNamed(o.project, "default"); id != "" && o.flag("port_security_enabled") {
			o.attrs["security_groups"] = []string{id}
		}
	}
	for _, id := range texts(o.attrs["security_groups"]) {
		if n.objects["security-groups"][id] == nil {
			return n.kinds["security-groups"].notFound(id)
		}
	}
	if o.text("binding:host_id") != "" {
		o.attrs["status"] = "ACTIVE"
	}
	o.attrs["binding:host_id"] = o.text("binding:host_id")
	o.attrs["binding:vif_type"], o.attrs["binding:vif_details"] = "unbound", map[string]any{}
	if o.text("binding:host_id") != "" {
		o.attrs["binding:vif_type"] = "ovs"
	}
	if o.attrs["binding:profile"] == nil {
		o.attrs["binding:profile"] = map[string]any{}
	}
	return n.allocate(o)
}

func macOf(id string) string { return "fa:16:3e:" + id[0:2] + ":" + id[2:4] + ":" + id[4:6] }

func (n *network) macInUse(network, mac string) bool {
	for _, p := range n.objects["ports"] {
		if p.text("network_id") == network && strings.EqualFold(p.text("mac_address"), mac) {
			return true
		}
	}
	return false
}

// fixedIPs reads the addresses of a port.
func fixedIPs(o *netObject) []address {
	var all []address
	list, _ := o.attrs["fixed_ips"].([]any)
	for _, entry := range list {
		m, _ := entry.(map[string]any)
		subnet, _ := m["subnet_id"].(string)
		ip, _ := m["ip_address"].(string)
		all = append(all, address{subnet, ip})
	}
	return all
}

// allocate gives a port the addresses it asks for: by default one of the first IPv4 subnet.
func (n *network) allocate(o *netObject) error {
	wanted := fixedIPs(o)
	subnets := n.subnets(o.text("network_id"))
	if o.attrs["fixed_ips"] == nil && len(subnets) > 0 {
		wanted = []address{{subnet: subnets[0].id}}
	}
	given := []any{}
	for _, w := range wanted {
		a, err := n.choose(o, subnets, w)
		if err != nil {
			n.free(&netObject{attrs: map[string]any{"fixed_ips": given}})
			return err
		}
		n.used[a] = true
		given = append(given, map[string]any{"subnet_id": a.subnet, "ip_address": a.ip})
	}
	o.attrs["fixed_ips"] = given
	return nil
}

func (n *network) choose(o *netObject, subnets []*netObject, w address) (address, error) {
	for _, s := range subnets {
		if w.subnet != "" && w.subnet != s.id {
			continue
		}
		cidr, err := netip.ParsePrefix(s.text("cidr"))
		if err != nil {
			return w, err
		}
		if w.ip == "" {
			if ip, ok := n.next(s); ok {
				return address{s.id, ip}, nil
			}
			return w, netConflict("IpAddressGenerationFailure", "No more IP addresses available on network %s.",
				o.text("network_id"))
		}
		ip, err := netip.ParseAddr(w.ip)
		if err != nil || !cidr.Contains(ip) {
			continue
		}
		a := address{s.id, ip.String()}
		if n.used[a] {
			return w, netConflict("IpAddressAlreadyAllocated", "IP address %s already allocated in subnet %s", w.ip, s.id)
		}
		return a, nil
	}
	if w.subnet != "" && w.ip == "" {
		return w, netInvalid("InvalidInput", "Invalid input for operation: Failed to create port on network %s, "+
			"because fixed_ips included invalid subnet %s.", o.text("network_id"), w.subnet)
	}
	return w, netInvalid("InvalidIpForNetwork", "IP address %s is not a valid IP for any of the subnets on the "+
		"specified network.", w.ip)
}

// next is the first free address of a subnet's pools.
func (n *network) next(subnet *netObject) (string, bool) {
	pools, _ := subnet.attrs["allocation_pools"].([]any)
	for _, entry := range pools {
		pool, _ := entry.(map[string]any)
		start, err1 := netip.ParseAddr(asString(pool["start"]))
		end, err2 := netip.ParseAddr(asString(pool["end"]))
		if err1 != nil || err2 != nil {
			continue
		}
		for ip := start; ip.Compare(end) <= 0; ip = ip.Next() {
			if !n.used[address{subnet.id, ip.String()}] {
				return ip.String(), true
			}
		}
	}
	return "", false
}

func (n *network) free(port *netObject) {
	for _, a := range fixedIPs(port) {
		delete(n.used, a)
	}
}

// The rest is Nova's side: what it does in Neutron for its servers.

// usable are the networks that "auto" can mean: the project's own, otherwise shared ones.
func (n *network) usable(t *token) []string {
	var own, shared []string
	for id, o := range n.objects["networks"] {
		switch {
		case o.flag("router:external"):
		case o.project == t.projectID():
			own = append(own, id)
		case o.flag("shared"):
			shared = append(shared, id)
		}
	}
	if len(own) == 0 {
		own = shared
	}
	slices.Sort(own)
	return own
}

// groupNamed finds a project's security group by name or id.
func (n *network) groupNamed(project, name string) (id, description string) {
	for _, g := range n.objects["security-groups"] {
		if g.id == name || g.project == project && g.text("name") == name {
			return g.id, g.text("description")
		}
	}
	return "", ""
}

func (n *network) hasGroup(t *token, name string) bool {
	id, _ := n.groupNamed(t.projectID(), name)
	return id != ""
}

// canPlug checks one entry of a boot request's networks; Nova answers 400 to what is missing.
func (n *network) canPlug(t *token, r netRequest) error {
	if r.Port != "" {
		p := n.objects["ports"][r.Port]
		switch {
		case p == nil || !n.visible(t, n.kinds["ports"], p):
			return fault.BadRequest("Port id %s could not be found.", r.Port)
		case p.text("device_id") != "":
			return fault.Conflict("Port %s is still in use.", r.Port)
		}
		return nil
	}
	net := n.objects["networks"][r.UUID]
	switch {
	case net == nil || !n.visible(t, n.kinds["networks"], net):
		return fault.BadRequest("Network %s could not be found.", r.UUID)
	case len(n.subnets(r.UUID)) == 0:
		return fault.BadRequest("Network %s requires a subnet in order to boot instances on.", r.UUID)
	}
	return nil
}

// misnames tells whether a server would get a port that a user has named otherwise. Nova finds that out on the server's host
// (nova/network/neutron.py, _validate_requested_port_ids, Zed).
func (n *network) misnames(s *server, requests []netRequest) bool {
	return slices.ContainsFunc(requests, func(r netRequest) bool {
		p := n.objects["ports"][r.Port]
		return p != nil && p.text("dns_name") != "" && p.text("dns_name") != s.hostname
	})
}

// plug gives a server ports. After a failure it has those that it had before.
func (n *network) plug(t *token, s *server, requests []netRequest) error {
	had := len(s.nics)
	for _, r := range requests {
		p := n.objects["ports"][r.Port]
		if r.Port == "" {
			p = n.newObject(n.kinds["ports"], s.project)
			p.attrs["network_id"] = r.UUID
			p.attrs["security_groups"] = n.groupIDs(s)
			if r.FixedIP != "" {
				p.attrs["fixed_ips"] = []any{map[string]any{"ip_address": r.FixedIP}}
			}
			if err := n.completePort(t, p); err != nil {
				n.unplug(s.nics[had:]...)
				s.nics = s.nics[:had]
				return fault.BadRequest("%s", fault.From(err).Message)
			}
			n.objects["ports"][p.id] = p
		} else if net := n.objects["networks"][p.text("network_id")]; net == nil || !n.visible(t, n.kinds["networks"], net) {
			continue // silently (nova/network/neutron.py, allocate_for_instance, Zed)
		}
		n.bind(p, s)
		s.nics = append(s.nics, n.nicOf(p, r.Port != ""))
		if r.Port != "" { // which has groups of its own
			s.groups = n.groupNames(s)
		}
	}
	return nil
}

// groupNames are the names of the groups that a server's ports are in, or ids of those without a name.
func (n *network) groupNames(s *server) (names []string) {
	for _, g := range n.groupsOf(s) {
		names = append(names, cmp.Or(g.text("name"), g.id))
	}
	return names
}

// groupsOf are the groups of a server's ports, or, if it has none, those that it asked for.
func (n *network) groupsOf(s *server) (groups []*netObject) {
	var ids []string
	for _, x := range s.nics {
		if p := n.objects["ports"][x.port]; p != nil {
			ids = append(ids, texts(p.attrs["security_groups"])...)
		}
	}
	if len(s.nics) == 0 {
		ids = n.groupIDs(s)
	}
	for _, id := range ids {
		if g := n.objects["security-groups"][id]; g != nil && !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	return groups
}

func (n *network) groupIDs(s *server) []string {
	var ids []string
	for _, name := range s.groups {
		if id, _ := n.groupNamed(s.project, name); id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}

func (n *network) bind(p *netObject, s *server) {
	p.attrs["device_id"], p.attrs["device_owner"], p.attrs["dns_name"] = s.id, "compute:"+n.pod.Zone, s.hostname
	p.attrs["binding:host_id"], p.attrs["status"] = n.pod.compute.hostOf(s, n.pod.cloud.opts.Now()), "ACTIVE"
	n.changed(p)
	n.carry(p)
}

// nicOf is a port as the server knows it. given tells that the user made the port, which outlives the server then.
func (n *network) nicOf(p *netObject, given bool) *nic {
	x := &nic{port: p.id, network: p.text("network_id"), mac: p.text("mac_address"), given: given}
	if net := n.objects["networks"][x.network]; net != nil {
		x.networkName = net.text("name")
	}
	if ips := fixedIPs(p); len(ips) > 0 {
		x.subnet, x.address = ips[0].subnet, ips[0].ip
	}
	return x
}

// unplug ends ports: those that Nova made are deleted, those that the user made are free again.
func (n *network) unplug(nics ...*nic) {
	for _, x := range nics {
		p := n.objects["ports"][x.port]
		switch {
		case p == nil:
		case x.given:
			p.attrs["device_id"], p.attrs["device_owner"], p.attrs["binding:host_id"], p.attrs["status"] = "", "", "", "DOWN"
			p.attrs["dns_name"] = ""
			n.changed(p)
			n.carry(p)
		default:
			n.drop(n.kinds["ports"], p)
		}
	}
}
