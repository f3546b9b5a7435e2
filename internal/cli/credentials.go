package cli

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"slices"

	"github.com/gophercloud/gophercloud/v2"
	openstack "github.com/gophercloud/gophercloud/v2/openstack/config"
	"github.com/gophercloud/gophercloud/v2/openstack/config/clouds"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
)

// credentials are what the environment and clouds.yaml say, as for every OpenStack client.
type credentials struct {
	auth gophercloud.AuthOptions
	at   gophercloud.EndpointOpts // region and interface
	tls  *tls.Config
}

var errNoCredentials = errors.New("no credentials (name a cloud of clouds.yaml by --os-cloud or OS_CLOUD, " +
	"or set OS_AUTH_URL, OS_USERNAME, OS_PASSWORD and OS_PROJECT_NAME)")

// readCredentials takes the named cloud of clouds.yaml, or without a name what the OS_ variables say.
func readCredentials(cloud string) (c credentials, err error) {
	if cloud = cmp.Or(cloud, os.Getenv("OS_CLOUD")); cloud != "" {
		c.auth, c.at, c.tls, err = clouds.Parse(clouds.WithCloudName(cloud))
	} else {
		c, err = credentialsFromEnv()
	}
	if err != nil {
		return c, err
	}
	if c.auth.TokenID != "" { // a token says who one is by itself
		c.auth.Username, c.auth.UserID, c.auth.Password, c.auth.DomainID, c.auth.DomainName = "", "", "", "", ""
	}
	c.defaultDomains()
	return c, nil
}

// credentialsFromEnv makes a cloud of clouds.yaml out of the variables: unlike gophercloud's own way from the environment,
// the one from clouds.yaml knows domains of users and of projects, tokens, and certificates.
func credentialsFromEnv() (c credentials, err error) {
	env := func(names ...string) (value string) {
		for _, name := range names {
			value = cmp.Or(value, os.Getenv(name))
		}
		return value
	}
	auth := clouds.AuthInfo{
		AuthURL: env("OS_AUTH_URL"), Token: env("OS_TOKEN"), Username: env("OS_USERNAME"), UserID: env("OS_USER_ID", "OS_USERID"),
		Password: env("OS_PASSWORD"), ProjectName: env("OS_PROJECT_NAME", "OS_TENANT_NAME"),
		ProjectID: env("OS_PROJECT_ID", "OS_TENANT_ID"), UserDomainName: env("OS_USER_DOMAIN_NAME"),
		UserDomainID: env("OS_USER_DOMAIN_ID"), ProjectDomainName: env("OS_PROJECT_DOMAIN_NAME"),
		ProjectDomainID: env("OS_PROJECT_DOMAIN_ID"), DomainName: env("OS_DOMAIN_NAME"), DomainID: env("OS_DOMAIN_ID"),
		SystemScope:                 env("OS_SYSTEM_SCOPE"),
		ApplicationCredentialID:     env("OS_APPLICATION_CREDENTIAL_ID"),
		ApplicationCredentialName:   env("OS_APPLICATION_CREDENTIAL_NAME"),
		ApplicationCredentialSecret: env("OS_APPLICATION_CREDENTIAL_SECRET"),
	}
	if auth.AuthURL == "" && auth.Token == "" {
		return c, errNoCredentials
	}
	const name = "environment"
	text, err := json.Marshal(clouds.Clouds{Clouds: map[string]clouds.Cloud{name: {AuthInfo: &auth}}})
	if err != nil {
		return c, err
	}
	c.auth, c.at, c.tls, err = clouds.Parse(clouds.WithCloudName(name), clouds.WithCloudsYAML(bytes.NewReader(text)),
		clouds.WithSecureYAML(bytes.NewReader([]byte("{}"))))
	return c, err
}

// defaultDomains does what openstackclient does where no domain is named (option default_domain).
func (c *credentials) defaultDomains() {
	const domain = "default"
	if a := &c.auth; a.Username != "" && a.UserID == "" && a.DomainID == "" && a.DomainName == "" {
		a.DomainID = domain
	}
	if s := c.auth.Scope; s != nil && s.ProjectName != "" && s.DomainID == "" && s.DomainName == "" {
		s.DomainID = domain
	}
}

// client is the HTTP client for services. It follows no redirect, which would take the token along to anywhere.
func (c *credentials) client() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = c.tls
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// login gets a token of Keystone, and the catalog with it.
func (c *credentials) login(ctx context.Context) (*gophercloud.ProviderClient, *tokens.ServiceCatalog, error) {
	if c.auth.IdentityEndpoint == "" {
		return nil, nil, errNoCredentials
	}
	provider, err := openstack.NewProviderClient(ctx, c.auth, openstack.WithHTTPClient(*c.client()))
	if err != nil {
		return nil, nil, explain("Keystone", err)
	}
	result, ok := provider.GetAuthResult().(tokens.CreateResult)
	if !ok {
		return nil, nil, errors.New("only version 3 of Keystone's API is spoken (does OS_AUTH_URL end with /v3?)")
	}
	catalog, err := result.ExtractServiceCatalog()
	return provider, catalog, err
}

// endpoint finds a service by any of its types in the catalog; "" if it is not there.
func (c *credentials) endpoint(catalog *tokens.ServiceCatalog, types ...string) string {
	for _, service := range catalog.Entries {
		if !slices.Contains(types, service.Type) {
			continue
		}
		for _, e := range service.Endpoints {
			inRegion := c.at.Region == "" || c.at.Region == e.Region || c.at.Region == e.RegionID
			if inRegion && e.Interface == string(c.at.Availability) {
				return e.URL
			}
		}
	}
	return ""
}
