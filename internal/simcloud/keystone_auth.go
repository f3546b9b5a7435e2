package simcloud

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/tricircle/tricircle/internal/fault"
)

var keystoneRoutes = newRouter([]route[*keystone]{
	{"POST", "auth/tokens", 0, (*keystone).createToken},
	{"GET", "auth/tokens", 0, (*keystone).showToken},
	{"HEAD", "auth/tokens", 0, (*keystone).showToken},
	{"DELETE", "auth/tokens", 0, (*keystone).revokeToken},
	{"GET", "auth/catalog", 0, (*keystone).showCatalog},
	{"GET", "auth/projects", 0, (*keystone).listOwnProjects},
	{"GET", "auth/domains", 0, (*keystone).listDomains},
	{"GET", "projects", 0, (*keystone).listProjects},
	{"GET", "projects/{}", 0, (*keystone).showProject},
	{"GET", "users", 0, (*keystone).listUsers},
	{"GET", "users/{}", 0, (*keystone).showUser},
	{"GET", "users/{}/projects", 0, (*keystone).listUserProjects},
	{"GET", "domains", 0, (*keystone).listDomains},
	{"GET", "domains/{}", 0, (*keystone).showDomain},
	{"GET", "roles", 0, (*keystone).listRoles},
	{"GET", "role_assignments", 0, (*keystone).listAssignments},
	{"GET", "regions", 0, (*keystone).listRegions},
	{"POST", "regions", 0, (*keystone).createRegion},
	{"GET", "regions/{}", 0, (*keystone).showRegion},
	{"PATCH", "regions/{}", 0, (*keystone).updateRegion},
	{"DELETE", "regions/{}", 0, (*keystone).deleteRegion},
	{"GET", "services", 0, (*keystone).listServices},
	{"POST", "services", 0, (*keystone).createService},
	{"GET", "services/{}", 0, (*keystone).showService},
	{"PATCH", "services/{}", 0, (*keystone).updateService},
	{"DELETE", "services/{}", 0, (*keystone).deleteService},
	{"GET", "endpoints", 0, (*keystone).listEndpoints},
	{"POST", "endpoints", 0, (*keystone).createEndpoint},
	{"GET", "endpoints/{}", 0, (*keystone).showEndpoint},
	{"PATCH", "endpoints/{}", 0, (*keystone).updateEndpoint},
	{"DELETE", "endpoints/{}", 0, (*keystone).deleteEndpoint},
})

func (k *keystone) serve(w http.ResponseWriter, r *http.Request) {
	c := k.cloud.newCall(w, r)
	defer c.release()
	c.prefix = "http://" + r.Host + "/v3"
	w.Header().Set("Vary", "X-Auth-Token")
	w.Header().Set("x-openstack-request-id", c.requestID)
	if err := k.dispatch(c); err != nil {
		e, ok := errors.AsType[*keystoneError](err)
		if !ok {
			e = &keystoneError{http.StatusBadRequest, fault.From(err).Message}
		}
		if e.status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Keystone uri="`+k.cloud.AuthURL()+`"`)
		}
		c.status, *c.body = e.status, append((*c.body)[:0], e.body()...)
	}
	c.send()
}

func (k *keystone) dispatch(c *call) error {
	path := strings.Trim(c.r.URL.Path, "/")
	version, rest, _ := strings.Cut(path, "/")
	if rest == "" && c.r.Method == http.MethodGet && (version == "" || version == "v3") {
		k.versions(c, version == "")
		return nil
	}
	rt := keystoneRoutes.find(c.r.Method, rest, &c.arg)
	if version != "v3" || rt == nil {
		c.w.Header().Set("Content-Type", "text/html; charset=utf-8")
		c.status = http.StatusNotFound
		*c.body = append(*c.body, "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n"+
			"<p>The requested URL was not found on the server. If you entered the URL manually please check your spelling "+
			"and try again.</p>\n"...)
		return nil
	}
	c.tok = k.validate(c.r.Header.Get("X-Auth-Token"))
	if issuing := rt.method == "POST" && rt.pattern == "auth/tokens"; c.tok == nil && !issuing {
		return errUnauthorized
	}
	if c.reads() {
		k.mu.RLock()
		defer k.mu.RUnlock()
	} else {
		k.mu.Lock()
		defer k.mu.Unlock()
	}
	return rt.serve(k, c)
}

func (k *keystone) versions(c *call, all bool) {
	d := c.body
	d.obj()
	if all {
		c.status = http.StatusMultipleChoices
		c.w.Header().Set("Location", c.prefix+"/")
		d.obj("versions")
		d.arr("values")
		d.obj()
	} else {
		d.obj("version")
	}
	d.str("id", "v3.14")
	d.str("status", "stable")
	d.str("updated", "2020-04-07T00:00:00Z")
	d.arr("links")
	d.link("self", c.prefix, "/")
	d.endArr()
	d.raw("media-types", `[{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}]`)
	d.endObj()
	if all {
		d.endArr()
		d.endObj()
	}
	d.endObj()
}

// named refers to something by id or by name.
type named struct {
	ID     string
	Name   string
	Domain *named
}

type authBody struct {
	Identity struct {
		Methods  []string
		Password struct {
			User struct {
				named
				Password string
			}
		}
		Token struct{ ID string }
	}
	Scope json.RawMessage
}

type scopeBody struct {
	Project *named
	Domain  *named
	System  *struct{ All bool }
}

func (k *keystone) createToken(c *call) error {
	var auth authBody
	if err := c.decodeIn("auth", &auth); err != nil {
		return err
	}
	t, err := k.identify(&auth)
	if err != nil {
		return err
	}
	if err := k.scope(t, auth.Scope); err != nil {
		return err
	}
	issued := k.issue(*t, tokenLife)
	c.w.Header().Set("X-Subject-Token", issued.id)
	c.status = http.StatusCreated
	k.render(c, issued)
	return nil
}

// identify checks who asks.
func (k *keystone) identify(auth *authBody) (*token, error) {
	t := &token{methods: auth.Identity.Methods}
	for _, method := range auth.Identity.Methods {
		switch method {
		case "password":
			given := auth.Identity.Password.User
			u := k.user(given.ID, given.Name)
			if u == nil || u.password != given.Password || given.ID == "" && !isDefault(given.Domain) {
				return nil, errUnauthorized
			}
			t.user = u
		case "token":
			// Keystone gives the new token the expiry of the old one.
			old := k.tokens[auth.Identity.Token.ID]
			if old == nil || !k.cloud.opts.Now().Before(old.expires) {
				return nil, errUnauthorized
			}
			t.user, t.expires = old.user, old.expires
		default:
			return nil, errUnauthorized
		}
	}
	if t.user == nil {
		return nil, &keystoneError{http.StatusBadRequest, "Expecting to find methods in identity."}
	}
	return t, nil
}

func isDefault(domain *named) bool {
	return domain != nil && (domain.ID == "default" || domain.Name == "Default")
}

// scope resolves the scope and finds the user's roles there.
func (k *keystone) scope(t *token, raw json.RawMessage) error {
	if len(raw) == 0 || string(raw) == `"unscoped"` || string(raw) == "null" {
		return nil
	}
	var s scopeBody
	if err := json.Unmarshal(raw, &s); err != nil {
		return &keystoneError{http.StatusBadRequest, "Invalid input for field 'scope'"}
	}
	switch {
	case s.Project != nil:
		t.project = k.project(s.Project.ID, s.Project.Name)
		if t.project == nil || s.Project.ID == "" && !isDefault(s.Project.Domain) {
			return errUnauthorized
		}
		t.roles = t.user.grants[t.project]
	case s.Domain != nil && isDefault(s.Domain), s.System != nil && s.System.All:
		t.domain, t.system = s.Domain != nil, s.System != nil
		if t.user.name == "admin" {
			t.roles = t.user.grants[k.project("", "admin")]
		}
	}
	if len(t.roles) == 0 {
		return errUnauthorized
	}
	return nil
}

// subject is the token that the request is about.
func (k *keystone) subject(c *call) (*token, error) {
	id := c.r.Header.Get("X-Subject-Token")
	t := k.tokens[id]
	if t == nil {
		return nil, &keystoneError{http.StatusNotFound, "Could not recognize Fernet token"}
	}
	if !k.cloud.opts.Now().Before(t.expires) && c.query.Get("allow_expired") == "" {
		return nil, &keystoneError{http.StatusNotFound, "Could not find token: " + t.audit + "."}
	}
	if t.user != c.tok.user && !c.tok.admin() && !c.tok.has("service") {
		return nil, notAllowed("validate_token")
	}
	return t, nil
}

func notAllowed(rule string) error {
	return &keystoneError{http.StatusForbidden, "You are not authorized to perform the requested action: identity:" + rule + "."}
}

func (k *keystone) showToken(c *call) error {
	t, err := k.subject(c)
	if err != nil {
		return err
	}
	c.w.Header().Set("X-Subject-Token", t.id)
	k.render(c, t)
	return nil
}

func (k *keystone) revokeToken(c *call) error {
	t, err := k.subject(c)
	if err != nil {
		return err
	}
	delete(k.tokens, t.id)
	c.status = http.StatusNoContent
	return nil
}

const inDefaultDomain = `{"id": "default", "name": "Default"}`

func (k *keystone) render(c *call, t *token) {
	d := c.body
	d.obj()
	d.obj("token")
	d.strs("methods", t.methods)
	d.obj("user")
	d.raw("domain", inDefaultDomain)
	d.str("id", t.user.id)
	d.str("name", t.user.name)
	d.null("password_expires_at")
	d.endObj()
	d.strs("audit_ids", []string{t.audit})
	d.time("expires_at", t.expires, micro+"Z")
	d.time("issued_at", t.issued, micro+"Z")
	switch {
	case t.project != nil:
		d.obj("project")
		d.raw("domain", inDefaultDomain)
		d.str("id", t.project.id)
		d.str("name", t.project.name)
		d.endObj()
		d.yes("is_domain", false)
	case t.domain:
		d.raw("domain", inDefaultDomain)
	case t.system:
		d.raw("system", `{"all": true}`)
	}
	if len(t.roles) > 0 {
		d.arr("roles")
		for _, r := range t.roles {
			d.obj()
			d.str("id", r.id)
			d.str("name", r.name)
			d.endObj()
		}
		d.endArr()
		if _, bare := c.query["nocatalog"]; !bare {
			k.catalog(d, t)
		}
	}
	d.endObj()
	d.endObj()
}

// catalog writes all enabled endpoints, by service. Endpoints with a project in their URL are left out of the catalog of
// a token without one, as Keystone does.
func (k *keystone) catalog(d *doc, t *token) {
	d.arr("catalog")
	for _, s := range k.services {
		if !s.enabled {
			continue
		}
		d.obj()
		d.arr("endpoints")
		for _, e := range k.endpoints {
			if e.service != s || !e.enabled {
				continue
			}
			url, ok := e.expand(t.projectID())
			if !ok {
				continue
			}
			d.obj()
			d.str("id", e.id)
			d.str("interface", e.face)
			d.str("region_id", e.region)
			d.str("url", url)
			d.str("region", e.region)
			d.endObj()
		}
		d.endArr()
		d.str("id", s.id)
		d.str("type", s.kind)
		d.str("name", s.name)
		d.endObj()
	}
	d.endArr()
}

// expand puts a project into the URL.
func (e *endpoint) expand(project string) (string, bool) {
	if !strings.Contains(e.url, "(") {
		return e.url, true
	}
	r := strings.NewReplacer("$(project_id)s", project, "%(project_id)s", project, "$(tenant_id)s", project,
		"%(tenant_id)s", project)
	return r.Replace(e.url), project != ""
}

func (k *keystone) showCatalog(c *call) error {
	c.body.obj()
	k.catalog(c.body, c.tok)
	k.links(c, "auth/catalog")
	c.body.endObj()
	return nil
}

// links ends a collection.
func (k *keystone) links(c *call, path string) {
	c.body.obj("links")
	c.body.null("next")
	c.body.str("self", c.prefix+"/"+path)
	c.body.null("previous")
	c.body.endObj()
}

// self ends a member.
func (k *keystone) self(c *call, path, id string) {
	c.body.obj("links")
	c.body.str("self", c.prefix+"/"+path+"/"+id)
	c.body.endObj()
}
