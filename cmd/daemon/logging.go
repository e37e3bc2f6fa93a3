package daemon

import (
	"io"
	"log"
	"log/slog"
	"strings"

	"sstpwarden/policies/event"
)

// newLogger makes the log. Whatever of a text a terminal would act on is
// escaped, also in JSON: it may come from the wire.
func newLogger(w io.Writer, c Log) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Level)) // it was checked
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(inert{w}, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// takeLibraryLog has what libraries say by package log, such as net/http of servers that
// answer what was not asked, go where other lines go: for who looks closely.
func takeLibraryLog(l *slog.Logger) {
	log.SetFlags(0)
	log.SetOutput(libraryLog{l})
}

type libraryLog struct{ log *slog.Logger }

// Write implements io.Writer; package log writes line by line.
func (l libraryLog) Write(line []byte) (int, error) {
	l.log.Debug("library", "text", event.Printable(strings.TrimSpace(string(line))))
	return len(line), nil
}

// inert escapes in JSON what slog leaves as it stands.
type inert struct{ w io.Writer }

func (i inert) Write(line []byte) (int, error) {
	if _, err := i.w.Write(event.Inert(line)); err != nil {
		return 0, err
	}
	return len(line), nil
}
