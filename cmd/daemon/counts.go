package daemon

import (
	"strings"
	"sync/atomic"

	"sstpwarden/inspect"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
)

// eventCounts counts events by verdict and action.
type eventCounts [len(verdicts)][len(actions)]atomic.Uint64

// The words that events are counted by; the first stands for all others.
var (
	verdicts = [...]inspect.Verdict{inspect.VerdictUndetermined, inspect.VerdictSuspected, inspect.VerdictConfirmed, inspect.VerdictCleared}
	actions  = [...]policies.Action{"", policies.ActionAllow, policies.ActionLog, policies.ActionDrop}
)

func (c *eventCounts) add(e *event.Event) {
	action := policies.Action("")
	if e.Decision != nil {
		action = policies.Action(e.Decision.Action)
	}
	c[index(verdicts[:], e.Detection.Verdict)][index(actions[:], action)].Add(1)
}

// index of a word, 0 for one that is not known.
func index[T comparable](words []T, word T) int {
	for i, w := range words {
		if w == word {
			return i
		}
	}
	return 0
}

// A destination of records, as metrics name it.
type destination struct{ record, destination string }

type sum struct{ written, lost uint64 }

// sums counts by destination. Two that differ in their passwords alone have the
// same name, and labels are UTF-8.
func (r *records) sums() map[destination]sum {
	out := map[destination]sum{}
	for _, k := range r.sinks {
		name := destination{k.record, strings.ToValidUTF8(k.Dest(), "\ufffd")}
		n := out[name]
		out[name] = sum{n.written + k.Written(), n.lost + k.Lost()}
	}
	return out
}
