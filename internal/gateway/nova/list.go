package nova

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/gateway"
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
		Parse: parseList, DeletedMarker: true,
		UnknownMarker: func(marker string) *fault.Error {
			return fault.BadRequest("marker [%s] not found", marker)
		},
	}
}

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
	q := &gateway.ListQuery{Params: url.Values{}, Limit: maxLimit, Marker: c.Query.Get("marker"), ForPod: zoneFilter(c)}
	for k, vs := range c.Query {
		if !slices.Contains(paging[:2], k) {
			q.Params[k] = vs
		}
		q.Exists = q.Exists || slices.Contains(existenceFilters, k)
	}
	if limits := c.Query["limit"]; len(limits) > 0 {
		text := limits[len(limits)-1]
		if text == "" {
			return nil, fault.BadRequest("Invalid input for query parameters limit. Value: . '' is too short")
		}
		if strings.Trim(text, "0123456789") != "" {
			return nil, fault.BadRequest("Invalid input for query parameters limit. Value: %s. '%s' does not match '^[0-9]*$'", text, text)
		}
		if n, err := strconv.Atoi(text); err == nil {
			q.Limit = min(n, maxLimit)
		}
	}
	return q, parseSort(c, q)
}

// parseSort builds the order: the keys asked for, each with its direction, then uuid, then created_at
// (nova/compute/instance_list.py and nova/db/main/api.py, process_sort_params).
func parseSort(c *gateway.Call, q *gateway.ListQuery) error {
	keys, dirs := c.Query["sort_key"], c.Query["sort_dir"]
	if len(dirs) > len(keys) {
		return fault.BadRequest("Invalid input received: Sort direction size exceeds sort key size")
	}
	filler := len(dirs) == 0 || dirs[0] == "desc" // for keys without a direction of their own
	var names []string
	for i, name := range keys {
		column, ok := sortColumns[name]
		if !ok {
			continue // one that Nova ignores, or refuses in its own words
		}
		if slices.Contains(adminSortKeys, name) && !c.Caller.IsAdmin() {
			return fault.Forbidden("Only administrators can sort servers by %s", name)
		}
		column.Desc = filler
		if i < len(dirs) {
			if dirs[i] != "asc" && dirs[i] != "desc" {
				return fault.BadRequest("Invalid input received: Unknown sort direction, must be 'desc' or 'asc'")
			}
			column.Desc = dirs[i] == "desc"
		}
		q.Keys = append(q.Keys, column)
		names = append(names, name)
	}
	if len(names) == 0 {
		names = []string{"created_at"}
		q.Keys = []gateway.SortKey{{Path: []string{"created"}, Kind: gateway.Time, Desc: true}}
	}
	q.Default = slices.Equal(names, []string{"created_at"}) && q.Keys[0].Desc
	if !slices.Contains(names, "uuid") {
		q.Keys = append(q.Keys, gateway.SortKey{Path: []string{"id"}})
	}
	return nil
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
