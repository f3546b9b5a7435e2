package simcloud

import (
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/tricircle/tricircle/internal/fault"
)

// Each hypervisor is as large as those of the testbed, and keeps some memory for itself.
const (
	nodeCores  = 1000
	nodeRAM    = 800000 // MB
	nodeDisk   = 600000 // GB
	nodeOwnRAM = 512    // MB
)

const nodeUptime = " 12:00:00 up 1 day,  1:00,  0 users,  load average: 0.0"

// listHypervisors has pages from 2.33, and search and servers as parameters from 2.53.
func (n *compute) listHypervisors(c *call) error {
	detail := strings.HasSuffix(c.r.URL.Path, "/detail")
	rule := "os_compute_api:os-hypervisors:list"
	if detail {
		rule += "-detail"
	}
	if err := c.policy(rule); err != nil {
		return err
	}
	pattern, with := "", false
	if c.at(53) {
		pattern = c.query.Get("hypervisor_hostname_pattern")
		with = c.query.Get("with_servers") != "" && c.isTrue("with_servers")
	}
	if pattern != "" && (c.query.Has("limit") || c.query.Has("marker")) {
		return fault.BadRequest("The server could not comply with the request since it is either malformed or otherwise incorrect.")
	}
	nodes, more, err := n.hypervisorPage(c, pattern)
	if err != nil {
		return err
	}
	n.renderHypervisors(c, nodes, detail, with, more)
	return nil
}

// hypervisorPage returns the hypervisors that are asked for, and whether a link to the next page follows.
func (n *compute) hypervisorPage(c *call, pattern string) (nodes []*process, more bool, err error) {
	nodes = n.matching(pattern)
	if len(nodes) == 0 && pattern != "" {
		return nil, false, noMatch(pattern)
	}
	if !c.at(33) || pattern != "" {
		return nodes, false, nil
	}
	limit, err := c.novaLimit()
	if err != nil {
		return nil, false, err
	}
	if marker := c.query.Get("marker"); marker != "" {
		i := slices.IndexFunc(nodes, func(s *process) bool { return s.nodeID(c) == marker })
		if i < 0 {
			return nil, false, fault.BadRequest("marker [%s] not found", marker)
		}
		nodes = nodes[i+1:]
	}
	nodes = nodes[:min(limit, len(nodes))]
	return nodes, len(nodes) > 0 && len(nodes) == limit, nil
}

func noMatch(pattern string) error {
	return fault.NotFound("No hypervisor matching '%s' could be found.", pattern)
}

// matching are the hypervisors with a pattern in their name.
func (n *compute) matching(pattern string) []*process {
	return slices.DeleteFunc(n.computes(), func(s *process) bool { return !strings.Contains(s.host, pattern) })
}

func (n *compute) renderHypervisors(c *call, nodes []*process, detail, with, more bool) {
	d, loads := c.body, n.loads(c.cloud.opts.Now())
	d.obj()
	d.arr("hypervisors")
	for _, s := range nodes {
		s.renderHypervisor(c, loads[s.host], detail, with)
	}
	d.endArr()
	if more {
		path := "/os-hypervisors"
		if detail {
			path += "/detail"
		}
		c.nextPage("hypervisors_links", path, nodes[len(nodes)-1].nodeID(c))
	}
	d.endObj()
}

// nodeID is the id of the hypervisor as the microversion has it.
func (s *process) nodeID(c *call) string {
	if c.at(53) {
		return s.nodeUUID
	}
	return strconv.Itoa(s.node)
}

// renderHypervisor writes one, which from 2.88 on says nothing of its load.
func (s *process) renderHypervisor(c *call, l *load, detail, with bool) {
	d := c.body
	d.obj()
	s.summarizeHypervisor(c)
	if detail {
		d.str("hypervisor_type", "fake")
		d.num("hypervisor_version", 1000)
		d.str("host_ip", "127.0.0.1")
		d.obj("service")
		s.renderID(c)
		d.str("host", s.host)
		d.orNull("disabled_reason", s.reason)
		d.endObj()
		if c.at(88) {
			d.str("uptime", nodeUptime)
		} else {
			l.render(c)
		}
	}
	if with && (len(l.servers) > 0 || c.at(75)) {
		l.renderServers(c)
	}
	d.endObj()
}

func (s *process) summarizeHypervisor(c *call) {
	d := c.body
	if c.at(53) {
		d.str("id", s.nodeUUID)
	} else {
		d.num("id", s.node)
	}
	d.str("hypervisor_hostname", s.host)
	d.str("state", s.state())
	d.str("status", state(s.disabled))
}

// figures are what servers take of hypervisors, in the order of Nova's views.
func (l *load) figures(nodes int) []struct {
	name  string
	value int
} {
	ram, used := nodes*nodeRAM, nodes*nodeOwnRAM+l.ram
	return []struct {
		name  string
		value int
	}{
		{"vcpus", nodes * nodeCores}, {"memory_mb", ram}, {"local_gb", nodes * nodeDisk},
		{"vcpus_used", l.cores}, {"memory_mb_used", used}, {"local_gb_used", l.disk},
		{"free_ram_mb", ram - used}, {"free_disk_gb", nodes*nodeDisk - l.disk},
		{"current_workload", 0}, {"running_vms", len(l.servers)}, {"disk_available_least", 0},
	}
}

func (l *load) render(c *call) {
	for _, f := range l.figures(1) {
		c.body.num(f.name, f.value)
	}
	const cpu = `{"arch": "x86_64", "model": "Nehalem", "vendor": "Intel", "features": ["pge", "clflush"], ` +
		`"topology": {"cores": 1, "threads": 1, "sockets": 4}}`
	if c.at(28) {
		c.body.raw("cpu_info", cpu)
	} else {
		c.body.str("cpu_info", cpu)
	}
}

func (l *load) renderServers(c *call) {
	d := c.body
	d.arr("servers")
	for _, s := range l.servers {
		d.obj()
		d.str("name", s.instanceName())
		d.str("uuid", s.id)
		d.endObj()
	}
	d.endArr()
}

// hypervisor finds the one that the path names.
func (n *compute) hypervisor(c *call) (*process, error) {
	id := c.arg[0]
	if c.at(53) && uuid.Validate(id) != nil {
		return nil, fault.BadRequest("Invalid uuid %s", id)
	}
	s := first(n.computes(), func(s *process) bool { return s.nodeID(c) == id })
	if s == nil {
		return nil, fault.NotFound("Hypervisor with ID '%s' could not be found.", id)
	}
	return s, nil
}

func (n *compute) showHypervisor(c *call) error {
	if err := c.policy("os_compute_api:os-hypervisors:show"); err != nil {
		return err
	}
	s, err := n.hypervisor(c)
	if err != nil {
		return err
	}
	with := c.at(53) && c.query.Get("with_servers") != "" && c.isTrue("with_servers")
	return member(c, "hypervisor", n.loads(c.cloud.opts.Now())[s.host], func(c *call, l *load) { s.renderHypervisor(c, l, true, with) })
}

func (n *compute) showUptime(c *call) error {
	if err := c.policy("os_compute_api:os-hypervisors:uptime"); err != nil {
		return err
	}
	if c.at(88) {
		return fault.NotFound("The resource could not be found.")
	}
	s, err := n.hypervisor(c)
	if err != nil {
		return err
	}
	return member(c, "hypervisor", s, func(c *call, s *process) {
		c.body.obj()
		s.summarizeHypervisor(c)
		c.body.str("uptime", nodeUptime)
		c.body.endObj()
	})
}

// searchHypervisors is both /search and /servers, which end with 2.52.
func (n *compute) searchHypervisors(c *call) error {
	with := strings.HasSuffix(c.r.URL.Path, "/servers")
	rule := "os_compute_api:os-hypervisors:search"
	if with {
		rule = "os_compute_api:os-hypervisors:servers"
	}
	if err := c.policy(rule); err != nil {
		return err
	}
	if c.at(53) {
		return fault.NotFound("The resource could not be found.")
	}
	nodes := n.matching(c.arg[0])
	if len(nodes) == 0 {
		return noMatch(c.arg[0])
	}
	n.renderHypervisors(c, nodes, false, with, false)
	return nil
}

// showStatistics adds up the hypervisors of the pod.
func (n *compute) showStatistics(c *call) error {
	if err := c.policy("os_compute_api:os-hypervisors:statistics"); err != nil {
		return err
	}
	if c.at(88) {
		return fault.NotFound("The resource could not be found.")
	}
	d, nodes := c.body, n.computes()
	total, loads := &load{}, n.loads(c.cloud.opts.Now())
	for _, s := range nodes {
		total.take(loads[s.host].servers...)
	}
	d.obj()
	d.obj("hypervisor_statistics")
	d.num("count", len(nodes))
	for _, f := range total.figures(len(nodes)) {
		d.num(f.name, f.value)
	}
	d.endObj()
	d.endObj()
	return nil
}
