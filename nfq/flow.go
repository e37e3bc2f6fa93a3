package nfq

import (
	"context"
	"errors"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tcpflow"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
)

// A flow is a connection that carried payload: a tcpflow.Stream that has the policy asked
// about what it is fed.
type flow struct {
	w       *Worker
	conn    *tcpflow.Conn // nil once the table forgot it
	flow    *inspect.Flow // nil once the verdict is not Accept
	verdict Verdict       // on its packets

	gate     policies.State
	decision policies.Decision
	connect  bool // the policy was asked at that stage
	hello    bool
	waits    bool      // for the answer to a question
	spent    bool      // it was told that its budget is
	told     judgement // as which it was told of; the zero one if it was not

	leaving bool // the verdict was given to a packet
	leftAt  time.Time
}

// A judgement is what of a flow makes it worth telling again.
type judgement struct {
	verdict inspect.Verdict
	kind    inspect.Kind
	score   int
	rule    string
}

// Feed implements tcpflow.Stream.
func (fl *flow) Feed(s inspect.Segment) (changed bool) {
	if fl.Settled() {
		return false
	}
	changed = fl.flow.Feed(s)
	fl.judge(changed)
	return changed
}

// Settled implements tcpflow.Stream.
func (fl *flow) Settled() bool { return fl.verdict.Action != Accept }

// judge asks the policy at the stages that were reached, and because the Detection
// changed.
func (fl *flow) judge(changed bool) {
	o := fl.flow.Observation()
	if o.Connect != nil && !fl.connect {
		fl.connect = true
		fl.ask(policies.StageConnect)
	}
	if o.TLS != nil && o.TLS.Hello && !fl.hello {
		fl.hello = true
		fl.ask(policies.StageHello)
	}
	if changed {
		fl.ask(policies.StageDetection)
	}
	fl.settle()
}

// ask asks the policy, and acts on what it says. A flow that was stopped is not asked
// about again.
func (fl *flow) ask(stage policies.Stage) {
	if fl.Settled() {
		return
	}
	w := fl.w
	fl.describe(event.StateOpen)
	d, changed, err := w.gate.Update(context.Background(), &fl.gate, stage, &w.info)
	if err != nil {
		cause := CausePolicyError
		if errors.Is(err, context.DeadlineExceeded) {
			cause = CausePolicyTimeout
		}
		w.exception(cause, 1, err.Error())
	}
	if !changed {
		return
	}
	before := fl.decision
	fl.decision = d
	switch {
	case d.Action == policies.ActionDrop && !d.DryRun:
		fl.block()
		return
	case fl.notable() && fl.told == judgement{}:
		fl.tell(event.StateOpen)
	}
	if d.Action == policies.ActionDrop && before.Action != policies.ActionDrop {
		w.counts.wouldBlock.Add(1)
	}
	if d.Probe && !before.Probe && !d.DryRun {
		fl.probe()
	}
}

// notable says that events tell of the flow.
func (fl *flow) notable() bool {
	return fl.decision.Action == policies.ActionLog || fl.decision.Action == policies.ActionDrop
}

// block has the kernel stop the connection, and bans where the policy wants that.
func (fl *flow) block() {
	w, d := fl.w, &fl.decision
	fl.tell(event.StateClosed)
	w.log.dropped(fl.conn.Key(), d, w.now)
	if d.Ban > 0 && w.config.Ban != nil && fl.flow.Observation().Connect == nil {
		w.counts.bans.Add(1)
		key := fl.conn.Key()
		w.config.Ban(key.Client, key.Server, d.Ban)
	}
	fl.verdict = Verdict{Action: Block, Reset: d.Reset || w.config.Reset, Rule: d.Rule}
	fl.release(Block)
}

// settle leaves the kernel the rest where nothing more can change what is done: the flow is
// settled, or a tunnel runs that the policy lets be.
func (fl *flow) settle() {
	if fl.Settled() {
		return
	}
	d := fl.flow.Detection()
	allowed := d.Kind == inspect.KindTunnel && fl.suspicious() && fl.decision.Action != "" && !fl.waits
	if fl.flow.Settled() || allowed {
		fl.let(fl.decision.Rule)
	}
}

func (fl *flow) suspicious() bool {
	return fl.flow.Detection().Verdict.Strength() >= inspect.VerdictSuspected.Strength()
}

// let lets the flow go.
func (fl *flow) let(rule string) {
	fl.finish(event.StateOpen)
	fl.verdict = Verdict{Action: Settle, Rule: rule}
	fl.release(Settle)
}

// spend counts what was seen of the flow against its budget.
func (fl *flow) spend() {
	w := fl.w
	spent := fl.conn.Traffic(inspect.ClientToServer).Payload + fl.conn.Traffic(inspect.ServerToClient).Payload
	if spent <= w.config.Budget && !w.simulated[CauseUndecided] || fl.waits {
		return
	}
	if fl.suspicious() { // the policy has said what it wants
		fl.let(fl.decision.Rule)
		return
	}
	if !fl.spent {
		fl.spent = true
		fl.except(CauseUndecided, w.config.Exceptions.Undecided, "Nothing was found out about it for long.")
	}
}

// except does what was chosen for a cause.
func (fl *flow) except(c Cause, choice Choice, reason string) {
	w := fl.w
	w.exception(c, 1, "")
	switch choice {
	case Let:
		fl.let(c.rule())
	case Cut:
		fl.decision = w.cutting(c, reason)
		if fl.decision.DryRun {
			w.counts.wouldBlock.Add(1)
			fl.let(c.rule())
			return
		}
		fl.block()
	default:
	}
}

// finish tells of a flow that is not looked at any more, where it is worth it: as closed,
// or as open if that was not told already.
func (fl *flow) finish(state string) {
	if fl.notable() && (state == event.StateClosed || fl.told != fl.judgement()) {
		fl.tell(state)
	}
}

func (fl *flow) judgement() judgement {
	d := fl.flow.Detection()
	return judgement{d.Verdict, d.Kind, d.Score, fl.decision.Rule}
}

func (fl *flow) tell(state string) {
	fl.told = fl.judgement()
	fl.describe(state)
	fl.w.tell(&fl.decision)
}

func (fl *flow) describe(state string) {
	w := fl.w
	w.begin(fl.conn, state)
	w.info.Observation, w.info.Detection = fl.flow.Observation(), fl.flow.Detection()
}

// release lets go of what is needed only while the flow is looked at.
func (fl *flow) release(a Action) {
	w := fl.w
	w.counts.watched.Add(-1)
	switch a {
	case Settle:
		w.counts.settled.Add(1)
	case Block:
		w.counts.blocked.Add(1)
	default:
	}
	w.info.Observation, w.info.Detection = nil, inspect.Detection{}
	fl.flow, fl.gate, fl.decision, fl.told = nil, policies.State{}, policies.Decision{}, judgement{}
}
