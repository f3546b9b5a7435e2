package main

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
)

// replay serves what the service at an address answers: each answer is got once and then repeated for ever, which is the
// cheapest server that sends real documents, so that a proxy in front of it is what is measured. It returns its own address.
// Answers must not depend on headers or bodies; the microversion is always the same here.
func replay(ctx context.Context, origin string) (address string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	context.AfterFunc(ctx, func() { _ = l.Close() })
	r := &replayer{origin: origin, answers: map[string][]byte{}}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed
			}
			go r.serve(c)
		}
	}()
	return l.Addr().String(), nil
}

type replayer struct {
	origin string

	mu      sync.RWMutex
	answers map[string][]byte // by method and path
}

// serve answers the requests of one connection until it ends, or the origin does not answer.
func (r *replayer) serve(c net.Conn) {
	defer func() { _ = c.Close() }()
	in := bufio.NewReaderSize(c, 16<<10)
	var request, answer []byte
	for err := error(nil); err == nil; _, err = c.Write(answer) {
		if request, err = readRequest(request[:0], in); err != nil {
			return
		}
		if answer, err = r.answer(request); err != nil {
			return
		}
	}
}

// readRequest appends a request to dst as it came.
func readRequest(dst []byte, in *bufio.Reader) ([]byte, error) {
	size := 0
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return dst, err
		}
		dst = append(dst, line...)
		if len(line) == len("\r\n") {
			break
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			size = number(value)
		}
	}
	body, err := in.Peek(size)
	dst = append(dst, body...)
	if err == nil {
		_, err = in.Discard(size)
	}
	return dst, err
}

func (r *replayer) answer(request []byte) ([]byte, error) {
	call, _, _ := bytes.Cut(request, []byte(" HTTP/"))
	r.mu.RLock()
	a, ok := r.answers[string(call)]
	r.mu.RUnlock()
	if ok {
		return a, nil
	}
	a, err := fetch(r.origin, request)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers[string(call)] = a
	return a, nil
}

// fetch makes a call and returns the answer as it came.
func fetch(address string, request []byte) ([]byte, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Write(request); err != nil {
		return nil, err
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	return httputil.DumpResponse(res, true)
}
