package simcloud

import (
	"slices"
	"time"

	"github.com/tricircle/tricircle/internal/fault"
)

// backendSize is what a pod's storage holds. A larger volume finds no place: it is in error, and a message says why.
const backendSize = 50000

// message tells a user what went wrong behind an accepted request.
type message struct {
	id, project, request, volume string
	created                      time.Time
}

func (m *message) ref() (id, project string) { return m.id, m.project }
func (m *message) filter(name string) string {
	return map[string]string{"id": m.id, "resource_uuid": m.volume, "resource_type": "VOLUME", "request_id": m.request,
		"created_at": m.created.Format(micro)}[name]
}

var messageSortKeys = map[string]bool{"id": true, "created_at": true, "resource_uuid": true, "request_id": true}

// place puts a new volume on the storage, if it fits.
func (v *volume) place(c *call, x *disk) {
	if x.size <= backendSize {
		return
	}
	x.status = "error"
	v.messages = slices.Insert(v.messages, 0, &message{id: c.cloud.opts.NewID(), project: x.project, request: c.requestID, volume: x.id,
		created: c.cloud.opts.Now().UTC().Truncate(time.Second)})
}

func (v *volume) listMessages(c *call) error {
	if !c.at(5) {
		clear(c.query) // it knows no parameters yet
	}
	return shelf[*message]{member: "messages", links: "messages_links", missing: "Message", keys: messageSortKeys, write: renderMessage,
		filters: []string{"resource_uuid", "resource_type", "event_id", "request_id", "message_level"}}.list(c, v.messages)
}

func renderMessage(c *call, m *message) {
	d := c.body
	d.obj()
	d.str("id", m.id)
	d.str("event_id", "VOLUME_VOLUME_001_003")
	d.str("user_message", "schedule allocate volume:Could not find any available weighted backend.")
	d.str("message_level", "ERROR")
	d.time("created_at", m.created, micro)
	d.time("guaranteed_until", m.created.Add(30*24*time.Hour), micro)
	d.str("request_id", m.request)
	c.writeLinks("messages", m.id)
	d.str("resource_type", "VOLUME")
	d.str("resource_uuid", m.volume)
	d.endObj()
}

func (v *volume) ownMessage(c *call) (*message, error) {
	if m := ownFew(c.tok, v.messages, c.arg[0]); m != nil {
		return m, nil
	}
	return nil, fault.NotFound("Message %s could not be found.", c.arg[0])
}

func (v *volume) showMessage(c *call) error {
	m, err := v.ownMessage(c)
	if err != nil {
		return err
	}
	return member(c, "message", m, renderMessage)
}

func (v *volume) deleteMessage(c *call) error {
	m, err := v.ownMessage(c)
	if err != nil {
		return err
	}
	v.messages = slices.DeleteFunc(v.messages, func(x *message) bool { return x == m })
	c.noContent()
	return nil
}
