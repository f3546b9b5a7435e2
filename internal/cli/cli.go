// Package cli is the command line of tricircle: it parses arguments, calls what does the work, and prints the outcome.
//
// Commands that run something (serve, demo, db) call package app; those of operators (pod, routing, job, ceiling) speak to the
// Admin API like any other client, so they need no access to the database. It must not hold logic of its own, and nothing
// but main may import it.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
)

// Version is what `tricircle version` prints; the linker stamps it (-ldflags -X).
var Version = "unknown"

// Exit codes of Run.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // the command line itself is wrong
)

// Run executes the command that args, without the program's name, describe. It returns the exit code of the process: 0, 1
// for what failed, 2 for a wrong command line. The command ends when ctx does.
func Run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) (exit int) {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	exit = exitUsage
	if failed, ok := errors.AsType[*failure](err); ok {
		exit, err = exitFailed, failed.err
	} else {
		err = fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath())
	}
	prefix := root.Name() + ": "
	if _, what, below := strings.Cut(cmd.CommandPath(), " "); below {
		prefix += what + ": "
	}
	for line := range strings.Lines(err.Error()) { // one, but for a configuration with several errors
		fmt.Fprintln(errOut, prefix+strings.TrimSpace(line))
	}
	return exit
}

func newRoot() *cobra.Command {
	root := group("tricircle", "Many OpenStacks, one OpenStack API",
		newServe(), newDemo(), newDB(), newConfig(), newRoutes(), newVersion(),
		newPod(), newNetwork(), newRouting(), newBinding(), newCeiling(), newJob(), newCatalog())
	root.SilenceErrors, root.SilenceUsage = true, true // Run prints errors, on one line
	return root
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version of this program", Args: cobra.NoArgs,
		RunE: action(func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "tricircle %s (%s, %s/%s)\n",
				Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		}),
	}
}

// group makes a command that only has commands below it. By itself it prints what they are; another word is an error, which
// cobra would answer with the same help and success.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs}
	g.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		hint := ""
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			hint = "; did you mean " + strings.Join(near, " or ") + "?"
		}
		return fmt.Errorf("there is no command %q%s", args[0], hint)
	}
	g.SuggestionsMinimumDistance = 2
	g.AddCommand(commands...)
	return g
}

// failure is an error of what a command did. All others are errors of the command line.
type failure struct{ err error }

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// usageError is found by an action, and is an error of the command line nevertheless.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// action makes a RunE that tells failures from wrong usage.
func action(run func(*cobra.Command, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		err := run(cmd, args)
		if _, wrong := errors.AsType[usageError](err); wrong || err == nil {
			return err
		}
		return &failure{err}
	}
}
