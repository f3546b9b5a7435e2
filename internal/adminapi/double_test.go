package adminapi

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/tricircle/tricircle/internal/bus"
	"github.com/tricircle/tricircle/internal/identity"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/routing"
	"github.com/tricircle/tricircle/internal/store"
	"github.com/tricircle/tricircle/internal/store/sqlstore/sqltest"
	"github.com/tricircle/tricircle/internal/xjob"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// podID is the id of the n-th pod that a rig registers.
func podID(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

var start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// openstack plays one pod: the Nova and Cinder of a region, with one availability zone.
type openstack struct {
	*httptest.Server
	region, zone string
	servers      map[string]bool // ids
	volumes      map[string]bool
	down         atomic.Bool
	deaf         atomic.Bool // health is fine, the rest answers 503
}

func newOpenStack(t *testing.T, region, zone string) *openstack {
	o := &openstack{region: region, zone: zone, servers: map[string]bool{}, volumes: map[string]bool{}}
	o.Server = httptest.NewServer(o)
	t.Cleanup(o.Close)
	return o
}

func (o *openstack) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	w.Header().Set("X-Openstack-Request-Id", "req-"+o.region)
	switch {
	case o.down.Load():
		w.WriteHeader(http.StatusServiceUnavailable)
	case path == "/v2.1/":
		fmt.Fprint(w, `{"version": {"id": "v2.1", "version": "2.93", "min_version": "2.1"}}`)
	case path == "/v3/":
		fmt.Fprint(w, `{"versions": [{"id": "v3.0", "version": "3.70", "min_version": "3.0"}]}`)
	case strings.HasSuffix(path, "/os-availability-zone"):
		fmt.Fprintf(w, `{"availabilityZoneInfo": [{"zoneName": %q}]}`, o.zone)
	case o.deaf.Load():
		w.WriteHeader(http.StatusServiceUnavailable)
	case strings.HasSuffix(path, "/servers/detail"):
		list(w, r, "servers", o.servers)
	case strings.HasSuffix(path, "/volumes/detail"):
		list(w, r, "volumes", o.volumes)
	case strings.HasSuffix(path, "/detail"):
		list(w, r, path[strings.Index(path[1:], "/")+2:len(path)-len("/detail")], nil)
	default:
		o.show(w, path)
	}
}

// list answers everything at once, and nothing after a marker.
func list(w http.ResponseWriter, r *http.Request, name string, ids map[string]bool) {
	rows := []map[string]string{}
	for id := range ids {
		if r.URL.Query().Get("marker") == "" {
			rows = append(rows, map[string]string{"id": id, "tenant_id": "p1", "created": "2026-01-01T00:00:00Z"})
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{name: rows})
}

func (o *openstack) show(w http.ResponseWriter, path string) {
	id := path[strings.LastIndex(path, "/")+1:]
	switch {
	case strings.Contains(path, "/servers/") && o.servers[id]:
		fmt.Fprintf(w, `{"server": {"id": %q, "tenant_id": "p1", "created": "2026-01-01T00:00:00Z"}}`, id)
	case strings.Contains(path, "/volumes/") && o.volumes[id]:
		fmt.Fprintf(w, `{"volume": {"id": %q, "os-vol-tenant-attr:tenant_id": "p1"}}`, id)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// keystone plays the identity service: the catalog, and three tokens.
type keystone struct {
	catalog []identity.Endpoint
	down    error
}

func (k *keystone) add(pods ...*openstack) {
	for _, o := range pods {
		for typ, path := range map[string]string{"compute": "/v2.1", "volumev3": "/v3"} {
			k.catalog = append(k.catalog, identity.Endpoint{ServiceType: typ, Interface: "public", RegionID: o.region, URL: o.URL + path})
		}
	}
}

func (k *keystone) Catalog(context.Context) ([]identity.Endpoint, error) { return k.catalog, k.down }
func (k *keystone) Refresh(context.Context) error                        { return k.down }
func (k *keystone) ServiceToken(context.Context) (string, error)         { return "service", k.down }

func (k *keystone) Validate(_ context.Context, token string) (*identity.Caller, error) {
	if token != "admin" && token != "member" {
		return nil, identity.ErrInvalidToken
	}
	return &identity.Caller{UserID: "u", ProjectID: "p", Roles: []string{token}, Token: "user"}, nil
}

// rig is the API over an SQLite store and doubles of Keystone and of two pods, pod1 and pod2, which are not registered.
type rig struct {
	*testing.T
	http.Handler
	store      store.Store
	keystone   *keystone
	pods       *pod.Registry
	pod1, pod2 *openstack
	jobs       *xjob.Engine
}

func newRig(t *testing.T) *rig {
	t.Helper()
	now := func() time.Time { return start }
	db := sqltest.Open(t, sqltest.InMemory, now)
	g := &rig{T: t, store: db, keystone: &keystone{}, pod1: newOpenStack(t, "pod1", "nova"), pod2: newOpenStack(t, "pod2", "nova")}
	g.keystone.add(g.pod1, g.pod2)
	log := slog.New(slog.DiscardHandler)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	g.pods = pod.NewRegistry(pod.Options{
		Store: db, Keystone: g.keystone, Transport: func() http.RoundTripper { return transport }, Log: log, Now: now,
		TopRegion: "RegionOne", Interface: "public", Timeout: 5 * time.Second, ProbeTimeout: 5 * time.Second,
		ProbeInterval: time.Hour, ReloadInterval: time.Hour, MaxConcurrent: 8, BreakerFailures: 5, BreakerDelay: time.Hour,
	})
	g.jobs = xjob.New(xjob.Options{Jobs: db, Bus: bus.NewLocal(), Log: log, Now: now, Lease: time.Minute})
	g.jobs.Register("network", xjob.Handler{Members: []string{"network_id", "pod_id"}})
	made := 0
	g.Handler = New(Options{
		Pods: g.pods, Routing: routing.NewTable(db, g.pods, 1000, log), Store: db, Validator: g.keystone,
		ServiceToken: g.keystone.ServiceToken, KeystoneURI: "http://keystone/v3", Log: log,
		NewID:  func() string { made++; return podID(made) },
		Jobs:   g.jobs,
		Public: func(*http.Request) string { return "http://top:19999" },
	})
	return g
}

// call makes a request as an administrator.
func (g *rig) call(method, path, body string) (status int, answer string) {
	g.Helper()
	w := g.callAs("admin", method, path, body)
	return w.Code, strings.TrimSpace(w.Body.String())
}

func (g *rig) callAs(token, method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if token != "" {
		r.Header.Set("X-Auth-Token", token)
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w
}

// ok makes a request that must succeed, and decodes the answer.
func (g *rig) ok(method, path, body string, into any) {
	g.Helper()
	status, answer := g.call(method, path, body)
	if status != http.StatusOK {
		g.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	if into != nil {
		if err := json.Unmarshal([]byte(answer), into); err != nil {
			g.Fatal(err)
		}
	}
}

// register registers pod1 as az1 with the id podID(1), and pod2 as az2 with podID(2).
func (g *rig) register() {
	g.Helper()
	for _, n := range []string{"1", "2"} {
		g.ok("POST", "/v1.0/pods", `{"pod": {"region_name": "pod`+n+`", "az_name": "az`+n+`", "dc_name": "dc"}}`, nil)
	}
}

// rows returns the pods in the store by region.
func (g *rig) rows() map[string]store.Pod {
	g.Helper()
	rows, err := g.store.ListPods(g.Context())
	if err != nil {
		g.Fatal(err)
	}
	byRegion := map[string]store.Pod{}
	for _, row := range rows {
		byRegion[row.RegionName] = row
	}
	return byRegion
}

// put stores n routings of servers in a pod and returns their ids in order.
func (g *rig) put(podNum int32, n int) []string {
	g.Helper()
	var ids []string
	for range n {
		id := uuid.NewString()
		ids = append(ids, id)
		row := store.Routing{Type: store.Server, TopID: id, BottomID: id, PodNum: podNum, ProjectID: "p1", CreatedAt: start}
		if err := g.store.PutRoutings(g.Context(), []store.Routing{row}); err != nil {
			g.Fatal(err)
		}
	}
	return ids
}
