package pppref

import (
	"sstpwarden/inspect/ppp"
)

// Octets before a frame's payload, and a packet's header.
const (
	fullHeader   = 4
	packetHeader = 4
)

// send sends a message. LCP's frames have all their header fields (RFC 1661, Sections
// 6.5 and 6.6), others what was agreed.
func (l *Link) send(p ppp.Protocol, m ppp.Message) {
	b, err := m.Append(l.buf[:0])
	if err != nil || len(b) > l.cfg.MaxFrame-fullHeader {
		return // only what a configuration or a Party makes can be so
	}
	l.buf = b
	f := ppp.Frame{Protocol: p, Payload: b}
	acfc, _ := l.DataForm()
	if p != ppp.ProtocolLCP {
		f.ACFC = acfc
	} else if code := ppp.Code(b[0]); l.cfg.Quirks.ShortLCP && code > ppp.CodeTerminateAck {
		f.ACFC = acfc
	}
	l.cfg.Send(f)
}

// peerMRU returns how many octets of payload the peer takes.
func (l *Link) peerMRU() int {
	if l.lcp.state != opened {
		return DefaultMRU
	}
	return l.options.peer.mru
}

// cut returns as much of b as the peer takes after a packet header and fixed more
// octets.
func (l *Link) cut(b []byte, fixed int) []byte {
	room := min(l.peerMRU(), l.cfg.MaxFrame-fullHeader) - fixed
	return b[:max(0, min(len(b), room))]
}

// terminateData returns the data of p's next Terminate-Request.
func (l *Link) terminateData(p *protocol) []byte {
	switch data := l.cfg.Quirks.TerminateData; {
	case data == nil:
	case p == l.lcp:
		return l.cut(data(l.options.magic, p.reason), packetHeader)
	default:
		return nil
	}
	return []byte(p.reason[:min(len(p.reason), maxQuoted)])
}

// refuse answers a frame of a protocol that is not spoken here.
func (l *Link) refuse(f ppp.Frame) {
	how := ByProtocolReject
	if f.Protocol == ppp.ProtocolCCP {
		how = l.cfg.Quirks.RefuseCCP
	} else if f.Protocol >= 0x8000 && f.Protocol < 0xc000 {
		how = l.cfg.Quirks.RefuseNCP
	}
	switch how {
	case BySilence:
		return
	case ByConfigureReject:
		if l.rejectOptions(f) {
			return
		}
	case ByProtocolReject:
	}
	m := ppp.ProtocolReject{Identifier: l.lcp.nextIdentifier(), Protocol: f.Protocol}
	if !l.cfg.Quirks.RejectProtocolOnly {
		m.Rejected = ppp.NewSecret(l.cut(f.Payload, packetHeader+2))
	}
	l.send(ppp.ProtocolLCP, m)
}

// rejectOptions answers a Configure-Request by a Configure-Reject of all its options.
// It returns false where only a Protocol-Reject will do.
func (l *Link) rejectOptions(f ppp.Frame) bool {
	message, _, err := ppp.ParseMessage(f.Protocol, f.Payload)
	if err != nil {
		return true // discarded
	}
	switch m := message.(type) {
	case ppp.Configure:
		if m.Code != ppp.CodeConfigureRequest {
			return true
		}
		if len(m.Options) == 0 {
			return false
		}
		m.Code = ppp.CodeConfigureReject
		l.send(f.Protocol, m)
		return true
	case ppp.Terminate:
		if m.Code == ppp.CodeTerminateRequest {
			l.send(f.Protocol, ppp.Terminate{Code: ppp.CodeTerminateAck, Identifier: m.Identifier})
		}
		return true
	default:
		return false
	}
}

// lcpMessage takes what LCP alone has. It counts only while LCP is open.
func (l *Link) lcpMessage(m ppp.Message) {
	if l.lcp.state != opened {
		return
	}
	switch m := m.(type) {
	case ppp.Identification:
		l.emit(Identified{m.Message})
	case ppp.TimeRemaining:
		l.emit(Remaining{m.Seconds, m.Message})
	case ppp.ProtocolReject:
		l.protocolRejected(m.Protocol)
	}
}

// protocolRejected is about a frame of ours that the peer did not understand.
func (l *Link) protocolRejected(number ppp.Protocol) {
	switch {
	case number == ppp.ProtocolLCP:
		l.lcp.reject(failure(StepLCP, "the peer does not know LCP (Protocol-Reject)"))
		return
	case number == l.auth.protocol && l.phase == Authenticate && !l.callback.waiting:
		l.fail(failure(StepAuthentication, "the peer agreed on %v and then did not know it (Protocol-Reject)", number))
		return
	case number == ppp.ProtocolCBCP && l.callback.waiting:
		l.endCallback()
		return
	case number == ppp.ProtocolIPv4:
		number = ppp.ProtocolIPCP
	case number == ppp.ProtocolIPv6:
		number = ppp.ProtocolIPV6CP
	}
	if p := l.protocol(number); p != nil && l.phase == Network {
		p.reject(failure(p.step, "the peer does not do %v (Protocol-Reject): see whether it is turned on there, for this user too", number))
	}
}
