package simcloud

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/tricircle/tricircle/internal/fault"
)

func (a *attachment) ref() (id, project string) { return a.id, a.project }
func (a *attachment) filter(name string) string {
	return map[string]string{"id": a.id, "volume_id": a.volume, "instance_id": a.server, "instance_uuid": a.server, "status": a.status(),
		"attach_status": a.status(), "created_at": a.id}[name]
}

// status is reserved until whoever asked for the attachment says that it is complete.
func (a *attachment) status() string {
	if a.reserved {
		return "reserved"
	}
	return "attached"
}

var attachmentSortKeys = map[string]bool{"id": true, "volume_id": true, "instance_uuid": true, "attach_status": true, "created_at": true}

func (v *volume) renderAttachment(c *call, a *attachment) {
	v.writeAttachment(c, a, c.arg[0] != "" || !c.reads() || strings.HasSuffix(c.r.URL.Path, "/detail"))
}

func (v *volume) writeAttachment(c *call, a *attachment, detail bool) {
	d := c.body
	d.obj()
	d.str("id", a.id)
	d.str("status", a.status())
	d.orNull("instance", a.server)
	d.str("volume_id", a.volume)
	if detail {
		if a.reserved {
			d.str("attached_at", "")
		} else {
			d.time("attached_at", a.attached, micro)
		}
		d.str("detached_at", "")
		d.str("attach_mode", "rw")
		info := map[string]any{}
		if !a.reserved || a.connected {
			info = map[string]any{"device_path": "/dev/simulated/" + a.volume, "volume_id": a.volume, "access_mode": "rw",
				"driver_volume_type": "local", "attachment_id": a.id}
		}
		d.value("connection_info", info)
	}
	d.endObj()
}

func (v *volume) listAttachments(c *call) error {
	newestFirst := slices.Clone(v.attachments)
	slices.Reverse(newestFirst)
	return shelf[*attachment]{member: "attachments", missing: "Volume attachment", keys: attachmentSortKeys, write: v.renderAttachment,
		filters: []string{"volume_id", "status", "instance_id", "attach_status"}}.list(c, newestFirst)
}

func (v *volume) ownAttachment(c *call) (*attachment, error) {
	if a := ownFew(c.tok, v.attachments, c.arg[0]); a != nil {
		return a, nil
	}
	return nil, fault.NotFound("Volume attachment could not be found with filter: attachment_id = %s.", c.arg[0])
}

func (v *volume) showAttachment(c *call) error {
	a, err := v.ownAttachment(c)
	if err != nil {
		return err
	}
	return member(c, "attachment", a, v.renderAttachment)
}

// createAttachment reserves a volume.
func (v *volume) createAttachment(c *call) error {
	var b struct {
		Volume    string          `json:"volume_uuid"`
		Server    string          `json:"instance_uuid"`
		Connector json.RawMessage `json:"connector"`
	}
	if err := c.decodeIn("attachment", &b); err != nil {
		return err
	}
	x, err := v.changing(c.tok, b.Volume)
	if err != nil {
		return err
	}
	same := slices.ContainsFunc(v.attachments, func(a *attachment) bool { return a.volume == x.id && a.server == b.Server })
	if x.status != "available" && !x.multiattach && !same {
		return fault.BadRequest("Invalid volume: Volume %s status must be available or downloading to reserve, but the current status is %s.",
			x.id, x.status)
	}
	a := &attachment{id: c.cloud.opts.NewID(), volume: x.id, server: b.Server, project: x.project, reserved: true,
		connected: len(b.Connector) > 0 && string(b.Connector) != "null"}
	if x.status == "available" {
		x.status = "reserved"
	}
	v.attachments = append(v.attachments, a)
	return member(c, "attachment", a, v.renderAttachment)
}

func (v *volume) updateAttachment(c *call) error {
	a, err := v.ownAttachment(c)
	if err != nil {
		return err
	}
	var b struct{ Connector map[string]any }
	if err := c.decodeIn("attachment", &b); err != nil {
		return err
	}
	a.connected = true
	return member(c, "attachment", a, v.renderAttachment)
}

// completeAttachment is POST /attachments/{id}/action with "os-complete".
func (v *volume) completeAttachment(c *call) error {
	a, err := v.ownAttachment(c)
	if err != nil {
		return err
	}
	x, _, _ := v.volumes.touch(a.volume)
	a.reserved, a.attached, x.status = false, c.cloud.opts.Now().UTC(), "in-use"
	x.attachments = append(x.attachments, a)
	c.noContent()
	return nil
}

// deleteAttachment answers with what else is attached to the volume.
func (v *volume) deleteAttachment(c *call) error {
	a, err := v.ownAttachment(c)
	if err != nil {
		return err
	}
	v.release(a)
	c.body.obj()
	c.body.arr("attachments")
	for _, other := range v.attachments {
		if other.volume == a.volume {
			v.writeAttachment(c, other, false)
		}
	}
	c.body.endArr()
	c.body.endObj()
	return nil
}
