package api

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/tricircle/tricircle/internal/policy"
	"github.com/tricircle/tricircle/internal/store"
)

func noRules(t *testing.T) *policy.Enforcer {
	t.Helper()
	e, err := policy.New(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// several makes networks a, b, c..., of which every second is down.
func several(t *testing.T, n int) *fixture {
	f := newFixture(t)
	for i := range n {
		f.network("demo", fmt.Sprintf(`{"name": "%c", "admin_state_up": %v, "mtu": %d, "description": "d%d"}`, 'a'+i, i%2 == 0, 1000+i, i%3))
	}
	return f
}

// names are those of the networks in an answer.
func (f *fixture) names(query string) string {
	f.t.Helper()
	w := f.call("demo", "GET", "/v2.0/networks?fields=name&"+query, "")
	if w.Code != 200 {
		f.t.Errorf("%s: %d %s", query, w.Code, w.Body)
	}
	list, _, _ := strings.Cut(w.Body.String(), "]")
	return strings.NewReplacer(`{"networks":[`, "", `{"name":"`, "", `"}`, "").Replace(list)
}

func TestList_Filters_AreAlternativesOfOneAndConditionsOfSeveral(t *testing.T) {
	f := several(t, 4)
	if w := f.call("demo", "PUT", "/v2.0/networks/"+id(1)+"/tags", `{"tags": ["x", "y"]}`); w.Code != 200 {
		t.Fatal(w.Body)
	}
	f.call("demo", "PUT", "/v2.0/networks/"+id(2)+"/tags", `{"tags": ["x"]}`)
	for query, want := range map[string]string{
		"": "a,b,c,d", "name=a&name=d": "a,d", "name=a&name=b&admin_state_up=False": "b", "admin_state_up=yes": "a,c", "mtu=1002": "c",
		"id=" + id(3): "c", "id=nope": "", "tenant_id=p1&name=a": "a", "project_id=p2": "", "description=d1": "b", "description=": "",
		"name=%00": "", "name=a&name=%00": "a", "name=%ff": "", "name=a%2": "", "revision_number=2": "a,b",
		"tags=x": "a,b", "tags=x,y": "a", "tags=x&tags=y": "a", "tags-any=y,z": "a", "not-tags=x,y": "b,c,d", "not-tags-any=x": "c,d",
		"sort_key=name&sort_dir=desc": "d,c,b,a", "sort_key=admin_state_up&sort_dir=asc&sort_key=name&sort_dir=desc": "d,b,c,a",
	} {
		if got := f.names(query); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
	if got := f.call("demo", "GET", "/v2.0/ports?fixed_ips=a&fixed_ips=b&secret=x", ""); got.Code != 400 {
		t.Errorf("a hidden attribute is no filter: got %d", got.Code)
	}
}

func TestList_Pages_CoverEverythingOnceBothWays(t *testing.T) {
	f := several(t, 7)
	forth := walk(t, f, "/v2.0/networks?limit=2&sort_key=name&sort_dir=desc&name=a&name=b&name=c&name=d&name=e&fields=name", "next")
	if want := "e,d|c,b|a"; forth != want {
		t.Errorf("forth: got %s, want %s", forth, want)
	}
	back := walk(t, f, "/v2.0/networks?limit=3&page_reverse=True&fields=name", "previous")
	if want := "e,f,g|b,c,d|a"; back != want {
		t.Errorf("back: got %s, want %s", back, want)
	}
}

// walk follows links of a relation, and returns the pages.
func walk(t *testing.T, f *fixture, target, rel string) string {
	t.Helper()
	var pages []string
	for range 10 {
		w := f.call("demo", "GET", target, "")
		_, query, _ := strings.Cut(target, "?")
		pages = append(pages, f.names(query))
		_, links, _ := strings.Cut(w.Body.String(), `"networks_links":`)
		target = ""
		for part := range strings.SplitSeq(links, "}") {
			if strings.Contains(part, `"rel":"`+rel+`"`) {
				_, target, _ = strings.Cut(part, `"href":"http://top:9696`)
				target, _, _ = strings.Cut(target, `"`)
			}
		}
		if target == "" {
			return strings.Join(pages, "|")
		}
	}
	t.Fatal("links without end")
	return ""
}

func TestList_ConditionsOnLiveAttributes_AreComparedWithWhatIsShown(t *testing.T) {
	f := several(t, 7)
	for query, want := range map[string]string{
		"status=DOWN": "b,d,f", "status=ACTIVE": "a,c,e,g", "status=DOWN&status=ACTIVE&name=a": "a", "status=DOWN&name=a": "", "status=x": "",
		"status=DOWN&limit=2": "b,d", "status=DOWN&limit=2&marker=" + id(4): "f", "status=DOWN&limit=1&page_reverse=True&marker=" + id(6): "d",
		"status=DOWN&limit=2&page_reverse=True": "d,f", "status=ACTIVE&sort_key=name&sort_dir=desc&limit=3": "g,e,c",
	} {
		if got := f.names(query); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
	if got := walk(t, f, "/v2.0/networks?limit=2&status=ACTIVE&fields=name", "next"); got != "a,c|e,g|" {
		t.Errorf("pages: got %s", got)
	}
}

func TestList_ConditionsOnLiveAttributes_HaveABound(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.MaxLive = 2 * liveAtOnce })
	insert := func(n int, up bool) {
		err := f.Store.InTx(t.Context(), func(tx store.Tx) error {
			for i := range n {
				o := &store.Object{Kind: store.KindNetwork, ID: fmt.Sprintf("00000000-0000-4000-9000-%06d%06d", n, i), ProjectID: "p1",
					Attrs: map[string]any{"name": "n", "admin_state_up": up, "status": "ACTIVE"}}
				if err := tx.Insert(t.Context(), o); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	insert(2*liveAtOnce-2, true)
	insert(1, false)
	if got := f.names("status=DOWN"); got != "n" {
		t.Errorf("got %q, want the one that is down", got)
	}
	insert(2, true)
	w := f.call("demo", "GET", "/v2.0/networks?status=DOWN", "")
	if w.Code != 400 || !strings.Contains(w.Body.String(), "More than 1000 networks would have to be asked about in their pods") {
		t.Errorf("beyond the bound: got %d %s", w.Code, w.Body)
	}
	if got := f.names("status=ACTIVE&limit=1"); got != "n" {
		t.Errorf("a page that fills early: got %q", got)
	}
}

func TestList_Links_RepeatTheQuery(t *testing.T) {
	f := several(t, 1)
	w := f.call("demo", "GET", "/v2.0/networks?limit=1&fields=id&page_reverse=True&name=a%20b&fields=name", "")
	want := `{"networks":[],"networks_links":[{"href":"http://top:9696/v2.0/networks?limit=1&fields=id&name=a+b&fields=name","rel":"next"}]}`
	if w.Body.String() != want {
		t.Errorf("got %s\nwant %s", w.Body, want)
	}
	w = f.call("demo", "GET", "/v2.0/networks?limit=1&fields=id", "")
	want = `{"networks":[{"id":"` + id(1) + `"}],"networks_links":[` +
		`{"href":"http://top:9696/v2.0/networks?limit=1&fields=id&marker=` + id(1) + `","rel":"next"},` +
		`{"href":"http://top:9696/v2.0/networks?limit=1&fields=id&marker=` + id(1) + `&page_reverse=True","rel":"previous"}]}`
	if w.Body.String() != want {
		t.Errorf("got %s\nwant %s", w.Body, want)
	}
}

func TestList_MaxPage_BoundsWhatNobodyBounded(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.MaxPage = 2 })
	for range 3 {
		f.network("demo", `{"name": "a"}`)
	}
	for _, query := range []string{"", "limit=0", "limit=5"} {
		if got := f.names(query); got != "a,a" {
			t.Errorf("%q: got %s", query, got)
		}
	}
	if got := f.names("limit=1"); got != "a" {
		t.Errorf("got %s", got)
	}
}

func TestList_Statements_AreOneForAPageOfOnesOwn(t *testing.T) {
	f := several(t, 20)
	for who, want := range map[string]int{"demo": 1, "admin": 1} {
		f.statements = 0
		f.call(who, "GET", "/v2.0/networks", "")
		if f.statements != want {
			t.Errorf("%s: %d statements, want %d", who, f.statements, want)
		}
	}
}

func TestList_OthersPorts_CostTwoStatementsMore(t *testing.T) {
	f := newFixture(t)
	for range 5 {
		n := f.network("demo", `{}`)
		f.share(n, "p2")
		if w := f.call("other", "POST", "/v2.0/ports", `{"port": {"network_id": "`+n+`"}}`); w.Code != 201 {
			t.Fatal(w.Body)
		}
	}
	f.statements = 0
	w := f.call("demo", "GET", "/v2.0/ports?fields=id", "")
	if strings.Count(w.Body.String(), `"id"`) != 5 || f.statements != 3 {
		t.Errorf("%d statements for %s", f.statements, w.Body)
	}
}

func FuzzParseList(f *testing.F) {
	f.Add("limit=1&marker=x&page_reverse=True&fields=id&sort_key=name&sort_dir=asc&tags=a,b&name=%00&mtu=7")
	f.Add("&=&&%=%&limit=+1&limit=")
	f.Fuzz(func(t *testing.T, raw string) {
		fixture := &fixture{t: t}
		tables, err := compile([]*Resource{fixture.networks()}, noRules(t))
		if err != nil {
			t.Fatal(err)
		}
		l, err := tables["networks"].parseList(raw, 0)
		if err != nil {
			return
		}
		for _, filter := range l.query.Filters {
			for _, v := range filter.Values {
				if s, ok := v.(string); ok && strings.Contains(s, "\x00") {
					t.Errorf("%q: NUL reaches the store", raw)
				}
			}
		}
		for _, link := range l.links("http://top", []*store.Object{{ID: "x"}}) {
			if _, err := url.Parse(link.(map[string]any)["href"].(string)); err != nil {
				t.Errorf("%q: %v", raw, err)
			}
		}
	})
}

func FuzzParseObject(f *testing.F) {
	f.Add([]byte(`{"network": {"name": "a", "mtu": 1e3, "x": [1, 2.5, null, "\u0000"]}}`))
	f.Add([]byte(`{} {}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		body, err := parseObject(data)
		if err != nil {
			return
		}
		fixture := &fixture{t: t}
		tables, _ := compile([]*Resource{fixture.networks()}, noRules(t))
		c := &Call{Caller: callers["demo"]}
		all, _, err := c.drafts(tables["networks"], body)
		if err != nil {
			return
		}
		for i := range all {
			tables["networks"].fill(all[i].attrs)
			if _, err := appendValue(nil, all[i].attrs); err != nil {
				t.Errorf("%s: %v", data, err)
			}
		}
	})
}
