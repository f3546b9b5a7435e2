package app

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tricircle/tricircle/internal/config"
	"github.com/tricircle/tricircle/internal/simcloud"
)

const (
	compute = config.RoleNovaGW
	volume  = config.RoleCinderGW
)

func TestMainJob_TwoZones_OneCloud(t *testing.T) {
	c := newCloud(t, 2)
	one, two := c.boot("one", "az1"), c.boot("two", "az2")
	for id, zone := range map[string]string{one: "az1", two: "az2"} {
		shown := c.call(compute, "GET", "/servers/"+id, "").want(t, 200)
		if got := shown.get(t, "server", "OS-EXT-AZ:availability_zone"); got != zone {
			t.Errorf("server %s is in %v, want %s", id, got, zone)
		}
		for _, p := range []int{0, 1} {
			if strings.Contains(shown.body, c.sim.Pod(p).ComputeURL) {
				t.Errorf("the pod's address shows: %s", shown.body)
			}
		}
	}
	if names := c.names(c.call(compute, "GET", "/servers/detail", "").want(t, 200), "servers"); len(names) != 2 {
		t.Errorf("list has %v", names)
	}
	disk := c.call(volume, "POST", "/volumes", `{"volume": {"name": "disk", "size": 1, "availability_zone": "az2"}}`).want(t, 202).id(t, "volume")
	attachment := `{"volumeAttachment": {"volumeId": "` + disk + `"}}`
	refused := c.call(compute, "POST", "/servers/"+one+"/os-volume_attachments", attachment).want(t, 400)
	if !strings.Contains(refused.body, "az2") {
		t.Errorf("the refusal does not say where the volume is: %s", refused.body)
	}
	c.call(compute, "POST", "/servers/"+two+"/os-volume_attachments", attachment).want(t, 200)
	c.call(compute, "POST", "/servers/"+two+"/action", `{"os-stop": null}`).want(t, 202)
	c.call(compute, "DELETE", "/servers/"+one, "").want(t, 204)
	c.call(compute, "GET", "/servers/"+one, "").want(t, 404)
}

func TestLinks_OfTheTop_CanBeFollowed(t *testing.T) {
	c := newCloud(t, 2)
	c.boot("one", "az2")
	row := c.call(compute, "GET", "/servers", "").want(t, 200).get(t, "servers").([]any)[0].(map[string]any)
	for _, l := range row["links"].([]any) {
		link := l.(map[string]any)
		if link["rel"] != "self" {
			continue
		}
		c.send("GET", link["href"].(string), "", "X-Auth-Token", c.sim.Token("demo", "demo", time.Hour)).want(t, 200)
	}
}

func TestServerMadeInAPod_IsThereAtOnce(t *testing.T) {
	c := newCloud(t, 3)
	made := c.send("POST", c.sim.Pod(2).ComputeURL+"/v2.1/servers", c.bootBody("foreign", "az3"),
		"X-Auth-Token", c.sim.Token("demo", "demo", time.Hour)).want(t, 202)
	id := made.id(t, "server")
	c.call(compute, "GET", "/servers/"+id, "").want(t, 200)
	if names := c.names(c.call(compute, "GET", "/servers", ""), "servers"); !slices.Equal(names, []string{"foreign"}) {
		t.Errorf("list has %v", names)
	}
}

func TestErrors_AreTheServicesOwn(t *testing.T) {
	c := newCloud(t, 2)
	for name, a := range map[string]struct {
		got    answer
		status int
		body   string
	}{
		"unknown zone, Nova": {c.call(compute, "POST", "/servers", c.bootBody("x", "nope")), 400,
			`{"badRequest": {"code": 400, "message": "The requested availability zone is not available"}}`},
		"unknown zone, Cinder": {c.call(volume, "POST", "/volumes", `{"volume": {"size": 1, "availability_zone": "nope"}}`), 400,
			`{"badRequest": {"code": 400, "message": "Availability zone 'nope' is invalid."}}`},
		"unknown server": {c.call(compute, "GET", "/servers/00000000-0000-4000-8000-000000000000", ""), 404,
			`{"itemNotFound": {"code": 404, "message": "Instance 00000000-0000-4000-8000-000000000000 could not be found."}}`},
		"no id": {c.call(compute, "GET", "/servers/myserver", ""), 404,
			`{"itemNotFound": {"code": 404, "message": "Instance myserver could not be found."}}`},
		"garbage token": {c.call(compute, "GET", "/servers", "", "X-Auth-Token", "garbage"), 401,
			`{"error": {"code": 401, "title": "Unauthorized", "message": "The request you have made requires authentication."}}`},
		"version too high": {c.call(compute, "GET", "/servers", "", "OpenStack-API-Version", "compute 2.900"), 406,
			`{"computeFault": {"code": 406, "message": "Version 2.900 is not supported by the API. Minimum is 2.1 and maximum is 2.93."}}`},
		"broken body": {c.call(compute, "POST", "/servers", `{"server`), 400,
			`{"badRequest": {"code": 400, "message": "Malformed request body"}}`},
	} {
		if a.got.StatusCode != a.status || a.body != "" && a.got.body != a.body {
			t.Errorf("%s:\n got %d %s\nwant %d %s", name, a.got.StatusCode, a.got.body, a.status, a.body)
		}
	}
}

func TestExpiredToken_Is401(t *testing.T) {
	c := newCloud(t, 1, "keystone.token_cache_time=0s")
	token := c.sim.Token("demo", "demo", time.Hour)
	c.call(compute, "GET", "/servers", "", "X-Auth-Token", token).want(t, 200)
	c.sim.Revoke(token)
	a := c.call(compute, "GET", "/servers", "", "X-Auth-Token", token).want(t, 401)
	if got, want := a.Header.Get("WWW-Authenticate"), `Keystone uri="`+c.sim.AuthURL()+`"`; got != want {
		t.Errorf("WWW-Authenticate %s, want %s", got, want)
	}
}

// eventually polls until ok is true: for what happens in the background and has no event to wait for.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not in time: %s", what)
		}
	}
}

func TestPodDown_OthersServe_AndItComesBack(t *testing.T) {
	for name, fault := range map[string]func(p *simcloud.Pod){
		"stopped": func(p *simcloud.Pod) { p.Stop() },
		"hung":    func(p *simcloud.Pod) { p.SetFault(simcloud.Fault{Hang: true}) },
		"503":     func(p *simcloud.Pod) { p.SetFault(simcloud.Fault{Status: 503}) },
		"reset":   func(p *simcloud.Pod) { p.SetFault(simcloud.Fault{Reset: true}) },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t, 2)
			one, two := c.boot("one", "az1"), c.boot("two", "az2")
			fault(c.sim.Pod(1))
			list := c.call(compute, "GET", "/servers", "").want(t, 200)
			if got := list.Header.Get("X-Tricircle-Missing-Pods"); got != "pod2" {
				t.Errorf("missing pods: %q", got)
			}
			if names := c.names(list, "servers"); !slices.Equal(names, []string{"one"}) {
				t.Errorf("list has %v", names)
			}
			a := c.call(compute, "GET", "/servers/"+two, "").want(t, 503)
			if a.Header.Get("Retry-After") == "" || !strings.Contains(a.body, "pod2") {
				t.Errorf("503 does not name the pod or when to come back: %v %s", a.Header, a.body)
			}
			c.call(compute, "GET", "/servers?name=two", "").want(t, 503) // a filter by name asks whether it exists
			c.call(compute, "GET", "/servers/"+one, "").want(t, 200)
			c.call(compute, "GET", "/servers/00000000-0000-4000-8000-000000000000", "").want(t, 503) // it might be in pod2
			c.sim.Pod(1).SetFault(simcloud.Fault{})
			if name == "stopped" {
				if err := c.sim.Pod(1).Restart(); err != nil {
					t.Fatal(err)
				}
			}
			eventually(t, "pod2 is back", func() bool {
				return c.call(compute, "GET", "/servers/"+two, "").StatusCode == 200
			})
			if a := c.call(compute, "GET", "/servers", "").want(t, 200); a.Header.Get("X-Tricircle-Missing-Pods") != "" {
				t.Errorf("still missing: %s", a.Header.Get("X-Tricircle-Missing-Pods"))
			}
		})
	}
}

func TestPodDown_ServersOfIt_AreListedAsUnknown(t *testing.T) {
	c := newCloud(t, 2)
	one, two, gone := c.boot("one", "az1"), c.boot("two", "az2"), c.boot("gone", "az2")
	c.call(compute, "DELETE", "/servers/"+gone, "").want(t, 204)
	c.sim.Pod(1).Stop()
	for _, path := range []string{"/servers", "/servers/detail"} {
		eventually(t, "the deletion is known", func() bool {
			list := c.call(compute, "GET", path, "", "OpenStack-API-Version", "compute 2.69").want(t, 200)
			if got := list.Header.Get("X-Tricircle-Missing-Pods"); got != "pod2" {
				t.Errorf("missing pods: %q", got)
			}
			rows := list.get(t, "servers").([]any)
			first, last := rows[0].(map[string]any), rows[len(rows)-1].(map[string]any)
			return len(rows) == 2 && first["id"] == two && first["status"] == "UNKNOWN" && last["id"] == one
		})
		older := c.call(compute, "GET", path, "", "OpenStack-API-Version", "compute 2.68").want(t, 200)
		if names := c.names(older, "servers"); !slices.Equal(names, []string{"one"}) {
			t.Errorf("at 2.68 %s has %v", path, names)
		}
	}
}

func TestPodHung_LongList_HasAllRowsOfTheOther(t *testing.T) {
	c := newCloudOf(t, simcloud.Options{Pods: 2, Servers: 1500}, "pod.list_timeout=4s", "pod.timeout=8s")
	c.sim.Pod(1).SetFault(simcloud.Fault{Hang: true})
	list := c.call(compute, "GET", "/servers/detail", "").want(t, 200)
	if got := list.Header.Get("X-Tricircle-Missing-Pods"); got != "pod2" {
		t.Errorf("missing pods: %q", got)
	}
	if n := len(list.get(t, "servers").([]any)); n != 1000 {
		t.Errorf("%d rows, want a full page", n)
	}
}

func TestLostReply_ToACreate_IsAdoptedNotRepeated(t *testing.T) {
	c := newCloud(t, 2)
	c.sim.Pod(0).SetFault(simcloud.Fault{LostReply: true, Methods: []string{"POST"}, Count: 1})
	id := c.boot("lost", "az1")
	if names := c.names(c.call(compute, "GET", "/servers", "").want(t, 200), "servers"); !slices.Equal(names, []string{"lost"}) {
		t.Errorf("servers after a lost reply: %v", names)
	}
	c.call(compute, "GET", "/servers/"+id, "").want(t, 200)
	c.sim.Pod(0).SetFault(simcloud.Fault{LostReply: true, Methods: []string{"POST"}, Count: 1})
	c.call(volume, "POST", "/volumes", `{"volume": {"name": "lost", "size": 1, "availability_zone": "az1"}}`).want(t, 202)
	if names := c.names(c.call(volume, "GET", "/volumes", "").want(t, 200), "volumes"); !slices.Equal(names, []string{"lost"}) {
		t.Errorf("volumes after a lost reply: %v", names)
	}
}

func TestMultipleCreate_RecordsEveryServer(t *testing.T) {
	c := newCloud(t, 2)
	body := strings.Replace(c.bootBody("many", "az2"), `"name"`, `"min_count": 3, "name"`, 1)
	c.call(compute, "POST", "/servers", body).want(t, 202)
	c.sim.Pod(0).ResetRequests()
	for _, row := range c.call(compute, "GET", "/servers", "").want(t, 200).get(t, "servers").([]any) {
		id := row.(map[string]any)["id"].(string)
		p, err := c.top.routing.Known(t.Context(), 1, id)
		if err != nil || p == nil || p.Name() != "pod2" {
			t.Errorf("routing of %s: %v, %v", id, p, err)
		}
	}
}

func TestRebuild_AfterTheDatabaseIsLost(t *testing.T) {
	c := newCloud(t, 2)
	servers := []string{c.boot("one", "az1"), c.boot("two", "az2")}
	disk := c.call(volume, "POST", "/volumes", `{"volume": {"name": "disk", "size": 1, "availability_zone": "az2"}}`).want(t, 202).id(t, "volume")
	if err := c.top.shutdown(); err != nil {
		t.Fatal(err)
	}
	c.config.Database.Connection += ".new"
	if err := Migrate(t.Context(), c.config, t.Output()); err != nil {
		t.Fatal(err)
	}
	c.start()
	c.register(0)
	c.register(1)
	for _, p := range c.top.pods.Snapshot().All() {
		if _, err := c.top.routing.Rebuild(t.Context(), p, c.top.keystone.ServiceToken); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range servers {
		if p, err := c.top.routing.Known(t.Context(), 1, id); err != nil || p == nil {
			t.Errorf("server %s is not in the table: %v", id, err)
		}
		c.call(compute, "GET", "/servers/"+id, "").want(t, 200)
	}
	c.call(volume, "GET", "/volumes/"+disk, "").want(t, 200)
}

func TestDraining_TakesNothingNew_ServesWhatItHas(t *testing.T) {
	c := newCloud(t, 2)
	two := c.boot("two", "az2")
	row := c.top.pods.Snapshot().ByName("pod2").Pod
	row.State = "draining"
	if err := c.top.pods.Update(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	if a := c.call(compute, "POST", "/servers", c.bootBody("more", "az2")).want(t, 503); !strings.Contains(a.body, "draining") {
		t.Errorf("the refusal does not say why: %s", a.body)
	}
	c.call(compute, "GET", "/servers/"+two, "").want(t, 200)
}

func TestSpoofedIdentityHeaders_DoNotReachAPod(t *testing.T) {
	c := newCloud(t, 1)
	c.call(compute, "GET", "/servers?all_tenants=1", "", "X-Roles", "admin", "X-Is-Admin-Project", "True").want(t, http.StatusForbidden)
}

func TestOps_TellWhatIsWrong(t *testing.T) {
	c := newCloud(t, 1)
	c.call(compute, "GET", "/servers", "").want(t, 200)
	ops := "http://" + c.top.opsAddress.String()
	c.send("GET", ops+"/healthz", "").want(t, 200)
	c.send("GET", ops+"/readyz", "").want(t, 200)
	if a := c.send("GET", ops+"/metrics", "").want(t, 200); !strings.Contains(a.body, `tricircle_pod_requests_total{`) {
		t.Errorf("no metrics of pods in\n%s", a.body)
	}
}

func TestMarker_DeletedServer_StillMarksItsPlace(t *testing.T) {
	c := newCloud(t, 2)
	for _, zone := range []string{"az1", "az2", "az1", "az2"} {
		c.boot("s", zone)
	}
	rows := c.call(compute, "GET", "/servers", "").want(t, 200).get(t, "servers").([]any)
	id := func(i int) string { return rows[i].(map[string]any)["id"].(string) }
	eventually(t, "the table has learned from the list", func() bool {
		created, err := c.top.routing.Created(t.Context(), 1, id(1))
		return err == nil && !created.IsZero()
	})
	c.call(compute, "DELETE", "/servers/"+id(1), "").want(t, 204)
	left := c.call(compute, "GET", "/servers?marker="+id(1), "").want(t, 200).get(t, "servers").([]any)
	if len(left) != 2 || left[0].(map[string]any)["id"] != id(2) {
		t.Errorf("behind the deleted %s: %v; before: %v", id(1), left, rows)
	}
}
