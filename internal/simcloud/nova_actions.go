package simcloud

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/tricircle/tricircle/internal/fault"
)

// serverAction is one key of POST /servers/{id}/action.
type serverAction struct {
	verb  string   // as in Nova's error "Cannot '...' instance"
	from  []string // vm states it is possible in; nil is every
	to    string   // vm state afterwards; empty is the same
	admin string   // policy, if only an administrator may
	// do is what happens beside the change of state.
	do func(*compute, *call, *server, json.RawMessage) error
	// record is the name in os-instance-actions; empty is verb.
	record string
	free   bool // possible though the server is locked
	status int  // of the answer; 0 is 202
}

// serverActions are Nova's, with the states of nova/compute/api.py (check_instance_state).
var serverActions = map[string]serverAction{
	"os-start": {verb: "start", from: []string{"stopped"}, to: "active"},
	"os-stop":  {verb: "stop", from: []string{"active", "error"}, to: "stopped"},
	"reboot":   {verb: "reboot", do: (*compute).reboot},
	"pause":    {verb: "pause", from: []string{"active"}, to: "paused"},
	"unpause":  {verb: "unpause", from: []string{"paused"}, to: "active"},
	"suspend":  {verb: "suspend", from: []string{"active"}, to: "suspended"},
	"resume":   {verb: "resume", from: []string{"suspended"}, to: "active"},
	"lock":     {verb: "lock", free: true, do: (*compute).lock},
	"unlock":   {verb: "unlock", free: true, do: (*compute).unlock},
	"rescue": {verb: "rescue", from: []string{"active", "stopped", "error"}, to: "rescued", do: (*compute).rescue,
		status: 200},
	"unrescue": {verb: "unrescue", from: []string{"rescued"}, to: "active"},
	"shelve": {verb: "shelve", from: []string{"active", "stopped", "paused", "suspended"},
		to: "shelved_offloaded"},
	"shelveOffload": {verb: "shelveOffload", from: []string{"shelved"}, to: "shelved_offloaded",
		admin: "os_compute_api:os-shelve:shelve_offload"},
	"unshelve": {verb: "unshelve", from: []string{"shelved", "shelved_offloaded"}, to: "active"},
	"resize":   {verb: "resize", from: []string{"active", "stopped"}, do: (*compute).resize},
	"confirmResize": {verb: "confirmResize", from: []string{"resized"}, to: "active", do: (*compute).confirmResize,
		status: 204},
	"revertResize": {verb: "revertResize", from: []string{"resized"}, to: "active", do: (*compute).revertResize},
	"rebuild":      {verb: "rebuild", from: []string{"active", "stopped", "error"}, do: (*compute).rebuild},
	"createImage": {verb: "createImage", from: []string{"active", "stopped", "paused", "suspended"},
		do: (*compute).createImage},
	"os-getConsoleOutput": {verb: "get_console_output", free: true, do: (*compute).consoleOutput, status: 200, record: "-"},
	"os-resetState": {verb: "resetState", free: true, do: (*compute).resetState,
		admin: "os_compute_api:os-admin-actions:reset_state"},
	"changePassword":      {verb: "changePassword", from: []string{"active"}, do: (*compute).changePassword},
	"addSecurityGroup":    {verb: "addSecurityGroup", do: (*compute).addSecurityGroup, record: "-"},
	"removeSecurityGroup": {verb: "removeSecurityGroup", do: (*compute).removeSecurityGroup, record: "-"},
	"os-migrateLive": {verb: "live-migration", from: []string{"active", "paused"}, do: (*compute).migrateLive,
		admin: "os_compute_api:os-migrate-server:migrate_live"},
	"migrate": {verb: "migrate", from: []string{"active", "stopped"}, do: (*compute).migrateCold,
		admin: "os_compute_api:os-migrate-server:migrate"},
	"evacuate": {verb: "evacuate", from: []string{"active", "stopped", "error"}, do: (*compute).evacuate,
		admin: "os_compute_api:os-evacuate"},
	"forceDelete": {verb: "forceDelete", do: (*compute).forceDelete, record: "-"},
}

func (n *compute) act(c *call) error {
	var body map[string]json.RawMessage
	if err := c.decode(&body); err != nil {
		return err
	}
	if len(body) != 1 {
		return fault.BadRequest("Malformed request body")
	}
	for name, arguments := range body {
		a, ok := serverActions[name]
		if !ok {
			return fault.BadRequest("There is no such action: %s", name)
		}
		return n.perform(c, &a, arguments)
	}
	return nil
}

func (n *compute) perform(c *call, a *serverAction, arguments json.RawMessage) error {
	if a.admin != "" && !c.tok.admin() {
		return fault.Forbidden("Policy doesn't allow %s to be performed.", a.admin)
	}
	s, err := n.changing(c)
	if err != nil {
		return err
	}
	if !a.free {
		if err := s.checkLock(c); err != nil {
			return err
		}
	}
	vm := s.vmState(c.cloud.opts.Now())
	if a.from != nil && !slices.Contains(a.from, vm) {
		return cannot(a.verb, s, vm)
	}
	c.status = http.StatusAccepted
	if a.status != 0 {
		c.status = a.status
	}
	before := s.updated
	s.updated = c.cloud.opts.Now().UTC() // now, since a rebuild answers with the server
	if a.do != nil {
		if err := a.do(n, c, s, arguments); err != nil {
			s.updated = before
			return err
		}
	}
	if a.to != "" {
		s.state = a.to
	}
	switch a.record {
	case "":
		s.record(c, a.verb)
	case "-":
	default:
		s.record(c, a.record)
	}
	return nil
}

func cannot(verb string, s *server, vm string) error {
	return fault.Conflict("Cannot '%s' instance %s while it is in vm_state %s", verb, s.id, vm)
}

// checkLock refuses to change a locked server; administrators may.
func (s *server) checkLock(c *call) error {
	if s.locked && !c.tok.admin() {
		return fault.Conflict("Instance %s is locked", s.id)
	}
	return nil
}

// arguments reads an action's object.
func arguments(name string, raw json.RawMessage, v any) error {
	if err := json.Unmarshal(raw, v); err != nil {
		return fault.BadRequest("Invalid input for field/attribute %s. Value: %s.", name, raw)
	}
	return nil
}

func (n *compute) reboot(c *call, s *server, raw json.RawMessage) error {
	var b struct{ Type *string }
	if err := arguments("reboot", raw, &b); err != nil {
		return err
	}
	if b.Type == nil {
		return fault.BadRequest("Invalid input for field/attribute reboot. Value: %s. 'type' is a required property", raw)
	}
	allowed := []string{"HARD", "Hard", "hard", "SOFT", "Soft", "soft"}
	if !slices.Contains(allowed, *b.Type) {
		return fault.BadRequest("Invalid input for field/attribute type. Value: %s. '%s' is not one of ['HARD', 'Hard', "+
			"'hard', 'SOFT', 'Soft', 'soft']", *b.Type, *b.Type)
	}
	vm := s.vmState(c.cloud.opts.Now())
	soft := allowed[3:]
	from := []string{"active", "stopped", "paused", "suspended", "error"}
	if slices.Contains(soft, *b.Type) {
		from = from[:1]
	}
	if !slices.Contains(from, vm) {
		return cannot("reboot", s, vm)
	}
	s.state = "active"
	return nil
}

func (n *compute) lock(c *call, s *server, raw json.RawMessage) error {
	var b *struct {
		Reason string `json:"locked_reason"`
	}
	if err := arguments("lock", raw, &b); err != nil {
		return err
	}
	s.locked, s.lockedByAdmin = true, c.tok.admin()
	if b != nil && c.at(73) {
		s.lockReason = b.Reason
	}
	return nil
}

func (n *compute) unlock(c *call, s *server, _ json.RawMessage) error {
	if s.lockedByAdmin && !c.tok.admin() {
		return fault.Forbidden("Policy doesn't allow os_compute_api:os-lock-server:unlock:unlock_override to be performed.")
	}
	s.locked, s.lockedByAdmin, s.lockReason = false, false, ""
	return nil
}

func (n *compute) rescue(c *call, s *server, raw json.RawMessage) error {
	var b struct{ AdminPass string }
	if err := arguments("rescue", raw, &b); err != nil {
		return err
	}
	if b.AdminPass == "" {
		b.AdminPass = s.adminPass
	}
	c.body.obj()
	c.body.str("adminPass", b.AdminPass)
	c.body.endObj()
	return nil
}

func (n *compute) resize(_ *call, s *server, raw json.RawMessage) error {
	var b struct{ FlavorRef any }
	if err := arguments("resize", raw, &b); err != nil {
		return err
	}
	f := n.flavor(asString(b.FlavorRef))
	switch {
	case f == nil:
		return fault.BadRequest("Flavor %s could not be found.", asString(b.FlavorRef))
	case f == s.flavor:
		return fault.BadRequest("When resizing, instances must change flavor!")
	}
	s.oldFlavor, s.flavor, s.state = s.flavor, f, "resized"
	return nil
}

func (n *compute) confirmResize(c *call, s *server, _ json.RawMessage) error {
	s.settle(c, "confirmed")
	s.oldFlavor = nil
	return nil
}

func (n *compute) revertResize(c *call, s *server, _ json.RawMessage) error {
	s.settle(c, "reverted")
	if s.oldFlavor != nil {
		s.flavor, s.oldFlavor = s.oldFlavor, nil
	}
	return nil
}

func (n *compute) rebuild(c *call, s *server, raw json.RawMessage) error {
	var b struct {
		ImageRef                     string
		Name, Description, AdminPass *string
		Metadata                     *map[string]string
	}
	if err := arguments("rebuild", raw, &b); err != nil {
		return err
	}
	if !c.cloud.glance.usable(c.tok, b.ImageRef) {
		return fault.BadRequest("Cannot find image for rebuild")
	}
	s.image, s.state = b.ImageRef, "active"
	set(&s.name, b.Name)
	set(&s.description, b.Description)
	set(&s.adminPass, b.AdminPass)
	set(&s.metadata, b.Metadata)
	c.w.Header().Set("Location", c.prefix+"/servers/"+s.id)
	v := n.view(c)
	v.update, v.single = !c.at(75), c.at(75)
	d := c.body
	d.obj()
	d.key("server")
	shown := *s
	shown.rebuilding = true
	n.render(c, &shown, v)
	*d = (*d)[:len(*d)-1] // the server goes on
	d.str("adminPass", s.adminPass)
	if c.at(57) {
		d.orNull("user_data", s.userData)
	}
	d.endObj()
	d.endObj()
	return nil
}

// createImage answers with the image in a header before 2.45, in a body from then on.
func (n *compute) createImage(c *call, s *server, raw json.RawMessage) error {
	var b struct {
		Name     string
		Metadata map[string]string
	}
	if err := arguments("createImage", raw, &b); err != nil {
		return err
	}
	if b.Name == "" {
		return tooShort("name")
	}
	id := c.cloud.glance.snapshot(c.tok, b.Name, b.Metadata)
	if !c.at(45) {
		c.w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		c.w.Header().Set("Location", c.cloud.ImageURL()+"/images/"+id)
		return nil
	}
	c.body.obj()
	c.body.str("image_id", id)
	c.body.endObj()
	return nil
}

func (n *compute) consoleOutput(c *call, s *server, raw json.RawMessage) error {
	var b *struct{ Length any }
	if err := arguments("os-getConsoleOutput", raw, &b); err != nil {
		return err
	}
	c.body.obj()
	c.body.str("output", "console of "+s.id+"\n")
	c.body.endObj()
	return nil
}

func (n *compute) resetState(_ *call, s *server, raw json.RawMessage) error {
	var b struct{ State string }
	if err := arguments("os-resetState", raw, &b); err != nil {
		return err
	}
	if b.State != "active" && b.State != "error" {
		return fault.BadRequest("Invalid input for field/attribute state. Value: %s. '%s' is not one of ['active', 'error']",
			b.State, b.State)
	}
	s.state = b.State
	return nil
}

func (n *compute) changePassword(_ *call, s *server, raw json.RawMessage) error {
	var b struct{ AdminPass *string }
	if err := arguments("changePassword", raw, &b); err != nil {
		return err
	}
	if b.AdminPass == nil {
		return fault.BadRequest("Invalid input for field/attribute changePassword. Value: %s. 'adminPass' is a required "+
			"property", raw)
	}
	s.adminPass = *b.AdminPass
	return nil
}

func (n *compute) addSecurityGroup(c *call, s *server, raw json.RawMessage) error {
	name, err := n.namedGroup(c, "addSecurityGroup", raw)
	if err != nil {
		return err
	}
	if slices.Contains(s.groups, name) {
		return fault.BadRequest("Invalid input for security_groups. Reason: Duplicate items in the list: '%s'.", name)
	}
	s.groups = append(slices.Clone(s.groups), name)
	return nil
}

func (n *compute) removeSecurityGroup(c *call, s *server, raw json.RawMessage) error {
	name, err := n.namedGroup(c, "removeSecurityGroup", raw)
	if err != nil {
		return err
	}
	if !slices.Contains(s.groups, name) {
		return fault.Conflict("Security group %s not associated with the instance %s", name, s.id)
	}
	s.groups = slices.DeleteFunc(slices.Clone(s.groups), func(g string) bool { return g == name })
	return nil
}

func (n *compute) namedGroup(c *call, action string, raw json.RawMessage) (string, error) {
	var b struct{ Name string }
	if err := arguments(action, raw, &b); err != nil {
		return "", err
	}
	if !n.pod.network.hasGroup(c.tok, b.Name) {
		return "", fault.NotFound("Security group %s is not found for project %s", b.Name, c.tok.projectID())
	}
	return b.Name, nil
}

func (n *compute) forceDelete(c *call, s *server, _ json.RawMessage) error {
	n.destroy(c, s)
	return nil
}
