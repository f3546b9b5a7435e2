package cli

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/services"
	"github.com/spf13/cobra"

	"github.com/tricircle/tricircle/internal/southbound"
)

// projectSuffix is what Keystone replaces by the project of a token. Clients look for it in what is registered as volumev3:
// cinderclient needed the project before Cinder 3.67.
const projectSuffix = "/$(project_id)s"

// registration says where clients will find the top.
type registration struct {
	cloud, region, host             string
	computeURL, volumeURL, adminURL string
	networkURL                      string
	network, replace                bool
}

func newCatalog() *cobra.Command {
	var r registration
	cmd := &cobra.Command{
		Use: "register (--host HOST | --compute-url URL --volume-url URL --admin-url URL)", DisableFlagsInUseLine: true,
		Short: "Make Keystone's catalog name the top's endpoints; what is right already stays",
		Args:  cobra.NoArgs,
		RunE: action(func(cmd *cobra.Command, _ []string) error {
			if err := r.fillIn(); err != nil {
				return err
			}
			return r.run(cmd)
		}),
	}
	cmd.Flags().StringVar(&r.cloud, "os-cloud", "", "cloud of clouds.yaml (default $OS_CLOUD)")
	cmd.Flags().StringVar(&r.region, "region", "RegionOne", "region of the top")
	cmd.Flags().StringVar(&r.host, "host", "", "host of the top as clients reach it, with https:// before it if it speaks TLS")
	cmd.Flags().StringVar(&r.computeURL, "compute-url", "", "address of the compute API (default http://HOST:8774/v2.1)")
	cmd.Flags().StringVar(&r.volumeURL, "volume-url", "", "address of the block storage API (default http://HOST:8776/v3)")
	cmd.Flags().StringVar(&r.adminURL, "admin-url", "", "address of the Admin API (default http://HOST:19999/v1.0)")
	cmd.Flags().BoolVar(&r.replace, "replace", false, "move endpoints of the region that are elsewhere now")
	cmd.Flags().BoolVar(&r.network, "network", false, "register the top's own networking API too, at http://HOST:9696: its role is not part of all")
	cmd.Flags().StringVar(&r.networkURL, "network-url", "",
		"address of the networking API: the top's, or a pod's to stand for it, as the openstack client wants one to boot a server")
	return group("catalog", "Manage the top's place in Keystone's catalog", cmd)
}

// fillIn derives the addresses that were not given from the host.
func (r *registration) fillIn() error {
	type address struct {
		flag, port, path string
		url              *string
	}
	addresses := []address{
		{"compute-url", "8774", "/v2.1", &r.computeURL},
		{"volume-url", "8776", "/v3", &r.volumeURL},
		{"admin-url", "19999", "/v1.0", &r.adminURL},
	}
	if r.network {
		addresses = append(addresses, address{"network-url", "9696", "", &r.networkURL})
	}
	for _, u := range addresses {
		if *u.url == "" {
			if r.host == "" {
				return usagef("--host or --%s is needed", u.flag)
			}
			scheme, host, given := strings.Cut(r.host, "://")
			if !given {
				scheme, host = "http", r.host
			}
			*u.url = scheme + "://" + net.JoinHostPort(strings.Trim(host, "[]"), u.port) + u.path
		}
		parsed, err := url.Parse(*u.url)
		if err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
			return usagef("%s: %q is no address that begins with http:// or https://", u.flag, *u.url)
		}
	}
	r.volumeURL = strings.TrimSuffix(strings.TrimRight(r.volumeURL, "/"), projectSuffix)
	return nil
}

func (r *registration) run(cmd *cobra.Command) error {
	c, err := readCredentials(r.cloud)
	if err != nil {
		return err
	}
	provider, _, err := c.login(cmd.Context())
	if err != nil {
		return err
	}
	keystone, err := openstack.NewIdentityV3(provider, gophercloud.EndpointOpts{})
	if err != nil {
		return explain("Keystone", err)
	}
	entries, err := r.entries(cmd.Context(), keystone)
	if err != nil {
		return err
	}
	changed := false
	catalog := southbound.Catalog{Keystone: keystone, Region: r.region, Replace: r.replace, Report: func(format string, args ...any) {
		changed = true
		fmt.Fprintf(cmd.OutOrStdout(), format+"\n", args...)
	}}
	if err := catalog.Register(cmd.Context(), entries); err != nil {
		return explain("Keystone", err)
	}
	if !changed {
		fmt.Fprintf(cmd.OutOrStdout(), "the catalog names the top in region %s already\n", r.region)
	}
	return nil
}

// entries are the top's services. Block storage is registered under every type that the catalog knows it by, as clients of
// different ages look for one or the other.
func (r *registration) entries(ctx context.Context, keystone *gophercloud.ServiceClient) ([]southbound.CatalogEntry, error) {
	pages, err := services.List(keystone, services.ListOpts{}).AllPages(ctx)
	if err != nil {
		return nil, explain("Keystone", err)
	}
	known, err := services.ExtractServices(pages)
	if err != nil {
		return nil, explain("Keystone", err)
	}
	has := func(typ string) bool {
		return slices.ContainsFunc(known, func(s services.Service) bool { return s.Type == typ })
	}
	entries := []southbound.CatalogEntry{{Type: "compute", Name: "nova", URL: r.computeURL}}
	if has("block-storage") {
		entries = append(entries, southbound.CatalogEntry{Type: "block-storage", Name: "cinder", URL: r.volumeURL})
	}
	if has("volumev3") || !has("block-storage") {
		entries = append(entries, southbound.CatalogEntry{Type: "volumev3", Name: "cinderv3", URL: r.volumeURL + projectSuffix})
	}
	if r.networkURL != "" {
		entries = append(entries, southbound.CatalogEntry{Type: "network", Name: "neutron", URL: r.networkURL})
	}
	admin := southbound.CatalogEntry{Type: adminType, Name: "tricircle", URL: r.adminURL}
	if has(adminTypeAlias) {
		admin.Type = adminTypeAlias
	}
	return append(entries, admin), nil
}
