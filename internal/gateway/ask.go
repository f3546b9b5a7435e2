package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/identity"
	"github.com/tricircle/tricircle/internal/pod"
)

// Refusal is a pod's 4xx as the error of a call. The client gets the pod's answer, unless a handler thinks otherwise.
type Refusal struct {
	Pod    *pod.Pod
	Answer *Answer
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("pod %s answered %d", r.Pod.Name(), r.Answer.Status)
}

// errStop wraps what ends a whole answer rather than one pod's part of it.
var errStop = errors.New("the call cannot be served")

// Ask sends a GET for a part of an answer, and returns the pod's document with links and names made the top's. The error is a
// *Refusal if the pod says no, and a *pod.UnavailableError if it does not answer, is too busy, or talks nonsense.
func (c *Call) Ask(ctx context.Context, p *pod.Pod, path, query string) ([]byte, error) {
	a, err := c.partOf(ctx, p, Request{Method: http.MethodGet, Path: path, Query: query})
	if err != nil {
		return nil, err
	}
	return a.Body, nil
}

// partOf is Ask for any request.
func (c *Call) partOf(ctx context.Context, p *pod.Pod, r Request) (*Answer, error) {
	a, err := c.Do(ctx, p, r)
	switch {
	case err != nil:
		return nil, c.Absent(p, err)
	case busy(a.Status):
		return nil, c.tooBusy(p, a.Status, a.Header)
	case !a.OK():
		return nil, &Refusal{Pod: p, Answer: a}
	}
	if a.Body, err = c.rules().Rewrite(c.view(p), nil, a.Body); err != nil {
		return nil, c.Absent(p, err)
	}
	return a, nil
}

// busy reports whether a status means that the pod has nothing to say for now (docs/api/merge.md sections 5 and 6).
func busy(status int) bool {
	return status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestEntityTooLarge
}

// tooBusy is a busy status as the reason why the pod's part is missing.
func (c *Call) tooBusy(p *pod.Pod, status int, h http.Header) error {
	retry, _ := strconv.Atoi(h.Get("Retry-After"))
	return &pod.UnavailableError{Pod: p.Name(), Service: c.Service.Pod, Sent: true, RetryAfter: retry,
		Reason: fmt.Sprintf("answered %d %s", status, http.StatusText(status))}
}

// Absent is the error err of a pod as the reason why its part is missing, or why there can be no answer at all.
func (c *Call) Absent(p *pod.Pod, err error) error {
	_, unavailable := errors.AsType[*pod.UnavailableError](err)
	switch {
	case errors.Is(err, identity.ErrInvalidToken), c.Context().Err() != nil:
		return errors.Join(errStop, err)
	case unavailable:
		return err
	}
	reason := "its answer is broken"
	if errors.Is(err, context.DeadlineExceeded) {
		reason = "no answer in time"
	}
	return &pod.UnavailableError{Pod: p.Name(), Service: c.Service.Pod, Sent: true, Reason: reason, Err: err}
}

// Part is what one pod gives to an answer: a document, or an error of Ask.
type Part struct {
	Pod *pod.Pod
	Doc []byte
	Err error
}

// AskAll asks all pods that serve in parallel, and waits for them no longer than for a list.
func (c *Call) AskAll(path, query string) []*Part {
	var parts []*Part
	for _, p := range c.Parties() {
		parts = append(parts, &Part{Pod: p})
	}
	c.each(parts, func(ctx context.Context, part *Part) { part.Doc, part.Err = c.Ask(ctx, part.Pod, path, query) })
	return parts
}

// each calls ask for all parts in parallel, with a context that ends in time for a list, as soon as so many calls may be made. If
// that does not come to be, it is the parts' error.
func (c *Call) each(parts []*Part, ask func(context.Context, *Part)) {
	leave, err := c.fanOut(len(parts))
	ctx, cancel := context.WithTimeout(c.Context(), c.ListTimeout)
	defer cancel()
	var asked sync.WaitGroup
	for _, part := range parts {
		if part.Err = err; err == nil {
			asked.Go(func() {
				defer leave()
				ask(ctx, part)
			})
		}
	}
	asked.Wait()
}

// fanOut waits until so many calls to pods may be made. Each of them must leave.
func (c *Call) fanOut(calls int) (leave func(), err error) {
	if leave, err = c.Pods.FanOut(c.Context(), calls); err != nil {
		err = errors.Join(errStop, fault.Unavailable(err, "Too many requests to all pods are under way. Try again later."))
	}
	return leave, err
}

// Parties returns the pods that have a part in answers about all of them: those that serve and have the service, in order of
// registration.
func (c *Call) Parties() []*pod.Pod {
	return slices.DeleteFunc(c.Pods.Serving(), func(p *pod.Pod) bool {
		_, has := p.Endpoint(c.Service.Pod)
		return !has
	})
}
