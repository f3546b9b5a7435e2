package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tricircle/tricircle/internal/pod/podtest"
	"github.com/tricircle/tricircle/internal/store"
)

// writable is a pod that creates what it is asked for, if it offers the type that the body names.
type writable struct {
	podtest.Pod
	offers string // a type
	lose   bool   // the reply to a creation

	mu     sync.Mutex
	bodies []string
	rows   []string
}

func (p *writable) serve(req *http.Request) (*http.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	path := strings.Split(strings.TrimPrefix(req.URL.Path, "/"+project+"/"), "/")
	if req.Method == http.MethodGet {
		if len(path) == 2 && path[1] == "detail" {
			return podtest.JSON(200, fmt.Sprintf(`{%q: [%s]}`, path[0], strings.Join(p.rows, ", ")))(req)
		}
		return podtest.Status(404)(req)
	}
	raw, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	body := string(raw)
	p.bodies = append(p.bodies, body)
	if p.offers != "" && !strings.Contains(body, `"`+p.offers+`"`) {
		return podtest.JSON(404, `{"itemNotFound": {"code": 404, "message": "Volume type with name x could not be found."}}`)(req)
	}
	row := fmt.Sprintf(`{"id": %q, "name": "a", "status": "creating", "user_id": %q, "created_at": %q}`, sid(len(p.bodies)), user,
		time.Now().UTC().Format("2006-01-02T15:04:05.000000"))
	if p.rows = append(p.rows, row); p.lose {
		return podtest.Reset(req)
	}
	return podtest.JSON(202, fmt.Sprintf(`{%q: %s}`, strings.TrimSuffix(path[0], "s"), row))(req)
}

// offering registers pods that offer one type each.
func offering(t *testing.T, types ...string) (*top, []*writable) {
	u := newTop(t)
	var pods []*writable
	for i, name := range types {
		p := &writable{Pod: podtest.Pod{Region: fmt.Sprintf("pod%d", i+1)}, offers: name}
		p.Volume = p.serve
		u.Register(&p.Pod)
		pods = append(pods, p)
	}
	return u, pods
}

func TestCreate_ByType_GoesToThePodThatOffersIt(t *testing.T) {
	for _, c := range []struct {
		path, body string
		asked      []int // creates that reach the pods
		status     int
	}{
		{"/volumes", `{"volume": {"name": "a", "volume_type": "gold"}}`, []int{1, 0}, 202},
		{"/volumes", `{"volume": {"name": "a", "volume_type": "silver"}}`, []int{1, 1}, 202},
		{"/volumes", `{"volume": {"name": "a", "volume_type": "lead"}}`, []int{1, 1}, 404},
		{"/volumes", `{"volume": {"name": "a", "volume_type": "silver", "availability_zone": "az-pod1"}}`, []int{1, 0}, 404},
		{"/groups", `{"group": {"name": "a", "group_type": "gt", "volume_types": ["silver"]}}`, []int{1, 1}, 202},
		{"/groups", `{"group": {"name": "a", "volume_types": ["silver"], "availability_zone": "az-pod2"}}`, []int{0, 1}, 202},
		{"/consistencygroups", `{"consistencygroup": {"name": "a", "volume_types": "silver"}}`, []int{1, 1}, 202},
	} {
		u, pods := offering(t, "gold", "silver")
		w := ask(t, u.cinder, "POST", "/v3/"+project+c.path, c.body, "OpenStack-API-Version: volume 3.70")
		var asked []int
		for _, p := range pods {
			asked = append(asked, len(p.bodies))
		}
		if w.Code != c.status || !slices.Equal(asked, c.asked) {
			t.Errorf("%s %s: %d, pods were asked %v, want %d, %v", c.path, c.body, w.Code, asked, c.status, c.asked)
		}
		inFirst := c.status == 202 && asked[1] == 0
		if home := u.routing.Home(t.Context(), project); (home != nil) != inFirst {
			t.Errorf("%s %s: the project is bound to %v", c.path, c.body, home)
		}
	}
}

func TestCreate_TypeThatADeadPodMayOffer_IsUnavailable(t *testing.T) {
	u, pods := offering(t, "gold", "silver")
	u.Handle(pods[1].Region+".volume", nil)
	w := ask(t, u.cinder, "POST", "/v3/"+project+"/volumes", `{"volume": {"name": "a", "volume_type": "silver"}}`)
	if got := refusal(w); w.Code != 503 || !strings.Contains(got, "pod2") {
		t.Errorf("got %s", got)
	}
}

// One probe that failed may have been late on a busy machine. What a project creates meanwhile must still find what it has.
func TestCreate_NoZone_StaysInTheProjectsPodUntilItsCircuitOpens(t *testing.T) {
	u, pods := offering(t, "", "")
	home := u.Registry.Snapshot().Serving()[0]
	asked := func() []int {
		if w := ask(t, u.cinder, "POST", "/v3/"+project+"/volumes", `{"volume": {"name": "a"}}`); w.Code != 202 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		return []int{len(pods[0].bodies), len(pods[1].bodies)}
	}
	if got := asked(); !slices.Equal(got, []int{1, 0}) {
		t.Fatalf("pods were asked %v, want the first that was registered", got)
	}
	pods[0].SetFault(podtest.Status(500))
	u.Registry.Probe(t.Context(), home)
	pods[0].SetFault(nil)
	if got := asked(); !slices.Equal(got, []int{2, 0}) {
		t.Errorf("after one failed probe pods were asked %v, want the project's", got)
	}
	u.Handle(home.RegionName+".volume", nil)
	u.Registry.Probe(t.Context(), home)
	if got := asked(); !slices.Equal(got, []int{2, 1}) {
		t.Errorf("with an open circuit pods were asked %v, want the other", got)
	}
}

func TestCreate_ZoneThatNobodyServes_IsRefusedAsCinderDoes(t *testing.T) {
	u, _ := offering(t, "")
	for member, want := range map[string]string{
		"volume":           "400 Availability zone 'x' is invalid.",
		"group":            "400 Invalid input received: Availability zone 'x' is invalid.",
		"consistencygroup": "400 Invalid input received: Availability zone 'x' is invalid.",
	} {
		w := ask(t, u.cinder, "POST", "/v3/"+project+"/"+member+"s", fmt.Sprintf(`{%q: {"availability_zone": "x"}}`, member),
			"OpenStack-API-Version: volume 3.70")
		if got := refusal(w); got != want {
			t.Errorf("%s: got %s, want %s", member, got, want)
		}
	}
}

func TestCreate_LostReply_AnswersAsThePodWouldHave(t *testing.T) {
	for path, c := range map[string]struct {
		member string
		brief  bool
		typ    store.ResourceType
	}{
		"/volumes": {"volume", false, store.Volume}, "/groups": {"group", true, store.Group}, "/consistencygroups": {"consistencygroup", true, store.Group},
	} {
		u, pods := offering(t, "")
		pods[0].lose = true
		w := ask(t, u.cinder, "POST", "/v3/"+project+path, fmt.Sprintf(`{%q: {"name": " a "}}`, c.member), "OpenStack-API-Version: volume 3.70")
		brief := `{"` + c.member + `": {"id": "` + sid(1) + `", "name": "a"}}`
		if w.Code != 202 || (w.Body.String() == brief) != c.brief || !strings.Contains(w.Body.String(), sid(1)) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		if len(pods[0].bodies) != 1 {
			t.Errorf("%s: sent %d times", path, len(pods[0].bodies))
		}
		if p, err := u.routing.Known(t.Context(), c.typ, sid(1)); err != nil || p == nil {
			t.Errorf("%s: not recorded: %v", path, err)
		}
	}
}

func TestAttachment_ServerOfAnotherPod_IsRefusedIfItIsKnown(t *testing.T) {
	u, pods := offering(t, "", "")
	for i, p := range u.Registry.Snapshot().Serving() {
		for _, typ := range []store.ResourceType{store.Volume, store.Server} {
			if err := u.routing.Record(t.Context(), store.Routing{Type: typ, TopID: sid(i + 1), BottomID: sid(i + 1), PodNum: p.Num}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for server, want := range map[string]int{sid(1): 202, sid(2): 400, sid(3): 202, "anything": 202} {
		body := `{"attachment": {"volume_uuid": "` + sid(1) + `", "instance_uuid": "` + server + `"}}`
		w := ask(t, u.cinder, "POST", "/v3/"+project+"/attachments", body, "OpenStack-API-Version: volume 3.70")
		if w.Code != want {
			t.Errorf("%s: %d %s", server, w.Code, w.Body)
		}
	}
	if len(pods[0].bodies) != 3 || len(pods[1].bodies) != 0 {
		t.Errorf("pods were asked %d and %d times", len(pods[0].bodies), len(pods[1].bodies))
	}
}

// A transfer is shown to nobody but the donor, so discovery cannot find it for whom it is meant.
func TestTransfer_AcceptedByAnotherProject_FindsThePod(t *testing.T) {
	const accept = `{"accept": {"auth_key": "k"}}`
	for name, known := range map[string]bool{"known": true, "unknown": false} {
		u := newTop(t)
		var pods []*podtest.Pod
		for i := range 3 {
			p := &podtest.Pod{Region: fmt.Sprintf("pod%d", i+1)}
			p.Volume = podtest.Status(404)
			if i == 1 {
				p.Volume = func(req *http.Request) (*http.Response, error) {
					if req.Method == http.MethodGet {
						return podtest.Status(404)(req)
					}
					return podtest.JSON(202, `{"transfer": {"id": "`+sid(1)+`", "volume_id": "`+sid(2)+`"}}`)(req)
				}
			}
			u.Register(p)
			pods = append(pods, p)
		}
		owner := u.Registry.Snapshot().Serving()[1]
		if known {
			if err := u.routing.Record(t.Context(), store.Routing{Type: store.Transfer, TopID: sid(1), BottomID: sid(1), PodNum: owner.Num, ProjectID: "donor"}); err != nil {
				t.Fatal(err)
			}
		}
		if w := ask(t, u.cinder, "POST", "/v3/"+project+"/volume-transfers/"+sid(1)+"/accept", accept); w.Code != 202 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if calls := pods[0].Calls(); known && len(calls) != 0 {
			t.Errorf("%s: a pod without the transfer was asked: %v", name, calls)
		}
		rows, err := u.Store.LookupRouting(t.Context(), store.Volume, sid(2))
		if err != nil || len(rows) != 1 || rows[0].ProjectID != project || rows[0].PodNum != owner.Num {
			t.Errorf("%s: the volume is recorded as %+v, %v", name, rows, err)
		}
	}
}

func TestTransfer_AcceptOfNone_IsNotFoundUnlessAPodIsDown(t *testing.T) {
	u, pods := offering(t, "", "")
	for _, p := range pods {
		p.Volume = podtest.Status(404)
	}
	accept := func() string {
		return refusal(ask(t, u.cinder, "POST", "/v3/"+project+"/os-volume-transfer/"+sid(1)+"/accept", `{"accept": {"auth_key": "k"}}`))
	}
	if got, want := accept(), "404 Transfer "+sid(1)+" could not be found."; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	u.Handle(pods[1].Region+".volume", nil)
	if got := accept(); !strings.HasPrefix(got, "503 ") {
		t.Errorf("with a pod down: %s", got)
	}
}
