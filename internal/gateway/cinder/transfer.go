package cinder

import (
	"errors"
	"net/http"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/jsonx"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/routing"
	"github.com/tricircle/tricircle/internal/store"
)

// accept takes a volume over from another project. Until then the transfer is the donor's and shown to nobody else, so pods cannot
// be asked who has it: if the routing table does not know, the call itself goes from pod to pod. One that lacks the transfer does
// nothing and says 404 (cinder/transfer/api.py, accept).
func accept(c *gateway.Call) error {
	id := c.Params.Get("id")
	pods := c.Pods.Serving()
	switch p, err := c.PodOf(transfer, id); {
	case err == nil:
		pods = []*pod.Pod{p}
	case fault.From(err).Status != http.StatusNotFound:
		return err
	}
	var failure error = missing(transfer, id)
	for _, p := range pods {
		a, err := c.Do(c.Context(), p, gateway.Request{Method: http.MethodPost, Path: c.Path, Query: c.R.URL.RawQuery, Body: c.Body})
		unavailable, ok := errors.AsType[*pod.UnavailableError](err)
		switch {
		case ok && !unavailable.Sent:
			failure = err
		case err != nil:
			return err
		case a.Status != http.StatusNotFound || len(pods) == 1:
			adopt(c, p, a)
			return c.Reply(p, a)
		}
	}
	return failure
}

// adopt lets the routing table know whose the volume is that an accepted transfer shows.
func adopt(c *gateway.Call, p *pod.Pod, a *gateway.Answer) {
	id, _ := jsonx.String(a.Body, "transfer", "volume_id")
	if _, ok := routing.ParseID(id); !ok || !a.OK() {
		return
	}
	r := store.Routing{Type: volume, TopID: id, BottomID: id, PodNum: p.Num, ProjectID: c.Caller.ProjectID}
	if err := c.Routing.Record(c.Context(), r); err != nil {
		c.Log.WarnContext(c.Context(), "the new owner of a volume is not recorded; lists will tell", "error", err)
	}
}
