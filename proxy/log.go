package proxy

import (
	"context"
	"log"
	"log/slog"
	"strings"
	"sync"
	"time"

	"sstpwarden/policies/event"
)

// logInterval is how often one cause is logged at most, and logBurst how many of
// them at once: a flood must not become one of log lines. What was left out is
// counted in the next line.
const (
	logInterval = time.Second
	logBurst    = 10
)

// A limitedLog logs each cause no more often than anybody can read.
type limitedLog struct {
	log    *slog.Logger
	mu     sync.Mutex
	causes map[string]*cause
}

type cause struct {
	since      time.Time
	lines      int
	suppressed int
}

// warn logs what the operator should look at.
func (l *limitedLog) warn(cause, message string, args ...any) {
	if l.admit(cause, &args) {
		l.log.Warn(message, args...)
	}
}

// refuse logs what the proxy's own rules refused.
func (l *limitedLog) refuse(cause, reason string, args ...any) {
	if l.admit("refused "+cause, &args) {
		l.log.Info("refused", append([]any{"reason", reason}, args...)...)
	}
}

// ended logs the end of a connection: ordinary ones for who looks closely.
func (l *limitedLog) ended(how string, args func() []any) {
	if how == event.EndClient || how == event.EndServer {
		if l.log.Enabled(context.Background(), slog.LevelDebug) {
			l.log.Debug("connection ended", args()...)
		}
		return
	}
	if a := args(); l.admit("ended "+how, &a) {
		l.log.Info("connection ended", a...)
	}
}

// httpLog has what net/http says about connections go where goproxy's lines go,
// and warns of what only a defect of ours makes it say.
func (l *limitedLog) httpLog() *log.Logger { return log.New(httpLines{l}, "", 0) }

type httpLines struct{ log *limitedLog }

// Write implements io.Writer; net/http writes line by line.
func (l httpLines) Write(b []byte) (int, error) {
	line := event.Printable(strings.TrimSpace(string(b)))
	if strings.Contains(line, "panic serving") {
		l.log.warn("http", "serving HTTP", "text", line)
	} else {
		l.log.log.Debug("net/http", "text", line)
	}
	return len(b), nil
}

// admit says that a line is written, and adds how many were not.
func (l *limitedLog) admit(name string, args *[]any) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.causes == nil {
		l.causes = map[string]*cause{}
	}
	c := l.causes[name]
	if c == nil {
		c = &cause{}
		l.causes[name] = c
	}
	now := time.Now()
	if now.Sub(c.since) >= logInterval {
		c.since, c.lines = now, 0
	}
	if c.lines >= logBurst {
		c.suppressed++
		return false
	}
	c.lines++
	if c.suppressed > 0 {
		*args = append(*args, "suppressed", c.suppressed)
		c.suppressed = 0
	}
	return true
}
