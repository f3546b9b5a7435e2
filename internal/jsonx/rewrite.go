package jsonx

import (
	"slices"
	"strconv"
)

// Rule says what is changed in the value of a member. Its functions get what the caller of Rewrite gave as context, and return
// false to leave a value as it is spelled. The zero Rule changes nothing.
type Rule[C any] struct {
	// Opaque: the value is the user's own data and is never looked into, such as "metadata".
	Opaque bool
	// String sees the value if it is a string, or the strings of the array that it is.
	String func(C, string) (string, bool)
	// Integer sees it likewise if it is a number without fraction or exponent that fits.
	Integer func(C, int64) (int64, bool)
}

// Rules holds rules by the names of the members, at any depth, that they apply to. It may be used by several goroutines if its
// functions may. To make one takes time; a Rewrite allocates for its edits only.
type Rules[C any] struct {
	byName map[string]*Rule[C]
	likely [256]uint64 // by the first byte of a name, a bit for each length: most names are not looked up
}

// NewRules makes rules of those that are given by name.
func NewRules[C any](byName map[string]Rule[C]) *Rules[C] {
	r := &Rules[C]{byName: make(map[string]*Rule[C], len(byName))}
	for name, rule := range byName {
		r.byName[name] = &rule
		r.likely[initial([]byte(name))] |= 1 << (len(name) % 64)
	}
	return r
}

func initial(name []byte) byte {
	if len(name) == 0 {
		return 0
	}
	return name[0]
}

// of returns the rule for the member with that quoted name, or nil. The compiler makes no string for the common look-up.
func (r *Rules[C]) of(quoted []byte, escaped bool) *Rule[C] {
	switch {
	case r == nil: // inside of what is opaque
		return nil
	case escaped:
		return r.byName[text(quoted)]
	}
	name := quoted[1 : len(quoted)-1]
	if r.likely[initial(name)]&(1<<(len(name)%64)) == 0 {
		return nil
	}
	return r.byName[string(name)]
}

// Rewrite appends src, edited, to dst. A malformed src is a *SyntaxError, and then dst is returned as it was.
func (r *Rules[C]) Rewrite(context C, dst, src []byte) ([]byte, error) {
	w := rewriter[C]{checker: checker{src: src}, rules: r, context: context, dst: dst}
	if w.document() {
		return append(w.dst, src[w.done:]...), nil
	}
	if _, _, err := whole(src); err != nil {
		return dst, err
	}
	return dst, misshapen(int64(w.at), "not understood")
}

// RewriteRow is Rewrite of a row that Rows.Next has returned, which is well-formed.
func (r *Rules[C]) RewriteRow(context C, dst, row []byte) []byte {
	edited, err := r.Rewrite(context, dst, row)
	if err != nil {
		return append(dst, row...)
	}
	return edited
}

// rewriter is one run of Rewrite: it checks, looks for what has a rule, and copies what lies between edits, in one go.
type rewriter[C any] struct {
	checker
	rules   *Rules[C]
	context C
	dst     []byte
	done    int // what is before in src is in dst already, edited
}

// document goes through all of src; false if that is malformed.
func (w *rewriter[C]) document() bool {
	w.space()
	if !w.walk(nil, maxNesting) {
		return false
	}
	w.space()
	return w.at == len(w.src)
}

// walk goes through the value at w.at, to behind it; false if it is malformed. In an object the rule has no effect, unless it is
// opaque.
func (w *rewriter[C]) walk(rule *Rule[C], depth int) bool {
	if rule != nil && rule.Opaque {
		all := w.rules
		w.rules = nil
		defer func() { w.rules = all }()
		rule = nil
	}
	start := w.at
	switch w.peek() {
	case '{':
		return w.inside('}', nil, depth)
	case '[':
		return w.inside(']', rule, depth)
	case '"':
		if _, ok := w.quoted(); !ok {
			return false
		}
		if rule != nil && rule.String != nil {
			w.string(start, rule)
		}
	default:
		if !w.scalar() {
			return false
		}
		if rule != nil && rule.Integer != nil {
			w.integer(start, rule)
		}
	}
	return true
}

// inside goes through the object or array at w.at. The elements of an array have the rule of the array.
func (w *rewriter[C]) inside(end byte, rule *Rule[C], depth int) bool {
	if depth == 0 {
		return false
	}
	w.at++
	w.space()
	if w.peek() == end {
		w.at++
		return true
	}
	for {
		if end == '}' {
			name, escaped, ok := w.name()
			if !ok {
				return false
			}
			rule = w.rules.of(name, escaped)
		}
		if !w.walk(rule, depth-1) {
			return false
		}
		w.space()
		switch w.peek() {
		case ',':
			w.at++
			w.space()
		case end:
			w.at++
			return true
		default:
			return false
		}
	}
}

// string edits the string that begins at start and ends at w.at.
func (w *rewriter[C]) string(start int, rule *Rule[C]) {
	if replacement, ok := rule.String(w.context, text(w.src[start:w.at])); ok {
		w.copyTo(start, len(replacement))
		w.dst = Quote(w.dst, replacement)
	}
}

// integer edits the number, or what else stands in its place, that begins at start and ends at w.at.
func (w *rewriter[C]) integer(start int, rule *Rule[C]) {
	n, err := strconv.ParseInt(string(w.src[start:w.at]), 10, 64)
	if err != nil {
		return // null, a fraction, or too large for what the rule is about
	}
	if replacement, ok := rule.Integer(w.context, n); ok {
		w.copyTo(start, 2*(w.at-start))
		w.dst = strconv.AppendInt(w.dst, replacement, 10)
	}
}

// copyTo copies what is in front of an edit of what begins at start and ends at w.at; the first one makes room for all of the
// document.
func (w *rewriter[C]) copyTo(start, edit int) {
	if w.done == 0 {
		w.dst = slices.Grow(w.dst, len(w.src)+len(w.src)/8+edit) // a server has some more links
	}
	w.dst = append(w.dst, w.src[w.done:start]...)
	w.done = w.at
}
