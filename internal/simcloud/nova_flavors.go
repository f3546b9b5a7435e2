package simcloud

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/tricircle/tricircle/internal/fault"
)

type flavor struct {
	ID               string
	Name             string
	RAM, Disk, VCPUs int
	Ephemeral        int `json:"OS-FLV-EXT-DATA:ephemeral"`
	Swap             int
	Description      string
	public           bool
	extraSpecs       map[string]string
}

func (n *compute) flavor(id string) *flavor {
	return first(n.flavors, func(f *flavor) bool { return f.ID == id })
}

func (n *compute) listFlavors(c *call) error {
	detail := strings.HasSuffix(c.r.URL.Path, "/detail")
	// Flavor ids sort as text; the page starts after the marker.
	all := slices.SortedFunc(slices.Values(n.flavors), func(a, b *flavor) int { return cmp.Compare(a.ID, b.ID) })
	if marker := c.query.Get("marker"); marker != "" {
		at := slices.IndexFunc(all, func(f *flavor) bool { return f.ID == marker })
		if at < 0 {
			return fault.BadRequest("marker [%s] not found", marker)
		}
		all = all[at+1:]
	}
	limit, err := c.novaLimit()
	if err != nil {
		return err
	}
	c.body.obj()
	c.body.arr("flavors")
	page := all[:min(limit, len(all))]
	for _, f := range page {
		if detail {
			n.renderFullFlavor(c, f)
			continue
		}
		c.body.obj()
		c.body.str("id", f.ID)
		c.body.str("name", f.Name)
		c.writeLinks("flavors", f.ID)
		if c.at(55) {
			c.body.orNull("description", f.Description)
		}
		c.body.endObj()
	}
	c.body.endArr()
	if len(page) > 0 && len(page) == limit {
		c.next("flavors_links", page[len(page)-1].ID, true)
	}
	c.body.endObj()
	return nil
}

func (n *compute) renderFullFlavor(c *call, f *flavor) {
	d := c.body
	d.obj()
	d.str("id", f.ID)
	d.str("name", f.Name)
	d.num("ram", f.RAM)
	d.num("disk", f.Disk)
	if f.Swap == 0 && !c.at(75) {
		d.str("swap", "")
	} else {
		d.num("swap", f.Swap)
	}
	d.num("OS-FLV-EXT-DATA:ephemeral", f.Ephemeral)
	d.yes("OS-FLV-DISABLED:disabled", false)
	d.num("vcpus", f.VCPUs)
	d.yes("os-flavor-access:is_public", f.public)
	d.raw("rxtx_factor", "1.0")
	c.writeLinks("flavors", f.ID)
	if c.at(55) {
		d.orNull("description", f.Description)
	}
	if c.at(61) {
		d.pairs("extra_specs", f.extraSpecs)
	}
	d.endObj()
}

// asked is the flavor that the URL names.
func (n *compute) asked(c *call) (*flavor, error) {
	f := n.flavor(c.arg[0])
	if f == nil {
		return nil, fault.NotFound("Flavor %s could not be found.", c.arg[0])
	}
	return f, nil
}

func (n *compute) showFlavor(c *call) error {
	f, err := n.asked(c)
	if err != nil {
		return err
	}
	return member(c, "flavor", f, n.renderFullFlavor)
}

func (c *call) policy(rule string) error {
	if !c.tok.admin() {
		return fault.Forbidden("Policy doesn't allow %s to be performed.", rule)
	}
	return nil
}

func (n *compute) createFlavor(c *call) error {
	if err := c.policy("os_compute_api:os-flavor-manage:create"); err != nil {
		return err
	}
	var b struct {
		flavor
		ID     any
		Public *bool `json:"os-flavor-access:is_public"`
	}
	if err := c.decodeIn("flavor", &b); err != nil {
		return err
	}
	f := b.flavor
	f.public = b.Public == nil || *b.Public
	if b.ID != nil {
		f.ID = asString(b.ID)
	}
	if f.ID == "" || f.ID == "auto" {
		f.ID = c.cloud.opts.NewID()
	}
	switch {
	case f.Name == "":
		return tooShort("name")
	case slices.ContainsFunc(n.flavors, func(x *flavor) bool { return x.Name == f.Name }):
		return fault.Conflict("Flavor with name %s already exists.", f.Name)
	case n.flavor(f.ID) != nil:
		return fault.Conflict("Flavor with ID %s already exists.", f.ID)
	}
	n.flavors = append(n.flavors, &f)
	return member(c, "flavor", &f, n.renderFullFlavor)
}

func (n *compute) deleteFlavor(c *call) error {
	if err := c.policy("os_compute_api:os-flavor-manage:delete"); err != nil {
		return err
	}
	f, err := n.asked(c)
	if err != nil {
		return err
	}
	n.flavors = slices.DeleteFunc(slices.Clone(n.flavors), func(x *flavor) bool { return x == f })
	c.status = http.StatusAccepted
	return nil
}

func (n *compute) showExtraSpecs(c *call) error {
	f, err := n.asked(c)
	if err != nil {
		return err
	}
	writePairs(c, "extra_specs", f.extraSpecs)
	return nil
}

func (n *compute) createExtraSpecs(c *call) error {
	if err := c.policy("os_compute_api:os-flavor-extra-specs:create"); err != nil {
		return err
	}
	f, err := n.asked(c)
	if err != nil {
		return err
	}
	var given map[string]string
	if err := c.decodeIn("extra_specs", &given); err != nil {
		return err
	}
	all := maps.Clone(given)
	for k, v := range f.extraSpecs {
		if _, ok := given[k]; !ok {
			all[k] = v
		}
	}
	f.extraSpecs = all
	writePairs(c, "extra_specs", given)
	return nil
}
