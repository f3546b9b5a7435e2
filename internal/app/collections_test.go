package app

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// newest asks Cinder's newest API.
func (c *cloud) newest(method, path, body string, headers ...string) answer {
	c.t.Helper()
	return c.call(volume, method, path, body, append([]string{"OpenStack-API-Version", "volume 3.70"}, headers...)...)
}

// ids lists the ids of a collection, sorted.
func (c *cloud) ids(path, member string) (ids []string) {
	c.t.Helper()
	for _, row := range c.newest("GET", path, "").want(c.t, 200).get(c.t, member).([]any) {
		ids = append(ids, row.(map[string]any)["id"].(string))
	}
	slices.Sort(ids)
	return ids
}

// disks makes an available volume in each zone.
func (c *cloud) disks(zones ...string) (ids []string) {
	c.t.Helper()
	for _, zone := range zones {
		id := c.newest("POST", "/volumes", `{"volume": {"size": 1, "availability_zone": "`+zone+`"}}`).want(c.t, 202).id(c.t, "volume")
		eventually(c.t, "the volume is available", func() bool {
			return c.newest("GET", "/volumes/"+id, "").get(c.t, "volume", "status") == "available"
		})
		ids = append(ids, id)
	}
	return ids
}

func sorted(ids ...string) []string { return slices.Sorted(slices.Values(ids)) }

func TestGroups_OfAllPods_LiveTheirLives(t *testing.T) {
	c := newCloud(t, 2)
	admin := c.sim.Token("admin", "demo", time.Hour)
	c.send("POST", c.sim.Pod(1).VolumeURL+"/v3/group_types", `{"group_type": {"name": "mine"}}`, "X-Auth-Token", admin,
		"OpenStack-API-Version", "volume 3.70").want(t, 202)
	// Of both pods only the second offers the type.
	second := c.newest("POST", "/groups", `{"group": {"name": "g", "group_type": "mine", "volume_types": ["__DEFAULT__"]}}`).want(t, 202).id(t, "group")
	if zone := c.newest("GET", "/groups/"+second, "").want(t, 200).get(t, "group", "availability_zone"); zone != "az2" {
		t.Errorf("the group is in %v", zone)
	}
	c.newest("POST", "/groups", `{"group": {"name": "g", "group_type": "none", "volume_types": ["__DEFAULT__"]}}`).want(t, 404)
	older := c.newest("POST", "/consistencygroups", `{"consistencygroup": {"name": "o", "volume_types": "__DEFAULT__", "availability_zone": "az1"}}`).
		want(t, 202).id(t, "consistencygroup")
	if got := c.ids("/groups", "groups"); !slices.Equal(got, []string{second}) {
		t.Errorf("groups: %v", got)
	}
	if got := c.ids("/consistencygroups/detail", "consistencygroups"); !slices.Equal(got, sorted(second, older)) {
		t.Errorf("consistency groups: %v", got)
	}
	member := c.newest("POST", "/volumes", `{"volume": {"size": 1, "group_id": "`+second+`"}}`).want(t, 202)
	if zone := member.get(t, "volume", "availability_zone"); zone != "az2" {
		t.Errorf("the volume of the group is in %v", zone)
	}
	snapshot := c.newest("POST", "/group_snapshots", `{"group_snapshot": {"name": "s", "group_id": "`+second+`"}}`).want(t, 202).id(t, "group_snapshot")
	if got := c.ids("/group_snapshots?group_id="+second, "group_snapshots"); !slices.Equal(got, []string{snapshot}) {
		t.Errorf("group snapshots: %v", got)
	}
	made := c.newest("POST", "/groups/action", `{"create-from-src": {"name": "c", "group_snapshot_id": "`+snapshot+`"}}`).want(t, 202).id(t, "group")
	if got := c.ids("/groups/detail", "groups"); !slices.Equal(got, sorted(second, made)) {
		t.Errorf("groups after the copy: %v", got)
	}
	c.newest("DELETE", "/group_snapshots/"+snapshot, "").want(t, 202)
	c.newest("POST", "/groups/"+second+"/action", `{"delete": {"delete-volumes": true}}`).want(t, 202)
	c.newest("POST", "/consistencygroups/"+older+"/delete", `{"consistencygroup": {"force": true}}`).want(t, 202)
	c.newest("GET", "/groups/"+second, "").want(t, 404)
}

func TestTransfer_ToAnotherProject_GivesTheVolume(t *testing.T) {
	c := newCloud(t, 2)
	disks := c.disks("az1", "az2")
	other := c.sim.Token("admin", "admin", time.Hour)
	var made []string
	var given answer
	for _, disk := range disks {
		given = c.newest("POST", "/volume-transfers", `{"transfer": {"name": "t", "volume_id": "`+disk+`"}}`).want(t, 202)
		made = append(made, given.id(t, "transfer"))
	}
	for _, path := range []string{"/volume-transfers", "/os-volume-transfer/detail", "/volume-transfers/detail?sort=created_at:asc"} {
		if got := c.ids(path, "transfers"); !slices.Equal(got, sorted(made...)) {
			t.Errorf("%s: %v", path, got)
		}
	}
	if links := given.get(t, "transfer", "links").([]any); !strings.HasPrefix(links[0].(map[string]any)["href"].(string), "http://"+given.Request.Host) {
		t.Errorf("links %v", links)
	}
	key := given.get(t, "transfer", "auth_key").(string)
	accept := func(key string) answer {
		return c.newest("POST", "/volume-transfers/"+made[1]+"/accept", `{"accept": {"auth_key": "`+key+`"}}`, "X-Auth-Token", other)
	}
	accept("wrong").want(t, 400)
	accept(key).want(t, 202)
	accept(key).want(t, 404)
	c.newest("GET", "/volumes/"+disks[1], "").want(t, 404)
	c.newest("GET", "/volumes/"+disks[1], "", "X-Auth-Token", other).want(t, 200)
	c.newest("DELETE", "/os-volume-transfer/"+made[0], "").want(t, 202)
	if got := c.ids("/os-volume-transfer", "transfers"); len(got) != 0 {
		t.Errorf("after all: %v", got)
	}
}

func TestAttachments_OfAllPods_AreReservedCompletedAndListed(t *testing.T) {
	c := newCloud(t, 2)
	disks := c.disks("az1", "az2")
	server := c.boot("s", "az1")
	reserve := func(disk, instance string) answer {
		return c.newest("POST", "/attachments", `{"attachment": {"volume_uuid": "`+disk+`", "instance_uuid": "`+instance+`"}}`)
	}
	if a := reserve(disks[1], server).want(t, 400); !strings.Contains(a.body, "az1") || !strings.Contains(a.body, "az2") {
		t.Errorf("the refusal does not say what is where: %s", a.body)
	}
	first := reserve(disks[0], server).want(t, 200).id(t, "attachment")
	second := reserve(disks[1], "00000000-0000-4000-8000-000000000000").want(t, 200).id(t, "attachment")
	for path, want := range map[string][]string{
		"/attachments": sorted(first, second), "/attachments/detail": sorted(first, second), "/attachments?volume_id=" + disks[1]: {second},
		"/attachments?instance_id=" + server: {first}, "/attachments?limit=1": {first}, "/attachments?limit=1&marker=" + first: {second},
	} {
		if got := c.ids(path, "attachments"); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
	c.newest("PUT", "/attachments/"+second, `{"attachment": {"connector": {"host": "h"}}}`).want(t, 200)
	c.newest("POST", "/attachments/"+second+"/action", `{"os-complete": {}}`).want(t, 204)
	if status := c.newest("GET", "/volumes/"+disks[1], "").get(t, "volume", "status"); status != "in-use" {
		t.Errorf("the volume is %v", status)
	}
	c.newest("DELETE", "/attachments/"+second, "").want(t, 200)
	c.newest("GET", "/attachments/"+second, "").want(t, 404)
}

func TestMessages_OfAllPods_AreListedShownAndDeleted(t *testing.T) {
	c := newCloud(t, 2)
	for _, zone := range []string{"az1", "az2"} {
		c.newest("POST", "/volumes", `{"volume": {"size": 100000, "availability_zone": "`+zone+`"}}`).want(t, 202)
	}
	ids := c.ids("/messages", "messages")
	if len(ids) != 2 {
		t.Fatalf("messages: %v", ids)
	}
	for _, id := range ids {
		c.newest("GET", "/messages/"+id, "").want(t, 200)
		c.newest("DELETE", "/messages/"+id, "").want(t, 204)
	}
	if ids = c.ids("/messages", "messages"); len(ids) != 0 {
		t.Errorf("after deletion: %v", ids)
	}
}
