package simcloud

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"github.com/tricircle/tricircle/internal/fault"
)

// userFilters are what Nova lets everybody filter by that is not handled on its own; adminFilters need the admin role
// below 2.83, and are silently ignored otherwise (nova/api/openstack/compute/servers.py, _get_server_search_options).
var (
	userFilters = map[string]func(*server) string{
		"image":  func(s *server) string { return s.image },
		"flavor": func(s *server) string { return s.flavor.ID },
	}
	laterFilters = map[string]func(*server) string{
		"key_name":   func(s *server) string { return s.key },
		"user_id":    func(s *server) string { return s.user },
		"created_at": func(s *server) string { return s.created.Format(zulu) },
	}
	adminFilters = map[string]func(*server) string{
		"uuid":     func(s *server) string { return s.id },
		"hostname": func(s *server) string { return s.hostname },
	}
	// otherParameters are read elsewhere.
	otherParameters = []string{
		"reservation_id",
		"limit", "marker", "sort_key", "sort_dir", "all_tenants", "project_id", "tenant_id", "deleted", "soft_deleted",
		"changes-since", "changes-before", "name", "status", "ip", "ip6", "tags", "tags-any", "not-tags", "not-tags-any",
		"availability_zone", "host", "node", "vm_state", "task_state", "power_state", "locked", "config_drive",
		"access_ip_v4", "access_ip_v6", "auto_disk_config", "description", "display_description", "display_name",
		"instance_type_id", "kernel_id", "launch_index", "launched_at", "locked_by", "progress", "ramdisk_id",
		"root_device_name", "terminated_at", "updated_at", "image_ref",
	}
)

func (n *compute) parseFilters(c *call, q *serverQuery) error {
	for name, values := range c.query {
		value, known := filterOf(name)
		if !known && c.at(75) && !strings.HasPrefix(name, "_") {
			return fault.BadRequest("'%s' does not match any of the regexes: '^_'", name)
		}
		if value == nil || userFilters[name] == nil && !c.tok.admin() && (!c.at(83) || laterFilters[name] == nil) {
			continue
		}
		q.exact = append(q.exact, exactFilter{value, values[0]})
	}
	if err := n.parseName(c, q); err != nil {
		return err
	}
	if err := n.parseStatus(c, q); err != nil {
		return err
	}
	if c.at(26) {
		q.tags = tagFilter{c.list("tags"), c.list("tags-any"), c.list("not-tags"), c.list("not-tags-any")}
	}
	n.parsePlace(c, q)
	return nil
}

func filterOf(name string) (value func(*server) string, known bool) {
	for _, set := range []map[string]func(*server) string{userFilters, laterFilters, adminFilters} {
		if f := set[name]; f != nil {
			return f, true
		}
	}
	return nil, slices.Contains(otherParameters, name)
}

// list splits a comma separated parameter; absent is nil.
func (c *call) list(name string) []string {
	if !c.query.Has(name) {
		return nil
	}
	return strings.Split(c.query.Get(name), ",")
}

// parseName reads the filter that is a regular expression.
func (n *compute) parseName(c *call, q *serverQuery) (err error) {
	if c.query.Has("name") {
		q.name, err = newNameFilter(c.query.Get("name"))
	}
	if err == nil && c.query.Has("reservation_id") {
		q.reserve, err = newNameFilter(c.query.Get("reservation_id"))
	}
	return err
}

// nameFilter matches names as MySQL's REGEXP does, without regard to case. Nearly all that clients send is a literal
// with or without anchors; then no regular expression has to run over all the names.
type nameFilter struct {
	re         *regexp.Regexp // nil if it is a literal
	literal    []byte
	start, end bool // the literal is anchored
}

func newNameFilter(pattern string) (*nameFilter, error) {
	f := &nameFilter{}
	rest := pattern
	rest, f.start = strings.CutPrefix(rest, "^")
	rest, f.end = strings.CutSuffix(rest, "$")
	if regexp.QuoteMeta(rest) == rest {
		f.literal = []byte(rest)
		return f, nil
	}
	re, err := regexp.Compile("(?i)" + pattern)
	if err != nil {
		return nil, fault.BadRequest("Invalid input for query parameters name. Value: %s. '%s' is not a 'regex'", pattern, pattern)
	}
	f.re = re
	return f, nil
}

func (f *nameFilter) match(name []byte) bool {
	if f.re != nil {
		return f.re.Match(name)
	}
	last := len(name) - len(f.literal) // where the literal would have to begin to be at the end
	first := 0
	if f.end {
		first = max(last, 0)
	}
	if f.start {
		last = min(last, 0)
	}
	for i := first; i <= last; i++ {
		if bytes.EqualFold(name[i:i+len(f.literal)], f.literal) {
			return true
		}
	}
	return false
}

func (n *compute) parseStatus(c *call, q *serverQuery) error {
	for _, want := range c.query["status"] {
		if strings.EqualFold(want, "deleted") {
			if !c.tok.admin() {
				return fault.Forbidden("Only administrators may list deleted instances")
			}
			q.deleted = true
		}
		for vm, status := range statuses {
			if strings.EqualFold(status, want) {
				q.status = append(q.status, vm)
			}
		}
	}
	if c.query.Has("status") && q.status == nil {
		if c.at(38) {
			return fault.BadRequest("Invalid status value")
		}
		q.none = true
	}
	return nil
}

// parsePlace reads filters by zone, host, address and state.
func (n *compute) parsePlace(c *call, q *serverQuery) {
	if zone := c.query.Get("availability_zone"); zone != "" && zone != n.pod.Zone && (c.tok.admin() || c.at(83)) {
		q.none = true
	}
	for _, name := range []string{"host", "node"} {
		if host := c.query.Get(name); host != "" && c.tok.admin() {
			q.exact = append(q.exact, exactFilter{func(s *server) string { return n.hostOf(s, c.cloud.opts.Now()) }, host})
		}
	}
	if vm := c.query.Get("vm_state"); vm != "" && (c.tok.admin() || c.at(83)) {
		q.status = append(q.status, vm)
	}
	if ip := c.query.Get("ip"); ip != "" {
		// With Neutron's ip-substring-filtering, which OVN has, this is a substring.
		q.exact = append(q.exact, exactFilter{func(s *server) string {
			if slices.ContainsFunc(s.nics, func(x *nic) bool { return strings.Contains(x.address, ip) }) {
				return ip
			}
			return ""
		}, ip})
	}
}
