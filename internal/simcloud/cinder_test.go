package simcloud

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func (c *client) volume(name string) string {
	c.t.Helper()
	return c.do("POST", cinder(c.cloud, "/volumes"), `{"volume": {"size": 1, "name": "`+name+`"}}`).want(c.t, 202).str("volume", "id")
}

func TestVolumes_Attachment_IsSeenByBothServices(t *testing.T) {
	cloud, c := start(t, Options{Pods: 2})
	server, volume := c.boot("vm"), c.volume("v")
	attachments := nova(cloud, "/servers/"+server+"/os-volume_attachments")
	r := c.do("POST", attachments, `{"volumeAttachment": {"volumeId": "`+volume+`"}}`, mv("89")...).want(t, 200)
	if r.str("volumeAttachment", "volumeId") != volume || r.at("volumeAttachment", "id") != nil {
		t.Errorf("at 2.89 the attachment is %s", r.text)
	}
	seen := c.do("GET", cinder(cloud, "/volumes/"+volume), "")
	if seen.str("volume", "status") != "in-use" || seen.str("volume", "attachments", 0, "server_id") != server {
		t.Errorf("Cinder shows %s", seen.text)
	}
	c.do("POST", attachments, `{"volumeAttachment": {"volumeId": "`+volume+`"}}`).want(t, 400)
	c.do("DELETE", cinder(cloud, "/volumes/"+volume), "").want(t, 400)
	c.do("POST", cinder(cloud, "/volumes/"+volume+"/action"), `{"os-detach": {}}`).want(t, 409)
	c.do("DELETE", attachments+"/"+volume, "").want(t, 202)
	c.do("DELETE", attachments+"/"+volume, "").want(t, 404)
	if got := c.do("GET", cinder(cloud, "/volumes/"+volume), "").str("volume", "status"); got != "available" {
		t.Errorf("after the detachment the volume is %s", got)
	}
	foreign := c.do("POST", cloud.Pod(1).VolumeURL+"/v3/volumes", `{"volume": {"size": 1}}`).want(t, 202).str("volume", "id")
	c.do("POST", attachments, `{"volumeAttachment": {"volumeId": "`+foreign+`"}}`).want(t, 404)
}

func TestVolumes_BootVolume_IsMadeAndGoesWithTheServer(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	body := `{"server": {"name": "vm", "flavorRef": "1", "imageRef": "", "networks": "none", "block_device_mapping_v2": [
		{"uuid": "` + stableCirros + `", "source_type": "image", "destination_type": "volume", "boot_index": 0,
		 "volume_size": 3, "delete_on_termination": true}]}}`
	id := c.do("POST", nova(cloud, "/servers"), body, mv("93")...).want(t, 202).str("server", "id")
	r := c.do("GET", nova(cloud, "/servers/"+id), "")
	volume := r.str("server", "os-extended-volumes:volumes_attached", 0, "id")
	if image := r.at("server", "image"); volume == "" || image != "" {
		t.Fatalf("the server has volume %q and image %v", volume, image)
	}
	if got := c.do("GET", cinder(cloud, "/volumes/"+volume), "").at("volume", "size"); got != float64(3) {
		t.Errorf("the volume has size %v, want 3", got)
	}
	c.do("DELETE", nova(cloud, "/servers/"+id+"/os-volume_attachments/"+volume), "").want(t, 403)
	c.do("DELETE", nova(cloud, "/servers/"+id), "").want(t, 204)
	c.do("GET", cinder(cloud, "/volumes/"+volume), "").want(t, 404)
}

func TestVolumes_Order_IsCreatedDescThenIdDesc(t *testing.T) {
	at := &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	cloud, c := start(t, Options{Pods: 1, Now: at.Now})
	old := c.volume("old")
	at.now = at.now.Add(time.Minute)
	twins := []string{c.volume("x"), c.volume("y"), c.volume("z")}
	slices.Sort(twins)
	slices.Reverse(twins)
	if diff := cmp.Diff(append(twins, old), c.do("GET", cinder(cloud, "/volumes"), "").ids("volumes")); diff != "" {
		t.Error(diff)
	}
}

func TestVolumes_Paging_CountsAndLinks(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1, Volumes: 7})
	c.volume("mine")
	r := c.do("GET", cinder(cloud, "/volumes?limit=3&with_count=true"), "", "OpenStack-API-Version", "volume 3.45").want(t, 200)
	if r.at("count") != float64(8) || len(r.ids("volumes")) != 3 {
		t.Fatalf("got %s", r.text)
	}
	next := r.str("volumes_links", 0, "href")
	if want := cinder(cloud, "/volumes?limit=3&with_count=true&marker="+r.ids("volumes")[2]); next != want {
		t.Errorf("the next link is %s, want %s", next, want)
	}
	all := c.do("GET", cinder(cloud, "/volumes"), "").ids("volumes")
	rest := c.do("GET", cinder(cloud, "/volumes?offset=6"), "").ids("volumes")
	if diff := cmp.Diff(all[6:], rest); diff != "" {
		t.Error(diff)
	}
	if got := c.do("GET", cinder(cloud, "/volumes?name=volume-pod1-0000003"), "").ids("volumes"); len(got) != 1 {
		t.Errorf("the name selects %v", got)
	}
}

func TestCinder_BadRequests_AreRefusedAsByCinder(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	for _, x := range []struct {
		method, path, body, version string
		status                      int
		message                     string
	}{
		{"POST", "/volumes", `{"volume": {"size": 1, "availability_zone": "azx"}}`, "3.0", 400, "Availability zone 'azx' is invalid."},
		{"POST", "/volumes", `{"volume": {"size": 0}}`, "3.0", 400,
			"Invalid input for field/attribute size. Value: 0. 0 is less than the minimum of 1"},
		{"POST", "/volumes", `{"volume": {"size": 1, "volume_type": "t"}}`, "3.0", 404, "Volume type with name t could not be found."},
		{"GET", "/volumes/x", "", "3.0", 404, "Volume x could not be found."},
		{"GET", "/volumes?marker=x", "", "3.0", 404, "Volume x could not be found."},
		{"GET", "/volumes?limit=-1", "", "3.0", 400, "limit param must be positive"},
		{"GET", "/volumes?sort=foo", "", "3.0", 400, "Invalid input received: Invalid sort key"},
		{"GET", "/volumes?foo=bar", "", "3.31", 400, "Invalid filters foo are found in query options."},
		{"GET", "/volumes", "", "3.99", 406, "Version 3.99 is not supported by the API. Minimum is 3.0 and maximum is 3.70."},
		{"GET", "/attachments", "", "3.0", 404, "The resource could not be found."},
		{"GET", "/os-services", "", "3.0", 403, "Policy doesn't allow volume_extension:services:index to be performed."},
	} {
		r := c.do(x.method, cinder(cloud, x.path), x.body, "OpenStack-API-Version", "volume "+x.version)
		if r.status != x.status || r.message() != x.message {
			t.Errorf("%s %s %s:\n got %d %s\nwant %d %s", x.method, x.path, x.body, r.status, r.text, x.status, x.message)
		}
	}
	c.do("GET", cinder(cloud, "/volumes?foo=bar"), "").want(t, 200)
	c.do("GET", cinder(cloud, "/"+stableHex("x")+"/volumes"), "").want(t, 400)
}

func TestSnapshotsAndBackups_ComeFromVolumesAndMakeVolumes(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	volume := c.volume("v")
	snapshot := c.do("POST", cinder(cloud, "/snapshots"), `{"snapshot": {"volume_id": "`+volume+`", "name": "s"}}`).want(t, 202)
	if got := snapshot.str("snapshot", "status"); got != "creating" {
		t.Errorf("a new snapshot is %s", got)
	}
	id := snapshot.str("snapshot", "id")
	c.do("DELETE", cinder(cloud, "/volumes/"+volume), "").want(t, 400)
	made := c.do("POST", cinder(cloud, "/volumes"), `{"volume": {"snapshot_id": "`+id+`"}}`).want(t, 202)
	if made.at("volume", "size") != float64(1) || made.str("volume", "snapshot_id") != id {
		t.Errorf("the volume of a snapshot is %s", made.text)
	}
	backup := c.do("POST", cinder(cloud, "/backups"), `{"backup": {"volume_id": "`+volume+`"}}`).want(t, 202).str("backup", "id")
	c.do("POST", cinder(cloud, "/backups/"+backup+"/restore"), `{"restore": {}}`).want(t, 202)
	if got := len(c.do("GET", cinder(cloud, "/volumes"), "").ids("volumes")); got != 3 {
		t.Errorf("there are %d volumes, want 3", got)
	}
	c.do("DELETE", cinder(cloud, "/snapshots/"+id), "").want(t, 202)
	c.do("GET", cinder(cloud, "/snapshots/"+id), "").want(t, 404)
	c.do("DELETE", cinder(cloud, "/backups/"+backup), "").want(t, 202)
	c.do("DELETE", cinder(cloud, "/volumes/"+volume), "").want(t, 202)
}

func TestVolumes_Extend_OnlyGrows(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1, Volumes: 1})
	url := cinder(cloud, "/volumes/"+cloud.pods[0].volume.volumes.gen.id(0))
	c.do("POST", url+"/action", `{"os-extend": {"new_size": 5}}`).want(t, 202)
	c.do("POST", url+"/action", `{"os-extend": {"new_size": 5}}`).want(t, 400)
	if got := c.do("GET", url, "").at("volume", "size"); got != float64(5) {
		t.Errorf("the size is %v, want 5", got)
	}
	if got := c.do("GET", cinder(cloud, "/limits"), "").at("limits", "absolute", "totalGigabytesUsed"); got != float64(5) {
		t.Errorf("%v GB are used, want 5", got)
	}
}
