// Command summary reads what `go test -json` writes and tells it to people: the output of what failed, a line per package
// (with -v: per test), and as the last line always
//
//	N passed, N failed, N skipped
//
// It counts tests that have no subtests, and a package that fails outside its tests, as one that does not compile. The
// exit status is 1 if anything failed, so that it may end a pipe. If $TEST_SUMMARY names a file, the last line is
// appended to it too. It knows nothing of this project.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	verbose := flag.Bool("v", false, "print a line per test")
	flag.Parse()
	s := &summary{out: os.Stdout, verbose: *verbose, output: map[test][]string{}, parents: map[test]bool{}}
	if err := s.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "summary:", err)
		s.failed++
	}
	fmt.Fprintln(s.out, s)
	if err := s.record(os.Getenv("TEST_SUMMARY")); err != nil {
		fmt.Fprintln(os.Stderr, "summary:", err)
		s.failed++
	}
	if s.failed > 0 {
		os.Exit(1)
	}
}

// event is one line of `go test -json`; see `go doc test2json`.
type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64 // seconds
}

// test names a test, or a package if its second part is empty.
type test struct{ pkg, name string }

type summary struct {
	out     io.Writer
	verbose bool

	output  map[test][]string // of what runs
	parents map[test]bool     // tests that have subtests, and packages that have failed tests

	passed, failed, skipped int
}

func (s *summary) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", s.passed, s.failed, s.skipped)
}

func (s *summary) read(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil {
				fmt.Fprintf(s.out, "%s", line) // go itself has something to say
			} else {
				s.add(e)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *summary) add(e event) {
	t := test{e.Package, e.Test}
	switch e.Action {
	case "run":
		if i := strings.LastIndexByte(e.Test, '/'); i >= 0 {
			s.parents[test{e.Package, e.Test[:i]}] = true
		}
	case "output":
		s.output[t] = append(s.output[t], e.Output)
	case "build-output":
		fmt.Fprint(s.out, e.Output)
	case "pass", "fail", "skip":
		s.end(t, e)
	}
}

// end counts what ended, and prints it if somebody has to know.
func (s *summary) end(t test, e event) {
	isPackage, counts := e.Test == "", !s.parents[t]
	switch {
	case e.Action == "fail":
		if counts {
			s.failed++
		}
		s.parents[test{t.pkg, ""}] = true
	case isPackage || !counts:
	case e.Action == "pass":
		s.passed++
	default:
		s.skipped++
	}
	if e.Action == "fail" || s.verbose && e.Action == "skip" {
		for _, line := range s.output[t] {
			fmt.Fprint(s.out, line)
		}
	}
	if s.verbose && !isPackage || isPackage && e.Action != "skip" {
		fmt.Fprintf(s.out, "%-4s %7.2fs  %s\n", e.Action, e.Elapsed, cmp.Or(t.name, t.pkg))
	}
	delete(s.output, t)
}

func (s *summary) record(file string) error {
	if file == "" {
		return nil
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, s)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}
