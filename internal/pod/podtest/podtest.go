// Package podtest makes pods for tests: a registry over a given store, a Keystone that does as it is told, and pods whose
// services are functions, called without sockets, so that tests can run in bubbles of testing/synctest.
//
// It is for tests only. It knows of the services' APIs no more than package pod does: version documents and zones.
package podtest

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/store"
)

// Cloud is a set of pods and the registry that knows them.
type Cloud struct {
	Store    store.Store
	Keystone *Keystone
	Registry *pod.Registry

	tb    testing.TB
	mu    sync.Mutex
	hosts map[string]Handler
}

// New makes a cloud without pods, which are kept in s. Adjust, if not nil, changes the registry's options, which are small
// limits by default.
func New(tb testing.TB, s store.Store, adjust func(*pod.Options)) *Cloud {
	c := &Cloud{Store: s, Keystone: &Keystone{}, tb: tb, hosts: map[string]Handler{}}
	options := pod.Options{
		Store: s, Keystone: c.Keystone, Transport: func() http.RoundTripper { return Handler(c.roundTrip) },
		Log: slog.New(slog.DiscardHandler), Now: time.Now,
		TopRegion: "RegionOne", Interface: "public", Timeout: 10 * time.Second, ProbeTimeout: 2 * time.Second,
		ProbeInterval: time.Minute, ReloadInterval: time.Minute, MaxConcurrent: 64, MaxFanOut: 200, BreakerFailures: 5, BreakerDelay: 10 * time.Second,
	}
	if adjust != nil {
		adjust(&options)
	}
	c.Registry = pod.NewRegistry(options)
	return c
}

// Handle makes h answer at a host; with nil the host refuses connections.
func (c *Cloud) Handle(host string, h Handler) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hosts[host] = h
}

// roundTrip is the transport of all pods.
func (c *Cloud) roundTrip(req *http.Request) (*http.Response, error) {
	c.mu.Lock()
	h := c.hosts[req.URL.Host]
	c.mu.Unlock()
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	if h == nil {
		h = Refused
	}
	res, err := h(req)
	if err == nil {
		res.Request = req
	}
	return res, err
}

// Pod is one pod. Its services are at the hosts <region>.compute, <region>.volume and <region>.network.
type Pod struct {
	Region        string
	Compute       Handler  // Nova; nil answers 404. The paths begin below the version.
	Volume        Handler  // Cinder, likewise
	Network       Handler  // Neutron, with whole paths
	ComputeMax    string   // highest microversion, "2.93" if empty
	VolumeMax     string   // "3.70" if empty
	ComputeZones  []string // {"nova"} if nil
	VolumeZones   []string
	WithoutVolume bool // the catalog has no Cinder

	mu    sync.Mutex
	fault Handler
	calls []string
}

// Install puts the pod's services to where they listen and into the catalog, without registering the pod.
func (c *Cloud) Install(p *Pod) {
	c.Handle(p.Region+".compute", p.compute)
	c.Handle(p.Region+".volume", p.volume)
	c.Handle(p.Region+".network", p.network)
	c.Keystone.Add(p.Region, "compute", "http://"+p.Region+".compute/v2.1")
	c.Keystone.Add(p.Region, "network", "http://"+p.Region+".network")
	if !p.WithoutVolume {
		c.Keystone.Add(p.Region, "volumev3", "http://"+p.Region+".volume/v3")
	}
}

// Row is how an operator describes the pod; without zones, with one of the name az-<region> for whatever the pod has.
func (p *Pod) Row(zones ...store.Zone) store.Pod {
	if len(zones) == 0 {
		zones = []store.Zone{{Name: "az-" + p.Region}}
	}
	return store.Pod{ID: uuid.NewString(), RegionName: p.Region, State: store.PodEnabled, Zones: zones}
}

// Register installs the pod and registers it, and returns what the registry then knows of it, probed.
func (c *Cloud) Register(p *Pod, zones ...store.Zone) *pod.Pod {
	c.tb.Helper()
	c.Install(p)
	created, err := c.Registry.Create(c.tb.Context(), p.Row(zones...))
	if err != nil {
		c.tb.Fatal(err)
	}
	known := c.Registry.Snapshot().ByNum(created.Num)
	c.Registry.Probe(c.tb.Context(), known)
	p.Calls() // those were ours
	return known
}

// SetFault lets h answer everything in place of the pod's services; nil heals them.
func (p *Pod) SetFault(h Handler) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = h
}

// Calls returns, and forgets, what the pod was asked: "GET /v2.1/servers/detail?limit=20".
func (p *Pod) Calls() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	calls := p.calls
	p.calls = nil
	return calls
}

// begin notes a call and returns the fault that hits it, or nil.
func (p *Pod) begin(req *http.Request) Handler {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, req.Method+" "+req.URL.RequestURI())
	return p.fault
}

func (p *Pod) compute(req *http.Request) (*http.Response, error) {
	document := fmt.Sprintf(`{"version": {"id": "v2.1", "version": %q, "min_version": "2.1"}}`, cmp.Or(p.ComputeMax, "2.93"))
	return p.serve(req, "/v2.1", document, p.ComputeZones, p.Compute)
}

func (p *Pod) volume(req *http.Request) (*http.Response, error) {
	document := fmt.Sprintf(`{"versions": [{"id": "v3.0", "version": %q, "min_version": "3.0"}]}`, cmp.Or(p.VolumeMax, "3.70"))
	return p.serve(req, "/v3", document, p.VolumeZones, p.Volume)
}

func (p *Pod) network(req *http.Request) (*http.Response, error) {
	return p.serve(req, "", "", nil, p.Network)
}

// serve answers what the registry asks of every service, and leaves the rest to h.
func (p *Pod) serve(req *http.Request, prefix, document string, zones []string, h Handler) (*http.Response, error) {
	if fault := p.begin(req); fault != nil {
		return fault(req)
	}
	path, _ := strings.CutPrefix(req.URL.Path, prefix)
	switch {
	case document != "" && path == "/":
		return JSON(http.StatusOK, document)(req)
	case document != "" && strings.HasSuffix(path, "/os-availability-zone"):
		return JSON(http.StatusOK, zonesDocument(zones))(req)
	case h == nil:
		return JSON(http.StatusNotFound, `{"itemNotFound": {"code": 404, "message": "not here"}}`)(req)
	}
	below := req.Clone(req.Context())
	below.URL.Path, below.URL.RawPath = path, ""
	return h(below)
}

func zonesDocument(zones []string) string {
	if zones == nil {
		zones = []string{"nova"}
	}
	rows := make([]string, len(zones))
	for i, z := range zones {
		rows[i] = fmt.Sprintf(`{"zoneName": %q, "zoneState": {"available": true}, "hosts": null}`, z)
	}
	return `{"availabilityZoneInfo": [` + strings.Join(rows, ", ") + `]}`
}
