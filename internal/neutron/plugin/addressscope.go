package plugin

import (
	"github.com/tricircle/tricircle/internal/neutron/api"
	"github.com/tricircle/tricircle/internal/neutron/schema"
	"github.com/tricircle/tricircle/internal/store"
)

func (p *Plugin) addressScopes() api.Resource {
	return api.Resource{
		Kind: store.KindAddressScope, Singular: "address_scope", Plural: "address_scopes", Collection: "address-scopes",
		NotFound: addressScopeNotFound,
		Attributes: []api.Attribute{
			{Name: "name", Post: true, Put: true, Default: "", Validate: schema.String(255)},
			{Name: "ip_version", Post: true, Default: api.Required, Convert: schema.ToInt, Validate: schema.Values(int64(4), int64(6))},
			{Name: "shared", Post: true, Put: true, Default: false, Convert: schema.ToBool, Enforce: true, Filter: sharedFilter},
		},
		Rules: api.Rules{Created: p.createdShareable, Update: p.updateAddressScope, Updated: p.updatedShareable,
			Delete: p.deleteAddressScope, Show: p.showShared},
	}
}

// createdShareable shares a new object that was asked to be shared.
func (p *Plugin) createdShareable(c *api.Call, tx store.Tx, o *store.Object) error {
	if !boolOf(o.Attrs["shared"]) {
		return nil
	}
	return p.share(c.Context(), tx, o, actionShared)
}

func (p *Plugin) updateAddressScope(c *api.Call, _ store.Tx, old, _ *store.Object) error {
	if shared, given := c.Given["shared"]; given && boolOf(old.Attrs["shared"]) && !boolOf(shared) {
		return badRequest("AddressScopeUpdateError", "Unable to update address scope %s : Shared address scope can't be unshared.", old.ID)
	}
	return nil
}

func (p *Plugin) updatedShareable(c *api.Call, tx store.Tx, old, updated *store.Object) error {
	if boolOf(updated.Attrs["shared"]) && !boolOf(old.Attrs["shared"]) {
		return p.share(c.Context(), tx, updated, actionShared)
	}
	return nil
}

func (p *Plugin) deleteAddressScope(c *api.Call, tx store.Tx, o *store.Object) error {
	n, err := tx.Count(c.Context(), store.ObjectQuery{Kind: store.KindSubnetPool, Filters: []store.Filter{equal("address_scope_id", o.ID)}})
	if err != nil {
		return err
	}
	if n > 0 {
		return conflict("AddressScopeInUse",
			"Unable to complete operation on address scope %s. There are one or more subnet pools in use on the address scope.", o.ID)
	}
	return p.deleteSharing(c.Context(), tx, o)
}
