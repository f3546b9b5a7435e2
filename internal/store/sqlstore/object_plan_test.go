package sqlstore

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/tricircle/tricircle/internal/store"
)

// planPort is what ports look like to clients, as encodeJSON writes them. What is in capitals differs from port to port.
const planPort = `{"admin_state_up":true,"allowed_address_pairs":[],"binding:host_id":"","binding:profile":{},"binding:vif_details":{},` +
	`"binding:vif_type":"unbound","binding:vnic_type":"normal","description":"","device_id":"DEVICE","device_owner":"compute:az1",` +
	`"dns_assignment":[],"dns_name":"","extra_dhcp_opts":[],"fixed_ips":[{"ip_address":"10.0.ADDRESS","subnet_id":"NETWORK"}],` +
	`"ip_allocation":"immediate","mac_address":"MAC","name":"NAME","network_id":"NETWORK","numa_affinity_policy":null,` +
	`"port_security_enabled":true,"propagate_uplink_status":null,"qos_network_policy_id":null,"qos_policy_id":null,` +
	`"resource_request":null,"security_groups":["GROUP"],"status":"DOWN","tags":[]}`

// planPortOf is an expression that makes planPort of a port i. hex makes eight digits of i.
func planPortOf(hex string) string {
	const rest = ` || '-0000-4000-8000-000000000000'`
	doc := `'` + planPort + `'`
	for _, r := range []struct{ word, expression string }{
		{"DEVICE", with(hex, "i / 2") + rest}, {"ADDRESS", `(i / 250) || '.' || (i % 250)`}, {"NETWORK", with(hex, "i / 100") + rest},
		{"MAC", `'fa:16:' || ` + hex}, {"NAME", `'port-' || i`}, {"GROUP", with(hex, "i / 200") + rest},
	} {
		doc = `replace(` + doc + `, '` + r.word + `', ` + r.expression + `)`
	}
	return doc
}

// with is an expression for something else than i, which is the last argument of a function in it.
func with(expression, i string) string { return strings.Replace(expression, "i)", "("+i+"))", 1) }

// fillPorts puts n ports on n/100 networks of n/1000 projects, each in a subnet and a security group of its project, one of ten with a
// tag, and each realized in one of four pods.
func fillPorts(t testing.TB, s *Store, n int) {
	t.Helper()
	hex, mac, ip := `printf('%08x', i)`, `printf('%012x', i)`, `unhex(printf('%032x', i))`
	id, doc := `unhex(`+hex+` || '000040008000000000000000')`, planPortOf(hex)
	if s.dialect == &postgresDialect {
		hex, mac, ip = `lpad(to_hex(i), 8, '0')`, `lpad(to_hex(i), 12, '0')`, `decode(lpad(to_hex(i), 32, '0'), 'hex')`
		id, doc = `CAST(`+hex+` || '-0000-4000-8000-000000000000' AS uuid)`, `CAST(`+planPortOf(hex)+` AS json)`
	}
	of := func(expression string) string { return with(id, expression) }
	times := ` 1, 1000000 * CAST(i AS bigint), 1000000 * CAST(i AS bigint), `
	for _, fill := range []struct {
		rows   int
		insert string
	}{
		{n / 100, `INSERT INTO network (id, project_id, name, is_external, revision, created_at, updated_at, doc)
			SELECT ` + id + `, 'project-' || (i / 10), 'net-' || i, 0, ` + times + `'{}' FROM series`},
		{n / 100, `INSERT INTO subnet (id, project_id, name, network_id, revision, created_at, updated_at, doc)
			SELECT ` + id + `, 'project-' || (i / 10), 'subnet-' || i, ` + id + `, ` + times + `'{}' FROM series`},
		{n / 200, `INSERT INTO security_group (id, project_id, name, revision, created_at, updated_at, doc)
			SELECT ` + id + `, 'project-' || (i / 5), 'group-' || i, ` + times + `'{}' FROM series`},
		{n / 100, `INSERT INTO security_group_rule (id, project_id, name, security_group_id, revision, created_at, updated_at, doc)
			SELECT ` + id + `, 'project-' || (i / 10), '', ` + of("i / 2") + `, ` + times + `'{}' FROM series`},
		{n / 1000, `INSERT INTO rbac_policy (id, project_id, name, object_type, object_id, action, target_project, revision, created_at,
				updated_at, doc)
			SELECT ` + id + `, 'project-' || i, '', 'network', ` + of("i * 10") + `, 'access_as_shared', 'project-' || (i + 1), ` +
			times + `'{}' FROM series`},
		{n, `INSERT INTO port (id, project_id, name, network_id, device_id, device_owner, mac_address, revision, created_at, updated_at, doc)
			SELECT ` + id + `, 'project-' || (i / 1000), 'port-' || i, ` + of("i / 100") + `, 'device-' || (i / 2), 'compute:az' || (i % 3), ` +
			mac + `, ` + times + doc + ` FROM series`},
		{n, `INSERT INTO address (subnet_id, port_id, ip, pod_num, used_for)
			SELECT ` + of("i / 100") + `, ` + id + `, ` + ip + `, NULL, '' FROM series`},
		{n, `INSERT INTO port_group (group_id, port_id) SELECT ` + of("i / 200") + `, ` + id + ` FROM series`},
		{n, `INSERT INTO tag (kind, tag, object_id) SELECT 'port', 'tag-' || (i % 10), ` + id + ` FROM series WHERE i / 100 % 10 = 0`},
		{n, `INSERT INTO realization (kind, top_id, pod_num, bottom_id, revision, deleted_at, network_id, due, created_at, updated_at, detail)
			SELECT 'port', ` + id + `, 1 + i % 4, ` + of("i + 1") + `, 1, CASE WHEN i % 1000 = 0 THEN 1 END, ` + of("i / 100") + `,
				CASE WHEN i % 500 = 0 THEN 1 ELSE 0 END, 1, 1, '{}' FROM series`},
		{n, `INSERT INTO realization (kind, top_id, pod_num, revision, network_id, shadow, due, created_at, updated_at, detail)
			SELECT 'port', ` + id + `, 1 + (i + 1) % 4, 1, ` + of("i / 100") + `, 1, CASE WHEN i % 500 = 1 THEN 1 ELSE 0 END, 1, 1, '{}' FROM series`},
		{n / 1000, `INSERT INTO segment (network_type, physical_network, segmentation_id, network_id)
			SELECT 'vxlan', '', i + 1, ` + id + ` FROM series`},
	} {
		text := `WITH RECURSIVE series(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM series WHERE i < ` + fmt.Sprint(fill.rows-1) + `) `
		if _, err := s.write.ExecContext(t.Context(), strings.Replace(fill.insert, "SELECT", text+"SELECT", 1)); err != nil {
			t.Fatalf("%v\n%s", err, fill.insert)
		}
	}
	if _, err := s.write.ExecContext(t.Context(), "ANALYZE"); err != nil {
		t.Fatal(err)
	}
}

// planned is a statement that a planner is asked about.
type planned struct {
	name string
	make func(t testing.TB, s *Store) (text string, args []any, err error)
	// sorts is set where it is fine to sort all that is found.
	sorts bool
}

func equalTo(attr string, values ...any) []store.Filter {
	return []store.Filter{{Attr: attr, Values: values}}
}

// page is the statement of a page of objects, ports if the query does not say what.
func page(name string, q store.ObjectQuery) planned {
	return planned{name: name, make: func(t testing.TB, s *Store) (string, []any, error) {
		q.Kind, q.Limit = cmp.Or(q.Kind, store.KindPort), 1000
		w, err := s.dialect.newObjectQuery(q)
		if err != nil || q.Marker == "" {
			text, args := w.list(w.order(), nil)
			return text, args, err
		}
		marker, err := (&view{s, s.read}).marker(t.Context(), w, w.order())
		text, args := w.list(w.order(), marker)
		return text, args, err
	}}
}

// short is a page of what is found so rarely that sorting it is nothing.
func short(name string, q store.ObjectQuery) planned {
	p := page(name, q)
	p.sorts = true
	return p
}

// pageRealizations is what a page of a thousand ports asks for, to know which pods to ask about them.
var pageRealizations = store.RealizationQuery{Kind: store.KindPort, TopIDs: planIDs(1000, 2000), Shadow: new(false), Deleted: new(false)}

// planIDs are those of from, and of all up to the last before to.
func planIDs(from, to int) (ids []string) {
	for i := from; i < to; i++ {
		ids = append(ids, planID(i))
	}
	return ids
}

var network7, byCreation = equalTo("network_id", planID(7)), []store.SortKey{{Attr: "created_at", Desc: true}}

var objectPlans = []planned{
	{name: "show", make: func(_ testing.TB, s *Store) (string, []any, error) {
		id, err := parseID(planID(1))
		return s.owned.objects[store.KindPort].get, []any{s.dialect.uuid(id)}, err
	}},
	page("all", store.ObjectQuery{}),
	page("all from a marker", store.ObjectQuery{Marker: planID(500)}),
	page("all before a marker", store.ObjectQuery{Marker: planID(500), Reverse: true}),
	page("all by name", store.ObjectQuery{Sort: []store.SortKey{{Attr: "name"}}}),
	page("all by name from a marker", store.ObjectQuery{Sort: []store.SortKey{{Attr: "name"}}, Marker: planID(500)}),
	short("of a project", store.ObjectQuery{VisibleTo: "project-1"}),
	short("of a project from a marker", store.ObjectQuery{VisibleTo: "project-1", Marker: planID(1100)}),
	short("of a project by time", store.ObjectQuery{VisibleTo: "project-1", Sort: byCreation, Marker: planID(1100)}),
	short("by project", store.ObjectQuery{Filters: equalTo("project_id", "project-1")}),
	short("by id", store.ObjectQuery{Filters: equalTo("id", planID(1))}),
	short("by ids", store.ObjectQuery{Filters: equalTo("id", planID(1), planID(2), planID(3)), VisibleTo: "project-1"}),
	short("by name", store.ObjectQuery{Filters: equalTo("name", "port-7")}),
	short("by name, of a project", store.ObjectQuery{Filters: equalTo("name", "port-7"), VisibleTo: "project-1"}),
	short("by network", store.ObjectQuery{Filters: network7}),
	short("by network, of a project", store.ObjectQuery{Filters: network7, VisibleTo: "project-0"}),
	short("by network from a marker", store.ObjectQuery{Filters: network7, Marker: planID(750)}),
	short("by device", store.ObjectQuery{Filters: equalTo("device_id", "device-7")}),
	short("by devices", store.ObjectQuery{Filters: equalTo("device_id", "device-7", "device-8", "device-9")}),
	page("by device owner", store.ObjectQuery{Filters: equalTo("device_owner", "network:dhcp")}),
	short("by MAC", store.ObjectQuery{Filters: equalTo("mac_address", "000000000007")}),
	short("by address", store.ObjectQuery{Filters: equalTo("fixed_ips.ip_address", "::7")}),
	short("by address, of a project", store.ObjectQuery{Filters: equalTo("fixed_ips.ip_address", "::7"), VisibleTo: "project-0"}),
	short("by subnet", store.ObjectQuery{Filters: equalTo("fixed_ips.subnet_id", planID(7))}),
	short("by security group", store.ObjectQuery{Filters: equalTo("security_groups", planID(1))}),
	short("by tag", store.ObjectQuery{TagsAll: []string{"tag-1"}, VisibleTo: "project-1"}),
	short("by what only the document has, of a project", store.ObjectQuery{Filters: equalTo("admin_state_up", false), VisibleTo: "project-1"}),
	short("by one of two tags", store.ObjectQuery{TagsAny: []string{"tag-none", "tag-never"}}),
	short("subnets of a network", store.ObjectQuery{Kind: store.KindSubnet, Filters: network7}),
	short("rules of a group", store.ObjectQuery{Kind: store.KindSecurityGroupRule, Filters: equalTo("security_group_id", planID(1))}),
	{name: "count of a project", sorts: true, make: func(_ testing.TB, s *Store) (string, []any, error) {
		w, err := s.dialect.newObjectQuery(store.ObjectQuery{Kind: store.KindPort, Filters: equalTo("project_id", "project-1")})
		text, args := w.count()
		return text, args, err
	}},
	addresses("addresses of a window", store.AddressQuery{SubnetID: planID(1), From: netip.MustParseAddr("::1"), To: netip.MustParseAddr("::ffff"), Limit: 64}),
	addresses("addresses of a port", store.AddressQuery{PortID: planID(1)}),
	addresses("addresses of a pod", store.AddressQuery{SubnetID: planID(1), PodNum: 1, Use: store.UseInfra}),
	realizations("realizations of objects", store.RealizationQuery{Kind: store.KindPort, TopIDs: []string{planID(1), planID(2)}}),
	realizations("realizations of a page", pageRealizations),
	realizations("what a pod's ids stand for", store.RealizationQuery{BottomIDs: []string{planID(1), planID(2)}}),
	realizations("walk over a pod", store.RealizationQuery{PodNum: 2, Kind: store.KindPort, Limit: 1000,
		After: &store.RealizationKey{Kind: store.KindPort, TopID: planID(100), PodNum: 2}}),
	realizations("tombstones", store.RealizationQuery{Deleted: new(true)}),
	realizations("shadows on a network in a pod", store.RealizationQuery{Kind: store.KindPort, NetworkID: planID(1), PodNum: 2, Shadow: new(true), Limit: 100,
		After: &store.RealizationKey{Kind: store.KindPort, TopID: planID(100), PodNum: 2}}),
	realizations("shadows that are due", store.RealizationQuery{Kind: store.KindPort, NetworkID: planID(1), PodNum: 2, Shadow: new(true), Due: true, Limit: 100}),
	realizations("ports that are due", store.RealizationQuery{Kind: store.KindPort, NetworkID: planID(1), Shadow: new(false), Due: true, Limit: 100}),
	{name: "members in a pod", make: func(_ testing.TB, s *Store) (string, []any, error) {
		id, err := parseID(planID(1))
		return s.owned.realizations.hasMembers, []any{1, s.dialect.uuid(id)}, err
	}},
	{name: "networks of members", sorts: true, make: func(_ testing.TB, s *Store) (string, []any, error) {
		id, err := parseID(planID(1))
		return s.dialect.bind(memberNetworks + ` = ?`), []any{s.dialect.uuid(id)}, err
	}},
	{name: "uses of a network", make: func(_ testing.TB, s *Store) (string, []any, error) {
		id, err := parseID(planID(1))
		return s.owned.objects[store.KindNetwork].uses[1], []any{s.dialect.uuid(id)}, err
	}},
}

func addresses(name string, q store.AddressQuery) planned {
	return planned{name: name, sorts: true, make: func(_ testing.TB, s *Store) (string, []any, error) { return s.addressQuery(q) }}
}

func realizations(name string, q store.RealizationQuery) planned {
	return planned{name: name, sorts: true, make: func(_ testing.TB, s *Store) (string, []any, error) { return s.realizationQuery(q) }}
}

// scansByIndex is fine for a page of all objects, and no other: SQLite reads until it has found enough.
var scansByIndex = regexp.MustCompile(`SCAN o USING INDEX`)

var scansObjects = regexp.MustCompile(`(?m)Seq Scan on (port|address|port_group|tag|realization)\b|SCAN (address|port_group|tag|realization|o)$`)

// TestPlans_Objects_UseAnIndex asks both planners what they would do, with enough rows for a scan to be a mistake.
func TestPlans_Objects_UseAnIndex(t *testing.T) {
	for _, e := range []engine{sqliteFile, postgreSQL} {
		t.Run(e.name, func(t *testing.T) {
			s := openMigrated(t, e)
			fillPorts(t, s, 20_000)
			for _, p := range objectPlans {
				checkPlan(t, s, p)
			}
		})
	}
}

// checkPlan fails the test if the planner would scan a table for a statement. It returns what the planner would do.
func checkPlan(t testing.TB, s *Store, p planned) string {
	t.Helper()
	text, args, err := p.make(t, s)
	if err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
	plan := explain(t, s, text, args)
	if scansObjects.MatchString(plan) || p.sorts && scansByIndex.MatchString(plan) {
		t.Errorf("%s scans a table:\n%s\n%s", p.name, text, plan)
	}
	if !p.sorts && sortsAll.MatchString(plan) {
		t.Errorf("%s sorts rather than stop at the last row of the page:\n%s\n%s", p.name, text, plan)
	}
	t.Logf("%s:\n%s", p.name, plan)
	return plan
}
