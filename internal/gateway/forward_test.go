package gateway_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/identity"
	"github.com/tricircle/tricircle/internal/obs"
	"github.com/tricircle/tricircle/internal/pod/podtest"
	"github.com/tricircle/tricircle/internal/store"
)

// single is a top over one pod that holds the server sid(1) and the volume sid(2). What the pod's services do is up to h.
func single(t *testing.T, h podtest.Handler, adjust ...func(*gateway.Options)) *top {
	t.Helper()
	u := newTop(t, adjust...)
	p := u.Register(&podtest.Pod{Region: "east", Compute: h, Volume: h}, store.Zone{Name: "top-zone", PodName: "nova"})
	for id, typ := range map[string]store.ResourceType{sid(1): store.Server, sid(2): store.Volume} {
		if err := u.routing.Record(t.Context(), store.Routing{Type: typ, TopID: id, BottomID: id, PodNum: p.Num}); err != nil {
			t.Fatal(err)
		}
	}
	return u
}

// seen keeps what reached the pod.
type seen struct {
	url    string
	header http.Header
	body   string
	length int64
}

func (s *seen) then(h podtest.Handler) podtest.Handler {
	return func(req *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		*s = seen{req.Method + " " + req.URL.RequestURI(), req.Header, string(body), req.ContentLength}
		return h(req)
	}
}

func TestForward_HeadersToThePod(t *testing.T) {
	var got seen
	u := single(t, got.then(podtest.JSON(200, "{}")))
	ask(t, u.nova, "GET", "/v2.1/servers/"+sid(1)+"?a=b%2Fc", "",
		"Accept: application/json", "User-Agent: openstacksdk", "X-Custom: kept", "X-Service-Token: token",
		"OpenStack-API-Version: compute 2.60", "X-OpenStack-Request-ID: req-of-the-client",
		"Connection: close, X-Hop", "X-Hop: 1", "Cookie: session=1", "Expect: 100-continue", "Te: trailers", "Accept-Encoding: gzip",
		"X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https", "Forwarded: for=1.2.3.4", "Via: proxy", "Upgrade: h2c",
		"Idempotency-Key: 1", "X-Idempotency-Key: 1")
	want := http.Header{
		"X-Auth-Token": {"token"}, "Accept": {"application/json"}, "User-Agent": {"openstacksdk"}, "X-Custom": {"kept"},
		"X-Service-Token": {"token"}, "Openstack-Api-Version": {"compute 2.60"}, "X-Openstack-Nova-Api-Version": {"2.60"},
		"X-Openstack-Request-Id": {requestID},
	}
	if diff := gocmp.Diff(want, got.header); diff != "" {
		t.Error(diff)
	}
	if got.url != "GET /servers/"+sid(1)+"?a=b%2Fc" {
		t.Errorf("asked for %s", got.url)
	}
}

func TestForward_Versions_AreNumbersAlways(t *testing.T) {
	var got seen
	u := single(t, got.then(podtest.JSON(200, "{}")))
	for header, want := range map[string]string{"": "compute 2.1", "compute latest": "compute 2.93"} {
		w := ask(t, u.nova, "GET", "/v2.1/servers/"+sid(1), "", "OpenStack-API-Version: "+header)
		if got.header.Get("OpenStack-API-Version") != want || w.Header().Get("OpenStack-API-Version") != want {
			t.Errorf("%q: the pod was asked for %q, the client told %q, want %q", header, got.header.Get("OpenStack-API-Version"),
				w.Header().Get("OpenStack-API-Version"), want)
		}
	}
	ask(t, u.cinder, "GET", "/v3/volumes/"+sid(2), "")
	if v := got.header.Get("OpenStack-API-Version"); v != "volume 3.0" || got.url != "GET /"+project+"/volumes/"+sid(2) {
		t.Errorf("Cinder was asked at %q for %s", v, got.url)
	}
}

func TestForward_Answer_IsThePodsButForLinksAndZones(t *testing.T) {
	const answer = `{ "server" : {"id": "7", "new:member": {"b":1.50, "a":[1e3, null]}, "text": "\u00e4\ud83d\ude00 <&>",
	"links": [{"rel": "self", "href": "http://internal/v2.1/servers/7"}, {"rel": "bookmark", "href": "http://internal/servers/7"}],
	"image": {"links": [{"rel": "bookmark", "href": "http://internal/images/9"}]},
	"OS-EXT-AZ:availability_zone": "nova", "pinned_availability_zone": null,
	"metadata": {"href": "http://internal/v2.1/x", "availability_zone": "nova"} } }`
	want := strings.NewReplacer(`"http://internal/v2.1/servers/7"`, `"https://top/v2.1/servers/7"`, `"http://internal/servers/7"`, `"https://top/servers/7"`,
		`"http://internal/images/9"`, `"https://top/images/9"`, `:availability_zone": "nova"`, `:availability_zone": "top-zone"`).Replace(answer)
	u := single(t, func(req *http.Request) (*http.Response, error) {
		res, err := podtest.JSON(203, answer)(req)
		res.Header = http.Header{"Content-Type": {"application/json"}, "X-Openstack-Request-Id": {"req-of-the-pod"}, "X-Compute-Request-Id": {"req-of-the-pod"},
			"Retry-After": {"7"}, "Date": {"yesterday"}, "Server": {"apache"}, "Set-Cookie": {"a=b"}, "Vary": {"something"}, "Connection": {"close"},
			"Content-Length": {"1"}, "Openstack-Api-Version": {"compute 2.2"}, "X-Openstack-Nova-Api-Version": {"2.2"}}
		return res, err
	})
	w := ask(t, u.nova, "GET", "/v2.1/servers/"+sid(1), "")
	if w.Code != 203 || w.Body.String() != want {
		t.Errorf("got %d %s", w.Code, gocmp.Diff(want, w.Body.String()))
	}
	header := http.Header{"Content-Type": {"application/json"}, "X-Openstack-Request-Id": {"req-of-the-pod"}, "X-Compute-Request-Id": {"req-of-the-pod"},
		"Retry-After": {"7"}, "Content-Length": {strconv.Itoa(len(want))}, "Openstack-Api-Version": {"compute 2.1"}, "X-Openstack-Nova-Api-Version": {"2.1"},
		"Vary": {"OpenStack-API-Version", "X-OpenStack-Nova-API-Version"}}
	if diff := gocmp.Diff(header, w.Header()); diff != "" {
		t.Error(diff)
	}
}

func TestForward_Body_IsTheClientsByteForByte(t *testing.T) {
	var got seen
	u := single(t, got.then(podtest.Text(202, "", "")))
	const body = ` {"rebuild" : {"imageRef":"x", "unknown": 1.50, "new": "\u00e4"} }` + "\n"
	w := ask(t, u.nova, "POST", "/v2.1/"+project+"/servers/"+sid(1)+"/action", body)
	if got.body != body || got.length != int64(len(body)) || got.url != "POST /"+project+"/servers/"+sid(1)+"/action" {
		t.Errorf("the pod got %+v", got)
	}
	if w.Code != 202 || w.Body.Len() != 0 {
		t.Errorf("the client got %d %q", w.Code, w.Body)
	}
}

func TestForward_StrangeAnswers(t *testing.T) {
	huge := podtest.Stream(200, "application/json", func(*http.Request) io.Reader {
		return io.LimitReader(endless{}, 1<<30)
	})
	const broke = "503 Pod east cannot serve this request: its compute service: "
	for name, c := range map[string]struct {
		h    podtest.Handler
		want string
	}{
		"a gigabyte":            {huge, "502 Pod east answered with more than 16 MiB."},
		"half a document":       {podtest.Half(`{"server": {"id"`), broke + "the connection broke before the answer was complete."},
		"half, but all of it":   {podtest.JSON(200, `{"server": {"id"`), "502 Pod east answered with something that is not JSON, though it says so."},
		"a page":                {podtest.Text(200, "text/html; charset=utf-8", "<html>"), "502 Pod east answered with a web page."},
		"a page of an error":    {podtest.Text(404, "text/html", "<html>"), "404 <html>"},
		"a redirect":            {podtest.Status(302), broke + "answered with a redirect, which no OpenStack service does."},
		"bad gateway":           {podtest.Status(502), broke + "answered 502 Bad Gateway."},
		"an error of the pod's": {podtest.JSON(500, `{"computeFault": {"code": 500, "message": "x"}}`), "500 x"},
		"plain text":            {podtest.Text(200, "text/plain", "ok"), "200 ok"},
		"nothing":               {podtest.Text(204, "", ""), "204 "},
	} {
		u := single(t, c.h)
		if got := refusal(ask(t, u.nova, "GET", "/v2.1/servers/"+sid(1), "")); got != c.want {
			t.Errorf("%s: got %.200s, want %s", name, got, c.want)
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte("["), len(p))), nil }

func TestForward_BrokenAnswerToAWrite_SaysWhatThatMeans(t *testing.T) {
	u := single(t, podtest.Half(`{`))
	got := refusal(ask(t, u.nova, "PUT", "/v2.1/servers/"+sid(1), `{"server": {}}`))
	if !strings.Contains(got, "the connection broke before the answer was complete; the request may have been carried out, so look before trying again") {
		t.Errorf("got %s", got)
	}
}

func TestForward_DeadPod_Is503AndNever404(t *testing.T) {
	u := single(t, nil)
	u.Handle("east.compute", nil)
	for _, target := range []string{"/v2.1/servers/" + sid(1), "/v2.1/servers/" + sid(9)} {
		w := ask(t, u.nova, "GET", target, "")
		if w.Code != 503 || w.Header().Get("Retry-After") != "10" ||
			!strings.Contains(refusal(w), "Pod east cannot serve this request: its compute service: cannot be reached.") {
			t.Errorf("%s: %s, Retry-After %q", target, refusal(w), w.Header().Get("Retry-After"))
		}
	}
	if got, want := refusal(ask(t, u.nova, "GET", "/v2.1/servers/no-uuid", "")), "404 Instance no-uuid could not be found."; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestForward_RetryAfterOfThePod_IsPassedOn(t *testing.T) {
	u := single(t, func(req *http.Request) (*http.Response, error) {
		res, err := podtest.Status(503)(req)
		res.Header.Set("Retry-After", "77")
		return res, err
	})
	if w := ask(t, u.nova, "GET", "/v2.1/servers/"+sid(1), ""); w.Code != 503 || w.Header().Get("Retry-After") != "77" {
		t.Errorf("got %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
}

func TestForward_401OfThePod(t *testing.T) {
	u := single(t, podtest.Status(401))
	for name, target := range map[string]string{"by id": "/v2.1/servers/" + sid(1), "searched": "/v2.1/servers/" + sid(9), "any pod": "/v2.1/flavors"} {
		u.validator.failure = nil
		if w := ask(t, u.nova, "GET", target, ""); w.Code != 503 {
			t.Errorf("%s: Keystone likes the token: %d", name, w.Code)
		}
		u.validator.failure = identity.ErrInvalidToken
		if w := ask(t, u.nova, "GET", target, ""); w.Code != 401 || w.Header().Get("WWW-Authenticate") != `Keystone uri="http://keystone"` {
			t.Errorf("%s: Keystone does not like it either: %d", name, w.Code)
		}
		u.validator.failure = context.DeadlineExceeded
		if got, want := refusal(ask(t, u.nova, "GET", target, "")), "503 The Keystone service is temporarily unavailable."; got != want {
			t.Errorf("%s: Keystone is out: %s", name, got)
		}
	}
}

func TestForward_ClientGivesUp_EndsTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := single(t, podtest.Hang)
		ctx, cancel := context.WithCancel(obs.WithRequestID(t.Context(), requestID, ""))
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		if w := askWith(ctx, u.nova, "GET", "/v2.1/servers/"+sid(1), ""); w.Body.Len() != 0 || time.Since(start) != time.Second {
			t.Errorf("after %s: %s", time.Since(start), w.Body)
		}
	})
}

func TestForward_Location(t *testing.T) {
	for location, want := range map[string]string{
		"http://east.compute/v2.1/servers/7":      "https://top/v2.1/servers/7",
		"http://10.0.0.1:8774/v2.1/servers/7?a=b": "https://top/v2.1/servers/7?a=b",
		"http://glance:9292/v2/images/7":          "http://glance:9292/v2/images/7",
		"":                                        "",
	} {
		u := single(t, func(req *http.Request) (*http.Response, error) {
			res, err := podtest.Text(202, "", "")(req)
			if location != "" {
				res.Header.Set("Location", location)
			}
			return res, err
		})
		w := ask(t, u.nova, "POST", "/v2.1/servers/"+sid(1)+"/action", `{"createImage": {"name": "x"}}`)
		if got := w.Header().Get("Location"); got != want || w.Code != 202 {
			t.Errorf("%s: got %d %s, want %s", location, w.Code, got, want)
		}
	}
}

func TestForward_Links(t *testing.T) {
	for endpoint, c := range map[string]map[string]string{
		"http://east.compute/v2.1": {
			"http://east.compute/v2.1/servers/7":               "https://top/v2.1/servers/7",
			"http://other:1/v2.1/servers/7":                    "https://top/v2.1/servers/7",
			"http://other/v2.1/p/servers?limit=1&marker=a%20b": "https://top/v2.1/p/servers?limit=1&marker=a%20b",
			"http://east.compute/flavors/1":                    "https://top/flavors/1",
			"http://east.compute/servers/a%2Fb":                "https://top/servers/a%2Fb",
			"/relative":                                        "/relative",
			"":                                                 "",
			"::no link":                                        "::no link",
		},
		"http://east.compute/compute/v2.1": {
			"http://host/compute/v2.1/servers/7": "https://top/v2.1/servers/7",
			"http://host/compute/servers/7":      "https://top/servers/7",
		},
	} {
		for href, want := range c {
			u := single(t, nil)
			u.Handle("east.compute", podtest.JSON(200, `{"href": "`+href+`"}`))
			u.Keystone.Add("east", "compute", endpoint)
			if err := u.Keystone.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			u.Registry.Probe(t.Context(), u.Registry.Snapshot().ByName("east")) // fails, and so reads the catalog
			w := ask(t, u.nova, "GET", "/v2.1/servers/"+sid(1), "")
			if got := w.Body.String(); got != `{"href": "`+want+`"}` {
				t.Errorf("%s, %s: got %s, want %s", endpoint, href, got, want)
			}
		}
	}
}

func TestServe_Errors(t *testing.T) {
	u := single(t, podtest.JSON(200, `{}`))
	other := "/v2.1/ffffffffffffffffffffffffffffffff"
	for _, c := range []struct {
		name, method, target, body string
		headers                    []string
		want                       string
	}{
		{"no token", "GET", "/v2.1/servers", "", []string{"X-Auth-Token: "}, "401"},
		{"bad token", "GET", "/v2.1/servers", "", []string{"X-Auth-Token: bad"}, "401"},
		{"unknown URL", "GET", "/v2.1/nosuch", "", nil, "404 404 Not Found"},
		{"unknown URL before version", "GET", "/v2.1/nosuch", "", []string{"OpenStack-API-Version: compute 2.999"}, "404 404 Not Found"},
		{"unknown URL before project", "GET", other + "/nosuch", "", nil, "404 404 Not Found"},
		{"version before project", "GET", other + "/servers", "", []string{"OpenStack-API-Version: compute 2.999"}, "406 Version 2.999 is not supported"},
		{"other project", "GET", other + "/servers", "", nil, "400 Malformed request URL: URL's project_id 'ffffffffffffffffffffffffffffffff' doesn't match Context's project_id '" + project + "'"},
		{"call of a later version", "GET", "/v2.1/servers/" + sid(1) + "/tags", "", nil, "404 The resource could not be found."},
		{"call of an earlier version", "GET", "/v2.1/os-networks", "", []string{"OpenStack-API-Version: compute 2.36"}, "404 The resource could not be found."},
		{"unknown action", "POST", "/v2.1/servers/" + sid(1) + "/action", `{"fly": null}`, nil, "400 There is no such action: fly"},
		{"no action", "POST", "/v2.1/servers/" + sid(1) + "/action", `{`, nil, "400 Malformed request body"},
	} {
		w := ask(t, u.nova, c.method, c.target, c.body, c.headers...)
		if got := refusal(w); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestAnyPod_AsksTheFirstThatIsWell(t *testing.T) {
	u := newTop(t)
	east := &podtest.Pod{Region: "east", Compute: podtest.JSON(200, `{"from": "east"}`)}
	west := &podtest.Pod{Region: "west", Compute: podtest.JSON(200, `{"from": "west"}`)}
	if got := refusal(ask(t, u.nova, "GET", "/v2.1/flavors", "")); got != "503 No pod is registered and enabled. An administrator registers one with: tricircle pod create." {
		t.Errorf("without pods: %s", got)
	}
	u.Register(east)
	u.Register(west)
	flavors := func(method string) string { return ask(t, u.nova, method, "/v2.1/flavors", "").Body.String() }
	if got := flavors("GET"); got != `{"from": "east"}` {
		t.Errorf("both are well: %s", got)
	}
	east.SetFault(podtest.Reset)
	if got := flavors("GET"); got != `{"from": "west"}` {
		t.Errorf("a read moves on: %s", got)
	}
	if w := ask(t, u.nova, "POST", "/v2.1/flavors", `{}`, "X-Auth-Token: admin"); w.Code != 503 {
		t.Errorf("a write moved on: %s", w.Body)
	}
	for range 2 {
		u.Registry.Probe(t.Context(), u.Registry.Snapshot().ByName("east"))
	}
	east.Calls()
	if got := flavors("GET"); got != `{"from": "west"}` || len(east.Calls()) != 0 {
		t.Errorf("one is known to be down: %s", got)
	}
}

func TestByID_ResourceOfADisabledPod_Is503(t *testing.T) {
	u := single(t, podtest.JSON(200, `{}`))
	row := u.Registry.Snapshot().ByName("east").Pod
	row.State = store.PodDisabled
	if err := u.Registry.Update(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	if got := refusal(ask(t, u.nova, "GET", "/v2.1/servers/"+sid(1), "")); got != "503 Pod east cannot serve this request: its compute service: the pod is disabled by its operator." {
		t.Errorf("got %s", got)
	}
}

func TestByID_ResourceThatWasThereBefore_IsFound(t *testing.T) {
	f := fleetOf(t, nil, numbered(1), numbered(2))
	if w := ask(t, f.nova, "GET", "/v2.1/servers/"+sid(2), ""); w.Code != 200 {
		t.Fatalf("got %s", refusal(w))
	}
	f.calls()
	if w := ask(t, f.nova, "GET", "/v2.1/servers/"+sid(2), ""); w.Code != 200 || len(f.pods[0].Calls()) != 0 {
		t.Errorf("where it is was not learned: %d", w.Code)
	}
}

func TestZones_AreThoseOfTheTop(t *testing.T) {
	u := newTop(t)
	east := &podtest.Pod{Region: "east", ComputeZones: []string{"nova", "internal"}, VolumeZones: []string{"nova"}}
	west := &podtest.Pod{Region: "west"}
	u.Register(east, store.Zone{Name: "z1", PodName: "nova"})
	u.Register(west, store.Zone{Name: "z2"})
	w := ask(t, u.nova, "GET", "/v2.1/os-availability-zone", "")
	const both = `{"availabilityZoneInfo":[{"zoneName":"internal.east","zoneState":{"available":true},"hosts":null},` +
		`{"zoneName":"z1","zoneState":{"available":true},"hosts":null},{"zoneName":"z2","zoneState":{"available":true},"hosts":null}]}`
	if w.Body.String() != both {
		t.Errorf("got %s", w.Body)
	}
	west.SetFault(podtest.Reset)
	w = ask(t, u.nova, "GET", "/v2.1/os-availability-zone", "")
	if !strings.Contains(w.Body.String(), `{"zoneName":"z2","zoneState":{"available":false}`) || w.Header().Get("X-Tricircle-Missing-Pods") != "west" {
		t.Errorf("got %s, missing %q", w.Body, w.Header().Get("X-Tricircle-Missing-Pods"))
	}
}
