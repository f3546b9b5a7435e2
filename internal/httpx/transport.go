package httpx

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"
)

// TransportOptions is what differs between transports. The zero value is fit for plain HTTP in a trusted network.
type TransportOptions struct {
	DialTimeout time.Duration // of TCP, and again of TLS; 3 s if zero
	CAFile      string        // PEM bundle that replaces the system's roots
	Insecure    bool          // do not verify certificates
	Proxy       *url.URL      // none if nil: the environment is not asked, or pods on loopback would be proxied in tests
}

// NewTransport makes the transport to one pod or to Keystone. It keeps many idle connections, as all requests go to few
// hosts; forgets them before the far end does (30 s; the services keep them for longer), so that a request does not meet a
// connection that is just being closed; and hands compressed bodies on as they are. A redirect is an answer like others.
func NewTransport(o TransportOptions) (*http.Transport, error) {
	if o.DialTimeout == 0 {
		o.DialTimeout = 3 * time.Second
	}
	t := &http.Transport{
		DialContext:            (&net.Dialer{Timeout: o.DialTimeout}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: o.Insecure},
		TLSHandshakeTimeout:    o.DialTimeout,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    512,
		IdleConnTimeout:        30 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 1 << 20,
	}
	if o.Proxy != nil {
		t.Proxy = http.ProxyURL(o.Proxy)
	}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("cafile: %w", err)
		}
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("cafile %s: no certificate in it", o.CAFile)
		}
	}
	return t, nil
}
