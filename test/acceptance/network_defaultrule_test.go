//go:build acceptance

package acceptance

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
)

// What the rules of new groups are made from. Those of the test are known by their description.
const (
	defaultRules    = "default-security-group-rules"
	ourDefaultRules = "made by the acceptance test"
)

// What the administrator wants of all new groups, a new group has, at the top and in the pod in which it is used.
func TestNetwork_DefaultRule_IsInNewGroupsAndInThePod(t *testing.T) {
	const port = 4242
	dropDefaultRules(t) // of a run that was killed
	u := networking(t)
	t.Cleanup(func() { dropDefaultRules(t) })
	rules := fmt.Sprintf("/security-group-rules?port_range_min=%d&security_group_id=", port)

	before := u.make(t, "security-groups", "security_group", object{"name": uniqueName()}).ID
	admin.make(t, defaultRules, "default_security_group_rule", object{"direction": "ingress", "protocol": "tcp", "port_range_min": port,
		"port_range_max": port, "remote_group_id": "PARENT", "description": ourDefaultRules})
	u.neutron(t, regionOne, "POST", "/"+defaultRules, object{"default_security_group_rule": object{"direction": "ingress"}}).
		want(t, http.StatusForbidden)
	group := u.make(t, "security-groups", "security_group", object{"name": uniqueName()}).ID
	for id, want := range map[string]int{before: 0, group: 1} {
		a := u.neutron(t, regionOne, "GET", rules+id+"&remote_group_id="+id, nil).want(t, http.StatusOK)
		if got := member[[]netObject](t, a, "security_group_rules"); len(got) != want {
			t.Errorf("group %s has rules %+v; want %d", id, got, want)
		}
	}

	u.bootOn(t, u.network(t, object{"ip_version": 4, "cidr": "10.91.0.0/24"}), pods[0].zone, group)
	eventually(t, propagation, func() error {
		for _, g := range u.listed(t, pods[0], "security-groups") {
			if g.topID() != group {
				continue
			}
			a := admin.neutron(t, pods[0], "GET", rules+g.ID+"&remote_group_id="+g.ID, nil).want(t, http.StatusOK)
			if got := member[[]netObject](t, a, "security_group_rules"); len(got) == 1 {
				return nil
			}
		}
		return fmt.Errorf("%s lacks group %s with the rule", pods[0].region, group)
	})
}

// dropDefaultRules deletes the default rules of the test.
func dropDefaultRules(t testing.TB) {
	t.Helper()
	a := admin.neutron(t, regionOne, "GET", "/"+defaultRules+"?description="+url.QueryEscape(ourDefaultRules), nil).want(t, http.StatusOK)
	for _, rule := range member[[]netObject](t, a, "default_security_group_rules") {
		admin.drop(t, defaultRules, rule.ID)
	}
}
