package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// serve runs a server that answers by path, and returns its address.
func serve(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/chunked":
			_, _ = io.WriteString(w, strings.Repeat("a", 3000))
			w.(http.Flusher).Flush()
			_, _ = io.WriteString(w, "b")
		case "/partial":
			w.Header().Set("X-Tricircle-Missing-Pods", "pod1")
		case "/echo":
			_, _ = io.Copy(w, r.Body)
		case "/last":
			w.Header().Set("Connection", "close")
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func TestConn_Answers_AreReadToTheirEnds(t *testing.T) {
	for name, address := range map[string]string{"a server": serve(t), "its replay": replayOf(t)} {
		t.Run(name, func(t *testing.T) {
			c := conn{address: address}
			defer c.close()
			for range 2 { // on one connection: a rest of an answer would be taken for the next
				for path, want := range map[string]string{"/chunked": strings.Repeat("a", 3000) + "b", "/echo": "body", "/none": "", "/last": ""} {
					a, err := c.do(request("POST", path, "token", "body"), true)
					if err != nil || string(a.body) != want {
						t.Errorf("%s: %q, %v", path, a.body, err)
					}
				}
			}
		})
	}
}

func replayOf(t *testing.T) string {
	t.Helper()
	address, err := replay(t.Context(), serve(t))
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func TestDrive_Failures_AreToldApart(t *testing.T) {
	address := serve(t)
	for path, want := range map[string][2]int{"/none": {0, 0}, "/partial": {0, 1}, "/echo": {1, 0}} {
		clients := repeat(1, address, request("GET", path, "", ""), map[string]int{"/none": 204, "/partial": 200, "/echo": 404}[path])
		r := drive(t.Context(), time.Millisecond, clients)
		hangUp(clients)
		n := len(r.took)
		if n == 0 || r.api != want[0]*n || r.server != want[1]*n {
			t.Errorf("%s: %d calls, %d API, %d server", path, n, r.api, r.server)
		}
	}
	if r := drive(t.Context(), time.Millisecond, repeat(1, "127.0.0.1:1", nil, 200)); r.server != len(r.took) || r.server == 0 {
		t.Errorf("nobody listens: %d of %d failed", r.server, len(r.took))
	}
}

func TestPercentile(t *testing.T) {
	r := &result{}
	for i := range 200 {
		r.took = append(r.took, time.Duration(i+1))
	}
	for p, want := range map[float64]time.Duration{0: 1, 50: 100, 99: 198, 99.5: 199, 100: 200} {
		if got := r.percentile(p); got != want {
			t.Errorf("p%v: got %d, want %d", p, got, want)
		}
	}
}

func TestReplaceFigures_WhatPeopleWrote_Stays(t *testing.T) {
	name := filepath.Join(t.TempDir(), "benchmarks.md")
	text := "before\n" + beginFigures + "old\n" + endFigures + "after\n"
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := replaceFigures(name, "new\n"); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(name)
	if want := "before\n" + beginFigures + "\nnew\n\n" + endFigures + "after\n"; err != nil || string(got) != want {
		t.Errorf("got %s, %v", got, err)
	}
	if err := os.WriteFile(name, []byte("no place"), 0o600); err != nil {
		t.Fatal(err)
	}
	if replaceFigures(name, "new\n") == nil {
		t.Error("figures were put where there is no place for them")
	}
}
