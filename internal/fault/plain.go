package fault

import (
	"net/http"
	"strings"
)

// Unauthorized writes the 401 of keystonemiddleware, which is the same in front of every service
// (keystonemiddleware/auth_token/__init__.py, _reject_request). keystoneURI is the public address of Keystone.
func Unauthorized(w http.ResponseWriter, keystoneURI string) {
	w.Header().Set("WWW-Authenticate", `Keystone uri="`+keystoneURI+`"`)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = w.Write([]byte(`{"error": {"code": 401, "title": "Unauthorized", "message": "The request you have made requires authentication."}}`))
}

// page is webob's error page in its JSON form.
type page struct {
	Message string `json:"message"`
	Code    string `json:"code"`
	Title   string `json:"title"`
}

// NoRoute writes the 404 of a URL that the service does not know. It comes from the frameworks below Nova and Cinder
// (webob.exc.HTTPNotFound), not from the services, so it is no fault body.
func NoRoute(w http.ResponseWriter, r *http.Request) {
	const text = "The resource could not be found."
	accept := r.Header.Get("Accept")
	contentType, body := "text/plain; charset=UTF-8", "404 Not Found\n\n"+text+"\n\n   "
	switch {
	case strings.Contains(accept, "application/json"):
		contentType = "application/json"
		body = string(encode(page{text + "<br /><br />\n\n\n", "404 Not Found", "Not Found"}))
	case strings.Contains(accept, "html"), strings.Contains(accept, "*/*"):
		contentType = "text/html; charset=UTF-8"
		body = "<html>\n <head>\n  <title>404 Not Found</title>\n </head>\n <body>\n  <h1>404 Not Found</h1>\n  " + text +
			"<br /><br />\n\n\n\n </body>\n</html>"
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(http.StatusNotFound)
	_, _ = w.Write([]byte(body))
}
