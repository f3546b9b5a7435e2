package sqlstore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// standard is what encoding/json makes of a text.
func standard(text []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var object map[string]any
	err := d.Decode(&object)
	var whole any // the decoder reads no further than the object, and no numbers
	if err == nil && (object == nil || json.Unmarshal(text, &whole) != nil) {
		err = errNotObject
	}
	for name, value := range object {
		object[name] = plainNumbers(value)
	}
	return object, err
}

func plainNumbers(value any) any {
	switch v := value.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64() // valid, or the texts are compared by their errors
		return f
	case []any:
		for i := range v {
			v[i] = plainNumbers(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = plainNumbers(v[name])
		}
	}
	return value
}

func genJSON(depth int) *rapid.Generator[any] {
	plain := []*rapid.Generator[any]{
		rapid.Just(any(nil)), rapid.Bool().AsAny(), rapid.Int64().AsAny(), rapid.Float64().AsAny(), rapid.String().AsAny(),
	}
	if depth > 0 {
		inner := genJSON(depth - 1)
		plain = append(plain, rapid.SliceOfN(inner, 0, 3).AsAny(), rapid.MapOfN(rapid.String(), inner, 0, 3).AsAny())
	}
	return rapid.OneOf(plain...)
}

// Whatever is written comes back as encoding/json reads it; and what is damaged is refused when encoding/json does.
func TestDecode_AnyText_IsReadAsByEncodingJSON(t *testing.T) {
	var d jsonDecoder
	rapid.Check(t, func(t *rapid.T) {
		text, err := json.Marshal(rapid.MapOfN(rapid.String(), genJSON(3), 0, 5).Draw(t, "object"))
		if err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "indented") {
			var b bytes.Buffer
			if err := json.Indent(&b, text, "\t", " \r"); err != nil {
				t.Fatal(err)
			}
			text = b.Bytes()
		}
		if rapid.Bool().Draw(t, "damaged") {
			at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
			text[at] = rapid.SampledFrom([]byte("{}[]\",:\\0-+.eE tfn\x00\xff\n")).Draw(t, "byte")
		}
		want, wantErr := standard(text)
		got, err := d.decode(string(text))
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%s: error %v, encoding/json %v", text, err, wantErr)
		}
		if diff := cmp.Diff(want, got); err == nil && diff != "" {
			t.Fatalf("%s (-want +got):\n%s", text, diff)
		}
	})
}

func TestDecode_WhatIsNoObject_IsRefused(t *testing.T) {
	for _, text := range []string{"", " ", "null", "[]", "1", `{"a":1}{}`, `{"a":1`, `{"a"`, `{"a":}`, `{,}`, `{"a":1,}`, `{"a":[1,]}`, `{"a":tru}`,
		`{"a":01}`, `{"a":+1}`, `{"a":"\x"}`, `{"a":"`, `{a:1}`, `{"a":1e999}`} {
		if got, err := new(jsonDecoder).decode(text); err == nil {
			t.Errorf("decode(%q) = %v, want an error", text, got)
		}
	}
}

// BenchmarkDecode reads ports of different names, addresses and devices, beside encoding/json.
func BenchmarkDecode(b *testing.B) {
	texts := make([]string, 100)
	for i := range texts {
		texts[i] = strings.NewReplacer("NAME", fmt.Sprint("port-", i), "MAC", fmt.Sprint("fa:16:3e:00:00:", i), "DEVICE", planID(i),
			"ADDRESS", fmt.Sprint("0.", i), "NETWORK", planID(1), "GROUP", planID(1)).Replace(planPort)
	}
	b.Run("ours", func(b *testing.B) {
		var d jsonDecoder
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := d.decode(texts[i%len(texts)]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := standard([]byte(texts[i%len(texts)])); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// What one document had is only guessed of the next: whatever came before, a text is read as if it came first.
func TestDecode_AfterOtherDocuments_ReadsTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"a", "ab", "b", "", "\"", "a\\"})
		value := rapid.OneOf(name.AsAny(), rapid.IntRange(0, 12).AsAny(), rapid.SliceOfN(name.AsAny(), 0, 2).AsAny(),
			rapid.MapOfN(name, name.AsAny(), 0, 2).AsAny())
		var d jsonDecoder
		for _, object := range rapid.SliceOfN(rapid.MapOfN(name, value, 0, 4), 1, 5).Draw(t, "objects") {
			text, err := json.Marshal(object)
			if err != nil {
				t.Fatal(err)
			}
			want, err := new(jsonDecoder).decode(string(text))
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			got, err := d.decode(string(text))
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Fatalf("%s: %v (-want +got):\n%s", text, err, diff)
			}
		}
	})
}
