package obs

import (
	"context"
	"log/slog"
	"strconv"
	"time"
)

// Access is what the access log says of a request, besides what its context tells. Route is what SetRoute noted.
type Access struct {
	Role, Method, Path, Query, Remote string
	Status                            int
	Bytes                             int64
	Took                              time.Duration
}

// LogAccess writes a line of the access log. Every request has one, and with slog it costs as much as the routing of the request:
// what the line holds is known beforehand, so in the common case it is spelled out here, byte for byte as slog does.
func LogAccess(ctx context.Context, log *slog.Logger, a *Access) {
	h, ours := log.Handler().(contextHandler)
	if ours && h.batch != nil && h.json {
		if !h.Enabled(ctx, slog.LevelInfo) {
			return
		}
		var room [1 << 10]byte
		if line, ok := a.appendJSON(ctx, room[:0], time.Now()); ok {
			_, _ = h.batch.Write(line) // as slog does: nobody is there to be told
			return
		}
	}
	log.LogAttrs(ctx, slog.LevelInfo, "request",
		slog.String(KeyRole, a.Role),
		slog.String(KeyRoute, Route(ctx)),
		slog.String(KeyMethod, a.Method),
		slog.String(KeyPath, a.Path),
		slog.String(KeyQuery, a.Query),
		slog.Int(KeyStatus, a.Status),
		slog.Int64(KeyBytes, a.Bytes),
		slog.Float64(KeyDuration, a.millis()),
		slog.String(KeyRemote, a.Remote))
}

func (a *Access) millis() float64 { return float64(a.Took.Microseconds()) / 1000 }

// appendJSON appends the line, unless it holds something that JSON spells in a way of its own.
func (a *Access) appendJSON(ctx context.Context, b []byte, now time.Time) (line []byte, ok bool) {
	own := [...]field{{KeyRole, a.Role}, {KeyRoute, Route(ctx)}, {KeyMethod, a.Method}, {KeyPath, a.Path}, {KeyQuery, a.Query}}
	remote, told := field{KeyRemote, a.Remote}, fields(ctx)
	if !allPlain(own[:]) || !allPlain(told[:]) || !isPlain(a.Remote) {
		return b, false
	}
	b = append(now.AppendFormat(append(b, `{"time":"`...), time.RFC3339Nano), `","level":"INFO","msg":"request"`...)
	for _, f := range own {
		b = f.appendJSON(b)
	}
	b = strconv.AppendInt(appendKey(b, KeyStatus), int64(a.Status), 10)
	b = strconv.AppendInt(appendKey(b, KeyBytes), a.Bytes, 10)
	b = strconv.AppendFloat(appendKey(b, KeyDuration), a.millis(), 'f', -1, 64)
	b = remote.appendJSON(b)
	for _, f := range told {
		if f.value != "" {
			b = f.appendJSON(b)
		}
	}
	return append(b, "}\n"...), true
}

func (f field) appendJSON(b []byte) []byte {
	return append(append(append(appendKey(b, f.key), '"'), f.value...), '"')
}

func appendKey(b []byte, key string) []byte {
	return append(append(append(b, `,"`...), key...), `":`...)
}

func allPlain(fields []field) bool {
	for _, f := range fields {
		if !isPlain(f.value) {
			return false
		}
	}
	return true
}

// isPlain tells whether s stands for itself in JSON.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
