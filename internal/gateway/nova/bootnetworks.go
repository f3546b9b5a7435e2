package nova

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/jsonx"
	"github.com/tricircle/tricircle/internal/neutron/nic"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/routing"
)

// bootOn boots servers on networks of the top: in the pod that is tried their ports are made first, and given up if it refuses.
func (n networks) bootOn(c *gateway.Call, b *bootRequest, pl *gateway.Placement, plan *nic.Plan) error {
	pl.Within(plan.Fits, "A network of the request")
	last := &plugged{c: c, boot: b, plan: plan}
	p, a, err := b.create(c, pl, last.send, time.Duration(b.count)*n.Within)
	if err != nil {
		return err
	}
	if a.OK() {
		last.adopted(context.WithoutCancel(c.Context()), a)
		a.Body = withGroups(a.Body, c.Body)
	}
	return c.Reply(p, a)
}

// withGroups is Nova's answer to a boot with the security groups of the request, which it repeats.
func withGroups(answer, request []byte) []byte {
	groups, asked, _ := jsonx.Get(request, "server", "security_groups")
	if _, told, _ := jsonx.Get(answer, "server", "security_groups"); !asked || !told {
		return answer
	}
	changed, err := jsonx.Set(answer, groups, "server", "security_groups")
	if err != nil {
		return answer
	}
	return changed
}

// plugged is a boot with ports of the top.
type plugged struct {
	c    *gateway.Call
	boot *bootRequest
	plan *nic.Plan
	lost *nic.Attempt // whose reply was lost
}

// send boots one server, or several one after the other: a port is for one server, and Nova makes several at once only if it makes the
// ports, too, or if there are none.
func (pb *plugged) send(ctx context.Context, p *pod.Pod) (*gateway.Answer, error) {
	body, err := pb.boot.bodyFor(p)
	if err != nil {
		return nil, err
	}
	if pb.boot.count == 1 || !pb.plan.Plugs() {
		return pb.one(ctx, p, body)
	}
	return pb.several(ctx, p, body)
}

// one boots one server.
func (pb *plugged) one(ctx context.Context, p *pod.Pod, body []byte) (*gateway.Answer, error) {
	zone := pb.boot.zone
	if zone == "" {
		zone = firstZone(p)
	}
	attempt, err := pb.plan.In(ctx, p, zone)
	if err != nil {
		return nil, err
	}
	body, version, err := withPorts(pb.c, body, attempt.Ports)
	if err != nil {
		attempt.Undo(ctx)
		return nil, err
	}
	a, err := pb.c.Do(ctx, p, gateway.Request{Method: http.MethodPost, Path: pb.c.Path, Query: pb.c.R.URL.RawQuery, Body: body,
		Version: version})
	id := ""
	if err == nil && a.OK() {
		id = pb.serverOf(ctx, p, a)
	}
	if id == "" && err == nil && a.OK() { // created, but not said which: the ports know
		attempt.Unknown(ctx)
		return a, nil
	}
	settle(ctx, attempt, a, err, id)
	if err != nil {
		pb.lost = attempt
	}
	return a, err
}

// adopted ends an attempt whose reply was lost, when the server has been found.
func (pb *plugged) adopted(ctx context.Context, a *gateway.Answer) {
	if id, ok := jsonx.String(a.Body, "server", "id"); ok && pb.lost != nil {
		pb.lost.Done(ctx, id)
	}
}

// serverOf returns the id of the one server that an answer tells of, or "".
func (pb *plugged) serverOf(ctx context.Context, p *pod.Pod, a *gateway.Answer) string {
	if r, ok := routing.Shown(a.Body, p.Num, pb.c.Caller.ProjectID); ok {
		return r.TopID
	}
	reservation, ok := jsonx.String(a.Body, "reservation_id")
	if !ok {
		return ""
	}
	servers, _, err := listServers(ctx, pb.c, p, map[string][]string{"reservation_id": {reservation}})
	if err != nil || len(servers) != 1 {
		return ""
	}
	return servers[0].ID
}

// several boots as many servers as were asked for, under the names that Nova gives them (nova/compute/api.py, multi_instance_display_name).
// The answer is the first one's, with the reservations of all. If fewer come to be than the request wants at least, they are deleted again,
// and the refusal stands.
func (pb *plugged) several(ctx context.Context, p *pod.Pod, body []byte) (first *gateway.Answer, err error) {
	for _, member := range []string{"min_count", "max_count"} {
		if body, err = jsonx.Delete(body, "server", member); err != nil {
			return nil, fault.BadRequest("Malformed request body")
		}
	}
	var made []string
	for i := range pb.boot.count {
		name := jsonx.Quote(nil, pb.boot.name+"-"+strconv.Itoa(i+1))
		single, err := jsonx.Set(body, name, "server", "name")
		if err != nil {
			return nil, fault.BadRequest("Malformed request body")
		}
		a, err := pb.one(ctx, p, single)
		if err == nil && a.OK() {
			made = append(made, pb.serverOf(ctx, p, a))
			if first == nil {
				first = a
			} else {
				first.Body = withReservation(first.Body, a.Body)
			}
			continue
		}
		if first != nil && i >= pb.boot.least {
			break
		}
		pb.giveUp(ctx, p, made)
		return a, err
	}
	return first, nil
}

// withReservation is an answer that tells of a reservation, if it is one that does, with that of another answer added: clients use it to list
// the servers, and Nova takes what it lists by for a regular expression (nova/db/main/api.py, _regex_instance_filter).
func withReservation(answer, another []byte) []byte {
	all, told := jsonx.String(answer, "reservation_id")
	next, toldToo := jsonx.String(another, "reservation_id")
	if !told || !toldToo {
		return answer
	}
	changed, err := jsonx.Set(answer, jsonx.Quote(nil, all+"|"+next), "reservation_id")
	if err != nil {
		return answer
	}
	return changed
}

// giveUp deletes servers that are too few.
func (pb *plugged) giveUp(ctx context.Context, p *pod.Pod, servers []string) {
	ctx = context.WithoutCancel(ctx) // it may be too late for the boot, not for this
	for _, id := range servers {
		_, err := pb.c.Do(ctx, p, gateway.Request{Method: http.MethodDelete, Path: "/servers/" + id})
		if err != nil {
			pb.c.Log.WarnContext(ctx, "a server of a multiple create that failed is left", "server", id, "pod", p.Name(), "error", err)
		}
	}
}
