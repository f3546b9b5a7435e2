package httpx

import (
	"bufio"
	"bytes"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// requests are those that a head is made of, and some that must be left to the standard library.
func requests() map[string]func(*http.Request) {
	header := func(name string, values ...string) func(*http.Request) {
		return func(r *http.Request) { r.Header[name] = values }
	}
	return map[string]func(*http.Request){
		"plain":          func(*http.Request) {},
		"head":           func(r *http.Request) { r.Method = "HEAD" },
		"delete":         func(r *http.Request) { r.Method = "DELETE" },
		"post":           func(r *http.Request) { r.Method = "POST" },
		"query":          func(r *http.Request) { r.URL.RawQuery = "a=b&c" },
		"escaped":        func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/a/b", "/a%2Fb" },
		"opaque":         func(r *http.Request) { r.URL.Opaque = "//x/y z" },
		"bytes in query": func(r *http.Request) { r.URL.RawQuery = "ü" },
		"space in query": func(r *http.Request) { r.URL.RawQuery = "a b" },
		"body": func(r *http.Request) {
			r.Body, r.ContentLength = http.MaxBytesReader(nil, http.NoBody, 1), 0
		},
		"close":             func(r *http.Request) { r.Close = true },
		"chunked":           func(r *http.Request) { r.TransferEncoding = []string{"chunked"} },
		"trailer":           func(r *http.Request) { r.Trailer = http.Header{"A": nil} },
		"no host":           func(r *http.Request) { r.Host = "" },
		"address as host":   func(r *http.Request) { r.Host = "[::1]:80" },
		"zone in host":      func(r *http.Request) { r.Host = "[fe80::1%eth0]:80" },
		"two lines in host": func(r *http.Request) { r.Host = "a\r\nb: c" },
		"other host":        func(r *http.Request) { r.Host = "bücher.example" },
		"no agent":          func(r *http.Request) { r.Header.Del("User-Agent") },
		"empty agent":       header("User-Agent", ""),
		"two values":        header("A", "b", "c"),
		"no values":         header("A"),
		"empty value":       header("A", ""),
		"two lines":         header("A", "b\r\nC: d"),
		"spaces":            header("A", " b "),
		"bytes":             header("A", "ü"),
		"bad name":          header("A b", "c"),
		"two lines in name": header("A\r\nB", "c"),
		"no name":           header("", "c"),
		"length":            header("Content-Length", "10"),
		"encoding":          header("Transfer-Encoding", "chunked"),
		"host as header":    header("Host", "x"),
	}
}

func TestWriteRequest_IsWhatTheStandardLibraryWrites(t *testing.T) {
	for name, change := range requests() {
		t.Run(name, func(t *testing.T) {
			render := func(write func(*bufio.Writer, *http.Request) error) (string, error) {
				u, _ := url.Parse("http://pod:8774/v2.1/servers")
				r := &http.Request{Method: "GET", URL: u, Host: u.Host, Header: http.Header{"User-Agent": {"x"}, "X-Auth-Token": {"t"}}}
				change(r)
				var out bytes.Buffer
				w := bufio.NewWriter(&out)
				err := write(w, r)
				_ = w.Flush()
				head, body, _ := strings.Cut(out.String(), "\r\n\r\n")
				line, fields, _ := strings.Cut(head, "\r\n")
				lines := strings.Split(fields, "\r\n")
				slices.Sort(lines)
				return line + "\n" + strings.Join(lines, "\n") + "\n\n" + body, err
			}
			got, err := render(writeRequest)
			want, wantErr := render(func(w *bufio.Writer, r *http.Request) error { return r.Write(w) })
			if got != want || (err == nil) != (wantErr == nil) {
				t.Errorf("got %q, %v\nwant %q, %v", got, err, want, wantErr)
			}
		})
	}
}

func TestAppendHead_TakesWhatIsCommon(t *testing.T) {
	for name, want := range map[string]bool{"plain": true, "head": true, "query": true, "two values": true, "post": false, "two lines": false} {
		u, _ := url.Parse("http://pod:8774/v2.1/servers")
		r := &http.Request{Method: "GET", URL: u, Host: u.Host, Header: http.Header{"User-Agent": {"x"}}}
		requests()[name](r)
		if _, ok := appendHead(nil, r); ok != want {
			t.Errorf("%s: got %t", name, ok)
		}
	}
}
