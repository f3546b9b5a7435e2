package nic

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/identity"
	"github.com/tricircle/tricircle/internal/neutron/realize"
	"github.com/tricircle/tricircle/internal/store"
)

// TopIDs returns the ids at the top of networks, subnets, ports and security groups of a pod, by their ids there. What the top does not
// know is left out.
func (s *Service) TopIDs(ctx context.Context, podNum int32, bottomIDs []string) (map[string]string, error) {
	if len(bottomIDs) == 0 {
		return nil, nil
	}
	rows, err := s.Store.Reader().Realizations(ctx, store.RealizationQuery{PodNum: podNum, BottomIDs: bottomIDs})
	top := make(map[string]string, len(rows))
	for _, row := range rows {
		top[row.BottomID] = row.TopID
	}
	return top, err
}

// BottomPort returns the id that a port of the top has in a pod; "" if it is not there.
func (s *Service) BottomPort(ctx context.Context, podNum int32, id string) (string, error) {
	rows, err := s.Store.Reader().Realizations(ctx, portsQuery(podNum, id))
	if err != nil || len(rows) == 0 {
		return "", err
	}
	return rows[0].BottomID, nil
}

// ErrNoPorts is returned for servers without a port of the top.
var ErrNoPorts = errors.New("the server has no port of the top")

// portsOf returns those ports of a server that the caller may see and that filters leave, or ErrNoPorts: anybody can make a port that names
// somebody else's server.
func (s *Service) portsOf(ctx context.Context, caller *identity.Caller, serverID string, filters ...store.Filter) ([]*store.Object, error) {
	ports, err := s.visible(ctx, caller, store.KindPort, append(deviceQuery(serverID).Filters, filters...)...)
	if err == nil && len(ports) == 0 {
		err = ErrNoPorts
	}
	return ports, err
}

// AddGroup makes the ports of a server members of a security group, by its name or id, and waits until they are in their pod.
func (s *Service) AddGroup(ctx context.Context, caller *identity.Caller, serverID, name string) error {
	return s.changeGroups(ctx, caller, serverID, name, func(ids []any, id string) ([]any, bool) {
		if slices.Contains(ids, any(id)) {
			return ids, false
		}
		return append(slices.Clone(ids), id), true
	})
}

// RemoveGroup is the opposite of AddGroup. Not being a member is Nova's 404 (nova/network/security_group_api.py, Zed).
func (s *Service) RemoveGroup(ctx context.Context, caller *identity.Caller, serverID, name string) error {
	member := false
	err := s.changeGroups(ctx, caller, serverID, name, func(ids []any, id string) ([]any, bool) {
		i := slices.Index(ids, any(id))
		if i < 0 {
			return ids, false
		}
		member = true
		return slices.Delete(slices.Clone(ids), i, i+1), true
	})
	if err == nil && !member {
		return fault.NotFound("Security group %s not associated with the instance %s", name, serverID)
	}
	return err
}

// changeGroups changes the groups of a server's ports at the top, as the caller, and then in their pod. Ports that no group can be
// about, for want of port security or of an address, are passed over, as Nova does.
func (s *Service) changeGroups(ctx context.Context, caller *identity.Caller, serverID, name string,
	change func(ids []any, id string) ([]any, bool)) error {
	ports, err := s.portsOf(ctx, caller, serverID)
	if err != nil {
		return err
	}
	id, err := s.Group(ctx, caller, name)
	if refused, ok := errors.AsType[*fault.Error](err); ok && refused.Status == http.StatusBadRequest {
		return fault.NotFound("Security group %s is not found for project %s", name, caller.ProjectID) // the group is what the call is about
	}
	if err != nil {
		return err
	}
	var changed []string
	for _, port := range ports {
		groups, differs := change(list(port, "security_groups"), id)
		if !differs || port.Attrs["port_security_enabled"] == false || len(list(port, "fixed_ips")) == 0 {
			continue
		}
		body := map[string]any{"port": map[string]any{"security_groups": groups}}
		if err := s.call(ctx, string(caller.Token), http.MethodPut, "/v2.0/ports/"+port.ID, body, nil); err != nil {
			return err
		}
		changed = append(changed, port.ID)
	}
	return s.realized(ctx, changed)
}

// AddAddress gives a server one more address on a network: a port of its there takes one of the first subnet that has some left, as the
// caller, and so does the port in its pod (nova/network/neutron.py, add_fixed_ip_to_instance, Zed). ErrNoPorts if the server has no port
// of the top on that network.
func (s *Service) AddAddress(ctx context.Context, caller *identity.Caller, serverID, networkID string) error {
	onNetwork := store.Filter{Attr: "network_id", Values: []any{networkID}}
	ports, err := s.portsOf(ctx, caller, serverID, onNetwork)
	if err != nil {
		return err
	}
	subnets, err := s.Store.Reader().List(ctx, store.ObjectQuery{Kind: store.KindSubnet, Filters: []store.Filter{onNetwork}})
	for _, port := range ports {
		for _, subnet := range subnets {
			err = s.setAddresses(ctx, caller, port, append(slices.Clone(list(port, "fixed_ips")), map[string]any{"subnet_id": subnet.ID}))
			if err == nil {
				return s.realized(ctx, []string{port.ID})
			}
		}
	}
	return err
}

// RemoveAddress takes an address from a port of a server, the opposite of AddAddress.
func (s *Service) RemoveAddress(ctx context.Context, caller *identity.Caller, serverID, address string) error {
	ports, err := s.portsOf(ctx, caller, serverID, store.Filter{Attr: "fixed_ips.ip_address", Values: []any{address}})
	if err != nil {
		return err
	}
	rest := slices.DeleteFunc(slices.Clone(list(ports[0], "fixed_ips")), func(entry any) bool {
		ip, _ := entry.(map[string]any)
		return ip["ip_address"] == address
	})
	if err := s.setAddresses(ctx, caller, ports[0], rest); err != nil {
		return err
	}
	return s.realized(ctx, []string{ports[0].ID})
}

func (s *Service) setAddresses(ctx context.Context, caller *identity.Caller, port *store.Object, addresses []any) error {
	body := map[string]any{"port": map[string]any{"fixed_ips": addresses}}
	return s.call(ctx, string(caller.Token), http.MethodPut, "/v2.0/ports/"+port.ID, body, nil)
}

// realized waits until ports are in their pods what they are at the top. If that fails, for a pod that is down as well, the change
// stands nevertheless, and their jobs are repeated, as those of changes by the networking API.
func (s *Service) realized(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	rows, err := s.Store.Reader().Realizations(ctx, portsQuery(0, ids...))
	if err != nil {
		return err
	}
	for _, row := range rows {
		if err := s.RunNow(ctx, realize.Job(row.Kind, row.TopID, "", row.PodNum)); err != nil {
			s.Log.InfoContext(ctx, "the pod of a port learns of its change later", "port", row.TopID, "error", err)
		}
	}
	return nil
}
