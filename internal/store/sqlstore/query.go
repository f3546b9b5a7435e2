package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// querier is a *sql.DB or a *sql.Tx.
type querier interface {
	QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error)
}

// query runs a statement and returns its rows as scan makes them.
func query[T any](
	ctx context.Context, q querier, scan func(*sql.Rows) (T, error), text string, args ...any,
) (_ []T, err error) {
	rows, err := q.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// scalar scans a row of one column.
func scalar[T any](rows *sql.Rows) (v T, err error) {
	err = rows.Scan(&v)
	return v, err
}

// exec runs a statement and returns how many rows it changed.
func exec(ctx context.Context, q querier, text string, args ...any) (int64, error) {
	result, err := q.ExecContext(ctx, text, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// where gathers conditions. Conditions are constant texts; whatever a user says is an argument.
type where struct {
	conditions []string
	args       []any
}

func (w *where) and(condition string, args ...any) {
	w.conditions = append(w.conditions, condition)
	w.args = append(w.args, args...)
}

func (w *where) String() string {
	if len(w.conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.conditions, " AND ")
}

// inTx runs f in a write transaction, and once more when it collided with another: f must have no effect elsewhere.
func (s *Store) inTx(ctx context.Context, f func(tx querier) error) error {
	return retry(ctx, s.dialect.retryable, func() error { return s.tryTx(ctx, f) })
}

func (s *Store) tryTx(ctx context.Context, f func(tx querier) error) (err error) {
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{Isolation: s.dialect.isolation})
	if err != nil {
		return err
	}
	if err := f(transaction{tx, s.write.count}); err != nil {
		if undo := tx.Rollback(); undo != nil && !errors.Is(undo, sql.ErrTxDone) {
			return errors.Join(err, undo)
		}
		return err
	}
	if err := tx.Commit(); err != nil {
		s.dialect.abandon(conn)
		return err
	}
	return nil
}

const (
	maxTries   = 30                   // over a second: other processes may be at the same rows for a while
	firstPause = 2 * time.Millisecond // upper bound of the first pause; doubles with every try
	maxPause   = 100 * time.Millisecond
)

// retry runs f until it succeeds, fails for good, or has failed maxTries times. Pauses are random, lest those that
// collided collide again.
func retry(ctx context.Context, retryable func(error) bool, f func() error) error {
	pause := firstPause
	for try := 1; ; try++ {
		err := f()
		if err == nil || !retryable(err) {
			return err
		}
		if try == maxTries {
			return fmt.Errorf("still in conflict after %d tries: %w", try, err)
		}
		select {
		case <-time.After(rand.N(pause)):
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
		pause = min(2*pause, maxPause)
	}
}
