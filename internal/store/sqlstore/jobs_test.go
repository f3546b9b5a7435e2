package sqlstore

import (
	"errors"
	"testing"

	"github.com/tricircle/tricircle/internal/store"
)

func TestOnEnqueue_Transaction_IsToldAfterItsCommit(t *testing.T) {
	s := openMigrated(t, sqliteMemory)
	told := 0
	s.OnEnqueue(func() { told++ })
	refused := errors.New("refused")
	for _, test := range []struct {
		jobs []store.NewJob
		err  error
		want int
	}{
		{nil, nil, 0},
		{[]store.NewJob{{Kind: "network", Resource: "a"}}, refused, 0},
		{[]store.NewJob{{Kind: "network", Resource: "a"}}, nil, 1},
	} {
		told = 0
		err := s.InTx(t.Context(), func(tx store.Tx) error {
			return errors.Join(tx.Enqueue(t.Context(), test.jobs...), test.err)
		})
		if !errors.Is(err, test.err) || told != test.want {
			t.Errorf("a transaction with %d jobs that ended with %v: %v, told %d times; want %d", len(test.jobs), test.err, err, told, test.want)
		}
	}
}
