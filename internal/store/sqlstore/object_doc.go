package sqlstore

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/tricircle/tricircle/internal/store"
)

// encodeJSON has one form for each value, so that values are equal if their texts are: filters rely on it.
func encodeJSON(value any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// decodeJSON is the inverse, for objects. Whole numbers become int64, which a float64 would round.
func decodeJSON(text []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var object map[string]any
	if err := d.Decode(&object); err != nil {
		return nil, err
	}
	for name, value := range object {
		object[name] = plainNumbers(value)
	}
	return object, nil
}

// plainNumbers replaces each json.Number in value.
func plainNumbers(value any) any {
	switch v := value.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, err := v.Float64()
		if err != nil { // too big for both
			return v.String()
		}
		return f
	case []any:
		for i := range v {
			v[i] = plainNumbers(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = plainNumbers(v[name])
		}
	}
	return value
}

func scanObject(kind store.ObjectKind) func(*sql.Rows) (*store.Object, error) {
	var doc sql.RawBytes
	return func(rows *sql.Rows) (*store.Object, error) {
		o := &store.Object{Kind: kind}
		var id uuid.UUID
		var created, updated int64
		err := rows.Scan(&id, &o.ProjectID, &o.Revision, &created, &updated, &doc)
		if err != nil {
			return nil, err
		}
		o.ID, o.CreatedAt, o.UpdatedAt = id.String(), timeOf(created), timeOf(updated)
		if o.Attrs, err = decodeJSON(doc); err != nil {
			return nil, fmt.Errorf("attributes of %s %s: %w", kind, o.ID, err)
		}
		return o, nil
	}
}

// texts returns the strings of a list, such as the tags of an object.
func texts(o *store.Object, attr string) ([]string, error) {
	switch list := o.Attrs[attr].(type) {
	case nil:
		return nil, nil
	case []string:
		return list, nil
	case []any:
		all := make([]string, len(list))
		for i, v := range list {
			s, ok := v.(string)
			if !ok {
				return nil, fmt.Errorf("%s: %T among strings", attr, v)
			}
			all[i] = s
		}
		return all, nil
	default:
		return nil, fmt.Errorf("%s: %T is no list", attr, list)
	}
}

// textsArgument is texts as the argument of dialect.textRows or dialect.uuidRows.
func textsArgument(o *store.Object, attr string) (string, error) {
	all, err := texts(o, attr)
	if err != nil || len(all) == 0 {
		return "[]", err
	}
	return encodeJSON(all)
}
