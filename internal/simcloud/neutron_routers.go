package simcloud

import (
	"net/http"
	"slices"
)

func routerKind() *netKind {
	return &netKind{
		collection: "routers", singular: "router", class: "Router", missing: "Router %s could not be found",
		defaults: func() map[string]any {
			return map[string]any{
				"name": "", "admin_state_up": true, "status": "ACTIVE", "external_gateway_info": nil, "routes": []any{},
				"availability_zone_hints": []any{}, "availability_zones": []any{},
			}
		},
		deleting: func(n *network, o *netObject) error {
			for _, p := range n.objects["ports"] {
				if p.text("device_id") == o.id {
					return netConflict("RouterInUse", "Router %s still has ports", o.id)
				}
			}
			return nil
		},
		actions: map[string]func(*network, *call, *netObject) error{
			"add_router_interface":    (*network).addInterface,
			"remove_router_interface": (*network).removeInterface,
		},
	}
}

type interfaceBody struct {
	SubnetID string `json:"subnet_id"`
	PortID   string `json:"port_id"`
}

const interfaceOwner = "network:router_interface"

func (n *network) addInterface(c *call, router *netObject) error {
	var b interfaceBody
	if err := c.decode(&b); err != nil {
		return netInvalid("HTTPBadRequest", "Invalid JSON in request body")
	}
	p := n.objects["ports"][b.PortID]
	switch {
	case b.PortID != "" && p == nil:
		return n.kinds["ports"].notFound(b.PortID)
	case b.PortID == "":
		s := n.objects["subnets"][b.SubnetID]
		if s == nil {
			return n.kinds["subnets"].notFound(b.SubnetID)
		}
		p = n.newObject(n.kinds["ports"], router.project)
		p.attrs["network_id"], p.attrs["security_groups"] = s.text("network_id"), []string{}
		p.attrs["fixed_ips"] = []any{map[string]any{"subnet_id": s.id, "ip_address": s.text("gateway_ip")}}
		if err := n.completePort(c.tok, p); err != nil {
			return err
		}
		n.objects["ports"][p.id] = p
	}
	p.attrs["device_id"], p.attrs["device_owner"], p.attrs["status"] = router.id, interfaceOwner, "ACTIVE"
	writeInterface(c, router, p)
	return nil
}

func (n *network) removeInterface(c *call, router *netObject) error {
	var b interfaceBody
	if err := c.decode(&b); err != nil {
		return netInvalid("HTTPBadRequest", "Invalid JSON in request body")
	}
	for _, p := range n.objects["ports"] {
		if p.text("device_id") != router.id || p.text("device_owner") != interfaceOwner {
			continue
		}
		inSubnet := slices.ContainsFunc(fixedIPs(p), func(a address) bool { return a.subnet == b.SubnetID })
		if p.id == b.PortID || b.PortID == "" && inSubnet {
			n.drop(n.kinds["ports"], p)
			writeInterface(c, router, p)
			return nil
		}
	}
	if b.PortID != "" {
		return netMissing("RouterInterfaceNotFound", "Router %s does not have an interface with id %s", router.id, b.PortID)
	}
	return netMissing("RouterInterfaceNotFoundForSubnet", "Router %s has no interface on subnet %s", router.id,
		b.SubnetID)
}

func writeInterface(c *call, router, p *netObject) {
	subnet := ""
	if ips := fixedIPs(p); len(ips) > 0 {
		subnet = ips[0].subnet
	}
	*c.body = append(*c.body, encode(map[string]any{
		"id": router.id, "tenant_id": router.project, "port_id": p.id,
		"network_id": p.text("network_id"), "subnet_id": subnet, "subnet_ids": []string{subnet},
	})...)
}

// netExtensions are the aliases a client switches features by. Only what the simulation has.
var netExtensions = []string{
	"agent", "allowed-address-pairs", "availability_zone", "binding", "default-subnetpools", "dns-domain-ports", "dns-integration",
	"external-net", "ext-gw-mode", "extra_dhcp_opt", "extraroute", "net-mtu", "net-mtu-writable", "network_availability_zone", "pagination",
	"port-security", "project-id", "provider", "quotas", "revision-if-match", "router", "router_availability_zone",
	"security-group", "security-groups-normalized-cidr", "sorting", "standard-attr-description", "standard-attr-revisions",
	"standard-attr-tag", "standard-attr-timestamp", "stateful-security-group", "subnet-service-types",
	"trunk", "trunk-details",
}

func (n *network) showExtensions(c *call, more []string) error {
	entry := func(alias string) map[string]any {
		return map[string]any{
			"name": alias, "alias": alias, "description": alias, "updated": "2016-01-01T00:00:00-00:00", "links": []string{},
		}
	}
	c.body.obj()
	if len(more) == 0 {
		var all []any
		for _, alias := range netExtensions {
			all = append(all, entry(alias))
		}
		c.body.value("extensions", all)
	} else {
		if !slices.Contains(netExtensions, more[0]) {
			return errNoExtension
		}
		c.body.value("extension", entry(more[0]))
	}
	c.body.endObj()
	return nil
}

func (n *network) listResources(c *call) error {
	c.body.obj()
	c.body.arr("resources")
	for _, name := range []string{"network", "subnet", "subnetpool", "port"} {
		c.body.obj()
		c.body.str("name", name)
		c.body.str("collection", name+"s")
		c.body.arr("links")
		c.body.link("self", c.prefix, "/", name, "s")
		c.body.endArr()
		c.body.endObj()
	}
	c.body.endArr()
	c.body.endObj()
	return nil
}

func (n *network) showQuota(c *call, more []string) error {
	if c.r.Method != http.MethodGet || len(more) == 0 {
		return errNoRoute
	}
	if more[0] != c.tok.projectID() && !c.tok.admin() {
		return netForbidden("PolicyNotAuthorized", "rule:get_quota is disallowed by policy")
	}
	quota := map[string]any{}
	for name, limit := range map[string]int{
		"network": 1000, "subnet": 1000, "port": 5000, "router": 1000, "floatingip": 1000, "security_group": 1000,
		"security_group_rule": 5000, "subnetpool": -1, "rbac_policy": 10, "trunk": -1,
	} {
		quota[name] = limit
		if len(more) > 1 && (more[1] == "details" || more[1] == "detail") {
			quota[name] = map[string]int{"limit": limit, "used": n.count(more[0], name), "reserved": 0}
		}
	}
	c.body.obj()
	c.body.value("quota", quota)
	c.body.endObj()
	return nil
}

// count is how many objects of a kind a project has.
func (n *network) count(project, singular string) int {
	total := 0
	for collection, k := range n.kinds {
		if k.singular != singular {
			continue
		}
		for _, o := range n.objects[collection] {
			if o.project == project {
				total++
			}
		}
	}
	return total
}
