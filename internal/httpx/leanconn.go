package httpx

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// leanConn is a connection of a Lean. One call at a time has it.
type leanConn struct {
	owner  *Lean
	key    leanKey
	raw    net.Conn // what is closed
	conn   net.Conn // what is spoken on: raw, or TLS on it
	r      *bufio.Reader
	w      *bufio.Writer
	reused bool
	since  time.Time // idle
	until  time.Time // the deadline that is set; none if zero

	budget  int64 // bytes that may still be read; more is an error
	wrote   bool  // some of the request
	refused bool  // the connection took no more of it
	touched bool  // some of the answer has been read
}

func newLeanConn(t *Lean, key leanKey, raw, conn net.Conn) *leanConn {
	c := &leanConn{owner: t, key: key, raw: raw, conn: conn}
	c.r, c.w = bufio.NewReader(leanReader{c}), bufio.NewWriter(leanWriter{c})
	return c
}

// leanReader and leanWriter note what came of a call on the connection below.
type (
	leanReader struct{ *leanConn }
	leanWriter struct{ *leanConn }
)

var errHeaderTooLarge = fmt.Errorf("the header of the answer has more than %d bytes", maxHeader)

func (c leanReader) Read(p []byte) (int, error) {
	if c.budget <= 0 {
		return 0, errHeaderTooLarge
	}
	n, err := c.conn.Read(p)
	c.budget -= int64(n)
	c.touched = c.touched || n > 0
	return n, err
}

func (c leanWriter) Write(p []byte) (int, error) {
	n, err := c.conn.Write(p)
	c.wrote, c.refused = c.wrote || n > 0, err != nil
	return n, err
}

// isRead tells whether a request may be sent twice.
func isRead(req *http.Request) bool {
	return req.Method == http.MethodGet || req.Method == http.MethodHead
}

// mayRepeat tells, after a call has failed, whether that is because the connection was stale, and the request may be sent again.
func (c *leanConn) mayRepeat(req *http.Request) bool {
	hasBody := req.Body != nil && req.Body != http.NoBody
	return c.reused && !c.touched && (!c.wrote || isRead(req)) && (!hasBody || req.GetBody != nil)
}

// alive tells whether the far end has neither closed the idle connection nor said anything that nobody asked for.
func (c *leanConn) alive() bool {
	s, ok := c.raw.(syscall.Conn)
	if !ok {
		return false
	}
	below, err := s.SyscallConn()
	if err != nil {
		return false
	}
	c.until = time.Time{}
	_ = c.raw.SetDeadline(c.until) // that of the last call may have passed, and is not what is asked
	quiet := false
	err = below.Read(func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		quiet = errors.Is(err, syscall.EAGAIN)
		return true
	})
	return err == nil && quiet
}

// do makes a call. The connection is idle again, or closed, when the body of the answer has been read or closed; after an error it
// is closed.
func (c *leanConn) do(ctx context.Context, until time.Time, req *http.Request) (*http.Response, error) {
	if !until.Equal(c.until) {
		c.until = until
		_ = c.raw.SetDeadline(until)
	}
	c.budget, c.wrote, c.refused, c.touched = maxHeader, false, false, false
	stop := context.AfterFunc(ctx, func() { _ = c.raw.Close() })
	res, err := c.exchange(req)
	if err != nil {
		stop()
		_ = c.raw.Close()
		return nil, because(ctx, err)
	}
	c.budget = math.MaxInt64
	b := &leanBody{ReadCloser: res.Body, conn: c, ctx: ctx, stop: stop, last: res.Close || req.Close}
	if res.Body == http.NoBody {
		b.finish(bodyRead)
	} else {
		res.Body = b
	}
	return res, nil
}

// because returns the reason for which a call was ended rather than the error that this made.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return context.DeadlineExceeded
	}
	return err
}

// exchange sends req and reads the header of its answer, also if the far end did not want to read all of the request.
func (c *leanConn) exchange(req *http.Request) (*http.Response, error) {
	err := writeRequest(c.w, req)
	if err == nil {
		takeTurns()
		err = c.w.Flush()
	}
	if err == nil {
		return c.answer(req)
	}
	if c.wrote && c.refused {
		if res, early := c.answer(req); early == nil {
			res.Close = true
			return res, nil
		}
	}
	return nil, err
}

func (c *leanConn) answer(req *http.Request) (*http.Response, error) {
	for range maxInterim {
		res, err := readResponse(c.r, req)
		if err != nil || res.StatusCode >= 200 {
			return res, err
		}
		if res.StatusCode == http.StatusSwitchingProtocols {
			return nil, errors.New("the answer switches protocols")
		}
	}
	return nil, errors.New("too many answers that only announce another")
}

// leanBody is the body of an answer. It gives the connection back.
type leanBody struct {
	io.ReadCloser
	conn  *leanConn
	ctx   context.Context
	stop  func() bool // the context from closing the connection
	last  bool        // the connection cannot be used again
	state atomic.Int32
}

// The states of a leanBody. Once it is not open it has no part in the connection.
const (
	bodyOpen int32 = iota
	bodyRead
	bodyBroken
	bodyClosed
)

func (b *leanBody) Read(p []byte) (int, error) {
	if b.state.Load() == bodyClosed {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.ReadCloser.Read(p)
	switch {
	case err == io.EOF:
		b.finish(bodyRead)
	case err != nil:
		err = because(b.ctx, err)
		b.finish(bodyBroken)
	}
	return n, err
}

// Close ends the call. What has not been read is given up together with the connection: it may be long.
func (b *leanBody) Close() error {
	b.finish(bodyClosed)
	return nil
}

func (b *leanBody) finish(state int32) {
	if !b.state.CompareAndSwap(bodyOpen, state) {
		return
	}
	if b.stop() && state == bodyRead && !b.last && b.conn.r.Buffered() == 0 {
		b.conn.owner.put(b.conn)
		return
	}
	_ = b.conn.raw.Close()
}
