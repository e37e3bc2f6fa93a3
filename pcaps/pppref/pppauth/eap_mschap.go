package pppauth

import "sstpwarden/inspect/ppp"

// An mschapClient is the peer's part of EAP's MSCHAPv2 (draft-kamath-pppext-eap-mschapv2-02, Section 2).
type mschapClient struct {
	mschapPeer
	id uint8 // MS-CHAPv2-ID of the last response
}

func (c *mschapClient) close() {}

func (c *mschapClient) receive(d ppp.EAPData) eapReply {
	m, ok := d.(ppp.EAPMSCHAPv2)
	if !ok {
		return eapReply{}
	}
	switch m := m.Message.(type) {
	case ppp.CHAPChallenge:
		return c.answer(m.Identifier, m.Value)
	case ppp.CHAPSuccess:
		if c.secrets == nil {
			return eapReply{}
		}
		hlak, err := c.verify(m.Message)
		if err != nil {
			return eapReply{data: ppp.EAPMSCHAPv2{OpCode: ppp.EAPMSCHAPv2Failure}, err: err}
		}
		return eapReply{data: ppp.EAPMSCHAPv2{OpCode: ppp.EAPMSCHAPv2Success}, done: true, protected: true, hlak: hlak}
	case ppp.CHAPFailure:
		if c.secrets == nil {
			return eapReply{}
		}
		challenge, why := c.again(m.Message)
		if challenge != nil {
			return c.answer(c.id+1, challenge)
		}
		return eapReply{data: ppp.EAPMSCHAPv2{OpCode: ppp.EAPMSCHAPv2Failure}, err: why}
	}
	return eapReply{}
}

func (c *mschapClient) answer(id uint8, challenge []byte) eapReply {
	value, err := c.respond(challenge)
	if err != nil {
		return eapReply{err: err}
	}
	c.id = id
	return eapReply{data: ppp.EAPMSCHAPv2{
		OpCode: ppp.EAPMSCHAPv2Response, Message: ppp.CHAPResponse{Identifier: id, Value: value, Name: c.c.Name},
	}}
}

// An mschapServer is the authenticator's part of EAP's MSCHAPv2.
//
//	            Response, right          Success
//	challenged -----------------> proven --------> done
//	     ^  |                       | Failure
//	     |  | Response, wrong       v
//	     |  +-----------------> refused: whatever comes back to the last Failure ends it
//	     +----- Response ------ R=1
type mschapServer struct {
	mschapKeeper
	id     uint8         // MS-CHAPv2-ID of the challenge: EAP's identifier, as with Windows
	result *mschapResult // of the last response, nil before
}

func (s *mschapServer) close() {}

func (s *mschapServer) start() eapStep {
	value := s.challenge
	return eapStep{data: ppp.EAPMSCHAPv2{
		OpCode:  ppp.EAPMSCHAPv2Challenge,
		Message: ppp.CHAPChallenge{Identifier: s.id, Value: value[:], Name: s.k.Name},
	}}
}

func (s *mschapServer) receive(d ppp.EAPData) eapStep {
	switch d := d.(type) {
	case ppp.EAPMSCHAPv2:
		if m, ok := d.Message.(ppp.CHAPResponse); ok {
			if s.result == nil || s.result.retry {
				return s.say(s.check(m), m.Identifier)
			}
			return eapStep{}
		}
		return s.acknowledged(d.OpCode)
	case ppp.EAPOpaque:
		if data := d.Data.Reveal(); len(data) > 1 && data[0] == codeChangePassword {
			return s.say(s.refuseChange(""), data[1])
		}
	}
	return eapStep{}
}

// acknowledged takes a Success or Failure of the client's.
func (s *mschapServer) acknowledged(op ppp.EAPMSCHAPv2OpCode) eapStep {
	switch {
	case s.result == nil:
		return eapStep{}
	case s.result.err == nil && op == ppp.EAPMSCHAPv2Success:
		return eapStep{done: true, name: s.result.name, hlak: s.result.hlak}
	case s.result.err == nil && op == ppp.EAPMSCHAPv2Failure:
		return eapStep{err: &Error{
			Method: s.method, Reason: Refused, Text: "the client did not take this server's proof that it knows the password",
		}}
	case op == ppp.EAPMSCHAPv2Failure:
		return eapStep{err: s.result.err} // it wants no other try
	}
	return eapStep{}
}

func (s *mschapServer) say(r mschapResult, id uint8) eapStep {
	s.result = &r
	if r.err == nil {
		return eapStep{name: r.name, data: ppp.EAPMSCHAPv2{
			OpCode: ppp.EAPMSCHAPv2Success, Message: ppp.CHAPSuccess{Identifier: id, Message: r.text},
		}}
	}
	step := eapStep{name: r.name, retry: r.retry, data: ppp.EAPMSCHAPv2{
		OpCode: ppp.EAPMSCHAPv2Failure, Message: ppp.CHAPFailure{Identifier: id, Message: r.text},
	}}
	if !r.retry {
		step.err = r.err
	}
	return step
}
