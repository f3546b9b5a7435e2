package gateway_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tricircle/tricircle/internal/fault"
	"github.com/tricircle/tricircle/internal/httpx"
	"github.com/tricircle/tricircle/internal/obs"
	"github.com/tricircle/tricircle/internal/pod/podtest"
	"github.com/tricircle/tricircle/internal/store"
)

// discard is the client's end of a connection.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

// benchmark makes a call to a top as app builds it, over pods without sockets: what is measured is ours alone. Every pod
// answers the same.
func benchmark(b *testing.B, pods int, method, path, body string, answer podtest.Handler) {
	u := newTop(b)
	for i := range pods {
		u.Register(&podtest.Pod{Region: fmt.Sprintf("pod%d", i), Compute: answer})
	}
	id := store.Routing{Type: store.Server, TopID: serverID, BottomID: serverID, PodNum: 1, CreatedAt: time.Now()}
	if err := u.routing.Record(b.Context(), id); err != nil {
		b.Fatal(err)
	}
	h := httpx.Chain(u.nova, httpx.ChainOptions{Role: "nova-gw", Style: fault.Nova, MaxBody: 1 << 20, Metrics: obs.NewMetrics(),
		Logger: obs.NewLogger(obs.NewBatch(io.Discard), slog.LevelInfo, obs.FormatJSON), NewID: obs.NewRequestID, Now: time.Now})
	header := http.Header{"X-Auth-Token": {"token"}, "Accept": {"application/json"}, "User-Agent": {"python-novaclient"},
		"X-Openstack-Nova-Api-Version": {"2.90"}, "Openstack-Api-Version": {"compute 2.90"}, "Content-Type": {"application/json"}}
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequestWithContext(b.Context(), method, path, strings.NewReader(body))
		r.Header = header.Clone()
		w := discard{http.Header{}}
		h.ServeHTTP(&w, r)
		if w.header.Get("Content-Type") != "application/json" {
			b.Fatal(w.header)
		}
	}
}

const serverID = "11111111-2222-4333-8444-555555555555"

// serverDocument is as large as Nova's of a server with one network.
func serverDocument(id string, created time.Time) string {
	return fmt.Sprintf(`{"id": %q, "name": "server", "status": "ACTIVE", "tenant_id": "0123456789abcdef0123456789abcdef", "user_id": "fedcba98765432100123456789abcdef", `+
		`"metadata": {"a": "b"}, "hostId": "a1d2a1d2a1d2a1d2a1d2a1d2a1d2a1d2a1d2a1d2a1d2a1d2a1d2a1d2", "image": {"id": "70a599e0-31e7-49b7-b260-868f441e862b", `+
		`"links": [{"rel": "bookmark", "href": "http://pod0.compute/images/70a599e0-31e7-49b7-b260-868f441e862b"}]}, "flavor": {"vcpus": 1, "ram": 512, `+
		`"disk": 1, "ephemeral": 0, "swap": 0, "original_name": "m1.tiny", "extra_specs": {"hw:cpu": "1"}}, "created": %q, "updated": %[2]q, "addresses": {"net": `+
		`[{"version": 4, "addr": "192.168.0.3", "OS-EXT-IPS:type": "fixed", "OS-EXT-IPS-MAC:mac_addr": "fa:16:3e:11:22:33"}]}, "accessIPv4": "", "accessIPv6": "", `+
		`"links": [{"rel": "self", "href": "http://pod0.compute/v2.1/servers/%[1]s"}, {"rel": "bookmark", "href": "http://pod0.compute/servers/%[1]s"}], `+
		`"OS-DCF:diskConfig": "MANUAL", "progress": 0, "OS-EXT-AZ:availability_zone": "nova", "config_drive": "", "key_name": null, "OS-SRV-USG:launched_at": `+
		`"2026-01-02T03:04:05.000000", "OS-SRV-USG:terminated_at": null, "security_groups": [{"name": "default"}], "OS-EXT-STS:task_state": null, `+
		`"OS-EXT-STS:vm_state": "active", "OS-EXT-STS:power_state": 1, "os-extended-volumes:volumes_attached": [], "locked": false, "locked_reason": null, `+
		`"description": null, "tags": [], "trusted_image_certificates": null, "server_groups": []}`, id, created.UTC().Format(time.RFC3339))
}

func BenchmarkGateway_ByID(b *testing.B) {
	benchmark(b, 2, "GET", "/v2.1/servers/"+serverID, "", podtest.JSON(200, `{"server": `+serverDocument(serverID, time.Now())+`}`))
}

func BenchmarkGateway_Action(b *testing.B) {
	benchmark(b, 2, "POST", "/v2.1/servers/"+serverID+"/action", `{"lock": null}`, podtest.JSON(202, ``))
}

func BenchmarkGateway_Create(b *testing.B) {
	body := `{"server": {"name": "one", "imageRef": "70a599e0-31e7-49b7-b260-868f441e862b", "flavorRef": "1", "networks": "none", "availability_zone": "az-pod1"}}`
	benchmark(b, 2, "POST", "/v2.1/servers", body, podtest.JSON(202, `{"server": {"id": "`+serverID+`", "links": [], "OS-DCF:diskConfig": "MANUAL", "security_groups": [], "adminPass": "x"}}`))
}

// BenchmarkGateway_List1000 merges the pages of ten pods, of 110 rows each.
func BenchmarkGateway_List1000(b *testing.B) {
	pages := map[string]podtest.Handler{}
	now := time.Now()
	for pod := range 10 {
		var rows []string
		for i := range 110 {
			rows = append(rows, serverDocument(uuid.NewString(), now.Add(-time.Duration(i*10+pod)*time.Second)))
		}
		pages[fmt.Sprintf("pod%d.compute", pod)] = podtest.JSON(200, `{"servers": [`+strings.Join(rows, ", ")+`]}`)
	}
	benchmark(b, 10, "GET", "/v2.1/servers/detail?limit=1000", "", func(r *http.Request) (*http.Response, error) { return pages[r.URL.Host](r) })
}
