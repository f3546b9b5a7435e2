//go:build acceptance

package acceptance

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// netObject is what the tests look at of a network, a subnet, a port or a security group, of the top or of a pod.
type netObject struct {
	ID, Name, Status, Description string
	Segment                       int      `json:"provider:segmentation_id"`
	MAC                           string   `json:"mac_address"`
	Device                        string   `json:"device_id"`
	Owner                         string   `json:"device_owner"`
	Groups                        []string `json:"security_groups"`
	Addresses                     []struct {
		IP string `json:"ip_address"`
	} `json:"fixed_ips"`
	Rules []struct{ ID string } `json:"security_group_rules"`
}

// kinds are the collections of what the top makes in pods, with the kind in its find-key, in the order in which they can be deleted.
var kinds = []struct{ collection, kind string }{
	{"ports", "port"}, {"subnets", "subnet"}, {"networks", "network"}, {"security-groups", "security_group"},
}

// shadow is the owner of a port that stands for one in another pod.
const shadow = "tricircle:shadow"

// topID is the id at the top of an object that the top has made in a pod; "" of others.
func (o netObject) topID() string {
	key, ok := strings.CutPrefix(o.Description, "tricircle:")
	if !ok {
		return ""
	}
	return key[strings.LastIndex(key, ":")+1:]
}

func (o netObject) ips() (ips []string) {
	for _, a := range o.Addresses {
		ips = append(ips, a.IP)
	}
	slices.Sort(ips)
	return ips
}

// neutron calls the networking API of a cloud; the path begins behind the version.
func (u *user) neutron(t testing.TB, c cloud, method, path string, body any) *answer {
	t.Helper()
	return u.call(t, method, c.network+"/v2.0"+path, body)
}

// make makes an object of the networking API at the top, and returns it. The member is the name of one in bodies.
func (u *user) make(t testing.TB, collection, member string, what object) netObject {
	t.Helper()
	return memberOf(t, u.neutron(t, regionOne, "POST", "/"+collection, object{member: what}).want(t, http.StatusCreated), member)
}

func memberOf(t testing.TB, a *answer, name string) netObject {
	t.Helper()
	return member[netObject](t, a, name)
}

// network makes a network of the top with a subnet.
func (u *user) network(t testing.TB, subnet object) (id string) {
	t.Helper()
	id = u.make(t, "networks", "network", object{"name": uniqueName()}).ID
	u.subnet(t, id, subnet)
	return id
}

func (u *user) subnet(t testing.TB, network string, what object) {
	t.Helper()
	u.make(t, "subnets", "subnet", merged(object{"network_id": network, "name": uniqueName()}, what))
}

// merged is an object with the members of another one.
func merged(o, more object) object {
	all := maps.Clone(o)
	maps.Copy(all, more)
	return all
}

// makeGroup makes a security group whose members admit each other.
func (u *user) makeGroup(t testing.TB) (id string) {
	t.Helper()
	id = u.make(t, "security-groups", "security_group", object{"name": uniqueName()}).ID
	for _, ip := range []string{"IPv4", "IPv6"} {
		u.addRule(t, id, object{"ethertype": ip, "remote_group_id": id})
	}
	return id
}

func (u *user) addRule(t testing.TB, group string, what object) {
	t.Helper()
	u.make(t, "security-group-rules", "security_group_rule", merged(object{"security_group_id": group, "direction": "ingress"}, what))
}

// bootOn makes a server on a network of the top and returns when it is ACTIVE.
func (u *user) bootOn(t testing.TB, network, zone, group string) server {
	t.Helper()
	return u.boot(t, regionOne, onNetwork(network, zone, group))
}

func onNetwork(network, zone, group string) object {
	return object{"availability_zone": zone, "networks": []object{{"uuid": network}}, "security_groups": []object{{"name": group}}}
}

// drop deletes an object of the top that nothing keeps.
func (u *user) drop(t testing.TB, collection, id string) {
	t.Helper()
	u.neutron(t, regionOne, "DELETE", "/"+collection+"/"+id, nil).want(t, http.StatusNoContent)
}

// objects lists a collection of a project, as the project at the top and as the administrator in a pod; there only what the top made.
func (u *user) objects(c cloud, collection string) ([]netObject, error) {
	token, pod := u.token, c != regionOne
	if pod {
		token = admin.token
	}
	a, err := send("GET", c.network+"/v2.0/"+collection+"?project_id="+u.projectID, token, nil)
	if err != nil {
		return nil, err
	}
	var doc map[string][]netObject
	if a.status != http.StatusOK {
		return nil, errors.New(a.String())
	}
	if err := json.Unmarshal(a.body, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", a, err)
	}
	all := doc[strings.ReplaceAll(collection, "-", "_")]
	if pod {
		all = slices.DeleteFunc(all, func(o netObject) bool { return o.topID() == "" })
	}
	return all, nil
}

// listed is objects in a test.
func (u *user) listed(t testing.TB, c cloud, collection string) []netObject {
	t.Helper()
	all, err := u.objects(c, collection)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// portOf is the one port of a server at the top, when it is ACTIVE.
func (u *user) portOf(t testing.TB, server string) (port netObject) {
	t.Helper()
	eventually(t, 40*time.Second, func() error {
		ports := member[[]netObject](t, u.neutron(t, regionOne, "GET", "/ports?device_id="+server, nil).want(t, http.StatusOK), "ports")
		if len(ports) != 1 || ports[0].Status != "ACTIVE" {
			return fmt.Errorf("server %s has ports %+v", server, ports)
		}
		port = ports[0]
		return nil
	})
	return port
}

// job is what the tests look at of a job.
type job struct {
	ID, Type, State, Cause string
	Resource               map[string]string
}

// openJobs are those that have not ended, as an operator sees them.
func openJobs(t testing.TB) []job {
	t.Helper()
	all := decode[[]job](t, tricircle(t, "job", "list", "--limit", "2000", "-o", "json"))
	return slices.DeleteFunc(all, func(j job) bool { return j.State == "done" || j.State == "cancelled" })
}

// settled waits until no job is left to do.
func settled(t testing.TB) {
	t.Helper()
	eventually(t, 90*time.Second, func() error {
		if open := openJobs(t); len(open) > 0 {
			return fmt.Errorf("%d jobs have not ended: %+v", len(open), open)
		}
		return nil
	})
}

// networking makes a project for networks of the top. Whatever it has is deleted at the end of the test, and what a run that was
// killed has left in the pods at its beginning.
func networking(t testing.TB) *user {
	t.Helper()
	u, err := makeProject("acceptance-net")
	if err == nil {
		err = u.sweepPods()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(u.sweep(), u.sweepNetworks(regionOne)); err != nil {
			t.Error(err)
		}
		settled(t)
		if err := u.nothingLeft(); err != nil {
			t.Error(errors.Join(err, u.sweepPods()))
		}
	})
	return u
}

// sweepPods deletes what is in the pods of a project, straight from there.
func (u *user) sweepPods() error {
	err := u.sweep()
	for _, pod := range pods {
		err = errors.Join(err, u.sweepNetworks(pod))
	}
	return err
}

// sweepNetworks deletes what a project has in a cloud: at the top everything, in a pod what the top made.
func (u *user) sweepNetworks(c cloud) error {
	token := u.token
	if c != regionOne {
		token = admin.token
	}
	for _, k := range kinds {
		all, err := u.objects(c, k.collection)
		if err != nil {
			return err
		}
		for _, o := range all {
			if o.Name == "default" && k.kind == "security_group" {
				continue
			}
			if _, err := send("DELETE", c.network+"/v2.0/"+k.collection+"/"+o.ID, token, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// nothingLeft tells whether neither the top nor a pod has anything of a project but default groups.
func (u *user) nothingLeft() error {
	for _, c := range append([]cloud{regionOne}, pods...) {
		for _, k := range kinds {
			all, err := u.objects(c, k.collection)
			if err != nil {
				return err
			}
			all = slices.DeleteFunc(all, func(o netObject) bool { return k.kind == "security_group" && o.Name == "default" })
			if len(all) > 0 {
				return fmt.Errorf("%s still has %s %+v", c.region, k.collection, all)
			}
		}
	}
	return nil
}

// deleteNetworking deletes the networking of a project at the top when its servers and their ports are gone, and waits until both pods
// are empty.
func (u *user) deleteNetworking(t *testing.T) {
	t.Helper()
	u.serversGone(t)
	eventually(t, time.Minute, func() error {
		if left := u.listed(t, regionOne, "ports"); len(left) > 0 {
			return fmt.Errorf("ports are left: %+v", left)
		}
		return nil
	})
	u.emptied(t)
}

// serversGone waits until a project has no servers.
func (u *user) serversGone(t *testing.T) {
	t.Helper()
	eventually(t, time.Minute, func() error {
		for _, c := range append([]cloud{regionOne}, pods...) {
			if left := u.servers(t, c, ""); len(left) > 0 {
				return fmt.Errorf("%s still has servers %v", c.region, serverIDs(left))
			}
		}
		return nil
	})
}

// emptied deletes all that a project has in the networking of the top, and fails the test if something is left anywhere.
func (u *user) emptied(t *testing.T) {
	t.Helper()
	if err := u.sweepNetworks(regionOne); err != nil {
		t.Fatal(err)
	}
	settled(t)
	if err := u.nothingLeft(); err != nil {
		t.Error(err)
	}
}
