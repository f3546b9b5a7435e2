package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// region is the top's, in the testbed.
const region = "RegionOne"

// testbed starts the top on the real pods, and tempest against it.
type testbed struct {
	dir string // of the testbed's programs
	log io.Writer
}

func (b *testbed) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(b.dir, name), args...)
	cmd.Stdout, cmd.Stderr = b.log, b.log
	return cmd
}

// up starts the top afresh, and configures tempest for it.
func (b *testbed) up() error {
	for _, args := range [][]string{{"top", "down"}, {"top", "up"}, {"testbed", "tempest-conf", region}} {
		if err := b.command(args[0], args[1:]...).Run(); err != nil {
			return fmt.Errorf("%s: %w", strings.Join(args, " "), err)
		}
	}
	return nil
}

func (b *testbed) down() {
	if err := b.command("top", "down").Run(); err != nil {
		fmt.Fprintln(b.log, "top down:", err)
	}
}

// tempest runs tests by name and hands what is printed to read. That tests fail is not an error.
func (b *testbed) tempest(names []string, read func(io.Reader) error) error {
	list, err := os.CreateTemp("", "tempest-*.txt")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(list.Name()) }()
	for _, name := range names {
		// Tests are known to tempest with an id in brackets behind the name.
		if _, err := fmt.Fprintf(list, "^%s(\\[|$)\n", regexp.QuoteMeta(name)); err != nil {
			return err
		}
	}
	if err := list.Close(); err != nil {
		return err
	}
	cmd := b.command("tempest-run", region, "--concurrency", "2", "--include-list", list.Name())
	cmd.Stdout = nil
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	readErr := read(out)
	waitErr := cmd.Wait()
	if _, someFailed := errors.AsType[*exec.ExitError](waitErr); someFailed {
		waitErr = nil
	}
	return errors.Join(readErr, waitErr)
}
