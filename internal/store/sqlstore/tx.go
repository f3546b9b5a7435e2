package sqlstore

import (
	"context"
	"database/sql"
	"hash/fnv"

	"github.com/tricircle/tricircle/internal/store"
)

// InTx implements store.Objects.
func (s *Store) InTx(ctx context.Context, f func(tx store.Tx) error) error {
	var t *txn // of the last try
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		t = &txn{view: view{s, tx}, tx: tx}
		return f(t)
	})
	if err == nil && t.enqueued && s.onEnqueue != nil {
		s.onEnqueue()
	}
	return err
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
	tx       *sql.Tx
	enqueued bool
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

// Serialize implements store.Tx. Of two transactions that change one row, one waits for the other and then runs again. Keys share
// a bounded number of rows, which costs them no more than a wait.
func (t *txn) Serialize(ctx context.Context, key string) error {
	const slots = 4096
	h := fnv.New32a()
	_, _ = h.Write([]byte(key)) // never fails
	_, err := exec(ctx, t.tx, t.owned.takeTurn, h.Sum32()%slots)
	return err
}

// Enqueue implements store.Tx.
func (t *txn) Enqueue(ctx context.Context, jobs ...store.NewJob) error {
	t.enqueued = t.enqueued || len(jobs) > 0
	_, err := t.enqueue(ctx, t.tx, jobs)
	return err
}
