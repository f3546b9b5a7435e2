package nova

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/jsonx"
	"github.com/tricircle/tricircle/internal/routing"
)

// neutronGroup is a security group as the networking API shows it.
type neutronGroup struct {
	ID          string        `json:"id"`
	Name        string        `json:"name"`
	Description string        `json:"description"`
	ProjectID   string        `json:"project_id"`
	Rules       []neutronRule `json:"security_group_rules"`
}

// oldGroup is a security group as Nova shows it (nova/api/openstack/compute/security_groups.py, _format_security_group): with its ingress
// rules alone, for Nova never had others.
type oldGroup struct {
	ID          string    `json:"id"`
	Description string    `json:"description"`
	Name        string    `json:"name"`
	TenantID    string    `json:"tenant_id"`
	Rules       []oldRule `json:"rules"`
}

// groupsPath are the security groups of the networking API.
const groupsPath = "/v2.0/security-groups"

// oldGroup makes Nova's form of a group. Rules that admit a group that is gone, or that the caller may not see, are left out.
func (n networks) oldGroup(c *gateway.Call, g *neutronGroup, known map[string]*neutronGroup) (oldGroup, error) {
	old := oldGroup{ID: g.ID, Description: g.Description, Name: g.Name, TenantID: g.ProjectID, Rules: []oldRule{}}
	known[g.ID] = g
	for _, r := range g.Rules {
		if r.Direction != "ingress" {
			continue
		}
		var source *neutronGroup
		if r.RemoteGroupID != nil {
			var err error
			if source, err = n.sourceGroup(c, *r.RemoteGroupID, known); err != nil {
				return old, err
			}
			if source == nil {
				continue
			}
		}
		old.Rules = append(old.Rules, r.old(source))
	}
	return old, nil
}

// sourceGroup returns a group that a rule admits, nil if there is none; each is asked for once.
func (n networks) sourceGroup(c *gateway.Call, id string, known map[string]*neutronGroup) (*neutronGroup, error) {
	if g, asked := known[id]; asked {
		return g, nil
	}
	g, err := n.findGroup(c, id)
	if statusOf(err) == http.StatusNotFound {
		g, err = nil, nil
	}
	known[id] = g
	return g, err
}

// findGroup returns a security group by its id. Errors are Nova's.
func (n networks) findGroup(c *gateway.Call, id string) (*neutronGroup, error) {
	if _, ok := routing.ParseID(id); !ok {
		return nil, errGroupID()
	}
	var doc struct {
		Group neutronGroup `json:"security_group"`
	}
	if err := n.Ask(c.Context(), c.Caller, http.MethodGet, groupsPath+"/"+id, nil, &doc); err != nil {
		return nil, err
	}
	return &doc.Group, nil
}

func errGroupID() error { return fault.BadRequest("Security group id should be uuid") }

// replyGroup answers with a group in Nova's form.
func (n networks) replyGroup(c *gateway.Call, g *neutronGroup) error {
	old, err := n.oldGroup(c, g, map[string]*neutronGroup{})
	if err != nil {
		return err
	}
	return c.WriteJSON(http.StatusOK, map[string]any{"security_group": old})
}

// listGroups is GET os-security-groups: those of the project, for administrators who ask for it all. The page is cut before it is sorted,
// as Nova does.
func (n networks) listGroups(c *gateway.Call) error {
	query := url.Values{"project_id": {c.Caller.ProjectID}}
	if c.Caller.IsAdmin() && c.Query.Has("all_tenants") {
		query = nil
	}
	var doc struct {
		Groups []neutronGroup `json:"security_groups"`
	}
	if err := n.Ask(c.Context(), c.Caller, http.MethodGet, groupsPath+"?"+query.Encode(), nil, &doc); err != nil {
		return err
	}
	limit, err := pageNumber(c.Query, "limit", maxLimit)
	if err != nil {
		return err
	}
	offset, err := pageNumber(c.Query, "offset", 0)
	if err != nil {
		return err
	}
	if limit == 0 {
		limit = maxLimit
	}
	page := doc.Groups[min(offset, len(doc.Groups)):]
	page = page[:min(limit, maxLimit, len(page))]
	known := map[string]*neutronGroup{}
	for i := range doc.Groups {
		known[doc.Groups[i].ID] = &doc.Groups[i]
	}
	all := make([]oldGroup, 0, len(page))
	for i := range page {
		old, err := n.oldGroup(c, &page[i], known)
		if err != nil {
			return err
		}
		all = append(all, old)
	}
	slices.SortStableFunc(all, byProjectAndName)
	return c.WriteJSON(http.StatusOK, map[string]any{"security_groups": all})
}

func byProjectAndName(a, b oldGroup) int {
	return cmp.Or(strings.Compare(a.TenantID, b.TenantID), strings.Compare(a.Name, b.Name))
}

// showGroup is GET os-security-groups of one.
func (n networks) showGroup(c *gateway.Call) error {
	g, err := n.findGroup(c, c.Params.Get("id"))
	if err != nil {
		return err
	}
	return n.replyGroup(c, g)
}

// writeGroup makes or changes a group; both take a name and a description, and no less.
func (n networks) writeGroup(c *gateway.Call, method, path string) error {
	if _, there, _ := jsonx.Get(c.Body, "security_group"); !there {
		return fault.BadRequest("Missing parameter security_group")
	}
	group := map[string]string{}
	for _, member := range []string{"name", "description"} {
		text, err := groupProperty(c.Body, member)
		if err != nil {
			return err
		}
		group[member] = text
	}
	var doc struct {
		Group neutronGroup `json:"security_group"`
	}
	if err := n.Ask(c.Context(), c.Caller, method, path, map[string]any{"security_group": group}, &doc); err != nil {
		return err
	}
	return n.replyGroup(c, &doc.Group)
}

// maxProperty is how long the name and the description of a group may be.
const maxProperty = 255

// groupProperty reads the name or the description of a group (nova/utils.py, check_string_length).
func groupProperty(body []byte, member string) (string, error) {
	text, ok := jsonx.String(body, "security_group", member)
	if !ok {
		return "", fault.BadRequest("%s is not a string or unicode", member)
	}
	if length := utf8.RuneCountInString(text); length > maxProperty {
		return "", fault.BadRequest("%s has %d characters, more than %d.", member, length, maxProperty)
	}
	return text, nil
}

// createGroup is POST os-security-groups. Over quota is 403 there.
func (n networks) createGroup(c *gateway.Call) error {
	return limited(n.writeGroup(c, http.MethodPost, groupsPath))
}

// limited is an error of the networking API where Nova takes each conflict for a limit.
func limited(err error) error {
	if statusOf(err) == http.StatusConflict {
		return fault.Forbidden("%s", fault.From(err).Message)
	}
	return err
}

// updateGroup is PUT os-security-groups.
func (n networks) updateGroup(c *gateway.Call) error {
	g, err := n.findGroup(c, c.Params.Get("id"))
	if err != nil {
		return err
	}
	return n.writeGroup(c, http.MethodPut, groupsPath+"/"+g.ID)
}

// deleteGroup is DELETE os-security-groups. A group in use is 400 there.
func (n networks) deleteGroup(c *gateway.Call) error {
	g, err := n.findGroup(c, c.Params.Get("id"))
	if err == nil {
		err = n.Ask(c.Context(), c.Caller, http.MethodDelete, groupsPath+"/"+g.ID, nil, nil)
	}
	if statusOf(err) == http.StatusConflict {
		return fault.BadRequest("%s", fault.From(err).Message)
	}
	if err != nil {
		return err
	}
	return accepted(c)
}

// accepted is an answer without content.
func accepted(c *gateway.Call) error {
	c.W.Header().Set("Content-Type", "application/json")
	c.W.Header().Set("Content-Length", "0")
	c.W.WriteHeader(http.StatusAccepted)
	return nil
}
