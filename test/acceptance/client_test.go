//go:build acceptance

package acceptance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// client is the stock openstack client with one cloud of the testbed's clouds.yaml. Each call takes one to three seconds.
type client string

const (
	topAdmin  client = "top-admin"
	topDemo   client = "top-demo"
	site2Demo client = "site2-demo"
)

// try runs a command and returns its standard output, or an error with its standard error.
func (c client) try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/usr/bin/openstack", args...)
	cmd.Env = append(os.Environ(), "OS_CLIENT_CONFIG_FILE="+filepath.Join(testbedDir(), "clouds.yaml"), "OS_CLOUD="+string(c))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("openstack %s: %w: %s", strings.Join(args, " "), err, &stderr)
	}
	return string(out), nil
}

// do runs a command that must succeed.
func (c client) do(t testing.TB, args ...string) string {
	t.Helper()
	out, err := c.try(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// refused runs a command that must fail, saying all of the texts.
func (c client) refused(t testing.TB, texts []string, args ...string) {
	t.Helper()
	out, err := c.try(args...)
	if err == nil {
		t.Fatalf("openstack %s succeeded: %s", strings.Join(args, " "), out)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%v; want %q in it", err, text)
		}
	}
}

// show runs a command that prints one object.
func (c client) show(t testing.TB, args ...string) map[string]any {
	t.Helper()
	return decode[map[string]any](t, c.do(t, append(args, "-f", "json")...))
}

// list runs a command that prints a table, and returns its rows.
func (c client) list(t testing.TB, args ...string) []map[string]any {
	t.Helper()
	return decode[[]map[string]any](t, c.do(t, append(args, "-f", "json")...))
}

func decode[T any](t testing.TB, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

// row returns the row with an id, or nil.
func row(rows []map[string]any, id string) map[string]any {
	for _, r := range rows {
		if r["ID"] == id {
			return r
		}
	}
	return nil
}
