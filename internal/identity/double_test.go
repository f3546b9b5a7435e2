package identity

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// double plays Keystone: its service user is nova with password secret, and each login makes a new token. The zero time of
// its clock is start. All fields are guarded by mu; use with.
type double struct {
	mu           sync.Mutex
	now          time.Time
	tokens       map[string]string // valid user tokens and their bodies
	sessions     map[string]bool   // valid tokens of the service user
	password     string
	catalog      string
	barren       bool          // logins succeed, but their tokens are refused
	status       int           // answered to everything if not 0
	hold         chan struct{} // if not nil, validations wait until it is closed
	held         chan struct{} // gets one for each that begins to wait
	logins       int
	validations  int
	catalogReads int
	sentIDs      []string // of requests
}

var start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// demoToken is the body of a token of demo in project p1 that expires at the given time.
func demoToken(expires time.Time) string {
	return fmt.Sprintf(`{"token": {"methods": ["password"], "expires_at": %q, "issued_at": "2026-11-22T06:45:15.000000Z",
		"user": {"id": "u1", "name": "demo", "domain": {"id": "default", "name": "Default"}, "password_expires_at": null},
		"project": {"id": "p1", "name": "demo", "domain": {"id": "d2", "name": "Two"}}, "is_domain": false,
		"roles": [{"id": "r1", "name": "Member"}, {"id": "r2", "name": "reader"}]}}`, expires.Format(time.RFC3339Nano))
}

func (d *double) with(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

func (d *double) clock() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

func (d *double) advance(by time.Duration) { d.with(func() { d.now = d.now.Add(by) }) }

// expect compares the numbers of calls that the double has seen.
func (d *double) expect(t *testing.T, logins, validations int) {
	t.Helper()
	d.with(func() {
		if d.logins != logins || d.validations != validations {
			t.Errorf("%d logins, %d validations; want %d, %d", d.logins, d.validations, logins, validations)
		}
	})
}

func (d *double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if d.wait(r) != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sentIDs = append(d.sentIDs, r.Header.Get("X-Openstack-Request-Id"))
	if d.status != 0 {
		w.Header().Set("Location", "http://elsewhere.invalid/")
		w.WriteHeader(d.status)
		return
	}
	if r.Method == http.MethodPost {
		d.login(w, r)
		return
	}
	if !d.sessions[r.Header.Get("X-Auth-Token")] {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if r.URL.Path == "/v3/auth/catalog" {
		d.catalogReads++
		_, _ = fmt.Fprint(w, d.catalog)
		return
	}
	body, ok := d.tokens[r.Header.Get("X-Subject-Token")]
	d.validations++
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_, _ = fmt.Fprint(w, body)
}

func (d *double) wait(r *http.Request) error {
	d.mu.Lock()
	hold, held := d.hold, d.held
	d.mu.Unlock()
	if hold == nil || r.Method != http.MethodGet {
		return nil
	}
	held <- struct{}{}
	select {
	case <-hold:
		return nil
	case <-r.Context().Done():
		return r.Context().Err()
	}
}

func (d *double) login(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Auth struct {
			Identity struct {
				Password struct {
					User struct {
						Name, Password string
						Domain         struct{ Name string }
					}
				}
			}
			Scope struct {
				Project struct {
					Name   string
					Domain struct{ Name string }
				}
			}
		}
	}
	d.logins++
	user, project := &body.Auth.Identity.Password.User, &body.Auth.Scope.Project
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || user.Name != "nova" || user.Password != d.password ||
		user.Domain.Name != "Default" || project.Name != "service" || project.Domain.Name != "Default" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	token := fmt.Sprintf("session%d", d.logins)
	d.sessions[token] = !d.barren
	w.Header().Set("X-Subject-Token", token)
	w.WriteHeader(http.StatusCreated)
	_, _ = fmt.Fprintf(w, `{"token": {"expires_at": %q, "user": {"id": "s"}, "project": {"id": "svc"}}}`,
		d.now.Add(time.Hour).Format(time.RFC3339Nano))
}

// newDouble starts a double, with the valid token "good" that expires in an hour, and a client of it.
func newDouble(t *testing.T, change func(*Options)) (*double, *Keystone) {
	t.Helper()
	d := &double{now: start, password: "secret", sessions: map[string]bool{}, held: make(chan struct{}, 200),
		tokens: map[string]string{"good": demoToken(start.Add(time.Hour))}}
	s := httptest.NewServer(d)
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		s.Close()
	})
	o := Options{AuthURL: s.URL + "/v3", Username: "nova", Password: "secret", UserDomainName: "Default",
		ProjectName: "service", ProjectDomainName: "Default", Transport: transport, Timeout: 5 * time.Second,
		CacheTime: time.Minute, NegativeCacheTime: 10 * time.Second, Now: d.clock}
	if change != nil {
		change(&o)
	}
	return d, NewKeystone(o)
}
