package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/neutron/schema"
)

// errInvalidBody is what Neutron says of a body that is no JSON object, or has the wrong things in it.
var errInvalidBody = fault.BadRequest("Body contains invalid data")

// readBody reads the body as a JSON object; nil if there is no body.
func (c *Call) readBody() (map[string]any, error) {
	data, err := io.ReadAll(c.r.Body)
	if err != nil {
		return nil, fault.BadRequest("The body of the request could not be read.")
	}
	if len(data) == 0 {
		return nil, nil
	}
	return parseObject(data)
}

// parseObject reads a JSON object, with whole numbers as int64 and others as float64. Characters of code 0 are refused: the
// databases cannot keep them.
func parseObject(data []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var v any
	if decoder.Decode(&v) != nil {
		return nil, errInvalidBody
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errInvalidBody
	}
	body, ok := v.(map[string]any)
	if !ok {
		return nil, errInvalidBody
	}
	if _, err := normalise(body); err != nil {
		return nil, err
	}
	return body, nil
}

// normalise replaces json.Number, in place where it can.
func normalise(v any) (any, error) {
	switch v := v.(type) {
	case string:
		if strings.IndexByte(v, 0) >= 0 {
			return nil, errInvalidBody
		}
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i, nil
		}
		f, err := v.Float64()
		if err != nil {
			return nil, errInvalidBody
		}
		return f, nil
	case []any:
		for i := range v {
			n, err := normalise(v[i])
			if err != nil {
				return nil, err
			}
			v[i] = n
		}
	case map[string]any:
		for name := range v {
			n, err := normalise(v[name])
			if err != nil || strings.IndexByte(name, 0) >= 0 {
				return nil, errInvalidBody
			}
			v[name] = n
		}
	}
	return v, nil
}

// draft is one object of a body, checked.
type draft struct {
	projectID string
	given     map[string]any // what the client named, converted
	attrs     map[string]any // what the object begins with: given, and defaults
}

// drafts reads the body of a POST: one object below the singular, or several below the plural. It follows
// neutron/api/v2/base.py, prepare_request_body, and neutron/pecan_wsgi/hooks/body_validation.py (Zed).
func (c *Call) drafts(t *table, body map[string]any) (all []draft, bulk bool, err error) {
	many, bulk := body[t.Plural]
	if bulk = bulk && !t.NoBulk; !bulk {
		d, err := c.draft(t, body, true)
		return []draft{d}, false, err
	}
	items, ok := many.([]any)
	switch {
	case !ok && !empty(many):
		return nil, true, errInvalidBody
	case len(items) == 0:
		return nil, true, fault.BadRequest("Resources required")
	}
	for _, item := range items {
		one, ok := item.(map[string]any)
		if !ok {
			return nil, true, errInvalidBody
		}
		if _, wrapped := one[t.Singular]; !wrapped {
			one = map[string]any{t.Singular: one}
		}
		d, err := c.draft(t, one, true)
		if err != nil {
			return nil, true, err
		}
		all = append(all, d)
	}
	return all, true, nil
}

// empty tells what Python takes for false.
func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case int64:
		return v == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// draft checks one object of a POST (create) or a PUT.
func (c *Call) draft(t *table, body map[string]any, create bool) (draft, error) {
	if _, ok := body[t.Plural]; ok && !create {
		return draft{}, fault.BadRequest("Bulk operation not supported")
	}
	v := body[t.Singular]
	if v == nil {
		return draft{}, fault.BadRequest("Unable to find '%s' in request body", t.Singular)
	}
	given, ok := v.(map[string]any)
	if !ok {
		return draft{}, fault.BadRequest("Object '%s' contains invalid data", t.Singular)
	}
	d := draft{given: given}
	if err := c.owner(&d, create); err != nil {
		return d, err
	}
	if err := t.recognise(given); err != nil {
		return d, err
	}
	check := t.checkPut
	if create {
		check = t.checkPost
	}
	if err := check(&d); err != nil {
		return d, err
	}
	return d, t.convert(&d)
}

// owner settles whose the object is, and takes project_id and its old name tenant_id for one (neutron_lib/api/attributes.py,
// populate_project_id). Only administrators and services speak for other projects.
func (c *Call) owner(d *draft, create bool) error {
	project, ok := d.given["project_id"]
	formerly, old := d.given["tenant_id"]
	if ok && old && schema.Text(project) != schema.Text(formerly) {
		return fault.BadRequest("'project_id' and 'tenant_id' do not match")
	}
	if old {
		project = formerly
	}
	switch {
	case ok || old:
		d.given["project_id"], d.given["tenant_id"] = project, project
		if d.projectID = schema.Text(project); project != c.ProjectID() && !c.Admin && !c.Service {
			return fault.BadRequest("Specifying 'project_id' or 'tenant_id' other than the authenticated project in request " +
				"requires admin or advsvc privileges")
		}
	case create && c.ProjectID() == "":
		return fault.BadRequest("Running without keystone AuthN requires that tenant_id is specified")
	default:
		d.projectID = c.ProjectID()
	}
	return nil
}

// recognise refuses members that the resource does not have.
func (t *table) recognise(given map[string]any) error {
	var unknown []string
	for name := range given {
		if _, ok := t.index[name]; !ok {
			unknown = append(unknown, name)
		}
	}
	if unknown == nil {
		return nil
	}
	slices.Sort(unknown)
	return fault.BadRequest("Unrecognized attribute(s) '%s'", strings.Join(unknown, ", "))
}

// checkPost refuses what may not be in a POST, and what lacks.
func (t *table) checkPost(d *draft) error {
	for i := range t.attrs {
		a := &t.attrs[i]
		_, ok := d.given[a.Name]
		switch {
		case ok && !a.Post:
			return fault.BadRequest("Attribute '%s' not allowed in POST", a.Name)
		case !ok && a.Post && a.Default == Required:
			return fault.BadRequest("Failed to parse request. Required attribute '%s' not specified", a.Name)
		}
	}
	return nil
}

// checkPut refuses what may not be in a PUT.
func (t *table) checkPut(d *draft) error {
	if _, ok := d.given["tenant_id"]; ok {
		return fault.BadRequest("Cannot update read-only attribute tenant_id")
	}
	for i := range t.attrs {
		a := &t.attrs[i]
		if _, ok := d.given[a.Name]; ok && !a.Put {
			return fault.BadRequest("Cannot update read-only attribute %s", a.Name)
		}
	}
	return nil
}

// convert makes what was given canonical, and validates it.
func (t *table) convert(d *draft) error {
	for i := range t.attrs {
		a := &t.attrs[i]
		v, ok := d.given[a.Name]
		if !ok {
			continue
		}
		if a.Convert != nil {
			converted, err := a.Convert(v)
			if err != nil {
				return err
			}
			v = converted
			d.given[a.Name] = v
		}
		if a.Validate == nil {
			continue
		}
		if err := a.Validate(v); err != nil {
			if reason, ok := errors.AsType[schema.Reason](err); ok {
				return fault.BadRequest("Invalid input for %s. Reason: %s.", a.Name, reason)
			}
			return err
		}
	}
	delete(d.given, "tenant_id")
	d.attrs = maps.Clone(d.given)
	delete(d.attrs, "project_id")
	return nil
}

// fill puts defaults in for what a POST lacks.
func (t *table) fill(attrs map[string]any) {
	for i := range t.attrs {
		a := &t.attrs[i]
		if _, ok := attrs[a.Name]; ok || !a.Post {
			continue
		}
		switch v := a.Default.(type) {
		case special:
		case func() any:
			attrs[a.Name] = v()
		default:
			attrs[a.Name] = copyValue(plain(v))
		}
	}
}

// plain turns the integers of tables into those of JSON.
func plain(v any) any {
	if i, ok := v.(int); ok {
		return int64(i)
	}
	return v
}
