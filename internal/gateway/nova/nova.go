// Package nova is the compute API gateway: Nova's route table, and the few calls that a routing class cannot express:
// boot, attach a volume, unshelve into a zone, list zones, networks and security groups of servers, and calls of other services. Everything
// else the engine does.
//
// It must not depend on another service's gateway. What two services need belongs into the engine.
package nova

import (
	"errors"
	"net/http"
	"strings"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/jsonx"
	"github.com/tricircle/tricircle/internal/microversion"
	"github.com/tricircle/tricircle/internal/neutron/nic"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/store"
)

// Service describes Nova to the engine. public returns the base URL that a client used; ceiling is the highest
// microversion to advertise. nics is the networking service's side of servers; nil if the top has none.
func Service(public func(*http.Request) string, ceiling func() microversion.Version, nics *nic.Service) (*gateway.Service, error) {
	table, err := gateway.NewTable(Routes)
	if err != nil {
		return nil, err
	}
	versions := gateway.Negotiation{
		Name: "compute", Legacy: "X-OpenStack-Nova-API-Version",
		Min: microversion.MustParse("2.1"), Known: pod.Known[pod.Compute],
	}
	return &gateway.Service{
		Pod: pod.Compute, Style: fault.Nova, Prefix: "/v2.1", Legacy: "/v2", Versions: versions, Table: table,
		Roots:   &roots{public: public, advertised: func() microversion.Range { return versions.Advertised(ceiling()) }},
		Special: handlers(networks{nics}),
		Lists: map[string]*gateway.Collection{
			"/servers":                servers(summary),
			"/servers/detail":         servers(nil),
			"/os-volumes_boot":        servers(summary),
			"/os-volumes_boot/detail": servers(nil),
			"/os-volumes":             proxied("/os-volumes", "volumes", store.Volume),
			"/os-volumes/detail":      proxied("/os-volumes/detail", "volumes", store.Volume),
			"/os-snapshots":           proxied("/os-snapshots", "snapshots", store.Snapshot),
			"/os-snapshots/detail":    proxied("/os-snapshots/detail", "snapshots", store.Snapshot),
			"/os-hypervisors":         hypervisors("/os-hypervisors"),
			"/os-hypervisors/detail":  hypervisors("/os-hypervisors/detail"),
			"/os-migrations":          migrations(),
		},
		Gathers: map[string][]string{
			"/os-aggregates":               {"aggregates"},
			"/os-hosts":                    {"hosts"},
			"/os-hypervisors":              {"hypervisors"},
			"/os-hypervisors/detail":       {"hypervisors"},
			"/os-hypervisors/{id}/search":  {"hypervisors"},
			"/os-hypervisors/{id}/servers": {"hypervisors"},
			"/os-migrations":               {"migrations"},
			"/os-services":                 {"services"},
		},
		Sums:               sums,
		Missing:            missing,
		Removed:            removed,
		Changes:            changes(),
		ForeignProject:     foreignProject,
		UnknownHost:        unknownHost,
		ZoneMembers:        []string{"OS-EXT-AZ:availability_zone", "pinned_availability_zone", "availabilityZone", "zone"},
		DefinedZoneMembers: []string{"availability_zone"}, // of aggregates
		HostMembers: []string{"OS-EXT-SRV-ATTR:host", "OS-EXT-SRV-ATTR:hypervisor_hostname", "host", "hosts", "host_name",
			"hypervisor_hostname", "source_compute", "source_node", "dest_compute", "dest_node"},
		HostIDMembers: []string{"hostId"},
		IntegerIDs:    []string{"id"},
		Opaque:        map[string]bool{"metadata": true, "extra_specs": true, "scheduler_hints": true, "properties": true},
	}, nil
}

// handlers are what rows of the table name.
func handlers(n networks) map[string]func(*gateway.Call) error {
	return map[string]func(*gateway.Call) error{
		"anyPod":          (*gateway.Call).AnyPod,
		"zones":           (*gateway.Call).ListZones,
		"boot":            n.boot,
		"server":          n.server,
		"interfaces":      n.interfaces,
		"attachNIC":       n.attachInterface,
		"detachNIC":       n.detachInterface,
		"group":           n.group,
		"serverGroups":    n.serverGroups,
		"fixedIP":         n.fixedIP,
		"networks":        n.listNetworks(oldNetwork),
		"network":         n.showNetwork(oldNetwork),
		"projectNetworks": n.listNetworks(projectNetwork),
		"projectNetwork":  n.showNetwork(projectNetwork),
		"groups":          n.orPod(n.listGroups),
		"groupByID":       n.orPod(n.showGroup),
		"createGroup":     n.orPod(n.createGroup),
		"updateGroup":     n.orPod(n.updateGroup),
		"deleteGroup":     n.orPod(n.deleteGroup),
		"createRule":      n.orPod(n.createRule),
		"deleteRule":      n.orPod(n.deleteRule),
		"attach":          attach,
		"unshelve":        unshelve,
		"first":           (*gateway.Call).First,
		"assisted":        assisted,
		"externalEvents":  externalEvents,
		"createVolume":    createVolume,
		"usage":           usage,
	}
}

// missing is nova/exception.py InstanceNotFound and its like, and what the controllers of hypervisors and services say.
func missing(typ store.ResourceType, id string) *fault.Error {
	switch typ {
	case store.Server:
		return fault.NotFound("Instance %s could not be found.", id)
	case store.ServerGroup:
		return fault.NotFound("Instance group %s could not be found.", id)
	case store.Hypervisor:
		return fault.NotFound("Hypervisor with ID '%s' could not be found.", id)
	case store.Service:
		return fault.NotFound("Service %s not found.", id)
	}
	name := typ.String()
	return fault.NotFound("%s %s could not be found.", strings.ToUpper(name[:1])+name[1:], id)
}

// removed is webob's HTTPGone, which Nova raises for what it has dropped (nova/api/openstack/wsgi.py, Controller.removed).
func removed(r *gateway.Route) *fault.Error {
	if r.Action == "os-getRDPConsole" {
		return fault.BadRequest("Unavailable console type rdp.")
	}
	return fault.New(http.StatusGone, "This resource is no longer available. No forwarding address is given.")
}

// unknownHost is nova/exception.py HostNotFound, with what an administrator of several pods has to know.
func unknownHost(_ *gateway.Route, host string) *fault.Error {
	return fault.NotFound("Host %s could not be found. Hosts are named <host>.<pod>.", host)
}

func foreignProject(inURL, ofToken string) *fault.Error {
	return fault.BadRequest("Malformed request URL: URL's project_id '%s' doesn't match Context's project_id '%s'", inURL, ofToken)
}

// attach is POST and PUT of an attachment: server and volume must be in one pod, as Nova wants them in one zone. Of a volume that
// no pod has the server's pod says so best: Nova calls it 404 in a POST, and 400 in a PUT
// (nova/api/openstack/compute/volume_attachments.py, Zed).
func attach(c *gateway.Call) error {
	server, err := c.PodOf(store.Server, c.Params.Get("server_id"))
	if err != nil {
		return err
	}
	if id, ok := jsonx.String(c.Body, "volumeAttachment", "volumeId"); ok {
		volume, err := c.PodOf(store.Volume, id)
		if refusal, ok := errors.AsType[*fault.Error](err); ok && refusal.Status == http.StatusNotFound {
			return c.Forward(server, c.Body)
		}
		if err != nil {
			return err
		}
		if volume != server {
			return fault.BadRequest("Invalid volume: volume %s is in %s, server %s is in %s; a volume can only be attached in its own pod.",
				id, volume.ZoneNames(), c.Params.Get("server_id"), server.ZoneNames())
		}
	}
	return c.Forward(server, c.Body)
}

// unshelve is the action of that name, which may carry a zone from 2.77 on.
func unshelve(c *gateway.Call) error {
	p, err := c.PodOf(store.Server, c.Params.Get("id"))
	if err != nil {
		return err
	}
	body, err := unshelveBody(c.Body, p)
	if err != nil {
		return err
	}
	return c.Forward(p, body)
}

// unshelveBody is the body with the zone in the pod's words. Where the zone is the whole pod nothing is left to say, which is null:
// Nova refuses an empty object (nova/api/openstack/compute/schemas/shelve.py, 2.77 on).
func unshelveBody(body []byte, p *pod.Pod) ([]byte, error) {
	zone, ok := jsonx.String(body, "unshelve", "availability_zone")
	if !ok {
		return body, nil
	}
	podZone, ok := p.PodZone(zone)
	if !ok {
		return nil, fault.BadRequest(noZone)
	}
	body, err := gateway.WithZone(body, podZone, "unshelve", "availability_zone")
	if err != nil {
		return nil, err
	}
	rest, _, _ := jsonx.Get(body, "unshelve") // there, and well-formed, as it has just been edited
	if _, err := jsonx.FirstKey(rest); err != nil {
		return jsonx.Set(body, []byte("null"), "unshelve")
	}
	return body, nil
}
