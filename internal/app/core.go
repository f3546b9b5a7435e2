// Package app is the composition root: it builds what the chosen roles need, starts it in order, and stops it in the
// opposite order. It may import everything; nothing but cli may import it.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/tricircle/tricircle/internal/bus"
	"github.com/tricircle/tricircle/internal/config"
	"github.com/tricircle/tricircle/internal/httpx"
	"github.com/tricircle/tricircle/internal/identity"
	"github.com/tricircle/tricircle/internal/neutron/adopt"
	"github.com/tricircle/tricircle/internal/neutron/nic"
	"github.com/tricircle/tricircle/internal/neutron/realize"
	"github.com/tricircle/tricircle/internal/obs"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/routing"
	"github.com/tricircle/tricircle/internal/store/sqlstore"
	"github.com/tricircle/tricircle/internal/xjob"
)

// probeTimeout bounds one health probe of a pod. A pod that takes longer is as good as down for a user.
const probeTimeout = 5 * time.Second

// core is what the roles of one process share.
type core struct {
	config   *config.Config
	log      *slog.Logger
	metrics  *obs.Metrics
	store    *sqlstore.Store
	keystone *identity.Keystone
	pods     *pod.Registry
	routing  *routing.Table
	nics     *nic.Service      // nil without a networking service
	realizer *realize.Realizer // likewise
	adopter  *adopt.Adopter    // likewise
	name     string            // of this process: owner of leases, client of the bus
	bus      bus.Bus
	closeBus func()
	jobs     *xjob.Engine

	now          func() time.Time
	newID        func() string
	newRequestID func() string
}

// newCore opens the store and builds the rest on it. Nothing runs yet.
func newCore(ctx context.Context, cfg *config.Config, errOut io.Writer) (*core, error) {
	c := &core{config: cfg, metrics: obs.NewMetrics(), now: time.Now, newID: uuid.NewString, newRequestID: obs.NewRequestID,
		log: obs.NewLogger(errOut, cfg.Default.LogLevel, cfg.Default.LogFormat)}
	c.name = processName(c.newID)
	if err := c.openStore(ctx); err != nil {
		return nil, err
	}
	if err := c.build(); err != nil {
		_ = c.store.Close()
		return nil, err
	}
	if err := c.openBus(); err != nil {
		_ = c.store.Close()
		return nil, err
	}
	c.jobs = c.newEngine()
	c.store.OnEnqueue(c.jobs.Wake)
	if err := c.plug(); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// close ends what newCore has begun.
func (c *core) close() error {
	c.closeBus()
	return c.store.Close()
}

// openStore refuses a schema of another version than this binary's: half a migration serves nobody.
func (c *core) openStore(ctx context.Context) (err error) {
	if c.store, err = open(ctx, c.config); err != nil {
		return err
	}
	current, latest, err := c.store.Version(ctx)
	if err == nil && current != latest {
		err = fmt.Errorf("the database has schema version %d, this program needs %d: run tricircle db migrate", current, latest)
	}
	if err != nil {
		_ = c.store.Close()
	}
	return err
}

func open(ctx context.Context, cfg *config.Config) (*sqlstore.Store, error) {
	s, err := sqlstore.Open(ctx, string(cfg.Database.Connection), time.Now)
	if err != nil {
		return nil, fmt.Errorf("[database] connection: %w", err)
	}
	return s, nil
}

func (c *core) build() error {
	toKeystone, err := httpx.NewTransport(httpx.TransportOptions{CAFile: c.config.Keystone.CAFile})
	if err != nil {
		return fmt.Errorf("[keystone] %w", err)
	}
	k := c.config.Keystone
	c.keystone = identity.NewKeystone(identity.Options{
		AuthURL: string(k.AuthURL), Username: k.Username, Password: k.Password, UserDomainName: k.UserDomainName,
		ProjectName: k.ProjectName, ProjectDomainName: k.ProjectDomainName, Transport: toKeystone, Timeout: k.Timeout,
		CacheTime: k.TokenCacheTime, NegativeCacheTime: k.TokenNegativeTime, Now: c.now,
	})
	p := c.config.Pod
	podOptions := httpx.TransportOptions{DialTimeout: p.ConnectTimeout, CAFile: p.CAFile, Insecure: p.Insecure}
	if _, err := httpx.NewLean(podOptions); err != nil {
		return fmt.Errorf("[pod] %w", err)
	}
	c.pods = pod.NewRegistry(pod.Options{
		Store: c.store, Keystone: c.keystone, Log: c.log, Now: c.now,
		Transport: func() http.RoundTripper {
			t, _ := httpx.NewLean(podOptions) // tried above
			return t
		},
		TopRegion: c.config.Default.RegionName, Interface: k.Interface, Timeout: p.Timeout, ProbeTimeout: probeTimeout,
		ProbeInterval: p.ProbeInterval, ReloadInterval: p.ReloadInterval, MaxConcurrent: p.MaxConcurrent, MaxFanOut: p.MaxFanOut,
		BreakerFailures: uint(p.BreakerFailures), BreakerDelay: p.BreakerDelay,
		Observe: func(name string, s pod.Service, class string, took time.Duration) {
			c.metrics.ObservePod(name, s.String(), class, took)
		},
		Report: func(p *pod.Pod) {
			c.metrics.SetPodHealth(p.Name(), p.Up())
			c.metrics.SetPodBelowCeiling(p.Name(), len(c.pods.Snapshot().BelowCeiling(p)) > 0)
			c.metrics.SetBreakerOpen(p.Name(), p.CircuitOpen(pod.Compute) || p.CircuitOpen(pod.Volume) || p.CircuitOpen(pod.Network))
		},
		Forget: c.metrics.ForgetPod,
	})
	c.routing = routing.NewTable(c.store, c.pods, c.config.Routing.CacheSize, c.log)
	return nil
}

// keystoneURI is what users are told in a 401.
func (c *core) keystoneURI() string {
	if uri := string(c.config.Keystone.WWWAuthenticateURI); uri != "" {
		return uri
	}
	return string(c.config.Keystone.AuthURL)
}
