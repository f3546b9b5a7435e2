package sqlstore

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/tricircle/tricircle/internal/store"
)

var portsInBench = flag.Int("ports", 20_000, "how many ports are in the database of BenchmarkObjects")

// BenchmarkObjects is what the networking API asks for, with many ports in the database: go test -run '^$' -bench Objects -ports 1000000.
// A project has 1000 of them, a network 100. The median is p50-ms; that no statement scans a table is asked of the planner first.
func BenchmarkObjects(b *testing.B) {
	list := func(q store.ObjectQuery) func(context.Context, store.Reader, int) error {
		q.Kind, q.Limit = store.KindPort, 1000
		return func(ctx context.Context, r store.Reader, _ int) error {
			_, err := r.List(ctx, q)
			return err
		}
	}
	reads := []struct {
		name string
		f    func(ctx context.Context, r store.Reader, i int) error
	}{
		{"show", func(ctx context.Context, r store.Reader, i int) error {
			_, err := r.Get(ctx, store.KindPort, planID(i*7919%*portsInBench))
			return err
		}},
		{"list=id", list(store.ObjectQuery{Filters: equalTo("id", planID(7)), VisibleTo: "project-0"})},
		{"list=name", list(store.ObjectQuery{Filters: equalTo("name", "port-7"), VisibleTo: "project-0"})},
		{"list=network,100rows", list(store.ObjectQuery{Filters: network7, VisibleTo: "project-0"})},
		{"list=device", list(store.ObjectQuery{Filters: equalTo("device_id", "device-7"), VisibleTo: "project-0"})},
		{"list=mac", list(store.ObjectQuery{Filters: equalTo("mac_address", "000000000007"), VisibleTo: "project-0"})},
		{"list=ip", list(store.ObjectQuery{Filters: equalTo("fixed_ips.ip_address", "::7"), VisibleTo: "project-0"})},
		{"list=group,200rows", list(store.ObjectQuery{Filters: equalTo("security_groups", planID(1)), VisibleTo: "project-0"})},
		{"list=tag", list(store.ObjectQuery{TagsAll: []string{"tag-1"}, VisibleTo: "project-1"})},
		{"list=state", list(store.ObjectQuery{Filters: equalTo("admin_state_up", false), VisibleTo: "project-1"})},
		{"list=project,1000rows", list(store.ObjectQuery{VisibleTo: "project-1"})},
		{"list=all,1000rows", list(store.ObjectQuery{Marker: planID(500)})},
		{"realizations=page,1000rows", func(ctx context.Context, r store.Reader, _ int) error {
			_, err := r.Realizations(ctx, pageRealizations)
			return err
		}},
		{"count=project", func(ctx context.Context, r store.Reader, _ int) error {
			_, err := r.Count(ctx, store.ObjectQuery{Kind: store.KindPort, Filters: equalTo("project_id", "project-1")})
			return err
		}},
	}
	for _, e := range []engine{sqliteFile, postgreSQL} {
		b.Run(e.name, func(b *testing.B) {
			s := openMigrated(b, e)
			fillPorts(b, s, *portsInBench)
			b.Run("size", func(b *testing.B) { benchSize(b, s) })
			for _, p := range objectPlans {
				b.Logf("%s:\n%s", p.name, checkPlan(b, s, p))
			}
			for _, read := range reads {
				b.Run(read.name, func(b *testing.B) {
					r, i := s.Reader(), 0
					var took []time.Duration
					for b.Loop() {
						begin := time.Now()
						if err := read.f(b.Context(), r, i); err != nil {
							b.Fatal(err)
						}
						took = append(took, time.Since(begin))
						i++
					}
					slices.Sort(took)
					b.ReportMetric(took[len(took)/2].Seconds()*1000, "p50-ms")
				})
			}
			b.Run("create", func(b *testing.B) { benchCreate(b, s) })
		})
	}
}

// benchSize says how many bytes a port takes, with all that belongs to it, indices included.
func benchSize(b *testing.B, s *Store) {
	text := `SELECT page_count * page_size FROM pragma_page_count, pragma_page_size`
	if s.dialect == &postgresDialect {
		text = `SELECT pg_database_size(current_database())`
	}
	for b.Loop() {
		size, err := query(b.Context(), s.read, scalar[int64], text)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(size[0])/float64(*portsInBench), "bytes/port")
	}
}

var errTaken = errors.New("the address is taken")

// benchCreate makes ports with an address, a group and a job, one after the other.
func benchCreate(b *testing.B, s *Store) {
	n := 0
	for b.Loop() {
		n++
		id := fmt.Sprintf("%08x-0000-4000-8000-00000000ffff", n)
		o := &store.Object{Kind: store.KindPort, ID: id, ProjectID: "project-0", Attrs: map[string]any{
			"network_id": planID(1), "mac_address": id, "security_groups": []any{planID(1)}, "name": "new", "tags": []any{}}}
		ip := netip.AddrFrom16([16]byte{1, 15: byte(n), 14: byte(n >> 8), 13: byte(n >> 16)})
		err := s.InTx(b.Context(), func(tx store.Tx) error {
			ok, err := tx.ClaimAddress(b.Context(), store.Address{SubnetID: planID(1), IP: ip, PortID: id})
			if err == nil && !ok {
				err = errTaken
			}
			if err != nil {
				return err
			}
			if err := tx.Insert(b.Context(), o); err != nil {
				return err
			}
			return tx.Enqueue(b.Context(), store.NewJob{Kind: "port", Resource: id})
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
