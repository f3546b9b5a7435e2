package archtest

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

const (
	maxFileLines     = 800
	maxFunctionLines = 70
)

func TestStyle_Packages_SayWhatTheyAreFor(t *testing.T) {
	documented := map[string]bool{}
	first := map[string]*file{}
	for _, f := range tree(t) {
		if first[f.pkg] == nil {
			first[f.pkg] = f
		}
		if f.syntax.Doc != nil {
			documented[f.pkg] = documented[f.pkg] || isSentence(f.syntax.Doc.Text())
		}
	}
	for pkg, f := range first {
		if !documented[pkg] {
			t.Errorf("package %s has no comment that says what it is for", f.pkg)
		}
	}
}

// isSentence wants more than the name of the package.
func isSentence(doc string) bool {
	return len(strings.Fields(doc)) >= 6 && strings.Contains(doc, ".")
}

func TestStyle_Files_AreShort(t *testing.T) {
	for _, f := range tree(t) {
		if n := fset.File(f.syntax.Pos()).LineCount(); n > maxFileLines {
			t.Errorf("%s has %d lines, more than %d", f.path, n, maxFileLines)
		}
	}
}

func TestStyle_Functions_FitOnAScreen(t *testing.T) {
	for _, f := range tree(t) {
		if f.test {
			continue // tables are long
		}
		for _, d := range f.syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && lines(fn) > maxFunctionLines {
				t.Errorf("%s:%d: %s has %d lines, more than %d", f.path, line(fn), fn.Name.Name, lines(fn), maxFunctionLines)
			}
		}
	}
}

func TestStyle_Exported_AreDocumented(t *testing.T) {
	for _, f := range tree(t) {
		if f.test || f.syntax.Name.Name == "main" {
			continue
		}
		for _, d := range f.syntax.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) && !wellKnown[d.Name.Name] {
					t.Errorf("%s:%d: %s has no comment", f.path, line(d), d.Name.Name)
				}
			case *ast.GenDecl:
				for _, name := range undocumented(d) {
					t.Errorf("%s:%d: %s has no comment", f.path, line(d), name)
				}
			}
		}
	}
}

// wellKnown are methods of interfaces of the standard library that everybody knows.
var wellKnown = map[string]bool{"Error": true, "Unwrap": true, "String": true, "Close": true, "Read": true, "Write": true,
	"Len": true, "Less": true, "Swap": true, "Push": true, "Pop": true, "ServeHTTP": true, "LogValue": true,
	"MarshalText": true, "UnmarshalText": true, "MarshalJSON": true, "UnmarshalJSON": true}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	exported := true
	ast.Inspect(d.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			exported = exported && id.IsExported()
		}
		return true
	})
	return exported
}

func undocumented(d *ast.GenDecl) (names []string) {
	if d.Doc != nil {
		return nil
	}
	for _, s := range d.Specs {
		switch s := s.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() && s.Doc == nil {
				names = append(names, s.Name.Name)
			}
		case *ast.ValueSpec:
			if s.Names[0].IsExported() && s.Doc == nil && s.Comment == nil {
				names = append(names, s.Names[0].Name)
			}
		}
	}
	return names
}

// uses are names of other packages that only some of ours may use.
var uses = []struct {
	what  string // import path and name
	by    []string
	tests bool
	why   string
}{
	{"time.Sleep", nil, false, "what waits must be able to stop, and tests wait for what happens rather than for time to pass"},
	{"os.Exit", []string{"cmd/tricircle", "test/bench", "test/summary", "test/tempest"}, true, "whoever exits skips what others have deferred"},
	{"os.Getenv", []string{"cli", "config", "store/sqlstore/pgtest", "test/summary"}, true, "what can be set is set through the configuration"},
	{"net/http.DefaultClient", nil, true, "it has no deadline and follows redirects with the user's token"},
	{"net/http.Get", nil, true, "as http.DefaultClient"},
	{"net/http.Post", nil, true, "as http.DefaultClient"},
	{"net/http.ListenAndServe", nil, false, "httpx.NewServer has the limits that a public port needs"},
	{"net/http.Server", []string{"app", "httpx", "simcloud"}, true, "httpx.NewServer has the limits that a public port needs"},
	{"net/http.ResponseWriter", []string{"adminapi", "app", "fault", "gateway", "gateway/*", "httpx", "identity", "neutron/api", "obs",
		"simcloud"}, true, "only handlers answer requests; what is below them returns errors"},
	{"net/http.Client", []string{"cli", "identity", "southbound"}, true, "pods are called through their guard: pod.Do"},
}

func TestStyle_Names_AreUsedOnlyWhereTheyMay(t *testing.T) {
	for _, f := range tree(t) {
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := s.X.(*ast.Ident)
			if !ok {
				return true
			}
			name := f.imports[x.Name] + "." + s.Sel.Name
			for _, rule := range uses {
				if name != rule.what || f.test && rule.tests {
					continue
				}
				if !slices.ContainsFunc(rule.by, func(p string) bool { return matches(p, f.short()) }) {
					t.Errorf("%s:%d: %s: %s", f.path, line(s), rule.what, rule.why)
				}
			}
			return true
		})
	}
}

// TestStyle_Init_IsNotUsed: what happens at import happens in an order that nobody sees, also in programs that do not want it.
func TestStyle_Init_IsNotUsed(t *testing.T) {
	for _, f := range tree(t) {
		for _, d := range f.syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s:%d: func init", f.path, line(fn))
			}
		}
	}
}

func TestStyle_SkippedTests_SayWhy(t *testing.T) {
	for _, f := range tree(t) {
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			s, ok := call.Fun.(*ast.SelectorExpr)
			if ok && (s.Sel.Name == "SkipNow" || s.Sel.Name == "Skip" && len(call.Args) == 0) {
				t.Errorf("%s:%d: a test is skipped without a reason", f.path, line(call))
			}
			return true
		})
	}
}

// testName is TestThing_Condition_Result. A table of many conditions, or a suite, has the thing alone.
var testName = regexp.MustCompile(`^Test[A-Z][A-Za-z0-9]*(_[A-Z0-9][A-Za-z0-9]*){0,2}$`)

func TestStyle_Tests_AreNamedForWhatTheyShow(t *testing.T) {
	for _, f := range tree(t) {
		if !f.test {
			continue
		}
		for _, d := range f.syntax.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Test") && fn.Name.Name != "TestMain" &&
				len(fn.Type.Params.List) == 1 && !testName.MatchString(fn.Name.Name) {
				t.Errorf("%s:%d: %s is not TestThing_Condition_Result", f.path, line(fn), fn.Name.Name)
			}
		}
	}
}

// unfinished marks what its author meant to come back to.
var unfinished = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)

func TestStyle_Comments_PromiseNothing(t *testing.T) {
	for _, f := range tree(t) {
		for _, group := range f.syntax.Comments {
			for _, c := range group.List {
				if unfinished.MatchString(c.Text) {
					t.Errorf("%s:%d: %s", f.path, line(c), c.Text)
				}
			}
		}
	}
}

// TestStyle_Names_AreOpenStacks looks at what we name ourselves: fields with a tag are named by an API.
func TestStyle_Names_AreOpenStacks(t *testing.T) {
	instead := map[string]string{"tenant": "project", "tenants": "projects", "site": "pod", "sites": "pods"}
	for _, f := range tree(t) {
		check := func(names ...*ast.Ident) {
			for _, id := range names {
				for _, word := range words(id.Name) {
					if better := instead[word]; better != "" {
						t.Errorf("%s:%d: %s: say %s", f.path, line(id), id.Name, better)
					}
				}
			}
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				check(n.Name)
			case *ast.TypeSpec:
				check(n.Name)
			case *ast.ValueSpec:
				check(n.Names...)
			case *ast.Field:
				if n.Tag == nil {
					check(n.Names...)
				}
			case *ast.AssignStmt:
				if n.Tok == token.DEFINE {
					check(identifiers(n.Lhs)...)
				}
			}
			return true
		})
	}
}

func identifiers(exprs []ast.Expr) (out []*ast.Ident) {
	for _, e := range exprs {
		if id, ok := e.(*ast.Ident); ok {
			out = append(out, id)
		}
	}
	return out
}

// words takes an identifier apart, in lower case: "tenantID" is "tenant", "i", "d".
func words(name string) (out []string) {
	begin := 0
	for i, r := range name {
		if i > 0 && (unicode.IsUpper(r) || r == '_') {
			out = append(out, strings.ToLower(strings.Trim(name[begin:i], "_")))
			begin = i
		}
	}
	return append(out, strings.ToLower(strings.Trim(name[begin:], "_")))
}

// TestStyle_Project_StandsAlone: nothing in it may need, or speak of, what is outside of it.
func TestStyle_Project_StandsAlone(t *testing.T) {
	outside := regexp.MustCompile(`(^|[^.\w])\.\./(\.\./)*shared/`)
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md", "Makefile", ".ci/*", "testbed/*.md"} {
		names, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if m := outside.Find(text); m != nil {
				t.Errorf("%s speaks of what is outside of the project: %s", name, m)
			}
		}
	}
}
