package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// lists are what the files beside this one say. Tests are named as tempest names them, without the id in brackets.
type lists struct {
	must []string
	gaps map[string]string // reasons
	// routers are what tests need that cannot pass before there are routers.
	routers map[string]string
	core    map[string]bool // classes
}

// choice says which tests to run.
type choice struct {
	all      bool
	share    int
	patterns []string
	only     string // a service; "" is every one
}

// shares is the number of parts that the tests outside the core are cut into; one part takes about two minutes.
const shares = 16

func readLists(dir string) (*lists, error) {
	l := &lists{gaps: map[string]string{}, routers: map[string]string{}, core: map[string]bool{}}
	for file, add := range map[string]func(name, remark string){
		"must-pass.txt":     func(name, _ string) { l.must = append(l.must, name) },
		"known-gaps.txt":    func(name, reason string) { l.gaps[name] = reason },
		"needs-routers.txt": func(name, need string) { l.routers[name] = need },
		"core.txt":          func(name, _ string) { l.core[name] = true },
	} {
		if err := readList(filepath.Join(dir, file), add); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// readList calls add for each line of a file: a name, and after " # " a remark. Lines that begin with "#" are for people.
func readList(file string, add func(name, remark string)) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		name, remark, _ := strings.Cut(line, " #")
		if name = strings.TrimSpace(name); name != "" && !strings.HasPrefix(name, "#") {
			add(name, strings.TrimSpace(remark))
		}
	}
	return nil
}

// applicable returns every listed test that the top could pass as it is, in order.
func (l *lists) applicable() []string {
	return slices.Sorted(slices.Values(slices.Concat(l.must, slices.Collect(maps.Keys(l.gaps)))))
}

// all returns every listed test in order.
func (l *lists) all() []string {
	return slices.Sorted(slices.Values(slices.Concat(l.applicable(), slices.Collect(maps.Keys(l.routers)))))
}

// choose returns the tests to run, in order. Those that need routers are run by name only.
func (l *lists) choose(c choice) (names []string, err error) {
	switch {
	case len(c.patterns) > 0:
		names, err = l.matching(c.patterns)
	case c.all:
		names = l.applicable()
	default:
		part := l.part(c.share)
		names = slices.DeleteFunc(slices.Sorted(slices.Values(l.must)), func(name string) bool {
			return !l.core[classOf(name)] && !part[classOf(name)]
		})
	}
	if c.only != "" {
		names = slices.DeleteFunc(names, func(name string) bool { return serviceOf(name) != c.only })
	}
	if err == nil && len(names) == 0 {
		err = fmt.Errorf("no listed test is chosen by %s", strings.Join(append(c.patterns, c.only), " "))
	}
	return names, err
}

// matching returns the tests that match one of the patterns.
func (l *lists) matching(patterns []string) ([]string, error) {
	var names []string
	for _, p := range patterns {
		re, err := regexp.Compile(p)
		if err != nil {
			return nil, fmt.Errorf("pattern %q: %w", p, err)
		}
		for _, name := range l.all() {
			if re.MatchString(name) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names, nil
}

// part returns the classes of one share. Whole classes: most of a test's time is in setting up its class.
func (l *lists) part(share int) map[string]bool {
	rest := map[string]bool{}
	for _, name := range l.must {
		if class := classOf(name); !l.core[class] {
			rest[class] = true
		}
	}
	part := map[string]bool{}
	for i, class := range slices.Sorted(maps.Keys(rest)) {
		if i%shares == share%shares {
			part[class] = true
		}
	}
	return part
}

// classOf returns the class of a test.
func classOf(name string) string { return name[:max(0, strings.LastIndexByte(name, '.'))] }

// serviceOf returns the service that a test is about: "compute" of "tempest.api.compute.servers...".
func serviceOf(name string) string {
	if parts := strings.SplitN(name, ".", 4); len(parts) > 2 {
		return parts[2]
	}
	return ""
}
