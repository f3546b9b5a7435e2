package realize

import (
	"context"
	"slices"

	"github.com/tricircle/tricircle/internal/southbound"
	"github.com/tricircle/tricircle/internal/store"
)

// Trunk realizes a trunk in the pod of its parent, and its subports: on their ports in that pod. Ports that are not there yet are wanted
// there, and the error is an *UnmadeError.
func (r *Realizer) Trunk(ctx context.Context, id string, podNum int32) error {
	t, err := r.target(ctx, store.KindTrunk, id, podNum)
	switch {
	case t == nil || err != nil:
		return err
	case t.top == nil:
		return t.remove(ctx, southbound.Trunks, nil)
	}
	ports, err := t.trunkPorts(ctx)
	if err != nil {
		return err
	}
	wanted := bottomSubports(t.top, ports)
	bottom, err := t.ensure(ctx, southbound.Trunks, Key(store.KindTrunk, id), t.row.BottomID, attributes{
		born: southbound.Object{"project_id": t.top.ProjectID, "port_id": ports[text(t.top, "port_id")], "sub_ports": wanted},
		// A trunk that is not up refuses changes, and nothing else (neutron/services/trunk/rules.py, trunk_can_be_managed, Zed). The top
		// refuses those of users; what it has accepted must come to the pod.
		kept: southbound.Object{"name": text(t.top, "name"), "admin_state_up": true},
	})
	if err == nil {
		err = t.carry(ctx, bottom, wanted)
	}
	if err != nil {
		return err
	}
	return t.made(ctx, bottom.ID(), func(_ store.Tx, row *store.Realization) error {
		row.Detail["sub_ports"] = t.top.Attrs["sub_ports"]
		return nil
	})
}

// trunkMember is the member of a port's realization with the trunk, by its id at the top, that it may be in there: one of which the job must
// run before the port can be removed.
const trunkMember = "trunk"

// trunkPorts returns the ids in the pod of the trunk's ports by those at the top, and notes at them that they are in the trunk.
func (t *target) trunkPorts(ctx context.Context) (map[string]string, error) {
	ids := append(subportIDs(t.top), text(t.top, "port_id"))
	bottom := map[string]string{}
	var jobs []store.NewJob
	err := t.Store.InTx(ctx, func(tx store.Tx) error {
		clear(bottom)
		jobs = nil
		trunk, err := t.Realizer.row(ctx, tx, store.KindTrunk, t.top.ID, t.row.PodNum)
		if err != nil {
			return err
		}
		if trunk == nil || !trunk.DeletedAt.IsZero() { // its parent has moved to another pod: to want its ports would move them back
			return errOutdated
		}
		rows, err := tx.Realizations(ctx, notShadows(live(store.RealizationQuery{Kind: store.KindPort, TopIDs: ids, PodNum: t.row.PodNum})))
		if err != nil {
			return err
		}
		var unnoted []store.Realization
		for _, row := range rows {
			bottom[row.TopID] = row.BottomID
			if row.Detail[trunkMember] != t.top.ID {
				row.Detail[trunkMember] = t.top.ID
				unnoted = append(unnoted, row)
			}
		}
		if err := tx.PutRealization(ctx, unnoted...); err != nil {
			return err
		}
		missing := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return bottom[id] != "" })
		jobs, err = t.wantPorts(ctx, tx, missing)
		return err
	})
	if err != nil || len(jobs) == 0 {
		return bottom, err
	}
	return nil, &UnmadeError{Job: jobs[len(jobs)-1]}
}

// wantPorts wants ports in the pod of the trunk, and returns their jobs.
func (t *target) wantPorts(ctx context.Context, tx store.Tx, ids []string) ([]store.NewJob, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	ports, err := byID(ctx, tx, store.KindPort, ids)
	if err != nil {
		return nil, err
	}
	var some []*store.Object
	for _, id := range ids {
		if ports[id] == nil { // it has left the trunk, and is gone
			return nil, errOutdated
		}
		some = append(some, ports[id])
	}
	jobs, err := Want(ctx, tx, t.row.PodNum, some...)
	return slices.DeleteFunc(jobs, func(job store.NewJob) bool { return job.Kind != string(store.KindPort) }), err
}

// carry makes the subports of a trunk in the pod be those of the top. What leaves goes first, for it may have a segment that another gets.
func (t *target) carry(ctx context.Context, bottom southbound.Object, wanted []any) error {
	observed, _ := bottom["sub_ports"].([]any)
	has := func(list []any, subport any) bool {
		return slices.ContainsFunc(list, func(other any) bool { return same("", segment(subport), segment(other)) })
	}
	added, gone := []any{}, []any{}
	for _, subport := range wanted {
		if !has(observed, subport) {
			added = append(added, subport)
		}
	}
	for _, subport := range observed {
		if !has(wanted, subport) {
			gone = append(gone, map[string]any{"port_id": asMap(subport)["port_id"]})
		}
	}
	for _, change := range []struct {
		action   string
		subports []any
	}{{"remove_subports", gone}, {"add_subports", added}} {
		if len(change.subports) == 0 {
			continue
		}
		if err := t.still(ctx, t.top); err != nil {
			return err
		}
		if err := t.neutron.Act(ctx, southbound.Trunks, bottom.ID(), change.action, southbound.Object{"sub_ports": change.subports}); err != nil {
			return err
		}
	}
	return nil
}

// segment is a subport as far as it is compared.
func segment(subport any) []any {
	s := asMap(subport)
	return []any{s["port_id"], s["segmentation_type"], s["segmentation_id"]}
}

// bottomSubports are the subports of a trunk with the ids that their ports have in the pod.
func bottomSubports(trunk *store.Object, ports map[string]string) []any {
	subports := []any{}
	list, _ := trunk.Attrs["sub_ports"].([]any)
	for _, entry := range list {
		subport := asMap(entry)
		id, _ := subport["port_id"].(string)
		subports = append(subports, merge(subport, map[string]any{"port_id": ports[id]}))
	}
	return subports
}

// subportIDs are the ids of the ports that a trunk carries.
func subportIDs(trunk *store.Object) (ids []string) {
	list, _ := trunk.Attrs["sub_ports"].([]any)
	for _, subport := range list {
		if id, ok := asMap(subport)["port_id"].(string); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

// WithSubports returns the trunks of which ports are parents, and the ports with those that are carried by them.
func WithSubports(ctx context.Context, from store.Reader, ports []*store.Object) (trunks, all []*store.Object, err error) {
	var ids []string
	for _, p := range ports {
		if id := text(p, store.AttrTrunk); id != "" {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil, ports, nil
	}
	trunks, err = from.List(ctx, store.ObjectQuery{Kind: store.KindTrunk, Filters: []store.Filter{equal("id", anys(ids)...)}})
	var carried []string
	for _, trunk := range trunks {
		carried = append(carried, subportIDs(trunk)...)
	}
	if err != nil || len(carried) == 0 {
		return trunks, ports, err
	}
	subports, err := from.List(ctx, store.ObjectQuery{Kind: store.KindPort, Filters: []store.Filter{equal("id", anys(carried)...)}})
	return trunks, slices.Concat(ports, subports), err
}

// afterTrunk turns the refusal to remove a port that is in a trunk into waiting for that trunk's job.
func (t *target) afterTrunk(ctx context.Context, err error) error {
	trunk, noted := t.row.Detail[trunkMember].(string)
	if !noted || !southbound.RefusedAs(err, "PortInUseAsSubPort", "PortInUseAsTrunkParent") {
		return err
	}
	row, failed := t.Realizer.row(ctx, t.Store.Reader(), store.KindTrunk, trunk, t.row.PodNum)
	if row == nil || failed != nil {
		return err
	}
	return &UnmadeError{Job: row.Job("")}
}
