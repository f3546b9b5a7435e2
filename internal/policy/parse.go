package policy

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// parse reads an expression: "not" binds tighter than "and", "and" tighter than "or"; words are told apart by blanks, and
// parentheses only at their beginnings and ends (oslo_policy/_parser.py). An empty expression allows everybody.
func parse(expression string) (check, error) {
	p := parser{tokens: tokenize(expression)}
	if len(p.tokens) == 0 {
		return always(true), nil
	}
	c, err := p.disjunction()
	if err != nil {
		return nil, err
	}
	if p.next() != "" {
		return nil, fmt.Errorf("%q is not expected in %q", p.next(), expression)
	}
	return c, nil
}

// tokenize keeps the parentheses of %(name)s within their word.
func tokenize(expression string) []string {
	var tokens []string
	for word := range strings.FieldsSeq(expression) {
		for strings.HasPrefix(word, "(") {
			tokens, word = append(tokens, "("), word[1:]
		}
		clean := strings.TrimRight(word, ")")
		if clean != "" {
			tokens = append(tokens, clean)
		}
		for range len(word) - len(clean) {
			tokens = append(tokens, ")")
		}
	}
	return tokens
}

// maxDepth bounds nesting: nobody writes rules that deep.
const maxDepth = 100

type parser struct {
	tokens []string
	depth  int
}

// next is the token that comes, "" at the end.
func (p *parser) next() string {
	if len(p.tokens) == 0 {
		return ""
	}
	return p.tokens[0]
}

// accept takes the next token if it is the word, in whatever case.
func (p *parser) accept(word string) bool {
	if !strings.EqualFold(p.next(), word) {
		return false
	}
	p.tokens = p.tokens[1:]
	return true
}

func (p *parser) disjunction() (check, error) {
	all, err := p.sequence("or", p.conjunction)
	if len(all) == 1 {
		return all[0], err
	}
	return or(all), err
}

func (p *parser) conjunction() (check, error) {
	all, err := p.sequence("and", p.term)
	if len(all) == 1 {
		return all[0], err
	}
	return and(all), err
}

// sequence reads one or more operands with a word between them.
func (p *parser) sequence(word string, operand func() (check, error)) ([]check, error) {
	var all []check
	for {
		c, err := operand()
		if err != nil {
			return nil, err
		}
		if all = append(all, c); !p.accept(word) {
			return all, nil
		}
	}
}

func (p *parser) term() (check, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, errors.New("it is nested too deep")
	}
	defer func() { p.depth-- }()
	switch {
	case p.accept("not"):
		c, err := p.term()
		return not{c}, err
	case p.accept("("):
		c, err := p.disjunction()
		if err == nil && !p.accept(")") {
			return nil, errors.New("a parenthesis is not closed")
		}
		return c, err
	}
	word := p.next()
	if word == "" || word == ")" || strings.EqualFold(word, "and") || strings.EqualFold(word, "or") {
		return nil, errors.New("a check is missing; write @ for always, ! for never")
	}
	p.tokens = p.tokens[1:]
	return parseCheck(word)
}

// parseCheck reads one word: "role:admin".
func parseCheck(word string) (check, error) {
	switch word {
	case "@":
		return always(true), nil
	case "!":
		return always(false), nil
	}
	kind, rest, ok := strings.Cut(word, ":")
	if !ok {
		return nil, fmt.Errorf("%q is not of the form kind:match", word)
	}
	switch kind {
	case "rule":
		return ref(rest), nil
	case "field":
		return parseField(rest)
	case "http", "https":
		return nil, fmt.Errorf("%q: asking a server is not supported", word)
	}
	t, err := parseTemplate(rest)
	if err != nil {
		return nil, err
	}
	if kind == "role" {
		return role{t}, nil
	}
	if value, ok := literal(kind); ok {
		return constant{value, t}, nil
	}
	if credentials[kind] == nil {
		return nil, fmt.Errorf("%q: credentials have no %q", word, kind)
	}
	return match{kind, t}, nil
}

// literal reads what Python would take for a constant.
func literal(s string) (string, bool) {
	if s == "True" || s == "False" || s == "None" {
		return s, true
	}
	if n := len(s); n >= 2 && (s[0] == '\'' || s[0] == '"') && s[n-1] == s[0] {
		return s[1 : n-1], true
	}
	_, err := strconv.Atoi(s)
	return s, err == nil
}

// target is the one form of a reference to the target.
var target = regexp.MustCompile(`^([^%]*)%\(([^()]+)\)s([^%]*)$`)

func parseTemplate(s string) (template, error) {
	if !strings.Contains(s, "%") {
		return template{before: s}, nil
	}
	parts := target.FindStringSubmatch(s)
	if parts == nil {
		return template{}, fmt.Errorf("%q: a value of the target is written %%(name)s", s)
	}
	return template{parts[1], parts[2], parts[3]}, nil
}

// parseField reads "networks:shared=True". An attribute of networks is looked for in the object, and then in the network that it
// belongs to: subnets and ports are as shared, and as external, as that (neutron/policy.py, FieldCheck).
func parseField(s string) (check, error) {
	resource, rest, ok := strings.Cut(s, ":")
	name, value, assigned := strings.Cut(rest, "=")
	if !ok || !assigned {
		return nil, fmt.Errorf("field:%s is not of the form field:resources:attribute=value", s)
	}
	f := field{name: name, value: value}
	if resource == "networks" {
		f.fallback = "network:" + name
	}
	if expression, is := strings.CutPrefix(value, "~"); is {
		pattern, err := regexp.Compile("^(?:" + expression + ")")
		if err != nil {
			return nil, fmt.Errorf("field:%s: %w", s, err)
		}
		f.pattern = pattern
	}
	return f, nil
}
