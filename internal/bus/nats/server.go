package nats

import (
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

const (
	user      = "tricircle" // that servers, and clients, say they are
	startWait = 10 * time.Second
)

// Embedded is a NATS server within this process, and a connection to it. Servers of its kind in other processes make one bus of all.
type Embedded struct {
	*Bus
	server *server.Server
}

// EmbeddedOptions are those of a server.
type EmbeddedOptions struct {
	Name     string   // of this process, unique among its peers
	Listen   string   // host:port for the servers of other processes
	Peers    []string // host:port of some of them; from these it learns of the rest. It may be among them itself
	Password string   // that servers know each other by; the same for all
	Log      *slog.Logger
}

// Embed starts a server and connects to it. Close it.
func Embed(o EmbeddedOptions) (*Embedded, error) {
	host, portText, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return nil, fmt.Errorf("address of the embedded message bus: %w", err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, fmt.Errorf("port of the embedded message bus: %w", err)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	s, err := server.NewServer(&server.Options{
		ServerName: o.Name, NoSigs: true, NoLog: true, NoSystemAccount: true,
		// Nobody connects as a client but this process, and not there; but without a listener for clients the server does not begin to
		// listen for its peers (Server.StartRouting waits for it, 2.15).
		Host: "127.0.0.1", Port: server.RANDOM_PORT, Username: user, Password: o.Password,
		Cluster: server.ClusterOpts{Name: "tricircle", Host: host, Port: port, Username: user, Password: o.Password, PoolSize: -1},
		Routes:  routes(o.Peers, o.Password),
	})
	if err != nil {
		return nil, fmt.Errorf("embedded message bus: %w", err)
	}
	s.SetLoggerV2(logger{o.Log}, false, false, false)
	s.Start()
	if !s.ReadyForConnections(startWait) {
		go s.Shutdown() // waits for what may not end
		return nil, fmt.Errorf("the embedded message bus does not listen at %s: is that address another's?", o.Listen)
	}
	b, err := connect("", o.Name, o.Log, nats.InProcessServer(s), nats.UserInfo(user, o.Password))
	if err != nil {
		s.Shutdown()
		return nil, err
	}
	return &Embedded{b, s}, nil
}

func routes(peers []string, password string) (urls []*url.URL) {
	for _, p := range peers {
		urls = append(urls, &url.URL{Scheme: "nats", Host: p, User: url.UserPassword(user, password)})
	}
	return urls
}

// ClusterAddr is where the servers of other processes reach this one.
func (e *Embedded) ClusterAddr() string { return e.server.ClusterAddr().String() }

// Close ends the connection and the server.
func (e *Embedded) Close() {
	e.Bus.Close()
	e.server.Shutdown()
	e.server.WaitForShutdown()
}

// logger passes on what a server says. Its notices are about each of its own beginnings and ends.
type logger struct{ log *slog.Logger }

func (l logger) Noticef(format string, v ...any) {
	l.log.Debug("message bus: " + fmt.Sprintf(format, v...))
}
func (l logger) Warnf(format string, v ...any) {
	l.log.Warn("message bus: " + fmt.Sprintf(format, v...))
}
func (l logger) Errorf(format string, v ...any) {
	l.log.Warn("message bus: " + fmt.Sprintf(format, v...))
}
func (l logger) Fatalf(format string, v ...any) {
	l.log.Error("message bus: " + fmt.Sprintf(format, v...))
}
func (l logger) Debugf(string, ...any) {}
func (l logger) Tracef(string, ...any) {}
