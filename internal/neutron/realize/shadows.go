package realize

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/southbound"
	"github.com/tricircle/tricircle/internal/store"
)

// shadowOwner is the device owner of shadow ports in pods: it keeps users from giving them to servers.
const shadowOwner = "tricircle:shadow"

// shadowBatch is how many shadows are looked for by one call. That many find-keys just fit into a URL, of which Neutron's server takes
// some 8 KiB.
const shadowBatch = 100

// shadowsMade is how many shadows are made by one call. Neutron makes them one after the other, in a good part of a second each, and the
// call has a deadline.
const shadowsMade = 20

// shadowPage is how many shadows are listed by one call.
const shadowPage = 1000

// shadowFields are what is asked of shadows in pods.
var shadowFields = []string{"id", "description", "project_id", "mac_address", "fixed_ips", "security_groups", "port_security_enabled",
	"device_owner", "device_id", "created_at"}

// Shadows makes the shadows on a network be in a pod, be equal, or be gone: those that are due, and all of them when it is not known
// what is there. A network that is not in the pod yet has none; its job asks again.
//
// Shadows that cannot be made do not keep others from being made.
func (r *Realizer) Shadows(ctx context.Context, networkID string, podNum int32) error {
	p := r.Pods.Snapshot().ByNum(podNum)
	if p == nil {
		return r.forgetShadows(ctx, networkID, podNum)
	}
	if !p.Serves() {
		return &pod.UnavailableError{Pod: p.Name(), Service: pod.Network, Reason: "it is disabled"}
	}
	network, err := r.row(ctx, r.Store.Reader(), store.KindNetwork, networkID, podNum)
	if err != nil {
		return err
	}
	s := &shadows{Realizer: r, networkID: networkID, podNum: podNum, neutron: southbound.NewNeutron(p, r.Token)}
	if network != nil && network.DeletedAt.IsZero() && network.BottomID != "" {
		if s.place, err = r.placeOf(ctx, network); err != nil {
			return err
		}
	}
	if s.place == nil || network.Detail[shadowsMember] != compare {
		return s.walk(ctx, true)
	}
	return s.compare(ctx, network)
}

// forgetShadows forgets those that were in a pod that is no more.
func (r *Realizer) forgetShadows(ctx context.Context, networkID string, podNum int32) error {
	return r.Store.InTx(ctx, func(tx store.Tx) error {
		rows, err := tx.Realizations(ctx, shadowsOn(networkID, podNum))
		for _, row := range rows {
			if err == nil {
				err = tx.DeleteRealization(ctx, row.Kind, row.TopID, row.PodNum)
			}
		}
		return err
	})
}

// shadows are those on a network in a pod.
type shadows struct {
	*Realizer
	networkID string
	podNum    int32
	place     *place // nil if the network is not there
	neutron   *southbound.Neutron
	whole     map[string][]southbound.Object // all that are in the pod, by find-key; nil if they have not been listed
}

// compare makes all shadows be as they should, and those be gone that nobody knows of.
func (s *shadows) compare(ctx context.Context, network *store.Realization) error {
	query := url.Values{"network_id": {network.BottomID}, "device_owner": {shadowOwner}, "fields": shadowFields, "limit": {strconv.Itoa(shadowPage)}}
	var err error
	if s.whole, err = s.list(ctx, query); err != nil {
		return err
	}
	if err := s.walk(ctx, false); err != nil {
		return err
	}
	if err := s.removeUnknown(ctx); err != nil {
		return err
	}
	return s.Store.InTx(ctx, func(tx store.Tx) error {
		row, err := s.row(ctx, tx, network.Kind, network.TopID, network.PodNum)
		switch {
		case err != nil || row == nil:
			return err
		case !row.UpdatedAt.Equal(network.UpdatedAt): // it may be asked for anew
			return tx.Enqueue(ctx, shadowsJob(network.TopID, network.PodNum))
		}
		delete(row.Detail, shadowsMember)
		return tx.PutRealization(ctx, *row)
	})
}

// removeUnknown removes what is left of all shadows in the pod: nobody knows of them.
func (s *shadows) removeUnknown(ctx context.Context) error {
	for key, left := range s.whole {
		id, ours := strings.CutPrefix(key, Key(store.KindPort, ""))
		if !ours {
			continue
		}
		row, err := s.row(ctx, s.Store.Reader(), store.KindPort, id, s.podNum)
		if err != nil {
			return err
		}
		if row != nil { // it has its own job
			continue
		}
		for _, o := range left {
			if err := s.neutron.Delete(ctx, southbound.Ports, o.ID()); err != nil {
				return err
			}
		}
	}
	return nil
}

// list asks the pod for ports, and returns them by their find-keys, the oldest first.
func (s *shadows) list(ctx context.Context, query url.Values) (map[string][]southbound.Object, error) {
	found, err := s.neutron.List(ctx, southbound.Ports, query)
	slices.SortFunc(found, func(a, b southbound.Object) int {
		return cmp.Compare(a.Text("created_at")+a.ID(), b.Text("created_at")+b.ID())
	})
	all := make(map[string][]southbound.Object, len(found))
	for _, o := range found {
		key := o.Text("description")
		all[key] = append(all[key], o)
	}
	return all, err
}

// walk goes through the shadows, in batches; due tells that only through those that are.
func (s *shadows) walk(ctx context.Context, due bool) error {
	q := shadowsOn(s.networkID, s.podNum)
	q.Due, q.Limit = due, shadowBatch
	var bad failures
	for {
		rows, err := s.Store.Reader().Realizations(ctx, q)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return bad.err()
		}
		b := &batch{shadows: s, rows: rows, done: map[string]outcome{}}
		err = b.run(ctx)
		if down, ok := errors.AsType[*pod.UnavailableError](err); ok {
			return down // no other will do better
		}
		bad.add(err)
		last := rows[len(rows)-1].Key()
		q.After = &last
	}
}

// failures are those of several shadows.
type failures []error

func (f *failures) add(err error) {
	if err != nil {
		*f = append(*f, err)
	}
}

// err is the first of them, which says how many more there are.
func (f failures) err() error {
	switch len(f) {
	case 0:
		return nil
	case 1:
		return f[0]
	}
	return fmt.Errorf("%w (and %d more)", f[0], len(f)-1)
}

// batch makes some shadows.
type batch struct {
	*shadows
	rows   []store.Realization
	ports  map[string]*store.Object       // at the top, by id
	groups map[string]string              // ids in the pod of the ports' security groups, by those at the top
	found  map[string][]southbound.Object // in the pod, by find-key
	done   map[string]outcome             // by id at the top
}

// outcome is what became of a shadow.
type outcome struct {
	bottomID string // "" if it is not there any more
	groups   []any  // by their ids at the top
	removed  bool   // it was there until now
}

func (b *batch) run(ctx context.Context) error {
	if err := b.read(ctx); err != nil {
		return err
	}
	var bad failures
	var missing []store.Realization
	for _, row := range b.rows {
		key := Key(store.KindPort, row.TopID)
		found, port := b.found[key], b.ports[row.TopID]
		delete(b.whole, key)
		if !row.DeletedAt.IsZero() || port == nil {
			bad.add(b.remove(ctx, row, found))
			continue
		}
		// What has our key in another project is not ours: users of the pod can write any description on what is theirs.
		found = slices.DeleteFunc(slices.Clone(found), func(o southbound.Object) bool { return o.Text("project_id") != port.ProjectID })
		switch {
		case b.place == nil: // the network's job asks again
		case len(found) == 0:
			missing = append(missing, row)
		default:
			bad.add(b.equal(ctx, row, found[0]))
			bad.add(b.removeDoubles(ctx, found[1:]))
		}
	}
	missing, err := b.sending(ctx, missing)
	if err != nil {
		return err
	}
	bad.add(b.create(ctx, missing))
	bad.add(b.note(ctx))
	return bad.err()
}

// read finds out what is wanted, and before that what is there.
func (b *batch) read(ctx context.Context) (err error) {
	var ids, groups []string
	query := url.Values{"fields": shadowFields}
	for _, row := range b.rows {
		ids = append(ids, row.TopID)
		query.Add("description", Key(store.KindPort, row.TopID))
	}
	if b.found = maps.Clone(b.whole); b.found == nil {
		if b.found, err = b.list(ctx, query); err != nil {
			return err
		}
	}
	from := b.Store.Reader()
	if b.ports, err = byID(ctx, from, store.KindPort, ids); err != nil {
		return err
	}
	for _, p := range b.ports {
		groups = addNew(groups, texts(p.Attrs["security_groups"])...)
	}
	b.groups = map[string]string{}
	if len(groups) == 0 {
		return nil
	}
	rows, err := from.Realizations(ctx, live(store.RealizationQuery{Kind: store.KindSecurityGroup, TopIDs: groups, PodNum: b.podNum}))
	for _, row := range rows {
		b.groups[row.TopID] = row.BottomID
	}
	return err
}

// remove makes a shadow be gone.
func (b *batch) remove(ctx context.Context, row store.Realization, found []southbound.Object) error {
	for _, o := range found {
		if err := b.unused(row, o); err != nil {
			return err
		}
		if err := b.neutron.Delete(ctx, southbound.Ports, o.ID()); err != nil {
			return err
		}
	}
	b.done[row.TopID] = outcome{removed: len(found) > 0}
	return nil
}

// removeDoubles removes shadows that were made twice.
func (b *batch) removeDoubles(ctx context.Context, doubles []southbound.Object) error {
	for _, o := range doubles {
		if o.Text("device_owner") != shadowOwner {
			continue
		}
		if err := b.neutron.Delete(ctx, southbound.Ports, o.ID()); err != nil {
			return err
		}
	}
	return nil
}

// unused fails if a server has the port that should be a shadow: until its pod lets go of it, it is none.
func (b *batch) unused(row store.Realization, o southbound.Object) error {
	if device := o.Text("device_id"); device != "" {
		return fmt.Errorf("port %s is still used by %s in the pod", row.TopID, device)
	}
	return nil
}

// equal makes a shadow that is there be as it should.
func (b *batch) equal(ctx context.Context, row store.Realization, o southbound.Object) error {
	if err := b.unused(row, o); err != nil {
		return err
	}
	wanted, result, err := b.wanted(row)
	if err != nil {
		return err
	}
	wanted.plain(o)
	if change := difference(wanted.kept, o); len(change) > 0 {
		if _, err := b.neutron.Update(ctx, southbound.Ports, o, change); err != nil {
			return err
		}
	}
	result.bottomID = o.ID()
	b.done[row.TopID] = result
	return nil
}

// wanted is what a shadow should be: the MAC and addresses of the port, and those of its groups that are in the pod.
func (b *batch) wanted(row store.Realization) (attributes, outcome, error) {
	port := b.ports[row.TopID]
	groups := map[string]string{}
	for _, id := range texts(port.Attrs["security_groups"]) {
		if b.groups[id] != "" {
			groups[id] = b.groups[id]
		}
	}
	a, err := b.place.attributes(port, groups)
	if err != nil {
		return a, outcome{}, err
	}
	a.born["name"] = text(port, "name")
	a.kept["device_owner"] = shadowOwner
	return a, outcome{groups: anys(slices.Sorted(maps.Keys(groups)))}, nil
}

// create makes shadows, several by one call. If the pod refuses one of them it has made none of those, and they are made one by one.
func (b *batch) create(ctx context.Context, rows []store.Realization) error {
	var all []southbound.Object
	results := map[string]outcome{} // by find-key
	var bad failures
	for _, row := range rows {
		a, result, err := b.wanted(row)
		if err != nil {
			bad.add(err)
			continue
		}
		key := Key(store.KindPort, row.TopID)
		results[key] = result
		all = append(all, merge(merge(a.born, a.kept), southbound.Object{"description": key}))
	}
	for some := range slices.Chunk(all, shadowsMade) {
		made, err := b.neutron.CreateAll(ctx, southbound.Ports, some)
		for _, o := range made {
			b.made(o, results)
		}
		if southbound.Refused(err, http.StatusBadRequest, http.StatusNotFound, http.StatusConflict) {
			err = b.createEach(ctx, some, results)
		}
		if down, ok := errors.AsType[*pod.UnavailableError](err); ok {
			return down
		}
		bad.add(err)
	}
	return bad.err()
}

func (b *batch) made(o southbound.Object, results map[string]outcome) {
	key := o.Text("description")
	if result, ok := results[key]; ok {
		result.bottomID = o.ID()
		b.done[strings.TrimPrefix(key, Key(store.KindPort, ""))] = result
	}
}

// createEach makes shadows one after the other. One that is there after all is looked at by another run.
func (b *batch) createEach(ctx context.Context, all []southbound.Object, results map[string]outcome) error {
	var bad failures
	for _, attrs := range all {
		made, err := b.neutron.Create(ctx, southbound.Ports, attrs)
		if down, ok := errors.AsType[*pod.UnavailableError](err); ok {
			return down
		}
		if err == nil {
			b.made(made, results)
		}
		bad.add(err)
	}
	return bad.err()
}

// sending notes that creates are about to be sent, as target.sending does, and returns the rows as they are then. Those that have changed
// since they were read are left to another run.
func (b *batch) sending(ctx context.Context, missing []store.Realization) (now []store.Realization, err error) {
	if len(missing) == 0 {
		return nil, nil
	}
	err = b.Store.InTx(ctx, func(tx store.Tx) error {
		rows, err := b.unchanged(ctx, tx, missing)
		for i := range rows {
			rows[i].Detail[sentMember] = true
			delete(rows[i].Detail, goneMember)
		}
		if err == nil {
			err = tx.PutRealization(ctx, rows...)
		}
		if err != nil || len(rows) == 0 {
			return err
		}
		now, err = tx.Realizations(ctx, b.query(rows))
		return err
	})
	for _, row := range now {
		b.rows[slices.IndexFunc(b.rows, func(r store.Realization) bool { return r.TopID == row.TopID })] = row
	}
	return now, err
}

// query selects the realizations of some shadows.
func (b *batch) query(rows []store.Realization) store.RealizationQuery {
	q := store.RealizationQuery{Kind: store.KindPort, PodNum: b.podNum}
	for _, row := range rows {
		q.TopIDs = append(q.TopIDs, row.TopID)
	}
	return q
}

// unchanged returns those of some rows that are as they were.
func (b *batch) unchanged(ctx context.Context, tx store.Tx, were []store.Realization) ([]store.Realization, error) {
	rows, err := tx.Realizations(ctx, b.query(were))
	return slices.DeleteFunc(rows, func(row store.Realization) bool {
		return !slices.ContainsFunc(were, func(was store.Realization) bool { return was.TopID == row.TopID && was.UpdatedAt.Equal(row.UpdatedAt) })
	}), err
}

// note writes down what became of the shadows. What has changed meanwhile stays due, for those who changed it have asked for another run.
func (b *batch) note(ctx context.Context) error {
	if len(b.done) == 0 {
		return nil
	}
	doubt := false
	err := b.Store.InTx(ctx, func(tx store.Tx) error {
		doubt = false
		rows, err := tx.Realizations(ctx, b.query(b.rows))
		if err != nil {
			return err
		}
		var changed []store.Realization
		for i := range rows {
			row := &rows[i]
			result, done := b.done[row.TopID]
			same := slices.ContainsFunc(b.rows, func(was store.Realization) bool { return was.TopID == row.TopID && was.UpdatedAt.Equal(row.UpdatedAt) })
			switch {
			case !done:
				continue
			case !row.Shadow: // a server is booted with it: what was done here is not what its own job wants
				err = tx.Enqueue(ctx, row.Job(""))
			case result.bottomID == "" && same && !b.doubtful(row, result.removed):
				err = tx.DeleteRealization(ctx, row.Kind, row.TopID, row.PodNum)
			case result.bottomID == "":
				doubt = doubt || same
				changed = append(changed, *row)
			case row.Due || row.BottomID != result.bottomID || !slices.Equal(texts(row.Detail[store.DetailGroups]), texts(result.groups)):
				row.BottomID, row.Due, row.Detail[store.DetailGroups] = result.bottomID, row.Due && !same, result.groups
				delete(row.Detail, sentMember)
				changed = append(changed, *row)
			}
			if err != nil {
				return err
			}
		}
		return tx.PutRealization(ctx, changed...)
	})
	if err == nil && doubt {
		err = errDoubt
	}
	return err
}

// shadowsOn selects the shadows on a network in a pod.
func shadowsOn(networkID string, podNum int32) store.RealizationQuery {
	yes := true
	return store.RealizationQuery{Kind: store.KindPort, NetworkID: networkID, PodNum: podNum, Shadow: &yes}
}

// notShadows selects realizations that are no shadows.
func notShadows(q store.RealizationQuery) store.RealizationQuery {
	no := false
	q.Shadow = &no
	return q
}
