package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/identity"
	"github.com/tricircle/tricircle/internal/obs"
	"github.com/tricircle/tricircle/internal/policy"
	"github.com/tricircle/tricircle/internal/store"
)

// Options are what the API works with. All but Routes and CheckQuota are required.
type Options struct {
	Resources  []*Resource
	Routes     []Route
	Extensions []string // aliases of what the resources have
	Store      store.Objects
	Policy     *policy.Enforcer
	// CheckQuota refuses, with Neutron's OverQuota, that a project gets so many more objects of a resource. It runs in the
	// transaction of the create.
	CheckQuota func(c *Call, tx store.Tx, r *Resource, projectID string, more int) error
	Validator  identity.Validator
	// KeystoneURI is told to clients in a 401.
	KeystoneURI string
	// Public returns the base URL under which the client reached this API, without the version.
	Public  func(*http.Request) string
	NewID   func() string // of objects: UUIDs
	Now     func() time.Time
	MaxPage int // the most objects in one answer; 0 means no bound (pagination_max_limit)
	Log     *slog.Logger
}

type engine struct {
	Options
	extensions []extension
}

// New makes the handler of the API. Wrap it in httpx.Chain for request ids, logs and limits. It fails for an extension that
// it does not know.
func New(o Options) (http.Handler, error) {
	e := &engine{Options: o}
	var err error
	if e.extensions, err = describe(o.Extensions); err != nil {
		return nil, err
	}
	protected := http.NewServeMux()
	routes := append([]Route{
		{"GET /v2.0/extensions", e.listExtensions},
		{"GET /v2.0/extensions/{alias}", e.showExtension},
	}, o.Routes...)
	for _, r := range routes {
		protected.Handle(r.Pattern, e.handler(r))
	}
	protected.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { e.fail(w, r, errNoRoute) })
	public := http.NewServeMux()
	public.HandleFunc("GET /{$}", e.showVersions)
	public.Handle("/", identity.Middleware(o.Validator, fault.Neutron, o.KeystoneURI, o.Log)(protected))
	return public, nil
}

// errNoRoute is what the framework says of a URL that nothing serves.
var errNoRoute = &fault.Error{Status: http.StatusNotFound, Type: "HTTPNotFound", Message: "The resource could not be found."}

// handler serves a Route.
func (e *engine) handler(route Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := e.newCall(r)
		status, answer, err := route.Serve(c)
		if err != nil {
			e.fail(w, r, err)
			return
		}
		e.reply(w, r, status, answer)
	})
}

func (e *engine) newCall(r *http.Request) *Call {
	return &Call{Caller: identity.FromContext(r.Context()), Query: r.URL.Query(), Now: e.Now().UTC(), engine: e, r: r}
}

// reply renders an answer; nil is one without a body.
func (e *engine) reply(w http.ResponseWriter, r *http.Request, status int, answer any) {
	if answer == nil {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false) // links have an ampersand
	if err := encoder.Encode(answer); err != nil {
		e.Log.WarnContext(r.Context(), "the answer was not sent whole", obs.KeyError, err)
	}
}

func (e *engine) fail(w http.ResponseWriter, r *http.Request, err error) {
	f := fault.From(err)
	if f.Status >= http.StatusInternalServerError {
		e.Log.ErrorContext(r.Context(), "the call failed", obs.KeyError, err)
	}
	fault.Write(w, fault.Neutron, f)
}

// showVersions answers / without a token.
func (e *engine) showVersions(w http.ResponseWriter, r *http.Request) {
	e.reply(w, r, http.StatusOK, map[string]any{"versions": []any{map[string]any{
		"id": "v2.0", "status": "CURRENT",
		"links": []any{map[string]any{"rel": "self", "href": e.Public(r) + "/v2.0/"}},
	}}})
}

// commit runs what a transaction left for afterwards.
func (c *Call) committed(ctx context.Context) {
	for _, f := range c.commit {
		f(ctx)
	}
}
