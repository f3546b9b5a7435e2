package pod

import (
	"context"

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

// FanOut waits, in order of arrival, until n more calls may be made to pods by requests that go to all, and returns the
// function that ends those calls. The error is the context's. Who has entered must not enter again before it has left.
func (s *Snapshot) FanOut(ctx context.Context, n int) (leave func(), err error) {
	f := s.fanOut
	if f == nil || n <= 1 {
		return func() {}, nil
	}
	weight := int64(min(n, f.size))
	if err := f.calls.Acquire(ctx, weight); err != nil {
		return nil, err
	}
	return func() { f.calls.Release(weight) }, nil
}
