package cli

import (
	"github.com/spf13/cobra"

	"github.com/tricircle/tricircle/internal/app"
)

// route is a row of a route table as it is printed.
type route struct {
	Method  string `json:"method"`
	Path    string `json:"path"`
	Action  string `json:"action"`
	Min     string `json:"min_microversion"`
	Max     string `json:"max_microversion"`
	Class   string `json:"class"`
	Handler string `json:"handler"`
	By      string `json:"answered_by"`
	Note    string `json:"note"`
}

func newRoutes() *cobra.Command {
	var class string
	var f format
	cmd := &cobra.Command{
		Example: "  tricircle routes nova --class top-owned    # what one pod answers for all, until the top owns it",
		Use:     "routes nova|cinder", Short: "Print every call of an API, and what becomes of it",
		ValidArgs: []string{"nova", "cinder"}, Args: cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		RunE: action(func(cmd *cobra.Command, args []string) error {
			table, err := app.Routes(args[0])
			if err != nil {
				return err
			}
			rows := []route{}
			for _, r := range table {
				if class == "" || string(r.Class) == class {
					rows = append(rows, route{r.Method, r.Path, r.Action, r.Min.String(), r.Max.String(), string(r.Class), r.Handler,
						r.Class.Meaning(), r.Note})
				}
			}
			return f.write(cmd, rows, newGrid(rows, routeColumns))
		}),
	}
	cmd.Flags().StringVar(&class, "class", "", "only calls of this class, such as by-id or fan-out-merge")
	formatFlag(cmd, &f)
	return cmd
}

var routeColumns = []column[route]{
	{"METHOD", func(r route) string { return r.Method }},
	{"PATH", func(r route) string { return r.Path }},
	{"ACTION", func(r route) string { return r.Action }},
	{"MIN", func(r route) string { return r.Min }},
	{"MAX", func(r route) string { return r.Max }},
	{"CLASS", func(r route) string { return r.Class }},
	{"ANSWERED BY", func(r route) string { return r.By }},
}
