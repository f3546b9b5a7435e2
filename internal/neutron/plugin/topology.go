package plugin

import (
	"net/http"

	"github.com/tricircle/tricircle/internal/neutron/api"
	"github.com/tricircle/tricircle/internal/neutron/schema"
	"github.com/tricircle/tricircle/internal/store"
)

// topologyName is the name of the network that a project gets without asking (neutron/services/auto_allocate/db.py).
const topologyName = "auto_allocated_network"

// topologyProject is the project of a call about an auto-allocated topology: "null" and "None" mean the caller's.
func topologyProject(c *api.Call) (string, error) {
	project := c.Param("project_id")
	if project == "None" || project == "null" {
		project = c.ProjectID()
	}
	if project != c.ProjectID() && !c.Admin {
		return "", neutronError(http.StatusForbidden, "NotAuthorized", "Not authorized.")
	}
	return project, nil
}

// showTopology returns the auto-allocated network of a project, which it makes if there is none: a network with a subnet out of each
// default subnet pool. With fields=dry-run it only says whether that could be done. Neutron's has a router to the default external
// network besides.
func (p *Plugin) showTopology(c *api.Call) (int, any, error) {
	project, err := topologyProject(c)
	if err != nil {
		return 0, nil, err
	}
	answer := func(id string) (int, any, error) {
		return http.StatusOK, map[string]any{"auto_allocated_topology": map[string]any{"id": id, "tenant_id": project, "project_id": project}}, nil
	}
	pools, err := c.Reader().List(c.Context(), store.ObjectQuery{Kind: store.KindSubnetPool, Filters: []store.Filter{equal("is_default", true)}})
	if err != nil {
		return 0, nil, err
	}
	if c.Query.Get("fields") == "dry-run" {
		if len(pools) == 0 {
			return 0, nil, conflict("AutoAllocationFailure", "Deployment error: No default subnetpools defined.")
		}
		return answer("dry-run=pass")
	}
	var id string
	err = p.o.Store.InTx(c.Context(), func(tx store.Tx) error {
		id, err = p.ensureTopology(c, tx, project, pools)
		return err
	})
	if err != nil {
		return 0, nil, err
	}
	return answer(id)
}

// topology returns the auto-allocated network of a project, or nil.
func topology(c *api.Call, r store.Reader, project string) (*store.Object, error) {
	found, err := r.List(c.Context(), store.ObjectQuery{Kind: store.KindNetwork, Limit: 1, Filters: []store.Filter{
		equal("project_id", project), equal("name", topologyName), equal("auto_allocated", true)}})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

func (p *Plugin) ensureTopology(c *api.Call, tx store.Tx, project string, pools []*store.Object) (string, error) {
	if err := tx.Serialize(c.Context(), "topology/"+project); err != nil {
		return "", err
	}
	have, err := topology(c, tx, project)
	if err != nil {
		return "", err
	}
	if have != nil {
		return have.ID, nil
	}
	if len(pools) == 0 {
		return "", conflict("AutoAllocationFailure", "Deployment error: No default subnetpools defined.")
	}
	network := &store.Object{Kind: store.KindNetwork, ProjectID: project, Attrs: map[string]any{"name": topologyName, "auto_allocated": true}}
	if err := p.make(c, tx, p.networks(), network); err != nil {
		return "", err
	}
	for _, pool := range pools {
		if err := p.make(c, tx, p.subnets(), &store.Object{Kind: store.KindSubnet, ProjectID: project, Attrs: map[string]any{
			"name": "auto_allocated_subnet_v" + schema.Text(pool.Attrs["ip_version"]), "network_id": network.ID,
			"ip_version": pool.Attrs["ip_version"], "subnetpool_id": pool.ID}}); err != nil {
			return "", err
		}
	}
	return network.ID, nil
}

// deleteTopology deletes the auto-allocated network of a project, if it has one and nothing uses it.
func (p *Plugin) deleteTopology(c *api.Call) (int, any, error) {
	project, err := topologyProject(c)
	if err != nil {
		return 0, nil, err
	}
	err = p.o.Store.InTx(c.Context(), func(tx store.Tx) error {
		network, err := topology(c, tx, project)
		if err != nil || network == nil {
			return err
		}
		if err := p.deleteNetwork(c, tx, network); err != nil {
			return err
		}
		if err := tx.Delete(c.Context(), network.Kind, network.ID); err != nil {
			return err
		}
		return p.deletedNetwork(c, tx, network)
	})
	return http.StatusNoContent, nil, err
}

// make creates an object as the engine does for a client.
func (p *Plugin) make(c *api.Call, tx store.Tx, r api.Resource, o *store.Object) error {
	if err := p.checkQuota(c.Context(), tx, o.Kind, o.ProjectID, 1); err != nil {
		return err
	}
	o.ID, o.Revision = p.o.NewID(), 1
	o.Attrs["description"], o.Attrs["tags"] = "", []any{}
	for _, a := range r.Attributes {
		if _, given := o.Attrs[a.Name]; given || !a.Post || a.Default == api.Required || a.Default == api.Unset {
			continue
		}
		o.Attrs[a.Name] = a.Default
		if f, ok := a.Default.(func() any); ok {
			o.Attrs[a.Name] = f()
		}
	}
	if err := r.Rules.Create(c, tx, o); err != nil {
		return err
	}
	if err := tx.Insert(c.Context(), o); err != nil {
		return err
	}
	return r.Rules.Created(c, tx, o)
}
