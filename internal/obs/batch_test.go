package obs

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// writes keeps what each call of Write was given.
type writes []string

func (w *writes) Write(b []byte) (int, error) {
	*w = append(*w, string(b))
	return len(b), nil
}

func TestBatch_Lines_AreWrittenTogetherAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w writes
		b := NewBatch(&w)
		for range 2 {
			_, _ = io.WriteString(b, "a\n")
			_, _ = io.WriteString(b, "b\n")
			if len(w) != 0 {
				t.Errorf("written at once: %q", w)
			}
			<-time.After(batchTime)
			synctest.Wait()
			if len(w) != 1 || w[0] != "a\nb\n" {
				t.Errorf("got %q", w)
			}
			w = nil
		}
	})
}

func TestBatch_Full_IsWritten(t *testing.T) {
	var w writes
	b := NewBatch(&w)
	line := strings.Repeat("x", batchSize/2)
	_, _ = io.WriteString(b, line)
	_, _ = io.WriteString(b, line)
	if len(w) != 1 || w[0] != line+line {
		t.Errorf("%d writes", len(w))
	}
	if err := b.Flush(); err != nil || len(w) != 1 {
		t.Errorf("nothing was left: %d writes, %v", len(w), err)
	}
}

func TestLogger_OnBatch_FlushesBehindAWarning(t *testing.T) {
	var w writes
	log := NewLogger(NewBatch(&w), slog.LevelInfo, FormatJSON).With("a", "b")
	log.Info("first")
	if len(w) != 0 {
		t.Errorf("written at once: %q", w)
	}
	log.WarnContext(WithRequestID(context.Background(), "req-1", ""), "second")
	if len(w) != 1 || strings.Count(w[0], "\n") != 2 || strings.Index(w[0], "first") > strings.Index(w[0], "second") {
		t.Errorf("got %q", w)
	}
}
