package inspect

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxScores is how many scores of other connections evidence names.
const maxScores = 8

type destinationMatcher struct{ DestinationMatch }

// match asks what else went to the server. Only a connection that is
// remembered itself has reason to.
func (m destinationMatcher) match(f *Flow) (string, bool) {
	if f.kept == nil {
		return "", false
	}
	halfLife := f.rules.memory.HalfLife
	others := f.in.memory.others(*f.kept, f.trace(), f.now, halfLife)
	if len(others) == 0 {
		return "", false
	}
	sum, oldest := 0.0, time.Duration(0)
	for i := range others {
		sum += others[i].left(f.now, halfLife)
		oldest = max(oldest, others[i].age(f.now))
	}
	n, score := len(others), int(sum)
	if m.Flows != nil && !m.Flows.Match(Size{n, n}) || m.Score != nil && !m.Score.Match(Size{score, score}) {
		return "", false
	}
	var b strings.Builder
	if n == 1 {
		fmt.Fprintf(&b, "1 other connection to %s in the last %s, score ", f.kept, minutes(oldest))
	} else {
		fmt.Fprintf(&b, "%d other connections to %s in the last %s, scores ", n, f.kept, minutes(oldest))
	}
	for i, o := range others {
		switch {
		case i == maxScores:
			b.WriteString(", ...")
			return b.String(), true
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString(strconv.Itoa(o.score))
	}
	return b.String(), true
}

// minutes writes a time as "2h10m": whole minutes, begun ones too, at least
// one.
func minutes(d time.Duration) string {
	n := max(1, (d+time.Minute-1)/time.Minute)
	switch h, m := n/60, n%60; {
	case h == 0:
		return fmt.Sprintf("%dm", m)
	case m == 0:
		return fmt.Sprintf("%dh", h)
	default:
		return fmt.Sprintf("%dh%dm", h, m)
	}
}

// recall enters the flow in the memory where its own score is worth it, takes
// it out where it is not any more, and says whether it is there.
func (f *Flow) recall() bool {
	m, rs := f.in.memory, f.rules
	if m == nil || !rs.remembers {
		return false
	}
	t := f.trace()
	t.score = f.detection.Score - f.borrowed
	if f.detection.Verdict == VerdictConfirmed {
		t.score = max(t.score, rs.settings.Suspected) // proof is worth a suspicion at least
	}
	d, known := f.destination()
	known = known && t.score >= rs.memory.Least
	if f.kept != nil && (!known || *f.kept != d) {
		m.drop(*f.kept, t)
		f.kept = nil
	}
	if !known {
		return false
	}
	if f.kept == nil {
		f.kept = &d
	}
	m.put(d, t, rs.memory.HalfLife)
	return true
}

// trace names the flow to the memory.
func (f *Flow) trace() trace {
	return trace{client: f.key.Client, start: f.start, at: f.now}
}
