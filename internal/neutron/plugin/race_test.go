package plugin

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/tricircle/tricircle/internal/store"
)

// atOnce makes n requests at the same time and counts their outcomes: "201", or "409 OverQuota".
func (f *fixture) atOnce(n int, request func(i int) (status int, object map[string]any)) map[string]int {
	outcomes := make([]string, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			status, object := request(i)
			outcomes[i] = fmt.Sprint(status)
			if status >= 300 {
				outcomes[i] = fmt.Sprint(status, " ", object["type"])
			}
		})
	}
	wg.Wait()
	counts := map[string]int{}
	for _, o := range outcomes {
		counts[o]++
	}
	return counts
}

func (f *fixture) want(counts map[string]int, outcome string, n int) {
	f.t.Helper()
	if counts[outcome] != n {
		f.t.Errorf("got %v, want %d of %s", counts, n, outcome)
	}
}

func TestPorts_AtOnceOnASmallSubnet_GetEachAddressOnce(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		network := f.make("/networks", `{"network": {}}`)
		subnet := f.make("/subnets", `{"subnet": {"network_id": "`+network+`", "ip_version": 4, "cidr": "10.0.0.0/29"}}`)
		got := f.atOnce(12, func(int) (int, map[string]any) {
			return f.call("p", "POST", "/ports", `{"port": {"network_id": "`+network+`"}}`)
		})
		f.want(got, "201", 5)
		f.want(got, "409 IpAddressGenerationFailure", 7)
		if n := f.count(store.ObjectQuery{Kind: store.KindPort}); n != 5 {
			t.Errorf("%d ports are there", n)
		}
		if used, err := f.store.Reader().CountAddresses(t.Context(), []string{subnet}); err != nil || used[subnet] != 5 {
			t.Errorf("addresses in use: %v, %v", used, err)
		}
	})
}

func TestSubnets_AtOnceWithOneCIDR_OneIsMade(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		network := f.make("/networks", `{"network": {}}`)
		got := f.atOnce(8, func(int) (int, map[string]any) {
			return f.call("p", "POST", "/subnets", `{"subnet": {"network_id": "`+network+`", "ip_version": 4, "cidr": "10.0.0.0/24"}}`)
		})
		f.want(got, "201", 1)
		f.want(got, "400 InvalidInput", 7)
	})
}

func TestSecurityGroupRules_AtOnceAndEqual_OneIsMade(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		group := f.make("/security-groups", `{"security_group": {}}`)
		got := f.atOnce(8, func(int) (int, map[string]any) {
			return f.call("p", "POST", "/security-group-rules",
				`{"security_group_rule": {"security_group_id": "`+group+`", "direction": "ingress", "protocol": "tcp"}}`)
		})
		f.want(got, "201", 1)
		f.want(got, "409 SecurityGroupRuleExists", 7)
	})
}

func TestQuotas_AtOnce_AreNotPassedTogether(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		if status, _ := f.call("p", "GET", "/security-groups", ""); status != http.StatusOK { // makes the default group, which counts
			t.Fatal(status)
		}
		got := f.atOnce(20, func(int) (int, map[string]any) {
			return f.call("p", "POST", "/security-groups", `{"security_group": {}}`)
		})
		f.want(got, "201", 9)
		f.want(got, "409 OverQuota", 11)
	})
}

func TestDefaultGroup_ManyFirstRequests_IsMadeOnce(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		got := f.atOnce(8, func(int) (int, map[string]any) { return f.call("fresh", "GET", "/security-groups", "") })
		f.want(got, "200", 8)
		if n := f.count(store.ObjectQuery{Kind: store.KindSecurityGroup}); n != 1 {
			t.Errorf("%d groups are there", n)
		}
		if n := f.count(store.ObjectQuery{Kind: store.KindSecurityGroupRule}); n != 4 {
			t.Errorf("%d rules are there", n)
		}
	})
}

func TestNetwork_DeletedWhilePortsAreMade_LeavesNothingBehind(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		network := f.make("/networks", `{"network": {}}`)
		f.make("/subnets", `{"subnet": {"network_id": "`+network+`", "ip_version": 4, "cidr": "10.0.0.0/24"}}`)
		got := f.atOnce(8, func(i int) (int, map[string]any) {
			if i == 4 {
				return f.call("p", "DELETE", "/networks/"+network, "")
			}
			return f.call("p", "POST", "/ports", `{"port": {"network_id": "`+network+`"}}`)
		})
		made := f.count(store.ObjectQuery{Kind: store.KindPort})
		status, _ := f.call("p", "GET", "/networks/"+network, "")
		switch {
		case status == http.StatusOK && made == 7 && got["409 NetworkInUse"] == 1:
		case status == http.StatusOK && made < 7:
			t.Errorf("the network is there, but ports are not: %v", got)
		case status == http.StatusNotFound && made > 0:
			t.Errorf("%d ports are there without their network: %v", made, got)
		}
	})
}

func TestSubnetPool_AllocatedFromAtOnce_GivesEachPrefixOnce(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		pool := f.make("/subnetpools", `{"subnetpool": {"name": "p", "prefixes": ["10.0.0.0/24"], "default_prefixlen": 26}}`)
		networks := make([]string, 8)
		for i := range networks {
			networks[i] = f.make("/networks", `{"network": {}}`)
		}
		got := f.atOnce(8, func(i int) (int, map[string]any) {
			return f.call("p", "POST", "/subnets", `{"subnet": {"network_id": "`+networks[i]+`", "ip_version": 4, "subnetpool_id": "`+pool+`"}}`)
		})
		f.want(got, "201", 4)
		f.want(got, "409 SubnetAllocationError", 4)
	})
}
