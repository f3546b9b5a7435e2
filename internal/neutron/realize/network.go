package realize

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/tricircle/tricircle/internal/southbound"
	"github.com/tricircle/tricircle/internal/store"
)

// Network realizes a network and its subnets in a pod. The realization gets the network's id when all of that is there.
func (r *Realizer) Network(ctx context.Context, id string, podNum int32) error {
	t, err := r.target(ctx, store.KindNetwork, id, podNum)
	switch {
	case t == nil || err != nil:
		return err
	case t.top == nil:
		return t.remove(ctx, southbound.Networks, nil) // with its subnets
	}
	shared, err := t.sharedWith(ctx)
	if err != nil {
		return err
	}
	bottom, err := t.ensure(ctx, southbound.Networks, Key(store.KindNetwork, id), t.row.BottomID, t.network(shared))
	if err != nil {
		return err
	}
	if err := t.share(ctx, bottom.ID(), shared); err != nil {
		return err
	}
	subnets, err := t.subnets(ctx, bottom.ID())
	if err != nil {
		return err
	}
	return t.made(ctx, bottom.ID(), func(tx store.Tx, row *store.Realization) error {
		row.Detail[sharedMember] = anys(shared)
		delete(row.Detail, sharingMember)
		if row.BottomID != bottom.ID() { // its ports may be members of groups that are admitted here
			row.Detail[shadowsMember] = decide
			if err := tx.Enqueue(ctx, store.MembersJob(id)); err != nil {
				return err
			}
		}
		return putSubnets(ctx, tx, row, subnets)
	})
}

// subnetsMember is the member of a network's realization that has the subnets that it has in its pod, by their ids at the top. It is written
// together with theirs, so whenever a run is cut off, what is known of subnets can be forgotten with it.
const subnetsMember = "subnets"

// forgetSubnets forgets those subnets of a network's realization that are none of those to keep.
func forgetSubnets(ctx context.Context, tx store.Tx, network store.Realization, keep []string) error {
	for _, id := range texts(network.Detail[subnetsMember]) {
		if slices.Contains(keep, id) {
			continue
		}
		if err := tx.DeleteRealization(ctx, store.KindSubnet, id, network.PodNum); err != nil {
			return err
		}
	}
	return nil
}

// putSubnets stores what subnets of a network are in a pod, and that there are no others.
func putSubnets(ctx context.Context, tx store.Tx, network *store.Realization, subnets []store.Realization) error {
	ids := []string{}
	for _, s := range subnets {
		ids = append(ids, s.TopID)
	}
	if err := forgetSubnets(ctx, tx, *network, ids); err != nil {
		return err
	}
	network.Detail[subnetsMember] = anys(ids)
	if len(ids) == 0 {
		return nil
	}
	known, err := tx.Realizations(ctx, store.RealizationQuery{Kind: store.KindSubnet, TopIDs: ids, PodNum: network.PodNum})
	if err != nil {
		return err
	}
	return putChanged(ctx, tx, known, subnets...)
}

// subnetRows are the realizations of subnets of a pod, by their ids there.
type subnetRows map[string]store.Realization

func (t *target) subnetRows(ctx context.Context, observed []southbound.Object) (subnetRows, error) {
	if len(observed) == 0 {
		return nil, nil
	}
	ids := make([]string, len(observed))
	for i, o := range observed {
		ids[i] = o.ID()
	}
	found, err := t.Store.Reader().Realizations(ctx, store.RealizationQuery{Kind: store.KindSubnet, PodNum: t.row.PodNum, BottomIDs: ids})
	rows := subnetRows{}
	for _, row := range found {
		rows[row.BottomID] = row
	}
	return rows, err
}

// topID returns the id at the top of a subnet that is ours, by its find-key or because it was adopted; "" of others.
func (rows subnetRows) topID(observed southbound.Object) string {
	if id, ours := strings.CutPrefix(observed.Text("description"), Key(store.KindSubnet, "")); ours {
		return id
	}
	if row := rows[observed.ID()]; adopted(row) {
		return row.TopID
	}
	return ""
}

// sort tells which of the subnets that a pod has are those wanted, by their ids at the top, and which are ours but should not be there: they
// are wanted no more, or were made twice by requests that a pod carried out at the same time, when it went on.
func (rows subnetRows) sort(observed []southbound.Object, wanted []*store.Object) (there map[string]southbound.Object, tooMany []southbound.Object) {
	there = map[string]southbound.Object{}
	for _, o := range observed {
		id := rows.topID(o)
		other, double := there[id]
		_, noted := rows[o.ID()]
		switch {
		case id == "":
		case !slices.ContainsFunc(wanted, func(s *store.Object) bool { return s.ID == id }), double && !noted:
			tooMany = append(tooMany, o)
		case double:
			tooMany = append(tooMany, other)
			there[id] = o
		default:
			there[id] = o
		}
	}
	return there, tooMany
}

// network is what a network should be in the pod. The segment is the same in all of them; "local" is an overlay of the pod's
// own, whose type it chooses. shared are the projects that it is shared with.
func (t *target) network(shared []string) attributes {
	a := attributes{born: southbound.Object{"project_id": t.top.ProjectID}, kept: southbound.Object{"name": text(t.top, "name")}}
	for _, name := range []string{"admin_state_up", "port_security_enabled"} {
		if v, ok := t.top.Attrs[name].(bool); ok {
			a.kept[name] = v
		}
	}
	if text(t.top, "provider:network_type") != "local" {
		a.born = merge(a.born, pick(t.top, "provider:network_type", "provider:physical_network", "provider:segmentation_id", "segments"))
		a.kept = merge(a.kept, pick(t.top, "mtu"))
	}
	a.known = southbound.Object{"dns_domain": text(t.top, "dns_domain")}
	a.kept["shared"] = slices.Contains(shared, everybody)
	a.kept["router:external"] = t.top.Attrs["router:external"] == true
	return a
}

// everybody is the target of RBAC policies for all projects.
const everybody = "*"

// Members of a network's detail about whom it is shared with in the pod.
const (
	sharedMember  = "shared"  // the projects
	sharingMember = "sharing" // true while there may be others: since before policies were made, until sharedMember says so
)

// unshared tells whether one of the projects that use a network may not see it yet in the pod. To such a user the pod's Nova gives no
// port on it, and says nothing (nova/network/neutron.py, allocate_for_instance, Zed).
func unshared(row store.Realization, network *store.Object, users []string) bool {
	shared := texts(row.Detail[sharedMember])
	return !slices.Contains(shared, everybody) && slices.ContainsFunc(users, func(project string) bool {
		return project != network.ProjectID && !slices.Contains(shared, project)
	})
}

// sharedWith returns the projects that the network is shared with.
func (t *target) sharedWith(ctx context.Context) (projects []string, err error) {
	policies, err := t.Store.Reader().List(ctx, store.ObjectQuery{Kind: store.KindRBACPolicy, Filters: []store.Filter{
		equal("object_type", "network"), equal("object_id", t.top.ID), equal("action", "access_as_shared")}})
	for _, p := range policies {
		projects = append(projects, text(p, "target_project"))
	}
	return projects, err
}

// share makes single projects see the network in the pod who see it at the top: Nova shows them no other. A policy has no
// description to find it by; what it says is unique.
func (t *target) share(ctx context.Context, networkID string, shared []string) error {
	wanted := slices.DeleteFunc(slices.Clone(shared), func(p string) bool { return p == everybody })
	if len(wanted)+len(texts(t.row.Detail[sharedMember])) == 0 && t.row.Detail[sharingMember] == nil {
		return nil
	}
	observed, err := t.neutron.List(ctx, southbound.RBACPolicies, url.Values{"object_id": {networkID}, "action": {"access_as_shared"}})
	if err != nil {
		return err
	}
	for _, o := range observed {
		target := o.Text("target_tenant")
		if i := slices.Index(wanted, target); i >= 0 {
			wanted = slices.Delete(wanted, i, i+1)
		} else if target != everybody {
			if err := t.neutron.Delete(ctx, southbound.RBACPolicies, o.ID()); err != nil {
				return err
			}
		}
	}
	if len(wanted) > 0 {
		if err := t.sharing(ctx); err != nil {
			return err
		}
	}
	for _, project := range wanted {
		_, err := t.neutron.Create(ctx, southbound.RBACPolicies, southbound.Object{"object_type": "network", "object_id": networkID,
			"action": "access_as_shared", "target_tenant": project})
		if err != nil {
			return err
		}
	}
	return nil
}

// sharing notes that policies are about to be made: should the run be cut off, and nobody want them any more, they are looked for.
func (t *target) sharing(ctx context.Context) error {
	return t.Store.InTx(ctx, func(tx store.Tx) error {
		row, err := t.Realizer.row(ctx, tx, t.row.Kind, t.row.TopID, t.row.PodNum)
		if row == nil || err != nil {
			return err
		}
		row.Detail[sharingMember] = true
		return tx.PutRealization(ctx, *row)
	})
}

// subnets makes the subnets of the network in the pod be those of the top, and returns their realizations.
func (t *target) subnets(ctx context.Context, networkID string) (rows []store.Realization, err error) {
	wanted, err := t.Store.Reader().List(ctx, store.ObjectQuery{Kind: store.KindSubnet, Filters: []store.Filter{equal("network_id", t.top.ID)}})
	if err != nil {
		return nil, err
	}
	observed, err := t.neutron.List(ctx, southbound.Subnets, url.Values{"network_id": {networkID}})
	if err != nil {
		return nil, err
	}
	known, err := t.subnetRows(ctx, observed)
	if err != nil {
		return nil, err
	}
	there, tooMany := known.sort(observed, wanted)
	for _, o := range tooMany {
		if err := t.neutron.Delete(ctx, southbound.Subnets, o.ID()); err != nil {
			return nil, err
		}
	}
	for _, s := range wanted {
		row := store.Realization{Kind: store.KindSubnet, TopID: s.ID, PodNum: t.row.PodNum}
		row.Detail = known[there[s.ID].ID()].Detail
		if row.BottomID, err = t.subnet(ctx, s, networkID, there[s.ID], row.Detail[OwnPools] == true); err != nil {
			return nil, err
		}
		row.Revision = s.Revision
		rows = append(rows, row)
	}
	return rows, nil
}

// subnet makes one subnet be there and equal, and returns its id in the pod. there is the one that the pod has, or nil.
func (t *target) subnet(ctx context.Context, s *store.Object, networkID string, there southbound.Object, ownPools bool) (string, error) {
	a, err := t.subnetAttributes(ctx, s, networkID, ownPools)
	if err != nil {
		return "", err
	}
	key := Key(store.KindSubnet, s.ID)
	if there == nil { // nothing is noted before: what may come late goes with the network, and sort finds a second one
		made, err := t.neutron.CreateAs(ctx, southbound.Subnets, key, merge(a.born, a.kept))
		return made.ID(), err
	}
	if change := difference(merge(a.kept, southbound.Object{"description": key}), there); len(change) > 0 {
		_, err = t.update(ctx, southbound.Subnets, there, change, s)
	}
	return there.ID(), err
}

// subnetAttributes are those of the top, but for the pool: it is only what the pod needs for ports of its own, such as OVN's
// for metadata. Every other address is the top's to give, so that no two pods can hand out one.
//
// The gateway is the top's in every pod. As long as no router has it in any pod it is an address like another; routers need a
// different one in each pod (docs/networking-recipe.md section 1).
func (t *target) subnetAttributes(ctx context.Context, s *store.Object, networkID string, ownPools bool) (attributes, error) {
	a := attributes{
		born: merge(southbound.Object{"network_id": networkID, "project_id": s.ProjectID},
			pick(s, "cidr", "ip_version", "ipv6_address_mode", "ipv6_ra_mode")),
		kept: southbound.Object{"name": text(s, "name"), "gateway_ip": s.Attrs["gateway_ip"]},
	}
	for _, name := range []string{"enable_dhcp", "dns_nameservers", "host_routes"} {
		if v, ok := s.Attrs[name]; ok {
			a.kept[name] = v
		}
	}
	if automatic(s) || ownPools {
		return a, nil
	}
	var own []string
	err := t.Store.InTx(ctx, func(tx store.Tx) (err error) {
		own, err = t.Reserve(ctx, tx, s, t.row.PodNum)
		return err
	})
	pools := []any{}
	for _, ip := range own {
		pools = append(pools, map[string]any{"start": ip, "end": ip})
	}
	a.kept["allocation_pools"] = pools
	if errors.Is(err, store.ErrNotFound) { // the subnet has just been deleted
		err = nil
	}
	return a, err
}

// automatic tells whether addresses of a subnet follow from MACs: pods make them up alike, and refuse to be told.
func automatic(s *store.Object) bool {
	mode := text(s, "ipv6_address_mode")
	return mode == "slaac" || mode == "dhcpv6-stateless"
}
