package pppauth

import "sstpwarden/inspect/ppp"

// codeChangePassword is the code of a Change-Password packet (RFC 2759, Section 7).
const codeChangePassword = 7

// A chapAuthenticator challenges, with CHAP's MD5 or MS-CHAP-V2, and decides on the first response. A Timeout sends the
// same challenge again, so that a slow client's response is still to the one that counts.
type chapAuthenticator struct {
	end
	method Method
	k      *keeper
	ms     mschapKeeper
	id     uint8
	reply  ppp.Message // to the response with id; nil before it
}

func newCHAPAuthenticator(m Method, k *keeper, id uint8, challenge [challengeLen]byte) *chapAuthenticator {
	return &chapAuthenticator{method: m, k: k, id: id, ms: mschapKeeper{method: m, k: k, challenge: challenge}}
}

// Start implements Party.
func (a *chapAuthenticator) Start() []ppp.Message {
	if a.closed || a.again != nil || a.outcome.State != Pending {
		return nil
	}
	value := a.ms.challenge
	return a.send(ppp.CHAPChallenge{Identifier: a.id, Value: value[:], Name: a.k.Name})
}

// Receive implements Party.
func (a *chapAuthenticator) Receive(m ppp.Message) []ppp.Message {
	if a.again == nil && a.reply == nil || !a.open(a.method) {
		return nil
	}
	switch m := m.(type) {
	case ppp.CHAPResponse:
		return a.response(m)
	case ppp.Packet:
		if m.Code == codeChangePassword && a.method == MSCHAPv2 && a.outcome.State == Pending {
			return a.answer(a.ms.refuseChange(a.outcome.Name), m.Identifier)
		}
	}
	return nil
}

// response decides, or repeats what was decided: every response with the current identifier gets the same reply (RFC 1994,
// Section 4.2). Where a retry was offered, the next one has the next identifier.
func (a *chapAuthenticator) response(m ppp.CHAPResponse) []ppp.Message {
	retry := a.reply != nil && a.outcome.State == Pending
	switch {
	case retry && m.Identifier == a.id+1:
		a.id++
	case m.Identifier != a.id:
		return nil
	case a.reply != nil:
		return []ppp.Message{a.reply}
	}
	a.outcome.Name = m.Name
	if a.method == MSCHAPv2 {
		return a.answer(a.ms.check(m), m.Identifier)
	}
	c := a.k.claim(a.method, m.Name)
	match := equalSecret(m.Value, chapDigest(a.id, c.password, a.ms.challenge[:]))
	if err := c.verdict(a.method, match); err != nil {
		return a.answer(mschapResult{err: err, text: a.k.FailureText}, m.Identifier)
	}
	return a.answer(mschapResult{name: c.name, text: a.k.SuccessText}, m.Identifier)
}

func (a *chapAuthenticator) answer(r mschapResult, id uint8) []ppp.Message {
	switch {
	case r.err == nil:
		a.reply = ppp.CHAPSuccess{Identifier: id, Message: r.text}
		a.succeed(r.name, r.hlak)
	case r.retry:
		a.reply = ppp.CHAPFailure{Identifier: id, Message: r.text}
		a.again = nil // a client that has not got it sends its response again
		a.prompted()
	default:
		a.reply = ppp.CHAPFailure{Identifier: id, Message: r.text}
		a.fail(r.err)
	}
	return []ppp.Message{a.reply}
}

// Timeout implements Party.
func (a *chapAuthenticator) Timeout() []ppp.Message {
	return a.timeout(&Error{Method: a.method, Reason: NoAnswer, Text: "the client did not answer the challenge"})
}
