package api

import (
	"errors"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/store"
)

// firstRevision is the revision_number of a new object.
const firstRevision = 1

// inTx runs f in a write transaction, and, when that is done, what f left for afterwards. f may run several times.
func (c *Call) inTx(f func(tx store.Tx) error) error {
	err := c.engine.Store.InTx(c.Context(), func(tx store.Tx) error {
		c.commit, c.parents = nil, parents{}
		return f(tx)
	})
	if err != nil {
		return err
	}
	for _, after := range c.commit {
		after(c.Context())
	}
	return nil
}

// create serves POST /v2.0/networks: one object or several, all or none.
func (c *Call) create(t *table) (answer, error) {
	body, err := c.readBody()
	if err != nil {
		return answer{}, err
	}
	all, bulk, err := c.drafts(t, body)
	if err != nil {
		return answer{}, err
	}
	reader := c.engine.Store.Reader()
	ids := make([]string, len(all))
	for i := range all {
		d := &all[i]
		t.fill(d.attrs)
		on := &target{c: c, table: t, reader: reader, strict: true,
			object: &store.Object{Kind: t.Kind, ProjectID: d.projectID, Attrs: d.attrs}}
		if err := c.enforce(t.writeRules("create_"+t.Singular, d.attrs, d.given), on); err != nil {
			return answer{}, err
		}
		ids[i] = c.engine.NewID()
	}
	var made []*store.Object
	err = c.inTx(func(tx store.Tx) error {
		made = made[:0]
		if err := c.checkQuota(tx, t, all); err != nil {
			return err
		}
		for i := range all {
			o, err := c.insert(tx, t, &all[i], ids[i])
			if err != nil {
				return err
			}
			made = append(made, o)
		}
		return nil
	})
	if err != nil {
		return answer{}, err
	}
	if bulk {
		return c.show(t, http.StatusCreated, t.Plural, made)
	}
	return c.show(t, http.StatusCreated, "", made)
}

// checkQuota asks once for each project.
func (c *Call) checkQuota(tx store.Tx, t *table, all []draft) error {
	if c.engine.CheckQuota == nil {
		return nil
	}
	more := map[string]int{}
	for i := range all {
		more[all[i].projectID]++
	}
	for i := range all {
		project := all[i].projectID
		if n := more[project]; n > 0 {
			if err := c.engine.CheckQuota(c, tx, t.Resource, project, n); err != nil {
				return err
			}
			delete(more, project)
		}
	}
	return nil
}

// insert stores one new object, with its rules.
func (c *Call) insert(tx store.Tx, t *table, d *draft, id string) (*store.Object, error) {
	o := &store.Object{Kind: t.Kind, ID: id, ProjectID: d.projectID, Revision: firstRevision, CreatedAt: c.Now, UpdatedAt: c.Now,
		Attrs: copyMap(d.attrs)}
	c.Given = d.given
	if t.Rules.Create != nil {
		if err := t.Rules.Create(c, tx, o); err != nil {
			return nil, err
		}
	}
	if err := tx.Insert(c.Context(), o); err != nil {
		return nil, err
	}
	if t.Rules.Created != nil {
		if err := t.Rules.Created(c, tx, o); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// update serves PUT /v2.0/networks/{id}.
func (c *Call) update(t *table, id string) (answer, error) {
	body, err := c.readBody()
	if err != nil {
		return answer{}, err
	}
	d, bad := c.draft(t, body, false)
	_, one := body[t.Singular]
	if _, many := body[t.Plural]; bad != nil && (one || many) {
		return answer{}, bad
	}
	revision, err := constraint(c.r)
	if err != nil {
		return answer{}, err
	}
	var updated *store.Object
	err = c.inTx(func(tx store.Tx) error {
		old, err := c.find(tx, t, id)
		if err != nil {
			return err
		}
		if bad != nil { // there is nothing in the body: Neutron says so only of what is there
			return bad
		}
		updated, err = c.change(tx, t, old, &d, revision)
		return err
	})
	if err != nil {
		return answer{}, err
	}
	return c.show(t, http.StatusOK, "", []*store.Object{updated})
}

// change stores what a PUT makes of an object, with its rules. One that says nothing changes nothing, not even the revision.
func (c *Call) change(tx store.Tx, t *table, old *store.Object, d *draft, revision int64) (*store.Object, error) {
	next := *old
	next.Attrs = copyMap(old.Attrs)
	for name, v := range d.attrs {
		next.Attrs[name] = copyValue(v)
	}
	c.Given = d.given
	on := &target{c: c, table: t, reader: tx, object: &next}
	if err := c.enforceOn(t.writeRules("update_"+t.Singular, d.attrs, d.given), on); err != nil {
		return nil, err
	}
	if err := checkRevision(revision, old); err != nil {
		return nil, err
	}
	if len(d.attrs) == 0 {
		return old, nil
	}
	if t.Rules.Update != nil {
		if err := t.Rules.Update(c, tx, old, &next); err != nil {
			return nil, err
		}
	}
	if err := tx.Update(c.Context(), &next); err != nil {
		return nil, err
	}
	if t.Rules.Updated != nil {
		if err := t.Rules.Updated(c, tx, old, &next); err != nil {
			return nil, err
		}
	}
	return &next, nil
}

// delete serves DELETE /v2.0/networks/{id}.
func (c *Call) delete(t *table, id string) (answer, error) {
	revision, err := constraint(c.r)
	if err != nil {
		return answer{}, err
	}
	hasBody, _ := io.ReadFull(c.r.Body, make([]byte, 1))
	return answer{status: http.StatusNoContent}, c.inTx(func(tx store.Tx) error {
		o, err := c.find(tx, t, id)
		if err != nil {
			return err
		}
		if err := c.enforceOn(ruleOf("delete_"+t.Singular), &target{c: c, table: t, reader: tx, object: o}); err != nil {
			return err
		}
		if hasBody > 0 {
			return fault.BadRequest("Request body is not supported in DELETE.")
		}
		if err := checkRevision(revision, o); err != nil {
			return err
		}
		return c.remove(tx, t, o)
	})
}

// remove deletes an object, with its rules.
func (c *Call) remove(tx store.Tx, t *table, o *store.Object) error {
	if t.Rules.Delete != nil {
		if err := t.Rules.Delete(c, tx, o); err != nil {
			return err
		}
	}
	if err := tx.Delete(c.Context(), t.Kind, o.ID); err != nil {
		return err
	}
	if t.Rules.Deleted != nil {
		return t.Rules.Deleted(c, tx, o)
	}
	return nil
}

// act serves PUT /v2.0/subnetpools/{id}/add_prefixes.
func (c *Call) act(t *table, id string, action *Action) (answer, error) {
	var body map[string]any
	var err error
	if action.Method != http.MethodGet {
		if body, err = c.readBody(); err != nil {
			return answer{}, err
		}
	}
	var out any
	err = c.inTx(func(tx store.Tx) error {
		o, err := c.find(tx, t, id)
		if err != nil {
			return err
		}
		if err := c.enforceOn(ruleOf(action.Policy), &target{c: c, table: t, reader: tx, object: o}); err != nil {
			return err
		}
		out, err = action.Serve(c, tx, o, copyMap(body))
		return err
	})
	if err != nil {
		return answer{}, err
	}
	return jsonAnswer(http.StatusOK, out)
}

// anyRevision is the constraint of a request without one.
const anyRevision = -1

// etag is one of the values of If-Match, as webob tells them apart (webob/etag.py).
var etag = regexp.MustCompile(`(?:^|\s)(?:W/)?"((?:\\"|.)*?)"`)

// constraint is the revision that an object must have for the request, from If-Match: revision_number=N
// (neutron/api/api_common.py, check_request_for_revision_constraint).
func constraint(r *http.Request) (int64, error) {
	header := r.Header.Get("If-Match")
	tags := []string{header}
	if quoted := etag.FindAllStringSubmatch(header, -1); quoted != nil {
		tags = nil
		for _, match := range quoted {
			tags = append(tags, match[1])
		}
	}
	revision := int64(anyRevision)
	for _, tag := range tags {
		number, ok := strings.CutPrefix(tag, "revision_number=")
		if !ok {
			continue
		}
		if revision != anyRevision {
			return 0, badIfMatch("Multiple revision_number etags are not supported.")
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n < 0 {
			return 0, badIfMatch("Revision number etag must be in the format of revision_number=<int>")
		}
		revision = n
	}
	return revision, nil
}

func badIfMatch(why string) error {
	return &fault.Error{Status: http.StatusBadRequest, Type: "BadRequest", Message: "Bad if-match request: " + why + "."}
}

func checkRevision(want int64, o *store.Object) error {
	if want == anyRevision || want == o.Revision {
		return nil
	}
	return &fault.Error{Status: http.StatusPreconditionFailed, Type: "RevisionNumberConstraintFailed",
		Message: "Constrained to " + strconv.FormatInt(want, 10) + ", but current revision is " + strconv.FormatInt(o.Revision, 10)}
}

// inUse turns the store's refusals, where no rule was quicker, into conflicts.
func inUse(err error) error {
	if used, ok := errors.AsType[*store.InUseError](err); ok {
		return &fault.Error{Status: http.StatusConflict, Type: "InUse", Message: used.Error(), Err: err}
	}
	if clash, ok := errors.AsType[*store.ConflictError](err); ok {
		return &fault.Error{Status: http.StatusConflict, Type: "Conflict", Message: clash.Error(), Err: err}
	}
	if errors.Is(err, store.ErrStale) {
		return &fault.Error{Status: http.StatusConflict, Type: "Conflict",
			Message: "The resource was changed by another request at the same time. Try again.", Err: err}
	}
	return err
}
