package config

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"gopkg.in/ini.v1"
)

const envPrefix = "TRICIRCLE_"

// Sources are where settings come from, the weakest first.
type Sources struct {
	Files []string // INI files; each is followed by the *.conf of the directory <file>.d, by name
	Env   []string // NAME=value as in os.Environ: TRICIRCLE_<SECTION>_<KEY>, with _ for -
	Set   []string // section.key=value as of the flag --set
}

// Load reads the sources over the defaults. What it cannot read or does not know is an error; the error it returns has
// all of them, one per line, each naming the place.
func Load(s Sources) (*Config, error) {
	c := &Config{origins: map[name]string{}}
	l := &loader{fields: fields(c), given: map[name]given{}}
	l.names = names(l.fields)
	for _, file := range s.Files {
		l.loadFile(file)
		l.loadDir(file + ".d")
	}
	l.loadEnv(s.Env)
	l.loadSet(s.Set)
	for _, f := range l.fields {
		l.decode(c, f)
	}
	if len(l.errs) > 0 {
		return nil, errors.Join(l.errs...)
	}
	c.strays = l.strays
	c.Keystone.WWWAuthenticateURI = cmp.Or(c.Keystone.WWWAuthenticateURI, c.Keystone.AuthURL)
	return c, nil
}

// given is a setting that some source has. A higher layer goes before a lower one.
type given struct {
	value, origin string
	layer         int
}

type loader struct {
	fields []field
	names  []name
	given  map[name]given
	layer  int
	strays []Problem
	errs   []error
}

func (l *loader) fail(format string, args ...any) {
	l.errs = append(l.errs, fmt.Errorf(format, args...))
}

// give takes a setting if there is one of that name.
func (l *loader) give(n name, value, origin string) {
	switch {
	case l.known(n):
		l.given[n] = given{value, origin, l.layer}
	case len(keysOf(l.names, n.section)) == 0:
		l.fail("%s: unknown section [%s]%s", origin, n.section,
			didYouMean(n.section, sectionsOf(l.names), func(s string) string { return "[" + s + "]" }))
	default:
		l.fail("%s: unknown key %q in [%s]%s", origin, n.key, n.section,
			didYouMean(n.key, keysOf(l.names, n.section), strconv.Quote))
	}
}

func (l *loader) known(n name) bool {
	for _, k := range l.names {
		if k == n {
			return true
		}
	}
	return false
}

func (l *loader) loadFile(file string) {
	l.layer++
	text, err := os.ReadFile(file)
	if err != nil {
		l.fail("configuration: %w", err)
		return
	}
	if line, why := malformed(string(text)); why != "" {
		l.fail("%s:%d: %s", file, line, why)
		return
	}
	// As in oslo.config, a value ends with its line, and # in it is part of it: passwords have all characters.
	options := ini.LoadOptions{KeyValueDelimiters: "=", IgnoreInlineComment: true, IgnoreContinuation: true}
	parsed, err := ini.LoadSources(options, text)
	if err != nil {
		l.fail("%s: %w", file, err)
		return
	}
	for _, section := range parsed.Sections() {
		if len(section.Keys()) == 0 && section.Name() != ini.DefaultSection && len(keysOf(l.names, section.Name())) == 0 {
			l.give(name{section.Name(), ""}, "", origin(file, text, name{section.Name(), ""}))
		}
		for _, key := range section.Keys() {
			n := name{section.Name(), key.Name()}
			l.give(n, key.Value(), origin(file, text, n))
		}
	}
}

// malformed finds the first line that is not INI. The parser would too, but quote it, and it may hold a password.
func malformed(text string) (line int, why string) {
	for l := range strings.Lines(text) {
		line++
		l = strings.TrimSpace(l)
		key, value, assigned := strings.Cut(l, "=")
		value = strings.TrimSpace(value)
		switch {
		case l == "", strings.HasPrefix(l, "#"), strings.HasPrefix(l, ";"):
		case strings.HasPrefix(l, "[") && strings.HasSuffix(l, "]"):
		case !assigned, strings.TrimSpace(key) == "", strings.HasPrefix(l, "["):
			return line, "is neither [section] nor key = value"
		case strings.HasPrefix(value, "`"), strings.HasPrefix(value, `"""`):
			return line, "begins a value of several lines, which no key has; put a secret of this kind into a file"
		}
	}
	return 0, ""
}

func (l *loader) loadDir(dir string) {
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		l.fail("configuration: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() && strings.HasSuffix(e.Name(), ".conf") {
			l.loadFile(filepath.Join(dir, e.Name()))
		}
	}
}

// origin is file:line of the last line that sets n, or that begins its section if n has no key.
func origin(file string, text []byte, n name) string {
	section, found := ini.DefaultSection, 0
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = strings.Trim(line, "[]")
			if n.key == "" && section == n.section {
				found = i + 1
			}
		}
		if key, _, ok := strings.Cut(line, "="); ok && section == n.section && strings.TrimSpace(key) == n.key {
			found = i + 1
		}
	}
	if found == 0 {
		return file
	}
	return fmt.Sprintf("%s:%d", file, found)
}

// loadEnv reports unknown variables to Check only: an orchestrator adds its own (Kubernetes sets TRICIRCLE_SERVICE_HOST in
// every container beside a service named tricircle).
func (l *loader) loadEnv(env []string) {
	l.layer++
	byVariable, variables := map[string]name{}, []string{}
	for _, n := range l.names {
		v := strings.ToUpper(strings.ReplaceAll(n.section+"_"+n.key, "-", "_"))
		byVariable[v], variables = n, append(variables, v)
	}
	for _, pair := range env {
		v, value, _ := strings.Cut(pair, "=")
		v, ours := strings.CutPrefix(v, envPrefix)
		if !ours {
			continue
		}
		if n, ok := byVariable[v]; ok {
			l.give(n, value, "environment "+envPrefix+v)
			continue
		}
		l.strays = append(l.strays, Problem{Warning, "environment " + envPrefix + v,
			"sets nothing" + didYouMean(v, variables, func(s string) string { return envPrefix + s })})
	}
}

func (l *loader) loadSet(set []string) {
	l.layer++
	for _, s := range set {
		left, value, ok := strings.Cut(s, "=")
		section, key, dotted := strings.Cut(left, ".")
		if !ok || !dotted {
			l.fail("--set %s: is not section.key=value", left)
			continue
		}
		l.give(name{section, key}, value, "--set "+left)
	}
}

// decode gives f its value out of the strongest source, or its default.
func (l *loader) decode(c *Config, f field) {
	g, ok := l.given[f.name]
	if !ok {
		g = given{value: f.def}
	}
	if file, ok := l.given[name{f.section, f.key + fileSuffix}]; f.secret && ok && file.layer >= g.layer {
		if file.layer == g.layer {
			l.fail("%s: %s and %s%s are both set; keep one", g.origin, f.name, f.key, fileSuffix)
			return
		}
		text, err := os.ReadFile(file.value)
		if err != nil {
			l.fail("%s: %s%s: %w", file.origin, f.name, fileSuffix, err)
			return
		}
		g = given{value: strings.TrimRight(string(text), "\r\n"), origin: file.origin}
	}
	if g.origin != "" {
		c.origins[f.name] = g.origin
	}
	if err := f.decode(g.value); err != nil {
		shown := strconv.Quote(g.value)
		if f.secret {
			shown = "value"
		}
		l.fail("%s: %s: %s %w", g.origin, f.name, shown, err)
	}
}
