package cinder

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/jsonx"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/routing"
	"github.com/tricircle/tricircle/internal/store"
)

// record is what import_record needs of a description of a backup (cinder/objects/backup.py, encode_record).
type record struct {
	ID       string `json:"id"`
	VolumeID string `json:"volume_id"`
}

// importBackup is POST /backups/import_record, which names no pod. The backup store is likely to be that of the pod where the backup
// is known, or its volume; without such a pod, or when it takes nothing new, as after a disaster, it goes where the project's
// other creates go.
func importBackup(c *gateway.Call) error {
	r, pl := recordOf(c.Body), c.NewPlacement()
	if p := podOfRecord(c, r); p != nil {
		if err := pl.Bind(p, "backup "+r.ID); err != nil {
			return err
		}
	}
	p, a, err := pl.Create(gateway.Creation{
		Name: r.ID,
		Send: func(ctx context.Context, p *pod.Pod) (*gateway.Answer, error) {
			return c.Do(ctx, p, gateway.Request{Method: http.MethodPost, Path: c.Path, Query: c.R.URL.RawQuery, Body: c.Body})
		},
		LookUp: func(ctx context.Context, p *pod.Pod, _ time.Duration) ([]gateway.Found, error) {
			return lookUpImport(ctx, c, p, r.ID)
		},
	})
	if err != nil {
		return err
	}
	return c.Reply(p, a)
}

// recordOf decodes the record in a body; what is none is for Cinder to refuse.
func recordOf(body []byte) (r record) {
	text, _ := jsonx.String(body, "backup-record", "backup_url")
	if raw, err := base64.StdEncoding.DecodeString(text); err != nil || json.Unmarshal(raw, &r) != nil {
		return record{}
	}
	return r
}

// podOfRecord returns the pod that knows the backup or its volume, if it takes new work. That a pod cannot be asked is no reason to
// fail: backups are imported because others are lost.
func podOfRecord(c *gateway.Call, r record) *pod.Pod {
	for _, of := range []struct {
		typ store.ResourceType
		id  string
	}{{store.Backup, r.ID}, {store.Volume, r.VolumeID}} {
		if _, isID := routing.ParseID(of.id); !isID {
			continue
		}
		if p, err := c.PodOf(of.typ, of.id); err == nil && p.Accepts() {
			return p
		}
	}
	return nil
}

// lookUpImport finds an import by the id that it has from its record.
func lookUpImport(ctx context.Context, c *gateway.Call, p *pod.Pod, id string) ([]gateway.Found, error) {
	a, err := c.Do(ctx, p, gateway.Request{Method: http.MethodGet, Path: "/backups/" + id})
	if err != nil || !a.OK() {
		return nil, err
	}
	r, ok := routing.Shown(a.Body, p.Num, c.Caller.ProjectID)
	if !ok {
		return nil, nil
	}
	a.Status = http.StatusCreated
	return []gateway.Found{{Routing: r, Answer: a}}, nil
}
