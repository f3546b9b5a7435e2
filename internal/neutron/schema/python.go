package schema

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Text writes a value as Python's str does: that is how Neutron's texts quote values. Members of maps are in the order of
// their names.
func Text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return repr(v)
}

// repr writes a value as Python's repr does.
func repr(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case string:
		return quote(v)
	case float64:
		if s := strconv.FormatFloat(v, 'g', -1, 64); v != math.Trunc(v) || strings.ContainsAny(s, "e") {
			return s
		}
		return strconv.FormatFloat(v, 'f', 1, 64)
	case []any:
		return List(v)
	case map[string]any:
		members := make([]string, 0, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			members = append(members, quote(name)+": "+repr(v[name]))
		}
		return "{" + strings.Join(members, ", ") + "}"
	}
	return fmt.Sprint(v)
}

// List writes values as Python's repr writes a list of them: "['a', 'b']".
func List[T any](vs []T) string {
	items := make([]string, len(vs))
	for i, v := range vs {
		items[i] = repr(v)
	}
	return "[" + strings.Join(items, ", ") + "]"
}

// set writes strings as Python's repr writes a set of them, in order.
func set(names []string) string {
	if len(names) == 0 {
		return "set()"
	}
	items := make([]string, len(names))
	for i, name := range names {
		items[i] = quote(name)
	}
	return "{" + strings.Join(items, ", ") + "}"
}

func quote(s string) string {
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		return `"` + escape(s) + `"`
	}
	return "'" + strings.ReplaceAll(escape(s), "'", `\'`) + "'"
}

func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(s)
}

// equal compares as Python does where values of JSON are concerned: numbers by what they are worth, and a bool is a number.
func equal(a, b any) bool {
	if x, ok := number(a); ok {
		y, ok := number(b)
		return ok && x == y
	}
	return repr(a) == repr(b)
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// integer reads a value as Python's int does; ok is false where that fails.
func integer(v any) (i int64, ok bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case int64:
		return v, true
	case float64:
		return int64(v), math.Abs(v) < 1<<63
	case string:
		i, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		return i, err == nil
	}
	return 0, false
}
