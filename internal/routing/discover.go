package routing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/tricircle/tricircle/internal/identity"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/store"
)

// place says where in a pod's APIs a type of resource is shown and listed, and what the answer calls the facts that are
// worth keeping.
type place struct {
	service    pod.Service
	collection string // below the version: "servers"; shown at collection/id, listed at collection/detail
	member     string // key of one in that answer
	also       string // key of one in answers of another API to the same, if there is one
	version    string // lowest microversion that shows it
	listed     bool   // it is shown in the list only, which has no pages
}

var places = map[store.ResourceType]place{
	store.Server:     {pod.Compute, "servers", "server", "", "2.1", false},
	store.Volume:     {pod.Volume, "volumes", "volume", "", "3.0", false},
	store.Snapshot:   {pod.Volume, "snapshots", "snapshot", "", "3.0", false},
	store.Backup:     {pod.Volume, "backups", "backup", "", "3.18", false},
	store.Attachment: {pod.Volume, "attachments", "attachment", "", "3.27", false},
	// The API of consistency groups shows all groups, that of groups only its own (cinder/api/v3/groups.py).
	store.Group:         {pod.Volume, "consistencygroups", "consistencygroup", "group", "3.0", false},
	store.GroupSnapshot: {pod.Volume, "cgsnapshots", "cgsnapshot", "group_snapshot", "3.0", false},
	store.Transfer:      {pod.Volume, "os-volume-transfer", "transfer", "", "3.0", false},
	store.Message:       {pod.Volume, "messages", "message", "", "3.3", false},
	store.ServerGroup:   {pod.Compute, "os-server-groups", "server_group", "", "2.1", false},
	store.Hypervisor:    {pod.Compute, "os-hypervisors", "hypervisor", "", "2.53", false},
	store.Service:       {pod.Compute, "os-services", "service", "", "2.53", true},
	store.Network:       {pod.Network, "v2.0/networks", "network", "", "", false},
	store.Port:          {pod.Network, "v2.0/ports", "port", "", "", false},
}

// shown are the facts of a resource, under the names that the different APIs give them.
type shown struct {
	ID            string `json:"id"`
	TenantID      string `json:"tenant_id"`
	ProjectID     string `json:"project_id"`
	VolumeTenant  string `json:"os-vol-tenant-attr:tenant_id"`
	SnapProject   string `json:"os-extended-snapshot-attributes:project_id"`
	BackupProject string `json:"os-backup-project-attr:project_id"`
	Created       string `json:"created"`
	CreatedAt     string `json:"created_at"`
	OldCreatedAt  string `json:"createdAt"` // of Nova's proxies
}

func (s shown) routing(typ store.ResourceType, podNum int32) store.Routing {
	r := store.Routing{Type: typ, TopID: s.ID, BottomID: s.ID, PodNum: podNum, CreatedAt: created(s.Created + s.CreatedAt + s.OldCreatedAt)}
	for _, p := range []string{s.TenantID, s.ProjectID, s.VolumeTenant, s.SnapProject, s.BackupProject} {
		if p != "" {
			r.ProjectID = p
		}
	}
	return r
}

// created is a creation time as the table keeps it: whole seconds. Databases of pods cut it so, though the answer to a create
// may show more; and a time that is too early only makes Before more careful.
func created(s string) time.Time { return ParseTime(s).Truncate(time.Second) }

// Find returns the pod of a resource: Known, or else what the pods themselves say, asked with the caller's own token. It
// fails with ErrNotFound when all have answered that they do not have it (or id is no UUID), with a *pod.UnavailableError
// when one that might have it did not answer, and with ErrUnauthorized.
func (t *Table) Find(ctx context.Context, c *identity.Caller, typ store.ResourceType, id string) (*pod.Pod, error) {
	canonical, ok := ParseID(id)
	if _, shown := places[typ]; !ok || !shown {
		return nil, ErrNotFound
	}
	p, err := t.Known(ctx, typ, canonical)
	if p != nil {
		return p, nil
	}
	if err != nil {
		t.log.WarnContext(ctx, "the routing table cannot be read; the pods are asked instead", "error", err)
	}
	// The answer depends on what the caller may see, so only equal callers share a question.
	question := strings.Join([]string{typ.String(), canonical, c.UserID, c.ProjectID, strings.Join(c.Roles, ",")}, "|")
	answer := t.asking.DoChan(question, func() (any, error) {
		return t.ask(context.WithoutCancel(ctx), c, typ, canonical)
	})
	select {
	case res := <-answer:
		p, _ := res.Val.(*pod.Pod)
		return p, res.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// ask puts the question to all serving pods in parallel; the first that has it ends the search.
func (t *Table) ask(ctx context.Context, c *identity.Caller, typ store.ResourceType, id string) (*pod.Pod, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		pod *pod.Pod
		row store.Routing
		err error
	}
	snapshot := t.pods.Snapshot()
	pods := snapshot.Serving()
	leave, err := snapshot.FanOut(ctx, len(pods))
	if err != nil {
		return nil, err
	}
	answers := make(chan answer, len(pods))
	for _, p := range pods {
		go func() {
			defer leave()
			row, err := show(ctx, c, p, typ, id)
			answers <- answer{p, row, err}
		}()
	}
	verdict := ErrNotFound
	for range pods {
		a := <-answers
		_, unavailable := errors.AsType[*pod.UnavailableError](a.err)
		switch {
		case a.err == nil:
			if err := t.Record(ctx, a.row); err != nil {
				t.log.Warn("a discovered routing is not kept", "error", err)
			}
			return a.pod, nil
		case unavailable, errors.Is(a.err, ErrUnauthorized) && errors.Is(verdict, ErrNotFound):
			verdict = a.err
		}
	}
	return nil, verdict
}

// show asks one pod for one resource.
func show(ctx context.Context, c *identity.Caller, p *pod.Pod, typ store.ResourceType, id string) (store.Routing, error) {
	pl := places[typ]
	base, ok := p.Endpoint(pl.service)
	if !ok {
		return store.Routing{}, ErrNotFound
	}
	path := base.String() + "/" + pl.collection
	if pl.service == pod.Volume && c.ProjectID != "" {
		path = base.String() + "/" + c.ProjectID + "/" + pl.collection
	}
	if !pl.listed {
		path += "/" + id
	}
	body, err := get(ctx, p, pl, path, string(c.Token))
	if err != nil {
		return store.Routing{}, err
	}
	s, err := pl.find(body, id)
	if errors.Is(err, ErrNotFound) {
		return store.Routing{}, err
	}
	if err != nil || s.ID == "" {
		return store.Routing{}, &pod.UnavailableError{Pod: p.Name(), Service: pl.service, Sent: true, Err: err,
			Reason: "answered no " + pl.member + " where one was asked for"}
	}
	row := s.routing(typ, p.Num)
	if row.ProjectID == "" {
		row.ProjectID = c.ProjectID
	}
	return row, nil
}

// find returns what an answer shows of a resource.
func (pl place) find(answer []byte, id string) (shown, error) {
	if !pl.listed {
		var doc map[string]shown
		err := json.Unmarshal(answer, &doc)
		return doc[pl.member], err
	}
	var doc map[string][]shown
	if err := json.Unmarshal(answer, &doc); err != nil {
		return shown{}, err
	}
	for _, s := range doc[pl.member+"s"] {
		if s.ID == id {
			return s, nil
		}
	}
	return shown{}, ErrNotFound
}

// Shown returns the routing of the resource that an answer shows, such as {"volume": {"id": ...}}; ok is false when it
// shows none of the types that have one.
func Shown(answer []byte, podNum int32, projectID string) (r store.Routing, ok bool) {
	var doc map[string]json.RawMessage
	if json.Unmarshal(answer, &doc) != nil {
		return r, false
	}
	for typ, pl := range places {
		var s shown
		raw := doc[pl.member]
		if raw == nil {
			raw = doc[pl.also]
		}
		if raw == nil || json.Unmarshal(raw, &s) != nil {
			continue
		}
		if _, ok := ParseID(s.ID); !ok {
			continue
		}
		if r = s.routing(typ, podNum); r.ProjectID == "" {
			r.ProjectID = projectID
		}
		return r, true
	}
	return r, false
}

// get reads one small document. Any answer that is not about the resource is an *pod.UnavailableError.
func get(ctx context.Context, p *pod.Pod, pl place, url, token string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-Auth-Token", token)
	req.Header.Set("Accept", "application/json")
	if pl.version != "" {
		req.Header.Set("OpenStack-API-Version", pl.service.String()+" "+pl.version)
	}
	res, err := p.Do(pl.service, req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	switch {
	case err != nil:
		return nil, &pod.UnavailableError{Pod: p.Name(), Service: pl.service, Sent: true, Err: err, Reason: "broke off its answer"}
	case res.StatusCode == http.StatusUnauthorized:
		return nil, fmt.Errorf("%w: pod %s", ErrUnauthorized, p.Name())
	case res.StatusCode == http.StatusNotFound, res.StatusCode == http.StatusForbidden, res.StatusCode == http.StatusBadRequest:
		return nil, ErrNotFound
	case res.StatusCode != http.StatusOK:
		return nil, &pod.UnavailableError{Pod: p.Name(), Service: pl.service, Sent: true, Reason: "answered " + res.Status}
	}
	return body, nil
}
