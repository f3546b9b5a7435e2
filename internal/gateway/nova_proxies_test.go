package gateway_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tricircle/tricircle/internal/pod/podtest"
	"github.com/tricircle/tricircle/internal/store"
)

// What Nova shows for Glance has links to Glance, spelled by Nova with two slashes where Glance's endpoint ends in one.
func TestImages_Links_ToGlanceStay(t *testing.T) {
	const image = `{"images": [{"id": "7", "links": [{"rel": "self", "href": "http://east.compute/v2.1/images/7"},
		{"rel": "bookmark", "href": "http://east.compute/images/7"},
		{"rel": "alternate", "type": "application/vnd.openstack.image", "href": "%s"}]}]}`
	for _, glance := range []string{"http://127.0.0.1:9292//images/7", "http://127.0.0.1:9292/images/7", "https://cloud/image/images/7"} {
		u := single(t, podtest.JSON(200, fmt.Sprintf(image, glance)))
		want := strings.ReplaceAll(fmt.Sprintf(image, glance), "http://east.compute", public)
		w := ask(t, u.nova, "GET", "/v2.1/images", "")
		if diff := gocmp.Diff(want, w.Body.String()); diff != "" {
			t.Error(diff)
		}
	}
}

// twoPods are a top over east and west, the volume sid(2) in west, and what the pods were asked since the last time, as "west POST /path body".
func twoPods(t *testing.T, answer func(region string) podtest.Handler) (u *top, asked func() []string) {
	u = newTop(t)
	var mu sync.Mutex
	var all []string
	for _, region := range []string{"east", "west"} {
		var got seen
		h := got.then(answer(region))
		p := u.Register(&podtest.Pod{Region: region, Compute: func(req *http.Request) (*http.Response, error) {
			res, err := h(req)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, strings.TrimSpace(region+" "+got.url+" "+got.body))
			return res, err
		}})
		if region != "west" {
			continue
		}
		r := store.Routing{Type: store.Volume, TopID: sid(2), BottomID: sid(2), PodNum: p.Num}
		if err := u.routing.Record(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	return u, func() []string {
		mu.Lock()
		defer mu.Unlock()
		told := all
		all = nil
		return told
	}
}

func TestAssistedSnapshots_GoToThePodOfTheVolume(t *testing.T) {
	u, asked := twoPods(t, func(string) podtest.Handler { return podtest.JSON(200, `{"snapshot": {"id": "100"}}`) })
	const path = "/os-assisted-volume-snapshots"
	create := func(volume string) string { return `{"snapshot": {"volume_id": ` + volume + `, "create_info": {}}}` }
	info := func(volume string) string { return "?delete_info=" + url.QueryEscape(`{"volume_id": "`+volume+`"}`) }
	for _, c := range []struct{ method, target, body, want string }{
		{"POST", path, create(`"` + sid(2) + `"`), "west"},
		{"POST", path, create(`"` + sid(9) + `"`), "east"}, // one that nobody has: any pod says so
		{"POST", path, create(`7`), "east"},
		{"DELETE", path + "/" + sid(3) + info(sid(2)), "", "west"},
		{"DELETE", path + "/" + sid(3) + info(sid(9)), "", "east"},
		{"DELETE", path + "/" + sid(3), "", "east"},
	} {
		asked()
		w := ask(t, u.nova, c.method, "/v2.1"+c.target, c.body, "X-Auth-Token: admin")
		want := []string{strings.TrimSpace(c.want + " " + c.method + " " + c.target + " " + c.body)}
		effects := slices.DeleteFunc(asked(), func(call string) bool { return strings.Contains(call, " GET ") })
		if w.Code != 200 || !slices.Equal(effects, want) {
			t.Errorf("%s %s %s: got %d, asked %q, want %q", c.method, c.target, c.body, w.Code, effects, want)
		}
	}
}

func TestConsoleToken_ThatOnePodKnows_IsItsAnswer(t *testing.T) {
	const known = `{"console": {"instance_uuid": "7", "host": "h1", "port": 5900}}`
	u, asked := twoPods(t, func(region string) podtest.Handler {
		if region == "west" {
			return podtest.JSON(200, known)
		}
		return podtest.JSON(404, `{"itemNotFound": {"code": 404, "message": "Token not found"}}`)
	})
	w := ask(t, u.nova, "GET", "/v2.1/os-console-auth-tokens/"+sid(5), "", "X-Auth-Token: admin", "OpenStack-API-Version: compute 2.31")
	want := strings.Replace(known, `"h1"`, `"h1.west"`, 1)
	if w.Code != 200 || w.Body.String() != want {
		t.Errorf("got %s, want %s; asked %q", refusal(w), want, asked())
	}
}
