//go:build acceptance

package acceptance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// The world that all tests share. Only TestMain sets it.
var (
	top   *process // the program under test
	admin *user    // role admin, in project admin
	demo  *user    // role member, in project demo
	other *user    // role member, in a project that this run alone uses
	stray *user    // the same, where servers may still appear after their test has ended
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "acceptance:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if admin, err = login("admin", "admin"); err != nil {
		return 0, fmt.Errorf("is the testbed up? make testbed-up: %w", err)
	}
	if demo, err = login("demo", "demo"); err != nil {
		return 0, err
	}
	if other, err = makeProject("acceptance"); err != nil {
		return 0, err
	}
	if stray, err = makeProject("acceptance-stray"); err != nil {
		return 0, err
	}
	if err := errors.Join(other.sweep(), stray.sweep()); err != nil {
		return 0, err
	}
	top = &process{dir: filepath.Join(testbedDir(), "acceptance")}
	if err := errors.Join(top.forget(), os.RemoveAll(top.dir)); err != nil {
		return 0, err
	}
	if err := top.install(); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(top.stop(os.Interrupt), other.sweep(), stray.sweep(), top.forget()) }()
	if code = m.Run(); code != 0 {
		fmt.Fprintln(os.Stderr, "the log of the top is", top.logFile())
	}
	return code, nil
}
