package api

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/neutron/schema"
	"github.com/tricircle/tricircle/internal/store"
)

// maxTag is the most characters that a tag may have.
const maxTag = 255

// tags serves /v2.0/networks/{id}/tags and, with a tag, /v2.0/networks/{id}/tags/{tag} (neutron/extensions/tagging.py, Zed).
func (c *Call) tags(t *table, id string, tag *string) (answer, error) {
	if tag != nil {
		if err := schema.String(maxTag)(*tag); err != nil {
			return answer{}, schema.InvalidInput("%s", err)
		}
	}
	switch {
	case c.r.Method == http.MethodGet && tag == nil:
		return c.listTags(t, id)
	case c.r.Method == http.MethodGet:
		return c.hasTag(t, id, *tag)
	case c.r.Method == http.MethodPut && tag == nil:
		return c.replaceTags(t, id)
	case c.r.Method == http.MethodPut:
		_, err := c.changeTags(t, id, "update", func(tags []string) ([]string, error) {
			if slices.Contains(tags, *tag) {
				return tags, nil
			}
			return append(tags, *tag), nil
		})
		return answer{http.StatusCreated, []byte("null")}, err
	case c.r.Method == http.MethodDelete && tag == nil:
		_, err := c.changeTags(t, id, "delete", func([]string) ([]string, error) { return nil, nil })
		return answer{status: http.StatusNoContent}, err
	case c.r.Method == http.MethodDelete:
		_, err := c.changeTags(t, id, "delete", func(tags []string) ([]string, error) {
			if !slices.Contains(tags, *tag) {
				return nil, tagNotFound(*tag)
			}
			return slices.DeleteFunc(tags, func(s string) bool { return s == *tag }), nil
		})
		return answer{status: http.StatusNoContent}, err
	case c.r.Method == http.MethodPost && tag == nil:
		return answer{}, fault.NotFound("not supported")
	}
	return answer{}, errMethod
}

func tagNotFound(tag string) error {
	return &fault.Error{Status: http.StatusNotFound, Type: "TagNotFound", Message: "Tag " + tag + " could not be found."}
}

// tagged gets the object whose tags the call is about, and asks policy: "update_network:tags", or "update_network" where there
// is no such rule.
func (c *Call) tagged(r store.Reader, t *table, id, action string) (*store.Object, error) {
	o, err := c.find(r, t, id)
	if err != nil {
		if fault.From(err).Status == http.StatusNotFound {
			err = &fault.Error{Status: http.StatusNotFound, Type: "TagResourceNotFound",
				Message: fmt.Sprintf("Resource %s %s could not be found.", t.Plural, id)}
		}
		return nil, err
	}
	rule := action + "_" + t.Singular
	if c.engine.Policy.Has(rule + ":tags") {
		rule += ":tags"
	}
	return o, c.enforceOn(ruleOf(rule), &target{c: c, table: t, reader: r, object: o})
}

func (c *Call) listTags(t *table, id string) (answer, error) {
	o, err := c.tagged(c.engine.Store.Reader(), t, id, "get")
	if err != nil {
		return answer{}, err
	}
	return jsonAnswer(http.StatusOK, map[string]any{"tags": tagsOf(o)})
}

func (c *Call) hasTag(t *table, id, tag string) (answer, error) {
	o, err := c.tagged(c.engine.Store.Reader(), t, id, "get")
	if err != nil {
		return answer{}, err
	}
	if !slices.Contains(tagsOf(o), tag) {
		return answer{}, tagNotFound(tag)
	}
	return answer{status: http.StatusNoContent}, nil
}

func (c *Call) replaceTags(t *table, id string) (answer, error) {
	body, err := c.readBody()
	if err != nil {
		return answer{}, err
	}
	given, ok := body["tags"]
	if !ok {
		return answer{}, schema.InvalidInput("Invalid tags body")
	}
	if err := schema.UniqueStrings(maxTag)(given); err != nil {
		return answer{}, schema.InvalidInput("%s", err)
	}
	wanted := []string{}
	for _, tag := range given.([]any) {
		wanted = append(wanted, tag.(string))
	}
	if _, err = c.changeTags(t, id, "update", func([]string) ([]string, error) { return slices.Clone(wanted), nil }); err != nil {
		return answer{}, err
	}
	return jsonAnswer(http.StatusOK, map[string]any{"tags": given})
}

// changeTags puts other tags in the place of an object's. If they are the same nothing is written.
func (c *Call) changeTags(t *table, id, action string, change func([]string) ([]string, error)) (*store.Object, error) {
	revision, err := constraint(c.r)
	if err != nil {
		return nil, err
	}
	var o *store.Object
	return o, c.inTx(func(tx store.Tx) error {
		if o, err = c.tagged(tx, t, id, action); err != nil {
			return err
		}
		if err := checkRevision(revision, o); err != nil {
			return err
		}
		before := tagsOf(o)
		after, err := change(slices.Clone(before))
		if err != nil {
			return err
		}
		if slices.Sort(after); slices.Equal(before, after) {
			return nil
		}
		tags := make([]any, len(after))
		for i, tag := range after {
			tags[i] = tag
		}
		o.Attrs["tags"] = tags
		return tx.Update(c.Context(), o)
	})
}

// tagsOf are the tags of an object, in order.
func tagsOf(o *store.Object) []string {
	list, _ := o.Attrs["tags"].([]any)
	tags := make([]string, 0, len(list))
	for _, v := range list {
		if s, ok := v.(string); ok {
			tags = append(tags, s)
		}
	}
	slices.Sort(tags)
	return tags
}
