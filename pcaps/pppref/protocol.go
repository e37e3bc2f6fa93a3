package pppref

import (
	"time"

	"sstpwarden/inspect/ppp"
)

// A negotiator says what one control protocol asks for and takes. Its methods send
// nothing and do not step the automaton; up, down and finished may, but not their own.
type negotiator interface {
	// reset goes back to what a first Configure-Request asks for.
	reset()
	// request returns what to ask for now.
	request() []ppp.Option
	// naked is told an option of a Configure-Nak, rejected the type of one in a
	// Configure-Reject that the request had, confirmed that the peer has acknowledged
	// the request. Their error says that there is nothing left to ask for.
	naked(o ppp.Option) *Error
	rejected(t uint8) *Error
	confirmed() *Error
	// judge says what an option of the peer's request deserves, and with nak, what
	// this end wants to see instead. Its error ends the protocol.
	judge(o ppp.Option) (verdict, ppp.Option, *Error)
	// missing returns the options that the peer should have asked for.
	missing(asked []ppp.Option) []ppp.Option
	// granted is told all options that are acknowledged to the peer.
	granted(options []ppp.Option)
	// up, down and finished are This-Layer-Up, -Down and -Finished.
	up()
	down()
	finished()
	// failed is told that the protocol cannot go on.
	failed(err *Error)
}

// verdict is what a peer's option deserves.
type verdict uint8

const (
	accept verdict = iota
	nak
	reject
)

// A protocol is one control protocol of a link: the automaton with its counters, its
// timer and what the last packets were.
type protocol struct {
	link    *Link
	number  ppp.Protocol
	step    Step // what its errors are called
	options negotiator

	state    state
	passive  bool      // stopped because the peer is to send the first request
	tries    int       // the Restart counter
	deadline time.Time // of the Restart timer; zero if it does not run

	identifier uint8    // of the next packet, unless all protocols share one counter
	asked      []byte   // the last Configure-Request from its code on, identifier 0
	requestID  uint8    // its identifier
	answered   bool     // a valid answer to it has come, or none is awaited
	fresh      bool     // the next Configure-Request begins a negotiation
	counts     counts   // of that negotiation
	lastRefuse ppp.Code // the last refusal that came: Configure-Nak or -Reject, or 0
	told       bool     // that it is down
	terminated *Error   // the peer's Terminate-Request, if that came last
	err        *Error   // why it ends
	reason     string   // what a Terminate-Request says

	// What came last, while it is being answered.
	in    ppp.Packet
	echo  ppp.Echo
	reply configure // what the next sca or scn sends
}

type configure = ppp.Configure

// counts bound a negotiation with a peer that answers but never agrees, for which
// RFC 1661 knows Max-Failure alone.
type counts struct {
	requests int // Configure-Requests sent
	acks     int // of these, that were acknowledged
	refused  int // of these, that got a Configure-Nak or -Reject
	naks     int // Configure-Naks sent since the last Configure-Ack: Max-Failure
	refusals int // Configure-Naks and -Rejects sent since the last Configure-Ack
}

// raise opens the automaton on a lower layer that is up.
func (p *protocol) raise(passive bool) {
	p.fire(onOpen)
	if !passive || p.state != starting {
		p.fire(onUp)
		return
	}
	// RFC 1661, Section 4.2, Stopped: "waiting for the peer".
	p.state, p.passive, p.told, p.err = stopped, true, false, nil
	p.options.reset()
	p.deadline = p.link.now.Add(time.Duration(p.link.cfg.MaxConfigure) * p.link.cfg.RestartTimer)
}

// fire takes the automaton through one transition.
func (p *protocol) fire(e event) {
	t := transitions[e][p.state]
	if !t.valid {
		return
	}
	if t.next.negotiating() && !p.state.negotiating() {
		p.fresh = true
	}
	p.state = t.next
	p.passive = p.passive && p.state == stopped
	for _, a := range t.actions {
		p.do(a)
	}
	if !p.state.timed() && !p.passive {
		p.deadline = time.Time{}
	}
}

func (p *protocol) do(a action) {
	switch a {
	case tlu:
		p.err, p.told = nil, false
		p.options.up()
	case tld:
		p.options.down()
	case tls: // the lower layer is up as long as there is a link
	case tlf:
		p.options.finished()
	case irc:
		p.tries = p.link.cfg.MaxConfigure
		if !p.state.negotiating() && p.state != opened {
			p.tries = p.link.cfg.MaxTerminate
		}
	case zrc:
		p.tries = 0
		p.startTimer()
	case scr:
		p.sendRequest()
	case sca:
		p.counts.naks, p.counts.refusals = 0, 0
		p.options.granted(p.reply.Options)
		p.link.send(p.number, p.reply)
	case scn:
		p.counts.refusals++
		p.link.send(p.number, p.reply)
	case str:
		p.tries--
		p.startTimer()
		p.link.send(p.number, ppp.Terminate{
			Code: ppp.CodeTerminateRequest, Identifier: p.nextIdentifier(), Data: p.link.terminateData(p),
		})
	case sta:
		m := ppp.Terminate{Code: ppp.CodeTerminateAck, Identifier: p.in.Identifier}
		if p.link.cfg.Quirks.CopyTerminateData && ppp.Code(p.in.Code) == ppp.CodeTerminateRequest {
			m.Data = p.in.Data
		}
		p.link.send(p.number, m)
	case scj:
		p.link.send(p.number, ppp.CodeReject{Identifier: p.nextIdentifier(), Rejected: p.link.cut(p.whole(), 4)})
	case ser:
		p.link.echoed(p.echo)
	}
}

// whole returns the packet in hand as it came.
func (p *protocol) whole() []byte {
	b, err := p.in.Append(nil)
	if err != nil {
		return nil
	}
	return b
}

func (p *protocol) startTimer() { p.deadline = p.link.now.Add(p.link.cfg.RestartTimer) }

// sendRequest sends a Configure-Request. It takes a new identifier where the options
// have changed or the last one was answered (RFC 1661, Section 5.1).
func (p *protocol) sendRequest() {
	if p.fresh {
		p.fresh, p.counts, p.err, p.answered, p.lastRefuse, p.told = false, counts{}, nil, true, 0, false
		p.terminated = nil
		p.options.reset()
	}
	m := configure{Code: ppp.CodeConfigureRequest, Options: p.options.request()}
	asked := encode(m)
	if p.answered || p.link.cfg.Quirks.SharedIdentifiers || string(asked) != string(p.asked) {
		p.requestID = p.nextIdentifier()
	}
	p.asked, p.answered = asked, false
	p.counts.requests++
	p.tries--
	p.startTimer()
	m.Identifier = p.requestID
	p.link.send(p.number, m)
}

func (p *protocol) nextIdentifier() uint8 {
	counter := &p.identifier
	if p.link.cfg.Quirks.SharedIdentifiers {
		counter = &p.link.identifier
	}
	id := *counter
	*counter++
	return id
}

// encode returns a Configure message as octets, to compare it; nil if it has no form.
func encode(m configure) []byte {
	b, err := m.Append(nil)
	if err != nil {
		return nil
	}
	return b
}

// expire is the Restart timer's end, if that has come.
func (p *protocol) expire() {
	if p.deadline.IsZero() || p.link.now.Before(p.deadline) {
		return
	}
	switch {
	case p.passive:
		p.passive, p.deadline = false, time.Time{}
		p.err = failure(p.step, "the peer sent no Configure-Request in %v", time.Duration(p.link.cfg.MaxConfigure)*p.link.cfg.RestartTimer)
		p.options.finished()
	case p.state.negotiating() && p.tries <= 0:
		p.err = p.silence()
		p.fire(onTOMinus)
	case p.state.negotiating() && p.endless():
	case p.tries > 0:
		p.fire(onTOPlus)
	default:
		p.fire(onTOMinus)
	}
}

// silence says what did not come while the Restart counter ran out.
func (p *protocol) silence() *Error {
	if p.terminated != nil {
		return p.terminated
	}
	n, t := p.link.cfg.MaxConfigure, time.Duration(p.link.cfg.MaxConfigure)*p.link.cfg.RestartTimer
	if p.state == ackSent {
		return failure(p.step, "the peer asks, but answered none of %d Configure-Requests in %v", n, t)
	}
	return failure(p.step, "the peer answered none of %d Configure-Requests in %v: does it speak PPP here, and %v at all?", n, t, p.number)
}

// close is an administrative Close; reason is for the peer.
func (p *protocol) close(reason string) {
	p.reason = reason
	p.fire(onClose)
}
