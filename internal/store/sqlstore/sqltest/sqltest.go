//go:build unix

// Package sqltest makes stores for tests, on either database. It is for tests only, and must not know what is stored.
package sqltest

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/tricircle/tricircle/internal/store/sqlstore"
	"github.com/tricircle/tricircle/internal/store/sqlstore/pgtest"
)

// InMemory is the URL of a new, empty database that nobody else sees.
const InMemory = "sqlite://:memory:"

// Open returns a store with the schema of this program, which is closed when the test has ended. now is its clock.
func Open(t testing.TB, url string, now func() time.Time) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), url, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// OnEach runs a test with the URL of a new, empty database of each kind.
func OnEach(t *testing.T, postgres *pgtest.Server, test func(t *testing.T, url string)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) { test(t, "sqlite://"+filepath.Join(t.TempDir(), "top.db")) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, postgres.NewDatabase(t)) })
}
