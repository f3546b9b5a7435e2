package sqlstore

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/tricircle/tricircle/internal/store"
)

// TestPlans_Jobs_UseAnIndex has a queue and a history that are long.
func TestPlans_Jobs_UseAnIndex(t *testing.T) {
	scansJobs := regexp.MustCompile(`Seq Scan on job\b|SCAN job(\n|$)`)
	for _, e := range []engine{sqliteFile, postgreSQL} {
		t.Run(e.name, func(t *testing.T) {
			s := openMigrated(t, e)
			const n = 20_000
			jobs := make([]store.NewJob, n)
			for i := range jobs {
				jobs[i] = store.NewJob{Kind: "port", Resource: fmt.Sprint(i), ProjectID: fmt.Sprint("project-", i%100), PodNum: int32(i % 50)}
			}
			if _, err := s.EnqueueJobs(t.Context(), jobs...); err != nil {
				t.Fatal(err)
			}
			for _, text := range []string{ // nine out of ten have ended, most of the rest wait
				`UPDATE job SET state = 'done', ended_at = id, run_at = NULL WHERE id % 10 <> 0`,
				`UPDATE job SET state = 'waiting', run_at = run_at + 1000000000, waits_kind = 'network', waits_for = resource WHERE id % 100 = 0`,
				`ANALYZE`,
			} {
				if _, err := s.write.ExecContext(t.Context(), text); err != nil {
					t.Fatal(err)
				}
			}
			list := func(f store.JobFilter) []any {
				f.Limit = 100
				text, args := s.listJobsQuery(f)
				return append([]any{text}, args...)
			}
			for name, query := range map[string][]any{
				"due":             {s.jobs.due, 1, `["network","port"]`, `[1,2]`, 16},
				"get":             {s.jobs.get, 1},
				"claim":           {s.jobs.claim, "me", 1, 1, 1, 1, 1, 1},
				"renew":           {s.jobs.renew, 1, 1, 1},
				"touch":           {s.jobs.touch, "network", "1"},
				"wake":            {s.jobs.wake, 1, 1, "network", "1"},
				"tell":            {s.jobs.tell, "500", "network", "1"},
				"purge":           {s.jobs.purge, 1, 1000},
				"list of project": list(store.JobFilter{ProjectID: "project-1"}),
				"list of state":   list(store.JobFilter{States: []store.JobState{store.JobParked}}),
			} {
				plan := explain(t, s, query[0].(string), query[1:])
				if scansJobs.MatchString(plan) {
					t.Errorf("%s scans the table:\n%s\n%s", name, query[0], plan)
				}
				if name == "due" && (!strings.Contains(plan, "job_due") || sortsAll.MatchString(plan)) {
					t.Errorf("%s does not go along the queue:\n%s\n%s", name, query[0], plan)
				}
			}
		})
	}
}

// BenchmarkJob takes a job from the queue to the history, as an engine does.
func BenchmarkJob(b *testing.B) {
	for _, e := range []engine{sqliteFile, postgreSQL} {
		b.Run(e.name, func(b *testing.B) {
			s := openMigrated(b, e)
			ctx := b.Context()
			n := 0
			for b.Loop() {
				n++
				rows, err := s.EnqueueJobs(ctx, store.NewJob{Kind: "port", Resource: fmt.Sprint(n), PodNum: 1})
				if err != nil {
					b.Fatal(err)
				}
				j, err := s.ClaimJob(ctx, store.JobClaim{JobLease: rows[0].Lease(), Owner: "me", For: 1 << 40})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := s.FinishJob(ctx, j.Lease(), store.JobOutcome{State: store.JobDone, Gen: j.Gen}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
