package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"

	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/tricircle/tricircle/internal/store"
)

// sideStatements are those about rows that repeat lists of an object.
type sideStatements struct{ addTags, keepTags, addGroups, keepGroups, dropTags, dropPolicies string }

func newSideStatements(d *dialect) sideStatements {
	return sideStatements{
		addTags: d.bind(`
			INSERT INTO tag (kind, object_id, tag) SELECT ?, CAST(? AS ` + d.uuidType + `), t.value FROM (` + d.textRows + `) t
			WHERE TRUE ON CONFLICT DO NOTHING`),
		keepTags: d.bind(`DELETE FROM tag WHERE object_id = ? AND tag NOT IN (` + d.textRows + `)`),
		dropTags: d.bind(`DELETE FROM tag WHERE object_id = ?`),
		addGroups: d.bind(`
			INSERT INTO port_group (port_id, group_id) SELECT CAST(? AS ` + d.uuidType + `), t.value FROM (` + d.uuidRows + `) t
			WHERE TRUE ON CONFLICT DO NOTHING`),
		keepGroups:   d.bind(`DELETE FROM port_group WHERE port_id = ? AND group_id NOT IN (` + d.uuidRows + `)`),
		dropPolicies: d.bind(`DELETE FROM rbac_policy WHERE object_id = ? AND object_type = ?`),
	}
}

// Get implements store.Reader.
func (v *view) Get(ctx context.Context, kind store.ObjectKind, id string) (*store.Object, error) {
	st, uid, err := v.object(kind, id)
	if err != nil {
		return nil, fmt.Errorf("get %s %q: %w", kind, id, err)
	}
	rows, err := query(ctx, v.q, scanObject(kind), st.get, v.dialect.uuid(uid))
	if err == nil && len(rows) == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("get %s %s: %w", kind, id, err)
	}
	return rows[0], nil
}

// object returns the statements of a kind, and the id, or ErrNotFound if there cannot be such an object.
func (v *view) object(kind store.ObjectKind, id string) (*objectStatements, uuid.UUID, error) {
	if _, err := tableOf(kind); err != nil {
		return nil, uuid.Nil, err
	}
	uid, err := parseID(id)
	if err != nil {
		return nil, uuid.Nil, store.ErrNotFound
	}
	return v.owned.objects[kind], uid, nil
}

// List implements store.Reader.
func (v *view) List(ctx context.Context, q store.ObjectQuery) ([]*store.Object, error) {
	page, err := v.page(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("list objects of kind %s: %w", q.Kind, err)
	}
	return page, nil
}

func (v *view) page(ctx context.Context, q store.ObjectQuery) ([]*store.Object, error) {
	w, err := v.dialect.newObjectQuery(q)
	if err != nil {
		return nil, err
	}
	terms := w.order()
	var marker []any
	if q.Marker != "" {
		if marker, err = v.marker(ctx, w, terms); err != nil {
			return nil, fmt.Errorf("marker %s: %w", q.Marker, err)
		}
	}
	text, args := w.list(terms, marker)
	page, err := query(ctx, v.q, scanObject(q.Kind), text, v.dialect.planned(args)...)
	if q.Reverse {
		slices.Reverse(page)
	}
	return page, err
}

// marker returns the values of the marker.
func (v *view) marker(ctx context.Context, w *objectQuery, terms []term) ([]any, error) {
	text, args, err := w.markerValues(terms)
	if err != nil {
		return nil, err
	}
	rows, err := query(ctx, v.q, func(rows *sql.Rows) ([]any, error) {
		values := make([]any, len(terms))
		into := make([]any, len(terms))
		for i := range values {
			into[i] = &values[i]
		}
		return values, rows.Scan(into...)
	}, text, args...)
	if err == nil && len(rows) == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// Count implements store.Reader.
func (v *view) Count(ctx context.Context, q store.ObjectQuery) (int, error) {
	w, err := v.dialect.newObjectQuery(q)
	if err != nil {
		return 0, err
	}
	text, args := w.count()
	n, err := query(ctx, v.q, scalar[int], text, v.dialect.planned(args)...)
	if err != nil {
		return 0, fmt.Errorf("count objects of kind %s: %w", q.Kind, err)
	}
	return n[0], nil
}

// Insert implements store.Tx.
func (t *txn) Insert(ctx context.Context, o *store.Object) error {
	if err := t.insert(ctx, o); err != nil {
		return fmt.Errorf("insert %s %s: %w", o.Kind, o.ID, err)
	}
	return nil
}

func (t *txn) insert(ctx context.Context, o *store.Object) error {
	row, err := t.row(o)
	if err != nil {
		return err
	}
	now := t.now()
	st := t.owned.objects[o.Kind]
	args := append(row.columns, row.id, o.ProjectID, o.Revision, now.UnixMicro(), now.UnixMicro(), row.doc)
	n, err := exec(ctx, t.tx, st.insert, args...)
	if err != nil {
		return err
	}
	if n == 0 {
		if err := t.clash(ctx, o, row); err != nil {
			return err
		}
		return &store.ConflictError{Field: "id", Value: o.ID}
	}
	o.CreatedAt, o.UpdatedAt = timeOf(now.UnixMicro()), timeOf(now.UnixMicro())
	return t.addSides(ctx, o, row)
}

// Update implements store.Tx.
func (t *txn) Update(ctx context.Context, o *store.Object) error {
	if err := t.update(ctx, o); err != nil {
		return fmt.Errorf("update %s %s: %w", o.Kind, o.ID, err)
	}
	return nil
}

func (t *txn) update(ctx context.Context, o *store.Object) error {
	row, err := t.row(o)
	if err != nil {
		return err
	}
	if err := t.clash(ctx, o, row); err != nil {
		return err
	}
	now := t.now().UnixMicro()
	st := t.owned.objects[o.Kind]
	n, err := exec(ctx, t.tx, st.update, append(row.columns, now, row.doc, row.id, o.Revision)...)
	if err != nil {
		return err
	}
	if n == 0 {
		found, err := query(ctx, t.tx, scalar[int64], st.revision, row.id)
		if err == nil && len(found) == 0 {
			err = store.ErrNotFound
		}
		if err != nil {
			return err
		}
		return fmt.Errorf("revision %d, and by now %d: %w", o.Revision, found[0], store.ErrStale)
	}
	t.updated = append(t.updated, stamps{o, o.Revision, o.UpdatedAt})
	o.Revision, o.UpdatedAt = o.Revision+1, timeOf(now)
	if _, err := exec(ctx, t.tx, t.owned.sides.keepTags, row.id, row.tags); err != nil {
		return err
	}
	if o.Kind == store.KindPort {
		if _, err := exec(ctx, t.tx, t.owned.sides.keepGroups, row.id, row.groups); err != nil {
			return err
		}
	}
	return t.addSides(ctx, o, row)
}

// objectRow is an object as arguments of statements.
type objectRow struct {
	id           any
	columns      []any // in the order of objectTable.columns
	doc          string
	tags, groups string // as JSON
}

func (t *txn) row(o *store.Object) (*objectRow, error) {
	table, err := tableOf(o.Kind)
	if err != nil {
		return nil, err
	}
	uid, err := parseID(o.ID)
	if err != nil {
		return nil, err
	}
	row := &objectRow{id: t.dialect.uuid(uid)}
	for i := range table.columns {
		c := &table.columns[i]
		arg, err := c.argument(t.dialect, o.Attrs[c.attr])
		if err == nil && arg == nil && !c.nullable {
			err = fmt.Errorf("%s: must have a value", c.attr)
		}
		if err != nil {
			return nil, err
		}
		row.columns = append(row.columns, arg)
	}
	if row.doc, err = encodeJSON(o.Attrs); err != nil {
		return nil, fmt.Errorf("attributes: %w", err)
	}
	if row.tags, err = textsArgument(o, "tags"); err != nil || o.Kind != store.KindPort {
		return row, err
	}
	row.groups, err = textsArgument(o, "security_groups")
	return row, err
}

// clash returns a *store.ConflictError if another object has the same unique columns.
func (t *txn) clash(ctx context.Context, o *store.Object, row *objectRow) error {
	table, st := objectTables[o.Kind], t.owned.objects[o.Kind]
	if st.clash == "" {
		return nil
	}
	var args []any
	for _, name := range table.unique {
		if name == "project_id" {
			args = append(args, o.ProjectID)
			continue
		}
		i := slices.IndexFunc(table.columns, func(c objectColumn) bool { return c.name == name })
		args = append(args, row.columns[i])
	}
	found, err := query(ctx, t.tx, scalar[int], st.clash, append(args, row.id)...)
	if err != nil || len(found) == 0 {
		return err
	}
	value, _ := o.Attrs[table.unique[0]].(string)
	return &store.ConflictError{Field: table.conflict, Value: cmp.Or(value, o.ProjectID)}
}

// addSides adds rows for the lists of an object, unless they are there.
func (t *txn) addSides(ctx context.Context, o *store.Object, row *objectRow) error {
	const none = "[]"
	if row.tags != none {
		if _, err := exec(ctx, t.tx, t.owned.sides.addTags, o.Kind, row.id, row.tags); err != nil {
			return err
		}
	}
	if o.Kind == store.KindPort && row.groups != none {
		if _, err := exec(ctx, t.tx, t.owned.sides.addGroups, row.id, row.groups); err != nil {
			return err
		}
	}
	return nil
}

// Touch implements store.Tx. To write a row as it is, is to write it: transactions that see another version of it collide.
func (t *txn) Touch(ctx context.Context, kind store.ObjectKind, ids ...string) error {
	if _, err := tableOf(kind); err != nil {
		return err
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	if _, err := exec(ctx, t.tx, t.owned.objects[kind].touch, string(list)); err != nil {
		return fmt.Errorf("touch %s %q: %w", kind, ids, err)
	}
	return nil
}

// Delete implements store.Tx.
func (t *txn) Delete(ctx context.Context, kind store.ObjectKind, id string) error {
	st, uid, err := t.object(kind, id)
	if err == nil {
		err = t.remove(ctx, kind, id, st, t.dialect.uuid(uid))
	}
	if err != nil {
		return fmt.Errorf("delete %s %q: %w", kind, id, err)
	}
	return nil
}

func (t *txn) remove(ctx context.Context, kind store.ObjectKind, id string, st *objectStatements, uid any) error {
	for _, uses := range st.uses {
		found, err := query(ctx, t.tx, scalar[int], uses, uid)
		if err != nil {
			return err
		}
		if len(found) > 0 {
			return &store.InUseError{Kind: kind, ID: id}
		}
	}
	for _, owns := range st.owns {
		if _, err := exec(ctx, t.tx, owns, uid); err != nil {
			return err
		}
	}
	if _, err := exec(ctx, t.tx, t.owned.sides.dropTags, uid); err != nil {
		return err
	}
	if objectTables[kind].shared {
		if _, err := exec(ctx, t.tx, t.owned.sides.dropPolicies, uid, kind); err != nil {
			return err
		}
	}
	n, err := exec(ctx, t.tx, st.remove, uid)
	if err == nil && n == 0 {
		err = store.ErrNotFound
	}
	return err
}
