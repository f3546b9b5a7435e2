package gateway

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/tricircle/tricircle/internal/jsonx"
	"github.com/tricircle/tricircle/internal/pod"
)

// rules returns what is changed in an answer of p: links, which must lead back to the top, and names of zones.
func (c *Call) rules(p *pod.Pod) *jsonx.Rules {
	public := c.Public(c.R)
	edit := map[string]func(string) (string, bool){
		"href": func(href string) (string, bool) { return c.topLink(p, public, href) },
	}
	for _, member := range c.Service.ZoneMembers {
		edit[member] = func(zone string) (string, bool) { return p.TopZone(zone), true }
	}
	return &jsonx.Rules{Edit: edit, Opaque: c.Service.Opaque}
}

// Link is the address of the call at the top, with other parameters: what a link to the next page leads to.
func (c *Call) Link(query url.Values) string {
	path := c.Prefix
	if c.projectInPath || c.Service.ProjectInPath && c.Caller.ProjectID != "" {
		path += "/" + c.Caller.ProjectID
	}
	return c.Public(c.R) + path + c.Path + "?" + query.Encode()
}

// topLink turns a link of the pod's into the top's. The host is not looked at: a pod may call itself by names that are
// not those in the catalog (nova.conf [api] compute_link_prefix, cinder.conf public_endpoint). A versioned path is known
// by its version; the bookmark links of Nova and Cinder have none, and begin where the pod's service does. Every row of a list
// has several links, so they are cut rather than parsed: all that changes is how they begin.
func (c *Call) topLink(p *pod.Pod, public, href string) (string, bool) {
	_, rest, ok := strings.Cut(href, "://")
	if !ok || rest == "" || rest[0] == '/' {
		return "", false
	}
	target := ""
	if slash := strings.IndexByte(rest, '/'); slash >= 0 {
		target = rest[slash:]
	}
	path, _, _ := strings.Cut(target, "?")
	if i := strings.Index(path, c.Service.Prefix+"/"); i >= 0 {
		target = target[i:]
	} else if base, ok := p.Endpoint(c.Service.Pod); ok {
		target = strings.TrimPrefix(target, strings.TrimSuffix(base.EscapedPath(), c.Service.Prefix))
	}
	return public + target, true
}

// location rewrites a Location header that leads to this service of the pod; one that leads elsewhere, such as the image
// made of a server, is left alone.
func (c *Call) location(p *pod.Pod, h http.Header) {
	href := h.Get("Location")
	u, err := url.Parse(href)
	base, ok := p.Endpoint(c.Service.Pod)
	if href == "" || err != nil || !ok {
		return
	}
	if u.Host == base.Host || strings.Contains(u.Path, c.Service.Prefix+"/") {
		if link, ok := c.topLink(p, c.Public(c.R), href); ok {
			h.Set("Location", link)
		}
	}
}
