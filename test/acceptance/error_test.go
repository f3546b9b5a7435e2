//go:build acceptance

package acceptance

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

const noSuchID = "11111111-2222-4333-8444-555555555555"

// The same bad request gets the same answer from the top and from a pod.
func TestError_OfTheTop_IsThatOfThePod(t *testing.T) {
	foreign := demo.boot(t, site1, nil).ID
	foreignVolume := demo.create(t, site1, nil).ID
	revoked := *demo
	revoked.token = revokedToken(t)
	garbage := *demo
	garbage.token = "gAAAAABnothing"
	nobody := *demo
	nobody.token = ""
	boot := func(more object) object { return tiny(t, uniqueName(), more) }
	for name, c := range map[string]struct {
		user         *user
		service      string // "nova" or "cinder", with the project in cinder's path; "nova root", "cinder root" without
		method, path string
		body         any
		headers      []string
		want         int
	}{
		"server in an unknown zone":   {demo, "nova", "POST", "/servers", boot(object{"availability_zone": "az9"}), nil, 400},
		"volume in an unknown zone":   {demo, "cinder", "POST", "/volumes", object{"volume": object{"size": 1, "availability_zone": "az9"}}, nil, 400},
		"zone is a number":            {demo, "nova", "POST", "/servers", boot(object{"availability_zone": 9}), nil, 400},
		"server without flavor":       {demo, "nova", "POST", "/servers", object{"server": object{"name": "x", "availability_zone": "az1"}}, nil, 400},
		"server of unknown flavor":    {demo, "nova", "POST", "/servers", boot(object{"availability_zone": "az1", "flavorRef": "99"}), nil, 400},
		"server body is no JSON":      {demo, "nova", "POST", "/servers", "{", nil, 400},
		"volume body is no JSON":      {demo, "cinder", "POST", "/volumes", "{", nil, 400},
		"volume body is empty":        {demo, "cinder", "POST", "/volumes", object{}, nil, 400},
		"volume without size":         {demo, "cinder", "POST", "/volumes", object{"volume": object{"availability_zone": "az1"}}, nil, 400},
		"garbage token":               {&garbage, "nova", "GET", "/servers", nil, nil, 401},
		"garbage token at cinder":     {&garbage, "cinder", "GET", "/volumes", nil, nil, 401},
		"revoked token":               {&revoked, "nova", "GET", "/servers/detail", nil, nil, 401},
		"revoked token at cinder":     {&revoked, "cinder", "GET", "/volumes/detail", nil, nil, 401},
		"no token":                    {&nobody, "nova", "GET", "/servers", nil, nil, 401},
		"no token at cinder":          {&nobody, "cinder", "GET", "/volumes", nil, nil, 401},
		"another project's server":    {other, "nova", "GET", "/servers/" + foreign, nil, nil, 404},
		"deleting it":                 {other, "nova", "DELETE", "/servers/" + foreign, nil, nil, 404},
		"stopping it":                 {other, "nova", "POST", "/servers/" + foreign + "/action", object{"os-stop": nil}, nil, 404},
		"another project's volume":    {other, "cinder", "GET", "/volumes/" + foreignVolume, nil, nil, 404},
		"unknown server":              {demo, "nova", "GET", "/servers/" + noSuchID, nil, nil, 404},
		"unknown volume":              {demo, "cinder", "GET", "/volumes/" + noSuchID, nil, nil, 404},
		"unknown snapshot":            {demo, "cinder", "GET", "/snapshots/" + noSuchID, nil, nil, 404},
		"server id is no UUID":        {demo, "nova", "GET", "/servers/web-1", nil, nil, 404},
		"volume id is no UUID":        {demo, "cinder", "GET", "/volumes/data-1", nil, nil, 404},
		"unknown action":              {demo, "nova", "POST", "/servers/" + foreign + "/action", object{"dance": nil}, nil, 400},
		"another project in the path": {demo, "nova", "GET", "/" + other.projectID + "/servers", nil, nil, 400},
		"the same at cinder":          {demo, "cinder root", "GET", "/" + other.projectID + "/volumes", nil, nil, 400},
		"unknown path":                {demo, "nova", "GET", "/nonsense", nil, nil, 404},
		"unknown path at cinder":      {demo, "cinder", "GET", "/nonsense", nil, nil, 404},
		"wrong method":                {demo, "nova", "PUT", "/servers", object{}, nil, 404},
		"microversion too high":       {demo, "nova", "GET", "/servers", nil, []string{"OpenStack-API-Version", "compute 2.999"}, 406},
		"the same at cinder, too":     {demo, "cinder", "GET", "/volumes", nil, []string{"OpenStack-API-Version", "volume 3.999"}, 406},
		"microversion is no number":   {demo, "nova", "GET", "/servers", nil, []string{"X-OpenStack-Nova-API-Version", "new"}, 400},
		"limit is negative":           {demo, "nova", "GET", "/servers?limit=-1", nil, nil, 400},
		"limit is text":               {demo, "cinder", "GET", "/volumes?limit=x", nil, nil, 400},
		"unknown marker":              {demo, "nova", "GET", "/servers?marker=" + noSuchID, nil, nil, 400},
		"unknown marker at cinder":    {demo, "cinder", "GET", "/volumes?marker=" + noSuchID, nil, nil, 404},
		"unknown sort key":            {demo, "nova", "GET", "/servers?sort_key=colour", nil, nil, 400},
		"unknown sort key at cinder":  {demo, "cinder", "GET", "/volumes?sort=colour", nil, nil, 400},
		"unknown status of 2.38":      {demo, "nova", "GET", "/servers?status=odd", nil, []string{"OpenStack-API-Version", "compute 2.38"}, 400},
	} {
		t.Run(name, func(t *testing.T) {
			ask := func(at cloud) *answer {
				base := map[string]string{"nova": at.compute, "cinder": at.volume + "/" + c.user.projectID, "cinder root": at.volume}
				return c.user.call(t, c.method, base[c.service]+c.path, c.body, c.headers...)
			}
			sameAnswer(t, ask(site1).want(t, c.want), ask(regionOne))
		})
	}
}

// revokedToken is a token that was good.
func revokedToken(t *testing.T) string {
	t.Helper()
	u, err := login("demo", "demo")
	if err != nil {
		t.Fatal(err)
	}
	u.call(t, "DELETE", keystone+"/auth/tokens", nil, "X-Subject-Token", u.token).want(t, http.StatusNoContent)
	return u.token
}

// private is what differs between two answers to one request: the server's address and the id of the request.
var private = regexp.MustCompile(`127\.0\.\d\.1|req-[0-9a-f-]{36}`)

// sameAnswer compares status, body and headers.
func sameAnswer(t *testing.T, pod, top *answer) {
	t.Helper()
	if top.status != pod.status {
		t.Errorf("status %d; the pod's is %d", top.status, pod.status)
	}
	if got, want := plain(top), plain(pod); got != want {
		t.Errorf("body\n %s\nthe pod's is\n %s", got, want)
	}
	got, want := headers(top), headers(pod)
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("header %s: %q; the pod's is %q", name, got[name], want[name])
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok && name != "X-Compute-Request-Id" { // Cinder has it on some answers only
			t.Errorf("header %s: %q; the pod has none", name, got[name])
		}
	}
}

// plain is the body without what is private and, if it is JSON, without blanks and order.
func plain(a *answer) string {
	body := private.ReplaceAllString(string(a.body), "*")
	var doc any
	if json.Unmarshal([]byte(body), &doc) != nil {
		return body
	}
	compact, err := json.Marshal(doc)
	if err != nil {
		return body
	}
	return string(compact)
}

// headers joins the values of each header and hides what is private.
func headers(a *answer) map[string]string {
	all := map[string]string{}
	for name, values := range a.header {
		switch name {
		case "Date", "Content-Length", "Connection":
		default:
			all[name] = private.ReplaceAllString(strings.Join(values, ", "), "*")
		}
	}
	return all
}
