package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tricircle/tricircle/internal/app"
	"github.com/tricircle/tricircle/internal/config"
)

func newServe() *cobra.Command {
	var s settings
	var roles []string
	cmd := &cobra.Command{
		Use: "serve", Short: "Run the top: all roles or some", Args: cobra.NoArgs,
		Long: "Run the top until SIGTERM or SIGINT, then let requests finish. Roles: all, " +
			strings.Join(app.Roles(), ", ") + ".",
		RunE: action(func(cmd *cobra.Command, _ []string) error {
			var extra []string
			if cmd.Flags().Changed("roles") {
				extra = []string{"DEFAULT.roles=" + strings.Join(roles, ",")}
			}
			cfg, err := s.load(extra...)
			if err != nil {
				return err
			}
			if err := check(cfg, cmd.ErrOrStderr()); err != nil {
				return err
			}
			return app.Serve(cmd.Context(), app.Options{
				Config: cfg, Roles: cfg.Default.Roles, Version: Version, Out: cmd.ErrOrStderr()})
		}),
	}
	s.flags(cmd)
	cmd.Flags().StringSliceVar(&roles, "roles", nil, "what to serve (default [DEFAULT] roles, which is all)")
	return cmd
}

func newDemo() *cobra.Command {
	o := app.DemoOptions{Version: Version}
	cmd := &cobra.Command{
		Use: "demo", Short: "Try it: the top and simulated pods in one process", Args: cobra.NoArgs,
		Long: "Run the top, a simulated Keystone and simulated pods in this process, on loopback. A clouds.yaml is written, so\n" +
			"that any OpenStack client can be used on it. Nothing survives the end of the process.",
		RunE: action(func(cmd *cobra.Command, _ []string) error {
			if o.Pods < 1 || o.Servers < 0 || o.BasePort < 0 {
				return usagef("--pods must be at least 1, --servers and --base-port not negative")
			}
			o.Out, o.Log = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return app.Demo(cmd.Context(), o)
		}),
	}
	cmd.Flags().IntVar(&o.Pods, "pods", 3, "simulated pods")
	cmd.Flags().IntVar(&o.Servers, "servers", 0, "servers that all pods have together from the start")
	cmd.Flags().IntVar(&o.BasePort, "base-port", 0, "first of the ports to listen on (default: free ones)")
	cmd.Flags().StringVar(&o.Dir, "dir", filepath.Join(os.TempDir(), "tricircle-demo"),
		"folder of clouds.yaml and the database")
	return cmd
}

func newDB() *cobra.Command {
	return group("db", "Manage the database",
		configCommand("migrate", "Bring the schema up to date", app.Migrate),
		configCommand("version", "Print the version of the schema", printSchemaVersion))
}

func printSchemaVersion(ctx context.Context, cfg *config.Config, out io.Writer) error {
	current, latest, err := app.SchemaVersion(ctx, cfg)
	if err != nil {
		return err
	}
	hint := ""
	switch {
	case current < latest:
		hint = "; run tricircle db migrate"
	case current > latest:
		hint = "; a newer release has migrated it"
	}
	_, err = fmt.Fprintf(out, "the schema is at version %d, this program needs %d%s\n", current, latest, hint)
	return err
}
