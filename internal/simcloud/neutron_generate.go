package simcloud

import (
	"net/netip"
	"strconv"
	"time"
)

// addPrivateNetwork makes the network that every pod starts with. It is shared; its upper half is for the ports of
// generated servers.
func (n *network) addPrivateNetwork() {
	project := stableHex("project admin")
	net := n.newObject(n.kinds["networks"], project)
	net.id = stableUUID(n.pod.Region + " private network")
	name := "private" + strconv.Itoa(n.pod.number)
	net.attrs["name"], net.attrs["shared"] = name, true
	net.attrs["provider:network_type"], net.attrs["provider:segmentation_id"] = "geneve", n.segment
	net.attrs["provider:physical_network"] = nil
	n.objects["networks"][net.id] = net
	n.share(net, accessShared, true)
	subnet := n.newObject(n.kinds["subnets"], project)
	subnet.id = stableUUID(n.pod.Region + " private subnet")
	subnet.attrs["name"], subnet.attrs["network_id"] = name+"-subnet", net.id
	subnet.attrs["cidr"], subnet.attrs["gateway_ip"] = "10.0.0.0/8", "10.0.0.1"
	subnet.attrs["allocation_pools"] = []any{map[string]any{"start": "10.0.0.2", "end": "10.127.255.254"}}
	n.objects["subnets"][subnet.id] = subnet
	n.private = nic{network: net.id, networkName: name, subnet: subnet.id}
}

// generatedNIC is the port of untouched generated server i as the server knows it.
func (n *network) generatedNIC(i int) *nic {
	id := n.ports.id(i)
	ip := netip.AddrFrom4([4]byte{10, byte(128 | i>>16&127), byte(i >> 8), byte(i)})
	x := n.private
	x.port, x.address, x.mac = id, ip.String(), macOf(id)
	return &x
}

// portOf is the same as Neutron knows it.
func (n *network) portOf(i int) *netObject {
	return n.portFor(n.pod.compute.servers.gen.id(i), n.generatedNIC(i))
}

func (n *network) portFor(serverID string, x *nic) *netObject {
	p := n.newObject(n.kinds["ports"], stableDemoProject)
	p.id = x.port
	group, _ := n.groupNamed(stableDemoProject, "default")
	made := time.Unix(n.pod.compute.servers.gen.end, 0).UTC().Format(zulu)
	for k, v := range map[string]any{
		"network_id": x.network, "mac_address": x.mac, "status": "ACTIVE", "device_id": serverID,
		"device_owner": "compute:" + n.pod.Zone, "binding:host_id": n.pod.compute.placed(serverID),
		"security_groups": []string{group}, "created_at": made, "updated_at": made,
		"fixed_ips": []any{map[string]any{"subnet_id": x.subnet, "ip_address": x.address}},
	} {
		p.attrs[k] = v
	}
	return p
}

// adopt stores the port of a generated server that is stored from now on.
func (n *network) adopt(s *server, x *nic) {
	p := n.portFor(s.id, x)
	n.objects["ports"][p.id] = p
	n.used[address{x.subnet, x.address}] = true
}

// generatedPort finds the port of an untouched generated server. To change it, the server is touched.
func (n *network) generatedPort(id string, change bool) *netObject {
	i, ok := n.ports.find(id)
	if !ok {
		return nil
	}
	servers := n.pod.compute.servers
	server := servers.gen.id(i)
	if servers.byID[server] != nil {
		return nil
	}
	if !change {
		return n.portOf(i)
	}
	s, _, _ := servers.touch(server)
	n.pod.compute.adopt(s)
	return n.objects["ports"][id]
}
