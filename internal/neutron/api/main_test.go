package api

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/identity"
	"github.com/tricircle/tricircle/internal/neutron/schema"
	"github.com/tricircle/tricircle/internal/policy"
	"github.com/tricircle/tricircle/internal/store"
)

// callers are tokens and their owners.
var callers = tokens{
	"demo":    {UserID: "u1", ProjectID: "p1", Roles: []string{"member", "reader"}},
	"other":   {UserID: "u2", ProjectID: "p2", Roles: []string{"member", "reader"}},
	"reader":  {UserID: "u3", ProjectID: "p1", Roles: []string{"reader"}},
	"admin":   {UserID: "u4", ProjectID: "p9", Roles: []string{"admin", "member", "reader"}},
	"service": {UserID: "u5", ProjectID: "p8", Roles: []string{"service"}},
	"domain":  {UserID: "u6", DomainID: "d", Roles: []string{"member", "reader"}},
}

type tokens map[string]*identity.Caller

func (t tokens) Validate(_ context.Context, token string) (*identity.Caller, error) {
	if c := t[token]; c != nil {
		return c, nil
	}
	return nil, identity.ErrInvalidToken
}

// fixture is the API over a database, with resources cut down to what shows the engine at work.
type fixture struct {
	*database
	t       testing.TB
	handler http.Handler
	clock   time.Time
	after   []string // what OnCommit was asked for
	quota   int      // objects of a project and kind; 0 is no bound
	shows   int      // pages that Rules.Show was given
}

func newFixture(t testing.TB, change ...func(*Options)) *fixture {
	t.Helper()
	f := &fixture{t: t, clock: time.Date(2026, 11, 22, 13, 0, 0, 0, time.UTC)}
	now := func() time.Time { return f.clock }
	f.database = openDatabase(t, now)
	rules, err := policy.New(policy.Neutron(), nil)
	if err != nil {
		t.Fatal(err)
	}
	made := 0
	o := Options{
		Resources:  []*Resource{f.networks(), f.ports(), groups(), zones()},
		Extensions: []string{"security-group", "quotas"},
		Store:      f.database, Policy: rules, CheckQuota: f.checkQuota, Validator: callers, KeystoneURI: "http://keystone/v3",
		Public: func(*http.Request) string { return "http://top:9696" },
		NewID: func() string {
			made++
			return fmt.Sprintf("00000000-0000-4000-8000-%012d", made)
		},
		Now: now, Log: slog.New(slog.DiscardHandler),
		Routes: []Route{{"GET /v2.0/quotas/{project_id}", func(c *Call) (int, any, error) {
			quota := c.Param("project_id")
			return http.StatusOK, map[string]any{"quota": quota}, c.AuthorizeOn("get_quota", map[string]any{"project_id": quota})
		}}},
	}
	for _, c := range change {
		c(&o)
	}
	if f.handler, err = New(o); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) checkQuota(_ *Call, tx store.Tx, r *Resource, project string, more int) error {
	n, err := tx.Count(f.t.Context(), store.ObjectQuery{Kind: r.Kind, Filters: []store.Filter{{Attr: "project_id", Values: []any{project}}}})
	if err == nil && f.quota > 0 && n+more > f.quota {
		err = &fault.Error{Status: 409, Type: "OverQuota", Message: "Quota exceeded for resources: ['" + r.Singular + "']."}
	}
	return err
}

func missing(kind string) func(string) error {
	return func(id string) error {
		return &fault.Error{Status: 404, Type: kind + "NotFound", Message: kind + " " + id + " could not be found."}
	}
}

func (f *fixture) networks() *Resource {
	return &Resource{
		Kind: store.KindNetwork, Singular: "network", Plural: "networks", Collection: "networks", Standard: true, Tagged: true,
		NotFound: missing("Network"),
		Attributes: []Attribute{
			{Name: "name", Post: true, Put: true, Default: "", Validate: schema.String(255)},
			{Name: "subnets", NoFilter: true, NoSort: true},
			{Name: "admin_state_up", Post: true, Put: true, Default: true, Convert: schema.ToBool},
			{Name: "status", Live: true},
			{Name: "shared", Post: true, Put: true, Default: false, Convert: schema.ToBool, NoSort: true, Enforce: true},
			{Name: "mtu", Post: true, Put: true, Default: 1500, Convert: schema.ToInt},
			{Name: "router:external", Post: true, Put: true, Default: false, Convert: schema.ToBool, Enforce: true},
			{Name: "provider:network_type", Post: true, Put: true, Default: Unset, Validate: schema.String(0), Enforce: true},
			{Name: "availability_zone_hints", Post: true, Default: func() any { return []any{} }, Validate: schema.ZoneHints,
				NoFilter: true, NoSort: true},
		},
		Rules: Rules{
			Create: func(_ *Call, _ store.Tx, o *store.Object) error {
				o.Attrs["status"] = "ACTIVE"
				if _, ok := o.Attrs["provider:network_type"]; !ok {
					o.Attrs["provider:network_type"] = "vlan"
				}
				return nil
			},
			Created: func(c *Call, _ store.Tx, o *store.Object) error {
				c.OnCommit(func(context.Context) { f.after = append(f.after, "made "+o.ID) })
				return nil
			},
			Update: func(_ *Call, _ store.Tx, _, next *store.Object) error {
				if next.Attrs["name"] == "forbidden" {
					return fault.Conflict("no such name")
				}
				return nil
			},
			Show: func(c *Call, _ store.Reader, page []*store.Object) error {
				f.shows++
				for _, o := range page {
					o.Attrs["subnets"] = []any{}
					if o.Attrs["admin_state_up"] == false {
						o.Attrs["status"] = "DOWN" // which the store does not know
					}
					var err error
					if o.Attrs["shared"], err = isShared(c, f.Store.Reader(), o); err != nil {
						return err
					}
				}
				return nil
			},
		},
		Actions: []Action{{Name: "touch", Method: http.MethodPut, Policy: "update_network",
			Serve: func(c *Call, tx store.Tx, o *store.Object, body map[string]any) (any, error) {
				o.Attrs["name"] = body["name"]
				return map[string]any{"touched": o.ID}, tx.Update(c.Context(), o)
			}}},
	}
}

func (f *fixture) ports() *Resource {
	return &Resource{
		Kind: store.KindPort, Singular: "port", Plural: "ports", Collection: "ports", Standard: true, NotFound: missing("Port"),
		Attributes: []Attribute{
			{Name: "name", Post: true, Put: true, Default: "", Validate: schema.String(255)},
			{Name: "network_id", Post: true, Default: Required, Validate: schema.UUID},
			{Name: "mac_address", Post: true, Put: true, Default: Unset, Convert: schema.ToMAC, Validate: schema.MACAddress, Enforce: true},
			{Name: "fixed_ips", Post: true, Put: true, Default: Unset, Validate: schema.FixedIPs, NoSort: true, Enforce: true,
				Filter: func(values []string) ([]store.Filter, error) {
					return []store.Filter{{Attr: "fixed_ips", Values: []any{strings.Join(values, "+")}}}, nil
				}},
			{Name: "device_id", Post: true, Put: true, Default: "", Validate: schema.String(255)},
			{Name: "security_groups", Post: true, Put: true, Default: Unset, Convert: schema.NilToList, Validate: schema.UUIDList, NoSort: true},
			{Name: "binding:host_id", Post: true, Put: true, Default: "", Enforce: true},
			{Name: "secret", Post: true, Default: "", Hidden: true},
		},
	}
}

func groups() *Resource {
	return &Resource{
		Kind: store.KindSecurityGroup, Singular: "security_group", Plural: "security_groups", Collection: "security-groups",
		NotFound: func(id string) error {
			return &fault.Error{Status: 404, Type: "SecurityGroupNotFound", Message: "Security group " + id + " does not exist"}
		}, Standard: true, Tagged: true, NoBulk: true,
		Attributes: []Attribute{{Name: "name", Post: true, Put: true, Default: "", Validate: schema.String(255)}},
	}
}

// zones come from no store.
func zones() *Resource {
	zone := func(name, resource string) *store.Object {
		return &store.Object{ID: name + resource, Attrs: map[string]any{"name": name, "resource": resource}}
	}
	return &Resource{
		Singular: "availability_zone", Plural: "availability_zones", Collection: "availability_zones", NotFound: missing("Zone"),
		NoCreate: true, NoUpdate: true, NoDelete: true,
		Attributes: []Attribute{{Name: "id", Hidden: true}, {Name: "project_id", Hidden: true}, {Name: "tenant_id", Hidden: true},
			{Name: "name"}, {Name: "resource"}},
		Rules: Rules{List: func(*Call, store.Reader, store.ObjectQuery) ([]*store.Object, error) {
			return []*store.Object{zone("az2", "network"), zone("az1", "router"), zone("az1", "network")}, nil
		}},
	}
}

// call makes a request and returns the answer.
func (f *fixture) call(who, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	f.t.Helper()
	r := httptest.NewRequestWithContext(f.t.Context(), method, target, io.NopCloser(strings.NewReader(body)))
	if who != "" {
		r.Header.Set("X-Auth-Token", who)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	return w
}

// want makes a request whose answer is known.
func (f *fixture) want(status int, answer, who, method, target, body string, headers ...string) {
	f.t.Helper()
	w := f.call(who, method, target, body, headers...)
	if w.Code != status || strings.TrimSpace(w.Body.String()) != answer {
		f.t.Errorf("%s: %s %s %s:\n got %d %s\nwant %d %s", who, method, target, body, w.Code, w.Body, status, answer)
	}
}

// problem is how Neutron writes an error.
func problem(kind, message string) string {
	return fmt.Sprintf(`{"NeutronError": {"type": %q, "message": %q, "detail": ""}}`, kind, message)
}

// id is that of the n-th object that the fixture makes.
func id(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }
