package plugin

import (
	"net/http"
	"slices"
	"time"

	"github.com/tricircle/tricircle/internal/neutron/api"
	"github.com/tricircle/tricircle/internal/neutron/schema"
	"github.com/tricircle/tricircle/internal/store"
)

// subportOwner is the device owner of subports (neutron_lib/services/trunk/constants.py, TRUNK_SUBPORT_OWNER).
const subportOwner = "trunk:subport"

// trunks are ports that carry the traffic of others, their subports, each with a VLAN tag (neutron/services/trunk/plugin.py, Zed). A port
// can become a parent while a server has it, as with ML2/OVN; should its pod have a driver that refuses this, the trunk's job says so.
func (p *Plugin) trunks() api.Resource {
	return api.Resource{
		Kind: store.KindTrunk, Singular: "trunk", Plural: "trunks", Collection: "trunks",
		Standard: true, Tagged: true, NotFound: trunkNotFound,
		Attributes: []api.Attribute{
			{Name: "admin_state_up", Post: true, Put: true, Default: true, Convert: schema.ToBool},
			{Name: "name", Post: true, Put: true, Default: "", Validate: schema.String(255)},
			{Name: "port_id", Post: true, Default: api.Required, Validate: schema.UUID},
			{Name: "status", NoFilter: true},
			{Name: "sub_ports", Post: true, Default: emptyList, Validate: validSubports, NoFilter: true, NoSort: true},
		},
		Actions: []api.Action{
			{Name: "add_subports", Method: http.MethodPut, Policy: "add_subports", Serve: p.addSubports},
			{Name: "remove_subports", Method: http.MethodPut, Policy: "remove_subports", Serve: p.removeSubports},
			{Name: "get_subports", Method: http.MethodGet, Policy: "get_subports", Serve: getSubports},
		},
		Rules: api.Rules{Create: p.createTrunk, Created: p.createdTrunk, Updated: p.updatedTrunk, Delete: deleteTrunk, Deleted: p.deletedTrunk,
			Show: showTrunks},
	}
}

func trunkNotFound(id string) error {
	return notFound("TrunkNotFound", "Trunk %s could not be found.", id)
}

func parentPortInUse(id string) error {
	return conflict("ParentPortInUse", "Port %s is currently in use and is not eligible for use as a parent port.", id)
}

// checkManageable refuses changes of a trunk that is locked (neutron/services/trunk/rules.py, trunk_can_be_managed).
func checkManageable(o *store.Object) error {
	if boolOf(o.Attrs["admin_state_up"]) {
		return nil
	}
	return conflict("TrunkDisabled", "Trunk %s is currently disabled.", o.ID)
}

func (p *Plugin) createTrunk(c *api.Call, tx store.Tx, o *store.Object) error {
	parent, err := p.visible(c, tx, store.KindPort, textOf(o.Attrs["port_id"]))
	if err != nil {
		return err
	}
	if err := checkUntrunked(parent); err != nil {
		return err
	}
	subports, err := p.checkSubports(c, tx, parent, mapsOf(o.Attrs["sub_ports"]))
	if err == nil {
		subports, err = joinSubports(o.ID, nil, subports)
	}
	o.Attrs["port_id"], o.Attrs["status"], o.Attrs["sub_ports"] = parent.ID, "DOWN", subports
	return err
}

// createdTrunk notes at the ports that they are in the trunk, and wants the trunk where its parent is.
func (p *Plugin) createdTrunk(c *api.Call, tx store.Tx, o *store.Object) error {
	ctx := c.Context()
	parent, err := tx.Get(ctx, store.KindPort, textOf(o.Attrs["port_id"]))
	if err != nil {
		return err
	}
	parent.Attrs[store.AttrTrunk] = o.ID
	if err := tx.Update(ctx, parent); err != nil {
		return err
	}
	if err := markSubports(c, tx, o.ID, subportIDs(o.Attrs["sub_ports"])); err != nil {
		return err
	}
	shadow, deleted := false, false
	rows, err := tx.Realizations(ctx, store.RealizationQuery{Kind: store.KindPort, TopIDs: []string{parent.ID}, Shadow: &shadow, Deleted: &deleted})
	if err != nil || len(rows) == 0 {
		return err
	}
	for i, row := range rows {
		rows[i] = store.Realization{Kind: store.KindTrunk, TopID: o.ID, PodNum: row.PodNum}
	}
	if err := tx.PutRealization(ctx, rows...); err != nil {
		return err
	}
	return enqueueRows(ctx, tx, rows, o.ProjectID)
}

// markSubports writes into ports of which trunk they are subports; "" is none.
func markSubports(c *api.Call, tx store.Tx, trunk string, ids []any) error {
	if len(ids) == 0 {
		return nil
	}
	ports, err := tx.List(c.Context(), store.ObjectQuery{Kind: store.KindPort, Filters: []store.Filter{{Attr: "id", Values: ids}}})
	for _, port := range ports {
		if err != nil {
			break
		}
		port.Attrs[store.AttrSubportOf], port.Attrs["device_owner"] = trunk, subportOwner
		if trunk == "" {
			delete(port.Attrs, store.AttrSubportOf)
			port.Attrs["device_owner"] = ""
		}
		err = tx.Update(c.Context(), port)
	}
	return err
}

func (p *Plugin) updatedTrunk(c *api.Call, tx store.Tx, _, updated *store.Object) error {
	return p.enqueue(c.Context(), tx, updated)
}

func deleteTrunk(c *api.Call, tx store.Tx, o *store.Object) error {
	if err := checkManageable(o); err != nil {
		return err
	}
	parent, err := tx.Get(c.Context(), store.KindPort, textOf(o.Attrs["port_id"]))
	if err != nil {
		return err
	}
	delete(parent.Attrs, store.AttrTrunk)
	if err := tx.Update(c.Context(), parent); err != nil {
		return err
	}
	return markSubports(c, tx, "", subportIDs(o.Attrs["sub_ports"]))
}

func (p *Plugin) deletedTrunk(c *api.Call, tx store.Tx, o *store.Object) error {
	return p.bury(c.Context(), tx, o)
}

// readSubports is the body of add_subports and remove_subports.
func readSubports(body map[string]any) ([]map[string]any, error) {
	if err := validSubports(body["sub_ports"]); err != nil {
		return nil, invalidInput("%s", err)
	}
	return mapsOf(body["sub_ports"]), nil
}

func (p *Plugin) addSubports(c *api.Call, tx store.Tx, o *store.Object, body map[string]any) (any, error) {
	given, err := readSubports(body)
	if err != nil {
		return nil, err
	}
	parent, err := tx.Get(c.Context(), store.KindPort, textOf(o.Attrs["port_id"]))
	if err != nil {
		return nil, err
	}
	added, err := p.checkSubports(c, tx, parent, given)
	if err == nil {
		err = checkManageable(o)
	}
	if err != nil {
		return nil, err
	}
	all, err := joinSubports(o.ID, mapsOf(o.Attrs["sub_ports"]), added)
	if err != nil {
		return nil, err
	}
	if err := markSubports(c, tx, o.ID, subportIDs(added)); err != nil {
		return nil, err
	}
	return p.setSubports(c, tx, o, all)
}

func (p *Plugin) removeSubports(c *api.Call, tx store.Tx, o *store.Object, body map[string]any) (any, error) {
	if err := checkManageable(o); err != nil {
		return nil, err
	}
	given, err := readSubports(body)
	if err != nil {
		return nil, err
	}
	left, _ := o.Attrs["sub_ports"].([]any)
	var gone []any
	for _, subport := range given {
		i := slices.IndexFunc(left, func(v any) bool { return v.(map[string]any)["port_id"] == subport["port_id"] })
		if i < 0 {
			id := textOf(subport["port_id"])
			return nil, notFound("SubPortNotFound", "SubPort %s on trunk %s could not be found.", id, o.ID)
		}
		gone, left = append(gone, subport["port_id"]), slices.Delete(slices.Clone(left), i, i+1)
	}
	if err := markSubports(c, tx, "", gone); err != nil {
		return nil, err
	}
	return p.setSubports(c, tx, o, left)
}

// setSubports changes what a trunk carries. The answer is the trunk, not below its name (neutron/pecan_wsgi/controllers/resource.py,
// MemberActionController).
func (p *Plugin) setSubports(c *api.Call, tx store.Tx, o *store.Object, subports []any) (any, error) {
	o.Attrs["sub_ports"] = subports
	if err := tx.Update(c.Context(), o); err != nil {
		return nil, err
	}
	tags := o.Attrs["tags"]
	if tags == nil {
		tags = []any{}
	}
	return map[string]any{
		"id": o.ID, "project_id": o.ProjectID, "tenant_id": o.ProjectID, "name": o.Attrs["name"], "description": o.Attrs["description"],
		"admin_state_up": o.Attrs["admin_state_up"], "port_id": o.Attrs["port_id"], "status": o.Attrs["status"], "sub_ports": subports,
		"tags": tags, "revision_number": o.Revision, "created_at": o.CreatedAt.UTC().Format(timeFormat),
		"updated_at": c.Now.UTC().Truncate(time.Second).Format(timeFormat),
	}, p.enqueue(c.Context(), tx, o)
}

func getSubports(_ *api.Call, _ store.Tx, o *store.Object, _ map[string]any) (any, error) {
	return map[string]any{"sub_ports": o.Attrs["sub_ports"]}, nil
}

// showTrunks says of trunks whether they are as they should be in the pod of their parent: ACTIVE, and DOWN while they are in none, or their
// job has something to do.
func showTrunks(c *api.Call, r store.Reader, page []*store.Object) error {
	if fields := c.Query["fields"]; len(page) == 0 || len(fields) > 0 && !slices.Contains(fields, "status") {
		return nil
	}
	live := false
	rows, err := r.Realizations(c.Context(), store.RealizationQuery{Kind: store.KindTrunk, TopIDs: textsOf(idsOf(page)), Deleted: &live})
	if err != nil {
		return err
	}
	for _, row := range rows {
		i := slices.IndexFunc(page, func(o *store.Object) bool { return o.ID == row.TopID })
		if row.BottomID != "" && schema.Text(row.Detail["sub_ports"]) == schema.Text(page[i].Attrs["sub_ports"]) {
			page[i].Attrs["status"] = "ACTIVE"
		}
	}
	return nil
}

// showTrunkDetails shows of ports that are parents what their trunks carry, and of subports on which port they are, by its id at the top. It
// asks nothing about ports without trunks. MACs of subports are there in lists, too, where Neutron means to show them and does not.
func showTrunkDetails(c *api.Call, r store.Reader, page []*store.Object) error {
	if fields := c.Query["fields"]; len(fields) > 0 && !slices.Contains(fields, "trunk_details") && !slices.Contains(fields, "binding:profile") {
		return nil
	}
	trunks, err := trunksOf(c, r, page)
	if err != nil || len(trunks) == 0 {
		return err
	}
	var ids []any
	for _, trunk := range trunks {
		ids = append(ids, subportIDs(trunk.Attrs["sub_ports"])...)
	}
	ports, err := r.List(c.Context(), store.ObjectQuery{Kind: store.KindPort, Filters: []store.Filter{{Attr: "id", Values: ids}}})
	if err != nil {
		return err
	}
	macs := map[any]any{}
	for _, port := range ports {
		macs[port.ID] = port.Attrs["mac_address"]
	}
	for _, o := range page {
		if trunk := trunks[textOf(o.Attrs[store.AttrTrunk])]; trunk != nil {
			subports := []any{}
			for _, s := range mapsOf(trunk.Attrs["sub_ports"]) {
				subports = append(subports, map[string]any{"port_id": s["port_id"], "segmentation_type": s["segmentation_type"],
					"segmentation_id": s["segmentation_id"], "mac_address": macs[s["port_id"]]})
			}
			o.Attrs["trunk_details"] = map[string]any{"trunk_id": trunk.ID, "sub_ports": subports}
		}
		profile, _ := o.Attrs["binding:profile"].(map[string]any)
		if trunk := trunks[textOf(o.Attrs[store.AttrSubportOf])]; trunk != nil && profile["parent_name"] != nil {
			profile["parent_name"] = trunk.Attrs["port_id"]
		}
	}
	return nil
}

// trunksOf returns the trunks that ports are in, by their ids.
func trunksOf(c *api.Call, r store.Reader, ports []*store.Object) (map[string]*store.Object, error) {
	var ids []any
	for _, o := range ports {
		for _, name := range []string{store.AttrTrunk, store.AttrSubportOf} {
			if id := textOf(o.Attrs[name]); id != "" {
				ids = append(ids, id)
			}
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	found, err := r.List(c.Context(), store.ObjectQuery{Kind: store.KindTrunk, Filters: []store.Filter{{Attr: "id", Values: ids}}})
	trunks := map[string]*store.Object{}
	for _, o := range found {
		trunks[o.ID] = o
	}
	return trunks, err
}
