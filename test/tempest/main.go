// Command tempest runs OpenStack's own API tests through the top, over the real pods of the testbed, and tells how much of what
// passes directly on one pod passes there too.
//
//	tempest            a fixed core and a share that rotates with -share: what each acceptance run can afford
//	tempest -all       every test of must-pass.txt and known-gaps.txt
//	tempest REGEXP...  the tests that match
//
// With -only it is one service's tests: compute, network or volume.
//
// Four lists are beside it. must-pass.txt names the tests that must pass, known-gaps.txt those that pass directly on a pod and not
// yet here, each with its reason, needs-routers.txt those that cannot before the top has routers; together they are what passes directly.
// core.txt names the classes of every run. It starts the top by testbed/top and writes events as
// `go test -json` does, one test each, for test/summary to count; the exit status says only whether it could do its work. A test that is
// listed as a gap and passes is a failure of the list, and told as such.
//
// It depends on the standard library only, and nothing depends on it.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	all := flag.Bool("all", false, "run every listed test")
	share := flag.Int("share", 0, "which share of the tests outside the core to run")
	only := flag.String("only", "", "run the tests of one service: compute, network or volume")
	root := flag.String("root", ".", "the root of the source tree")
	flag.Parse()
	if err := run(*root, choice{all: *all, share: *share, patterns: flag.Args(), only: *only}, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "tempest:", err)
		os.Exit(1)
	}
}

func run(root string, c choice, out io.Writer) error {
	l, err := readLists(root + "/test/tempest")
	if err != nil {
		return err
	}
	names, err := l.choose(c)
	if err != nil {
		return err
	}
	bed := &testbed{dir: root + "/testbed", log: os.Stderr}
	if err := bed.up(); err != nil {
		return err
	}
	defer bed.down()
	r := newReport(l, names, json.NewEncoder(out))
	if err := bed.tempest(names, r.read); err != nil {
		return err
	}
	r.finish()
	fmt.Fprint(out, r.parity())
	return nil
}
