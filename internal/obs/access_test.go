package obs

import (
	"bytes"
	"context"
	"log/slog"
	"regexp"
	"testing"
	"time"
)

// A line is the same whether it is spelled out here or by slog.
func TestLogAccess_IsWhatSlogWrites(t *testing.T) {
	spelled := regexp.MustCompile(`"time":"[^"]*"`)
	line := func(ctx context.Context, a *Access, batched bool) string {
		var out bytes.Buffer
		if !batched {
			LogAccess(ctx, NewLogger(&out, slog.LevelInfo, FormatJSON), a)
		} else {
			b := NewBatch(&out)
			LogAccess(ctx, NewLogger(b, slog.LevelInfo, FormatJSON), a)
			if err := b.Flush(); err != nil {
				t.Error(err)
			}
		}
		return spelled.ReplaceAllString(out.String(), `"time":""`)
	}
	inRequest := WithRequestID(t.Context(), "req-1", "req-2")
	SetCaller(inRequest, "project", "user")
	SetRoute(inRequest, "/servers/{id}")
	for _, ctx := range []context.Context{t.Context(), inRequest, WithPod(inRequest, "pod1")} {
		for _, a := range []Access{
			{},
			{Role: "nova-gw", Method: "GET", Path: "/v2.1/servers/1", Query: "limit=1&x=<y>%20'", Remote: "[::1]:1", Status: 200, Bytes: 1234, Took: 1234567},
			{Path: `/"\/`, Took: time.Hour},
			{Path: "/ü\x00\xff\u2028\x7f", Took: time.Microsecond},
			{Query: "a\tb", Took: 100 * time.Millisecond},
			{Method: "\n", Took: 10*time.Second + 1*time.Microsecond},
		} {
			if got, want := line(ctx, &a, true), line(ctx, &a, false); got != want || want == "" {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		}
	}
}

func TestLogAccess_TimeIsThatOfSlog(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 678900000, time.FixedZone("", 3600))
	line, _ := (&Access{}).appendJSON(t.Context(), nil, now)
	var out bytes.Buffer
	if err := slog.NewJSONHandler(&out, nil).Handle(t.Context(), slog.NewRecord(now, slog.LevelInfo, "request", 0)); err != nil {
		t.Fatal(err)
	}
	if want := bytes.TrimSuffix(out.Bytes(), []byte("}\n")); !bytes.HasPrefix(line, want) {
		t.Errorf("got %s, want it to begin with %s", line, want)
	}
}

func TestLogAccess_BelowItsLevel_IsNotWritten(t *testing.T) {
	var out bytes.Buffer
	b := NewBatch(&out)
	LogAccess(t.Context(), NewLogger(b, slog.LevelWarn, FormatJSON), &Access{})
	if err := b.Flush(); err != nil || out.Len() > 0 {
		t.Errorf("got %s, %v", &out, err)
	}
}

func TestLogAccess_Text_IsSlogs(t *testing.T) {
	var out bytes.Buffer
	b := NewBatch(&out)
	LogAccess(t.Context(), NewLogger(b, slog.LevelInfo, FormatText).With("a", "b"), &Access{Role: "ops"})
	if err := b.Flush(); err != nil || !bytes.Contains(out.Bytes(), []byte("msg=request a=b role=ops")) {
		t.Errorf("got %s, %v", &out, err)
	}
}
