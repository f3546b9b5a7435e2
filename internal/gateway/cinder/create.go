package cinder

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/jsonx"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/routing"
	"github.com/tricircle/tricircle/internal/store"
)

// creatable is a kind of resource that a zone, or what it is made from, puts into a pod.
type creatable struct {
	gateway.Newborn
	badZone string // refuses a zone that no pod serves
	boundBy []reference
}

// reference is what binds a new resource to a pod: the id at a path of the body.
type reference struct {
	typ  store.ResourceType
	path []string
}

// hints are scheduler hints that name servers; a volume local to a server must be in its pod, one apart from it need not.
const hints = "OS-SCH-HNT:scheduler_hints"

var (
	newVolume = creatable{Newborn: gateway.Newborn{Member: "volume", List: "/volumes/detail"}, badZone: "Availability zone '%s' is invalid.", boundBy: []reference{
		{volume, []string{"volume", "source_volid"}}, {snapshot, []string{"volume", "snapshot_id"}}, {backup, []string{"volume", "backup_id"}},
		{group, []string{"volume", "group_id"}}, {group, []string{"volume", "consistencygroup_id"}},
		{store.Server, []string{hints, "local_to_instance"}}, {volume, []string{hints, "same_host"}}}}
	newGroup = creatable{badZone: "Invalid input received: Availability zone '%s' is invalid.",
		Newborn: gateway.Newborn{Member: "group", List: "/groups/detail", Brief: groupSummary}}
	newConsistencyGroup = creatable{badZone: newGroup.badZone,
		Newborn: gateway.Newborn{Member: "consistencygroup", List: "/consistencygroups/detail", Brief: groupSummary}}
)

// newborns are what is made of something in a pod. Not transfers: without its key, which was in the lost reply, nobody can accept one.
var newborns = map[string]*gateway.Newborn{
	"POST /snapshots":       {Member: "snapshot", List: "/snapshots/detail"},
	"POST /backups":         {Member: "backup", List: "/backups/detail", Brief: linkedSummary},
	"POST /group_snapshots": {Member: "group_snapshot", List: "/group_snapshots/detail", Brief: newGroupSnapshot},
	"POST /cgsnapshots":     {Member: "cgsnapshot", List: "/cgsnapshots/detail", Brief: groupSummary, Whole: true},
	"POST /groups/action create-from-src": {Body: "create-from-src", Member: "group", List: "/groups/detail",
		Brief: groupSummary},
	"POST /consistencygroups/create_from_src": {Body: "consistencygroup-from-src", Member: "consistencygroup",
		List: "/consistencygroups/detail", Brief: groupSummary},
}

// newGroupSnapshot are the members of a group snapshot's summary (cinder/api/views/group_snapshots.py).
var newGroupSnapshot = []string{"id", "name", "group_type_id"}

// create is POST /volumes, /groups and /consistencygroups. What the new one is made from binds it to a pod, then the availability
// zone; of the pods that are left the first gets it that takes new work and offers the types that it names. The body is forwarded
// whole, with only the zone translated.
func (k creatable) create(c *gateway.Call) error {
	if !jsonx.Valid(c.Body) {
		return fault.BadRequest("Malformed request body")
	}
	pl := c.NewPlacement()
	if err := k.bind(c, pl); err != nil {
		return err
	}
	zone, _ := jsonx.String(c.Body, k.Member, "availability_zone")
	if zone != "" && !pl.Zone(zone) {
		return fault.BadRequest(k.badZone, zone)
	}
	name := k.NameIn(c.Body)
	p, a, err := pl.Create(gateway.Creation{
		Name: name,
		Send: func(ctx context.Context, p *pod.Pod) (*gateway.Answer, error) {
			body, err := k.bodyFor(c.Body, p, zone)
			if err != nil {
				return nil, err
			}
			return c.Do(ctx, p, gateway.Request{Method: http.MethodPost, Path: c.Path, Query: c.R.URL.RawQuery, Body: body})
		},
		Elsewhere: lacksType,
		LookUp: func(ctx context.Context, p *pod.Pod, since time.Duration) ([]gateway.Found, error) {
			return k.LookUp(ctx, c, p, name, since)
		},
	})
	if err != nil {
		return err
	}
	return c.Reply(p, a)
}

func (k creatable) bind(c *gateway.Call, pl *gateway.Placement) error {
	for _, r := range k.boundBy {
		id, ok := jsonx.String(c.Body, r.path...)
		if _, isID := routing.ParseID(id); !ok || !isID {
			continue // absent, null, or for Cinder to refuse
		}
		if err := pl.BindTo(r.typ, id); err != nil {
			return err
		}
	}
	return nil
}

// bodyFor is the body with the zone in the pod's words.
func (k creatable) bodyFor(body []byte, p *pod.Pod, zone string) ([]byte, error) {
	if zone == "" {
		return body, nil
	}
	podZone, _ := p.PodZone(zone)
	return gateway.WithZone(body, podZone, k.Member, "availability_zone")
}

// lacksType reports whether a pod refuses because it does not offer a type that the body names (cinder/exception.py,
// VolumeTypeNotFound and GroupTypeNotFound). Nothing has been made then.
func lacksType(a *gateway.Answer) bool {
	if a.Status != http.StatusNotFound {
		return false
	}
	message, _ := jsonx.String(a.Body, "itemNotFound", "message")
	return strings.HasPrefix(message, "Volume type ") || strings.HasPrefix(message, "Group type ")
}
