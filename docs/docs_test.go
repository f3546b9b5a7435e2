// Package docs holds the tests that documents are true: links lead somewhere, the map of packages is the tree, decisions are
// complete, and the page of what is served is what the gateways do.
package docs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = ".."

// link is [text](target); images have the same form.
var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func TestLinks_ToFiles_LeadSomewhere(t *testing.T) {
	for _, name := range markdown(t) {
		for _, m := range link.FindAllStringSubmatch(read(t, name), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			file := name
			if target != "" {
				file = filepath.Join(filepath.Dir(name), target)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: link %s leads nowhere", name, m[1])
				continue
			}
			if anchor != "" && !slices.Contains(anchors(read(t, file)), anchor) {
				t.Errorf("%s: link %s: no such heading", name, m[1])
			}
		}
	}
}

// notInAnchors is what GitHub leaves out when it makes an anchor of a heading.
var notInAnchors = regexp.MustCompile("[^a-z0-9 _-]")

func anchors(text string) (out []string) {
	for line := range strings.Lines(text) {
		if title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			out = append(out, strings.ReplaceAll(notInAnchors.ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), ""), " ", "-"))
		}
	}
	return out
}

func markdown(t *testing.T) (names []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && name != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(name, ".md") {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// firstCell is the code in the first cell of a table's row.
var firstCell = regexp.MustCompile("(?m)^\\| (`[^|]+`) \\|")

// TestArchitecture_Packages_AreTheTree compares the two tables of ARCHITECTURE.md with the folders below internal.
func TestArchitecture_Packages_AreTheTree(t *testing.T) {
	text := read(t, filepath.Join(root, "ARCHITECTURE.md"))
	there, planned := cells(section(t, text, "Packages")), cells(section(t, text, "Planned"))
	found := packages(t)
	for _, p := range found {
		if !slices.Contains(there, p) {
			t.Errorf("ARCHITECTURE.md does not say what package %s is for", p)
		}
	}
	for _, p := range there {
		if !slices.Contains(found, p) {
			t.Errorf("ARCHITECTURE.md speaks of package %s, which is not there", p)
		}
	}
	for _, p := range planned {
		if slices.Contains(found, p) {
			t.Errorf("ARCHITECTURE.md calls package %s planned, but it is there", p)
		}
	}
}

func section(t *testing.T, text, title string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, "\n## "+title+"\n")
	if !ok {
		t.Fatalf("no section %s", title)
	}
	body, _, _ := strings.Cut(rest, "\n## ")
	return body
}

func cells(table string) (out []string) {
	for _, m := range firstCell.FindAllStringSubmatch(table, -1) {
		for name := range strings.SplitSeq(m[1], ", ") {
			out = append(out, strings.Trim(name, "`"))
		}
	}
	return out
}

func packages(t *testing.T) (out []string) {
	t.Helper()
	internal := filepath.Join(root, "internal")
	err := filepath.WalkDir(internal, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") {
			return err
		}
		rel, err := filepath.Rel(internal, filepath.Dir(name))
		if p := filepath.ToSlash(rel); !slices.Contains(out, p) {
			out = append(out, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestDecisions_Pages_AreCompleteAndListed(t *testing.T) {
	pages, err := filepath.Glob("adr/[0-9]*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal("no decisions found", err)
	}
	index := read(t, "adr/README.md")
	for i, page := range pages {
		base := filepath.Base(page)
		if number := fmt.Sprintf("%04d-", i+1); !strings.HasPrefix(base, number) {
			t.Errorf("%s: want number %s", base, number)
		}
		if !strings.Contains(index, "("+base+")") {
			t.Errorf("%s is not in adr/README.md", base)
		}
		text := read(t, page)
		for _, part := range []string{"\nStatus: ", "\n## Context\n", "\n## Decision\n", "\n## Consequence\n", "\n## Evidence\n"} {
			if !strings.Contains(text, part) {
				t.Errorf("%s has no %q", base, strings.TrimSpace(part))
			}
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
