package realize

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tricircle/tricircle/internal/southbound"
	"github.com/tricircle/tricircle/internal/store"
)

// Port realizes a port in a pod, where a server uses it. Its network and groups must be there already; otherwise the error is an
// *UnmadeError. Shadows have a job of their own: see Shadows.
func (r *Realizer) Port(ctx context.Context, id string, podNum int32) error {
	t, err := r.target(ctx, store.KindPort, id, podNum)
	switch {
	case t == nil || err != nil || t.row.Shadow:
		return err
	case t.top == nil:
		return t.afterTrunk(ctx, t.remove(ctx, southbound.Ports, t.left))
	case t.row.Detail[Follows] == true:
		return t.follow(ctx)
	}
	groups, err := t.groups(ctx)
	if err != nil {
		return err
	}
	wanted, err := t.port(ctx, groups)
	if err != nil {
		return err
	}
	bottom, err := t.ensure(ctx, southbound.Ports, Key(store.KindPort, id), t.row.BottomID, wanted)
	switch {
	case err != nil:
		return err
	case bottom == nil:
		return t.vanished(ctx)
	}
	now := slices.Sorted(maps.Keys(groups))
	err = t.made(ctx, bottom.ID(), func(tx store.Tx, row *store.Realization) error {
		if row.Shadow { // since the run began; what was done is not what a shadow should be
			row.Due = true
			return tx.Enqueue(ctx, row.Job(""))
		}
		if bottom.Text("device_id") == "" {
			if err := t.Idle(ctx, tx, t.top, podNum); err != nil {
				return err
			}
		}
		lost := slices.DeleteFunc(texts(row.Detail[store.DetailGroups]), func(id string) bool { return slices.Contains(now, id) })
		row.Detail[store.DetailGroups] = anys(now)
		if named := text(t.top, store.AttrNamed); named != "" {
			row.Detail[namedMember] = named
		}
		return t.lost(ctx, tx, lost)
	})
	if err != nil {
		return err
	}
	return t.joined(ctx, now)
}

// follow looks whether a port that only the pod manages is still there.
func (t *target) follow(ctx context.Context) error {
	bottom, err := t.neutron.Get(ctx, southbound.Ports, t.row.BottomID)
	if err == nil && bottom == nil {
		err = t.vanished(ctx)
	}
	return err
}

// vanished forgets an adopted port that is gone from its pod, unless it is wanted in another one meanwhile, and lets its shadows go.
func (t *target) vanished(ctx context.Context) error {
	return t.Store.InTx(ctx, func(tx store.Tx) error {
		rows, err := tx.Realizations(ctx, store.RealizationQuery{Kind: store.KindPort, TopIDs: []string{t.row.TopID}})
		if err != nil {
			return err
		}
		i := slices.IndexFunc(rows, func(row store.Realization) bool { return row.PodNum == t.row.PodNum })
		if i < 0 || !adopted(rows[i]) || !rows[i].DeletedAt.IsZero() {
			return nil
		}
		if err := t.lost(ctx, tx, texts(rows[i].Detail[store.DetailGroups])); err != nil {
			return err
		}
		rows = slices.Delete(rows, i, i+1)
		var jobs []store.NewJob
		for i := range rows {
			rows[i].DeletedAt, rows[i].Due = rows[i].UpdatedAt, true
			jobs = append(jobs, rows[i].Job(t.top.ProjectID))
		}
		if err := tx.PutRealization(ctx, rows...); err != nil {
			return err
		}
		if err := tx.Enqueue(ctx, jobs...); err != nil {
			return err
		}
		if err := tx.DeleteRealization(ctx, t.row.Kind, t.row.TopID, t.row.PodNum); err != nil {
			return err
		}
		err = tx.Delete(ctx, store.KindPort, t.row.TopID)
		if errors.Is(err, store.ErrNotFound) {
			err = nil
		}
		return err
	})
}

// lost asks for the security groups in the pod that have lost a member, which may have been the last.
func (t *target) lost(ctx context.Context, tx store.Tx, groups []string) error {
	rows, err := t.groupRows(ctx, tx, groups)
	if err != nil {
		return err
	}
	return tx.Enqueue(ctx, t.jobsOf(rows)...)
}

// joined asks for the security groups in the pod that have got their first member. It looks at them when the member has been noted: a group
// that has just lost its last one is noted to have none either before that, or by a job that sees this one.
func (t *target) joined(ctx context.Context, groups []string) error {
	rows, err := t.groupRows(ctx, t.Store.Reader(), groups)
	rows = slices.DeleteFunc(rows, func(row store.Realization) bool { return row.Detail[hasMembersMember] == true })
	if err != nil || len(rows) == 0 {
		return err
	}
	return t.Store.InTx(ctx, func(tx store.Tx) error { return tx.Enqueue(ctx, t.jobsOf(rows)...) })
}

// groupRows returns the realizations in the pod of some security groups.
func (t *target) groupRows(ctx context.Context, from store.Reader, ids []string) ([]store.Realization, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	return from.Realizations(ctx, live(store.RealizationQuery{Kind: store.KindSecurityGroup, TopIDs: ids, PodNum: t.row.PodNum}))
}

func (t *target) jobsOf(rows []store.Realization) (jobs []store.NewJob) {
	for _, row := range rows {
		jobs = append(jobs, row.Job(t.project()))
	}
	return jobs
}

// project is whose the object is, "" if it is gone.
func (t *target) project() string {
	if t.top == nil {
		return ""
	}
	return t.top.ProjectID
}

// left asks for the groups of a port that is gone from the pod, and whether the pod needs a shadow of it now.
func (t *target) left(ctx context.Context, tx store.Tx, row *store.Realization) error {
	elsewhere, err := tx.Realizations(ctx, notShadows(live(store.RealizationQuery{Kind: row.Kind, TopIDs: []string{row.TopID}})))
	if err != nil {
		return err
	}
	for i := range elsewhere {
		elsewhere[i].Due = true
	}
	if err := tx.PutRealization(ctx, elsewhere...); err != nil {
		return err
	}
	if len(elsewhere) > 0 {
		if err := tx.Enqueue(ctx, store.MembersJob(row.NetworkID)); err != nil {
			return err
		}
	}
	return t.lost(ctx, tx, texts(row.Detail[store.DetailGroups]))
}

// groups returns the ids in the pod of the port's security groups, of which none may be missing, by those at the top.
func (t *target) groups(ctx context.Context) (map[string]string, error) {
	ids := texts(t.top.Attrs["security_groups"])
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := t.groupRows(ctx, t.Store.Reader(), ids)
	if err != nil {
		return nil, err
	}
	bottom := map[string]string{}
	for _, row := range rows {
		bottom[row.TopID] = row.BottomID
	}
	for _, id := range ids {
		if bottom[id] == "" {
			return nil, t.unmade(ctx, store.KindSecurityGroup, id)
		}
	}
	return bottom, nil
}

// port is what a port should be in the pod: the same port, with the same MAC and addresses. What it is used for is the pod's to
// say: device and binding are left alone.
func (t *target) port(ctx context.Context, groups map[string]string) (attributes, error) {
	id := text(t.top, "network_id")
	network, err := t.Realizer.row(ctx, t.Store.Reader(), store.KindNetwork, id, t.row.PodNum)
	if err != nil {
		return attributes{}, err
	}
	if network == nil || network.BottomID == "" {
		return attributes{}, t.unmade(ctx, store.KindNetwork, id)
	}
	in, err := t.placeOf(ctx, network)
	if err != nil {
		return attributes{}, err
	}
	a, err := in.attributes(t.top, groups)
	if _, missing := errors.AsType[*UnmadeError](err); missing {
		return a, t.unmade(ctx, store.KindNetwork, id)
	}
	options, _ := t.top.Attrs["extra_dhcp_opts"].([]any)
	a.kept["name"] = text(t.top, "name")
	for _, name := range []string{"admin_state_up", "allowed_address_pairs"} {
		if v := t.top.Attrs[name]; v != nil {
			a.kept[name] = v
		}
	}
	a.born = merge(a.born, pick(t.top, "binding:vnic_type", "dns_name"))
	a.known = southbound.Object{"dns_domain": text(t.top, "dns_domain")}
	if unnamed(t.row, t.top) {
		a.known["dns_name"] = text(t.top, "dns_name")
	}
	if len(options) > 0 {
		a.kept["extra_dhcp_opts"] = options
	}
	plain := a.plain
	a.plain = func(observed southbound.Object) {
		plain(observed)
		if change := onlyOptions(options, observed["extra_dhcp_opts"]); len(change) > 0 {
			a.kept["extra_dhcp_opts"] = change
		}
		if observed.Text("device_owner") == shadowOwner {
			a.kept["device_owner"] = ""
		}
	}
	return a, err
}

// namedMember is the member of a port's detail that has the store.AttrNamed of the dns_name that the pod has been told last. It is told each
// once: Nova puts its server's hostname there, and takes it out again (nova/network/neutron.py, _update_ports_for_instance and
// _unbind_ports, Zed).
const namedMember = "named_by"

// unnamed tells whether a pod has not been told yet the dns_name that a user has set. To its Nova it matters: it gives a server no port of
// another name than the server's.
func unnamed(row store.Realization, o *store.Object) bool {
	named := text(o, store.AttrNamed)
	return named != "" && named != row.Detail[namedMember]
}

// onlyOptions are DHCP options as a port must be given them to have no others: Neutron changes those that are named, and takes away
// those whose value is null (neutron/db/extradhcpopt_db.py, Zed).
func onlyOptions(wanted []any, observed any) []any {
	named := func(v any) string {
		option, _ := v.(map[string]any)
		return fmt.Sprint(option["opt_name"], "/", option["ip_version"])
	}
	all := slices.Clone(wanted)
	have, _ := observed.([]any)
	for _, v := range have {
		if !slices.ContainsFunc(wanted, func(w any) bool { return named(w) == named(v) }) {
			all = append(all, merge(asMap(v), map[string]any{"opt_value": nil}))
		}
	}
	return all
}

// unmade wants an object in the pod and returns the *UnmadeError that names its job.
func (t *target) unmade(ctx context.Context, kind store.ObjectKind, id string) error {
	job := Job(kind, id, t.top.ProjectID, t.row.PodNum)
	err := t.Store.InTx(ctx, func(tx store.Tx) error {
		_, err := want(ctx, tx, kind, []string{id}, t.row.PodNum, nil)
		return err
	})
	if err != nil {
		return err
	}
	return &UnmadeError{Job: job}
}

// place is a network in a pod, as far as its ports must know it.
type place struct {
	row     *store.Realization
	subnets map[string]string // ids in the pod by those at the top
	auto    []string          // of those in the pod: addresses follow from MACs
}

// placeOf reads what ports on a network must know.
func (r *Realizer) placeOf(ctx context.Context, network *store.Realization) (*place, error) {
	subnets, err := r.Store.Reader().List(ctx, store.ObjectQuery{Kind: store.KindSubnet, Filters: []store.Filter{equal("network_id", network.TopID)}})
	if err != nil {
		return nil, err
	}
	rows, err := r.Store.Reader().Realizations(ctx, store.RealizationQuery{Kind: store.KindSubnet, TopIDs: idsOf(subnets), PodNum: network.PodNum})
	if err != nil {
		return nil, err
	}
	p := &place{row: network, subnets: map[string]string{}}
	for _, row := range rows {
		p.subnets[row.TopID] = row.BottomID
	}
	for _, s := range subnets {
		if automatic(s) {
			p.auto = append(p.auto, p.subnets[s.ID])
		}
	}
	return p, nil
}

// attributes are what a port and its shadows have in common, with the ids that subnets have in the pod, and no address where that
// follows from the MAC, for Neutron refuses one. groups are ids in the pod by those at the top.
func (p *place) attributes(port *store.Object, groups map[string]string) (attributes, error) {
	addresses := []any{}
	list, _ := port.Attrs["fixed_ips"].([]any)
	for _, entry := range list {
		ip, _ := entry.(map[string]any)
		id, _ := ip["subnet_id"].(string)
		if p.subnets[id] == "" {
			return attributes{}, &UnmadeError{Job: p.row.Job("")}
		}
		addresses = append(addresses, map[string]any{"subnet_id": p.subnets[id], "ip_address": ip["ip_address"]})
	}
	return attributes{
		born: southbound.Object{"network_id": p.row.BottomID, "project_id": port.ProjectID},
		kept: southbound.Object{"mac_address": text(port, "mac_address"), "fixed_ips": withoutAutomatic(addresses, p.auto),
			"port_security_enabled": port.Attrs["port_security_enabled"] != false, "security_groups": anys(slices.Sorted(maps.Values(groups)))},
		plain: func(observed southbound.Object) {
			observed["fixed_ips"] = withoutAutomatic(observed["fixed_ips"], p.auto)
		},
	}, nil
}

// withoutAutomatic leaves the address out where it follows from the MAC.
func withoutAutomatic(v any, auto []string) []any {
	list, _ := v.([]any)
	out := []any{}
	for _, entry := range list {
		ip, _ := entry.(map[string]any)
		if id, _ := ip["subnet_id"].(string); slices.Contains(auto, id) {
			entry = map[string]any{"subnet_id": id}
		}
		out = append(out, entry)
	}
	return out
}
