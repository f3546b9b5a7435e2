package api

import (
	"fmt"
	"net/http"

	"github.com/tricircle/tricircle/internal/fault"
)

// extension is how the API tells of a part of itself (neutron_lib/api/definitions, Zed).
type extension struct {
	Alias       string     `json:"alias"`
	Name        string     `json:"name"`
	Description string     `json:"description"`
	Updated     string     `json:"updated"`
	Links       []struct{} `json:"links"`
}

// known are the extensions that a plugin can say it has: alias, name, time of the last change of its definition, description.
var known = [][4]string{
	{"address-group", "Address group", "2020-07-15T10:00:00-00:00", "Support address group"},
	{"address-scope", "Address scope", "2015-07-26T10:00:00-00:00", "Address scopes extension."},
	{"allowed-address-pairs", "Allowed Address Pairs", "2013-07-23T10:00:00-00:00", "Provides allowed address pairs"},
	{"auto-allocated-topology", "Auto Allocated Topology Services", "2016-01-01T00:00:00-00:00", "Auto Allocated Topology Services."},
	{"availability_zone", "Availability Zone", "2015-01-01T10:00:00-00:00", "The availability zone extension."},
	{"binding", "Port Binding", "2014-02-03T10:00:00-00:00", "Expose port bindings of a virtual port to external application"},
	{"binding-extended", "Port Bindings Extended", "2017-07-17T10:00:00-00:00",
		"Expose port bindings of a virtual port to external application"},
	{"default-subnetpools", "Default Subnetpools", "2016-02-18T18:00:00-00:00",
		"Provides ability to mark and use a subnetpool as the default."},
	{"dns-domain-ports", "dns_domain for ports", "2017-04-24T10:00:00-00:00",
		"Allows the DNS domain to be specified for a network port."},
	{"dns-integration", "DNS Integration", "2015-08-15T18:00:00-00:00", "Provides integration with DNS."},
	{"empty-string-filtering", "Empty String Filtering Extension", "2018-05-01T10:00:00-00:00",
		"Allow filtering by attributes with empty string value"},
	{"external-net", "Neutron external network", "2013-01-14T10:00:00-00:00", "Adds external network attribute to network resource."},
	{"extra_dhcp_opt", "Neutron Extra DHCP options", "2013-03-17T12:00:00-00:00",
		"Extra options configuration for DHCP. For example PXE boot options to DHCP clients can be specified " +
			"(e.g. tftp-server, server-ip-address, bootfile-name)"},
	{"filter-validation", "Filter parameters validation", "2018-07-04T10:00:00-00:00", "Provides validation on filter parameters."},
	{"ip-substring-filtering", "IP address substring filtering", "2017-11-28T09:00:00-00:00",
		"Provides IP address substring filtering when listing ports"},
	{"ip_allocation", "IP Allocation", "2016-06-10T23:00:00-00:00", "IP allocation extension."},
	{"l2_adjacency", "L2 Adjacency", "2016-04-12T16:00:00-00:00", "Display L2 Adjacency for Neutron Networks."},
	{"multi-provider", "Multi Provider Network", "2013-06-27T10:00:00-00:00",
		"Expose mapping of virtual networks to multiple physical networks"},
	{"net-mtu", "Network MTU", "2015-03-25T10:00:00-00:00", "Provides MTU attribute for a network resource."},
	{"net-mtu-writable", "Network MTU (writable)", "2017-07-12T00:00:00-00:00",
		"Provides a writable MTU attribute for a network resource."},
	{"network-ip-availability", "Network IP Availability", "2015-09-24T00:00:00-00:00",
		"Provides IP availability data for each network and subnet."},
	{"network_availability_zone", "Network Availability Zone", "2015-01-01T10:00:00-00:00", "Availability zone support for network."},
	{"pagination", "Pagination support", "2016-06-12T00:00:00-00:00", "Extension that indicates that pagination is enabled."},
	{"port-mac-address-regenerate", "Neutron Port MAC address regenerate", "2018-05-03T10:00:00-00:00",
		"Network port MAC address regenerate"},
	{"port-security", "Port Security", "2012-07-23T10:00:00-00:00", "Provides port security"},
	{"port-security-groups-filtering", "Port filtering on security groups", "2018-01-09T09:00:00-00:00",
		"Provides security groups filtering when listing ports"},
	{"project-id", "project_id field enabled", "2016-09-09T09:09:09-09:09", "Extension that indicates that project_id field is enabled."},
	{"provider", "Provider Network", "2012-09-07T10:00:00-00:00", "Expose mapping of virtual networks to physical networks"},
	{"quota-check-limit", "Quota engine limit check", "2021-09-08T16:00:00-00:00",
		"Support for checking the resource usage before applying a new quota limit"},
	{"quota_details", "Quota details management support", "2017-02-10T10:00:00-00:00",
		"Expose functions for quotas usage statistics per project"},
	{"quotas", "Quota management support", "2012-07-29T10:00:00-00:00", "Expose functions for quotas management per project"},
	{"rbac-address-scope", "Add address_scope type to RBAC", "2020-02-12T00:00:00-00:00", "Add address_scope type to RBAC"},
	{"rbac-policies", "RBAC Policies", "2015-06-17T12:15:12-00:00",
		"Allows creation and modification of policies that control tenant access to resources."},
	{"rbac-security-groups", "Add security_group type to network RBAC", "2019-02-14T00:00:00-00:00",
		"Add security_group type to network RBAC"},
	{"rbac-subnetpool", "Add subnetpool type to RBAC", "2020-02-05T00:00:00-00:00", "Add subnetpool type to RBAC"},
	{"revision-if-match", "If-Match constraints based on revision_number", "2016-12-11T00:00:00-00:00",
		"Extension indicating that If-Match based on revision_number is supported."},
	{"security-group", "security-group", "2012-10-05T10:00:00-00:00", "The security groups extension."},
	{"security-groups-default-rules", "Default rules for security groups", "2022-12-19T10:00:00-00:00",
		"Configure set of security group rules used as default rules for every new security group"},
	{"security-groups-normalized-cidr", "Normalized CIDR field for security group rules", "2020-07-28T10:00:00-00:00",
		"Add new field with normalized remote_ip_prefix cidr in SG rule"},
	{"security-groups-remote-address-group", "Remote address group id field for security group rules", "2020-08-25T10:00:00-00:00",
		"Add new field of remote address group id in SG rules"},
	{"security-groups-shared-filtering", "Security group filtering on the shared field", "2021-10-05T09:00:00-00:00",
		"Support filtering security groups on the shared field"},
	{"service-type", "Neutron Service Type Management", "2013-01-20T00:00:00-00:00",
		"API for retrieving service providers for Neutron advanced services"},
	{"sorting", "Sorting support", "2016-06-12T00:00:00-00:00", "Extension that indicates that sorting is enabled."},
	{"standard-attr-description", "standard-attr-description", "2016-02-10T10:00:00-00:00",
		"Extension to add descriptions to standard attributes"},
	{"standard-attr-revisions", "Resource revision numbers", "2016-04-11T10:00:00-00:00",
		"This extension will display the revision number of neutron resources."},
	{"standard-attr-tag", "Tag support for resources with standard attribute: port, subnet, subnetpool, network, security_group, " +
		"router, floatingip, policy, trunk, network_segment_range", "2017-01-01T00:00:00-00:00",
		"Enables to set tag on resources with standard attribute."},
	{"standard-attr-timestamp", "Resource timestamps", "2016-09-12T10:00:00-00:00",
		"Adds created_at and updated_at fields to all Neutron resources that have Neutron standard attributes."},
	{"stateful-security-group", "Stateful security group", "2019-11-26T09:00:00-00:00",
		"Indicates if the security group is stateful or not"},
	{"subnet-service-types", "Subnet service types", "2016-03-15T18:00:00-00:00",
		"Provides ability to set the subnet service_types field"},
	{"subnet_allocation", "Subnet Allocation", "2015-03-30T10:00:00-00:00", "Enables allocation of subnets from a subnet pool"},
	{"subnet_onboard", "Subnet Onboard", "2018-12-18T09:00:00-00:00", "Provides support for onboarding subnets into subnet pools"},
	{"subnetpool-prefix-ops", "Subnet Pool Prefix Operations", "2019-02-08T10:00:00-00:00",
		"Provides support for adjusting the prefix list of subnet pools"},
	{"tag-ports-during-bulk-creation", "Tag Ports During Bulk Creation", "2019-12-29T19:00:00-00:00",
		"Allow to tag ports during bulk creation"},
	{"trunk", "Trunk Extension", "2016-01-01T10:00:00-00:00", "Provides support for trunk ports"},
	{"trunk-details", "Trunk port details", "2016-01-01T10:00:00-00:00", "Expose trunk port details"},
}

// describe turns aliases into what is told of them.
func describe(aliases []string) ([]extension, error) {
	byAlias := make(map[string]extension, len(known))
	for _, k := range known {
		byAlias[k[0]] = extension{Alias: k[0], Name: k[1], Updated: k[2], Description: k[3], Links: []struct{}{}}
	}
	out := make([]extension, 0, len(aliases))
	for _, alias := range aliases {
		x, ok := byAlias[alias]
		if !ok {
			return nil, fmt.Errorf("extension %q is not known", alias)
		}
		out = append(out, x)
	}
	return out, nil
}

func (e *engine) listExtensions(*Call) (int, any, error) {
	return http.StatusOK, map[string]any{"extensions": e.extensions}, nil
}

func (e *engine) showExtension(c *Call) (int, any, error) {
	for _, x := range e.extensions {
		if x.Alias == c.Param("alias") {
			return http.StatusOK, map[string]any{"extension": x}, nil
		}
	}
	return 0, nil, fault.NotFound("Extension with alias %s does not exist", c.Param("alias"))
}
