package httpx

import (
	"bufio"
	"net/http"
	"strings"
)

// writeRequest puts a request into w. The common one, which has no body and asks nothing of the connection, is spelled out here; all
// else is the standard library's matter, also what it has to make harmless first.
func writeRequest(w *bufio.Writer, req *http.Request) error {
	if head, ok := appendHead(w.AvailableBuffer(), req); ok {
		_, err := w.Write(head)
		return err
	}
	return req.Write(w)
}

// appendHead appends what Request.Write would send, but for the order of the headers; false if that takes more than to copy it.
func appendHead(b []byte, req *http.Request) (head []byte, ok bool) {
	switch {
	case req.Method != http.MethodGet && req.Method != http.MethodHead, req.Body != nil && req.Body != http.NoBody,
		req.Close, req.TransferEncoding != nil, req.Trailer != nil, req.Header.Get("User-Agent") == "":
		return b, false
	}
	target := req.URL.RequestURI()
	if !isText(target) || strings.Contains(target, " ") || !isWord(req.Host, "-.:[]") {
		return b, false
	}
	b = append(append(append(append(b, req.Method...), ' '), target...), " HTTP/1.1\r\nHost: "...)
	b = append(append(b, req.Host...), "\r\n"...)
	for name, values := range req.Header {
		if derived(name) || !isWord(name, "-") {
			return b, false
		}
		for _, value := range values {
			if !isText(value) || strings.TrimSpace(value) != value {
				return b, false
			}
			b = append(append(append(append(b, name...), ": "...), value...), "\r\n"...)
		}
	}
	return append(b, "\r\n"...), true
}

// derived tells whether a header is one that is made from other fields of a request.
func derived(name string) bool {
	switch name {
	case "Host", "Content-Length", "Transfer-Encoding", "Trailer":
		return true
	}
	return false
}

// isWord tells whether s is of letters, digits and some others.
func isWord(s, others string) bool {
	for i := range len(s) {
		c := s[i]
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return s != ""
}

// isText tells whether s has only printable ASCII and spaces.
func isText(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
