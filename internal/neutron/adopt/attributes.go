package adopt

import (
	"strings"

	"github.com/tricircle/tricircle/internal/southbound"
	"github.com/tricircle/tricircle/internal/store"
)

// copied are the attributes of the API that an object of the top has as the pod says. Names, descriptions and tags are copied of all.
var copied = map[store.ObjectKind][]string{
	store.KindNetwork: {"admin_state_up", "status", "router:external", "mtu", "port_security_enabled", "dns_domain"},
	store.KindSubnet: {"ip_version", "enable_dhcp", "ipv6_ra_mode", "ipv6_address_mode", "gateway_ip", "cidr", "allocation_pools",
		"host_routes", "dns_nameservers", "service_types"},
	store.KindPort: {"mac_address", "admin_state_up", "device_id", "device_owner", "allowed_address_pairs", "extra_dhcp_opts",
		"port_security_enabled", "binding:vnic_type", "ip_allocation", "dns_name", "dns_domain"},
	store.KindSecurityGroup: {"stateful"},
	store.KindSecurityGroupRule: {"direction", "ethertype", "protocol", "port_range_min", "port_range_max", "remote_ip_prefix",
		"normalized_cidr"},
}

// fresh are attributes that begin as they do of what the top makes: what the pod has there means nothing at the top, or is read
// from it each time.
func fresh(kind store.ObjectKind) map[string]any {
	switch kind {
	case store.KindNetwork:
		return map[string]any{"is_default": false, "l2_adjacency": true, "availability_zone_hints": []any{},
			"ipv4_address_scope": nil, "ipv6_address_scope": nil}
	case store.KindSubnet:
		return map[string]any{"subnetpool_id": nil}
	case store.KindPort:
		return map[string]any{"status": "DOWN", "binding:host_id": "", "binding:profile": map[string]any{}, "binding:vif_type": "unbound",
			"binding:vif_details": map[string]any{}}
	}
	return map[string]any{}
}

// object is what the top has of an object of the pod, but for what refers to others.
func (a *adoption) object(kind store.ObjectKind, seen southbound.Object) *store.Object {
	o := &store.Object{Kind: kind, ID: seen.ID(), ProjectID: seen.Text("project_id"), Revision: 1, Attrs: fresh(kind)}
	if revision, ok := seen["revision_number"].(float64); ok {
		o.Revision = int64(revision)
	}
	for _, name := range copied[kind] {
		o.Attrs[name] = seen[name]
	}
	o.Attrs["name"], o.Attrs["description"], o.Attrs["tags"] = seen.Text("name"), seen["description"], []any{}
	if tags, ok := seen["tags"].([]any); ok {
		o.Attrs["tags"] = tags
	}
	if owned(seen) {
		o.Attrs["description"] = ""
	}
	return o
}

// owned tells whether a description is a find-key rather than words of a user.
func owned(seen southbound.Object) bool {
	return strings.HasPrefix(seen.Text("description"), "tricircle:")
}
