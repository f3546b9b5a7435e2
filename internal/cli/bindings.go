package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"
)

func newBinding() *cobra.Command {
	o := &operator{}
	return o.flags(group("binding", "Manage which pod a project's new resources go to when nothing else says where",
		newBindingList(o),
		onBinding(o, "show PROJECT", "Show the pod of a project", cobra.ExactArgs(1), http.MethodGet),
		onBinding(o, "set PROJECT POD", "Bind a project to a pod; what it has stays where it is", cobra.ExactArgs(2), http.MethodPut),
		newBindingDelete(o)))
}

// binding is what tables show of a binding.
type binding struct {
	Project string `json:"project_id"`
	Region  string `json:"region_name"`
	Created string `json:"created_at"`
	Updated string `json:"updated_at"`
}

var bindingColumns = []column[binding]{
	{"PROJECT", func(b binding) string { return b.Project }},
	{"POD", func(b binding) string { return b.Region }},
	{"CREATED", func(b binding) string { return b.Created }},
	{"UPDATED", func(b binding) string { return b.Updated }},
}

func newBindingList(o *operator) *cobra.Command {
	var podName, marker string
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List bindings, by project", Args: cobra.NoArgs,
		RunE: action(func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return usagef("--limit must be at least 1")
			}
			api, err := o.connect(cmd.Context())
			if err != nil {
				return err
			}
			query := url.Values{"limit": {strconv.Itoa(limit)}}
			if marker != "" {
				query.Set("marker", marker)
			}
			if podName != "" {
				p, err := api.findPod(cmd.Context(), podName)
				if err != nil {
					return err
				}
				query.Set("pod_id", p.ID)
			}
			return o.listBindings(cmd, api, query)
		}),
	}
	cmd.Flags().StringVar(&podName, "pod", "", "only to the pod with this id or region")
	cmd.Flags().IntVar(&limit, "limit", 1000, "at most as many")
	cmd.Flags().StringVar(&marker, "marker", "", "only projects behind this one")
	return cmd
}

// listBindings says on standard error where to go on if there are more.
func (o *operator) listBindings(cmd *cobra.Command, api *client, query url.Values) error {
	var page struct {
		Bindings []json.RawMessage `json:"bindings"`
		Links    []json.RawMessage `json:"bindings_links"`
	}
	if err := api.call(cmd.Context(), http.MethodGet, "/bindings?"+query.Encode(), nil, &page); err != nil {
		return err
	}
	rows, err := decodeAll[binding](page.Bindings)
	if err != nil {
		return err
	}
	if err := o.format.write(cmd, page.Bindings, newGrid(rows, bindingColumns)); err != nil {
		return err
	}
	if len(page.Links) > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "There may be more: --marker %s continues here.\n", rows[len(rows)-1].Project)
	}
	return nil
}

// onBinding makes a command that answers the binding of a project. A second argument is the pod to bind it to.
func onBinding(o *operator, use, short string, args cobra.PositionalArgs, method string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Long: short + ". PROJECT is an id; POD is an id or a region.", Args: args,
		RunE: action(func(cmd *cobra.Command, args []string) error {
			api, err := o.connect(cmd.Context())
			if err != nil {
				return err
			}
			var body any
			if len(args) == 2 {
				p, err := api.findPod(cmd.Context(), args[1])
				if err != nil {
					return err
				}
				body = map[string]any{"binding": map[string]string{"pod_id": p.ID}}
			}
			var answer struct {
				Binding json.RawMessage `json:"binding"`
			}
			if err := api.call(cmd.Context(), method, "/bindings/"+url.PathEscape(args[0]), body, &answer); err != nil {
				return err
			}
			var b binding
			if err := json.Unmarshal(answer.Binding, &b); err != nil {
				return err
			}
			return o.format.write(cmd, answer.Binding, newCard(b, bindingColumns))
		}),
	}
}

func newBindingDelete(o *operator) *cobra.Command {
	return &cobra.Command{
		Use: "delete PROJECT", Short: "Let the project's next create without a zone choose anew", Args: cobra.ExactArgs(1),
		RunE: action(func(cmd *cobra.Command, args []string) error {
			api, err := o.connect(cmd.Context())
			if err != nil {
				return err
			}
			var nothing struct{}
			return api.call(cmd.Context(), http.MethodDelete, "/bindings/"+url.PathEscape(args[0]), nil, &nothing)
		}),
	}
}
