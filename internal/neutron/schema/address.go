package schema

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/tricircle/tricircle/internal/fault"
)

// IPAddress takes IPv4 and IPv6 addresses.
func IPAddress(v any) error {
	s, _ := v.(string)
	if _, err := parseAddr(s); err == nil {
		return nil
	}
	if addr, err := parseAddr(withoutZeros(s)); err == nil {
		return reasonf("'%s' is not an accepted IP address, '%s' is recommended", s, addr)
	}
	return reasonf("'%s' is not a valid IP address", Text(v))
}

// parseAddr reads an address without a zone.
func parseAddr(s string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(s)
	if err == nil && addr.Zone() != "" {
		err = fmt.Errorf("%s has a zone", s)
	}
	return addr, err
}

// withoutZeros takes zeros away with which the numbers of an IPv4 address begin. Some take such numbers for octal, so that
// Neutron refuses them, but says what it thinks was meant.
func withoutZeros(s string) string {
	parts := strings.Split(s, ".")
	for i, p := range parts {
		if trimmed := strings.TrimLeft(p, "0"); trimmed != "" {
			parts[i] = trimmed
		} else if p != "" {
			parts[i] = "0"
		}
	}
	return strings.Join(parts, ".")
}

// parseNetwork reads what netaddr takes for a network: an address with or without a prefix length, which may be a mask, and
// IPv4 addresses with zeros in front or with the last numbers missing. Bits behind the prefix stay.
func parseNetwork(s string) (netip.Prefix, error) {
	text, bits, hasBits := strings.Cut(s, "/")
	addr, err := parseAddr(text)
	if err != nil {
		if addr, err = parseAddr(withoutZeros(text) + strings.Repeat(".0", max(0, 3-strings.Count(text, ".")))); err != nil {
			return netip.Prefix{}, err
		}
	}
	if !hasBits {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	if mask, err := netip.ParseAddr(bits); err == nil && mask.Is4() && addr.Is4() {
		return maskPrefix(addr, mask)
	}
	n, err := strconv.ParseUint(bits, 10, 8)
	if err != nil || int(n) > addr.BitLen() {
		return netip.Prefix{}, fmt.Errorf("%q is not a prefix length", bits)
	}
	return netip.PrefixFrom(addr, int(n)), nil
}

func maskPrefix(addr, mask netip.Addr) (netip.Prefix, error) {
	for n := range 33 {
		if all, err := netip.MustParseAddr("255.255.255.255").Prefix(n); err == nil && all.Addr() == mask {
			return netip.PrefixFrom(addr, n), nil
		}
	}
	return netip.Prefix{}, fmt.Errorf("%s is not a mask", mask)
}

// Subnet takes CIDRs; bits behind the prefix may be set.
func Subnet(v any) error {
	s, _ := v.(string)
	network, err := parseNetwork(s)
	if err != nil {
		return reasonf("'%s' is not a valid IP subnet", Text(v))
	}
	if !strings.Contains(s, "/") || network.Addr().Is4() && network.String() != s {
		return reasonf("'%s' isn't a recognized IP subnet cidr, '%s' is recommended", s, network.Masked())
	}
	return nil
}

// RouteCIDR takes the CIDRs of networks to which routes can lead.
func RouteCIDR(v any) error {
	s, _ := v.(string)
	network, err := parseNetwork(s)
	switch {
	case err != nil:
		return reasonf("'%s' is not a valid CIDR", Text(v))
	case !strings.Contains(s, "/") || network != network.Masked():
		return reasonf("'%s' is not a recognized CIDR, '%s' is recommended", s, network.Masked())
	case network.Addr().IsLoopback():
		return reasonf("'%s' is not a routable CIDR", s)
	}
	return nil
}

// SubnetList takes lists of CIDRs without duplicates.
func SubnetList(v any) error { return ListOf(Subnet)(v) }

// macForms are the ways to write a MAC address that netaddr knows.
var macForms = regexp.MustCompile(`^(?i:[0-9a-f]{1,2}(:[0-9a-f]{1,2}){5}|[0-9a-f]{1,2}(-[0-9a-f]{1,2}){5}|` +
	`[0-9a-f]{1,4}(\.[0-9a-f]{1,4}){2}|[0-9a-f]{1,4}(:[0-9a-f]{1,4}){2}|[0-9a-f]{1,4}(-[0-9a-f]{1,4}){2}|` +
	`[0-9a-f]{5,6}[-:][0-9a-f]{5,6}|[0-9a-f]{11,12})$`)

// parseMAC brings a MAC address into the form fa:16:3e:00:00:01; ok is false if it is none.
func parseMAC(s string) (mac string, ok bool) {
	if !macForms.MatchString(s) {
		return "", false
	}
	groups := strings.FieldsFunc(s, func(r rune) bool { return r == ':' || r == '-' || r == '.' })
	width := 12 / len(groups)
	var digits strings.Builder
	for _, g := range groups {
		digits.WriteString(strings.Repeat("0", width-len(g)) + strings.ToLower(g))
	}
	var octets []string
	for d := digits.String(); d != ""; d = d[2:] {
		octets = append(octets, d[:2])
	}
	return strings.Join(octets, ":"), true
}

// MACAddress takes MAC addresses in the usual forms, without the one of all zeros and the broadcast address.
func MACAddress(v any) error {
	s, _ := v.(string)
	mac, ok := parseMAC(s)
	if !ok || mac == "00:00:00:00:00:00" || mac == "ff:ff:ff:ff:ff:ff" {
		return reasonf("'%s' is not a valid MAC address", Text(v))
	}
	return nil
}

// IPPools takes lists of {"start": address, "end": address}.
func IPPools(v any) error {
	pools, ok := v.([]any)
	if !ok {
		return reasonf("Invalid data format for IP pool: '%s'", Text(v))
	}
	for _, each := range pools {
		pool, err := exactly(each, "start", "end")
		if err != nil {
			return err
		}
		for _, key := range []string{"start", "end"} {
			if err := IPAddress(pool[key]); err != nil {
				return err
			}
		}
	}
	return nil
}

// FixedIPs takes lists of maps; of their members it looks at ip_address and subnet_id.
func FixedIPs(v any) error {
	list, ok := v.([]any)
	if !ok {
		return reasonf("Invalid data format for fixed IP: '%s'", Text(v))
	}
	seen := map[string]bool{}
	for _, each := range list {
		fixed, ok := each.(map[string]any)
		if !ok {
			return reasonf("Invalid data format for fixed IP: '%s'", Text(each))
		}
		if ip, ok := fixed["ip_address"]; ok {
			if key := repr(ip); seen[key] {
				return reasonf("Duplicate IP address '%s'", Text(ip))
			} else if err := IPAddress(ip); err != nil {
				return err
			} else {
				seen[key] = true
			}
		}
		if id, ok := fixed["subnet_id"]; ok {
			if err := UUID(id); err != nil {
				return err
			}
		}
	}
	return nil
}

// Nameservers takes lists of addresses without duplicates.
func Nameservers(v any) error {
	list, ok := v.([]any)
	if s, is := v.(string); is && s != "" { // Python goes through it by character
		list, ok = []any{s[:1]}, true
	}
	if !ok {
		return reasonf("Invalid data format for nameserver: '%s'", Text(v))
	}
	seen := map[string]bool{}
	for _, host := range list {
		if err := IPAddress(host); err != nil {
			return reasonf("'%s' is not a valid nameserver. %s", Text(host), err)
		}
		if seen[host.(string)] {
			return reasonf("Duplicate nameserver '%s'", host)
		}
		seen[host.(string)] = true
	}
	return nil
}

// HostRoutes takes lists of {"destination": CIDR, "nexthop": address} without duplicates.
func HostRoutes(v any) error {
	list, ok := v.([]any)
	if !ok {
		return reasonf("Invalid data format for hostroute: '%s'", Text(v))
	}
	seen := map[string]bool{}
	for _, each := range list {
		route, err := exactly(each, "destination", "nexthop")
		if err != nil {
			return err
		}
		if err := RouteCIDR(route["destination"]); err != nil {
			return err
		}
		if err := IPAddress(route["nexthop"]); err != nil {
			return err
		}
		if key := repr(route); seen[key] {
			return reasonf("Duplicate hostroute '%s'", key)
		} else {
			seen[key] = true
		}
	}
	return nil
}

// AddressPairs takes lists of {"ip_address": address or CIDR, "mac_address": optional}, at most so many
// (neutron_lib/api/validators/allowedaddresspairs.py).
func AddressPairs(most int) Validator {
	return func(v any) error {
		list, ok := v.([]any)
		if !ok {
			return badRequest("Allowed address pairs must be a list.")
		}
		if len(list) > most {
			return &fault.Error{Status: 400, Type: "AllowedAddressPairExhausted",
				Message: fmt.Sprintf("The number of allowed address pair exceeds the maximum %d.", most)}
		}
		seen := map[string]bool{}
		for _, each := range list {
			if err := addressPair(each, seen); err != nil {
				return err
			}
		}
		return nil
	}
}

func addressPair(v any, seen map[string]bool) error {
	pair, ok := v.(map[string]any)
	if !ok {
		return reasonf("'%s' is not a dictionary", Text(v))
	}
	mac, hasMAC := pair["mac_address"]
	if hasMAC {
		if err := MACAddress(mac); err != nil {
			return badRequest("%s", err)
		}
	}
	ip, ok := pair["ip_address"]
	if !ok {
		return &fault.Error{Status: 400, Type: "AllowedAddressPairsMissingIP", Message: "AllowedAddressPair must contain ip_address"}
	}
	if key := repr([]any{mac, ip}); seen[key] {
		return &fault.Error{Status: 400, Type: "DuplicateAddressPairInRequest", Message: fmt.Sprintf(
			"Request contains duplicate address pair: mac_address %s ip_address %s.", Text(mac), Text(ip))}
	} else {
		seen[key] = true
	}
	for _, name := range sortedKeys(pair) {
		if name != "mac_address" && name != "ip_address" {
			return badRequest("Unrecognized attribute(s) '%s'", name)
		}
	}
	validate := IPAddress
	if s, _ := ip.(string); strings.Contains(s, "/") {
		validate = Subnet
	}
	if err := validate(ip); err != nil {
		return badRequest("%s", err)
	}
	return nil
}

// ServiceTypes takes lists of device owners, or beginnings of them, that a subnet is for.
func ServiceTypes(v any) error {
	list, ok := v.([]any)
	switch {
	case v == nil, v == "", v == false:
		return nil
	case !ok:
		return badRequest("Subnet service types must be a list.")
	}
	for _, each := range list {
		s, ok := each.(string)
		if !ok {
			return &fault.Error{Status: 400, Type: "InvalidInputSubnetServiceType",
				Message: fmt.Sprintf("Subnet service type %s is not a string.", Text(each))}
		}
		if !strings.HasPrefix(s, "network:") && !strings.HasPrefix(s, "neutron:") && !strings.HasPrefix(s, "compute:") {
			return &fault.Error{Status: 400, Type: "InvalidSubnetServiceType",
				Message: fmt.Sprintf("Subnet service type %s does not correspond to a valid device owner.", s)}
		}
	}
	return nil
}
