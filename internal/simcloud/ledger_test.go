package simcloud

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

type item struct {
	created int64
	id      string
	touched bool
}

func (i *item) identity() (int64, string) { return i.created, i.id }

// TestLedger_Walk_IsTheSortedList compares with all members in one sorted slice, whatever was added and touched.
func TestLedger_Walk_IsTheSortedList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gen := newSeries(7, rapid.IntRange(0, 20).Draw(t, "generated"), time.Unix(1e9, 0))
		l := newLedger(gen, func(i int) *item { return &item{created: gen.created(i), id: gen.id(i)} }, strings.Compare)
		var all []*item
		for i := range gen.n {
			all = append(all, l.make(i))
		}
		ids := series{seed: 1, n: 100}
		for i := range rapid.IntRange(0, 20).Draw(t, "own") {
			// Sometimes in the same second as another, or as a generated one.
			created := gen.end - rapid.Int64Range(-3, 3).Draw(t, "age")
			if gen.n > 0 && rapid.Bool().Draw(t, "same") {
				created = gen.created(rapid.IntRange(0, gen.n-1).Draw(t, "as"))
			}
			x := &item{created: created, id: ids.id(i)}
			l.add(x)
			all = append(all, x)
		}
		slices.SortFunc(all, func(a, b *item) int { return l.order(a.created, a.id, b.created, b.id) })
		if len(all) > 0 {
			x, _, ok := l.touch(all[rapid.IntRange(0, len(all)-1).Draw(t, "touched")].id)
			if !ok {
				t.Fatalf("%s is not found", x.id)
			}
			x.touched = true
		}
		var after **item
		if len(all) > 0 && rapid.Bool().Draw(t, "with marker") {
			at := rapid.IntRange(0, len(all)-1).Draw(t, "marker")
			after, all = &all[at], all[at+1:]
		}
		got, want := []string{}, []string{}
		for r := range l.walk(after, true) {
			got = append(got, l.at(r).id)
		}
		for _, x := range all {
			want = append(want, x.id)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestLedger_Touched_IsKept(t *testing.T) {
	gen := newSeries(7, 10, time.Unix(1e9, 0))
	l := newLedger(gen, func(i int) *item { return &item{created: gen.created(i), id: gen.id(i)} }, strings.Compare)
	id := gen.id(3)
	x, first, ok := l.touch(id)
	if !first || !ok {
		t.Fatalf("the first touch says first %v, ok %v", first, ok)
	}
	x.touched = true
	if _, first, _ := l.touch(id); first {
		t.Error("the second touch says it is the first")
	}
	if got, _ := l.get(id); !got.touched {
		t.Error("the change is lost")
	}
	if _, ok := l.get(stableUUID("something else")); ok {
		t.Error("a foreign id is found")
	}
}

func TestSeries_Ids_LeadBackToTheirIndex(t *testing.T) {
	const n = 1_000_000
	s := newSeries(seedOf("pod1 servers"), n, time.Unix(1e9, 0))
	other := newSeries(seedOf("pod2 servers"), n, time.Unix(1e9, 0))
	for _, i := range []int{0, 1, 2, 65535, 65536, n - 1} {
		id := s.id(i)
		if got, ok := s.find(id); !ok || got != i {
			t.Errorf("find(%s) = %d, %v, want %d", id, got, ok, i)
		}
		if _, ok := other.find(id); ok {
			t.Errorf("%s is found in another pod", id)
		}
	}
	for _, id := range []string{"", "nosuch", strings.Repeat("z", 36), "00000000-0000-4000-8000-000000000000"} {
		if _, ok := s.find(id); ok {
			t.Errorf("%q is found", id)
		}
	}
}

func TestSeries_Created_Decreases(t *testing.T) {
	for _, n := range []int{1, 10, 1000, 200_000_000} {
		s := newSeries(1, n, time.Unix(1e9, 0))
		for i := range min(n, 1000) - 1 {
			if s.created(i) <= s.created(i+1) || s.created(i) >= s.end {
				t.Fatalf("of %d, member %d was created at %d, the next at %d", n, i, s.created(i), s.created(i+1))
			}
		}
	}
}
