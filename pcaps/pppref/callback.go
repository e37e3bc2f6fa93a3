package pppref

import (
	"time"

	"sstpwarden/inspect/ppp"
)

// callback is the Callback Control Protocol (MS-CBCP) to no callback: the server's
// Request offers none, the client's Response takes that, and the Ack ends it.
type callback struct {
	agreed   bool // in LCP
	waiting  bool // for it to be settled
	offered  bool // client: a Request has come
	id       uint8
	tries    int
	deadline time.Time
}

var noCallback = []ppp.Option{ppp.CallbackOption{Type: ppp.NoCallback}}

func (l *Link) startCallback() {
	l.callback = callback{
		agreed: true, waiting: true, id: 1,
		tries: l.cfg.MaxConfigure, deadline: l.now.Add(l.cfg.RestartTimer),
	}
	if l.cfg.Role == Server {
		l.offerCallback()
	}
}

func (l *Link) offerCallback() { l.sendCallback(ppp.CBCPRequest, l.callback.id) }

func (l *Link) sendCallback(code ppp.CBCPCode, id uint8) {
	l.send(ppp.ProtocolCBCP, ppp.CBCP{Code: code, Identifier: id, Options: noCallback})
}

// receiveCallback answers even after the end: an answer may have been lost.
func (l *Link) receiveCallback(payload []byte) {
	message, _, err := ppp.ParseMessage(ppp.ProtocolCBCP, payload)
	if err != nil {
		return
	}
	m, ok := message.(ppp.CBCP)
	if !ok {
		return
	}
	switch {
	case l.cfg.Role == Client && m.Code == ppp.CBCPRequest:
		l.callback.offered, l.callback.id = true, m.Identifier
		l.sendCallback(ppp.CBCPResponse, m.Identifier)
	case l.cfg.Role == Client && m.Code == ppp.CBCPAck && l.callback.offered:
		l.endCallback()
	case l.cfg.Role == Server && m.Code == ppp.CBCPResponse && m.Identifier == l.callback.id:
		if wishes(m.Options).index(uint8(ppp.NoCallback)) < 0 {
			if l.callback.waiting {
				l.fail(failure(StepCallback, "the client wants to be called back, and was offered no callback"))
			}
			return
		}
		l.sendCallback(ppp.CBCPAck, m.Identifier)
		l.endCallback()
	}
}

// expireCallback repeats what was said last. A client goes on without CBCP if the
// server says nothing of it.
func (l *Link) expireCallback() {
	c := &l.callback
	if c.deadline.IsZero() || l.now.Before(c.deadline) {
		return
	}
	c.tries--
	c.deadline = l.now.Add(l.cfg.RestartTimer)
	switch {
	case l.cfg.Role == Client && (!c.offered || c.tries <= 0):
		l.endCallback()
	case l.cfg.Role == Client:
		l.sendCallback(ppp.CBCPResponse, c.id)
	case c.tries <= 0:
		l.fail(failure(StepCallback, "the client asked for CBCP and answered none of %d Callback-Requests", l.cfg.MaxConfigure))
	default:
		l.offerCallback()
	}
}

func (l *Link) endCallback() {
	if !l.callback.waiting {
		return
	}
	l.callback.waiting, l.callback.deadline = false, time.Time{}
	l.startNetwork()
}
