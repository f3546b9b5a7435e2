package adopt

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/tricircle/tricircle/internal/neutron/realize"
	"github.com/tricircle/tricircle/internal/southbound"
	"github.com/tricircle/tricircle/internal/store"
)

// defaultGroup is the name of the group that Neutron makes for each project.
const defaultGroup = "default"

// adoptGroups writes down the groups that the top does not know, and then their rules, which may admit each other.
func (a *adoption) adoptGroups(ctx context.Context) error {
	for _, g := range a.groups {
		row, known := a.known[g.ID()]
		switch {
		case known && !row.DeletedAt.IsZero():
			return refuse("Security group %s in pod %s is being deleted, yet a port uses it, or a group admits it: wait, or take it off there.",
				g.ID(), a.pod.Name())
		case known:
			continue
		case g.Text("name") == defaultGroup && g.Text("project_id") != "":
			if err := a.joinDefault(ctx, g); err != nil {
				return err
			}
		default:
			if err := a.insert(ctx, a.object(store.KindSecurityGroup, g), nil); err != nil {
				return err
			}
		}
		a.added[g.ID()] = true
	}
	for _, g := range a.groups {
		if !a.added[g.ID()] {
			continue
		}
		if err := a.adoptRules(ctx, g); err != nil {
			return err
		}
	}
	return nil
}

// joinDefault makes the pod's default group of a project what the top's is in the pod. If the project has none at the top, it gets
// the pod's.
func (a *adoption) joinDefault(ctx context.Context, g southbound.Object) error {
	project := g.Text("project_id")
	topID, err := a.tx.DefaultGroup(ctx, project)
	if errors.Is(err, store.ErrNotFound) {
		if err := a.tx.SetDefaultGroup(ctx, project, g.ID()); err != nil {
			return err
		}
		if err := a.tx.Insert(ctx, a.object(store.KindSecurityGroup, g)); err != nil {
			return err
		}
		topID, err = g.ID(), nil
	}
	if err != nil {
		return err
	}
	// The group is the pod's, whoever owns the rules: it bears no find-key, and is not the top's to delete.
	row := store.Realization{Kind: store.KindSecurityGroup, TopID: topID, PodNum: a.pod.Num, BottomID: g.ID()}
	a.known[g.ID()] = row
	a.jobs = append(a.jobs, realize.Job(row.Kind, topID, project, a.pod.Num))
	if topID == g.ID() {
		a.note(store.KindSecurityGroup, g, becomes)
	} else {
		a.note(store.KindSecurityGroup, g, "joins the project's default group at the top, "+topID)
	}
	return a.tx.PutRealization(ctx, row)
}

// adoptRules adds the rules of a group of the pod to that of the top, as far as it has no equal ones.
func (a *adoption) adoptRules(ctx context.Context, g southbound.Object) error {
	topID := a.topID(g.ID())
	has, err := a.tx.List(ctx, store.ObjectQuery{Kind: store.KindSecurityGroupRule,
		Filters: []store.Filter{{Attr: "security_group_id", Values: []any{topID}}}})
	if err != nil {
		return err
	}
	equal := map[string]bool{}
	for _, rule := range has {
		equal[sense(rule)] = true
	}
	joined := len(has) > 0
	for _, seen := range rulesOf(g) {
		if seen["remote_address_group_id"] != nil {
			return refuse("Rule %s of security group %s in pod %s admits an address group of the pod, which is not adopted: replace it by rules "+
				"with prefixes.", seen.ID(), g.ID(), a.pod.Name())
		}
		rule := a.object(store.KindSecurityGroupRule, seen)
		rule.Attrs["security_group_id"], rule.Attrs["remote_group_id"] = topID, nil
		if remote := seen.Text("remote_group_id"); remote != "" {
			if rule.Attrs["remote_group_id"], err = a.topGroup(remote, "rule "+rule.ID); err != nil {
				return err
			}
		}
		if equal[sense(rule)] {
			continue
		}
		if err := a.tx.Insert(ctx, rule); err != nil {
			return err
		}
		if joined {
			a.note(store.KindSecurityGroupRule, seen, "is added to the project's default group, in all pods: "+describe(seen))
		}
	}
	return a.changed(ctx, topID, joined)
}

// changed lets all pods have the rules that were added to a group that others have already.
func (a *adoption) changed(ctx context.Context, id string, joined bool) error {
	if !joined {
		return nil
	}
	group, err := a.tx.Get(ctx, store.KindSecurityGroup, id)
	if err != nil {
		return err
	}
	if err := a.tx.Update(ctx, group); err != nil {
		return err
	}
	rows, err := a.tx.Realizations(ctx, store.RealizationQuery{Kind: store.KindSecurityGroup, TopIDs: []string{id}})
	for _, row := range rows {
		a.jobs = append(a.jobs, realize.Job(row.Kind, id, group.ProjectID, row.PodNum))
	}
	return err
}

// topGroup is the id at the top of a group that something refers to.
func (a *adoption) topGroup(id, by string) (string, error) {
	if row, known := a.known[id]; known {
		return row.TopID, nil
	}
	for _, g := range a.groups {
		if g.ID() == id {
			return id, nil
		}
	}
	return "", refuse("Security group %s of %s came to pod %s while it was looked at: adopt the network again.", id, by, a.pod.Name())
}

// says are the attributes by which rules of a group differ.
var says = []string{"direction", "ethertype", "protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "remote_group_id"}

// sense is what a rule says, as a text that can be compared.
func sense(rule *store.Object) string {
	all := make([]any, len(says))
	for i, name := range says {
		all[i] = rule.Attrs[name]
	}
	raw, _ := json.Marshal(all) // it came from JSON
	return string(raw)
}

// describe is what a rule says, for people.
func describe(rule southbound.Object) string {
	some := map[string]any{}
	for _, name := range says {
		if rule[name] != nil {
			some[name] = rule[name]
		}
	}
	raw, _ := json.Marshal(some) // it came from JSON
	return string(raw)
}

// adoptPolicies writes down who else may use what was adopted just now.
func (a *adoption) adoptPolicies(ctx context.Context) error {
	for _, seen := range a.policies {
		id, kind, target := seen.Text("object_id"), seen.Text("object_type"), seen.Text("target_tenant")
		if !a.added[id] {
			continue
		}
		err := a.tx.Insert(ctx, &store.Object{Kind: store.KindRBACPolicy, ID: seen.ID(), ProjectID: seen.Text("project_id"), Attrs: map[string]any{
			"object_type": kind, "object_id": a.topID(id), "action": seen.Text("action"), "target_tenant": target, "target_project": target}})
		if _, there := errors.AsType[*store.ConflictError](err); there {
			continue
		}
		if err != nil {
			return err
		}
		a.note(store.KindRBACPolicy, seen, "lets project "+target+" go on using "+kind+" "+id)
	}
	return nil
}
