package gateway_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/pod/podtest"
	"github.com/tricircle/tricircle/internal/store"
)

const since269 = "OpenStack-API-Version: compute 2.69"

// remember writes down what the routing table has learned.
func (f *fleet) remember(t testing.TB) {
	t.Helper()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.routing.Run(ended); err != nil {
		t.Fatal(err)
	}
}

// half is a top that has listed its servers, 1 and 3 in a pod that then goes down, and 2 and 4 in one that stays.
func half(t testing.TB, adjust func(*gateway.Options)) *fleet {
	t.Helper()
	f := fleetOf(t, adjust, numbered(1, 3), numbered(2, 4))
	list(t, f.nova, "/v2.1/servers/detail")
	f.remember(t)
	return f
}

func (f *fleet) fail(pods ...int) {
	for _, i := range pods {
		f.pods[i].SetFault(podtest.Refused)
	}
}

// unknown are the ids of the rows whose status is not known, all of which must come first.
func unknown(t testing.TB, p page) (out []string) {
	t.Helper()
	for i, row := range p.Servers {
		if row["status"] != "UNKNOWN" {
			continue
		}
		if len(out) < i {
			t.Errorf("row %d is unknown, but not the one before", i)
		}
		out = append(out, row["id"].(string))
	}
	return out
}

func TestListDown_From269_ServersOfThePodComeFirst(t *testing.T) {
	f := half(t, nil)
	f.fail(0)
	foreign := store.Routing{Type: store.Server, TopID: sid(9), PodNum: f.known[0].Num, ProjectID: "other"}
	if err := f.routing.Record(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	whole, rest := ids(1, 3, 2, 4), ids(2, 4)
	for _, c := range []struct {
		name, query string
		headers     []string
		want        []string
	}{
		{"2.68", "", []string{"OpenStack-API-Version: compute 2.68"}, rest},
		{"no version", "", nil, rest},
		{"2.69", "", []string{since269}, whole},
		{"newest", "", []string{"OpenStack-API-Version: compute latest"}, whole},
		{"filter", "?status=ACTIVE", []string{since269}, rest},
		{"limit", "?limit=100", []string{since269}, rest},
		{"sorted", "?sort_key=created_at", []string{since269}, rest},
		{"all projects, by an administrator", "?all_tenants=1", []string{since269, "X-Auth-Token: admin"}, slices.Concat(ids(9), whole)},
		{"all projects, but not really", "?all_tenants=False", []string{since269, "X-Auth-Token: admin"}, whole},
		{"all projects, by another", "?all_tenants=1", []string{since269}, whole}, // these pods let everybody ask
	} {
		for _, path := range []string{"/servers", "/servers/detail"} {
			p, h := list(t, f.nova, "/v2.1"+path+c.query, c.headers...)
			if diff := gocmp.Diff(c.want, p.ids()); diff != "" {
				t.Errorf("%s %s (-want +got):\n%s", path, c.name, diff)
			}
			if want := len(c.want) - len(rest); path == "/servers/detail" && len(unknown(t, p)) != want {
				t.Errorf("%s: %d unknown rows, want %d", c.name, len(unknown(t, p)), want)
			}
			if got := h.Get("X-Tricircle-Missing-Pods"); got != "pod1" {
				t.Errorf("%s %s: missing pods %q", path, c.name, got)
			}
		}
	}
}

func TestListDown_Record_HasTheMembersOfNova(t *testing.T) {
	f := fleetOf(t, nil, numbered(1), nil)
	list(t, f.nova, "/v2.1/servers")
	f.remember(t)
	f.fail(0)
	links := `"links":[{"rel":"self","href":"https://top/v2.1/servers/` + sid(1) + `"},{"rel":"bookmark","href":"https://top/servers/` + sid(1) + `"}]}`
	for path, want := range map[string]string{
		"/servers": `{"servers": [{"id":"` + sid(1) + `","status":"UNKNOWN",` + links + `]}`,
		"/servers/detail": `{"servers": [{"id":"` + sid(1) + `","status":"UNKNOWN","tenant_id":"` + project +
			`","created":"2026-11-22T06:16:39Z",` + links + `]}`,
	} {
		w := ask(t, f.nova, "GET", "/v2.1"+path, "", since269)
		if w.Body.String() != want {
			t.Errorf("%s\ngot  %s\nwant %s", path, w.Body, want)
		}
	}
	inPath, _ := list(t, f.nova, "/v2.1/"+project+"/servers", since269)
	if got := inPath.Servers[0]["links"].([]any)[0].(map[string]any)["href"]; got != public+"/v2.1/"+project+"/servers/"+sid(1) {
		t.Errorf("link %s", got)
	}
}

func TestListDown_NoPodAnswers_IsUnavailable(t *testing.T) {
	f := half(t, nil)
	f.fail(0, 1)
	if w := ask(t, f.nova, "GET", "/v2.1/servers", "", since269); w.Code != http.StatusServiceUnavailable {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestListDown_PartialListsFail_IsUnavailable(t *testing.T) {
	f := half(t, func(o *gateway.Options) { o.FailPartial = true })
	f.fail(0)
	if w := ask(t, f.nova, "GET", "/v2.1/servers", "", since269); w.Code != http.StatusServiceUnavailable {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

// TestListDown_FullPage_CountsThemAgainstTheLimit: the live ones go before, and what they leave is filled with the newest of the others.
func TestListDown_FullPage_CountsThemAgainstTheLimit(t *testing.T) {
	live, lost := make([]int, 997), make([]int, 10)
	for i := range live {
		live[i] = 100 + i
	}
	for i := range lost {
		lost[i] = 1 + i
	}
	f := fleetOf(t, nil, numbered(lost...), numbered(live...))
	list(t, f.nova, "/v2.1/servers?limit=20")
	f.remember(t)
	f.fail(0)
	p, _ := list(t, f.nova, "/v2.1/servers/detail", since269)
	if diff := gocmp.Diff(ids(1, 2, 3), unknown(t, p)); diff != "" || len(p.Servers) != 1000 || p.next(t) != "" {
		t.Errorf("%d rows, next %q, unknown (-want +got):\n%s", len(p.Servers), p.next(t), diff)
	}
}

func TestListDown_PodFailsHalfWay_ShowsEachOnce(t *testing.T) {
	f := half(t, nil)
	f.pods[0].SetFault(podtest.Half(`{"servers": [` + f.pods[0].servers[0].json("pod1") + `,`))
	p, _ := list(t, f.nova, "/v2.1/servers/detail", since269)
	if diff := gocmp.Diff(ids(3, 1, 2, 4), p.ids()); diff != "" {
		t.Error(diff)
	}
}

func TestListDown_DeletedServer_IsNotShown(t *testing.T) {
	for _, c := range []struct {
		name    string
		happens func(f *fleet)
		want    []string
	}{
		{"deleted", func(f *fleet) { ask(t, f.nova, "DELETE", "/v2.1/servers/"+sid(1), "") }, ids(3)},
		{"not found any more", func(f *fleet) {
			f.pods[0].servers[0].deleted = true
			ask(t, f.nova, "GET", "/v2.1/servers/"+sid(1), "")
		}, ids(3)},
		{"shown as deleted", func(f *fleet) {
			f.pods[0].servers[0].deleted = true
			list(t, f.nova, "/v2.1/servers?changes-since=2026-01-01T00:00:00Z")
		}, ids(3)},
		{"not found by one who may not see it", func(f *fleet) {
			foreign := store.Routing{Type: store.Server, TopID: sid(3), PodNum: f.known[0].Num, ProjectID: "other"}
			if err := f.routing.Record(t.Context(), foreign); err != nil {
				t.Fatal(err)
			}
			f.pods[0].servers[1].deleted = true
			ask(t, f.nova, "GET", "/v2.1/servers/"+sid(3), "")
		}, ids(1, 3)},
		{"something of it not found", func(f *fleet) { ask(t, f.nova, "GET", "/v2.1/servers/"+sid(1)+"/tags/x", "", since269) }, ids(1, 3)},
		{"not found by a proxy", func(f *fleet) {
			f.pods[0].SetFault(podtest.Text(http.StatusNotFound, "text/html", "<html>"))
			ask(t, f.nova, "GET", "/v2.1/servers/"+sid(1), "")
		}, ids(1, 3)},
		{"delete refused", func(f *fleet) {
			f.pods[0].SetFault(podtest.JSON(http.StatusConflict, `{"conflictingRequest": {"code": 409, "message": "locked"}}`))
			ask(t, f.nova, "DELETE", "/v2.1/servers/"+sid(1), "")
		}, ids(1, 3)},
		{"shown again while it is being deleted", func(f *fleet) {
			ask(t, f.nova, "DELETE", "/v2.1/servers/"+sid(1), "")
			f.pods[0].servers[0].deleted = false
			list(t, f.nova, "/v2.1/servers")
		}, ids(3)},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := half(t, nil)
			c.happens(f)
			f.remember(t)
			f.fail(0)
			p, _ := list(t, f.nova, "/v2.1/servers/detail?all_tenants=1", since269, "X-Auth-Token: admin")
			if diff := gocmp.Diff(c.want, unknown(t, p)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestShowDown_From269_IsUnavailable(t *testing.T) {
	f := half(t, nil)
	f.fail(0)
	w := ask(t, f.nova, "GET", "/v2.1/servers/"+sid(1), "", since269)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "pod1") {
		t.Errorf("got %d %v %s", w.Code, w.Header(), w.Body)
	}
}
