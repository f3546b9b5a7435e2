// Package gateway is the engine of the API gateways: it takes a request, finds its row in a service's route table, and
// executes the row's class: forward to the pod that holds a resource, create in the pod that serves a zone, merge the
// lists of all pods, ask any one pod. What it forwards it does not decode; in answers it changes links, zone names and
// ids, nothing else.
//
// The services themselves are the packages below it, nova and cinder: a table each and the few calls that a class cannot
// express. The engine depends on neither, and it must not depend on app, adminapi or a store's implementation.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/identity"
	"github.com/tricircle/tricircle/internal/jsonx"
	"github.com/tricircle/tricircle/internal/microversion"
	"github.com/tricircle/tricircle/internal/obs"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/routing"
	"github.com/tricircle/tricircle/internal/store"
)

// Service is what the engine must be told of an API: data, and functions for what data cannot say.
type Service struct {
	Pod      pod.Service // which service of the pods stands behind it
	Style    fault.Style
	Prefix   string       // of versioned paths: "/v2.1"
	Legacy   string       // prefix of the same calls as of before microversions, whose headers mean nothing there: "/v2"; or ""
	Versions Negotiation  // microversion headers
	Table    *Table       // every call of the API
	Roots    http.Handler // answers everything outside Prefix, and the version document at Prefix, without a token
	// Special are the handlers that rows of the table name.
	Special map[string]func(*Call) error
	// Newborns are what calls of class by-ref create that can be found by its name, by the call, such as "POST /snapshots".
	Newborns map[string]*Newborn
	// Lists are the merged collections by path, such as "/servers/detail".
	Lists map[string]*Collection
	// Sums are the answers that are added up, by path, such as "/limits".
	Sums map[string]*Sum
	// Changes say what microversions did to calls that pods below the ceiling may still be asked for, by Route.String. What is not
	// here they are not asked for.
	Changes map[string][]Change
	// Missing renders the service's own 404 for a resource that no pod has.
	Missing func(typ store.ResourceType, id string) *fault.Error
	// Removed renders its answer to a call that it no longer serves.
	Removed func(*Route) *fault.Error
	// ForeignProject renders its 400 for a URL whose project is not the token's.
	ForeignProject func(inURL, ofToken string) *fault.Error
	// UnknownHost renders its refusal of an administrator's call that names a host of no pod.
	UnknownHost func(r *Route, host string) *fault.Error
	// Gathers are the lists that are put together from all pods without paging: by path, the members of the answer that are
	// arrays, such as {"services"} of "/os-services".
	Gathers map[string][]string
	// ZoneMembers are the members of answers that hold names of zones; HostMembers of hosts or clusters; each a string or an
	// array of strings. DefinedZoneMembers hold names by which a pod defines its zones. HostIDMembers hold Nova's hostId. IntegerIDs hold integers that are unique in a pod only.
	ZoneMembers, DefinedZoneMembers, HostMembers, HostIDMembers, IntegerIDs []string
	// Opaque are the members that hold users' own data, where nothing is changed.
	Opaque map[string]bool
	// TokenForRoot says that the version document at Prefix needs a token.
	TokenForRoot bool
	// ProjectInPath says that pods want the project in the URL even if the client left it out.
	ProjectInPath bool
}

// Options are what the engine works with.
type Options struct {
	Service   *Service
	Pods      interface{ Snapshot() *pod.Snapshot }
	Routing   *routing.Table
	Validator identity.Validator
	// KeystoneURI is told to clients in a 401.
	KeystoneURI string
	// Public returns the base URL under which the client reached this service, without the version.
	Public      func(*http.Request) string
	ListTimeout time.Duration // for a merged list as a whole
	// FailPartial answers 503 to a list that a pod is missing from, where the default is what there is plus a header.
	FailPartial bool
	Now         func() time.Time
	Log         *slog.Logger
}

// Gateway serves one API.
type Gateway struct {
	Options
	creates inflight
	usage   *lastKnown
	nulls   nullOrders
	answers *jsonx.Rules[view]            // what is changed in answers of pods
	renamed map[*Route]*jsonx.Rules[view] // the same where a route has HostMembers
	api     http.Handler                  // what is below the version prefix, behind authentication
}

// New makes the gateway of o.Service. Wrap it in httpx.Chain for request ids, logs and limits. It fails when the table names
// a special handler that the service does not have.
func New(o Options) (*Gateway, error) {
	g := &Gateway{Options: o, creates: newInflight(), usage: newLastKnown(), answers: o.Service.rules(),
		renamed: map[*Route]*jsonx.Rules[view]{}}
	o.Service.Versions.prepare()
	for r := range o.Service.Table.All() {
		if r.Handler != "" && o.Service.Special[r.Handler] == nil {
			return nil, fmt.Errorf("route %q names no handler of its service: %q", r, r.Handler)
		}
		if r.HostMembers != nil {
			g.renamed[r] = o.Service.rules(r.HostMembers...)
		}
	}
	g.api = identity.Middleware(o.Validator, o.Service.Style, o.KeystoneURI, o.Log)(http.HandlerFunc(g.serveAPI))
	return g, nil
}

// Call is one request on its way through the engine. It belongs to one goroutine.
type Call struct {
	*Gateway
	W       http.ResponseWriter
	R       *http.Request
	Caller  *identity.Caller
	Route   *Route
	Params  Params
	Version microversion.Version // in force for this request
	Prefix  string               // Service.Prefix or Service.Legacy
	Path    string               // escaped, below prefix and project: "/servers/1234/action"
	Query   url.Values
	Body    []byte
	Pods    *pod.Snapshot // the same from beginning to end

	projectInPath bool
}

// Context is the request's.
func (c *Call) Context() context.Context { return c.R.Context() }

// ServeHTTP implements http.Handler.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.Service.prefixOf(r.URL.EscapedPath()) == "" {
		g.Service.Roots.ServeHTTP(w, r)
		return
	}
	g.api.ServeHTTP(w, r)
}

// serveAPI serves an authenticated call: match, look into it, execute its row of the table, and render what went wrong.
func (g *Gateway) serveAPI(w http.ResponseWriter, r *http.Request) {
	c := &Call{Gateway: g, W: w, R: r, Pods: g.Pods.Snapshot(), Caller: identity.FromContext(r.Context())}
	path := r.URL.EscapedPath()
	c.Prefix = g.Service.prefixOf(path)
	c.Path = strings.TrimPrefix(path, c.Prefix)
	err := g.serve(c)
	if r, ok := errors.AsType[*Refusal](err); ok {
		err = c.Reply(r.Pod, r.Answer)
	}
	if err != nil {
		c.fail(err)
	}
}

// prefixOf returns the prefix that a path begins with; "" if it is for Roots: outside the API, or, if that needs no token, the
// version document.
func (s *Service) prefixOf(path string) string {
	for _, prefix := range [...]string{s.Prefix, s.Legacy} {
		below, ok := strings.CutPrefix(path, prefix)
		if !ok || prefix == "" || below != "" && below[0] != '/' {
			continue
		}
		if s.TokenForRoot || strings.Trim(below, "/") != "" {
			return prefix
		}
	}
	return ""
}

func (g *Gateway) serve(c *Call) (err error) {
	if c.Path == "" {
		return c.redirect()
	}
	foreign := c.splitProject()
	candidates, params := g.Service.Table.Match(c.R.Method, c.Path)
	if len(candidates) == 0 {
		return errNoRoute
	}
	if g.Service.Style == fault.Cinder { // its controllers name the id twice, what is around them once (cinder/api/openstack/wsgi.py)
		c.W.Header().Set("X-Compute-Request-Id", obs.RequestID(c.Context()))
	}
	if err := c.negotiate(); err != nil {
		return err
	}
	if foreign != nil {
		return foreign
	}
	c.Params = params
	c.Query = c.R.URL.Query()
	if c.Body, err = readBody(c.R); err != nil {
		return err
	}
	if c.Route, err = c.choose(candidates); err != nil {
		return err
	}
	obs.SetRoute(c.Context(), c.Route.Path)
	return c.execute()
}

// negotiate sets the version of the call and tells the client, also of one that is not served. Without microversions nothing is
// said of them (nova/api/openstack/__init__.py, LegacyV2CompatibleWrapper).
func (c *Call) negotiate() (err error) {
	if c.Prefix != c.Service.Prefix {
		c.Version = c.Service.Versions.Min
		return nil
	}
	c.Version, err = c.Service.Versions.negotiate(c.R.Header, c.Pods.Ceiling(c.Service.Pod))
	if !c.Version.IsZero() {
		c.Service.Versions.announce(c.W.Header(), c.Version)
	}
	return err
}

// redirect answers the version without a slash behind it (cinder/api/v3/router.py).
func (c *Call) redirect() error {
	c.W.Header().Set("Location", c.Public(c.R)+c.Prefix+"/")
	c.W.Header().Set("Content-Type", "text/plain; charset=utf8")
	c.W.WriteHeader(http.StatusFound)
	return nil
}

// splitProject takes an optional leading project off the path. The error refuses another project than the token's. Whether
// a segment is a project is told by its look, as the services' route requirements do ("[0-9a-f-]+").
func (c *Call) splitProject() error {
	first, rest, _ := strings.Cut(strings.TrimPrefix(c.Path, "/"), "/")
	if first == "" || first != c.Caller.ProjectID && !looksLikeProject(first) {
		return nil
	}
	c.Path = "/" + rest
	if first != c.Caller.ProjectID {
		return c.Service.ForeignProject(first, c.Caller.ProjectID)
	}
	c.projectInPath = true
	return nil
}

func looksLikeProject(s string) bool {
	return len(s) >= 32 && strings.Trim(s, "0123456789abcdef-") == ""
}

// choose picks, of the rows that share a method and path, the one for the body's action and the request's version.
func (c *Call) choose(candidates []*Route) (*Route, error) {
	action := ""
	if candidates[0].Action != "" {
		var err error
		if action, err = actionOf(c.Body); err != nil {
			return nil, err
		}
	}
	known := false
	for _, r := range candidates {
		if r.Action != action {
			continue
		}
		if known = true; c.Version.Within(r.Min, r.Max) {
			return r, nil
		}
	}
	if action != "" && !known {
		return nil, fault.BadRequest("There is no such action: %s", action)
	}
	return nil, fault.NotFound("The resource could not be found.")
}

// errNoRoute is answered with the framework's 404 rather than the service's.
var errNoRoute = errors.New("no such route")

// fail renders an error as the service would.
func (c *Call) fail(err error) {
	_, isRendered := errors.AsType[*fault.Error](err)
	unavailable, isUnavailable := errors.AsType[*pod.UnavailableError](err)
	switch {
	case errors.Is(err, errNoRoute):
		fault.NoRoute(c.W, c.R)
		return
	case errors.Is(err, identity.ErrInvalidToken):
		fault.Unauthorized(c.W, c.KeystoneURI)
		return
	case errors.Is(err, context.Canceled) && c.Context().Err() != nil:
		return // nobody is listening
	case isUnavailable && !isRendered:
		f := fault.Unavailable(err, "Pod %s cannot serve this request: its %s service: %s.",
			unavailable.Pod, unavailable.Service, unavailable.Reason)
		if unavailable.RetryAfter > 0 {
			f.RetryAfter = unavailable.RetryAfter
		}
		err = f
	}
	if f := fault.From(err); f.Status >= 500 {
		c.Log.WarnContext(c.Context(), "request failed", "status", f.Status, "error", err)
	}
	fault.Write(c.W, c.Service.Style, err)
}

// readBody reads a request's body whole: it is small, bounded by the server, and looked into before it is forwarded.
func readBody(r *http.Request) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	body, err := io.ReadAll(r.Body)
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, fault.New(http.StatusRequestEntityTooLarge, "Request is too large: more than %d bytes.", tooLarge.Limit)
	}
	if err != nil {
		return nil, fault.BadRequest("The request body is incomplete.")
	}
	return body, nil
}
