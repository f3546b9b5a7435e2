package plugin

import (
	"context"

	"github.com/tricircle/tricircle/internal/store"
)

// enqueue asks for an object to be made equal in every pod where it is, or is to be gone. An object that is in no pod needs no job.
func (p *Plugin) enqueue(ctx context.Context, tx store.Tx, o *store.Object) error {
	rows, err := tx.Realizations(ctx, store.RealizationQuery{Kind: o.Kind, TopIDs: []string{o.ID}})
	if err != nil {
		return err
	}
	return enqueueRows(ctx, tx, rows, o.ProjectID)
}

// enqueuePort asks for a port to be made equal in the pod where it is. If what its shadows have of it has changed, they follow, in the pods
// that need one by then.
func (p *Plugin) enqueuePort(ctx context.Context, tx store.Tx, o *store.Object, shadows bool) error {
	no := false
	rows, err := tx.Realizations(ctx, store.RealizationQuery{Kind: o.Kind, TopIDs: []string{o.ID}, Shadow: &no})
	if err != nil {
		return err
	}
	if shadows && len(rows) > 0 {
		for i := range rows {
			rows[i].Due = true
			rows[i].JoinGroups(o)
		}
		if err := tx.PutRealization(ctx, rows...); err != nil {
			return err
		}
		if err := tx.Enqueue(ctx, store.MembersJob(textOf(o.Attrs["network_id"]))); err != nil {
			return err
		}
	}
	return enqueueRows(ctx, tx, rows, o.ProjectID)
}

// enqueueRows asks for the jobs of realizations. A subnet is realized with its network, a rule with its group: only networks,
// ports, trunks and security groups have jobs.
func enqueueRows(ctx context.Context, tx store.Tx, rows []store.Realization, project string) error {
	if len(rows) == 0 {
		return nil
	}
	jobs := make([]store.NewJob, len(rows))
	for i, row := range rows {
		jobs[i] = row.Job(project)
	}
	return tx.Enqueue(ctx, jobs...)
}

// enqueueNetwork asks for a network, by its id, to be made equal, after something else has changed that goes with it: a subnet, or whom
// it is shared with.
func (p *Plugin) enqueueNetwork(ctx context.Context, tx store.Tx, id string) error {
	if err := tx.Touch(ctx, store.KindNetwork, id); err != nil { // it may be on its way into a pod
		return err
	}
	rows, err := tx.Realizations(ctx, store.RealizationQuery{Kind: store.KindNetwork, TopIDs: []string{id}})
	if err != nil || len(rows) == 0 {
		return err
	}
	network, err := tx.Get(ctx, store.KindNetwork, id)
	if err != nil {
		return err
	}
	return enqueueRows(ctx, tx, rows, network.ProjectID)
}

// bury turns the realizations of an object that is deleted into tombstones, and asks for jobs that remove it from the pods. The
// tombstone is all that is left to know it by; a pod that is down now has it removed when it returns.
func (p *Plugin) bury(ctx context.Context, tx store.Tx, o *store.Object) error {
	rows, err := tx.Realizations(ctx, store.RealizationQuery{Kind: o.Kind, TopIDs: []string{o.ID}})
	if err != nil {
		return err
	}
	for i := range rows {
		rows[i].DeletedAt, rows[i].Due = p.o.Now(), rows[i].Due || rows[i].Shadow
	}
	if err := tx.PutRealization(ctx, rows...); err != nil {
		return err
	}
	if o.Kind == store.KindSubnet { // its network's job removes it
		return nil
	}
	return enqueueRows(ctx, tx, rows, o.ProjectID)
}
