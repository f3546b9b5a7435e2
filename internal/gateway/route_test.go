package gateway_test

import (
	"bufio"
	"cmp"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/gateway/cinder"
	"github.com/tricircle/tricircle/internal/gateway/nova"
	"github.com/tricircle/tricircle/internal/microversion"
	"github.com/tricircle/tricircle/internal/store"
)

// specified reads a table of docs/api: calls with their microversions and class. Where the prefix and an optional project
// stand in front of a path, they are left out. base is the microversion that every call has had from the beginning.
func specified(t *testing.T, file, prefix, base string) map[string]string {
	t.Helper()
	f, err := os.Open("../../docs/api/" + file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	calls := map[string]string{}
	lines := bufio.NewScanner(f)
	for lines.Scan(); lines.Scan(); { // behind the header
		c := strings.Split(lines.Text(), "\t")
		path, below := strings.CutPrefix(c[1], prefix+"[/{project_id}]")
		if !below && c[1] == prefix+"/" {
			path = "/"
		} else if !below && path == "/v2/..." {
			path = "/v2/{rest...}"
		}
		if !below && path != "/" || c[1] == "/" {
			path += " (absolute)"
		}
		lowest := c[3]
		if lowest == base {
			lowest = ""
		}
		calls[strings.TrimSpace(c[0]+" "+path+" "+c[2])] = described(lowest, c[4], c[6])
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return calls
}

func described(lowest, highest, class string) string {
	return class + " from " + cmp.Or(lowest, "the first") + " to " + cmp.Or(highest, "the last")
}

// tabled is what specified should find.
func tabled(rows, roots []gateway.Route) map[string]string {
	calls := map[string]string{}
	for _, r := range rows {
		highest := r.Max.String()
		if r.Removed != "" {
			highest = "removed in release " + r.Removed
		}
		calls[r.String()] = described(r.Min.String(), highest, string(r.Class))
	}
	for _, r := range roots {
		calls[r.String()+" (absolute)"] = described("", "", string(r.Class))
	}
	return calls
}

var apis = []struct {
	name, file, prefix, base string
	rows, roots              []gateway.Route
}{
	{"nova", "nova.tsv", "/v2.1", "2.1", nova.Routes, nova.Roots},
	{"cinder", "cinder.tsv", "/v3", "3.0", cinder.Routes, cinder.Roots},
}

func TestRoutes_EqualTheSpecification(t *testing.T) {
	for _, api := range apis {
		t.Run(api.name, func(t *testing.T) {
			want := specified(t, api.file, api.prefix, api.base)
			if diff := gocmp.Diff(want, tabled(api.rows, api.roots)); diff != "" {
				t.Errorf("docs/api/%s (-) and the table (+) differ:\n%s", api.file, diff)
			}
		})
	}
}

func TestRoutes_EveryCallIsFoundByItsPath(t *testing.T) {
	for _, api := range apis {
		table, err := gateway.NewTable(api.rows)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for r := range table.All() {
			n++
			path := strings.NewReplacer("{", "some-", "}", "").Replace(r.Path)
			found, params := table.Match(r.Method, path)
			if !slices.Contains(found, r) {
				t.Errorf("%s is not found by %s, but %v", r, path, found)
			}
			if r.IDParam != "" && params.Get(r.IDParam) != "some-"+r.IDParam {
				t.Errorf("%s: %s is %q", r, r.IDParam, params.Get(r.IDParam))
			}
		}
		if n != len(api.rows) {
			t.Errorf("%s: %d of %d rows", api.name, n, len(api.rows))
		}
	}
}

func TestRoutes_NotesAreShort(t *testing.T) {
	for _, api := range apis {
		for _, r := range api.rows {
			if len(r.Note) > 100 {
				t.Errorf("%s: a note of %d characters", &r, len(r.Note))
			}
		}
	}
}

func TestMatch(t *testing.T) {
	table, err := gateway.NewTable(gateway.Rows(map[string]gateway.Route{
		"GET    /":                              {Class: gateway.TopStatic},
		"GET    /groups":                        {Class: gateway.FanOutMerge},
		"GET    /groups/detail":                 {Class: gateway.FanOutMerge},
		"GET    /groups/{id}":                   {Class: gateway.ByID, Type: store.Group},
		"PUT    /groups/enable":                 {Class: gateway.AdminScopedPod},
		"POST   /groups/action delete":          {Class: gateway.Unsupported},
		"POST   /groups/{id}/action delete":     {Class: gateway.ByID, Type: store.Group},
		"POST   /groups/{id}/action copy":       {Class: gateway.ByID, Type: store.Group},
		"GET    /servers/{server_id}/tags/{id}": {Class: gateway.ByID, Type: store.Server},
		"GET    /servers/detail/tags/list":      {Class: gateway.AnyPod},
	}))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method, path string
		want         []string
		params       map[string]string
	}{
		{"GET", "/", []string{"GET /"}, nil},
		{"GET", "/groups", []string{"GET /groups"}, nil},
		{"GET", "/groups/detail", []string{"GET /groups/detail"}, nil},
		{"GET", "/groups/enable", []string{"GET /groups/{id}"}, map[string]string{"id": "enable"}},
		{"GET", "/groups/a%2Fb%20c", []string{"GET /groups/{id}"}, map[string]string{"id": "a%2Fb%20c"}},
		{"POST", "/groups/action", []string{"POST /groups/action delete"}, nil},
		{"POST", "/groups/action/action", []string{"POST /groups/{id}/action copy", "POST /groups/{id}/action delete"}, map[string]string{"id": "action"}},
		{"GET", "/servers/s/tags/t", []string{"GET /servers/{server_id}/tags/{id}"}, map[string]string{"server_id": "s", "id": "t"}},
		{"GET", "/servers/detail/tags/t", []string{"GET /servers/{server_id}/tags/{id}"}, map[string]string{"server_id": "detail", "id": "t"}},
		{"GET", "", nil, nil},
		{"GET", "groups", nil, nil},
		{"GET", "/groups/", nil, nil},
		{"GET", "//groups", nil, nil},
		{"GET", "/groups//action", nil, nil},
		{"GET", "/groups/x/y", nil, nil},
		{"GET", "/servers/s/tags", nil, nil},
		{"DELETE", "/groups", nil, nil},
		{"PUT", "/groups/x", nil, nil},
		{"HEAD", "/", nil, nil},
	} {
		found, params := table.Match(c.method, c.path)
		var got []string
		for _, r := range found {
			got = append(got, r.String())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s %s: found %q, want %q", c.method, c.path, got, c.want)
		}
		for name, want := range c.params {
			if value := params.Get(name); value != want {
				t.Errorf("%s %s: %s is %q, want %q", c.method, c.path, name, value, want)
			}
		}
		if params.Get("other") != "" {
			t.Errorf("%s %s has a parameter \"other\"", c.method, c.path)
		}
	}
}

func TestNewTable_SameCallForOtherMicroversions_IsAccepted(t *testing.T) {
	before := gateway.Route{Method: "GET", Path: "/a", Class: gateway.AnyPod, Max: microversion.Version{Major: 2, Minor: 35}}
	after := gateway.Route{Method: "GET", Path: "/a", Class: gateway.Unsupported, Min: microversion.Version{Major: 2, Minor: 36}}
	table, err := gateway.NewTable([]gateway.Route{after, before})
	if err != nil {
		t.Fatal(err)
	}
	if found, _ := table.Match("GET", "/a"); len(found) != 2 {
		t.Errorf("found %v", found)
	}
}

func TestNewTable_BadRow_IsRefused(t *testing.T) {
	v := func(minor int) microversion.Version { return microversion.Version{Major: 2, Minor: minor} }
	for call, r := range map[string]gateway.Route{
		"GET":                      {Class: gateway.AnyPod},
		"GET a":                    {Class: gateway.AnyPod},
		"GET /a b c":               {Class: gateway.AnyPod},
		"GET /a/":                  {Class: gateway.AnyPod},
		"GET /a//b":                {Class: gateway.AnyPod},
		"GET /{}":                  {Class: gateway.AnyPod},
		"GET /{a}x":                {Class: gateway.AnyPod},
		"GET /x{a":                 {Class: gateway.AnyPod},
		"GET /{a}/{a}":             {Class: gateway.AnyPod},
		"GET /{a}/{b}/{c}/{d}/{e}": {Class: gateway.AnyPod},
		"get /a":                   {Class: gateway.AnyPod},
		"GET /b":                   {},
		"GET /c":                   {Class: "any"},
		"GET /d/{id}":              {Class: gateway.ByID},
		"GET /e":                   {Class: gateway.ByID, Type: store.Server},
		"GET /f":                   {Class: gateway.AnyPod, Type: store.Server},
		"GET /g/{id}":              {Class: gateway.ByID, Type: store.Server, IDParam: "other"},
		"POST /h":                  {Class: gateway.AnyPod, Refs: []gateway.Ref{{Type: store.Volume, Path: []string{"a"}}}},
		"POST /i reboot":           {Class: gateway.AnyPod},
		"GET /j/action reboot":     {Class: gateway.AnyPod},
		"GET /k":                   {Class: gateway.AnyPod, Min: v(2), Max: v(1)},
		"GET /l":                   {Class: gateway.AnyPod, Removed: "18.0.0"},
	} {
		_, err := gateway.NewTable(gateway.Rows(map[string]gateway.Route{call: r}))
		if err == nil || !strings.Contains(err.Error(), strings.Fields(call)[0]) {
			t.Errorf("%s: %v, want an error that names it", call, err)
		}
	}
}

func TestNewTable_ContradictingRows_AreRefused(t *testing.T) {
	a := gateway.Route{Method: "GET", Path: "/a/{id}", Class: gateway.AnyPod}
	old, other := a, a
	old.Max = microversion.Version{Major: 2, Minor: 35}
	other.Path = "/a/{name}"
	for name, rows := range map[string][]gateway.Route{
		"twice": {a, a}, "overlapping versions": {a, old}, "parameters named differently": {a, other},
	} {
		if _, err := gateway.NewTable(rows); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	table, err := gateway.NewTable(nova.Routes)
	if err != nil {
		b.Fatal(err)
	}
	const id = "9f3c2a10-5f1a-4b44-9d28-6f1e29eecd4a"
	paths := map[string]string{
		"list": "/servers/detail", "id": "/servers/" + id, "below": "/servers/" + id + "/os-volume_attachments/" + id, "none": "/nothing/" + id,
	}
	for _, name := range slices.Sorted(maps.Keys(paths)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if found, _ := table.Match("GET", paths[name]); (found == nil) != (name == "none") {
					b.Fatal(found)
				}
			}
		})
	}
}
