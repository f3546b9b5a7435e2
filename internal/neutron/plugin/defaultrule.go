package plugin

import (
	"context"
	"maps"
	"slices"

	"github.com/tricircle/tricircle/internal/neutron/api"
	"github.com/tricircle/tricircle/internal/neutron/schema"
	"github.com/tricircle/tricircle/internal/store"
)

// The attributes of a default rule that say which new groups get it: the default group of a project, and all others.
const (
	usedInDefault = "used_in_default_sg"
	usedInOthers  = "used_in_non_default_sg"
)

// parentGroup as the remote group of a default rule stands for the group that gets the rule.
const parentGroup = "PARENT"

// defaultRules are what the rules of new security groups are made from (neutron/extensions/security_groups_default_rules.py, 2023.2). They
// belong to no project. Groups that are there keep the rules that they have.
//
// A POST may lack what says which groups get the rule, as Neutron's API reference has it; its attribute map does not.
func (p *Plugin) defaultRules() api.Resource {
	project := func(name string) api.Attribute {
		return api.Attribute{Name: name, Post: true, Default: api.Unset, Validate: schema.String(255), Hidden: true, NoFilter: true, NoSort: true}
	}
	remote := schema.OrNil(schema.NotEmptyString(36))
	return api.Resource{
		Kind: store.KindDefaultRule, Singular: "default_security_group_rule", Plural: "default_security_group_rules",
		Collection: "default-security-group-rules", NoUpdate: true, NotFound: defaultRuleNotFound,
		Attributes: append(trafficAttributes(), project("project_id"), project("tenant_id"),
			api.Attribute{Name: "remote_group_id", Post: true, Default: nil, Validate: remote},
			api.Attribute{Name: "remote_address_group_id", Post: true, Default: nil, Validate: remote},
			api.Attribute{Name: "description", Post: true, Default: "", Validate: schema.String(255), NoSort: true},
			api.Attribute{Name: usedInDefault, Post: true, Default: false, Convert: schema.ToBool, NoSort: true},
			api.Attribute{Name: usedInOthers, Post: true, Default: true, Convert: schema.ToBool, NoSort: true},
		),
		Rules: api.Rules{Create: createDefaultRule},
	}
}

func defaultRuleNotFound(id string) error {
	return notFound("DefaultSecurityGroupRuleNotFound", "Default Security Group rule %s does not exist", id)
}

// createDefaultRule refuses a rule if groups that would get it get an equal one already. Whether the groups exist that it names is not
// looked at before a group is made (neutron/db/securitygroups_db.py, create_default_security_group_rule).
func createDefaultRule(c *api.Call, tx store.Tx, o *store.Object) error {
	o.ProjectID = ""
	if err := completeRule(o.Attrs); err != nil {
		return err
	}
	if err := tx.Serialize(c.Context(), string(store.KindDefaultRule)); err != nil {
		return err
	}
	rules, err := tx.List(c.Context(), store.ObjectQuery{Kind: store.KindDefaultRule})
	if err != nil {
		return err
	}
	key := ruleKey(o.Attrs)
	for _, rule := range rules {
		meet := func(used string) bool { return boolOf(rule.Attrs[used]) && boolOf(o.Attrs[used]) }
		if ruleKey(rule.Attrs) == key && (meet(usedInDefault) || meet(usedInOthers)) {
			return conflict("DefaultSecurityGroupRuleExists", "Default Security group rule already exists. Rule id is %s.", rule.ID)
		}
	}
	return nil
}

// defaultRulesOf returns the default rules that are used in groups of a kind: usedInDefault or usedInOthers.
func defaultRulesOf(ctx context.Context, r store.Reader, used string) ([]*store.Object, error) {
	return r.List(ctx, store.ObjectQuery{Kind: store.KindDefaultRule, Filters: []store.Filter{equal(used, true)}})
}

// insertRules gives a new group a rule for each default rule.
func (p *Plugin) insertRules(ctx context.Context, tx store.Tx, group *store.Object, templates []*store.Object) error {
	if err := checkRemotes(ctx, tx, templates); err != nil {
		return err
	}
	for _, template := range templates {
		if err := tx.Insert(ctx, p.ruleFrom(template, group)); err != nil {
			return err
		}
	}
	return nil
}

// ruleFrom is the rule of a group that a default rule stands for. Its description stays behind.
func (p *Plugin) ruleFrom(template, group *store.Object) *store.Object {
	attrs := maps.Clone(template.Attrs)
	delete(attrs, usedInDefault)
	delete(attrs, usedInOthers)
	attrs["security_group_id"], attrs["description"], attrs["tags"] = group.ID, nil, []any{}
	if attrs["remote_group_id"] == parentGroup {
		attrs["remote_group_id"] = group.ID
	}
	return &store.Object{Kind: store.KindSecurityGroupRule, ID: p.o.NewID(), ProjectID: group.ProjectID, Revision: 1, Attrs: attrs}
}

// checkRemotes refuses default rules that name a group which is not there. Neutron cannot make a group then, either (500): without the rule
// it would be another than the administrator wants.
func checkRemotes(ctx context.Context, r store.Reader, templates []*store.Object) error {
	for _, reference := range []struct {
		attribute, what string
		kind            store.ObjectKind
	}{
		{"remote_group_id", "security group", store.KindSecurityGroup},
		{"remote_address_group_id", "address group", store.KindAddressGroup},
	} {
		named := func(template *store.Object) string { // "" for none
			id := textOf(template.Attrs[reference.attribute])
			if id == parentGroup && reference.kind == store.KindSecurityGroup {
				return ""
			}
			return id
		}
		var ids []any
		for _, template := range templates {
			if id := named(template); id != "" {
				ids = append(ids, id)
			}
		}
		if ids == nil {
			continue
		}
		found, err := r.List(ctx, store.ObjectQuery{Kind: reference.kind, Filters: []store.Filter{{Attr: "id", Values: ids}}})
		if err != nil {
			return err
		}
		for _, template := range templates {
			id := named(template)
			if id != "" && !slices.ContainsFunc(found, func(o *store.Object) bool { return o.ID == id }) {
				return conflict("SecurityGroupConflict", "Default security group rule %s names %s %s, which does not exist. "+
					"An administrator must delete the rule before security groups can be made.", template.ID, reference.what, id)
			}
		}
	}
	return nil
}
