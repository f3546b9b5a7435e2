//go:build acceptance

package acceptance

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// The main job: a user with a stock client boots a server in each zone, and does everything else by id.
func TestServer_StockClient_LivesInTheZoneItWasAskedFor(t *testing.T) {
	for _, zone := range []string{"az1", "az2"} {
		t.Run(zone, func(t *testing.T) {
			name := uniqueName()
			made := topDemo.show(t, "server", "create", "--image", "cirros", "--flavor", "m1.tiny",
				"--availability-zone", zone, "--wait", name)
			id := made["id"].(string)
			demo.removeServer(t, id)
			if made["status"] != "ACTIVE" || made["OS-EXT-AZ:availability_zone"] != zone || made["name"] != name {
				t.Errorf("created: %v", made)
			}
			if listed := row(topDemo.list(t, "server", "list"), id); listed == nil || listed["Status"] != "ACTIVE" {
				t.Errorf("listed: %v", listed)
			}
			if shown := topDemo.show(t, "server", "show", name); shown["id"] != id || shown["OS-EXT-AZ:availability_zone"] != zone {
				t.Errorf("shown: %v", shown)
			}
			useServer(t, id)
			topDemo.do(t, "server", "delete", "--wait", id)
			demo.nova(t, regionOne, "GET", "/servers/"+id, nil).want(t, http.StatusNotFound)
		})
	}
}

// useServer does what users do to a server.
func useServer(t *testing.T, id string) {
	t.Helper()
	topDemo.do(t, "server", "stop", id)
	demo.await(t, regionOne, id, "SHUTOFF")
	topDemo.do(t, "server", "start", id)
	demo.await(t, regionOne, id, "ACTIVE")
	topDemo.do(t, "server", "reboot", "--wait", id)
	if log := topDemo.do(t, "console", "log", "show", id); !strings.Contains(log, "console of "+id) {
		t.Errorf("console log: %q", log)
	}
	renamed := uniqueName()
	topDemo.do(t, "server", "set", "--name", renamed, "--property", "colour=green", id)
	s := demo.await(t, regionOne, id, "ACTIVE")
	if s.Name != renamed || s.Metadata["colour"] != "green" {
		t.Errorf("set: %+v", s)
	}
	topDemo.do(t, "server", "unset", "--property", "colour", id)
	if s = demo.await(t, regionOne, id, "ACTIVE"); len(s.Metadata) != 0 {
		t.Errorf("unset: %+v", s)
	}
}

func TestServer_InBothZones_LinksLeadToTheTop(t *testing.T) {
	for _, pod := range pods {
		s := demo.boot(t, regionOne, object{"availability_zone": pod.zone})
		if s.Zone != pod.zone {
			t.Errorf("zone %q; want %q", s.Zone, pod.zone)
		}
		shown := member[struct {
			Links         []link
			Image, Flavor struct{ Links []link }
		}](t, demo.nova(t, regionOne, "GET", "/servers/"+s.ID, nil).want(t, http.StatusOK), "server")
		for _, l := range slices.Concat(shown.Links, shown.Flavor.Links) {
			demo.follow(t, l.Href)
		}
		for _, l := range shown.Image.Links {
			if !strings.HasPrefix(l.Href, "http://127.0.0.1:") {
				t.Errorf("image link %s", l.Href)
			}
		}
		listed := demo.servers(t, regionOne, "?name="+s.Name)
		if len(listed) != 1 {
			t.Fatalf("list by name: %v", listed)
		}
		for _, l := range listed[0].Links {
			demo.follow(t, l.Href)
		}
	}
}

// follow gets a link, which must be at the top. A bookmark is the address without version, which Nova itself does not serve.
func (u *user) follow(t testing.TB, href string) {
	t.Helper()
	root := strings.TrimSuffix(regionOne.compute, "/v2.1")
	path, ok := strings.CutPrefix(href, root)
	if !ok {
		t.Errorf("link %s does not lead to the top", href)
		return
	}
	if !strings.HasPrefix(path, "/v2.1/") {
		path = "/v2.1" + path
	}
	u.call(t, "GET", root+path, nil).want(t, http.StatusOK)
}

func TestServer_Created_LocationLeadsToIt(t *testing.T) {
	a := demo.nova(t, regionOne, "POST", "/servers", tiny(t, uniqueName(), object{"availability_zone": "az2"}))
	id := member[server](t, a.want(t, http.StatusAccepted), "server").ID
	demo.removeServer(t, id)
	if got, want := a.header.Get("Location"), regionOne.compute+"/servers/"+id; got != want {
		t.Errorf("Location %q; want %q", got, want)
	}
	demo.call(t, "GET", a.header.Get("Location"), nil).want(t, http.StatusOK)
	demo.await(t, regionOne, id, "ACTIVE")
}

func TestServer_MadeInThePod_IsAtOnceAtTheTop(t *testing.T) {
	made := site2Demo.show(t, "server", "create", "--image", "cirros", "--flavor", "m1.tiny", uniqueName())
	id := made["id"].(string)
	demo.removeServer(t, id)
	if listed := demo.servers(t, regionOne, ""); !hasAll(listed, id) {
		t.Errorf("not listed: %v", serverIDs(listed))
	}
	demo.await(t, regionOne, id, "ACTIVE")
	if shown := topDemo.show(t, "server", "show", id); shown["OS-EXT-AZ:availability_zone"] != "az2" {
		t.Errorf("shown: %v", shown)
	}
	topDemo.do(t, "server", "stop", id)
	demo.await(t, regionOne, id, "SHUTOFF")
	topDemo.do(t, "server", "delete", "--wait", id)
	demo.nova(t, site2, "GET", "/servers/"+id, nil).want(t, http.StatusNotFound)
}

func TestServer_ByIDBeforeAnyList_IsFoundInThePod(t *testing.T) {
	s := demo.boot(t, site2, nil)
	demo.nova(t, regionOne, "GET", "/servers/"+s.ID, nil).want(t, http.StatusOK)
}

func TestServer_MultiCreate_RegistersAll(t *testing.T) {
	name := uniqueName()
	a := other.nova(t, regionOne, "POST", "/servers", tiny(t, name, object{"availability_zone": "az2", "min_count": 3, "max_count": 3}))
	first := member[server](t, a.want(t, http.StatusAccepted), "server").ID
	// no list through the top up to here, as that would teach it the servers
	ids := serverIDs(other.servers(t, site2, "?name="+name))
	for _, id := range ids {
		other.removeServer(t, id)
	}
	if len(ids) != 3 || !slices.Contains(ids, first) {
		t.Fatalf("the pod has %v; want 3 with %s", ids, first)
	}
	eventually(t, 5*time.Second, func() error {
		for _, id := range ids {
			if got := routedTo(t, id); got != "site2" {
				return fmt.Errorf("server %s is routed to %q", id, got)
			}
		}
		return nil
	})
}

func TestZones_AreThoseOfTheAZMap(t *testing.T) {
	type zone struct {
		Name  string `json:"zoneName"`
		State struct{ Available bool }
	}
	for service, a := range map[string]*answer{
		"nova":   demo.nova(t, regionOne, "GET", "/os-availability-zone", nil),
		"cinder": demo.cinder(t, regionOne, "GET", "/os-availability-zone", nil),
	} {
		var got []string
		for _, z := range member[[]zone](t, a.want(t, http.StatusOK), "availabilityZoneInfo") {
			got = append(got, z.Name)
		}
		if !slices.Equal(got, []string{"az1", "az2"}) {
			t.Errorf("%s: zones %v", service, got)
		}
	}
}
