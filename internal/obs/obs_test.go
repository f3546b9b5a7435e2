package obs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func lineOf(t *testing.T, ctx context.Context, args ...any) map[string]any {
	t.Helper()
	var out bytes.Buffer
	NewLogger(&out, slog.LevelInfo, FormatJSON).InfoContext(ctx, "hello", args...)
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%v in %s", err, &out)
	}
	delete(line, "time")
	delete(line, "level")
	return line
}

func TestLogger_InRequest_AddsWhatTheContextTells(t *testing.T) {
	ctx := WithRequestID(t.Context(), "req-1", "req-2")
	SetCaller(ctx, "proj", "user")
	inPod := WithPod(ctx, "pod1")
	want := map[string]any{"msg": "hello", "a": "b", KeyRequestID: "req-1", KeyGlobalRequestID: "req-2",
		KeyProjectID: "proj", KeyUserID: "user", KeyPod: "pod1"}
	if diff := cmp.Diff(want, lineOf(t, inPod, "a", "b")); diff != "" {
		t.Errorf("inside (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, lineOf(t, ctx, "a", "b")); diff != "" {
		t.Errorf("outermost, after the handler learned it (-want +got):\n%s", diff)
	}
}

func TestLogger_SeveralPods_BranchNamesItsOwn(t *testing.T) {
	ctx := WithRequestID(t.Context(), "req-1", "")
	one, _ := WithPod(ctx, "pod1"), WithPod(ctx, "pod2")
	if got := lineOf(t, one)[KeyPod]; got != "pod1" {
		t.Errorf("branch: got %v", got)
	}
	if got := lineOf(t, ctx)[KeyPod]; got != severalPods {
		t.Errorf("request: got %v", got)
	}
}

func TestLogger_OutsideOfRequest_AddsNothing(t *testing.T) {
	SetCaller(t.Context(), "proj", "user")
	SetRoute(t.Context(), "route")
	if diff := cmp.Diff(map[string]any{"msg": "hello"}, lineOf(t, t.Context())); diff != "" {
		t.Error(diff)
	}
}

func TestLogger_WithAttrs_KeepsContext(t *testing.T) {
	var out bytes.Buffer
	NewLogger(&out, slog.LevelInfo, FormatText).With("role", "x").WithGroup("g").
		InfoContext(WithRequestID(t.Context(), "req-1", ""), "m")
	if !strings.Contains(out.String(), "role=x") || !strings.Contains(out.String(), "request_id=req-1") {
		t.Errorf("got %s", &out)
	}
}

func TestLogger_BelowLevel_IsSilent(t *testing.T) {
	var out bytes.Buffer
	NewLogger(&out, slog.LevelWarn, FormatAuto).Info("m")
	if out.Len() > 0 {
		t.Errorf("got %s", &out)
	}
}

func TestRequestID_Form(t *testing.T) {
	if id := NewRequestID(); !ValidRequestID(id) {
		t.Errorf("own id %q is not valid", id)
	}
	for _, id := range []string{"", "req-", "req-6EF8D2B0-0000-4000-8000-000000000000", "6ef8d2b0-0000-4000-8000-000000000000",
		"req-------------------------------------", "req-6ef8d2b0-0000-4000-8000-000000000000x"} {
		if ValidRequestID(id) {
			t.Errorf("%q is valid", id)
		}
	}
}

func TestSecret_NowhereShown(t *testing.T) {
	const value = "hunter2"
	s := struct{ Password Secret }{value}
	js, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	line := lineOf(t, t.Context(), "plain", s.Password, "struct", s, "list", []Secret{value})
	for _, shown := range []string{fmt.Sprintf("%v %+v %#v %s %q %x", s, s, s, s.Password, s.Password, s.Password),
		string(js), fmt.Sprint(line)} {
		if strings.Contains(shown, value) || strings.Contains(shown, "68756e74657232") {
			t.Errorf("leaked: %s", shown)
		}
		if !strings.Contains(shown, redacted) {
			t.Errorf("no %s in %s", redacted, shown)
		}
	}
	if string(s.Password) != value || Secret("").String() != "" {
		t.Errorf("conversion or empty secret wrong")
	}
}

func exposed(m *Metrics) string {
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

func TestMetrics_Exposed_BoundedLabels(t *testing.T) {
	m := NewMetrics()
	m.ObserveHTTP("nova-gw", "server.show", "GET", 204, time.Second)
	m.ObserveHTTP("nova-gw", "", "BREW", 999, time.Second)
	m.ObservePod("pod1", "compute", StatusClass(503), time.Second)
	m.SetPodHealth("pod1", true)
	m.SetBreakerOpen("pod1", false)
	m.SetPodBelowCeiling("pod1", true)
	got := exposed(m)
	for _, want := range []string{
		`tricircle_http_requests_total{code="2xx",method="GET",role="nova-gw",route="server.show"} 1`,
		`tricircle_http_requests_total{code="other",method="other",role="nova-gw",route="none"} 1`,
		`tricircle_http_request_duration_seconds_bucket{code="2xx",method="GET",role="nova-gw",route="server.show",le="0.5"} 0`,
		`tricircle_http_request_duration_seconds_bucket{code="2xx",method="GET",role="nova-gw",route="server.show",le="1"} 1`,
		`tricircle_pod_requests_total{class="5xx",pod="pod1",service="compute"} 1`,
		`tricircle_pod_health{pod="pod1"} 1`,
		`tricircle_pod_breaker_open{pod="pod1"} 0`,
		`tricircle_pod_below_ceiling{pod="pod1"} 1`,
		`tricircle_build_info{goversion="go1.`, "go_goroutines ", "process_open_fds ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	m.ForgetPod("pod1")
	if strings.Contains(exposed(m), "pod1") {
		t.Errorf("pod1 is still there")
	}
}
