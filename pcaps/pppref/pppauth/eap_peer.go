package pppauth

import (
	"bytes"
	"crypto/tls"
	"fmt"

	"sstpwarden/inspect/ppp"
	"sstpwarden/inspect/sstp"
)

// An eapClient is the peer's part of one method of EAP.
type eapClient interface {
	// receive takes the data of a request of the method's type.
	receive(d ppp.EAPData) eapReply
	close()
}

// An eapReply is what a peer's method makes of a request.
type eapReply struct {
	data ppp.EAPData // the response; nil discards the request
	err  *Error      // the method has failed
	done bool        // the method has succeeded: the authenticator's word is all that is wanting
	// protected means, with done, that the authenticator has said so in a way that nobody else could have, and that no
	// Failure changes it (RFC 3748, Section 4.2).
	protected bool
	hlak      sstp.HLAK
}

// An eapPeer answers requests (RFC 3748, Section 4.1). It sends nothing of its own accord.
//
//	            request of a method      done             Success
//	identified ---------------------> in it --> in it, done --------> succeeded
//	       |                           |                  | Timeout
//	       | Failure                   | err, Failure     +---------> succeeded
//	       +--------------> failed <---+
type eapPeer struct {
	end
	c       *Credentials
	offered []Method

	method Method    // what is in use, 0 before
	client eapClient // its part
	result eapReply  // of it, valid iff done
	notice string    // the last Notification
	early  bool      // a Success came that could be to the last response

	request  []byte // the last one answered, as it was on the wire
	response ppp.EAP
	answered bool
}

func newEAPPeer(offered []Method, c *Credentials) *eapPeer {
	p := &eapPeer{c: c, offered: offered}
	p.outcome.Name = c.Name
	return p
}

// Start implements Party.
func (p *eapPeer) Start() []ppp.Message { return nil }

// Receive implements Party.
func (p *eapPeer) Receive(m ppp.Message) []ppp.Message {
	packet, ok := m.(ppp.EAP)
	if !ok || !p.open(p.method) {
		return nil
	}
	switch packet.Code {
	case ppp.EAPRequest:
		return p.requested(packet)
	case ppp.EAPSuccess:
		if p.expects(packet.Identifier) {
			p.early = true
			if p.result.done {
				p.finish()
			}
		}
	case ppp.EAPFailure:
		if p.expects(packet.Identifier) && !p.result.protected {
			p.fail(p.rejected())
			p.release()
		}
	default: // a peer gets no responses
	}
	return nil
}

// expects reports whether a Success or Failure can be the one to the last response. It should have that one's identifier
// (RFC 3748, Section 4.2); pppd counts on by one.
func (p *eapPeer) expects(id uint8) bool {
	return p.answered && (id == p.response.Identifier || id == p.response.Identifier+1)
}

// requested answers a request, the same one in the same way (RFC 3748, Section 4.1).
func (p *eapPeer) requested(m ppp.EAP) []ppp.Message {
	wire, err := m.Append(nil)
	if err != nil {
		return nil
	}
	if p.answered && bytes.Equal(wire, p.request) {
		return []ppp.Message{p.response}
	}
	if p.outcome.State != Pending {
		return nil
	}
	data := p.answer(m.Data)
	if data == nil {
		return nil
	}
	p.request, p.answered, p.waits = wire, true, 0
	p.response = ppp.EAP{Code: ppp.EAPResponse, Identifier: m.Identifier, Data: data}
	return []ppp.Message{p.response}
}

func (p *eapPeer) answer(d ppp.EAPData) ppp.EAPData {
	switch d := d.(type) {
	case ppp.EAPIdentity:
		return ppp.EAPIdentity(p.c.Name)
	case ppp.EAPNotification:
		p.notice = cut(string(d))
		return ppp.EAPNotification("")
	case ppp.EAPNak:
		return nil // never in a request
	}
	begins := p.method == 0
	if begins {
		if nak := p.choose(d.EAPType()); nak != nil {
			return nak
		}
	}
	// Once in a method, requests of others are discarded (RFC 3748, Section 2.1).
	if d.EAPType() != p.method.eapType() || p.result.done {
		return nil
	}
	r := p.client.receive(d)
	switch {
	case r.err != nil:
		p.fail(r.err)
		p.release()
	case r.done:
		p.result = r
		p.release()
	case r.data == nil && begins:
		p.release()
		p.method, p.client = 0, nil
	}
	return r.data
}

// choose begins the method of the type, or returns a Nak with the ones that it would rather have.
func (p *eapPeer) choose(t ppp.EAPType) ppp.EAPData {
	var wishes ppp.EAPNak
	for _, m := range p.offered {
		if m.eapType() == t {
			p.method = m
			if m == EAPTLS {
				p.client = newTLSClient(p.c)
			} else {
				p.client = &mschapClient{mschapPeer{method: m, c: p.c, password: p.c.Password}, 0}
			}
			return nil
		}
		wishes = append(wishes, m.eapType())
	}
	return wishes
}

// rejected says why a Failure came, as far as one can know.
func (p *eapPeer) rejected() *Error {
	e := &Error{Method: p.method, Reason: Refused, Text: "the server refused the login"}
	switch {
	case p.method == 0 && p.nakked():
		e.Reason = NoCommonMethod
		e.Text = fmt.Sprintf("the server has none of the methods that are allowed here: %s", join(p.offered))
	case p.method == 0:
		e.Text = fmt.Sprintf("the server refused the name %q before any method", p.c.Name)
	}
	e.Text += saying(p.notice)
	return e
}

func (p *eapPeer) nakked() bool {
	_, ok := p.response.Data.(ppp.EAPNak)
	return ok
}

func (p *eapPeer) finish() {
	p.succeed(p.c.Name, p.result.hlak)
	p.release()
}

// Timeout implements Party. Responses are never sent again on a timer (RFC 3748, Section 4.1).
func (p *eapPeer) Timeout() []ppp.Message {
	if !p.closed && p.result.done && p.outcome.State == Pending {
		p.finish()
		return nil
	}
	text := "the server sent no request"
	switch {
	case p.early && p.method == EAPTLS && p.c.MaxTLS >= tls.VersionTLS13:
		text = "the server's Success came without the commitment that RFC 9190, Section 2.1.1 wants: try with TLS 1.2 at most"
	case p.early:
		text = "the server's Success came before it had proven anything"
	case p.answered:
		text = "the server fell silent in the middle of it"
	}
	p.timeout(&Error{Method: p.method, Reason: NoAnswer, Text: text})
	if p.outcome.State == Failed {
		p.release()
	}
	return nil
}

// Close implements Party.
func (p *eapPeer) Close() {
	p.release()
	p.end.Close()
}

func (p *eapPeer) release() {
	if p.client != nil {
		p.client.close()
	}
}
