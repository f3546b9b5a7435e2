package config

import (
	"bytes"
	"encoding"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/tricircle/tricircle/internal/obs"
)

// width of the comments in the sample, in columns.
const width = 100

const sampleHead = `# Configuration of tricircle. Every key is shown with its default; uncomment what you change.
#
# A key may also be set, each way going before the ones above it:
#   - in this file, then in the *.conf of the directory <this file>.d, by name
#   - by the environment: TRICIRCLE_<SECTION>_<KEY>, with _ for -
#   - by the flag --set section.key=value
# Durations are written 90s or 1m30s, or as a number of seconds. Lists are separated by commas.
# A value ends with its line; there are no comments behind values.
`

// Sample writes an INI file with every key, its meaning and its default, all commented out.
func Sample(w io.Writer) error {
	var b bytes.Buffer
	b.WriteString(sampleHead)
	section := ""
	for _, f := range fields(&Config{}) {
		if f.section != section {
			section = f.section
			fmt.Fprintf(&b, "\n[%s]\n", section)
		}
		b.WriteString("\n" + comment(f.help+" ("+f.kind()+")"))
		if f.secret {
			fmt.Fprintf(&b, "# Or %s%s: a file that holds it.\n", f.key, fileSuffix)
		}
		b.WriteString(strings.TrimRight("#"+f.key+" = "+f.def, " ") + "\n")
	}
	_, err := w.Write(b.Bytes())
	return err
}

// kind is the type of a setting in words.
func (f field) kind() string {
	if f.choices != nil {
		kind := "one"
		if f.value.Kind() == reflect.Slice {
			kind = "list"
		}
		return kind + " of " + strings.Join(f.choices, ", ")
	}
	switch f.value.Interface().(type) {
	case time.Duration:
		return "duration"
	case URL:
		return "URL"
	case Address:
		return "address"
	case bool:
		return "boolean"
	case int, int64:
		return "integer"
	}
	return "string"
}

// comment breaks text into lines that begin with #.
func comment(text string) string {
	var b strings.Builder
	line := "#"
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > width {
			b.WriteString(line + "\n")
			line = "#"
		}
		line += " " + word
	}
	return b.String() + line + "\n"
}

// Print writes what holds, as an INI file. What is not a default is preceded by where it came from. Secrets that somebody
// set are shown as ***.
func (c *Config) Print(w io.Writer) error {
	var b bytes.Buffer
	section := ""
	for _, f := range fields(c) {
		if f.section != section {
			if section != "" {
				b.WriteString("\n")
			}
			section = f.section
			fmt.Fprintf(&b, "[%s]\n", section)
		}
		if origin, ok := c.origins[f.name]; ok {
			fmt.Fprintf(&b, "# from %s\n", origin)
		}
		b.WriteString(strings.TrimRight(f.key+" = "+f.show(), " ") + "\n")
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (f field) show() string {
	switch v := f.value.Interface().(type) {
	case obs.Secret:
		if string(v) == f.def {
			return f.def // published in the sample
		}
		return v.String()
	case []string:
		return strings.Join(v, ",")
	case encoding.TextMarshaler: // slog.Level
		text, err := v.MarshalText()
		if err != nil {
			return err.Error()
		}
		return strings.ToLower(string(text))
	default:
		return fmt.Sprint(v)
	}
}
