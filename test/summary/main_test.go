package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestSummary_OfEvents_CountsLeavesAndShowsFailures(t *testing.T) {
	for name, c := range map[string]struct {
		events, want string
		shows        []string
		hides        string
	}{
		"leaves only": {
			events: `{"Action":"run","Package":"p","Test":"A"}
{"Action":"run","Package":"p","Test":"A/x"}
{"Action":"output","Package":"p","Test":"A/x","Output":"all well\n"}
{"Action":"pass","Package":"p","Test":"A/x"}
{"Action":"pass","Package":"p","Test":"A"}
{"Action":"skip","Package":"p","Test":"B"}
{"Action":"pass","Package":"p","Elapsed":1.5}`,
			want: "1 passed, 0 failed, 1 skipped", shows: []string{"pass    1.50s  p\n"}, hides: "all well",
		},
		"failed subtest": {
			events: `{"Action":"run","Package":"p","Test":"A/x"}
{"Action":"output","Package":"p","Test":"A/x","Output":"got 1\n"}
{"Action":"fail","Package":"p","Test":"A/x"}
{"Action":"fail","Package":"p","Test":"A"}
{"Action":"fail","Package":"p"}`,
			want: "0 passed, 1 failed, 0 skipped", shows: []string{"got 1\n"},
		},
		"does not compile": {
			events: `{"Action":"build-output","ImportPath":"p","Output":"undefined: x\n"}
{"Action":"fail","Package":"p"}`,
			want: "0 passed, 1 failed, 0 skipped", shows: []string{"undefined: x\n"},
		},
		"package without tests": {events: `{"Action":"skip","Package":"p"}`, want: "0 passed, 0 failed, 0 skipped"},
		"not an event":          {events: "go: no such tool", want: "0 passed, 0 failed, 0 skipped", shows: []string{"no such tool"}},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			s := &summary{out: &out, output: map[test][]string{}, parents: map[test]bool{}}
			if err := s.read(strings.NewReader(c.events)); err != nil {
				t.Fatal(err)
			}
			if s.String() != c.want {
				t.Errorf("got %q, want %q", s, c.want)
			}
			for _, text := range c.shows {
				if !strings.Contains(out.String(), text) {
					t.Errorf("%q is not shown in:\n%s", text, &out)
				}
			}
			if c.hides != "" && strings.Contains(out.String(), c.hides) {
				t.Errorf("%q is shown in:\n%s", c.hides, &out)
			}
		})
	}
}
