package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	osexec "os/exec"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tricircle/tricircle/internal/store"
)

func TestMigrate_EmptyDatabase_ReachesLatest(t *testing.T) {
	for _, e := range []engine{sqliteFile, sqliteMemory, postgreSQL} {
		t.Run(e.name, func(t *testing.T) {
			s := open(t, e.url(t))
			current, latest, err := s.Version(t.Context())
			if err != nil || current != 0 || latest < 1 {
				t.Fatalf("Version of an empty database = %d, %d, %v; want 0 and what is to come", current, latest, err)
			}
			if applied, err := s.Migrate(t.Context()); err != nil || int64(applied) != latest {
				t.Fatalf("Migrate = %d, %v; want %d", applied, err, latest)
			}
			if current, _, err := s.Version(t.Context()); err != nil || current != latest {
				t.Errorf("Version after Migrate = %d, %v; want %d", current, err, latest)
			}
			if applied, err := s.Migrate(t.Context()); err != nil || applied != 0 {
				t.Errorf("second Migrate = %d, %v; want nothing to do", applied, err)
			}
		})
	}
}

func TestVersion_DatabaseOfNewerRelease_IsAboveLatest(t *testing.T) {
	s := openMigrated(t, sqliteMemory)
	_, err := s.write.ExecContext(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)`)
	if err != nil {
		t.Fatal(err)
	}
	if current, latest, err := s.Version(t.Context()); err != nil || current != 999 || latest >= current {
		t.Errorf("Version = %d, %d, %v; want 999 and a smaller number", current, latest, err)
	}
}

func TestMigrate_SeveralProcessesAtOnce_EachMigrationRunsOnce(t *testing.T) {
	url := postgreSQL.url(t)
	type result struct {
		applied int
		err     error
	}
	const processes = 4
	results := make(chan result, processes)
	for range processes {
		s := open(t, url)
		go func() {
			applied, err := s.Migrate(t.Context())
			results <- result{applied, err}
		}()
	}
	total := 0
	for range processes {
		r := <-results
		if r.err != nil {
			t.Error(r.err)
		}
		total += r.applied
	}
	if _, latest, err := open(t, url).Version(t.Context()); err != nil || int64(total) != latest {
		t.Errorf("migrations ran %d times (%v), want %d", total, err, latest)
	}
}

// The rules that new security groups begin with come with the migration, whether the database is new or not, and only with it.
func TestMigrate_DefaultRules_ComeOnce(t *testing.T) {
	const before = 8 // the last version without them
	for _, e := range []engine{sqliteFile, postgreSQL} {
		t.Run(e.name, func(t *testing.T) {
			s := open(t, e.url(t))
			provider, err := s.migrator()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := provider.UpTo(t.Context(), before); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			all := store.ObjectQuery{Kind: store.KindDefaultRule}
			rules, err := s.Reader().List(t.Context(), all)
			if err != nil || len(rules) != 4 {
				t.Fatalf("a database of version %d has default rules %v (%v) now; want 4", before, rules, err)
			}
			documents, err := query(t.Context(), s.read, scalar[string], `SELECT CAST(doc AS text) FROM default_security_group_rule`)
			if err != nil {
				t.Fatal(err)
			}
			err = s.InTx(t.Context(), func(tx store.Tx) error {
				for _, o := range rules {
					if doc, err := encodeJSON(o.Attrs); err != nil || !slices.Contains(documents, doc) {
						t.Errorf("%s is not stored as Insert would: %s (%v)", o.ID, doc, err)
					}
					if err := tx.Delete(t.Context(), o.Kind, o.ID); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if applied, err := s.Migrate(t.Context()); err != nil || applied != 0 {
				t.Errorf("Migrate = %d, %v; want nothing to do", applied, err)
			}
			if n, err := s.Reader().Count(t.Context(), all); err != nil || n != 0 {
				t.Errorf("%d default rules have come back (%v)", n, err)
			}
		})
	}
}

func TestMigrations_BothDialects_HaveTheSameFiles(t *testing.T) {
	files := func(d *dialect) (names []string) {
		entries, err := fs.ReadDir(migrations, "migrations/"+d.name)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	if diff := cmp.Diff(files(&sqliteDialect), files(&postgresDialect)); diff != "" {
		t.Errorf("migrations of SQLite (-) and PostgreSQL (+):\n%s", diff)
	}
}

// TestSchema_BothDialects_HaveTheSameColumns compares tables, columns, and what may be NULL. Types differ by nature.
func TestSchema_BothDialects_HaveTheSameColumns(t *testing.T) {
	columns := func(e engine, text string) []string {
		s := openMigrated(t, e)
		names, err := query(context.Background(), s.read, scalar[string], text)
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	sqlite := columns(sqliteFile, `
		SELECT t.name || '.' || c.name || CASE WHEN c."notnull" = 1 OR c.pk > 0 THEN ' NOT NULL' ELSE '' END
		FROM pragma_table_list t, pragma_table_info(t.name) c
		WHERE t.name NOT LIKE 'sqlite_%' AND t.name <> 'goose_db_version'`)
	slices.Sort(sqlite)
	postgres := columns(postgreSQL, `
		SELECT table_name || '.' || column_name || CASE is_nullable WHEN 'NO' THEN ' NOT NULL' ELSE '' END
		FROM information_schema.columns
		WHERE table_schema = 'public' AND table_name <> 'goose_db_version'`)
	slices.Sort(postgres)
	if diff := cmp.Diff(sqlite, postgres); diff != "" {
		t.Errorf("columns of SQLite (-) and PostgreSQL (+):\n%s", diff)
	}
	if len(sqlite) == 0 {
		t.Error("no columns at all")
	}
}

// modernc.org/sqlite is C translated against one exact version of modernc.org/libc; with any other it may corrupt memory.
func TestDependencies_LibcVersion_IsTheOneSQLiteNames(t *testing.T) {
	used := struct{ Version string }{}
	goJSON(t, &used, "list", "-m", "-json", "modernc.org/libc")
	sqlite := struct{ GoMod string }{}
	goJSON(t, &sqlite, "list", "-m", "-json", "modernc.org/sqlite")
	var wanted struct {
		Require []struct{ Path, Version string }
	}
	goJSON(t, &wanted, "mod", "edit", "-json", sqlite.GoMod)
	for _, r := range wanted.Require {
		if r.Path == "modernc.org/libc" {
			if r.Version != used.Version {
				t.Errorf("go.mod uses modernc.org/libc %s, modernc.org/sqlite wants exactly %s", used.Version, r.Version)
			}
			return
		}
	}
	t.Errorf("%s does not name modernc.org/libc", sqlite.GoMod)
}

// goJSON decodes what a go command prints.
func goJSON(t *testing.T, into any, args ...string) {
	t.Helper()
	output, err := osexec.CommandContext(t.Context(), "go", args...).Output()
	var exit *osexec.ExitError
	if errors.As(err, &exit) {
		t.Fatalf("go %v: %v\n%s", args, err, exit.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(output, into); err != nil {
		t.Fatalf("go %v: %v", args, err)
	}
}
