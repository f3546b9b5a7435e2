package gateway

import (
	"context"
	"net/http"

	"github.com/tricircle/tricircle/internal/pod"
)

// First asks all pods for what only one of them can know, and nobody knows which: the first that does answers. If none does, a
// refusal goes before a pod that is missing, and that before "not found", for it may be there.
func (c *Call) First() error {
	type result struct {
		pod    *pod.Pod
		answer *Answer
		err    error
	}
	ctx, cancel := context.WithTimeout(c.Context(), c.ListTimeout)
	defer cancel()
	pods := c.Pods.Serving()
	results := make(chan result, len(pods))
	for _, p := range pods {
		go func() {
			a, err := c.Do(ctx, p, Request{Method: c.R.Method, Path: c.Path, Query: c.R.URL.RawQuery})
			results <- result{p, a, err}
		}()
	}
	var refusal, unknown *result
	var failure error
	for range pods {
		switch r := <-results; {
		case r.err != nil:
			failure = r.err
		case r.answer.OK():
			return c.Reply(r.pod, r.answer)
		case r.answer.Status == http.StatusNotFound:
			unknown = &r
		default:
			refusal = &r
		}
	}
	switch {
	case refusal != nil:
		return c.Reply(refusal.pod, refusal.answer)
	case failure != nil:
		return failure
	case unknown != nil:
		return c.Reply(unknown.pod, unknown.answer)
	}
	return c.noneOf(nil)
}
