package cli

import (
	"net/http"

	"github.com/spf13/cobra"
)

func newCeiling() *cobra.Command {
	o := &operator{}
	show := &cobra.Command{
		Use: "show", Short: "Show the highest microversions that the top tells clients", Args: cobra.NoArgs,
		RunE: action(func(cmd *cobra.Command, _ []string) error { return o.ceilings(cmd, http.MethodGet, nil) }),
	}
	set := &cobra.Command{
		Use: "set SERVICE VERSION", Short: "Set the ceiling of a service, compute or volume", Args: cobra.ExactArgs(2),
		Example: "  tricircle ceiling set compute 2.90",
		RunE: action(func(cmd *cobra.Command, args []string) error {
			if args[0] != "compute" && args[0] != "volume" {
				return usagef("the service must be compute or volume, not %q", args[0])
			}
			return o.ceilings(cmd, http.MethodPut, map[string]any{"ceilings": map[string]string{args[0]: args[1]}})
		}),
	}
	return o.flags(group("ceiling", "Manage microversion ceilings", show, set))
}

var ceilingColumns = []column[versions]{
	{"COMPUTE", func(v versions) string { return v.Compute }},
	{"VOLUME", func(v versions) string { return v.Volume }},
}

// ceilings makes a request that answers the ceilings.
func (o *operator) ceilings(cmd *cobra.Command, method string, body any) error {
	api, err := o.connect(cmd.Context())
	if err != nil {
		return err
	}
	var answer struct {
		Ceilings versions `json:"ceilings"`
	}
	if err := api.call(cmd.Context(), method, "/ceilings", body, &answer); err != nil {
		return err
	}
	return o.format.write(cmd, answer.Ceilings, newGrid([]versions{answer.Ceilings}, ceilingColumns))
}
