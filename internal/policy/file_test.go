package policy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadOverrides_BothForms_BecomeExpressions(t *testing.T) {
	got, err := ReadOverrides(strings.NewReader(`
# a comment
"create_network": "role:admin or role:operator"
get_port: ""
nobody: [[]]
everybody: []
older: [["role:a", "role:b"], "role:c"]
`))
	want := map[string]string{"create_network": "role:admin or role:operator", "get_port": "", "nobody": "!", "everybody": "@",
		"older": "(role:a and role:b) or (role:c)"}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestReadOverrides_Empty_IsNone(t *testing.T) {
	for _, text := range []string{"", "# only a comment\n", "{}"} {
		if got, err := ReadOverrides(strings.NewReader(text)); len(got) != 0 || err != nil {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
	}
}

func TestReadOverrides_NoRules_AreRefused(t *testing.T) {
	for _, text := range []string{"- a", "a: {b: c}", "a: 7", "a:", "a: [[7]]", "a: [['']]", "a: [", "'"} {
		if got, err := ReadOverrides(strings.NewReader(text)); err == nil {
			t.Errorf("%q: got %v", text, got)
		}
	}
}
