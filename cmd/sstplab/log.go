package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/pflag"

	"sstpwarden/policies/event"
)

// logFlags say how what happens is told.
type logFlags struct {
	json    bool
	verbose bool
}

func (f *logFlags) register(fl *pflag.FlagSet) {
	fl.BoolVar(&f.json, "json", false, "tell what happens as one JSON object a line")
	fl.BoolVarP(&f.verbose, "verbose", "v", false, "tell more")
}

// logger returns a logger that writes to w.
func (f *logFlags) logger(w io.Writer) *slog.Logger {
	level := slog.LevelInfo
	if f.verbose {
		level = slog.LevelDebug
	}
	if f.json {
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: jsonKeys}))
	}
	return slog.New(&lineHandler{w: w, level: level, mu: new(sync.Mutex)})
}

// jsonKeys gives the record's own keys the names that events have.
func jsonKeys(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.MessageKey:
		a.Key = "event"
	case slog.LevelKey:
		a.Value = slog.StringValue(strings.ToLower(a.Value.String()))
	}
	return a
}

// A lineHandler writes a line for people: time, event, key=value.
type lineHandler struct {
	w     io.Writer
	level slog.Level
	attrs []slog.Attr
	mu    *sync.Mutex
}

// Enabled implements slog.Handler.
func (h *lineHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level }

// Handle implements slog.Handler.
func (h *lineHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %-13s", r.Time.Format("15:04:05.000"), r.Message)
	add := func(a slog.Attr) bool {
		v := a.Value.Resolve().String()
		if v == "" {
			return true
		}
		if v = event.Printable(v); strings.ContainsAny(v, " \"") {
			v = `"` + strings.ReplaceAll(v, `"`, `'`) + `"`
		}
		fmt.Fprintf(&b, "  %s=%s", a.Key, v)
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(add)
	b.WriteByte('\n')
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := io.WriteString(h.w, b.String())
	return err
}

// WithAttrs implements slog.Handler.
func (h *lineHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	more := *h
	more.attrs = append(slices.Clip(h.attrs), attrs...)
	return &more
}

// WithGroup implements slog.Handler. Groups are not used.
func (h *lineHandler) WithGroup(string) slog.Handler { return h }
