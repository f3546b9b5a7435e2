package sqlstore

import (
	"context"
	"database/sql"
	"sync"
	"sync/atomic"
)

// handle is a *sql.DB that counts its statements, and prepares each of them once where the driver does not do so itself.
type handle struct {
	*sql.DB
	count *atomic.Int64

	mu       sync.Mutex
	prepared map[string]*sql.Stmt // nil if nothing is prepared here
}

// maxPrepared bounds the statements that are kept prepared: filters can be put together in many ways, of which few are usual.
const maxPrepared = 500

// QueryContext implements querier.
func (h *handle) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	h.count.Add(1)
	if s := h.statement(ctx, text); s != nil {
		return s.QueryContext(ctx, args...)
	}
	return h.DB.QueryContext(ctx, text, args...)
}

// ExecContext implements querier.
func (h *handle) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	h.count.Add(1)
	return h.DB.ExecContext(ctx, text, args...)
}

// statement returns a statement prepared, or nil if it shall not be, or cannot: whoever runs it finds out why.
func (h *handle) statement(ctx context.Context, text string) *sql.Stmt {
	h.mu.Lock()
	s, room := h.prepared[text], h.prepared != nil && len(h.prepared) < maxPrepared
	h.mu.Unlock()
	if s != nil || !room {
		return s
	}
	fresh, err := h.PrepareContext(ctx, text)
	if err != nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.prepared[text]; s != nil { // somebody was faster
		_ = fresh.Close() // nobody has used it
		return s
	}
	h.prepared[text] = fresh
	return fresh
}

// transaction is a *sql.Tx that counts its statements.
type transaction struct {
	*sql.Tx
	count *atomic.Int64
}

// QueryContext implements querier.
func (t transaction) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	t.count.Add(1)
	return t.Tx.QueryContext(ctx, text, args...)
}

// ExecContext implements querier.
func (t transaction) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	t.count.Add(1)
	return t.Tx.ExecContext(ctx, text, args...)
}

// Statements returns how many statements have been run since the store was opened, without those that begin and end transactions.
func (s *Store) Statements() int64 { return s.read.count.Load() }
