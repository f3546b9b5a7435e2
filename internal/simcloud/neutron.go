package simcloud

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tricircle/tricircle/internal/fault"
)

// network is the Neutron of one pod. Its resources are maps of attributes, all handled alike; what is particular to a
// kind stands in neutron_kinds.go.
type network struct {
	pod     *Pod
	kinds   map[string]*netKind              // shared by all pods
	objects map[string]map[string]*netObject // by collection and id
	used    map[address]bool                 // what fixed IPs hold
	ports   series                           // of generated servers
	private nic                              // what the ports of generated servers have in common
	segment int                              // the last segmentation id
}

// netObject is a network, subnet, port...
type netObject struct {
	id, project string
	attrs       map[string]any
}

func (o *netObject) text(name string) string {
	s, _ := o.attrs[name].(string)
	return s
}

func (o *netObject) flag(name string) bool {
	b, _ := o.attrs[name].(bool)
	return b
}

func newNetwork(p *Pod) *network {
	n := &network{
		pod: p, kinds: p.cloud.netKinds, objects: map[string]map[string]*netObject{}, used: map[address]bool{}, segment: 1000,
	}
	o := p.cloud.opts
	n.ports = newSeries(seedOf(p.Region+" ports"), o.Servers, o.Now())
	for collection := range n.kinds {
		n.objects[collection] = map[string]*netObject{}
	}
	for _, project := range p.cloud.keystone.projects {
		n.addDefaultGroup(project.id)
	}
	n.addPrivateNetwork()
	return n
}

// netError makes an error in the form of Neutron, whose type clients switch on.
func netError(status int, class, format string, args []any) error {
	return &fault.Error{Status: status, Type: class, Message: fmt.Sprintf(format, args...)}
}

func netInvalid(class, format string, args ...any) error {
	return netError(http.StatusBadRequest, class, format, args)
}

func netForbidden(class, format string, args ...any) error {
	return netError(http.StatusForbidden, class, format, args)
}

func netMissing(class, format string, args ...any) error {
	return netError(http.StatusNotFound, class, format, args)
}

func netConflict(class, format string, args ...any) error {
	return netError(http.StatusConflict, class, format, args)
}

func (n *network) serve(w http.ResponseWriter, r *http.Request) {
	c := n.pod.cloud.newCall(w, r)
	defer c.release()
	base := "http://" + r.Host
	version, rest, more := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if version == "" {
		n.versions(c, base)
		return
	}
	w.Header()["X-Openstack-Request-Id"] = []string{c.requestID}
	if !c.authenticate() {
		return
	}
	c.prefix = base + "/v2.0"
	err := errNoRoute
	if version == "v2.0" && more {
		segments := strings.Split(strings.TrimSuffix(strings.Trim(rest, "/"), ".json"), "/")
		err = n.pod.locked(c, func() error { return n.dispatch(c, segments) })
	}
	switch {
	case err == nil:
		c.send()
	case errors.Is(err, errNoExtension):
		fault.NoRoute(w, r)
	default:
		fault.Write(w, fault.Neutron, err)
	}
}

// errNoExtension is answered by the framework below Neutron.
var errNoExtension = errors.New("no such extension")

var errNoRoute = netMissing("HTTPNotFound", "The resource could not be found.")

func (n *network) versions(c *call, base string) {
	d := c.body
	d.obj()
	d.arr("versions")
	d.obj()
	d.str("id", "v2.0")
	d.str("status", "CURRENT")
	d.arr("links")
	d.link("self", base, "/v2.0/")
	d.endArr()
	d.endObj()
	d.endArr()
	d.endObj()
	c.send()
}

// dispatch routes by collection.
func (n *network) dispatch(c *call, segments []string) error {
	switch segments[0] {
	case "":
		return n.listResources(c)
	case "extensions":
		return n.showExtensions(c, segments[1:])
	case "quotas":
		return n.showQuota(c, segments[1:])
	}
	k := n.kinds[segments[0]]
	if k == nil {
		return errNoRoute
	}
	switch operation := c.r.Method + " " + strconv.Itoa(len(segments)); operation {
	case "GET 1":
		return n.list(c, k)
	case "POST 1":
		return n.create(c, k)
	}
	if len(segments) == 1 {
		return errNoRoute
	}
	o, err := n.find(c, k, segments[1])
	if err != nil {
		return err
	}
	return n.dispatchMember(c, k, o, segments[2:])
}

func (n *network) dispatchMember(c *call, k *netKind, o *netObject, more []string) error {
	if len(more) > 0 {
		if more[0] == "tags" {
			return n.tags(c, o, more[1:])
		}
		if act := k.actions[more[0]]; act != nil && c.r.Method == http.MethodPut {
			return act(n, c, o)
		}
		return errNoRoute
	}
	switch c.r.Method {
	case http.MethodGet:
		c.body.obj()
		c.body.value(k.singular, n.view(c, k, o, c.query["fields"]))
		c.body.endObj()
		return nil
	case http.MethodPut:
		return n.update(c, k, o)
	case http.MethodDelete:
		return n.remove(c, k, o)
	}
	return errNoRoute
}

// visible tells whether the caller may see an object: an own or a shared one.
func (n *network) visible(t *token, k *netKind, o *netObject) bool {
	if t.admin() || o.project == t.projectID() {
		return true
	}
	switch k.collection {
	case "networks":
		return n.sharedWith(t.projectID(), o) || o.flag("router:external")
	case "subnets":
		net := n.objects["networks"][o.text("network_id")]
		return net != nil && n.sharedWith(t.projectID(), net)
	}
	return false
}

func (n *network) find(c *call, k *netKind, id string) (*netObject, error) {
	o := n.objects[k.collection][id]
	if o == nil && k.collection == "ports" {
		o = n.generatedPort(id, !c.reads())
	}
	if o == nil || !n.visible(c.tok, k, o) {
		return nil, k.notFound(id)
	}
	return o, nil
}

func (k *netKind) notFound(id string) error {
	return netMissing(k.class+"NotFound", k.missing, id)
}

// view is the object as the caller may see it.
func (n *network) view(c *call, k *netKind, o *netObject, fields []string) map[string]any {
	all := maps.Clone(o.attrs)
	all["id"], all["project_id"], all["tenant_id"] = o.id, o.project, o.project
	if k.computed != nil {
		k.computed(n, o, all)
	}
	for name := range all {
		hidden := k.admin[name] && !c.tok.admin()
		if hidden || len(fields) > 0 && !slices.Contains(fields, name) {
			delete(all, name)
		}
	}
	return all
}

// create makes one object, or several if the body has the plural: then all or nothing.
func (n *network) create(c *call, k *netKind) error {
	var body map[string]json.RawMessage
	if err := c.decode(&body); err != nil {
		return netInvalid("HTTPBadRequest", "Invalid JSON in request body")
	}
	bulk := body[k.plural()] != nil
	var given []map[string]any
	var err error
	if bulk {
		err = json.Unmarshal(body[k.plural()], &given)
	} else {
		var single map[string]any
		err = json.Unmarshal(body[k.singular], &single)
		given = append(given, single)
	}
	if err != nil || len(given) == 0 || given[0] == nil {
		return netInvalid("HTTPBadRequest", "Unable to find '%s' in request body", k.singular)
	}
	var made []any
	var undo []*netObject
	for _, attrs := range given {
		o, err := n.add(c, k, attrs)
		if err != nil {
			for _, o := range undo {
				n.drop(k, o)
			}
			return err
		}
		undo = append(undo, o)
		made = append(made, n.view(c, k, o, nil))
	}
	c.status = http.StatusCreated
	c.body.obj()
	if bulk {
		c.body.value(k.plural(), made)
	} else {
		c.body.value(k.singular, made[0])
	}
	c.body.endObj()
	return nil
}

// add makes an object of what a client gave.
func (n *network) add(c *call, k *netKind, given map[string]any) (*netObject, error) {
	if err := k.check(c, given, false); err != nil {
		return nil, err
	}
	o := n.newObject(k, c.tok.projectID())
	if p, ok := given["project_id"].(string); ok && p != "" {
		o.project = p
	} else if p, ok := given["tenant_id"].(string); ok && p != "" {
		o.project = p
	}
	if o.project != c.tok.projectID() && !c.tok.admin() {
		return nil, netForbidden("AdminRequired", "User does not have admin privileges: Cannot create resource "+
			"for another tenant")
	}
	for name, value := range given {
		if name != "project_id" && name != "tenant_id" {
			o.attrs[name] = value
		}
	}
	if k.created != nil {
		if err := k.created(n, c.tok, o); err != nil {
			return nil, err
		}
	}
	n.objects[k.collection][o.id] = o
	return o, nil
}

// newObject has the defaults of its kind and is not yet stored.
func (n *network) newObject(k *netKind, project string) *netObject {
	now := n.pod.cloud.opts.Now().UTC().Format(zulu)
	attrs := k.defaults()
	maps.Copy(attrs, map[string]any{
		"created_at": now, "updated_at": now, "revision_number": k.revision, "tags": []any{}, "description": "",
	})
	return &netObject{id: n.pod.cloud.opts.NewID(), project: project, attrs: attrs}
}

// check refuses attributes that the kind does not have, that cannot be changed, or that only administrators may set.
func (k *netKind) check(c *call, given map[string]any, update bool) error {
	known := k.defaults()
	var unknown []string
	for name := range given {
		_, ok := known[name]
		common := name == "description" || !update && (name == "project_id" || name == "tenant_id")
		switch {
		case !ok && !common && !k.admin[name]:
			unknown = append(unknown, "'"+name+"'")
		case update && k.fixed[name]:
			return netInvalid("HTTPBadRequest", "Cannot update read-only attribute %s", name)
		case k.admin[name] && !c.tok.admin():
			return netForbidden("PolicyNotAuthorized",
				"(rule:create_%s and rule:create_%s:%s) is disallowed by policy", k.singular, k.singular, name)
		}
	}
	if unknown != nil {
		slices.Sort(unknown)
		return netInvalid("HTTPBadRequest", "Unrecognized attribute(s) %s", strings.Join(unknown, ", "))
	}
	return nil
}

func (n *network) update(c *call, k *netKind, o *netObject) error {
	var given map[string]any
	if err := c.decodeIn(k.singular, &given); err != nil {
		return netInvalid("HTTPBadRequest", "Unable to find '%s' in request body", k.singular)
	}
	if err := k.check(c, given, true); err != nil {
		return err
	}
	if wanted, ok := strings.CutPrefix(c.r.Header.Get("If-Match"), "revision_number="); ok && wanted != asString(o.attrs["revision_number"]) {
		return netError(http.StatusPreconditionFailed, "RevisionNumberConstraintFailed", "Constrained to %s, but current revision is %s",
			[]any{wanted, asString(o.attrs["revision_number"])})
	}
	if o.project != c.tok.projectID() && !c.tok.admin() {
		return netForbidden("PolicyNotAuthorized", "rule:update_%s is disallowed by policy", k.singular)
	}
	if k.updating != nil {
		if err := k.updating(n, c.tok, o, given); err != nil {
			return err
		}
	}
	maps.Copy(o.attrs, given)
	n.changed(o)
	c.body.obj()
	c.body.value(k.singular, n.view(c, k, o, nil))
	c.body.endObj()
	return nil
}

// changed counts the revision.
func (n *network) changed(o *netObject) {
	revision, _ := o.attrs["revision_number"].(int)
	o.attrs["revision_number"] = revision + 1
	o.attrs["updated_at"] = n.pod.cloud.opts.Now().UTC().Format(zulu)
}

func (n *network) remove(c *call, k *netKind, o *netObject) error {
	if o.project != c.tok.projectID() && !c.tok.admin() {
		return netForbidden("PolicyNotAuthorized", "rule:delete_%s is disallowed by policy", k.singular)
	}
	if k.deleting != nil {
		if err := k.deleting(n, o); err != nil {
			return err
		}
	}
	n.drop(k, o)
	c.emptied()
	return nil
}

// emptied is Neutron's 204, which has no type.
func (c *call) emptied() {
	c.status = http.StatusNoContent
	c.w.Header()["Content-Type"] = nil
}

// drop forgets an object and frees what it held.
func (n *network) drop(k *netKind, o *netObject) {
	switch k.collection {
	case "ports":
		n.free(o)
	case "networks":
		if p := n.metadataPort(o.id); p != nil {
			n.drop(n.kinds["ports"], p)
		}
	}
	delete(n.objects[k.collection], o.id)
}

// tags serves /tags and /tags/{tag}.
func (n *network) tags(c *call, o *netObject, more []string) error {
	current := texts(o.attrs["tags"])
	if len(more) == 1 {
		has := slices.Contains(current, more[0])
		switch c.r.Method {
		case http.MethodPut:
			c.status = http.StatusCreated
			*c.body = append(*c.body, "null"...)
			if !has {
				current = append(current, more[0])
			}
		case http.MethodDelete, http.MethodGet:
			if !has {
				return netMissing("TagNotFound", "Tag %s could not be found.", more[0])
			}
			c.emptied()
			if c.r.Method == http.MethodGet {
				return nil
			}
			current = slices.DeleteFunc(current, func(t string) bool { return t == more[0] })
		}
		o.attrs["tags"] = current
		return nil
	}
	switch c.r.Method {
	case http.MethodPut:
		if err := c.decodeIn("tags", &current); err != nil {
			return netInvalid("HTTPBadRequest", "Invalid tags body")
		}
		o.attrs["tags"] = current
	case http.MethodDelete:
		o.attrs["tags"] = []string{}
		c.emptied()
		return nil
	}
	c.body.obj()
	c.body.strs("tags", current)
	c.body.endObj()
	return nil
}

// texts reads a list of strings, as decoded or as we made it.
func texts(v any) []string {
	switch v := v.(type) {
	case []string:
		return slices.Clone(v)
	case []any:
		var out []string
		for _, x := range v {
			out = append(out, asString(x))
		}
		return out
	}
	return nil
}
