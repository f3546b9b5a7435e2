package cinder

import (
	"slices"

	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/microversion"
)

type change = gateway.Change

func adds(since microversion.Version, member, neutral string) change {
	return change{Since: since, Member: []string{member}, Neutral: neutral}
}

// The changes to resources in answers (cinder/api/openstack/rest_api_version_history.rst). Members that Cinder shows only if there
// is something to show, or only to administrators, such as encryption_key_id of 3.64 and cluster_name of 3.61, need nothing.
var (
	shownVolume = []change{
		adds(v(13), "group_id", "null"),
		adds(v(48), "shared_targets", "true"),
		adds(v(48), "service_uuid", "null"),
		{Since: v(63)}, // the id of the type, which the top does not own yet
		adds(v(65), "consumes_quota", "true"),
	}
	shownSnapshot = []change{
		adds(v(14), "group_snapshot_id", "null"),
		{Since: v(41)}, // who made it
		adds(v(65), "consumes_quota", "true"),
	}
	shownBackup = []change{
		{Since: v(18)}, // whose it is
		adds(v(43), "metadata", "{}"),
		{Since: v(56)}, // who made it
	}
)

// filters are what lists of these can be asked for; an older pod cannot count.
var filters = []change{
	{Since: v(2), Params: []string{"bootable"}},
	{Since: v(4), Params: []string{"glance_metadata"}},
	{Since: v(10), Params: []string{"group_id"}},
	{Since: v(22), Params: []string{"metadata"}},
	{Since: v(34), Params: []string{"name~", "display_name~", "description~", "status~", "volume_id~", "availability_zone~", "bootable~"}},
	{Since: v(45), Params: []string{"with_count"}},
	{Since: v(60), Params: []string{"created_at", "updated_at"}},
	{Since: v(65), Params: []string{"consumes_quota"}},
}

// unchanged are calls that mean the same in every microversion that has them.
var unchanged = []string{
	"GET /os-availability-zone",
	"GET /volumes/{volume_id}/encryption", "GET /volumes/{volume_id}/encryption/{id}",
	"GET /volumes/{volume_id}/metadata", "GET /volumes/{volume_id}/metadata/{id}",
	"DELETE /snapshots/{id}", "GET /snapshots/{snapshot_id}/metadata", "GET /snapshots/{snapshot_id}/metadata/{id}",
	"DELETE /backups/{id}", "DELETE /attachments/{id}", "POST /attachments/{id}/action os-complete",
}

// steady are the actions on a volume of which the same is true.
var steady = []string{"os-attach", "os-detach", "os-force_detach", "os-reserve", "os-unreserve", "os-begin_detaching", "os-roll_detaching",
	"os-initialize_connection", "os-terminate_connection", "os-force_delete", "os-reset_status", "os-retype", "os-set_bootable",
	"os-set_image_metadata", "os-show_image_metadata", "os-unset_image_metadata", "os-update_readonly_flag", "revert"}

// changes is what the engine may ask of a pod below the ceiling.
func changes() map[string][]change {
	all := map[string][]change{"DELETE /volumes/{id}": {{Since: v(23), Params: []string{"force"}}}}
	for collection, shown := range map[string][]change{"/volumes": shownVolume, "/snapshots": shownSnapshot, "/backups": shownBackup} {
		all["GET "+collection] = filters
		all["GET "+collection+"/detail"] = slices.Concat(shown, filters)
		all["GET "+collection+"/{id}"] = shown
	}
	all["GET /snapshots"] = all["GET /snapshots/detail"] // its rows are nearly whole
	for _, call := range unchanged {
		all[call] = nil
	}
	for _, action := range steady {
		all["POST /volumes/{id}/action "+action] = nil
	}
	return all
}
