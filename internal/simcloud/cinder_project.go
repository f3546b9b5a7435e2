package simcloud

import (
	"maps"

	"github.com/tricircle/tricircle/internal/fault"
)

// Metadata of volumes, types, limits, quotas, zones and services.

func (v *volume) showMetadata(c *call) error {
	x, err := v.get(c.tok, c.arg[0])
	if err != nil {
		return err
	}
	writePairs(c, "metadata", x.metadata)
	return nil
}

func (v *volume) mergeMetadata(c *call) error { return v.putMetadata(c, true) }

func (v *volume) replaceMetadata(c *call) error { return v.putMetadata(c, false) }

func (v *volume) putMetadata(c *call, merge bool) error {
	x, err := v.changing(c.tok, c.arg[0])
	if err != nil {
		return err
	}
	var given map[string]string
	if err := c.decodeIn("metadata", &given); err != nil {
		return err
	}
	all := map[string]string{}
	if merge {
		maps.Copy(all, x.metadata)
	}
	maps.Copy(all, given)
	x.metadata = all
	writePairs(c, "metadata", all)
	return nil
}

func noKey(x *disk, key string) error {
	return fault.NotFound("Volume %s has no metadata with key %s.", x.id, key)
}

func (v *volume) showMeta(c *call) error {
	x, err := v.get(c.tok, c.arg[0])
	if err != nil {
		return err
	}
	value, ok := x.metadata[c.arg[1]]
	if !ok {
		return noKey(x, c.arg[1])
	}
	writePairs(c, "meta", map[string]string{c.arg[1]: value})
	return nil
}

func (v *volume) setMeta(c *call) error {
	x, err := v.changing(c.tok, c.arg[0])
	if err != nil {
		return err
	}
	var given map[string]string
	if err := c.decodeIn("meta", &given); err != nil {
		return err
	}
	value, ok := given[c.arg[1]]
	if !ok {
		return fault.BadRequest("Request body and URI mismatch")
	}
	x.metadata = with(x.metadata, c.arg[1], value)
	writePairs(c, "meta", given)
	return nil
}

func (v *volume) deleteMeta(c *call) error {
	x, err := v.changing(c.tok, c.arg[0])
	if err != nil {
		return err
	}
	if _, ok := x.metadata[c.arg[1]]; !ok {
		return noKey(x, c.arg[1])
	}
	x.metadata = maps.Clone(x.metadata)
	delete(x.metadata, c.arg[1])
	c.w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	return nil
}

func (v *volume) renderType(c *call, listed bool) {
	d := c.body
	d.obj()
	d.str("id", defaultTypeID)
	d.str("name", defaultType)
	d.yes("is_public", true)
	d.str("description", "Default Volume Type")
	d.raw("extra_specs", "{}")
	if c.tok.admin() {
		d.null("qos_specs_id")
	}
	if listed {
		d.yes("os-volume-type-access:is_public", true)
	}
	d.endObj()
}

func (v *volume) listTypes(c *call) error {
	c.body.obj()
	c.body.arr("volume_types")
	v.renderType(c, true)
	c.body.endArr()
	c.body.endObj()
	return nil
}

func (v *volume) showType(c *call) error {
	if id := c.arg[0]; id != "default" && id != defaultTypeID {
		return fault.NotFound("Volume type %s could not be found.", id)
	}
	return member(c, "volume_type", false, v.renderType)
}

func (v *volume) showTypeSpecs(c *call) error {
	writePairs(c, "extra_specs", nil)
	return nil
}

type volumeUsage struct{ volumes, gigabytes, snapshots, snapshotGigabytes, backups, backupGigabytes int }

// usage counts what a project has. The sizes of untouched generated volumes repeat.
func (v *volume) usage(project string) volumeUsage {
	u := volumeUsage{volumes: v.count(project, nil)}
	if project == stableDemoProject {
		n := v.volumes.gen.n
		u.gigabytes = n/4*10 + n%4*(n%4+1)/2
		for i := range v.volumes.touched {
			u.gigabytes -= 1 + i%4
		}
	}
	for _, x := range v.volumes.byID {
		if x.project == project && !x.deleted {
			u.gigabytes += x.size
		}
	}
	for _, s := range v.snapshots {
		if s.project == project {
			u.snapshots++
			u.gigabytes += s.size
			u.snapshotGigabytes += s.size
		}
	}
	for _, b := range v.backups {
		if b.project == project {
			u.backups++
			u.backupGigabytes += b.size
		}
	}
	return u
}

func (v *volume) showLimits(c *call) error {
	u := v.usage(c.tok.projectID())
	c.body.obj()
	c.body.value("limits", map[string]any{"rate": []string{}, "absolute": map[string]int{
		"maxTotalVolumes": 100, "maxTotalSnapshots": 100, "maxTotalVolumeGigabytes": 10000, "maxTotalBackups": 10,
		"maxTotalBackupGigabytes": 1000, "totalVolumesUsed": u.volumes, "totalGigabytesUsed": u.gigabytes,
		"totalSnapshotsUsed": u.snapshots, "totalBackupsUsed": u.backups, "totalBackupGigabytesUsed": u.backupGigabytes,
	}})
	c.body.endObj()
	return nil
}

func (v *volume) showQuota(c *call) error {
	project := c.arg[0]
	if project != c.tok.projectID() && !c.tok.admin() {
		return fault.Forbidden("Policy doesn't allow volume_extension:quotas:show to be performed.")
	}
	withUsage := c.isTrue("usage")
	u := v.usage(project)
	d := c.body
	d.obj()
	d.obj("quota_set")
	for _, q := range []struct {
		name        string
		limit, used int
	}{
		{"volumes", 100, u.volumes}, {"per_volume_gigabytes", -1, 0}, {"snapshots", 100, u.snapshots},
		{"gigabytes", 10000, u.gigabytes}, {"backups", 10, u.backups}, {"backup_gigabytes", 1000, u.backupGigabytes},
		{"volumes_" + defaultType, -1, u.volumes}, {"gigabytes_" + defaultType, -1, u.gigabytes},
		{"snapshots_" + defaultType, -1, u.snapshots}, {"groups", 10, 0},
	} {
		if withUsage {
			d.value(q.name, map[string]int{"limit": q.limit, "in_use": q.used, "reserved": 0})
		} else {
			d.num(q.name, q.limit)
		}
	}
	d.str("id", project)
	d.endObj()
	d.endObj()
	return nil
}

func (v *volume) listZones(c *call) error {
	c.body.obj()
	c.body.value("availabilityZoneInfo", []any{
		map[string]any{"zoneName": v.pod.Zone, "zoneState": map[string]bool{"available": true}},
	})
	c.body.endObj()
	return nil
}

func (v *volume) listExtensions(c *call) error {
	var all []any
	for _, alias := range []string{
		"os-vol-image-meta", "os-used-limits", "os-admin-actions", "os-types-extra-specs", "backups", "os-quota-sets",
		"os-volume-actions", "os-availability-zone", "os-services", "os-extended-snapshot-attributes", "os-vol-host-attr",
		"os-vol-mig-status-attr", "os-vol-tenant-attr", "OS-SCH-HNT",
	} {
		all = append(all, map[string]any{
			"name": alias, "alias": alias, "description": alias, "updated": "2013-01-01T00:00:00+00:00", "links": []string{},
		})
	}
	c.body.obj()
	c.body.value("extensions", all)
	c.body.endObj()
	return nil
}
