// Package obs is what an operator sees of a process: logs, metrics and the request ids that join them.
//
// It imports nothing of ours and knows no service; every package may use it.
package obs

import (
	"context"
	"io"
	"log/slog"
	"os"
)

// The formats of NewLogger.
const (
	FormatJSON = "json"
	FormatText = "text"
	FormatAuto = "auto" // text on a terminal, else json
)

// NewLogger makes a logger that writes lines at level and above to w, and adds to each line what its context tells:
// request ids, project, user and pod. A format that is none of the three is json.
func NewLogger(w io.Writer, level slog.Level, format string) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	batch, _ := w.(*Batch)
	if format == FormatText || format == FormatAuto && isTerminal(w) {
		return slog.New(contextHandler{slog.NewTextHandler(w, options), batch, false})
	}
	return slog.New(contextHandler{slog.NewJSONHandler(w, options), batch, true})
}

func isTerminal(w io.Writer) bool {
	if b, ok := w.(*Batch); ok {
		w = b.w
	}
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// contextHandler adds the attributes of the context to each record. In a logger made by WithGroup they become members of
// the group: group values (slog.Group), not loggers.
type contextHandler struct {
	slog.Handler
	batch *Batch // that it writes to, or nil
	json  bool   // lines are JSON, without attributes of the logger's own
}

func (h contextHandler) Handle(ctx context.Context, r slog.Record) error {
	r = r.Clone() // the caller may still hold it
	addAttrs(ctx, &r)
	if err := h.Handler.Handle(ctx, r); err != nil || h.batch == nil || r.Level < slog.LevelWarn {
		return err
	}
	return h.batch.Flush() // what is wrong must not be lost if it is the end
}

func (h contextHandler) WithAttrs(as []slog.Attr) slog.Handler {
	return contextHandler{h.Handler.WithAttrs(as), h.batch, false}
}

func (h contextHandler) WithGroup(name string) slog.Handler {
	return contextHandler{h.Handler.WithGroup(name), h.batch, false}
}
