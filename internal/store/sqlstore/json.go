package sqlstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// jsonNames are names of members that were read before: the objects of a list have the same ones.
//
// It reads what encoding/json has written, in less than half of its time, which is most of what a list costs.
type jsonNames map[string]string

// decode reads an object. Whole numbers become int64, which a float64 would round; others become float64.
func (n jsonNames) decode(text []byte) (map[string]any, error) {
	r := jsonReader{text: text, names: n}
	value, err := r.value()
	if err != nil {
		return nil, fmt.Errorf("JSON, byte %d: %w", r.at, err)
	}
	object, ok := value.(map[string]any)
	if r.skipSpace(); !ok || r.at < len(text) {
		return nil, errNotObject
	}
	return object, nil
}

var (
	errNotObject = errors.New("want one JSON object")
	errSyntax    = errors.New("not valid")
)

type jsonReader struct {
	text  []byte
	at    int
	names jsonNames
}

func (r *jsonReader) skipSpace() {
	for r.at < len(r.text) && (r.text[r.at] == ' ' || r.text[r.at] == '\n' || r.text[r.at] == '\t' || r.text[r.at] == '\r') {
		r.at++
	}
}

// next returns the next byte that is no space, 0 at the end, and passes it if it is one of those.
func (r *jsonReader) next(pass ...byte) byte {
	r.skipSpace()
	if r.at == len(r.text) {
		return 0
	}
	c := r.text[r.at]
	if bytes.IndexByte(pass, c) >= 0 {
		r.at++
	}
	return c
}

func (r *jsonReader) value() (any, error) {
	switch c := r.next('{', '['); c {
	case '{':
		return r.object()
	case '[':
		return r.array()
	case '"':
		text, err := r.quoted()
		if err != nil {
			return nil, err
		}
		return text.String()
	case 't':
		return true, r.word("true")
	case 'f':
		return false, r.word("false")
	case 'n':
		return nil, r.word("null")
	default:
		return r.number()
	}
}

func (r *jsonReader) word(w string) error {
	if !bytes.HasPrefix(r.text[r.at:], []byte(w)) {
		return errSyntax
	}
	r.at += len(w)
	return nil
}

func (r *jsonReader) object() (any, error) {
	size := 2 // of most that are inside of another
	if r.at == 1 {
		size = 32
	}
	object := make(map[string]any, size)
	if r.next('}') == '}' {
		return object, nil
	}
	for {
		r.skipSpace()
		quoted, err := r.quoted()
		if err != nil {
			return nil, err
		}
		name, err := r.name(quoted)
		if err != nil {
			return nil, err
		}
		if r.next(':') != ':' {
			return nil, errSyntax
		}
		if object[name], err = r.value(); err != nil {
			return nil, err
		}
		switch r.next(',', '}') {
		case '}':
			return object, nil
		case ',':
		default:
			return nil, errSyntax
		}
	}
}

// name returns the text of a name, the same string each time.
func (r *jsonReader) name(q jsonString) (string, error) {
	if known, ok := r.names[string(q)]; ok {
		return known, nil
	}
	name, err := q.String()
	if err == nil {
		r.names[string(q)] = name
	}
	return name, err
}

func (r *jsonReader) array() (any, error) {
	array := []any{}
	if r.next(']') == ']' {
		return array, nil
	}
	for {
		value, err := r.value()
		if err != nil {
			return nil, err
		}
		array = append(array, value)
		switch r.next(',', ']') {
		case ']':
			return array, nil
		case ',':
		default:
			return nil, errSyntax
		}
	}
}

// jsonString is a string with its quotes.
type jsonString []byte

// quoted returns the string that begins here.
func (r *jsonReader) quoted() (jsonString, error) {
	from := r.at
	if from == len(r.text) || r.text[from] != '"' {
		return nil, errSyntax
	}
	for r.at++; r.at < len(r.text); r.at++ {
		switch r.text[r.at] {
		case '"':
			r.at++
			return r.text[from:r.at], nil
		case '\\':
			r.at++
		}
	}
	return nil, errSyntax
}

// String returns what the string says. What is escaped is left to encoding/json, and so is what is no ASCII, which might be invalid.
func (q jsonString) String() (text string, err error) {
	inner := q[1 : len(q)-1]
	for _, c := range inner {
		if c == '\\' || c < ' ' || c >= 0x80 {
			err = json.Unmarshal(q, &text)
			return text, err
		}
	}
	return string(inner), nil
}

func (r *jsonReader) number() (any, error) {
	from := r.at
	for r.at < len(r.text) && bytes.IndexByte([]byte("+-.0123456789Ee"), r.text[r.at]) >= 0 {
		r.at++
	}
	text := r.text[from:r.at]
	if !json.Valid(text) { // strconv knows more forms
		return nil, errSyntax
	}
	if whole, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		return whole, nil
	}
	return strconv.ParseFloat(string(text), 64)
}
