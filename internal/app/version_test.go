package app

import (
	"strings"
	"testing"

	"github.com/tricircle/tricircle/internal/pod"
)

func TestPodBelowCeiling_IsServedAndReported(t *testing.T) {
	c := newCloud(t, 2)
	young, old := c.boot("young", "az1"), c.boot("old", "az2")
	disk := c.call(volume, "POST", "/volumes", `{"volume": {"name": "disk", "size": 1, "availability_zone": "az2"}}`).want(t, 202).id(t, "volume")
	c.sim.Pod(1).SetRelease(72, 64)
	eventually(t, "the prober has seen the older release", func() bool {
		pods := c.top.pods.Snapshot()
		return len(pods.BelowCeiling(pods.ByName("pod2"))) == 2
	})
	latest := []string{"OpenStack-API-Version", "compute latest"}
	for id, name := range map[string]string{young: "young", old: "old"} {
		shown := c.call(compute, "GET", "/servers/"+id, "", latest...).want(t, 200).get(t, "server").(map[string]any)
		if reason, ok := shown["locked_reason"]; !ok || reason != nil || shown["OS-EXT-SRV-ATTR:hostname"] != name {
			t.Errorf("server %s: locked_reason %v %v, hostname %v", name, reason, ok, shown["OS-EXT-SRV-ATTR:hostname"])
		}
	}
	if got := c.call(volume, "GET", "/volumes/"+disk, "", "OpenStack-API-Version", "volume latest").want(t, 200).get(t, "volume", "consumes_quota"); got != true {
		t.Errorf("consumes_quota: %v", got)
	}
	listed := c.call(compute, "GET", "/servers/detail", "", latest...).want(t, 200)
	if names := c.names(listed, "servers"); len(names) != 2 || listed.Header.Get("X-Tricircle-Missing-Pods") != "" {
		t.Errorf("list has %v without %q", names, listed.Header.Get("X-Tricircle-Missing-Pods"))
	}
	c.call(compute, "POST", "/servers/"+old+"/action", `{"os-stop": null}`, latest...).want(t, 202)
	c.call(compute, "POST", "/servers", c.bootBody("another", "az1"), "OpenStack-API-Version", "compute 2.36").want(t, 202)
	refused := c.call(compute, "POST", "/servers/"+old+"/action", `{"lock": null}`, latest...).want(t, 503)
	for _, text := range []string{"pod2", "2.72", "2.93", "upgraded"} {
		if !strings.Contains(refused.body, text) {
			t.Errorf("the refusal does not say %s: %s", text, refused.body)
		}
	}
	metrics := c.send("GET", "http://"+c.top.opsAddress.String()+"/metrics", "").want(t, 200).body
	for _, want := range []string{`tricircle_pod_below_ceiling{pod="pod1"} 0`, `tricircle_pod_below_ceiling{pod="pod2"} 1`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s among the metrics", want)
		}
	}
	if ceiling := c.top.pods.Snapshot().Ceiling(pod.Compute).String(); ceiling != "2.93" {
		t.Errorf("the ceiling has become %s", ceiling)
	}
}
