package app

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tricircle/tricircle/internal/simcloud"
)

// The deadline of a call to a pod, and of a list, which leaves out who is silent after three quarters of it. It is short where a
// scene waits for it, and else so long that a busy machine is not taken for a sick pod.
const (
	shortDeadline = 5 * time.Second
	longDeadline  = 40 * time.Second
	hung          = 50 * time.Second
	gigabyte      = 1 << 30
	tooMuch       = 24 << 20 // more than the top may take of a gigabyte: 16 MiB, and what is in buffers of the network
)

// sickness is one row of docs/faults.md.
type sickness struct {
	name   string
	fault  simcloud.Fault
	stop   bool // the pod's ports are closed, too
	writes bool // it hits only what changes something, so only that is asked
	ends   bool // the client's token really ends meanwhile
	apart  bool // it is noticed by the prober, so that each operation needs a cloud of its own
}

func (s *sickness) deadline() time.Duration {
	if s.fault.Hang || s.fault.SlowBody > 0 {
		return shortDeadline
	}
	return longDeadline
}

// waited reports whether an answer that took so long waited for the deadline.
func (s *sickness) waited(took time.Duration) bool { return took >= s.deadline()*3/4 }

func after(f simcloud.Fault) simcloud.Fault {
	f.Executed = true
	return f
}

var sicknesses = []sickness{
	{name: "connection refused", stop: true, apart: true},
	{name: "hang", fault: simcloud.Fault{Hang: true}},
	{name: "hang, but it was carried out", fault: after(simcloud.Fault{Hang: true}), writes: true},
	{name: "hang for good, but it was carried out", fault: after(simcloud.Fault{Hang: true})},
	{name: "slow body", fault: simcloud.Fault{SlowBody: time.Second}},
	{name: "500", fault: simcloud.Fault{Status: 500}},
	{name: "500, but it was carried out", fault: after(simcloud.Fault{Status: 500}), writes: true},
	{name: "503 with Retry-After: 7", fault: simcloud.Fault{Status: 503, RetryAfter: 7}},
	{name: "503, but it was carried out", fault: after(simcloud.Fault{Status: 503, RetryAfter: 7}), writes: true},
	{name: "429 with Retry-After: 7", fault: simcloud.Fault{Status: 429, RetryAfter: 7}},
	{name: "connection reset", fault: simcloud.Fault{Reset: true}},
	{name: "lost reply", fault: simcloud.Fault{LostReply: true}, writes: true},
	{name: "reset in the middle of the body", fault: simcloud.Fault{ResetBody: true}},
	{name: "half a body", fault: simcloud.Fault{HalfBody: true}},
	{name: "half JSON", fault: simcloud.Fault{HalfJSON: true}},
	{name: "wrong JSON", fault: simcloud.Fault{WrongJSON: true}},
	{name: "wrong JSON in the service's name, carried out", fault: after(simcloud.Fault{WrongJSON: true, InItsName: true})},
	{name: "redirect", fault: simcloud.Fault{Redirect: true}},
	{name: "redirect, but it was carried out", fault: after(simcloud.Fault{Redirect: true}), writes: true},
	{name: "web page with 200", fault: simcloud.Fault{HTML: true}},
	{name: "web page with 404", fault: simcloud.Fault{HTML: true, Status: 404}},
	{name: "web page with 502", fault: simcloud.Fault{HTML: true, Status: 502}},
	{name: "web page with 502, but it was carried out", fault: after(simcloud.Fault{HTML: true, Status: 502}), writes: true},
	{name: "a gigabyte", fault: simcloud.Fault{HugeBody: gigabyte}},
	{name: "a gigabyte, but it was carried out", fault: after(simcloud.Fault{HugeBody: gigabyte}), writes: true},
	{name: "token refused by the pod alone", fault: simcloud.Fault{Status: 401}},
	{name: "token ends between two pods", fault: simcloud.Fault{Status: 401, Latency: 100 * time.Millisecond}, ends: true, apart: true},
}

// operations are the columns. Those that begin with one of the first three change something.
var operations = []string{"create", "action", "delete", "read", "list", "list by name"}

func changing(operation string) bool {
	return operation == "create" || operation == "action" || operation == "delete"
}

// kind is one sort of resource that operations are on.
type kind struct {
	role, service, collection string
	create                    func(c *cloud, name, zone string) string // a body
	act                       string
	acted                     func(row map[string]any) bool // whether the action shows
}

var kinds = []kind{
	{role: compute, service: "compute", collection: "servers", create: (*cloud).bootBody, act: `{"os-stop": null}`,
		acted: func(row map[string]any) bool { return row["status"] == "SHUTOFF" }},
	{role: volume, service: "volume", collection: "volumes", act: `{"os-extend": {"new_size": 2}}`,
		create: func(_ *cloud, name, zone string) string {
			return fmt.Sprintf(`{"volume": {"name": %q, "size": 1, "availability_zone": %q}}`, name, zone)
		},
		acted: func(row map[string]any) bool { return row["size"] == 2.0 }},
}

func (k kind) member() string { return strings.TrimSuffix(k.collection, "s") }

// host is where the pods of a scene listen. Those that close their ports must find them free again, so they have an address of their
// own, where there is one without further ado.
func (k kind) host(ill sickness) string {
	switch {
	case !ill.stop || runtime.GOOS != "linux":
		return ""
	case k.service == "compute":
		return "127.0.0.2"
	}
	return "127.0.0.3"
}

// scene is a top over two pods, the second of which falls ill, and the operations that are then tried, all at once.
type scene struct {
	*cloud
	kind
	sickness
	token      string
	operations []string
	ids        map[string]string // of resources, by name
	got        map[string]outcome
}

// outcome is what came of one operation.
type outcome struct {
	answer
	took   time.Duration
	cell   string // of the first table
	text   string
	effect string // for the second
}

func TestFaults_EveryOperation_LosesAndDoublesNothing(t *testing.T) {
	var results [2][]*scene
	t.Run("of", func(t *testing.T) {
		for i, k := range kinds {
			t.Run(k.collection, func(t *testing.T) {
				t.Parallel()
				results[i] = play(t, k)
			})
		}
	})
	if !t.Failed() {
		compareFaultPage(t, results)
	}
}

// play plays all scenes of a kind, several at a time, for most of them wait.
func play(t *testing.T, k kind) []*scene {
	var scenes []*scene
	for _, s := range sicknesses {
		asked := operations
		if s.writes {
			asked = operations[:3]
		}
		if !s.apart {
			scenes = append(scenes, newScene(t, k, s, asked...))
			continue
		}
		for _, operation := range asked {
			scenes = append(scenes, newScene(t, k, s, operation))
		}
	}
	var wg sync.WaitGroup
	stage := make(chan struct{}, 12)
	for _, s := range scenes {
		wg.Go(func() {
			stage <- struct{}{}
			defer func() { <-stage }()
			s.play()
		})
	}
	wg.Wait()
	for _, s := range scenes {
		s.check()
	}
	return scenes
}

func newScene(t *testing.T, k kind, ill sickness, asked ...string) *scene {
	t.Helper()
	c := newCloudOf(t, simcloud.Options{Pods: 2, Host: k.host(ill)}, "pod.timeout="+ill.deadline().String(),
		"pod.list_timeout="+ill.deadline().String(), "pod.probe_interval=1h", "pod.breaker_failures=1000")
	s := &scene{cloud: c, kind: k, sickness: ill, token: c.sim.Token("demo", "demo", time.Hour), operations: asked,
		ids: map[string]string{}, got: map[string]outcome{}}
	for name, zone := range map[string]string{"healthy": "az1", "read": "az2", "acted": "az2", "deleted": "az2"} {
		a := c.call(k.role, "POST", "/"+k.collection, k.create(c, name, zone)).want(t, 202)
		s.ids[name] = a.id(t, k.member())
	}
	return s
}

// request is what an operation asks for.
func (s *scene) request(operation string) (method, path, body string) {
	path = "/" + s.collection
	switch operation {
	case "create":
		return "POST", path, s.create(s.cloud, "created", "az2")
	case "action":
		return "POST", path + "/" + s.ids["acted"] + "/action", s.act
	case "delete":
		return "DELETE", path + "/" + s.ids["deleted"], ""
	case "read":
		return "GET", path + "/" + s.ids["read"], ""
	case "list":
		return "GET", path + "/detail", ""
	}
	return "GET", path + "?name=read", ""
}

// play makes the pod ill and lets each operation be asked by a client of its own. What they got is in s.got.
func (s *scene) play() {
	requests := map[string][3]string{}
	for _, o := range s.operations {
		method, path, body := s.request(o)
		requests[o] = [3]string{method, s.url(s.role) + path, body}
	}
	// From now on the top believes the token until a pod refuses it.
	if _, err := s.ask("GET", s.url(s.role)+"/"+s.collection, ""); err != nil {
		s.t.Error(err)
	}
	s.sim.Pod(0).ResetRequests()
	s.sim.Pod(1).ResetRequests()
	s.fall()
	var wg sync.WaitGroup
	var mu sync.Mutex
	over := make(chan struct{})
	var neighbour sync.WaitGroup
	neighbour.Go(func() { s.watchNeighbour(over) })
	for o, r := range requests {
		wg.Go(func() {
			start := time.Now()
			a, err := s.ask(r[0], r[1], r[2])
			if err != nil {
				s.t.Errorf("%s, %s: the top itself failed: %v", s.name, o, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			s.got[o] = outcome{answer: a, took: time.Since(start)}
		})
	}
	wg.Wait()
	close(over)
	neighbour.Wait()
}

// ask is a client that marks its requests as safe to repeat, which must not tempt the top.
func (s *scene) ask(method, url, body string) (answer, error) {
	return s.try(method, url, body, "X-Auth-Token", s.token, "Idempotency-Key", "1")
}

// fall makes the second pod ill. Probes are not hit, but by closed ports.
func (s *scene) fall() {
	f := s.fault
	f.Service, f.PathContains = s.service, "/"+s.collection
	if s.writes {
		f.Methods = []string{http.MethodPost, http.MethodDelete}
	}
	if s.ends {
		f.Before = func() { s.sim.Revoke(s.token) }
	}
	s.sim.Pod(1).SetFault(f)
	if s.stop {
		s.sim.Pod(1).Stop()
	}
}

// watchNeighbour reads from the healthy pod until over is closed, and then once more: it must be as fast as ever.
func (s *scene) watchNeighbour(over <-chan struct{}) {
	pause := time.NewTicker(100 * time.Millisecond)
	defer pause.Stop()
	token := s.sim.Token("demo", "demo", time.Hour)
	var took []time.Duration
	for last := false; ; {
		start := time.Now()
		a, err := s.try("GET", s.url(s.role)+"/"+s.collection+"/"+s.ids["healthy"], "", "X-Auth-Token", token)
		if err != nil || a.StatusCode != 200 {
			s.t.Errorf("%s: the healthy pod's answer: %v %s", s.name, err, a.body)
		}
		took = append(took, time.Since(start))
		if last {
			break
		}
		select {
		case <-over:
			last = true
		case <-pause.C:
		}
	}
	slices.Sort(took)
	if median := took[len(took)/2]; median > s.deadline()/2 {
		s.t.Errorf("%s: the healthy pod's answers took %v", s.name, took)
	}
}

// check compares what clients got with what the pods have, when all are well again, and fills in the outcomes.
func (s *scene) check() {
	s.t.Helper()
	journals := [2][]simcloud.Request{s.sim.Pod(0).Requests(), s.sim.Pod(1).Requests()}
	if took, asked := s.sim.Pod(1).HugeBytes(), len(journals[1]); took > int64(asked)*tooMuch {
		s.t.Errorf("%s: the top took %d bytes of %d answers", s.name, took, asked)
	}
	s.sim.Pod(1).SetFault(simcloud.Fault{})
	if err := s.sim.Pod(1).Restart(); err != nil {
		s.t.Fatal(err)
	}
	for _, r := range journals[0] {
		if r.Method != http.MethodGet {
			s.t.Errorf("%s: the healthy pod was sent %s %s", s.name, r.Method, r.Path)
		}
	}
	rows := s.inPod(1)
	for _, o := range s.operations {
		got := s.got[o]
		if got.Response == nil {
			continue
		}
		got.cell, got.text = s.describe(got)
		if changing(o) {
			got.effect = s.judge(o, got, rows, journals[1])
		}
		s.got[o] = got
	}
	s.agree(len(rows) + len(s.inPod(0)))
}

// inPod reads what a pod has, by id, past the top.
func (s *scene) inPod(i int) map[string]map[string]any {
	s.t.Helper()
	p := s.sim.Pod(i)
	url := p.ComputeURL + "/v2.1/servers/detail"
	if s.service == "volume" {
		url = p.VolumeURL + "/v3/volumes/detail"
	}
	rows := map[string]map[string]any{}
	list := s.send("GET", url, "", "X-Auth-Token", s.sim.Token("demo", "demo", time.Hour)).want(s.t, 200)
	for _, row := range list.get(s.t, s.collection).([]any) {
		r := row.(map[string]any)
		rows[r["id"].(string)] = r
	}
	return rows
}

// agree waits until the top lists all pods, and compares the number of rows: what it lists is what they have.
func (s *scene) agree(want int) {
	s.t.Helper()
	eventually(s.t, s.name+": the pod is back", func() bool {
		list := s.call(s.role, "GET", "/"+s.collection, "").want(s.t, 200)
		if list.Header.Get("X-Tricircle-Missing-Pods") != "" {
			return false
		}
		if n := len(list.get(s.t, s.collection).([]any)); n != want {
			s.t.Fatalf("%s: the top lists %d, the pods have %d", s.name, n, want)
		}
		return true
	})
}

// describe puts an answer into words for the table, and checks what holds for all.
func (s *scene) describe(got outcome) (cell, text string) {
	text = message(got.body)
	own := text == "Simulated fault." // the pod's words, passed on
	switch {
	case got.took > hung:
		s.t.Errorf("%s: hung for %v", s.name, got.took)
	case got.StatusCode == 500 && !own:
		s.t.Errorf("%s: 500 from the top: %s", s.name, got.body)
	case got.StatusCode > 500 && !strings.Contains(text, "pod2"):
		s.t.Errorf("%s: does not name the pod: %s", s.name, got.body)
	case got.StatusCode == 503 && got.Header.Get("Retry-After") == "":
		s.t.Errorf("%s: 503 without Retry-After: %s", s.name, got.body)
	case strings.Contains(got.body, "127.0.0.1") && got.StatusCode >= 400:
		s.t.Errorf("%s: tells an address: %s", s.name, got.body)
	}
	words := []string{fmt.Sprint(got.StatusCode)}
	if missing := got.Header.Get("X-Tricircle-Missing-Pods"); missing != "" {
		words = append(words, "without "+missing)
	}
	if seconds := got.Header.Get("Retry-After"); seconds != "" {
		words = append(words, "retry after "+seconds)
	}
	if s.waited(got.took) {
		words = append(words, "at the deadline")
	}
	return strings.Join(words, ", "), text
}

// judge says what a change came to, in the pod and in the client's eyes, and refuses what was lost or doubled.
func (s *scene) judge(operation string, got outcome, rows map[string]map[string]any, journal []simcloud.Request) string {
	s.t.Helper()
	method, path, _ := s.request(operation)
	sent := 0
	for _, r := range journal {
		if r.Method == method && strings.HasSuffix(r.Path, path) {
			sent++
		}
	}
	if sent > 1 {
		s.t.Errorf("%s, %s: DOUBLED: sent %d times", s.name, operation, sent)
	}
	done, told := s.happened(operation, got, rows), got.StatusCode < 300
	unknown := strings.Contains(got.text, "look before trying again")
	effect := map[bool]string{true: "carried out once", false: "not carried out"}[done]
	switch {
	case told && done:
		return effect + ", told so"
	case unknown:
		return effect + ", told to look"
	case !told && !done:
		return effect + ", told so"
	case done && got.StatusCode == 500 && s.fault.Status == 500:
		return effect + ", the service's own 500 passed on"
	}
	s.t.Errorf("%s, %s: LOST: the client got %d %s, and it was %s", s.name, operation, got.StatusCode, got.body, effect)
	return "LOST"
}

// happened reports what the pod has made of a change, and checks that it was made once, under the id that the client knows.
func (s *scene) happened(operation string, got outcome, rows map[string]map[string]any) bool {
	switch operation {
	case "action":
		return s.acted(rows[s.ids["acted"]])
	case "delete":
		return rows[s.ids["deleted"]] == nil
	}
	var made []string
	for id, row := range rows {
		if row["name"] == "created" {
			made = append(made, id)
		}
	}
	if len(made) > 1 {
		s.t.Errorf("%s: DOUBLED: %v", s.name, made)
	}
	if got.StatusCode < 300 && (len(made) != 1 || got.id(s.t, s.member()) != made[0]) {
		s.t.Errorf("%s: the client was told of %s, the pod has %v", s.name, got.body, made)
	}
	return len(made) > 0
}

// message is the text of an error, "" of a success.
func message(body string) string {
	var doc map[string]json.RawMessage
	if json.Unmarshal([]byte(body), &doc) != nil {
		return ""
	}
	for _, raw := range doc {
		var f struct {
			Code           int
			Message, Title string
		}
		if json.Unmarshal(raw, &f) == nil && f.Code >= 400 {
			return cmp.Or(f.Message, f.Title)
		}
	}
	return ""
}
