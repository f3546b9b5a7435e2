//go:build acceptance

package acceptance

import (
	"errors"
	"net/http"
	"testing"
	"time"
)

func TestVolume_StockClient_LivesInTheZoneItWasAskedFor(t *testing.T) {
	for _, pod := range pods {
		t.Run(pod.zone, func(t *testing.T) {
			name := uniqueName()
			made := topDemo.show(t, "volume", "create", "--size", "1", "--availability-zone", pod.zone, name)
			id := made["id"].(string)
			demo.removeVolume(t, id)
			if made["availability_zone"] != pod.zone {
				t.Errorf("created: %v", made)
			}
			demo.awaitVolume(t, pod, id, "available")
			if listed := row(topDemo.list(t, "volume", "list"), id); listed == nil || listed["Status"] != "available" {
				t.Errorf("listed: %v", listed)
			}
			if shown := topDemo.show(t, "volume", "show", name); shown["id"] != id || shown["availability_zone"] != pod.zone {
				t.Errorf("shown: %v", shown)
			}
			topDemo.do(t, "volume", "set", "--size", "2", id)
			if v := demo.awaitVolume(t, regionOne, id, "available"); v.Size != 2 {
				t.Errorf("extended: %+v", v)
			}
			attach(t, pod, id)
			topDemo.do(t, "volume", "delete", id)
			eventuallyGone(t, "/volumes/"+id)
		})
	}
}

// attach gives a volume to a server of the same pod and takes it away.
func attach(t *testing.T, pod cloud, id string) {
	t.Helper()
	s := demo.boot(t, regionOne, object{"availability_zone": pod.zone})
	topDemo.do(t, "server", "add", "volume", s.ID, id)
	demo.awaitVolume(t, regionOne, id, "in-use")
	a := demo.nova(t, regionOne, "GET", "/servers/"+s.ID+"/os-volume_attachments", nil).want(t, http.StatusOK)
	if got := member[[]struct{ VolumeID string }](t, a, "volumeAttachments"); len(got) != 1 || got[0].VolumeID != id {
		t.Errorf("attached: %s", a)
	}
	topDemo.do(t, "server", "remove", "volume", s.ID, id)
	demo.awaitVolume(t, regionOne, id, "available")
}

func eventuallyGone(t testing.TB, path string) {
	t.Helper()
	eventually(t, 30*time.Second, func() error {
		if a := demo.cinder(t, regionOne, "GET", path, nil); a.status != http.StatusNotFound {
			return errors.New(a.String())
		}
		return nil
	})
}

func TestVolume_OfAnotherPod_IsNotAttached(t *testing.T) {
	s := demo.boot(t, regionOne, object{"availability_zone": "az1"})
	v := demo.create(t, regionOne, object{"availability_zone": "az2"})
	topDemo.refused(t, []string{"400", v.ID, "az1", "az2"}, "server", "add", "volume", s.ID, v.ID)
	if v = demo.awaitVolume(t, site2, v.ID, "available"); v.Status != "available" {
		t.Errorf("after the refusal: %+v", v)
	}
}

func TestSnapshot_StockClient_AndAVolumeFromItInItsPod(t *testing.T) {
	v := demo.create(t, regionOne, object{"availability_zone": "az2"})
	snapshot := topDemo.show(t, "volume", "snapshot", "create", "--volume", v.ID, uniqueName())["id"].(string)
	demo.removeSnapshot(t, snapshot)
	eventually(t, 30*time.Second, func() error {
		a := demo.cinder(t, regionOne, "GET", "/snapshots/"+snapshot, nil).want(t, http.StatusOK)
		if got := member[volume](t, a, "snapshot"); got.Status != "available" {
			return errors.New(a.String())
		}
		return nil
	})
	if row(topDemo.list(t, "volume", "snapshot", "list"), snapshot) == nil {
		t.Error("the snapshot is not listed")
	}
	for name, source := range map[string]object{
		"snapshot": {"snapshot_id": snapshot},
		"volume":   {"source_volid": v.ID},
	} {
		made := demo.create(t, regionOne, source)
		if made.Zone != "az2" {
			t.Errorf("volume from a %s of az2 is in %q", name, made.Zone)
		}
		demo.cinder(t, site2, "GET", "/volumes/"+made.ID, nil).want(t, http.StatusOK)
	}
	a := demo.cinder(t, regionOne, "POST", "/volumes", object{"volume": object{"size": 1, "snapshot_id": snapshot,
		"availability_zone": "az1"}})
	a.want(t, http.StatusBadRequest)
	topDemo.do(t, "volume", "snapshot", "delete", snapshot)
	eventuallyGone(t, "/snapshots/"+snapshot)
}

func TestServer_BootFromVolume_LandsInTheVolumesPod(t *testing.T) {
	v := demo.create(t, regionOne, object{"availability_zone": "az2", "imageRef": image(t)})
	made := topDemo.show(t, "server", "create", "--flavor", "m1.tiny", "--volume", v.ID, uniqueName())
	id := made["id"].(string)
	demo.removeServer(t, id)
	if s := demo.await(t, regionOne, id, "ACTIVE"); s.Zone != "az2" {
		t.Errorf("server is in %q; its volume in az2", s.Zone)
	}
	demo.nova(t, site2, "GET", "/servers/"+id, nil).want(t, http.StatusOK)
	body := object{"server": object{"name": uniqueName(), "flavorRef": "1", "availability_zone": "az1",
		"block_device_mapping_v2": []object{{"boot_index": 0, "uuid": v.ID, "source_type": "volume", "destination_type": "volume"}}}}
	demo.nova(t, regionOne, "POST", "/servers", body).want(t, http.StatusBadRequest)
}
