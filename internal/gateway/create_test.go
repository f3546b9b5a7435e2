package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tricircle/tricircle/internal/obs"
	"github.com/tricircle/tricircle/internal/pod/podtest"
	"github.com/tricircle/tricircle/internal/store"
)

// boots makes a pod create the servers that it is asked for, with the numbers from first on, and then answer as after says.
func boots(p *novaPod, first int, after podtest.Handler) podtest.Handler {
	var mu sync.Mutex
	return func(req *http.Request) (*http.Response, error) {
		var body struct{ Server struct{ Name string } }
		if err := json.NewDecoder(req.Body).Decode(&body); err != nil {
			return podtest.Status(400)(req)
		}
		mu.Lock()
		id := sid(first)
		first++
		mu.Unlock()
		p.add(server{id: id, name: body.Server.Name, created: seconds()})
		if after != nil {
			return after(req)
		}
		return podtest.JSON(202, `{"server": {"id": "`+id+`"}}`)(req)
	}
}

// seconds is now as the creation time of a server.
func seconds() int { return int(time.Now().Unix() - epoch.Unix()) }

// post boots a server of that name.
func post(t *testing.T, f *fleet, name string) *httptest.ResponseRecorder {
	return ask(t, f.nova, "POST", "/v2.1/servers", `{"server": {"name": "`+name+`"}}`)
}

func created(w *httptest.ResponseRecorder) string {
	var body struct{ Server struct{ ID string } }
	if json.Unmarshal(w.Body.Bytes(), &body) != nil || w.Code != 202 {
		return fmt.Sprintf("%d %s", w.Code, w.Body)
	}
	return body.Server.ID
}

// sent counts the creates that reached the pods.
func (f *fleet) sent() (n []int) {
	for _, p := range f.pods {
		count := 0
		for _, c := range p.Calls() {
			if c == "POST /v2.1/servers" {
				count++
			}
		}
		n = append(n, count)
	}
	return n
}

func TestCreate_Confirmed_IsRecorded(t *testing.T) {
	f := fleetOf(t, nil, nil, nil)
	f.pods[0].create = boots(f.pods[0], 1, nil)
	if got := created(post(t, f, "a")); got != sid(1) {
		t.Fatalf("got %s", got)
	}
	rows, err := f.Store.LookupRouting(t.Context(), store.Server, sid(1))
	if err != nil || len(rows) != 1 || rows[0].PodNum != f.known[0].Num || rows[0].ProjectID != project {
		t.Errorf("recorded %+v, %v", rows, err)
	}
}

func TestCreate_WithoutZone_StaysInThePodOfTheFirstOne(t *testing.T) {
	f := fleetOf(t, nil, nil, nil)
	f.pods[0].create, f.pods[1].create = boots(f.pods[0], 100, nil), boots(f.pods[1], 200, nil)
	f.pods[0].SetFault(podtest.Refused)
	if got := created(post(t, f, "a")); got != sid(200) {
		t.Fatalf("with the first pod down: %s", got)
	}
	f.pods[0].SetFault(nil)
	if got := created(post(t, f, "b")); got != sid(201) {
		t.Errorf("the first pod is back, and the project in the second one: %s", got)
	}
	f.pods[1].SetFault(podtest.Refused)
	if got := created(post(t, f, "c")); got != sid(100) {
		t.Errorf("its own pod is down: %s", got)
	}
	if b, err := f.Store.GetBinding(t.Context(), project); err != nil || b.PodNum != f.known[1].Num {
		t.Errorf("bound to %+v, %v, want the second pod as before", b, err)
	}
}

func TestCreate_InAZone_BindsNothing(t *testing.T) {
	f := fleetOf(t, nil, nil, nil)
	f.pods[1].create = boots(f.pods[1], 1, nil)
	w := ask(t, f.nova, "POST", "/v2.1/servers", `{"server": {"name": "a", "availability_zone": "az-pod2"}}`)
	if got := created(w); got != sid(1) {
		t.Fatalf("got %s", got)
	}
	if b, err := f.Store.GetBinding(t.Context(), project); err == nil {
		t.Errorf("bound to %+v by a create that said where", b)
	}
}

func TestCreate_Refused_IsTheClientsAnswer(t *testing.T) {
	f := fleetOf(t, nil, nil, nil)
	f.pods[0].create = podtest.JSON(403, `{"forbidden": {"code": 403, "message": "Quota exceeded"}}`)
	if got := refusal(post(t, f, "a")); got != "403 Quota exceeded" {
		t.Errorf("got %s", got)
	}
	if got := f.sent(); !slices.Equal(got, []int{1, 0}) {
		t.Errorf("sent %v: a refusal is no reason to try the next pod", got)
	}
}

func TestCreate_ConnectionRefused_TriesTheNextPod(t *testing.T) {
	f := fleetOf(t, nil, nil, nil)
	f.pods[1].create = boots(f.pods[1], 1, nil)
	f.Handle("pod1.compute", nil)
	if got := created(post(t, f, "a")); got != sid(1) {
		t.Errorf("got %s", got)
	}
	f.Handle("pod2.compute", nil)
	if w := post(t, f, "a"); w.Code != 503 {
		t.Errorf("no pod can be reached: %d", w.Code)
	}
}

func TestCreate_LostReply_IsAdoptedAndNeverSentAgain(t *testing.T) {
	for name, after := range map[string]podtest.Handler{"reset": podtest.Reset, "503": podtest.Status(503), "hang": podtest.Hang, "half": podtest.Half(`{"ser`),
		"half JSON": podtest.JSON(202, `{"server": {"id"`), "other JSON": podtest.JSON(202, `{"unexpected": 1}`), "a page": podtest.Text(200, "text/html", "<html>"),
		"a redirect": podtest.Status(302), "too much": podtest.Stream(202, "application/json", func(*http.Request) io.Reader { return io.LimitReader(endless{}, 1<<30) }),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := fleetOf(t, nil, nil, nil)
				f.pods[0].create = boots(f.pods[0], 1, after)
				f.pods[0].add(server{id: sid(50), name: "a", created: seconds() - 3600}) // of old
				f.pods[0].add(server{id: sid(51), name: "ab", created: seconds() + 60})
				if got := created(post(t, f, "a")); got != sid(1) {
					t.Errorf("got %s, want the new server", got)
				}
				if got := f.sent(); !slices.Equal(got, []int{1, 0}) {
					t.Errorf("sent %v", got)
				}
				if p, err := f.routing.Known(t.Context(), store.Server, sid(1)); err != nil || p == nil {
					t.Errorf("the adopted server has no routing: %v", err)
				}
			})
		})
	}
}

func TestCreate_LostReplyAppearsLater_IsAdopted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fleetOf(t, nil, nil)
		p := f.pods[0]
		p.create = func(req *http.Request) (*http.Response, error) {
			time.AfterFunc(2500*time.Millisecond, func() {
				p.add(server{id: sid(1), name: "a", created: seconds()})
			})
			return podtest.Reset(req)
		}
		if got := created(post(t, f, "a")); got != sid(1) {
			t.Errorf("got %s", got)
		}
	})
}

func TestCreate_LostReplyAndNothingThere_Is503(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fleetOf(t, nil, nil, nil)
		f.pods[0].create = podtest.Reset
		w := post(t, f, "a")
		want := `503 Pod pod1 did not confirm the creation of "a", and shows nothing new of that name. It may still appear: look before trying again.`
		if got := refusal(w); got != want || w.Header().Get("Retry-After") == "" {
			t.Errorf("got %s", got)
		}
		if got := f.sent(); !slices.Equal(got, []int{1, 0}) {
			t.Errorf("sent %v", got)
		}
	})
}

func TestCreate_LostRepliesOfOneName_AdoptEachItsOwn(t *testing.T) {
	for name, later := range map[string]podtest.Handler{"both lost": podtest.Reset, "one confirmed late": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := fleetOf(t, nil, nil)
				p := f.pods[0]
				var n atomic.Int32
				p.create = func(req *http.Request) (*http.Response, error) {
					if n.Add(1) == 1 {
						<-time.After(time.Second / 2)
						return boots(p, 2, podtest.Reset)(req)
					}
					return boots(p, 1, func(req *http.Request) (*http.Response, error) {
						<-time.After(time.Second) // its server is there, and listed first, and its reply is not
						if later != nil {
							return later(req)
						}
						return podtest.JSON(202, `{"server": {"id": "`+sid(1)+`"}}`)(req)
					})(req)
				}
				var got [2]string
				var wg sync.WaitGroup
				for i := range got {
					wg.Go(func() { got[i] = created(post(t, f, "same")) })
				}
				wg.Wait()
				slices.Sort(got[:])
				if got != [2]string{sid(1), sid(2)} {
					t.Errorf("got %q, want each server once", got)
				}
			})
		})
	}
}

func TestCreate_BegunWhileAnotherLooks_IsNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fleetOf(t, nil, nil)
		p := f.pods[0]
		later := make(chan string)
		looked := false
		lose := podtest.Handler(podtest.Reset)
		p.create = func(req *http.Request) (*http.Response, error) {
			if lose != nil { // and nothing comes of it
				lose = nil
				return podtest.Reset(req)
			}
			return boots(p, 1, func(req *http.Request) (*http.Response, error) {
				<-time.After(100 * time.Millisecond)
				return podtest.JSON(202, `{"server": {"id": "`+sid(1)+`"}}`)(req)
			})(req)
		}
		compute := p.Compute
		p.Compute = func(req *http.Request) (*http.Response, error) {
			if !looked && req.Method == http.MethodGet { // the look for what was lost: now the other begins
				looked = true
				go func() { later <- created(post(t, f, "a")) }()
				synctest.Wait()
			}
			return compute(req)
		}
		w := post(t, f, "a")
		if got := <-later; got != sid(1) {
			t.Errorf("the later one got %s, want its own server", got)
		}
		if w.Code != 503 {
			t.Errorf("the one that made nothing got %s", created(w))
		}
	})
}

func TestCreate_ClientHangsUp_OutcomeIsRecorded(t *testing.T) {
	for name, after := range map[string]podtest.Handler{"confirmed": nil, "reply lost": podtest.Reset, "reply cut": podtest.Half(`{`)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := fleetOf(t, nil, nil)
				p := f.pods[0]
				p.create = func(req *http.Request) (*http.Response, error) {
					<-time.After(2 * time.Second)
					return boots(p, 1, after)(req)
				}
				ctx, cancel := context.WithCancel(obs.WithRequestID(t.Context(), requestID, ""))
				time.AfterFunc(time.Second, cancel)
				askWith(ctx, f.nova, "POST", "/v2.1/servers", `{"server": {"name": "a"}}`)
				if known, err := f.routing.Known(t.Context(), store.Server, sid(1)); err != nil || known == nil {
					t.Errorf("the server has no routing: %v", err)
				}
			})
		})
	}
}

func TestCreate_Placement(t *testing.T) {
	u := newTop(t)
	var bodies map[string]string
	pods := map[string]*novaPod{}
	for _, region := range []string{"east", "west", "full"} {
		p := newNovaPod(region)
		p.create = func(req *http.Request) (*http.Response, error) {
			body, err := io.ReadAll(req.Body)
			if err != nil {
				return nil, err
			}
			bodies[region] = string(body)
			return podtest.JSON(202, `{"server": {"id": "`+sid(1)+`"}}`)(req)
		}
		pods[region] = p
	}
	pods["east"].ComputeZones = []string{"nova", "gpu"}
	pods["east"].WithoutVolume = true
	east := u.Register(&pods["east"].Pod, store.Zone{Name: "z1", PodName: "nova"}, store.Zone{Name: "z2", PodName: "gpu"})
	west := u.Register(&pods["west"].Pod, store.Zone{Name: "z3"})
	full := u.Register(&pods["full"].Pod, store.Zone{Name: "z4"})
	row := full.Pod
	row.State = store.PodDraining
	if err := u.Registry.Update(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	for _, r := range []store.Routing{
		{Type: store.Volume, TopID: sid(10), PodNum: east.Num}, {Type: store.Volume, TopID: sid(20), PodNum: west.Num},
		{Type: store.Snapshot, TopID: sid(21), PodNum: west.Num}, {Type: store.Volume, TopID: sid(30), PodNum: full.Num},
		{Type: store.Server, TopID: sid(22), PodNum: west.Num},
	} {
		r.BottomID = r.TopID
		if err := u.routing.Record(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	volume := func(kind string, n int) string {
		return fmt.Sprintf(`"block_device_mapping_v2": [{"source_type": %q, "uuid": %q, "boot_index": 0}]`, kind, sid(n))
	}
	for _, c := range []struct{ name, server, want string }{
		{"nothing asked for", `{"name": "a"}`, `east {"server": {"name": "a"}}`},
		{"zone", `{"availability_zone": "z2", "x": 1}`, `east {"server": {"availability_zone": "gpu", "x": 1}}`},
		{"zone of all the pod", `{"availability_zone": "z3", "x": 1}`, `west {"server": {"x": 1}}`},
		{"zone and host", `{"availability_zone": "z2:host:node"}`, `east {"server": {"availability_zone": "gpu:host:node"}}`},
		{"host in any zone of the pod", `{"availability_zone": "z3:host"}`, `west {"server": {"availability_zone": ":host"}}`},
		{"host without a zone", `{"availability_zone": ":host"}`, `east {"server": {"availability_zone": ":host"}}`},
		{"unknown zone", `{"availability_zone": "nova"}`, "400 The requested availability zone is not available"},
		{"zone of a draining pod", `{"availability_zone": "z4"}`, "503 Pod full, which serves the availability zone, takes nothing new at the moment: it is draining."},
		{"volume", `{` + volume("volume", 20) + `}`, `west {"server": {` + volume("volume", 20) + `}}`},
		{"snapshot", `{` + volume("snapshot", 21) + `}`, `west {"server": {` + volume("snapshot", 21) + `}}`},
		{"volume, old form", `{"block_device_mapping": [{"volume_id": "` + sid(20) + `"}]}`, `west {"server": {"block_device_mapping": [{"volume_id": "` + sid(20) + `"}]}}`},
		{"volume in a draining pod", `{` + volume("volume", 30) + `}`, "503 volume " + sid(30) + " is in pod full, which takes nothing new at the moment: it is draining."},
		{"volume and another zone", `{"availability_zone": "z1", ` + volume("volume", 20) + `}`, "400 volume " + sid(20) + " is in z3, outside the availability zone that was asked for."},
		{"volumes in two pods", `{"block_device_mapping_v2": [{"source_type": "volume", "uuid": "` + sid(10) + `"}, {"source_type": "volume", "uuid": "` + sid(20) + `"}]}`,
			"400 volume " + sid(20) + " is in another pod (z3) than volume " + sid(10) + " (z1, z2); one server or volume cannot use both."},
		{"unknown volume", `{` + volume("volume", 99) + `}`, "400 Block Device Mapping is Invalid: failed to get volume " + sid(99) + "."},
		{"unknown snapshot", `{` + volume("snapshot", 99) + `}`, "400 Block Device Mapping is Invalid: failed to get snapshot " + sid(99) + "."},
		{"unknown port", `{"networks": [{"port": "` + sid(99) + `"}]}`, "400 Port id " + sid(99) + " could not be found."},
		{"volume id that is none", `{` + strings.Replace(volume("volume", 1), sid(1), "x", 1) + `}`, `east {"server": {` + strings.Replace(volume("volume", 1), sid(1), "x", 1) + `}}`},
		{"body of an odd shape", `{"networks": "auto", "block_device_mapping_v2": {"a": 1}, "availability_zone": 7}`,
			`east {"server": {"networks": "auto", "block_device_mapping_v2": {"a": 1}, "availability_zone": 7}}`},
		{"no JSON", `{`, "400 Malformed request body"},
	} {
		bodies = map[string]string{}
		got := refusal(ask(t, u.nova, "POST", "/v2.1/servers", `{"server": `+c.server+`}`))
		for region, body := range bodies {
			got = region + " " + body
		}
		if got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
	bodies = map[string]string{}
	w := ask(t, u.nova, "POST", "/v2.1/servers", `{"server": {}, "os:scheduler_hints": {"same_host": ["`+sid(22)+`"], "different_host": "`+sid(99)+`"}}`)
	if w.Code != 202 || bodies["west"] == "" {
		t.Errorf("a hint at a server: %s, %v", refusal(w), bodies)
	}
}

func TestCreate_Multiple_RecordsThemAll(t *testing.T) {
	f := fleetOf(t, nil, nil)
	p := f.pods[0]
	p.create = func(req *http.Request) (*http.Response, error) {
		for n := range 3 {
			p.add(server{id: sid(n + 1), name: fmt.Sprintf("a-%d", n+1)})
		}
		return podtest.JSON(202, `{"server": {"id": "`+sid(1)+`"}}`)(req)
	}
	if w := ask(t, f.nova, "POST", "/v2.1/servers", `{"server": {"name": "a", "min_count": 3}}`); w.Code != 202 {
		t.Fatal(w.Body)
	}
	for _, id := range ids(1, 2, 3) {
		if known, err := f.routing.Known(t.Context(), store.Server, id); err != nil || known == nil {
			t.Errorf("%s has no routing: %v", id, err)
		}
	}
}

func TestAttach_AcrossPods_Is400(t *testing.T) {
	u := newTop(t)
	east := u.Register(&podtest.Pod{Region: "east", Compute: podtest.JSON(200, `{}`)})
	west := u.Register(&podtest.Pod{Region: "west"})
	for _, r := range []store.Routing{{Type: store.Server, TopID: sid(1), PodNum: east.Num},
		{Type: store.Volume, TopID: sid(2), PodNum: east.Num}, {Type: store.Volume, TopID: sid(3), PodNum: west.Num}} {
		r.BottomID = r.TopID
		if err := u.routing.Record(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	attach := func(n int) string {
		return refusal(ask(t, u.nova, "POST", "/v2.1/servers/"+sid(1)+"/os-volume_attachments", `{"volumeAttachment": {"volumeId": "`+sid(n)+`"}}`))
	}
	if got := attach(2); got != "200 {}" {
		t.Errorf("in one pod: %s", got)
	}
	want := "400 Invalid volume: volume " + sid(3) + " is in az-west, server " + sid(1) + " is in az-east; a volume can only be attached in its own pod."
	if got := attach(3); got != want {
		t.Errorf("in two: %s", got)
	}
	if got := attach(9); got != "200 {}" {
		t.Errorf("a volume that no pod has is for the server's pod to refuse: %s", got)
	}
}
