package storetest

import (
	"cmp"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/tricircle/tricircle/internal/store"
)

// model is what a store of routings should be: a map.
type model map[modelKey]store.Routing

type modelKey struct {
	t      store.ResourceType
	topID  string
	podNum int32
}

func keyOf(r store.Routing) modelKey { return modelKey{r.Type, r.TopID, r.PodNum} }

func (m model) put(rows []store.Routing) {
	for _, r := range rows {
		old, found := m[keyOf(r)]
		if !found {
			old = r
			old.BottomID = r.TopID
		}
		m[keyOf(r)] = store.Routing{
			Type: r.Type, TopID: r.TopID, PodNum: r.PodNum,
			BottomID:  cmp.Or(r.BottomID, old.BottomID),
			ProjectID: cmp.Or(r.ProjectID, old.ProjectID),
			CreatedAt: cmp.Or(r.CreatedAt, old.CreatedAt),
			DeletedAt: r.DeletedAt,
		}
	}
}

// live returns what LiveRoutings does, without a limit.
func (m model) live(t store.ResourceType, podNum int32, projectID string) []store.Routing {
	rows := m.list(store.RoutingFilter{Type: t, PodNum: podNum, ProjectID: projectID})
	rows = slices.DeleteFunc(rows, func(r store.Routing) bool { return !r.DeletedAt.IsZero() })
	age := func(r store.Routing) time.Time { return cmp.Or(r.CreatedAt, at(1000)) } // what is not known counts as the newest
	slices.SortFunc(rows, func(a, b store.Routing) int {
		return cmp.Or(age(b).Compare(age(a)), cmp.Compare(b.TopID, a.TopID))
	})
	return rows
}

func (m model) claim(r store.Routing) bool {
	if _, found := m[keyOf(r)]; found {
		return false
	}
	r.DeletedAt = time.Time{} // what is claimed is there
	m.put([]store.Routing{r})
	return true
}

// list returns matching rows in no order. It knows neither Limit nor Marker.
func (m model) list(f store.RoutingFilter) []store.Routing {
	var rows []store.Routing
	for _, r := range m {
		if (f.TopID == "" || f.TopID == r.TopID) && (f.BottomID == "" || f.BottomID == r.BottomID) &&
			(f.Type == 0 || f.Type == r.Type) && (f.PodNum == 0 || f.PodNum == r.PodNum) &&
			(f.ProjectID == "" || f.ProjectID == r.ProjectID) {
			rows = append(rows, r)
		}
	}
	return rows
}

func (m model) seek(p store.SeekPoint) (string, bool) {
	order := func(a, b store.Routing) int {
		byTime, byID := a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.TopID, b.TopID)
		if p.Descending {
			byTime = -byTime
		}
		if !p.IDsAscend {
			byID = -byID
		}
		return cmp.Or(byTime, byID)
	}
	point := store.Routing{CreatedAt: p.CreatedAt, TopID: p.TopID}
	rows := m.list(store.RoutingFilter{Type: p.Type, PodNum: p.PodNum, ProjectID: p.ProjectID})
	rows = slices.DeleteFunc(rows, func(r store.Routing) bool { return r.CreatedAt.IsZero() || order(r, point) > 0 })
	if len(rows) == 0 {
		return "", false
	}
	return slices.MaxFunc(rows, order).TopID, true
}

// Few values, so that rows meet; not known is one of them.
var (
	genType    = rapid.SampledFrom([]store.ResourceType{store.Server, store.Network})
	genID      = rapid.Custom(func(t *rapid.T) string { return id(rapid.IntRange(1, 8).Draw(t, "id")) })
	genPod     = rapid.Int32Range(1, 2)
	genProject = rapid.SampledFrom([]string{"", "p", "q"})
	genTime    = rapid.Custom(func(t *rapid.T) time.Time { return at(rapid.IntRange(0, 3).Draw(t, "second")) })
	genRouting = rapid.Custom(func(t *rapid.T) store.Routing {
		r := store.Routing{Type: genType.Draw(t, "type"), TopID: genID.Draw(t, "top id"), PodNum: genPod.Draw(t, "pod"),
			ProjectID: genProject.Draw(t, "project")}
		if rapid.Bool().Draw(t, "bottom id known") {
			r.BottomID = genID.Draw(t, "bottom id")
		}
		if rapid.Bool().Draw(t, "time known") {
			r.CreatedAt = genTime.Draw(t, "time")
		}
		if rapid.Bool().Draw(t, "gone") {
			r.DeletedAt = genTime.Draw(t, "deletion")
		}
		return r
	})
	genFilter = rapid.Custom(func(t *rapid.T) store.RoutingFilter {
		f := store.RoutingFilter{PodNum: rapid.Int32Range(0, 2).Draw(t, "pod"), ProjectID: genProject.Draw(t, "project")}
		if rapid.Bool().Draw(t, "filter by type") {
			f.Type = genType.Draw(t, "type")
		}
		switch rapid.IntRange(0, 3).Draw(t, "filter by id") {
		case 0:
			f.TopID = genID.Draw(t, "top id")
		case 1:
			f.BottomID = genID.Draw(t, "bottom id")
		}
		return f
	})
	genSeek = rapid.Custom(func(t *rapid.T) store.SeekPoint {
		return store.SeekPoint{Type: genType.Draw(t, "type"), PodNum: genPod.Draw(t, "pod"),
			ProjectID: genProject.Draw(t, "project"), CreatedAt: genTime.Draw(t, "time"), TopID: genID.Draw(t, "id"),
			Descending: rapid.Bool().Draw(t, "descending"), IDsAscend: rapid.Bool().Draw(t, "ids ascend")}
	})
)

// testModel does the same random things to the store and to the model, and asks both the same questions.
func testModel(t *testing.T, s store.Store) {
	ctx := t.Context()
	rapid.Check(t, func(t *rapid.T) {
		for pod := int32(1); pod <= 2; pod++ { // what the run before left
			if _, err := s.PurgeRoutings(ctx, pod, 1000); err != nil {
				t.Fatal(err)
			}
		}
		m := model{}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				rows := rapid.SliceOfN(genRouting, 0, 12).Draw(t, "rows")
				m.put(rows)
				if err := s.PutRoutings(ctx, rows); err != nil {
					t.Fatal(err)
				}
			},
			"claim": func(t *rapid.T) {
				r := genRouting.Draw(t, "row")
				want := m.claim(r)
				if got, err := s.ClaimRouting(ctx, r); err != nil || got != want {
					t.Fatalf("ClaimRouting = %v, %v; want %v", got, err, want)
				}
			},
			"lookup": func(t *rapid.T) {
				rt, topID := genType.Draw(t, "type"), genID.Draw(t, "id")
				got, err := s.LookupRouting(ctx, rt, topID)
				sameRows(t, got, err, m.list(store.RoutingFilter{Type: rt, TopID: topID}))
			},
			"list": func(t *rapid.T) {
				f := genFilter.Draw(t, "filter")
				got, err := listPaged(t, s, f, rapid.IntRange(1, 8).Draw(t, "page size"))
				sameRows(t, got, err, m.list(f))
			},
			"live": func(t *rapid.T) {
				rt, podNum, projectID := genType.Draw(t, "type"), genPod.Draw(t, "pod"), genProject.Draw(t, "project")
				limit := rapid.IntRange(1, 8).Draw(t, "limit")
				want := m.live(rt, podNum, projectID)
				got, err := s.LiveRoutings(ctx, rt, podNum, projectID, limit)
				if err != nil {
					t.Fatal(err)
				}
				if diff := gocmp.Diff(want[:min(limit, len(want))], got, byStore, cmpopts.EquateEmpty()); diff != "" {
					t.Fatalf("rows (-want +got):\n%s", diff)
				}
			},
			"seek": func(t *rapid.T) {
				p := genSeek.Draw(t, "point")
				wantID, want := m.seek(p)
				if topID, ok, err := s.SeekRouting(ctx, p); err != nil || ok != want || topID != wantID {
					t.Fatalf("SeekRouting = %q, %v, %v; want %q, %v", topID, ok, err, wantID, want)
				}
			},
		})
	})
}

// listPaged lists all pages, and sees that IDs descend.
func listPaged(t *rapid.T, s store.Store, f store.RoutingFilter, size int) (all []store.Routing, err error) {
	for f.Limit = size; ; f.Marker = all[len(all)-1].ID {
		page, err := s.ListRoutings(t.Context(), f)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if !slices.IsSortedFunc(all, func(a, b store.Routing) int { return cmp.Compare(b.ID, a.ID) }) {
			t.Fatalf("IDs do not descend: %v", all)
		}
		if len(page) < size {
			return all, nil
		}
	}
}

func sameRows(t *rapid.T, got []store.Routing, err error, want []store.Routing) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	byKey := func(a, b store.Routing) bool {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.TopID, b.TopID), cmp.Compare(a.PodNum, b.PodNum)) < 0
	}
	if diff := gocmp.Diff(want, got, byStore, cmpopts.SortSlices(byKey), cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("rows (-want +got):\n%s", diff)
	}
}
