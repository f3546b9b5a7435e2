package nova

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

// proxied is a list of what Nova shows for Cinder, all of the project, newest first as Cinder lists it
// (nova/api/openstack/compute/volumes.py).
func proxied(path, member string, typ store.ResourceType) *gateway.Collection {
	return &gateway.Collection{
		From: path, Member: member, Type: typ, NoLinks: true, ByOffset: true, Created: []string{"createdAt"}, Parse: parseProxied,
	}
}

func parseProxied(c *gateway.Call) (*gateway.ListQuery, error) {
	q := &gateway.ListQuery{Params: url.Values{}, Keys: []gateway.SortKey{
		{Path: []string{"createdAt"}, Kind: gateway.Time, Desc: true}, {Path: []string{"id"}, Desc: true},
	}}
	var err error
	if q.Limit, err = pageNumber(c.Query, "limit", maxLimit); err != nil {
		return nil, err
	}
	if q.Limit == 0 || q.Limit > maxLimit {
		q.Limit = maxLimit
	}
	q.Offset, err = pageNumber(c.Query, "offset", 0)
	q.Offset = min(q.Offset, maxOffset)
	return q, err
}

// maxOffset bounds what has to be read and thrown away; behind it such a list is empty.
const maxOffset = 100000

// createVolume is POST /os-volumes: the snapshot that the volume is made of, or the zone, says in which pod.
func createVolume(c *gateway.Call) error {
	pl := c.NewPlacement()
	if id, ok := jsonx.String(c.Body, "volume", "snapshot_id"); ok {
		if err := pl.BindTo(store.Snapshot, id); err != nil {
			return err
		}
	}
	zone, _ := jsonx.String(c.Body, "volume", "availability_zone")
	if zone != "" && !pl.Zone(zone) {
		return fault.BadRequest("Invalid input received: Availability zone '%s' is invalid.", zone)
	}
	name, _ := jsonx.String(c.Body, "volume", "display_name")
	p, a, err := pl.Create(gateway.Creation{
		Name: name,
		Send: func(ctx context.Context, p *pod.Pod) (*gateway.Answer, error) {
			body := c.Body
			if zone != "" {
				podZone, _ := p.PodZone(zone)
				var err error
				if body, err = gateway.WithZone(body, podZone, "volume", "availability_zone"); err != nil {
					return nil, err
				}
			}
			return c.Do(ctx, p, gateway.Request{Method: http.MethodPost, Path: c.Path, Query: c.R.URL.RawQuery, Body: body})
		},
		LookUp: func(ctx context.Context, p *pod.Pod, since time.Duration) ([]gateway.Found, error) {
			return lookUpVolume(ctx, c, p, name, since)
		},
	})
	if err != nil {
		return err
	}
	return c.Reply(p, a)
}

// lookUpVolume finds volumes of that name that the pod made within since, by the pod's own clock.
func lookUpVolume(ctx context.Context, c *gateway.Call, p *pod.Pod, name string, since time.Duration) ([]gateway.Found, error) {
	a, err := c.Do(ctx, p, gateway.Request{Method: http.MethodGet, Path: "/os-volumes/detail"})
	if err != nil {
		return nil, err
	}
	var doc struct {
		Volumes []json.RawMessage `json:"volumes"`
	}
	if err := json.Unmarshal(a.Body, &doc); err != nil || !a.OK() {
		return nil, &pod.UnavailableError{Pod: p.Name(), Service: pod.Compute, Sent: true, Err: err,
			Reason: "does not list volumes: answered " + strconv.Itoa(a.Status)}
	}
	earliest := c.Earliest(a, since)
	var found []gateway.Found
	for _, raw := range doc.Volumes {
		body := append(append([]byte(`{"volume": `), raw...), '}')
		r, ok := routing.Shown(body, p.Num, c.Caller.ProjectID)
		if called, _ := jsonx.String(raw, "displayName"); ok && called == name && !r.CreatedAt.Before(earliest) {
			found = append(found, gateway.Found{Routing: r, Answer: &gateway.Answer{
				Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: body}})
		}
	}
	return found, nil
}

// assisted is the part of snapshots that Cinder leaves to Nova: in the pod of the volume, which a DELETE names in its query. A pod
// refuses what names none that exists.
func assisted(c *gateway.Call) error {
	info := c.Body
	path := []string{"snapshot", "volume_id"}
	if c.R.Method == http.MethodDelete {
		info, path = []byte(c.Query.Get("delete_info")), path[1:]
	}
	id, ok := jsonx.String(info, path...)
	if !ok {
		return c.AnyPod()
	}
	p, err := c.PodOf(store.Volume, id)
	if err != nil && fault.From(err).Status == http.StatusNotFound {
		return c.AnyPod()
	}
	if err != nil {
		return err
	}
	return c.Forward(p, c.Body)
}
