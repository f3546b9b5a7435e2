package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/google/uuid"

	"github.com/tricircle/tricircle/internal/store"
)

type realizationStatements struct{ put, remove string }

const realizationColumns = `kind, top_id, pod_num, bottom_id, revision, deleted_at, detail, created_at, updated_at`

func newRealizationStatements(d *dialect) realizationStatements {
	return realizationStatements{
		put: d.bind(`
			INSERT INTO realization (` + realizationColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (kind, top_id, pod_num) DO UPDATE SET
				bottom_id = excluded.bottom_id, revision = excluded.revision, deleted_at = excluded.deleted_at,
				detail = excluded.detail, updated_at = excluded.updated_at`),
		remove: d.bind(`DELETE FROM realization WHERE kind = ? AND top_id = ? AND pod_num = ?`),
	}
}

func scanRealization(rows *sql.Rows) (r store.Realization, err error) {
	var topID uuid.UUID
	var bottomID uuid.NullUUID
	var deleted sql.NullInt64
	var created, updated int64
	var detail []byte
	err = rows.Scan(&r.Kind, &topID, &r.PodNum, &bottomID, &r.Revision, &deleted, &detail, &created, &updated)
	if err != nil {
		return r, err
	}
	r.TopID, r.CreatedAt, r.UpdatedAt = topID.String(), timeOf(created), timeOf(updated)
	if bottomID.Valid {
		r.BottomID = bottomID.UUID.String()
	}
	if deleted.Valid {
		r.DeletedAt = timeOf(deleted.Int64)
	}
	if r.Detail, err = (jsonNames{}).decode(detail); err != nil {
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

func (s *Store) realizationQuery(q store.RealizationQuery) (string, []any, error) {
	var w where
	if q.Kind != "" {
		w.and(`kind = ?`, q.Kind)
	}
	if q.TopIDs != nil {
		list, args := in(anys(q.TopIDs), parseIDArgument(s.dialect))
		w.and(`top_id`+list, args...)
	}
	if q.PodNum != 0 {
		w.and(`pod_num = ?`, q.PodNum)
	}
	if q.BottomIDs != nil {
		list, args := in(anys(q.BottomIDs), parseIDArgument(s.dialect))
		w.and(`bottom_id`+list, args...)
	}
	if q.Deleted != nil && *q.Deleted {
		w.and(`deleted_at IS NOT NULL`)
	} else if q.Deleted != nil {
		w.and(`deleted_at IS NULL`)
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

// PutRealization implements store.Tx.
func (t *txn) PutRealization(ctx context.Context, r store.Realization) error {
	if err := t.putRealization(ctx, r); err != nil {
		return fmt.Errorf("put realization of %s %q in pod %d: %w", r.Kind, r.TopID, r.PodNum, err)
	}
	return nil
}

func (t *txn) putRealization(ctx context.Context, r store.Realization) error {
	topID, err := parseID(r.TopID)
	if err != nil {
		return err
	}
	bottomID, err := t.dialect.uuidArgument(r.BottomID)
	if err != nil {
		return err
	}
	detail := "{}"
	if len(r.Detail) > 0 {
		if detail, err = encodeJSON(r.Detail); err != nil {
			return err
		}
	}
	now := t.now().UnixMicro()
	_, err = exec(ctx, t.tx, t.owned.realizations.put, r.Kind, t.dialect.uuid(topID), r.PodNum, bottomID, r.Revision,
		micros(r.DeletedAt), detail, now, now)
	return err
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
