package api

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/neutron/schema"
	"github.com/tricircle/tricircle/internal/store"
)

// param is one parameter of a query, decoded.
type param struct{ key, value string }

// parseQuery splits a query into its parameters, in their order: Neutron's links repeat it, and its errors list names in it.
// What is no valid text is read with the replacement character, as WebOb does.
func parseQuery(raw string) []param {
	var out []param
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		key, value, _ := strings.Cut(part, "=")
		out = append(out, param{decode(key), decode(value)})
	}
	return out
}

func decode(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		s = u
	}
	return strings.ToValidUTF8(s, string(utf8.RuneError))
}

// values are those of one key.
func values(params []param, key string) []string {
	var out []string
	for _, p := range params {
		if p.key == key {
			out = append(out, p.value)
		}
	}
	return out
}

// last is the last value of a key, which is what counts of parameters that can be given only once.
func last(params []param, key string) string {
	if all := values(params, key); all != nil {
		return all[len(all)-1]
	}
	return ""
}

// list is a query for a list.
type list struct {
	params []param
	query  store.ObjectQuery
	live   []store.Filter // conditions on live attributes, which the store does not know
	fields []string
}

// reserved are parameters that are no filters.
var reserved = []string{"fields", "sort_key", "sort_dir", "limit", "marker", "page_reverse"}

// parseList reads the query of GET /v2.0/networks (neutron/pecan_wsgi/hooks/query_parameters.py and
// neutron/api/api_common.py, Zed, with filter-validation and empty-string-filtering).
func (t *table) parseList(raw string, maxPage int) (*list, error) {
	l := &list{params: parseQuery(raw), query: store.ObjectQuery{Kind: t.Kind}}
	l.fields = fieldsOf(l.params)
	if err := t.filters(l); err != nil {
		return nil, err
	}
	if err := t.sorts(l); err != nil {
		return nil, err
	}
	return l, l.page(maxPage)
}

// fieldsOf are the attributes that are asked for; nil stands for all.
func fieldsOf(params []param) []string { return values(params, "fields") }

// filters reads conditions: several values of one attribute are alternatives.
func (t *table) filters(l *list) error {
	var unknown, done []string
	for _, p := range l.params {
		if slices.Contains(reserved, p.key) || slices.Contains(done, p.key) {
			continue
		}
		done = append(done, p.key)
		given := values(l.params, p.key)
		if t.Tagged && t.tagFilter(l, p.key, given) {
			continue
		}
		a := t.attribute(canonical(p.key))
		if a == nil || a.NoFilter || a.Hidden && a.Filter == nil {
			unknown = append(unknown, p.key)
			continue
		}
		conditions, err := a.conditions(given)
		if err != nil {
			return err
		}
		if a.Live {
			l.live = append(l.live, conditions...)
			continue
		}
		l.query.Filters = append(l.query.Filters, conditions...)
	}
	if unknown != nil {
		return fault.BadRequest("%s is invalid attribute for filtering", schema.List(unknown))
	}
	return nil
}

// conditions turns the values of a filter into what the store understands. Text that no database can hold equals nothing.
func (a *attribute) conditions(given []string) ([]store.Filter, error) {
	given = slices.DeleteFunc(given, func(s string) bool { return strings.IndexByte(s, 0) >= 0 })
	if a.Filter != nil {
		return a.Filter(given)
	}
	f := store.Filter{Attr: a.Name}
	for _, s := range given {
		var v any = s
		if a.Convert != nil {
			var err error
			if v, err = a.Convert(s); err != nil {
				return nil, err
			}
		}
		f.Values = append(f.Values, v)
	}
	return []store.Filter{f}, nil
}

// tagFilter reads the four filters by tags, whose values are lists with commas (neutron/objects/tag.py).
func (t *table) tagFilter(l *list, key string, given []string) bool {
	var into *[]string
	switch key {
	case "tags":
		into = &l.query.TagsAll
	case "tags-any":
		into = &l.query.TagsAny
	case "not-tags":
		into = &l.query.NotTagsAll
	case "not-tags-any":
		into = &l.query.NotTagsAny
	default:
		return false
	}
	for _, value := range given {
		for tag := range strings.SplitSeq(value, ",") {
			if !slices.Contains(*into, tag) && strings.IndexByte(tag, 0) < 0 {
				*into = append(*into, tag)
			}
		}
	}
	return true
}

// sorts reads sort_key and sort_dir, which come in pairs.
func (t *table) sorts(l *list) error {
	keys, dirs := nonEmpty(values(l.params, "sort_key")), nonEmpty(values(l.params, "sort_dir"))
	if len(keys) != len(dirs) {
		return fault.BadRequest("The number of sort_keys and sort_dirs must be same")
	}
	var unknown, wrong []string
	for i, key := range keys {
		if a := t.attribute(canonical(key)); a == nil || a.NoSort || a.Hidden {
			unknown = append(unknown, key)
		}
		if dirs[i] != "asc" && dirs[i] != "desc" {
			wrong = append(wrong, dirs[i])
		}
		l.query.Sort = append(l.query.Sort, store.SortKey{Attr: canonical(key), Desc: dirs[i] == "desc"})
	}
	switch {
	case unknown != nil:
		return fault.BadRequest("%s is invalid attribute for sort_keys", schema.List(unknown))
	case wrong != nil:
		return fault.BadRequest("%s is invalid value for sort_dirs, valid value is 'asc' and 'desc'", schema.List(wrong))
	}
	return nil
}

func nonEmpty(all []string) []string {
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}

// page reads limit, marker and page_reverse. Without a limit there are no pages, and the others count for nothing.
func (l *list) page(most int) error {
	if text := last(l.params, "limit"); text != "" {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || n < 0 {
			return &fault.Error{Status: http.StatusBadRequest, Type: "BadRequest",
				Message: "Bad limit request: Limit must be an integer 0 or greater and not '" + text + "'."}
		}
		l.query.Limit = n
	}
	if most > 0 && (l.query.Limit == 0 || l.query.Limit > most) {
		l.query.Limit = most
	}
	if l.query.Limit > 0 {
		l.query.Marker = last(l.params, "marker")
		l.query.Reverse = strings.EqualFold(last(l.params, "page_reverse"), "true")
	}
	return nil
}

// links are those to the pages behind and before this one. page is what the store gave: rows that policy hides count.
func (l *list) links(base string, page []*store.Object) []any {
	if l.query.Limit == 0 {
		return nil
	}
	short := len(page) < l.query.Limit
	var out []any
	if !short || l.query.Reverse {
		out = append(out, link("next", l.href(base, page, len(page)-1, false)))
	}
	if !short || !l.query.Reverse {
		out = append(out, link("previous", l.href(base, page, 0, true)))
	}
	return out
}

func link(rel, href string) any { return map[string]any{"rel": rel, "href": href} }

// href is the query again, from the object at index of the page on.
func (l *list) href(base string, page []*store.Object, index int, reverse bool) string {
	var b strings.Builder
	add := func(key, value string) {
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(key) + "=" + url.QueryEscape(value))
	}
	for _, p := range l.params {
		if p.key != "marker" && p.key != "page_reverse" {
			add(p.key, p.value)
		}
	}
	if len(page) > 0 {
		add("marker", page[index].ID)
	}
	if reverse {
		add("page_reverse", "True")
	}
	return base + "?" + b.String()
}
