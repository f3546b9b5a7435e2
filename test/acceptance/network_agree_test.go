//go:build acceptance

package acceptance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// underway begins the device of a port while its server is being made, and longer if the top was killed meanwhile.
const underway = "tricircle-boot:"

// agree tells whether the pods have of a project's networking what the top says, once each and no more: what a pod has is at the
// top and equal, and the ports of the servers in a pod are there, at the top for the same server.
func (u *user) agree() error {
	top := map[string]map[string]netObject{} // by collection and id
	for _, k := range kinds {
		all, err := u.objects(regionOne, k.collection)
		if err != nil {
			return err
		}
		top[k.collection] = map[string]netObject{}
		for _, o := range all {
			top[k.collection][o.ID] = o
		}
	}
	ports := map[string]netObject{} // of the top, for which no server has been seen
	for id, p := range top["ports"] {
		if p.Device != "" && !strings.HasPrefix(p.Device, underway) {
			ports[id] = p
		}
	}
	segments := map[string]int{}
	for _, pod := range pods {
		bottom := map[string][]netObject{}
		for _, k := range kinds {
			all, err := u.objects(pod, k.collection)
			if err != nil {
				return err
			}
			if err := equal(pod, k.collection, top[k.collection], all); err != nil {
				return err
			}
			bottom[k.collection] = all
		}
		for _, n := range bottom["networks"] {
			if have, ok := segments[n.topID()]; ok && have != n.Segment {
				return fmt.Errorf("network %s is on segments %d and %d", n.topID(), have, n.Segment)
			}
			segments[n.topID()] = n.Segment
		}
		ids, err := u.serversIn(pod)
		if err != nil {
			return err
		}
		if err := plugged(pod, ids, ports, bottom["ports"]); err != nil {
			return err
		}
	}
	if len(ports) > 0 {
		return fmt.Errorf("the top has ports of servers that no pod has: %+v", ports)
	}
	return nil
}

// equal compares what a pod has of a collection with the top.
func equal(pod cloud, collection string, top map[string]netObject, bottom []netObject) error {
	seen := map[string]bool{}
	for _, b := range bottom {
		id := b.topID()
		t, ok := top[id]
		switch {
		case !ok:
			return fmt.Errorf("%s: one of %s is left, %+v", pod.region, collection, b)
		case seen[id]:
			return fmt.Errorf("%s: one of %s is there twice, %+v", pod.region, collection, b)
		case b.Name != t.Name, b.MAC != t.MAC, !slices.Equal(b.ips(), t.ips()), len(b.Rules) != len(t.Rules):
			return fmt.Errorf("%s: one of %s is %+v, at the top %+v", pod.region, collection, b, t)
		case collection == "ports" && b.Owner != shadow && b.Device != t.Device && !strings.HasPrefix(t.Device, underway):
			return fmt.Errorf("%s: port %s is of %q, at the top of %q", pod.region, id, b.Device, t.Device)
		}
		seen[id] = true
	}
	return nil
}

// plugged tells whether each server of a pod has ports at the top that are in the pod, and takes these out of the top's.
func plugged(pod cloud, servers []string, top map[string]netObject, bottom []netObject) error {
	for _, id := range servers {
		has := false
		for portID, p := range top {
			if p.Device != id {
				continue
			}
			if !slices.ContainsFunc(bottom, func(b netObject) bool { return b.topID() == portID && b.Device == id }) {
				return fmt.Errorf("%s has not port %s of server %s", pod.region, portID, id)
			}
			has = true
			delete(top, portID)
		}
		if !has {
			return fmt.Errorf("server %s in %s has no port at the top", id, pod.region)
		}
	}
	return nil
}

// serversIn are the ids of a project's servers in a pod; it is an error if one of them is still being made or deleted.
func (u *user) serversIn(pod cloud) ([]string, error) {
	a, err := send("GET", pod.compute+"/servers/detail", u.token, nil)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Servers []struct {
			ID, Status string
			Task       string `json:"OS-EXT-STS:task_state"`
		}
	}
	if err := json.Unmarshal(a.body, &doc); err != nil || a.status != http.StatusOK {
		return nil, fmt.Errorf("%s: %v", a, err)
	}
	var ids []string
	for _, s := range doc.Servers {
		if s.Task != "" || strings.HasPrefix(s.Status, "BUILD") {
			return nil, fmt.Errorf("server %s in %s is %s, %s", s.ID, pod.region, s.Status, s.Task)
		}
		ids = append(ids, s.ID)
	}
	return ids, nil
}
