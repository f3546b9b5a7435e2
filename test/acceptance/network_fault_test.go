//go:build acceptance

package acceptance

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"
)

// The networking of a pod fails while things are made, changed and deleted on both. What concerns the other pod is done at once, the
// rest when the pod is back, and then nothing is missing, nothing doubled and nothing left.
func TestNetwork_PodFails_CatchesUpWhenItReturns(t *testing.T) {
	for _, f := range []struct {
		name, fail, mend string
		services         []string
	}{
		{"hung", "pause", "resume", []string{"site2-neutron"}},
		{"refusing connections", "stop", "up", []string{"site2-neutron", "site2-nova-api"}},
	} {
		t.Run(f.name, func(t *testing.T) {
			w := makeNetWorld(t)
			mend := sync.OnceFunc(func() {
				if f.mend == "up" {
					testbed(t, "up")
				} else {
					testbed(t, append([]string{f.mend}, f.services...)...)
				}
			})
			t.Cleanup(mend)
			testbed(t, append([]string{f.fail}, f.services...)...)
			w.otherPodWorks(t)
			w.failedPodTakesNothing(t)
			w.changeAndDelete(t)
			w.tombstones(t)
			mend()
			w.isAsAtTheTop(t)
			w.deleteAll(t)
		})
	}
}

// netWorld is a network with a server in each pod, and another one that was used in the pod that fails.
type netWorld struct {
	*user
	network, group string
	servers        []string
	old            struct{ network, group, port string }
}

func makeNetWorld(t *testing.T) *netWorld {
	t.Helper()
	w := &netWorld{user: networking(t)}
	w.network, w.group = w.user.network(t, object{"ip_version": 4, "cidr": "10.78.0.0/24"}), w.makeGroup(t)
	w.old.network, w.old.group = w.user.network(t, object{"ip_version": 4, "cidr": "10.79.0.0/24"}), w.makeGroup(t)
	w.old.port = w.make(t, "ports", "port", object{"network_id": w.old.network, "security_groups": []string{w.old.group}}).ID
	for _, pod := range pods {
		w.servers = append(w.servers, w.bootOn(t, w.network, pod.zone, w.group).ID)
	}
	lost := w.servers[len(w.servers)-1]
	w.nova(t, regionOne, "POST", "/servers/"+lost+"/os-interface",
		object{"interfaceAttachment": object{"port_id": w.old.port}}).want(t, http.StatusOK)
	w.nova(t, regionOne, "DELETE", "/servers/"+lost+"/os-interface/"+w.old.port, nil).want(t, http.StatusAccepted)
	settled(t)
	if err := w.agree(); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *netWorld) otherPodWorks(t *testing.T) {
	t.Helper()
	fresh := w.user.network(t, object{"ip_version": 4, "cidr": "10.80.0.0/24"})
	w.servers = append(w.servers, w.bootOn(t, w.network, "az1", w.group).ID, w.bootOn(t, fresh, "az1", w.group).ID)
}

// failedPodTakesNothing boots in the pod that fails: it is refused, and nothing is left of it.
func (w *netWorld) failedPodTakesNothing(t *testing.T) {
	t.Helper()
	before := len(w.listed(t, regionOne, "ports"))
	a := w.nova(t, regionOne, "POST", "/servers", tiny(t, uniqueName(), onNetwork(w.network, "az2", w.group)))
	if a.status != http.StatusServiceUnavailable {
		t.Errorf("a boot in the pod that fails: %s", a)
	}
	eventually(t, 10*time.Second, func() error {
		if got := len(w.listed(t, regionOne, "ports")); got != before {
			return fmt.Errorf("%d ports at the top; before the boot %d", got, before)
		}
		return nil
	})
}

// changeAndDelete does what the pod that fails has to be told later.
func (w *netWorld) changeAndDelete(t *testing.T) {
	t.Helper()
	w.addRule(t, w.group, object{"ethertype": "IPv4", "protocol": "tcp", "port_range_min": 443, "port_range_max": 443})
	renamed := object{"network": object{"name": uniqueName()}}
	w.neutron(t, regionOne, "PUT", "/networks/"+w.network, renamed).want(t, http.StatusOK)
	w.drop(t, "ports", w.old.port)
	w.drop(t, "networks", w.old.network)
	w.drop(t, "security-groups", w.old.group)
}

// tombstones looks at what is to be deleted: for users it is gone, operators see the jobs that wait for the pod.
func (w *netWorld) tombstones(t *testing.T) {
	t.Helper()
	for collection, id := range map[string]string{"ports": w.old.port, "networks": w.old.network, "security-groups": w.old.group} {
		w.neutron(t, regionOne, "GET", "/"+collection+"/"+id, nil).want(t, http.StatusNotFound)
	}
	waiting := map[string]bool{}
	for _, j := range openJobs(t) {
		waiting[j.Resource[j.Type+"_id"]] = true
	}
	for _, id := range []string{w.old.port, w.old.network, w.old.group} {
		if !waiting[id] {
			t.Errorf("no job of %s waits for the pod", id)
		}
	}
}

func (w *netWorld) isAsAtTheTop(t *testing.T) {
	t.Helper()
	begin := time.Now()
	settled(t)
	t.Logf("all jobs have ended %s after the pod was back", time.Since(begin).Round(time.Millisecond))
	eventually(t, 30*time.Second, w.agree)
	w.servers = append(w.servers, w.bootOn(t, w.network, "az2", w.group).ID)
}

// deleteAll leaves nothing, neither in the pods nor at the top, without anybody's cleaning up.
func (w *netWorld) deleteAll(t *testing.T) {
	t.Helper()
	for _, id := range w.servers {
		w.nova(t, regionOne, "DELETE", "/servers/"+id, nil).want(t, http.StatusNoContent)
	}
	w.user.deleteNetworking(t)
}
