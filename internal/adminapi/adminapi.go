// Package adminapi is Tricircle's own API, /v1.0: what operators do with pods and the networks that these had, routings, bindings of
// projects, microversion ceilings and jobs. Paths, members and codes that Tricircle had (tricircle/api/controllers, Ussuri) are kept, so that python-tricircleclient works.
//
// It turns requests into calls of pod.Registry, routing.Table, adopt.Adopter and xjob.Engine, which decide, and must not depend on the gateways or on
// an implementation of the store.
package adminapi

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/identity"
	"github.com/tricircle/tricircle/internal/neutron/adopt"
	"github.com/tricircle/tricircle/internal/obs"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/routing"
	"github.com/tricircle/tricircle/internal/store"
	"github.com/tricircle/tricircle/internal/xjob"
)

// Options are what the API works with. All fields but Networks are required.
type Options struct {
	Pods      *pod.Registry
	Routing   *routing.Table
	Store     store.Store
	Validator identity.Validator
	// ServiceToken returns a token of the service user, who may list what all projects have.
	ServiceToken func(context.Context) (string, error)
	// KeystoneURI is told to clients in a 401.
	KeystoneURI string
	NewID       func() string // of pods: UUIDs
	Jobs        *xjob.Engine  // knows the kinds of jobs, and is told of new ones
	// Networks adopts networks of pods; nil where the top has no networking service.
	Networks *adopt.Adopter
	// Public returns the base URL under which the client reached this API, without the version.
	Public func(*http.Request) string
	Log    *slog.Logger
}

type api struct {
	Options
	protected *http.ServeMux // what needs a token
}

// New makes the handler of the API. Wrap it in httpx.Chain for request ids, logs and limits.
func New(o Options) http.Handler {
	a := &api{Options: o, protected: http.NewServeMux()}
	for pattern, serve := range map[string]operation{
		"GET /v1.0/pods":                     a.listPods,
		"POST /v1.0/pods":                    a.createPod,
		"GET /v1.0/pods/{id}":                a.showPod,
		"PUT /v1.0/pods/{id}":                a.updatePod,
		"DELETE /v1.0/pods/{id}":             a.deletePod,
		"POST /v1.0/pods/{id}/check":         a.checkPod,
		"GET /v1.0/pods/{id}/networks":       a.listNetworks,
		"POST /v1.0/pods/{id}/networks":      a.adoptNetwork,
		"GET /v1.0/routings":                 a.listRoutings,
		"GET /v1.0/routings/{id}":            a.showRouting,
		"GET /v1.0/routings/lookup":          a.lookupRouting,
		"POST /v1.0/routings/rebuild":        a.rebuildRoutings,
		"GET /v1.0/bindings":                 a.listBindings,
		"GET /v1.0/bindings/{project_id}":    a.showBinding,
		"PUT /v1.0/bindings/{project_id}":    a.setBinding,
		"DELETE /v1.0/bindings/{project_id}": a.deleteBinding,
		"GET /v1.0/ceilings":                 a.showCeilings,
		"PUT /v1.0/ceilings":                 a.setCeilings,
		"GET /v1.0/jobs":                     a.listJobs,
		"GET /v1.0/jobs/detail":              a.listJobs,
		"GET /v1.0/jobs/schemas":             a.listJobSchemas,
		"GET /v1.0/jobs/{id}":                a.showJob,
		"POST /v1.0/jobs":                    a.createJob,
		"PUT /v1.0/jobs/{id}":                a.redoJob,
		"POST /v1.0/jobs/{id}/cancel":        a.cancelJob,
		"DELETE /v1.0/jobs/{id}":             a.deleteJob,
	} {
		a.protected.Handle(pattern, a.handler(serve))
	}
	authenticate := identity.Middleware(o.Validator, fault.Admin, o.KeystoneURI, o.Log)
	public := http.NewServeMux()
	public.Handle("GET /{$}", a.handler(a.showVersions))
	public.Handle("GET /v1.0", a.handler(a.showLinks))
	public.Handle("GET /v1.0/{$}", a.handler(a.showLinks))
	public.Handle("/", authenticate(http.HandlerFunc(a.authorise)))
	return public
}

// forMembers are the operations that everybody may use, each within their own project.
var forMembers = map[string]bool{"GET /v1.0/jobs": true, "GET /v1.0/jobs/detail": true, "GET /v1.0/jobs/{id}": true}

// authorise lets administrators through to the operation that they ask for, and others to what is for all.
func (a *api) authorise(w http.ResponseWriter, r *http.Request) {
	_, pattern := a.protected.Handler(r)
	caller := identity.FromContext(r.Context())
	if !caller.IsAdmin() && (!forMembers[pattern] || caller.ProjectID == "") {
		a.fail(w, r, fault.Forbidden("Only administrators may use this API: the role admin is needed."))
		return
	}
	if pattern == "" {
		a.refuse(w, r)
		return
	}
	a.protected.ServeHTTP(w, r)
}

// refuse answers a request that no operation serves: ServeMux would too, but in a form of its own.
func (a *api) refuse(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodDelete, http.MethodGet, http.MethodPost, http.MethodPut} {
		if _, pattern := a.protected.Handler(&http.Request{Method: method, Host: r.Host, URL: r.URL}); pattern != "" {
			allowed = append(allowed, method)
		}
	}
	switch strings.TrimRight(r.URL.Path, "/") {
	case "", "/v1.0":
		allowed = []string{http.MethodGet}
	}
	if allowed == nil {
		a.fail(w, r, fault.NotFound("There is no %s in this API.", r.URL.Path))
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	a.fail(w, r, fault.New(http.StatusMethodNotAllowed, "%s does not support %s.", r.URL.Path, r.Method))
}

// operation serves one call. Its answer is rendered as JSON, with status 200 as in Tricircle whatever the method.
type operation func(*http.Request) (answer any, err error)

func (a *api) handler(serve operation) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, path, _ := strings.Cut(r.Pattern, " ")
		obs.SetRoute(r.Context(), path)
		answer, err := serve(r)
		if err != nil {
			a.fail(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false) // links have an ampersand
		if err := encoder.Encode(answer); err != nil {
			a.Log.WarnContext(r.Context(), "the answer was not sent whole", obs.KeyError, err)
		}
	})
}
