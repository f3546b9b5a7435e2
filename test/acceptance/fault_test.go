//go:build acceptance

package acceptance

import (
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"
)

const missingPods = "X-Tricircle-Missing-Pods"

// services are the APIs of site2, as the testbed names them.
var services = []string{"site2-nova-api", "site2-cinder-api"}

func testbed(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.Command(inRepository("testbed/testbed"), args...).CombinedOutput(); err != nil {
		t.Fatalf("testbed %v: %v: %s", args, err, out)
	}
}

// One pod out of two fails: the other one does not notice, and nobody is told that something does not exist.
func TestPod_ThatFails_HarmsNobodyElse(t *testing.T) {
	for _, f := range []struct{ name, fail, mend string }{
		{"hung", "pause", "resume"},
		{"refusing connections", "stop", "up"},
	} {
		t.Run(f.name, func(t *testing.T) {
			w := makeWorld(t)
			calm := w.latency(t)
			mend := sync.OnceFunc(func() {
				if f.mend == "up" {
					testbed(t, "up")
				} else {
					testbed(t, append([]string{f.mend}, services...)...)
				}
			})
			t.Cleanup(mend)
			testbed(t, append([]string{f.fail}, services...)...)
			w.listsAreSaidToBePartial(t)
			w.lostServersAreUnknown(t)
			w.byIDIsUnavailable(t)
			w.othersAreAsFastAsBefore(t, calm)
			w.unknownNamesAreAnsweredAtOnce(t)
			mend()
			w.isWholeAgain(t)
		})
	}
}

// world is a server in each pod and a volume in the one that fails.
type world struct {
	healthy, lost server
	deleted       server // of the pod that fails, before it did
	lostVolume    volume
}

func makeWorld(t *testing.T) *world {
	t.Helper()
	deleted := demo.boot(t, regionOne, object{"availability_zone": "az2"})
	if err := demo.delete(regionOne.compute + "/servers/" + deleted.ID); err != nil {
		t.Fatal(err)
	}
	return &world{
		healthy:    demo.boot(t, regionOne, object{"availability_zone": "az1"}),
		lost:       demo.boot(t, regionOne, object{"availability_zone": "az2"}),
		deleted:    deleted,
		lostVolume: demo.create(t, regionOne, object{"availability_zone": "az2"}),
	}
}

// latency is the median time of a by-id call to the healthy pod.
func (w *world) latency(t testing.TB) time.Duration {
	t.Helper()
	var took []time.Duration
	for range 15 {
		took = append(took, demo.nova(t, regionOne, "GET", "/servers/"+w.healthy.ID, nil).want(t, http.StatusOK).took)
	}
	slices.Sort(took)
	return took[len(took)/2]
}

func (w *world) listsAreSaidToBePartial(t *testing.T) {
	t.Helper()
	for range 2 { // the second time the top knows
		a := demo.nova(t, regionOne, "GET", "/servers/detail", nil).want(t, http.StatusOK)
		listed := member[[]server](t, a, "servers")
		if !hasAll(listed, w.healthy.ID) || hasAll(listed, w.lost.ID) {
			t.Errorf("listed %v; want %s and not %s", serverIDs(listed), w.healthy.ID, w.lost.ID)
		}
		if got := a.header.Get(missingPods); got != "site2" {
			t.Errorf("%s: %q", missingPods, got)
		}
		if a.took > listTimeout+2*time.Second {
			t.Errorf("the list took %s", a.took)
		}
	}
	a := demo.cinder(t, regionOne, "GET", "/volumes", nil).want(t, http.StatusOK)
	if got := a.header.Get(missingPods); got != "site2" {
		t.Errorf("volumes: %s: %q", missingPods, got)
	}
	// A list that tells whether something exists must not say no.
	demo.nova(t, regionOne, "GET", "/servers?name="+w.lost.Name, nil).want(t, http.StatusServiceUnavailable)
}

// lostServersAreUnknown asks as of the microversion from which Nova lists what is in a cell that is down.
func (w *world) lostServersAreUnknown(t *testing.T) {
	t.Helper()
	type record struct {
		ID, Status, Created string
		TenantID            string `json:"tenant_id"`
		Links               []link
	}
	list := func(query string) []record {
		a := demo.nova(t, regionOne, "GET", "/servers/detail"+query, nil, "OpenStack-API-Version", "compute 2.69").want(t, http.StatusOK)
		if got := a.header.Get(missingPods); got != "site2" {
			t.Errorf("%s: %q", missingPods, got)
		}
		return member[[]record](t, a, "servers")
	}
	whole := list("")
	lost := slices.IndexFunc(whole, func(r record) bool { return r.ID == w.lost.ID })
	healthy := slices.IndexFunc(whole, func(r record) bool { return r.ID == w.healthy.ID })
	if lost < 0 || healthy < lost {
		t.Fatalf("listed %+v; want %s before %s", whole, w.lost.ID, w.healthy.ID)
	}
	if r := whole[lost]; r.Status != "UNKNOWN" || r.TenantID != demo.projectID || r.Created == "" || len(r.Links) != 2 {
		t.Errorf("listed %+v", r)
	}
	if slices.ContainsFunc(whole, func(r record) bool { return r.ID == w.deleted.ID }) {
		t.Errorf("server %s is listed, though it was deleted", w.deleted.ID)
	}
	if slices.ContainsFunc(list("?limit=1000"), func(r record) bool { return r.Status == "UNKNOWN" }) {
		t.Error("a page that was asked for has servers of the lost pod")
	}
}

func (w *world) byIDIsUnavailable(t *testing.T) {
	t.Helper()
	for _, a := range []*answer{
		demo.nova(t, regionOne, "GET", "/servers/"+w.lost.ID, nil),
		// It may arrive when the pod is back, so it changes nothing.
		demo.nova(t, regionOne, "PUT", "/servers/"+w.lost.ID, object{"server": object{"name": w.lost.Name}}),
		demo.cinder(t, regionOne, "GET", "/volumes/"+w.lostVolume.ID, nil),
		demo.nova(t, regionOne, "GET", "/servers/"+noSuchID, nil), // it may be in the pod that does not answer
	} {
		unavailable(t, a, podTimeout)
	}
	// A create is looked for after its reply was lost.
	boot := tiny(t, uniqueName(), object{"availability_zone": "az2"})
	unavailable(t, stray.nova(t, regionOne, "POST", "/servers", boot), podTimeout+listTimeout)
}

func unavailable(t *testing.T, a *answer, limit time.Duration) {
	t.Helper()
	if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
		t.Errorf("%s, Retry-After %q; want 503 with it", a, a.header.Get("Retry-After"))
	}
	if a.took > limit+2*time.Second {
		t.Errorf("%s took %s", a.request, a.took)
	}
}

// othersAreAsFastAsBefore asks the healthy pod while calls to the lost one wait. The factor only has to tell "as fast"
// from "waits for the other pod" on a busy machine.
func (w *world) othersAreAsFastAsBefore(t *testing.T, calm time.Duration) {
	t.Helper()
	stop := make(chan struct{})
	var waiting sync.WaitGroup
	for range 8 {
		waiting.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					if _, err := send("GET", regionOne.compute+"/servers/"+w.lost.ID, demo.token, nil); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	got := w.latency(t)
	close(stop)
	if limit := 5*calm + 50*time.Millisecond; got > limit {
		t.Errorf("a call to the healthy pod takes %s; before it took %s", got, calm)
	}
	s := demo.boot(t, regionOne, object{"availability_zone": "az1"})
	if s.Zone != "az1" {
		t.Errorf("booted %+v", s)
	}
	waiting.Wait()
}

func (w *world) unknownNamesAreAnsweredAtOnce(t *testing.T) {
	t.Helper()
	a := demo.nova(t, regionOne, "GET", "/servers/web-1", nil).want(t, http.StatusNotFound)
	if a.took > time.Second {
		t.Errorf("%s took %s", a.request, a.took)
	}
}

// isWholeAgain waits until all is as before, with the same process.
func (w *world) isWholeAgain(t *testing.T) {
	t.Helper()
	eventually(t, time.Minute, func() error {
		a := demo.nova(t, regionOne, "GET", "/servers/detail", nil)
		if a.status != http.StatusOK || a.header.Get(missingPods) != "" || !hasAll(member[[]server](t, a, "servers"), w.healthy.ID, w.lost.ID) {
			return fmt.Errorf("%s: %q %s", missingPods, a.header.Get(missingPods), a)
		}
		for _, a := range []*answer{
			demo.nova(t, regionOne, "GET", "/servers/"+w.lost.ID, nil),
			demo.cinder(t, regionOne, "GET", "/volumes/"+w.lostVolume.ID, nil),
		} {
			if a.status != http.StatusOK {
				return fmt.Errorf("%s", a)
			}
		}
		return nil
	})
	demo.boot(t, regionOne, object{"availability_zone": "az2"})
}
