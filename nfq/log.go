package nfq

import (
	"log/slog"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/policies"
)

// logInterval is how often one cause is logged at most.
const logInterval = 10 * time.Second

// dropBurst is how many dropped connections are logged in a second at most. Events tell
// of all.
const dropBurst = 10

// A workerLog logs each cause when it first comes up, and from then on how often it did,
// and the connections that were stopped.
type workerLog struct {
	log   *slog.Logger
	drops struct {
		since  time.Time
		lines  int
		untold uint64
	}
	causes [numCauses]struct {
		next   time.Time
		untold uint64
		detail string // of the last time
	}
}

// note logs that a cause came up n times, now or later.
func (l *workerLog) note(c Cause, n uint64, now time.Time, detail string) {
	k := &l.causes[c]
	k.untold += n
	k.detail = detail
	if !now.Before(k.next) {
		l.tell(c, now)
	}
}

// flush logs what has waited long enough.
func (l *workerLog) flush(now time.Time) {
	for c := range l.causes {
		if k := &l.causes[c]; k.untold > 0 && !now.Before(k.next) {
			l.tell(Cause(c), now)
		}
	}
}

func (l *workerLog) tell(c Cause, now time.Time) {
	k := &l.causes[c]
	args := []any{"cause", c.String(), "times", k.untold}
	if k.detail != "" {
		args = append(args, "last", k.detail)
	}
	l.log.Warn("exception", args...)
	k.untold, k.detail, k.next = 0, "", now.Add(logInterval)
}

// dropped logs that a connection was stopped.
func (l *workerLog) dropped(key inspect.FlowKey, d *policies.Decision, now time.Time) {
	k := &l.drops
	if now.Sub(k.since) >= time.Second {
		k.since, k.lines = now, 0
	}
	if k.lines >= dropBurst {
		k.untold++
		return
	}
	k.lines++
	args := []any{"client", key.Client, "server", key.Server, "rule", d.Rule, "reason", d.Reason}
	if k.untold > 0 {
		args = append(args, "suppressed", k.untold)
		k.untold = 0
	}
	l.log.Info("connection dropped", args...)
}
