// Package nats is a bus.Bus over NATS: a client of servers that somebody runs, or servers within this program that find each other.
//
// Only core NATS is used, without streams: nothing is kept for who is not there, for the database knows it all. This is the only package
// that may import NATS, and of ours it imports only bus.
package nats

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tricircle/tricircle/internal/bus"
)

const (
	prefix       = "tricircle." // of all subjects, for servers that others use too
	flushTimeout = time.Second
	// reconnectWait is the pause between two attempts to reach the servers; there is no last one.
	reconnectWait = 2 * time.Second
)

// Bus is a connection to NATS.
type Bus struct {
	conn *nats.Conn
	log  *slog.Logger
}

var _ bus.Bus = (*Bus)(nil)

// Options are those of a client.
type Options struct {
	Servers string // URLs, separated by commas; they may have users and passwords in them
	CAFile  string // PEM bundle that certificates of servers are verified by; the system's if empty
	Name    string // of this process, for people who look at the server
	Log     *slog.Logger
}

// Connect returns at once, connected or not: a process must start, and work, without its bus. Close it.
func Connect(o Options) (*Bus, error) {
	var options []nats.Option
	if o.CAFile != "" {
		options = append(options, nats.RootCAs(o.CAFile))
	}
	return connect(o.Servers, o.Name, o.Log, options...)
}

func connect(servers, name string, log *slog.Logger, options ...nats.Option) (*Bus, error) {
	options = append(options,
		nats.Name(name), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(reconnectWait),
		nats.ReconnectBufSize(-1), // an old hint is worth nothing
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("the message bus is lost; jobs of other processes are found by looking for them", "error", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("the message bus is back") }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { log.Warn("message bus", "error", err) }))
	conn, err := nats.Connect(servers, options...)
	if err != nil {
		return nil, fmt.Errorf("connect to the message bus: %w", err)
	}
	return &Bus{conn, log}, nil
}

// Publish implements bus.Bus.
func (b *Bus) Publish(topic, message string) {
	if err := b.conn.Publish(prefix+topic, []byte(message)); err != nil {
		b.log.Debug("a hint was not sent", "topic", topic, "error", err)
	}
}

// Subscribe implements bus.Bus. It waits a moment for the server to know, so that what the caller looks up next is not older than the
// first message.
func (b *Bus) Subscribe(topic string, receive func(message string)) (cancel func()) {
	s, err := b.conn.Subscribe(prefix+topic, func(m *nats.Msg) { receive(string(m.Data)) })
	if err != nil {
		b.log.Warn("hints will not be received", "topic", topic, "error", err)
		return func() {}
	}
	if b.conn.IsConnected() {
		_ = b.conn.FlushTimeout(flushTimeout) // else the client subscribes when it is connected
	}
	return func() { _ = s.Unsubscribe() } // fails if it was cancelled before, or with the connection
}

// Close ends the connection. Messages that were published are sent if that takes no longer than a moment.
func (b *Bus) Close() {
	if b.conn.IsConnected() {
		_ = b.conn.FlushTimeout(flushTimeout)
	}
	b.conn.Close()
}
