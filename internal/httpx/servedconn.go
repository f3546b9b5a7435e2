package httpx

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	maxRequest = 8 << 10               // bytes; it is read whole before the handler is called
	watchAfter = 20 * time.Millisecond // what takes longer is ended when its client goes
	inexact    = time.Second           // how much shorter an idle timeout may be, for it costs each request something to set it
)

// servedConn is a connection of a LeanServer. All but closeIfIdle and watch is for the goroutine of serve.
type servedConn struct {
	server *LeanServer
	conn   *net.TCPConn
	remote string
	r      *bufio.Reader
	w      *bufio.Writer
	until  time.Time // the read deadline
	posted bool      // the last request was a POST
	state  atomic.Int32

	cancel  context.CancelFunc // of the request that is served
	watcher *time.Timer        // runs watch while one is
	watched chan struct{}      // has one when watch is done
}

// The states of a servedConn.
const (
	connIdle int32 = iota
	connActive
	connClosed
)

func newServedConn(s *LeanServer, conn *net.TCPConn) *servedConn {
	c := &servedConn{server: s, conn: conn, remote: conn.RemoteAddr().String(), watched: make(chan struct{}, 1)}
	c.r, c.w = bufio.NewReaderSize(conn, maxRequest), bufio.NewWriter(conn)
	c.watcher = time.AfterFunc(time.Hour, c.watch)
	c.watcher.Stop()
	return c
}

// serve serves requests until the connection ends, or there is one that the http.Server must serve.
func (c *servedConn) serve() {
	defer c.server.remove(c)
	defer c.recover()
	wait, enough := c.server.ReadHeaderTimeout, 1 // net/http counts from the beginning of a connection, too
	for c.await(wait, enough) {
		req := c.read()
		if req == nil {
			_ = c.conn.SetReadDeadline(time.Time{})
			unread, _ := c.r.Peek(c.r.Buffered())
			c.server.giveOver(c.conn, bytes.NewReader(unread))
			return
		}
		if !c.answer(req) || !c.state.CompareAndSwap(connActive, connIdle) || c.server.isClosing() {
			break
		}
		wait, enough = c.server.IdleTimeout, 4 // and from then on less is no request
	}
	_ = c.conn.Close()
}

// recover breaks the connection after a panic of the handler, as net/http does.
func (c *servedConn) recover() {
	p := recover()
	if p == nil {
		return
	}
	_ = c.conn.Close()
	if p != http.ErrAbortHandler {
		c.server.ErrorLog.Printf("http: panic serving %s: %v\n%s", c.remote, p, debug.Stack())
	}
}

// await waits for as many bytes of a request as are enough to begin with it.
func (c *servedConn) await(wait time.Duration, enough int) bool {
	if until := time.Now().Add(wait); c.r.Buffered() < enough && until.Sub(c.until) > inexact {
		c.readUntil(until)
	}
	_, err := c.r.Peek(enough)
	return err == nil && c.state.CompareAndSwap(connIdle, connActive)
}

func (c *servedConn) readUntil(t time.Time) {
	c.until = t
	_ = c.conn.SetReadDeadline(t)
}

// closeIfIdle closes the connection unless a request is served.
func (c *servedConn) closeIfIdle() {
	if c.state.CompareAndSwap(connIdle, connClosed) {
		_ = c.conn.Close()
	}
}

// read returns the next request with its body, or nil, and has read nothing, if that is not for us.
func (c *servedConn) read() *http.Request {
	if c.posted { // some old clients send an empty line behind a body (RFC 9112 section 2.2)
		next, _ := c.r.Peek(4)
		_, _ = c.r.Discard(len(next) - len(bytes.TrimLeft(next, "\r\n")))
	}
	head := cutHead(c.r)
	req := parseRequest(head)
	if req == nil || req.ContentLength > maxRequest {
		return nil
	}
	end := len(head)
	all := end + int(req.ContentLength)
	if c.r.Buffered() < all {
		c.readUntil(time.Now().Add(c.server.IdleTimeout))
	}
	whole, err := c.r.Peek(all)
	if err != nil {
		return nil // also of a body that does not come net/http knows what to make
	}
	if all > end {
		req.Body = io.NopCloser(bytes.NewReader(bytes.Clone(whole[end:])))
	}
	_, _ = c.r.Discard(all)
	req.RemoteAddr = c.remote
	c.posted = req.Method == http.MethodPost
	return req
}

// answer lets the handler answer a request; false if the connection must not be used again.
func (c *servedConn) answer(req *http.Request) bool {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w := &leanResponse{conn: c, header: make(http.Header, 16), left: -1}
	c.cancel = cancel
	c.watcher.Reset(watchAfter)
	c.server.Handler.ServeHTTP(w, req.WithContext(ctx))
	if !c.watcher.Stop() {
		c.unwatch()
	}
	return w.finish()
}

// watch ends the request when the client goes. It does not read what may be the next request.
func (c *servedConn) watch() {
	defer func() { c.watched <- struct{}{} }()
	below, err := c.conn.SyscallConn()
	if err != nil {
		return
	}
	gone := false
	var room [1]byte
	_ = below.Read(func(fd uintptr) bool {
		n, _, err := syscall.Recvfrom(int(fd), room[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR) {
			return false
		}
		gone = n <= 0
		return true
	})
	if gone {
		c.cancel()
	}
}

// unwatch stops watch, which has begun.
func (c *servedConn) unwatch() {
	c.readUntil(time.Unix(1, 0)) // which ends its waiting
	<-c.watched
}
