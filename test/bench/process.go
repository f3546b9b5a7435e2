package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// process is a child.
type process struct {
	cmd *exec.Cmd
	log *os.File // what it writes to stderr
	// folder goes with the process; "" for none.
	folder string
}

// start runs a program, on the cores that cpus lists, or on all if that is empty.
func (b *bench) start(ctx context.Context, cpus, program string, args ...string) (*process, error) {
	p, err := b.prepare(ctx, cpus, program, args...)
	if err != nil {
		return nil, err
	}
	return p, p.cmd.Start()
}

func (b *bench) prepare(ctx context.Context, cpus, program string, args ...string) (*process, error) {
	log, err := os.CreateTemp(b.dir, "log")
	if err != nil {
		return nil, err
	}
	p := &process{cmd: command(ctx, cpus, program, args...), log: log}
	p.cmd.Stderr = log
	return p, nil
}

func command(ctx context.Context, cpus, program string, args ...string) *exec.Cmd {
	if cpus != "" {
		args = append([]string{"-c", cpus, program}, args...)
		program = "taskset"
	}
	return exec.CommandContext(ctx, program, args...)
}

// stop ends the process. How it ends says nothing any more.
func (p *process) stop() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	_ = p.log.Close()
	if p.folder != "" {
		_ = os.RemoveAll(p.folder)
	}
}

// complaint is what the process wrote last.
func (p *process) complaint() string {
	text, _ := os.ReadFile(p.log.Name())
	return string(text[max(0, len(text)-2000):])
}

// proc reads a file about the process.
func (p *process) proc(name string) string {
	text, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), name))
	return string(text)
}

// cpu is the time that the process has computed, with 10 ms resolution.
func (p *process) cpu() time.Duration {
	_, rest, _ := strings.Cut(p.proc("stat"), ") ") // behind the name of the program
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	return time.Duration(number([]byte(fields[11]))+number([]byte(fields[12]))) * 10 * time.Millisecond
}

// memory is a line of /proc/PID/status in bytes: VmRSS is what the process has now, VmHWM the most that it has had.
func (p *process) memory(line string) int64 {
	_, rest, _ := strings.Cut(p.proc("status"), line+":")
	return int64(number([]byte(strings.TrimSpace(rest)))) << 10
}

// top is a running top.
type top struct {
	*process
	nova, admin, neutron, ops string        // addresses
	ready                     time.Duration // it took to be ready
}

// startTop migrates a new database, runs the top on it, and waits until it is ready.
func (b *bench) startTop(ctx context.Context, cpus string, s *sim) (_ *top, err error) {
	database, err := os.MkdirTemp(b.dir, "top")
	if err != nil {
		return nil, err
	}
	return b.startOn(ctx, cpus, "sqlite://"+filepath.Join(database, "tricircle.db"), "keystone.auth_url="+s.AuthURL)
}

// startOn is startTop on a database, by its URL, with settings.
func (b *bench) startOn(ctx context.Context, cpus, database string, set ...string) (_ *top, err error) {
	t := &top{nova: freeAddress(), admin: freeAddress(), neutron: freeAddress(), ops: freeAddress()}
	var args []string
	for _, set := range slices.Concat([]string{"database.connection=" + database, "keystone.username=nova", "keystone.password=secret",
		"nova-gw.listen=" + t.nova, "cinder-gw.listen=" + freeAddress(), "admin-api.listen=" + t.admin, "neutron.listen=" + t.neutron,
		"ops.listen=" + t.ops}, set, b.set) {
		args = append(args, "--set", set)
	}
	if out, err := command(ctx, "", b.binary, append([]string{"db", "migrate"}, args...)...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("db migrate: %w: %s", err, out)
	}
	begin := time.Now()
	if t.process, err = b.start(ctx, cpus, b.binary, append([]string{"serve"}, args...)...); err != nil {
		return nil, err
	}
	if err := t.awaitReady(ctx); err != nil {
		t.stop()
		return nil, fmt.Errorf("the top does not start: %w: %s", err, t.complaint())
	}
	t.ready = time.Since(begin)
	return t, nil
}

func (t *top) awaitReady(ctx context.Context) error {
	return await(ctx, 10*time.Second, func() error {
		_, err := ask(t.ops, request("GET", "/readyz", "", ""), 200)
		return err
	})
}

// await tries until it succeeds, and returns the last failure after limit.
func await(ctx context.Context, limit time.Duration, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	again := time.NewTicker(2 * time.Millisecond)
	defer again.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-again.C:
		}
	}
}

// register tells the top of all pods.
func (t *top) register(s *sim) error {
	for _, p := range s.Pods {
		body := fmt.Sprintf(`{"pod": {"region_name": %q, "az_name": %q, "pod_az_name": %q}}`, p.Region, p.Zone, p.Zone)
		if _, err := ask(t.admin, request("POST", "/v1.0/pods", s.AdminToken, body), 200); err != nil {
			return err
		}
	}
	return nil
}

// freeAddress is one that nobody listens at. If there is none it is "", which the program that is told refuses in words.
func freeAddress() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return ""
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// profile saves a profile of the top, if the run shall have any; cpu for the given time, heap as it is.
func (b *bench) profile(t *top, name string, d time.Duration) error {
	if b.profiles == "" {
		return nil
	}
	kinds := map[string]string{"heap": "/debug/pprof/allocs"}
	if d >= time.Second {
		kinds["cpu"] = fmt.Sprintf("/debug/pprof/profile?seconds=%d", d/time.Second)
	}
	var errs []error
	for kind, path := range kinds {
		body, err := ask(t.ops, request("GET", path, "", ""), 200)
		if err == nil {
			err = os.WriteFile(filepath.Join(b.profiles, name+"."+kind+".pprof"), body, 0o644)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// pin moves this process, all threads of it, to some cores.
func pin(ctx context.Context, cpus string) error {
	if cpus == "" {
		return nil
	}
	out, err := command(ctx, "", "taskset", "-acp", cpus, strconv.Itoa(os.Getpid())).CombinedOutput()
	if err != nil {
		return fmt.Errorf("taskset: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}
