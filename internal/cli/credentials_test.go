package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gophercloud/gophercloud/v2"
)

// clearEnv leaves none of the variables of OpenStack and ours but env, and no configuration at home.
func clearEnv(t *testing.T, env map[string]string) {
	t.Helper()
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "OS_") || strings.HasPrefix(name, "TRICIRCLE_") {
			t.Setenv(name, "")
			_ = os.Unsetenv(name) // Setenv brings it back after the test
		}
	}
	t.Setenv("HOME", t.TempDir())
	for name, value := range env {
		t.Setenv(name, value)
	}
}

func TestReadCredentials_Environment_AsOpenStackClientsReadIt(t *testing.T) {
	const url = "http://keystone/v3"
	for _, c := range []struct {
		name string
		env  map[string]string
		want gophercloud.AuthOptions
	}{
		{"openrc", map[string]string{"OS_AUTH_URL": url, "OS_USERNAME": "u", "OS_PASSWORD": "p", "OS_USER_DOMAIN_NAME": "U",
			"OS_PROJECT_NAME": "j", "OS_PROJECT_DOMAIN_ID": "d"},
			gophercloud.AuthOptions{IdentityEndpoint: url, Username: "u", Password: "p", DomainName: "U", TenantName: "j",
				Scope: &gophercloud.AuthScope{ProjectName: "j", DomainID: "d"}}},
		{"no domains", map[string]string{"OS_AUTH_URL": url, "OS_USERNAME": "u", "OS_PASSWORD": "p", "OS_TENANT_NAME": "j"},
			gophercloud.AuthOptions{IdentityEndpoint: url, Username: "u", Password: "p", DomainID: "default", TenantName: "j",
				Scope: &gophercloud.AuthScope{ProjectName: "j", DomainID: "default"}}},
		{"token", map[string]string{"OS_TOKEN": "t", "OS_USERNAME": "u", "OS_PASSWORD": "p", "OS_USER_DOMAIN_NAME": "U"},
			gophercloud.AuthOptions{TokenID: "t"}},
		{"system", map[string]string{"OS_AUTH_URL": url, "OS_USER_ID": "i", "OS_PASSWORD": "p", "OS_SYSTEM_SCOPE": "all"},
			gophercloud.AuthOptions{IdentityEndpoint: url, UserID: "i", Password: "p", Scope: &gophercloud.AuthScope{System: true}}},
		{"application credential", map[string]string{"OS_AUTH_URL": url, "OS_APPLICATION_CREDENTIAL_ID": "i", "OS_APPLICATION_CREDENTIAL_SECRET": "s"},
			gophercloud.AuthOptions{IdentityEndpoint: url, ApplicationCredentialID: "i", ApplicationCredentialSecret: "s"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			clearEnv(t, c.env)
			got, err := readCredentials("")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got.auth); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestReadCredentials_None_SaysWhatToSet(t *testing.T) {
	clearEnv(t, map[string]string{"OS_USERNAME": "u"})
	if _, err := readCredentials(""); !errors.Is(err, errNoCredentials) {
		t.Errorf("got %v", err)
	}
}

func TestReadCredentials_Cloud_FlagGoesBeforeVariable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clouds.yaml")
	const text = "clouds:\n  a: {region_name: RA, interface: internal, auth: {auth_url: http://a, username: u, project_id: p}}\n" +
		"  b: {region_name: RB, auth: {auth_url: http://b, username: u, project_id: p}}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	clearEnv(t, map[string]string{"OS_CLIENT_CONFIG_FILE": file, "OS_CLOUD": "b", "OS_AUTH_URL": "http://c"})
	for _, c := range []struct {
		flag, url, region string
		face              gophercloud.Availability
	}{{"a", "http://a", "RA", "internal"}, {"", "http://b", "RB", "public"}} {
		got, err := readCredentials(c.flag)
		if err != nil {
			t.Fatal(err)
		}
		if got.auth.IdentityEndpoint != c.url || got.at.Region != c.region || got.at.Availability != c.face || got.auth.DomainID != "default" {
			t.Errorf("%q: got %+v, %+v", c.flag, got.auth, got.at)
		}
	}
}
