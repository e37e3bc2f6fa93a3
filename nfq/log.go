package nfq

import (
	"log/slog"
	"time"
)

// logInterval is how often one cause is logged at most.
const logInterval = 10 * time.Second

// A causeLog logs each cause when it first comes up, and from then on how often it did.
type causeLog struct {
	log    *slog.Logger
	causes [numCauses]struct {
		next   time.Time
		untold uint64
		detail string // of the last time
	}
}

// note logs that a cause came up n times, now or later.
func (l *causeLog) note(c Cause, n uint64, now time.Time, detail string) {
	k := &l.causes[c]
	k.untold += n
	k.detail = detail
	if !now.Before(k.next) {
		l.tell(c, now)
	}
}

// flush logs what has waited long enough.
func (l *causeLog) flush(now time.Time) {
	for c := range l.causes {
		if k := &l.causes[c]; k.untold > 0 && !now.Before(k.next) {
			l.tell(Cause(c), now)
		}
	}
}

func (l *causeLog) tell(c Cause, now time.Time) {
	k := &l.causes[c]
	args := []any{"cause", c.String(), "times", k.untold}
	if k.detail != "" {
		args = append(args, "last", k.detail)
	}
	l.log.Warn("exception", args...)
	k.untold, k.detail, k.next = 0, "", now.Add(logInterval)
}
