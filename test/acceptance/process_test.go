//go:build acceptance

package acceptance

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// The addresses of testbed/top.conf.
const (
	opsURL   = "http://127.0.0.1:19998"
	adminURL = "http://127.0.0.1:19999/v1.0"
)

// listTimeout and podTimeout are the deadlines that the top under test gets: short, since tests wait for them.
const (
	listTimeout = 8 * time.Second
	podTimeout  = 10 * time.Second
)

// process is `tricircle serve` with a database of its own.
type process struct {
	dir    string   // of database and log
	set    []string // further settings from the next start on, "section.name=value"
	cmd    *exec.Cmd
	exited chan struct{}
}

func testbedDir() string {
	if dir := os.Getenv("TESTBED_DIR"); dir != "" {
		return dir
	}
	return "/var/tmp/testbed"
}

// inRepository makes a path relative to the root of the repository absolute; tests run in their package's folder.
func inRepository(path string) string {
	abs, err := filepath.Abs(filepath.Join("../..", path))
	if err != nil {
		panic(err) // no working directory
	}
	return abs
}

func (p *process) database() string { return filepath.Join(p.dir, "tricircle.db") }
func (p *process) logFile() string  { return filepath.Join(p.dir, "log") }

// install makes a new database, starts the top on it and does what an operator does once.
func (p *process) install() error {
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return err
	}
	if err := p.migrate(); err != nil {
		return err
	}
	if err := p.start(); err != nil {
		return err
	}
	if _, err := p.command("catalog", "register", "--region", "RegionOne", "--host", "127.0.0.1", "--network", "--replace"); err != nil {
		return err
	}
	return p.registerPods()
}

// forget removes the database, and before that from the pods what it says the top has made there.
func (p *process) forget() error {
	if out, err := exec.Command(inRepository("testbed/testbed"), "sweep", p.database()).CombinedOutput(); err != nil {
		return fmt.Errorf("testbed sweep: %w: %s", err, out)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.RemoveAll(p.database() + suffix); err != nil {
			return err
		}
	}
	return nil
}

func (p *process) migrate() error {
	_, err := p.command("db", "migrate", "--config", inRepository("testbed/top.conf"))
	return err
}

func (p *process) registerPods() error {
	for _, pod := range pods {
		if _, err := p.command("pod", "create", "--region", pod.region, "--az-name", pod.zone, "--pod-az-name", pod.zone); err != nil {
			return err
		}
	}
	return nil
}

// command runs a tricircle command as the administrator and returns its standard output.
func (p *process) command(args ...string) (string, error) {
	cmd := exec.Command(inRepository("bin/tricircle"), args...)
	cmd.Env = p.env()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("tricircle %q: %w: %s", args, err, &stderr)
	}
	return string(out), nil
}

func (p *process) env() []string {
	return append(os.Environ(), "OS_CLIENT_CONFIG_FILE="+filepath.Join(testbedDir(), "clouds.yaml"), "OS_CLOUD=top-admin",
		"TRICIRCLE_DATABASE_CONNECTION=sqlite://"+p.database())
}

// start returns when the top is ready.
func (p *process) start() error {
	if _, err := http.Get(opsURL + "/healthz"); err == nil {
		return fmt.Errorf("something listens on %s already; testbed/top down stops the testbed's top", opsURL)
	}
	log, err := os.OpenFile(p.logFile(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	p.cmd = exec.Command(inRepository("bin/tricircle"), "serve", "--config", inRepository("testbed/top.conf"),
		"--set", "pod.list_timeout="+listTimeout.String(), "--set", "pod.timeout="+podTimeout.String(),
		"--set", "pod.probe_interval=2s", "--set", "pod.breaker_delay=2s", "--set", "pod.reload_interval=1s",
		"--set", "xjob.lease=5s", "--set", "xjob.retry_max=5s")
	for _, setting := range p.set {
		p.cmd.Args = append(p.cmd.Args, "--set", setting)
	}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = p.env(), log, log
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.exited = make(chan struct{})
	go func() {
		_ = p.cmd.Wait() // how it ended is in its log
		close(p.exited)
	}()
	return poll(20*time.Second, func() error {
		select {
		case <-p.exited:
			return final{fmt.Errorf("tricircle serve ended: %s", p.lastWords())}
		default:
		}
		r, err := http.Get(opsURL + "/readyz")
		if err != nil {
			return err
		}
		defer r.Body.Close()
		if r.StatusCode != http.StatusOK {
			return fmt.Errorf("/readyz answers %s", r.Status)
		}
		return nil
	})
}

func (p *process) lastWords() string {
	log, err := os.ReadFile(p.logFile())
	if err != nil {
		return err.Error()
	}
	return string(log[max(0, len(log)-2000):])
}

// stop sends a signal and waits for the end.
func (p *process) stop(sig os.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.exited:
		return nil
	case <-time.After(40 * time.Second):
		return fmt.Errorf("tricircle serve ignores %s", sig)
	}
}

// tricircle runs a command that must succeed.
func tricircle(t testing.TB, args ...string) string {
	t.Helper()
	out, err := top.command(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// final is an error that waiting longer does not mend.
type final struct{ error }

// poll calls f until it returns nil, and returns f's last error at the deadline.
func poll(limit time.Duration, f func() error) error {
	deadline := time.After(limit)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if _, ok := err.(final); err == nil || ok {
			return err
		}
		select {
		case <-deadline:
			return fmt.Errorf("not after %s: %w", limit, err)
		case <-tick.C:
		}
	}
}

// eventually fails the test if f does not return nil in time.
func eventually(t testing.TB, limit time.Duration, f func() error) {
	t.Helper()
	if err := poll(limit, f); err != nil {
		t.Fatal(err)
	}
}
