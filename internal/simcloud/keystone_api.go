package simcloud

import (
	"net/http"
	"path"
	"slices"
)

// requireAdmin is the default policy of nearly everything but one's own tokens and projects.
func requireAdmin(c *call, rule string) error {
	if !c.tok.admin() && !c.tok.has("service") {
		return notAllowed(rule)
	}
	return nil
}

// collection writes a list; its key is the last part of its URL.
func collection[T any](k *keystone, c *call, url string, all []T, keep func(T) bool, render func(*call, T)) error {
	c.body.obj()
	c.body.arr(path.Base(url))
	for _, t := range all {
		if keep(t) {
			render(c, t)
		}
	}
	c.body.endArr()
	k.links(c, url)
	c.body.endObj()
	return nil
}

// member writes one object under its key.
func member[T any](c *call, key string, t T, render func(*call, T)) error {
	c.body.obj()
	c.body.key(key)
	render(c, t)
	c.body.endObj()
	return nil
}

// same compares with a query parameter; an absent one is equal to everything.
func (c *call) same(name, value string) bool {
	v, ok := c.query[name]
	return !ok || v[0] == value
}

func (k *keystone) listOwnProjects(c *call) error {
	return collection(k, c, "auth/projects", k.projects, func(p *project) bool {
		return len(c.tok.user.grants[p]) > 0
	}, k.renderProject)
}

func (k *keystone) listUserProjects(c *call) error {
	u := k.user(c.arg[0], "")
	if u == nil {
		return missing("user", c.arg[0])
	}
	if u != c.tok.user {
		if err := requireAdmin(c, "list_user_projects"); err != nil {
			return err
		}
	}
	return collection(k, c, "users/"+u.id+"/projects", k.projects, func(p *project) bool {
		return len(u.grants[p]) > 0
	}, k.renderProject)
}

func (k *keystone) listProjects(c *call) error {
	if err := requireAdmin(c, "list_projects"); err != nil {
		return err
	}
	return collection(k, c, "projects", k.projects, func(p *project) bool {
		return c.same("name", p.name) && c.same("domain_id", "default") && c.same("parent_id", "default")
	}, k.renderProject)
}

func (k *keystone) showProject(c *call) error {
	p := k.project(c.arg[0], "")
	if p == nil {
		return missing("project", c.arg[0])
	}
	if p != c.tok.project {
		if err := requireAdmin(c, "get_project"); err != nil {
			return err
		}
	}
	return member(c, "project", p, k.renderProject)
}

func (k *keystone) renderProject(c *call, p *project) {
	d := c.body
	d.obj()
	d.str("id", p.id)
	d.str("name", p.name)
	d.str("domain_id", "default")
	d.str("description", "")
	d.yes("enabled", true)
	d.str("parent_id", "default")
	d.yes("is_domain", false)
	d.raw("tags", "[]")
	d.raw("options", "{}")
	k.self(c, "projects", p.id)
	d.endObj()
}

func (k *keystone) listUsers(c *call) error {
	if err := requireAdmin(c, "list_users"); err != nil {
		return err
	}
	return collection(k, c, "users", k.users, func(u *user) bool {
		return c.same("name", u.name) && c.same("domain_id", "default")
	}, k.renderUser)
}

func (k *keystone) showUser(c *call) error {
	u := k.user(c.arg[0], "")
	if u == nil {
		return missing("user", c.arg[0])
	}
	if u != c.tok.user {
		if err := requireAdmin(c, "get_user"); err != nil {
			return err
		}
	}
	return member(c, "user", u, k.renderUser)
}

func (k *keystone) renderUser(c *call, u *user) {
	d := c.body
	d.obj()
	d.str("id", u.id)
	d.str("name", u.name)
	d.str("domain_id", "default")
	d.yes("enabled", true)
	d.null("password_expires_at")
	d.raw("options", "{}")
	k.self(c, "users", u.id)
	d.endObj()
}

func (k *keystone) listDomains(c *call) error {
	return collection(k, c, "domains", []string{"default"}, func(string) bool { return c.same("name", "Default") },
		k.renderDomain)
}

func (k *keystone) showDomain(c *call) error {
	if c.arg[0] != "default" {
		return missing("domain", c.arg[0])
	}
	return member(c, "domain", "default", k.renderDomain)
}

func (k *keystone) renderDomain(c *call, id string) {
	d := c.body
	d.obj()
	d.str("id", id)
	d.str("name", "Default")
	d.str("description", "The default domain")
	d.yes("enabled", true)
	d.raw("tags", "[]")
	d.raw("options", "{}")
	k.self(c, "domains", id)
	d.endObj()
}

func (k *keystone) listRoles(c *call) error {
	if err := requireAdmin(c, "list_roles"); err != nil {
		return err
	}
	return collection(k, c, "roles", k.roles, func(r *role) bool { return c.same("name", r.name) },
		func(c *call, r *role) {
			c.body.obj()
			c.body.str("id", r.id)
			c.body.str("name", r.name)
			c.body.null("domain_id")
			c.body.null("description")
			c.body.raw("options", "{}")
			k.self(c, "roles", r.id)
			c.body.endObj()
		})
}

type assignment struct {
	user    *user
	project *project
	role    *role
}

func (k *keystone) listAssignments(c *call) error {
	if err := requireAdmin(c, "list_role_assignments"); err != nil {
		return err
	}
	var all []assignment
	for _, u := range k.users {
		for _, p := range k.projects {
			for _, r := range u.grants[p] {
				all = append(all, assignment{u, p, r})
			}
		}
	}
	return collection(k, c, "role_assignments", all, func(a assignment) bool {
		return c.same("user.id", a.user.id) && c.same("scope.project.id", a.project.id) && c.same("role.id", a.role.id)
	}, k.renderAssignment)
}

func (k *keystone) renderAssignment(c *call, a assignment) {
	d := c.body
	d.obj()
	d.obj("links")
	d.str("assignment", c.prefix+"/projects/"+a.project.id+"/users/"+a.user.id+"/roles/"+a.role.id)
	d.endObj()
	d.value("scope", map[string]any{"project": map[string]string{"id": a.project.id}})
	d.value("user", map[string]string{"id": a.user.id})
	d.value("role", map[string]string{"id": a.role.id})
	d.endObj()
}

func (k *keystone) listRegions(c *call) error {
	return collection(k, c, "regions", k.regions, func(r *region) bool { return c.same("parent_region_id", r.parent) },
		k.renderRegion)
}

func (k *keystone) region(id string) *region {
	return first(k.regions, func(r *region) bool { return r.id == id })
}

func (k *keystone) showRegion(c *call) error {
	r := k.region(c.arg[0])
	if r == nil {
		return missing("region", c.arg[0])
	}
	return member(c, "region", r, k.renderRegion)
}

type regionBody struct {
	ID          string
	Description *string
	Parent      *string `json:"parent_region_id"`
}

func (b *regionBody) apply(r *region) {
	set(&r.description, b.Description)
	set(&r.parent, b.Parent)
}

// set assigns what a body gives.
func set[T any](to *T, given *T) {
	if given != nil {
		*to = *given
	}
}

func (k *keystone) createRegion(c *call) error {
	var b regionBody
	if err := k.change(c, "region", "create_region", &b); err != nil {
		return err
	}
	if b.ID == "" {
		b.ID = compactID(k.cloud.opts.NewID())
	}
	if k.region(b.ID) != nil {
		return &keystoneError{http.StatusConflict, "Conflict occurred attempting to store region - Duplicate ID, " + b.ID + ".."}
	}
	r := &region{id: b.ID}
	b.apply(r)
	k.regions = append(k.regions, r)
	c.status = http.StatusCreated
	return member(c, "region", r, k.renderRegion)
}

// change reads the body of an administrator's request.
func (k *keystone) change(c *call, key, rule string, body any) error {
	if err := requireAdmin(c, rule); err != nil {
		return err
	}
	return c.decodeIn(key, body)
}

func (k *keystone) updateRegion(c *call) error {
	var b regionBody
	if err := k.change(c, "region", "update_region", &b); err != nil {
		return err
	}
	r := k.region(c.arg[0])
	if r == nil {
		return missing("region", c.arg[0])
	}
	b.apply(r)
	return member(c, "region", r, k.renderRegion)
}

func (k *keystone) deleteRegion(c *call) error {
	if err := requireAdmin(c, "delete_region"); err != nil {
		return err
	}
	if k.region(c.arg[0]) == nil {
		return missing("region", c.arg[0])
	}
	if slices.ContainsFunc(k.endpoints, func(e *endpoint) bool { return e.region == c.arg[0] }) {
		return &keystoneError{http.StatusForbidden,
			"Unable to delete region " + c.arg[0] + " because it or its child regions have associated endpoints."}
	}
	k.regions = slices.DeleteFunc(k.regions, func(r *region) bool { return r.id == c.arg[0] })
	c.status = http.StatusNoContent
	return nil
}

func (k *keystone) renderRegion(c *call, r *region) {
	d := c.body
	d.obj()
	d.str("id", r.id)
	d.str("description", r.description)
	d.orNull("parent_region_id", r.parent)
	k.self(c, "regions", r.id)
	d.endObj()
}
