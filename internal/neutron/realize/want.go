package realize

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tricircle/tricircle/internal/store"
)

// Want says that ports should be in a pod, with their networks and security groups, and enqueues the jobs for what is not there
// yet. It returns those jobs in the order in which they can be done. A port must be that of one pod only.
func Want(ctx context.Context, tx store.Tx, podNum int32, ports ...*store.Object) (jobs []store.NewJob, err error) {
	var networks, groups, ids []string
	for _, p := range ports {
		ids = append(ids, p.ID)
		networks = addNew(networks, text(p, "network_id"))
		groups = addNew(groups, texts(p.Attrs["security_groups"])...)
	}
	for _, w := range []struct {
		kind   store.ObjectKind
		ids    []string
		detail map[string]any
	}{{store.KindNetwork, networks, nil}, {store.KindSecurityGroup, groups, nil}, {store.KindPort, ids, map[string]any{"shadow": false}}} {
		more, err := want(ctx, tx, w.kind, w.ids, podNum, w.detail)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, more...)
	}
	if err := moved(ctx, tx, podNum, ports); err != nil {
		return nil, err
	}
	// Pods that admit the new members get to know them, by shadows there.
	return jobs, enqueueAdmitting(ctx, tx, groups, func(pod int32) bool { return pod != podNum })
}

// moved puts tombstones onto what ports are in other pods, where they were before. Shadows stay.
func moved(ctx context.Context, tx store.Tx, podNum int32, ports []*store.Object) error {
	rows, err := tx.Realizations(ctx, live(store.RealizationQuery{Kind: store.KindPort, TopIDs: idsOf(ports)}))
	if err != nil {
		return err
	}
	for _, row := range rows {
		if row.PodNum == podNum || isShadow(row) {
			continue
		}
		row.DeletedAt = row.UpdatedAt
		if err := tx.PutRealization(ctx, row); err != nil {
			return err
		}
		i := slices.IndexFunc(ports, func(p *store.Object) bool { return p.ID == row.TopID })
		if err := tx.Enqueue(ctx, Job(row.Kind, row.TopID, ports[i].ProjectID, row.PodNum)); err != nil {
			return err
		}
	}
	return nil
}

// addNew appends what is not yet in a list.
func addNew(list []string, more ...string) []string {
	for _, s := range more {
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

// want marks objects as wanted in a pod and enqueues jobs for those that are not there, or are there as something else than
// detail says. It returns these jobs.
func want(ctx context.Context, tx store.Tx, kind store.ObjectKind, ids []string, podNum int32, detail map[string]any) (jobs []store.NewJob, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := tx.Realizations(ctx, store.RealizationQuery{Kind: kind, TopIDs: ids, PodNum: podNum})
	if err != nil {
		return nil, err
	}
	objects, err := byID(ctx, tx, kind, ids)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		o := objects[id]
		if o == nil {
			return nil, fmt.Errorf("%s %s: %w", kind, id, store.ErrNotFound)
		}
		row := store.Realization{Kind: kind, TopID: id, PodNum: podNum}
		if i := slices.IndexFunc(rows, func(r store.Realization) bool { return r.TopID == id }); i >= 0 {
			row = rows[i]
		}
		if row.BottomID != "" && row.DeletedAt.IsZero() && !isShadow(row) {
			continue
		}
		row.Detail = merge(row.Detail, detail)
		if !row.DeletedAt.IsZero() { // what the pod had before is deleted, or about to be
			delete(row.Detail, Adopted)
		}
		row.DeletedAt = time.Time{}
		if err := tx.PutRealization(ctx, row); err != nil {
			return nil, err
		}
		jobs = append(jobs, Job(kind, id, o.ProjectID, podNum))
	}
	return jobs, tx.Enqueue(ctx, jobs...)
}

// enqueueAdmitting enqueues the jobs of the groups that admit members of some groups, in those of their pods that which accepts.
func enqueueAdmitting(ctx context.Context, tx store.Tx, groups []string, which func(podNum int32) bool) error {
	admitting, err := admitting(ctx, tx, groups)
	if err != nil || len(admitting) == 0 {
		return err
	}
	rows, err := tx.Realizations(ctx, live(store.RealizationQuery{Kind: store.KindSecurityGroup, TopIDs: admitting}))
	if err != nil {
		return err
	}
	rows = slices.DeleteFunc(rows, func(r store.Realization) bool { return !which(r.PodNum) })
	if len(rows) == 0 {
		return nil
	}
	objects, err := byID(ctx, tx, store.KindSecurityGroup, admitting)
	if err != nil {
		return err
	}
	var jobs []store.NewJob
	for _, row := range rows {
		if g := objects[row.TopID]; g != nil {
			jobs = append(jobs, Job(g.Kind, g.ID, g.ProjectID, row.PodNum))
		}
	}
	return tx.Enqueue(ctx, jobs...)
}

// admitting returns the groups with a rule that admits the members of one of some groups.
func admitting(ctx context.Context, from store.Reader, groups []string) (ids []string, err error) {
	if len(groups) == 0 {
		return nil, nil
	}
	rules, err := from.List(ctx, store.ObjectQuery{Kind: store.KindSecurityGroupRule, Filters: []store.Filter{equal("remote_group_id", anys(groups)...)}})
	for _, r := range rules {
		ids = addNew(ids, text(r, "security_group_id"))
	}
	return ids, err
}

// byID returns objects by their ids; those that are not there are left out.
func byID(ctx context.Context, from store.Reader, kind store.ObjectKind, ids []string) (map[string]*store.Object, error) {
	objects, err := from.List(ctx, store.ObjectQuery{Kind: kind, Filters: []store.Filter{equal("id", anys(ids)...)}})
	all := make(map[string]*store.Object, len(objects))
	for _, o := range objects {
		all[o.ID] = o
	}
	return all, err
}
