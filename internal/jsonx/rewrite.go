package jsonx

import "slices"

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
	s := scan(src)
	defer s.release()
	w := rewriter{Rules: r, scanner: s, dst: dst}
	if err := w.walk(nil); err != nil {
		return dst, err
	}
	if err := s.finish(); err != nil {
		return dst, err
	}
	return append(w.dst, src[w.done:]...), nil
}

// named looks up the member with that quoted name. The compiler makes no string for the common look-up.
func named[T any](members map[string]T, quoted []byte) T {
	if content, ok := plain(quoted); ok {
		return members[string(content)]
	}
	return members[text(quoted)]
}

// rewriter is one run of Rewrite. The bytes of src before done are in dst already, edited.
type rewriter struct {
	*Rules
	*scanner
	dst  []byte
	done int
}

// walk goes through the next value; edit is what applies to strings there, or nil.
func (w *rewriter) walk(edit func(string) (string, bool)) error {
	switch w.dec.PeekKind() {
	case '{':
		return w.object()
	case '[':
		return w.array(edit)
	case '"':
		return w.string(edit)
	default:
		_, _, _, err := w.value()
		return err
	}
}

func (w *rewriter) object() error {
	if err := w.token(); err != nil {
		return err
	}
	for w.dec.PeekKind() != '}' {
		name, _, _, err := w.value()
		if err != nil {
			return err
		}
		if named(w.Opaque, name) {
			_, _, _, err = w.value()
		} else {
			err = w.walk(named(w.Edit, name))
		}
		if err != nil {
			return err
		}
	}
	return w.token()
}

func (w *rewriter) array(edit func(string) (string, bool)) error {
	if err := w.token(); err != nil {
		return err
	}
	for w.dec.PeekKind() != ']' {
		if err := w.walk(edit); err != nil {
			return err
		}
	}
	return w.token()
}

func (w *rewriter) string(edit func(string) (string, bool)) error {
	raw, start, end, err := w.value()
	if err != nil || edit == nil {
		return err
	}
	replacement, ok := edit(text(raw))
	if !ok {
		return nil
	}
	if w.done == 0 {
		w.dst = slices.Grow(w.dst, len(w.src)+len(replacement))
	}
	w.dst = Quote(append(w.dst, w.src[w.done:start]...), replacement)
	w.done = end
	return nil
}
