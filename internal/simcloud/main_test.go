package simcloud

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client speaks to a cloud as one user.
type client struct {
	t     *testing.T
	cloud *Cloud
	http  *http.Client
	token string
}

// start runs a cloud for the time of a test and returns it with a client of user demo in project demo.
func start(t *testing.T, o Options) (*Cloud, *client) {
	t.Helper()
	c, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{MaxIdleConnsPerHost: 8}
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	hc := &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return c, &client{t, c, hc, c.Token("demo", "demo", time.Hour)}
}

// as is the same client with another token.
func (c *client) as(user, project string) *client {
	other := *c
	other.token = c.cloud.Token(user, project, time.Hour)
	return &other
}

// reply is an answer; body is nil unless it was an object.
type reply struct {
	status int
	header http.Header
	text   string
	body   map[string]any
}

// do sends a request; headers come in pairs.
func (c *client) do(method, url, body string, headers ...string) reply {
	c.t.Helper()
	r, err := c.try(method, url, body, headers...)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, url, err)
	}
	return r
}

func (c *client) try(method, url, body string, headers ...string) (reply, error) {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	if c.token != "" {
		req.Header.Set("X-Auth-Token", c.token)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := c.http.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return reply{}, err
	}
	out := reply{status: res.StatusCode, header: res.Header, text: string(text)}
	if strings.HasPrefix(out.text, "{") {
		if err := json.Unmarshal(text, &out.body); err != nil {
			c.t.Errorf("%s %s answers broken JSON: %v\n%s", method, url, err, text)
		}
	}
	return out, nil
}

// want fails the test unless the status is as expected.
func (r reply) want(t *testing.T, status int) reply {
	t.Helper()
	if r.status != status {
		t.Fatalf("got %d %s, want %d", r.status, r.text, status)
	}
	return r
}

// at follows keys, and indices written as keys, to a value; nil if there is none.
func (r reply) at(path ...any) any {
	var v any = r.body
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

func (r reply) str(path ...any) string {
	s, _ := r.at(path...).(string)
	return s
}

// ids of a list in the body.
func (r reply) ids(key string) (out []string) {
	list, _ := r.body[key].([]any)
	for _, entry := range list {
		m, _ := entry.(map[string]any)
		id, _ := m["id"].(string)
		out = append(out, id)
	}
	return out
}

// message is the text of a fault of whatever service.
func (r reply) message() string {
	for _, v := range r.body {
		if m, ok := v.(map[string]any); ok {
			s, _ := m["message"].(string)
			return s
		}
	}
	return ""
}

// nova, cinder and neutron are the addresses that the catalog would give.
func nova(c *Cloud, path string) string    { return c.Pod(0).ComputeURL + "/v2.1" + path }
func cinder(c *Cloud, path string) string  { return c.Pod(0).VolumeURL + "/v3" + path }
func neutron(c *Cloud, path string) string { return c.Pod(0).NetworkURL + "/v2.0" + path }

func mv(minor string) []string { return []string{"OpenStack-API-Version", "compute 2." + minor} }
