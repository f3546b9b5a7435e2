package simcloud

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tricircle/tricircle/internal/fault"
)

type snapshot struct {
	id, name, description, volume, project, user string
	size                                         int
	created, updated                             time.Time
	metadata                                     map[string]string
}

// few is what Cinder has few of: snapshots and backups. Their lists are slices, newest first.
type few interface {
	ref() (id, project string)
	filter(name string) string
}

func (s *snapshot) ref() (id, project string) { return s.id, s.project }

func (s *snapshot) filter(name string) string {
	switch name {
	case "name":
		return s.name
	case "volume_id":
		return s.volume
	case "status":
		return "available"
	case "created_at":
		return s.created.Format(micro)
	}
	return ""
}

var fewSortKeys = map[string]bool{"id": true, "name": true, "created_at": true, "status": true, "volume_id": true, "size": true}

// listFew answers a list of snapshots or backups.
func listFew[T few](c *call, collection string, all []T, write func(*call, T), missing string, allowed ...string) error {
	return shelf[T]{member: collection, links: collection + "_links", missing: missing, keys: fewSortKeys, filters: allowed, write: write}.list(c, all)
}

// shelf says how a collection of few is listed.
type shelf[T few] struct {
	member  string // of the answer
	links   string // member of the next link; there is none if empty
	missing string // what a marker that is not there is called
	keys    map[string]bool
	filters []string
	write   func(*call, T)
}

// list answers a list of what all has, which is in the default order.
func (s shelf[T]) list(c *call, all []T) error {
	p, err := c.cinderPage(s.keys)
	if err != nil {
		return err
	}
	filters, err := c.cinderFilters(s.filters...)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(slices.Clone(all), func(t T) bool {
		_, project := t.ref()
		if p.project != "" && project != p.project {
			return true
		}
		for name, want := range filters {
			part, like := strings.CutSuffix(name, "~")
			if got := t.filter(part); like && !strings.Contains(got, want) || !like && got != want {
				return true
			}
		}
		return false
	})
	total := len(all)
	for _, k := range slices.Backward(p.sort) {
		slices.SortStableFunc(all, func(a, b T) int {
			order := strings.Compare(a.filter(k.name), b.filter(k.name))
			if k.desc {
				return -order
			}
			return order
		})
	}
	if p.marker != "" {
		at := slices.IndexFunc(all, func(t T) bool { id, _ := t.ref(); return id == p.marker })
		if at < 0 {
			return fault.NotFound("%s %s could not be found.", s.missing, p.marker)
		}
		all = all[at+1:]
	}
	all = all[min(p.offset, len(all)):]
	all = all[:min(p.limit, len(all))]
	c.body.obj()
	c.body.arr(s.member)
	last := ""
	for _, t := range all {
		s.write(c, t)
		last, _ = t.ref()
	}
	c.body.endArr()
	if s.links != "" {
		p.links(c, s.links, len(all), total, last)
	}
	c.body.endObj()
	return nil
}

// ownFew returns what the caller may see, or the zero value.
func ownFew[T few](t *token, all []T, id string) T {
	return first(all, func(x T) bool {
		got, project := x.ref()
		return got == id && (project == t.projectID() || t.admin())
	})
}

func (v *volume) snapshot(t *token, id string) *snapshot { return ownFew(t, v.snapshots, id) }

func (v *volume) ownSnapshot(c *call) (*snapshot, error) {
	if s := v.snapshot(c.tok, c.arg[0]); s != nil {
		return s, nil
	}
	return nil, fault.NotFound("Snapshot %s could not be found.", c.arg[0])
}

func (v *volume) listSnapshots(c *call) error {
	return listFew(c, "snapshots", v.snapshots, v.renderSnapshot, "Snapshot", "name", "status", "volume_id", "metadata",
		"availability_zone", "consumes_quota")
}

func (v *volume) showSnapshot(c *call) error {
	s, err := v.ownSnapshot(c)
	if err != nil {
		return err
	}
	return member(c, "snapshot", s, v.renderSnapshot)
}

func (v *volume) renderSnapshot(c *call, s *snapshot) { v.writeSnapshot(c, s, "available") }

func (v *volume) writeSnapshot(c *call, s *snapshot, status string) {
	d := c.body
	d.obj()
	d.str("id", s.id)
	d.time("created_at", s.created, micro)
	d.time("updated_at", s.updated, micro)
	d.str("name", s.name)
	d.orNull("description", s.description)
	d.str("volume_id", s.volume)
	d.str("status", status)
	d.num("size", s.size)
	d.pairs("metadata", s.metadata)
	if c.at(14) {
		d.null("group_snapshot_id")
	}
	if c.at(41) {
		d.str("user_id", s.user)
	}
	if c.at(65) {
		d.yes("consumes_quota", true)
	}
	if c.reads() && (strings.HasSuffix(c.r.URL.Path, "/detail") || c.arg[0] != "") {
		d.str("os-extended-snapshot-attributes:project_id", s.project)
		d.str("os-extended-snapshot-attributes:progress", "100%")
	}
	d.endObj()
}

func (v *volume) createSnapshot(c *call) error {
	var b struct {
		VolumeID          string `json:"volume_id"`
		Name, Description string
		Force             any
		Metadata          map[string]string
	}
	if err := c.decodeIn("snapshot", &b); err != nil {
		return err
	}
	x, err := v.get(c.tok, b.VolumeID)
	if err != nil {
		return err
	}
	force := b.Force == true || b.Force == "true" || b.Force == "True" || c.at(66)
	if x.status != "available" && !(x.status == "in-use" && force) {
		return fault.BadRequest("Invalid volume: Volume %s status must be available, but current status is: %s.", x.id, x.status)
	}
	now := c.cloud.opts.Now().UTC()
	s := &snapshot{
		id: c.cloud.opts.NewID(), name: b.Name, description: b.Description, volume: x.id, project: c.tok.projectID(),
		user: c.tok.user.id, size: x.size, created: now.Truncate(time.Second), updated: now, metadata: b.Metadata,
	}
	v.snapshots = slices.Insert(v.snapshots, 0, s)
	c.status = http.StatusAccepted
	shown := *s
	shown.updated = time.Time{}
	return member(c, "snapshot", &shown, func(c *call, s *snapshot) { v.writeSnapshot(c, s, "creating") })
}

func (v *volume) updateSnapshot(c *call) error {
	s, err := v.ownSnapshot(c)
	if err != nil {
		return err
	}
	var b struct{ Name, Description *string }
	if err := c.decodeIn("snapshot", &b); err != nil {
		return err
	}
	set(&s.name, b.Name)
	set(&s.description, b.Description)
	return member(c, "snapshot", s, v.renderSnapshot)
}

func (v *volume) deleteSnapshot(c *call) error {
	s, err := v.ownSnapshot(c)
	if err != nil {
		return err
	}
	v.snapshots = slices.DeleteFunc(v.snapshots, func(x *snapshot) bool { return x == s })
	c.accepted()
	return nil
}

type backup struct {
	id, name, description, container, volume, snapshot, project, user string
	size                                                              int
	incremental                                                       bool
	created                                                           time.Time
	metadata                                                          map[string]string
}

func (b *backup) ref() (id, project string) { return b.id, b.project }

func (b *backup) filter(name string) string {
	switch name {
	case "name":
		return b.name
	case "volume_id":
		return b.volume
	case "status":
		return "available"
	case "created_at":
		return b.created.Format(micro)
	}
	return ""
}

func (v *volume) backup(t *token, id string) *backup { return ownFew(t, v.backups, id) }

func (v *volume) ownBackup(c *call) (*backup, error) {
	if b := v.backup(c.tok, c.arg[0]); b != nil {
		return b, nil
	}
	return nil, fault.NotFound("Backup %s could not be found.", c.arg[0])
}

func (v *volume) listBackups(c *call) error {
	write := v.summarizeBackup
	if strings.HasSuffix(c.r.URL.Path, "/detail") {
		write = v.renderBackup
	}
	return listFew(c, "backups", v.backups, write, "Backup", "name", "status", "volume_id")
}

func (v *volume) showBackup(c *call) error {
	b, err := v.ownBackup(c)
	if err != nil {
		return err
	}
	return member(c, "backup", b, v.renderBackup)
}

func (v *volume) summarizeBackup(c *call, b *backup) {
	c.body.obj()
	c.body.str("id", b.id)
	c.body.str("name", b.name)
	c.writeLinks("backups", b.id)
	c.body.endObj()
}

func (v *volume) renderBackup(c *call, b *backup) {
	d := c.body
	d.obj()
	d.str("id", b.id)
	d.str("status", "available")
	d.num("size", b.size)
	d.num("object_count", 0)
	d.str("availability_zone", v.pod.Zone)
	d.str("container", b.container)
	d.time("created_at", b.created, micro)
	d.time("updated_at", b.created, micro)
	d.str("name", b.name)
	d.orNull("description", b.description)
	d.null("fail_reason")
	d.str("volume_id", b.volume)
	c.writeLinks("backups", b.id)
	d.yes("is_incremental", b.incremental)
	d.yes("has_dependent_backups", false)
	d.orNull("snapshot_id", b.snapshot)
	d.time("data_timestamp", b.created, micro)
	if c.at(43) {
		d.pairs("metadata", b.metadata)
	}
	if c.tok.admin() && c.at(18) {
		d.str("os-backup-project-attr:project_id", b.project)
	}
	if c.tok.admin() && c.at(56) {
		d.str("user_id", b.user)
	}
	d.endObj()
}

func (v *volume) createBackup(c *call) error {
	var b struct {
		VolumeID                     string `json:"volume_id"`
		SnapshotID                   string `json:"snapshot_id"`
		Name, Description, Container string
		Incremental, Force           bool
		Metadata                     map[string]string
	}
	if err := c.decodeIn("backup", &b); err != nil {
		return err
	}
	x, err := v.get(c.tok, b.VolumeID)
	if err != nil {
		return err
	}
	if x.status != "available" && !(x.status == "in-use" && (b.Force || b.SnapshotID != "")) {
		return fault.BadRequest("Invalid volume: Volume to be backed up must be available or in-use, but the current status is "+
			"\"%s\".", x.status)
	}
	k := &backup{
		id: c.cloud.opts.NewID(), name: b.Name, description: b.Description, container: b.Container, volume: x.id,
		snapshot: b.SnapshotID, project: c.tok.projectID(), user: c.tok.user.id, size: x.size, incremental: b.Incremental,
		created: c.cloud.opts.Now().UTC().Truncate(time.Second), metadata: b.Metadata,
	}
	v.backups = slices.Insert(v.backups, 0, k)
	c.status = http.StatusAccepted
	return member(c, "backup", k, v.summarizeBackup)
}

func (v *volume) restoreBackup(c *call) error {
	b, err := v.ownBackup(c)
	if err != nil {
		return err
	}
	var given struct {
		VolumeID string `json:"volume_id"`
		Name     string
	}
	if err := c.decodeIn("restore", &given); err != nil {
		return err
	}
	var x *disk
	if given.VolumeID != "" {
		if x, err = v.changing(c.tok, given.VolumeID); err != nil {
			return err
		}
	} else {
		x = v.newDisk(c, b.size)
		x.name = given.Name
		v.volumes.add(x)
	}
	c.status = http.StatusAccepted
	c.body.obj()
	c.body.value("restore", map[string]string{"backup_id": b.id, "volume_id": x.id, "volume_name": x.name})
	c.body.endObj()
	return nil
}

func (v *volume) deleteBackup(c *call) error {
	b, err := v.ownBackup(c)
	if err != nil {
		return err
	}
	v.backups = slices.DeleteFunc(v.backups, func(x *backup) bool { return x == b })
	c.status = http.StatusAccepted
	return nil
}
