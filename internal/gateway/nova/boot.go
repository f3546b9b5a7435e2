package nova

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/jsonx"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/routing"
	"github.com/tricircle/tricircle/internal/store"
)

// noZone is Nova's refusal of an availability zone that it does not have (nova/compute/api.py, _validate_and_build_base_options).
const noZone = "The requested availability zone is not available"

// boot is POST /servers. What the body refers to binds it to a pod: volumes, ports and networks, server group and hints,
// then the availability zone; without any the first pod that takes new work gets it. The body is forwarded whole, with only
// the zone translated, and checked by the pod: whatever is not of the expected type here is left for Nova to refuse. Networks of the
// top become ports in the pod before it hears of the server.
func (n networks) boot(c *gateway.Call) error {
	if !jsonx.Valid(c.Body) {
		return fault.BadRequest("Malformed request body")
	}
	b := readBoot(c.Body)
	pl := c.NewPlacement()
	plan, err := n.plan(c, b)
	if err != nil {
		return err
	}
	if err := b.bind(pl); err != nil {
		return err
	}
	if b.zone != "" && !pl.Zone(b.zone) {
		return fault.BadRequest(noZone)
	}
	if err := b.bindHosts(pl); err != nil {
		return err
	}
	if plan != nil {
		return n.bootOn(c, b, pl, plan)
	}
	p, a, err := b.create(c, pl, b.send(c), 0)
	if err != nil {
		return err
	}
	return c.Reply(p, a)
}

// sender creates a server in a pod.
type sender = func(ctx context.Context, p *pod.Pod) (*gateway.Answer, error)

// send forwards the boot as it is.
func (b *bootRequest) send(c *gateway.Call) sender {
	return func(ctx context.Context, p *pod.Pod) (*gateway.Answer, error) {
		body, err := b.bodyFor(p)
		if err != nil {
			return nil, err
		}
		return c.Do(ctx, p, gateway.Request{Method: http.MethodPost, Path: c.Path, Query: c.R.URL.RawQuery, Body: body})
	}
}

// create runs the boot in the first pod that takes it, within some time, or without a limit of its own if that is 0.
func (b *bootRequest) create(c *gateway.Call, pl *gateway.Placement, send sender, within time.Duration) (*pod.Pod, *gateway.Answer, error) {
	return pl.Create(gateway.Creation{
		Name:   b.name,
		Within: within,
		Send:   send,
		Born:   func(ctx context.Context, p *pod.Pod, a *gateway.Answer) { b.record(ctx, c, p, a) },
		LookUp: func(ctx context.Context, p *pod.Pod, since time.Duration) ([]gateway.Found, error) {
			return b.lookUp(ctx, c, p, since)
		},
	})
}

// bootRequest is what the top needs of a boot request.
type bootRequest struct {
	body  []byte
	name  string
	count int // servers asked for, at most
	least int // and at least; more than count for what Nova refuses
	zone  string
	hosts []string // behind the zone: "zone[:host[:node]]" is how administrators force a host

	volumes, snapshots, ports, networks, servers, groups []string
}

func readBoot(body []byte) *bootRequest {
	b := &bootRequest{body: body, count: 1, least: 1}
	b.name, _ = jsonx.String(body, "server", "name")
	zone, _ := jsonx.String(body, "server", "availability_zone")
	zone, hosts, forced := strings.Cut(zone, ":")
	if b.zone = zone; forced {
		b.hosts = strings.Split(hosts, ":")
	}
	for _, member := range []string{"min_count", "max_count"} { // the one is the default of the other
		raw, _, _ := jsonx.Get(body, "server", member)
		if n, err := strconv.Atoi(strings.Trim(string(raw), `"`)); err == nil && n > 0 {
			b.count = n
			if member == "min_count" {
				b.least = n
			}
		}
	}
	for _, d := range objects(body, "server", "block_device_mapping_v2") {
		switch d["source_type"] {
		case "volume":
			b.volumes = addID(b.volumes, d["uuid"])
		case "snapshot":
			b.snapshots = addID(b.snapshots, d["uuid"])
		}
	}
	for _, d := range objects(body, "server", "block_device_mapping") {
		b.volumes = addID(b.volumes, d["volume_id"])
		b.snapshots = addID(b.snapshots, d["snapshot_id"])
	}
	for _, n := range objects(body, "server", "networks") {
		b.ports = addID(b.ports, n["port"])
		b.networks = addID(b.networks, n["uuid"])
	}
	for _, hints := range []string{"os:scheduler_hints", "OS-SCH-HNT:scheduler_hints"} {
		// different_host binds nothing: a server in another pod is on another host.
		b.servers = append(b.servers, idList(body, hints, "same_host")...)
		b.groups = append(b.groups, idList(body, hints, "group")...)
	}
	return b
}

// objects reads an array of objects and keeps their string members; nil for anything else.
func objects(body []byte, path ...string) (out []map[string]string) {
	raw, _, _ := jsonx.Get(body, path...)
	var list []map[string]any
	if json.Unmarshal(raw, &list) != nil {
		return nil
	}
	for _, o := range list {
		m := map[string]string{}
		for k, v := range o {
			if s, ok := v.(string); ok {
				m[k] = s
			}
		}
		out = append(out, m)
	}
	return out
}

// idList reads an id, or a list of ids.
func idList(body []byte, path ...string) (ids []string) {
	raw, _, _ := jsonx.Get(body, path...)
	if id, ok := jsonx.Text(raw); ok {
		return addID(nil, id)
	}
	var list []string
	if json.Unmarshal(raw, &list) == nil {
		for _, id := range list {
			ids = addID(ids, id)
		}
	}
	return ids
}

// addID leaves out what is no id: Nova refuses it in its own words.
func addID(ids []string, id string) []string {
	if _, ok := routing.ParseID(id); !ok {
		return ids
	}
	return append(ids, id)
}

// bind applies what the request refers to, in the order of docs/api/nova.tsv.
func (b *bootRequest) bind(pl *gateway.Placement) error {
	for _, bound := range []struct {
		typ store.ResourceType
		ids []string
	}{
		{store.Volume, b.volumes}, {store.Snapshot, b.snapshots}, {store.Port, b.ports}, {store.Network, b.networks},
		{store.ServerGroup, b.groups}, {store.Server, b.servers},
	} {
		for _, id := range bound.ids {
			if err := pl.BindTo(bound.typ, id); err != nil {
				return badReference(bound.typ, id, err)
			}
		}
	}
	return nil
}

// badReference makes a 404 for something in the body what Nova makes of it, as the URL itself was right
// (nova/exception.py: InvalidBDMVolume, InvalidBDMSnapshot, PortNotFound).
func badReference(typ store.ResourceType, id string, err error) error {
	f := fault.From(err)
	if f.Status != http.StatusNotFound {
		return err
	}
	switch typ {
	case store.Volume, store.Snapshot:
		return fault.BadRequest("Block Device Mapping is Invalid: failed to get %s %s.", typ, id)
	case store.Port:
		return fault.BadRequest("Port id %s could not be found.", id)
	case store.Server:
		return nil // Nova's scheduler does not mind a hint at a server that is gone
	}
	return fault.BadRequest("%s", f.Message)
}

// bindHosts binds the boot to the pod of the hosts that an administrator forces, which the top shows as "<host>.<pod>", and puts
// them into the pod's words.
func (b *bootRequest) bindHosts(pl *gateway.Placement) (err error) {
	for i, name := range b.hosts {
		if b.hosts[i], err = pl.BindToHost(name); err != nil {
			return err
		}
	}
	for _, member := range []string{"host", "hypervisor_hostname"} {
		name, ok := jsonx.String(b.body, "server", member)
		if !ok {
			continue
		}
		bare, err := pl.BindToHost(name)
		if err != nil {
			return err
		}
		if b.body, err = jsonx.Set(b.body, jsonx.Quote(nil, bare), "server", member); err != nil {
			return fault.BadRequest("Malformed request body")
		}
	}
	return nil
}

// bodyFor is the body with the zone in the pod's words.
func (b *bootRequest) bodyFor(p *pod.Pod) ([]byte, error) {
	if b.zone == "" {
		return b.body, nil
	}
	podZone, _ := p.PodZone(b.zone)
	return gateway.WithZone(b.body, strings.Join(append([]string{podZone}, b.hosts...), ":"), "server", "availability_zone")
}

// record keeps the routings of all servers that a confirmed boot has made. The answer shows one at most: of several, or of
// a reservation, the others are read from the pod.
func (b *bootRequest) record(ctx context.Context, c *gateway.Call, p *pod.Pod, a *gateway.Answer) {
	if !a.OK() {
		return
	}
	var rows []store.Routing
	if r, ok := routing.Shown(a.Body, p.Num, c.Caller.ProjectID); ok {
		rows = append(rows, r)
	}
	query := url.Values{}
	if reservation, ok := jsonx.String(a.Body, "reservation_id"); ok {
		query.Set("reservation_id", reservation)
	} else if b.count > 1 {
		query.Set("name", "^"+regexp.QuoteMeta(b.name)+"-[0-9]+$")
	}
	if len(query) > 0 {
		servers, _, err := listServers(ctx, c, p, query)
		if err != nil {
			c.Log.WarnContext(ctx, "servers of a multiple create are not all recorded; they will be discovered", "error", err)
		}
		for _, s := range servers {
			rows = append(rows, s.routing(p))
		}
	}
	if err := c.Routing.Record(ctx, rows...); err != nil {
		c.Log.WarnContext(ctx, "routing not recorded; it will be discovered when it is asked for", "error", err)
	}
}

// lookUp finds servers of the request's name that the pod made within since. Both ends of the interval are on the pod's
// clock, which its answers tell.
func (b *bootRequest) lookUp(ctx context.Context, c *gateway.Call, p *pod.Pod, since time.Duration) ([]gateway.Found, error) {
	pattern := "^" + regexp.QuoteMeta(b.name) + "$"
	if b.count > 1 {
		pattern = "^" + regexp.QuoteMeta(b.name) + "-[0-9]+$"
	}
	servers, a, err := listServers(ctx, c, p, url.Values{"name": {pattern}})
	if err != nil {
		return nil, err
	}
	earliest := c.Earliest(a, since)
	var found []gateway.Found
	for _, s := range servers {
		if s.UserID == c.Caller.UserID && !routing.ParseTime(s.Created).Before(earliest) {
			found = append(found, gateway.Found{Routing: s.routing(p), Answer: s.created()})
		}
	}
	return found, nil
}

// listed is a row of a server list.
type listed struct {
	ID             string          `json:"id"`
	TenantID       string          `json:"tenant_id"`
	UserID         string          `json:"user_id"`
	Created        string          `json:"created"`
	Links          json.RawMessage `json:"links"`
	DiskConfig     json.RawMessage `json:"OS-DCF:diskConfig"`
	SecurityGroups json.RawMessage `json:"security_groups"`
}

func (s *listed) routing(p *pod.Pod) store.Routing {
	return store.Routing{Type: store.Server, TopID: s.ID, BottomID: s.ID, PodNum: p.Num, ProjectID: s.TenantID,
		CreatedAt: routing.ParseTime(s.Created)} // whole seconds, as Nova shows it
}

// created is Nova's answer to a create, without the password, which was lost with the reply.
func (s *listed) created() *gateway.Answer {
	groups := s.SecurityGroups
	if groups == nil {
		groups = json.RawMessage(`[{"name":"default"}]`)
	}
	body, err := json.Marshal(map[string]any{"server": map[string]any{
		"id": s.ID, "links": s.Links, "OS-DCF:diskConfig": s.DiskConfig, "security_groups": groups,
	}})
	if err != nil {
		body = nil
	}
	return &gateway.Answer{Status: http.StatusAccepted, Header: http.Header{"Content-Type": {"application/json"}}, Body: body}
}

// listServers asks a pod for the client's servers, at the lowest version, and returns them with the answer that they were in.
func listServers(ctx context.Context, c *gateway.Call, p *pod.Pod, query url.Values) ([]listed, *gateway.Answer, error) {
	a, err := c.Do(ctx, p, gateway.Request{Method: http.MethodGet, Path: "/servers/detail", Query: query.Encode(),
		Version: c.Service.Versions.Min})
	if err != nil {
		return nil, nil, err
	}
	var doc struct {
		Servers []listed `json:"servers"`
	}
	if err := json.Unmarshal(a.Body, &doc); err != nil || !a.OK() {
		return nil, nil, &pod.UnavailableError{Pod: p.Name(), Service: pod.Compute, Sent: true, Err: err,
			Reason: "does not list servers: answered " + strconv.Itoa(a.Status)}
	}
	return doc.Servers, a, nil
}
