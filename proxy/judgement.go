package proxy

import (
	"context"
	"errors"
	"net"

	"sstpwarden/inspect"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
)

var (
	errDropped = errors.New("dropped by the policy")
	errLate    = errors.New("the ClientHello came too slowly for the connection to be opened, which the policy wants")
	errBehind  = errors.New("TLS that begins behind something else cannot be opened, which the policy wants")
)

// ask asks the policy about what was noted. The error is why the connection may
// not go on.
func (k *session) ask() error {
	k.mu.Lock()
	defer k.unlock()
	return k.judge(true)
}

// askNoted asks the policy if something was noted that it does not know of.
func (k *session) askNoted() error {
	k.mu.Lock()
	defer k.unlock()
	return k.judge(false)
}

// judge asks the policy at the stages that were reached, and because the Detection
// changed. What is seen after the session's end changes nothing.
func (k *session) judge(changed bool) error {
	switch {
	case k.ended:
		return net.ErrClosed
	case k.dropped():
		return errDropped // and that is final
	}
	changed = changed || k.noted
	k.noted = false
	o := k.flow.Observation()
	before := k.decision
	if o.Connect != nil && !k.connect {
		k.connect = true
		k.update(policies.StageConnect)
	}
	if o.TLS != nil && o.TLS.Hello && !k.hello {
		k.hello = true
		k.update(policies.StageHello)
		k.opening = k.wantsOpening()
	}
	if changed {
		k.update(policies.StageDetection)
	}
	if k.decision != before {
		k.decided(before)
	}
	k.settle()
	switch {
	case k.dropped():
		return errDropped
	case k.opening && k.began && !k.opened:
		k.opening = false
		k.srv.counts.notOpened.Add(1)
		switch {
		case k.late:
			return errLate
		case k.srv.config.Intercept.FailClosed:
			return errBehind
		}
	}
	return nil
}

func (k *session) update(stage policies.Stage) {
	k.info.Observation, k.info.Detection = k.flow.Observation(), k.flow.Detection()
	d, _, err := k.srv.config.Gate.Update(context.Background(), &k.gate, stage, k.eventFlow())
	if err != nil {
		k.srv.log.warn("policy", "the policy gave no answer", "client", k.info.Key.Client, "err", err)
	}
	k.decision = d
}

// decided acts on a new decision.
func (k *session) decided(before policies.Decision) {
	if k.decision.Action == policies.ActionLog && !k.told {
		k.told = true
		k.tell(event.StateOpen)
	}
	if k.decision.Probe && !before.Probe && !k.decision.DryRun {
		k.probe()
	}
}

// dropped says that the connection must end.
func (k *session) dropped() bool {
	return k.decision.Action == policies.ActionDrop && !k.decision.DryRun
}

// settle leaves the path where nothing more can change what is done: the flow is
// settled, or a tunnel runs that the policy lets be. One in clear is not that far
// before it is confirmed, which the policy may think differently of.
func (k *session) settle() {
	if k.dropped() || k.settled.Load() {
		return
	}
	d, least := k.flow.Detection(), inspect.VerdictConfirmed
	if k.flow.Observation().TLS != nil {
		least = inspect.VerdictSuspected
	}
	allowed := d.Kind == inspect.KindTunnel && d.Verdict.Strength() >= least.Strength() &&
		k.decision.Action != "" && !k.decision.Probe
	if k.flow.Settled() || allowed && !k.opened {
		k.settled.Store(true)
	}
}

// learn takes evidence that did not come from the bytes.
func (k *session) learn(e inspect.Evidence) {
	k.mu.Lock()
	err := k.judge(k.flow.Learn(e))
	k.unlock()
	if errors.Is(err, errDropped) {
		k.end(event.EndDropped, nil)
	}
}
