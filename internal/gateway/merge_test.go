package gateway_test

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/pod/podtest"
	"github.com/tricircle/tricircle/internal/store"
)

// fleet is a top over so many pods, whose contents change from check to check.
type fleet struct {
	*top
	pods   []*novaPod
	known  []*pod.Pod
	serial int // of servers; what earlier checks had is remembered by the top
	epoch  int // when the servers of a check began to be created
}

func newFleet(t testing.TB, n int) *fleet {
	f := &fleet{top: newTop(t)}
	for i := range n {
		p := newNovaPod("pod" + strconv.Itoa(i+1))
		f.pods = append(f.pods, p)
		f.known = append(f.known, f.Register(&p.Pod))
	}
	return f
}

// fleets makes a fleet per size once: the store behind it takes longer than a check.
func fleets(t testing.TB) func(n int) *fleet {
	made := map[int]*fleet{}
	return func(n int) *fleet {
		if made[n] == nil {
			made[n] = newFleet(t, n)
		}
		return made[n]
	}
}

var sortKeys = []string{"created_at", "display_name", "uuid", "power_state", "task_state", "launch_index"}

// servers draws servers that have much in common; their ids are completed afterwards.
var servers = rapid.Custom(func(t *rapid.T) server {
	return server{
		id:      fmt.Sprintf("%08x", rapid.Uint32().Draw(t, "id")),
		name:    rapid.SampledFrom([]string{"a", "A", "b", "B", "ab"}).Draw(t, "name"),
		created: rapid.IntRange(0, 3).Draw(t, "created"),
		task:    rapid.SampledFrom([]*string{nil, nil, new("building"), new("spawning")}).Draw(t, "task_state"),
		power:   rapid.IntRange(0, 12).Draw(t, "power_state"),
		index:   rapid.IntRange(0, 2).Draw(t, "launch_index"),
	}
})

// scene is one random check.
type scene struct {
	*fleet
	keys, dirs []string
	limit      int
}

func drawScene(t *rapid.T, fleetOf func(int) *fleet) *scene {
	s := &scene{fleet: fleetOf(rapid.IntRange(1, 6).Draw(t, "pods"))}
	s.epoch += 10
	for i, p := range s.pods {
		p.set(nil)
		p.SetFault(nil)
		p.collation = collation{}
		p.maxLimit = rapid.SampledFrom([]int{0, 0, 1, 2, 7}).Draw(t, "max_limit")
		p.servers = rapid.SliceOfN(servers, 0, 30).Draw(t, "rows")
		for j := range p.servers {
			s.serial++
			p.servers[j].id += fmt.Sprintf("-0000-4000-8000-%012x", s.serial)
			p.servers[j].pod = i
			p.servers[j].created += s.epoch
		}
	}
	s.keys = rapid.SliceOfNDistinct(rapid.SampledFrom(sortKeys), 0, 3, rapid.ID).Draw(t, "keys")
	for range rapid.IntRange(0, len(s.keys)).Draw(t, "directions") {
		s.dirs = append(s.dirs, rapid.SampledFrom([]string{"asc", "desc"}).Draw(t, "dir"))
	}
	s.limit = rapid.SampledFrom([]int{1, 2, 3, 5, 17, 40, 100}).Draw(t, "limit")
	return s
}

func (s *scene) target() string {
	v := url.Values{"limit": {strconv.Itoa(s.limit)}, "sort_key": s.keys, "sort_dir": s.dirs}
	return "/v2.1/servers/detail?" + v.Encode()
}

// model is the list that one Nova with the servers of all pods would give; by a key that is not shown, pod after pod.
func (s *scene) model(without map[int]bool) (ids []string) {
	var all []server
	for i, p := range s.pods {
		if !without[i] {
			all = append(all, p.servers...)
		}
	}
	slices.SortFunc(all, s.globalOrder())
	for _, row := range all {
		ids = append(ids, row.id)
	}
	return ids
}

// globalOrder is that of one cloud with the collation of the first pod; by a key that is not shown, pod after pod.
func (s *scene) globalOrder() func(a, b server) int {
	hidden := slices.Index(s.keys, "launch_index")
	keys, dirs := complete(s.keys, s.dirs)
	how := s.pods[0].collation
	return func(a, b server) int {
		if hidden >= 0 && a.pod != b.pod {
			return cmp.Or(byKeys(keys[:hidden], dirs, how)(a, b), cmp.Compare(a.pod, b.pod))
		}
		return order(s.keys, s.dirs, how)(a, b)
	}
}

// walk reads page after page until one is not full. Between pages it calls turn.
func (s *scene) walk(t *rapid.T, h testing.TB, follow func(next, last string) string, turn func(p page, header http.Header)) (ids []string) {
	target := s.target()
	for range 1000 {
		p, header := list(h, s.nova, target)
		turn(p, header)
		got := p.ids()
		ids = append(ids, got...)
		next := p.next(h)
		if (next != "") != (len(got) == s.limit) {
			t.Fatalf("a page of %d rows at limit %d has the next link %q", len(got), s.limit, next)
		}
		if next == "" {
			return ids
		}
		target = follow(next, got[len(got)-1])
	}
	t.Fatal("the list does not end")
	return nil
}

func byLink(next, _ string) string { return next }

func (s *scene) byMarker(_, last string) string { return s.target() + "&marker=" + last }

// learn writes some of the routings down, so that bare markers find places in the table, or none.
func (s *scene) learn(t *rapid.T, h testing.TB) {
	share := rapid.SampledFrom([]int{0, 1, 3}).Draw(t, "share of rows known")
	for i, p := range s.pods {
		for j, row := range p.servers {
			if share == 0 || j%share != 0 {
				continue
			}
			r := store.Routing{Type: store.Server, TopID: row.id, BottomID: row.id, PodNum: s.known[i].Num, ProjectID: project,
				CreatedAt: epoch.Add(time.Duration(row.created) * time.Second)}
			if err := s.routing.Record(h.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func nobodyMissing(t *rapid.T) func(page, http.Header) {
	return func(_ page, header http.Header) {
		if missing := header.Get("X-Tricircle-Missing-Pods"); missing != "" {
			t.Fatalf("missing: %s", missing)
		}
	}
}

func TestMerge_WalkedByLinks_IsTheListOfOneCloud(t *testing.T) {
	fleetOf := fleets(t)
	rapid.Check(t, func(rt *rapid.T) {
		s := drawScene(rt, fleetOf)
		if diff := gocmp.Diff(s.model(nil), s.walk(rt, t, byLink, nobodyMissing(rt))); diff != "" {
			rt.Fatal(diff)
		}
	})
}

func TestMerge_WalkedByBareMarkers_IsTheListOfOneCloud(t *testing.T) {
	fleetOf := fleets(t)
	rapid.Check(t, func(rt *rapid.T) {
		s := drawScene(rt, fleetOf)
		s.learn(rt, t)
		if diff := gocmp.Diff(s.model(nil), s.walk(rt, t, s.byMarker, nobodyMissing(rt))); diff != "" {
			rt.Fatal(diff)
		}
	})
}

func TestMerge_WalkedByBoth_IsTheListOfOneCloud(t *testing.T) {
	fleetOf := fleets(t)
	rapid.Check(t, func(rt *rapid.T) {
		s := drawScene(rt, fleetOf)
		s.learn(rt, t)
		follow := func(next, last string) string {
			if rapid.Bool().Draw(rt, "by link") {
				return next
			}
			return s.byMarker(next, last)
		}
		if diff := gocmp.Diff(s.model(nil), s.walk(rt, t, follow, nobodyMissing(rt))); diff != "" {
			rt.Fatal(diff)
		}
	})
}

func TestMerge_PodsThatSortOtherwise_KeepTheirOrderAndLoseNothing(t *testing.T) {
	fleetOf := fleets(t)
	rapid.Check(t, func(rt *rapid.T) {
		s := drawScene(rt, fleetOf)
		for _, p := range s.pods {
			p.collation = collation{rapid.Bool().Draw(rt, "null last"), rapid.Bool().Draw(rt, "by case")}
		}
		s.checkPodOrders(rt, s.walk(rt, t, byLink, nobodyMissing(rt)))
	})
}

// checkPodOrders wants every row of every pod once, and in its pod's order.
func (s *scene) checkPodOrders(t *rapid.T, ids []string) {
	total := 0
	for _, p := range s.pods {
		own := map[string]bool{}
		slices.SortFunc(p.servers, order(s.keys, s.dirs, p.collation))
		var want []string
		for _, row := range p.servers {
			own[row.id] = true
			want = append(want, row.id)
		}
		total += len(want)
		var got []string
		for _, id := range ids {
			if own[id] {
				got = append(got, id)
			}
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Fatalf("%s: %s", p.Region, diff)
		}
	}
	if total != len(ids) {
		t.Fatalf("%d rows, want %d", len(ids), total)
	}
}

var listFaults = []podtest.Handler{podtest.Status(503), podtest.Status(500), podtest.Status(429), podtest.Reset,
	podtest.Half(`{"servers": [`), podtest.JSON(200, `{"unexpected": []}`), podtest.Text(200, "text/html", "<html>"),
	podtest.Status(302)}

func TestMerge_PodsThatFail_AreNamedAndHarmNoOthers(t *testing.T) {
	fleetOf := fleets(t)
	rapid.Check(t, func(rt *rapid.T) {
		s := drawScene(rt, fleetOf)
		failing := map[int]bool{}
		var names []string
		for i, p := range s.pods[1:] { // one is well
			if rapid.Bool().Draw(rt, "fails") {
				p.SetFault(rapid.SampledFrom(listFaults).Draw(rt, "fault"))
				failing[i+1], names = true, append(names, p.Region)
			}
		}
		defer s.heal(t)
		ids := s.walk(rt, t, byLink, func(_ page, header http.Header) {
			if got := header.Get("X-Tricircle-Missing-Pods"); got != strings.Join(names, ", ") {
				rt.Fatalf("missing %q, want %q", got, names)
			}
		})
		if diff := gocmp.Diff(s.model(failing), ids); diff != "" {
			rt.Fatal(diff)
		}
	})
}

func TestMerge_PodThatComesBack_GoesOnWhereItWas(t *testing.T) {
	fleetOf := fleets(t)
	rapid.Check(t, func(rt *rapid.T) {
		s := drawScene(rt, fleetOf)
		bad := rapid.IntRange(1, 3).Draw(rt, "page it fails on")
		sick := s.pods[len(s.pods)-1]
		defer s.heal(t)
		at := 0
		next := func() {
			s.heal(t)
			if at++; at == bad && len(s.pods) > 1 {
				sick.SetFault(podtest.Status(503))
			}
		}
		next()
		wasMissing := false
		ids := s.walk(rt, t, byLink, func(_ page, header http.Header) {
			wasMissing = header.Get("X-Tricircle-Missing-Pods") != ""
			next()
		})
		if wasMissing {
			return // on the last page, so there is none on which to come back
		}
		s.checkPodOrders(rt, ids)
	})
}

// heal makes all pods well, and closes their circuits.
func (s *scene) heal(t testing.TB) {
	for i, p := range s.pods {
		p.SetFault(nil)
		if s.known[i].CircuitOpen(pod.Compute) {
			s.Registry.Probe(t.Context(), s.known[i])
		}
	}
}
