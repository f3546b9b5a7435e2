package plugin

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/tricircle/tricircle/internal/neutron/api"
	"github.com/tricircle/tricircle/internal/neutron/schema"
	"github.com/tricircle/tricircle/internal/store"
)

// routerInterfaces are owners of ports by which routers are on a network (neutron_lib/constants.py, ROUTER_INTERFACE_OWNERS).
var routerInterfaces = []any{"network:router_interface", "network:ha_router_replicated_interface", "network:router_interface_distributed"}

// maxProfile bounds binding:profile, written as JSON (neutron/plugins/ml2/models.py, BINDING_PROFILE_LEN).
const maxProfile = 4095

func (p *Plugin) ports() api.Resource {
	return api.Resource{
		Kind: store.KindPort, Singular: "port", Plural: "ports", Collection: "ports",
		Standard: true, Tagged: true, NotFound: portNotFound,
		Attributes: []api.Attribute{
			{Name: "name", Post: true, Put: true, Default: "", Validate: schema.String(255)},
			{Name: "network_id", Post: true, Default: api.Required, Validate: schema.UUID},
			{Name: "mac_address", Post: true, Put: true, Default: api.Unset, Convert: schema.ToMAC,
				Validate: schema.OrNil(schema.MACAddress), Enforce: true},
			{Name: "admin_state_up", Post: true, Put: true, Default: true, Convert: schema.ToBool},
			{Name: "status", Live: true},
			{Name: "device_id", Post: true, Put: true, Default: "", Validate: schema.String(255)},
			{Name: "device_owner", Post: true, Put: true, Default: "", Validate: schema.String(255), Enforce: true},
			{Name: "fixed_ips", Post: true, Put: true, Default: api.Unset, Validate: schema.FixedIPs, Enforce: true, Filter: fixedIPsFilter,
				NoSort: true},
			{Name: "allowed_address_pairs", Post: true, Put: true, Default: emptyList, Convert: schema.NilToList,
				Validate: schema.AddressPairs(maxAddressPairs), Enforce: true, NoFilter: true, NoSort: true},
			{Name: "extra_dhcp_opts", Post: true, Put: true, Default: emptyList, Convert: schema.NilToList, Validate: validDHCPOptions,
				NoFilter: true, NoSort: true},
			{Name: "security_groups", Post: true, Put: true, Default: api.Unset, Convert: schema.NilToList, Validate: schema.UUIDList, NoSort: true},
			{Name: "port_security_enabled", Post: true, Put: true, Default: api.Unset, Convert: schema.ToBool, Enforce: true, NoFilter: true,
				NoSort: true},
			{Name: "binding:vnic_type", Post: true, Put: true, Default: "normal", Validate: schema.Values(vnicTypes...), Enforce: true,
				NoFilter: true, NoSort: true},
			{Name: "binding:host_id", Post: true, Put: true, Default: "", Enforce: true, NoSort: true, Live: true, Convert: schema.NilToString},
			{Name: "binding:profile", Post: true, Put: true, Default: emptyMap, Validate: validProfile, Convert: schema.NilToDict,
				Enforce: true, NoFilter: true, NoSort: true},
			{Name: "binding:vif_type", NoFilter: true, NoSort: true},
			{Name: "binding:vif_details", NoFilter: true, NoSort: true},
			{Name: "ip_allocation"},
			{Name: "dns_name", Post: true, Put: true, Default: "", Convert: schema.ToLower, Validate: schema.DNSName(p.o.DNSDomain),
				NoFilter: true, NoSort: true},
			{Name: "dns_domain", Post: true, Put: true, Default: "", Convert: schema.ToLower, Validate: schema.DNSDomain, NoFilter: true, NoSort: true},
			{Name: "dns_assignment", NoFilter: true, NoSort: true},
			{Name: "trunk_details", Sparse: true, NoFilter: true, NoSort: true},
		},
		Rules: api.Rules{Create: p.createPort, Update: p.updatePort, Updated: p.updatedPort,
			Delete: p.deletePort, Deleted: p.deletedPort, Show: p.showPorts},
	}
}

// vnicTypes are the kinds of virtual NICs (neutron_lib/api/definitions/portbindings.py, Zed).
var vnicTypes = []any{"normal", "direct", "macvtap", "baremetal", "direct-physical", "virtio-forwarder", "smart-nic", "vdpa",
	"accelerator-direct", "accelerator-direct-physical", "remote-managed"}

func emptyMap() any { return map[string]any{} }

func validProfile(v any) error {
	if err := schema.Dict(nil)(v); err != nil {
		return err
	}
	if text, err := json.Marshal(v); err != nil || len(text) > maxProfile {
		return invalidInput("binding:profile value too large")
	}
	return nil
}

// fixedIPsFilter reads fixed_ips=ip_address=10.0.0.3, and the same with subnet_id and ip_address_substr. Other keys count for nothing
// (neutron/db/db_base_plugin_v2.py, _get_ports_query).
func fixedIPsFilter(values []string) ([]store.Filter, error) {
	byKey := map[string][]any{}
	for _, v := range values {
		key, value, found := strings.Cut(v, "=")
		if !found {
			return nil, invalidInput("'%s' is not of the form <key>=[value]", v)
		}
		byKey[key] = append(byKey[key], value)
	}
	var filters []store.Filter
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		switch key {
		case "ip_address", "subnet_id":
			filters = append(filters, store.Filter{Attr: "fixed_ips." + key, Values: byKey[key]})
		case "ip_address_substr":
			filters = append(filters, store.Filter{Attr: "fixed_ips.ip_address", Op: store.Contains, Values: byKey[key]})
		}
	}
	return filters, nil
}

func (p *Plugin) createPort(c *api.Call, tx store.Tx, o *store.Object) error {
	ctx := c.Context()
	network, err := p.visible(c, tx, store.KindNetwork, textOf(o.Attrs["network_id"]))
	if err != nil {
		return err
	}
	if err := refuseRouterOwner(c, o); err != nil {
		return err
	}
	if err := p.completeMAC(ctx, tx, o); err != nil {
		return err
	}
	addressed := c.Gave("fixed_ips")
	if err := p.allocate(ctx, tx, o, addressed); err != nil {
		return err
	}
	o.Attrs["ip_allocation"] = "immediate"
	if addressed && len(mapsOf(o.Attrs["fixed_ips"])) == 0 {
		o.Attrs["ip_allocation"] = "none"
	}
	o.Attrs["status"], o.Attrs["binding:vif_type"], o.Attrs["binding:vif_details"] = "DOWN", "unbound", map[string]any{}
	if err := p.completePortSecurity(c, tx, network, o); err != nil {
		return err
	}
	completeAddressPairs(o)
	p.nameDNS(c, o)
	return nil
}

// refuseRouterOwner keeps users from posing as the interface of somebody else's router
// (neutron/db/db_base_plugin_v2.py, _enforce_device_owner_not_router_intf_or_device_id).
func refuseRouterOwner(c *api.Call, o *store.Object) error {
	if c.Admin || !slices.Contains(routerInterfaces, o.Attrs["device_owner"]) || o.Attrs["device_id"] == "" {
		return nil
	}
	return conflict("DeviceIDNotOwnedByTenant",
		"The following device_id %s is not owned by your tenant or matches another tenants router.", textOf(o.Attrs["device_id"]))
}

// isTrusted tells whether a port belongs to a service of the network itself, which security groups do not concern
// (neutron_lib/utils/net.py, is_port_trusted).
func isTrusted(o *store.Object) bool {
	return strings.HasPrefix(textOf(o.Attrs["device_owner"]), "network:")
}

// completePortSecurity settles port_security_enabled and security_groups of a new port
// (neutron/plugins/ml2/plugin.py, _portsec_ext_port_create_processing).
func (p *Plugin) completePortSecurity(c *api.Call, tx store.Tx, network, o *store.Object) error {
	if _, given := o.Attrs["port_security_enabled"]; !given {
		o.Attrs["port_security_enabled"] = network.Attrs["port_security_enabled"]
	}
	if isTrusted(o) {
		o.Attrs["port_security_enabled"] = false
	}
	groups, given := o.Attrs["security_groups"]
	secured := boolOf(o.Attrs["port_security_enabled"])
	switch {
	case !secured && len(mapsOf(o.Attrs["allowed_address_pairs"])) > 0:
		return addressPairsNeedSecurity()
	case !secured && given && len(textsOf(groups)) > 0 && !isTrusted(o):
		return groupsNeedSecurity()
	case given && !isTrusted(o):
		return p.findGroups(c, tx, o.ProjectID, textsOf(groups)...)
	case !secured:
		o.Attrs["security_groups"] = []any{}
		return nil
	}
	id, err := p.ensureDefaultGroup(c.Context(), tx, o.ProjectID)
	o.Attrs["security_groups"] = []any{id}
	return err
}

func addressPairsNeedSecurity() error {
	return conflict("AddressPairAndPortSecurityRequired",
		"Port Security must be enabled in order to have allowed address pairs on a port.")
}

func groupsNeedSecurity() error {
	return badRequest("PortSecurityAndIPRequiredForSecurityGroups",
		"Port security must be enabled and port must have an IP address in order to use security groups.")
}

// completeAddressPairs gives pairs without a MAC that of the port.
func completeAddressPairs(o *store.Object) {
	for _, pair := range mapsOf(o.Attrs["allowed_address_pairs"]) {
		if textOf(pair["mac_address"]) == "" {
			pair["mac_address"] = o.Attrs["mac_address"]
		}
	}
}

func (p *Plugin) updatePort(c *api.Call, tx store.Tx, old, updated *store.Object) error {
	if c.Gave("device_owner", "device_id") {
		if err := refuseRouterOwner(c, updated); err != nil {
			return err
		}
	}
	if err := p.updateMAC(c, tx, old, updated); err != nil {
		return err
	}
	if c.Gave("fixed_ips") || old.Attrs["mac_address"] != updated.Attrs["mac_address"] {
		if err := p.reallocate(c.Context(), tx, old, updated, c.Gave("fixed_ips")); err != nil {
			return err
		}
	}
	if c.Gave("extra_dhcp_opts") {
		updated.Attrs["extra_dhcp_opts"] = mergeDHCPOptions(old.Attrs["extra_dhcp_opts"], updated.Attrs["extra_dhcp_opts"])
	}
	completeAddressPairs(updated)
	p.nameDNS(c, updated)
	return p.updatePortSecurity(c, tx, updated)
}

// updatePortSecurity keeps port security, security groups and address pairs in agreement
// (neutron/plugins/ml2/plugin.py, _portsec_ext_port_update_processing).
func (p *Plugin) updatePortSecurity(c *api.Call, tx store.Tx, o *store.Object) error {
	groups := textsOf(o.Attrs["security_groups"])
	if boolOf(o.Attrs["port_security_enabled"]) {
		if c.Gave("security_groups") && !isTrusted(o) {
			return p.findGroups(c, tx, o.ProjectID, groups...)
		}
		return nil
	}
	switch {
	case len(mapsOf(o.Attrs["allowed_address_pairs"])) > 0:
		return addressPairsNeedSecurity()
	case len(groups) > 0 && c.Gave("security_groups"):
		return groupsNeedSecurity()
	case len(groups) > 0:
		return conflict("PortSecurityPortHasSecurityGroup",
			"Port has security group associated. Cannot disable port security or IP address until security group is removed.")
	}
	return nil
}

// mergeDHCPOptions changes, adds, and, where the value is null, removes options (neutron/db/extradhcpopt_db.py).
func mergeDHCPOptions(old, given any) []any {
	merged := mapsOf(old)
	for _, option := range mapsOf(given) {
		same := func(o map[string]any) bool {
			return o["opt_name"] == option["opt_name"] && versionOf(o) == versionOf(option)
		}
		merged = slices.DeleteFunc(merged, same)
		if option["opt_value"] != nil {
			merged = append(merged, option)
		}
	}
	list := make([]any, len(merged))
	for i, option := range merged {
		list[i] = option
	}
	return list
}

func versionOf(option map[string]any) int64 {
	if v := intOf(option["ip_version"]); v != nil {
		return *v
	}
	return 4
}

// membership are the attributes by which a port counts in security groups that admit their members.
var membership = []string{"security_groups", "fixed_ips", "mac_address", "port_security_enabled"}

func (p *Plugin) updatedPort(c *api.Call, tx store.Tx, old, updated *store.Object) error {
	changed := slices.ContainsFunc(membership, func(name string) bool { return !reflect.DeepEqual(old.Attrs[name], updated.Attrs[name]) })
	return p.enqueuePort(c.Context(), tx, updated, changed)
}

// deletePort refuses to delete ports of trunks, and of routers, which go with what they serve (neutron/services/trunk/rules.py,
// enforce_port_deletion_rules; neutron/db/l3_db.py, prevent_l3_port_deletion).
func (p *Plugin) deletePort(_ *api.Call, _ store.Tx, o *store.Object) error {
	if trunk := textOf(o.Attrs[store.AttrSubportOf]); trunk != "" {
		return conflict("PortInUseAsSubPort", "Port %s is currently a subport for trunk %s.", o.ID, trunk)
	}
	if trunk := textOf(o.Attrs[store.AttrTrunk]); trunk != "" {
		return conflict("PortInUseAsTrunkParent", "Port %s is currently a parent port for trunk %s.", o.ID, trunk)
	}
	switch owner := textOf(o.Attrs["device_owner"]); owner {
	case "network:router_interface", "network:router_gateway", "network:floatingip":
		if len(mapsOf(o.Attrs["fixed_ips"])) > 0 {
			return conflict("ServicePortInUse", "Port %s cannot be deleted directly via the port API: has device owner %s.", o.ID, owner)
		}
	}
	return nil
}

func (p *Plugin) deletedPort(c *api.Call, tx store.Tx, o *store.Object) error {
	return p.bury(c.Context(), tx, o)
}
