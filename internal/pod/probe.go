package pod

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/tricircle/tricircle/internal/microversion"
)

// HealthStatus is what the prober thinks of a pod.
type HealthStatus string

// The values of HealthStatus.
const (
	HealthUnknown HealthStatus = "unknown" // never probed
	HealthUp      HealthStatus = "up"
	HealthDown    HealthStatus = "down"
)

// Health is the outcome of the last probe of a pod.
type Health struct {
	Status    HealthStatus
	Reason    string // why it is not up, naming the service
	CheckedAt time.Time
	Since     time.Time                       // when Status last changed
	Versions  [numServices]microversion.Range // of Compute and Volume; the last known ones when down
}

// Health returns the outcome of the last probe.
func (p *Pod) Health() *Health { return p.health.Load() }

// Up reports whether the last probe succeeded.
func (p *Pod) Up() bool { return p.health.Load().Status == HealthUp }

// Versions returns what a service of the pod supported when it was last probed; zero when not known.
func (p *Pod) Versions(s Service) microversion.Range { return p.health.Load().Versions[s] }

// CircuitOpen reports whether calls to a service of the pod are refused at the moment.
func (p *Pod) CircuitOpen(s Service) bool { return p.guards[s].breaker.IsOpen() }

// Ailing reports whether a service of the pod has failed so often, by calls or by probes, that its circuit is open, or lets no more
// through than a call that tries.
func (p *Pod) Ailing(s Service) bool { return !p.guards[s].breaker.IsClosed() }

// Endpoints returns the base URLs by service name, for operators.
func (p *Pod) Endpoints() map[string]string {
	out := map[string]string{}
	for s := range numServices {
		if u, ok := p.Endpoint(s); ok {
			out[s.String()] = u.String()
		}
	}
	return out
}

// probeAll probes every pod that may be called, in parallel; with wokenOnly only those whose calls have just failed.
func (r *Registry) probeAll(ctx context.Context, wokenOnly bool) {
	var wg sync.WaitGroup
	for _, p := range r.Snapshot().Serving() {
		woken := p.probeNow.Swap(false)
		if wokenOnly && !woken && p.Health().Status != HealthUnknown {
			continue
		}
		wg.Go(func() { r.Probe(ctx, p) })
	}
	wg.Wait()
}

// Probe asks the pod for its version documents and, with the service user's token, for its zones; records the outcome
// as its health, and opens or closes its circuits by it. After a failure the endpoints are read anew from the catalog,
// so that a service that moved is found by the next probe.
func (r *Registry) Probe(ctx context.Context, p *Pod) *Health {
	ctx, cancel := context.WithTimeout(ctx, r.ProbeTimeout)
	defer cancel()
	if p.endpoints.Load() == nil { // Keystone did not answer when the pod was new
		r.rediscover(ctx, p)
	}
	versions, err := r.inspect(ctx, p)
	if errors.Is(ctx.Err(), context.Canceled) || errors.Is(err, ErrKeystone) || p.endpoints.Load() == nil {
		return p.Health() // says nothing about the pod
	}
	old := p.Health()
	h := &Health{Status: HealthUp, CheckedAt: r.Now(), Since: old.Since, Versions: versions}
	if err != nil {
		h.Status, h.Reason = HealthDown, err.Error()
		for s, v := range versions {
			if v.Max.IsZero() {
				h.Versions[s] = old.Versions[s]
			}
		}
	}
	if h.Status != old.Status {
		h.Since = h.CheckedAt
		r.Log.Info("health of pod changed", "pod", p.Name(), "health", h.Status, "was", old.Status, "reason", h.Reason)
	}
	before := r.Snapshot().BelowCeiling(p)
	p.health.Store(h)
	defer r.Report(p)
	if now := r.Snapshot().BelowCeiling(p); len(now) > 0 && !slices.Equal(before, now) {
		r.Log.Warn("pod is below the ceiling: it speaks older microversions than clients are told, and gets nothing new; upgrade it, or "+
			"lower the ceiling", "pod", p.Name(), "compute", h.Versions[Compute].String(), "volume", h.Versions[Volume].String())
	}
	if err == nil {
		r.acquit(p, versions)
		return h
	}
	if old.Status == HealthDown {
		r.condemn(p, err)
	}
	r.rediscover(ctx, p)
	return h
}

// acquit closes the circuits of the services that have just answered.
func (r *Registry) acquit(p *Pod, versions [numServices]microversion.Range) {
	for s, v := range versions {
		if breaker := p.guards[s].breaker; !v.Max.IsZero() && !breaker.IsClosed() {
			breaker.Close()
		}
	}
}

// condemn opens the circuit of the service that has now failed twice, so that callers need not each find out.
func (r *Registry) condemn(p *Pod, err error) {
	if e, ok := errors.AsType[*probeError](err); ok && p.guards[e.service].breaker.IsClosed() {
		p.guards[e.service].breaker.Open()
	}
}

func (r *Registry) rediscover(ctx context.Context, p *Pod) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.ProbeTimeout)
	defer cancel()
	if err := r.Keystone.Refresh(ctx); err != nil {
		r.Log.Warn("the catalog cannot be refreshed", "pod", p.Name(), "error", err)
		return
	}
	if err := r.loadEndpoints(ctx, []*Pod{p}); err != nil {
		r.Log.Warn("endpoints cannot be refreshed", "pod", p.Name(), "error", err)
	}
}

// probeError names the service that failed a probe.
type probeError struct {
	service Service
	err     error
}

func (e *probeError) Error() string { return e.service.String() + ": " + e.err.Error() }
func (e *probeError) Unwrap() error { return e.err }

// inspect returns the microversions of the pod's Nova and Cinder, and the first error.
func (r *Registry) inspect(ctx context.Context, p *Pod) (versions [numServices]microversion.Range, err error) {
	for _, s := range []Service{Compute, Volume} {
		base, ok := p.Endpoint(s)
		if !ok {
			if s == Compute {
				return versions, &probeError{s, fmt.Errorf("region %s has no compute endpoint in the Keystone catalog", p.RegionName)}
			}
			continue // a pod without Cinder is a pod
		}
		versions[s], err = r.versions(ctx, p, s, base)
		if err != nil {
			return versions, &probeError{s, err}
		}
		if _, err := r.zones(ctx, p, s); err != nil {
			return versions, &probeError{s, err}
		}
	}
	return versions, nil
}

// versions reads the version document at an endpoint. Nova answers {"version": {}}, Cinder {"versions": [{}]}
// (nova/api/openstack/compute/versionsV21.py, cinder/api/versions.py, all releases).
func (r *Registry) versions(ctx context.Context, p *Pod, s Service, base *url.URL) (microversion.Range, error) {
	type doc struct {
		ID      string `json:"id"`
		Version string `json:"version"`
		Min     string `json:"min_version"`
	}
	var answer struct {
		Version  doc   `json:"version"`
		Versions []doc `json:"versions"`
	}
	if err := r.get(ctx, p, s, base.String()+"/", &answer); err != nil {
		return microversion.Range{}, err
	}
	d := answer.Version
	for _, v := range answer.Versions {
		if v.Version != "" {
			d = v
		}
	}
	low, err := microversion.Parse(d.Min)
	if err != nil {
		return microversion.Range{}, fmt.Errorf("version document at %s: %w", base, err)
	}
	high, err := microversion.Parse(d.Version)
	if err != nil {
		return microversion.Range{}, fmt.Errorf("version document at %s: %w", base, err)
	}
	return microversion.Range{Min: low, Max: high}, nil
}

// zones returns the names of the availability zones of a service of the pod.
func (r *Registry) zones(ctx context.Context, p *Pod, s Service) ([]string, error) {
	base, _ := p.Endpoint(s)
	var answer struct {
		Info []struct {
			Name string `json:"zoneName"`
		} `json:"availabilityZoneInfo"`
	}
	if err := r.get(ctx, p, s, base.String()+"/os-availability-zone", &answer); err != nil {
		return nil, err
	}
	var names []string
	for _, z := range answer.Info {
		names = append(names, z.Name)
	}
	return names, nil
}

// ErrKeystone means that Keystone, not a pod, stood in the way.
var ErrKeystone = errors.New("Keystone does not serve the top")

// get is a probe's request: past the breaker, so that it can tell when to close it, and with its own short deadline.
func (r *Registry) get(ctx context.Context, p *Pod, s Service, url string, into any) error {
	token, err := r.Keystone.ServiceToken(ctx)
	if err != nil {
		r.Log.Warn("pods cannot be probed without a token of the service user", "error", err)
		return fmt.Errorf("%w: no token of the service user: %w", ErrKeystone, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("X-Auth-Token", token)
	req.Header.Set("Accept", "application/json")
	res, err := p.guards[s].transport.RoundTrip(req)
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	if err != nil {
		return errors.New(reason(err))
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return errors.New(reason(err))
	}
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusMultipleChoices {
		return fmt.Errorf("GET %s answered %s", url, res.Status)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("GET %s answered no JSON of the expected shape: %w", url, err)
	}
	return nil
}
