package sqlstore

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestBind_PostgreSQL_NumbersPlaceholders(t *testing.T) {
	const text = `SELECT a FROM t WHERE b = ? AND c IN (?, ?)`
	if got, want := postgresDialect.bind(text), `SELECT a FROM t WHERE b = $1 AND c IN ($2, $3)`; got != want {
		t.Errorf("bind = %q, want %q", got, want)
	}
	if got := sqliteDialect.bind(text); got != text {
		t.Errorf("bind for SQLite = %q, want no change", got)
	}
}

func TestRetry_Conflicts_AreRepeatedWithinBounds(t *testing.T) {
	conflict, final := error(&pgconn.PgError{Code: "40001"}), errors.New("final")
	for _, test := range []struct {
		name      string
		errs      []error // what each try returns; the last one from then on
		wantTries int
		want      error
	}{
		{"success", []error{nil}, 1, nil},
		{"success after conflicts", []error{conflict, conflict, nil}, 3, nil},
		{"other error", []error{final}, 1, final},
		{"other error after conflict", []error{conflict, final}, 2, final},
		{"conflict for ever", []error{conflict}, maxTries, conflict},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries, start := 0, time.Now()
				err := retry(t.Context(), postgresDialect.retryable, func() error {
					tries++
					return test.errs[min(tries, len(test.errs))-1]
				})
				if !errors.Is(err, test.want) || tries != test.wantTries {
					t.Errorf("%d tries, error %v; want %d, %v", tries, err, test.wantTries, test.want)
				}
				if took := time.Since(start); took > maxTries*maxPause {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

func TestRetry_ContextEndsInPause_ReturnsBothErrors(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	conflict := &pgconn.PgError{Code: "40P01"}
	tries := 0
	err := retry(ctx, postgresDialect.retryable, func() error {
		if tries++; tries == 2 {
			cancel()
		}
		return conflict
	})
	// When both the end of the pause and the context are ready, select may take another turn; never all of them.
	if !errors.Is(err, context.Canceled) || !errors.Is(err, conflict) {
		t.Errorf("error %v after %d tries, want the cancellation and the conflict", err, tries)
	}
}

// Two processes that write to one file: the second waits, or is told that the file is busy, which is worth another try.
func TestRetryable_SQLiteBusy_IsRetryable(t *testing.T) {
	url := sqliteFile.url(t)
	first, second := open(t, url), open(t, url)
	tx, err := first.write.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := second.write.ExecContext(t.Context(), "PRAGMA busy_timeout = 1"); err != nil {
		t.Fatal(err)
	}
	_, err = second.write.BeginTx(t.Context(), nil)
	if err == nil || !second.dialect.retryable(err) {
		t.Errorf("BeginTx while another writes: %v, want an error that is retryable", err)
	}
	if second.dialect.retryable(errors.New("other")) {
		t.Error("any error is retryable")
	}
}
