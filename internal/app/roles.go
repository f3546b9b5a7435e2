package app

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/tricircle/tricircle/internal/adminapi"
	"github.com/tricircle/tricircle/internal/config"
	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/gateway"
	"github.com/tricircle/tricircle/internal/gateway/cinder"
	"github.com/tricircle/tricircle/internal/gateway/nova"
	"github.com/tricircle/tricircle/internal/httpx"
	"github.com/tricircle/tricircle/internal/microversion"
	"github.com/tricircle/tricircle/internal/pod"
)

// role is something that a process can serve. To add one is to add a row to roles. It answers requests, or runs in the background.
type role struct {
	name    string
	style   fault.Style
	section func(*config.Config) *config.Listener
	handler func(c *core, public publicURL) (http.Handler, error) // nil if it does not listen
	run     func(c *core, ctx context.Context) error              // until ctx ends; nil if it listens
}

// publicURL returns the base URL at which a client reached a role.
type publicURL = func(*http.Request) string

var roles = []role{
	{config.RoleAdminAPI, fault.Admin, func(c *config.Config) *config.Listener { return &c.AdminAPI }, (*core).adminAPI, nil},
	{config.RoleNovaGW, fault.Nova, func(c *config.Config) *config.Listener { return &c.NovaGW }, (*core).novaGateway, nil},
	{config.RoleCinderGW, fault.Cinder, func(c *config.Config) *config.Listener { return &c.CinderGW }, (*core).cinderGateway, nil},
	{config.RoleNeutron, fault.Neutron, func(c *config.Config) *config.Listener { return &c.Neutron }, (*core).neutron, nil},
	{name: config.RoleXJob, run: (*core).work},
}

// Roles returns the names that a process can be told to serve, besides "all".
func Roles() []string {
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = r.name
	}
	return names
}

// chosen returns the rows for names. None is the same as "all", which means every role but the networking API.
func chosen(names []string) ([]role, error) {
	if len(names) == 0 {
		names = []string{config.RoleAll}
	}
	for _, name := range names {
		if name != config.RoleAll && !slices.Contains(Roles(), name) {
			return nil, fmt.Errorf("no role %q; there are: all, %s", name, strings.Join(Roles(), ", "))
		}
	}
	served := config.Config{Default: config.Default{Roles: names}}
	return slices.DeleteFunc(slices.Clone(roles), func(r role) bool { return !served.Serves(r.name) }), nil
}

func (c *core) adminAPI(public publicURL) (http.Handler, error) {
	return adminapi.New(adminapi.Options{
		Pods: c.pods, Routing: c.routing, Store: c.store, Validator: c.keystone, ServiceToken: c.keystone.ServiceToken,
		KeystoneURI: c.keystoneURI(), NewID: c.newID, Jobs: c.jobs, Networks: c.adopter, Public: public, Log: c.log,
	}), nil
}

func (c *core) novaGateway(public publicURL) (http.Handler, error) {
	describe := func(public publicURL, ceiling func() microversion.Version) (*gateway.Service, error) {
		return nova.Service(public, ceiling, c.nics)
	}
	return c.gateway(public, describe, pod.Compute)
}

func (c *core) cinderGateway(public publicURL) (http.Handler, error) {
	return c.gateway(public, cinder.Service, pod.Volume)
}

func (c *core) gateway(public publicURL, describe func(publicURL, func() microversion.Version) (*gateway.Service, error),
	s pod.Service) (http.Handler, error) {
	service, err := describe(public, func() microversion.Version { return c.pods.Snapshot().Ceiling(s) })
	if err != nil {
		return nil, err
	}
	return gateway.New(gateway.Options{
		Service: service, Pods: c.pods, Routing: c.routing, Validator: c.keystone, KeystoneURI: c.keystoneURI(), Public: public,
		ListTimeout: c.config.Pod.ListTimeout, FailPartial: c.config.List.Partial == "fail", Now: c.now, Log: c.log,
	})
}

// serve wraps a role's handler into what all of them need.
func (c *core) serve(r role) (http.Handler, error) {
	section := r.section(c.config)
	public := func(req *http.Request) string {
		return httpx.Public(req, string(section.PublicEndpoint), c.config.Default.ProxyHeaders)
	}
	h, err := r.handler(c, public)
	if err != nil {
		return nil, fmt.Errorf("role %s: %w", r.name, err)
	}
	return httpx.Chain(h, httpx.ChainOptions{
		Role: r.name, Style: r.style, MaxBody: c.config.Default.MaxBodySize, Logger: c.log, Metrics: c.metrics,
		NewID: c.newRequestID, Now: c.now,
	}), nil
}
