package storetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tricircle/tricircle/internal/store"
)

// byStore are the fields that a store fills in.
var byStore = cmpopts.IgnoreFields(store.Routing{}, "ID", "UpdatedAt")

func list(t testing.TB, s store.Store, f store.RoutingFilter) []store.Routing {
	t.Helper()
	rows, err := s.ListRoutings(t.Context(), f)
	check(t, err)
	return rows
}

func lookup(t testing.TB, s store.Store, rt store.ResourceType, topID string) []store.Routing {
	t.Helper()
	rows, err := s.LookupRouting(t.Context(), rt, topID)
	check(t, err)
	slices.SortFunc(rows, func(a, b store.Routing) int { return int(a.PodNum - b.PodNum) })
	return rows
}

func put(t testing.TB, s store.Store, rows ...store.Routing) {
	t.Helper()
	check(t, s.PutRoutings(t.Context(), rows))
}

func testLookup(t *testing.T, s store.Store) {
	server := store.Routing{Type: store.Server, TopID: id(1), BottomID: id(1), PodNum: 7, ProjectID: "p", CreatedAt: at(1)}
	inPod7 := store.Routing{Type: store.Network, TopID: id(1), BottomID: id(100), PodNum: 7, ProjectID: "p"}
	inPod8 := store.Routing{Type: store.Network, TopID: id(1), BottomID: id(101), PodNum: 8, ProjectID: "q"}
	put(t, s, server, inPod7, inPod8)

	t.Run("OneRowPerPodOfThatType", func(t *testing.T) {
		equal(t, "server", lookup(t, s, store.Server, id(1)), []store.Routing{server}, byStore)
		equal(t, "network", lookup(t, s, store.Network, id(1)), []store.Routing{inPod7, inPod8}, byStore)
	})
	t.Run("Unknown_HasNoRows", func(t *testing.T) {
		for _, topID := range []string{id(2), id(100), "", "flavor-1", "00000001-0000-4000-8000-00000000ABCD"} {
			if rows := lookup(t, s, store.Server, topID); len(rows) != 0 {
				t.Errorf("LookupRouting(%q) = %v", topID, rows)
			}
		}
	})
	t.Run("Get_ReturnsTheRow", func(t *testing.T) {
		for _, row := range list(t, s, store.RoutingFilter{}) {
			got, err := s.GetRouting(t.Context(), row.ID)
			check(t, err)
			equal(t, "GetRouting", got, row)
		}
		if _, err := s.GetRouting(t.Context(), 1<<40); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("GetRouting of an unknown row: %v, want ErrNotFound", err)
		}
	})
}

func testPut(t *testing.T, s store.Store) {
	for _, part := range []struct {
		name string
		test func(t *testing.T, s store.Store)
	}{
		{"FillsInWhatIsKnown", testPutFillsIn},
		{"SameRowTwiceInOneCall_LaterWins", testPutTwiceInOneCall},
		{"NothingNew_KeepsUpdatedAt", testPutNothingNew},
		{"Times_AreUTCMicroseconds", testPutTimes},
		{"NotUUID_RefusesTheWholeCall", testPutNotUUID},
		{"ManyRows_AllStored", testPutMany},
		{"SameRowsAtOnce_AllSucceed", testPutConcurrently},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, s) })
	}
}

func testPutFillsIn(t *testing.T, s store.Store) {
	bare := store.Routing{Type: store.Port, TopID: id(10), PodNum: 1}
	for _, step := range []struct {
		name      string
		put, want store.Routing
	}{
		{"bare", bare,
			store.Routing{BottomID: id(10)}},
		{"project", store.Routing{ProjectID: "p"},
			store.Routing{BottomID: id(10), ProjectID: "p"}},
		{"creation", store.Routing{CreatedAt: at(1)},
			store.Routing{BottomID: id(10), ProjectID: "p", CreatedAt: at(1)}},
		{"bottom id", store.Routing{BottomID: id(11)},
			store.Routing{BottomID: id(11), ProjectID: "p", CreatedAt: at(1)}},
		{"nothing", store.Routing{},
			store.Routing{BottomID: id(11), ProjectID: "p", CreatedAt: at(1)}},
		{"all anew", store.Routing{BottomID: id(12), ProjectID: "q", CreatedAt: at(2)},
			store.Routing{BottomID: id(12), ProjectID: "q", CreatedAt: at(2)}},
		{"same id", store.Routing{BottomID: id(10)},
			store.Routing{BottomID: id(10), ProjectID: "q", CreatedAt: at(2)}},
	} {
		step.put.Type, step.put.TopID, step.put.PodNum = bare.Type, bare.TopID, bare.PodNum
		step.want.Type, step.want.TopID, step.want.PodNum = bare.Type, bare.TopID, bare.PodNum
		put(t, s, step.put)
		equal(t, "after "+step.name, lookup(t, s, store.Port, id(10)), []store.Routing{step.want}, byStore)
	}
}

func testPutTwiceInOneCall(t *testing.T, s store.Store) {
	row := store.Routing{Type: store.Port, TopID: id(20), PodNum: 1}
	first, second := row, row
	first.BottomID, first.ProjectID = id(21), "p"
	second.BottomID, second.CreatedAt = id(22), at(1)
	put(t, s, first, second, row)
	want := row
	want.BottomID, want.ProjectID, want.CreatedAt = id(22), "p", at(1)
	equal(t, "row", lookup(t, s, store.Port, id(20)), []store.Routing{want}, byStore)
}

func testPutNothingNew(t *testing.T, s store.Store) {
	row := store.Routing{Type: store.Volume, TopID: id(30), BottomID: id(30), PodNum: 1, ProjectID: "p", CreatedAt: at(1)}
	put(t, s, row)
	before := lookup(t, s, store.Volume, id(30))
	put(t, s, row)
	equal(t, "row", lookup(t, s, store.Volume, id(30)), before)

	row.ProjectID = "q"
	put(t, s, row)
	after := lookup(t, s, store.Volume, id(30))
	if after[0].ID != before[0].ID || !after[0].UpdatedAt.After(before[0].UpdatedAt) {
		t.Errorf("after a change: %+v, before: %+v; want the same ID and a later UpdatedAt", after[0], before[0])
	}
}

func testPutTimes(t *testing.T, s store.Store) {
	zone := time.FixedZone("", 2*3600)
	put(t, s, store.Routing{Type: store.Volume, TopID: id(40), PodNum: 1,
		CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 123456789, zone)})
	row := lookup(t, s, store.Volume, id(40))[0]
	if want := time.Date(2026, 1, 2, 1, 4, 5, 123456000, time.UTC); row.CreatedAt != want {
		t.Errorf("CreatedAt = %v, want %v", row.CreatedAt, want)
	}
	if row.UpdatedAt.Location() != time.UTC || row.UpdatedAt.IsZero() || row.UpdatedAt.Nanosecond()%1000 != 0 {
		t.Errorf("UpdatedAt = %v, want a time in UTC and whole microseconds", row.UpdatedAt)
	}
}

func testPutNotUUID(t *testing.T, s store.Store) {
	good := store.Routing{Type: store.Server, TopID: id(50), PodNum: 1}
	for _, bad := range []store.Routing{
		{Type: store.Server, PodNum: 1},
		{Type: store.Server, TopID: "1", PodNum: 1},
		{Type: store.Server, TopID: "0000003300004000800000000000abcd", PodNum: 1},
		{Type: store.Server, TopID: "00000033-0000-4000-8000-00000000ABCD", PodNum: 1},
		{Type: store.Server, TopID: id(51), BottomID: "public", PodNum: 1},
	} {
		if err := s.PutRoutings(t.Context(), []store.Routing{good, bad}); err == nil {
			t.Errorf("PutRoutings(%+v) succeeded", bad)
		}
		if _, err := s.ClaimRouting(t.Context(), bad); err == nil {
			t.Errorf("ClaimRouting(%+v) succeeded", bad)
		}
	}
	if rows := lookup(t, s, store.Server, id(50)); len(rows) != 0 {
		t.Errorf("a refused call stored %v", rows)
	}
}

func testPutMany(t *testing.T, s store.Store) {
	put(t, s) // none is fine too
	const n = 2500
	rows := make([]store.Routing, n)
	for i := range rows {
		rows[i] = store.Routing{Type: store.Snapshot, TopID: id(1000 + i), PodNum: int32(1 + i%2),
			ProjectID: []string{"", "p", "quote'\"\\", "Zürich"}[i%4], CreatedAt: at(i)}
	}
	put(t, s, rows...)
	stored := list(t, s, store.RoutingFilter{Type: store.Snapshot})
	slices.SortFunc(stored, func(a, b store.Routing) int { return a.CreatedAt.Compare(b.CreatedAt) })
	for i := range rows {
		rows[i].BottomID = rows[i].TopID
	}
	equal(t, "rows", stored, rows, byStore)
}

// testPutConcurrently has writers that each know something else about the same new rows: nothing may be lost.
func testPutConcurrently(t *testing.T, s store.Store) {
	const writers, rounds, n = 6, 5, 40
	put(t, s, store.Routing{Type: store.Backup, TopID: id(0), PodNum: 1, ProjectID: "known before"})
	for round := range rounds {
		row := func(j int) store.Routing {
			return store.Routing{Type: store.Backup, TopID: id(1000*(round+1) + j), PodNum: 1}
		}
		errs := concurrently(writers, func(i int) error {
			rows := make([]store.Routing, n)
			for j := range rows {
				rows[j] = row(j)
				switch i % 3 {
				case 0:
					rows[j].BottomID = id(500 + j)
				case 1:
					rows[j].CreatedAt = at(j)
				case 2:
					rows[j].ProjectID = "known before"
				}
			}
			if i%2 == 1 { // the same rows in another order, for those who lock them
				slices.Reverse(rows)
			}
			return s.PutRoutings(t.Context(), rows)
		})
		check(t, errors.Join(errs...))
		for j := range n {
			want := row(j)
			want.BottomID, want.ProjectID, want.CreatedAt = id(500+j), "known before", at(j)
			equal(t, "row", lookup(t, s, store.Backup, want.TopID), []store.Routing{want}, byStore)
		}
	}
}

func testClaim(t *testing.T, s store.Store) {
	ctx := t.Context()
	claim := store.Routing{Type: store.Network, TopID: id(1), BottomID: id(2), PodNum: 1, ProjectID: "p", CreatedAt: at(1)}
	for _, test := range []struct {
		name  string
		claim store.Routing
		want  bool
	}{
		{"first", claim, true},
		{"again", claim, false},
		{"other values", store.Routing{Type: store.Network, TopID: id(1), PodNum: 1, ProjectID: "q"}, false},
		{"other pod", store.Routing{Type: store.Network, TopID: id(1), PodNum: 2}, true},
		{"other type", store.Routing{Type: store.Subnet, TopID: id(1), PodNum: 1}, true},
	} {
		if got, err := s.ClaimRouting(ctx, test.claim); err != nil || got != test.want {
			t.Errorf("%s: ClaimRouting = %v, %v; want %v", test.name, got, err, test.want)
		}
	}
	// A claim that fails changes nothing, and one that knows no bottom id means the same.
	equal(t, "network", lookup(t, s, store.Network, id(1)),
		[]store.Routing{claim, {Type: store.Network, TopID: id(1), BottomID: id(1), PodNum: 2}}, byStore)

	t.Run("ManyAtOnce_ExactlyOneWins", func(t *testing.T) {
		for round := range 5 {
			claims := concurrently(12, func(i int) bool {
				ok, err := s.ClaimRouting(ctx, store.Routing{Type: store.Router, TopID: id(round), BottomID: id(100 + i),
					PodNum: 1, ProjectID: "new " + id(round)})
				if err != nil {
					t.Error(err)
				}
				return ok
			})
			winner := slices.Index(claims, true)
			if winner < 0 || slices.Contains(claims[winner+1:], true) {
				t.Fatalf("claims that succeeded: %v, want exactly one", claims)
			}
			if rows := lookup(t, s, store.Router, id(round)); len(rows) != 1 || rows[0].BottomID != id(100+winner) {
				t.Errorf("rows are %v, want the one of claim %d", rows, winner)
			}
		}
	})
}

func testList(t *testing.T, s store.Store) {
	rows := []store.Routing{
		{Type: store.Server, TopID: id(1), BottomID: id(1), PodNum: 1, ProjectID: "p"},
		{Type: store.Server, TopID: id(2), BottomID: id(2), PodNum: 2, ProjectID: "q"},
		{Type: store.Network, TopID: id(3), BottomID: id(1), PodNum: 1, ProjectID: "p"},
		{Type: store.Network, TopID: id(3), BottomID: id(4), PodNum: 2, ProjectID: "p"},
		{Type: store.Volume, TopID: id(5), BottomID: id(5), PodNum: 3},
	}
	for _, row := range rows { // one by one, so that IDs ascend in this order
		put(t, s, row)
	}
	for _, test := range []struct {
		name   string
		filter store.RoutingFilter
		want   []int // indexes of rows
	}{
		{"all, highest first", store.RoutingFilter{}, []int{4, 3, 2, 1, 0}},
		{"top id", store.RoutingFilter{TopID: id(3)}, []int{3, 2}},
		{"bottom id, own or another's", store.RoutingFilter{BottomID: id(1)}, []int{2, 0}},
		{"bottom id is not top id", store.RoutingFilter{BottomID: id(3)}, nil},
		{"type", store.RoutingFilter{Type: store.Server}, []int{1, 0}},
		{"pod", store.RoutingFilter{PodNum: 2}, []int{3, 1}},
		{"project", store.RoutingFilter{ProjectID: "p"}, []int{3, 2, 0}},
		{"unknown project", store.RoutingFilter{ProjectID: "r"}, nil},
		{"limit", store.RoutingFilter{Limit: 2}, []int{4, 3}},
		{"all at once", store.RoutingFilter{TopID: id(3), BottomID: id(4), Type: store.Network, PodNum: 2, ProjectID: "p",
			Limit: 1}, []int{3}},
		{"contradiction", store.RoutingFilter{TopID: id(1), PodNum: 2}, nil},
		{"top id is no UUID", store.RoutingFilter{TopID: "x"}, nil},
		{"bottom id is no UUID", store.RoutingFilter{BottomID: "x"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var want []store.Routing
			for _, i := range test.want {
				want = append(want, rows[i])
			}
			equal(t, "rows", list(t, s, test.filter), want, byStore)
		})
	}
	t.Run("PagesByMarker", func(t *testing.T) {
		var got []store.Routing
		for f := (store.RoutingFilter{ProjectID: "p", Limit: 2}); ; f.Marker = got[len(got)-1].ID {
			page := list(t, s, f)
			got = append(got, page...)
			if len(page) < f.Limit {
				break
			}
		}
		equal(t, "rows of all pages", got, []store.Routing{rows[3], rows[2], rows[0]}, byStore)
	})
}

func testLive(t *testing.T, s store.Store) {
	row := func(n, seconds int, project string) store.Routing {
		return store.Routing{Type: store.Server, TopID: id(n), BottomID: id(n), PodNum: 1, ProjectID: project, CreatedAt: at(seconds)}
	}
	old, young, foreign, gone, unknown := row(1, 1, "p"), row(2, 3, "p"), row(3, 2, "q"), row(4, 4, "p"), row(5, 0, "p")
	elsewhere, volume := row(6, 9, "p"), row(7, 9, "p")
	gone.DeletedAt, unknown.CreatedAt, elsewhere.PodNum, volume.Type = at(5), time.Time{}, 2, store.Volume
	put(t, s, old, young, foreign, gone, unknown, elsewhere, volume)
	expect := func(what, project string, limit int, want ...store.Routing) {
		t.Helper()
		got, err := s.LiveRoutings(t.Context(), store.Server, 1, project, limit)
		check(t, err)
		equal(t, what, got, want, byStore, cmpopts.EquateEmpty())
	}
	expect("newest first, those of unknown age before", "p", 9, unknown, young, old)
	expect("limit", "p", 2, unknown, young)
	expect("all projects", "", 9, unknown, young, foreign, old)
	expect("unknown project", "r", 9)

	t.Run("SeenAgain_IsThere", func(t *testing.T) {
		back := gone
		back.DeletedAt = time.Time{}
		put(t, s, gone, back)
		expect("what is back", "p", 9, unknown, back, young, old)
	})
	t.Run("SeenAndGoneInOneCall_IsGone", func(t *testing.T) {
		left := old
		left.DeletedAt = at(7)
		put(t, s, old, left)
		equal(t, "row", lookup(t, s, store.Server, old.TopID), []store.Routing{left}, byStore)
	})
}

func testSeek(t *testing.T, s store.Store) {
	// In order of time: 1 | 2 4 6 (one instant) | 7. The others are of another pod, type or time unknown.
	row := func(n int, created time.Time, project string) store.Routing {
		return store.Routing{Type: store.Server, TopID: id(n), PodNum: 1, ProjectID: project, CreatedAt: created}
	}
	elsewhere, volume := row(5, at(2), "p"), row(5, at(2), "p")
	elsewhere.PodNum, volume.Type = 2, store.Volume
	put(t, s, row(1, at(1), "p"), row(2, at(2), "q"), row(4, at(2), "p"), row(6, at(2), ""), row(7, at(3), "p"),
		row(8, time.Time{}, "p"), elsewhere, volume)

	for _, test := range []struct {
		name    string
		created time.Time
		topID   string
		project string
		want    [4]int // ascending time: ids ascend, ids descend; descending time: ids ascend, ids descend
	}{
		{"the row itself", at(2), id(4), "", [4]int{4, 4, 4, 4}},
		{"between ids of one instant", at(2), id(5), "", [4]int{4, 6, 4, 6}},
		{"below the ids of an instant", at(2), id(0), "", [4]int{1, 2, 7, 2}},
		{"above the ids of an instant", at(2), id(9), "", [4]int{6, 1, 6, 7}},
		{"a microsecond after an instant", at(2).Add(time.Microsecond), id(0), "", [4]int{6, 2, 7, 7}},
		{"a microsecond before an instant", at(2).Add(-time.Microsecond), id(9), "", [4]int{1, 1, 6, 2}},
		{"before all", at(0), id(5), "", [4]int{0, 0, 1, 1}},
		{"after all", at(9), id(5), "", [4]int{7, 7, 0, 0}},
		{"one project", at(2), id(6), "p", [4]int{4, 1, 4, 7}},
		{"another project", at(3), id(7), "q", [4]int{2, 2, 0, 0}},
		{"unknown project", at(2), id(4), "r", [4]int{}},
	} {
		for i, want := range test.want {
			p := store.SeekPoint{Type: store.Server, PodNum: 1, ProjectID: test.project, CreatedAt: test.created,
				TopID: test.topID, IDsAscend: i%2 == 0, Descending: i >= 2}
			wantID := ""
			if want > 0 {
				wantID = id(want)
			}
			got, ok, err := s.SeekRouting(t.Context(), p)
			if err != nil || ok != (want > 0) || got != wantID {
				t.Errorf("%s: SeekRouting(%+v) = %q, %v, %v; want %q", test.name, p, got, ok, err, wantID)
			}
		}
	}
	if _, _, err := s.SeekRouting(t.Context(), store.SeekPoint{Type: store.Server, PodNum: 1, TopID: "x"}); err == nil {
		t.Error("SeekRouting of an id that has no place in the order succeeded")
	}
}

func testPurge(t *testing.T, s store.Store) {
	for i := range 5 {
		put(t, s, store.Routing{Type: store.Server, TopID: id(i), PodNum: 1, ProjectID: "p"},
			store.Routing{Type: store.Server, TopID: id(i), PodNum: 2, ProjectID: "p"})
	}
	highest := list(t, s, store.RoutingFilter{Limit: 1})[0].ID
	for i, step := range []struct{ pod, limit, want int }{
		{2, 0, 0}, {2, 2, 2}, {2, 2, 2}, {2, 2, 1}, {2, 2, 0}, {3, 9, 0},
	} {
		n, err := s.PurgeRoutings(t.Context(), int32(step.pod), step.limit)
		if err != nil || n != step.want {
			t.Errorf("step %d: PurgeRoutings(%d, %d) = %d, %v; want %d", i, step.pod, step.limit, n, err, step.want)
		}
	}
	left := list(t, s, store.RoutingFilter{})
	if len(left) != 5 || slices.ContainsFunc(left, func(r store.Routing) bool { return r.PodNum != 1 }) {
		t.Errorf("left are %v, want the five of pod 1", left)
	}
	put(t, s, store.Routing{Type: store.Server, TopID: id(9), PodNum: 2})
	if row := lookup(t, s, store.Server, id(9))[0]; row.ID <= highest {
		t.Errorf("new row has ID %d though there was %d before: IDs must not be used again", row.ID, highest)
	}
}
