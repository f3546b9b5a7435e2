package plugin

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/tricircle/tricircle/internal/neutron/api"
	"github.com/tricircle/tricircle/internal/neutron/schema"
	"github.com/tricircle/tricircle/internal/store"
)

// defaultGroup is the name that only the group which every project has may bear.
const defaultGroup = "default"

func (p *Plugin) securityGroups() api.Resource {
	return api.Resource{
		Kind: store.KindSecurityGroup, Singular: "security_group", Plural: "security_groups", Collection: "security-groups",
		Standard: true, Tagged: true, NotFound: securityGroupNotFound,
		Attributes: []api.Attribute{
			{Name: "name", Post: true, Put: true, Default: "", Validate: validGroupName},
			{Name: "stateful", Post: true, Put: true, Default: true, Convert: schema.ToBool},
			{Name: "security_group_rules", NoFilter: true, NoSort: true},
			{Name: "shared", Filter: sharedFilter, NoSort: true},
		},
		Rules: api.Rules{
			Prepare: p.prepareGroups, Create: p.createGroup, Created: p.createdGroup, Update: p.updateGroup,
			Updated: p.updatedGroup, Delete: p.deleteGroup, Deleted: p.deletedGroup, Show: p.showGroups,
		},
	}
}

// validGroupName refuses the name of the default group to all others (neutron/extensions/securitygroup.py).
func validGroupName(v any) error {
	if err := schema.String(255)(v); err != nil {
		return err
	}
	if strings.EqualFold(textOf(v), defaultGroup) {
		return conflict("SecurityGroupDefaultAlreadyExists", "Default security group already exists.")
	}
	return nil
}

// prepareGroups makes sure that whoever looks at security groups finds the default one of the project.
func (p *Plugin) prepareGroups(c *api.Call) error {
	project := c.ProjectID()
	if filter := append(c.Query["project_id"], c.Query["tenant_id"]...); len(filter) > 0 {
		project = filter[0]
	}
	if project == "" || project != c.ProjectID() && !c.Admin {
		return nil
	}
	_, err := c.Reader().DefaultGroup(c.Context(), project)
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return p.o.Store.InTx(c.Context(), func(tx store.Tx) error {
		_, err := p.ensureDefaultGroup(c.Context(), tx, project)
		return err
	})
}

// ensureDefaultGroup returns the id of the default security group of a project, which it makes if there is none yet.
func (p *Plugin) ensureDefaultGroup(ctx context.Context, tx store.Tx, project string) (string, error) {
	id, err := tx.DefaultGroup(ctx, project)
	if !errors.Is(err, store.ErrNotFound) {
		return id, err
	}
	group := &store.Object{Kind: store.KindSecurityGroup, ID: p.o.NewID(), ProjectID: project, Revision: 1, Attrs: map[string]any{
		"name": defaultGroup, "description": "Default security group", "stateful": true, "tags": []any{},
	}}
	err = tx.SetDefaultGroup(ctx, project, group.ID)
	if _, taken := errors.AsType[*store.ConflictError](err); taken {
		return tx.DefaultGroup(ctx, project)
	}
	if err != nil {
		return "", err
	}
	if err := tx.Insert(ctx, group); err != nil {
		return "", err
	}
	templates, err := defaultRulesOf(ctx, tx, usedInDefault)
	if err != nil {
		return "", err
	}
	return group.ID, p.insertRules(ctx, tx, group, templates)
}

func (p *Plugin) createGroup(c *api.Call, tx store.Tx, o *store.Object) error {
	if o.ProjectID != c.ProjectID() && !c.Admin {
		return nil
	}
	_, err := p.ensureDefaultGroup(c.Context(), tx, o.ProjectID)
	return err
}

// createdGroup gives a new group its rules, for which the quota of rules must have room.
func (p *Plugin) createdGroup(c *api.Call, tx store.Tx, o *store.Object) error {
	templates, err := defaultRulesOf(c.Context(), tx, usedInOthers)
	if err != nil {
		return err
	}
	if err := p.checkQuota(c.Context(), tx, store.KindSecurityGroupRule, o.ProjectID, int64(len(templates))); err != nil {
		return err
	}
	return p.insertRules(c.Context(), tx, o, templates)
}

func (p *Plugin) updateGroup(c *api.Call, tx store.Tx, old, updated *store.Object) error {
	if old.Attrs["name"] == defaultGroup && c.Gave("name") {
		return conflict("SecurityGroupCannotUpdateDefault", "Updating default security group not allowed.")
	}
	if old.Attrs["stateful"] != updated.Attrs["stateful"] {
		return refuseGroupInUse(c, tx, old)
	}
	return nil
}

func (p *Plugin) updatedGroup(c *api.Call, tx store.Tx, _, updated *store.Object) error {
	return p.enqueue(c.Context(), tx, updated)
}

func (p *Plugin) deleteGroup(c *api.Call, tx store.Tx, o *store.Object) error {
	if err := refuseGroupInUse(c, tx, o); err != nil {
		return err
	}
	if o.Attrs["name"] == defaultGroup && !c.Admin {
		return conflict("SecurityGroupCannotRemoveDefault", "Insufficient rights for removing default security group.")
	}
	// Rules of other groups that admit the members of this one go with it, as by Neutron's foreign key.
	rules, err := tx.List(c.Context(), store.ObjectQuery{Kind: store.KindSecurityGroupRule,
		Filters: []store.Filter{equal("remote_group_id", o.ID), {Attr: "security_group_id", Op: store.NotEqual, Values: []any{o.ID}}}})
	if err != nil {
		return err
	}
	for _, rule := range rules {
		if err := tx.Delete(c.Context(), rule.Kind, rule.ID); err != nil {
			return err
		}
		if err := p.touchGroup(c.Context(), tx, textOf(rule.Attrs["security_group_id"])); err != nil {
			return err
		}
	}
	return p.deleteSharing(c.Context(), tx, o)
}

func refuseGroupInUse(c *api.Call, tx store.Tx, o *store.Object) error {
	n, err := tx.Count(c.Context(), store.ObjectQuery{Kind: store.KindPort, Filters: []store.Filter{equal("security_groups", o.ID)}})
	if err == nil && n > 0 {
		err = conflict("SecurityGroupInUse", "Security Group %s in use.", o.ID)
	}
	return err
}

func (p *Plugin) deletedGroup(c *api.Call, tx store.Tx, o *store.Object) error {
	return p.bury(c.Context(), tx, o)
}

// touchGroup gives a group its next revision, after its rules have changed, and asks for its realizations to follow.
func (p *Plugin) touchGroup(ctx context.Context, tx store.Tx, id string) error {
	group, err := tx.Get(ctx, store.KindSecurityGroup, id)
	if err != nil {
		return err
	}
	if err := tx.Update(ctx, group); err != nil {
		return err
	}
	return p.enqueue(ctx, tx, group)
}

// showGroups puts the rules into all groups of a page by one query, and says whether they are shared.
func (p *Plugin) showGroups(c *api.Call, r store.Reader, page []*store.Object) error {
	rules, err := r.List(c.Context(), store.ObjectQuery{Kind: store.KindSecurityGroupRule,
		Filters: []store.Filter{{Attr: "security_group_id", Values: idsOf(page)}}})
	if err != nil {
		return err
	}
	byGroup := map[string][]any{}
	for _, rule := range rules {
		group := textOf(rule.Attrs["security_group_id"])
		byGroup[group] = append(byGroup[group], viewOf(rule))
	}
	for _, o := range page {
		o.Attrs["security_group_rules"] = append([]any{}, byGroup[o.ID]...)
	}
	return p.showShared(c, r, page)
}

// viewOf is a rule as groups show it.
func viewOf(rule *store.Object) map[string]any {
	view := maps.Clone(rule.Attrs)
	view["id"], view["project_id"], view["tenant_id"] = rule.ID, rule.ProjectID, rule.ProjectID
	view["revision_number"], view["tags"] = rule.Revision, []any{} // there is no way to give a rule tags
	view["created_at"], view["updated_at"] = rule.CreatedAt.UTC().Format(timeFormat), rule.UpdatedAt.UTC().Format(timeFormat)
	return view
}

// timeFormat is how Neutron shows times.
const timeFormat = "2006-01-02T15:04:05Z"

func (p *Plugin) securityGroupRules() api.Resource {
	return api.Resource{
		Kind: store.KindSecurityGroupRule, Singular: "security_group_rule", Plural: "security_group_rules",
		Collection: "security-group-rules", Standard: true, NoUpdate: true, NotFound: securityGroupRuleNotFound,
		Attributes: slices.Concat([]api.Attribute{{Name: "security_group_id", Post: true, Default: api.Required, Validate: schema.String(36)}},
			trafficAttributes(), []api.Attribute{
				{Name: "normalized_cidr"},
				{Name: "remote_group_id", Post: true, Default: nil},
				{Name: "remote_address_group_id", Post: true, Default: nil},
			}),
		Rules: api.Rules{Prepare: p.prepareGroups, Create: p.createRule, Created: p.changedRule, Deleted: p.changedRule},
	}
}

// trafficAttributes say what a rule speaks of, without groups.
func trafficAttributes() []api.Attribute {
	return []api.Attribute{
		{Name: "direction", Post: true, Default: api.Required, Validate: schema.Values("ingress", "egress")},
		{Name: "ethertype", Post: true, Default: "IPv4", Convert: toEthertype},
		{Name: "protocol", Post: true, Default: nil, Convert: toProtocol},
		{Name: "port_range_min", Post: true, Default: nil, Convert: toPort},
		{Name: "port_range_max", Post: true, Default: nil, Convert: toPort},
		{Name: "remote_ip_prefix", Post: true, Default: nil, Convert: toPrefix},
	}
}

func (p *Plugin) createRule(c *api.Call, tx store.Tx, o *store.Object) error {
	if err := completeRule(o.Attrs); err != nil {
		return err
	}
	group := textOf(o.Attrs["security_group_id"])
	if err := ownGroup(c, tx, o.ProjectID, group); err != nil {
		return err
	}
	if remote := textOf(o.Attrs["remote_group_id"]); remote != "" {
		if err := p.findGroups(c, tx, o.ProjectID, remote); err != nil {
			return err
		}
	}
	if addresses := textOf(o.Attrs["remote_address_group_id"]); addresses != "" {
		if err := findAddressGroup(c, tx, o.ProjectID, addresses); err != nil {
			return err
		}
	}
	if err := tx.Serialize(c.Context(), "security_group/"+group); err != nil {
		return err
	}
	rules, err := tx.List(c.Context(), store.ObjectQuery{Kind: store.KindSecurityGroupRule,
		Filters: []store.Filter{equal("security_group_id", group)}})
	if err != nil {
		return err
	}
	key := ruleKey(o.Attrs)
	for _, rule := range rules {
		if ruleKey(rule.Attrs) == key {
			return conflict("SecurityGroupRuleExists", "Security group rule already exists. Rule id is %s.", rule.ID)
		}
	}
	return nil
}

// ownGroup refuses rules in a group of another project: that a group is shared lets others use it, not change it.
func ownGroup(c *api.Call, r store.Reader, project, id string) error {
	group, err := r.Get(c.Context(), store.KindSecurityGroup, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && group.ProjectID != project && !c.Admin {
		return securityGroupNotFound(id)
	}
	return err
}

// findGroups refuses ids of security groups that the caller may not use for an object of the project
// (neutron/db/securitygroups_db.py, _get_security_groups_on_port and _check_security_group).
func (p *Plugin) findGroups(c *api.Call, r store.Reader, project string, ids ...string) error {
	if len(ids) == 0 {
		return nil
	}
	q := store.ObjectQuery{Kind: store.KindSecurityGroup, Filters: []store.Filter{{Attr: "id", Values: listOf(ids)}}}
	if !c.Admin {
		q.VisibleTo = project
	}
	groups, err := r.List(c.Context(), q)
	if err != nil {
		return err
	}
	found := map[string]bool{}
	stateful := map[any]bool{}
	for _, g := range groups {
		found[g.ID] = true
		stateful[g.Attrs["stateful"]] = true
	}
	var missing []string
	for _, id := range ids {
		if !found[id] {
			missing = append(missing, id)
		}
	}
	if len(missing) > 0 {
		return securityGroupNotFound(strings.Join(missing, ", "))
	}
	if len(stateful) > 1 {
		return conflict("SecurityGroupConflict", "Error Cannot apply both stateful and stateless security groups on the same port at the "+
			"same time while attempting the operation.")
	}
	return nil
}

func (p *Plugin) changedRule(c *api.Call, tx store.Tx, o *store.Object) error {
	return p.touchGroup(c.Context(), tx, textOf(o.Attrs["security_group_id"]))
}
