package gateway_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tricircle/tricircle/internal/pod/podtest"
	"github.com/tricircle/tricircle/internal/store"
)

// forgetful makes what it is asked to make, of the id sid(1), and loses the reply. Its lists filter by name as Cinder does, which
// finds nothing that has no name.
func forgetful(creates, list, rows string, row func(body []byte) string) podtest.Handler {
	var mu sync.Mutex
	var made []string
	return func(req *http.Request) (*http.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		path := strings.TrimPrefix(strings.TrimPrefix(req.URL.Path, "/v2.1"), "/"+project)
		switch {
		case req.Method == http.MethodPost && path == creates:
			body, err := io.ReadAll(req.Body)
			if err != nil {
				return nil, err
			}
			made = append(made, row(body))
			return podtest.Reset(req)
		case req.Method == http.MethodGet && path == list:
			var shown []string
			for _, r := range made {
				if filter := req.URL.Query(); !filter.Has("name") || filter.Get("name") != "" && strings.Contains(r, `"`+filter.Get("name")+`"`) {
					shown = append(shown, r)
				}
			}
			return podtest.JSON(200, fmt.Sprintf(`{%q: [%s]}`, rows, strings.Join(shown, ", ")))(req)
		}
		return podtest.Status(404)(req)
	}
}

func TestNewborn_LostReply_IsAdoptedByItsName(t *testing.T) {
	for _, c := range []struct {
		creates, list, rows, body string
		typ                       store.ResourceType
		want                      string
	}{
		{"/volumes", "/volumes/detail", "volumes", `{"volume": {"size": 1, "name": " x "}}`, store.Volume, `202 {"volume": `},
		{"/volumes", "/volumes/detail", "volumes", `{"volume": {"size": 1}}`, store.Volume, `202 {"volume": `},
		{"/volumes", "/volumes/detail", "volumes", `{"volume": {"size": 1, "name": null}}`, store.Volume, `202 {"volume": `},
		{"/snapshots", "/snapshots/detail", "snapshots", `{"snapshot": {"volume_id": "VOLUME", "name": "x"}}`, store.Snapshot, `202 {"snapshot": `},
		{"/snapshots", "/snapshots/detail", "snapshots", `{"snapshot": {"volume_id": "VOLUME"}}`, store.Snapshot, `202 {"snapshot": `},
		{"/backups", "/backups/detail", "backups", `{"backup": {"volume_id": "VOLUME", "name": "x"}}`, store.Backup,
			`202 {"backup": {"id": "` + sid(1) + `", "name": "x"}}`},
		{"/group_snapshots", "/group_snapshots/detail", "group_snapshots", `{"group_snapshot": {"group_id": "GROUP", "name": "x"}}`,
			store.GroupSnapshot, `202 {"group_snapshot": {"id": "` + sid(1) + `", "name": "x"}}`},
		{"/cgsnapshots", "/cgsnapshots/detail", "cgsnapshots", `{"cgsnapshot": {"consistencygroup_id": "GROUP", "name": "x"}}`,
			store.GroupSnapshot, `202 {"cgsnapshot": {"id": "` + sid(1) + `", "name": "x"}}`},
		{"/groups/action", "/groups/detail", "groups", `{"create-from-src": {"source_group_id": "GROUP", "name": "x"}}`,
			store.Group, `202 {"group": {"id": "` + sid(1) + `", "name": "x"}}`},
		{"/consistencygroups/create_from_src", "/consistencygroups/detail", "consistencygroups",
			`{"consistencygroup-from-src": {"source_cgid": "GROUP", "name": "x"}}`, store.Group,
			`202 {"consistencygroup": {"id": "` + sid(1) + `", "name": "x"}}`},
		{"/volume-transfers", "/volume-transfers/detail", "transfers", `{"transfer": {"volume_id": "VOLUME", "name": "x"}}`, store.Transfer,
			`503 `}, // without its key, which was in the lost reply, it is good for nothing
	} {
		synctest.Test(t, func(t *testing.T) {
			u := newTop(t)
			p := u.Register(&podtest.Pod{Region: "east", Volume: forgetful(c.creates, c.list, c.rows, func(body []byte) string {
				var doc map[string]struct{ Name *string }
				if err := json.Unmarshal(body, &doc); err != nil {
					t.Error(err)
				}
				name := "null"
				for _, m := range doc {
					if m.Name != nil {
						name = fmt.Sprintf("%q", strings.TrimSpace(*m.Name))
					}
				}
				return fmt.Sprintf(`{"id": %q, "name": %s, "size": 1, "created_at": %q}`, sid(1), name, time.Now().UTC().Format("2006-01-02T15:04:05.000000"))
			})})
			for id, typ := range map[string]store.ResourceType{sid(20): store.Volume, sid(30): store.Group} {
				if err := u.routing.Record(t.Context(), store.Routing{Type: typ, TopID: id, BottomID: id, PodNum: p.Num}); err != nil {
					t.Fatal(err)
				}
			}
			body := strings.NewReplacer("VOLUME", sid(20), "GROUP", sid(30)).Replace(c.body)
			w := ask(t, u.cinder, "POST", "/v3/"+project+c.creates, body, "OpenStack-API-Version: volume 3.70")
			if got := fmt.Sprintf("%d %s", w.Code, strings.ReplaceAll(w.Body.String(), `":"`, `": "`)); !strings.HasPrefix(got, c.want) {
				t.Errorf("%s %s: got %s, want %s", c.creates, c.body, got, c.want)
			}
			known, err := u.routing.Known(t.Context(), c.typ, sid(1))
			if err != nil || (known != nil) != (w.Code == 202) {
				t.Errorf("%s: recorded in %v, %v", c.creates, known, err)
			}
		})
	}
}

// Nova's proxy spells names and times its own way.
func TestNewborn_LostReplyOfNovasProxy_IsAdopted(t *testing.T) {
	for body, want := range map[string]string{`{"volume": {"size": 1, "display_name": "x"}}`: `"x"`, `{"volume": {"size": 1}}`: `""`} {
		synctest.Test(t, func(t *testing.T) {
			u := newTop(t)
			u.Register(&podtest.Pod{Region: "east", Compute: forgetful("/os-volumes", "/os-volumes/detail", "volumes", func([]byte) string {
				return fmt.Sprintf(`{"id": %q, "displayName": %s, "createdAt": %q}`, sid(1), want, time.Now().UTC().Format("2006-01-02T15:04:05.000000"))
			})})
			w := ask(t, u.nova, "POST", "/v2.1/os-volumes", body)
			if w.Code != 200 || !strings.HasPrefix(w.Body.String(), `{"volume": {"id": "`+sid(1)+`"`) {
				t.Errorf("%s: got %d %s", body, w.Code, w.Body)
			}
			if known, err := u.routing.Known(t.Context(), store.Volume, sid(1)); known == nil {
				t.Errorf("%s: not recorded: %v", body, err)
			}
		})
	}
}
