package pod

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"

	"github.com/tricircle/tricircle/internal/identity"
	"github.com/tricircle/tricircle/internal/microversion"
	"github.com/tricircle/tricircle/internal/store"
)

// Keystone is what the registry needs of the identity service that the pods share.
type Keystone interface {
	// Catalog returns the endpoints of all regions as the service user sees them; Refresh asks Keystone anew.
	Catalog(ctx context.Context) ([]identity.Endpoint, error)
	Refresh(ctx context.Context) error
	// ServiceToken returns a valid token of the service user.
	ServiceToken(ctx context.Context) (string, error)
}

// Options are the registry's dependencies and limits. All fields but Observe are required.
type Options struct {
	Store     store.Store
	Keystone  Keystone
	Transport func() http.RoundTripper // makes the connection pool of one pod
	Log       *slog.Logger
	Now       func() time.Time

	TopRegion       string        // region of the top, which no pod may have
	Interface       string        // of the catalog: public, internal or admin
	Timeout         time.Duration // of one call
	ProbeTimeout    time.Duration // of one probe
	ProbeInterval   time.Duration
	ReloadInterval  time.Duration // how soon changes by other processes are seen
	MaxConcurrent   int           // calls at once to one service of a pod
	MaxFanOut       int           // calls at once to all pods, of requests that go to all; no limit if 0
	BreakerFailures uint          // failures in a row that open the circuit
	BreakerDelay    time.Duration // how long it stays open before one call is let through

	Observe func(pod string, s Service, class string, took time.Duration) // metrics
	Report  func(p *Pod)                                                  // metrics, after each probe
	Forget  func(pod string)                                              // metrics, of a pod that is gone
}

// Registry holds the pods and keeps their snapshot, endpoints and health fresh.
type Registry struct {
	Options
	snapshot atomic.Pointer[Snapshot]
	mu       sync.Mutex // serialises reloads and guards runtimes
	runtimes map[int32]*runtime
	wake     chan struct{}
	fanOut   *fanOut
}

// runtime is the part of a pod that outlives a snapshot.
type runtime struct {
	region    string
	guards    [numServices]*guard
	endpoints atomic.Pointer[[numServices]*url.URL]
	health    atomic.Pointer[Health]
	probeNow  atomic.Bool
}

// NewRegistry makes a registry with an empty snapshot; call Reload before use, and Run to keep it fresh.
func NewRegistry(o Options) *Registry {
	if o.Observe == nil {
		o.Observe = func(string, Service, string, time.Duration) {}
	}
	if o.Report == nil {
		o.Report = func(*Pod) {}
	}
	if o.Forget == nil {
		o.Forget = func(string) {}
	}
	r := &Registry{Options: o, runtimes: map[int32]*runtime{}, wake: make(chan struct{}, 1), fanOut: newFanOut(o.MaxFanOut)}
	r.snapshot.Store(newSnapshot(nil, nil, [numServices]microversion.Version{}))
	return r
}

// Snapshot returns the current picture of all pods. It never changes; ask again for the next request.
func (r *Registry) Snapshot() *Snapshot { return r.snapshot.Load() }

// Reload reads the pods from the store, and the endpoints of new ones from the catalog.
func (r *Registry) Reload(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	rows, err := r.Store.ListPods(ctx)
	if err != nil {
		return fmt.Errorf("reading the pods: %w", err)
	}
	ceilings, err := r.readCeilings(ctx)
	if err != nil {
		return err
	}
	var top *store.Pod
	var pods []*Pod
	fresh := false
	alive := map[int32]bool{}
	for i, row := range rows {
		if row.IsTop() {
			top = &rows[i]
			continue
		}
		rt, ok := r.runtimes[row.Num]
		if !ok || rt.region != row.RegionName { // another region: other endpoints, and nothing is known of its health
			rt = r.newRuntime(row.RegionName)
			r.runtimes[row.Num] = rt
			fresh = true
		}
		alive[row.Num] = true
		pods = append(pods, &Pod{Pod: row, runtime: rt})
	}
	for num := range r.runtimes {
		if !alive[num] {
			if p := r.Snapshot().ByNum(num); p != nil {
				r.Forget(p.Name())
			}
			delete(r.runtimes, num)
		}
	}
	s := newSnapshot(pods, top, ceilings)
	s.fanOut = r.fanOut
	r.snapshot.Store(s)
	if fresh {
		if err := r.loadEndpoints(ctx, pods); err != nil {
			r.Log.Warn("the catalog cannot be read; new pods have no endpoints yet", "error", err)
		}
		r.nudge()
	}
	return nil
}

func (r *Registry) newRuntime(region string) *runtime {
	rt := &runtime{region: region}
	transport := r.Transport()
	for s := range numServices {
		rt.guards[s] = &guard{
			service: s, transport: transport, slots: make(chan struct{}, r.MaxConcurrent), timeout: r.Timeout,
			queueTime: r.Timeout / 4, observe: r.Observe, now: r.Now,
			wake: func() { rt.probeNow.Store(true); r.nudge() },
			breaker: circuitbreaker.NewBuilder[any]().WithFailureThreshold(r.BreakerFailures).
				WithSuccessThreshold(1).WithDelay(r.BreakerDelay).Build(),
		}
	}
	rt.health.Store(&Health{Status: HealthUnknown, Reason: "not probed yet"})
	return rt
}

// loadEndpoints fills in the endpoints of pods from the catalog.
func (r *Registry) loadEndpoints(ctx context.Context, pods []*Pod) error {
	catalog, err := r.Keystone.Catalog(ctx)
	if err != nil {
		return err
	}
	for _, p := range pods {
		eps := endpointsOf(catalog, p.RegionName, r.Interface)
		p.endpoints.Store(&eps)
	}
	return nil
}

// endpointsOf picks the endpoints of one region. Of several types of one service the first in serviceTypes wins.
func endpointsOf(catalog []identity.Endpoint, region, iface string) (eps [numServices]*url.URL) {
	for s := range numServices {
		for _, typ := range serviceTypes[s] {
			for _, e := range catalog {
				if e.ServiceType != typ || e.Interface != iface || e.RegionID != region || eps[s] != nil {
					continue
				}
				u, err := baseURL(e.URL)
				if err != nil || u.Host == "" {
					continue
				}
				if s == Network { // listed without a version as a rule, and with one here and there
					u.Path = strings.TrimSuffix(u.Path, "/v2.0")
				}
				eps[s] = u
			}
		}
	}
	return eps
}

func (r *Registry) nudge() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run reloads and probes until ctx ends.
func (r *Registry) Run(ctx context.Context) error {
	reload := time.NewTicker(r.ReloadInterval)
	defer reload.Stop()
	probe := time.NewTicker(r.ProbeInterval)
	defer probe.Stop()
	r.probeAll(ctx, false)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-reload.C:
			if err := r.Reload(ctx); err != nil && !errors.Is(err, context.Canceled) {
				r.Log.Error("pods are not reloaded; the last known ones stay in force", "error", err)
			}
		case <-probe.C:
			r.probeAll(ctx, false)
		case <-r.wake:
			r.probeAll(ctx, true)
		}
	}
}
