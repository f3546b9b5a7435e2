package gateway

import (
	"net/url"
	"slices"
	"strconv"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/jsonx"
	"github.com/tricircle/tricircle/internal/pod"
)

// Place is where in a request something is named: one of its fields is set.
type Place struct {
	param string   // of the path
	query string   // parameter of the query
	body  []string // member names of the body
}

// InPath is a parameter of the route's path.
func InPath(param string) Place { return Place{param: param} }

// InQuery is a parameter of the query; each of its values counts.
func InQuery(name string) Place { return Place{query: name} }

// InBody is a string at a path of member names in the body.
func InBody(members ...string) Place { return Place{body: members} }

// at returns what the client names at a place.
func (c *Call) at(place Place, body []byte) []string {
	switch {
	case place.param != "":
		if value, err := url.PathUnescape(c.Params.Get(place.param)); err == nil {
			return []string{value}
		}
	case place.query != "":
		return c.Query[place.query]
	default:
		if value, ok := jsonx.String(body, place.body...); ok {
			return []string{value}
		}
	}
	return nil
}

// NamedPod returns the pod that an integer id, a host or a zone of the request names; nil if none does.
func (c *Call) NamedPod() (*pod.Pod, error) {
	if p, _ := c.integerID(); p != nil {
		return p, c.mayCall(p)
	}
	for _, place := range c.Route.Hosts {
		for _, name := range c.at(place, c.Body) {
			if p, _ := c.Pods.SplitHost(name); p != nil {
				return p, c.mayCall(p)
			}
		}
	}
	for _, place := range c.Route.Zones {
		for _, name := range c.at(place, c.Body) {
			if pods := c.Pods.Zone(name); len(pods) == 1 {
				return pods[0], c.mayCall(pods[0])
			}
		}
	}
	return nil, nil
}

// integerID returns the pod and the pod's own id of the route's integer parameter, if that has the form of one.
func (c *Call) integerID() (*pod.Pod, int64) {
	if c.Route.IntegerID == "" {
		return nil, 0
	}
	encoded, err := strconv.ParseInt(c.Params.Get(c.Route.IntegerID), 10, 64)
	if err != nil {
		return nil, 0
	}
	return c.Pods.SplitInteger(encoded)
}

// RequestFor returns the client's request in the words of p: its own hosts, zones and integer ids. A host of another pod stays as
// the client spelled it, so that p refuses it in the service's own words, after its policy has been asked. The error is a zone that
// p does not serve.
func (c *Call) RequestFor(p *pod.Pod) (Request, error) { return c.requestFor(p, c.Body) }

func (c *Call) requestFor(p *pod.Pod, body []byte) (Request, error) {
	r := Request{Method: c.R.Method, Path: c.Path, Query: c.R.URL.RawQuery, Body: body}
	if c.Route.Hosts == nil && c.Route.Zones == nil && c.Route.IntegerID == "" {
		return r, nil
	}
	w := wording{Call: c, pod: p, params: c.Params, query: cloneValues(c.Query), body: body}
	if err := w.translate(); err != nil {
		return r, err
	}
	r.Path, r.Body = c.Route.fill(w.params), w.body
	if w.queried {
		r.Query = w.query.Encode()
	}
	return r, nil
}

// filtersFor puts the filters of a list by host or zone, which are for administrators, into the words of p; false when they
// exclude it.
func (c *Call) filtersFor(p *pod.Pod, params url.Values) bool {
	if !c.Caller.IsAdmin() {
		return true
	}
	w := wording{Call: c, pod: p, query: params}
	return w.hostFilters() && w.zones() == nil
}

// wording is a request on its way into a pod's words.
type wording struct {
	*Call
	pod     *pod.Pod
	params  Params
	query   url.Values
	queried bool // query has been changed
	body    []byte
}

func (w *wording) translate() error {
	if p, id := w.integerID(); p == w.pod && p != nil {
		w.params = w.params.with(w.Route.IntegerID, strconv.FormatInt(id, 10))
	}
	for _, place := range w.Route.Hosts {
		for _, name := range w.at(place, w.body) {
			if p, bare := w.Pods.SplitHost(name); p == w.pod {
				if err := w.put(place, name, bare); err != nil {
					return err
				}
			}
		}
	}
	return w.zones()
}

// hostFilters strips the pod off the hosts that the query names; false when it names only such of other pods.
func (w *wording) hostFilters() bool {
	for _, place := range w.Route.Hosts {
		values := w.query[place.query]
		if place.query == "" || len(values) == 0 {
			continue
		}
		var ours []string
		for _, name := range values {
			switch p, bare := w.Pods.SplitHost(name); p {
			case w.pod:
				ours = append(ours, bare)
			case nil:
				ours = append(ours, name)
			}
		}
		if len(ours) == 0 {
			return false
		}
		w.query[place.query] = ours
	}
	return true
}

// zones translates zones. Where a zone is the whole pod a filter by it is dropped; a zone that is to be defined keeps its name,
// for whatever the pod calls its zones is shown by that name.
func (w *wording) zones() error {
	for _, place := range w.Route.Zones {
		for _, name := range w.at(place, w.body) {
			podZone, ok := w.pod.OwnZone(name)
			switch {
			case name == "", !ok && !w.Caller.IsAdmin(): // whom the pod refuses first
				continue
			case !ok && place.query == "" && len(w.Pods.Zone(name)) == 0: // a new one, which the top does not map yet
				continue
			case !ok:
				return fault.BadRequest("Availability zone %s is not one of pod %s, which this request is about (%s).",
					name, w.pod.Name(), w.pod.ZoneNames())
			case podZone == "" && place.query == "":
				continue
			}
			if err := w.put(place, name, podZone); err != nil {
				return err
			}
		}
	}
	return nil
}

// put replaces a name in its place; nothing in place of a parameter of the query takes that away.
func (w *wording) put(place Place, name, with string) (err error) {
	switch {
	case place.param != "":
		w.params = w.params.with(place.param, with)
	case place.query != "":
		values := slices.Clone(w.query[place.query])
		if i := slices.Index(values, name); i >= 0 {
			values[i] = with
		}
		w.query[place.query], w.queried = slices.DeleteFunc(values, func(s string) bool { return s == "" }), true
	default:
		if w.body, err = jsonx.Set(w.body, jsonx.Quote(nil, with), place.body...); err != nil {
			return fault.BadRequest("Malformed request body")
		}
	}
	return nil
}
