package policies

import (
	"context"
	"time"

	"sstpwarden/policies/event"
)

// An Answer is what a policy says: a Decision, or why there is none.
type Answer struct {
	Decision
	Err error
}

// Outcome is the action in a word, "error" where there is none.
func (a Answer) Outcome() string {
	if a.Err != nil {
		return "error"
	}
	return string(a.Action)
}

// Event gives a as it stands in an event from that point: an error has the
// action "error" and its text for a reason.
func (a Answer) Event(p Point) *event.Decision {
	if a.Err == nil {
		return a.Decision.Event(p)
	}
	return &event.Decision{Action: a.Outcome(), Reason: a.Err.Error(), Rule: RulePolicyError, Revision: a.Revision}
}

// Ask asks d, for so long at most; 0 is for ever. What no Decider may answer is
// an error too.
func Ask(ctx context.Context, d Decider, in Input, timeout time.Duration) Answer {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	decision, err := d.Decide(ctx, in)
	if err == nil {
		err = decision.check()
	}
	return Answer{decision, err}
}
