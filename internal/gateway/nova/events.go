package nova

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/microversion"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/routing"
	"github.com/tricircle/tricircle/internal/store"
)

// externalEvent is what other services tell Nova about a server (nova/api/openstack/compute/schemas/server_external_events.py).
type externalEvent struct {
	Server *string `json:"server_uuid"`
	Name   *string `json:"name"`
	Status string  `json:"status"`
	Tag    string  `json:"tag"`
}

// eventsSince are the events by the microversion that brought them.
var eventsSince = map[string]microversion.Version{
	"network-changed": v(1), "network-vif-plugged": v(1), "network-vif-unplugged": v(1), "network-vif-deleted": v(1),
	"volume-extended": v(51), "power-update": v(76), "accelerator-request-bound": v(82), "volume-reimaged": v(93),
}

var eventStatuses = []string{"", "completed", "failed", "in-progress"}

// externalEvents is POST /os-server-external-events: each pod gets the events of its servers, and the answers are put together in the
// order of the request. Events of servers that nobody has go along with others, and that pod says that it does not know them. What
// a pod would refuse as a whole, or has no server of any pod, is left to one pod, so that nothing is done by halves.
func externalEvents(c *gateway.Call) error {
	events, ok := readEvents(c)
	if !ok {
		return c.AnyPod()
	}
	parts, err := splitEvents(c, events)
	if err != nil {
		return err
	}
	if len(parts) == 0 {
		return c.AnyPod()
	}
	answers := make([]*gateway.Answer, len(parts))
	errs := make([]error, len(parts))
	pods := make([]*pod.Pod, len(parts))
	for i, part := range parts {
		pods[i] = part.pod
	}
	c.Everywhere(pods, func(i int, p *pod.Pod) error {
		body := append(append([]byte(`{"events": [`), bytes.Join(parts[i].events, []byte(", "))...), `]}`...)
		answers[i], errs[i] = c.Do(c.Context(), p, gateway.Request{Method: http.MethodPost, Path: c.Path, Body: body})
		return errs[i]
	})
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return joinEvents(c, parts, answers, len(events))
}

// readEvents returns the events as they stand in the body; false if Nova would refuse it.
func readEvents(c *gateway.Call) (events []json.RawMessage, ok bool) {
	var doc struct {
		Events []json.RawMessage `json:"events"`
	}
	if !strict(c.Body, &doc) || len(doc.Events) == 0 {
		return nil, false
	}
	for _, raw := range doc.Events {
		var e externalEvent
		if !strict(raw, &e) || e.Server == nil || e.Name == nil || len(e.Tag) > 255 || !slices.Contains(eventStatuses, e.Status) {
			return nil, false
		}
		if since, known := eventsSince[*e.Name]; !known || c.Version.Less(since) {
			return nil, false
		}
		if _, isID := routing.ParseID(*e.Server); !isID {
			return nil, false
		}
	}
	return doc.Events, true
}

// strict decodes a document that has no other members than v.
func strict(doc []byte, v any) bool {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.DisallowUnknownFields()
	return d.Decode(v) == nil && !d.More()
}

// eventSlice is what one pod is told.
type eventSlice struct {
	pod    *pod.Pod
	events [][]byte
	places []int // in the request
}

// splitEvents puts each event to the pod of its server; none when no pod has any of the servers.
func splitEvents(c *gateway.Call, events []json.RawMessage) (out []*eventSlice, err error) {
	homes := make([]*pod.Pod, len(events))
	for i, raw := range events {
		var e externalEvent
		_ = json.Unmarshal(raw, &e) // has been decoded once
		if homes[i], err = c.PodOf(store.Server, *e.Server); err != nil && fault.From(err).Status != http.StatusNotFound {
			return nil, err
		}
	}
	anywhere := slices.IndexFunc(homes, func(p *pod.Pod) bool { return p != nil })
	if anywhere < 0 {
		return nil, nil
	}
	for i, raw := range events {
		home := homes[i]
		if home == nil {
			home = homes[anywhere]
		}
		at := slices.IndexFunc(out, func(s *eventSlice) bool { return s.pod == home })
		if at < 0 {
			at, out = len(out), append(out, &eventSlice{pod: home})
		}
		out[at].events, out[at].places = append(out[at].events, raw), append(out[at].places, i)
	}
	return out, nil
}

// joinEvents answers with all events in the order of the request: 200 if all were accepted, else 207. A pod that refuses its part
// as a whole, by its policy, speaks for all.
func joinEvents(c *gateway.Call, parts []*eventSlice, answers []*gateway.Answer, n int) error {
	all, status := make([]json.RawMessage, n), http.StatusOK
	for i, part := range parts {
		a := answers[i]
		if !a.OK() {
			return c.Reply(part.pod, a)
		}
		var doc struct {
			Events []json.RawMessage `json:"events"`
		}
		if err := json.Unmarshal(a.Body, &doc); err != nil || len(doc.Events) != len(part.places) {
			return fault.New(http.StatusBadGateway, "Pod %s did not answer for every event.", part.pod.Name())
		}
		for j, place := range part.places {
			all[place] = doc.Events[j]
		}
		status = max(status, a.Status)
	}
	return c.WriteJSON(status, map[string]any{"events": all})
}
