package sqlstore

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/tricircle/tricircle/internal/store"
)

// Whoever misses a turn within a transaction waits for it before the next, and gives up with its context.
func TestTurns_TakenByAnother_AreWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := newTurns()
		first, second := &heldTurns{all: all}, &heldTurns{all: all}
		if err := errors.Join(first.take(7), first.take(7), first.take(3)); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(second.take(9), second.take(7)); !errors.Is(err, errTurnTaken) {
			t.Fatalf("take of what another has: %v", err)
		}
		needed := second.needed()
		if len(needed) != 2 || needed[0] != 7 || needed[1] != 9 {
			t.Fatalf("needs %v, want what it had and what it missed, in order", needed)
		}
		second.leave()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- second.wait(ctx, needed) }()
		synctest.Wait()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Fatalf("wait of a cancelled context: %v", err)
		}
		second.leave()
		go func() { ended <- second.wait(t.Context(), needed) }()
		synctest.Wait()
		first.leave()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if err := first.take(7); !errors.Is(err, errTurnTaken) {
			t.Errorf("take of what was waited for by another: %v", err)
		}
		second.leave()
	})
}

// Transactions of one key, and of several, in any order, all come to an end.
func TestSerialize_KeysInAnyOrder_NobodyStarves(t *testing.T) {
	for _, e := range []engine{sqliteFile, postgreSQL} {
		t.Run(e.name, func(t *testing.T) {
			s := openMigrated(t, e)
			keys := []string{"a", "b", "c"}
			const each = 6
			errs := make(chan error)
			for i := range len(keys) * each {
				go func() {
					errs <- s.InTx(t.Context(), func(tx store.Tx) error {
						for j := range keys {
							if err := tx.Serialize(t.Context(), keys[(i+j)%len(keys)]); err != nil {
								return err
							}
						}
						return nil
					})
				}()
			}
			for range len(keys) * each {
				if err := <-errs; err != nil {
					t.Error(err)
				}
			}
			taken, err := query(t.Context(), s.read, scalar[int], `SELECT taken FROM turn`)
			if err != nil || len(taken) != len(keys) || taken[0] != len(keys)*each {
				t.Errorf("turns taken: %v, %v; want %d times each", taken, err, len(keys)*each)
			}
		})
	}
}
