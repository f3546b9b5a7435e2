package simcloud

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const tokenLife = 4 * time.Hour

// keystone is the identity service of all pods.
type keystone struct {
	cloud *Cloud

	mu        sync.RWMutex
	projects  []*project
	users     []*user
	roles     []*role
	regions   []*region
	services  []*service
	endpoints []*endpoint
	tokens    map[string]*token
	sweepAt   int // number of tokens at which expired ones are removed
}

type project struct{ id, name string }

type role struct{ id, name string }

type user struct {
	id, name, password string
	grants             map[*project][]*role
}

type region struct{ id, description, parent string }

type service struct {
	id, name, kind, description string
	enabled                     bool
}

type endpoint struct {
	id, face, region, url string
	service               *service
	enabled               bool
}

// token is a session. It does not change after it was issued.
type token struct {
	id              string
	user            *user
	project         *project // nil: unscoped, or scoped to the domain or the system
	domain, system  bool
	roles           []*role
	methods         []string
	audit           string
	issued, expires time.Time
}

// projectID is empty for a token without a project.
func (t *token) projectID() string {
	if t.project == nil {
		return ""
	}
	return t.project.id
}

func (t *token) has(name string) bool {
	return slices.ContainsFunc(t.roles, func(r *role) bool { return r.name == name })
}

func (t *token) admin() bool { return t.has("admin") }

func newKeystone(c *Cloud) *keystone {
	k := &keystone{cloud: c, tokens: map[string]*token{}, sweepAt: 1024}
	for _, name := range []string{"admin", "demo", "service"} {
		k.projects = append(k.projects, &project{stableHex("project " + name), name})
	}
	for _, name := range []string{"member", "reader", "admin", "service"} {
		k.roles = append(k.roles, &role{stableHex("role " + name), name})
	}
	k.addUser("admin", map[string]string{"admin": "member reader admin", "demo": "member reader admin"})
	k.addUser("demo", map[string]string{"demo": "member reader"})
	for _, name := range []string{"nova", "cinder", "neutron", "glance"} {
		k.addUser(name, map[string]string{"service": "admin service"})
	}
	return k
}

// addUser gives roles, by names, in projects, by name.
func (k *keystone) addUser(name string, grants map[string]string) {
	u := &user{id: stableHex("user " + name), name: name, password: "secret", grants: map[*project][]*role{}}
	for project, roles := range grants {
		for _, r := range strings.Fields(roles) {
			u.grants[k.project("", project)] = append(u.grants[k.project("", project)], k.role(r))
		}
	}
	k.users = append(k.users, u)
}

func (k *keystone) project(id, name string) *project {
	return first(k.projects, func(p *project) bool { return p.id == id || p.name == name })
}

func (k *keystone) user(id, name string) *user {
	return first(k.users, func(u *user) bool { return u.id == id || u.name == name })
}

func (k *keystone) role(name string) *role {
	return first(k.roles, func(r *role) bool { return r.name == name })
}

// first returns the first element that matches, or the zero value.
func first[T any](all []T, match func(T) bool) (t T) {
	if i := slices.IndexFunc(all, match); i >= 0 {
		t = all[i]
	}
	return t
}

// fillCatalog registers what the cloud itself serves; it is called when all addresses are known.
func (k *keystone) fillCatalog() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range [][2]string{
		{"cinderv3", "volumev3"}, {"cinder", "block-storage"}, {"glance", "image"}, {"nova", "compute"},
		{"keystone", "identity"}, {"neutron", "network"},
	} {
		k.services = append(k.services, &service{id: stableHex("service " + s[1]), name: s[0], kind: s[1], enabled: true})
	}
	k.addRegion(k.cloud.opts.TopRegion, nil)
	for _, p := range k.cloud.pods {
		k.addRegion(p.Region, map[string]string{
			"compute": p.ComputeURL + "/v2.1", "network": p.NetworkURL,
			"volumev3": p.VolumeURL + "/v3/$(project_id)s", "block-storage": p.VolumeURL + "/v3",
		})
	}
}

func (k *keystone) addRegion(id string, urls map[string]string) {
	k.regions = append(k.regions, &region{id: id})
	all := map[string]string{"identity": k.cloud.AuthURL(), "image": k.cloud.ImageURL()}
	maps.Copy(all, urls)
	for _, s := range k.services {
		if all[s.kind] == "" {
			continue
		}
		for _, face := range []string{"admin", "internal", "public"} {
			k.endpoints = append(k.endpoints, &endpoint{
				id: stableHex("endpoint " + s.kind + face + id), face: face, region: id, url: all[s.kind],
				service: s, enabled: true,
			})
		}
	}
}

// issue makes a token. k.mu is held.
func (k *keystone) issue(t token, ttl time.Duration) *token {
	now := k.cloud.opts.Now().UTC()
	t.id = "gAAAAAB" + compactID(k.cloud.opts.NewID()) + compactID(k.cloud.opts.NewID())
	t.audit = compactID(k.cloud.opts.NewID())[:22]
	t.issued = now.Truncate(time.Second)
	if t.expires.IsZero() {
		t.expires = t.issued.Add(ttl)
	}
	if len(k.tokens) >= k.sweepAt {
		maps.DeleteFunc(k.tokens, func(_ string, old *token) bool { return !now.Before(old.expires) })
		k.sweepAt = max(1024, 2*len(k.tokens))
	}
	k.tokens[t.id] = &t
	return &t
}

// validate returns the token of that id, or nil if there is none that is valid.
func (k *keystone) validate(id string) *token {
	if id == "" {
		return nil
	}
	k.mu.RLock()
	t := k.tokens[id]
	k.mu.RUnlock()
	if t == nil || !k.cloud.opts.Now().Before(t.expires) {
		return nil
	}
	return t
}

// Token issues a token of a user, by name, scoped to a project, by name. It is empty if the user has no role there.
func (c *Cloud) Token(user, project string, ttl time.Duration) string {
	k := c.keystone
	k.mu.Lock()
	defer k.mu.Unlock()
	u, p := k.user("", user), k.project("", project)
	if u == nil || p == nil || len(u.grants[p]) == 0 {
		return ""
	}
	return k.issue(token{user: u, project: p, roles: u.grants[p], methods: []string{"password"}}, ttl).id
}

// Revoke ends a token before its time.
func (c *Cloud) Revoke(token string) {
	c.keystone.mu.Lock()
	defer c.keystone.mu.Unlock()
	delete(c.keystone.tokens, token)
}

// keystoneError is an error in the form of Keystone (keystone/server/flask/application.py).
type keystoneError struct {
	status  int
	message string
}

func (e *keystoneError) Error() string { return e.message }

func (e *keystoneError) body() []byte {
	var d doc
	d.obj()
	d.obj("error")
	d.num("code", e.status)
	d.str("message", e.message)
	d.str("title", http.StatusText(e.status))
	d.endObj()
	d.endObj()
	return d
}

var errUnauthorized = &keystoneError{401, "The request you have made requires authentication."}

func missing(kind, id string) error {
	return &keystoneError{404, "Could not find " + kind + ": " + id + "."}
}
