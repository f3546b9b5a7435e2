package api

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// view says what of objects a caller gets to see: attributes that are shown at all, that were asked for, and that policy lets
// the caller see whatever the object.
type view struct {
	table *table
	attrs []*attribute
}

// view prepares the rendering of objects for the caller. fields are the names asked for; none means all.
func (c *Call) view(t *table, fields []string) (*view, error) {
	v := &view{table: t}
	for i := range t.attrs {
		a := &t.attrs[i]
		if a.Hidden || fields != nil && !slices.Contains(fields, a.Name) {
			continue
		}
		if a.rule != "" && !a.asksTarget {
			if ok, err := c.allows(a.rule, nil); err != nil {
				return nil, err
			} else if !ok {
				continue
			}
		}
		v.attrs = append(v.attrs, a)
	}
	return v, nil
}

// append renders the object of a target.
func (v *view) append(b []byte, c *Call, on *target) ([]byte, error) {
	b = append(b, '{')
	first := true
	for _, a := range v.attrs {
		if _, has := on.object.Attrs[a.Name]; a.Sparse && !has {
			continue
		}
		if a.asksTarget {
			if ok, err := c.allows(a.rule, on); err != nil {
				return nil, err
			} else if !ok {
				continue
			}
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		var err error
		if b, err = appendValue(append(b, a.member...), v.table.value(on.object, a.Name)); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// timeFormat is how Neutron shows times, in UTC, here with its quotes (neutron/services/timestamp/timestamp_db.py).
const timeFormat = `"2006-01-02T15:04:05Z"`

// appendValue writes a value of JSON, or a time.
func appendValue(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case string:
		return appendString(b, v), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case int:
		return strconv.AppendInt(b, int64(v), 10), nil
	case time.Time:
		return v.UTC().AppendFormat(b, timeFormat), nil
	case []any:
		return appendList(b, v)
	case []string:
		return appendList(b, v)
	case map[string]any:
		return appendMap(b, v)
	}
	return appendOther(b, v)
}

func appendList[T any](b []byte, list []T) ([]byte, error) {
	b = append(b, '[')
	for i, item := range list {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = appendValue(b, item); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

// appendMap writes members in the order of their names, so that an answer is the same each time.
func appendMap(b []byte, m map[string]any) ([]byte, error) {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	b = append(b, '{')
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = appendValue(append(appendString(b, name), ':'), m[name]); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// appendString writes a string; those without anything to escape, which is nearly all, as they are.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			out, err := appendOther(b, s)
			if err != nil { // no string fails
				return append(b, `""`...)
			}
			return out
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

func appendOther(b []byte, v any) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return append(b, bytes.TrimRight(buffer.Bytes(), "\n")...), nil
}
