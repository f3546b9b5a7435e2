package config

import (
	"reflect"
	"slices"
	"strings"
)

// fileSuffix makes, of the key of a secret, the key that names a file with the secret in it.
const fileSuffix = "_file"

// name is how an operator names a setting.
type name struct{ section, key string }

func (n name) String() string { return "[" + n.section + "] " + n.key }

// field is one setting of a Config: its tags, and where its value lives.
type field struct {
	name
	help, def, min string
	choices        []string
	secret         bool
	value          reflect.Value
}

// fields lists the settings of c in the order of the structs, which is that of the sample.
func fields(c *Config) []field {
	var all []field
	config := reflect.ValueOf(c).Elem()
	for i := range config.NumField() {
		section := config.Type().Field(i)
		if !section.IsExported() {
			continue
		}
		own := ownDefaults(section.Tag.Get("defaults"))
		for j := range section.Type.NumField() {
			f := fieldOf(section.Tag.Get("cfg"), section.Type.Field(j).Tag)
			if def, ok := own[f.key]; ok {
				f.def = def
			}
			f.value = config.Field(i).Field(j)
			all = append(all, f)
		}
	}
	return all
}

func fieldOf(section string, tag reflect.StructTag) field {
	f := field{name: name{section, tag.Get("cfg")}, help: tag.Get("help"), def: tag.Get("default"), min: tag.Get("min"),
		secret: tag.Get("secret") == "true"}
	if choices := tag.Get("choices"); choices != "" {
		f.choices = strings.Split(choices, ",")
	}
	return f
}

// ownDefaults reads the defaults by which sections of one type differ: key=value, separated by commas.
func ownDefaults(tag string) map[string]string {
	own := map[string]string{}
	for pair := range strings.SplitSeq(tag, ",") {
		key, value, _ := strings.Cut(pair, "=")
		own[key] = value
	}
	return own
}

// names lists all that may be set: the fields, and for each secret the file with it.
func names(fs []field) []name {
	var all []name
	for _, f := range fs {
		all = append(all, f.name)
		if f.secret {
			all = append(all, name{f.section, f.key + fileSuffix})
		}
	}
	return all
}

// nearest is the candidate that word was probably meant to be, or "" if none is near.
func nearest(word string, candidates []string) string {
	best, least := "", len(word)/2+1
	for _, c := range candidates {
		if d := distance(strings.ToLower(word), strings.ToLower(c)); d < least {
			best, least = c, d
		}
	}
	return best
}

// distance is that of Levenshtein, in bytes: names are ASCII.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// didYouMean is the end of a message about an unknown word; it is empty if nothing is near.
func didYouMean(word string, candidates []string, format func(string) string) string {
	if n := nearest(word, candidates); n != "" {
		return "; did you mean " + format(n) + "?"
	}
	return ""
}

// sectionsOf lists the sections once each, in order.
func sectionsOf(all []name) []string {
	var sections []string
	for _, n := range all {
		sections = append(sections, n.section)
	}
	return slices.Compact(sections)
}

func keysOf(all []name, section string) []string {
	var keys []string
	for _, n := range all {
		if n.section == section {
			keys = append(keys, n.key)
		}
	}
	return keys
}
