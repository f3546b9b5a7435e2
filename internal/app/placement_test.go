package app

import (
	"strings"
	"testing"
	"time"
)

// podOf returns the name of the pod that the top's routing table has for a server.
func (c *cloud) podOf(id string) string {
	c.t.Helper()
	p, err := c.top.routing.Known(c.t.Context(), 1, id)
	if err != nil || p == nil {
		c.t.Fatalf("routing of %s: %v, %v", id, p, err)
	}
	return p.Name()
}

// bootWith makes a server without a zone, with more members in its body.
func (c *cloud) bootWith(members string) answer {
	c.t.Helper()
	body := strings.Replace(c.bootBody("bound", "az1"), `"availability_zone": "az1"`, members, 1)
	return c.call(compute, "POST", "/servers", body)
}

func TestBoot_ReferencesBindItToAPod(t *testing.T) {
	c := newCloud(t, 3)
	networks := c.send("GET", c.sim.Pod(1).NetworkURL+"/v2.0/networks", "", "X-Auth-Token", c.sim.Token("demo", "demo", time.Hour)).want(t, 200)
	network := networks.get(t, "networks").([]any)[0].(map[string]any)["id"].(string)
	disk := c.call(volume, "POST", "/volumes", `{"volume": {"name": "disk", "size": 1, "imageRef": "`+c.image()+`", "availability_zone": "az3"}}`).want(t, 202).id(t, "volume")

	inPod2 := c.bootWith(`"networks": [{"uuid": "`+network+`"}]`).want(t, 202).id(t, "server")
	if got := c.podOf(inPod2); got != "pod2" {
		t.Errorf("a network of pod2 led to %s", got)
	}
	eventually(t, "the volume is available", func() bool {
		return c.call(volume, "GET", "/volumes/"+disk, "").get(t, "volume", "status") == "available"
	})
	device := `"block_device_mapping_v2": [{"boot_index": 0, "source_type": "volume", "destination_type": "volume", "uuid": "` + disk + `"}]`
	inPod3 := c.bootWith(device).want(t, 202).id(t, "server")
	if got := c.podOf(inPod3); got != "pod3" {
		t.Errorf("a volume of pod3 led to %s", got)
	}
	for what, members := range map[string]string{
		"zone and network":   `"availability_zone": "az1", "networks": [{"uuid": "` + network + `"}]`,
		"network and volume": `"networks": [{"uuid": "` + network + `"}], ` + device,
	} {
		if a := c.bootWith(members).want(t, 400); !strings.Contains(a.body, "az2") && !strings.Contains(a.body, "az3") {
			t.Errorf("%s: the refusal does not say what is where: %s", what, a.body)
		}
	}
	unknown := c.bootWith(`"networks": [{"uuid": "00000000-0000-4000-8000-000000000000"}]`).want(t, 400)
	if !strings.Contains(unknown.body, "Network 00000000-0000-4000-8000-000000000000 could not be found.") {
		t.Errorf("unknown network: %s", unknown.body)
	}
}

func TestVolume_FromSnapshot_IsInTheSnapshotsPod(t *testing.T) {
	c := newCloud(t, 2)
	disk := c.call(volume, "POST", "/volumes", `{"volume": {"name": "disk", "size": 1, "availability_zone": "az2"}}`).want(t, 202).id(t, "volume")
	eventually(t, "the volume is available", func() bool {
		return c.call(volume, "GET", "/volumes/"+disk, "").get(t, "volume", "status") == "available"
	})
	snapshot := c.call(volume, "POST", "/snapshots", `{"snapshot": {"volume_id": "`+disk+`"}}`).want(t, 202).id(t, "snapshot")
	eventually(t, "the snapshot is available", func() bool {
		return c.call(volume, "GET", "/snapshots/"+snapshot, "").get(t, "snapshot", "status") == "available"
	})
	copied := c.call(volume, "POST", "/volumes", `{"volume": {"size": 1, "snapshot_id": "`+snapshot+`"}}`).want(t, 202)
	if zone := copied.get(t, "volume", "availability_zone"); zone != "az2" {
		t.Errorf("the copy is in %v", zone)
	}
	c.call(volume, "POST", "/volumes", `{"volume": {"size": 1, "availability_zone": "az1", "snapshot_id": "`+snapshot+`"}}`).want(t, 400)
	c.call(volume, "POST", "/snapshots", `{"snapshot": {"volume_id": "00000000-0000-4000-8000-000000000000"}}`).want(t, 404)
}

func TestCreate_WithoutConstraint_GoesWhereKeyPairsAre(t *testing.T) {
	c := newCloud(t, 2)
	c.call(compute, "POST", "/os-keypairs", `{"keypair": {"name": "mine"}}`).want(t, 200)
	id := c.bootWith(`"key_name": "mine"`).want(t, 202).id(t, "server")
	if got := c.podOf(id); got != "pod1" {
		t.Errorf("booted in %s", got)
	}
}

func TestBoot_ForcedHost_IsThePodsOwnName(t *testing.T) {
	c := newCloud(t, 2)
	admin := c.sim.Token("admin", "demo", time.Hour)
	boot := func(zone string) answer {
		return c.call(compute, "POST", "/servers", c.bootBody("forced", zone), "X-Auth-Token", admin)
	}
	boot("az2:pod2-c2.pod2").want(t, 202)
	if a := boot("az2:nosuch.pod2").want(t, 400); !strings.Contains(a.body, "Compute host nosuch could not be found.") {
		t.Errorf("the pod was asked for another host: %s", a.body)
	}
	if a := boot("az1:pod2-c2.pod2").want(t, 400); !strings.Contains(a.body, "host pod2-c2.pod2") {
		t.Errorf("the refusal does not name the host: %s", a.body)
	}
}
