package realize

import (
	"context"

	"github.com/tricircle/tricircle/internal/store"
)

// auditBatch is how many realizations an audit reads at a time, and asks for at one stroke: more would collide with more of those who work.
const auditBatch = 100

// Audit enqueues the jobs of everything that is in pods, or should be, or should be gone: so what was changed or removed there by
// others is repaired. It asks no pod itself.
func (r *Realizer) Audit(ctx context.Context) error {
	var after *store.RealizationKey
	for {
		rows, err := r.Store.Reader().Realizations(ctx, notShadows(store.RealizationQuery{After: after, Limit: auditBatch}))
		if err != nil || len(rows) == 0 {
			return err
		}
		if err := r.Store.InTx(ctx, func(tx store.Tx) error { return enqueueRows(ctx, tx, rows) }); err != nil {
			return err
		}
		last := rows[len(rows)-1].Key()
		after = &last
	}
}

// enqueueRows enqueues the jobs of realizations, for the projects of their objects where they are still there.
func enqueueRows(ctx context.Context, tx store.Tx, rows []store.Realization) error {
	ids := map[store.ObjectKind][]string{}
	for _, row := range rows {
		if row.Kind != store.KindSubnet { // goes with its network
			ids[row.Kind] = append(ids[row.Kind], row.TopID)
		}
	}
	for kind, some := range ids {
		objects, err := byID(ctx, tx, kind, some)
		if err != nil {
			return err
		}
		var jobs []store.NewJob
		for _, row := range rows {
			if row.Kind != kind {
				continue
			}
			project := ""
			if o := objects[row.TopID]; o != nil {
				project = o.ProjectID
			}
			jobs = append(jobs, row.Job(project))
		}
		if err := tx.Enqueue(ctx, jobs...); err != nil {
			return err
		}
		if kind != store.KindNetwork {
			continue
		}
		// The shadows on them are looked at, too.
		networks, err := tx.Realizations(ctx, live(store.RealizationQuery{Kind: kind, TopIDs: some}))
		if err != nil {
			return err
		}
		if err := decideAll(ctx, tx, networks); err != nil {
			return err
		}
	}
	return nil
}
