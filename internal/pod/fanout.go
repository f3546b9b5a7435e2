package pod

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// fanOut bounds the calls that requests to all pods make together. One such request makes as many calls as there are pods, so a
// few hundred of them over a hundred pods would need more connections than a process may have, and all of them at once: they
// would time out on dialing, and healthy pods would look dead.
type fanOut struct {
	size  int
	calls *semaphore.Weighted
}

// newFanOut makes one for so many calls at once; nil, which has no limit, for 0.
func newFanOut(size int) *fanOut {
	if size <= 0 {
		return nil
	}
	return &fanOut{size, semaphore.NewWeighted(int64(size))}
}

// maxWait is how long a request waits until its calls may be made. Clients, and what stands before the top, wait a minute for an
// answer: what is left of it suffices when so many others have just been answered.
const maxWait = 45 * time.Second

// FanOut waits, in order of arrival, until n more calls may be made to pods by requests that go to all. The function that it returns
// must be called as often, as soon as a call has failed or its answer has been read: a pod that hangs must not hold up what the
// others are asked. The error is the context's, or context.DeadlineExceeded after maxWait. All n are let in together, and who has entered must not enter again before it has
// left: none waits for what it holds itself.
func (s *Snapshot) FanOut(ctx context.Context, n int) (leave func(), err error) {
	f := s.fanOut
	if f == nil || n <= 1 {
		return func() {}, nil
	}
	ctx, stop := context.WithTimeout(ctx, maxWait)
	defer stop()
	weight := min(n, f.size)
	if err := f.calls.Acquire(ctx, int64(weight)); err != nil {
		return nil, err
	}
	var left atomic.Int64
	left.Store(int64(n))
	return func() {
		if left.Add(-1) < int64(weight) {
			f.calls.Release(1)
		}
	}, nil
}
