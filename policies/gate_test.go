package policies

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect"
	"sstpwarden/policies/event"
)

var now = time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)

func flow(d inspect.Detection) *event.Flow {
	return &event.Flow{
		Key: inspect.FlowKey{
			Client: netip.MustParseAddrPort("10.1.2.3:50000"),
			Server: netip.MustParseAddrPort("198.51.100.7:443"),
		},
		Start: now.Add(-time.Minute), Last: now,
		Detection: d,
	}
}

var (
	undetermined = inspect.Detection{Verdict: inspect.VerdictUndetermined}
	suspected    = inspect.Detection{Verdict: inspect.VerdictSuspected, Score: 40}
	confirmed    = inspect.Detection{Verdict: inspect.VerdictConfirmed, Score: 40}
	cleared      = inspect.Detection{Verdict: inspect.VerdictCleared, Score: -20}
)

// asking is a Decider that drops SSTP and keeps what it was asked.
type asking struct{ inputs []Input }

func (a *asking) Decide(_ context.Context, in Input) (Decision, error) {
	a.inputs = append(a.inputs, in)
	d := Decision{Action: ActionAllow, Reason: "Not SSTP.", Rule: "test.rest", Revision: "1"}
	if v := in.Detection.Verdict; v == inspect.VerdictSuspected || v == inspect.VerdictConfirmed {
		d = Decision{Action: ActionDrop, Reason: "SSTP.", Rule: "test.sstp", Revision: "1", Reset: true}
	}
	return d, nil
}

func proof(rule string) inspect.Evidence { return inspect.Evidence{Rule: rule, Proof: true} }

// The policy is asked once at the stages that come once, and then when the
// Detection changes in what matters.
func TestGateAsks(t *testing.T) {
	with := func(d inspect.Detection, change func(*inspect.Detection)) inspect.Detection {
		change(&d)
		return d
	}
	evidence := func(list ...inspect.Evidence) func(*inspect.Detection) {
		return func(d *inspect.Detection) { d.Evidence = list }
	}
	type update struct {
		stage     Stage
		detection inspect.Detection
		asks      bool
		changed   bool
	}
	tests := map[string][]update{
		"ordinary": {
			{StageHello, undetermined, true, true},
			{StageDetection, undetermined, false, false},
			{StageDetection, cleared, true, false},
			{StageDetection, cleared, false, false},
		},
		"tunnel through a proxy": {
			{StageConnect, undetermined, true, true},
			{StageConnect, undetermined, false, false},
			{StageHello, undetermined, true, false},
			{StageHello, undetermined, false, false},
			{StageDetection, undetermined, false, false},
			{StageDetection, suspected, true, true},
			{StageDetection, confirmed, true, false},
		},
		"end of a capture": {
			{StageDetection, undetermined, true, true},
			{StageDetection, undetermined, false, false},
		},
		"a stage after the change that it brings": {
			{StageDetection, suspected, true, true},
			{StageConnect, suspected, true, false},
			{StageDetection, suspected, false, false},
		},
		"kind": {
			{StageDetection, suspected, true, true},
			{StageDetection, with(suspected, func(d *inspect.Detection) { d.Kind = inspect.KindTunnel }), true, false},
		},
		"score": {
			{StageDetection, suspected, true, true},
			{StageDetection, with(suspected, func(d *inspect.Detection) { d.Score++ }), true, false},
		},
		"proofs": {
			{StageDetection, with(confirmed, evidence(proof("a"))), true, true},
			{StageDetection, with(confirmed, evidence(proof("a"), proof("b"))), true, false},
			{StageDetection, with(confirmed, evidence(proof("b"), proof("a"))), false, false},
			{StageDetection, with(confirmed, evidence(proof("b"))), true, false},
		},
		"what does not matter": {
			{StageDetection, suspected, true, true},
			{StageDetection, with(suspected, evidence(inspect.Evidence{Rule: "a", Detail: "x"})), false, false},
			{StageDetection, with(suspected, func(d *inspect.Detection) { d.Client, d.Server = "windows", "rras" }), false, false},
			{StageDetection, with(suspected, func(d *inspect.Detection) { d.Probability = 0.5 }), false, false},
		},
		"back and forth": {
			{StageDetection, suspected, true, true},
			{StageDetection, cleared, true, true},
			{StageDetection, suspected, true, true},
		},
	}
	for name, updates := range tests {
		t.Run(name, func(t *testing.T) {
			a := &asking{}
			g := &Gate{Decider: a, Point: PointProxy}
			var s State
			for i, u := range updates {
				before := len(a.inputs)
				d, changed, err := g.Update(context.Background(), &s, u.stage, flow(u.detection))
				if err != nil {
					t.Fatal(err)
				}
				if asked := len(a.inputs) > before; asked != u.asks || changed != u.changed {
					t.Errorf("update %d: asked %t, changed %t, want %t and %t", i, asked, changed, u.asks, u.changed)
				}
				want := ActionAllow
				if a.inputs[len(a.inputs)-1].Detection.Verdict.Strength() >= inspect.VerdictSuspected.Strength() {
					want = ActionDrop
				}
				if d.Action != want || d != s.Decision() {
					t.Errorf("update %d: got %+v, kept %+v, want %s", i, d, s.Decision(), want)
				}
			}
			if c := g.Counts(); c != (Counts{Asked: uint64(len(a.inputs))}) {
				t.Errorf("counts %+v for %d inputs", c, len(a.inputs))
			}
		})
	}
}

func TestGateInput(t *testing.T) {
	a := &asking{}
	g := &Gate{Decider: a, Point: PointAudit}
	f := flow(suspected)
	f.Source = "a.pcap"
	if _, _, err := g.Update(context.Background(), &State{}, StageHello, f); err != nil {
		t.Fatal(err)
	}
	want := []Input{{Event: event.New(f), Stage: StageHello, Point: PointAudit, Time: event.NewTime(now)}}
	if diff := cmp.Diff(want, a.inputs, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if a.inputs[0].Decision != nil {
		t.Error("the policy is shown a decision")
	}
}

func TestGateDryRun(t *testing.T) {
	g := &Gate{Decider: &asking{}, Point: PointNFQ, DryRun: true}
	d, _, err := g.Update(context.Background(), &State{}, StageDetection, flow(suspected))
	if err != nil || d.Action != ActionDrop || !d.DryRun {
		t.Errorf("got %+v, %v", d, err)
	}
	g.Decider = DeciderFunc(func(context.Context, Input) (Decision, error) { return Decision{}, errors.New("no") })
	if d, _, _ := g.Update(context.Background(), &State{}, StageDetection, flow(suspected)); !d.DryRun {
		t.Errorf("stand-in is no dry run: %+v", d)
	}
}

// What stands in for an answer that did not come: never an allow, and counted.
func TestGateStandsIn(t *testing.T) {
	fails := func(err error) DeciderFunc {
		return func(context.Context, Input) (Decision, error) {
			return Decision{Action: ActionAllow, Revision: "7"}, err
		}
	}
	answers := func(d Decision) DeciderFunc {
		return func(context.Context, Input) (Decision, error) { return d, nil }
	}
	broken := errors.New("broken")
	tests := []struct {
		name    string
		decider Decider
		rule    string
	}{
		{"error", fails(broken), RulePolicyError},
		{"cancelled", fails(context.Canceled), RulePolicyError},
		{"timeout", fails(context.DeadlineExceeded), RulePolicyTimeout},
		{"no action", answers(Decision{Reason: "r", Rule: "x", Revision: "7"}), RulePolicyError},
		{"unknown action", answers(Decision{Action: "reject", Reason: "r", Rule: "x", Revision: "7"}), RulePolicyError},
		{"no reason", answers(Decision{Action: ActionAllow, Rule: "x", Revision: "7"}), RulePolicyError},
		{"no rule", answers(Decision{Action: ActionAllow, Reason: "r", Revision: "7"}), RulePolicyError},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := &Gate{Decider: tt.decider}
			var s State
			for detection, want := range map[*inspect.Detection]Action{
				&suspected: ActionDrop, &confirmed: ActionDrop, &undetermined: ActionLog, &cleared: ActionLog, {}: ActionDrop,
			} {
				d, _, err := g.Update(context.Background(), &s, StageDetection, flow(*detection))
				if err == nil || !strings.Contains(err.Error(), "10.1.2.3:50000 > 198.51.100.7:443") {
					t.Errorf("error %v", err)
				}
				if d.Action != want || d.Rule != tt.rule || d.Revision != "7" || d.Reason == "" || d.Reset || d.Ban != 0 {
					t.Errorf("%v: got %+v, want %s", detection.Verdict, d, want)
				}
				again, changed, err := g.Update(context.Background(), &s, StageDetection, flow(*detection))
				if again != d || changed || err != nil {
					t.Errorf("again: got %+v, %t, %v", again, changed, err)
				}
			}
			want := Counts{Asked: 5, Errors: 5}
			if tt.rule == RulePolicyTimeout {
				want = Counts{Asked: 5, Timeouts: 5}
			}
			if c := g.Counts(); c != want {
				t.Errorf("counts %+v, want %+v", c, want)
			}
		})
	}
}

func TestStandIn(t *testing.T) {
	for _, tt := range []struct {
		in         StandIn
		sstp, rest Action
	}{
		{StandIn{}, ActionDrop, ActionLog},
		{StandIn{SSTP: ActionLog, Rest: ActionDrop}, ActionLog, ActionDrop},
		{StandIn{SSTP: ActionAllow, Rest: ActionAllow}, ActionLog, ActionLog},
		{StandIn{SSTP: "reject", Rest: "pass"}, ActionDrop, ActionDrop},
	} {
		for v, want := range map[inspect.Verdict]Action{
			0: tt.sstp, inspect.VerdictSuspected: tt.sstp, inspect.VerdictConfirmed: tt.sstp,
			inspect.VerdictUndetermined: tt.rest, inspect.VerdictCleared: tt.rest,
		} {
			if got := tt.in.action(v); got != want {
				t.Errorf("%+v, %v: got %s, want %s", tt.in, v, got, want)
			}
		}
	}
	// The two causes have their own.
	g := &Gate{
		Decider: DeciderFunc(func(context.Context, Input) (Decision, error) { return Decision{}, context.DeadlineExceeded }),
		OnError: StandIn{SSTP: ActionDrop}, OnTimeout: StandIn{SSTP: ActionLog},
	}
	if d, _, _ := g.Update(context.Background(), &State{}, StageDetection, flow(suspected)); d.Action != ActionLog {
		t.Errorf("timeout: got %+v", d)
	}
}

// A Decider that waits for ctx is given up after Timeout, one that does not is
// given no deadline.
func TestGateTimeout(t *testing.T) {
	waits := DeciderFunc(func(ctx context.Context, _ Input) (Decision, error) {
		<-ctx.Done()
		return Decision{}, ctx.Err()
	})
	g := &Gate{Decider: waits, Timeout: time.Millisecond}
	d, changed, err := g.Update(context.Background(), &State{}, StageDetection, flow(suspected))
	if !errors.Is(err, context.DeadlineExceeded) || !changed || d.Rule != RulePolicyTimeout {
		t.Errorf("got %+v, %t, %v", d, changed, err)
	}
	g = &Gate{Decider: DeciderFunc(func(ctx context.Context, _ Input) (Decision, error) {
		if _, ok := ctx.Deadline(); ok {
			t.Error("a deadline without Timeout")
		}
		return Decision{Action: ActionAllow, Reason: "r", Rule: "x"}, nil
	})}
	if _, _, err := g.Update(context.Background(), &State{}, StageDetection, flow(suspected)); err != nil {
		t.Error(err)
	}
}

func TestGateConcurrent(t *testing.T) {
	g := &Gate{Decider: DeciderFunc(func(_ context.Context, in Input) (Decision, error) {
		if in.Detection.Score%2 == 0 {
			return Decision{}, errors.New("even")
		}
		return Decision{Action: ActionAllow, Reason: "r", Rule: "x"}, nil
	})}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			var s State
			for i := range 100 {
				d := suspected
				d.Score = i
				got, _, err := g.Update(context.Background(), &s, StageDetection, flow(d))
				if (err != nil) != (i%2 == 0) || !got.Action.Valid() {
					t.Errorf("score %d: got %+v, %v", i, got, err)
				}
			}
		})
	}
	wg.Wait()
	if c := g.Counts(); c != (Counts{Asked: 400, Errors: 200}) {
		t.Errorf("counts %+v", c)
	}
}

// There may be a million flows, and an Update for many of their packets.
func TestStateIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(State{}); size > 40 {
		t.Errorf("a State takes %d bytes", size)
	}
	g := &Gate{Decider: &asking{}}
	f := flow(suspected)
	f.Detection.Evidence = slices.Repeat([]inspect.Evidence{proof("a")}, 10)
	var s State
	update := func() {
		if _, _, err := g.Update(context.Background(), &s, StageDetection, f); err != nil {
			t.Fatal(err)
		}
	}
	update()
	if n := testing.AllocsPerRun(100, update); n != 0 {
		t.Errorf("an Update without news allocates %v times", n)
	}
}

func TestStateOfNewFlow(t *testing.T) {
	var s State
	if d := s.Decision(); d != (Decision{}) || d.Action.Valid() {
		t.Errorf("a flow that nobody asked about has %+v", d)
	}
}

func TestDecisionEvent(t *testing.T) {
	d := Decision{
		Action: ActionDrop, Reason: "r", Rule: "x", Revision: "1", Reset: true, Ban: 90 * time.Second, Intercept: true, Probe: true,
	}
	want := event.Decision{
		Action: "drop", Reason: "r", Rule: "x", Revision: "1", Enforced: true,
		Reset: true, Ban: "1m30s", Intercept: true, Probe: true,
	}
	if diff := cmp.Diff(&want, d.Event(PointNFQ)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if d.Event(PointAudit).Enforced || !d.Event(PointProxy).Enforced {
		t.Error("an audit enforces, or the proxy does not")
	}
	d.DryRun = true
	if e := d.Event(PointNFQ); e.Enforced || !e.DryRun {
		t.Errorf("a dry run: %+v", e)
	}
	if e := (Decision{Action: ActionAllow}).Event(PointProxy); e.Ban != "" {
		t.Errorf("no ban is %q", e.Ban)
	}
}

func BenchmarkUpdateWithoutNews(b *testing.B) {
	g := &Gate{Decider: &asking{}}
	f := flow(suspected)
	f.Detection.Evidence = slices.Repeat([]inspect.Evidence{proof("a")}, 5)
	var s State
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := g.Update(context.Background(), &s, StageDetection, f); err != nil {
			b.Fatal(err)
		}
	}
}

// recording keeps what it is told.
type recording struct {
	inputs    []Input
	decisions []Decision
	errors    []error
}

func (r *recording) Record(in *Input, d Decision, err error) {
	r.inputs, r.decisions, r.errors = append(r.inputs, *in), append(r.decisions, d), append(r.errors, err)
}

// A Recorder is told of what was decided, as it counts in the end.
func TestGateRecords(t *testing.T) {
	foreseer := &foreseeing{decision: Decision{Action: ActionAllow, Reason: "Not SSTP.", Rule: "a", Revision: "1"}}
	for _, tt := range []struct {
		name     string
		gate     *Gate
		of       inspect.Detection
		want     []Decision
		wantFail bool
	}{
		{"asked", &Gate{Decider: foreseer}, suspected, []Decision{foreseer.decision}, false},
		{"foreseen", &Gate{Decider: foreseer}, cleared, nil, false},
		{"foreseen and wanted", &Gate{Decider: foreseer, RecordForeseen: true}, cleared, []Decision{foreseer.decision}, false},
		{"dry run", &Gate{Decider: foreseer, DryRunRules: []string{"b", "a"}}, suspected, []Decision{{Action: ActionAllow, Reason: "Not SSTP.", Rule: "a", Revision: "1", DryRun: true}}, false},
		{"error", &Gate{Decider: fixed(Decision{}, errors.New("broken"))}, suspected, []Decision{{Action: ActionDrop, Reason: "The policy gave no answer: broken.", Rule: RulePolicyError}}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r recording
			tt.gate.Recorder, tt.gate.Point = &r, PointNFQ
			d, _, err := tt.gate.Update(t.Context(), &State{}, StageDetection, flow(tt.of))
			if (err != nil) != tt.wantFail {
				t.Error(err)
			}
			if diff := cmp.Diff(tt.want, r.decisions); diff != "" {
				t.Error(diff)
			}
			if len(tt.want) == 0 {
				return
			}
			if diff := cmp.Diff(tt.want[0], d); diff != "" {
				t.Error(diff)
			}
			if in := r.inputs[0]; in.Point != PointNFQ || in.Detection.Verdict != tt.of.Verdict || (r.errors[0] != nil) != tt.wantFail {
				t.Errorf("%+v, %v", in, r.errors[0])
			}
		})
	}
}

// A rule's dry run is not another's.
func TestGateDryRunRules(t *testing.T) {
	g := Gate{Decider: &asking{}, DryRunRules: []string{"test.sstp"}}
	for _, tt := range []struct {
		of   inspect.Detection
		want bool
	}{{suspected, true}, {cleared, false}} {
		d, _, err := g.Update(t.Context(), &State{}, StageDetection, flow(tt.of))
		if err != nil || d.DryRun != tt.want {
			t.Errorf("%v: %+v, %v", tt.of.Verdict, d, err)
		}
	}
}
