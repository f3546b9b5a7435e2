package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/tricircle/tricircle/internal/store"
)

const selectRouting = `
	SELECT r.id, r.type, r.top_id, r.bottom_id, r.pod_num, COALESCE(p.id, ''), r.created_at, r.updated_at, r.deleted_at
	FROM routing r LEFT JOIN project p ON p.num = r.project_num`

type routingStatements struct{ lookup, get, purge, intern, put, claim string }

func newRoutingStatements(d *dialect) routingStatements {
	return routingStatements{
		lookup: d.bind(selectRouting + ` WHERE r.top_id = ? AND r.type = ? ORDER BY r.id`),
		get:    d.bind(selectRouting + ` WHERE r.id = ?`),
		purge:  d.bind(`DELETE FROM routing WHERE id IN (SELECT id FROM routing WHERE pod_num = ? LIMIT ?)`),
		// NOT EXISTS spares PostgreSQL a number of the sequence for each project that is known already.
		intern: d.bind(`
			INSERT INTO project (id)
			SELECT t.value FROM (` + d.textRows + `) AS t
			WHERE NOT EXISTS (SELECT 1 FROM project p WHERE p.id = t.value)`),
		// Rows that would not change are left out before they reach ON CONFLICT: that locks, hence writes, every row it
		// meets, and most rows of a list have been seen before.
		//
		// The values to store are computed from the stored row that the SELECT sees. The isolation level makes that
		// exact: if the row has changed or come into being since, the statement fails and the transaction runs again.
		put: d.bind(`
			WITH i AS MATERIALIZED (` + d.routingRows + `)
			INSERT INTO routing (type, top_id, pod_num, bottom_id, project_num, created_at, deleted_at, updated_at)
			SELECT i.type, i.top_id, i.pod_num,
			       CASE WHEN i.bottom_id IS NULL THEN r.bottom_id ELSE NULLIF(i.bottom_id, i.top_id) END,
			       COALESCE(p.num, r.project_num), COALESCE(i.created_at, r.created_at), i.deleted_at, CAST(? AS bigint)
			FROM i
			LEFT JOIN project p ON p.id = i.project
			LEFT JOIN routing r ON r.top_id = i.top_id AND r.type = i.type AND r.pod_num = i.pod_num
			WHERE r.id IS NULL
			   OR i.bottom_id IS NOT NULL AND NULLIF(i.bottom_id, i.top_id) IS DISTINCT FROM r.bottom_id
			   OR p.num IS NOT NULL AND p.num IS DISTINCT FROM r.project_num
			   OR i.created_at IS NOT NULL AND i.created_at IS DISTINCT FROM r.created_at
			   OR i.deleted_at IS DISTINCT FROM r.deleted_at
			ORDER BY i.top_id
			ON CONFLICT (top_id, type, pod_num) DO UPDATE SET
				bottom_id = excluded.bottom_id, project_num = excluded.project_num,
				created_at = excluded.created_at, deleted_at = excluded.deleted_at, updated_at = excluded.updated_at`),
		claim: d.bind(`
			INSERT INTO routing (type, top_id, pod_num, bottom_id, project_num, created_at, updated_at)
			VALUES (?, ?, ?, ?, (SELECT num FROM project WHERE id = ?), ?, ?)
			ON CONFLICT (top_id, type, pod_num) DO NOTHING`),
	}
}

func scanRouting(rows *sql.Rows) (r store.Routing, err error) {
	var topID uuid.UUID
	var bottomID uuid.NullUUID
	var created, deleted sql.NullInt64
	var updated int64
	err = rows.Scan(&r.ID, &r.Type, &topID, &bottomID, &r.PodNum, &r.ProjectID, &created, &updated, &deleted)
	if err != nil {
		return r, err
	}
	r.TopID, r.BottomID = topID.String(), topID.String()
	if bottomID.Valid {
		r.BottomID = bottomID.UUID.String()
	}
	if created.Valid {
		r.CreatedAt = timeOf(created.Int64)
	}
	if deleted.Valid {
		r.DeletedAt = timeOf(deleted.Int64)
	}
	r.UpdatedAt = timeOf(updated)
	return r, nil
}

var errNotUUID = errors.New("not a UUID in canonical form")

// parseID is strict, since what is stored in binary must come back in the very form it was given.
func parseID(s string) (uuid.UUID, error) {
	id, err := uuid.Parse(s)
	if err != nil || id.String() != s {
		return uuid.Nil, fmt.Errorf("id %q: %w", s, errNotUUID)
	}
	return id, nil
}

// LookupRouting implements store.Routings. An id that is not a UUID has no rows.
func (s *Store) LookupRouting(ctx context.Context, t store.ResourceType, topID string) ([]store.Routing, error) {
	id, err := parseID(topID)
	if err != nil {
		return nil, nil
	}
	rows, err := query(ctx, s.read, scanRouting, s.routings.lookup, s.dialect.uuid(id), t)
	if err != nil {
		return nil, fmt.Errorf("look up routing of %s %s: %w", t, topID, err)
	}
	return rows, nil
}

// GetRouting implements store.Routings.
func (s *Store) GetRouting(ctx context.Context, id int64) (store.Routing, error) {
	rows, err := query(ctx, s.read, scanRouting, s.routings.get, id)
	if err == nil && len(rows) == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.Routing{}, fmt.Errorf("get routing %d: %w", id, err)
	}
	return rows[0], nil
}

// ListRoutings implements store.Routings. An id that is not a UUID has no rows.
func (s *Store) ListRoutings(ctx context.Context, f store.RoutingFilter) ([]store.Routing, error) {
	text, args, err := s.listQuery(f)
	if err != nil { // errNotUUID, it has no other
		return nil, nil
	}
	rows, err := query(ctx, s.read, scanRouting, text, args...)
	if err != nil {
		return nil, fmt.Errorf("list routings: %w", err)
	}
	return rows, nil
}

func (s *Store) listQuery(f store.RoutingFilter) (text string, args []any, err error) {
	var w where
	if f.TopID != "" {
		id, err := parseID(f.TopID)
		if err != nil {
			return "", nil, err
		}
		w.and(`r.top_id = ?`, s.dialect.uuid(id))
	}
	if f.BottomID != "" {
		id, err := parseID(f.BottomID)
		if err != nil {
			return "", nil, err
		}
		w.and(`(r.bottom_id = ? OR r.top_id = ? AND r.bottom_id IS NULL)`, s.dialect.uuid(id), s.dialect.uuid(id))
	}
	if f.Type != 0 {
		w.and(`r.type = ?`, f.Type)
	}
	if f.PodNum != 0 {
		w.and(`r.pod_num = ?`, f.PodNum)
	}
	if f.ProjectID != "" {
		w.and(`r.project_num = (SELECT num FROM project WHERE id = ?)`, f.ProjectID)
	}
	if f.Marker != 0 {
		w.and(`r.id < ?`, f.Marker)
	}
	text, args = selectRouting+w.String()+` ORDER BY r.id DESC`, w.args
	if f.Limit > 0 {
		text, args = text+` LIMIT ?`, append(args, f.Limit)
	}
	return s.dialect.bind(text), args, nil
}

// LiveRoutings implements store.Routings.
func (s *Store) LiveRoutings(
	ctx context.Context, t store.ResourceType, podNum int32, projectID string, limit int,
) ([]store.Routing, error) {
	text, args := s.liveQuery(t, podNum, projectID, limit)
	rows, err := query(ctx, s.read, scanRouting, text, args...)
	if err != nil {
		return nil, fmt.Errorf("list %ss that are left in pod %d: %w", t, podNum, err)
	}
	return rows, nil
}

// liveQuery has the type in its text, for a planner must see that the rows are those of the index for servers.
func (s *Store) liveQuery(t store.ResourceType, podNum int32, projectID string, limit int) (text string, args []any) {
	var w where
	w.and(fmt.Sprintf(`r.type = %d`, t))
	w.and(`r.deleted_at IS NULL`)
	w.and(`r.pod_num = ?`, podNum)
	if projectID != "" {
		w.and(`r.project_num = (SELECT num FROM project WHERE id = ?)`, projectID)
	}
	text = selectRouting + w.String() + ` ORDER BY r.created_at DESC NULLS FIRST, r.top_id DESC LIMIT ?`
	return s.dialect.bind(text), append(w.args, limit)
}

// SeekRouting implements store.Routings.
func (s *Store) SeekRouting(ctx context.Context, p store.SeekPoint) (topID string, ok bool, err error) {
	text, args, err := s.seekQuery(p)
	if err != nil {
		return "", false, fmt.Errorf("seek routing: %w", err)
	}
	ids, err := query(ctx, s.read, scalar[uuid.UUID], text, args...)
	if err != nil {
		return "", false, fmt.Errorf("seek routing: %w", err)
	}
	if len(ids) == 0 {
		return "", false, nil
	}
	return ids[0].String(), true, nil
}

// seekQuery walks the list backwards from p and stops at the first row. The bound on created_at alone is what an index can
// start from in all four orders; the condition behind it only concerns rows of the same instant.
func (s *Store) seekQuery(p store.SeekPoint) (text string, args []any, err error) {
	id, err := parseID(p.TopID)
	if err != nil {
		return "", nil, err
	}
	var w where
	w.and(`r.type = ?`, p.Type)
	w.and(`r.pod_num = ?`, p.PodNum)
	if p.ProjectID != "" {
		w.and(`r.project_num = (SELECT num FROM project WHERE id = ?)`, p.ProjectID)
	}
	created := p.CreatedAt.UnixMicro()
	order := ` ORDER BY r.created_at DESC`
	if p.Descending {
		order = ` ORDER BY r.created_at`
		w.and(`r.created_at >= ?`, created)
	} else {
		w.and(`r.created_at <= ?`, created)
	}
	if p.IDsAscend {
		order += `, r.top_id DESC`
		w.and(`(r.created_at <> ? OR r.top_id <= ?)`, created, s.dialect.uuid(id))
	} else {
		order += `, r.top_id`
		w.and(`(r.created_at <> ? OR r.top_id >= ?)`, created, s.dialect.uuid(id))
	}
	return s.dialect.bind(`SELECT r.top_id FROM routing r` + w.String() + order + ` LIMIT 1`), w.args, nil
}

// PurgeRoutings implements store.Routings.
func (s *Store) PurgeRoutings(ctx context.Context, podNum int32, limit int) (int, error) {
	if limit <= 0 {
		return 0, nil
	}
	var n int64
	err := s.inTx(ctx, func(tx querier) (err error) {
		n, err = exec(ctx, tx, s.routings.purge, podNum, limit)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("purge routings of pod %d: %w", podNum, err)
	}
	return int(n), nil
}
