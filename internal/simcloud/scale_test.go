package simcloud

import (
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"
)

// heap is what is allocated and in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestScale_Untouched_CostsNothing: a million servers and as many volumes in a hundred pods, listed to the end in one
// of them, and searched.
func TestScale_Untouched_CostsNothing(t *testing.T) {
	before := heap()
	cloud, c := start(t, Options{Pods: 100, Servers: 10_000, Volumes: 10_000})
	total := 0
	for url := nova(cloud, "/servers/detail"); url != ""; {
		r := c.do("GET", url, "", mv("93")...).want(t, 200)
		total += len(r.ids("servers"))
		url = r.str("servers_links", 0, "href")
	}
	if total != 10_000 {
		t.Errorf("the first pod lists %d servers, want 10000", total)
	}
	if got := c.do("GET", nova(cloud, "/servers?name=0009999$"), "").ids("servers"); len(got) != 1 {
		t.Errorf("the oldest server is found as %v", got)
	}
	const limit = 64 << 20
	if used := heap() - before; int64(used) > limit {
		t.Errorf("%d MiB are in use, want less than %d", used>>20, limit>>20)
	}
	runtime.KeepAlive(cloud)
}

// TestScale_Page_AllocatesByItsSize: the same page out of few and out of many costs the same, wherever it begins.
func TestScale_Page_AllocatesByItsSize(t *testing.T) {
	costs := map[int]float64{}
	for _, n := range []int{1000, 1_000_000} {
		cloud, c := start(t, Options{Pods: 1, Servers: n})
		middle := cloud.pods[0].compute.servers.gen.id(n / 2)
		costs[n] = testing.AllocsPerRun(5, func() { serveLocally(c, "/v2.1/servers/detail?limit=100&marker="+middle) })
	}
	if few, many := costs[1000], costs[1_000_000]; many > few*1.2 {
		t.Errorf("a page out of 1000 makes %.0f allocations, out of a million %.0f", few, many)
	}
}

// TestScale_Search_DoesNotAllocateByRow looks for a name through everything that is generated.
func TestScale_Search_DoesNotAllocateByRow(t *testing.T) {
	_, c := start(t, Options{Pods: 1, Servers: 200_000, Volumes: 200_000})
	for _, path := range []string{"/v2.1/servers?name=nosuch", "/v2.1/servers?status=PAUSED", "/v3/volumes?name=nosuch"} {
		if got := testing.AllocsPerRun(2, func() { serveLocally(c, path) }); got > 1000 {
			t.Errorf("%s in 200000 makes %.0f allocations", path, got)
		}
	}
}

// serveLocally calls the first pod's Nova or Cinder without a network, and returns the size of the answer.
func serveLocally(c *client, path string) int {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", path, nil)
	r.Header.Set("X-Auth-Token", c.token)
	r.Header.Set("OpenStack-API-Version", "compute 2.93, volume 3.70")
	if strings.HasPrefix(path, "/v3") {
		c.cloud.pods[0].volume.serve(w, r)
	} else {
		c.cloud.pods[0].compute.serve(w, r)
	}
	return w.Body.Len()
}

func benchmark(b *testing.B, path string) {
	cloud, err := Start(Options{Pods: 1, Servers: 1_000_000})
	if err != nil {
		b.Fatal(err)
	}
	defer cloud.Close()
	c := &client{cloud: cloud, token: cloud.Token("demo", "demo", time.Hour)}
	path = "/v2.1" + path + cloud.pods[0].compute.servers.gen.id(500_000)
	b.ReportAllocs()
	for b.Loop() {
		b.SetBytes(int64(serveLocally(c, path)))
	}
}

func BenchmarkServer_Show(b *testing.B)        { benchmark(b, "/servers/") }
func BenchmarkServers_Detail1000(b *testing.B) { benchmark(b, "/servers/detail?marker=") }
func BenchmarkServers_Summary(b *testing.B)    { benchmark(b, "/servers?limit=20&marker=") }

// BenchmarkServer_ShowOverTCP includes the client and two ends of a connection.
func BenchmarkServer_ShowOverTCP(b *testing.B) {
	cloud, err := Start(Options{Pods: 1, Servers: 1000})
	if err != nil {
		b.Fatal(err)
	}
	defer cloud.Close()
	token := cloud.Token("demo", "demo", time.Hour)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	defer client.CloseIdleConnections()
	url := nova(cloud, "/servers/"+cloud.pods[0].compute.servers.gen.id(1))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req, _ := http.NewRequest("GET", url, nil)
			req.Header.Set("X-Auth-Token", token)
			res, err := client.Do(req)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
	})
}
