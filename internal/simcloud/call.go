package simcloud

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/tricircle/tricircle/internal/fault"
)

// call is one authenticated request on its way through a service.
type call struct {
	cloud     *Cloud
	w         http.ResponseWriter
	r         *http.Request
	tok       *token
	minor     int       // of the microversion; always 0 where there are none
	arg       [4]string // the variable parts of the path
	prefix    string    // of "self" links, with version and, if the URL has it, project
	bookmark  string    // of "bookmark" links
	requestID string
	status    int // of the answer, 200 unless a handler says otherwise
	body      *doc

	query url.Values // parsed
}

// at tells whether the request's microversion is minor or later.
func (c *call) at(minor int) bool { return c.minor >= minor }

// decode reads the JSON body into v, or says what the service says about a malformed one.
func (c *call) decode(v any) error {
	b, err := io.ReadAll(c.r.Body)
	if err != nil {
		return fault.BadRequest("Malformed request body")
	}
	if err := json.Unmarshal(b, v); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return fault.BadRequest("Invalid input for field/attribute %s. Value is of type %s.", wrong.Field, wrong.Value)
		}
		return fault.BadRequest("Malformed request body")
	}
	return nil
}

// decodeIn reads the object under key, which the body must have.
func (c *call) decodeIn(key string, v any) error {
	var body map[string]json.RawMessage
	if err := c.decode(&body); err != nil {
		return err
	}
	raw, ok := body[key]
	if !ok {
		return fault.BadRequest("'%s' is a required property", key)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fault.BadRequest("Invalid input for field/attribute %s. Value: %s.", key, raw)
	}
	return nil
}

// decodeStrict is decodeIn, and refuses attributes that v does not have.
func (c *call) decodeStrict(key string, v any) error {
	var raw json.RawMessage
	if err := c.decodeIn(key, &raw); err != nil {
		return err
	}
	return strict(key, raw, v)
}

// strict reads an object whose attributes v has.
func strict(key string, raw json.RawMessage, v any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		return nil
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return fault.BadRequest("Invalid input for field/attribute %s. Value: %s. Additional properties are not allowed ('%s' was "+
			"unexpected)", key, raw, strings.Trim(name, `"`))
	}
	return fault.BadRequest("Invalid input for field/attribute %s. Value: %s. %v", key, raw, err)
}

// reads tells whether the request changes nothing.
func (c *call) reads() bool { return c.r.Method == http.MethodGet || c.r.Method == http.MethodHead }

// isTrue reads a query parameter as OpenStack reads booleans; present but empty counts as true, as Nova has it.
func (c *call) isTrue(name string) bool {
	v, ok := c.query[name]
	if !ok {
		return false
	}
	switch strings.ToLower(v[0]) {
	case "", "1", "t", "true", "on", "y", "yes":
		return true
	}
	return false
}

// route is one operation of a service S.
type route[S any] struct {
	method  string
	pattern string // segments; "{}" is a variable one
	min     int    // the first microversion that has it
	serve   func(S, *call) error
}

// router finds routes. It is made once per kind of service and shared by all pods.
type router[S any] map[string][]compiled[S] // by method and first segment

type compiled[S any] struct {
	route[S]
	segments []string
}

func newRouter[S any](routes []route[S]) router[S] {
	rt := router[S]{}
	for _, r := range routes {
		segments := strings.Split(r.pattern, "/")
		key := r.method + " " + segments[0]
		rt[key] = append(rt[key], compiled[S]{r, segments})
	}
	return rt
}

// find returns the route of a path without slashes at its ends. A constant segment in an earlier route wins over a
// variable one in a later.
func (rt router[S]) find(method, path string, arg *[4]string) *route[S] {
	head, _, _ := strings.Cut(path, "/")
	candidates := rt[method+" "+head]
	for i := range candidates {
		if matchPath(candidates[i].segments, path, arg) {
			return &candidates[i].route
		}
	}
	return nil
}

func matchPath(segments []string, path string, arg *[4]string) bool {
	n := 0
	for i, want := range segments {
		part, rest, more := strings.Cut(path, "/")
		if more != (i < len(segments)-1) {
			return false
		}
		switch {
		case want == "{}":
			if part == "" {
				return false
			}
			arg[n] = part
			n++
		case want != part:
			return false
		}
		path = rest
	}
	return true
}

// projectSegment is what Nova and Cinder take for a project id in a URL (their option project_id_regex).
var projectSegment = regexp.MustCompile(`^[0-9a-f\-]+$`)

// cutProject splits "/<project>/rest" or "/rest" after the version. project is empty if there is none.
func cutProject(path string) (project, rest string) {
	path = strings.Trim(path, "/")
	head, tail, _ := strings.Cut(path, "/")
	if projectSegment.MatchString(head) {
		return head, tail
	}
	return "", path
}

var versionNumber = regexp.MustCompile(`^([1-9]\d*)\.([1-9]\d*|0)$`)

// parseMinor reads a microversion that must be major.x with x within [min, max].
func parseMinor(v string, major, min, max int) (int, error) {
	if v == "latest" {
		return max, nil
	}
	m := versionNumber.FindStringSubmatch(v)
	if m == nil {
		return 0, fault.BadRequest("API Version String %s is of invalid format. Must be of format MajorNum.MinorNum.", v)
	}
	// Digits only: an error is an overflow, and then the number is out of range.
	gotMajor, _ := strconv.Atoi(m[1])
	minor, err := strconv.Atoi(m[2])
	if gotMajor != major || err != nil || minor < min || minor > max {
		return minor, fault.New(http.StatusNotAcceptable,
			"Version %s is not supported by the API. Minimum is %d.%d and maximum is %d.%d.", v, major, min, major, max)
	}
	return minor, nil
}

// newCall begins the handling of a request whose body, if any, is JSON.
func (c *Cloud) newCall(w http.ResponseWriter, r *http.Request) *call {
	// A semicolon or a bad escape makes a parameter disappear, as it does in WebOb.
	query, _ := url.ParseQuery(r.URL.RawQuery)
	d := c.buffers.Get().(*doc)
	*d = (*d)[:0]
	return &call{
		cloud: c, w: w, r: r, status: http.StatusOK, body: d, query: query,
		requestID: "req-" + c.opts.NewID(),
	}
}

// release gives the buffer back.
func (c *call) release() { c.cloud.buffers.Put(c.body) }

// send writes the answer that a handler has prepared.
func (c *call) send() {
	h := c.w.Header()
	if _, ok := h["Content-Type"]; !ok {
		h.Set("Content-Type", "application/json")
	}
	if c.status != http.StatusNoContent {
		h.Set("Content-Length", strconv.Itoa(len(*c.body)))
	}
	c.w.WriteHeader(c.status)
	if c.r.Method != http.MethodHead {
		_, _ = c.w.Write(*c.body)
	}
}

// noContent is the 204 of webob, which still has a type.
func (c *call) noContent() {
	c.status = http.StatusNoContent
	c.w.Header().Set("Content-Type", "text/html; charset=UTF-8")
}

// accepted is 202 without a body, which webob labels as HTML.
func (c *call) accepted() {
	c.status = http.StatusAccepted
	c.w.Header().Set("Content-Type", "text/html; charset=UTF-8")
}

// authenticate is keystonemiddleware. It is false after it has sent the 401.
func (c *call) authenticate() bool {
	c.tok = c.cloud.keystone.validate(c.r.Header.Get("X-Auth-Token"))
	if c.tok == nil {
		fault.Unauthorized(c.w, c.cloud.AuthURL())
		return false
	}
	return true
}
