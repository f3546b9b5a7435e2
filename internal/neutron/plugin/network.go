package plugin

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tricircle/tricircle/internal/neutron/api"
	"github.com/tricircle/tricircle/internal/neutron/schema"
	"github.com/tricircle/tricircle/internal/store"
)

// autoDeleted are owners of ports that do not stand in the way of the deletion of a network or subnet
// (neutron/db/_constants.py, AUTO_DELETE_PORT_OWNERS).
var autoDeleted = []any{"network:dhcp", "network:distributed", "network:floatingip_agent_gateway"}

// maxNamed bounds how many ports a refusal to delete a network names.
const maxNamed = 1000

func (p *Plugin) networks() api.Resource {
	return api.Resource{
		Kind: store.KindNetwork, Singular: "network", Plural: "networks", Collection: "networks",
		Standard: true, Tagged: true, NotFound: networkNotFound,
		Attributes: []api.Attribute{
			{Name: "name", Post: true, Put: true, Default: "", Validate: schema.String(255)},
			{Name: "subnets", NoFilter: true, NoSort: true},
			{Name: "admin_state_up", Post: true, Put: true, Default: true, Convert: schema.ToBool},
			{Name: "status"},
			{Name: "shared", Post: true, Put: true, Default: false, Convert: schema.ToBool, Enforce: true, Filter: sharedFilter, NoSort: true},
			{Name: "router:external", Post: true, Put: true, Default: false, Convert: schema.ToBool, Enforce: true, NoSort: true},
			{Name: "is_default", Post: true, Put: true, Default: false, Convert: schema.ToBool, Enforce: true, Sparse: true, NoSort: true},
			{Name: "mtu", Post: true, Put: true, Default: int64(0), Convert: schema.ToInt, Validate: schema.NonNegative, Enforce: true},
			{Name: "port_security_enabled", Post: true, Put: true, Default: true, Convert: schema.ToBool, Enforce: true, NoFilter: true, NoSort: true},
			{Name: "dns_domain", Post: true, Put: true, Default: "", Convert: schema.ToLower, Validate: schema.DNSDomain, NoFilter: true, NoSort: true},
			{Name: "availability_zone_hints", Post: true, Default: func() any { return []any{} }, Validate: schema.ZoneHints, NoFilter: true},
			{Name: "availability_zones", NoFilter: true, NoSort: true},
			{Name: "ipv4_address_scope", NoFilter: true, NoSort: true},
			{Name: "ipv6_address_scope", NoFilter: true, NoSort: true},
			{Name: "l2_adjacency", NoFilter: true, NoSort: true},
			{Name: "provider:network_type", Post: true, Put: true, Default: api.Unset, Validate: schema.String(32), Enforce: true, Sparse: true, NoSort: true},
			{Name: "provider:physical_network", Post: true, Put: true, Default: api.Unset, Validate: schema.String(64), Enforce: true, Sparse: true, NoSort: true},
			{Name: "provider:segmentation_id", Post: true, Put: true, Default: api.Unset, Convert: schema.ToInt, Enforce: true, Sparse: true, NoSort: true},
			{Name: severalSegments, Post: true, Put: true, Default: api.Unset, Convert: toSegments, Enforce: true, Sparse: true, NoFilter: true, NoSort: true},
		},
		Rules: api.Rules{
			Create: p.createNetwork, Created: p.createdNetwork, Update: p.updateNetwork, Updated: p.updatedNetwork,
			Delete: p.deleteNetwork, Deleted: p.deletedNetwork, Show: p.showNetworks,
		},
	}
}

func (p *Plugin) createNetwork(c *api.Call, tx store.Tx, o *store.Object) error {
	delete(o.Attrs, "shared") // RBAC policies say it
	if _, err := p.ensureDefaultGroup(c.Context(), tx, o.ProjectID); err != nil {
		return err
	}
	if err := p.checkZoneHints(o); err != nil {
		return err
	}
	if boolOf(o.Attrs["router:external"]) {
		if err := p.refuseSpanning(c.Context(), tx, o); err != nil {
			return err
		}
	}
	if err := p.takeSegments(c.Context(), tx, o); err != nil {
		return err
	}
	if err := p.completeMTU(o); err != nil {
		return err
	}
	if err := p.refuseSecondDefault(c, tx, o); err != nil {
		return err
	}
	o.Attrs["status"], o.Attrs["subnets"], o.Attrs["l2_adjacency"] = "ACTIVE", []any{}, true
	o.Attrs["ipv4_address_scope"], o.Attrs["ipv6_address_scope"] = nil, nil
	return nil
}

// completeMTU fills in the largest MTU that all ways to the network have, or refuses a larger one.
func (p *Plugin) completeMTU(o *store.Object) error {
	largest := p.maxMTU(o)
	given := intOf(o.Attrs["mtu"])
	switch {
	case given == nil || *given == 0:
		o.Attrs["mtu"] = largest
	case *given > largest:
		return invalidInput("Requested MTU is too big, maximum is %d", largest)
	}
	return nil
}

// refuseSecondDefault keeps the default external network the only one (neutron/services/auto_allocate/db.py).
func (p *Plugin) refuseSecondDefault(c *api.Call, tx store.Tx, o *store.Object) error {
	if !boolOf(o.Attrs["is_default"]) {
		return nil
	}
	if err := tx.Serialize(c.Context(), "default_external_network"); err != nil {
		return err
	}
	found, err := tx.List(c.Context(), store.ObjectQuery{Kind: store.KindNetwork, Limit: 1, Filters: []store.Filter{
		equal("router:external", true), equal("is_default", true), {Attr: "id", Op: store.NotEqual, Values: []any{o.ID}}}})
	if err == nil && len(found) > 0 {
		err = conflict("DefaultExternalNetworkExists", "A default external network already exists: %s.", found[0].ID)
	}
	return err
}

func (p *Plugin) createdNetwork(c *api.Call, tx store.Tx, o *store.Object) error {
	if boolOf(o.Attrs["router:external"]) {
		if err := p.share(c.Context(), tx, o, actionExternal); err != nil {
			return err
		}
	}
	return p.createdShareable(c, tx, o)
}

func (p *Plugin) updateNetwork(c *api.Call, tx store.Tx, old, updated *store.Object) error {
	if err := p.moveSegment(c, tx, old, updated); err != nil {
		return err
	}
	if c.Gave("mtu") {
		if err := p.completeMTU(updated); err != nil {
			return err
		}
	}
	if c.Gave("is_default") {
		if err := p.refuseSecondDefault(c, tx, updated); err != nil {
			return err
		}
	}
	if err := p.updateSharing(c, tx, updated); err != nil {
		return err
	}
	if was, is := boolOf(old.Attrs["router:external"]), boolOf(updated.Attrs["router:external"]); was && !is {
		return p.makeInternal(c, tx, old)
	} else if is && !was {
		if err := p.refuseSpanning(c.Context(), tx, updated); err != nil {
			return err
		}
		return p.share(c.Context(), tx, updated, actionExternal)
	}
	return nil
}

// refuseSpanning refuses to make a network external that may be, or is, in several pods: what is behind it is behind one of them.
func (p *Plugin) refuseSpanning(ctx context.Context, tx store.Tx, o *store.Object) error {
	if len(p.homes(o)) > 1 {
		return invalidInput("An external network is in one pod, but availability_zone_hints of network %s name several", o.ID)
	}
	rows, err := tx.Realizations(ctx, store.RealizationQuery{Kind: store.KindNetwork, TopIDs: []string{o.ID}, Limit: 2})
	if err == nil && len(rows) > 1 {
		err = conflict("NetworkInUse", "Unable to complete operation on network %s. It is in several pods, and an external network is in one.", o.ID)
	}
	return err
}

// updateSharing turns a change of "shared" into an RBAC policy, or takes it away.
func (p *Plugin) updateSharing(c *api.Call, tx store.Tx, o *store.Object) error {
	delete(o.Attrs, "shared")
	wanted, given := c.Given["shared"]
	if !given {
		return nil
	}
	shared, err := isShared(c.Context(), tx, o)
	switch {
	case err != nil:
		return err
	case boolOf(wanted) && !shared:
		return p.share(c.Context(), tx, o, actionShared)
	case !boolOf(wanted) && shared:
		if err := p.checkUnshared(c.Context(), tx, o, textOf(o.Attrs["name"]), everybody); err != nil {
			return err
		}
		return p.unshare(c.Context(), tx, o, actionShared)
	}
	return nil
}

// makeInternal takes away what makes a network external.
func (p *Plugin) makeInternal(c *api.Call, tx store.Tx, o *store.Object) error {
	if err := refuseGateways(c, tx, o); err != nil {
		return err
	}
	return deletePolicies(c.Context(), tx, equal("object_id", o.ID), equal("action", actionExternal))
}

// refuseGateways refuses while routers have their gateway on a network.
func refuseGateways(c *api.Call, tx store.Tx, o *store.Object) error {
	n, err := tx.Count(c.Context(), store.ObjectQuery{Kind: store.KindPort, Filters: []store.Filter{
		equal("network_id", o.ID), equal("device_owner", "network:router_gateway")}})
	if err == nil && n > 0 {
		err = conflict("ExternalNetworkInUse",
			"External network %s cannot be updated to be made non-external, since it has existing gateway ports.", o.ID)
	}
	return err
}

func (p *Plugin) updatedNetwork(c *api.Call, tx store.Tx, _, updated *store.Object) error {
	return p.enqueue(c.Context(), tx, updated)
}

// deleteNetwork takes with it what is the network's own: ports of the services, subnets, policies (neutron/db/db_base_plugin_v2.py,
// delete_network).
func (p *Plugin) deleteNetwork(c *api.Call, tx store.Tx, o *store.Object) error {
	ctx := c.Context()
	if err := tx.Serialize(ctx, networkKey(o.ID)); err != nil {
		return err
	}
	ports, err := tx.List(ctx, store.ObjectQuery{Kind: store.KindPort, Filters: []store.Filter{
		equal("network_id", o.ID), {Attr: "device_owner", Op: store.NotEqual, Values: autoDeleted}}, Limit: maxNamed})
	if err != nil {
		return err
	}
	if len(ports) > 0 {
		ids := make([]string, len(ports))
		for i, port := range ports {
			ids[i] = port.ID
		}
		return conflict("NetworkInUse", "Unable to complete operation on network %s. There are one or more ports still in use on the "+
			"network, id for these ports is: %s.", o.ID, strings.Join(ids, ","))
	}
	for _, kind := range []store.ObjectKind{store.KindPort, store.KindSubnet} {
		if err := p.deleteOn(ctx, tx, kind, o.ID); err != nil {
			return err
		}
	}
	return p.deleteSharing(ctx, tx, o)
}

// deleteOn deletes all objects of a kind that belong to a network.
func (p *Plugin) deleteOn(ctx context.Context, tx store.Tx, kind store.ObjectKind, networkID string) error {
	objects, err := tx.List(ctx, store.ObjectQuery{Kind: kind, Filters: []store.Filter{equal("network_id", networkID)}})
	if err != nil {
		return err
	}
	for _, o := range objects {
		if err := tx.Delete(ctx, kind, o.ID); err != nil {
			return err
		}
		if err := p.bury(ctx, tx, o); err != nil {
			return err
		}
	}
	return nil
}

func (p *Plugin) deletedNetwork(c *api.Call, tx store.Tx, o *store.Object) error {
	return p.bury(c.Context(), tx, o)
}

// showNetworks says of a page of networks who shares them and in which zones they are realized, by two queries.
func (p *Plugin) showNetworks(c *api.Call, r store.Reader, page []*store.Object) error {
	realized, err := r.Realizations(c.Context(), store.RealizationQuery{Kind: store.KindNetwork, TopIDs: textsOf(idsOf(page))})
	if err != nil {
		return err
	}
	zones := map[string][]string{}
	for _, at := range realized {
		if at.DeletedAt.IsZero() {
			zones[at.TopID] = append(zones[at.TopID], p.o.Zones.Of(at.PodNum)...)
		}
	}
	for _, o := range page {
		slices.Sort(zones[o.ID])
		o.Attrs["availability_zones"] = listOf(slices.Compact(zones[o.ID]))
		o.Attrs["dns_domain"] = textOf(o.Attrs["dns_domain"])
		if !boolOf(o.Attrs["router:external"]) {
			delete(o.Attrs, "is_default") // neutron/services/auto_allocate/db.py, _extend_external_network_default
		}
	}
	return p.showShared(c, r, page)
}

// networkKey serializes what must see all subnets and addresses of a network at once.
func networkKey(id string) string { return fmt.Sprintf("network/%s", id) }
