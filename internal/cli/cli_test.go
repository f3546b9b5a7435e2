package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// outcome is what a command leaves behind.
type outcome struct {
	exit     int
	out, err string
}

// run runs a command in a process without OpenStack's variables and ours, but for env.
func run(t *testing.T, env map[string]string, args ...string) outcome {
	t.Helper()
	clearEnv(t, env)
	var out, errOut bytes.Buffer
	exit := Run(t.Context(), args, strings.NewReader(""), &out, &errOut)
	return outcome{exit, out.String(), errOut.String()}
}

func TestRun_Errors_AreOneLineAndTellWrongUsageFromFailure(t *testing.T) {
	for _, c := range []struct {
		args string
		exit int
		says string
	}{
		{"pods", 2, `tricircle: there is no command "pods"; did you mean pod? (see tricircle --help)`},
		{"pod shwo x", 2, `tricircle: pod: there is no command "shwo"; did you mean show? (see tricircle pod --help)`},
		{"pod list extra", 2, `tricircle: pod list: unknown command "extra" for "tricircle pod list" (see tricircle pod list --help)`},
		{"pod show", 2, `tricircle: pod show: accepts 1 arg(s), received 0 (see tricircle pod show --help)`},
		{"pod list --frmat x", 2, `tricircle: pod list: unknown flag: --frmat (see tricircle pod list --help)`},
		{"pod list -o xml", 2, `tricircle: pod list: invalid argument "xml" for "-o, --output" flag: it must be table, json or yaml (see tricircle pod list --help)`},
		{"pod create --az-name a", 2, `tricircle: pod create: required flag(s) "region" not set (see tricircle pod create --help)`},
		{"pod create --region r", 2, `tricircle: pod create: a pod needs --az-name or --zone (see tricircle pod create --help)`},
		{"ceiling set image 2.1", 2, `tricircle: ceiling set: the service must be compute or volume, not "image" (see tricircle ceiling set --help)`},
		{"routing list --limit 0", 2, `tricircle: routing list: --limit must be at least 1 (see tricircle routing list --help)`},
		{"catalog register", 2, `tricircle: catalog register: --host or --compute-url is needed (see tricircle catalog register --help)`},
		{"catalog register --host a --volume-url top:8776", 2, `tricircle: catalog register: volume-url: "top:8776" is no address ` +
			`that begins with http:// or https:// (see tricircle catalog register --help)`},
		{"routes glance", 2, `tricircle: routes: invalid argument "glance" for "tricircle routes" (see tricircle routes --help)`},
		{"demo --pods 0", 2, `tricircle: demo: --pods must be at least 1, --servers and --base-port not negative (see tricircle demo --help)`},
		{"pod list", 1, "tricircle: pod list: " + errNoCredentials.Error()},
		{"pod list --endpoint http://top", 1, "tricircle: pod list: " + errNoCredentials.Error()},
		{"config check --config /none", 1, `tricircle: config check: configuration: open /none: no such file or directory`},
		{"serve --roles nova", 1, `tricircle: serve: --set DEFAULT.roles: [DEFAULT] roles: "nova" is none of`},
	} {
		got := run(t, nil, strings.Fields(c.args)...)
		if got.exit != c.exit || !strings.HasPrefix(got.err, c.says) || strings.Count(got.err, "\n") != 1 || got.out != "" {
			t.Errorf("%s:\n got %+v\nwant %d %s", c.args, got, c.exit, c.says)
		}
	}
}

func TestRun_Groups_ListTheirCommands(t *testing.T) {
	for args, says := range map[string]string{"": "serve", "pod": "drain", "config": "sample"} {
		if got := run(t, nil, strings.Fields(args)...); got.exit != 0 || !strings.Contains(got.out, says) || got.err != "" {
			t.Errorf("%q: %+v", args, got)
		}
	}
}

// exchange is a request that a command must make, and the answer it gets.
type exchange struct {
	request string // method and path
	body    string // JSON; "" if none
	status  int    // 200 if 0
	answer  string
}

// double plays the Admin API: it wants the exchanges in their order.
func double(t *testing.T, exchanges []exchange) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if len(exchanges) == 0 {
			t.Errorf("unexpected: %s %s", r.Method, r.URL)
			return
		}
		x := exchanges[0]
		exchanges = exchanges[1:]
		if got := r.Method + " " + r.URL.RequestURI(); got != x.request || !sameJSON(string(body), x.body) {
			t.Errorf("got %s %s\nwant %s %s", got, body, x.request, x.body)
		}
		if token := r.Header.Get("X-Auth-Token"); token != "t0" {
			t.Errorf("token %q", token)
		}
		if x.status != 0 {
			w.WriteHeader(x.status)
		}
		_, _ = io.WriteString(w, x.answer)
	}))
	t.Cleanup(func() {
		s.Close()
		for _, x := range exchanges {
			t.Errorf("not made: %s", x.request)
		}
	})
	return s
}

func sameJSON(a, b string) bool {
	var x, y any
	return a == b || json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && cmp.Equal(x, y)
}

const (
	pod1 = `{"pod_id": "id1", "region_name": "site1", "availability_zones": [{"az_name": "az1", "pod_az_name": "nova"}, ` +
		`{"az_name": "az2", "pod_az_name": ""}], "state": "enabled", "health": {"status": "up", "versions": {"compute": "2.1-2.93"}}}`
	theTop   = `{"pod_id": "id0", "region_name": "RegionOne", "availability_zones": [], "state": "enabled", "health": null}`
	twoPods  = `{"pods": [` + theTop + `, ` + pod1 + `]}`
	onePod   = `{"pod": ` + pod1 + `}`
	conflict = `{"conflictingRequest": {"code": 409, "message": "no room"}}`
)

func TestOperator_Commands_MakeTheirRequests(t *testing.T) {
	list := exchange{request: "GET /v1.0/pods", answer: twoPods}
	for _, c := range []struct {
		args string
		want []exchange
		exit int
		err  string
	}{
		{"pod create --region site1 --az-name az1", []exchange{{"POST /v1.0/pods",
			`{"pod": {"region_name": "site1", "az_name": "az1"}}`, 0, onePod}}, 0, ""},
		{"pod create --region site1 --zone az1=nova --zone az2 --state disabled --dc-name bj", []exchange{{"POST /v1.0/pods",
			`{"pod": {"region_name": "site1", "state": "disabled", "dc_name": "bj", "availability_zones": [` +
				`{"az_name": "az1", "pod_az_name": "nova"}, {"az_name": "az2", "pod_az_name": ""}]}}`, 0, onePod}}, 0, ""},
		{"pod create --region R --top", []exchange{{"POST /v1.0/pods", `{"pod": {"region_name": "R"}}`, 0, onePod}}, 0, ""},
		{"pod create --region site1 --az-name az1", []exchange{{"POST /v1.0/pods", `{"pod": {"region_name": "site1", "az_name": "az1"}}`,
			409, conflict}}, 1, "tricircle: pod create: no room\n"},
		{"pod show site1", []exchange{list, {request: "GET /v1.0/pods/id1", answer: onePod}}, 0, ""},
		{"pod show id1", []exchange{list, {request: "GET /v1.0/pods/id1", answer: onePod}}, 0, ""},
		{"pod show site9", []exchange{list}, 1, "tricircle: pod show: there is no pod \"site9\" (tricircle pod list shows all)\n"},
		{"pod set site1 --dc-name=", []exchange{list, {"PUT /v1.0/pods/id1", `{"pod": {"dc_name": ""}}`, 0, onePod}}, 0, ""},
		{"pod enable site1", []exchange{list, {"PUT /v1.0/pods/id1", `{"pod": {"state": "enabled"}}`, 0, onePod}}, 0, ""},
		{"pod drain site1", []exchange{list, {"PUT /v1.0/pods/id1", `{"pod": {"state": "draining"}}`, 0, onePod}}, 0, ""},
		{"pod disable site1", []exchange{list, {"PUT /v1.0/pods/id1", `{"pod": {"state": "disabled"}}`, 0, onePod}}, 0, ""},
		{"pod delete site1", []exchange{list, {request: "DELETE /v1.0/pods/id1", answer: "{}"}}, 0, ""},
		{"pod check site1", []exchange{list, {request: "POST /v1.0/pods/id1/check", answer: `{"check": {"ok": true}}`}}, 0, ""},
		{"pod check site1", []exchange{list, {request: "POST /v1.0/pods/id1/check", answer: `{"check": {"reason": "asleep"}}`}}, 1,
			"tricircle: pod check: asleep\n"},
		{"pod list", []exchange{{request: "GET /v1.0/pods", status: 401, answer: `{"error": {"message": "Who?", "code": 401}}`}}, 1,
			"tricircle: pod list: Who? (check the credentials in OS_CLOUD or the OS_ variables)\n"},
		{"pod list", []exchange{{request: "GET /v1.0/pods", status: 403, answer: `{"forbidden": {"message": "No."}}`}}, 1,
			"tricircle: pod list: No (use the credentials of an administrator)\n"},
		{"pod list", []exchange{{request: "GET /v1.0/pods", status: 502, answer: "<html>"}}, 1,
			"tricircle: pod list: the Admin API answered 502 Bad Gateway\n"},
		{"routing lookup x --type volume", []exchange{{request: "GET /v1.0/routings/lookup?id=x&resource_type=volume",
			answer: `{"routing": {"id": null, "top_id": "x"}}`}}, 0, ""},
		{"routing rebuild", []exchange{{"POST /v1.0/routings/rebuild", `{}`, 0, `{"rebuild": [{"region_name": "site1"}]}`}}, 0, ""},
		{"routing rebuild --pod site1", []exchange{list, {"POST /v1.0/routings/rebuild", `{"pod_id": "id1"}`, 0,
			`{"rebuild": [{"region_name": "site1", "error": "asleep"}]}`}}, 1,
			"tricircle: routing rebuild: not every pod was read whole (run it again when the pods answer; it does no harm)\n"},
		{"ceiling set compute 2.90", []exchange{{"PUT /v1.0/ceilings", `{"ceilings": {"compute": "2.90"}}`, 0,
			`{"ceilings": {"compute": "2.90"}}`}}, 0, ""},
	} {
		t.Run(c.args, func(t *testing.T) {
			s := double(t, c.want)
			got := run(t, map[string]string{"OS_TOKEN": "t0"}, append(strings.Fields(c.args), "--endpoint", s.URL)...)
			if got.exit != c.exit || got.err != c.err {
				t.Errorf("got %+v\nwant %d %s", got, c.exit, c.err)
			}
		})
	}
}

func TestOperator_Endpoint_WithOrWithoutVersionByFlagOrVariable(t *testing.T) {
	for _, suffix := range []string{"", "/", "/v1.0", "/v1.0/"} {
		s := double(t, []exchange{{request: "GET /v1.0/pods", answer: twoPods}})
		env := map[string]string{"OS_TOKEN": "t0", "TRICIRCLE_ENDPOINT": s.URL + suffix}
		if got := run(t, env, "pod", "list"); got.exit != 0 {
			t.Errorf("%q: %+v", suffix, got)
		}
	}
}

func TestRoutingList_Limit_FollowsPagesAndTellsWhereToGoOn(t *testing.T) {
	const more = `], "routings_links": [{"rel": "next", "href": "http://x/v1.0/routings?marker=`
	s := double(t, []exchange{
		{request: "GET /v1.0/pods", answer: twoPods},
		{request: "GET /v1.0/routings?limit=3&pod_id=id1&resource_type=server", answer: `{"routings": [{"id": 9}, {"id": 8}` + more + `8"}]}`},
		{request: "GET /v1.0/routings?limit=1&marker=8&pod_id=id1&resource_type=server", answer: `{"routings": [{"id": 7}` + more + `7"}]}`},
	})
	got := run(t, map[string]string{"OS_TOKEN": "t0"}, "routing", "list", "--endpoint", s.URL, "--pod", "site1", "--type", "server",
		"--limit", "3", "-o", "json")
	if !sameJSON(got.out, `[{"id": 9}, {"id": 8}, {"id": 7}]`) || !strings.Contains(got.err, "--marker 7 ") {
		t.Errorf("got %+v", got)
	}
}

func TestOutput_Formats_ShowTheSame(t *testing.T) {
	const answer = `{"pods": [` + theTop + `, ` + pod1 + `]}`
	for format, want := range map[string]string{
		"table": "REGION     ZONES          DC  STATE    HEALTH  COMPUTE   VOLUME  ID\n" +
			"RegionOne  (the top)          enabled                            id0\n" +
			"site1      az1=nova, az2      enabled  up      2.1-2.93          id1\n",
		"yaml": "- pod_id: id0\n  region_name: RegionOne\n  availability_zones: []\n  state: enabled\n  health: null\n" +
			"- pod_id: id1\n  region_name: site1\n  availability_zones:\n    - az_name: az1\n      pod_az_name: nova\n" +
			"    - az_name: az2\n      pod_az_name: \"\"\n  state: enabled\n  health:\n    status: up\n    versions:\n      compute: 2.1-2.93\n",
	} {
		s := double(t, []exchange{{request: "GET /v1.0/pods", answer: answer}})
		got := run(t, map[string]string{"OS_TOKEN": "t0"}, "pod", "list", "--endpoint", s.URL, "-o", format)
		if diff := cmp.Diff(want, got.out); diff != "" {
			t.Errorf("%s: -want +got:\n%s", format, diff)
		}
	}
}

func TestOutput_YAML_StringsThatLookLikeNumbersStayStrings(t *testing.T) {
	var out bytes.Buffer
	if err := writeYAML(&out, versions{Compute: "2.90", Volume: "true"}); err != nil {
		t.Fatal(err)
	}
	if want := "compute: \"2.90\"\nvolume: \"true\"\n"; out.String() != want {
		t.Errorf("got %s", &out)
	}
}
