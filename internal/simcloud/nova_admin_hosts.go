package simcloud

import (
	"slices"
	"strings"

	"github.com/tricircle/tricircle/internal/fault"
)

// hosted checks what all calls of os-hosts share: policy, and that they end with 2.42.
func (n *compute) hosted(c *call, rule string) error {
	if err := c.policy("os_compute_api:os-hosts:" + rule); err != nil {
		return err
	}
	if c.at(43) {
		return fault.NotFound("The resource could not be found.")
	}
	return nil
}

// listHosts shows processes that are not disabled, by their short names.
func (n *compute) listHosts(c *call) error {
	if err := n.hosted(c, "list"); err != nil {
		return err
	}
	d, zone := c.body, c.query.Get("zone")
	d.obj()
	d.arr("hosts")
	for _, s := range n.processes {
		if s.disabled || zone != "" && zone != n.zoneOf(s) {
			continue
		}
		d.obj()
		d.str("host_name", s.host)
		d.str("service", strings.TrimPrefix(s.binary, "nova-"))
		d.str("zone", n.zoneOf(s))
		d.endObj()
	}
	d.endArr()
	d.endObj()
	return nil
}

// hostNamed is the compute host that the path names.
func (n *compute) hostNamed(c *call) (*process, error) {
	s := n.computeOn(c.arg[0])
	if s == nil {
		return nil, notMapped(c.arg[0])
	}
	return s, nil
}

// showHost shows what the host has, what is used, and what each project uses.
func (n *compute) showHost(c *call) error {
	if err := n.hosted(c, "show"); err != nil {
		return err
	}
	s, err := n.hostNamed(c)
	if err != nil {
		return err
	}
	d, l := c.body, n.loads(c.cloud.opts.Now())[s.host]
	row := func(project string, cores, ram, disk int) {
		d.obj()
		d.obj("resource")
		d.str("host", s.host)
		d.str("project", project)
		d.num("cpu", cores)
		d.num("memory_mb", ram)
		d.num("disk_gb", disk)
		d.endObj()
		d.endObj()
	}
	d.obj()
	d.arr("host")
	row("(total)", nodeCores, nodeRAM, nodeDisk)
	row("(used_now)", l.cores, nodeOwnRAM+l.ram, l.disk)
	row("(used_max)", l.cores, l.ram, l.disk)
	for _, project := range l.projects() {
		used := l.of(project)
		row(project, used.cores, used.ram, used.disk)
	}
	d.endArr()
	d.endObj()
	return nil
}

// projects are those with servers on the host, in order.
func (l *load) projects() (ids []string) {
	for _, s := range l.servers {
		ids = append(ids, s.project)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// of is what the servers of a project take.
func (l *load) of(project string) *load {
	part := &load{}
	for _, s := range l.servers {
		if s.project == project {
			part.take(s)
		}
	}
	return part
}

func (n *compute) updateHost(c *call) error {
	if err := n.hosted(c, "update"); err != nil {
		return err
	}
	var b struct {
		Status      string
		Maintenance string `json:"maintenance_mode"`
	}
	if err := c.decode(&b); err != nil {
		return err
	}
	status, mode := strings.ToLower(b.Status), strings.ToLower(b.Maintenance)
	for name, value := range map[string]string{"status": status, "maintenance_mode": mode} {
		if value != "" && value != "enable" && value != "disable" {
			return fault.BadRequest("Invalid input for field/attribute %s. Value: %s. '%s' is not one of ['enable', 'disable', 'Enable', "+
				"'Disable', 'ENABLE', 'DISABLE']", name, value, value)
		}
	}
	s, err := n.hostNamed(c)
	if err != nil {
		return err
	}
	d := c.body
	d.obj()
	d.str("host", s.host)
	if status != "" {
		s.disabled = status == "disable"
		d.str("status", state(s.disabled))
	}
	if mode != "" {
		d.str("maintenance_mode", map[string]string{"enable": "on_maintenance", "disable": "off_maintenance"}[mode])
	}
	d.endObj()
	return nil
}

// powerHost is a GET that pulls a plug.
func (n *compute) powerHost(c *call) error {
	what := c.r.URL.Path[strings.LastIndex(c.r.URL.Path, "/")+1:]
	if err := n.hosted(c, what); err != nil {
		return err
	}
	s, err := n.hostNamed(c)
	if err != nil {
		return err
	}
	c.body.obj()
	c.body.str("host", s.host)
	c.body.str("power_action", what)
	c.body.endObj()
	return nil
}
