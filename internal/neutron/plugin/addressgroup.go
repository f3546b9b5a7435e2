package plugin

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tricircle/tricircle/internal/neutron/api"
	"github.com/tricircle/tricircle/internal/neutron/schema"
	"github.com/tricircle/tricircle/internal/store"
)

// addressGroups are lists of prefixes that rules of security groups can name (neutron/db/address_group_db.py, Zed). Pods know nothing of
// them: a rule that names one is there a rule for each of its prefixes.
func (p *Plugin) addressGroups() api.Resource {
	return api.Resource{
		Kind: store.KindAddressGroup, Singular: "address_group", Plural: "address_groups", Collection: "address-groups",
		NotFound: addressGroupNotFound,
		Attributes: []api.Attribute{
			{Name: "name", Post: true, Put: true, Default: "", Validate: schema.String(255)},
			{Name: "addresses", Post: true, Default: emptyList, Convert: schema.NilToList, Validate: schema.SubnetList, NoFilter: true, NoSort: true},
			{Name: "description", Post: true, Put: true, Default: "", Validate: schema.String(1024)},
		},
		Actions: []api.Action{
			{Name: "add_addresses", Method: "PUT", Policy: "update_address_group", Serve: p.addPrefixesTo},
			{Name: "remove_addresses", Method: "PUT", Policy: "update_address_group", Serve: p.removePrefixesFrom},
		},
		Rules: api.Rules{Create: createAddressGroup, Delete: p.deleteAddressGroup},
	}
}

func addressGroupNotFound(id string) error {
	return notFound("AddressGroupNotFound", "Address group %s could not be found.", id)
}

func createAddressGroup(_ *api.Call, _ store.Tx, o *store.Object) error {
	addresses, err := canonicalAddresses(o.Attrs["addresses"])
	o.Attrs["addresses"] = listOf(addresses)
	return err
}

// canonicalAddresses are prefixes without bits of hosts, each once, in the order in which Neutron's database has them.
func canonicalAddresses(v any) ([]string, error) {
	var all []string
	for _, text := range textsOf(v) {
		if !strings.Contains(text, "/") { // of an address alone
			a, err := netip.ParseAddr(text)
			if err != nil {
				return nil, badRequest("AddrFormatError", "invalid IPNetwork %s", text)
			}
			text = netip.PrefixFrom(a, a.BitLen()).String()
		}
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, badRequest("AddrFormatError", "invalid IPNetwork %s", text)
		}
		all = append(all, prefix.Masked().String())
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// readGroupPrefixes is the body of add_addresses and remove_addresses.
func readGroupPrefixes(body map[string]any) ([]string, error) {
	if _, isList := body["addresses"].([]any); !isList {
		return nil, badRequest("HTTPBadRequest", "Invalid input for addresses. Reason: '%s' is not a list.", schema.Text(body["addresses"]))
	}
	return canonicalAddresses(body["addresses"])
}

func (p *Plugin) addPrefixesTo(c *api.Call, tx store.Tx, o *store.Object, body map[string]any) (any, error) {
	added, err := readGroupPrefixes(body)
	if err != nil {
		return nil, err
	}
	have := textsOf(o.Attrs["addresses"])
	if twice := slices.DeleteFunc(slices.Clone(added), func(a string) bool { return !slices.Contains(have, a) }); len(twice) > 0 {
		return nil, badRequest("AddressesAlreadyExist", "Addresses %s already exist in the address group %s.", schema.List(twice), o.ID)
	}
	return p.setGroupPrefixes(c, tx, o, slices.Concat(have, added))
}

func (p *Plugin) removePrefixesFrom(c *api.Call, tx store.Tx, o *store.Object, body map[string]any) (any, error) {
	gone, err := readGroupPrefixes(body)
	if err != nil {
		return nil, err
	}
	have := textsOf(o.Attrs["addresses"])
	if missing := slices.DeleteFunc(slices.Clone(gone), func(a string) bool { return slices.Contains(have, a) }); len(missing) > 0 {
		return nil, notFound("AddressesNotFound", "Addresses %s not found in the address group %s.", schema.List(missing), o.ID)
	}
	return p.setGroupPrefixes(c, tx, o, slices.DeleteFunc(have, func(a string) bool { return slices.Contains(gone, a) }))
}

// setGroupPrefixes changes what a group holds, and asks for the security groups whose rules name it. The answer has more members than a GET,
// as Neutron's does.
func (p *Plugin) setGroupPrefixes(c *api.Call, tx store.Tx, o *store.Object, addresses []string) (any, error) {
	slices.Sort(addresses)
	o.Attrs["addresses"] = listOf(addresses)
	if err := tx.Update(c.Context(), o); err != nil {
		return nil, err
	}
	if err := p.enqueueNaming(c, tx, o.ID); err != nil {
		return nil, err
	}
	return map[string]any{"address_group": map[string]any{
		"id": o.ID, "name": o.Attrs["name"], "description": o.Attrs["description"], "project_id": o.ProjectID, "tenant_id": o.ProjectID,
		"addresses": o.Attrs["addresses"], "shared": false, "revision_number": o.Revision,
		"created_at": o.CreatedAt.UTC().Format(timeFormat), "updated_at": c.Now.UTC().Truncate(time.Second).Format(timeFormat),
	}}, nil
}

// enqueueNaming asks for the security groups to be made equal whose rules name an address group.
func (p *Plugin) enqueueNaming(c *api.Call, tx store.Tx, id string) error {
	rules, err := p.rulesNaming(c, tx, id)
	if err != nil || len(rules) == 0 {
		return err
	}
	var ids []string
	for _, rule := range rules {
		ids = append(ids, textOf(rule.Attrs["security_group_id"]))
	}
	slices.Sort(ids)
	groups, err := tx.List(c.Context(), store.ObjectQuery{Kind: store.KindSecurityGroup, Filters: []store.Filter{
		{Attr: "id", Values: listOf(slices.Compact(ids))}}})
	for _, group := range groups {
		if err == nil {
			err = p.enqueue(c.Context(), tx, group)
		}
	}
	return err
}

func (p *Plugin) rulesNaming(c *api.Call, r store.Reader, id string) ([]*store.Object, error) {
	return r.List(c.Context(), store.ObjectQuery{Kind: store.KindSecurityGroupRule, Filters: []store.Filter{equal("remote_address_group_id", id)}})
}

func (p *Plugin) deleteAddressGroup(c *api.Call, tx store.Tx, o *store.Object) error {
	rules, err := p.rulesNaming(c, tx, o.ID)
	if err == nil && len(rules) > 0 {
		err = conflict("AddressGroupInUse", "Address group %s is in use on one or more security group rules.", o.ID)
	}
	return err
}

// findAddressGroup refuses a rule that names an address group which its project does not have.
func findAddressGroup(c *api.Call, r store.Reader, project, id string) error {
	o, err := r.Get(c.Context(), store.KindAddressGroup, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && o.ProjectID != project && !c.Admin {
		return addressGroupNotFound(id)
	}
	return err
}
