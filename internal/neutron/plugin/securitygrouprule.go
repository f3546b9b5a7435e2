package plugin

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/tricircle/tricircle/internal/fault"
)

// protocols are the names of IP protocols that a security group rule may have (neutron_lib/constants.py, IP_PROTOCOL_MAP).
var protocols = map[string]int{
	"ah": 51, "dccp": 33, "egp": 8, "esp": 50, "gre": 47, "hopopt": 0, "icmp": 1, "igmp": 2, "ip": 0, "ipip": 4,
	"ipv6-encap": 41, "ipv6-frag": 44, "ipv6-icmp": 58, "icmpv6": 58, "ipv6-nonxt": 59, "ipv6-opts": 60, "ipv6-route": 43,
	"ospf": 89, "pgm": 113, "rsvp": 46, "sctp": 132, "tcp": 6, "udp": 17, "udplite": 136, "vrrp": 112,
}

const (
	protocolICMP     = 1
	protocolIPv6ICMP = 58
)

// portProtocols are those with ports (neutron/common/_constants.py, SG_PORT_PROTO_NAMES).
var portProtocols = []string{"dccp", "sctp", "tcp", "udp", "udplite"}

// ipv6Protocols have no meaning in IPv4 rules.
var ipv6Protocols = []int{41, 44, 58, 59, 60, 43}

// protocolNumber is the number of a protocol given by its name or its number, and -1 for none.
func protocolNumber(protocol string) int {
	if n, ok := protocols[protocol]; ok {
		return n
	}
	if n, err := strconv.Atoi(protocol); err == nil {
		return n
	}
	return -1
}

// completeRule makes the attributes of a new rule canonical and refuses what Neutron refuses
// (neutron/db/securitygroups_db.py, _validate_security_group_rule).
func completeRule(rule map[string]any) error {
	canonicalICMP(rule)
	low, high := intOf(rule["port_range_min"]), intOf(rule["port_range_max"])
	if low != nil && high != nil && *low == 1 && *high == 65535 { // the whole range is no restriction
		rule["port_range_min"], rule["port_range_max"] = nil, nil
		low, high = nil, nil
	}
	if err := checkPortRange(textOf(rule["protocol"]), low, high); err != nil {
		return err
	}
	if err := completePrefix(rule); err != nil {
		return err
	}
	if protocol := textOf(rule["protocol"]); rule["ethertype"] == "IPv4" && slices.Contains(ipv6Protocols, protocolNumber(protocol)) {
		return badRequest("SecurityGroupEthertypeConflictWithProtocol", "Invalid ethertype IPv4 for protocol %s.", protocol)
	}
	remotes := 0
	for _, name := range []string{"remote_ip_prefix", "remote_group_id", "remote_address_group_id"} {
		if textOf(rule[name]) != "" {
			remotes++
		}
	}
	if remotes > 1 {
		return badRequest("SecurityGroupMultipleRemoteEntites",
			"Only one of remote_ip_prefix or remote_group_id or remote_address_group_id may be provided.")
	}
	return nil
}

// canonicalICMP gives ICMP in rules for IPv6 its own name or number.
func canonicalICMP(rule map[string]any) {
	if rule["ethertype"] != "IPv6" {
		return
	}
	switch rule["protocol"] {
	case "icmp", "icmpv6":
		rule["protocol"] = "ipv6-icmp"
	case strconv.Itoa(protocolICMP):
		rule["protocol"] = strconv.Itoa(protocolIPv6ICMP)
	}
}

func checkPortRange(protocol string, low, high *int64) error {
	if low == nil && high == nil {
		return nil
	}
	if protocol == "" {
		return badRequest("SecurityGroupProtocolRequiredWithPorts", "Must also specify protocol if port range is given.")
	}
	number := protocolNumber(protocol)
	switch {
	case slices.ContainsFunc(portProtocols, func(name string) bool { return protocols[name] == number }):
		if low != nil && *low == 0 || high != nil && *high == 0 {
			return invalidPort(0)
		}
		if low == nil || high == nil || *low > *high {
			return badRequest("SecurityGroupInvalidPortRange", "For TCP/UDP protocols, port_range_min must be <= port_range_max")
		}
		return nil
	case number == protocolICMP || number == protocolIPv6ICMP:
		return checkICMP(low, high)
	}
	return badRequest("SecurityGroupInvalidProtocolForPort", "Ports cannot be specified for protocol %d. Ports are only supported for %s.",
		number, strings.ToUpper(strings.Join(portProtocols, ", ")))
}

// checkICMP checks type and code, which ICMP rules have in the place of ports.
func checkICMP(low, high *int64) error {
	for _, part := range []struct {
		attribute, name string
		value           *int64
	}{{"port_range_min", "type", low}, {"port_range_max", "code", high}} {
		if part.value != nil && (*part.value < 0 || *part.value > 255) {
			return badRequest("SecurityGroupInvalidIcmpValue", "Invalid value for ICMP %s (%s) %d. It must be 0 to 255.",
				part.name, part.attribute, *part.value)
		}
	}
	if low == nil {
		return badRequest("SecurityGroupMissingIcmpType",
			"ICMP code (port-range-max) %d is provided but ICMP type (port-range-min) is missing.", *high)
	}
	return nil
}

func invalidPort(value any) *fault.Error {
	return badRequest("SecurityGroupInvalidPortValue", "Invalid value for port %v", value)
}

// completePrefix checks the family of remote_ip_prefix and fills in normalized_cidr, which is the prefix without host bits.
func completePrefix(rule map[string]any) error {
	rule["normalized_cidr"] = nil
	given := textOf(rule["remote_ip_prefix"])
	if given == "" {
		rule["remote_ip_prefix"] = nil
		return nil
	}
	prefix, err := netip.ParsePrefix(given)
	if err != nil {
		return badRequest("InvalidCIDR", "Invalid CIDR %s given as IP prefix.", given)
	}
	if rule["ethertype"] != fmt.Sprintf("IPv%d", familyOf(prefix.Addr())) {
		return badRequest("SecurityGroupRuleParameterConflict", "Conflicting value ethertype %v for CIDR %s", rule["ethertype"], given)
	}
	rule["normalized_cidr"] = prefix.Masked().String()
	return nil
}

// ruleKey is equal for rules that admit the same: a group may not have two of them
// (neutron/db/securitygroups_db.py, _rule_to_key).
func ruleKey(rule map[string]any) string {
	var b strings.Builder
	for _, name := range []string{"direction", "ethertype", "port_range_max", "port_range_min", "protocol", "remote_group_id",
		"remote_address_group_id", "remote_ip_prefix", "security_group_id"} {
		value := rule[name]
		switch {
		case name == "remote_ip_prefix" && (value == "0.0.0.0/0" || value == "::/0"):
			value = nil
		case name == "protocol" && value != nil:
			value = protocolNumber(textOf(value))
		case name == "port_range_min" || name == "port_range_max":
			if n := intOf(value); n != nil {
				value = *n
			}
		}
		fmt.Fprintf(&b, "%v\x00", cmp.Or(value, any("+")))
	}
	return b.String()
}

// toProtocol accepts the name or the number of a protocol, or null for any (neutron/extensions/securitygroup.py,
// convert_protocol).
func toProtocol(v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	text, isText := v.(string)
	if n := intOf(v); n != nil {
		text, isText = strconv.FormatInt(*n, 10), true
	}
	text = strings.ToLower(text)
	if _, known := protocols[text]; known {
		return text, nil
	}
	if n, err := strconv.Atoi(text); isText && err == nil && n >= 0 && n <= 255 {
		return strconv.Itoa(n), nil
	}
	names := slices.Sorted(maps.Keys(protocols))
	return nil, badRequest("SecurityGroupRuleInvalidProtocol", "Security group rule protocol %v not supported. Only protocol values "+
		"[None, '%s'] and integer representations [0 to 255] are supported.", v, strings.Join(names, "', '"))
}

// toEthertype accepts IPv4 and IPv6 in any case.
func toEthertype(v any) (any, error) {
	for _, ethertype := range []string{"IPv4", "IPv6"} {
		if strings.EqualFold(textOf(v), ethertype) {
			return ethertype, nil
		}
	}
	return nil, badRequest("SecurityGroupRuleInvalidEtherType",
		"Security group rule for ethertype '%v' not supported. Allowed values are ['IPv4', 'IPv6'].", v)
}

// toPort accepts a port, as a number or in digits, or null.
func toPort(v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	n := intOf(v)
	if parsed, err := strconv.ParseInt(textOf(v), 10, 64); err == nil {
		n = &parsed
	}
	if n == nil || *n < 0 || *n > 65535 {
		return nil, invalidPort(v)
	}
	return *n, nil
}

// toPrefix accepts an address or a prefix, and keeps the bits of the host: normalized_cidr lacks them.
func toPrefix(v any) (any, error) {
	text := textOf(v)
	if text == "" && (v == nil || v == "") {
		return nil, nil
	}
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a, a.BitLen()).String(), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return nil, badRequest("InvalidCIDR", "Invalid CIDR %v given as IP prefix.", v)
	}
	return prefix.String(), nil
}
