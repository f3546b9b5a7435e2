package api

import (
	"net/http"
	"testing"

	"github.com/tricircle/tricircle/internal/store"
)

// ask serves a route with f, and returns the answer.
func ask(t *testing.T, who, body string, f func(c *Call) (any, error)) string {
	t.Helper()
	fixture := newFixture(t, func(o *Options) {
		o.Routes = []Route{{"PUT /v2.0/things/{id}", func(c *Call) (int, any, error) {
			v, err := f(c)
			return http.StatusOK, v, err
		}}}
	})
	return fixture.call(who, "PUT", "/v2.0/things/x?q=1", body).Body.String()
}

func TestCall_BodyOfRoute_IsWhatIsBelowTheName(t *testing.T) {
	body := func(c *Call) (any, error) { return c.Body("thing") }
	for in, want := range map[string]string{
		`{"thing": {"a": 1.5, "b": 7}}`: `{"a":1.5,"b":7}`,
		`{"thing": {}}`:                 `{}`,
		`{"thing": []}`:                 problem("HTTPBadRequest", "Object 'thing' contains invalid data"),
		`{}`:                            problem("HTTPBadRequest", "Unable to find 'thing' in request body"),
		``:                              problem("HTTPBadRequest", "Unable to find 'thing' in request body"),
		`{"thing": {"a": "\u0000"}}`:    problem("HTTPBadRequest", "Body contains invalid data"),
		`{"thing": {"\u0000": 1}}`:      problem("HTTPBadRequest", "Body contains invalid data"),
		`{"thing": {"a": 1e999}}`:       problem("HTTPBadRequest", "Body contains invalid data"),
		`{"thing": {}} {}`:              problem("HTTPBadRequest", "Body contains invalid data"),
	} {
		if got := ask(t, "demo", in, body); got != want {
			t.Errorf("%s:\n got %s\nwant %s", in, got, want)
		}
	}
}

func TestCall_Authorize_AsksPolicyWithAndWithoutAttributes(t *testing.T) {
	for who, want := range map[string]string{
		"admin": `true`, "demo": problem("PolicyNotAuthorized", "rule:get_agent is disallowed by policy"),
	} {
		if got := ask(t, who, "", func(c *Call) (any, error) { return true, c.Authorize("get_agent") }); got != want {
			t.Errorf("%s: got %s", who, got)
		}
	}
	own := func(c *Call) (any, error) {
		return true, c.AuthorizeOn("get_quota", map[string]any{"project_id": "p1"})
	}
	for who, want := range map[string]string{"demo": `true`, "other": problem("PolicyNotAuthorized", "rule:get_quota is disallowed by policy")} {
		if got := ask(t, who, "", own); got != want {
			t.Errorf("%s: got %s", who, got)
		}
	}
}

func TestCall_InRules_TellsWhoAsksForWhat(t *testing.T) {
	var got []any
	f := newFixture(t, func(o *Options) {
		o.Resources[0].Rules.Create = func(c *Call, _ store.Tx, o *store.Object) error {
			reader, err := c.Allows("get_network", o)
			anybody, _ := c.Allows("regular_user", nil)
			one, other := c.NewID(), c.NewID()
			got = []any{c.ProjectID(), c.Admin, c.Service, c.Gave("mtu", "name"), c.Gave("mtu"), reader, err, anybody,
				c.Query.Get("q"), c.Reader() != nil, one != other, c.Resource.Singular, c.Param("x")}
			return nil
		}
	})
	f.call("demo", "POST", "/v2.0/networks?q=1", `{"network": {"name": "n"}}`)
	want := []any{"p1", false, false, true, false, true, error(nil), true, "1", true, true, "network", ""}
	for i := range want {
		if got == nil || got[i] != want[i] {
			t.Fatalf("got %v\nwant %v", got, want)
		}
	}
}

func TestRender_Values_AreJSONWithoutEscapesThatNobodyNeeds(t *testing.T) {
	for want, v := range map[string]any{
		`"a&<b>"`: "a&<b>", `"\"\\\n"`: "\"\\\n", `"ü"`: "ü", `null`: nil, `-7`: int64(-7), `7`: 7, `2.5`: 2.5, `true`: true, `[]`: []any{},
		`{"a":[1,"x"],"b":{}}`: map[string]any{"b": map[string]any{}, "a": []any{int64(1), "x"}}, `["x"]`: []string{"x"},
		`{"A":1}`: struct{ A int }{1}, `"2026-11-22T13:00:00Z"`: newFixture(t).clock,
	} {
		if got, err := appendValue(nil, v); err != nil || string(got) != want {
			t.Errorf("got %s, %v; want %s", got, err, want)
		}
	}
}
