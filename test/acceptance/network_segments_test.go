//go:build acceptance

package acceptance

import (
	"net/http"
	"reflect"
	"testing"
)

// A network on two segments is on both in every pod where it is used.
func TestNetwork_SeveralSegments_AreTheSameInEveryPod(t *testing.T) {
	u := networking(t)
	segments := []object{
		{"provider:network_type": "vlan", "provider:physical_network": "bridge", "provider:segmentation_id": 2950.0},
		{"provider:network_type": "vlan", "provider:physical_network": "extern", "provider:segmentation_id": 50.0},
	}
	network := admin.make(t, "networks", "network", object{"name": uniqueName(), "project_id": u.projectID, "segments": segments})
	u.subnet(t, network.ID, object{"ip_version": 4, "cidr": "10.82.0.0/24"})
	group := u.makeGroup(t)
	for _, pod := range pods {
		u.bootOn(t, network.ID, pod.zone, group)
		a := admin.neutron(t, pod, "GET", "/networks?fields=segments&description=tricircle:network:"+network.ID, nil).want(t, http.StatusOK)
		there := member[[]struct{ Segments []object }](t, a, "networks")
		if len(there) != 1 || !reflect.DeepEqual(there[0].Segments, segments) {
			t.Errorf("%s has %v; want %v", pod.region, there, segments)
		}
	}
	settled(t)
	if err := u.agree(); err != nil {
		t.Error(err)
	}
}
