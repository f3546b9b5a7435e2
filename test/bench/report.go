package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"
)

// table is what one part of a run found.
type table struct {
	title string
	about string // how it was measured, and what must hold
	head  []string
	rows  [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// markdown aligns the columns, so that the text is as readable as the page.
func (t *table) markdown() string {
	widths := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n%s\n\n", t.title, t.about)
	line := func(row []string) {
		for i, cell := range row {
			fmt.Fprintf(&b, "| %s%s ", cell, strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)))
		}
		b.WriteString("|\n")
	}
	line(t.head)
	for i, w := range widths {
		rule := strings.Repeat("-", w)
		if i > 0 { // figures
			rule = rule[1:] + ":"
		}
		b.WriteString("| " + rule + " ")
	}
	b.WriteString("|\n")
	for _, row := range t.rows {
		line(row)
	}
	return b.String()
}

// heading says when, how and on what the figures were measured.
func (b *bench) heading(now time.Time) string {
	command := "make bench"
	if len(b.set) > 0 {
		command += " SET=" + strings.Join(b.set, ",")
	}
	return fmt.Sprintf("%s, `%s`, %s, %d cores (%s).\n", now.UTC().Format("2 January 2006"), command, runtime.Version(), runtime.NumCPU(), cpuModel())
}

func cpuModel() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	_, rest, _ := strings.Cut(string(info), "model name")
	model, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(strings.TrimLeft(model, "\t :"))
}

// The figures stand between these lines of the file; what people wrote around them stays.
const (
	beginFigures = "<!-- Figures: made by make bench. -->\n"
	endFigures   = "<!-- End of the figures. -->\n"
)

func replaceFigures(name, figures string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(text, []byte(beginFigures))
	_, after, ended := bytes.Cut(rest, []byte(endFigures))
	if !ok || !ended {
		return fmt.Errorf("%s has no place for figures: the lines %q and %q", name, beginFigures, endFigures)
	}
	text = fmt.Appendf(nil, "%s%s\n%s\n%s%s", before, beginFigures, figures, endFigures, after)
	return os.WriteFile(name, text, 0o644)
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%.*f", decimals(d.Seconds()*1000), d.Seconds()*1000)
}

// decimals gives small numbers three digits behind the point, and large ones none.
func decimals(v float64) int {
	switch {
	case v < 10 && v > -10:
		return 3
	case v < 1000 && v > -1000:
		return 1
	}
	return 0
}

func ratio(a, b float64) string {
	if b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", a/b)
}

func mib(bytes int64) string { return fmt.Sprintf("%d MiB", (bytes+1<<19)>>20) }
