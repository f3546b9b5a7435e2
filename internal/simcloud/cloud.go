// Package simcloud simulates OpenStack in process: one Keystone and one Glance, shared, and any number of pods with
// Nova, Cinder and Neutron, over real TCP. `tricircle demo` runs on it, and so do tests: of how the top treats sick pods
// (Fault), of what it asks them (Requests), and of scale, since resources that nobody touched are generated on demand.
//
// It behaves as OpenStack Zed does (Nova 2.1 to 2.93, Cinder 3.0 to 3.70) in what stock clients and the top notice.
// Whether a feature works is nevertheless decided on real OpenStack. It must not depend on any of our packages but
// fault: a simulator that shares code with what it tests proves nothing.
package simcloud

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// Options describe a cloud. The zero value is three empty pods on free ports of 127.0.0.1.
type Options struct {
	// Pods is the number of pods, 3 if zero. Pod i, from 1, is region "podi" and has the availability zone "azi" in
	// Nova and in Cinder.
	Pods int
	// Servers and Volumes are how many each pod has from the beginning, in project demo, spread over three years. They
	// cost no memory until they are touched, and have the same ids in every run.
	Servers, Volumes int
	// Hosts are the names of the compute hosts, the same in every pod; if nil, pod "podi" has "podi-c1" and "podi-c2".
	Hosts []string
	// TopRegion is one more region, "RegionOne" if empty. It has identity and image; the rest is for a top to register.
	TopRegion string
	// Host is the address to listen on, "127.0.0.1" if empty.
	Host string
	// BasePort is Keystone's port; Glance and the services of the pods follow it. Zero: every port is a free one.
	BasePort int
	Now      func() time.Time // time.Now if nil
	NewID    func() string    // makes a UUID; random if nil
	// BootDelay is how long a server is in BUILD.
	BootDelay time.Duration
}

// Cloud is a running simulation.
type Cloud struct {
	opts     Options
	keystone *keystone
	glance   *glance
	pods     []*Pod
	shared   []*listener // of Keystone and Glance
	buffers  sync.Pool   // of *doc
	netKinds map[string]*netKind
}

// Pod is one simulated pod. Its services keep their state over Stop and Restart.
type Pod struct {
	Region, Zone                      string
	ComputeURL, VolumeURL, NetworkURL string // without a path

	cloud  *Cloud
	number int // from 1
	// mu guards the state of all three services, which depend on each other: handlers of GET hold it for reading, all
	// others for writing.
	mu        sync.RWMutex
	compute   *compute
	volume    *volume
	network   *network
	listeners []*listener
	faults    faults
	answered  atomic.Int64 // of huge bodies
	journal   journal
	release   atomic.Pointer[release]
}

// release is what a pod's services speak at most, as minor numbers.
type release struct{ compute, volume int }

// SetRelease makes the pod one of another release, as far as it can be told by the highest microversions of Nova (2.x) and
// Cinder (3.x). It cannot be newer than Zed.
func (p *Pod) SetRelease(compute, volume int) {
	p.release.Store(&release{min(compute, novaMax), min(volume, cinderMax)})
}

func (n *compute) newest() int { return n.pod.release.Load().compute }
func (v *volume) newest() int  { return v.pod.release.Load().volume }

// Start makes the cloud and serves it until Close.
func Start(o Options) (*Cloud, error) {
	o.Pods = cmp.Or(o.Pods, 3)
	o.TopRegion = cmp.Or(o.TopRegion, "RegionOne")
	o.Host = cmp.Or(o.Host, "127.0.0.1")
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewID == nil {
		o.NewID = uuid.NewString
	}
	c := &Cloud{opts: o, netKinds: newNetKinds()}
	c.buffers.New = func() any { d := make(doc, 0, 4096); return &d }
	c.keystone, c.glance = newKeystone(c), newGlance(c)
	if err := c.listen(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	c.keystone.fillCatalog()
	return c, nil
}

func (c *Cloud) listen() error {
	port := c.opts.BasePort
	next := func(name string, h handler) (*listener, error) {
		l, err := newListener(net.JoinHostPort(c.opts.Host, strconv.Itoa(port)), h)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if port != 0 {
			port++
		}
		return l, nil
	}
	for _, s := range []struct {
		name  string
		serve handler
	}{{"keystone", c.keystone.serve}, {"glance", c.glance.serve}} {
		l, err := next(s.name, s.serve)
		if err != nil {
			return err
		}
		c.shared = append(c.shared, l)
	}
	for i := range c.opts.Pods {
		p := newPod(c, i+1)
		c.pods = append(c.pods, p)
		for _, s := range []struct {
			name  string
			serve handler
			url   *string
		}{
			{"compute", p.compute.serve, &p.ComputeURL},
			{"volume", p.volume.serve, &p.VolumeURL},
			{"network", p.network.serve, &p.NetworkURL},
		} {
			l, err := next(p.Region+" "+s.name, p.guard(s.name, s.serve))
			if err != nil {
				return err
			}
			p.listeners = append(p.listeners, l)
			*s.url = l.url()
		}
	}
	return nil
}

func newPod(c *Cloud, number int) *Pod {
	p := &Pod{
		Region: "pod" + strconv.Itoa(number), Zone: "az" + strconv.Itoa(number),
		cloud: c, number: number,
	}
	p.SetRelease(novaMax, cinderMax)
	p.network = newNetwork(p)
	p.volume = newVolume(p)
	p.compute = newCompute(p)
	return p
}

// Close stops everything.
func (c *Cloud) Close() error {
	var errs []error
	for _, l := range c.shared {
		errs = append(errs, l.stop())
	}
	for _, p := range c.pods {
		p.faults.clear()
		for _, l := range p.listeners {
			errs = append(errs, l.stop())
		}
	}
	return errors.Join(errs...)
}

// AuthURL is the address of Keystone, with /v3.
func (c *Cloud) AuthURL() string { return c.shared[0].url() + "/v3" }

// ImageURL is the address of Glance, without a path.
func (c *Cloud) ImageURL() string { return c.shared[1].url() }

// Pod returns pod i, from 0.
func (c *Cloud) Pod(i int) *Pod { return c.pods[i] }

// Stop closes the ports of the pod's services: connections are refused, open ones are cut. State stays.
func (p *Pod) Stop() {
	for _, l := range p.listeners {
		// Closing a listener that was already closed is all that can fail.
		_ = l.stop()
	}
}

// Restart serves again, at the same addresses and with the same state.
func (p *Pod) Restart() error {
	for _, l := range p.listeners {
		if err := l.start(); err != nil {
			return fmt.Errorf("%s: %w", p.Region, err)
		}
	}
	return nil
}
