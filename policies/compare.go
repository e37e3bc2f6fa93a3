package policies

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"sstpwarden/policies/event"
)

// A Comparison asks two policies about the same connections and counts what
// changes between them. It is safe for concurrent use; Old and New are set
// before the first connection.
type Comparison struct {
	Old, New Decider
	Point    Point
	// Timeout is how long one answer may take; 0 is for ever.
	Timeout time.Duration

	mu     sync.Mutex
	counts map[Transition]uint64
}

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

// A Transition is from one outcome to another. Where the outcomes are the same,
// Details says that a ban, reset, interception, probe or dry run differs.
type Transition struct {
	From, To string
	Details  bool
}

// Changed says that the two policies would do different things.
func (t Transition) Changed() bool { return t.From != t.To || t.Details }

// A Pair is what two policies say to one connection.
type Pair struct {
	Old, New Answer
	Transition
}

// Flow asks about a connection as it is now.
func (c *Comparison) Flow(ctx context.Context, f *event.Flow) Pair {
	v := f.Detection.Verdict
	before, known := foresee(c.Old, StageDetection, c.Point, v)
	after, also := foresee(c.New, StageDetection, c.Point, v)
	if known && also {
		return c.count(Answer{Decision: before}, Answer{Decision: after})
	}
	return c.Input(ctx, NewInput(f, StageDetection, c.Point))
}

// Input asks about an Input.
func (c *Comparison) Input(ctx context.Context, in Input) Pair {
	return c.count(c.answer(ctx, c.Old, in), c.answer(ctx, c.New, in))
}

func (c *Comparison) answer(ctx context.Context, decider Decider, in Input) Answer {
	if c.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.Timeout)
		defer cancel()
	}
	d, err := decider.Decide(ctx, in)
	if err == nil {
		err = d.check()
	}
	return Answer{d, err}
}

func (c *Comparison) count(before, after Answer) Pair {
	p := Pair{Old: before, New: after, Transition: Transition{From: before.Outcome(), To: after.Outcome()}}
	p.Details = p.From == p.To && before.Err == nil && before.details() != after.details()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[Transition]uint64{}
	}
	c.counts[p.Transition]++
	return p
}

// details are what of a Decision has an effect beside the action. A reason, a
// rule's name and the revision have none.
func (d *Decision) details() Decision {
	return Decision{Reset: d.Reset, Ban: d.Ban, Intercept: d.Intercept, Probe: d.Probe, DryRun: d.DryRun}
}

// A TransitionCount says how many connections made a transition.
type TransitionCount struct {
	Transition
	Flows uint64
}

// Counts gives the transitions that occurred: those that change something
// first, and of these the most frequent.
func (c *Comparison) Counts() []TransitionCount {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]TransitionCount, 0, len(c.counts))
	for t, n := range c.counts {
		out = append(out, TransitionCount{t, n})
	}
	slices.SortFunc(out, func(a, b TransitionCount) int {
		if a.Changed() != b.Changed() {
			if a.Changed() {
				return -1
			}
			return 1
		}
		if a.Flows != b.Flows {
			if a.Flows > b.Flows {
				return -1
			}
			return 1
		}
		return slices.Compare([]string{a.From, a.To}, []string{b.From, b.To})
	})
	return out
}

// String words a transition: "drop -> allow", "drop (other details)".
func (t Transition) String() string {
	switch {
	case t.From != t.To:
		return fmt.Sprintf("%s -> %s", t.From, t.To)
	case t.Details:
		return t.From + " (other details)"
	}
	return t.From
}
