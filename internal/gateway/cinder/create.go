package cinder

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
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

// creatable is a kind of resource that a zone, or what it is made from, puts into a pod.
type creatable struct {
	member  string   // of the body and the answer; collections are member + "s"
	brief   []string // members that the answer to a creation has; nil for all
	badZone string   // refuses a zone that no pod serves
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
	newVolume = creatable{member: "volume", badZone: "Availability zone '%s' is invalid.", boundBy: []reference{
		{volume, []string{"volume", "source_volid"}}, {snapshot, []string{"volume", "snapshot_id"}}, {backup, []string{"volume", "backup_id"}},
		{group, []string{"volume", "group_id"}}, {group, []string{"volume", "consistencygroup_id"}},
		{store.Server, []string{hints, "local_to_instance"}}, {volume, []string{hints, "same_host"}}}}
	newGroup            = creatable{member: "group", brief: groupSummary, badZone: "Invalid input received: Availability zone '%s' is invalid."}
	newConsistencyGroup = creatable{member: "consistencygroup", brief: groupSummary, badZone: newGroup.badZone}
)

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
	zone, _ := jsonx.String(c.Body, k.member, "availability_zone")
	if zone != "" && !pl.Zone(zone) {
		return fault.BadRequest(k.badZone, zone)
	}
	name, _ := jsonx.String(c.Body, k.member, "name")
	name = strings.TrimSpace(name) // as Cinder keeps it
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
			return k.lookUp(ctx, c, p, name, since)
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
	return gateway.WithZone(body, podZone, k.member, "availability_zone")
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

// lookUp finds what is of that name and the pod made within since, by the pod's own clock.
func (k creatable) lookUp(ctx context.Context, c *gateway.Call, p *pod.Pod, name string, since time.Duration) ([]gateway.Found, error) {
	collection := k.member + "s"
	a, err := c.Do(ctx, p, gateway.Request{Method: http.MethodGet, Path: "/" + collection + "/detail",
		Query: url.Values{"name": {name}, "limit": {"100"}}.Encode()})
	if err != nil {
		return nil, err
	}
	var doc map[string]json.RawMessage
	var rows []json.RawMessage
	if err = json.Unmarshal(a.Body, &doc); err == nil {
		err = json.Unmarshal(doc[collection], &rows)
	}
	if err != nil || !a.OK() {
		return nil, &pod.UnavailableError{Pod: p.Name(), Service: pod.Volume, Sent: true, Err: err,
			Reason: "does not list " + collection + ": answered " + strconv.Itoa(a.Status)}
	}
	earliest := c.Earliest(a, since)
	var found []gateway.Found
	for _, raw := range rows {
		r, ok := routing.Shown(k.answer(raw), p.Num, c.Caller.ProjectID)
		called, _ := jsonx.String(raw, "name")
		user, said := jsonx.String(raw, "user_id")
		if !ok || called != name || said && user != c.Caller.UserID || r.CreatedAt.Before(earliest) {
			continue
		}
		if k.brief != nil {
			raw = jsonx.Keep(nil, raw, k.brief...)
		}
		found = append(found, gateway.Found{Routing: r, Answer: &gateway.Answer{
			Status: http.StatusAccepted, Header: http.Header{"Content-Type": {"application/json"}}, Body: k.answer(raw)}})
	}
	return found, nil
}

// answer is a row of a list as the answer to a creation.
func (k creatable) answer(row []byte) []byte {
	return append(append([]byte(`{"`+k.member+`": `), row...), '}')
}
