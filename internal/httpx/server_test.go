package httpx

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writePair writes a self-signed pair for 127.0.0.1 with the given serial number, and the time of its files.
func writePair(t *testing.T, dir string, serial int64, modified time.Time) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeFile(t, certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), modified)
	writeFile(t, keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), modified)
	return certFile, keyFile
}

func writeFile(t *testing.T, name string, content []byte, modified time.Time) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(name, modified, modified); err != nil {
		t.Fatal(err)
	}
}

func serialOf(t *testing.T, addr string) int64 {
	t.Helper()
	c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func serveTLS(t *testing.T, certFile, keyFile string) (addr string) {
	t.Helper()
	l, err := Listen("127.0.0.1:0", certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }),
		slog.New(slog.DiscardHandler))
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return l.Addr().String()
}

func TestListen_CertificateReplaced_IsServedOnceThePairMatches(t *testing.T) {
	dir, start := t.TempDir(), time.Now().Add(-time.Hour)
	certFile, keyFile := writePair(t, dir, 1, start)
	addr := serveTLS(t, certFile, keyFile)
	if got := serialOf(t, addr); got != 1 {
		t.Fatalf("first: serial %d", got)
	}
	oldKey, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	writePair(t, dir, 2, start.Add(time.Minute))
	newKey, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, keyFile, oldKey, start)
	if got := serialOf(t, addr); got != 1 {
		t.Errorf("half replaced: serial %d", got)
	}
	writeFile(t, keyFile, newKey, start.Add(time.Minute))
	if got := serialOf(t, addr); got != 2 {
		t.Errorf("replaced: serial %d", got)
	}
}

func TestListen_OldTLS_IsRefused(t *testing.T) {
	certFile, keyFile := writePair(t, t.TempDir(), 1, time.Now())
	addr := serveTLS(t, certFile, keyFile)
	_, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	if err == nil {
		t.Error("TLS 1.1 was accepted")
	}
}

func TestListen_Wrong_NamesTheCulprit(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := writePair(t, dir, 1, time.Now())
	writeFile(t, keyFile, []byte("none"), time.Now())
	for _, c := range []struct{ addr, cert, key, want string }{
		{"127.0.0.1:0", certFile, "", "both cert_file and key_file"},
		{"127.0.0.1:0", filepath.Join(dir, "absent.pem"), keyFile, "absent.pem"},
		{"127.0.0.1:0", certFile, keyFile, "key.pem"},
		{"127.0.0.1:99999", "", "", "99999"},
	} {
		if _, err := Listen(c.addr, c.cert, c.key); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v", c, err)
		}
	}
}

func TestTransport_CAFile_IsWhatServersAreVerifiedBy(t *testing.T) {
	certFile, keyFile := writePair(t, t.TempDir(), 1, time.Now())
	addr := serveTLS(t, certFile, keyFile)
	for _, c := range []struct {
		name string
		o    TransportOptions
		ok   bool
	}{
		{"cafile", TransportOptions{CAFile: certFile}, true},
		{"insecure", TransportOptions{Insecure: true}, true},
		{"system roots", TransportOptions{}, false},
	} {
		tr := newTransport(t, c.o)
		answer, err := (&http.Client{Transport: tr}).Get("https://" + addr)
		if (err == nil) != c.ok {
			t.Errorf("%s: got %v", c.name, err)
		}
		if err == nil {
			answer.Body.Close()
		}
	}
}

func newTransport(t *testing.T, o TransportOptions) *http.Transport {
	t.Helper()
	tr, err := NewTransport(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func TestTransport_BadCAFile_NamesIt(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	writeFile(t, empty, nil, time.Now())
	for _, name := range []string{empty, empty + ".absent"} {
		if _, err := NewTransport(TransportOptions{CAFile: name}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestTransport_Answers_ComeAsTheyAre(t *testing.T) {
	pod := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "" {
			t.Errorf("asked for %s", r.Header.Get("Accept-Encoding"))
		}
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}))
	defer pod.Close()
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	r := httptest.NewRequest("GET", pod.URL, nil)
	answer, err := newTransport(t, TransportOptions{}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusFound {
		t.Errorf("got %d", answer.StatusCode)
	}
}

func TestTransport_Proxy_OnlyTheConfiguredOne(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://proxy.invalid")
	if tr := newTransport(t, TransportOptions{}); tr.Proxy != nil {
		t.Error("the environment's proxy is used")
	}
	want := &url.URL{Scheme: "http", Host: "proxy:3128"}
	got, err := newTransport(t, TransportOptions{Proxy: want}).Proxy(httptest.NewRequest("GET", "http://pod/", nil))
	if err != nil || got.String() != want.String() {
		t.Errorf("got %v, %v", got, err)
	}
}
