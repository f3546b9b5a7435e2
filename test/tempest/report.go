package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// event is a line of `go test -json`; see `go doc test2json`.
type event struct {
	Action  string
	Package string
	Test    string  `json:",omitempty"`
	Output  string  `json:",omitempty"`
	Elapsed float64 `json:",omitempty"` // seconds
}

// report turns what tempest prints into events.
type report struct {
	*lists
	want    map[string]bool // chosen tests that have not been seen yet
	chosen  []string
	out     *json.Encoder
	passed  map[string]int // by service
	failing string         // the test whose traceback is being read
	elapsed float64        // of failing
	detail  []string       // its traceback
}

func newReport(l *lists, chosen []string, out *json.Encoder) *report {
	r := &report{lists: l, chosen: chosen, out: out, want: map[string]bool{}, passed: map[string]int{}}
	for _, name := range chosen {
		r.want[name] = true
	}
	return r
}

// result is a line such as "{0} tempest.api.compute.test_versions.TestVersions.test_get [0.1s] ... ok", or of a class:
// "{1} setUpClass (tempest.api...) [0.0s] ... SKIPPED: why".
var (
	result  = regexp.MustCompile(`^\{\d+\} (.+?)(?: \[([\d.]+)s\])? \.\.\. (ok|FAILED|SKIPPED)(?:: (.*))?$`)
	ofClass = regexp.MustCompile(`^(setUpClass|tearDownClass) \((.+)\)$`)
)

// maxDetail bounds the traceback that is shown of a failure, which tempest follows by everything that it has logged.
const maxDetail = 60

// read reads the output of `tempest run`.
func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if line = strings.TrimRight(line, "\n"); line != "" {
			r.line(line)
		}
		if err == io.EOF {
			r.flush()
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) line(line string) {
	m := result.FindStringSubmatch(line)
	if m == nil {
		if r.failing != "" && len(r.detail) < maxDetail {
			r.detail = append(r.detail, line)
		}
		return
	}
	r.flush()
	name, _, _ := strings.Cut(m[1], "[id-")
	took, _ := strconv.ParseFloat(m[2], 64)
	switch m[3] {
	case "FAILED":
		r.failing, r.elapsed = name, took
	case "SKIPPED":
		r.settle(name, "skip", took, cmp.Or(m[4], "no reason"))
	default:
		r.settle(name, "pass", took, "")
	}
}

// flush ends the failure whose traceback has been read.
func (r *report) flush() {
	if r.failing != "" {
		r.settle(r.failing, "fail", r.elapsed, strings.Join(r.detail, "\n"))
	}
	r.failing, r.detail = "", nil
}

// settle tells the result of a test, or of all tests of a class that could not be set up.
func (r *report) settle(name, action string, took float64, output string) {
	m := ofClass.FindStringSubmatch(name)
	if m == nil {
		r.tell(name, action, took, output)
		return
	}
	if m[1] == "tearDownClass" && action != "pass" {
		r.tell(m[2]+".tearDownClass", action, took, output)
		return
	}
	for _, test := range r.chosen {
		if classOf(test) == m[2] && r.want[test] {
			r.tell(test, action, 0, "The class cannot be set up: "+output)
		}
	}
}

// tell writes the events of one test. Whoever must pass may not be skipped, and a gap that is closed leaves its list.
func (r *report) tell(name, action string, took float64, output string) {
	reason, isGap := r.gaps[name]
	if need, isApart := r.routers[name]; isApart {
		reason, isGap = "needs "+need, true
	}
	switch {
	case isGap && action == "pass":
		action, output = "fail", "It passes now: move it to must-pass.txt."
	case isGap:
		action, output = "skip", "known gap: "+reason
	case action == "skip" && r.want[name]:
		action, output = "fail", "It is skipped, but has to pass: "+output
	case action == "pass":
		r.passed[serviceOf(name)]++
	}
	delete(r.want, name)
	_ = r.out.Encode(event{Action: "run", Package: "tempest", Test: name})
	if output != "" {
		_ = r.out.Encode(event{Action: "output", Package: "tempest", Test: name, Output: output + "\n"})
	}
	_ = r.out.Encode(event{Action: action, Package: "tempest", Test: name, Elapsed: took})
}

// finish fails what tempest did not even mention.
func (r *report) finish() {
	for _, name := range slices.Sorted(maps.Keys(r.want)) {
		r.tell(name, "fail", 0, "Tempest did not run it.")
	}
}

// parity says, per service, how many of the chosen tests passed, all of which pass directly on one pod. Of a service of which every test
// was chosen that could be, it is also said of how many that is.
func (r *report) parity() string {
	chosen, all, applicable := countServices(r.chosen), countServices(r.all()), countServices(r.applicable())
	var out strings.Builder
	for _, service := range slices.Sorted(maps.Keys(chosen)) {
		passed, direct := r.passed[service], chosen[service]
		note := ""
		if direct == applicable[service] && direct < all[service] {
			note = fmt.Sprintf("; / %d that need no router = %s", direct, ratio(passed, direct))
			direct = all[service]
		}
		fmt.Fprintf(&out, "parity %-8s %d passed through the top / %d pass directly = %s%s\n", service, passed, direct, ratio(passed, direct), note)
	}
	return out.String()
}

func ratio(part, whole int) string {
	return strconv.FormatFloat(float64(part)/float64(whole), 'f', 3, 64)
}

// countServices counts tests by service.
func countServices(names []string) map[string]int {
	n := map[string]int{}
	for _, name := range names {
		n[serviceOf(name)]++
	}
	return n
}
