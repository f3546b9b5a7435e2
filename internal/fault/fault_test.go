package fault

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestWrite_StylesAsTheServicesRenderThem(t *testing.T) {
	for _, c := range []struct {
		style Style
		err   error
		code  int
		body  string
	}{
		{Nova, NotFound("Instance x could not be found."), 404, `{"itemNotFound": {"code": 404, "message": "Instance x could not be found."}}`},
		{Nova, New(429, "slow down"), 429, `{"overLimit": {"code": 429, "message": "slow down"}}`},
		{Cinder, New(429, "slow down"), 429, `{"computeFault": {"code": 429, "message": "slow down"}}`},
		{Cinder, BadRequest("Größe <1>, \"a: b\": \U0001f642"), 400, `{"badRequest": {"code": 400, "message": "Gr\u00f6\u00dfe <1>, \"a: b\": \ud83d\ude42"}}`},
		{Cinder, New(406, "no"), 406, `{"computeFault": {"code": 406, "message": "no"}}`},
		{Admin, errors.New("secret cause"), 500, `{"internalServerError": {"code": 500, "message": "Unexpected API Error. The top failed, not a pod; the request id names the entry in its log."}}`},
		{Neutron, &Error{Status: 404, Type: "NetworkNotFound", Message: "gone"}, 404, `{"NeutronError": {"type": "NetworkNotFound", "message": "gone", "detail": ""}}`},
	} {
		w := httptest.NewRecorder()
		Write(w, c.style, c.err)
		if w.Code != c.code || w.Body.String() != c.body {
			t.Errorf("style %d, %v:\n got %d %s\nwant %d %s", c.style, c.err, w.Code, w.Body, c.code, c.body)
		}
	}
}

func TestWrite_UnavailableNamesRetryAfter(t *testing.T) {
	w := httptest.NewRecorder()
	Write(w, Nova, Unavailable(nil, "pod p does not answer"))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "10" {
		t.Errorf("got %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
}

func TestUnauthorized_IsThatOfKeystonemiddleware(t *testing.T) {
	w := httptest.NewRecorder()
	Unauthorized(w, "http://keystone/v3")
	if got, want := w.Header().Get("WWW-Authenticate"), `Keystone uri="http://keystone/v3"`; got != want {
		t.Errorf("WWW-Authenticate: got %s, want %s", got, want)
	}
	if w.Code != 401 || w.Body.String() != `{"error": {"code": 401, "title": "Unauthorized", "message": "The request you have made requires authentication."}}` {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}
