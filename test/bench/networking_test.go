package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// cloud is a networking API that keeps what is made in it.
type cloud struct {
	mu      sync.Mutex
	made    int
	objects map[string]string // collection, by path
	// before may answer a call instead, and then says so. It runs with the lock held.
	before func(w http.ResponseWriter, r *http.Request) bool
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	collection := strings.Split(r.URL.Path, "/")[2]
	one := strings.TrimSuffix(collection, "s")
	switch {
	case c.before != nil && c.before(w, r):
	case r.Method == http.MethodPost:
		var body map[string]json.RawMessage
		var many []json.RawMessage
		if json.NewDecoder(r.Body).Decode(&body) != nil || body[one] == nil && json.Unmarshal(body[collection], &many) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		for range max(1, len(many)) {
			c.made++
			c.objects[fmt.Sprint("/v2.0/", collection, "/", c.made)] = collection
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprintf(w, `{%q: {"id": "%d"}}`, one, c.made)
	case r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, collection):
		list := []map[string]string{}
		for path, of := range c.objects {
			if of == collection {
				list = append(list, map[string]string{"id": path[strings.LastIndex(path, "/")+1:]})
			}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{strings.ReplaceAll(collection, "-", "_"): list})
	case c.objects[r.URL.Path] == "":
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodDelete:
		delete(c.objects, r.URL.Path)
		w.WriteHeader(http.StatusNoContent)
	}
}

// subject makes one that measures the cloud, with little time for everything.
func (c *cloud) subject(t *testing.T) *subject {
	t.Helper()
	c.objects = map[string]string{"/v2.0/security-groups/default": "security-groups"}
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	return &subject{address: strings.TrimPrefix(s.URL, "http://"), operation: time.Millisecond, filling: time.Minute, networks: 12, ports: 120}
}

// left is what is in the cloud. Subnets go with their networks.
func (c *cloud) left() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var paths []string
	for path, collection := range c.objects {
		if collection != "subnets" {
			paths = append(paths, path)
		}
	}
	return paths
}

func TestMeasure_EveryOperation_IsMeasuredAndCleanedUp(t *testing.T) {
	c := &cloud{}
	s := c.subject(t)
	all, err := s.measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range all {
		if names = append(names, fmt.Sprint(m.name, " ", m.clients)); len(m.took) == 0 || m.api+m.server > 0 || m.elapsed == 0 {
			t.Errorf("%s: %+v", m.name, m)
		}
	}
	want := []string{
		"create network 1", "show network 1", "list 12 networks 1", "update network 1", "delete network 1",
		"create network 8", "show network 8", "list 12 networks 8", "update network 8", "delete network 8",
		"create port 1", "show port 1", "list 120 ports 1", "update port 1", "delete port 1",
		"create port 8", "show port 8", "list 120 ports 8", "update port 8", "delete port 8",
	}
	if !slices.Equal(names, want) {
		t.Errorf("measured %q", names)
	}
	if n := len(c.left()); n < 120+12+1 {
		t.Errorf("only %d objects were there to list", n)
	}
	if err := s.clean("project"); err != nil {
		t.Error(err)
	}
	if left := c.left(); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestFill_NoMoreTime_SaysHowManyThereAre(t *testing.T) {
	c := &cloud{}
	s := c.subject(t)
	s.filling = 0
	made, err := s.fill(t.Context(), "port", "{}", 1000, 50)
	if have := len(c.left()) - 1; err != nil || made != have || made < 50 || made > 100 {
		t.Errorf("fill = %d, %v; there are %d, want one request of each of two clients", made, err, have)
	}
}

func TestMeasure_Interrupted_LeavesNothingBehind(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	c := &cloud{}
	c.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			interrupt()
		}
		return false
	}
	s := c.subject(t)
	if _, err := s.measure(ctx); err == nil || ctx.Err() == nil {
		t.Errorf("measure = %v after an interruption", err)
	}
	if err := s.clean("project"); err != nil || len(c.left()) > 0 {
		t.Errorf("clean = %v, left behind: %q", err, c.left())
	}
}

func TestMeasure_CallThatNeverSucceeds_IsNamedWithItsAnswer(t *testing.T) {
	c := &cloud{before: func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			http.Error(w, "the database is gone", http.StatusInternalServerError)
		}
		return r.Method == http.MethodPut
	}}
	_, err := c.subject(t).measure(t.Context())
	if err == nil || !strings.Contains(err.Error(), "update network") || !strings.Contains(err.Error(), "500") || !strings.Contains(err.Error(), "the database is gone") {
		t.Errorf("measure = %v, want what failed, and how", err)
	}
}

func TestRun_CallThatFailsOnce_IsCountedAndToldOf(t *testing.T) {
	failed := false
	c := &cloud{before: func(w http.ResponseWriter, r *http.Request) bool {
		if failed || r.Method != http.MethodPost {
			return false
		}
		failed = true
		http.Error(w, "try again", http.StatusConflict)
		return true
	}}
	s := c.subject(t)
	m, err := s.run(t.Context(), 8, s.operations("port", "{}", 1)[0]) // each client makes a call
	if err != nil || m.api != 1 || m.server != 0 || len(m.took) < 7 || len(s.ids) != len(m.took) {
		t.Fatalf("run = %+v, %v; made %q", m, err, s.ids)
	}
	want := fmt.Sprintf("Failed, and not counted: 1 of %d calls of Neutron (create port, 8 clients: status 409, want 201", len(m.took)+1)
	if got := failures([]string{"Neutron"}, []measured{*m}); !strings.HasPrefix(got, want) || !strings.Contains(got, "try again") {
		t.Errorf("failures = %q, want %q", got, want)
	}
	if got := failures([]string{"Neutron"}, nil); got != "No call failed." {
		t.Errorf("failures of nothing = %q", got)
	}
}

func TestClean_RefusedAtFirst_IsTriedAgain(t *testing.T) {
	refused := map[string]bool{}
	c := &cloud{before: func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodDelete || refused[r.URL.Path] {
			return false
		}
		refused[r.URL.Path] = true
		w.WriteHeader(http.StatusConflict)
		return true
	}}
	s := c.subject(t)
	if _, err := s.fill(t.Context(), "port", "{}", 20, 5); err != nil {
		t.Fatal(err)
	}
	if err := s.clean("project"); err != nil || len(c.left()) > 0 {
		t.Errorf("clean = %v, left behind: %q", err, c.left())
	}
}

func TestVersus_Ratios_SayHowMuchFasterTheTopIs(t *testing.T) {
	theirs := measured{name: "create port", clients: 8, result: result{took: []time.Duration{time.Second, time.Second}, elapsed: 4 * time.Second}}
	ours := measured{name: "create port", clients: 8, result: result{took: slices.Repeat([]time.Duration{5 * time.Millisecond}, 100), elapsed: time.Second}}
	want := []string{"create port", "8", "0.50", "100", "200.00", "1000", "5.000", "200.00"}
	if got := versus(&theirs, &ours); !slices.Equal(got, want) {
		t.Errorf("versus = %q, want %q", got, want)
	}
}
