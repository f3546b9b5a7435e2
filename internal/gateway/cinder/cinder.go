// Package cinder is the block storage API gateway: Cinder's route table, and the few calls that a routing class cannot
// express: create a volume or a group, accept a transfer, import a backup, what is about the services of all pods. Everything
// else the engine does.
//
// It must not depend on another service's gateway. What two services need belongs into the engine.
package cinder

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/microversion"
	"github.com/tricircle/tricircle/internal/obs"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/store"
)

// Service describes Cinder to the engine. public returns the base URL that a client used; ceiling is the highest
// microversion to advertise.
func Service(public func(*http.Request) string, ceiling func() microversion.Version) (*gateway.Service, error) {
	table, err := gateway.NewTable(Routes)
	if err != nil {
		return nil, err
	}
	versions := gateway.Negotiation{
		Name: "volume", Loose: true, Unannounced: []microversion.Version{{Major: 1}, {Major: 2}},
		Min: microversion.MustParse("3.0"), Known: pod.Known[pod.Volume],
	}
	return &gateway.Service{
		Pod: pod.Volume, Style: fault.Cinder, Prefix: "/v3", Versions: versions, Table: table, ProjectInPath: true,
		Roots:        &roots{public: public, advertised: func() microversion.Range { return versions.Advertised(ceiling()) }},
		TokenForRoot: true,
		Special: map[string]func(*gateway.Call) error{
			"anyPod":                 (*gateway.Call).AnyPod,
			"zones":                  (*gateway.Call).ListZones,
			"create":                 newVolume.create,
			"createGroup":            newGroup.create,
			"createConsistencyGroup": newConsistencyGroup.create,
			"accept":                 accept,
			"quota":                  quota,
			"importBackup":           importBackup,
			"getLogs":                getLogs,
			"setLogs":                setLogs,
			"cleanUp":                cleanUp,
		},
		Newborns:       newborns,
		Lists:          lists(),
		Sums:           sums,
		Missing:        missing,
		Removed:        removed,
		Changes:        changes(),
		ForeignProject: func(string, string) *fault.Error { return fault.BadRequest("Malformed request url") },
		UnknownHost:    unknownHost,
		Gathers: map[string][]string{
			"/clusters":                  {"clusters"},
			"/clusters/detail":           {"clusters"},
			"/os-hosts":                  {"hosts"},
			"/os-services":               {"services"},
			"/scheduler-stats/get_pools": {"pools"},
		},
		ZoneMembers: []string{"availability_zone", "zone"},
		HostMembers: []string{"cluster", "cluster_name", "host", "host_name", "namespace", "os-vol-host-attr:host"},
		IntegerIDs:  []string{"id"},
		Opaque:      opaque,
	}, nil
}

// opaque are what users, drivers and hypervisors tell each other.
var opaque = map[string]bool{
	"capabilities": true, "connection_info": true, "connector": true, "extra_info": true, "extra_specs": true, "group_specs": true,
	"levels": true, "meta": true, "metadata": true, "properties": true, "reference": true, "source_reference": true, "specs": true,
	"volume_image_metadata": true,
}

// names are what Cinder calls its resources in "... could not be found." (cinder/exception.py).
var names = map[store.ResourceType]string{
	store.Volume: "Volume", store.Snapshot: "Snapshot", store.Backup: "Backup", store.Group: "Group",
	store.GroupSnapshot: "GroupSnapshot", store.Transfer: "Transfer", store.Message: "Message",
}

func missing(typ store.ResourceType, id string) *fault.Error {
	if typ == store.Attachment {
		return fault.NotFound("Volume attachment could not be found with filter: attachment_id = %s.", id)
	}
	return fault.NotFound("%s %s could not be found.", names[typ], id)
}

// volumeServiceCalls are those that go to the volume service of a host, whose absence Cinder calls an invalid input
// (cinder/api/contrib/services.py, _volume_api_proxy).
var volumeServiceCalls = []string{"/os-services/failover", "/os-services/failover_host", "/os-services/freeze", "/os-services/thaw"}

func unknownHost(r *gateway.Route, host string) *fault.Error {
	const text = "Host %s could not be found. Hosts are named <host>.<pod>."
	if slices.Contains(volumeServiceCalls, r.Path) {
		return fault.BadRequest("Invalid input received: "+text, host)
	}
	return fault.NotFound(text, host)
}

// removed answers rows that exist only by an accident of Cinder's action table: it looks for an action, and finds none.
func removed(r *gateway.Route) *fault.Error {
	if r.Action != "" {
		return fault.BadRequest("There is no such action: %s. Verify the request body and Content-Type header and try again.", r.Action)
	}
	return fault.BadRequest("The server could not comply with the request since it is either malformed or otherwise incorrect.")
}

// roots answers the version documents (cinder/api/versions.py and views/versions.py) and the health check. Unlike Nova's they
// are lists also below the version.
type roots struct {
	public     func(*http.Request) string
	advertised func() microversion.Range
}

func (v *roots) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status := http.StatusOK
	switch path := strings.TrimRight(r.URL.Path, "/"); {
	case path == "":
		status = http.StatusMultipleChoices
	case path == "/healthcheck":
		w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
		_, _ = w.Write([]byte("OK"))
		return
	case !strings.HasPrefix(path, "/v3"), r.Method != http.MethodGet && r.Method != http.MethodHead:
		fault.NoRoute(w, r)
		return
	}
	w.Header().Set("X-Compute-Request-Id", obs.RequestID(r.Context()))
	w.Header().Set("OpenStack-API-Version", "volume 3.0")
	w.Header().Set("Vary", "OpenStack-API-Version")
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"versions": []any{v.document(v.public(r))}})
}

func (v *roots) document(base string) any {
	type object map[string]string
	r := v.advertised()
	return struct {
		ID         string   `json:"id"`
		Status     string   `json:"status"`
		Version    string   `json:"version"`
		Min        string   `json:"min_version"`
		Updated    string   `json:"updated"`
		Links      []object `json:"links"`
		MediaTypes []object `json:"media-types"`
	}{
		"v3.0", "CURRENT", r.Max.String(), r.Min.String(), "2023-08-31T00:00:00Z",
		[]object{{"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"}, {"rel": "self", "href": base + "/v3/"}},
		[]object{{"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"}},
	}
}
