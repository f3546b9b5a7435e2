package simcloud

import (
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

type handler = http.HandlerFunc

// listener serves one service at one address, and can be stopped and started again there.
type listener struct {
	handler http.Handler
	addr    string // that was really taken

	mu     sync.Mutex
	server *http.Server
	done   chan struct{} // closed when the server has ended
}

func newListener(addr string, h http.Handler) (*listener, error) {
	l := &listener{handler: h, addr: addr}
	return l, l.start()
}

func (l *listener) url() string { return "http://" + l.addr }

func (l *listener) start() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.server != nil {
		return nil
	}
	ln, err := net.Listen("tcp", l.addr)
	if err != nil {
		return err
	}
	l.addr = ln.Addr().String()
	l.server = &http.Server{Handler: l.handler, ReadHeaderTimeout: 30 * time.Second}
	l.done = make(chan struct{})
	go func(s *http.Server, done chan struct{}) {
		defer close(done)
		// Serve returns when the server was closed; there is nobody to tell.
		_ = s.Serve(ln)
	}(l.server, l.done)
	return nil
}

func (l *listener) stop() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.server == nil {
		return nil
	}
	err := l.server.Close()
	<-l.done
	l.server = nil
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
