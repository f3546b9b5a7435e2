package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"

	"github.com/tricircle/tricircle/internal/config"
	"github.com/tricircle/tricircle/internal/simcloud"
	"github.com/tricircle/tricircle/internal/southbound"
	"github.com/tricircle/tricircle/internal/store"
)

// DemoOptions say what `tricircle demo` simulates.
type DemoOptions struct {
	Pods     int       // simulated pods
	Servers  int       // servers that all of them have together from the start
	BasePort int       // the first of the ports to listen on, for those who need them fixed; 0 takes free ones
	Dir      string    // of clouds.yaml and the database, which is made anew
	Out      io.Writer // instructions
	Log      io.Writer
	Version  string
}

// topPorts is how many ports the top itself needs.
const topPorts = 4

// Demo runs the top, a simulated Keystone and simulated pods in one process, until ctx ends.
func Demo(ctx context.Context, o DemoOptions) (err error) {
	start := time.Now()
	simPort := 0
	if o.BasePort != 0 {
		simPort = o.BasePort + topPorts
	}
	sim, err := simcloud.Start(simcloud.Options{Pods: o.Pods, Servers: o.Servers / o.Pods, BasePort: simPort, BootDelay: time.Second})
	if err != nil {
		return fmt.Errorf("simulated pods: %w", err)
	}
	defer func() { err = errors.Join(err, sim.Close()) }()
	cfg, err := demoConfig(o, sim.AuthURL())
	if err != nil {
		return err
	}
	if err := Migrate(ctx, cfg, io.Discard); err != nil {
		return err
	}
	c, err := newCore(ctx, cfg, o.Log)
	if err != nil {
		return err
	}
	s, err := c.start(ctx, nil)
	if err != nil {
		return errors.Join(err, c.close())
	}
	if err := s.furnish(ctx, sim, o); err != nil {
		return errors.Join(err, s.shutdown())
	}
	if err := instruct(o, cfg, time.Since(start)); err != nil {
		return errors.Join(err, s.shutdown())
	}
	return s.wait(ctx)
}

// demoConfig is a configuration on loopback with a database of its own.
func demoConfig(o DemoOptions, authURL string) (*config.Config, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(filepath.Join(dir, "tricircle.db"+suffix)); err != nil && !os.IsNotExist(err) {
			return nil, err
		}
	}
	port := func(i int) string {
		if o.BasePort == 0 {
			return "127.0.0.1:0"
		}
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(o.BasePort+i))
	}
	return config.Load(config.Sources{Set: []string{
		"database.connection=sqlite://" + filepath.Join(dir, "tricircle.db"),
		"keystone.auth_url=" + authURL, "keystone.username=nova", "keystone.password=secret",
		"admin-api.listen=" + port(0), "nova-gw.listen=" + port(1), "cinder-gw.listen=" + port(2), "ops.listen=" + port(3),
		"pod.list_timeout=10s", "pod.probe_interval=2s", "DEFAULT.drain_timeout=2s", "DEFAULT.log_level=warn",
	}})
}

// furnish does what an operator does with a new top: register it in the catalog, and the pods with it.
func (s *server) furnish(ctx context.Context, sim *simcloud.Cloud, o DemoOptions) error {
	keystone, err := adminClient(ctx, sim.AuthURL())
	if err != nil {
		return err
	}
	url := func(role string) string { return "http://" + s.addresses[role].String() }
	catalog := southbound.Catalog{Keystone: keystone, Region: s.config.Default.RegionName, Report: func(string, ...any) {}}
	err = catalog.Register(ctx, []southbound.CatalogEntry{
		{Type: "compute", Name: "nova", URL: url(config.RoleNovaGW) + "/v2.1"},
		{Type: "volumev3", Name: "cinderv3", URL: url(config.RoleCinderGW) + "/v3/$(project_id)s"},
		// Clients insist on a network endpoint. Until the top has its own it is a pod's, as networks are.
		{Type: "network", Name: "neutron", URL: sim.Pod(0).NetworkURL},
		{Type: "multi-region-network-automation", Name: "tricircle", URL: url(config.RoleAdminAPI) + "/v1.0"},
	})
	if err != nil {
		return err
	}
	for i := range o.Pods {
		p := sim.Pod(i)
		row := store.Pod{ID: s.newID(), RegionName: p.Region, State: store.PodEnabled, Zones: []store.Zone{{Name: p.Zone, PodName: p.Zone}}}
		if _, err := s.pods.Create(ctx, row); err != nil {
			return fmt.Errorf("registering pod %s: %w", p.Region, err)
		}
	}
	return nil
}

func adminClient(ctx context.Context, authURL string) (*gophercloud.ServiceClient, error) {
	provider, err := openstack.AuthenticatedClient(ctx, gophercloud.AuthOptions{
		IdentityEndpoint: authURL, Username: "admin", Password: "secret", DomainName: "Default", TenantName: "admin"})
	if err != nil {
		return nil, err
	}
	return &gophercloud.ServiceClient{ProviderClient: provider, Endpoint: authURL + "/", Type: "identity"}, nil
}

// cloudsYAML is the clients' configuration for the demo.
const cloudsYAML = `clouds:
  demo: &user
    region_name: %[2]s
    identity_api_version: 3
    auth: {auth_url: "%[1]s", username: demo, password: secret, project_name: demo, user_domain_name: Default, project_domain_name: Default}
  demo-admin:
    <<: *user
    auth: {auth_url: "%[1]s", username: admin, password: secret, project_name: admin, user_domain_name: Default, project_domain_name: Default}
`

// instruct writes clouds.yaml and tells what to do with it.
func instruct(o DemoOptions, cfg *config.Config, took time.Duration) error {
	path, err := filepath.Abs(filepath.Join(o.Dir, "clouds.yaml"))
	if err != nil {
		return err
	}
	text := fmt.Sprintf(cloudsYAML, cfg.Keystone.AuthURL, cfg.Default.RegionName)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	_, err = fmt.Fprintf(o.Out, `
%d simulated pods behind one API, ready in %s. Try, in another terminal:

    export OS_CLIENT_CONFIG_FILE=%s OS_CLOUD=demo
    openstack server create --image cirros --flavor m1.tiny --availability-zone az1 --wait one
    openstack volume create --size 1 --availability-zone az1 disk && openstack server add volume one disk
    openstack server list --long

OS_CLOUD=demo-admin is the administrator. Ctrl-C ends it.
`, o.Pods, took.Round(10*time.Millisecond), path)
	return err
}
