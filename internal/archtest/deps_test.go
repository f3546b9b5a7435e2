package archtest

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	required = regexp.MustCompile(`(?m)^\t(\S+) v\S+$`)             // a direct requirement in a block of go.mod
	named    = regexp.MustCompile("(?m)^\\| `([^` ]+)` \\|[^\n]+$") // a row of a table
)

// TestDependencies_Direct_AreExplained: go.mod and DEPENDENCIES.md name the same modules.
func TestDependencies_Direct_AreExplained(t *testing.T) {
	inMod, inDoc := firsts(t, "go.mod", required), firsts(t, "DEPENDENCIES.md", named)
	for _, m := range inMod {
		if !slices.Contains(inDoc, m) {
			t.Errorf("DEPENDENCIES.md does not say why %s is needed", m)
		}
	}
	for _, m := range inDoc {
		if !slices.Contains(inMod, m) {
			t.Errorf("DEPENDENCIES.md speaks of %s, which go.mod does not require", m)
		}
	}
	if len(inMod) == 0 {
		t.Error("go.mod seems to require nothing")
	}
}

// TestDependencies_Rows_AreComplete: each says why, under which licence, and what would replace it.
func TestDependencies_Rows_AreComplete(t *testing.T) {
	for _, row := range strings.Split(read(t, "DEPENDENCIES.md"), "\n") {
		if !strings.HasPrefix(row, "| `") {
			continue
		}
		cells := strings.Split(strings.Trim(row, "|"), " | ")
		if len(cells) != 4 || slices.ContainsFunc(cells, func(c string) bool { return strings.TrimSpace(c) == "" }) {
			t.Errorf("not module, why, licence, replacement: %s", row)
		}
	}
}

func firsts(t *testing.T, name string, pattern *regexp.Regexp) (out []string) {
	t.Helper()
	for _, m := range pattern.FindAllStringSubmatch(read(t, name), -1) {
		out = append(out, m[1])
	}
	return out
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
