package sqlstore

import (
	"database/sql"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tricircle/tricircle/internal/store"
)

var planStart = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

func planID(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", n) }

// fill puts n servers of 100 projects into 4 pods, nine out of ten of them deleted, as it becomes in time.
func fill(t testing.TB, s *Store, n int) {
	t.Helper()
	rows := make([]store.Routing, n)
	for i := range rows {
		rows[i] = store.Routing{Type: store.Server, TopID: planID(i), PodNum: int32(1 + i%4),
			ProjectID: fmt.Sprint("project-", i%100), CreatedAt: planStart.Add(time.Duration(i/10) * time.Second)}
		if i/100%10 != 0 {
			rows[i].DeletedAt = planStart
		}
	}
	if err := s.PutRoutings(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	if _, err := s.write.ExecContext(t.Context(), "ANALYZE"); err != nil {
		t.Fatal(err)
	}
}

// TestPlans_HotQueries_UseAnIndex asks both planners what they would do, with enough rows for a scan to be a mistake.
func TestPlans_HotQueries_UseAnIndex(t *testing.T) {
	seek := func(project string, descending, idsAscend bool) func(s *Store) (string, []any, error) {
		return func(s *Store) (string, []any, error) {
			return s.seekQuery(store.SeekPoint{Type: store.Server, PodNum: 1, ProjectID: project, TopID: planID(7),
				CreatedAt: planStart.Add(time.Minute), Descending: descending, IDsAscend: idsAscend})
		}
	}
	list := func(f store.RoutingFilter) func(s *Store) (string, []any, error) {
		return func(s *Store) (string, []any, error) { return s.listQuery(f) }
	}
	live := func(project string) func(s *Store) (string, []any, error) {
		return func(s *Store) (string, []any, error) {
			text, args := s.liveQuery(store.Server, 1, project, 1000)
			return text, args, nil
		}
	}
	for _, e := range []engine{sqliteFile, postgreSQL} {
		t.Run(e.name, func(t *testing.T) {
			s := openMigrated(t, e)
			fill(t, s, 20_000)
			for _, test := range []struct {
				name  string
				query func(s *Store) (text string, args []any, err error)
			}{
				{"lookup", func(s *Store) (string, []any, error) {
					id, err := parseID(planID(1))
					return s.routings.lookup, []any{s.dialect.uuid(id), store.Server}, err
				}},
				{"get", func(s *Store) (string, []any, error) { return s.routings.get, []any{1}, nil }},
				{"list by top id", list(store.RoutingFilter{TopID: planID(1), Limit: 100})},
				{"list by bottom id", list(store.RoutingFilter{BottomID: planID(1), Limit: 100})},
				{"list page", list(store.RoutingFilter{Marker: 50, Limit: 100})},
				{"list project", list(store.RoutingFilter{ProjectID: "project-1", Limit: 100})},
				{"seek", seek("", true, true)},
				{"seek", seek("", true, false)},
				{"seek", seek("", false, true)},
				{"seek", seek("", false, false)},
				{"seek in project", seek("project-1", true, true)},
				{"seek in project", seek("project-1", true, false)},
				{"seek in project", seek("project-1", false, true)},
				{"seek in project", seek("project-1", false, false)},
				{"live in project", live("project-1")},
				{"live", live("")},
				{"purge", func(s *Store) (string, []any, error) { return s.routings.purge, []any{9, 1000}, nil }},
			} {
				text, args, err := test.query(s)
				if err != nil {
					t.Fatal(err)
				}
				plan := explain(t, s, text, args)
				if scansRouting.MatchString(plan) {
					t.Errorf("%s scans the table:\n%s\n%s", test.name, text, plan)
				}
				if test.name == "live in project" && !strings.Contains(plan, "routing_live_servers") {
					t.Errorf("%s goes through deleted rows too:\n%s\n%s", test.name, text, plan)
				}
				if strings.HasPrefix(test.name, "seek") && sortsAll.MatchString(plan) {
					t.Errorf("%s sorts rather than stop at the first row:\n%s\n%s", test.name, text, plan)
				}
			}
		})
	}
}

var (
	// As PostgreSQL or SQLite put it. A scan of SQLite in the order of an index is shown as SCAN ... USING INDEX.
	scansRouting = regexp.MustCompile(`Seq Scan on routing|SCAN (r|routing)\b`)
	// "Incremental Sort" and "TEMP B-TREE FOR LAST TERM" are fine: they only order rows of one instant.
	sortsAll = regexp.MustCompile(`(?m)^\s*(->\s+)?Sort  |TEMP B-TREE FOR ORDER BY`)
)

func explain(t testing.TB, s *Store, text string, args []any) string {
	t.Helper()
	prefix, scan := "EXPLAIN ", scalar[string]
	if s.dialect == &sqliteDialect {
		prefix = "EXPLAIN QUERY PLAN "
		scan = func(rows *sql.Rows) (detail string, err error) {
			var id, parent, unused int
			err = rows.Scan(&id, &parent, &unused, &detail)
			return detail, err
		}
	}
	lines, err := query(t.Context(), s.write, scan, prefix+text, args...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

func BenchmarkLookup(b *testing.B) {
	for _, e := range []engine{sqliteFile, postgreSQL} {
		b.Run(e.name, func(b *testing.B) {
			s := openMigrated(b, e)
			const n = 20_000
			fill(b, s, n)
			ctx := b.Context()
			i := 0
			for b.Loop() {
				rows, err := s.LookupRouting(ctx, store.Server, planID(i*7919%n))
				if err != nil || len(rows) != 1 {
					b.Fatalf("LookupRouting = %v, %v", rows, err)
				}
				i++
			}
		})
	}
}

// BenchmarkPut1000 puts pages of 1000 rows: all of them new, or all of them known, as when a list is seen again.
func BenchmarkPut1000(b *testing.B) {
	for _, e := range []engine{sqliteFile, postgreSQL} {
		for _, known := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/known=%v", e.name, known), func(b *testing.B) {
				s := openMigrated(b, e)
				fill(b, s, 20_000)
				ctx := b.Context()
				first := 0
				if !known {
					first = 1_000_000
				}
				rows := make([]store.Routing, 1000)
				for b.Loop() {
					for i := range rows {
						n := first + i
						rows[i] = store.Routing{Type: store.Server, TopID: planID(n), PodNum: int32(1 + n%4),
							ProjectID: fmt.Sprint("project-", n%100)}
					}
					if err := s.PutRoutings(ctx, rows); err != nil {
						b.Fatal(err)
					}
					if !known {
						first += len(rows)
					}
				}
			})
		}
	}
}
