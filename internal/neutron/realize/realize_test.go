package realize_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/tricircle/tricircle/internal/identity"
	"github.com/tricircle/tricircle/internal/neutron/realize"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/simcloud"
	"github.com/tricircle/tricircle/internal/store"
	"github.com/tricircle/tricircle/internal/store/sqlstore"
	"github.com/tricircle/tricircle/internal/store/sqlstore/pgtest"
	"github.com/tricircle/tricircle/internal/store/sqlstore/sqltest"
)

// world is a store of the top and pods whose Neutron is simulated, with nobody who runs jobs but the test.
type world struct {
	t       *testing.T
	sim     *simcloud.Cloud
	store   *sqlstore.Store
	pods    *pod.Registry
	r       *realize.Realizer
	project string
	later   time.Duration // by which the realizer's clock is ahead
}

// postgres starts with the first test that needs it.
var postgres pgtest.Server

func TestMain(m *testing.M) { goleak.VerifyTestMain(postgres.Around(m)) }

// onEach runs a test on both databases: those about what transactions that run at the same time, or again, may see of each other.
func onEach(t *testing.T, pods int, test func(t *testing.T, w *world)) {
	t.Helper()
	sqltest.OnEach(t, &postgres, func(t *testing.T, url string) { test(t, newWorldOn(t, url, pods)) })
}

func newWorld(t *testing.T, pods int) *world {
	t.Helper()
	return newWorldOn(t, sqltest.InMemory, pods)
}

func newWorldOn(t *testing.T, database string, pods int) *world {
	t.Helper()
	sim, err := simcloud.Start(simcloud.Options{Pods: pods})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sim.Close() })
	s := sqltest.Open(t, database, time.Now)
	keystone := identity.NewKeystone(identity.Options{AuthURL: sim.AuthURL(), Username: "nova", Password: "secret", UserDomainName: "Default",
		ProjectName: "service", ProjectDomainName: "Default", Transport: http.DefaultTransport, Timeout: time.Second, Now: time.Now})
	registry := pod.NewRegistry(pod.Options{Store: s, Keystone: keystone, Transport: func() http.RoundTripper { return &http.Transport{} },
		Log: slog.New(slog.DiscardHandler), Now: time.Now, TopRegion: "RegionOne", Interface: "public", Timeout: time.Second,
		ProbeTimeout: time.Second, ProbeInterval: time.Minute, ReloadInterval: time.Minute, MaxConcurrent: 64, MaxFanOut: 200,
		BreakerFailures: 1000, BreakerDelay: time.Second})
	for i := range pods {
		p := sim.Pod(i)
		if _, err := registry.Create(t.Context(), store.Pod{ID: uuid.NewString(), RegionName: p.Region, State: store.PodEnabled,
			Zones: []store.Zone{{Name: p.Zone, PodName: p.Zone}}}); err != nil {
			t.Fatal(err)
		}
	}
	w := &world{t: t, sim: sim, store: s, pods: registry}
	w.r = realize.New(realize.Options{Store: s, Pods: registry, Token: keystone.ServiceToken, Reserve: reserve,
		Idle: func(context.Context, store.Tx, *store.Object, int32) error { return nil },
		Now:  func() time.Time { return time.Now().Add(w.later) }, Doubt: time.Minute})
	caller, err := keystone.Validate(t.Context(), sim.Token("demo", "demo", time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	w.project = caller.ProjectID
	return w
}

// reserve gives each pod the address behind those of the pods before it.
func reserve(_ context.Context, _ store.Tx, subnet *store.Object, podNum int32) ([]string, error) {
	cidr, err := netip.ParsePrefix(subnet.Attrs["cidr"].(string))
	ip := cidr.Addr().Next()
	for range podNum {
		ip = ip.Next()
	}
	return []string{ip.String()}, err
}

// add stores an object of the project.
func (w *world) add(kind store.ObjectKind, attrs map[string]any) *store.Object {
	w.t.Helper()
	o := &store.Object{Kind: kind, ID: uuid.NewString(), ProjectID: w.project, Attrs: attrs}
	w.tx(func(tx store.Tx) error { return tx.Insert(w.t.Context(), o) })
	return o
}

func (w *world) tx(f func(tx store.Tx) error) {
	w.t.Helper()
	if err := w.store.InTx(w.t.Context(), f); err != nil {
		w.t.Fatal(err)
	}
}

// change stores an object with other attributes and enqueues its jobs, as the API does.
func (w *world) change(o *store.Object, attrs map[string]any) {
	w.t.Helper()
	for name, v := range attrs {
		o.Attrs[name] = v
	}
	w.tx(func(tx store.Tx) error { return tx.Update(w.t.Context(), o) })
	w.ask(o.Kind, o.ID)
}

// ask enqueues the jobs of an object in all pods where it is.
func (w *world) ask(kind store.ObjectKind, id string) {
	w.t.Helper()
	w.tx(func(tx store.Tx) error {
		rows, err := tx.Realizations(w.t.Context(), store.RealizationQuery{Kind: kind, TopIDs: []string{id}})
		for _, row := range rows {
			if err == nil {
				err = tx.Enqueue(w.t.Context(), realize.Job(kind, id, w.project, row.PodNum))
			}
		}
		return err
	})
}

// remove deletes an object and leaves tombstones, as the API does.
func (w *world) remove(o *store.Object) {
	w.t.Helper()
	w.tx(func(tx store.Tx) error {
		rows, err := tx.Realizations(w.t.Context(), store.RealizationQuery{Kind: o.Kind, TopIDs: []string{o.ID}})
		for _, row := range rows {
			row.DeletedAt, row.Due = time.Now(), row.Due || row.Shadow
			if err == nil {
				err = errors.Join(tx.PutRealization(w.t.Context(), row), tx.Enqueue(w.t.Context(), row.Job(w.project)))
			}
		}
		return errors.Join(err, tx.Delete(w.t.Context(), o.Kind, o.ID))
	})
}

// network makes a network with an IPv4 subnet.
func (w *world) network(segment int) (network, subnet *store.Object) {
	network = w.add(store.KindNetwork, map[string]any{"name": fmt.Sprint("net", segment), "admin_state_up": true, "port_security_enabled": true, "mtu": 1500,
		"provider:network_type": "vlan", "provider:physical_network": "bridge", "provider:segmentation_id": segment})
	return network, w.subnet(network, fmt.Sprintf("10.%d.0.0/24", segment%200))
}

func (w *world) subnet(network *store.Object, cidr string) *store.Object {
	gateway := netip.MustParsePrefix(cidr).Addr().Next().String()
	return w.add(store.KindSubnet, map[string]any{"name": cidr, "network_id": network.ID, "cidr": cidr, "ip_version": 4, "gateway_ip": gateway,
		"enable_dhcp": true, "dns_nameservers": []any{}, "host_routes": []any{}, "ipv6_address_mode": nil, "ipv6_ra_mode": nil})
}

func (w *world) group(name string) *store.Object {
	return w.add(store.KindSecurityGroup, map[string]any{"name": name, "stateful": true})
}

func (w *world) rule(group *store.Object, remote *store.Object, attrs map[string]any) *store.Object {
	all := map[string]any{"security_group_id": group.ID, "direction": "ingress", "ethertype": "IPv4", "protocol": nil, "port_range_min": nil,
		"port_range_max": nil, "remote_ip_prefix": nil, "remote_group_id": nil, "remote_address_group_id": nil}
	if remote != nil {
		all["remote_group_id"] = remote.ID
	}
	for name, v := range attrs {
		all[name] = v
	}
	return w.add(store.KindSecurityGroupRule, all)
}

func (w *world) port(subnet *store.Object, ip string, groups ...*store.Object) *store.Object {
	ids := []any{}
	for _, g := range groups {
		ids = append(ids, g.ID)
	}
	octets := strings.Split(ip, ".")
	return w.add(store.KindPort, map[string]any{"name": "port " + ip, "network_id": subnet.Attrs["network_id"], "admin_state_up": true,
		"mac_address": fmt.Sprintf("fa:16:3e:00:%02s:%02s", octets[1], octets[3]), "device_id": "", "device_owner": "", "port_security_enabled": true,
		"fixed_ips": []any{map[string]any{"subnet_id": subnet.ID, "ip_address": ip}}, "security_groups": ids})
}

// want wants ports in a pod, and runs all jobs.
func (w *world) want(podNum int32, ports ...*store.Object) {
	w.t.Helper()
	w.tx(func(tx store.Tx) error { _, err := realize.Want(w.t.Context(), tx, podNum, ports...); return err })
	w.drain()
}

// drain runs jobs until there is nothing to do, and returns the errors of those that failed and were run again.
func (w *world) drain() (failures []error) {
	w.t.Helper()
	return w.drainUntil(func() bool { return false })
}

// drainUntil is drain that ends as soon as something holds.
func (w *world) drainUntil(holds func() bool) (failures []error) {
	w.t.Helper()
	for range 500 {
		if holds() {
			return failures
		}
		due := w.due(1)
		if len(due) == 0 {
			return failures
		}
		if err := w.execute(due[0]); err != nil {
			failures = append(failures, err)
		}
	}
	w.t.Fatalf("the jobs never end: %v", failures[len(failures)-3:])
	return nil
}

// due lists jobs that can be run.
func (w *world) due(limit int) []store.Job {
	w.t.Helper()
	kinds := []string{"network", "port", "trunk", "security_group", store.JobMembers, store.JobShadows}
	jobs, err := w.store.DueJobs(w.t.Context(), store.DueJobs{Kinds: kinds, Limit: limit})
	if err != nil {
		w.t.Fatal(err)
	}
	return jobs
}

// execute runs a job, and returns why it failed; then it is to be run again.
func (w *world) execute(due store.Job) error {
	w.t.Helper()
	ctx := w.t.Context()
	job, err := w.store.ClaimJob(ctx, store.JobClaim{JobLease: due.Lease(), Owner: "test", For: time.Minute})
	if err != nil {
		w.t.Fatal(err)
	}
	outcome := store.JobOutcome{State: store.JobDone, Gen: job.Gen}
	failure := w.r.Run(ctx, job.NewJob)
	if unmade, ok := errors.AsType[*realize.UnmadeError](failure); ok {
		outcome.State, outcome.WaitsFor = store.JobWaiting, &unmade.Job
		outcome.After = time.Hour
	} else if failure != nil {
		outcome.State = store.JobQueued
	}
	if _, err := w.store.FinishJob(ctx, job.Lease(), outcome); err != nil {
		w.t.Fatal(err)
	}
	return failure
}

// realizations lists those of a kind, or of all.
func (w *world) realizations(kind store.ObjectKind) []store.Realization {
	w.t.Helper()
	rows, err := w.store.Reader().Realizations(w.t.Context(), store.RealizationQuery{Kind: kind})
	if err != nil {
		w.t.Fatal(err)
	}
	return rows
}

// in lists a collection of a pod as an administrator sees it, without the ports of OVN.
func (w *world) in(i int, collection, query string) (rows []map[string]any) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.sim.Pod(i).NetworkURL+"/v2.0/"+collection+"?"+query, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("X-Auth-Token", w.sim.Token("admin", "admin", time.Hour))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	var doc map[string][]map[string]any
	if err != nil || json.Unmarshal(body, &doc) != nil {
		w.t.Fatalf("%s: %s %v", collection, body, err)
	}
	rows = doc[strings.ReplaceAll(collection, "-", "_")]
	return slices.DeleteFunc(rows, func(r map[string]any) bool { return r["device_owner"] == "network:distributed" })
}

// call changes something in a pod as an administrator.
func (w *world) call(i int, method, path, body string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.sim.Pod(i).NetworkURL+"/v2.0"+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("X-Auth-Token", w.sim.Token("admin", "admin", time.Hour))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode > 299 {
		w.t.Fatalf("%s %s: %s", method, path, res.Status)
	}
}

// made lists what the top made in a pod of a collection.
func (w *world) made(i int, collection string) []map[string]any {
	return slices.DeleteFunc(w.in(i, collection, ""), func(r map[string]any) bool {
		d, _ := r["description"].(string)
		return !strings.HasPrefix(d, "tricircle:")
	})
}

// one is made for where there must be one.
func (w *world) one(i int, collection string) map[string]any {
	w.t.Helper()
	rows := w.made(i, collection)
	if len(rows) != 1 {
		w.t.Fatalf("pod %d has %d %s of ours, want 1: %v", i+1, len(rows), collection, rows)
	}
	return rows[0]
}

func by(name, value string) string { return url.Values{name: {value}}.Encode() }
