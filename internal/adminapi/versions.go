package adminapi

import "net/http"

type link struct {
	Rel  string `json:"rel"`
	Href string `json:"href"`
}

// showVersions answers without a token, as clients discover versions before they have one.
func (a *api) showVersions(r *http.Request) (any, error) {
	type version struct {
		ID     string `json:"id"`
		Status string `json:"status"`
		Links  []link `json:"links"`
	}
	return struct {
		Versions []version `json:"versions"`
	}{[]version{{"v1.0", "CURRENT", []link{{"self", a.Public(r) + "/v1.0/"}}}}}, nil
}

// showLinks has the form of Tricircle (tricircle/api/controllers/root.py, V1Controller).
func (a *api) showLinks(r *http.Request) (any, error) {
	base := a.Public(r) + "/v1.0"
	return struct {
		Version string `json:"version"`
		Links   []link `json:"links"`
	}{"1.0", []link{
		{"self", base}, {"bindings", base + "/bindings"}, {"ceilings", base + "/ceilings"}, {"jobs", base + "/jobs"},
		{"pods", base + "/pods"}, {"routings", base + "/routings"},
	}}, nil
}
