package plugin

import (
	"net/http"
	"slices"

	"github.com/tricircle/tricircle/internal/neutron/api"
	"github.com/tricircle/tricircle/internal/store"
)

// Zones are the availability zones of the top, of which each is served by one or more pods.
type Zones interface {
	// Names returns all zones, in order, and whether a pod that serves it is up.
	Names() []Zone
	// Of returns the zones that a pod serves.
	Of(podNum int32) []string
	// Pods returns the numbers of the pods that serve a zone.
	Pods(zone string) []int32
}

// Zone is an availability zone as users see it.
type Zone struct {
	Name      string
	Available bool
}

// checkZoneHints refuses zones that do not exist.
func (p *Plugin) checkZoneHints(o *store.Object) error {
	for _, hint := range textsOf(o.Attrs["availability_zone_hints"]) {
		if len(p.o.Zones.Pods(hint)) == 0 {
			return notFound("AvailabilityZoneNotFound", "AvailabilityZone %s could not be found.", hint)
		}
	}
	return nil
}

// homes are the pods that the hints of an object allow; none means all.
func (p *Plugin) homes(o *store.Object) []int32 {
	var pods []int32
	for _, hint := range textsOf(o.Attrs["availability_zone_hints"]) {
		pods = append(pods, p.o.Zones.Pods(hint)...)
	}
	slices.Sort(pods)
	return slices.Compact(pods)
}

// listZones serves GET /v2.0/availability_zones: each zone as one of networks and one of routers, as agents of Neutron make it.
func (p *Plugin) listZones(c *api.Call) (int, any, error) {
	if err := c.Authorize("get_availability_zone"); err != nil {
		return 0, nil, err
	}
	rows := []any{}
	for _, zone := range p.o.Zones.Names() {
		for _, resource := range []string{"network", "router"} {
			state := "available"
			if !zone.Available {
				state = "unavailable"
			}
			row := map[string]any{"name": zone.Name, "resource": resource, "state": state}
			if matches(c, row) {
				rows = append(rows, row)
			}
		}
	}
	return http.StatusOK, map[string]any{"availability_zones": rows}, nil
}

// matches applies the filters of a query to a row with strings.
func matches(c *api.Call, row map[string]any) bool {
	for name := range row {
		if values, given := c.Query[name]; given && !slices.Contains(values, textOf(row[name])) {
			return false
		}
	}
	return true
}
