package simcloud

import (
	"cmp"
	"iter"
	"slices"
	"sort"
)

// resource is what a ledger holds: something with an id and a time of creation.
type resource interface {
	identity() (created int64, id string)
}

// ledger is a collection of which most members were never touched and therefore do not exist: they are generated when
// somebody looks (series). Members that were changed or deleted are kept in place of the generated ones, members that
// were created through the API are kept beside them. So a million servers cost nothing until they are touched.
//
// The order is that of the services' lists, newest first; tie orders what was created in the same second.
type ledger[T resource] struct {
	gen     series
	make    func(i int) T         // the generated member i
	tie     func(a, b string) int // order of ids within one second
	touched map[int]T             // generated members that were changed or deleted, by index
	own     []T                   // created by the API, in reversed list order, so that a new one comes at the end
	byID    map[string]T          // touched and own
}

func newLedger[T resource](gen series, generate func(i int) T, tie func(a, b string) int) *ledger[T] {
	return &ledger[T]{gen: gen, make: generate, tie: tie, touched: map[int]T{}, byID: map[string]T{}}
}

// ref is a member in a walk: an untouched generated one is only an index.
type ref[T resource] struct {
	index  int // of a generated member, else -1
	stored T
	kept   bool // stored is set
}

// get returns the member, generating it where it was never touched.
func (l *ledger[T]) get(id string) (T, bool) {
	if t, ok := l.byID[id]; ok {
		return t, true
	}
	if i, ok := l.gen.find(id); ok {
		return l.make(i), true
	}
	var none T
	return none, false
}

// touch returns the member to be changed; a generated one is stored from now on.
func (l *ledger[T]) touch(id string) (t T, first, ok bool) {
	if t, ok = l.byID[id]; ok {
		return t, false, true
	}
	i, ok := l.gen.find(id)
	if !ok {
		return t, false, false
	}
	t = l.make(i)
	l.touched[i], l.byID[id] = t, t
	return t, true, true
}

// add stores a new member.
func (l *ledger[T]) add(t T) {
	_, id := t.identity()
	l.byID[id] = t
	at := sort.Search(len(l.own), func(i int) bool { return l.before(l.own[i], t) })
	l.own = slices.Insert(l.own, at, t)
}

// before tells whether a precedes b in a list.
func (l *ledger[T]) before(a, b T) bool {
	ca, ia := a.identity()
	cb, ib := b.identity()
	return l.order(ca, ia, cb, ib) < 0
}

func (l *ledger[T]) order(ca int64, ia string, cb int64, ib string) int {
	return cmp.Or(cmp.Compare(cb, ca), l.tie(ia, ib))
}

// walk yields the members in list order: those after the given one if there is one, and the generated ones only if they
// are wanted.
func (l *ledger[T]) walk(after *T, generated bool) iter.Seq[ref[T]] {
	g, o := 0, len(l.own)-1
	if after != nil {
		g, o = l.position(*after)
	}
	if !generated {
		g = l.gen.n
	}
	return func(yield func(ref[T]) bool) {
		for g < l.gen.n || o >= 0 {
			if g < l.gen.n && (o < 0 || l.genFirst(g, l.own[o])) {
				t, kept := l.touched[g]
				if !yield(ref[T]{index: g, stored: t, kept: kept}) {
					return
				}
				g++
				continue
			}
			if !yield(ref[T]{index: -1, stored: l.own[o], kept: true}) {
				return
			}
			o--
		}
	}
}

func (l *ledger[T]) genFirst(g int, t T) bool {
	created, id := t.identity()
	c := l.gen.created(g)
	if c != created {
		return c > created
	}
	return l.tie(l.gen.id(g), id) < 0
}

// position finds where a walk goes on after t: the next generated index and the next of own.
func (l *ledger[T]) position(t T) (g, o int) {
	created, id := t.identity()
	g = sort.Search(l.gen.n, func(i int) bool {
		c := l.gen.created(i)
		if c != created {
			return c < created
		}
		return l.tie(l.gen.id(i), id) > 0
	})
	o = sort.Search(len(l.own), func(i int) bool {
		c, oid := l.own[i].identity()
		return l.order(c, oid, created, id) <= 0
	}) - 1
	return g, o
}

// at returns the member of a walk, generating it where needed.
func (l *ledger[T]) at(r ref[T]) T {
	if r.kept {
		return r.stored
	}
	return l.make(r.index)
}
