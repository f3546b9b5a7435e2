package policy

import "slices"

// Who may do things, as the rules below put it. What is looked up elsewhere, the owner of a network, comes last.
const (
	admin   = "rule:admin_only"
	service = "rule:service_api or rule:context_is_advsvc"
	anybody = "rule:regular_user"

	reader  = "(role:reader and project_id:%(project_id)s)"
	member  = "(role:member and project_id:%(project_id)s)"
	manager = "(role:manager and project_id:%(project_id)s)"

	networkReader  = "(role:reader and rule:network_owner)"
	networkMember  = "(role:member and rule:network_owner)"
	networkManager = "(role:manager and rule:network_owner)"
	groupReader    = "(role:reader and rule:sg_owner)"
	groupMember    = "(role:member and rule:sg_owner)"

	adminOrService = admin + " or " + service
	adminOrReader  = admin + " or " + reader
	adminOrMember  = admin + " or " + member
	// Whoever may do with ports what only the owner of the network should: other projects' ports on it are none of theirs.
	networkOwner = adminOrService + " or " + networkMember
)

// Neutron returns the rules that Neutron has by default for what the top serves (neutron/conf/policies, 2026, where the rules of
// older releases that knew no roles but admin are gone), with these differences: administrators may still set binding:profile
// and read quotas, zones and the use of addresses as in Zed, so may readers of a project its own; and what a rule must look up
// comes last in it.
func Neutron() []Rule {
	return slices.Concat(general, networks, subnets, ports, pools, groups, trunks, sharing)
}

var general = []Rule{
	{"context_is_admin", "role:admin"},
	{"context_is_advsvc", "role:advsvc"},
	{"service_api", "role:service"},
	{"owner", "project_id:%(project_id)s"},
	{"admin_only", "rule:context_is_admin"},
	{"admin_or_owner", "rule:context_is_admin or rule:owner"},
	{"network_owner", "project_id:%(network:project_id)s"},
	{"admin_or_network_owner", "rule:context_is_admin or rule:network_owner"},
	{"admin_owner_or_network_owner", "rule:owner or rule:admin_or_network_owner"},
	{"sg_owner", "project_id:%(security_group:project_id)s"},
	{"admin_or_sg_owner", "rule:context_is_admin or rule:sg_owner"},
	{"admin_owner_or_sg_owner", "rule:owner or rule:admin_or_sg_owner"},
	{"regular_user", ""},
	{"shared", "field:networks:shared=True"},
	{"external", "field:networks:router:external=True"},
	{"default", "rule:admin_or_owner"},
}

var networks = []Rule{
	{"create_network", adminOrMember},
	{"create_network:shared", admin},
	{"create_network:router:external", admin},
	{"create_network:is_default", admin},
	{"create_network:port_security_enabled", adminOrMember},
	{"create_network:segments", admin},
	{"create_network:provider:network_type", admin},
	{"create_network:provider:physical_network", admin},
	{"create_network:provider:segmentation_id", admin},
	{"get_network", adminOrReader + " or " + service + " or rule:external or rule:shared"},
	{"get_network:segments", admin},
	{"get_network:provider:network_type", admin},
	{"get_network:provider:physical_network", admin},
	{"get_network:provider:segmentation_id", admin},
	{"update_network", adminOrMember},
	{"update_network:shared", admin},
	{"update_network:router:external", admin},
	{"update_network:is_default", admin},
	{"update_network:port_security_enabled", adminOrMember},
	{"update_network:segments", admin},
	{"update_network:provider:network_type", admin},
	{"update_network:provider:physical_network", admin},
	{"update_network:provider:segmentation_id", admin},
	{"delete_network", adminOrMember},
	{"get_network_ip_availability", admin + " or rule:service_api"},
	{"get_availability_zone", anybody},
	{"get_agent", admin},
	{"get_auto_allocated_topology", adminOrReader},
	{"delete_auto_allocated_topology", adminOrMember},
}

var subnets = []Rule{
	{"create_subnet", admin + " or " + networkMember},
	{"create_subnet:segment_id", admin},
	{"create_subnet:service_types", admin},
	{"get_subnet", adminOrReader + " or rule:service_api or " + networkReader + " or rule:shared or rule:external"},
	{"get_subnet:segment_id", admin},
	{"update_subnet", adminOrMember + " or " + networkMember},
	{"update_subnet:segment_id", admin},
	{"update_subnet:service_types", admin},
	{"delete_subnet", adminOrMember + " or " + networkMember},
}

var ports = []Rule{
	{"network_device", "field:port:device_owner=~^network:"},
	{"create_port", networkOwner + " or rule:shared"},
	{"create_port:device_id", adminOrMember + " or " + service},
	{"create_port:device_owner", "not rule:network_device or " + networkOwner},
	{"create_port:mac_address", networkOwner},
	{"create_port:fixed_ips", networkOwner + " or rule:shared"},
	{"create_port:fixed_ips:ip_address", networkOwner},
	{"create_port:fixed_ips:subnet_id", networkOwner + " or rule:shared"},
	{"create_port:port_security_enabled", networkOwner},
	{"create_port:binding:host_id", adminOrService},
	{"create_port:binding:profile", adminOrService},
	{"create_port:binding:vnic_type", adminOrMember + " or " + service},
	{"create_port:allowed_address_pairs", networkOwner},
	{"create_port:allowed_address_pairs:mac_address", networkOwner},
	{"create_port:allowed_address_pairs:ip_address", networkOwner},
	{"get_port", adminOrReader + " or " + service + " or " + networkReader},
	{"get_port:binding:vif_type", adminOrService},
	{"get_port:binding:vif_details", adminOrService},
	{"get_port:binding:host_id", adminOrService},
	{"get_port:binding:profile", adminOrService},
	{"get_port:resource_request", admin},
	{"update_port", adminOrMember + " or " + service},
	{"update_port:device_id", adminOrMember + " or " + service},
	{"update_port:device_owner", "not rule:network_device or " + networkOwner},
	{"update_port:mac_address", adminOrService + " or " + networkManager},
	{"update_port:fixed_ips", networkOwner},
	{"update_port:fixed_ips:ip_address", networkOwner},
	{"update_port:fixed_ips:subnet_id", networkOwner + " or rule:shared"},
	{"update_port:port_security_enabled", networkOwner},
	{"update_port:binding:host_id", adminOrService},
	{"update_port:binding:profile", adminOrService},
	{"update_port:binding:vnic_type", adminOrMember + " or " + service},
	{"update_port:allowed_address_pairs", networkOwner},
	{"update_port:allowed_address_pairs:mac_address", networkOwner},
	{"update_port:allowed_address_pairs:ip_address", networkOwner},
	{"update_port:data_plane_status", admin + " or role:data_plane_integrator"},
	{"delete_port", adminOrMember + " or " + service + " or " + networkMember},
}

var pools = []Rule{
	{"shared_subnetpools", "field:subnetpools:shared=True"},
	{"create_subnetpool", adminOrMember},
	{"create_subnetpool:shared", admin},
	{"create_subnetpool:is_default", admin},
	{"get_subnetpool", adminOrReader + " or rule:shared_subnetpools"},
	{"update_subnetpool", adminOrMember},
	{"update_subnetpool:is_default", admin},
	{"delete_subnetpool", adminOrMember},
	{"onboard_network_subnets", adminOrMember},
	{"add_prefixes", adminOrMember},
	{"remove_prefixes", adminOrMember},
	{"shared_address_scopes", "field:address_scopes:shared=True"},
	{"create_address_scope", adminOrMember},
	{"create_address_scope:shared", admin},
	{"get_address_scope", adminOrReader + " or rule:shared_address_scopes"},
	{"update_address_scope", adminOrMember},
	{"update_address_scope:shared", admin},
	{"delete_address_scope", adminOrMember},
	{"create_address_group", adminOrMember},
	{"get_address_group", adminOrReader},
	{"update_address_group", adminOrMember},
	{"delete_address_group", adminOrMember},
}

var groups = []Rule{
	{"shared_security_group", "field:security_groups:shared=True"},
	{"create_security_group", adminOrMember},
	{"get_security_group", adminOrReader + " or rule:shared_security_group"},
	{"update_security_group", adminOrMember},
	{"delete_security_group", adminOrMember},
	{"create_security_group_rule", admin + " or " + groupMember},
	{"get_security_group_rule", adminOrReader + " or " + groupReader},
	{"delete_security_group_rule", admin + " or " + groupMember},
	{"create_default_security_group_rule", admin},
	{"get_default_security_group_rule", anybody},
	{"delete_default_security_group_rule", admin},
}

var trunks = []Rule{
	{"create_trunk", adminOrMember},
	{"get_trunk", adminOrReader},
	{"update_trunk", adminOrMember},
	{"delete_trunk", adminOrMember},
	{"get_subports", adminOrReader},
	{"add_subports", adminOrMember},
	{"remove_subports", adminOrMember},
}

var sharing = []Rule{
	{"restrict_wildcard", "rule:admin_only or (not field:rbac_policy:target_tenant=* and not field:rbac_policy:target_project=*)"},
	{"create_rbac_policy", adminOrMember},
	{"create_rbac_policy:target_tenant", "rule:restrict_wildcard"},
	{"create_rbac_policy:target_project", "rule:restrict_wildcard"},
	{"get_rbac_policy", adminOrReader},
	{"update_rbac_policy", adminOrMember},
	{"update_rbac_policy:target_tenant", "rule:restrict_wildcard"},
	{"update_rbac_policy:target_project", "rule:restrict_wildcard"},
	{"delete_rbac_policy", adminOrMember},
	{"get_quota", adminOrReader + " or " + manager},
	{"update_quota", admin},
	{"delete_quota", admin},
}
