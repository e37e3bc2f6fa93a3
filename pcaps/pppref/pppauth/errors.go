package pppauth

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"sstpwarden/inspect/ppp"
)

// A Reason says why an authentication failed.
type Reason uint8

// The reasons. Those marked peer or authenticator occur at that end only.
const (
	Refused            Reason = iota + 1 // the other end said no: in a peer, to the name or the password
	Unproven                             // peer: the server could not prove that it knows the password
	UnknownUser                          // authenticator: there is no such user
	WrongPassword                        // authenticator
	NotAllowed                           // authenticator: Authenticator.Allow said no
	PasswordChange                       // authenticator: the client wants to change its password
	Certificate                          // the other end's certificate was not accepted
	CertificateRefused                   // the other end did not accept this end's certificate
	NoCommonMethod                       // of EAP
	NoAnswer                             // nothing came, ten times
	BadMessage                           // the other end broke the protocol
	Internal                             // this end could not do its part
)

// String returns a few words: "wrong password".
func (r Reason) String() string {
	words := [...]string{
		Refused: "refused", Unproven: "server unproven", UnknownUser: "unknown user", WrongPassword: "wrong password",
		NotAllowed: "not allowed", PasswordChange: "password change", Certificate: "certificate",
		CertificateRefused: "certificate refused", NoCommonMethod: "no common method", NoAnswer: "no answer",
		BadMessage: "bad message", Internal: "internal",
	}
	if int(r) < len(words) && r != 0 {
		return words[r]
	}
	return number("reason", uint8(r))
}

// An Error says why an authentication failed. It never holds a password; what the other end said in it is quoted.
type Error struct {
	Method Method // 0 if EAP did not come to one
	Reason Reason
	Code   ppp.MSCHAPError // peer: what the server of MS-CHAP-V2 gave as the reason, else 0
	User   string          // authenticator: whom Allow was asked about, "" if nobody; a name that the other end chose
	Text   string          // what happened, for people
	Err    error           // what brought it about, or nil
}

// Error returns one line: `mschapv2: the server refused the name or the password (691, authentication failure)`.
func (e *Error) Error() string {
	name := "eap"
	if e.Method != 0 {
		name = e.Method.String()
	}
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", name, e.Text, e.Err)
	}
	return name + ": " + e.Text
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// refused is what a peer says of a Failure or a Nak with the given text. An MS-CHAP-V2 server's text has its code in it.
func refused(m Method, text string) *Error {
	e := &Error{Method: m, Reason: Refused, Text: "the server refused the name or the password"}
	if m == MSCHAPv2 || m == EAPMSCHAPv2 {
		if f, err := ppp.ParseMSCHAPFailure(text); err == nil {
			e.Code, text = f.Error, f.Message
			e.Text = fmt.Sprintf("the server %s (%d, %s)", codeVerb(f.Error), uint32(f.Error), codeText(f.Error))
		}
	}
	e.Text += saying(text)
	return e
}

// codeVerb says what the server did: with some codes the password may well be right.
func codeVerb(code ppp.MSCHAPError) string {
	if code == ppp.ErrorAuthenticationFailure {
		return "refused the name or the password"
	}
	return "refused the login"
}

func codeText(code ppp.MSCHAPError) string {
	switch code {
	case ppp.ErrorRestrictedLogonHours:
		return "outside the hours in which the account may log on"
	case ppp.ErrorAcctDisabled:
		return "the account is disabled"
	case ppp.ErrorPasswdExpired:
		return "the password has expired: change it where the account is kept"
	case ppp.ErrorNoDialinPermission:
		return "the account has no permission to dial in"
	case ppp.ErrorAuthenticationFailure:
		return "authentication failure"
	case ppp.ErrorChangingPassword:
		return "the password could not be changed"
	default:
		return "a code that RFC 2759 does not know"
	}
}

// saying quotes the other end's own words.
func saying(text string) string {
	if text == "" {
		return ""
	}
	return fmt.Sprintf(", saying %q", cut(text))
}

// maxText is how much of the other end's words is quoted, in octets: as much as PAP can carry.
const maxText = 255

func cut(text string) string {
	if len(text) <= maxText {
		return text
	}
	n := maxText
	for n > maxText-utf8.UTFMax && !utf8.RuneStart(text[n]) {
		n--
	}
	return strings.ToValidUTF8(text[:n], "\uFFFD") + "..."
}

func number(what string, n uint8) string { return fmt.Sprintf("%s %d", what, n) }
