package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/tricircle/tricircle/internal/store"
)

type realizationStatements struct{ hold, put, remove, hasMembers string }

const realizationColumns = `kind, top_id, pod_num, bottom_id, revision, deleted_at, network_id, shadow, due, detail, created_at, updated_at`

func newRealizationStatements(d *dialect) realizationStatements {
	return realizationStatements{
		hold: d.bind(`
			SELECT 1 FROM realization r JOIN (` + d.realizationRows + `) AS i
			ON r.kind = i.kind AND r.top_id = i.top_id AND r.pod_num = i.pod_num FOR UPDATE OF r`),
		put: d.bind(`
			INSERT INTO realization (` + realizationColumns + `)
			SELECT i.kind, i.top_id, i.pod_num, i.bottom_id, i.revision, i.deleted_at, i.network_id, i.shadow, i.due, i.detail,
			       CAST(? AS bigint), CAST(? AS bigint)
			FROM (` + d.realizationRows + `) AS i
			WHERE true
			ON CONFLICT (kind, top_id, pod_num) DO UPDATE SET
				bottom_id = excluded.bottom_id, revision = excluded.revision, deleted_at = excluded.deleted_at,
				network_id = excluded.network_id, shadow = excluded.shadow, due = excluded.due,
				detail = excluded.detail, updated_at = excluded.updated_at`),
		remove: d.bind(`DELETE FROM realization WHERE kind = ? AND top_id = ? AND pod_num = ?`),
		hasMembers: d.bind(`
			SELECT 1 FROM port_group g JOIN realization r ON r.kind = 'port' AND r.top_id = g.port_id AND r.pod_num = ?
			WHERE g.group_id = ? AND r.shadow = 0 AND r.deleted_at IS NULL LIMIT 1`),
	}
}

func scanRealization(rows *sql.Rows) (r store.Realization, err error) {
	var deleted sql.NullInt64
	var created, updated, shadow, due int64
	var detail string
	err = rows.Scan(&r.Kind, (*idText)(&r.TopID), &r.PodNum, (*idText)(&r.BottomID), &r.Revision, &deleted, (*idText)(&r.NetworkID), &shadow, &due,
		&detail, &created, &updated)
	if err != nil {
		return r, err
	}
	r.CreatedAt, r.UpdatedAt = timeOf(created), timeOf(updated)
	r.Shadow, r.Due = shadow != 0, due != 0
	if deleted.Valid {
		r.DeletedAt = timeOf(deleted.Int64)
	}
	if r.Detail, err = new(jsonDecoder).decode(detail); err != nil {
		return r, fmt.Errorf("detail of %s %s in pod %d: %w", r.Kind, r.TopID, r.PodNum, err)
	}
	return r, nil
}

// Realizations implements store.Reader.
func (v *view) Realizations(ctx context.Context, q store.RealizationQuery) ([]store.Realization, error) {
	text, args, err := v.realizationQuery(q)
	if err != nil {
		return nil, fmt.Errorf("list realizations: %w", err)
	}
	rows, err := query(ctx, v.q, scanRealization, text, args...)
	if err != nil {
		return nil, fmt.Errorf("list realizations: %w", err)
	}
	return rows, nil
}

// oneOfIDs restricts a column to ids, in one argument: a thousand of them, for a page, took the planner longer than the search. Texts
// that are no ids are left out, for nothing has them.
func (w *where) oneOfIDs(d *dialect, column string, ids []string) error {
	ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { _, err := parseID(id); return err != nil })
	list, err := encodeJSON(ids)
	w.and(column+d.oneOf+d.uuidRows+d.oneOfEnd, list)
	return err
}

func (s *Store) realizationQuery(q store.RealizationQuery) (string, []any, error) {
	var w where
	if q.Kind != "" {
		w.and(`kind = ?`, q.Kind)
	}
	if q.TopIDs != nil {
		if err := w.oneOfIDs(s.dialect, `top_id`, q.TopIDs); err != nil {
			return "", nil, err
		}
	}
	if q.PodNum != 0 {
		w.and(`pod_num = ?`, q.PodNum)
	}
	if q.BottomIDs != nil {
		if err := w.oneOfIDs(s.dialect, `bottom_id`, q.BottomIDs); err != nil {
			return "", nil, err
		}
	}
	if q.Deleted != nil && *q.Deleted {
		w.and(`deleted_at IS NOT NULL`)
	} else if q.Deleted != nil {
		w.and(`deleted_at IS NULL`)
	}
	if q.NetworkID != "" {
		network, err := s.dialect.uuidArgument(q.NetworkID)
		if err != nil {
			return "", nil, err
		}
		w.and(`network_id = ?`, network)
	}
	if q.Shadow != nil && *q.Shadow { // numbers, for the sake of partial indices
		w.and(`shadow = 1`)
	} else if q.Shadow != nil {
		w.and(`shadow = 0`)
	}
	if q.Due {
		w.and(`due = 1`)
	}
	if q.After != nil {
		after, err := s.dialect.uuidArgument(q.After.TopID)
		if err != nil {
			return "", nil, err
		}
		if q.Kind == q.After.Kind && q.PodNum == q.After.PodNum { // there is an index for a walk through a pod
			w.and(`top_id > ?`, after)
		} else {
			w.and(`(kind, top_id, pod_num) > (?, ?, ?)`, q.After.Kind, after, q.After.PodNum)
		}
	}
	text, args := `SELECT `+realizationColumns+` FROM realization`+w.String()+` ORDER BY kind, top_id, pod_num`, w.args
	if q.Limit > 0 {
		text, args = text+` LIMIT ?`, append(args, q.Limit)
	}
	return s.dialect.bind(text), args, nil
}

// realizationRow is a realization on its way into the database, a row of dialect.realizationRows.
type realizationRow struct {
	Kind      store.ObjectKind `json:"kind"`
	TopID     uuid.UUID        `json:"top_id"`
	PodNum    int32            `json:"pod_num"`
	BottomID  *uuid.UUID       `json:"bottom_id"`
	Revision  int64            `json:"revision"`
	DeletedAt *int64           `json:"deleted_at"`
	NetworkID *uuid.UUID       `json:"network_id"`
	Shadow    int              `json:"shadow"`
	Due       int              `json:"due"`
	Detail    string           `json:"detail"`
}

func newRealizationRow(r store.Realization) (row realizationRow, err error) {
	row = realizationRow{Kind: r.Kind, PodNum: r.PodNum, Revision: r.Revision, DeletedAt: micros(r.DeletedAt), Detail: "{}"}
	if row.TopID, err = parseID(r.TopID); err != nil {
		return row, err
	}
	if row.BottomID, err = optionalID(r.BottomID); err != nil {
		return row, err
	}
	if row.NetworkID, err = optionalID(r.NetworkID); err != nil {
		return row, err
	}
	if r.Shadow {
		row.Shadow = 1
	}
	if r.Due {
		row.Due = 1
	}
	if len(r.Detail) > 0 {
		row.Detail, err = encodeJSON(r.Detail)
	}
	return row, err
}

// optionalID is an id, or nil for "".
func optionalID(s string) (*uuid.UUID, error) {
	if s == "" {
		return nil, nil
	}
	id, err := parseID(s)
	return &id, err
}

// PutRealization implements store.Tx.
func (t *txn) PutRealization(ctx context.Context, realizations ...store.Realization) error {
	if len(realizations) == 0 {
		return nil
	}
	rows := make([]realizationRow, len(realizations))
	for i, r := range realizations {
		var err error
		if rows[i], err = newRealizationRow(r); err != nil {
			return fmt.Errorf("put realization of %s %q in pod %d: %w", r.Kind, r.TopID, r.PodNum, err)
		}
	}
	batch, err := json.Marshal(rows)
	if err == nil && t.dialect.isolation == sql.LevelRepeatableRead {
		// A row of our snapshot that another transaction has deleted since would be inserted anew. To hold it collides instead.
		_, err = exec(ctx, t.tx, t.owned.realizations.hold, string(batch))
	}
	if err == nil {
		now := t.now().UnixMicro()
		_, err = exec(ctx, t.tx, t.owned.realizations.put, now, now, string(batch))
	}
	if err != nil {
		return fmt.Errorf("put %d realizations: %w", len(rows), err)
	}
	return nil
}

// DeleteRealization implements store.Tx. An id that is no UUID has none.
func (t *txn) DeleteRealization(ctx context.Context, kind store.ObjectKind, topID string, podNum int32) error {
	id, err := parseID(topID)
	if err != nil {
		return nil
	}
	if _, err := exec(ctx, t.tx, t.owned.realizations.remove, kind, t.dialect.uuid(id), podNum); err != nil {
		return fmt.Errorf("delete realization of %s %s in pod %d: %w", kind, topID, podNum, err)
	}
	return nil
}

// HasMembers implements store.Reader. A group that is none has none.
func (v *view) HasMembers(ctx context.Context, groupID string, podNum int32) (bool, error) {
	id, err := parseID(groupID)
	if err != nil {
		return false, nil
	}
	found, err := query(ctx, v.q, scalar[int], v.owned.realizations.hasMembers, podNum, v.dialect.uuid(id))
	if err != nil {
		return false, fmt.Errorf("look for members of security group %s in pod %d: %w", groupID, podNum, err)
	}
	return len(found) > 0, nil
}

// MemberNetworks implements store.Reader.
func (v *view) MemberNetworks(ctx context.Context, groupIDs []string) (networks []string, err error) {
	list, args := in(anys(groupIDs), parseIDArgument(v.dialect))
	ids, err := query(ctx, v.q, scalar[uuid.UUID], v.dialect.bind(memberNetworks+list), args...)
	if err != nil {
		return nil, fmt.Errorf("list networks of members of security groups: %w", err)
	}
	for _, id := range ids {
		networks = append(networks, id.String())
	}
	return networks, nil
}

const memberNetworks = `SELECT DISTINCT p.network_id FROM port_group g JOIN port p ON p.id = g.port_id WHERE g.group_id`
