package simcloud

import (
	"strings"
	"testing"
	"time"
)

// auth is the body of a request for a token.
func auth(identity, scope string) string {
	if scope != "" {
		scope = `, "scope": ` + scope
	}
	return `{"auth": {"identity": ` + identity + scope + `}}`
}

const (
	demoPassword = `{"methods": ["password"], "password": {"user": {"name": "demo", "domain": {"name": "Default"}, "password": "secret"}}}`
	inDemo       = `{"project": {"name": "demo", "domain": {"id": "default"}}}`
)

func TestTokens_Requests_AreCheckedAsByKeystone(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	admin := strings.Replace(demoPassword, `"demo"`, `"admin"`, 1)
	for _, x := range []struct {
		name, body string
		status     int
	}{
		{"project by name", auth(demoPassword, inDemo), 201},
		{"project by id", auth(demoPassword, `{"project": {"id": "`+stableDemoProject+`"}}`), 201},
		{"unscoped", auth(demoPassword, ""), 201},
		{"user by id", auth(`{"methods": ["password"], "password": {"user": {"id": "`+stableDemoUser+`", "password": "secret"}}}`, inDemo), 201},
		{"token", auth(`{"methods": ["token"], "token": {"id": "`+c.token+`"}}`, inDemo), 201},
		{"system", auth(admin, `{"system": {"all": true}}`), 201},
		{"domain", auth(admin, `{"domain": {"id": "default"}}`), 201},
		{"system without role", auth(demoPassword, `{"system": {"all": true}}`), 401},
		{"wrong password", auth(strings.Replace(demoPassword, "secret", "x", 1), inDemo), 401},
		{"unknown user", auth(strings.Replace(demoPassword, `"demo"`, `"x"`, 1), inDemo), 401},
		{"no domain", auth(strings.Replace(demoPassword, `"domain": {"name": "Default"}, `, "", 1), inDemo), 401},
		{"foreign project", auth(demoPassword, `{"project": {"name": "admin", "domain": {"id": "default"}}}`), 401},
		{"bad token", auth(`{"methods": ["token"], "token": {"id": "x"}}`, inDemo), 401},
		{"no JSON", "{", 400},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := c.do("POST", cloud.AuthURL()+"/auth/tokens", x.body).want(t, x.status)
			if x.status == 201 {
				c.as("nova", "service").do("GET", cloud.AuthURL()+"/auth/tokens", "", "X-Subject-Token", r.header.Get("X-Subject-Token")).want(t, 200)
			}
		})
	}
}

func TestTokens_Catalog_HasAllRegions(t *testing.T) {
	cloud, c := start(t, Options{Pods: 2})
	r := c.do("POST", cloud.AuthURL()+"/auth/tokens", auth(demoPassword, inDemo)).want(t, 201)
	urls := map[string]string{}
	services, _ := r.at("token", "catalog").([]any)
	for i := range services {
		endpoints, _ := r.at("token", "catalog", i, "endpoints").([]any)
		for j := range endpoints {
			if r.str("token", "catalog", i, "endpoints", j, "interface") == "public" {
				region := r.str("token", "catalog", i, "endpoints", j, "region")
				urls[r.str("token", "catalog", i, "type")+" "+region] = r.str("token", "catalog", i, "endpoints", j, "url")
			}
		}
	}
	for key, want := range map[string]string{
		"compute pod1":       cloud.Pod(0).ComputeURL + "/v2.1",
		"compute pod2":       cloud.Pod(1).ComputeURL + "/v2.1",
		"volumev3 pod2":      cloud.Pod(1).VolumeURL + "/v3/" + stableDemoProject,
		"block-storage pod2": cloud.Pod(1).VolumeURL + "/v3",
		"network pod1":       cloud.Pod(0).NetworkURL,
		"image pod1":         cloud.ImageURL(),
		"image RegionOne":    cloud.ImageURL(),
		"identity RegionOne": cloud.AuthURL(),
		"compute RegionOne":  "",
	} {
		if urls[key] != want {
			t.Errorf("%s is at %q, want %q", key, urls[key], want)
		}
	}
	bare := c.do("GET", cloud.AuthURL()+"/auth/tokens?nocatalog", "", "X-Subject-Token", c.token).want(t, 200)
	if bare.at("token", "catalog") != nil {
		t.Error("nocatalog has a catalog")
	}
}

func TestTokens_Ended_AreRefusedEverywhere(t *testing.T) {
	at := &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	cloud, c := start(t, Options{Pods: 1, Now: at.Now})
	expiring, revoked, deleted := cloud.Token("demo", "demo", time.Minute), cloud.Token("demo", "demo", time.Hour), cloud.Token("demo", "demo", time.Hour)
	for _, token := range []string{expiring, revoked, deleted} {
		c.token = token
		c.do("GET", nova(cloud, "/servers"), "").want(t, 200)
	}
	at.now = at.now.Add(time.Minute)
	cloud.Revoke(revoked)
	c.do("DELETE", cloud.AuthURL()+"/auth/tokens", "", "X-Subject-Token", deleted).want(t, 204)
	service := c.as("nova", "service")
	for name, token := range map[string]string{"expired": expiring, "revoked": revoked, "deleted": deleted} {
		c.token = token
		for _, url := range []string{nova(cloud, "/servers"), cinder(cloud, "/volumes"), neutron(cloud, "/networks"), cloud.ImageURL() + "/v2/images"} {
			if r := c.do("GET", url, ""); r.status != 401 {
				t.Errorf("%s token at %s: got %d, want 401", name, url, r.status)
			}
		}
		service.do("GET", cloud.AuthURL()+"/auth/tokens", "", "X-Subject-Token", token).want(t, 404)
	}
}

func TestToken_WithoutARole_IsNotIssued(t *testing.T) {
	cloud, _ := start(t, Options{Pods: 1})
	for _, x := range [][2]string{{"demo", "admin"}, {"x", "demo"}, {"demo", "x"}} {
		if got := cloud.Token(x[0], x[1], time.Hour); got != "" {
			t.Errorf("user %s has a token in project %s", x[0], x[1])
		}
	}
}

func TestTokens_Expired_DoNotPileUp(t *testing.T) {
	at := &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	cloud, _ := start(t, Options{Pods: 1, Now: at.Now})
	for range 5000 {
		cloud.Token("demo", "demo", time.Minute)
		at.now = at.now.Add(time.Second)
	}
	if n := len(cloud.keystone.tokens); n > 2000 {
		t.Errorf("%d tokens are kept, of which 60 are valid", n)
	}
}

func TestCatalog_Registered_IsInTheNextToken(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	admin := c.as("admin", "admin")
	k := cloud.AuthURL()
	services := admin.do("GET", k+"/services?type=compute", "").want(t, 200)
	id := services.str("services", 0, "id")
	body := `{"endpoint": {"service_id": "` + id + `", "interface": "public", "region_id": "RegionOne", "url": "http://top/v2.1"}}`
	c.do("POST", k+"/endpoints", body).want(t, 403)
	made := admin.do("POST", k+"/endpoints", body).want(t, 201).str("endpoint", "id")
	found := admin.do("GET", k+"/endpoints?service_id="+id+"&region_id=RegionOne&interface=public", "").ids("endpoints")
	if len(found) != 1 || found[0] != made {
		t.Errorf("the endpoint is found as %v, want %s", found, made)
	}
	if r := c.do("GET", k+"/auth/catalog", ""); !strings.Contains(r.text, "http://top/v2.1") {
		t.Error("the catalog lacks the endpoint")
	}
	admin.do("PATCH", k+"/endpoints/"+made, `{"endpoint": {"url": "http://moved/v2.1"}}`).want(t, 200)
	if r := c.do("GET", k+"/auth/catalog", ""); !strings.Contains(r.text, "http://moved/v2.1") {
		t.Error("the catalog has not followed the endpoint")
	}
	admin.do("DELETE", k+"/regions/RegionOne", "").want(t, 403)
	admin.do("DELETE", k+"/endpoints/"+made, "").want(t, 204)
	admin.do("GET", k+"/endpoints/"+made, "").want(t, 404)
	admin.do("POST", k+"/regions", `{"region": {"id": "new"}}`).want(t, 201)
	admin.do("POST", k+"/regions", `{"region": {"id": "new"}}`).want(t, 409)
	admin.do("DELETE", k+"/regions/new", "").want(t, 204)
	service := admin.do("POST", k+"/services", `{"service": {"type": "x", "name": "y"}}`).want(t, 201).str("service", "id")
	admin.do("DELETE", k+"/services/"+service, "").want(t, 204)
	admin.do("GET", k+"/services/"+service, "").want(t, 404)
}

func TestKeystone_Lists_AreForWhomTheyAre(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	admin := c.as("admin", "admin")
	for path, counts := range map[string][2]int{ // of demo, of admin; 0 is 403
		"projects": {0, 3}, "users": {0, 6}, "roles": {0, 4}, "domains": {1, 1}, "regions": {2, 2}, "auth/projects": {1, 2},
		"users/" + stableDemoUser + "/projects": {1, 1}, "role_assignments?user.id=" + stableDemoUser: {0, 2},
	} {
		for i, who := range []*client{c, admin} {
			r := who.do("GET", cloud.AuthURL()+"/"+path, "")
			if counts[i] == 0 {
				r.want(t, 403)
				continue
			}
			key := strings.TrimPrefix(path[strings.LastIndex(path, "/")+1:], "auth/")
			key, _, _ = strings.Cut(key, "?")
			list, _ := r.want(t, 200).body[key].([]any)
			if len(list) != counts[i] {
				t.Errorf("%s has %d entries, want %d: %s", path, len(list), counts[i], r.text)
			}
		}
	}
	c.do("GET", cloud.AuthURL()+"/users/"+stableDemoUser, "").want(t, 200)
	c.do("GET", cloud.AuthURL()+"/projects/"+stableDemoProject, "").want(t, 200)
	c.do("GET", cloud.AuthURL()+"/projects/nosuch", "").want(t, 404)
}
