package nic

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/neutron/realize"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/store"
)

// underway begins the device id of ports whose server is not there yet. It keeps others from using them, and lets them be found
// should nobody live to say what became of the boot.
const underway = "tricircle-boot:"

// Plugged is a port as the pod's Nova is told of it.
type Plugged struct {
	Port string // its id in the pod
	Tag  string
}

// Attempt are the ports of a plan in one pod. End it with Done or Undo, or with Unknown if neither is known to be right: they work when
// the context has ended, too.
type Attempt struct {
	Ports  []Plugged // in the order of the request
	plan   *Plan
	pod    *pod.Pod
	device string
	made   []string // ids of ports that were made for it
	given  []string // and of those that the user made
}

// In makes the ports of the plan and realizes them in a pod. If that fails nothing is left, and the error is a *fault.Error in Nova's
// words, or a *pod.UnavailableError, not sent, as nothing has been created.
func (p *Plan) In(ctx context.Context, in *pod.Pod, zone string) (*Attempt, error) {
	a := &Attempt{plan: p, pod: in, device: underway + p.service.NewID()}
	if !p.Plugs() {
		return a, nil
	}
	limited, cancel := p.service.half(ctx)
	defer cancel()
	err := a.create(limited, "compute:"+zone)
	if err == nil {
		err = a.realize(limited, "compute:"+zone)
	}
	if err != nil {
		if limited.Err() != nil { // whatever it looked like to whom it stopped
			err = limited.Err()
		}
		a.Undo(ctx)
		return nil, inNova(in, err)
	}
	return a, nil
}

// half leaves half of the time that a boot still has: the other is for the pod's Nova, or for the next pod.
func (s *Service) half(ctx context.Context) (context.Context, context.CancelFunc) {
	left := s.Within
	if deadline, ok := ctx.Deadline(); ok {
		left = min(left, time.Until(deadline))
	}
	return context.WithTimeout(ctx, left/2)
}

// create makes ports on those networks of the plan for which it has none, all or none.
func (a *Attempt) create(ctx context.Context, owner string) error {
	var ports []any
	for _, n := range a.plan.nics {
		if n.PortID != "" {
			a.given = append(a.given, n.PortID)
			continue
		}
		port := map[string]any{"network_id": n.NetworkID, "device_id": a.device, "device_owner": owner}
		if n.FixedIP != "" {
			port["fixed_ips"] = []any{map[string]any{"ip_address": n.FixedIP}}
		}
		if a.plan.groups != nil {
			port["security_groups"] = a.plan.groups
		}
		ports = append(ports, port)
	}
	if len(ports) == 0 {
		return nil
	}
	var doc struct {
		Ports []struct {
			ID string `json:"id"`
		} `json:"ports"`
	}
	s := a.plan.service
	err := s.call(ctx, string(a.plan.caller.Token), http.MethodPost, "/v2.0/ports", map[string]any{"ports": ports}, &doc)
	if refused, ok := errors.AsType[*fault.Error](err); ok {
		return a.portRefused(ctx, refused)
	}
	for _, p := range doc.Ports {
		a.made = append(a.made, p.ID)
	}
	return err
}

// portRefused is an error of the networking API in Nova's words (nova/network/neutron.py, _create_port_minimal and validate_networks, Zed).
func (a *Attempt) portRefused(ctx context.Context, refused *fault.Error) error {
	switch {
	case refused.Type == "OverQuota":
		return fault.Forbidden("Maximum number of ports exceeded")
	case refused.Type == "IpAddressAlreadyAllocated":
		for _, n := range a.plan.nics {
			holder, err := a.plan.service.holder(ctx, n)
			if err == nil && holder != nil {
				return fault.New(a.plan.status.taken, "Fixed IP address %s is already in use on instance %s.", n.FixedIP, text(holder, "device_id"))
			}
		}
	case refused.Status == http.StatusUnauthorized || refused.Status >= http.StatusInternalServerError:
		return refused
	}
	return fault.BadRequest("%s", refused.Message)
}

// holder returns the port that has the address that a NIC wants, or nil.
func (s *Service) holder(ctx context.Context, n NIC) (*store.Object, error) {
	if n.FixedIP == "" {
		return nil, nil
	}
	ports, err := s.Store.Reader().List(ctx, store.ObjectQuery{Kind: store.KindPort, Filters: []store.Filter{
		{Attr: "network_id", Values: []any{n.NetworkID}}, {Attr: "fixed_ips.ip_address", Values: []any{n.FixedIP}}}})
	if err != nil || len(ports) == 0 {
		return nil, err
	}
	return ports[0], nil
}

// realize claims the given ports, makes all ports and what they need be in the pod, and notes their ids there.
func (a *Attempt) realize(ctx context.Context, owner string) error {
	s := a.plan.service
	var jobs []store.NewJob
	err := s.Store.InTx(ctx, func(tx store.Tx) error {
		ports, err := a.claim(ctx, tx, owner)
		if err != nil {
			return err
		}
		if jobs, err = realize.Want(ctx, tx, a.pod.Num, ports...); err != nil {
			return err
		}
		return a.markMade(ctx, tx)
	})
	if err != nil {
		return err
	}
	for _, job := range jobs {
		if err := s.RunNow(ctx, job); err != nil {
			return err
		}
	}
	return a.note(ctx)
}

// claim returns the ports of the attempt, after marking the given ones as used. Of several boots with one port the first gets it.
func (a *Attempt) claim(ctx context.Context, tx store.Tx, owner string) ([]*store.Object, error) {
	ports, err := tx.List(ctx, store.ObjectQuery{Kind: store.KindPort, Filters: []store.Filter{{Attr: "id", Values: anys(slices.Concat(a.made, a.given))}}})
	if err != nil {
		return nil, err
	}
	for _, id := range a.given {
		port := find(ports, id)
		if err := a.plan.usable(port, id); err != nil {
			return nil, err
		}
		port.Attrs["device_id"], port.Attrs["device_owner"] = a.device, owner
		if err := tx.Update(ctx, port); err != nil {
			return nil, err
		}
	}
	return ports, nil
}

// ephemeral is the member of a realization's detail that says that the port was made for a server, and goes with it.
const ephemeral = "ephemeral"

// markMade notes which ports go with the server.
func (a *Attempt) markMade(ctx context.Context, tx store.Tx) error {
	if len(a.made) == 0 {
		return nil
	}
	rows, err := tx.Realizations(ctx, portsQuery(a.pod.Num, a.made...))
	if err != nil {
		return err
	}
	for _, row := range rows {
		row.Detail[ephemeral] = true
	}
	return tx.PutRealization(ctx, rows...)
}

// note finds out the ids of the ports in the pod.
func (a *Attempt) note(ctx context.Context) error {
	ids := slices.Concat(a.made, a.given)
	rows, err := a.plan.service.Store.Reader().Realizations(ctx, portsQuery(a.pod.Num, ids...))
	if err != nil {
		return err
	}
	bottom := map[string]string{}
	for _, row := range rows {
		bottom[row.TopID] = row.BottomID
	}
	made := a.made
	for _, n := range a.plan.nics {
		id := n.PortID
		if id == "" {
			id, made = made[0], made[1:]
		}
		if bottom[id] == "" {
			return fmt.Errorf("port %s is not in pod %s though its job is done", id, a.pod.Name())
		}
		a.Ports = append(a.Ports, Plugged{Port: bottom[id], Tag: n.Tag})
	}
	return nil
}

// Done says which server the ports are of. That it could not be noted is no error: the pod knows, and the port's job asks it.
func (a *Attempt) Done(ctx context.Context, serverID string) {
	s, ctx := a.plan.service, context.WithoutCancel(ctx)
	if err := s.setDevice(ctx, a.device, serverID); err != nil {
		s.Log.WarnContext(ctx, "the ports of a server do not name it yet", "server", serverID, "pod", a.pod.Name(), "error", err)
	}
}

// Unknown leaves it to a job to find out what came of the attempt: a reply was lost.
func (a *Attempt) Unknown(ctx context.Context) {
	s, ctx := a.plan.service, context.WithoutCancel(ctx)
	job := deviceJob(a.device, a.plan.caller.ProjectID, a.pod.Num)
	if err := s.Store.InTx(ctx, func(tx store.Tx) error { return tx.Enqueue(ctx, job) }); err != nil {
		s.Log.WarnContext(ctx, "what came of a boot will be found out later", "device", a.device, "pod", a.pod.Name(), "error", err)
	}
}

// setDevice gives all ports of a device to another one; "" is none.
func (s *Service) setDevice(ctx context.Context, from, to string) error {
	return s.Store.InTx(ctx, func(tx store.Tx) error {
		ports, err := tx.List(ctx, deviceQuery(from))
		for _, port := range ports {
			if err != nil {
				break
			}
			port.Attrs["device_id"] = to
			if to == "" {
				port.Attrs["device_owner"] = ""
			}
			err = tx.Update(ctx, port)
		}
		return err
	})
}

func deviceQuery(device string) store.ObjectQuery {
	return store.ObjectQuery{Kind: store.KindPort, Filters: []store.Filter{{Attr: "device_id", Values: []any{device}}}}
}

// Undo removes what the attempt made and gives back what it took. It may be called only when no server has the ports. What fails here
// is done later, when the ports' age tells that they were forgotten.
func (a *Attempt) Undo(ctx context.Context) {
	s, ctx := a.plan.service, context.WithoutCancel(ctx)
	err := s.free(ctx, a.made)
	if err == nil && len(a.given) > 0 {
		err = s.setDevice(ctx, a.device, "")
	}
	if err != nil {
		s.Log.WarnContext(ctx, "ports of a failed boot are left for now", "device", a.device, "pod", a.pod.Name(), "error", err)
	}
}

// free deletes ports at the top, as the service user; their jobs delete them in their pods. One that a user has made the parent of a trunk
// meanwhile stays, and is the user's.
func (s *Service) free(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	token, err := s.Token(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		err := s.call(ctx, token, http.MethodDelete, "/v2.0/ports/"+id, nil, nil)
		refused, ok := errors.AsType[*fault.Error](err)
		switch {
		case ok && refused.Status == http.StatusNotFound:
			err = nil
		case ok && refused.Type == "PortInUseAsTrunkParent":
			err = s.keep(ctx, id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// keep makes a port that was made for a server one that outlives it, and that no server has.
func (s *Service) keep(ctx context.Context, id string) error {
	return s.Store.InTx(ctx, func(tx store.Tx) error {
		port, err := tx.Get(ctx, store.KindPort, id)
		if err != nil {
			return err
		}
		port.Attrs["device_id"], port.Attrs["device_owner"] = "", ""
		if err := tx.Update(ctx, port); err != nil {
			return err
		}
		rows, err := tx.Realizations(ctx, portsQuery(0, id))
		if err != nil {
			return err
		}
		for _, row := range rows {
			delete(row.Detail, ephemeral)
		}
		return tx.PutRealization(ctx, rows...)
	})
}

// inNova is the reason why ports could not be made in a pod, as an error of a boot. Nothing has been sent to the pod's Nova, so
// another pod may be tried.
func inNova(in *pod.Pod, err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	reason := "did not make the server's ports"
	if elsewhere, ok := errors.AsType[*realize.ElsewhereError](err); ok { // since Plan
		reason = elsewhere.Error()
	}
	if down, ok := errors.AsType[*pod.UnavailableError](err); ok {
		reason = down.Reason
	}
	return &pod.UnavailableError{Pod: in.Name(), Service: pod.Network, Reason: reason, Err: err}
}

func isUnderway(device string) bool { return strings.HasPrefix(device, underway) }

func anys(ids []string) []any {
	all := make([]any, len(ids))
	for i, id := range ids {
		all[i] = id
	}
	return all
}
