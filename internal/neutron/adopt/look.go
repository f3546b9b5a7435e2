package adopt

import (
	"context"
	"net/url"
	"slices"

	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/southbound"
)

// sight is a network and what belongs to it, as the pod shows them.
type sight struct {
	network  southbound.Object
	subnets  []southbound.Object
	ports    []southbound.Object
	groups   []southbound.Object // those of the ports, and all that their rules admit
	policies []southbound.Object // who else may use the network or the groups
}

// look reads a network from a pod.
func (a *Adopter) look(ctx context.Context, p *pod.Pod, id string) (*sight, error) {
	n := southbound.NewNeutron(p, a.Token)
	network, err := n.Get(ctx, southbound.Networks, id)
	if err != nil {
		return nil, err
	}
	if network == nil {
		return nil, ErrNoNetwork
	}
	s := &sight{network: network}
	if s.subnets, err = n.List(ctx, southbound.Subnets, url.Values{"network_id": {id}}); err != nil {
		return nil, err
	}
	if s.ports, err = n.List(ctx, southbound.Ports, url.Values{"network_id": {id}}); err != nil {
		return nil, err
	}
	if err := s.lookAtGroups(ctx, n); err != nil {
		return nil, err
	}
	ids := []string{id}
	for _, g := range s.groups {
		ids = append(ids, g.ID())
	}
	s.policies, err = listOf(ctx, n, southbound.RBACPolicies, "object_id", ids)
	return s, err
}

// lookAtGroups reads the groups of the ports, those that these admit, and so on.
func (s *sight) lookAtGroups(ctx context.Context, n *southbound.Neutron) error {
	var wanted []string
	for _, p := range s.ports {
		wanted = append(wanted, texts(p["security_groups"])...)
	}
	read := map[string]bool{}
	for {
		slices.Sort(wanted)
		wanted = slices.DeleteFunc(slices.Compact(wanted), func(id string) bool { return read[id] })
		if len(wanted) == 0 {
			return nil
		}
		groups, err := listOf(ctx, n, southbound.SecurityGroups, "id", wanted)
		if err != nil {
			return err
		}
		for _, id := range wanted {
			read[id] = true
		}
		wanted = nil
		for _, g := range groups {
			for _, rule := range rulesOf(g) {
				if remote := rule.Text("remote_group_id"); remote != "" {
					wanted = append(wanted, remote)
				}
			}
		}
		s.groups = append(s.groups, groups...)
	}
}

// maxIDs is how many ids go into one URL: Neutron's server takes some 8 KiB.
const maxIDs = 150

// listOf lists the objects that have one of some values in an attribute.
func listOf(
	ctx context.Context, n *southbound.Neutron, c southbound.Collection, name string, values []string,
) (all []southbound.Object, err error) {
	for chunk := range slices.Chunk(values, maxIDs) {
		some, err := n.List(ctx, c, url.Values{name: chunk})
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// rulesOf are the rules of a group.
func rulesOf(group southbound.Object) (rules []southbound.Object) {
	list, _ := group["security_group_rules"].([]any)
	for _, entry := range list {
		if rule, ok := entry.(map[string]any); ok {
			rules = append(rules, rule)
		}
	}
	return rules
}

// texts are the strings of a list.
func texts(v any) (all []string) {
	list, _ := v.([]any)
	for _, entry := range list {
		if s, ok := entry.(string); ok {
			all = append(all, s)
		}
	}
	return all
}
