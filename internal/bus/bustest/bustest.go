// Package bustest is what every bus must do, whatever carries it. It knows the interface only, and must not import an implementation.
package bustest

import (
	"fmt"
	"testing"
	"time"

	"github.com/tricircle/tricircle/internal/bus"
)

// patience is how long a message may take that must come.
const patience = 10 * time.Second

// Run tests two ends of one bus, new ones for each test. They may be the same.
func Run(t *testing.T, open func(t *testing.T) (a, b bus.Bus)) {
	tests := map[string]func(t *testing.T, a, b bus.Bus){
		"Everybody": testEverybody,
		"Topics":    testTopics,
		"Order":     testOrder,
		"Cancel":    testCancel,
		"Nobody":    testNobody,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a, b := open(t)
			test(t, a, b)
		})
	}
}

// inbox is what a subscriber has received.
type inbox chan string

func subscribe(t *testing.T, b bus.Bus, topic string) inbox {
	in := make(inbox, 1000)
	t.Cleanup(b.Subscribe(topic, func(m string) { in <- m }))
	return in
}

func (in inbox) expect(t *testing.T, want string) {
	t.Helper()
	select {
	case got := <-in:
		if got != want {
			t.Errorf("received %q, want %q", got, want)
		}
	case <-time.After(patience):
		t.Errorf("%q was not received", want)
	}
}

func (in inbox) expectNothing(t *testing.T) {
	t.Helper()
	select {
	case got := <-in:
		t.Errorf("received %q, want nothing", got)
	default:
	}
}

func testEverybody(t *testing.T, a, b bus.Bus) {
	var all []inbox
	for _, end := range []bus.Bus{a, b, a} {
		all = append(all, subscribe(t, end, "jobs.due"))
	}
	a.Publish("jobs.due", "1")
	for _, in := range all {
		in.expect(t, "1")
	}
	b.Publish("jobs.due", "")
	for _, in := range all {
		in.expect(t, "")
	}
}

func testTopics(t *testing.T, a, b bus.Bus) {
	due, ended := subscribe(t, b, "jobs.due"), subscribe(t, b, "jobs.ended")
	a.Publish("jobs.ended", "1")
	a.Publish("jobs", "no subscriber")
	a.Publish("jobs.due", "2")
	due.expect(t, "2")
	ended.expect(t, "1")
	due.expectNothing(t)
	ended.expectNothing(t)
}

// testOrder sees that the messages of one publisher come in order, and one at a time.
func testOrder(t *testing.T, a, b bus.Bus) {
	const n = 500
	in := subscribe(t, b, "jobs.due")
	for i := range n {
		a.Publish("jobs.due", fmt.Sprint(i))
	}
	for i := range n {
		in.expect(t, fmt.Sprint(i))
	}
}

func testCancel(t *testing.T, a, b bus.Bus) {
	left, stays := make(inbox, 10), subscribe(t, b, "jobs.due")
	cancel := b.Subscribe("jobs.due", func(m string) { left <- m })
	a.Publish("jobs.due", "1")
	left.expect(t, "1")
	stays.expect(t, "1")
	cancel()
	cancel() // once is enough, twice is no harm
	a.Publish("jobs.due", "2")
	stays.expect(t, "2")
	left.expectNothing(t)
}

func testNobody(t *testing.T, a, b bus.Bus) {
	a.Publish("jobs.due", "nobody is there")
	in := subscribe(t, b, "jobs.due")
	a.Publish("jobs.due", "somebody")
	in.expect(t, "somebody")
	in.expectNothing(t)
}
