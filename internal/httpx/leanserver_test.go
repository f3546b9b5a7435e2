package httpx

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// served is what both kinds of servers do.
type served interface {
	Serve(net.Listener) error
	Shutdown(context.Context) error
	Close() error
}

// servers are run through the same cases: what holds for net/http's must hold for ours.
var servers = map[string]func(http.Handler) served{
	"net/http": func(h http.Handler) served { return NewServer(h, slog.New(slog.DiscardHandler)) },
	"lean":     func(h http.Handler) served { return NewLeanServer(h, slog.New(slog.DiscardHandler)) },
}

// listen runs a server of that kind.
func listen(t testing.TB, kind string, h http.HandlerFunc) (s served, addr string) {
	t.Helper()
	l, err := Listen("127.0.0.1:0", "", "")
	if err != nil {
		t.Fatal(err)
	}
	s = servers[kind](h)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return s, l.Addr().String()
}

func dial(t testing.TB, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}

// actor does what the path says: each word is a way to answer.
func actor(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	switch strings.Trim(r.URL.Path, "/") {
	case "length":
		h.Set("Content-Length", "5")
		_, _ = io.WriteString(w, "12345")
	case "nothing":
	case "small":
		_, _ = io.WriteString(w, "<html>small")
	case "large":
		for range 100 {
			_, _ = io.WriteString(w, strings.Repeat("x", 100))
		}
	case "huge":
		_, _ = io.WriteString(w, strings.Repeat("x", 100000))
	case "hugelength":
		h.Set("Content-Length", "100000")
		_, _ = io.WriteString(w, strings.Repeat("x", 100000))
	case "stream":
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, "a")
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, "b")
	case "streamlength":
		h.Set("Content-Length", "2")
		_, _ = io.WriteString(w, "a")
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, "b")
	case "204", "304":
		h.Set("Content-Length", "10")
		h.Set("Content-Type", "x/y")
		h.Set("ETag", "e")
		w.WriteHeader(map[string]int{"/204": 204, "/304": 304}[r.URL.Path])
		_, err := io.WriteString(w, "not allowed")
		if !errors.Is(err, http.ErrBodyNotAllowed) {
			panic(err)
		}
	case "299":
		w.WriteHeader(299)
	case "flush204":
		w.WriteHeader(204)
		_ = http.NewResponseController(w).Flush()
	case "close":
		h.Set("Connection", "close")
		_, _ = io.WriteString(w, "bye")
	case "hints":
		h.Set("Link", "x")
		w.WriteHeader(103)
		w.WriteHeader(200)
		w.WriteHeader(500)
		_, _ = io.WriteString(w, "end")
	case "short":
		h.Set("Content-Length", "10")
		_, _ = io.WriteString(w, "short")
	case "long":
		h.Set("Content-Length", "2")
		_, _ = io.WriteString(w, "ab")
		if _, err := io.WriteString(w, "cd"); !errors.Is(err, http.ErrContentLength) {
			panic(err)
		}
	case "headers":
		h["A"] = []string{" b\r\nc: d ", "é"}
		h["B ad"] = []string{"x"}
		h["Date"] = []string{"today"}
		h["Content-Type"] = []string{"x/y"}
		_, _ = io.WriteString(w, "x")
	case "untyped":
		h["Content-Type"] = nil
		_, _ = io.WriteString(w, "<html>")
	case "late":
		w.WriteHeader(201)
		h.Set("Late", "not sent")
		_, _ = io.WriteString(w, "x")
	case "coded":
		h.Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, "xx")
	case "panic":
		panic("oops")
	case "abort":
		_, _ = io.WriteString(w, "part")
		panic(http.ErrAbortHandler)
	case "status":
		w.WriteHeader(42)
	case "unread":
		_, _ = io.WriteString(w, "did not look")
	default:
		echoRequest(w, r)
	}
}

// echoRequest answers with all that the handler can see of the request.
func echoRequest(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	_, _ = fmt.Fprintf(w, "%s %s %s host %q length %d close %t body %q broken %t\n", r.Method, r.RequestURI, r.Proto, r.Host,
		r.ContentLength, r.Close, body, err != nil)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		_, _ = fmt.Fprintf(w, "%s: %q\n", name, r.Header[name])
	}
}

// exchange sends all of input and returns what comes back, without what differs from run to run or does not matter.
func exchange(t testing.TB, addr, input string) string {
	t.Helper()
	c := dial(t, addr)
	defer func() { _ = c.Close() }()
	_, _ = io.WriteString(c, input)
	_ = c.(*net.TCPConn).CloseWrite()
	var out strings.Builder
	for in := bufio.NewReader(c); ; {
		res, err := http.ReadResponse(in, nil)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			out.WriteString("hangs\n")
		}
		if err != nil {
			return out.String()
		}
		body, err := io.ReadAll(res.Body)
		date := res.Header["Date"]
		if len(date) == 1 && strings.HasSuffix(date[0], " GMT") {
			res.Header.Set("Date", "now")
		}
		_, _ = fmt.Fprintf(&out, "%s length %d %v close %t whole %t %q\n", res.Status, res.ContentLength, res.TransferEncoding,
			res.Close, err == nil, body)
		for _, name := range slices.Sorted(maps.Keys(res.Header)) {
			_, _ = fmt.Fprintf(&out, "  %s: %q\n", name, res.Header[name])
		}
	}
}

const get, host = "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n", " HTTP/1.1\r\nHost: a\r\n"

// conversations are what clients send on one connection.
func conversations() map[string]string {
	all := map[string]string{
		"get":                 get,
		"twice":               get + get,
		"headers":             "GET /?q=%20&q HTTP/1.1\r\nhost: a:80\r\nx-auth-token: x\r\nA:  b \r\nA: c\r\n\r\n" + get,
		"escaped":             "GET /a%2Fb/../c//d" + host + "\r\n" + get,
		"delete":              "DELETE /x" + host + "\r\n" + get,
		"post":                "POST /x" + host + "Content-Length: 3\r\n\r\nabc" + get,
		"post empty":          "POST /x" + host + "Content-Length: 0\r\n\r\n" + get,
		"post no length":      "POST /x" + host + "\r\n" + get,
		"line behind a post":  "POST /x" + host + "Content-Length: 3\r\n\r\nabc\r\n" + get,
		"line and no more":    "POST /x" + host + "Content-Length: 3\r\n\r\nabc\r\n\r\n",
		"post broken off":     "POST /x" + host + "Content-Length: 30\r\n\r\nabc",
		"post large":          "POST /length" + host + "Content-Length: 10000\r\n\r\n" + strings.Repeat("x", 10000) + get,
		"post larger":         "POST /length" + host + "Content-Length: 100000\r\n\r\n" + strings.Repeat("x", 100000) + get,
		"body never came":     "POST /unread" + host + "Content-Length: 3\r\n\r\na",
		"post middling":       "POST /x" + host + "Content-Length: 6000\r\n\r\n" + strings.Repeat("x", 6000) + get,
		"post unread":         "POST /unread" + host + "Content-Length: 3\r\n\r\nabc" + get,
		"post chunked":        "POST /x" + host + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + get,
		"get with body":       "GET /x" + host + "Content-Length: 3\r\n\r\nabc" + get,
		"expect":              "POST /x" + host + "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc" + get,
		"expect other":        "POST /x" + host + "Expect: x\r\nContent-Length: 3\r\n\r\nabc" + get,
		"head":                get + "HEAD /length" + host + "\r\n" + get,
		"options":             "OPTIONS *" + host + "\r\n" + get,
		"trace":               "TRACE /" + host + "\r\n" + get,
		"connect":             "CONNECT a:80" + host + "\r\n" + get,
		"close":               get + "GET /" + host + "Connection: close\r\n\r\n" + get,
		"keep-alive":          "GET /" + host + "Connection: Keep-Alive\r\n\r\n" + get,
		"upgrade":             "GET /" + host + "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n" + get,
		"1.0":                 "GET / HTTP/1.0\r\n\r\n" + get,
		"1.0 keep-alive":      "GET /length HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + get,
		"2.0":                 "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"absolute":            "GET http://b/x" + host + "\r\n" + get,
		"no host":             "GET / HTTP/1.1\r\n\r\n" + get,
		"empty host":          "GET / HTTP/1.1\r\nHost:\r\n\r\n" + get,
		"two hosts":           "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + get,
		"strange host":        "GET / HTTP/1.1\r\nHost: a/b c\r\n\r\n" + get,
		"bytes":               "GET /" + host + "A: é\r\n\r\n" + get,
		"tab":                 "GET /" + host + "A: b\tc\r\n\r\n" + get,
		"control":             "GET /" + host + "A: b\x01c\r\n\r\n" + get,
		"bad name":            "GET /" + host + "A b: c\r\n\r\n" + get,
		"space before colon":  "GET /" + host + "A : c\r\n\r\n" + get,
		"folded":              "GET /" + host + "A: b\r\n c\r\n\r\n" + get,
		"line feeds":          "GET / HTTP/1.1\nHost: a\n\n" + get,
		"nonsense":            "nonsense\r\n\r\n",
		"nothing":             "",
		"next to nothing":     "ab",
		"little behind":       get + "ab",
		"half a head":         "GET / HTTP/1.1\r\nHost",
		"large head":          "GET /" + host + "A: " + strings.Repeat("x", 10000) + "\r\n\r\n" + get,
		"too large head":      "GET /" + host + "A: " + strings.Repeat("x", 100000) + "\r\n\r\n" + get,
		"two lengths":         "POST /x" + host + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc" + get,
		"same length twice":   "POST /x" + host + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc" + get,
		"length and chunks":   "POST /x" + host + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + get,
		"bad length":          "POST /x" + host + "Content-Length: +3\r\n\r\nabc" + get,
		"negative length":     "POST /x" + host + "Content-Length: -3\r\n\r\nabc" + get,
		"unknown coding":      "POST /x" + host + "Transfer-Encoding: gzip\r\n\r\nabc" + get,
		"trailer":             "POST /x" + host + "Trailer: A\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n" + get,
		"empty lines between": get + "\r\n" + get,
	}
	for _, path := range []string{"length", "nothing", "small", "large", "huge", "hugelength", "stream", "streamlength", "204", "304", "299",
		"flush204", "close", "hints", "short", "long", "headers", "untyped", "late", "coded", "panic", "abort", "status"} {
		all["answer "+path] = get + "GET /" + path + host + "\r\n" + get
	}
	return all
}

func TestServers_Conversations_GoAlike(t *testing.T) {
	_, theirs := listen(t, "net/http", actor)
	_, ours := listen(t, "lean", actor)
	for name, input := range conversations() {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(exchange(t, theirs, input), exchange(t, ours, input)); diff != "" {
				t.Errorf("net/http (-) and ours (+):\n%s", diff)
			}
		})
	}
}

func FuzzServers_Conversations_GoAlike(f *testing.F) {
	for _, input := range conversations() {
		f.Add(input)
	}
	_, theirs := listen(f, "net/http", actor)
	_, ours := listen(f, "lean", actor)
	f.Fuzz(func(t *testing.T, input string) {
		if diff := cmp.Diff(exchange(t, theirs, input), exchange(t, ours, input)); diff != "" {
			t.Errorf("net/http (-) and ours (+):\n%s", diff)
		}
	})
}

// onServers runs a test with each kind of server.
func onServers(t *testing.T, h http.HandlerFunc, test func(t *testing.T, s served, addr string)) {
	t.Helper()
	for kind := range servers {
		t.Run(kind, func(t *testing.T) {
			s, addr := listen(t, kind, h)
			test(t, s, addr)
		})
	}
}

func TestServers_ClientGoes_RequestEnds(t *testing.T) {
	began, ended := make(chan struct{}), make(chan error)
	h := func(_ http.ResponseWriter, r *http.Request) {
		began <- struct{}{}
		<-r.Context().Done()
		ended <- r.Context().Err()
	}
	onServers(t, h, func(t *testing.T, _ served, addr string) {
		c := dial(t, addr)
		_, _ = io.WriteString(c, get)
		<-began
		_ = c.Close()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

// A request that took long, so that it was looked whether the client is there, leaves the connection as it was.
func TestServers_AfterALongRequest_ConnectionServesOn(t *testing.T) {
	h := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/long" {
			<-time.After(3 * watchAfter)
		}
		echoRequest(w, r)
	}
	onServers(t, h, func(t *testing.T, _ served, addr string) {
		c := dial(t, addr)
		in := bufio.NewReader(c)
		for _, input := range []string{"GET /long" + host + "\r\n", get, "GET /long" + host + "\r\n" + get, ""} {
			_, _ = io.WriteString(c, input)
			res, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(res.Body); err != nil || res.StatusCode != 200 {
				t.Errorf("got %s, %v", res.Status, err)
			}
		}
	})
}

func TestServers_Shutdown_EndsWhatIsIdleAndWaitsForTheRest(t *testing.T) {
	began, goOn := make(chan struct{}), make(chan struct{})
	h := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			began <- struct{}{}
			<-goOn
		}
		echoRequest(w, r)
	}
	onServers(t, h, func(t *testing.T, s served, addr string) {
		idle, busy := dial(t, addr), dial(t, addr)
		_, _ = io.WriteString(idle, get)
		idleIn := bufio.NewReader(idle)
		if res, err := http.ReadResponse(idleIn, nil); err != nil || res.StatusCode != 200 {
			t.Fatal(res, err)
		} else if _, err := io.ReadAll(res.Body); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(busy, "GET /wait"+host+"\r\n")
		<-began
		expired, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Shutdown(expired); !errors.Is(err, context.Canceled) {
			t.Errorf("while one is busy: got %v", err)
		}
		done := make(chan error, 1)
		go func() { done <- s.Shutdown(t.Context()) }()
		if _, err := idleIn.ReadByte(); err != io.EOF {
			t.Errorf("idle: got %v", err)
		}
		goOn <- struct{}{}
		res, err := http.ReadResponse(bufio.NewReader(busy), nil)
		if err != nil || res.StatusCode != 200 || !res.Close {
			t.Errorf("busy: got %+v, %v", res, err)
		}
		if err := <-done; err != nil {
			t.Errorf("got %v", err)
		}
		if _, err := net.Dial("tcp", addr); err == nil {
			t.Error("it still listens")
		}
	})
}

func TestServers_Close_CutsOff(t *testing.T) {
	began := make(chan struct{})
	h := func(_ http.ResponseWriter, r *http.Request) {
		began <- struct{}{}
		<-r.Context().Done()
	}
	onServers(t, h, func(t *testing.T, s served, addr string) {
		c := dial(t, addr)
		_, _ = io.WriteString(c, get)
		<-began
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if _, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil {
			t.Error("there is an answer")
		}
	})
}

func TestLeanServer_TLS_IsNetHTTPs(t *testing.T) {
	certFile, keyFile := writePair(t, t.TempDir(), 1, time.Now())
	l, err := Listen("127.0.0.1:0", certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	s := NewLeanServer(http.HandlerFunc(echoRequest), slog.New(slog.DiscardHandler))
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	client := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	t.Cleanup(client.CloseIdleConnections)
	res, err := client.Get("https://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.ProtoMajor != 2 || res.StatusCode != 200 {
		t.Errorf("got %s %s", res.Proto, res.Status)
	}
}
