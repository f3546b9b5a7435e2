package southbound_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/pod/podtest"
	"github.com/tricircle/tricircle/internal/southbound"
	"github.com/tricircle/tricircle/internal/store/sqlstore/sqltest"
)

// fake is a Neutron that knows security groups. Its pages hold two.
type fake struct {
	rows    []southbound.Object
	replies []podtest.Handler // to the next POSTs, after they have been carried out; nil is the true one
	posts   int
}

func (f *fake) handle(req *http.Request) (*http.Response, error) {
	id, _ := strings.CutPrefix(req.URL.Path, "/v2.0/security-groups/")
	switch req.Method {
	case http.MethodGet:
		return f.list(req.URL.Query())(req)
	case http.MethodDelete:
		f.rows = slices.DeleteFunc(f.rows, func(o southbound.Object) bool { return o.ID() == id })
		return podtest.Text(http.StatusNoContent, "", "")(req)
	}
	var doc struct {
		Group southbound.Object `json:"security_group"`
	}
	if err := json.NewDecoder(req.Body).Decode(&doc); err != nil {
		return podtest.Status(http.StatusBadRequest)(req)
	}
	f.posts++
	f.add(doc.Group)
	if len(f.replies) >= f.posts && f.replies[f.posts-1] != nil {
		return f.replies[f.posts-1](req)
	}
	return podtest.JSON(http.StatusCreated, text(map[string]any{"security_group": doc.Group}))(req)
}

func (f *fake) add(o southbound.Object) {
	o["id"], o["created_at"] = "id-"+strconv.Itoa(9-len(f.rows)), "2026-01-01T00:00:0"+strconv.Itoa(len(f.rows))+"Z"
	f.rows = append(f.rows, o)
}

func (f *fake) list(query url.Values) podtest.Handler {
	var rows []southbound.Object
	for _, o := range f.rows {
		key, project := query.Get("description"), query.Get("project_id")
		if (key == "" || o.Text("description") == key) && (project == "" || o.Text("project_id") == project) {
			rows = append(rows, o)
		}
	}
	if i := slices.IndexFunc(rows, func(o southbound.Object) bool { return o.ID() == query.Get("marker") }); i >= 0 {
		rows = rows[i+1:]
	}
	doc := map[string]any{}
	if len(rows) > 2 {
		rows, doc["security_groups_links"] = rows[:2], []any{map[string]any{"rel": "next", "href": "http://elsewhere/"}}
	}
	doc["security_groups"] = rows
	return podtest.JSON(http.StatusOK, text(doc))
}

func text(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

func start(t *testing.T, h podtest.Handler) *southbound.Neutron {
	t.Helper()
	s := sqltest.Open(t, sqltest.InMemory, time.Now)
	p := podtest.New(t, s, nil).Register(&podtest.Pod{Region: "site1", Network: h})
	return southbound.NewNeutron(p, func(context.Context) (string, error) { return "token", nil })
}

func names(rows []southbound.Object) (all []string) {
	for _, o := range rows {
		all = append(all, o.Text("name"))
	}
	return all
}

func TestCreateAs_WithOrWithoutAReply_MakesOneThatIsFound(t *testing.T) {
	for name, reply := range map[string]podtest.Handler{
		"as it should": nil, "reset": podtest.Reset, "502": podtest.Status(http.StatusBadGateway),
		"half a body":       podtest.Half(`{"security_group": {`),
		"another was first": podtest.JSON(http.StatusConflict, `{"NeutronError": {"type": "InUse", "message": "no"}}`),
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{replies: []podtest.Handler{reply}}
			n := start(t, f.handle)
			const key = "tricircle:security_group:1"
			made, err := n.CreateAs(t.Context(), southbound.SecurityGroups, key, southbound.Object{"name": "web"})
			if err != nil || made.ID() != "id-9" || made.Text("name") != "web" {
				t.Fatalf("made %v, %v", made, err)
			}
			if found, err := n.Find(t.Context(), southbound.SecurityGroups, "", key); err != nil || found.ID() != made.ID() {
				t.Errorf("found %v, %v", found, err)
			}
			if f.posts != 1 || len(f.rows) != 1 {
				t.Errorf("%d POSTs made %v", f.posts, f.rows)
			}
		})
	}
}

func TestFind_KeyInAnotherProject_IsNotOurs(t *testing.T) {
	f := &fake{rows: []southbound.Object{{"id": "forged", "project_id": "mallory", "description": "k"}}}
	n := start(t, f.handle)
	for project, want := range map[string]string{"alice": "", "mallory": "forged"} {
		got, err := n.Find(t.Context(), southbound.SecurityGroups, project, "k")
		if err != nil || got.ID() != want || len(f.rows) != 1 {
			t.Errorf("of %s: got %v, %v; there are %v", project, got, err, f.rows)
		}
	}
}

func TestCreateAs_Refused_SaysSoInThePodsWords(t *testing.T) {
	f := &fake{replies: []podtest.Handler{podtest.JSON(http.StatusForbidden, `{"NeutronError": {"type": "PolicyNotAuthorized", "message": "no", "detail": ""}}`)}}
	_, err := start(t, f.handle).CreateAs(t.Context(), southbound.SecurityGroups, "k", southbound.Object{})
	want := &southbound.Refusal{Pod: "site1", Request: "POST /v2.0/security-groups", Status: 403, Type: "PolicyNotAuthorized", Message: "no"}
	got, _ := errors.AsType[*southbound.Refusal](err)
	if diff := cmp.Diff(want, got); diff != "" || !southbound.Refused(err, 404, 403) || southbound.Refused(err, 404) {
		t.Error(diff)
	}
}

func TestFind_MadeTwice_KeepsTheOldest(t *testing.T) {
	f := &fake{}
	f.add(southbound.Object{"description": "other"})
	for range 3 {
		f.add(southbound.Object{"description": "k"})
	}
	got, err := start(t, f.handle).Find(t.Context(), southbound.SecurityGroups, "", "k")
	if err != nil || got.ID() != "id-8" || len(f.rows) != 2 {
		t.Errorf("got %v, %v; left %v", got, err, f.rows)
	}
}

func TestList_SeveralPages_AreRead(t *testing.T) {
	f := &fake{}
	var want []string
	for i := range 5 {
		want = append(want, fmt.Sprint("g", i))
		f.add(southbound.Object{"name": want[i]})
	}
	got, err := start(t, f.handle).List(t.Context(), southbound.SecurityGroups, url.Values{})
	if diff := cmp.Diff(want, names(got)); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestNeutron_GoneAlready_IsNoError(t *testing.T) {
	n := start(t, podtest.JSON(http.StatusNotFound, `{"NeutronError": {"type": "PortNotFound", "message": "gone"}}`))
	if err := n.Delete(t.Context(), southbound.Ports, "p"); err != nil {
		t.Error(err)
	}
	if got, err := n.Get(t.Context(), southbound.Ports, "p"); got != nil || err != nil {
		t.Error(got, err)
	}
}

func TestNeutron_PodDown_IsUnavailable(t *testing.T) {
	for name, h := range map[string]podtest.Handler{"refused": podtest.Refused, "503": podtest.Status(503), "no JSON": podtest.Text(200, "text/html", "<p>")} {
		_, err := start(t, h).Get(t.Context(), southbound.Ports, "p")
		if e, ok := errors.AsType[*pod.UnavailableError](err); !ok || e.Service != pod.Network || e.Sent == (name == "refused") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
