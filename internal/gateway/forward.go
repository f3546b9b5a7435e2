package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/identity"
	"github.com/tricircle/tricircle/internal/microversion"
	"github.com/tricircle/tricircle/internal/obs"
	"github.com/tricircle/tricircle/internal/pod"
)

// maxAnswer bounds an answer that is held in memory. The largest that a pod gives by id is a console log.
const maxAnswer = 16 << 20

// staysHere tells of headers of requests: those of one hop, or that each side makes for itself (RFC 9110 section 7.6.1), and those by
// which net/http would take any request for one that may be sent twice. These and the next are spelled as net/http does.
func staysHere(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer",
		"Transfer-Encoding", "Upgrade", "Content-Length", "Host", "Accept-Encoding", "Expect", "Cookie",
		"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix", "X-Real-Ip",
		"Idempotency-Key", "X-Idempotency-Key":
		return true
	}
	return false
}

// isOwn tells of headers of a pod's answer that the top answers for itself.
func isOwn(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Trailer", "Transfer-Encoding", "Upgrade", "Content-Length", "Date", "Server",
		"Set-Cookie", "Vary", "Openstack-Api-Version", "X-Openstack-Nova-Api-Version":
		return true
	}
	return false
}

// Request is one call to a pod, made for a client.
type Request struct {
	Method  string
	Path    string // escaped, below the version, without a project: "/servers/1234"
	Query   string // encoded
	Body    []byte
	Version microversion.Version // zero: the one of the client's request, or the pod's newest if that will do
}

// Answer is a pod's answer, read whole.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	lacks  lacks // because the pod is below the ceiling
}

// OK reports whether the pod did what it was asked.
func (a *Answer) OK() bool { return a.Status >= 200 && a.Status < 300 }

// Send makes one call to a pod with the client's own token and headers, and returns the answer unread. Errors are those of
// pod.Do, and a 401 of the pod after the top has looked at the token again.
func (c *Call) Send(ctx context.Context, p *pod.Pod, r Request) (*http.Response, error) {
	if r.Version.IsZero() {
		r.Version = c.Version
	}
	req, err := c.build(ctx, p, r)
	if err != nil {
		return nil, err
	}
	res, err := p.Do(c.Service.Pod, req)
	if err != nil {
		return nil, r.doubt(err)
	}
	if err := c.suspect(p, res); err != nil {
		_ = res.Body.Close()
		return nil, err
	}
	return res, nil
}

func (c *Call) build(ctx context.Context, p *pod.Pod, r Request) (*http.Request, error) {
	base, ok := p.Endpoint(c.Service.Pod)
	if !ok {
		return nil, &pod.UnavailableError{Pod: p.Name(), Service: c.Service.Pod, Reason: "the Keystone catalog has no endpoint of it"}
	}
	u, err := address(base, c.Service.Prefix, c.Prefix+c.projectPath()+r.Path, r.Query)
	if err != nil {
		return nil, fault.BadRequest("Malformed request URL")
	}
	req := (&http.Request{Method: r.Method, URL: u, Host: u.Host, Header: forwarded(c.R.Header), Body: http.NoBody,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(ctx)
	if len(r.Body) > 0 {
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(r.Body)), nil }
		req.Body, _ = req.GetBody()
		req.ContentLength = int64(len(r.Body))
	}
	c.Service.Versions.impose(req.Header, r.Version)
	req.Header.Set(obs.HeaderRequestID, obs.RequestID(ctx)) // the pod's logs name it as the global request id
	return req, nil
}

// address returns the URL of something in a service of a pod, by its escaped path from the version on. The base is not parsed
// anew, as every call needs one.
func address(base *url.URL, version, path, query string) (*url.URL, error) {
	u := *base
	u.RawPath = strings.TrimSuffix(base.EscapedPath(), version) + path
	u.RawQuery, _, _ = strings.Cut(query, "#") // what is behind that is for clients
	var err error
	u.Path, err = url.PathUnescape(u.RawPath)
	return &u, err
}

// forwarded returns the headers of a request that go on to a pod.
func forwarded(from http.Header) http.Header {
	to := make(http.Header, len(from)+4)
	for name, values := range from {
		if !staysHere(name) {
			to[name] = slices.Clip(values)
		}
	}
	for _, names := range from["Connection"] {
		for name := range strings.SplitSeq(names, ",") {
			to.Del(strings.TrimSpace(name))
		}
	}
	return to
}

// unknown is what is said of a request whose answer is not to be had, if it was one that changes something.
const unknown = "; the request may have been carried out, so look before trying again"

// changes reports whether a request of that method must not be sent twice.
func changes(method string) bool { return method != http.MethodGet && method != http.MethodHead }

// doubt adds to the error of a call that it may have had an effect, where that is so.
func (r Request) doubt(err error) error {
	e, ok := errors.AsType[*pod.UnavailableError](err)
	if !ok || !e.Sent || !changes(r.Method) {
		return err
	}
	said := *e
	said.Reason += unknown
	return &said
}

// suspect looks at a 401 for a token that the top has found valid. When Keystone still likes the token the pod is at fault, and
// users must not be logged out for it.
func (c *Call) suspect(p *pod.Pod, res *http.Response) error {
	if res.StatusCode != http.StatusUnauthorized {
		return nil
	}
	if err := c.revalidate(); err != nil {
		return err
	}
	return &pod.UnavailableError{Pod: p.Name(), Service: c.Service.Pod, Reason: "refuses a token that Keystone accepts"}
}

// revalidate asks Keystone again about a token that a pod has refused; nil means that it is valid.
func (c *Call) revalidate() error {
	fresh, ok := c.Validator.(identity.Revalidator)
	if !ok {
		return nil
	}
	_, err := fresh.Revalidate(c.Context(), string(c.Caller.Token))
	if err == nil || errors.Is(err, identity.ErrInvalidToken) {
		return err
	}
	return fault.Unavailable(err, "The Keystone service is temporarily unavailable.")
}

// badGateway is 502: the pod spoke, but not its API.
func badGateway(p *pod.Pod, cause error, text string) error {
	f := fault.New(http.StatusBadGateway, "Pod %s %s.", p.Name(), text)
	f.Err = cause
	return f
}

// rubbish is badGateway for the answer to a request, which may have been carried out nevertheless: like a reply that was lost,
// it is an *pod.UnavailableError that was sent.
func (c *Call) rubbish(p *pod.Pod, method string, cause error, text string) error {
	if changes(method) {
		text += unknown
	}
	return badGateway(p, &pod.UnavailableError{Pod: p.Name(), Service: c.Service.Pod, Sent: true, Reason: text, Err: cause}, text)
}

// Do is Send, with the answer read whole.
func (c *Call) Do(ctx context.Context, p *pod.Pod, r Request) (*Answer, error) {
	var missing lacks
	if r.Version.IsZero() {
		var err error
		if r.Version, missing, err = c.fit(p); err != nil {
			return nil, err
		}
	}
	res, err := c.Send(ctx, p, r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := readAnswer(res)
	switch {
	case err != nil:
		return nil, r.doubt(err)
	case len(body) > maxAnswer:
		return nil, c.rubbish(p, r.Method, nil, fmt.Sprintf("answered with more than %d MiB", maxAnswer>>20))
	}
	return &Answer{Status: res.StatusCode, Header: res.Header, Body: body, lacks: missing}, nil
}

// readAnswer reads an answer whole, or one byte more than may be; in one piece if its length is told, and likely.
func readAnswer(res *http.Response) ([]byte, error) {
	if n := res.ContentLength; n >= 0 && n <= 64<<10 {
		body := make([]byte, n)
		_, err := io.ReadFull(res.Body, body)
		if err == io.EOF {
			return nil, nil // an answer that only tells the length, such as 304; one that breaks off is another error
		}
		return body, err
	}
	return io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
}

// Forward sends the client's request to a pod, in its words and with body in place of its body, and gives the client the answer.
func (c *Call) Forward(p *pod.Pod, body []byte) error {
	a, err := c.ask(p, body)
	if err != nil {
		return err
	}
	return c.Reply(p, a)
}

// ask is Forward without the reply.
func (c *Call) ask(p *pod.Pod, body []byte) (*Answer, error) {
	r, err := c.requestFor(p, body)
	if err != nil {
		return nil, err
	}
	return c.Do(c.Context(), p, r)
}

// replies are buffers of answers, which nobody keeps once they are written.
var replies = sync.Pool{New: func() any { return new([]byte) }}

// Reply gives the client an answer of a pod, with links, names and the Location header made the top's. The request id
// stays the pod's: users look up server actions and messages by it.
func (c *Call) Reply(p *pod.Pod, a *Answer) error {
	body := a.Body
	if isJSON(a.Header) && len(body) > 0 {
		var err error
		body, err = a.complete()
		if err == nil {
			room := replies.Get().(*[]byte)
			defer replies.Put(room)
			*room, err = c.rules().Rewrite(c.view(p), (*room)[:0], body)
			body = *room
		}
		if err != nil {
			return c.rubbish(p, c.R.Method, err, "answered with something that is not JSON, though it says so")
		}
	} else if a.OK() && len(body) > 0 && strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
		return c.rubbish(p, c.R.Method, errors.New("an HTML page where the API answers JSON"), "answered with a web page")
	}
	h := c.W.Header()
	for name, values := range a.Header {
		if !isOwn(name) {
			h[name] = values
		}
	}
	c.location(p, h)
	if c.R.Method != http.MethodHead {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	c.W.WriteHeader(a.Status)
	if c.R.Method != http.MethodHead {
		_, _ = c.W.Write(body)
	}
	return nil
}

// ReplyJSON gives the client a document that was made of the answers of several pods.
func (c *Call) ReplyJSON(doc []byte) {
	h := c.W.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(doc)))
	c.W.WriteHeader(http.StatusOK)
	_, _ = c.W.Write(doc)
}

func isJSON(h http.Header) bool {
	text := h.Get("Content-Type")
	if text == "application/json" {
		return true // as nearly always
	}
	t, _, _ := mime.ParseMediaType(text)
	return t == "application/json" || strings.HasSuffix(t, "+json")
}
