package pppauth

import (
	"bytes"
	"crypto/md5"
	"slices"

	"sstpwarden/inspect/ppp"
	"sstpwarden/inspect/sstp"
)

// chapDigest is the Value of a Response of CHAP with MD5 (RFC 1994, Section 4.1).
func chapDigest(id uint8, secret string, challenge []byte) []byte {
	sum := md5.Sum(slices.Concat([]byte{id}, []byte(secret), challenge))
	return sum[:]
}

// A chapPeer answers challenges, of CHAP with MD5 or of MS-CHAP-V2.
//
//	          Challenge            Success
//	waiting ------------> answered --------> succeeded: answers each new Challenge (RFC 1994, Section 2)
//	                      ^  | |   Failure
//	                      |  | +-----------> failed
//	       R=1 and another password
type chapPeer struct {
	end
	method    Method
	c         *Credentials
	ms        mschapPeer
	challenge []byte
	response  ppp.CHAPResponse
	answered  bool
}

func newCHAPPeer(m Method, c *Credentials) *chapPeer {
	p := &chapPeer{method: m, c: c, ms: mschapPeer{method: m, c: c, password: c.Password}}
	p.outcome.Name = c.Name
	return p
}

// Start implements Party.
func (p *chapPeer) Start() []ppp.Message { return nil }

// Receive implements Party.
func (p *chapPeer) Receive(m ppp.Message) []ppp.Message {
	if !p.open(p.method) {
		return nil
	}
	switch m := m.(type) {
	case ppp.CHAPChallenge:
		if p.outcome.State != Failed {
			return p.answer(m.Identifier, m.Value)
		}
	case ppp.CHAPSuccess:
		if p.expects(m.Identifier) {
			p.accepted(m.Message)
		}
	case ppp.CHAPFailure:
		if p.expects(m.Identifier) {
			return p.refused(m)
		}
	}
	return nil
}

// expects reports whether a Success or Failure is to the last response. One that comes later says nothing new: a server
// that turns a peer down after a further challenge ends the link.
func (p *chapPeer) expects(id uint8) bool {
	return p.outcome.State == Pending && p.answered && id == p.response.Identifier
}

// answer responds to a challenge, to the same one in the same way.
func (p *chapPeer) answer(id uint8, challenge []byte) []ppp.Message {
	if p.answered && id == p.response.Identifier && bytes.Equal(challenge, p.challenge) {
		return []ppp.Message{p.response}
	}
	var value ppp.Secret
	if p.method == MSCHAPv2 {
		v, err := p.ms.respond(challenge)
		if err != nil {
			p.fail(err)
			return nil
		}
		value = v
	} else {
		value = ppp.NewSecret(chapDigest(id, p.c.Password, challenge))
	}
	p.challenge, p.answered = bytes.Clone(challenge), true
	p.response = ppp.CHAPResponse{Identifier: id, Value: value, Name: p.c.Name}
	if p.outcome.State != Pending {
		return []ppp.Message{p.response}
	}
	return p.send(p.response)
}

func (p *chapPeer) accepted(text string) {
	hlak := sstp.HLAK{}
	if p.method == MSCHAPv2 {
		key, err := p.ms.verify(text)
		if err != nil {
			p.fail(err)
			return
		}
		hlak = key
	}
	p.succeed(p.c.Name, hlak)
}

func (p *chapPeer) refused(m ppp.CHAPFailure) []ppp.Message {
	if p.method != MSCHAPv2 {
		p.fail(refused(p.method, m.Message))
		return nil
	}
	challenge, why := p.ms.again(m.Message)
	if challenge == nil {
		p.fail(why)
		return nil
	}
	return p.answer(m.Identifier+1, challenge)
}

// Timeout implements Party. It sends the response again, because a Success that was lost comes only in answer to one (RFC
// 1994, Section 4.2).
func (p *chapPeer) Timeout() []ppp.Message {
	text := "the server sent no challenge"
	if p.answered {
		text = "the server did not answer the response to its challenge"
	}
	return p.timeout(&Error{Method: p.method, Reason: NoAnswer, Text: text})
}
