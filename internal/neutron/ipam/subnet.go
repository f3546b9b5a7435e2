package ipam

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/tricircle/tricircle/internal/store"
)

// Subnet is what allocation must know of a subnet.
type Subnet struct {
	ID           string
	NetworkID    string
	CIDR         netip.Prefix
	Gateway      netip.Addr // invalid if there is none
	Pools        []Range
	Automatic    bool // the addresses of guests follow from their MACs
	DHCP         bool
	ServiceTypes []string // device owners that it is for; none: all
}

// SubnetOf reads a subnet as the API shows it.
func SubnetOf(o *store.Object) (Subnet, error) {
	s := Subnet{ID: o.ID}
	s.NetworkID, _ = o.Attrs["network_id"].(string)
	s.Automatic = Automatic(o.Attrs["ipv6_address_mode"], o.Attrs["ipv6_ra_mode"])
	s.DHCP, _ = o.Attrs["enable_dhcp"].(bool)
	text, _ := o.Attrs["cidr"].(string)
	var err error
	if s.CIDR, err = netip.ParsePrefix(text); err != nil {
		return s, fmt.Errorf("cidr of subnet %s: %w", o.ID, err)
	}
	if gateway, _ := o.Attrs["gateway_ip"].(string); gateway != "" {
		if s.Gateway, err = netip.ParseAddr(gateway); err != nil {
			return s, fmt.Errorf("gateway_ip of subnet %s: %w", o.ID, err)
		}
	}
	if s.Pools, err = PoolsOf(o.Attrs["allocation_pools"]); err != nil {
		return s, fmt.Errorf("allocation_pools of subnet %s: %w", o.ID, err)
	}
	types, _ := o.Attrs["service_types"].([]any)
	for _, t := range types {
		if owner, ok := t.(string); ok {
			s.ServiceTypes = append(s.ServiceTypes, owner)
		}
	}
	return s, nil
}

// PoolsOf reads allocation pools as the API shows them: a list of {"start", "end"}. What is no address is an InvalidAllocationPool.
func PoolsOf(attr any) ([]Range, error) {
	list, _ := attr.([]any)
	pools := make([]Range, 0, len(list))
	for _, item := range list {
		pool, _ := item.(map[string]any)
		start, _ := pool["start"].(string)
		end, _ := pool["end"].(string)
		first, err1 := netip.ParseAddr(start)
		final, err2 := netip.ParseAddr(end)
		r := Range{first, final}
		if err1 != nil || err2 != nil || first.Zone() != "" || final.Zone() != "" || first.BitLen() != final.BitLen() || final.Less(first) {
			return nil, invalidPool(fmt.Sprintf("%s-%s", start, end))
		}
		pools = append(pools, r)
	}
	return pools, nil
}

// PoolsAttr is the inverse of PoolsOf.
func PoolsAttr(pools []Range) []any {
	list := make([]any, len(pools))
	for i, p := range pools {
		list[i] = map[string]any{"start": p.First.String(), "end": p.Last.String()}
	}
	return list
}

// Automatic tells whether guests make their addresses themselves where a subnet has these modes, which are strings or nil
// (neutron/common/ipv6_utils.py, is_auto_address_subnet).
func Automatic(addressMode, raMode any) bool {
	byGuest := func(mode any) bool { return mode == "slaac" || mode == "dhcpv6-stateless" }
	return byGuest(addressMode) || byGuest(raMode)
}

// serves tells whether ports of a device owner may have addresses of the subnet: neutron/objects/subnet.py,
// query_filter_service_subnets.
func (s *Subnet) serves(deviceOwner string) bool {
	const dhcp = "network:dhcp"
	return len(s.ServiceTypes) == 0 || slices.Contains(s.ServiceTypes, deviceOwner) || s.DHCP && deviceOwner == dhcp
}

// contains tells whether a port may have the address: neutron/ipam/utils.py, check_subnet_ip.
func (s *Subnet) contains(ip netip.Addr, deviceOwner string) bool {
	if !s.CIDR.Contains(ip) {
		return false
	}
	network := ip == s.CIDR.Masked().Addr()
	if ip.Is4() {
		return !network && (ip != last(s.CIDR) || s.CIDR.Bits() >= 31) // netaddr knows no broadcast address of a /31
	}
	return !network || deviceOwner == "" || slices.Contains(routerOwners, deviceOwner)
}

// Device owners of routers: neutron_lib/constants.py, ROUTER_INTERFACE_OWNERS, with ROUTER_PORT_OWNERS and
// ROUTER_INTERFACE_OWNERS_SNAT.
var (
	interfaceOwners = []string{"network:router_interface", "network:router_interface_distributed",
		"network:ha_router_replicated_interface"}
	snatOwners   = append(slices.Clone(interfaceOwners), "network:router_centralized_snat")
	routerOwners = append(slices.Clone(snatOwners), "network:router_gateway")
)

// DefaultGateway is the gateway_ip of a subnet that names none: the first address of IPv4, the anycast address of IPv6's routers
// (neutron/db/ipam_backend_mixin.py, _gateway_ip_str, Zed).
func DefaultGateway(cidr netip.Prefix) netip.Addr {
	network := cidr.Masked().Addr()
	if network.Is6() || !network.Next().IsValid() {
		return network
	}
	return network.Next()
}

// usable is the range of addresses that ports may have.
func usable(cidr netip.Prefix) Range {
	r := Range{cidr.Masked().Addr(), last(cidr)}
	switch {
	case cidr.IsSingleIP():
	case r.First.Is6():
		r.First = r.First.Next()
	case cidr.Bits() <= 30:
		r.First, r.Last = r.First.Next(), r.Last.Prev()
	}
	return r
}

// DefaultPools are the allocation pools of a subnet that names none: all but the gateway, which may be invalid for none
// (neutron/ipam/utils.py, generate_pools).
func DefaultPools(cidr netip.Prefix, gateway netip.Addr) []Range {
	if cidr.IsSingleIP() {
		return []Range{usable(cidr)}
	}
	return usable(cidr).without(gateway)
}

// CheckPools says what is wrong with the allocation pools that a client wants, or nil (neutron/db/ipam_backend_mixin.py,
// validate_allocation_pools and validate_gw_out_of_pools).
func CheckPools(pools []Range, cidr netip.Prefix, gateway netip.Addr) error {
	all := usable(cidr)
	for i, p := range pools {
		switch {
		case p.First.BitLen() != all.First.BitLen():
			return invalidPool(p.String())
		case !all.contains(p.First) || !all.contains(p.Last):
			return poolOutOfBounds(p, cidr)
		}
		for _, other := range pools[:i] {
			if p.overlaps(other) {
				return poolsOverlap(other, p, cidr)
			}
		}
	}
	for _, p := range pools {
		if gateway.IsValid() && p.contains(gateway) {
			return gatewayInPool(gateway, p)
		}
	}
	return nil
}

// CheckGateway refuses a gateway that can be nobody's address: the network's or the broadcast address of IPv4
// (neutron/ipam/utils.py, check_gateway_invalid_in_subnet). One outside of the subnet is allowed.
func CheckGateway(cidr netip.Prefix, gateway netip.Addr) error {
	if gateway.Is4() && (gateway == cidr.Masked().Addr() || gateway == last(cidr)) {
		return invalidInput("Gateway is not valid on subnet")
	}
	return nil
}

// CheckCIDR refuses a subnet that overlaps with another of its network, or is everything
// (neutron/db/ipam_backend_mixin.py, _validate_subnet_cidr).
func CheckCIDR(networkID string, cidr netip.Prefix, others []netip.Prefix) error {
	if cidr.Bits() == 0 {
		return invalidInput("0 is not allowed as CIDR prefix length")
	}
	for _, other := range others {
		if cidr.Overlaps(other) {
			return invalidInput(fmt.Sprintf("Requested subnet with cidr: %s for network: %s overlaps with another subnet", cidr, networkID))
		}
	}
	return nil
}

// EUI64 is the address that follows from a MAC ("fa:16:3e:00:00:01") in a prefix of IPv6 (RFC 4291, appendix A).
func EUI64(prefix netip.Prefix, mac string) (netip.Addr, error) {
	var m [6]byte
	n, err := fmt.Sscanf(mac, "%02x:%02x:%02x:%02x:%02x:%02x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5])
	if err != nil || n != len(m) || prefix.Addr().Is4() {
		return netip.Addr{}, fmt.Errorf("no EUI-64 address of MAC %q in %s", mac, prefix)
	}
	b := prefix.Masked().Addr().As16()
	copy(b[8:], []byte{m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]})
	return netip.AddrFrom16(b), nil
}

// isEUI64 tells whether an address looks like one that follows from a MAC: neutron/common/ipv6_utils.py, is_eui64_address.
func isEUI64(ip netip.Addr) bool {
	if ip.Is4() {
		return false
	}
	b := ip.As16()
	return b[11] == 0xff && b[12] == 0xfe
}
