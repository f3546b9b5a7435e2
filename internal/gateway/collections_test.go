package gateway_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tricircle/tricircle/internal/pod/podtest"
	"github.com/tricircle/tricircle/internal/store"
)

// cinderPod shows the collections that Cinder has few of. Rows are in the pod's own order; what is asked for by id is there if a
// collection has it.
type cinderPod struct {
	podtest.Pod
	rows map[string][]string // JSON by member
}

func (p *cinderPod) serve(req *http.Request) (*http.Response, error) {
	collection, id, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/"+project+"/"), "/")
	member := collection
	if strings.HasSuffix(collection, "transfer") || strings.HasSuffix(collection, "transfers") {
		member = "transfers"
	}
	rows := p.rows[member]
	if id != "" && id != "detail" {
		if at := indexOf(rows, id); at >= 0 {
			return podtest.JSON(200, fmt.Sprintf(`{%q: %s}`, strings.TrimSuffix(member, "s"), rows[at]))(req)
		}
		return podtest.Status(404)(req)
	}
	query, links := req.URL.Query(), ""
	if marker := query.Get("marker"); marker != "" {
		at := indexOf(rows, marker)
		if at < 0 {
			return podtest.Status(404)(req)
		}
		rows = rows[at+1:]
	}
	if limit, err := strconv.Atoi(query.Get("limit")); err == nil && limit <= len(rows) {
		rows, links = rows[:limit], `, "group_links": []`
	}
	return podtest.JSON(200, fmt.Sprintf(`{%q: [%s]%s}`, member, strings.Join(rows, ", "), links))(req)
}

func indexOf(rows []string, id string) int {
	return slices.IndexFunc(rows, func(r string) bool { return strings.Contains(r, `"id": "`+id+`"`) })
}

// cinderFleet registers pods with rows of one collection each.
func cinderFleet(t *testing.T, member string, contents ...[]string) (*top, []*cinderPod) {
	u := newTop(t)
	var pods []*cinderPod
	for i, rows := range contents {
		p := &cinderPod{Pod: podtest.Pod{Region: "pod" + strconv.Itoa(i+1)}, rows: map[string][]string{member: rows}}
		p.Volume = p.serve
		u.Register(&p.Pod)
		pods = append(pods, p)
	}
	return u, pods
}

// aged are rows whose numbers are their ages.
func aged(ns ...int) (rows []string) {
	for _, n := range ns {
		rows = append(rows, fmt.Sprintf(`{"id": %q, "name": "%d", "created_at": "2026-01-01T00:%02d:00.000000"}`, sid(n), n, 59-n))
	}
	return rows
}

// bare are rows that do not say how old they are.
func bare(ns ...int) (rows []string) {
	for _, n := range ns {
		rows = append(rows, fmt.Sprintf(`{"id": %q, "status": "reserved", "volume_id": %q}`, sid(n), sid(900+n)))
	}
	return rows
}

// listed asks for a list and returns the numbers of its rows, and the href of its next link.
func listed(t *testing.T, u *top, target, version string) (ns []int, next string) {
	t.Helper()
	w := ask(t, u.cinder, "GET", target, "", "OpenStack-API-Version: volume "+version)
	var doc map[string][]struct{ ID, Href string }
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil || w.Code != 200 {
		t.Fatalf("%s: %d %s", target, w.Code, w.Body)
	}
	for member, rows := range doc {
		if strings.HasSuffix(member, "_links") {
			next = member + " " + rows[0].Href
			continue
		}
		for _, r := range rows {
			n, _ := strconv.Atoi(r.ID[len(r.ID)-4:])
			ns = append(ns, n)
		}
	}
	return ns, next
}

// asked are the lists that pods were asked for since the last time.
func asked(pods []*cinderPod) (all []string) {
	for _, p := range pods {
		for _, c := range p.Calls() {
			all = append(all, p.Region+strings.TrimPrefix(c, "GET /v3/"+project))
		}
	}
	slices.Sort(all)
	return all
}

func TestCollections_OrderAndLinks_AreCinders(t *testing.T) {
	for _, c := range []struct {
		target, member, version string
		pods                    [2][]string
		want                    []int
		next                    string // up to the cursor
	}{
		{"/groups", "groups", "3.13", [2][]string{aged(1, 4), aged(2, 3)}, []int{1, 2, 3, 4}, ""},
		{"/groups/detail?limit=3", "groups", "3.70", [2][]string{aged(1, 4), aged(2, 3)}, []int{1, 2, 3},
			"group_links https://top/v3/" + project + "/groups/detail?limit=3&marker=" + sid(3)},
		{"/group_snapshots?limit=2", "group_snapshots", "3.29", [2][]string{aged(1, 4), aged(2, 3)}, []int{1, 2},
			"group_snapshot_links https://top/v3/" + project + "/group_snapshots?limit=2&marker=" + sid(2)},
		{"/group_snapshots", "group_snapshots", "3.28", [2][]string{aged(1, 4), aged(2, 3)}, []int{1, 2, 3, 4}, ""},
		{"/consistencygroups?limit=1", "consistencygroups", "3.0", [2][]string{aged(2), aged(1)}, []int{1},
			"consistencygroup_links https://top/v3/" + project + "/consistencygroups?limit=1&marker=" + sid(1)},
		{"/cgsnapshots?limit=2&offset=1", "cgsnapshots", "3.0", [2][]string{aged(1, 4), aged(2, 3)}, []int{2, 3}, ""},
		{"/messages", "messages", "3.4", [2][]string{aged(1, 4), aged(2, 3)}, []int{1, 2, 3, 4}, ""},
		{"/messages?limit=2", "messages", "3.5", [2][]string{aged(1, 4), aged(2, 3)}, []int{1, 2},
			"messages_links https://top/v3/" + project + "/messages?limit=2&marker=" + sid(2)},
		{"/os-volume-transfer", "transfers", "3.70", [2][]string{aged(4, 1), aged(3, 2)}, []int{4, 3, 2, 1}, ""},
		{"/volume-transfers/detail", "transfers", "3.58", [2][]string{aged(4, 1), aged(3, 2)}, []int{4, 3, 2, 1}, ""},
		{"/volume-transfers?limit=3", "transfers", "3.59", [2][]string{aged(1, 4), aged(2, 3)}, []int{1, 2, 3},
			"transfers_links https://top/v3/" + project + "/volume-transfers?limit=3&marker=" + sid(3)},
		{"/attachments", "attachments", "3.70", [2][]string{bare(3, 1), bare(4, 2)}, []int{3, 1, 4, 2}, ""},
		{"/attachments?limit=3", "attachments", "3.70", [2][]string{bare(3, 1), bare(4, 2)}, []int{3, 1, 4}, ""},
		{"/attachments/detail?sort=id:asc", "attachments", "3.70", [2][]string{bare(1, 3), bare(2, 4)}, []int{1, 2, 3, 4}, ""},
	} {
		u, _ := cinderFleet(t, c.member, c.pods[:]...)
		got, next := listed(t, u, "/v3/"+project+c.target, c.version)
		next, _, _ = strings.Cut(next, "&tricircle_cursor=")
		if !slices.Equal(got, c.want) || next != c.next {
			t.Errorf("%s at %s: %v and %q, want %v and %q", c.target, c.version, got, next, c.want, c.next)
		}
	}
}

func TestCollections_WithoutPaging_GoToPodsAsTheyAre(t *testing.T) {
	u, pods := cinderFleet(t, "transfers", aged(2), aged(1))
	listed(t, u, "/v3/"+project+"/os-volume-transfer?name=x&limit=1", "3.70")
	want := []string{"pod1/os-volume-transfer/detail?limit=1&name=x", "pod2/os-volume-transfer/detail?limit=1&name=x"}
	if diff := gocmp.Diff(want, asked(pods)); diff != "" {
		t.Error(diff)
	}
}

func TestCollections_SparsePages_AreAskedForWhole(t *testing.T) {
	u, pods := cinderFleet(t, "groups", aged(2), aged(1))
	listed(t, u, "/v3/"+project+"/groups?limit=500", "3.70")
	want := []string{"pod1/groups/detail?limit=500", "pod2/groups/detail?limit=500"}
	if diff := gocmp.Diff(want, asked(pods)); diff != "" {
		t.Error(diff)
	}
}

func TestCollections_Summary_HasItsMembers(t *testing.T) {
	u, _ := cinderFleet(t, "groups", aged(1))
	w := ask(t, u.cinder, "GET", "/v3/"+project+"/groups", "", "OpenStack-API-Version: volume 3.70")
	if want := `{"groups": [{"id": "` + sid(1) + `", "name": "1"}]}`; w.Body.String() != want {
		t.Errorf("got %s, want %s", w.Body, want)
	}
}

// A bare marker is all that clients have for attachments, which have no next link.
func TestCollections_PodAfterPod_ABareMarkerGoesOnInItsPod(t *testing.T) {
	u, pods := cinderFleet(t, "attachments", bare(3, 1), bare(6, 2, 5), bare(4))
	var all []int
	for marker := ""; ; marker = "&marker=" + sid(all[len(all)-1]) {
		got, _ := listed(t, u, "/v3/"+project+"/attachments?limit=2"+marker, "3.70")
		if all = append(all, got...); len(got) < 2 {
			break
		}
	}
	if want := []int{3, 1, 6, 2, 5, 4}; !slices.Equal(all, want) {
		t.Errorf("got %v, want %v", all, want)
	}
	asked(pods)
	listed(t, u, "/v3/"+project+"/attachments?limit=2&marker="+sid(2), "3.70")
	for _, call := range asked(pods) {
		if strings.HasPrefix(call, "pod1/") {
			t.Errorf("a pod that is done was asked: %s", call)
		}
	}
}

func TestCollections_ForeignMarker_IsLookedUpWhereItIsShown(t *testing.T) {
	for target, c := range map[string]struct{ member, version string }{
		"/volume-transfers": {"transfers", "3.70"}, "/messages": {"messages", "3.70"}, "/group_snapshots": {"group_snapshots", "3.70"},
		"/consistencygroups": {"consistencygroups", "3.0"},
	} {
		u, pods := cinderFleet(t, c.member, aged(1, 3), aged(2, 4))
		pods[0].rows["cgsnapshots"], pods[1].rows["cgsnapshots"] = aged(1, 3), aged(2, 4) // where group snapshots are discovered
		if got, _ := listed(t, u, "/v3/"+project+target+"?marker="+sid(2), c.version); !slices.Equal(got, []int{3, 4}) {
			t.Errorf("%s: %v", target, got)
		}
		w := ask(t, u.cinder, "GET", "/v3/"+project+target+"?marker="+sid(9), "", "OpenStack-API-Version: volume "+c.version)
		if got := refusal(w); !strings.HasPrefix(got, "404 ") || !strings.Contains(got, sid(9)+" could not be found.") {
			t.Errorf("%s: %s", target, got)
		}
	}
}

func TestCollections_FilterByWhatIsInAPod_AsksThatPodAlone(t *testing.T) {
	for _, c := range []struct {
		target, member string
		typ            store.ResourceType
	}{
		{"/attachments?volume_id=", "attachments", store.Volume}, {"/attachments/detail?instance_id=", "attachments", store.Server},
		{"/messages?resource_uuid=", "messages", store.Volume}, {"/group_snapshots?group_id=", "group_snapshots", store.Group},
	} {
		u, pods := cinderFleet(t, c.member, nil, nil)
		num := u.Registry.Snapshot().Serving()[1].Num
		if err := u.routing.Record(t.Context(), store.Routing{Type: c.typ, TopID: sid(7), BottomID: sid(7), PodNum: num}); err != nil {
			t.Fatal(err)
		}
		for id, want := range map[string]int{sid(7): 1, sid(8): 2, "x": 2} {
			listed(t, u, "/v3/"+project+c.target+id, "3.70")
			if got := asked(pods); len(got) != want || want == 1 && !strings.HasPrefix(got[0], "pod2/") {
				t.Errorf("%s%s: asked %v", c.target, id, got)
			}
		}
	}
}

// What is next to something in a pod that must not be called is not known: an empty list would be a lie.
func TestCollections_FilterByWhatIsInADisabledPod_Is503(t *testing.T) {
	u, pods := cinderFleet(t, "attachments", bare(1), bare(2))
	home := u.Registry.Snapshot().Serving()[1]
	if err := u.routing.Record(t.Context(), store.Routing{Type: store.Volume, TopID: sid(7), BottomID: sid(7), PodNum: home.Num}); err != nil {
		t.Fatal(err)
	}
	row := home.Pod
	row.State = store.PodDisabled
	if err := u.Registry.Update(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	w := ask(t, u.cinder, "GET", "/v3/"+project+"/attachments?volume_id="+sid(7), "", "OpenStack-API-Version: volume 3.70")
	if got := refusal(w); !strings.HasPrefix(got, "503 ") || !strings.Contains(got, "pod2") || !strings.Contains(got, "disabled") {
		t.Errorf("got %s", got)
	}
	if got := asked(pods); got != nil {
		t.Errorf("asked %v", got)
	}
}

// A filter pins a list to pods, or translates a zone, only at the microversions at which Cinder applies it to a user's list.
func TestCollections_FilterThatCinderDropsOrRefuses_GoesToAllPods(t *testing.T) {
	for _, c := range []struct {
		target, member, version string
		want                    int
	}{
		{"/volumes?group_id=", "volumes", "3.9", 2}, {"/volumes?group_id=", "volumes", "3.10", 1},
		{"/volumes?availability_zone=az-pod2&x=", "volumes", "3.0", 1}, {"/volumes?availability_zone=az-pod2&x=", "volumes", "3.70", 1},
		{"/snapshots?availability_zone=az-pod2&x=", "snapshots", "3.30", 2}, {"/snapshots?availability_zone=az-pod2&x=", "snapshots", "3.31", 1},
		{"/backups?availability_zone=az-pod2&x=", "backups", "3.0", 2}, {"/backups?availability_zone=az-pod2&x=", "backups", "3.70", 2},
		{"/groups?availability_zone=az-pod2&x=", "groups", "3.30", 1}, {"/groups?availability_zone=az-pod2&x=", "groups", "3.31", 2},
		{"/attachments?availability_zone=az-pod2&x=", "attachments", "3.70", 2},
	} {
		u, pods := cinderFleet(t, c.member, nil, nil)
		num := u.Registry.Snapshot().Serving()[1].Num
		if err := u.routing.Record(t.Context(), store.Routing{Type: store.Group, TopID: sid(7), BottomID: sid(7), PodNum: num}); err != nil {
			t.Fatal(err)
		}
		listed(t, u, "/v3/"+project+c.target+sid(7), c.version)
		if got := asked(pods); len(got) != c.want || c.want == 1 && !strings.HasPrefix(got[0], "pod2/") {
			t.Errorf("%s at %s: asked %v, want %d pods", c.target, c.version, got, c.want)
		}
	}
}
