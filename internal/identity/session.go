package identity

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/tricircle/tricircle/internal/obs"
)

// maxAnswer is the size in bytes above which an answer of Keystone is not read: a catalog of 10000 pods has some 20 MB.
const maxAnswer = 32 << 20

// session is what the service user has of Keystone.
type session struct {
	token     obs.Secret
	projectID string
	renewAt   time.Time
	// A refused password is not sent again before retryAt: Keystone may lock the user out after some.
	refusal error
	retryAt time.Time
}

// statusError is an answer of Keystone that is not a success.
type statusError struct {
	request string
	code    int
}

func (e *statusError) Error() string {
	return fmt.Sprintf("%s: Keystone answered %d", e.request, e.code)
}

// ServiceToken is a token of the service user, good for a while yet.
func (k *Keystone) ServiceToken(ctx context.Context) (string, error) {
	s, err := k.login(ctx)
	return string(s.token), err
}

// login returns the session, a new one if there is none or little is left of it.
func (k *Keystone) login(ctx context.Context) (session, error) {
	if s, ok := k.current(); ok {
		return s, s.refusal
	}
	return share(ctx, k, "login", func(ctx context.Context) (session, error) {
		if s, ok := k.current(); ok {
			return s, s.refusal
		}
		s, err := k.authenticate(ctx)
		if err != nil {
			err = fmt.Errorf("service user %s: %w", k.options.Username, err)
		}
		if status, ok := errors.AsType[*statusError](err); ok && status.code == http.StatusUnauthorized {
			s = session{refusal: err, retryAt: k.options.Now().Add(k.options.NegativeCacheTime)}
		} else if err != nil {
			return session{}, err
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		k.session = s
		return s, err
	})
}

func (k *Keystone) current() (s session, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.options.Now()
	if k.session.refusal != nil {
		return k.session, now.Before(k.session.retryAt)
	}
	return k.session, k.session.token != "" && now.Before(k.session.renewAt)
}

// logout forgets a session that Keystone refuses, unless there is a newer one already.
func (k *Keystone) logout(s session) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.session.token == s.token {
		k.session = session{}
	}
}

func (k *Keystone) authenticate(ctx context.Context) (session, error) {
	type object = map[string]any
	o := k.options
	body, err := json.Marshal(object{"auth": object{
		"identity": object{"methods": []string{"password"}, "password": object{"user": object{
			"name": o.Username, "domain": object{"name": o.UserDomainName}, "password": string(o.Password)}}},
		"scope": object{"project": object{"name": o.ProjectName, "domain": object{"name": o.ProjectDomainName}}},
	}})
	if err != nil {
		return session{}, err
	}
	var answer struct {
		Token tokenBody `json:"token"`
	}
	const path = "/auth/tokens?nocatalog"
	header, err := k.do(ctx, http.MethodPost, path, http.Header{"Content-Type": {"application/json"}}, body, &answer)
	if err != nil {
		return session{}, err
	}
	now, token := o.Now(), header.Get("X-Subject-Token")
	left := answer.Token.ExpiresAt.Sub(now)
	if token == "" || left <= 0 {
		return session{}, errors.New("the answer of Keystone holds no token that is good by our clock")
	}
	return session{token: obs.Secret(token), projectID: answer.Token.Project.ID, renewAt: now.Add(left / 10 * 9)}, nil
}

// get asks as the service user. A session may end before its time (revoked, keys rotated): then it is renewed once.
func (k *Keystone) get(ctx context.Context, path string, header http.Header, answer any) error {
	for renewed := false; ; renewed = true {
		s, err := k.login(ctx)
		if err != nil {
			return err
		}
		header = header.Clone()
		header.Set("X-Auth-Token", string(s.token))
		_, err = k.do(ctx, http.MethodGet, path, header, nil, answer)
		status, ok := errors.AsType[*statusError](err)
		if !ok || status.code != http.StatusUnauthorized || renewed {
			return err
		}
		k.logout(s)
	}
}

// do makes one request and decodes a successful answer.
func (k *Keystone) do(ctx context.Context, method, path string, h http.Header, body []byte, answer any) (http.Header, error) {
	r, err := http.NewRequestWithContext(ctx, method, k.options.AuthURL+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header = h
	r.Header.Set("Accept", "application/json")
	if id := obs.RequestID(ctx); id != "" {
		r.Header.Set(obs.HeaderRequestID, id)
	}
	response, err := k.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	request := method + " " + k.options.AuthURL + path
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", request, err)
	case response.StatusCode != http.StatusOK && response.StatusCode != http.StatusCreated:
		return nil, &statusError{request, response.StatusCode}
	case len(text) > maxAnswer:
		return nil, fmt.Errorf("%s: Keystone answered more than %d bytes", request, maxAnswer)
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return nil, fmt.Errorf("%s: %w", request, err)
	}
	return response.Header, nil
}
