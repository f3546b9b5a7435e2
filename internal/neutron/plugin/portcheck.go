package plugin

import (
	"strings"

	"github.com/tricircle/tricircle/internal/neutron/schema"
)

// maxAddressPairs bounds allowed_address_pairs (neutron/conf/extensions/allowedaddresspairs.py).
const maxAddressPairs = 10

// validDHCPOptions checks extra_dhcp_opts: each has a name and a value, of which null removes the option, and may have an IP version.
// Of two options the value may be empty, which tells DHCP to send none (neutron_lib/api/definitions/extra_dhcp_opt.py).
func validDHCPOptions(v any) error {
	version := schema.Key{Convert: schema.ToInt, Validate: schema.Values(int64(4), int64(6))}
	if err := schema.AnyOf(
		schema.Dict(map[string]schema.Key{
			"opt_name":  {Required: true, Validate: schema.Values("router", "classless-static-route")},
			"opt_value": {Required: true, Validate: schema.OrNil(schema.String(255))}, "ip_version": version}),
		schema.Dict(map[string]schema.Key{
			"opt_name":  {Required: true, Validate: schema.All(schema.NotEmptyString(64), oneLine)},
			"opt_value": {Required: true, Validate: schema.OrNil(schema.All(schema.NotEmptyString(255), oneLine))}, "ip_version": version}),
	)(v); err != nil {
		return err
	}
	for _, option := range mapsOf(v) {
		if _, given := option["ip_version"]; !given {
			option["ip_version"] = int64(4)
		}
	}
	return nil
}

func oneLine(v any) error {
	if strings.Contains(textOf(v), "\n") {
		return schema.Reason("Multi-line string is not allowed: '" + textOf(v) + "'")
	}
	return nil
}
