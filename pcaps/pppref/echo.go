package pppref

import (
	"time"

	"sstpwarden/inspect/ppp"
)

// echo is whether the peer is still there (RFC 1661, Section 5.8).
type echo struct {
	deadline   time.Time // of the next request
	first      time.Time // when the oldest unanswered request went out
	unanswered int
	identifier uint8
}

func (l *Link) startEcho() {
	l.echo = echo{}
	if l.cfg.EchoInterval <= 0 {
		return
	}
	if l.cfg.EchoAtOnce {
		l.askEcho()
		return
	}
	l.scheduleEcho()
}

func (l *Link) stopEcho() { l.echo.deadline = time.Time{} }

// Heard says that data came, so that the next Echo-Request is put off by an interval.
// A holder whose echoes go out whatever comes in does not call it.
func (l *Link) Heard(now time.Time) {
	if l.echo.deadline.IsZero() || l.done {
		return
	}
	l.now, l.echo.unanswered = now, 0
	l.scheduleEcho()
}

func (l *Link) scheduleEcho() {
	wait := l.cfg.EchoInterval
	if l.cfg.EchoSpread > 0 {
		wait += time.Duration(l.random.Uint64() % uint64(l.cfg.EchoSpread+1))
	}
	l.echo.deadline = l.now.Add(wait)
}

func (l *Link) askEcho() {
	if l.echo.unanswered == 0 {
		l.echo.first = l.now
	}
	l.echo.unanswered++
	id := l.echo.identifier
	l.echo.identifier++
	if l.cfg.Quirks.SharedIdentifiers {
		id = l.lcp.nextIdentifier()
	}
	l.scheduleEcho()
	l.send(ppp.ProtocolLCP, ppp.Echo{
		Code: ppp.CodeEchoRequest, Identifier: id, MagicNumber: l.options.magic, Data: []byte(l.cfg.EchoRequestData),
	})
}

func (l *Link) expireEcho() {
	if l.echo.deadline.IsZero() || l.now.Before(l.echo.deadline) {
		return
	}
	if n := l.echo.unanswered; l.cfg.EchoFailures > 0 && n >= l.cfg.EchoFailures {
		l.fail(failure(StepEcho, "the peer answered none of the last %d LCP Echo-Requests, in %v", n, l.now.Sub(l.echo.first)))
		return
	}
	l.askEcho()
}

// echoed takes an Echo-Request, an Echo-Reply or a Discard-Request while LCP is open.
// A reply may well have the request's Magic-Number, which some peers copy; a request
// with this end's own has come back from somewhere.
func (l *Link) echoed(m ppp.Echo) {
	switch m.Code {
	case ppp.CodeEchoReply:
		l.echo.unanswered = 0
	case ppp.CodeEchoRequest:
		if m.MagicNumber != 0 && m.MagicNumber == l.options.magic {
			if err := l.options.looped(); err != nil {
				l.fail(err)
				return
			}
		} else {
			l.options.loops = 0
		}
		data := m.Data
		if l.cfg.EchoReplyData != "" {
			data = []byte(l.cfg.EchoReplyData)
		}
		l.send(ppp.ProtocolLCP, ppp.Echo{
			Code: ppp.CodeEchoReply, Identifier: m.Identifier, MagicNumber: l.options.magic, Data: l.cut(data, packetHeader+4),
		})
	default: // a Discard-Request is just that
	}
}
