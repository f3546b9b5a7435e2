package nova

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/microversion"
)

// roots answers the version documents, without a token (nova/api/openstack/compute/versions.py and views/versions.py).
type roots struct {
	public     func(*http.Request) string
	advertised func() microversion.Range
}

type link struct {
	Rel  string `json:"rel"`
	Type string `json:"type,omitempty"`
	Href string `json:"href"`
}

type mediaType struct {
	Base string `json:"base"`
	Type string `json:"type"`
}

type version struct {
	ID         string      `json:"id"`
	Status     string      `json:"status"`
	Version    string      `json:"version"`
	Min        string      `json:"min_version"`
	Updated    string      `json:"updated"`
	Links      []link      `json:"links"`
	MediaTypes []mediaType `json:"media-types,omitempty"`
}

func (v *roots) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	base := v.public(r)
	switch path := strings.TrimRight(r.URL.Path, "/"); {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		fault.NoRoute(w, r)
	case path == "":
		v.write(w, http.StatusOK, map[string]any{"versions": []version{v.legacy(base, false), v.current(base, false)}})
	case path == "/v2.1":
		announce(w)
		v.write(w, http.StatusOK, map[string]any{"version": v.current(base, true)})
	case path == "/v2":
		v.write(w, http.StatusOK, map[string]any{"version": v.legacy(base, true)})
	default:
		v.write(w, http.StatusMultipleChoices, map[string]any{"choices": v.choices(base, r.URL.EscapedPath())})
	}
}

func announce(w http.ResponseWriter) {
	w.Header().Set("OpenStack-API-Version", "compute 2.1")
	w.Header().Set("X-OpenStack-Nova-API-Version", "2.1")
	w.Header()["Vary"] = []string{"OpenStack-API-Version", "X-OpenStack-Nova-API-Version"}
}

func (v *roots) current(base string, full bool) version {
	r := v.advertised()
	return describe(version{ID: "v2.1", Status: "CURRENT", Version: r.Max.String(), Min: r.Min.String(),
		Updated: "2013-07-23T11:33:21Z"}, base+"/v2.1/", full)
}

func (v *roots) legacy(base string, full bool) version {
	return describe(version{ID: "v2.0", Status: "SUPPORTED", Updated: "2011-01-21T11:33:21Z"}, base+"/v2/", full)
}

func describe(d version, self string, full bool) version {
	d.Links = []link{{Rel: "self", Href: self}}
	if full {
		d.Links = append(d.Links, link{Rel: "describedby", Type: "text/html", Href: "http://docs.openstack.org/"})
		d.MediaTypes = mediaTypes(d.ID)
	}
	return d
}

func mediaTypes(id string) []mediaType {
	return []mediaType{{Base: "application/json", Type: "application/vnd.openstack.compute+json;version=" + strings.TrimSuffix(id[1:], ".0")}}
}

type choice struct {
	ID         string      `json:"id"`
	Status     string      `json:"status"`
	Links      []link      `json:"links"`
	MediaTypes []mediaType `json:"media-types"`
}

func (v *roots) choices(base, path string) []choice {
	return []choice{
		{ID: "v2.0", Status: "SUPPORTED", Links: []link{{Rel: "self", Href: base + "/v2" + path}}, MediaTypes: mediaTypes("v2.0")},
		{ID: "v2.1", Status: "CURRENT", Links: []link{{Rel: "self", Href: base + "/v2.1" + path}}, MediaTypes: mediaTypes("v2.1")},
	}
}

func (v *roots) write(w http.ResponseWriter, status int, doc any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(doc)
}
