package jsonx

import (
	"bytes"
	"slices"
)

// walker goes through a document that is known to be well-formed, byte by byte, which takes a fraction of the time that a decoder
// needs: every row of a list and nearly every answer passes here.
type walker struct {
	src []byte
	at  int // where reading has come to
}

// next goes from the beginning of an object or array, or from behind one of what is in it, to the next. It returns false at
// the end, and goes behind that.
func (w *walker) next(end byte) bool {
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

func (w *walker) space() {
	for w.src[w.at] <= ' ' {
		w.at++
	}
}

// name returns the name of the member at w.at with its quotes, and goes to its value.
func (w *walker) name() []byte {
	name := w.quoted()
	w.space()
	w.at++ // the colon
	w.space()
	return name
}

// quoted returns the string at w.at with its quotes, and goes behind it.
func (w *walker) quoted() []byte {
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

// scalar goes behind a number, true, false or null.
func (w *walker) scalar() {
	for w.at < len(w.src) && w.src[w.at] > ' ' && w.src[w.at] != ',' && w.src[w.at] != ']' && w.src[w.at] != '}' {
		w.at++
	}
}

// skip goes behind the value at w.at.
func (w *walker) skip() {
	for depth := 0; ; {
		switch w.src[w.at] {
		case '{', '[':
			depth++
			w.at++
		case '}', ']':
			depth--
			w.at++
		case '"':
			w.quoted()
		case ',', ':', ' ', '\t', '\r', '\n':
			w.at++
			continue // what ends a value is not one
		default:
			w.scalar()
		}
		if depth == 0 {
			return
		}
	}
}

// membersOf calls visit for each member of the object that src, which is known to be well-formed, is, if it is one.
func membersOf(src []byte, visit func(member)) {
	if src[0] != '{' {
		return
	}
	for w := (walker{src: src}); w.next('}'); {
		m := member{start: w.at}
		m.name = w.name()
		m.value = w.at
		w.skip()
		m.end = w.at
		visit(m)
	}
}

// Fields reads the raw values at several paths in a row, such as its sort keys. It appends them to dst in the order of paths, as
// parts of row, nil for what is not there. The row is one that Rows.Next has returned, or other JSON that is known to be
// well-formed, without white space before it.
func Fields(dst [][]byte, row []byte, paths [][]string) [][]byte {
	first := len(dst)
	dst = append(dst, make([][]byte, len(paths))...)
	membersOf(row, func(m member) {
		name, ok := literal(m.name)
		if !ok {
			name = []byte(text(m.name))
		}
		for i, path := range paths {
			if len(path) == 0 || string(name) != path[0] {
				continue
			}
			raw := row[m.value:m.end]
			if len(path) > 1 {
				raw = Fields(nil, raw, [][]string{path[1:]})[0]
			}
			dst[first+i] = raw
		}
	})
	return dst
}

// Keep appends to dst the object row, of which the same must be known as for Fields, with only those of its members that are named,
// in their order in row: the summary form of a row. A row that is not an object is appended as it is.
func Keep(dst, row []byte, names ...string) []byte {
	return filter(dst, row, func(m member) bool {
		return slices.ContainsFunc(names, func(name string) bool { return is(m.name, name) })
	})
}

// filter appends to dst the object src with the members that keep accepts, each with the white space that it had.
func filter(dst, src []byte, keep func(member) bool) []byte {
	done, kept := 0, false
	membersOf(src, func(m member) {
		if done == 0 {
			dst = append(dst, src[:m.start]...)
			done = m.start
		}
		switch {
		case !keep(m):
		case kept:
			dst = append(dst, src[done:m.end]...) // with the comma before it
		default:
			dst = append(dst, src[m.start:m.end]...)
			kept = true
		}
		done = m.end
	})
	return append(dst, src[done:]...)
}

// literal returns what is between the quotes of a name, and whether no part of it is spelled otherwise. What is not UTF-8 in it
// stands for something else, but not for a name that anybody asks for.
func literal(quoted []byte) ([]byte, bool) {
	content := quoted[1 : len(quoted)-1]
	return content, bytes.IndexByte(content, '\\') < 0
}
