package httpx

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"strconv"
	"strings"
	"time"
)

// maxPending is how much of a body of unknown length waits for its end, so that the length can be told; as in net/http.
const maxPending = 2 << 10

// leanResponse is the http.ResponseWriter of a LeanServer. Headers are put into the connection's buffer by WriteHeader, but for
// those that depend on the body.
type leanResponse struct {
	conn    *servedConn
	header  http.Header
	status  int            // 0 before WriteHeader
	typed   bool           // the handler told the type of the body
	dated   bool           // and the time
	headed  bool           // the empty line behind the headers is written
	left    int64          // bytes of the body that were announced and not written; -1 if none was announced
	pending []byte         // of a body of unknown length
	chunks  io.WriteCloser // where a longer one goes
	last    bool           // of its connection
}

func (w *leanResponse) Header() http.Header { return w.header }

func (w *leanResponse) WriteHeader(status int) {
	switch {
	case w.status != 0:
		return
	case status < 100 || status > 999:
		panic(fmt.Sprintf("invalid WriteHeader code %v", status))
	case status < 200 && status != http.StatusSwitchingProtocols:
		w.line(status)
		w.fields()
		_, _ = w.conn.w.WriteString("\r\n")
		_ = w.conn.w.Flush()
		return
	}
	w.status = status
	if length, err := strconv.ParseInt(w.header.Get("Content-Length"), 10, 64); err == nil && length >= 0 && w.mayHaveBody() {
		w.left = length
	}
	_, w.typed = w.header["Content-Type"]
	w.typed = w.typed || w.header.Get("Content-Encoding") != ""
	_, w.dated = w.header["Date"]
	w.last = w.header.Get("Connection") == "close"
	w.line(status)
	w.fields()
	if !w.last && w.conn.server.isClosing() {
		w.last = true
		_, _ = w.conn.w.WriteString("Connection: close\r\n")
	}
}

// mayHaveBody tells whether the status allows a body.
func (w *leanResponse) mayHaveBody() bool {
	return w.status >= 200 && w.status != http.StatusNoContent && w.status != http.StatusNotModified
}

func (w *leanResponse) line(status int) {
	text := http.StatusText(status)
	if text == "" {
		text = "status code " + strconv.Itoa(status)
	}
	b := strconv.AppendInt(append(w.conn.w.AvailableBuffer(), "HTTP/1.1 "...), int64(status), 10)
	_, _ = w.conn.w.Write(append(append(append(b, ' '), text...), "\r\n"...))
}

// newlines are made harmless as net/http does.
var newlines = strings.NewReplacer("\n", " ", "\r", " ")

// fields writes the handler's headers, without those that framing makes.
func (w *leanResponse) fields() {
	for name, values := range w.header {
		switch {
		case name == "Transfer-Encoding", name == "Content-Length" && w.left < 0,
			name == "Content-Type" && w.status == http.StatusNotModified, !isWord(name, "!#$%&'*+-.^_`|~"):
			continue
		}
		for _, value := range values {
			if !isText(value) {
				value = newlines.Replace(value)
			}
			b := append(append(w.conn.w.AvailableBuffer(), name...), ": "...)
			_, _ = w.conn.w.Write(append(append(b, textproto.TrimString(value)...), "\r\n"...))
		}
	}
}

// begin ends the headers. size is the length of the body if the handler has not told it, -1 if it is not known yet; first is how
// the body begins.
func (w *leanResponse) begin(size int64, first []byte) {
	w.headed = true
	b := w.conn.w.AvailableBuffer()
	if !w.dated {
		b = append(time.Now().UTC().AppendFormat(append(b, "Date: "...), http.TimeFormat), "\r\n"...)
	}
	if w.mayHaveBody() && !w.typed && len(first) > 0 {
		b = append(append(append(b, "Content-Type: "...), http.DetectContentType(first)...), "\r\n"...)
	}
	switch {
	case w.left >= 0 || !w.mayHaveBody():
	case size >= 0:
		b = append(strconv.AppendInt(append(b, "Content-Length: "...), size, 10), "\r\n"...)
	default:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
		w.chunks = httputil.NewChunkedWriter(w.conn.w)
	}
	_, _ = w.conn.w.Write(append(b, "\r\n"...))
}

func (w *leanResponse) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	switch {
	case len(p) == 0:
		return 0, nil
	case !w.mayHaveBody():
		return 0, http.ErrBodyNotAllowed
	case w.left >= 0:
		if int64(len(p)) > w.left {
			w.last = true // nobody knows what the handler meant
			return 0, http.ErrContentLength
		}
		if !w.headed {
			w.begin(-1, p)
		}
		w.left -= int64(len(p))
		return w.conn.w.Write(p)
	case w.chunks == nil && len(w.pending)+len(p) <= maxPending:
		w.pending = append(w.pending, p...)
		return len(p), nil
	case w.chunks == nil:
		if err := w.chunked(p); err != nil {
			return 0, err
		}
	}
	return w.chunks.Write(p)
}

// chunked begins a body whose length is not known, with what waits.
func (w *leanResponse) chunked(next []byte) error {
	first := w.pending
	if len(first) == 0 {
		first = next
	}
	w.begin(-1, first)
	if len(w.pending) == 0 {
		return nil
	}
	_, err := w.chunks.Write(w.pending)
	return err
}

// FlushError is found by http.ResponseController.
func (w *leanResponse) FlushError() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.headed && w.left < 0 && w.mayHaveBody() {
		if err := w.chunked(nil); err != nil {
			return err
		}
	} else if !w.headed {
		w.begin(-1, nil)
	}
	return w.conn.w.Flush()
}

// finish sends what is left to send; false if the connection must not be used again.
func (w *leanResponse) finish() bool {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.headed {
		w.begin(int64(len(w.pending)), w.pending)
		_, _ = w.conn.w.Write(w.pending)
	} else if w.chunks != nil {
		_ = w.chunks.Close()
		_, _ = w.conn.w.WriteString("\r\n")
	}
	takeTurns()
	return w.conn.w.Flush() == nil && !w.last && w.left <= 0
}
