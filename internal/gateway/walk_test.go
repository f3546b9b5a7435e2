package gateway_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// walker reads a list page by page while servers come and go and pods fail and come back, and keeps account of what must be seen.
type walker struct {
	*scene
	t *rapid.T
	h testing.TB

	filter    string          // by name
	constant  map[string]bool // servers that were there from the beginning
	seen      []string
	failing   map[string]bool // pods, by name
	missing   map[string]bool // pods that the page before lacked
	excused   map[string]bool // pods of which rows may be lost for good
	anyMissed bool            // some page lacked a pod
	known     map[string]server
	late      bool // rows came after others that they should precede: no bare marker says any more what was seen
}

// TestMerge_WhileThingsChange_LosesNothingAndShowsNothingTwice walks lists in every way that clients do. Whatever happens in between:
// no server is shown twice; and those that were there throughout are all shown, those of each pod in its order, and all in order if no
// pod was missing. But a pod that is
// named missing takes its part of a page along, unless the client goes on by the next link: then that part comes when the pod does.
// Rows that come late, for that reason or because they were made behind what was read of their pod, leave only links to go on by.
func TestMerge_WhileThingsChange_LosesNothingAndShowsNothingTwice(t *testing.T) {
	fleetOf := fleets(t)
	rapid.Check(t, func(rt *rapid.T) {
		w := &walker{scene: drawScene(rt, fleetOf), t: rt, h: t, constant: map[string]bool{}, failing: map[string]bool{},
			missing: map[string]bool{}, excused: map[string]bool{}, known: map[string]server{}}
		defer w.heal(t)
		w.filter = rapid.SampledFrom([]string{"", "", "(?i)a"}).Draw(rt, "name")
		w.learn(rt, t)
		for _, p := range w.pods {
			for _, s := range p.servers {
				w.known[s.id] = s
				w.constant[s.id] = w.filter == "" || strings.Contains(strings.ToLower(s.name), "a")
			}
		}
		for target := w.first(); target != ""; {
			target = w.next(w.page(target))
			w.change()
		}
		w.check()
	})
}

func (w *walker) first() string {
	if w.filter == "" {
		return w.target()
	}
	return w.target() + "&" + url.Values{"name": {w.filter}}.Encode()
}

// page asks for a page until it is answered: a list by name is refused while a pod is out, and so is the place of a marker.
func (w *walker) page(target string) page {
	for range 3 {
		if r := ask(w.h, w.nova, http.MethodGet, target, ""); r.Code == http.StatusServiceUnavailable || r.Code == http.StatusBadGateway {
			if len(w.failing) == 0 {
				w.t.Fatalf("%s: %s, though all pods are well", target, r.Body)
			}
			w.recover()
			continue
		}
		p, header := list(w.h, w.nova, target)
		clear(w.missing)
		for name := range strings.SplitSeq(header.Get("X-Tricircle-Missing-Pods"), ", ") {
			if name == "" {
				continue
			}
			if !w.failing[name] {
				w.t.Fatalf("%s is missing, though it is well", name)
			}
			w.missing[name], w.anyMissed = true, true
		}
		for _, id := range p.ids() {
			if n := len(w.seen); n > 0 && w.globalOrder()(w.known[w.seen[n-1]], w.known[id]) > 0 {
				w.late = true
			}
			w.seen = append(w.seen, id)
		}
		return p
	}
	w.t.Fatal("no page, though all pods are well")
	return page{}
}

// next is the target of the page behind p, by one of the two ways; "" at the end.
func (w *walker) next(p page) string {
	link := p.next(w.h)
	if (link != "") != (len(p.Servers) == w.limit) {
		w.t.Fatalf("a page of %d rows at limit %d has the next link %q", len(p.Servers), w.limit, link)
	}
	byMarker := !w.late && rapid.Bool().Draw(w.t, "by a bare marker")
	if link == "" || byMarker {
		for name := range w.missing {
			w.excused[name] = true
		}
	}
	switch {
	case link == "":
		return ""
	case byMarker:
		ids := p.ids()
		return w.first() + "&marker=" + ids[len(ids)-1]
	}
	return link
}

// change lets happen what happens between two requests.
func (w *walker) change() {
	if rapid.Bool().Draw(w.t, "quiet") {
		return
	}
	for i, p := range w.pods {
		for range rapid.IntRange(0, 2).Draw(w.t, "new servers") {
			s := servers.Draw(w.t, "server")
			s.pod, s.created = i, s.created+w.epoch
			w.serial++
			s.id += fmt.Sprintf("-0000-4000-8000-%012x", w.serial)
			p.add(s)
			w.known[s.id] = s
		}
		var last string // stays, as a bare marker may name it
		if len(w.seen) > 0 {
			last = w.seen[len(w.seen)-1]
		}
		if n := len(p.servers); n > 0 && rapid.Bool().Draw(w.t, "delete") {
			gone := slices.Clone(p.servers)
			if at := rapid.IntRange(0, n-1).Draw(w.t, "which"); gone[at].id != last {
				delete(w.constant, gone[at].id)
				// By a key that rows do not show nobody can tell where a row was of which nothing is left.
				if gone[at].deleted = true; !slices.Contains(w.keys, "launch_index") && rapid.Bool().Draw(w.t, "purge") {
					gone = slices.Delete(gone, at, at+1)
				}
				p.set(gone)
			}
		}
	}
	w.recover()
	for _, p := range w.pods[1:] {
		if rapid.IntRange(0, 3).Draw(w.t, "fails") == 0 {
			p.SetFault(rapid.SampledFrom(listFaults).Draw(w.t, "fault"))
			w.failing[p.Region] = true
		}
	}
}

func (w *walker) recover() {
	w.heal(w.h)
	clear(w.failing)
}

func (w *walker) check() {
	at := map[string]int{}
	for i, id := range w.seen {
		if before, twice := at[id]; twice {
			w.t.Fatalf("%s is shown twice, at %d and %d", id, before, i)
		}
		at[id] = i
	}
	var all []server
	for _, p := range w.pods {
		slices.SortStableFunc(p.servers, order(w.keys, w.dirs, p.collation))
		last := -1
		for _, s := range p.servers {
			i, seen := at[s.id]
			switch {
			case !w.constant[s.id]: // what is made behind the last row that was read of its pod comes late
			case !seen && !w.excused[p.Region]:
				w.t.Fatalf("%s of %s is lost", s.id, p.Region)
			case seen && i < last:
				w.t.Fatalf("%s of %s comes too late", w.seen[last], p.Region)
			case seen:
				last, all = i, append(all, s)
			}
		}
	}
	if w.anyMissed {
		return // what came late is not in the order of the whole
	}
	slices.SortStableFunc(all, w.globalOrder())
	var want, got []string
	for _, s := range all {
		want = append(want, s.id)
	}
	for _, id := range w.seen {
		if w.constant[id] {
			got = append(got, id)
		}
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		w.t.Fatal(diff)
	}
}

// TestMerge_PodsThatSortNullsLast_AreTheListOfOneCloud, once the top has seen how they sort.
func TestMerge_PodsThatSortNullsLast_AreTheListOfOneCloud(t *testing.T) {
	made := map[int]*fleet{}
	fleetOf := func(n int) *fleet {
		if made[n] == nil {
			made[n] = newFleet(t, n)
			for i, p := range made[n].pods {
				p.nullLast = true
				p.set([]server{{id: sid(2 * i), task: new("building")}, {id: sid(2*i + 1)}})
			}
			list(t, made[n].nova, "/v2.1/servers/detail?sort_key=task_state&limit="+strconv.Itoa(2*n))
		}
		return made[n]
	}
	rapid.Check(t, func(rt *rapid.T) {
		s := drawScene(rt, fleetOf)
		s.keys = append([]string{"task_state"}, slices.DeleteFunc(s.keys, func(k string) bool { return k == "task_state" })...)
		for _, p := range s.pods {
			p.nullLast = true
		}
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
