package httpx

import "net/http"

// identityHeaders is what a client could send to pass for somebody else in front of a service that reads them: all headers
// that keystonemiddleware removes (auth_token/_request.py, _all_auth_headers, Zed). X-Service-Token is not one of them,
// nor is OpenStack-System-Scope, which a pod overwrites with what the token says.
var identityHeaders = []string{
	"X-Service-Catalog", "X-Identity-Status", "X-Service-Identity-Status", "X-Is-Admin-Project",
	"X-Role", "X-User", "X-Tenant-Id", "X-Tenant-Name", "X-Tenant",
	"X-Roles", "X-Service-Roles",
	"X-Domain-Id", "X-Service-Domain-Id",
	"X-Domain-Name", "X-Service-Domain-Name",
	"X-Project-Id", "X-Service-Project-Id",
	"X-Project-Name", "X-Service-Project-Name",
	"X-Project-Domain-Id", "X-Service-Project-Domain-Id",
	"X-Project-Domain-Name", "X-Service-Project-Domain-Name",
	"X-User-Id", "X-Service-User-Id",
	"X-User-Name", "X-Service-User-Name",
	"X-User-Domain-Id", "X-Service-User-Domain-Id",
	"X-User-Domain-Name", "X-Service-User-Domain-Name",
}

func stripIdentity(h http.Header) {
	for _, name := range identityHeaders {
		h.Del(name)
	}
}
