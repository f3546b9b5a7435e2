package sqlstore

import (
	"slices"
	"strings"

	"github.com/tricircle/tricircle/internal/store"
)

// objectQuery puts together the statements of one store.ObjectQuery.
type objectQuery struct {
	dialect *dialect
	table   *objectTable
	store.ObjectQuery
	where where
}

func (d *dialect) newObjectQuery(q store.ObjectQuery) (*objectQuery, error) {
	table, err := tableOf(q.Kind)
	if err != nil {
		return nil, err
	}
	w := &objectQuery{dialect: d, table: table, ObjectQuery: q}
	if q.VisibleTo != "" && !table.public {
		w.visible()
	}
	var addresses []store.Filter
	for _, f := range q.Filters {
		if isAddressFilter(f) {
			addresses = append(addresses, f)
			continue
		}
		condition, args := w.filter(f)
		w.where.and(condition, args...)
	}
	if len(addresses) > 0 {
		w.addresses(addresses)
	}
	w.tags()
	return w, nil
}

// visible restricts to what a project may see.
func (w *objectQuery) visible() {
	if w.table.seen == "" {
		w.where.and(`o.project_id = ?`, w.VisibleTo)
		return
	}
	w.where.and(`(o.project_id = ? OR o.`+w.table.seenBy+w.dialect.oneOf+w.table.seen+w.dialect.oneOfEnd+`)`, w.VisibleTo, w.VisibleTo)
}

// filter returns the condition of a filter that concerns one attribute.
func (w *objectQuery) filter(f store.Filter) (string, []any) {
	if f.Op == store.NotEqual {
		f.Op = store.Equal
		condition, args := w.filter(f)
		return `(` + condition + `) IS NOT TRUE`, args
	}
	column := w.table.column(f.Attr)
	switch {
	case column != nil && f.Op == store.Equal:
		return w.columnEqual(column, f.Values)
	case column != nil && column.typ == textColumn, column != nil && f.Op == store.AtLeast:
		return w.compare(`o.`+column.name, nil, f, func(v any) (any, error) { return column.argument(w.dialect, v) })
	case f.Attr == "shared" && w.table.shared && f.Op == store.Equal:
		return w.shared(f.Values)
	case f.Attr == "security_groups" && w.Kind == store.KindPort && f.Op == store.Equal:
		list, args := in(f.Values, parseIDArgument(w.dialect))
		return `o.id IN (SELECT port_id FROM port_group WHERE group_id` + list + `)`, args
	case strings.Contains(f.Attr, `"`): // which member could not say
		return `FALSE`, nil
	case f.Op == store.Equal:
		list, args := in(f.Values, func(v any) (any, error) { return encodeJSON(v) })
		return w.dialect.json.value + list, append([]any{w.dialect.json.member(f.Attr)}, args...)
	default:
		return w.document(f)
	}
}

// columnEqual compares a column with values.
func (w *objectQuery) columnEqual(c *objectColumn, values []any) (string, []any) {
	expression := `o.` + c.name
	convert := func(v any) (any, error) { return c.argument(w.dialect, v) }
	if c.typ == timeColumn {
		const micros = 1_000_000
		expression += ` / 1000000`
		convert = func(v any) (any, error) {
			at, err := c.argument(w.dialect, v)
			if us, ok := at.(int64); ok {
				return us / micros, err
			}
			return at, err
		}
	}
	list, args := in(values, convert)
	if c.nullable && slices.Contains(values, nil) {
		return `(` + expression + ` IS NULL OR ` + expression + list + `)`, args
	}
	return expression + list, args
}

// in compares what is before it with a list of arguments. Values that convert refuses, or makes nil, are left out.
//
// The last argument is repeated until they are as many as a power of two: so there are few different texts, and each of them is
// prepared once.
func in(values []any, convert func(any) (any, error)) (string, []any) {
	var args []any
	for _, v := range values {
		if arg, err := convert(v); err == nil && arg != nil {
			args = append(args, arg)
		}
	}
	switch len(args) {
	case 0:
		return ` IN (NULL)`, nil
	case 1:
		return ` = ?`, args
	}
	for len(args)&(len(args)-1) != 0 {
		args = append(args, args[len(args)-1])
	}
	return ` IN (?` + strings.Repeat(`, ?`, len(args)-1) + `)`, args
}

func parseIDArgument(d *dialect) func(any) (any, error) {
	c := objectColumn{typ: uuidColumn}
	return func(v any) (any, error) { return c.argument(d, v) }
}

// compare makes the condition of an operator other than Equal and NotEqual. The expression has arguments of its own.
func (w *objectQuery) compare(
	expression string, own []any, f store.Filter, convert func(any) (any, error),
) (string, []any) {
	var conditions []string
	var args []any
	for _, v := range f.Values {
		arg, err := convert(v)
		if err != nil {
			continue
		}
		args = append(args, own...)
		switch f.Op {
		case store.Contains:
			conditions = append(conditions, w.dialect.position+`(`+expression+`, ?) > 0`)
			args = append(args, arg)
		case store.HasPrefix:
			conditions = append(conditions, `substr(`+expression+`, 1, length(CAST(? AS text))) = ?`)
			args = append(args, arg, arg)
		default:
			conditions = append(conditions, expression+` >= ?`)
			args = append(args, arg)
		}
	}
	if len(conditions) == 0 {
		return `FALSE`, nil
	}
	return `(` + strings.Join(conditions, ` OR `) + `)`, args
}

// document makes the condition of an operator other than Equal and NotEqual on an attribute without a column.
func (w *objectQuery) document(f store.Filter) (string, []any) {
	member := w.dialect.json.member(f.Attr)
	var texts, numbers []any
	for _, v := range f.Values {
		switch n := v.(type) {
		case string:
			texts = append(texts, n)
		case int:
			numbers = append(numbers, int64(n))
		case int64, float64:
			numbers = append(numbers, n)
		}
	}
	same := func(v any) (any, error) { return v, nil }
	if f.Op == store.AtLeast && len(numbers) > 0 {
		return w.compare(`(`+w.dialect.json.number+`)`, []any{member, member}, store.Filter{Op: f.Op, Values: numbers}, same)
	}
	return w.compare(w.dialect.json.text, []any{member}, store.Filter{Op: f.Op, Values: texts}, same)
}

// shared restricts to what RBAC policies share, with VisibleTo or with all, or to what they do not.
func (w *objectQuery) shared(values []any) (string, []any) {
	yes, no := slices.Contains(values, any(true)), slices.Contains(values, any(false))
	condition := `o.id` + w.dialect.oneOf + sharedWith + `'` + string(w.Kind) + `'` + sharedBy + w.dialect.oneOfEnd
	switch {
	case yes && no:
		return `TRUE`, nil
	case yes:
		return condition, []any{w.VisibleTo}
	case no:
		return `NOT ` + condition, []any{w.VisibleTo}
	default:
		return `FALSE`, nil
	}
}

func isAddressFilter(f store.Filter) bool { return strings.HasPrefix(f.Attr, "fixed_ips.") }

// addresses restricts to ports that have an address for which all the filters hold.
func (w *objectQuery) addresses(filters []store.Filter) {
	var a where
	for _, f := range filters {
		switch {
		case f.Attr == "fixed_ips.ip_address" && f.Op == store.Equal:
			list, args := in(f.Values, addressArgument)
			a.and(`ip`+list, args...)
		case f.Attr == "fixed_ips.subnet_id" && f.Op == store.Equal:
			list, args := in(f.Values, parseIDArgument(w.dialect))
			a.and(`subnet_id`+list, args...)
		default: // a part of an address as it is written; that needs no index, for it could use none
			member := strings.TrimPrefix(f.Attr, "fixed_ips.")
			condition, args := w.compare(`f.value ->> CAST(? AS text)`, []any{member}, f, func(v any) (any, error) { return v, nil })
			w.where.and(`EXISTS (SELECT 1 FROM `+w.dialect.json.addresses+` WHERE `+condition+`)`, args...)
		}
	}
	if len(a.conditions) > 0 {
		w.where.and(`o.id IN (SELECT port_id FROM address`+a.String()+`)`, a.args...)
	}
}

// tags restricts by tags: neutron_lib/api/definitions and neutron/objects/tag.py call them tags, tags-any, not-tags and not-tags-any.
func (w *objectQuery) tags() {
	const tagged = `SELECT object_id FROM tag WHERE kind = ? AND tag`
	one := func(tag string) (string, []any) { return `o.id IN (` + tagged + ` = ?)`, []any{w.Kind, tag} }
	some := func(tags []string) (string, []any) {
		list, args := in(anys(tags), func(v any) (any, error) { return v, nil })
		return `o.id IN (` + tagged + list + `)`, append([]any{w.Kind}, args...)
	}
	for _, tag := range w.TagsAll {
		condition, args := one(tag)
		w.where.and(condition, args...)
	}
	if len(w.TagsAny) > 0 {
		condition, args := some(w.TagsAny)
		w.where.and(condition, args...)
	}
	if len(w.NotTagsAll) > 0 {
		var all where
		for _, tag := range w.NotTagsAll {
			condition, args := one(tag)
			all.and(condition, args...)
		}
		w.where.and(`NOT (`+strings.Join(all.conditions, ` AND `)+`)`, all.args...)
	}
	if len(w.NotTagsAny) > 0 {
		condition, args := some(w.NotTagsAny)
		w.where.and(`NOT `+condition, args...)
	}
}

func anys(texts []string) []any {
	all := make([]any, len(texts))
	for i, s := range texts {
		all[i] = s
	}
	return all
}

// count is the statement that counts.
func (w *objectQuery) count() (text string, args []any) {
	return w.dialect.bind(`SELECT count(*) FROM ` + string(w.Kind) + ` o` + w.where.String()), w.where.args
}
