package sqlstore

import (
	"slices"
	"strings"

	"github.com/tricircle/tricircle/internal/store"
)

// term is one expression of an order. It is written for rows o of the kind's table.
type term struct {
	expression string
	args       []any
	desc       bool
	nullable   bool
}

// order returns the terms by which the rows are walked: the last one is the id, so that no two rows are equal. An attribute that
// has no column is two terms: numbers are compared as numbers, all else as text.
//
// What a project sees is found by indices of their own, and then sorted: see dialect.noIndex.
func (w *objectQuery) order() []term {
	var terms []term
	table := `o.`
	if w.VisibleTo != "" {
		table = w.dialect.noIndex + table
	}
	byID := false
	for _, key := range w.Sort {
		desc := key.Desc != w.Reverse
		switch c := w.table.column(key.Attr); {
		case c != nil:
			terms = append(terms, term{expression: table + c.name, desc: desc, nullable: c.nullable})
		case !strings.Contains(key.Attr, `"`): // which member could not say, and no attribute has
			member := w.dialect.json.member(key.Attr)
			terms = append(terms,
				term{expression: w.dialect.json.number, args: []any{member, member}, desc: desc, nullable: true},
				term{expression: w.dialect.json.text, args: []any{member}, desc: desc, nullable: true})
		}
		if byID = byID || key.Attr == "id"; byID {
			break
		}
	}
	if !byID {
		terms = append(terms, term{expression: table + `id`, desc: w.Reverse})
	}
	return terms
}

// clause is the ORDER BY of terms. Both engines put NULL where store.SortKey says: SQLite by itself, PostgreSQL if told so.
func clause(terms []term) (text string, args []any) {
	parts := make([]string, len(terms))
	for i, t := range terms {
		parts[i] = t.expression
		switch {
		case t.desc && t.nullable:
			parts[i] += ` DESC NULLS LAST`
		case t.desc:
			parts[i] += ` DESC`
		case t.nullable:
			parts[i] += ` NULLS FIRST`
		}
		args = append(args, t.args...)
	}
	return ` ORDER BY ` + strings.Join(parts, `, `), args
}

// behind is the condition of rows behind one that has these values.
//
// For terms a, b, c it is (a, b, c) > (A, B, C), which an index can start from. Where some descend, or can be NULL, that is written
// out: a >= A AND (a > A OR a = A AND (b > B OR b = B AND c > C)). An index can start from the first part, which follows from the rest.
func behind(terms []term, values []any) (text string, args []any) {
	if !slices.ContainsFunc(terms, func(t term) bool { return t.nullable || t.desc != terms[0].desc }) {
		return behindRow(terms, values)
	}
	text, args = terms[len(terms)-1].after(values[len(terms)-1])
	for i := len(terms) - 2; i >= 0; i-- {
		t, v := terms[i], values[i]
		after, afterArgs := t.after(v)
		same, sameArgs := t.same(v)
		text = `(` + after + ` OR ` + same + ` AND ` + text + `)`
		args = slices.Concat(afterArgs, sameArgs, args)
	}
	if first := terms[0]; len(terms) > 1 && !first.nullable {
		from := ` >= ? AND `
		if first.desc {
			from = ` <= ? AND `
		}
		text, args = first.expression+from+text, slices.Concat(first.args, values[:1], args)
	}
	return text, args
}

func behindRow(terms []term, values []any) (text string, args []any) {
	expressions := make([]string, len(terms))
	for i, t := range terms {
		expressions[i] = t.expression
	}
	than := `) > (?`
	if terms[0].desc {
		than = `) < (?`
	}
	return `(` + strings.Join(expressions, `, `) + than + strings.Repeat(`, ?`, len(terms)-1) + `)`, values
}

// after is the condition of rows with a later value of the term.
func (t term) after(value any) (string, []any) {
	switch {
	case value == nil && t.desc:
		return `FALSE`, nil
	case value == nil:
		return `(` + t.expression + `) IS NOT NULL`, t.args
	case t.desc && t.nullable:
		return `((` + t.expression + `) < ? OR (` + t.expression + `) IS NULL)`, slices.Concat(t.args, []any{value}, t.args)
	case t.desc:
		return t.expression + ` < ?`, append(slices.Clone(t.args), value)
	default:
		return `(` + t.expression + `) > ?`, append(slices.Clone(t.args), value)
	}
}

// same is the condition of rows with the same value of the term.
func (t term) same(value any) (string, []any) {
	if value == nil {
		return `(` + t.expression + `) IS NULL`, t.args
	}
	return `(` + t.expression + `) = ?`, append(slices.Clone(t.args), value)
}

// list is the statement of a page. The values are those of the marker, by the terms of order; nil without one.
func (w *objectQuery) list(terms []term, marker []any) (text string, args []any) {
	conditions := where{slices.Clone(w.where.conditions), slices.Clone(w.where.args)}
	if marker != nil {
		text, args := behind(terms, marker)
		conditions.and(text, args...)
	}
	orderBy, orderArgs := clause(terms)
	text = `SELECT ` + objectFields + ` FROM ` + string(w.Kind) + ` o` + conditions.String() + orderBy
	args = append(conditions.args, orderArgs...)
	if w.Limit > 0 {
		text, args = text+` LIMIT ?`, append(args, w.Limit)
	}
	return w.dialect.bind(text), args
}

// markerValues is the statement that reads the values of the marker.
func (w *objectQuery) markerValues(terms []term) (text string, args []any, err error) {
	id, err := parseID(w.Marker)
	if err != nil {
		return "", nil, store.ErrNotFound
	}
	expressions := make([]string, len(terms))
	for i, t := range terms {
		expressions[i] = t.expression
		args = append(args, t.args...)
	}
	text = `SELECT ` + strings.Join(expressions, `, `) + ` FROM ` + string(w.Kind) + ` o WHERE o.id = ?`
	return w.dialect.bind(text), append(args, w.dialect.uuid(id)), nil
}
