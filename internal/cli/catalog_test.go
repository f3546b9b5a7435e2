package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tricircle/tricircle/internal/simcloud"
)

func TestFillIn_HostAndURLs_GiveTheAddressesOfTheServices(t *testing.T) {
	for _, c := range []struct {
		name string
		in   registration
		want [3]string // compute, volume, admin
	}{
		{"host", registration{host: "top"}, [3]string{"http://top:8774/v2.1", "http://top:8776/v3", "http://top:19999/v1.0"}},
		{"TLS", registration{host: "https://top"}, [3]string{"https://top:8774/v2.1", "https://top:8776/v3", "https://top:19999/v1.0"}},
		{"IPv6", registration{host: "::1"}, [3]string{"http://[::1]:8774/v2.1", "http://[::1]:8776/v3", "http://[::1]:19999/v1.0"}},
		{"IPv6 in brackets", registration{host: "https://[::1]"},
			[3]string{"https://[::1]:8774/v2.1", "https://[::1]:8776/v3", "https://[::1]:19999/v1.0"}},
		{"URLs go first", registration{host: "top", computeURL: "https://c/compute/v2.1", volumeURL: "https://c/volume/v3/$(project_id)s"},
			[3]string{"https://c/compute/v2.1", "https://c/volume/v3", "http://top:19999/v1.0"}},
	} {
		r := c.in
		if err := r.fillIn(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if diff := cmp.Diff(c.want, [3]string{r.computeURL, r.volumeURL, r.adminURL}); diff != "" {
			t.Errorf("%s: -want +got:\n%s", c.name, diff)
		}
	}
}

func TestCatalogRegister_Twice_ChangesNothingTheSecondTime(t *testing.T) {
	sim, err := simcloud.Start(simcloud.Options{Pods: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sim.Close() }()
	env := map[string]string{"OS_AUTH_URL": sim.AuthURL(), "OS_USERNAME": "admin", "OS_PASSWORD": "secret", "OS_PROJECT_NAME": "admin"}
	register := func(host string, more ...string) string {
		t.Helper()
		got := run(t, env, append([]string{"catalog", "register", "--host", host}, more...)...)
		if got.exit != 0 {
			t.Fatalf("got %+v", got)
		}
		return got.out
	}
	first := register("one")
	for _, line := range []string{
		"public endpoint of compute in region RegionOne is now http://one:8774/v2.1\n",
		"admin endpoint of volumev3 in region RegionOne is now http://one:8776/v3/$(project_id)s\n",
		"public endpoint of block-storage in region RegionOne is now http://one:8776/v3\n",
		"service tricircle (multi-region-network-automation) made\n",
		"internal endpoint of multi-region-network-automation in region RegionOne is now http://one:19999/v1.0\n",
	} {
		if !strings.Contains(first, line) {
			t.Errorf("no %q in:\n%s", line, first)
		}
	}
	if second := register("one"); second != "the catalog names the top in region RegionOne already\n" {
		t.Errorf("the second time: %s", second)
	}
	if got := run(t, env, "catalog", "register", "--host", "two"); got.exit != 1 || !strings.Contains(got.err, "http://one:8774/v2.1 already") {
		t.Errorf("another address, which might be a pod's, is taken: %+v", got)
	}
	if moved := register("two", "--replace"); strings.Count(moved, "\n") != 12 || strings.Contains(moved, "made") {
		t.Errorf("moved: %s", moved)
	}
	if catalog := adminAddress(t, env); catalog != "http://two:19999/v1.0" {
		t.Errorf("clients find the Admin API at %q", catalog)
	}
}

// adminAddress is where a command would look for the Admin API.
func adminAddress(t *testing.T, env map[string]string) string {
	t.Helper()
	clearEnv(t, env)
	c, err := readCredentials("")
	if err != nil {
		t.Fatal(err)
	}
	_, catalog, err := c.login(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c.endpoint(catalog, adminType, adminTypeAlias)
}

func TestCatalogRegister_OfAMember_TellsWhatKeystoneSays(t *testing.T) {
	sim, err := simcloud.Start(simcloud.Options{Pods: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sim.Close() }()
	env := map[string]string{"OS_AUTH_URL": sim.AuthURL(), "OS_USERNAME": "demo", "OS_PASSWORD": "secret", "OS_PROJECT_NAME": "demo"}
	got := run(t, env, "catalog", "register", "--host", "top")
	if got.exit != 1 || !strings.Contains(got.err, "catalog register: Keystone: You are not authorized") ||
		!strings.HasSuffix(got.err, "(use the credentials of an administrator)\n") {
		t.Errorf("got %+v", got)
	}
	env["OS_PASSWORD"] = "wrong"
	got = run(t, env, "pod", "list")
	if got.exit != 1 || !strings.HasSuffix(got.err, "(check the credentials in OS_CLOUD or the OS_ variables)\n") || strings.Contains(got.err, "wrong") {
		t.Errorf("got %+v", got)
	}
}
