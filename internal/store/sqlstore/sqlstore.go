// Package sqlstore keeps store.Store in an SQL database: SQLite for one machine, PostgreSQL (or what speaks its protocol)
// for many. It is the only package that knows SQL and database drivers, and it must not depend on anything of ours but
// package store.
//
// The text of every statement is constant or put together from constant fragments, and values travel as arguments, so
// that a driver prepares each statement once. Statements are written for both engines with ? as the placeholder; the few
// real differences are in type dialect. Points in time are stored as microseconds since 1970, so that neither time zones
// nor a driver's idea of a timestamp matter.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tricircle/tricircle/internal/store"
)

// Store is a store.Store in an SQL database. Open makes one.
type Store struct {
	dialect   *dialect
	read      *handle // autocommitted statements that change nothing
	write     *handle // everything else; the same handle as read where the engine allows many writers
	now       func() time.Time
	pods      podStatements
	routings  routingStatements
	bindings  bindingStatements
	settings  settingStatements
	jobs      jobStatements
	onEnqueue func() // may be nil
	owned     ownedStatements
	turns     *turns
}

var _ store.Store = (*Store)(nil)

// Open opens the database of a URL and sees whether it answers. It does not migrate: see Migrate and Version. The clock
// now stamps rows. These URLs are understood:
//
//	sqlite:///var/lib/tricircle/top.db   absolute path; the file is created when missing
//	sqlite://./top.db                    relative path
//	sqlite://:memory:                    gone when the store is closed
//	postgresql://user:pw@host/db?...     or postgres://; everything that libpq's connection URIs say
func Open(ctx context.Context, url string, now func() time.Time) (*Store, error) {
	d, read, write, err := connect(url)
	if err != nil {
		return nil, err
	}
	var count atomic.Int64
	s := &Store{
		dialect:  d,
		read:     &handle{DB: read, count: &count},
		write:    &handle{DB: write, count: &count},
		now:      now,
		pods:     newPodStatements(d),
		routings: newRoutingStatements(d),
		bindings: newBindingStatements(d),
		settings: newSettingStatements(d),
		jobs:     newJobStatements(d),
		owned:    newOwnedStatements(d),
		turns:    newTurns(),
	}
	if d.prepares && read != write {
		s.read.prepared = map[string]*sql.Stmt{}
	}
	// The writer first: it is the one that may create an SQLite file and turn on its write-ahead log.
	for _, db := range []*sql.DB{write, read} {
		if err := db.PingContext(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("open %s database: %w", d.name, err), s.Close())
		}
	}
	return s, nil
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.read.PingContext(ctx); err != nil {
		return fmt.Errorf("ping %s database: %w", s.dialect.name, err)
	}
	return nil
}

// Close waits for running statements and closes all connections.
func (s *Store) Close() error {
	err := s.write.Close()
	if s.read.DB != s.write.DB {
		err = errors.Join(s.read.Close(), err)
	}
	return err
}

// micros is t as the database keeps it; the zero time, which stands for "not known", becomes NULL.
func micros(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	us := t.UnixMicro()
	return &us
}

func timeOf(us int64) time.Time { return time.UnixMicro(us).UTC() }
