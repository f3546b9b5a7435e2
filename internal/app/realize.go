package app

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/tricircle/tricircle/internal/config"
	"github.com/tricircle/tricircle/internal/neutron/adopt"
	"github.com/tricircle/tricircle/internal/neutron/ipam"
	"github.com/tricircle/tricircle/internal/neutron/nic"
	"github.com/tricircle/tricircle/internal/neutron/realize"
	"github.com/tricircle/tricircle/internal/store"
	"github.com/tricircle/tricircle/internal/xjob"
)

// infraAddresses is how many addresses of a subnet a pod gets for itself: OVN's metadata port, or one DHCP agent, takes one.
const infraAddresses = 1

// maxSweepInterval is the longest time between two looks for boots that were cut off.
const maxSweepInterval = time.Minute

// maxBoot is how long a boot takes at most until the client has an answer: clients, and what stands before APIs, wait for a minute.
const maxBoot = 50 * time.Second

// networked tells whether the top has a networking service, here or in another process: the role, or the section that all of its
// processes share. Without one, networks are the pods' own.
func (c *core) networked() bool {
	n := c.config.Networks
	return c.config.Serves(config.RoleNeutron) || len(n.VLANRanges)+len(n.VNIRanges)+len(n.FlatNetworks) > 0
}

// plug builds what brings networks of the top into pods and servers onto them, and tells the engine of jobs who runs theirs.
func (c *core) plug() error {
	if !c.networked() {
		return nil
	}
	addresses := ipam.New(rand.Uint64N)
	c.realizer = realize.New(realize.Options{Store: c.store, Pods: c.pods, Token: c.keystone.ServiceToken, Now: c.now, Doubt: c.config.Pod.Timeout,
		Reserve: func(ctx context.Context, tx store.Tx, subnet *store.Object, podNum int32) ([]string, error) {
			return reserve(ctx, tx, addresses, subnet, podNum)
		},
		Idle: func(ctx context.Context, tx store.Tx, port *store.Object, podNum int32) error {
			return c.nics.Idle(ctx, tx, port, podNum)
		}})
	api, err := c.neutron(func(*http.Request) string { return "" }) // nobody sees links
	if err != nil {
		return err
	}
	c.nics = nic.New(nic.Options{Store: c.store, API: api, Realizer: c.realizer, RunNow: c.runNow, Token: c.keystone.ServiceToken,
		NewID: c.newID, Now: c.now, Doubt: c.config.Pod.Timeout, Within: min(maxBoot, c.config.Networks.BootTimeout/2),
		BootTimeout: c.config.Networks.BootTimeout, Log: c.log})
	types, err := c.networkTypes()
	if err != nil {
		return err
	}
	c.adopter = adopt.New(adopt.Options{Store: c.store, Pods: c.pods, Token: c.keystone.ServiceToken, Types: types, RunNow: c.runNow})
	for kind, members := range map[string][]string{string(store.KindNetwork): {"network_id", "pod_id"},
		string(store.KindPort): {"port_id", "pod_id"}, string(store.KindSecurityGroup): {"security_group_id", "pod_id"},
		string(store.KindTrunk): {"trunk_id", "pod_id"}, store.JobMembers: {"network_id"}, store.JobShadows: {"network_id", "pod_id"}} {
		c.jobs.Register(kind, xjob.Handler{Members: members, Run: func(ctx context.Context, job store.Job) error {
			err := c.realizer.Run(ctx, job.NewJob)
			if unmade, ok := errors.AsType[*realize.UnmadeError](err); ok {
				return &xjob.DependencyError{On: unmade.Job, Reason: "it is not in the pod yet, or not yet gone"}
			}
			return err
		}})
	}
	for kind, member := range map[string]string{nic.DeviceJob: "device_id", nic.DetachJob: "port_id", nic.IdleJob: "port_id"} {
		c.jobs.Register(kind, xjob.Handler{Members: []string{member, "pod_id"}, Run: func(ctx context.Context, job store.Job) error {
			return c.nics.Free(ctx, job.NewJob)
		}})
	}
	return nil
}

// runNow is the engine's, for those who wait for a pod within a request.
func (c *core) runNow(ctx context.Context, job store.NewJob) error { return c.jobs.RunNow(ctx, job) }

func reserve(ctx context.Context, tx store.Tx, from *ipam.Allocator, o *store.Object, podNum int32) ([]string, error) {
	subnet, err := ipam.SubnetOf(o)
	if err != nil {
		return nil, err
	}
	ips, err := from.Reserve(ctx, tx, &subnet, podNum, store.UseInfra, infraAddresses)
	own := make([]string, len(ips))
	for i, ip := range ips {
		own[i] = ip.String()
	}
	return own, err
}

// work is the role xjob: jobs are run, and what nobody has asked for is looked for.
func (c *core) work(ctx context.Context) error {
	if c.nics == nil {
		return c.jobs.Run(ctx)
	}
	var looking sync.WaitGroup
	defer looking.Wait()
	looking.Go(func() { c.every(ctx, min(maxSweepInterval, c.config.Networks.BootTimeout), c.nics.Sweep) })
	looking.Go(func() { c.every(ctx, c.config.XJob.AuditInterval, c.realizer.Audit) })
	return c.jobs.Run(ctx)
}

// every runs f again and again until ctx ends.
func (c *core) every(ctx context.Context, pause time.Duration, f func(context.Context) error) {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := f(ctx); err != nil && ctx.Err() == nil {
				c.log.WarnContext(ctx, "looking for work that nobody has asked for failed; it is repeated", "error", err)
			}
		}
	}
}
