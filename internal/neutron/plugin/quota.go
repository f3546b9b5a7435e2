package plugin

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"github.com/tricircle/tricircle/internal/neutron/api"
	"github.com/tricircle/tricircle/internal/neutron/schema"
	"github.com/tricircle/tricircle/internal/store"
)

// unlimited is the limit that is none.
const unlimited = -1

// maxLimit is the highest limit of a quota (neutron_lib/db/constants.py, DB_INTEGER_MAX_VALUE).
const maxLimit = 1<<31 - 1

// Limits are how many objects of each kind a project may have, by the names of the quota API; -1 is no limit.
type Limits map[string]int64

// counted are the kinds of objects that quotas speak of. Routers and floating IPs are not among the top's objects: their
// limits can be set and seen, as Horizon and the openstack client expect, and nothing counts against them.
var counted = []string{"network", "subnet", "subnetpool", "port", "router", "floatingip", "rbac_policy", "security_group",
	"security_group_rule", "trunk"}

// owned tells whether objects of a counted kind are the top's.
func owned(kind string) bool { return kind != "router" && kind != "floatingip" }

// limits returns what a project may have: its own limits over the defaults.
func (p *Plugin) limits(ctx context.Context, r store.Reader, project string) (Limits, error) {
	limits := maps.Clone(p.o.Limits)
	own, err := ownLimits(ctx, r, project)
	if own != nil {
		for name, v := range own.Attrs {
			if n := intOf(v); n != nil && slices.Contains(counted, name) {
				limits[name] = *n
			}
		}
	}
	return limits, err
}

// ownLimits returns the limits that were set for a project, or nil.
func ownLimits(ctx context.Context, r store.Reader, project string) (*store.Object, error) {
	found, err := r.List(ctx, store.ObjectQuery{Kind: store.KindQuota, Filters: []store.Filter{equal("project_id", project)}, Limit: 1})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

func used(ctx context.Context, r store.Reader, kind, project string) (int64, error) {
	if !owned(kind) {
		return 0, nil
	}
	n, err := r.Count(ctx, store.ObjectQuery{Kind: store.ObjectKind(kind), Filters: []store.Filter{equal("project_id", project)}})
	return int64(n), err
}

// checkQuota refuses n more objects of a kind if the project may not have them. Where there is a limit, those who make something of
// that kind in the project do so one after the other, for none of them sees what the others have not committed.
func (p *Plugin) checkQuota(ctx context.Context, tx store.Tx, kind store.ObjectKind, project string, n int64) error {
	if !slices.Contains(counted, string(kind)) {
		return nil
	}
	limits, err := p.limits(ctx, tx, project)
	if err != nil || limits[string(kind)] == unlimited {
		return err
	}
	if err := tx.Serialize(ctx, "quota "+string(kind)+" "+project); err != nil {
		return err
	}
	have, err := used(ctx, tx, string(kind), project)
	if err == nil && have+n > limits[string(kind)] {
		err = conflict("OverQuota", "Quota exceeded for resources: ['%s'].", kind)
	}
	return err
}

func (p *Plugin) quotaRoutes() []api.Route {
	return []api.Route{
		{Pattern: "GET /v2.0/quotas", Serve: p.listQuotas},
		{Pattern: "GET /v2.0/quotas/{project_id}", Serve: p.showQuota},
		{Pattern: "PUT /v2.0/quotas/{project_id}", Serve: p.updateQuota},
		{Pattern: "DELETE /v2.0/quotas/{project_id}", Serve: p.deleteQuota},
		{Pattern: "GET /v2.0/quotas/{project_id}/default", Serve: p.defaultQuota},
		{Pattern: "GET /v2.0/quotas/{project_id}/details", Serve: p.detailedQuota},
		{Pattern: "GET /v2.0/quotas/{project_id}/details.json", Serve: p.detailedQuota}, // as python-neutronclient has it
	}
}

// mayRead lets users see their own project's limits, and administrators those of all (neutron/extensions/quotasv2.py).
func mayRead(c *api.Call) error {
	if c.Param("project_id") == c.ProjectID() {
		return nil
	}
	return c.Authorize("get_quota")
}

// listQuotas shows the projects that have limits of their own.
func (p *Plugin) listQuotas(c *api.Call) (int, any, error) {
	if err := c.Authorize("get_quota"); err != nil {
		return 0, nil, err
	}
	rows, err := c.Reader().List(c.Context(), store.ObjectQuery{Kind: store.KindQuota})
	if err != nil {
		return 0, nil, err
	}
	quotas := make([]any, len(rows))
	for i, o := range rows {
		row := map[string]any{"project_id": o.ProjectID, "tenant_id": o.ProjectID}
		for name, limit := range p.o.Limits {
			row[name] = limit
		}
		maps.Copy(row, o.Attrs)
		quotas[i] = row
	}
	return http.StatusOK, map[string]any{"quotas": quotas}, nil
}

func (p *Plugin) showQuota(c *api.Call) (int, any, error) {
	project := c.Param("project_id")
	if project == "tenant" || project == "project" { // the words are no projects: they ask for the caller's
		if c.ProjectID() == "" {
			return 0, nil, badRequest("QuotaMissingTenant", "Tenant-id was missing from quota request.")
		}
		return http.StatusOK, map[string]any{project: map[string]any{project + "_id": c.ProjectID()}}, nil
	}
	if err := mayRead(c); err != nil {
		return 0, nil, err
	}
	limits, err := p.limits(c.Context(), c.Reader(), project)
	return http.StatusOK, map[string]any{"quota": limits}, err
}

func (p *Plugin) defaultQuota(c *api.Call) (int, any, error) {
	return http.StatusOK, map[string]any{"quota": p.o.Limits}, mayRead(c)
}

func (p *Plugin) detailedQuota(c *api.Call) (int, any, error) {
	if c.Param("project_id") != c.ProjectID() && !c.Admin {
		return 0, nil, neutronError(http.StatusForbidden, "AdminRequired",
			"User does not have admin privileges: Only admin is authorized to access quotas for another project.")
	}
	limits, err := p.limits(c.Context(), c.Reader(), c.Param("project_id"))
	if err != nil {
		return 0, nil, err
	}
	details := map[string]any{}
	for _, kind := range counted {
		n, err := used(c.Context(), c.Reader(), kind, c.Param("project_id"))
		if err != nil {
			return 0, nil, err
		}
		details[kind] = map[string]any{"limit": limits[kind], "used": n, "reserved": 0}
	}
	return http.StatusOK, map[string]any{"quota": details}, nil
}

// updateQuota sets limits of a project; those not named stay. With "check_limit" a limit below what is used is refused.
func (p *Plugin) updateQuota(c *api.Call) (int, any, error) {
	if err := c.Authorize("update_quota"); err != nil {
		return 0, nil, err
	}
	body, err := c.Body("quota")
	if err != nil {
		return 0, nil, err
	}
	given, check, err := readLimits(body)
	if err != nil {
		return 0, nil, err
	}
	project := c.Param("project_id")
	var limits Limits
	err = p.o.Store.InTx(c.Context(), func(tx store.Tx) error {
		if check {
			if err := checkUsed(c.Context(), tx, project, given); err != nil {
				return err
			}
		}
		if err := p.setLimits(c.Context(), tx, project, given); err != nil {
			return err
		}
		limits, err = p.limits(c.Context(), tx, project)
		return err
	})
	return http.StatusOK, map[string]any{"quota": limits}, err
}

// readLimits reads a body such as {"network": 5, "check_limit": true}.
func readLimits(body map[string]any) (given map[string]any, check bool, err error) {
	given = map[string]any{}
	for name, v := range body {
		switch {
		case name == "check_limit":
			check = boolOf(v)
		case name == "force", name == "tenant_id", name == "project_id":
		case !slices.Contains(counted, name):
			return nil, false, badRequest("HTTPBadRequest", "Unrecognized attribute(s) '%s'", name)
		default:
			n, err := schema.ToInt(v)
			if err != nil {
				return nil, false, err
			}
			switch limit := *intOf(n); {
			case limit < unlimited:
				return nil, false, badRequest("HTTPBadRequest", "Invalid input for %s. Reason: '%d' is too small - must be at least '%d'.",
					name, limit, unlimited)
			case limit > maxLimit:
				return nil, false, badRequest("HTTPBadRequest", "Invalid input for %s. Reason: '%d' is too large - must be no larger than '%d'.",
					name, limit, maxLimit)
			}
			given[name] = n
		}
	}
	return given, check, nil
}

func checkUsed(ctx context.Context, r store.Reader, project string, given map[string]any) error {
	for name, v := range given {
		n, err := used(ctx, r, name, project)
		if err != nil {
			return err
		}
		if limit := *intOf(v); n > limit {
			return badRequest("HTTPBadRequest", "Quota limit %d for %s must be greater than or equal to already used %d", limit, name, n)
		}
	}
	return nil
}

func (p *Plugin) setLimits(ctx context.Context, tx store.Tx, project string, given map[string]any) error {
	own, err := ownLimits(ctx, tx, project)
	if err != nil {
		return err
	}
	if own == nil {
		return tx.Insert(ctx, &store.Object{Kind: store.KindQuota, ID: p.o.NewID(), ProjectID: project, Attrs: given})
	}
	maps.Copy(own.Attrs, given)
	return tx.Update(ctx, own)
}

// deleteQuota lets the defaults hold again.
func (p *Plugin) deleteQuota(c *api.Call) (int, any, error) {
	if err := c.Authorize("delete_quota"); err != nil {
		return 0, nil, err
	}
	project := c.Param("project_id")
	err := p.o.Store.InTx(c.Context(), func(tx store.Tx) error {
		own, err := ownLimits(c.Context(), tx, project)
		if err != nil {
			return err
		}
		if own == nil {
			return notFound("TenantQuotaNotFound", "Quota for tenant %s could not be found.", project)
		}
		return tx.Delete(c.Context(), own.Kind, own.ID)
	})
	return http.StatusNoContent, nil, err
}
