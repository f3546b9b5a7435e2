package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// aJob is a job of the Admin API in some state.
func aJob(id, state, cause string) string {
	return `{"id": "` + id + `", "type": "network", "resource": {"network_id": "a", "pod_id": "id1"}, "region_name": "site1", "state": "` + state +
		`", "attempts": 2, "cause": "` + cause + `", "timestamp": "T", "owner": "host:1", "run_at": null}`
}

func one(state, cause string) exchange {
	return exchange{request: "GET /v1.0/jobs/7", answer: `{"job": ` + aJob("7", state, cause) + `}`}
}

func TestJob_Commands_MakeTheirRequests(t *testing.T) {
	const next = `"jobs_links": [{"rel": "next", "href": "http://x"}]`
	for _, c := range []struct {
		args     string
		want     []exchange
		exit     int
		out, err string // parts
	}{
		{"list", []exchange{{request: "GET /v1.0/jobs?limit=100", answer: `{"jobs": [` + aJob("7", "parked", "500") + `]}`}}, 0,
			"7   network  network a  site1  parked  2         T        500", ""},
		{"list --limit 1 --type port --state parked --project p --pod site1 --marker 9", []exchange{
			{request: "GET /v1.0/pods", answer: twoPods},
			{request: "GET /v1.0/jobs?limit=1&marker=9&pod_id=id1&project_id=p&state=parked&type=port",
				answer: `{"jobs": [` + aJob("7", "parked", "") + `], ` + next + `}`}}, 0, "parked", "--marker 7 continues here"},
		{"list --limit 0", nil, 2, "", "must be more than nothing"},
		{"show 7", []exchange{one("running", "")}, 0, "host:1", ""},
		{"show 8", []exchange{{request: "GET /v1.0/jobs/8", status: 404, answer: `{"itemNotFound": {"message": "No job."}}`}}, 1, "", "No job"},
		{"redo 7", []exchange{{"PUT /v1.0/jobs/7", "", 0, `{"job": ` + aJob("7", "queued", "") + `}`}}, 0, "queued", ""},
		{"cancel 7", []exchange{{"POST /v1.0/jobs/7/cancel", "", 0, `{"job": ` + aJob("7", "cancelled", "") + `}`}}, 0, "cancelled", ""},
		{"show 7 --watch --interval 1ms", []exchange{one("queued", ""), one("running", ""), one("running", ""), one("done", "")}, 0, "done", ""},
		{"show 7 --watch --interval 1ms", []exchange{one("running", ""), one("parked", "500")}, 1, "parked", "job 7 is parked: 500"},
		{"list --watch --interval 1ms", []exchange{
			{request: "GET /v1.0/jobs?limit=100", answer: `{"jobs": [` + aJob("7", "running", "") + `]}`},
			{request: "GET /v1.0/jobs?limit=100", answer: `{"jobs": [` + aJob("8", "queued", "") + `, ` + aJob("7", "running", "") + `]}`},
			{request: "GET /v1.0/jobs?limit=100", status: 503, answer: `{"x": {"message": "enough"}}`}}, 1, "8       network", "enough"},
	} {
		t.Run(c.args, func(t *testing.T) {
			s := double(t, c.want)
			got := run(t, map[string]string{"OS_TOKEN": "t0"}, append(append([]string{"job"}, strings.Fields(c.args)...), "--endpoint", s.URL)...)
			if got.exit != c.exit || !strings.Contains(got.out, c.out) || !strings.Contains(got.err, c.err) {
				t.Errorf("got %+v\nwant %d %s %s", got, c.exit, c.out, c.err)
			}
		})
	}
}

func TestJobWatch_SameState_IsPrintedOnce(t *testing.T) {
	s := double(t, []exchange{one("queued", ""), one("queued", ""), one("running", ""), one("running", ""), one("done", "")})
	got := run(t, map[string]string{"OS_TOKEN": "t0"}, "job", "show", "7", "--watch", "--interval", "1ms", "--endpoint", s.URL)
	var states []string
	for line := range strings.Lines(got.out) {
		states = append(states, strings.Fields(line)[3])
	}
	if diff := cmp.Diff([]string{"queued", "running", "done"}, states); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
