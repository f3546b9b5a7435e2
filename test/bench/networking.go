package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// maxNetworks is how many networks table e has to list: a real Neutron needs up to two seconds to make one, and another to delete it.
const maxNetworks = 50

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
	neutron := &subject{name: "Neutron of " + b.region, address: a.neutron, token: a.projectToken, operation: b.operation, filling: b.filling,
		networks: min(b.rows, maxNetworks), ports: b.rows}
	theirs, err := neutron.measure(ctx)
	begin := time.Now()
	if clean := neutron.clean(a.project); clean != nil {
		err = errors.Join(err, fmt.Errorf("%s still has something of project %s: %w", neutron.name, a.project, clean))
	}
	neutron.tell("cleaned", begin)
	if err != nil {
		return nil, err
	}
	kind, t, end, err := b.networkingTop(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	top := *neutron // as many rows as that has got
	top.name, top.address = "the top", t.neutron
	ours, err := top.measure(ctx)
	if err != nil {
		return nil, err
	}
	if top.networks != neutron.networks || top.ports != neutron.ports {
		return nil, fmt.Errorf("the top has made only %d networks and %d ports in the time in which Neutron made %d and %d", top.networks, top.ports,
			neutron.networks, neutron.ports)
	}
	out := table{title: "The networking API, against Neutron", head: []string{"call", "clients", "Neutron/s", "top/s", "times", "Neutron p50 ms", "top p50 ms", "times"}}
	out.about = fmt.Sprintf("Neutron of region %s of the testbed, with ML2/OVN as it is deployed there, and the top, on %s with its own settings, one after the other, "+
		"by the same client, in a project of their own. To be listed there are %d networks, of at most %d, and %d ports on one more network, of at most %d: as many "+
		"as Neutron made in %s for each. Each call for %s, creations of at most %d objects; what was created is deleted, as far as the time allows. %s "+
		"The top is to do 20 times as many.",
		b.region, kind, neutron.networks, min(b.rows, maxNetworks), neutron.ports, b.rows, b.filling, b.operation, maxMade, failures([]string{"Neutron", "the top"}, theirs, ours))
	for i := range theirs {
		out.add(versus(&theirs[i], &ours[i])...)
	}
	return []table{out}, nil
}

// networkingTop starts a top that knows no pods, on PostgreSQL if that is installed. It says on what; end ends it.
func (b *bench) networkingTop(ctx context.Context) (kind string, _ *top, end func(), err error) {
	kind, end = "PostgreSQL", func() {}
	server, database, err := b.startPostgres(ctx)
	switch {
	case errors.Is(err, errNoPostgres):
		kind, database = "SQLite", "sqlite://"+filepath.Join(b.dir, "networking.db")
	case err != nil:
		return "", nil, nil, err
	default:
		end = server.stop
	}
	t, err := b.startOn(ctx, "", database, "keystone.auth_url="+b.keystone, "DEFAULT.roles=admin-api,neutron", "networks.network_vlan_ranges=bridge:1:4094",
		"networks.project_network_types=vlan", "quotas.quota_network=-1", "quotas.quota_subnet=-1", "quotas.quota_port=-1")
	if err != nil {
		end()
		return "", nil, nil, err
	}
	stop := end
	return kind, t, func() { t.stop(); stop() }, nil
}

// versus is a row of table e.
func versus(theirs, ours *measured) []string {
	return []string{theirs.name, strconv.Itoa(theirs.clients), rate(theirs.perSecond()), rate(ours.perSecond()), ratio(ours.perSecond(), theirs.perSecond()),
		millis(theirs.percentile(50)), millis(ours.percentile(50)), ratio(theirs.percentile(50).Seconds(), ours.percentile(50).Seconds())}
}

// failures says which calls failed, and how the first of each kind did.
func failures(names []string, subjects ...[]measured) string {
	var out []string
	for i, all := range subjects {
		for _, m := range all {
			if n := m.api + m.server; n > 0 {
				out = append(out, fmt.Sprintf("%d of %d calls of %s (%s, %d clients: %s)", n, n+len(m.took), names[i], m.name, m.clients,
					strings.Join(strings.Fields(m.example), " ")))
			}
		}
	}
	if out == nil {
		return "No call failed."
	}
	return "Failed, and not counted: " + strings.Join(out, "; ") + "."
}

// answers tells whether a service answers at a URL.
func answers(url string) bool {
	address, path, _ := strings.Cut(strings.TrimPrefix(url, "http://"), "/")
	_, err := ask(address, request("GET", "/"+path, "", ""), 200)
	return err == nil
}

func rate(v float64) string { return fmt.Sprintf("%.*f", max(0, decimals(v)-1), v) }

// tell says on stderr how far a subject has come.
func (s *subject) tell(what string, begin time.Time) {
	fmt.Fprintf(os.Stderr, "bench: %s: %s, %s\n", s.name, what, time.Since(begin).Round(time.Second/10))
}
