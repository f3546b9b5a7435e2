package jsonx

import (
	"errors"
	"slices"
)

// member is a member of an object, by its places in the document.
type member struct {
	name       []byte // quoted, as spelled
	start      int    // of the name
	value, end int    // of the value
}

// object is what objectOf found in a document.
type object struct {
	is         bool // the document is an object; otherwise the rest is zero
	open, last int  // behind the opening brace; behind the last member, or the brace if there is none
}

// objectOf goes through the whole document src and calls visit for each member of the object that it is, if it is one.
func objectOf(src []byte, visit func(member)) (object, error) {
	s := scan(src)
	defer s.release()
	if s.dec.PeekKind() != '{' {
		if _, _, _, err := s.value(); err != nil {
			return object{}, err
		}
		return object{}, s.finish()
	}
	if err := s.token(); err != nil {
		return object{}, err
	}
	o := object{is: true, open: s.offset(), last: s.offset()}
	for s.dec.PeekKind() != '}' {
		var m member
		var err error
		if m.name, m.start, _, err = s.value(); err != nil {
			return object{}, err
		}
		if _, m.value, m.end, err = s.value(); err != nil {
			return object{}, err
		}
		visit(m)
		o.last = m.end
	}
	if err := s.token(); err != nil {
		return object{}, err
	}
	return o, s.finish()
}

// find returns the member of that name; the last one if there are several, found is false if there is none.
func find(src []byte, name string) (m member, found bool, o object, err error) {
	o, err = objectOf(src, func(each member) {
		if is(each.name, name) {
			m, found = each, true
		}
	})
	return m, found, o, err
}

// whole returns the place of the value in src, without the white space around it.
func whole(src []byte) (start, end int, err error) {
	s := scan(src)
	defer s.release()
	if _, start, end, err = s.value(); err != nil {
		return 0, 0, err
	}
	return start, end, s.finish()
}

// Get returns the raw value at a path of member names, as a part of src. ok is false if there is none, be it that the
// path leads into something that is not an object. The empty path is the whole document.
func Get(src []byte, path ...string) (raw []byte, ok bool, err error) {
	if len(path) == 0 {
		start, end, err := whole(src)
		return src[start:end], err == nil, err
	}
	raw = src
	for _, name := range path {
		m, found, _, err := find(raw, name)
		if err != nil || !found {
			return nil, false, err
		}
		raw = raw[m.value:m.end]
	}
	return raw, true, nil
}

// String returns the string at a path of member names. ok is false if there is none, or src is malformed.
func String(src []byte, path ...string) (s string, ok bool) {
	raw, ok, err := Get(src, path...)
	if err != nil || !ok {
		return "", false
	}
	return Text(raw)
}

// Text returns the string that a raw value, as Get and Fields return it, stands for. ok is false if it is not a string.
func Text(raw []byte) (s string, ok bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	return text(raw), true
}

// Elements returns the raw elements of an array, as parts of src. ok is false if src is malformed or no array.
func Elements(src []byte) (elements [][]byte, ok bool) {
	s := scan(src)
	defer s.release()
	if s.dec.PeekKind() != '[' || s.token() != nil {
		return nil, false
	}
	for s.dec.PeekKind() != ']' {
		raw, _, _, err := s.value()
		if err != nil {
			return nil, false
		}
		elements = append(elements, raw)
	}
	if s.token() != nil || s.finish() != nil {
		return nil, false
	}
	return elements, true
}

// FirstKey returns the name of the first member of an object: what a server action is called by, in {"os-start": null}.
// A document that is not an object, or an empty one, is a *SyntaxError.
func FirstKey(src []byte) (string, error) {
	var names [][]byte
	o, err := objectOf(src, func(m member) {
		if names == nil {
			names = append(names, m.name)
		}
	})
	switch {
	case err != nil:
		return "", err
	case !o.is || names == nil:
		return "", misshapen(0, "want an object with a member")
	}
	return text(names[0]), nil
}

// Set returns a copy of src in which the value at a path of member names is the raw value. What the path lacks is added
// behind the last member of the object that lacks it. A path that leads into something that is not an object, and a
// malformed src or value, are a *SyntaxError.
func Set(src, value []byte, path ...string) ([]byte, error) {
	if _, _, err := whole(value); err != nil {
		return nil, err
	}
	start, end := 0, len(src)
	if len(path) == 0 {
		var err error
		if start, end, err = whole(src); err != nil {
			return nil, err
		}
	}
	for i, name := range path {
		m, found, o, err := find(src[start:end], name)
		switch {
		case err != nil:
			return nil, err
		case !o.is:
			return nil, misshapen(int64(start), "want an object with %q", name)
		case !found:
			at := start + o.last
			return splice(src, at, at, wrap(value, path[i:], o.last > o.open)), nil
		}
		start, end = start+m.value, start+m.end
	}
	return splice(src, start, end, value), nil
}

// wrap spells value as a member named path[0], inside which it is at the rest of path; after a comma if others precede.
func wrap(value []byte, path []string, comma bool) []byte {
	var b []byte
	if comma {
		b = append(b, ',')
	}
	for i, name := range path {
		if i > 0 {
			b = append(b, '{')
		}
		b = append(Quote(b, name), ':')
	}
	b = append(b, value...)
	for range len(path) - 1 {
		b = append(b, '}')
	}
	return b
}

func splice(src []byte, start, end int, insert []byte) []byte {
	return slices.Concat(src[:start], insert, src[end:])
}

// Delete returns a copy of src without the member at a path of member names, nor its namesakes. If there is none it
// returns src itself.
func Delete(src []byte, path ...string) ([]byte, error) {
	if len(path) == 0 {
		return nil, errors.New("delete a JSON member: empty path")
	}
	parent, name := path[:len(path)-1], path[len(path)-1]
	raw, ok, err := Get(src, parent...)
	if err != nil || !ok {
		return src, err
	}
	if _, found, _, err := find(raw, name); err != nil || !found {
		return src, err
	}
	return Set(src, filter(nil, raw, func(m member) bool { return !is(m.name, name) }), parent...)
}
