package plugin

import (
	"math/big"
	"net/http"
	"net/netip"
	"slices"

	"github.com/tricircle/tricircle/internal/neutron/api"
	"github.com/tricircle/tricircle/internal/neutron/schema"
	"github.com/tricircle/tricircle/internal/store"
)

// listAvailability serves GET /v2.0/network-ip-availabilities: how many addresses each network has, and how many are used.
func (p *Plugin) listAvailability(c *api.Call) (int, any, error) {
	rows, err := p.availability(c, c.Query["network_id"], c.Query["network_name"])
	return http.StatusOK, map[string]any{"network_ip_availabilities": rows}, err
}

func (p *Plugin) showAvailability(c *api.Call) (int, any, error) {
	id := c.Param("network_id")
	rows, err := p.availability(c, []string{id}, nil)
	if err != nil {
		return 0, nil, err
	}
	if len(rows) == 0 {
		return 0, nil, networkNotFound(id)
	}
	return http.StatusOK, map[string]any{"network_ip_availability": rows[0]}, nil
}

// availability reads networks, their subnets, and the numbers of addresses in use, in three queries. It is for administrators:
// to others it shows nothing, as Neutron does.
func (p *Plugin) availability(c *api.Call, ids, names []string) ([]any, error) {
	rows := []any{}
	if err := c.Authorize("get_network_ip_availability"); err != nil {
		return rows, nil
	}
	q := store.ObjectQuery{Kind: store.KindNetwork}
	for attribute, values := range map[string][]string{"id": ids, "name": names,
		"project_id": append(c.Query["project_id"], c.Query["tenant_id"]...)} {
		if len(values) > 0 {
			q.Filters = append(q.Filters, store.Filter{Attr: attribute, Values: listOf(values)})
		}
	}
	networks, err := c.Reader().List(c.Context(), q)
	if err != nil {
		return nil, err
	}
	subnets, err := c.Reader().List(c.Context(), store.ObjectQuery{Kind: store.KindSubnet,
		Filters: []store.Filter{{Attr: "network_id", Values: idsOf(networks)}}})
	if err != nil {
		return nil, err
	}
	if versions := c.Query["ip_version"]; len(versions) > 0 {
		subnets = slices.DeleteFunc(subnets, func(s *store.Object) bool { return !slices.Contains(versions, schema.Text(s.Attrs["ip_version"])) })
	}
	used, err := c.Reader().CountAddresses(c.Context(), textsOf(idsOf(subnets)))
	if err != nil {
		return nil, err
	}
	for _, network := range networks {
		rows = append(rows, availabilityOf(network, subnets, used))
	}
	return rows, nil
}

// availabilityOf is the row of one network.
func availabilityOf(network *store.Object, subnets []*store.Object, used map[string]int) map[string]any {
	details := []any{}
	total, taken := new(big.Int), 0
	for _, s := range subnets {
		if s.Attrs["network_id"] != network.ID {
			continue
		}
		size := poolSize(s)
		total.Add(total, size)
		taken += used[s.ID]
		details = append(details, map[string]any{"subnet_id": s.ID, "subnet_name": s.Attrs["name"], "cidr": s.Attrs["cidr"],
			"ip_version": s.Attrs["ip_version"], "total_ips": size, "used_ips": used[s.ID]})
	}
	return map[string]any{"network_id": network.ID, "network_name": network.Attrs["name"], "project_id": network.ProjectID,
		"tenant_id": network.ProjectID, "subnet_ip_availability": details, "total_ips": total, "used_ips": taken}
}

// poolSize is the number of addresses in the pools of a subnet, or in all of it if it has none.
func poolSize(s *store.Object) *big.Int {
	size := new(big.Int)
	for _, pool := range mapsOf(s.Attrs["allocation_pools"]) {
		start, err := netip.ParseAddr(textOf(pool["start"]))
		end, err2 := netip.ParseAddr(textOf(pool["end"]))
		if err != nil || err2 != nil {
			continue
		}
		size.Add(size, spanOf(start, end))
	}
	if cidr, err := netip.ParsePrefix(textOf(s.Attrs["cidr"])); err == nil && size.Sign() == 0 {
		size = spanOf(cidr.Masked().Addr(), lastOf(cidr))
	}
	return size
}

// spanOf is the number of addresses from one to another, both included.
func spanOf(start, end netip.Addr) *big.Int {
	n := new(big.Int).Sub(new(big.Int).SetBytes(end.AsSlice()), new(big.Int).SetBytes(start.AsSlice()))
	return n.Add(n, big.NewInt(1))
}
