// Command bench measures the built program as its users meet it, and prints tables of figures with the ratios that say what
// they mean: `make bench`. The top, the simulated pods and a plain proxy to compare with are processes of their own on this
// machine; the load is made here. It judges nothing: what the figures must be is written beside them.
//
// It asks the system for what it needs (taskset, nginx, /proc) and says so where something is missing. Linux only.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // who cannot wait for the cleaning up interrupts once more
	if len(os.Args) > 1 && os.Args[1] == "sim" {
		exit(simulate(ctx, os.Args[2:], os.Stdin, os.Stdout))
		return
	}
	b := &bench{}
	flag.StringVar(&b.binary, "top", "bin/tricircle", "the program to measure")
	flag.StringVar(&b.only, "only", "abcde", "which tables: a proxy, b lists, c load, d footprint, e networking")
	flag.StringVar(&b.profiles, "profiles", "", "folder for CPU and heap profiles of the top under each load")
	flag.DurationVar(&b.round, "round", time.Second, "of one round of a measurement")
	flag.IntVar(&b.rounds, "rounds", 5, "tables a and b are medians of twice as many and one")
	flag.DurationVar(&b.load, "load", 20*time.Second, "of each load of table c")
	flag.StringVar(&b.keystone, "keystone", "http://127.0.0.1:5000/v3", "of a real OpenStack, for table e: the testbed's")
	flag.StringVar(&b.region, "region", "site1", "of it, whose Neutron is compared with")
	flag.IntVar(&b.rows, "rows", 1000, "ports that are listed in table e; networks too, but at most 50")
	flag.DurationVar(&b.filling, "filling", time.Minute, "to make those ports in, and as long for the networks; as many as there are then are listed")
	flag.DurationVar(&b.operation, "operation", 2*time.Second, "of each operation of table e")
	flag.Func("set", "setting of the top, section.key=value; may be repeated", func(s string) error { b.set = append(b.set, s); return nil })
	out := flag.String("o", "", "file whose figures are replaced")
	flag.Parse()
	exit(b.run(ctx, *out))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench is one run.
type bench struct {
	binary, only, profiles string
	keystone, region       string
	round, load            time.Duration
	operation, filling     time.Duration
	rounds, rows           int
	set                    []string
	dir                    string // of databases and configuration, gone afterwards
}

func (b *bench) run(ctx context.Context, out string) (err error) {
	if b.dir, err = os.MkdirTemp("", "tricircle-bench"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(b.dir) }()
	figures := bytes.NewBufferString(b.heading(time.Now()))
	for _, section := range []struct {
		letter  string
		measure func(context.Context) ([]table, error)
	}{{"a", b.proxies}, {"b", b.lists}, {"c", b.loads}, {"d", b.footprint}, {"e", b.networking}} {
		if !strings.Contains(b.only, section.letter) {
			continue
		}
		tables, err := section.measure(ctx)
		if err != nil {
			return fmt.Errorf("table %s: %w", section.letter, err)
		}
		for _, t := range tables {
			figures.WriteString("\n" + t.markdown())
			fmt.Println(t.markdown())
		}
	}
	if out == "" {
		return nil
	}
	return replaceFigures(out, figures.String())
}
