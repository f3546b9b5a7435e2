package gateway_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/tricircle/tricircle/internal/pod/podtest"
)

const missingHeader = "X-Tricircle-Missing-Pods"

// fixed makes a pod that answers path, below project, with a document, whatever the query.
func fixed(u *top, region, path, doc string) *podtest.Pod {
	h := func(req *http.Request) (*http.Response, error) {
		if strings.TrimPrefix(req.URL.Path, "/"+project) != path {
			return podtest.Status(http.StatusNotFound)(req)
		}
		return podtest.JSON(http.StatusOK, doc)(req)
	}
	p := &podtest.Pod{Region: region, Compute: h, Volume: h}
	u.Register(p)
	return p
}

// wantAnswer compares an answer, by the text of its body.
func wantAnswer(t *testing.T, w *httptest.ResponseRecorder, status int, body, missing string) {
	t.Helper()
	if w.Code != status || w.Body.String() != body || w.Header().Get(missingHeader) != missing {
		t.Errorf("got  %d %s, missing %q\nwant %d %s, missing %q", w.Code, w.Body, w.Header().Get(missingHeader), status, body, missing)
	}
}

func TestSum_NumbersOfAllPods_AddedIntoTheFirstsForm(t *testing.T) {
	for name, c := range map[string]struct {
		path, one, two, want string
		cinder               bool
	}{
		"limits": {
			path: "/limits",
			one:  `{"limits": {"rate": [], "absolute": {"maxTotalCores": 20, "new": 1, "totalCoresUsed": 9007199254740993}}}`,
			two:  `{"limits": {"rate": [], "absolute": {"totalCoresUsed": 2, "totalGone": 5, "maxTotalCores": 7}}}`,
			want: `{"limits": {"rate": [], "absolute": {"maxTotalCores": 20, "new": 1, "totalCoresUsed": 9007199254740995}}}`,
		},
		"quota detail": {
			path: "/os-quota-sets/p/detail",
			one:  `{"quota_set": {"id": "p", "cores": {"limit": 20, "in_use": 1, "reserved": 0}}}`,
			two:  `{"quota_set": {"id": "p", "cores": {"limit": -1, "in_use": 3, "reserved": 1}}}`,
			want: `{"quota_set": {"id": "p", "cores": {"limit": 20, "in_use": 4, "reserved": 1}}}`,
		},
		"hypervisors": {
			path: "/os-hypervisors/statistics",
			one:  `{"hypervisor_statistics": {"count": 2, "free_disk_gb": -5, "disk_available_least": null}}`,
			two:  `{"hypervisor_statistics": {"count": 3, "free_disk_gb": 2, "disk_available_least": 4}}`,
			want: `{"hypervisor_statistics": {"count": 5, "free_disk_gb": -3, "disk_available_least": null}}`,
		},
		"audit log": {
			path: "/os-instance_usage_audit_log",
			one: `{"instance_usage_audit_logs": {"period_beginning": "b", "num_hosts": 2, "num_hosts_done": 1, "num_hosts_not_run": 1, ` +
				`"hosts_not_run": ["h2"], "total_errors": 1, "overall_status": "1 of 2 hosts done. 1 errors.", "log": {"h1": {"state": "DONE"}}}}`,
			two: `{"instance_usage_audit_logs": {"period_beginning": "b", "num_hosts": 1, "num_hosts_done": 1, "num_hosts_not_run": 0, ` +
				`"hosts_not_run": [], "total_errors": 0, "overall_status": "ALL hosts done. 0 errors.", "log": {"h1": {"state": "RUNNING"}}}}`,
			want: `{"instance_usage_audit_logs": {"period_beginning": "b", "num_hosts": 3, "num_hosts_done": 2, "num_hosts_not_run": 1, ` +
				`"hosts_not_run": ["h2.one"], "total_errors": 1, "overall_status": "2 of 3 hosts done. 1 errors.", ` +
				`"log": {"h1.one":{"state":"DONE"},"h1.two":{"state":"RUNNING"}}}}`,
		},
		"volumes": {
			path: "/volumes/summary", cinder: true,
			one:  `{"volume-summary": {"total_count": 1, "total_size": 2, "metadata": {"k": ["a", "b"]}}}`,
			two:  `{"volume-summary": {"total_count": 3, "total_size": 4, "metadata": {"k": ["b", "c"], "l": ["d"]}}}`,
			want: `{"volume-summary": {"total_count": 4, "total_size": 6, "metadata": {"k": ["a", "b", "c"],"l":["d"]}}}`,
		},
		"quota by type": {
			path: "/os-quota-sets/p?usage=True", cinder: true,
			one:  `{"quota_set": {"volumes_a/b": {"limit": 1, "in_use": 1, "reserved": 0}, "id": "p"}}`,
			two:  `{"quota_set": {"volumes_a/b": {"limit": 2, "in_use": 1, "reserved": 2}, "volumes_c": {"limit": 3, "in_use": 4, "reserved": 5}, "id": "p"}}`,
			want: `{"quota_set": {"volumes_a/b": {"limit": 1, "in_use": 2, "reserved": 2}, "id": "p","volumes_c":{"limit": 3, "in_use": 4, "reserved": 5}}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			u := newTop(t)
			path, _, _ := strings.Cut(c.path, "?")
			fixed(u, "one", path, c.one)
			fixed(u, "two", path, c.two)
			w := ask(t, u.nova, "GET", "/v2.1"+c.path, "")
			if c.cinder {
				w = ask(t, u.cinder, "GET", "/v3"+c.path, "", "OpenStack-API-Version: volume 3.36")
			}
			wantAnswer(t, w, http.StatusOK, c.want, "")
		})
	}
}

func limits(used int) string {
	return fmt.Sprintf(`{"limits": {"rate": [], "absolute": {"maxTotalInstances": 10, "totalInstancesUsed": %d}}}`, used)
}

func TestSum_LimitsWhilePodIsDown_CountWhatIsKnown(t *testing.T) {
	u := newTop(t)
	one, two := fixed(u, "one", "/limits", limits(1)), fixed(u, "two", "/limits", limits(2))
	get := func(query string) *httptest.ResponseRecorder { return ask(t, u.nova, "GET", "/v2.1/limits"+query, "") }
	one.SetFault(podtest.Reset)
	wantAnswer(t, get(""), http.StatusOK, limits(2), "one")
	one.SetFault(nil)
	wantAnswer(t, get(""), http.StatusOK, limits(3), "")
	one.SetFault(podtest.Status(http.StatusServiceUnavailable))
	wantAnswer(t, get(""), http.StatusOK, limits(3), "one")
	wantAnswer(t, get("?tenant_id=other"), http.StatusOK, limits(2), "one")
	two.SetFault(podtest.Reset)
	if w := get(""); w.Code != http.StatusServiceUnavailable {
		t.Errorf("with no pod: %d %s", w.Code, w.Body)
	}
}

func TestSum_StatisticsWhilePodIsDown_NamesThePod(t *testing.T) {
	for name, fault := range map[string]podtest.Handler{
		"reset": podtest.Reset, "500": podtest.Status(500), "429": podtest.Status(429), "half": podtest.Half(`{"hypervisor_statistics": {`),
		"page": podtest.Text(200, "text/html", "<html>"), "wrong": podtest.JSON(200, `{"error": 1}`), "empty": podtest.JSON(200, ""),
		"redirect": podtest.Status(302), "list": podtest.JSON(200, `[]`),
	} {
		t.Run(name, func(t *testing.T) {
			u := newTop(t)
			fixed(u, "one", "/os-hypervisors/statistics", `{"hypervisor_statistics": {"count": 2}}`)
			two := fixed(u, "two", "/os-hypervisors/statistics", `{"hypervisor_statistics": {"count": 2}}`)
			two.SetFault(fault)
			w := ask(t, u.nova, "GET", "/v2.1/os-hypervisors/statistics", "", "X-Auth-Token: admin")
			if w.Code < 502 || w.Code > 503 || !strings.Contains(w.Body.String(), "two") {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

func TestSum_PodHangs_AnswerInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newTop(t)
		fixed(u, "one", "/limits", limits(1))
		fixed(u, "two", "/limits", limits(2)).SetFault(podtest.Hang)
		wantAnswer(t, ask(t, u.nova, "GET", "/v2.1/limits", ""), http.StatusOK, limits(1), "two")
	})
}

func TestSum_Refusals_AreThePods(t *testing.T) {
	forbidden := podtest.JSON(http.StatusForbidden, `{"forbidden": {"code": 403, "message": "no"}}`)
	bad := podtest.JSON(http.StatusBadRequest, `{"badRequest": {"code": 400, "message": "bad"}}`)
	for name, c := range map[string]struct {
		path     string
		one, two podtest.Handler
		want     int
	}{
		"all the same":                  {"/limits", forbidden, forbidden, 403},
		"400 before 403":                {"/limits", forbidden, bad, 400},
		"one 400":                       {"/limits", nil, bad, 400},
		"one 403, another is enough":    {"/limits", forbidden, nil, 200},
		"one 403, all are needed":       {"/os-hypervisors/statistics", forbidden, nil, 403},
		"one 403 and one down":          {"/limits", forbidden, podtest.Reset, 403},
		"one down before 403 of others": {"/os-hypervisors/statistics", podtest.Reset, nil, 503},
	} {
		t.Run(name, func(t *testing.T) {
			u := newTop(t)
			doc := strings.Replace(limits(1), "}}}", `}}, "hypervisor_statistics": {"count": 1}}`, 1)
			fixed(u, "one", c.path, doc).SetFault(c.one)
			fixed(u, "two", c.path, doc).SetFault(c.two)
			if w := ask(t, u.nova, "GET", "/v2.1"+c.path, ""); w.Code != c.want {
				t.Errorf("%d %s, want %d", w.Code, w.Body, c.want)
			}
		})
	}
}

func TestSum_NoPods_Is503(t *testing.T) {
	u := newTop(t)
	for _, path := range []string{"/limits", "/os-hypervisors/statistics", "/os-simple-tenant-usage"} {
		for _, version := range []string{"2.1", "2.40"} {
			if w := ask(t, u.nova, "GET", "/v2.1"+path, "", "OpenStack-API-Version: compute "+version); w.Code != http.StatusServiceUnavailable {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		}
	}
}

func TestSum_QueryAndPlainQuota_AsTheClientAsks(t *testing.T) {
	u := newTop(t)
	one, two := fixed(u, "one", "/limits", limits(1)), fixed(u, "two", "/limits", limits(2))
	ask(t, u.nova, "GET", "/v2.1/limits?tenant_id=p&reserved=1", "")
	want := []string{"GET /v2.1/limits?tenant_id=p&reserved=1"}
	if a, b := one.Calls(), two.Calls(); !slices.Equal(a, want) || !slices.Equal(b, want) {
		t.Errorf("asked %v and %v", a, b)
	}
	ask(t, u.cinder, "GET", "/v3/os-quota-sets/"+project, "")
	if a, b := one.Calls(), two.Calls(); len(a) != 1 || len(b) != 0 {
		t.Errorf("limits alone are any pod's, asked %v and %v", a, b)
	}
}
