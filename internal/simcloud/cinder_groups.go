package simcloud

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tricircle/tricircle/internal/fault"
)

// cgType is the type of the groups that the older API of consistency groups makes.
const cgType = "default_cgsnapshot_type"

type groupType struct{ id, name string }

func newGroupTypes(p *Pod) []*groupType { return []*groupType{{stableUUID(p.Region + cgType), cgType}} }

// volumeGroup is a group of volumes, by either API.
type volumeGroup struct {
	id, name, description, project string
	typ                            *groupType
	snapshot, source               string // that it was copied from
	created                        time.Time
}

func (g *volumeGroup) ref() (id, project string) { return g.id, g.project }
func (g *volumeGroup) filter(name string) string { return grouped(name, g.id, g.name, g.created) }

// groupSnapshot is a snapshot of a group.
type groupSnapshot struct {
	id, name, description, project string
	group                          *volumeGroup
	created                        time.Time
}

func (s *groupSnapshot) ref() (id, project string) { return s.id, s.project }
func (s *groupSnapshot) filter(name string) string {
	if name == "group_id" {
		return s.group.id
	}
	return grouped(name, s.id, s.name, s.created)
}

func grouped(field, id, name string, created time.Time) string {
	return map[string]string{"id": id, "name": name, "status": "available", "created_at": created.Format(micro)}[field]
}

var groupSortKeys = map[string]bool{"id": true, "name": true, "status": true, "created_at": true, "group_id": true}

// older tells whether a call is of the API of consistency groups, which sees all groups. The newer one sees only its own.
func (c *call) older() bool {
	return strings.Contains(c.r.URL.Path, "/consistencygroups") || strings.Contains(c.r.URL.Path, "/cgsnapshots")
}

func (c *call) reservedFor(g *volumeGroup, what string) error {
	if c.older() || g.typ.name != cgType {
		return nil
	}
	return fault.BadRequest("Group_type %s is reserved for migrating CGs to groups. Migrated %s can only be operated by %s APIs.", g.typ.id,
		what, map[string]string{"group": "CG", "group snapshots": "CG snapshot"}[what])
}

// group returns a group that the caller may see, by the API that it asks.
func (v *volume) group(c *call, id string) (*volumeGroup, error) {
	g := ownFew(c.tok, v.groups, id)
	if g == nil {
		return nil, fault.NotFound("Group %s could not be found.", id)
	}
	return g, c.reservedFor(g, "group")
}

func (v *volume) listGroups(c *call) error {
	s := shelf[*volumeGroup]{member: "groups", links: "group_links", missing: "Group", keys: groupSortKeys, filters: []string{"name"}, write: v.renderGroup}
	all := v.groups
	if c.older() {
		s.member, s.links = "consistencygroups", "consistencygroup_links"
	} else {
		all = slices.DeleteFunc(slices.Clone(all), func(g *volumeGroup) bool { return g.typ.name == cgType })
	}
	if !strings.HasSuffix(c.r.URL.Path, "/detail") {
		s.write = summarizeGroup
	}
	return s.list(c, all)
}

func (c *call) groupMember() string {
	if c.older() {
		return "consistencygroup"
	}
	return "group"
}

func summarizeGroup(c *call, g *volumeGroup) { writeName(c, g.id, g.name) }

func writeName(c *call, id, name string) {
	c.body.obj()
	c.body.str("id", id)
	c.body.orNull("name", name)
	c.body.endObj()
}

func (v *volume) renderGroup(c *call, g *volumeGroup) {
	d := c.body
	d.obj()
	d.str("id", g.id)
	d.str("status", "available")
	d.str("availability_zone", v.pod.Zone)
	d.time("created_at", g.created, micro)
	d.orNull("name", g.name)
	d.orNull("description", g.description)
	if !c.older() {
		d.str("group_type", g.typ.id)
	}
	d.strs("volume_types", []string{defaultTypeID})
	if !c.older() && c.at(14) {
		d.orNull("group_snapshot_id", g.snapshot)
		d.orNull("source_group_id", g.source)
	}
	if !c.older() && c.at(25) && c.isTrue("list_volume") {
		d.strs("volumes", v.volumesOf(g))
	}
	if !c.older() && c.at(38) {
		d.str("replication_status", "disabled")
	}
	if !c.older() && c.at(58) && c.tok.admin() {
		d.str("project_id", g.project)
	}
	d.endObj()
}

func (v *volume) volumesOf(g *volumeGroup) []string {
	ids := []string{}
	for _, x := range v.volumes.byID {
		if x.group == g.id && !x.deleted {
			ids = append(ids, x.id)
		}
	}
	slices.Sort(ids)
	return ids
}

func (v *volume) showGroup(c *call) error {
	g, err := v.group(c, c.arg[0])
	if err != nil {
		return err
	}
	return member(c, c.groupMember(), g, v.renderGroup)
}

type groupBody struct {
	Name, Description string
	GroupType         string          `json:"group_type"`
	VolumeTypes       json.RawMessage `json:"volume_types"` // a list, or in the older API a text
	Zone              string          `json:"availability_zone"`
}

func (v *volume) createGroup(c *call) error {
	var b groupBody
	if err := c.decodeIn(c.groupMember(), &b); err != nil {
		return err
	}
	var types []string
	if c.older() {
		var text string
		_ = json.Unmarshal(b.VolumeTypes, &text) // what is no text names no type
		types, b.GroupType = strings.Split(strings.TrimRight(text, ","), ","), cgType
	} else if json.Unmarshal(b.VolumeTypes, &types) != nil || b.GroupType == "" {
		return fault.BadRequest("Invalid input for field/attribute group. 'group_type' is a required property")
	}
	typ := first(v.groupTypes, func(t *groupType) bool { return t.name == b.GroupType || t.id == b.GroupType })
	if typ == nil {
		return fault.NotFound("Group type with name %s could not be found.", b.GroupType)
	}
	for _, name := range types {
		if name != defaultType && name != defaultTypeID {
			return fault.NotFound("Volume type with name %s could not be found.", name)
		}
	}
	if b.Zone != "" && b.Zone != v.pod.Zone {
		return fault.BadRequest("Invalid input received: Availability zone '%s' is invalid.", b.Zone)
	}
	g := &volumeGroup{name: strings.TrimSpace(b.Name), description: b.Description, typ: typ}
	if err := c.reservedFor(g, "group"); err != nil {
		return err
	}
	return v.addGroup(c, g)
}

// copyGroup makes a group from another, or from a snapshot of one.
func (v *volume) copyGroup(c *call) error {
	body, snapshotID, sourceID := "create-from-src", "group_snapshot_id", "source_group_id"
	if c.older() {
		body, snapshotID, sourceID = "consistencygroup-from-src", "cgsnapshot_id", "source_cgid"
	}
	var given map[string]string
	if err := c.decodeIn(body, &given); err != nil {
		return err
	}
	copied := &volumeGroup{name: given["name"], description: given["description"], snapshot: given[snapshotID], source: given[sourceID]}
	switch {
	case copied.snapshot != "":
		s, err := v.groupSnapshot(c, copied.snapshot)
		if err != nil {
			return err
		}
		copied.typ = s.group.typ
	default:
		g, err := v.group(c, copied.source)
		if err != nil {
			return err
		}
		copied.typ = g.typ
	}
	return v.addGroup(c, copied)
}

func (v *volume) addGroup(c *call, g *volumeGroup) error {
	g.id, g.project, g.created = c.cloud.opts.NewID(), c.tok.projectID(), c.cloud.opts.Now().UTC().Truncate(time.Second)
	v.groups = slices.Insert(v.groups, 0, g)
	c.status = http.StatusAccepted
	return member(c, c.groupMember(), g, summarizeGroup)
}

func (v *volume) updateGroup(c *call) error {
	g, err := v.group(c, c.arg[0])
	if err != nil {
		return err
	}
	var b struct {
		Name, Description *string
		Add               string `json:"add_volumes"`
		Remove            string `json:"remove_volumes"`
	}
	if err := c.decodeIn(c.groupMember(), &b); err != nil {
		return err
	}
	for ids, group := range map[string]string{b.Add: g.id, b.Remove: ""} {
		for id := range strings.SplitSeq(ids, ",") {
			if id == "" {
				continue
			}
			x, err := v.changing(c.tok, id)
			if err != nil {
				return fault.BadRequest("Invalid volume: Cannot add volume %s to group %s because volume cannot be found.", id, g.id)
			}
			x.group = group
		}
	}
	set(&g.name, b.Name)
	set(&g.description, b.Description)
	c.accepted()
	return nil
}

// actOnGroup is POST /groups/{id}/action with "delete".
func (v *volume) actOnGroup(c *call) error {
	var b struct {
		WithVolumes bool `json:"delete-volumes"`
	}
	if err := c.decodeIn("delete", &b); err != nil {
		return err
	}
	return v.deleteGroup(c, b.WithVolumes)
}

// deleteOlder is POST /consistencygroups/{id}/delete.
func (v *volume) deleteOlder(c *call) error {
	var b struct{ Force bool }
	if err := c.decodeIn("consistencygroup", &b); err != nil {
		return err
	}
	return v.deleteGroup(c, b.Force)
}

func (v *volume) deleteGroup(c *call, withVolumes bool) error {
	g, err := v.group(c, c.arg[0])
	if err != nil {
		return err
	}
	volumes := v.volumesOf(g)
	if len(volumes) > 0 && !withVolumes {
		return fault.BadRequest("Invalid Group: Group %s still contains volumes. The delete-volumes flag is required to delete it.", g.id)
	}
	for _, id := range volumes {
		if x, _, ok := v.volumes.touch(id); ok {
			x.deleted = true
		}
	}
	v.groups = slices.DeleteFunc(v.groups, func(x *volumeGroup) bool { return x == g })
	c.accepted()
	return nil
}

// groupSnapshot returns a snapshot of a group that the caller may see, by the API that it asks.
func (v *volume) groupSnapshot(c *call, id string) (*groupSnapshot, error) {
	s := ownFew(c.tok, v.groupSnapshots, id)
	if s == nil {
		return nil, fault.NotFound("GroupSnapshot %s could not be found.", id)
	}
	return s, c.reservedFor(s.group, "group snapshots")
}

func (v *volume) listGroupSnapshots(c *call) error {
	s := shelf[*groupSnapshot]{member: "group_snapshots", links: "group_snapshot_links", missing: "GroupSnapshot", keys: groupSortKeys,
		filters: []string{"name", "status", "group_id"}, write: renderGroupSnapshot}
	all := v.groupSnapshots
	if c.older() {
		s.member, s.links = "cgsnapshots", ""
	} else {
		all = slices.DeleteFunc(slices.Clone(all), func(s *groupSnapshot) bool { return s.group.typ.name == cgType })
	}
	if !c.older() && !c.at(29) {
		clear(c.query) // it knows no parameters yet
	}
	if !strings.HasSuffix(c.r.URL.Path, "/detail") {
		s.write = func(c *call, s *groupSnapshot) { writeName(c, s.id, s.name) }
	}
	return s.list(c, all)
}

func renderGroupSnapshot(c *call, s *groupSnapshot) {
	d := c.body
	d.obj()
	d.str("id", s.id)
	if c.older() {
		d.str("consistencygroup_id", s.group.id)
	} else {
		d.str("group_id", s.group.id)
		d.str("group_type_id", s.group.typ.id)
	}
	d.str("status", "available")
	d.time("created_at", s.created, micro)
	d.orNull("name", s.name)
	d.orNull("description", s.description)
	if !c.older() && c.at(58) && c.tok.admin() {
		d.str("project_id", s.project)
	}
	d.endObj()
}

func (c *call) groupSnapshotMember() string {
	if c.older() {
		return "cgsnapshot"
	}
	return "group_snapshot"
}

func (v *volume) showGroupSnapshot(c *call) error {
	s, err := v.groupSnapshot(c, c.arg[0])
	if err != nil {
		return err
	}
	return member(c, c.groupSnapshotMember(), s, renderGroupSnapshot)
}

func (v *volume) createGroupSnapshot(c *call) error {
	var b struct {
		Name, Description string
		Group             string `json:"group_id"`
		Older             string `json:"consistencygroup_id"`
	}
	if err := c.decodeIn(c.groupSnapshotMember(), &b); err != nil {
		return err
	}
	g, err := v.group(c, b.Group+b.Older)
	if err != nil {
		return err
	}
	if len(v.volumesOf(g)) == 0 {
		return fault.BadRequest("Invalid Group: Source group cannot be empty or in 'creating' or 'updating' state. No group snapshot will be " +
			"created.")
	}
	s := &groupSnapshot{id: c.cloud.opts.NewID(), name: b.Name, description: b.Description, project: c.tok.projectID(), group: g,
		created: c.cloud.opts.Now().UTC().Truncate(time.Second)}
	v.groupSnapshots = slices.Insert(v.groupSnapshots, 0, s)
	c.status = http.StatusAccepted
	return member(c, c.groupSnapshotMember(), s, func(c *call, s *groupSnapshot) { writeName(c, s.id, s.name) })
}

func (v *volume) deleteGroupSnapshot(c *call) error {
	s, err := v.groupSnapshot(c, c.arg[0])
	if err != nil {
		return err
	}
	v.groupSnapshots = slices.DeleteFunc(v.groupSnapshots, func(x *groupSnapshot) bool { return x == s })
	c.accepted()
	return nil
}

func (v *volume) listGroupTypes(c *call) error {
	c.body.obj()
	c.body.arr("group_types")
	for _, t := range v.groupTypes {
		renderGroupType(c, t)
	}
	c.body.endArr()
	c.body.endObj()
	return nil
}

func renderGroupType(c *call, t *groupType) {
	d := c.body
	d.obj()
	d.str("id", t.id)
	d.str("name", t.name)
	d.null("description")
	d.yes("is_public", true)
	if c.tok.admin() {
		d.raw("group_specs", "{}")
	}
	d.endObj()
}

func (v *volume) createGroupType(c *call) error {
	if err := c.policy("group:group_types:create"); err != nil {
		return err
	}
	var b struct{ Name string }
	if err := c.decodeIn("group_type", &b); err != nil {
		return err
	}
	t := &groupType{c.cloud.opts.NewID(), b.Name}
	v.groupTypes = append(v.groupTypes, t)
	c.status = http.StatusAccepted
	return member(c, "group_type", t, renderGroupType)
}
