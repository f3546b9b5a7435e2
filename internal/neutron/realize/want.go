package realize

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tricircle/tricircle/internal/store"
)

// ElsewhereError says that a network that can be in one pod only is in another one.
type ElsewhereError struct{ NetworkID string }

func (e *ElsewhereError) Error() string {
	return "network " + e.NetworkID + " is in another pod, and can be in one only"
}

// Want says that ports should be in a pod, with their networks and security groups, with the trunks of which they are parents, and what these
// carry, and enqueues the jobs for what is not there yet. It returns those jobs in the order in which they can be done. A port must be that of
// one pod only; so must be some networks, of which another pod's are an *ElsewhereError.
func Want(ctx context.Context, tx store.Tx, podNum int32, ports ...*store.Object) (jobs []store.NewJob, err error) {
	trunks, ports, err := WithSubports(ctx, tx, ports)
	if err != nil {
		return nil, err
	}
	var networks, groups, ids []string
	users := map[string][]string{}
	for _, p := range ports {
		ids = append(ids, p.ID)
		networks = addNew(networks, text(p, "network_id"))
		users[text(p, "network_id")] = addNew(users[text(p, "network_id")], p.ProjectID)
		groups = addNew(groups, texts(p.Attrs["security_groups"])...)
	}
	for _, w := range []struct {
		kind store.ObjectKind
		ids  []string
	}{{store.KindNetwork, networks}, {store.KindSecurityGroup, groups}, {store.KindPort, ids}, {store.KindTrunk, idsOf(trunks)}} {
		more, err := want(ctx, tx, w.kind, w.ids, podNum, users)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, more...)
	}
	if err := moved(ctx, tx, podNum, store.KindTrunk, trunks); err != nil {
		return nil, err
	}
	return jobs, moved(ctx, tx, podNum, store.KindPort, ports)
}

// moved puts tombstones onto what ports or trunks are in other pods, where they were before. Shadows stay.
func moved(ctx context.Context, tx store.Tx, podNum int32, kind store.ObjectKind, objects []*store.Object) error {
	if len(objects) == 0 {
		return nil
	}
	rows, err := tx.Realizations(ctx, notShadows(live(store.RealizationQuery{Kind: kind, TopIDs: idsOf(objects)})))
	if err != nil {
		return err
	}
	rows = slices.DeleteFunc(rows, func(row store.Realization) bool { return row.PodNum == podNum })
	var jobs []store.NewJob
	for i := range rows {
		rows[i].DeletedAt = rows[i].UpdatedAt
		at := slices.IndexFunc(objects, func(o *store.Object) bool { return o.ID == rows[i].TopID })
		jobs = append(jobs, rows[i].Job(objects[at].ProjectID))
	}
	if err := tx.PutRealization(ctx, rows...); err != nil {
		return err
	}
	return tx.Enqueue(ctx, jobs...)
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

// want marks objects as wanted in a pod and enqueues jobs for those that are not there, or have only a shadow there, or are networks
// that their users, projects by the id of the network, do not see there yet, or ports whose name is under way. It returns these jobs. Which
// shadows ports need elsewhere is found out by another job, which nobody waits for.
func want(ctx context.Context, tx store.Tx, kind store.ObjectKind, ids []string, podNum int32,
	users map[string][]string) (jobs []store.NewJob, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	known, err := tx.Realizations(ctx, store.RealizationQuery{Kind: kind, TopIDs: ids, PodNum: podNum})
	if err != nil {
		return nil, err
	}
	objects, err := byID(ctx, tx, kind, ids)
	if err != nil {
		return nil, err
	}
	var rows []store.Realization
	var members []store.NewJob
	var fresh []string
	for _, id := range ids {
		o := objects[id]
		if o == nil {
			return nil, fmt.Errorf("%s %s: %w", kind, id, store.ErrNotFound)
		}
		row := store.Realization{Kind: kind, TopID: id, PodNum: podNum}
		if i := slices.IndexFunc(known, func(r store.Realization) bool { return r.TopID == id }); i >= 0 {
			row = known[i]
		} else {
			fresh = append(fresh, id)
		}
		if row.BottomID != "" && row.DeletedAt.IsZero() && !row.Shadow && !unshared(row, o, users[id]) && !unnamed(row, o) {
			continue
		}
		if !row.DeletedAt.IsZero() { // what the pod had before is deleted, or about to be
			delete(row.Detail, Adopted)
		}
		row.DeletedAt, row.Shadow = time.Time{}, false
		if kind == store.KindPort {
			row.NetworkID, row.Due = text(o, "network_id"), true
			row.JoinGroups(o)
			members = append(members, store.MembersJob(row.NetworkID))
		}
		rows = append(rows, row)
		jobs = append(jobs, row.Job(o.ProjectID))
	}
	if err := refuseSecondPod(ctx, tx, kind, fresh, objects); err != nil {
		return nil, err
	}
	if err := touch(ctx, tx, kind, fresh); err != nil {
		return nil, err
	}
	if err := tx.PutRealization(ctx, rows...); err != nil {
		return nil, err
	}
	return jobs, tx.Enqueue(ctx, slices.Concat(jobs, members)...)
}

// refuseSecondPod refuses networks that are new in a pod, can be in one only, and are in another. Of two that are the first at the same time
// one is: each touches the network.
func refuseSecondPod(ctx context.Context, tx store.Tx, kind store.ObjectKind, fresh []string, objects map[string]*store.Object) error {
	if kind != store.KindNetwork {
		return nil
	}
	bound := slices.DeleteFunc(slices.Clone(fresh), func(id string) bool { return !objects[id].InOnePod() })
	if len(bound) == 0 {
		return nil
	}
	elsewhere, err := tx.Realizations(ctx, store.RealizationQuery{Kind: kind, TopIDs: bound, Limit: 1})
	if err == nil && len(elsewhere) > 0 {
		err = &ElsewhereError{elsewhere[0].TopID}
	}
	return err
}

// touch makes who changes or deletes objects at this moment see that they are in one more pod.
func touch(ctx context.Context, tx store.Tx, kind store.ObjectKind, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	return tx.Touch(ctx, kind, ids...)
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
