package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tricircle/tricircle/internal/pod/podtest"
	"github.com/tricircle/tricircle/internal/store"
)

// adminPods are the pods east and west. They keep what they are asked, as "east: GET /path body", and answer by path; what they do
// not know is refused with 404, and what users ask with 403.
type adminPods struct {
	*top
	east, west *podtest.Pod

	mu    sync.Mutex
	asked []string
}

func newAdminPods(t *testing.T, answers map[string]string) *adminPods {
	a := &adminPods{top: newTop(t)}
	handler := func(region string) podtest.Handler {
		return func(req *http.Request) (*http.Response, error) {
			var body []byte
			if req.Body != nil {
				var err error
				if body, err = io.ReadAll(req.Body); err != nil {
					return nil, err
				}
			}
			call := strings.TrimSpace(fmt.Sprintf("%s: %s %s %s", region, req.Method, req.URL.RequestURI(), body))
			a.mu.Lock()
			a.asked = append(a.asked, call)
			a.mu.Unlock()
			answer, ok := answers[region+" "+req.URL.Path]
			switch {
			case req.Header.Get("X-Auth-Token") != "admin":
				return podtest.JSON(403, `{"forbidden": {"code": 403, "message": "Policy of `+region+`"}}`)(req)
			case !ok:
				return podtest.JSON(404, `{"itemNotFound": {"code": 404, "message": "not in `+region+`"}}`)(req)
			}
			return podtest.JSON(200, answer)(req)
		}
	}
	a.east = &podtest.Pod{Region: "east", Compute: handler("east"), ComputeZones: []string{"nova", "gpus"}, WithoutVolume: true}
	a.west = &podtest.Pod{Region: "west", Compute: handler("west"), WithoutVolume: true}
	a.Register(a.east, store.Zone{Name: "az1", PodName: "nova"}, store.Zone{Name: "gpu", PodName: "gpus"})
	a.Register(a.west, store.Zone{Name: "az2"})
	err := a.routing.Record(t.Context(), store.Routing{Type: store.Server, TopID: sid(1), BottomID: sid(1), PodNum: 1})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// call asks as an administrator, and returns what came, and sorted what the pods were asked meanwhile.
func (a *adminPods) call(t *testing.T, method, path, body string, headers ...string) (answer string, asked []string) {
	a.asked = nil
	w := ask(t, a.nova, method, "/v2.1"+path, body, append([]string{"X-Auth-Token: admin"}, headers...)...)
	slices.Sort(a.asked)
	if w.Code >= 300 {
		return refusal(w), a.asked
	}
	return w.Body.String(), a.asked
}

func TestAnswer_HostsAndIDs_AreThoseOfTheTop(t *testing.T) {
	const answer = `{"server": {"OS-EXT-SRV-ATTR:host": "h1", "OS-EXT-SRV-ATTR:hypervisor_hostname": "n1.example", "id": "9",
		"metadata": {"host": "mine", "hostId": "mine"}, "x": {"host": null, "id": 3}, "hosts": ["h1", "", "h2"], "y": "h1"}}`
	a := newAdminPods(t, map[string]string{"east /servers/" + sid(1): answer})
	got, _ := a.call(t, "GET", "/servers/"+sid(1), "")
	want := strings.NewReplacer(`host": "h1"`, `host": "h1.east"`, `"n1.example"`, `"n1.example.east"`, `["h1"`, `["h1.east"`,
		`"h2"`, `"h2.east"`, `"id": 3`, `"id": 4294967299`).Replace(answer)
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAnswer_HostID_DiffersBetweenPods(t *testing.T) {
	ids := map[string]bool{}
	for _, hostID := range []string{"aaaa", "bbbb"} {
		a := newAdminPods(t, map[string]string{
			"east /servers/" + sid(1): `{"hostId": "` + hostID + `"}`,
			"west /servers/" + sid(2): `{"hostId": "` + hostID + `"}`,
			"east /servers/" + sid(3): `{"hostId": ""}`,
		})
		for n, num := range map[int]int32{2: 2, 3: 1} {
			err := a.routing.Record(t.Context(), store.Routing{Type: store.Server, TopID: sid(n), BottomID: sid(n), PodNum: num})
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, n := range []int{1, 2, 1} {
			got, _ := a.call(t, "GET", "/servers/"+sid(n), "")
			ids[got] = true
		}
		if got, _ := a.call(t, "GET", "/servers/"+sid(3), ""); got != `{"hostId": ""}` {
			t.Errorf("of no host: %s", got)
		}
	}
	if len(ids) != 4 {
		t.Errorf("two hosts in each of two pods are %d: %v", len(ids), ids)
	}
}

// TestRequest_InThePodsWords sends calls that name their pod, or have it by id.
func TestRequest_InThePodsWords(t *testing.T) {
	a := newAdminPods(t, nil)
	action := "/servers/" + sid(1) + "/action"
	for _, c := range []struct {
		name, method, path, body string
		want                     string // what one pod was asked; the pods answer 404 to all of it
	}{
		{"host of the pod", "POST", action, `{"os-migrateLive": {"host": "h.east", "x": 1.0}}`,
			"east: POST " + action + ` {"os-migrateLive": {"host": "h", "x": 1.0}}`},
		{"bare host", "POST", action, `{"os-migrateLive": {"host": "h"}}`, "east: POST " + action + ` {"os-migrateLive": {"host": "h"}}`},
		{"host of another pod, for the pod to refuse", "POST", action, `{"evacuate": {"host": "h.west"}}`,
			"east: POST " + action + ` {"evacuate": {"host": "h.west"}}`},
		{"no host", "POST", action, `{"migrate": null}`, "east: POST " + action + ` {"migrate": null}`},
		{"host beside a zone", "POST", action, `{"unshelve": {"availability_zone": "az1", "host": "h.east"}}`,
			"east: POST " + action + ` {"unshelve": {"availability_zone": "nova", "host": "h"}}`},
		{"integer id", "GET", "/os-aggregates/8589934597", "", "west: GET /os-aggregates/5"},
		{"integer id and host", "POST", "/os-aggregates/4294967297/action", `{"add_host": {"host": "h.east"}}`,
			`east: POST /os-aggregates/1/action {"add_host": {"host": "h"}}`},
		{"integer id and host of another pod", "POST", "/os-aggregates/4294967297/action", `{"add_host": {"host": "h.west"}}`,
			`east: POST /os-aggregates/1/action {"add_host": {"host": "h.west"}}`},
		{"integer id behind a server", "DELETE", "/servers/" + sid(1) + "/migrations/4294967303", "",
			"east: DELETE /servers/" + sid(1) + "/migrations/7"},
		{"integer id of another pod behind a server", "DELETE", "/servers/" + sid(1) + "/migrations/8589934599", "",
			"east: DELETE /servers/" + sid(1) + "/migrations/8589934599"},
		{"host in the path", "GET", "/os-hosts/a%2Fb.west/reboot", "", "west: GET /os-hosts/a/b/reboot"},
		{"host in the query", "GET", "/os-services?host=h.west&binary=nova-compute", "", "west: GET /os-services?binary=nova-compute&host=h"},
		{"zone of one pod", "POST", "/os-aggregates", `{"aggregate": {"availability_zone": "gpu"}}`,
			`east: POST /os-aggregates {"aggregate": {"availability_zone": "gpus"}}`},
		{"zone that is a whole pod, to be defined", "POST", "/os-aggregates", `{"aggregate": {"availability_zone": "az2"}}`,
			`west: POST /os-aggregates {"aggregate": {"availability_zone": "az2"}}`},
		{"no zone", "POST", "/os-aggregates", `{"aggregate": {"name": "a"}}`, `east: POST /os-aggregates {"aggregate": {"name": "a"}}`},
		{"a new zone", "POST", "/os-aggregates", `{"aggregate": {"availability_zone": "new"}}`,
			`east: POST /os-aggregates {"aggregate": {"availability_zone": "new"}}`},
		{"a new zone for an aggregate", "PUT", "/os-aggregates/8589934597", `{"aggregate": {"availability_zone": "new"}}`,
			`west: PUT /os-aggregates/5 {"aggregate": {"availability_zone": "new"}}`},
		{"filter by a zone that is a whole pod", "GET", "/os-hosts?zone=az2&a=b", "", "west: GET /os-hosts?a=b"},
		{"host in the body alone", "PUT", "/os-services/enable", `{"host": "h.west", "binary": "nova-compute"}`,
			`west: PUT /os-services/enable {"host": "h", "binary": "nova-compute"}`},
		{"not even an id", "PUT", "/os-services/nonsense", `{}`, `east: PUT /os-services/nonsense {}`},
	} {
		version := "2.42"
		if c.path == action {
			version = "2.90"
		}
		_, asked := a.call(t, c.method, c.path, c.body, "OpenStack-API-Version: compute "+version)
		if diff := gocmp.Diff([]string{c.want}, asked); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestAdminScoped_ThatNamesNoPod(t *testing.T) {
	for _, c := range []struct{ name, method, path, body, want string }{
		{"bare host in the body", "PUT", "/os-services/enable", `{"host": "h", "binary": "nova-compute"}`,
			"404 Host h could not be found. Hosts are named <host>.<pod>."},
		{"bare host in the path", "GET", "/os-hosts/h", "", "404 Host h could not be found. Hosts are named <host>.<pod>."},
		{"zone of another pod", "PUT", "/os-aggregates/4294967297", `{"aggregate": {"availability_zone": "az2"}}`,
			"400 Availability zone az2 is not one of pod east, which this request is about (az1, gpu)."},
		{"integer of no pod", "DELETE", "/os-aggregates/5", "", "404 Aggregate 5 could not be found."},
		{"integer of a pod that is gone", "DELETE", "/os-services/38654705669", "", "404 Service 38654705669 not found."},
		{"unknown uuid", "GET", "/os-hypervisors/" + sid(9), "", "404 Hypervisor with ID '" + sid(9) + "' could not be found."},
	} {
		a := newAdminPods(t, map[string]string{"east /os-services": `{"services": []}`, "west /os-services": `{"services": []}`})
		got, asked := a.call(t, c.method, c.path, c.body)
		if got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
		if asked = slices.DeleteFunc(asked, func(s string) bool { return strings.Contains(s, "/os-hypervisors/") }); len(asked) > 0 {
			t.Errorf("%s: asked %q", c.name, asked)
		}
		w := ask(t, a.nova, c.method, "/v2.1"+c.path, c.body)
		if got := refusal(w); got != "403 Policy of east" {
			t.Errorf("%s, a user: got %s", c.name, got)
		}
	}
}

func TestAdminScoped_OnePod_NeedsNoName(t *testing.T) {
	var got seen
	u := single(t, got.then(podtest.JSON(200, `{}`)))
	w := ask(t, u.nova, "POST", "/v2.1/os-aggregates", `{"aggregate": {"name": "a"}}`, "X-Auth-Token: admin")
	if w.Code != 200 || got.url != "POST /os-aggregates" {
		t.Errorf("%d, asked %s", w.Code, got.url)
	}
}

func TestAdminScoped_UUID_IsFoundAndRemembered(t *testing.T) {
	a := newAdminPods(t, map[string]string{
		"east /os-services":                `{"services": [{"id": "` + sid(7) + `"}]}`,
		"west /os-services":                `{"services": [{"id": "` + sid(8) + `"}]}`,
		"west /os-services/" + sid(8):      `{"service": {"id": "` + sid(8) + `", "host": "h"}}`,
		"west /os-hypervisors/" + sid(9):   `{"hypervisor": {"id": "` + sid(9) + `", "hypervisor_hostname": "h"}}`,
		"east /os-hypervisors/" + sid(900): `{}`,
	})
	for _, c := range []struct{ method, path, want string }{
		{"PUT", "/os-services/" + sid(8), `{"service": {"id": "` + sid(8) + `", "host": "h.west"}}`},
		{"GET", "/os-hypervisors/" + sid(9), `{"hypervisor": {"id": "` + sid(9) + `", "hypervisor_hostname": "h.west"}}`},
	} {
		for range 2 {
			if got, _ := a.call(t, c.method, c.path, ""); got != c.want {
				t.Errorf("%s: got %s", c.path, got)
			}
		}
		if _, asked := a.call(t, c.method, c.path, ""); len(asked) != 1 {
			t.Errorf("%s: not remembered, asked %q", c.path, asked)
		}
	}
}

func TestList_ByHost_AsksItsPodInItsWords(t *testing.T) {
	a := newAdminPods(t, map[string]string{"east /servers/detail": `{"servers": []}`, "west /servers/detail": `{"servers": []}`})
	for query, want := range map[string][]string{
		"host=h.west":          {"west: GET /servers/detail?host=h&limit=1000"},
		"node=h.east&host=i":   {"east: GET /servers/detail?host=i&limit=1000&node=h"},
		"host=h":               {"east: GET /servers/detail?host=h&limit=550", "west: GET /servers/detail?host=h&limit=550"},
		"host=h.west&node=n.e": {"west: GET /servers/detail?host=h&limit=1000&node=n.e"},
	} {
		if got, asked := a.call(t, "GET", "/servers/detail?"+query, ""); !strings.HasPrefix(got, `{"servers": []`) || !slices.Equal(asked, want) {
			t.Errorf("%s: got %s, asked %q", query, got, asked)
		}
	}
	a.asked = nil
	ask(t, a.nova, "GET", "/v2.1/servers/detail?host=h.west", "")
	if slices.Sort(a.asked); len(a.asked) != 2 || !strings.Contains(a.asked[0], "host=h.west") {
		t.Errorf("a user, whose filter Nova ignores: asked %q", a.asked)
	}
}

func TestAdminScoped_UnknownHostOfCinder_IsRefusedAsEachCallDoes(t *testing.T) {
	u := newTop(t)
	u.Register(&podtest.Pod{Region: "east"})
	u.Register(&podtest.Pod{Region: "west"})
	for call, want := range map[string]string{
		"enable": "404 Host h could not be found. Hosts are named <host>.<pod>.",
		"freeze": "400 Invalid input received: Host h could not be found. Hosts are named <host>.<pod>.",
	} {
		w := ask(t, u.cinder, "PUT", "/v3/"+project+"/os-services/"+call, `{"host": "h"}`, "X-Auth-Token: admin")
		if got := refusal(w); got != want {
			t.Errorf("%s: %s, want %s", call, got, want)
		}
	}
}
