package policies

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect"
)

func fixed(d Decision, err error) Decider {
	return DeciderFunc(func(context.Context, Input) (Decision, error) { return d, err })
}

func TestComparison(t *testing.T) {
	drop := Decision{Action: ActionDrop, Reason: "SSTP.", Rule: "a"}
	allow := Decision{Action: ActionAllow, Reason: "Not SSTP.", Rule: "b"}
	with := func(d Decision, change func(*Decision)) Decision {
		change(&d)
		return d
	}
	tests := []struct {
		name     string
		old, new Decider
		want     Transition
		changed  bool
	}{
		{"same", fixed(drop, nil), fixed(drop, nil), Transition{From: "drop", To: "drop"}, false},
		{"other words", fixed(drop, nil), fixed(with(drop, func(d *Decision) { d.Reason, d.Rule, d.Revision = "No.", "c", "2" }), nil), Transition{From: "drop", To: "drop"}, false},
		{"action", fixed(drop, nil), fixed(allow, nil), Transition{From: "drop", To: "allow"}, true},
		{"ban", fixed(drop, nil), fixed(with(drop, func(d *Decision) { d.Ban = time.Minute }), nil), Transition{From: "drop", To: "drop", Details: true}, true},
		{"dry run", fixed(with(drop, func(d *Decision) { d.DryRun = true }), nil), fixed(drop, nil), Transition{From: "drop", To: "drop", Details: true}, true},
		{"error", fixed(drop, nil), fixed(Decision{}, errors.New("undefined")), Transition{From: "drop", To: "error"}, true},
		{"no decision", fixed(Decision{Action: "perhaps"}, nil), fixed(allow, nil), Transition{From: "error", To: "allow"}, true},
		{"two errors", fixed(Decision{}, errors.New("a")), fixed(Decision{}, errors.New("b")), Transition{From: "error", To: "error"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &Comparison{Old: tt.old, New: tt.new, Point: PointAudit, Timeout: time.Minute}
			p := c.Input(t.Context(), NewInput(flow(suspected), StageDetection, PointAudit))
			if p.Transition != tt.want || p.Changed() != tt.changed {
				t.Errorf("%+v, changed %v", p.Transition, p.Changed())
			}
			want := []TransitionCount{{tt.want, 1}}
			if diff := cmp.Diff(want, c.Counts()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What is foreseen is not asked, and what was said is not asked again.
func TestComparisonForesees(t *testing.T) {
	f := &foreseeing{decision: Decision{Action: ActionAllow, Reason: "Not SSTP.", Rule: "a"}}
	c := &Comparison{New: f, Point: PointAudit}
	said := Answer{Decision: f.decision}
	for range 3 {
		if p := c.Flow(t.Context(), flow(cleared), said); p.Changed() || p.From != "allow" {
			t.Errorf("%+v", p)
		}
	}
	if f.asked != 0 {
		t.Errorf("asked %d times", f.asked)
	}
	if p := c.Flow(t.Context(), flow(suspected), said); p.Changed() || f.asked != 1 {
		t.Errorf("%+v, asked %d times", p, f.asked)
	}
	if p := c.Flow(t.Context(), flow(cleared), Answer{Err: errors.New("undefined")}); p.Transition != (Transition{From: "error", To: "allow"}) {
		t.Errorf("%+v", p)
	}
}

// foreseeing knows what it says to cleared connections.
type foreseeing struct {
	decision Decision
	asked    int
}

func (f *foreseeing) Decide(context.Context, Input) (Decision, error) {
	f.asked++
	return f.decision, nil
}

func (f *foreseeing) Foresee(_ Stage, _ Point, v inspect.Verdict) (Decision, bool) {
	return f.decision, v == inspect.VerdictCleared
}

// Changes come first, the most frequent before the others.
func TestComparisonOrder(t *testing.T) {
	c := &Comparison{}
	say := func(n int, from, to Action) {
		for range n {
			c.count(Answer{Decision: Decision{Action: from}}, Answer{Decision: Decision{Action: to}})
		}
	}
	say(5, ActionAllow, ActionAllow)
	say(1, ActionDrop, ActionAllow)
	say(3, ActionLog, ActionDrop)
	say(1, ActionAllow, ActionDrop)
	var got []string
	for _, n := range c.Counts() {
		got = append(got, n.String())
	}
	want := []string{"log -> drop", "allow -> drop", "drop -> allow", "allow"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What is replayed is what was asked.
func TestReplay(t *testing.T) {
	f := flow(suspected)
	in := NewInput(f, StageDetection, PointAudit)
	e := in.Event
	e.Decision = Decision{Action: ActionDrop}.Event(PointAudit)
	e.OtherDecision = e.Decision
	if diff := cmp.Diff(in, Replay(&e, PointAudit), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}
