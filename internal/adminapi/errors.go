package adminapi

import (
	"errors"
	"net/http"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/neutron/adopt"
	"github.com/tricircle/tricircle/internal/obs"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/routing"
	"github.com/tricircle/tricircle/internal/southbound"
	"github.com/tricircle/tricircle/internal/store"
)

// fail renders an error, and logs those that are the top's or a pod's fault.
func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, routing.ErrUnauthorized) {
		fault.Unauthorized(w, a.KeystoneURI)
		return
	}
	err = asFault(err)
	if f := fault.From(err); f.Status >= http.StatusInternalServerError {
		a.Log.ErrorContext(r.Context(), "request failed", obs.KeyStatus, f.Status, obs.KeyError, err)
	}
	fault.Write(w, fault.Admin, err)
}

// asFault gives the errors of the packages below their status; what it does not know becomes a 500 in the end.
func asFault(err error) error {
	if refused, ok := errors.AsType[*pod.RefusedError](err); ok {
		if refused.Conflict {
			return fault.Conflict("%s", refused.Reason)
		}
		return fault.BadRequest("%s", refused.Reason)
	}
	if conflict, ok := errors.AsType[*store.ConflictError](err); ok {
		if conflict.Value == "" {
			return fault.Conflict("There is a top already: a pod without an availability zone stands for the top.")
		}
		return fault.Conflict("%s", conflict)
	}
	if refused, ok := errors.AsType[*adopt.RefusedError](err); ok {
		return fault.Conflict("%s", refused.Reason)
	}
	if refused, ok := errors.AsType[*southbound.Refusal](err); ok {
		return fault.Unavailable(err, "%s", refused)
	}
	if unavailable, ok := errors.AsType[*pod.UnavailableError](err); ok {
		return fault.Unavailable(err, "%s", unavailable)
	}
	if errors.Is(err, pod.ErrKeystone) {
		return fault.Unavailable(err, "Keystone does not serve the top, so the pod cannot be checked. See [keystone] in the configuration.")
	}
	if errors.Is(err, store.ErrNotFound) {
		return fault.NotFound("Somebody else has just deleted it.")
	}
	return err
}
