package policies

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/policies/event"
)

// A Gate says when a policy is asked, and what is done when it gives no answer.
// It is safe for concurrent use; its fields are set before the first Update and
// it must not be copied after it.
type Gate struct {
	Decider Decider
	Point   Point
	// DryRun marks every Decision so that nothing is done, DryRunRules those
	// of the rules that it names.
	DryRun      bool
	DryRunRules []string
	// Timeout is how long one answer may take; 0 is for ever.
	Timeout time.Duration
	// OnError and OnTimeout stand in for answers that did not come.
	OnError, OnTimeout StandIn
	// Recorder, if set, is told of each Decision that was made; of those
	// that were foreseen only if RecordForeseen says so too.
	Recorder       Recorder
	RecordForeseen bool

	asked, errors, timeouts atomic.Uint64
}

// A Recorder keeps a log of decisions. It is safe for concurrent use.
type Recorder interface {
	// Record takes a Decision with what it was made of. The error is why a
	// stand-in decided. It must not keep or change in.
	Record(in *Input, d Decision, err error)
}

// A StandIn is what is done with a connection when the policy gives no answer.
// Its zero value drops SSTP and lets the rest be, with an event.
type StandIn struct {
	// SSTP is for connections that are suspected or confirmed, Rest for all
	// others. "" stands for drop and for log. ActionAllow counts as ActionLog,
	// because an error is never a silent allow; unknown actions as ActionDrop.
	SSTP, Rest Action
}

func (s StandIn) action(v inspect.Verdict) Action {
	a, zero := s.Rest, ActionLog
	if v != inspect.VerdictUndetermined && v != inspect.VerdictCleared {
		a, zero = s.SSTP, ActionDrop
	}
	switch a {
	case "":
		return zero
	case ActionAllow, ActionLog:
		return ActionLog
	default:
		return ActionDrop
	}
}

// The rules of stand-ins.
const (
	RulePolicyError   = "gate.policy_error"
	RulePolicyTimeout = "gate.policy_timeout"
)

// Counts says how often a Gate asked, and how often no answer came.
type Counts struct{ Asked, Errors, Timeouts uint64 }

// Counts since the Gate was made.
func (g *Gate) Counts() Counts {
	return Counts{Asked: g.asked.Load(), Errors: g.errors.Load(), Timeouts: g.timeouts.Load()}
}

// Update tells that something happened to the connection that s belongs to, and
// returns what is to be done with it from now on. Changed says that this is not
// what the last Update returned; the first Decision is a change.
//
// The policy is asked once at each of StageConnect and StageHello, and at
// StageDetection when the Detection is not the one that it was last asked with
// (verdict, kind, score or set of proofs). Otherwise f is not looked at any
// further, so Update may be called more often than there is something to say.
//
// An audit calls Update once, at the end of a connection and with
// StageDetection: facts only accumulate, so the policy then sees all that it
// would have been asked with before. A policy that looks at the stage itself is
// audited by calling Update at each stage, as the other points do.
//
// With an error comes the Decision that stands in. The policy is not asked
// again before something changes.
func (g *Gate) Update(ctx context.Context, s *State, stage Stage, f *event.Flow) (d Decision, changed bool, err error) {
	if !s.due(stage, &f.Detection) {
		return s.Decision(), false, nil
	}
	if d, err = g.decide(ctx, stage, f); err != nil {
		err = fmt.Errorf("asking the policy about %v at stage %s: %w", f.Key, stage, err)
	}
	if s.decision != nil && *s.decision == d {
		return d, false, err
	}
	kept := d // only what is kept goes to the heap
	s.decision = &kept
	return d, true, err
}

// decide returns what the policy says to every such connection, or asks it about
// this one.
func (g *Gate) decide(ctx context.Context, stage Stage, f *event.Flow) (Decision, error) {
	foreseen, known := foresee(g.Decider, stage, g.Point, f.Detection.Verdict)
	if known && (g.Recorder == nil || !g.RecordForeseen) {
		return g.dry(foreseen), nil
	}
	in := NewInput(f, stage, g.Point)
	d, err := foreseen, error(nil)
	if !known {
		d, err = g.ask(ctx, in)
	}
	d = g.dry(d)
	if g.Recorder != nil {
		g.Recorder.Record(&in, d, err)
	}
	return d, err
}

// foresee asks d what it says to every connection of that verdict.
func foresee(d Decider, stage Stage, point Point, v inspect.Verdict) (Decision, bool) {
	if f, ok := d.(Foreseer); ok {
		return f.Foresee(stage, point, v)
	}
	return Decision{}, false
}

func (g *Gate) dry(d Decision) Decision {
	d.DryRun = d.DryRun || g.DryRun || slices.Contains(g.DryRunRules, d.Rule)
	return d
}

// ask returns the policy's Decision, or the one that stands in and the reason.
func (g *Gate) ask(ctx context.Context, in Input) (Decision, error) {
	g.asked.Add(1)
	a := Ask(ctx, g.Decider, in, g.Timeout)
	if a.Err == nil {
		return a.Decision, nil
	}
	standIn := Decision{Revision: a.Revision}
	if errors.Is(a.Err, context.DeadlineExceeded) {
		g.timeouts.Add(1)
		standIn.Action = g.OnTimeout.action(in.Detection.Verdict)
		standIn.Rule = RulePolicyTimeout
		standIn.Reason = "The policy gave no answer in time."
	} else {
		g.errors.Add(1)
		standIn.Action = g.OnError.action(in.Detection.Verdict)
		standIn.Rule = RulePolicyError
		standIn.Reason = fmt.Sprintf("The policy gave no answer: %v.", a.Err)
	}
	return standIn, a.Err
}
