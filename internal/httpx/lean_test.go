package httpx

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// transports are run through the same cases: what holds for net/http's must hold for ours.
var transports = map[string]func(*testing.T, TransportOptions) http.RoundTripper{
	"net/http": func(t *testing.T, o TransportOptions) http.RoundTripper { return newTransport(t, o) },
	"lean":     func(t *testing.T, o TransportOptions) http.RoundTripper { return newLean(t, o) },
}

func newLean(t *testing.T, o TransportOptions) *Lean {
	t.Helper()
	l, err := NewLean(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.CloseIdleConnections)
	return l
}

// stage is a server that does with each of its connections what a test says.
type stage struct {
	net.Listener
	done sync.WaitGroup

	mu    sync.Mutex
	seen  []string // "<connection> <method>"
	conns int
}

// scene is what becomes of one connection.
type scene func(s *stage, n int, c net.Conn, r *bufio.Reader)

func perform(t *testing.T, play scene) *stage {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{Listener: l}
	s.done.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.conns++
			n := s.conns
			s.done.Go(func() {
				defer func() { _ = c.Close() }()
				play(s, n, c, bufio.NewReader(c))
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); s.done.Wait() })
	return s
}

// read takes the next request of connection n whole; false if there is none.
func (s *stage) read(n int, r *bufio.Reader) bool {
	req, err := http.ReadRequest(r)
	if err != nil {
		return false
	}
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, fmt.Sprint(n, " ", req.Method))
	return true
}

func (s *stage) log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.seen, ", ")
}

// always answers every request alike.
func always(answer string) scene {
	return func(s *stage, n int, c net.Conn, r *bufio.Reader) {
		for s.read(n, r) {
			_, _ = io.WriteString(c, answer)
		}
	}
}

// once answers the first request of each connection, which may be with half an answer, and then hangs up.
func once(answer string) scene {
	return func(s *stage, n int, c net.Conn, r *bufio.Reader) {
		s.read(n, r)
		_, _ = io.WriteString(c, answer)
	}
}

func reset(c net.Conn) {
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
}

// hang waits until the client hangs up.
func hang(_ *stage, _ int, _ net.Conn, r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) }

// call makes a request and reads the answer whole.
func call(ctx context.Context, rt http.RoundTripper, method, url, body string) (status int, text string, err error) {
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, content)
	if err != nil {
		return 0, "", err
	}
	res, err := rt.RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	all, err := io.ReadAll(res.Body)
	return res.StatusCode, string(all), err
}

// onBoth runs a test with each transport, over the stage of a scene. No goroutine may be left.
func onBoth(t *testing.T, play scene, test func(t *testing.T, s *stage, rt http.RoundTripper, url string)) {
	t.Helper()
	for name, make := range transports {
		t.Run(name, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			t.Cleanup(func() { goleak.VerifyNone(t, before) })
			s := perform(t, play)
			test(t, s, make(t, TransportOptions{}), "http://"+s.Addr().String()+"/x?y")
		})
	}
}

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

func TestTransports_Answers_AreReadAndTheConnectionIsKept(t *testing.T) {
	for name, c := range map[string]struct {
		method, answer, text string
		status               int
	}{
		"length":     {"GET", okAnswer, "ok", 200},
		"empty":      {"POST", "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", "", 202},
		"no content": {"DELETE", "HTTP/1.1 204 No Content\r\n\r\n", "", 204},
		"head":       {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", "", 200},
		"chunks":     {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\nA: b\r\n\r\n", "ok", 200},
		"hints":      {"GET", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + okAnswer, "ok", 200},
		"error":      {"PUT", "HTTP/1.1 500 Oops\r\nContent-Length: 1\r\n\r\n!", "!", 500},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, always(c.answer), func(t *testing.T, s *stage, rt http.RoundTripper, url string) {
				for range 3 {
					status, text, err := call(t.Context(), rt, c.method, url, "")
					if status != c.status || text != c.text || err != nil {
						t.Errorf("got %d %q, %v", status, text, err)
					}
				}
				if got, want := s.log(), strings.ReplaceAll("1 M, 1 M, 1 M", "M", c.method); got != want {
					t.Errorf("the server saw %s", got)
				}
			})
		})
	}
}

func TestTransports_LastAnswerOfAConnection_NextCallMakesAnother(t *testing.T) {
	for name, answer := range map[string]string{
		"close": "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
		"1.0":   "HTTP/1.0 200 OK\r\n\r\nok",
		"eof":   "HTTP/1.1 200 OK\r\n\r\nok",
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, once(answer), func(t *testing.T, s *stage, rt http.RoundTripper, url string) {
				for range 2 {
					if status, text, err := call(t.Context(), rt, "POST", url, "body"); status != 200 || text != "ok" || err != nil {
						t.Errorf("got %d %q, %v", status, text, err)
					}
				}
				if got := s.log(); got != "1 POST, 2 POST" {
					t.Errorf("the server saw %s", got)
				}
			})
		})
	}
}

func TestTransports_Faults_AreErrorsAndNothingIsSentTwice(t *testing.T) {
	for name, play := range map[string]scene{
		"reset at once":    func(_ *stage, _ int, c net.Conn, r *bufio.Reader) { _, _ = r.Peek(1); reset(c) },
		"reset afterwards": func(s *stage, n int, c net.Conn, r *bufio.Reader) { s.read(n, r); reset(c) },
		"closed":           once(""),
		"half a header":    once("HTTP/1.1 200 OK\r\nContent-Le"),
		"half a body":      once("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok"),
		"half a chunk":     once("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok"),
		"chunks no end":    once("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"),
		"no HTTP":          once("SSH-2.0-OpenSSH_9.2\r\n"),
		"huge header":      once("HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", maxHeader) + "\r\n\r\n"),
		"endless hints":    once(strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 10)),
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, play, func(t *testing.T, s *stage, rt http.RoundTripper, url string) {
				for _, method := range []string{"POST", "GET"} {
					_, _, err := call(t.Context(), rt, method, url, "")
					if op, ok := errors.AsType[*net.OpError](err); err == nil || ok && op.Op == "dial" {
						t.Errorf("%s: got %v, want an error of what was sent", method, err)
					}
				}
				if got := s.log(); strings.Count(got, "POST") > 1 || strings.Count(got, "GET") > 1 {
					t.Errorf("the server saw %s", got)
				}
			})
		})
	}
}

// The server takes a second request on its first connection, and hangs up instead of an answer.
func TestTransports_KeptConnectionBreaks_ReadsAreRepeatedAndNothingElse(t *testing.T) {
	play := func(s *stage, n int, c net.Conn, r *bufio.Reader) {
		for i := 0; s.read(n, r) && (n > 1 || i == 0); i++ {
			_, _ = io.WriteString(c, okAnswer)
		}
	}
	for method, want := range map[string]string{"GET": "1 GET, 1 GET, 2 GET", "POST": "1 GET, 1 POST"} {
		t.Run(method, func(t *testing.T) {
			onBoth(t, play, func(t *testing.T, s *stage, rt http.RoundTripper, url string) {
				if _, _, err := call(t.Context(), rt, "GET", url, ""); err != nil {
					t.Fatal(err)
				}
				_, text, err := call(t.Context(), rt, method, url, "")
				if (err == nil) != (method == "GET") || err == nil && text != "ok" {
					t.Errorf("got %q, %v", text, err)
				}
				if got := s.log(); got != want {
					t.Errorf("the server saw %s, want %s", got, want)
				}
			})
		})
	}
}

func TestTransports_AnswerBreaksOnKeptConnection_IsNotRepeated(t *testing.T) {
	play := func(s *stage, n int, c net.Conn, r *bufio.Reader) {
		s.read(n, r)
		_, _ = io.WriteString(c, okAnswer)
		s.read(n, r)
		_, _ = io.WriteString(c, "HTTP/1.1 2")
	}
	onBoth(t, play, func(t *testing.T, s *stage, rt http.RoundTripper, url string) {
		for _, ok := range []bool{true, false} {
			if _, _, err := call(t.Context(), rt, "GET", url, ""); (err == nil) != ok {
				t.Errorf("got %v", err)
			}
		}
		if got := s.log(); got != "1 GET, 1 GET" {
			t.Errorf("the server saw %s", got)
		}
	})
}

func TestTransports_NobodyListens_IsAnErrorOfDialing(t *testing.T) {
	onBoth(t, hang, func(t *testing.T, s *stage, rt http.RoundTripper, url string) {
		_ = s.Close()
		_, _, err := call(t.Context(), rt, "POST", url, "body")
		if op, ok := errors.AsType[*net.OpError](err); !ok || op.Op != "dial" {
			t.Errorf("got %v", err)
		}
	})
}

func TestTransports_CallerEndsTheCall_HearsItsOwnReason(t *testing.T) {
	halfBody := func(s *stage, n int, c net.Conn, r *bufio.Reader) {
		s.read(n, r)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok")
		hang(s, n, c, r)
	}
	halfHeader := func(s *stage, n int, c net.Conn, r *bufio.Reader) {
		s.read(n, r)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
		hang(s, n, c, r)
	}
	why := errors.New("why")
	for name, play := range map[string]scene{"waiting": hang, "header": halfHeader, "body": halfBody} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, play, func(t *testing.T, _ *stage, rt http.RoundTripper, url string) {
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
				defer cancel()
				if _, _, err := call(ctx, rt, "GET", url, ""); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("after the deadline: got %v", err)
				}
				ctx, end := context.WithCancelCause(t.Context())
				time.AfterFunc(30*time.Millisecond, func() { end(why) })
				if _, _, err := call(ctx, rt, "GET", url, ""); !errors.Is(err, why) {
					t.Errorf("cancelled: got %v", err)
				}
				if _, _, err := call(ctx, rt, "GET", url, ""); !errors.Is(err, why) {
					t.Errorf("cancelled before: got %v", err)
				}
			})
		})
	}
}

func TestLean_TimeIsUp_CallEndsAndIsNotRepeated(t *testing.T) {
	for name, answer := range map[string]string{"waiting": "", "header": "HTTP/1.1 200 OK\r\n", "body": "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok"} {
		t.Run(name, func(t *testing.T) {
			s := perform(t, func(s *stage, n int, c net.Conn, r *bufio.Reader) {
				s.read(n, r)
				_, _ = io.WriteString(c, okAnswer)
				s.read(n, r)
				_, _ = io.WriteString(c, answer)
				hang(s, n, c, r)
			})
			l := newLean(t, TransportOptions{})
			if _, text, err := call(t.Context(), within{l, time.Minute}, "GET", "http://"+s.Addr().String(), ""); text != "ok" || err != nil {
				t.Fatalf("got %q, %v", text, err)
			}
			_, _, err := call(t.Context(), within{l, 30 * time.Millisecond}, "GET", "http://"+s.Addr().String(), "")
			if err != context.DeadlineExceeded {
				t.Errorf("got %v", err)
			}
			if got := s.log(); got != "1 GET, 1 GET" {
				t.Errorf("the server saw %s", got)
			}
		})
	}
}

func TestLean_TimeIsUpBeforeAnythingIsSent_IsAnErrorOfDialing(t *testing.T) {
	s := perform(t, hang)
	_, _, err := call(t.Context(), within{newLean(t, TransportOptions{}), -time.Second}, "POST", "http://"+s.Addr().String(), "body")
	if op, ok := errors.AsType[*net.OpError](err); !ok || op.Op != "dial" || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestLean_TimeOfTheCallBefore_DoesNotCount(t *testing.T) {
	s := perform(t, always(okAnswer))
	l := newLean(t, TransportOptions{})
	for _, method := range []string{"GET", "POST"} {
		if _, _, err := call(t.Context(), within{l, 20 * time.Millisecond}, "GET", "http://"+s.Addr().String(), ""); err != nil {
			t.Fatal(err)
		}
		<-time.After(40 * time.Millisecond)
		if _, text, err := call(t.Context(), l, method, "http://"+s.Addr().String(), ""); text != "ok" || err != nil {
			t.Errorf("%s: got %q, %v", method, text, err)
		}
	}
	if got := s.log(); got != "1 GET, 1 GET, 1 GET, 1 POST" {
		t.Errorf("the server saw %s", got)
	}
}

// within is a Lean whose calls have a time.
type within struct {
	*Lean
	limit time.Duration
}

func (w within) RoundTrip(req *http.Request) (*http.Response, error) {
	return w.RoundTripWithin(w.limit, req)
}

func TestTransports_BodyClosedEarly_ConnectionIsNotUsedAgain(t *testing.T) {
	onBoth(t, always("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"+strings.Repeat("x", 100000)),
		func(t *testing.T, s *stage, rt http.RoundTripper, url string) {
			for range 2 {
				req, _ := http.NewRequestWithContext(t.Context(), "GET", url, nil)
				res, err := rt.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := res.Body.Read(make([]byte, 10)); err != nil {
					t.Error(err)
				}
				_ = res.Body.Close()
				if _, err := res.Body.Read(make([]byte, 10)); err == nil {
					t.Error("a closed body can be read")
				}
			}
			if got := s.log(); got != "1 GET, 2 GET" {
				t.Errorf("the server saw %s", got)
			}
		})
}

func TestTransports_SlowBody_ArrivesAsItIsSent(t *testing.T) {
	step := make(chan struct{})
	play := func(s *stage, n int, c net.Conn, r *bufio.Reader) {
		for s.read(n, r) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n")
			for range 3 {
				<-step
				_, _ = io.WriteString(c, "x")
			}
		}
	}
	onBoth(t, play, func(t *testing.T, _ *stage, rt http.RoundTripper, url string) {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", url, nil)
		res, err := rt.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			step <- struct{}{}
			if n, err := res.Body.Read(make([]byte, 10)); n != 1 || err != nil && err != io.EOF {
				t.Errorf("got %d bytes, %v", n, err)
			}
		}
		if n, err := res.Body.Read(make([]byte, 10)); n != 0 || err != io.EOF {
			t.Errorf("at the end: got %d bytes, %v", n, err)
		}
	})
}

func TestTransports_RequestNotReadWhole_AnswerCounts(t *testing.T) {
	play := func(s *stage, n int, c net.Conn, r *bufio.Reader) {
		if _, err := http.ReadRequest(r); err == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")
		}
		hang(s, n, c, r)
	}
	onBoth(t, play, func(t *testing.T, _ *stage, rt http.RoundTripper, url string) {
		if status, text, err := call(t.Context(), rt, "POST", url, strings.Repeat("x", 1<<20)); status != 413 || text != "no" || err != nil {
			t.Errorf("got %d %q, %v", status, text, err)
		}
	})
}

// echo answers each request with its body, and hangs up after some.
func echo(after int) scene {
	return func(_ *stage, _ int, c net.Conn, r *bufio.Reader) {
		for range after {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			body, err := io.ReadAll(req.Body)
			if err != nil {
				return
			}
			_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		}
	}
}

func TestTransports_ManyAtOnce_EveryoneHasItsOwnAnswer(t *testing.T) {
	onBoth(t, echo(1000), func(t *testing.T, _ *stage, rt http.RoundTripper, url string) {
		var all sync.WaitGroup
		for i := range 16 {
			all.Go(func() {
				for j := range 50 {
					body := strings.Repeat(fmt.Sprint(i, "-", j, " "), 1+j*j)
					if _, text, err := call(t.Context(), rt, "POST", url, body); text != body || err != nil {
						t.Errorf("%d-%d: got %d bytes, %v", i, j, len(text), err)
					}
				}
			})
		}
		all.Wait()
	})
}

// The far end closes a connection that is idle. net/http learns of it some time soon, ours when it looks: with a request that
// must not be sent twice it looks before.
func TestLean_IdleConnectionClosed_NobodyNotices(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		t.Run(method, func(t *testing.T) {
			closed := make(chan struct{}, 10)
			s := perform(t, func(s *stage, n int, c net.Conn, r *bufio.Reader) {
				once(okAnswer)(s, n, c, r)
				_ = c.Close()
				closed <- struct{}{}
			})
			rt := newLean(t, TransportOptions{})
			for range 3 {
				if _, text, err := call(t.Context(), rt, method, "http://"+s.Addr().String(), "body"); text != "ok" || err != nil {
					t.Errorf("got %q, %v", text, err)
				}
				<-closed
			}
			if got, want := s.log(), strings.ReplaceAll("1 M, 2 M, 3 M", "M", method); got != want {
				t.Errorf("the server saw %s", got)
			}
		})
	}
}

func TestLean_Idle_IsBoundedInTime(t *testing.T) {
	s := perform(t, always(okAnswer))
	rt := newLean(t, TransportOptions{})
	for range 2 {
		if _, _, err := call(t.Context(), rt, "GET", "http://"+s.Addr().String(), ""); err != nil {
			t.Fatal(err)
		}
		rt.closeIdle(time.Now().Add(-time.Minute))
	}
	if rt.closeIdle(time.Now()); len(rt.idle) != 0 {
		t.Errorf("left: %v", rt.idle)
	}
	if _, _, err := call(t.Context(), rt, "GET", "http://"+s.Addr().String(), ""); err != nil {
		t.Error(err)
	}
	if got := s.log(); got != "1 GET, 1 GET, 2 GET" {
		t.Errorf("the server saw %s", got)
	}
}

func TestLean_TLS_VerifiesKeepsAndChecksConnections(t *testing.T) {
	certFile, keyFile := writePair(t, t.TempDir(), 1, time.Now())
	url := "https://" + serveTLS(t, certFile, keyFile)
	rt := newLean(t, TransportOptions{CAFile: certFile})
	for _, method := range []string{"GET", "GET", "POST"} {
		if _, text, err := call(t.Context(), rt, method, url, ""); text != "ok" || err != nil {
			t.Errorf("%s: got %q, %v", method, text, err)
		}
	}
	_, _, err := call(t.Context(), newLean(t, TransportOptions{}), "POST", url, "")
	if op, ok := errors.AsType[*net.OpError](err); !ok || op.Op != "dial" {
		t.Errorf("unknown certificate: got %v, want an error before anything was sent", err)
	}
}

func TestLean_HandshakeHangs_IsAnErrorOfDialingInTime(t *testing.T) {
	s := perform(t, hang)
	rt := newLean(t, TransportOptions{DialTimeout: 30 * time.Millisecond})
	_, _, err := call(t.Context(), rt, "POST", "https://"+s.Addr().String(), "")
	if op, ok := errors.AsType[*net.OpError](err); !ok || op.Op != "dial" || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestLean_WrongAddress_IsAnErrorOfDialing(t *testing.T) {
	for _, url := range []string{"ftp://127.0.0.1/", "http:///x"} {
		if _, _, err := call(t.Context(), newLean(t, TransportOptions{}), "GET", url, ""); err == nil {
			t.Errorf("%s was called", url)
		}
	}
}
