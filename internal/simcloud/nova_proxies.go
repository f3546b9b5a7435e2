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

// What Nova shows of Cinder below 2.36 (nova/api/openstack/compute/volumes.py). The top sees to it that nobody asks later.

func (n *compute) listProxied(c *call) error {
	v := n.pod.volume
	collection, _, _ := strings.Cut(strings.TrimPrefix(c.r.URL.Path[strings.Index(c.r.URL.Path, "/os-"):], "/os-"), "/")
	offset, _ := strconv.Atoi(c.query.Get("offset"))
	limit, _ := strconv.Atoi(c.query.Get("limit"))
	limit = min(cmp.Or(limit, 1000), 1000)
	i := -1
	within := func() bool { i++; return i >= offset && i < offset+limit }
	c.body.obj()
	c.body.arr(collection)
	if collection == "volumes" {
		for x := range v.matching(c.tok.projectID(), nil, nil) {
			if within() {
				v.renderProxied(c, x)
			}
		}
	}
	for _, s := range v.snapshots {
		if collection == "snapshots" && s.project == c.tok.projectID() && within() {
			v.renderProxiedSnapshot(c, s)
		}
	}
	c.body.endArr()
	c.body.endObj()
	return nil
}

func (v *volume) renderProxied(c *call, x *disk) {
	d := c.body
	d.obj()
	d.str("id", x.id)
	d.str("status", x.status)
	d.num("size", x.size)
	d.str("availabilityZone", v.pod.Zone)
	d.time("createdAt", x.created, micro)
	d.raw("attachments", "[{}]")
	d.orNull("displayName", x.name)
	d.orNull("displayDescription", x.description)
	d.str("volumeType", defaultType)
	d.orNull("snapshotId", x.snapshotID)
	d.pairs("metadata", x.metadata)
	d.endObj()
}

func (v *volume) renderProxiedSnapshot(c *call, s *snapshot) {
	d := c.body
	d.obj()
	d.str("id", s.id)
	d.str("volumeId", s.volume)
	d.str("status", "available")
	d.num("size", s.size)
	d.time("createdAt", s.created, micro)
	d.orNull("displayName", s.name)
	d.orNull("displayDescription", s.description)
	d.endObj()
}

func (n *compute) showProxied(c *call) error {
	x, err := n.pod.volume.get(c.tok, c.arg[0])
	if err != nil {
		return err
	}
	return member(c, "volume", x, n.pod.volume.renderProxied)
}

func (n *compute) showProxiedSnapshot(c *call) error {
	s, err := n.pod.volume.ownSnapshot(c)
	if err != nil {
		return err
	}
	return member(c, "snapshot", s, n.pod.volume.renderProxiedSnapshot)
}

func (n *compute) createProxied(c *call) error {
	var b struct {
		Size       json.Number `json:"size"`
		SnapshotID string      `json:"snapshot_id"`
		Zone       string      `json:"availability_zone"`
		Name       string      `json:"display_name"`
	}
	if err := c.decodeIn("volume", &b); err != nil {
		return err
	}
	v := n.pod.volume
	size, err := b.Size.Int64()
	switch {
	case err != nil || size < 1:
		return fault.BadRequest("Invalid input for field/attribute size. Value: %s. %s is less than the minimum of 1", b.Size, b.Size)
	case b.Zone != "" && b.Zone != v.pod.Zone:
		return fault.BadRequest("Invalid input received: Availability zone '%s' is invalid. (HTTP 400) (Request-ID: %s)", b.Zone, c.requestID)
	}
	x := v.newDisk(c, int(size))
	if err := v.fillFrom(c, x, &volumeBody{SnapshotID: b.SnapshotID}); err != nil {
		return err
	}
	x.name = b.Name
	v.volumes.add(x)
	c.w.Header().Set("Location", c.prefix+"/os-volumes/"+x.id)
	return member(c, "volume", x, v.renderProxied)
}

func (n *compute) createProxiedSnapshot(c *call) error {
	var b struct {
		VolumeID string `json:"volume_id"`
		Name     string `json:"display_name"`
	}
	if err := c.decodeIn("snapshot", &b); err != nil {
		return err
	}
	v := n.pod.volume
	x, err := v.get(c.tok, b.VolumeID)
	if err != nil {
		return err
	}
	now := c.cloud.opts.Now().UTC()
	s := &snapshot{id: c.cloud.opts.NewID(), name: b.Name, volume: x.id, project: c.tok.projectID(), user: c.tok.user.id, size: x.size,
		created: now.Truncate(time.Second), updated: now}
	v.snapshots = slices.Insert(v.snapshots, 0, s)
	return member(c, "snapshot", s, v.renderProxiedSnapshot)
}

// externalEvents is nova/api/openstack/compute/server_external_events.py, without effects.
func (n *compute) externalEvents(c *call) error {
	if !c.tok.admin() {
		return fault.Forbidden("Policy doesn't allow os_compute_api:os-server-external-events:create to be performed.")
	}
	var events []struct {
		Server string `json:"server_uuid"`
		Name   string `json:"name"`
		Tag    string `json:"tag,omitempty"`
		Status string `json:"status"`
		Code   int    `json:"code"`
	}
	if err := c.decodeIn("events", &events); err != nil {
		return err
	}
	for i, e := range events {
		events[i].Status, events[i].Code = "completed", http.StatusOK
		if s, ok := n.servers.get(e.Server); !ok || s.isDeleted() {
			events[i].Status, events[i].Code = "failed", http.StatusNotFound
			c.status = http.StatusMultiStatus
		}
	}
	c.body.obj()
	c.body.value("events", events)
	c.body.endObj()
	return nil
}

// consoleToken knows no token, as nobody has a console here.
func (n *compute) consoleToken(c *call) error {
	if !c.tok.admin() {
		return fault.Forbidden("Policy doesn't allow os_compute_api:os-console-auth-tokens to be performed.")
	}
	return fault.NotFound("Token not found")
}
