package plugin

import (
	"strings"

	"github.com/tricircle/tricircle/internal/neutron/api"
	"github.com/tricircle/tricircle/internal/neutron/schema"
	"github.com/tricircle/tricircle/internal/store"
)

// nameDNS keeps dns_name and dns_domain of a port from being stored where ports have no names of their own
// (neutron/plugins/ml2/extensions/dns_integration.py, process_create_port and process_update_port), and notes that the user has set the name.
func (p *Plugin) nameDNS(c *api.Call, o *store.Object) {
	if _, ownNames := schema.Domain(p.o.DNSDomain); !ownNames {
		o.Attrs["dns_name"], o.Attrs["dns_domain"] = "", ""
		return
	}
	if c.Gave("dns_name") {
		o.Attrs[store.AttrNamed] = p.o.NewID()
	}
}

// showDNS says under what names ports are known: their dns_name, or one for each address
// (neutron/plugins/ml2/extensions/dns_integration.py, _get_dns_names_for_port).
func (p *Plugin) showDNS(page []*store.Object) {
	domain, ownNames := schema.Domain(p.o.DNSDomain)
	for _, o := range page {
		name := ""
		if ownNames {
			name = textOf(o.Attrs["dns_name"])
		}
		o.Attrs["dns_name"], o.Attrs["dns_domain"] = name, textOf(o.Attrs["dns_domain"])
		assigned := []any{}
		for _, ip := range mapsOf(o.Attrs["fixed_ips"]) {
			address := textOf(ip["ip_address"])
			host := name
			if host == "" {
				host = "host-" + strings.NewReplacer(".", "-", ":", "-").Replace(address)
			}
			full := host
			if domain != "" && !strings.HasSuffix(host, ".") {
				full = host + "." + domain
			}
			assigned = append(assigned, map[string]any{"ip_address": address, "hostname": host, "fqdn": full})
		}
		o.Attrs["dns_assignment"] = assigned
	}
}
