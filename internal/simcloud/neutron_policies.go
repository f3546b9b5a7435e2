package simcloud

import (
	"slices"
	"strings"
)

// What an RBAC policy may let a project do with a network, and the target that stands for all projects.
const (
	accessShared   = "access_as_shared"
	accessExternal = "access_as_external"
	everyProject   = "*"
)

func policyKind() *netKind {
	return &netKind{
		collection: "rbac-policies", singular: "rbac_policy", class: "RbacPolicy", missing: "RBAC policy with ID %s not found",
		fixed: names("object_type", "object_id", "action"),
		defaults: func() map[string]any {
			return map[string]any{"object_type": "", "object_id": "", "action": "", "target_tenant": ""}
		},
		created: func(n *network, t *token, o *netObject) error {
			object := n.objects["networks"][o.text("object_id")]
			switch {
			case object == nil:
				return n.kinds["networks"].notFound(o.text("object_id"))
			case t.admin():
			case object.project != t.projectID() || o.text("target_tenant") == everyProject:
				return netForbidden("PolicyNotAuthorized", "rule:create_rbac_policy is disallowed by policy")
			}
			for _, p := range n.policies(object.id) {
				if p.text("action") == o.text("action") && p.text("target_tenant") == o.text("target_tenant") {
					return netConflict("DuplicateRbacPolicy", "An RBAC policy already exists with those values.")
				}
			}
			n.reflect(o, true)
			return nil
		},
		deleting: func(n *network, o *netObject) error {
			n.reflect(o, false)
			return nil
		},
	}
}

// reflect shows in a network what a policy for all projects says of it.
func (n *network) reflect(policy *netObject, holds bool) {
	net := n.objects["networks"][policy.text("object_id")]
	if net == nil || policy.text("target_tenant") != everyProject {
		return
	}
	net.attrs[map[string]string{accessShared: "shared", accessExternal: "router:external"}[policy.text("action")]] = holds
}

// share makes the policy for all projects be there, or not, that Neutron has for each shared and each external network.
func (n *network) share(net *netObject, action string, wanted bool) {
	all := n.policies(net.id)
	i := slices.IndexFunc(all, func(p *netObject) bool {
		return p.text("action") == action && p.text("target_tenant") == everyProject
	})
	switch {
	case wanted && i < 0:
		p := n.newObject(n.kinds["rbac-policies"], net.project)
		p.attrs["object_type"], p.attrs["object_id"] = "network", net.id
		p.attrs["action"], p.attrs["target_tenant"] = action, everyProject
		n.objects["rbac-policies"][p.id] = p
	case !wanted && i >= 0:
		n.drop(n.kinds["rbac-policies"], all[i])
	}
}

// policies on an object, by id.
func (n *network) policies(object string) (all []*netObject) {
	for _, p := range n.objects["rbac-policies"] {
		if p.text("object_id") == object {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b *netObject) int { return strings.Compare(a.id, b.id) })
	return all
}

// sharedWith tells whether a policy shares a network with a project.
func (n *network) sharedWith(project string, net *netObject) bool {
	return net.flag("shared") || slices.ContainsFunc(n.policies(net.id), func(p *netObject) bool {
		return p.text("action") == accessShared && p.text("target_tenant") == project
	})
}
