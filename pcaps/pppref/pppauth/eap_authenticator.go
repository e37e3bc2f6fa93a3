package pppauth

import (
	"fmt"
	"slices"

	"sstpwarden/inspect/ppp"
	"sstpwarden/inspect/sstp"
)

// An eapServer is the authenticator's part of one method of EAP.
type eapServer interface {
	// start returns the data of the first request.
	start() eapStep
	// receive takes the data of a response of the method's type to the last request.
	receive(d ppp.EAPData) eapStep
	close()
}

// An eapStep is what an authenticator's method does next. The zero value discards a response.
type eapStep struct {
	data ppp.EAPData // the next request
	// err says that the method has failed. With data, that is still sent, and the Failure comes after the response to it.
	err *Error
	// retry is, with data, another try for a user, who has to type a password.
	retry bool
	done  bool   // the method has succeeded
	name  string // who claims to be there, or with done who is
	hlak  sstp.HLAK
}

// An eapAuthenticator asks for the identity, then goes through its methods until the peer takes one.
//
//	         identity          Nak: another method
//	asking ------------> in a method ------+
//	                      |  ^   |  |      |
//	                      |  |   |  +------+
//	             response +--+   | done: Success, err: [last request] Failure
//	                             +-------> succeeded, failed
type eapAuthenticator struct {
	end
	k       *keeper
	offered []Method // not yet tried
	tried   []Method
	ms      mschapKeeper // challenge
	id      uint8

	request  ppp.EAP
	identity string
	method   Method
	server   eapServer
	begun    bool    // the peer has answered in the method: no Nak any more
	doomed   *Error  // what the response to the last request leads to
	last     ppp.EAP // Success or Failure, once there is one
	decided  bool
}

func newEAPAuthenticator(offered []Method, k *keeper, id uint8, challenge [challengeLen]byte) *eapAuthenticator {
	return &eapAuthenticator{k: k, offered: offered, id: id, ms: mschapKeeper{method: EAPMSCHAPv2, k: k, challenge: challenge}}
}

// Start implements Party.
func (a *eapAuthenticator) Start() []ppp.Message {
	if a.closed || a.again != nil || a.outcome.State != Pending {
		return nil
	}
	return a.ask(ppp.EAPIdentity(""))
}

// ask sends a request under the next identifier.
func (a *eapAuthenticator) ask(d ppp.EAPData) []ppp.Message {
	a.id++
	a.request = ppp.EAP{Code: ppp.EAPRequest, Identifier: a.id, Data: d}
	return a.send(a.request)
}

// Receive implements Party. A response counts if it has the identifier of the last request, whose type is its own or which
// it is a Nak to (RFC 3748, Section 4.1).
func (a *eapAuthenticator) Receive(m ppp.Message) []ppp.Message {
	response, ok := m.(ppp.EAP)
	if !ok || response.Code != ppp.EAPResponse || response.Identifier != a.id || a.request.Data == nil || !a.open(a.method) {
		return nil
	}
	if a.decided {
		return []ppp.Message{a.last} // it was lost
	}
	if a.outcome.State != Pending {
		return nil
	}
	switch d := response.Data.(type) {
	case ppp.EAPNak:
		if a.method != 0 && !a.begun {
			return a.next(d)
		}
		return nil
	case ppp.EAPIdentity:
		if a.method == 0 {
			a.identity, a.outcome.Name = string(d), string(d)
			return a.next(nil)
		}
		return nil
	default:
		if a.method == 0 || d.EAPType() != a.method.eapType() {
			return nil
		}
		a.begun = true
		if a.doomed != nil {
			return a.decide(a.doomed)
		}
		return a.step(a.server.receive(d))
	}
}

// next begins the first method left, or the first that the peer wishes for.
func (a *eapAuthenticator) next(wishes ppp.EAPNak) []ppp.Message {
	a.release()
	i := slices.IndexFunc(a.offered, func(m Method) bool { return wishes == nil || slices.Contains(wishes, m.eapType()) })
	if i < 0 {
		a.method = 0
		return a.decide(&Error{Reason: NoCommonMethod, Text: fmt.Sprintf(
			"the client wants %s, which this server does not offer: it has %s", names(wishes), join(slices.Concat(a.tried, a.offered)),
		)})
	}
	a.method = a.offered[i]
	a.tried = append(a.tried, a.method)
	a.offered = slices.Delete(slices.Clone(a.offered), i, i+1)
	if a.method == EAPTLS {
		a.server = newTLSServer(a.k, a.identity)
	} else {
		a.server = &mschapServer{mschapKeeper: a.ms, id: a.id + 1}
	}
	return a.step(a.server.start())
}

func names(wishes ppp.EAPNak) string {
	text := ""
	for i, t := range wishes {
		switch {
		case t == 0:
			continue
		case i == 8: // more than any client has, and no reason to print all 255
			return text + ", ..."
		case text != "":
			text += ", "
		}
		text += t.String()
	}
	if text == "" {
		return "no method"
	}
	return text
}

func (a *eapAuthenticator) step(s eapStep) []ppp.Message {
	if s.name != "" && !s.done {
		a.outcome.Name = s.name
	}
	switch {
	case s.data != nil:
		a.doomed = s.err
		sent := a.ask(s.data)
		if s.retry {
			a.prompted()
		}
		return sent
	case s.err != nil:
		return a.decide(s.err)
	case s.done:
		a.succeed(s.name, s.hlak)
		return a.conclude(ppp.EAPSuccess)
	}
	return nil
}

func (a *eapAuthenticator) decide(err *Error) []ppp.Message {
	a.fail(err)
	return a.conclude(ppp.EAPFailure)
}

// conclude sends the Success or Failure, under the identifier of the response that it is to (RFC 3748, Section 4.2).
func (a *eapAuthenticator) conclude(c ppp.EAPCode) []ppp.Message {
	a.release()
	a.last, a.decided = ppp.EAP{Code: c, Identifier: a.id}, true
	return []ppp.Message{a.last}
}

// Timeout implements Party.
func (a *eapAuthenticator) Timeout() []ppp.Message {
	err := a.doomed
	if err == nil {
		err = &Error{Method: a.method, Reason: NoAnswer, Text: "the client stopped answering"}
	}
	sent := a.timeout(err)
	if a.outcome.State == Failed {
		a.release()
	}
	return sent
}

// Close implements Party.
func (a *eapAuthenticator) Close() {
	a.release()
	a.end.Close()
}

func (a *eapAuthenticator) release() {
	if a.server != nil {
		a.server.close()
	}
}
