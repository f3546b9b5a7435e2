package plugin

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/tricircle/tricircle/internal/neutron/api"
	"github.com/tricircle/tricircle/internal/neutron/schema"
	"github.com/tricircle/tricircle/internal/store"
)

// What an RBAC policy may let a project do, and the target that stands for all projects.
const (
	actionShared   = "access_as_shared"
	actionExternal = "access_as_external"
	everybody      = "*"
)

// shareable are the kinds of objects that projects can share (neutron/db/rbac_db_models.py), with their actions.
var shareable = map[store.ObjectKind][]string{
	store.KindNetwork:       {actionShared, actionExternal},
	store.KindSecurityGroup: {actionShared},
	store.KindAddressScope:  {actionShared},
	store.KindSubnetPool:    {actionShared},
}

func (p *Plugin) rbacPolicies() api.Resource {
	return api.Resource{
		Kind: store.KindRBACPolicy, Singular: "rbac_policy", Plural: "rbac_policies", Collection: "rbac-policies",
		NotFound: rbacPolicyNotFound,
		Attributes: []api.Attribute{
			{Name: "object_type", Post: true, Default: api.Required, Convert: toObjectType, Enforce: true},
			{Name: "object_id", Post: true, Default: api.Required, Validate: schema.UUID, Enforce: true},
			{Name: "target_tenant", Post: true, Put: true, Default: api.Required, Validate: schema.String(255), Enforce: true,
				Filter: targetFilter},
			{Name: "action", Post: true, Default: api.Required, Validate: schema.String(255), Enforce: true},
		},
		Rules: api.Rules{Create: p.createPolicy, Created: p.changedPolicy, Update: p.updatePolicy, Updated: p.updatedPolicy, Delete: p.deletePolicy, Deleted: p.changedPolicy},
	}
}

func toObjectType(v any) (any, error) {
	kind := strings.ToLower(strings.TrimSpace(textOf(v)))
	if _, ok := shareable[store.ObjectKind(kind)]; !ok {
		return nil, invalidInput("'%v' is not a valid RBAC object type", v)
	}
	return kind, nil
}

// tuple writes strings as Python shows a tuple of them.
func tuple(all []string) string {
	text := "('" + strings.Join(all, "', '") + "'"
	if len(all) == 1 {
		text += ","
	}
	return text + ")"
}

// targetFilter: the store keeps the target by its modern name.
func targetFilter(values []string) ([]store.Filter, error) {
	return []store.Filter{{Attr: "target_project", Values: listOf(values)}}, nil
}

func (p *Plugin) createPolicy(c *api.Call, tx store.Tx, o *store.Object) error {
	kind, id := store.ObjectKind(textOf(o.Attrs["object_type"])), textOf(o.Attrs["object_id"])
	action := textOf(o.Attrs["action"])
	if !slices.Contains(shareable[kind], action) {
		return badRequest("InvalidActionForType", "Invalid action '%s' for object type '%s'. Valid actions: %s", action, kind,
			tuple(shareable[kind]))
	}
	object, err := tx.Get(c.Context(), kind, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && !c.Admin && object.ProjectID != c.ProjectID() && kind != store.KindNetwork {
		return kindNotFound(kind, id)
	}
	if err != nil {
		return err
	}
	if !c.Admin && object.ProjectID != c.ProjectID() {
		return invalidInput("Only admins can manipulate policies on networks they do not own")
	}
	o.Attrs["target_project"] = o.Attrs["target_tenant"]
	twins, err := tx.Count(c.Context(), store.ObjectQuery{Kind: store.KindRBACPolicy, Filters: []store.Filter{
		equal("object_id", id), equal("action", action), equal("target_project", o.Attrs["target_project"])}})
	if err == nil && twins > 0 {
		return conflict("DuplicateRbacPolicy", "An RBAC policy already exists with those values.")
	}
	return err
}

func (p *Plugin) updatePolicy(c *api.Call, tx store.Tx, old, updated *store.Object) error {
	updated.Attrs["target_project"] = updated.Attrs["target_tenant"]
	if old.Attrs["target_tenant"] == updated.Attrs["target_tenant"] {
		return nil
	}
	return p.refuseUnsharing(c, tx, old)
}

func (p *Plugin) updatedPolicy(c *api.Call, tx store.Tx, _, updated *store.Object) error {
	return p.changedPolicy(c, tx, updated)
}

func (p *Plugin) deletePolicy(c *api.Call, tx store.Tx, o *store.Object) error {
	return p.refuseUnsharing(c, tx, o)
}

// changedPolicy makes a network external as long as there is a policy that says so for somebody (neutron/db/external_net_db.py,
// _process_ext_policy_create and _validate_ext_not_in_use_by_tenant).
func (p *Plugin) changedPolicy(c *api.Call, tx store.Tx, policy *store.Object) error {
	id := textOf(policy.Attrs["object_id"])
	switch {
	case policy.Attrs["object_type"] != string(store.KindNetwork):
		return nil
	case policy.Attrs["action"] == actionShared: // pods show their users what the top does
		return p.enqueueNetwork(c.Context(), tx, id)
	}
	network, err := tx.Get(c.Context(), store.KindNetwork, id)
	if err != nil {
		return err
	}
	n, err := tx.Count(c.Context(), store.ObjectQuery{Kind: store.KindRBACPolicy, Filters: []store.Filter{
		equal("object_id", id), equal("action", actionExternal)}})
	if err != nil || boolOf(network.Attrs["router:external"]) == (n > 0) {
		return err
	}
	if n == 0 {
		if err := refuseGateways(c, tx, network); err != nil {
			return err
		}
	}
	if n > 0 {
		if err := p.refuseSpanning(c.Context(), tx, network); err != nil {
			return err
		}
	}
	network.Attrs["router:external"] = n > 0
	if err := tx.Update(c.Context(), network); err != nil {
		return err
	}
	return p.enqueue(c.Context(), tx, network)
}

// refuseUnsharing refuses to take a network from projects that have ports on it
// (neutron/db/db_base_plugin_v2.py, ensure_no_tenant_ports_on_network).
func (p *Plugin) refuseUnsharing(c *api.Call, tx store.Tx, policy *store.Object) error {
	if policy.Attrs["object_type"] != string(store.KindNetwork) || policy.Attrs["action"] != actionShared {
		return nil
	}
	id := textOf(policy.Attrs["object_id"])
	network, err := tx.Get(c.Context(), store.KindNetwork, id)
	if err != nil {
		return err
	}
	target := textOf(policy.Attrs["target_project"])
	if target == network.ProjectID {
		return nil
	}
	if err := p.checkUnshared(c.Context(), tx, network, network.ID, target); err != nil {
		return conflict("RbacPolicyInUse", "RBAC policy on object %s cannot be removed because other objects depend on it.\nDetails: %v",
			id, err)
	}
	return nil
}

// checkUnshared fails if somebody would lose a network on which he has a port when it is shared with target no longer.
// called is how the error names the network: Neutron does it by name where the network is changed, and by id where the policy is.
func (p *Plugin) checkUnshared(ctx context.Context, tx store.Tx, network *store.Object, called, target string) error {
	policies, err := sharing(ctx, tx, network)
	if err != nil {
		return err
	}
	var others []any
	for _, o := range policies {
		if t := textOf(o.Attrs["target_project"]); t != target {
			others = append(others, t)
		}
	}
	filters := []store.Filter{equal("network_id", network.ID)}
	switch {
	case target == everybody:
		filters = append(filters, store.Filter{Attr: "project_id", Op: store.NotEqual, Values: append(others, network.ProjectID)},
			store.Filter{Attr: "project_id", Op: store.NotEqual, Values: []any{""}})
	case slices.Contains(others, any(everybody)):
		return nil
	default:
		filters = append(filters, equal("project_id", target))
	}
	n, err := tx.Count(ctx, store.ObjectQuery{Kind: store.KindPort, Filters: filters})
	if err == nil && n > 0 {
		err = conflict("InvalidSharedSetting", "Unable to reconfigure sharing settings for network %s. Multiple tenants are using it.", called)
	}
	return err
}

// sharing lists the policies that share an object.
func sharing(ctx context.Context, r store.Reader, o *store.Object) ([]*store.Object, error) {
	return r.List(ctx, store.ObjectQuery{Kind: store.KindRBACPolicy,
		Filters: []store.Filter{equal("object_id", o.ID), equal("action", actionShared)}})
}

// isShared tells whether an object is shared with all projects.
func isShared(ctx context.Context, r store.Reader, o *store.Object) (bool, error) {
	n, err := r.Count(ctx, store.ObjectQuery{Kind: store.KindRBACPolicy, Filters: []store.Filter{
		equal("object_id", o.ID), equal("action", actionShared), equal("target_project", everybody)}})
	return n > 0, err
}

// share lets all projects do something with an object.
func (p *Plugin) share(ctx context.Context, tx store.Tx, o *store.Object, action string) error {
	return tx.Insert(ctx, &store.Object{Kind: store.KindRBACPolicy, ID: p.o.NewID(), ProjectID: o.ProjectID, Attrs: map[string]any{
		"object_type": string(o.Kind), "object_id": o.ID, "action": action, "target_tenant": everybody, "target_project": everybody,
	}})
}

// unshare undoes share.
func (p *Plugin) unshare(ctx context.Context, tx store.Tx, o *store.Object, action string) error {
	return deletePolicies(ctx, tx, equal("object_id", o.ID), equal("action", action), equal("target_project", everybody))
}

// deleteSharing deletes all policies on an object that goes.
func (p *Plugin) deleteSharing(ctx context.Context, tx store.Tx, o *store.Object) error {
	return deletePolicies(ctx, tx, equal("object_id", o.ID))
}

func deletePolicies(ctx context.Context, tx store.Tx, filters ...store.Filter) error {
	policies, err := tx.List(ctx, store.ObjectQuery{Kind: store.KindRBACPolicy, Filters: filters})
	if err != nil {
		return err
	}
	for _, o := range policies {
		if err := tx.Delete(ctx, o.Kind, o.ID); err != nil {
			return err
		}
	}
	return nil
}

// showShared says of all objects of a page, by one query, whether a policy shares them with the caller.
func (p *Plugin) showShared(c *api.Call, r store.Reader, page []*store.Object) error {
	policies, err := r.List(c.Context(), store.ObjectQuery{Kind: store.KindRBACPolicy, Filters: []store.Filter{
		{Attr: "object_id", Values: idsOf(page)}, equal("action", actionShared),
		{Attr: "target_project", Values: []any{everybody, c.ProjectID()}}}})
	if err != nil {
		return err
	}
	shared := map[string]bool{}
	for _, o := range policies {
		shared[textOf(o.Attrs["object_id"])] = true
	}
	for _, o := range page {
		o.Attrs["shared"] = shared[o.ID]
	}
	return nil
}

// sharedFilter finds objects by whether they are shared; the store knows how.
func sharedFilter(values []string) ([]store.Filter, error) {
	f := store.Filter{Attr: "shared"}
	for _, v := range values {
		b, err := schema.ToBool(v)
		if err != nil {
			return nil, err
		}
		f.Values = append(f.Values, b)
	}
	return []store.Filter{f}, nil
}

func kindNotFound(kind store.ObjectKind, id string) error {
	switch kind {
	case store.KindNetwork:
		return networkNotFound(id)
	case store.KindPort:
		return portNotFound(id)
	case store.KindSecurityGroup:
		return securityGroupNotFound(id)
	case store.KindAddressScope:
		return addressScopeNotFound(id)
	default:
		return subnetPoolNotFound(id)
	}
}
