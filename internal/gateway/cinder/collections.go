package cinder

import (
	"cmp"
	"math"
	"net/url"
	"slices"
	"strings"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/microversion"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/store"
)

// sortable are the columns that Cinder sorts a collection by (cinder/db/sqlalchemy/models.py, Zed), with the member of a row
// that holds each. Where rows do not show it, pods come one after another.
type sortable map[string]column

type column struct {
	member string
	kind   gateway.Kind
}

// hidden adds columns that rows do not show. Those of what a row belongs to sort by its id; the secrets among them Cinder accepts, too.
func (s sortable) hidden(names string) sortable {
	for name := range strings.FieldsSeq(names + " updated_at deleted deleted_at") {
		if _, shown := s[name]; !shown {
			s[name] = column{}
		}
	}
	return s
}

var (
	volumeKeys = sortable{"id": {"id", gateway.Text}, "status": {"status", gateway.Text}, "size": {"size", gateway.Number},
		"availability_zone": {"availability_zone", gateway.Text}, "name": {"name", gateway.Text}, "display_name": {"name", gateway.Text},
		"display_description": {"description", gateway.Text}, "bootable": {"bootable", gateway.Text}, "created_at": {"created_at", gateway.Time},
		"updated_at": {"updated_at", gateway.Time}, "user_id": {"user_id", gateway.Text}, "source_volid": {"source_volid", gateway.Text},
		"snapshot_id": {"snapshot_id", gateway.Text}, "multiattach": {"multiattach", gateway.Number},
	}.hidden("_name_id use_quota ec2_id project_id cluster_name host attach_status migration_status scheduled_at launched_at terminated_at " +
		"provider_location provider_auth provider_geometry provider_id volume_type volume_type_id encryption_key_id consistencygroup " +
		"consistencygroup_id group group_id replication_status replication_extended_status replication_driver_data previous_status " +
		"service service_uuid shared_targets")
	snapshotKeys = sortable{"id": {"id", gateway.Text}, "status": {"status", gateway.Text}, "created_at": {"created_at", gateway.Time},
		"updated_at": {"updated_at", gateway.Time}, "volume_id": {"volume_id", gateway.Text}, "volume_size": {"size", gateway.Number},
		"name": {"name", gateway.Text}, "display_name": {"name", gateway.Text}, "display_description": {"description", gateway.Text},
	}.hidden("use_quota user_id project_id volume cgsnapshot cgsnapshot_id group_snapshot group_snapshot_id progress scheduled_at " +
		"encryption_key_id volume_type_id provider_location provider_id provider_auth")
	backupKeys = sortable{"id": {"id", gateway.Text}, "status": {"status", gateway.Text}, "created_at": {"created_at", gateway.Time},
		"updated_at": {"updated_at", gateway.Time}, "size": {"size", gateway.Number}, "name": {"name", gateway.Text}, "display_name": {"name", gateway.Text},
		"display_description": {"description", gateway.Text}, "volume_id": {"volume_id", gateway.Text}, "container": {"container", gateway.Text},
		"availability_zone": {"availability_zone", gateway.Text}, "snapshot_id": {"snapshot_id", gateway.Text},
		"object_count": {"object_count", gateway.Number}, "data_timestamp": {"data_timestamp", gateway.Time},
	}.hidden("user_id project_id host parent_id fail_reason service_metadata service temp_volume_id temp_snapshot_id " +
		"num_dependent_backups restore_volume_id encryption_key_id")
	attachmentKeys = sortable{"id": {"id", gateway.Text}, "volume_id": {"volume_id", gateway.Text}, "instance_uuid": {"instance", gateway.Text},
		"attach_status": {"status", gateway.Text},
	}.hidden("created_at attach_time detach_time attach_mode attached_host mountpoint volume connection_info connector")
	messageKeys = sortable{"id": {"id", gateway.Text}, "created_at": {"created_at", gateway.Time}, "event_id": {"event_id", gateway.Text},
		"message_level": {"message_level", gateway.Text}, "request_id": {"request_id", gateway.Text}, "resource_type": {"resource_type", gateway.Text},
		"resource_uuid": {"resource_uuid", gateway.Text}, "expires_at": {"guaranteed_until", gateway.Time},
	}.hidden("project_id action_id detail_id")
	transferKeys = sortable{"id": {"id", gateway.Text}, "created_at": {"created_at", gateway.Time}, "volume_id": {"volume_id", gateway.Text},
		"display_name": {"name", gateway.Text},
	}.hidden("expires_at no_snapshots accepted source_project_id destination_project_id salt crypt_hash volume")
	groupKeys = sortable{"id": {"id", gateway.Text}, "created_at": {"created_at", gateway.Time}, "name": {"name", gateway.Text},
		"description": {"description", gateway.Text}, "status": {"status", gateway.Text}, "availability_zone": {"availability_zone", gateway.Text},
	}.hidden("user_id project_id host cluster_name group_type_id group_snapshot_id source_group_id replication_status")
	groupSnapshotKeys = sortable{"id": {"id", gateway.Text}, "created_at": {"created_at", gateway.Time}, "name": {"name", gateway.Text},
		"description": {"description", gateway.Text}, "status": {"status", gateway.Text}, "group_id": {"group_id", gateway.Text},
	}.hidden("user_id project_id group_type_id")
)

// collection is one of Cinder's collections: what its lists show, and how far they know paging.
type collection struct {
	gateway.Collection
	path  string // of the list; Member below the version if empty
	keys  sortable
	brief []string // members of a row of the summary; nil when there is no other list than that, or both have what merging needs
	// near are the filters that name what rows are in one pod with. Not those of backups: an imported one may be far from its volume.
	near map[string]neighbour
	// zoned says whether the filter availability_zone counts at a microversion for users. Where it does not it is the pods' to drop or to
	// refuse; for administrators it counts wherever rows have a zone. Nil: rows have none.
	zoned func(microversion.Version) bool
	// paging is the microversion that brought paging and sorting. Before, pods answer with all they have, in the order of whole.
	paging microversion.Version
	whole  string
	cut    bool // what is whole is still cut by limit and offset
}

// neighbour is what a filter names that rows are in one pod with, from the microversion that knows the filter; it is dropped below.
type neighbour struct {
	typ  store.ResourceType
	from microversion.Version
}

// What microversions make of the filter availability_zone, from users who are no administrators. 3.31 brought resource_filters.json
// and refuses what is not in it; below, each list drops what it does not know (cinder/api/common.py, process_general_filtering).
var (
	zonedAlways = func(microversion.Version) bool { return true }
	zonedFrom31 = func(asked microversion.Version) bool { return !asked.Less(v(31)) }
	zonedTill31 = func(asked microversion.Version) bool { return asked.Less(v(31)) }
	zonedNever  = func(microversion.Version) bool { return false }
)

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
		keys: volumeKeys, brief: linkedSummary, near: map[string]neighbour{"group_id": {store.Group, v(10)}}, zoned: zonedAlways},
	{Collection: gateway.Collection{Member: "snapshots", Type: store.Snapshot, Project: []string{"os-extended-snapshot-attributes:project_id"}},
		keys: snapshotKeys, brief: snapshotsSummary, near: map[string]neighbour{"volume_id": {typ: store.Volume}}, zoned: zonedFrom31},
	{Collection: gateway.Collection{Member: "backups", Type: store.Backup, Project: []string{"os-backup-project-attr:project_id"}},
		keys: backupKeys, brief: linkedSummary, zoned: zonedNever},
	{Collection: gateway.Collection{Member: "attachments", Type: store.Attachment, NoLinks: true},
		keys: attachmentKeys, near: map[string]neighbour{"volume_id": {typ: store.Volume}, "instance_id": {typ: store.Server}}},
	{Collection: gateway.Collection{Member: "messages", Type: store.Message},
		keys: messageKeys, near: map[string]neighbour{"resource_uuid": {typ: store.Volume}}, paging: v(5), whole: "created_at:desc"},
	{Collection: gateway.Collection{Member: "transfers", Type: store.Transfer, Path: "/os-volume-transfer"},
		path: "/os-volume-transfer", keys: transferKeys, brief: transferSummary, paging: never, whole: "created_at:asc"},
	{Collection: gateway.Collection{Member: "transfers", Type: store.Transfer, Path: "/volume-transfers"},
		path: "/volume-transfers", keys: transferKeys, brief: transferSummary, paging: v(59), whole: "created_at:asc"},
	{Collection: gateway.Collection{Member: "groups", Links: "group_links", Type: store.Group, Project: []string{"project_id"}, Sparse: true},
		keys: groupKeys, brief: groupSummary, zoned: zonedTill31},
	{Collection: gateway.Collection{Member: "group_snapshots", Links: "group_snapshot_links", Type: store.GroupSnapshot,
		Project: []string{"project_id"}, Sparse: true},
		keys: groupSnapshotKeys, brief: groupSummary, near: map[string]neighbour{"group_id": {typ: store.Group}}, paging: v(29),
		whole: "created_at:desc"},
	{Collection: gateway.Collection{Member: "consistencygroups", Links: "consistencygroup_links", Type: store.Group, Path: "/consistencygroups"},
		keys: groupKeys, brief: groupSummary, zoned: zonedAlways},
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
	for filter, beside := range col.near {
		if id := c.Query.Get(filter); id != "" && !c.Version.Less(beside.from) {
			q.Beside = append(q.Beside, gateway.Resource{Type: beside.typ, ID: id})
		}
	}
	if zone := c.Query.Get("availability_zone"); zone != "" && col.zoned != nil && (c.Caller.IsAdmin() || col.zoned(c.Version)) {
		q.ForPod = func(p *pod.Pod, params url.Values) bool { return gateway.TranslateZone(p, params, zone) }
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
