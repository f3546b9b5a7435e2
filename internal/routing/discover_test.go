package routing_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tricircle/tricircle/internal/identity"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/pod/podtest"
	"github.com/tricircle/tricircle/internal/routing"
	"github.com/tricircle/tricircle/internal/store"
)

var caller = &identity.Caller{UserID: "u1", ProjectID: "p1", Roles: []string{"member"}, Token: "token"}

// shows is a service that has one resource, and shows it to whoever comes with the caller's token.
func shows(member, id string) podtest.Handler {
	return func(req *http.Request) (*http.Response, error) {
		switch {
		case req.Header.Get("X-Auth-Token") != "token":
			return podtest.Status(http.StatusUnauthorized)(req)
		case !strings.HasSuffix(req.URL.Path, "/"+id):
			return podtest.Status(http.StatusNotFound)(req)
		}
		return podtest.JSON(http.StatusOK, fmt.Sprintf(`{%q: {"id": %q, "tenant_id": "p2", "created": "2026-11-22T06:40:01Z"}}`, member, id))(req)
	}
}

// verdict is what Find says.
type verdict struct {
	pod string
	err string
}

func find(ctx context.Context, c *cloud, typ store.ResourceType, id string) verdict {
	p, err := c.Find(ctx, caller, typ, id)
	unavailable, isUnavailable := errors.AsType[*pod.UnavailableError](err)
	switch {
	case p != nil:
		return verdict{p.Name(), ""}
	case isUnavailable:
		return verdict{"", "unavailable " + unavailable.Pod}
	case errors.Is(err, routing.ErrUnauthorized):
		return verdict{"", "unauthorized"}
	case errors.Is(err, routing.ErrNotFound):
		return verdict{"", "not found"}
	}
	return verdict{"", fmt.Sprint(err)}
}

func TestFind_WhatPodsSay(t *testing.T) {
	has := shows("server", id)
	for name, c := range map[string]struct {
		east, west podtest.Handler
		want       verdict
	}{
		"one has it":                        {podtest.Status(404), has, verdict{"west", ""}},
		"one has it, the other hangs":       {podtest.Hang, has, verdict{"west", ""}},
		"one has it, the other is ill":      {podtest.Status(503), has, verdict{"west", ""}},
		"nobody has it":                     {podtest.Status(404), podtest.Status(404), verdict{"", "not found"}},
		"nobody may see it":                 {podtest.Status(403), podtest.Status(400), verdict{"", "not found"}},
		"the other is ill":                  {podtest.Status(503), podtest.Status(404), verdict{"", "unavailable east"}},
		"the other fails":                   {podtest.Status(404), podtest.Status(500), verdict{"", "unavailable west"}},
		"the other is slowed down":          {podtest.Status(404), podtest.Status(429), verdict{"", "unavailable west"}},
		"the other hangs":                   {podtest.Hang, podtest.Status(404), verdict{"", "unavailable east"}},
		"the other breaks off":              {podtest.Half(`{"server": {"id`), podtest.Status(404), verdict{"", "unavailable east"}},
		"the other answers a page":          {podtest.Text(200, "text/html", "<html>"), podtest.Status(404), verdict{"", "unavailable east"}},
		"the other answers something":       {podtest.JSON(200, `{"server": {}}`), podtest.Status(404), verdict{"", "unavailable east"}},
		"the token is refused":              {podtest.Status(401), podtest.Status(404), verdict{"", "unauthorized"}},
		"the token is refused, one is ill":  {podtest.Status(401), podtest.Status(503), verdict{"", "unavailable west"}},
		"one is ill, the token is refused":  {podtest.Status(503), podtest.Status(401), verdict{"", "unavailable east"}},
		"the token is refused, one has it":  {podtest.Status(401), has, verdict{"west", ""}},
		"both refuse the token":             {podtest.Status(401), podtest.Status(401), verdict{"", "unauthorized"}},
		"the redirected are not the asked":  {podtest.Status(302), podtest.Status(404), verdict{"", "unavailable east"}},
		"a pod without the service is fine": {nil, has, verdict{"west", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cloud := newCloud(t)
				cloud.Register(&podtest.Pod{Region: "east", Compute: c.east})
				cloud.Register(&podtest.Pod{Region: "west", Compute: c.west})
				start := time.Now()
				if got := find(t.Context(), cloud, store.Server, id); got != c.want {
					t.Errorf("got %+v, want %+v", got, c.want)
				}
				if c.want.pod != "" && time.Since(start) != 0 {
					t.Error("the pod that has it had to wait for the other")
				}
			})
		})
	}
}

func TestFind_NotAUUID_AsksNobody(t *testing.T) {
	c := newCloud(t)
	east := &podtest.Pod{Region: "east"}
	c.Register(east)
	for _, id := range []string{"my-server", "", "../servers", "9f3c2a105f1a4b449d286f1e29eecd4a"} {
		if got := find(t.Context(), c, store.Server, id); got.err != "not found" {
			t.Errorf("%q: got %+v", id, got)
		}
	}
	if calls := east.Calls(); len(calls) != 0 || c.rows.lookups.Load() != 0 {
		t.Errorf("asked %q, and the table %d times", calls, c.rows.lookups.Load())
	}
}

func TestFind_ManyAtOnce_AskEachPodOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		open := make(chan struct{})
		east := &podtest.Pod{Region: "east", Compute: func(req *http.Request) (*http.Response, error) {
			<-open
			return shows("server", id)(req)
		}}
		west := &podtest.Pod{Region: "west"}
		c.Register(east)
		c.Register(west)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if got := find(t.Context(), c, store.Server, id); got.pod != "east" {
					t.Errorf("got %+v", got)
				}
			})
		}
		// One of them goes away; those who share its question must not suffer.
		impatient, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			if got := find(impatient, c, store.Server, id); got.err != context.Canceled.Error() {
				t.Errorf("who went away got %+v", got)
			}
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(open)
		wg.Wait()
		if e, w := len(east.Calls()), len(west.Calls()); e != 1 || w != 1 {
			t.Errorf("%d and %d questions, want one each", e, w)
		}
		if got := c.stored(t, store.Server, id); got.PodNum != c.Registry.Snapshot().ByName("east").Num {
			t.Errorf("learned %+v", got)
		}
		if got := find(t.Context(), c, store.Server, id); got.pod != "east" || len(east.Calls()) != 0 {
			t.Error("what was found is asked for again")
		}
	})
}

func TestFind_OtherCallers_AskForThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		open := make(chan struct{})
		east := &podtest.Pod{Region: "east", Compute: func(req *http.Request) (*http.Response, error) {
			<-open
			return shows("server", id)(req)
		}}
		c.Register(east)
		other := *caller
		other.UserID, other.Token = "u2", "bad"
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.Find(t.Context(), &other, store.Server, id); !errors.Is(err, routing.ErrUnauthorized) {
				t.Errorf("another user got %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if got := find(t.Context(), c, store.Server, id); got.pod != "east" {
				t.Errorf("got %+v", got)
			}
		})
		synctest.Wait()
		close(open)
		wg.Wait()
	})
}

func TestFind_Disabled_IsNotAsked(t *testing.T) {
	c := newCloud(t)
	east := &podtest.Pod{Region: "east", Compute: shows("server", id)}
	row := c.Register(east).Pod
	row.State = store.PodDisabled
	if err := c.Registry.Update(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	if got := find(t.Context(), c, store.Server, id); got.err != "not found" || len(east.Calls()) != 0 {
		t.Errorf("got %+v, asked %q", got, east.Calls())
	}
}

func TestFind_EveryTypeIsAskedForWhereItIsShown(t *testing.T) {
	for typ, c := range map[store.ResourceType]struct{ member, call string }{
		store.Server:        {"server", "/v2.1/servers/" + id},
		store.ServerGroup:   {"server_group", "/v2.1/os-server-groups/" + id},
		store.Hypervisor:    {"hypervisor", "/v2.1/os-hypervisors/" + id},
		store.Volume:        {"volume", "/v3/p1/volumes/" + id},
		store.Snapshot:      {"snapshot", "/v3/p1/snapshots/" + id},
		store.Backup:        {"backup", "/v3/p1/backups/" + id},
		store.Attachment:    {"attachment", "/v3/p1/attachments/" + id},
		store.Group:         {"consistencygroup", "/v3/p1/consistencygroups/" + id},
		store.GroupSnapshot: {"cgsnapshot", "/v3/p1/cgsnapshots/" + id},
		store.Transfer:      {"transfer", "/v3/p1/os-volume-transfer/" + id},
		store.Message:       {"message", "/v3/p1/messages/" + id},
		store.Network:       {"network", "/v2.0/networks/" + id},
		store.Port:          {"port", "/v2.0/ports/" + id},
	} {
		h := shows(c.member, id)
		east := &podtest.Pod{Region: "east", Compute: h, Volume: h, Network: h}
		cloud := newCloud(t)
		p := cloud.Register(east)
		if got := find(t.Context(), cloud, typ, id); got.pod != "east" {
			t.Errorf("%s: got %+v", typ, got)
		}
		if diff := cmp.Diff([]string{"GET " + c.call}, east.Calls()); diff != "" {
			t.Errorf("%s: asked %s", typ, diff)
		}
		want := store.Routing{Type: typ, TopID: id, BottomID: id, PodNum: p.Num, ProjectID: "p2", CreatedAt: moment("2026-11-22T06:40:01Z")}
		if diff := cmp.Diff(want, cloud.stored(t, typ, id), cmpopts.IgnoreFields(store.Routing{}, "ID", "UpdatedAt")); diff != "" {
			t.Errorf("%s: %s", typ, diff)
		}
	}
}

func TestFind_ServiceOfNova_IsFoundInItsList(t *testing.T) {
	for answer, want := range map[string]string{
		`{"services": [{"id": "other"}, {"id": "` + id + `"}]}`: "",
		`{"services": [{"id": "other"}]}`:                       "not found",
		`{"services": []}`:                                      "not found",
		`{"services": 5}`:                                       "unavailable",
	} {
		cloud := newCloud(t)
		east := &podtest.Pod{Region: "east", Compute: podtest.JSON(200, answer)}
		cloud.Register(east)
		got := find(t.Context(), cloud, store.Service, id)
		if got.err != want && !strings.Contains(got.err, want) || (got.pod == "east") != (want == "") {
			t.Errorf("%s: got %+v", answer, got)
		}
		if calls := east.Calls(); len(calls) != 1 || calls[0] != "GET /v2.1/os-services" {
			t.Errorf("asked %q", calls)
		}
	}
}

func TestShown(t *testing.T) {
	at := moment("2026-11-22T06:40:01Z")
	for name, c := range map[string]struct {
		answer string
		want   store.Routing // without ids and pod; type 0 for none
	}{
		"server":         {`{"server": {"id": "ID", "links": [], "adminPass": "x"}}`, store.Routing{Type: store.Server, ProjectID: "mine"}},
		"server in full": {`{"server": {"id": "ID", "tenant_id": "p", "created": "2026-11-22T06:40:01Z"}}`, store.Routing{Type: store.Server, ProjectID: "p", CreatedAt: at}},
		"volume": {`{"volume": {"id": "ID", "os-vol-tenant-attr:tenant_id": "p", "created_at": "2026-11-22T06:40:01.000000"}}`,
			store.Routing{Type: store.Volume, ProjectID: "p", CreatedAt: at}},
		"snapshot":                   {`{"snapshot": {"id": "ID", "os-extended-snapshot-attributes:project_id": "p"}}`, store.Routing{Type: store.Snapshot, ProjectID: "p"}},
		"backup":                     {`{"backup": {"id": "ID", "os-backup-project-attr:project_id": "p"}}`, store.Routing{Type: store.Backup, ProjectID: "p"}},
		"transfer":                   {`{"transfer": {"id": "ID", "volume_id": "v", "auth_key": "k"}}`, store.Routing{Type: store.Transfer, ProjectID: "mine"}},
		"group":                      {`{"group": {"id": "ID", "name": "g"}}`, store.Routing{Type: store.Group, ProjectID: "mine"}},
		"consistency group":          {`{"consistencygroup": {"id": "ID"}}`, store.Routing{Type: store.Group, ProjectID: "mine"}},
		"group snapshot":             {`{"group_snapshot": {"id": "ID"}}`, store.Routing{Type: store.GroupSnapshot, ProjectID: "mine"}},
		"nothing that has a routing": {`{"keypair": {"id": "ID"}}`, store.Routing{}},
		"id that is none":            {`{"server": {"id": "7"}}`, store.Routing{}},
		"no id":                      {`{"server": {}}`, store.Routing{}},
		"not an object":              {`{"server": "ID"}`, store.Routing{}},
		"a list":                     {`{"servers": [{"id": "ID"}]}`, store.Routing{}},
		"not JSON":                   {`<html>`, store.Routing{}},
		"empty":                      {``, store.Routing{}},
	} {
		want := c.want
		if want.Type != 0 {
			want.TopID, want.BottomID, want.PodNum = id, id, 7
		}
		got, ok := routing.Shown([]byte(strings.ReplaceAll(c.answer, "ID", id)), 7, "mine")
		if ok != (want.Type != 0) {
			t.Errorf("%s: ok is %t", name, ok)
		}
		if diff := cmp.Diff(want, got); ok && diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
