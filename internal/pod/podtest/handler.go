package podtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
)

// Handler answers one call as a transport does: with an answer, or with an error when none came.
type Handler func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (h Handler) RoundTrip(req *http.Request) (*http.Response, error) { return h(req) }

// Refused is what a host does where nobody listens.
func Refused(*http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

// errReset is what a client sees of a connection that broke.
var errReset = errors.New("read: connection reset by peer")

// JSON answers a document.
func JSON(status int, document string) Handler { return Text(status, "application/json", document) }

// Text answers a body of some type.
func Text(status int, contentType, body string) Handler {
	return Stream(status, contentType, func(*http.Request) io.Reader { return strings.NewReader(body) })
}

// Status answers a status with the body that services give it.
func Status(status int) Handler {
	return JSON(status, fmt.Sprintf(`{"simulated": {"code": %d, "message": "simulated"}}`, status))
}

// Half answers a document, or a part of one, and breaks off after it.
func Half(document string) Handler {
	return Stream(http.StatusOK, "application/json", func(*http.Request) io.Reader {
		return io.MultiReader(strings.NewReader(document), broken{})
	})
}

// Stream answers what body returns, under a request id, as services do.
func Stream(status int, contentType string, body func(*http.Request) io.Reader) Handler {
	return func(req *http.Request) (*http.Response, error) {
		return &http.Response{
			Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), StatusCode: status,
			Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: -1,
			Header: http.Header{"Content-Type": {contentType}, "X-Openstack-Request-Id": {"req-" + req.URL.Host}}, Body: io.NopCloser(body(req)),
		}, nil
	}
}

// Hang never answers: it ends when the caller has given up.
func Hang(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
}

// Reset breaks off when it has the request.
func Reset(*http.Request) (*http.Response, error) { return nil, errReset }

// HangInBody answers the beginning of a document and then no more.
func HangInBody(beginning string) Handler {
	return Stream(http.StatusOK, "application/json", func(req *http.Request) io.Reader {
		return io.MultiReader(strings.NewReader(beginning), stalled{req.Context()})
	})
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errReset }

type stalled struct{ ctx context.Context }

func (s stalled) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}
