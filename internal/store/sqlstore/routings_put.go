package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/tricircle/tricircle/internal/store"
)

// routingRow is a routing on its way into the database, a row of dialect.routingRows. What is nil is not known.
type routingRow struct {
	Type      store.ResourceType `json:"type"`
	TopID     uuid.UUID          `json:"top_id"`
	BottomID  *uuid.UUID         `json:"bottom_id"`
	PodNum    int32              `json:"pod_num"`
	Project   *string            `json:"project"`
	CreatedAt *int64             `json:"created_at"` // microseconds since 1970
	DeletedAt *int64             `json:"deleted_at"` // likewise; nil if it is there
}

func newRoutingRow(r store.Routing) (routingRow, error) {
	topID, err := parseID(r.TopID)
	if err != nil {
		return routingRow{}, fmt.Errorf("top %w", err)
	}
	row := routingRow{Type: r.Type, TopID: topID, PodNum: r.PodNum, CreatedAt: micros(r.CreatedAt), DeletedAt: micros(r.DeletedAt)}
	if r.BottomID != "" {
		bottomID, err := parseID(r.BottomID)
		if err != nil {
			return routingRow{}, fmt.Errorf("bottom %w", err)
		}
		row.BottomID = &bottomID
	}
	if r.ProjectID != "" {
		row.Project = &r.ProjectID
	}
	return row, nil
}

// fill takes over what later knows.
func (r *routingRow) fill(later routingRow) {
	if later.BottomID != nil {
		r.BottomID = later.BottomID
	}
	if later.Project != nil {
		r.Project = later.Project
	}
	if later.CreatedAt != nil {
		r.CreatedAt = later.CreatedAt
	}
	r.DeletedAt = later.DeletedAt
}

// routingKey is what no two routings share.
type routingKey struct {
	t      store.ResourceType
	topID  uuid.UUID
	podNum int32
}

// newRoutingRows makes rows of routings, one per key: a single statement cannot touch a row twice.
func newRoutingRows(routings []store.Routing) ([]routingRow, error) {
	rows := make([]routingRow, 0, len(routings))
	at := make(map[routingKey]int, len(routings))
	for _, r := range routings {
		row, err := newRoutingRow(r)
		if err != nil {
			return nil, fmt.Errorf("%s %q: %w", r.Type, r.TopID, err)
		}
		key := routingKey{row.Type, row.TopID, row.PodNum}
		if i, seen := at[key]; seen {
			rows[i].fill(row)
			continue
		}
		at[key] = len(rows)
		rows = append(rows, row)
	}
	return rows, nil
}

// PutRoutings implements store.Routings. However many the rows are, they travel as one JSON argument, and two statements
// do the work: one gives numbers to projects not seen before, one inserts or updates.
func (s *Store) PutRoutings(ctx context.Context, routings []store.Routing) error {
	if len(routings) == 0 {
		return nil
	}
	rows, err := newRoutingRows(routings)
	if err != nil {
		return fmt.Errorf("put routings: %w", err)
	}
	batch, err := json.Marshal(rows)
	if err != nil {
		return fmt.Errorf("put routings: %w", err)
	}
	err = s.inTx(ctx, func(tx querier) error {
		if err := s.internProjects(ctx, tx, rows); err != nil {
			return err
		}
		_, err := exec(ctx, tx, s.routings.put, string(batch), s.now().UnixMicro())
		return err
	})
	if err != nil {
		return fmt.Errorf("put %d routings: %w", len(rows), err)
	}
	return nil
}

// ClaimRouting implements store.Routings.
func (s *Store) ClaimRouting(ctx context.Context, r store.Routing) (bool, error) {
	row, err := newRoutingRow(r)
	if err != nil {
		return false, fmt.Errorf("claim routing of %s %q: %w", r.Type, r.TopID, err)
	}
	var bottomID any
	if row.BottomID != nil && *row.BottomID != row.TopID {
		bottomID = s.dialect.uuid(*row.BottomID)
	}
	var inserted int64
	err = s.inTx(ctx, func(tx querier) error {
		if err := s.internProjects(ctx, tx, []routingRow{row}); err != nil {
			return err
		}
		inserted, err = exec(ctx, tx, s.routings.claim, row.Type, s.dialect.uuid(row.TopID), row.PodNum, bottomID,
			row.Project, row.CreatedAt, s.now().UnixMicro())
		return err
	})
	if err != nil {
		return false, fmt.Errorf("claim routing of %s %s: %w", r.Type, r.TopID, err)
	}
	return inserted == 1, nil
}

// internProjects gives a number to every project of rows that has none yet.
func (s *Store) internProjects(ctx context.Context, tx querier, rows []routingRow) error {
	var projects []string
	seen := map[string]bool{}
	for _, r := range rows {
		if r.Project != nil && !seen[*r.Project] {
			seen[*r.Project] = true
			projects = append(projects, *r.Project)
		}
	}
	if len(projects) == 0 {
		return nil
	}
	batch, err := json.Marshal(projects)
	if err != nil {
		return err
	}
	if _, err := exec(ctx, tx, s.routings.intern, string(batch)); err != nil {
		return fmt.Errorf("intern projects: %w", err)
	}
	return nil
}
