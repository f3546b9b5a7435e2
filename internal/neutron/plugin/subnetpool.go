package plugin

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"strconv"

	"github.com/tricircle/tricircle/internal/neutron/api"
	"github.com/tricircle/tricircle/internal/neutron/ipam"
	"github.com/tricircle/tricircle/internal/neutron/schema"
	"github.com/tricircle/tricircle/internal/store"
)

func (p *Plugin) subnetPools() api.Resource {
	return api.Resource{
		Kind: store.KindSubnetPool, Singular: "subnetpool", Plural: "subnetpools", Collection: "subnetpools",
		Standard: true, Tagged: true, NotFound: subnetPoolNotFound,
		Attributes: []api.Attribute{
			{Name: "name", Post: true, Put: true, Default: api.Required, Validate: schema.NotEmptyString(255)},
			{Name: "prefixes", Post: true, Put: true, Default: api.Required, Validate: schema.SubnetList, NoFilter: true, NoSort: true},
			{Name: "default_prefixlen", Post: true, Put: true, Default: api.Unset, Convert: schema.ToInt, Validate: schema.NonNegative},
			{Name: "min_prefixlen", Post: true, Put: true, Default: api.Unset, Convert: schema.ToInt, Validate: schema.NonNegative},
			{Name: "max_prefixlen", Post: true, Put: true, Default: api.Unset, Convert: schema.ToInt, Validate: schema.NonNegative},
			{Name: "ip_version"},
			{Name: "default_quota", Post: true, Put: true, Default: nil, Convert: schema.ToInt, Validate: schema.NonNegative},
			{Name: "is_default", Post: true, Put: true, Default: false, Convert: schema.ToBool, Enforce: true},
			{Name: "shared", Post: true, Default: false, Convert: schema.ToBool, Enforce: true, Filter: sharedFilter, NoSort: true},
			{Name: "address_scope_id", Post: true, Put: true, Default: nil, Validate: schema.OrNil(schema.UUID)},
		},
		Actions: []api.Action{
			{Name: "add_prefixes", Method: "PUT", Policy: "add_prefixes", Serve: p.addPrefixes},
			{Name: "remove_prefixes", Method: "PUT", Policy: "remove_prefixes", Serve: p.removePrefixes},
			{Name: "onboard_network_subnets", Method: "PUT", Policy: "onboard_network_subnets", Serve: p.onboardSubnets},
		},
		Rules: api.Rules{Create: p.createSubnetPool, Created: p.createdShareable, Update: p.updateSubnetPool, Updated: numericBounds,
			Delete: p.deleteSubnetPool, Show: p.showShared},
	}
}

func (p *Plugin) createSubnetPool(c *api.Call, tx store.Tx, o *store.Object) error {
	delete(o.Attrs, "shared") // RBAC policies say it
	if err := completePool(o); err != nil {
		return err
	}
	if err := p.refuseSecondDefaultPool(c.Context(), tx, o); err != nil {
		return err
	}
	return p.checkAddressScope(c, tx, o)
}

// numericBounds makes the bounds of a pool numbers, as Neutron has them in the answer to a PUT and nowhere else.
func numericBounds(_ *api.Call, _ store.Tx, _, updated *store.Object) error {
	for _, name := range []string{"default_prefixlen", "min_prefixlen", "max_prefixlen"} {
		if n, err := schema.ToInt(updated.Attrs[name]); err == nil {
			updated.Attrs[name] = n
		}
	}
	return nil
}

// completePool makes the prefixes canonical, fills in the bounds, which are rendered as strings, and refuses what cannot be
// (neutron/ipam/subnet_alloc.py, SubnetPoolReader).
func completePool(o *store.Object) error {
	prefixes, err := prefixesOf(o.Attrs["prefixes"])
	if err != nil {
		return err
	}
	prefixes = ipam.Compact(prefixes)
	o.Attrs["prefixes"] = textsOfPrefixes(prefixes)
	least, most := int64(8), int64(32)
	o.Attrs["ip_version"] = int64(4)
	if len(prefixes) > 0 && prefixes[0].Addr().Is6() {
		least, most = 64, 128
		o.Attrs["ip_version"] = int64(6)
	}
	least = completeBound(o.Attrs, "min_prefixlen", least)
	completeBound(o.Attrs, "max_prefixlen", most)
	completeBound(o.Attrs, "default_prefixlen", least)
	pool, err := ipam.PoolOf(o)
	if err != nil {
		return err
	}
	return ipam.CheckPool(pool)
}

// completeBound makes a string of a length, or of the usual one if none was given.
func completeBound(pool map[string]any, name string, usual int64) int64 {
	if n := intOf(pool[name]); n != nil {
		usual = *n
	} else if n, err := strconv.ParseInt(textOf(pool[name]), 10, 64); err == nil {
		usual = n
	}
	pool[name] = strconv.FormatInt(usual, 10)
	return usual
}

// prefixesOf reads a list of prefixes.
func prefixesOf(v any) ([]netip.Prefix, error) {
	texts := textsOf(v)
	prefixes := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		var err error
		if prefixes[i], err = netip.ParsePrefix(text); err != nil {
			return nil, badRequest("InvalidCIDR", "Invalid CIDR %s given as IP prefix.", text)
		}
	}
	return prefixes, nil
}

// textsOfPrefixes is the inverse of prefixesOf.
func textsOfPrefixes(prefixes []netip.Prefix) []any {
	list := make([]any, len(prefixes))
	for i, p := range prefixes {
		list[i] = p.String()
	}
	return list
}

// overlap tells whether two lists of prefixes have an address in common.
func overlap(a, b []netip.Prefix) bool {
	return slices.ContainsFunc(a, func(p netip.Prefix) bool { return slices.ContainsFunc(b, p.Overlaps) })
}

func (p *Plugin) refuseSecondDefaultPool(ctx context.Context, tx store.Tx, o *store.Object) error {
	if !boolOf(o.Attrs["is_default"]) {
		return nil
	}
	if err := tx.Serialize(ctx, "default_subnetpool"); err != nil {
		return err
	}
	found, err := defaultPool(ctx, tx, o.Attrs["ip_version"])
	if err == nil && found != nil && found.ID != o.ID {
		err = invalidInput("A default subnetpool for this IP family has already been set. Only one default may exist per IP family")
	}
	return err
}

// defaultPool returns the default pool of an IP version, or nil.
func defaultPool(ctx context.Context, r store.Reader, version any) (*store.Object, error) {
	found, err := r.List(ctx, store.ObjectQuery{Kind: store.KindSubnetPool, Limit: 1,
		Filters: []store.Filter{equal("is_default", true), equal("ip_version", version)}})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

// checkAddressScope refuses what would make an address scope ambiguous
// (neutron/db/db_base_plugin_v2.py, _validate_address_scope_id).
func (p *Plugin) checkAddressScope(c *api.Call, tx store.Tx, pool *store.Object) error {
	id := textOf(pool.Attrs["address_scope_id"])
	if id == "" {
		return nil
	}
	if err := tx.Serialize(c.Context(), "address_scope/"+id); err != nil {
		return err
	}
	scope, err := p.visible(c, tx, store.KindAddressScope, id)
	if err != nil {
		return err
	}
	if v := intOf(scope.Attrs["ip_version"]); *v != *intOf(pool.Attrs["ip_version"]) {
		return badRequest("IllegalSubnetPoolIpVersionAssociationToAddressScope", "Illegal subnetpool association: subnetpool %s cannot "+
			"associate with address scope %s because subnetpool ip_version is not %d.", pool.ID, id, *v)
	}
	others, err := tx.List(c.Context(), store.ObjectQuery{Kind: store.KindSubnetPool, Filters: []store.Filter{
		equal("address_scope_id", id), {Attr: "id", Op: store.NotEqual, Values: []any{pool.ID}}}})
	if err != nil {
		return err
	}
	mine, err := prefixesOf(pool.Attrs["prefixes"])
	if err != nil {
		return err
	}
	for _, other := range others {
		theirs, err := prefixesOf(other.Attrs["prefixes"])
		if err != nil {
			return err
		}
		if overlap(mine, theirs) {
			return conflict("AddressScopePrefixConflict",
				"Failed to associate address scope: subnetpools within an address scope must have unique prefixes.")
		}
	}
	return nil
}

func (p *Plugin) updateSubnetPool(c *api.Call, tx store.Tx, old, updated *store.Object) error {
	before, err := prefixesOf(old.Attrs["prefixes"])
	if err != nil {
		return err
	}
	after, err := prefixesOf(updated.Attrs["prefixes"])
	if err != nil {
		return err
	}
	if len(ipam.Without(before, after)) > 0 {
		return badRequest("IllegalSubnetPoolPrefixUpdate",
			"Illegal update to prefixes: Existing prefixes must be a subset of the new prefixes.")
	}
	return p.changePool(c, tx, old, updated)
}

// changePool checks a pool as it will be.
func (p *Plugin) changePool(c *api.Call, tx store.Tx, old, updated *store.Object) error {
	if err := completePool(updated); err != nil {
		return err
	}
	if !boolOf(old.Attrs["is_default"]) {
		if err := p.refuseSecondDefaultPool(c.Context(), tx, updated); err != nil {
			return err
		}
	}
	if id := textOf(old.Attrs["address_scope_id"]); id != "" {
		scope, err := p.visible(c, tx, store.KindAddressScope, id)
		if err != nil {
			return err
		}
		if !c.Admin && scope.ProjectID != c.ProjectID() {
			return badRequest("IllegalSubnetPoolUpdate",
				"Illegal subnetpool update : subnetpool %s cannot be updated when associated with shared address scope %s.", old.ID, id)
		}
	}
	if err := p.checkAddressScope(c, tx, updated); err != nil || old.Attrs["address_scope_id"] == updated.Attrs["address_scope_id"] {
		return err
	}
	return rescope(c.Context(), tx, updated)
}

// rescope moves the networks with subnets of a pool into its address scope, unless they would be in two then
// (neutron/db/db_base_plugin_v2.py, _check_subnetpool_address_scope_network_affinity).
func rescope(ctx context.Context, tx store.Tx, pool *store.Object) error {
	subnets, err := tx.List(ctx, store.ObjectQuery{Kind: store.KindSubnet, Filters: []store.Filter{equal("subnetpool_id", pool.ID)}})
	if err != nil {
		return err
	}
	var ids []string
	for _, s := range subnets {
		ids = append(ids, textOf(s.Attrs["network_id"]))
	}
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		strangers, err := tx.Count(ctx, store.ObjectQuery{Kind: store.KindSubnet, Filters: []store.Filter{equal("network_id", id),
			equal("ip_version", pool.Attrs["ip_version"]), {Attr: "subnetpool_id", Op: store.NotEqual, Values: []any{pool.ID}}}})
		if err != nil {
			return err
		}
		if strangers > 0 {
			return affinityError()
		}
		if err := setScope(ctx, tx, id, pool); err != nil {
			return err
		}
	}
	return nil
}

// setScope shows the address scope of a pool on a network that has a subnet of it.
func setScope(ctx context.Context, tx store.Tx, networkID string, pool *store.Object) error {
	network, err := tx.Get(ctx, store.KindNetwork, networkID)
	if err != nil {
		return err
	}
	network.Attrs[scopeAttribute(pool)] = pool.Attrs["address_scope_id"]
	return tx.Update(ctx, network)
}

func affinityError() error {
	return badRequest("NetworkAddressScopeAffinityError",
		"Subnets of the same address family hosted on the same network must all participate in the same address scope.")
}

func (p *Plugin) deleteSubnetPool(c *api.Call, tx store.Tx, o *store.Object) error {
	if err := tx.Serialize(c.Context(), poolKey(o.ID)); err != nil {
		return err
	}
	n, err := tx.Count(c.Context(), store.ObjectQuery{Kind: store.KindSubnet, Filters: []store.Filter{equal("subnetpool_id", o.ID)}})
	if err != nil {
		return err
	}
	if n > 0 {
		return badRequest("SubnetPoolDeleteError", "Unable to delete subnet pool: Subnet pool has existing allocations.")
	}
	return p.deleteSharing(c.Context(), tx, o)
}

// poolKey serializes allocations out of a subnet pool; ipam.AllocatePrefix has the same.
func poolKey(id string) string { return "subnetpool " + id }

// readPrefixes reads {"prefixes": [...]}.
func readPrefixes(body map[string]any) ([]netip.Prefix, error) {
	if _, ok := body["prefixes"]; !ok {
		return nil, badBody("subnetpools", "prefixes must be specified")
	}
	if err := schema.SubnetList(body["prefixes"]); err != nil {
		return nil, badBody("subnetpools", "%v", err)
	}
	return prefixesOf(body["prefixes"])
}

func (p *Plugin) addPrefixes(c *api.Call, tx store.Tx, o *store.Object, body map[string]any) (any, error) {
	added, err := readPrefixes(body)
	if err != nil {
		return nil, err
	}
	return p.setPrefixes(c, tx, o, added)
}

// setPrefixes adds prefixes to a pool.
func (p *Plugin) setPrefixes(c *api.Call, tx store.Tx, o *store.Object, added []netip.Prefix) (any, error) {
	updated := *o
	updated.Attrs = maps.Clone(o.Attrs)
	updated.Attrs["prefixes"] = slices.Concat(listOf(textsOf(o.Attrs["prefixes"])), textsOfPrefixes(added))
	if err := p.changePool(c, tx, o, &updated); err != nil {
		return nil, err
	}
	return map[string]any{"prefixes": updated.Attrs["prefixes"]}, tx.Update(c.Context(), &updated)
}

func (p *Plugin) removePrefixes(c *api.Call, tx store.Tx, o *store.Object, body map[string]any) (any, error) {
	gone, err := readPrefixes(body)
	if err != nil {
		return nil, err
	}
	allocated, err := p.allocated(c.Context(), tx, o.ID)
	if err != nil {
		return nil, err
	}
	if overlap(allocated, gone) {
		return nil, badRequest("IllegalSubnetPoolPrefixUpdate",
			"Illegal update to prefixes: One or more the prefixes to be removed is in use by a subnet..")
	}
	have, err := prefixesOf(o.Attrs["prefixes"])
	if err != nil {
		return nil, err
	}
	o.Attrs["prefixes"] = textsOfPrefixes(ipam.Compact(ipam.Without(have, gone)))
	return map[string]any{"prefixes": o.Attrs["prefixes"]}, tx.Update(c.Context(), o)
}

// allocated is what subnets have of a pool, until the transaction ends.
func (p *Plugin) allocated(ctx context.Context, tx store.Tx, poolID string) ([]netip.Prefix, error) {
	if err := tx.Serialize(ctx, poolKey(poolID)); err != nil {
		return nil, err
	}
	subnets, err := tx.List(ctx, store.ObjectQuery{Kind: store.KindSubnet, Filters: []store.Filter{equal("subnetpool_id", poolID)}})
	if err != nil {
		return nil, err
	}
	cidrs := make([]netip.Prefix, len(subnets))
	for i, s := range subnets {
		if cidrs[i], err = cidrOf(s.Attrs); err != nil {
			return nil, err
		}
	}
	return cidrs, nil
}

// onboardSubnets moves the subnets of a network into the pool, as if they had been allocated from it.
func (p *Plugin) onboardSubnets(c *api.Call, tx store.Tx, o *store.Object, body map[string]any) (any, error) {
	networkID := textOf(body["network_id"])
	if networkID == "" {
		return nil, invalidInput("network_id must be specified.")
	}
	if _, err := p.visible(c, tx, store.KindNetwork, networkID); err != nil {
		return nil, err
	}
	if err := tx.Serialize(c.Context(), networkKey(networkID)); err != nil {
		return nil, err
	}
	subnets, err := tx.List(c.Context(), store.ObjectQuery{Kind: store.KindSubnet, Filters: []store.Filter{
		equal("network_id", networkID), equal("ip_version", o.Attrs["ip_version"])}})
	if err != nil {
		return nil, err
	}
	allocated, err := p.allocated(c.Context(), tx, o.ID)
	if err != nil {
		return nil, err
	}
	var added []netip.Prefix
	onboarded := []any{}
	for _, s := range subnets {
		cidr, err := cidrOf(s.Attrs)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(allocated, cidr.Overlaps) {
			return nil, badRequest("IllegalSubnetPoolUpdate", "Illegal subnetpool update : Onboarding subnet %s: %s conflicts with "+
				"allocated prefixes in subnet pool %s.", s.ID, cidr, o.ID)
		}
		added = append(added, cidr)
		onboarded = append(onboarded, map[string]any{"id": s.ID, "cidr": cidr.String()})
		s.Attrs["subnetpool_id"] = o.ID
		if err := tx.Update(c.Context(), s); err != nil {
			return nil, err
		}
	}
	if err := setScope(c.Context(), tx, networkID, o); err != nil {
		return nil, err
	}
	_, err = p.setPrefixes(c, tx, o, added)
	return onboarded, err
}
