package app

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"

	"github.com/tricircle/tricircle/internal/bus"
	"github.com/tricircle/tricircle/internal/bus/nats"
	"github.com/tricircle/tricircle/internal/obs"
	"github.com/tricircle/tricircle/internal/pod"
	"github.com/tricircle/tricircle/internal/store"
	"github.com/tricircle/tricircle/internal/xjob"
)

// processName tells this process from others. In containers neither host nor number does so by itself.
func processName(newID func() string) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s:%d:%.8s", host, os.Getpid(), newID())
}

func (c *core) openBus() error {
	b := c.config.Bus
	switch b.Driver {
	case "nats":
		client, err := nats.Connect(nats.Options{Servers: string(b.Servers), CAFile: b.CAFile, Name: c.name, Log: c.log})
		if err != nil {
			return fmt.Errorf("[bus] %w", err)
		}
		c.bus, c.closeBus = client, client.Close
	case "embedded":
		server, err := nats.Embed(nats.EmbeddedOptions{Name: c.name, Listen: string(b.ClusterListen), Peers: peers(b.ClusterPeers),
			Password: string(b.ClusterPassword), Log: c.log})
		if err != nil {
			return fmt.Errorf("[bus] %w", err)
		}
		c.bus, c.closeBus = server, server.Close
	default:
		c.bus, c.closeBus = bus.NewLocal(), func() {}
	}
	return nil
}

// peers splits a list with commas, and perhaps spaces.
func peers(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// newEngine makes the engine of jobs, which every role has; only the role xjob lets it look for work.
func (c *core) newEngine() *xjob.Engine {
	x := c.config.XJob
	return xjob.New(xjob.Options{
		Jobs: c.store, Bus: c.bus, Owner: c.name, Log: c.log, Now: c.now, Jitter: rand.Float64,
		Workers: x.Workers, PodLimit: x.PodLimit, Lease: x.Lease, Poll: x.PollInterval, RetryFirst: x.RetryFirst, RetryMax: x.RetryMax,
		MaxAttempts: x.MaxAttempts, Timeout: x.Timeout, History: x.History,
		Away: c.podsAway, Observe: c.metrics.ObserveJob,
		Count: func(counts []store.JobCount) {
			series := make([]obs.JobCount, len(counts))
			for i, n := range counts {
				series[i] = obs.JobCount{Kind: n.Kind, State: string(n.State), N: n.N}
			}
			c.metrics.SetJobs(series)
		},
	})
}

// podsAway are the pods that jobs need not be tried on: those that may not be called, and those of which both the prober and their
// networking service's circuit say that they are down. One of the two alone may be about another service, or about the past.
func (c *core) podsAway() (nums []int32) {
	for _, p := range c.pods.Snapshot().All() {
		if !p.Serves() || p.Health().Status == pod.HealthDown && p.CircuitOpen(pod.Network) {
			nums = append(nums, p.Num)
		}
	}
	return nums
}
