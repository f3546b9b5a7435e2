package jsonx

import (
	"bytes"
	"slices"
)

// Rules says which strings of a document are rewritten. It may be used by several goroutines if its functions may.
type Rules struct {
	// Edit holds, by name of a member, the function that sees every string that is the value of such a member at any
	// depth, or an element of the array that is. It returns false to leave the string as it is spelled.
	Edit map[string]func(string) (string, bool)
	// Opaque names the members whose value is the user's own data and is never looked into, such as "metadata".
	Opaque map[string]bool
}

// Rewrite appends src, edited, to dst. A malformed src is a *SyntaxError, and then dst is returned as it was.
func (r *Rules) Rewrite(dst, src []byte) ([]byte, error) {
	start, _, err := whole(src)
	if err != nil {
		return dst, err
	}
	return r.rewrite(dst, src, start), nil
}

// RewriteRow is Rewrite of a row that Rows.Next has returned, which is well-formed.
func (r *Rules) RewriteRow(dst, row []byte) []byte { return r.rewrite(dst, row, 0) }

func (r *Rules) rewrite(dst, src []byte, start int) []byte {
	w := rewriter{Rules: r, src: src, at: start, dst: dst}
	w.walk(nil, false)
	return append(w.dst, src[w.done:]...)
}

// named looks up the member with that quoted name. The compiler makes no string for the common look-up.
func named[T any](members map[string]T, quoted []byte) T {
	if content, ok := plain(quoted); ok {
		return members[string(content)]
	}
	return members[text(quoted)]
}

// rewriter is one run of Rewrite. The document is known to be well-formed, so it is gone through byte by byte, which takes a
// fraction of the time that a decoder needs: every row of a list and nearly every answer passes here.
type rewriter struct {
	*Rules
	src  []byte
	at   int // where reading has come to
	dst  []byte
	done int // what is before in src is in dst already, edited
}

// walk goes through the value at w.at, to behind it. edit is what applies to strings there, or nil; nothing applies to what is
// opaque.
func (w *rewriter) walk(edit func(string) (string, bool), opaque bool) {
	switch w.src[w.at] {
	case '{':
		for w.next('}') {
			w.member(opaque)
		}
	case '[':
		for w.next(']') {
			w.walk(edit, opaque)
		}
	case '"':
		if raw := w.quoted(); edit != nil {
			w.replace(raw, edit)
		}
	default: // a number, true, false, null
		for w.at < len(w.src) && w.src[w.at] > ' ' && w.src[w.at] != ',' && w.src[w.at] != ']' && w.src[w.at] != '}' {
			w.at++
		}
	}
}

// member goes through a name and its value. The name is looked up only where it can matter: in an object edit has no effect.
func (w *rewriter) member(opaque bool) {
	name := w.quoted()
	w.space()
	w.at++ // the colon
	w.space()
	var edit func(string) (string, bool)
	kind := w.src[w.at]
	if !opaque && (kind == '"' || kind == '[') {
		edit = named(w.Edit, name)
	}
	if edit != nil || kind == '{' || kind == '[' {
		opaque = opaque || named(w.Opaque, name)
	}
	if opaque {
		edit = nil
	}
	w.walk(edit, opaque)
}

// next goes from the beginning of an object or array, or from behind one of what is in it, to the next. It returns false at
// the end, and goes behind that.
func (w *rewriter) next(end byte) bool {
	w.space()
	if w.src[w.at] != end {
		w.at++ // the opening delimiter, or a comma
		w.space()
	}
	if w.src[w.at] == end {
		w.at++
		return false
	}
	return true
}

func (w *rewriter) space() {
	for w.src[w.at] <= ' ' {
		w.at++
	}
}

// quoted returns the string at w.at with its quotes, and goes behind it.
func (w *rewriter) quoted() []byte {
	start := w.at
	for w.at++; ; w.at++ {
		w.at += bytes.IndexByte(w.src[w.at:], '"')
		escapes := 0
		for w.src[w.at-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			w.at++
			return w.src[start:w.at]
		}
	}
}

// replace edits the string raw, which ends at w.at.
func (w *rewriter) replace(raw []byte, edit func(string) (string, bool)) {
	replacement, ok := edit(text(raw))
	if !ok {
		return
	}
	if w.done == 0 {
		w.dst = slices.Grow(w.dst, len(w.src)+len(w.src)/8+len(replacement)) // a server has some more links
	}
	w.dst = Quote(append(w.dst, w.src[w.done:w.at-len(raw)]...), replacement)
	w.done = w.at
}
