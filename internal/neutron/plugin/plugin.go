// Package plugin is the core plugin of the top's networking service: what a network, a port, a security group is. Each is a table
// of attributes and a few rules for the engine of neutron/api; what they keep is in store, and what must happen in pods is enqueued
// as jobs in the transaction of the change.
//
// It talks to no pod and speaks no HTTP: jobs do the one, the engine the other. It must not depend on pod, southbound or xjob.
package plugin

import (
	"net/http"
	"time"

	"github.com/tricircle/tricircle/internal/neutron/api"
	"github.com/tricircle/tricircle/internal/neutron/ipam"
	"github.com/tricircle/tricircle/internal/neutron/typedriver"
	"github.com/tricircle/tricircle/internal/store"
)

// Options are what the plugin works with. All are required.
type Options struct {
	Store     store.Objects
	Zones     Zones
	Types     *typedriver.Drivers
	MTU       int64  // of what joins the pods
	DNSDomain string // of the names of ports; "" is none, and in "openstacklocal." they have none of their own
	Addresses *ipam.Allocator
	Limits    Limits
	Live      Live
	NewID     func() string    // UUIDs
	Now       func() time.Time // UTC
	Random    func() uint64
}

// Plugin is the core plugin. Its methods may be called from many goroutines.
type Plugin struct{ o Options }

// New makes the plugin.
func New(o Options) *Plugin { return &Plugin{o: o} }

// Resources are the collections that the plugin serves.
func (p *Plugin) Resources() []*api.Resource {
	var all []*api.Resource
	for _, table := range []func() api.Resource{p.networks, p.subnets, p.ports, p.subnetPools, p.addressScopes, p.addressGroups,
		p.securityGroups, p.securityGroupRules, p.defaultRules, p.rbacPolicies, p.trunks} {
		r := table()
		all = append(all, &r)
	}
	return all
}

// Routes are the calls of the plugin that fit no collection.
func (p *Plugin) Routes() []api.Route {
	routes := append(p.quotaRoutes(),
		api.Route{Pattern: "GET /v2.0/availability_zones", Serve: p.listZones},
		api.Route{Pattern: "GET /v2.0/network-ip-availabilities", Serve: p.listAvailability},
		api.Route{Pattern: "GET /v2.0/network-ip-availabilities/{network_id}", Serve: p.showAvailability},
		api.Route{Pattern: "GET /v2.0/auto-allocated-topology/{project_id}", Serve: p.showTopology},
		api.Route{Pattern: "DELETE /v2.0/auto-allocated-topology/{project_id}", Serve: p.deleteTopology},
	)
	for path, collection := range map[string]string{"agents": "agents", "floatingips": "floatingips", "routers": "routers",
		"service-providers": "service_providers"} {
		routes = append(routes, api.Route{Pattern: "GET /v2.0/" + path, Serve: none(collection)})
	}
	return routes
}

// none lists what the top has none of: clients list such things without asking for the extension.
func none(collection string) func(*api.Call) (int, any, error) {
	return func(*api.Call) (int, any, error) { return http.StatusOK, map[string]any{collection: []any{}}, nil }
}

// CheckQuota is the engine's hook.
func (p *Plugin) CheckQuota(c *api.Call, tx store.Tx, r *api.Resource, project string, more int) error {
	return p.checkQuota(c.Context(), tx, r.Kind, project, int64(more))
}

// Extensions are the aliases of what the plugin and the engine serve. Those of Neutron that are not here are hidden from clients: what
// needs routers, and what pods would have to agree on (QoS).
func Extensions() []string {
	return []string{
		"empty-string-filtering", "filter-validation", "pagination", "project-id", "revision-if-match", "sorting",
		"standard-attr-description", "standard-attr-revisions", "standard-attr-tag", "standard-attr-timestamp",

		"address-group", "address-scope", "allowed-address-pairs", "auto-allocated-topology", "availability_zone", "binding", "default-subnetpools",
		"dns-domain-ports", "dns-integration", "external-net", "extra_dhcp_opt", "ip-substring-filtering", "ip_allocation", "l2_adjacency", "multi-provider",
		"net-mtu", "net-mtu-writable", "network-ip-availability", "network_availability_zone", "port-mac-address-regenerate", "port-security",
		"port-security-groups-filtering", "provider", "quota-check-limit", "quota_details", "quotas", "rbac-address-scope", "rbac-policies",
		"rbac-security-groups", "rbac-subnetpool", "security-group", "security-groups-default-rules", "security-groups-normalized-cidr",
		"security-groups-remote-address-group", "security-groups-shared-filtering",
		"service-type", "stateful-security-group", "subnet-service-types", "subnet_allocation", "subnet_onboard", "subnetpool-prefix-ops",
		"trunk", "trunk-details",
	}
}
