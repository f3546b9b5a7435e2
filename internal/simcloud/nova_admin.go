package simcloud

import (
	"slices"
	"time"
)

// process is one process of a pod's Nova, as administrators see it. A nova-compute is a host and a hypervisor too.
type process struct {
	id           int    // inside the pod
	uuid         string // from 2.53 on
	binary, host string
	disabled     bool
	reason       string // why it is disabled
	forcedDown   bool
	node         int // id of the hypervisor inside the pod; 0 if it is none
	nodeUUID     string
}

// processes are what each pod runs: what controls it, named by the region, and the compute hosts.
func processes(p *Pod) []*process {
	var all []*process
	add := func(binary, host string, node int) {
		all = append(all, &process{
			id: len(all) + 1, uuid: stableUUID(p.Region + host + binary), binary: binary, host: host,
			node: node, nodeUUID: stableUUID(p.Region + host + " hypervisor"),
		})
	}
	add("nova-scheduler", p.Region, 0)
	add("nova-conductor", p.Region, 0)
	hosts := p.cloud.opts.Hosts
	if hosts == nil {
		hosts = []string{p.Region + "-c1", p.Region + "-c2"}
	}
	for i, host := range hosts {
		add("nova-compute", host, i+1)
	}
	return all
}

// computes are the processes that run servers.
func (n *compute) computes() []*process {
	return slices.DeleteFunc(slices.Clone(n.processes), func(s *process) bool { return s.node == 0 })
}

// computeOn is the nova-compute of a host, nil if there is none.
func (n *compute) computeOn(host string) *process {
	return first(n.processes, func(s *process) bool { return s.node != 0 && s.host == host })
}

// placed names the host that the scheduler took for a server, by its id alone. Services may be deleted; hosts stay.
func (n *compute) placed(id string) string {
	at := 0
	if id != "" {
		at = int(id[len(id)-1]) % len(n.hosts)
	}
	return n.hosts[at]
}

// hostOf names the host that a server is on at a moment.
func (n *compute) hostOf(s *server, now time.Time) string {
	switch {
	case s.move != nil && s.move.arrived(now):
		return s.move.dest
	case s.move != nil:
		return s.move.source
	case s.forced != "":
		return s.forced
	}
	return n.placed(s.id)
}

// load is what servers take of a host.
type load struct {
	servers          []*server
	cores, ram, disk int
}

// loads adds up the servers of each host.
func (n *compute) loads(now time.Time) map[string]*load {
	all := map[string]*load{}
	for _, host := range n.hosts {
		all[host] = &load{}
	}
	for r := range n.servers.walk(nil, true) {
		s := n.servers.at(r)
		if !s.isDeleted() {
			all[n.hostOf(s, now)].take(s)
		}
	}
	return all
}

func (l *load) take(servers ...*server) {
	l.servers = append(l.servers, servers...)
	for _, s := range servers {
		l.cores += s.flavor.VCPUs
		l.ram += s.flavor.RAM
		l.disk += s.flavor.Disk
	}
}

// zoneOf is the zone that an aggregate gives a host; "nova" is the one of hosts without (nova.conf default_availability_zone), and
// "internal" that of all but nova-compute (internal_service_availability_zone).
func (n *compute) zoneOf(s *process) string {
	if s.node == 0 {
		return "internal"
	}
	for _, a := range n.aggregates {
		if zone := a.metadata[zoneKey]; zone != "" && slices.Contains(a.hosts, s.host) {
			return zone
		}
	}
	return "nova"
}

func (s *process) state() string {
	if s.forcedDown {
		return "down"
	}
	return "up"
}
