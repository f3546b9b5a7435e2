package simcloud

import (
	"bytes"
	"cmp"
	"crypto/md5"
	"crypto/sha512"
	"encoding/hex"
	"html"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tricircle/tricircle/internal/fault"
)

// glance is the image service of all pods.
type glance struct {
	cloud *Cloud

	mu     sync.RWMutex
	images map[string]*image
}

type image struct {
	id              string
	name            *string
	status          string
	visibility      string
	owner           string
	containerFormat *string
	diskFormat      *string
	minDisk, minRAM int
	protected       bool
	hidden          bool
	tags            []string
	properties      map[string]string
	created         time.Time
	updated         time.Time
	data            []byte
	md5, sha512     string // of data, in hexadecimal
}

func (i *image) setData(data []byte) {
	sum, hash := md5.Sum(data), sha512.Sum512(data)
	i.data, i.md5, i.sha512, i.status = data, hex.EncodeToString(sum[:]), hex.EncodeToString(hash[:]), "active"
}

func newGlance(c *Cloud) *glance {
	g := &glance{cloud: c, images: map[string]*image{}}
	now := c.opts.Now().UTC()
	owner := stableHex("project admin")
	for i, name := range []string{"cirros", "cirros-alt"} {
		raw, bare := "raw", "bare"
		made := &image{
			id: stableUUID("image " + name), name: &name, visibility: "public", owner: owner,
			containerFormat: &bare, diskFormat: &raw, created: now, updated: now,
		}
		made.setData(bytes.Repeat([]byte(name), 1024*(i+1)))
		g.images[made.id] = made
	}
	return g
}

var glanceRoutes = newRouter([]route[*glance]{
	{"GET", "images", 0, (*glance).list},
	{"POST", "images", 0, (*glance).create},
	{"GET", "images/{}", 0, (*glance).show},
	{"PATCH", "images/{}", 0, (*glance).update},
	{"DELETE", "images/{}", 0, (*glance).delete},
	{"PUT", "images/{}/file", 0, (*glance).upload},
	{"GET", "images/{}/file", 0, (*glance).download},
	{"GET", "images/{}/members", 0, (*glance).members},
	{"PUT", "images/{}/tags/{}", 0, (*glance).addTag},
	{"DELETE", "images/{}/tags/{}", 0, (*glance).deleteTag},
	{"GET", "schemas/{}", 0, (*glance).schema},
	{"GET", "info/import", 0, (*glance).importInfo},
})

func (g *glance) serve(w http.ResponseWriter, r *http.Request) {
	c := g.cloud.newCall(w, r)
	defer c.release()
	c.prefix = "http://" + r.Host
	path := strings.Trim(r.URL.Path, "/")
	if path == "" || path == "versions" {
		g.versions(c, path)
		return
	}
	w.Header().Set("X-Openstack-Request-Id", c.requestID)
	if c.tok = g.cloud.keystone.validate(r.Header.Get("X-Auth-Token")); c.tok == nil {
		w.Header().Set("WWW-Authenticate", `Keystone uri="`+g.cloud.AuthURL()+`"`)
		c.webobError(fault.New(http.StatusUnauthorized, "This server could not verify that you are authorized to access "+
			"the document you requested. Either you supplied the wrong credentials (e.g., bad password), or your browser "+
			"does not understand how to supply the credentials required."))
		return
	}
	version, rest, _ := strings.Cut(path, "/")
	rt := glanceRoutes.find(r.Method, rest, &c.arg)
	if !strings.HasPrefix(version, "v2") || rt == nil {
		c.webobError(fault.NotFound("The resource could not be found."))
		return
	}
	if err := g.locked(c, rt); err != nil {
		c.webobError(err)
		return
	}
	c.send()
}

// locked runs a handler. Data is read before the lock is taken, so that a slow upload keeps nobody waiting.
func (g *glance) locked(c *call, rt *route[*glance]) error {
	if c.r.Method == http.MethodGet {
		g.mu.RLock()
		defer g.mu.RUnlock()
		return rt.serve(g, c)
	}
	body, err := io.ReadAll(c.r.Body)
	if err != nil {
		return fault.BadRequest("The request body could not be read.")
	}
	c.r.Body = io.NopCloser(bytes.NewReader(body))
	g.mu.Lock()
	defer g.mu.Unlock()
	return rt.serve(g, c)
}

// webobError answers in the form that webob gives to Glance's errors: HTML, unless the client wants JSON.
func (c *call) webobError(err error) {
	e := fault.From(err)
	title := strconv.Itoa(e.Status) + " " + http.StatusText(e.Status)
	text := html.EscapeString(e.Message) + "<br /><br />\n\n\n"
	c.status = e.Status
	*c.body = (*c.body)[:0]
	if strings.Contains(c.r.Header.Get("Accept"), "application/json") {
		c.w.Header().Set("Content-Type", "application/json")
		c.body.obj()
		c.body.str("message", text)
		c.body.str("code", title)
		c.body.str("title", http.StatusText(e.Status))
		c.body.endObj()
	} else {
		c.w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		*c.body = append(*c.body, "<html>\n <head>\n  <title>"+title+"</title>\n </head>\n <body>\n  <h1>"+title+"</h1>\n  "+
			text+"\n </body>\n</html>"...)
	}
	c.send()
}

// versions lists what Zed has with several stores, newest first.
func (g *glance) versions(c *call, path string) {
	d := c.body
	if path == "" {
		c.status = http.StatusMultipleChoices
	}
	d.obj()
	d.arr("versions")
	for _, v := range []int{15, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0} {
		status := "SUPPORTED"
		if v == 15 {
			status = "CURRENT"
		}
		d.obj()
		d.str("id", "v2."+strconv.Itoa(v))
		d.str("status", status)
		d.arr("links")
		d.link("self", c.prefix, "/v2/")
		d.endArr()
		d.endObj()
	}
	d.endArr()
	d.endObj()
	c.send()
}

func (i *image) visible(t *token) bool {
	return i.visibility == "public" || i.visibility == "community" || i.owner == t.projectID() || t.admin()
}

// find returns an image that the caller may see.
func (g *glance) find(c *call, id string) (*image, error) {
	i := g.images[id]
	if i == nil || !i.visible(c.tok) {
		return nil, fault.NotFound("No image found with ID %s", id)
	}
	return i, nil
}

// usable tells Nova and Cinder whether the caller may boot from an image.
func (g *glance) usable(t *token, id string) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	i := g.images[id]
	return i != nil && i.visible(t) && i.status == "active"
}

// snapshot stores an image that Nova or Cinder made, and returns its id.
func (g *glance) snapshot(t *token, name string, properties map[string]string) string {
	raw, bare := "raw", "bare"
	now := g.cloud.opts.Now().UTC()
	i := &image{
		id: g.cloud.opts.NewID(), name: &name, visibility: "private", owner: t.projectID(),
		containerFormat: &bare, diskFormat: &raw, created: now, updated: now, properties: properties,
	}
	i.setData([]byte("snapshot of " + name))
	g.mu.Lock()
	defer g.mu.Unlock()
	g.images[i.id] = i
	return i.id
}

func (g *glance) show(c *call) error {
	i, err := g.find(c, c.arg[0])
	if err != nil {
		return err
	}
	i.render(c.body)
	return nil
}

func (i *image) render(d *doc) {
	d.obj()
	for k, v := range i.properties {
		d.str(k, v)
	}
	d.value("name", i.name)
	d.value("disk_format", i.diskFormat)
	d.value("container_format", i.containerFormat)
	d.str("visibility", i.visibility)
	d.str("status", i.status)
	if i.data == nil {
		for _, name := range []string{"size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value"} {
			d.null(name)
		}
	} else {
		d.num("size", len(i.data))
		d.num("virtual_size", len(i.data))
		d.str("checksum", i.md5)
		d.str("os_hash_algo", "sha512")
		d.str("os_hash_value", i.sha512)
	}
	d.yes("protected", i.protected)
	d.num("min_ram", i.minRAM)
	d.num("min_disk", i.minDisk)
	d.str("owner", i.owner)
	d.yes("os_hidden", i.hidden)
	d.str("id", i.id)
	d.time("created_at", i.created, zulu)
	d.time("updated_at", i.updated, zulu)
	d.strs("tags", i.tags)
	d.str("self", "/v2/images/"+i.id)
	d.str("file", "/v2/images/"+i.id+"/file")
	d.str("schema", "/v2/schemas/image")
	if i.data != nil {
		d.str("stores", "file")
	}
	d.endObj()
}

func (i *image) matches(c *call) bool {
	for name, values := range c.query {
		switch name {
		case "limit", "marker", "sort", "sort_key", "sort_dir", "member_status":
			continue
		case "visibility":
			if values[0] == "all" {
				continue
			}
		case "tag":
			if slices.ContainsFunc(values, func(t string) bool { return !slices.Contains(i.tags, t) }) {
				return false
			}
			continue
		}
		got, ok := i.field(name)
		want, many := strings.CutPrefix(values[0], "in:")
		if !ok || many && !slices.Contains(strings.Split(want, ","), got) || !many && got != want {
			return false
		}
	}
	return !i.hidden || c.query.Has("os_hidden")
}

// field is an attribute as filters and sort keys see it.
func (i *image) field(name string) (string, bool) {
	deref := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	switch name {
	case "id":
		return i.id, true
	case "name":
		return deref(i.name), true
	case "status":
		return i.status, true
	case "visibility":
		return i.visibility, true
	case "owner":
		return i.owner, true
	case "container_format":
		return deref(i.containerFormat), true
	case "disk_format":
		return deref(i.diskFormat), true
	case "protected":
		return strconv.FormatBool(i.protected), true
	case "os_hidden":
		return strconv.FormatBool(i.hidden), true
	case "size":
		return strconv.Itoa(len(i.data)), true
	case "created_at":
		return i.created.Format(micro), true
	case "updated_at":
		return i.updated.Format(micro), true
	}
	v, ok := i.properties[name]
	return v, ok
}

func (g *glance) list(c *call) error {
	limit, err := imageLimit(c)
	if err != nil {
		return err
	}
	var all []*image
	for _, i := range g.images {
		if i.visible(c.tok) && (i.visibility != "community" || c.query.Get("visibility") != "") && i.matches(c) {
			all = append(all, i)
		}
	}
	sortImages(c, all)
	if marker := c.query.Get("marker"); marker != "" {
		at := slices.IndexFunc(all, func(i *image) bool { return i.id == marker })
		if at < 0 {
			return fault.BadRequest("Marker image %s not found.", marker)
		}
		all = all[at+1:]
	}
	page := all[:min(limit, len(all))]
	d := c.body
	d.obj()
	d.arr("images")
	for _, i := range page {
		i.render(d)
	}
	d.endArr()
	query := c.r.URL.Query()
	if len(page) > 0 && len(page) == limit {
		query.Set("marker", page[len(page)-1].id)
		d.str("next", "/v2/images?"+query.Encode())
	}
	query.Del("marker")
	firstPage := "/v2/images"
	if len(query) > 0 {
		firstPage += "?" + query.Encode()
	}
	d.str("first", firstPage)
	d.str("schema", "/v2/schemas/images")
	d.endObj()
	return nil
}

// imageLimit applies Glance's limit_param_default and api_limit_max.
func imageLimit(c *call) (int, error) {
	if !c.query.Has("limit") {
		return 25, nil
	}
	limit, err := strconv.Atoi(c.query.Get("limit"))
	if err != nil || limit < 0 {
		return 0, fault.BadRequest("limit param must be a positive integer")
	}
	return min(limit, 1000), nil
}

func sortImages(c *call, all []*image) {
	key, dir := cmp.Or(c.query.Get("sort_key"), "created_at"), cmp.Or(c.query.Get("sort_dir"), "desc")
	if s := c.query.Get("sort"); s != "" {
		s, _, _ = strings.Cut(s, ",")
		key, dir, _ = strings.Cut(s, ":")
	}
	slices.SortFunc(all, func(a, b *image) int {
		va, _ := a.field(key)
		vb, _ := b.field(key)
		order := cmp.Or(cmp.Compare(va, vb), cmp.Compare(a.id, b.id))
		if dir == "asc" {
			return order
		}
		return -order
	})
}
