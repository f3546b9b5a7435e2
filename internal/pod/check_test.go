package pod_test

import (
	"errors"
	"testing"

	"github.com/google/uuid"

	"github.com/tricircle/tricircle/internal/microversion"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/pod/podtest"
	"github.com/tricircle/tricircle/internal/store"
)

func zone(name, podName string) store.Zone { return store.Zone{Name: name, PodName: podName} }

func TestCreate_Refusals(t *testing.T) {
	for name, c := range map[string]struct {
		pod      *podtest.Pod
		prepare  func(*podtest.Cloud)
		zones    []store.Zone
		conflict bool
		reason   string
	}{
		"region of the top": {pod: &podtest.Pod{Region: "RegionOne"}, conflict: true,
			reason: "region RegionOne is the top's own: a pod that is the top would call itself for ever"},
		"region without compute": {pod: &podtest.Pod{Region: "new"}, prepare: func(c *podtest.Cloud) { c.Keystone.Remove("new") },
			reason: "region new has no compute endpoint (interface public) in the Keystone catalog"},
		"same endpoint as another pod": {pod: &podtest.Pod{Region: "new"}, conflict: true,
			prepare: func(c *podtest.Cloud) { c.Keystone.Add("new", "compute", "http://east.compute/v2.1/") },
			reason:  "its compute endpoint http://east.compute/v2.1 is that of region east"},
		"same endpoint as the top": {pod: &podtest.Pod{Region: "new"}, conflict: true,
			prepare: func(c *podtest.Cloud) { c.Keystone.Add("RegionOne", "compute", "http://new.compute/v2.1") },
			reason:  "its compute endpoint http://new.compute/v2.1 is that of region RegionOne"},
		"zone unknown in Nova": {pod: &podtest.Pod{Region: "new", VolumeZones: []string{"gpu"}}, zones: []store.Zone{zone("z", "gpu")}, conflict: true,
			reason: `pod_az_name "gpu" is no zone of its compute service, which has: nova`},
		"zone unknown in Cinder": {pod: &podtest.Pod{Region: "new", ComputeZones: []string{"gpu", "nova"}}, zones: []store.Zone{zone("z", "gpu")}, conflict: true,
			reason: `pod_az_name "gpu" is no zone of its volume service, which has: nova`},
		"zone given twice": {pod: &podtest.Pod{Region: "new"}, zones: []store.Zone{zone("z", "a"), zone("z", "b")}, conflict: true,
			reason: `az_name "z" is given twice: a pod's zones would be told apart no more`},
		"zone of the pod given twice": {pod: &podtest.Pod{Region: "new"}, zones: []store.Zone{zone("y", "a"), zone("z", "a")}, conflict: true,
			reason: `pod_az_name "a" is given twice: answers of the pod could not be translated back`},
		"wildcard with others": {pod: &podtest.Pod{Region: "new"}, zones: []store.Zone{zone("y", "a"), zone("z", "")}, conflict: true,
			reason: `az_name "z" maps to every zone of the pod and so must be the only one`},
		"zone without a name": {pod: &podtest.Pod{Region: "new"}, zones: []store.Zone{zone("", "nova")}, reason: "az_name is empty"},
		"zone with a colon": {pod: &podtest.Pod{Region: "new"}, zones: []store.Zone{zone("a:b", "nova")},
			reason: `az_name "a:b": a colon or comma has a meaning of its own in a boot request`},
		"below the ceiling of Nova": {pod: &podtest.Pod{Region: "new", ComputeMax: "2.79"}, conflict: true,
			reason: "its compute API ends at microversion 2.79, below the ceiling 2.93 that clients were told; lower the ceiling first: tricircle ceiling set compute 2.79"},
		"below the ceiling of Cinder": {pod: &podtest.Pod{Region: "new", VolumeMax: "3.59"}, conflict: true,
			reason: "its volume API ends at microversion 3.59, below the ceiling 3.70 that clients were told; lower the ceiling first: tricircle ceiling set volume 3.59"},
		"not reachable": {pod: &podtest.Pod{Region: "new"}, conflict: true, prepare: func(c *podtest.Cloud) { c.Handle("new.compute", nil) },
			reason: "the pod does not answer as it must: compute: cannot be reached; register it with state disabled to do it later"},
	} {
		t.Run(name, func(t *testing.T) {
			cloud := newCloud(t)
			cloud.Register(&podtest.Pod{Region: "east"})
			cloud.Install(c.pod)
			if c.prepare != nil {
				c.prepare(cloud)
			}
			_, err := cloud.Registry.Create(t.Context(), c.pod.Row(c.zones...))
			refused, ok := errors.AsType[*pod.RefusedError](err)
			if !ok || refused.Reason != c.reason || refused.Conflict != c.conflict {
				t.Errorf("got %v\nwant %s (conflict: %t)", err, c.reason, c.conflict)
			}
			if n := len(cloud.Registry.Snapshot().All()); n != 1 {
				t.Errorf("%d pods are registered, want the old one", n)
			}
		})
	}
}

func TestCreate_KeystoneIsOut_IsNoRefusal(t *testing.T) {
	c := newCloud(t)
	east := &podtest.Pod{Region: "east"}
	c.Install(east)
	outage := errors.New("keystone is out")
	c.Keystone.Fail(outage)
	_, err := c.Registry.Create(t.Context(), east.Row())
	if _, refused := errors.AsType[*pod.RefusedError](err); refused || !errors.Is(err, outage) {
		t.Errorf("got %v", err)
	}
}

func TestCreate_WithoutCinder_IsAPod(t *testing.T) {
	c := newCloud(t)
	p := c.Register(&podtest.Pod{Region: "east", WithoutVolume: true, ComputeZones: []string{"gpu"}}, zone("z", "gpu"))
	if _, ok := p.Endpoint(pod.Volume); ok || !p.Up() {
		t.Errorf("health %+v, endpoints %v", p.Health(), p.Endpoints())
	}
	if s := c.Registry.Snapshot(); !s.Ceiling(pod.Volume).IsZero() || s.Ceiling(pod.Compute).String() != "2.93" {
		t.Errorf("ceilings %q and %q", s.Ceiling(pod.Compute), s.Ceiling(pod.Volume))
	}
}

func TestCreate_Disabled_IsNotCalled(t *testing.T) {
	c := newCloud(t)
	east := &podtest.Pod{Region: "east"}
	row := east.Row()
	row.State = store.PodDisabled
	created, err := c.Registry.Create(t.Context(), row)
	if err != nil {
		t.Fatal(err)
	}
	created.State = store.PodEnabled
	if _, ok := errors.AsType[*pod.RefusedError](c.Registry.Update(t.Context(), created)); !ok {
		t.Error("it was enabled without a look at it")
	}
	c.Install(east)
	if err := c.Registry.Update(t.Context(), created); err != nil {
		t.Errorf("now that it answers: %v", err)
	}
	if !c.Registry.Snapshot().ByName("east").Accepts() {
		t.Error("it is not enabled")
	}
}

func TestUpdate_StateAlone_IsNotChecked(t *testing.T) {
	c := newCloud(t)
	east := &podtest.Pod{Region: "east"}
	row := c.Register(east).Pod
	east.SetFault(podtest.Reset)
	row.State = store.PodDraining
	if err := c.Registry.Update(t.Context(), row); err != nil {
		t.Errorf("draining a pod that is down: %v", err)
	}
	if calls := east.Calls(); len(calls) != 0 {
		t.Errorf("the pod was asked: %q", calls)
	}
	row.Zones = []store.Zone{zone("z", "nova")}
	if _, ok := errors.AsType[*pod.RefusedError](c.Registry.Update(t.Context(), row)); !ok {
		t.Error("zones of a pod that is down were changed unseen")
	}
}

func TestUpdate_RegionRenamed_IsNoConflictWithItself(t *testing.T) {
	c := newCloud(t)
	row := c.Register(&podtest.Pod{Region: "east"}).Pod
	c.Keystone.Add("orient", "compute", "http://east.compute/v2.1")
	row.RegionName = "orient"
	if err := c.Registry.Update(t.Context(), row); err != nil {
		t.Error(err)
	}
}

func TestCreate_TakenRegion_IsTheStoresConflict(t *testing.T) {
	c := newCloud(t)
	east := &podtest.Pod{Region: "east"}
	c.Register(east)
	_, err := c.Registry.Create(t.Context(), east.Row())
	if conflict, ok := errors.AsType[*store.ConflictError](err); !ok || conflict.Field != "region_name" {
		t.Errorf("got %v", err)
	}
}

func TestCeilings_AreSetByTheFirstPodAndChangedByTheOperator(t *testing.T) {
	c := newCloud(t)
	ceilings := func() string {
		s := c.Registry.Snapshot()
		return s.Ceiling(pod.Compute).String() + " " + s.Ceiling(pod.Volume).String()
	}
	if got := ceilings(); got != " " {
		t.Errorf("without pods: %q", got)
	}
	east := &podtest.Pod{Region: "east", ComputeMax: "2.90", VolumeMax: "3.68"}
	first := c.Register(east)
	if got := ceilings(); got != "2.90 3.68" {
		t.Errorf("first pod: %s", got)
	}
	c.Register(&podtest.Pod{Region: "west", ComputeMax: "2.96", VolumeMax: "3.71"})
	if got := ceilings(); got != "2.90 3.68" {
		t.Errorf("a newer pod: %s", got)
	}
	east.ComputeMax = "2.96"
	c.Registry.Probe(t.Context(), first)
	reload(t, c)
	if got := ceilings(); got != "2.90 3.68" {
		t.Errorf("the first pod was upgraded: %s", got)
	}
	set := func(s pod.Service, v string) error {
		return c.Registry.SetCeiling(t.Context(), s, microversion.MustParse(v))
	}
	if err := set(pod.Compute, "2.96"); err != nil || ceilings() != "2.96 3.68" {
		t.Errorf("the operator raised it: %v, %s", err, ceilings())
	}
	for _, refusal := range []struct {
		service  pod.Service
		version  string
		conflict bool
		reason   string
	}{
		{pod.Volume, "3.70", true, "pod east supports volume 3.0-3.68 only"},
		{pod.Compute, "2.0", true, "pod east supports compute 2.1-2.96 only"},
		{pod.Compute, "2.999", false, "the top knows the compute API only up to 2.104"},
		{pod.Network, "2.0", false, "the network API has no microversions"},
	} {
		err := set(refusal.service, refusal.version)
		refused, ok := errors.AsType[*pod.RefusedError](err)
		if !ok || refused.Reason != refusal.reason || refused.Conflict != refusal.conflict {
			t.Errorf("got %v, want %s", err, refusal.reason)
		}
	}
	if got := ceilings(); got != "2.96 3.68" {
		t.Errorf("after refusals: %s", got)
	}
}

func TestCeilings_FirstPodNewerThanTheTop_AreWhatTheTopKnows(t *testing.T) {
	c := newCloud(t)
	c.Register(&podtest.Pod{Region: "east", ComputeMax: "2.999", VolumeMax: "3.999"})
	if s := c.Registry.Snapshot(); s.Ceiling(pod.Compute) != pod.Known[pod.Compute] || s.Ceiling(pod.Volume) != pod.Known[pod.Volume] {
		t.Errorf("ceilings %s and %s", s.Ceiling(pod.Compute), s.Ceiling(pod.Volume))
	}
}

func TestDelete_ForgetsItsRoutingsAndNoOthers(t *testing.T) {
	c := newCloud(t)
	east, west := c.Register(&podtest.Pod{Region: "east"}), c.Register(&podtest.Pod{Region: "west"})
	var rows []store.Routing
	for i := range 2500 {
		id := uuid.NewString()
		num := east.Num
		if i%100 == 0 {
			num = west.Num
		}
		rows = append(rows, store.Routing{Type: store.Server, TopID: id, BottomID: id, PodNum: num})
	}
	if err := c.Store.PutRoutings(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	if err := c.Registry.Delete(t.Context(), east.Pod); err != nil {
		t.Fatal(err)
	}
	left, err := c.Store.ListRoutings(t.Context(), store.RoutingFilter{})
	if err != nil || len(left) != 25 || left[0].PodNum != west.Num {
		t.Errorf("%d routings are left, %v; want the 25 of the other pod", len(left), err)
	}
	if c.Registry.Snapshot().ByName("east") != nil || c.Registry.Snapshot().ByName("west") == nil {
		t.Error("the wrong pod is gone")
	}
	if err := c.Registry.Delete(t.Context(), east.Pod); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("deleted again: %v", err)
	}
}
