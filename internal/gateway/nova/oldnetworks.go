package nova

import (
	"bytes"
	"errors"
	"net/http"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/jsonx"
)

// Nova's own calls about networks, of the time when it had networks: up to 2.35 it makes them of what Neutron says. So does the top,
// of what its own networking service says.

// orPod is how the top serves what Nova passes on to Neutron: by its own networking service, and without one by a pod.
func (n networks) orPod(serve func(*gateway.Call) error) func(*gateway.Call) error {
	if n.Service == nil {
		return (*gateway.Call).AnyPod
	}
	return serve
}

// network is what Nova looks at of a network.
type network struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// networkFields are the members of a network besides id and label. Since it has no networks of its own Nova knows none of them, but says
// so to users of the first, and to administrators of all (nova/api/openstack/compute/networks.py, network_dict).
var (
	networkFields      = []string{"cidr", "netmask", "gateway", "broadcast", "dns1", "dns2", "cidr_v6", "gateway_v6", "label", "netmask_v6"}
	adminNetworkFields = []string{"created_at", "updated_at", "deleted_at", "deleted", "injected", "bridge", "vlan", "vpn_public_address",
		"vpn_public_port", "vpn_private_address", "dhcp_start", "project_id", "host", "bridge_interface", "multi_host", "priority", "rxtx_base",
		"mtu", "dhcp_server", "enable_dhcp", "share_address"}
)

// oldNetwork is an entry of os-networks.
func oldNetwork(c *gateway.Call, n network) []byte {
	fields := networkFields
	if c.Caller.IsAdmin() {
		fields = append(fields[:len(fields):len(fields)], adminNetworkFields...)
	}
	doc := append([]byte(`{"id": `), jsonx.Quote(nil, n.ID)...)
	for _, name := range fields {
		doc = append(jsonx.Quote(append(doc, ", "...), name), ": "...)
		if name == "label" {
			doc = jsonx.Quote(doc, n.Name)
		} else {
			doc = append(doc, "null"...)
		}
	}
	return append(doc, '}')
}

// projectNetwork is an entry of os-tenant-networks (nova/api/openstack/compute/tenant_networks.py, network_dict): the word None is Nova's.
func projectNetwork(_ *gateway.Call, n network) []byte {
	doc := append([]byte(`{"id": `), jsonx.Quote(nil, n.ID)...)
	doc = append(doc, `, "cidr": "None", "label": `...)
	return append(jsonx.Quote(doc, n.Name), '}')
}

// listNetworks is GET os-networks or os-tenant-networks: all networks that the caller may see.
func (n networks) listNetworks(entry func(*gateway.Call, network) []byte) func(*gateway.Call) error {
	return n.orPod(func(c *gateway.Call) error {
		var doc struct{ Networks []network }
		if err := n.Ask(c.Context(), c.Caller, http.MethodGet, "/v2.0/networks?fields=id&fields=name", nil, &doc); err != nil {
			return err
		}
		entries := make([][]byte, len(doc.Networks))
		for i, one := range doc.Networks {
			entries[i] = entry(c, one)
		}
		c.ReplyJSON(append(append([]byte(`{"networks": [`), bytes.Join(entries, []byte(", "))...), "]}"...))
		return nil
	})
}

// showNetwork is GET os-networks or os-tenant-networks, of one.
func (n networks) showNetwork(entry func(*gateway.Call, network) []byte) func(*gateway.Call) error {
	return n.orPod(func(c *gateway.Call) error {
		var doc struct{ Network network }
		err := n.Ask(c.Context(), c.Caller, http.MethodGet, "/v2.0/networks/"+c.Params.Get("id"), nil, &doc)
		if statusOf(err) == http.StatusNotFound {
			return fault.NotFound("Network not found")
		}
		if err != nil {
			return err
		}
		c.ReplyJSON(append(append([]byte(`{"network": `), entry(c, doc.Network)...), '}'))
		return nil
	})
}

// statusOf is the status of a refusal, 0 for any other error or none.
func statusOf(err error) int {
	if refused, ok := errors.AsType[*fault.Error](err); ok {
		return refused.Status
	}
	return 0
}
