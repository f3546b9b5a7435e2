package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

const (
	manyPods    = 100
	manyServers = 1_000_000
)

// rest is how long the top is watched at rest: a whole number of rounds of probes.
const rest = 20 * time.Second

// loads makes table c: many clients at once, on many servers in many pods.
func (b *bench) loads(ctx context.Context) ([]table, error) {
	s, err := b.startSim(ctx, "", manyPods, manyServers)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	t, err := b.startTop(ctx, "", s)
	if err != nil {
		return nil, err
	}
	defer t.stop()
	if err := t.register(s); err != nil {
		return nil, err
	}
	ids, err := s.servers(1000)
	if err != nil {
		return nil, err
	}
	out := table{title: "Many clients, 100 pods, 1,000,000 servers", head: []string{"clients", "requests/s", "p50 ms", "p99 ms", "max ms", "requests",
		"failed: API", "failed: server", "top's memory, most", "top's CPU"}}
	out.about = fmt.Sprintf("Clients that never pause, for %s; top, pods and clients share the machine. Of the calls are %s. Lists are of 20 (6 in 10), 50, 100, 500 and 1000 (1 in 100) "+
		"servers of all pods, shows of any of %d servers, which the top has not heard of before; %d users. An API failure is an answer with another status than it should have; a server failure is 5xx, "+
		"no answer, or a list without the rows of a pod. With 1000 clients no request may fail, and the top may use 512 MiB.", b.load, mixture, len(ids), tokens)
	for _, n := range []int{500, 1000, 5000} {
		if err := b.loadOf(ctx, n, s, t, ids, &out); err != nil {
			return nil, err
		}
	}
	idle, err := b.idle(ctx, s, t)
	return []table{out, idle}, err
}

func (b *bench) loadOf(ctx context.Context, n int, s *sim, t *top, ids []string, out *table) error {
	clients := make([]client, n)
	for i := range clients {
		clients[i] = &user{conn: conn{address: t.nova}, sim: s, ids: ids, token: s.Tokens[i%len(s.Tokens)],
			random: rand.New(rand.NewPCG(uint64(n), uint64(i)))}
	}
	defer hangUp(clients)
	// Forgets the most memory that the process has had so far (proc(5)).
	_ = os.WriteFile(filepath.Join("/proc", strconv.Itoa(t.cmd.Process.Pid), "clear_refs"), []byte("5"), 0)
	before := t.cpu()
	profiled := make(chan error, 1)
	go func() { profiled <- b.profile(t, fmt.Sprintf("load-%d", n), b.load*3/4) }()
	r := drive(ctx, b.load, clients)
	if r.example != "" {
		fmt.Fprintf(os.Stderr, "bench: with %d clients, for example: %s\n", n, r.example)
	}
	out.add(strconv.Itoa(n), fmt.Sprintf("%.0f", r.perSecond()), millis(r.percentile(50)), millis(r.percentile(99)), millis(r.percentile(100)),
		strconv.Itoa(len(r.took)), strconv.Itoa(r.api), strconv.Itoa(r.server), mib(t.memory("VmHWM")),
		fmt.Sprintf("%.0f%%", 100*(t.cpu()-before).Seconds()/r.elapsed.Seconds()))
	return <-profiled
}

// idle counts what pods are asked when nobody asks the top.
func (b *bench) idle(ctx context.Context, s *sim, t *top) (table, error) {
	out := table{title: "At rest, 100 pods", about: "After the load, for " + rest.String() + ". Only probes may reach the pods: one in ten seconds, of four calls.",
		head: []string{"calls to all pods/s", "top's CPU", "top's memory"}}
	before, err := s.tell("requests")
	if err != nil {
		return out, err
	}
	cpu := t.cpu()
	select {
	case <-ctx.Done():
		return out, ctx.Err()
	case <-time.After(rest):
	}
	after, err := s.tell("requests")
	out.add(fmt.Sprintf("%.1f", float64(after-before)/rest.Seconds()), fmt.Sprintf("%.1f%%", 100*(t.cpu()-cpu).Seconds()/rest.Seconds()),
		mib(t.memory("VmRSS")))
	return out, err
}

// mixture says what user does.
const mixture = "45 % shows, 25 % lists, 10 % actions, 10 % creates, 10 % deletes"

// user is a client of table c: it looks at anything, and deletes only what it made.
type user struct {
	conn
	sim    *sim
	token  string
	ids    []string
	own    []string
	random *rand.Rand
}

func (u *user) call() (a answer, want int, err error) {
	any := u.ids[u.random.IntN(len(u.ids))]
	switch dice := u.random.IntN(100); {
	case dice < 45:
		a, err = u.do(request("GET", "/v2.1/servers/"+any, u.token, ""), false)
		return a, 200, err
	case dice < 70:
		a, err = u.do(listRequest(u.limit(), u.token), false)
		return a, 200, err
	case dice < 80:
		a, err = u.do(request("POST", "/v2.1/servers/"+any+"/action", u.token, `{"lock": null}`), false)
		return a, 202, err
	case dice < 90 || len(u.own) == 0:
		return u.create()
	default:
		id := u.own[len(u.own)-1]
		u.own = u.own[:len(u.own)-1]
		a, err = u.do(request("DELETE", "/v2.1/servers/"+id, u.token, ""), false)
		return a, 204, err
	}
}

// limit is a page that people and programs ask for.
func (u *user) limit() int {
	switch dice := u.random.IntN(100); {
	case dice < 60:
		return 20
	case dice < 80:
		return 50
	case dice < 95:
		return 100
	case dice < 99:
		return 500
	}
	return 1000
}

func (u *user) create() (answer, int, error) {
	zone := u.sim.Pods[u.random.IntN(len(u.sim.Pods))].Zone
	body := fmt.Sprintf(`{"server": {"name": "bench", "imageRef": %q, "flavorRef": "1", "networks": "none", "availability_zone": %q}}`, u.sim.Image, zone)
	a, err := u.do(request("POST", "/v2.1/servers", u.token, body), true)
	var made struct{ Server struct{ ID string } }
	if err == nil && a.status == 202 {
		if err = json.Unmarshal(a.body, &made); err == nil {
			u.own = append(u.own, made.Server.ID)
		}
	}
	return a, 202, err
}
