//go:build acceptance

package acceptance

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

type link struct{ Rel, Href string }

// server and volume are what the tests look at of a server or a volume.
type server struct {
	ID, Name, Status, Created string
	Zone                      string `json:"OS-EXT-AZ:availability_zone"`
	Links                     []link
	Metadata                  map[string]string
}

type volume struct {
	ID, Name, Status string
	Zone             string `json:"availability_zone"`
	CreatedAt        string `json:"created_at"`
	Size             int
}

// uniqueName returns a name that nothing has, from letters and digits.
func uniqueName() string { return "acc-" + rand.Text()[:10] }

// tiny is the body of a request for a server, with further members.
func tiny(t testing.TB, name string, more object) object {
	t.Helper()
	s := object{"name": name, "imageRef": image(t), "flavorRef": "1"}
	for k, v := range more {
		s[k] = v
	}
	return object{"server": s}
}

// image is the id of the image cirros, the same in all regions.
func image(t testing.TB) string {
	t.Helper()
	a := admin.call(t, "GET", "http://127.0.0.1:9292/v2/images?name=cirros", nil).want(t, http.StatusOK)
	return member[[]struct{ ID string }](t, a, "images")[0].ID
}

// boot makes a server through a cloud and returns when it is ACTIVE. It is deleted at the end of the test.
func (u *user) boot(t testing.TB, c cloud, more object) server {
	t.Helper()
	a := u.nova(t, c, "POST", "/servers", tiny(t, uniqueName(), more)).want(t, http.StatusAccepted)
	id := member[server](t, a, "server").ID
	u.removeServer(t, id)
	return u.await(t, c, id, "ACTIVE")
}

// await waits for a status of a server.
func (u *user) await(t testing.TB, c cloud, id, status string) (s server) {
	t.Helper()
	eventually(t, time.Minute, func() error {
		a := u.nova(t, c, "GET", "/servers/"+id, nil)
		if a.status != http.StatusOK {
			return final{fmt.Errorf("%s", a)}
		}
		s = member[server](t, a, "server")
		if s.Status == "ERROR" && status != "ERROR" {
			return final{fmt.Errorf("%s", a)}
		}
		if s.Status != status {
			return fmt.Errorf("server %s is %s; want %s", id, s.Status, status)
		}
		return nil
	})
	return s
}

// create makes a volume of 1 GB through a cloud and returns when it is available. It is deleted at the end of the test.
func (u *user) create(t testing.TB, c cloud, more object) volume {
	t.Helper()
	v := object{"name": uniqueName(), "size": 1}
	for k, m := range more {
		v[k] = m
	}
	a := u.cinder(t, c, "POST", "/volumes", object{"volume": v}).want(t, http.StatusAccepted)
	id := member[volume](t, a, "volume").ID
	u.removeVolume(t, id)
	return u.awaitVolume(t, c, id, "available")
}

func (u *user) awaitVolume(t testing.TB, c cloud, id, status string) (v volume) {
	t.Helper()
	eventually(t, time.Minute, func() error {
		v = member[volume](t, u.cinder(t, c, "GET", "/volumes/"+id, nil).want(t, http.StatusOK), "volume")
		if v.Status != status {
			return fmt.Errorf("volume %s is %s; want %s", id, v.Status, status)
		}
		return nil
	})
	return v
}

// removeServer, removeVolume and removeSnapshot delete it at the end of the test, straight from the pods.
func (u *user) removeServer(t testing.TB, id string) {
	u.remove(t, func(c cloud) string { return c.compute + "/servers/" + id })
}

func (u *user) removeVolume(t testing.TB, id string) {
	u.remove(t, func(c cloud) string { return c.volume + "/" + u.projectID + "/volumes/" + id })
}

func (u *user) removeSnapshot(t testing.TB, id string) {
	u.remove(t, func(c cloud) string { return c.volume + "/" + u.projectID + "/snapshots/" + id })
}

func (u *user) remove(t testing.TB, url func(cloud) string) {
	t.Cleanup(func() {
		for _, pod := range pods {
			if err := u.delete(url(pod)); err != nil {
				t.Errorf("cleaning up: %v", err)
			}
		}
	})
}

// delete waits until it is gone.
func (u *user) delete(url string) error {
	return poll(time.Minute, func() error {
		a, err := send("DELETE", url, u.token, nil)
		if err != nil {
			return err
		}
		if a.status != http.StatusNotFound {
			return fmt.Errorf("%s: still there", a)
		}
		return nil
	})
}

// sweep deletes all servers and volumes of the project: what tests leave that were killed, or do not know of.
func (u *user) sweep() error {
	for _, pod := range pods {
		for _, collection := range []string{pod.compute + "/servers", pod.volume + "/" + u.projectID + "/volumes"} {
			if err := u.empty(collection); err != nil {
				return err
			}
		}
	}
	return nil
}

func (u *user) empty(collection string) error {
	a, err := send("GET", collection, u.token, nil)
	if err != nil {
		return err
	}
	var doc map[string][]struct{ ID string }
	if err := json.Unmarshal(a.body, &doc); err != nil {
		return fmt.Errorf("%s: %w", a, err)
	}
	var all errgroup.Group
	for _, rows := range doc {
		for _, r := range rows {
			all.Go(func() error { return u.delete(collection + "/" + r.ID) })
		}
	}
	return all.Wait()
}

// servers lists through a cloud in detail.
func (u *user) servers(t testing.TB, c cloud, query string) []server {
	t.Helper()
	return member[[]server](t, u.nova(t, c, "GET", "/servers/detail"+query, nil).want(t, http.StatusOK), "servers")
}

func serverIDs(servers []server) []string {
	ids := make([]string, len(servers))
	for i, s := range servers {
		ids[i] = s.ID
	}
	return ids
}

// hasAll tells whether all ids are among those of the servers.
func hasAll(servers []server, ids ...string) bool {
	have := serverIDs(servers)
	return !slices.ContainsFunc(ids, func(id string) bool { return !slices.Contains(have, id) })
}
