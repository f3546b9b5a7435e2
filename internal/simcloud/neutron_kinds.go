package simcloud

import (
	"net/netip"
	"slices"
	"strings"
)

// netKind is what distinguishes one collection.
type netKind struct {
	collection, singular string
	revision             int    // of a new object
	class, missing       string // of the error for an unknown id
	// defaults are the attributes a client may give, with what they are if it does not. They are made anew each time.
	defaults func() map[string]any
	admin    map[string]bool // attributes for administrators only
	fixed    map[string]bool // attributes that cannot be changed

	// Hooks, each may be nil. created completes a new object or refuses it; updating may change what was given.
	created  func(n *network, t *token, o *netObject) error
	updating func(n *network, t *token, o *netObject, given map[string]any) error
	deleting func(n *network, o *netObject) error
	computed func(n *network, o *netObject, view map[string]any)
	actions  map[string]func(n *network, c *call, o *netObject) error
}

// plural is the key of lists: the collection with underscores.
func (k *netKind) plural() string { return strings.ReplaceAll(k.collection, "-", "_") }

func names(all ...string) map[string]bool {
	m := map[string]bool{}
	for _, name := range all {
		m[name] = true
	}
	return m
}

// newNetKinds makes all kinds, by collection.
func newNetKinds() map[string]*netKind {
	all := map[string]*netKind{}
	for _, k := range []*netKind{networkKind(), subnetKind(), portKind(), routerKind(), groupKind(), ruleKind(), policyKind(),
		trunkKind()} {
		all[k.collection] = k
	}
	return all
}

func networkKind() *netKind {
	return &netKind{
		collection: "networks", singular: "network", revision: 1, class: "Network", missing: "Network %s could not be found.",
		admin: names("provider:network_type", "provider:physical_network", "provider:segmentation_id", "segments"),
		defaults: func() map[string]any {
			return map[string]any{
				"name": "", "admin_state_up": true, "mtu": 1442, "status": "ACTIVE", "shared": false, "router:external": false,
				"is_default": false, "port_security_enabled": true, "dns_domain": "", "qos_policy_id": nil,
				"availability_zone_hints": []any{}, "availability_zones": []any{}, "ipv4_address_scope": nil,
				"ipv6_address_scope": nil, "l2_adjacency": true,
			}
		},
		created: func(n *network, t *token, o *netObject) error {
			if (o.flag("shared") || o.flag("router:external")) && !t.admin() {
				return netForbidden("PolicyNotAuthorized",
					"(rule:create_network and rule:create_network:shared) is disallowed by policy")
			}
			for _, zone := range texts(o.attrs["availability_zone_hints"]) {
				if zone != n.pod.Zone {
					return netMissing("AvailabilityZoneNotFound", "AvailabilityZone %s could not be found.", zone)
				}
			}
			if o.attrs["provider:network_type"] == nil && o.attrs["segments"] == nil {
				n.segment++
				o.attrs["provider:network_type"], o.attrs["provider:segmentation_id"] = "geneve", n.segment
				o.attrs["provider:physical_network"] = nil
			} else if err := n.checkSegment(o); err != nil {
				return err
			}
			n.addMetadataPort(o)
			n.share(o, accessShared, o.flag("shared"))
			n.share(o, accessExternal, o.flag("router:external"))
			return nil
		},
		updating: func(n *network, _ *token, o *netObject, given map[string]any) error {
			for name, action := range map[string]string{"shared": accessShared, "router:external": accessExternal} {
				if wanted, ok := given[name].(bool); ok {
					n.share(o, action, wanted)
				}
			}
			return nil
		},
		deleting: func(n *network, o *netObject) error {
			for _, p := range n.objects["ports"] {
				if p.text("network_id") == o.id && p.text("device_owner") != distributed {
					return netConflict("NetworkInUse", "Unable to complete operation on network %s. There are one or "+
						"more ports still in use on the network, id for these ports is: %s.", o.id, p.id)
				}
			}
			for _, s := range n.subnets(o.id) {
				n.drop(n.kinds["subnets"], s)
			}
			for _, p := range n.policies(o.id) {
				n.drop(n.kinds["rbac-policies"], p)
			}
			return nil
		},
		computed: func(n *network, o *netObject, view map[string]any) {
			ids := []string{}
			for _, s := range n.subnets(o.id) {
				ids = append(ids, s.id)
			}
			view["subnets"] = ids
			if !o.flag("router:external") {
				delete(view, "is_default")
			}
		},
	}
}

// subnets of a network, by id.
func (n *network) subnets(network string) []*netObject {
	var all []*netObject
	for _, s := range n.objects["subnets"] {
		if s.text("network_id") == network {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b *netObject) int { return strings.Compare(a.id, b.id) })
	return all
}

func subnetKind() *netKind {
	return &netKind{
		collection: "subnets", singular: "subnet", class: "Subnet", missing: "Subnet %s could not be found.",
		fixed: names("network_id", "cidr", "ip_version", "subnetpool_id"),
		defaults: func() map[string]any {
			return map[string]any{
				"name": "", "network_id": "", "ip_version": 4, "subnetpool_id": nil, "enable_dhcp": true, "ipv6_ra_mode": nil,
				"ipv6_address_mode": nil, "gateway_ip": "", "cidr": "", "allocation_pools": []any{}, "host_routes": []any{},
				"dns_nameservers": []any{}, "service_types": []any{},
			}
		},
		created: func(n *network, t *token, o *netObject) error {
			net := n.objects["networks"][o.text("network_id")]
			if net == nil || !n.visible(t, n.kinds["networks"], net) {
				return n.kinds["networks"].notFound(o.text("network_id"))
			}
			cidr, err := netip.ParsePrefix(o.text("cidr"))
			if err != nil {
				return netInvalid("HTTPBadRequest", "Invalid input for cidr. Reason: '%s' is not a valid IP subnet.",
					o.text("cidr"))
			}
			cidr = cidr.Masked()
			o.attrs["cidr"] = cidr.String()
			for _, other := range n.subnets(net.id) {
				if p, err := netip.ParsePrefix(other.text("cidr")); err == nil && p.Overlaps(cidr) {
					return netInvalid("InvalidInput", "Invalid input for operation: Requested subnet with cidr: %s "+
						"for network: %s overlaps with another subnet.", cidr, net.id)
				}
			}
			first := cidr.Addr().Next()
			if gateway, ok := o.attrs["gateway_ip"].(string); ok && gateway == "" {
				o.attrs["gateway_ip"] = first.String()
			}
			if pools, ok := o.attrs["allocation_pools"].([]any); ok && len(pools) == 0 {
				start := first
				if o.text("gateway_ip") == first.String() {
					start = first.Next()
				}
				o.attrs["allocation_pools"] = []any{map[string]any{"start": start.String(), "end": lastOf(cidr).String()}}
			}
			n.changed(net)
			n.plugMetadata(o)
			return nil
		},
		deleting: func(n *network, o *netObject) error {
			for _, p := range n.objects["ports"] {
				if p.text("device_owner") != distributed && slices.ContainsFunc(fixedIPs(p), func(a address) bool { return a.subnet == o.id }) {
					return netConflict("SubnetInUse", "Unable to complete operation on subnet %s: One or more ports have "+
						"an IP allocation from this subnet.", o.id)
				}
			}
			n.unplugMetadata(o)
			return nil
		},
	}
}

// lastOf is the last address that a host can have: in IPv4, the one before broadcast.
func lastOf(p netip.Prefix) netip.Addr {
	raw := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(raw)*8; bit++ {
		raw[bit/8] |= 1 << (7 - bit%8)
	}
	last, _ := netip.AddrFromSlice(raw)
	if last.Is4() {
		return last.Prev()
	}
	return last
}

func groupKind() *netKind {
	return &netKind{
		collection: "security-groups", singular: "security_group", revision: 1, class: "SecurityGroup",
		missing: "Security group %s does not exist",
		fixed:   names("stateful"),
		defaults: func() map[string]any {
			return map[string]any{"name": "", "stateful": true, "shared": false}
		},
		created: func(n *network, t *token, o *netObject) error {
			if o.text("name") == "default" && t != nil {
				return netConflict("SecurityGroupDefaultAlreadyExists", "Default security group already exists.")
			}
			for _, ethertype := range []string{"IPv4", "IPv6"} {
				n.addRule(o, map[string]any{"ethertype": ethertype, "direction": "egress"})
			}
			return nil
		},
		deleting: func(n *network, o *netObject) error {
			if o.text("name") == "default" {
				return netConflict("SecurityGroupCannotRemoveDefault", "Insufficient rights for removing default security group.")
			}
			for _, p := range n.objects["ports"] {
				if slices.Contains(texts(p.attrs["security_groups"]), o.id) {
					return netConflict("SecurityGroupInUse", "Security Group %s in use.", o.id)
				}
			}
			for _, r := range n.rules(o.id) {
				n.drop(n.kinds["security-group-rules"], r)
			}
			return nil
		},
		computed: func(n *network, o *netObject, view map[string]any) {
			rules := []any{}
			for _, r := range n.rules(o.id) {
				rule := map[string]any{"id": r.id, "project_id": r.project, "tenant_id": r.project}
				for k, v := range r.attrs {
					rule[k] = v
				}
				rules = append(rules, rule)
			}
			view["security_group_rules"] = rules
		},
	}
}

func (n *network) rules(group string) []*netObject {
	var all []*netObject
	for _, r := range n.objects["security-group-rules"] {
		if r.text("security_group_id") == group {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b *netObject) int { return strings.Compare(a.id, b.id) })
	return all
}

func (n *network) addRule(group *netObject, attrs map[string]any) {
	r := n.newObject(n.kinds["security-group-rules"], group.project)
	r.attrs["security_group_id"] = group.id
	for k, v := range attrs {
		r.attrs[k] = v
	}
	n.objects["security-group-rules"][r.id] = r
}

// addDefaultGroup makes the group that Neutron makes for a project at its first request.
func (n *network) addDefaultGroup(project string) {
	o := n.newObject(n.kinds["security-groups"], project)
	o.id = stableUUID(n.pod.Region + " default group of " + project)
	o.attrs["name"], o.attrs["description"] = "default", "Default security group"
	n.objects["security-groups"][o.id] = o
	for _, ethertype := range []string{"IPv4", "IPv6"} {
		n.addRule(o, map[string]any{"ethertype": ethertype, "direction": "egress"})
		n.addRule(o, map[string]any{"ethertype": ethertype, "direction": "ingress", "remote_group_id": o.id})
	}
}

func ruleKind() *netKind {
	return &netKind{
		collection: "security-group-rules", singular: "security_group_rule", class: "SecurityGroupRule",
		missing: "Security group rule %s does not exist",
		defaults: func() map[string]any {
			return map[string]any{
				"security_group_id": "", "ethertype": "IPv4", "direction": "", "protocol": nil, "port_range_min": nil,
				"port_range_max": nil, "remote_ip_prefix": nil, "remote_address_group_id": nil, "remote_group_id": nil,
				"normalized_cidr": nil,
			}
		},
		created: func(n *network, t *token, o *netObject) error {
			group := n.objects["security-groups"][o.text("security_group_id")]
			if group == nil || !n.visible(t, n.kinds["security-groups"], group) {
				return n.kinds["security-groups"].notFound(o.text("security_group_id"))
			}
			if d := o.text("direction"); d != "ingress" && d != "egress" {
				return netInvalid("HTTPBadRequest", "Invalid input for direction. Reason: '%s' is not in "+
					"['ingress', 'egress'].", d)
			}
			o.attrs["normalized_cidr"] = o.attrs["remote_ip_prefix"]
			for _, r := range n.rules(group.id) {
				if sameRule(r, o) {
					return netConflict("SecurityGroupRuleExists", "Security group rule already exists. Rule id is %s.", r.id)
				}
			}
			return nil
		},
	}
}

func sameRule(a, b *netObject) bool {
	for _, name := range []string{"ethertype", "direction", "protocol", "port_range_min", "port_range_max", "remote_ip_prefix",
		"remote_group_id", "remote_address_group_id"} {
		if string(encode(a.attrs[name])) != string(encode(b.attrs[name])) {
			return false
		}
	}
	return true
}
