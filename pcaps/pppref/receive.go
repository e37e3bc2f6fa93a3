package pppref

import (
	"slices"

	"sstpwarden/inspect/ppp"
)

// receive takes a packet of the protocol. What is malformed or comes at a time when
// it can mean nothing is silently discarded (RFC 1661, Section 5).
func (p *protocol) receive(payload []byte) {
	packet, _, err := ppp.ParsePacket(payload)
	if err != nil {
		return
	}
	message, _, err := ppp.ParseMessage(p.number, payload)
	if err != nil {
		return
	}
	p.in = packet
	defer func() { p.in, p.echo, p.reply = ppp.Packet{}, ppp.Echo{}, configure{} }()
	switch m := message.(type) {
	case ppp.Configure:
		switch m.Code {
		case ppp.CodeConfigureRequest:
			p.requested(m)
		case ppp.CodeConfigureAck:
			p.acknowledged(m)
		default:
			p.refused(m)
		}
	case ppp.Terminate:
		p.terminate(m)
	case ppp.CodeReject:
		p.codeRejected(m)
	case ppp.Packet:
		if !p.passedOver(m.Code) {
			p.fire(onRUC)
		}
	case ppp.Echo:
		p.echo = m
		p.fire(onRXR)
	default:
		p.link.lcpMessage(m)
	}
}

// Codes of CCP that RFC 1962, Section 3 adds. Without compression they mean nothing.
const (
	codeResetRequest = 14
	codeResetAck     = 15
)

func (p *protocol) passedOver(code uint8) bool {
	return p.number == ppp.ProtocolCCP && (code == codeResetRequest || code == codeResetAck)
}

// requested is RCR.
func (p *protocol) requested(m configure) {
	if p.state != stopped && p.state != opened && !p.state.negotiating() {
		p.fire(onRCRPlus) // good or bad makes no difference
		return
	}
	p.terminated = nil
	if !p.state.negotiating() {
		p.counts = counts{}
	} else if p.endless() {
		return
	}
	reply, looped, err := p.link.options.loopReply(p, m)
	if !looped && err == nil {
		reply, err = p.answer(m)
	}
	if err != nil {
		p.fail(err)
		return
	}
	p.reply = reply
	if reply.Code == ppp.CodeConfigureAck {
		p.fire(onRCRPlus)
		return
	}
	p.fire(onRCRMinus)
}

// answer makes the Configure-Ack, -Nak or -Reject that m deserves. What cannot be
// negotiated at all is rejected first, then what has a wrong value is naked (RFC
// 1661, Sections 5.3 and 5.4).
func (p *protocol) answer(m configure) (configure, *Error) {
	var rejects, naks []ppp.Option
	var naked []ppp.Option // what of m the naks are for
	var seen [256]bool
	for _, o := range m.Options {
		t := o.OptionType()
		if seen[t] { // RFC 1661, Section 6: none is listed more than once
			rejects = append(rejects, o)
			continue
		}
		seen[t] = true
		v, better, err := p.options.judge(o)
		switch {
		case err != nil:
			return configure{}, err
		case v == reject:
			rejects = append(rejects, o)
		case v == nak:
			naks, naked = append(naks, better), append(naked, o)
		}
	}
	missing := p.options.missing(m.Options)
	reply := configure{Code: ppp.CodeConfigureAck, Identifier: m.Identifier, Options: m.Options}
	switch {
	case len(rejects) > 0:
		reply.Code, reply.Options = ppp.CodeConfigureReject, rejects
	case len(naks)+len(missing) == 0:
	case p.counts.naks < p.link.cfg.MaxFailure:
		p.counts.naks++
		reply.Code, reply.Options = ppp.CodeConfigureNak, append(naks, missing...)
	case len(naked) > 0: // RFC 1661, Section 4.6, Max-Failure
		reply.Code, reply.Options = ppp.CodeConfigureReject, naked
	default:
		return configure{}, failure(p.step, "the peer does not negotiate %s, without which this end cannot go on",
			ppp.OptionName(p.number, missing[0].OptionType()))
	}
	return reply, nil
}

// endless ends a negotiation that goes on and on, and says whether it did.
func (p *protocol) endless() bool {
	limit := p.link.cfg.MaxConfigure
	switch {
	case p.counts.refused > limit:
		p.fail(failure(p.step, "the peer refused %d Configure-Requests, the last with %v: see what it wants instead", p.counts.refused, p.lastRefuse))
	case p.counts.refusals >= 2*limit:
		p.fail(failure(p.step, "the peer keeps asking for what it was refused %d times", p.counts.refusals))
	case p.counts.requests >= 3*limit && p.counts.acks > 0:
		p.fail(failure(p.step, "the peer acknowledged %d of %d Configure-Requests, but sent none of its own that could be acknowledged", p.counts.acks, p.counts.requests))
	case p.counts.requests >= 3*limit:
		p.fail(failure(p.step, "no agreement after %d Configure-Requests", p.counts.requests))
	default:
		return false
	}
	return true
}

// awaited reports whether an answer with this identifier answers the last request.
// Where nothing is negotiated, an answer to nothing is answered by a Terminate-Ack.
func (p *protocol) awaited(identifier uint8) bool {
	if !p.state.negotiating() {
		return p.state == closed || p.state == stopped
	}
	return identifier == p.requestID && !p.answered
}

// acknowledged is RCA. The options have to be the request's (RFC 1661, Section 5.2).
func (p *protocol) acknowledged(m configure) {
	if !p.awaited(m.Identifier) {
		return
	}
	if p.state.negotiating() {
		if string(encode(configure{Code: ppp.CodeConfigureRequest, Options: m.Options})) != string(p.asked) {
			return
		}
		p.answered, p.terminated = true, nil
		p.counts.acks++
		if err := p.options.confirmed(); err != nil {
			p.fail(err)
			return
		}
	}
	p.fire(onRCA)
}

// refused is RCN.
func (p *protocol) refused(m configure) {
	if !p.awaited(m.Identifier) {
		return
	}
	if p.state.negotiating() {
		if p.link.options.isOwnNak(p, m) {
			p.link.options.again()
			return
		}
		options := m.Options
		if m.Code == ppp.CodeConfigureReject {
			options = p.own(m.Options)
		}
		if len(options) == 0 {
			return
		}
		p.answered, p.terminated = true, nil
		p.counts.refused++
		p.lastRefuse = m.Code
		for _, o := range options {
			var err *Error
			if m.Code == ppp.CodeConfigureReject {
				err = p.options.rejected(o.OptionType())
			} else {
				err = p.options.naked(o)
			}
			if err != nil {
				p.fail(err)
				return
			}
		}
		if p.endless() {
			return
		}
	}
	p.fire(onRCN)
}

// own returns those of the options whose types the last request had.
func (p *protocol) own(options []ppp.Option) []ppp.Option {
	m, _, err := ppp.ParseMessage(p.number, p.asked)
	if err != nil {
		return nil
	}
	request := m.(ppp.Configure).Options
	return slices.DeleteFunc(options, func(o ppp.Option) bool {
		return !slices.ContainsFunc(request, func(r ppp.Option) bool { return r.OptionType() == o.OptionType() })
	})
}

// terminate is RTR and RTA.
func (p *protocol) terminate(m ppp.Terminate) {
	if m.Code == ppp.CodeTerminateAck {
		p.fire(onRTA)
		return
	}
	err := failure(StepTerminated, "the peer ended %v%s", p.number, saying(m.Data))
	if p.state.negotiating() || p.state == opened {
		p.terminated = err
	}
	if p.state == opened {
		p.err = err
		if p.number == ppp.ProtocolLCP {
			p.link.terminating(err)
		}
	}
	p.fire(onRTR)
}

// codeRejected is RXJ. A peer that does not know one of the codes that every protocol
// has cannot be talked to.
func (p *protocol) codeRejected(m ppp.CodeReject) {
	if len(m.Rejected) == 0 {
		return
	}
	code := ppp.Code(m.Rejected[0])
	if code < ppp.CodeConfigureRequest || code > ppp.CodeCodeReject {
		if code == ppp.CodeEchoRequest {
			p.link.stopEcho()
		}
		p.fire(onRXJPlus)
		return
	}
	p.reject(failure(p.step, "the peer does not know %v of %v (Code-Reject)", code, p.number))
}

// reject is RXJ-.
func (p *protocol) reject(err *Error) {
	if p.err == nil {
		p.err = err
	}
	if p.number == ppp.ProtocolLCP && p.state == opened {
		p.link.terminating(err)
	}
	p.fire(onRXJMinus)
}

// fail closes the protocol, and remembers why.
func (p *protocol) fail(err *Error) {
	if p.err == nil {
		p.err = err
	}
	p.answered = true
	p.options.failed(err)
}
