package realize

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/netip"
	"net/url"
	"slices"

	"github.com/tricircle/tricircle/internal/southbound"
	"github.com/tricircle/tricircle/internal/store"
)

// defaultGroup is the name of the group that Neutron makes for each project and that nobody else can make or delete.
const defaultGroup = "default"

// SecurityGroup realizes a security group in a pod, with its rules, and sees to it that the pod gets shadows of those in
// other pods whom it admits. A default group is the pod's own of the project, whose rules become those of the top.
//
// What it admits is never more than at the top: rules that are too many go first, and one for another group that is not there
// yet waits for it, with an *UnmadeError.
func (r *Realizer) SecurityGroup(ctx context.Context, id string, podNum int32) error {
	t, err := r.target(ctx, store.KindSecurityGroup, id, podNum)
	switch {
	case t == nil || err != nil:
		return err
	case t.top == nil:
		return t.remove(ctx, southbound.SecurityGroups, func(ctx context.Context, tx store.Tx, row *store.Realization) error {
			noteAdmitted(row, false, nil)
			return askForShadows(ctx, tx, row)
		})
	}
	bottom, err := t.group(ctx)
	if err != nil {
		return err
	}
	if err := t.made(ctx, bottom.ID(), nil); err != nil { // first of all: others may wait for it
		return err
	}
	rules, err := t.wantedRules(ctx, bottom.ID())
	if err != nil {
		return err
	}
	if err := t.rules(ctx, bottom, rules.bottom); err != nil {
		return err
	}
	if err := t.admit(ctx, rules.admitted); err != nil {
		return err
	}
	if rules.missing != "" {
		return t.unmade(ctx, store.KindSecurityGroup, rules.missing)
	}
	return nil
}

// admit notes whose members in other pods must be known in this one: those that the group admits, if it has members here. Then it asks for
// the shadows on the networks that it is about, in another transaction: a port that this one does not see, because it comes at the same
// moment, is decided about by one that sees what is noted, or found by the next.
func (t *target) admit(ctx context.Context, admitted []string) error {
	for again := true; again; {
		err := t.Store.InTx(ctx, func(tx store.Tx) error {
			again = false
			row, err := t.Realizer.row(ctx, tx, t.row.Kind, t.row.TopID, t.row.PodNum)
			if row == nil || err != nil {
				return err
			}
			members, err := tx.HasMembers(ctx, row.TopID, row.PodNum)
			if err != nil {
				return err
			}
			if again = noteAdmitted(row, members, admitted); again {
				return tx.PutRealization(ctx, *row)
			}
			return askForShadows(ctx, tx, row)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// noteAdmitted notes of a group in a pod whether it has members there, and whom it admits, and returns whether that is new.
func noteAdmitted(row *store.Realization, members bool, admitted []string) bool {
	was, now := texts(row.Detail[admitsMember]), slices.Sorted(slices.Values(admitted))
	if !members {
		now = nil
	}
	if row.Detail[hasMembersMember] == members && slices.Equal(was, now) {
		return false
	}
	changed := slices.DeleteFunc(addNew(slices.Clone(was), now...), func(id string) bool { return slices.Contains(was, id) && slices.Contains(now, id) })
	row.Detail[hasMembersMember], row.Detail[admitsMember] = members, anys(now)
	row.Detail[changedMember] = anys(addNew(texts(row.Detail[changedMember]), changed...))
	return true
}

// askForShadows asks for those of the members of all groups that are noted as changed.
func askForShadows(ctx context.Context, tx store.Tx, row *store.Realization) error {
	changed := texts(row.Detail[changedMember])
	if row.Detail[changedMember] == nil {
		return nil
	}
	delete(row.Detail, changedMember)
	if err := tx.PutRealization(ctx, *row); err != nil || len(changed) == 0 {
		return err
	}
	ids, err := tx.MemberNetworks(ctx, changed)
	if err != nil || len(ids) == 0 {
		return err
	}
	networks, err := tx.Realizations(ctx, live(store.RealizationQuery{Kind: store.KindNetwork, TopIDs: ids, PodNum: row.PodNum}))
	if err != nil {
		return err
	}
	return decideAll(ctx, tx, networks)
}

// decideAll asks for all shadows on networks in pods to be decided about.
func decideAll(ctx context.Context, tx store.Tx, networks []store.Realization) error {
	var jobs []store.NewJob
	for i := range networks {
		networks[i].Detail[shadowsMember] = decide
		jobs = append(jobs, store.MembersJob(networks[i].TopID))
	}
	if err := tx.PutRealization(ctx, networks...); err != nil {
		return err
	}
	return tx.Enqueue(ctx, jobs...)
}

// group makes the group be there, whatever its rules. One without a name has its id at the top for one, as the pod's Nova shows names of
// groups, and ids where there is none.
func (t *target) group(ctx context.Context) (southbound.Object, error) {
	name := text(t.top, "name")
	if name == defaultGroup {
		// Asking for the groups of a project makes Neutron create the default one (neutron/db/securitygroups_db.py, Zed).
		found, err := t.neutron.List(ctx, southbound.SecurityGroups, url.Values{"project_id": {t.top.ProjectID}, "name": {name}})
		if err == nil && (len(found) == 0 || t.top.ProjectID == "") { // Neutron takes an empty filter for none
			err = errors.New("pod " + t.pod.Name() + " has no default security group for project " + t.top.ProjectID)
		}
		if err != nil {
			return nil, err
		}
		return found[0], nil
	}
	a := attributes{born: southbound.Object{"project_id": t.top.ProjectID}, kept: southbound.Object{"name": cmp.Or(name, t.top.ID)}}
	if t.top.Attrs["stateful"] == false {
		a.kept["stateful"] = false
	}
	return t.ensure(ctx, southbound.SecurityGroups, Key(store.KindSecurityGroup, t.top.ID), t.row.BottomID, a)
}

// ruleAttributes are what a rule says; two that agree in all of them are one.
var ruleAttributes = [...]string{"direction", "ethertype", "protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "remote_group_id"}

// sense is what a rule says, as a text that can be compared.
func sense(rule southbound.Object) string {
	all := make([]any, len(ruleAttributes))
	for i, name := range ruleAttributes {
		all[i] = rule[name]
	}
	raw, _ := json.Marshal(all) // it came from JSON
	return string(raw)
}

// rules makes the rules of the group in the pod be those wanted.
func (t *target) rules(ctx context.Context, bottom southbound.Object, wanted map[string]southbound.Object) error {
	observed, _ := bottom["security_group_rules"].([]any)
	for _, entry := range observed {
		rule := southbound.Object(asMap(entry))
		// Whom an address group admits is not the same in all pods, and in some it is everybody (docs/networking-recipe.md).
		if _, ok := wanted[sense(rule)]; ok && rule["remote_address_group_id"] == nil {
			delete(wanted, sense(rule))
			continue
		}
		if err := t.neutron.Delete(ctx, southbound.SecurityGroupRules, rule.ID()); err != nil {
			return err
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	var more []southbound.Object
	for _, key := range slices.Sorted(maps.Keys(wanted)) {
		more = append(more, wanted[key])
	}
	if err := t.still(ctx, t.top); err != nil { // a rule changes the revision of its group
		return err
	}
	_, err := t.neutron.CreateAll(ctx, southbound.SecurityGroupRules, more)
	return err
}

// ruleSet are the rules of a group as they should be in the pod.
type ruleSet struct {
	bottom   map[string]southbound.Object // in the pod's words, by their sense
	admitted []string                     // groups whose members are admitted, by their ids at the top
	missing  string                       // one of those that is not in the pod yet
}

// wantedRules are the rules of the top. Those that cannot be put into the pod's words are left out: nobody is admitted by what is
// not there.
func (t *target) wantedRules(ctx context.Context, bottomID string) (set ruleSet, err error) {
	rules, err := t.Store.Reader().List(ctx, store.ObjectQuery{Kind: store.KindSecurityGroupRule,
		Filters: []store.Filter{equal("security_group_id", t.top.ID)}})
	if err != nil {
		return set, err
	}
	remotes, err := t.remotes(ctx, rules, bottomID)
	if err != nil {
		return set, err
	}
	set.bottom = map[string]southbound.Object{}
	addresses, err := t.addressGroups(ctx, rules)
	if err != nil {
		return set, err
	}
	byAddressGroup := func(r *store.Object) int { // last of all, for they give way to their likes
		if text(r, "remote_address_group_id") != "" {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(rules, func(a, b *store.Object) int { return byAddressGroup(a) - byAddressGroup(b) })
	for _, r := range rules {
		rule := southbound.Object{"security_group_id": bottomID, "project_id": t.top.ProjectID}
		for _, name := range ruleAttributes {
			if v := r.Attrs[name]; v != nil {
				rule[name] = v
			}
		}
		if remote := text(r, "remote_group_id"); remote != "" {
			if remotes[remote] == "" {
				set.missing = remote
				continue
			}
			set.admitted = addNew(set.admitted, remote)
			rule["remote_group_id"] = remotes[remote]
		}
		if id := text(r, "remote_address_group_id"); id != "" {
			set.admitAddresses(rule, addresses[id])
			continue
		}
		set.bottom[sense(rule)] = rule
	}
	return set, nil
}

// addressGroups returns what the address groups hold that rules name, by their ids.
func (t *target) addressGroups(ctx context.Context, rules []*store.Object) (map[string][]string, error) {
	var ids []string
	for _, r := range rules {
		if id := text(r, "remote_address_group_id"); id != "" {
			ids = addNew(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	groups, err := t.Store.Reader().List(ctx, store.ObjectQuery{Kind: store.KindAddressGroup, Filters: []store.Filter{equal("id", anys(ids)...)}})
	all := map[string][]string{}
	for _, g := range groups {
		all[g.ID] = texts(g.Attrs["addresses"])
	}
	return all, err
}

// admitAddresses adds what a rule for an address group is in the pod: the same rule for each prefix of its family, and none if there is
// none. Of pods' own address groups some admit everybody (docs/networking-recipe.md, section 6).
func (s *ruleSet) admitAddresses(rule southbound.Object, addresses []string) {
	for _, address := range addresses {
		prefix, err := netip.ParsePrefix(address)
		if err != nil || prefix.Addr().Is4() != (rule["ethertype"] == "IPv4") {
			continue
		}
		one := merge(rule, southbound.Object{"remote_ip_prefix": address})
		if _, same := s.bottom[sense(rule)]; prefix.Bits() == 0 && same { // to Neutron the same rule
			continue
		}
		s.bottom[sense(one)] = one
	}
}

// remotes returns the ids in the pod of the groups that rules admit, by those at the top.
func (t *target) remotes(ctx context.Context, rules []*store.Object, bottomID string) (map[string]string, error) {
	bottom := map[string]string{t.top.ID: bottomID}
	var others []string
	for _, r := range rules {
		if remote := text(r, "remote_group_id"); remote != "" && remote != t.top.ID {
			others = addNew(others, remote)
		}
	}
	if len(others) == 0 {
		return bottom, nil
	}
	rows, err := t.Store.Reader().Realizations(ctx, live(store.RealizationQuery{Kind: store.KindSecurityGroup, TopIDs: others, PodNum: t.row.PodNum}))
	for _, row := range rows {
		bottom[row.TopID] = row.BottomID
	}
	return bottom, err
}

func asMap(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}
