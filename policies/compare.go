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
// changes between them. It is safe for concurrent use; its fields are set before
// the first connection.
type Comparison struct {
	// Old is asked by Input alone: Flow is told what was said.
	Old, New Decider
	Point    Point
	// Timeout is how long one answer may take; 0 is for ever.
	Timeout time.Duration

	mu     sync.Mutex
	counts map[Transition]uint64
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

// Flow compares what the new policy says to a connection as it is now with what
// was said to it.
func (c *Comparison) Flow(ctx context.Context, f *event.Flow, before Answer) Pair {
	if after, known := foresee(c.New, StageDetection, c.Point, f.Detection.Verdict); known {
		return c.count(before, Answer{Decision: after})
	}
	return c.count(before, Ask(ctx, c.New, NewInput(f, StageDetection, c.Point), c.Timeout))
}

// Input asks both policies about an Input.
func (c *Comparison) Input(ctx context.Context, in Input) Pair {
	return c.count(Ask(ctx, c.Old, in, c.Timeout), Ask(ctx, c.New, in, c.Timeout))
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
