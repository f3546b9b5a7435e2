package nova

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"

	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/jsonx"
	"github.com/tricircle/tricircle/internal/pod"
)

// group is addSecurityGroup and removeSecurityGroup: groups are the top's, and so are memberships.
func (n networks) group(c *gateway.Call) error {
	return n.change(c, "name", func(ctx context.Context, id, name string) error {
		if c.Route.Action == "removeSecurityGroup" {
			return n.RemoveGroup(ctx, c.Caller, id, name)
		}
		return n.AddGroup(ctx, c.Caller, id, name)
	})
}

// serverGroups is GET os-security-groups of a server: of its ports that are the top's the top knows the groups and rules.
func (n networks) serverGroups(c *gateway.Call) error {
	p, a, err := c.AskByID()
	if err != nil {
		return err
	}
	if n.Service != nil && a.OK() {
		if err := n.putGroups(c, p, a); err != nil {
			return err
		}
	}
	return c.Reply(p, a)
}

// putGroups puts the groups of a server at the top into an answer, in place of those that the pod has of them.
func (n networks) putGroups(c *gateway.Call, p *pod.Pod, a *gateway.Answer) error {
	var ports struct {
		Ports []struct {
			Groups []string `json:"security_groups"`
		} `json:"ports"`
	}
	query := url.Values{"device_id": {c.Params.Get("server_id")}, "fields": {"security_groups"}}
	err := n.Ask(c.Context(), c.Caller, http.MethodGet, "/v2.0/ports?"+query.Encode(), nil, &ports)
	if err != nil || len(ports.Ports) == 0 {
		return err
	}
	shown, err := n.podsGroups(c, p, a)
	if err != nil {
		return err
	}
	var ids []string
	for _, port := range ports.Ports {
		ids = append(ids, port.Groups...)
	}
	known, err := n.groupsByID(c, ids)
	if err != nil {
		return err
	}
	for _, id := range ids { // Nova shows a group once for each port in it
		if known[id] == nil {
			continue
		}
		old, err := n.oldGroup(c, known[id], known)
		if err != nil {
			return err
		}
		shown = append(shown, old)
	}
	slices.SortStableFunc(shown, byProjectAndName)
	raw, err := json.Marshal(shown)
	if err == nil {
		a.Body, err = jsonx.Set(a.Body, raw, "security_groups")
	}
	return err
}

// podsGroups are those in an answer of a pod that are its own.
func (n networks) podsGroups(c *gateway.Call, p *pod.Pod, a *gateway.Answer) ([]oldGroup, error) {
	var doc struct {
		Groups []oldGroup `json:"security_groups"`
	}
	if json.Unmarshal(a.Body, &doc) != nil {
		return []oldGroup{}, nil
	}
	ids := make([]string, len(doc.Groups))
	for i, g := range doc.Groups {
		ids[i] = g.ID
	}
	top, err := n.TopIDs(c.Context(), p.Num, ids)
	return slices.DeleteFunc(doc.Groups, func(g oldGroup) bool { return top[g.ID] != "" }), err
}

// groupsByID returns those groups of the top that the caller sees.
func (n networks) groupsByID(c *gateway.Call, ids []string) (map[string]*neutronGroup, error) {
	known := make(map[string]*neutronGroup, len(ids))
	if len(ids) == 0 {
		return known, nil
	}
	var doc struct {
		Groups []neutronGroup `json:"security_groups"`
	}
	query := url.Values{"id": slices.Compact(slices.Sorted(slices.Values(ids)))}
	err := n.Ask(c.Context(), c.Caller, http.MethodGet, groupsPath+"?"+query.Encode(), nil, &doc)
	for i := range doc.Groups {
		known[doc.Groups[i].ID] = &doc.Groups[i]
	}
	return known, err
}
