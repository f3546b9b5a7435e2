package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"
)

// answerTimeout is the patience of a client.
const answerTimeout = 120 * time.Second

// conn is a client's connection, kept alive. It understands as much of HTTP/1.1 as servers use, and costs a fraction of
// net/http: on the same machine the load must not be what is measured.
type conn struct {
	address string
	c       net.Conn
	r       *bufio.Reader
}

// answer is what is known of one. Body is nil unless it was asked for or says why the call failed, and valid until the next call.
type answer struct {
	status  int
	partial bool   // a list that a pod is missing from
	token   string // that Keystone gives in a header; "" if it gives none
	body    []byte
}

// do sends a request and reads its answer to the end. The connection is made anew when there is none.
func (c *conn) do(request []byte, wantBody bool) (a answer, err error) {
	if c.c == nil {
		if c.c, err = net.DialTimeout("tcp", c.address, 10*time.Second); err != nil {
			c.c = nil
			return a, err
		}
		c.r = bufio.NewReaderSize(c.c, 8<<10)
	}
	if err = c.c.SetDeadline(time.Now().Add(answerTimeout)); err == nil {
		_, err = c.c.Write(request)
	}
	if err == nil {
		a, err = c.read(wantBody)
	}
	if err != nil {
		c.close()
	}
	return a, err
}

func (c *conn) close() {
	if c.c != nil {
		_ = c.c.Close() // nothing is lost with it
	}
	c.c = nil
}

func (c *conn) read(wantBody bool) (a answer, err error) {
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return a, err
	}
	if a.status = number(line[min(len(line), len("HTTP/1.1 ")):]); a.status == 0 {
		return a, fmt.Errorf("no status in %q", line)
	}
	size, last := 0, false
	for {
		if line, err = c.r.ReadSlice('\n'); err != nil {
			return a, err
		}
		if len(bytes.TrimSpace(line)) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			size = number(value)
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			size = -1
		case bytes.EqualFold(name, []byte("Connection")):
			last = string(value) == "close"
		case bytes.EqualFold(name, []byte("X-Tricircle-Missing-Pods")):
			a.partial = true
		case bytes.EqualFold(name, []byte("X-Subject-Token")):
			a.token = string(value)
		}
	}
	var body *bytes.Buffer
	if wantBody || a.status >= 400 { // which says what is wrong
		body = new(bytes.Buffer)
	}
	if err = c.body(body, size); body != nil {
		a.body = body.Bytes()
	}
	if last {
		c.close()
	}
	return a, err
}

// body reads size bytes, or chunks if size is -1.
func (c *conn) body(to *bytes.Buffer, size int) error {
	if size >= 0 {
		return c.take(to, size)
	}
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		n, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 16, 31)
		if err != nil {
			return err
		}
		if err := c.take(to, int(n)); err != nil {
			return err
		}
		if _, err := c.r.Discard(len("\r\n")); err != nil || n == 0 {
			return err
		}
	}
}

func (c *conn) take(to *bytes.Buffer, n int) error {
	if to == nil {
		_, err := c.r.Discard(n)
		return err
	}
	_, err := io.CopyN(to, c.r, int64(n))
	return err
}

// number reads the digits that b begins with.
func number(b []byte) (n int) {
	for _, d := range b {
		if d < '0' || d > '9' {
			break
		}
		n = n*10 + int(d-'0')
	}
	return n
}

// result is what clients saw together.
type result struct {
	took    []time.Duration // of every call, sorted
	elapsed time.Duration
	api     int // answers with another status than the call should have
	server  int // 5xx, no answer, or a list with pods missing
	example string
}

func (r *result) perSecond() float64 { return float64(len(r.took)) / r.elapsed.Seconds() }

// percentile is exact: the smallest of the times that p percent of all do not exceed.
func (r *result) percentile(p float64) time.Duration {
	if len(r.took) == 0 {
		return 0
	}
	i := int(math.Ceil(p/100*float64(len(r.took)))) - 1
	return r.took[min(max(i, 0), len(r.took)-1)]
}

// merge adds what others saw; the times are in no order then.
func (r *result) merge(o *result) {
	r.took = append(r.took, o.took...)
	r.elapsed += o.elapsed
	r.api += o.api
	r.server += o.server
	if r.example == "" {
		r.example = o.example
	}
}

// client makes calls one after the other. It returns whether the answer was what it should be.
type client interface {
	call() (a answer, want int, err error)
}

// drive lets every client call, again and again without a pause, until d has passed. Calls under way then are waited for, and
// counted.
func drive(ctx context.Context, d time.Duration, clients []client) *result {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	results := make([]result, len(clients))
	var done sync.WaitGroup
	start := time.Now()
	for i, c := range clients {
		done.Go(func() {
			r := &results[i]
			for ctx.Err() == nil {
				begin := time.Now()
				a, want, err := c.call()
				r.took = append(r.took, time.Since(begin))
				r.judge(a, want, err)
			}
		})
	}
	done.Wait()
	all := &result{}
	for i := range results {
		all.merge(&results[i])
	}
	all.elapsed = time.Since(start)
	slices.Sort(all.took)
	return all
}

func (r *result) judge(a answer, want int, err error) {
	switch {
	case err == nil && a.status == want && !a.partial:
		return
	case err != nil || a.status >= 500 || a.partial:
		r.server++
	default:
		r.api++
	}
	if r.example == "" {
		r.example = fmt.Sprintf("status %d, want %d, partial %t, error %v, %.300s", a.status, want, a.partial, err, a.body)
	}
}

// repeated is a client that repeats one call.
type repeated struct {
	conn
	request []byte
	want    int
}

func (r *repeated) call() (answer, int, error) {
	a, err := r.do(r.request, false)
	return a, r.want, err
}

// repeat makes n clients of one call.
func repeat(n int, address string, request []byte, want int) []client {
	clients := make([]client, n)
	for i := range clients {
		clients[i] = &repeated{conn: conn{address: address}, request: request, want: want}
	}
	return clients
}

// hangUp closes the clients' connections.
func hangUp(clients []client) {
	for _, c := range clients {
		if c, ok := c.(interface{ close() }); ok {
			c.close()
		}
	}
}

// ask makes one call that must succeed.
func ask(address string, request []byte, want int) ([]byte, error) {
	c := conn{address: address}
	defer c.close()
	a, err := c.do(request, true)
	if err == nil && a.status != want {
		err = fmt.Errorf("status %d, want %d: %.300s", a.status, want, a.body)
	}
	if err != nil {
		line, _, _ := bytes.Cut(request, []byte("\r\n"))
		return nil, errors.Join(fmt.Errorf("%s at %s", line, address), err)
	}
	return a.body, nil
}

// novaVersion is the microversion of all calls.
const novaVersion = "2.90"

// request renders a call as clients of OpenStack send it.
func request(method, path, token, body string) []byte {
	b := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: cloud\r\nUser-Agent: python-novaclient\r\nAccept: application/json\r\n"+
		"X-Auth-Token: %s\r\nX-OpenStack-Nova-API-Version: %s\r\nOpenStack-API-Version: compute %s\r\n", method, path, token, novaVersion, novaVersion)
	if body != "" || method == "POST" {
		b = fmt.Appendf(b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	return append(append(b, "\r\n"...), body...)
}
