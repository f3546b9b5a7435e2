package api

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestList_AnyQuery_PagesHaveWhatTheWholeListHas walks lists by their links, forth or back, and compares with the list in one piece.
func TestList_AnyQuery_PagesHaveWhatTheWholeListHas(t *testing.T) {
	f := newFixture(t)
	for i := range 23 {
		f.network("demo", fmt.Sprintf(`{"name": "n%d", "mtu": %d, "admin_state_up": %v}`, i%5, 1000+i%3, i%2 == 0))
	}
	rapid.Check(t, func(t *rapid.T) {
		query := url.Values{"fields": {"id"}}
		for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"name", "mtu", "admin_state_up", "id"}), 0, 3,
			rapid.ID[string]).Draw(t, "sort") {
			query.Add("sort_key", key)
			query.Add("sort_dir", rapid.SampledFrom([]string{"asc", "desc"}).Draw(t, "dir"))
		}
		for _, name := range rapid.SliceOfN(rapid.SampledFrom([]string{"n0", "n1", "n2", "nix"}), 0, 2).Draw(t, "names") {
			query.Add("name", name)
		}
		if rapid.Bool().Draw(t, "up") {
			query.Set("admin_state_up", "true")
		}
		whole, _ := f.page(t, "/v2.0/networks?"+query.Encode(), "")
		query.Set("limit", fmt.Sprint(rapid.IntRange(1, 24).Draw(t, "limit")))
		rel := rapid.SampledFrom([]string{"next", "previous"}).Draw(t, "rel")
		if rel == "previous" {
			query.Set("page_reverse", "True")
		}
		var all []string
		for target := "/v2.0/networks?" + query.Encode(); target != ""; {
			var ids []string
			ids, target = f.page(t, target, rel)
			if rel == "next" {
				all = append(all, ids...)
			} else {
				all = append(slices.Clone(ids), all...)
			}
		}
		if !slices.Equal(all, whole) {
			t.Fatalf("%s: pages have\n%v\nthe whole\n%v", query.Encode(), all, whole)
		}
	})
}

// page gets a page and the link of a relation, "" if there is none.
func (f *fixture) page(t *rapid.T, target, rel string) (ids []string, link string) {
	t.Helper()
	w := f.call("demo", "GET", target, "")
	var body struct {
		Networks []struct{ ID string }
		Links    []struct{ Rel, Href string } `json:"networks_links"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != 200 {
		t.Fatalf("%s: %d %s", target, w.Code, w.Body)
	}
	for _, n := range body.Networks {
		ids = append(ids, n.ID)
	}
	for _, l := range body.Links {
		if l.Rel == rel {
			link = strings.TrimPrefix(l.Href, "http://top:9696")
		}
	}
	return ids, link
}
