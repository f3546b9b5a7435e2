package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"
)

func newNetwork() *cobra.Command {
	o := &operator{}
	return o.flags(group("network", "Make networks that pods have the top's", newNetworkList(o), newNetworkAdopt(o)))
}

// podNetwork is what tables show of a network of a pod.
type podNetwork struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Project  string `json:"project_id"`
	Type     string `json:"network_type"`
	Physical string `json:"physical_network"`
	Segment  int64  `json:"segmentation_id"`
	External bool   `json:"router_external"`
	Shared   bool   `json:"shared"`
	State    string `json:"state"`
}

// segment is "vlan 2101 on bridge".
func (n podNetwork) segment() string {
	text := n.Type
	if n.Segment != 0 {
		text += fmt.Sprintf(" %d", n.Segment)
	}
	if n.Physical != "" {
		text += " on " + n.Physical
	}
	return text
}

var podNetworkColumns = []column[podNetwork]{
	{"ID", func(n podNetwork) string { return n.ID }},
	{"NAME", func(n podNetwork) string { return n.Name }},
	{"PROJECT", func(n podNetwork) string { return n.Project }},
	{"SEGMENT", podNetwork.segment},
	{"EXTERNAL", func(n podNetwork) string { return strconv.FormatBool(n.External) }},
	{"SHARED", func(n podNetwork) string { return strconv.FormatBool(n.Shared) }},
	{"STATE", func(n podNetwork) string { return n.State }},
}

func newNetworkList(o *operator) *cobra.Command {
	var podName, project string
	cmd := &cobra.Command{
		Use: "list --pod POD", Short: "List the networks of a pod: free to be adopted, adopted, or made by the top", Args: cobra.NoArgs,
		RunE: action(func(cmd *cobra.Command, _ []string) error {
			api, p, err := o.connectTo(cmd.Context(), podName)
			if err != nil {
				return err
			}
			raws, err := api.networks(cmd.Context(), p, project)
			if err != nil {
				return err
			}
			rows, err := decodeAll[podNetwork](raws)
			if err != nil {
				return err
			}
			return o.format.write(cmd, raws, newGrid(rows, podNetworkColumns))
		}),
	}
	podFlag(cmd, &podName)
	cmd.Flags().StringVar(&project, "project", "", "only those of the project with this id")
	return cmd
}

func podFlag(cmd *cobra.Command, name *string) {
	cmd.Flags().StringVar(name, "pod", "", "id or region of the pod")
	_ = cmd.MarkFlagRequired("pod") // it is there
}

func (c *client) networks(ctx context.Context, p pod, project string) ([]json.RawMessage, error) {
	var answer struct {
		Networks []json.RawMessage `json:"networks"`
	}
	query := ""
	if project != "" {
		query = "?" + url.Values{"project_id": {project}}.Encode()
	}
	err := c.call(ctx, http.MethodGet, "/pods/"+p.ID+"/networks"+query, nil, &answer)
	return answer.Networks, err
}

// adoption is what tables show of the adoption of a network, a row for each step.
type adoption struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Region  string `json:"region_name"`
	Type    string `json:"network_type"`
	Spans   bool   `json:"spans_pods"`
	DryRun  bool   `json:"dry_run"`
	Pending string `json:"pending"`
	Steps   []step `json:"steps"`
}

type step struct {
	Kind string `json:"resource_type"`
	ID   string `json:"id"`
	Name string `json:"name"`
	What string `json:"what"`
}

var stepColumns = []column[step]{
	{"KIND", func(s step) string { return s.Kind }},
	{"ID IN THE POD", func(s step) string { return s.ID }},
	{"NAME", func(s step) string { return s.Name }},
	{"WHAT", func(s step) string { return s.What }},
}

func newNetworkAdopt(o *operator) *cobra.Command {
	var podName, project string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "adopt --pod POD (NETWORK... | --all-of-project PROJECT)",
		Short: "Make networks of a pod the top's, with their ports and security groups; servers stay as they are",
		Long: "Make networks of a pod the top's, with their subnets, ports and security groups, which keep their ids. Servers stay as they are. " +
			"NETWORK is an id. It may be run again: then it takes in what has come to the network in the pod.",
		DisableFlagsInUseLine: true,
		RunE: action(func(cmd *cobra.Command, args []string) error {
			if (len(args) > 0) == (project != "") {
				return usagef("either networks or --all-of-project is needed")
			}
			api, p, err := o.connectTo(cmd.Context(), podName)
			if err != nil {
				return err
			}
			if project != "" {
				if args, err = api.unadopted(cmd.Context(), p, project); err != nil {
					return err
				}
			}
			for _, id := range args {
				if err := o.adopt(cmd, api, p, id, dryRun); err != nil {
					return err
				}
			}
			return nil
		}),
	}
	podFlag(cmd, &podName)
	cmd.Flags().StringVar(&project, "all-of-project", "", "all networks of the project with this id that the top does not have")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be done")
	return cmd
}

// unadopted returns the ids of the networks of a project in a pod that are not the top's.
func (c *client) unadopted(ctx context.Context, p pod, project string) (ids []string, err error) {
	raws, err := c.networks(ctx, p, project)
	if err != nil {
		return nil, err
	}
	rows, err := decodeAll[podNetwork](raws)
	for _, n := range rows {
		if n.State == "free" {
			ids = append(ids, n.ID)
		}
	}
	if err == nil && len(ids) == 0 {
		err = fmt.Errorf("project %q has no network in pod %s that is not the top's already", project, p.Region)
	}
	return ids, err
}

// adopt adopts one network and says on standard error what became of it as a whole.
func (o *operator) adopt(cmd *cobra.Command, api *client, p pod, id string, dryRun bool) error {
	var answer struct {
		Network json.RawMessage `json:"network"`
	}
	body := map[string]any{"network": map[string]any{"id": id, "dry_run": dryRun}}
	if err := api.call(cmd.Context(), http.MethodPost, "/pods/"+p.ID+"/networks", body, &answer); err != nil {
		return err
	}
	var a adoption
	if err := json.Unmarshal(answer.Network, &a); err != nil {
		return err
	}
	if err := o.format.write(cmd, answer.Network, newGrid(a.Steps, stepColumns)); err != nil {
		return err
	}
	did, where := "is the top's now", "stays in pod "+a.Region+" only"
	if dryRun {
		did = "would become the top's (nothing has been done)"
	} else if len(a.Steps) == 0 {
		did = "was the top's already"
	}
	if a.Spans {
		where = "may be used in other pods too"
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "Network %s %s, and %s.\n", cmp.Or(a.Name, a.ID), did, where)
	if a.Pending != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "It is not marked in the pod yet, and a job goes on trying: %s\n", a.Pending)
	}
	return nil
}
