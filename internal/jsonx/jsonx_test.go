package jsonx

import (
	"errors"
	"strings"
	"testing"
)

var malformed = []string{
	``, ` `, `{`, `[`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{,}`, `{1:2}`, `[1,]`, `[1`, `{]`, `[}`, `{"a"}`,
	`{} {}`, `{}x`, `"`, `"\x"`, `01`, `-`, `NaN`, `tru`, `<html>`, `{"a":{"b":[}}`, "\"\n\"",
	strings.Repeat(`[`, 10001) + strings.Repeat(`]`, 10001),
}

func TestEveryCall_Malformed_SyntaxError(t *testing.T) {
	calls := map[string]func(src []byte) error{
		"Rewrite":  func(src []byte) error { _, err := new(Rules[struct{}]).Rewrite(struct{}{}, nil, src); return err },
		"Get":      func(src []byte) error { _, _, err := Get(src, "a", "b"); return err },
		"Get all":  func(src []byte) error { _, _, err := Get(src); return err },
		"Set":      func(src []byte) error { _, err := Set(src, []byte(`1`), "a"); return err },
		"value":    func(src []byte) error { _, err := Set([]byte(`{}`), src, "a"); return err },
		"Delete":   func(src []byte) error { _, err := Delete(src, "a"); return err },
		"FirstKey": func(src []byte) error { _, err := FirstKey(src); return err },
	}
	for name, call := range calls {
		for _, src := range malformed {
			if err := call([]byte(src)); !errors.As(err, new(*SyntaxError)) {
				t.Errorf("%s of %.20q: %v, want a *SyntaxError", name, src, err)
			}
		}
	}
}

func TestValid(t *testing.T) {
	for _, src := range malformed {
		if Valid([]byte(src)) {
			t.Errorf("Valid(%.20q)", src)
		}
	}
	for _, src := range []string{`{}`, ` [1e400] `, `{"a":1,"a":2}`, `"\ud800"`, "\"\xff\"", `null`} {
		if !Valid([]byte(src)) {
			t.Errorf("not Valid(%q)", src)
		}
	}
}

func TestQuote(t *testing.T) {
	for s, want := range map[string]string{
		"": `""`, `a"b\`: `"a\"b\\"`, "\n\x01": `"\n\u0001"`, "<&>é": `"<&>é"`, "\xff": `"` + "\uFFFD" + `"`,
	} {
		if got := string(Quote([]byte("x"), s)); got != "x"+want {
			t.Errorf("Quote(%q) = %s", s, got)
		}
	}
}
