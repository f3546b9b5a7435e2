package jsonx

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestCombine_Places_AreSpliced(t *testing.T) {
	join := func(path []string, a, b []byte) []byte {
		switch place := strings.Join(path, "/"); {
		case strings.HasSuffix(place, "both"):
			return slices.Concat([]byte("["), a, []byte(","), b, []byte("]"))
		case strings.HasSuffix(place, "new") && a == nil:
			return b
		}
		return nil
	}
	for name, c := range map[string]struct{ a, b, want string }{
		"all else byte for byte":    {"{ \"x\" : 1.50 ,\"both\" : 1}\n", `{"x": 2, "both": 2}`, "{ \"x\" : 1.50 ,\"both\" : [1,2]}\n"},
		"every depth":               {`{"o": {"p": {"both": 1}}}`, `{"o": {"p": {"both": 2}}}`, `{"o": {"p": {"both": [1,2]}}}`},
		"lacking, wanted":           {`{"o": {}}`, `{"o": {"new": {"x": 1}}}`, `{"o": {"new":{"x": 1}}}`},
		"lacking, behind others":    {`{"x": 1 }`, `{"x": 2, "new": 3}`, `{"x": 1,"new":3 }`},
		"lacking, not wanted":       {`{"x": 1}`, `{"y": 3}`, `{"x": 1}`},
		"an object and none":        {`{"both": {"x": 1}}`, `{"both": 2}`, `{"both": [{"x": 1},2]}`},
		"of the same name the last": {`{"x": 1}`, `{"new": 1, "new": 2}`, `{"x": 1,"new":2}`},
		"names spelled with \\u":    {`{"b\u006fth": 1}`, `{"both": 2}`, `{"b\u006fth": [1,2]}`},
		"no objects":                {`1`, `{"both": 2}`, `1`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Combine([]byte(c.a), []byte(c.b), join)
			if err != nil || string(got) != c.want {
				t.Errorf("got  %s, %v\nwant %s", got, err, c.want)
			}
		})
	}
}

func TestCombine_Malformed_IsAnError(t *testing.T) {
	bad := func([]string, []byte, []byte) []byte { return []byte("x") }
	none := func([]string, []byte, []byte) []byte { return nil }
	for _, c := range []struct {
		a, b string
		join Join
	}{{`{"a":`, `{}`, none}, {`{}`, `{"a": 1}}`, none}, {`{"a": 1}`, `{"a": 1}`, bad}} {
		if got, err := Combine([]byte(c.a), []byte(c.b), c.join); err == nil || got != nil {
			t.Errorf("%s and %s: %s, %v", c.a, c.b, got, err)
		}
	}
}

// TestCombine_UnionOfDocuments_IsThatOfMaps takes everything that a lacks: the result must be what decoded maps give.
func TestCombine_UnionOfDocuments_IsThatOfMaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		document := func(label string) map[string]any {
			return randomObject(t, label, 3)
		}
		a, b := document("a"), document("b")
		got, err := Combine(encode(a), encode(b), func(_ []string, a, b []byte) []byte {
			if a == nil {
				return b
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		var decoded map[string]any
		if err := json.Unmarshal(got, &decoded); err != nil {
			t.Fatal(err)
		}
		if want := union(a, b); !reflect.DeepEqual(decoded, want) {
			t.Fatalf("got %v\nwant %v", decoded, want)
		}
	})
}

func randomObject(t *rapid.T, label string, depth int) map[string]any {
	o := map[string]any{}
	for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d\n"}), rapid.ID).Draw(t, label) {
		if o[name] = rapid.Float64Range(0, 9).Draw(t, "value"); depth > 0 && rapid.Bool().Draw(t, "deeper") {
			o[name] = randomObject(t, label, depth-1)
		}
	}
	return o
}

func union(a, b map[string]any) map[string]any {
	for name, theirs := range b {
		mine, is := a[name].(map[string]any)
		other, isToo := theirs.(map[string]any)
		if _, ok := a[name]; !ok {
			a[name] = theirs
		} else if is && isToo {
			a[name] = union(mine, other)
		}
	}
	return a
}

func encode(v any) []byte {
	doc, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return doc
}
