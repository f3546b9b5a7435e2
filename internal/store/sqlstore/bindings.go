package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/tricircle/tricircle/internal/store"
)

type bindingStatements struct{ get, bind, rebind, remove, list string }

func newBindingStatements(d *dialect) bindingStatements {
	const columns = `project_id, pod_num, created_at, updated_at`
	// Selecting from pod makes a pod that is not there no row, rather than an error of each engine's own.
	const insert = `
		INSERT INTO binding (` + columns + `)
		SELECT CAST(? AS text), num, CAST(? AS bigint), CAST(? AS bigint) FROM pod WHERE num = ? `
	return bindingStatements{
		get:  d.bind(`SELECT ` + columns + ` FROM binding WHERE project_id = ?`),
		bind: d.bind(insert + `ON CONFLICT (project_id) DO NOTHING`),
		rebind: d.bind(insert + `
			ON CONFLICT (project_id) DO UPDATE SET pod_num = excluded.pod_num, updated_at = excluded.updated_at`),
		remove: d.bind(`DELETE FROM binding WHERE project_id = ?`),
		list: d.bind(`
			SELECT ` + columns + ` FROM binding
			WHERE project_id > ? AND (pod_num = ? OR ? = 0) ORDER BY project_id LIMIT ?`),
	}
}

func scanBinding(rows *sql.Rows) (b store.Binding, err error) {
	var created, updated int64
	err = rows.Scan(&b.ProjectID, &b.PodNum, &created, &updated)
	b.CreatedAt, b.UpdatedAt = timeOf(created), timeOf(updated)
	return b, err
}

// GetBinding implements store.Bindings.
func (s *Store) GetBinding(ctx context.Context, projectID string) (store.Binding, error) {
	return s.binding(ctx, s.read, projectID)
}

func (s *Store) binding(ctx context.Context, q querier, projectID string) (store.Binding, error) {
	rows, err := query(ctx, q, scanBinding, s.bindings.get, projectID)
	if err == nil && len(rows) == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.Binding{}, fmt.Errorf("get binding of project %s: %w", projectID, err)
	}
	return rows[0], nil
}

// BindProject implements store.Bindings.
func (s *Store) BindProject(ctx context.Context, projectID string, podNum int32) (store.Binding, error) {
	if _, err := s.putBinding(ctx, s.bindings.bind, projectID, podNum); err != nil {
		return store.Binding{}, err
	}
	// From the handle that writes: a reader may see the moment before.
	return s.binding(ctx, s.write, projectID)
}

// RebindProject implements store.Bindings.
func (s *Store) RebindProject(ctx context.Context, projectID string, podNum int32) (store.Binding, error) {
	n, err := s.putBinding(ctx, s.bindings.rebind, projectID, podNum)
	if err == nil && n == 0 {
		err = fmt.Errorf("bind project %s to pod %d: %w", projectID, podNum, store.ErrNotFound)
	}
	if err != nil {
		return store.Binding{}, err
	}
	return s.binding(ctx, s.write, projectID)
}

// putBinding returns the number of rows that it has put: none for a pod that is not there.
func (s *Store) putBinding(ctx context.Context, put, projectID string, podNum int32) (int64, error) {
	now := s.now().UnixMicro()
	n, err := exec(ctx, s.write, put, projectID, now, now, podNum)
	if err != nil {
		return 0, fmt.Errorf("bind project %s: %w", projectID, err)
	}
	return n, nil
}

// UnbindProject implements store.Bindings.
func (s *Store) UnbindProject(ctx context.Context, projectID string) error {
	n, err := exec(ctx, s.write, s.bindings.remove, projectID)
	if err == nil && n == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("unbind project %s: %w", projectID, err)
	}
	return nil
}

// ListBindings implements store.Bindings.
func (s *Store) ListBindings(ctx context.Context, podNum int32, after string, limit int) ([]store.Binding, error) {
	rows, err := query(ctx, s.read, scanBinding, s.bindings.list, after, podNum, podNum, limit)
	if err != nil {
		return nil, fmt.Errorf("list bindings: %w", err)
	}
	return rows, nil
}
