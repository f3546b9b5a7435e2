package storetest

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/tricircle/tricircle/internal/store"
)

// objectModel is what queries of ports should do, without a database. Network 1 is of project p, network 2 of q.
type objectModel []*store.Object

var networkOwners = map[string]string{id(1): "p", id(2): "q"}

func (m objectModel) query(q store.ObjectQuery) []*store.Object {
	var found []*store.Object
	for _, o := range m {
		if modelMatches(o, q) {
			found = append(found, o)
		}
	}
	order := func(a, b *store.Object) int { return modelOrder(a, b, q) }
	slices.SortFunc(found, order)
	marker := slices.IndexFunc(m, func(o *store.Object) bool { return o.ID == q.Marker })
	if q.Reverse {
		if marker >= 0 {
			found = slices.DeleteFunc(found, func(o *store.Object) bool { return order(o, m[marker]) >= 0 })
		}
		if q.Limit > 0 {
			found = found[max(0, len(found)-q.Limit):]
		}
		return found
	}
	if marker >= 0 {
		found = slices.DeleteFunc(found, func(o *store.Object) bool { return order(o, m[marker]) <= 0 })
	}
	if q.Limit > 0 {
		found = found[:min(len(found), q.Limit)]
	}
	return found
}

func modelOrder(a, b *store.Object, q store.ObjectQuery) int {
	for _, key := range append(slices.Clone(q.Sort), store.SortKey{Attr: "id"}) {
		c := compareValues(modelValue(a, key.Attr), modelValue(b, key.Attr))
		if key.Desc {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

// compareValues compares values of one type; nil is the least.
func compareValues(a, b any) int {
	number := func(v any) int64 {
		switch v := v.(type) {
		case int64:
			return v
		case bool:
			if v {
				return 1
			}
		}
		return 0
	}
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	if s, ok := a.(string); ok {
		return strings.Compare(s, b.(string))
	}
	return cmp.Compare(number(a), number(b))
}

func modelValue(o *store.Object, attr string) any {
	switch attr {
	case "id":
		return o.ID
	case "project_id":
		return o.ProjectID
	case "revision_number":
		return o.Revision
	}
	return o.Attrs[attr]
}

func modelMatches(o *store.Object, q store.ObjectQuery) bool {
	network, _ := o.Attrs["network_id"].(string)
	if q.VisibleTo != "" && o.ProjectID != q.VisibleTo && networkOwners[network] != q.VisibleTo {
		return false
	}
	tags := strs(o.Attrs["tags"])
	has := func(tag string) bool { return slices.Contains(tags, tag) }
	lacks := func(tag string) bool { return !has(tag) }
	return !slices.ContainsFunc(q.Filters, func(f store.Filter) bool { return !filterMatches(o, f) }) &&
		!slices.ContainsFunc(q.TagsAll, lacks) &&
		(len(q.TagsAny) == 0 || slices.ContainsFunc(q.TagsAny, has)) &&
		(len(q.NotTagsAll) == 0 || slices.ContainsFunc(q.NotTagsAll, lacks)) &&
		!slices.ContainsFunc(q.NotTagsAny, has)
}

func strs(list any) (all []string) {
	values, _ := list.([]any)
	for _, v := range values {
		all = append(all, v.(string))
	}
	return all
}

func filterMatches(o *store.Object, f store.Filter) bool {
	value := modelValue(o, f.Attr)
	return slices.ContainsFunc(f.Values, func(wanted any) bool {
		text, isText := value.(string)
		part, _ := wanted.(string)
		switch f.Op {
		case store.Contains:
			return isText && strings.Contains(text, part)
		case store.HasPrefix:
			return isText && strings.HasPrefix(text, part)
		case store.AtLeast:
			return value != nil && compareValues(value, wanted) >= 0
		}
		if f.Attr == "security_groups" {
			return slices.Contains(strs(value), part)
		}
		return value == wanted
	}) != (f.Op == store.NotEqual)
}

// Few values, so that objects meet; of attributes without a column, too: one of each type, which may be missing.
var (
	genText    = rapid.SampledFrom([]any{"", "a", "A", "ab", "b", "é%_", "'\"\\"})
	genInt     = rapid.SampledFrom([]any{nil, int64(-1), int64(0), int64(2), int64(10), int64(1<<53 + 1)})
	genString  = rapid.SampledFrom([]any{nil, "", "a", "B", "10", "é<>&\u2028"})
	genBool    = rapid.SampledFrom([]any{nil, true, false})
	genProj    = rapid.SampledFrom([]any{"p", "q"})
	genNetwork = rapid.SampledFrom([]any{id(1), id(2)})
	genGroup   = rapid.SampledFrom([]any{id(1), id(2), id(3)})
	genTag     = rapid.SampledFrom([]string{"x", "y", "Y"})
	attrs      = map[string]*rapid.Generator[any]{
		"name": genText, "device_id": genText, "device_owner": genText, "network_id": genNetwork, "project_id": genProj,
		"mtu": genInt, "description": genString, "admin_state_up": genBool, "security_groups": genGroup,
	}
	genAttr  = rapid.SampledFrom([]string{"name", "device_id", "device_owner", "network_id", "project_id", "mtu", "description", "admin_state_up"})
	genPorts = rapid.Custom(func(t *rapid.T) objectModel {
		ports := make(objectModel, rapid.IntRange(0, 12).Draw(t, "ports"))
		for i := range ports {
			o := port(i+1, genProj.Draw(t, "project").(string), 1)
			for _, attr := range []string{"name", "device_id", "device_owner", "network_id", "mtu", "description", "admin_state_up"} {
				if v := attrs[attr].Draw(t, attr); v != nil || rapid.Bool().Draw(t, "null") {
					o.Attrs[attr] = v
				}
			}
			o.Attrs["tags"], o.Attrs["security_groups"] = []any{}, []any{}
			for _, tag := range rapid.SliceOfNDistinct(genTag, 0, 2, rapid.ID).Draw(t, "tags") {
				o.Attrs["tags"] = append(o.Attrs["tags"].([]any), tag)
			}
			for _, group := range rapid.SliceOfNDistinct(genGroup, 0, 2, rapid.ID).Draw(t, "groups") {
				o.Attrs["security_groups"] = append(o.Attrs["security_groups"].([]any), group)
			}
			ports[i] = o
		}
		return ports
	})
	genObjectFilter = rapid.Custom(func(t *rapid.T) store.Filter {
		f := store.Filter{Attr: genAttr.Draw(t, "attribute"), Op: rapid.SampledFrom([]store.Op{store.Equal, store.NotEqual}).Draw(t, "op")}
		if rapid.IntRange(0, 9).Draw(t, "other filter") == 0 {
			f = store.Filter{Attr: "security_groups"}
		} else if text := f.Attr != "network_id" && attrs[f.Attr] != genBool && attrs[f.Attr] != genInt; text && rapid.Bool().Draw(t, "text") {
			f.Op = rapid.SampledFrom([]store.Op{store.Contains, store.HasPrefix, store.AtLeast}).Draw(t, "text op")
		} else if attrs[f.Attr] == genInt && rapid.Bool().Draw(t, "number") {
			f.Op = store.AtLeast
		}
		f.Values = rapid.SliceOfN(attrs[f.Attr], 0, 3).Draw(t, "values")
		if f.Op != store.Equal && f.Op != store.NotEqual {
			f.Values = slices.DeleteFunc(f.Values, func(v any) bool { return v == nil })
		}
		return f
	})
	genQuery = rapid.Custom(func(t *rapid.T) store.ObjectQuery {
		q := store.ObjectQuery{Kind: store.KindPort, VisibleTo: rapid.SampledFrom([]string{"", "p", "q"}).Draw(t, "visible to"),
			Filters: rapid.SliceOfN(genObjectFilter, 0, 2).Draw(t, "filters")}
		for _, attr := range rapid.SliceOfNDistinct(genAttr, 0, 3, rapid.ID).Draw(t, "sort") {
			q.Sort = append(q.Sort, store.SortKey{Attr: attr, Desc: rapid.Bool().Draw(t, "descending")})
		}
		tags := []*[]string{&q.TagsAll, &q.TagsAny, &q.NotTagsAll, &q.NotTagsAny}
		if i := rapid.IntRange(0, 8).Draw(t, "by tags"); i < len(tags) {
			*tags[i] = rapid.SliceOfN(genTag, 1, 2).Draw(t, "tags")
		}
		return q
	})
)

// testObjectModel asks the store and the model the same questions about random ports, and pages through the answers both ways.
func testObjectModel(t *testing.T, s store.Store) {
	ctx := t.Context()
	insert(t, s, network(1, "p"), network(2, "q"), object(store.KindSecurityGroup, 1, "p", nil),
		object(store.KindSecurityGroup, 2, "p", nil), object(store.KindSecurityGroup, 3, "p", nil))
	rapid.Check(t, func(t *rapid.T) {
		ports := genPorts.Draw(t, "ports")
		for _, o := range ports { // an attribute of text that a column repeats is there, and no null
			for _, attr := range []string{"name", "device_id", "device_owner"} {
				if o.Attrs[attr] == nil {
					o.Attrs[attr] = ""
				}
			}
		}
		err := s.InTx(ctx, func(tx store.Tx) error { return replacePorts(t, tx, ports) })
		if err != nil {
			t.Fatal(err)
		}
		for range 4 {
			q := genQuery.Draw(t, "query")
			want := ports.query(q)
			n, err := s.Reader().Count(ctx, q)
			if err != nil || n != len(want) {
				t.Fatalf("Count(%+v) = %d, %v; want %d", q, n, err, len(want))
			}
			samePage(t, s, q, want)
			for q.Reverse = range map[bool]bool{false: true, true: true} {
				q.Limit, q.Marker = rapid.IntRange(1, 4).Draw(t, "limit"), ""
				for page := -1; page != 0; { // until one is empty
					want := ports.query(q)
					samePage(t, s, q, want)
					if page = len(want); page > 0 && q.Reverse {
						q.Marker = want[0].ID
					} else if page > 0 {
						q.Marker = want[page-1].ID
					}
				}
			}
		}
	})
}

// replacePorts makes the ports the only ones: what stays is updated.
func replacePorts(t *rapid.T, tx store.Tx, ports objectModel) error {
	before, err := tx.List(t.Context(), store.ObjectQuery{Kind: store.KindPort})
	if err != nil {
		return err
	}
	for _, old := range before {
		i := slices.IndexFunc(ports, func(o *store.Object) bool { return o.ID == old.ID && o.ProjectID == old.ProjectID })
		if i < 0 {
			if err := tx.Delete(t.Context(), store.KindPort, old.ID); err != nil {
				return err
			}
			continue
		}
		ports[i].Revision, ports[i].CreatedAt = old.Revision, old.CreatedAt
		if err := tx.Update(t.Context(), ports[i]); err != nil {
			return err
		}
	}
	for _, o := range ports {
		if o.CreatedAt.IsZero() {
			if err := tx.Insert(t.Context(), o); err != nil {
				return err
			}
		}
	}
	return nil
}

func samePage(t *rapid.T, s store.Store, q store.ObjectQuery, want []*store.Object) {
	t.Helper()
	got, err := s.Reader().List(t.Context(), q)
	if err != nil {
		t.Fatalf("List(%+v): %v", q, err)
	}
	if diff := gocmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("List(%+v) (-want +got):\n%s", q, diff)
	}
}
