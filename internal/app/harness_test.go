package app

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tricircle/tricircle/internal/config"
	"github.com/tricircle/tricircle/internal/simcloud"
	"github.com/tricircle/tricircle/internal/store"
	"github.com/tricircle/tricircle/internal/store/sqlstore/pgtest"
)

// postgres starts with the first test that needs it.
var postgres pgtest.Server

func TestMain(m *testing.M) { goleak.VerifyTestMain(postgres.Around(m)) }

// cloud is the top over simulated pods, as one process runs it.
type cloud struct {
	t      *testing.T
	sim    *simcloud.Cloud
	config *config.Config
	top    *server
}

// newCloud starts n pods, and the top with all of them registered. set overrides the configuration.
func newCloud(t *testing.T, n int, set ...string) *cloud {
	t.Helper()
	return newCloudOf(t, simcloud.Options{Pods: n}, set...)
}

func newCloudOf(t *testing.T, o simcloud.Options, set ...string) *cloud {
	t.Helper()
	sim, err := simcloud.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
	})
	c := &cloud{t: t, sim: sim}
	c.config, err = config.Load(config.Sources{Set: append([]string{
		"database.connection=sqlite://" + filepath.Join(t.TempDir(), "top.db"),
		"keystone.auth_url=" + sim.AuthURL(), "keystone.username=nova", "keystone.password=secret",
		"admin-api.listen=127.0.0.1:0", "nova-gw.listen=127.0.0.1:0", "cinder-gw.listen=127.0.0.1:0", "neutron.listen=127.0.0.1:0",
		"ops.listen=127.0.0.1:0",
		"pod.timeout=2s", "pod.list_timeout=1s", "pod.probe_interval=50ms", "DEFAULT.drain_timeout=2s",
	}, set...)})
	if err != nil {
		t.Fatal(err)
	}
	if err := Migrate(t.Context(), c.config, io.Discard); err != nil {
		t.Fatal(err)
	}
	c.start()
	t.Cleanup(func() {
		if err := c.top.shutdown(); err != nil {
			t.Error(err)
		}
	})
	for i := range o.Pods {
		c.register(i)
	}
	return c
}

// start runs the top on the database that is there.
func (c *cloud) start() {
	c.t.Helper()
	core, err := newCore(c.t.Context(), c.config, c.t.Output())
	if err != nil {
		c.t.Fatal(err)
	}
	if c.top, err = core.start(c.t.Context(), c.config.Default.Roles); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cloud) register(i int) {
	c.t.Helper()
	p := c.sim.Pod(i)
	_, err := c.top.pods.Create(c.t.Context(), store.Pod{ID: c.top.newID(), RegionName: p.Region, State: store.PodEnabled,
		Zones: []store.Zone{{Name: p.Zone, PodName: p.Zone}}})
	if err != nil {
		c.t.Fatal(err)
	}
}

// answer is what came back from a call.
type answer struct {
	*http.Response
	body string
}

// call makes a request as a user of project demo to a role. path begins behind the version.
func (c *cloud) call(role, method, path, body string, headers ...string) answer {
	c.t.Helper()
	return c.send(method, c.url(role)+path, body, append([]string{"X-Auth-Token", c.sim.Token("demo", "demo", time.Hour)}, headers...)...)
}

// url is the address of a role, with its version.
func (c *cloud) url(role string) string {
	return "http://" + c.top.addresses[role].String() + map[string]string{config.RoleNovaGW: "/v2.1", config.RoleCinderGW: "/v3"}[role]
}

func (c *cloud) send(method, url, body string, headers ...string) answer {
	c.t.Helper()
	a, err := c.try(method, url, body, headers...)
	if err != nil {
		c.t.Fatal(err)
	}
	return a
}

// try is send for goroutines that may not end the test.
func (c *cloud) try(method, url, body string, headers ...string) (answer, error) {
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	var buf bytes.Buffer
	_, err = io.Copy(&buf, res.Body)
	return answer{res, buf.String()}, err
}

// want fails the test unless the status is the one given.
func (a answer) want(t *testing.T, status int) answer {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("%s %s: got %d %s, want %d", a.Request.Method, a.Request.URL, a.StatusCode, a.body, status)
	}
	return a
}

// get decodes the body and follows a path of members.
func (a answer) get(t *testing.T, path ...string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok || m[name] == nil {
			t.Fatalf("no %v in %s", path, a.body)
		}
		v = m[name]
	}
	return v
}

func (a answer) id(t *testing.T, member string) string {
	t.Helper()
	return a.get(t, member, "id").(string)
}

// boot makes a server in a zone and returns its id.
func (c *cloud) boot(name, zone string) string {
	c.t.Helper()
	return c.call(config.RoleNovaGW, "POST", "/servers", c.bootBody(name, zone)).want(c.t, 202).id(c.t, "server")
}

// image returns the id of an image, which is the same in all pods.
func (c *cloud) image() string {
	c.t.Helper()
	images := c.send("GET", c.sim.ImageURL()+"/v2/images", "", "X-Auth-Token", c.sim.Token("demo", "demo", time.Hour)).want(c.t, 200)
	return images.get(c.t, "images").([]any)[0].(map[string]any)["id"].(string)
}

func (c *cloud) bootBody(name, zone string) string {
	c.t.Helper()
	return `{"server": {"name": "` + name + `", "imageRef": "` + c.image() + `", "flavorRef": "1", "availability_zone": "` + zone + `"}}`
}

// names lists the names of all servers, in order.
func (c *cloud) names(a answer, collection string) (names []string) {
	c.t.Helper()
	for _, row := range a.get(c.t, collection).([]any) {
		names = append(names, row.(map[string]any)["name"].(string))
	}
	return names
}
