package gateway_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/pod/podtest"
	"github.com/tricircle/tricircle/internal/store"
)

// ran is a server that used one hour, by project and id, which is the order of Nova's pages.
type ran struct{ project, id string }

// usagePod pages servers as Nova does, from 2.40 on.
func usagePod(region string, maxLimit int, servers []ran) *podtest.Pod {
	return &podtest.Pod{Region: region, Compute: func(req *http.Request) (*http.Response, error) {
		q, rest := req.URL.Query(), servers
		if marker := q.Get("marker"); marker != "" {
			i := slices.IndexFunc(servers, func(s ran) bool { return s.id == marker })
			if i < 0 {
				return podtest.JSON(http.StatusBadRequest, `{"badRequest": {"code": 400, "message": "Marker could not be found."}}`)(req)
			}
			rest = servers[i+1:]
		}
		limit := maxLimit
		if n, err := strconv.Atoi(q.Get("limit")); err == nil {
			limit = min(n, maxLimit)
		}
		rest = rest[:min(limit, len(rest))]
		var rows []string
		for i := 0; i < len(rest); {
			n := 0
			var shown []string
			for first := i; i < len(rest) && rest[i].project == rest[first].project; i++ {
				n++
				shown = append(shown, fmt.Sprintf(`{"hours": 1.0, "instance_id": %q}`, rest[i].id))
			}
			detail := ""
			if q.Get("detailed") == "1" {
				detail = `"server_usages": [` + strings.Join(shown, ", ") + `], `
			}
			rows = append(rows, fmt.Sprintf(`{"tenant_id": %q, %s"total_hours": %d.5, "stop": %q}`, rest[i-1].project, detail, n, q.Get("end")))
		}
		links := ""
		if len(rest) > 0 && len(rest) == limit {
			links = `, "tenant_usages_links": [{"rel": "next", "href": "http://pod/"}]`
		}
		return podtest.JSON(http.StatusOK, `{"tenant_usages": [`+strings.Join(rows, ", ")+`]`+links+`}`)(req)
	}}
}

var midnight = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

func newUsageTop(t testing.TB) *top {
	return newTop(t, func(o *gateway.Options) { o.Now = func() time.Time { return midnight } })
}

const paged = "OpenStack-API-Version: compute 2.40"

func TestUsage_OfTwoPods_AddedByProjectWithOneClock(t *testing.T) {
	for version, header := range map[string]string{"in pages": paged, "at once": "OpenStack-API-Version: compute 2.39"} {
		t.Run(version, func(t *testing.T) {
			u := newUsageTop(t)
			one, two := usagePod("one", 1000, []ran{{"a", "1"}, {"b", "2"}}), usagePod("two", 1000, []ran{{"a", "3"}, {"a", "4"}})
			u.Register(one)
			u.Register(two)
			w := ask(t, u.nova, "GET", "/v2.1/os-simple-tenant-usage?start=2026-11-01T00:00:00&end=2027-01-01T00:00:00", "", header)
			stop := `"stop": "2026-11-22T00:00:00.000000"`
			wantAnswer(t, w, http.StatusOK, `{"tenant_usages": [{"tenant_id": "b", "total_hours": 1.5, `+stop+`}, `+
				`{"tenant_id": "a", "total_hours": 4.0, `+stop+`}]}`, "")
			two.SetFault(podtest.Reset)
			w = ask(t, u.nova, "GET", "/v2.1/os-simple-tenant-usage", "", header)
			if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "two") {
				t.Errorf("with a pod down: %d %s", w.Code, w.Body)
			}
		})
	}
}

func TestUsage_Window_IsTheSameForAllPods(t *testing.T) {
	for query, want := range map[string]string{
		"":                            "start=2026-11-22T00:00:00.000000&end=2026-11-22T00:00:00.000001",
		"start=2026-11-01 00:00:00.5": "start=2026-11-01 00:00:00.5&end=2026-11-22T00:00:00.000000",
		"start=2026-11-01T00:00:00&end=2026-11-02":          "start=2026-11-01T00:00:00&end=2026-11-02",
		"start=2027-01-01T00:00:00&end=2027-01-02T00:00:00": "start=2027-01-01T00:00:00&end=2027-01-02T00:00:00.000000",
		"start=2026-11-01T00:00:00&end=2026-11-02T00:00:00": "start=2026-11-01T00:00:00&end=2026-11-02T00:00:00.000000",
	} {
		u := newUsageTop(t)
		p := usagePod("one", 1000, nil)
		u.Register(p)
		ask(t, u.nova, "GET", "/v2.1/os-simple-tenant-usage?"+strings.ReplaceAll(query, " ", "%20"), "")
		wanted, err := url.ParseQuery(want)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Calls(); len(got) != 1 || got[0] != "GET /v2.1/os-simple-tenant-usage?"+wanted.Encode() {
			t.Errorf("%s: the pod was asked %v", query, got)
		}
	}
}

// usageBody is a decoded answer.
type usageBody struct {
	Usages []struct {
		Project string `json:"tenant_id"`
		Servers []struct {
			ID string `json:"instance_id"`
		} `json:"server_usages"`
	} `json:"tenant_usages"`
	Links []link `json:"tenant_usages_links"`
}

func (b usageBody) ids() (ids []string) {
	for _, u := range b.Usages {
		for _, s := range u.Servers {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

// TestUsage_Pages_VisitAllServersOnce pages through random pods by the marker that clients make, and by links: nothing is lost and
// nothing comes twice, which would be billed twice.
func TestUsage_Pages_VisitAllServersOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		u := newUsageTop(t)
		var all []string
		for i := range rapid.IntRange(1, 4).Draw(rt, "pods") {
			var servers []ran
			for n := range rapid.IntRange(0, 7).Draw(rt, "servers") {
				id := fmt.Sprintf("00000000-0000-4000-8000-%06d%06d", i, n)
				servers = append(servers, ran{"p" + strconv.Itoa(n/3), id})
				all = append(all, id)
			}
			known := u.Register(usagePod("r"+strconv.Itoa(i), rapid.IntRange(2, 9).Draw(rt, "max"), servers))
			if len(servers) > 0 && rapid.Bool().Draw(rt, "routed") {
				row := store.Routing{Type: store.Server, TopID: servers[0].id, BottomID: servers[0].id, PodNum: known.Num, ProjectID: "p0"}
				if err := u.routing.Record(t.Context(), row); err != nil {
					rt.Fatal(err)
				}
			}
		}
		limit := rapid.IntRange(1, 12).Draw(rt, "limit")
		byLink := rapid.Bool().Draw(rt, "by link")
		base := "/v2.1/os-simple-tenant-usage?detailed=1&limit=" + strconv.Itoa(limit)
		var seen []string
		for target, pages := base, 0; target != ""; pages++ {
			w := ask(t, u.nova, "GET", target, "", paged)
			var b usageBody
			if err := json.Unmarshal(w.Body.Bytes(), &b); err != nil || w.Code != http.StatusOK || pages > 40 {
				rt.Fatalf("page %d, %s: %d %s", pages, target, w.Code, w.Body)
			}
			ids := b.ids()
			if len(ids) > limit {
				rt.Fatalf("%d servers on a page of %d", len(ids), limit)
			}
			seen = append(seen, ids...)
			switch {
			case byLink && len(b.Links) > 0:
				target = strings.TrimPrefix(b.Links[0].Href, public)
			case byLink || len(ids) == 0:
				target = ""
			default:
				target = base + "&marker=" + ids[len(ids)-1]
			}
		}
		slices.Sort(seen)
		if !slices.Equal(seen, all) {
			rt.Fatalf("seen %v\nwant %v", seen, all)
		}
	})
}

func TestUsage_MarkerOfNobody_IsThePodsRefusal(t *testing.T) {
	u := newUsageTop(t)
	u.Register(usagePod("one", 1000, nil))
	u.Register(usagePod("two", 1000, nil))
	w := ask(t, u.nova, "GET", "/v2.1/os-simple-tenant-usage?marker=x", "", paged)
	wantAnswer(t, w, http.StatusBadRequest, `{"badRequest": {"code": 400, "message": "Marker could not be found."}}`, "")
}

func TestUsage_OfOneProject_NothingOrTheSum(t *testing.T) {
	u := newUsageTop(t)
	usageOf := func(h string) podtest.Handler { return podtest.JSON(http.StatusOK, `{"tenant_usage": `+h+`}`) }
	one, two := &podtest.Pod{Region: "one", Compute: usageOf(`{}`)}, &podtest.Pod{Region: "two", Compute: usageOf(`{}`)}
	u.Register(one)
	u.Register(two)
	get := func() *httptest.ResponseRecorder {
		return ask(t, u.nova, "GET", "/v2.1/os-simple-tenant-usage/p", "", paged)
	}
	wantAnswer(t, get(), http.StatusOK, `{"tenant_usage": {}}`, "")
	row := `{"tenant_id": "p", "server_usages": [{"instance_id": "%s"}], "total_hours": 1e-07}`
	two.Compute = usageOf(fmt.Sprintf(row, "b"))
	wantAnswer(t, get(), http.StatusOK, `{"tenant_usage": `+fmt.Sprintf(row, "b")+`}`, "")
	one.Compute = usageOf(fmt.Sprintf(row, "a"))
	wantAnswer(t, get(), http.StatusOK,
		`{"tenant_usage": {"tenant_id": "p", "server_usages": [{"instance_id": "a"}, {"instance_id": "b"}], "total_hours": 2e-07}}`, "")
	two.Compute = usageOf(`[]`)
	if w := get(); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "two") {
		t.Errorf("nonsense: %d %s", w.Code, w.Body)
	}
}
