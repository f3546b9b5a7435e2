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

// shadowOwner is the device owner of shadow ports in pods: it keeps users from giving them to servers.
const shadowOwner = "tricircle:shadow"

// Port realizes a port in a pod: the port itself where a server uses it, or its shadow where it is a member of a group that
// is admitted there. Its network and groups must be there already; otherwise the error is an *UnmadeError.
func (r *Realizer) Port(ctx context.Context, id string, podNum int32) error {
	t, err := r.target(ctx, store.KindPort, id, podNum)
	if t == nil || err != nil {
		return err
	}
	shadow := isShadow(t.row)
	if t.top != nil && shadow {
		needed, err := shadowNeeded(ctx, t.Store.Reader(), t.top, podNum)
		if err != nil {
			return err
		}
		if !needed {
			t.top = nil
		}
	}
	switch {
	case t.top == nil:
		return t.remove(ctx, southbound.Ports)
	case t.row.Detail[Follows] == true:
		return t.follow(ctx)
	}
	groups, err := t.groups(ctx, shadow)
	if err != nil {
		return err
	}
	wanted, err := t.port(ctx, shadow, groups)
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
	return t.made(ctx, bottom.ID(), map[string]any{"groups": anys(slices.Sorted(maps.Keys(groups)))}, nil)
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
		for _, row := range slices.Delete(rows, i, i+1) {
			row.DeletedAt = row.UpdatedAt
			if err := tx.PutRealization(ctx, row); err != nil {
				return err
			}
			if err := tx.Enqueue(ctx, Job(row.Kind, row.TopID, t.top.ProjectID, row.PodNum)); err != nil {
				return err
			}
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

// isShadow tells whether a realization of a port stands for one that is in another pod.
func isShadow(row store.Realization) bool { return row.Detail["shadow"] == true }

// shadowNeeded tells whether a port that is in another pod must have a shadow in this one: its address must be admitted by a
// group there, on a network that is there.
func shadowNeeded(ctx context.Context, from store.Reader, port *store.Object, podNum int32) (bool, error) {
	rows, err := from.Realizations(ctx, live(store.RealizationQuery{Kind: store.KindPort, TopIDs: []string{port.ID}}))
	if err != nil || !elsewhere(rows, port.ID, podNum) {
		return false, err
	}
	network, err := from.Realizations(ctx, live(store.RealizationQuery{Kind: store.KindNetwork, TopIDs: []string{text(port, "network_id")}, PodNum: podNum}))
	if err != nil || len(network) == 0 {
		return false, err
	}
	groups, err := admitting(ctx, from, texts(port.Attrs["security_groups"]))
	if err != nil || len(groups) == 0 {
		return false, err
	}
	rows, err = from.Realizations(ctx, live(store.RealizationQuery{Kind: store.KindSecurityGroup, TopIDs: groups, PodNum: podNum, Limit: 1}))
	return len(rows) > 0, err
}

// elsewhere tells whether a port itself, not a shadow, is in another pod.
func elsewhere(rows []store.Realization, portID string, podNum int32) bool {
	return slices.ContainsFunc(rows, func(row store.Realization) bool {
		return row.TopID == portID && row.PodNum != podNum && !isShadow(row)
	})
}

// groups returns the ids in the pod of the port's security groups by those at the top. A shadow has those that are there; of
// the port itself none may be missing.
func (t *target) groups(ctx context.Context, shadow bool) (map[string]string, error) {
	ids := texts(t.top.Attrs["security_groups"])
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := t.Store.Reader().Realizations(ctx, live(store.RealizationQuery{Kind: store.KindSecurityGroup, TopIDs: ids, PodNum: t.row.PodNum}))
	if err != nil {
		return nil, err
	}
	bottom := map[string]string{}
	for _, row := range rows {
		if row.BottomID != "" {
			bottom[row.TopID] = row.BottomID
		}
	}
	for _, id := range ids {
		if bottom[id] == "" && !shadow {
			return nil, t.unmade(ctx, store.KindSecurityGroup, id)
		}
	}
	return bottom, nil
}

// port is what a port should be in the pod: the same port, with the same MAC and addresses. What it is used for is the pod's to
// say: device and binding are left alone.
func (t *target) port(ctx context.Context, shadow bool, groups map[string]string) (attributes, error) {
	network, err := t.networkThere(ctx, text(t.top, "network_id"))
	if err != nil {
		return attributes{}, err
	}
	addresses, auto, err := t.addresses(ctx)
	if err != nil {
		return attributes{}, err
	}
	a := attributes{
		born: southbound.Object{"network_id": network, "project_id": t.top.ProjectID},
		kept: southbound.Object{"name": text(t.top, "name"), "mac_address": text(t.top, "mac_address"), "fixed_ips": addresses,
			"port_security_enabled": t.top.Attrs["port_security_enabled"] != false,
			"security_groups":       anys(slices.Sorted(maps.Values(groups)))},
	}
	options, _ := t.top.Attrs["extra_dhcp_opts"].([]any)
	a.plain = func(observed southbound.Object) {
		observed["fixed_ips"] = withoutAutomatic(observed["fixed_ips"], auto)
		if change := onlyOptions(options, observed["extra_dhcp_opts"]); !shadow && len(change) > 0 {
			a.kept["extra_dhcp_opts"] = change
		}
		if !shadow && observed.Text("device_owner") == shadowOwner {
			a.kept["device_owner"] = ""
		}
	}
	if shadow {
		a.kept["device_owner"] = shadowOwner
		return a, nil
	}
	for _, name := range []string{"admin_state_up", "allowed_address_pairs"} {
		if v := t.top.Attrs[name]; v != nil {
			a.kept[name] = v
		}
	}
	a.born = merge(a.born, pick(t.top, "binding:vnic_type", "dns_name"))
	if len(options) > 0 {
		a.kept["extra_dhcp_opts"] = options
	}
	return a, nil
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

// networkThere returns the id in the pod of a network that must be there, or an *UnmadeError.
func (t *target) networkThere(ctx context.Context, id string) (string, error) {
	row, err := t.Realizer.row(ctx, t.Store.Reader(), store.KindNetwork, id, t.row.PodNum)
	if err != nil || row != nil && row.BottomID != "" {
		return bottomOf(row), err
	}
	return "", t.unmade(ctx, store.KindNetwork, id)
}

func bottomOf(row *store.Realization) string {
	if row == nil {
		return ""
	}
	return row.BottomID
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

// addresses are the port's as its pod is to be told: with the ids that subnets have there, and no address where that follows from
// the MAC, for Neutron refuses one. auto are those subnets, by their ids in the pod.
func (t *target) addresses(ctx context.Context) (addresses []any, auto []string, err error) {
	network := text(t.top, "network_id")
	subnets, err := t.Store.Reader().List(ctx, store.ObjectQuery{Kind: store.KindSubnet, Filters: []store.Filter{equal("network_id", network)}})
	if err != nil {
		return nil, nil, err
	}
	rows, err := t.Store.Reader().Realizations(ctx, store.RealizationQuery{Kind: store.KindSubnet, TopIDs: idsOf(subnets), PodNum: t.row.PodNum})
	if err != nil {
		return nil, nil, err
	}
	bottom := map[string]string{}
	for _, row := range rows {
		bottom[row.TopID] = row.BottomID
	}
	for _, s := range subnets {
		if automatic(s) {
			auto = append(auto, bottom[s.ID])
		}
	}
	addresses = []any{}
	list, _ := t.top.Attrs["fixed_ips"].([]any)
	for _, entry := range list {
		ip, _ := entry.(map[string]any)
		id, _ := ip["subnet_id"].(string)
		if bottom[id] == "" {
			return nil, nil, t.unmade(ctx, store.KindNetwork, network)
		}
		addresses = append(addresses, map[string]any{"subnet_id": bottom[id], "ip_address": ip["ip_address"]})
	}
	return withoutAutomatic(addresses, auto), auto, nil
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
