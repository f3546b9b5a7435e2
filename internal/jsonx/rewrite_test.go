package jsonx

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func upper(suffix string, s string) (string, bool) {
	return strings.ToUpper(s) + suffix, s != strings.ToUpper(s)
}

func add(suffix string, n int64) (int64, bool) { return n + 1<<40 + int64(len(suffix)), n > 0 }

// upperRules take as context what they put behind what they change.
var upperRules = NewRules(map[string]Rule[string]{
	"href": {String: upper}, "ids": {String: upper, Integer: add}, "n": {Integer: add}, "metadata": {Opaque: true},
})

func TestRewrite_Splices(t *testing.T) {
	for name, c := range map[string]struct{ src, want string }{
		"all else byte for byte":   {" {\"x\":1.50e+01 ,\n\t\"href\" : \"a\",\"z\":[ ]}\n", " {\"x\":1.50e+01 ,\n\t\"href\" : \"A\",\"z\":[ ]}\n"},
		"every depth":              {`{"a":[{"b":{"href":"x"}},{"href":"y"}]}`, `{"a":[{"b":{"href":"X"}},{"href":"Y"}]}`},
		"array of strings":         {`{"ids":["a",0,["b"],{"c":"d"}],"other":["a"]}`, `{"ids":["A",0,["B"],{"c":"d"}],"other":["a"]}`},
		"integers":                 {`{"n":1, "a":[{"n":7}], "ids":[2], "other":3}`, `{"n":1099511627777, "a":[{"n":1099511627783}], "ids":[1099511627778], "other":3}`},
		"integers only":            {`{"n":1.0,"m":{"n":1e3},"l":{"n":"1"},"k":{"n":99999999999999999999}}`, `{"n":1.0,"m":{"n":1e3},"l":{"n":"1"},"k":{"n":99999999999999999999}}`},
		"integers left alone":      {`{"n":0,"m":{"n":-5}}`, `{"n":0,"m":{"n":-5}}`},
		"top-level array":          {`[{"href":"a"},"a"]`, `[{"href":"A"},"a"]`},
		"only strings":             {`{"href":{"a":"b"},"ids":null}`, `{"href":{"a":"b"},"ids":null}`},
		"opaque":                   {`{"metadata":{"href":"a","metadata":[]},"href":"a"}`, `{"metadata":{"href":"a","metadata":[]},"href":"A"}`},
		"names spelled with \\u":   {`{"hr\u0065f":"a","metad\u0061ta":{"href":"a"}}`, `{"hr\u0065f":"A","metad\u0061ta":{"href":"a"}}`},
		"value with escapes":       {`{"href":"\u0061\"\/"}`, `{"href":"A\"/"}`},
		"untouched spelling stays": {`{"href":"\u0041\/"}`, `{"href":"\u0041\/"}`},
		"same name twice":          {`{"href":"a","href":"b"}`, `{"href":"A","href":"B"}`},
		"lone surrogate, no UTF-8": {"{\"a\":\"\\ud800\",\"b\":\"\xff\",\"href\":\"a\"}", "{\"a\":\"\\ud800\",\"b\":\"\xff\",\"href\":\"A\"}"},
		"a bare string":            {`"href"`, `"href"`},
	} {
		t.Run(name, func(t *testing.T) {
			src := []byte(c.src)
			got, err := upperRules.Rewrite("", []byte("before"), src)
			if err != nil || string(got) != "before"+c.want {
				t.Errorf("got  %s, %v\nwant before%s", got, err, c.want)
			}
			if string(src) != c.src {
				t.Errorf("the source was changed to %s", src)
			}
		})
	}
}

func TestRewrite_ErrorAfterEdit_DstAsItWas(t *testing.T) {
	dst := make([]byte, 1, 100)
	got, err := upperRules.Rewrite("", dst, []byte(`{"href":"a"} x`))
	if err == nil || len(got) != 1 {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestRewrite_NothingEdited_NoAllocation(t *testing.T) {
	src, dst := page(0, 3), make([]byte, 0, 10000)
	rules := NewRules(map[string]Rule[string]{"metadata": {Opaque: true}, "progress": {Integer: add}})
	if n := testing.AllocsPerRun(50, func() { dst, _ = rules.Rewrite("", dst[:0], src) }); n > 1 {
		t.Errorf("%v allocations", n) // one is left to a scanner that the collector took from the pool
	}
}

func TestRewrite_IntegersEdited_NoAllocation(t *testing.T) {
	src, dst := page(0, 3), make([]byte, 0, 10000)
	rules := NewRules(map[string]Rule[string]{"vcpus": {Integer: add}, "ram": {Integer: add}})
	if n := testing.AllocsPerRun(50, func() { dst, _ = rules.Rewrite("", dst[:0], src) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
	if !bytes.Contains(dst, []byte(`"ram": 1099511628288`)) {
		t.Errorf("got %s", dst)
	}
}

func TestRewrite_Context_IsGivenToTheRules(t *testing.T) {
	got, err := upperRules.Rewrite("!!", nil, []byte(`{"href":"a","n":1}`))
	if want := `{"href":"A!!","n":1099511627779}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

func FuzzRewrite(f *testing.F) {
	for _, src := range malformed {
		f.Add([]byte(src))
	}
	f.Add([]byte(`{"href":"a", "ids":["b"],"metadata":{"href":"c"},"\u0068ref":"\ud83d\ude00"}`))
	f.Add(page(0, 1))
	f.Fuzz(func(t *testing.T, src []byte) {
		if _, _, err := whole(src); (err == nil) != json.Valid(src) {
			t.Fatalf("jsontext says %v", err)
		}
		same, err := new(Rules[struct{}]).Rewrite(struct{}{}, nil, src)
		if valid := json.Valid(src); valid != (err == nil) || valid != Valid(src) {
			t.Fatalf("valid %v, Valid %v, error %v", valid, Valid(src), err)
		}
		if err == nil && !bytes.Equal(same, src) {
			t.Fatalf("no rules, but %q became %q", src, same)
		}
		edited, err := upperRules.Rewrite("", nil, src)
		if err == nil && !json.Valid(edited) {
			t.Fatalf("%q became %q", src, edited)
		}
	})
}
