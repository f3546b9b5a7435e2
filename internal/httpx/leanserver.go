package httpx

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
)

// LeanServer is an http.Server that itself serves what nearly all requests to an API are: plain HTTP/1.1 of a known, small length
// whose head comes in one piece. It does so on one goroutine for each connection, and looks for a client that has gone only when a
// request takes long. At the first request that is anything else it gives the connection to the http.Server for good, with that
// request unread (ADR 13): TLS and HTTP/2, chunks, HEAD, HTTP/1.0, "Expect", "Connection: close", and whatever is malformed are the
// standard library's matter.
type LeanServer struct {
	*http.Server

	mu      sync.Mutex
	open    map[*servedConn]bool
	closing bool
	running sync.WaitGroup // one for each that is open
}

// NewLeanServer makes a server with the limits of NewServer.
func NewLeanServer(handler http.Handler, logger *slog.Logger) *LeanServer {
	return &LeanServer{Server: NewServer(handler, logger), open: map[*servedConn]bool{}}
}

// Serve is http.Server.Serve.
func (s *LeanServer) Serve(l net.Listener) error { return s.Server.Serve(sieve{l, s}) }

// sieve is a listener from which the http.Server gets what the lean one does not serve from the beginning.
type sieve struct {
	net.Listener
	server *LeanServer
}

func (l sieve) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		tcp, isPlain := conn.(*net.TCPConn)
		if err != nil || !isPlain {
			return conn, err
		}
		if c := newServedConn(l.server, tcp); l.server.add(c) {
			go c.serve()
		}
	}
}

// Shutdown is http.Server.Shutdown.
func (s *LeanServer) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	for c := range s.open {
		c.closeIfIdle()
	}
	s.mu.Unlock()
	err := s.Server.Shutdown(ctx)
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return err
	case <-ctx.Done():
		return errors.Join(err, ctx.Err())
	}
}

// Close is http.Server.Close.
func (s *LeanServer) Close() error {
	s.mu.Lock()
	s.closing = true
	for c := range s.open {
		_ = c.conn.Close()
	}
	s.mu.Unlock()
	return s.Server.Close()
}

func (s *LeanServer) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// add notes a connection, or closes it when the server is closing.
func (s *LeanServer) add(c *servedConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		_ = c.conn.Close()
		return false
	}
	s.open[c] = true
	s.running.Add(1)
	return true
}

func (s *LeanServer) remove(c *servedConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
	s.running.Done()
}

// giveOver lets the http.Server serve a connection from which some has been read already.
func (s *LeanServer) giveOver(conn *net.TCPConn, read io.Reader) {
	l := &single{addr: conn.LocalAddr(), conn: &resumed{conn, io.MultiReader(read, conn)}}
	_ = s.Server.Serve(l) // until it has accepted it, or the server is closing
	if l.conn != nil {
		_ = l.conn.Close()
	}
}

// single is a listener for one connection.
type single struct {
	conn net.Conn // nil once it is accepted
	addr net.Addr
}

func (l *single) Accept() (conn net.Conn, err error) {
	if l.conn == nil {
		return nil, io.EOF
	}
	conn, l.conn = l.conn, nil
	return conn, nil
}

func (l *single) Addr() net.Addr { return l.addr }
func (l *single) Close() error   { return nil }

// resumed is a connection of which the beginning is read from elsewhere.
type resumed struct {
	*net.TCPConn
	r io.Reader
}

func (c *resumed) Read(b []byte) (int, error) { return c.r.Read(b) }
