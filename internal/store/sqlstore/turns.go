package sqlstore

import (
	"context"
	"errors"
	"hash/fnv"
	"slices"
)

// numTurns bounds the rows of the table turn. Keys that share one wait for each other, which costs them no more than that.
const numTurns = 1024

// turn is the number of what only one transaction may be about.
type turn uint32

func turnOf(key string) turn {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key)) // never fails
	return turn(h.Sum32() % numTurns)
}

// turns are those of a process: each channel has room for the one who has the turn.
type turns [numTurns]chan struct{}

func newTurns() *turns {
	var all turns
	for i := range all {
		all[i] = make(chan struct{}, 1)
	}
	return &all
}

// errTurnTaken says that somebody else has the turn, and that running again will wait for it.
var errTurnTaken = errors.New("another transaction is at it")

// heldTurns are those of one run of a transaction.
type heldTurns struct {
	all    *turns
	held   []turn
	missed []turn
}

// wait takes turns before the transaction begins. All who wait do so in the same order, so that none waits for another in a circle.
func (h *heldTurns) wait(ctx context.Context, needed []turn) error {
	for _, t := range needed {
		select {
		case h.all[t] <- struct{}{}:
			h.held = append(h.held, t)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// take takes a turn within the transaction, which has a connection and so must not wait.
func (h *heldTurns) take(t turn) error {
	if slices.Contains(h.held, t) {
		return nil
	}
	select {
	case h.all[t] <- struct{}{}:
		h.held = append(h.held, t)
		return nil
	default:
		h.miss(t)
		return errTurnTaken
	}
}

// miss notes a turn that another run needs.
func (h *heldTurns) miss(t turn) { h.missed = append(h.missed, t) }

// needed are the turns of another run, in order.
func (h *heldTurns) needed() []turn {
	all := slices.Concat(h.held, h.missed)
	slices.Sort(all)
	return slices.Compact(all)
}

// leave gives all turns back, when the transaction has ended.
func (h *heldTurns) leave() {
	for _, t := range h.held {
		<-h.all[t]
	}
	h.held = nil
}
