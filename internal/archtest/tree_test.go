// Package archtest holds the tests that keep the architecture: who may import what, and the shape that code has here.
// ARCHITECTURE.md and CONTRIBUTING.md say the same in prose. A rule that turns out wrong is changed here, with its reason.
//
// It reads source files and runs nothing; it imports nothing of ours.
package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const (
	root   = "../.." // of the module, seen from here
	module = "github.com/tricircle/tricircle"
)

// file is one Go file of the module.
type file struct {
	path    string // from the root: "internal/pod/pod.go"
	pkg     string // its folder, which is how rules name a package: "internal/pod"
	test    bool
	syntax  *ast.File
	imports map[string]string // path by the name that the file uses
}

// short is the package without "internal/", as people say it.
func (f *file) short() string { return strings.TrimPrefix(f.pkg, "internal/") }

var fset = token.NewFileSet()

// line is where a node begins.
func line(n ast.Node) int { return fset.Position(n.Pos()).Line }

// lines is how many lines a node has.
func lines(n ast.Node) int { return fset.Position(n.End()).Line - line(n) + 1 }

// parseTree parses every Go file of the module, whatever its build constraints.
var parseTree = sync.OnceValues(func() (files []*file, err error) {
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skip(name, d.Name())
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		syntax, err := parser.ParseFile(fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		files = append(files, &file{path: rel, pkg: path.Dir(rel), test: strings.HasSuffix(rel, "_test.go"), syntax: syntax,
			imports: importsOf(syntax)})
		return nil
	})
	return files, err
})

// skip leaves out what is not the module's: hidden folders, test data, and modules of their own.
func skip(dir, base string) error {
	if dir == root {
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil || strings.HasPrefix(base, ".") || base == "testdata" {
		return filepath.SkipDir
	}
	return nil
}

func importsOf(f *ast.File) map[string]string {
	out := map[string]string{}
	for _, spec := range f.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		name := path.Base(p)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if _, taken := out[name]; taken || name == "_" {
			name = p // never used by that name in code, but still imported
		}
		out[name] = p
	}
	return out
}

// tree returns the files of the module.
func tree(t *testing.T) []*file {
	t.Helper()
	files, err := parseTree()
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 50 {
		t.Fatalf("only %d Go files found; is this the root of the module: %s?", len(files), root)
	}
	return files
}

// TestTree_ThisFile_IsFound guards the other tests against looking at nothing.
func TestTree_ThisFile_IsFound(t *testing.T) {
	for _, f := range tree(t) {
		if f.path == "internal/archtest/tree_test.go" && f.test && f.short() == "archtest" {
			return
		}
	}
	t.Error("the tree lacks this file")
}
