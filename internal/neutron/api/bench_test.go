package api

import (
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/tricircle/tricircle/internal/store"
)

// BenchmarkRender is the part of a list of 1000 that is the engine's own: authorise and render.
func BenchmarkRender(b *testing.B) {
	fixture := newFixture(b)
	e := fixture.handler.(*engine)
	t := e.tables["ports"]
	var page []*store.Object
	for i := range 1000 {
		page = append(page, &store.Object{Kind: store.KindPort, ID: id(i), ProjectID: "p1", Revision: 3, CreatedAt: fixture.clock,
			UpdatedAt: fixture.clock, Attrs: map[string]any{"name": fmt.Sprint("port-", i), "network_id": id(1), "device_id": id(2),
				"mac_address": "fa:16:3e:00:00:01", "fixed_ips": []any{map[string]any{"subnet_id": id(3), "ip_address": "10.0.0.1"}},
				"security_groups": []any{id(4)}, "binding:host_id": "", "description": ""}})
	}
	c := &Call{Caller: callers["demo"], engine: e, r: httptest.NewRequestWithContext(b.Context(), "GET", "/v2.0/ports", nil)}
	if err := c.identify(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		rows, err := c.permitted(e.Store.Reader(), t, page)
		if err != nil || len(rows) != len(page) {
			b.Fatal(err, len(rows))
		}
		if _, err := c.render(t, 200, t.Plural, rows, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkShow is a whole GET of one network over SQLite in memory.
func BenchmarkShow(b *testing.B) {
	f := newFixture(b)
	n := f.network("demo", `{"name": "n"}`)
	b.ReportAllocs()
	for b.Loop() {
		if w := f.call("demo", "GET", "/v2.0/networks/"+n, ""); w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
}
