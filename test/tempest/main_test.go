package main

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func mustReadLists(t *testing.T) *lists {
	t.Helper()
	l, err := readLists(".")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// What passes directly on one pod is to pass, or a known gap, or needs routers: nothing may fall off the lists.
func TestLists_AreTheBaseline(t *testing.T) {
	l := mustReadLists(t)
	text, err := os.ReadFile("../../testbed/tempest-baseline.txt")
	if err != nil {
		t.Fatal(err)
	}
	var baseline []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) > 1 && fields[0] == "ok" {
			baseline = append(baseline, fields[1])
		}
	}
	slices.Sort(baseline)
	all := l.all()
	for _, name := range baseline {
		if !slices.Contains(all, name) {
			t.Errorf("%s passes directly on a pod, and is in no list", name)
		}
	}
	for _, name := range all {
		if !slices.Contains(baseline, name) {
			t.Errorf("%s does not pass directly on a pod", name)
		}
	}
	if twice := len(all) - len(slices.Compact(all)); twice > 0 {
		t.Errorf("%d tests are listed twice", twice)
	}
	for _, list := range []map[string]string{l.gaps, l.routers} {
		for name, reason := range list {
			if reason == "" {
				t.Errorf("%s: a gap without a reason", name)
			}
		}
	}
	for name, need := range l.routers {
		if !regexp.MustCompile("router|floating IP").MatchString(need) {
			t.Errorf("%s: listed for want of routers, and needs %s", name, need)
		}
	}
	if most := 5; countServices(slices.Collect(maps.Keys(l.gaps)))["network"] > most {
		t.Errorf("more than %d gaps of the networking API", most)
	}
}

func TestCore_IsOfClassesThatMustPass(t *testing.T) {
	l := mustReadLists(t)
	classes := map[string]bool{}
	for _, name := range l.must {
		classes[classOf(name)] = true
	}
	for class := range l.core {
		if !classes[class] {
			t.Errorf("the core names %s, of which no test must pass", class)
		}
	}
}

func TestChoose_AllSharesTogether_AreMustPass(t *testing.T) {
	l := mustReadLists(t)
	seen := map[string]int{}
	for share := range shares {
		names, err := l.choose(choice{share: share})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			seen[name]++
		}
	}
	for _, name := range l.must {
		want := 1
		if l.core[classOf(name)] {
			want = shares
		}
		if seen[name] != want {
			t.Errorf("%s is in %d shares, want %d", name, seen[name], want)
		}
	}
}

func TestChoose_OneService_AllOfItThatNeedsNoRouter(t *testing.T) {
	l := &lists{must: []string{"tempest.api.network.a.A.x", "tempest.api.compute.b.B.y"}, gaps: map[string]string{"tempest.api.network.a.A.gap": "why"},
		routers: map[string]string{"tempest.api.network.r.R.z": "a router"}}
	for _, c := range []struct {
		choice choice
		want   string
	}{
		{choice{all: true}, "tempest.api.compute.b.B.y tempest.api.network.a.A.gap tempest.api.network.a.A.x"},
		{choice{all: true, only: "network"}, "tempest.api.network.a.A.gap tempest.api.network.a.A.x"},
		{choice{only: "compute", patterns: []string{"A|y$"}}, "tempest.api.compute.b.B.y"},
		{choice{patterns: []string{"R"}}, "tempest.api.network.r.R.z"},
	} {
		names, err := l.choose(c.choice)
		if got := strings.Join(names, " "); got != c.want || err != nil {
			t.Errorf("%+v: %s, %v; want %s", c.choice, got, err, c.want)
		}
	}
	for _, nothing := range []choice{{patterns: []string{"no such test"}}, {all: true, only: "image"}} {
		if names, err := l.choose(nothing); err == nil {
			t.Errorf("%+v chooses %v, and is no error", nothing, names)
		}
	}
}

func TestParity_AllOfAServiceThatCanPass_IsOfWhatPassesDirectly(t *testing.T) {
	l := &lists{must: []string{"tempest.api.network.a.A.x", "tempest.api.compute.b.B.y"}, routers: map[string]string{"tempest.api.network.r.R.z": "a router"}}
	r := newReport(l, []string{"tempest.api.network.a.A.x"}, json.NewEncoder(io.Discard))
	if err := r.read(strings.NewReader("{0} tempest.api.network.a.A.x [0.5s] ... ok\n")); err != nil {
		t.Fatal(err)
	}
	if got := r.parity(); got != "parity network  1 passed through the top / 2 pass directly = 0.500; / 1 that need no router = 1.000\n" {
		t.Error(got)
	}
}

const output = `{0} tempest.api.compute.a.A.test_good [0.5s] ... ok
{1} tempest.api.volume.b.B.test_bad [1.5s] ... FAILED

Captured traceback:
    tempest.lib.exceptions.NotFound: gone
{0} setUpClass (tempest.api.volume.c.C) [0.0s] ... FAILED

Captured traceback:
    no volume service
{0} tempest.api.compute.a.A.test_shy [0.0s] ... SKIPPED: not here
{0} tempest.api.compute.a.A.test_gap[id-1] [0.0s] ... FAILED
{0} tempest.api.compute.a.A.test_mended [0.0s] ... ok
======
Totals
`

func TestReport_OutputOfTempest_OneResultPerTest(t *testing.T) {
	l := &lists{gaps: map[string]string{"tempest.api.compute.a.A.test_gap": "why", "tempest.api.compute.a.A.test_mended": "why"}}
	chosen := []string{"tempest.api.compute.a.A.test_good", "tempest.api.compute.a.A.test_shy", "tempest.api.compute.a.A.test_gap",
		"tempest.api.compute.a.A.test_mended", "tempest.api.volume.b.B.test_bad", "tempest.api.volume.c.C.test_one",
		"tempest.api.volume.c.C.test_two", "tempest.api.volume.d.D.test_lost"}
	var out bytes.Buffer
	r := newReport(l, chosen, json.NewEncoder(&out))
	if err := r.read(strings.NewReader(output)); err != nil {
		t.Fatal(err)
	}
	r.finish()

	got, said := map[string]string{}, map[string]string{}
	for dec := json.NewDecoder(&out); dec.More(); {
		var e event
		if err := dec.Decode(&e); err != nil {
			t.Fatal(err)
		}
		if e.Action == "output" {
			said[e.Test] += e.Output
		} else if e.Action != "run" {
			got[e.Test] += e.Action
		}
	}
	want := map[string]string{"tempest.api.compute.a.A.test_good": "pass", "tempest.api.compute.a.A.test_shy": "fail",
		"tempest.api.compute.a.A.test_gap": "skip", "tempest.api.compute.a.A.test_mended": "fail", "tempest.api.volume.b.B.test_bad": "fail",
		"tempest.api.volume.c.C.test_one": "fail", "tempest.api.volume.c.C.test_two": "fail", "tempest.api.volume.d.D.test_lost": "fail"}
	for name, action := range want {
		if got[name] != action {
			t.Errorf("%s: %q, want %q", name, got[name], action)
		}
	}
	for name, text := range map[string]string{"tempest.api.volume.b.B.test_bad": "NotFound: gone", "tempest.api.volume.c.C.test_two": "no volume service",
		"tempest.api.compute.a.A.test_shy": "not here", "tempest.api.compute.a.A.test_mended": "must-pass.txt"} {
		if !strings.Contains(said[name], text) {
			t.Errorf("%s: said %q, want %q in it", name, said[name], text)
		}
	}
	if parity := r.parity(); !strings.Contains(parity, "compute  1 passed through the top / 4 pass directly = 0.250") ||
		!strings.Contains(parity, "volume   0 passed through the top / 4 pass directly = 0.000") {
		t.Errorf("parity: %s", parity)
	}
}
