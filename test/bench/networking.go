package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// networking makes table e: the networking API of the top against that of a real Neutron.
func (b *bench) networking(ctx context.Context) (_ []table, err error) {
	if !answers(b.keystone) {
		fmt.Fprintf(os.Stderr, "bench: table e is left out: no Keystone at %s; bring up the testbed (make testbed-up), or say where one is (-keystone)\n", b.keystone)
		return nil, nil
	}
	a, err := newAccount(b.keystone, b.region)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.forget()) }()
	kind := "PostgreSQL"
	server, database, err := b.startPostgres(ctx)
	if errors.Is(err, errNoPostgres) {
		kind, database, err = "SQLite", "sqlite://"+filepath.Join(b.dir, "networking.db"), nil
	}
	if err != nil {
		return nil, err
	}
	if server != nil {
		defer server.stop()
	}
	t, err := b.startOn(ctx, "", database, "keystone.auth_url="+b.keystone, "DEFAULT.roles=admin-api,neutron", "networks.network_vlan_ranges=bridge:1:4094",
		"networks.project_network_types=vlan", "quotas.quota_network=-1", "quotas.quota_subnet=-1", "quotas.quota_port=-1")
	if err != nil {
		return nil, err
	}
	defer t.stop()
	out := table{title: "The networking API, against Neutron", head: []string{"call", "clients", "Neutron/s", "top/s", "times", "Neutron p50 ms", "top p50 ms", "times"}}
	out.about = fmt.Sprintf("Region %s of the testbed, Neutron with ML2/OVN as it is deployed there, and the top, on %s with its own settings, one after the other, by the "+
		"same client, in a project of their own with %d networks and %d ports. Each call for %s; lists are of %d rows. The top is to do 20 times as many.",
		b.region, kind, b.rows, b.rows, b.operation, b.rows)
	var found [2][]measured
	for i, address := range []string{a.neutron, t.neutron} {
		s := &subject{bench: b, address: address, project: a.project, token: a.projectToken}
		found[i], err = s.measure(ctx)
		if err = errors.Join(err, s.clean()); err != nil {
			return nil, fmt.Errorf("%s: %w", address, err)
		}
	}
	for i, theirs := range found[0] {
		ours := found[1][i]
		out.add(theirs.name, strconv.Itoa(theirs.clients), rate(theirs.perSecond()), rate(ours.perSecond()), ratio(ours.perSecond(), theirs.perSecond()),
			millis(theirs.percentile(50)), millis(ours.percentile(50)), ratio(theirs.percentile(50).Seconds(), ours.percentile(50).Seconds()))
	}
	return []table{out}, nil
}

// answers tells whether a service answers at a URL.
func answers(url string) bool {
	address, path, _ := strings.Cut(strings.TrimPrefix(url, "http://"), "/")
	_, err := ask(address, request("GET", "/"+path, "", ""), 200)
	return err == nil
}

func rate(v float64) string { return fmt.Sprintf("%.*f", max(0, decimals(v)-1), v) }

// subject is a networking API that is measured.
type subject struct {
	*bench
	address, project, token string
	network                 string   // that ports are on
	ids                     []string // of what was made by the last operation
}

// measured is how an operation went.
type measured struct {
	result
	name    string
	clients int
}

// measure goes through all operations, on networks and then on ports.
func (s *subject) measure(ctx context.Context) (all []measured, err error) {
	if s.network, err = s.one("/v2.0/networks", `{"network": {"name": "ports"}}`); err != nil {
		return nil, err
	}
	if _, err := s.one("/v2.0/subnets", `{"subnet": {"network_id": "`+s.network+`", "ip_version": 4, "cidr": "10.0.0.0/16"}}`); err != nil {
		return nil, err
	}
	for _, kind := range []struct{ name, create string }{
		{"network", `{"network": {"name": "bench"}}`},
		{"port", `{"port": {"name": "bench", "network_id": "` + s.network + `"}}`},
	} {
		if err := s.fill(ctx, kind.name, kind.create); err != nil {
			return nil, err
		}
		for _, clients := range []int{1, 8} {
			for _, o := range s.operations(kind.name, kind.create) {
				r, err := s.time(ctx, clients, o)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", o.name, err)
				}
				all = append(all, measured{result: *r, name: o.name, clients: clients})
			}
		}
	}
	return all, nil
}

// operation is a call, on what the last create has made.
type operation struct {
	name    string
	request func(id string) []byte
	want    int
	makes   bool // its answer has the id of what it made
	each    bool // once for each id, rather than as often as there is time for
}

func (s *subject) operations(kind, create string) []operation {
	path := "/v2.0/" + kind + "s"
	call := func(method, body string) func(string) []byte {
		return func(id string) []byte { return request(method, path+"/"+id, s.token, body) }
	}
	return []operation{
		{name: "create " + kind, request: func(string) []byte { return request("POST", path, s.token, create) }, want: 201, makes: true},
		{name: "show " + kind, request: call("GET", ""), want: 200},
		{name: fmt.Sprintf("list %d %ss", s.rows, kind), want: 200,
			request: func(string) []byte { return request("GET", fmt.Sprintf("%s?limit=%d", path, s.rows), s.token, "") }},
		{name: "update " + kind, request: call("PUT", `{"`+kind+`": {"name": "other"}}`), want: 200},
		{name: "delete " + kind, request: call("DELETE", ""), want: 204, each: true},
	}
}

// most is how many objects an operation makes at most.
const most = 1000

// time lets clients make the calls of an operation.
func (s *subject) time(ctx context.Context, clients int, o operation) (*result, error) {
	ids := s.ids
	if o.makes {
		s.ids = nil
	}
	var next atomic.Int64
	var mu sync.Mutex
	var wait sync.WaitGroup
	all := &result{}
	var bad error
	start := time.Now()
	for range clients {
		wait.Go(func() {
			c := conn{address: s.address}
			defer c.close()
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if o.each && i >= len(ids) || !o.each && time.Since(start) > s.operation || o.makes && i >= most {
					return
				}
				id := ""
				if len(ids) > 0 {
					id = ids[i%len(ids)]
				}
				begin := time.Now()
				a, err := c.do(o.request(id), o.makes)
				took := time.Since(begin)
				if err == nil && a.status != o.want {
					err = fmt.Errorf("status %d, want %d: %.300s", a.status, o.want, a.body)
				}
				made := ""
				if err == nil && o.makes {
					made, err = idIn(a.body)
				}
				mu.Lock()
				all.took = append(all.took, took)
				if made != "" {
					s.ids = append(s.ids, made)
				}
				bad = errors.Join(bad, err)
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wait.Wait()
	all.elapsed = time.Since(start)
	slices.Sort(all.took)
	return all, bad
}

// fill makes objects that nobody measures, so that there is something to list.
func (s *subject) fill(ctx context.Context, kind, create string) error {
	some := min(5, s.rows) // a busy Neutron takes its time
	one := strings.TrimSuffix(strings.TrimPrefix(create, `{"`+kind+`": `), "}")
	body := `{"` + kind + `s": [` + strings.Repeat(one+", ", some-1) + one + `]}`
	for n := 0; n < s.rows; n += some {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if _, err := ask(s.address, request("POST", "/v2.0/"+kind+"s", s.token, body), 201); err != nil {
			return err
		}
	}
	return nil
}

// one makes an object and returns its id.
func (s *subject) one(path, body string) (string, error) {
	answer, err := ask(s.address, request("POST", path, s.token, body), 201)
	if err != nil {
		return "", err
	}
	return idIn(answer)
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

// clean removes all ports and networks of the project.
func (s *subject) clean() error {
	for _, kind := range []string{"ports", "networks", "security-groups"} {
		body, err := ask(s.address, request("GET", "/v2.0/"+kind+"?fields=id&fields=device_owner&project_id="+s.project, s.token, ""), 200)
		if err != nil {
			return err
		}
		var doc map[string][]struct {
			ID    string
			Owner string `json:"device_owner"`
		}
		if err := json.Unmarshal(body, &doc); err != nil {
			return err
		}
		c := conn{address: s.address}
		defer c.close()
		for _, o := range doc[strings.ReplaceAll(kind, "-", "_")] {
			if o.Owner == "network:distributed" { // goes with its network
				continue
			}
			if a, err := c.do(request("DELETE", "/v2.0/"+kind+"/"+o.ID, s.token, ""), true); err != nil || a.status != 204 {
				return fmt.Errorf("DELETE %s %s: %d %.300s: %w", kind, o.ID, a.status, a.body, err)
			}
		}
	}
	return nil
}
