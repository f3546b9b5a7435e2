package httpx

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// The heads of usual requests and answers are parsed here. What counts as usual is a part of what the standard library takes for
// well-formed in which nothing can be understood in two ways; it alone judges all else, from the first byte.

// cutHead returns what is buffered of the head of a message, with the empty line behind it; "" if that is not all of it.
func cutHead(r *bufio.Reader) string {
	buffered, _ := r.Peek(r.Buffered())
	end := bytes.Index(buffered, []byte("\r\n\r\n"))
	if end < 0 {
		return ""
	}
	return string(buffered[:end+len("\r\n\r\n")])
}

// parseRequest returns the request, yet without a body, that a head begins; nil if it is not a usual one.
func parseRequest(head string) *http.Request {
	line, fields, _ := strings.Cut(head, "\r\n")
	spelled, rest, _ := strings.Cut(line, " ")
	target, version, _ := strings.Cut(rest, " ")
	method := slices.Index(usualMethods, spelled)
	if method < 0 || version != "HTTP/1.1" || !isText(target) || !strings.HasPrefix(target, "/") {
		return nil
	}
	header, ok := parseFields(fields)
	if !ok || len(header["Host"]) != 1 || !isWord(header["Host"][0], "-_.:[]") {
		return nil
	}
	length, ok := parseLength(header["Content-Length"], 0)
	u, err := url.ParseRequestURI(target)
	if !ok || err != nil {
		return nil
	}
	req := &http.Request{Method: usualMethods[method], URL: u, RequestURI: target, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Host: header["Host"][0], ContentLength: length, Body: http.NoBody}
	delete(header, "Host") // as net/http does
	return req
}

// usualMethods are kept as labels of metrics, so a request gets them from here, not as parts of its head.
var usualMethods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// readResponse is http.ReadResponse.
func readResponse(r *bufio.Reader, req *http.Request) (*http.Response, error) {
	if _, err := r.Peek(1); err == nil && req.Method != http.MethodHead {
		head := cutHead(r)
		if res := parseResponse(head); res != nil {
			_, _ = r.Discard(len(head))
			res.Request = req
			if res.ContentLength > 0 {
				res.Body = &sized{r: r, left: res.ContentLength}
			}
			return res, nil
		}
	}
	return http.ReadResponse(r, req)
}

// parseResponse returns the answer, yet without a body, that a head begins; nil if it is not a usual one of known length.
func parseResponse(head string) *http.Response {
	line, fields, _ := strings.Cut(head, "\r\n")
	status, ok := strings.CutPrefix(line, "HTTP/1.1 ")
	if !ok || len(status) < len("200 ") || status[0] < '2' || status[3] != ' ' || !isText(status) {
		return nil
	}
	code, err := strconv.ParseUint(status[:3], 10, 16)
	if err != nil || code == http.StatusNoContent || code == http.StatusNotModified {
		return nil
	}
	header, ok := parseFields(fields)
	if !ok {
		return nil
	}
	length, ok := parseLength(header["Content-Length"], -1)
	if !ok || length < 0 {
		return nil
	}
	return &http.Response{Status: status, StatusCode: int(code), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header,
		ContentLength: length, Body: http.NoBody}
}

// parseLength returns the length that a Content-Length tells, none if there is no such header.
func parseLength(values []string, none int64) (n int64, ok bool) {
	if len(values) == 0 {
		return none, true
	}
	length, err := strconv.ParseUint(values[0], 10, 63)
	return int64(length), err == nil && len(values) == 1
}

// parseFields parses header lines up to and with the empty one behind them; false if one is not a usual one, or would change how
// the message is framed, or what becomes of the connection. The values are parts of fields.
func parseFields(fields string) (h http.Header, ok bool) {
	lines := strings.Count(fields, "\r\n") - 1
	h = make(http.Header, lines)
	room := make([]string, lines)
	for range lines {
		line, rest, _ := strings.Cut(fields, "\r\n")
		spelled, value, ok := strings.Cut(line, ":")
		if !ok || !isWord(spelled, "-_") || !isText(value) {
			return nil, false
		}
		name, value := canonical(spelled), strings.Trim(value, " ")
		switch name {
		case "Connection":
			if !strings.EqualFold(value, "keep-alive") {
				return nil, false
			}
		case "Transfer-Encoding", "Trailer", "Te", "Upgrade", "Expect", "Pragma":
			return nil, false
		}
		if values := h[name]; values != nil {
			h[name] = append(values, value)
		} else {
			room[0] = value
			h[name], room = room[:1:1], room[1:]
		}
		fields = rest
	}
	return h, fields == "\r\n"
}

// canonical is textproto.CanonicalMIMEHeaderKey, which knows those of the web and makes a string for each other that is not spelled
// as it would, such as these.
func canonical(name string) string {
	switch name {
	case "OpenStack-API-Version":
		return "Openstack-Api-Version"
	case "X-OpenStack-Nova-API-Version":
		return "X-Openstack-Nova-Api-Version"
	case "x-openstack-request-id":
		return "X-Openstack-Request-Id"
	case "x-compute-request-id":
		return "X-Compute-Request-Id"
	}
	return textproto.CanonicalMIMEHeaderKey(name)
}

// sized is a body of known length.
type sized struct {
	r    *bufio.Reader
	left int64
}

func (b *sized) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	switch {
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	case b.left == 0:
		err = io.EOF // with the last bytes, so that the connection is free when they are read
	}
	return n, err
}

func (b *sized) Close() error { return nil }
