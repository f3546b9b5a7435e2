//go:build acceptance

package acceptance

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// alternate makes n resources, in turn in each zone, so that their order by creation changes the pod at each step.
func alternate[T any](n int, one func(zone string) T) (all []T) {
	for i := range n {
		all = append(all, one(pods[i%len(pods)].zone))
	}
	return all
}

func TestServerList_OfBothPods_IsOneInOrder(t *testing.T) {
	made := alternate(6, func(zone string) server { return other.boot(t, regionOne, object{"availability_zone": zone}) })
	all := other.servers(t, regionOne, "")
	if !sameIDs(serverIDs(all), serverIDs(made)) {
		t.Fatalf("list %v; want %v", serverIDs(all), serverIDs(made))
	}
	newestFirst := func(a, b server) int {
		return cmp.Or(strings.Compare(b.Created, a.Created), strings.Compare(a.ID, b.ID))
	}
	if !slices.IsSortedFunc(all, newestFirst) {
		t.Errorf("not newest first: %+v", all)
	}
	changes := 0
	for i, s := range all[1:] {
		if s.Zone != all[i].Zone {
			changes++
		}
	}
	if changes < 3 {
		t.Errorf("the pods are listed one after the other: %+v", all)
	}
	want := serverIDs(all)
	t.Run("plain markers", func(t *testing.T) {
		pagesByMarker(t, want, func(query string) []string { return serverIDs(other.servers(t, regionOne, query)) })
	})
	t.Run("links", func(t *testing.T) {
		pagesByLink(t, want, regionOne.compute+"/servers?limit=2", "servers")
	})
	t.Run("links of sorted details", func(t *testing.T) {
		byName := slices.Clone(all)
		slices.SortFunc(byName, func(a, b server) int { return strings.Compare(a.Name, b.Name) })
		pagesByLink(t, serverIDs(byName), regionOne.compute+"/servers/detail?limit=2&sort_key=display_name&sort_dir=asc", "servers")
	})
	t.Run("limit above all", func(t *testing.T) {
		a := other.nova(t, regionOne, "GET", "/servers?limit=100", nil).want(t, http.StatusOK)
		if strings.Contains(string(a.body), "servers_links") {
			t.Errorf("a link after the last page: %s", a)
		}
	})
	t.Run("limit 0", func(t *testing.T) {
		if got := other.servers(t, regionOne, "?limit=0"); len(got) != 0 {
			t.Errorf("got %v", serverIDs(got))
		}
	})
	t.Run("by zone", func(t *testing.T) { // for users from 2.83
		a := other.nova(t, regionOne, "GET", "/servers/detail?availability_zone=az2", nil, "OpenStack-API-Version", "compute 2.83")
		got := member[[]server](t, a.want(t, http.StatusOK), "servers")
		if len(got) != 3 || slices.ContainsFunc(got, func(s server) bool { return s.Zone != "az2" }) {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("of another project", func(t *testing.T) {
		if got := demo.servers(t, regionOne, ""); slices.ContainsFunc(want, func(id string) bool { return hasAll(got, id) }) {
			t.Errorf("demo sees %v", serverIDs(got))
		}
	})
	t.Run("the client's limit", func(t *testing.T) {
		var got []string
		for _, r := range topAdmin.list(t, "server", "list", "--project", other.projectID, "--limit", "4") {
			got = append(got, r["ID"].(string))
		}
		if !slices.Equal(got, want[:4]) {
			t.Errorf("got %v; want %v", got, want[:4])
		}
	})
}

func sameIDs(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// pagesByMarker goes from page to page as clients without links do: by the id of the last row.
func pagesByMarker(t *testing.T, want []string, page func(query string) []string) {
	t.Helper()
	var got []string
	for marker := ""; len(got) <= len(want); marker = got[len(got)-1] {
		query := url.Values{"limit": {"2"}}
		if marker != "" {
			query.Set("marker", marker)
		}
		ids := page("?" + query.Encode())
		got = append(got, ids...)
		if len(ids) == 0 {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("visited %v; want %v", got, want)
	}
}

// pagesByLink goes from page to page by the links in the answers.
func pagesByLink(t *testing.T, want []string, first, collection string) {
	t.Helper()
	var got []string
	for next := first; next != "" && len(got) <= len(want); {
		a := other.call(t, "GET", next, nil).want(t, http.StatusOK)
		for _, s := range member[[]server](t, a, collection) {
			got = append(got, s.ID)
		}
		var doc map[string]json.RawMessage
		var links []link
		if err := json.Unmarshal(a.body, &doc); err != nil {
			t.Fatal(err)
		}
		if raw, ok := doc[collection+"_links"]; ok && json.Unmarshal(raw, &links) != nil {
			t.Fatalf("%s", a)
		}
		next = ""
		for _, l := range links {
			if l.Rel == "next" {
				next = l.Href
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("visited %v; want %v", got, want)
	}
}

func TestVolumeList_OfBothPods_IsOneInOrder(t *testing.T) {
	made := alternate(5, func(zone string) volume { return other.create(t, regionOne, object{"availability_zone": zone}) })
	list := func(query string, headers ...string) (*answer, []string) {
		a := other.cinder(t, regionOne, "GET", "/volumes/detail"+query, nil, headers...).want(t, http.StatusOK)
		var ids []string
		for _, v := range member[[]volume](t, a, "volumes") {
			ids = append(ids, v.ID)
		}
		return a, ids
	}
	sorted := func(order func(a, b volume) int) (ids []string) {
		for _, v := range slices.SortedFunc(slices.Values(made), order) {
			ids = append(ids, v.ID)
		}
		return ids
	}
	_, newest := list("")
	if want := sorted(func(a, b volume) int {
		return cmp.Or(strings.Compare(b.CreatedAt, a.CreatedAt), strings.Compare(b.ID, a.ID))
	}); !slices.Equal(newest, want) {
		t.Errorf("got %v; want newest first: %v", newest, want)
	}
	byName := sorted(func(a, b volume) int { return strings.Compare(a.Name, b.Name) })
	if _, got := list("?sort=name:asc,created_at"); !slices.Equal(got, byName) {
		t.Errorf("got %v; want by name: %v", got, byName)
	}
	t.Run("plain markers", func(t *testing.T) {
		pagesByMarker(t, newest, func(query string) []string { _, ids := list(query); return ids })
	})
	t.Run("links", func(t *testing.T) {
		pagesByLink(t, newest, regionOne.volume+"/"+other.projectID+"/volumes?limit=2", "volumes")
	})
	t.Run("offset", func(t *testing.T) {
		if _, got := list("?limit=2&offset=2"); !slices.Equal(got, newest[2:4]) {
			t.Errorf("got %v; want %v", got, newest[2:4])
		}
	})
	t.Run("count", func(t *testing.T) {
		a, got := list("?limit=2&with_count=True", "OpenStack-API-Version", "volume 3.45")
		if n := member[int](t, a, "count"); n != len(made) || len(got) != 2 {
			t.Errorf("count %d of %d, %d listed", n, len(made), len(got))
		}
	})
}
