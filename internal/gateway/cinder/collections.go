package cinder

import (
	"cmp"
	"math"
	"net/url"
	"slices"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/microversion"
	"github.com/tricircle/tricircle/internal/store"
)

// sortable are the columns that Cinder sorts a collection by (cinder/db/sqlalchemy/models.py, Zed), with the member of a row
// that holds each. Where rows do not show it, pods come one after another.
type sortable map[string]column

type column struct {
	member string
	kind   gateway.Kind
}

var (
	volumeKeys = sortable{"id": {"id", gateway.Text}, "status": {"status", gateway.Text}, "size": {"size", gateway.Number},
		"availability_zone": {"availability_zone", gateway.Text}, "name": {"name", gateway.Text}, "display_name": {"name", gateway.Text},
		"display_description": {"description", gateway.Text}, "bootable": {"bootable", gateway.Text}, "created_at": {"created_at", gateway.Time},
		"updated_at": {"updated_at", gateway.Time}, "user_id": {"user_id", gateway.Text}, "source_volid": {"source_volid", gateway.Text},
		"snapshot_id": {"snapshot_id", gateway.Text}, "multiattach": {"multiattach", gateway.Number}, "project_id": {}, "volume_type_id": {},
		"volume_type": {}, "group_id": {}, "host": {}, "launched_at": {}}
	snapshotKeys = sortable{"id": {"id", gateway.Text}, "status": {"status", gateway.Text}, "created_at": {"created_at", gateway.Time},
		"updated_at": {"updated_at", gateway.Time}, "volume_id": {"volume_id", gateway.Text}, "volume_size": {"size", gateway.Number},
		"name": {"name", gateway.Text}, "display_name": {"name", gateway.Text}, "display_description": {"description", gateway.Text},
		"user_id": {}, "project_id": {}, "progress": {}, "volume_type_id": {}}
	backupKeys = sortable{"id": {"id", gateway.Text}, "status": {"status", gateway.Text}, "created_at": {"created_at", gateway.Time},
		"updated_at": {"updated_at", gateway.Time}, "size": {"size", gateway.Number}, "name": {"name", gateway.Text}, "display_name": {"name", gateway.Text},
		"display_description": {"description", gateway.Text}, "volume_id": {"volume_id", gateway.Text}, "container": {"container", gateway.Text},
		"availability_zone": {"availability_zone", gateway.Text}, "snapshot_id": {"snapshot_id", gateway.Text}, "user_id": {}, "project_id": {},
		"host": {}}
	attachmentKeys = sortable{"id": {"id", gateway.Text}, "volume_id": {"volume_id", gateway.Text}, "instance_uuid": {"instance", gateway.Text},
		"attach_status": {"status", gateway.Text}, "created_at": {}, "updated_at": {}, "attach_time": {}, "detach_time": {}, "attach_mode": {},
		"attached_host": {}, "mountpoint": {}}
	messageKeys = sortable{"id": {"id", gateway.Text}, "created_at": {"created_at", gateway.Time}, "event_id": {"event_id", gateway.Text},
		"message_level": {"message_level", gateway.Text}, "request_id": {"request_id", gateway.Text}, "resource_type": {"resource_type", gateway.Text},
		"resource_uuid": {"resource_uuid", gateway.Text}, "expires_at": {"guaranteed_until", gateway.Time}, "updated_at": {}, "project_id": {},
		"action_id": {}, "detail_id": {}}
	transferKeys = sortable{"id": {"id", gateway.Text}, "created_at": {"created_at", gateway.Time}, "volume_id": {"volume_id", gateway.Text},
		"display_name": {"name", gateway.Text}, "updated_at": {}, "expires_at": {}, "no_snapshots": {}, "accepted": {}, "source_project_id": {},
		"destination_project_id": {}}
	groupKeys = sortable{"id": {"id", gateway.Text}, "created_at": {"created_at", gateway.Time}, "name": {"name", gateway.Text},
		"description": {"description", gateway.Text}, "status": {"status", gateway.Text}, "availability_zone": {"availability_zone", gateway.Text},
		"updated_at": {}, "user_id": {}, "project_id": {}, "host": {}, "cluster_name": {}, "group_type_id": {}, "group_snapshot_id": {},
		"source_group_id": {}, "replication_status": {}}
	groupSnapshotKeys = sortable{"id": {"id", gateway.Text}, "created_at": {"created_at", gateway.Time}, "name": {"name", gateway.Text},
		"description": {"description", gateway.Text}, "status": {"status", gateway.Text}, "group_id": {"group_id", gateway.Text},
		"updated_at": {}, "user_id": {}, "project_id": {}, "group_type_id": {}}
)

// collection is one of Cinder's collections: what its lists show, and how far they know paging.
type collection struct {
	gateway.Collection
	path  string // of the list; Member below the version if empty
	keys  sortable
	brief []string // members of a row of the summary; nil when there is no other list than that, or both have what merging needs
	// near are the filters that name what rows are in one pod with. Not those of backups: an imported one may be far from its volume.
	near map[string]store.ResourceType
	// paging is the microversion that brought paging and sorting. Before, pods answer with all they have, in the order of whole.
	paging microversion.Version
	whole  string
	cut    bool // what is whole is still cut by limit and offset
}

// never is a microversion that there will not be.
var never = microversion.Version{Major: math.MaxInt}

var (
	groupSummary     = []string{"id", "name"}
	linkedSummary    = []string{"id", "links", "name"}
	transferSummary  = []string{"id", "volume_id", "name", "links"}
	snapshotsSummary = []string{"id", "name", "description", "created_at", "updated_at", "metadata", "volume_id", "status", "size"}
)

// collections are all that are merged from all pods (cinder/api/v3 and cinder/api/contrib, Zed). What is not Cinder's habit:
//   - Attachments show no creation time and never a next link. They come pod after pod, unless sorted by what they show.
//   - Pods take the groups of the older API out of pages of groups.
//   - The older names of transfers and of group snapshots have not learned to page, and to limit=1 transfers answer nothing at all.
//   - Next links of group lists and of transfers lead to the summary in a pod, and by the older name. Here they lead to the list that
//     was asked for.
var collections = []collection{
	{Collection: gateway.Collection{Member: "volumes", Type: store.Volume, Project: []string{"os-vol-tenant-attr:tenant_id"}},
		keys: volumeKeys, brief: linkedSummary, near: map[string]store.ResourceType{"group_id": store.Group}},
	{Collection: gateway.Collection{Member: "snapshots", Type: store.Snapshot, Project: []string{"os-extended-snapshot-attributes:project_id"}},
		keys: snapshotKeys, brief: snapshotsSummary, near: map[string]store.ResourceType{"volume_id": store.Volume}},
	{Collection: gateway.Collection{Member: "backups", Type: store.Backup, Project: []string{"os-backup-project-attr:project_id"}},
		keys: backupKeys, brief: linkedSummary},
	{Collection: gateway.Collection{Member: "attachments", Type: store.Attachment, NoLinks: true},
		keys: attachmentKeys, near: map[string]store.ResourceType{"volume_id": store.Volume, "instance_id": store.Server}},
	{Collection: gateway.Collection{Member: "messages", Type: store.Message},
		keys: messageKeys, near: map[string]store.ResourceType{"resource_uuid": store.Volume}, paging: v(5), whole: "created_at:desc"},
	{Collection: gateway.Collection{Member: "transfers", Type: store.Transfer, Path: "/os-volume-transfer"},
		path: "/os-volume-transfer", keys: transferKeys, brief: transferSummary, paging: never, whole: "created_at:asc"},
	{Collection: gateway.Collection{Member: "transfers", Type: store.Transfer, Path: "/volume-transfers"},
		path: "/volume-transfers", keys: transferKeys, brief: transferSummary, paging: v(59), whole: "created_at:asc"},
	{Collection: gateway.Collection{Member: "groups", Links: "group_links", Type: store.Group, Project: []string{"project_id"}, Sparse: true},
		keys: groupKeys, brief: groupSummary},
	{Collection: gateway.Collection{Member: "group_snapshots", Links: "group_snapshot_links", Type: store.GroupSnapshot,
		Project: []string{"project_id"}, Sparse: true},
		keys: groupSnapshotKeys, brief: groupSummary, near: map[string]store.ResourceType{"group_id": store.Group}, paging: v(29),
		whole: "created_at:desc"},
	{Collection: gateway.Collection{Member: "consistencygroups", Links: "consistencygroup_links", Type: store.Group, Path: "/consistencygroups"},
		keys: groupKeys, brief: groupSummary},
	{Collection: gateway.Collection{Member: "cgsnapshots", Type: store.GroupSnapshot, Path: "/cgsnapshots"},
		keys: groupSnapshotKeys, brief: groupSummary, paging: never, whole: "created_at:desc", cut: true},
}

// lists are the merged collections by path, short and detailed. Where the summary lacks the sort keys, pods are asked for the detail.
func lists() map[string]*gateway.Collection {
	all := map[string]*gateway.Collection{}
	for _, col := range collections {
		path := cmp.Or(col.path, "/"+col.Member)
		short := col.Collection
		short.Created = []string{"created_at"}
		short.Parse = col.parse
		short.UnknownMarker = func(marker string) *fault.Error { return missing(col.Type, marker) }
		detailed := short
		detailed.From = path + "/detail"
		if short.From = path; col.brief != nil {
			short.From, short.Summary = detailed.From, col.brief
		}
		all[path], all[path+"/detail"] = &short, &detailed
	}
	return all
}

// parse reads the parameters of a list, at the microversion of the request.
func (col *collection) parse(c *gateway.Call) (*gateway.ListQuery, error) {
	if c.Version.Less(col.paging) {
		return col.parseWhole(c)
	}
	q, err := parseList(c, col.keys)
	if err != nil {
		return nil, err
	}
	if c.Query.Has("marker") && q.Marker == "" {
		return nil, missing(col.Type, "") // as of any other id that is none
	}
	q.ByCreation = q.ByCreation && col.keys["created_at"].member != ""
	for filter, typ := range col.near {
		if id := c.Query.Get(filter); id != "" {
			q.Beside = append(q.Beside, gateway.Resource{Type: typ, ID: id})
		}
	}
	return q, nil
}

// parseWhole is for lists without paging. If limit and offset cut them nevertheless, they are the top's to apply; else pods make of
// them what they like.
func (col *collection) parseWhole(c *gateway.Call) (*gateway.ListQuery, error) {
	q := &gateway.ListQuery{}
	if col.cut {
		limits := url.Values{}
		for _, name := range []string{"limit", "offset"} {
			if c.Query.Has(name) {
				limits[name] = c.Query[name]
			}
		}
		var err error
		if q, err = parseList(&gateway.Call{Query: limits}, col.keys); err != nil {
			return nil, err
		}
		q.Limit = cmp.Or(q.Limit, maxLimit)
	} else {
		q.Params, q.Limit = c.Query, math.MaxInt32
	}
	for name := range c.Query {
		q.Exists = q.Exists || slices.Contains(existenceFilters, name)
	}
	q.Whole, q.Marker, q.Keys = true, "", nil
	return q, parseSort(url.Values{"sort": {col.whole}}, q, col.keys)
}
