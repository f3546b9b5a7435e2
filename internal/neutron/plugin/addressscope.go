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
			{Name: "shared", Post: true, Put: true, Default: false, Convert: schema.ToBool, Enforce: true, Filter: sharedFilter, NoSort: true},
		},
		Rules: api.Rules{Create: createShareable, Created: p.createdShareable, Update: p.updateAddressScope,
			Delete: p.deleteAddressScope, Show: p.showShared},
	}
}

// createShareable keeps "shared" out of what is stored: RBAC policies say it.
func createShareable(_ *api.Call, _ store.Tx, o *store.Object) error {
	delete(o.Attrs, "shared")
	return nil
}

// createdShareable shares a new object that was asked to be shared.
func (p *Plugin) createdShareable(c *api.Call, tx store.Tx, o *store.Object) error {
	if !boolOf(c.Given["shared"]) {
		return nil
	}
	return p.share(c.Context(), tx, o, actionShared)
}

func (p *Plugin) updateAddressScope(c *api.Call, tx store.Tx, _, updated *store.Object) error {
	delete(updated.Attrs, "shared")
	wanted, given := c.Given["shared"]
	if !given {
		return nil
	}
	shared, err := isShared(c.Context(), tx, updated)
	switch {
	case err != nil:
		return err
	case shared && !boolOf(wanted):
		return badRequest("AddressScopeUpdateError", "Unable to update address scope %s : Shared address scope can't be unshared.", updated.ID)
	case !shared && boolOf(wanted):
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
