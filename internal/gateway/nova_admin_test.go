package gateway_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tricircle/tricircle/internal/pod/podtest"
)

// adminRow is a hypervisor or a migration of a pod.
type adminRow struct {
	ID      any    `json:"id"`
	UUID    string `json:"uuid"`
	Created string `json:"created_at"`
}

// pagedAdmin lists rows in their order, with limit and marker, as Nova does hypervisors and migrations. id names a row for markers.
func pagedAdmin(member string, id func(adminRow) string, rows ...adminRow) podtest.Handler {
	return func(req *http.Request) (*http.Response, error) {
		q, page := req.URL.Query(), rows
		if marker := q.Get("marker"); marker != "" {
			i := slices.IndexFunc(rows, func(r adminRow) bool { return id(r) == marker })
			if i < 0 {
				return podtest.JSON(400, `{"badRequest": {"code": 400, "message": "no such marker"}}`)(req)
			}
			page = rows[i+1:]
		}
		if one, ok := strings.CutPrefix(req.URL.Path, "/os-hypervisors/"); ok && one != "detail" {
			if i := slices.IndexFunc(rows, func(r adminRow) bool { return r.ID == one }); i >= 0 {
				return podtest.JSON(200, `{"hypervisor": {"id": "`+one+`"}}`)(req)
			}
			return podtest.Status(404)(req)
		}
		if limit, err := strconv.Atoi(q.Get("limit")); err == nil && limit < len(page) {
			page = page[:limit]
		}
		doc, err := json.Marshal(map[string]any{member: page})
		if err != nil {
			return nil, err
		}
		return podtest.JSON(200, string(doc))(req)
	}
}

// walk reads a list two rows at a time, by links or by bare markers, and returns what name says of the rows.
func walk(t *testing.T, u *top, path, member string, byLinks bool, name func(map[string]any) string) (names []string) {
	t.Helper()
	for target := "/v2.1" + path + "?limit=2"; target != "" && len(names) < 20; {
		w := ask(t, u.nova, "GET", target, "", "X-Auth-Token: admin", "OpenStack-API-Version: compute 2.90")
		var doc map[string][]map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil || w.Code != 200 {
			t.Fatalf("GET %s: %s", target, refusal(w))
		}
		target = ""
		for _, row := range doc[member] {
			names = append(names, name(row))
			if !byLinks {
				target = fmt.Sprintf("/v2.1%s?limit=2&marker=%s", path, cmp.Or(text(row["uuid"]), text(row["id"])))
			}
		}
		if links := doc[member+"_links"]; byLinks && len(links) > 0 {
			target = strings.TrimPrefix(text(links[0]["href"]), public)
		}
	}
	return names
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func TestHypervisors_PageByPage_PodAfterPod(t *testing.T) {
	id := func(r adminRow) string { return r.ID.(string) }
	u := newTop(t)
	u.Register(&podtest.Pod{Region: "east", Compute: pagedAdmin("hypervisors", id, adminRow{ID: sid(5)}, adminRow{ID: sid(3)}, adminRow{ID: sid(4)})})
	u.Register(&podtest.Pod{Region: "west", Compute: pagedAdmin("hypervisors", id, adminRow{ID: sid(2)}, adminRow{ID: sid(1)})})
	want := []string{sid(5), sid(3), sid(4), sid(2), sid(1)}
	for _, byLinks := range []bool{true, false} {
		got := walk(t, u, "/os-hypervisors", "hypervisors", byLinks, func(row map[string]any) string { return text(row["id"]) })
		if !slices.Equal(got, want) {
			t.Errorf("by links %t: got %q", byLinks, got)
		}
	}
}

func TestHypervisors_SearchByName_HasNoPages(t *testing.T) {
	const path = "/os-hypervisors/detail"
	a := newAdminPods(t, map[string]string{"west " + path: `{"hypervisors": [{"id": "` + sid(1) + `", "hypervisor_hostname": "h"}]}`})
	got, asked := a.call(t, "GET", path+"?hypervisor_hostname_pattern=h", "", "OpenStack-API-Version: compute 2.53")
	if !strings.Contains(got, `"h.west"`) || strings.Contains(got, "links") || len(asked) != 2 || strings.Contains(asked[0], "limit") {
		t.Errorf("got %s, asked %q", got, asked)
	}
	if _, asked := a.call(t, "GET", path+"?hypervisor_hostname_pattern=h.west", "", "OpenStack-API-Version: compute 2.53"); len(asked) != 1 {
		t.Errorf("with a pod: asked %q", asked)
	}
	got, asked = a.call(t, "GET", path+"?hypervisor_hostname_pattern=h&limit=1", "", "OpenStack-API-Version: compute 2.53")
	if len(asked) != 0 || !strings.HasPrefix(got, "400 Paging over hypervisors with the hypervisor_hostname_pattern") {
		t.Errorf("with a limit: got %s, asked %q", got, asked)
	}
}

func TestMigrations_PageByPage_NewestFirst(t *testing.T) {
	id := func(r adminRow) string { return r.UUID }
	at := func(second int) string { return fmt.Sprintf("2026-11-22T06:00:%02d.000000", second) }
	u := newTop(t)
	u.Register(&podtest.Pod{Region: "east", Compute: pagedAdmin("migrations", id,
		adminRow{4, sid(14), at(40)}, adminRow{3, sid(13), at(20)}, adminRow{2, sid(15), at(20)}, adminRow{1, sid(11), at(10)})})
	u.Register(&podtest.Pod{Region: "west", Compute: pagedAdmin("migrations", id,
		adminRow{3, sid(23), at(30)}, adminRow{2, sid(22), at(20)}, adminRow{1, sid(21), at(20)})})
	want := []string{"east4", "west3", "east3", "east2", "west2", "west1", "east1"}
	for _, byLinks := range []bool{true, false} {
		got := walk(t, u, "/os-migrations", "migrations", byLinks, func(row map[string]any) string {
			n := int64(row["id"].(float64))
			return fmt.Sprintf("%s%d", map[int64]string{1: "east", 2: "west"}[n>>32], n&0xffff)
		})
		if !slices.Equal(got, want) {
			t.Errorf("by links %t: got %q", byLinks, got)
		}
	}
	w := ask(t, u.nova, "GET", "/v2.1/os-migrations?marker="+sid(99), "", "X-Auth-Token: admin", "OpenStack-API-Version: compute 2.59")
	if got := refusal(w); got != "400 marker ["+sid(99)+"] not found" {
		t.Errorf("a marker nobody has: %s", got)
	}
}
