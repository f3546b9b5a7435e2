package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/tricircle/tricircle/internal/identity"
	"github.com/tricircle/tricircle/internal/neutron/api"
	"github.com/tricircle/tricircle/internal/neutron/ipam"
	"github.com/tricircle/tricircle/internal/neutron/typedriver"
	"github.com/tricircle/tricircle/internal/policy"
	"github.com/tricircle/tricircle/internal/store"
	"github.com/tricircle/tricircle/internal/store/sqlstore"
	"github.com/tricircle/tricircle/internal/store/sqlstore/pgtest"
	"github.com/tricircle/tricircle/internal/store/sqlstore/sqltest"
)

// postgres starts with the first test that needs it.
var postgres pgtest.Server

func TestMain(m *testing.M) { goleak.VerifyTestMain(postgres.Around(m)) }

// onEach runs a test on both databases.
func onEach(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Helper()
	sqltest.OnEach(t, &postgres, func(t *testing.T, url string) { test(t, newFixture(t, url)) })
}

// fixture is the networking API with the plugin over a database. Projects are named by their users' tokens.
type fixture struct {
	t       *testing.T
	store   *sqlstore.Store
	handler http.Handler
}

func newFixture(t *testing.T, url string) *fixture {
	t.Helper()
	return newFixtureOf(t, url, func(*Options) {})
}

// newFixtureOf is newFixture with other options.
func newFixtureOf(t *testing.T, url string, set func(*Options)) *fixture {
	t.Helper()
	s := sqltest.Open(t, url, time.Now)
	types, err := typedriver.New(typedriver.Config{ProjectTypes: []string{"vlan"},
		VLAN: []typedriver.Physical{{Name: "bridge", VLANs: []typedriver.Range{{From: 1, To: 100}}}}}, rand.Int64N)
	if err != nil {
		t.Fatal(err)
	}
	rules, err := policy.New(policy.Neutron(), nil)
	if err != nil {
		t.Fatal(err)
	}
	nowhere := func(context.Context, []string) map[string]PortState { return nil }
	o := Options{Store: s, Live: nowhere, Zones: earth{}, Types: types, MTU: 1500, Addresses: ipam.New(rand.Uint64N),
		Limits: Limits{"network": 100, "subnet": 100, "port": 500, "security_group": 10, "security_group_rule": 100, "rbac_policy": 10,
			"subnetpool": -1, "trunk": -1, "router": 10, "floatingip": 50},
		NewID: uuid.NewString, Now: time.Now, Random: rand.Uint64}
	set(&o)
	p := New(o)
	f := &fixture{t: t, store: s}
	f.handler, err = api.New(api.Options{Resources: p.Resources(), Routes: p.Routes(), Extensions: Extensions(), Store: s, Policy: rules,
		CheckQuota: p.CheckQuota, Validator: anybody{}, Public: func(*http.Request) string { return "http://top" }, NewID: uuid.NewString,
		Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// anybody takes a token for the name of a project, and makes its owner a member; that of the project "root" is an administrator.
type anybody struct{}

func (anybody) Validate(_ context.Context, token string) (*identity.Caller, error) {
	roles := []string{"member", "reader"}
	if token == "root" {
		roles = append(roles, "admin")
	}
	return &identity.Caller{UserID: token, ProjectID: token, Roles: roles}, nil
}

// earth has two zones, with a pod each.
type earth struct{}

func (earth) Names() []Zone            { return []Zone{{"az1", true}, {"az2", false}} }
func (earth) Of(podNum int32) []string { return []string{fmt.Sprintf("az%d", podNum)} }
func (earth) Pods(zone string) []int32 {
	return map[string][]int32{"az1": {1}, "az2": {2}}[zone]
}

// call makes a request as a member of a project, and returns the status and what is below the only member of the body.
func (f *fixture) call(project, method, path, body string) (status int, object map[string]any) {
	r := httptest.NewRequestWithContext(f.t.Context(), method, "/v2.0"+path, strings.NewReader(body))
	r.Header.Set("X-Auth-Token", project)
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	var answer map[string]map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err == nil {
		for _, v := range answer {
			object = v
		}
	}
	return w.Code, object
}

// raw makes a request as project p, and returns the body of the answer.
func raw(f *fixture, method, path, body string) (answer map[string]any) {
	f.t.Helper()
	r := httptest.NewRequestWithContext(f.t.Context(), method, "/v2.0"+path, strings.NewReader(body))
	r.Header.Set("X-Auth-Token", "p")
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		f.t.Fatalf("%s %s: %v: %s", method, path, err, w.Body)
	}
	return answer
}

// make creates an object as project p, and returns its id.
func (f *fixture) make(path, body string) string {
	f.t.Helper()
	status, object := f.call("p", "POST", path, body)
	if status != http.StatusCreated {
		f.t.Fatalf("POST %s: %d %v", path, status, object)
	}
	return object["id"].(string)
}

func (f *fixture) count(q store.ObjectQuery) int {
	f.t.Helper()
	n, err := f.store.Reader().Count(f.t.Context(), q)
	if err != nil {
		f.t.Fatal(err)
	}
	return n
}
