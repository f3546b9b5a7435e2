package obs

import (
	"io"
	"sync"
	"time"
)

const (
	batchTime = 100 * time.Millisecond // how late a line may be
	batchSize = 32 << 10               // bytes
)

// Batch writes what it is given later, many lines at once: a call of the system for each line of an access log costs a server as
// much as what the line is about. A logger of NewLogger that writes to it flushes it behind each warning and error; what is left
// in the end its owner must flush. Safe for concurrent use.
type Batch struct {
	w io.Writer

	mu      sync.Mutex
	waiting []byte
	later   *time.Timer // runs while something waits
}

// NewBatch makes a Batch that writes to w.
func NewBatch(w io.Writer) *Batch {
	b := &Batch{w: w}
	b.later = time.AfterFunc(batchTime, func() { _ = b.Flush() }) // nobody is there to be told
	b.later.Stop()
	return b
}

// Write takes a line. The error is one of writing lines before it.
func (b *Batch) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) == 0 {
		b.later.Reset(batchTime)
	}
	b.waiting = append(b.waiting, line...)
	if len(b.waiting) < batchSize {
		return len(line), nil
	}
	return len(line), b.flush()
}

// Flush writes what waits.
func (b *Batch) Flush() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.flush()
}

func (b *Batch) flush() error {
	b.later.Stop()
	if len(b.waiting) == 0 {
		return nil
	}
	_, err := b.w.Write(b.waiting)
	b.waiting = b.waiting[:0]
	return err
}
