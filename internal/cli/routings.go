package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

func newRouting() *cobra.Command {
	o := &operator{}
	return o.flags(group("routing", "Look at the routing table: what lives in which pod",
		newRoutingList(o), newRoutingLookup(o), newRoutingRebuild(o)))
}

// routing is what tables show of a routing.
type routing struct {
	ID      int64  `json:"id"`
	TopID   string `json:"top_id"`
	Region  string `json:"region_name"`
	Project string `json:"project_id"`
	Type    string `json:"resource_type"`
	Created string `json:"created_at"`
}

var routingColumns = []column[routing]{
	{"ROW", func(r routing) string { return strconv.FormatInt(r.ID, 10) }},
	{"TYPE", func(r routing) string { return r.Type }},
	{"ID", func(r routing) string { return r.TopID }},
	{"POD", func(r routing) string { return r.Region }},
	{"PROJECT", func(r routing) string { return r.Project }},
	{"CREATED", func(r routing) string { return r.Created }},
}

func newRoutingList(o *operator) *cobra.Command {
	var typ, project, podName, id string
	var limit int
	var marker int64
	cmd := &cobra.Command{
		Use: "list", Short: "List routings, the latest first", Args: cobra.NoArgs,
		RunE: action(func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return usagef("--limit must be at least 1")
			}
			api, err := o.connect(cmd.Context())
			if err != nil {
				return err
			}
			query := url.Values{}
			if podName != "" {
				p, err := api.findPod(cmd.Context(), podName)
				if err != nil {
					return err
				}
				query.Set("pod_id", p.ID)
			}
			for name, value := range map[string]string{"resource_type": typ, "project_id": project, "top_id": id} {
				if value != "" {
					query.Set(name, value)
				}
			}
			if marker > 0 {
				query.Set("marker", strconv.FormatInt(marker, 10))
			}
			return o.listRoutings(cmd, api, query, limit)
		}),
	}
	cmd.Flags().StringVar(&typ, "type", "", "only of this type: server, volume, snapshot, backup...")
	cmd.Flags().StringVar(&project, "project", "", "only of the project with this id")
	cmd.Flags().StringVar(&podName, "pod", "", "only of the pod with this id or region")
	cmd.Flags().StringVar(&id, "id", "", "only of the resource with this id")
	cmd.Flags().IntVar(&limit, "limit", 1000, "at most as many")
	cmd.Flags().Int64Var(&marker, "marker", 0, "only what comes after this row")
	return cmd
}

// listRoutings says on standard error where to go on if there are more than limit.
func (o *operator) listRoutings(cmd *cobra.Command, api *client, query url.Values, limit int) error {
	raws, more, err := api.routings(cmd.Context(), query, limit)
	if err != nil {
		return err
	}
	rows, err := decodeAll[routing](raws)
	if err != nil {
		return err
	}
	if err := o.format.write(cmd, raws, newGrid(rows, routingColumns)); err != nil {
		return err
	}
	if more {
		fmt.Fprintf(cmd.ErrOrStderr(), "There are more: --marker %s continues here, --limit shows more at once.\n",
			query.Get("marker"))
	}
	return nil
}

// routingPage is an answer of the API.
type routingPage struct {
	Routings []json.RawMessage `json:"routings"`
	Links    []struct {
		Rel  string `json:"rel"`
		Href string `json:"href"`
	} `json:"routings_links"`
}

// next is the marker of the page after this one; "" if this is the last.
func (p *routingPage) next() string {
	for _, l := range p.Links {
		if u, err := url.Parse(l.Href); err == nil && l.Rel == "next" {
			return u.Query().Get("marker")
		}
	}
	return ""
}

// routings reads pages until there are limit rows. It leaves the marker of what follows in query.
func (c *client) routings(ctx context.Context, query url.Values, limit int) (rows []json.RawMessage, more bool, err error) {
	rows = []json.RawMessage{}
	for len(rows) < limit {
		var page routingPage
		query.Set("limit", strconv.Itoa(limit-len(rows)))
		if err := c.call(ctx, http.MethodGet, "/routings?"+query.Encode(), nil, &page); err != nil {
			return nil, false, err
		}
		rows = append(rows, page.Routings...)
		marker := page.next()
		if marker == "" {
			return rows, false, nil
		}
		query.Set("marker", marker)
	}
	return rows, true, nil
}

func newRoutingLookup(o *operator) *cobra.Command {
	var typ string
	cmd := &cobra.Command{
		Use: "lookup ID", Short: "Find the pod of a resource; pods are asked for what the table does not know",
		Args: cobra.ExactArgs(1),
		RunE: action(func(cmd *cobra.Command, args []string) error {
			api, err := o.connect(cmd.Context())
			if err != nil {
				return err
			}
			query := url.Values{"id": args}
			if typ != "" {
				query.Set("resource_type", typ)
			}
			var answer struct {
				Routing json.RawMessage `json:"routing"`
			}
			if err := api.call(cmd.Context(), http.MethodGet, "/routings/lookup?"+query.Encode(), nil, &answer); err != nil {
				return err
			}
			var r routing
			if err := json.Unmarshal(answer.Routing, &r); err != nil {
				return err
			}
			return o.format.write(cmd, answer.Routing, newCard(r, routingColumns))
		}),
	}
	cmd.Flags().StringVar(&typ, "type", "", "type of the resource (default: server, volume, snapshot or backup)")
	return cmd
}

// rebuilt is the outcome of a rebuild for one pod.
type rebuilt struct {
	Region string         `json:"region_name"`
	Counts map[string]int `json:"counts"`
	Error  string         `json:"error"`
}

func (r rebuilt) counts() string {
	var parts []string
	for _, typ := range slices.Sorted(maps.Keys(r.Counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", typ, r.Counts[typ]))
	}
	return strings.Join(parts, ", ")
}

var rebuiltColumns = []column[rebuilt]{
	{"POD", func(r rebuilt) string { return r.Region }},
	{"FOUND", rebuilt.counts},
	{"ERROR", func(r rebuilt) string { return r.Error }},
}

func newRoutingRebuild(o *operator) *cobra.Command {
	var podName string
	cmd := &cobra.Command{
		Use: "rebuild", Short: "Read what lives in the pods into the table; fails if a pod cannot be read whole",
		Args: cobra.NoArgs,
		RunE: action(func(cmd *cobra.Command, _ []string) error {
			api, err := o.connect(cmd.Context())
			if err != nil {
				return err
			}
			body := map[string]string{}
			if podName != "" {
				p, err := api.findPod(cmd.Context(), podName)
				if err != nil {
					return err
				}
				body["pod_id"] = p.ID
			}
			return o.rebuild(cmd, api, body)
		}),
	}
	cmd.Flags().StringVar(&podName, "pod", "", "only the pod with this id or region")
	return cmd
}

func (o *operator) rebuild(cmd *cobra.Command, api *client, body any) error {
	var answer struct {
		Rebuild []rebuilt `json:"rebuild"`
	}
	if err := api.call(cmd.Context(), http.MethodPost, "/routings/rebuild", body, &answer); err != nil {
		return err
	}
	if err := o.format.write(cmd, answer.Rebuild, newGrid(answer.Rebuild, rebuiltColumns)); err != nil {
		return err
	}
	for _, r := range answer.Rebuild {
		if r.Error != "" {
			return errors.New("not every pod was read whole (run it again when the pods answer; it does no harm)")
		}
	}
	return nil
}
