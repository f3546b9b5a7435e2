package nova

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/identity"
	"github.com/tricircle/tricircle/internal/microversion"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/store"
)

// TestRoots_Documents compares with what Nova of Zed answers at https://top, kept in testdata.
func TestRoots_Documents(t *testing.T) {
	service, err := Service(func(*http.Request) string { return "https://top" }, func() microversion.Version { return v(93) }, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path   string
		status int
		golden string
	}{
		{"/", 200, "versions.json"}, {"/v2.1", 200, "v2.1.json"}, {"/v2.1/", 200, "v2.1.json"}, {"/v2/", 200, "v2.json"},
		{"/other", 300, "choices.json"},
	} {
		w := httptest.NewRecorder()
		service.Roots.ServeHTTP(w, httptest.NewRequest(http.MethodGet, c.path, nil))
		if w.Code != c.status {
			t.Errorf("%s: %d, want %d", c.path, w.Code, c.status)
		}
		if c.golden == "" {
			continue
		}
		want, err := os.ReadFile("testdata/" + c.golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(decode(t, want), decode(t, w.Body.Bytes())); diff != "" {
			t.Errorf("%s: %s", c.path, diff)
		}
	}
}

func decode(t *testing.T, doc []byte) (value any) {
	t.Helper()
	if err := json.Unmarshal(doc, &value); err != nil {
		t.Fatalf("%v in %s", err, doc)
	}
	return value
}

func call(query string, roles ...string) *gateway.Call {
	q, err := url.ParseQuery(query)
	if err != nil {
		panic(err)
	}
	return &gateway.Call{Query: q, Caller: &identity.Caller{Roles: roles}, Version: v(1)}
}

func TestParseList_Refusals(t *testing.T) {
	for query, want := range map[string]string{
		"limit=-1":                 "400 Invalid input for query parameters limit. Value: -1. '-1' does not match '^[0-9]*$'",
		"limit=x":                  "400 Invalid input for query parameters limit. Value: x. 'x' does not match '^[0-9]*$'",
		"limit=":                   "400 Invalid input for query parameters limit. Value: . '' is too short",
		"sort_key=host":            "403 Only administrators can sort servers by host",
		"sort_key=node":            "403 Only administrators can sort servers by node",
		"sort_key=uuid&sort_dir=x": "400 Invalid input received: Unknown sort direction, must be 'desc' or 'asc'",
		"sort_key=uuid&sort_dir=asc&sort_dir=asc": "400 Invalid input received: Sort direction size exceeds sort key size",
	} {
		_, err := parseList(call(query, "member"))
		if err == nil || fault.From(err).Error() != want {
			t.Errorf("%s: got %v, want %s", query, err, want)
		}
	}
	if _, err := parseList(call("sort_key=host", "admin")); err != nil {
		t.Errorf("an administrator may sort by host: %v", err)
	}
}

func TestParseList_Reads(t *testing.T) {
	for query, want := range map[string]struct {
		limit  int
		marker string
		params string
		exists bool
	}{
		"":                              {1000, "", "", false},
		"limit=5&marker=x":              {5, "x", "", false},
		"limit=0":                       {0, "", "", false},
		"limit=5000":                    {1000, "", "", false},
		"limit=3&limit=4":               {4, "", "", false},
		"limit=99999999999999999999999": {1000, "", "", false},
		"status=ACTIVE&sort_key=uuid":   {1000, "", "sort_key=uuid&status=ACTIVE", false},
		"name=x":                        {1000, "", "name=x", true},
		"tags-any=a,b&limit=1":          {1, "", "tags-any=a%2Cb", true},
		"all_tenants=1&not-known=1":     {1000, "", "all_tenants=1&not-known=1", false},
	} {
		q, err := parseList(call(query))
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		if q.Limit != want.limit || q.Marker != want.marker || q.Params.Encode() != want.params || q.Exists != want.exists {
			t.Errorf("%s: got %+v, want %+v", query, q, want)
		}
	}
}

func TestParseSort_Orders(t *testing.T) {
	for query, want := range map[string]struct {
		order      string
		byCreation bool
	}{
		"":                                   {"created desc, id asc", true},
		"sort_key=created_at":                {"created desc, id asc", true},
		"sort_key=created_at&sort_dir=asc":   {"created asc, id asc", true},
		"sort_dir=asc":                       {"created asc, id asc", true},
		"sort_key=uuid":                      {"id desc", false},
		"sort_key=display_name&sort_dir=asc": {"name asc, id asc", false},
		"sort_key=display_name&sort_key=vm_state&sort_key=uuid&sort_dir=asc&sort_dir=desc": {"name asc, OS-EXT-STS:vm_state desc, id asc", false},
		// As seen of Nova 26: of too few directions the one of uuid falls to the first key that has none.
		"sort_key=power_state&sort_key=display_name":                                 {"OS-EXT-STS:power_state desc, name asc, id desc", false},
		"sort_key=power_state&sort_key=display_name&sort_key=key_name&sort_dir=desc": {"OS-EXT-STS:power_state desc, name asc, key_name desc, id desc", false},
		"sort_key=power_state&sort_key=uuid&sort_key=key_name&sort_dir=asc":          {"OS-EXT-STS:power_state asc, id asc, key_name asc", false},
		"sort_key=launch_index&sort_dir=asc":                                         {"hidden asc, id asc", false},
		"sort_key=image_ref":                                                         {"image.id desc, id asc", false},
		"sort_key=id":                                                                {"created desc, hidden desc", false}, // one that Nova ignores
		"sort_key=id&sort_key=uuid&sort_dir=asc":                                     {"id desc", false},
		"sort_key=vcpus&sort_key=uuid&sort_dir=desc&sort_dir=asc":                    {"id asc", false},
		"sort_key=locked&sort_key=uuid":                                              {"id desc", false},
		"sort_key=no-such-key":                                                       {"hidden desc, id asc", false}, // pods refuse it
	} {
		q := &gateway.ListQuery{}
		if err := parseSort(call(query), q); err != nil {
			t.Errorf("%s: %v", query, err)
		}
		var order []string
		for _, k := range q.Keys {
			dir := " asc"
			if k.Desc {
				dir = " desc"
			}
			order = append(order, cmp.Or(strings.Join(k.Path, "."), "hidden")+dir)
		}
		if got := strings.Join(order, ", "); got != want.order || q.ByCreation != want.byCreation {
			t.Errorf("%s: got %s (by creation: %t), want %s", query, got, q.ByCreation, want.order)
		}
	}
}

const a, b = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"

func TestReadBoot_FindsWhatBinds(t *testing.T) {
	none := bootRequest{count: 1}
	for body, want := range map[string]bootRequest{
		`{}`:               none,
		`{"server": null}`: none,
		`{"server": {"name": "n", "min_count": 2, "max_count": "5"}}`:                                                                 {name: "n", count: 5, least: 2},
		`{"server": {"block_device_mapping_v2": [{"source_type": "volume", "uuid": "A"}, {"source_type": "image", "uuid": "B"}]}}`:    {count: 1, volumes: []string{a}},
		`{"server": {"block_device_mapping_v2": [{"source_type": "snapshot", "uuid": "A"}]}}`:                                         {count: 1, snapshots: []string{a}},
		`{"server": {"block_device_mapping": [{"volume_id": "A"}, {"snapshot_id": "B"}]}}`:                                            {count: 1, volumes: []string{a}, snapshots: []string{b}},
		`{"server": {"networks": [{"port": "A"}, {"uuid": "B", "fixed_ip": "10.0.0.1"}]}}`:                                            {count: 1, ports: []string{a}, networks: []string{b}},
		`{"server": {"networks": "auto"}}`:                                                                                            none,
		`{"server": {}, "os:scheduler_hints": {"group": "A", "same_host": ["B"], "different_host": ["A"]}}`:                           {count: 1, groups: []string{a}, servers: []string{b}},
		`{"server": {}, "OS-SCH-HNT:scheduler_hints": {"same_host": "A"}}`:                                                            {count: 1, servers: []string{a}},
		`{"server": {"block_device_mapping_v2": [{"source_type": "volume", "uuid": "x"}, {"source_type": "volume", "uuid": 7}, {}]}}`: none,
		`{"server": {"block_device_mapping_v2": ["x"], "block_device_mapping": 7, "networks": {}, "name": 7}}`:                        none,
	} {
		got := *readBoot([]byte(strings.NewReplacer(`"A"`, `"`+a+`"`, `"B"`, `"`+b+`"`).Replace(body)))
		got.body = nil
		want.least = max(want.least, 1)
		if diff := gocmp.Diff(want, got, gocmp.AllowUnexported(bootRequest{})); diff != "" {
			t.Errorf("%s: %s", body, diff)
		}
	}
}

func TestBodyFor_ChangesTheZoneOnly(t *testing.T) {
	p := &pod.Pod{Pod: store.Pod{Zones: []store.Zone{{Name: "z", PodName: "nova"}}}}
	wild := &pod.Pod{Pod: store.Pod{Zones: []store.Zone{{Name: "z"}}}}
	for _, c := range []struct {
		pod        *pod.Pod
		body, want string
	}{
		{p, `{"server": {"x": 1.0 }}`, `{"server": {"x": 1.0 }}`},
		{p, `{ "server": {"availability_zone": "z", "x": 1.0 }}`, `{ "server": {"availability_zone": "nova", "x": 1.0 }}`},
		{p, `{"server": {"availability_zone": "z:h"}}`, `{"server": {"availability_zone": "nova:h"}}`},
		{p, `{"server": {"availability_zone": "z:h:n"}}`, `{"server": {"availability_zone": "nova:h:n"}}`},
		{p, `{"server": {"availability_zone": ":h"}}`, `{"server": {"availability_zone": ":h"}}`},
		{wild, `{"server": {"availability_zone": "z"}}`, `{"server": {}}`},
		{wild, `{"server": {"availability_zone": "z:h"}}`, `{"server": {"availability_zone": ":h"}}`},
	} {
		boot := readBoot([]byte(c.body))
		got, err := boot.bodyFor(c.pod)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: got %s, %v, want %s", c.body, got, err, c.want)
		}
	}
}

func TestUnshelveBody_ZoneInThePodsWords(t *testing.T) {
	p := &pod.Pod{Pod: store.Pod{Zones: []store.Zone{{Name: "z", PodName: "nova"}}}}
	wild := &pod.Pod{Pod: store.Pod{Zones: []store.Zone{{Name: "z"}}}}
	for _, c := range []struct {
		pod        *pod.Pod
		body, want string
	}{
		{p, `{"unshelve": null}`, `{"unshelve": null}`},
		{p, `{"unshelve": {"availability_zone": null}}`, `{"unshelve": {"availability_zone": null}}`},
		{p, `{"unshelve": {"availability_zone": "z"}}`, `{"unshelve": {"availability_zone": "nova"}}`},
		{wild, `{"unshelve": {"availability_zone": "z"}}`, `{"unshelve": null}`},
		{wild, `{"unshelve": {"availability_zone": "z", "host": "h"}}`, `{"unshelve": {"host": "h"}}`},
	} {
		if got, err := unshelveBody([]byte(c.body), c.pod); err != nil || string(got) != c.want {
			t.Errorf("%s: got %s, %v, want %s", c.body, got, err, c.want)
		}
	}
	if _, err := unshelveBody([]byte(`{"unshelve": {"availability_zone": "elsewhere"}}`), p); err == nil {
		t.Error("a zone of another pod is taken")
	}
}

func TestMissing_AsNovaSays(t *testing.T) {
	for typ, want := range map[store.ResourceType]string{
		store.Server: "404 Instance x could not be found.", store.ServerGroup: "404 Instance group x could not be found.",
		store.Volume: "404 Volume x could not be found.",
	} {
		if got := missing(typ, "x").Error(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
