package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/tricircle/tricircle/internal/store"
)

type podStatements struct{ list, rivals, insert, update, remove, insertZone, removeZones string }

func newPodStatements(d *dialect) podStatements {
	return podStatements{
		list: d.bind(`
			SELECT p.num, p.id, p.region_name, p.dc_name, p.state, p.created_at, p.updated_at, z.name, z.pod_name
			FROM pod p LEFT JOIN pod_zone z ON z.pod_num = p.num
			ORDER BY p.num, z.position`),
		rivals: d.bind(`SELECT num, id, region_name, is_top FROM pod WHERE id = ? OR region_name = ? OR is_top = 1`),
		insert: d.bind(`
			INSERT INTO pod (id, region_name, dc_name, state, is_top, created_at, updated_at)
			VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING num`),
		update: d.bind(`
			UPDATE pod SET region_name = ?, dc_name = ?, state = ?, is_top = ?, updated_at = ? WHERE num = ?`),
		remove:      d.bind(`DELETE FROM pod WHERE id = ?`),
		insertZone:  d.bind(`INSERT INTO pod_zone (pod_num, position, name, pod_name) VALUES (?, ?, ?, ?)`),
		removeZones: d.bind(`DELETE FROM pod_zone WHERE pod_num = ?`),
	}
}

// podRow is a pod with one of its zones, as a join gives it.
type podRow struct {
	pod               store.Pod
	zone, podZoneName sql.NullString
}

func scanPodRow(rows *sql.Rows) (r podRow, err error) {
	var created, updated int64
	err = rows.Scan(&r.pod.Num, &r.pod.ID, &r.pod.RegionName, &r.pod.DCName, &r.pod.State, &created, &updated,
		&r.zone, &r.podZoneName)
	r.pod.CreatedAt, r.pod.UpdatedAt = timeOf(created), timeOf(updated)
	return r, err
}

// ListPods implements store.Pods. One statement, so that a pod is never seen with the zones of another moment.
func (s *Store) ListPods(ctx context.Context) ([]store.Pod, error) {
	rows, err := query(ctx, s.read, scanPodRow, s.pods.list)
	if err != nil {
		return nil, fmt.Errorf("list pods: %w", err)
	}
	var pods []store.Pod
	for _, row := range rows {
		if len(pods) == 0 || pods[len(pods)-1].Num != row.pod.Num {
			pods = append(pods, row.pod)
		}
		if row.zone.Valid {
			pod := &pods[len(pods)-1]
			pod.Zones = append(pod.Zones, store.Zone{Name: row.zone.String, PodName: row.podZoneName.String})
		}
	}
	return pods, nil
}

// CreatePod implements store.Pods.
func (s *Store) CreatePod(ctx context.Context, p store.Pod) (store.Pod, error) {
	err := s.inTx(ctx, func(tx querier) error {
		rivals, err := s.rivals(ctx, tx, &p)
		if err != nil {
			return err
		}
		if err := clash(&p, rivals); err != nil {
			return err
		}
		now := s.now().UnixMicro()
		p.CreatedAt, p.UpdatedAt = timeOf(now), timeOf(now)
		nums, err := query(ctx, tx, scalar[int32], s.pods.insert, p.ID, p.RegionName, p.DCName, string(p.State), isTop(&p), now, now)
		if err != nil {
			return err
		}
		p.Num = nums[0]
		return s.insertZones(ctx, tx, p.Num, p.Zones)
	})
	if err != nil {
		return store.Pod{}, fmt.Errorf("create pod %s: %w", p.RegionName, err)
	}
	return p, nil
}

// UpdatePod implements store.Pods.
func (s *Store) UpdatePod(ctx context.Context, p store.Pod) error {
	err := s.inTx(ctx, func(tx querier) error {
		rivals, err := s.rivals(ctx, tx, &p)
		if err != nil {
			return err
		}
		var old *rival
		rivals, old = withoutSelf(rivals, p.ID)
		if old == nil {
			return store.ErrNotFound
		}
		if err := clash(&p, rivals); err != nil {
			return err
		}
		_, err = exec(ctx, tx, s.pods.update,
			p.RegionName, p.DCName, string(p.State), isTop(&p), s.now().UnixMicro(), old.num)
		if err != nil {
			return err
		}
		if _, err := exec(ctx, tx, s.pods.removeZones, old.num); err != nil {
			return err
		}
		return s.insertZones(ctx, tx, old.num, p.Zones)
	})
	if err != nil {
		return fmt.Errorf("update pod %s: %w", p.ID, err)
	}
	return nil
}

// DeletePod implements store.Pods. The zones go with the pod.
func (s *Store) DeletePod(ctx context.Context, id string) error {
	err := s.inTx(ctx, func(tx querier) error {
		n, err := exec(ctx, tx, s.pods.remove, id)
		if err == nil && n == 0 {
			err = store.ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("delete pod %s: %w", id, err)
	}
	return nil
}

func (s *Store) insertZones(ctx context.Context, tx querier, num int32, zones []store.Zone) error {
	for i, z := range zones {
		if _, err := exec(ctx, tx, s.pods.insertZone, num, i, z.Name, z.PodName); err != nil {
			return fmt.Errorf("zone %s: %w", z.Name, err)
		}
	}
	return nil
}

// rival is a stored pod that may stand in the way of another.
type rival struct {
	num            int32
	id, regionName string
	isTop          int
}

func (s *Store) rivals(ctx context.Context, tx querier, p *store.Pod) ([]rival, error) {
	scan := func(rows *sql.Rows) (r rival, err error) {
		err = rows.Scan(&r.num, &r.id, &r.regionName, &r.isTop)
		return r, err
	}
	return query(ctx, tx, scan, s.pods.rivals, p.ID, p.RegionName)
}

func withoutSelf(all []rival, id string) (others []rival, self *rival) {
	for _, r := range all {
		if r.id == id {
			self = &r
		} else {
			others = append(others, r)
		}
	}
	return others, self
}

// clash returns the *store.ConflictError that says why p cannot stand beside the rivals, or within itself. The unique
// indexes hold the same rules, but what they report would have to be translated for each engine.
func clash(p *store.Pod, rivals []rival) error {
	for _, r := range rivals {
		switch {
		case r.id == p.ID:
			return &store.ConflictError{Field: "pod_id", Value: p.ID}
		case r.regionName == p.RegionName:
			return &store.ConflictError{Field: "region_name", Value: p.RegionName}
		case r.isTop == 1 && p.IsTop():
			return &store.ConflictError{Field: "az_name", Value: ""}
		}
	}
	names, podNames := map[string]bool{}, map[string]bool{}
	for _, z := range p.Zones {
		if names[z.Name] {
			return &store.ConflictError{Field: "az_name", Value: z.Name}
		}
		if podNames[z.PodName] {
			return &store.ConflictError{Field: "pod_az_name", Value: z.PodName}
		}
		names[z.Name], podNames[z.PodName] = true, true
	}
	return nil
}

// isTop is p.IsTop as the database keeps it: a partial unique index lets it be 1 only once.
func isTop(p *store.Pod) int {
	if p.IsTop() {
		return 1
	}
	return 0
}
