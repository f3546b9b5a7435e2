package realize

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tricircle/tricircle/internal/store"
)

// What a network in a pod says of the shadows on it there, in its realization's detail: nothing, or what must be done besides what is due.
const (
	shadowsMember = "shadows"
	decide        = "decide"  // it is not known which are needed: the job of the members finds out
	compare       = "compare" // it is not known which are there: the job of the shadows looks at all of them
)

// What a security group in a pod says of its members, in its realization's detail.
const (
	// hasMembersMember tells whether ports in the group are in the pod themselves.
	hasMembersMember = "has_members"
	// admitsMember are the groups whose members in other pods the pod must know, by their ids at the top: those that the group admits, or
	// none if it has no members in the pod.
	admitsMember = "admits"
	// changedMember are the groups that are in admits now and were not, or the other way round, until their shadows have been asked for.
	changedMember = "changed"
)

// membersBatch is how many ports are decided about at a time.
const membersBatch = 100

// Members finds out which shadows the ports of a network need in which pods, and asks for what changes to be made there: for ports that
// are due, in all pods; for pods where something else has changed, for all ports. It asks no pod.
//
// Of one network it runs once at a time, so nobody else decides about the same shadows meanwhile.
func (r *Realizer) Members(ctx context.Context, networkID string) error {
	here, err := r.Store.Reader().Realizations(ctx, live(store.RealizationQuery{Kind: store.KindNetwork, TopIDs: []string{networkID}}))
	if err != nil {
		return err
	}
	for _, row := range here {
		if row.Detail[shadowsMember] == decide {
			if err := r.decideIn(ctx, row); err != nil {
				return err
			}
		}
	}
	for more := true; more; {
		err := r.Store.InTx(ctx, func(tx store.Tx) (err error) {
			more, err = decideDue(ctx, tx, networkID)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// decideDue decides about some of the ports of a network that are due, and returns whether there may be more.
func decideDue(ctx context.Context, tx store.Tx, networkID string) (more bool, err error) {
	due, err := tx.Realizations(ctx, notShadows(store.RealizationQuery{Kind: store.KindPort, NetworkID: networkID, Due: true, Limit: membersBatch}))
	if err != nil || len(due) == 0 {
		return false, err
	}
	var ids []string
	for _, row := range due {
		ids = append(ids, row.TopID)
	}
	n, err := newNeeds(ctx, tx, networkID, 0, ids)
	if err != nil {
		return false, err
	}
	rows, err := tx.Realizations(ctx, store.RealizationQuery{Kind: store.KindPort, TopIDs: ids})
	if err != nil {
		return false, err
	}
	byID := byPort(rows)
	var changed []store.Realization
	for _, row := range due {
		row.Due = false
		changed = append(changed, row)
	}
	for id, rows := range byID {
		pods := slices.Clone(n.pods)
		for _, row := range rows {
			if row.Shadow && !slices.Contains(pods, row.PodNum) {
				pods = append(pods, row.PodNum)
			}
		}
		for _, num := range pods {
			if row, ok := n.shadow(id, rows, num, true); ok {
				changed = append(changed, row)
			}
		}
	}
	return true, n.put(ctx, tx, changed)
}

// decideIn decides about all ports of a network for one pod that it is in.
func (r *Realizer) decideIn(ctx context.Context, network store.Realization) error {
	q := store.ObjectQuery{Kind: store.KindPort, Filters: []store.Filter{equal("network_id", network.TopID)}, Limit: membersBatch}
	for more := true; more; {
		var ids []string
		err := r.Store.InTx(ctx, func(tx store.Tx) error {
			page, err := tx.List(ctx, q)
			if ids = idsOf(page); err != nil || len(page) == 0 {
				return err
			}
			return decidePage(ctx, tx, network, ids)
		})
		if errors.Is(err, store.ErrNotFound) { // the last port of a page has been deleted since
			return r.decideIn(ctx, network)
		}
		if err != nil {
			return err
		}
		if more = len(ids) == q.Limit; more {
			q.Marker = ids[len(ids)-1]
		}
	}
	return r.Store.InTx(ctx, func(tx store.Tx) error {
		row, err := r.row(ctx, tx, network.Kind, network.TopID, network.PodNum)
		switch {
		case err != nil || row == nil:
			return err
		case !row.UpdatedAt.Equal(network.UpdatedAt): // it may be asked for anew
			return tx.Enqueue(ctx, store.MembersJob(network.TopID))
		}
		row.Detail[shadowsMember] = compare
		if err := tx.PutRealization(ctx, *row); err != nil {
			return err
		}
		return tx.Enqueue(ctx, shadowsJob(network.TopID, network.PodNum))
	})
}

// decidePage decides about some ports of a network for one pod.
func decidePage(ctx context.Context, tx store.Tx, network store.Realization, ids []string) error {
	n, err := newNeeds(ctx, tx, network.TopID, network.PodNum, ids)
	if err != nil {
		return err
	}
	rows, err := tx.Realizations(ctx, notShadows(store.RealizationQuery{Kind: store.KindPort, TopIDs: ids}))
	if err != nil {
		return err
	}
	here, err := tx.Realizations(ctx, store.RealizationQuery{Kind: store.KindPort, TopIDs: ids, PodNum: network.PodNum})
	if err != nil {
		return err
	}
	rows = slices.DeleteFunc(rows, func(row store.Realization) bool { return row.PodNum == network.PodNum })
	byID := byPort(append(rows, here...))
	var changed []store.Realization
	for _, id := range ids {
		if row, ok := n.shadow(id, byID[id], network.PodNum, false); ok {
			changed = append(changed, row)
		}
	}
	return n.put(ctx, tx, changed)
}

// needs says what shadows of some ports of a network are needed for.
type needs struct {
	networkID string
	pods      []int32                   // where the network is
	ports     map[string]*store.Object  // by id
	admitted  map[int32]map[string]bool // by pod: the groups whose members it must know
}

// newNeeds reads what is needed for some ports, by their ids; in one pod only, unless that is 0.
func newNeeds(ctx context.Context, tx store.Tx, networkID string, podNum int32, ids []string) (*needs, error) {
	n := &needs{networkID: networkID, admitted: map[int32]map[string]bool{}}
	networks, err := tx.Realizations(ctx, live(store.RealizationQuery{Kind: store.KindNetwork, TopIDs: []string{networkID}, PodNum: podNum}))
	if err != nil {
		return nil, err
	}
	for _, row := range networks {
		if row.BottomID != "" { // what needs shadows otherwise asks for them when it is there
			n.pods = append(n.pods, row.PodNum)
		}
	}
	if n.ports, err = byID(ctx, tx, store.KindPort, ids); err != nil {
		return nil, err
	}
	var groups []string
	for _, p := range n.ports {
		groups = addNew(groups, texts(p.Attrs["security_groups"])...)
	}
	admitting, err := admitting(ctx, tx, groups)
	if err != nil || len(admitting) == 0 {
		return n, err
	}
	rows, err := tx.Realizations(ctx, live(store.RealizationQuery{Kind: store.KindSecurityGroup, TopIDs: admitting, PodNum: podNum}))
	for _, row := range rows {
		if n.admitted[row.PodNum] == nil {
			n.admitted[row.PodNum] = map[string]bool{}
		}
		for _, id := range texts(row.Detail[admitsMember]) {
			n.admitted[row.PodNum][id] = true
		}
	}
	return n, err
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

// shadow returns what must be remembered of the shadow of a port in a pod, if that is not what its realizations say. all asks for it to be
// looked at there even if it seems to be as it should.
func (n *needs) shadow(portID string, rows []store.Realization, podNum int32, all bool) (row store.Realization, changed bool) {
	var here *store.Realization
	away := false
	for i := range rows {
		switch {
		case rows[i].PodNum != podNum:
			away = away || !rows[i].Shadow && rows[i].DeletedAt.IsZero()
		case !rows[i].Shadow: // it is here itself; if it shall not be, who removes it asks again
			return row, false
		default:
			here = &rows[i]
		}
	}
	var groups []string
	if p := n.ports[portID]; p != nil && away && slices.Contains(n.pods, podNum) {
		groups = slices.DeleteFunc(texts(p.Attrs["security_groups"]), func(id string) bool { return !n.admitted[podNum][id] })
	}
	needed := len(groups) > 0
	if here == nil {
		return store.Realization{Kind: store.KindPort, TopID: portID, PodNum: podNum, NetworkID: n.networkID, Shadow: true, Due: true}, needed
	}
	row, there := *here, here.DeletedAt.IsZero()
	switch {
	case needed && (all || !there || !contains(texts(row.Detail[store.DetailGroups]), groups)):
		row.Due, row.DeletedAt = true, time.Time{}
	case !needed && there:
		row.Due, row.DeletedAt = true, row.UpdatedAt
	default:
		return row, false
	}
	return row, true
}

// put stores what has been decided, and asks for it to be made.
func (n *needs) put(ctx context.Context, tx store.Tx, changed []store.Realization) error {
	var fresh []string
	for _, row := range changed {
		if row.CreatedAt.IsZero() {
			fresh = append(fresh, row.TopID)
		}
	}
	if err := touch(ctx, tx, store.KindPort, fresh); err != nil {
		return err
	}
	if err := tx.PutRealization(ctx, changed...); err != nil {
		return err
	}
	var jobs []store.NewJob
	for _, row := range changed {
		if row.Shadow {
			jobs = append(jobs, row.Job(""))
		}
	}
	return tx.Enqueue(ctx, jobs...)
}

// shadowsJob is the job of the shadows on a network in a pod.
func shadowsJob(networkID string, podNum int32) store.NewJob {
	return (&store.Realization{NetworkID: networkID, PodNum: podNum, Shadow: true}).Job("")
}

// byPort sorts realizations by what they are of.
func byPort(rows []store.Realization) map[string][]store.Realization {
	all := map[string][]store.Realization{}
	for _, row := range rows {
		all[row.TopID] = append(all[row.TopID], row)
	}
	return all
}

// contains tells whether all of some are in a list.
func contains(list, some []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(list, s) })
}
