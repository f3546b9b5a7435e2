package pod_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/pod/podtest"
	"github.com/tricircle/tricircle/internal/store"
	"github.com/tricircle/tricircle/internal/store/sqlstore/sqltest"
)

func openStore(t *testing.T) store.Store {
	t.Helper()
	return sqltest.Open(t, sqltest.InMemory, time.Now)
}

func newCloud(t *testing.T) *podtest.Cloud { return podtest.New(t, openStore(t), nil) }

func get(t *testing.T, p *pod.Pod, s pod.Service) (int, error) {
	t.Helper()
	base, ok := p.Endpoint(s)
	if !ok {
		t.Fatalf("pod %s has no endpoint of %s", p.Name(), s)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base.String()+"/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := p.Do(s, req)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}

func TestReload_KeepsWhatIsKnownOfPods(t *testing.T) {
	c := newCloud(t)
	east, west := &podtest.Pod{Region: "east"}, &podtest.Pod{Region: "west"}
	before := c.Register(east)
	c.Register(west)
	east.SetFault(podtest.Reset)
	for range 5 {
		_, _ = get(t, before, pod.Compute)
	}
	if !before.CircuitOpen(pod.Compute) {
		t.Fatal("the circuit is closed after as many failures as open it")
	}
	if err := c.Registry.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := c.Registry.Snapshot().ByName("east")
	if after == before || !after.CircuitOpen(pod.Compute) || after.Health() != before.Health() {
		t.Error("a reload made a new pod of an old one")
	}
}

func TestReload_ByAnotherProcess_IsSeen(t *testing.T) {
	c := newCloud(t)
	east, west := &podtest.Pod{Region: "east"}, &podtest.Pod{Region: "west"}
	c.Install(east)
	c.Install(west)
	other := podtest.New(t, c.Store, nil)
	other.Install(&podtest.Pod{Region: "east"})
	other.Install(&podtest.Pod{Region: "west"})

	row, err := other.Registry.Create(t.Context(), east.Row())
	if err != nil {
		t.Fatal(err)
	}
	reload(t, c)
	p := c.Registry.Snapshot().ByName("east")
	if p == nil || p.Endpoints()["compute"] != "http://east.compute/v2.1" || p.Endpoints()["volume"] != "http://east.volume/v3" {
		t.Fatalf("a new pod: %+v", p)
	}
	c.Registry.Probe(t.Context(), p)

	row.RegionName = "west"
	if err := other.Registry.Update(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	reload(t, c)
	p = c.Registry.Snapshot().ByID(row.ID)
	if p.Endpoints()["compute"] != "http://west.compute/v2.1" || p.Health().Status != pod.HealthUnknown {
		t.Errorf("moved to another region: endpoints %v, health %s", p.Endpoints(), p.Health().Status)
	}

	if err := other.Registry.Delete(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	reload(t, c)
	if n := len(c.Registry.Snapshot().All()); n != 0 {
		t.Errorf("%d pods are left", n)
	}
}

func reload(t *testing.T, c *podtest.Cloud) {
	t.Helper()
	if err := c.Registry.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestReload_TheTopIsNoPod(t *testing.T) {
	c := newCloud(t)
	top, err := c.Registry.Create(t.Context(), store.Pod{ID: "f0e2a3a4-0000-4000-8000-000000000001", RegionName: "RegionOne", State: store.PodEnabled})
	if err != nil {
		t.Fatal(err)
	}
	if s := c.Registry.Snapshot(); len(s.All()) != 0 || s.Top() == nil || s.Top().ID != top.ID {
		t.Errorf("pods %v, top %+v", s.All(), s.Top())
	}
}

func TestReload_StoreFails_LastKnownPodsStay(t *testing.T) {
	c := newCloud(t)
	c.Register(&podtest.Pod{Region: "east"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Registry.Reload(ctx); err == nil {
		t.Error("no error")
	}
	if c.Registry.Snapshot().ByName("east") == nil {
		t.Error("the pod is gone")
	}
}

func TestProbe_UpAndDown(t *testing.T) {
	c := newCloud(t)
	east := &podtest.Pod{Region: "east"}
	p := c.Register(east)
	h := p.Health()
	if h.Status != pod.HealthUp || !p.Up() || p.Versions(pod.Compute).String() != "2.1-2.93" || p.Versions(pod.Volume).String() != "3.0-3.70" {
		t.Errorf("a pod that is well: %+v", h)
	}
	for name, fault := range map[string]podtest.Handler{
		"compute: GET http://east.compute/v2.1/ answered 500 Internal Server Error":             podtest.Status(500),
		"compute: GET http://east.compute/v2.1/ answered no JSON of the expected shape: ":       podtest.Text(200, "text/html", "<html>"),
		"compute: the connection broke before the answer was complete":                          podtest.Reset,
		`compute: version document at http://east.compute/v2.1: "" is not a microversion: want`: podtest.JSON(200, `{}`),
	} {
		east.SetFault(fault)
		if h := c.Registry.Probe(t.Context(), p); h.Status != pod.HealthDown || !strings.HasPrefix(h.Reason, name) || p.Up() {
			t.Errorf("%s, %q; want down, %q", h.Status, h.Reason, name)
		}
		if p.Versions(pod.Compute).String() != "2.1-2.93" {
			t.Error("what the pod could do is forgotten")
		}
		east.SetFault(nil)
		if h := c.Registry.Probe(t.Context(), p); h.Status != pod.HealthUp || h.Reason != "" {
			t.Errorf("a pod that is well again: %+v", h)
		}
	}
}

func TestProbe_Hanging_EndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		east := &podtest.Pod{Region: "east"}
		p := c.Register(east)
		up := p.Health()
		east.SetFault(podtest.Hang)
		start := time.Now()
		h := c.Registry.Probe(t.Context(), p)
		if took := time.Since(start); took != c.Registry.ProbeTimeout {
			t.Errorf("took %s", took)
		}
		if h.Status != pod.HealthDown || h.Reason != "compute: no answer in time" || !h.Since.After(up.Since) || h.CheckedAt != h.Since {
			t.Errorf("got %+v", h)
		}
		<-time.After(time.Minute)
		if again := c.Registry.Probe(t.Context(), p); again.Since != h.Since || !again.CheckedAt.After(h.CheckedAt) {
			t.Errorf("still down: since %s, want %s", again.Since, h.Since)
		}
	})
}

func TestProbe_DownTwice_OpensTheCircuitOfTheServiceThatFailed(t *testing.T) {
	c := newCloud(t)
	east := &podtest.Pod{Region: "east"}
	p := c.Register(east)
	c.Handle("east.volume", nil)
	c.Registry.Probe(t.Context(), p)
	if p.CircuitOpen(pod.Volume) {
		t.Error("open after one failure")
	}
	c.Registry.Probe(t.Context(), p)
	if !p.CircuitOpen(pod.Volume) || p.CircuitOpen(pod.Compute) {
		t.Errorf("open: volume %t, compute %t; want the one that failed", p.CircuitOpen(pod.Volume), p.CircuitOpen(pod.Compute))
	}
}

func TestProbe_Up_ClosesTheCircuitsOfWhatAnswered(t *testing.T) {
	c := newCloud(t)
	east := &podtest.Pod{Region: "east"}
	p := c.Register(east)
	east.SetFault(podtest.Reset)
	for range 5 {
		for _, s := range []pod.Service{pod.Compute, pod.Network} {
			_, _ = get(t, p, s)
		}
	}
	east.SetFault(nil)
	c.Registry.Probe(t.Context(), p)
	if p.CircuitOpen(pod.Compute) {
		t.Error("the circuit of Nova is open, though it has just answered")
	}
	if !p.CircuitOpen(pod.Network) {
		t.Error("the circuit of Neutron is closed, which nobody has asked")
	}
}

func TestProbe_EndpointMoved_IsFoundByTheNext(t *testing.T) {
	c := newCloud(t)
	east := &podtest.Pod{Region: "east"}
	p := c.Register(east)
	c.Handle("east.compute", nil)
	moved := &podtest.Pod{Region: "moved"}
	c.Install(moved)
	c.Keystone.Remove("moved")
	c.Keystone.Add("east", "compute", "http://moved.compute/v2.1")
	if h := c.Registry.Probe(t.Context(), p); h.Reason != "compute: cannot be reached" {
		t.Errorf("got %+v", h)
	}
	if h := c.Registry.Probe(t.Context(), p); h.Status != pod.HealthUp {
		t.Errorf("got %+v", h)
	}
	if !slices.Contains(moved.Calls(), "GET /v2.1/") {
		t.Error("the new address was not asked")
	}
}

func TestProbe_KeystoneIsOut_SaysNothingAboutPods(t *testing.T) {
	c := newCloud(t)
	p := c.Register(&podtest.Pod{Region: "east"})
	before := p.Health()
	c.Keystone.Fail(errors.New("keystone is out"))
	if h := c.Registry.Probe(t.Context(), p); h != before {
		t.Errorf("got %+v", h)
	}
}

func TestProbe_KeystoneIsOutFromTheBeginning_IsMadeUpForLater(t *testing.T) {
	c := newCloud(t)
	east := &podtest.Pod{Region: "east"}
	if _, err := c.Store.CreatePod(t.Context(), east.Row()); err != nil {
		t.Fatal(err)
	}
	c.Install(east)
	c.Keystone.Fail(errors.New("keystone is out"))
	reload(t, c)
	p := c.Registry.Snapshot().ByName("east")
	if h := c.Registry.Probe(t.Context(), p); h.Status != pod.HealthUnknown {
		t.Errorf("got %+v", h)
	}
	c.Keystone.Fail(nil)
	if h := c.Registry.Probe(t.Context(), p); h.Status != pod.HealthUp {
		t.Errorf("got %+v", h)
	}
}

func TestProbe_Cancelled_SaysNothingAboutThePod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		east := &podtest.Pod{Region: "east"}
		p := c.Register(east)
		before := p.Health()
		east.SetFault(podtest.Hang)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if h := c.Registry.Probe(ctx, p); h != before {
			t.Errorf("got %+v", h)
		}
	})
}

func TestRun_ProbesReloadsAndLooksAtOnceWhenCallsFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		east := &podtest.Pod{Region: "east"}
		p := c.Register(east)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- c.Registry.Run(ctx) }()
		synctest.Wait()
		if n := len(east.Calls()); n != 4 {
			t.Errorf("%d calls at the start, want versions and zones of two services", n)
		}

		west := &podtest.Pod{Region: "west"}
		c.Install(west)
		if _, err := c.Store.CreatePod(t.Context(), west.Row()); err != nil {
			t.Fatal(err)
		}
		c.Keystone.Fail(nil)
		<-time.After(c.Registry.ReloadInterval)
		synctest.Wait()
		if q := c.Registry.Snapshot().ByName("west"); q == nil || q.Health().Status == pod.HealthUnknown {
			t.Errorf("another process registered a pod, and here it is %+v", q)
		}

		east.Calls()
		east.SetFault(podtest.Reset)
		_, _ = get(t, p, pod.Compute)
		synctest.Wait()
		if p.Up() {
			t.Error("a call failed, and nobody looked at the pod")
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
