package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// subject is a networking API that is measured, in a project that has nothing else.
type subject struct {
	name, address, token string
	operation            time.Duration // how long each call is measured
	filling              time.Duration // how long it may take to make what is listed, of each kind; what is under way then is waited for
	networks, ports      int           // how many to list; after measure, how many there were
	ids                  []string      // of what the last operation has made
}

// measured is how an operation went. Calls that failed are counted, and have no times.
type measured struct {
	result
	name    string
	clients int
}

// measure goes through all operations, on networks and then on ports.
func (s *subject) measure(ctx context.Context) (all []measured, err error) {
	network, err := s.one("/v2.0/networks", `{"network": {"name": "ports"}}`)
	if err != nil {
		return nil, err
	}
	if _, err := s.one("/v2.0/subnets", `{"subnet": {"network_id": "`+network+`", "ip_version": 4, "cidr": "10.0.0.0/16"}}`); err != nil {
		return nil, err
	}
	for _, kind := range []struct {
		name, object string
		rows         *int
		atOnce       int // in one request
	}{
		{"network", `{"name": "bench"}`, &s.networks, 5},
		{"port", `{"name": "bench", "network_id": "` + network + `"}`, &s.ports, 50},
	} {
		begin := time.Now()
		if *kind.rows, err = s.fill(ctx, kind.name, kind.object, *kind.rows, kind.atOnce); err != nil {
			return nil, fmt.Errorf("%s: %ss to list: %w", s.name, kind.name, err)
		}
		s.tell(fmt.Sprintf("%d %ss to list", *kind.rows, kind.name), begin)
		begin = time.Now()
		for _, clients := range []int{1, 8} {
			for _, o := range s.operations(kind.name, kind.object, *kind.rows) {
				m, err := s.run(ctx, clients, o)
				if err != nil {
					return nil, fmt.Errorf("%s: %s, clients: %d: %w", s.name, o.name, clients, err)
				}
				all = append(all, *m)
			}
		}
		s.tell(kind.name+"s are measured", begin)
	}
	return all, nil
}

// one makes an object and returns its id.
func (s *subject) one(path, body string) (string, error) {
	answer, err := ask(s.address, request("POST", path, s.token, body), 201)
	if err != nil {
		return "", err
	}
	return idIn(answer)
}

// fill makes objects that nobody measures, so that there is something to list, with few large requests. It returns how many it has
// made in the time that there is.
func (s *subject) fill(ctx context.Context, kind, object string, rows, atOnce int) (made int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		mu       sync.Mutex
		wait     sync.WaitGroup
		left     = rows
		deadline = time.Now().Add(s.filling)
	)
	take := func() int {
		mu.Lock()
		defer mu.Unlock()
		n := min(left, atOnce)
		left -= n
		return n
	}
	note := func(n int, failed error) {
		mu.Lock()
		defer mu.Unlock()
		if failed == nil {
			made += n
			return
		}
		err = errors.Join(err, failed)
		cancel()
	}
	const fillers = 2 // more only wait for each other, or for the cores
	for range fillers {
		wait.Go(func() {
			for n := take(); n > 0 && ctx.Err() == nil; n = take() {
				body := `{"` + kind + `s": [` + strings.Repeat(object+", ", n-1) + object + `]}`
				_, err := ask(s.address, request("POST", "/v2.0/"+kind+"s", s.token, body), 201)
				note(n, err)
				if !time.Now().Before(deadline) {
					return
				}
			}
		})
	}
	wait.Wait()
	return made, cmp.Or(err, ctx.Err())
}

// operation is a call, on what the last create has made.
type operation struct {
	name    string
	request func(id string) []byte
	want    int
	makes   bool // its answer has the id of what it made
	each    bool // once for each id, rather than as often as there is time for
}

func (s *subject) operations(kind, object string, rows int) []operation {
	path := "/v2.0/" + kind + "s"
	call := func(method, body string) func(string) []byte {
		return func(id string) []byte { return request(method, path+"/"+id, s.token, body) }
	}
	all := func(method, query, body string) func(string) []byte {
		bytes := request(method, path+query, s.token, body)
		return func(string) []byte { return bytes }
	}
	return []operation{
		{name: "create " + kind, request: all("POST", "", `{"`+kind+`": `+object+`}`), want: 201, makes: true},
		{name: "show " + kind, request: call("GET", ""), want: 200},
		{name: fmt.Sprintf("list %d %ss", rows, kind), request: all("GET", fmt.Sprintf("?limit=%d", rows), ""), want: 200},
		{name: "update " + kind, request: call("PUT", `{"`+kind+`": {"name": "other"}}`), want: 200},
		{name: "delete " + kind, request: call("DELETE", ""), want: 204, each: true},
	}
}

// maxMade is how many objects an operation makes at most.
const maxMade = 1000

// run lets clients make the calls of an operation for as long as it is measured. It fails if none of the calls succeeds.
func (s *subject) run(ctx context.Context, clients int, o operation) (*measured, error) {
	r := &running{operation: o, ids: s.ids, most: maxMade}
	if o.each {
		r.most = len(s.ids)
	}
	begin := time.Now()
	var wait sync.WaitGroup
	for range clients {
		wait.Go(func() {
			c := conn{address: s.address}
			defer c.close()
			for id, more := r.next(); more; id, more = r.next() {
				r.call(&c, id)
				if ctx.Err() != nil || time.Since(begin) >= s.operation {
					return
				}
			}
		})
	}
	wait.Wait()
	if o.makes {
		s.ids = r.made
	}
	m := &measured{result: r.result, name: o.name, clients: clients}
	m.elapsed = time.Since(begin)
	slices.Sort(m.took)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(m.took) == 0 {
		return nil, fmt.Errorf("none of %d calls succeeded: %s", m.api+m.server, m.example)
	}
	return m, nil
}

// running is an operation under way.
type running struct {
	operation
	ids  []string
	most int // calls, where the operation makes something or is for each id

	mu sync.Mutex
	result
	calls int
	made  []string
}

// next is the object of the next call, unless there is to be none.
func (r *running) next() (id string, more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if (r.each || r.makes) && r.calls >= r.most {
		return "", false
	}
	if len(r.ids) > 0 {
		id = r.ids[r.calls%len(r.ids)]
	}
	r.calls++
	return id, true
}

// call makes one call, and notes how it went.
func (r *running) call(c *conn, id string) {
	text := r.request(id)
	begin := time.Now()
	a, err := c.do(text, r.makes)
	took := time.Since(begin)
	made := ""
	if err == nil && a.status == r.want && r.makes {
		made, err = idIn(a.body)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil || a.status != r.want {
		r.judge(a, r.want, err)
		return
	}
	r.took = append(r.took, took)
	if r.makes {
		r.made = append(r.made, made)
	}
}

// idIn is the id in a document of one object.
func idIn(body []byte) (string, error) {
	var doc struct{ Network, Subnet, Port struct{ ID string } }
	err := json.Unmarshal(body, &doc)
	id := cmp.Or(doc.Network.ID, doc.Subnet.ID, doc.Port.ID)
	if id == "" {
		err = errors.Join(err, fmt.Errorf("no object in %.300s", body))
	}
	return id, err
}

// clean removes all ports and networks of a project, and its security groups. It is done also after an interruption.
func (s *subject) clean(project string) error {
	for _, kind := range []string{"ports", "networks", "security-groups"} {
		var bad error
		const tries = 3 // Neutron refuses some of what comes at once
		for range tries {
			var left []string
			if left, bad = s.idsOf(kind, project); bad == nil && len(left) == 0 {
				break
			}
			bad = errors.Join(bad, s.remove(kind, left))
		}
		if bad != nil {
			return fmt.Errorf("%s: %w", kind, bad)
		}
	}
	return nil
}

// idsOf lists what there is of a kind to delete.
func (s *subject) idsOf(kind, project string) ([]string, error) {
	body, err := ask(s.address, request("GET", "/v2.0/"+kind+"?fields=id&fields=device_owner&project_id="+project, s.token, ""), 200)
	if err != nil {
		return nil, err
	}
	var doc map[string][]struct {
		ID    string
		Owner string `json:"device_owner"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, err
	}
	var ids []string
	for _, o := range doc[strings.ReplaceAll(kind, "-", "_")] {
		if o.Owner != "network:distributed" { // that goes with its network
			ids = append(ids, o.ID)
		}
	}
	return ids, nil
}

// remove deletes objects, several at once, and returns the first failure.
func (s *subject) remove(kind string, ids []string) (first error) {
	var mu sync.Mutex
	var wait sync.WaitGroup
	next := make(chan string)
	const removers = 8
	for range removers {
		wait.Go(func() {
			c := conn{address: s.address}
			defer c.close()
			for id := range next {
				a, err := c.do(request("DELETE", "/v2.0/"+kind+"/"+id, s.token, ""), true)
				if err == nil && (a.status == 204 || a.status == 404) {
					continue
				}
				mu.Lock()
				first = cmp.Or(first, fmt.Errorf("DELETE %s %s: status %d: %.300s: %w", kind, id, a.status, a.body, err))
				mu.Unlock()
			}
		})
	}
	for _, id := range ids {
		next <- id
	}
	close(next)
	wait.Wait()
	return first
}
