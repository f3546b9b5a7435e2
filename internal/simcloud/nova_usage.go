package simcloud

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/tricircle/tricircle/internal/fault"
)

// What Nova counts: the usage of projects, its hypervisors, and its log of counting.

// usageWindow reads start and end (nova/api/openstack/compute/simple_tenant_usage.py, _get_datetime_range).
func usageWindow(c *call) (start, end time.Time, err error) {
	now := c.cloud.opts.Now().UTC()
	parse := func(name string, missing time.Time) time.Time {
		text := c.query.Get(name)
		if text == "" {
			return missing
		}
		for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05"} {
			if t, bad := time.Parse(layout, text); bad == nil {
				return t
			}
		}
		err = fault.BadRequest("Invalid datetime string: Datetime is in invalid format")
		return missing
	}
	start, end = parse("start", now), parse("end", now.Add(time.Microsecond))
	if err == nil && !start.Before(end) {
		err = fault.BadRequest("Invalid start time. The start time cannot occur after the end time.")
	}
	if end.After(now) {
		end = now
	}
	return start, end, err
}

// active returns the servers that ran in a window, all projects' if project is empty, in the order of Nova's pages.
func (n *compute) active(project string, start, end time.Time) []*server {
	var all []*server
	for r := range n.servers.walk(nil, project == "" || project == stableDemoProject) {
		s := n.servers.at(r)
		if (project == "" || s.project == project) && !s.launched.After(end) && (!s.isDeleted() || s.deleted.After(start)) {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b *server) int { return cmp.Or(cmp.Compare(a.project, b.project), cmp.Compare(a.id, b.id)) })
	return all
}

func (n *compute) listUsages(c *call) error {
	if err := c.policy("os_compute_api:os-simple-tenant-usage:list"); err != nil {
		return err
	}
	return n.usages(c, "", "tenant_usages")
}

func (n *compute) showUsage(c *call) error {
	if c.arg[0] != c.tok.projectID() {
		if err := c.policy("os_compute_api:os-simple-tenant-usage:show"); err != nil {
			return err
		}
	}
	return n.usages(c, c.arg[0], "tenant_usage")
}

// usages answers with the usage of one project, or all that have some. Pages, from 2.40, count servers.
func (n *compute) usages(c *call, project, key string) error {
	start, end, err := usageWindow(c)
	if err != nil {
		return err
	}
	servers, limit := n.active(project, start, end), maxLimit
	if c.at(40) {
		if text := c.query.Get("limit"); text != "" {
			if limit, err = strconv.Atoi(text); err != nil {
				return fault.BadRequest("Invalid input for query parameters limit. Value: %s.", text)
			}
		}
		if marker := c.query.Get("marker"); marker != "" {
			i := slices.IndexFunc(servers, func(s *server) bool { return s.id == marker })
			if i < 0 {
				return fault.BadRequest("Marker %s could not be found.", marker)
			}
			servers = servers[i+1:]
		}
	}
	servers = servers[:min(len(servers), limit, maxLimit)]
	rows := n.usageRows(servers, start, end, project != "" || c.query.Get("detailed") == "1")
	c.body.obj()
	switch {
	case project == "":
		c.body.value(key, rows)
	case len(rows) == 0:
		c.body.raw(key, "{}")
	default:
		c.body.value(key, rows[0])
	}
	if c.at(40) && len(servers) > 0 && len(servers) == min(limit, maxLimit) {
		path := "/os-simple-tenant-usage"
		if project != "" {
			path += "/" + project
		}
		c.nextPage(key+"_links", path, servers[len(servers)-1].id)
	}
	c.body.endObj()
	return nil
}

// usageRows adds up what servers used in a window, by project.
func (n *compute) usageRows(servers []*server, start, end time.Time, detailed bool) []map[string]any {
	rows := []map[string]any{}
	add := func(row map[string]any, name string, hours float64) {
		had, _ := row[name].(float64)
		row[name] = had + hours
	}
	for _, s := range servers {
		from, to := s.launched, end
		if from.Before(start) {
			from = start
		}
		ended, state, until := any(nil), s.vmState(end), end
		if s.isDeleted() {
			ended, state, until = s.deleted.Format(micro), "terminated", s.deleted
			if to.After(s.deleted) {
				to = s.deleted
			}
		}
		hours := to.Sub(from).Hours()
		if len(rows) == 0 || rows[len(rows)-1]["tenant_id"] != s.project {
			rows = append(rows, map[string]any{"tenant_id": s.project, "start": start.Format(micro), "stop": end.Format(micro)})
		}
		row := rows[len(rows)-1]
		add(row, "total_hours", hours)
		add(row, "total_vcpus_usage", hours*float64(s.flavor.VCPUs))
		add(row, "total_memory_mb_usage", hours*float64(s.flavor.RAM))
		add(row, "total_local_gb_usage", hours*float64(s.flavor.Disk))
		if detailed {
			shown, _ := row["server_usages"].([]any)
			row["server_usages"] = append(shown, map[string]any{
				"hours": hours, "flavor": s.flavor.Name, "instance_id": s.id, "name": s.name, "tenant_id": s.project,
				"memory_mb": s.flavor.RAM, "local_gb": s.flavor.Disk, "vcpus": s.flavor.VCPUs,
				"started_at": s.launched.Format(micro), "ended_at": ended, "state": state, "uptime": int(until.Sub(s.launched).Seconds()),
			})
		}
	}
	return rows
}

// showAuditLog: the first host has counted its servers in the last month, the others have not.
func (n *compute) showAuditLog(c *call) error {
	if err := c.policy("os_compute_api:os-instance-usage-audit-log:list"); err != nil {
		return err
	}
	key, before := "instance_usage_audit_logs", c.cloud.opts.Now().UTC()
	if c.arg[0] != "" {
		var err error
		if before, err = time.Parse("2006-01-02 15:04:05", c.arg[0]); err != nil {
			return fault.BadRequest("Invalid timestamp for date %s", c.arg[0])
		}
		key = "instance_usage_audit_log"
	}
	ending := time.Date(before.Year(), before.Month(), 1, 0, 0, 0, 0, time.UTC)
	done, waiting := n.hosts[0], n.hosts[1:]
	instances := len(n.active("", ending.AddDate(0, -1, 0), ending))
	c.body.obj()
	c.body.value(key, map[string]any{
		"period_beginning": ending.AddDate(0, -1, 0).Format(time.DateTime), "period_ending": ending.Format(time.DateTime),
		"num_hosts": len(n.hosts), "num_hosts_done": 1, "num_hosts_running": 0, "num_hosts_not_run": len(waiting), "hosts_not_run": waiting,
		"total_instances": instances, "total_errors": 0, "overall_status": fmt.Sprintf("1 of %d hosts done. 0 errors.", len(n.hosts)),
		"log": map[string]any{done: map[string]any{
			"state": "DONE", "instances": instances, "errors": 0, "message": fmt.Sprintf("Instance usage audit ran for host %s", done),
		}},
	})
	c.body.endObj()
	return nil
}
