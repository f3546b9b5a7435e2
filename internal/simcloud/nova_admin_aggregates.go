package simcloud

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/tricircle/tricircle/internal/fault"
)

// aggregate groups hosts. Its metadata may make it a zone.
type aggregate struct {
	id               int
	uuid, name       string
	hosts            []string
	metadata         map[string]string
	created, updated time.Time
}

// zoneKey is the metadata that makes an aggregate a zone.
const zoneKey = "availability_zone"

// firstAggregate is the zone of the pod.
func firstAggregate(p *Pod, hosts []string) *aggregate {
	return &aggregate{
		id: 1, uuid: stableUUID(p.Region + " aggregate"), name: p.Zone, hosts: slices.Clone(hosts),
		metadata: map[string]string{zoneKey: p.Zone}, created: p.cloud.opts.Now().UTC().Truncate(time.Second),
	}
}

// render writes an aggregate; what was just made shows neither hosts nor metadata.
func (a *aggregate) render(c *call, made bool) {
	d := c.body
	d.obj()
	d.num("id", a.id)
	if c.at(41) {
		d.str("uuid", a.uuid)
	}
	d.str("name", a.name)
	if !made {
		d.strs("hosts", a.hosts)
		d.pairs("metadata", a.metadata)
	}
	d.time("created_at", a.created, micro)
	d.time("updated_at", a.updated, micro)
	d.null("deleted_at")
	d.yes("deleted", false)
	d.orNull("availability_zone", a.metadata[zoneKey])
	d.endObj()
}

func (a *aggregate) answer(c *call) error {
	return member(c, "aggregate", a, func(c *call, a *aggregate) { a.render(c, false) })
}

func (n *compute) listAggregates(c *call) error {
	if err := c.policy("os_compute_api:os-aggregates:index"); err != nil {
		return err
	}
	c.body.obj()
	c.body.arr("aggregates")
	for _, a := range n.aggregates {
		a.render(c, false)
	}
	c.body.endArr()
	c.body.endObj()
	return nil
}

// aggregate finds the one that the path names, by its number in all microversions.
func (n *compute) aggregate(c *call) (*aggregate, error) {
	id, err := strconv.Atoi(c.arg[0])
	if err != nil {
		return nil, fault.BadRequest("Invalid input received: id must be an integer")
	}
	a := first(n.aggregates, func(a *aggregate) bool { return a.id == id })
	if a == nil {
		return nil, fault.NotFound("Aggregate %d could not be found.", id)
	}
	return a, nil
}

// aggregateBody is what a user says of an aggregate.
type aggregateBody struct {
	Name *string
	Zone *string `json:"availability_zone"`
}

func (n *compute) createAggregate(c *call) error {
	if err := c.policy("os_compute_api:os-aggregates:create"); err != nil {
		return err
	}
	var b aggregateBody
	if err := c.decodeStrict("aggregate", &b); err != nil {
		return err
	}
	if b.Name == nil {
		return fault.BadRequest("Invalid input for field/attribute aggregate. Value: {}. 'name' is a required property")
	}
	if err := n.freeName(*b.Name, nil); err != nil {
		return err
	}
	n.aggregated++
	a := &aggregate{
		id: n.aggregated, uuid: c.cloud.opts.NewID(), name: *b.Name, metadata: map[string]string{},
		created: c.cloud.opts.Now().UTC(),
	}
	if b.Zone != nil {
		a.metadata[zoneKey] = *b.Zone
	}
	n.aggregates = append(n.aggregates, a)
	return member(c, "aggregate", a, func(c *call, a *aggregate) { a.render(c, true) })
}

func (n *compute) freeName(name string, own *aggregate) error {
	if slices.ContainsFunc(n.aggregates, func(a *aggregate) bool { return a != own && a.name == name }) {
		return fault.Conflict("Aggregate %s already exists.", name)
	}
	return nil
}

func (n *compute) showAggregate(c *call) error {
	if err := c.policy("os_compute_api:os-aggregates:show"); err != nil {
		return err
	}
	a, err := n.aggregate(c)
	if err != nil {
		return err
	}
	return a.answer(c)
}

func (n *compute) updateAggregate(c *call) error {
	if err := c.policy("os_compute_api:os-aggregates:update"); err != nil {
		return err
	}
	var b aggregateBody
	if err := c.decodeStrict("aggregate", &b); err != nil {
		return err
	}
	a, err := n.aggregate(c)
	if err != nil {
		return err
	}
	if b.Name != nil {
		if err := n.freeName(*b.Name, a); err != nil {
			return err
		}
	}
	if b.Zone != nil {
		if why := n.unlessZone(c, a, *b.Zone, a.hosts, true); why != "" {
			return fault.BadRequest("Cannot update aggregate %d. Reason: %s.", a.id, why)
		}
		a.metadata[zoneKey] = *b.Zone
	}
	set(&a.name, b.Name)
	a.updated = c.cloud.opts.Now().UTC()
	return a.answer(c)
}

// unlessZone says why hosts may not come into a zone by an aggregate, "" if they may: because they are in another, or, where the
// aggregate is to be moved, because they have servers (nova/compute/api.py, AggregateAPI.is_safe_to_update_az).
func (n *compute) unlessZone(c *call, a *aggregate, zone string, hosts []string, moved bool) string {
	for _, other := range n.aggregates {
		theirs := other.metadata[zoneKey]
		shared := slices.ContainsFunc(hosts, func(host string) bool { return slices.Contains(other.hosts, host) })
		if other != a && shared && theirs != "" && zone != theirs {
			return "One or more hosts already in availability zone(s) ['" + theirs + "']"
		}
	}
	loads := n.loads(c.cloud.opts.Now())
	busy := func(host string) bool { return len(loads[host].servers) > 0 }
	if moved && zone != a.metadata[zoneKey] && slices.ContainsFunc(hosts, busy) {
		return "One or more hosts contain instances in this zone"
	}
	return ""
}

func (n *compute) deleteAggregate(c *call) error {
	if err := c.policy("os_compute_api:os-aggregates:delete"); err != nil {
		return err
	}
	a, err := n.aggregate(c)
	if err != nil {
		return err
	}
	if len(a.hosts) > 0 {
		return fault.BadRequest("Cannot remove host from aggregate %d. Reason: Host aggregate is not empty.", a.id)
	}
	n.aggregates = slices.DeleteFunc(n.aggregates, func(x *aggregate) bool { return x == a })
	c.w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	return nil
}

// aggregateActions are the keys of POST /os-aggregates/{id}/action.
var aggregateActions = map[string]func(*compute, *call, *aggregate, json.RawMessage) error{
	"add_host": (*compute).addHost, "remove_host": (*compute).removeHost, "set_metadata": (*compute).setAggregateMetadata,
}

func (n *compute) actOnAggregate(c *call) error {
	var body map[string]json.RawMessage
	if err := c.decode(&body); err != nil {
		return err
	}
	for name, raw := range body {
		action, ok := aggregateActions[name]
		if !ok {
			return fault.BadRequest("There is no such action: %s", name)
		}
		if err := c.policy("os_compute_api:os-aggregates:" + name); err != nil {
			return err
		}
		a, err := n.aggregate(c)
		if err != nil {
			return err
		}
		if err := action(n, c, a, raw); err != nil {
			return err
		}
		return a.answer(c)
	}
	return fault.BadRequest("Malformed request body")
}

func (n *compute) addHost(c *call, a *aggregate, raw json.RawMessage) error {
	var b struct{ Host string }
	if err := arguments("add_host", raw, &b); err != nil {
		return err
	}
	if n.computeOn(b.Host) == nil {
		return fault.NotFound("Compute host %s could not be found.", b.Host)
	}
	if slices.Contains(a.hosts, b.Host) {
		return fault.Conflict("Aggregate %d already has host %s.", a.id, b.Host)
	}
	if zone := a.metadata[zoneKey]; zone != "" {
		if why := n.unlessZone(c, a, zone, []string{b.Host}, false); why != "" {
			return fault.Conflict("Cannot add host to aggregate %d. Reason: %s.", a.id, why)
		}
	}
	a.hosts = append(a.hosts, b.Host)
	return nil
}

func (n *compute) removeHost(c *call, a *aggregate, raw json.RawMessage) error {
	var b struct{ Host string }
	if err := arguments("remove_host", raw, &b); err != nil {
		return err
	}
	i := slices.Index(a.hosts, b.Host)
	if i < 0 {
		return fault.NotFound("Cannot remove host %s in aggregate %d", b.Host, a.id)
	}
	a.hosts = slices.Delete(a.hosts, i, i+1)
	return nil
}

// setAggregateMetadata merges; null removes.
func (n *compute) setAggregateMetadata(c *call, a *aggregate, raw json.RawMessage) error {
	var b struct{ Metadata map[string]*string }
	if err := arguments("set_metadata", raw, &b); err != nil {
		return err
	}
	if zone := b.Metadata[zoneKey]; zone != nil {
		if why := n.unlessZone(c, a, *zone, a.hosts, true); why != "" {
			return fault.BadRequest("Cannot update metadata of aggregate %d. Reason: %s.", a.id, why)
		}
	}
	for key, value := range b.Metadata {
		if value == nil {
			delete(a.metadata, key)
		} else {
			a.metadata[key] = *value
		}
	}
	a.updated = c.cloud.opts.Now().UTC()
	return nil
}

// cacheImages takes images that nobody copies anywhere.
func (n *compute) cacheImages(c *call) error {
	if err := c.policy("compute:aggregates:images"); err != nil {
		return err
	}
	var b struct{ Cache []struct{ ID string } }
	if err := c.decode(&b); err != nil {
		return err
	}
	for _, image := range b.Cache {
		if uuid.Validate(image.ID) != nil {
			return fault.BadRequest("Invalid input for field/attribute id. Value: %s. '%s' is not a 'uuid'", image.ID, image.ID)
		}
	}
	if _, err := n.aggregate(c); err != nil {
		return err
	}
	c.status = http.StatusAccepted
	return nil
}
