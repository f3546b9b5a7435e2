package jsonx

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func TestGet(t *testing.T) {
	const doc = ` {"server": {"id": "u", "n": 1.0, "image": "", "image": {"id": "i"}, "x\u0079": null}, "a": [ 1 ]} `
	for _, c := range []struct {
		path []string
		want string // "" for none
	}{
		{[]string{"server", "id"}, `"u"`},
		{[]string{"server", "n"}, `1.0`},
		{[]string{"server", "image", "id"}, `"i"`},
		{[]string{"server", "xy"}, `null`},
		{[]string{"a"}, `[ 1 ]`},
		{[]string{"b"}, ``},
		{[]string{"a", "id"}, ``},
		{[]string{"server", "id", "id"}, ``},
		{nil, doc[1 : len(doc)-1]},
	} {
		got, ok, err := Get([]byte(doc), c.path...)
		if err != nil || ok != (c.want != "") || string(got) != c.want {
			t.Errorf("Get(%q) = %s, %v, %v; want %s", c.path, got, ok, err, c.want)
		}
	}
}

func TestGet_SameNameTwice_LastOneCountsAtEveryLevel(t *testing.T) {
	if raw, ok, err := Get([]byte(`{"a":{"b":1},"a":{}}`), "a", "b"); ok || err != nil {
		t.Errorf("got %s, %v, %v", raw, ok, err)
	}
}

func TestString(t *testing.T) {
	for _, c := range []struct {
		src, want string
		ok        bool
	}{
		{`{"a":"x\u00e9\n"}`, "xé\n", true},
		{`{"a":""}`, "", true},
		{`{"a":null}`, "", false},
		{`{"a":1}`, "", false},
		{`{}`, "", false},
		{`{"a":"x"`, "", false},
		{`[]`, "", false},
	} {
		if got, ok := String([]byte(c.src), "a"); got != c.want || ok != c.ok {
			t.Errorf("String(%s) = %q, %v", c.src, got, ok)
		}
	}
}

func TestFields(t *testing.T) {
	paths := [][]string{{"id"}, {"image", "id"}, {"none"}, {"image"}, {"name", "x"}}
	got := Fields(nil, []byte(`{"image":{"id":"old"},"name":"n","id":"old", "image" : {"id":"i"},"\u0069d":7}`), paths)
	for i, want := range []string{`7`, `"i"`, ``, `{"id":"i"}`, ``} {
		if string(got[i]) != want {
			t.Errorf("%q is %s, want %s", paths[i], got[i], want)
		}
	}
	for _, row := range []string{`[]`, `["id", {"id": 1}]`, `7`, `null`, `{}`} {
		if got = Fields(got[:0], []byte(row), paths); len(got) != len(paths) || len(bytes.Join(got, nil)) != 0 {
			t.Errorf("of %s: %q", row, got)
		}
	}
}

func TestFirstKey(t *testing.T) {
	for src, want := range map[string]string{
		`{"os-start":null}`: "os-start", ` {"a\u0062":{"c":1},"d":2}`: "ab", `{"":1}`: "",
	} {
		if got, err := FirstKey([]byte(src)); err != nil || got != want {
			t.Errorf("FirstKey(%s) = %q, %v", src, got, err)
		}
	}
	for _, src := range []string{`{}`, `[]`, `"reboot"`, `null`} {
		if got, err := FirstKey([]byte(src)); !errors.As(err, new(*SyntaxError)) {
			t.Errorf("FirstKey(%s) = %q, %v", src, got, err)
		}
	}
}

func TestSet(t *testing.T) {
	for _, c := range []struct {
		src  string
		path []string
		want string // "" for an error
	}{
		{`{"a": 1, "b":2}`, []string{"a"}, `{"a": 9, "b":2}`},
		{`{"a":{"b":1 } }`, []string{"a", "b"}, `{"a":{"b":9 } }`},
		{`{"a":1 }`, []string{"b"}, `{"a":1,"b":9 }`},
		{`{ }`, []string{"b"}, `{"b":9 }`},
		{`{"a":{}}`, []string{"a", "b"}, `{"a":{"b":9}}`},
		{`{"a":{"x":1}}`, []string{"a", "b", "c", "d"}, `{"a":{"x":1,"b":{"c":{"d":9}}}}`},
		{`{"a":1,"a":2}`, []string{"a"}, `{"a":1,"a":9}`},
		{`{}`, []string{"q\""}, `{"q\"":9}`},
		{` 1 `, nil, ` 9 `},
		{`{"a":null}`, []string{"a", "b"}, ``},
		{`[]`, []string{"a"}, ``},
	} {
		got, err := Set([]byte(c.src), []byte(`9`), c.path...)
		if (err != nil) != (c.want == "") || string(got) != c.want {
			t.Errorf("Set(%s, %q) = %s, %v; want %s", c.src, c.path, got, err, c.want)
		}
	}
}

func TestDelete(t *testing.T) {
	for _, c := range []struct {
		src  string
		path []string
		want string
	}{
		{`{"a":1, "b":2, "c":3}`, []string{"a"}, `{"b":2, "c":3}`},
		{`{"a":1, "b":2, "c":3}`, []string{"b"}, `{"a":1, "c":3}`},
		{`{"a":1, "b":2, "c":3 }`, []string{"c"}, `{"a":1, "b":2 }`},
		{`{ "a":1 }`, []string{"a"}, `{  }`},
		{`{"a":1,"b":2,"a":3}`, []string{"a"}, `{"b":2}`},
		{`{"s":{"a":1,"b":[]},"t":0}`, []string{"s", "a"}, `{"s":{"b":[]},"t":0}`},
		{`{"s":1}`, []string{"a"}, `{"s":1}`},
		{`{"s":1}`, []string{"s", "a"}, `{"s":1}`},
		{`{"s":1}`, []string{"x", "a"}, `{"s":1}`},
		{` [] `, []string{"x"}, ` [] `},
	} {
		if got, err := Delete([]byte(c.src), c.path...); err != nil || string(got) != c.want {
			t.Errorf("Delete(%s, %q) = %s, %v; want %s", c.src, c.path, got, err, c.want)
		}
	}
	if _, err := Delete([]byte(`{}`)); err == nil {
		t.Error("no error for the empty path")
	}
}

func TestKeep(t *testing.T) {
	for src, want := range map[string]string{
		`{"id": 1, "x": 2, "links": [], "name": "n"}`: `{"id": 1, "links": [], "name": "n"}`,
		`{"x":2,"name":"n" }`:                         `{"name":"n" }`,
		`{"x":2}`:                                     `{}`,
		`{}`:                                          `{}`,
		`[{"x":2}]`:                                   `[{"x":2}]`,
	} {
		if got := Keep([]byte("before"), []byte(src), "name", "id", "links"); string(got) != "before"+want {
			t.Errorf("Keep(%s) = %s", src, got)
		}
	}
}

func FuzzSet(f *testing.F) {
	f.Add([]byte(`{"a":{"b":1,"c":[]},"a":2}`), []byte(`{"x":1}`), "a", "b")
	f.Add([]byte(` {"a" : {"b":1 } , "c":2} `), []byte(`0`), "a", "n\"\x00")
	f.Fuzz(func(t *testing.T, src, value []byte, outer, inner string) {
		set, err := Set(src, value, outer, inner)
		if err != nil {
			return
		}
		if !json.Valid(set) {
			t.Fatalf("Set made %q", set)
		}
		// A name that is not UTF-8 is spelled with U+FFFD, which then is its name.
		outer, inner = text(Quote(nil, outer)), text(Quote(nil, inner))
		if got, ok, err := Get(set, outer, inner); !ok || err != nil || !bytes.Equal(got, bytes.TrimSpace(value)) {
			t.Fatalf("Get of %q = %q, %v, %v; want %q", set, got, ok, err, value)
		}
		deleted, err := Delete(set, outer, inner)
		if err != nil || !json.Valid(deleted) {
			t.Fatalf("Delete of %q = %q, %v", set, deleted, err)
		}
		if got, ok, _ := Get(deleted, outer, inner); ok {
			t.Fatalf("still %q in %q", got, deleted)
		}
	})
}

func TestElements_OfArrays_AreParts(t *testing.T) {
	got, ok := Elements([]byte(` [1, {"a": [2]} ,"x"] `))
	if want := `1|{"a": [2]}|"x"`; !ok || string(bytes.Join(got, []byte("|"))) != want {
		t.Errorf("got %s, %v", got, ok)
	}
	for _, src := range []string{``, `{}`, `"x"`, `[1`, `[1,]`, `[1] 2`} {
		if got, ok := Elements([]byte(src)); ok {
			t.Errorf("%s: %s", src, got)
		}
	}
}

// TestFields_AnyDocument_AreWhatGetFinds compares the walk through a document with the decoder.
func TestFields_AnyDocument_AreWhatGetFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := randomObject(t, "row", 3)
		for _, name := range []string{"a", "d\n"} {
			if rapid.Bool().Draw(t, "array") {
				o[name] = []any{o["b"], "]}\\\",", map[string]any{"a": nil}, true, []any{}}
			}
		}
		row := encode(o)
		if rapid.Bool().Draw(t, "indented") {
			row, _ = json.MarshalIndent(o, "", "\t ")
		}
		paths := [][]string{{"a"}, {"b"}, {"c"}, {"d\n"}, {"a", "b"}, {"b", "c", "a"}, {"d\n", "a"}}
		for i, got := range Fields(nil, row, paths) {
			if want, _, err := Get(row, paths[i]...); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%q of %s is %s, want %s (%v)", paths[i], row, got, want, err)
			}
		}
	})
}
