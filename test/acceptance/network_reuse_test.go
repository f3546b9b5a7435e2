//go:build acceptance

package acceptance

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// An address is free at the top before its pod has let it go. Who gets it at once is in the same pod all the same, where the project is at home.
func TestNetwork_AddressUsedAgainAtOnce_StaysInTheProjectsPod(t *testing.T) {
	u := networking(t)
	network := u.network(t, object{"ip_version": 4, "cidr": "10.81.0.0/24"})
	home := ""
	for range 6 {
		s := u.boot(t, regionOne, object{"networks": []object{{"uuid": network, "fixed_ip": "10.81.0.9"}}})
		if home == "" {
			home = s.Zone
		}
		if s.Zone != home {
			t.Errorf("server %s is in %s, its project in %s", s.ID, s.Zone, home)
		}
		u.nova(t, regionOne, "DELETE", "/servers/"+s.ID, nil).want(t, http.StatusNoContent)
		eventually(t, time.Minute, func() error {
			ports := member[[]netObject](t, u.neutron(t, regionOne, "GET", "/ports?network_id="+network, nil).want(t, http.StatusOK), "ports")
			if len(ports) != 0 {
				return fmt.Errorf("server %s still has %+v", s.ID, ports)
			}
			return nil
		})
	}
	settled(t)
	if err := u.agree(); err != nil {
		t.Error(err)
	}
}
