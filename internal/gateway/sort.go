package gateway

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/tricircle/tricircle/internal/jsonx"
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

// value is what a row has for a sort key. The zero value is null, which sorts first ascending, as in MySQL.
type value struct {
	present bool
	text    string
	number  float64
}

func (k SortKey) parse(raw []byte) value {
	text, isText := jsonx.Text(raw)
	switch {
	case raw == nil || string(raw) == "null":
		return value{}
	case k.Kind == Time:
		t := routing.ParseTime(text)
		if t.IsZero() {
			return value{}
		}
		return value{present: true, number: float64(t.UnixMicro())}
	case k.Kind == Number:
		return value{present: true, number: number(string(raw))}
	case isText:
		return value{present: true, text: strings.ToLower(text)}
	}
	return value{present: true, text: string(raw)}
}

func number(s string) float64 {
	if s == "true" {
		return 1
	}
	n, _ := strconv.ParseFloat(s, 64)
	return n
}

func (v value) compare(w value) int {
	switch {
	case v.present != w.present && w.present:
		return -1
	case v.present != w.present:
		return 1
	}
	return cmp.Or(cmp.Compare(v.number, w.number), cmp.Compare(v.text, w.text))
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
