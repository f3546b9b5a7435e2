// Package pod knows the pods: which there are, which availability zones they serve, where their services listen, whether
// they answer, and how to call them without letting a sick one harm the others.
//
// Hot reads go to one immutable Snapshot. Every call to a pod goes through its guard (deadline, bulkhead, circuit
// breaker). The package speaks no service's API beyond version documents and the zone lists that checks need, and must
// not depend on the gateways, the Admin API or a database driver.
package pod

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/tricircle/tricircle/internal/microversion"
	"github.com/tricircle/tricircle/internal/store"
)

// Service is one of the APIs of a pod that the top calls.
type Service int

// The services of a pod.
const (
	Compute Service = iota
	Volume
	Network
	Image
	numServices
)

var serviceNames = [numServices]string{"compute", "volume", "network", "image"}

// String is the name that logs, metrics and the Admin API use.
func (s Service) String() string { return serviceNames[s] }

// serviceTypes are the names under which Keystone catalogs list each service, preferred first (service-types authority).
var serviceTypes = [numServices][]string{
	{"compute"},
	{"block-storage", "volumev3", "volume"},
	{"network"},
	{"image"},
}

// Pod is one registered pod as of a snapshot: what the operator said of it, and the parts that live as long as the
// process (guards, health). Safe for concurrent use.
type Pod struct {
	store.Pod
	*runtime
}

// Name is what users and operators know the pod by: its region.
func (p *Pod) Name() string { return p.RegionName }

// Accepts reports whether new resources may be placed in the pod by its state.
func (p *Pod) Accepts() bool { return p.State == store.PodEnabled }

// Serves reports whether the pod may be called at all.
func (p *Pod) Serves() bool { return p.State != store.PodDisabled }

// PodZone translates a zone of the top into the pod's own name; "" with ok means any zone of the pod.
func (p *Pod) PodZone(name string) (podName string, ok bool) {
	for _, z := range p.Zones {
		if z.Name == name {
			return z.PodName, true
		}
	}
	return "", false
}

// OwnZone is the inverse of TopZone: PodZone for mapped zones, and the pod's own name for those that the map leaves out. They
// can be looked for, and not asked for.
func (p *Pod) OwnZone(name string) (podName string, ok bool) {
	if podName, ok = p.PodZone(name); ok {
		return podName, true
	}
	podName, ok = strings.CutSuffix(name, "."+p.RegionName)
	if !ok || podName == "" || p.TopZone(podName) != name {
		return "", false
	}
	return podName, true
}

// DefinedZone is TopZone where zones are defined, in a pod's aggregates: what the map leaves out is as it was defined.
func (p *Pod) DefinedZone(podName string) string {
	for _, z := range p.Zones {
		if z.PodName == podName && podName != "" {
			return z.Name
		}
	}
	return podName
}

// TopZone translates a zone of the pod into the top's name. A zone that the availability zone map leaves out is shown
// qualified with the pod's name, so that two pods' "nova" are never taken for one.
func (p *Pod) TopZone(podName string) string {
	wildcard := ""
	if podName == "" {
		return "" // a server that has not been placed yet
	}
	for _, z := range p.Zones {
		if z.PodName == podName {
			return z.Name
		}
		if z.PodName == "" {
			wildcard = z.Name
		}
	}
	if wildcard != "" {
		return wildcard
	}
	return podName + "." + p.RegionName
}

// ZoneNames lists the pod's zones as users know them, for error texts.
func (p *Pod) ZoneNames() string {
	names := make([]string, len(p.Zones))
	for i, z := range p.Zones {
		names[i] = z.Name
	}
	return strings.Join(names, ", ")
}

// Endpoint returns the base URL of a service, up to and including the version and without a project, for example
// http://pod:8774/v2.1, but http://pod:9696 of Network; ok is false when the catalog has none.
func (p *Pod) Endpoint(s Service) (base *url.URL, ok bool) {
	eps := p.endpoints.Load()
	if eps == nil || eps[s] == nil {
		return nil, false
	}
	return eps[s], true
}

// Do sends one request to a service of the pod. The URL must be built on Endpoint, and the request's context carries
// the deadline. Any answer of the service itself with a status below 500, and 500 and 501 themselves, is a success here. A pod
// that cannot be reached, does not answer in time, answers 502, 503 or 504, redirects, lets something else answer in its place,
// or has an open circuit is an *UnavailableError; so is, from reading the body, an answer that is not complete.
func (p *Pod) Do(s Service, req *http.Request) (*http.Response, error) {
	return p.guards[s].do(p, req)
}

// Snapshot is the immutable picture of all pods that requests read.
type Snapshot struct {
	pods  []*Pod // by Num; without the top
	top   *store.Pod
	byNum map[int32]*Pod
	zones map[string][]*Pod

	ceilings [numServices]microversion.Version
	fanOut   *fanOut // of the registry; nil has no limit
}

func newSnapshot(pods []*Pod, top *store.Pod, ceilings [numServices]microversion.Version) *Snapshot {
	s := &Snapshot{pods: pods, top: top, ceilings: ceilings, byNum: map[int32]*Pod{}, zones: map[string][]*Pod{}}
	for _, p := range pods {
		s.byNum[p.Num] = p
		for _, z := range p.Zones {
			s.zones[z.Name] = append(s.zones[z.Name], p)
		}
	}
	return s
}

// All returns every registered pod in order of registration, whatever its state.
func (s *Snapshot) All() []*Pod { return s.pods }

// Serving returns the pods that may be called.
func (s *Snapshot) Serving() []*Pod {
	var out []*Pod
	for _, p := range s.pods {
		if p.Serves() {
			out = append(out, p)
		}
	}
	return out
}

// ByNum returns the pod with that code, or nil.
func (s *Snapshot) ByNum(num int32) *Pod { return s.byNum[num] }

// ByID returns the pod with that id, or nil.
func (s *Snapshot) ByID(id string) *Pod {
	for _, p := range s.pods {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// ByName returns the pod of that region, or nil.
func (s *Snapshot) ByName(region string) *Pod {
	for _, p := range s.pods {
		if p.RegionName == region {
			return p
		}
	}
	return nil
}

// Top returns the row by which Tricircle's Admin API knows the top, or nil when none was registered.
func (s *Snapshot) Top() *store.Pod { return s.top }

// Ceiling returns the highest microversion that the top advertises for a service: set when the first pod joins, and
// afterwards only by the operator, because clients keep what they discovered. Zero when no pod has joined.
func (s *Snapshot) Ceiling(svc Service) microversion.Version { return s.ceilings[svc] }

// BelowCeiling returns the services of a pod that do not know the microversions that clients are told of: it was downgraded, or
// replaced by an older one. What it has is served as far as possible, and nothing new is placed there.
func (s *Snapshot) BelowCeiling(p *Pod) (below []Service) {
	for _, svc := range []Service{Compute, Volume} {
		if newest := p.Versions(svc).Max; !newest.IsZero() && newest.Less(s.Ceiling(svc)) {
			below = append(below, svc)
		}
	}
	return below
}

// Zone returns the pods that serve a zone of the top.
func (s *Snapshot) Zone(name string) []*Pod { return s.zones[name] }

// versionSegment ends the part of an endpoint's path that is the same for everybody.
var versionSegment = regexp.MustCompile(`/v[0-9]+(\.[0-9]+)?(/|$)`)

// baseURL brings an endpoint of the catalog into the form of Endpoint: whatever follows the version is a project,
// put there by Keystone, and not the project of the next request.
func baseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, err
	}
	if loc := versionSegment.FindStringIndex(u.Path); loc != nil {
		u.Path = u.Path[:loc[1]]
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath, u.RawQuery, u.Fragment = "", "", ""
	return u, nil
}
