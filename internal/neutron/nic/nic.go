// Package nic is the networking side of servers: what a boot says of networks becomes ports of the top, which are realized in
// the server's pod before its Nova hears of them, and are freed when the server is gone.
//
// To the networking API it is a client, as Nova is to Neutron: quotas, policy and errors are the API's. It must not depend on
// the gateways, and speaks no compute API.
package nic

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/identity"
	"github.com/tricircle/tricircle/internal/neutron/realize"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/store"
)

// Options is what a Service works with. All are required.
type Options struct {
	Store    store.Objects
	API      http.Handler // the networking API, which authenticates by the header X-Auth-Token
	Realizer *realize.Realizer
	RunNow   func(context.Context, store.NewJob) error // runs a job, or waits for who runs it
	Token    func(context.Context) (string, error)     // of the service user
	NewID    func() string                             // UUIDs
	Now      func() time.Time
	Doubt    time.Duration // how long a boot whose reply was lost may still be carried out
	Log      *slog.Logger
}

// Service plugs servers into networks. Safe for concurrent use.
type Service struct{ Options }

// New returns a Service.
func New(o Options) *Service { return &Service{o} }

// Mode is how a boot says which networks it wants.
type Mode int

// The modes. With Absent and Auto it is the one network that the project can use.
const (
	Absent Mode = iota
	Auto
	Given
)

// NIC is one entry of a boot's networks: a port, or a network in which one is made.
type NIC struct {
	NetworkID, PortID string // ids at the top; one of them
	FixedIP           string // of the port that is made; "" for any
	Tag               string // as the pod's Nova is told it
}

// Request is what a boot says of networks.
type Request struct {
	Mode   Mode
	NICs   []NIC
	Groups []string // security groups of the ports that are made, by name or id; none stands for the project's default group
}

// Plan is what a boot needs of the networking service, before it is known in which pod it will be.
type Plan struct {
	service *Service
	caller  *identity.Caller
	nics    []NIC
	groups  []string // ids; nil for the default
	// Local is the number of the one pod that a network of the plan can be in, 0 if there is none; LocalTo is the network's id.
	Local   int32
	LocalTo string
	// Hints are, for each network that has some, the availability zones that it may be in.
	Hints [][]string
}

// Plan reads what a boot says of networks. It is nil when nothing of that is the top's: then the pods know. Errors are *fault.Error as
// Nova has them.
func (s *Service) Plan(ctx context.Context, caller *identity.Caller, r Request) (*Plan, error) {
	p := &Plan{service: s, caller: caller, nics: r.NICs}
	var err error
	if r.Mode != Given {
		if p.nics, err = s.only(ctx, caller, r.Mode); err != nil || p.nics == nil {
			return nil, err
		}
	}
	networks, ours, err := p.find(ctx)
	if err != nil || !ours {
		return nil, err
	}
	if err := p.locate(ctx, networks); err != nil {
		return nil, err
	}
	p.groups, err = s.groups(ctx, caller, r.Groups)
	return p, err
}

// only returns a NIC in the one network that the project can use: its own and those shared with everybody
// (nova/network/neutron.py, _get_available_networks, Zed). It is nil if the top has none.
func (s *Service) only(ctx context.Context, caller *identity.Caller, mode Mode) ([]NIC, error) {
	filters := []store.Filter{{Attr: "router:external", Values: []any{false}}}
	if mode == Auto {
		filters = append(filters, store.Filter{Attr: "admin_state_up", Values: []any{true}})
	}
	networks, err := s.Store.Reader().List(ctx, store.ObjectQuery{Kind: store.KindNetwork, VisibleTo: caller.ProjectID, Filters: filters, Limit: 2})
	switch {
	case err != nil || len(networks) == 0:
		return nil, err
	case len(networks) > 1:
		return nil, fault.Conflict("Multiple possible networks found, use a Network ID to be more specific.")
	}
	return []NIC{{NetworkID: networks[0].ID}}, nil
}

// find returns the networks of the plan, and whether they are the top's business: at least one network or port of the request is its.
// Then all must be, and the caller must be allowed to see them.
func (p *Plan) find(ctx context.Context) (networks []*store.Object, ours bool, err error) {
	var networkIDs, portIDs []any
	for _, n := range p.nics {
		if n.PortID != "" {
			portIDs = append(portIDs, n.PortID)
		} else {
			networkIDs = append(networkIDs, n.NetworkID)
		}
	}
	ports, err := p.visible(ctx, store.KindPort, portIDs)
	if err == nil && len(ports) == 0 && len(networkIDs) == 0 {
		return nil, false, nil
	}
	for _, o := range ports {
		networkIDs = append(networkIDs, text(o, "network_id"))
	}
	if err == nil {
		networks, err = p.visible(ctx, store.KindNetwork, networkIDs)
	}
	if err != nil || len(networks)+len(ports) == 0 {
		return nil, false, err
	}
	return networks, true, p.check(ctx, networks, ports)
}

// visible returns those of the objects that are there and that the caller may see.
func (p *Plan) visible(ctx context.Context, kind store.ObjectKind, ids []any) ([]*store.Object, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	q := store.ObjectQuery{Kind: kind, Filters: []store.Filter{{Attr: "id", Values: ids}}}
	if !p.caller.IsAdmin() {
		q.VisibleTo = p.caller.ProjectID
	}
	return p.service.Store.Reader().List(ctx, q)
}

// check refuses what Nova refuses before it makes anything (nova/network/neutron.py, validate_networks, Zed).
func (p *Plan) check(ctx context.Context, networks, ports []*store.Object) error {
	var ids []any
	for _, n := range networks {
		ids = append(ids, n.ID)
	}
	subnets, err := p.service.Store.Reader().List(ctx, store.ObjectQuery{Kind: store.KindSubnet, Filters: []store.Filter{{Attr: "network_id", Values: ids}}})
	if err != nil {
		return err
	}
	for _, n := range p.nics {
		if n.PortID != "" {
			if err := usable(find(ports, n.PortID), n.PortID); err != nil {
				return err
			}
			continue
		}
		if find(networks, n.NetworkID) == nil {
			return fault.BadRequest("Network %s could not be found.", n.NetworkID)
		}
		if !slices.ContainsFunc(subnets, func(s *store.Object) bool { return text(s, "network_id") == n.NetworkID }) {
			return fault.BadRequest("Network %s requires a subnet in order to boot instances on.", n.NetworkID)
		}
	}
	return nil
}

// usable refuses a port that a server cannot have.
func usable(port *store.Object, id string) error {
	switch {
	case port == nil:
		return fault.BadRequest("Port id %s could not be found.", id)
	case text(port, "device_id") != "":
		return fault.Conflict("Port %s is still in use.", id)
	case len(list(port, "fixed_ips")) == 0 && text(port, "ip_allocation") != "none":
		return fault.BadRequest("Port %s requires a FixedIP in order to be used.", id)
	}
	return nil
}

// locate finds out where the networks of the plan can be.
func (p *Plan) locate(ctx context.Context, networks []*store.Object) error {
	for _, n := range networks {
		var hints []string
		for _, h := range list(n, "availability_zone_hints") {
			if zone, ok := h.(string); ok {
				hints = append(hints, zone)
			}
		}
		if len(hints) > 0 {
			p.Hints = append(p.Hints, hints)
		}
		if text(n, "provider:network_type") != "local" {
			continue
		}
		rows, err := p.service.Store.Reader().Realizations(ctx, store.RealizationQuery{Kind: store.KindNetwork, TopIDs: []string{n.ID}})
		if err != nil {
			return err
		}
		for _, row := range rows {
			if p.Local != 0 && p.Local != row.PodNum {
				return fault.BadRequest("Network %s is in another pod than network %s; one server cannot use both.", n.ID, p.LocalTo)
			}
			p.Local, p.LocalTo = row.PodNum, n.ID
		}
	}
	return nil
}

// groups returns the ids of security groups that a boot names, or nil for the default group.
func (s *Service) groups(ctx context.Context, caller *identity.Caller, names []string) (ids []string, err error) {
	if len(names) == 0 || len(names) == 1 && names[0] == "default" {
		return nil, nil
	}
	for _, name := range names {
		id, err := s.Group(ctx, caller, name)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// Group returns the id of a security group of the caller's by its name or id. Errors are Nova's: 400 if there is none, 409 if there are
// several.
func (s *Service) Group(ctx context.Context, caller *identity.Caller, name string) (string, error) {
	if name == "default" {
		id, err := s.Store.Reader().DefaultGroup(ctx, caller.ProjectID)
		if !errors.Is(err, store.ErrNotFound) {
			return id, err
		}
		// Neutron makes it when it is asked for groups.
		if err := s.call(ctx, string(caller.Token), http.MethodGet, "/v2.0/security-groups?limit=1", nil, nil); err != nil {
			return "", err
		}
		return s.Store.Reader().DefaultGroup(ctx, caller.ProjectID)
	}
	for _, attr := range []string{"id", "name"} {
		found, err := s.Store.Reader().List(ctx, store.ObjectQuery{Kind: store.KindSecurityGroup, VisibleTo: caller.ProjectID,
			Filters: []store.Filter{{Attr: attr, Values: []any{name}}}})
		switch {
		case err != nil:
			return "", err
		case len(found) > 1:
			return "", fault.Conflict("Multiple security groups found matching '%s'. Use an ID to be more specific.", name)
		case len(found) == 1:
			return found[0].ID, nil
		}
	}
	return "", fault.BadRequest("Security group %s not found for project %s.", name, caller.ProjectID)
}

// fitsPod tells whether a pod serves one of the zones that each network may be in.
func (p *Plan) fitsPod(in *pod.Pod) bool {
	for _, zones := range p.Hints {
		if !slices.ContainsFunc(in.Zones, func(z store.Zone) bool { return slices.Contains(zones, z.Name) }) {
			return false
		}
	}
	return p.Local == 0 || p.Local == in.Num
}

// Fits returns those of pods that all networks of the plan may be in.
func (p *Plan) Fits(pods []*pod.Pod) []*pod.Pod {
	return slices.DeleteFunc(slices.Clone(pods), func(in *pod.Pod) bool { return !p.fitsPod(in) })
}

func find(objects []*store.Object, id string) *store.Object {
	for _, o := range objects {
		if o.ID == id {
			return o
		}
	}
	return nil
}

func text(o *store.Object, name string) string {
	s, _ := o.Attrs[name].(string)
	return s
}

func list(o *store.Object, name string) []any {
	l, _ := o.Attrs[name].([]any)
	return l
}
