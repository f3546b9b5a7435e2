package simcloud

import (
	"maps"
	"net/http"
	"slices"

	"github.com/tricircle/tricircle/internal/fault"
)

// Metadata and tags of servers.

func writePairs(c *call, key string, m map[string]string) {
	c.body.obj()
	c.body.pairs(key, m)
	c.body.endObj()
}

func (n *compute) showMetadata(c *call) error {
	s, err := n.visible(c)
	if err != nil {
		return err
	}
	writePairs(c, "metadata", s.metadata)
	return nil
}

func (n *compute) mergeMetadata(c *call) error { return n.putMetadata(c, true) }

func (n *compute) replaceMetadata(c *call) error { return n.putMetadata(c, false) }

func (n *compute) putMetadata(c *call, merge bool) error {
	s, err := n.changing(c)
	if err != nil {
		return err
	}
	var given map[string]string
	if err := c.decodeIn("metadata", &given); err != nil {
		return err
	}
	all := map[string]string{}
	if merge {
		maps.Copy(all, s.metadata)
	}
	maps.Copy(all, given)
	s.metadata = all
	writePairs(c, "metadata", all)
	return nil
}

var errNoMeta = fault.NotFound("Metadata item was not found")

func (n *compute) showMeta(c *call) error {
	s, err := n.visible(c)
	if err != nil {
		return err
	}
	v, ok := s.metadata[c.arg[1]]
	if !ok {
		return errNoMeta
	}
	writePairs(c, "meta", map[string]string{c.arg[1]: v})
	return nil
}

func (n *compute) setMeta(c *call) error {
	s, err := n.changing(c)
	if err != nil {
		return err
	}
	var given map[string]string
	if err := c.decodeIn("meta", &given); err != nil {
		return err
	}
	v, ok := given[c.arg[1]]
	if !ok || len(given) != 1 {
		return fault.BadRequest("Request body and URI mismatch")
	}
	s.metadata = with(s.metadata, c.arg[1], v)
	writePairs(c, "meta", given)
	return nil
}

// with returns a copy of m with one more pair.
func with(m map[string]string, k, v string) map[string]string {
	all := map[string]string{k: v}
	for name, value := range m {
		if name != k {
			all[name] = value
		}
	}
	return all
}

func (n *compute) deleteMeta(c *call) error {
	s, err := n.changing(c)
	if err != nil {
		return err
	}
	if _, ok := s.metadata[c.arg[1]]; !ok {
		return errNoMeta
	}
	s.metadata = maps.Clone(s.metadata)
	delete(s.metadata, c.arg[1])
	c.status = http.StatusNoContent
	return nil
}

func (n *compute) listTags(c *call) error {
	s, err := n.visible(c)
	if err != nil {
		return err
	}
	return writeTags(c, s)
}

func writeTags(c *call, s *server) error {
	c.body.obj()
	c.body.strs("tags", s.tags)
	c.body.endObj()
	return nil
}

func (n *compute) replaceTags(c *call) error {
	s, err := n.changing(c)
	if err != nil {
		return err
	}
	var given []string
	if err := c.decodeIn("tags", &given); err != nil {
		return err
	}
	slices.Sort(given)
	s.tags = slices.Compact(given)
	return writeTags(c, s)
}

func (n *compute) deleteTags(c *call) error {
	s, err := n.changing(c)
	if err != nil {
		return err
	}
	s.tags = nil
	c.status = http.StatusNoContent
	return nil
}

func (s *server) tag(name string) error {
	if !slices.Contains(s.tags, name) {
		return fault.NotFound("Server %s has no tag '%s'", s.id, name)
	}
	return nil
}

func (n *compute) checkTag(c *call) error {
	s, err := n.visible(c)
	if err != nil {
		return err
	}
	c.status = http.StatusNoContent
	return s.tag(c.arg[1])
}

func (n *compute) addTag(c *call) error {
	s, err := n.changing(c)
	if err != nil {
		return err
	}
	if s.tag(c.arg[1]) == nil {
		c.noContent()
		return nil
	}
	s.tags = append(slices.Clone(s.tags), c.arg[1])
	slices.Sort(s.tags)
	c.status = http.StatusCreated
	c.w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	c.w.Header().Set("Location", c.prefix+"/servers/"+s.id+"/tags/"+c.arg[1])
	return nil
}

func (n *compute) deleteTag(c *call) error {
	s, err := n.changing(c)
	if err != nil {
		return err
	}
	if err := s.tag(c.arg[1]); err != nil {
		return err
	}
	s.tags = slices.DeleteFunc(slices.Clone(s.tags), func(t string) bool { return t == c.arg[1] })
	c.status = http.StatusNoContent
	return nil
}
