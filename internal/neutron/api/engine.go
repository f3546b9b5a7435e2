package api

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/identity"
	"github.com/tricircle/tricircle/internal/obs"
	"github.com/tricircle/tricircle/internal/policy"
	"github.com/tricircle/tricircle/internal/store"
)

// DefaultMaxLive asks a pod that has all of the ports some 70 times.
const DefaultMaxLive = 10000

// Options are what the API works with. All but Routes, CheckQuota, MaxPage and MaxLive are required.
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
	// MaxLive is the most objects that a list looks at for the sake of conditions on live attributes; 0 means DefaultMaxLive.
	MaxLive int
	Log     *slog.Logger
}

type engine struct {
	Options
	tables     map[string]*table // by collection
	routes     *http.ServeMux
	extensions []extension
	api        http.Handler // what needs a token
}

// New makes the handler of the API. Wrap it in httpx.Chain for request ids, logs and limits. It fails for an extension that
// it does not know, and for resources that contradict each other.
func New(o Options) (http.Handler, error) {
	e := &engine{Options: o, routes: http.NewServeMux()}
	var err error
	if e.extensions, err = describe(o.Extensions); err != nil {
		return nil, err
	}
	if e.tables, err = compile(o.Resources, o.Policy); err != nil {
		return nil, err
	}
	for _, r := range append([]Route{
		{"GET /v2.0/extensions", e.listExtensions},
		{"GET /v2.0/extensions/{alias}", e.showExtension},
		{"GET /v2.0/{$}", e.listResources},
	}, o.Routes...) {
		e.routes.Handle(r.Pattern, e.route(r))
	}
	e.api = identity.Middleware(o.Validator, fault.Neutron, o.KeystoneURI, o.Log)(http.HandlerFunc(e.serve))
	return e, nil
}

// route serves a Route.
func (e *engine) route(route Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		obs.SetRoute(r.Context(), r.Pattern)
		c, err := e.newCall(r)
		if err == nil {
			var status int
			var v any
			if status, v, err = route.Serve(c); err == nil {
				e.reply(w, r, status, v)
				return
			}
		}
		e.fail(w, r, err)
	})
}

func (e *engine) newCall(r *http.Request) (*Call, error) {
	c := &Call{Caller: identity.FromContext(r.Context()), Query: r.URL.Query(), Now: e.Now().UTC(), engine: e, r: r}
	return c, c.identify()
}

// reply renders the answer of a Route; nil is one without a body.
func (e *engine) reply(w http.ResponseWriter, r *http.Request, status int, v any) {
	var body []byte
	if v != nil {
		var err error
		if body, err = appendValue(nil, v); err != nil {
			e.fail(w, r, err)
			return
		}
	}
	e.write(w, r, answer{status, body})
}

func (e *engine) write(w http.ResponseWriter, r *http.Request, a answer) {
	if a.body != nil {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(a.status)
	if _, err := w.Write(a.body); err != nil && a.body != nil {
		e.Log.WarnContext(r.Context(), "the answer was not sent whole", obs.KeyError, err)
	}
}

// errMethod is what the framework says of a method that a URL does not have, and errNoRoute of a URL that nothing serves.
var (
	errMethod = fault.New(http.StatusMethodNotAllowed,
		"The server could not comply with the request since it is either malformed or otherwise incorrect.")
	errNoRoute = fault.NotFound("The resource could not be found.")
)

func (e *engine) fail(w http.ResponseWriter, r *http.Request, err error) {
	f := fault.From(inUse(err))
	if f.Status == http.StatusInternalServerError {
		e.Log.ErrorContext(r.Context(), "the call failed", obs.KeyError, err)
		f = fault.New(f.Status, "Request Failed: internal server error while processing your request.")
	}
	fault.Write(w, fault.Neutron, f)
}
