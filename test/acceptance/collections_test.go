//go:build acceptance

package acceptance

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"
)

// newest is the header that asks Cinder of Zed for all it can.
var newest = []string{"OpenStack-API-Version", "volume 3.70"}

// listedIDs are the ids of a collection of the top, in order.
func listedIDs(t testing.TB, u *user, path, collection string) (ids []string) {
	t.Helper()
	for _, r := range member[[]struct{ ID string }](t, u.cinder(t, regionOne, "GET", path, nil, newest...).want(t, http.StatusOK), collection) {
		ids = append(ids, r.ID)
	}
	return ids
}

// groupType makes a group type of one name in all pods, as operators keep them. It is deleted at the end of the test.
func groupType(t *testing.T) string {
	name := uniqueName()
	for _, pod := range pods {
		a := admin.cinder(t, pod, "POST", "/group_types", object{"group_type": object{"name": name}}, newest...).want(t, http.StatusAccepted)
		id := member[struct{ ID string }](t, a, "group_type").ID
		t.Cleanup(func() {
			eventually(t, time.Minute, func() error {
				if a := admin.cinder(t, pod, "DELETE", "/group_types/"+id, nil, newest...); a.status != http.StatusAccepted {
					return errors.New(a.String())
				}
				return nil
			})
		})
	}
	return name
}

func TestGroups_OfBothPods_AreListedShownAndDeleted(t *testing.T) {
	kind := groupType(t)
	var made []string
	for _, pod := range pods {
		a := demo.cinder(t, regionOne, "POST", "/groups", object{"group": object{"name": uniqueName(), "group_type": kind,
			"volume_types": []string{"__DEFAULT__"}, "availability_zone": pod.zone}}, newest...).want(t, http.StatusAccepted)
		id := member[struct{ ID string }](t, a, "group").ID
		made = append(made, id)
		eventually(t, time.Minute, func() error {
			a := demo.cinder(t, pod, "GET", "/groups/"+id, nil, newest...)
			if a.status != http.StatusOK || member[volume](t, a, "group").Status != "available" {
				return errors.New(a.String())
			}
			return nil
		})
	}
	for _, path := range []string{"/groups", "/groups/detail?limit=500", "/groups?sort=name:asc"} {
		if got := listedIDs(t, demo, path, "groups"); !slices.Contains(got, made[0]) || !slices.Contains(got, made[1]) {
			t.Errorf("%s: %v lack %v", path, got, made)
		}
	}
	for i, id := range made {
		shown := member[volume](t, demo.cinder(t, regionOne, "GET", "/groups/"+id, nil, newest...).want(t, http.StatusOK), "group")
		if shown.Zone != pods[i].zone {
			t.Errorf("group %s is in %s", id, shown.Zone)
		}
		demo.cinder(t, regionOne, "POST", "/groups/"+id+"/action", object{"delete": object{}}, newest...).want(t, http.StatusAccepted)
		eventually(t, time.Minute, func() error {
			if a := demo.cinder(t, regionOne, "GET", "/groups/"+id, nil, newest...); a.status != http.StatusNotFound {
				return errors.New(a.String())
			}
			return nil
		})
	}
}

func TestTransfer_AcceptedByAnotherProject_MovesTheVolume(t *testing.T) {
	given, kept := demo.create(t, regionOne, object{"availability_zone": "az2"}), demo.create(t, regionOne, object{"availability_zone": "az1"})
	other.removeVolume(t, given.ID)
	type transfer struct {
		ID  string
		Key string `json:"auth_key"`
	}
	offer := func(v volume) transfer {
		a := demo.cinder(t, regionOne, "POST", "/volume-transfers", object{"transfer": object{"volume_id": v.ID}}, newest...)
		return member[transfer](t, a.want(t, http.StatusAccepted), "transfer")
	}
	accepted, refused := offer(given), offer(kept)
	t.Cleanup(func() { demo.cinder(t, site1, "DELETE", "/os-volume-transfer/"+refused.ID, nil) })
	for _, path := range []string{"/volume-transfers", "/volume-transfers/detail", "/os-volume-transfer", "/os-volume-transfer/detail"} {
		if got := listedIDs(t, demo, path, "transfers"); !slices.Contains(got, accepted.ID) || !slices.Contains(got, refused.ID) {
			t.Errorf("%s: %v", path, got)
		}
	}
	accept := func(key string) *answer {
		return other.cinder(t, regionOne, "POST", "/volume-transfers/"+accepted.ID+"/accept", object{"accept": object{"auth_key": key}}, newest...)
	}
	accept("wrong").want(t, http.StatusBadRequest)
	accept(accepted.Key).want(t, http.StatusAccepted)
	other.awaitVolume(t, regionOne, given.ID, "available")
	demo.cinder(t, regionOne, "GET", "/volumes/"+given.ID, nil).want(t, http.StatusNotFound)
	demo.cinder(t, regionOne, "DELETE", "/os-volume-transfer/"+refused.ID, nil).want(t, http.StatusAccepted)
	demo.awaitVolume(t, regionOne, kept.ID, "available")
}

func TestAttachments_OfBothPods_AreListed(t *testing.T) {
	var made []string
	for _, pod := range pods {
		v := demo.create(t, regionOne, object{"availability_zone": pod.zone})
		a := demo.cinder(t, regionOne, "POST", "/attachments", object{"attachment": object{"volume_uuid": v.ID}}, newest...).want(t, http.StatusOK)
		id := member[struct{ ID string }](t, a, "attachment").ID
		made = append(made, id)
		t.Cleanup(func() { demo.cinder(t, pod, "DELETE", "/attachments/"+id, nil, newest...) })
		if got := listedIDs(t, demo, "/attachments?volume_id="+v.ID, "attachments"); !slices.Equal(got, []string{id}) {
			t.Errorf("of the volume: %v", got)
		}
	}
	for _, path := range []string{"/attachments", "/attachments/detail"} {
		got := listedIDs(t, demo, path, "attachments")
		first, second := slices.Index(got, made[0]), slices.Index(got, made[1])
		if first < 0 || second < first {
			t.Errorf("%s: %v, want pod after pod, with %v", path, got, made)
		}
	}
}

func TestMessages_OfBothPods_AreListed(t *testing.T) {
	for _, pod := range pods {
		quota := "/os-quota-sets/" + other.projectID // less than what no backend holds
		admin.cinder(t, pod, "PUT", quota, object{"quota_set": object{"gigabytes": -1}}).want(t, http.StatusOK)
		t.Cleanup(func() { admin.cinder(t, pod, "DELETE", quota, nil) })
		a := other.cinder(t, regionOne, "POST", "/volumes", object{"volume": object{"name": uniqueName(), "size": 1000000,
			"availability_zone": pod.zone}}).want(t, http.StatusAccepted)
		id := member[volume](t, a, "volume").ID
		other.removeVolume(t, id)
		other.awaitVolume(t, regionOne, id, "error")
		eventually(t, time.Minute, func() error {
			found := listedIDs(t, other, "/messages?resource_uuid="+id, "messages")
			if len(found) == 0 || !slices.Contains(listedIDs(t, other, "/messages", "messages"), found[0]) {
				return errors.New("no message about volume " + id)
			}
			other.cinder(t, regionOne, "DELETE", "/messages/"+found[0], nil, newest...).want(t, http.StatusNoContent)
			return nil
		})
	}
}
