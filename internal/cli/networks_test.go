package cli

import (
	"strings"
	"testing"
)

func TestNetwork_Commands_MakeTheirRequests(t *testing.T) {
	pods := exchange{request: "GET /v1.0/pods", answer: twoPods}
	const candidates = `{"networks": [{"id": "n1", "name": "old", "network_type": "vlan", "physical_network": "bridge", "segmentation_id": 7, ` +
		`"state": "free"}, {"id": "n2", "name": "ours", "state": "made"}]}`
	adopts := func(id, dry, more string) exchange {
		return exchange{"POST /v1.0/pods/id1/networks", `{"network": {"id": "` + id + `", "dry_run": ` + dry + `}}`, 0,
			`{"network": {"id": "` + id + `", "name": "old", "region_name": "site1"` + more + `}}`}
	}
	const step = `, "spans_pods": true, "steps": [{"resource_type": "port", "id": "p1", "name": "a", "what": "becomes the top's"}]`
	for _, c := range []struct {
		args     string
		want     []exchange
		exit     int
		out, err string // parts
	}{
		{"list --pod site1", []exchange{pods, {request: "GET /v1.0/pods/id1/networks", answer: candidates}}, 0, "vlan 7 on bridge", ""},
		{"list --pod site1 --project p&", []exchange{pods, {request: "GET /v1.0/pods/id1/networks?project_id=p%26", answer: candidates}}, 0, "free", ""},
		{"adopt --pod site1 n1", []exchange{pods, adopts("n1", "false", step)}, 0, "becomes the top's",
			"Network old is the top's now, and may be used in other pods too."},
		{"adopt --pod site1 --dry-run n1", []exchange{pods, adopts("n1", "true", step)}, 0, "", "nothing has been done"},
		{"adopt --pod site1 n1 n3", []exchange{pods, adopts("n1", "false", `, "pending": "it is down"`), adopts("n3", "false", "")}, 0, "",
			"stays in pod site1 only.\nIt is not marked in the pod yet, and a job goes on trying: it is down"},
		{"adopt --pod site1 --all-of-project p", []exchange{pods, {request: "GET /v1.0/pods/id1/networks?project_id=p", answer: candidates},
			adopts("n1", "false", step)}, 0, "p1", ""},
		{"adopt --pod site1 --all-of-project p", []exchange{pods, {request: "GET /v1.0/pods/id1/networks?project_id=p", answer: `{"networks": []}`}},
			1, "", "project \"p\" has no network in pod site1 that is not the top's already"},
		{"adopt --pod site1", nil, 2, "", "either networks or --all-of-project is needed"},
		{"adopt n1", nil, 2, "", `required flag(s) "pod" not set`},
	} {
		t.Run(c.args, func(t *testing.T) {
			s := double(t, c.want)
			got := run(t, map[string]string{"OS_TOKEN": "t0"}, append([]string{"network", "--endpoint", s.URL}, strings.Fields(c.args)...)...)
			if got.exit != c.exit || !strings.Contains(got.out, c.out) || !strings.Contains(got.err, c.err) {
				t.Errorf("got %+v", got)
			}
		})
	}
}
