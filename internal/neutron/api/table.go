package api

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tricircle/tricircle/internal/neutron/schema"
	"github.com/tricircle/tricircle/internal/policy"
	"github.com/tricircle/tricircle/internal/store"
)

// table is a Resource with all its attributes, prepared for serving.
type table struct {
	*Resource
	attrs   []attribute // in the order of rendering
	index   map[string]int
	parents []*table // what objects belong to: "network" of what has a network_id
}

// attribute is an Attribute with what is said of it again and again.
type attribute struct {
	Attribute
	member []byte // as JSON: "name":
	// rule must allow that the attribute is shown; "" if there is none.
	rule       string
	asksTarget bool // whether the rule may decide differently for each object
}

// standard puts the attributes that the engine adds before and behind those of a resource, unless it has its own.
func standard(r *Resource) []Attribute {
	before := []Attribute{{Name: "id"}}
	project := Attribute{Name: "project_id", Post: true, Default: Unset, Validate: schema.String(255)}
	before = append(before, project)
	project.Name = "tenant_id"
	before = append(before, project)
	var after []Attribute
	if r.Standard {
		after = append(after, Attribute{Name: "description", Post: true, Put: true, Default: "", Validate: schema.String(255), NoSort: true})
	}
	if r.Tagged {
		after = append(after, Attribute{Name: "tags", NoFilter: true, NoSort: true})
	}
	if r.Standard {
		after = append(after, Attribute{Name: "created_at", NoFilter: true, NoSort: true},
			Attribute{Name: "updated_at", NoFilter: true, NoSort: true},
			Attribute{Name: "revision_number", Convert: schema.ToInt, NoSort: true})
	}
	own := func(a Attribute) bool {
		return slices.ContainsFunc(r.Attributes, func(b Attribute) bool { return a.Name == b.Name })
	}
	return slices.Concat(slices.DeleteFunc(before, own), r.Attributes, slices.DeleteFunc(after, own))
}

// compile prepares resources for serving. It refuses what would fail later: two of one name, an attribute twice.
func compile(resources []*Resource, rules *policy.Enforcer) (map[string]*table, error) {
	byCollection, bySingular := map[string]*table{}, map[string]*table{}
	for _, r := range resources {
		t := &table{Resource: r, index: map[string]int{}}
		for i, a := range standard(r) {
			if _, twice := t.index[a.Name]; twice {
				return nil, fmt.Errorf("resource %s: attribute %s is there twice", r.Singular, a.Name)
			}
			t.index[a.Name] = i
			c := attribute{Attribute: a, member: append(appendString(nil, a.Name), ':')}
			if rule := "get_" + r.Singular + ":" + a.Name; rules.Has(rule) {
				c.rule, c.asksTarget = rule, rules.AsksTarget(rule)
			}
			t.attrs = append(t.attrs, c)
		}
		if byCollection[r.Collection] != nil || bySingular[r.Singular] != nil {
			return nil, fmt.Errorf("resource %s is there twice", r.Singular)
		}
		byCollection[r.Collection], bySingular[r.Singular] = t, t
	}
	for _, t := range byCollection {
		for _, singular := range slices.Sorted(maps.Keys(bySingular)) {
			if _, ok := t.index[singular+"_id"]; ok {
				t.parents = append(t.parents, bySingular[singular])
			}
		}
	}
	return byCollection, nil
}

// attribute is the one of that name, or nil.
func (t *table) attribute(name string) *attribute {
	if i, ok := t.index[name]; ok {
		return &t.attrs[i]
	}
	return nil
}

// parent is what objects belong to by their attribute singular_id, or nil.
func (t *table) parent(singular string) *table {
	for _, p := range t.parents {
		if p.Singular == singular {
			return p
		}
	}
	return nil
}

// value is an attribute of an object, as it is rendered: a value of JSON, or a time.
func (t *table) value(o *store.Object, name string) any {
	switch name {
	case "id":
		return o.ID
	case "project_id", "tenant_id":
		return o.ProjectID
	case "revision_number":
		if t.Standard {
			return o.Revision
		}
	case "created_at":
		if t.Standard {
			return o.CreatedAt
		}
	case "updated_at":
		if t.Standard {
			return o.UpdatedAt
		}
	case "tags":
		if tags, ok := o.Attrs[name]; ok {
			return tags
		}
		return noTags
	}
	return o.Attrs[name]
}

// noTags are those of an object that never had any.
var noTags any = []any{}

// canonical is the name of an attribute where the API has two for one.
func canonical(name string) string {
	if name == "tenant_id" {
		return "project_id"
	}
	return name
}

// copyValue copies a value of JSON, so that a rule can change it in each run of its transaction.
func copyValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return copyMap(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = copyValue(v[i])
		}
		return out
	}
	return v
}

func copyMap(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for name, v := range m {
		out[name] = copyValue(v)
	}
	return out
}

// path is the label of a route of the resource, for logs and metrics.
func (t *table) path(rest string) string { return strings.TrimSuffix("/v2.0/"+t.Collection+rest, "/") }
