package obs

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// writes keeps what each call of Write was given.
type writes struct {
	mu  sync.Mutex
	all []string
}

func (w *writes) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, string(b))
	return len(b), nil
}

// take returns the writes since the last time.
func (w *writes) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.all
	w.all = nil
	return all
}

func TestBatch_Lines_AreWrittenTogetherAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w writes
		b := NewBatch(&w)
		for range 2 {
			_, _ = io.WriteString(b, "a\n")
			_, _ = io.WriteString(b, "b\n")
			if got := w.take(); len(got) != 0 {
				t.Errorf("written at once: %q", got)
			}
			<-time.After(batchTime)
			synctest.Wait()
			if got := w.take(); len(got) != 1 || got[0] != "a\nb\n" {
				t.Errorf("got %q", got)
			}
		}
	})
}

func TestBatch_Full_IsWritten(t *testing.T) {
	var w writes
	b := NewBatch(&w)
	line := strings.Repeat("x", batchSize/2)
	_, _ = io.WriteString(b, line)
	_, _ = io.WriteString(b, line)
	if got := w.take(); len(got) != 1 || got[0] != line+line {
		t.Errorf("%d writes", len(got))
	}
	if err := b.Flush(); err != nil || len(w.take()) != 0 {
		t.Errorf("nothing was left, and yet something is written; %v", err)
	}
}

func TestLogger_OnBatch_FlushesBehindAWarning(t *testing.T) {
	var w writes
	log := NewLogger(NewBatch(&w), slog.LevelInfo, FormatJSON).With("a", "b")
	log.Info("first")
	if got := w.take(); len(got) != 0 {
		t.Errorf("written at once: %q", got)
	}
	log.WarnContext(WithRequestID(context.Background(), "req-1", ""), "second")
	if got := w.take(); len(got) != 1 || strings.Count(got[0], "\n") != 2 || strings.Index(got[0], "first") > strings.Index(got[0], "second") {
		t.Errorf("got %q", got)
	}
}
