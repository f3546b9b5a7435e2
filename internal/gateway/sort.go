package gateway

import (
	"cmp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tricircle/tricircle/internal/jsonx"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/routing"
)

// Kind says how the values of a sort key compare.
type Kind int

// The kinds of sort keys.
const (
	Text   Kind = iota // without regard to case, as MySQL's collations do
	Time               // in any of the services' spellings
	Number             // numbers and booleans
)

// SortKey is one key of a list's order.
type SortKey struct {
	Path []string // of the value in a row; nil when rows do not show it: then pods come one after another
	Kind Kind
	Desc bool
}

// value is what a row has for a sort key. The zero value is what a member stands for that a row does not show, such as the progress
// of a server at rest.
type value struct {
	null   nulls
	text   string
	number float64
}

// nulls says whether a value is null, and where nulls come in ascending order.
type nulls int8

const (
	nullFirst nulls = iota - 1 // as in MySQL
	notNull
	nullLast // as in PostgreSQL
)

func (k SortKey) parse(raw []byte, null nulls) value {
	switch {
	case raw == nil:
		return value{}
	case string(raw) == "null":
		return value{null: null}
	}
	text, isText := jsonx.Text(raw)
	switch {
	case k.Kind == Time:
		return timeValue(routing.ParseTime(text))
	case k.Kind == Number:
		return value{number: number(string(raw))}
	case isText:
		return value{text: strings.ToLower(text)}
	}
	return value{text: string(raw)}
}

func timeValue(t time.Time) value {
	if t.IsZero() {
		return value{}
	}
	return value{number: float64(t.UnixMicro())}
}

func number(s string) float64 {
	if s == "true" {
		return 1
	}
	n, _ := strconv.ParseFloat(s, 64)
	return n
}

func (v value) compare(w value) int {
	return cmp.Or(cmp.Compare(v.null, w.null), cmp.Compare(v.number, w.number), cmp.Compare(v.text, w.text))
}

// compare orders two rows by the list's keys, and equal ones by their pods.
func (m *merger) compare(a, b *row) int {
	for i, k := range m.q.Keys {
		if k.Path == nil {
			break
		}
		order := a.keys[i].compare(b.keys[i])
		if k.Desc {
			order = -order
		}
		if order != 0 {
			return order
		}
	}
	return cmp.Compare(a.order, b.order)
}

// nullOrders remembers which pods sort nulls last. No API tells what database a pod has, but the order of its rows does, as soon as
// it shows a null next to a value; until then nulls are taken to come first. Each process learns for itself. While one does not
// know yet, lists of that pod by a key with nulls are not quite in order, and bare markers that are null may miss their place.
type nullOrders struct{ last sync.Map } // of pod numbers

func (n *nullOrders) of(p *pod.Pod) nulls {
	if _, last := n.last.Load(p.Num); last {
		return nullLast
	}
	return nullFirst
}

// observe looks at two neighbours in a pod's list. When they show that nulls come last it says so, and puts those of the later row
// right.
func (n *nullOrders) observe(p *pod.Pod, keys []SortKey, earlier, later *row) {
	for i, k := range keys {
		a, b := earlier.keys[i], later.keys[i]
		if k.Path == nil || a.null == nullLast || b.null == nullLast {
			return
		}
		if a == b {
			continue
		}
		if k.Desc {
			a, b = b, a
		}
		if a.null == notNull && b.null == nullFirst {
			n.last.Store(p.Num, struct{}{})
			later.nullsLast()
		}
		return
	}
}

func (r *row) nullsLast() {
	for i := range r.keys {
		if r.keys[i].null != notNull {
			r.keys[i].null = nullLast
		}
	}
}

// heap keeps streams with the smallest head on top. It is container/heap without the interfaces, for one type.
type heap struct {
	less func(a, b *stream) bool
	s    []*stream
}

func (h *heap) len() int     { return len(h.s) }
func (h *heap) top() *stream { return h.s[0] }

func (h *heap) push(s *stream) {
	h.s = append(h.s, s)
	for i := len(h.s) - 1; i > 0; {
		parent := (i - 1) / 2
		if !h.less(h.s[i], h.s[parent]) {
			return
		}
		h.s[i], h.s[parent] = h.s[parent], h.s[i]
		i = parent
	}
}

// fixTop restores the order after the top has moved on, or removes it when it is at its end.
func (h *heap) fixTop(ended bool) {
	if ended {
		last := len(h.s) - 1
		h.s[0] = h.s[last]
		h.s = h.s[:last]
	}
	for i := 0; ; {
		child := 2*i + 1
		if child >= len(h.s) {
			return
		}
		if right := child + 1; right < len(h.s) && h.less(h.s[right], h.s[child]) {
			child = right
		}
		if !h.less(h.s[child], h.s[i]) {
			return
		}
		h.s[i], h.s[child] = h.s[child], h.s[i]
		i = child
	}
}
