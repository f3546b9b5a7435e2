package simcloud

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tricircle/tricircle/internal/fault"
)

// maxLimit is Nova's api.max_limit and Cinder's osapi_max_limit.
const maxLimit = 1000

// serverQuery is a list request, checked.
type serverQuery struct {
	limit   int
	marker  *server
	sort    []sortKey
	project string // empty: all
	deleted bool   // deleted ones only
	both    bool   // deleted ones too, as changes-since wants
	since   time.Time
	before  time.Time
	name    *nameFilter
	reserve *nameFilter // of the reservation: Nova compares it as it does names
	status  []string    // vm states
	none    bool        // nothing can match
	exact   []exactFilter
	tags    tagFilter
}

// exactFilter compares one attribute of a server.
type exactFilter struct {
	value func(*server) string
	want  string
}

type sortKey struct {
	name string
	desc bool
}

// serverSortKeys is Nova's whitelist (nova/api/openstack/compute/schemas/servers.py), with how we read the value.
var serverSortKeys = map[string]func(*server) string{
	"created_at":          func(s *server) string { return s.created.Format(micro) },
	"updated_at":          func(s *server) string { return s.updated.Format(micro) },
	"launched_at":         func(s *server) string { return s.launched.Format(micro) },
	"display_name":        func(s *server) string { return strings.ToLower(s.name) },
	"display_description": func(s *server) string { return strings.ToLower(s.description) },
	"uuid":                func(s *server) string { return s.id },
	"hostname":            func(s *server) string { return s.hostname },
	"image_ref":           func(s *server) string { return s.image },
	"key_name":            func(s *server) string { return s.key },
	"project_id":          func(s *server) string { return s.project },
	"user_id":             func(s *server) string { return s.user },
	"vm_state":            func(s *server) string { return s.state },
	"instance_type_id":    func(s *server) string { return s.flavor.ID },
}

// plainSortKeys are allowed and the same for all servers here.
var plainSortKeys = []string{
	"access_ip_v4", "access_ip_v6", "auto_disk_config", "availability_zone", "config_drive", "kernel_id", "launch_index",
	"locked_by", "power_state", "progress", "ramdisk_id", "root_device_name", "task_state", "terminated_at",
}

// formerSortKeys are accepted and ignored below 2.75, and refused from then on.
var formerSortKeys = []string{
	"architecture", "cell_name", "cleaned", "default_ephemeral_device", "default_swap_device", "deleted", "deleted_at",
	"disable_terminate", "ephemeral_gb", "ephemeral_key_uuid", "id", "key_data", "launched_on", "locked", "memory_mb", "os_type",
	"reservation_id", "root_gb", "shutdown_terminate", "user_data", "vcpus", "vm_mode",
}

func (n *compute) listServers(c *call) error {
	q, err := n.parseQuery(c)
	if err != nil {
		return err
	}
	detail := strings.HasSuffix(c.r.URL.Path, "/detail")
	v := n.view(c)
	d := c.body
	d.obj()
	d.arr("servers")
	last, count := "", 0
	for s := range n.page(q) {
		if detail {
			n.render(c, s, v)
		} else {
			n.summarize(c, s)
		}
		last = s.id
		count++
	}
	d.endArr()
	if count > 0 && count == q.limit {
		c.next("servers_links", last, true)
	}
	d.endObj()
	return nil
}

// next writes the link to the next page: this request with another marker. Nova sorts the parameters
// (nova/api/openstack/common.py), Cinder and Neutron keep them as they came.
func (c *call) next(key, marker string, sorted bool) {
	query := c.without("marker")
	if sorted {
		values := maps.Clone(c.query)
		delete(values, "marker")
		query = values.Encode()
	}
	if query != "" {
		query += "&"
	}
	collection := "/" + strings.TrimSuffix(key, "_links")
	c.body.arr(key)
	c.body.link("next", c.prefix, c.r.URL.Path[strings.LastIndex(c.r.URL.Path, collection):], "?", query, "marker=", marker)
	c.body.endArr()
}

// nextPage is next for lists whose member in the answer is not called as their path.
func (c *call) nextPage(key, path, marker string) {
	query := maps.Clone(c.query)
	query.Set("marker", marker)
	c.body.arr(key)
	c.body.link("next", c.prefix, path, "?", query.Encode())
	c.body.endArr()
}

// without is the query as it came, less some parameters.
func (c *call) without(names ...string) string {
	parts := strings.Split(c.r.URL.RawQuery, "&")
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool {
		name, _, _ := strings.Cut(p, "=")
		return slices.Contains(names, name)
	}), "&")
}

// page yields the servers of one page. In the default order its cost is that of the page and of what filters skip; any
// other order has to look at all.
func (n *compute) page(q *serverQuery) func(yield func(*server) bool) {
	if len(q.sort) > 0 {
		return n.sortedPage(q)
	}
	return func(yield func(*server) bool) {
		left := q.limit
		var after **server
		if q.marker != nil {
			after = &q.marker
		}
		if left == 0 || q.none {
			return
		}
		var scratch []byte
		for r := range n.servers.walk(after, q.generated()) {
			if !r.kept && q.skips(n, r.index, &scratch) {
				continue
			}
			s := n.servers.at(r)
			if !q.matches(n, s) {
				continue
			}
			if left--; !yield(s) || left == 0 {
				return
			}
		}
	}
}

// generated tells whether the servers that were not made by the API can match: they all belong to one project.
func (q *serverQuery) generated() bool { return q.project == "" || q.project == stableDemoProject }

// skips rules out an untouched generated server without making it.
func (q *serverQuery) skips(n *compute, i int, scratch *[]byte) bool {
	if q.deleted {
		return true
	}
	if q.status != nil && !slices.Contains(q.status, generatedState(i)) {
		return true
	}
	if q.name != nil {
		*scratch = n.appendName((*scratch)[:0], i)
		return !q.name.match(*scratch)
	}
	return false
}

func (n *compute) sortedPage(q *serverQuery) func(yield func(*server) bool) {
	return func(yield func(*server) bool) {
		var all []*server
		for r := range n.servers.walk(nil, q.generated()) {
			if s := n.servers.at(r); !q.none && (q.matches(n, s) || q.marker != nil && s.id == q.marker.id) {
				all = append(all, s)
			}
		}
		slices.SortStableFunc(all, q.compare)
		if q.marker != nil {
			at := slices.IndexFunc(all, func(s *server) bool { return s.id == q.marker.id })
			all = all[at+1:]
		}
		for _, s := range all[:min(q.limit, len(all))] {
			if !yield(s) {
				return
			}
		}
	}
}

func (q *serverQuery) compare(a, b *server) int {
	for _, k := range q.sort {
		value, ok := serverSortKeys[k.name]
		if !ok {
			continue
		}
		order := cmp.Compare(value(a), value(b))
		if k.desc {
			order = -order
		}
		if order != 0 {
			return order
		}
	}
	return cmp.Compare(a.id, b.id)
}

func (q *serverQuery) matches(n *compute, s *server) bool {
	now := n.pod.cloud.opts.Now()
	switch {
	case q.project != "" && s.project != q.project,
		!q.both && s.isDeleted() != q.deleted,
		s.updated.Before(q.since),
		!q.before.IsZero() && s.updated.After(q.before),
		q.name != nil && !q.name.match([]byte(s.name)),
		q.reserve != nil && !q.reserve.match([]byte(s.reservation)),
		q.status != nil && !slices.Contains(q.status, s.vmState(now)),
		!q.tags.match(s.tags):
		return false
	}
	for _, f := range q.exact {
		if f.value(s) != f.want {
			return false
		}
	}
	return true
}

// tagFilter is the four tag filters of 2.26.
type tagFilter struct{ all, any, notAll, notAny []string }

func (t tagFilter) match(tags []string) bool {
	has := func(tag string) bool { return slices.Contains(tags, tag) }
	lacks := func(tag string) bool { return !has(tag) }
	return !slices.ContainsFunc(t.all, lacks) &&
		(t.any == nil || slices.ContainsFunc(t.any, has)) &&
		(t.notAll == nil || slices.ContainsFunc(t.notAll, lacks)) &&
		!slices.ContainsFunc(t.notAny, has)
}

func (n *compute) parseQuery(c *call) (*serverQuery, error) {
	q := &serverQuery{limit: maxLimit, project: c.tok.projectID()}
	for _, parse := range []func(*call, *serverQuery) error{n.parsePaging, n.parseSort, n.parseScope, n.parseFilters} {
		if err := parse(c, q); err != nil {
			return nil, err
		}
	}
	return q, nil
}

var digits = regexp.MustCompile(`^[0-9]*$`)

func invalidQuery(name, value, why string) error {
	return fault.BadRequest("Invalid input for query parameters %s. Value: %s. '%s' %s", name, value, value, why)
}

// novaLimit is the size of a page.
func (c *call) novaLimit() (int, error) {
	text := c.query.Get("limit")
	if !digits.MatchString(text) {
		return 0, invalidQuery("limit", text, "does not match '^[0-9]*$'")
	}
	limit, err := strconv.Atoi(text)
	if err != nil {
		return maxLimit, nil // empty, or far too large
	}
	return min(limit, maxLimit), nil
}

func (n *compute) parsePaging(c *call, q *serverQuery) (err error) {
	if q.limit, err = c.novaLimit(); err != nil {
		return err
	}
	if id := c.query.Get("marker"); id != "" {
		// A deleted server is still a valid marker.
		s, ok := n.servers.get(id)
		if !ok || s.project != c.tok.projectID() && !c.tok.admin() {
			return fault.BadRequest("marker [%s] not found", id)
		}
		q.marker = s
	}
	return nil
}

func (n *compute) parseSort(c *call, q *serverQuery) error {
	keys, dirs := c.query["sort_key"], c.query["sort_dir"]
	for _, dir := range dirs {
		if dir != "asc" && dir != "desc" {
			return fault.BadRequest("Invalid input received: Unknown sort direction, must be 'desc' or 'asc'")
		}
	}
	for i, key := range keys {
		if !c.at(75) && slices.Contains(formerSortKeys, key) {
			continue
		}
		if err := c.maySort(key); err != nil {
			return err
		}
		k := sortKey{key, true}
		if len(dirs) > 0 {
			k.desc = dirs[min(i, len(dirs)-1)] == "desc"
		}
		q.sort = append(q.sort, k)
	}
	if len(dirs) > max(1, len(keys)) {
		return fault.BadRequest("Invalid input received: Sort direction array size exceeds sort key array size.")
	}
	if len(keys) == 0 && len(dirs) == 1 && dirs[0] == "asc" {
		q.sort = []sortKey{{"created_at", false}}
	}
	if len(q.sort) == 1 && q.sort[0] == (sortKey{"created_at", true}) {
		q.sort = nil // the default order, which needs no sorting
	}
	return nil
}

func (c *call) maySort(key string) error {
	if key == "host" || key == "node" {
		if !c.tok.admin() {
			return fault.Forbidden("Only administrators can sort servers by %s", key)
		}
		return nil
	}
	if serverSortKeys[key] == nil && !slices.Contains(plainSortKeys, key) {
		return invalidQuery("sort_key", key, "is not one of the sort keys")
	}
	return nil
}

// parseScope reads whose servers, and whether deleted ones.
func (n *compute) parseScope(c *call, q *serverQuery) error {
	if c.isTrue("all_tenants") {
		if !c.tok.admin() {
			kind := "index"
			if strings.HasSuffix(c.r.URL.Path, "/detail") {
				kind = "detail"
			}
			return fault.Forbidden("Policy doesn't allow os_compute_api:servers:%s:get_all_tenants to be performed.", kind)
		}
		q.project = cmp.Or(c.query.Get("project_id"), c.query.Get("tenant_id"))
	}
	q.deleted = c.tok.admin() && c.query.Get("deleted") != "" && c.isTrue("deleted")
	for name, to := range map[string]*time.Time{"changes-since": &q.since, "changes-before": &q.before} {
		v := c.query.Get(name)
		if v == "" || name == "changes-before" && !c.at(66) {
			continue
		}
		at, err := parseTime(v)
		if err != nil {
			return invalidQuery(name, v, "is not a 'date-time'")
		}
		*to, q.both = at, true
	}
	return nil
}

// parseTime reads ISO 8601 as clients write it; without a zone it is UTC.
func parseTime(v string) (t time.Time, err error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999", "2006-01-02 15:04:05.999999", time.DateOnly} {
		if t, err = time.Parse(layout, v); err == nil {
			return t, nil
		}
	}
	return t, err
}
