// Package bus carries hints between the processes of one top: that there is a job, that one has ended. A hint may be lost, late, or come
// twice; whoever waits for one looks into the database now and then all the same.
//
// It holds the interface and the bus within one process. It imports nothing of ours: what the hints are about is for those who send and
// receive them. Buses between processes are packages below it, and bus/bustest is what all of them must pass.
package bus

import (
	"slices"
	"sync"
)

// Bus delivers what is published under a topic to all who have subscribed to it, the publisher included. A topic is made of words of
// lower case letters, separated by dots.
type Bus interface {
	// Publish sends a message, and neither waits nor fails: a message that cannot be sent is lost.
	Publish(topic, message string)
	// Subscribe calls receive for each message, one after the other, until cancel is called. It must not block. After cancel has
	// returned a last call may still be under way.
	Subscribe(topic string, receive func(message string)) (cancel func())
}

// Local is a Bus within one process. Messages are received on the goroutine that publishes them.
type Local struct {
	mu          sync.RWMutex
	subscribers map[string][]*subscriber
}

type subscriber struct {
	mu      sync.Mutex // one message after the other
	receive func(string)
}

// NewLocal makes a bus.
func NewLocal() *Local { return &Local{subscribers: map[string][]*subscriber{}} }

// Publish implements Bus.
func (b *Local) Publish(topic, message string) {
	b.mu.RLock()
	to := b.subscribers[topic] // replaced as a whole when it changes
	b.mu.RUnlock()
	for _, s := range to {
		s.mu.Lock()
		s.receive(message)
		s.mu.Unlock()
	}
}

// Subscribe implements Bus.
func (b *Local) Subscribe(topic string, receive func(message string)) (cancel func()) {
	s := &subscriber{receive: receive}
	b.mu.Lock()
	b.subscribers[topic] = append(slices.Clip(b.subscribers[topic]), s)
	b.mu.Unlock()
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		left := slices.DeleteFunc(slices.Clone(b.subscribers[topic]), func(other *subscriber) bool { return other == s })
		if len(left) == 0 {
			delete(b.subscribers, topic)
			return
		}
		b.subscribers[topic] = left
	}
}
