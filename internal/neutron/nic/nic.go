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
	"net/url"
	"slices"
	"strings"
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
	Within   time.Duration // how long a boot of one server may take, in whatever pods it is tried; well below BootTimeout
	// BootTimeout is how old a boot is that nobody takes care of any more: every call in it has ended before.
	BootTimeout time.Duration
	Log         *slog.Logger
}

// Service plugs servers into networks. Safe for concurrent use.
type Service struct{ Options }

// New returns a Service.
func New(o Options) *Service { return &Service{o} }

// Mode is how a boot says which networks it wants.
type Mode int

// The modes. With Absent and Auto it is the one network that the project can use; Auto makes one if there is none.
const (
	Absent Mode = iota
	Auto
	None
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
	Attach bool     // the server is there already: Nova's refusals have other statuses
}

// statuses are those of refusals that a boot and an attachment have in common.
type statuses struct{ missing, ambiguous, taken int }

// A boot knows one thing that can be missing, the flavor; to POST os-interface the port or network is what it is about
// (nova/api/openstack/compute/servers.py and attach_interfaces.py, Zed).
var (
	ofBoot   = statuses{missing: http.StatusBadRequest, ambiguous: http.StatusConflict, taken: http.StatusBadRequest}
	ofAttach = statuses{missing: http.StatusNotFound, ambiguous: http.StatusBadRequest, taken: http.StatusConflict}
)

// Plan is what a boot needs of the networking service, before it is known in which pod it will be.
type Plan struct {
	service *Service
	caller  *identity.Caller
	nics    []NIC
	groups  []string // ids; nil for the default
	status  statuses
	// Local is the number of the one pod that a network of the plan can be in, 0 if there is none; LocalTo is the network's id.
	Local   int32
	LocalTo string
	// Hints are, for each network that has some, the availability zones that it may be in.
	Hints [][]string
}

// Plan reads what a boot says of networks. It is nil when the request names only what the top does not know: then the pods know. Errors
// are *fault.Error as Nova has them, and in its order: groups come before networks (nova/compute/api.py, _validate_and_build_base_options).
func (s *Service) Plan(ctx context.Context, caller *identity.Caller, r Request) (*Plan, error) {
	p := &Plan{service: s, caller: caller, nics: r.NICs, status: ofBoot}
	if r.Attach {
		p.status = ofAttach
	}
	networks, ports, err := p.find(ctx)
	if err != nil || r.Mode == Given && len(networks)+len(ports) == 0 {
		return nil, err
	}
	if p.groups, err = s.groups(ctx, caller, r.Groups); err != nil {
		return nil, err
	}
	if r.Mode != Given {
		if p.nics, err = p.only(ctx, r.Mode); err == nil {
			networks, ports, err = p.find(ctx)
		}
	}
	if err == nil {
		err = p.check(ctx, networks, ports)
	}
	var carried []*store.Object
	if err == nil {
		carried, err = p.carried(ctx, ports)
	}
	if err == nil {
		err = p.locate(ctx, append(networks, carried...))
	}
	return p, err
}

// Plugs tells whether the plan has any NIC.
func (p *Plan) Plugs() bool { return len(p.nics) > 0 }

// only returns a NIC in the one network that the project can use, its own or one that is shared with it; none if there is none
// (nova/network/neutron.py, _ports_needed_per_instance and _validate_requested_network_ids, Zed). With Auto a network is made where
// there is none that is up.
func (p *Plan) only(ctx context.Context, mode Mode) ([]NIC, error) {
	if mode == None {
		return nil, nil
	}
	s, caller := p.service, p.caller
	own, err := s.available(ctx, caller, url.Values{"shared": {"false"}, "project_id": {caller.ProjectID}})
	if err != nil {
		return nil, err
	}
	shared, err := s.available(ctx, caller, url.Values{"shared": {"true"}})
	if err != nil {
		return nil, err
	}
	all := append(own, shared...)
	switch {
	case len(all) > 1:
		return nil, fault.New(p.status.ambiguous, "Multiple possible networks found, use a Network ID to be more specific.")
	case mode == Auto && (len(all) == 0 || len(own) == 1 && !own[0].Up):
		return s.allocated(ctx, caller)
	case len(all) == 0:
		return nil, nil
	}
	return []NIC{{NetworkID: all[0].ID}}, nil
}

// network is what is asked of a network that a project can use.
type network struct {
	ID string `json:"id"`
	Up bool   `json:"admin_state_up"`
}

// available lists networks that the caller sees, at most two.
func (s *Service) available(ctx context.Context, caller *identity.Caller, query url.Values) ([]network, error) {
	query["fields"], query["limit"] = []string{"id", "admin_state_up"}, []string{"2"}
	var doc struct {
		Networks []network `json:"networks"`
	}
	err := s.call(ctx, string(caller.Token), http.MethodGet, "/v2.0/networks?"+query.Encode(), nil, &doc)
	return doc.Networks, err
}

// allocated returns a NIC in the network that a project gets without asking.
func (s *Service) allocated(ctx context.Context, caller *identity.Caller) ([]NIC, error) {
	var doc struct {
		Topology struct {
			ID string `json:"id"`
		} `json:"auto_allocated_topology"`
	}
	err := s.call(ctx, string(caller.Token), http.MethodGet, "/v2.0/auto-allocated-topology/"+caller.ProjectID, nil, &doc)
	if refused, ok := errors.AsType[*fault.Error](err); ok && refused.Status == http.StatusConflict {
		return nil, fault.BadRequest("Unable to automatically allocate a network for project %s", caller.ProjectID)
	}
	if err != nil {
		return nil, err
	}
	return []NIC{{NetworkID: doc.Topology.ID}}, nil
}

// find returns the networks and ports of the plan that are the top's and that the caller may see.
func (p *Plan) find(ctx context.Context) (networks, ports []*store.Object, err error) {
	var networkIDs, portIDs []any
	for _, n := range p.nics {
		if n.PortID != "" {
			portIDs = append(portIDs, n.PortID)
		} else {
			networkIDs = append(networkIDs, n.NetworkID)
		}
	}
	if ports, err = p.visible(ctx, store.KindPort, portIDs); err != nil {
		return nil, nil, err
	}
	for _, o := range ports {
		networkIDs = append(networkIDs, text(o, "network_id"))
	}
	networks, err = p.visible(ctx, store.KindNetwork, networkIDs)
	return networks, ports, err
}

// carried returns the networks of the subports that come with ports. Whether the caller may see them is of no concern: nothing is told of them.
func (p *Plan) carried(ctx context.Context, ports []*store.Object) ([]*store.Object, error) {
	_, all, err := realize.WithSubports(ctx, p.service.Store.Reader(), ports)
	if err != nil || len(all) == len(ports) {
		return nil, err
	}
	var ids []any
	for _, subport := range all[len(ports):] {
		ids = append(ids, text(subport, "network_id"))
	}
	return p.service.Store.Reader().List(ctx, store.ObjectQuery{Kind: store.KindNetwork, Filters: []store.Filter{{Attr: "id", Values: ids}}})
}

// visible returns those of the objects that are there and that the caller may see.
func (p *Plan) visible(ctx context.Context, kind store.ObjectKind, ids []any) ([]*store.Object, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	return p.service.visible(ctx, p.caller, kind, store.Filter{Attr: "id", Values: ids})
}

// visible returns the objects that a caller may see, of those that filters leave.
func (s *Service) visible(ctx context.Context, caller *identity.Caller, kind store.ObjectKind, filters ...store.Filter) ([]*store.Object, error) {
	q := store.ObjectQuery{Kind: kind, Filters: filters}
	if !caller.IsAdmin() {
		q.VisibleTo = caller.ProjectID
	}
	return s.Store.Reader().List(ctx, q)
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
	var missing []string
	for _, n := range p.nics {
		if n.PortID != "" {
			if err := p.usable(find(ports, n.PortID), n.PortID); err != nil {
				return err
			}
		}
	}
	for _, n := range p.nics {
		switch {
		case n.PortID != "":
		case find(networks, n.NetworkID) == nil:
			missing = append(missing, n.NetworkID)
		case !slices.ContainsFunc(subnets, func(s *store.Object) bool { return text(s, "network_id") == n.NetworkID }):
			return fault.BadRequest("Network %s requires a subnet in order to boot instances on.", n.NetworkID)
		}
	}
	if missing != nil {
		return fault.New(p.status.missing, "Network %s could not be found.", strings.Join(missing, ", "))
	}
	return nil
}

// usable refuses a port that a server cannot have.
func (p *Plan) usable(port *store.Object, id string) error {
	switch {
	case port == nil:
		return fault.New(p.status.missing, "Port id %s could not be found.", id)
	case text(port, "device_id") != "", text(port, store.AttrSubportOf) != "": // a subport is where its parent is
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
		if !n.InOnePod() {
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

// Group returns the id of a security group of the caller's project by its name, or of any that it sees by its id. Errors are Nova's
// (neutronclient/neutron/v2_0/__init__.py, find_resourceid_by_name_or_id): 400 if there is none, 409 if there are several.
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
	for _, filters := range [][]store.Filter{
		{{Attr: "id", Values: []any{name}}},
		{{Attr: "name", Values: []any{name}}, {Attr: "project_id", Values: []any{caller.ProjectID}}},
	} {
		found, err := s.Store.Reader().List(ctx, store.ObjectQuery{Kind: store.KindSecurityGroup, VisibleTo: caller.ProjectID, Filters: filters})
		switch {
		case err != nil:
			return "", err
		case len(found) > 1:
			return "", fault.Conflict("Multiple security_group matches found for name '%s', use an ID to be more specific.", name)
		case len(found) == 1:
			return found[0].ID, nil
		}
	}
	return "", fault.BadRequest("Unable to find security_group with name or id '%s'", name)
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
