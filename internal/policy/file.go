package policy

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// ReadOverrides reads a policy.yaml: names of rules with their expressions. Expressions may also be in oslo.policy's older
// form, a list (one of) of lists (all of) of checks.
func ReadOverrides(r io.Reader) (map[string]string, error) {
	var file map[string]any
	if err := yaml.NewDecoder(r).Decode(&file); errors.Is(err, io.EOF) {
		return nil, nil // empty, or only comments, as oslo.policy's sample is
	} else if err != nil {
		return nil, fmt.Errorf("policy file: %w", err)
	}
	out := make(map[string]string, len(file))
	for name, v := range file {
		expression, err := expressionOf(v)
		if err != nil {
			return nil, fmt.Errorf("policy rule %q: %w", name, err)
		}
		out[name] = expression
	}
	return out, nil
}

func expressionOf(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case []any:
		return listExpression(v)
	}
	return "", fmt.Errorf("%v is no expression: write it in quotes, @ for everybody and ! for nobody", v)
}

// listExpression writes the older form in the newer one (oslo_policy/_parser.py, _parse_list_rule): an empty list allows
// everybody, a list of nothing but empty lists nobody.
func listExpression(alternatives []any) (string, error) {
	if len(alternatives) == 0 {
		return "@", nil
	}
	var out []string
	for _, each := range alternatives {
		checks, ok := each.([]any)
		if !ok {
			checks = []any{each}
		}
		var words []string
		for _, c := range checks {
			word, ok := c.(string)
			if !ok || word == "" {
				return "", fmt.Errorf("%v is not a check", c)
			}
			words = append(words, word)
		}
		if words != nil {
			out = append(out, "("+strings.Join(words, " and ")+")")
		}
	}
	if out == nil {
		return "!", nil
	}
	return strings.Join(out, " or "), nil
}
