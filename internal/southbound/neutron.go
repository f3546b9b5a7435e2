package southbound

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tricircle/tricircle/internal/obs"
	"github.com/tricircle/tricircle/internal/pod"
)

// Collection is a kind of networking resource, by the name that it has in paths.
type Collection string

// The collections that hold what the top makes in pods.
const (
	Networks           Collection = "networks"
	Subnets            Collection = "subnets"
	Ports              Collection = "ports"
	SecurityGroups     Collection = "security-groups"
	SecurityGroupRules Collection = "security-group-rules"
	RBACPolicies       Collection = "rbac-policies"
	Trunks             Collection = "trunks"
)

// plural is the member of a document that holds several.
func (c Collection) plural() string { return strings.ReplaceAll(string(c), "-", "_") }

// singular is the member of a document that holds one.
func (c Collection) singular() string {
	if c == RBACPolicies {
		return "rbac_policy"
	}
	return strings.TrimSuffix(c.plural(), "s")
}

// Object is a resource by its attributes, as Neutron's documents have it: decoded JSON.
type Object map[string]any

// ID is the resource's id in the pod.
func (o Object) ID() string { return o.Text("id") }

// Text is an attribute that is a string, or "".
func (o Object) Text(name string) string {
	s, _ := o[name].(string)
	return s
}

// maxDocument is the size in bytes above which an answer is not read: some 10,000 ports.
const maxDocument = 16 << 20

// Refusal is an answer of a pod's Neutron that is no success, in its own words.
type Refusal struct {
	Pod     string
	Request string // "POST /v2.0/networks"
	Status  int
	Type    string // the exception's name, "VlanIdInUse"; "" when the answer has none
	Message string
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("pod %s: %s: %d %s: %s", r.Pod, r.Request, r.Status, r.Type, r.Message)
}

// RefusedAs reports whether an error is a Refusal with one of the types.
func RefusedAs(err error, types ...string) bool {
	r, ok := errors.AsType[*Refusal](err)
	return ok && slices.Contains(types, r.Type)
}

// Refused reports whether an error is a Refusal with one of the statuses.
func Refused(err error, statuses ...int) bool {
	r, ok := errors.AsType[*Refusal](err)
	return ok && slices.Contains(statuses, r.Status)
}

// Neutron is the networking service of one pod, called as the service user, for what the top owns. Its methods fail with a
// *Refusal where the pod says no, and with a *pod.UnavailableError where it does not answer.
type Neutron struct {
	pod   *pod.Pod
	token func(context.Context) (string, error)
}

// NewNeutron returns the Neutron of p. token returns a token of a user who may do everything there.
func NewNeutron(p *pod.Pod, token func(context.Context) (string, error)) *Neutron {
	return &Neutron{pod: p, token: token}
}

// Get returns a resource, or nil if the pod does not have it.
func (n *Neutron) Get(ctx context.Context, c Collection, id string) (Object, error) {
	var doc map[string]Object
	err := n.do(ctx, http.MethodGet, "/"+string(c)+"/"+id, nil, nil, &doc)
	if Refused(err, http.StatusNotFound) {
		return nil, nil
	}
	return doc[c.singular()], err
}

// List returns all resources that match a query, however many pages they take.
func (n *Neutron) List(ctx context.Context, c Collection, query url.Values) (all []Object, err error) {
	query = maps.Clone(query)
	for {
		var doc map[string][]Object
		if err := n.do(ctx, http.MethodGet, "/"+string(c), query, nil, &doc); err != nil {
			return nil, err
		}
		page := doc[c.plural()]
		all = append(all, page...)
		more := slices.ContainsFunc(doc[c.plural()+"_links"], func(l Object) bool { return l.Text("rel") == "next" })
		if !more || len(page) == 0 {
			return all, nil
		}
		query.Set("marker", page[len(page)-1].ID())
		query.Set("limit", strconv.Itoa(len(page)))
	}
}

// Create makes a resource.
func (n *Neutron) Create(ctx context.Context, c Collection, attrs Object) (Object, error) {
	var doc map[string]Object
	err := n.do(ctx, http.MethodPost, "/"+string(c), nil, map[string]any{c.singular(): attrs}, &doc)
	return doc[c.singular()], err
}

// CreateAll makes several resources, all or none, and returns them in the order given.
func (n *Neutron) CreateAll(ctx context.Context, c Collection, attrs []Object) ([]Object, error) {
	var doc map[string][]Object
	err := n.do(ctx, http.MethodPost, "/"+string(c), nil, map[string]any{c.plural(): attrs}, &doc)
	return doc[c.plural()], err
}

// Update changes attributes of a resource, on the condition that it is still as it was observed. If it is not, the *Refusal has status 412
// (neutron/services/revisions/revision_plugin.py, Zed). So a request that comes late undoes nothing.
func (n *Neutron) Update(ctx context.Context, c Collection, observed, attrs Object) (Object, error) {
	path := "/" + string(c) + "/" + observed.ID()
	req, err := n.request(ctx, http.MethodPut, "/v2.0"+path, nil, map[string]any{c.singular(): attrs})
	if err != nil {
		return nil, err
	}
	if revision, ok := observed["revision_number"].(float64); ok {
		req.Header.Set("If-Match", "revision_number="+strconv.FormatInt(int64(revision), 10))
	}
	var doc map[string]Object
	err = n.send(req, "PUT /v2.0"+path, &doc)
	return doc[c.singular()], err
}

// Act makes a call on a resource that is no change of attributes: PUT /v2.0/trunks/<id>/add_subports.
func (n *Neutron) Act(ctx context.Context, c Collection, id, action string, body Object) error {
	return n.do(ctx, http.MethodPut, "/"+string(c)+"/"+id+"/"+action, nil, body, nil)
}

// Delete removes a resource. That it is not there is no error.
func (n *Neutron) Delete(ctx context.Context, c Collection, id string) error {
	err := n.do(ctx, http.MethodDelete, "/"+string(c)+"/"+id, nil, nil, nil)
	if Refused(err, http.StatusNotFound) {
		return nil
	}
	return err
}

// Find returns what was made under a find-key for a project, or nil; project "" stands for all of them. Whatever shall be used must be
// looked for in its project: users of the pod can write any description on what is theirs. Should there be several, because two made it at once, the oldest counts:
// whoever looks comes to the same conclusion, and the others are removed, which only we can have made.
func (n *Neutron) Find(ctx context.Context, c Collection, project, key string) (Object, error) {
	query := url.Values{"description": {key}}
	if project != "" {
		query.Set("project_id", project)
	}
	found, err := n.List(ctx, c, query)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	slices.SortFunc(found, func(a, b Object) int {
		return strings.Compare(a.Text("created_at")+a.ID(), b.Text("created_at")+b.ID())
	})
	return found[0], n.removeDoubles(ctx, c, key, found[1:])
}

// RemoveOthers removes what was made under a find-key for a project besides the resource with an id, by a request that was thought to be lost.
func (n *Neutron) RemoveOthers(ctx context.Context, c Collection, project, key, id string) error {
	found, err := n.List(ctx, c, url.Values{"description": {key}, "project_id": {project}})
	if err != nil {
		return err
	}
	return n.removeDoubles(ctx, c, key, slices.DeleteFunc(found, func(o Object) bool { return o.ID() == id }))
}

func (n *Neutron) removeDoubles(ctx context.Context, c Collection, key string, doubles []Object) error {
	for _, double := range doubles {
		if err := n.Delete(ctx, c, double.ID()); err != nil {
			return fmt.Errorf("removing a second %s of %s: %w", c.singular(), key, err)
		}
	}
	return nil
}

// CreateAs makes a resource under a find-key for the project of attrs. If the reply is lost, or another who made it at the same time was
// faster, it is looked for: it is never sent twice. What is not there then may still come.
func (n *Neutron) CreateAs(ctx context.Context, c Collection, key string, attrs Object) (Object, error) {
	attrs = maps.Clone(attrs)
	attrs["description"] = key
	made, err := n.Create(ctx, c, attrs)
	if err == nil {
		return made, nil
	}
	lost, _ := errors.AsType[*pod.UnavailableError](err)
	if lost != nil && lost.Sent || Refused(err, http.StatusBadRequest, http.StatusConflict) {
		if found, _ := n.Find(ctx, c, attrs.Text("project_id"), key); found != nil {
			return found, nil
		}
	}
	return nil, err
}

// do makes one call and decodes the answer into out, unless that is nil.
func (n *Neutron) do(ctx context.Context, method, path string, query url.Values, body, out any) error {
	req, err := n.request(ctx, method, "/v2.0"+path, query, body)
	if err != nil {
		return err
	}
	return n.send(req, method+" /v2.0"+path, out)
}

// send sends a request, which errors call what.
func (n *Neutron) send(req *http.Request, what string, out any) error {
	res, err := n.pod.Do(pod.Network, req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxDocument+1))
	switch {
	case err != nil:
		return err
	case res.StatusCode < 200 || res.StatusCode > 299:
		return n.refusal(what, res.StatusCode, text)
	case len(text) > maxDocument:
		return n.nonsense(what, fmt.Errorf("more than %d MiB", maxDocument>>20))
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return n.nonsense(what, err)
	}
	return nil
}

func (n *Neutron) request(ctx context.Context, method, path string, query url.Values, body any) (*http.Request, error) {
	base, ok := n.pod.Endpoint(pod.Network)
	if !ok {
		return nil, &pod.UnavailableError{Pod: n.pod.Name(), Service: pod.Network, Reason: "the Keystone catalog has no endpoint of it"}
	}
	token, err := n.token(ctx)
	if err != nil {
		return nil, fmt.Errorf("pod %s: a token for its networking service: %w", n.pod.Name(), err)
	}
	var text []byte
	if body != nil {
		if text, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	u := strings.TrimSuffix(base.String(), "/v2.0") + path
	if len(query) > 0 {
		u += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, u, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-Auth-Token", token)
	req.Header.Set("Accept", "application/json")
	if body == nil {
		req.Body, req.ContentLength, req.GetBody = http.NoBody, 0, nil
	} else {
		req.Header.Set("Content-Type", "application/json")
	}
	if id := obs.RequestID(ctx); id != "" {
		req.Header.Set(obs.HeaderRequestID, id)
	}
	return req, nil
}

// refusal reads an error document of Neutron: {"NeutronError": {"type", "message", "detail"}}.
func (n *Neutron) refusal(request string, status int, text []byte) error {
	r := &Refusal{Pod: n.pod.Name(), Request: request, Status: status, Message: http.StatusText(status)}
	var doc struct {
		NeutronError struct{ Type, Message string }
	}
	if json.Unmarshal(text, &doc) == nil && doc.NeutronError.Message != "" {
		r.Type, r.Message = doc.NeutronError.Type, doc.NeutronError.Message
	}
	return r
}

// nonsense is the error for an answer that cannot be read. What was asked for may have been done.
func (n *Neutron) nonsense(request string, err error) error {
	return &pod.UnavailableError{Pod: n.pod.Name(), Service: pod.Network, Sent: true, Reason: "its answer to " + request + " is broken", Err: err}
}
