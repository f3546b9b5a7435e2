package simcloud

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/tricircle/tricircle/internal/fault"
)

// cinderPage is the paging of every Cinder list.
type cinderPage struct {
	limit, offset int
	marker        string
	sort          []sortKey // empty: created_at desc, id desc
	project       string    // empty: all
	count         bool      // with_count
}

func (c *call) cinderPage(keys map[string]bool) (*cinderPage, error) {
	p := &cinderPage{limit: maxLimit, marker: c.query.Get("marker"), project: c.tok.projectID()}
	for _, parameter := range []struct {
		name, notNumber, negative string
		to                        *int
	}{
		{"limit", "limit param must be an integer", "limit param must be positive", &p.limit},
		{"offset", "offset must be an integer", "offset must be >= 0", &p.offset},
	} {
		text := c.query.Get(parameter.name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, fault.BadRequest("%s", parameter.notNumber)
		}
		if n < 0 {
			return nil, fault.BadRequest("%s", parameter.negative)
		}
		*parameter.to = n
	}
	p.limit = min(p.limit, maxLimit)
	p.count = c.at(45) && c.isTrue("with_count")
	// Cinder ignores all_tenants of users rather than refusing it.
	if c.tok.admin() && c.isTrue("all_tenants") {
		p.project = cmp.Or(c.query.Get("project_id"), c.query.Get("tenant_id"))
	}
	return p, c.cinderSort(p, keys)
}

// cinderSort reads sort=key[:dir],... or the older sort_key and sort_dir.
func (c *call) cinderSort(p *cinderPage, keys map[string]bool) error {
	text := c.query.Get("sort")
	if c.query.Has("sort_key") || c.query.Has("sort_dir") {
		if text != "" {
			return fault.BadRequest("The 'sort_key' and 'sort_dir' parameters are deprecated and cannot be used with the 'sort' " +
				"parameter.")
		}
		text = cmp.Or(c.query.Get("sort_key"), "created_at") + ":" + cmp.Or(c.query.Get("sort_dir"), "desc")
	}
	if text == "" {
		return nil
	}
	for _, part := range strings.Split(text, ",") {
		key, dir, _ := strings.Cut(strings.TrimSpace(part), ":")
		if dir = cmp.Or(dir, "desc"); dir != "asc" && dir != "desc" {
			return fault.BadRequest("Invalid input received: Unknown sort direction, must be 'desc' or 'asc'.")
		}
		if !keys[key] {
			return fault.BadRequest("Invalid input received: Invalid sort key")
		}
		p.sort = append(p.sort, sortKey{key, dir == "desc"})
	}
	if len(p.sort) == 1 && p.sort[0] == (sortKey{"created_at", true}) {
		p.sort = nil
	}
	return nil
}

// links ends a list: the next page, if this one was full, and the count.
func (p *cinderPage) links(c *call, member string, shown, total int, last string) {
	length := shown
	if p.count {
		length = total
	}
	if shown > 0 && p.limit <= length {
		c.next(member, last, false)
	}
	if p.count {
		c.body.num("count", total)
	}
}

// cinderFilters are what the filters of a list may be from 3.31 (etc/cinder/resource_filters.json). Before, users may
// send others in vain.
func (c *call) cinderFilters(allowed ...string) (map[string]string, error) {
	filters := map[string]string{}
	var unknown []string
	for name, values := range c.query {
		switch strings.TrimSuffix(name, "~") {
		case "limit", "offset", "marker", "sort", "sort_key", "sort_dir", "all_tenants", "project_id", "tenant_id", "with_count":
			continue
		}
		switch {
		case slices.Contains(allowed, name) || c.at(34) && slices.Contains(allowed, strings.TrimSuffix(name, "~")):
			filters[name] = values[0]
		case c.at(31):
			unknown = append(unknown, name)
		}
	}
	if unknown != nil {
		slices.Sort(unknown)
		return nil, fault.BadRequest("Invalid filters %s are found in query options.", strings.Join(unknown, ", "))
	}
	return filters, nil
}

// fields lets filters and sort keys look at a volume.
func (v *volume) field(x *disk, name string) string {
	switch name {
	case "id":
		return x.id
	case "name", "display_name":
		return x.name
	case "status":
		return x.status
	case "size":
		return strconv.Itoa(x.size)
	case "bootable":
		return strconv.FormatBool(x.bootable)
	case "availability_zone":
		return v.pod.Zone
	case "host":
		return v.poolName()
	case "cluster_name":
		return v.backend().cluster
	case "created_at":
		return x.created.Format(micro)
	case "updated_at":
		return x.updated.Format(micro)
	case "consumes_quota":
		return "true"
	}
	return ""
}

var volumeSortKeys = map[string]bool{
	"id": true, "name": true, "display_name": true, "status": true, "size": true, "created_at": true, "updated_at": true,
	"availability_zone": true, "bootable": true, "project_id": true, "user_id": true, "host": true, "volume_type_id": true,
}

// matchesVolume compares the filters; "name~" is a part of the name.
func (v *volume) matches(x *disk, filters map[string]string) bool {
	for name, want := range filters {
		switch {
		case name == "metadata":
			if !matchesMetadata(x.metadata, want) {
				return false
			}
		case strings.HasSuffix(name, "~"):
			if !strings.Contains(v.field(x, strings.TrimSuffix(name, "~")), want) {
				return false
			}
		case !strings.EqualFold(v.field(x, name), want):
			return false
		}
	}
	return true
}

// matchesMetadata compares with what clients write: a Python dictionary, {'key': 'value'}.
func matchesMetadata(m map[string]string, want string) bool {
	for _, pair := range strings.Split(strings.Trim(want, "{}"), ",") {
		k, val, _ := strings.Cut(pair, ":")
		const quotes = ` '"`
		got, ok := m[strings.Trim(k, quotes)]
		if !ok || got != strings.Trim(val, quotes) {
			return false
		}
	}
	return true
}

func (v *volume) listVolumes(c *call) error {
	p, err := c.cinderPage(volumeSortKeys)
	if err != nil {
		return err
	}
	allowed := []string{"name", "display_name", "status", "metadata", "bootable", "migration_status", "availability_zone", "group_id",
		"size", "created_at", "updated_at", "consumes_quota", "id"}
	if c.tok.admin() {
		allowed = append(allowed, "host", "cluster_name")
	}
	filters, err := c.cinderFilters(allowed...)
	if err != nil {
		return err
	}
	var after **disk
	if p.marker != "" {
		m, err := v.get(c.tok, p.marker)
		if err != nil {
			return err
		}
		after = &m
	}
	write := v.summarize
	if strings.HasSuffix(c.r.URL.Path, "/detail") {
		write = v.render
	}
	c.body.obj()
	c.body.arr("volumes")
	shown, last := 0, ""
	for x := range v.page(p, filters, after) {
		write(c, x)
		shown, last = shown+1, x.id
	}
	c.body.endArr()
	total := 0
	if p.count {
		total = v.count(p.project, filters)
	}
	p.links(c, "volumes_links", shown, total, last)
	c.body.endObj()
	return nil
}

// page yields the volumes of one page; like Nova's, it is cheap in the default order.
func (v *volume) page(p *cinderPage, filters map[string]string, after **disk) func(yield func(*disk) bool) {
	if len(p.sort) > 0 {
		return v.sortedPage(p, filters, after)
	}
	return func(yield func(*disk) bool) {
		skip, left := p.offset, p.limit
		if left == 0 {
			return
		}
		for x := range v.matching(p.project, filters, after) {
			if skip > 0 {
				skip--
				continue
			}
			if left--; !yield(x) || left == 0 {
				return
			}
		}
	}
}

// matching yields all that a project has and the filters let through, in list order. Untouched generated volumes that
// the name excludes are not even made.
func (v *volume) matching(project string, filters map[string]string, after **disk) func(yield func(*disk) bool) {
	name, byName := filters["name"]
	if !byName {
		name, byName = filters["display_name"]
	}
	return func(yield func(*disk) bool) {
		var scratch []byte
		for r := range v.volumes.walk(after, project == "" || project == stableDemoProject) {
			if !r.kept {
				if scratch = v.appendName(scratch[:0], r.index); byName && !strings.EqualFold(string(scratch), name) {
					continue
				}
			}
			x := v.volumes.at(r)
			if x.deleted || project != "" && x.project != project || !v.matches(x, filters) {
				continue
			}
			if !yield(x) {
				return
			}
		}
	}
}

func (v *volume) sortedPage(p *cinderPage, filters map[string]string, after **disk) func(yield func(*disk) bool) {
	return func(yield func(*disk) bool) {
		all := slices.Collect(v.matching(p.project, filters, nil))
		slices.SortFunc(all, func(a, b *disk) int {
			order := 0
			for _, k := range append(slices.Clone(p.sort), sortKey{"created_at", p.sort[0].desc}, sortKey{"id", p.sort[0].desc}) {
				if k.name == "size" {
					order = cmp.Compare(a.size, b.size)
				} else {
					order = cmp.Compare(strings.ToLower(v.field(a, k.name)), strings.ToLower(v.field(b, k.name)))
				}
				if k.desc {
					order = -order
				}
				if order != 0 {
					return order
				}
			}
			return 0
		})
		if after != nil {
			all = all[1+slices.IndexFunc(all, func(x *disk) bool { return x.id == (*after).id }):]
		}
		all = all[min(p.offset, len(all)):]
		for _, x := range all[:min(p.limit, len(all))] {
			if !yield(x) {
				return
			}
		}
	}
}

// count is how many match. Without filters the generated ones need not be looked at.
func (v *volume) count(project string, filters map[string]string) int {
	total := 0
	if len(filters) > 0 {
		for range v.matching(project, filters, nil) {
			total++
		}
		return total
	}
	if project == "" || project == stableDemoProject {
		total = v.volumes.gen.n - len(v.volumes.touched)
	}
	for _, x := range v.volumes.byID {
		if !x.deleted && (project == "" || x.project == project) {
			total++
		}
	}
	return total
}

func (v *volume) summary(c *call) error {
	u := v.usage(c.tok.projectID())
	summary := map[string]any{"total_count": u.volumes, "total_size": u.gigabytes - u.snapshotGigabytes}
	if c.at(36) {
		metadata := map[string][]string{} // untouched generated volumes have none
		for _, x := range v.volumes.byID {
			for key, value := range x.metadata {
				if x.project == c.tok.projectID() && !x.deleted && !slices.Contains(metadata[key], value) {
					metadata[key] = append(metadata[key], value)
				}
			}
		}
		summary["metadata"] = metadata
	}
	c.body.obj()
	c.body.value("volume-summary", summary)
	c.body.endObj()
	return nil
}
