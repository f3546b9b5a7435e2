package cinder

import (
	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/microversion"
	"github.com/tricircle/tricircle/internal/store"
)

// The words of the table.
const (
	static      = gateway.TopStatic
	byAZ        = gateway.ByAZ
	byID        = gateway.ByID
	byRef       = gateway.ByRef
	merge       = gateway.FanOutMerge
	sum         = gateway.FanOutSum
	owned       = gateway.TopOwned
	admin       = gateway.AdminScopedPod
	unsupported = gateway.Unsupported

	volume        = store.Volume
	snapshot      = store.Snapshot
	backup        = store.Backup
	attachment    = store.Attachment
	group         = store.Group
	groupSnapshot = store.GroupSnapshot
	transfer      = store.Transfer
	message       = store.Message
)

type (
	refs   = []gateway.Ref
	places = []gateway.Place
)

// Places in requests.
var (
	inPath   = gateway.InPath
	inQuery  = gateway.InQuery
	inBody   = gateway.InBody
	inVolume = places{inBody("volume", "host"), inBody("volume", "cluster")}
)

// name holds the name of a cluster or pool in some answers; in all others it is the user's own.
var name = []string{"name"}

func ref(t store.ResourceType, path ...string) gateway.Ref { return gateway.Ref{Type: t, Path: path} }

// ifKnown is for ids that need not be of anything in a pod.
func ifKnown(t store.ResourceType, path ...string) gateway.Ref {
	return gateway.Ref{Type: t, Path: path, IfKnown: true}
}

// copyOf is what a group is copied from: the member of the body called member holds one of these two ids.
func copyOf(member, snapshotID, groupID string) refs {
	return refs{ref(groupSnapshot, member, snapshotID), ref(group, member, groupID)}
}

func v(minor int) microversion.Version { return microversion.Version{Major: 3, Minor: minor} }

// Roots are the paths outside /v3, and that prefix itself. Here paths are absolute.
var Roots = []gateway.Route{
	{Method: "GET", Path: "/", Class: static, Note: "300 with the one version; no token"},
	{Method: "GET", Path: "/v3", Class: static, Note: "302 to /v3/, with a token"},
	{Method: "GET", Path: "/healthcheck", Class: static, Note: "no token"},
}

// Routes is every call below /v3[/{project_id}].
var Routes = gateway.Rows(current)

// current is the API as it is: cinder/api/v3/router.py with all extensions, up to 3.71. A row without Min is from 3.0 on.
//
// Calls of class owned, about what all pods must agree on, are executed as any-pod until the top owns these things.
var current = map[string]gateway.Route{
	// Versions, extensions and filters.
	"GET    /":                 {Class: static, Note: "the version document, with a token"},
	"GET    /extensions":       {Class: static},
	"GET    /extensions/{id}":  {Class: static},
	"GET    /resource_filters": {Class: static, Min: v(33), Note: "pods are configured alike"},

	// Volumes.
	"GET    /volumes":                             {Class: merge, Hosts: places{inQuery("host"), inQuery("cluster_name")}, Note: "rows lack the sort key: pods are asked for the detail"},
	"POST   /volumes":                             {Class: byAZ, Handler: "create", Note: "source, snapshot, backup, group, hints, zone and type name the pod"},
	"GET    /volumes/detail":                      {Class: merge, Hosts: places{inQuery("host"), inQuery("cluster_name")}, Note: "created_at desc, id desc; links, zone, type, host names"},
	"GET    /volumes/summary":                     {Class: sum, Min: v(12), Note: "counts and sizes are sums, metadata a union"},
	"DELETE /volumes/{id}":                        {Class: byID, Type: volume, Note: "with cascade the snapshots too"},
	"GET    /volumes/{id}":                        {Class: byID, Type: volume, Note: "rewritten as in the list"},
	"PUT    /volumes/{id}":                        {Class: byID, Type: volume, Note: "as GET"},
	"GET    /volumes/{volume_id}/encryption":      {Class: byID, Type: volume},
	"GET    /volumes/{volume_id}/encryption/{id}": {Class: byID, Type: volume, Note: "id is the name of a key"},
	"GET    /volumes/{volume_id}/metadata":        {Class: byID, Type: volume, Note: "Etag is of the pod's bytes: nothing may change"},
	"POST   /volumes/{volume_id}/metadata":        {Class: byID, Type: volume, Note: "If-Match"},
	"PUT    /volumes/{volume_id}/metadata":        {Class: byID, Type: volume, Note: "If-Match"},
	"DELETE /volumes/{volume_id}/metadata/{id}":   {Class: byID, Type: volume, Note: "If-Match"},
	"GET    /volumes/{volume_id}/metadata/{id}":   {Class: byID, Type: volume},
	"PUT    /volumes/{volume_id}/metadata/{id}":   {Class: byID, Type: volume, Note: "If-Match"},

	// Volume actions.
	"POST   /volumes/{id}/action os-attach":                    {Class: byID, Type: volume, Note: "instance_uuid in the same pod"},
	"POST   /volumes/{id}/action os-begin_detaching":           {Class: byID, Type: volume},
	"POST   /volumes/{id}/action os-detach":                    {Class: byID, Type: volume},
	"POST   /volumes/{id}/action os-extend":                    {Class: byID, Type: volume, Note: "quota is checked at the top first"},
	"POST   /volumes/{id}/action os-extend_volume_completion":  {Class: byID, Type: volume, Min: v(71), Note: "called by the pod's Nova"},
	"POST   /volumes/{id}/action os-force_delete":              {Class: byID, Type: volume},
	"POST   /volumes/{id}/action os-force_detach":              {Class: byID, Type: volume},
	"POST   /volumes/{id}/action os-initialize_connection":     {Class: byID, Type: volume, Note: "storage addresses of the pod"},
	"POST   /volumes/{id}/action os-migrate_volume":            {Class: byID, Type: volume, Hosts: places{inBody("os-migrate_volume", "host"), inBody("os-migrate_volume", "cluster")}, Note: "inside the pod; host or cluster unqualified"},
	"POST   /volumes/{id}/action os-migrate_volume_completion": {Class: byID, Type: volume, Note: "new_volume in the same pod"},
	"POST   /volumes/{id}/action os-reimage":                   {Class: byID, Type: volume, Min: v(68), Note: "the image must be in the pod"},
	"POST   /volumes/{id}/action os-reserve":                   {Class: byID, Type: volume},
	"POST   /volumes/{id}/action os-reset_status":              {Class: byID, Type: volume},
	"POST   /volumes/{id}/action os-retype":                    {Class: byID, Type: volume, Note: "new_type by name; stays in the pod"},
	"POST   /volumes/{id}/action os-roll_detaching":            {Class: byID, Type: volume},
	"POST   /volumes/{id}/action os-set_bootable":              {Class: byID, Type: volume},
	"POST   /volumes/{id}/action os-set_image_metadata":        {Class: byID, Type: volume},
	"POST   /volumes/{id}/action os-show_image_metadata":       {Class: byID, Type: volume},
	"POST   /volumes/{id}/action os-terminate_connection":      {Class: byID, Type: volume},
	"POST   /volumes/{id}/action os-unmanage":                  {Class: byID, Type: volume, Note: "the routing goes"},
	"POST   /volumes/{id}/action os-unreserve":                 {Class: byID, Type: volume},
	"POST   /volumes/{id}/action os-unset_image_metadata":      {Class: byID, Type: volume},
	"POST   /volumes/{id}/action os-update_readonly_flag":      {Class: byID, Type: volume},
	"POST   /volumes/{id}/action os-volume_upload_image":       {Class: byID, Type: volume, Note: "an image is born: image_id in the answer"},
	"POST   /volumes/{id}/action revert":                       {Class: byID, Type: volume, Min: v(40), Note: "snapshot_id of the same volume"},

	// Snapshots.
	"GET    /snapshots":                                       {Class: merge, Note: "created_at desc, id desc; a volume_id asks one pod"},
	"POST   /snapshots":                                       {Class: byRef, Refs: refs{ref(volume, "snapshot", "volume_id")}},
	"GET    /snapshots/detail":                                {Class: merge},
	"DELETE /snapshots/{id}":                                  {Class: byID, Type: snapshot},
	"GET    /snapshots/{id}":                                  {Class: byID, Type: snapshot},
	"PUT    /snapshots/{id}":                                  {Class: byID, Type: snapshot},
	"POST   /snapshots/{id}/action os-force_delete":           {Class: byID, Type: snapshot},
	"POST   /snapshots/{id}/action os-reset_status":           {Class: byID, Type: snapshot},
	"POST   /snapshots/{id}/action os-unmanage":               {Class: byID, Type: snapshot, Note: "the routing goes"},
	"POST   /snapshots/{id}/action os-update_snapshot_status": {Class: byID, Type: snapshot, Note: "called by the pod's Nova"},
	"GET    /snapshots/{snapshot_id}/metadata":                {Class: byID, Type: snapshot},
	"POST   /snapshots/{snapshot_id}/metadata":                {Class: byID, Type: snapshot},
	"PUT    /snapshots/{snapshot_id}/metadata":                {Class: byID, Type: snapshot},
	"DELETE /snapshots/{snapshot_id}/metadata/{id}":           {Class: byID, Type: snapshot},
	"GET    /snapshots/{snapshot_id}/metadata/{id}":           {Class: byID, Type: snapshot},
	"PUT    /snapshots/{snapshot_id}/metadata/{id}":           {Class: byID, Type: snapshot},

	// Backups.
	"GET    /backups":                             {Class: merge, Note: "rows lack the sort key: pods are asked for the detail"},
	"POST   /backups":                             {Class: byRef, Refs: refs{ref(volume, "backup", "volume_id"), ref(snapshot, "backup", "snapshot_id")}},
	"GET    /backups/detail":                      {Class: merge},
	"POST   /backups/import_record":               {Class: byAZ, Handler: "importBackup", Note: "nothing in it names a pod: where the backup or its volume is known, else the first"},
	"DELETE /backups/{id}":                        {Class: byID, Type: backup},
	"GET    /backups/{id}":                        {Class: byID, Type: backup},
	"PUT    /backups/{id}":                        {Class: byID, Type: backup, Min: v(9)},
	"POST   /backups/{id}/action os-force_delete": {Class: byID, Type: backup},
	"POST   /backups/{id}/action os-reset_status": {Class: byID, Type: backup},
	"GET    /backups/{id}/export_record":          {Class: byID, Type: backup, Note: "opaque"},
	"POST   /backups/{id}/restore":                {Class: byRef, Type: backup, Refs: refs{ref(volume, "restore", "volume_id")}},

	// Attachments.
	"GET    /attachments":                         {Class: merge, Min: v(27), Note: "a volume_id or instance_id asks one pod; no links at all"},
	"POST   /attachments":                         {Class: byRef, Refs: refs{ref(volume, "attachment", "volume_uuid"), ifKnown(store.Server, "attachment", "instance_uuid")}, Min: v(27)},
	"GET    /attachments/detail":                  {Class: merge, Min: v(27)},
	"DELETE /attachments/{id}":                    {Class: byID, Type: attachment, Min: v(27)},
	"GET    /attachments/{id}":                    {Class: byID, Type: attachment, Min: v(27), Note: "storage addresses of the pod"},
	"PUT    /attachments/{id}":                    {Class: byID, Type: attachment, Min: v(27)},
	"POST   /attachments/{id}/action os-complete": {Class: byID, Type: attachment, Min: v(44)},

	// Transfers, by both names. They are looked up whatever the project, for another one accepts them.
	"GET    /os-volume-transfer":             {Class: merge, Note: "created_at asc below 3.59, desc from it"},
	"POST   /os-volume-transfer":             {Class: byRef, Refs: refs{ref(volume, "transfer", "volume_id")}, Note: "shows auth_key: never kept"},
	"GET    /os-volume-transfer/detail":      {Class: merge},
	"DELETE /os-volume-transfer/{id}":        {Class: byID, Type: transfer},
	"GET    /os-volume-transfer/{id}":        {Class: byID, Type: transfer},
	"POST   /os-volume-transfer/{id}/accept": {Class: byID, Type: transfer, Handler: "accept", Note: "by another project, to which the volume then belongs"},
	"GET    /volume-transfers":               {Class: merge, Note: "created_at asc below 3.59, desc from it"},
	"POST   /volume-transfers":               {Class: byRef, Refs: refs{ref(volume, "transfer", "volume_id")}, Note: "shows auth_key: never kept"},
	"GET    /volume-transfers/detail":        {Class: merge},
	"DELETE /volume-transfers/{id}":          {Class: byID, Type: transfer},
	"GET    /volume-transfers/{id}":          {Class: byID, Type: transfer},
	"POST   /volume-transfers/{id}/accept":   {Class: byID, Type: transfer, Handler: "accept", Note: "by another project, to which the volume then belongs"},

	// Messages.
	"GET    /messages":      {Class: merge, Min: v(3), Note: "created_at desc; a resource_uuid asks one pod"},
	"DELETE /messages/{id}": {Class: byID, Type: message, Min: v(3)},
	"GET    /messages/{id}": {Class: byID, Type: message, Min: v(3), Note: "born in the pod: unknown until asked for"},

	// Groups. A group is in one pod.
	"GET    /groups":                                      {Class: merge, Min: v(13)},
	"POST   /groups":                                      {Class: byAZ, Handler: "createGroup", Min: v(13), Note: "availability_zone and types name the pod"},
	"POST   /groups/action create-from-src":               {Class: byRef, Refs: copyOf("create-from-src", "group_snapshot_id", "source_group_id"), Min: v(14)},
	"POST   /groups/action delete":                        {Class: unsupported, Min: v(13), Note: "needs an id: 400"},
	"POST   /groups/action disable_replication":           {Class: unsupported, Min: v(13)},
	"POST   /groups/action enable_replication":            {Class: unsupported, Min: v(13)},
	"POST   /groups/action failover_replication":          {Class: unsupported, Min: v(13)},
	"POST   /groups/action list_replication_targets":      {Class: unsupported, Min: v(13)},
	"POST   /groups/action reset_status":                  {Class: unsupported, Min: v(13)},
	"GET    /groups/detail":                               {Class: merge, Min: v(13)},
	"DELETE /groups/{id}":                                 {Class: unsupported, Min: v(13), Note: "an artefact of the action table: 400"},
	"GET    /groups/{id}":                                 {Class: byID, Type: group, Min: v(13)},
	"PUT    /groups/{id}":                                 {Class: byID, Type: group, Min: v(13), Note: "volumes added must be in the pod"},
	"POST   /groups/{id}/action create-from-src":          {Class: byID, Type: group, Min: v(14), Note: "as without the id"},
	"POST   /groups/{id}/action delete":                   {Class: byID, Type: group, Min: v(13), Note: "may delete its volumes too"},
	"POST   /groups/{id}/action disable_replication":      {Class: byID, Type: group, Min: v(38)},
	"POST   /groups/{id}/action enable_replication":       {Class: byID, Type: group, Min: v(38)},
	"POST   /groups/{id}/action failover_replication":     {Class: byID, Type: group, Min: v(38)},
	"POST   /groups/{id}/action list_replication_targets": {Class: byID, Type: group, Min: v(38)},
	"POST   /groups/{id}/action reset_status":             {Class: byID, Type: group, Min: v(20)},

	// Group snapshots.
	"GET    /group_snapshots":                          {Class: merge, Min: v(14)},
	"POST   /group_snapshots":                          {Class: byRef, Refs: refs{ref(group, "group_snapshot", "group_id")}, Min: v(14)},
	"GET    /group_snapshots/detail":                   {Class: merge, Min: v(14)},
	"DELETE /group_snapshots/{id}":                     {Class: byID, Type: groupSnapshot, Min: v(14)},
	"GET    /group_snapshots/{id}":                     {Class: byID, Type: groupSnapshot, Min: v(14)},
	"POST   /group_snapshots/{id}/action reset_status": {Class: byID, Type: groupSnapshot, Min: v(19)},

	// Consistency groups and their snapshots: groups by their old name.
	"GET    /cgsnapshots":                       {Class: merge},
	"POST   /cgsnapshots":                       {Class: byRef, Refs: refs{ref(group, "cgsnapshot", "consistencygroup_id")}},
	"GET    /cgsnapshots/detail":                {Class: merge},
	"DELETE /cgsnapshots/{id}":                  {Class: byID, Type: groupSnapshot},
	"GET    /cgsnapshots/{id}":                  {Class: byID, Type: groupSnapshot},
	"GET    /consistencygroups":                 {Class: merge},
	"POST   /consistencygroups":                 {Class: byAZ, Handler: "createConsistencyGroup"},
	"POST   /consistencygroups/create_from_src": {Class: byRef, Refs: copyOf("consistencygroup-from-src", "cgsnapshot_id", "source_cgid")},
	"GET    /consistencygroups/detail":          {Class: merge},
	"DELETE /consistencygroups/{id}":            {Class: byID, Type: group},
	"GET    /consistencygroups/{id}":            {Class: byID, Type: group},
	"PUT    /consistencygroups/{id}":            {Class: byID, Type: group},
	"POST   /consistencygroups/{id}/action":     {Class: unsupported, Note: "routed, but has no action: 400"},
	"POST   /consistencygroups/{id}/delete":     {Class: byID, Type: group},
	"PUT    /consistencygroups/{id}/update":     {Class: byID, Type: group},

	// Volume types.
	"GET    /types":                                 {Class: owned, Note: "names are the same in all pods, ids are not"},
	"POST   /types":                                 {Class: owned},
	"DELETE /types/{id}":                            {Class: owned, Note: "400 while any pod uses it"},
	"GET    /types/{id}":                            {Class: owned, Note: "id may be \"default\""},
	"PUT    /types/{id}":                            {Class: owned},
	"POST   /types/{id}/action addProjectAccess":    {Class: owned},
	"POST   /types/{id}/action create":              {Class: unsupported, Note: "an artefact of the action table: 400"},
	"POST   /types/{id}/action delete":              {Class: unsupported, Note: "an artefact of the action table: 400"},
	"POST   /types/{id}/action removeProjectAccess": {Class: owned},
	"POST   /types/{id}/action update":              {Class: unsupported, Note: "an artefact of the action table: 400"},
	"GET    /types/{type_id}/os-volume-type-access": {Class: owned},

	// Extra specs and encryption of volume types.
	"GET    /types/{type_id}/encryption":       {Class: owned},
	"POST   /types/{type_id}/encryption":       {Class: owned, Note: "400 while any pod has volumes of it"},
	"DELETE /types/{type_id}/encryption/{id}":  {Class: owned},
	"GET    /types/{type_id}/encryption/{id}":  {Class: owned, Note: "id is the name of a key"},
	"PUT    /types/{type_id}/encryption/{id}":  {Class: owned},
	"GET    /types/{type_id}/extra_specs":      {Class: owned},
	"POST   /types/{type_id}/extra_specs":      {Class: owned, Note: "RESKEY:availability_zones are the top's"},
	"DELETE /types/{type_id}/extra_specs/{id}": {Class: owned},
	"GET    /types/{type_id}/extra_specs/{id}": {Class: owned},
	"PUT    /types/{type_id}/extra_specs/{id}": {Class: owned},

	// Group types.
	"GET    /group_types":                                  {Class: owned, Min: v(11)},
	"POST   /group_types":                                  {Class: owned, Min: v(11)},
	"GET    /group_types/{group_type_id}/group_specs":      {Class: owned, Min: v(11)},
	"POST   /group_types/{group_type_id}/group_specs":      {Class: owned, Min: v(11)},
	"DELETE /group_types/{group_type_id}/group_specs/{id}": {Class: owned, Min: v(11)},
	"GET    /group_types/{group_type_id}/group_specs/{id}": {Class: owned, Min: v(11)},
	"PUT    /group_types/{group_type_id}/group_specs/{id}": {Class: owned, Min: v(11)},
	"DELETE /group_types/{id}":                             {Class: owned, Min: v(11)},
	"GET    /group_types/{id}":                             {Class: owned, Min: v(11)},
	"PUT    /group_types/{id}":                             {Class: owned, Min: v(11)},

	// Default types of projects.
	"GET    /default-types":      {Class: owned, Min: v(62)},
	"DELETE /default-types/{id}": {Class: owned, Min: v(62)},
	"GET    /default-types/{id}": {Class: owned, Min: v(62)},
	"PUT    /default-types/{id}": {Class: owned, Min: v(62)},

	// QoS specs.
	"GET    /qos-specs":                       {Class: owned},
	"POST   /qos-specs":                       {Class: owned},
	"DELETE /qos-specs/{id}":                  {Class: owned},
	"GET    /qos-specs/{id}":                  {Class: owned},
	"PUT    /qos-specs/{id}":                  {Class: owned},
	"GET    /qos-specs/{id}/associate":        {Class: owned, Note: "a GET with effects: never repeated"},
	"GET    /qos-specs/{id}/associations":     {Class: owned},
	"PUT    /qos-specs/{id}/delete_keys":      {Class: owned},
	"GET    /qos-specs/{id}/disassociate":     {Class: owned, Note: "a GET with effects: never repeated"},
	"GET    /qos-specs/{id}/disassociate_all": {Class: owned, Note: "a GET with effects: never repeated"},

	// Limits and quotas.
	"GET    /limits":                      {Class: sum, Note: "limits are those of one pod, until the top owns quotas"},
	"GET    /os-quota-class-sets/{id}":    {Class: owned},
	"PUT    /os-quota-class-sets/{id}":    {Class: owned},
	"DELETE /os-quota-sets/{id}":          {Class: owned},
	"GET    /os-quota-sets/{id}":          {Class: owned, Handler: "quota", Note: "with usage=True in_use and reserved are sums"},
	"PUT    /os-quota-sets/{id}":          {Class: owned, Note: "not below the usage of all pods"},
	"GET    /os-quota-sets/{id}/defaults": {Class: owned},

	// Availability zones.
	"GET    /os-availability-zone": {Class: merge, Handler: "zones", Note: "the zone map; available if any pod says so"},

	// Services, hosts, clusters and pools, for administrators. Names are qualified by the pod.
	"GET    /capabilities/{id}":              {Class: admin, Hosts: places{inPath("id")}},
	"GET    /clusters":                       {Class: admin, Min: v(7), Hosts: places{inQuery("name")}, HostMembers: name},
	"GET    /clusters/detail":                {Class: admin, Min: v(7), Hosts: places{inQuery("name")}, HostMembers: name},
	"PUT    /clusters/disable":               {Class: admin, Min: v(7), Hosts: places{inBody("name")}, HostMembers: name},
	"PUT    /clusters/enable":                {Class: admin, Min: v(7), Hosts: places{inBody("name")}, HostMembers: name},
	"GET    /clusters/{id}":                  {Class: admin, Min: v(7), Hosts: places{inPath("id")}, HostMembers: name},
	"GET    /os-hosts":                       {Class: admin, Zones: places{inQuery("zone")}},
	"PUT    /os-hosts":                       {Class: unsupported, Note: "routed, but lacks its argument: 400"},
	"GET    /os-hosts/{id}":                  {Class: admin, Hosts: places{inPath("id")}},
	"PUT    /os-hosts/{id}":                  {Class: admin, Hosts: places{inPath("id")}},
	"GET    /os-services":                    {Class: admin, Hosts: places{inQuery("host")}, Note: "host and binary are the key; not paged"},
	"PUT    /os-services/disable":            {Class: admin, Hosts: places{inBody("host"), inBody("cluster")}},
	"PUT    /os-services/disable-log-reason": {Class: admin, Hosts: places{inBody("host"), inBody("cluster")}},
	"PUT    /os-services/enable":             {Class: admin, Hosts: places{inBody("host"), inBody("cluster")}},
	"PUT    /os-services/failover":           {Class: admin, Min: v(26), Hosts: places{inBody("host"), inBody("cluster")}, Note: "failover_host that knows clusters"},
	"PUT    /os-services/failover_host":      {Class: admin, Hosts: places{inBody("host"), inBody("cluster")}},
	"PUT    /os-services/freeze":             {Class: admin, Hosts: places{inBody("host"), inBody("cluster")}},
	"PUT    /os-services/get-log":            {Class: admin, Min: v(32), Hosts: places{inBody("server")}, Handler: "getLogs", Note: "without server all pods"},
	"PUT    /os-services/set-log":            {Class: admin, Min: v(32), Hosts: places{inBody("server")}, Handler: "setLogs", Note: "without server all pods"},
	"PUT    /os-services/thaw":               {Class: admin, Hosts: places{inBody("host"), inBody("cluster")}},
	"GET    /scheduler-stats/get_pools":      {Class: admin, Hosts: places{inQuery("name")}, HostMembers: name, Note: "names qualified"},
	"POST   /workers/cleanup":                {Class: admin, Min: v(24), Hosts: places{inBody("host"), inBody("cluster_name")}, Handler: "cleanUp", Note: "without host or cluster all pods"},

	// What is on the storage, to be managed, for administrators; also by its old names.
	"GET    /manageable_snapshots":        {Class: admin, Min: v(8), Hosts: places{inQuery("host"), inQuery("cluster")}, Note: "the host or cluster in the query names the pod"},
	"POST   /manageable_snapshots":        {Class: admin, Min: v(8), Refs: refs{ref(volume, "snapshot", "volume_id")}, Note: "the volume names the pod; a snapshot is born"},
	"GET    /manageable_snapshots/detail": {Class: admin, Min: v(8), Hosts: places{inQuery("host"), inQuery("cluster")}},
	"GET    /manageable_volumes":          {Class: admin, Min: v(8), Hosts: places{inQuery("host"), inQuery("cluster")}, Note: "the host or cluster in the query names the pod"},
	"POST   /manageable_volumes":          {Class: admin, Min: v(8), Hosts: inVolume, Zones: places{inBody("volume", "availability_zone")}, Note: "the host or cluster in the body names the pod; a volume is born"},
	"GET    /manageable_volumes/detail":   {Class: admin, Min: v(8), Hosts: places{inQuery("host"), inQuery("cluster")}},
	"GET    /os-snapshot-manage":          {Class: admin, Hosts: places{inQuery("host"), inQuery("cluster")}, Note: "/manageable_snapshots by its old name"},
	"POST   /os-snapshot-manage":          {Class: admin, Refs: refs{ref(volume, "snapshot", "volume_id")}},
	"GET    /os-snapshot-manage/detail":   {Class: admin, Hosts: places{inQuery("host"), inQuery("cluster")}},
	"GET    /os-volume-manage":            {Class: admin, Hosts: places{inQuery("host"), inQuery("cluster")}, Note: "/manageable_volumes by its old name"},
	"POST   /os-volume-manage":            {Class: admin, Hosts: inVolume, Zones: places{inBody("volume", "availability_zone")}},
	"GET    /os-volume-manage/detail":     {Class: admin, Hosts: places{inQuery("host"), inQuery("cluster")}},
}
