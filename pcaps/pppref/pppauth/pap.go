package pppauth

import "sstpwarden/inspect/ppp"

// A papPeer sends its request until it is answered (RFC 1334, Section 2).
type papPeer struct {
	end
	c     *Credentials
	first uint8 // Identifier of the first request
	sent  uint8
}

func newPAPPeer(c *Credentials) *papPeer {
	p := &papPeer{c: c, first: 1}
	p.outcome.Name = c.Name
	return p
}

// Start implements Party.
func (p *papPeer) Start() []ppp.Message {
	if p.closed || p.sent > 0 {
		return nil
	}
	return p.request()
}

// request returns the request under a new Identifier, as RFC 1334, Section 2.2.1 wants it each time.
func (p *papPeer) request() []ppp.Message {
	m := ppp.PAPRequest{Identifier: p.first + p.sent, PeerID: p.c.Name, Password: ppp.NewSecret([]byte(p.c.Password))}
	p.sent++
	return []ppp.Message{m}
}

// ours reports whether id is that of a request: a slow answer may be to one before the last.
func (p *papPeer) ours(id uint8) bool { return id-p.first < p.sent }

// Receive implements Party.
func (p *papPeer) Receive(m ppp.Message) []ppp.Message {
	if !p.open(PAP) {
		return nil
	}
	switch m := m.(type) {
	case ppp.PAPAck:
		if p.ours(m.Identifier) {
			p.succeed(p.c.Name, zeroHLAK)
		}
	case ppp.PAPNak:
		if p.ours(m.Identifier) {
			p.fail(refused(PAP, m.Message))
		}
	}
	return nil
}

// Timeout implements Party.
func (p *papPeer) Timeout() []ppp.Message {
	pending := !p.closed && p.outcome.State == Pending
	p.timeout(&Error{Method: PAP, Reason: NoAnswer, Text: "the server did not answer the name and password"})
	if pending && p.outcome.State == Pending {
		return p.request()
	}
	return nil
}

// A papAuthenticator decides on the first request and gives the same answer to all others (RFC 1334, Section 2.2.1).
type papAuthenticator struct {
	end
	k *keeper
}

func newPAPAuthenticator(k *keeper) *papAuthenticator { return &papAuthenticator{k: k} }

// Start implements Party.
func (p *papAuthenticator) Start() []ppp.Message { return nil }

// Receive implements Party.
func (p *papAuthenticator) Receive(m ppp.Message) []ppp.Message {
	request, ok := m.(ppp.PAPRequest)
	if !ok || !p.open(PAP) {
		return nil
	}
	if p.outcome.State == Pending {
		p.decide(request)
	}
	if p.outcome.State == Succeeded {
		return []ppp.Message{ppp.PAPAck{Identifier: request.Identifier, Message: p.k.SuccessText}}
	}
	return []ppp.Message{ppp.PAPNak{Identifier: request.Identifier, Message: p.k.FailureText}}
}

func (p *papAuthenticator) decide(request ppp.PAPRequest) {
	p.outcome.Name = request.PeerID
	c := p.k.claim(PAP, request.PeerID)
	if err := c.verdict(PAP, equalSecret(request.Password, []byte(c.password))); err != nil {
		p.fail(err)
		return
	}
	p.succeed(c.name, zeroHLAK)
}

// Timeout implements Party.
func (p *papAuthenticator) Timeout() []ppp.Message {
	return p.timeout(&Error{Method: PAP, Reason: NoAnswer, Text: "the client sent no name and password"})
}
