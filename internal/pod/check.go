package pod

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tricircle/tricircle/internal/microversion"
	"github.com/tricircle/tricircle/internal/store"
)

// RefusedError says why a pod may not be registered or enabled as asked.
type RefusedError struct {
	Conflict bool // it clashes with what is there, rather than being wrong by itself
	Reason   string
}

func (e *RefusedError) Error() string { return e.Reason }

func wrong(format string, args ...any) error {
	return &RefusedError{Reason: fmt.Sprintf(format, args...)}
}

func clash(format string, args ...any) error {
	return &RefusedError{Conflict: true, Reason: fmt.Sprintf(format, args...)}
}

// Known are the highest microversions whose answers the gateways know how to rewrite: a newer one might carry ids, links
// or names that they would let through.
var Known = map[Service]microversion.Version{
	Compute: microversion.MustParse("2.104"),
	Volume:  microversion.MustParse("3.71"),
}

// Check decides whether a pod as described by row can serve. It asks Keystone and the pod, changes nothing, and returns
// the versions it found or a *RefusedError that names what clashes.
func (r *Registry) Check(ctx context.Context, row store.Pod) (versions [numServices]microversion.Range, err error) {
	if err := checkZones(row.Zones); err != nil {
		return versions, err
	}
	if row.RegionName == r.TopRegion {
		return versions, clash("region %s is the top's own: a pod that is the top would call itself for ever", row.RegionName)
	}
	if err := r.Keystone.Refresh(ctx); err != nil {
		return versions, fmt.Errorf("%w: reading the catalog: %w", ErrKeystone, err)
	}
	p := &Pod{Pod: row, runtime: r.newRuntime(row.RegionName)}
	if err := r.loadEndpoints(ctx, []*Pod{p}); err != nil {
		return versions, fmt.Errorf("%w: reading the catalog: %w", ErrKeystone, err)
	}
	if err := r.checkEndpoints(ctx, p); err != nil {
		return versions, err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*r.ProbeTimeout)
	defer cancel()
	versions, err = r.inspect(ctx, p)
	if errors.Is(err, ErrKeystone) {
		return versions, err
	}
	if err != nil {
		return versions, clash("the pod does not answer as it must: %v; register it with state disabled to do it later", err)
	}
	if err := r.checkVersions(versions); err != nil {
		return versions, err
	}
	return versions, r.checkPodZones(ctx, p)
}

func checkZones(zones []store.Zone) error {
	names, podNames := map[string]bool{}, map[string]bool{}
	for _, z := range zones {
		switch {
		case z.Name == "":
			return wrong("az_name is empty")
		case strings.ContainsAny(z.Name, ":,"):
			return wrong("az_name %q: a colon or comma has a meaning of its own in a boot request", z.Name)
		case names[z.Name]:
			return clash("az_name %q is given twice: a pod's zones would be told apart no more", z.Name)
		case podNames[z.PodName]:
			return clash("pod_az_name %q is given twice: answers of the pod could not be translated back", z.PodName)
		case z.PodName == "" && len(zones) > 1:
			return clash("az_name %q maps to every zone of the pod and so must be the only one", z.Name)
		}
		names[z.Name], podNames[z.PodName] = true, true
	}
	return nil
}

// checkEndpoints refuses a pod that has no Nova, or whose services another region offers already.
func (r *Registry) checkEndpoints(ctx context.Context, p *Pod) error {
	base, ok := p.Endpoint(Compute)
	if !ok {
		return wrong("region %s has no compute endpoint (interface %s) in the Keystone catalog", p.RegionName, r.Interface)
	}
	catalog, err := r.Keystone.Catalog(ctx)
	if err != nil {
		return fmt.Errorf("%w: reading the catalog: %w", ErrKeystone, err)
	}
	others := map[string]bool{r.TopRegion: true}
	for _, q := range r.Snapshot().All() {
		if q.ID != p.ID && q.RegionName != p.RegionName {
			others[q.RegionName] = true
		}
	}
	for region := range others {
		eps := endpointsOf(catalog, region, r.Interface)
		if eps[Compute] != nil && eps[Compute].String() == base.String() {
			return clash("its compute endpoint %s is that of region %s", base, region)
		}
	}
	return nil
}

// checkVersions refuses a pod that cannot do what clients were promised.
func (r *Registry) checkVersions(versions [numServices]microversion.Range) error {
	for s := range Known {
		ceiling, v := r.Snapshot().Ceiling(s), versions[s]
		if v.Max.IsZero() || ceiling.IsZero() {
			continue
		}
		if v.Max.Less(ceiling) {
			return clash("its %s API ends at microversion %s, below the ceiling %s that clients were told; "+
				"lower the ceiling first: tricircle ceiling set %s %s", s, v.Max, ceiling, s, v.Max)
		}
		if ceiling.Less(v.Min) {
			return clash("its %s API begins at microversion %s, above the ceiling %s", s, v.Min, ceiling)
		}
	}
	return nil
}

func (r *Registry) checkPodZones(ctx context.Context, p *Pod) error {
	for _, s := range []Service{Compute, Volume} {
		if _, ok := p.Endpoint(s); !ok {
			continue
		}
		names, err := r.zones(ctx, p, s)
		if err != nil {
			return clash("the pod does not answer as it must: %s: %v", s, err)
		}
		for _, z := range p.Zones {
			if z.PodName != "" && !slices.Contains(names, z.PodName) {
				return clash("pod_az_name %q is no zone of its %s service, which has: %s", z.PodName, s, strings.Join(names, ", "))
			}
		}
	}
	return nil
}

// Create checks and registers a pod, and returns it as stored. A disabled pod and the top are not called, so not
// checked; enabling makes up for it.
func (r *Registry) Create(ctx context.Context, row store.Pod) (store.Pod, error) {
	if err := r.admit(ctx, row); err != nil {
		return store.Pod{}, err
	}
	created, err := r.Store.CreatePod(ctx, row)
	if err != nil {
		return store.Pod{}, err
	}
	return created, r.reloadAndProbe(ctx, created.ID)
}

// reloadAndProbe makes what was just written visible, with the health of that pod, so that it need not wait for the prober.
func (r *Registry) reloadAndProbe(ctx context.Context, id string) error {
	if err := r.Reload(ctx); err != nil {
		return err
	}
	if p := r.Snapshot().ByID(id); p != nil && p.Serves() {
		r.Probe(ctx, p)
	}
	return nil
}

// Update replaces the description of a pod. It is checked as by Create, unless its state is all that changes and the
// new one is not enabled.
func (r *Registry) Update(ctx context.Context, row store.Pod) error {
	old := r.Snapshot().ByID(row.ID)
	same := old != nil && old.RegionName == row.RegionName && slices.Equal(old.Zones, row.Zones)
	if same && row.State != store.PodEnabled {
		if err := r.Store.UpdatePod(ctx, row); err != nil {
			return err
		}
		return r.Reload(ctx)
	}
	if err := r.admit(ctx, row); err != nil {
		return err
	}
	if err := r.Store.UpdatePod(ctx, row); err != nil {
		return err
	}
	return r.reloadAndProbe(ctx, row.ID)
}

// Delete forgets a pod and the routings to it. Nothing in the pod is touched.
func (r *Registry) Delete(ctx context.Context, row store.Pod) error {
	if err := r.Store.DeletePod(ctx, row.ID); err != nil {
		return err
	}
	if err := r.Reload(ctx); err != nil {
		return err
	}
	const batch = 1000
	for {
		n, err := r.Store.PurgeRoutings(ctx, row.Num, batch)
		if err != nil {
			return fmt.Errorf("the pod is gone, some of its routings are left: %w", err)
		}
		if n < batch {
			return nil
		}
	}
}

// admit runs the checks where they apply, and lets the first pod of all set the ceilings.
func (r *Registry) admit(ctx context.Context, row store.Pod) error {
	if row.IsTop() {
		return nil
	}
	if row.State == store.PodDisabled {
		return checkZones(row.Zones)
	}
	versions, err := r.Check(ctx, row)
	if err != nil {
		return err
	}
	for s, known := range Known {
		if v := versions[s].Max; r.Snapshot().Ceiling(s).IsZero() && !v.IsZero() {
			if known.Less(v) {
				v = known
			}
			if err := r.Store.PutSetting(ctx, ceilingSetting(s), v.String()); err != nil {
				return fmt.Errorf("keeping the ceiling of %s: %w", s, err)
			}
		}
	}
	return nil
}

// SetCeiling changes the highest microversion that the top advertises. It refuses one that a serving pod cannot do.
func (r *Registry) SetCeiling(ctx context.Context, s Service, v microversion.Version) error {
	known, ok := Known[s]
	if !ok {
		return wrong("the %s API has no microversions", s)
	}
	if known.Less(v) {
		return wrong("the top knows the %s API only up to %s", s, known)
	}
	for _, p := range r.Snapshot().Serving() {
		if have := p.Versions(s); !have.Max.IsZero() && !v.Within(have.Min, have.Max) {
			return clash("pod %s supports %s %s only", p.Name(), s, have)
		}
	}
	if err := r.Store.PutSetting(ctx, ceilingSetting(s), v.String()); err != nil {
		return err
	}
	return r.Reload(ctx)
}

func ceilingSetting(s Service) string { return "ceiling." + s.String() }

func (r *Registry) readCeilings(ctx context.Context) (out [numServices]microversion.Version, err error) {
	for s := range Known {
		text, err := r.Store.GetSetting(ctx, ceilingSetting(s))
		if err != nil {
			return out, fmt.Errorf("reading the ceilings: %w", err)
		}
		if text == "" {
			continue
		}
		if out[s], err = microversion.Parse(text); err != nil {
			return out, fmt.Errorf("setting %s: %w", ceilingSetting(s), err)
		}
	}
	return out, nil
}
