//go:build acceptance

package acceptance

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"
)

// routedTo is the region that the routing table has for a resource, "" if it has none.
func routedTo(t testing.TB, id string) string {
	t.Helper()
	a := admin.call(t, "GET", adminURL+"/routings?top_id="+id, nil).want(t, http.StatusOK)
	rows := member[[]struct {
		Region string `json:"region_name"`
	}](t, a, "routings")
	if len(rows) == 0 {
		return ""
	}
	return rows[0].Region
}

func TestRoutings_DatabaseLost_AreRebuiltFromThePods(t *testing.T) {
	keepUp(t)
	type resource struct{ url, region string }
	made := map[string]resource{} // by id
	for _, pod := range pods {
		s := demo.boot(t, regionOne, object{"availability_zone": pod.zone})
		made[s.ID] = resource{regionOne.compute + "/servers/" + s.ID, pod.region}
		v := demo.create(t, regionOne, object{"availability_zone": pod.zone})
		made[v.ID] = resource{regionOne.volume + "/" + demo.projectID + "/volumes/" + v.ID, pod.region}
	}
	if err := top.stop(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := top.forget(); err != nil {
		t.Fatal(err)
	}
	if err := top.install(); err != nil {
		t.Fatal(err)
	}
	tricircle(t, "routing", "rebuild")
	for id, r := range made {
		if got := routedTo(t, id); got != r.region {
			t.Errorf("%s is routed to %q; want %s", id, got, r.region)
		}
		demo.call(t, "GET", r.url, nil).want(t, http.StatusOK)
	}
}

// keepUp leaves a running top to the next test, whatever becomes of this one.
func keepUp(t *testing.T) {
	t.Cleanup(func() {
		select {
		case <-top.exited:
			if err := top.start(); err != nil {
				t.Error(err)
			}
		default:
		}
	})
}

// The top is killed while ten servers are made. Whatever the pods have of them then, the top shows.
func TestTop_KilledDuringCreates_ShowsWhatThePodsHave(t *testing.T) {
	keepUp(t)
	for round := range 3 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			t.Cleanup(func() {
				if err := stray.sweep(); err != nil {
					t.Error(err)
				}
			})
			name := uniqueName()
			delay := time.Duration(rand.Int64N(int64(2 * time.Second)))
			t.Logf("killed after %s", delay)
			killed := time.AfterFunc(delay, func() {
				if err := top.stop(os.Kill); err != nil {
					t.Error(err)
				}
			})
			defer killed.Stop()
			var creates sync.WaitGroup
			for i := range 10 {
				body := tiny(t, name, object{"availability_zone": pods[i%2].zone})
				creates.Go(func() { // most of them get no answer
					_, _ = send("POST", regionOne.compute+"/servers", stray.token, body)
				})
			}
			creates.Wait()
			<-top.exited
			if err := top.start(); err != nil {
				t.Fatal(err)
			}
			topShowsAll(t, name)
		})
	}
}

// topShowsAll waits until the servers of that name in the pods are those in the top's list, and gets each by its id.
func topShowsAll(t *testing.T, name string) {
	t.Helper()
	var have []string
	eventually(t, 30*time.Second, func() error {
		have = nil
		for _, pod := range pods {
			have = append(have, serverIDs(stray.servers(t, pod, "?name="+name))...)
		}
		if got := serverIDs(stray.servers(t, regionOne, "?name="+name)); !sameIDs(got, have) {
			return fmt.Errorf("the top lists %v; the pods have %v", got, have)
		}
		return nil
	})
	t.Logf("the pods have %d servers", len(have))
	for _, id := range have {
		stray.nova(t, regionOne, "GET", "/servers/"+id, nil).want(t, http.StatusOK)
	}
}
