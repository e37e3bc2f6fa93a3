package pppauth

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"layeh.com/radius/rfc2759"
	"layeh.com/radius/rfc3079"

	"sstpwarden/inspect/ppp"
	"sstpwarden/inspect/sstp"
)

// challengeLen is the size of both challenges of MS-CHAP-V2, in octets (RFC 2759, Sections 3 and 4).
const challengeLen = 16

// zeroHLAK is that of the methods that make no keys.
var zeroHLAK sstp.HLAK

var errNotUTF8 = errors.New("the password is not UTF-8, which MS-CHAP-V2 needs")

// mschapSecrets are what both ends of MS-CHAP-V2 compute alike from the challenges, the name and the password.
type mschapSecrets struct {
	response [24]byte  // NT-Response: the peer's proof (RFC 2759, Section 8.1)
	proof    [20]byte  // Authenticator Response: the server's (RFC 2759, Section 8.7)
	hlak     sstp.HLAK // RFC 3079, Section 3.3
}

// computeMSCHAP takes the name as the peer sent it; a domain in it does not count (RFC 2759, Section 8.2).
func computeMSCHAP(authenticator, peer [challengeLen]byte, name, password string) (mschapSecrets, error) {
	var s mschapSecrets
	if !utf8.ValidString(password) {
		return s, errNotUTF8 // replacing what is not would make passwords equal that are not
	}
	user, pw := []byte(withoutDomain(name)), []byte(password)
	response, err := rfc2759.GenerateNTResponse(authenticator[:], peer[:], user, pw)
	if err != nil {
		return s, err
	}
	text, err := rfc2759.GenerateAuthenticatorResponse(authenticator[:], peer[:], response, user, pw)
	if err != nil {
		return s, err
	}
	success, err := ppp.ParseMSCHAPv2Success(text)
	if err != nil {
		return s, err
	}
	if s.hlak, err = mschapKey(response, pw); err != nil {
		return s, err
	}
	copy(s.response[:], response)
	s.proof = success.AuthenticatorResponse
	return s, nil
}

// mschapKey returns K(Magic2) and K(Magic3). Package rfc3079 sees keys as a server does: its send key is the client's
// receive key, of Magic3.
func mschapKey(response, password []byte) (hlak sstp.HLAK, err error) {
	for i, send := range []bool{false, true} {
		key, err := rfc3079.MakeKey(response, password, send)
		if err != nil {
			return zeroHLAK, err
		}
		copy(hlak[i*len(key):], key)
	}
	return hlak, nil
}

// An mschapPeer is the peer's part of MS-CHAP-V2, with or without EAP around it.
type mschapPeer struct {
	method   Method
	c        *Credentials
	password string
	tries    int
	secrets  *mschapSecrets // of the last response; nil before the first
}

// respond returns the Value of a Response to a challenge.
func (p *mschapPeer) respond(challenge []byte) (ppp.Secret, *Error) {
	if len(challenge) != challengeLen {
		return ppp.Secret{}, &Error{Method: p.method, Reason: BadMessage, Text: "the server's challenge has not the 16 octets of MS-CHAP-V2"}
	}
	r := ppp.MSCHAPv2Response{}
	if _, err := io.ReadFull(p.c.Rand, r.PeerChallenge[:]); err != nil {
		return ppp.Secret{}, &Error{Method: p.method, Reason: Internal, Text: "reading randomness for a challenge", Err: err}
	}
	s, err := computeMSCHAP([challengeLen]byte(challenge), r.PeerChallenge, p.c.Name, p.password)
	if err != nil {
		return ppp.Secret{}, &Error{Method: p.method, Reason: Internal, Text: "computing the response", Err: err}
	}
	r.NTResponse = ppp.NewSecret(s.response[:])
	value, err := r.Append(nil)
	if err != nil {
		return ppp.Secret{}, &Error{Method: p.method, Reason: Internal, Text: "writing the response", Err: err}
	}
	p.secrets = &s
	return ppp.NewSecret(value), nil
}

// verify returns the key if the text of a Success shows that the server knows the password (RFC 2759, Section 8.8).
func (p *mschapPeer) verify(text string) (sstp.HLAK, *Error) {
	s, err := ppp.ParseMSCHAPv2Success(text)
	if err == nil && p.secrets != nil && subtle.ConstantTimeCompare(s.AuthenticatorResponse[:], p.secrets.proof[:]) == 1 {
		return p.secrets.hlak, nil
	}
	return zeroHLAK, &Error{
		Method: p.method, Reason: Unproven, Text: "the server could not prove that it knows the password", Err: err,
	}
}

// again returns the challenge for another try after a Failure, and what was refused. There is none where the server wants
// none or where no other password is to be had.
func (p *mschapPeer) again(text string) ([]byte, *Error) {
	why := refused(p.method, text)
	f, err := ppp.ParseMSCHAPFailure(text)
	if err != nil || !f.Retry || len(f.Challenge) != challengeLen || p.c.Again == nil || p.tries >= maxRetries {
		return nil, why
	}
	password, ok := p.c.Again(why)
	if !ok {
		return nil, why
	}
	p.tries++
	p.password = password
	return f.Challenge, why
}

// An mschapKeeper is the authenticator's part of MS-CHAP-V2, with or without EAP around it.
type mschapKeeper struct {
	method    Method
	k         *keeper
	challenge [challengeLen]byte
	tries     int
}

// An mschapResult is what the check of a Response came to.
type mschapResult struct {
	name  string // as claimed, or in a success as it is known
	hlak  sstp.HLAK
	text  string // of the Success or the Failure
	err   *Error // nil in a success
	retry bool   // the text offers another try, with the challenge that is now in place
}

// check looks at a Response.
func (x *mschapKeeper) check(m ppp.CHAPResponse) mschapResult {
	c := x.k.claim(x.method, m.Name)
	r, err := ppp.ParseMSCHAPv2Response(m.Value)
	if err != nil {
		return x.refuse(c, &Error{Reason: BadMessage, Text: "the client's response cannot be read", Err: err}, false)
	}
	if !utf8.ValidString(c.password) {
		c.err = &Error{Reason: Internal, Text: fmt.Sprintf("the password kept for %q cannot be used", cut(c.name)), Err: errNotUTF8}
		c.password = x.k.decoy
	}
	s, err := computeMSCHAP(x.challenge, r.PeerChallenge, m.Name, c.password)
	if err != nil {
		return x.refuse(c, &Error{Reason: Internal, Text: "the client's response cannot be checked", Err: err}, false)
	}
	if bad := c.verdict(x.method, equalSecret(r.NTResponse, s.response[:])); bad != nil {
		return x.refuse(c, bad, x.tries < x.k.Retries)
	}
	text := ppp.MSCHAPv2Success{AuthenticatorResponse: s.proof, Message: x.k.SuccessText}.String()
	return mschapResult{name: c.name, hlak: s.hlak, text: text}
}

// refuse says authentication failure whatever the reason, so that a client does not learn which names there are.
func (x *mschapKeeper) refuse(c claim, err *Error, retry bool) mschapResult {
	if retry {
		if _, bad := io.ReadFull(x.k.Rand, x.challenge[:]); bad != nil {
			retry = false
		}
		x.tries++
	}
	err.Method, err.User = x.method, c.name
	return x.failure(c.claimed, ppp.ErrorAuthenticationFailure, err, retry)
}

// refuseChange answers a Change-Password packet (RFC 2759, Section 7).
func (x *mschapKeeper) refuseChange(name string) mschapResult {
	return x.failure(name, ppp.ErrorChangingPassword, &Error{
		Method: x.method, Reason: PasswordChange,
		Text: "the client wants to change its password, which this server does not do",
	}, false)
}

// changePasswordVersion is what V= has in a Failure (RFC 2759, Section 6).
const changePasswordVersion = 3

func (x *mschapKeeper) failure(name string, code ppp.MSCHAPError, err *Error, retry bool) mschapResult {
	text := ppp.MSCHAPFailure{
		Error: code, Retry: retry, Challenge: x.challenge[:], Version: changePasswordVersion, Message: x.k.FailureText,
	}.String()
	return mschapResult{name: name, text: text, err: err, retry: retry}
}
