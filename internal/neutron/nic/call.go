package nic

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/identity"
	"github.com/tricircle/tricircle/internal/obs"
)

// reply is an answer of the networking API, kept.
type reply struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *reply) Header() http.Header { return r.header }

func (r *reply) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

func (r *reply) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(p)
}

// Ask makes a call to the networking API as a caller, and decodes the answer into out, unless that is nil. The path begins with /v2.0; a
// refusal is a *fault.Error in Neutron's words.
func (s *Service) Ask(ctx context.Context, caller *identity.Caller, method, path string, body, out any) error {
	return s.call(ctx, string(caller.Token), method, path, body, out)
}

// call makes a call to the networking API in the name of the owner of a token, and decodes the answer into out, unless that is nil.
// A refusal is a *fault.Error in Neutron's words.
func (s *Service) call(ctx context.Context, token, method, path string, body, out any) error {
	text := []byte{}
	var err error
	if body != nil {
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	id := obs.RequestID(ctx)
	ctx = obs.WithRequestID(ctx, id, obs.GlobalRequestID(ctx)) // what is noted of this call must not be taken for the client's
	req, err := http.NewRequestWithContext(ctx, method, "http://top"+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.RequestURI = path
	req.Header.Set("X-Auth-Token", token)
	req.Header.Set("Content-Type", "application/json")
	if id != "" {
		req.Header.Set(obs.HeaderRequestID, id)
	}
	r := &reply{header: http.Header{}}
	s.API.ServeHTTP(r, req)
	if r.status > 299 {
		var doc struct {
			NeutronError struct{ Type, Message string }
		}
		_ = json.Unmarshal(r.body.Bytes(), &doc) // without it the status says it all
		return &fault.Error{Status: r.status, Type: doc.NeutronError.Type, Message: doc.NeutronError.Message}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(r.body.Bytes(), out)
}
