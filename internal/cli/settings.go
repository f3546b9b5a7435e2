package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tricircle/tricircle/internal/config"
)

// defaultConfig is read if it exists and --config names no other.
const defaultConfig = "/etc/tricircle/tricircle.conf"

// settings are the flags by which a command that runs on a configuration finds it.
type settings struct {
	files []string
	set   []string
}

func (s *settings) flags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&s.files, "config", nil,
		"configuration file, may be repeated (default "+defaultConfig+", if it exists)")
	cmd.Flags().StringArrayVar(&s.set, "set", nil, "section.key=value, may be repeated; goes before files and environment")
}

// load reads files, environment and flags. extra settings go before all of them.
func (s *settings) load(extra ...string) (*config.Config, error) {
	files := s.files
	if len(files) == 0 {
		if _, err := os.Stat(defaultConfig); err == nil {
			files = []string{defaultConfig}
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("configuration: %w", err)
		}
	}
	// The endpoint of the Admin API is a setting of this program's other half, the client.
	env := slices.DeleteFunc(os.Environ(), func(pair string) bool { return strings.HasPrefix(pair, envEndpoint+"=") })
	return config.Load(config.Sources{Files: files, Env: env, Set: append(slices.Clone(s.set), extra...)})
}

// check prints what is doubtful about a configuration, and fails if it cannot work.
func check(cfg *config.Config, out io.Writer) error {
	wrong := 0
	for _, p := range cfg.Check() {
		fmt.Fprintln(out, p)
		if p.Severity == config.Error {
			wrong++
		}
	}
	if wrong > 0 {
		return fmt.Errorf("the configuration has %d errors (tricircle config sample explains every key)", wrong)
	}
	return nil
}

func newConfig() *cobra.Command {
	sample := &cobra.Command{
		Use: "sample", Short: "Print a configuration file with every key, its meaning and its default", Args: cobra.NoArgs,
		RunE: action(func(cmd *cobra.Command, _ []string) error { return config.Sample(cmd.OutOrStdout()) }),
	}
	return group("config", "Look at the configuration", sample,
		configCommand("check", "Say whether a process could run with the configuration", checkConfig),
		configCommand("print", "Print what holds, and where it comes from; secrets are hidden",
			func(_ context.Context, cfg *config.Config, out io.Writer) error { return cfg.Print(out) }))
}

func checkConfig(_ context.Context, cfg *config.Config, out io.Writer) error {
	if err := check(cfg, out); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out, "The configuration is fine.")
	return err
}

// configCommand makes a command that does one thing with a configuration.
func configCommand(use, short string, run func(context.Context, *config.Config, io.Writer) error) *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		RunE: action(func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.load()
			if err != nil {
				return err
			}
			return run(cmd.Context(), cfg, cmd.OutOrStdout())
		}),
	}
	s.flags(cmd)
	return cmd
}
