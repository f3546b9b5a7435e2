package plugin

import (
	"net/netip"

	"github.com/tricircle/tricircle/internal/store"
)

// textOf is a string of a document; "" stands for null and for what is none.
func textOf(v any) string {
	s, _ := v.(string)
	return s
}

// boolOf is a truth value of a document; false stands for null.
func boolOf(v any) bool {
	b, _ := v.(bool)
	return b
}

// intOf is a whole number of a document, or nil for null. Those that come back from the database may be float64.
func intOf(v any) *int64 {
	switch n := v.(type) {
	case int64:
		return &n
	case int:
		i := int64(n)
		return &i
	case float64:
		i := int64(n)
		return &i
	}
	return nil
}

// textsOf are the strings of a list.
func textsOf(v any) []string {
	list, _ := v.([]any)
	texts := make([]string, 0, len(list))
	for _, e := range list {
		texts = append(texts, textOf(e))
	}
	return texts
}

// listOf is the inverse of textsOf.
func listOf(texts []string) []any {
	list := make([]any, len(texts))
	for i, t := range texts {
		list[i] = t
	}
	return list
}

// mapsOf are the maps of a list.
func mapsOf(v any) []map[string]any {
	list, _ := v.([]any)
	maps := make([]map[string]any, 0, len(list))
	for _, e := range list {
		if m, ok := e.(map[string]any); ok {
			maps = append(maps, m)
		}
	}
	return maps
}

// familyOf is 4 or 6.
func familyOf(a netip.Addr) int64 {
	if a.Is4() {
		return 4
	}
	return 6
}

// equal is the condition that an attribute has a value.
func equal(attribute string, value any) store.Filter {
	return store.Filter{Attr: attribute, Values: []any{value}}
}

// idsOf are the ids of objects, as values of a filter.
func idsOf(objects []*store.Object) []any {
	ids := make([]any, len(objects))
	for i, o := range objects {
		ids[i] = o.ID
	}
	return ids
}
