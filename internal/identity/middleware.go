package identity

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/obs"
)

// Middleware lets through only requests with a valid token, and puts the caller into their context. It does what
// keystonemiddleware does with delay_auth_decision=false (auth_token/__init__.py, AuthProtocol, Zed): a missing and an
// invalid token get the same 401, so does a valid one beside an invalid X-Service-Token, and when Keystone does not
// answer, 503. keystoneURI is the address of Keystone for users.
func Middleware(v Validator, style fault.Style, keystoneURI string, logger *slog.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			caller, err := authenticate(r.Context(), v, r.Header)
			switch {
			case errors.Is(err, ErrInvalidToken):
				fault.Unauthorized(w, keystoneURI)
			case err != nil:
				logger.ErrorContext(r.Context(), "token not validated", obs.KeyError, err)
				fault.Write(w, style, fault.Unavailable(err, "The Keystone service is temporarily unavailable."))
			default:
				obs.SetCaller(r.Context(), caller.ProjectID, caller.UserID)
				next.ServeHTTP(w, r.WithContext(NewContext(r.Context(), caller)))
			}
		})
	}
}

func authenticate(ctx context.Context, v Validator, h http.Header) (*Caller, error) {
	token := userToken(h)
	if token == "" {
		return nil, ErrInvalidToken
	}
	caller, err := v.Validate(ctx, token)
	if err != nil {
		return nil, err
	}
	if service := h.Get("X-Service-Token"); service != "" {
		if _, err := v.Validate(ctx, service); err != nil {
			return nil, err
		}
	}
	return caller, nil
}

// userToken takes X-Storage-Token, of old clients of Swift, where there is no X-Auth-Token (auth_token/_request.py).
func userToken(h http.Header) string {
	if tokens, ok := h["X-Auth-Token"]; ok {
		return tokens[0]
	}
	return h.Get("X-Storage-Token")
}
