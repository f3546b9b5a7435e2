package sqlstore

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// One folder per dialect, the same numbers in each. Append only: a file that was released never changes.
//
//go:embed migrations
var migrations embed.FS

// Migrate brings the schema up to date and returns how many migrations it applied. On PostgreSQL several processes may
// migrate at once: one does the work and the others wait. An SQLite file is for one process at a time.
func (s *Store) Migrate(ctx context.Context) (applied int, err error) {
	provider, err := s.migrator()
	if err != nil {
		return 0, err
	}
	results, err := provider.Up(ctx)
	if err != nil {
		return 0, fmt.Errorf("migrate %s database: %w", s.dialect.name, err)
	}
	return len(results), nil
}

// Version returns the version of the schema, 0 for an empty database, and the one that this program was written for. They
// differ before Migrate, and when a newer release has been at work.
func (s *Store) Version(ctx context.Context) (current, latest int64, err error) {
	provider, err := s.migrator()
	if err != nil {
		return 0, 0, err
	}
	current, latest, err = provider.GetVersions(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("read schema version of %s database: %w", s.dialect.name, err)
	}
	return current, latest, nil
}

func (s *Store) migrator() (*goose.Provider, error) {
	folder, err := fs.Sub(migrations, "migrations/"+s.dialect.name)
	if err != nil {
		return nil, fmt.Errorf("open migrations: %w", err)
	}
	options := []goose.ProviderOption{goose.WithLogger(goose.NopLogger()), goose.WithDisableGlobalRegistry(true)}
	if s.dialect.goose == goose.DialectPostgres {
		// Try for the lock every second for ten minutes: a migration of a big table takes its time.
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 600))
		if err != nil {
			return nil, fmt.Errorf("make migration lock: %w", err)
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	provider, err := goose.NewProvider(s.dialect.goose, s.write.DB, folder, options...)
	if err != nil {
		return nil, fmt.Errorf("load migrations: %w", err)
	}
	return provider, nil
}
