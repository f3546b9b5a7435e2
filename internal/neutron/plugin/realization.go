package plugin

import (
	"context"
	"fmt"
	"slices"

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

// enqueueRows asks for the jobs of realizations. A subnet is realized with its network, a rule with its group: only networks,
// ports and security groups have jobs.
func enqueueRows(ctx context.Context, tx store.Tx, rows []store.Realization, project string) error {
	if len(rows) == 0 {
		return nil
	}
	jobs := make([]store.NewJob, len(rows))
	for i, row := range rows {
		jobs[i] = store.NewJob{Kind: string(row.Kind), Resource: fmt.Sprintf("%s/%d", row.TopID, row.PodNum), ProjectID: project, PodNum: row.PodNum}
	}
	return tx.Enqueue(ctx, jobs...)
}

// enqueueNetwork asks for a network, by its id, to be made equal, after one of its subnets has changed.
func (p *Plugin) enqueueNetwork(ctx context.Context, tx store.Tx, id string) error {
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
		rows[i].DeletedAt = p.o.Now()
		if err := tx.PutRealization(ctx, rows[i]); err != nil {
			return err
		}
	}
	if o.Kind == store.KindSubnet { // its network's job removes it
		return nil
	}
	return enqueueRows(ctx, tx, rows, o.ProjectID)
}

// enqueueGroups asks for security groups, by their ids, to be made equal where they are.
func (p *Plugin) enqueueGroups(ctx context.Context, tx store.Tx, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	rows, err := tx.Realizations(ctx, store.RealizationQuery{Kind: store.KindSecurityGroup, TopIDs: ids})
	if err != nil || len(rows) == 0 {
		return err
	}
	groups, err := tx.List(ctx, store.ObjectQuery{Kind: store.KindSecurityGroup, Filters: []store.Filter{{Attr: "id", Values: listOf(ids)}}})
	if err != nil {
		return err
	}
	for _, group := range groups {
		of := slices.DeleteFunc(slices.Clone(rows), func(row store.Realization) bool { return row.TopID != group.ID })
		if err := enqueueRows(ctx, tx, of, group.ProjectID); err != nil {
			return err
		}
	}
	return nil
}
