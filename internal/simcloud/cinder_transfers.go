package simcloud

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tricircle/tricircle/internal/fault"
)

// transfer offers a volume to whoever knows the key.
type transfer struct {
	id, name, volume, key, project string
	noSnapshots                    bool
	created                        time.Time
}

func (t *transfer) ref() (id, project string) { return t.id, t.project }
func (t *transfer) filter(name string) string {
	return map[string]string{"id": t.id, "name": t.name, "volume_id": t.volume, "created_at": t.created.Format(micro)}[name]
}

var transferSortKeys = map[string]bool{"id": true, "created_at": true, "volume_id": true, "display_name": true}

// listTransfers pages from 3.59 on, by the newer name. Otherwise a parameter that is no column makes the list empty, even limit
// (cinder/db/sqlalchemy/api.py, _process_transfer_filters).
func (v *volume) listTransfers(c *call) error {
	s := shelf[*transfer]{member: "transfers", links: "transfers_links", missing: "Transfer", keys: transferSortKeys,
		filters: []string{"name", "volume_id"}, write: renderTransfer}
	if !strings.HasSuffix(c.r.URL.Path, "/detail") {
		s.write = summarizeTransfer
	}
	if c.at(59) && strings.Contains(c.r.URL.Path, "/volume-transfers") {
		return s.list(c, v.transfers)
	}
	oldestFirst := slices.Clone(v.transfers)
	slices.Reverse(oldestFirst)
	for name := range c.query {
		if name != "name" && name != "volume_id" && name != "all_tenants" {
			oldestFirst = nil
		}
	}
	for _, paging := range []string{"limit", "offset", "marker", "sort", "sort_key", "sort_dir"} {
		delete(c.query, paging)
	}
	return s.list(c, oldestFirst)
}

func summarizeTransfer(c *call, t *transfer) {
	d := c.body
	d.obj()
	d.str("id", t.id)
	d.str("volume_id", t.volume)
	d.orNull("name", t.name)
	c.writeLinks("os-volume-transfer", t.id)
	d.endObj()
}

func renderTransfer(c *call, t *transfer) { writeTransfer(c, t, false) }

func writeTransfer(c *call, t *transfer, withKey bool) {
	d := c.body
	d.obj()
	d.str("id", t.id)
	d.time("created_at", t.created, micro)
	d.orNull("name", t.name)
	d.str("volume_id", t.volume)
	if withKey {
		d.str("auth_key", t.key)
	}
	c.writeLinks("os-volume-transfer", t.id)
	if c.at(55) {
		d.yes("no_snapshots", t.noSnapshots)
	}
	if c.at(57) {
		d.null("destination_project_id")
		d.str("source_project_id", t.project)
		d.yes("accepted", false)
	}
	d.endObj()
}

func noTransfer(id string) error { return fault.NotFound("Transfer %s could not be found.", id) }

func (v *volume) showTransfer(c *call) error {
	t := ownFew(c.tok, v.transfers, c.arg[0])
	if t == nil {
		return noTransfer(c.arg[0])
	}
	return member(c, "transfer", t, renderTransfer)
}

func (v *volume) createTransfer(c *call) error {
	var b struct {
		Name        string
		Volume      string `json:"volume_id"`
		NoSnapshots bool   `json:"no_snapshots"`
	}
	if err := c.decodeIn("transfer", &b); err != nil {
		return err
	}
	x, err := v.changing(c.tok, b.Volume)
	if err != nil {
		return err
	}
	if x.status != "available" {
		return fault.BadRequest("Invalid volume: status must be available")
	}
	x.status = "awaiting-transfer"
	t := &transfer{id: c.cloud.opts.NewID(), name: strings.TrimSpace(b.Name), volume: x.id, key: c.cloud.opts.NewID()[:16], project: x.project,
		noSnapshots: b.NoSnapshots, created: c.cloud.opts.Now().UTC().Truncate(time.Second)}
	v.transfers = slices.Insert(v.transfers, 0, t)
	c.status = http.StatusAccepted
	return member(c, "transfer", t, func(c *call, t *transfer) { writeTransfer(c, t, true) })
}

// acceptTransfer is for everybody who knows the key, though the transfer is shown to the donor only.
func (v *volume) acceptTransfer(c *call) error {
	var b struct {
		Key string `json:"auth_key"`
	}
	if err := c.decodeIn("accept", &b); err != nil {
		return err
	}
	t := first(v.transfers, func(t *transfer) bool { return t.id == c.arg[0] })
	if t == nil {
		return noTransfer(c.arg[0])
	}
	if b.Key != t.key {
		return fault.BadRequest("Invalid auth key: Attempt to transfer %s with invalid auth key.", t.id)
	}
	x, _, _ := v.volumes.touch(t.volume)
	x.project, x.user, x.status = c.tok.projectID(), c.tok.user.id, "available"
	for _, s := range v.snapshots {
		if s.volume == x.id && !t.noSnapshots {
			s.project, s.user = x.project, x.user
		}
	}
	v.endTransfer(t)
	c.status = http.StatusAccepted
	return member(c, "transfer", t, summarizeTransfer)
}

func (v *volume) deleteTransfer(c *call) error {
	t := ownFew(c.tok, v.transfers, c.arg[0])
	if t == nil {
		return noTransfer(c.arg[0])
	}
	if x, _, ok := v.volumes.touch(t.volume); ok {
		x.status = "available"
	}
	v.endTransfer(t)
	c.accepted()
	return nil
}

func (v *volume) endTransfer(t *transfer) {
	v.transfers = slices.DeleteFunc(v.transfers, func(x *transfer) bool { return x == t })
}
