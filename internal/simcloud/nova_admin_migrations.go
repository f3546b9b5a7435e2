package simcloud

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tricircle/tricircle/internal/fault"
)

// migration is a server's way from one host to another.
type migration struct {
	id                      int
	uuid, kind              string
	server                  *server
	flavor                  string
	source, dest            string
	user, project           string
	created, ready, changed time.Time // ready: when it arrives if nobody interferes
	end                     string    // status from ready on
}

// migrate sends a server on its way; it arrives after a while.
func (n *compute) migrate(c *call, s *server, kind, dest, end string, takes time.Duration) {
	now := c.cloud.opts.Now().UTC()
	m := &migration{
		id: len(n.migrations) + 1, uuid: c.cloud.opts.NewID(), kind: kind, server: s, flavor: s.flavor.ID,
		source: n.hostOf(s, now), dest: dest, user: c.tok.user.id, project: c.tok.projectID(),
		created: now.Truncate(time.Second), ready: now.Add(takes), end: end,
	}
	m.changed = m.ready
	n.migrations, s.move = append(n.migrations, m), m
}

// status is that at a moment: time passes, nobody has to do it.
func (m *migration) status(now time.Time) string {
	if now.Before(m.ready) {
		return "running"
	}
	return m.end
}

// arrived tells whether the server is on the new host.
func (m *migration) arrived(now time.Time) bool {
	return !slices.Contains([]string{"running", "cancelled", "reverted"}, m.status(now))
}

// settle ends a cold migration that waits for its user's word.
func (s *server) settle(c *call, status string) {
	if s.move != nil && s.move.end == "finished" {
		s.move.end, s.move.changed = status, c.cloud.opts.Now().UTC()
	}
}

// listMigrations orders by number below 2.59, and newest first, page by page, from then on.
func (n *compute) listMigrations(c *call) error {
	if err := c.policy("os_compute_api:os-migrations:index"); err != nil {
		return err
	}
	all, more, err := n.migrationPage(c)
	if err != nil {
		return err
	}
	d := c.body
	d.obj()
	d.arr("migrations")
	for _, m := range all {
		m.render(c)
	}
	d.endArr()
	if more {
		c.nextPage("migrations_links", "/os-migrations", all[len(all)-1].uuid)
	}
	d.endObj()
	return nil
}

// migrationFilters are the parameters of the list that compare.
var migrationFilters = map[string]func(m *migration, now time.Time, want string) bool{
	"host":           func(m *migration, _ time.Time, want string) bool { return m.source == want || m.dest == want },
	"source_compute": func(m *migration, _ time.Time, want string) bool { return m.source == want },
	"instance_uuid":  func(m *migration, _ time.Time, want string) bool { return m.server.id == want },
	"migration_type": func(m *migration, _ time.Time, want string) bool { return m.kind == want },
	"status":         func(m *migration, now time.Time, want string) bool { return m.status(now) == want },
	"user_id":        func(m *migration, _ time.Time, want string) bool { return m.user == want },
	"project_id":     func(m *migration, _ time.Time, want string) bool { return m.project == want },
}

func (n *compute) migrationPage(c *call) (page []*migration, more bool, err error) {
	now := c.cloud.opts.Now()
	page = slices.Clone(n.migrations)
	for name := range c.query {
		matches, ok := migrationFilters[name]
		switch {
		case ok:
			page = slices.DeleteFunc(page, func(m *migration) bool { return !matches(m, now, c.query.Get(name)) })
		case c.at(59) && !slices.Contains([]string{"limit", "marker", "hidden", "changes-since", "changes-before"}, name):
			return nil, false, fault.BadRequest("Additional properties are not allowed ('%s' was unexpected)", name)
		}
	}
	if !c.at(59) {
		return page, false, nil
	}
	slices.Reverse(page)
	limit, err := c.novaLimit()
	if err != nil {
		return nil, false, err
	}
	if marker := c.query.Get("marker"); marker != "" {
		i := slices.IndexFunc(page, func(m *migration) bool { return m.uuid == marker })
		if i < 0 {
			return nil, false, fault.BadRequest("Marker %s could not be found.", marker)
		}
		page = page[i+1:]
	}
	page = page[:min(limit, len(page))]
	return page, len(page) > 0 && len(page) == limit, nil
}

func (m *migration) render(c *call) {
	d, status := c.body, m.status(c.cloud.opts.Now())
	d.obj()
	d.num("id", m.id)
	if c.at(59) {
		d.str("uuid", m.uuid)
	}
	m.renderHosts(c)
	flavor, _ := strconv.Atoi(m.flavor)
	d.num("old_instance_type_id", flavor)
	d.num("new_instance_type_id", flavor)
	d.str("instance_uuid", m.server.id)
	d.str("status", status)
	if c.at(23) {
		d.str("migration_type", m.kind)
	}
	m.renderLater(c)
	if c.at(23) && m.kind == liveMigration && status == "running" {
		c.writeLinks("servers/"+m.server.id+"/migrations", strconv.Itoa(m.id))
	}
	d.endObj()
}

func (m *migration) renderHosts(c *call) {
	d := c.body
	d.str("source_compute", m.source)
	d.str("dest_compute", m.dest)
	d.str("source_node", m.source)
	d.str("dest_node", m.dest)
	d.null("dest_host")
}

// renderLater writes whose it is, from 2.80, and its times.
func (m *migration) renderLater(c *call) {
	d := c.body
	if c.at(80) {
		d.str("user_id", m.user)
		d.str("project_id", m.project)
	}
	d.time("created_at", m.created, micro)
	d.time("updated_at", m.changed, micro)
}

const liveMigration = "live-migration"

// underWay is the live migration of a server that has not ended, nil if there is none.
func (s *server) underWay(now time.Time) *migration {
	if s.move == nil || s.move.kind != liveMigration || s.move.status(now) != "running" {
		return nil
	}
	return s.move
}

// listServerMigrations shows live migrations that are under way.
func (n *compute) listServerMigrations(c *call) error {
	s, err := n.visible(c)
	if err != nil {
		return err
	}
	if err := c.policy("os_compute_api:servers:migrations:index"); err != nil {
		return err
	}
	c.body.obj()
	c.body.arr("migrations")
	if m := s.underWay(c.cloud.opts.Now()); m != nil {
		m.renderInServer(c)
	}
	c.body.endArr()
	c.body.endObj()
	return nil
}

func (n *compute) showServerMigration(c *call) error {
	s, err := n.visible(c)
	if err != nil {
		return err
	}
	if err := c.policy("os_compute_api:servers:migrations:show"); err != nil {
		return err
	}
	id := c.arg[1]
	m := first(n.migrations, func(m *migration) bool { return m.server.id == s.id && strconv.Itoa(m.id) == id })
	switch {
	case m == nil:
		return fault.NotFound("In-progress live migration %s is not found for server %s.", id, s.id)
	case m.kind != liveMigration:
		return fault.NotFound("Migration %s for server %s is not live-migration.", id, s.id)
	case m != s.underWay(c.cloud.opts.Now()):
		return fault.NotFound("Live migration %s for server %s is not in progress.", id, s.id)
	}
	return member(c, "migration", m, func(c *call, m *migration) { m.renderInServer(c) })
}

// renderInServer writes a migration as its server shows it: with what is still to be copied.
func (m *migration) renderInServer(c *call) {
	d := c.body
	d.obj()
	d.num("id", m.id)
	d.str("server_uuid", m.server.id)
	m.renderHosts(c)
	d.str("status", m.status(c.cloud.opts.Now()))
	for _, what := range []string{"memory", "disk"} {
		for _, count := range []string{"total", "processed", "remaining"} {
			d.num(what+"_"+count+"_bytes", 0)
		}
	}
	if c.at(59) {
		d.str("uuid", m.uuid)
	}
	m.renderLater(c)
	d.endObj()
}

// endServerMigration is both the DELETE that aborts a live migration, and the action that forces it to complete.
func (n *compute) endServerMigration(c *call) error {
	rule, verb, end := "force_complete", "force_complete", "completed"
	if c.r.Method == http.MethodDelete {
		rule, verb, end = "delete", "abort live migration", "cancelled"
	}
	s, err := n.visible(c)
	if err != nil {
		return err
	}
	if err := c.policy("os_compute_api:servers:migrations:" + rule); err != nil {
		return err
	}
	now := c.cloud.opts.Now().UTC()
	m := s.underWay(now)
	switch {
	case m == nil:
		return fault.Conflict("Instance %s is in an invalid state for '%s'", s.id, verb)
	case strconv.Itoa(m.id) != c.arg[1]:
		why := fault.NotFound("Migration %s could not be found for instance %s", c.arg[1], s.id)
		if !strings.HasPrefix(verb, "abort") {
			why.Status = http.StatusBadRequest
		}
		return why
	}
	m.end, m.ready, m.changed = end, now, now
	c.accepted()
	return nil
}
