package jsonx

import "errors"

// Join says what comes to stand at a place of a document, given as member names, where it has the raw value a and another
// document has b. Nil leaves a as it is. a is nil where the document has an object without that member. path is good until Join
// returns.
type Join func(path []string, a, b []byte) []byte

// Combine returns a copy of the document a into which the document b is worked. Where both have an object it goes on to the
// members, in the order of a and then of b; about all other values of b it asks join. A malformed a or b, or value from join, is
// a *SyntaxError.
func Combine(a, b []byte, join Join) ([]byte, error) {
	out, err := join.values(nil, a, b)
	if err == nil {
		_, _, err = whole(out)
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (join Join) values(path []string, a, b []byte) ([]byte, error) {
	mine, object, err := members(a)
	theirs, other, otherErr := members(b)
	switch {
	case err != nil || otherErr != nil:
		return nil, errors.Join(err, otherErr)
	case !object.is || !other.is:
		if joined := join(path, a, b); joined != nil {
			return joined, nil
		}
		return a, nil
	}
	values := make(map[string][]byte, len(theirs)) // of b; what is in out already is nil
	for _, m := range theirs {
		values[text(m.name)] = b[m.value:m.end]
	}
	var out []byte
	done := 0
	at := append(path[:len(path):len(path)], "")
	for _, m := range mine {
		name := text(m.name)
		at[len(path)] = name
		if values[name] == nil {
			continue
		}
		joined, err := join.values(at, a[m.value:m.end], values[name])
		if err != nil {
			return nil, err
		}
		out = append(append(out, a[done:m.value]...), joined...)
		done = m.end
	}
	for _, m := range mine {
		values[text(m.name)] = nil
	}
	out = append(out, a[done:object.last]...)
	comma := len(mine) > 0
	for _, m := range theirs {
		name := text(m.name)
		at[len(path)] = name
		if values[name] == nil {
			continue
		}
		if added := join(at, nil, values[name]); added != nil {
			out = append(out, wrap(added, at[len(path):], comma)...)
			comma = true
		}
		values[name] = nil
	}
	return append(out, a[object.last:]...), nil
}

// members lists the members of the object that src is, if it is one.
func members(src []byte) ([]member, object, error) {
	var all []member
	o, err := objectOf(src, func(m member) { all = append(all, m) })
	return all, o, err
}
