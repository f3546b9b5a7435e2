package sqlstore

import (
	"context"
	"database/sql"
	"hash/fnv"

	"github.com/tricircle/tricircle/internal/store"
)

// InTx implements store.Objects.
func (s *Store) InTx(ctx context.Context, f func(tx store.Tx) error) error {
	return s.inTx(ctx, func(tx *sql.Tx) error { return f(&txn{view{s, tx}, tx}) })
}

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
	tx *sql.Tx
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
	_, err := t.enqueue(ctx, t.tx, jobs)
	return err
}
