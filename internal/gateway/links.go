package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tricircle/tricircle/internal/jsonx"
	"github.com/tricircle/tricircle/internal/pod"
)

// view is what the rules of a service are applied to: an answer of a pod, on its way to a client.
type view struct {
	*Call
	pod    *pod.Pod
	public string // the address of the top, for links
}

func (c *Call) view(p *pod.Pod) view { return view{c, p, c.Public(c.R)} }

// rules says what is changed in answers of s, made once for all calls: links, which must lead back to the top, names of zones and
// hosts, and integer ids. hosts are members with names of hosts besides those that s has everywhere.
func (s *Service) rules(hosts ...string) *jsonx.Rules[view] {
	rules := map[string]jsonx.Rule[view]{"href": {String: func(v view, href string) (string, bool) { return v.topLink(v.pod, v.public, href) }}}
	text := func(members []string, edit func(p *pod.Pod, s string) string) {
		for _, member := range members {
			rule := rules[member]
			rule.String = func(v view, s string) (string, bool) {
				if s == "" {
					return "", false // nothing to name: a server that has not been placed yet
				}
				return edit(v.pod, s), true
			}
			rules[member] = rule
		}
	}
	text(s.ZoneMembers, (*pod.Pod).TopZone)
	text(s.DefinedZoneMembers, (*pod.Pod).DefinedZone)
	text(slices.Concat(s.HostMembers, hosts), (*pod.Pod).TopHost)
	text(s.HostIDMembers, topHostID)
	for _, member := range s.IntegerIDs {
		rule := rules[member]
		rule.Integer = func(v view, id int64) (int64, bool) {
			if v.Route.Class == TopOwned {
				return id, false // of what all pods have alike, which no id routes
			}
			return v.pod.TopInteger(id)
		}
		rules[member] = rule
	}
	for member := range s.Opaque {
		rules[member] = jsonx.Rule[view]{Opaque: true}
	}
	return jsonx.NewRules(rules)
}

// rules are those of the call's answers.
func (c *Call) rules() *jsonx.Rules[view] {
	if own, ok := c.renamed[c.Route]; ok {
		return own
	}
	return c.answers
}

// topHostID makes Nova's hostId, a SHA-224 of project and host (nova/objects/instance.py, Instance.hostId), differ between pods
// whose hosts have the same names: users compare them to tell whether two servers share a host.
func topHostID(p *pod.Pod, id string) string {
	var text [2 * sha256.Size224]byte
	sum := sha256.Sum224(append(append(text[:0], id...), p.Name()...))
	return string(hex.AppendEncode(text[:0], sum[:]))
}

// Link is the address of the call at the top, with other parameters: what a link to the next page leads to.
func (c *Call) Link(query url.Values) string {
	return c.Public(c.R) + c.Prefix + c.projectPath() + c.Path + "?" + query.Encode()
}

// projectPath is what stands between the version and the path, if the client or the service wants it.
func (c *Call) projectPath() string {
	if c.projectInPath || c.Service.ProjectInPath && c.Caller.ProjectID != "" {
		return "/" + c.Caller.ProjectID
	}
	return ""
}

// Link is a link of an answer, with the JSON that services give it.
type Link struct {
	Rel  string `json:"rel"`
	Href string `json:"href"`
}

// Links lead to something at the top, by its path below version and project: "/servers/1234".
func (c *Call) Links(path string) []Link {
	path = c.projectPath() + path
	return []Link{{"self", c.Public(c.R) + c.Prefix + path}, {"bookmark", c.Public(c.R) + path}}
}

// topLink turns a link of the pod's into the top's. The host is not looked at: a pod may call itself by names that are
// not those in the catalog (nova.conf [api] compute_link_prefix, cinder.conf public_endpoint). A versioned path is known
// by its version; the bookmark links of Nova and Cinder have none, and begin where the pod's service does. What Nova shows for
// another service may link to that, such as an image to Glance (nova/api/openstack/compute/views/images.py, the alternate link):
// there a link without a version is the pod's only if it begins as the catalog says, and stays else. Every row of a list has several
// links, so they are cut rather than parsed: all that changes is how they begin.
func (c *Call) topLink(p *pod.Pod, public, href string) (string, bool) {
	_, rest, ok := strings.Cut(href, "://")
	if !ok || rest == "" || rest[0] == '/' {
		return "", false
	}
	host, target := rest, ""
	if slash := strings.IndexByte(rest, '/'); slash >= 0 {
		host, target = rest[:slash], rest[slash:]
	}
	path, _, _ := strings.Cut(target, "?")
	if i := strings.Index(path, c.Service.Prefix+"/"); i >= 0 {
		target = target[i:]
	} else if base, ok := p.Endpoint(c.Service.Pod); ok {
		root := strings.TrimSuffix(base.EscapedPath(), c.Service.Prefix)
		if c.Route.Class == DeprecatedProxy && (host != base.Host || !strings.HasPrefix(target, root+"/")) {
			return "", false
		}
		target = strings.TrimPrefix(target, root)
	}
	return public + target, true
}

// location rewrites a Location header that leads to this service of the pod; one that leads elsewhere, such as the image
// made of a server, is left alone.
func (c *Call) location(p *pod.Pod, h http.Header) {
	href := h.Get("Location")
	if href == "" {
		return
	}
	u, err := url.Parse(href)
	base, ok := p.Endpoint(c.Service.Pod)
	if err != nil || !ok {
		return
	}
	if u.Host == base.Host || strings.Contains(u.Path, c.Service.Prefix+"/") {
		if link, ok := c.topLink(p, c.Public(c.R), href); ok {
			h.Set("Location", link)
		}
	}
}
