package pppref

import (
	"slices"

	"sstpwarden/inspect/ppp"
)

// established is LCP's This-Layer-Up.
func (l *Link) established() {
	peer, method := &l.options.peer, l.agreedMethod()
	l.emit(LCPUp{
		Method: method, Magic: l.options.magic, PeerMRU: peer.mru, ACFC: peer.acfc, PFC: peer.pfc,
	})
	l.startEcho()
	for _, text := range l.cfg.Identification {
		l.send(ppp.ProtocolLCP, ppp.Identification{Identifier: l.lcp.nextIdentifier(), MagicNumber: l.options.magic, Message: text})
	}
	l.phase = Authenticate
	switch {
	case method != 0:
		l.authenticate(method)
	case l.cfg.Quirks.SkipAuthentication:
		l.authenticated(Authenticated{})
	default:
		l.fail(failure(StepAuthentication, "the server asks for no authentication: whoever answers there may be somebody else"))
	}
}

// authenticated goes on after the client has proved who it is.
func (l *Link) authenticated(a Authenticated) {
	if l.hasLeased && a.Name != l.user {
		l.fail(failure(StepAuthentication, "the link was %q's and would now be %q's", l.user, a.Name))
		return
	}
	l.emit(a)
	if l.cfg.Role == Server && !l.hasLeased {
		if err := l.lease(a.Name); err != nil {
			l.fail(err)
			return
		}
	}
	l.user, l.hasLeased = a.Name, true
	if l.options.callback() && l.cfg.Quirks.Callback {
		l.startCallback()
		return
	}
	l.startNetwork()
}

// lease gets the user's addresses, and gives up IPCP if there are none.
func (l *Link) lease(name string) *Error {
	assigned, err := l.cfg.Assign(name)
	if err != nil {
		return &Error{Step: StepAddresses, Reason: "no addresses for the user", Err: err}
	}
	assigned.Local, assigned.Peer = assigned.Local.Unmap(), assigned.Peer.Unmap()
	l.assigned = assigned
	if !assigned.Peer.Is4() {
		l.network = slices.DeleteFunc(l.network, func(p *protocol) bool { return p.number == ppp.ProtocolIPCP })
	}
	if !slices.ContainsFunc(l.network, carries) {
		return failure(StepAddresses, "no addresses for the user, and no IPv6 either")
	}
	return nil
}

// carries reports whether data can flow by p.
func carries(p *protocol) bool { return p.number != ppp.ProtocolCCP }

func (l *Link) startNetwork() {
	l.phase = Network
	for _, p := range l.network {
		p.raise(l.cfg.Quirks.PassiveNCP)
	}
}

// lcpDown is LCP's This-Layer-Down: the link ends, or LCP is negotiated again.
func (l *Link) lcpDown() {
	if l.phase != Terminate {
		l.phase = Establish
	}
	l.auth.end()
	l.callback = callback{}
	l.stopEcho()
	for _, p := range l.network {
		p.fire(onDown)
	}
}

// lcpFinished is LCP's This-Layer-Finished.
func (l *Link) lcpFinished() {
	if l.done {
		return
	}
	if l.phase != Terminate {
		err := l.lcp.err
		if err == nil {
			err = failure(StepLCP, "LCP came to its end")
		}
		l.terminating(err)
	}
	l.finish()
}

// networkDown tells of a network protocol that was open.
func (l *Link) networkDown(p *protocol) {
	p.told = true
	l.emit(NetworkDown{p.number, asError(p.err)})
}

// networkFinished tells of a network protocol that has come to its end, and ends a
// link on which none is left.
func (l *Link) networkFinished(p *protocol) {
	if l.phase != Network {
		return
	}
	if p.err == nil {
		p.err = failure(p.step, "%v came to its end", p.number)
	}
	if !p.told {
		l.networkDown(p)
	}
	err := p.err
	for _, other := range l.network {
		switch {
		case !carries(other):
		case other.passive, other.state.timed(), other.state == opened:
			return
		case other.number == ppp.ProtocolIPCP && other.err != nil:
			err = other.err // of two that failed, the one that people look for
		}
	}
	l.fail(err)
}

// fail ends the link because of err, with a Terminate-Request if it is any use.
func (l *Link) fail(err *Error) {
	if l.phase == Terminate || l.done {
		return
	}
	l.terminating(err)
	reason := err.Reason
	if err.Step == StepAddresses && err.Err != nil {
		reason = err.Err.Error()
	}
	l.lcp.close(reason)
	if l.lcp.state <= stopped {
		l.finish()
	}
}

// terminating enters phase Terminate. A client that was asked for a method which it
// does not have says so rather than what came of it.
func (l *Link) terminating(err *Error) {
	if err != nil && l.phase == Establish && l.options.untaken != "" && slices.Contains([]Step{StepLCP, StepTerminated, StepLowerLayer}, err.Step) {
		err = &Error{
			Step: StepAuthentication, Err: err,
			Reason: "no method in common: the server wants " + l.options.untaken + ", this end can do " + optionList(l.cfg.Methods),
		}
	}
	l.err, l.phase = err, Terminate
	l.auth.end()
	l.emit(Terminating{asError(err)})
}

// finish is the end.
func (l *Link) finish() {
	if l.done {
		return
	}
	l.auth.end()
	l.phase, l.done = Dead, true
	l.emit(Down{asError(l.err)})
}

// asError keeps a nil *Error from becoming an error that is not nil.
func asError(err *Error) error {
	if err == nil {
		return nil
	}
	return err
}
