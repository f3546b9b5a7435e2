package simcloud

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestFault_Kinds_DoWhatTheySay(t *testing.T) {
	cloud, c := start(t, Options{Pods: 2, Servers: 3})
	url := nova(cloud, "/servers")
	called := false
	for _, x := range []struct {
		name  string
		fault Fault
		check func(r reply, err error) bool
	}{
		{"status", Fault{Status: 503}, func(r reply, _ error) bool {
			return r.status == 503 && r.str("serviceUnavailable", "message") != ""
		}},
		{"reset", Fault{Reset: true}, func(_ reply, err error) bool { return errors.Is(err, syscall.ECONNRESET) }},
		{"half a body", Fault{HalfBody: true}, func(_ reply, err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
		{"HTML", Fault{HTML: true}, func(r reply, _ error) bool {
			return r.status == 200 && strings.HasPrefix(r.header.Get("Content-Type"), "text/html")
		}},
		{"wrong JSON", Fault{WrongJSON: true}, func(r reply, _ error) bool { return r.status == 200 && r.at("servers") == nil }},
		{"redirect", Fault{Redirect: true}, func(r reply, _ error) bool { return r.status == 302 }},
		{"huge body", Fault{HugeBody: 1 << 20}, func(r reply, _ error) bool {
			return r.status == 200 && len(r.text) == 1<<20 && r.header.Get("Content-Length") == ""
		}},
		{"reset in the body", Fault{ResetBody: true}, func(_ reply, err error) bool {
			return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.ErrUnexpectedEOF)
		}},
		{"slow body", Fault{SlowBody: time.Microsecond}, func(r reply, _ error) bool { return r.status == 200 && len(r.ids("servers")) == 3 }},
		{"HTML with a status", Fault{HTML: true, Status: 404}, func(r reply, _ error) bool {
			return r.status == 404 && strings.HasPrefix(r.header.Get("Content-Type"), "text/html")
		}},
		{"status with Retry-After", Fault{Status: 429, RetryAfter: 7}, func(r reply, _ error) bool {
			return r.status == 429 && r.header.Get("Retry-After") == "7"
		}},
		{"before", Fault{Before: func() { called = true }}, func(r reply, _ error) bool { return called && r.status == 200 }},
		{"latency", Fault{Latency: time.Millisecond}, func(r reply, _ error) bool { return r.status == 200 && len(r.ids("servers")) == 3 }},
	} {
		t.Run(x.name, func(t *testing.T) {
			cloud.Pod(0).SetFault(x.fault)
			if r, err := c.try("GET", url, ""); !x.check(r, err) {
				t.Errorf("got %d %.200s, %v", r.status, r.text, err)
			}
			c.do("GET", cloud.Pod(1).ComputeURL+"/v2.1/servers", "").want(t, 200)
			cloud.Pod(0).SetFault(Fault{})
			c.do("GET", url, "").want(t, 200)
		})
	}
}

func TestFault_LostReply_HasExecutedTheRequest(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	cloud.Pod(0).SetFault(Fault{LostReply: true, Methods: []string{"POST"}})
	if r, err := c.try("POST", nova(cloud, "/servers"), strings.Replace(bootBody, "%s", stableCirros, 1), mv("93")...); err == nil {
		t.Fatalf("got an answer: %d %s", r.status, r.text)
	}
	if got := c.do("GET", nova(cloud, "/servers"), "").ids("servers"); len(got) != 1 {
		t.Errorf("there are %d servers, want the one whose creation was not answered", len(got))
	}
}

func TestFault_HalfJSON_IsACompleteAnswer(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1, Servers: 3})
	cloud.Pod(0).SetFault(Fault{HalfJSON: true})
	req, err := http.NewRequestWithContext(t.Context(), "GET", nova(cloud, "/servers"), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Auth-Token", c.token)
	res, err := c.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		t.Fatal(err)
	}
	if json.Valid(body) || !strings.HasPrefix(string(body), `{"servers"`) || res.StatusCode != 200 {
		t.Errorf("got %d %s", res.StatusCode, body)
	}
}

func TestFault_Executed_HasExecutedTheRequestOnce(t *testing.T) {
	for status, f := range map[int]Fault{503: {Status: 503}, 302: {Redirect: true}, 202: {Latency: time.Nanosecond}} {
		cloud, c := start(t, Options{Pods: 1})
		f.Methods, f.Executed = []string{"POST"}, true
		cloud.Pod(0).SetFault(f)
		c.do("POST", nova(cloud, "/servers"), strings.Replace(bootBody, "%s", stableCirros, 1), mv("93")...).want(t, status)
		if got := c.do("GET", nova(cloud, "/servers"), "").ids("servers"); len(got) != 1 {
			t.Errorf("%d: there are %d servers, want one", status, len(got))
		}
	}
}

func TestFault_Restricted_HitsNothingElse(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	cloud.Pod(0).SetFault(Fault{Status: 500, Service: "compute", PathContains: "/flavors", Methods: []string{"GET"}, Count: 2})
	c.do("GET", nova(cloud, "/servers"), "").want(t, 200)
	c.do("GET", neutron(cloud, "/networks"), "").want(t, 200)
	c.do("POST", nova(cloud, "/flavors"), "{}").want(t, 403)
	c.do("GET", nova(cloud, "/flavors"), "").want(t, 500)
	c.do("GET", nova(cloud, "/flavors"), "").want(t, 500)
	c.do("GET", nova(cloud, "/flavors"), "").want(t, 200)
}

func TestFault_Hang_EndsWhenTheClientLeavesOrTheFaultIsCleared(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	cloud.Pod(0).SetFault(Fault{Hang: true})
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", nova(cloud, "/servers"), nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		res, err := c.http.Do(req)
		if err == nil {
			err = res.Body.Close()
		}
		done <- err
	}()
	awaitRequests(t, cloud.Pod(0), 1)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the client that left got %v", err)
	}
	answered := make(chan int)
	go func() {
		r, _ := c.try("GET", nova(cloud, "/servers"), "")
		answered <- r.status
	}()
	awaitRequests(t, cloud.Pod(0), 2)
	cloud.Pod(0).SetFault(Fault{})
	if got := <-answered; got != 200 {
		t.Errorf("the client that waited got %d, want 200", got)
	}
}

// awaitRequests returns when n requests have arrived at the pod. A pod that hangs tells nobody so, hence the polling.
func awaitRequests(t *testing.T, p *Pod, n int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for p.RequestCount() < n {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%d requests arrived, want %d", p.RequestCount(), n)
		}
	}
}

func TestPod_Restarted_IsThereAgainWithItsState(t *testing.T) {
	cloud, c := start(t, Options{Pods: 2})
	id := c.boot("vm")
	url := nova(cloud, "/servers/"+id)
	cloud.Pod(0).Stop()
	for _, at := range []string{url, cinder(cloud, "/volumes"), neutron(cloud, "/networks")} {
		if _, err := c.try("GET", at, ""); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s: got %v, want connection refused", at, err)
		}
	}
	c.do("GET", cloud.Pod(1).ComputeURL+"/v2.1/servers", "").want(t, 200)
	if err := cloud.Pod(0).Restart(); err != nil {
		t.Fatal(err)
	}
	c.do("GET", url, "").want(t, 200)
}

func TestPod_Requests_AreTheLatestInOrder(t *testing.T) {
	cloud, c := start(t, Options{Pods: 1})
	for range journalSize {
		c.do("GET", nova(cloud, "/limits"), "")
	}
	c.do("GET", nova(cloud, "/servers?limit=1"), "", mv("53")...)
	c.do("GET", cinder(cloud, "/types"), "")
	p := cloud.Pod(0)
	all := p.Requests()
	if len(all) != journalSize || p.RequestCount() != journalSize+2 {
		t.Fatalf("%d requests are remembered of %d", len(all), p.RequestCount())
	}
	want := Request{Service: "compute", Method: "GET", Path: "/v2.1/servers?limit=1", Version: "compute 2.53"}
	if got := all[journalSize-2]; got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := all[journalSize-1].Service; got != "volume" {
		t.Errorf("the last request went to %s, want volume", got)
	}
	p.ResetRequests()
	if len(p.Requests()) != 0 || p.RequestCount() != 0 {
		t.Error("requests are left after the reset")
	}
}
