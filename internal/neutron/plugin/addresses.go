package plugin

import (
	"context"
	"slices"

	"github.com/tricircle/tricircle/internal/neutron/ipam"
	"github.com/tricircle/tricircle/internal/store"
)

// addressing is what ipam must know of a network.
func (p *Plugin) addressing(ctx context.Context, r store.Reader, networkID string) (*ipam.Network, error) {
	subnets, err := r.List(ctx, store.ObjectQuery{Kind: store.KindSubnet, Filters: []store.Filter{equal("network_id", networkID)},
		Sort: []store.SortKey{{Attr: "created_at"}}})
	if err != nil {
		return nil, err
	}
	n := &ipam.Network{ID: networkID}
	for _, o := range subnets {
		s, err := ipam.SubnetOf(o)
		if err != nil {
			return nil, err
		}
		n.Subnets = append(n.Subnets, s)
	}
	return n, nil
}

func holderOf(port *store.Object) ipam.Port {
	return ipam.Port{ID: port.ID, NetworkID: textOf(port.Attrs["network_id"]), MAC: textOf(port.Attrs["mac_address"]),
		DeviceOwner: textOf(port.Attrs["device_owner"])}
}

// allocate gives a new port its addresses: those that it asks for, or, if it does not say (given is false), one of each IP version.
func (p *Plugin) allocate(ctx context.Context, tx store.Tx, port *store.Object, given bool) error {
	network, err := p.addressing(ctx, tx, textOf(port.Attrs["network_id"]))
	if err != nil {
		return err
	}
	var wanted []ipam.FixedIP
	if given {
		if wanted, err = wantedIPs(ctx, tx, network, port); err != nil {
			return err
		}
	}
	ips, err := p.o.Addresses.PortAddresses(ctx, tx, network, holderOf(port), wanted)
	port.Attrs["fixed_ips"] = ipam.FixedIPsAttr(ips)
	return err
}

// wantedIPs reads fixed_ips of a request. A subnet that does not exist is not found, wherever it might be.
func wantedIPs(ctx context.Context, r store.Reader, network *ipam.Network, port *store.Object) ([]ipam.FixedIP, error) {
	wanted := ipam.FixedIPsOf(port.Attrs["fixed_ips"])
	for _, f := range wanted {
		if f.SubnetID == "" || slices.ContainsFunc(network.Subnets, func(s ipam.Subnet) bool { return s.ID == f.SubnetID }) {
			continue
		}
		n, err := r.Count(ctx, store.ObjectQuery{Kind: store.KindSubnet, Filters: []store.Filter{equal("id", f.SubnetID)}})
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return nil, subnetNotFound(f.SubnetID)
		}
	}
	return wanted, nil
}

// reallocate gives a port what it asks for now, if it does, and another address where that follows from a MAC that has changed.
func (p *Plugin) reallocate(ctx context.Context, tx store.Tx, old, updated *store.Object, given bool) error {
	network, err := p.addressing(ctx, tx, textOf(old.Attrs["network_id"]))
	if err != nil {
		return err
	}
	var wanted []ipam.FixedIP
	if given {
		if wanted, err = wantedIPs(ctx, tx, network, updated); err != nil {
			return err
		}
	}
	ips, err := p.o.Addresses.ChangeAddresses(ctx, tx, network, holderOf(updated), ipam.FixedIPsOf(old.Attrs["fixed_ips"]), wanted,
		old.Attrs["mac_address"] != updated.Attrs["mac_address"])
	updated.Attrs["fixed_ips"] = ipam.FixedIPsAttr(ips)
	return err
}

// extendPorts gives the ports of a network their addresses in a new subnet whose addresses follow from MACs.
func (p *Plugin) extendPorts(ctx context.Context, tx store.Tx, subnet *store.Object) error {
	ports, err := tx.List(ctx, store.ObjectQuery{Kind: store.KindPort, Filters: []store.Filter{equal("network_id", subnet.Attrs["network_id"])}})
	if err != nil || len(ports) == 0 {
		return err
	}
	network, err := p.addressing(ctx, tx, textOf(subnet.Attrs["network_id"]))
	if err != nil {
		return err
	}
	for _, port := range ports {
		has := ipam.FixedIPsOf(port.Attrs["fixed_ips"])
		ips, err := p.o.Addresses.ChangeAddresses(ctx, tx, network, holderOf(port), has, nil, false)
		if err != nil {
			return err
		}
		if slices.Equal(has, ips) {
			continue
		}
		if err := p.putAddresses(ctx, tx, port, ips); err != nil {
			return err
		}
	}
	return nil
}

// removeAddresses takes its addresses in a subnet from a port.
func (p *Plugin) removeAddresses(ctx context.Context, tx store.Tx, port *store.Object, subnetID string) error {
	var left []ipam.FixedIP
	for _, f := range ipam.FixedIPsOf(port.Attrs["fixed_ips"]) {
		if f.SubnetID != subnetID {
			left = append(left, f)
			continue
		}
		if err := tx.ReleaseAddress(ctx, f.SubnetID, f.IP); err != nil {
			return err
		}
	}
	return p.putAddresses(ctx, tx, port, left)
}

func (p *Plugin) putAddresses(ctx context.Context, tx store.Tx, port *store.Object, ips []ipam.FixedIP) error {
	port.Attrs["fixed_ips"] = ipam.FixedIPsAttr(ips)
	if err := tx.Update(ctx, port); err != nil {
		return err
	}
	return p.enqueuePort(ctx, tx, port, true)
}
