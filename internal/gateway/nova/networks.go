package nova

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"slices"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/jsonx"
	"github.com/tricircle/tricircle/internal/microversion"
	"github.com/tricircle/tricircle/internal/neutron/nic"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/routing"
	"github.com/tricircle/tricircle/internal/store"
)

// networks are the handlers of calls about servers in which the networking service of the top has a part. Without one, *nic.Service nil,
// networks and ports are the pods' own.
type networks struct{ *nic.Service }

// entry is one of a boot's networks (nova/api/openstack/compute/schemas/servers.py).
type entry struct {
	UUID    *string `json:"uuid"`
	Port    *string `json:"port"`
	FixedIP *string `json:"fixed_ip"`
	Tag     *string `json:"tag"`
}

// readNetworks reads what a boot says of networks; false for what Nova refuses: then the pod does.
func readNetworks(c *gateway.Call, b *bootRequest) (r nic.Request, ok bool, err error) {
	raw, there, _ := jsonx.Get(c.Body, "server", "networks")
	withModes := !c.Version.Less(v(37))
	word, isWord := jsonx.Text(raw)
	switch {
	case !there:
		r.Mode, ok = nic.Absent, !withModes
	case bytes.Equal(bytes.TrimSpace(raw), []byte("[]")):
		r.Mode, ok = nic.Absent, true
	case isWord:
		r.Mode, ok = nic.Auto, withModes && (word == "auto" || word == "none")
		if word == "none" {
			r.Mode = nic.None
		}
	default:
		r.Mode = nic.Given
		r.NICs, ok, err = readNICs(raw, b.count)
	}
	for _, g := range objects(c.Body, "server", "security_groups") {
		r.Groups = append(r.Groups, g["name"])
	}
	return r, ok, err
}

// readNICs reads a list of networks and ports. What Nova refuses of it once its schema is satisfied must be refused here, for where
// ports are made first it would not see it (nova/api/openstack/compute/servers.py, _get_requested_networks; nova/compute/api.py, create).
func readNICs(raw []byte, count int) (nics []nic.NIC, ok bool, err error) {
	var entries []entry
	if !strict(raw, &entries) || len(entries) == 0 {
		return nil, false, nil
	}
	var ports, addresses int
	for _, e := range entries {
		n := nic.NIC{NetworkID: idOf(e.UUID), PortID: idOf(e.Port)}
		if e.Tag != nil {
			n.Tag = *e.Tag
		}
		if e.FixedIP != nil {
			ip, err := netip.ParseAddr(*e.FixedIP)
			if err != nil {
				return nil, false, nil
			}
			n.FixedIP = ip.String()
		}
		switch {
		case n.PortID == "" && n.NetworkID == "":
			return nil, false, nil
		case n.PortID == "" && n.FixedIP != "":
			addresses++
		case n.PortID == "":
		case slices.ContainsFunc(nics, func(other nic.NIC) bool { return other.PortID == n.PortID }):
			return nil, false, fault.BadRequest("Port ID '%s' was specified twice: you cannot attach a port multiple times.", n.PortID)
		case n.FixedIP != "":
			return nil, false, fault.BadRequest("Specified Fixed IP '%s' cannot be used with port '%s': the two cannot be specified together.",
				n.FixedIP, n.PortID)
		default:
			n.NetworkID = "" // Nova takes it from the port
			ports++
		}
		nics = append(nics, n)
	}
	switch {
	case count > 1 && addresses > 0:
		return nil, false, fault.BadRequest("Failed to launch instances: max_count cannot be greater than 1 if an fixed_ip is specified.")
	case count > 1 && ports > 0:
		return nil, false, fault.BadRequest("Failed to launch instances: Unable to launch multiple instances with a single configured port ID. " +
			"Please launch your instance one by one with different ports.")
	}
	return nics, true, nil
}

// idOf is an id in canonical form; "" for anything else.
func idOf(s *string) string {
	if s == nil {
		return ""
	}
	id, ok := routing.ParseID(*s)
	if !ok {
		return ""
	}
	return id
}

// plan reads what a boot needs of the networking service of the top; nil if nothing. With a plan the boot is bound to no pod by networks.
func (n networks) plan(c *gateway.Call, b *bootRequest) (*nic.Plan, error) {
	if n.Service == nil {
		return nil, nil
	}
	if b.least > b.count {
		return nil, fault.BadRequest("min_count must be <= max_count")
	}
	r, ok, err := readNetworks(c, b)
	if err != nil {
		return nil, err
	}
	if !ok || lacks(c.Body, "name") || lacks(c.Body, "flavorRef") { // required in every version of servers.py of the schemas
		b.ports, b.networks = nil, nil // whatever they are, the first pod that is asked refuses the body, and shows it as it came
		return nil, nil
	}
	_, named := jsonx.String(c.Body, "server", "hostname")
	if named && b.count > 1 && !c.Version.Less(v(90)) {
		return nil, fault.BadRequest("Unable to allocate a single hostname to multiple instances")
	}
	plan, err := n.Plan(c.Context(), c.Caller, r)
	if plan != nil {
		b.ports, b.networks = nil, nil
	}
	return plan, err
}

// lacks tells whether the server of a boot has no such member.
func lacks(body []byte, member string) bool {
	_, there, _ := jsonx.Get(body, "server", member)
	return !there
}

// withPorts is the body of a boot with the ports in place of networks and security groups, and the version to send it with, zero for the
// client's: that a server wants no network at all can be said from 2.37 on.
func withPorts(c *gateway.Call, body []byte, ports []nic.Plugged) (_ []byte, version microversion.Version, err error) {
	list := make([]map[string]string, len(ports))
	for i, p := range ports {
		list[i] = map[string]string{"port": p.Port}
		if p.Tag != "" {
			list[i]["tag"] = p.Tag
		}
	}
	raw, err := json.Marshal(list)
	if len(ports) == 0 {
		raw = []byte(`"none"`)
		if c.Version.Less(v(37)) {
			version = v(37)
			body, err = described(c, body)
		}
	}
	if err == nil {
		body, err = jsonx.Set(body, raw, "server", "networks")
	}
	if err == nil {
		body, err = jsonx.Delete(body, "server", "security_groups")
	}
	if err != nil {
		return nil, version, fault.BadRequest("Malformed request body")
	}
	return body, version, nil
}

// described is a body that says what Nova assumes below 2.19: the description is the name.
func described(c *gateway.Call, body []byte) ([]byte, error) {
	name, there, _ := jsonx.Get(body, "server", "name")
	if !there || !c.Version.Less(v(19)) {
		return body, nil
	}
	return jsonx.Set(body, name, "server", "description")
}

// server is a call about a whole server: when it is gone, so are the ports that were made for it. A client that is told that it is gone
// finds them gone.
func (n networks) server(c *gateway.Call) error {
	p, a, err := c.AskByID()
	if err != nil {
		return err
	}
	if n.Service != nil && (a.OK() && c.R.Method != http.MethodGet || a.Status == http.StatusNotFound) {
		ctx := context.WithoutCancel(c.Context())
		if err := n.Gone(ctx, c.Params.Get("id"), p.Num, a.Status == http.StatusNotFound); err != nil {
			c.Log.InfoContext(ctx, "the ports of a server are not free yet", "server", c.Params.Get("id"), "pod", p.Name(), "error", err)
		}
	}
	return c.Reply(p, a)
}

// interfaces is GET of a server's interfaces, or of one: ids are the top's.
func (n networks) interfaces(c *gateway.Call) error {
	p, err := c.PodOf(store.Server, c.Params.Get("server_id"))
	if err != nil {
		return err
	}
	a, _, err := n.aboutPort(c, p)
	if err != nil {
		return err
	}
	return n.reply(c, p, a)
}

// aboutPort sends a call to a pod with the id of the port in its path, if there is one, as the pod has it.
func (n networks) aboutPort(c *gateway.Call, p *pod.Pod) (a *gateway.Answer, ours bool, err error) {
	path := "/servers/" + c.Params.Get("server_id") + "/os-interface"
	if id := c.Params.Get("id"); id != "" {
		bottom := ""
		if n.Service != nil {
			if bottom, err = n.BottomPort(c.Context(), p.Num, id); err != nil {
				return nil, false, err
			}
		}
		if ours = bottom != ""; ours {
			id = bottom
		}
		path += "/" + id
	}
	a, err = c.Do(c.Context(), p, gateway.Request{Method: c.R.Method, Path: path, Query: c.R.URL.RawQuery, Body: c.Body})
	return a, ours, err
}

// idMembers hold ids of what the top has ids of its own for.
var idMembers = []string{"net_id", "port_id", "subnet_id", "id", "parent_group_id"}

// reply is Reply with ids of networks, subnets, ports and security groups made the top's.
func (n networks) reply(c *gateway.Call, p *pod.Pod, a *gateway.Answer) error {
	if n.Service == nil || !a.OK() {
		return c.Reply(p, a)
	}
	var doc any
	if json.Unmarshal(a.Body, &doc) != nil {
		return c.Reply(p, a)
	}
	top, err := n.TopIDs(c.Context(), p.Num, idsIn(doc, nil))
	if err != nil {
		return err
	}
	for bottom, id := range top {
		a.Body = bytes.ReplaceAll(a.Body, []byte(`"`+bottom+`"`), []byte(`"`+id+`"`))
	}
	return c.Reply(p, a)
}

// idsIn appends the UUIDs in a document that stand where ids do.
func idsIn(v any, ids []string) []string {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			ids = idsIn(x, ids)
		}
	case map[string]any:
		for name, x := range v {
			s, _ := x.(string)
			if _, ok := routing.ParseID(s); ok && slices.Contains(idMembers, name) && !slices.Contains(ids, s) {
				ids = append(ids, s)
			}
			ids = idsIn(x, ids)
		}
	}
	return ids
}

// attachInterface is POST os-interface: a port of the top is made, or claimed, and realized in the server's pod, which is told of it.
func (n networks) attachInterface(c *gateway.Call) error {
	p, err := c.PodOf(store.Server, c.Params.Get("server_id"))
	if err != nil {
		return err
	}
	plan, err := n.planInterface(c)
	if err != nil {
		return err
	}
	if plan == nil {
		a, _, err := n.aboutPort(c, p)
		if err != nil {
			return err
		}
		return n.reply(c, p, a)
	}
	if !plan.Plugs() {
		return fault.BadRequest("No specific network was requested and none are available for project '%s'.", c.Caller.ProjectID)
	}
	if len(plan.Fits([]*pod.Pod{p})) == 0 {
		return fault.BadRequest("The network cannot be in the pod of the server, %s.", p.ZoneNames())
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Context()), n.Within)
	defer cancel()
	attempt, err := plan.In(ctx, p, firstZone(p))
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{"interfaceAttachment": attachment(attempt.Ports[0])})
	if err != nil {
		return err
	}
	a, err := c.Do(ctx, p, gateway.Request{Method: http.MethodPost, Path: c.Path, Body: body})
	settle(ctx, attempt, a, err, c.Params.Get("server_id"))
	if err != nil {
		return err
	}
	return n.reply(c, p, a)
}

func attachment(port nic.Plugged) map[string]string {
	m := map[string]string{"port_id": port.Port}
	if port.Tag != "" {
		m["tag"] = port.Tag
	}
	return m
}

// settle ends an attempt by what came of the call that used it. After a lost reply the pod knows, and will be asked.
func settle(ctx context.Context, attempt *nic.Attempt, a *gateway.Answer, err error, serverID string) {
	unavailable, _ := errors.AsType[*pod.UnavailableError](err)
	switch {
	case err == nil && a.OK():
		attempt.Done(ctx, serverID)
	case err == nil, unavailable != nil && !unavailable.Sent:
		attempt.Undo(ctx)
	default:
		attempt.Unknown(ctx)
	}
}

// planInterface reads the body of POST os-interface (nova/api/openstack/compute/schemas/attach_interfaces.py); nil leaves it to the pod.
func (n networks) planInterface(c *gateway.Call) (*nic.Plan, error) {
	var body struct {
		Attachment *struct {
			Network  *string `json:"net_id"`
			Port     *string `json:"port_id"`
			FixedIPs []struct {
				IP string `json:"ip_address"`
			} `json:"fixed_ips"`
			Tag *string `json:"tag"`
		} `json:"interfaceAttachment"`
	}
	if n.Service == nil || !strict(c.Body, &body) || body.Attachment == nil {
		return nil, nil
	}
	at := body.Attachment
	one := nic.NIC{NetworkID: idOf(at.Network), PortID: idOf(at.Port)}
	if at.Tag != nil {
		one.Tag = *at.Tag
	}
	if len(at.FixedIPs) > 0 {
		ip, err := netip.ParseAddr(at.FixedIPs[0].IP)
		if err != nil || one.NetworkID == "" || len(at.FixedIPs) > 1 {
			return nil, nil
		}
		one.FixedIP = ip.String()
	}
	r := nic.Request{Mode: nic.Given, NICs: []nic.NIC{one}, Attach: true}
	switch {
	case at.Network == nil && at.Port == nil:
		r.Mode, r.NICs = nic.Absent, nil
	case at.Network != nil && at.Port != nil, one.NetworkID == "" && one.PortID == "":
		return nil, nil
	}
	return n.Plan(c.Context(), c.Caller, r)
}

// detachInterface is DELETE os-interface. A port that was made for the server goes when the pod lets go of it.
func (n networks) detachInterface(c *gateway.Call) error {
	p, err := c.PodOf(store.Server, c.Params.Get("server_id"))
	if err != nil {
		return err
	}
	a, ours, err := n.aboutPort(c, p)
	if err != nil {
		return err
	}
	if ours && (a.OK() || a.Status == http.StatusNotFound) { // who repeats it may be the first to be answered
		ctx := context.WithoutCancel(c.Context())
		if err := n.Detached(ctx, c.Params.Get("id"), p.Num); err != nil {
			c.Log.WarnContext(ctx, "a detached port is freed later", "server", c.Params.Get("server_id"), "pod", p.Name(), "error", err)
		}
	}
	return c.Reply(p, a)
}

// fixedIP is addFixedIp and removeFixedIp: addresses are the top's. Nova has answered before the server's host finds out that there is
// no such network or address (nova/compute/rpcapi.py, Zed).
func (n networks) fixedIP(c *gateway.Call) error {
	member, change := "networkId", func(ctx context.Context, id, network string) error { return n.AddAddress(ctx, c.Caller, id, network) }
	if c.Route.Action == "removeFixedIp" {
		member, change = "address", func(ctx context.Context, id, address string) error {
			return n.RemoveAddress(ctx, c.Caller, id, address)
		}
	}
	return n.change(c, member, func(ctx context.Context, id, value string) error {
		err := change(ctx, id, value)
		refused, ok := errors.AsType[*fault.Error](err)
		if ok && refused.Status < http.StatusInternalServerError {
			c.Log.InfoContext(ctx, "the addresses of a server stay as they are", "server", id, "error", err)
			return nil
		}
		return err
	})
}

// change is an action on a server's ports at the top, which takes one word from the body. Whether the caller may touch the server its pod
// knows, and what the action is about if the server has no port of the top.
func (n networks) change(c *gateway.Call, member string, change func(ctx context.Context, serverID, value string) error) error {
	p, err := c.PodOf(store.Server, c.Params.Get("id"))
	if err != nil {
		return err
	}
	value, ok := jsonx.String(c.Body, c.Route.Action, member)
	if n.Service == nil || !ok {
		return c.Forward(p, c.Body)
	}
	seen, err := c.Do(c.Context(), p, gateway.Request{Method: http.MethodGet, Path: "/servers/" + c.Params.Get("id")})
	if err != nil {
		return err
	}
	if !seen.OK() {
		return c.Reply(p, seen)
	}
	err = change(c.Context(), c.Params.Get("id"), value)
	if errors.Is(err, nic.ErrNoPorts) {
		return c.Forward(p, c.Body)
	}
	if err != nil {
		return err
	}
	return c.Reply(p, &gateway.Answer{Status: http.StatusAccepted, Header: seen.Header})
}

// firstZone is a name of a pod's zones, for owners of ports.
func firstZone(p *pod.Pod) string {
	if len(p.Zones) == 0 {
		return ""
	}
	return p.Zones[0].Name
}
