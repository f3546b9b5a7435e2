package nova

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/jsonx"
	"github.com/tricircle/tricircle/internal/microversion"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/store"
)

// summary are the members of GET /servers.
var summary = []string{"id", "name", "links"}

// maxLimit is Nova's default of [api] max_limit, which operators of several pods keep equal.
const maxLimit = 1000

func servers(members []string) *gateway.Collection {
	return &gateway.Collection{
		From: "/servers/detail", Member: "servers", Type: store.Server, Summary: members,
		Project: []string{"tenant_id"}, Created: []string{"created"},
		Parse: parseList, DeletedMarker: true, Minimal: minimal(members == nil),
		UnknownMarker: unknownMarker,
	}
}

// strictFrom is the microversion from which unknown parameters are refused, among them uuid. Before, it is a filter of administrators,
// and dropped of others.
var strictFrom = microversion.MustParse("2.75")

// sortColumns are the sort keys that a row shows, with the member that holds each (nova/api/openstack/compute/schemas/servers.py,
// VALID_SORT_KEYS; docs/api/merge.md section 4). Keys with no path are accepted, and pods then come one after another.
var sortColumns = map[string]gateway.SortKey{
	"access_ip_v4":        {Path: []string{"accessIPv4"}},
	"access_ip_v6":        {Path: []string{"accessIPv6"}},
	"auto_disk_config":    {},
	"availability_zone":   {},
	"config_drive":        {Path: []string{"config_drive"}},
	"created_at":          {Path: []string{"created"}, Kind: gateway.Time},
	"display_description": {Path: []string{"description"}},
	"display_name":        {Path: []string{"name"}},
	"host":                {},
	"hostname":            {Path: []string{"OS-EXT-SRV-ATTR:hostname"}},
	"image_ref":           {Path: []string{"image", "id"}},
	"instance_type_id":    {},
	"kernel_id":           {},
	"key_name":            {Path: []string{"key_name"}},
	"launch_index":        {},
	"launched_at":         {Path: []string{"OS-SRV-USG:launched_at"}, Kind: gateway.Time},
	"locked_by":           {},
	"node":                {},
	"power_state":         {Path: []string{"OS-EXT-STS:power_state"}, Kind: gateway.Number},
	"progress":            {Path: []string{"progress"}, Kind: gateway.Number},
	"project_id":          {Path: []string{"tenant_id"}},
	"ramdisk_id":          {},
	"root_device_name":    {},
	"task_state":          {Path: []string{"OS-EXT-STS:task_state"}},
	"terminated_at":       {Path: []string{"OS-SRV-USG:terminated_at"}, Kind: gateway.Time},
	"updated_at":          {Path: []string{"updated"}, Kind: gateway.Time},
	"user_id":             {Path: []string{"user_id"}},
	"uuid":                {Path: []string{"id"}},
	"vm_state":            {Path: []string{"OS-EXT-STS:vm_state"}},
	"locked":              {Path: []string{"locked"}, Kind: gateway.Number},
}

// adminSortKeys are refused to others (nova/policies/servers.py, extended attributes).
var adminSortKeys = []string{"host", "node"}

// existenceFilters make a list a question whether something exists.
var existenceFilters = []string{"name", "uuid", "ip", "ip6", "tags", "tags-any", "not-tags", "not-tags-any", "reservation_id",
	"hostname", "host", "node"}

// paging are the parameters that belong to the page rather than to the question.
var paging = []string{"limit", "marker", "sort_key", "sort_dir"}

func parseList(c *gateway.Call) (*gateway.ListQuery, error) {
	q := &gateway.ListQuery{Params: url.Values{}, Marker: c.Query.Get("marker"), ForPod: zoneFilter(c)}
	for k, vs := range c.Query {
		if !slices.Contains(paging[:2], k) {
			q.Params[k] = vs
		}
		q.Exists = q.Exists || slices.Contains(existenceFilters, k)
	}
	q.Minimal, q.AllProjects = wantsMinimal(c), allProjects(c.Query)
	if slices.ContainsFunc(deletedFilters, c.Query.Has) {
		q.Gone = isDeleted
	}
	if id := c.Query.Get("uuid"); id != "" && c.Caller.IsAdmin() && c.Version.Less(strictFrom) {
		q.Beside = []gateway.Resource{{Type: store.Server, ID: id}}
	}
	limit, err := pageNumber(c.Query, "limit", maxLimit)
	if err != nil {
		return nil, err
	}
	q.Limit = min(limit, maxLimit)
	return q, parseSort(c, q)
}

// minimalFrom is the microversion from which servers of a cell that is down are listed, with what is known of them.
var minimalFrom = microversion.MustParse("2.69")

// wantsMinimal reports whether Nova would list servers of a cell that is down: if nothing is asked for that is not known of them
// (nova/api/openstack/compute/servers.py, _is_cell_down_supported).
func wantsMinimal(c *gateway.Call) bool {
	for name := range c.Query {
		if name != "all_tenants" {
			return false
		}
	}
	return !c.Version.Less(minimalFrom)
}

// allProjects is nova/api/openstack/common.py, is_all_tenants. Pods refuse what is no boolean.
func allProjects(query url.Values) bool {
	values := query["all_tenants"]
	if len(values) == 0 {
		return false
	}
	trues := []string{"", "1", "t", "true", "on", "y", "yes"} // oslo_utils/strutils.py, TRUE_STRINGS
	return slices.Contains(trues, strings.ToLower(strings.TrimSpace(values[len(values)-1])))
}

// minimal is what Nova lists of a server in a cell that is down (nova/api/openstack/compute/views/servers.py, basic and
// _show_from_down_cell). By id Nova shows image, flavor, user and zone besides, which the routing table does not know and clients
// such as Terraform would take for changed, so that stays 503.
func minimal(detail bool) func(*gateway.Call, store.Routing) any {
	type row struct {
		ID       string         `json:"id"`
		Status   string         `json:"status"`
		TenantID string         `json:"tenant_id,omitempty"`
		Created  string         `json:"created,omitempty"`
		Links    []gateway.Link `json:"links"`
	}
	return func(c *gateway.Call, r store.Routing) any {
		one := row{ID: r.TopID, Status: "UNKNOWN", Links: c.Links("/servers/" + r.TopID)}
		if detail {
			created := r.CreatedAt
			if created.IsZero() { // nobody has listed it yet, so the row is about as old; Nova shows the age of its own row
				created = r.UpdatedAt
			}
			one.TenantID, one.Created = r.ProjectID, created.UTC().Format(time.RFC3339)
		}
		return one
	}
}

// deletedFilters are the parameters with which Nova may list servers that were deleted.
var deletedFilters = []string{"changes-since", "changes-before", "deleted", "status", "vm_state"}

func isDeleted(row []byte) bool {
	status, _ := jsonx.String(row, "status")
	return status == "DELETED"
}

// ignoredSortKeys are accepted below 2.75 and dropped with their direction; from then on they are 400 in the pod's words
// (nova/api/openstack/compute/schemas/servers.py, SERVER_LIST_IGNORE_SORT_KEY). "locked" is one of them below 2.73.
var ignoredSortKeys = []string{"architecture", "cell_name", "cleaned", "default_ephemeral_device", "default_swap_device", "deleted",
	"deleted_at", "disable_terminate", "ephemeral_gb", "ephemeral_key_uuid", "id", "key_data", "launched_on", "memory_mb", "os_type",
	"reservation_id", "root_gb", "shutdown_terminate", "user_data", "vcpus", "vm_mode"}

var sortByLockedFrom = microversion.MustParse("2.73")

// pageNumber reads a parameter of paging; the last one counts.
func pageNumber(query url.Values, name string, otherwise int) (int, error) {
	values := query[name]
	if len(values) == 0 {
		return otherwise, nil
	}
	text := values[len(values)-1]
	if text == "" {
		return 0, fault.BadRequest("Invalid input for query parameters %s. Value: . '' is too short", name)
	}
	if strings.Trim(text, "0123456789") != "" {
		return 0, fault.BadRequest("Invalid input for query parameters %s. Value: %s. '%s' does not match '^[0-9]*$'", name, text, text)
	}
	n, _ := strconv.Atoi(text) // the largest there is, if it is larger
	return n, nil
}

// parseSort builds the order as Nova does: the keys asked for and uuid behind them. Nova appends the direction "asc" for uuid to
// the directions that were given, be they fewer than the keys: then it is the first key without one that gets it, and all others
// get the first direction (nova/compute/instance_list.py, InstanceSortContext; nova/db/utils.py, process_sort_params).
func parseSort(c *gateway.Call, q *gateway.ListQuery) error {
	names, dirs, err := sortParams(c)
	if err != nil {
		return err
	}
	if len(names) == 0 { // behind created_at is the number of the row, which no answer shows
		q.Keys = []gateway.SortKey{{Path: []string{"created"}, Kind: gateway.Time, Desc: true}, {Desc: true}}
		return nil
	}
	q.ByCreation = names[0] == "created_at" && len(names) == 1
	if !slices.Contains(names, "uuid") {
		names, dirs = append(names, "uuid"), append(dirs, "asc")
	}
	if len(dirs) > len(names) {
		return fault.BadRequest("Invalid input received: Sort direction size exceeds sort key size")
	}
	filler := "desc"
	if len(dirs) > 0 {
		filler = dirs[0]
	}
	for i, name := range names {
		key, dir := sortColumns[name], filler // an unknown key is refused by the pods
		if i < len(dirs) {
			dir = dirs[i]
		}
		if dir != "asc" && dir != "desc" {
			return fault.BadRequest("Invalid input received: Unknown sort direction, must be 'desc' or 'asc'")
		}
		key.Desc = dir == "desc"
		q.Keys = append(q.Keys, key)
	}
	return nil
}

// sortParams are sort_key and sort_dir without what is ignored (nova/api/openstack/common.py, get_sort_params;
// servers.py, remove_invalid_sort_keys).
func sortParams(c *gateway.Call) (names, dirs []string, err error) {
	dirs = slices.Clone(c.Query["sort_dir"])
	if len(dirs) == 0 {
		dirs = []string{"desc"}
	}
	keys := c.Query["sort_key"]
	if len(keys) == 0 {
		keys = []string{"created_at"}
	}
	for _, name := range keys {
		switch at := len(names); {
		case slices.Contains(ignoredSortKeys, name), name == "locked" && c.Version.Less(sortByLockedFrom):
			if at < len(dirs) {
				dirs = slices.Delete(dirs, at, at+1)
			}
		case slices.Contains(adminSortKeys, name) && !c.Caller.IsAdmin():
			return nil, nil, fault.Forbidden("Only administrators can sort servers by %s", name)
		default:
			names = append(names, name)
		}
	}
	return names, dirs, nil
}

// zoneFilterForAll is the microversion from which users other than administrators may filter by zone; before, Nova drops it.
var zoneFilterForAll = microversion.MustParse("2.83")

// zoneFilter sends a filter by zone only to the pods of that zone, in their own words.
func zoneFilter(c *gateway.Call) func(*pod.Pod, url.Values) bool {
	zone := c.Query.Get("availability_zone")
	if zone == "" || !c.Caller.IsAdmin() && c.Version.Less(zoneFilterForAll) {
		return nil
	}
	return func(p *pod.Pod, params url.Values) bool { return gateway.TranslateZone(p, params, zone) }
}
