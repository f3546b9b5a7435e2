package simcloud

import (
	"slices"
	"strconv"
	"time"
)

// server is a server that exists in memory: created by the API, touched, or generated for one answer.
type server struct {
	id, name, hostname string
	description        string // "" is null
	project, user      string
	created, updated   time.Time
	launched, deleted  time.Time // zero: not yet
	activeAt           time.Time // until then it is being built
	state              string    // Nova's vm_state once it is built
	rebuilding         bool      // in the answer to a rebuild
	flavor, oldFlavor  *flavor
	image              string // "" when booted from a volume
	key                string
	userData           string
	adminPass          string
	number             int // of the instance name
	reservation        string
	launchIndex        int
	metadata           map[string]string
	tags               []string
	locked             bool
	lockReason         string
	lockedByAdmin      bool
	diskConfig         string
	configDrive        bool
	accessIPv4         string
	accessIPv6         string
	nics               []*nic
	groups             []string // names of security groups
	volumes            []*attachment
	serverGroup        string
	forced             string     // host that an administrator chose
	move               *migration // the last; nil: still where it was placed
	actions            []*action  // oldest first
}

// nic is a server's view of a Neutron port.
type nic struct {
	port, network, networkName, subnet, address, mac string
	given                                            bool // the user made the port
}

// action is an entry of os-instance-actions.
type action struct {
	name, request, user, project string
	started                      time.Time
}

func (s *server) identity() (int64, string) { return s.created.Unix(), s.id }

func (s *server) isDeleted() bool { return !s.deleted.IsZero() }

// vmState is the state at this moment: a server is built as time passes, nobody has to do it.
func (s *server) vmState(now time.Time) string {
	switch {
	case s.isDeleted():
		return "deleted"
	case now.Before(s.activeAt):
		return "building"
	}
	return s.state
}

// statuses maps vm_state to the status that users see (nova/api/openstack/common.py, _STATE_MAP).
var statuses = map[string]string{
	"building": "BUILD", "active": "ACTIVE", "stopped": "SHUTOFF", "paused": "PAUSED", "suspended": "SUSPENDED",
	"rescued": "RESCUE", "resized": "VERIFY_RESIZE", "shelved": "SHELVED", "shelved_offloaded": "SHELVED_OFFLOADED",
	"error": "ERROR", "deleted": "DELETED", "soft-delete": "SOFT_DELETED",
}

// progressing are the states with an attribute "progress" (nova/api/openstack/compute/views/servers.py).
func progressing(status string) bool {
	switch status {
	case "ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING":
		return true
	}
	return false
}

// powerState is Nova's number for what the hypervisor sees.
func powerState(vm string) int {
	switch vm {
	case "active", "resized", "rescued":
		return 1
	case "paused":
		return 3
	case "stopped", "suspended", "shelved":
		return 4
	}
	return 0
}

// view says how servers are written: the answers of show, list and update differ.
type view struct {
	now      time.Time
	zone     string
	single   bool // show: has server_groups
	update   bool // PUT below 2.75: without the extensions
	extended bool // the caller may see admin attributes
}

func (n *compute) view(c *call) view {
	return view{now: c.cloud.opts.Now(), zone: n.pod.Zone, extended: c.tok.admin()}
}

// writeLinks ends with "links" of a resource of this service.
func (c *call) writeLinks(collection, id string) {
	c.body.arr("links")
	c.body.link("self", c.prefix, "/", collection, "/", id)
	c.body.link("bookmark", c.bookmark, "/", collection, "/", id)
	c.body.endArr()
}

func (n *compute) summarize(c *call, s *server) {
	c.body.obj()
	c.body.str("id", s.id)
	c.body.str("name", s.name)
	c.writeLinks("servers", s.id)
	c.body.endObj()
}

// render writes a server in the order of keys that Nova has (views/servers.py, ViewBuilder.show).
func (n *compute) render(c *call, s *server, v view) {
	d, vm := c.body, s.vmState(v.now)
	built := vm != "building"
	d.obj()
	d.str("id", s.id)
	d.str("name", s.name)
	status := statuses[vm]
	if s.rebuilding {
		status = "REBUILD"
	}
	d.str("status", status)
	d.str("tenant_id", s.project)
	d.str("user_id", s.user)
	d.pairs("metadata", s.metadata)
	host := ""
	if built {
		host = n.hostOf(s, v.now)
		d.str("hostId", hostID(s.project, host))
	} else {
		d.str("hostId", "")
	}
	n.renderImage(c, s)
	n.renderFlavor(c, s.flavor)
	d.time("created", s.created, zulu)
	d.time("updated", s.updated, zulu)
	n.renderAddresses(c, s, built, !v.update)
	d.str("accessIPv4", s.accessIPv4)
	d.str("accessIPv6", s.accessIPv6)
	c.writeLinks("servers", s.id)
	d.str("OS-DCF:diskConfig", s.diskConfig)
	if progressing(status) {
		d.num("progress", 0)
	}
	if !v.update {
		n.renderExtensions(c, s, v, vm, host)
	}
	n.renderLater(c, s, v, built)
	d.endObj()
}

func (n *compute) renderImage(c *call, s *server) {
	if s.image == "" {
		c.body.str("image", "")
		return
	}
	c.body.obj("image")
	c.body.str("id", s.image)
	c.body.arr("links")
	c.body.link("bookmark", c.bookmark, "/images/", s.image)
	c.body.endArr()
	c.body.endObj()
}

// renderFlavor embeds the flavor from 2.47; before, it is a link.
func (n *compute) renderFlavor(c *call, f *flavor) {
	d := c.body
	d.obj("flavor")
	defer d.endObj()
	if !c.at(47) {
		d.str("id", f.ID)
		d.arr("links")
		d.link("bookmark", c.bookmark, "/flavors/", f.ID)
		d.endArr()
		return
	}
	d.num("vcpus", f.VCPUs)
	d.num("ram", f.RAM)
	d.num("disk", f.Disk)
	d.num("ephemeral", f.Ephemeral)
	d.num("swap", f.Swap)
	d.str("original_name", f.Name)
	d.pairs("extra_specs", f.extraSpecs)
}

// renderAddresses groups the addresses by network, in order of the first port of each.
func (n *compute) renderAddresses(c *call, s *server, built, extended bool) {
	d := c.body
	d.obj("addresses")
	if built && !s.isDeleted() {
		for i, first := range s.nics {
			seen := func(x *nic) bool { return x.networkName == first.networkName }
			if slices.ContainsFunc(s.nics[:i], seen) {
				continue
			}
			d.arr(first.networkName)
			for _, x := range s.nics[i:] {
				if seen(x) {
					x.render(d, extended)
				}
			}
			d.endArr()
		}
	}
	d.endObj()
}

func (x *nic) render(d *doc, extended bool) {
	d.obj()
	d.num("version", 4)
	d.str("addr", x.address)
	if extended {
		d.str("OS-EXT-IPS:type", "fixed")
		d.str("OS-EXT-IPS-MAC:mac_addr", x.mac)
	}
	d.endObj()
}

// renderExtensions writes what once were API extensions.
func (n *compute) renderExtensions(c *call, s *server, v view, vm, host string) {
	d := c.body
	built := vm != "building"
	if built {
		d.str("OS-EXT-AZ:availability_zone", v.zone)
	} else {
		d.str("OS-EXT-AZ:availability_zone", "")
	}
	if s.configDrive {
		d.str("config_drive", "True")
	} else {
		d.str("config_drive", "")
	}
	d.orNull("key_name", s.key)
	launched := s.launched
	if !built {
		launched = time.Time{}
	}
	d.time("OS-SRV-USG:launched_at", launched, micro)
	d.time("OS-SRV-USG:terminated_at", s.deleted, micro)
	if built && !s.isDeleted() && len(s.groups) > 0 {
		d.arr("security_groups")
		for _, name := range s.groups {
			d.obj()
			d.str("name", name)
			d.endObj()
		}
		d.endArr()
	}
	if v.extended {
		n.renderAdmin(c, s, host)
	}
	switch {
	case s.rebuilding:
		d.str("OS-EXT-STS:task_state", "rebuilding")
	case built:
		d.null("OS-EXT-STS:task_state")
	default:
		d.str("OS-EXT-STS:task_state", "spawning")
	}
	d.str("OS-EXT-STS:vm_state", vm)
	d.num("OS-EXT-STS:power_state", powerState(vm))
	d.arr("os-extended-volumes:volumes_attached")
	for _, a := range s.volumes {
		d.obj()
		d.str("id", a.volume)
		if c.at(3) {
			d.yes("delete_on_termination", a.deleteWithServer)
		}
		d.endObj()
	}
	d.endArr()
	if v.extended && c.at(16) {
		d.str("host_status", "UP")
	}
}

func (n *compute) renderAdmin(c *call, s *server, host string) {
	d := c.body
	d.orNull("OS-EXT-SRV-ATTR:host", host)
	d.str("OS-EXT-SRV-ATTR:instance_name", s.instanceName())
	d.orNull("OS-EXT-SRV-ATTR:hypervisor_hostname", host)
	if !c.at(3) {
		return
	}
	d.str("OS-EXT-SRV-ATTR:reservation_id", s.reservation)
	d.num("OS-EXT-SRV-ATTR:launch_index", s.launchIndex)
	d.str("OS-EXT-SRV-ATTR:hostname", s.hostname)
	d.str("OS-EXT-SRV-ATTR:kernel_id", "")
	d.str("OS-EXT-SRV-ATTR:ramdisk_id", "")
	d.str("OS-EXT-SRV-ATTR:root_device_name", "/dev/sda")
	d.orNull("OS-EXT-SRV-ATTR:user_data", s.userData)
}

func (s *server) instanceName() string { return "instance-" + hex8(s.number) }

func hex8(n int) string {
	s := strconv.FormatInt(int64(n), 16)
	return "00000000"[:max(0, 8-len(s))] + s
}

// renderLater writes what microversions added.
func (n *compute) renderLater(c *call, s *server, v view, built bool) {
	d := c.body
	if c.at(9) {
		d.yes("locked", s.locked)
	}
	if c.at(73) {
		d.orNull("locked_reason", s.lockReason)
	}
	if c.at(19) {
		d.orNull("description", s.description)
	}
	if c.at(26) {
		d.strs("tags", s.tags)
	}
	if c.at(63) {
		d.null("trusted_image_certificates")
	}
	if c.at(90) && !v.extended {
		d.str("OS-EXT-SRV-ATTR:hostname", s.hostname)
	}
	if c.at(71) && v.single {
		d.arr("server_groups")
		if s.serverGroup != "" {
			d.quote(s.serverGroup)
		}
		d.endArr()
	}
}

func (n *compute) showServer(c *call) error {
	s, err := n.visible(c)
	if err != nil {
		return err
	}
	v := n.view(c)
	v.single = true
	c.body.obj()
	c.body.key("server")
	n.render(c, s, v)
	c.body.endObj()
	return nil
}

func (n *compute) deleteServer(c *call) error {
	s, err := n.changing(c)
	if err != nil {
		return err
	}
	if err := s.checkLock(c); err != nil {
		return err
	}
	n.destroy(c, s)
	c.status = 204
	return nil
}

// destroy deletes the server, frees its volumes and deletes the ports that Nova made.
func (n *compute) destroy(c *call, s *server) {
	now := c.cloud.opts.Now().UTC()
	s.record(c, "delete")
	for _, a := range s.volumes {
		n.pod.volume.release(a)
	}
	n.pod.network.unplug(s.nics...)
	s.volumes, s.nics = nil, nil
	s.deleted, s.updated = now, now
	for _, g := range n.groups {
		g.members = slices.DeleteFunc(g.members, func(id string) bool { return id == s.id })
	}
}

func (n *compute) updateServer(c *call) error {
	s, err := n.changing(c)
	if err != nil {
		return err
	}
	var b struct {
		Name, AccessIPv4, AccessIPv6, Description, Hostname *string
		DiskConfig                                          *string `json:"OS-DCF:diskConfig"`
	}
	if err := c.decodeStrict("server", &b); err != nil {
		return err
	}
	if b.Name != nil && *b.Name == "" {
		return tooShort("name")
	}
	set(&s.name, b.Name)
	set(&s.accessIPv4, b.AccessIPv4)
	set(&s.accessIPv6, b.AccessIPv6)
	set(&s.description, b.Description)
	set(&s.hostname, b.Hostname)
	set(&s.diskConfig, b.DiskConfig)
	s.updated = c.cloud.opts.Now().UTC()
	v := n.view(c)
	v.update, v.single = !c.at(75), c.at(75)
	c.body.obj()
	c.body.key("server")
	n.render(c, s, v)
	c.body.endObj()
	return nil
}

// record adds an entry to the server's instance actions.
func (s *server) record(c *call, name string) {
	s.actions = append(s.actions, &action{
		name: name, request: c.requestID, user: c.tok.user.id, project: c.tok.projectID(),
		started: c.cloud.opts.Now().UTC(),
	})
}
