package cinder

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/jsonx"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/routing"
	"github.com/tricircle/tricircle/internal/store"
)

// boundBy are the members of a volume that bind it to the pod of what they name.
var boundBy = []struct {
	member string
	typ    store.ResourceType
}{
	{"source_volid", store.Volume}, {"snapshot_id", store.Snapshot}, {"backup_id", store.Backup},
	{"group_id", store.Group}, {"consistencygroup_id", store.Group},
}

// hints are scheduler hints that name servers; a volume local to a server must be in its pod, one apart from it need not.
const hints = "OS-SCH-HNT:scheduler_hints"

// create is POST /volumes. What the volume is made from binds it to a pod, then the availability zone; without any the first
// pod that takes new work gets it. The body is forwarded whole, with only the zone translated.
func create(c *gateway.Call) error {
	if !jsonx.Valid(c.Body) {
		return fault.BadRequest("Malformed request body")
	}
	pl := c.NewPlacement()
	if err := bind(c, pl); err != nil {
		return err
	}
	zone, _ := jsonx.String(c.Body, "volume", "availability_zone")
	if zone != "" && !pl.Zone(zone) {
		return fault.BadRequest("Availability zone '%s' is invalid.", zone)
	}
	name, _ := jsonx.String(c.Body, "volume", "name")
	p, a, err := pl.Create(gateway.Creation{
		Name: name,
		Send: func(ctx context.Context, p *pod.Pod) (*gateway.Answer, error) {
			body, err := bodyFor(c.Body, p, zone)
			if err != nil {
				return nil, err
			}
			return c.Do(ctx, p, gateway.Request{Method: http.MethodPost, Path: c.Path, Query: c.R.URL.RawQuery, Body: body})
		},
		LookUp: func(ctx context.Context, p *pod.Pod, since time.Duration) ([]gateway.Found, error) {
			return lookUp(ctx, c, p, name, since)
		},
	})
	if err != nil {
		return err
	}
	return c.Reply(p, a)
}

func bind(c *gateway.Call, pl *gateway.Placement) error {
	for _, s := range boundBy {
		id, ok := jsonx.String(c.Body, "volume", s.member)
		if _, isID := routing.ParseID(id); !ok || !isID {
			continue // absent, null, or for Cinder to refuse
		}
		if err := pl.BindTo(s.typ, id); err != nil {
			return err
		}
	}
	for _, hint := range []string{"local_to_instance", "same_host"} {
		id, _ := jsonx.String(c.Body, hints, hint)
		if _, isID := routing.ParseID(id); !isID {
			continue
		}
		typ := store.Server
		if hint == "same_host" {
			typ = store.Volume
		}
		if err := pl.BindTo(typ, id); err != nil {
			return err
		}
	}
	return nil
}

// bodyFor is the body with the zone in the pod's words.
func bodyFor(body []byte, p *pod.Pod, zone string) ([]byte, error) {
	if zone == "" {
		return body, nil
	}
	podZone, _ := p.PodZone(zone)
	return gateway.WithZone(body, podZone, "volume", "availability_zone")
}

// lookUp finds volumes of that name that the pod made within since, by the pod's own clock.
func lookUp(ctx context.Context, c *gateway.Call, p *pod.Pod, name string, since time.Duration) ([]gateway.Found, error) {
	a, err := c.Do(ctx, p, gateway.Request{Method: http.MethodGet, Path: "/volumes/detail",
		Query: url.Values{"name": {name}, "limit": {"100"}}.Encode()})
	if err != nil {
		return nil, err
	}
	var doc struct {
		Volumes []json.RawMessage `json:"volumes"`
	}
	if err := json.Unmarshal(a.Body, &doc); err != nil || !a.OK() {
		return nil, &pod.UnavailableError{Pod: p.Name(), Service: pod.Volume, Sent: true, Err: err,
			Reason: "does not list volumes: answered " + strconv.Itoa(a.Status)}
	}
	earliest := c.Earliest(a, since)
	var found []gateway.Found
	for _, raw := range doc.Volumes {
		body := append(append([]byte(`{"volume": `), raw...), '}')
		r, ok := routing.Shown(body, p.Num, c.Caller.ProjectID)
		user, _ := jsonx.String(raw, "user_id")
		called, _ := jsonx.String(raw, "name")
		if ok && user == c.Caller.UserID && called == name && !r.CreatedAt.Before(earliest) {
			found = append(found, gateway.Found{Routing: r, Answer: &gateway.Answer{
				Status: http.StatusAccepted, Header: http.Header{"Content-Type": {"application/json"}}, Body: body}})
		}
	}
	return found, nil
}
