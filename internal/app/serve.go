package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tricircle/tricircle/internal/config"
	"github.com/tricircle/tricircle/internal/httpx"
	"github.com/tricircle/tricircle/internal/obs"
)

// Options say what a process serves.
type Options struct {
	Config  *config.Config
	Roles   []string // none or "all" means every role
	Version string
	Out     io.Writer // logs
}

// Serve runs the chosen roles until ctx ends, then drains: no new connections, requests under way are finished for up to
// [DEFAULT] drain_timeout, what was learned is written down, the store is closed.
func Serve(ctx context.Context, o Options) error {
	tuneMemory()
	out := obs.NewBatch(o.Out)
	defer func() { _ = out.Flush() }() // there is no other place to complain
	c, err := newCore(ctx, o.Config, out)
	if err != nil {
		return err
	}
	c.log.Info("starting", "version", o.Version, "roles", o.Roles)
	s, err := c.start(ctx, o.Roles)
	if err != nil {
		_ = c.close()
		return err
	}
	return s.wait(ctx)
}

// server is a running process.
type server struct {
	*core
	ops        *httpx.LeanServer
	servers    []*httpx.LeanServer
	addresses  map[string]net.Addr // by role
	opsAddress net.Addr
	ready      atomic.Bool
	failed     chan error // a listener that stopped by itself

	background *errgroup.Group
	stop       context.CancelFunc // ends the background
}

// start brings everything up: listeners last, so that whoever can connect is served.
func (c *core) start(ctx context.Context, names []string) (*server, error) {
	wanted, err := chosen(names)
	if err != nil {
		return nil, err
	}
	s := &server{core: c, addresses: map[string]net.Addr{}, failed: make(chan error, len(wanted)+1)}
	if err := c.pods.Reload(ctx); err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.background, running = errgroup.WithContext(running)
	s.background.Go(func() error { return c.pods.Run(running) })
	s.background.Go(func() error { return c.routing.Run(running) })
	for _, r := range wanted {
		if r.run != nil {
			s.background.Go(func() error { return r.run(c, running) })
		}
	}
	if err := s.listen(wanted); err != nil {
		s.shutdown()
		return nil, err
	}
	s.ready.Store(true)
	return s, nil
}

// listen opens the operations listener and one for each role.
func (s *server) listen(wanted []role) error {
	l, err := httpx.Listen(string(s.config.Ops.Listen), "", "")
	if err != nil {
		return fmt.Errorf("[ops] listen: %w", err)
	}
	s.opsAddress = l.Addr()
	s.ops = s.run(l, s.opsHandler())
	for _, r := range wanted {
		if r.handler == nil {
			continue
		}
		h, err := s.serve(r)
		if err != nil {
			return err
		}
		section := r.section(s.config)
		l, err := httpx.Listen(string(section.Listen), section.CertFile, section.KeyFile)
		if err != nil {
			return fmt.Errorf("[%s] listen: %w", r.name, err)
		}
		s.addresses[r.name] = l.Addr()
		s.servers = append(s.servers, s.run(l, h))
		s.log.Info("listening", "role", r.name, "address", l.Addr().String())
	}
	return nil
}

func (s *server) run(l net.Listener, h http.Handler) *httpx.LeanServer {
	srv := httpx.NewLeanServer(h, s.log)
	go func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- fmt.Errorf("listener %s: %w", l.Addr(), err)
		}
	}()
	return srv
}

// wait blocks until ctx ends or a listener fails, and then stops everything.
func (s *server) wait(ctx context.Context) (err error) {
	select {
	case <-ctx.Done():
		s.log.Info("draining", "timeout", s.config.Default.DrainTimeout)
	case err = <-s.failed:
	}
	return errors.Join(err, s.shutdown())
}

func (s *server) shutdown() error {
	s.ready.Store(false)
	ctx, cancel := context.WithTimeout(context.Background(), s.config.Default.DrainTimeout)
	defer cancel()
	var drained errgroup.Group
	for _, srv := range s.servers {
		drained.Go(func() error {
			if err := srv.Shutdown(ctx); err != nil {
				return errors.Join(fmt.Errorf("requests were cut off after the drain timeout: %w", err), srv.Close())
			}
			return nil
		})
	}
	err := drained.Wait()
	s.stop()
	err = errors.Join(err, s.background.Wait(), s.close())
	if s.ops != nil {
		err = errors.Join(err, s.ops.Close())
	}
	return err
}

// opsHandler is what operators and their tools look at. It is not for users: its listener is on loopback by default.
func (s *server) opsHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("GET /metrics", s.metrics.Handler())
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// readyz says whether requests can be served, and if not, why.
func (s *server) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 3*time.Second)
	defer cancel()
	var reason error
	if _, err := s.keystone.ServiceToken(ctx); err != nil {
		reason = fmt.Errorf("keystone: %w", err)
	}
	if err := s.store.Ping(ctx); err != nil {
		reason = fmt.Errorf("database: %w", err)
	}
	if !s.ready.Load() {
		reason = errors.New("starting or draining")
	}
	if reason != nil {
		http.Error(w, "not ready: "+reason.Error(), http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(w, "ready\n")
}
