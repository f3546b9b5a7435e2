// Package httpx is how the top speaks HTTP: the profile of its servers, the profile of its transports to pods and
// Keystone, and what surrounds every handler (request id, access log, recovery, limits).
//
// It knows no route and no resource; of ours it imports only fault and obs.
package httpx

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// NewServer makes a server with the limits that a public port needs. There is no limit on the time of a whole request:
// the deadlines of the calls to pods bound it.
func NewServer(handler http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       120 * time.Second,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}

// Listen opens addr, with TLS 1.2 or later when certFile and keyFile are given. The pair is read again when one of the
// files changes, so a renewed certificate needs no restart; a new pair that does not load is not used.
func Listen(addr, certFile, keyFile string) (net.Listener, error) {
	if (certFile == "") != (keyFile == "") {
		return nil, errors.New("TLS needs both cert_file and key_file")
	}
	var config *tls.Config
	if certFile != "" {
		pair := &keyPair{certFile: certFile, keyFile: keyFile}
		if err := pair.load(); err != nil {
			return nil, err
		}
		config = &tls.Config{
			MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, GetCertificate: pair.certificate,
		}
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if config != nil {
		return tls.NewListener(l, config), nil
	}
	return l, nil
}

// keyPair is a certificate that follows its files.
type keyPair struct {
	certFile, keyFile string

	mu     sync.Mutex
	loaded *tls.Certificate
	seen   [2]version
}

// version tells one content of a file from the next.
type version struct {
	modified time.Time
	size     int64
}

// certificate is called at each handshake; two calls of stat are cheap beside it.
func (p *keyPair) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now, err := p.versions(); err == nil && now != p.seen {
		// While the two files are being replaced they do not match. The pair in use stays until they do.
		_ = p.read(now)
	}
	return p.loaded, nil
}

func (p *keyPair) load() error {
	now, err := p.versions()
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	return p.read(now)
}

func (p *keyPair) read(now [2]version) error {
	c, err := tls.LoadX509KeyPair(p.certFile, p.keyFile)
	if err != nil {
		return fmt.Errorf("certificate %s with key %s: %w", p.certFile, p.keyFile, err)
	}
	p.loaded, p.seen = &c, now
	return nil
}

func (p *keyPair) versions() (v [2]version, err error) {
	for i, name := range []string{p.certFile, p.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return v, err
		}
		v[i] = version{info.ModTime(), info.Size()}
	}
	return v, nil
}
