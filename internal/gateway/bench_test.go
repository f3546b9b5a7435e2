package gateway_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tricircle/tricircle/internal/pod/podtest"
)

// detailed is a row of Nova's GET /servers/detail at 2.90, of about 1.7 kB.
const detailed = `{"id": "%[1]s", "name": "web-%[2]d", "status": "ACTIVE", "tenant_id": "` + project + `",
"user_id": "d0c1f4a2e8b94b7f9a3c5e6d7f8a9b0c", "metadata": {"role": "web", "href": "http://user.data/", "unit": "%[2]d"},
"hostId": "3d8f1ad57a3c2b3f0f1b5f4c0e8a5d6c7b8a9f0e1d2c3b4a59687766", "image": {"id": "70a599e0-31e7-49b7-b260-868f441e862b",
"links": [{"rel": "bookmark", "href": "http://%[3]s.compute/images/70a599e0-31e7-49b7-b260-868f441e862b"}]},
"flavor": {"vcpus": 1, "ram": 512, "disk": 1, "ephemeral": 0, "swap": 0, "original_name": "m1.tiny", "extra_specs":
{"hw:mem_page_size": "small"}}, "created": "%[4]s", "updated": "2026-11-22T06:27:00Z",
"addresses": {"private": [{"version": 4, "addr": "192.168.1.30", "OS-EXT-IPS:type": "fixed", "OS-EXT-IPS-MAC:mac_addr":
"00:0c:29:0d:11:74"}, {"version": 6, "addr": "fd00::1e", "OS-EXT-IPS:type": "fixed", "OS-EXT-IPS-MAC:mac_addr":
"00:0c:29:0d:11:74"}]}, "accessIPv4": "", "accessIPv6": "", "links": [{"rel": "self", "href":
"http://%[3]s.compute/v2.1/servers/%[1]s"}, {"rel": "bookmark", "href":
"http://%[3]s.compute/servers/%[1]s"}], "OS-DCF:diskConfig": "AUTO", "progress": 0,
"OS-EXT-AZ:availability_zone": "nova", "pinned_availability_zone": null, "config_drive": "", "key_name": "mine",
"OS-SRV-USG:launched_at": "2026-11-22T06:27:30.000000", "OS-SRV-USG:terminated_at": null, "security_groups":
[{"name": "default"}], "OS-EXT-SRV-ATTR:hostname": "web-%[2]d", "os-extended-volumes:volumes_attached":
[{"id": "2ad4a8b1-5f1a-4b44-9d28-6f1e29eecd4a", "delete_on_termination": false}], "OS-EXT-STS:task_state": null,
"OS-EXT-STS:vm_state": "active", "OS-EXT-STS:power_state": 1, "locked": false, "locked_reason": null,
"description": "caf\u00e9 %[2]d", "tags": ["a", "b"], "trusted_image_certificates": null, "server_groups": []}`

// rendered is a pod that has written its servers down before it is asked: every step-th, from the first on.
func rendered(region string, first, step, n int) *podtest.Pod {
	rows, at := make([][]byte, n), map[string]int{}
	for i := range rows {
		id := sid(first + i*step)
		created := epoch.Add(-time.Duration(first+i*step) * time.Second).Format(time.RFC3339)
		rows[i] = fmt.Appendf(nil, strings.ReplaceAll(detailed, "\n", ""), id, i, region, created)
		at[id] = i + 1
	}
	return &podtest.Pod{Region: region, Compute: func(req *http.Request) (*http.Response, error) {
		q := req.URL.Query()
		limit, _ := strconv.Atoi(q.Get("limit"))
		from := at[q.Get("marker")]
		body := bytes.Join(rows[from:min(n, from+limit)], []byte(", "))
		return podtest.Stream(http.StatusOK, "application/json", func(*http.Request) io.Reader {
			return io.MultiReader(strings.NewReader(`{"servers": [`), bytes.NewReader(body), strings.NewReader(`]}`))
		})(req)
	}}
}

// BenchmarkMerge is the top's own work for a page of 1000 servers over so many pods: what it adds to the slowest pod's time.
func BenchmarkMerge(b *testing.B) {
	for _, pods := range []int{1, 10, 100} {
		for _, path := range []string{"/servers/detail", "/servers"} {
			b.Run(fmt.Sprintf("%d pods%s", pods, path), func(b *testing.B) {
				top := newTop(b)
				for i := range pods {
					top.Register(rendered("pod"+strconv.Itoa(i), i, pods, 2000/pods))
				}
				b.ReportAllocs()
				for b.Loop() {
					if w := ask(b, top.nova, http.MethodGet, "/v2.1"+path, ""); w.Code != http.StatusOK || w.Body.Len() < 100_000 {
						b.Fatal(w.Code, w.Body.Len())
					}
				}
			})
		}
	}
}
