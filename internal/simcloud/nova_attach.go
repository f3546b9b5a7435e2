package simcloud

import (
	"net/http"
	"slices"

	"github.com/google/uuid"

	"github.com/tricircle/tricircle/internal/fault"
)

// Volumes, addresses and the history of a server.

func (n *compute) listAttachments(c *call) error {
	s, err := n.visible(c)
	if err != nil {
		return err
	}
	c.body.obj()
	c.body.arr("volumeAttachments")
	for _, a := range s.volumes {
		renderServerAttachment(c, s, a)
	}
	c.body.endArr()
	c.body.endObj()
	return nil
}

// renderServerAttachment writes an attachment as Nova sees it. From 2.89 it has no "id", which was that of the volume.
func renderServerAttachment(c *call, s *server, a *attachment) {
	d := c.body
	d.obj()
	if !c.at(89) {
		d.str("id", a.volume)
	}
	d.str("volumeId", a.volume)
	d.str("serverId", s.id)
	d.str("device", a.device)
	if c.at(70) {
		d.null("tag")
	}
	if c.at(79) {
		d.yes("delete_on_termination", a.deleteWithServer)
	}
	if c.at(89) {
		d.str("attachment_id", a.id)
		d.str("bdm_uuid", a.bdm)
	}
	d.endObj()
}

func (s *server) attachment(volume string) *attachment {
	return first(s.volumes, func(a *attachment) bool { return a.volume == volume })
}

func (n *compute) showAttachment(c *call) error {
	s, err := n.visible(c)
	if err != nil {
		return err
	}
	a := s.attachment(c.arg[1])
	if a == nil {
		return notAttached(s, c.arg[1])
	}
	return member(c, "volumeAttachment", a, func(c *call, a *attachment) { renderServerAttachment(c, s, a) })
}

func notAttached(s *server, volume string) error {
	return fault.NotFound("Instance %s is not attached to volume %s", s.id, volume)
}

func (n *compute) attach(c *call) error {
	s, err := n.changing(c)
	if err != nil {
		return err
	}
	var b struct {
		VolumeID string `json:"volumeId"`
		Device   string
		Delete   bool `json:"delete_on_termination"`
	}
	if err := c.decodeIn("volumeAttachment", &b); err != nil {
		return err
	}
	if err := s.checkLock(c); err != nil {
		return err
	}
	vm := s.vmState(c.cloud.opts.Now())
	if !slices.Contains([]string{"active", "paused", "stopped", "resized", "soft-delete", "shelved", "shelved_offloaded"}, vm) {
		return cannot("attach_volume", s, vm)
	}
	if uuid.Validate(b.VolumeID) != nil {
		return fault.BadRequest("Invalid input for field/attribute volumeId. Value: %s. '%s' is not a 'uuid'", b.VolumeID, b.VolumeID)
	}
	v, err := n.pod.volume.attachable(c.tok, b.VolumeID)
	if err != nil {
		// Here, other than in a boot request, an unknown volume is 404.
		if e := fault.From(err); e.Err == errNoVolume {
			return fault.NotFound("%s", e.Message)
		}
		return err
	}
	a := &attachment{volume: v.id, device: b.Device, deleteWithServer: b.Delete}
	n.pod.volume.connect(c, s, a)
	s.updated = c.cloud.opts.Now().UTC()
	s.record(c, "attach_volume")
	return member(c, "volumeAttachment", a, func(c *call, a *attachment) { renderServerAttachment(c, s, a) })
}

func (n *compute) detach(c *call) error {
	s, err := n.changing(c)
	if err != nil {
		return err
	}
	a := s.attachment(c.arg[1])
	if a == nil {
		return notAttached(s, c.arg[1])
	}
	if a.root {
		return fault.Forbidden("Cannot detach a root device volume")
	}
	if err := s.checkLock(c); err != nil {
		return err
	}
	n.pod.volume.release(a)
	s.volumes = slices.DeleteFunc(s.volumes, func(x *attachment) bool { return x == a })
	s.record(c, "detach_volume")
	c.status = http.StatusAccepted
	return nil
}

func (n *compute) listIPs(c *call) error {
	s, err := n.visible(c)
	if err != nil {
		return err
	}
	built := s.vmState(c.cloud.opts.Now()) != "building"
	c.body.obj()
	n.renderAddresses(c, s, built, false)
	c.body.endObj()
	return nil
}

func (n *compute) showIPs(c *call) error {
	s, err := n.visible(c)
	if err != nil {
		return err
	}
	name := c.arg[1]
	if !slices.ContainsFunc(s.nics, func(x *nic) bool { return x.networkName == name }) {
		return fault.NotFound("Instance is not a member of specified network")
	}
	c.body.obj()
	c.body.arr(name)
	for _, x := range s.nics {
		if x.networkName == name {
			x.render(c.body, false)
		}
	}
	c.body.endArr()
	c.body.endObj()
	return nil
}

func (n *compute) listInterfaces(c *call) error {
	s, err := n.visible(c)
	if err != nil {
		return err
	}
	c.body.obj()
	c.body.arr("interfaceAttachments")
	for _, x := range s.nics {
		renderInterface(c, x)
	}
	c.body.endArr()
	c.body.endObj()
	return nil
}

func renderInterface(c *call, x *nic) {
	d := c.body
	d.obj()
	d.str("net_id", x.network)
	d.str("port_id", x.port)
	d.str("mac_addr", x.mac)
	d.str("port_state", "ACTIVE")
	d.arr("fixed_ips")
	d.obj()
	d.str("subnet_id", x.subnet)
	d.str("ip_address", x.address)
	d.endObj()
	d.endArr()
	if c.at(70) {
		d.null("tag")
	}
	d.endObj()
}

// attachInterface plugs one more port: the given one, or a new one in the given network or in the one that "auto" means.
func (n *compute) attachInterface(c *call) error {
	s, err := n.changing(c)
	if err != nil {
		return err
	}
	var b struct {
		Port    string `json:"port_id"`
		Network string `json:"net_id"`
		Fixed   []struct {
			IP string `json:"ip_address"`
		} `json:"fixed_ips"`
	}
	if err := c.decodeIn("interfaceAttachment", &b); err != nil {
		return err
	}
	if vm := s.vmState(c.cloud.opts.Now()); !slices.Contains([]string{"active", "paused", "stopped"}, vm) {
		return cannot("attach_interface", s, vm)
	}
	r := netRequest{UUID: b.Network, Port: b.Port}
	if len(b.Fixed) > 0 {
		r.FixedIP = b.Fixed[0].IP
	}
	if r == (netRequest{}) {
		if found := n.pod.network.usable(c.tok); len(found) == 1 {
			r.UUID = found[0]
		}
	}
	if err := n.pod.network.canPlug(c.tok, r); err != nil {
		return err
	}
	if n.pod.network.misnames(s, []netRequest{r}) {
		return fault.New(http.StatusInternalServerError, "Unexpected API Error. Please report this at http://bugs.launchpad.net/nova/ and "+
			"attach the Nova API log if possible.\n<class 'nova.exception.PortNotUsableDNS'>")
	}
	if err := n.pod.network.plug(c.tok, s, []netRequest{r}); err != nil {
		return err
	}
	s.record(c, "attach_interface")
	return member(c, "interfaceAttachment", s.nics[len(s.nics)-1], renderInterface)
}

func (n *compute) detachInterface(c *call) error {
	s, err := n.changing(c)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(s.nics, func(x *nic) bool { return x.port == c.arg[1] })
	if at < 0 {
		return fault.NotFound("Port %s is not attached to server %s", c.arg[1], s.id)
	}
	n.pod.network.unplug(s.nics[at])
	s.nics = slices.Delete(slices.Clone(s.nics), at, at+1)
	s.record(c, "detach_interface")
	c.status = http.StatusAccepted
	return nil
}

func (n *compute) listSecurityGroups(c *call) error {
	s, err := n.visible(c)
	if err != nil {
		return err
	}
	d := c.body
	d.obj()
	d.arr("security_groups")
	for _, g := range n.pod.network.groupsOf(s) {
		d.obj()
		d.str("id", g.id)
		d.str("description", g.text("description"))
		d.str("name", g.text("name"))
		d.str("tenant_id", s.project)
		d.raw("rules", "[]")
		d.endObj()
	}
	d.endArr()
	d.endObj()
	return nil
}

// withHistory is visible, but from 2.21 the actions of deleted servers can be read too.
func (n *compute) withHistory(c *call) (*server, error) {
	if s, ok := n.servers.get(c.arg[0]); ok && c.at(21) && (s.project == c.tok.projectID() || c.tok.admin()) {
		return s, nil
	}
	return n.visible(c)
}

func (n *compute) listActions(c *call) error {
	s, err := n.withHistory(c)
	if err != nil {
		return err
	}
	c.body.obj()
	c.body.arr("instanceActions")
	for _, a := range slices.Backward(s.history()) {
		n.renderAction(c, s, a, false)
	}
	c.body.endArr()
	c.body.endObj()
	return nil
}

// history is what was recorded, after the creation of a generated server.
func (s *server) history() []*action {
	if len(s.actions) > 0 && s.actions[0].name == "create" {
		return s.actions
	}
	created := &action{name: "create", request: "req-" + s.id, user: s.user, project: s.project, started: s.created}
	return append([]*action{created}, s.actions...)
}

func (n *compute) showAction(c *call) error {
	s, err := n.withHistory(c)
	if err != nil {
		return err
	}
	a := first(s.history(), func(a *action) bool { return a.request == c.arg[1] })
	if a == nil {
		return fault.NotFound("Action %s not found", c.arg[1])
	}
	return member(c, "instanceAction", a, func(c *call, a *action) { n.renderAction(c, s, a, true) })
}

func (n *compute) renderAction(c *call, s *server, a *action, events bool) {
	d := c.body
	d.obj()
	d.str("action", a.name)
	d.str("instance_uuid", s.id)
	d.str("request_id", a.request)
	d.str("user_id", a.user)
	d.str("project_id", a.project)
	d.time("start_time", a.started, micro)
	d.null("message")
	if c.at(58) {
		d.time("updated_at", a.started, micro)
	}
	if events && (c.at(51) || c.tok.admin()) {
		d.arr("events")
		d.obj()
		d.str("event", "compute_"+a.name+"_instance")
		d.time("start_time", a.started, micro)
		d.time("finish_time", a.started, micro)
		d.str("result", "Success")
		if c.at(62) {
			d.str("hostId", hostID(s.project, n.hostOf(s, c.cloud.opts.Now())))
		}
		d.endObj()
		d.endArr()
	}
	d.endObj()
}
