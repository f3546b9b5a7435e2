//go:build acceptance

package acceptance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

const keystone = "http://127.0.0.1:5000/v3"

// cloud is a region: a pod, or the top. The URLs are those of its catalog entries, without project.
type cloud struct{ region, zone, compute, volume, network string }

var (
	site1     = cloud{"site1", "az1", "http://127.0.1.1:8774/v2.1", "http://127.0.1.1:8776/v3", "http://127.0.1.1:9696"}
	site2     = cloud{"site2", "az2", "http://127.0.2.1:8774/v2.1", "http://127.0.2.1:8776/v3", "http://127.0.2.1:9696"}
	pods      = []cloud{site1, site2}
	regionOne = cloud{"RegionOne", "", "http://127.0.0.1:8774/v2.1", "http://127.0.0.1:8776/v3", "http://127.0.0.1:9696"}
)

// podAddresses must be in no answer of the top.
var podAddresses = []string{"127.0.1.1", "127.0.2.1"}

// user is somebody with a token for a project.
type user struct{ name, project, id, projectID, token string }

// web asks with no regard to redirects and proxies.
var web = &http.Client{
	Timeout:       time.Minute,
	Transport:     &http.Transport{MaxIdleConnsPerHost: 32},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// answer is a whole answer to a request.
type answer struct {
	request string // for messages
	status  int
	header  http.Header
	body    []byte
	took    time.Duration
}

func (a *answer) String() string { return fmt.Sprintf("%s: %d %s", a.request, a.status, a.body) }

// want fails the test if the status is another.
func (a *answer) want(t testing.TB, status int) *answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("%s; want %d", a, status)
	}
	return a
}

// member decodes one member of the body's object.
func member[T any](t testing.TB, a *answer, name string) T {
	t.Helper()
	var doc map[string]json.RawMessage
	var v T
	if err := json.Unmarshal(a.body, &doc); err != nil {
		t.Fatalf("%s: %v", a, err)
	}
	raw, ok := doc[name]
	if !ok {
		t.Fatalf("%s: no %q", a, name)
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%s: %v", a, err)
	}
	return v
}

// send makes one request. The body is marshalled unless it is nil or text; headers are name, value, and so on.
func send(method, url, token string, body any, headers ...string) (*answer, error) {
	var data io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		data = strings.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			return nil, err
		}
		data = bytes.NewReader(raw)
	}
	req, err := http.NewRequest(method, url, data)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	if data != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("X-Auth-Token", token)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	begin := time.Now()
	r, err := web.Do(req)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	return &answer{method + " " + url, r.StatusCode, r.Header, raw, time.Since(begin)}, nil
}

// call makes one request that must be answered. An answer of the top that names a pod's address fails the test.
func (u *user) call(t testing.TB, method, url string, body any, headers ...string) *answer {
	t.Helper()
	a, err := send(method, url, u.token, body, headers...)
	if err != nil {
		t.Fatal(err)
	}
	checkAddresses(t, url, a)
	return a
}

func checkAddresses(t testing.TB, url string, a *answer) {
	t.Helper()
	if !strings.HasPrefix(url, "http://127.0.0.1:877") && !strings.HasPrefix(url, regionOne.network) {
		return
	}
	for _, address := range podAddresses {
		if bytes.Contains(a.body, []byte(address)) || strings.Contains(fmt.Sprint(a.header), address) {
			t.Errorf("%s %v: names the pod's address %s", a, a.header, address)
		}
	}
}

// nova and cinder call the services of a cloud; the path begins behind the version, in cinder's case behind the project.
func (u *user) nova(t testing.TB, c cloud, method, path string, body any, headers ...string) *answer {
	t.Helper()
	return u.call(t, method, c.compute+path, body, headers...)
}

func (u *user) cinder(t testing.TB, c cloud, method, path string, body any, headers ...string) *answer {
	t.Helper()
	return u.call(t, method, c.volume+"/"+u.projectID+path, body, headers...)
}

// login gets a token by the password that all users of the testbed have.
func login(name, project string) (*user, error) {
	domain := object{"id": "default"}
	a, err := send("POST", keystone+"/auth/tokens", "", object{"auth": object{
		"identity": object{"methods": []string{"password"}, "password": object{"user": object{
			"name": name, "password": "secret", "domain": domain}}},
		"scope": object{"project": object{"name": project, "domain": domain}}}})
	if err != nil {
		return nil, err
	}
	var doc struct {
		Token struct{ User, Project struct{ ID string } }
	}
	if err := json.Unmarshal(a.body, &doc); err != nil || a.status != http.StatusCreated {
		return nil, fmt.Errorf("no token for %s: %s", name, a)
	}
	return &user{name, project, doc.Token.User.ID, doc.Token.Project.ID, a.header.Get("X-Subject-Token")}, nil
}

// object is a JSON object in the making.
type object map[string]any

// makeProject makes a project with one member of the same name, unless an earlier run did.
func makeProject(name string) (*user, error) {
	if u, err := login(name, name); err == nil {
		return u, nil
	}
	project, err1 := makeOne("projects", "project", object{"name": name, "domain_id": "default"})
	member, err2 := makeOne("users", "user", object{"name": name, "domain_id": "default", "password": "secret"})
	role, err3 := makeOne("roles", "role", object{"name": "member"})
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	url := fmt.Sprintf("%s/projects/%s/users/%s/roles/%s", keystone, project, member, role)
	if a, err := send("PUT", url, admin.token, nil); err != nil || a.status != http.StatusNoContent {
		return nil, fmt.Errorf("role of %s: %v %v", name, a, err)
	}
	return login(name, name)
}

// makeOne finds a Keystone object by its name or makes it, and returns its id.
func makeOne(collection, one string, what object) (string, error) {
	type found struct{ ID string }
	a, err := send("GET", fmt.Sprintf("%s/%s?name=%s", keystone, collection, what["name"]), admin.token, nil)
	if err != nil {
		return "", err
	}
	var list map[string]json.RawMessage
	var have []found
	if json.Unmarshal(a.body, &list) != nil || json.Unmarshal(list[collection], &have) != nil {
		return "", errors.New(a.String())
	}
	if len(have) > 0 {
		return have[0].ID, nil
	}
	if a, err = send("POST", keystone+"/"+collection, admin.token, object{one: what}); err != nil {
		return "", err
	}
	var made map[string]found
	if json.Unmarshal(a.body, &made) != nil || a.status != http.StatusCreated {
		return "", errors.New(a.String())
	}
	return made[one].ID, nil
}
