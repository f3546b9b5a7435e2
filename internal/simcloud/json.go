package simcloud

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"
)

// doc is a JSON text under construction, spaced as Python's json.dumps spaces it. Commas come by themselves: a value
// that follows neither an opening bracket nor a key gets one. Documents are appended rather than marshalled since lists
// of thousands of servers are what the simulator is asked for most.
type doc []byte

func (d *doc) sep() {
	if n := len(*d); n > 0 {
		switch (*d)[n-1] {
		case '{', '[', ' ':
		default:
			*d = append(*d, ", "...)
		}
	}
}

func (d *doc) key(k string) {
	d.sep()
	*d = append(append(append(*d, '"'), k...), `": `...)
}

func (d *doc) open(c byte) { d.sep(); *d = append(*d, c) }

// obj opens an object, arr an array; with a key they are members of the object around them.
func (d *doc) obj(keys ...string) { d.keys(keys); d.open('{') }
func (d *doc) arr(keys ...string) { d.keys(keys); d.open('[') }
func (d *doc) endObj()            { *d = append(*d, '}') }
func (d *doc) endArr()            { *d = append(*d, ']') }

func (d *doc) keys(keys []string) {
	for _, k := range keys {
		d.key(k)
	}
}

// raw appends JSON as it is.
func (d *doc) raw(k, v string) { d.key(k); *d = append(*d, v...) }
func (d *doc) null(k string)   { d.raw(k, "null") }

func (d *doc) str(k, v string) { d.key(k); d.quote(v) }

// quote appends v as a JSON string.
func (d *doc) quote(v string) {
	d.sep()
	for i := range len(v) {
		if c := v[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			// A string always marshals.
			q, _ := json.Marshal(v)
			*d = append(*d, q...)
			return
		}
	}
	*d = append(append(append(*d, '"'), v...), '"')
}

// orNull writes null for an empty string.
func (d *doc) orNull(k, v string) {
	if v == "" {
		d.null(k)
		return
	}
	d.str(k, v)
}

func (d *doc) num(k string, v int)   { d.key(k); *d = strconv.AppendInt(*d, int64(v), 10) }
func (d *doc) yes(k string, v bool)  { d.key(k); *d = strconv.AppendBool(*d, v) }
func (d *doc) value(k string, v any) { d.key(k); *d = append(*d, encode(v)...) }
func (d *doc) strs(k string, v []string) {
	d.arr(k)
	for _, s := range v {
		d.quote(s)
	}
	d.endArr()
}

func (d *doc) pairs(k string, m map[string]string) {
	d.obj(k)
	for _, n := range slices.Sorted(maps.Keys(m)) {
		d.quote(n)
		*d = append(*d, ": "...)
		d.quote(m[n])
	}
	d.endObj()
}

// Times: Nova and Neutron end them with Z and whole seconds, elsewhere they carry six digits. The zero time is null.
func (d *doc) time(k string, t time.Time, layout string) {
	if t.IsZero() {
		d.null(k)
		return
	}
	d.key(k)
	*d = append(*d, '"')
	*d = t.UTC().AppendFormat(*d, layout)
	*d = append(*d, '"')
}

const (
	zulu  = "2006-01-02T15:04:05Z"
	micro = "2006-01-02T15:04:05.000000"
)

// link appends one entry of a "links" list.
func (d *doc) link(rel string, href ...string) {
	d.obj()
	d.str("rel", rel)
	d.key("href")
	*d = append(*d, '"')
	for _, h := range href {
		*d = append(*d, h...)
	}
	*d = append(*d, '"')
	d.endObj()
}

// encode marshals what always marshals: values made of strings, numbers, maps and slices.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return []byte("null")
	}
	return b
}
