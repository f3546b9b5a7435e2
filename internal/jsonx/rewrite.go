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
type Rules[C any] map[string]Rule[C]

// Rewrite appends src, edited, to dst. A malformed src is a *SyntaxError, and then dst is returned as it was.
func (r Rules[C]) Rewrite(context C, dst, src []byte) ([]byte, error) {
	start, _, err := whole(src)
	if err != nil {
		return dst, err
	}
	return r.rewrite(context, dst, src, start), nil
}

// RewriteRow is Rewrite of a row that Rows.Next has returned, which is well-formed.
func (r Rules[C]) RewriteRow(context C, dst, row []byte) []byte {
	return r.rewrite(context, dst, row, 0)
}

func (r Rules[C]) rewrite(context C, dst, src []byte, start int) []byte {
	w := rewriter[C]{walker: walker{src: src, at: start}, rules: r, context: context, dst: dst}
	w.walk(Rule[C]{})
	return append(w.dst, src[w.done:]...)
}

// rewriter is one run of Rewrite.
type rewriter[C any] struct {
	walker
	rules   Rules[C]
	context C
	dst     []byte
	done    int // what is before in src is in dst already, edited
}

// rule looks up the member with that quoted name. The compiler makes no string for the common look-up.
func (w *rewriter[C]) rule(quoted []byte) Rule[C] {
	if name, ok := literal(quoted); ok {
		return w.rules[string(name)]
	}
	return w.rules[text(quoted)]
}

// walk goes through the value at w.at, to behind it. In an object the rule has no effect, unless it is opaque.
func (w *rewriter[C]) walk(rule Rule[C]) {
	if rule.Opaque {
		w.skip()
		return
	}
	start := w.at
	switch w.src[w.at] {
	case '{':
		for w.next('}') {
			w.walk(w.rule(w.name()))
		}
	case '[':
		for w.next(']') {
			w.walk(rule)
		}
	case '"':
		if raw := w.quoted(); rule.String != nil {
			w.string(raw, rule)
		}
	default: // a number, true, false, null
		if w.scalar(); rule.Integer != nil {
			w.integer(w.src[start:w.at], rule)
		}
	}
}

// string edits the string raw, which ends at w.at.
func (w *rewriter[C]) string(raw []byte, rule Rule[C]) {
	if replacement, ok := rule.String(w.context, text(raw)); ok {
		w.copyTo(w.at-len(raw), len(replacement))
		w.dst = Quote(w.dst, replacement)
	}
}

// integer edits the number raw, or what else stands in its place, which ends at w.at.
func (w *rewriter[C]) integer(raw []byte, rule Rule[C]) {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		return // null, a fraction, or too large for what the rule is about
	}
	if replacement, ok := rule.Integer(w.context, n); ok {
		w.copyTo(w.at-len(raw), 2*len(raw))
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
