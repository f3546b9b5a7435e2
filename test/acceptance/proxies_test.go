//go:build acceptance

package acceptance

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"
)

// oldVolume is a volume as Nova shows it.
type oldVolume struct {
	ID     string
	Status string
	Zone   string `json:"availabilityZone"`
	Name   string `json:"displayName"`
}

// Volumes and snapshots by the compute API, as clients of 2016 knew them.
func TestProxies_VolumesAndSnapshots_InBothZones(t *testing.T) {
	for _, pod := range pods {
		t.Run(pod.zone, func(t *testing.T) {
			name := uniqueName()
			made := member[oldVolume](t, demo.nova(t, regionOne, "POST", "/os-volumes", object{"volume": object{
				"size": 1, "display_name": name, "availability_zone": pod.zone}}).want(t, http.StatusOK), "volume")
			t.Cleanup(func() { demo.nova(t, regionOne, "DELETE", "/os-volumes/"+made.ID, nil) })
			if made.Zone != pod.zone || made.Name != name {
				t.Errorf("made %+v", made)
			}
			volume := ready(t, "/os-volumes/"+made.ID, "volume")
			if direct := member[oldVolume](t, demo.nova(t, pod, "GET", "/os-volumes/"+made.ID, nil).want(t, http.StatusOK), "volume"); direct != volume {
				t.Errorf("the pod shows %+v, the top %+v", direct, volume)
			}
			for _, path := range []string{"/os-volumes", "/os-volumes/detail"} {
				list := member[[]oldVolume](t, demo.nova(t, regionOne, "GET", path, nil).want(t, http.StatusOK), "volumes")
				if !slices.Contains(list, volume) {
					t.Errorf("%s has no %+v: %+v", path, volume, list)
				}
			}
			snapshot := member[oldVolume](t, demo.nova(t, regionOne, "POST", "/os-snapshots", object{"snapshot": object{
				"volume_id": made.ID, "display_name": name}}).want(t, http.StatusOK), "snapshot")
			shown := ready(t, "/os-snapshots/"+snapshot.ID, "snapshot")
			if list := member[[]oldVolume](t, demo.nova(t, regionOne, "GET", "/os-snapshots", nil).want(t, http.StatusOK), "snapshots"); !slices.Contains(list, shown) {
				t.Errorf("no %+v in %+v", shown, list)
			}
			demo.nova(t, regionOne, "DELETE", "/os-snapshots/"+snapshot.ID, nil).want(t, http.StatusAccepted)
			gone(t, "/os-snapshots/"+snapshot.ID)
			demo.nova(t, regionOne, "DELETE", "/os-volumes/"+made.ID, nil).want(t, http.StatusAccepted)
			gone(t, "/os-volumes/"+made.ID)
		})
	}
	demo.nova(t, regionOne, "GET", "/os-volumes", nil, versionHeader, "compute 2.36").want(t, http.StatusNotFound)
	demo.nova(t, regionOne, "GET", "/os-volumes/"+noID, nil).want(t, http.StatusNotFound)
}

// ready waits until what is shown at a path is available.
func ready(t testing.TB, path, one string) (v oldVolume) {
	t.Helper()
	eventually(t, time.Minute, func() error {
		if v = member[oldVolume](t, demo.nova(t, regionOne, "GET", path, nil).want(t, http.StatusOK), one); v.Status != "available" {
			return fmt.Errorf("%s is %s", path, v.Status)
		}
		return nil
	})
	return v
}

// gone waits until nothing is at a path.
func gone(t testing.TB, path string) {
	t.Helper()
	eventually(t, time.Minute, func() error {
		if a := demo.nova(t, regionOne, "GET", path, nil); a.status != http.StatusNotFound {
			return errors.New(a.String())
		}
		return nil
	})
}

// The rest of what Nova passes on to other services is there as in a pod.
func TestProxies_OtherServices_AsInAPod(t *testing.T) {
	for path, status := range map[string]int{"/images": 200, "/images/detail": 200, "/os-networks": 200, "/os-tenant-networks": 200, "/os-floating-ips": 200,
		"/os-floating-ip-pools": 200, "/os-security-groups": 200, "/os-baremetal-nodes": 403} {
		demo.nova(t, site1, "GET", path, nil).want(t, status)
		demo.nova(t, regionOne, "GET", path, nil).want(t, status)
	}
	if a := demo.nova(t, regionOne, "POST", "/os-baremetal-nodes", object{}).want(t, 400); string(a.body) != string(demo.nova(t, site1, "POST", "/os-baremetal-nodes", object{}).body) {
		t.Errorf("got %s", a)
	}
}

func TestExternalEvents_OfServersInTwoPods_InOneRequest(t *testing.T) {
	one, two := demo.boot(t, regionOne, object{"availability_zone": "az1"}).ID, demo.boot(t, regionOne, object{"availability_zone": "az2"}).ID
	type event struct {
		Server string `json:"server_uuid"`
		Name   string `json:"name"`
		Tag    string `json:"tag,omitempty"`
		Status string `json:"status,omitempty"`
		Code   int    `json:"code,omitempty"`
	}
	send := func(status int, servers ...string) (got []event) {
		t.Helper()
		var events []event
		for _, s := range servers {
			events = append(events, event{Server: s, Name: "network-changed", Tag: noID})
		}
		return member[[]event](t, admin.nova(t, regionOne, "POST", "/os-server-external-events", object{"events": events}).want(t, status), "events")
	}
	var codes []int
	for i, e := range send(http.StatusMultiStatus, two, noID, one, two) {
		if codes = append(codes, e.Code); e.Server != []string{two, noID, one, two}[i] {
			t.Errorf("event %d is of server %s", i, e.Server)
		}
	}
	if !slices.Equal(codes, []int{200, 404, 200, 200}) {
		t.Errorf("codes %v", codes)
	}
	send(http.StatusOK, one, two)
	send(http.StatusMultiStatus, noID)
	for _, body := range []any{object{"events": []event{}}, object{}, "[]", object{"events": []event{{Server: "x", Name: "network-changed"}}},
		object{"events": []event{{Server: one, Name: "nope"}, {Server: two, Name: "network-changed"}}}} {
		pod, top := admin.nova(t, site1, "POST", "/os-server-external-events", body), admin.nova(t, regionOne, "POST", "/os-server-external-events", body).want(t, 400)
		if string(pod.body) != string(top.body) {
			t.Errorf("the pod %s; the top %s", pod, top)
		}
	}
	demo.nova(t, regionOne, "POST", "/os-server-external-events", object{"events": []event{{Server: one, Name: "network-changed"}}}).want(t, 403)
	for _, u := range []*user{admin, demo} {
		pod, top := u.nova(t, site1, "GET", "/os-console-auth-tokens/"+noID, nil), u.nova(t, regionOne, "GET", "/os-console-auth-tokens/"+noID, nil)
		if pod.status != top.status || string(pod.body) != string(top.body) {
			t.Errorf("the pod %s; the top %s", pod, top)
		}
	}
}
