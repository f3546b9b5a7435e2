package plugin

import (
	"net/netip"

	"github.com/tricircle/tricircle/internal/neutron/ipam"
	"github.com/tricircle/tricircle/internal/store"
)

// Bounds of the lists of a subnet (neutron/conf/common.py: max_dns_nameservers, max_subnet_host_routes).
const (
	maxNameservers = 5
	maxHostRoutes  = 20
)

// checkSubnet refuses what Neutron refuses of a subnet as it will be; old is nil for a new one. newName is how errors call it
// (neutron/db/db_base_plugin_v2.py, _validate_subnet).
func checkSubnet(s map[string]any, old *store.Object, newName string) error {
	cidr, err := cidrOf(s)
	if err != nil {
		return err
	}
	version := *intOf(s["ip_version"])
	if familyOf(cidr.Addr()) != version {
		return wrongVersion("cidr", cidr.String(), version)
	}
	if boolOf(s["enable_dhcp"]) && (old == nil || !boolOf(old.Attrs["enable_dhcp"])) {
		if err := checkDHCP(cidr); err != nil {
			return err
		}
	}
	if err := checkGateway(s, cidr, version); err != nil {
		return err
	}
	if err := checkNameservers(textsOf(s["dns_nameservers"]), version, newName); err != nil {
		return err
	}
	if err := checkHostRoutes(mapsOf(s["host_routes"]), version, newName); err != nil {
		return err
	}
	if version == 4 {
		for _, mode := range []string{"ipv6_ra_mode", "ipv6_address_mode"} {
			if textOf(s[mode]) != "" {
				return invalidInput("%s is not valid when ip_version is 4", mode)
			}
		}
		return nil
	}
	return checkIPv6Modes(s, old, cidr)
}

func wrongVersion(what, value string, version int64) error {
	return invalidInput("%s '%s' does not match the ip_version '%d'", what, value, version)
}

// checkDHCP refuses DHCP where it cannot work.
func checkDHCP(cidr netip.Prefix) error {
	switch is4 := cidr.Addr().Is4(); {
	case is4 && cidr.Bits() > 30, !is4 && cidr.Bits() > 126:
		return invalidInput("Subnet has a prefix length that is incompatible with DHCP service enabled")
	case cidr.Addr().IsMulticast():
		return invalidInput("Multicast IP subnet is not supported if enable_dhcp is True")
	case cidr.Addr().IsLoopback():
		return invalidInput("Loopback IP subnet is not supported if enable_dhcp is True")
	case is4 && cidr.Masked().Addr().IsUnspecified():
		return invalidInput("First IP '0.0.0.0' of network is not supported if enable_dhcp is True.")
	}
	return nil
}

// checkGateway refuses gateways of the other IP version, and those that can be nobody's address.
func checkGateway(s map[string]any, cidr netip.Prefix, version int64) error {
	text := textOf(s["gateway_ip"])
	if text == "" {
		return nil
	}
	gateway, err := netip.ParseAddr(text)
	if err != nil || familyOf(gateway) != version {
		return wrongVersion("gateway_ip", text, version)
	}
	return ipam.CheckGateway(cidr, gateway)
}

func checkNameservers(servers []string, version int64, newName string) error {
	if len(servers) > maxNameservers {
		return badRequest("DNSNameServersExhausted", "Unable to complete operation for %s. The number of DNS nameservers exceeds the limit %d.",
			newName, maxNameservers)
	}
	for _, server := range servers {
		a, err := netip.ParseAddr(server)
		if err != nil {
			return invalidInput("Error parsing dns address %s", server)
		}
		if familyOf(a) != version {
			return wrongVersion("dns_nameserver", server, version)
		}
	}
	return nil
}

func checkHostRoutes(routes []map[string]any, version int64, newName string) error {
	if len(routes) > maxHostRoutes {
		return badRequest("HostRoutesExhausted", "Unable to complete operation for %s. The number of host routes exceeds the limit %d.",
			newName, maxHostRoutes)
	}
	for _, route := range routes {
		destination, err := netip.ParsePrefix(textOf(route["destination"]))
		if err != nil {
			return invalidInput("Invalid route: %v", route)
		}
		nexthop, err := netip.ParseAddr(textOf(route["nexthop"]))
		if err != nil {
			return invalidInput("Invalid route: %v", route)
		}
		if familyOf(nexthop) != version {
			return wrongVersion("nexthop", nexthop.String(), version)
		}
		if familyOf(destination.Addr()) != version {
			return wrongVersion("destination", destination.String(), version)
		}
	}
	return nil
}

// checkIPv6Modes keeps the modes of IPv6 in agreement with each other and with DHCP.
func checkIPv6Modes(s map[string]any, old *store.Object, cidr netip.Prefix) error {
	ra, address := textOf(s["ipv6_ra_mode"]), textOf(s["ipv6_address_mode"])
	set := ra != "" || address != ""
	switch {
	case !set:
		return nil
	case old != nil && !boolOf(s["enable_dhcp"]):
		return invalidInput("Cannot disable enable_dhcp with ipv6 attributes set")
	case !boolOf(s["enable_dhcp"]):
		return invalidInput("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False")
	case ra != "" && address != "" && ra != address:
		return invalidInput("ipv6_ra_mode set to '%s' with ipv6_address_mode set to '%s' is not valid. "+
			"If both attributes are set, they must be the same value", ra, address)
	case isAuto(s) && cidr.Bits() != 64:
		return invalidInput("Invalid CIDR %s for IPv6 address mode. OpenStack uses the EUI-64 address format, "+
			"which requires the prefix to be /64", cidr)
	}
	return nil
}

// isAuto tells whether addresses of a subnet come from the MAC of a port.
func isAuto(s map[string]any) bool { return ipam.Automatic(s["ipv6_address_mode"], s["ipv6_ra_mode"]) }

// lastOf is the last address of a prefix.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b) // of the length that an address has
	return a
}
