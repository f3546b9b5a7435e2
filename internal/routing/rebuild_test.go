package routing_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tricircle/tricircle/internal/pod/podtest"
	"github.com/tricircle/tricircle/internal/store"
)

// pages is a service that lists ids, at most 3 at once, to administrators.
func pages(collection string, ids []string) podtest.Handler {
	return func(req *http.Request) (*http.Response, error) {
		q := req.URL.Query()
		if req.Header.Get("X-Auth-Token") != "admin" || q.Get("all_tenants") != "1" || !strings.HasSuffix(req.URL.Path, "/"+collection+"/detail") {
			return podtest.JSON(http.StatusOK, `{"servers": [], "volumes": [], "snapshots": [], "backups": []}`)(req)
		}
		limit, _ := strconv.Atoi(q.Get("limit"))
		from := slices.Index(ids, q.Get("marker")) + 1
		var rows []string
		for _, id := range ids[from:min(from+min(limit, 3), len(ids))] {
			rows = append(rows, fmt.Sprintf(`{"id": %q, "tenant_id": "p-%s", "created_at": "2026-11-22T06:40:01"}`, id, id[:4]))
		}
		return podtest.JSON(http.StatusOK, fmt.Sprintf(`{%q: [%s]}`, collection, strings.Join(rows, ",")))(req)
	}
}

func admin(context.Context) (string, error) { return "admin", nil }

func uuids(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = uuid.NewString()
	}
	return ids
}

func TestRebuild_ReadsEverythingOverPages(t *testing.T) {
	c := newCloud(t)
	servers, volumes := uuids(8), uuids(3)
	p := c.Register(&podtest.Pod{Region: "east", Compute: pages("servers", servers), Volume: pages("volumes", volumes)})
	for range 2 { // again does no harm
		counts, err := c.Rebuild(t.Context(), p, admin)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]int{"server": 8, "volume": 3, "snapshot": 0, "backup": 0}, counts); diff != "" {
			t.Error(diff)
		}
	}
	for _, id := range servers {
		if got := c.stored(t, store.Server, id); got.PodNum != p.Num || got.ProjectID != "p-"+id[:4] || got.CreatedAt.IsZero() {
			t.Errorf("stored %+v", got)
		}
	}
	if rows, _ := c.Store.ListRoutings(t.Context(), store.RoutingFilter{}); len(rows) != 11 {
		t.Errorf("%d rows, want 11", len(rows))
	}
}

func TestRebuild_WhatThePodHasNoMore_IsMarkedDeleted(t *testing.T) {
	c := newCloud(t)
	kept, lost := uuids(4), uuids(1200) // more than are looked at at once
	p := c.Register(&podtest.Pod{Region: "east", Compute: pages("servers", kept), Volume: pages("volumes", nil)})
	rows := []store.Routing{server(kept[0], p.Num), {Type: store.Volume, TopID: id, PodNum: p.Num}}
	rows[0].DeletedAt = moment("2026-11-22T06:40:01Z") // by mistake
	for _, id := range lost {
		rows = append(rows, server(id, p.Num))
	}
	if err := c.Record(t.Context(), rows...); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Rebuild(t.Context(), p, admin); err != nil {
		t.Fatal(err)
	}
	left, err := c.Left(t.Context(), store.Server, p, "", 2000)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range left {
		got = append(got, r.TopID)
	}
	if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(kept))) {
		t.Errorf("%d are left: %v, want %v", len(got), got, kept)
	}
	if r := c.stored(t, store.Volume, id); !r.DeletedAt.IsZero() {
		t.Errorf("a volume is marked, though Cinder may have kept it from the list: %+v", r)
	}
}

func TestRebuild_FailsHalfWay_KeepsWhatItRead(t *testing.T) {
	ids := uuids(8)
	calls := 0
	for name, fault := range map[string]podtest.Handler{
		"reading the servers of pod east: pod east: compute: answered Service Unavailable": podtest.Status(503),
		"reading the servers of pod east: pod east: compute: broke off its answer":         podtest.Half(`{"servers": [`),
		`reading the servers of pod east: member "servers"`:                                podtest.JSON(200, `{"servers": 1}`),
		"reading the servers of pod east: the list does not advance past " + ids[2]:        pages("servers", ids[:3]),
	} {
		c := newCloud(t)
		calls = 0
		p := c.Register(&podtest.Pod{Region: "east", Compute: func(req *http.Request) (*http.Response, error) {
			if calls++; calls > 1 {
				req.URL.RawQuery = "all_tenants=1&limit=3" // a pod that does not know of markers
				return fault(req)
			}
			return pages("servers", ids)(req)
		}})
		counts, err := c.Rebuild(t.Context(), p, admin)
		if err == nil || !strings.HasPrefix(strings.ReplaceAll(err.Error(), "503 ", ""), name) {
			t.Errorf("got %v, want %s", err, name)
		}
		if counts["server"] < 3 {
			t.Errorf("%s: counted %v", name, counts)
		}
		for _, id := range ids[:3] {
			c.stored(t, store.Server, id)
		}
	}
}

func TestRebuild_NoToken_SaysSo(t *testing.T) {
	c := newCloud(t)
	p := c.Register(&podtest.Pod{Region: "east", Compute: pages("servers", nil)})
	outage := errors.New("keystone is out")
	if _, err := c.Rebuild(t.Context(), p, func(context.Context) (string, error) { return "", outage }); !errors.Is(err, outage) {
		t.Errorf("got %v", err)
	}
}
