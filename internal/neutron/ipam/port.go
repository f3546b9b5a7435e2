package ipam

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/tricircle/tricircle/internal/store"
)

// FixedIP is one of a port's fixed_ips. In what a client asks for, either may be missing: an invalid IP stands for any address of the
// subnet, and no subnet for the one of the network that has the address.
type FixedIP struct {
	SubnetID string
	IP       netip.Addr
}

// FixedIPsOf reads fixed_ips as the API shows them. Addresses must have been validated.
func FixedIPsOf(attr any) []FixedIP {
	list, _ := attr.([]any)
	ips := make([]FixedIP, 0, len(list))
	for _, item := range list {
		fixed, _ := item.(map[string]any)
		subnet, _ := fixed["subnet_id"].(string)
		text, _ := fixed["ip_address"].(string)
		ip, _ := netip.ParseAddr(text) // what is none stands for any
		ips = append(ips, FixedIP{subnet, ip})
	}
	return ips
}

// FixedIPsAttr is the inverse of FixedIPsOf. The order is Neutron's, whose database sorts addresses as texts.
func FixedIPsAttr(ips []FixedIP) []any {
	list := make([]any, len(ips))
	ordered := slices.SortedFunc(slices.Values(ips), func(a, b FixedIP) int { return strings.Compare(a.IP.String(), b.IP.String()) })
	for i, f := range ordered {
		list[i] = map[string]any{"subnet_id": f.SubnetID, "ip_address": f.IP.String()}
	}
	return list
}

// Port is what allocation must know of a port.
type Port struct {
	ID          string
	NetworkID   string
	MAC         string
	DeviceOwner string
}

// Network is the subnets of a network, all of them.
type Network struct {
	ID      string
	Subnets []Subnet
}

// candidates are the subnets that a port may have addresses of, those that are for its device owner first.
func (n *Network) candidates(deviceOwner string) ([]*Subnet, error) {
	var special, ordinary []*Subnet
	for i := range n.Subnets {
		switch s := &n.Subnets[i]; {
		case !s.serves(deviceOwner):
		case len(s.ServiceTypes) > 0:
			special = append(special, s)
		default:
			ordinary = append(ordinary, s)
		}
	}
	if len(special)+len(ordinary) == 0 && len(n.Subnets) > 0 {
		return nil, noServiceSubnet(n.ID, deviceOwner)
	}
	return append(special, ordinary...), nil
}

// wish is one address to take: this one, the one that follows from the port's MAC, or any of the first subnet that has one.
type wish struct {
	from  []*Subnet
	ip    netip.Addr
	byEUI bool
}

// PortAddresses takes the addresses of a new port: those that the client wants, or, if it says nothing (nil, rather than an empty
// list), one of each family. Where guests make their addresses themselves they get those in any case, unless they are routers.
func (a *Allocator) PortAddresses(ctx context.Context, tx Tx, n *Network, p Port, wanted []FixedIP) ([]FixedIP, error) {
	subnets, err := n.candidates(p.DeviceOwner)
	if err != nil {
		return nil, err
	}
	var wishes []wish
	if wanted == nil {
		wishes = oneOfEach(subnets)
	} else if wishes, err = wishesOf(n, subnets, p.DeviceOwner, wanted); err != nil {
		return nil, err
	}
	wishes = append(wishes, automaticWishes(subnets, p.DeviceOwner, nil)...)
	return a.take(ctx, tx, p, wishes)
}

// oneOfEach wishes for an address of IPv4 and one of IPv6, as far as there are subnets that give out any.
func oneOfEach(subnets []*Subnet) (wishes []wish) {
	var v4, v6 []*Subnet
	for _, s := range subnets {
		switch {
		case s.CIDR.Addr().Is4():
			v4 = append(v4, s)
		case !s.Automatic:
			v6 = append(v6, s)
		}
	}
	for _, from := range [][]*Subnet{v4, v6} {
		if len(from) > 0 {
			wishes = append(wishes, wish{from: from})
		}
	}
	return wishes
}

// automaticWishes wishes for the address that follows from the MAC in each subnet where guests make it themselves, but for some.
func automaticWishes(subnets []*Subnet, deviceOwner string, except []string) (wishes []wish) {
	if slices.Contains(snatOwners, deviceOwner) {
		return nil
	}
	for _, s := range subnets {
		if s.Automatic && !slices.Contains(except, s.ID) {
			wishes = append(wishes, wish{from: []*Subnet{s}, byEUI: true})
		}
	}
	return wishes
}

// wishesOf checks what a client wants (neutron/db/ipam_pluggable_backend.py, _test_fixed_ips_for_port).
func wishesOf(n *Network, subnets []*Subnet, deviceOwner string, wanted []FixedIP) (wishes []wish, err error) {
	for _, f := range wanted {
		s, err := subnetFor(n, subnets, deviceOwner, f)
		if err != nil {
			return nil, err
		}
		switch {
		case f.IP.IsValid() && s.Automatic && !slices.Contains(interfaceOwners, deviceOwner):
			return nil, onAutomaticSubnet(f.IP, s.ID)
		case f.IP.IsValid():
			wishes = append(wishes, wish{from: []*Subnet{s}, ip: f.IP})
		case !s.Automatic || slices.Contains(snatOwners, deviceOwner): // others get their automatic address anyway
			wishes = append(wishes, wish{from: []*Subnet{s}})
		}
	}
	return wishes, nil
}

// subnetFor finds the subnet of a wanted address (neutron/db/ipam_backend_mixin.py, _get_subnet_for_fixed_ip).
func subnetFor(n *Network, subnets []*Subnet, deviceOwner string, f FixedIP) (*Subnet, error) {
	if len(subnets) == 0 {
		return nil, invalidInput("IP allocation requires subnets for network")
	}
	if f.SubnetID == "" && !f.IP.IsValid() {
		return nil, invalidInput("IP allocation requires subnet_id or ip_address")
	}
	for _, s := range subnets {
		switch {
		case f.SubnetID == "" && s.contains(f.IP, deviceOwner):
			return s, nil
		case f.SubnetID != s.ID:
		case f.IP.IsValid() && !s.contains(f.IP, deviceOwner):
			return nil, invalidIPForSubnet(f.IP)
		default:
			return s, nil
		}
	}
	if f.SubnetID == "" {
		return nil, invalidIPForNetwork(f.IP)
	}
	return nil, invalidInput(fmt.Sprintf(
		"Failed to create port on network %s, because fixed_ips included invalid subnet %s", n.ID, f.SubnetID))
}

// take takes what is wished for. Certain addresses come first, lest one of them is given out as any.
func (a *Allocator) take(ctx context.Context, tx Tx, p Port, wishes []wish) ([]FixedIP, error) {
	slices.SortStableFunc(wishes, func(x, y wish) int {
		certain := func(w wish) int {
			if w.ip.IsValid() || w.byEUI {
				return 0
			}
			return 1
		}
		return certain(x) - certain(y)
	})
	taken := make([]FixedIP, 0, len(wishes))
	for _, w := range wishes {
		f, err := a.takeOne(ctx, tx, p, w)
		if err != nil {
			return nil, err
		}
		taken = append(taken, f)
	}
	return taken, nil
}

func (a *Allocator) takeOne(ctx context.Context, tx Tx, p Port, w wish) (FixedIP, error) {
	s := w.from[0]
	holder := store.Address{SubnetID: s.ID, IP: w.ip, PortID: p.ID}
	if w.byEUI {
		ip, err := EUI64(s.CIDR, p.MAC)
		if err != nil {
			return FixedIP{}, err
		}
		holder.IP = ip
	}
	if holder.IP.IsValid() {
		ok, err := tx.ClaimAddress(ctx, holder)
		if err == nil && !ok {
			err = alreadyAllocated(holder.IP, s.ID)
		}
		return FixedIP{s.ID, holder.IP}, err
	}
	for _, s := range w.from {
		ip, err := a.Allocate(ctx, tx, s, holder)
		if err == nil || !exhausted(err) {
			return FixedIP{s.ID, ip}, err
		}
	}
	return FixedIP{}, noMoreAddressesOfNetwork(p.NetworkID)
}

// ChangeAddresses makes the addresses of a port what the client wants instead of what it has, and returns them. What it has stays if
// it is wanted, or if any address of its subnet is; addresses that guests make themselves stay in any case, unless the MAC has changed:
// p has the new one, and newMAC says that it is new (neutron/db/ipam_backend_mixin.py, _get_changed_ips_for_port).
func (a *Allocator) ChangeAddresses(
	ctx context.Context, tx Tx, n *Network, p Port, has, wanted []FixedIP, newMAC bool,
) ([]FixedIP, error) {
	subnets, err := n.candidates(p.DeviceOwner)
	if err != nil {
		return nil, err
	}
	if wanted == nil {
		wanted = has
	}
	kept, added, removed := compare(n, p, has, wanted, newMAC)
	wishes, err := wishesOf(n, subnets, p.DeviceOwner, added)
	if err != nil {
		return nil, err
	}
	for _, f := range removed {
		if err := tx.ReleaseAddress(ctx, f.SubnetID, f.IP); err != nil {
			return nil, err
		}
	}
	var handled []string
	for _, f := range kept {
		handled = append(handled, f.SubnetID)
	}
	for _, w := range wishes {
		handled = append(handled, w.from[0].ID)
	}
	wishes = append(wishes, automaticWishes(subnets, p.DeviceOwner, handled)...)
	taken, err := a.take(ctx, tx, p, wishes)
	return append(kept, taken...), err
}

// compare says which addresses of a port stay, which wishes remain, and which addresses go.
func compare(n *Network, p Port, has, wanted []FixedIP, newMAC bool) (kept, added, removed []FixedIP) {
	left := slices.Clone(has)
	stale := func(f FixedIP) bool { return newMAC && isEUI64(f.IP) && n.automatic(f.SubnetID) }
	keep := func(match func(FixedIP) bool) bool {
		i := slices.IndexFunc(left, match)
		if i >= 0 {
			kept = append(kept, left[i])
			left = slices.Delete(left, i, i+1)
		}
		return i >= 0
	}
	var anyOf []FixedIP
	for _, w := range wanted {
		switch {
		case !w.IP.IsValid():
			anyOf = append(anyOf, w)
		case stale(w) && slices.ContainsFunc(has, func(f FixedIP) bool { return f.IP == w.IP }): // another takes its place
		case !keep(func(f FixedIP) bool { return f.IP == w.IP && !stale(f) }):
			added = append(added, w)
		}
	}
	for _, w := range anyOf {
		if !keep(func(f FixedIP) bool { return f.SubnetID == w.SubnetID && !stale(f) }) {
			added = append(added, w)
		}
	}
	router := slices.Contains(snatOwners, p.DeviceOwner)
	for _, f := range left {
		if !router && n.automatic(f.SubnetID) && !stale(f) {
			kept = append(kept, f)
			continue
		}
		removed = append(removed, f)
	}
	return kept, added, removed
}

func (n *Network) automatic(subnetID string) bool {
	return slices.ContainsFunc(n.Subnets, func(s Subnet) bool { return s.ID == subnetID && s.Automatic })
}
