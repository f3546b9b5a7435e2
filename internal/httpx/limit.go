package httpx

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/tricircle/tricircle/internal/fault"
)

// DefaultMaxBody is the default of max_request_body_size (oslo_middleware/sizelimit.py): bytes.
const DefaultMaxBody = 114688

// limitBody lets r through if its body has at most limit bytes; otherwise it answers and returns false. A body of unknown
// length is read here, so handlers and pods always meet a Content-Length: webob, on which the services stand, takes a
// request without one for a request without a body.
func limitBody(w http.ResponseWriter, r *http.Request, limit int64, style fault.Style) bool {
	if r.ContentLength > limit {
		tooLarge(w, r, limit)
		return false
	}
	if r.ContentLength >= 0 {
		return true // net/http reads no more than was announced
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		fault.Write(w, style, fault.BadRequest("The body of the request could not be read."))
		return false
	}
	if int64(len(body)) > limit {
		tooLarge(w, r, limit)
		return false
	}
	r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	return true
}

// The 413 of RequestBodySizeLimiter as webob renders it (webob/exc.py, HTTPRequestEntityTooLarge): it stands before the
// services, so it is none of their faults.
const (
	tooLargeText = "413 Request Entity Too Large\n\nRequest is too large. Larger than max_request_body_size (%d).\n\n   "
	tooLargeJSON = `{"message": "Request is too large. Larger than max_request_body_size (%d).<br /><br />\n\n\n", ` +
		`"code": "413 Request Entity Too Large", "title": "Request Entity Too Large"}`
	tooLargeHTML = "<html>\n <head>\n  <title>413 Request Entity Too Large</title>\n </head>\n <body>\n" +
		"  <h1>413 Request Entity Too Large</h1>\n  Request is too large. Larger than max_request_body_size (%d)." +
		"<br /><br />\n\n\n\n </body>\n</html>"
)

func tooLarge(w http.ResponseWriter, r *http.Request, limit int64) {
	accept := r.Header.Get("Accept")
	contentType, body := "text/plain; charset=UTF-8", tooLargeText
	switch {
	case strings.Contains(accept, "application/json"):
		contentType, body = "application/json", tooLargeJSON
	case strings.Contains(accept, "html"), strings.Contains(accept, "*/*"):
		contentType, body = "text/html; charset=UTF-8", tooLargeHTML
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(http.StatusRequestEntityTooLarge)
	fmt.Fprintf(w, body, limit)
}
