package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

// format is the form of what a command prints. It is a flag value, so that a wrong one is refused before anything is done.
type format string

const (
	asTable format = "table"
	asJSON  format = "json"
	asYAML  format = "yaml"
)

func (f *format) String() string { return string(*f) }

// Type is what the help shows as the flag's value.
func (f *format) Type() string { return "table|json|yaml" }

// Set parses the flag.
func (f *format) Set(s string) error {
	switch format(s) {
	case asTable, asJSON, asYAML:
		*f = format(s)
		return nil
	}
	return fmt.Errorf("it must be table, json or yaml")
}

// formatFlag gives cmd and the commands below it the flag -o.
func formatFlag(cmd *cobra.Command, f *format) {
	*f = asTable
	cmd.PersistentFlags().VarP(f, "output", "o", "form of the output")
}

// column is one column of a table of Ts.
type column[T any] struct {
	name string
	show func(T) string
}

// grid is a table of text.
type grid struct {
	header []string
	rows   [][]string
}

func newGrid[T any](rows []T, columns []column[T]) grid {
	var g grid
	for _, c := range columns {
		g.header = append(g.header, c.name)
	}
	for _, row := range rows {
		var cells []string
		for _, c := range columns {
			cells = append(cells, c.show(row))
		}
		g.rows = append(g.rows, cells)
	}
	return g
}

// newCard is the grid of one T: a line for each column.
func newCard[T any](t T, columns []column[T]) grid {
	g := grid{header: []string{"FIELD", "VALUE"}}
	for _, c := range columns {
		g.rows = append(g.rows, []string{c.name, c.show(t)})
	}
	return g
}

// write prints a grid for people, or the value that it shows for programs.
func (f format) write(cmd *cobra.Command, value any, g grid) error {
	out := cmd.OutOrStdout()
	switch f {
	case asJSON:
		return writeJSON(out, value)
	case asYAML:
		return writeYAML(out, value)
	}
	return g.write(out)
}

func writeJSON(out io.Writer, value any) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(value)
}

// writeYAML goes through JSON, as YAML contains it: names and order are the same in both forms.
func writeYAML(out io.Writer, value any) error {
	var text bytes.Buffer
	if err := writeJSON(&text, value); err != nil {
		return err
	}
	var node yaml.Node
	if err := yaml.Unmarshal(text.Bytes(), &node); err != nil {
		return err
	}
	unfold(&node)
	e := yaml.NewEncoder(out)
	e.SetIndent(2)
	if err := e.Encode(&node); err != nil {
		return err
	}
	return e.Close()
}

// unfold replaces the style of JSON by that of YAML. Quotes that a string needs come back when it is encoded.
func unfold(n *yaml.Node) {
	n.Style = 0
	for _, child := range n.Content {
		unfold(child)
	}
}

// write prints with lines on a terminal, and else without, so that tools like awk and cut can read it.
func (g grid) write(out io.Writer) error {
	t := table.NewWriter()
	style := table.StyleLight
	if !isTerminal(out) {
		style = table.StyleDefault
		style.Options = table.OptionsNoBordersAndSeparators
		style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
		t.SuppressTrailingSpaces()
	}
	t.SetStyle(style)
	t.AppendHeader(cells(g.header))
	for _, row := range g.rows {
		t.AppendRow(cells(row))
	}
	_, err := fmt.Fprintln(out, t.Render())
	return err
}

func cells(row []string) (out table.Row) {
	for _, cell := range row {
		out = append(out, cell)
	}
	return out
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
