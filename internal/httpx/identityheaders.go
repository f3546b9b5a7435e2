package httpx

import (
	"net/http"
	"strings"
)

// identityHeaders is what a client could send to pass for somebody else in front of a service that reads them: all headers
// that keystonemiddleware removes (auth_token/_request.py, _all_auth_headers, Zed). X-Service-Token is not one of them,
// nor is OpenStack-System-Scope, which a pod overwrites with what the token says.
// They are spelled as net/http spells what it has read.
var identityHeaders = map[string]bool{
	"X-Service-Catalog": true, "X-Identity-Status": true, "X-Service-Identity-Status": true, "X-Is-Admin-Project": true,
	"X-Role": true, "X-User": true, "X-Tenant-Id": true, "X-Tenant-Name": true, "X-Tenant": true,
	"X-Roles": true, "X-Service-Roles": true,
	"X-Domain-Id": true, "X-Service-Domain-Id": true,
	"X-Domain-Name": true, "X-Service-Domain-Name": true,
	"X-Project-Id": true, "X-Service-Project-Id": true,
	"X-Project-Name": true, "X-Service-Project-Name": true,
	"X-Project-Domain-Id": true, "X-Service-Project-Domain-Id": true,
	"X-Project-Domain-Name": true, "X-Service-Project-Domain-Name": true,
	"X-User-Id": true, "X-Service-User-Id": true,
	"X-User-Name": true, "X-Service-User-Name": true,
	"X-User-Domain-Id": true, "X-Service-User-Domain-Id": true,
	"X-User-Domain-Name": true, "X-Service-User-Domain-Name": true,
}

func stripIdentity(h http.Header) {
	for name := range h {
		if strings.HasPrefix(name, "X-") && identityHeaders[name] {
			delete(h, name)
		}
	}
}
