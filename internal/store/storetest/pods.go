package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tricircle/tricircle/internal/store"
)

// testPods runs its parts on one store, each with regions of its own; only the first needs it empty.
func testPods(t *testing.T, s store.Store) {
	for _, part := range []struct {
		name string
		test func(t *testing.T, s store.Store)
	}{
		{"List_OrdersByNumAndKeepsZoneOrder", testPodsList},
		{"Create_Clash_IsConflict", testPodsCreateConflict},
		{"Create_SecondTop_IsConflict", testPodsTop},
		{"Create_SameRegionAtOnce_ExactlyOneWins", testPodsConcurrentCreate},
		{"Update_ReplacesAllButIdentity", testPodsUpdate},
		{"Update_Clash_IsConflictAndChangesNothing", testPodsUpdateConflict},
		{"Delete_NumIsNeverUsedAgain", testPodsDelete},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, s) })
	}
}

// newPod is a pod with one zone, all its names made of its region's. n makes its id.
func newPod(n int, region string) store.Pod {
	return store.Pod{
		ID: id(n), RegionName: region, DCName: "dc-" + region, State: store.PodEnabled,
		Zones: []store.Zone{{Name: "az-" + region, PodName: "nova"}},
	}
}

func create(t *testing.T, s store.Store, p store.Pod) store.Pod {
	t.Helper()
	created, err := s.CreatePod(t.Context(), p)
	check(t, err)
	return created
}

func findPod(t *testing.T, s store.Store, podID string) (store.Pod, bool) {
	t.Helper()
	pods, err := s.ListPods(t.Context())
	check(t, err)
	for _, p := range pods {
		if p.ID == podID {
			return p, true
		}
	}
	return store.Pod{}, false
}

// expectConflict fails the test unless err is a conflict about that field and value.
func expectConflict(t *testing.T, err error, field, value string) {
	t.Helper()
	var conflict *store.ConflictError
	if !errors.As(err, &conflict) {
		t.Errorf("got error %v, want a conflict about %s", err, field)
		return
	}
	equal(t, "conflict", *conflict, store.ConflictError{Field: field, Value: value})
}

func testPodsList(t *testing.T, s store.Store) {
	if pods, err := s.ListPods(t.Context()); err != nil || len(pods) != 0 {
		t.Fatalf("ListPods of an empty store = %v, %v", pods, err)
	}
	// Neither ids nor names are in the order of creation.
	west := newPod(12, "west")
	west.State = store.PodDraining
	west.Zones = []store.Zone{{Name: "z", PodName: "nova"}, {Name: "a", PodName: ""}, {Name: "m", PodName: "Zürich"}}
	var want []store.Pod
	for _, p := range []store.Pod{west, newPod(11, "east"), newPod(10, "middle")} {
		created := create(t, s, p)
		equal(t, "created pod", created, p, cmpopts.IgnoreFields(store.Pod{}, "Num", "CreatedAt", "UpdatedAt"))
		if created.CreatedAt.Location() != time.UTC || created.CreatedAt.Nanosecond()%1000 != 0 {
			t.Errorf("CreatedAt is %v, want UTC and whole microseconds", created.CreatedAt)
		}
		equal(t, "UpdatedAt", created.UpdatedAt, created.CreatedAt)
		want = append(want, created)
	}
	if !(0 < want[0].Num && want[0].Num < want[1].Num && want[1].Num < want[2].Num) {
		t.Errorf("nums %d, %d, %d do not ascend", want[0].Num, want[1].Num, want[2].Num)
	}
	got, err := s.ListPods(t.Context())
	check(t, err)
	equal(t, "ListPods", got, want)
}

func testPodsCreateConflict(t *testing.T, s store.Store) {
	old := create(t, s, newPod(20, "taken"))
	for _, test := range []struct {
		name         string
		change       func(p *store.Pod)
		field, value string
	}{
		{"id", func(p *store.Pod) { p.ID = old.ID }, "pod_id", old.ID},
		{"region", func(p *store.Pod) { p.RegionName = "taken" }, "region_name", "taken"},
		{"zone twice", func(p *store.Pod) {
			p.Zones = []store.Zone{{Name: "a", PodName: "x"}, {Name: "b", PodName: "y"}, {Name: "a", PodName: "z"}}
		}, "az_name", "a"},
		{"pod's zone twice", func(p *store.Pod) {
			p.Zones = []store.Zone{{Name: "a", PodName: "x"}, {Name: "b", PodName: "x"}}
		}, "pod_az_name", "x"},
		{"all zones twice", func(p *store.Pod) {
			p.Zones = []store.Zone{{Name: "a"}, {Name: "b"}}
		}, "pod_az_name", ""},
	} {
		p := newPod(21, "free")
		test.change(&p)
		_, err := s.CreatePod(t.Context(), p)
		expectConflict(t, err, test.field, test.value)
	}
	if _, found := findPod(t, s, id(21)); found {
		t.Error("a refused pod was stored")
	}
	// Zones of different pods do not clash.
	p := newPod(22, "free")
	p.Zones = old.Zones
	create(t, s, p)
}

func testPodsTop(t *testing.T, s store.Store) {
	top, second := newPod(30, "top"), newPod(31, "second-top")
	top.Zones, second.Zones = nil, nil
	create(t, s, top)
	_, err := s.CreatePod(t.Context(), second)
	expectConflict(t, err, "az_name", "")

	pod := create(t, s, newPod(31, "second-top"))
	pod.Zones = nil
	expectConflict(t, s.UpdatePod(t.Context(), pod), "az_name", "")

	top.DCName = "elsewhere" // the top is not in its own way
	check(t, s.UpdatePod(t.Context(), top))
	top.Zones = []store.Zone{{Name: "az"}}
	check(t, s.UpdatePod(t.Context(), top))
	check(t, s.UpdatePod(t.Context(), pod))
	if stored, _ := findPod(t, s, pod.ID); !stored.IsTop() {
		t.Errorf("%+v is not the top", stored)
	}
}

func testPodsConcurrentCreate(t *testing.T, s store.Store) {
	const n = 8
	errs := concurrently(n, func(i int) error {
		_, err := s.CreatePod(t.Context(), newPod(40+i, "wanted"))
		return err
	})
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		expectConflict(t, err, "region_name", "wanted")
	}
	if won != 1 {
		t.Errorf("%d of %d creations succeeded, want exactly one", won, n)
	}
}

func testPodsUpdate(t *testing.T, s store.Store) {
	before := create(t, s, newPod(50, "before"))
	other := create(t, s, newPod(51, "bystander"))
	check(t, s.UpdatePod(t.Context(), store.Pod{
		Num: 999, ID: before.ID, RegionName: "after", DCName: "", State: store.PodDisabled,
		Zones:     []store.Zone{{Name: "new", PodName: "n"}, {Name: "az-before", PodName: "m"}},
		CreatedAt: at(0), UpdatedAt: at(0),
	}))
	after, found := findPod(t, s, before.ID)
	if !found {
		t.Fatal("the pod is gone")
	}
	equal(t, "pod", after, store.Pod{
		Num: before.Num, ID: before.ID, RegionName: "after", DCName: "", State: store.PodDisabled,
		Zones:     []store.Zone{{Name: "new", PodName: "n"}, {Name: "az-before", PodName: "m"}},
		CreatedAt: before.CreatedAt, UpdatedAt: after.UpdatedAt,
	})
	if after.UpdatedAt.Before(before.UpdatedAt) || after.UpdatedAt.Equal(at(0)) {
		t.Errorf("UpdatedAt is %v, want the time of the update, after %v", after.UpdatedAt, before.UpdatedAt)
	}
	untouched, _ := findPod(t, s, other.ID)
	equal(t, "other pod", untouched, other)

	err := s.UpdatePod(t.Context(), newPod(59, "nowhere"))
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("UpdatePod of an unknown pod: %v, want ErrNotFound", err)
	}
}

func testPodsUpdateConflict(t *testing.T, s store.Store) {
	a := create(t, s, newPod(60, "a"))
	create(t, s, newPod(61, "b"))
	p := a
	p.RegionName = "b"
	expectConflict(t, s.UpdatePod(t.Context(), p), "region_name", "b")
	p = a
	p.Zones = []store.Zone{{Name: "same", PodName: "x"}, {Name: "same", PodName: "y"}}
	expectConflict(t, s.UpdatePod(t.Context(), p), "az_name", "same")
	stored, _ := findPod(t, s, a.ID)
	equal(t, "pod", stored, a)
}

func testPodsDelete(t *testing.T, s store.Store) {
	ctx := t.Context()
	last := create(t, s, newPod(70, "last"))
	row := store.Routing{Type: store.Server, TopID: id(70), PodNum: last.Num}
	check(t, s.PutRoutings(ctx, []store.Routing{row}))

	check(t, s.DeletePod(ctx, last.ID))
	if _, found := findPod(t, s, last.ID); found {
		t.Error("the deleted pod is still listed")
	}
	if err := s.DeletePod(ctx, last.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("second DeletePod: %v, want ErrNotFound", err)
	}
	if rows, err := s.LookupRouting(ctx, store.Server, id(70)); err != nil || len(rows) != 1 {
		t.Errorf("routings of a deleted pod = %v, %v; want them left to PurgeRoutings", rows, err)
	}
	for i := range 3 { // a free name and id again, and a num never seen
		again := create(t, s, newPod(70, "last"))
		if again.Num <= last.Num {
			t.Errorf("creation %d: num %d follows %d, want a new one", i, again.Num, last.Num)
		}
		last = again
		check(t, s.DeletePod(ctx, again.ID))
	}
	if err := s.DeletePod(ctx, "no-such-pod"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("DeletePod of an odd id: %v, want ErrNotFound", err)
	}
}
