package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

// busyClients is how many connections table a uses to find the throughput. One alone finds the latency.
const busyClients = 32

// target is a way to the same backend.
type target struct {
	name    string
	address string
	process *process // in between; nil for direct
}

// sample is what one round found of a target.
type sample struct {
	perSecond float64
	cpu       time.Duration // of the process in between, for one request
	p50, p99  time.Duration
}

// proxies makes table a: what the top adds to a call by id.
func (b *bench) proxies(ctx context.Context) ([]table, error) {
	cores, here, there := "unpinned", "", ""
	if _, err := exec.LookPath("taskset"); err == nil && runtime.NumCPU() > 1 {
		cores, here, there = "the proxy alone on one core, backend and load on another", "0", "1"
	}
	s, err := b.startSim(ctx, here, 1, 1000)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	if err := s.useReplay(); err != nil {
		return nil, err
	}
	t, err := b.startTop(ctx, there, s)
	if err != nil {
		return nil, err
	}
	defer t.stop()
	if err := t.register(s); err != nil {
		return nil, err
	}
	targets := []target{{"direct", s.Replay, nil}, {"the top", t.nova, t.process}}
	n, err := b.startNginx(ctx, there, s.Replay)
	if err != nil {
		return nil, err
	}
	if n != nil {
		defer n.process.stop()
		targets = []target{targets[0], *n, targets[1]}
	}
	ids, err := s.servers(1)
	if err != nil {
		return nil, err
	}
	if err := pin(ctx, here); err != nil {
		return nil, err
	}
	defer func() { _ = pin(ctx, fmt.Sprintf("0-%d", runtime.NumCPU()-1)) }() // it could be pinned, so it can be freed
	if here != "" {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	}
	return b.compare(ctx, t, targets, s.Tokens[0], ids[0], cores)
}

func (b *bench) compare(ctx context.Context, t *top, targets []target, token, id, cores string) ([]table, error) {
	out := table{title: "A call by id, against a plain proxy", head: []string{"call", "way", "requests/s", "of nginx", "CPU µs/request",
		"p50 ms", "added", "p99 ms", "added"}}
	size := 0
	for _, call := range []struct {
		name    string
		request []byte
		want    int
	}{
		{"GET /servers/{id}", request("GET", "/v2.1/servers/"+id, token, ""), 200},
		{"POST /servers/{id}/action", request("POST", "/v2.1/servers/"+id+"/action", token, `{"lock": null}`), 202},
	} {
		for _, target := range targets {
			body, err := ask(target.address, call.request, call.want)
			if err != nil {
				return nil, err
			}
			size = max(size, len(body))
		}
		samples := make([][]sample, len(targets))
		for range 2*b.rounds + 1 {
			for i, target := range targets {
				s, err := b.sample(ctx, target, call.request, call.want)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", target.name, err)
				}
				samples[i] = append(samples[i], s)
			}
		}
		for i, target := range targets {
			m, more := middle(samples[i]), against(samples[i], samples[0])
			share := "-"
			if len(targets) == 3 {
				share = fmt.Sprintf("%.2f", against(samples[i], samples[1]).perSecond)
			}
			out.add(call.name, target.name, fmt.Sprintf("%.0f", m.perSecond), share, fmt.Sprintf("%.1f", float64(m.cpu.Nanoseconds())/1000),
				millis(m.p50), millis(more.p50), millis(m.p99), millis(more.p99))
		}
		if err := b.profileUnder(ctx, t, "proxy-"+call.name[:3], repeat(busyClients, t.nova, call.request, call.want)); err != nil {
			return nil, err
		}
	}
	out.about = fmt.Sprintf("The backend repeats a server's document of %d bytes from memory; %s. Requests per second of %d connections "+
		"that never pause, latency of one. The top as it is shipped, its access log in a file; nginx with one worker, connections kept alive, no log. "+
		"Medians of %d rounds, in turns; ratios and differences are taken within each round, as the machine's speed sways from one to the next. "+
		"A call by id may add 0.3 ms at the median, and the top must do 0.45 of what nginx does.",
		size, cores, busyClients, 2*b.rounds+1)
	if len(targets) < 3 {
		out.about += " There is no nginx on this machine, so its rows are missing."
	}
	return []table{out}, nil
}

func (b *bench) sample(ctx context.Context, t target, request []byte, want int) (s sample, err error) {
	var before time.Duration
	if t.process != nil {
		before = t.process.cpu()
	}
	clients := repeat(busyClients, t.address, request, want)
	busy := drive(ctx, b.round, clients)
	hangUp(clients)
	s.perSecond = busy.perSecond()
	if t.process != nil {
		s.cpu = (t.process.cpu() - before) / time.Duration(max(1, len(busy.took)))
	}
	clients = repeat(1, t.address, request, want)
	alone := drive(ctx, b.round, clients)
	hangUp(clients)
	s.p50, s.p99 = alone.percentile(50), alone.percentile(99)
	if r := busy; r.api+r.server+alone.api+alone.server > 0 {
		return s, fmt.Errorf("calls failed: %s%s", r.example, alone.example)
	}
	return s, nil
}

// against compares samples with those of another target in the same rounds: as many times the throughput, and so much more latency.
func against(samples, others []sample) sample {
	pairs := make([]sample, len(samples))
	for i, s := range samples {
		o := others[i]
		pairs[i] = sample{perSecond: s.perSecond / o.perSecond, cpu: s.cpu - o.cpu, p50: s.p50 - o.p50, p99: s.p99 - o.p99}
	}
	return middle(pairs)
}

// middle is the median of each figure.
func middle(samples []sample) sample {
	return sample{
		perSecond: median(samples, func(s sample) float64 { return s.perSecond }),
		cpu:       median(samples, func(s sample) time.Duration { return s.cpu }),
		p50:       median(samples, func(s sample) time.Duration { return s.p50 }),
		p99:       median(samples, func(s sample) time.Duration { return s.p99 }),
	}
}

func median[S any, V float64 | time.Duration](samples []S, value func(S) V) V {
	values := make([]V, len(samples))
	for i, s := range samples {
		values[i] = value(s)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// profileUnder profiles the top under the load of clients.
func (b *bench) profileUnder(ctx context.Context, t *top, name string, clients []client) error {
	if b.profiles == "" {
		return nil
	}
	defer hangUp(clients)
	failed := make(chan error, 1)
	go func() { failed <- b.profile(t, name, 5*time.Second) }()
	drive(ctx, 6*time.Second, clients)
	return <-failed
}

const nginxConf = `daemon off; master_process off; worker_processes 1; pid %[1]s/pid; error_log stderr;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  keepalive_requests 1000000000;
  upstream pod { server %[2]s; keepalive 64; keepalive_requests 1000000000; }
  server {
    listen %[3]s;
    location / { proxy_pass http://pod; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`

// startNginx runs nginx in front of a backend; nil if there is none on this machine.
func (b *bench) startNginx(ctx context.Context, cpus, backend string) (*target, error) {
	program, err := exec.LookPath("nginx")
	if err != nil {
		program = "/usr/sbin/nginx" // where it is not in the PATH of users
	}
	if _, err := os.Stat(program); err != nil {
		fmt.Fprintln(os.Stderr, "bench: there is no nginx here; its rows are left out")
		return nil, nil
	}
	dir, err := os.MkdirTemp(b.dir, "nginx")
	if err != nil {
		return nil, err
	}
	address, conf := freeAddress(), filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, nginxConf, dir, backend, address), 0o600); err != nil {
		return nil, err
	}
	p, err := b.start(ctx, cpus, program, "-p", dir, "-c", conf, "-e", "stderr")
	if err != nil {
		return nil, err
	}
	err = await(ctx, 5*time.Second, func() error {
		_, err := ask(address, request("GET", "/", "", ""), 200)
		return err
	})
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("nginx: %w: %s", err, p.complaint())
	}
	return &target{"nginx", address, p}, nil
}
