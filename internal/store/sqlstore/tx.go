package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tricircle/tricircle/internal/store"
)

// InTx implements store.Objects. What had to run again for a turn takes it beforehand, and waits for it without a connection.
func (s *Store) InTx(ctx context.Context, f func(tx store.Tx) error) error {
	enqueued := false
	err := s.inTurns(ctx, func(t *txn) error {
		err := f(t)
		enqueued = t.enqueued
		return err
	})
	if err == nil && enqueued && s.onEnqueue != nil {
		s.onEnqueue()
	}
	return err
}

func (s *Store) inTurns(ctx context.Context, f func(t *txn) error) error {
	var needed []turn
	retryable := func(err error) bool { return errors.Is(err, errTurnTaken) || s.dialect.retryable(err) }
	return retry(ctx, retryable, func() error {
		t := &txn{turns: &heldTurns{all: s.turns}}
		defer t.turns.leave()
		if err := t.turns.wait(ctx, needed); err != nil {
			return err
		}
		err := s.tryTx(ctx, func(tx querier) error {
			t.view, t.tx = view{s, tx}, tx
			return f(t)
		})
		needed = t.turns.needed()
		if err != nil {
			t.restore()
		}
		return err
	})
}

// OnEnqueue makes f be called after each transaction of InTx that has enqueued jobs, to wake those who run them. Set it before the
// store is used.
func (s *Store) OnEnqueue(f func()) { s.onEnqueue = f }

// Reader implements store.Objects.
func (s *Store) Reader() store.Reader { return &view{s, s.read} }

// view is a store.Reader: of a transaction, or of what is committed.
type view struct {
	*Store
	q querier
}

// txn is a store.Tx.
type txn struct {
	view
	tx       querier
	turns    *heldTurns
	updated  []stamps
	enqueued bool
}

// stamps are what Update has changed of an object that is the caller's.
type stamps struct {
	object    *store.Object
	revision  int64
	updatedAt time.Time
}

// restore makes objects what they were before the transaction, which has written nothing: an update of the next try, or of somebody
// who handles the error, is of the revision that is stored.
func (t *txn) restore() {
	for _, s := range slices.Backward(t.updated) {
		s.object.Revision, s.object.UpdatedAt = s.revision, s.updatedAt
	}
}

// ownedStatements are those about what the top owns.
type ownedStatements struct {
	objects      map[store.ObjectKind]*objectStatements
	sides        sideStatements
	allocations  allocationStatements
	realizations realizationStatements
	takeTurn     string
}

func newOwnedStatements(d *dialect) ownedStatements {
	return ownedStatements{
		objects:      newObjectStatements(d),
		sides:        newSideStatements(d),
		allocations:  newAllocationStatements(d),
		realizations: newRealizationStatements(d),
		takeTurn: d.bind(`
			INSERT INTO turn (slot, taken) VALUES (?, 1) ON CONFLICT (slot) DO UPDATE SET taken = turn.taken + 1`),
	}
}

// Serialize implements store.Tx. Within the process transactions take turns; those of other processes change the same row, so that one
// of them runs again.
func (t *txn) Serialize(ctx context.Context, key string) error {
	number := turnOf(key)
	if err := t.turns.take(number); err != nil {
		return fmt.Errorf("serialize %s: %w", key, err)
	}
	if _, err := exec(ctx, t.tx, t.owned.takeTurn, number); err != nil {
		return fmt.Errorf("serialize %s: %w", key, err)
	}
	return nil
}

// Enqueue implements store.Tx.
func (t *txn) Enqueue(ctx context.Context, jobs ...store.NewJob) error {
	t.enqueued = t.enqueued || len(jobs) > 0
	_, err := t.enqueueInTurn(ctx, jobs)
	return err
}

// enqueueInTurn enqueues jobs, and takes turns with others in this process who ask for the same ones, once it has collided with one:
// all ports of a network may be asking for it.
func (t *txn) enqueueInTurn(ctx context.Context, jobs []store.NewJob) ([]store.Job, error) {
	rows, err := t.enqueue(ctx, t.tx, jobs)
	if err != nil && t.dialect.retryable(err) {
		for _, j := range jobs {
			t.turns.miss(turnOf("job " + j.Kind + " " + j.Resource))
		}
	}
	return rows, err
}
