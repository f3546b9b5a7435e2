package simcloud

import (
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/tricircle/tricircle/internal/fault"
)

func (g *glance) create(c *call) error {
	var given map[string]any
	if err := c.decode(&given); err != nil {
		return err
	}
	now := g.cloud.opts.Now().UTC()
	i := &image{
		id: g.cloud.opts.NewID(), status: "queued", visibility: "shared", owner: c.tok.projectID(),
		created: now, updated: now,
	}
	for name, value := range given {
		if err := i.assign(name, value); err != nil {
			return err
		}
	}
	if g.images[i.id] != nil {
		return fault.Conflict("Image ID %s already exists!", i.id)
	}
	if i.visibility == "public" && !c.tok.admin() {
		return fault.Forbidden("You are not authorized to complete publicize_image action.")
	}
	g.images[i.id] = i
	c.status = http.StatusCreated
	c.w.Header().Set("Location", c.prefix+"/v2/images/"+i.id)
	c.w.Header().Set("OpenStack-image-import-methods", "glance-direct,web-download")
	i.render(c.body)
	return nil
}

// assign sets one attribute from a body; what Glance does not know is a property of the image.
func (i *image) assign(name string, value any) error {
	invalid := fault.BadRequest("Provided object does not match schema 'image': %v is not valid for %s", value, name)
	switch name {
	case "min_disk", "min_ram":
		n, ok := value.(float64)
		if !ok || n < 0 {
			return invalid
		}
		*map[string]*int{"min_disk": &i.minDisk, "min_ram": &i.minRAM}[name] = int(n)
		return nil
	case "protected", "os_hidden":
		b, ok := value.(bool)
		if !ok {
			return invalid
		}
		*map[string]*bool{"protected": &i.protected, "os_hidden": &i.hidden}[name] = b
		return nil
	case "tags":
		list, ok := value.([]any)
		if !ok {
			return invalid
		}
		i.tags = nil
		for _, t := range list {
			i.tags = append(i.tags, asString(t))
		}
		return nil
	}
	return i.assignText(name, value, invalid)
}

func asString(v any) string {
	s, ok := v.(string)
	if !ok {
		return string(encode(v))
	}
	return s
}

func (i *image) assignText(name string, value any, invalid error) error {
	text, ok := value.(string)
	optional := map[string]**string{"name": &i.name, "container_format": &i.containerFormat, "disk_format": &i.diskFormat}
	if to := optional[name]; to != nil {
		*to = nil
		if ok {
			*to = &text
		}
		return nil
	}
	if !ok {
		return invalid
	}
	switch name {
	case "id":
		i.id = text
	case "visibility":
		if !slices.Contains([]string{"public", "private", "shared", "community"}, text) {
			return invalid
		}
		i.visibility = text
	case "owner":
		i.owner = text
	case "status", "size", "checksum", "created_at", "updated_at", "self", "file", "schema":
		return fault.Forbidden("Attribute '%s' is read-only.", name)
	default:
		if i.properties == nil {
			i.properties = map[string]string{}
		}
		i.properties[name] = text
	}
	return nil
}

// own returns an image that the caller may change.
func (g *glance) own(c *call) (*image, error) {
	i, err := g.find(c, c.arg[0])
	if err != nil {
		return nil, err
	}
	if i.owner != c.tok.projectID() && !c.tok.admin() {
		return nil, fault.Forbidden("You are not authorized to complete this action.")
	}
	return i, nil
}

// update applies a JSON patch to a copy, so that a patch which fails changes nothing.
func (g *glance) update(c *call) error {
	old, err := g.own(c)
	if err != nil {
		return err
	}
	var patch []struct {
		Op, Path string
		Value    any
	}
	if err := c.decode(&patch); err != nil {
		return err
	}
	i := *old
	i.properties = map[string]string{}
	for k, v := range old.properties {
		i.properties[k] = v
	}
	for _, p := range patch {
		name := strings.TrimPrefix(p.Path, "/")
		if p.Op == "remove" {
			delete(i.properties, name)
			continue
		}
		if err := i.assign(name, p.Value); err != nil {
			return err
		}
	}
	i.updated = g.cloud.opts.Now().UTC()
	g.images[i.id] = &i
	i.render(c.body)
	return nil
}

func (g *glance) delete(c *call) error {
	i, err := g.own(c)
	if err != nil {
		return err
	}
	if i.protected {
		return fault.Forbidden("Image %s is protected and cannot be deleted.", i.id)
	}
	delete(g.images, i.id)
	c.noContent()
	return nil
}

func (g *glance) upload(c *call) error {
	i, err := g.own(c)
	if err != nil {
		return err
	}
	if i.status != "queued" {
		return fault.Conflict("Image status transition from %s to saving is not allowed", i.status)
	}
	data, err := io.ReadAll(c.r.Body)
	if err != nil {
		return fault.BadRequest("The request body could not be read.")
	}
	done := *i
	done.setData(data)
	done.updated = g.cloud.opts.Now().UTC()
	g.images[i.id] = &done
	c.noContent()
	return nil
}

func (g *glance) download(c *call) error {
	i, err := g.find(c, c.arg[0])
	if err != nil {
		return err
	}
	if i.data == nil {
		c.status = http.StatusNoContent
		return nil
	}
	c.w.Header().Set("Content-Type", "application/octet-stream")
	*c.body = append(*c.body, i.data...)
	return nil
}

func (g *glance) members(c *call) error {
	if _, err := g.find(c, c.arg[0]); err != nil {
		return err
	}
	*c.body = append(*c.body, `{"members": [], "schema": "/v2/schemas/members"}`...)
	return nil
}

func (g *glance) addTag(c *call) error { return g.tag(c, true) }

func (g *glance) deleteTag(c *call) error { return g.tag(c, false) }

func (g *glance) tag(c *call, present bool) error {
	i, err := g.own(c)
	if err != nil {
		return err
	}
	tagged := *i
	tagged.tags = slices.DeleteFunc(slices.Clone(i.tags), func(t string) bool { return t == c.arg[1] })
	if present {
		tagged.tags = append(tagged.tags, c.arg[1])
	} else if len(tagged.tags) == len(i.tags) {
		return fault.NotFound("Could not find tag %s for image %s", c.arg[1], i.id)
	}
	g.images[i.id] = &tagged
	c.noContent()
	return nil
}

// schema answers as much as clients need in order to accept any property.
func (g *glance) schema(c *call) error {
	if c.arg[0] != "image" && c.arg[0] != "images" {
		return fault.NotFound("The resource could not be found.")
	}
	properties := map[string]any{}
	for _, name := range []string{"id", "name", "status", "visibility", "owner", "container_format", "disk_format"} {
		properties[name] = map[string]any{"type": []string{"null", "string"}}
	}
	*c.body = append(*c.body, encode(map[string]any{
		"name": c.arg[0], "properties": properties, "additionalProperties": map[string]string{"type": "string"},
	})...)
	return nil
}

func (g *glance) importInfo(c *call) error {
	*c.body = append(*c.body, `{"import-methods": {"description": "Import methods available.", "type": "array", `+
		`"value": ["glance-direct", "web-download"]}}`...)
	return nil
}
