package simcloud

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tricircle/tricircle/internal/fault"
)

// unmanaged is what lies on the storage of a pod without Cinder's knowing of it: what was unmanaged.
type unmanaged struct {
	name   string // on the storage, where a volume is found by its id
	size   int
	volume string // of which it is a snapshot; "" if it is a volume itself
}

// leave lets something stay on the storage that Cinder forgets.
func (v *volume) leave(u unmanaged) { v.unmanaged = append(v.unmanaged, u) }

// take finds something on the storage, by what a driver calls a reference, and takes it over.
func (v *volume) take(ref json.RawMessage, ofVolume string) (u unmanaged, found bool) {
	var r struct {
		Name string `json:"source-name"`
	}
	_ = json.Unmarshal(ref, &r) // what is no reference finds nothing
	i := slices.IndexFunc(v.unmanaged, func(u unmanaged) bool { return u.name == r.Name && u.volume == ofVolume })
	if i < 0 {
		return unmanaged{}, false
	}
	u = v.unmanaged[i]
	v.unmanaged = slices.Delete(v.unmanaged, i, i+1)
	return u, true
}

func (v *volume) unmanage(c *call, x *disk, _ json.RawMessage) error {
	if err := c.policy("volume_extension:volume_unmanage"); err != nil {
		return err
	}
	x.deleted = true
	v.leave(unmanaged{name: "volume-" + x.id, size: x.size})
	return nil
}

// listManageable answers for volumes and for snapshots; a driver must be asked, so the request names its host or cluster.
func (v *volume) listManageable(c *call) error {
	resource := "volume"
	if strings.Contains(c.r.URL.Path, "snapshot") {
		resource = "snapshot"
	}
	if err := c.policy(resource + "_extension:list_manageable"); err != nil {
		return err
	}
	if err := v.checkBackend(c.query.Get("host"), c.query.Get("cluster"), func(kind, name string) error {
		if kind == "Cluster" {
			return fault.NotFound("Service cinder-volume could not be found.")
		}
		return fault.NotFound("Service cinder-volume could not be found on host %s.", name)
	}); err != nil {
		return err
	}
	d, detail := c.body, strings.HasSuffix(c.r.URL.Path, "/detail")
	d.obj()
	d.arr("manageable-" + resource + "s")
	for _, u := range v.unmanaged {
		if (u.volume != "") != (resource == "snapshot") {
			continue
		}
		d.obj()
		d.value("reference", map[string]string{"source-name": u.name})
		d.num("size", u.size)
		d.yes("safe_to_manage", true)
		if detail {
			d.null("reason_not_safe")
			d.null("cinder_id")
			d.value("extra_info", map[string]string{"host": v.backend().host})
		}
		if u.volume != "" {
			d.value("source_reference", map[string]string{"source-name": "volume-" + u.volume})
		}
		d.endObj()
	}
	d.endArr()
	d.endObj()
	return nil
}

// checkBackend checks that the one of host and cluster that is given is the pod's.
func (v *volume) checkBackend(host, cluster string, missing func(kind, name string) error) error {
	if err := oneOfHostAndCluster(host, cluster); err != nil {
		return err
	}
	backend, _, _ := strings.Cut(host, "#")
	if host != "" && !v.backend().onHost(backend) {
		return missing("Host", host)
	}
	if cluster != "" && cluster != v.backend().cluster {
		return missing("Cluster", cluster)
	}
	return nil
}

func (v *volume) manageVolume(c *call) error {
	if err := c.policy("volume_extension:volume_manage"); err != nil {
		return err
	}
	var b struct {
		Host, Cluster, Name, Description string
		Zone                             string `json:"availability_zone"`
		Ref                              json.RawMessage
		Metadata                         map[string]string
	}
	if err := c.decodeIn("volume", &b); err != nil {
		return err
	}
	if err := v.checkBackend(b.Host, b.Cluster, func(kind, name string) error {
		return fault.BadRequest("%s '%s' not found", kind, name)
	}); err != nil {
		return err
	}
	if b.Zone != "" && b.Zone != v.pod.Zone {
		return fault.BadRequest("Availability zone '%s' is invalid.", b.Zone)
	}
	x := v.newDisk(c, 0)
	x.name, x.description, x.metadata = b.Name, b.Description, b.Metadata
	shown := *x
	shown.status, shown.updated = "creating", time.Time{}
	if u, ok := v.take(b.Ref, ""); ok {
		x.size = u.size
	} else {
		x.status = "error"
	}
	v.volumes.add(x)
	c.status = http.StatusAccepted
	return member(c, "volume", &shown, v.renderCreated)
}

func (v *volume) manageSnapshot(c *call) error {
	var b struct {
		VolumeID          string `json:"volume_id"`
		Name, Description string
		Ref               json.RawMessage
		Metadata          map[string]string
	}
	if err := c.decodeIn("snapshot", &b); err != nil {
		return err
	}
	if b.VolumeID == "" || b.Ref == nil {
		return fault.BadRequest("Invalid input for field/attribute snapshot. 'volume_id' is a required property")
	}
	x, err := v.get(c.tok, b.VolumeID)
	if err != nil {
		return err
	}
	if err := c.policy("snapshot_extension:snapshot_manage"); err != nil {
		return err
	}
	u, _ := v.take(b.Ref, x.id)
	now := c.cloud.opts.Now().UTC()
	s := &snapshot{
		id: c.cloud.opts.NewID(), name: b.Name, description: b.Description, volume: x.id, project: c.tok.projectID(),
		user: c.tok.user.id, size: u.size, created: now.Truncate(time.Second), updated: now, metadata: b.Metadata,
	}
	v.snapshots = slices.Insert(v.snapshots, 0, s)
	c.status = http.StatusAccepted
	return member(c, "snapshot", s, func(c *call, s *snapshot) { v.writeSnapshot(c, s, "creating") })
}

// actOnSnapshot knows the one action that moves a snapshot out of Cinder.
func (v *volume) actOnSnapshot(c *call) error {
	var body map[string]json.RawMessage
	if err := c.decode(&body); err != nil {
		return err
	}
	if _, ok := body["os-unmanage"]; !ok || len(body) != 1 {
		return fault.BadRequest("There is no such action. Verify the request body and Content-Type header and try again.")
	}
	s, err := v.ownSnapshot(c)
	if err != nil {
		return err
	}
	if err := c.policy("snapshot_extension:snapshot_unmanage"); err != nil {
		return err
	}
	v.snapshots = slices.DeleteFunc(v.snapshots, func(x *snapshot) bool { return x == s })
	v.leave(unmanaged{name: "_snapshot-" + s.id, size: s.size, volume: s.volume})
	c.accepted()
	return nil
}

// migrate knows only the pod's one backend, where the volume is already (cinder/volume/api.py, migrate_volume).
func (v *volume) migrate(c *call, x *disk, raw json.RawMessage) error {
	if err := c.policy("volume_extension:volume_admin_actions:migrate_volume"); err != nil {
		return err
	}
	var b struct{ Host, Cluster string }
	if err := arguments("os-migrate_volume", raw, &b); err != nil {
		return err
	}
	if err := v.checkBackend(b.Host, b.Cluster, func(_, name string) error {
		return fault.BadRequest("Invalid host: No available service named '%s'", name)
	}); err != nil {
		return err
	}
	return fault.BadRequest("Invalid volume: Volume %s status must be available or in-use, must not be migrating, have snapshots, be "+
		"replicated, be part of a group and destination host/cluster must be different than the current one", x.id)
}

// backupRecord is what describes a backup outside of Cinder, as base64 of JSON.
type backupRecord struct {
	ID       string `json:"id"`
	VolumeID string `json:"volume_id"`
	Size     *int   `json:"size"`
	Name     string `json:"display_name"`
	Host     string `json:"host"`
}

func (v *volume) exportBackup(c *call) error {
	b, err := v.ownBackup(c)
	if err != nil {
		return err
	}
	if err := c.policy("backup:export-import"); err != nil {
		return err
	}
	record := encode(backupRecord{ID: b.id, VolumeID: b.volume, Size: &b.size, Name: b.name, Host: v.pod.Region})
	c.body.obj()
	c.body.obj("backup-record")
	c.body.str("backup_service", "cinder.backup.drivers.posix.PosixBackupDriver")
	c.body.str("backup_url", base64.StdEncoding.EncodeToString(record))
	c.body.endObj()
	c.body.endObj()
	return nil
}

// importBackup makes a backup with the id in its record (cinder/backup/api.py, _get_import_backup).
func (v *volume) importBackup(c *call) error {
	if err := c.policy("backup:backup-import"); err != nil {
		return err
	}
	var b struct {
		URL string `json:"backup_url"`
	}
	if err := c.decodeIn("backup-record", &b); err != nil {
		return err
	}
	var r backupRecord
	text, err := base64.StdEncoding.DecodeString(b.URL)
	if err != nil {
		return fault.BadRequest("Invalid input received: Can't decode backup record.")
	}
	switch err := json.Unmarshal(text, &r); {
	case err != nil:
		return fault.BadRequest("Invalid input received: Can't parse backup record.")
	case r.ID == "":
		return fault.BadRequest("Invalid input received: Provided backup record is missing an id")
	case r.Size == nil:
		return fault.BadRequest("Invalid input received: Provided backup record is missing size attribute")
	case v.backup(c.tok, r.ID) != nil:
		return fault.BadRequest("Invalid backup: Backup already exists in database.")
	}
	k := &backup{
		id: r.ID, name: r.Name, volume: r.VolumeID, project: c.tok.projectID(), user: c.tok.user.id, size: *r.Size,
		created: c.cloud.opts.Now().UTC().Truncate(time.Second),
	}
	v.backups = slices.Insert(v.backups, 0, k)
	c.status = http.StatusCreated
	return member(c, "backup", k, v.summarizeBackup)
}
