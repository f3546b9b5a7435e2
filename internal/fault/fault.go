// Package fault holds the errors that a user of the top can meet, as data, and renders them the way each service does:
// status, body and headers to the byte that clients read.
//
// It imports nothing of ours; every HTTP package may use it.
package fault

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Error is an answer that is not a success. Its text is written for the user; the cause in Err is only for the log.
type Error struct {
	Status     int
	Message    string
	RetryAfter int    // seconds; sent as a header when positive
	Type       string // Neutron's exception class name, for the Neutron style only
	Err        error  // cause, or nil
}

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%d %s: %v", e.Status, e.Message, e.Err)
	}
	return fmt.Sprintf("%d %s", e.Status, e.Message)
}

func (e *Error) Unwrap() error { return e.Err }

// New makes an error of any status.
func New(status int, format string, args ...any) *Error {
	return &Error{Status: status, Message: fmt.Sprintf(format, args...)}
}

// BadRequest is 400: the request can never succeed as it is.
func BadRequest(format string, args ...any) *Error {
	return New(http.StatusBadRequest, format, args...)
}

// Forbidden is 403: the caller may not do this.
func Forbidden(format string, args ...any) *Error { return New(http.StatusForbidden, format, args...) }

// NotFound is 404: no such resource, or none that the caller may see.
func NotFound(format string, args ...any) *Error { return New(http.StatusNotFound, format, args...) }

// Conflict is 409: the state of something stands in the way.
func Conflict(format string, args ...any) *Error { return New(http.StatusConflict, format, args...) }

// NotImplemented is 501: the call exists in the API, and the top does not serve it.
func NotImplemented(format string, args ...any) *Error {
	return New(http.StatusNotImplemented, format, args...)
}

// Unavailable is 503 with Retry-After: what holds the resource does not answer. Never 404: clients that are told "gone"
// forget or recreate.
func Unavailable(cause error, format string, args ...any) *Error {
	e := New(http.StatusServiceUnavailable, format, args...)
	e.RetryAfter, e.Err = 10, cause
	return e
}

// From returns err as an *Error; anything else becomes a 500 whose text does not repeat the cause.
func From(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Status: http.StatusInternalServerError, Err: err,
		Message: "Unexpected API Error. The top failed, not a pod; the request id names the entry in its log."}
}

// Style is the manner in which a service renders its errors.
type Style int

// The styles. Admin is Tricircle's own API, in the form of Nova's.
const (
	Nova Style = iota
	Cinder
	Neutron
	Admin
)

// names are the keys of Nova's and Cinder's error bodies (nova/api/openstack/wsgi.py and cinder/api/openstack/wsgi.py,
// class Fault, same in every release).
var names = map[int]string{
	400: "badRequest", 401: "unauthorized", 403: "forbidden", 404: "itemNotFound", 405: "badMethod",
	409: "conflictingRequest", 413: "overLimit", 415: "badMediaType", 501: "notImplemented", 503: "serviceUnavailable",
}

func (s Style) name(status int) string {
	if s == Nova && status == http.StatusTooManyRequests {
		return "overLimit"
	}
	if n, ok := names[status]; ok {
		return n
	}
	switch {
	case s != Admin:
		return "computeFault"
	case status == http.StatusUnprocessableEntity:
		return "unprocessableEntity"
	}
	return "internalServerError"
}

// Write renders err on w in the style of a service. Headers that the caller set before stay.
func Write(w http.ResponseWriter, s Style, err error) {
	e := From(err)
	h := w.Header()
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(e.RetryAfter))
	}
	h.Set("Content-Type", s.contentType())
	h.Del("Content-Length")
	w.WriteHeader(e.Status)
	_, _ = w.Write(s.body(e))
}

func (s Style) contentType() string {
	if s == Nova {
		return "application/json; charset=UTF-8"
	}
	return "application/json"
}

// faultBody is what Nova and Cinder say of an error, below its name.
type faultBody struct {
	Code       int    `json:"code"`
	Message    string `json:"message"`
	RetryAfter string `json:"retryAfter,omitempty"`
}

// neutronBody is what Neutron says (neutron/api/v2/resource.py).
type neutronBody struct {
	Type    string `json:"type"`
	Message string `json:"message"`
	Detail  string `json:"detail"`
}

func (s Style) body(e *Error) []byte {
	if s == Neutron {
		framework := "HTTP" + strings.ReplaceAll(http.StatusText(e.Status), " ", "") // the name of webob's exception
		return encode(map[string]neutronBody{"NeutronError": {cmp.Or(e.Type, framework), e.Message, ""}})
	}
	body := faultBody{Code: e.Status, Message: e.Message}
	if e.RetryAfter > 0 && (e.Status == http.StatusRequestEntityTooLarge || e.Status == http.StatusTooManyRequests) {
		body.RetryAfter = strconv.Itoa(e.RetryAfter)
	}
	return encode(map[string]faultBody{s.name(e.Status): body})
}
