package archtest

import (
	"path"
	"slices"
	"strings"
	"testing"
)

// closed are packages that may import, of ours, only what is listed. Their tests may import more.
var closed = []struct {
	pkg string
	may []string
	why string
}{
	{"fault", nil, "every HTTP package renders errors, so the errors must not drag anything along"},
	{"microversion", nil, "a version number is a value, used from the store's settings up to the gateways"},
	{"jsonx", nil, "text in, text out: nothing of OpenStack belongs into it"},
	{"obs", nil, "everything logs and counts, so logging and counting must not need anything"},
	{"store", nil, "rows and interfaces are what all sides agree on; an implementation must be replaceable"},
	{"store/storetest", []string{"store"}, "the conformance suite sees an implementation only through the interface"},
	{"store/sqlstore", []string{"store"}, "SQL is an implementation of store and of nothing else"},
	{"store/sqlstore/pgtest", nil, "starting a private PostgreSQL has nothing to do with what is kept in it"},
	{"store/sqlstore/sqltest", []string{"store/sqlstore", "store/sqlstore/pgtest"}, "a store for tests is made the same way whatever is kept in it"},
	{"bus", nil, "what the hints are about is not the bus's business"},
	{"bus/bustest", []string{"bus"}, "the conformance suite sees an implementation only through the interface"},
	{"bus/nats", []string{"bus"}, "it is an implementation of bus and of nothing else"},
	{"xjob", []string{"bus", "obs", "pod", "store"}, "the engine knows no kind of job: handlers are registered with it"},
	{"config", []string{"obs"}, "settings are data; who uses them comes to fetch them"},
	{"httpx", []string{"fault", "obs"}, "the profile of servers and transports is the same whatever is served"},
	{"identity", []string{"fault", "obs"}, "who the caller is must not depend on what is done about it"},
	{"pod", []string{"fault", "identity", "microversion", "obs", "store"}, "a pod is called the same way by every API"},
	{"routing", []string{"fault", "identity", "microversion", "obs", "pod", "store"}, "where something lives is asked below the gateways"},
	{"policy", nil, "who may do what is decided on values, for whichever API asks"},
	{"neutron/schema", []string{"fault"}, "values in, values out: nothing of requests or resources belongs into it"},
	{"neutron/api", []string{"fault", "identity", "neutron/schema", "obs", "policy", "store"}, "the engine executes tables; what a network is, is the plugin's"},
	{"neutron/plugin", []string{"fault", "neutron/api", "neutron/ipam", "neutron/schema", "neutron/typedriver", "store"},
		"what a network is, is the same whatever pods there are and whoever realizes it there"},
	{"neutron/ipam", []string{"fault", "store"}, "who has an address is decided in the caller's transaction, whoever the caller is"},
	{"neutron/typedriver", []string{"fault", "store"}, "who has a segment is decided in the caller's transaction, whoever the caller is"},
	{"simcloud", []string{"fault"}, "a simulator that shares code with what it tests proves nothing"},
	{"neutron/realize", []string{"pod", "southbound", "store"}, "what is in pods follows from the store alone, whoever changed it"},
	{"neutron/adopt", []string{"neutron/realize", "neutron/typedriver", "pod", "southbound", "store"},
		"it reads pods and writes rows; what follows from these in pods is done by realize"},
	{"neutron/nic", []string{"fault", "identity", "neutron/realize", "obs", "pod", "store"}, "servers are plugged below the gateways, by the networking API"},
	{"southbound", []string{"obs", "pod"}, "typed calls are below everything that decides what to call"},
	{"archtest", nil, "a test of the architecture must not be part of it"},
}

// guarded are imports that only some packages may have: ours by their short names, others by their paths. A pattern is one of
// path.Match, or ends in /... for all that is below.
var guarded = []struct {
	what  string
	by    []string
	tests bool // tests may import it anywhere
	why   string
}{
	// Ours, from the top down.
	{"cli", []string{"cmd/tricircle"}, false, "the command line is the outermost layer"},
	{"app", []string{"cli", "cmd/tricircle"}, false, "the composition root knows everything, so nothing may know it"},
	{"gateway/*", []string{"app"}, true, "services are told apart by the composition root; the engine and each other they are no business of"},
	{"adminapi", []string{"app"}, true, "it is a handler, and handlers are leaves"},
	{"neutron/plugin", []string{"app"}, true, "the engine is given its tables by the composition root"},
	{"gateway", []string{"app", "gateway/*"}, true, "the engine executes tables; below it nobody knows that there are tables"},
	{"store/sqlstore", []string{"app", "store/sqlstore/sqltest"}, true, "all but the composition root are written against store's interfaces"},
	{"store/storetest", nil, true, "it is for tests of implementations"},
	{"store/sqlstore/pgtest", []string{"store/sqlstore/sqltest"}, true, "it is for tests"},
	{"store/sqlstore/sqltest", nil, true, "it is for tests"},
	{"bus/nats", []string{"app"}, true, "which bus it is, is decided by the composition root"},
	{"bus/bustest", nil, true, "it is for tests of implementations"},
	{"*/podtest", nil, true, "it is for tests"},
	{"simcloud", []string{"app", "test/bench"}, true, "simulated pods are for tests and for the demo, which lives in app: a product must not meet them"},
	{"config", []string{"app", "cli"}, true, "packages take what they need as options; where it was set is not their business"},

	// Libraries, each behind one package of ours, so that it can be replaced there.
	{"database/sql", []string{"store/sqlstore"}, false, "SQL is written in one place"},
	{"github.com/jackc/pgx/...", []string{"store/sqlstore", "store/sqlstore/pgtest"}, false, "the database driver"},
	{"modernc.org/sqlite", []string{"store/sqlstore"}, false, "the database driver"},
	{"github.com/pressly/goose/...", []string{"store/sqlstore"}, false, "migrations are the store's"},
	{"github.com/nats-io/...", []string{"bus/nats"}, false, "the bus must be replaceable"},
	{"github.com/go-json-experiment/...", []string{"jsonx"}, false, "it is experimental: its changes must hit one package"},
	{"github.com/failsafe-go/...", []string{"pod"}, false, "the guard is the one place where pods are kept apart"},
	{"github.com/maypok86/otter/...", []string{"gateway", "identity", "routing"}, false, "caches are where the design names them, and bounded"},
	{"github.com/prometheus/...", []string{"obs"}, false, "labels are bounded in one place"},
	{"gopkg.in/ini.v1", []string{"config"}, false, "the form of configuration files is config's"},
	{"github.com/spf13/...", []string{"cli", "cmd/tricircle"}, false, "commands are parsed in one place"},
	{"github.com/jedib0t/go-pretty/...", []string{"cli"}, false, "tables are for people at the command line"},
	{"github.com/gophercloud/...", []string{"app", "cli", "southbound"}, true, "the gateways forward bytes: typed calls are for what the top owns"},
	{"go.yaml.in/yaml/...", []string{"app", "cli", "policy", "simcloud"}, true, "only files of OpenStack are YAML"},
	{"log", nil, false, "log/slog is the one log"},
}

// ours turns the import of a package of this module into its short name.
func ours(importPath string) (short string, ok bool) {
	rest, ok := strings.CutPrefix(importPath, module+"/")
	return strings.TrimPrefix(rest, "internal/"), ok
}

// matches compares a short name or an import path with a pattern of guarded.
func matches(pattern, name string) bool {
	if prefix, all := strings.CutSuffix(pattern, "/..."); all {
		return name == prefix || strings.HasPrefix(name, prefix+"/")
	}
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}

// nameOf is how rules spell an import.
func nameOf(importPath string) string {
	if short, ok := ours(importPath); ok {
		return short
	}
	return importPath
}

func TestImports_ClosedPackages_ImportOnlyWhatTheyMay(t *testing.T) {
	for _, rule := range closed {
		found := false
		for _, f := range tree(t) {
			if f.short() != rule.pkg {
				continue
			}
			found = true
			for _, imported := range f.imports {
				short, is := ours(imported)
				if is && !f.test && !slices.Contains(rule.may, short) {
					t.Errorf("%s imports %s: %s", f.path, short, rule.why)
				}
			}
		}
		if !found {
			t.Errorf("the rule for package %s is about nothing", rule.pkg)
		}
	}
}

func TestImports_GuardedPackages_AreImportedOnlyByWhoMay(t *testing.T) {
	for _, f := range tree(t) {
		for _, imported := range f.imports {
			name := nameOf(imported)
			for _, rule := range guarded {
				if !matches(rule.what, name) || f.test && rule.tests || name == f.short() { // its own external test
					continue
				}
				if !slices.ContainsFunc(rule.by, func(p string) bool { return matches(p, f.short()) }) {
					t.Errorf("%s imports %s: %s", f.path, name, rule.why)
				}
			}
		}
	}
}

// TestImports_Packages_HavePurposes refuses names under which anything can be hidden.
func TestImports_Packages_HavePurposes(t *testing.T) {
	for _, f := range tree(t) {
		switch base := strings.TrimSuffix(path.Base(f.pkg), "s"); base {
		case "util", "common", "helper", "model", "misc", "base", "lib", "shared":
			t.Errorf("%s: package %s says nothing of what it is for", f.path, path.Base(f.pkg))
		}
	}
}

// TestImports_Code_IsInternal keeps everything but the program itself, and tests of the whole, below internal.
func TestImports_Code_IsInternal(t *testing.T) {
	for _, f := range tree(t) {
		top, _, _ := strings.Cut(f.path, "/")
		if !f.test && !slices.Contains([]string{"cmd", "internal", "test"}, top) {
			t.Errorf("%s: a package outside internal can be imported by others, and so never change again", f.path)
		}
	}
}
