package simcloud

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// list answers GET of a collection: filters (repeated: one of them), fields, sorting, paging.
func (n *network) list(c *call, k *netKind) error {
	all := n.candidates(c, k)
	all = slices.DeleteFunc(all, func(o *netObject) bool { return !n.visible(c.tok, k, o) || !n.selected(c, k, o) })
	if err := k.sort(c, all); err != nil {
		return err
	}
	page, before, after, err := cutPage(c, k, all)
	if err != nil {
		return err
	}
	views := make([]any, len(page))
	for i, o := range page {
		views[i] = n.view(c, k, o, c.query["fields"])
	}
	c.body.obj()
	c.body.value(k.plural(), views)
	if before || after {
		n.pageLinks(c, k, page, before, after)
	}
	c.body.endObj()
	return nil
}

// candidates are all stored objects; ports of untouched generated servers appear only when a server is asked for, since
// they do not exist otherwise.
func (n *network) candidates(c *call, k *netKind) []*netObject {
	var all []*netObject
	for _, o := range n.objects[k.collection] {
		all = append(all, o)
	}
	if k.collection == "ports" {
		for _, device := range c.query["device_id"] {
			servers := n.pod.compute.servers
			if i, ok := servers.gen.find(device); ok && servers.byID[device] == nil {
				all = append(all, n.portOf(i))
			}
		}
	}
	return all
}

// selected applies the filters. Names that are no attribute are ignored, as without filter-validation.
func (n *network) selected(c *call, k *netKind, o *netObject) bool {
	all := n.view(c, k, o, nil)
	for name, wanted := range c.query {
		switch name {
		case "fields", "limit", "marker", "sort_key", "sort_dir", "page_reverse":
			continue
		case "fixed_ips":
			if !matchesFixedIPs(o, wanted) {
				return false
			}
			continue
		case "tags":
			have := texts(o.attrs["tags"])
			for _, tag := range strings.Split(wanted[0], ",") {
				if !slices.Contains(have, tag) {
					return false
				}
			}
			continue
		}
		got, ok := all[name]
		if ok && !slices.ContainsFunc(wanted, func(w string) bool { return strings.EqualFold(filterText(got), w) }) {
			return false
		}
	}
	return true
}

func filterText(v any) string {
	if v == nil {
		return ""
	}
	return asString(v)
}

// matchesFixedIPs reads ip_address=A, subnet_id=S and ip_address_substr=A; all must hold.
func matchesFixedIPs(o *netObject, wanted []string) bool {
	for _, w := range wanted {
		name, value, _ := strings.Cut(w, "=")
		found := slices.ContainsFunc(fixedIPs(o), func(a address) bool {
			switch name {
			case "ip_address":
				return a.ip == value
			case "subnet_id":
				return a.subnet == value
			case "ip_address_substr":
				return strings.Contains(a.ip, value)
			}
			return false
		})
		if !found {
			return false
		}
	}
	return true
}

// sort orders by the given keys, then by id, which Neutron always adds.
func (k *netKind) sort(c *call, all []*netObject) error {
	keys, dirs := c.query["sort_key"], c.query["sort_dir"]
	if len(keys) != len(dirs) {
		return netInvalid("HTTPBadRequest", "The number of sort_keys and sort_dirs must be same")
	}
	known := k.defaults()
	for _, key := range keys {
		if _, ok := known[key]; !ok && key != "id" && key != "created_at" && key != "updated_at" {
			return netInvalid("HTTPBadRequest", "['%s'] is invalid attribute for sort_keys", key)
		}
	}
	slices.SortFunc(all, func(a, b *netObject) int {
		for i, key := range keys {
			order := cmp.Compare(filterText(attr(a, key)), filterText(attr(b, key)))
			if dirs[i] == "desc" {
				order = -order
			}
			if order != 0 {
				return order
			}
		}
		return cmp.Compare(a.id, b.id)
	})
	return nil
}

func attr(o *netObject, name string) any {
	if name == "id" {
		return o.id
	}
	return o.attrs[name]
}

// cutPage applies limit, marker and page_reverse, and tells which links the page has.
func cutPage(c *call, k *netKind, all []*netObject) (page []*netObject, before, after bool, err error) {
	limit, bad := strconv.Atoi(cmp.Or(c.query.Get("limit"), "0"))
	if bad != nil || limit < 0 {
		return nil, false, false, netInvalid("BadRequest", "Bad limit request: Limit must be an integer 0 or greater and not '%s'.",
			c.query.Get("limit"))
	}
	if limit == 0 {
		return all, false, false, nil
	}
	reverse := c.isTrue("page_reverse")
	if reverse {
		slices.Reverse(all)
	}
	if marker := c.query.Get("marker"); marker != "" {
		at := slices.IndexFunc(all, func(o *netObject) bool { return o.id == marker })
		if at < 0 {
			return nil, false, false, k.notFound(marker)
		}
		all = all[at+1:]
	}
	full := len(all) >= limit
	page = all[:min(limit, len(all))]
	if reverse {
		slices.Reverse(page)
	}
	return page, len(page) > 0 && (full || !reverse), len(page) > 0 && (full || reverse), nil
}

func (n *network) pageLinks(c *call, k *netKind, page []*netObject, before, after bool) {
	c.body.arr(k.plural() + "_links")
	query := c.without("marker", "page_reverse")
	link := func(rel, marker, more string) {
		c.body.link(rel, c.prefix, "/", k.collection, "?", query, "&marker=", marker, more)
	}
	if after {
		link("next", page[len(page)-1].id, "")
	}
	if before {
		link("previous", page[0].id, "&page_reverse=True")
	}
	c.body.endArr()
}
