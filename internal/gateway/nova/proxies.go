package nova

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/jsonx"
	"github.com/tricircle/tricircle/internal/pod"
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

// newVolume is what Nova says of a volume; its list knows no filters.
var newVolume = gateway.Newborn{Member: "volume", List: "/os-volumes/detail", Given: "display_name", Called: "displayName", Whole: true,
	Status: http.StatusOK}

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
	name := newVolume.NameIn(c.Body)
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
			return newVolume.LookUp(ctx, c, p, name, since)
		},
	})
	if err != nil {
		return err
	}
	return c.Reply(p, a)
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
