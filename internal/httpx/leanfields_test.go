package httpx

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// heads are fields, of which the first are usual.
func heads() (fields []string, usual int) {
	fields = []string{
		"Content-Length: 2\r\n",
		"content-length:2\r\nx-a_b:  c : d  \r\nX-A_b: e\r\nOpenStack-API-Version: compute 2.90\r\n",
		"Content-Length: 0\r\nX-OpenStack-Nova-API-Version: 2.90\r\nx-openstack-request-id: a\r\nx-compute-request-id: a\r\n",
		"Content-Length: 2\r\nConnection: Keep-Alive\r\nVary: A, B\r\nVary: C\r\nEmpty:\r\n",
	}
	return append(fields, "", "Content-Length: 2\r\nContent-Length: 2\r\n", "Content-Length: +2\r\n", "Content-Length: \r\n", "Content-Length: 2, 2\r\n",
		"Content-Length : 2\r\n", " Content-Length: 2\r\n", "Content-Length: 2\r\n a\r\n", "Content-Length: 2\nA: b\r\n", "Content-Length: 2\n\nA: b\r\n",
		"Content-Length: 2\rA: b\r\n", "Content-Length: 99999999999999999999\r\n", "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
		"Transfer-Encoding: chunked\r\n", "Content-Length: 2\r\nConnection: close\r\n", "Content-Length: 2\r\nConnection: x\r\n",
		"Content-Length: 2\r\nPragma: no-cache\r\n", "Content-Length: 2\r\nTrailer: A\r\n", "Content-Length: 2\r\nA\r\n", "Content-Length: 2\r\n: a\r\n",
		"Content-Length: 2\r\nA: \xfc\r\n", "Content-Length: 2\r\nA:\tb\t\r\n", "Content-Length: 2\r\nA: b\x00c\r\n", "Content-Length: 2\r\nA.b: c\r\n"), len(fields)
}

func FuzzParseResponse_IsWhatTheStandardLibraryReads(f *testing.F) {
	fields, usual := heads()
	for i, each := range fields {
		if got := parseResponse("HTTP/1.1 200 OK\r\n" + each + "\r\n"); (got != nil) != (i < usual) {
			f.Errorf("%q: usual is %t", each, got != nil)
		}
		f.Add("200 OK\r\n" + each)
	}
	for _, status := range []string{"202 Accepted", "404 ", "500", "204 No Content", "304 Not Modified", "100 Continue", "101 x", "2000 x", "2x0 x", "999 x"} {
		f.Add(status + "\r\n" + fields[0])
	}
	f.Fuzz(func(t *testing.T, text string) {
		message := "HTTP/1.1 " + text + "\r\nok"
		req := &http.Request{Method: "GET"}
		got, err := readResponse(bufio.NewReader(strings.NewReader(message)), req)
		want, wantErr := http.ReadResponse(bufio.NewReader(strings.NewReader(message)), req)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: got %v, want %v", message, err, wantErr)
		}
		if err != nil {
			return
		}
		body, err := io.ReadAll(got.Body)
		wantBody, wantErr := io.ReadAll(want.Body)
		if !bytes.Equal(body, wantBody) || err != wantErr {
			t.Fatalf("%q: body %q, %v, want %q, %v", message, body, err, wantBody, wantErr)
		}
		if got.Body, want.Body = nil, nil; !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: got %+v, want %+v", message, got, want)
		}
	})
}

func FuzzParseRequest_IsWhatTheStandardLibraryReads(f *testing.F) {
	fields, usual := heads()
	for i, each := range fields {
		head := "GET /a?b HTTP/1.1\r\nHost: a:1\r\n" + each
		if got := parseRequest(head + "\r\n"); (got != nil) != (i <= usual) { // it needs no length
			f.Errorf("%q: usual is %t", each, got != nil)
		}
		f.Add(head)
	}
	for _, line := range []string{"POST /%41%zz", "PUT //a/b", "DELETE /a#b", "PATCH *", "GET http://b/c", "GET /a b", "GET  /", "get /", "HEAD /", "OPTIONS *", "GET /\xfc"} {
		f.Add(line + " HTTP/1.1\r\nHost: a\r\n")
	}
	for _, head := range []string{"GET / HTTP/1.0\r\n", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n", "GET /\r\n", "GET / HTTP/1.1\r\nHost: a b\r\n"} {
		f.Add(head)
	}
	f.Fuzz(func(t *testing.T, head string) {
		in := bufio.NewReader(strings.NewReader(head + "\r\n"))
		if _, err := in.Peek(1); err != nil {
			return
		}
		text := cutHead(in)
		got := parseRequest(text)
		if got == nil {
			return // net/http's
		}
		want, err := http.ReadRequest(in)
		if err != nil || in.Buffered() != len(head)+2-len(text) {
			t.Fatalf("%q: got %+v, want %v and %d bytes left", head, got, err, in.Buffered())
		}
		if got.ContentLength > 0 {
			want.Body = http.NoBody
		}
		if !reflect.DeepEqual(got.WithContext(t.Context()), want.WithContext(t.Context())) {
			t.Fatalf("%q: got %+v, want %+v", head, got, want)
		}
	})
}
