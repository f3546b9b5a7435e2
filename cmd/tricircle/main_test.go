package main

import (
	"os"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tricircle/tricircle/internal/store/sqlstore/pgtest"
)

// postgres starts with the first test that needs it.
var postgres pgtest.Server

func TestMain(m *testing.M) {
	testscript.Main(postgres.Around(m), map[string]func(){"tricircle": main})
}

// TestScripts runs the scenarios of testdata with the real command, each in a folder and an environment of its own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", Cmds: map[string]func(*testscript.TestScript, bool, []string){"await": await}})
}

// await waits until the file that it is given exists.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await file")
	}
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("%s does not come into being", args[0])
		}
	}
}
