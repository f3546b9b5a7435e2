package simcloud

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tricircle/tricircle/internal/fault"
)

const defaultType = "__DEFAULT__"

var defaultTypeID = stableUUID("volume type " + defaultType)

func (v *volume) summarize(c *call, x *disk) {
	c.body.obj()
	c.body.str("id", x.id)
	c.body.str("name", x.name)
	c.writeLinks("volumes", x.id)
	c.body.endObj()
}

// renderCreated is the answer to POST and PUT, which does not have the attributes of extensions.
func (v *volume) renderCreated(c *call, x *disk) { v.renderVolume(c, x, false) }

func (v *volume) render(c *call, x *disk) { v.renderVolume(c, x, true) }

// renderVolume writes a volume in the order of keys that Cinder has (cinder/api/v3/views/volumes.py).
func (v *volume) renderVolume(c *call, x *disk, extended bool) {
	d, admin := c.body, c.tok.admin()
	d.obj()
	d.str("id", x.id)
	d.str("status", x.status)
	d.num("size", x.size)
	d.str("availability_zone", v.pod.Zone)
	d.time("created_at", x.created, micro)
	d.time("updated_at", x.updated, micro)
	d.orNull("name", x.name)
	d.orNull("description", x.description)
	d.str("volume_type", defaultType)
	d.orNull("snapshot_id", x.snapshotID)
	d.orNull("source_volid", x.sourceID)
	d.pairs("metadata", x.metadata)
	c.writeLinks("volumes", x.id)
	d.str("user_id", x.user)
	d.str("bootable", strconv.FormatBool(x.bootable))
	d.yes("encrypted", false)
	d.null("replication_status")
	d.null("consistencygroup_id")
	d.yes("multiattach", x.multiattach)
	v.renderVolumeAttachments(c, x)
	if admin && extended {
		d.null("migration_status")
	}
	if c.at(13) {
		d.orNull("group_id", x.group)
	}
	if c.at(21) && admin && extended {
		d.null("provider_id")
	}
	if c.at(48) {
		// Until the volume is made, nobody knows where.
		made := x.status != "creating"
		d.yes("shared_targets", !made)
		if made {
			d.str("service_uuid", v.serviceID)
		} else {
			d.null("service_uuid")
		}
	}
	if c.at(61) && admin && extended {
		d.str("cluster_name", v.backend().cluster)
	}
	if c.at(63) {
		d.str("volume_type_id", defaultTypeID)
	}
	if c.at(65) {
		d.yes("consumes_quota", true)
	}
	if extended {
		v.renderVolumeExtensions(c, x)
	}
	d.endObj()
}

func (v *volume) renderVolumeExtensions(c *call, x *disk) {
	d := c.body
	d.str("os-vol-tenant-attr:tenant_id", x.project)
	if x.image != "" {
		d.obj("volume_image_metadata")
		d.str("image_id", x.image)
		d.endObj()
	}
	if c.tok.admin() {
		d.null("os-vol-mig-status-attr:migstat")
		d.null("os-vol-mig-status-attr:name_id")
		d.str("os-vol-host-attr:host", v.poolName())
	}
}

func (v *volume) renderVolumeAttachments(c *call, x *disk) {
	d := c.body
	d.arr("attachments")
	for _, a := range x.attachments {
		d.obj()
		d.str("id", x.id)
		d.str("attachment_id", a.id)
		d.str("volume_id", x.id)
		d.orNull("server_id", a.server)
		if c.tok.admin() && a.server != "" {
			d.str("host_name", v.pod.compute.placed(a.server))
		} else {
			d.null("host_name")
		}
		d.str("device", a.device)
		d.time("attached_at", a.attached, micro)
		d.endObj()
	}
	d.endArr()
}

func (v *volume) showVolume(c *call) error {
	x, err := v.get(c.tok, c.arg[0])
	if err != nil {
		return err
	}
	return member(c, "volume", x, v.render)
}

// newDisk makes a volume of the caller, not yet stored.
func (v *volume) newDisk(c *call, size int) *disk {
	now := c.cloud.opts.Now().UTC()
	return &disk{
		id: c.cloud.opts.NewID(), project: c.tok.projectID(), user: c.tok.user.id, created: now.Truncate(time.Second),
		updated: now, size: size, status: "available",
	}
}

type volumeBody struct {
	Size        any
	Name        *string
	Description *string
	Zone        string `json:"availability_zone"`
	Type        string `json:"volume_type"`
	SnapshotID  string `json:"snapshot_id"`
	SourceID    string `json:"source_volid"`
	BackupID    string `json:"backup_id"`
	GroupID     string `json:"group_id"`
	ImageRef    string
	ImageID     string
	Metadata    map[string]string
	Multiattach bool
}

func (v *volume) createVolume(c *call) error {
	var b volumeBody
	if err := c.decodeIn("volume", &b); err != nil {
		return err
	}
	size, err := volumeSize(&b)
	if err != nil {
		return err
	}
	if b.Zone != "" && b.Zone != v.pod.Zone {
		return fault.BadRequest("Availability zone '%s' is invalid.", b.Zone)
	}
	if b.Type != "" && b.Type != defaultType && b.Type != defaultTypeID {
		return fault.NotFound("Volume type with name %s could not be found.", b.Type)
	}
	x := v.newDisk(c, size)
	if err := v.fillFrom(c, x, &b); err != nil {
		return err
	}
	if b.GroupID != "" {
		if _, err := v.group(c, b.GroupID); err != nil {
			return err
		}
		x.group = b.GroupID
	}
	set(&x.name, b.Name)
	set(&x.description, b.Description)
	x.metadata, x.multiattach = b.Metadata, b.Multiattach
	v.place(c, x)
	v.volumes.add(x)
	// The answer shows a volume that is being made; the next look finds it ready.
	shown := *x
	shown.status, shown.updated = "creating", time.Time{}
	c.status = http.StatusAccepted
	return member(c, "volume", &shown, v.renderCreated)
}

func volumeSize(b *volumeBody) (int, error) {
	if b.Size == nil {
		if b.SnapshotID != "" || b.SourceID != "" || b.BackupID != "" {
			return 0, nil
		}
		return 0, fault.BadRequest("The server could not comply with the request since it is either malformed or otherwise " +
			"incorrect.")
	}
	size, ok := integer(b.Size)
	switch {
	case !ok:
		return 0, fault.BadRequest("Invalid input for field/attribute size. Value: %v. '%v' does not match '^[0-9]+$'", b.Size, b.Size)
	case size < 1:
		return 0, fault.BadRequest("Invalid input for field/attribute size. Value: %d. %d is less than the minimum of 1", size, size)
	}
	return size, nil
}

// fillFrom checks the source of a new volume and takes over what it determines.
func (v *volume) fillFrom(c *call, x *disk, b *volumeBody) error {
	image := cmp.Or(b.ImageRef, b.ImageID)
	source := 0
	switch {
	case image != "":
		if !c.cloud.glance.usable(c.tok, image) {
			return fault.BadRequest("Invalid image identifier or unable to access requested image.")
		}
		x.image, x.bootable = image, true
	case b.SnapshotID != "":
		s := v.snapshot(c.tok, b.SnapshotID)
		if s == nil {
			return fault.NotFound("Snapshot %s could not be found.", b.SnapshotID)
		}
		x.snapshotID, source = s.id, s.size
		if origin, ok := v.volumes.get(s.volume); ok {
			x.bootable, x.image = origin.bootable, origin.image
		}
	case b.SourceID != "":
		origin, err := v.get(c.tok, b.SourceID)
		if err != nil {
			return err
		}
		x.sourceID, x.bootable, x.image, source = origin.id, origin.bootable, origin.image, origin.size
	case b.BackupID != "":
		k := v.backup(c.tok, b.BackupID)
		if k == nil {
			return fault.NotFound("Backup %s could not be found.", b.BackupID)
		}
		source = k.size
	}
	x.size = cmp.Or(x.size, source)
	if x.size < source {
		return fault.BadRequest("Invalid input received: Volume size '%d'GB cannot be smaller than the size of its source %dGB.",
			x.size, source)
	}
	return nil
}

func (v *volume) updateVolume(c *call) error {
	x, err := v.changing(c.tok, c.arg[0])
	if err != nil {
		return err
	}
	var b struct {
		Name, Description *string
		Metadata          *map[string]string
	}
	if err := c.decodeIn("volume", &b); err != nil {
		return err
	}
	set(&x.name, b.Name)
	set(&x.description, b.Description)
	set(&x.metadata, b.Metadata)
	x.updated = c.cloud.opts.Now().UTC()
	return member(c, "volume", x, v.renderCreated)
}

func (v *volume) deleteVolume(c *call) error {
	x, err := v.changing(c.tok, c.arg[0])
	if err != nil {
		return err
	}
	hasSnapshots := slices.ContainsFunc(v.snapshots, func(s *snapshot) bool { return s.volume == x.id })
	free := slices.Contains([]string{"available", "error", "error_restoring", "error_extending", "error_managing"}, x.status)
	force := c.isTrue("force") && c.tok.admin()
	if (!free && !force) || len(x.attachments) > 0 || hasSnapshots && !c.isTrue("cascade") {
		return fault.BadRequest("Invalid volume: Volume status must be available or error or error_restoring or error_extending " +
			"or error_managing and must not be migrating, attached, belong to a group, have snapshots, awaiting a transfer, " +
			"or be disassociated from snapshots after volume transfer.")
	}
	v.snapshots = slices.DeleteFunc(v.snapshots, func(s *snapshot) bool { return s.volume == x.id })
	x.deleted = true
	c.accepted()
	return nil
}

// volumeActions are the keys of POST /volumes/{id}/action.
var volumeActions = map[string]func(*volume, *call, *disk, json.RawMessage) error{
	"os-extend":               (*volume).extend,
	"os-attach":               (*volume).markAttached,
	"os-detach":               (*volume).markDetached,
	"os-reserve":              (*volume).reserve,
	"os-unreserve":            (*volume).unreserve,
	"os-begin_detaching":      (*volume).beginDetaching,
	"os-roll_detaching":       (*volume).rollDetaching,
	"os-reset_status":         (*volume).resetStatus,
	"os-set_bootable":         (*volume).setBootable,
	"os-update_readonly_flag": (*volume).setReadonly,
	"os-volume_upload_image":  (*volume).uploadImage,
	"os-force_delete":         (*volume).forceDelete,
	"os-unmanage":             (*volume).unmanage,
	"os-migrate_volume":       (*volume).migrate,
}

func (v *volume) act(c *call) error {
	var body map[string]json.RawMessage
	if err := c.decode(&body); err != nil {
		return err
	}
	if len(body) != 1 {
		return fault.BadRequest("Malformed request body")
	}
	for name, arguments := range body {
		do := volumeActions[name]
		if do == nil {
			return fault.BadRequest("There is no such action: %s. Verify the request body and Content-Type header and try again.",
				name)
		}
		x, err := v.changing(c.tok, c.arg[0])
		if err != nil {
			return err
		}
		c.status = http.StatusAccepted
		x.updated = c.cloud.opts.Now().UTC()
		return do(v, c, x, arguments)
	}
	return nil
}

func (v *volume) extend(c *call, x *disk, raw json.RawMessage) error {
	var b struct {
		Size any `json:"new_size"`
	}
	if err := arguments("os-extend", raw, &b); err != nil {
		return err
	}
	size, ok := integer(b.Size)
	switch {
	case !ok || size < 1:
		return fault.BadRequest("Invalid input for field/attribute new_size. Value: %v.", b.Size)
	case size <= x.size:
		return fault.BadRequest("Invalid input received: New size for extend must be greater than current size. (current: %d, "+
			"extended: %d).", x.size, size)
	case x.status != "available" && !(x.status == "in-use" && c.at(42)):
		return fault.BadRequest("Invalid volume: Volume %s status must be '{'status': 'available'}' to extend, currently %s.",
			x.id, x.status)
	}
	x.size = size
	return nil
}

func (v *volume) reserve(_ *call, x *disk, _ json.RawMessage) error {
	if x.status != "available" {
		return fault.BadRequest("Invalid volume: Volume status must be available to reserve, but the status is %s.", x.status)
	}
	x.status = "attaching"
	return nil
}

func (v *volume) unreserve(_ *call, x *disk, _ json.RawMessage) error {
	if x.status == "attaching" {
		x.status = "available"
	}
	return nil
}

func (v *volume) beginDetaching(_ *call, x *disk, _ json.RawMessage) error {
	if x.status != "in-use" {
		return fault.BadRequest("Invalid volume: Unable to detach volume. Volume status must be 'in-use' and attach_status must " +
			"be 'attached' to detach.")
	}
	x.status = "detaching"
	return nil
}

func (v *volume) rollDetaching(_ *call, x *disk, _ json.RawMessage) error {
	if x.status == "detaching" {
		x.status = "in-use"
	}
	return nil
}

// markAttached is what Nova did in former times: it only tells Cinder about an attachment.
func (v *volume) markAttached(c *call, x *disk, raw json.RawMessage) error {
	var b struct {
		Server     string `json:"instance_uuid"`
		Mountpoint string
	}
	if err := arguments("os-attach", raw, &b); err != nil {
		return err
	}
	a := &attachment{
		id: c.cloud.opts.NewID(), volume: x.id, server: b.Server, device: b.Mountpoint, project: x.project,
		attached: c.cloud.opts.Now().UTC(),
	}
	x.status = "in-use"
	x.attachments = append(x.attachments, a)
	v.attachments = append(v.attachments, a)
	return nil
}

// markDetached refuses what a server uses, since the fix of CVE-2023-2088.
func (v *volume) markDetached(_ *call, x *disk, _ json.RawMessage) error {
	for _, a := range slices.Clone(x.attachments) {
		if a.bdm != "" {
			return fault.Conflict("ConflictNovaUsingAttachment: Detach volume from instance %s using the Compute API", a.server)
		}
		v.release(a)
	}
	x.status = "available"
	return nil
}

func (v *volume) resetStatus(c *call, x *disk, raw json.RawMessage) error {
	if err := c.policy("volume_extension:volume_admin_actions:reset_status"); err != nil {
		return err
	}
	var b struct{ Status string }
	if err := arguments("os-reset_status", raw, &b); err != nil {
		return err
	}
	if b.Status == "" {
		return fault.BadRequest("Invalid input for field/attribute os-reset_status. Value: %s.", raw)
	}
	x.status = strings.ToLower(b.Status)
	return nil
}

func (v *volume) setBootable(c *call, x *disk, raw json.RawMessage) error {
	var b struct{ Bootable bool }
	if err := arguments("os-set_bootable", raw, &b); err != nil {
		return err
	}
	x.bootable = b.Bootable
	c.status = http.StatusOK
	return nil
}

func (v *volume) setReadonly(_ *call, x *disk, raw json.RawMessage) error {
	var b struct{ Readonly bool }
	if err := arguments("os-update_readonly_flag", raw, &b); err != nil {
		return err
	}
	x.readonly = b.Readonly
	x.metadata = with(x.metadata, "readonly", map[bool]string{true: "True", false: "False"}[b.Readonly])
	return nil
}

func (v *volume) forceDelete(c *call, x *disk, _ json.RawMessage) error {
	if err := c.policy("volume_extension:volume_admin_actions:force_delete"); err != nil {
		return err
	}
	for _, a := range slices.Clone(x.attachments) {
		v.release(a)
	}
	x.deleted = true
	return nil
}

func (v *volume) uploadImage(c *call, x *disk, raw json.RawMessage) error {
	var b struct {
		Name            string `json:"image_name"`
		ContainerFormat string `json:"container_format"`
		DiskFormat      string `json:"disk_format"`
	}
	if err := arguments("os-volume_upload_image", raw, &b); err != nil {
		return err
	}
	if b.Name == "" {
		return fault.BadRequest("Invalid input for field/attribute image_name. Value: . '' is too short")
	}
	id := c.cloud.glance.snapshot(c.tok, b.Name, nil)
	d := c.body
	d.obj()
	d.obj("os-volume_upload_image")
	d.str("id", x.id)
	d.time("updated_at", x.updated, micro)
	d.str("status", "uploading")
	d.orNull("display_description", x.description)
	d.num("size", x.size)
	d.value("volume_type", map[string]any{"id": defaultTypeID, "name": defaultType})
	d.str("image_id", id)
	d.str("container_format", cmp.Or(b.ContainerFormat, "bare"))
	d.str("disk_format", cmp.Or(b.DiskFormat, "raw"))
	d.str("image_name", b.Name)
	d.endObj()
	d.endObj()
	return nil
}
