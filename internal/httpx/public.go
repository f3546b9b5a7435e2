package httpx

import (
	"net/http"
	"strings"
)

// Public is the base URL, without a final slash, at which the client sees this server: the links in answers begin with
// it. The configured URL wins. X-Forwarded-* count only when trustForwarded tells that a proxy in front always sets them,
// as a client could send its own (oslo_middleware/http_proxy_to_wsgi.py, enable_proxy_headers_parsing).
func Public(r *http.Request, configured string, trustForwarded bool) string {
	if configured != "" {
		return strings.TrimRight(configured, "/")
	}
	scheme, host, prefix := "http", r.Host, ""
	if r.TLS != nil {
		scheme = "https"
	}
	if trustForwarded {
		if proto := forwarded(r, "Proto"); proto == "http" || proto == "https" {
			scheme = proto
		}
		if h := forwarded(r, "Host"); h != "" {
			host = h
		}
		prefix = strings.TrimRight(forwarded(r, "Prefix"), "/")
	}
	return scheme + "://" + host + prefix
}

// forwarded is the first value of X-Forwarded-name: of several proxies, the one that the client talked to.
func forwarded(r *http.Request, name string) string {
	first, _, _ := strings.Cut(r.Header.Get("X-Forwarded-"+name), ",")
	return strings.TrimSpace(first)
}
