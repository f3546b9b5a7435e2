package api

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/neutron/schema"
	"github.com/tricircle/tricircle/internal/store"
)

// answer is what a call came to.
type answer struct {
	status int
	body   []byte // JSON; nil is none
}

func jsonAnswer(status int, v any) (answer, error) {
	body, err := appendValue(nil, v)
	return answer{status, body}, err
}

// get serves GET /v2.0/networks/{id}.
func (c *Call) get(t *table, id string) (answer, error) {
	if err := c.prepare(t); err != nil {
		return answer{}, err
	}
	o, err := c.find(c.engine.Store.Reader(), t, id)
	if err != nil {
		return answer{}, err
	}
	page := []*store.Object{o}
	if err := c.complete(t, page); err != nil {
		return answer{}, err
	}
	if ok, err := c.allows("get_"+t.Singular, c.targetOf(t, o)); err != nil {
		return answer{}, err
	} else if !ok {
		return answer{}, t.NotFound(id)
	}
	return c.render(t, http.StatusOK, "", page, nil)
}

// prepare lets the resource see to it that what is looked for is there.
func (c *Call) prepare(t *table) error {
	if t.Rules.Prepare == nil {
		return nil
	}
	return t.Rules.Prepare(c)
}

// show answers with objects that the caller has just written: below the plural if there is one, else one below the singular.
func (c *Call) show(t *table, status int, plural string, page []*store.Object) (answer, error) {
	if err := c.complete(t, page); err != nil {
		return answer{}, err
	}
	return c.render(t, status, plural, page, nil)
}

// complete adds to objects what is not stored.
func (c *Call) complete(t *table, page []*store.Object) error {
	if t.Rules.Show == nil || len(page) == 0 {
		return nil
	}
	return t.Rules.Show(c, c.engine.Store.Reader(), page)
}

// targetOf is an object, or each of a page in turn, as the caller sees it.
func (c *Call) targetOf(t *table, o *store.Object) *target {
	return &target{c: c, table: t, reader: c.engine.Store.Reader(), object: o, shown: t.Rules.Show != nil}
}

// list serves GET /v2.0/networks: one statement for the page, and one or two more where it has others' objects.
func (c *Call) list(t *table) (answer, error) {
	l, err := t.parseList(c.r.URL.RawQuery, c.engine.MaxPage)
	if err != nil {
		return answer{}, err
	}
	if err := c.prepare(t); err != nil {
		return answer{}, err
	}
	l.query.VisibleTo = c.visibleTo()
	reader := c.engine.Store.Reader()
	page, err := c.page(reader, t, l)
	if errors.Is(err, store.ErrNotFound) {
		return answer{}, t.NotFound(l.query.Marker)
	} else if err != nil {
		return answer{}, err
	}
	links := l.links(c.engine.Public(c.r)+c.r.URL.Path, page)
	if page, err = c.permitted(reader, t, page); err != nil {
		return answer{}, err
	}
	return c.render(t, http.StatusOK, t.Plural, page, links)
}

// page reads a page of a list, complete.
func (c *Call) page(r store.Reader, t *table, l *list) (page []*store.Object, err error) {
	if len(l.live) > 0 {
		return c.sift(r, t, l)
	}
	if page, err = c.read(r, t, l.query); err == nil {
		err = c.complete(t, page)
	}
	return page, err
}

// sift reads a page with conditions on live attributes: one piece of the store's list after the other, until the page is full.
func (c *Call) sift(r store.Reader, t *table, l *list) (page []*store.Object, err error) {
	q, most, seen := l.query, l.query.Limit, 0
	q.Limit = liveAtOnce
	for {
		piece, err := c.read(r, t, q)
		if err == nil {
			err = c.complete(t, piece)
		}
		if err != nil {
			return nil, err
		}
		end := len(piece) < q.Limit
		switch {
		case end:
		case q.Reverse:
			q.Marker = piece[0].ID
		default:
			q.Marker = piece[len(piece)-1].ID
		}
		piece = slices.DeleteFunc(piece, func(o *store.Object) bool {
			return slices.ContainsFunc(l.live, func(f store.Filter) bool { return !t.matches(o, f) })
		})
		if q.Reverse {
			page = append(piece, page...)
		} else {
			page = append(page, piece...)
		}
		if full := most > 0 && len(page) >= most; full && q.Reverse {
			return page[len(page)-most:], nil
		} else if full {
			return page[:most], nil
		}
		if end {
			return page, nil
		}
		if seen += q.Limit; seen >= cmp.Or(c.engine.MaxLive, DefaultMaxLive) {
			return nil, fault.BadRequest("More than %d %s would have to be asked about in their pods: add a limit, or a filter such as network_id.",
				seen, t.Plural)
		}
	}
}

// liveAtOnce is how many objects are looked at together for conditions on live attributes: pods are asked about each of them.
const liveAtOnce = 500

// read gets a page from the store, or from where else the objects come from.
func (c *Call) read(r store.Reader, t *table, q store.ObjectQuery) ([]*store.Object, error) {
	if t.Rules.List == nil {
		return r.List(c.Context(), q)
	}
	all, err := t.Rules.List(c, r, q)
	if err != nil {
		return nil, err
	}
	return t.choose(all, q)
}

// permitted leaves out what policy hides from the caller.
func (c *Call) permitted(r store.Reader, t *table, page []*store.Object) ([]*store.Object, error) {
	rule := "get_" + t.Singular
	if !c.engine.Policy.AsksTarget(rule) {
		if ok, err := c.allows(rule, nil); ok || err != nil {
			return page, err
		}
		return nil, nil
	}
	if err := c.prefetch(r, t, page); err != nil {
		return nil, err
	}
	out, on := make([]*store.Object, 0, len(page)), c.targetOf(t, nil)
	for _, o := range page {
		on.object = o
		ok, err := c.allows(rule, on)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, o)
		}
	}
	return out, nil
}

// render writes objects below the plural, with links if there are any, or, without a plural, the one below the singular.
func (c *Call) render(t *table, status int, plural string, page []*store.Object, links []any) (answer, error) {
	v, err := c.view(t, fieldsOf(parseQuery(c.r.URL.RawQuery)))
	if err != nil {
		return answer{}, err
	}
	b := make([]byte, 0, 512+1024*len(page))
	b = append(appendString(append(b, '{'), cmp.Or(plural, t.Singular)), ':')
	if plural != "" {
		b = append(b, '[')
	}
	on := c.targetOf(t, nil)
	for i, o := range page {
		if i > 0 {
			b = append(b, ',')
		}
		on.object = o
		if b, err = v.append(b, c, on); err != nil {
			return answer{}, err
		}
	}
	if plural != "" {
		b = append(b, ']')
	}
	if links != nil {
		b = append(appendString(append(b, ','), plural+"_links"), ':')
		if b, err = appendValue(b, links); err != nil {
			return answer{}, err
		}
	}
	return answer{status, append(b, '}')}, nil
}

// choose filters, sorts and pages objects that do not come from the store.
func (t *table) choose(all []*store.Object, q store.ObjectQuery) ([]*store.Object, error) {
	all = slices.DeleteFunc(slices.Clone(all), func(o *store.Object) bool {
		return slices.ContainsFunc(q.Filters, func(f store.Filter) bool { return !t.matches(o, f) })
	})
	slices.SortStableFunc(all, func(a, b *store.Object) int {
		for _, key := range q.Sort {
			order := compare(t.value(a, key.Attr), t.value(b, key.Attr))
			if key.Desc {
				order = -order
			}
			if order != 0 {
				return order
			}
		}
		return cmp.Compare(a.ID, b.ID)
	})
	return cut(all, q)
}

// matches tells whether an object fulfils a condition. Values equal each other if their texts do.
func (t *table) matches(o *store.Object, f store.Filter) bool {
	have := schema.Text(t.value(o, f.Attr))
	return slices.ContainsFunc(f.Values, func(v any) bool {
		want := schema.Text(v)
		switch f.Op {
		case store.Contains:
			return strings.Contains(have, want)
		case store.HasPrefix:
			return strings.HasPrefix(have, want)
		}
		return have == want
	}) != (f.Op == store.NotEqual)
}

// compare orders values of one attribute: nothing first, numbers by their worth, all else by text.
func compare(a, b any) int {
	if a == nil || b == nil {
		return cmp.Compare(btoi(a != nil), btoi(b != nil))
	}
	x, isX := a.(int64)
	y, isY := b.(int64)
	if isX && isY {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(schema.Text(a), schema.Text(b))
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// cut takes a page out of a sorted list.
func cut(all []*store.Object, q store.ObjectQuery) ([]*store.Object, error) {
	if q.Limit == 0 {
		return all, nil
	}
	from, to := 0, len(all)
	if q.Marker != "" {
		i := slices.IndexFunc(all, func(o *store.Object) bool { return o.ID == q.Marker })
		switch {
		case i < 0:
			return nil, store.ErrNotFound
		case q.Reverse:
			to = i
		default:
			from = i + 1
		}
	}
	if q.Reverse {
		return all[max(0, to-q.Limit):to], nil
	}
	return all[from:min(to, from+q.Limit)], nil
}
