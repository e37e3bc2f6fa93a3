package policies

import (
	"context"
	"fmt"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/policies/event"
)

// An Action is what is to be done with a connection. The zero value is none.
type Action string

// The actions.
const (
	ActionAllow Action = "allow" // let it be
	ActionLog   Action = "log"   // let it be, and tell
	ActionDrop  Action = "drop"  // end it, and tell
)

// Valid says that a is one of the three.
func (a Action) Valid() bool {
	return a == ActionAllow || a == ActionLog || a == ActionDrop
}

// A Decision is what is to be done with a connection, and why.
type Decision struct {
	Action Action
	// Reason is a sentence for people. It may hold text from the wire.
	Reason string
	// Rule is the name of what decided: the policy's own, or "gate.policy_error"
	// and the like where a stand-in did.
	Rule string
	// Revision is that of the policy.
	Revision string
	// Reset tells both ends of a drop, instead of leaving them to time out.
	Reset bool
	// Ban, with a drop, refuses the next attempts for so long; 0 is none.
	Ban time.Duration
	// Intercept opens the connection's TLS. This breaks SSTP's crypto binding.
	Intercept bool
	// Probe asks the server whether it speaks SSTP.
	Probe bool
	// DryRun says that nothing is to be done, whatever the rest says.
	DryRun bool
}

// Event gives d as it stands in an event from that point.
func (d Decision) Event(p Point) *event.Decision {
	out := &event.Decision{
		Action:    string(d.Action),
		Reason:    d.Reason,
		Rule:      d.Rule,
		Revision:  d.Revision,
		Enforced:  p != PointAudit && !d.DryRun,
		Reset:     d.Reset,
		Intercept: d.Intercept,
		Probe:     d.Probe,
		DryRun:    d.DryRun,
	}
	if d.Ban != 0 {
		out.Ban = d.Ban.String()
	}
	return out
}

// A Decider answers what is to be done. It is safe for concurrent use.
type Decider interface {
	// Decide gives up when ctx is done, with an error
	// that is ctx's. Of the Decision that comes with an error only the
	// Revision counts.
	Decide(ctx context.Context, in Input) (Decision, error)
}

// A Foreseer is a Decider that knows some answers before it is asked. Most
// connections are cleared or undetermined: what a policy says to all of them
// alike need not be worked out for each.
type Foreseer interface {
	Decider
	// Foresee returns the Decision on every Input of that stage, point and
	// verdict, and true, if the rest of the Input cannot change it.
	Foresee(Stage, Point, inspect.Verdict) (Decision, bool)
}

// A DeciderFunc is a function as a Decider.
type DeciderFunc func(ctx context.Context, in Input) (Decision, error)

// Decide calls f.
func (f DeciderFunc) Decide(ctx context.Context, in Input) (Decision, error) { return f(ctx, in) }

// check finds what no Decider may answer.
func (d *Decision) check() error {
	switch {
	case !d.Action.Valid():
		return fmt.Errorf("policy decided on %q: want allow, log or drop", d.Action)
	case d.Reason == "" || d.Rule == "":
		return fmt.Errorf("policy decided on %s without a reason or a rule", d.Action)
	}
	return nil
}
