package cinder

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/microversion"
)

// maxLimit is Cinder's default of osapi_max_limit, which operators of several pods keep equal.
const maxLimit = 1000

// existenceFilters make a list a question whether something exists.
var existenceFilters = []string{"name", "name~", "id", "metadata", "volume_id", "snapshot_id", "group_id", "instance_id"}

// withCountFrom is the microversion that knows with_count.
var withCountFrom = microversion.MustParse("3.45")

// trueWords are those of oslo.utils (strutils.py); what is neither one of them nor their opposite the pods refuse.
var trueWords = []string{"1", "t", "true", "on", "y", "yes"}

func parseList(c *gateway.Call, keys sortable) (*gateway.ListQuery, error) {
	q := &gateway.ListQuery{Params: url.Values{}, Limit: maxLimit, Marker: c.Query.Get("marker")}
	for k, vs := range c.Query {
		if k != "limit" && k != "marker" && k != "offset" {
			q.Params[k] = vs
		}
		q.Exists = q.Exists || slices.Contains(existenceFilters, k)
	}
	var err error
	if q.Limit, err = wholeNumber(c.Query, "limit", "limit param must be an integer", "limit param must be positive", maxLimit); err != nil {
		return nil, err
	}
	q.Limit = min(q.Limit, maxLimit)
	if q.Offset, err = wholeNumber(c.Query, "offset", "offset must be an integer", "offset must be >= 0", 0); err != nil {
		return nil, err
	}
	if q.Offset > maxOffset {
		return nil, fault.BadRequest("offset param is out of range: at most %d over several pods", maxOffset)
	}
	if !c.Version.Less(withCountFrom) {
		q.WithCount = slices.Contains(trueWords, strings.ToLower(c.Query.Get("with_count")))
	}
	return q, parseSort(c.Query, q, keys)
}

// maxOffset bounds what has to be read and thrown away.
const maxOffset = 10000

func wholeNumber(query url.Values, name, noNumber, negative string, missing int) (int, error) {
	text := query.Get(name)
	if !query.Has(name) {
		return missing, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fault.BadRequest("%s", noNumber)
	}
	if n < 0 {
		return 0, fault.BadRequest("%s", negative)
	}
	return n, nil
}

// parseSort builds the order: the keys asked for, then created_at and id in the direction of the first
// (cinder/api/common.py, get_sort_params; cinder/db/sqlalchemy/api.py, process_sort_params).
func parseSort(query url.Values, q *gateway.ListQuery, keys sortable) error {
	names, dirs, err := sortParams(query)
	if err != nil {
		return err
	}
	q.ByCreation = len(names) == 0 || names[0] == "created_at" && len(names) == 1
	if len(names) == 0 {
		names, dirs = []string{"created_at"}, []string{"desc"}
	}
	for _, unique := range []string{"created_at", "id"} {
		if !slices.Contains(names, unique) {
			names, dirs = append(names, unique), append(dirs, dirs[0])
		}
	}
	for i, name := range names {
		shown, ok := keys[name]
		if !ok {
			return fault.BadRequest("Invalid input received: Invalid sort key")
		}
		if dirs[i] != "asc" && dirs[i] != "desc" {
			return fault.BadRequest("Invalid input received: Unknown sort direction, must be 'desc' or 'asc'.")
		}
		key := gateway.SortKey{Kind: shown.kind, Desc: dirs[i] == "desc"}
		if shown.member != "" {
			key.Path = []string{shown.member}
		}
		q.Keys = append(q.Keys, key)
	}
	return nil
}

// sortParams reads sort=key[:dir],... or the older sort_key and sort_dir.
func sortParams(query url.Values) (names, dirs []string, err error) {
	if !query.Has("sort") {
		if !query.Has("sort_key") && !query.Has("sort_dir") {
			return nil, nil, nil
		}
		return []string{orMissing(query, "sort_key", "created_at")}, []string{orMissing(query, "sort_dir", "desc")}, nil
	}
	if query.Has("sort_key") || query.Has("sort_dir") {
		return nil, nil, fault.BadRequest("The 'sort_key' and 'sort_dir' parameters are deprecated and cannot be used with the 'sort' parameter.")
	}
	for _, s := range strings.Split(query.Get("sort"), ",") {
		name, dir, _ := strings.Cut(s, ":")
		names, dirs = append(names, strings.TrimSpace(name)), append(dirs, strings.TrimSpace(cmp.Or(dir, "desc")))
	}
	return names, dirs, nil
}

func orMissing(query url.Values, name, otherwise string) string {
	if !query.Has(name) {
		return otherwise
	}
	return strings.TrimSpace(query.Get(name))
}
