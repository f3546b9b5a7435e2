package cinder

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/identity"
	"github.com/tricircle/tricircle/internal/microversion"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/store"
)

// TestRoots_Documents compares with what Cinder of Zed answers at https://top, kept in testdata with the date of 3.71.
func TestRoots_Documents(t *testing.T) {
	service, err := Service(func(*http.Request) string { return "https://top" },
		func() microversion.Version { return microversion.MustParse("3.70") })
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/versions.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path   string
		status int
		body   string
	}{
		{"/", 300, string(want)}, {"/v3/", 200, string(want)}, {"/healthcheck", 200, `"OK"`}, {"/v2/x", 404, ""},
	} {
		w := httptest.NewRecorder()
		service.Roots.ServeHTTP(w, httptest.NewRequest(http.MethodGet, c.path, nil))
		body := w.Body.String()
		if c.path == "/healthcheck" {
			body = `"` + body + `"`
		}
		if w.Code != c.status {
			t.Errorf("%s: %d, want %d", c.path, w.Code, c.status)
		}
		if c.body == "" {
			continue
		}
		if diff := cmp.Diff(decode(t, c.body), decode(t, body)); diff != "" {
			t.Errorf("%s: %s", c.path, diff)
		}
	}
}

func decode(t *testing.T, doc string) (value any) {
	t.Helper()
	if err := json.Unmarshal([]byte(doc), &value); err != nil {
		t.Fatalf("%v in %s", err, doc)
	}
	return value
}

func parse(t *testing.T, query, version string, keys sortable) (*gateway.ListQuery, error) {
	t.Helper()
	q, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	return parseList(&gateway.Call{Query: q, Caller: &identity.Caller{}, Version: microversion.MustParse(version)}, keys)
}

// TestParseList_Refusals has the texts of Cinder (Zed).
func TestParseList_Refusals(t *testing.T) {
	const badKey, badDir = "400 Invalid input received: Invalid sort key", "400 Invalid input received: Unknown sort direction, must be 'desc' or 'asc'."
	for query, want := range map[string]string{
		"limit=-1":                  "400 limit param must be positive",
		"limit=x":                   "400 limit param must be an integer",
		"limit=":                    "400 limit param must be an integer",
		"offset=-1":                 "400 offset must be >= 0",
		"offset=x":                  "400 offset must be an integer",
		"offset=10001":              "400 offset param is out of range: at most 10000 over several pods",
		"sort=nosuch":               badKey,
		"sort=":                     badKey,
		"sort=name,":                badKey,
		"sort_key=nosuch":           badKey,
		"sort_key=":                 badKey,
		"sort=name:up":              badDir,
		"sort_key=name&sort_dir=up": badDir,
		"sort=name&sort_key=id":     "400 The 'sort_key' and 'sort_dir' parameters are deprecated and cannot be used with the 'sort' parameter.",
		"sort=name&sort_dir=asc":    "400 The 'sort_key' and 'sort_dir' parameters are deprecated and cannot be used with the 'sort' parameter.",
	} {
		_, err := parse(t, query, "3.70", volumeKeys)
		if err == nil || fault.From(err).Error() != want {
			t.Errorf("%s: got %v, want %s", query, err, want)
		}
	}
	for query, keys := range map[string]sortable{"sort=size": snapshotKeys, "sort=volume_id": volumeKeys} {
		if _, err := parse(t, query, "3.70", keys); err == nil || fault.From(err).Error() != badKey {
			t.Errorf("%s: got %v, want %s", query, err, badKey)
		}
	}
}

func TestParseList_Reads(t *testing.T) {
	for _, c := range []struct {
		query, version string
		limit, offset  int
		params         string
		exists, count  bool
	}{
		{"", "3.70", 1000, 0, "", false, false},
		{"limit=5&offset=3&marker=x", "3.70", 5, 3, "", false, false},
		{"limit=0", "3.70", 0, 0, "", false, false},
		{"limit=5000", "3.70", 1000, 0, "", false, false},
		{"status=available&sort=name", "3.70", 1000, 0, "sort=name&status=available", false, false},
		{"name=x", "3.70", 1000, 0, "name=x", true, false},
		{"name~=x", "3.34", 1000, 0, "name~=x", true, false},
		{"with_count=true", "3.44", 1000, 0, "with_count=true", false, false},
		{"with_count=True", "3.45", 1000, 0, "with_count=True", false, true},
		{"with_count=0", "3.45", 1000, 0, "with_count=0", false, false},
		{"with_count=Yes", "3.45", 1000, 0, "with_count=Yes", false, true},
		{"with_count=on", "3.45", 1000, 0, "with_count=on", false, true},
		{"with_count=2", "3.45", 1000, 0, "with_count=2", false, false}, // pods refuse it
	} {
		q, err := parse(t, c.query, c.version, volumeKeys)
		if err != nil {
			t.Errorf("%s: %v", c.query, err)
			continue
		}
		params, _ := url.ParseQuery(c.params)
		if q.Limit != c.limit || q.Offset != c.offset || q.Exists != c.exists || q.WithCount != c.count || cmp.Diff(params, q.Params) != "" {
			t.Errorf("%s: got %+v, want %+v", c.query, q, c)
		}
	}
}

func TestParseSort_Orders(t *testing.T) {
	for _, c := range []struct {
		query      string
		keys       sortable
		order      string
		byCreation bool
	}{
		{"", volumeKeys, "created_at desc, id desc", true},
		{"sort_key=created_at", volumeKeys, "created_at desc, id desc", true},
		{"sort=created_at", volumeKeys, "created_at desc, id desc", true},
		{"sort=created_at:asc", volumeKeys, "created_at asc, id asc", true},
		{"sort_dir=asc", volumeKeys, "created_at asc, id asc", true},
		{"sort=name:asc, size:desc", volumeKeys, "name asc, size desc, created_at asc, id asc", false},
		{"sort=id", volumeKeys, "id desc, created_at desc", false},
		{"sort_key=display_name&sort_dir=asc", volumeKeys, "name asc, created_at asc, id asc", false},
		{"sort=name", snapshotKeys, "name desc, created_at desc, id desc", false}, // pods refuse it below 3.30
		{"sort=volume_size", snapshotKeys, "size desc, created_at desc, id desc", false},
		{"sort=host:asc", volumeKeys, "hidden asc, created_at asc, id asc", false},
		{"sort=attach_status,deleted_at:asc", volumeKeys, "hidden desc, hidden asc, created_at desc, id desc", false},
		{"sort=object_count", backupKeys, "object_count desc, created_at desc, id desc", false},
		{"sort=parent_id", backupKeys, "hidden desc, created_at desc, id desc", false},
	} {
		q, err := parse(t, c.query, "3.70", c.keys)
		if err != nil {
			t.Errorf("%s: %v", c.query, err)
			continue
		}
		var order []string
		for _, k := range q.Keys {
			name, dir := strings.Join(k.Path, "."), " asc"
			if k.Path == nil {
				name = "hidden"
			}
			if k.Desc {
				dir = " desc"
			}
			order = append(order, name+dir)
		}
		if got := strings.Join(order, ", "); got != c.order || q.ByCreation != c.byCreation {
			t.Errorf("%s: got %s (by creation: %t), want %s", c.query, got, q.ByCreation, c.order)
		}
	}
}

func TestBodyFor_ChangesTheZoneOnly(t *testing.T) {
	mapped := &pod.Pod{Pod: store.Pod{Zones: []store.Zone{{Name: "z", PodName: "nova"}}}}
	wild := &pod.Pod{Pod: store.Pod{Zones: []store.Zone{{Name: "z"}}}}
	for _, c := range []struct {
		pod        *pod.Pod
		zone       string
		body, want string
	}{
		{mapped, "", `{"volume": {"size": 1.0 }}`, `{"volume": {"size": 1.0 }}`},
		{mapped, "z", `{"volume": {"availability_zone": "z", "size": 1.0 }}`, `{"volume": {"availability_zone": "nova", "size": 1.0 }}`},
		{wild, "z", `{"volume": {"availability_zone": "z", "size": 1 }}`, `{"volume": {"size": 1 }}`},
	} {
		got, err := newVolume.bodyFor([]byte(c.body), c.pod, c.zone)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: got %s, %v, want %s", c.body, got, err, c.want)
		}
	}
}

func TestMissing_AsCinderSays(t *testing.T) {
	for typ, want := range map[store.ResourceType]string{
		store.Volume: "404 Volume x could not be found.", store.Snapshot: "404 Snapshot x could not be found.",
		store.Backup: "404 Backup x could not be found.", store.GroupSnapshot: "404 GroupSnapshot x could not be found.",
		store.Attachment: "404 Volume attachment could not be found with filter: attachment_id = x.",
	} {
		if got := missing(typ, "x").Error(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
