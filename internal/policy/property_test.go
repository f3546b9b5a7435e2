package policy

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// tree is an expression and what it should come to.
type tree struct {
	text  string
	value bool
}

// trees draws expressions of constants, with as few parentheses as the precedence allows, or with more.
func trees(depth int) *rapid.Generator[tree] {
	return rapid.Custom(func(t *rapid.T) tree { return disjunction(t, depth) })
}

func disjunction(t *rapid.T, depth int) tree {
	out := conjunction(t, depth)
	for range rapid.IntRange(0, 2).Draw(t, "or") {
		next := conjunction(t, depth)
		out = tree{out.text + " " + word(t, "or") + " " + next.text, out.value || next.value}
	}
	return out
}

func conjunction(t *rapid.T, depth int) tree {
	out := term(t, depth)
	for range rapid.IntRange(0, 2).Draw(t, "and") {
		next := term(t, depth)
		out = tree{out.text + " " + word(t, "and") + " " + next.text, out.value && next.value}
	}
	return out
}

func term(t *rapid.T, depth int) tree {
	kind := rapid.IntRange(0, 3).Draw(t, "term")
	switch {
	case kind == 0 && depth > 0:
		inner := term(t, depth-1)
		return tree{word(t, "not") + " " + inner.text, !inner.value}
	case kind == 1 && depth > 0:
		inner := disjunction(t, depth-1)
		blank := rapid.SampledFrom([]string{"", " "}).Draw(t, "blank")
		return tree{"(" + blank + inner.text + blank + ")", inner.value}
	}
	return rapid.SampledFrom([]tree{{"@", true}, {"!", false}, {"role:a", true}, {"role:b", false}, {"rule:yes", true},
		{"project_id:%(project_id)s", true}, {"project_id:%(other)s", false}}).Draw(t, "leaf")
}

func word(t *rapid.T, w string) string {
	return rapid.SampledFrom([]string{w, strings.ToUpper(w)}).Draw(t, "word")
}

func TestParse_AnyExpression_ComesToWhatItsTreeDoes(t *testing.T) {
	who := &Credentials{ProjectID: "p", Roles: []string{"a"}}
	on := targetOf(map[string]any{"project_id": "p", "other": "q"})
	rapid.Check(t, func(t *rapid.T) {
		x := trees(3).Draw(t, "expression")
		e, err := New([]Rule{{"it", x.text}, {"yes", "@"}}, nil)
		if err != nil {
			t.Fatalf("%s: %v", x.text, err)
		}
		if got, err := e.Allows("it", who, on); got != x.value || err != nil {
			t.Fatalf("%s: got %v, %v", x.text, got, err)
		}
		if !e.AsksTarget("it") && strings.Contains(x.text, "%(") {
			t.Fatalf("%s asks the target", x.text)
		}
	})
}
