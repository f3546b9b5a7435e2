package api

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/obs"
)

// ServeHTTP implements http.Handler. Only the version document needs no token.
func (e *engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path != "/":
		e.api.ServeHTTP(w, r)
	case r.Method == http.MethodGet:
		e.showVersions(w, r)
	default:
		e.fail(w, r, errMethod)
	}
}

func (e *engine) showVersions(w http.ResponseWriter, r *http.Request) {
	e.reply(w, r, http.StatusOK, map[string]any{"versions": []any{map[string]any{
		"id": "v2.0", "status": "CURRENT", "links": []any{link("self", e.Public(r)+"/v2.0/")},
	}}})
}

// serve answers what needs a token: a Route if there is one, else a call on a resource.
func (e *engine) serve(w http.ResponseWriter, r *http.Request) {
	rest, ok := strings.CutPrefix(r.URL.EscapedPath(), "/v2.0/")
	if !ok {
		if r.URL.Path != "/v2.0" {
			fault.NoRoute(w, r)
			return
		}
		e.fail(w, r, errNoRoute) // Neutron has it with the slash only
		return
	}
	path, err := segments(rest)
	if err != nil {
		e.fail(w, r, errNoRoute)
		return
	}
	if t := e.tables[path[0]]; t != nil {
		e.serveResource(w, r, t, path[1:])
		return
	}
	r = withPath(r, "/v2.0/"+strings.Join(path, "/"))
	if _, pattern := e.routes.Handler(r); pattern != "" {
		e.routes.ServeHTTP(w, r)
		return
	}
	e.fail(w, r, e.unrouted(r))
}

// segments splits a path. Of a collection and of an object, .json at the end is how old clients ask for what they get anyway.
func segments(escaped string) ([]string, error) {
	path := strings.Split(escaped, "/")
	if n := len(path); n > 1 && path[n-1] == "" {
		path = path[:n-1]
	}
	for i, s := range path {
		if len(path) <= 2 && i == len(path)-1 {
			s = strings.TrimSuffix(s, ".json")
		}
		var err error
		if path[i], err = url.PathUnescape(s); err != nil {
			return nil, err
		}
		if strings.IndexByte(path[i], 0) >= 0 || !utf8.ValidString(path[i]) {
			return nil, errors.New("no database can hold it")
		}
	}
	return path, nil
}

func withPath(r *http.Request, path string) *http.Request {
	if r.URL.Path == path {
		return r
	}
	out, u := *r, *r.URL
	u.Path, u.RawPath = path, ""
	out.URL = &u
	return &out
}

// unrouted tells a path that has other methods from one that is not there.
func (e *engine) unrouted(r *http.Request) error {
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete} {
		if _, pattern := e.routes.Handler(&http.Request{Method: method, Host: r.Host, URL: r.URL}); pattern != "" {
			return errMethod
		}
	}
	return errNoRoute
}

// serveResource answers a call on a collection, an object, or what is below one. path is what follows the collection.
func (e *engine) serveResource(w http.ResponseWriter, r *http.Request, t *table, path []string) {
	c, err := e.newCall(r)
	if err != nil {
		e.fail(w, r, err)
		return
	}
	c.Resource = t.Resource
	var a answer
	switch len(path) {
	case 0:
		obs.SetRoute(r.Context(), t.path(""))
		a, err = c.onCollection(t)
	case 1:
		obs.SetRoute(r.Context(), t.path("/{id}"))
		a, err = c.onObject(t, path[0])
	default:
		a, err = c.below(t, path[0], path[1], path[2:])
	}
	if err != nil {
		e.fail(w, r, err)
		return
	}
	e.write(w, r, a)
}

func (c *Call) onCollection(t *table) (answer, error) {
	switch c.r.Method {
	case http.MethodGet:
		return c.list(t)
	case http.MethodPost:
		if !t.NoCreate {
			return c.create(t)
		}
	case http.MethodPut, http.MethodDelete: // the framework takes it for an object without an id
		return answer{}, t.NotFound("None")
	}
	return answer{}, errMethod
}

func (c *Call) onObject(t *table, id string) (answer, error) {
	switch c.r.Method {
	case http.MethodGet:
		return c.get(t, id)
	case http.MethodPut:
		if !t.NoUpdate {
			return c.update(t, id)
		}
	case http.MethodDelete:
		if !t.NoDelete {
			return c.delete(t, id)
		}
	}
	return answer{}, errMethod
}

// below serves tags and actions.
func (c *Call) below(t *table, id, name string, rest []string) (answer, error) {
	if name == "tags" && t.Tagged && len(rest) <= 1 {
		if len(rest) == 0 {
			obs.SetRoute(c.Context(), t.path("/{id}/tags"))
			return c.tags(t, id, nil)
		}
		obs.SetRoute(c.Context(), t.path("/{id}/tags/{tag}"))
		return c.tags(t, id, &rest[0])
	}
	i := slices.IndexFunc(t.Actions, func(a Action) bool { return a.Name == name })
	if i < 0 || len(rest) > 0 {
		return answer{}, errNoRoute
	}
	obs.SetRoute(c.Context(), t.path("/{id}/"+name))
	if t.Actions[i].Method != c.r.Method {
		return answer{}, errMethod
	}
	return c.act(t, id, &t.Actions[i])
}

// core are the resources that GET /v2.0/ tells of; others are extensions.
var core = []string{"networks", "subnets", "subnetpools", "ports"}

func (e *engine) listResources(c *Call) (int, any, error) {
	resources := []any{}
	for _, collection := range core {
		if t := e.tables[collection]; t != nil {
			resources = append(resources, map[string]any{"name": t.Singular, "collection": collection,
				"links": []any{link("self", e.Public(c.r)+"/v2.0/"+collection)}})
		}
	}
	return http.StatusOK, map[string]any{"resources": resources}, nil
}
