package jsonx

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// readAll returns the rows and the other members of a document.
func readAll(r io.Reader, maxRow int64) (list []string, rest map[string]string, err error) {
	rows := NewRows(r, "servers", maxRow)
	for {
		row, err := rows.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return list, nil, err
		}
		list = append(list, string(row))
	}
	raw, err := rows.Rest()
	rest = map[string]string{}
	for name, value := range raw {
		rest[name] = string(value)
	}
	return list, rest, err
}

func TestRows_WellFormed(t *testing.T) {
	for name, c := range map[string]struct {
		src  string
		list []string
		rest map[string]string
	}{
		"as Nova answers":      {`{"servers": [{"id": 1}, {"id": 2}], "servers_links": [{}]}`, []string{`{"id": 1}`, `{"id": 2}`}, map[string]string{"servers_links": `[{}]`}},
		"empty":                {`{"servers": []}`, nil, map[string]string{}},
		"members before":       {` {"count" : 3,"a":{"servers":[9]},"servers":[1 , "x",[]] } `, []string{`1`, `"x"`, `[]`}, map[string]string{"count": `3`, "a": `{"servers":[9]}`}},
		"last namesake":        {`{"n":1,"servers":[],"n":2}`, nil, map[string]string{"n": `2`}},
		"name spelled with \\": {`{"s\u0065rvers":[0]}`, []string{`0`}, map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			list, rest, err := readAll(iotest.OneByteReader(strings.NewReader(c.src)), 100)
			if err != nil || !cmp.Equal(list, c.list) || !cmp.Equal(rest, c.rest) {
				t.Errorf("got %q, %q, %v", list, rest, err)
			}
		})
	}
}

func TestRows_NotAListAnswer_SyntaxError(t *testing.T) {
	for _, src := range append(malformed,
		`[]`, `null`, `{}`, `{"server":[]}`, `{"servers":null}`, `{"servers":{}}`, `{"servers":[],"servers":[]}`,
		`{"servers":[1`, `{"servers":[1,`, `{"servers":[1,]}`, `{"servers":[1]`, `{"servers":[1]} x`, `{"servers":[{"id":}]}`,
		`{"servers":[1],"a"`, `{"servers":[1 2]}`, `<html><body>502 Bad Gateway</body></html>`) {
		_, _, err := readAll(strings.NewReader(src), 1000)
		if !errors.As(err, new(*SyntaxError)) {
			t.Errorf("%.30q: %v, want a *SyntaxError", src, err)
		}
	}
}

func TestRows_StreamFails_ItsErrorAndNoMore(t *testing.T) {
	reset := errors.New("connection reset")
	rows := NewRows(io.MultiReader(strings.NewReader(`{"servers":[{"id":1},{"id"`), iotest.ErrReader(reset)), "servers", 100)
	if row, err := rows.Next(); string(row) != `{"id":1}` || err != nil {
		t.Fatalf("first row %s, %v", row, err)
	}
	for range 2 {
		if _, err := rows.Next(); !errors.Is(err, reset) {
			t.Errorf("Next: %v", err)
		}
	}
	if _, err := rows.Rest(); !errors.Is(err, reset) {
		t.Errorf("Rest: %v", err)
	}
}

// endless is a stream of one byte.
type endless byte

func (e endless) Read(p []byte) (int, error) {
	return copy(p, bytes.Repeat([]byte{byte(e)}, len(p))), nil
}

func TestRows_PartTooLarge_ErrTooLarge(t *testing.T) {
	const limit = 1000
	big := `"` + strings.Repeat("x", limit) + `"`
	for name, src := range map[string]io.Reader{
		"row":           strings.NewReader(`{"servers":[` + big + `]}`),
		"row in buffer": strings.NewReader(`{"servers":["` + strings.Repeat("x", limit-10) + `",` + big + `]}`),
		"member before": strings.NewReader(`{"a":` + big + `,"servers":[]}`),
		"members after": strings.NewReader(`{"servers":[]` + strings.Repeat(`,"a":"`+big[1:limit/2]+`"`, 2) + `}`),
		"endless row":   io.MultiReader(strings.NewReader(`{"servers":["`), endless('x')),
		"endless space": io.MultiReader(strings.NewReader(`{"servers":[`), endless(' ')),
		"endless name":  io.MultiReader(strings.NewReader(`{"`), endless('x')),
		"endless tail":  io.MultiReader(strings.NewReader(`{"servers":[]}`), endless(' ')),
	} {
		if _, _, err := readAll(src, limit); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v, want ErrTooLarge", name, err)
		}
	}
	if _, _, err := readAll(strings.NewReader(`{"servers":[`+strings.Repeat(`"`+strings.Repeat("x", limit/2)+`",`, 9)+`1]}`), limit); err != nil {
		t.Errorf("a long list of small rows: %v", err)
	}
}

func TestRows_RestSkipsRows(t *testing.T) {
	rows := NewRows(strings.NewReader(`{"servers":[1,2,3],"count":3}`), "servers", 100)
	if _, err := rows.Next(); err != nil {
		t.Fatal(err)
	}
	rest, err := rows.Rest()
	if err != nil || string(rest["count"]) != "3" {
		t.Errorf("Rest: %s, %v", rest, err)
	}
	if _, err := rows.Next(); err != io.EOF {
		t.Errorf("Next after Rest: %v, want io.EOF", err)
	}
}

func FuzzRows(f *testing.F) {
	f.Add([]byte(`{"a":1,"servers":[{"id":1}, "\ud800",[2]],"b":"c"}`))
	f.Add([]byte(`{"servers":[],"servers":[]}`))
	f.Add([]byte("{\"servers\":[],\"b\xfb\":1}"))
	f.Add(page(0, 2))
	f.Fuzz(func(t *testing.T, src []byte) {
		var want struct{ list []json.RawMessage }
		var doc map[string]json.RawMessage
		wantErr := json.Unmarshal(src, &doc)
		if wantErr == nil {
			wantErr = json.Unmarshal(doc["servers"], &want.list)
		}
		list, rest, err := readAll(iotest.HalfReader(bytes.NewReader(src)), int64(len(src)))
		if wantErr != nil || want.list == nil {
			if err == nil {
				t.Fatalf("%q gave rows %q, but encoding/json says %v", src, list, wantErr)
			}
			return
		}
		if err != nil {
			if !strings.Contains(err.Error(), "second member") {
				t.Fatalf("%q: %v", src, err)
			}
			return
		}
		if fmt.Sprintf("%s", list) != fmt.Sprintf("%s", want.list) || len(list) != len(want.list) {
			t.Fatalf("%q gave rows %q, want %q", src, list, want.list)
		}
		delete(doc, "servers")
		for name, value := range doc {
			if rest[name] != string(value) {
				t.Fatalf("%q: member %q is %q, want %q", src, name, rest[name], value)
			}
		}
	})
}
