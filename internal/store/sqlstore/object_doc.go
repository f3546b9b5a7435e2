package sqlstore

import (
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/tricircle/tricircle/internal/store"
)

// encodeJSON has one text for each value, so that values are equal if their texts are: filters rely on it.
func encodeJSON(value any) (string, error) {
	text, err := json.Marshal(value)
	return string(text), err
}

func scanObject(kind store.ObjectKind) func(*sql.Rows) (*store.Object, error) {
	var (
		decoder          jsonDecoder
		doc              string
		created, updated int64
	)
	return func(rows *sql.Rows) (*store.Object, error) {
		o := &store.Object{Kind: kind}
		err := rows.Scan((*idText)(&o.ID), &o.ProjectID, &o.Revision, &created, &updated, &doc)
		if err != nil {
			return nil, err
		}
		o.CreatedAt, o.UpdatedAt = timeOf(created), timeOf(updated)
		if o.Attrs, err = decoder.decode(doc); err != nil {
			return nil, fmt.Errorf("attributes of %s %s: %w", kind, o.ID, err)
		}
		return o, nil
	}
}

// idText is an id that is scanned, "" for NULL: PostgreSQL gives its text, SQLite its bytes.
type idText string

// Scan implements sql.Scanner.
func (t *idText) Scan(src any) error {
	switch src := src.(type) {
	case nil:
		*t = ""
		return nil
	case string:
		*t = idText(src)
		return nil
	}
	var id uuid.UUID
	err := id.Scan(src)
	*t = idText(id.String())
	return err
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
