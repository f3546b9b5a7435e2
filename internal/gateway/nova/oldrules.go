package nova

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/jsonx"
	"github.com/tricircle/tricircle/internal/routing"
)

// neutronRule is a rule of a security group as the networking API shows it, and as it is told of a new one.
type neutronRule struct {
	ID            string  `json:"id,omitempty"`
	GroupID       string  `json:"security_group_id"`
	Direction     string  `json:"direction"`
	EtherType     string  `json:"ethertype"`
	Protocol      *string `json:"protocol"`
	From          *int    `json:"port_range_min"`
	To            *int    `json:"port_range_max"`
	RemoteGroupID *string `json:"remote_group_id"`
	RemotePrefix  *string `json:"remote_ip_prefix"`
}

// oldRule is a rule as Nova shows it.
type oldRule struct {
	ID       string            `json:"id"`
	ParentID string            `json:"parent_group_id"`
	Protocol *string           `json:"ip_protocol"`
	From     *int              `json:"from_port"`
	To       *int              `json:"to_port"`
	Group    map[string]string `json:"group"`
	Range    map[string]string `json:"ip_range"`
}

// everywhere is whom a rule without a prefix admits, as Nova puts it.
const everywhere = "0.0.0.0/0"

// old makes Nova's form of a rule (nova/network/security_group_api.py, _convert_to_nova_security_group_rule_format). source is the group
// that it admits, nil if it is by addresses.
func (r *neutronRule) old(source *neutronGroup) oldRule {
	old := oldRule{ID: r.ID, ParentID: r.GroupID, Protocol: r.Protocol, Group: map[string]string{}, Range: map[string]string{}}
	old.From, old.To = r.novaPorts()
	if source != nil {
		old.Group = map[string]string{"name": source.Name, "tenant_id": source.ProjectID}
	} else {
		old.Range["cidr"] = r.novaPrefix()
	}
	return old
}

// novaPorts are the ports of a rule in Nova's words, which has all of them where Neutron has none.
func (r *neutronRule) novaPorts() (from, to *int) {
	if r.Protocol == nil || r.From != nil || r.To != nil {
		return r.From, r.To
	}
	switch strings.ToUpper(*r.Protocol) {
	case "TCP", "UDP":
		return new(minPort), new(maxPort)
	}
	return new(-1), new(-1)
}

func (r *neutronRule) novaPrefix() string {
	if r.RemotePrefix == nil || *r.RemotePrefix == "" {
		return everywhere
	}
	return *r.RemotePrefix
}

// ruleRequest is the body of POST os-security-group-rules.
type ruleRequest struct {
	ParentID any             `json:"parent_group_id"`
	GroupID  *string         `json:"group_id"`
	Protocol json.RawMessage `json:"ip_protocol"`
	From     json.RawMessage `json:"from_port"`
	To       json.RawMessage `json:"to_port"`
	CIDR     *string         `json:"cidr"`
}

// createRule is POST os-security-group-rules.
func (n networks) createRule(c *gateway.Call) error {
	raw, there, _ := jsonx.Get(c.Body, "security_group_rule")
	if !there || isNull(raw) {
		return fault.BadRequest("Missing parameter security_group_rule")
	}
	var r ruleRequest
	if err := json.Unmarshal(raw, &r); err != nil {
		return fault.BadRequest("Not enough parameters to build a valid rule.")
	}
	parentID, _ := r.ParentID.(string)
	parent, err := n.findGroup(c, parentID)
	if err != nil {
		return err
	}
	var source *neutronGroup
	if r.GroupID != nil {
		if source, err = n.findGroup(c, *r.GroupID); err != nil {
			return err
		}
	}
	rule, err := r.rule(parent.ID)
	if err != nil {
		return err
	}
	for i := range parent.Rules {
		if parent.Rules[i].same(rule) {
			return fault.BadRequest("This rule already exists in group %s", parent.ID)
		}
	}
	var doc struct {
		Rule neutronRule `json:"security_group_rule"`
	}
	body := map[string]any{"security_group_rule": rule}
	if err := n.Ask(c.Context(), c.Caller, http.MethodPost, rulesPath, body, &doc); err != nil {
		return limited(err)
	}
	return c.WriteJSON(http.StatusOK, map[string]any{"security_group_rule": doc.Rule.old(source)})
}

// rulesPath are the rules of the networking API.
const rulesPath = "/v2.0/security-group-rules"

// same tells whether Nova takes a new rule for one that there is: it compares what it makes of both, and so never finds a rule that admits a
// group, which is left for Neutron to refuse (nova/network/security_group_api.py, _rule_exists).
func (r *neutronRule) same(other *neutronRule) bool {
	if r.Direction != "ingress" || r.RemoteGroupID != nil || other.RemoteGroupID != nil || !equal(r.Protocol, other.Protocol) {
		return false
	}
	from, to := r.novaPorts()
	otherFrom, otherTo := other.novaPorts()
	return equal(from, otherFrom) && equal(to, otherTo) && r.novaPrefix() == other.novaPrefix()
}

func equal[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }

// rule is what the networking API is told of a new rule (nova/network/security_group_api.py, _new_ingress_rule and
// _make_neutron_security_group_rules_list).
func (r *ruleRequest) rule(parentID string) (*neutronRule, error) {
	rule := &neutronRule{GroupID: parentID, Direction: "ingress", EtherType: "IPv4", RemoteGroupID: r.GroupID}
	if r.GroupID == nil {
		prefix, is6, err := r.prefix()
		if err != nil {
			return nil, err
		}
		rule.RemotePrefix = &prefix
		if is6 {
			rule.EtherType = "IPv6"
		}
	}
	protocol, from, to := word(r.Protocol), word(r.From), word(r.To)
	if r.GroupID != nil && protocol != nil && from == nil && to == nil {
		switch strings.ToUpper(*protocol) {
		case "ICMP":
			from, to = new("-1"), new("-1")
		case "TCP", "UDP":
			from, to = new(strconv.Itoa(minPort)), new(strconv.Itoa(maxPort))
		}
	}
	switch {
	case protocol != nil && *protocol != "" && from != nil && to != nil:
		ports, err := checkPorts(*protocol, *from, *to)
		if err != nil {
			return nil, err
		}
		rule.Protocol = protocol
		rule.From, rule.To = told(ports[0]), told(ports[1])
	case r.GroupID == nil:
		return nil, fault.BadRequest("Not enough parameters to build a valid rule.")
	}
	return rule, nil
}

// prefix is whom the rule admits; anybody, if it does not say.
func (r *ruleRequest) prefix() (text string, is6 bool, err error) {
	if r.CIDR == nil || *r.CIDR == "" {
		return everywhere, false, nil
	}
	text, err = url.PathUnescape(*r.CIDR)
	if err != nil {
		text = *r.CIDR
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return "", false, fault.BadRequest("%s is not a valid IP network.", text)
	}
	if prefix.Bits() == 0 && !prefix.Addr().IsUnspecified() {
		return "", false, fault.BadRequest("Bad prefix for network in cidr %s", text)
	}
	return text, prefix.Addr().Is6(), nil
}

const minPort, maxPort = 1, 65535

// checkPorts reads ports, or type and code of ICMP, in the order of Nova's own checks.
func checkPorts(protocol, from, to string) (ports [2]int, err error) {
	name := strings.ToUpper(protocol)
	for i, text := range []string{from, to} {
		if ports[i], err = strconv.Atoi(strings.TrimSpace(text)); err != nil {
			if name == "ICMP" {
				return ports, fault.BadRequest("Invalid input received: Type and Code must be integers for ICMP protocol type")
			}
			return ports, fault.BadRequest("Invalid input received: To and From ports must be integers")
		}
	}
	refused := func(why string) error {
		return fault.BadRequest("Invalid port range %d:%d. %s", ports[0], ports[1], why)
	}
	least, most := min(ports[0], ports[1]), max(ports[0], ports[1])
	switch name {
	case "TCP", "UDP":
		if ports[0] > ports[1] {
			return ports, refused("Former value cannot be greater than the later")
		}
		if least < minPort || most > maxPort {
			return ports, refused("Valid " + name + " ports should be between 1-65535")
		}
	case "ICMP":
		if least < -1 || most > 255 {
			return ports, refused("For ICMP, the type:code must be valid")
		}
	default:
		return ports, fault.BadRequest("Invalid IP protocol %s.", protocol)
	}
	return ports, nil
}

// told is a port as the networking API is told of it, which has no -1.
func told(port int) *int {
	if port == -1 {
		return nil
	}
	return &port
}

// word is a string or a number as text; nil if it is null or not there.
func word(raw json.RawMessage) *string {
	if len(raw) == 0 || isNull(raw) {
		return nil
	}
	if text, ok := jsonx.Text(raw); ok {
		return &text
	}
	return new(string(raw))
}

func isNull(raw []byte) bool { return bytes.Equal(bytes.TrimSpace(raw), []byte("null")) }

// deleteRule is DELETE os-security-group-rules.
func (n networks) deleteRule(c *gateway.Call) error {
	id := c.Params.Get("id")
	if _, ok := routing.ParseID(id); !ok {
		return errGroupID()
	}
	if err := n.Ask(c.Context(), c.Caller, http.MethodDelete, rulesPath+"/"+id, nil, nil); err != nil {
		return err
	}
	return accepted(c)
}
