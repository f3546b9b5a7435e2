package api

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tricircle/tricircle/internal/store"
)

// aNetwork is how the first network of a fixture is rendered for a user.
const aNetwork = `{"id":"00000000-0000-4000-8000-000000000001","project_id":"p1","tenant_id":"p1","name":"n","subnets":[],` +
	`"admin_state_up":true,"status":"ACTIVE","shared":false,"mtu":1500,"router:external":false,"availability_zone_hints":[],` +
	`"description":"","tags":[],"created_at":"2026-11-22T13:00:00Z","updated_at":"2026-11-22T13:00:00Z","revision_number":1}`

func (f *fixture) network(who, body string) string {
	f.t.Helper()
	before := len(f.objects(store.KindNetwork))
	if w := f.call(who, "POST", "/v2.0/networks", `{"network": `+body+`}`); w.Code != 201 {
		f.t.Fatalf("%d %s", w.Code, w.Body)
	}
	return f.objects(store.KindNetwork)[before].ID
}

func TestEngine_VersionDocument_NeedsNoToken(t *testing.T) {
	f := newFixture(t)
	f.want(200, `{"versions":[{"id":"v2.0","links":[{"href":"http://top:9696/v2.0/","rel":"self"}],"status":"CURRENT"}]}`, "", "GET", "/", "")
	f.want(405, problem("HTTPMethodNotAllowed", errMethod.Message), "", "POST", "/", "")
	if w := f.call("", "GET", "/v2.0/", ""); w.Code != 401 || w.Header().Get("Www-Authenticate") != `Keystone uri="http://keystone/v3"` {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
}

func TestEngine_Roots_AreServed(t *testing.T) {
	f := newFixture(t)
	f.want(200, `{"resources":[{"collection":"networks","links":[{"href":"http://top:9696/v2.0/networks","rel":"self"}],"name":"network"},`+
		`{"collection":"ports","links":[{"href":"http://top:9696/v2.0/ports","rel":"self"}],"name":"port"}]}`, "demo", "GET", "/v2.0/", "")
	f.want(200, `{"extension":{"alias":"quotas","name":"Quota management support","description":"Expose functions for quotas management`+
		` per project","updated":"2012-07-29T10:00:00-00:00","links":[]}}`, "demo", "GET", "/v2.0/extensions/quotas.json", "")
	f.want(404, problem("HTTPNotFound", "Extension with alias nope does not exist"), "demo", "GET", "/v2.0/extensions/nope", "")
	if w := f.call("demo", "GET", "/v2.0/extensions", ""); strings.Count(w.Body.String(), `"alias"`) != 2 {
		t.Errorf("got %s", w.Body)
	}
	f.want(200, `{"quota":"p 1"}`, "admin", "GET", "/v2.0/quotas/p%201", "")
	f.want(403, problem("PolicyNotAuthorized", "rule:get_quota is disallowed by policy"), "demo", "GET", "/v2.0/quotas/p%201", "")
	f.want(405, problem("HTTPMethodNotAllowed", errMethod.Message), "demo", "PUT", "/v2.0/quotas/p", "")
	if w := f.call("demo", "GET", "/v3", ""); w.Code != 404 || strings.Contains(w.Body.String(), "NeutronError") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestEngine_Create_CompletesStoresAndShows(t *testing.T) {
	f := newFixture(t)
	f.want(201, `{"network":`+aNetwork+`}`, "demo", "POST", "/v2.0/networks", `{"network": {"name": "n"}}`)
	if diff := cmp.Diff([]string{"made " + id(1)}, f.after); diff != "" {
		t.Errorf("after the commit: %s", diff)
	}
	f.want(200, `{"network":`+aNetwork+`}`, "demo", "GET", "/v2.0/networks/"+id(1), "")
	f.want(200, `{"networks":[`+aNetwork+`]}`, "demo", "GET", "/v2.0/networks", "")
}

func TestEngine_AttributesForAdministrators_AreShownToNobodyElse(t *testing.T) {
	f := newFixture(t)
	f.network("demo", `{"name": "n"}`)
	w := f.call("admin", "GET", "/v2.0/networks/"+id(1), "")
	if !strings.Contains(w.Body.String(), `"provider:network_type":"vlan"`) {
		t.Errorf("administrator got %s", w.Body)
	}
	f.want(403, problem("PolicyNotAuthorized", "((rule:create_network and rule:create_network:router:external) and "+
		"rule:create_network:provider:network_type) is disallowed by policy"), "demo", "POST", "/v2.0/networks",
		`{"network": {"router:external": true, "provider:network_type": "flat", "shared": false}}`)
	f.want(403, problem("PolicyNotAuthorized", "rule:create_network is disallowed by policy"), "reader", "POST", "/v2.0/networks",
		`{"network": {}}`)
}

func TestEngine_BulkCreate_MakesAllOrNone(t *testing.T) {
	f := newFixture(t)
	w := f.call("demo", "POST", "/v2.0/networks", `{"networks": [{"name": "a"}, {"network": {"name": "b"}}]}`)
	if w.Code != 201 || !strings.HasPrefix(w.Body.String(), `{"networks":[{`) || strings.Count(w.Body.String(), `"id"`) != 2 || f.shows != 1 {
		t.Errorf("got %d %s, %d pages shown", w.Code, w.Body, f.shows)
	}
	f.quota = 3
	f.want(409, problem("OverQuota", "Quota exceeded for resources: ['network']."), "demo", "POST", "/v2.0/networks",
		`{"networks": [{"name": "c"}, {"name": "d"}]}`)
	if got := len(f.objects(store.KindNetwork)); got != 2 {
		t.Errorf("%d networks", got)
	}
	f.want(400, problem("HTTPBadRequest", "Unable to find 'security_group' in request body"), "demo", "POST", "/v2.0/security-groups",
		`{"security_groups": [{}]}`)
}

func TestEngine_Owner_IsSetByAdministratorsAndServicesOnly(t *testing.T) {
	f := newFixture(t)
	for _, who := range []string{"admin", "demo"} {
		n := f.network(who, `{"tenant_id": "p1", "project_id": "p1"}`)
		if got := f.object(n); got.ProjectID != "p1" || got.Attrs["tenant_id"] != nil || got.Attrs["project_id"] != nil {
			t.Errorf("%s: got %+v", who, got)
		}
	}
	f.want(400, problem("HTTPBadRequest", "Cannot update read-only attribute tenant_id"), "demo", "PUT", "/v2.0/networks/"+id(1),
		`{"network": {"project_id": "p1"}}`)
	f.want(400, problem("HTTPBadRequest", "Running without keystone AuthN requires that tenant_id is specified"), "domain", "POST",
		"/v2.0/networks", `{"network": {}}`)
}

func TestEngine_Update_ChangesWhatIsGiven(t *testing.T) {
	f := newFixture(t)
	n := f.network("demo", `{"name": "n", "description": "d"}`)
	f.clock = f.clock.Add(3e9)
	w := f.call("demo", "PUT", "/v2.0/networks/"+n, `{"network": {"name": "m", "mtu": "1400"}}`)
	for _, want := range []string{`"name":"m"`, `"mtu":1400`, `"description":"d"`, `"revision_number":2`,
		`"updated_at":"2026-11-22T13:00:03Z"`} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %s in %d %s", want, w.Code, w.Body)
		}
	}
	if w := f.call("demo", "PUT", "/v2.0/networks/"+n, `{"network": {}}`); !strings.Contains(w.Body.String(), `"revision_number":2`) {
		t.Errorf("nothing to change: got %s", w.Body)
	}
	f.want(409, problem("HTTPConflict", "no such name"), "demo", "PUT", "/v2.0/networks/"+n, `{"network": {"name": "forbidden"}}`)
	f.want(400, problem("HTTPBadRequest", "Unable to find 'network' in request body"), "demo", "PUT", "/v2.0/networks/"+n, "")
	f.want(403, problem("PolicyNotAuthorized", "(rule:update_network and rule:update_network:shared) is disallowed by policy"),
		"demo", "PUT", "/v2.0/networks/"+n, `{"network": {"shared": true}}`)
	f.want(403, problem("PolicyNotAuthorized", "rule:update_network is disallowed by policy"), "reader", "PUT", "/v2.0/networks/"+n,
		`{"network": {"name": "x"}}`)
}

func TestEngine_IfMatch_HoldsOrRefuses(t *testing.T) {
	f := newFixture(t)
	n := "/v2.0/networks/" + f.network("demo", `{}`)
	name, bad := `{"network": {"name": "x"}}`, "Bad if-match request: Revision number etag must be in the format of revision_number=<int>."
	failed := problem("RevisionNumberConstraintFailed", "Constrained to 77, but current revision is 1")
	f.want(412, failed, "demo", "PUT", n, name, "If-Match", "revision_number=77")
	f.want(412, failed, "demo", "DELETE", n, "", "If-Match", `"revision_number=77"`)
	f.want(412, failed, "demo", "PUT", n+"/tags/x", "", "If-Match", `"other", "revision_number=77"`)
	f.want(400, problem("BadRequest", bad), "demo", "PUT", n, name, "If-Match", "revision_number=x")
	f.want(400, problem("BadRequest", bad), "demo", "PUT", n, name, "If-Match", "revision_number=1, revision_number=2")
	f.want(400, problem("BadRequest", "Bad if-match request: Multiple revision_number etags are not supported.."), "demo", "PUT", n, name,
		"If-Match", `"revision_number=1", "revision_number=2"`)
	for _, ok := range []string{"revision_number=1", `"foo"`} {
		if w := f.call("demo", "PUT", n, name, "If-Match", ok); w.Code != 200 {
			t.Errorf("%s: got %d %s", ok, w.Code, w.Body)
		}
	}
	f.want(204, "", "demo", "DELETE", n, "", "If-Match", "revision_number=3")
}

func TestEngine_Delete_AsksRulesAndTheStore(t *testing.T) {
	f := newFixture(t)
	n := f.network("demo", `{}`)
	f.want(400, problem("HTTPBadRequest", "Request body is not supported in DELETE."), "demo", "DELETE", "/v2.0/networks/"+n, "{}")
	f.want(403, problem("PolicyNotAuthorized", "rule:delete_network is disallowed by policy"), "reader", "DELETE", "/v2.0/networks/"+n, "")
	port := `{"port": {"network_id": "` + n + `"}}`
	if w := f.call("demo", "POST", "/v2.0/ports", port); w.Code != 201 || strings.Contains(w.Body.String(), "secret") {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if w := f.call("demo", "DELETE", "/v2.0/networks/"+n, ""); w.Code != 409 || !strings.Contains(w.Body.String(), `"type": "InUse"`) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	f.want(204, "", "demo", "DELETE", "/v2.0/ports/"+id(2), "")
	f.want(204, "", "demo", "DELETE", "/v2.0/networks/"+n, "")
	f.want(404, problem("NetworkNotFound", "Network "+n+" could not be found."), "demo", "DELETE", "/v2.0/networks/"+n, "")
}

func TestEngine_OthersObjects_AreNotThere(t *testing.T) {
	f := newFixture(t)
	n := f.network("demo", `{}`)
	gone := problem("NetworkNotFound", "Network "+n+" could not be found.")
	for _, who := range []string{"other", "domain"} {
		f.want(404, gone, who, "GET", "/v2.0/networks/"+n, "")
		f.want(404, gone, who, "PUT", "/v2.0/networks/"+n, `{"network": {"name": "x"}}`)
		f.want(404, gone, who, "DELETE", "/v2.0/networks/"+n, "")
		f.want(404, gone, who, "PUT", "/v2.0/networks/"+n+"/touch", `{}`)
		f.want(404, problem("TagResourceNotFound", "Resource networks "+n+" could not be found."), who, "PUT", "/v2.0/networks/"+n+"/tags/x", "")
		f.want(200, `{"networks":[]}`, who, "GET", "/v2.0/networks", "")
	}
	f.want(404, gone, "other", "POST", "/v2.0/ports", `{"port": {"network_id": "`+n+`"}}`)
	for _, who := range []string{"admin", "service", "reader"} {
		if w := f.call(who, "GET", "/v2.0/networks/"+n, ""); w.Code != 200 {
			t.Errorf("%s: got %d %s", who, w.Code, w.Body)
		}
	}
}

func TestEngine_SharedNetwork_IsSeenAndUsedButNotChanged(t *testing.T) {
	f := newFixture(t)
	n := f.network("demo", `{}`)
	f.share(n, "p2")
	if w := f.call("other", "GET", "/v2.0/networks/"+n+"?fields=shared", ""); w.Body.String() != `{"network":{"shared":true}}` {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	f.want(403, problem("PolicyNotAuthorized", "rule:update_network is disallowed by policy"), "other", "PUT", "/v2.0/networks/"+n,
		`{"network": {"name": "x"}}`)
	f.want(200, `{"networks":[{"id":"`+n+`"}]}`, "other", "GET", "/v2.0/networks?shared=true&fields=id", "")
	f.want(200, `{"networks":[]}`, "demo", "GET", "/v2.0/networks?shared=true&fields=id", "")
	if w := f.call("other", "POST", "/v2.0/ports", `{"port": {"network_id": "`+n+`"}}`); w.Code != 201 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	f.want(403, problem("PolicyNotAuthorized", "((rule:create_port and rule:create_port:mac_address) and (rule:create_port:fixed_ips and "+
		"(rule:create_port:fixed_ips:ip_address and rule:create_port:fixed_ips:subnet_id))) is disallowed by policy"),
		"other", "POST", "/v2.0/ports", `{"port": {"network_id": "`+n+`", "mac_address": "fa:16:3e:00:00:01",
		"fixed_ips": [{"ip_address": "10.0.0.1"}, {"subnet_id": "7cb1eb4b-5e3a-4f4a-a4a7-f4c5b0a9b8a1"}]}}`)
	f.want(200, `{"ports":[{"id":"`+id(2)+`"}]}`, "demo", "GET", "/v2.0/ports?fields=id", "") // the owner of the network sees who is on it
}

func TestEngine_Action_IsOneTransactionOnTheObject(t *testing.T) {
	f := newFixture(t)
	n := f.network("demo", `{}`)
	f.want(200, `{"touched":"`+n+`"}`, "demo", "PUT", "/v2.0/networks/"+n+"/touch", `{"name": "t"}`)
	if got := f.object(n).Attrs["name"]; got != "t" {
		t.Errorf("got %v", got)
	}
	f.want(405, problem("HTTPMethodNotAllowed", errMethod.Message), "demo", "GET", "/v2.0/networks/"+n+"/touch", "")
	f.want(403, problem("PolicyNotAuthorized", "rule:update_network is disallowed by policy"), "reader", "PUT",
		"/v2.0/networks/"+n+"/touch", `{}`)
}

func TestEngine_Tags_AreChangedOneByOneAndTogether(t *testing.T) {
	f := newFixture(t)
	n := "/v2.0/networks/" + f.network("demo", `{}`)
	f.want(200, `{"tags":["b","a"]}`, "demo", "PUT", n+"/tags", `{"tags": ["b", "a"]}`)
	f.want(201, `null`, "demo", "PUT", n+"/tags/c%2Fd", "")
	f.want(201, `null`, "demo", "PUT", n+"/tags/c%2Fd", "")
	f.want(204, "", "demo", "GET", n+"/tags/a", "")
	f.want(404, problem("TagNotFound", "Tag x could not be found."), "demo", "GET", n+"/tags/x", "")
	f.want(404, problem("TagNotFound", "Tag x could not be found."), "demo", "DELETE", n+"/tags/x", "")
	f.want(204, "", "demo", "DELETE", n+"/tags/b", "")
	f.want(200, `{"tags":["a","c/d"]}`, "demo", "GET", n+"/tags", "")
	f.want(200, `{"network":{"tags":["a","c/d"],"revision_number":4}}`, "demo", "GET", n+"?fields=tags&fields=revision_number", "")
	f.want(403, problem("PolicyNotAuthorized", "rule:update_network is disallowed by policy"), "reader", "PUT", n+"/tags/x", "")
	f.want(404, problem("HTTPNotFound", "not supported"), "demo", "POST", n+"/tags", "{}")
	f.want(400, problem("InvalidInput", "Invalid input for operation: Invalid tags body."), "demo", "PUT", n+"/tags", "")
	f.want(400, problem("InvalidInput", "Invalid input for operation: '"+strings.Repeat("x", 256)+"' exceeds maximum length of 255."),
		"demo", "PUT", n+"/tags/"+strings.Repeat("x", 256), "")
	f.want(204, "", "demo", "DELETE", n+"/tags", "")
	f.want(200, `{"tags":[]}`, "demo", "GET", n+"/tags", "")
	f.want(404, problem("HTTPNotFound", errNoRoute.Message), "demo", "GET", "/v2.0/ports/x/tags", "") // these have none
}

func TestEngine_ReadOnlyResource_IsListedFromWhatItsRuleGives(t *testing.T) {
	f := newFixture(t)
	f.want(200, `{"availability_zones":[{"name":"az1","resource":"network"},{"name":"az1","resource":"router"},`+
		`{"name":"az2","resource":"network"}]}`, "demo", "GET", "/v2.0/availability_zones", "")
	f.want(200, `{"availability_zones":[{"name":"az2"},{"name":"az1"}]}`, "demo", "GET",
		"/v2.0/availability_zones?resource=network&fields=name&sort_key=name&sort_dir=desc", "")
	f.want(200, `{"availability_zones":[{"name":"az1","resource":"router"}],"availability_zones_links":[`+
		`{"href":"http://top:9696/v2.0/availability_zones?limit=1&marker=az1router","rel":"next"},`+
		`{"href":"http://top:9696/v2.0/availability_zones?limit=1&marker=az1router&page_reverse=True","rel":"previous"}]}`,
		"demo", "GET", "/v2.0/availability_zones?limit=1&marker=az1network", "")
	f.want(405, problem("HTTPMethodNotAllowed", errMethod.Message), "demo", "POST", "/v2.0/availability_zones", "{}")
	f.want(400, problem("HTTPBadRequest", "['id'] is invalid attribute for filtering"), "demo", "GET", "/v2.0/availability_zones?id=x", "")
}

func TestEngine_FailureOfTheStore_Is500WithoutItsCause(t *testing.T) {
	f := newFixture(t, func(o *Options) {
		o.Resources = append(o.Resources, &Resource{Singular: "broken", Plural: "brokens", Collection: "brokens", NotFound: missing("Broken"),
			Rules: Rules{List: func(*Call, store.Reader, store.ObjectQuery) ([]*store.Object, error) {
				return nil, errors.New("password x")
			}}})
	})
	f.want(500, problem("HTTPInternalServerError", "Request Failed: internal server error while processing your request."),
		"demo", "GET", "/v2.0/brokens", "")
}

func TestEngine_PathsThatNoDatabaseCanHold_AreNotThere(t *testing.T) {
	f := newFixture(t)
	for _, path := range []string{"/v2.0/networks/%00", "/v2.0/networks/%ff", "/v2.0/networks/x/tags/a%00"} {
		f.want(404, problem("HTTPNotFound", errNoRoute.Message), "demo", "GET", path, "")
	}
}

func TestEngine_Head_IsNoGet(t *testing.T) {
	if w := newFixture(t).call("demo", http.MethodHead, "/v2.0/networks", ""); w.Code != 405 {
		t.Errorf("got %d", w.Code)
	}
}

func TestNew_ContradictoryOptions_AreRefused(t *testing.T) {
	base := func() Options {
		f := newFixture(t)
		return Options{Policy: nil, Store: f.database, Validator: callers}
	}
	for want, change := range map[string]func(*Options){
		`extension "nope" is not known`: func(o *Options) { o.Extensions = []string{"nope"} },
		"resource zone is there twice":  func(o *Options) { o.Resources = []*Resource{{Singular: "zone"}, {Singular: "zone"}} },
		"attribute a is there twice": func(o *Options) {
			o.Resources = []*Resource{{Singular: "zone", Attributes: []Attribute{{Name: "a"}, {Name: "a"}}}}
		},
	} {
		o := base()
		o.Policy = noRules(t)
		change(&o)
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
