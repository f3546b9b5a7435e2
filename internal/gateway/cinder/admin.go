package cinder

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/jsonx"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/routing"
	"github.com/tricircle/tricircle/internal/store"
)

// The handlers of administrators' calls are for those that name no host: they are about all services, of all pods.

// getLogs is PUT /os-services/get-log.
func getLogs(c *gateway.Call) error { return c.Gather("log_levels") }

// setLogs is PUT /os-services/set-log. It changes something, so unlike a list it fails when a pod does; it may be sent again.
func setLogs(c *gateway.Call) error {
	pods := c.Pods.Serving()
	answers := make([]*gateway.Answer, len(pods))
	missing := c.Everywhere(pods, func(i int, p *pod.Pod) (err error) {
		answers[i], err = c.Do(c.Context(), p, gateway.Request{Method: c.R.Method, Path: c.Path, Body: c.Body})
		return err
	})
	for i, a := range answers {
		if a != nil && !a.OK() {
			return c.Reply(pods[i], a)
		}
	}
	if len(missing) > 0 {
		return fault.Unavailable(nil, "The levels are not set in %s, where Cinder does not answer. They are in the other pods.",
			strings.Join(missing, ", "))
	}
	if len(pods) == 0 {
		return c.AnyPod() // says that there is none
	}
	return c.Reply(pods[0], answers[0])
}

// cleanable are the resources that processes may have left half done, under the names that cleanUp takes.
var cleanable = map[string]store.ResourceType{"volume": store.Volume, "snapshot": store.Snapshot, "backup": store.Backup}

// cleanUp is POST /workers/cleanup: of one resource, of the service with an integer id, or of all that match.
func cleanUp(c *gateway.Call) error {
	if id, ok := jsonx.String(c.Body, "resource_id"); ok {
		return cleanUpOne(c, id)
	}
	raw, ok, _ := jsonx.Get(c.Body, "service_id")
	if !ok {
		return c.Gather("cleaning", "unavailable")
	}
	encoded, err := strconv.ParseInt(strings.Trim(string(raw), `"`), 10, 64)
	if err != nil {
		return c.AnyPod() // which refuses it
	}
	p, id := c.Pods.SplitInteger(encoded)
	if p == nil {
		return fault.NotFound("Service %d could not be found.", encoded)
	}
	body, err := jsonx.Set(c.Body, strconv.AppendInt(nil, id, 10), "service_id")
	if err != nil {
		return fault.BadRequest("Malformed request body")
	}
	return c.Forward(p, body)
}

// cleanUpOne asks the pod that has a resource, of the type given or of any.
func cleanUpOne(c *gateway.Call, id string) error {
	kind, _ := jsonx.String(c.Body, "resource_type")
	types := []store.ResourceType{store.Volume, store.Snapshot, store.Backup}
	if typ := cleanable[strings.ToLower(kind)]; typ != 0 {
		types = []store.ResourceType{typ}
	}
	if _, isID := routing.ParseID(id); !isID {
		return c.AnyPod()
	}
	failure := c.AnyPod // no pod has it, and says so
	for _, typ := range types {
		p, err := c.PodOf(typ, id)
		if err == nil {
			return c.Forward(p, c.Body)
		}
		if fault.From(err).Status != http.StatusNotFound {
			failure = func() error { return err }
		}
	}
	return failure()
}
